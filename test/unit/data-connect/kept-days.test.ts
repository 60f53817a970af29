/** Days of a measure that are kept and given again: the same bytes as the data holder's answer made, and nothing that it did not grant. */
import { expect, test } from 'vitest'
import type { Json } from '../../../src/domain/canonical.ts'
import type { Part } from '../../../src/domain/decision.ts'
import type { Period } from '../../../src/domain/time.ts'
import type { Dialect } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { aPart, days, halfHours, open, readPart, v5Curve } from './given.ts'

const curveOf = (stamps: readonly string[], period: Period, changes: Readonly<Record<string, unknown>> = {}, length = 'PT30M'): string =>
  v5Curve(
    stamps.map((date, i) => ({ value: String(100 + i), date, length })),
    { start: period.from, end: period.until, ...changes },
  )
const givenBy = (client: Dialect, part: Part) => open({ series: 'consumption_curve', client, upstream: 'v5', parts: [part] })

/** Reads a body, keeping; gives the text that the client got, and the days. */
function read(
  part: Part,
  body: string,
  client: Dialect = 'v5',
): { readonly text: string; readonly kept: ReadonlyMap<string, Json> | undefined } {
  const answer = givenBy(client, part)
  const { text, why, reader } = readPart(answer.part(0, true), body)
  expect(why).toBeUndefined()
  return { text: text + answer.close().join(''), kept: reader.days?.() }
}
function again(part: Part, kept: readonly Json[], client: Dialect = 'v5'): string {
  const answer = givenBy(client, part)
  expect(answer.joins?.(kept)).toBe(true)
  const fed = answer.part(0).recall?.(kept)
  if (!fed?.ok) throw new Error('what was kept cannot be given again')
  return fed.out.join('') + answer.close().join('')
}

test.each([
  ['an ordinary day', '2026-03-02', 48],
  ['the day of 23 hours', '2026-03-29', 46],
  ['the day of 25 hours, whose stamps come twice', '2026-10-25', 50],
])('%s is given again as it was read, in either dialect', (_what, on, count) => {
  const until = Temporal.PlainDate.from(on).add({ days: 1 }).toString()
  const part = aPart(days(on, until))
  const stamps = halfHours(on)
  expect(stamps).toHaveLength(count)
  for (const client of ['v5', '2026'] as const) {
    const { text, kept } = read(part, curveOf(stamps, days(on, until)), client)
    expect([...(kept?.keys() ?? [])]).toStrictEqual([on])
    expect(again(part, [...(kept?.values() ?? [])], client)).toBe(text)
  }
})

test('of a week, some days are given again as the data holder would give them', () => {
  const week = days('2026-03-02', '2026-03-09')
  const stamps = ['02', '03', '04', '05', '06', '07', '08'].flatMap((d) => halfHours(`2026-03-${d}`))
  const { kept } = read(aPart(week), curveOf(stamps, week))
  const two = days('2026-03-04', '2026-03-06')
  const asked = read(aPart(two), curveOf(stamps, week))
  expect(
    again(
      aPart(two),
      ['2026-03-04', '2026-03-05'].map((on) => kept?.get(on) ?? null),
    ),
  ).toBe(asked.text)
})

test('what is finer than granted is not kept, and a day without a reading is none', () => {
  const period = days('2026-03-02', '2026-03-04')
  const fine = read(aPart(period, { finest: 'PT60M' }), curveOf([...halfHours('2026-03-02', 60)], period, {}, 'PT60M'))
  expect([...(fine.kept?.keys() ?? [])]).toStrictEqual(['2026-03-02'])
  const mixed = JSON.parse(curveOf(halfHours('2026-03-03', 60), period, {}, 'PT60M')) as { meter_reading: { interval_reading: object[] } }
  mixed.meter_reading.interval_reading.unshift({ value: '1', date: '2026-03-02 00:30:00', interval_length: 'PT30M', measure_type: 'B' })
  const { kept } = read(aPart(period, { finest: 'PT60M' }), JSON.stringify(mixed))
  expect([...(kept?.keys() ?? [])]).toStrictEqual(['2026-03-03'])
  expect(JSON.stringify([...(kept?.values() ?? [])])).not.toContain('00:30:00')
})

test('an answer with a reading that reaches over midnight cannot be told apart by days', () => {
  const period = days('2026-03-02', '2026-03-04')
  const stamps = [...halfHours('2026-03-02', 60).slice(0, 23), '2026-03-03 00:30:00']
  expect(read(aPart(period), curveOf(stamps, period, {}, 'PT60M')).kept).toBeUndefined()
})

test('what is computed here has no series, and nobody who keeps nothing is asked for days', () => {
  const period = days('2026-03-02', '2026-03-03')
  expect(givenBy('v5', aPart(period)).series?.(0)).toBe('v5/consumption_curve/PT30M')
  expect(givenBy('v5', aPart(period, { averageUp: true })).series?.(0)).toBeUndefined()
  expect(givenBy('v5', aPart(period, { how: 'derive' })).series?.(0)).toBeUndefined()
  const { reader } = readPart(givenBy('v5', aPart(period)).part(0), curveOf(halfHours('2026-03-02'), period))
  expect(reader.days?.()).toBeUndefined()
})

test.each<[string, Json]>([
  ['of another quality', { quality: 'CORR', points: [] }],
  ['of another mode', { quality: 'BRUT', mode: 'X', points: [] }],
  ['of a form of before', { quality: 'BRUT', points: [{ value: 1 }] }],
  ['of none', 'x'],
])('a day %s joins no other', (_what, other) => {
  const answer = givenBy('v5', aPart(days('2026-03-02', '2026-03-03')))
  const day: Json = { quality: 'BRUT', points: [{ value: '1', date: `2026-03-02 00:30:00`, length: 'PT30M' }] }
  expect(answer.joins?.([day, day])).toBe(true)
  expect(answer.joins?.([day, other])).toBe(false)
})
