/**
 * The way from nothing to data with a gate that is killed between each two steps and started again on its folder: while
 * people stand on its pages, between consent and token, between token and data, and with a call of every client under way.
 * All clients go the same way at once, so that each kill meets each of them at another step. Beside it, a gate whose access
 * tokens live for a minute, which passes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { V1Client, V1Tokens } from '../clients/data-connect-proxy.ts'
import { authorizeAt as v1AuthorizeAt, v1Tokens } from '../clients/data-connect-proxy.ts'
import type { DeviceFlow, Linked, Tokens } from '../clients/device-flow.ts'
import { deviceFlow } from '../clients/device-flow.ts'
import type { DomoticzLinky } from '../clients/domoticz-linky.ts'
import { domoticzLinky, PLUGIN_HEADERS } from '../clients/domoticz-linky.ts'
import type { Eddie } from '../clients/eddie.ts'
import { authorizeAt, calledBack, eddie, tokenProvider } from '../clients/eddie.ts'
import { firstImport } from '../clients/ha-linky.ts'
import { askMcp } from '../clients/mcp-server.ts'
import type { Client2026 } from '../clients/measures-2026.ts'
import { client2026 } from '../clients/measures-2026.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, removeFolder } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import type { Page, Walker } from '../harness/walker.ts'
import { aHouse, APPLICATION, BOTH_WAYS, freePort, HOUSE, recorded, tokenOn, WIDE, withPortal } from './journey-given.ts'
import type { People } from './nothing-to-data-given.ts'
import {
  CONSO,
  days,
  EDDIE,
  HOMEY,
  meanwhile,
  MODERN,
  peopleOf,
  PLUGIN,
  readHomey,
  readV1,
  realClients,
  V1,
  V1_CALLBACK,
} from './nothing-to-data-given.ts'

/** Each of another person. */
const METERS = {
  plugin: BOTH_WAYS,
  homey: HOUSE,
  eddie: '22315546958763',
  modern: '11453290002823',
  v1: '63695879465986',
  conso: '22516914714270',
} as const
type Who = keyof typeof METERS
const TTL_MS = 60_000
/** Longer than the rest of the test: a call under way until the gate dies. */
const UNDER_WAY_MS = 60_000

let sandbox: Sandbox
let gate: GateProcess
let port: number
let people: People
let secrets: Readonly<Record<string, string>>
const start = (before?: GateProcess): Promise<GateProcess> =>
  aGateProcess({
    holderUrl: sandbox.url,
    change(tree) {
      withPortal(port, sandbox.url, 'v2')(tree)
      realClients(tree)
    },
    ...(before && { folder: before.folder, env: before.env }),
  })
async function again(): Promise<void> {
  await gate.kill()
  gate = await start(gate)
}

beforeAll(async () => {
  aged = await agedClients()
  port = await freePort()
  sandbox = await startSandbox({ port: 0, credentials: [APPLICATION], quotas: WIDE })
  sandbox.register(APPLICATION.clientId, `http://127.0.0.1:${port}/consent/callback`)
  gate = await start()
  people = peopleOf(() => gate, sandbox)
  const made = [EDDIE, MODERN, V1].map(async (client) => {
    const { secret } = await gate.command<{ secret: string }>('client add', { client })
    return [client, secret] as const
  })
  secrets = Object.fromEntries(await Promise.all(made))
})
afterAll(async () => {
  for (const one of [flows.plugin, flows.homey, plugin, aged.flow]) one?.close()
  await aged.house.stop()
  await gate.stop()
  await sandbox.close()
  removeFolder(gate)
})

const credentials = (clientId: string) => ({ base: gate.url, clientId, secret: secrets[clientId] ?? '' })
const v1 = (): V1Client => ({ ...credentials(V1), redirectUri: V1_CALLBACK })

// What the clients have, from one step to the next.
const flows: { plugin?: DeviceFlow; homey?: DeviceFlow } = {}
let plugin: DomoticzLinky | undefined
let linked: { readonly plugin: Tokens; readonly homey: Tokens }
let connector: Eddie
let modern: Client2026
let v1Held: V1Tokens
let pasted: string
let aged: Awaited<ReturnType<typeof agedClients>>

