/** Arithmetic on days is done in whole numbers; the calendar that it must agree with is the platform's. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addDays, addMonths, dayNumber, dayOfNumber, parseDay, parseInstant, parseStamp } from '../../../src/domain/time.ts'
import type { Day } from '../../../src/domain/time.ts'

const MS_PER_DAY = 86_400_000
const FIRST = Date.UTC(1900, 0, 1) / MS_PER_DAY
const END = Date.UTC(3000, 0, 1) / MS_PER_DAY
const aDay = fc.integer({ min: FIRST, max: END - 1 }).map(dayOfNumber)

test('every day from 1900 to 2999 has the number that it has in UTC, and is read', () => {
  const wrong: unknown[] = []
  for (let n = FIRST; n < END; n += 1) {
    const day = new Date(n * MS_PER_DAY).toISOString().slice(0, 10)
    if (dayOfNumber(n) !== day || dayNumber(day as Day) !== n || parseDay(day) !== day) wrong.push([n, day, dayOfNumber(n)])
  }
  expect(wrong.slice(0, 5)).toStrictEqual([])
})

test('days and months are added as Temporal adds them', () => {
  fc.assert(
    fc.property(aDay, fc.integer({ min: -500, max: 500 }), (day, n) => {
      const plain = Temporal.PlainDate.from(day)
      expect(addDays(day, n)).toBe(plain.add({ days: n }).toString())
      expect(addMonths(day, n)).toBe(plain.add({ months: n }).toString())
    }),
    { numRuns: 2000 },
  )
})

test.each([
  '2026-02-29',
  '2100-02-29',
  '2026-04-31',
  '2026-13-01',
  '2026-00-10',
  '2026-01-00',
  '1899-12-31',
  '3000-01-01',
  '2026-1-011',
  '2026/01/01',
  '2026-0a-01',
  '２026-01-01',
  ' 026-01-01',
  '2026-01-1 ',
  '+026-01-01',
  '',
])('%j is no day', (text) => {
  expect(parseDay(text)).toBeUndefined()
})

test.each(['24:00:00', '23:60:00', '23:59:60', '2a:00:00', '23-00:00', '23:00-00', '1 :00:00'])('%s is no time of a day', (time) => {
  expect(parseStamp(`2026-03-02 ${time}`)).toBeUndefined()
})

test('a stamp is its day and second, with a blank or a T', () => {
  expect(parseStamp('2024-02-29 23:59:59')).toStrictEqual({ day: '2024-02-29', secondOfDay: 86_399 })
  expect(parseStamp('2024-02-29T00:00:00')).toStrictEqual({ day: '2024-02-29', secondOfDay: 0 })
})

test.each([
  '2026-01-01T24:00:00Z',
  '2026-01-01T24:00Z',
  '2026-01-01T00:60Z',
  '2026-02-30T00:00Z',
  '2026-01-01T00:00+24:00',
  '2026-01-01T00:00',
])('%s is no instant', (text) => {
  expect(parseInstant(text)).toBeUndefined()
})
