/**
 * Attacks on the OAuth server, one test each: RFC 9700 (security of OAuth 2.0), RFC 8725 (of JWT), RFC 8628 § 5, and
 * what went wrong elsewhere (`alg: none`, key confusion, audience lists).
 *
 * Tokens are forged with whatever the attacker can have, and with the gate's own key where the question is what a token
 * must say: then a forged token that says everything right is accepted, which shows that the others fail for what they
 * change.
 */
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWK } from 'jose'
import { CompactEncrypt, CompactSign, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Millis } from '../../src/domain/time.ts'
import type { Fields, TestServer } from '../unit/portal/oauth/given.ts'
import {
  aBrowser,
  aClient,
  aCode,
  aServer,
  authorizeTarget,
  basic,
  consented,
  pkce,
  redeem,
  REDIRECT,
  someTokens,
} from '../unit/portal/oauth/given.ts'

let gate: TestServer
let made = 0
const fresh = (): string => `attack-${(made += 1)}`
beforeAll(async () => {
  gate = await aServer()
})
afterAll(() => gate.close())
beforeEach(() => gate.clients.set('viriya', aClient('viriya')))
const viriya = () => basic('viriya', gate.secrets['viriya'] ?? '')
const office = () => basic('office', gate.secrets['office'] ?? '')
const errorOf = (answer: { readonly status: number; readonly body: { readonly [field: string]: unknown } }) => [
  answer.status,
  answer.body['error'],
]

test('code replay: the second use is refused and takes back what the first one gave', async () => {
  const { code, verifier } = await aCode(gate, fresh())
  const first = await redeem(gate, code, verifier)
  expect(first.status).toBe(200)
  expect(errorOf(await redeem(gate, code, verifier))).toStrictEqual([400, 'invalid_grant'])
  expect(await gate.identify(String(first.body['access_token']))).toBeUndefined()
  const refresh = { grant_type: 'refresh_token', refresh_token: String(first.body['refresh_token']) }
  expect(errorOf(await gate.post('/oauth/token', refresh, viriya()))).toStrictEqual([400, 'invalid_grant'])
})

test('code race: of many redemptions at once at most one succeeds, and nothing of it is left', async () => {
  const { code, verifier } = await aCode(gate, fresh())
  const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(gate, code, verifier)))
  const won = answers.filter(({ status }) => status === 200)
  expect(won.length).toBeLessThanOrEqual(1)
  for (const { body } of won) expect(await gate.identify(String(body['access_token']))).toBeUndefined()
})

test('mix-up: every authorization response names its issuer, errors too', async () => {
  const { back } = await aCode(gate, fresh())
  expect(back.searchParams.get('iss')).toBe(gate.issuer)
  const wrong = await gate.get(authorizeTarget(pkce().challenge, { response_type: 'code', prompt: 'none' }))
  const sent = new URL(wrong.headers.get('location') ?? '')
  expect([sent.searchParams.get('iss'), sent.searchParams.get('error')]).toStrictEqual([gate.issuer, 'interaction_required'])
})

test.each([
  ['a suffix', `${REDIRECT}/evil`],
  ['a suffix without a slash', `${REDIRECT}evil`],
  ['a query', `${REDIRECT}?next=https://evil.example.test`],
  ['a trailing slash', `${REDIRECT}/`],
  ['a port', REDIRECT.replace('.test/', '.test:8443/')],
  ['the default port', REDIRECT.replace('.test/', '.test:443/')],
  ['a fragment', `${REDIRECT}#evil`],
  ['another case of the path', REDIRECT.replace('callback', 'Callback')],
  ['another case of the host', REDIRECT.replace('app.', 'APP.')],
  ['another scheme', REDIRECT.replace('https', 'http')],
  ['a host that ends alike', REDIRECT.replace('app.example.test', 'evilapp.example.test')],
  ['a host that begins alike', REDIRECT.replace('app.example.test', 'app.example.test.evil.test')],
  ['user information', REDIRECT.replace('https://', 'https://app.example.test@evil.test/')],
  ['a path that climbs', REDIRECT.replace('callback', 'x/../callback')],
  ['an encoded path', REDIRECT.replace('callback', '%63allback')],
  ['a scheme that runs', 'javascript:alert(1)'],
  ['an open redirect', 'https://evil.example.test/'],
  ['no host', '//evil.example.test/callback'],
])('redirect address with %s: refused, and the browser is sent nowhere', async (_what, redirect) => {
  const answer = await gate.get(authorizeTarget(pkce().challenge, { redirect_uri: redirect }))
  expect([answer.status, answer.headers.get('location')]).toStrictEqual([400, null])
  expect(answer.text).not.toContain('evil')
  const pushed = { client_id: 'viriya', response_type: 'code', code_challenge: pkce().challenge, code_challenge_method: 'S256' }
  const par = await gate.post('/oauth/par', { ...pushed, redirect_uri: redirect }, viriya())
  expect(par.status).toBe(400)
})

