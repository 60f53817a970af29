/** What the invented households draw and give: the same for ever, plausible, and consistent between curve, day and peak. */
import { describe, expect, test } from 'vitest'
import type { Day } from '../../../src/domain/time.ts'
import { addDays, day, hoursInDay, parseStamp } from '../../../src/domain/time.ts'
import { energyOf, householdDay, isMissing, isMissingDay, isOffPeak, peakOf } from '../../../src/sandbox/household.ts'
import type { MeterRow } from '../../../src/sandbox/meters.ts'
import { METERS, meterOf } from '../../../src/sandbox/meters.ts'
import { pointsOf } from '../../../src/sandbox/readings.ts'

const SPRING = day('2026-03-29')
const AUTUMN = day('2026-10-25')
const ORDINARY = day('2026-03-28')

function row(prm: string): MeterRow {
  const found = meterOf(prm)
  if (!found) throw new Error(`no demo meter ${prm}`)
  return found
}
const house = row('10000000000001')
const stamps = (meter: MeterRow, on: Day): string[] => householdDay(meter, on).slots.map((s) => s.stamp)
function* year(from = day('2025-11-01')): Generator<Day> {
  for (let i = 0; i < 365; i += 1) yield addDays(from, i)
}
const sum = (meter: MeterRow, days: Iterable<Day>, of: 'consumed' | 'produced'): number =>
  [...days].reduce((all, on) => all + energyOf(householdDay(meter, on), of), 0)

test('there are at least twenty meters, each with a number of its own, and the customers of the real sandbox among them', () => {
  const numbers = METERS.map((m) => m.prm)
  expect(numbers.length).toBeGreaterThanOrEqual(20)
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(new Set(METERS.map((m) => m.shows)).size).toBe(numbers.length)
  expect(numbers.filter((prm) => !/^[0-9]{14}$/.test(prm))).toStrictEqual([])
  expect(numbers).toEqual(
    expect.arrayContaining([
      '22516914714270',
      '11453290002823',
      '32320647321714',
      '12345678901234',
      '10284856584123',
      '42900589957123',
      '24880057139941',
      '12655648759651',
      '64975835695673',
      '63695879465986',
      '22315546958763',
      '26584978546985',
    ]),
  )
})

test('the values are these, today and in every other run', () => {
  const lived = householdDay(house, day('2026-01-14'))
  expect(lived.slots.slice(0, 5).map((s) => s.consumed)).toStrictEqual([1076, 1055, 3053, 3152, 3078])
  expect(energyOf(lived, 'consumed')).toBe(39_191)
  expect(peakOf(house, lived)).toStrictEqual({ va: 4319, stamp: '2026-01-14 01:56:59' })
})

test('no two meters and no two days are alike', () => {
  const seen = METERS.filter((m) => m.consumes).flatMap((m) =>
    [0, 1, 2].map((i) =>
      householdDay(m, addDays(ORDINARY, i))
        .slots.map((s) => s.consumed)
        .join(),
    ),
  )
  expect(new Set(seen).size).toBe(seen.length)
})

describe('a day of the clock change', () => {
  test.each([
    [SPRING, 46],
    [ORDINARY, 48],
    [AUTUMN, 50],
  ])('%s has %i half-hours', (on, count) => {
    expect(stamps(house, on)).toHaveLength(count)
  })

  test('in spring the hour from 02:00 does not exist', () => {
    expect(stamps(house, SPRING).slice(0, 6)).toStrictEqual(
      ['00:30', '01:00', '01:30', '03:00', '03:30', '04:00'].map((time) => `2026-03-29 ${time}:00`),
    )
    expect(stamps(house, SPRING).at(-1)).toBe('2026-03-30 00:00:00')
  })

  test('in autumn it comes twice', () => {
    expect(stamps(house, AUTUMN).slice(2, 9)).toStrictEqual(
      ['01:30', '02:00', '02:30', '02:00', '02:30', '03:00', '03:30'].map((time) => `2026-10-25 ${time}:00`),
    )
    expect(stamps(house, AUTUMN).at(-1)).toBe('2026-10-26 00:00:00')
  })

  test.each(METERS.map((m) => [m.prm, m] as const))('the slots of %s fill its 23, 24 or 25 hours', (_prm, meter) => {
    for (const on of [SPRING, ORDINARY, AUTUMN, day('2026-05-15'), day('2026-05-16')]) {
      const { slots } = householdDay(meter, on)
      expect(slots.map((s) => s.end - s.length)).toStrictEqual([0, ...slots.slice(0, -1).map((s) => s.end)])
      expect(slots.at(-1)?.end).toBe(hoursInDay(on) * 60)
    }
  })
})

test.each(METERS.map((m) => [m.prm, m] as const))('%s: curve, energy of the day and peak agree for a year', (_prm, meter) => {
  for (const on of year()) {
    const lived = householdDay(meter, on)
    const wattMinutes = lived.slots.reduce((all, s) => all + s.consumed * s.length, 0)
    expect(Math.abs(60 * energyOf(lived, 'consumed') - wattMinutes)).toBeLessThanOrEqual(30)
    expect(lived.slots.filter((s) => !Number.isInteger(s.consumed) || s.consumed < 0 || s.consumed > meter.kva * 1000)).toStrictEqual([])
    const top = Math.max(...lived.slots.map((s) => s.consumed))
    const peak = peakOf(meter, lived)
    const at = parseStamp(peak.stamp)
    expect(peak.va).toBeGreaterThanOrEqual(top)
    expect(peak.va).toBeLessThanOrEqual(meter.kva * 1000)
    expect(at?.day).toBe(on)
    if (lived.hours !== 24 || top === 0) continue
    const slot = lived.slots.find((s) => s.consumed === top)
    expect(at?.secondOfDay).toBeGreaterThanOrEqual(((slot?.end ?? 0) - (slot?.length ?? 0)) * 60)
    expect(at?.secondOfDay).toBeLessThan((slot?.end ?? 0) * 60)
  }
})

