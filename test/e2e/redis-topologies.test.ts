/**
 * Redis by TLS, behind sentinels and as a cluster: a gate answers as one without Redis does while its primary is killed
 * and another one takes its place, and uses what there is by itself.
 */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { redisServer as redisFindings } from '../../src/doctor-network.ts'
import type { Told } from '../../src/permissions/cache.ts'
import type { RedisCache } from '../../src/permissions/redis.ts'
import { redisCache } from '../../src/permissions/redis.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { RedisSecrets, RedisSettings } from '../../src/runtime/redis.ts'
import type { RedisServer } from '../harness/redis.ts'
import { redisServer } from '../harness/redis.ts'
import type { TwoGates } from '../harness/redis-gates.ts'
import { anAdmin, ask, silent, twoGates, until } from '../harness/redis-gates.ts'
import type { Sentinels, TestCertificates, TestCluster } from '../harness/redis-topologies.ts'
import { PRIMARY, redisCluster, redisWithSentinels, testCertificates, tlsArguments } from '../harness/redis-topologies.ts'
import { curve } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'

let certificates: TestCertificates
beforeAll(() => {
  certificates = testCertificates()
})
afterAll(() => certificates.close())

const seal = redisSeal(Buffer.alloc(32, 3))
type Where = Omit<RedisSettings, 'commandTimeoutMs'>
async function aCache(where: Where, secrets: RedisSecrets = {}): Promise<RedisCache> {
  const cache = await redisCache({ ...where, commandTimeoutMs: 200, ttlSeconds: 60 }, secrets, seal, silent, () => undefined)
  onTestFinished(() => cache.close())
  return cache
}
const hash = Buffer.alloc(32, 1)
const views = { generation: 1, permissions: [] }
/** What one gate writes and tells, another one reads and hears. */
async function meet(where: Where, secrets: RedisSecrets = {}): Promise<void> {
  const [a, b] = [await aCache(where, secrets), await aCache(where, secrets)]
  const heard: Told[] = []
  b.onTold((told) => void heard.push(told))
  for (let i = 0; i < 20; i += 1) {
    const meter = `prm:1000000000${i + 1000}` as Parameters<RedisCache['putViews']>[1]
    const client = 'viriya' as Parameters<RedisCache['putViews']>[0]
    await until(async () => {
      a.putViews(client, meter, views)
      return (await b.getViews(client, meter))?.generation === 1
    })
  }
  await until(async () => {
    await a.tellToken(hash)
    return heard.some((told) => told.is === 'token')
  })
}
async function doctorSays(redis: Where): Promise<string> {
  const settings = { redis: { ...redis, ttlSeconds: 60, commandTimeoutMs: 200, gates: 2 } } as unknown as Parameters<
    typeof redisFindings
  >[0]
  return (await redisFindings(settings, {})).map(({ standing, says }) => `${standing} ${says}`).join()
}
/** Asks one and the same question again and again, and gives what was answered. */
function loadOn({ cached }: TwoGates, token: string, meter: string) {
  const statuses: number[] = []
  let slowest = 0
  let going = true
  const running = (async () => {
    while (going) {
      const { answer, ms } = await ask(cached, token, curve(meter, today(-20), today(-18)))
      statuses.push(answer.status)
      slowest = Math.max(slowest, ms)
      await sleep(5)
    }
  })()
  return {
    async stop() {
      going = false
      await running
      return { statuses: [...new Set(statuses)], count: statuses.length, slowest }
    },
  }
}

