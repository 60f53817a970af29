/**
 * What an ADICT request asks for. Nothing is guessed: a path must equal one of the templates byte for byte, every
 * parameter must be known to it, and the days must be named in one way. What is malformed is refused in GRDF's shape.
 *
 * The rights of the operator's account (`/droits_acces`) are no data of one meter, and writing them (`PUT`, `PATCH`) is
 * the gate's own business: neither is open here.
 */
import { parsePce } from '../../domain/meter.ts'
import type { Day } from '../../domain/time.ts'
import type { Classified, WireRequest } from '../adapter.ts'
import type { PeriodFlaw, UpperBound } from './periode.ts'
import { askedDays } from './periode.ts'
import type { AdictForm, SeriesId } from './series.ts'
import { API, BASE, FILTERS, SERIES, seriesOf, TOKEN_PATHS } from './series.ts'

export type Flaw = PeriodFlaw | 'point_format' | 'parameter_unknown' | 'filter_unknown' | 'future'

export function serves(path: string): boolean {
  return path.startsWith(`${BASE}/`) || TOKEN_PATHS.includes(path)
}

/** Of contract data parts may be asked for, one `filtre` for each. */
export function repeats(path: string): ReadonlySet<string> {
  return seriesAt(path)?.series === 'donnees_contractuelles' ? FILTER : NONE
}

export function classify({ method, path, query, lists }: WireRequest, today: Day, bound: UpperBound): Classified<AdictForm> {
  if (TOKEN_PATHS.includes(path) && method === 'POST') return { is: 'token' }
  const found = seriesAt(path)
  if (method !== 'GET' || !found) return { is: 'refused', reason: 'unknown_route', form: null }
  const { series } = found
  const filters = lists?.get('filtre')
  const form: AdictForm = { ...found, ...(filters && { filters: FILTERS.filter((filter) => filters.includes(filter)) }) }
  const refuse = (flaw: Flaw): Classified<AdictForm> => ({ is: 'refused', reason: 'malformed', form, flaw })
  const meter = parsePce(form.point)
  if (!meter) return refuse('point_format')
  const is = seriesOf(series)
  const known = is.is === 'lines' ? DATES : NONE
  if ([...query.keys()].some((name) => !known.has(name))) return refuse('parameter_unknown')
  // One is unknown, or there twice.
  if (filters?.length !== form.filters?.length) return refuse('filter_unknown')
  const days = is.is === 'lines' ? askedDays(query, bound) : null
  if (typeof days === 'string') return refuse(days)
  if (days && days.from >= today) return refuse('future')
  return {
    is: 'access',
    form,
    access: {
      provider: 'grdf-adict',
      api: API,
      meter,
      kind: is.kind,
      direction: is.is === 'lines' ? is.direction : 'n_a',
      step: is.is === 'about' ? 'TOTAL' : is.kind === 'daily_energy' ? 'P1D' : 'recorded',
      period: days,
    },
  }
}

const PATH = new RegExp(`^${BASE}/pce/(?<point>[^/]{1,40})/(?<series>${Object.keys(SERIES).join('|')})$`)
function seriesAt(path: string): Pick<AdictForm, 'series' | 'point'> | undefined {
  const found = PATH.exec(path)?.groups
  return found && { series: found['series'] as SeriesId, point: found['point'] ?? '' }
}
const FILTER: ReadonlySet<string> = new Set(['filtre'])
const DATES: ReadonlySet<string> = new Set(['periode', 'date_debut', 'date_fin'])
const NONE: ReadonlySet<string> = new Set()
