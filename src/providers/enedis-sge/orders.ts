/**
 * Access services: the order that opens them (`CommandeServicesAccesDonnees` v1.0) and the one that stops them
 * (`CommandeArretServicesAccesDonnees` v1.0). The gate itself makes both: the first with the name of the person who
 * agreed, for each kind that the permission opens and never beyond its end, without publication of files, which would
 * pass the gate by; the second when the permission ends. An answer acknowledges the services that it names, and no other.
 *
 * Upstream the `sge/ws` namespace alone is spoken. Source: schemas of April 2026 and lowatt-enedis #86.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { Day } from '../../domain/time.ts'
import { addDays, addMonths } from '../../domain/time.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { EndRight, OpenAnswer, OpenRight, RightAnswer } from '../adapter.ts'
import { CONTENT_TYPE, faultCodeOf, requestText, SOAP } from './envelope.ts'
import { saidByFault } from './holder-says.ts'
import type { SequenceModel, Values } from './model.ts'
import { FORMS, written } from './model.ts'
import type { Operator } from './service.ts'
import { API } from './service.ts'
import type { XmlElement } from './xml.ts'
import { readXml } from './xml.ts'

const STOP = { ns: 'http://www.enedis.fr/sge/ws/commanderarretservicesaccesdonnees/v1.0', name: 'commanderArretServicesAccesDonnees' }
const STOP_PATH = '/CommandeArretServicesAccesDonnees/v1.0'
const STOP_MODEL: SequenceModel = {
  of: [
    {
      name: 'demande',
      model: {
        of: [
          {
            name: 'donneesGenerales',
            model: {
              of: [
                { name: 'refExterne', least: 0, model: { fits: /^[^\p{C}]{1,255}$/u } },
                { name: 'pointId', model: FORMS.point },
                { name: 'initiateurLogin', model: FORMS.login },
                { name: 'contratId', model: FORMS.contract },
                { name: 'sens', model: FORMS.direction },
              ],
            },
          },
          { name: 'servicesSouscrits', model: { of: [{ name: 'serviceSouscritId', most: 20, model: { fits: /^[0-9]{1,15}$/ } }] } },
        ],
      },
    },
  ],
}

export function endRightBy(operatorOf: (account: string) => Operator): EndRight {
  return ({ ref, direction, meter, permission }, account) => {
    const operator = operatorOf(account)
    const values: Values = {
      demande: {
        donneesGenerales: {
          refExterne: permission,
          pointId: bareMeter(meter),
          initiateurLogin: operator.login,
          contratId: operator.contract,
          sens: direction === 'injection' ? 'INJECTION' : 'SOUTIRAGE',
        },
        servicesSouscrits: { serviceSouscritId: [ref] },
      },
    }
    return {
      call: {
        method: 'POST',
        path: STOP_PATH,
        headers: { accept: 'text/xml', 'content-type': CONTENT_TYPE, soapaction: '""' },
        body: requestText(STOP, written(values, STOP_MODEL), { version: '1.0', login: operator.login }),
        api: API,
        says: `POST ${STOP_PATH} pointId=${bareMeter(meter)}&serviceSouscritId=${ref}`,
      },
      understand: (status, body) => stopped(status, body, ref),
    }
  }
}

function stopped(status: number, body: string, ref: string): RightAnswer {
  const root = readXml(new TextEncoder().encode(body))
  const fault = root && faultCodeOf(root)
  if (fault !== undefined) {
    const { says, code } = saidByFault(fault)
    return { ended: false, code, says }
  }
  const answered = root?.children.find(({ ns, name }) => ns === SOAP && name === 'Body')?.children[0]
  const named = status === 200 && answered?.ns === STOP.ns ? idsIn(answered) : []
  return { ended: named.includes(ref), code: status === 200 ? null : String(status) }
}

function idsIn(read: XmlElement): readonly string[] {
  return read.name === 'serviceSouscritId' ? [read.text.trim()] : read.children.flatMap(idsIn)
}

const OPEN = { ns: 'http://www.enedis.fr/sge/ws/commanderservicesaccesdonnees/v1.0', name: 'commanderServicesAccesDonnees' }
const OPEN_PATH = '/CommandeServicesAccesDonnees/v1.0'
const name = { fits: /^[^\p{C}]{1,100}$/u }
const OPEN_MODEL: SequenceModel = {
  of: [
    {
      name: 'demande',
      model: {
        of: [
          {
            name: 'donneesGenerales',
            model: {
              of: [
                { name: 'refExterne', least: 0, model: { fits: /^[^\p{C}]{1,255}$/u } },
                { name: 'pointId', model: FORMS.point },
                { name: 'initiateurLogin', model: FORMS.login },
                { name: 'contratId', model: FORMS.contract },
                { name: 'dateFin', model: FORMS.date },
                { name: 'sens', model: FORMS.direction },
                {
                  name: 'declarationAccordClient',
                  model: {
                    of: [
                      { name: 'accord', model: FORMS.boolean },
                      { name: 'personnePhysique', either: 'person', model: { of: [{ name: 'nom', model: name }] } },
                      { name: 'personneMorale', either: 'person', model: { of: [{ name: 'denominationSociale', model: name }] } },
                    ],
                  },
                },
              ],
            },
          },
          {
            name: 'servicesSouscrits',
            model: {
              of: [
                {
                  name: 'serviceSouscrit',
                  most: 4,
                  model: { of: [{ name: 'typeDonnees', model: { fits: /^(?:CDC|IDX|PMAX|ENERGIE)$/ } }] },
                },
              ],
            },
          },
        ],
      },
    },
  ],
}
const TYPES: Readonly<Partial<Record<DataKind, string>>> = { load_curve: 'CDC', index: 'IDX', max_power: 'PMAX', daily_energy: 'ENERGIE' }
/** Longer ones are refused (SGT5O9). */
const MOST_MONTHS = 36

