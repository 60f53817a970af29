/** How often something may be tried. */
import { expect, test } from 'vitest'
import { begunOf, rateOf } from '../../../src/portal/limits.ts'

test('counts each key apart, from its first try, for its window', () => {
  let now = 1000
  const rate = rateOf(2, 100, () => now)
  expect([rate.exceeded('a'), rate.spent('a'), rate.exceeded('a'), rate.spent('a'), rate.exceeded('a')]).toStrictEqual([
    false,
    false,
    false,
    true,
    true,
  ])
  expect([rate.spent('b'), rate.exceeded('b')], 'another key').toStrictEqual([false, false])
  now += 99
  expect(rate.exceeded('a')).toBe(true)
  now += 1
  expect([rate.spent('a'), rate.exceeded('a')], 'a new window').toStrictEqual([false, false])
  now = 0
  expect(rate.spent('a'), 'a clock that was set back').toBe(false)
})

test('a table that is filled with made-up keys is emptied, not grown', () => {
  const rate = rateOf(1, 1000, () => 0)
  rate.exceeded('mine')
  expect(rate.spent('mine')).toBe(true)
  for (let i = 0; i < 20_000; i += 1) rate.exceeded(`made up ${i}`)
  expect(rate.spent('mine')).toBe(false)
})

test('what costs a row is bounded for one place, and for all places together', () => {
  let now = 0
  const begun = begunOf(() => now)
  for (let i = 0; i < 300; i += 1) expect(begun.exceeded('mine')).toBe(false)
  expect(begun.exceeded('mine')).toBe(true)
  for (let i = 300; i < 20_000; i += 1) expect(begun.exceeded(`made up ${i}`)).toBe(false)
  expect(begun.exceeded('yours')).toBe(true)
  now = 600_000
  expect(begun.exceeded('yours')).toBe(false)
})
