/** Gates of one account ask the token endpoint once, whoever of them lives or dies, and each for itself without Redis. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { AccountId } from '../../src/domain/permission.ts'
import { applicationToken } from '../../src/gateway/application-token.ts'
import type { Credential } from '../../src/gateway/holder.ts'
import type { TokenShare } from '../../src/gateway/shared-token.ts'
import { tokenShare } from '../../src/gateway/shared-token.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import type { RedisScripts } from '../../src/runtime/redis-scripts.ts'
import { redisScripts } from '../../src/runtime/redis-scripts.ts'
import { aGate, aGateProcess, curve, removeFolder } from '../harness/gate.ts'
import type { FakeHolder, Script } from '../harness/holder.ts'
import { answer, fakeHolder } from '../harness/holder.ts'
import type { RedisServer } from '../harness/redis.ts'
import { redisServer } from '../harness/redis.ts'
import { anAdmin, ask, until, withRedis } from '../harness/redis-gates.ts'
import { redisCluster } from '../harness/redis-topologies.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'

const log = loggerTo('fatal', 'test')
const seal = redisSeal(Buffer.alloc(32, 3))
let server: RedisServer
let holder: FakeHolder
beforeAll(async () => {
  server = await redisServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.start()
  const admin = anAdmin(server.port)
  await admin.flushall()
  admin.disconnect()
  holder = await fakeHolder()
  holder.tokenScript = numbered()
  onTestFinished(() => holder.close())
})

/** Each token is another one. */
function numbered(delayMs = 0, expiresIn = 12_600): Script {
  let given = 0
  return (_request, socket) => {
    given += 1
    const body = JSON.stringify({ access_token: `token-canary-${given}`, token_type: 'Bearer', expires_in: expiresIn })
    setTimeout(() => socket.destroyed || answer(socket, 200, body), delayMs)
  }
}

interface Side {
  readonly token: Credential
  readonly share: TokenShare
  readonly scripts: RedisScripts
}
async function aSide(leaseMs = 600, cluster?: readonly string[]): Promise<Side> {
  const where = cluster ? { cluster } : { url: `redis://127.0.0.1:${server.port}` }
  const scripts = redisScripts({ ...where, commandTimeoutMs: 200 }, {})
  await until(() => scripts.ready)
  const share = tokenShare({
    scripts,
    keyOf: (kind) => seal.keyOf(kind, 'main', 'token main'),
    seal: seal.sealText,
    open: seal.openText,
    leaseMs,
  })
  const timeouts = { connectSeconds: 2, headersSeconds: 5, bodySeconds: 5, totalSeconds: 5, slowClientSeconds: 5 }
  const token = applicationToken(
    { id: 'main' as AccountId, clientId: 'application', secret: 'a-secret' },
    { url: holder.url, ca: undefined, connections: 1, timeouts, maxAnswerBytes: 65_536 },
    { url: `${holder.url}/oauth2/v3/token` },
    () => performance.now(),
    log,
    share,
  )
  onTestFinished(async () => {
    await token.close()
    scripts.close()
  })
  return { token, share, scripts }
}
const four = (leaseMs?: number): Promise<Side[]> => Promise.all([1, 2, 3, 4].map(() => aSide(leaseMs)))
const asked = (): number => holder.tokenCalls.length
const all = (sides: readonly Side[]) => Promise.all(sides.map(({ token }) => token.authorization()))

test('four gates that are cold at once make one call', async () => {
  holder.tokenScript = numbered(100)
  const sides = await four()
  const headers = await Promise.all(sides.flatMap(({ token }) => Array.from({ length: 5 }, () => token.authorization())))
  expect(new Set(headers)).toStrictEqual(new Set(['Bearer token-canary-1']))
  expect(asked()).toBe(1)
  // One that starts later finds it.
  expect(await (await aSide()).token.authorization()).toBe('Bearer token-canary-1')
  expect(asked()).toBe(1)
})

