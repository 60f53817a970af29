/**
 * Redis changes the speed and never an answer: one gate without it and one with it are asked the same, while the second
 * one's Redis is lost, silent, slow, empty, old, wrong or lying.
 */
import { copyFileSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ClientId, PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Millis } from '../../src/domain/time.ts'
import { lookups } from '../../src/permissions/cache.ts'
import type { Told } from '../../src/permissions/cache.ts'
import type { RedisCache } from '../../src/permissions/redis.ts'
import { redisCache } from '../../src/permissions/redis.ts'
import { redisSeal } from '../../src/permissions/redis-seal.ts'
import type { ActResult } from '../../src/permissions/record.ts'
import type { Views } from '../../src/permissions/registry.ts'
import { scopeHashOf } from '../../src/permissions/registry.ts'
import type { Identity } from '../../src/permissions/tokens.ts'
import { aPermission, days } from '../given.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import type { Replies } from '../harness/redis.ts'
import { bulk, fakeRedis, freePort, HANDSHAKE, redisServer } from '../harness/redis.ts'
import type { RedisServer } from '../harness/redis.ts'
import type { TwoGates } from '../harness/redis-gates.ts'
import { anAdmin, ask, redisSettings, results, silent, twoGates, until, withRedis } from '../harness/redis-gates.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'

