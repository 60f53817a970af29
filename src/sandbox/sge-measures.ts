/**
 * What the meters of the simulated SGE have measured, the same for ever for the same meter and day: curve, energy of a
 * day, peak, registers. Everything is made while it is read.
 *
 * Source: WSDL files of SGE Tiers as lowatt-enedis ships them, samples of
 * consometers/sge-tiers. Stamps are naive local time of Paris; the older version writes the same moments with their offset, which is why each has one.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, day, dayNumber, hoursInDay, startOfDay, startOfMonth } from '../domain/time.ts'
import type { HouseholdDay, Slot } from './household.ts'
import { draw, energyOf, householdDay, isOffPeak, localMinute, peakOf } from './household.ts'
import type { MeterRow } from './meters.ts'
import type { SgePoint } from './sge-points.ts'
import { householdOf } from './sge-points.ts'

export type Sens = 'SOUTIRAGE' | 'INJECTION'
export type Family = 'COURBE' | 'ENERGIE' | 'PMAX'
export interface Grandeur {
  readonly grandeurMetier: 'CONS' | 'PROD'
  readonly grandeurPhysique: string
  readonly unite: string
  readonly points: Iterable<Mesure>
}
export interface Mesure {
  readonly v: string
  /** `YYYY-MM-DD`, or with ` HH:MM:SS`. */
  readonly d: string
  /** Hours that the clock on the wall is ahead of UTC at that moment. */
  readonly offset: number
  readonly p?: string
  readonly n?: string
}

const UNITS = {
  COURBE: { PA: 'W', PRI: 'VAr', PRC: 'VAr', E: 'V' },
  ENERGIE: { EA: 'Wh', ERI: 'VArh', ERC: 'VArh' },
  PMAX: { PMA: 'VA' },
} as const satisfies Record<Family, Readonly<Record<string, string>>>

/** Of the quantities that may be asked for, those that the meter has; undefined where there is no such quantity. */
export function quantitiesOf(point: SgePoint, family: Family, asked: string): readonly string[] | undefined {
  const all = Object.keys(UNITS[family])
  if (asked !== 'TOUT' && !all.includes(asked)) return undefined
  // Only C4 meters tell of reactive power and voltage.
  const there = point.segment === 'C4' ? all : all.slice(0, 1)
  return asked === 'TOUT' ? there : there.filter((one) => one === asked)
}

/** Nothing where the meter does not count this way. */
export function grandeursOf(
  point: SgePoint,
  family: Family,
  { asked, sens, pas, days }: { readonly asked: string; readonly sens: Sens; readonly pas: 'P1D' | 'P1M'; readonly days: Period },
): Grandeur[] {
  if (sens === 'INJECTION' && (!point.injects || family === 'PMAX')) return []
  return (quantitiesOf(point, family, asked) ?? []).map((physique) => ({
    grandeurMetier: sens === 'INJECTION' ? 'PROD' : 'CONS',
    grandeurPhysique: physique,
    unite: (UNITS[family] as Readonly<Record<string, string>>)[physique] ?? '',
    points: { [Symbol.iterator]: () => mesuresOf(point, family, physique, sens, pas, days) },
  }))
}

function* mesuresOf(point: SgePoint, family: Family, physique: string, sens: Sens, pas: 'P1D' | 'P1M', days: Period): Generator<Mesure> {
  const household = householdOf(point)
  if (family === 'PMAX') return yield* peaksOf(point, household, pas, days)
  const part = partOf(physique)
  for (let on = days.from; on < days.until; on = addDays(on, 1)) {
    const lived = householdDay(household, on)
    if (family === 'COURBE') yield* curveOf(point, lived, physique, sens)
    else yield { v: String(Math.round(energyOf(lived, wayOf(sens)) * point.size * part)), d: on, offset: offsetAt(on, 0) }
  }
}

function wayOf(sens: Sens): 'consumed' | 'produced' {
  return sens === 'SOUTIRAGE' ? 'consumed' : 'produced'
}

/** Reactive quantities as a part of the active one. */
function partOf(physique: string): number {
  if (physique.endsWith('RI')) return 0.31
  return physique.endsWith('RC') ? 0.04 : 1
}