test('redirect address of a code: another one at the token endpoint is refused', async () => {
  const { code, verifier } = await aCode(gate, fresh())
  expect(errorOf(await redeem(gate, code, verifier, { redirect_uri: `${REDIRECT}/` }))).toStrictEqual([400, 'invalid_grant'])
})

test.each([
  ['none at all', { code_challenge: undefined, code_challenge_method: undefined }],
  ['plain', { code_challenge_method: 'plain' }],
  ['plain by default', { code_challenge_method: undefined }],
  ['a method that is none', { code_challenge_method: 's256' }],
  ['a method without a challenge', { code_challenge: undefined }],
])('PKCE with %s: refused before anybody is asked', async (_what, change) => {
  const answer = await gate.get(authorizeTarget(pkce().challenge, change))
  expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request')
})

test.each([
  ['no verifier', {}],
  ['another verifier', { code_verifier: pkce().verifier }],
  ['the challenge itself', 'challenge'],
])('PKCE downgrade: a code redeemed with %s is refused', async (_what, change) => {
  await gate.permit(`pkce-${(made += 1)}`)
  const { challenge } = pkce()
  const back = await consented(gate, authorizeTarget(challenge), { bundle: `bdl_pkce_${made}`, permissions: [`pkce-${made}`] })
  const verifier = change === 'challenge' ? { code_verifier: challenge } : (change as Fields)
  const form = { grant_type: 'authorization_code', code: back.searchParams.get('code') ?? '', redirect_uri: REDIRECT, ...verifier }
  expect(errorOf(await gate.post('/oauth/token', form, viriya()))).toStrictEqual([400, 'invalid_grant'])
})

test('guessing user codes: after sixty wrong ones an address sees no code, right or wrong; others go on', async () => {
  const { body } = await gate.post('/device/code', { client_id: 'domoticz' })
  const right = String(body['user_code'])
  const wrong = right.startsWith('B') ? `C${right.slice(1)}` : `B${right.slice(1)}`
  for (let i = 0; i < 60; i += 1) expect(await gate.server.device.view(wrong, '198.51.100.7')).toStrictEqual({ is: 'unknown' })
  for (const code of [wrong, right]) {
    expect(await gate.server.device.view(code, '198.51.100.7')).toStrictEqual({ is: 'too_many' })
    expect(await gate.server.device.confirm(code, '198.51.100.7')).toStrictEqual({ is: 'too_many' })
  }
  expect(await gate.server.device.view(right, '198.51.100.8')).toMatchObject({ is: 'found' })
})

test('guessing device codes and refresh tokens: past its rate an address is told nothing more', async () => {
  gate.switches.strangers = 1
  const guess = (path: string) =>
    gate.post(path, { client_id: 'domoticz', grant_type: 'refresh_token', refresh_token: randomBytes(32).toString('base64url') })
  expect(errorOf(await guess('/oauth/token'))).toStrictEqual([400, 'invalid_grant'])
  expect(errorOf(await guess('/oauth/token'))).toStrictEqual([429, 'temporarily_unavailable'])
  expect(errorOf(await guess('/device/token'))).toStrictEqual([429, 'temporarily_unavailable'])
  gate.switches.strangers = Infinity
})

test('a user code opens nothing by itself, and a device code is not in any link', async () => {
  const { body } = await gate.post('/device/code', { client_id: 'domoticz' })
  const form = { client_id: 'domoticz', grant_type: 'urn:ietf:params:oauth:grant-type:device_code' }
  const answer = await gate.post('/oauth/token', { ...form, device_code: String(body['user_code']) })
  expect(errorOf(answer)).toStrictEqual([400, 'invalid_grant'])
})

