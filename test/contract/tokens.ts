/** What any store of clients, credentials and consent tokens must do, whatever database it lies on. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientId, PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { Millis } from '../../src/domain/time.ts'
import { aLine, aTree, declare, OFFICE, permit, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const HOUR = 3_600_000
const purpose = 'self_view' as PurposeCode
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()

export function tokensContract(name: string, open: () => Promise<Stores>): void {
  describe(`tokens on ${name}`, () => {
    let stores: Stores
    beforeAll(async () => {
      stores = await open()
      await declare(stores)
    })
    afterAll(() => stores.close())

    const issue = (change: { client?: ClientId; permissions?: readonly string[] | null; now?: Millis } = {}) =>
      stores.tokens.issue({
        client: change.client ?? VIRIYA,
        purpose,
        permissions: (change.permissions ?? null) as readonly PermissionId[] | null,
        ttlSeconds: 3600,
        now: change.now ?? NOW,
      })
    const identify = (token: string) => stores.tokens.identify({ hash: hashOf(token) })
    const exchange = (client: ClientId, secret: string, now: Millis, more: { cap?: number; ttlSeconds?: number } = {}) =>
      stores.tokens.exchange({ client, secret, purpose, ttlSeconds: 3600, cap: 3, now, ...more })

    test('a token is 256 random bits and tells its client, purpose and end', async () => {
      const { token, id, expiresAt } = await issue()
      expect(Buffer.from(token, 'base64url')).toHaveLength(32)
      expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect((await issue()).token).not.toBe(token)
      expect(expiresAt).toBe(NOW + HOUR)
      expect(await identify(token)).toStrictEqual({
        client: VIRIYA,
        purpose,
        set: 'all',
        expiresAt: NOW + HOUR,
        disabled: false,
        credential: id,
      })
    })

    test('neither another token, nor its id, nor its hash identifies', async () => {
      const { token, id } = await issue()
      for (const other of [`${token} `, token.slice(1), token.toLowerCase(), id, hashOf(token).toString('hex'), '']) {
        expect(await identify(other), other).toBeUndefined()
      }
    })

    test('is kept as a hash only, and so is a secret', async () => {
      const fresh = await open()
      await declare(fresh)
      const { secret } = await fresh.tokens.addCredential({ client: VIRIYA, rotate: false, now: NOW })
      const { token } = await fresh.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
      const fetched = await fresh.tokens.exchange({ client: VIRIYA, secret, purpose, ttlSeconds: 60, cap: 3, now: NOW })
      for (const { name: file, bytes } of await fresh.bytes()) {
        for (const text of [secret, token, fetched?.token ?? 'none']) {
          expect(bytes.includes(text), `in ${file}`).toBe(false)
          expect(bytes.includes(Buffer.from(text, 'base64url')), `raw in ${file}`).toBe(false)
        }
      }
      await fresh.close()
    })

    test('a set names permissions of its own client, each once, and no others', async () => {
      await permit(stores, aTree('set-1'), aTree('set-2', { client: OFFICE, lines: [aLine({ purpose: 'solar_sizing' })] }))
      const { token } = await issue({ permissions: ['set-1', 'set-1'] })
      expect((await identify(token))?.set).toStrictEqual(['set-1'])
      const before = await stores.tokens.list({})
      await expect(issue({ permissions: ['set-1', 'set-2'] })).rejects.toThrow('client viriya has no permission set-2')
      await expect(issue({ permissions: ['nowhere'] })).rejects.toThrow('client viriya has no permission nowhere')
      await expect(issue({ permissions: [] })).rejects.toThrow('a token for no permission would open nothing')
      expect(await stores.tokens.list({}), 'nothing is issued').toStrictEqual(before)
    })

    test('a client has one credential: the first by add, others by rotate', async () => {
      const { secret } = await stores.tokens.addCredential({ client: OFFICE, rotate: false, now: NOW })
      expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
      await expect(stores.tokens.addCredential({ client: OFFICE, rotate: false, now: NOW })).rejects.toThrow(
        'client office has a credential already: use client rotate',
      )
      const token = (await exchange(OFFICE, secret, NOW))?.token ?? ''
      const issued = await issue({ client: OFFICE })
      expect(await identify(token)).toBeDefined()
      const next = await stores.tokens.addCredential({ client: OFFICE, rotate: true, now: NOW })
      for (const old of [token, issued.token]) expect(await identify(old), 'tokens end with a rotation').toBeUndefined()
      expect(await exchange(OFFICE, secret, NOW), 'the old secret').toBeUndefined()
      expect(await exchange(OFFICE, next.secret, NOW)).toBeDefined()
    })

    test('there is nothing to rotate before there is a credential, and no client without its declaration', async () => {
      const fresh = await open()
      await declare(fresh)
      const rotate = fresh.tokens.addCredential({ client: VIRIYA, rotate: true, now: NOW })
      await expect(rotate).rejects.toThrow('client viriya has no credential yet: use client add')
      const stranger = fresh.tokens.addCredential({ client: 'stranger' as ClientId, rotate: false, now: NOW })
      await expect(stranger).rejects.toThrow('the settings declare no client stranger')
      await fresh.close()
    })

    test('a wrong secret, another client’s and an unknown client are one answer', async () => {
      const fresh = await open()
      await declare(fresh)
      const mine = await fresh.tokens.addCredential({ client: VIRIYA, rotate: false, now: NOW })
      const theirs = await fresh.tokens.addCredential({ client: OFFICE, rotate: false, now: NOW })
      const tries: readonly (readonly [string, string])[] = [
        [VIRIYA, theirs.secret],
        [OFFICE, mine.secret],
        ['stranger', mine.secret],
        [VIRIYA, ''],
        [VIRIYA, hashOf(mine.secret).toString('base64url')],
        // What an unknown client's secret is compared with.
        ['stranger', '\0'.repeat(32)],
      ]
      for (const [client, secret] of tries) {
        const given = { client: client as ClientId, secret, purpose, ttlSeconds: 60, cap: 3, now: NOW }
        expect(await fresh.tokens.exchange(given), `${client} ${secret}`).toBeUndefined()
      }
      expect(await fresh.tokens.list({})).toStrictEqual([])
      await fresh.close()
    })

    test('beyond the cap the first one goes also where all were made in one millisecond', async () => {
      const { secret } = await stores.tokens.addCredential({ client: OFFICE, rotate: true, now: NOW })
      const made: string[] = []
      for (let i = 0; i < 8; i += 1) made.push((await exchange(OFFICE, secret, NOW))?.token ?? '')
      const known = await Promise.all(made.map(async (token) => (await identify(token)) !== undefined))
      expect(known).toStrictEqual([false, false, false, false, false, true, true, true])
    })
    test('beyond the cap the token that was made first goes, whichever ends first', async () => {
      const fresh = await open()
      await declare(fresh)
      const { secret } = await fresh.tokens.addCredential({ client: VIRIYA, rotate: false, now: NOW })
      const made: string[] = []
      // The settings shorten the life of tokens between the second and the third.
      for (const [i, ttlSeconds] of [7200, 7200, 60, 60, 60].entries()) {
        const given = { client: VIRIYA, secret, purpose, ttlSeconds, cap: 3, now: later(i) }
        made.push((await fresh.tokens.exchange(given))?.token ?? '')
      }
      const alive = await Promise.all(made.map(async (token) => (await fresh.tokens.identify({ hash: hashOf(token) })) !== undefined))
      expect(alive).toStrictEqual([false, false, true, true, true])
      await fresh.close()
    })

    test('is revoked by its id or by itself, at once, and once', async () => {
      const [first, second] = [await issue(), await issue()]
      expect(await stores.tokens.revoke({ token: first.id, now: NOW })).toEqual({ hash: new Uint8Array(first.hash), client: VIRIYA })
      expect(await identify(first.token)).toBeUndefined()
      expect(await identify(second.token)).toBeDefined()
      await stores.tokens.revoke({ token: second.token, now: NOW })
      expect(await identify(second.token)).toBeUndefined()
      const count = async (): Promise<number> => (await stores.entries()).filter((e) => e.t === 'admin.token').length
      const before = await count()
      await stores.tokens.revoke({ token: first.token, now: NOW })
      expect(await count(), 'no entry for what changed nothing').toBe(before)
      await expect(stores.tokens.revoke({ token: 'tok_unknown', now: NOW })).rejects.toThrow('there is no such token')
    })

    test('ends at its time, is told apart for a day, and is then swept', async () => {
      const { token, expiresAt } = await issue()
      const day = 86_400_000
      await stores.tokens.sweep({ now: (expiresAt + day) as Millis })
      expect((await identify(token))?.expiresAt).toBe(expiresAt)
      expect(await stores.tokens.sweep({ now: (expiresAt + day + 1) as Millis })).toBeGreaterThan(0)
      expect(await identify(token)).toBeUndefined()
    })

    test('a client gone from the settings is disabled at once; its tokens say so, and it gets no others', async () => {
      const fresh = await open()
      await declare(fresh)
      const { secret } = await fresh.tokens.addCredential({ client: VIRIYA, rotate: false, now: NOW })
      const { token } = await fresh.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
      const sync = (...clients: readonly { readonly id: ClientId; readonly disabled: boolean }[]) =>
        fresh.tokens.syncClients({ clients, now: NOW })
      expect(await sync({ id: OFFICE, disabled: false })).toStrictEqual([VIRIYA])
      expect(await sync({ id: OFFICE, disabled: false }), 'told once').toStrictEqual([])
      expect((await fresh.tokens.identify({ hash: hashOf(token) }))?.disabled).toBe(true)
      expect(await fresh.tokens.exchange({ client: VIRIYA, secret, purpose, ttlSeconds: 60, cap: 3, now: NOW })).toBeUndefined()
      const issuing = fresh.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
      await expect(issuing).rejects.toThrow('client viriya is disabled')
      expect(await sync({ id: OFFICE, disabled: true }, { id: VIRIYA, disabled: false })).toStrictEqual([OFFICE])
      expect((await fresh.tokens.identify({ hash: hashOf(token) }))?.disabled).toBe(false)
      const changes = (await fresh.entries()).filter((e) => e.t === 'admin.client').map((e) => [e['client'], e['change']])
      expect(changes).toStrictEqual([
        [VIRIYA, 'declared'],
        [OFFICE, 'declared'],
        [VIRIYA, 'gone'],
        [OFFICE, 'disabled'],
        [VIRIYA, 'enabled'],
      ])
      await fresh.close()
    })

    test('a secret is checked for what it is, and a disabled client has none that holds', async () => {
      const fresh = await open()
      await declare(fresh)
      const { secret } = await fresh.tokens.addCredential({ client: VIRIYA, rotate: false, now: NOW })
      const check = (client: string, given: string) => fresh.tokens.checkSecret({ client, secret: given, now: NOW })
      expect(await check(VIRIYA, secret)).toMatch(/^crd_/)
      for (const [client, given] of [
        [OFFICE, secret],
        ['stranger', secret],
        [VIRIYA, `${secret} `],
        [VIRIYA, ''],
      ] as const)
        expect(await check(client, given), client).toBeUndefined()
      await fresh.tokens.syncClients({ clients: [{ id: VIRIYA, disabled: true }], now: NOW })
      expect(await check(VIRIYA, secret)).toBeUndefined()
      await fresh.close()
    })

    test('one made elsewhere is recorded by what it proves, ends alone or with its credential, and leaves no entry', async () => {
      const fresh = await open()
      await declare(fresh)
      await permit(fresh, aTree('grant-1'), aTree('grant-2', { client: OFFICE, lines: [aLine({ purpose: 'solar_sizing' })] }))
      const before = (await fresh.entries()).length
      const record = (value: string, credential: string, permissions: readonly string[] | null = ['grant-1']) =>
        fresh.tokens.record({
          value,
          client: VIRIYA,
          purpose,
          permissions: permissions as readonly PermissionId[] | null,
          credential,
          ttlSeconds: 60,
          cap: 3,
          now: NOW,
        })
      const seen = async (value: string) => (await fresh.tokens.identify({ hash: hashOf(value) }))?.credential
      const one = await record('one', 'gnt_1')
      expect(Buffer.from(one.hash)).toStrictEqual(hashOf('one'))
      expect(one.expiresAt).toBe(NOW + 60_000)
      await record('two', 'gnt_1')
      await record('other', 'gnt_2', null)
      expect(await fresh.tokens.identify({ hash: hashOf('one') })).toMatchObject({ set: ['grant-1'], credential: 'gnt_1' })
      expect(await fresh.tokens.identify({ hash: hashOf('other') })).toMatchObject({ set: 'all' })
      for (const foreign of [['grant-2'], ['nowhere'], []])
        await expect(record('none', 'gnt_1', foreign)).rejects.toThrow(/has no permission|would open nothing/)
      expect(await fresh.tokens.end({ client: OFFICE, hash: hashOf('one'), now: NOW }), 'of another client').toBe(false)
      expect(await fresh.tokens.end({ client: VIRIYA, hash: hashOf('one'), now: NOW })).toBe(true)
      expect(await fresh.tokens.end({ client: VIRIYA, hash: hashOf('one'), now: NOW }), 'once').toBe(false)
      expect(await Promise.all(['one', 'two', 'other'].map(seen))).toStrictEqual([undefined, 'gnt_1', 'gnt_2'])
      expect(await fresh.tokens.endOfCredential({ client: OFFICE, credential: 'gnt_1', now: NOW })).toStrictEqual([])
      expect(await fresh.tokens.endOfCredential({ client: VIRIYA, credential: 'gnt_1', now: NOW })).toStrictEqual([
        new Uint8Array(hashOf('two')),
      ])
      expect(await Promise.all(['one', 'two', 'other'].map(seen))).toStrictEqual([undefined, undefined, 'gnt_2'])
      expect((await fresh.entries()).length).toBe(before)
      await fresh.close()
    })

    test('is listed without the token itself', async () => {
      const fresh = await open()
      await declare(fresh)
      await permit(fresh, aTree('list-1'))
      const { token, id } = await fresh.tokens.issue({
        client: VIRIYA,
        purpose,
        permissions: ['list-1' as PermissionId],
        ttlSeconds: 60,
        now: NOW,
      })
      await fresh.tokens.issue({ client: OFFICE, purpose, permissions: null, ttlSeconds: 60, now: NOW })
      const list = await fresh.tokens.list({ client: VIRIYA })
      expect(list).toStrictEqual([
        { id, client: VIRIYA, purpose, permissions: 1, expiresAt: new Date(NOW + 60_000).toISOString(), revoked: false },
      ])
      expect(await fresh.tokens.list({})).toHaveLength(2)
      expect(JSON.stringify(list)).not.toContain(token)
      await fresh.close()
    })
  })
}