/** Of a permission what Enedis is told when an access service is ordered. */
interface ServiceOrder {
  readonly holder: { readonly kind: 'natural' | 'legal'; readonly name: string }
  readonly lastDay: Day
  readonly kinds: readonly DataKind[]
}

export function openRightBy(operatorOf: (account: string) => Operator): OpenRight {
  return ({ meter, direction, order, permission }, account, today) => {
    const operator = operatorOf(account)
    const { holder, lastDay, kinds } = order as unknown as ServiceOrder
    const types = kinds.flatMap((kind) => TYPES[kind] ?? [])
    const [end, longest] = [addDays(lastDay, 1), addMonths(today, MOST_MONTHS)]
    const values: Values = {
      demande: {
        donneesGenerales: {
          refExterne: permission,
          pointId: bareMeter(meter),
          initiateurLogin: operator.login,
          contratId: operator.contract,
          dateFin: end < longest ? end : longest,
          sens: direction === 'injection' ? 'INJECTION' : 'SOUTIRAGE',
          declarationAccordClient: {
            accord: 'true',
            ...(holder.kind === 'natural'
              ? { personnePhysique: { nom: holder.name } }
              : { personneMorale: { denominationSociale: holder.name } }),
          },
        },
        servicesSouscrits: { serviceSouscrit: types.map((typeDonnees) => ({ typeDonnees })) },
      },
    }
    return {
      call: {
        method: 'POST',
        path: OPEN_PATH,
        headers: { accept: 'text/xml', 'content-type': CONTENT_TYPE, soapaction: '""' },
        body: requestText(OPEN, written(values, OPEN_MODEL), { version: '1.0', login: operator.login }),
        api: API,
        says: `POST ${OPEN_PATH} pointId=${bareMeter(meter)}&typeDonnees=${types.join(',')}&dateFin=${end < longest ? end : longest}`,
      },
      understand: (status, body) => opened(status, body, types.length),
    }
  }
}

function opened(status: number, body: string, services: number): OpenAnswer {
  const root = readXml(new TextEncoder().encode(body))
  const fault = root && faultCodeOf(root)
  if (fault !== undefined) {
    const { says, code } = saidByFault(fault)
    // What Enedis says of the order itself will be the same tomorrow; an error of its own will not.
    return says.means === 'down' || says.means === 'quota' ? { is: 'again', code, says } : { is: 'rejected', code }
  }
  const answered = root?.children.find(({ ns, name: own }) => ns === SOAP && own === 'Body')?.children[0]
  const refs = status === 200 && answered?.ns === OPEN.ns ? idsIn(answered).filter((id) => /^[0-9]{1,15}$/.test(id)) : []
  if (refs.length === 0) return { is: 'again', code: String(status) }
  return { is: 'opened', refs, state: 'open', code: refs.length === services ? 'SGT200' : 'partly' }
}