test('token of another client: a code, a refresh token and a device code are their client’s alone', async () => {
  const { code, verifier } = await aCode(gate, fresh())
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT }
  expect(errorOf(await gate.post('/oauth/token', form, office()))).toStrictEqual([400, 'invalid_grant'])
  expect((await redeem(gate, code, verifier)).status, 'and are still its').toBe(200)
  const { refresh } = await someTokens(gate, fresh())
  const stolen = { grant_type: 'refresh_token', refresh_token: refresh }
  expect(errorOf(await gate.post('/oauth/token', stolen, office()))).toStrictEqual([400, 'invalid_grant'])
  expect((await gate.post('/oauth/token', stolen, viriya())).status).toBe(200)
  gate.clients.set('office', { ...aClient('office', { public: true }), purpose: 'solar_sizing' })
  const { body } = await gate.post('/device/code', { client_id: 'domoticz' })
  const poll = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: String(body['device_code']), client_id: 'office' }
  expect(errorOf(await gate.post('/oauth/token', poll))).toStrictEqual([400, 'invalid_grant'])
  gate.clients.set('office', aClient('office'))
})

test('token of another client: permissions of another are never in the set, whatever the journey hands over', async () => {
  const [mine, theirs] = [fresh(), fresh()]
  await gate.permit(mine)
  await gate.permit(theirs, 'office')
  const { challenge, verifier } = pkce()
  const back = await consented(gate, authorizeTarget(challenge), { bundle: `bdl_${mine}`, permissions: [mine, theirs] })
  const { body } = await redeem(gate, back.searchParams.get('code') ?? '', verifier)
  expect(await gate.identify(String(body['access_token']))).toMatchObject({ client: 'viriya', set: [mine] })
})

test('token of another purpose: a client asks for nothing beyond its own, pushed or not, and for nothing at the token endpoint', async () => {
  const details = JSON.stringify([{ type: `${gate.issuer}/rar/energy-data/v1`, datatypes: ['load_curve'], purpose: 'marketing' }])
  const answer = await gate.get(authorizeTarget(pkce().challenge, { authorization_details: details }))
  const { searchParams } = new URL(answer.headers.get('location') ?? '')
  expect([searchParams.get('error'), searchParams.get('error_description')]).toStrictEqual([
    'invalid_authorization_details',
    'this client does not ask for load_curve, withdrawal, marketing',
  ])
  const pushed = { client_id: 'viriya', response_type: 'code', code_challenge: pkce().challenge, code_challenge_method: 'S256' }
  const par = await gate.post('/oauth/par', { ...pushed, redirect_uri: REDIRECT, authorization_details: details }, viriya())
  expect(errorOf(par)).toStrictEqual([400, 'invalid_authorization_details'])
  const token = await gate.post('/oauth/token', { grant_type: 'client_credentials', authorization_details: details }, viriya())
  expect(errorOf(token)).toStrictEqual([400, 'invalid_authorization_details'])
  const own = JSON.stringify([{ type: `${gate.issuer}/rar/energy-data/v1`, datatypes: ['load_curve'] }])
  const right = await gate.post('/oauth/par', { ...pushed, redirect_uri: REDIRECT, authorization_details: own }, viriya())
  expect(right.status, 'its own is taken').toBe(201)
})

test('token of another audience: no other resource is to be had', async () => {
  const other = { resource: 'https://other.example.test' }
  const form = { grant_type: 'client_credentials', ...other }
  expect(errorOf(await gate.post('/oauth/token', form, viriya()))).toStrictEqual([400, 'invalid_target'])
  expect((await gate.post('/oauth/token', { ...form, resource: gate.issuer }, viriya())).status).toBe(200)
  const answer = await gate.get(authorizeTarget(pkce().challenge, other))
  expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_target')
})

/** A genuine JWT of the gate, taken apart. */
async function aJwt(): Promise<{
  readonly token: string
  readonly claims: Record<string, unknown>
  readonly header: { alg: string; kid: string; typ: string }
}> {
  gate.clients.set('viriya', aClient('viriya', { format: 'jwt' }))
  const { access: token } = await someTokens(gate, fresh())
  const [header = '', payload = ''] = token.split('.')
  const parse = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { token, claims: parse(payload) as Record<string, unknown>, header: parse(header) as { alg: string; kid: string; typ: string } }
}
async function ownKey(): Promise<JWK> {
  const [found] = await gate.stores.tickets.list({ kind: 'oauth-key', now: Date.now() as Millis })
  return (JSON.parse(found?.payload ?? '{}') as { private: JWK }).private
}
async function forged(
  claims: object,
  header: Readonly<Record<string, unknown>>,
  key?: Parameters<CompactSign['sign']>[0],
): Promise<string> {
  const payload = Buffer.from(JSON.stringify(claims))
  return new CompactSign(payload)
    .setProtectedHeader(header as never)
    .sign(key ?? (await importJWK(await ownKey(), 'EdDSA')), { crit: { 'x-must': true } })
}
const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