/** A device flow whose waits end when the test says so. */
function heldUp(
  clientId: string,
  holdsConnection: boolean,
): { readonly flow: DeviceFlow; readonly page: () => string; readonly go: () => void } {
  let page = ''
  let turn = Promise.withResolvers<void>()
  const flow = deviceFlow({
    base: gate.url,
    clientId,
    headers: PLUGIN_HEADERS,
    holdsConnection,
    show: (shown) => void (page = shown),
    wait: () => turn.promise,
  })
  return {
    flow,
    page: () => page,
    go() {
      turn.resolve()
      turn = Promise.withResolvers()
    },
  }
}
function tokensOf(result: Linked): Tokens {
  if (result.is !== 'linked') throw new Error(`no tokens: ${JSON.stringify(result)}`)
  return result.tokens
}

test('killed while people are on its pages, and before a token is fetched: each consent that was begun is finished', async () => {
  const browsers = Object.fromEntries(Object.keys(METERS).map((who) => [who, people.browser()])) as Record<Who, Walker>
  const [domoticz, homey] = [heldUp(PLUGIN, true), heldUp(HOMEY, false)]
  Object.assign(flows, { plugin: domoticz.flow, homey: homey.flow })
  const linking = { plugin: domoticz.flow.link(), homey: homey.flow.link() }
  await expect.poll(() => [domoticz.page(), homey.page()].every((page) => page !== ''), { interval: 20 }).toBe(true)
  const codePage = await browsers.homey.get(homey.page())
  const asked: Partial<Record<Who, Page>> = {}
  modern = client2026({ ...credentials(MODERN), wait: () => Promise.resolve() })
  asked.eddie = await browsers.eddie.get(authorizeAt(gate.url, EDDIE, 'e'))
  asked.modern = await browsers.modern.get(modern.authorizeAt('m'))
  asked.v1 = await browsers.v1.get(v1AuthorizeAt(v1(), 'v'))
  asked.conso = await browsers.conso.get(`${gate.url}/consent/new?client=${CONSO}`)

  await again()
  // The plugin sees its connection closed: it gives up, and begins in an hour with another code.
  domoticz.go()
  expect(await linking.plugin).toStrictEqual({ is: 'later', why: 'the connection was closed' })
  linking.plugin = domoticz.flow.link()
  asked.homey = await browsers.homey.submit(codePage, [['mine', 'yes']])
  const callbacks: Partial<Record<Who, string>> = {}
  for (const who of ['eddie', 'modern', 'v1', 'conso'] as const)
    callbacks[who] = await people.accepts(browsers[who], asked[who]!, METERS[who])

  await again()
  const back: Partial<Record<Who, Page>> = {}
  for (const who of ['eddie', 'modern', 'v1', 'conso'] as const) back[who] = await browsers[who].get(callbacks[who]!)
  pasted = tokenOn(back.conso!)
  expect(pasted).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  // That code of the plugin's was asked for before this kill: it gives up once more, and asks for one more.
  domoticz.go()
  expect((await linking.plugin).is).toBe('later')
  linking.plugin = domoticz.flow.link()
  await expect.poll(() => domoticz.flow.heard.filter((line) => line === '/device/code 200').length, { interval: 20 }).toBe(3)
  await people.givesTo(browsers.plugin, domoticz.page(), METERS.plugin)
  const homeyBack = await people.accepts(browsers.homey, asked.homey, METERS.homey)

  await again()
  // The journey of a device that was begun two kills ago ends here.
  expect((await browsers.homey.get(homeyBack)).status).toBe(200)
  homey.go()
  const homeyTokens = tokensOf(await linking.homey)
  expect(homeyTokens.meters).toBe(METERS.homey)
  // What was given to the plugin before the kill it never fetched: the same person gives it again, to its next code.
  domoticz.go()
  expect(await linking.plugin).toStrictEqual({ is: 'later', why: 'the connection was closed' })
  linking.plugin = domoticz.flow.link()
  await expect.poll(() => domoticz.flow.heard.filter((line) => line === '/device/code 200').length, { interval: 20 }).toBe(4)
  await people.givesTo(browsers.plugin, domoticz.page(), METERS.plugin)
  domoticz.go()
  linked = { homey: homeyTokens, plugin: tokensOf(await linking.plugin) }
  expect(linked.plugin.meters).toBe(METERS.plugin)

  const addresses = { eddie: back.eddie?.left ?? '', modern: back.modern?.left ?? '', v1: back.v1?.left ?? '' }
  const tokens = tokenProvider(credentials(EDDIE))
  const [usagePoint = ''] = calledBack(addresses.eddie, 'e') ?? []
  expect(usagePoint).toBe(METERS.eddie)
  connector = eddie({
    base: gate.url,
    token: tokens.token,
    refused: tokens.drop,
    usagePoint,
    start: today(-20),
    today: () => today(0),
    wait: () => Promise.resolve(),
  })
  await tokens.token()
  expect(await modern.metersOf(new URL(addresses.modern).searchParams.get('autorisation_id') ?? '')).toStrictEqual([METERS.modern])
  const code = new URL(addresses.v1).searchParams.get('code') ?? ''
  v1Held = await v1Tokens(v1(), { grant_type: 'authorization_code', code })
  expect(v1Held.usagePoints).toStrictEqual([METERS.v1])

  const inForce = (await recorded(gate)).filter((p) => p.status === 'active').map((p) => p.content.meter)
  expect(inForce.toSorted()).toStrictEqual(
    Object.values(METERS)
      .map((meter) => `prm:${meter}`)
      .toSorted(),
  )
})

