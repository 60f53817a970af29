/** `ecluse serve --workers 2`: gates on one port, replaced while requests go on, started again where they end, stopped together. */
import type { ChildProcess } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../src/ops/control.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve, removeFolder } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer, postgresTree } from '../harness/postgres.ts'
import type { RedisServer } from '../harness/redis.ts'
import { freePort, redisServer } from '../harness/redis.ts'
import { until } from '../harness/redis-gates.ts'
import type { Tree } from '../harness/settings.ts'
import { anAuthority } from './wire/certificates.ts'
import { METER, today } from '../harness/settings.ts'

let database: PostgresServer
let redis: RedisServer
let holder: FakeHolder
beforeAll(async () => {
  database = await postgresServer()
  await database.start()
  redis = await redisServer()
  holder = await fakeHolder()
})
afterAll(async () => {
  await holder.close()
  await redis.close()
  await database.close()
})

function shared(schema: string, tree: Tree): void {
  tree['storage'] = { postgres: postgresTree(database.port, schema) }
  tree['redis'] = { url: redis.url, gates: 2 }
}
const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const path = curve(METER, today(-3), today(-1))

describe('two workers', () => {
  let gate: GateProcess
  let token: string
  const pids = (): readonly number[] => workersOf(gate.child.pid ?? 0)
  const ready = async (): Promise<Record<string, unknown>> => (await (await fetch(`${gate.ops}/readyz`)).json()) as Record<string, unknown>

  beforeAll(async () => {
    const port = await freePort()
    gate = await aGateProcess({
      holder,
      args: ['--workers', '2', '--drain-ms', '500'],
      change(tree) {
        shared('workers', tree)
        const { gate: listener, ...others } = tree['listeners'] as { gate: object }
        tree['listeners'] = { ...others, gate: { ...listener, port, idle_seconds: 75 } }
      },
    })
    await gate.permit({ id: 'read' })
    token = await gate.token()
  })
  afterAll(() => {
    removeFolder(gate)
  })

  /** Asks on kept and on new connections until `work` has ended; every answer but 200 is told, and every broken connection. */
  async function meanwhile(work: () => Promise<void>): Promise<{ asked: number; wrong: string[] }> {
    const agent = new Agent({ connections: 8 })
    const wrong: string[] = []
    let asked = 0
    let going = true
    const one = async (dispatcher: Agent | undefined): Promise<void> => {
      while (going) {
        const fresh = dispatcher ?? new Agent()
        try {
          const answer = await request(gate.url + path, { dispatcher: fresh, ...bearer(token) })
          await answer.body.text()
          if (answer.statusCode !== 200) wrong.push(String(answer.statusCode))
        } catch (error) {
          wrong.push(String(error))
        }
        asked += 1
        if (!dispatcher) await fresh.close()
        await sleep(2)
      }
    }
    /** Whoever connects and asks a little later, within the drain, is answered as well. */
    const hesitant = async (): Promise<void> => {
      while (going) {
        const socket = connect(gate.port, '127.0.0.1')
        let text = ''
        socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
        socket.on('error', (error) => (text += String(error)))
        await sleep(350)
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n${Object.entries(bearer(token).headers)
            .map(([name, value]) => `${name}: ${value}\r\n`)
            .join('')}\r\n`,
        )
        if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
        if (!text.startsWith('HTTP/1.1 200')) wrong.push(`hesitant: ${text.slice(0, 60)}`)
        asked += 1
      }
    }
    const late = Array.from({ length: 10 }, async (_, i) => sleep(i * 35).then(hesitant))
    const all = [...Array.from({ length: 6 }, () => one(agent)), one(undefined), one(undefined), ...late]
    await work().finally(() => (going = false))
    await Promise.all(all)
    await agent.close()
    return { asked, wrong }
  }

  test('are two processes on one port, each with a log of its own', async () => {
    expect(pids()).toHaveLength(2)
    const entries = new Set<string>()
    await until(async () => {
      const answer = await request(gate.url + path, { dispatcher: new Agent({ pipelining: 0 }), ...bearer(token) })
      await answer.body.text()
      entries.add(String(answer.headers['audit-entry']).replace(/\/\d+$/, ''))
      return entries.size === 2
    }, 15_000)
    expect([...entries].toSorted()).toStrictEqual([
      expect.stringMatching(/\/journal\/\d{4}$/) as string,
      expect.stringMatching(/\/journal\/\d{4}-2$/) as string,
    ])
  })

  test('tell together how they do', async () => {
    expect(await ready()).toMatchObject({ ready: true, evidence: 'ok', redis: 'ok', 'worker-1': 'ok', 'worker-2': 'ok' })
    const text = await (await fetch(`${gate.ops}/metrics`)).text()
    expect(text.match(/^# TYPE ecluse_ready gauge$/gm)).toHaveLength(1)
    expect(text.match(/^ecluse_ready\{worker="[12]"\} 1$/gm)).toHaveLength(2)
  })

  test('give way one after the other, and no request fails', async () => {
    const before = pids()
    const { asked, wrong } = await meanwhile(async () => {
      gate.child.kill('SIGUSR2')
      await until(() => gate.output().includes('every worker was replaced'), 30_000)
    })
    expect(wrong).toStrictEqual([])
    expect(asked).toBeGreaterThan(50)
    expect(pids().filter((pid) => before.includes(pid))).toStrictEqual([])
  })

  test('take over by SIGHUP what a running gate cannot, and no request fails', async () => {
    const before = pids()
    const text = readFileSync(gate.config, 'utf8')
    const { wrong } = await meanwhile(async () => {
      const told = gate.output().split('every worker was replaced').length
      writeFileSync(gate.config, text.replace('idle_seconds: 75', 'idle_seconds: 90'))
      gate.child.kill('SIGHUP')
      await until(() => gate.output().split('every worker was replaced').length > told, 30_000)
    })
    expect(wrong).toStrictEqual([])
    expect(pids().filter((pid) => before.includes(pid))).toStrictEqual([])
    await until(async () => (await ready())['config'] === 'ok')
  })

  test('go on with what they have where the new settings have a mistake', async () => {
    const before = pids()
    const text = readFileSync(gate.config, 'utf8')
    writeFileSync(gate.config, text.replace('purposes:', 'purposses:'))
    expect(await callControl(gate.state, 'reload', {})).toMatchObject({
      ok: true,
      value: ["1:1: 'purposes' is missing", expect.stringContaining("unknown key 'purposses'")],
    })
    expect(await callControl(gate.state, 'replace', {})).toMatchObject({
      ok: false,
      error: expect.stringContaining('nothing was replaced: 1:1:'),
    })
    writeFileSync(gate.config, text)
    expect(await callControl(gate.state, 'reload', {})).toStrictEqual({ ok: true, value: [] })
    expect(pids()).toStrictEqual(before)
  })

  test('are replaced once, however often they are told of one change', async () => {
    const text = readFileSync(gate.config, 'utf8')
    const told = (): number => gate.output().split('every worker was replaced').length
    const before = told()
    writeFileSync(gate.config, text.replace('idle_seconds: 90', 'idle_seconds: 95'))
    const said = await Promise.all([1, 2, 3].map(() => callControl(gate.state, 'reload', {})))
    expect(said).toStrictEqual(Array(3).fill({ ok: true, value: [] }))
    expect(told()).toBe(before + 1)
  })

  test('what was not taken over is no start for one that ended, until it is taken back', async () => {
    const text = readFileSync(gate.config, 'utf8')
    writeFileSync(gate.config, text.replace('node: test', 'node: other'))
    expect(await callControl(gate.state, 'reload', {})).toMatchObject({ value: ['instance.node: needs a restart of all workers at once'] })
    process.kill(pids()[0] ?? 0, 'SIGKILL')
    await sleep(2500)
    expect(pids()).toHaveLength(1)
    writeFileSync(gate.config, text)
    await until(() => pids().length === 2, 10_000)
    await until(async () => Object.values(await ready()).every((standing) => standing !== 'down'), 15_000)
  })

  test('the clock is confirmed at each of them, and one that does not answer is named', async () => {
    expect(await callControl(gate.state, 'clock confirm', {})).toStrictEqual({ ok: true, value: { confirmed: true } })
    const [, second = 0] = pids()
    process.kill(second, 'SIGSTOP')
    try {
      const [reloaded, confirmed] = await Promise.all(['reload', 'clock confirm'].map((name) => callControl(gate.state, name, {})))
      expect(reloaded).toMatchObject({ ok: true, value: [expect.stringMatching(/^worker [12]: the gate does not answer/)] })
      expect(confirmed).toMatchObject({ ok: false, error: expect.stringMatching(/^worker [12]: the gate does not answer/) })
    } finally {
      process.kill(second, 'SIGCONT')
    }
  })

  test('one that is killed is started again, and the other serves', async () => {
    const [first = 0] = pids()
    process.kill(first, 'SIGKILL')
    await until(async () => (await ready())['worker-1'] === 'down' || (await ready())['worker-2'] === 'down', 2000)
    for (let i = 0; i < 10; i += 1)
      expect((await request(gate.url + path, { dispatcher: new Agent(), ...bearer(token) })).statusCode).toBe(200)
    await until(async () => {
      const { 'worker-1': one, 'worker-2': two } = await ready()
      return one === 'ok' && two === 'ok'
    }, 15_000)
    expect(gate.output()).toContain('a worker has ended: it is started again')
  })

  test('a withdrawal holds at both at once', async () => {
    await gate.command('permission withdraw', { permission: 'read' })
    const agents = Array.from({ length: 16 }, () => new Agent())
    const statuses = await Promise.all(
      agents.map(async (dispatcher) => (await request(gate.url + path, { dispatcher, ...bearer(token) })).statusCode),
    )
    expect(new Set(statuses)).toStrictEqual(new Set([403]))
  })

  test('end together in order, and their logs verify as one instance', async () => {
    expect(await gate.stop()).toBe(0)
    expect(pids()).toStrictEqual([])
    const folders = readdirSync(gate.state).filter((name) => name.startsWith('worker-'))
    expect(folders.toSorted()).toStrictEqual(['worker-1', 'worker-2'])
    for (const folder of folders)
      expect(await verifyPlace(join(gate.state, folder))).toMatchObject({ ok: true, logs: [{ openIntents: 0 }] })
    const { status, stdout } = spawnSync(
      process.execPath,
      [main, 'audit', 'verify', '--json', ...folders.map((name) => join(gate.state, name))],
      {
        encoding: 'utf8',
      },
    )
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { ok: true, absent: [] }])
  })
})

test('a new certificate is shown by every worker after SIGHUP; a broken one by none', async () => {
  const authority = anAuthority()
  const [first, second] = ['first', 'second'].map((name) => authority.sign(name, { names: 'IP:127.0.0.1' }))
  if (!first || !second) throw new Error('no certificates')
  const gate = await aGateProcess({
    holder,
    args: ['--workers', '2'],
    change(tree) {
      shared('certificates', tree)
      const { gate: listener, ...others } = tree['listeners'] as { gate: object }
      tree['listeners'] = { ...others, gate: { ...listener, tls: { certificate: first.certificate, key: first.key } } }
    },
  })
  /** Of so many new connections: each worker takes some of them. */
  const shown = async (): Promise<string[]> => {
    const all = await Promise.all(Array.from({ length: 24 }, () => serialAt(gate.port)))
    return [...new Set(all)]
  }
  const serialOf = ({ pem }: { readonly pem: { readonly cert: string } }): string => new X509Certificate(pem.cert).serialNumber
  expect(await shown()).toStrictEqual([serialOf(first)])
  const next = { certificate: readFileSync(second.certificate), key: readFileSync(second.key) }
  writeFileSync(first.certificate, next.certificate)
  writeFileSync(first.key, next.key)
  gate.child.kill('SIGHUP')
  await until(async () => (await shown()).join() === serialOf(second))
  const pids = workersOf(gate.child.pid ?? 0)
  writeFileSync(first.certificate, next.certificate.subarray(0, 200))
  gate.child.kill('SIGHUP')
  await until(() => gate.output().split('the certificate of the listener is not taken').length > 2)
  expect(await shown()).toStrictEqual([serialOf(second)])
  expect(workersOf(gate.child.pid ?? 0), 'nobody was replaced for it').toStrictEqual(pids)
  await gate.stop()
  authority.remove()
  removeFolder(gate)
})

function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

test('workers end with the process that started them, even where it is killed', async () => {
  const gate = await aGateProcess({ holder, args: ['--workers', '2'], change: (tree) => shared('orphans', tree) })
  const workers = workersOf(gate.child.pid ?? 0)
  expect(workers).toHaveLength(2)
  await gate.kill()
  await until(() => workers.every((pid) => !isThere(pid)), 5000)
  removeFolder(gate)
})

test('asked to stop before they serve, because no database answers, all of them end', async () => {
  const port = await freePort()
  let child: ChildProcess | undefined
  const starting = aGateProcess({
    holder,
    args: ['--workers', '2'],
    change(tree) {
      shared('away', tree)
      tree['storage'] = { postgres: postgresTree(port, 'away') }
    },
    onSpawn: (spawned) => (child = spawned),
  })
  const ended = starting.then(String, String)
  await until(() => workersOf(child?.pid ?? 0).length === 2, 10_000)
  const workers = workersOf(child?.pid ?? 0)
  child?.kill('SIGTERM')
  expect(await ended).toContain('before it was ready')
  await until(() => workers.every((pid) => !isThere(pid)), 5000)
})

test('asked to stop while one gives way, all of them end, and no other is started', async () => {
  const change = (tree: Tree): void => shared('both', tree)
  const gate = await aGateProcess({ holder, args: ['--workers', '2', '--drain-ms', '1500'], change })
  const before = workersOf(gate.child.pid ?? 0)
  gate.child.kill('SIGUSR2')
  await sleep(500)
  expect(workersOf(gate.child.pid ?? 0), 'the first one is still draining').toStrictEqual(before)
  expect(await gate.stop()).toBe(0)
  expect(gate.output().match(/"node":"test.1".*the gate is ready/g)).toHaveLength(1)
  expect(spawnSync('pgrep', ['-f', gate.config]).stdout.toString()).toBe('')
  removeFolder(gate)
})

test.each<[string, string, (tree: Tree) => void, string]>([
  ['no PostgreSQL', '2', () => undefined, 'a state folder has one owner: workers need storage.postgres, which they share'],
  [
    'no Redis',
    '2',
    (tree) => {
      shared('none', tree)
      delete tree['redis']
    },
    'workers share the quotas at the data holders by a Redis: add the section redis',
  ],
  [
    'fewer gates in the settings',
    '3',
    (tree) => shared('none', tree),
    'redis.gates says 2, and these are 3 already: count the gates of all machines',
  ],
  ['one worker', '1', (tree) => shared('none', tree), '--workers takes 2 to 64; without it there is one gate'],
])('%s: it says so, and does not start', async (_what, count, change, sentence) => {
  await expect(aGateProcess({ holder, args: ['--workers', count], change })).rejects.toThrow(
    `ended with 2 before it was ready: ecluse: ${sentence}`,
  )
})

test('one that cannot start ends all of them, with its sentence', async () => {
  const change = (tree: Tree): void => {
    shared('taken', tree)
    const { gate: listener, ...others } = tree['listeners'] as { gate: object }
    tree['listeners'] = { ...others, gate: { ...listener, port: redis.port } }
  }
  await expect(aGateProcess({ holder, args: ['--workers', '2'], change })).rejects.toThrow(
    /ended with 2 before it was ready: [\s\S]*EADDRINUSE[\s\S]*not all workers started/,
  )
})

function workersOf(pid: number): readonly number[] {
  if (!isThere(pid)) return []
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
