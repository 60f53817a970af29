/** What leaves of an honest answer: the days, the steps, the sums. */
import { describe, expect, test } from 'vitest'
import type { Part } from '../../../src/domain/decision.ts'
import type { Period } from '../../../src/domain/time.ts'
import type { Point, Read } from './given.ts'
import { aPart, days, halfHours, through, v5Curve } from './given.ts'

function curve(points: readonly Point[], period: Period, changes: Partial<Part> = {}): Read {
  const given = { series: 'consumption_curve', client: 'v5', upstream: 'v5', parts: [aPart(period, changes)] } as const
  return through(given, v5Curve(points, { start: period.from, end: period.until }))
}
function daily(points: readonly Point[], period: Period): Read {
  const given = {
    series: 'daily_consumption',
    client: 'v5',
    upstream: 'v5',
    parts: [aPart(period, { how: 'derive', finest: 'PT30M' })],
  } as const
  return through(given, v5Curve(points, { start: period.from, end: period.until }))
}
interface Written {
  readonly meter_reading: { readonly interval_reading: readonly Readonly<Record<string, string>>[] }
}
const readings = (read: Read): readonly Readonly<Record<string, string>>[] =>
  read.text === '' ? [] : (JSON.parse(read.text) as Written).meter_reading.interval_reading
const stamps = (read: Read): readonly (string | undefined)[] => readings(read).map((r) => r['date'])
const at = (dates: readonly string[], length = 'PT30M', value = '100'): Point[] => dates.map((date) => ({ value, date, length }))

const MARCH_2 = days('2026-03-02', '2026-03-03')
const SPRING = days('2026-03-29', '2026-03-30')
const AUTUMN = days('2026-10-25', '2026-10-26')

describe('a stamp is the end of its interval', () => {
  test.each([
    ['2026-03-02 00:00:00', false],
    ['2026-03-02 00:30:00', true],
    ['2026-03-03 00:00:00', true],
    ['2026-03-03 00:30:00', false],
    ['2026-03-02T12:00:00', true],
  ])('%s: %j', (date, inside) => {
    const read = curve(at([date]), MARCH_2)
    expect(stamps(read)).toStrictEqual(inside ? [date] : [])
    expect(read.reader.counts).toStrictEqual(
      inside ? { readings: 1, dropped: 0, first: date, last: date } : { readings: 0, dropped: 1, first: null, last: null },
    )
  })

  test('an interval that begins on the day before the grant does not leave', () => {
    expect(stamps(curve(at(['2026-03-02 00:15:00', '2026-03-02 00:45:00']), MARCH_2))).toStrictEqual(['2026-03-02 00:45:00'])
    expect(stamps(curve(at(['2026-03-02 00:15:00']), days('2026-03-01', '2026-03-03')))).toStrictEqual(['2026-03-02 00:15:00'])
  })
})

describe('days when the clock changes', () => {
  test.each([
    ['spring', SPRING, 46],
    ['an ordinary day', MARCH_2, 48],
    ['autumn', AUTUMN, 50],
  ])('%s: every half-hour stays, in the order received', (_name, period, count) => {
    const dates = halfHours(period.from)
    expect(dates).toHaveLength(count)
    expect(stamps(curve(at(dates), period))).toStrictEqual(dates)
  })
})

