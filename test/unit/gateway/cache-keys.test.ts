/**
 * Copies of what the registry says are found by everything that they depend on: no two requests that differ in token,
 * client or meter ever share one, however the identifiers are written.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { ClientId } from '../../../src/domain/permission.ts'
import { lookups } from '../../../src/permissions/cache.ts'
import type { Lookups } from '../../../src/permissions/cache.ts'
import type { Views } from '../../../src/permissions/registry.ts'
import type { Identity } from '../../../src/permissions/tokens.ts'

/** A registry that answers with what it was asked for. */
function echoing(most = 1000, packedViewBytes = 0): { readonly cache: Lookups; readonly asked: () => number } {
  let asked = 0
  const cache = lookups(
    {
      identify(hash) {
        asked += 1
        return Promise.resolve({ client: hash.toString('hex'), credential: 'c' } as unknown as Identity)
      },
      views(client, meter) {
        asked += 1
        return Promise.resolve({ generation: 1, permissions: [], told: [client, meter] } as unknown as Views)
      },
    },
    undefined,
    { tokens: most, recentViews: most, packedViewBytes },
    () => undefined,
  )
  return { cache, asked: () => asked }
}
const views = async (cache: Lookups, client: string, meter: string): Promise<unknown> =>
  (await cache.views(client as ClientId, meter as MeterId, false)) as unknown

// Identifiers as the settings and `parseMeter` allow them, and beyond: whatever might be put between two parts of a key.
const part = fc.string({ unit: fc.constantFrom('a', 'b', '1', ':', '\n', '\0', '|', '/', ',', ' ', '.'), minLength: 1, maxLength: 6 })

test('two requests that differ in client or meter have two copies', async () => {
  // A client is never written with a line end, which stands between the two.
  const client = part.filter((text) => !text.includes('\n'))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(client, part), { minLength: 2, maxLength: 10 }), async (pairs) => {
      const { cache } = echoing()
      for (const [c, m] of pairs) expect(await views(cache, c, m)).toMatchObject({ told: [c, m] })
      for (const [c, m] of pairs) expect(await views(cache, c, m)).toMatchObject({ told: [c, m] })
    }),
    { numRuns: 500 },
  )
})

test('two tokens have two copies, and the same token has one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.string({ maxLength: 8 }), { minLength: 2, maxLength: 10 }), async (tokens) => {
      const { cache, asked } = echoing()
      const hashes = tokens.map((token) => createHash('sha256').update(token).digest())
      for (let turn = 0; turn < 2; turn += 1)
        for (const hash of hashes) expect(await cache.identify(hash, false)).toMatchObject({ client: hash.toString('hex') })
      expect(asked()).toBe(tokens.length)
    }),
    { numRuns: 200 },
  )
})

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s finds nothing that nobody put there', async (name) => {
  const { cache, asked } = echoing()
  expect(await views(cache, name, name)).toMatchObject({ told: [name, name] })
  expect(asked()).toBe(1)
})

test('keys that an attacker chooses push out the oldest and never grow the table', async () => {
  const { cache, asked } = echoing(10)
  for (let i = 0; i < 1000; i += 1) await views(cache, 'a', `prm:${i}`)
  await views(cache, 'a', 'prm:999')
  expect(asked()).toBe(1000)
  await views(cache, 'a', 'prm:0')
  expect(asked()).toBe(1001)
})
