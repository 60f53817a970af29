/** What the simulated SGE remembers of each call, so that evidence can be held against it. */
import type { IncomingMessage } from 'node:http'
import type { XmlElement } from './sge-xml.ts'
import { find, textOf } from './sge-xml.ts'

/** One call, as it arrived. What has no value is known once it was answered. */
export interface SgeCall {
  /** From 1, in order of arrival. */
  readonly n: number
  readonly at: number
  readonly method: string
  readonly path: string
  /** The abbreviation of the service at this path. */
  readonly service?: string
  /** The operation element, as it was sent. */
  readonly operation?: string
  readonly pointId?: string
  /** How the customer's consent was declared: the element, and what it says. */
  readonly consent?: { readonly element: string; readonly value: string }
  /** Who is said to have consented, or is looked for. */
  readonly person?: string
  readonly login?: string
  readonly contratId?: string
  readonly from?: string
  readonly until?: string
  /** Kinds of data: `mesuresTypeCode`, or each `typeDonnees` of an order. */
  readonly types?: readonly string[]
  readonly serviceSouscritIds?: readonly string[]
  readonly refExterne?: string
  readonly traceparent?: string
  /** Of the authorization only the scheme. */
  readonly headers: Readonly<Record<string, string>>
  readonly misbehaved?: string
  /** Of the result that was made of it, whether or not it was sent. */
  code?: string
  status?: number
  /** False where either side hung up. */
  complete?: boolean
}

export type SgeFacts = Pick<
  SgeCall,
  'operation' | 'pointId' | 'consent' | 'person' | 'login' | 'contratId' | 'from' | 'until' | 'types' | 'serviceSouscritIds' | 'refExterne'
>

const LOGINS = ['initiateurLogin', 'loginUtilisateur', 'loginDemandeur']
const CONSENTS = ['cadreAcces', 'accordClient', 'autorisationClient', 'contratConcluNouveauClientSurSite', 'accord']

/** What an operation says, as far as it can be read: it need not fit its schema. */
export function factsOf(body: XmlElement): SgeFacts {
  const facts = {
    operation: body.name,
    pointId: textOf(body, 'pointId'),
    consent: consentOf(body),
    person: personOf(body),
    login: loginOf(body),
    contratId: textOf(body, 'contratId'),
    from: textOf(body, 'dateDebut'),
    until: textOf(body, 'dateFin'),
    types: listOf(body, ['mesuresTypeCode', 'typeDonnees']),
    serviceSouscritIds: listOf(body, ['serviceSouscritId']),
    refExterne: textOf(body, 'refExterne') ?? textOf(body, 'refFrn'),
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as SgeFacts
}

export function loginOf(body: XmlElement): string | undefined {
  return LOGINS.map((name) => textOf(body, name)).find((login) => login !== undefined)
}

function consentOf(body: XmlElement): SgeCall['consent'] {
  const element = CONSENTS.find((name) => find(body, name) !== undefined)
  return element === undefined ? undefined : { element, value: textOf(body, element) ?? '' }
}

/** Family name first, as SGE writes a person. */
export function personOf(body: XmlElement): string | undefined {
  const [nom, prenom] = [textOf(body, 'nom'), textOf(body, 'prenom')]
  if (nom !== undefined) return prenom === undefined ? nom : `${nom} ${prenom}`
  return textOf(body, 'denominationSociale') ?? textOf(body, 'nomClientFinalOuDenominationSociale')
}

function listOf(body: XmlElement, names: readonly string[]): string[] | undefined {
  const all: string[] = []
  const visit = (element: XmlElement): void => {
    if (names.includes(element.name)) all.push(element.text.trim())
    element.children.forEach(visit)
  }
  visit(body)
  return all.length > 0 ? all : undefined
}

export function headersOf(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers)) {
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
    headers[name] = name === 'authorization' ? (text.split(' ')[0] ?? '') : text
  }
  return headers
}
