/**
 * The gas day: from 06:00 of a civil day in Paris to 06:00 of the next one, named by the day of its start. Its length is
 * that of the civil day that it begins in, but for the hours before 06:00 of a day on which the clock changes: these
 * belong to the day before.
 */
import type { Day, Millis, Period } from '../../domain/time.ts'
import { addDays, hoursInDay, parisDay, parseInstant, startOfDay } from '../../domain/time.ts'

const HOUR = 3_600_000

/** The instant at which gas day `d` begins. The clock changes before 06:00, so that the rest of a civil day has 18 hours. */
export function startOfGasDay(d: Day): Millis {
  return (startOfDay(d) + (hoursInDay(d) - 18) * HOUR) as Millis
}

export function gasDayOf(at: Millis): Day {
  const civil = parisDay(at)
  return at < startOfGasDay(civil) ? addDays(civil, -1) : civil
}

/** A measured interval: the gas days that it touches, and whether it is less than one. */
export interface Interval {
  readonly days: Period
  readonly shorterThanADay: boolean
}

/** From RFC 3339 stamps with an offset; undefined where one is none, or they are not in order. */
export function intervalOf(start: unknown, end: unknown): Interval | undefined {
  if (typeof start !== 'string' || typeof end !== 'string') return undefined
  const [from, until] = [parseInstant(start), parseInstant(end)]
  if (from === undefined || until === undefined || from >= until) return undefined
  const first = gasDayOf(from)
  const after = addDays(gasDayOf((until - 1) as Millis), 1)
  return { days: { from: first, until: after }, shorterThanADay: until - from < startOfGasDay(addDays(first, 1)) - startOfGasDay(first) }
}
