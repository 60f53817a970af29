/**
 * Gates that share a quota over a real Redis: no more calls than the data holder allows, whoever makes them and whatever
 * becomes of Redis, and clients take turns wherever they wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { AccountId, ClientId } from '../../src/domain/permission.ts'
import type { Reservation, Wish } from '../../src/gateway/quota.ts'
import { quotaScripts } from '../../src/gateway/quota-scripts.ts'
import type { SharedBy, SharedQuota } from '../../src/gateway/shared-quota.ts'
import { sharedQuota } from '../../src/gateway/shared-quota.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { RedisSettings } from '../../src/runtime/redis.ts'
import { redisScripts } from '../../src/runtime/redis-scripts.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import { aGate, curve } from '../harness/gate.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { RedisServer } from '../harness/redis.ts'
import { redisServer } from '../harness/redis.ts'
import { anAdmin, ask, redisStanding, until, withRedis } from '../harness/redis-gates.ts'
import { redisCluster } from '../harness/redis-topologies.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'

const MAIN = 'main' as AccountId
const API = 'mesure_synchrone_auto'
const never = new AbortController().signal
const seal = redisSeal(Buffer.alloc(32, 3))
const HOUR = 3_600_000

let server: RedisServer
beforeAll(async () => {
  server = await redisServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.start()
  await emptied()
})
async function emptied(): Promise<void> {
  const admin = anAdmin(server.port)
  await admin.flushall()
  admin.disconnect()
}
const here = (port = server.port): RedisSettings => ({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 200 })

interface Allowed {
  readonly perSecond?: number
  readonly most?: number
  readonly gates?: number
  readonly at?: RedisSettings
  readonly node?: string
  readonly by?: Partial<SharedBy>
}
let nodes = 0
/** One gate's view of the quota, once it counts with the others. */
async function aGates(allowed: Allowed = {}): Promise<SharedQuota> {
  const { perSecond = 1000, most = 1000, gates = 2, at = here() } = allowed
  const scripts = redisScripts(at, {})
  const quota = sharedQuota(
    () => ({ perSecond, most, windowMs: HOUR }),
    () => performance.timeOrigin + performance.now(),
    20_000,
    {
      scripts,
      keyOf: (kind, value) => seal.keyOf(kind, value, 'quota test'),
      nameOf: seal.nameOf,
      seal: seal.sealText,
      open: seal.openText,
      node: allowed.node ?? `gate-${(nodes += 1)}`,
      gates,
      log: { warn: () => undefined, info: () => undefined },
      beatMs: 200,
      ...allowed.by,
    },
  )
  onTestFinished(async () => {
    await quota.close()
    scripts.close()
  })
  await until(() => quota.together)
  return quota
}
function wish(client: string, calls: number, changes: Partial<Wish> = {}): Wish {
  return { client: client as ClientId, account: MAIN, api: API, calls, rule: null, ...changes }
}
async function reserved(quota: SharedQuota, asked: Wish): Promise<Extract<Reservation, { ok: true }>> {
  const reservation = await quota.reserve(asked)
  if (!reservation.ok) throw new Error(`not reserved: ${JSON.stringify(reservation)}`)
  return reservation
}
/** As many calls as it gets, one by one. */
async function calls(quota: SharedQuota, most: number, client = 'a'): Promise<number> {
  let made = 0
  for (; made < most; made += 1) {
    const one = await quota.reserve(wish(client, 1))
    if (!one.ok || !(await one.take(never))) break
    one.release()
  }
  return made
}

test('of five calls a second two gates make five together, in any second', async () => {
  const gates = await Promise.all([aGates({ perSecond: 5 }), aGates({ perSecond: 5 })])
  const made: number[] = []
  await Promise.all(
    gates.flatMap((quota, gate) =>
      Array.from({ length: 8 }, async (_, i) => {
        const one = await reserved(quota, wish(`client-${gate}-${i % 2}`, 1))
        if (await one.take(never)) made.push(performance.now())
      }),
    ),
  )
  expect(made).toHaveLength(16)
  for (const at of made) expect(made.filter((other) => other >= at && other < at + 950).length).toBeLessThanOrEqual(5)
  expect((made.at(-1) ?? 0) - (made[0] ?? 0)).toBeLessThan(5000)
})

