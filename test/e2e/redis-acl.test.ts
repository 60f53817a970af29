/** The user of the ACL that docs/operating.md describes: a gate needs each of its commands, and no other. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { redisCache } from '../../src/permissions/redis.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, curve } from '../harness/gate.ts'
import { redisServer } from '../harness/redis.ts'
import { anAdmin, ask, redisStanding, silent, TIMEOUT_MS, until } from '../harness/redis-gates.ts'
import { redisCluster } from '../harness/redis-topologies.ts'
import type { Tree } from '../harness/settings.ts'
import { secretsOf, today } from '../harness/settings.ts'

const PASSWORD = 'the-gate-password'
const documented = /^```acl\nACL SETUSER ecluse ([\s\S]*?)^```/m.exec(readFileSync('docs/operating.md', 'utf8'))?.[1] ?? ''
const words = documented.replace('>PASSWORD', `>${PASSWORD}`).split(/\s+/).filter(Boolean)
const OF_A_CLUSTER = ['cluster|slots', 'client|setname', 'asking']
const commands = words.filter((word) => word.startsWith('+')).map((word) => word.slice(1))

/** A gate as that user; what it may not do stands in the server's log. */
async function aGateAs(redis: Tree, password = PASSWORD): Promise<TestGate> {
  const gate = await aGate({
    env: { ...secretsOf(), TEST_REDIS_PASSWORD: password },
    change(tree) {
      tree['redis'] = { ...redis, username: 'ecluse', password: { env: 'TEST_REDIS_PASSWORD' }, command_timeout_ms: TIMEOUT_MS * 4 }
      const rules = tree['rules'] as Tree[]
      Object.assign(rules[0] ?? {}, { calls_per_hour: 100 })
      const providers = tree['providers'] as Record<string, { accounts: Tree[] }>
      Object.assign(providers['enedis-data-connect']?.accounts[0] ?? {}, { quota: { per_second: 4, per_hour: 1000 } })
    },
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= gate.stop())
  onTestFinished(stop)
  return { ...gate, stop }
}
async function used(gate: TestGate, meter: string): Promise<void> {
  await gate.permit({ id: 'p1', meter })
  const token = await gate.token()
  for (let i = 0; i < 3; i += 1) expect((await ask(gate, token, curve(meter, today(-20), today(-18)))).answer.status).toBe(200)
  // Many parts at once, some of which are given back; then an act.
  expect((await ask(gate, token, curve(meter, today(-60), today(-18)))).answer.status).toBe(200)
  gate.holder.script = (_request, socket) => socket.end('HTTP/1.1 429 Slow\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}')
  expect((await ask(gate, token, curve(meter, today(-60), today(-18)))).answer.status).toBe(429)
  await sleep(5500)
  await gate.command('permission withdraw', { permission: 'p1' })
}
async function refusedBy(admin: Redis): Promise<readonly string[]> {
  return ((await admin.call('ACL', 'LOG')) as unknown[]).map((entry) => JSON.stringify(entry))
}
async function usedOn(admin: Redis): Promise<string[]> {
  return [...(await admin.info('commandstats')).matchAll(/^cmdstat_([\w|]+):calls=[1-9]/gm)].map((m) => m[1] ?? '')
}

test('on one server, with a database of its own', async () => {
  const server = await redisServer(['--requirepass', 'the-admin-password'])
  const admin = anAdmin(server.port, { password: 'the-admin-password' })
  onTestFinished(async () => {
    admin.disconnect()
    await server.close()
  })
  await admin.call('ACL', 'SETUSER', 'ecluse', ...words)
  const gate = await aGateAs({ url: `${server.url}/1` })
  await until(async () => (await redisStanding(gate)) === 'ok')
  await used(gate, '40000000099301')
  expect(await refusedBy(admin)).toStrictEqual([])
  expect((await (await fetch(`${gate.ops}/metrics`)).text()).split('\n')).toContain('ecluse_quotas_apart 0')
  await gate.stop()
  const seen = await usedOn(admin)
  expect(commands.filter((name) => !seen.includes(name))).toStrictEqual(OF_A_CLUSTER)
  // The same, and the wrong password.
  const wrong = await aGateAs({ url: server.url }, 'not-the-gate-password')
  expect(await redisStanding(wrong)).toBe('slow')
  expect((await (await fetch(`${wrong.ops}/metrics`)).text()).split('\n')).toContain('ecluse_quotas_apart 1')
  await wrong.permit({ id: 'wrong-1', meter: '40000000099302' })
  expect((await ask(wrong, await wrong.token(), curve('40000000099302', today(-20), today(-18)))).answer.status).toBe(200)
  expect(wrong.log.join('')).not.toContain('gate-password')
})

test('in a cluster', async () => {
  const cluster = await redisCluster(3)
  onTestFinished(() => cluster.close())
  await cluster.onEach((admin) => admin.call('ACL', 'SETUSER', 'ecluse', ...words))
  const gate = await aGateAs({ cluster: cluster.places })
  await until(async () => (await redisStanding(gate)) === 'ok')
  await used(gate, '40000000099303')
  expect((await cluster.onEach(refusedBy)).flat()).toStrictEqual([])
  const seen = (await cluster.onEach(usedOn)).flat()
  // Nothing is moved to another node here.
  expect(OF_A_CLUSTER.filter((name) => !seen.includes(name))).toStrictEqual(['asking'])
})

test.each(['get', 'set', 'publish', 'subscribe', 'evalsha', 'zadd'])('without the right to %s it answers, and says so', async (command) => {
  const server = await redisServer(['--requirepass', 'the-admin-password'])
  const admin = anAdmin(server.port, { password: 'the-admin-password' })
  onTestFinished(async () => {
    admin.disconnect()
    await server.close()
  })
  await admin.call('ACL', 'SETUSER', 'ecluse', ...words, `-${command}`)
  const gate = await aGateAs({ url: server.url })
  await gate.permit({ id: 'p1', meter: '40000000099304' })
  const token = await gate.token()
  for (let i = 0; i < 2; i += 1) expect((await ask(gate, token, curve('40000000099304', today(-20), today(-18)))).answer.status).toBe(200)
  expect((await refusedBy(admin)).length).toBeGreaterThan(0)
})

test('a user who may not see the keys of this instance learns nothing of it', async () => {
  const server = await redisServer(['--requirepass', 'the-admin-password'])
  const admin = anAdmin(server.port, { password: 'the-admin-password' })
  onTestFinished(async () => {
    admin.disconnect()
    await server.close()
  })
  await admin.call('ACL', 'SETUSER', 'ecluse', ...words, 'resetkeys', '~another:*')
  const settings = { url: server.url, username: 'ecluse', ttlSeconds: 60, commandTimeoutMs: 200 }
  const cache = await redisCache(settings, { password: PASSWORD }, redisSeal(Buffer.alloc(32, 3)), silent, () => undefined)
  onTestFinished(() => cache.close())
  expect(await cache.getIdentity(Buffer.alloc(32, 1))).toBeUndefined()
})
