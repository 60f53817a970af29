/** Days that a request names, and the gas day. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { addDays, countDays, day, dayOfNumber, startOfDay } from '../../../src/domain/time.ts'
import { gasDayOf, intervalOf, startOfGasDay } from '../../../src/providers/grdf-adict/gas-day.ts'
import { askedDays, daysOf, writtenEnd } from '../../../src/providers/grdf-adict/periode.ts'

test.each([
  ['2025', '2025-01-01', '2026-01-01'],
  ['2024-02', '2024-02-01', '2024-03-01'],
  ['2025-12', '2025-12-01', '2026-01-01'],
  // ISO 8601: the first week is that of 4 January, 2026 has 53 of them, 2025 has 52.
  ['2026-W01', '2025-12-29', '2026-01-05'],
  ['2026-W53', '2026-12-28', '2027-01-04'],
  ['2021-W01', '2021-01-04', '2021-01-11'],
  ['1969-W01', '1968-12-30', '1969-01-06'],
  ['2025-001', '2025-01-01', '2025-01-02'],
  ['2024-366', '2024-12-31', '2025-01-01'],
])('%s is %s to %s', (periode, from, until) => {
  expect(daysOf(periode)).toStrictEqual({ from, until })
})

// prettier-ignore
const NO_DAYS = [
  '', '25', '2025-', '2025-13', '2025-00', '2025-000', '2025-366', '2025-W00', '2025-W53', '2025-W54', '2025-W1', '2025-1', 'PN-2025',
  'PN-2025-01', 'PN-2025-W01-1', '2025-01-01', ' 2025', '2025\n', '２０２５', '0000-01', '2025-w01',
]
test.each(NO_DAYS)('«%s» names no days', (periode) => {
  expect(daysOf(periode)).toBeUndefined()
})

test.each([
  [{}, 'period_missing'],
  [{ date_debut: '2026-01-01' }, 'period_missing'],
  [{ date_fin: '2026-01-01' }, 'period_missing'],
  [{ periode: '2025', date_debut: '2025-01-01', date_fin: '2025-02-01' }, 'period_twice'],
  [{ periode: '2025', date_fin: '2025-02-01' }, 'period_twice'],
  [{ periode: 'PN-2025' }, 'period_format'],
  [{ date_debut: '2026-02-30', date_fin: '2026-03-01' }, 'start_format'],
  [{ date_debut: '2026-02-01', date_fin: '1er mars' }, 'end_format'],
  [{ date_debut: '2026-02-01', date_fin: '2026-02-01' }, 'order'],
  [{ date_debut: '2026-02-02', date_fin: '2026-02-01' }, 'order'],
])('%o is refused: %s', (query, flaw) => {
  expect(askedDays(new Map(Object.entries(query)), 'excluded')).toBe(flaw)
})

test('the upper bound is the day after, or the last one where the settings say so; it is written as it was read', () => {
  const query = new Map([
    ['date_debut', '2026-01-01'],
    ['date_fin', '2026-01-31'],
  ])
  expect(askedDays(query, 'excluded')).toStrictEqual({ from: '2026-01-01', until: '2026-01-31' })
  expect(askedDays(query, 'included')).toStrictEqual({ from: '2026-01-01', until: '2026-02-01' })
  expect([writtenEnd(day('2026-02-01'), 'excluded'), writtenEnd(day('2026-02-01'), 'included')]).toStrictEqual(['2026-02-01', '2026-01-31'])
  query.set('date_fin', '2026-01-01')
  expect(askedDays(query, 'included')).toStrictEqual({ from: '2026-01-01', until: '2026-01-02' })
})

describe('the gas day', () => {
  test.each([
    // Winter and summer time, and the two days on which the clock changes.
    ['2026-01-15', '2026-01-15T05:00:00Z'],
    ['2026-07-15', '2026-07-15T04:00:00Z'],
    ['2026-03-29', '2026-03-29T04:00:00Z'],
    ['2026-10-25', '2026-10-25T05:00:00Z'],
  ])('%s begins at %s', (named, at) => {
    expect(new Date(startOfGasDay(day(named))).toISOString()).toBe(at.replace('Z', '.000Z'))
    expect(gasDayOf(Date.parse(at) as Millis)).toBe(named)
    expect(gasDayOf((Date.parse(at) - 1) as Millis)).toBe(addDays(day(named), -1))
  })

  test('property: each instant is in one of them, which follow each other without a gap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 0, max: 86_399_999 }), (n, ms) => {
        const d = dayOfNumber(n)
        const at = (startOfDay(d) + ms) as Millis
        const gas = gasDayOf(at)
        expect(startOfGasDay(gas)).toBeLessThanOrEqual(at)
        expect(startOfGasDay(addDays(gas, 1))).toBeGreaterThan(at)
      }),
    )
  })

  test.each([
    ['2026-01-01T06:00:00+01:00', '2026-02-01T06:00:00+01:00', '2026-01-01', '2026-02-01', false],
    ['2026-03-28T06:00:00+01:00', '2026-03-29T06:00:00+02:00', '2026-03-28', '2026-03-29', false],
    ['2026-10-24T06:00:00+02:00', '2026-10-25T06:00:00+01:00', '2026-10-24', '2026-10-25', false],
    // What begins before six belongs to the day before, what ends after it to the next one as well.
    ['2026-01-02T05:59:59+01:00', '2026-01-03T06:00:00+01:00', '2026-01-01', '2026-01-03', false],
    ['2026-01-02T06:00:00+01:00', '2026-01-03T06:00:01+01:00', '2026-01-02', '2026-01-04', false],
    ['2026-01-02T07:00:00+01:00', '2026-01-02T08:00:00+01:00', '2026-01-02', '2026-01-03', true],
    ['2026-01-02T05:00:00Z', '2026-01-03T05:00:00Z', '2026-01-02', '2026-01-03', false],
  ])('%s to %s touches %s to %s', (start, end, from, until, shorterThanADay) => {
    const interval = intervalOf(start, end)
    expect(interval).toStrictEqual({ days: { from, until }, shorterThanADay })
    expect(countDays(interval!.days)).toBeGreaterThan(0)
  })

  test.each([
    ['2026-01-02', '2026-01-03'],
    ['2026-01-02T06:00:00', '2026-01-03T06:00:00'],
    ['2026-01-03T06:00:00+01:00', '2026-01-02T06:00:00+01:00'],
    ['2026-01-02T06:00:00+01:00', '2026-01-02T06:00:00+01:00'],
    [null, '2026-01-02T06:00:00+01:00'],
    [1, 2],
  ])('%s to %s is no interval', (start, end) => {
    expect(intervalOf(start, end)).toBeUndefined()
  })
})