describe('by TLS, where the server asks for a certificate', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await redisServer((port) => tlsArguments(certificates, port))
  })
  afterAll(() => server.close())

  test('a gate with one is served', async () => {
    const url = `rediss://127.0.0.1:${server.port}`
    const gates = await twoGates({ url, tls: { ca: certificates.ca, ...certificates.gate } })
    onTestFinished(() => gates.stop())
    await until(async () => (await gates.standing()) === 'ok')
    await gates.same()
    await server.kill()
    await gates.same()
    await server.start()
    await gates.recovers()
    await meet({ url, tls: { ca: certificates.ca, ...certificates.gate } })
  })

  test.each<[string, () => Where['tls']]>([
    ['without one', () => ({ ca: certificates.ca })],
    ['that trusts the public authorities', () => ({ ...certificates.gate })],
    ['whose certificate is another authority’s', () => ({ ca: certificates.ca, ...others().gate })],
  ])('a gate %s is not, and answers all the same', async (_name, tls) => {
    const cache = await aCache({ url: `rediss://127.0.0.1:${server.port}`, tls: tls() })
    expect(cache.up).toBe(false)
    expect(await cache.getIdentity(hash)).toBeUndefined()
  })
  test('a certificate that is replaced is shown from the next connection on', async () => {
    const files = { certificate: join(server.folder, 'gate.pem'), key: join(server.folder, 'gate.key') }
    const copy = (from: TestCertificates): void => {
      copyFileSync(from.gate.certificate, files.certificate)
      copyFileSync(from.gate.key, files.key)
    }
    copy(others())
    const cache = await aCache({ url: `rediss://127.0.0.1:${server.port}`, tls: { ca: certificates.ca, ...files } })
    expect(cache.up).toBe(false)
    copy(certificates)
    await until(() => cache.up)
    // Half replaced: what was read before is shown.
    rmSync(files.key)
    await server.kill()
    await until(() => !cache.up)
    await server.start()
    await until(() => cache.up, 10_000)
  })

  test('doctor is served too, and says what keeps it from being', async () => {
    const url = `rediss://localhost:${server.port}`
    expect(await doctorSays({ url, tls: { ca: certificates.ca, ...certificates.gate } })).toMatch(/^ok localhost:\d+ answers in/)
    expect(await doctorSays({ url, tls: { ca: certificates.ca } })).toMatch(/^warn localhost:\d+ cannot be reached/)
  })

  function others(): TestCertificates {
    const made = testCertificates()
    onTestFinished(() => made.close())
    return made
  }
})

describe('behind three sentinels, with two replicas', () => {
  let redis: Sentinels
  let gates: TwoGates
  beforeAll(async () => {
    redis = await redisWithSentinels({ replicas: 2, sentinels: 3 })
    gates = await twoGates({ sentinels: redis.places, name: PRIMARY })
  })
  afterAll(async () => {
    await gates.stop()
    await redis.close()
  })

  test('the primary is used, and what one gate tells another hears', async () => {
    await until(async () => (await gates.standing()) === 'ok')
    await gates.same()
    await meet({ sentinels: redis.places, name: PRIMARY })
  })

  test('the primary is killed: each request is answered meanwhile, and the new primary is in use afterwards', async () => {
    const meter = '40000000099101'
    await gates.cached.permit({ id: 'failover-1', meter })
    const load = loadOn(gates, await gates.cached.token(), meter)
    const old = await redis.primary()
    const started = performance.now()
    await old.kill()
    for (let i = 0; i < 3; i += 1) await gates.same()
    await until(async () => (await redis.primary()).port !== old.port, 20_000)
    await gates.recovers(10_000)
    const ms = performance.now() - started
    const { statuses, count, slowest } = await load.stop()
    expect(statuses).toStrictEqual([200])
    expect(count).toBeGreaterThan(20)
    expect(slowest).toBeLessThan(1500)
    const admin = anAdmin((await redis.primary()).port)
    onTestFinished(() => admin.disconnect())
    expect(await admin.dbsize()).toBeGreaterThan(0)
    expect(ms).toBeLessThan(30_000)
    await until(async () => (await (await fetch(`${gates.cached.ops}/metrics`)).text()).includes('ecluse_quotas_apart 0\n'), 10_000)
    await meet({ sentinels: redis.places, name: PRIMARY })
    // The old one comes back as a replica of the new one, and takes nothing away.
    await old.start()
    await gates.same()
  })

  test('another primary is made by hand: what is written goes there', async () => {
    const cache = await aCache({ sentinels: redis.places, name: PRIMARY })
    const old = await redis.primary()
    const admin = anAdmin(Number(redis.places[0]?.split(':')[1]), { enableReadyCheck: false })
    onTestFinished(() => admin.disconnect())
    await until(async () => (await admin.call('SENTINEL', 'FAILOVER', PRIMARY).catch(String)) === 'OK', 15_000)
    await until(async () => (await redis.primary()).port !== old.port, 20_000)
    const meter = 'prm:10000000009999' as Parameters<RedisCache['putViews']>[1]
    const client = 'viriya' as Parameters<RedisCache['putViews']>[0]
    await until(async () => {
      cache.putViews(client, meter, views)
      await sleep(50)
      return (await cache.getViews(client, meter)) !== undefined
    }, 10_000)
    await gates.recovers(10_000)
  })

  test('doctor finds the primary, and says where it looked when there is none', async () => {
    expect(await doctorSays({ sentinels: redis.places, name: PRIMARY })).toMatch(/^ok ecluse by 127[^ ]+, .* answers in/)
    expect(await doctorSays({ sentinels: ['127.0.0.1:1'], name: PRIMARY })).toMatch(/^warn ecluse by 127.0.0.1:1 cannot be reached/)
  })

  test('a sentinel that is away is passed over', async () => {
    const cache = await aCache({ sentinels: ['127.0.0.1:1', ...redis.places], name: PRIMARY })
    await until(() => cache.up)
    const nobody = await aCache({ sentinels: ['127.0.0.1:1'], name: PRIMARY })
    expect(nobody.up).toBe(false)
    const another = await aCache({ sentinels: redis.places, name: 'not-this-one' })
    expect(another.up).toBe(false)
  })
})

