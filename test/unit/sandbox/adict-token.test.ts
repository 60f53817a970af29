/** Who may call the simulated GRDF, with which token, and how often. */
import { describe, expect, test } from 'vitest'
import { ADICT_OLD_TOKEN_PATH, ADICT_TOKEN_PATH, DEFAULT_ADICT_CLIENT } from '../../../src/sandbox/sandbox.ts'
import { aThirdParty, askToken, data, days, form, HOUSE_PCE } from './adict-given.ts'
import { NOW } from './given.ts'

const READ = data('published', HOUSE_PCE, days('2026-08-01', '2026-09-01'))

describe('the token call', () => {
  test.each([ADICT_TOKEN_PATH, ADICT_OLD_TOKEN_PATH])('%s gives a token of 14,399 seconds, and says for whom', async (path) => {
    const { sandbox } = await aThirdParty()
    const { status, text } = await askToken(sandbox, form(), {}, path)
    expect(status).toBe(200)
    expect(JSON.parse(text)).toStrictEqual({
      access_token: expect.stringMatching(/^[\w-]{43}$/),
      token_type: 'Bearer',
      expires_in: 14_399,
      scope: '/adict/v2 u-10000 EXEMPLE-ENERGIE-SERVICES',
    })
  })

  const { scope: _scope, ...unscoped } = form()
  const { grant_type: _grant, ...ungranted } = form()
  const { client_secret: _secret, ...unproven } = form()
  test.each<[string, Record<string, string> | string, number, string]>([
    ['no grant', ungranted, 400, 'invalid_request'],
    ['another grant', { ...form(), grant_type: 'authorization_code' }, 400, 'unsupported_grant_type'],
    ['another client', { ...form(), client_id: 'nobody' }, 401, 'invalid_client'],
    ['another secret', { ...form(), client_secret: 'no' }, 401, 'invalid_client'],
    ['the secret of another client', { ...form(), client_secret: 'another-secret' }, 401, 'invalid_client'],
    ['no scope', unscoped, 400, 'invalid_scope'],
    ['the scope of the sandbox', { ...form(), scope: '/adict/bas/v6' }, 400, 'invalid_scope'],
    ['a scope with more in it', { ...form(), scope: '/adict/v2 openid' }, 400, 'invalid_scope'],
    ['a scope twice', `${new URLSearchParams(form()).toString()}&scope=/adict/v2`, 400, 'invalid_request'],
  ])('refuses %s', async (_name, fields, status, error) => {
    const { sandbox } = await aThirdParty()
    const said = await askToken(sandbox, fields)
    expect([said.status, JSON.parse(said.text).error]).toStrictEqual([status, error])
  })

  test('reads the secret in the form only: neither in a Basic header, nor in the query, nor in JSON', async () => {
    const { sandbox } = await aThirdParty()
    const basic = `Basic ${Buffer.from(`${DEFAULT_ADICT_CLIENT.clientId}:${DEFAULT_ADICT_CLIENT.secret}`).toString('base64')}`
    expect(await askToken(sandbox, unproven, { Authorization: basic })).toMatchObject({ status: 401 })
    expect(await askToken(sandbox, form(), { Authorization: basic })).toMatchObject({ status: 401 })
    const query = `?${new URLSearchParams(form()).toString()}`
    expect(await askToken(sandbox, '', {}, `${ADICT_TOKEN_PATH}${query}`)).toMatchObject({ status: 400 })
    expect(await askToken(sandbox, form(), {}, `${ADICT_TOKEN_PATH}?x=1`)).toMatchObject({ status: 400 })
    const post = { method: 'POST', body: JSON.stringify(form()), headers: { 'Content-Type': 'application/json' } }
    expect((await fetch(`${sandbox.url}${ADICT_TOKEN_PATH}`, post)).status).toBe(415)
    expect((await fetch(`${sandbox.url}${ADICT_TOKEN_PATH}${query}`)).status).toBe(405)
  })

  test('the tokens of Enedis and of GRDF are not each other’s', async () => {
    const { sandbox, token } = await aThirdParty()
    const enedis = `${sandbox.url}/metering_data_dc/v5/daily_consumption?usage_point_id=10000000000001&start=2026-11-20&end=2026-11-22`
    expect((await fetch(enedis, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(401)
  })
})

describe('the bearer', () => {
  test.each<[string, string | undefined, number, string]>([
    ['no header', undefined, 401, 'invalid_token'],
    ['an unknown token', 'Bearer abc', 401, 'invalid_token'],
    ['no token', 'Bearer', 400, 'invalid_request'],
    ['two tokens', 'Bearer abc def', 400, 'invalid_request'],
    ['another scheme', 'Basic YTpi', 400, 'invalid_request'],
    ['a token alone', 'abc', 400, 'invalid_request'],
  ])('%s is refused on every call', async (_name, authorization, status, error) => {
    const { sandbox } = await aThirdParty()
    for (const [method, path] of [
      ['GET', READ],
      ['GET', data('technical', HOUSE_PCE)],
      ['PUT', `/adict/v2/pce/${HOUSE_PCE}/droit_acces`],
      ['PATCH', '/adict/v2/droit_acces/x'],
      ['PUT', '/adict/v2/droit_acces/x/preuves'],
      ['GET', '/adict/v2/nothing'],
    ] as const) {
      const headers = authorization === undefined ? {} : { Authorization: authorization }
      const answer = await fetch(`${sandbox.url}${path}`, { method, headers })
      expect([path, answer.status, ((await answer.json()) as { error: string }).error]).toStrictEqual([path, status, error])
    }
  })

  test('the list of rights says it with a code of its own, which elsewhere means something else', async () => {
    const { sandbox, send } = await aThirdParty()
    const answer = await fetch(`${sandbox.url}/adict/v2/droits_acces`)
    expect([answer.status, await answer.json()]).toStrictEqual([401, expect.objectContaining({ code_statut_traitement: '1000000001' })])
    expect(await send('PATCH', '/adict/v2/droit_acces/x')).toMatchObject({ status: 404, lines: [{ code_statut_traitement: '1000000001' }] })
  })

  test('a token lives 14,399 seconds and not a millisecond more', async () => {
    const { get, clock } = await aThirdParty()
    clock.now = NOW + 14_399_000 - 1
    expect((await get(READ)).status).toBe(200)
    clock.now = NOW + 14_399_000
    expect((await get(READ)).status).toBe(401)
  })
})

describe('quotas', () => {
  test('one call a second, all services together, each third party by itself; what is refused does not count', async () => {
    const { get, list, clock, as, sandbox } = await aThirdParty({ adictQuotas: { perSecond: 1, perDay: 6000 } })
    const other = await as({ clientId: 'another', secret: 'another-secret', company: '' })
    expect((await get(READ)).status).toBe(200)
    clock.now += 999
    expect(await list()).toMatchObject({ status: 429, lines: [{ error: 'quota_exceeded' }] })
    expect((await other.list()).status).toBe(200)
    clock.now += 1
    expect((await list()).status).toBe(200)
    expect((await askToken(sandbox, form())).status).toBe(200)
    expect((await get(READ)).status).toBe(429)
    sandbox.adict.reset()
    expect((await get(READ)).status).toBe(200)
  })

  test('6,000 a day unless it is said otherwise, until midnight in Paris', async () => {
    const { get, clock } = await aThirdParty({ adictQuotas: { perSecond: 10, perDay: 3 } })
    for (const status of [200, 200, 200, 429]) expect((await get(READ)).status).toBe(status)
    clock.now = NOW + 2 * 3_600_000
    expect((await get(READ)).status).toBe(429)
    // NOW is 10:00 in Paris; by then the first token is over.
    clock.now = Date.UTC(2026, 10, 25, 22, 59, 59)
    const { get: late } = await (await aThirdParty()).as(DEFAULT_ADICT_CLIENT)
    expect((await late(READ)).status).toBe(200)
  })

  test('a call without a token is not counted', async () => {
    const { get, sandbox } = await aThirdParty({ adictQuotas: { perSecond: 1, perDay: 10 } })
    expect((await fetch(`${sandbox.url}${READ}`)).status).toBe(401)
    expect((await get(READ)).status).toBe(200)
  })
})

test('every call is remembered, its authorization only by the scheme', async () => {
  const { get, list, sandbox, send } = await aThirdParty()
  await get(READ)
  await send('PATCH', '/adict/v2/droit_acces/an-id', { headers: { traceparent: '00-a-b-01' } })
  await list()
  await expect.poll(() => sandbox.adict.calls().every((call) => call.complete === true)).toBe(true)
  expect(sandbox.adict.calls()).toMatchObject([
    { n: 1, method: 'POST', path: ADICT_TOKEN_PATH, call: 'token', status: 200 },
    {
      n: 2,
      at: NOW,
      method: 'GET',
      call: 'published',
      pce: HOUSE_PCE,
      from: '2026-08-01',
      until: '2026-09-01',
      query: 'date_debut=2026-08-01&date_fin=2026-09-01',
      headers: { authorization: 'Bearer' },
      status: 200,
    },
    { n: 3, call: 'revoke', right: 'an-id', traceparent: '00-a-b-01', status: 404 },
    { n: 4, call: 'list', status: 200 },
  ])
  // What Enedis saw is told apart.
  expect(sandbox.calls()).toStrictEqual([])
  sandbox.reset()
  expect(sandbox.adict.calls()).toStrictEqual([])
})