test('a JWT is a pointer: nothing of the person in it, and what it claims widens nothing', async () => {
  const { token, claims, header } = await aJwt()
  expect(header).toStrictEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: expect.any(String) })
  expect(Object.keys(claims).toSorted()).toStrictEqual(['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub'])
  expect(claims).toMatchObject({ iss: gate.issuer, aud: gate.issuer, client_id: 'viriya' })
  const genuine = await gate.identify(token)
  expect(genuine).toMatchObject({ client: 'viriya', purpose: 'self_view' })
  const wide = await forged({ ...claims, client_id: 'office', sub: 'bdl_other', purpose: 'solar_sizing', permissions: 'all' }, header)
  expect(await gate.identify(wide), 'the row speaks').toStrictEqual(genuine)
})

test('alg confusion: none', async () => {
  const { claims } = await aJwt()
  const unsigned = [{ alg: 'none', typ: 'at+jwt' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  for (const token of [`${unsigned.join('.')}.`, `${unsigned.join('.')}.AAAA`]) expect(await gate.identify(token)).toBeUndefined()
})

test('alg confusion: HS256 with the public key as the secret', async () => {
  const { claims, header } = await aJwt()
  const { keys } = (await gate.get('/oauth/jwks')).body as { readonly keys: (JWK & { readonly x: string })[] }
  const [key] = keys
  if (!key) throw new Error('no key')
  const publicKey = createPublicKey({ key, format: 'jwk' } as never)
  const secrets = [
    Buffer.from(key.x, 'base64url'),
    Buffer.from(key.x),
    Buffer.from(JSON.stringify(key)),
    publicKey.export({ type: 'spki', format: 'pem' }) as string,
    publicKey.export({ type: 'spki', format: 'der' }),
  ]
  for (const secret of secrets)
    expect(await gate.identify(await forged(claims, { ...header, alg: 'HS256' }, Buffer.from(secret)))).toBeUndefined()
})

test.each(['ES256', 'RS256', 'EdDSA'])('alg confusion: %s by another key under our key’s name', async (alg) => {
  const { claims, header } = await aJwt()
  const pair =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ed25519')
  expect(await gate.identify(await forged(claims, { ...header, alg }, pair.privateKey as never))).toBeUndefined()
})

test('alg confusion: an unknown critical header', async () => {
  const { claims, header } = await aJwt()
  expect(await gate.identify(await forged(claims, { ...header, crit: ['x-must'], 'x-must': true }))).toBeUndefined()
})

test('alg confusion: a key that comes with the token', async () => {
  const { claims, header } = await aJwt()
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const jwk = publicKey.export({ format: 'jwk' })
  const { kid: _kid, ...nameless } = header
  for (const carried of [
    { ...header, jwk },
    { ...nameless, jwk },
    { ...nameless, jku: `${gate.issuer}/evil` },
    nameless,
    { ...header, kid: 'unknown' },
  ])
    expect(await gate.identify(await forged(claims, carried, privateKey as never))).toBeUndefined()
  expect(await gate.identify(await forged(claims, { ...header, jwk })), 'even beside our own signature').toBeUndefined()
})

test.each(['iss', 'aud', 'exp', 'iat', 'sub', 'jti', 'client_id'])('missing claim: %s', async (claim) => {
  const { claims, header } = await aJwt()
  expect(await gate.identify(await forged(claims, header)), 'with it').toBeDefined()
  const { [claim]: _gone, ...rest } = claims
  expect(await gate.identify(await forged(rest, header))).toBeUndefined()
})

test.each([
  ['another issuer', { iss: 'https://evil.example.test' }],
  ['another audience', { aud: 'https://other.example.test' }],
  ['an audience list with a stranger in it', 'list'],
  ['a list of one', 'one'],
  ['no end that is a number', { exp: '9999999999' }],
  ['an empty jti', { jti: '' }],
  ['a jti that is no text', { jti: 7 }],
  ['a start that is yet to come', { nbf: secondsFromNow(3600) }],
  ['the jti of no token', { jti: 'made-up' }],
])('wrong claim: %s', async (_what, change) => {
  const { claims, header } = await aJwt()
  const lists: Record<string, object> = { list: { aud: [gate.issuer, 'https://evil.example.test'] }, one: { aud: [gate.issuer] } }
  const wrong = typeof change === 'string' ? lists[change] : change
  expect(await gate.identify(await forged({ ...claims, ...wrong }, header))).toBeUndefined()
})

test('an ID token is no access token, whatever its type says', async () => {
  const { claims, header } = await aJwt()
  const id = { ...claims, aud: 'viriya', nonce: 'n', auth_time: secondsFromNow(-5) }
  const { typ: _typ, ...untyped } = header
  for (const worn of [{ ...untyped, typ: 'JWT' }, untyped, { ...untyped, typ: 'id+jwt' }, header])
    expect(await gate.identify(await forged(id, worn))).toBeUndefined()
  for (const worn of [{ ...untyped, typ: 'JWT' }, untyped]) expect(await gate.identify(await forged(claims, worn))).toBeUndefined()
})

test('a refresh token, a code, a jti and a pointer are no bearer tokens', async () => {
  const { claims } = await aJwt()
  const { refresh } = await someTokens(gate, fresh())
  const { code } = await aCode(gate, fresh())
  for (const text of [refresh, code, String(claims['jti']), `jwt:${String(claims['jti'])}`])
    expect(await gate.identify(text)).toBeUndefined()
})

test('an expired token is refused to the second, though its signature stands', async () => {
  const { claims, header } = await aJwt()
  expect(await gate.identify(await forged({ ...claims, exp: secondsFromNow(-1) }, header))).toBeUndefined()
  expect(await gate.identify(await forged({ ...claims, exp: secondsFromNow(60) }, header))).toBeDefined()
})

test('a five-part token is not decrypted, and nothing beyond 8 KiB is read', async () => {
  const { token, claims, header } = await aJwt()
  const encrypted = await new CompactEncrypt(Buffer.from(token)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(randomBytes(32))
  expect(encrypted.split('.')).toHaveLength(5)
  const bomb = [{ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2_147_483_647, p2s: 'AAAA' }, '', '', '', '']
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  for (const text of [encrypted, bomb]) expect(await gate.identify(text)).toBeUndefined()
  expect(await gate.identify(await forged({ ...claims, more: 'x'.repeat(8192) }, header))).toBeUndefined()
})

test('a JWT is as final as any token: revoked, it opens nothing, though it was verified before', async () => {
  const { token } = await aJwt()
  expect(await gate.identify(token)).toBeDefined()
  await gate.post('/oauth/revoke', { token }, viriya())
  expect(await gate.identify(token)).toBeUndefined()
})

test('a client assertion proves its client once, here, and by its own key alone', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }
  const file = join(tmpdir(), `ecluse-jwks-${randomBytes(6).toString('hex')}.json`)
  writeFileSync(file, JSON.stringify({ keys: [jwk] }))
  gate.clients.set('viriya', aClient('viriya', { jwks: file }))
  const assertion = (change: Readonly<Record<string, unknown>> = {}, key: unknown = privateKey, alg = 'ES256') =>
    new SignJWT({ iss: 'viriya', sub: 'viriya', aud: gate.issuer, jti: randomBytes(8).toString('hex'), exp: secondsFromNow(60), ...change })
      .setProtectedHeader({ alg, kid: 'k1' })
      .sign(key as never)
  const show = (text: string) =>
    gate.post('/oauth/token', {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: text,
    })
  const good = await assertion()
  const { status, body } = await show(good)
  expect(status).toBe(200)
  expect(await gate.identify(String(body['access_token']))).toMatchObject({ client: 'viriya', credential: expect.stringMatching(/^key_/) })
  const refused = [
    good,
    await assertion({ aud: 'https://other.example.test' }),
    await assertion({ exp: secondsFromNow(-60) }),
    await assertion({ iss: 'office' }),
    await assertion({}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    await assertion({}, Buffer.from(JSON.stringify(jwk)), 'HS256'),
  ]
  for (const text of refused) expect(errorOf(await show(text))).toStrictEqual([401, 'invalid_client'])
  const same = await assertion()
  const race = await Promise.all([show(same), show(same)])
  expect(race.map(({ status: s }) => s).toSorted()).toStrictEqual([200, 401])
  expect(errorOf(await gate.post('/oauth/token', { grant_type: 'client_credentials' }, viriya()))).toStrictEqual([401, 'invalid_client'])
})

test('a journey fixed on somebody else: the browser that did not begin it cannot end it', async () => {
  const permission = fresh()
  await gate.permit(permission)
  const attacker = aBrowser(gate)
  const asked = await attacker.get(authorizeTarget(pkce().challenge))
  const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
  const victim = aBrowser(gate)
  expect((await victim.end(uid, 'yes', { bundle: 'bdl_fixed', permissions: [permission] })).status).toBe(410)
  const resumed = await victim.get(`/oauth/authorize/${uid}`)
  expect([resumed.status, resumed.headers.get('location')]).toStrictEqual([400, null])
})
