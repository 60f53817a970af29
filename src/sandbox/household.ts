/**
 * What a household draws and gives, watt by watt: the same for ever for the same meter, day and minute, whatever was asked
 * before, so that two calls, two generations and two runs never differ.
 *
 * Plausible, not measured: a base load, mornings and evenings, weekends, holidays of the second home, a water heater in
 * the off-peak hours, heating that follows a made-up temperature, panels that follow the sun and the clouds of the day.
 * The civil day is cut in real time, so a day of the clock change has 23 or 25 hours of it.
 */
import type { Day } from '../domain/time.ts'
import { addDays, dayNumber, hoursInDay, startOfDay } from '../domain/time.ts'
import type { MeterRow } from './meters.ts'

/** One interval of a day, by the real minutes since its midnight. Mean watts, whole; one of the two is 0 behind panels. */
export interface Slot {
  readonly end: number
  readonly length: number
  /** Of its end, in naive local time as the meter's reports are written: in autumn 02:00 comes twice. */
  readonly stamp: string
  readonly consumed: number
  readonly produced: number
}
export interface HouseholdDay {
  readonly day: Day
  readonly hours: number
  readonly slots: readonly Slot[]
}

const REMEMBERED = 2000
// A pure function's memory: the same days are asked for again and again, and each costs some fifty draws.
const known = new Map<string, HouseholdDay>()

export function householdDay(meter: MeterRow, on: Day): HouseholdDay {
  const key = `${meter.prm}${meter.step}${on}`
  const seen = known.get(key)
  if (seen) return seen
  const made = live(meter, on)
  const oldest = known.size >= REMEMBERED ? known.keys().next().value : undefined
  if (oldest !== undefined) known.delete(oldest)
  known.set(key, made)
  return made
}

/** Real minutes since midnight → what the clock on the wall says. It jumps at 02:00 in spring, and from 03:00 to 02:00 in autumn. */
export function localMinute(hours: number, minute: number): number {
  if (hours === 23 && minute >= 120) return minute + 60
  return hours === 25 && minute >= 180 ? minute - 60 : minute
}

/** Watt-hours of a whole day. */
export function energyOf(day: HouseholdDay, of: 'consumed' | 'produced', only: (slot: Slot) => boolean = () => true): number {
  return Math.round(day.slots.reduce((sum, slot) => (only(slot) ? sum + slot[of] * slot.length : sum), 0) / 60)
}

/** The strongest moment of a day of consumption: apparent power, above every mean of the day, and the second when it was. */
export function peakOf(meter: MeterRow, day: HouseholdDay): { readonly va: number; readonly stamp: string } {
  const top = day.slots.reduce((a, b) => (b.consumed > a.consumed ? b : a))
  const number = dayNumber(day.day)
  const va = Math.min(meter.kva * 1000, Math.round(top.consumed * (1.08 + 0.35 * draw(meter.prm, number, 7001))) + 40)
  const second = Math.floor((top.end - top.length) * 60 + draw(meter.prm, number, 7002) * (top.length * 60 - 1))
  const local = localMinute(day.hours, Math.floor(second / 60))
  return {
    va: Math.max(va, top.consumed),
    stamp: `${day.day} ${two(Math.floor(local / 60))}:${two(local % 60)}:${two(second % 60)}`,
  }
}

/** Off-peak hours of the demo meters: 22:30 to 06:30. */
export function isOffPeak({ hours }: HouseholdDay, slot: Slot): boolean {
  const begin = localMinute(hours, slot.end - slot.length)
  return begin < 390 || begin >= 1350
}

/** Whether the point of this slot never came. */
export function isMissing(meter: MeterRow, on: Day, slot: Slot): boolean {
  const number = dayNumber(on)
  switch (meter.missing) {
    case 'none':
      return false
    case 'tuesdays_and_wednesdays':
      return isMissingDay(meter, on)
    case 'scattered':
      return draw(meter.prm, number, 9000 + slot.end) < 0.03
    case 'last_half_hour':
      return slot.end - slot.length >= hoursInDay(on) * 60 - 30
  }
}

/** Whether nothing of this day ever came, neither curve nor energy. */
export function isMissingDay(meter: MeterRow, on: Day): boolean {
  const weekday = weekdayOf(dayNumber(on))
  return meter.missing === 'tuesdays_and_wednesdays' && (weekday === 2 || weekday === 3)
}

function live(meter: MeterRow, on: Day): HouseholdDay {
  const number = dayNumber(on)
  const hours = hoursInDay(on)
  const starts = startOfDay(on)
  const today: Today = {
    meter,
    number,
    weekday: weekdayOf(number),
    home: isHome(meter, number),
    degrees: temperature(number),
    clouds: 0.25 + 0.75 * draw('sky', number, 1) ** 0.7,
  }
  const midnight = `${addDays(on, 1)} 00:00:00`
  let end = 0
  const slots = lengthsOf(meter, on, hours).map((length) => {
    const middle = end + length / 2
    end += length
    const sun = meter.solar === 0 ? 0 : solar(today, starts + middle * 60_000)
    const load = meter.consumes ? Math.min(meter.kva * 990, drawn(today, localMinute(hours, middle), end)) : 0
    const net = Math.round(load - sun)
    const clock = localMinute(hours, end)
    const stamp = clock === 1440 ? midnight : `${on} ${two(Math.floor(clock / 60))}:${two(clock % 60)}:00`
    return { end, length, stamp, consumed: Math.max(net, 0), produced: Math.max(-net, 0) }
  })
  return { day: on, hours, slots }
}

