/** The clock: its own time as long as it runs evenly, and the time without the jump until an operator confirms it. */
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/runtime/clock.ts'

const HOUR = 3_600_000
const TOLERANCE = 600_000

function stepped(): { clock: ReturnType<typeof systemClock>; pass(ms: number): void; step(ms: number): void } {
  let wall = Date.UTC(2030, 2, 1)
  let steady = 5000
  const clock = systemClock(
    () => wall,
    () => steady,
  )
  return {
    clock,
    pass(ms) {
      wall += ms
      steady += ms
    },
    step(ms) {
      wall += ms
    },
  }
}

test.each([0, TOLERANCE, -TOLERANCE])('a step of %d ms is no jump: the wall clock counts', (by) => {
  const { clock, pass, step } = stepped()
  pass(HOUR)
  const before = clock.now()
  step(by)
  expect(clock.jumped()).toBe(0)
  expect(clock.now()).toBe(before + by)
})

test.each([TOLERANCE + 1, -TOLERANCE - 1, 24 * HOUR])('a step of %d ms is one: time goes on as if it had not been', (by) => {
  const { clock, pass, step } = stepped()
  const before = clock.now()
  step(by)
  expect(clock.jumped()).toBe(by)
  pass(1000)
  expect(clock.jumped()).toBe(by)
  expect(clock.now()).toBe(before + 1000)
  clock.confirm()
  expect(clock.jumped()).toBe(0)
  expect(clock.now()).toBe(before + 1000 + by)
})

test('a clock that is set right again needs nobody', () => {
  const { clock, pass, step } = stepped()
  const before = clock.now()
  step(HOUR)
  pass(10)
  step(-HOUR)
  expect(clock.jumped()).toBe(0)
  expect(clock.now()).toBe(before + 10)
})
