/** Redis as it is run where it must not be lost: behind Sentinels, as a cluster, by TLS with certificates, by a user of the ACL with few rights. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientId, PermissionId } from '../../src/domain/permission.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Told } from '../../src/permissions/cache.ts'
import type { RedisCache, RedisSettings } from '../../src/permissions/redis.ts'
import { redisCache } from '../../src/permissions/redis.ts'
import type { RedisSecrets } from '../../src/storage/redis-connection.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { freePort, redisServer } from '../harness/redis.ts'
import type { RedisServer } from '../harness/redis.ts'
import { METER, today } from '../harness/settings.ts'

const KEY = Buffer.alloc(32, 6)
const silent = { warn: () => undefined }
const HASH = Buffer.alloc(32, 1)
const CLIENT = 'viriya' as ClientId
const IDENTITY = {
  client: CLIENT,
  purpose: 'self_view' as never,
  set: 'all' as const,
  expiresAt: 4e12 as never,
  disabled: false,
  credential: 'c',
}
const tls = (folder: string) => ({ ca: join(folder, 'ca.pem'), certificate: join(folder, 'client.pem'), key: join(folder, 'client.key') })

async function aCache(place: Partial<RedisSettings>, secrets: RedisSecrets = {}): Promise<RedisCache> {
  const cache = await redisCache(
    { ttlSeconds: 60, commandTimeoutMs: 200, ...place } as RedisSettings,
    secrets,
    KEY,
    silent,
    () => undefined,
  )
  onTestFinished(() => cache.close())
  return cache
}
async function until(what: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  for (const end = performance.now() + ms; !(await what());) {
    if (performance.now() > end) throw new Error('it did not come')
    await sleep(50)
  }
}
/** What one gate puts there another finds, and what one tells the other hears. */
async function works(one: RedisCache, other: RedisCache): Promise<void> {
  one.putIdentity(HASH, IDENTITY)
  await until(async () => (await other.getIdentity(HASH))?.client === CLIENT)
  const heard: Told[] = []
  other.onTold((told) => heard.push(told))
  const act = {
    permission: 'p' as PermissionId,
    client: CLIENT,
    meter: `prm:${METER}` as MeterId,
    status: 'ended',
    entry: 'e/1',
    generation: 1,
  } as const
  await until(async () => {
    await one.tellActs([act])
    return heard.some((told) => told.is === 'views')
  })
}

test('behind Sentinels the primary is found, lost and found again', { timeout: 90_000 }, async () => {
  const primary = await redisServer()
  const replicas = [await redisServer(), await redisServer()]
  for (const { port } of replicas) await command(port, 'REPLICAOF', '127.0.0.1', String(primary.port))
  const sentinels = await Promise.all([0, 1, 2].map(() => aSentinel(primary.port)))
  onTestFinished(async () => {
    for (const server of [...sentinels, ...replicas, primary]) await server.close()
  })
  const place = { sentinels: sentinels.map(({ port }) => `127.0.0.1:${port}`), primary: 'gates' }
  const [one, other] = [await aCache(place), await aCache(place)]
  await until(() => one.up && other.up)
  await works(one, other)
  await primary.kill()
  // What was there is gone or not: either is a miss, and none an error.
  expect(await one.getIdentity(Buffer.alloc(32, 2))).toBeUndefined()
  await until(() => one.up && other.up, 40_000)
  await works(one, other)
})

