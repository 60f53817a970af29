/**
 * The token routes of old, as the clients that speak them were measured: what DomoticzLinky needs back to keep its
 * tokens, and Data Connect's first version.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Answer, Fields, TestServer } from './given.ts'
import { aClient, aCode, aServer, basic, redeem, REDIRECT } from './given.ts'

let gate: TestServer
beforeAll(async () => {
  gate = await aServer()
})
afterAll(() => gate.close())

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const code = (form: Fields = { client_id: 'domoticz' }) => gate.post('/device/code', form)
const token = (form: Fields, client = 'domoticz') => gate.post('/device/token', { client_id: client, ...form })
const poll = (device: unknown, client?: string) => token({ grant_type: DEVICE, device_code: String(device) }, client)
const refresh = (value: unknown, more: Fields = {}) => token({ grant_type: 'refresh_token', refresh_token: String(value), ...more })
const said = ({ status, body }: Answer): readonly unknown[] => [status, body['error']]
let bundles = 0

/** A device whose person has consented, for permissions of its own. */
async function paired(...permissions: readonly string[]): Promise<Record<string, unknown>> {
  const { body } = await code()
  const confirmed = await gate.server.device.confirm(String(body['user_code']), '203.0.113.1')
  if (!('link' in confirmed)) throw new Error(confirmed.is)
  expect(await gate.server.device.granted(confirmed.link, { bundle: `bdl_dev_${(bundles += 1)}`, permissions })).toBe('done')
  return (await poll(body['device_code'])).body
}

test('a code is as the plugin reads it', async () => {
  const { status, body } = await code()
  expect(status).toBe(200)
  expect(body).toStrictEqual({
    device_code: expect.stringMatching(/^[0-9a-f]{64}$/),
    user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verification_uri: `${gate.issuer}/device`,
    expires_in: 1800,
    interval: 5,
  })
})

test('from nothing to a token: pending, the person confirms and consents across a restart, then the meters', async () => {
  await gate.permit('dev-1', 'domoticz')
  await gate.permit('dev-2', 'domoticz', { meter: 'prm:10000000000002' })
  const { body } = await code()
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'authorization_pending'])
  const typed = ` ${String(body['user_code']).toLowerCase().replace('-', ' ')}`
  const view = await gate.server.device.view(typed, '203.0.113.1')
  expect(view).toMatchObject({ is: 'found', userCode: body['user_code'], asked: { client: 'domoticz' } })
  const confirmed = await gate.server.device.confirm(typed, '203.0.113.1')
  const link = 'link' in confirmed ? confirmed.link : ''
  expect(link).not.toContain(String(body['device_code']))
  gate = await gate.restarted()
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'authorization_pending'])
  expect(await gate.server.device.granted(link, { bundle: 'bdl_d', permissions: ['dev-1', 'dev-2'] })).toBe('done')
  const first = await poll(body['device_code'])
  expect(first.status).toBe(200)
  expect(first.body).toStrictEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 12_600,
    usage_points_id: '10000000000001,10000000000002',
  })
  expect(await gate.identify(String(first.body['access_token']))).toMatchObject({ client: 'domoticz', set: ['dev-1', 'dev-2'] })
  // What is used up is told as over: on `invalid_grant` the plugin would switch itself off.
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'expired_token'])
})

test('a refresh checks the meters as a set, and never gives another refresh token', async () => {
  await gate.permit('ref-1', 'domoticz')
  await gate.permit('ref-2', 'domoticz', { meter: 'prm:10000000000002' })
  const first = await paired('ref-1', 'ref-2')
  for (const points of ['10000000000001,10000000000002', '10000000000002,10000000000001']) {
    const again = await refresh(first['refresh_token'], { usage_points_id: points })
    expect(again.body, points).toMatchObject({
      refresh_token: first['refresh_token'],
      usage_points_id: first['usage_points_id'],
      expires_in: 12_600,
    })
    expect(await gate.identify(String(again.body['access_token']))).toMatchObject({ set: ['ref-1', 'ref-2'] })
  }
  for (const points of ['10000000000001', '10000000000001,10000000000003', '10000000000001,10000000000002,10000000000003'])
    expect(said(await refresh(first['refresh_token'], { usage_points_id: points })), points).toStrictEqual([400, 'invalid_request'])
})

test('a meter that was withdrawn may go on being named: the others are not lost for it', async () => {
  const withdrawn = await gate.permit('part-1', 'domoticz')
  await gate.permit('part-2', 'domoticz', { meter: 'prm:10000000000002' })
  const first = await paired('part-1', 'part-2')
  const details = { actorRole: 'operator', channel: 'api' }
  await gate.stores.registry.act({ permission: withdrawn, type: 'withdrawn_by_subject', details, now: Date.now() as never })
  for (const points of ['10000000000001,10000000000002', '10000000000002']) {
    const again = await refresh(first['refresh_token'], { usage_points_id: points })
    expect(again.body, points).toMatchObject({ usage_points_id: '10000000000002' })
  }
  expect(said(await refresh(first['refresh_token'], { usage_points_id: '10000000000001' }))).toStrictEqual([400, 'invalid_request'])
})

