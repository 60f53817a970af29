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

const MS_PER_DAY = 86_400_000
const PARIS = 'Europe/Paris'

/** A real day written exactly `YYYY-MM-DD` (years 1900 to 2999), or undefined. Never throws. */
export function parseDay(text: string): Day | undefined {
  if (text.length !== 10 || text[4] !== '-' || text[7] !== '-') return undefined
  for (const i of [0, 1, 2, 3, 5, 6, 8, 9]) {
    const digit = text.charCodeAt(i)
    if (digit < 48 || digit > 57) return undefined
  }
  const year = Number(text.slice(0, 4))
  const month = Number(text.slice(5, 7))
  const day = Number(text.slice(8, 10))
  if (year < 1900 || year > 2999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  return text as Day
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

/** Days since 1970-01-01 of the civil calendar; the number that all arithmetic on days uses. */
export function dayNumber(d: Day): number {
  return Date.UTC(Number(d.slice(0, 4)), Number(d.slice(5, 7)) - 1, Number(d.slice(8, 10))) / MS_PER_DAY
}

export function dayOfNumber(n: number): Day {
  return new Date(n * MS_PER_DAY).toISOString().slice(0, 10) as Day
}

export function addDays(d: Day, n: number): Day {
  return dayOfNumber(dayNumber(d) + n)
}

/** Civil months; the 31st of a shorter month becomes its last day. */
export function addMonths(d: Day, n: number): Day {
  return Temporal.PlainDate.from(d).add({ months: n }).toString() as Day
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

/** An RFC 3339 instant with `Z` or an offset, or undefined. */
export function parseInstant(text: string): Millis | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined
  if (parseDay(text.slice(0, 10)) === undefined) return undefined
  const at = Date.parse(text)
  return Number.isSafeInteger(at) ? (at as Millis) : undefined
}

/**
 * A local stamp of Paris, `YYYY-MM-DD HH:MM:SS` (or with `T`), as the minute of its day and the day.
 * 24:00 is refused. Data Connect writes naive local time. Source: data sheet of Enedis Data Connect, date semantics.
 */
export function parseStamp(text: string): { readonly day: Day; readonly secondOfDay: number } | undefined {
  if (text.length !== 19 || (text[10] !== ' ' && text[10] !== 'T') || text[13] !== ':' || text[16] !== ':') return undefined
  const d = parseDay(text.slice(0, 10))
  if (d === undefined) return undefined
  for (const i of [11, 12, 14, 15, 17, 18]) {
    const digit = text.charCodeAt(i)
    if (digit < 48 || digit > 57) return undefined
  }
  const hour = Number(text.slice(11, 13))
  const minute = Number(text.slice(14, 16))
  const second = Number(text.slice(17, 19))
  if (hour > 23 || minute > 59 || second > 59) return undefined
  return { day: d, secondOfDay: hour * 3600 + minute * 60 + second }
}

/** The day to which a reading belongs that is stamped at the *end* of its interval: 00:00 belongs to the day before. */
export function dayOfIntervalEnd(stamp: { readonly day: Day; readonly secondOfDay: number }): Day {
  return stamp.secondOfDay === 0 ? addDays(stamp.day, -1) : stamp.day
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}
