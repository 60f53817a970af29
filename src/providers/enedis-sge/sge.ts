/**
 * The adapter of Enedis SGE Tiers: SOAP services, one path and one operation each. A request is parsed into the model of
 * its service and written anew; path and operation must agree, and nothing that the caller declares about consent or
 * about who it is goes further. Pure: no socket, no clock, no store.
 */
import { parsePrm } from '../../domain/meter.ts'
import type { AccountId } from '../../domain/permission.ts'
import type { Day } from '../../domain/time.ts'
import type { Classified, Named, ProviderAdapter, WireRequest } from '../adapter.ts'
import { ABOUT_POINT, SEARCH_POINT } from './about-point.ts'
import { ORDER_SERVICE, ORDER_SERVICES } from './client-orders.ts'
import type { OwnService } from './client-services.ts'
import { searchRightsBy, SEARCH_SERVICES, showServices, showStopped, STOP_SERVICE, STOP_SERVICES } from './client-services.ts'
import { DETAILED_V2, DETAILED_V3 } from './detailed.ts'
import { CONTENT_TYPE, pointOf, readEnvelope, requestText } from './envelope.ts'
import { holderError } from './holder-says.ts'
import { MEASURES_V11 } from './measures.ts'
import type { Values } from './model.ts'
import { valuesOf, written } from './model.ts'
import { endRightBy, openRightBy } from './orders.ts'
import { noData, passError, refuse } from './refusals.ts'
import type { Flaw, Operator, SgeOptions, SgeService } from './service.ts'
import { API } from './service.ts'

export const SERVICES: readonly (SgeService | OwnService)[] = [
  DETAILED_V3,
  DETAILED_V2,
  MEASURES_V11,
  ABOUT_POINT,
  SEARCH_POINT,
  ORDER_SERVICES,
  ORDER_SERVICE,
  STOP_SERVICES,
  STOP_SERVICE,
  SEARCH_SERVICES,
]
const BY_PATH: ReadonlyMap<string, SgeService | OwnService> = new Map(SERVICES.map((service) => [service.path, service]))

/** The longest request is an order with its options; a point search has an address. */
const MOST_BODY = 65_536

export interface SgeForm {
  readonly service: SgeService | OwnService
  readonly values: Values
  readonly view?: 'senml'
}

export interface SgeSettings extends SgeOptions {
  readonly operators: ReadonlyMap<AccountId, Operator>
}

export function enedisSge(settings: SgeSettings): ProviderAdapter<SgeForm> {
  return {
    id: 'enedis-sge',
    serves: (path) => BY_PATH.has(path),
    classify: (request, today) => classify(request, today, settings),
    canAnswer: ({ service, view }) => view !== 'senml' || 'measures' in service,
    rewrite(form, access, part, under) {
      const service = calledBy(form)
      const operator = operatorOf(settings, under.account)
      const values = service.rewrite(form.values, {
        access,
        part,
        permission: under.permission,
        operator,
        options: settings,
        ...(under.holder && { holder: under.holder }),
      })
      const header = service.header === null ? null : { version: service.header, login: operator.login }
      return {
        method: 'POST',
        target: service.path,
        accept: 'text/xml',
        body: {
          text: requestText(service.request, written(values, service.model), header),
          contentType: CONTENT_TYPE,
          soapAction: `"${service.soapAction}"`,
          says: service.says(values),
        },
      }
    },
    answer: (form, access, parts) => calledBy(form).answer(form.values, access, parts, settings, form.view),
    namesHolder: ({ service }) => 'namesHolder' in service,
    holderError: (status, body) => holderError(status, body),
    passError: (_form, _style, _status, error) => passError(error),
    refuse: (_form, _style, refusal) => refuse(refusal),
    noData,
    showRights: ({ values, service }, rights) => showServices(service.point(values) ?? '', rights),
    showStopped: ({ values, service }, stopped) => showStopped(service as OwnService, service.point(values) ?? '', stopped),
    searchRights: searchRightsBy((account) => operatorOf(settings, account as AccountId)),
    endRight: endRightBy((account) => operatorOf(settings, account as AccountId)),
    openRight: openRightBy((account) => operatorOf(settings, account as AccountId)),
  }
}

/** Of a request that goes to Enedis. */
function calledBy({ service }: SgeForm): SgeService {
  if ('stops' in service) throw new RangeError('a service that the gate answers itself')
  return service
}

function operatorOf({ operators }: SgeSettings, account: AccountId): Operator {
  const operator = operators.get(account)
  if (!operator) throw new RangeError('an account that the settings do not name')
  return operator
}

function classify(request: WireRequest, today: Day, settings: SgeSettings): Classified<SgeForm> {
  const service = BY_PATH.get(request.path)
  if (!service || request.method !== 'POST' || (service.legacy && !settings.legacy))
    return { is: 'refused', reason: 'unknown_route', form: null }
  const form: SgeForm = { service, values: {} }
  const refused = (flaw: Flaw): Named<SgeForm> => ({ is: 'refused', reason: 'malformed', form, flaw })
  if (request.query.size > 0) return refused('query')
  if (!/^(?:text\/xml|application\/soap\+xml)(?: *; *charset="?utf-8"?)?$/i.test(request.contentType ?? '')) return refused('content_type')
  if (namesAnother(request.soapAction, service)) return refused('soap_action')
  return { is: 'body', form, most: MOST_BODY, read: (body) => named(service, body, today, settings, request.view, refused) }
}

/** It routes nothing, and is never passed on; one that names another service is a request with two meanings. */
function namesAnother(soapAction: string | undefined, service: SgeForm['service']): boolean {
  const given = (soapAction ?? '').replace(/^"|"$/g, '')
  const known = SERVICES.filter(({ soapAction: own, request }) => given !== '' && (own === given || request.ns === given))
  return known.length > 0 && !known.includes(service)
}

function named(
  service: SgeForm['service'],
  body: Uint8Array | undefined,
  today: Day,
  settings: SgeSettings,
  view: WireRequest['view'],
  refused: (flaw: Flaw) => Named<SgeForm>,
): Named<SgeForm> {
  const envelope = body && readEnvelope(body)
  if (!envelope) return refused('envelope')
  const { ns, name } = envelope.body
  const namespaces = [service.request.ns, ...(service.alsoNamespaces ?? [])]
  if (name !== service.request.name || !namespaces.includes(ns)) return refused('operation')
  // A header where the service has none is as unknown as any other.
  if (service.header === null && envelope.entete) return refused('elements')
  const values = valuesOf(envelope.body, service.model)
  if (!values) return refused('elements')
  const inHeader = pointOf(envelope.entete)
  const inBody = service.point(values)
  if (inHeader !== undefined && inBody !== undefined && inHeader !== inBody) return refused('header_point')
  const meter = parsePrm(inBody ?? inHeader ?? '')
  if (!meter) return refused('header_point')
  const form: SgeForm = { service, values, ...(view && { view }) }
  if ('stops' in service) {
    const stop = service.stops(values, meter)
    return stop ? { is: 'stop', asked: stop, form } : { is: 'rights', meters: [meter], form }
  }
  const meant = service.means(values, meter, today, settings)
  if (meant.is === 'closed') return { is: 'refused', reason: 'kind_not_covered', form }
  if (meant.is === 'flaw') return { is: 'refused', reason: 'malformed', form, flaw: meant.flaw }
  return { is: 'access', form, access: { provider: 'enedis-sge', api: API, ...meant.access } }
}