const importConso = (): ReturnType<typeof firstImport> => firstImport({ base: gate.url, token: pasted, prm: METERS.conso, today: today(0) })

test('killed between token and data: every token is what it was', async () => {
  await again()
  expect((await readHomey(gate.url, linked.homey.access, METERS.homey)).status).toBe(200)
  expect((await readV1(gate.url, v1Held.access, METERS.v1)).usage_point_id).toBe(METERS.v1)
  expect((await modern.read('curve', METERS.modern, today(-3), today(0))).is).toBe('points')
  const conso = await importConso()
  expect([conso.ended, conso.warnings, modern.tokens]).toStrictEqual(['windows', [], 1])
})

test('killed with a call of each under way: each loses that answer and nothing else, and every call has its end on record', async () => {
  const flow = flows.plugin!
  const { plugin: tokens } = linked
  plugin = domoticzLinky({
    base: gate.url,
    meter: tokens.meters,
    tokens: { access: tokens.access, type: tokens.type },
    refresh: (held) => flow.refresh({ ...tokens, ...held }),
    today: () => today(0),
    days: 20,
    wait: () => Promise.resolve(),
  })
  const before = sandbox.calls().length
  const dies = Object.values(METERS)
  // The first window of those that read window by window comes, the second is under way.
  for (const meter of [METERS.plugin, METERS.eddie]) sandbox.misbehave({ meter, kind: 'delay', ms: 1 })
  for (const meter of dies) sandbox.misbehave({ meter, kind: 'delay', ms: UNDER_WAY_MS })
  let restarted: Promise<void> = Promise.resolve()
  const running = {
    plugin: plugin.run(),
    eddie: connector.poll(),
    homey: readHomey(gate.url, linked.homey.access, METERS.homey).catch((error: unknown) => error),
    v1: readV1(gate.url, v1Held.access, METERS.v1).catch((error: unknown) => error),
    modern: modern.read('curve', METERS.modern, today(-3), today(0)),
    mcp: askMcp(
      { base: `${gate.url}/api`, token: pasted, prm: METERS.conso, wait: () => restarted },
      'daily_consumption',
      today(-5),
      today(0),
    ),
  }
  await expect.poll(() => sandbox.calls().length - before, { interval: 20, timeout: 10_000 }).toBe(dies.length + 2)
  restarted = again()
  expect(await running.plugin).toStrictEqual({ ended: 'failed', why: 'no answer' })
  expect([plugin.on, plugin.stored.curve.size]).toStrictEqual([true, 7])
  await running.eddie
  expect([connector.status, connector.next]).toStrictEqual(['ACCEPTED', today(-13)])
  expect(await running.homey).toBeInstanceOf(Error)
  expect(await running.v1).toBeInstanceOf(Error)
  expect(await running.modern).toStrictEqual({ is: 'later', why: 'no answer' })
  await restarted
  expect(await running.mcp).toMatchObject({ ok: true, tries: 2 })

  expect(await plugin.run()).toStrictEqual({ ended: 'success' })
  expect([...plugin.stored.curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
  await connector.poll()
  expect([connector.status, connector.next, connector.points.length]).toStrictEqual(['ACCEPTED', today(0), 20 * 48])
  expect((await readHomey(gate.url, linked.homey.access, METERS.homey)).status).toBe(200)
  expect((await readV1(gate.url, v1Held.access, METERS.v1)).usage_point_id).toBe(METERS.v1)
  expect((await modern.read('curve', METERS.modern, today(-3), today(0))).is).toBe('points')
  expect((await importConso()).warnings).toStrictEqual([])

  const entries = await gate.entries()
  const intents = entries.filter((e) => e.t === 'access.intent').map((e) => e.n)
  const measured = sandbox.calls().filter((call) => call.meter !== undefined && call.method === 'GET')
  expect(intents).toHaveLength(measured.length)
  const outcomes = entries.filter((e) => e.t === 'access.outcome')
  expect(outcomes.map((e) => Number(e['intent'])).toSorted((a, b) => a - b)).toStrictEqual(intents)
  expect(outcomes.filter((e) => e['result'] === 'interrupted')).toHaveLength(dies.length)
})

test('a minute later each token is over by itself: it is renewed, or asked for anew, and nobody has lost anything', async () => {
  const { house, flow, device, held, modern: other } = aged
  await sleep(Math.max(0, aged.at + TTL_MS + 1000 - Date.now()))
  const { url } = house.gate
  const { access, type, meters } = device
  const late = domoticzLinky({
    base: url,
    meter: meters,
    tokens: { access, type },
    refresh: (old) => flow.refresh({ ...device, ...old }),
    today: () => today(0),
    days: 5,
    wait: () => Promise.resolve(),
  })
  expect(await late.run()).toStrictEqual({ ended: 'success' })
  expect(late.heard.slice(0, 2).map((line) => line.slice(0, 3))).toStrictEqual(['401', '200'])
  late.close()

  await expect(readV1(url, held.access, METERS.v1)).rejects.toMatchObject({ code: 'invalid_token', message: 'The token has expired' })
  const renewed = await v1Tokens(aged.client, { grant_type: 'refresh_token', refresh_token: held.refresh })
  expect((await readV1(url, renewed.access, METERS.v1)).usage_point_id).toBe(METERS.v1)

  expect((await other.read('curve', METERS.modern, today(-3), today(0))).is).toBe('points')
  expect(other.tokens).toBe(2)
  // A token that was copied from a page lives as long as the consent.
  expect(await askMcp({ ...aged.mcp, wait: () => Promise.resolve() }, 'daily_consumption', today(-5), today(0))).toMatchObject({ ok: true })
})

/** Clients of a second gate, whose access tokens live for a minute, which passes while the first one is killed. */
async function agedClients() {
  const house = await aHouse('v2', {
    change(tree) {
      realClients(tree)
      tree['tokens'] = { ttl_seconds: TTL_MS / 1000 }
    },
  })
  const { url } = house.gate
  const persons = peopleOf(() => house.gate, house.sandbox)
  const secretOf = async (client: string) => (await house.gate.command<{ secret: string }>('client add', { client })).secret
  const { show, wait } = meanwhile((page) => persons.givesTo(persons.browser(), page, METERS.plugin))
  const flow = deviceFlow({ base: url, clientId: PLUGIN, headers: PLUGIN_HEADERS, holdsConnection: true, show, wait })
  const device = tokensOf(await flow.link())
  const client: V1Client = { base: url, clientId: V1, secret: await secretOf(V1), redirectUri: V1_CALLBACK }
  const back = await persons.authorizes(persons.browser(), v1AuthorizeAt(client, 'aged'), METERS.v1)
  const held = await v1Tokens(client, { grant_type: 'authorization_code', code: new URL(back).searchParams.get('code') ?? '' })
  const other = client2026({ base: url, clientId: MODERN, secret: await secretOf(MODERN), wait: () => Promise.resolve() })
  const given = await persons.authorizes(persons.browser(), other.authorizeAt('aged'), METERS.modern)
  await other.metersOf(new URL(given).searchParams.get('autorisation_id') ?? '')
  const token = await persons.copiesToken(persons.browser(), CONSO, METERS.conso)
  return { house, flow, device, client, held, modern: other, mcp: { base: `${url}/api`, token, prm: METERS.conso }, at: Date.now() }
}
