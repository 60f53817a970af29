/**
 * The logs of an instance, by the thread that writes them: how one year's ends and the next begins, what becomes of that of
 * a gate which is gone, and that what was committed is on record once though the answer was lost.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { StateOptions } from '../../src/state.ts'
import type { OwnedState } from '../../src/state-thread.ts'
import { ownState } from '../../src/state-thread.ts'
import { openState } from '../../src/storage/sqlite.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer } from '../harness/postgres.ts'
import { until } from '../harness/redis-gates.ts'

const MINUTE = 60_000
const LIMITS = { rows: 10_000, bytes: 10_000_000, ageMs: 60_000 }
const key = (byte: number): Uint8Array => Buffer.alloc(32, byte)
const keys = { signing: key(1), master: key(2), index: key(3) }

let server: PostgresServer
const scratch = mkdtempSync(join(tmpdir(), 'ecluse-logs-'))
beforeAll(async () => {
  server = await postgresServer()
  await server.start()
})
afterAll(async () => {
  await server.close()
  rmSync(scratch, { recursive: true, force: true })
})

interface Gate extends OwnedState {
  readonly folder: string
  readonly fatal: string[]
}
async function aGate(node: string, change: Partial<StateOptions> = {}): Promise<Gate> {
  const folder = change.folder ?? join(scratch, `${node}-${Math.random()}`)
  const fatal: string[] = []
  const options = { folder, node, origin: 'logs.test.localhost/journal/2026', keys, checkpointMs: 40, now: Date.now(), ...change }
  const state = await ownState(options, LIMITS, (why) => void fatal.push(why))
  return { ...state, folder, fatal }
}
const shared = (schema: string, port = server.port): Partial<StateOptions> => ({
  postgres: server.settings(schema, { port, applicationName: `ecluse ${Math.random()}` }),
})
const begin = (gate: Gate, req: string, now = Date.now()) =>
  gate.client.call<{ n: number }>('ownIntent', { req, dso: 'enedis-data-connect/main', api: 'contracts', why: 'sign_in', query: '', now })
const end = (gate: Gate, intent: number, now = Date.now()) =>
  gate.client.call('ownOutcome', { intent, result: 'delivered', status: 200, holderBytes: 1, services: 1, ms: 1, code: null, now })
const drained = (gate: Gate): Promise<void> => until(() => gate.client.call<boolean>('drained', {}))

interface Read {
  readonly log: string
  readonly t: string
  readonly [field: string]: unknown
}
/** All that is sealed, the oldest first. */
async function entriesOf(gate: Gate): Promise<readonly Read[]> {
  await drained(gate)
  const { entries } = await gate.client.call<{ readonly entries: readonly { readonly name: string; readonly entry: string }[] }>(
    'latestEntries',
    { limit: 1000 },
  )
  const read = ({ name, entry }: { readonly name: string; readonly entry: string }): Read => ({
    ...(JSON.parse(entry) as { readonly t: string }),
    log: name.slice(name.indexOf('/') + 1, name.lastIndexOf('/')),
  })
  return entries.map(read).toReversed()
}
const told = (entries: readonly Read[], log: string): readonly string[] => entries.filter((each) => each.log === log).map(({ t }) => t)

describe.each(['sqlite', 'postgres'] as const)('the year turns, on %s', (engine) => {
  test('what began in the old log ends there; it is closed when nothing is left, and both verify', async () => {
    const gate = await aGate('a', engine === 'postgres' ? shared('year') : {})
    const now = Date.now()
    const { n } = await begin(gate, 'across')
    const origin = 'logs.test.localhost/journal/2027'
    expect(await gate.client.call('turnLog', { origin, now })).toBe(true)
    expect(await gate.client.call('turnLog', { origin, now })).toBe(false)
    await gate.client.call('summary', { counts: { new: 1 }, now })
    // Not before its time, and not while something is under way in it.
    expect(await gate.client.call('closeLogs', { now: now + MINUTE })).toBe(0)
    expect(await gate.client.call('closeLogs', { now: now + 16 * MINUTE })).toBe(0)
    await end(gate, n)
    expect(await gate.client.call('closeLogs', { now: now + 16 * MINUTE })).toBe(1)
    expect(await gate.client.call('closeLogs', { now: now + 17 * MINUTE })).toBe(0)
    const entries = await entriesOf(gate)
    expect(told(entries, 'journal/2026')).toStrictEqual(['log.opened', 'admin.intent', 'admin.outcome', 'log.closed'])
    expect(told(entries, 'journal/2027')).toStrictEqual(['log.opened', 'access.summary'])
    expect(entries.find(({ t }) => t === 'log.closed')).toMatchObject({ next: origin })
    expect(entries.findLast(({ t }) => t === 'log.opened')).toMatchObject({ previous: { origin: 'logs.test.localhost/journal/2026' } })
    await gate.stop()
    expect(await verifyPlace(gate.folder)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }, { openIntents: 0 }] })
  })
})

