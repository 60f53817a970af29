/** The way between a gate and its Redis is broken in each manner: same status and body, bounded cost, and use again by itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Told } from '../../src/permissions/cache.ts'
import { redisCache } from '../../src/permissions/redis.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { FaultProxy } from '../harness/fault-proxy.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import type { RedisServer } from '../harness/redis.ts'
import { redisServer } from '../harness/redis.ts'
import type { TwoGates } from '../harness/redis-gates.ts'
import { redisSettings, silent, TIMEOUT_MS, twoGates, until } from '../harness/redis-gates.ts'

let server: RedisServer
let proxy: FaultProxy
let gates: TwoGates
beforeAll(async () => {
  server = await redisServer()
  proxy = await faultProxy(server)
  gates = await twoGates({ url: `redis://127.0.0.1:${proxy.port}` })
})
afterAll(async () => {
  await gates.stop()
  await proxy.close()
  await server.close()
})

test('without a fault it is used', async () => {
  await until(async () => (await gates.standing()) === 'ok')
  await gates.same()
})

test.each<[string, () => unknown]>([
  ['answers come after the time for a command', () => proxy.set({ latencyMs: TIMEOUT_MS * 4 }, 'toClient')],
  ['answers come now before and now after that time', () => proxy.set({ latencyMs: TIMEOUT_MS / 2, jitterMs: TIMEOUT_MS }, 'toClient')],
  ['commands arrive after it', () => proxy.set({ latencyMs: TIMEOUT_MS * 4 }, 'toServer')],
  ['a hundred bytes a second', () => proxy.set({ bytesPerSecond: 100 })],
  ['half-open', () => proxy.set({ halfOpen: true })],
  ['half-open towards the gate: commands are carried out, answers are lost', () => proxy.set({ halfOpen: true }, 'toClient')],
  ['half-open towards the server', () => proxy.set({ halfOpen: true }, 'toServer')],
  ['answers are cut after 40 bytes', () => proxy.set({ truncateAfter: 40 }, 'toClient')],
  ['commands are cut after 40 bytes', () => proxy.set({ truncateAfter: 40 }, 'toServer')],
  [
    'what was open is reset, and nobody answers afterwards',
    async () => {
      await proxy.arrivals('hole')
      proxy.reset()
    },
  ],
  [
    'what was open is reset, and new connections are refused',
    async () => {
      await proxy.arrivals('refuse')
      proxy.reset()
    },
  ],
  [
    'each connection is reset ten times a second',
    () => {
      const timer = setInterval(() => proxy.reset(), 100)
      onTestFinished(() => clearInterval(timer))
      return () => clearInterval(timer)
    },
  ],
])('%s', async (_name, broken) => {
  const end = await broken()
  onTestFinished(() => proxy.heal())
  for (let i = 0; i < 4; i += 1) await gates.same()
  if (typeof end === 'function') (end as () => void)()
  await proxy.heal()
  await gates.recovers()
})

test('one answer that came too late, and no request since: it is found to answer again all the same', async () => {
  const cache = await redisCache(
    { ...redisSettings(proxy.port), commandTimeoutMs: 50 },
    {},
    redisSeal(Buffer.alloc(32, 3)),
    silent,
    () => undefined,
  )
  onTestFinished(() => cache.close())
  await until(() => cache.up)
  proxy.set({ latencyMs: 150 }, 'toClient')
  await cache.getIdentity(Buffer.alloc(32, 1))
  expect(cache.up).toBe(false)
  await proxy.heal()
  await until(() => cache.up, 3000)
})

test('a channel that fell silent is found out, and heard again', async () => {
  const seal = redisSeal(Buffer.alloc(32, 3))
  const caches = await Promise.all(
    [server.port, proxy.port].map((port) => redisCache(redisSettings(port), {}, seal, silent, () => undefined)),
  )
  onTestFinished(async () => void (await Promise.all(caches.map((cache) => cache.close()))))
  const [direct, beyond] = caches
  const heard: Told[] = []
  beyond?.onTold((told) => void heard.push(told))
  const hears = async (): Promise<boolean> => {
    await direct?.tellToken(Buffer.alloc(32, 1))
    return heard.some(({ is }) => is === 'token')
  }
  await until(hears)
  proxy.set({ halfOpen: true }, 'toClient')
  onTestFinished(() => proxy.heal())
  await sleep(50)
  heard.length = 0
  // No copy of before is trusted once the cut is known.
  await until(() => heard.some(({ is }) => is === 'all'), 10_000)
  expect(await hears()).toBe(false)
  await proxy.heal()
  await until(hears, 10_000)
})
