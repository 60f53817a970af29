/** Days and moments: what is a day, how days add up, and where a day of Paris begins. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  addDays,
  addMonths,
  contains,
  countDays,
  day,
  dayNumber,
  dayOfIntervalEnd,
  dayOfNumber,
  hoursInDay,
  intersect,
  millis,
  parisDay,
  parseDay,
  parseInstant,
  parseStamp,
  period,
  rfc3339,
  split,
  startOfDay,
  startOfMonth,
  subtract,
  union,
  type Millis,
  type Period,
} from '../../../src/domain/time.ts'
import { at, days } from '../../given.ts'

test.each(['2024-02-29', '2000-02-29', '1900-01-01', '2999-12-31', '2026-04-30', '2026-12-31'])('%s is a day', (text) => {
  expect(parseDay(text)).toBe(text)
})

test.each([
  '2026-02-29',
  '1900-02-29',
  '2026-04-31',
  '2026-06-31',
  '2026-09-31',
  '2026-11-31',
  '2026-13-01',
  '2026-00-10',
  '2026-01-00',
  '2026-01-32',
  '1899-12-31',
  '3000-01-01',
  '2026-1-01',
  '2026-01-1',
  '2026/01/01',
  '2026-01/01',
  '2026-01-01 ',
  ' 2026-01-01',
  '2026-01-01T',
  '+026-01-01',
  '2026-01-0a',
  '2026-0:-01',
  '2026-01-/1',
  '٢٠٢٦-٠١-٠١',
  '20260101',
  '',
])('«%s» is none', (text) => {
  expect(parseDay(text)).toBeUndefined()
  expect(() => day(text)).toThrow(new RangeError('not a day in the form YYYY-MM-DD'))
})

test('a moment is whole milliseconds', () => {
  expect(millis(0)).toBe(0)
  for (const wrong of [Number.NaN, Infinity, 0.5, 2 ** 53])
    expect(() => millis(wrong)).toThrow(new RangeError('not a moment in whole milliseconds'))
})

test('days are numbered, and add up over the clock changes and the leap day', () => {
  expect(dayNumber(day('1970-01-01'))).toBe(0)
  expect(dayOfNumber(-1)).toBe('1969-12-31')
  expect(addDays(day('2024-02-28'), 2)).toBe('2024-03-01')
  expect(addDays(day('2026-10-25'), 1)).toBe('2026-10-26')
  expect(addDays(day('2026-01-01'), -1)).toBe('2025-12-31')
  expect(countDays(days('2026-03-01', '2026-04-01'))).toBe(31)
})

test('months are those of the calendar; the 31st of a shorter one is its last day', () => {
  expect(addMonths(day('2026-01-31'), 1)).toBe('2026-02-28')
  expect(addMonths(day('2024-01-31'), 1)).toBe('2024-02-29')
  expect(addMonths(day('2026-03-31'), -1)).toBe('2026-02-28')
  expect(addMonths(day('2026-11-25'), -36)).toBe('2023-11-25')
  expect(startOfMonth(day('2026-11-25'))).toBe('2026-11-01')
})

test('a period is never empty', () => {
  expect(period(day('2026-01-01'), day('2026-01-02'))).toStrictEqual(days('2026-01-01', '2026-01-02'))
  expect(period(day('2026-01-01'), day('2026-01-01'))).toBeUndefined()
  expect(period(day('2026-01-02'), day('2026-01-01'))).toBeUndefined()
})

test('neighbours share no day, and join', () => {
  const january = days('2026-01-01', '2026-02-01')
  const february = days('2026-02-01', '2026-03-01')
  expect(intersect(january, february)).toBeUndefined()
  expect(union([february, january])).toStrictEqual([days('2026-01-01', '2026-03-01')])
  expect(union([january, days('2026-02-02', '2026-03-01')])).toHaveLength(2)
  expect(union([january, days('2026-01-10', '2026-01-12')])).toStrictEqual([january])
  expect(contains(january, january)).toBe(true)
  expect(contains(january, days('2026-01-01', '2026-02-02'))).toBe(false)
  expect(contains(january, days('2025-12-31', '2026-02-01'))).toBe(false)
})

const anyPeriod: fc.Arbitrary<Period> = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 30 }))
  .map(([from, length]) => ({ from: dayOfNumber(20_000 + from), until: dayOfNumber(20_000 + from + length) }))
const daysOf = (list: readonly Period[]): Set<number> =>
  new Set(list.flatMap((p) => Array.from({ length: countDays(p) }, (_, i) => dayNumber(p.from) + i)))

test('union, subtract and split are those of the days', () => {
  fc.assert(
    fc.property(anyPeriod, fc.array(anyPeriod, { maxLength: 4 }), fc.integer({ min: 1, max: 9 }), (p, others, length) => {
      expect(daysOf(union(others))).toStrictEqual(new Set([...daysOf(others)].toSorted()))
      expect(daysOf(subtract(p, others))).toStrictEqual(daysOf([p]).difference(daysOf(others)))
      for (const [i, run] of union(others).entries()) if (i > 0) expect(union(others)[i - 1]!.until < run.from).toBe(true)
      const pieces = split(p, length)
      expect(union(pieces)).toStrictEqual([p])
      expect(pieces.reduce((sum, piece) => sum + countDays(piece), 0)).toBe(countDays(p))
      expect(pieces.slice(0, -1).every((piece) => countDays(piece) === length)).toBe(true)
    }),
  )
})

test.each([
  ['2026-11-24T22:59:59.999Z', '2026-11-24'],
  ['2026-11-24T23:00:00.000Z', '2026-11-25'],
  ['2026-07-01T21:59:59.999Z', '2026-07-01'],
  ['2026-07-01T22:00:00.000Z', '2026-07-02'],
  ['2026-10-24T22:00:00.000Z', '2026-10-25'],
  ['2026-10-25T22:59:59.999Z', '2026-10-25'],
  ['2026-10-25T23:00:00.000Z', '2026-10-26'],
  ['2026-03-28T23:00:00.000Z', '2026-03-29'],
  ['2026-03-29T21:59:59.999Z', '2026-03-29'],
  ['2026-03-29T22:00:00.000Z', '2026-03-30'],
])('at %s it is %s in Paris', (instant, expected) => {
  expect(parisDay(at(instant))).toBe(expected)
})

test('the memory of today never answers for another day', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2027-01-01') }), { minLength: 2 }), (moments) => {
      const plain = new Intl.DateTimeFormat('fr-CA', { timeZone: 'Europe/Paris' })
      for (const moment of moments) expect(parisDay(moment as Millis)).toBe(plain.format(moment))
    }),
  )
})

test('a day of Paris has 24 hours, or 23, or 25', () => {
  expect(rfc3339(startOfDay(day('2026-11-25')))).toBe('2026-11-24T23:00:00.000Z')
  expect(rfc3339(startOfDay(day('2026-07-01')))).toBe('2026-06-30T22:00:00.000Z')
  expect(['2026-03-28', '2026-03-29', '2026-10-25', '2026-10-26'].map((d) => hoursInDay(day(d)))).toStrictEqual([24, 23, 25, 24])
})

test.each([
  ['2026-11-25T09:00:00.000Z', '2026-11-25T09:00:00.000Z'],
  ['2026-11-25T09:00Z', '2026-11-25T09:00:00.000Z'],
  ['2026-11-25T10:00:00+01:00', '2026-11-25T09:00:00.000Z'],
  ['2026-11-25T09:00:00.5Z', '2026-11-25T09:00:00.500Z'],
])('%s is a moment', (text, expected) => {
  expect(rfc3339(parseInstant(text)!)).toBe(expected)
})

test.each([
  '2026-11-25',
  '2026-11-25T09:00:00',
  '2026-11-25 09:00:00Z',
  '2026-02-30T09:00:00Z',
  '2026-11-25T25:00:00Z',
  '2026-11-25T09:00:00.1234Z',
  '2026-11-25T09:00:00z',
  'now',
])('%s is none', (text) => {
  expect(parseInstant(text)).toBeUndefined()
})

test('a stamp of the data holder, and the day to which an interval that ends then belongs', () => {
  expect(parseStamp('2026-11-25 00:30:00')).toStrictEqual({ day: '2026-11-25', secondOfDay: 1800 })
  expect(parseStamp('2026-11-25T23:59:59')).toStrictEqual({ day: '2026-11-25', secondOfDay: 86_399 })
  for (const wrong of [
    '2026-11-25 24:00:00',
    '2026-11-25 23:60:00',
    '2026-11-25 23:59:60',
    '2026-11-25 23:59',
    '2026-11-25 23.59.00',
    '2026-11-25_23:59:00',
    '2026-02-30 00:00:00',
    '2026-11-25 2a:00:00',
  ])
    expect(parseStamp(wrong)).toBeUndefined()
  expect(dayOfIntervalEnd(parseStamp('2026-11-25 00:00:00')!)).toBe('2026-11-24')
  expect(dayOfIntervalEnd(parseStamp('2026-11-25 00:00:01')!)).toBe('2026-11-25')
})