function* curveOf(point: SgePoint, lived: HouseholdDay, physique: string, sens: Sens): Generator<Mesure> {
  const mark = point.segment === 'C5' ? 'B' : 'R'
  for (const slot of lived.slots) {
    const watts = slot[wayOf(sens)] * point.size
    for (const { end, length, share } of stepsOf(point, lived, slot)) {
      const v = physique === 'E' ? 228 + 8 * draw(point.pointId, dayNumber(lived.day), 50_000 + end) : watts * share * partOf(physique)
      const minute = point.stamps === 'end' ? end : end - length
      const clock = localMinute(lived.hours, minute)
      const stamp = clock === 1440 ? `${addDays(lived.day, 1)} 00:00:00` : `${lived.day} ${hourOf(clock)}:00`
      // What the wall says, less what has passed since midnight, is how far the clock has moved since then.
      const offset = offsetAt(lived.day, 0) + (clock - minute) / 60
      yield { v: String(Math.round(v)), d: stamp, offset, p: point.step, n: mark }
    }
  }
}

/** A slot of ten minutes as two of five, whose mean is that of the ten. */
function* stepsOf(point: SgePoint, lived: HouseholdDay, slot: Slot): Generator<{ end: number; length: number; share: number }> {
  if (point.step !== 'PT5M') return yield { end: slot.end, length: slot.length, share: 1 }
  const share = 0.9 + 0.2 * draw(point.pointId, dayNumber(lived.day), 40_000 + slot.end)
  yield { end: slot.end - 5, length: 5, share }
  return yield { end: slot.end, length: 5, share: 2 - share }
}

function hourOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}

/** Hours ahead of UTC at a second of the clock on the wall; the first of the two hours that autumn has twice. */
function offsetAt(on: Day, second: number): number {
  const atMidnight = (dayNumber(on) * 86_400_000 - startOfDay(on)) / 3_600_000
  const changed = hoursInDay(on) === 23 ? second >= 7200 : second >= 10_800
  return changed ? atMidnight + 24 - hoursInDay(on) : atMidnight
}

/** Of each day, or of each month within the days, the strongest moment. */
function* peaksOf(point: SgePoint, household: MeterRow, pas: 'P1D' | 'P1M', days: Period): Generator<Mesure> {
  for (let from = days.from; from < days.until;) {
    const next = pas === 'P1D' ? addDays(from, 1) : addMonths(startOfMonth(from), 1)
    const until = next < days.until ? next : days.until
    let top = { va: -1, stamp: '' }
    for (let on = from; on < until; on = addDays(on, 1)) {
      const peak = peakOf(household, householdDay(household, on))
      if (peak.va > top.va) top = peak
    }
    const [hour = 0, minute = 0, second = 0] = top.stamp.slice(11).split(':').map(Number)
    const offset = offsetAt(top.stamp.slice(0, 10) as Day, hour * 3600 + minute * 60 + second)
    yield { v: String(top.va * point.size), d: top.stamp, offset }
    from = until
  }
}

export const CLASSES = ['HPH', 'HCH', 'HPB', 'HCB'] as const
export type Register = Readonly<Record<(typeof CLASSES)[number], number>>

/** Registers began here, for all meters; days before it are too old to be asked for. */
export const COUNTED_FROM = day('2023-01-01')
const registers = new Map<string, Register[]>()

/** Watt-hours counted until a day began. What lies between two of them is the energy of the days between, to a watt-hour for each class. */
export function registerAt(point: SgePoint, sens: Sens, on: Day): Register {
  const key = `${point.pointId}${sens}`
  const counted = registers.get(key) ?? [{ HPH: 7_400_000, HCH: 4_100_000, HPB: 6_200_000, HCB: 3_900_000 }]
  registers.set(key, counted)
  const wanted = Math.max(0, dayNumber(on) - dayNumber(COUNTED_FROM))
  const household = householdOf(point)
  for (let i = counted.length; i <= wanted; i += 1) {
    const lived = householdDay(household, addDays(COUNTED_FROM, i - 1))
    const way = wayOf(sens)
    const offPeak = Math.round(energyOf(lived, way, (slot) => isOffPeak(lived, slot)) * point.size)
    const peak = Math.round(energyOf(lived, way) * point.size) - offPeak
    const before = counted[i - 1] ?? { HPH: 0, HCH: 0, HPB: 0, HCB: 0 }
    counted.push(
      isHighSeason(lived.day)
        ? { ...before, HPH: before.HPH + peak, HCH: before.HCH + offPeak }
        : { ...before, HPB: before.HPB + peak, HCB: before.HCB + offPeak },
    )
  }
  return counted[wanted] ?? { HPH: 0, HCH: 0, HPB: 0, HCB: 0 }
}

/** November to March. */
function isHighSeason(on: Day): boolean {
  const month = Number(on.slice(5, 7))
  return month >= 11 || month <= 3
}
