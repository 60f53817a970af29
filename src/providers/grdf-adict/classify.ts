/**
 * What an ADICT request asks for. Nothing is guessed: a path must equal one of the templates byte for byte, every
 * parameter must be known to it, and the days must be named in one way. What is malformed is refused in GRDF's shape.
 *
 * Of the list of rights (`/droits_acces`) a client is told its own; writing them (`PUT`, `PATCH`) is the gate's own business.
 */
import { parsePce } from '../../domain/meter.ts'
import type { Day } from '../../domain/time.ts'
import type { Classified, Named, WireRequest } from '../adapter.ts'
import type { PeriodFlaw, UpperBound } from './periode.ts'
import { askedDays } from './periode.ts'
import type { RightFilters } from './rights-list.ts'
import { filtersOfBody, filtersOfQuery, LIST_PATH, MOST_FILTER_BYTES } from './rights-list.ts'
import type { AdictForm, SeriesId } from './series.ts'
import { API, BASE, FILTERS, SERIES, seriesOf, TOKEN_PATHS } from './series.ts'

export type Flaw = PeriodFlaw | 'filter_unknown' | 'point_format' | 'parameter_unknown' | 'future'

export function serves(path: string): boolean {
  return path.startsWith(`${BASE}/`) || TOKEN_PATHS.includes(path)
}

/** Of contract data parts may be asked for, one `filtre` for each. */
export function repeats(path: string): ReadonlySet<string> {
  return seriesAt(path)?.series === 'donnees_contractuelles' ? FILTER : NONE
}

export function classify(request: WireRequest, today: Day, bound: UpperBound): Classified<AdictForm> {
  const { method, path, query, lists, view } = request
  if (TOKEN_PATHS.includes(path) && method === 'POST') return { is: 'token' }
  if (path === LIST_PATH) return classifyList(request)
  const found = seriesAt(path)
  if (method !== 'GET' || !found) return { is: 'refused', reason: 'unknown_route', form: null }
  const { series } = found
  const filters = lists?.get('filtre')
  const wanted = filters && FILTERS.filter((filter) => filters.includes(filter))
  const form: AdictForm = { ...found, ...(wanted && { wanted }), ...(view && { view }) }
  const refuse = (flaw: Flaw): Classified<AdictForm> => ({ is: 'refused', reason: 'malformed', form, flaw })
  const meter = parsePce(form.point)
  if (!meter) return refuse('point_format')
  const is = seriesOf(series)
  const known = is.is === 'lines' ? DATES : NONE
  if ([...query.keys()].some((name) => !known.has(name))) return refuse('parameter_unknown')
  // One is unknown, or there twice.
  if (filters?.length !== wanted?.length) return refuse('filter_unknown')
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

function classifyList({ method, query, contentType }: WireRequest): Classified<AdictForm> {
  const form: AdictForm = { series: 'rights', point: '' }
  const refused = (flaw: Flaw): Named<AdictForm> => ({ is: 'refused', reason: 'malformed', form, flaw })
  const listed = (filters: RightFilters): Named<AdictForm> => ({ is: 'rights', meters: 'all', form: { ...form, filters } })
  if (method === 'GET') {
    const filters = filtersOfQuery(query)
    return filters ? listed(filters) : refused('parameter_unknown')
  }
  if (method !== 'POST') return { is: 'refused', reason: 'unknown_route', form: null }
  if (query.size > 0 || !/^application\/json(?: *; *charset="?utf-8"?)?$/i.test(contentType ?? '')) return refused('parameter_unknown')
  return {
    is: 'body',
    form,
    most: MOST_FILTER_BYTES,
    read(body) {
      const filters = body && filtersOfBody(body)
      return filters ? listed(filters) : refused('filter_unknown')
    },
  }
}

const PATH = new RegExp(`^${BASE}/pce/(?<point>[^/]{1,40})/(?<series>${Object.keys(SERIES).join('|')})$`)
function seriesAt(path: string): { readonly series: SeriesId; readonly point: string } | undefined {
  const found = PATH.exec(path)?.groups
  return found && { series: found['series'] as SeriesId, point: found['point'] ?? '' }
}
const FILTER: ReadonlySet<string> = new Set(['filtre'])
const DATES: ReadonlySet<string> = new Set(['periode', 'date_debut', 'date_fin'])
const NONE: ReadonlySet<string> = new Set()
