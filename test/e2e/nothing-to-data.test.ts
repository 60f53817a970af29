/**
 * DomoticzLinky and the app for Homey, unmodified, from nothing to data and back: they show a code, a person gives consent
 * in a browser, they read, the person withdraws. In between what ends nothing: a part of the days, a series that was not
 * ticked, a refusal and a quota that pass, a token that is over.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Tokens } from '../clients/device-flow.ts'
import { deviceFlow } from '../clients/device-flow.ts'
import type { DomoticzLinky } from '../clients/domoticz-linky.ts'
import { domoticzLinky, PLUGIN_HEADERS } from '../clients/domoticz-linky.ts'
import { ask, fieldsOf } from '../clients/http.ts'
import { today } from '../harness/settings.ts'
import type { Walker } from '../harness/walker.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, BOTH_WAYS, HOUSE, THREE, ticked } from './journey-given.ts'
import type { People } from './nothing-to-data-given.ts'
import { days, HISTORY, HOMEY, meanwhile, peopleOf, PLUGIN, realClients } from './nothing-to-data-given.ts'

const SECOND_HOME = '10000000000002'
/** The quota of the simulated Enedis is free again in a second or two. */
const QUOTA_MS = 2100

let house: House
let people: People
const closing: { close(): void }[] = []
beforeAll(async () => {
  house = await aHouse('v2', { change: realClients })
  people = peopleOf(() => house.gate, house.sandbox)
})
afterAll(async () => {
  for (const one of closing) one.close()
  await house.stop()
})

