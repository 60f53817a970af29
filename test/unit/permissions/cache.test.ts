/** The local copies: bounded, never of what nobody would confirm, and under keys that never meet. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { ClientId, PurposeCode } from '../../../src/domain/permission.ts'
import type { Millis } from '../../../src/domain/time.ts'
import type { Lookups } from '../../../src/permissions/cache.ts'
import { lookups } from '../../../src/permissions/cache.ts'
import type { Views } from '../../../src/permissions/registry.ts'
import type { Identity } from '../../../src/permissions/tokens.ts'
import { aLine, aPermission, CLIENT, METER } from '../../given.ts'

const identity: Identity = {
  client: CLIENT,
  purpose: 'self_view' as PurposeCode,
  set: 'all',
  expiresAt: 2e12 as Millis,
  disabled: false,
  credential: 'c',
}

/** Copies over a registry that answers what the test says, and counts what it was asked. */
function over(
  views: (client: string, meter: string) => Views,
  identify: () => Identity | undefined = () => identity,
  sizes = { tokens: 10, recentViews: 10, packedViewBytes: 1 << 20 },
) {
  const asked: string[] = []
  const copies = lookups(
    {
      identify: () => {
        asked.push('token')
        return Promise.resolve(identify())
      },
      views: (client, meter) => {
        asked.push(`${client} ${meter}`)
        return Promise.resolve(views(client, meter))
      },
    },
    undefined,
    sizes,
    () => undefined,
  )
  return { copies, asked }
}

test('two requests that differ in client or meter never share a copy, whatever the ids', async () => {
  const part = fc.oneof(fc.string(), fc.constantFrom('a', 'a\nb', '1:a', 'b', '\n', '2:a\n'))
  await fc.assert(
    fc.asyncProperty(part, part, part, part, async (client1, meter1, client2, meter2) => {
      const { copies } = over((client, meter) => ({
        generation: client.length * 1000 + meter.length,
        permissions: [aPermission({ head: `${client} of ${meter}` })],
      }))
      const see = async (client: string, meter: string) =>
        (await copies.views(client as ClientId, meter as MeterId, false)).permissions[0]?.head
      expect(await see(client1, meter1)).toBe(`${client1} of ${meter1}`)
      expect(await see(client2, meter2)).toBe(`${client2} of ${meter2}`)
    }),
    // The separator inside an id.
    { examples: [['a\nb', 'c', 'a', 'b\nc']] },
  )
})

test('is asked of the registry once, until it is dropped, flushed or asked for afresh', async () => {
  const { copies, asked } = over(() => ({ generation: 1, permissions: [] }))
  const see = (fresh = false) => copies.views(CLIENT, METER, fresh)
  await see()
  await see()
  expect(asked).toHaveLength(1)
  const others = [
    () => copies.dropViews(CLIENT, METER),
    () => copies.flush(),
    () => copies.hear({ is: 'views', client: CLIENT, meter: METER }),
    () => copies.hear({ is: 'all' }),
  ]
  for (const [i, forget] of others.entries()) {
    forget()
    await see()
    await see()
    expect(asked).toHaveLength(2 + i)
  }
  copies.hear({ is: 'views', client: CLIENT, meter: 'prm:10000000000009' as MeterId })
  await see()
  expect(asked, 'another meter').toHaveLength(5)
  await see(true)
  expect(asked).toHaveLength(6)
})

test('what recurrence counts is asked each time, for deliveries change without an act', async () => {
  const permission = aPermission({ scope: { lines: [aLine(), aLine({ recurrence: 'P1D' })] } })
  const { copies, asked } = over(() => ({ generation: 1, permissions: [permission] }))
  for (const _turn of [1, 2]) await copies.views(CLIENT, METER, false)
  expect(asked).toHaveLength(2)
})

test('that a token is unknown, or its client disabled, is asked each time', async () => {
  for (const answer of [undefined, { ...identity, disabled: true }]) {
    const { copies, asked } = over(
      () => ({ generation: 0, permissions: [] }),
      () => answer,
    )
    for (const _turn of [1, 2]) expect(await copies.identify(Buffer.from('h'), false)).toStrictEqual(answer)
    expect(asked).toHaveLength(2)
  }
})

test('keys that somebody chooses cannot grow it: the one used longest ago goes', async () => {
  const { copies, asked } = over(() => ({ generation: 1, permissions: [] }), undefined, { tokens: 3, recentViews: 3, packedViewBytes: 0 })
  const see = (n: number) => copies.views(CLIENT, `prm:${n}` as MeterId, false)
  for (const n of [1, 2, 3, 1, 4]) await see(n)
  asked.length = 0
  for (const n of [1, 3, 4]) await see(n)
  expect(asked, 'still there').toStrictEqual([])
  await see(2)
  expect(asked).toHaveLength(1)
})

test('what was asked before an act is not kept after it', async () => {
  const acts = [
    (copies: Lookups) => copies.dropViews(CLIENT, METER),
    (copies: Lookups) => copies.hear({ is: 'views', client: CLIENT, meter: METER }),
    (copies: Lookups) => copies.flush(),
    (copies: Lookups) => copies.hear({ is: 'all' }),
    (copies: Lookups) => copies.dropIdentity(Buffer.from('h')),
  ]
  for (const [i, act] of acts.entries()) {
    const held = Promise.withResolvers<void>()
    let asked = 0
    const slow = async <T>(value: T): Promise<T> => {
      asked += 1
      await held.promise
      return value
    }
    const copies = lookups(
      { identify: () => slow(identity), views: () => slow({ generation: 1, permissions: [] }) },
      undefined,
      { tokens: 10, recentViews: 10, packedViewBytes: 1 << 20 },
      () => undefined,
    )
    const both = () => Promise.all([copies.views(CLIENT, METER, false), copies.identify(Buffer.from('h'), false)])
    const began = both()
    act(copies)
    held.resolve()
    await began
    await both()
    expect(asked, `act ${i}`).toBe(4)
    await both()
    expect(asked, `act ${i}, kept from then on`).toBe(4)
  }
})
