/** Durations as Enedis is asked for them, the end of what is given, and the boxes of a client. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ClientId, PurposeCode } from '../../../../src/domain/permission.ts'
import { day, startOfDay } from '../../../../src/domain/time.ts'
import { endOf, linesOf, shorter } from '../../../../src/portal/journey/journey.ts'
import type { ClientSettings } from '../../../../src/settings/shape.ts'
import { TODAY } from './given.ts'

describe('the end of a duration', () => {
  test.each([
    ['P1Y', '2027-11-25'],
    ['P36M', '2029-11-25'],
    ['P1Y4M', '2028-03-25'],
    ['P2W', '2026-12-09'],
    ['P1095D', '2029-11-24'],
    ['P1D', '2026-11-26'],
  ])('%s', (duration, end) => {
    expect(endOf(TODAY, duration)).toBe(startOfDay(day(end)))
  })
  test('of a month that is shorter is its last day', () => {
    expect(endOf(day('2027-01-31'), 'P1M')).toBe(startOfDay(day('2027-02-28')))
  })
  test.each(['', 'P', 'P0D', 'PT1H', 'P1Y1H', '1Y', 'P-1Y', 'P1.5Y', 'p1y', 'P1D1M', 'P00000D', 'P1Y\n'])('%j is none', (text) => {
    expect(() => endOf(TODAY, text)).toThrow('not a duration in years, months, weeks or days')
    expect(shorter('P1Y', text, TODAY)).toBeUndefined()
  })
})

test.each([
  ['P1Y', undefined, 'P1Y'],
  ['P1Y', 'P6M', 'P6M'],
  ['P1Y', 'P3Y', 'P1Y'],
  ['P1Y', 'P12M', 'P1Y'],
  ['P90D', 'P3M', 'P90D'],
])('allowed %s, wanted %s: %s', (allowed, wanted, expected) => {
  expect(shorter(allowed, wanted, TODAY)).toBe(expected)
})

test('property: never longer than what the settings allow, whatever is wanted', () => {
  const number = fc.option(fc.nat(9999), { nil: undefined })
  const part = (n: number | undefined, unit: string): string => (n === undefined ? '' : `${n}${unit}`)
  fc.assert(
    fc.property(number, number, number, number, (y, m, w, d) => {
      const wanted = `P${part(y, 'Y')}${part(m, 'M')}${part(w, 'W')}${part(d, 'D')}`
      const taken = shorter('P1Y', wanted, TODAY)
      if (taken !== undefined) expect(endOf(TODAY, taken)).toBeLessThanOrEqual(endOf(TODAY, 'P1Y'))
    }),
  )
})

test('the boxes of a client: its own, those for another client of the body, none for one that is gone', () => {
  const ask = {
    kind: 'daily_energy',
    direction: 'withdrawal',
    finest: 'P1D',
    historyDays: 0,
    recurrence: 'on_demand',
    why: { fr: 'a', en: 'b' },
  } as const
  const client = (id: string, purpose: string, more: object = {}): ClientSettings =>
    ({ id: id as ClientId, name: id, purpose: purpose as PurposeCode, disabled: false, ...more }) as ClientSettings
  const lines = [ask, { ...ask, for: 'office' as ClientId }, { ...ask, for: 'gone' as ClientId }, { ...ask, for: 'off' as ClientId }]
  const viriya = client('viriya', 'self_view', { ask: { lines } })
  const clients = new Map([viriya, client('office', 'solar_sizing'), client('off', 'advice', { disabled: true })].map((c) => [c.id, c]))
  expect(linesOf(viriya, clients).map((l) => [l.id, l.client, l.purpose])).toStrictEqual([
    ['l1', 'viriya', 'self_view'],
    ['l2', 'office', 'solar_sizing'],
  ])
  expect(linesOf(client('office', 'x'), clients)).toStrictEqual([])
})