test.each([
  ['no client', '/device/code', {}, 'invalid_request'],
  ['an unknown client', '/device/code', { client_id: 'nobody' }, 'invalid_request'],
  ['no client', '/device/token', { grant_type: DEVICE, device_code: 'x' }, 'invalid_request'],
  ['an unknown client', '/device/token', { client_id: 'nobody', grant_type: DEVICE, device_code: 'x' }, 'invalid_request'],
  ['no device code', '/device/token', { client_id: 'domoticz', grant_type: DEVICE }, 'invalid_request'],
  ['an unknown device code', '/device/token', { client_id: 'domoticz', grant_type: DEVICE, device_code: 'f'.repeat(64) }, 'expired_token'],
  [
    'an unknown refresh token',
    '/device/token',
    { client_id: 'domoticz', grant_type: 'refresh_token', refresh_token: 'x' },
    'invalid_grant',
  ],
  ['another grant', '/device/token', { client_id: 'domoticz', grant_type: 'password' }, 'unsupported_grant_type'],
])('%s at %s is a 400 that says so', async (_what, path, form, error) => {
  expect(said(await gate.post(path, form as unknown as Fields))).toStrictEqual([400, error])
})

test('what may pass by itself never erases a token: no 4xx that the plugin gives up on', async () => {
  await gate.permit('calm-1', 'domoticz')
  const first = await paired('calm-1')
  gate.switches.ready = false
  expect((await refresh(first['refresh_token'])).status).toBe(503)
  gate.switches.ready = true
  gate.switches.broken = true
  expect((await refresh(first['refresh_token'])).status).toBe(503)
  gate.switches.broken = false
  gate.clients.set('domoticz', { ...aClient('domoticz'), disabled: true })
  expect((await refresh(first['refresh_token'])).status).toBe(503)
  gate.clients.set('domoticz', aClient('domoticz'))
  expect((await refresh(first['refresh_token'])).status).toBe(200)
})

test('a withdrawn consent does: the plugin is to ask again', async () => {
  const permission = await gate.permit('gone-1', 'domoticz')
  const first = await paired('gone-1')
  const details = { actorRole: 'operator', channel: 'api' }
  await gate.stores.registry.act({ permission, type: 'withdrawn_by_subject', details, now: Date.now() as never })
  expect(said(await refresh(first['refresh_token']))).toStrictEqual([400, 'invalid_grant'])
})

test('a refusal is told, and the code is over', async () => {
  const { body } = await code()
  const confirmed = await gate.server.device.confirm(String(body['user_code']), '203.0.113.1')
  const link = 'link' in confirmed ? confirmed.link : ''
  expect(await gate.server.device.refused(link)).toBe('done')
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'access_denied'])
  expect(await gate.server.device.granted(link, { bundle: 'bdl_no', permissions: ['calm-1'] })).toBe('over')
  expect(await gate.server.device.view(String(body['user_code']), '203.0.113.1')).toStrictEqual({ is: 'unknown' })
})

test('of two journeys with one code the first that ends decides', async () => {
  await gate.permit('two-1', 'domoticz')
  const { body } = await code()
  const links = await Promise.all(
    [1, 2].map(async () => {
      const confirmed = await gate.server.device.confirm(String(body['user_code']), '203.0.113.1')
      return 'link' in confirmed ? confirmed.link : ''
    }),
  )
  const ends = await Promise.all(
    links.map((link, i) => gate.server.device.granted(link, { bundle: `bdl_two_${i}`, permissions: ['two-1'] })),
  )
  expect(ends.toSorted()).toStrictEqual(['done', 'over'])
})

test('a code lives as long as a person needs once it has begun, and is over after', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  try {
    await gate.permit('slow-1', 'domoticz')
    const { body } = await code()
    const late = (await code()).body
    vi.setSystemTime(Date.now() + 29 * 60_000)
    const confirmed = await gate.server.device.confirm(String(body['user_code']), '203.0.113.1')
    const link = 'link' in confirmed ? confirmed.link : ''
    vi.setSystemTime(Date.now() + 25 * 60_000)
    expect(said(await poll(late['device_code']))).toStrictEqual([400, 'expired_token'])
    expect(await gate.server.device.view(String(late['user_code']), '203.0.113.9')).toStrictEqual({ is: 'unknown' })
    expect(said(await poll(body['device_code']))).toStrictEqual([400, 'authorization_pending'])
    expect(await gate.server.device.granted(link, { bundle: 'bdl_slow', permissions: ['slow-1'] })).toBe('done')
    expect((await poll(body['device_code'])).status).toBe(200)
  } finally {
    vi.useRealTimers()
  }
})

