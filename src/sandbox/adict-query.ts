/**
 * What the query of a data call asks for: days, or parts of the contract. Whatever is not in the Swagger is refused, and
 * what may stand once stands once. Pure.
 *
 * Source: GRDF Swagger "API B2B ADICT V2" 1.6. A `periode` keeps the same bounds as its two dates would (no source says).
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, dayNumber, parseDay, period } from '../domain/time.ts'

/** Gas days, the last excluded. */
export interface Asked extends Period {
  /** `periode` as it was given. */
  readonly value: string | null
}

export const QUERY_ERRORS = {
  parameter: 'Paramètre inconnu, répété ou vide.',
  both_or_neither: 'Renseigner soit periode, soit date_debut et date_fin.',
  period: 'Le format de periode est invalide.',
  // Nobody knows what it means; the Swagger has it.
  period_pn: 'Les périodes PN ne sont pas prises en charge.',
  date: 'Les dates sont attendues au format AAAA-MM-JJ.',
  order: 'date_debut doit être antérieure à date_fin.',
  too_old: 'date_debut dépasse la profondeur d’historique.',
  end_future: 'date_fin doit être antérieure ou égale à la date du jour.',
  filter: 'Valeur de filtre inconnue.',
} as const
export type QueryError = keyof typeof QUERY_ERRORS

export type Read<T> = { readonly ok: true; readonly asked: T } | { readonly ok: false; readonly error: QueryError }
const refused = (error: QueryError): { readonly ok: false; readonly error: QueryError } => ({ ok: false, error })

/** @param years of history that may be asked for */
export function readDays(query: URLSearchParams, years: number, today: Day): Read<Asked> {
  if (!areOnce(query, ['periode', 'date_debut', 'date_fin'])) return refused('parameter')
  const [value, first, last] = [query.get('periode'), query.get('date_debut'), query.get('date_fin')]
  const named = value !== null && first === null && last === null
  if (!named && (value !== null || first === null || last === null)) return refused('both_or_neither')
  if (value?.startsWith('PN-') === true) return refused('period_pn')
  const days = named ? periodOf(value) : datesOf(first ?? '', last ?? '')
  if (typeof days === 'string') return refused(days)
  if (days.from < addMonths(today, -12 * years)) return refused('too_old')
  return days.until > today ? refused('end_future') : { ok: true, asked: { value, ...days } }
}

function datesOf(first: string, last: string): Period | QueryError {
  const from = parseDay(first)
  const until = parseDay(last)
  return from && until ? (period(from, until) ?? 'order') : 'date'
}

/** `YYYY`, `YYYY-NN` a month, `YYYY-WNN` an ISO week, `YYYY-NNN` the n-th day of the year. */
function periodOf(text: string): Period | QueryError {
  const [, year = '', week, number = ''] = /^(\d{4})(?:-(W)?(\d{2,3}))?$/.exec(text) ?? []
  const first = parseDay(`${year}-01-01`)
  if (!first || (week !== undefined && number.length !== 2)) return 'period'
  if (number === '') return { from: first, until: addMonths(first, 12) }
  if (week !== undefined) {
    // The week of the 4th of January is the first; one belongs to the year of its Thursday.
    const fourth = addDays(first, 3)
    const monday = addDays(fourth, 7 * (Number(number) - 1) - ((dayNumber(fourth) + 3) % 7))
    return number !== '00' && addDays(monday, 3).startsWith(year) ? { from: monday, until: addDays(monday, 7) } : 'period'
  }
  const month = number.length === 2
  const from = month ? parseDay(`${year}-${number}-01`) : addDays(first, Number(number) - 1)
  if (!from?.startsWith(year)) return 'period'
  return { from, until: month ? addMonths(from, 1) : addDays(from, 1) }
}

export const FILTERS = ['car', 'cja', 'profil_type_actuel', 'tarif_acheminement', 'date_mes'] as const
export type Filter = (typeof FILTERS)[number]

/** Parts of the contract data; none: all. */
export function readFilters(query: URLSearchParams): Read<readonly Filter[]> {
  if ([...query.keys()].some((name) => name !== 'filtre')) return refused('parameter')
  const known = FILTERS.filter((filter) => query.getAll('filtre').includes(filter))
  return query.getAll('filtre').every((text) => FILTERS.some((filter) => filter === text)) ? { ok: true, asked: known } : refused('filter')
}

export function readNothing(query: URLSearchParams): Read<undefined> {
  return query.size === 0 ? { ok: true, asked: undefined } : refused('parameter')
}

/** Each name known, there once, with a value. */
export function areOnce(query: URLSearchParams, names: readonly string[]): boolean {
  const given = [...query.keys()]
  return given.every((name) => names.includes(name) && query.get(name) !== '') && new Set(given).size === given.length
}
