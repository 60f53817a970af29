/** Signing keys over the years, on real tickets and a clock of the test's. */
import { jwtVerify, SignJWT, importJWK } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Millis } from '../../../../src/domain/time.ts'
import { bearerOf } from '../../../../src/portal/oauth/bearer.ts'
import type { KeyRing } from '../../../../src/portal/oauth/keys.ts'
import { keyRing } from '../../../../src/portal/oauth/keys.ts'
import type { OAuthState } from '../../../../src/portal/oauth/ports.ts'
import type { Stores } from '../../../contract/stores.ts'
import { NOW, sqliteStores } from '../../../contract/stores.ts'

const DAY = 86_400_000
let stores: Stores
let now: number
beforeEach(async () => {
  stores = await sqliteStores()
  now = NOW
})
afterEach(() => stores.close())
const ring = (): KeyRing => keyRing({ state: stores as unknown as OAuthState, now: () => now as Millis })

async function signed(keys: KeyRing, seconds: number): Promise<string> {
  const { signing } = await keys.current()
  return new SignJWT({ client_id: 'viriya' })
    .setProtectedHeader({ alg: 'EdDSA', kid: signing.kid, typ: 'at+jwt' })
    .setIssuer('https://gate.test')
    .setAudience('https://gate.test')
    .setSubject('bdl_1')
    .setJti('jti-1')
    .setIssuedAt(now / 1000)
    .setExpirationTime(now / 1000 + seconds)
    .sign(await importJWK(signing, 'EdDSA'))
}

test('the first is made once, also for two that ask at once, and is the same after a restart', async () => {
  const first = ring()
  const [a, b] = await Promise.all([first.current(), first.current()])
  expect(a.signing.kid).toBe(b.signing.kid)
  expect(a.shown).toHaveLength(1)
  const again = await ring().current()
  expect(again).toStrictEqual(a)
  expect(JSON.stringify(a.shown)).not.toContain(String(a.signing['d']))
})

test('what it signs is what its public half verifies', async () => {
  const keys = ring()
  const token = await signed(keys, 60)
  const [key] = (await keys.current()).shown
  await expect(jwtVerify(token, await importJWK(key ?? {}, 'EdDSA'), { currentDate: new Date(now) })).resolves.toBeDefined()
})

test('of two gates that each made a key at once, each knows what the other signs', async () => {
  const [here, there] = [ring(), ring()]
  const [mine, theirs] = await Promise.all([here.current(), there.current()])
  expect(mine.signing.kid).not.toBe(theirs.signing.kid)
  const bearer = bearerOf({ issuer: 'https://gate.test', now: () => now as Millis }, here)
  const token = await signed(there, 60)
  now += 1000
  expect(await bearer.pointer(token)).toBeDefined()
  const madeUp = Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: 'made-up', typ: 'at+jwt' })).toString('base64url')
  expect(await bearer.pointer([madeUp, ...token.split('.').slice(1)].join('.'))).toBeUndefined()
})

test('within an hour they sign with the same one, though nobody asked', async () => {
  const [here, there] = [ring(), ring()]
  const [mine, theirs] = await Promise.all([here.current(), there.current()])
  expect(mine.signing.kid).not.toBe(theirs.signing.kid)
  now += 3_600_000
  expect((await here.current()).signing.kid).toBe((await there.current()).signing.kid)
})

test('after 90 days another one signs; the old one is shown until its last token has ended, without its private half', async () => {
  const keys = ring()
  const bearer = bearerOf({ issuer: 'https://gate.test', now: () => now as Millis }, keys)
  const old = await keys.current()
  now = NOW + 90 * DAY - 1
  expect(await keys.current()).toBe(old)
  const last = await signed(keys, 86_400)
  now += 1
  const next = await keys.current()
  expect(next.signing.kid).not.toBe(old.signing.kid)
  expect(next.shown.map(({ kid }) => kid).toSorted()).toStrictEqual([old.signing.kid, next.signing.kid].toSorted())
  const kept = (await stores.tickets.list({ kind: 'oauth-key', now: now as Millis })).map(
    ({ payload }) => JSON.parse(payload) as { kid: string; private?: unknown },
  )
  expect(kept.find(({ kid }) => kid === old.signing.kid)).not.toHaveProperty('private')
  now = NOW + 91 * DAY - 2000
  expect(await bearer(last), 'in its last second').toBeDefined()
  now = NOW + 91 * DAY
  expect(await bearer(last), 'ended').toBeUndefined()
  now = NOW + 91 * DAY + 3_600_000
  expect((await keys.current()).shown.map(({ kid }) => kid)).toStrictEqual([next.signing.kid])
  expect((await ring().current()).signing.kid).toBe(next.signing.kid)
})

test('a key lies encrypted', async () => {
  const { signing } = await ring().current()
  for (const { name, bytes } of await stores.bytes()) expect(bytes.includes(String(signing['d'])), name).toBe(false)
})
