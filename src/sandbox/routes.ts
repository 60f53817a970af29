/**
 * What a request to the simulated Enedis asks for, and what Enedis says to it: readings, a text, or one of its refusals.
 * Pure; the server checks tokens and quotas before, and sends.
 *
 * The order of the checks is ours, since no source tells it: form, dates, limits of a call, consent, direction,
 * activation, data. In 2026 whatever is not in the Swagger answers 500.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, countDays, parseDay, period } from '../domain/time.ts'
import type { RecordId } from './contracts.ts'
import { recordText } from './contracts.ts'
import type { ErrorId } from './errors.ts'
import type { MeterRow } from './meters.ts'
import { dayOf, meterOf } from './meters.ts'
import type { Generation, Measure, Way } from './readings.ts'
import type { Series, Shares } from './shares.ts'

type Wanted = { readonly is: 'measure'; readonly measure: Measure } | { readonly is: 'record'; readonly record: RecordId }
export interface Route {
  readonly generation: Generation
  /** What quotas are counted by: v5 together, 2026 by the first part of the path. */
  readonly api: string
  readonly wanted: Wanted | { readonly is: 'services' } | { readonly is: 'max_power' } | { readonly is: 'unknown' }
  /** Of the contract APIs of 2026, where the meter stands in the path. */
  readonly meter?: string
}

const way = (measure: 'curve' | 'daily' | 'index', of: 'consumed' | 'produced'): Wanted => ({
  is: 'measure',
  measure: { is: measure, way: of },
})
const V5: Readonly<Record<string, Wanted>> = {
  '/metering_data_clc/v5/consumption_load_curve': way('curve', 'consumed'),
  '/metering_data_plc/v5/production_load_curve': way('curve', 'produced'),
  '/metering_data_dc/v5/daily_consumption': way('daily', 'consumed'),
  '/metering_data_dp/v5/daily_production': way('daily', 'produced'),
  '/metering_data_dcmp/v5/daily_consumption_max_power': { is: 'measure', measure: { is: 'max_power', step: 'P1D' } },
  '/customers_upc/v5/usage_points/contracts': { is: 'record', record: 'contracts' },
  '/customers_upa/v5/usage_points/addresses': { is: 'record', record: 'addresses' },
  '/customers_i/v5/identity': { is: 'record', record: 'identity' },
  '/customers_cd/v5/contact_data': { is: 'record', record: 'contact' },
}
const Y2026: Readonly<Record<string, Wanted | { readonly is: 'max_power' }>> = {
  '/mesure_synchrone_auto/v2/courbe_de_charge_consommation': way('curve', 'consumed'),
  '/mesure_synchrone_auto/v2/courbe_de_charge_production': way('curve', 'produced'),
  '/mesure_synchrone_auto/v2/consommation_quotidienne': way('daily', 'consumed'),
  '/mesure_synchrone_auto/v2/production_quotidienne': way('daily', 'produced'),
  '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne': { is: 'max_power' },
  '/mesure_synchrone_auto/v2/index_consommation': way('index', 'consumed'),
  '/mesure_synchrone_auto/v2/index_production': way('index', 'produced'),
}
const BY_METER: Readonly<Record<string, RecordId>> = {
  '/situation_contrat_auto/v1/': 'contract_situation',
  '/synth_contrat_auto/v1/': 'contract_synthesis',
  '/comptage_auto/v1/': 'metering_device',
  '/donnees_generales_auto/v1/': 'general_data',
}
const SERVICES = '/subscribed_services/v1'
const APIS_2026: ReadonlySet<string> = new Set([
  'mesure_synchrone_auto',
  'subscribed_services',
  'alimentation_auto',
  ...Object.keys(BY_METER).map(apiOf),
])

export function routeOf(path: string): Route {
  const api = apiOf(path)
  if (Object.hasOwn(V5, path)) return { generation: 'v5', api: 'v5', wanted: V5[path] ?? { is: 'unknown' } }
  if (!APIS_2026.has(api)) return { generation: 'v5', api: 'v5', wanted: { is: 'unknown' } }
  const route = { generation: '2026', api } as const
  if (Object.hasOwn(Y2026, path)) return { ...route, wanted: Y2026[path] ?? { is: 'unknown' } }
  if (path === SERVICES) return { ...route, wanted: { is: 'services' } }
  const slash = path.lastIndexOf('/') + 1
  const record = BY_METER[path.slice(0, slash)]
  return record === undefined
    ? { ...route, wanted: { is: 'unknown' } }
    : { ...route, wanted: { is: 'record', record }, meter: path.slice(slash) }
}

function apiOf(path: string): string {
  return path.split('/')[1] ?? ''
}

/** `asked` is what the heading says, `days` those of which something has come. */
export type Answer =
  | { readonly is: 'refused'; readonly error: ErrorId }
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'index'; readonly row: MeterRow; readonly way: Way; readonly asked: Period; readonly days: Period }
  | {
      readonly is: 'points'
      readonly row: MeterRow
      readonly measure: Exclude<Measure, { is: 'index' }>
      readonly asked: Period
      readonly days: Period
    }

const refused = (error: ErrorId): Answer => ({ is: 'refused', error })

