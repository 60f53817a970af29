/** Moments against a plain list. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { moments } from '../../../src/gateway/moments.ts'

test('does as a list does of which the oldest are taken off', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ add: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ forget: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const kept = moments()
      let model: number[] = []
      let now = 0
      for (const each of steps) {
        if (each === 'clear') {
          kept.clear()
          model = []
        } else if ('add' in each) {
          now += each.add
          kept.add(now)
          model.push(now)
        } else {
          const until = now - each.forget
          kept.forget(until)
          model = model.filter((moment) => moment > until)
        }
        expect(kept.count).toBe(model.length)
        expect(Array.from({ length: model.length + 1 }, (_, i) => kept.at(i))).toStrictEqual([...model, undefined])
      }
    }),
  )
})
