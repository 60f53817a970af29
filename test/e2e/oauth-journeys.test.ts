/**
 * A client's way from nothing to data by OAuth, with a person in a browser, the gate's pages and the simulated Enedis
 * between: authorization code with PKCE, PAR and RAR; device flow; Data Connect's own code of v1. And its end.
 */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bearer, curve } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, CALLBACK, HOUSE, LINES, recorded, REFUSES, THREE, ticked } from './journey-given.ts'

let house: House
let secret: string
beforeAll(async () => {
  house = await aHouse('v2', {
    change(tree) {
      const clients = tree['clients'] as Tree[]
      const viriya = clients.find(({ id }) => id === 'viriya')
      const domoticz = clients.find(({ id }) => id === 'domoticz')
      const lines = LINES.slice(0, 2)
      if (domoticz)
        Object.assign(domoticz, { oauth: { public: true, rotate_refresh: false }, ask: { ...(viriya?.['ask'] as Tree), lines } })
    },
  })
  secret = (await house.gate.command<{ secret: string }>('client add', { client: 'viriya' })).secret
})
afterAll(() => house.stop())

interface Said {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}
async function post(path: string, form: Readonly<Record<string, string>>, identified = true): Promise<Said> {
  const headers: Record<string, string> = identified ? { authorization: `Basic ${Buffer.from(`viriya:${secret}`).toString('base64')}` } : {}
  const answer = await fetch(house.gate.url + path, { method: 'POST', body: new URLSearchParams(form), headers })
  return { status: answer.status, body: (await answer.json()) as Said['body'] }
}
const daily = (meter: string): string =>
  `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(-5)}&dateFin=${today(-2)}`
const read = (token: unknown, target: string) => fetch(house.gate.url + target, bearer(String(token)))
const boxesOf = (text: string): number => text.match(/name="line"/g)?.length ?? 0

/** A pushed request of viriya's, and the address to which it sends its people. */
async function pushed(more: Readonly<Record<string, string>> = {}): Promise<{ readonly verifier: string; readonly target: string }> {
  const verifier = randomBytes(32).toString('base64url')
  const { body } = await post('/oauth/par', {
    client_id: 'viriya',
    response_type: 'code',
    redirect_uri: CALLBACK,
    state: 'state-9',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  })
  const query = new URLSearchParams({ client_id: 'viriya', request_uri: String(body['request_uri']) }).toString()
  return { verifier, target: `/oauth/authorize?${query}` }
}
const redeem = (code: string, verifier: string) =>
  post('/oauth/token', { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CALLBACK })

test('code: pushed, narrowed, consented, redeemed, read, withdrawn', async () => {
  const { url } = house.gate
  const details = [{ type: `${url}/rar/energy-data/v1`, datatypes: ['daily_energy'], data_period: { from: today(-30), until: today(30) } }]
  const { verifier, target } = await pushed({ authorization_details: JSON.stringify(details) })
  const browser = house.browser()
  const asked = await browser.get(url + target)
  expect(asked.status).toBe(200)
  expect(boxesOf(asked.text), 'what was asked for and nothing more').toBe(1)
  const enedis = await browser.submit(asked, ticked(['l1']))
  const back = new URL((await browser.get((await house.accepted(browser, enedis, HOUSE)).href)).left ?? 'about:nowhere')
  expect(back.href.startsWith(`${CALLBACK}?`)).toBe(true)
  expect(Object.fromEntries(back.searchParams)).toStrictEqual({ code: expect.any(String), state: 'state-9', iss: url })

  const { status, body } = await redeem(back.searchParams.get('code') ?? '', verifier)
  expect(status).toBe(200)
  expect(body['authorization_details']).toMatchObject([
    { datatypes: ['daily_energy'], identifier: HOUSE, finest_step: 'P1D', data_period: { from: today(-30), until: today(30) } },
  ])
  expect((await read(body['access_token'], daily(HOUSE))).status).toBe(200)
  expect((await read(body['access_token'], curve(HOUSE, today(-5), today(-2)))).status, 'what was not given').toBe(403)
  expect((await read(body['access_token'], daily(BIG_ID))).status, 'another meter').toBe(403)

  const [mine] = await recorded(house.gate)
  await house.gate.command('permission withdraw', { permission: mine?.id })
  const after = await read(body['access_token'], daily(HOUSE))
  expect([after.status, after.headers.get('ecluse-reason')]).toStrictEqual([403, 'withdrawn'])
  expect((await post('/oauth/introspect', { token: String(body['access_token']) })).body).toStrictEqual({ active: false })
  const refresh = { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }
  expect((await post('/oauth/token', refresh)).body['error']).toBe('invalid_grant')
})