/** What the query names, right or wrong: for the record of calls. */
export function named(route: Route, query: URLSearchParams): { readonly meter?: string; readonly from?: string; readonly until?: string } {
  const names = NAMES[route.generation]
  const meter = route.meter ?? query.get(names.meter)
  const from = query.get(names.from)
  const until = query.get(names.until)
  return { ...(meter !== null && { meter }), ...(from !== null && { from }), ...(until !== null && { until }) }
}

const NAMES = {
  v5: { meter: 'usage_point_id', from: 'start', until: 'end' },
  '2026': { meter: 'pointId', from: 'dateDebut', until: 'dateFin' },
} as const

/** What the application that asks has been let see. */
export interface Consents {
  readonly application: string
  readonly shares: Pick<Shares, 'refusal' | 'refusalOf'>
}

/** For every route but the subscribed services, which have a body. */
export function answerTo(route: Route, method: string, query: URLSearchParams, today: Day, consents: Consents): Answer {
  const is2026 = route.generation === '2026'
  if (route.wanted.is === 'unknown' || route.wanted.is === 'services') return refused(is2026 ? 'unexpected' : 'no_resource')
  if (method !== 'GET') return refused(is2026 ? 'unexpected' : 'no_method')
  const wanted = route.wanted.is === 'max_power' ? maxPower(query) : route.wanted
  if (!wanted || (is2026 && !isKnown(route, query))) return refused('unexpected')
  const names = NAMES[route.generation]
  const prm = route.meter ?? query.get(names.meter) ?? ''
  if (prm === '') return refused('meter_missing')
  if (!/^[0-9]{14}$/.test(prm)) return refused('meter_format')
  const person = query.get('person_id')
  if (person !== null && !/^[0-9]{10}$/.test(person)) return refused('person_required')
  const row = meterOf(prm)
  if (wanted.is === 'record') {
    const error = consents.shares.refusal(consents.application, row, false)
    const text = row && !error ? recordText(row, wanted.record, dayOf(row.activated, today)) : undefined
    return error ? refused(error) : text === undefined ? refused('no_data') : { is: 'text', text }
  }
  const asked = daysOf(query.get(names.from), query.get(names.until), wanted.measure.is === 'curve', today)
  if (typeof asked === 'string') return refused(asked)
  return readings(row, wanted.measure, asked, today, consents)
}

const SERIES = { curve: 'CDC', daily: 'ENERGIE', index: 'IDX', max_power: 'PMAX' } as const satisfies Record<Measure['is'], Series['kind']>

function readings(row: MeterRow | undefined, measure: Measure, asked: Period, today: Day, { application, shares }: Consents): Answer {
  const error = shares.refusal(application, row, measure.is === 'curve')
  if (!row || error) return refused(error ?? 'no_consent')
  const produced = measure.is !== 'max_power' && measure.way === 'produced'
  if (produced ? !row.produces : !row.consumes) return refused('wrong_direction')
  if (measure.is === 'curve' && !row.curve) return refused('no_data')
  const series = { kind: SERIES[measure.is], way: produced ? 'produced' : 'consumed' } as const
  const unshared = shares.refusalOf(application, row.prm, series, asked.from)
  if (unshared) return refused(unshared)
  if (asked.from < dayOf(row.activated, today)) return refused('before_activation')
  if (row.consentFrom !== null && asked.from < dayOf(row.consentFrom, today)) return refused('before_consent')
  const silent = row.silentSince === null ? today : dayOf(row.silentSince, today)
  const days = period(asked.from, asked.until < silent ? asked.until : silent)
  if (!days) return refused('no_data')
  return measure.is === 'index' ? { is: 'index', row, way: measure.way, asked, days } : { is: 'points', row, measure, asked, days }
}

/** Both generations count from `from`, included, to `until`, excluded; today itself is still too early to be read. */
function daysOf(start: string | null, end: string | null, curve: boolean, today: Day): Period | ErrorId {
  if (start === null || start === '') return 'start_missing'
  const from = parseDay(start)
  if (!from) return 'start_format'
  if (end === null || end === '') return 'end_missing'
  const until = parseDay(end)
  if (!until) return 'end_format'
  const asked = period(from, until)
  if (!asked) return 'order'
  if (until > today) return 'end_future'
  if (curve && countDays(asked) > 7) return 'too_long'
  if (from < addDays(addMonths(today, curve ? -24 : -36), -15)) return 'too_old'
  return asked
}

function maxPower(query: URLSearchParams): Wanted | undefined {
  const step = query.get('mesuresPas')
  const quantity = query.get('grandeurPhysique')
  if ((step !== 'P1D' && step !== 'P1M') || (quantity !== 'PMA' && quantity !== 'TOUT')) return undefined
  return { is: 'measure', measure: { is: 'max_power', step } }
}

function isKnown(route: Route, query: URLSearchParams): boolean {
  const names = route.meter === undefined ? ['pointId', 'dateDebut', 'dateFin'] : []
  if (route.wanted.is === 'max_power') names.push('mesuresPas', 'grandeurPhysique')
  const given = [...query.keys()]
  return given.every((name) => names.includes(name)) && new Set(given).size === given.length
}