describe('steps', () => {
  const mixed = [
    { value: '1', date: '2026-03-02 00:10:00', length: 'PT10M' },
    { value: '2', date: '2026-03-02 00:15:00', length: 'PT5M' },
    { value: '3', date: '2026-03-02 00:30:00', length: 'PT15M' },
    { value: '4', date: '2026-03-02 01:00:00', length: 'PT30M' },
    { value: '5', date: '2026-03-02 02:00:00', length: 'PT60M' },
  ]
  test.each([
    ['PT5M', ['1', '2', '3', '4', '5']],
    ['PT10M', ['1', '3', '4', '5']],
    ['PT15M', ['3', '4', '5']],
    ['PT30M', ['4', '5']],
    ['PT60M', ['5']],
  ] as const)('finest %s', (finest, expected) => {
    const read = curve(mixed, MARCH_2, { finest })
    expect(readings(read).map((r) => r['value'])).toStrictEqual(expected)
    expect(read.reader.counts.dropped).toBe(5 - expected.length)
    expect(read.reader.allTooFine).toBe(false)
  })

  test('all too fine is told, so that it can be refused as such', () => {
    const read = curve(mixed.slice(0, 3), MARCH_2, { finest: 'PT30M' })
    expect([read.text, read.why, read.reader.allTooFine]).toStrictEqual(['', undefined, true])
  })

  test('all outside the days is not too fine', () => {
    expect(curve(mixed, days('2026-03-01', '2026-03-02'), { finest: 'PT60M' }).reader.allTooFine).toBe(false)
  })

  test('a missing point is no fault', () => {
    const dates = halfHours('2026-03-02').slice(0, 47)
    expect(stamps(curve(at(dates), MARCH_2))).toStrictEqual(dates)
  })
})

describe('averages of whole groups', () => {
  const quarter = (minute: string, value: string, length = 'PT15M'): Point => ({ value, date: `2026-03-02 ${minute}:00`, length })
  const averaged = (points: readonly Point[], finest: Part['finest'] = 'PT30M'): Read => curve(points, MARCH_2, { averageUp: true, finest })

  test('two quarters make a half-hour, marked as computed', () => {
    expect(readings(averaged([quarter('00:15', '100'), quarter('00:30', '201')]))).toStrictEqual([
      { value: '151', date: '2026-03-02 00:30:00', interval_length: 'PT30M', measure_type: 'DERIVED' },
    ])
  })

  test('weighted by length', () => {
    const points = [quarter('00:10', '100', 'PT10M'), quarter('00:15', '400', 'PT5M'), quarter('00:30', '200')]
    expect(readings(averaged(points))[0]?.['value']).toBe('200') // (100×10 + 400×5 + 200×15) / 30
  })

  test('what is as coarse as granted stays as it is', () => {
    expect(readings(averaged([quarter('00:30', '7', 'PT30M')]))[0]).toStrictEqual({
      value: '7',
      date: '2026-03-02 00:30:00',
      interval_length: 'PT30M',
      measure_type: 'B',
    })
  })

  test.each([
    ['a first quarter missing', [quarter('00:30', '1'), quarter('00:45', '1')]],
    ['a second quarter missing', [quarter('00:15', '1'), quarter('00:45', '1')]],
    ['a quarter twice', [quarter('00:15', '1'), quarter('00:15', '1')]],
    ['two halves of two groups', [quarter('00:45', '1'), quarter('01:15', '1')]],
    ['a group overrun', [quarter('00:15', '1'), quarter('00:35', '1', 'PT10M'), quarter('00:45', '1', 'PT10M')]],
  ])('%s: nothing', (_name, points) => {
    expect(readings(averaged(points))).toStrictEqual([])
  })

  test.each([
    ['spring', SPRING, 23],
    ['autumn', AUTUMN, 25],
  ])('%s has all its hours', (_name, period, hours) => {
    const read = curve(at(halfHours(period.from)), period, { averageUp: true, finest: 'PT60M' })
    expect(readings(read)).toHaveLength(hours)
  })
})

