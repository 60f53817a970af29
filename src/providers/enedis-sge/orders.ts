/**
 * The stop of an access service (`CommandeArretServicesAccesDonnees` v1.0), which the gate itself orders when the
 * permission ends under which the service was opened. An answer acknowledges the services that it names, and no other.
 *
 * Upstream the `sge/ws` namespace alone is spoken. Source: schemas of April 2026 and lowatt-enedis #86.
 */
import { bareMeter } from '../../domain/meter.ts'
import type { EndRight, RightAnswer } from '../adapter.ts'
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
