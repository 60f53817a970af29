/** The simulated FranceConnect, as a browser and a service meet it; and through openid-client, as the gate does. */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as oidc from 'openid-client'
import { describe, expect, test } from 'vitest'
import { FRANCE_WRONGS } from '../../../src/sandbox/france-connect-wrong.ts'
import type { Client, Seen, Visitor } from './given.ts'
import { aVisitor, NOW } from './given.ts'

const SERVICE = {
  clientId: 'the-gate',
  secret: 'a-secret-of-the-gate-and-franceconnect',
  redirectUris: ['http://127.0.0.1:9/identity'],
  postLogoutUris: ['http://127.0.0.1:9/bye'],
}
const REDIRECT = SERVICE.redirectUris[0]!
const BASE = '/franceconnect/api/v2'
const NONCE = 'n'.repeat(43)
const NAMES = 'openid given_name family_name preferred_username'

function authorize(fields: Readonly<Record<string, string | undefined>> = {}): string {
  const all = {
    client_id: SERVICE.clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: NAMES,
    acr_values: 'eidas1',
    state: 'a-state',
    nonce: NONCE,
    ...fields,
  }
  const given = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  return `${BASE}/authorize?${new URLSearchParams(given).toString()}`
}
const as = (person: string): readonly (readonly [string, string])[] => [
  ['decision', 'sign-in'],
  ['person', person],
]
const aService = (now?: () => number) => aVisitor({ franceConnect: SERVICE, ...(now && { now }) })

async function token(visitor: Visitor, to: URL | undefined, fields: Readonly<Record<string, string>> = {}): Promise<Seen> {
  return visitor.send(
    `${BASE}/token`,
    Object.entries({
      grant_type: 'authorization_code',
      code: to?.searchParams.get('code') ?? '',
      redirect_uri: REDIRECT,
      client_id: SERVICE.clientId,
      client_secret: SERVICE.secret,
      ...fields,
    }),
  )
}
const userInfo = (visitor: Visitor, accessToken: string) =>
  visitor.see(`${BASE}/userinfo`, { headers: { Authorization: `Bearer ${accessToken}` } })
interface Tokens {
  readonly access_token: string
  readonly id_token: string
}
async function signIn(visitor: Visitor, person: string, fields: Readonly<Record<string, string>> = {}): Promise<Tokens> {
  const { to } = await visitor.send(authorize(fields), as(person))
  return JSON.parse((await token(visitor, to)).text) as Tokens
}
async function known(visitor: Visitor, person: string, scope: string): Promise<Readonly<Record<string, unknown>>> {
  const { access_token: accessToken } = await signIn(visitor, person, { scope })
  return decodeJwt((await userInfo(visitor, accessToken)).text)
}