describe('a day summed from the curve', () => {
  test.each([
    ['23 hours', SPRING, 30, '2300'],
    ['24 hours', MARCH_2, 30, '2400'],
    ['25 hours', AUTUMN, 30, '2500'],
    ['23 hours of 10 minutes', SPRING, 10, '2300'],
    ['25 hours of 10 minutes', AUTUMN, 10, '2500'],
    ['25 hours of 5 minutes', AUTUMN, 5, '2500'],
    ['25 whole hours', AUTUMN, 60, '2500'],
  ])('%s', (_name, period, minutes, value) => {
    const read = daily(at(halfHours(period.from, minutes), `PT${minutes}M`), period)
    expect(readings(read)).toStrictEqual([{ value, date: period.from, measure_type: 'DERIVED' }])
    expect(read.reader.counts).toStrictEqual({ readings: 1, dropped: 0, first: period.from, last: period.from })
  })

  test('is rounded to the watt-hour', () => {
    const points = at(halfHours('2026-03-02'), 'PT30M', '0')
    const one = (value: string): Point[] => points.map((p, i) => (i === 0 ? { ...p, value } : p))
    expect(readings(daily(one('1'), MARCH_2))[0]?.['value']).toBe('1') // 0.5 Wh
    expect(readings(daily(one('0.9'), MARCH_2))[0]?.['value']).toBe('0') // 0.45 Wh
  })

  test('mixes the steps in which the meter recorded', () => {
    const [first = '', ...rest] = halfHours('2026-03-02')
    const points = [
      ...at(['2026-03-02 00:10:00'], 'PT10M', '600'),
      ...at(['2026-03-02 00:15:00'], 'PT5M', '600'),
      ...at([first], 'PT15M', '600'),
    ]
    expect(readings(daily([...points, ...at(rest)], MARCH_2))[0]?.['value']).toBe('2650')
  })

  test('pairs the repeated hour of autumn by its order, also where equal stamps stand side by side', () => {
    const dates = halfHours('2026-10-25').toSorted()
    expect(dates.filter((d) => d === '2026-10-25 02:30:00')).toHaveLength(2)
    expect(readings(daily(at(dates), AUTUMN))[0]?.['value']).toBe('2500')
  })

  test('spring may write 02:00 for the end of the last hour of winter', () => {
    const dates = halfHours('2026-03-29').map((d) => (d === '2026-03-29 03:00:00' ? '2026-03-29 02:00:00' : d))
    expect(readings(daily(at(dates), SPRING))[0]?.['value']).toBe('2300')
  })

  const full = halfHours('2026-03-02')
  test.each([
    ['a gap', MARCH_2, at(full.filter((_d, i) => i !== 20))],
    ['the last half-hour missing', MARCH_2, at(full.slice(0, 47))],
    ['the first half-hour missing', MARCH_2, at(full.slice(1))],
    ['a stamp twice', MARCH_2, at([...full.slice(0, 20), full[19] ?? '', ...full.slice(20)])],
    ['an overlap', MARCH_2, at(full).map((p, i) => (i === 20 ? { ...p, length: 'PT60M' } : p))],
    ['an hour that does not exist', SPRING, at([...halfHours('2026-03-29'), '2026-03-29 02:30:00'])],
    ['48 stamps on the day of 50', AUTUMN, at([...new Set(halfHours('2026-10-25'))])],
    ['the day broken off and taken up again', MARCH_2, [...at(full.slice(0, 20)), ...at(['2026-03-03 00:30:00']), ...at(full.slice(20))]],
  ])('%s: no sum', (_name, period, points) => {
    expect(readings(daily(points, period.from === '2026-03-02' ? days('2026-03-02', '2026-03-04') : period))).toStrictEqual([])
  })

  test('a whole day stands beside one that is not', () => {
    const period = days('2026-03-02', '2026-03-04')
    const read = daily([...at(full), ...at(halfHours('2026-03-03').slice(1))], period)
    expect(readings(read)).toStrictEqual([{ value: '2400', date: '2026-03-02', measure_type: 'DERIVED' }])
  })

  test('2026 clients read how it was calculated', () => {
    const given = { series: 'daily_consumption', client: '2026', upstream: 'v5', parts: [aPart(MARCH_2, { how: 'derive' })] } as const
    expect(through(given, v5Curve(at(full))).text).toContain('"etapeMetier":"BRUT","modeCalcul":"INTEG.COURBE","pas":"P1D"')
    expect(through(given, v5Curve(at(full))).text).toContain('{"v":"2400","d":"2026-03-02","n":"DERIVED"}')
  })
})
