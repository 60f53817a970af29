/**
 * Which gas days a request names, as civil days from the first to the day after the last. Either `periode`, or both dates.
 *
 * The prefix `PN-` of `periode` is refused: no source says what it means. Source: GRDF's Swagger v1.6, pattern of `periode`.
 */
import type { Day, Period } from '../../domain/time.ts'
import { addDays, addMonths, dayNumber, dayOfNumber, parseDay, period } from '../../domain/time.ts'

/** Whether `date_fin` is the last day or the day after it: no source is certain, so that it is a setting. */
export type UpperBound = 'excluded' | 'included'
export type PeriodFlaw = 'period_missing' | 'period_twice' | 'period_format' | 'start_format' | 'end_format' | 'order'

export function askedDays(query: ReadonlyMap<string, string>, bound: UpperBound): Period | PeriodFlaw {
  const named = query.get('periode')
  const [start, end] = [query.get('date_debut'), query.get('date_fin')]
  if (named !== undefined) return start !== undefined || end !== undefined ? 'period_twice' : (daysOf(named) ?? 'period_format')
  if (start === undefined || end === undefined) return 'period_missing'
  const from = parseDay(start)
  if (from === undefined) return 'start_format'
  const last = parseDay(end)
  if (last === undefined) return 'end_format'
  return period(from, bound === 'excluded' ? last : addDays(last, 1)) ?? 'order'
}

/** The end of a call as GRDF reads it. */
export function writtenEnd(until: Day, bound: UpperBound): Day {
  return bound === 'excluded' ? until : addDays(until, -1)
}

/** A year, a month, a week of ISO 8601 or a day of the year. */
export function daysOf(periode: string): Period | undefined {
  const found = /^(?<year>\d{4})(?:-(?:W(?<week>\d{2})|(?<ordinal>\d{3})|(?<month>\d{2})))?$/.exec(periode)?.groups
  const year = parseDay(`${found?.['year']}-01-01`)
  if (!found || year === undefined) return undefined
  const { week, ordinal, month } = found
  if (week !== undefined) return weekOf(year, Number(week))
  if (ordinal !== undefined) return within(year, addDays(year, Number(ordinal) - 1), 1)
  if (month === undefined) return period(year, addMonths(year, 12))
  const from = parseDay(`${found['year']}-${month}-01`)
  return from && period(from, addMonths(from, 1))
}

/** Of the weeks of a year the first one is that of 4 January; each begins on a Monday. */
function weekOf(year: Day, week: number): Period | undefined {
  const fourth = dayNumber(addDays(year, 3))
  // 1 January 1970 was a Thursday.
  const monday = fourth - ((((fourth + 3) % 7) + 7) % 7)
  const from = dayOfNumber(monday + (week - 1) * 7)
  // A week is that of the year in which its Thursday lies.
  return week >= 1 && addDays(from, 3) < addMonths(year, 12) ? period(from, addDays(from, 7)) : undefined
}

function within(year: Day, from: Day, days: number): Period | undefined {
  return from >= year && from < addMonths(year, 12) ? period(from, addDays(from, days)) : undefined
}