describe('what a service asks', () => {
  test.each([
    ['PKCE', { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' }, 'Y030007'],
    ['a login hint', { login_hint: 'camille' }, 'Y030007'],
    ['a greatest age', { max_age: '0' }, 'Y030007'],
    ['a resource', { resource: 'https://gate.example/' }, 'Y030007'],
    ['a response mode', { response_mode: 'query' }, 'Y030007'],
    ['no acr_values', { acr_values: undefined }, 'Y030007'],
    ['eidas2', { acr_values: 'eidas2' }, 'Y030007'],
    ['no state', { state: undefined }, 'Y030007'],
    ['no nonce', { nonce: undefined }, 'Y030007'],
    ['a nonce of 21 characters', { nonce: 'n'.repeat(21) }, 'Y030007'],
    ['another response type', { response_type: 'id_token' }, 'Y030007'],
    ['prompt none', { prompt: 'none' }, 'Y030007'],
    ['claims that are no JSON', { claims: '{' }, 'Y030007'],
    ['an unknown client', { client_id: 'nobody' }, 'Y04EA6EF'],
    ['an undeclared address', { redirect_uri: `${REDIRECT}/` }, 'Y04C013C'],
  ])('%s ends on a page', async (_name, fields, code) => {
    const { see } = await aService()
    const page = await see(authorize(fields))
    expect([page.status, page.to]).toStrictEqual([400, undefined])
    expect(page.text).toContain(`<code>${code}</code>`)
  })

  test('the same parameter twice ends on a page', async () => {
    const { see } = await aService()
    expect((await see(`${authorize()}&state=again`)).status).toBe(400)
  })

  test.each([
    ['a nonce of 22 characters', { nonce: 'n'.repeat(22) }],
    ['all that may be asked', { prompt: 'login', claims: '{"id_token":{"amr":{"essential":true}}}', idp_hint: 'x', ui_locales: 'fr' }],
  ])('%s opens the page of persons', async (_name, fields) => {
    const { see } = await aService()
    const page = await see(authorize(fields))
    expect(page.status).toBe(200)
    expect(page.text).toContain('ceci n’est pas FranceConnect')
    expect([...page.text.matchAll(/name="person"\s+value="([^"]+)"/g)].map((m) => m[1])).toStrictEqual([
      'camille',
      'louis',
      'noor',
      'yanis',
      'jeanne',
      'jeanne-1990',
      'odette',
    ])
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self' http://127.0.0.1:9;")
  })

  test('an unknown scope, or none for OpenID, comes back as an error', async () => {
    const { see } = await aService()
    for (const scope of ['openid address', 'given_name']) {
      const { to } = await see(authorize({ scope }))
      expect(to?.searchParams.get('error')).toBe('invalid_scope')
    }
  })

  test('the page speaks the language that is asked for, in the path before all', async () => {
    const { see } = await aService()
    const language = async (target: string) => /<html lang="(..)">/.exec((await see(target)).text)?.[1]
    expect(await language(authorize({ ui_locales: 'en-GB' }))).toBe('en')
    expect(await language(`/fr${authorize({ ui_locales: 'en' })}`)).toBe('fr')
  })
})

describe('what the person does', () => {
  test('signs in: code, state and issuer come back', async () => {
    const { send, sandbox } = await aService()
    const { status, to } = await send(authorize(), as('camille'))
    expect([status, to!.origin + to!.pathname]).toStrictEqual([303, REDIRECT])
    expect(Object.fromEntries(to!.searchParams)).toStrictEqual({
      code: expect.stringMatching(/^[\w-]{43}$/),
      state: 'a-state',
      iss: sandbox.franceConnect.issuer,
    })
  })

  test.each([
    ['gives up', [['decision', 'cancel']] as const],
    ['is dead', as('odette')],
  ])('%s: access_denied with a code', async (_name, fields) => {
    const { send, sandbox } = await aService()
    const { to } = await send(authorize(), fields)
    expect(Object.fromEntries(to!.searchParams)).toStrictEqual({
      error: 'access_denied',
      error_description: expect.stringMatching(/\(Y[0-9A-F]{6}\)$/),
      state: 'a-state',
      iss: sandbox.franceConnect.issuer,
    })
  })

  test('chooses nobody: asked again', async () => {
    const { send } = await aService()
    const page = await send(authorize(), [['decision', 'sign-in']])
    expect([page.status, page.to]).toStrictEqual([400, undefined])
    expect(page.text).toContain('role="alert"')
  })

  test('stays signed in for other services until the session is ended, unless told to sign in anew', async () => {
    let now = NOW
    const visitor = await aService(() => now)
    const { to, headers } = await visitor.send(authorize(), as('camille'))
    const { id_token: idToken } = JSON.parse((await token(visitor, to)).text) as Tokens
    const cookie = headers.get('set-cookie')!.split(';')[0]!
    const again = (target: string) => visitor.see(target, { headers: { Cookie: cookie } })
    expect((await again(authorize())).to?.searchParams.has('code')).toBe(true)
    expect((await again(authorize({ prompt: 'login' }))).status).toBe(200)
    now += 29 * 60_000 // Long after the token: it is good for this all the same.
    expect((await again(authorize())).status).toBe(303)
    const out = new URLSearchParams({ id_token_hint: idToken, state: 'bye', post_logout_redirect_uri: SERVICE.postLogoutUris[0]! })
    expect((await again(`${BASE}/session/end?${out.toString()}`)).to?.href).toBe(`${SERVICE.postLogoutUris[0]}?state=bye`)
    expect((await again(authorize())).status).toBe(200)
  })

  test('a session ends by itself after half an hour', async () => {
    let now = NOW
    const visitor = await aService(() => now)
    const cookie = (await visitor.send(authorize(), as('camille'))).headers.get('set-cookie')!.split(';')[0]!
    now += 30 * 60_000
    expect((await visitor.see(authorize(), { headers: { Cookie: cookie } })).status).toBe(200)
  })

  test.each([
    ['without a token', { post_logout_redirect_uri: SERVICE.postLogoutUris[0]! }],
    ['with another address', { post_logout_redirect_uri: 'http://127.0.0.1:9/elsewhere' }],
    ['with a token of nobody', { id_token_hint: 'x.y.z' }],
  ])('is not signed out %s', async (_name, fields) => {
    const visitor = await aService()
    const { id_token: idToken } = await signIn(visitor, 'camille')
    const asked = new URLSearchParams({
      ...('post_logout_redirect_uri' in fields && _name !== 'without a token' && { id_token_hint: idToken }),
      ...fields,
    })
    const page = await visitor.see(`${BASE}/session/end?${asked.toString()}`)
    expect([page.status, page.to]).toStrictEqual([400, undefined])
  })

  test('is signed out and stays on the page, also with a token of keys that were replaced', async () => {
    const visitor = await aService()
    const { id_token: idToken } = await signIn(visitor, 'camille')
    await visitor.sandbox.franceConnect.rotateKeys()
    const page = await visitor.see(`${BASE}/session/end?id_token_hint=${idToken}`)
    expect([page.status, page.headers.get('set-cookie')]).toMatchObject([200, expect.stringContaining('Max-Age=0')])
  })
})

describe('tokens', () => {
  test('the ID token says who by a number of this service alone, and no name', async () => {
    const visitor = await aService()
    const { id_token: idToken, ...rest } = await signIn(visitor, 'camille', { claims: '{"id_token":{"amr":{"essential":true}}}' })
    expect(rest).toStrictEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 60, scope: NAMES })
    expect(decodeProtectedHeader(idToken)).toStrictEqual({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) })
    expect(decodeJwt(idToken)).toStrictEqual({
      iss: visitor.sandbox.franceConnect.issuer,
      sub: expect.stringMatching(/^[0-9a-f]{66}v1$/),
      aud: SERVICE.clientId,
      iat: NOW / 1000,
      exp: NOW / 1000 + 60,
      auth_time: NOW / 1000,
      acr: 'eidas1',
      amr: ['pwd'],
      nonce: NONCE,
      at_hash: expect.any(String),
    })
  })

  test('the same person is another one for another service', async () => {
    const visitor = await aService()
    visitor.sandbox.franceConnect.register({ ...SERVICE, clientId: 'another' })
    const { sub } = decodeJwt((await signIn(visitor, 'camille')).id_token)
    const { to } = await visitor.send(authorize({ client_id: 'another' }), as('camille'))
    const other = JSON.parse((await token(visitor, to, { client_id: 'another' })).text) as Tokens
    expect(decodeJwt(other.id_token).sub).not.toBe(sub)
    expect(decodeJwt((await signIn(visitor, 'camille')).id_token).sub).toBe(sub)
  })

  test.each([
    ['another secret', { client_secret: 'x' }, 401, 'invalid_client'],
    ['an unknown client', { client_id: 'x' }, 401, 'invalid_client'],
    ['another grant', { grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    ['another address', { redirect_uri: 'http://127.0.0.1:9/other' }, 400, 'invalid_grant'],
    ['another code', { code: 'x' }, 400, 'invalid_grant'],
  ])('refuses %s', async (_name, fields, status, error) => {
    const visitor = await aService()
    const { to } = await visitor.send(authorize(), as('camille'))
    const said = await token(visitor, to, fields)
    expect([said.status, (JSON.parse(said.text) as { error: string }).error]).toStrictEqual([status, error])
  })

  test('the secret is taken from the form and from nowhere else', async () => {
    const visitor = await aService()
    const { to } = await visitor.send(authorize(), as('camille'))
    const body = new URLSearchParams({ grant_type: 'authorization_code', code: to!.searchParams.get('code')!, redirect_uri: REDIRECT })
    const Authorization = `Basic ${Buffer.from(`${SERVICE.clientId}:${SERVICE.secret}`).toString('base64')}`
    expect((await visitor.see(`${BASE}/token`, { method: 'POST', body, headers: { Authorization } })).status).toBe(401)
  })

  test.each([
    [29_999, 200],
    [30_000, 400],
  ])('a code of %i ms: %i', async (ms, status) => {
    let now = NOW
    const visitor = await aService(() => now)
    const { to } = await visitor.send(authorize(), as('camille'))
    now += ms
    expect((await token(visitor, to)).status).toBe(status)
  })

  test.each([
    [59_999, 200],
    [60_000, 401],
  ])('an access token of %i ms: %i', async (ms, status) => {
    let now = NOW
    const visitor = await aService(() => now)
    const { access_token: accessToken } = await signIn(visitor, 'camille')
    now += ms
    expect((await userInfo(visitor, accessToken)).status).toBe(status)
  })

  test('a code used twice is refused, and takes back what it gave', async () => {
    const visitor = await aService()
    const { to } = await visitor.send(authorize(), as('camille'))
    const { access_token: accessToken } = JSON.parse((await token(visitor, to)).text) as Tokens
    expect((await token(visitor, to)).status).toBe(400)
    expect((await userInfo(visitor, accessToken)).status).toBe(401)
  })

  test('UserInfo without a token is refused', async () => {
    const { see } = await aService()
    const { status, headers } = await see(`${BASE}/userinfo`)
    expect([status, headers.get('www-authenticate')]).toStrictEqual([401, 'Bearer error="invalid_token"'])
  })
})

