/**
 * One reading of a measure, proved to be in the form that its series has, and the question whether it may leave.
 *
 * A curve's stamp is the end of its interval (00:00 belongs to the day before); a daily value has a day; a maximum has
 * the moment of the peak, or a moment of its month. Stamps are naive local time of Europe/Paris and are passed on as
 * they came. Source: Data Connect Swagger; all known clients read the stamps so.
 */
import type { Day, Period } from '../../domain/time.ts'
import { addDays, addMonths, dayOfIntervalEnd, parseDay, parseStamp, startOfMonth } from '../../domain/time.ts'
import type { Step } from '../../domain/vocabulary.ts'
import { minutesOf } from '../../domain/vocabulary.ts'
import type { Measure } from './series.ts'

/** As it is written, each text already of known characters. */
export interface Reading {
  readonly value: string
  readonly date: string
  /** Of a curve only. */
  readonly length?: Step
  /** How it was obtained, as Enedis codes it (`B`: raw), or {@link DERIVED}. */
  readonly mark?: string
}

/** Stands in `measure_type` (v5) or `n` (2026) of a reading that the gate computed from finer ones. */
export const DERIVED = 'DERIVED'

/** Where a reading lies: the days that it tells of are those from `first` to `last`, which is included. */
export interface Placed {
  readonly reading: Reading
  readonly first: Day
  readonly last: Day
  /** Of a curve: the day of the interval, and minutes since its midnight of the stamp as written (1440 for 00:00). */
  readonly interval?: { readonly day: Day; readonly minute: number; readonly length: number }
}

/** A point of an answer as its texts were read; `null` and absent are the same. */
export interface RawPoint {
  value?: string
  date?: string
  length?: string
  mark?: string
}

const LENGTHS: ReadonlySet<string> = new Set(['PT5M', 'PT10M', 'PT15M', 'PT30M', 'PT60M'])

/** Undefined where a field is missing or in no known form: it is then not known what the reading tells of. */
export function place(raw: RawPoint, series: Measure): Placed | undefined {
  const { value, date, mark } = raw
  if (value === undefined || !/^-?[0-9]{1,15}(\.[0-9]{1,9})?$/.test(value) || date === undefined) return undefined
  if (mark !== undefined && !/^[A-Za-z0-9]{1,4}$/.test(mark)) return undefined
  const reading: Reading = mark === undefined ? { value, date } : { value, date, mark }
  switch (series.stamp) {
    case 'ends':
      return placeInterval(reading, raw.length)
    case 'day': {
      const on = parseDay(date)
      return on && { reading, first: on, last: on }
    }
    case 'moment': {
      const on = parseDay(date) ?? parseStamp(date)?.day
      return on && { reading, first: on, last: on }
    }
    case 'month': {
      const on = parseDay(date) ?? parseStamp(date)?.day
      return on && { reading, first: startOfMonth(on), last: addDays(addMonths(startOfMonth(on), 1), -1) }
    }
  }
}

function placeInterval(reading: Reading, length: string | undefined): Placed | undefined {
  const stamp = parseStamp(reading.date)
  if (!stamp || length === undefined || !LENGTHS.has(length)) return undefined
  const step = length as Step // one of LENGTHS, each a Step
  const minutes = minutesOf(step) ?? 0
  const day = dayOfIntervalEnd(stamp)
  const minute = stamp.secondOfDay === 0 ? 1440 : stamp.secondOfDay / 60
  // An interval that begins before midnight tells of the day before, too.
  const first = minute >= minutes ? day : addDays(day, -1)
  return { reading: { ...reading, length: step }, first, last: day, interval: { day, minute, length: minutes } }
}

/** Whether all that the reading tells of lies in the days granted. */
export function isInside({ first, last }: Placed, granted: Period): boolean {
  return granted.from <= first && last < granted.until
}
