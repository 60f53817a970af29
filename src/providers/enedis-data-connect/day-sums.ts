/**
 * Computes coarser readings from the intervals of a load curve: days of energy (`derive`) and averages of whole groups
 * (`averageUp`). A result exists only where the intervals cover it exactly, without gap or overlap: 23, 24 or 25 hours
 * for a day. Nothing is interpolated, and each result carries the mark `DERIVED`.
 *
 * Stamps are local and name no offset. In autumn the hour from 02:00 comes twice: the first of two equal stamps of a
 * day is the earlier one, in the order received. In spring both 02:00 and 03:00 end the hour before the jump.
 */
import type { Day } from '../../domain/time.ts'
import { hoursInDay } from '../../domain/time.ts'
import type { Step } from '../../domain/vocabulary.ts'
import { minutesOf } from '../../domain/vocabulary.ts'
import type { Placed, Reading } from './reading.ts'
import { DERIVED } from './reading.ts'

interface Interval {
  /** Minutes really elapsed since the midnight that begins the day. */
  readonly end: number
  readonly length: number
  readonly watts: number
}

/** More points than any day can have: 25 hours of 5 minutes. */
const MOST_POINTS = 300

/** Turns the local stamps of a curve, in their order, into minutes really elapsed in their day. */
export class DayClock {
  #day: Day | undefined
  #hours = 24
  #seen = new Set<number>()

  /** Undefined for a stamp that does not exist on that day. */
  elapsed(day: Day, minute: number): number | undefined {
    if (day !== this.#day) {
      this.#day = day
      this.#hours = hoursInDay(day)
      this.#seen = new Set()
    }
    if (this.#hours === 23) return minute <= 120 ? minute : minute < 180 ? undefined : minute - 60
    if (this.#hours === 24 || minute < 120) return minute
    if (minute >= 180) return minute + 60
    if (this.#seen.has(minute)) return minute + 60
    this.#seen.add(minute)
    return minute
  }
}

/** Σ power × length of whole days, rounded to Wh. Days are taken in the order received; one that comes back is not whole. */
export class DailySums {
  readonly #clock = new DayClock()
  #day: Day | undefined
  #intervals: Interval[] = []

  /** The day before, where this point begins another one and that day was whole. */
  add(placed: Placed): Reading | undefined {
    const interval = placed.interval
    if (!interval) return undefined
    const done = interval.day === this.#day ? undefined : this.finish()
    this.#day = interval.day
    const end = this.#clock.elapsed(interval.day, interval.minute)
    // Length 0 is in no cover: a stamp that does not exist, or one point too many, spoils the day.
    const spoiled = end === undefined || this.#intervals.length >= MOST_POINTS
    if (this.#intervals.length <= MOST_POINTS)
      this.#intervals.push({ end: end ?? 0, length: spoiled ? 0 : interval.length, watts: Number(placed.reading.value) })
    return done
  }

  /** The last day, where it was whole. */
  finish(): Reading | undefined {
    const day = this.#day
    const intervals = this.#intervals
    this.#day = undefined
    this.#intervals = []
    if (day === undefined || !covers(intervals, hoursInDay(day) * 60)) return undefined
    const wattMinutes = intervals.reduce((sum, each) => sum + each.watts * each.length, 0)
    return { value: String(Math.round(wattMinutes / 60)), date: day, mark: DERIVED }
  }
}

function covers(intervals: readonly Interval[], minutes: number): boolean {
  let at = 0
  for (const { end, length } of intervals.toSorted((a, b) => a.end - b.end)) {
    if (length === 0 || end - length !== at) return false
    at = end
  }
  return at === minutes
}

/** Average power of whole groups of `step`, weighted by length, rounded to the watt. */
export class Averages {
  readonly #clock = new DayClock()
  readonly #step: Step
  readonly #minutes: number
  #watts = 0
  /** Minutes of the group covered so far, and where it got to. */
  #covered = 0
  #at = 0
  #day: Day | undefined

  /** A step below a day. */
  constructor(step: Step) {
    this.#step = step
    this.#minutes = minutesOf(step) ?? 0
  }

  /** The group that this point completes, if it does. */
  add(placed: Placed): Reading | undefined {
    const interval = placed.interval
    if (!interval) return undefined
    const end = this.#clock.elapsed(interval.day, interval.minute)
    const start = end === undefined ? undefined : end - interval.length
    const goesOn = this.#covered > 0 && interval.day === this.#day && start === this.#at
    if (!goesOn) this.#covered = this.#watts = 0
    // A group begins on its own boundary, not where the points happen to begin.
    if (end === undefined || start === undefined || (!goesOn && start % this.#minutes !== 0)) return undefined
    this.#day = interval.day
    this.#at = end
    this.#covered += interval.length
    this.#watts += Number(placed.reading.value) * interval.length
    if (this.#covered < this.#minutes) return undefined
    const whole = this.#covered === this.#minutes
    const value = String(Math.round(this.#watts / this.#covered))
    this.#covered = this.#watts = 0
    return whole ? { value, date: placed.reading.date, length: this.#step, mark: DERIVED } : undefined
  }
}