test.each(['sqlite', 'postgres'] as const)(
  'what is open in the old log when the gate ends is ended at the next start, on %s',
  async (engine) => {
    const gate = await aGate('a', engine === 'postgres' ? shared('restart') : {})
    const now = Date.now()
    await begin(gate, 'across')
    const origin = 'logs.test.localhost/journal/2027'
    await gate.client.call('turnLog', { origin, now })
    await begin(gate, 'new')
    await gate.stop()
    const again = await aGate('a', { folder: gate.folder, origin, ...(engine === 'postgres' && shared('restart')) })
    expect(again.client.gauges.origin).toBe(origin)
    const entries = await entriesOf(again)
    expect(told(entries, 'journal/2026')).toStrictEqual(['log.opened', 'admin.intent', 'admin.outcome'])
    expect(told(entries, 'journal/2027')).toStrictEqual(['log.opened', 'admin.intent', 'admin.outcome', 'log.recovered'])
    expect(await again.client.call('closeLogs', { now: now + 16 * MINUTE })).toBe(1)
    await drained(again)
    await again.stop()
    expect(await verifyPlace(gate.folder)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }, { openIntents: 0 }] })
  },
)

describe('several gates', () => {
  test('of two instances in one database know nothing of each other', async () => {
    const both = [await aGate('a', shared('one')), await aGate('a', shared('other'))]
    for (const gate of both) {
      expect(gate.client.gauges.origin).toBe('logs.test.localhost/journal/2026')
      expect(await gate.client.call('leads', {})).toBe(true)
    }
    for (const gate of both) await gate.stop()
  })

  test('each names the logs that others open after it, once', async () => {
    const a = await aGate('a', shared('joined'))
    const b = await aGate('b', shared('joined'))
    for (let i = 0; i < 3; i += 1) await a.client.call('noteLogs', { now: Date.now() })
    await b.client.call('noteLogs', { now: Date.now() })
    const joined = (await entriesOf(a)).filter(({ t }) => t === 'log.joined')
    expect(joined).toMatchObject([{ log: 'journal/2026', logs: [{ origin: 'logs.test.localhost/journal/2026-2' }] }])
    await a.stop()
    await b.stop()
  })

  test('logs of gates that are gone are written to their end by another; one that comes back then stops', async () => {
    const schema = 'orphans'
    const proxy = await faultProxy({ port: server.port })
    onTestFinished(() => proxy.close())
    const gone = [await aGate('a', shared(schema, proxy.port)), await aGate('b', shared(schema, proxy.port))]
    for (const [i, gate] of gone.entries()) {
      await begin(gate, `left-${i}`)
      await drained(gate)
    }
    await proxy.arrivals('refuse')
    proxy.reset()
    await until(() => server.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") === '0')
    server.sql(`UPDATE ${schema}.log SET alive_at = 1, opened_at = 1`)
    // It goes on in the one, and ends the other.
    const third = await aGate('c', shared(schema))
    await until(async () => (await entriesOf(third)).filter(({ t }) => t === 'admin.outcome').length === 2)
    const entries = await entriesOf(third)
    expect(entries.filter(({ t }) => t === 'admin.outcome')).toMatchObject([{ result: 'interrupted' }, { result: 'interrupted' }])
    expect(new Set(entries.map(({ log }) => log))).toStrictEqual(new Set(['journal/2026', 'journal/2026-2']))
    expect(await third.client.call('closeLogs', { now: Date.now() + 16 * MINUTE })).toBe(1)
    await drained(third)
    expect(await verifyPlace(third.folder)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }, { openIntents: 0 }] })

    await proxy.heal()
    await until(() => gone.every(({ fatal }) => fatal.length > 0))
    for (const { fatal } of gone)
      expect(fatal).toStrictEqual([expect.stringMatching(/^another gate writes the log .* now: this one stops$/)])
    await third.stop()
  })
})

