/**
 * What a Data Connect request asks for. Nothing is guessed: a path must equal one of the templates byte for byte, every
 * parameter must be known to that path, required ones present and exact. Whatever else is refused, and where it is
 * malformed, as Enedis itself words it (`refusals.ts`).
 *
 * The end of the period may lie after today: real clients ask up to two days ahead, and `decide` clips it. A period
 * that has no day before today is refused here with Enedis's own words.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { parsePrm } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Day, Period } from '../../domain/time.ts'
import { parseDay } from '../../domain/time.ts'
import type { Classified, WireRequest } from '../adapter.ts'
import type { DataConnectForm, Dialect } from './dialects.ts'
import { DIALECT_IDS, DIALECTS, pathOf, TOKEN_PATH } from './dialects.ts'
import { calledFor } from './rewrite.ts'
import type { Generation, SeriesId } from './series.ts'
import { CLIENT_SERVICES_PATHS, readShares } from './services.ts'
import { SERIES, SERIES_IDS } from './series.ts'

/** What can be wrong with a request on a known path. */
export const FLAWS = [
  'shares',
  'method',
  'parameter_unknown',
  'meter_missing',
  'meter_format',
  'start_missing',
  'start_format',
  'end_missing',
  'end_format',
  'order',
  'future',
  'person_format',
  'step_missing',
  'step_format',
  'quantity_missing',
  'quantity_format',
] as const
export type Flaw = (typeof FLAWS)[number]

/** The methods of Conso API. */
export const ALLOWED = 'GET, OPTIONS'

export function classify(request: WireRequest, today: Day, upstream: Generation): Classified<DataConnectForm> {
  if (request.path === TOKEN_PATH && request.method === 'POST') return { is: 'token' }
  if (CLIENT_SERVICES_PATHS.includes(request.path) && request.method === 'POST') return whichShares(request)
  const route = routeOf(request.path)
  // Conso API has an answer of its own to other methods; Enedis has none.
  if (request.method !== 'GET' && route?.form.dialect === 'conso') return otherMethod(request.method, route.form)
  if (!route || request.method !== 'GET') return { is: 'refused', reason: 'unknown_route', form: null }
  const { dialect } = route.form
  const refuse = (flaw: Flaw): Classified<DataConnectForm> => ({ is: 'refused', reason: 'malformed', form: route.form, flaw })

  const query = DIALECTS[dialect].dropsEmpty ? new Map([...request.query].filter(([, value]) => value !== '')) : request.query
  const inPath = route.meter !== undefined
  const dated = SERIES[route.form.series].is !== 'record'
  const peak2026 = DIALECTS[dialect].speaks === '2026' && SERIES[route.form.series].kind === 'max_power'
  if ([...query.keys()].some((name) => !known(name, dialect, inPath, dated, peak2026))) return refuse('parameter_unknown')
  const meter = parseMeter(route.meter ?? query.get(DIALECTS[dialect].parameters.meter))
  if (typeof meter === 'object') return refuse(meter.flaw)
  const period = dated ? parsePeriod(query, dialect, today) : null
  if (typeof period === 'string') return refuse(period)
  const person = query.get('person_id')
  if (person !== undefined && !/^[0-9]{10}$/.test(person)) return refuse('person_format')
  const series = peak2026 ? peakSeries(query) : route.form.series
  if (!isSeries(series)) return refuse(series)
  return {
    is: 'access',
    access: accessOf(series, meter, period, upstream),
    form: { dialect, series, ...(request.view && { view: request.view }) },
  }
}

/** A thousand meters and what stands around them. */
const MOST_BODY = 32_768

function whichShares({ query }: WireRequest): Classified<DataConnectForm> {
  const form = { dialect: '2026', series: 'consumption_curve' } as const
  return {
    is: 'body',
    form,
    most: MOST_BODY,
    read(body) {
      const asked = body === undefined || query.size > 0 ? undefined : readShares(new TextDecoder('latin1').decode(body))
      return asked ? { is: 'shares', asked, form } : { is: 'refused', reason: 'malformed', form, flaw: 'shares' }
    },
  }
}

