import { expect, test } from 'vitest'
import { slotsOf } from '../../../src/gateway/slots.ts'

const never = new AbortController().signal

test('a place is given in the order of asking, and goes from hand to hand', async () => {
  const slots = slotsOf(1)
  const order: string[] = []
  expect(await slots.take(never)).toBe(true)
  const second = slots.take(never).then(() => order.push('second'))
  const third = slots.take(never).then(() => order.push('third'))
  slots.free()
  await second
  slots.free()
  await third
  slots.free()
  expect(order).toStrictEqual(['second', 'third'])
  expect(await slots.take(never)).toBe(true)
})

test('who leaves while waiting takes no place', async () => {
  const slots = slotsOf(1)
  await slots.take(never)
  const leaving = new AbortController()
  const gone = slots.take(leaving.signal)
  const next = slots.take(never)
  leaving.abort()
  expect(await gone).toBe(false)
  slots.free()
  expect(await next).toBe(true)
})

test('who has left already takes none', async () => {
  const slots = slotsOf(1)
  expect(await slots.take(AbortSignal.abort())).toBe(false)
  expect(await slots.take(never)).toBe(true)
})
