/**
 * Unmodified clients of every shape over real sockets, from a full consent to the end of one: the plugin of Domoticz on
 * the device flow's routes, ha-linky, linky and the MCP server on those of Conso API, Consometers' proxy on v4, EDDIE on
 * v5. In front of the simulated Enedis; each scenario on a meter of its own.
 *
 * What must hold throughout: nothing that passes by itself makes a client erase its token or end its permission.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { meteringData } from '../clients/data-connect-proxy.ts'
import type { DomoticzLinky, DomoticzLinkyOptions } from '../clients/domoticz-linky.ts'
import { domoticzLinky, PLUGIN_HEADERS } from '../clients/domoticz-linky.ts'
import type { Eddie, EddieOptions } from '../clients/eddie.ts'
import { eddie } from '../clients/eddie.ts'
import { firstImport } from '../clients/ha-linky.ts'
import { ask, fieldsOf } from '../clients/http.ts'
import { linkySession } from '../clients/linky.ts'
import type { McpAnswer } from '../clients/mcp-server.ts'
import { askMcp } from '../clients/mcp-server.ts'
import type { Entry, GateHandle, GateProcess, TestGate } from '../harness/gate.ts'
import { replayState } from '../../src/audit.ts'
import { aGate, aGateProcess, removeFolder } from '../harness/gate.ts'
import type { Client, Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'

/** Meters of the simulated Enedis, one for each scenario. */
const FULL = '10000000000009' // consumes and produces
const PARTIAL = '10000000000002'
const FEW = '22516914714270'
const DAYS_ONLY = '12345678901234'
const NO_CURVE = '32320647321714'
const HELD = '64975835695673'
const WITHDRAWN = '63695879465986'
const THROTTLED = '22315546958763'
const EXPIRED = '11453290002823'
const RESTARTED = '10000000000001'
const REFUSED = '10000000000003' // in service for 45 days
const NEVER = '10000000000004'
const FAST = { perSecond: 100_000, perHour: 1_000_000 }
/** The quota of the simulated Enedis is free again in a second or two. */
const QUOTA_MS = 2100

const PURPOSE = { viriya: 'self_view', office: 'solar_sizing', domoticz: 'home_automation' } as const
const LINES = {
  curve: ['load_curve', 'withdrawal', 'PT30M'],
  daily: ['daily_energy', 'withdrawal', 'P1D'],
  peak: ['max_power', 'withdrawal', 'P1D'],
  production: ['load_curve', 'injection', 'PT30M'],
} as const
type Line = keyof typeof LINES
const ALL = Object.keys(LINES) as Line[]

let sandbox: Sandbox
let gate: TestGate
let tokens: Record<Client, string>
/** Names the meters of all that viriya holds, for the clients that look for theirs. */
let readable: string

/** Nobody chose a style for these clients: the path that they call tells it. */
function unstyled(tree: Tree): void {
  for (const client of tree['clients'] as Tree[]) delete client['denial_style']
}

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    quotas: { v5: FAST, '2026': FAST },
    credentials: [{ clientId: 'application', secret: 'holder-client-secret-canary' }],
  })
  gate = await aGate({ holderUrl: sandbox.url, change: unstyled })
  await permit(gate, FULL, ALL)
  await permit(gate, PARTIAL, ALL, today(-10))
  await permit(gate, FEW, ['curve'])
  await permit(gate, DAYS_ONLY, ['daily'])
  for (const meter of [NO_CURVE, HELD, REFUSED, WITHDRAWN, THROTTLED, EXPIRED]) await permit(gate, meter, ['curve', 'daily', 'peak'])
  const [viriya, office, domoticz] = await Promise.all([gate.token(), gate.token('office'), gate.token('domoticz')])
  tokens = { viriya, office, domoticz }
  const meters = [FULL, PARTIAL, FEW, DAYS_ONLY, NO_CURVE, HELD, REFUSED, WITHDRAWN, THROTTLED, EXPIRED]
  readable = await readableFor(meters)
})
afterAll(async () => {
  await gate.stop()
  await sandbox.close()
})

/** An id holds no number of a meter. */
const permissionOf = (client: string, meter: string): string => `${client}-${meter.slice(0, 4)}-${meter.slice(-4)}`

