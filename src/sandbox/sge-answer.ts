/** What the simulated SGE answers: the content of the right answer, or a code; and the envelope around either. */
import type { Day } from '../domain/time.ts'
import type { FaultCode, SgtCode } from './sge-codes.ts'
import { SGT_CODES } from './sge-codes.ts'
import { SOAP, TECHNIQUE } from './sge-envelope.ts'
import type { Operation } from './sge-operations.ts'
import type { SgePoint } from './sge-points.ts'
import type { Written, XmlElement } from './sge-xml.ts'
import { leaves, written } from './sge-xml.ts'

/** A request that fits its schema, of an account that is known. */
export interface Asked {
  readonly body: XmlElement
  /** Of the account. */
  readonly contratId: string
  readonly today: Day
}
/** One about a meter that exists. */
export interface AskedOf extends Asked {
  readonly point: SgePoint
}
export type Said =
  | { readonly is: 'answer'; readonly content: Iterable<Written>; readonly affaireId?: string }
  | { readonly is: 'fault'; readonly code: FaultCode; readonly commentaire?: string }

export function fault(code: FaultCode, commentaire?: string): Said {
  return { is: 'fault', code, ...(commentaire !== undefined && { commentaire }) }
}

/** What SGE echoes of a request. */
export interface Echo {
  readonly pointId: string | undefined
  readonly login: string | undefined
}

export function answerEnvelope(operation: Operation, said: Extract<Said, { is: 'answer' }>, echo: Echo): Written {
  const body = written('soapenv:Body', [written(`ns:${operation.answer}`, said.content, { 'xmlns:ns': operation.namespace })])
  if (operation.entete === null) return envelope([body])
  const acquittement = written('tec:acquittement', resultOf('SGT200', echo, said.affaireId), { 'xmlns:tec': TECHNIQUE })
  return envelope([written('soapenv:Header', [acquittement]), body])
}

/** `bare` has no `tec:erreur`, as some that were met. */
export function faultEnvelope(said: Extract<Said, { is: 'fault' }>, echo: Echo, bare: boolean = false): Written {
  const erreur = written('tec:erreur', [...resultOf(said.code, echo), ...leaves({ commentaire: said.commentaire })], {
    'xmlns:tec': TECHNIQUE,
  })
  return envelope([
    written('soapenv:Body', [
      written('soapenv:Fault', [
        ...leaves({ faultcode: 'soapenv:Server', faultstring: SGT_CODES[said.code] }),
        ...(bare ? [] : [written('detail', [erreur])]),
      ]),
    ]),
  ])
}

function envelope(content: readonly Written[]): Written {
  return written('soapenv:Envelope', content, { 'xmlns:soapenv': SOAP })
}

function resultOf(code: SgtCode, { pointId, login }: Echo, affaireId?: string): Written[] {
  const about = leaves({ pointId, affaireId })
  return [
    written('resultat', SGT_CODES[code], { code }),
    ...(about.length > 0 ? [written('infoFonctionnelles', about)] : []),
    ...(login === undefined ? [] : [written('infoDemandeur', leaves({ loginDemandeur: login }))]),
  ]
}