test('sentinels and servers by TLS, each with a password of its own', async () => {
  const passwords = { servers: 'of-the-servers', sentinels: 'of-the-sentinels' }
  const redis = await redisWithSentinels({ replicas: 0, sentinels: 1, passwords, tls: certificates })
  onTestFinished(() => redis.close())
  const tls = { ca: certificates.ca }
  const where = { sentinels: redis.places, name: PRIMARY, tls, sentinelTls: tls }
  await meet(where, { password: passwords.servers, sentinelPassword: passwords.sentinels })
  const wrong: readonly (readonly [Where, RedisSecrets])[] = [
    [where, { password: passwords.servers, sentinelPassword: passwords.servers }],
    [where, { password: passwords.sentinels, sentinelPassword: passwords.sentinels }],
    [
      { ...where, sentinelTls: undefined },
      { password: passwords.servers, sentinelPassword: passwords.sentinels },
    ],
  ]
  for (const [settings, secrets] of wrong) expect((await aCache(settings, secrets)).up).toBe(false)
})

describe('a cluster of three', () => {
  let cluster: TestCluster
  let gates: TwoGates
  beforeAll(async () => {
    cluster = await redisCluster(3)
    // One place is enough to find the others; more, so that one may be away.
    gates = await twoGates({ cluster: cluster.places })
  })
  afterAll(async () => {
    await gates.stop()
    await cluster.close()
  })
  const sizes = (): Promise<number[]> => cluster.onEach((admin) => admin.dbsize())

  test('all nodes are used, and what is told at one is heard at another', async () => {
    await until(async () => (await gates.standing()) === 'ok')
    for (let i = 0; i < 4; i += 1) await gates.same()
    expect((await sizes()).filter((size) => size === 0)).toStrictEqual([])
    await meet({ cluster: cluster.places.slice(0, 1) })
    const [a, b] = [await aCache({ cluster: cluster.places.slice(0, 1) }), await aCache({ cluster: cluster.places.slice(1, 2) })]
    const heard: Told[] = []
    b.onTold((told) => void heard.push(told))
    await until(async () => {
      await a.tellToken(hash)
      return heard.some((told) => told.is === 'token')
    })
  })

  test('doctor is answered by a node', async () => {
    expect(await doctorSays({ cluster: cluster.places })).toMatch(/^ok cluster 127[^ ]+, .* answers in/)
    expect(await doctorSays({ cluster: ['127.0.0.1:1'] })).toMatch(/^warn cluster 127.0.0.1:1 cannot be reached/)
  })

  test('a node is killed and comes back: each request is answered, and it is used again', async () => {
    const meter = '40000000099102'
    await gates.cached.permit({ id: 'cluster-1', meter })
    const load = loadOn(gates, await gates.cached.token(), meter)
    await cluster.servers[0]?.kill()
    for (let i = 0; i < 3; i += 1) await gates.same()
    await cluster.servers[0]?.start()
    await gates.recovers(15_000)
    const { statuses, slowest } = await load.stop()
    expect(statuses).toStrictEqual([200])
    expect(slowest).toBeLessThan(1500)
    await until(async () => {
      await gates.same()
      return !(await sizes()).includes(0)
    }, 15_000)
  })

  test('all nodes are stopped in their tracks, and go on', async () => {
    for (const server of cluster.servers) server.signal('SIGSTOP')
    onTestFinished(() => {
      for (const server of cluster.servers) server.signal('SIGCONT')
    })
    for (let i = 0; i < 3; i += 1) await gates.same()
    expect(await gates.standing()).toBe('slow')
    for (const server of cluster.servers) server.signal('SIGCONT')
    await gates.recovers(15_000)
  })
})