test('a lease is renewed while its holder works', async () => {
  holder.tokenScript = numbered(1500)
  expect(new Set(await all(await four(300)))).toStrictEqual(new Set(['Bearer token-canary-1']))
  expect(asked()).toBe(1)
})

test('the holder of the lease is killed: another takes over within the time of the lease', async () => {
  const [first, ...others] = await four(600)
  const hangs = Promise.withResolvers<never>()
  onTestFinished(() => hangs.reject(new Error('the test has ended')))
  first?.share.obtain(() => hangs.promise, undefined).catch(() => undefined)
  await sleep(300)
  const waiting = all(others)
  await sleep(200)
  expect(asked()).toBe(0)
  first?.scripts.close()
  const started = performance.now()
  expect(new Set(await waiting)).toStrictEqual(new Set(['Bearer token-canary-1']))
  expect(performance.now() - started).toBeLessThan(1200)
  expect(asked()).toBe(1)
})

test('a gate is killed while it asks: the next one asks within the time of the lease, and not before', async () => {
  const change = (node: string) => (tree: Tree) => {
    withRedis({ url: server.url, command_timeout_ms: 200 })(tree)
    ;(tree['instance'] as Tree)['node'] = node
  }
  // The first one to ask is never answered.
  const answers = numbered()
  holder.tokenScript = (request, socket) => asked() > 1 && answers(request, socket)
  const killed = await aGateProcess({ holder, change: change('gate-1') })
  const living = await aGate({ holder, change: change('gate-2'), env: killed.env })
  onTestFinished(async () => {
    await living.stop()
    removeFolder(killed)
  })
  await living.permit({ id: 'p1' })
  await killed.permit({ id: 'p1', meter: OTHER_METER })
  const [first, second] = [await killed.token(), await living.token()]
  ask(killed, first, curve(OTHER_METER, today(-20), today(-18))).catch(() => undefined)
  await until(() => asked() === 1)
  const asking = ask(living, second, curve(METER, today(-20), today(-18)))
  await sleep(1500)
  expect(asked(), 'the lease is renewed').toBe(1)
  await killed.kill()
  const started = performance.now()
  expect((await asking).answer.status).toBe(200)
  expect(performance.now() - started).toBeLessThan(3500)
  expect(asked()).toBe(2)
})

test('who was too slow and lost its lease uses its own, and does not overwrite that of another', async () => {
  const [slow, quick, third] = await four(300)
  const answers = Promise.withResolvers<string>()
  const granted = (header: string) => ({ header, leftMs: 60_000, wholeMs: 60_000 })
  const late = slow?.share.obtain(() => answers.promise.then(granted), undefined)
  await until(async () => {
    const admin = anAdmin(server.port)
    const leases = await admin.keys('*token-lease*')
    if (leases[0] !== undefined) await admin.del(leases[0])
    admin.disconnect()
    return leases.length > 0
  })
  const next = quick?.share.obtain(async () => (await sleep(200), granted('Bearer newer')), undefined)
  await sleep(50)
  answers.resolve('Bearer older')
  expect((await late)?.header).toBe('Bearer older')
  const admin = anAdmin(server.port)
  onTestFinished(() => admin.disconnect())
  expect(await admin.keys('*:token:*'), 'the lease is another’s').toStrictEqual([])
  expect((await next)?.header).toBe('Bearer newer')
  expect((await third?.share.obtain(() => Promise.reject(new Error('not asked')), undefined))?.header).toBe('Bearer newer')
})