test('code: a refusal at Enedis and one on our page are told to the client alike', async () => {
  for (const where of ['enedis', 'here'] as const) {
    const { target } = await pushed()
    const browser = house.browser()
    const asked = await browser.get(house.gate.url + target)
    const left =
      where === 'here'
        ? (await browser.submit(asked, [['answer', 'refuse']])).left
        : (
            await browser.submit(await browser.submit(asked, ticked(['l1'])), [
              ['meter', REFUSES],
              ['decision', 'refuse'],
            ])
          ).left
    const { searchParams } = new URL(left ?? 'about:nowhere')
    expect(Object.fromEntries(searchParams), where).toMatchObject({ error: 'access_denied', state: 'state-9', iss: house.gate.url })
  }
})

test('device: the code is typed, confirmed and consented to; the plugin reads by its own paths and refreshes', async () => {
  const { url } = house.gate
  const { body: codes } = await post('/device/code', { client_id: 'domoticz' }, false)
  const poll = () =>
    post(
      '/device/token',
      {
        client_id: 'domoticz',
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: String(codes['device_code']),
      },
      false,
    )
  const browser = house.browser()
  const confirm = await browser.get(`${url}/device?code=${String(codes['user_code'])}`)
  expect(confirm.text).toContain(String(codes['user_code']))
  expect((await poll()).body['error']).toBe('authorization_pending')
  const asked = await browser.submit(confirm, [['mine', 'yes']])
  expect(boxesOf(asked.text)).toBe(2)
  const enedis = await browser.submit(asked, ticked(['l1', 'l2']))
  const done = await browser.get((await house.accepted(browser, enedis, THREE[0])).href)
  expect([done.status, done.left]).toStrictEqual([200, undefined])

  const { status, body } = await poll()
  expect(status).toBe(200)
  expect(body['usage_points_id']).toBe(THREE[0])
  const proxied = `/data/proxy/metering_data_clc/v5/consumption_load_curve?start=${today(-3)}&end=${today(-1)}&usage_point_id=${THREE[0]}`
  expect((await read(body['access_token'], proxied)).status).toBe(200)
  const again = await post(
    '/device/token',
    {
      client_id: 'domoticz',
      grant_type: 'refresh_token',
      refresh_token: String(body['refresh_token']),
      usage_points_id: String(body['usage_points_id']),
    },
    false,
  )
  expect(again.body).toMatchObject({ refresh_token: body['refresh_token'], usage_points_id: body['usage_points_id'] })
  expect((await read(again.body['access_token'], proxied)).status).toBe(200)
})

test('Data Connect v1: the code of its page is redeemed at its token address', async () => {
  const { url } = house.gate
  const browser = house.browser()
  const query = new URLSearchParams({ client_id: 'viriya', response_type: 'code', duration: 'P1Y', state: 'abc1', redirect_uri: CALLBACK })
  const asked = await browser.get(`${url}/dataconnect/v1/oauth2/authorize?${query.toString()}`)
  const enedis = await browser.submit(asked, ticked(['l1']))
  const { left } = await browser.get((await house.accepted(browser, enedis, THREE[2])).href)
  const { searchParams } = new URL(left ?? 'about:nowhere')
  expect([searchParams.get('state'), searchParams.get('usage_point_id')]).toStrictEqual(['abc1', THREE[2]])
  const form = { client_id: 'viriya', client_secret: secret, grant_type: 'authorization_code', code: searchParams.get('code') ?? '' }
  const path = `/v1/oauth2/token?redirect_uri=${encodeURIComponent(CALLBACK)}`
  const { status, body } = await post(path, form, false)
  expect(status).toBe(200)
  expect(body).toMatchObject({ usage_points_id: THREE[2], token_type: 'Bearer', expires_in: 12_600 })
  const v5 = `/metering_data_dc/v5/daily_consumption?start=${today(-5)}&end=${today(-2)}&usage_point_id=${THREE[2]}`
  expect((await read(body['access_token'], v5)).status).toBe(200)
  expect((await post(path, form, false)).body['error']).toBe('invalid_grant')
  expect((await read(body['access_token'], v5)).status, 'a replay takes back what the code gave').toBe(401)
})

test('nobody else can use up the way back to the client', async () => {
  const { url } = house.gate
  const { verifier, target } = await pushed()
  const browser = house.browser()
  const enedis = await browser.submit(await browser.get(url + target), ticked(['l1']))
  const callback = await browser.step((await house.accepted(browser, enedis, THREE[1])).href)
  const check = await browser.step(new URL(callback.headers.get('location') ?? '', url).href)
  const back = new URL(check.headers.get('location') ?? '', url)
  expect(back.pathname).toMatch(/^\/consent\/oauth\/[\w-]+\/return$/)
  expect((await house.browser().step(back.href)).status).toBe(404)
  const code = new URL((await browser.get(back.href)).left ?? 'about:nowhere').searchParams.get('code')
  expect((await redeem(code ?? '', verifier)).status).toBe(200)
})