/** `OPTIONS` is answered to anybody: it names no meter. */
function otherMethod(method: string, form: DataConnectForm): Classified<DataConnectForm> {
  if (method === 'OPTIONS') return { is: 'told', reply: { status: 200, headers: [['Allow', ALLOWED]], body: '' } }
  return { is: 'refused', reason: 'malformed', form, flaw: 'method' }
}

/** In the gate's own words. Quotas count per application in v5, and per API (the first part of the path) in 2026. */
function accessOf(series: SeriesId, meter: UsagePointId, period: Period | null, upstream: Generation): AccessRequest {
  const is = SERIES[series]
  const path = pathOf(calledFor(series, upstream), '2026')
  return {
    provider: 'enedis-data-connect',
    api: upstream === '2026' && path !== undefined ? (path.split('/')[1] ?? 'v5') : 'v5',
    meter,
    kind: is.kind,
    direction: is.direction,
    step: is.is === 'record' ? 'TOTAL' : is.step,
    period,
  }
}

interface Route {
  readonly form: DataConnectForm
  /** The part of the path where the meter stands, in the contract APIs of 2026. */
  readonly meter?: string
}

const EXACT = new Map<string, Route>()
const BY_METER = new Map<string, Route>()
for (const dialect of DIALECT_IDS) {
  for (const series of SERIES_IDS) {
    const path = pathOf(series, dialect)
    if (path === undefined) continue
    const stem = path.endsWith('/{prm}') ? path.slice(0, -'{prm}'.length) : undefined
    const known = stem === undefined ? EXACT : BY_METER
    // The first series of a path stands for it until its parameters tell more (maximum power of 2026).
    if (!known.has(stem ?? path)) known.set(stem ?? path, { form: { dialect, series } })
  }
}

function routeOf(path: string): Route | undefined {
  const exact = EXACT.get(path)
  if (exact) return exact
  const slash = path.lastIndexOf('/')
  const route = BY_METER.get(path.slice(0, slash + 1))
  const meter = path.slice(slash + 1)
  return route && meter !== '' ? { ...route, meter } : undefined
}

function known(name: string, dialect: Dialect, inPath: boolean, dated: boolean, peak2026: boolean): boolean {
  const { parameters, speaks, body } = DIALECTS[dialect]
  if (name === parameters.meter) return !inPath
  if (name === parameters.start || name === parameters.end) return dated
  if (name === 'person_id') return speaks === 'v5' && body === 'as_enedis'
  return peak2026 && (name === 'mesuresPas' || name === 'grandeurPhysique')
}

function parseMeter(text: string | undefined): UsagePointId | { readonly flaw: Flaw } {
  if (text === undefined || text === '') return { flaw: 'meter_missing' }
  return parsePrm(text) ?? { flaw: 'meter_format' }
}

function parsePeriod(query: ReadonlyMap<string, string>, dialect: Dialect, today: Day): Period | Flaw {
  const { parameters } = DIALECTS[dialect]
  const start = query.get(parameters.start)
  const end = query.get(parameters.end)
  if (start === undefined || start === '') return 'start_missing'
  const from = parseDay(start)
  if (from === undefined) return 'start_format'
  if (end === undefined || end === '') return 'end_missing'
  const until = parseDay(end)
  if (until === undefined) return 'end_format'
  if (from >= until) return 'order'
  return from < today ? { from, until } : 'future'
}

/** `TOUT` is served as `PMA`: the gate asks for, and lets through, the maximum apparent power only. */
function peakSeries(query: ReadonlyMap<string, string>): SeriesId | Flaw {
  const step = query.get('mesuresPas')
  const quantity = query.get('grandeurPhysique')
  if (step === undefined || step === '') return 'step_missing'
  if (step !== 'P1D' && step !== 'P1M') return 'step_format'
  if (quantity === undefined || quantity === '') return 'quantity_missing'
  if (quantity !== 'PMA' && quantity !== 'TOUT') return 'quantity_format'
  return step === 'P1D' ? 'daily_max_power' : 'monthly_max_power'
}

function isSeries(text: SeriesId | Flaw): text is SeriesId {
  return text in SERIES
}