test('in a cluster each key goes to its node', { timeout: 60_000 }, async () => {
  const nodes: RedisServer[] = []
  for (let i = 0; i < 3; i += 1) nodes.push(await redisServer(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']))
  onTestFinished(async () => {
    for (const node of nodes) await node.close()
  })
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`)
  execFileSync('redis-cli', ['--cluster', 'create', ...hosts, '--cluster-yes'], { stdio: 'ignore' })
  await until(async () => (await command(nodes[0]?.port ?? 0, 'CLUSTER', 'INFO')).includes('cluster_state:ok'))
  const [one, other] = [await aCache({ cluster: hosts }), await aCache({ cluster: hosts.slice(1) })]
  await until(() => one.up && other.up)
  await works(one, other)
  const hashes = Array.from({ length: 60 }, (_, i) => Buffer.alloc(32, i + 10))
  for (const hash of hashes) one.putIdentity(hash, IDENTITY)
  for (const hash of hashes) await until(async () => (await other.getIdentity(hash)) !== undefined)
  const sizes = await Promise.all(nodes.map(async ({ port }) => Number(await command(port, 'DBSIZE'))))
  expect(sizes.every((size) => size > 0)).toBe(true)
})

test('by TLS with a certificate of its own; without it, or with another authority, nothing is said', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-redis-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  certificates(folder)
  const port = await freePort()
  const server = await redisServer([
    ...['--tls-port', String(port), '--tls-cert-file', join(folder, 'server.pem'), '--tls-key-file', join(folder, 'server.key')],
    ...['--tls-ca-cert-file', join(folder, 'ca.pem'), '--tls-auth-clients', 'yes'],
  ])
  onTestFinished(() => server.close())
  const url = `rediss://localhost:${port}`
  const [one, other] = [await aCache({ url, tls: tls(folder) }), await aCache({ url, tls: tls(folder) })]
  await until(() => one.up && other.up)
  await works(one, other)
  const stranger = await aCache({ url, tls: { ca: join(folder, 'ca.pem') } })
  const distrusting = await aCache({ url })
  await sleep(500)
  expect([stranger.up, distrusting.up]).toStrictEqual([false, false])
})

test('a user who may do only what a gate does is enough', { timeout: 60_000 }, async () => {
  const server = await redisServer()
  onTestFinished(() => server.close())
  await command(server.port, 'ACL', 'SETUSER', 'gate', 'on', '>secret', ...RIGHTS.split(' '))
  const place = { url: server.url, username: 'gate' }
  const [one, other] = [await aCache(place, { password: 'secret' }), await aCache(place, { password: 'secret' })]
  await until(() => one.up && other.up)
  await works(one, other)
  one.dropIdentity(HASH)
  await until(async () => (await other.getIdentity(HASH)) === undefined)
  const wrong = await aCache(place, { password: 'other' })
  expect(wrong.up).toBe(false)
})
/** As docs/operating.md gives them. */
const RIGHTS = 'resetchannels ~ecluse:* &ecluse:* +get +set +del +publish +subscribe +ping +evalsha +eval +script|load'

describe('on a bad way to Redis', () => {
  test.each([
    ['late', { latencyMs: 300 }],
    ['silent', { blackHole: true }],
    ['half open', { halfOpen: true }],
    ['cut in every answer', { truncateAfter: 40 }],
    ['refusing', { refuse: true }],
  ] as const)('%s, the same answer comes, and soon', { timeout: 60_000 }, async (_name, fault) => {
    const server = await redisServer()
    const proxy = await faultProxy(server.port)
    const gate = await aGate({ change: (tree) => (tree['redis'] = { url: `redis://127.0.0.1:${proxy.port}` }) })
    onTestFinished(async () => {
      await gate.stop()
      await proxy.close()
      await server.close()
    })
    await gate.permit({ id: 'p1' })
    const ask = async (): Promise<readonly [number, number]> => {
      const token = await gate.token()
      const began = performance.now()
      const answer = await fetch(`${gate.url}${curve(METER, today(-3), today(-1))}`, bearer(token))
      await answer.text()
      return [answer.status, performance.now() - began]
    }
    expect((await ask())[0]).toBe(200)
    proxy.set(fault)
    proxy.reset()
    for (let i = 0; i < 5; i += 1) {
      const [status, ms] = await ask()
      expect(status).toBe(200)
      expect(ms).toBeLessThan(500)
    }
    proxy.heal()
    await until(async () => ((await (await fetch(`${gate.ops}/readyz`)).json()) as Record<string, string>)['redis'] === 'ok')
  })
})

async function aSentinel(primaryPort: number): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  writeFileSync(
    file,
    `sentinel monitor gates 127.0.0.1 ${primaryPort} 2\nsentinel down-after-milliseconds gates 1000\nsentinel failover-timeout gates 5000\n`,
  )
  const server = await redisServer([], [file, '--sentinel'])
  return {
    ...server,
    async close() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function command(port: number, name: string, ...args: readonly string[]): Promise<string> {
  const client = new Redis(port, '127.0.0.1', { replyMapping: 'legacy' })
  try {
    return String(await client.call(name, ...args))
  } finally {
    client.disconnect()
  }
}

/** An authority, a server of the name localhost, and a client. */
function certificates(folder: string): void {
  const run = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  run(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test authority',
  )
  for (const name of ['server', 'client']) {
    writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:localhost')
    run(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    )
    run(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'ext',
      '-out',
      `${name}.pem`,
    )
  }
}
