/** What any store of tickets must do: they end by themselves, one of two takers wins, and a copy of the database opens none. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Millis } from '../../src/domain/time.ts'
import type { Stores } from './stores.ts'
import { NOW } from './stores.ts'

const later = (seconds: number): Millis => (NOW + seconds * 1000) as Millis
const SECRET = 'the-id-that-a-cookie-carries'
const PAYLOAD = JSON.stringify({ holds: 'what-only-its-owner-may-read' })

export function ticketsContract(name: string, open: () => Promise<Stores>): void {
  describe(`tickets on ${name}`, () => {
    let stores: Stores
    beforeAll(async () => {
      stores = await open()
    })
    afterAll(() => stores.close())
    const put = (id: string, more: Partial<Parameters<Stores['tickets']['put']>[0]> = {}) =>
      stores.tickets.put({ kind: 'visit', id, payload: PAYLOAD, ttlSeconds: 60, now: NOW, ...more })

    test('is found by its id until it is over, and not in that very millisecond', async () => {
      await put('a')
      expect(await stores.tickets.get({ kind: 'visit', id: 'a', now: (later(60) - 1) as Millis })).toStrictEqual({
        payload: PAYLOAD,
        consumed: false,
        expiresAt: later(60),
      })
      expect(await stores.tickets.get({ kind: 'visit', id: 'a', now: later(60) })).toBeNull()
    })

    test('is of one kind: the same id of another kind is another ticket', async () => {
      await put('b')
      expect(await stores.tickets.get({ kind: 'console', id: 'b', now: NOW })).toBeNull()
      await put('b', { kind: 'console', payload: 'other' })
      expect((await stores.tickets.get({ kind: 'visit', id: 'b', now: NOW }))?.payload).toBe(PAYLOAD)
    })

    test('is consumed once, by one of those who try at once; and stays to be seen as consumed', async () => {
      await put('c')
      const tried = await Promise.all([1, 2, 3].map(() => stores.tickets.consume({ kind: 'visit', id: 'c', now: later(1) })))
      expect(tried.filter(Boolean)).toHaveLength(1)
      expect((await stores.tickets.get({ kind: 'visit', id: 'c', now: later(2) }))?.consumed).toBe(true)
      await put('d')
      expect(await stores.tickets.consume({ kind: 'visit', id: 'd', now: later(60) })).toBe(false)
    })

    test('is taken once', async () => {
      await put('e')
      const tried = await Promise.all([1, 2].map(() => stores.tickets.take({ kind: 'visit', id: 'e', now: later(1) })))
      expect(tried.toSorted()).toStrictEqual([PAYLOAD, null].toSorted())
    })

    test('is found by its other names, and goes with its grant', async () => {
      await put('f', { grant: 'g1', uid: 'u1', userCode: 'BCDFGHJK' })
      await put('g', { kind: 'console', grant: 'g1' })
      await put('h', { grant: 'g2' })
      expect((await stores.tickets.find({ kind: 'visit', by: 'uid', value: 'u1', now: NOW }))?.payload).toBe(PAYLOAD)
      expect((await stores.tickets.find({ kind: 'visit', by: 'userCode', value: 'BCDFGHJK', now: NOW }))?.payload).toBe(PAYLOAD)
      expect(await stores.tickets.find({ kind: 'visit', by: 'uid', value: 'BCDFGHJK', now: NOW })).toBeNull()
      await stores.tickets.dropGrant({ grant: 'g1' })
      const left = await Promise.all(
        [
          { kind: 'visit', id: 'f' },
          { kind: 'console', id: 'g' },
          { kind: 'visit', id: 'h' },
        ].map((one) => stores.tickets.get({ ...one, now: NOW })),
      )
      expect(left.map((one) => one !== null)).toStrictEqual([false, false, true])
    })

    test('of its kind and grant no more are kept than it says: the oldest go, and never itself', async () => {
      await put('other-kind', { kind: 'console', grant: 'full' })
      await put('other-grant', { grant: 'free' })
      for (let i = 0; i < 5; i += 1) await put(`old-${i}`, { grant: 'full', now: later(i) })
      await put('new', { grant: 'full', most: 2, now: NOW })
      const kept = async (kind: string, id: string) => (await stores.tickets.get({ kind, id, now: later(5) })) !== null
      const ids = ['old-0', 'old-1', 'old-2', 'old-3', 'old-4', 'new']
      expect(await Promise.all(ids.map((id) => kept('visit', id)))).toStrictEqual([false, false, false, false, true, true])
      expect([await kept('console', 'other-kind'), await kept('visit', 'other-grant')]).toStrictEqual([true, true])
    })

    test('put again replaces what it holds and its end', async () => {
      await put('i')
      await put('i', { payload: 'new', ttlSeconds: 600 })
      expect(await stores.tickets.get({ kind: 'visit', id: 'i', now: later(100) })).toStrictEqual({
        payload: 'new',
        consumed: false,
        expiresAt: later(600),
      })
    })

    test('is listed with its kind alone, and swept when it is over', async () => {
      await put('key-1', { kind: 'key', payload: 'k1', ttlSeconds: 100 })
      await put('key-2', { kind: 'key', payload: 'k2', ttlSeconds: 300, now: later(1) })
      expect((await stores.tickets.list({ kind: 'key', now: later(2) })).map((t) => t.payload)).toStrictEqual(['k1', 'k2'])
      await stores.tickets.sweep({ now: later(200) })
      expect((await stores.tickets.list({ kind: 'key', now: later(2) })).map((t) => t.payload)).toStrictEqual(['k2'])
    })

    test('one whose box was moved to another id is refused', async () => {
      await put('j', { payload: 'mine' })
      await put('k', { payload: 'yours' })
      await stores.tamper("UPDATE ticket SET box = (SELECT box FROM ticket WHERE kind = 'visit' ORDER BY id LIMIT 1) WHERE kind = 'visit'")
      const read = await Promise.allSettled(['j', 'k'].map((id) => stores.tickets.get({ kind: 'visit', id, now: NOW })))
      expect(read.some((one) => one.status === 'rejected')).toBe(true)
    })
  })

  test(`neither ids nor what they hold lie on the disk of ${name}`, async () => {
    const stores = await open()
    await stores.tickets.put({
      kind: 'visit',
      id: SECRET,
      payload: PAYLOAD,
      ttlSeconds: 60,
      now: NOW,
      grant: SECRET,
      uid: SECRET,
      userCode: SECRET,
    })
    const bytes = await stores.bytes()
    await stores.close()
    expect(bytes.length).toBeGreaterThan(1)
    for (const file of bytes) {
      expect([file.name, file.bytes.includes(SECRET)]).toStrictEqual([file.name, false])
      expect([file.name, file.bytes.includes('what-only-its-owner')]).toStrictEqual([file.name, false])
    }
  })
}