describe('who they are', () => {
  test.each([
    ['camille', NAMES, { given_name: 'Camille', family_name: 'EXEMPLE', preferred_username: 'FICTIF' }],
    [
      'louis',
      'openid profile',
      { given_name: 'Louis Malo', given_name_array: ['Louis', 'Malo'], family_name: 'MODELE', gender: 'male', birthdate: '1982-08-24' },
    ],
    ['noor', 'openid birth', { birthplace: '', birthcountry: '99350' }],
    ['yanis', 'openid birthdate', { birthdate: '1956-00-00' }],
    ['jeanne', 'openid given_name family_name birthdate', { given_name: 'Jeanne', family_name: 'INVENTE', birthdate: '1961-03-02' }],
    ['jeanne-1990', 'openid given_name family_name birthdate', { given_name: 'Jeanne', family_name: 'INVENTE', birthdate: '1990-11-15' }],
  ])('%s, asked for %s', async (person, scope, claims) => {
    const visitor = await aService()
    const { iss, aud, iat, exp, sub, ...rest } = await known(visitor, person, scope)
    expect(rest).toStrictEqual(claims)
    expect([iss, aud, sub]).toStrictEqual([visitor.sandbox.franceConnect.issuer, SERVICE.clientId, expect.stringMatching(/v1$/)])
    expect([iat, exp]).toStrictEqual([NOW / 1000, NOW / 1000 + 60])
  })

  test('the usage name of Camille is that of a contract, the name of birth is not', async () => {
    const { sandbox, get } = await aService()
    sandbox.share({ prm: '30000000000001', clientId: 'demo-application' })
    const { text } = await get('/customers_i/v5/identity?usage_point_id=30000000000001')
    expect(JSON.parse(text)).toMatchObject({ identity: { natural_person: { firstname: 'Camille', lastname: 'Fictif' } } })
  })
})

