/** Several gates on one PostgreSQL: what one does holds for all, each writes a log of its own, and all of them verify. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { exportPack } from '../../src/audit.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer, postgresTree } from '../harness/postgres.ts'
import { until } from '../harness/redis-gates.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'

const repository = join(import.meta.dirname, '..', '..')
async function cli(...args: readonly string[]): Promise<{ readonly exit: number; readonly out: string }> {
  const child = spawn(process.execPath, [join(repository, 'src', 'cli', 'main.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  return { out: await text(child.stdout), exit: await exit }
}

let server: PostgresServer
let holder: FakeHolder
const env = secretsOf()
const folder = mkdtempSync(join(tmpdir(), 'ecluse-gates-'))

async function aGateOf(name: string, port = server.port): Promise<TestGate> {
  return aGate({
    holder,
    env,
    folder: join(folder, name),
    change(tree) {
      tree['instance'] = { ...(tree['instance'] as object), node: name }
      tree['storage'] = { postgres: postgresTree(port, 'gates') }
    },
  })
}

beforeAll(async () => {
  server = await postgresServer()
  await server.start()
  holder = await fakeHolder()
})
afterAll(async () => {
  await server.close()
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('two gates', () => {
  let a: TestGate
  let b: TestGate
  beforeAll(async () => {
    a = await aGateOf('a')
    b = await aGateOf('b')
  })
  afterAll(async () => {
    await a.stop()
    await b.stop()
  })
  const read = async (gate: TestGate, token: string) => {
    const answer = await fetch(`${gate.url}${curve(METER, today(-3), today(-1))}`, bearer(token))
    await answer.text()
    return { status: answer.status, entry: answer.headers.get('audit-entry'), reason: answer.headers.get('ecluse-reason') }
  }

  test('what is given at one is read through both, and on record in the log of each', async () => {
    await a.permit({ id: 'shared' })
    const token = await b.token()
    const [one, two] = [await read(a, token), await read(b, token)]
    expect([one, two]).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(one.entry).toMatch(/^gate\.test\.localhost\/journal\/\d{4}\/\d+$/)
    expect(two.entry).toMatch(/^gate\.test\.localhost\/journal\/\d{4}-2\/\d+$/)
  })

  test('an import of hundreds of permissions holds up nobody who reads meanwhile', { timeout: 120_000 }, async () => {
    const token = await b.token()
    const statuses: number[] = []
    let importing = true
    const readers = [a, b].map(async (gate) => {
      while (importing) statuses.push((await read(gate, token)).status)
    })
    const many = Array.from({ length: 500 }, (_, i) => ({ id: `many-${i}`, meter: `3${String(i).padStart(13, '0')}` }))
    await a.permit(...many).finally(() => (importing = false))
    await Promise.all(readers)
    expect(new Set(statuses)).toStrictEqual(new Set([200]))
    expect(statuses.length).toBeGreaterThan(50)
    const answer = await fetch(`${b.url}${curve('30000000000499', today(-3), today(-1))}`, bearer(token))
    expect([answer.status, await answer.text()]).toMatchObject([200, expect.stringContaining('30000000000499')])
  })

  test('what is withdrawn at one is refused by both', async () => {
    const token = await a.token()
    expect(await read(b, token)).toMatchObject({ status: 200 })
    await a.command('permission withdraw', { permission: 'shared' })
    expect(await read(b, token)).toMatchObject({ status: 403, reason: 'withdrawn' })
    expect(await read(a, token)).toMatchObject({ status: 403, reason: 'withdrawn' })
  })

  test('handed over together the logs are complete; one that is kept back is named', async () => {
    await a.command('audit drain', {})
    await b.command('audit drain', {})
    const verify = (...folders: readonly string[]) => cli('audit', 'verify', '--json', ...folders)
    const both = await verify(a.state, b.state)
    expect([both.exit, JSON.parse(both.out)]).toMatchObject([0, { ok: true, absent: [] }])
    const alone = await verify(b.state)
    expect([alone.exit, JSON.parse(alone.out)]).toMatchObject([0, { absent: [expect.stringMatching(/journal\/\d{4}$/)] }])
    const hiding = await verify(b.state, b.state)
    expect([hiding.exit, JSON.parse(hiding.out)]).toMatchObject([1, { ok: false, why: 'log_hidden' }])
  })

  test('a pack about one meter holds what both logs say of it, and every part verifies and replays', async () => {
    const out = join(folder, 'pack')
    const made = await exportPack(a.command, {
      select: { meter: `prm:${METER}` as MeterId },
      scope: { meter: METER },
      out,
      why: 'a test',
      for: null,
    })
    expect(made.packs).toHaveLength(2)
    const parts = readdirSync(out)
    expect(parts).toHaveLength(2)
    for (const part of parts) {
      const verified = await cli('audit', 'verify', '--json', join(out, part))
      expect([part, verified.exit, JSON.parse(verified.out)]).toMatchObject([part, 0, { ok: true }])
      const replayed = await cli('audit', 'replay', '--json', '--pack', join(out, part))
      expect([part, replayed.exit, JSON.parse(replayed.out)]).toMatchObject([part, 0, { ok: true, different: [] }])
    }
    const whole = await cli('audit', 'verify', '--json', ...parts.map((part) => join(out, part)))
    expect([whole.exit, JSON.parse(whole.out)]).toMatchObject([0, { ok: true, absent: [] }])
  })

  test('both logs verify, and the second names the first', async () => {
    const entries = await b.entries()
    for (const gate of [a, b]) {
      await gate.command('audit drain', {})
      expect(await verifyPlace(gate.state)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }] })
    }
    const opened = entries.filter(({ t }) => t === 'log.opened')
    expect(opened.map((entry) => entry['logs'])).toMatchObject([undefined, [{ origin: expect.stringMatching(/\/\d{4}$/) as string }]])
  })
})

describe('a call under way at one gate', () => {
  let a: TestGate
  let b: TestGate
  let proxy: Awaited<ReturnType<typeof faultProxy>>
  beforeAll(async () => {
    proxy = await faultProxy({ port: server.port })
    a = await aGateOf('c')
    b = await aGateOf('d', proxy.port)
  })
  afterEach(() => {
    holder.script = ordinary
  })
  afterAll(async () => {
    await a.stop()
    await b.stop()
    await proxy.close()
  })
  /** A call through `b` to which the data holder never answers; ends when the gate cuts it. */
  async function hanging(token: string, meter: string) {
    const before = holder.calls.length
    const cut = Promise.withResolvers<void>()
    holder.script = (_request, socket) => void socket.once('close', () => cut.resolve())
    const ended = fetch(`${b.url}${curve(meter, today(-3), today(-1))}`, bearer(token)).then((answer) => [
      answer.status,
      answer.headers.get('ecluse-reason'),
    ])
    await until(() => holder.calls.length > before)
    return { ended, cut: cut.promise }
  }

  test.each([
    ['permission withdraw', '10000000000031', () => ({ permission: 'p-permission' }), [403, 'withdrawn']],
    ['token revoke', '10000000000032', (token: string) => ({ token }), [401, 'token_invalid']],
    ['client rotate', '10000000000033', () => ({ client: 'viriya' }), [401, 'token_invalid']],
  ] as const)('is cut at once by %s at another', async (command, meter, args, told) => {
    await a.permit({ id: `p-${command.split(' ')[0] ?? ''}`, meter })
    if (command === 'client rotate') await a.command('client add', { client: 'viriya' })
    const token = await a.token()
    const call = await hanging(token, meter)
    await a.command(command, args(token))
    const returned = performance.now()
    await call.cut
    expect(await call.ended).toStrictEqual(told)
    // Told by the database; what is cut for silence is cut after a second.
    expect(performance.now() - returned).toBeLessThan(700)
  })

  test('is cut within two seconds when the gate hears nothing of the database any more', async () => {
    await a.permit({ id: 'silence', meter: '10000000000034' })
    const call = await hanging(await a.token(), '10000000000034')
    const started = performance.now()
    proxy.set({ halfOpen: true })
    await call.cut
    expect(performance.now() - started).toBeLessThan(2500)
    await proxy.heal()
    proxy.reset()
    // Its outcome is on record before its client hears of it.
    expect((await call.ended)[0]).toBe(503)
    await until(async () => (await fetch(`${b.ops}/readyz`)).status === 200, 10_000)
  })
})