function lengthsOf(meter: MeterRow, on: Day, hours: number): number[] {
  if (meter.step !== 'changing') {
    const length = Number(meter.step.slice(2, -1))
    return Array.from({ length: (hours * 60) / length }, () => length)
  }
  // The day of the change goes through all steps; before it, half-hours, after it, quarters, and back the month after.
  const date = Number(on.slice(8))
  const even = Number(on.slice(5, 7)) % 2 === 0
  const quarter = date > 15 === even
  if (date !== 15) return Array.from({ length: hours * (quarter ? 4 : 2) }, () => (quarter ? 15 : 30))
  return [60, 30, 15, 10].flatMap((length, i) => Array.from({ length: ((i === 3 ? hours - 18 : 6) * 60) / length }, () => length))
}

interface Today {
  readonly meter: MeterRow
  readonly number: number
  readonly weekday: number
  readonly home: boolean
  readonly degrees: number
  /** 1: no cloud. */
  readonly clouds: number
}

/** Watts drawn at a minute of the clock on the wall. `slot` tells two equal minutes of an autumn night apart. */
function drawn({ meter, number, weekday, home, degrees }: Today, minute: number, slot: number): number {
  const { prm, lives } = meter
  const chance = draw(prm, number, slot)
  const size = 0.8 + 0.4 * draw(prm, 0, 3)
  const base = lives === 'office' ? 900 : 90 + 120 * draw(prm, 0, 2)
  const fridge = chance < 0.45 ? 70 : 0
  const weekend = weekday === 0 || weekday === 6
  let watts = (base + fridge) * (0.9 + 0.2 * draw(prm, number, 10_000 + slot))
  if (home && lives === 'office') watts += weekend ? 0 : 9000 * bump(minute, 13 * 60, 260) * (0.85 + 0.3 * chance)
  else if (home) {
    const people = (lives === 'alone' ? 0.55 : 1) * size
    const morning = bump(minute, weekend ? 570 : 430, 55) * 700
    const noon = bump(minute, 750, 60) * (weekend ? 900 : 250)
    const evening = bump(minute, 1170 + 30 * draw(prm, number, 4), 90) * 1400
    watts += people * (morning + noon + evening) * (0.6 + 0.8 * chance)
    // Someone cooks, or a machine runs, for an interval or two.
    if (minute > 660 && minute < 1290 && draw(prm, number, 20_000 + slot) > 0.94) watts += 1500 * people
    // The water heater: off-peak, a shade later each night.
    const heater = 15 + 40 * draw(prm, number, 5)
    const lasts = 100 + 80 * draw(prm, number, 6)
    if (meter.offPeak && minute >= heater && minute < heater + lasts) watts += lives === 'alone' ? 1200 : 2000
  }
  const cold = Math.max(0, 17 - degrees)
  // An empty house is kept from freezing.
  const kept = home ? 1 : 0.15
  if (meter.heating === 'electric') watts += kept * cold * 140 * size * (0.75 + 0.5 * bump(minute, 1200, 240)) * (0.9 + 0.2 * chance)
  if (meter.heating === 'heat_pump') watts += kept * cold * 55 * size * (0.9 + 0.2 * chance)
  return watts
}

/** In the weekends of a second home, and but for two weeks in August everywhere else. */
function isHome({ prm, lives }: MeterRow, number: number): boolean {
  const weekday = weekdayOf(number)
  if (lives === 'weekends') return (weekday === 6 || weekday === 0) && draw(prm, number - (weekday === 0 ? 1 : 0), 8) > 0.3
  const yearDay = number % 365.2425
  const leaves = 208 + 25 * draw(prm, 0, 9)
  return lives === 'office' || yearDay < leaves || yearDay > leaves + 14
}

/** Mean of the day outside, the same for all meters: they share one town. */
function temperature(number: number): number {
  const season = 12.5 - 8 * Math.cos((2 * Math.PI * ((number % 365.2425) - 15)) / 365.2425)
  return season + 3 * (draw('air', Math.floor(number / 4), 1) - 0.5) + 4 * (draw('air', number, 2) - 0.5)
}

/** Watts of the panels at an instant: nothing while the sun is down (46° N, 2.5° E). */
function solar({ meter, number, clouds }: Today, at: number): number {
  const yearDay = number % 365.2425
  const tilt = -0.4091 * Math.cos((2 * Math.PI * (yearDay + 10)) / 365.2425)
  const hour = ((at / 3_600_000 + 2.5 / 15) % 24) - 12
  const latitude = (46 * Math.PI) / 180
  const height = Math.sin(latitude) * Math.sin(tilt) + Math.cos(latitude) * Math.cos(tilt) * Math.cos((hour * Math.PI) / 12)
  if (height <= 0) return 0
  const passing = 0.85 + 0.15 * draw(meter.prm, number, 30_000 + Math.floor(hour * 4 + 48))
  return meter.solar * 0.92 * Math.min(1, height ** 1.15 * 1.1) * clouds * passing
}

function bump(at: number, middle: number, width: number): number {
  return Math.exp(-(((at - middle) / width) ** 2))
}

function weekdayOf(number: number): number {
  return (number + 4) % 7 // 1970-01-01 was a Thursday; 0 is Sunday
}

const seeds = new Map<string, number>()

/** A number in [0, 1) that depends on nothing but its arguments. Mixing as in MurmurHash3. */
export function draw(name: string, number: number, salt: number): number {
  let seed = seeds.get(name)
  if (seed === undefined) {
    seed = 2166136261
    for (let i = 0; i < name.length; i += 1) seed = Math.imul(seed ^ name.charCodeAt(i), 16777619)
    seeds.set(name, seed)
  }
  let h = seed ^ Math.imul(number + 1, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return ((h ^ (h >>> 16)) >>> 0) / 4_294_967_296
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n)
}