/** The whole sign-in as the gate does it: signatures checked, algorithms pinned. */
async function throughLibrary(visitor: Client & Visitor): Promise<readonly [unknown, unknown]> {
  const metadata = { client_secret: SERVICE.secret, id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' }
  const issuer = new URL(visitor.sandbox.franceConnect.issuer)
  const options = { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] }
  const config = await oidc.discovery(issuer, SERVICE.clientId, metadata, oidc.ClientSecretPost(SERVICE.secret), options)
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  const asked = oidc.buildAuthorizationUrl(config, { redirect_uri: REDIRECT, scope: NAMES, acr_values: 'eidas1', state, nonce })
  const { to } = await visitor.send(asked.pathname + asked.search, as('camille'))
  const tokens = await oidc.authorizationCodeGrant(config, to!, { expectedState: state, expectedNonce: nonce, idTokenExpected: true })
  const claims = tokens.claims()
  const told = await oidc.fetchUserInfo(config, tokens.access_token, claims!.sub)
  return [claims!.acr, told]
}
const live = () => aVisitor({ franceConnect: SERVICE, now: Date.now })

describe('through openid-client', () => {
  test('a person signs in', async () => {
    const [acr, told] = await throughLibrary(await live())
    expect(acr).toBe('eidas1')
    expect(told).toMatchObject({ given_name: 'Camille', family_name: 'EXEMPLE', preferred_username: 'FICTIF' })
  })

  test('and again after the keys were replaced', async () => {
    const visitor = await live()
    const before = decodeProtectedHeader((await signIn(visitor, 'louis')).id_token).kid
    await visitor.sandbox.franceConnect.rotateKeys()
    await throughLibrary(visitor)
    const { keys } = JSON.parse((await visitor.see(`${BASE}/jwks`)).text) as { keys: readonly { kid: string }[] }
    expect(keys.map(({ kid }) => kid)).not.toContain(before)
  })

  // What the library does not look at is for its caller to look at.
  const unseen = new Set(['id_token_wrong_acr'])
  test.each(FRANCE_WRONGS.filter((wrong) => !unseen.has(wrong)))('%s is noticed, once', async (wrong) => {
    const visitor = await live()
    visitor.sandbox.franceConnect.misbehave(wrong)
    await expect(throughLibrary(visitor)).rejects.toThrow(Error)
    expect((await throughLibrary(visitor))[0]).toBe('eidas1')
  })

  test('a lower assurance is only told', async () => {
    const visitor = await live()
    visitor.sandbox.franceConnect.misbehave('id_token_wrong_acr')
    expect((await throughLibrary(visitor))[0]).toBe('eidas0')
  })
})