test('a call whose intent the database recorded too late for its client is on record as not made', async () => {
  const proxy = await faultProxy({ port: server.port })
  const gate = await aGateOf('late', proxy.port)
  await gate.permit({ id: 'late', meter: '10000000000035' })
  const token = await gate.token()
  const url = `${gate.url}${curve('10000000000035', today(-3), today(-1))}`
  await (await fetch(url, bearer(token))).text()
  const before = holder.calls.length
  // What it sends arrives, and no answer comes back for longer than a request waits.
  proxy.set({ halfOpen: true }, 'toClient')
  expect((await fetch(url, bearer(token))).status).toBe(503)
  await proxy.heal()
  proxy.reset()
  await until(async () => (await fetch(`${gate.ops}/readyz`)).status === 200, 20_000)
  await until(async () => (await gate.entries()).some((e) => e['result'] === 'not_sent'), 20_000)
  expect(holder.calls.length).toBe(before)
  await gate.stop()
  expect(await verifyPlace(gate.state)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }] })
  await proxy.close()
}, 60_000)

test('logs whose names end alike are told apart, at a gate and in a pack', async () => {
  const gateOf = (name: string): Promise<TestGate> =>
    aGate({
      holder,
      env,
      folder: join(folder, name),
      change(tree) {
        tree['instance'] = { ...(tree['instance'] as object), node: name }
        tree['storage'] = { postgres: postgresTree(server.port, 'alike') }
        tree['evidence'] = { ...(tree['evidence'] as object), origin: `${name}.test.localhost/journal/2031` }
      },
    })
  const [one, two] = [await gateOf('s'), await gateOf('t')]
  await one.permit({ id: 'both' })
  const token = await one.token()
  for (const gate of [one, two]) await (await fetch(`${gate.url}${curve(METER, today(-3), today(-1))}`, bearer(token))).text()
  await two.command('audit drain', {})
  const before = readFileSync(join(one.state, 'log', '2031', 'vkey.txt'), 'utf8')
  const out = join(folder, 'alike')
  const select = { meter: `prm:${METER}` as MeterId }
  const { packs } = await exportPack(one.command, { select, scope: { meter: METER }, out, why: 'a test', for: null })
  expect(packs).toHaveLength(2)
  const parts = readdirSync(out).map((part) => join(out, part))
  const verified = await cli('audit', 'verify', '--json', ...parts)
  expect([parts.length, verified.exit, JSON.parse(verified.out)]).toMatchObject([2, 0, { ok: true, absent: [] }])
  expect(readFileSync(join(one.state, 'log', '2031', 'vkey.txt'), 'utf8')).toBe(before)
  expect(await verifyPlace(one.state)).toMatchObject({ ok: true, logs: [{ origin: 's.test.localhost/journal/2031' }] })
  await one.stop()
  await two.stop()
})

test('gates that start together on an empty database all come up', async () => {
  const schema = 'together'
  const gates = await Promise.all(
    ['k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'].map((name) =>
      aGate({
        holder,
        env,
        folder: join(folder, name),
        change(tree) {
          tree['instance'] = { ...(tree['instance'] as object), node: name }
          tree['storage'] = { postgres: postgresTree(server.port, schema) }
        },
      }),
    ),
  )
  const origins = await Promise.all(gates.map((gate) => gate.command<{ origin: string }>('status', {})))
  expect(new Set(origins.map(({ origin }) => origin)).size).toBe(8)
  for (const gate of gates) await gate.stop()
})