test('all parts are reserved before the first is called, for all gates, and what was not called is given back', async () => {
  const [a, b] = [await aGates({ most: 10 }), await aGates({ most: 10 })]
  const first = await reserved(a, wish('a', 8))
  expect(await b.reserve(wish('b', 3))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 3600 })
  const second = await reserved(b, wish('b', 2))
  expect(await first.take(never)).toBe(true)
  first.release()
  second.release()
  expect(await a.reserve(wish('c', 10))).toMatchObject({ ok: false })
  await until(async () => (await b.reserve(wish('c', 9))).ok)
  expect(a.left()).toHaveLength(1)
})

test('the hour is told to the second, by any gate', async () => {
  const [a, b] = [await aGates({ most: 2 }), await aGates({ most: 2 })]
  expect(await calls(a, 2)).toBe(2)
  await sleep(1100)
  expect(await b.reserve(wish('b', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 3599 })
  expect(await b.reserve(wish('b', 1, { api: 'other' }))).toMatchObject({ ok: true })
  expect(await b.reserve(wish('b', 1, { account: 'second' as AccountId }))).toMatchObject({ ok: true })
})

test('one client waits with 40 calls at one gate, another with one at the other: the one goes next, not last', async () => {
  const [a, b] = [await aGates({ perSecond: 4 }), await aGates({ perSecond: 4 })]
  const order: string[] = []
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  for (let i = 0; i < 40; i += 1) {
    const one = await reserved(a, wish('greedy', 1))
    void one.take(leaving.signal).then((granted) => granted && order.push('greedy'))
  }
  await until(() => order.length >= 4)
  const before = order.length
  const modest = await reserved(b, wish('modest', 1))
  expect(await modest.take(never)).toBe(true)
  expect(order.length - before).toBeLessThan(9)
})

test('clients that wait at both gates take turns', async () => {
  const quotas = [await aGates({ perSecond: 2 }), await aGates({ perSecond: 2 })] as const
  const order: string[] = []
  const waits = [
    [0, 'a', 6],
    [1, 'b', 3],
    [1, 'c', 3],
  ] as const
  await Promise.all(
    waits.flatMap(([gate, client, count]) =>
      Array.from({ length: count }, async () => {
        const one = await reserved(quotas[gate], wish(client, 1))
        if (await one.take(never)) order.push(client)
      }),
    ),
  )
  // While all three wait, none is served twice more than another.
  const whileAll = order.slice(0, 9)
  const counts = ['a', 'b', 'c'].map((client) => whileAll.filter((one) => one === client).length)
  expect(Math.max(...counts) - Math.min(...counts), order.join('')).toBeLessThanOrEqual(2)
})

test('a rule’s calls an hour are counted for each client, at all gates', async () => {
  const [a, b] = [await aGates(), await aGates()]
  const rule = { id: 'r1', callsPerHour: 2 }
  const one = await reserved(a, wish('a', 2, { rule }))
  await one.take(never)
  expect(await b.reserve(wish('a', 1, { rule }))).toStrictEqual({ ok: false, whose: 'rule', retryAfterSeconds: 3600 })
  expect(await b.reserve(wish('b', 1, { rule }))).toMatchObject({ ok: true })
  one.release()
  await until(async () => (await b.reserve(wish('a', 1, { rule }))).ok)
  expect(await b.reserve(wish('a', 1, { rule: { id: 'r2', callsPerHour: 1 } }))).toMatchObject({ ok: true })
})

test('a retry beyond what was reserved needs a call that is free, in the hour and in the rule', async () => {
  const [a, b] = [await aGates({ most: 1 }), await aGates()]
  const one = await reserved(a, wish('a', 1))
  expect([await one.take(never), await one.take(never)]).toStrictEqual([true, false])
  const ruled = await reserved(b, wish('b', 1, { api: 'other', rule: { id: 'r', callsPerHour: 1 } }))
  expect([await ruled.take(never), await ruled.take(never)]).toStrictEqual([true, false])
})

test('a wait that would be too long is refused at once', async () => {
  const [a, b] = [await aGates({ perSecond: 1 }), await aGates({ perSecond: 1 })]
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  for (let i = 0; i < 16; i += 1) void (await reserved(a, wish('a', 1))).take(leaving.signal)
  await until(async () => {
    const said = await b.reserve(wish('a', 1))
    if (said.ok) void said.take(leaving.signal)
    return !said.ok && said.whose === 'holder' && said.retryAfterSeconds > 15
  })
  expect(await b.reserve(wish('b', 1))).toMatchObject({ ok: true })
})

test('what the data holder says to one gate holds for all', async () => {
  const [a, b] = [await aGates(), await aGates()]
  a.hold(MAIN, API, 30)
  await until(async () => !(await b.reserve(wish('b', 1))).ok)
  expect(await b.reserve(wish('b', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 30 })
  a.hold(MAIN, API, 5)
  await sleep(50)
  expect(await b.reserve(wish('b', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 30 })
})

test('who leaves while waiting takes no turn and no call of the hour', async () => {
  const [a, b] = [await aGates({ perSecond: 1, most: 10 }), await aGates({ perSecond: 1, most: 10 })]
  expect(await calls(a, 1)).toBe(1)
  const leaving = new AbortController()
  const left = await reserved(a, wish('a', 1))
  const gone = left.take(leaving.signal)
  await sleep(50)
  leaving.abort()
  expect(await gone).toBe(false)
  left.release()
  expect(await (await reserved(a, wish('a', 1))).take(AbortSignal.abort())).toBe(false)
  expect(await calls(b, 1, 'b')).toBe(1)
})

test('a reservation and a call that are sent twice count once', async () => {
  const scripts = redisScripts(here(), {})
  onTestFinished(() => scripts.close())
  await until(() => scripts.ready)
  const lua = quotaScripts()
  const key = (kind: string): string => seal.keyOf(kind, 'x', 'twice')
  const keys = ['made', 'promises', 'held', 'gates', 'waiting', 'since'].map(key)
  const reserve = () => scripts.run(lua.reserve, keys, ['n', 's', 'id', 3, 10, 5, HOUR, 5, 2, 'client', 0, 20_000])
  expect(await reserve()).toStrictEqual(['ok', expect.any(String), 7])
  expect(await reserve()).toStrictEqual(['ok', expect.any(String), 7])
  const turnKeys = ['made', 'promises', 'gates', 'waiting', 'turns', 'since'].map(key)
  const asked = ['id', 'id.1', 1, 0, 0, HOUR]
  const turn = () => scripts.run(lua.turns, turnKeys, ['n', 's', 10, 5, HOUR, 5, 2, 1, 'client', 1, 1, ...asked])
  expect(await turn()).toStrictEqual([expect.any(String), expect.any(Number), expect.any(Number), 1])
  expect(await turn()).toStrictEqual([expect.any(String), expect.any(Number), expect.any(Number), 1])
  const said = (await scripts.run(lua.beat, ['made', 'promises', 'gates', 'held', 'since'].map(key), [
    'n',
    10,
    5,
    HOUR,
    0,
    '',
  ])) as unknown[]
  expect(said.slice(3)).toStrictEqual([1, 2])
})

describe('turns, script by script', () => {
  /** Asks at one gate for turns of clients, and gives how many each was granted. Two are free in a second. */
  async function aRound() {
    const scripts = redisScripts(here(), {})
    onTestFinished(() => scripts.close())
    await until(() => scripts.ready)
    const keys = ['made', 'promises', 'gates', 'waiting', 'turns', 'since'].map((kind) => seal.keyOf(kind, 'round', 'turns'))
    let number = 0
    return async (self: string, wishes: Readonly<Record<string, number>>): Promise<Record<string, number>> => {
      const names = Object.entries(wishes).flatMap(([client, count]) => Array.from({ length: count }, () => client))
      const asks = Object.entries(wishes).flatMap(([client, count]) => {
        const each = Array.from({ length: count }, () => ['none', `call-${(number += 1)}`, 0, 0, 0, HOUR])
        return [client, count, count, ...each.flat()]
      })
      const args = [self, self, 100, 50, HOUR, 2, 1, Object.keys(wishes).length, ...asks]
      const [, , , ...said] = (await scripts.run(quotaScripts().turns, keys, args)) as number[]
      const granted = Object.fromEntries(Object.keys(wishes).map((client) => [client, 0]))
      for (const [i, client] of names.entries()) granted[client] = (granted[client] ?? 0) + Number(said[i] === 1)
      return granted
    }
  }

  test('two clients at one gate: each has one of two', async () => {
    const ask2 = await aRound()
    expect(await ask2('gate-1', { a: 2, b: 2 })).toStrictEqual({ a: 1, b: 1 })
    expect(await ask2('gate-1', { a: 2, b: 2 })).toStrictEqual({ a: 0, b: 0 })
    await sleep(1100)
    expect(await ask2('gate-1', { b: 3, c: 1 })).toStrictEqual({ b: 1, c: 1 })
  })

  test('a turn is kept for a client that waits elsewhere and had none for longer, and for a while only', async () => {
    const ask2 = await aRound()
    expect(await ask2('gate-1', { a: 6 })).toStrictEqual({ a: 2 })
    expect(await ask2('gate-2', { b: 3 })).toStrictEqual({ b: 0 })
    await sleep(1100)
    expect(await ask2('gate-1', { a: 4 }), 'one is kept for b').toStrictEqual({ a: 1 })
    expect(await ask2('gate-2', { b: 3 })).toStrictEqual({ b: 1 })
    // The second gate falls silent: after a second and a little nothing is kept for it.
    await sleep(1500)
    expect(await ask2('gate-1', { a: 3 })).toStrictEqual({ a: 2 })
  })
})

describe('Redis is lost', () => {
  test('each gate calls its part of what is left, never more, and tells of it afterwards', async () => {
    const quotas = [await aGates({ most: 20 }), await aGates({ most: 20 })] as const
    expect(await calls(quotas[0], 6)).toBe(6)
    await sleep(500)
    await server.kill()
    const alone = await Promise.all(quotas.map((quota) => calls(quota, 30)))
    expect(alone).toStrictEqual([7, 7])
    expect(quotas.map((quota) => quota.together)).toStrictEqual([false, false])
    // It comes back empty: both tell what they called, and nothing is left.
    await server.start()
    await until(() => quotas.every((quota) => quota.together), 10_000)
    await sleep(500)
    expect(await Promise.all(quotas.map((quota) => calls(quota, 30, 'b')))).toStrictEqual([0, 0])
  })

  test('a request that has its calls reserved goes on, and one that waits for its turn too', async () => {
    const quota = await aGates({ perSecond: 2, most: 20 })
    const one = await reserved(quota, wish('a', 5))
    expect([await one.take(never), await one.take(never)]).toStrictEqual([true, true])
    const third = one.take(never)
    await sleep(20)
    await server.kill()
    const started = performance.now()
    expect([await third, await one.take(never)]).toStrictEqual([true, true])
    // One call a second is its part.
    expect(performance.now() - started).toBeGreaterThan(900)
    one.release()
  })

  test('less than one call a second is one call in more seconds', async () => {
    const quota = await aGates({ perSecond: 1, gates: 2 })
    await server.kill()
    await until(() => !quota.together)
    const started = performance.now()
    expect(await calls(quota, 2)).toBe(2)
    expect(performance.now() - started).toBeGreaterThan(1900)
  })

  test('emptied: what each gate knows of is told again', async () => {
    const quotas = [await aGates({ most: 10 }), await aGates({ most: 10 })] as const
    expect(await calls(quotas[0], 4)).toBe(4)
    expect(await calls(quotas[1], 4)).toBe(4)
    await emptied()
    await sleep(600)
    expect((await calls(quotas[0], 9)) + (await calls(quotas[1], 9))).toBe(2)
  })
})

test('a gate that is cut off calls its part, which the others keep back for it until it is there again', async () => {
  const proxy = await faultProxy(server)
  onTestFinished(() => proxy.close())
  const by = { times: { silentMs: 600, promiseMs: 2000 } }
  const near = await aGates({ most: 20, by })
  const far = await aGates({ most: 20, by, at: here(proxy.port) })
  await proxy.arrivals('hole')
  proxy.set({ halfOpen: true })
  await until(() => !far.together, 5000)
  await sleep(800)
  expect(await calls(near, 30)).toBe(10)
  expect(await calls(far, 30)).toBe(10)
  await proxy.heal()
  await until(() => far.together, 10_000)
  await sleep(500)
  expect((await calls(near, 30)) + (await calls(far, 30))).toBe(0)
})

test('what a gate called alone, because one answer came too late, is told with its next word', async () => {
  const proxy = await faultProxy(server)
  onTestFinished(() => proxy.close())
  const near = await aGates({ most: 20 })
  const far = await aGates({ most: 20, at: here(proxy.port), by: { beatMs: 60_000 } })
  expect(await calls(far, 1)).toBe(1)
  expect(await calls(near, 1)).toBe(1)
  proxy.set({ latencyMs: 300 }, 'toClient')
  expect(await calls(far, 3)).toBe(3)
  expect(far.together).toBe(false)
  await proxy.heal()
  await until(() => far.together, 5000)
  expect(proxy.accepted, 'on the same connection').toBe(1)
  // Five, and what the answer that came too late had promised: for a while it counts as well.
  await until(() => near.left()[0]?.calls === 14)
})

test('a gate that was killed keeps no promise for ever, and one that ended in order leaves its part', async () => {
  const by = { times: { silentMs: 300, promiseMs: 700 } }
  const [a, b] = [await aGates({ most: 10, by }), await aGates({ most: 10, by })]
  await reserved(a, wish('a', 6))
  expect(await b.reserve(wish('b', 5))).toMatchObject({ ok: false })
  // Its promises are kept while it beats.
  await sleep(1200)
  expect(await b.reserve(wish('b', 5))).toMatchObject({ ok: false })
  await a.close()
  await until(async () => (await b.reserve(wish('b', 9))).ok)
})

test('a gate that ends in order while it counts alone leaves its part as well', async () => {
  const proxy = await faultProxy(server)
  onTestFinished(() => proxy.close())
  const by = { times: { silentMs: 300, promiseMs: 700 } }
  const near = await aGates({ most: 20, by })
  const far = await aGates({ most: 20, by: { ...by, beatMs: 60_000 }, at: here(proxy.port) })
  proxy.set({ latencyMs: 300 }, 'toClient')
  expect(await calls(far, 1)).toBe(1)
  expect(far.together).toBe(false)
  await proxy.heal()
  await far.close()
  await sleep(800)
  expect(await near.reserve(wish('a', 18))).toMatchObject({ ok: true })
})

test('calls recalled from evidence count where Redis does not know them, and are not counted twice where it does', async () => {
  const node = 'gate-that-restarts'
  const began = Date.now() - 60_000
  const first = await aGates({ most: 10, node })
  const past = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ id: `entry-${i}`, client: 'a', account: 'main', api: API, rule: 'r', at: began - i }))
  first.recall(past(3))
  expect(await calls(first, 4)).toBe(4)
  await until(() => first.left()[0]?.calls === 3)
  await first.close()
  // Its next run reads all seven in its evidence.
  const second = await aGates({ most: 10, node })
  second.recall([
    ...past(3),
    ...Array.from({ length: 4 }, (_, i) => ({ id: `later-${i}`, client: 'a', account: 'main', api: API, rule: 'r', at: Date.now() - 10 })),
  ])
  await sleep(500)
  expect(second.left()).toStrictEqual([{ account: 'main', api: API, calls: 3 }])
  await emptied()
  await sleep(500)
  expect(second.left()).toStrictEqual([{ account: 'main', api: API, calls: 3 }])
})

