/**
 * Days and moments. A `Day` is a civil day of Europe/Paris written `YYYY-MM-DD`; a `Millis` is an instant in UTC
 * milliseconds. The two never mix: validity of a permission is in `Millis`, the period of data it opens is in `Day`s.
 * All intervals are half-open. Temporal stays inside this file: two Temporal values compare equal in several matchers.
 */
export type Day = string & { readonly __brand: 'Day' }
export type Millis = number & { readonly __brand: 'Millis' }
/** Days, `from` included, `until` excluded; never empty. */
export interface Period {
  readonly from: Day
  readonly until: Day
}

const PARIS = 'Europe/Paris'

/** A real day written exactly `YYYY-MM-DD` (years 1900 to 2999), or undefined. Never throws. */
export function parseDay(text: string): Day | undefined {
  if (text.length !== 10 || text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return undefined
  // What is no digit makes NaN, which no comparison lets pass.
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const month = twoDigits(text, 5)
  const date = twoDigits(text, 8)
  return year >= 1900 && year <= 2999 && month >= 1 && month <= 12 && date >= 1 && date <= daysInMonth(year, month)
    ? (text as Day)
    : undefined
}

const DASH = 0x2d
/** Day and month as they are written, by their number. */
const WRITTEN: readonly string[] = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'))

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Like {@link parseDay}, for constants and trusted stores. Throws a RangeError on anything else. */
export function day(text: string): Day {
  const parsed = parseDay(text)
  if (parsed === undefined) throw new RangeError('not a day in the form YYYY-MM-DD')
  return parsed
}

export function millis(value: number): Millis {
  if (!Number.isSafeInteger(value)) throw new RangeError('not a moment in whole milliseconds')
  return value as Millis
}

/**
 * Days since 1970-01-01 of the civil calendar; the number that all arithmetic on days uses. Computed in whole numbers,
 * because every reading of an answer is placed by it and a Date costs a microsecond: years begin in March, so that the
 * leap day comes last, and 400 of them are one era (H. Hinnant, «chrono-compatible low-level date algorithms»).
 */
export function dayNumber(d: Day): number {
  const month = twoDigits(d, 5)
  const year = twoDigits(d, 0) * 100 + twoDigits(d, 2) - (month <= 2 ? 1 : 0)
  const era = Math.floor(year / 400)
  const yearOfEra = year - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + twoDigits(d, 8) - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

export function dayOfNumber(n: number): Day {
  const z = n + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  return written(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1)
}

function written(year: number, month: number, date: number): Day {
  return `${String(year).padStart(4, '0')}-${WRITTEN[month]}-${WRITTEN[date]}` as Day
}

export function addDays(d: Day, n: number): Day {
  // Within what every month has, nothing but the last two digits changes.
  const date = twoDigits(d, 8) + n
  return date >= 1 && date <= 28 ? (`${d.slice(0, 8)}${WRITTEN[date]}` as Day) : dayOfNumber(dayNumber(d) + n)
}

/** Civil months; the 31st of a shorter month becomes its last day. */
export function addMonths(d: Day, n: number): Day {
  const months = (twoDigits(d, 0) * 100 + twoDigits(d, 2)) * 12 + twoDigits(d, 5) - 1 + n
  const year = Math.floor(months / 12)
  const month = months - year * 12 + 1
  return written(year, month, Math.min(twoDigits(d, 8), daysInMonth(year, month)))
}

/** The period `[from, until)`, or undefined if it would be empty. */
export function period(from: Day, until: Day): Period | undefined {
  return from < until ? { from, until } : undefined
}

export function countDays(p: Period): number {
  return dayNumber(p.until) - dayNumber(p.from)
}

export function intersect(a: Period, b: Period): Period | undefined {
  return period(a.from > b.from ? a.from : b.from, a.until < b.until ? a.until : b.until)
}

export function contains(outer: Period, inner: Period): boolean {
  return outer.from <= inner.from && inner.until <= outer.until
}

/** Sorted, disjoint, with neighbours joined: the runs without a hole. */
export function union(periods: readonly Period[]): Period[] {
  const runs: Period[] = []
  for (const p of periods.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = runs.at(-1)
    if (last && p.from <= last.until) runs[runs.length - 1] = { from: last.from, until: p.until > last.until ? p.until : last.until }
    else runs.push(p)
  }
  return runs
}

/** What of `p` none of `holes` touches. */
export function subtract(p: Period, holes: readonly Period[]): Period[] {
  let left: Period[] = [p]
  for (const hole of holes) {
    left = left.flatMap((x) => {
      if (!intersect(x, hole)) return [x]
      return [period(x.from, hole.from), period(hole.until, x.until)].filter((y) => y !== undefined)
    })
  }
  return left
}

/** Cuts into consecutive pieces of at most `days` days, the oldest first. */
export function split(p: Period, days: number): Period[] {
  const pieces: Period[] = []
  for (let from = p.from; from < p.until;) {
    const end = addDays(from, days)
    const until = end < p.until ? end : p.until
    pieces.push({ from, until })
    from = until
  }
  return pieces
}

/** The day that it is in Paris at `at`. */
export function parisDay(at: Millis): Day {
  if (at < parisCache.until && at >= parisCache.from) return parisCache.day
  const today = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(PARIS).toPlainDate().toString() as Day
  parisCache = { day: today, from: startOfDay(today), until: startOfDay(addDays(today, 1)) }
  return today
}
// A pure function's memory: Temporal costs microseconds and every request asks for today.
let parisCache = { day: '1970-01-01' as Day, from: 0, until: 0 }

/** The instant at which `d` begins in Paris. */
export function startOfDay(d: Day): Millis {
  return Temporal.PlainDate.from(d).toZonedDateTime({ timeZone: PARIS }).epochMilliseconds as Millis
}

/** A moment on the clocks of Paris; where it comes twice, the first, and where it does not come, an hour later. */
export function instantOf(d: Day, secondOfDay: number): Millis {
  const time = Temporal.PlainTime.from({
    hour: Math.floor(secondOfDay / 3600),
    minute: Math.floor(secondOfDay / 60) % 60,
    second: secondOfDay % 60,
  })
  return Temporal.PlainDate.from(d).toPlainDateTime(time).toZonedDateTime(PARIS).epochMilliseconds as Millis
}

/** 24, or 23 and 25 on the days when the clock changes. */
export function hoursInDay(d: Day): number {
  return (startOfDay(addDays(d, 1)) - startOfDay(d)) / 3_600_000
}

/** The first day of the civil month of `d`. */
export function startOfMonth(d: Day): Day {
  return `${d.slice(0, 8)}01` as Day
}

/** RFC 3339 in UTC with milliseconds. */
export function rfc3339(at: Millis): string {
  return new Date(at).toISOString()
}

/** An RFC 3339 instant with `Z` or an offset, or undefined. 24:00 is refused, which Date.parse takes for the next day. */
export function parseInstant(text: string): Millis | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined
  if (parseDay(text.slice(0, 10)) === undefined) return undefined
  const at = Date.parse(text)
  return Number.isSafeInteger(at) ? (at as Millis) : undefined
}

/**
 * A local stamp of Paris, `YYYY-MM-DD HH:MM:SS` (or with `T`), as the minute of its day and the day.
 * 24:00 is refused. Data Connect writes naive local time. Source: samples of the data hub of Enedis.
 */
export function parseStamp(text: string): { readonly day: Day; readonly secondOfDay: number } | undefined {
  if (text.length !== 19 || (text[10] !== ' ' && text[10] !== 'T') || text[13] !== ':' || text[16] !== ':') return undefined
  const d = parseDay(text.slice(0, 10))
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  const second = twoDigits(text, 17)
  return d !== undefined && hour <= 23 && minute <= 59 && second <= 59
    ? { day: d, secondOfDay: hour * 3600 + minute * 60 + second }
    : undefined
}

/** The day to which a reading belongs that is stamped at the *end* of its interval: 00:00 belongs to the day before. */
export function dayOfIntervalEnd(stamp: { readonly day: Day; readonly secondOfDay: number }): Day {
  return stamp.secondOfDay === 0 ? addDays(stamp.day, -1) : stamp.day
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}