test('the house is warmed in winter, and takes more in the evening than in the night', () => {
  const winter = sum(
    house,
    Array.from({ length: 31 }, (_, i) => addDays(day('2026-01-01'), i)),
    'consumed',
  )
  const summer = sum(
    house,
    Array.from({ length: 31 }, (_, i) => addDays(day('2026-07-01'), i)),
    'consumed',
  )
  expect(winter).toBeGreaterThan(1.7 * summer)
  const alone = row('12345678901234')
  const mean = (from: number, until: number): number => {
    const watts = [...year()].flatMap((on) =>
      householdDay(alone, on)
        .slots.filter((s) => s.end > from && s.end <= until)
        .map((s) => s.consumed),
    )
    return watts.reduce((a, b) => a + b, 0) / watts.length
  }
  expect(mean(18 * 60, 21 * 60)).toBeGreaterThan(2 * mean(4 * 60, 6 * 60))
  // The water heater.
  expect(mean(60, 120)).toBeGreaterThan(3 * mean(4 * 60, 6 * 60))
})

test('an office is closed at weekends, a second home occupied then only', () => {
  const weekend = [...year()].filter((on) => [0, 6].includes(new Date(on).getUTCDay()))
  const week = [...year()].filter((on) => ![0, 6].includes(new Date(on).getUTCDay()))
  const daily = (prm: string, days: readonly Day[]): number => sum(row(prm), days, 'consumed') / days.length
  expect(daily('10000000000010', week)).toBeGreaterThan(2 * daily('10000000000010', weekend))
  expect(daily('10000000000002', weekend)).toBeGreaterThan(2 * daily('10000000000002', week))
})

test('panels give nothing at night, and more in summer', () => {
  const panels = row('24880057139941')
  for (const on of year()) {
    const { slots, hours } = householdDay(panels, on)
    // Sun before 05:30 or after 22:30 there is none in France, even by summer time.
    expect(slots.filter((s) => (s.end <= 330 || s.end > hours * 60 - 90) && s.produced > 0)).toStrictEqual([])
  }
  const month = (first: Day): number =>
    sum(
      panels,
      Array.from({ length: 30 }, (_, i) => addDays(first, i)),
      'produced',
    )
  expect(month(day('2026-06-01'))).toBeGreaterThan(2.5 * month(day('2025-12-01')))
})

test('behind panels there is never consumption and production at once, and there is some of each', () => {
  const self = row('12655648759651')
  const slots = [...year()].flatMap((on) => householdDay(self, on).slots)
  expect(slots.filter((s) => s.consumed > 0 && s.produced > 0)).toStrictEqual([])
  expect(slots.filter((s) => s.produced > 0).length).toBeGreaterThan(2000)
  expect(slots.filter((s) => s.consumed > 0).length).toBeGreaterThan(8000)
})

test('who does not produce gives nothing, and who does not consume takes nothing', () => {
  for (const meter of METERS) {
    if (!meter.produces) expect(sum(meter, year(), 'produced'), meter.prm).toBe(0)
    if (!meter.consumes) expect(sum(meter, year(), 'consumed'), meter.prm).toBe(0)
  }
})

test('off-peak is from 22:30 to 06:30 of the clock on the wall, also when it changes', () => {
  const offPeak = (on: Day): number => {
    const lived = householdDay(house, on)
    return lived.slots.filter((slot) => isOffPeak(lived, slot)).length
  }
  expect([SPRING, ORDINARY, AUTUMN].map(offPeak)).toStrictEqual([14, 16, 18])
})

describe('what is missing', () => {
  const curve = { is: 'curve', way: 'consumed' } as const
  const count = (meter: MeterRow, from: Day, days: number): number =>
    [...pointsOf(meter, curve, { from, until: addDays(from, days) })].length

  test('whole Tuesdays and Wednesdays, in the curve and in the days', () => {
    const meter = row('42900589957123')
    const monday = day('2026-11-16')
    expect(Array.from({ length: 7 }, (_, i) => isMissingDay(meter, addDays(monday, i)))).toStrictEqual([
      false,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect(count(meter, monday, 7)).toBe(5 * 48)
    expect([...pointsOf(meter, { is: 'daily', way: 'consumed' }, { from: monday, until: addDays(monday, 7) })]).toHaveLength(5)
  })

  test('the last half-hour of each day', () => {
    const meter = row('10000000000008')
    expect(count(meter, ORDINARY, 1)).toBe(47)
    expect([...pointsOf(meter, curve, { from: ORDINARY, until: addDays(ORDINARY, 1) })].at(-1)?.date).toBe('2026-03-28 23:30:00')
  })

  test('a point here and there', () => {
    const meter = row('10000000000007')
    const missed = [...year()].flatMap((on) => householdDay(meter, on).slots.filter((slot) => isMissing(meter, on, slot))).length
    expect(missed).toBeGreaterThan(300)
    expect(missed).toBeLessThan(800)
  })
})

test('a meter whose step changes has all steps on the 15th', () => {
  const meter = row('10000000000004')
  const lengths = (on: string): number[] => [...new Set(householdDay(meter, day(on)).slots.map((s) => s.length))]
  expect(lengths('2026-05-14')).toStrictEqual([15])
  expect(lengths('2026-05-15')).toStrictEqual([60, 30, 15, 10])
  expect(lengths('2026-05-16')).toStrictEqual([30])
  expect(householdDay(meter, day('2026-05-15')).slots).toHaveLength(6 + 12 + 24 + 36)
})