test('calls that several gates read in one database count once', async () => {
  const past = Array.from({ length: 4 }, (_, i) => ({
    id: `entry-${i}`,
    client: 'a',
    account: 'main',
    api: API,
    rule: 'r',
    at: Date.now() - 60_000 - i,
  }))
  const both = [await aGates({ most: 10 }), await aGates({ most: 10 })]
  for (const gate of both) gate.recall(past)
  await sleep(500)
  for (const gate of both) expect(gate.left()).toStrictEqual([{ account: 'main', api: API, calls: 6 }])
})

test('a cluster keeps all of a quota on one node', async () => {
  const cluster = await redisCluster(3)
  onTestFinished(() => cluster.close())
  const at = { cluster: cluster.places, commandTimeoutMs: 200 }
  const rule = { id: 'r1', callsPerHour: 5 }
  const [a, b] = [await aGates({ most: 10, at }), await aGates({ most: 10, at })]
  const one = await reserved(a, wish('a', 5, { rule }))
  for (let i = 0; i < 5; i += 1) expect(await one.take(never)).toBe(true)
  one.release()
  expect(await b.reserve(wish('a', 1, { rule }))).toMatchObject({ ok: false, whose: 'rule' })
  expect(await b.reserve(wish('b', 6))).toMatchObject({ ok: false, whose: 'holder' })
  expect((await cluster.onEach((admin) => admin.dbsize())).filter((size) => size > 0)).toHaveLength(1)
})

