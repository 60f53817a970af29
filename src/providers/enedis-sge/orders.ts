/**
 * Access services: the order that opens them (`CommandeServicesAccesDonnees` v1.0) and the one that stops them
 * (`CommandeArretServicesAccesDonnees` v1.0). The gate itself makes both: the first with the name of the person who
 * agreed, for each kind that the permission opens and never beyond its end, without publication of files, which would
 * pass the gate by; the second when the permission ends. An answer acknowledges the services that it names, and no other.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { Day } from '../../domain/time.ts'
import { addDays, addMonths } from '../../domain/time.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { EndRight, OpenAnswer, OpenRight, RightAnswer } from '../adapter.ts'
import { CONTENT_TYPE, faultCodeOf, requestText, SOAP } from './envelope.ts'
import { saidByFault } from './holder-says.ts'
import type { Values } from './model.ts'
import { written } from './model.ts'
import { declared, MOST_MONTHS, ORDER, ORDER_MODEL, STOP, STOP_MODEL, TYPES } from './order-models.ts'
import type { Operator } from './service.ts'
import { API } from './service.ts'
import type { XmlElement } from './xml.ts'
import { readXml } from './xml.ts'

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
        path: STOP.path,
        headers: { accept: 'text/xml', 'content-type': CONTENT_TYPE, soapaction: '""' },
        body: requestText(STOP.request, written(values, STOP_MODEL), { version: '1.0', login: operator.login }),
        api: API,
        says: `POST ${STOP.path} pointId=${bareMeter(meter)}&serviceSouscritId=${ref}`,
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
  if (status !== 200 || answered?.ns !== STOP.request.ns) return { ended: false, code: String(status) }
  // What is kept of a good end is the case of Enedis's that it became.
  const stop = answered.children.flatMap(({ children }) => children).find((one) => idsIn(one).includes(ref))
  const affaire = stop?.children.find(({ name }) => name === 'affaireId')?.text.trim() ?? ''
  return { ended: stop !== undefined, code: /^[0-9A-Z]{4,8}$/.test(affaire) ? affaire : null }
}

function idsIn(read: XmlElement): readonly string[] {
  return read.name === 'serviceSouscritId' ? [read.text.trim()] : read.children.flatMap(idsIn)
}

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
          declarationAccordClient: declared(holder),
        },
        servicesSouscrits: { serviceSouscrit: types.map((typeDonnees) => ({ typeDonnees })) },
      },
    }
    return {
      call: {
        method: 'POST',
        path: ORDER.path,
        headers: { accept: 'text/xml', 'content-type': CONTENT_TYPE, soapaction: '""' },
        body: requestText(ORDER.request, written(values, ORDER_MODEL), { version: '1.0', login: operator.login }),
        api: API,
        says: `POST ${ORDER.path} pointId=${bareMeter(meter)}&typeDonnees=${types.join(',')}&dateFin=${end < longest ? end : longest}`,
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
  const refs = status === 200 && answered?.ns === ORDER.request.ns ? idsIn(answered).filter((id) => /^[0-9]{1,15}$/.test(id)) : []
  if (refs.length === 0) return { is: 'again', code: String(status) }
  return { is: 'opened', refs, state: 'open', code: refs.length === services ? 'SGT200' : 'partly' }
}