describe('a gate with Redis and one without', () => {
  let server: RedisServer
  let gates: TwoGates
  let cached: TestGate
  let admin: Redis
  beforeAll(async () => {
    server = await redisServer()
    gates = await twoGates({ url: server.url })
    cached = gates.cached
    admin = anAdmin(server.port)
  })
  afterAll(async () => {
    admin.disconnect()
    await gates.stop()
    await server.close()
  })
  const same = (): Promise<void> => gates.same()
  const standing = (): Promise<string> => gates.standing()
  const recovers = (): Promise<void> => gates.recovers()
  /** A message that nobody can read: every gate drops its own copies, so that Redis is asked. */
  async function forget(): Promise<void> {
    const channels = (await admin.pubsub('CHANNELS', 'ecluse:*')) as string[]
    expect(channels).toHaveLength(1)
    expect(await admin.publish(channels[0] ?? '', 'nobody can read this')).toBeGreaterThan(0)
    await sleep(50)
  }

  test('answer the same, and the second one’s Redis is filled and asked', async () => {
    await same()
    expect(await admin.dbsize()).toBeGreaterThan(3)
    for (const key of await admin.keys('*')) expect(await admin.ttl(key)).toBeGreaterThan(0)
    const meter = '40000000099001'
    await cached.permit({ id: 'hit-1', meter })
    const token = await cached.token()
    const once = async (): Promise<number> => (await ask(cached, token, curve(meter, today(-20), today(-18)))).answer.status
    expect(await once()).toBe(200)
    const before = await results(cached)
    expect(await once()).toBe(200)
    expect(await results(cached), 'its own copy answers').toStrictEqual(before)
    await forget()
    expect(await once()).toBe(200)
    expect((await results(cached))['hit']).toBe((before['hit'] ?? 0) + 2)
  })

  test('killed, and started again', async () => {
    await server.kill()
    await same()
    expect(await standing()).toBe('slow')
    expect((await fetch(`${cached.ops}/readyz`)).status, 'the gate is ready all the same').toBe(200)
    await server.start()
    await recovers()
  })

  test('flapping under load', async () => {
    const meter = '40000000099002'
    await cached.permit({ id: 'flap-1', meter })
    let going = true
    const statuses: number[] = []
    const slowest: number[] = []
    const load = Array.from({ length: 8 }, async () => {
      while (going) {
        const token = await cached.token()
        const { answer, ms } = await ask(cached, token, curve(meter, today(-20), today(-18)))
        statuses.push(answer.status)
        slowest.push(ms)
      }
    })
    for (const _turn of [1, 2, 3]) {
      await sleep(400)
      await server.kill()
      await sleep(400)
      await server.start()
    }
    going = false
    await Promise.all(load)
    expect(statuses.length).toBeGreaterThan(16)
    expect(new Set(statuses)).toStrictEqual(new Set([200]))
    await recovers()
  })

  test('stopped in its tracks (SIGSTOP): it takes connections and never answers', async () => {
    server.signal('SIGSTOP')
    onTestFinished(() => server.signal('SIGCONT'))
    for (const _turn of [1, 2, 3]) await same()
    expect(await standing()).toBe('slow')
    server.signal('SIGCONT')
    await recovers()
  })

  test('slow, and paused', async () => {
    const sleeping = anAdmin(server.port)
    sleeping.call('DEBUG', 'SLEEP', '1.5').catch(() => undefined)
    await same()
    await sleep(1500)
    await sleeping.call('CLIENT', 'PAUSE', '1500', 'ALL')
    await same()
    await recovers()
  })

  test('emptied', async () => {
    await same()
    await admin.flushall()
    await forget()
    await recovers()
  })

  test('restored from an old dump: what was withdrawn stays so, what was given since is given', async () => {
    const meters = ['40000000099003', '40000000099004'] as const
    await cached.permit({ id: 'dump-1', meter: meters[0] })
    const token = await cached.token()
    const statuses = async (): Promise<readonly number[]> => [
      (await ask(cached, token, curve(meters[0], today(-20), today(-18)))).answer.status,
      (await ask(cached, token, curve(meters[1], today(-20), today(-18)))).answer.status,
    ]
    expect(await statuses()).toStrictEqual([200, 403])
    await admin.save()
    copyFileSync(server.dump, `${server.dump}.old`)
    await cached.command('permission withdraw', { permission: 'dump-1' })
    await cached.permit({ id: 'dump-2', meter: meters[1] })
    expect(await statuses()).toStrictEqual([403, 200])
    await server.kill()
    copyFileSync(`${server.dump}.old`, server.dump)
    await server.start()
    await until(async () => (await standing()) === 'ok', 8000)
    const before = await results(cached)
    expect(await statuses()).toStrictEqual([403, 200])
    expect((await results(cached))['hit'], 'the old values were read').toBe((before['hit'] ?? 0) + 3)
    // And they are mended by it.
    await forget()
    const mended = await results(cached)
    expect(await statuses()).toStrictEqual([403, 200])
    expect((await results(cached))['hit']).toBeGreaterThan(mended['hit'] ?? 0)
  })

  describe('whose values were tampered with', () => {
    const meter = '40000000099005'
    const other = '40000000099006'
    let token: string
    beforeAll(async () => {
      await cached.permit({ id: 'forge-1', meter }, { id: 'forge-2', meter: other, from: today(-5), until: today(-4) })
      token = await cached.token()
    })
    const statuses = async (): Promise<readonly number[]> => [
      (await ask(cached, token, curve(meter, today(-20), today(-18)))).answer.status,
      (await ask(cached, token, curve(other, today(-20), today(-18)))).answer.status,
    ]
    test.each<readonly [string, (value: Buffer, all: readonly Buffer[]) => Buffer | string, 'forged' | 'miss']>([
      ['one bit', (value) => Buffer.concat([value.subarray(0, -1), Buffer.of((value.at(-1) ?? 0) ^ 1)]), 'forged'],
      ['another key’s value', (value, all) => all.find((v) => !v.equals(value)) ?? '', 'forged'],
      ['cut short', (value) => value.subarray(0, 40), 'forged'],
      ['one byte', () => Buffer.of(1), 'forged'],
      ['nothing', () => '', 'miss'],
      ['JSON in clear', () => JSON.stringify({ generation: 1, permissions: [] }), 'miss'],
      ['another version', (value) => Buffer.concat([Buffer.of(9), value.subarray(1)]), 'miss'],
    ])('%s: counted, and the registry answers', async (_what, tamper, counted) => {
      await admin.flushall()
      await forget()
      expect(await statuses()).toStrictEqual([200, 403])
      const keys = (await admin.keys('*')).filter((key) => /^ecluse:[^:{]+:(token|views):/.test(key)).toSorted()
      const values = await Promise.all(keys.map(async (key) => (await admin.getBuffer(key)) ?? Buffer.alloc(0)))
      expect(keys).toHaveLength(3)
      for (const [i, key] of keys.entries()) await admin.set(key, tamper(values[i] ?? Buffer.alloc(0), values), 'EX', 300)
      await forget()
      const before = await results(cached)
      expect(await statuses()).toStrictEqual([200, 403])
      expect((await results(cached))[counted]).toBe((before[counted] ?? 0) + 3)
    })

    test('sealed by the instance and yet not what the registry says', async () => {
      const key = Buffer.from(cached.env['TEST_INDEX_KEY'] ?? '', 'hex')
      const forger = await redisCache(redisSettings(server.port), {}, redisSeal(key), silent, () => undefined)
      onTestFinished(() => forger.close())
      const client = 'viriya' as ClientId
      const meterOf = (bare: string): MeterId => `prm:${bare}` as MeterId
      await admin.flushall()
      await forget()
      expect(await statuses()).toStrictEqual([200, 403])
      const [own, others] = [await forger.getViews(client, meterOf(meter)), await forger.getViews(client, meterOf(other))]
      const [wide, narrow] = [own?.permissions[0], others?.permissions[0]]
      if (!own || !others || !wide || !narrow) throw new Error('Redis was not filled')
      const lines = wide.scope.lines.map((line) => ({ ...line, data: days(today(-500), today(0)) }))
      const scope = { ...narrow.scope, lines }
      const wrong: readonly Views[] = [
        // Wider lines under the hash of the narrow ones, and under their own.
        { generation: others.generation, permissions: [{ ...narrow, scope }] },
        { generation: others.generation, permissions: [{ ...narrow, scope, scopeHash: scopeHashOf(scope) }] },
        // Another meter's permission, another generation, nothing at all.
        { generation: others.generation, permissions: [wide] },
        { generation: others.generation + 1, permissions: [{ ...narrow, scope }] },
        { generation: others.generation - 1, permissions: [] },
      ]
      for (const views of wrong) {
        forger.putViews(client, meterOf(other), views)
        forger.putViews(client, meterOf(meter), { generation: 0, permissions: [] })
        await sleep(20)
        await forget()
        expect(await statuses(), JSON.stringify(views).slice(0, 80)).toStrictEqual([200, 403])
      }
    })
  })

  test('neither a dump nor what goes over the wire names a meter, a person, a token, a client or a permission', async () => {
    const spied: string[] = []
    // On a bare socket: ioredis takes what it sees of others for answers to itself while it begins to watch.
    const monitor = connect({ host: '127.0.0.1', port: server.port })
    onTestFinished(() => void monitor.destroy())
    let heard = ''
    monitor.setEncoding('latin1').on('data', (text: string) => {
      const lines = (heard + text).split('\r\n')
      heard = lines.pop() ?? ''
      // `+TIME [DB ADDRESS] "command" "argument" …`
      for (const line of lines) spied.push([...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word).join(' '))
    })
    monitor.write('MONITOR\r\n')
    await until(() => spied.length > 0)
    const meter = '40000000099007'
    const holder = { kind: 'natural', reference: 'reference-canary-55', name: 'Grace Canary-Hopper' } as const
    await cached.permit({ id: 'named-1', meter, holder })
    const token = await cached.token()
    expect((await ask(cached, token, curve(meter, today(-20), today(-18)))).answer.status).toBe(200)
    await cached.command('permission withdraw', { permission: 'named-1' })
    await admin.save()
    await until(() => spied.some((line) => line.startsWith('publish') || line.startsWith('PUBLISH')))
    const dump = readFileSync(server.dump)
    expect(spied.filter((line) => /^set/i.test(line)).length).toBeGreaterThan(1)
    for (const text of [meter, 'reference-canary-55', 'Canary-Hopper', token, 'viriya', 'named-1', 'load_curve']) {
      expect(dump.includes(text), `${text} in the dump`).toBe(false)
      expect(spied.filter((line) => line.includes(text))).toStrictEqual([])
    }
  })

  describe('in whose place something else answers', () => {
    const reply =
      (text: string | undefined): Replies =>
      (command, socket) =>
        /^(get|set|del|publish|eval|evalsha)$/i.test(command[0] ?? '') ? text : HANDSHAKE(command, socket)
    const replies: readonly (readonly [string, Replies])[] = [
      ['-LOADING', reply('-LOADING Redis is loading the dataset in memory\r\n')],
      ['-READONLY', reply("-READONLY You can't write against a read only replica.\r\n")],
      ['-OOM', reply("-OOM command not allowed when used memory > 'maxmemory'.\r\n")],
      ['-NOAUTH', reply('-NOAUTH Authentication required.\r\n')],
      ['-MOVED', reply('-MOVED 3999 127.0.0.1:1\r\n')],
      ['a number', reply(':1\r\n')],
      ['a list', reply('*1\r\n:1\r\n')],
      ['nothing there', reply('$-1\r\n')],
      ['an empty value', reply(bulk(''))],
      ['a value of 1 MB', reply(bulk('\u0001'.repeat(1_000_000)))],
      ['a truncated value', reply('$1000\r\nabc')],
      ['garbage', reply('\u0000\u00ff!?\r\n')],
      ['nothing, ever, to a command', reply(undefined)],
      ['nothing, ever, to anything', () => undefined],
      ['-NOAUTH to anything', () => '-NOAUTH Authentication required.\r\n'],
      ['-LOADING to anything', () => '-LOADING Redis is loading the dataset in memory\r\n'],
      ['garbage to anything', () => 'HTTP/1.1 400 Bad Request\r\n\r\n'],
      [
        'the end of the connection',
        (command, socket) => {
          if (/^(get|set|del|publish|eval|evalsha)$/i.test(command[0] ?? '')) socket.destroy()
          return HANDSHAKE(command, socket)
        },
      ],
    ]
    beforeAll(() => server.kill())
    afterAll(async () => {
      await server.start()
      await recovers()
    })
    test.each(replies)('%s', async (what, script) => {
      const fake = await fakeRedis(server.port, script)
      onTestFinished(() => fake.close())
      const toAnything = what.endsWith('to anything')
      await until(async () => (toAnything ? fake.commands.length > 2 : (await standing()) === 'ok'), 8000)
      const before = await results(cached)
      const failed = (counts: Record<string, number>): number => (counts['fault'] ?? 0) + (counts['miss'] ?? 0) + (counts['forged'] ?? 0)
      await same()
      // What never gets ready is not even asked; and one that has just taken the place of another may not be yet.
      if (!toAnything)
        await until(async () => {
          await same()
          return failed(await results(cached)) > failed(before)
        }, 8000)
      const after = await results(cached)
      expect(after['hit'] ?? 0).toBe(before['hit'] ?? 0)
    })
  })
})

describe('a gate starts', () => {
  async function startsAndServes(change: (tree: Tree) => void, env: Record<string, string> = {}): Promise<TestGate> {
    const first = await aGate()
    const secrets = { ...first.env, ...env }
    await first.stop()
    const started = performance.now()
    const gate = await aGate({ change, env: secrets })
    expect(performance.now() - started).toBeLessThan(8000)
    await gate.permit({ id: 'p1', meter: '40000000099100' })
    const token = await gate.token()
    const answer = await fetch(gate.url + curve('40000000099100', today(-20), today(-18)), bearer(token))
    expect(answer.status).toBe(200)
    return gate
  }

  test('with its Redis down, and uses it once it is there', async () => {
    const server = await redisServer()
    await server.kill()
    const gate = await startsAndServes(withRedis({ url: server.url }))
    await server.start()
    await until(async () => (await (await fetch(`${gate.ops}/readyz`)).text()).includes('"redis":"ok"'), 8000)
    await gate.stop()
    await server.close()
  })

  test('with a black hole in place of its Redis', async () => {
    const port = await freePort()
    const hole = createServer(() => undefined)
    await new Promise<void>((resolve) => hole.listen(port, '127.0.0.1', resolve))
    const gate = await startsAndServes(withRedis({ url: `redis://127.0.0.1:${port}` }))
    await gate.stop()
    hole.close()
  })
})

describe('two gates of one instance', () => {
  const key = Buffer.alloc(32, 3)
  const client = 'viriya' as ClientId
  const meter = 'prm:10000000000001' as MeterId
  const hash = Buffer.alloc(32, 1)
  const identity: Identity = {
    client,
    purpose: 'self_view' as PurposeCode,
    set: 'all',
    expiresAt: 2e12 as Millis,
    disabled: false,
    credential: 'crd',
  }
  const scope = { ...aPermission().scope, recipient: client }
  const viewsAt = (generation: number): Views => ({
    generation,
    permissions: [{ ...aPermission({ meter }), scope, scopeHash: scopeHashOf(scope), deliveries: [] }],
  })
  const act = (change: Partial<ActResult> = {}): ActResult => ({
    permission: 'p1' as PermissionId,
    client,
    meter,
    status: 'ended',
    entry: 'o/1',
    generation: 2,
    ...change,
  })
  const SIZES = { tokens: 100, recentViews: 100, packedViewBytes: 0 }
  let server: RedisServer
  const results: string[] = []
  beforeAll(async () => {
    server = await redisServer()
  })
  afterAll(() => server.close())

  /** One gate's copies over a registry that the test turns on. */
  async function aSide(registry: { generation: number; asked: number }, port = server.port) {
    const shared = await redisCache(redisSettings(port), {}, redisSeal(key), silent, (result) => void results.push(result))
    onTestFinished(() => shared.close())
    const copies = lookups(
      {
        identify: () => Promise.resolve(identity),
        views: () => {
          registry.asked += 1
          return Promise.resolve(viewsAt(registry.generation))
        },
      },
      shared,
      SIZES,
      () => undefined,
    )
    const told: Told[] = []
    shared.onTold((each) => {
      told.push(each)
      copies.hear(each)
    })
    return { shared, copies, told }
  }
  const flush = async (): Promise<void> => {
    const admin = anAdmin(server.port)
    await admin.flushall()
    admin.disconnect()
  }

  test('tell each other of each act, by what changed, and not themselves', async () => {
    await flush()
    const registry = { generation: 1, asked: 0 }
    const [a, b] = [await aSide(registry), await aSide(registry)]
    for (const side of [a, b]) expect((await side.copies.views(client, meter, false)).generation).toBe(1)
    await b.copies.identify(hash, false)
    a.told.length = b.told.length = 0
    registry.generation = 2
    a.copies.dropViews(client, meter)
    await a.shared.tellActs([act()])
    await until(() => b.told.length > 0)
    expect(b.told).toStrictEqual([{ is: 'views', client, meter }])
    expect((await b.copies.views(client, meter, false)).generation).toBe(2)
    a.copies.dropIdentity(hash)
    await a.shared.tellToken(hash)
    await a.shared.tellAll()
    await a.shared.tellActs([act({ meter: null })])
    await a.shared.tellActs(Array.from({ length: 101 }, () => act()))
    await a.shared.tellActs([])
    await until(() => b.told.length >= 5)
    expect(b.told.slice(1)).toStrictEqual([{ is: 'token', hash: hash.toString('base64') }, { is: 'all' }, { is: 'all' }, { is: 'all' }])
    expect(a.told).toStrictEqual([])
  })

  test('drop their copies where the channel was cut, for what was told meanwhile is lost', async () => {
    await flush()
    const registry = { generation: 1, asked: 0 }
    const relay = await aRelay(server.port)
    onTestFinished(() => relay.close())
    const [a, b] = [await aSide(registry), await aSide(registry, relay.port)]
    expect((await b.copies.views(client, meter, false)).generation).toBe(1)
    relay.cut(true)
    await until(() => b.told.length > 0)
    // B fills its copy from the registry again, inside the gap; then A acts, and B hears nothing of it.
    expect((await b.copies.views(client, meter, false)).generation).toBe(1)
    registry.generation = 2
    a.copies.dropViews(client, meter)
    await a.shared.tellActs([act()])
    b.told.length = 0
    relay.cut(false)
    await until(() => b.told.some((each) => each.is === 'all'), 5000)
    expect((await b.copies.views(client, meter, false)).generation).toBe(2)
  })

  test('a fill that began before an act brings nothing back, here or in Redis', async () => {
    await flush()
    const results2 = { generation: 1, asked: 0 }
    const a = await aSide(results2)
    const held = Promise.withResolvers<Views>()
    const slow = lookups({ identify: () => Promise.resolve(identity), views: () => held.promise }, a.shared, SIZES, () => undefined)
    const filling = slow.views(client, meter, false)
    await sleep(20)
    slow.dropViews(client, meter)
    held.resolve(viewsAt(1))
    expect((await filling).generation, 'the one who asked has it').toBe(1)
    await sleep(20)
    expect(await a.shared.getViews(client, meter)).toBeUndefined()
    // The same of a token that is revoked while it is looked up.
    const heldToken = Promise.withResolvers<Identity>()
    const slowToken = lookups({ identify: () => heldToken.promise, views: () => held.promise }, a.shared, SIZES, () => undefined)
    const looking = slowToken.identify(hash, false)
    await sleep(20)
    slowToken.hear({ is: 'token', hash: hash.toString('base64') })
    heldToken.resolve(identity)
    await looking
    await sleep(20)
    expect(await a.shared.getIdentity(hash)).toBeUndefined()
  })

  test('of another instance read nothing of theirs', async () => {
    await flush()
    const a = await aSide({ generation: 1, asked: 0 })
    const stranger = await redisCache(redisSettings(server.port), {}, redisSeal(Buffer.alloc(32, 4)), silent, () => undefined)
    onTestFinished(() => stranger.close())
    const heard: Told[] = []
    stranger.onTold((told) => void heard.push(told))
    await until(() => heard.length > 0)
    heard.length = 0
    a.shared.putViews(client, meter, viewsAt(1))
    await a.shared.tellActs([act()])
    await until(async () => (await a.shared.getViews(client, meter)) !== undefined)
    expect(await stranger.getViews(client, meter)).toBeUndefined()
    expect(heard).toStrictEqual([])
  })

  test('over TLS with an authority of their own', async () => {
    const { tls, ca, close } = await redisOverTls()
    onTestFinished(close)
    const settings = { ...redisSettings(tls.port), url: `rediss://localhost:${tls.port}`, tls: { ca } }
    const shared = await redisCache(settings, {}, redisSeal(key), silent, () => undefined)
    onTestFinished(() => shared.close())
    await until(() => shared.up)
    shared.putIdentity(hash, identity)
    await until(async () => (await shared.getIdentity(hash)) !== undefined)
    const distrusting: RedisCache = await redisCache({ ...settings, tls: undefined }, {}, redisSeal(key), silent, () => undefined)
    onTestFinished(() => distrusting.close())
    expect(distrusting.up).toBe(false)
    expect(await distrusting.getIdentity(hash)).toBeUndefined()
  })
})

async function redisOverTls() {
  const { execFileSync } = await import('node:child_process')
  const { join } = await import('node:path')
  const port = await freePort()
  const plain = await redisServer()
  const [certificate, key] = [join(plain.folder, 'cert.pem'), join(plain.folder, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject]
  execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const admin = anAdmin(plain.port)
  await admin.call(
    'CONFIG',
    'SET',
    'tls-auth-clients',
    'no',
    'tls-cert-file',
    certificate,
    'tls-key-file',
    key,
    'tls-ca-cert-file',
    certificate,
  )
  await admin.call('CONFIG', 'SET', 'tls-port', String(port))
  admin.disconnect()
  return { tls: { port }, ca: certificate, close: () => plain.close() }
}

/** A way to the server that can be cut. */
async function aRelay(to: number) {
  let isCut = false
  const sockets = new Set<{ destroy(): void }>()
  const relay = createServer((socket) => {
    const onward = connect(to, '127.0.0.1')
    for (const each of [socket, onward]) {
      sockets.add(each)
      each.on('error', () => each.destroy())
      each.once('close', () => {
        sockets.delete(each)
        socket.destroy()
        onward.destroy()
      })
    }
    if (isCut) socket.destroy()
    else socket.pipe(onward).pipe(socket)
  })
  const port = await freePort()
  await new Promise<void>((resolve) => relay.listen(port, '127.0.0.1', resolve))
  const cut = (on: boolean): void => {
    isCut = on
    if (on) for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    cut,
    close: () => {
      cut(true)
      relay.close()
    },
  }
}