/** The same permission for the plugin and for the others. */
async function permit(on: GateHandle, meter: string, lines: readonly Line[], from = today(-400)): Promise<void> {
  for (const client of ['viriya', 'domoticz'] as const) {
    await on.permit({
      id: permissionOf(client, meter),
      client,
      meter,
      lines: lines.map((line) => {
        const [kind, direction, finest] = LINES[line]
        return { kind, direction, finest, purpose: PURPOSE[client], from, until: today(365) }
      }),
    })
  }
}

/** As `ecluse token issue viriya --permissions … --readable` makes it. */
async function readableFor(meters: readonly string[], ttlSeconds = 3600): Promise<string> {
  const order = { client: 'viriya', permissions: meters.map((meter) => permissionOf('viriya', meter)), ttlSeconds, readable: true }
  return (await gate.command<{ token: string }>('token issue', order)).token
}

const never = (): Promise<never> => Promise.reject(new Error('the plugin asked for a refresh'))
const noWait = (): Promise<void> => Promise.resolve()

function plugin(meter: string, changes: Partial<DomoticzLinkyOptions> = {}): DomoticzLinky {
  return domoticzLinky({
    base: gate.url,
    meter,
    tokens: { access: tokens.domoticz, type: 'Bearer' },
    refresh: never,
    today: () => today(0),
    days: 20,
    wait: noWait,
    ...changes,
  })
}
const haLinky = (prm: string): ReturnType<typeof firstImport> => firstImport({ base: gate.url, token: readable, prm, today: today(0) })
const linky = (prm: string, token = readable): ReturnType<typeof linkySession> => linkySession({ base: gate.url, token, prm })
const mcp = (prm: string, wait = noWait, token = tokens.viriya): Promise<McpAnswer> =>
  askMcp({ base: `${gate.url}/api`, token, prm, wait }, 'daily_consumption', today(-5), today(0))
const v4 = (meter: string, token = tokens.viriya): ReturnType<typeof meteringData> =>
  meteringData({ base: gate.url, token: () => Promise.resolve(token) }, 'consumption_load_curve', meter, today(-5), today(0))
const connector = (usagePoint: string, changes: Partial<EddieOptions> = {}): Eddie =>
  eddie({
    base: gate.url,
    token: () => Promise.resolve(tokens.viriya),
    usagePoint,
    start: today(-20),
    today: () => today(0),
    wait: noWait,
    ...changes,
  })

const days = (from: number, until: number): string[] => Array.from({ length: until - from }, (_, i) => today(from + i))
/** Calls that reached Enedis since the last time this was asked. */
let callsSeen = 0
function callsSince(): number {
  const all = sandbox.calls().length
  const since = all - callsSeen
  callsSeen = all
  return since
}
async function entriesOf(type: string, of: GateHandle = gate): Promise<readonly Entry[]> {
  return (await of.entries()).filter((entry) => entry.t === type)
}

