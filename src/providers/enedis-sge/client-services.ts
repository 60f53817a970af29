/**
 * What a client does with services that are open already: it looks for them (`RechercheServicesAccesDonnees` v1.0) and
 * stops them (`CommandeArretServicesAccesDonnees` v1.0; `CommandeArretServiceSouscritMesures` v1.0 of old). The gate answers
 * both itself, by its register: it asks Enedis which services the meter has and tells of those alone that were opened
 * under the caller's own permissions, without contract and labels; it stops the same, asking Enedis until that has
 * acknowledged it.
 *
 * Source: schemas of SGE 26.1.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { ClientRight, FoundRight, Reply, SearchRights, StopAsked, StoppedRight } from '../adapter.ts'
import { answerHead, answerTail, CONTENT_TYPE, faultCodeOf, requestText, SOAP } from './envelope.ts'
import { saidByFault } from './holder-says.ts'
import type { SequenceModel, Value, Values } from './model.ts'
import { groupIn, textIn, written } from './model.ts'
import { SEARCH, SEARCH_MODEL, STOP, STOP_MODEL, STOP_ONE, STOP_ONE_MODEL } from './order-models.ts'
import type { Operator, QName } from './service.ts'
import { API } from './service.ts'
import type { XmlElement } from './xml.ts'
import { element, leaf, readXml } from './xml.ts'

/** A service that the gate answers itself. */
export interface OwnService {
  readonly id: string
  readonly path: string
  readonly legacy?: true
  readonly soapAction: string
  readonly request: QName
  readonly alsoNamespaces?: readonly string[]
  readonly model: SequenceModel
  readonly header: string
  point(values: Values): string | undefined
  /** Undefined: a search. */
  stops(values: Values, meter: UsagePointId): StopAsked | undefined
}

export const SEARCH_SERVICES: OwnService = {
  id: 'RechercheServicesAccesDonnees v1.0',
  path: SEARCH.path,
  soapAction: '',
  request: SEARCH.request,
  model: SEARCH_MODEL,
  header: '1.0',
  point: (values) => textIn(groupIn(values, 'criteres'), 'pointId'),
  stops: () => undefined,
}

const general = (values: Values): Values => groupIn(groupIn(values, 'demande'), 'donneesGenerales')

export const STOP_SERVICES: OwnService = {
  id: 'CommandeArretServicesAccesDonnees v1.0',
  path: STOP.path,
  soapAction: '',
  request: STOP.request,
  alsoNamespaces: STOP.alsoNamespaces,
  model: STOP_MODEL,
  header: '1.0',
  point: (values) => textIn(general(values), 'pointId'),
  stops(values, meter) {
    const ids = groupIn(groupIn(values, 'demande'), 'servicesSouscrits')['serviceSouscritId']
    const refs = (Array.isArray(ids) ? (ids as readonly Value[]) : []).filter((id) => typeof id === 'string')
    return { meter, refs, direction: textIn(general(values), 'sens') === 'INJECTION' ? 'injection' : 'withdrawal' }
  },
}

export const STOP_SERVICE: OwnService = {
  id: 'CommandeArretServiceSouscritMesures v1.0',
  path: STOP_ONE.path,
  legacy: true,
  soapAction: '',
  request: STOP_ONE.request,
  model: STOP_ONE_MODEL,
  header: '1.0',
  point: (values) => textIn(general(values), 'pointId'),
  stops(values, meter) {
    const ref = textIn(groupIn(groupIn(values, 'demande'), 'arretServiceSouscrit'), 'serviceSouscritId') ?? ''
    return { meter, refs: [ref], direction: null }
  },
}

export function searchRightsBy(operatorOf: (account: string) => Operator): SearchRights {
  return (meter, account) => {
    const operator = operatorOf(account)
    const values: Values = { criteres: { pointId: bareMeter(meter), contratId: operator.contract }, loginUtilisateur: operator.login }
    return {
      call: {
        method: 'POST',
        path: SEARCH.path,
        headers: { accept: 'text/xml', 'content-type': CONTENT_TYPE, soapaction: '""' },
        body: requestText(SEARCH.request, written(values, SEARCH_MODEL), { version: '1.0', login: operator.login }),
        api: API,
        says: `POST ${SEARCH.path} pointId=${bareMeter(meter)}`,
      },
      understand: (status, body) => found(status, body, bareMeter(meter)),
    }
  }
}