test.each([
  ['id_token_none', { alg: 'none' }],
  ['id_token_hs256', { alg: 'HS256' }],
  ['id_token_hs256_public_key', { alg: 'HS256' }],
  ['id_token_unsigned', { alg: 'ES256' }],
  ['id_token_other_key', { alg: 'ES256' }],
] as const)('%s says so in its header', async (wrong, header) => {
  const visitor = await aService()
  visitor.sandbox.franceConnect.misbehave(wrong)
  const { id_token: idToken } = await signIn(visitor, 'camille')
  expect(decodeProtectedHeader(idToken)).toMatchObject(header)
  expect(idToken.endsWith('.')).toBe(wrong === 'id_token_none' || wrong === 'id_token_unsigned')
})

test('all of it is told over HTTP too', async () => {
  const visitor = await aVisitor()
  const tell = async (what: string, body: unknown): Promise<number> => {
    const answer = await fetch(`${visitor.sandbox.url}/_sandbox/franceconnect-${what}`, { method: 'POST', body: JSON.stringify(body) })
    return answer.status
  }
  expect((await visitor.see(authorize())).status).toBe(400)
  expect(await tell('register', SERVICE)).toBe(200)
  expect((await visitor.see(authorize())).status).toBe(200)
  expect(await tell('misbehave', { wrong: 'token_error' })).toBe(200)
  expect(await tell('misbehave', { wrong: 'nothing' })).toBe(400)
  const { to } = await visitor.send(authorize(), as('camille'))
  expect((await token(visitor, to)).status).toBe(500)
  const before = (await visitor.see(`${BASE}/jwks`)).text
  expect(await tell('rotate', {})).toBe(200)
  expect((await visitor.see(`${BASE}/jwks`)).text).not.toBe(before)
})