describe('a full consent', () => {
  test('DomoticzLinky reads what it asks for, on one connection, and the next day asks for what is new', async () => {
    const it = plugin(FULL)
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([...it.stored.curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
    expect([...it.stored.production.keys()].toSorted()).toStrictEqual(days(-20, 0))
    expect([...it.stored.curve.values()].every((hours) => hours.size >= 23)).toBe(true)
    expect(it.stored.peak.size).toBe(32)
    expect(it.heard.map((line) => line.slice(0, 3))).toStrictEqual(Array.from({ length: 7 }, () => '200'))
    expect(it.connections.size).toBe(1)
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect(it.heard).toHaveLength(8)
    it.close()
  })

  test('linky gets 17 days of the curve in one answer, without the object around it', async () => {
    callsSince()
    const reading = await linky(FULL).get('consumption_load_curve', today(-20), today(-3))
    expect(Object.keys(reading)).toStrictEqual(['usage_point_id', 'start', 'end', 'quality', 'reading_type', 'interval_reading'])
    expect(reading).toMatchObject({ usage_point_id: FULL, start: today(-20), end: today(-3), reading_type: { unit: 'W' } })
    expect(callsSince()).toBe(3)
    const peak = await linky(FULL).get('consumption_max_power', today(-20), today(-3))
    expect([peak.reading_type.unit, peak.interval_reading.length]).toStrictEqual(['VA', 17])
    expect((await linky(FULL).get('production_load_curve', today(-2), today(-1))).reading_type.unit).toBe('W')
  })

  test('ha-linky imports a year', async () => {
    const { points, ended, warnings } = await haLinky(FULL)
    expect([ended, warnings]).toStrictEqual(['windows', []])
    expect(points.filter(({ date }) => date.length === 10).map(({ date }) => date)).toStrictEqual(days(-365, -7))
    expect(points.filter(({ date }) => date.length > 10)).toHaveLength(7 * 48)
  })

  test('the MCP server reads at the first try', async () => {
    expect(await mcp(FULL)).toMatchObject({ ok: true, tries: 1, reading: { usage_point_id: FULL } })
  })

  test('the proxy of Consometers reads v4', async () => {
    const reading = await v4(FULL)
    expect(reading).toMatchObject({ usage_point_id: FULL, start: today(-5), end: today(0) })
    expect(reading.interval_reading).toHaveLength(5 * 48)
  })

  test('EDDIE reads week by week', async () => {
    const it = connector(FULL)
    await it.poll()
    expect([it.status, it.granularity, it.next, it.requests, it.points.length]).toStrictEqual(['ACCEPTED', 'PT30M', today(0), 3, 20 * 48])
  })

  test('each call to Enedis is on record, and no other', async () => {
    expect(await entriesOf('access.intent')).toHaveLength(sandbox.calls().length)
  })
})

describe('a permission that opens part of the days', () => {
  test('DomoticzLinky takes what there is, stops going back, and keeps its tokens', async () => {
    const it = plugin(PARTIAL)
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([...it.stored.curve.keys()].toSorted()).toStrictEqual(days(-10, 0))
    expect(it.heard.slice(0, 3).map((line) => line.slice(0, 3))).toStrictEqual(['200', '200', '404'])
    expect(it.on).toBe(true)
    it.close()
  })

  test('ha-linky takes it for all the history that there is', async () => {
    const { points, ended, warnings } = await haLinky(PARTIAL)
    expect([ended, warnings]).toStrictEqual(['complete', []])
    expect(points.filter(({ date }) => date.length === 10).map(({ date }) => date)).toStrictEqual(days(-10, -7))
  })

  test('the answer says which days it has', async () => {
    expect(await linky(PARTIAL).get('daily_consumption', today(-20), today(-5))).toMatchObject({ start: today(-10), end: today(-5) })
    const it = connector(PARTIAL, { start: today(-12) })
    await it.poll()
    expect([it.status, it.points.length]).toStrictEqual(['ACCEPTED', 10 * 48])
  })

  test('wholly outside is told each in its own words', async () => {
    const before = meteringData(
      { base: gate.url, token: () => Promise.resolve(tokens.viriya) },
      'consumption_load_curve',
      PARTIAL,
      today(-30),
      today(-20),
    )
    await expect(before).rejects.toMatchObject({ code: 'ADAM-DC-0009' })
    await expect(linky(PARTIAL).get('daily_consumption', today(-30), today(-20))).rejects.toMatchObject({
      code: 400,
      response: { status: 400, reason: 'period_outside', error: { error: 'ADAM-ERR0123' } },
    })
  })
})

describe('a series that is not granted', () => {
  test('costs DomoticzLinky that series and nothing else', async () => {
    const it = plugin(FEW)
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([...it.stored.curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
    expect(it.heard.slice(3)).toStrictEqual([
      '404 /metering_data_dcmp/v5/daily_consumption_max_power',
      '404 /metering_data_plc/v5/production_load_curve',
    ])
    it.close()
  })

  test('leaves DomoticzLinky its tokens even where nothing is left that it could read', async () => {
    const it = plugin(DAYS_ONLY)
    expect(await it.run()).toStrictEqual({ ended: 'failed', why: 'neither consumption nor production' })
    expect(it.tokens).toStrictEqual({ access: tokens.domoticz, type: 'Bearer' })
    it.close()
  })

  test('lets ha-linky go on with the daily series', async () => {
    const { points, ended, warnings } = await haLinky(DAYS_ONLY)
    expect(warnings.map(({ code, response }) => [code, response['reason']])).toStrictEqual([[403, 'kind_not_covered']])
    expect([ended, points.map(({ date }) => date)]).toStrictEqual(['windows', days(-358, 0)])
  })

  test('is told to the others as Enedis would', async () => {
    await expect(v4(DAYS_ONLY)).rejects.toMatchObject({
      code: 'ADAM-DC-0008',
      message: 'No consent can be found for this customer and this usage point.',
    })
    const curve = askMcp(
      { base: `${gate.url}/api`, token: tokens.viriya, prm: DAYS_ONLY, wait: noWait },
      'consumption_load_curve',
      today(-5),
      today(0),
    )
    expect(await curve).toStrictEqual({ ok: false, status: 403, tries: 1 })
  })

  test('where no curve is recorded EDDIE falls back to the days, ha-linky too', async () => {
    const it = connector(NO_CURVE)
    await it.poll()
    expect([it.status, it.granularity, it.points.length]).toStrictEqual(['ACCEPTED', 'P1D', 20])
    const { points, warnings } = await haLinky(NO_CURVE)
    expect([points.length, warnings.map(({ code }) => code)]).toStrictEqual([358, [404]])
  })
})

describe('a meter that the client has no permission for', () => {
  test('is 404 to the plugin, 401 to Conso API, 403 to a client of Enedis', async () => {
    const it = plugin(NEVER)
    expect((await it.run()).ended).toBe('failed')
    expect(it.on).toBe(true)
    it.close()
    expect(() => linky(NEVER)).toThrow(RangeError)
    const query = new URLSearchParams({ prm: NEVER, start: today(-5), end: today(0) }).toString()
    const told = await ask(`${gate.url}/api/daily_consumption?${query}`, { headers: { Authorization: `Bearer ${readable}` } })
    expect([told.status, fieldsOf(told.text)]).toMatchObject([
      401,
      { status: 401, reason: 'no_permission', error: { error: 'ADAM-DC-0008' } },
    ])
    await expect(v4(NEVER)).rejects.toMatchObject({ code: 'ADAM-DC-0008' })
  })
})

describe('a refusal that passes by itself', () => {
  const restrict = (lift: boolean): Promise<unknown> => gate.command('subject restrict', { meter: HELD, lift })

  test('erases nobody’s token and ends nobody’s permission; once it has passed they go on', async () => {
    callsSince()
    const [home, business] = [plugin(HELD), connector(HELD)]
    await restrict(false)
    expect(await home.run()).toStrictEqual({ ended: 'failed', why: '503' })
    expect(home.tokens).toStrictEqual({ access: tokens.domoticz, type: 'Bearer' })
    await business.poll()
    expect([business.status, business.next]).toStrictEqual(['ACCEPTED', today(-20)])
    expect((await haLinky(HELD)).warnings.map(({ code, response }) => [code, response['reason']])).toStrictEqual([
      [503, 'suspended'],
      [503, 'suspended'],
    ])
    await expect(v4(HELD)).rejects.toMatchObject({ code: 'technical_error' })
    expect(await mcp(HELD)).toStrictEqual({ ok: false, status: 503, tries: 4 })
    expect(callsSince()).toBe(0)

    await restrict(true)
    expect(await home.run()).toStrictEqual({ ended: 'success' })
    await business.poll()
    expect([business.status, business.next]).toStrictEqual(['ACCEPTED', today(0)])
    home.close()
  })

  test('is over for the MCP server before its last try', async () => {
    await restrict(false)
    expect(await mcp(HELD, () => restrict(true).then(() => undefined))).toMatchObject({ ok: true, tries: 2 })
  })
})

describe('a 403 of Enedis’s own about the consent', () => {
  test('reaches no client as one: the plugin keeps its tokens, EDDIE its permission', async () => {
    const no = (): void => sandbox.misbehave({ meter: REFUSED, kind: 'error', error: 'no_consent', times: 1 })
    const [home, business] = [plugin(REFUSED), connector(REFUSED)]
    no()
    expect(await home.run()).toStrictEqual({ ended: 'failed', why: '503' })
    expect(home.tokens).toStrictEqual({ access: tokens.domoticz, type: 'Bearer' })
    no()
    await business.poll()
    expect([business.status, business.next]).toStrictEqual(['ACCEPTED', today(-20)])
    no()
    await expect(linky(REFUSED).get('daily_consumption', today(-5), today(0))).rejects.toMatchObject({
      code: 503,
      response: { status: 503, reason: 'holder_refused', error: { error: 'technical_error' } },
    })
    expect(await home.run()).toStrictEqual({ ended: 'success' })
    await business.poll()
    expect(business.next).toBe(today(0))
    home.close()
  })
})

describe('an exhausted quota at Enedis', () => {
  const throttle = (times: number): void => sandbox.misbehave({ meter: THROTTLED, kind: 'error', error: 'throttled', times })

  test('is waited for by DomoticzLinky, ten seconds on the connection that it has', { timeout: 30_000 }, async () => {
    throttle(1)
    const waited: number[] = []
    const it = plugin(THROTTLED, {
      wait(ms) {
        waited.push(ms)
        return sleep(ms)
      },
    })
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([waited, it.heard[0], it.connections.size]).toStrictEqual([[10_000], '429 /metering_data_clc/v5/consumption_load_curve', 1])
    it.close()
  })

  test('that lasts makes it try three times, then in an hour, with the tokens that it has', async () => {
    throttle(1)
    callsSince()
    const it = plugin(THROTTLED)
    expect(await it.run()).toStrictEqual({ ended: 'failed', why: '429, three times' })
    expect(it.tokens).toStrictEqual({ access: tokens.domoticz, type: 'Bearer' })
    it.close()
    // The gate asks no more while it knows that it would be refused, for nobody.
    await expect(v4(THROTTLED)).rejects.toMatchObject({ code: '429' })
    expect(await mcp(THROTTLED)).toStrictEqual({ ok: false, status: 429, tries: 1 })
    expect((await haLinky(THROTTLED)).warnings.map(({ code, response }) => [code, response['refused_by']])).toStrictEqual([
      [429, 'quota'],
      [429, 'quota'],
    ])
    expect(callsSince()).toBe(1)
  })

  test('is waited for by EDDIE', async () => {
    const waited: number[] = []
    const it = connector(THROTTLED, {
      wait(ms) {
        waited.push(ms)
        return sleep(QUOTA_MS)
      },
    })
    throttle(1)
    await sleep(QUOTA_MS)
    await it.poll()
    expect([it.status, it.next, waited[0]]).toStrictEqual(['ACCEPTED', today(0), 60_000])
  })
})

describe('an expired token', () => {
  const expired = async (client: Client): Promise<string> => {
    const { token } = await gate.command<{ token: string }>('token issue', { client, ttlSeconds: 1 })
    await sleep(1100)
    return token
  }

  test('is refreshed by DomoticzLinky once, and the same window asked for again', async () => {
    let refreshed = 0
    const it = plugin(EXPIRED, {
      tokens: { access: await expired('domoticz'), type: 'Bearer' },
      async refresh() {
        refreshed += 1
        return { access: await gate.token('domoticz'), type: 'Bearer' }
      },
    })
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([refreshed, it.heard.slice(0, 2).map((line) => line.slice(0, 3))]).toStrictEqual([1, ['401', '200']])
    it.close()
  })

  test('is kept by DomoticzLinky where the refresh fails: it asks again in an hour', async () => {
    const access = await expired('domoticz')
    const it = plugin(EXPIRED, { tokens: { access, type: 'Bearer' }, refresh: () => Promise.resolve(undefined) })
    expect(await it.run()).toStrictEqual({ ended: 'failed', why: 'no refresh' })
    expect(it.tokens?.access).toBe(access)
    it.close()
  })

  test('is told to each in its own words', async () => {
    const token = await readableFor([EXPIRED], 1)
    await sleep(1100)
    await expect(linky(EXPIRED, token).get('daily_consumption', today(-5), today(0))).rejects.toMatchObject({
      code: 401,
      response: { status: 401, message: 'The token has expired', error: { error: 'invalid_token' }, reason: 'token_expired' },
    })
    expect(await mcp(EXPIRED, noWait, token)).toStrictEqual({ ok: false, status: 401, tries: 1 })
    await expect(v4(EXPIRED, token)).rejects.toMatchObject({ code: 'invalid_token', message: 'The token has expired' })
  })

  test('is replaced by EDDIE and the week asked for again', async () => {
    const held = [await expired('viriya')]
    const it = connector(EXPIRED, { token: () => Promise.resolve(held.pop() ?? tokens.viriya) })
    await it.poll()
    expect([it.status, it.next, it.requests]).toStrictEqual(['ACCEPTED', today(0), 4])
  })
})

describe('a withdrawal', () => {
  test('ends what each client had, the plugin by erasing its tokens', async () => {
    const [home, business] = [plugin(WITHDRAWN), connector(WITHDRAWN, { start: today(-7) })]
    expect(await home.run()).toStrictEqual({ ended: 'success' })
    await business.poll()
    const later = connector(WITHDRAWN, { start: today(-14) })
    for (const client of ['viriya', 'domoticz']) await gate.command('permission withdraw', { permission: permissionOf(client, WITHDRAWN) })
    callsSince()
    expect(await home.run()).toStrictEqual({ ended: 'off' })
    expect([home.on, home.tokens, home.heard.at(-1)?.slice(0, 3)]).toStrictEqual([false, undefined, '403'])
    expect(await home.run()).toStrictEqual({ ended: 'off' })
    home.close()
    await later.poll()
    expect(later.status).toBe('REVOKED')
    expect((await haLinky(WITHDRAWN)).warnings.map(({ code, response }) => [code, response['reason']])).toStrictEqual([
      [403, 'withdrawn'],
      [403, 'withdrawn'],
    ])
    expect(await mcp(WITHDRAWN)).toStrictEqual({ ok: false, status: 403, tries: 1 })
    await expect(v4(WITHDRAWN)).rejects.toMatchObject({ code: 'ADAM-DC-0008' })
    expect(callsSince()).toBe(0)
  })
})

describe('a gate that is killed and started again', () => {
  let port: number
  let running: GateProcess
  const start = async (): Promise<void> => {
    const { folder, env } = running
    running = await aGateProcess({ holderUrl: sandbox.url, folder, env, change: onPort })
  }
  const onPort = (tree: Tree): void => {
    unstyled(tree)
    ;(tree['listeners'] as Record<string, Tree>)['gate']!['port'] = port
  }
  beforeAll(async () => {
    port = await aFreePort()
    running = await aGateProcess({ holderUrl: sandbox.url, change: onPort })
    await permit(running, RESTARTED, ['curve', 'daily', 'peak'])
  })
  afterAll(async () => {
    await running.stop()
    removeFolder(running)
  })

  test('costs DomoticzLinky an hour, and none of its days or tokens', { timeout: 30_000 }, async () => {
    const it = plugin(RESTARTED, { base: running.url, tokens: { access: await running.token('domoticz'), type: 'Bearer' } })
    const before = sandbox.calls().length
    // The first window comes at once, the second is under way when the gate dies.
    sandbox.misbehave({ meter: RESTARTED, kind: 'delay', ms: 1, times: 1 })
    sandbox.misbehave({ meter: RESTARTED, kind: 'delay', ms: 20_000, times: 1 })
    const run = it.run()
    while (sandbox.calls().length < before + 2) await sleep(20)
    await running.kill()
    expect(await run).toStrictEqual({ ended: 'failed', why: 'no answer' })
    expect([it.on, it.stored.curve.size]).toStrictEqual([true, 7])
    await start()
    expect(await it.run()).toStrictEqual({ ended: 'success' })
    expect([...it.stored.curve.keys()].toSorted()).toStrictEqual(days(-20, 0))
    it.close()

    const calls = sandbox.calls().length - before
    expect(await entriesOf('access.intent', running)).toHaveLength(calls)
    expect((await entriesOf('access.outcome', running)).map((entry) => entry['result'])).toContain('interrupted')
  })

  test('is met again by the MCP server in its own tries', { timeout: 30_000 }, async () => {
    const token = await running.token()
    await running.kill()
    let waits = 0
    const answer = await askMcp(
      {
        base: `${running.url}/api`,
        token,
        prm: RESTARTED,
        async wait() {
          waits += 1
          if (waits === 2) await start()
        },
      },
      'daily_consumption',
      today(-5),
      today(0),
    )
    expect(answer).toMatchObject({ ok: true, tries: 3 })
  })
})

describe('the interface of Conso API', () => {
  const path = (query: Record<string, string>): string => `${gate.url}/api/daily_consumption?${new URLSearchParams(query).toString()}`
  const whole = { prm: FULL, start: today(-5), end: today(-3) }
  const authorized = (): Record<string, string> => ({ Authorization: `Bearer ${tokens.viriya}` })

  test('another method is 405, OPTIONS 200 to anybody, and HEAD, PUT and DELETE reach nothing', async () => {
    callsSince()
    const options = await fetch(path(whole), { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow'), await options.text()]).toStrictEqual([200, 'GET, OPTIONS', ''])
    const posted = await fetch(path(whole), { method: 'POST', headers: authorized(), body: 'x=1' })
    expect([posted.status, posted.headers.get('allow'), ((await posted.json()) as { status: number }).status]).toStrictEqual([
      405,
      'GET, OPTIONS',
      405,
    ])
    for (const method of ['HEAD', 'PUT', 'DELETE']) {
      expect((await fetch(path(whole), { method, headers: authorized() })).status).toBe(405)
    }
    expect(callsSince()).toBe(0)
  })

  test.each([
    ['prm of 13 digits', { ...whole, prm: '1000000000001' }, 'prm parameter must be 14 digits long.'],
    ['a date in French', { ...whole, start: '02/03/2026' }, 'Start date parameter must be in the format YYYY-MM-DD.'],
    ['no end', { prm: FULL, start: today(-5) }, 'End date parameter is required.'],
  ])('%s is 400', async (_what, query, text) => {
    const told = await ask(path(query), { headers: authorized() })
    expect([told.status, fieldsOf(told.text)]).toMatchObject([
      400,
      { status: 400, message: 'The request is malformed', error: { error: 'Invalid_request', error_description: text } },
    ])
  })

  test('linky asks for no meter that its token does not name', async () => {
    const token = await readableFor([FULL])
    await expect(gate.command('token issue', { client: 'viriya', readable: true })).rejects.toThrow('name the permissions')
    callsSince()
    expect(() => linkySession({ base: gate.url, token, prm: PARTIAL })).toThrow(RangeError)
    expect(() => linkySession({ base: gate.url, token, prm: FULL })).not.toThrow()
    expect(callsSince()).toBe(0)
  })

  test.each([
    ['no token', {}],
    ['a token that nobody gave', { Authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOlsiMTAwMDAwMDAwMDAwMDEiXX0.x' }],
  ])('%s is 401', async (_what, headers) => {
    const told = await ask(path(whole), { headers })
    expect([told.status, fieldsOf(told.text)]).toMatchObject([401, { status: 401, error: { error: 'invalid_token' } }])
    expect(told.headers).toContainEqual(['WWW-Authenticate', 'Bearer error="invalid_token"'])
  })
})

test('behind the prefix a parameter without a value is as none, and the content type of the plugin goes no further', async () => {
  const query = new URLSearchParams({ start: today(-3), end: today(-2), usage_point_id: FULL, person_id: '' })
  const told = await ask(`${gate.url}/data/proxy/metering_data_clc/v5/consumption_load_curve?${query.toString()}`, {
    headers: { ...PLUGIN_HEADERS, Authorization: `Bearer ${tokens.domoticz}` },
  })
  expect(told.status).toBe(200)
  const call = sandbox.calls().at(-1)
  expect(call?.meter).toBe(FULL)
  expect(Object.keys(call?.headers ?? {})).not.toContain('content-type')
  const bare = await ask(`${gate.url}/metering_data_clc/v5/consumption_load_curve?${query.toString()}`, {
    headers: { Authorization: `Bearer ${tokens.domoticz}` },
  })
  expect(bare.status).toBe(400)
})

test('whatever dialect a request came in, its decision is made again from its entry', async () => {
  const { different, ok, same, notRecomputable } = await replayState(gate.command, { all: true }, 'every dialect')
  expect({ different, ok }).toStrictEqual({ different: [], ok: true })
  // What no decision led to: malformed requests, and a quota.
  expect(Object.keys(notRecomputable).toSorted()).toStrictEqual(['quota', 'route'])
  expect(same).toBeGreaterThan(100)
})

async function aFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