test('polling more than twelve times a minute is too quick; a device at its pace is not bothered', async () => {
  const { body } = await code()
  const other = (await code()).body
  for (let i = 0; i < 12; i += 1) expect(said(await poll(body['device_code']))).toStrictEqual([400, 'authorization_pending'])
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'slow_down'])
  expect(said(await poll(other['device_code']))).toStrictEqual([400, 'authorization_pending'])
})

const v1 = (form: Fields, query = `?redirect_uri=${encodeURIComponent(REDIRECT)}`) =>
  gate.post(`/v1/oauth2/token${query}`, { client_id: 'viriya', client_secret: gate.secrets['viriya'] ?? '', ...form })
const aV1Code = async (permission: string): Promise<string> => {
  await gate.permit(permission)
  const given = { bundle: `bdl_${permission}`, permissions: [permission] }
  return (await gate.server.codeFor({ client: 'viriya', redirectUri: REDIRECT, ...given })) ?? 'none'
}

test('Data Connect v1: a code, a refresh and an application token, in its own fields', async () => {
  const given = await aV1Code('v1-1')
  const { status, body } = await v1({ grant_type: 'authorization_code', code: given })
  expect(status).toBe(200)
  expect(body).toStrictEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 12_600,
    scope: 'energy',
    issued_at: expect.stringMatching(/^\d{13}$/),
    refresh_token: expect.any(String),
    refresh_token_issued_at: expect.stringMatching(/^\d{13}$/),
    usage_points_id: '10000000000001',
  })
  expect(await gate.identify(String(body['access_token']))).toMatchObject({ client: 'viriya', set: ['v1-1'] })
  const again = await v1({ grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) })
  expect(again.body).toMatchObject({ usage_points_id: '10000000000001', refresh_token: expect.any(String) })
  const application = await v1({ grant_type: 'client_credentials' }, '')
  expect(application.body).not.toHaveProperty('refresh_token')
  expect(await gate.identify(String(application.body['access_token']))).toMatchObject({ set: 'all' })
})

test('a code of v1 is good there alone, once, for 180 s, for its client and its address', async () => {
  const standard = await aCode(gate, 'v1-std')
  expect(said(await v1({ grant_type: 'authorization_code', code: standard.code }))).toStrictEqual([400, 'invalid_grant'])
  expect((await redeem(gate, standard.code, standard.verifier)).status).toBe(200)

  const given = await aV1Code('v1-2')
  const form = { grant_type: 'authorization_code', code: given, redirect_uri: REDIRECT }
  expect(said(await gate.post('/oauth/token', form, basic('viriya', gate.secrets['viriya'] ?? '')))).toStrictEqual([400, 'invalid_grant'])
  const office = { client_id: 'office', client_secret: gate.secrets['office'] ?? '' }
  expect(said(await v1({ ...office, grant_type: 'authorization_code', code: given }))).toStrictEqual([400, 'invalid_grant'])
  const elsewhere = '?redirect_uri=https%3A%2F%2Felsewhere.example.test%2F'
  expect(said(await v1({ grant_type: 'authorization_code', code: given }, elsewhere))).toStrictEqual([400, 'invalid_grant'])
  const first = await v1({ grant_type: 'authorization_code', code: given })
  expect(first.status).toBe(200)
  expect(said(await v1({ grant_type: 'authorization_code', code: given }))).toStrictEqual([400, 'invalid_grant'])
  expect(await gate.identify(String(first.body['access_token'])), 'a replay ends what the code gave').toBeUndefined()

  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  try {
    const [soon, late] = [await aV1Code('v1-soon'), await aV1Code('v1-late')]
    vi.setSystemTime(Date.now() + 178_000)
    expect((await v1({ grant_type: 'authorization_code', code: soon })).status).toBe(200)
    vi.setSystemTime(Date.now() + 3000)
    expect(said(await v1({ grant_type: 'authorization_code', code: late }))).toStrictEqual([400, 'invalid_grant'])
  } finally {
    vi.useRealTimers()
  }
})

test('where nothing of what was given is the client’s, it gets a refusal', async () => {
  await gate.permit('other-1', 'office')
  const given = { bundle: 'bdl_other', permissions: ['other-1'] }
  expect(await gate.server.codeFor({ client: 'viriya', redirectUri: REDIRECT, ...given })).toBeUndefined()
  const { body } = await code()
  const confirmed = await gate.server.device.confirm(String(body['user_code']), '203.0.113.1')
  expect(await gate.server.device.granted('link' in confirmed ? confirmed.link : '', given)).toBe('done')
  expect(said(await poll(body['device_code']))).toStrictEqual([400, 'access_denied'])
})

test('credentials in the address of v1 are refused', async () => {
  expect(said(await gate.post('/v1/oauth2/token?client_id=viriya', { grant_type: 'client_credentials' }))).toStrictEqual([
    400,
    'invalid_request',
  ])
})