test('two gates before one data holder: what it allows in an hour is called once, not twice', async () => {
  const holder = await fakeHolder()
  // Each has a registry of its own here: a copy of the other's would be stale, and its turn lost.
  const meters = ['40000000099201', '40000000099202'] as const
  const change = (node: string) => (tree: Tree) => {
    withRedis({ url: server.url, command_timeout_ms: 200 })(tree)
    ;(tree['instance'] as Tree)['node'] = node
    const providers = tree['providers'] as Record<string, { accounts: Tree[] }>
    Object.assign(providers['enedis-data-connect']?.accounts[0] ?? {}, { quota: { per_second: 100, per_hour: 6 } })
  }
  const first = await aGate({ holder, change: change('gate-1') })
  const second = await aGate({ holder, change: change('gate-2'), env: first.env })
  onTestFinished(async () => {
    await first.stop()
    await second.stop()
    await holder.close()
  })
  for (const [i, gate] of [first, second].entries()) {
    await gate.permit({ id: `shared-${i}`, meter: meters[i] ?? '' })
    await until(async () => (await redisStanding(gate)) === 'ok')
  }
  const tokens = [await first.token(), await second.token()] as const
  const statuses: number[] = []
  for (let i = 0; i < 5; i += 1) {
    statuses.push((await ask(first, tokens[0], curve(meters[0], today(-20), today(-18)))).answer.status)
    statuses.push((await ask(second, tokens[1], curve(meters[1], today(-20), today(-18)))).answer.status)
  }
  expect(statuses).toStrictEqual([200, 200, 200, 200, 200, 200, 429, 429, 429, 429])
  expect(holder.calls).toHaveLength(6)
  expect(holder.tokenCalls, 'one application token for both').toHaveLength(1)
})