test('a token that the data holder refuses is dropped once for all gates, and a new one that is refused too stays', async () => {
  const sides = await four()
  await all(sides)
  const first = 'Bearer token-canary-1'
  expect(sides.slice(0, 3).map(({ token }) => token.drop(first))).toStrictEqual([true, true, true])
  const second = await all(sides.slice(0, 3))
  expect(new Set(second)).toStrictEqual(new Set(['Bearer token-canary-2']))
  expect(asked()).toBe(2)
  // The new one is refused as well.
  for (const { token } of sides.slice(0, 3)) expect(token.drop('Bearer token-canary-2')).toBe(false)
  // The fourth hears of it now: its old one is refused, then the new one.
  const fourth = sides[3]?.token
  expect(fourth?.drop(first)).toBe(true)
  expect(await fourth?.authorization()).toBe('Bearer token-canary-2')
  expect(fourth?.drop('Bearer token-canary-2')).toBe(false)
  // And one that never had another drops it for itself, once, and is given the same.
  const fifth = (await aSide()).token
  expect(await fifth.authorization()).toBe('Bearer token-canary-2')
  expect(fifth.drop('Bearer token-canary-2')).toBe(true)
  expect(await fifth.authorization()).toBe('Bearer token-canary-2')
  expect(fifth.drop('Bearer token-canary-2')).toBe(false)
  expect(asked()).toBe(2)
})

test('a token that was replaced meanwhile is not dropped with the old one', async () => {
  const [a, b] = await four()
  expect(await a?.token.authorization()).toBe('Bearer token-canary-1')
  const admin = anAdmin(server.port)
  onTestFinished(() => admin.disconnect())
  await admin.flushall()
  expect(await b?.token.authorization()).toBe('Bearer token-canary-2')
  expect(a?.token.drop('Bearer token-canary-1')).toBe(true)
  expect(await a?.token.authorization()).toBe('Bearer token-canary-2')
  expect(asked()).toBe(2)
})

test('a token that grows old is replaced by one gate, and the others take it over', async () => {
  holder.tokenScript = numbered(0, 3)
  const sides = await four()
  await all(sides)
  await sleep(2600)
  // Those that are due have asked in the background; all have one that is good.
  await all(sides)
  await sleep(300)
  expect(new Set(await all(sides))).toStrictEqual(new Set(['Bearer token-canary-2']))
  expect(asked()).toBe(2)
})

test('the token endpoint fails: one gate has asked, and the others do not ask at once', async () => {
  holder.tokenScript = (_request, socket) => setTimeout(() => answer(socket, 500, '{}'), 50)
  const sides = await four()
  expect(await all(sides)).toStrictEqual([undefined, undefined, undefined, undefined])
  expect(asked()).toBe(1)
  holder.tokenScript = numbered()
  await until(async () => (await all(sides)).every((header) => header === 'Bearer token-canary-1'), 8000)
  expect(asked()).toBe(2)
})

test('Redis is lost: each asks for itself', async () => {
  const sides = await four()
  await server.kill()
  expect(new Set(await all(sides)).size).toBe(4)
  expect(asked()).toBe(4)
})

test('what is not sealed by the instance for this place is no token', async () => {
  const [a, b] = await four()
  await a?.token.authorization()
  const admin = anAdmin(server.port)
  onTestFinished(() => admin.disconnect())
  const [key = ''] = await admin.keys('*:token:*')
  const box = (await admin.get(key)) ?? ''
  for (const wrong of ['', 'x', `${box.slice(0, -4)}AAAA`, seal.sealText(`${key}x`, { header: 'Bearer forged', wholeMs: 60_000 })]) {
    await admin.set(key, wrong, 'PX', 60_000)
    const side = await aSide()
    expect(await side.token.authorization()).toMatch(/^Bearer token-canary-\d$/)
  }
  await admin.set(key, box, 'PX', 60_000)
  expect(await b?.token.authorization()).toBe('Bearer token-canary-1')
  await admin.save()
  const dump = readFileSync(server.dump)
  expect([dump.includes('token-canary'), dump.includes('application'), dump.includes('main')]).toStrictEqual([false, false, false])
})

test('in a cluster too', async () => {
  const cluster = await redisCluster(3)
  onTestFinished(() => cluster.close())
  const sides = await Promise.all([1, 2, 3].map(() => aSide(600, cluster.places)))
  expect(new Set(await all(sides))).toStrictEqual(new Set(['Bearer token-canary-1']))
  expect(asked()).toBe(1)
  expect(sides[0]?.token.drop('Bearer token-canary-1')).toBe(true)
  expect(await sides[0]?.token.authorization()).toBe('Bearer token-canary-2')
})
