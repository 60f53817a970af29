/**
 * What flows through a point on each gas day: the same for ever for the same point and day. Cubic metres and kilowatt-
 * hours are whole, so that what is published of a month is exactly the sum of its days.
 *
 * A gas day runs from 06:00 to 06:00 on the clocks of Paris and has the name of the day on which it begins; the clock
 * changes before 06:00, so that the day before a change has 23 or 25 hours, and its end another offset than its beginning.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, countDays, day, dayNumber, dayOfNumber, hoursInDay, parisDay, startOfDay } from '../domain/time.ts'
import type { Millis } from '../domain/time.ts'
import type { AdictPoint } from './adict-points.ts'
import { draw, localMinute } from './household.ts'

export interface GasDay {
  readonly is: 'measured' | 'estimated' | 'absent'
  readonly volume: number
  /** At normal conditions, of injections only. */
  readonly converted: number
  readonly energy: number
}

/** Registers count from here, whenever a point came into service. */
const EPOCH = dayNumber(day('2019-01-01'))

export function gasDay(point: AdictPoint, number: number): GasDay {
  const name = `gas ${point.pce}`
  const is = kindOf(point, number)
  if (is === 'absent') return { is, volume: 0, converted: 0, energy: 0 }
  const chance = draw(name, number, 1)
  if (point.way === 'injects') {
    const volume = Math.round(point.size * (0.85 + 0.25 * chance))
    const converted = Math.round(volume * 0.995)
    return { is, volume, converted, energy: Math.round(converted * (10.7 + Math.round(4 * draw(name, number, 2)) / 10)) }
  }
  const cold = Math.max(
    0,
    4.5 + 8 * Math.cos((2 * Math.PI * ((number % 365.2425) - 15)) / 365.2425) + 4 * (draw('gas air', number, 1) - 0.5),
  )
  const drawn = point.size * (0.9 * (0.6 + 0.8 * chance) + (point.heats ? 0.55 * cold : 0))
  // Whole cubic metres that are right in the mean.
  const volume = Math.floor(drawn + draw(name, number, 3))
  return { is, volume, converted: 0, energy: Math.round(volume * (11 + Math.round(40 * draw(name, number, 2)) / 100)) }
}

function kindOf(point: AdictPoint, number: number): GasDay['is'] {
  if (point.days === 'measured') return 'measured'
  const date = dayOfNumber(number)
  const chance = draw(`gas ${point.pce}`, number, 4)
  if (chance < 0.03 || (date.endsWith('-01') && Number(date.slice(5, 7)) % 2 === 1)) return 'absent'
  return chance < 0.12 ? 'estimated' : 'measured'
}

export interface Sum extends GasDay {
  /** `absent` only where nothing came at all; `estimated` where a day is not measured. */
  readonly is: GasDay['is']
}

export function sumOf(point: AdictPoint, days: Period): Sum {
  const all = Array.from({ length: countDays(days) }, (_, i) => gasDay(point, dayNumber(days.from) + i))
  const total = (of: 'volume' | 'converted' | 'energy'): number => all.reduce((sum, one) => sum + one[of], 0)
  const is = all.every((one) => one.is === 'absent') ? 'absent' : all.every((one) => one.is === 'measured') ? 'measured' : 'estimated'
  return { is, volume: total('volume'), converted: total('converted'), energy: total('energy') }
}

interface Register {
  readonly raw: number
  readonly converted: number
}
// A pure function's memory: each register is the sum of all days before it.
const registers = new Map<string, Register[]>()

/** What the meter shows at 06:00 of a day. */
export function registerOf(point: AdictPoint, on: Day): Register {
  const known = registers.get(point.pce) ?? [{ raw: Math.floor(400 * draw(point.pce, 0, 5)), converted: 0 }]
  registers.set(point.pce, known)
  const wanted = Math.max(0, dayNumber(on) - EPOCH)
  for (let n = known.length; n <= wanted; n += 1) {
    const { raw = 0, converted = 0 } = known[n - 1] ?? {}
    const flowed = gasDay(point, EPOCH + n - 1)
    known.push({ raw: raw + flowed.volume, converted: converted + flowed.converted })
  }
  return known[wanted] ?? { raw: 0, converted: 0 }
}

/** 06:00 of a day in Paris. */
export function sixOClock(on: Day): string {
  // The clock changes at 02:00 or 03:00: at six it is what it will be at the next midnight.
  const next = addDays(on, 1)
  return `${on}T06:00:00+0${(dayNumber(next) * 86_400_000 - startOfDay(next)) / 3_600_000}:00`
}

/** A moment as GRDF dates its rights, on the clocks of Paris: `2026-03-02 09:31:04`. */
export function parisStamp(at: Millis): string {
  const on = parisDay(at)
  const since = at - startOfDay(on)
  const minute = localMinute(hoursInDay(on), Math.floor(since / 60_000))
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${on} ${two(Math.floor(minute / 60))}:${two(minute % 60)}:${two(Math.floor(since / 1000) % 60)}`
}
