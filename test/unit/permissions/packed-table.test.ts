/** The table against a Map; its bound; and what is left in memory of what was deleted. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { packedTable } from '../../../src/permissions/packed-table.ts'

const text = (value: string | undefined): Uint8Array | undefined => (value === undefined ? undefined : Buffer.from(value))
const plain = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

test('does as a Map does, while there is room', () => {
  const key = fc.oneof(fc.nat(40).map(String), fc.string({ maxLength: 300 }))
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, value: fc.oneof(fc.string(), fc.string({ minLength: 500, maxLength: 2000 })) }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('clear' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const table = packedTable(8 << 20)
      const model = new Map<string, string>()
      for (const each of steps) {
        if (each.do === 'clear') {
          table.clear()
          model.clear()
        } else if (each.do === 'delete' || Buffer.byteLength(each.key) > 255) {
          table.delete(Buffer.from(each.key))
          model.delete(each.key)
        } else {
          table.set(Buffer.from(each.key), Buffer.from(each.value))
          model.set(each.key, each.value)
        }
      }
      for (const each of steps) if ('key' in each) expect(plain(table.get(Buffer.from(each.key)))).toBe(model.get(each.key))
    }),
    { numRuns: 100, endOnFailure: true },
  )
})

test('with little room it forgets, and never gives what is not the latest, or was deleted', () => {
  const key = fc.nat(30).map(String)
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('set' as const),
        key,
        value: fc.string({ unit: 'grapheme-ascii', minLength: 20, maxLength: 300 }),
      }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('get' as const), key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), key }) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 400, size: 'max' }), (steps) => {
      const table = packedTable(4000)
      const model = new Map<string, string>()
      let found = 0
      for (const each of steps) {
        const bytes = Buffer.from(each.key)
        if (each.do === 'set') {
          table.set(bytes, Buffer.from(each.value))
          model.set(each.key, each.value)
          expect(plain(table.get(bytes))).toBe(each.value)
        } else if (each.do === 'delete') {
          table.delete(bytes)
          model.delete(each.key)
        } else if (each.do === 'clear') {
          table.clear()
          model.clear()
        }
        const value = plain(table.get(bytes))
        if (value !== undefined) expect(value).toBe(model.get(each.key))
        found += value === undefined ? 0 : 1
      }
      for (const gone of Array.from({ length: 31 }, (_, i) => String(i)).filter((each) => !model.has(each)))
        expect(table.get(Buffer.from(gone))).toBeUndefined()
      expect(found).toBeGreaterThan(0)
    }),
    // Hundreds of steps are not made fewer in any time that somebody waits for.
    { numRuns: 200, endOnFailure: true },
  )
})

test('a hundred thousand of them are all found, through many growths, and none that was not put', () => {
  const table = packedTable(64 << 20)
  for (let n = 0; n < 100_000; n += 1) table.set(Buffer.from(`k${n}`), Buffer.from(`v${n}`))
  let wrong = 0
  for (let n = 0; n < 100_000; n += 1) if (plain(table.get(Buffer.from(`k${n}`))) !== `v${n}`) wrong += 1
  for (let n = 0; n < 1000; n += 1) if (table.get(Buffer.from(`other${n}`)) !== undefined) wrong += 1
  expect(wrong).toBe(0)
})

test('holds no more than its bytes; what is used stays, and of the rest the latest half', () => {
  const table = packedTable(100_000)
  const size = 3 + 6 + 91
  const key = (n: number): Buffer => Buffer.from(`k${String(n).padStart(5, '0')}`)
  const value = Buffer.alloc(91, 7)
  for (let n = 0; n < 20_000; n += 1) {
    table.set(key(n), value)
    expect(table.get(key(3))?.byteLength, `after ${n}`).toBe(n < 3 ? undefined : 91)
  }
  const left = Array.from({ length: 20_000 }, (_, n) => n).filter((n) => table.get(key(n)) !== undefined)
  expect(left.length * size).toBeLessThanOrEqual(100_000)
  expect(left.length * size).toBeGreaterThan(45_000)
  expect(left.filter((n) => n !== 3).every((n) => n > 18_900)).toBe(true)
})

test('an entry larger than half of it, or longer than its lengths can say, is not kept, nor what was there before', () => {
  const table = packedTable(200_000)
  const key = Buffer.from('k')
  for (const long of [Buffer.alloc(65_536), Buffer.alloc(60_000)]) {
    table.set(key, Buffer.from('short'))
    table.set(key, long)
    expect(table.get(key)?.byteLength).toBe(long.byteLength === 60_000 ? 60_000 : undefined)
  }
  table.set(Buffer.alloc(256), Buffer.from('v'))
  expect(table.get(Buffer.alloc(256))).toBeUndefined()
  const none = packedTable(0)
  none.set(key, Buffer.from('v'))
  expect(none.get(key)).toBeUndefined()
})

test('of what was deleted or written again nothing is left in memory', () => {
  const table = packedTable(1 << 20)
  table.set(Buffer.from('meter one'), text('first') ?? Buffer.alloc(0))
  const memory = Buffer.from(table.get(Buffer.from('meter one'))?.buffer ?? new ArrayBuffer(0))
  expect(memory.includes('first')).toBe(true)
  table.set(Buffer.from('meter one'), Buffer.from('second'))
  expect(memory.includes('first')).toBe(false)
  expect(memory.includes('second')).toBe(true)
  table.delete(Buffer.from('meter one'))
  expect(memory.includes('second')).toBe(false)
  expect(memory.includes('meter one')).toBe(false)
})