const restrict = (meter: string, lift: boolean): Promise<unknown> => house.gate.command('subject restrict', { meter, lift })
const giveBack = (client: string, token: string): Promise<Response> =>
  fetch(`${house.gate.url}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ client_id: client, token }) })

/** The operator changes the settings of a running gate. */
async function disabled(now: boolean): Promise<void> {
  const { config, gate } = house.gate
  const [on, off] = [`name: Client ${PLUGIN}\n`, `name: Client ${PLUGIN}\n    disabled: true\n`]
  const text = readFileSync(config, 'utf8')
  writeFileSync(config, now ? text.replace(on, off) : text.replace(off, on))
  expect(await gate.reload()).toStrictEqual([])
}

interface Installed {
  readonly plugin: DomoticzLinky
  readonly tokens: Tokens
  readonly person: Walker
  readonly flow: ReturnType<typeof deviceFlow>
}

/** The plugin on a meter, from nothing. */
async function installed(meter: string, lines?: readonly string[], goesBack = 20): Promise<Installed> {
  const person = people.browser()
  const { show, wait } = meanwhile((page) => people.givesTo(person, page, meter, lines))
  const flow = deviceFlow({ base: house.gate.url, clientId: PLUGIN, headers: PLUGIN_HEADERS, holdsConnection: true, show, wait })
  const linked = await flow.link()
  if (linked.is !== 'linked') throw new Error(`the plugin has no tokens: ${JSON.stringify(linked)}`)
  const { tokens } = linked
  const plugin = domoticzLinky({
    base: house.gate.url,
    meter: tokens.meters,
    tokens,
    // Its refresh token is the first one for ever.
    refresh: (held) => flow.refresh({ ...tokens, ...held }),
    today: () => today(0),
    days: goesBack,
    wait: () => sleep(QUOTA_MS),
  })
  closing.push(plugin, flow)
  return { plugin, tokens, person, flow }
}

describe('DomoticzLinky', () => {
  test('polls ten seconds after its code, on the connection that it has, and is given its tokens', async () => {
    const person = people.browser()
    let giving: Promise<unknown> = Promise.resolve()
    const flow = deviceFlow({
      base: house.gate.url,
      clientId: PLUGIN,
      headers: PLUGIN_HEADERS,
      holdsConnection: true,
      show: (page) => void (giving = people.givesTo(person, page, HOUSE)),
      wait: (ms) => sleep(ms),
    })
    closing.push(flow)
    const began = Date.now()
    const linked = await flow.link()
    await giving
    expect(linked).toMatchObject({ is: 'linked', tokens: { type: 'Bearer', meters: HOUSE } })
    expect(Date.now() - began).toBeGreaterThanOrEqual(10_000)
    expect([flow.heard, flow.connections.size]).toStrictEqual([['/device/code 200', '/device/token 200'], 1])
  })

  test('polls on for as long as the person takes', async () => {
    const person = people.browser()
    let [page, waited] = ['', 0]
    const flow = deviceFlow({
      base: house.gate.url,
      clientId: PLUGIN,
      headers: PLUGIN_HEADERS,
      holdsConnection: true,
      show: (shown) => void (page = shown),
      async wait() {
        waited += 1
        if (waited === 2) await person.get(page)
        if (waited === 3) await people.givesTo(person, page, SECOND_HOME)
      },
    })
    closing.push(flow)
    expect(await flow.link()).toMatchObject({ is: 'linked', tokens: { meters: SECOND_HOME } })
    expect(flow.heard.slice(1)).toStrictEqual([
      ...Array.from({ length: 2 }, () => '/device/token 400 authorization_pending'),
      '/device/token 200',
    ])
  })

  describe('on the meter of one person', () => {
    let it: Installed
    beforeAll(async () => {
      it = await installed(BOTH_WAYS)
    })

    test('reads what it asks for, and its permission is what was ticked', async () => {
      expect(await it.plugin.run()).toStrictEqual({ ended: 'success' })
      const { curve, production, peak } = it.plugin.stored
      expect([...curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
      expect([...production.keys()].toSorted()).toStrictEqual(days(-20, 0))
      expect(peak.size).toBe(32)
      expect([it.plugin.heard.filter((line) => !line.startsWith('200')), it.plugin.connections.size]).toStrictEqual([[], 1])
    })

    test('keeps its tokens through a refusal that passes, and goes on', async () => {
      await restrict(BOTH_WAYS, false)
      expect(await it.plugin.run()).toStrictEqual({ ended: 'failed', why: '503' })
      expect(it.plugin.tokens?.access).toBe(it.tokens.access)
      // Nothing that it could ask for in that time ends it: a refresh is one of them.
      expect(await it.flow.refresh(it.tokens)).toMatchObject({ type: 'Bearer', meters: BOTH_WAYS })
      await restrict(BOTH_WAYS, true)
      expect(await it.plugin.run()).toStrictEqual({ ended: 'success' })
    })

    test('waits for a quota of Enedis’s, on the connection that it has', async () => {
      house.sandbox.misbehave({ meter: BOTH_WAYS, kind: 'error', error: 'throttled' })
      const before = it.plugin.heard.length
      expect(await it.plugin.run()).toStrictEqual({ ended: 'success' })
      expect(it.plugin.heard.slice(before).map((line) => line.slice(0, 3))).toStrictEqual(['429', '200'])
      expect(it.plugin.connections.size).toBe(1)
    })

    test('renews an access token that is none any more, with the refresh token that it was first given', async () => {
      expect((await giveBack(PLUGIN, it.tokens.access)).status).toBe(200)
      const before = it.plugin.heard.length
      expect(await it.plugin.run()).toStrictEqual({ ended: 'success' })
      expect(it.plugin.heard.slice(before).map((line) => line.slice(0, 3))).toStrictEqual(['401', '200'])
      expect(it.plugin.tokens?.access).not.toBe(it.tokens.access)
      expect(it.plugin.tokens).toMatchObject({ refresh: it.tokens.refresh, meters: BOTH_WAYS })
    })

    test('keeps its tokens while its operator has the client disabled, though neither data nor a refresh is to be had', async () => {
      const held = it.plugin.tokens
      await disabled(true)
      const before = it.flow.heard.length
      expect(await it.plugin.run()).toStrictEqual({ ended: 'failed', why: 'no refresh' })
      expect(it.flow.heard.slice(before)).toStrictEqual(Array.from({ length: 3 }, () => '/device/token 503 temporarily_unavailable'))
      expect(it.plugin.tokens).toStrictEqual(held)
      await disabled(false)
      expect(await it.plugin.run()).toStrictEqual({ ended: 'success' })
    })

    test('ends when the person withdraws: it erases its tokens, and a refresh gives it no others', async () => {
      await people.withdraws(it.person, PLUGIN, BOTH_WAYS)
      const calls = house.sandbox.calls().length
      expect(await it.plugin.run()).toStrictEqual({ ended: 'off' })
      expect([it.plugin.on, it.plugin.tokens, it.plugin.heard.at(-1)?.slice(0, 3)]).toStrictEqual([false, undefined, '403'])
      expect(await it.flow.refresh(it.tokens)).toBe('off')
      expect(house.sandbox.calls()).toHaveLength(calls)
    })
  })

  test('of a longer time than was given takes what there is, and stops going back', async () => {
    const { plugin, tokens } = await installed(BIG_ID, undefined, 50)
    expect(await plugin.run()).toStrictEqual({ ended: 'success' })
    const [oldest] = [...plugin.stored.curve.keys()].toSorted()
    expect(oldest! >= today(-HISTORY)).toBe(true)
    expect(plugin.heard.find((line) => line.startsWith('404'))).toBe('404 /metering_data_clc/v5/consumption_load_curve')
    expect(plugin.tokens?.access).toBe(tokens.access)
  })

  test('without the series that were not ticked has the one that was', async () => {
    const { plugin } = await installed(THREE[0], ['l1'])
    expect(await plugin.run()).toStrictEqual({ ended: 'success' })
    expect([...plugin.stored.curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
    expect(plugin.heard.slice(3)).toStrictEqual([
      '404 /metering_data_dcmp/v5/daily_consumption_max_power',
      '404 /metering_data_plc/v5/production_load_curve',
    ])
    expect(plugin.on).toBe(true)
  })

  test('is told to begin again, and not to end, where the person refuses', async () => {
    const person = people.browser()
    const { show, wait, waited } = meanwhile(async (page) => {
      const asked = await person.submit(await person.get(page), [['mine', 'yes']])
      await person.submit(asked, [['answer', 'refuse']])
    })
    const flow = deviceFlow({ base: house.gate.url, clientId: PLUGIN, headers: PLUGIN_HEADERS, holdsConnection: true, show, wait })
    closing.push(flow)
    expect(await flow.link()).toStrictEqual({ is: 'later', why: 'expired_token' })
    expect(waited).toHaveLength(3)
    expect(flow.heard.slice(1)).toStrictEqual([
      '/device/token 400 access_denied',
      '/device/token 400 expired_token',
      '/device/token 400 expired_token',
    ])
  })
})

test('of two meters of one person a withdrawal of one ends that one: what is left is read, and renewed by a client that names both', async () => {
  const other = await aHouse('v1', { change: realClients })
  const both = [THREE[0], THREE[1]] as const
  try {
    const their = peopleOf(() => other.gate, other.sandbox)
    const person = their.browser()
    const { show, wait } = meanwhile(async (page) => {
      const asked = await person.submit(await person.get(page), [['mine', 'yes']])
      const callback = await other.accepted(person, await person.submit(asked, ticked(['l1'])), ...both)
      const choice = await person.get(callback.href)
      const done = await person.submit(
        choice,
        both.map((meter) => ['meter', `prm:${meter}`] as const),
      )
      expect(done.status).toBe(200)
    })
    const flow = deviceFlow({ base: other.gate.url, clientId: PLUGIN, headers: PLUGIN_HEADERS, holdsConnection: true, show, wait })
    closing.push(flow)
    const linked = await flow.link()
    expect(linked).toMatchObject({ is: 'linked', tokens: { meters: both.join(',') } })
    if (linked.is !== 'linked') return
    await their.withdraws(person, PLUGIN, both[0])
    const { tokens } = linked
    const fresh = await flow.refresh(tokens)
    expect(fresh).toMatchObject({ meters: both.join(',') })
    const plugin = domoticzLinky({
      base: other.gate.url,
      meter: both[1],
      tokens: fresh as Tokens,
      refresh: (held) => flow.refresh({ ...tokens, ...held }),
      today: () => today(0),
      days: 7,
      wait: () => Promise.resolve(),
    })
    closing.push(plugin)
    expect(await plugin.run()).toStrictEqual({ ended: 'success' })
    await their.withdraws(person, PLUGIN, both[1])
    expect(await plugin.run()).toStrictEqual({ ended: 'off' })
    expect(await flow.refresh(tokens)).toBe('off')
  } finally {
    await other.stop()
  }
})

describe('the app for Homey', () => {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' }
  const METER = THREE[1]
  const person = { browser: undefined as Walker | undefined }
  let flow: ReturnType<typeof deviceFlow>
  let tokens: Tokens
  beforeAll(async () => {
    const browser = people.browser()
    person.browser = browser
    const { show, wait } = meanwhile((page) => people.givesTo(browser, page, METER))
    flow = deviceFlow({ base: house.gate.url, clientId: HOMEY, headers, holdsConnection: false, show, wait })
    const linked = await flow.link()
    if (linked.is !== 'linked') throw new Error(`the app has no tokens: ${JSON.stringify(linked)}`)
    tokens = linked.tokens
  })

  async function read(path: string, query: Readonly<Record<string, string>> = {}): Promise<Awaited<ReturnType<typeof ask>>> {
    const target = `/data/proxy/${path}?${new URLSearchParams({ usage_point_id: METER, ...query }).toString()}`
    return ask(house.gate.url + target, { headers: { Accept: 'application/json', Authorization: `Bearer ${tokens.access}` } })
  }
  const daily = (): ReturnType<typeof read> => read('metering_data_dc/v5/daily_consumption', { start: today(-5), end: today(0) })

  test('reads its days; the contract, which nobody allowed it, is refused, which ends nothing', async () => {
    const told = await daily()
    expect([told.status, fieldsOf(told.text)['meter_reading']]).toMatchObject([200, { usage_point_id: METER }])
    const contract = await read('customers_upc/v5/usage_points/contracts')
    expect(contract.status).toBe(404)
    expect((await daily()).status).toBe(200)
  })

  test('renews its token, and is told by a refresh that a withdrawn consent is over', async () => {
    await giveBack(HOMEY, tokens.access)
    expect([(await daily()).status, fieldsOf((await daily()).text)['error']]).toStrictEqual([401, 'invalid_token'])
    const fresh = await flow.refresh(tokens)
    expect(fresh).toMatchObject({ type: 'Bearer', meters: METER })
    tokens = fresh as Tokens
    expect((await daily()).status).toBe(200)
    await people.withdraws(person.browser as Walker, HOMEY, METER)
    expect((await daily()).status).toBe(403)
    expect(await flow.refresh(tokens)).toBe('off')
  })
})