/** A way to the server that breaks where the gate sends one of these words, after the server has answered it. */
async function breaksAfter(...words: readonly string[]): Promise<{ readonly port: number; readonly left: string[]; close(): void }> {
  const left = [...words]
  const sockets: Socket[] = []
  const way: Server = createServer((client) => {
    const to = connect(server.port, '127.0.0.1')
    sockets.push(client, to)
    let broken = false
    client.on('data', (bytes) => {
      if (left[0] !== undefined && bytes.includes(left[0])) {
        left.shift()
        broken = true
      }
      to.write(bytes)
    })
    to.on('data', (bytes) => {
      if (broken) client.destroy()
      else client.write(bytes)
    })
    for (const [one, other] of [
      [client, to],
      [to, client],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  })
  await new Promise<void>((resolve) => void way.listen(0, '127.0.0.1', resolve))
  return {
    port: (way.address() as AddressInfo).port,
    left,
    close() {
      way.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('the connection breaks', () => {
  test.each([
    ['before it is asked to commit', ['BEGIN']],
    ['when it has committed', ['COMMIT']],
    ['when it has committed, and again when it is asked whether it has', ['COMMIT', 'AND mark = $2']],
  ])('%s: what was asked for is done, once', async (_name, words) => {
    const schema = `broken_${words.length}_${words[0]?.length ?? 0}`
    const sound = await aGate('a', shared(schema))
    await sound.stop()
    const way = await breaksAfter()
    onTestFinished(() => way.close())
    const gate = await aGate('a', shared(schema, way.port))
    await drained(gate)
    way.left.push(...words)
    await gate.client.call('summary', { counts: { once: 1 }, now: Date.now() })
    expect(way.left).toStrictEqual([])
    expect((await entriesOf(gate)).filter(({ t }) => t === 'access.summary')).toHaveLength(1)
    expect(gate.fatal).toStrictEqual([])
    await gate.stop()
    expect(await verifyPlace(gate.folder)).toMatchObject({ ok: true })
  })

  test('while a batch is recorded: it is recorded once', async () => {
    const way = await breaksAfter()
    onTestFinished(() => way.close())
    const gate = await aGate('a', shared('batch', way.port))
    await gate.client.call('syncClients', { clients: [{ id: 'viriya', disabled: false }], now: Date.now() })
    const token = await gate.client.call<{ hash: Uint8Array }>('recordToken', {
      value: 'a-token-of-this-test',
      client: 'viriya',
      purpose: 'p',
      permissions: null,
      credential: null,
      ttlSeconds: 60,
      cap: 5,
      now: Date.now(),
    })
    way.left.push('access_batch')
    const refusal = { fields: { clear: { t: 'access.refused' } }, tokenHash: token.hash, client: 'viriya', meter: null, record: true }
    expect(await gate.client.call('refused', { ...refusal, now: Date.now() })).toMatchObject({ is: 'recorded' })
    expect(way.left).toStrictEqual([])
    expect((await entriesOf(gate)).filter(({ t }) => t === 'access.refused')).toHaveLength(1)
    await gate.stop()
  })
})

test('both engines have the same tables and columns, but for what only one needs', () => {
  const state = openState(join(scratch, 'tables'))
  const sqlite = new Map<string, readonly string[]>()
  for (const db of [state.db, state.keys]) {
    for (const { name } of db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all())
      sqlite.set(
        String(name),
        db
          .prepare('SELECT name FROM pragma_table_info(?)')
          .all(name as string)
          .map((row) => String(row['name']))
          .toSorted(),
      )
  }
  state.close()
  const postgres = new Map<string, string[]>()
  const columns = server.sql("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'year'")
  for (const line of columns.split('\n')) {
    const [table = '', column = ''] = line.split('|')
    postgres.set(table, [...(postgres.get(table) ?? []), column].toSorted())
  }
  expect(Object.fromEntries(postgres)).toStrictEqual({
    ...Object.fromEntries(sqlite),
    log: [...(sqlite.get('log') ?? []), 'alive_at', 'answer', 'batch', 'mark'].toSorted(),
    document: ['bytes', 'name'],
    migration: ['at', 'id', 'serves'],
  })
})
