/** The grants of the OAuth server, from the first request of a client to the token that the registry knows. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashOf } from '../../../../src/portal/oauth/bearer.ts'
import type { TestServer } from './given.ts'
import { aBrowser, aClient, aCode, aServer, authorizeTarget, basic, consented, pkce, redeem, REDIRECT } from './given.ts'

let gate: TestServer
beforeAll(async () => {
  gate = await aServer()
})
afterAll(() => gate.close())
const viriya = () => basic('viriya', gate.secrets['viriya'] ?? '')

test('metadata name what is there, and nothing that is not', async () => {
  const { body } = await gate.get('/.well-known/oauth-authorization-server')
  expect(body).toMatchObject({
    issuer: gate.issuer,
    authorization_endpoint: `${gate.issuer}/oauth/authorize`,
    token_endpoint: `${gate.issuer}/oauth/token`,
    pushed_authorization_request_endpoint: `${gate.issuer}/oauth/par`,
    device_authorization_endpoint: `${gate.issuer}/oauth/device`,
    introspection_endpoint: `${gate.issuer}/oauth/introspect`,
    revocation_endpoint: `${gate.issuer}/oauth/revoke`,
    jwks_uri: `${gate.issuer}/oauth/jwks`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    authorization_details_types_supported: [`${gate.issuer}/rar/energy-data/v1`],
  })
  expect(body).not.toHaveProperty('userinfo_endpoint')
  expect(body).not.toHaveProperty('registration_endpoint')
  expect((await gate.get('/.well-known/oauth-protected-resource')).body).toMatchObject({
    resource: gate.issuer,
    authorization_servers: [gate.issuer],
    authorization_details_types_supported: [`${gate.issuer}/rar/energy-data/v1`],
  })
  const { keys } = (await gate.get('/oauth/jwks')).body as { keys: Record<string, unknown>[] }
  expect(keys).toStrictEqual([{ kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: expect.any(String), use: 'sig', alg: 'EdDSA' }])
})

test('client credentials give a token for all that the client holds for its purpose', async () => {
  const { status, body, headers } = await gate.post('/oauth/token', { grant_type: 'client_credentials' }, viriya())
  expect({ status, ...body }).toMatchObject({ status: 200, token_type: 'Bearer', expires_in: 12_600, scope: 'energy' })
  expect(headers.get('cache-control')).toBe('no-store')
  const token = String(body['access_token'])
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(await gate.identify(token)).toMatchObject({
    client: 'viriya',
    purpose: 'self_view',
    set: 'all',
    credential: expect.stringMatching(/^crd_/),
  })
})

test('a wrong secret, an unknown client and a disabled one are one answer', async () => {
  const answers = await Promise.all(
    [basic('viriya', 'wrong'), basic('nobody', 'wrong'), basic('office', gate.secrets['viriya'] ?? '')].map((headers) =>
      gate.post('/oauth/token', { grant_type: 'client_credentials' }, headers),
    ),
  )
  for (const { status, body } of answers)
    expect({ status, body }).toStrictEqual({
      status: 401,
      body: { error: 'invalid_client', error_description: 'client authentication failed' },
    })
})

test('a person consents, and the client gets a code, then tokens for what was given', async () => {
  const { code, verifier, back } = await aCode(gate, 'code-1')
  expect(back.origin + back.pathname).toBe(REDIRECT)
  expect(Object.fromEntries(back.searchParams)).toStrictEqual({ code, state: 'state-1', iss: gate.issuer })
  const { status, body } = await redeem(gate, code, verifier)
  expect({ status, ...body }).toMatchObject({ status: 200, token_type: 'Bearer', expires_in: 12_600, scope: 'energy' })
  expect(body['authorization_details']).toStrictEqual([
    {
      type: `${gate.issuer}/rar/energy-data/v1`,
      actions: ['read'],
      locations: [gate.issuer],
      datatypes: ['load_curve'],
      identifier: '10000000000001',
      direction: 'withdrawal',
      finest_step: 'PT30M',
      data_period: { from: '2025-01-01', until: '2026-01-01' },
      purpose: 'self_view',
      recurrence: 'on_demand',
    },
  ])
  expect(body).not.toHaveProperty('id_token')
  expect(await gate.identify(String(body['access_token']))).toMatchObject({
    client: 'viriya',
    set: ['code-1'],
    credential: expect.stringMatching(/^gnt_/),
  })
})

test('no login is remembered: a second authorization in the same browser asks anew, and no cookie but its own is left', async () => {
  await gate.permit('anew-1')
  const browser = aBrowser(gate)
  const { challenge } = pkce()
  for (const bundle of ['bdl_anew_1', 'bdl_anew_2']) {
    const asked = await browser.get(authorizeTarget(challenge))
    const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
    const details = JSON.parse((await browser.get(`/consent/oauth/${uid}`)).text) as Record<string, unknown>
    expect(details).toMatchObject({ client: 'viriya', uid })
    const done = await browser.end(uid, 'yes', { bundle, permissions: ['anew-1'] })
    const back = await browser.get(new URL(String(done.headers.get('location')), gate.issuer).pathname)
    expect(new URL(String(back.headers.get('location'))).searchParams.get('code'), bundle).toBeTruthy()
  }
  expect([...browser.cookies.keys()].filter((key) => key.startsWith('ecluse_session'))).toStrictEqual([])
  expect(await gate.stores.tickets.list({ kind: 'Session', now: Date.now() as never })).toStrictEqual([])
})

test('a person refuses, and the client is told so, with state and issuer', async () => {
  const browser = aBrowser(gate)
  const asked = await browser.get(authorizeTarget(pkce().challenge))
  const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
  const done = await browser.end(uid, 'no')
  const back = await browser.get(new URL(String(done.headers.get('location')), gate.issuer).pathname)
  const { searchParams } = new URL(String(back.headers.get('location')))
  expect(Object.fromEntries(searchParams)).toMatchObject({ error: 'access_denied', state: 'state-1', iss: gate.issuer })
})

test('the cookie of one journey is none for another', async () => {
  const [one, other] = await Promise.all(
    [1, 2].map(async () => {
      const asked = await gate.get(authorizeTarget(pkce().challenge))
      const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
      return {
        uid,
        cookie:
          asked.headers
            .getSetCookie()
            .find((c) => c.startsWith('ecluse_interaction='))
            ?.split(';')[0] ?? '',
      }
    }),
  )
  expect((await gate.get(`/consent/oauth/${one?.uid}`, { cookie: one?.cookie ?? '' })).text).toContain('"client":"viriya"')
  expect((await gate.get(`/consent/oauth/${other?.uid}`, { cookie: one?.cookie ?? '' })).text).toBe('null')
})

test('a journey is its browser’s: another one sees nothing of it and ends nothing', async () => {
  await gate.permit('own-1')
  const asked = await aBrowser(gate).get(authorizeTarget(pkce().challenge))
  const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
  const other = aBrowser(gate)
  expect((await other.get(`/consent/oauth/${uid}`)).text).toBe('null')
  expect((await other.end(uid, 'yes', { bundle: 'bdl_own', permissions: ['own-1'] })).status).toBe(410)
})

test('a pushed request works as one in the address, and keeps its content out of it', async () => {
  const { challenge, verifier } = pkce()
  const pushed = await gate.post(
    '/oauth/par',
    {
      client_id: 'viriya',
      response_type: 'code',
      redirect_uri: REDIRECT,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 's',
    },
    viriya(),
  )
  expect(pushed.status).toBe(201)
  await gate.permit('par-1')
  const browser = aBrowser(gate)
  const target = `/oauth/authorize?${new URLSearchParams({ client_id: 'viriya', request_uri: String(pushed.body['request_uri']) }).toString()}`
  const asked = await browser.get(target)
  const uid = String(asked.headers.get('location')).split('/').at(-1) ?? ''
  const done = await browser.end(uid, 'yes', { bundle: 'bdl_par', permissions: ['par-1'] })
  const back = await browser.get(new URL(String(done.headers.get('location')), gate.issuer).pathname)
  const code = new URL(String(back.headers.get('location'))).searchParams.get('code') ?? ''
  expect((await redeem(gate, code, verifier)).status).toBe(200)
})

test('a refresh token rotates where the settings say so; the old one used again ends the grant', async () => {
  const { code, verifier } = await aCode(gate, 'rotate-1')
  const first = (await redeem(gate, code, verifier)).body
  const refresh = (token: unknown) => gate.post('/oauth/token', { grant_type: 'refresh_token', refresh_token: String(token) }, viriya())
  const second = (await refresh(first['refresh_token'])).body
  expect(second['refresh_token']).not.toBe(first['refresh_token'])
  expect(await gate.identify(String(second['access_token']))).toMatchObject({ set: ['rotate-1'] })
  const again = await refresh(first['refresh_token'])
  expect({ status: again.status, error: again.body['error'] }).toStrictEqual({ status: 400, error: 'invalid_grant' })
  for (const token of [first['access_token'], second['access_token']]) {
    expect(await gate.identify(String(token))).toBeUndefined()
    expect(gate.ended).toContain(hashOf(String(token)).toString('hex'))
  }
  expect((await refresh(second['refresh_token'])).body['error']).toBe('invalid_grant')
})

test('the same refresh token twice in one instant is two uses', async () => {
  const { code, verifier } = await aCode(gate, 'race-1')
  const { body } = await redeem(gate, code, verifier)
  const form = { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }
  const answers = await Promise.all([1, 2].map(() => gate.post('/oauth/token', form, viriya())))
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
  expect(answers.some(({ body: said }) => said['error'] === 'invalid_grant')).toBe(true)
  for (const { body: said } of answers) {
    const { access_token: access, refresh_token: refresh } = said
    if (typeof access !== 'string' || typeof refresh !== 'string') continue
    expect(await gate.identify(access)).toBeUndefined()
    expect((await gate.post('/oauth/token', { ...form, refresh_token: refresh }, viriya())).status).toBe(400)
  }
})

test('a grant that ends while its token is being made ends that token too', async () => {
  const live = async () => (await gate.stores.tokens.list({ client: 'viriya' })).filter(({ revoked }) => !revoked).length
  const { code, verifier } = await aCode(gate, 'between-1')
  const before = await live()
  gate.switches.onceRecorded = async () => {
    gate.switches.onceRecorded = undefined
    await redeem(gate, code, verifier)
  }
  const { body, status } = await redeem(gate, code, verifier)
  expect([status, body['error']]).toStrictEqual([400, 'invalid_grant'])
  expect(await live(), 'nothing was left by it').toBe(before)
})

test('a withdrawn permission gives no new token; a suspended one does', async () => {
  const { code, verifier } = await aCode(gate, 'withdrawn-1')
  const { body } = await redeem(gate, code, verifier)
  const act = (type: 'suspend' | 'withdrawn_by_subject') =>
    gate.stores.registry.act({
      permission: 'withdrawn-1' as never,
      type,
      details: { actorRole: 'operator', channel: 'api', ...(type === 'suspend' && { cause: 'holder_doubt' as const }) },
      now: Date.now() as never,
    })
  await act('suspend')
  const refresh = (token: unknown) => gate.post('/oauth/token', { grant_type: 'refresh_token', refresh_token: String(token) }, viriya())
  const suspended = await refresh(body['refresh_token'])
  expect(suspended.status).toBe(200)
  await act('withdrawn_by_subject')
  expect((await refresh(suspended.body['refresh_token'])).body['error']).toBe('invalid_grant')
})

test.each(['opaque', 'jwt'] as const)('introspection of an %s token says what was granted, while it is in force', async (format) => {
  gate.clients.set('viriya', aClient('viriya', { format }))
  const id = `look-${format}`
  const { code, verifier } = await aCode(gate, id)
  const token = String((await redeem(gate, code, verifier)).body['access_token'])
  expect(token.split('.')).toHaveLength(format === 'jwt' ? 3 : 1)
  const look = (headers = viriya()) => gate.post('/oauth/introspect', { token }, headers)
  expect((await look()).body).toMatchObject({
    active: true,
    client_id: 'viriya',
    iss: gate.issuer,
    aud: gate.issuer,
    scope: 'energy',
    sub: `bdl_${id}`,
    authorization_details: [{ datatypes: ['load_curve'] }],
  })
  expect((await look(basic('office', gate.secrets['office'] ?? ''))).body, 'of another client').toStrictEqual({ active: false })
  await gate.stores.registry.act({
    permission: id as never,
    type: 'withdrawn_by_subject',
    details: { actorRole: 'operator', channel: 'api' },
    now: Date.now() as never,
  })
  expect((await look()).body).toStrictEqual({ active: false })
  gate.clients.set('viriya', aClient('viriya'))
})

test.each(['opaque', 'jwt'] as const)('revocation of an %s access token ends it alone, of a refresh token the grant', async (format) => {
  gate.clients.set('viriya', aClient('viriya', { format, rotateRefresh: false }))
  const { code, verifier } = await aCode(gate, `back-${format}`)
  const { body } = await redeem(gate, code, verifier)
  const refresh = () => gate.post('/oauth/token', { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }, viriya())
  const other = String((await refresh()).body['access_token'])
  const token = String(body['access_token'])
  const give = (value: string, headers = viriya()) => gate.post('/oauth/revoke', { token: value }, headers)
  expect((await give(token, basic('office', gate.secrets['office'] ?? ''))).status).toBe(200)
  expect(await gate.identify(token), 'another client ends nothing').toBeDefined()
  expect((await give(token)).status).toBe(200)
  expect(await gate.identify(token)).toBeUndefined()
  expect(await gate.identify(other)).toBeDefined()
  expect((await give(String(body['refresh_token']))).status).toBe(200)
  expect(await gate.identify(other)).toBeUndefined()
  expect((await refresh()).body['error']).toBe('invalid_grant')
  expect((await give('unknown')).status).toBe(200)
  gate.clients.set('viriya', aClient('viriya'))
})

test('a reload of the settings counts at once', async () => {
  gate.clients.set('viriya', { ...aClient('viriya'), disabled: true })
  expect((await gate.post('/oauth/token', { grant_type: 'client_credentials' }, viriya())).status).toBe(401)
  gate.clients.set('viriya', aClient('viriya', { redirectUris: ['https://elsewhere.example.test/cb'] }))
  expect((await gate.get(authorizeTarget(pkce().challenge))).status).toBe(400)
  gate.clients.set('viriya', aClient('viriya'))
  expect((await gate.get(authorizeTarget(pkce().challenge))).status).toBe(303)
})

test('a client whose line another purpose serves gets nothing from that alone: it is told of a refusal', async () => {
  await gate.permit('advice-1', 'office')
  const { challenge } = pkce()
  const back = await consented(gate, authorizeTarget(challenge), { bundle: 'bdl_advice', permissions: ['advice-1'] })
  expect(back.searchParams.get('error')).toBe('access_denied')
})

test('details say what the request narrowed, and where a form of the page may end up', async () => {
  const details = JSON.stringify([
    { type: `${gate.issuer}/rar/energy-data/v1`, datatypes: ['load_curve'], finest_step: 'P1D', recurrence: 'once' },
  ])
  const browser = aBrowser(gate)
  const asked = await browser.get(authorizeTarget(pkce().challenge, { authorization_details: details, ui_locales: 'en' }))
  const seen = JSON.parse((await browser.get(String(asked.headers.get('location')))).text) as Record<string, unknown>
  expect(seen).toMatchObject({
    client: 'viriya',
    locales: 'en',
    formTargets: ['https://app.example.test'],
    lines: [{ kind: 'load_curve', finest: 'P1D', recurrence: 'once', purpose: 'self_view' }],
  })
})

test('behind a server that ends TLS cookies are for TLS alone, and every address is the issuer’s', async () => {
  const seen = await aServer(undefined, 'https://gate.example.test')
  const asked = await seen.get(authorizeTarget(pkce().challenge))
  expect(asked.status).toBe(303)
  const cookies = asked.headers.getSetCookie()
  expect(cookies).toHaveLength(2)
  for (const cookie of cookies) expect(cookie).toMatch(/; secure; httponly; samesite=lax|; samesite=lax; secure; httponly/i)
  expect((await seen.get('/.well-known/oauth-authorization-server')).body).toMatchObject({
    token_endpoint: 'https://gate.example.test/oauth/token',
  })
  await seen.close()
})

test.each([
  ['fr', 'Cette demande ne peut pas aboutir', 'Un instant, s’il vous plaît'],
  ['en', 'This request cannot go on', 'One moment, please'],
])('a person that cannot go on reads why, in %s, on a page that repeats nothing unescaped', async (language, title, wait) => {
  const target = authorizeTarget(pkce().challenge, { client_id: '<b>nobody</b>' })
  const { status, text, headers } = await gate.get(target, { 'accept-language': language })
  expect([status, headers.get('location')]).toStrictEqual([400, null])
  expect(text).toContain(`<html lang="${language}">`)
  expect(text).toContain(`<h1>${title}</h1>`)
  expect(text).not.toContain('<b>')
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  gate.switches.ready = false
  const later = await gate.get(target, { 'accept-language': language })
  gate.switches.ready = true
  expect([later.status, later.headers.get('retry-after'), later.text.includes(`<h1>${wait}</h1>`)]).toStrictEqual([503, '5', true])
})

test('a client that waits for leave to send its body gets it', async () => {
  const socket = connect(Number(new URL(gate.issuer).port), '127.0.0.1')
  const body = 'grant_type=client_credentials'
  const { authorization = '' } = viriya()
  const head = [
    'POST /oauth/token HTTP/1.1',
    `Host: ${new URL(gate.issuer).host}`,
    `Authorization: ${authorization}`,
    'Expect: 100-continue',
  ]
  const form = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`, 'Connection: close']
  socket.write(`${[...head, ...form].join('\r\n')}\r\n\r\n`)
  let received = ''
  for await (const chunk of socket) {
    received += String(chunk)
    if (received === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write(body)
  }
  expect(received).toContain('HTTP/1.1 200 OK')
})

test('while the state takes nothing, nothing is issued and it is said to be temporary', async () => {
  gate.switches.ready = false
  const unready = await gate.post('/oauth/token', { grant_type: 'client_credentials' }, viriya())
  gate.switches.ready = true
  gate.switches.broken = true
  const broken = await gate.post('/oauth/token', { grant_type: 'client_credentials' }, viriya())
  gate.switches.broken = false
  for (const { status, body, headers } of [unready, broken]) {
    expect({ status, error: body['error'] }).toStrictEqual({ status: 503, error: 'temporarily_unavailable' })
    expect(headers.get('retry-after')).toBe('5')
  }
})

test('past its rate an address that guesses secrets is told nothing more', async () => {
  gate.switches.strangers = 1
  const guess = () => gate.post('/oauth/token', { grant_type: 'client_credentials' }, basic('viriya', 'guess'))
  expect((await guess()).status).toBe(401)
  const late = await guess()
  gate.switches.strangers = Infinity
  expect({ status: late.status, error: late.body['error'], retry: late.headers.get('retry-after') }).toStrictEqual({
    status: 429,
    error: 'temporarily_unavailable',
    retry: '60',
  })
})

test('a body that is no form, too long, or says a thing twice is not read further', async () => {
  const send = async (body: string, type = 'application/x-www-form-urlencoded') => {
    const response = await fetch(`${gate.issuer}/oauth/token`, { method: 'POST', body, headers: { 'content-type': type, ...viriya() } })
    return [response.status, ((await response.json()) as { error: string }).error]
  }
  expect(await send('{}', 'application/json')).toStrictEqual([415, 'invalid_request'])
  expect(await send(`grant_type=client_credentials&x=${'a'.repeat(40_000)}`)).toStrictEqual([413, 'invalid_request'])
  expect(await send('grant_type=client_credentials&grant_type=client_credentials')).toStrictEqual([400, 'invalid_request'])
  expect((await gate.post('/oauth/token?client_id=viriya', { grant_type: 'client_credentials' }, viriya())).status).toBe(400)
})

test('whoever proves nothing cannot fill the disk: what an address may begin is counted, and the next one is served', async () => {
  const own = await aServer()
  const begin = {
    authorize: (of = '') => own.get(authorizeTarget(pkce().challenge, { state: `s${of}` })),
    device: () => own.post('/oauth/device', { client_id: 'domoticz' }),
    old: () => own.post('/device/code', { client_id: 'domoticz' }),
    par: () => own.post('/oauth/par', { client_id: 'domoticz', response_type: 'code', redirect_uri: REDIRECT }),
  }
  for (let i = 0; i < 100; i += 1) {
    const [first, second, third] = await Promise.all([begin.authorize(String(i)), begin.device(), begin.old()])
    expect([first.status, second.status, third.status]).toStrictEqual([303, 200, 200])
  }
  for (const one of [begin.device, begin.old, begin.par]) {
    const { status, headers, body } = await one()
    expect([status, headers.get('retry-after'), body['error']]).toStrictEqual([429, '600', 'temporarily_unavailable'])
  }
  const page = await begin.authorize()
  expect([page.status, page.headers.get('retry-after')]).toStrictEqual([429, '600'])
  expect(page.text).toContain('<h1>')
  // Who has a secret of its own answers for what it begins, and goes on.
  const token = await own.post('/oauth/token', { grant_type: 'client_credentials' }, basic('viriya', own.secrets['viriya'] ?? ''))
  const pushed = {
    client_id: 'viriya',
    response_type: 'code',
    redirect_uri: REDIRECT,
    code_challenge: pkce().challenge,
    code_challenge_method: 'S256',
  }
  const par = await own.post('/oauth/par', pushed, basic('viriya', own.secrets['viriya'] ?? ''))
  expect([token.status, par.status]).toStrictEqual([200, 201])
  await own.close()
})

test.each(['opaque', 'jwt'] as const)(
  'a client that has a token made for each call keeps as many as its credential may: %s',
  async (format) => {
    const own = await aServer()
    own.clients.set('viriya', aClient('viriya', { format }))
    const made: string[] = []
    for (let i = 0; i < 25; i += 1) {
      const { body } = await own.post('/oauth/token', { grant_type: 'client_credentials' }, basic('viriya', own.secrets['viriya'] ?? ''))
      made.push(String(body['access_token']))
    }
    expect(await own.stores.tickets.list({ kind: 'ClientCredentials', now: Date.now() as never })).toHaveLength(20)
    const known = await Promise.all(made.map(async (token) => (await own.identify(token)) !== undefined))
    expect(known.lastIndexOf(false)).toBe(4)
    const back = await own.post('/oauth/revoke', { token: made.at(-1) ?? '' }, basic('viriya', own.secrets['viriya'] ?? ''))
    expect([back.status, await own.identify(made.at(-1) ?? '')]).toStrictEqual([200, undefined])
    await own.close()
  },
)