/** Elements of a service that a client may be told, in the order of the schema; contract, labels and publication are not. */
const TOLD: readonly (readonly [name: string, fits: RegExp])[] = [
  ['serviceSouscritId', /^[0-9]{1,15}$/],
  ['pointId', /^[0-9]{14}$/],
  ['serviceSouscritCode', /^[A-Za-z0-9_.-]{1,20}$/],
  ['injection', /^(?:true|false)$/],
  ['soutirage', /^(?:true|false)$/],
  ['etatCode', /^[A-Za-z0-9_.-]{1,20}$/],
  ['dateDebut', /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|\+0[012]:00)?$/],
  ['dateFin', /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|\+0[012]:00)?$/],
  ['mesuresTypeCode', /^[A-Z]{2,10}$/],
  ['mesuresPas', /^P(?:T[0-9]{1,2}M|1D|1M)$/],
]

function found(status: number, body: string, point: string): ReturnType<ReturnType<SearchRights>['understand']> {
  const root = readXml(new TextEncoder().encode(body))
  const fault = root && faultCodeOf(root)
  if (fault !== undefined) {
    const { says, code } = saidByFault(fault)
    return { rights: says.means === 'no_data' ? [] : undefined, code, says }
  }
  const answer = root?.children.find(({ ns, name }) => ns === SOAP && name === 'Body')?.children[0]
  if (status !== 200 || answer?.ns !== SEARCH.request.ns || answer.name !== SEARCH.answer)
    return { rights: undefined, code: String(status) }
  const rows = answer.children.flatMap(({ children }) => children)
  const told = rows.map((row) => rowOf(row, point))
  return { rights: told.includes(undefined) ? undefined : told.filter((row) => row !== undefined), code: null }
}

/** Undefined where it is no service of this point. */
function rowOf(row: XmlElement, point: string): FoundRight | undefined {
  const told: Record<string, string> = {}
  for (const [name, fits] of TOLD) {
    const text = row.children.find((child) => child.ns === '' && child.name === name)?.text.trim()
    if (text !== undefined && fits.test(text)) told[name] = text
  }
  const { serviceSouscritId: ref } = told
  return row.name === 'serviceSouscrit' && ref !== undefined && told['pointId'] === point ? { ref, told } : undefined
}

export function showServices(point: string, rights: readonly ClientRight[]): Reply {
  const rows = rights.flatMap(({ told }) => (told === undefined ? [] : [element('serviceSouscrit', toldText(told))]))
  return answered(
    { ns: SEARCH.request.ns, name: SEARCH.answer },
    point,
    rows.length === 0 ? '' : element('servicesSouscrits', rows.join('')),
  )
}

/** A label is text of anybody's: the code stands in its place. */
function toldText(told: Readonly<Record<string, string>>): string {
  return TOLD.map(([name]) => {
    const text = told[name]
    if (text === undefined) return ''
    return leaf(name, text) + (name === 'serviceSouscritCode' ? leaf('serviceSouscritLibelle', text) : '')
  }).join('')
}

/** With the case that each stop became at Enedis, where Enedis named it. */
export function showStopped(service: OwnService, point: string, stopped: readonly StoppedRight[]): Reply {
  const caseOf = ({ code }: StoppedRight): string => (code === null ? '' : leaf('affaireId', code))
  if (service === STOP_SERVICE)
    return answered({ ns: STOP_ONE.request.ns, name: `${STOP_ONE.request.name}Response` }, point, stopped.map(caseOf).join(''))
  const rows = stopped.map((one) => element('serviceResilie', caseOf(one) + leaf('serviceSouscritId', one.ref)))
  return answered({ ns: STOP.request.ns, name: `${STOP.request.name}Response` }, point, element('servicesResilies', rows.join('')))
}

function answered(root: QName, point: string, inside: string): Reply {
  return { status: 200, headers: [['Content-Type', CONTENT_TYPE]], body: answerHead(root, { point }) + inside + answerTail(root) }
}
