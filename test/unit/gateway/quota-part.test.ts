/** One gate's part: all parts together never pass the whole, and calls age for a part no sooner than for the whole. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { partOf, partOfCalls } from '../../../src/gateway/quota-part.ts'

test.each([
  [{ perSecond: 5, most: 1000, windowMs: 3_600_000 }, 2, { perSecond: 2, most: 500, windowMs: 3_600_000 }],
  [{ perSecond: 5, most: 1000, windowMs: 3_600_000 }, 1, { perSecond: 5, most: 1000, windowMs: 3_600_000 }],
  [{ perSecond: 1, most: 6000, windowMs: 86_400_000 }, 4, { perSecond: 1, most: 1500, windowMs: 86_400_000, secondMs: 4200 }],
  [{ perSecond: 2, most: 5, windowMs: 3_600_000 }, 3, { perSecond: 1, most: 1, windowMs: 3_600_000, secondMs: 1575 }],
  [{ perSecond: 3, most: 2, windowMs: 3_600_000 }, 3, { perSecond: 1, most: 0, windowMs: 3_600_000 }],
])('of %j for %i gates', (limits, gates, part) => {
  expect(partOf(limits, gates)).toStrictEqual(part)
})

test('parts of the calls made are never less than the calls, however old', () => {
  const ages = fc.array(fc.nat(3_600_000), { maxLength: 200 })
  fc.assert(
    fc.property(ages, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 20 }), fc.nat(30), (all, gates, samples, open) => {
      const oldest = all.toSorted((a, b) => b - a)
      const steps =
        oldest.length === 0
          ? []
          : Array.from({ length: samples }, (_, i) => oldest[Math.ceil(((i + 1) * oldest.length) / samples) - 1] ?? 0)
      const part = partOfCalls({ calls: oldest.length, open, ages: steps }, gates, 0)
      for (const window of [0, 1000, 600_000, 1_800_000, 3_600_000]) {
        const whole = oldest.filter((age) => age <= window).length + open
        expect(part.filter((at) => -at <= window).length * gates).toBeGreaterThanOrEqual(whole)
      }
      expect(part.length).toBeLessThan(oldest.length / gates + open / gates + 2)
    }),
  )
})
