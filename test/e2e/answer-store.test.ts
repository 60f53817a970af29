/** Days that were read are given again, where the purpose says so: same decision, same evidence, no call to the data holder. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { replayState } from '../../src/audit.ts'
import type { Entry, TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { answer, fakeHolder, measure2026, ordinary } from '../harness/holder.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer, postgresTree } from '../harness/postgres.ts'
import { until } from '../harness/redis-gates.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, OTHER_METER, secretsOf, today } from '../harness/settings.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
/** Of `self_view` alone. Settled after ten days, so that the older ones of a read are and the younger ones are not. */
function keeping(tree: Tree, rule: Tree = { keep_days: 30, settled_after_days: 10, revalidate_hours: 24 }): void {
  const purposes = tree['purposes'] as Tree[]
  tree['purposes'] = purposes.map((purpose) => (purpose['code'] === 'self_view' ? { ...purpose, keep: rule } : purpose))
}
const daily = (meter: string, from: number, end: number): string =>
  `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(from)}&dateFin=${today(end)}`

interface Answered {
  readonly status: number
  readonly age: string | null
  readonly narrowed: string | null
  readonly text: string
  readonly calls: number
}
async function read(gate: TestGate, path: string, token: string): Promise<Answered> {
  const before = gate.holder.calls.length
  const said = await fetch(gate.url + path, bearer(token))
  const text = await said.text()
  // What was read is kept when the answer has gone.
  await gate.command('audit drain', {})
  const { headers, status } = said
  return { status, age: headers.get('age'), narrowed: headers.get('ecluse-narrowed'), text, calls: gate.holder.calls.length - before }
}

/** Refusals of the data holder are forgotten by its next good answer, and by no other. */
async function refusalsCount(gate: TestGate, token: string, count: () => number): Promise<void> {
  gate.holder.script = (_request, socket) => answer(socket, 403, JSON.stringify({ code: 'ADAM-DC-0008', message: '' }))
  expect(await read(gate, daily(METER, -300, -299), token)).toMatchObject({ status: 503, calls: 1 })
  gate.holder.script = ordinary
  expect(count()).toBe(1)
  expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ status: 200, calls: 0 })
  expect(count()).toBe(1)
  expect(await read(gate, daily(METER, -310, -309), token)).toMatchObject({ status: 200, calls: 1 })
  expect(count()).toBe(0)
}

describe('a purpose that keeps what was read', () => {
  let gate: TestGate
  let token: string
  beforeAll(async () => {
    gate = await aGate({ change: keeping })
    await gate.permit({ id: 'read', until: today(-2) })
    token = await gate.token()
  })
  afterEach(() => {
    gate.holder.script = ordinary
  })
  afterAll(() => gate.stop())
  const ofLastRequest = async (): Promise<readonly Entry[]> => {
    const entries = (await gate.entries()).filter(({ t }) => t.startsWith('access.'))
    return entries.filter(({ req }) => req === entries.at(-1)?.['req'])
  }

  test('gives the same bytes again, says how old they are, and asks nobody', async () => {
    const path = curve(METER, today(-20), today(-16))
    const first = await read(gate, path, token)
    const second = await read(gate, path, token)
    expect([first, second]).toMatchObject([
      { status: 200, age: null, calls: 1 },
      { status: 200, age: expect.stringMatching(/^\d+$/) as string, calls: 0 },
    ])
    expect(second.text).toBe(first.text)
    expect(Number(second.age)).toBeLessThan(60)
  })

  test('counts as no call to the data holder', async () => {
    const text = await (await fetch(`${gate.ops}/metrics`)).text()
    const of = (line: RegExp): number => Number(line.exec(text)?.[1] ?? Number.NaN)
    expect(of(/^ecluse_holder_calls_total\{provider="enedis-data-connect",result="delivered"\} (\d+)$/m)).toBe(gate.holder.calls.length)
    expect(text).not.toContain('result="delivered_from_store"')
    expect(of(/^ecluse_kept_requests_total\{result="found"\} (\d+)$/m)).toBe(1)
  })

  test('puts it on record: an intent as ever that names its source, and its own result', async () => {
    const [intent, outcome] = await ofLastRequest()
    expect(intent).toMatchObject({
      t: 'access.intent',
      source: 'store',
      part: '1/1',
      sent: `${today(-20)}/${today(-16)}`,
      dec: { result: 'allow' },
    })
    expect(outcome).toMatchObject({ t: 'access.outcome', result: 'delivered_from_store', status: 200, holderBytes: 0, readings: 4 * 48 })
  })

  test('answers part of the days, in another dialect, and as the one view', async () => {
    const v5 = `/metering_data_clc/v5/consumption_load_curve?usage_point_id=${METER}&start=${today(-19)}&end=${today(-17)}`
    const said = await read(gate, v5, token)
    expect([said.status, said.calls]).toStrictEqual([200, 0])
    const { meter_reading: reading } = JSON.parse(said.text) as { meter_reading: { start: string; interval_reading: unknown[] } }
    expect([reading.start, reading.interval_reading.length]).toStrictEqual([today(-19), 96])
  })

  test('narrows as ever, and of several parts calls for all where one is not there', async () => {
    // Of three parts the last was read, the others never.
    await read(gate, curve(METER, today(-16), today(-9)), token)
    const both = await read(gate, curve(METER, today(-30), today(-9)), token)
    expect([both.status, both.calls]).toStrictEqual([200, 3])
    expect(await read(gate, curve(METER, today(-30), today(-9)), token)).toMatchObject({ status: 200, calls: 0, text: both.text })
    const parts = (await ofLastRequest()).filter(({ t }) => t === 'access.intent').map((entry) => entry['source'] ?? 'holder')
    expect(parts).toStrictEqual(['store', 'store', 'store'])
    const beyond = await read(gate, daily(METER, -8, 0), token)
    expect(beyond).toMatchObject({ status: 200, narrowed: `${today(-8)}/${today(-2)}`, calls: 1 })
    expect(await read(gate, daily(METER, -8, 0), token)).toMatchObject({ status: 200, narrowed: beyond.narrowed, calls: 0 })
  })

  test('keeps no day that is not over, and no answer without a reading', async () => {
    await gate.permit({ id: 'wide', meter: OTHER_METER })
    expect(await read(gate, daily(OTHER_METER, -3, 1), token)).toMatchObject({
      status: 200,
      narrowed: `${today(-3)}/${today(0)}`,
      calls: 1,
    })
    expect(await read(gate, daily(OTHER_METER, -3, 0), token)).toMatchObject({ status: 200, calls: 0 })
    gate.holder.script = (_request, socket) => answer(socket, 404, JSON.stringify({ code: 'no_data_found', message: '' }))
    for (let i = 0; i < 2; i += 1) expect(await read(gate, daily(OTHER_METER, -40, -38), token)).toMatchObject({ status: 404, calls: 1 })
  })

  test('asks again where days of one answer are of two qualities', async () => {
    const corrected = (from: number, end: number): void => {
      gate.holder.script = (_request, socket) =>
        answer(socket, 200, measure2026('consommation_quotidienne', OTHER_METER, today(from), today(end)).replace('"BRUT"', '"CORR"'))
    }
    await read(gate, daily(OTHER_METER, -60, -58), token)
    corrected(-58, -56)
    await read(gate, daily(OTHER_METER, -58, -56), token)
    corrected(-60, -56)
    expect(await read(gate, daily(OTHER_METER, -60, -56), token)).toMatchObject({ status: 200, calls: 1, age: null })
  })

  test('a read line is read once, kept or not', async () => {
    const line = {
      kind: 'daily_energy',
      direction: 'withdrawal',
      finest: 'P1D',
      purpose: 'self_view',
      recurrence: 'P1D',
      from: today(-50),
      until: today(-2),
    }
    await gate.permit({ id: 'recurs', meter: '10000000000003', lines: [line] })
    expect(await read(gate, daily('10000000000003', -30, -20), token)).toMatchObject({ status: 200, calls: 1 })
    expect(await read(gate, daily('10000000000003', -30, -20), token)).toMatchObject({ status: 429, calls: 0 })
  })

  test('says nothing of the data holder, whose refusals still count', async () => {
    await read(gate, daily(METER, -30, -20), token)
    const db = new DatabaseSync(join(gate.state, 'ecluse.db'), { readOnly: true })
    await refusalsCount(gate, token, () => Number(db.prepare('SELECT count(*) AS n FROM holder_refusal').get()?.['n']))
    db.close()
  })

  test('the log verifies, and every decision can be made again', async () => {
    await gate.command('audit drain', {})
    const { status, stdout } = spawnSync(process.execPath, [main, 'audit', 'verify', '--json', gate.state], { encoding: 'utf8' })
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { ok: true }])
    const report = await replayState(gate.command, { all: true }, 'x')
    expect(report).toMatchObject({ ok: true, different: [], notRecomputable: {} })
    expect(report.same).toBeGreaterThan(15)
  })

  test('a withdrawal ends it at once, and what is given anew begins with nothing', async () => {
    const path = curve(METER, today(-20), today(-16))
    expect(await read(gate, path, token)).toMatchObject({ status: 200, calls: 0 })
    await gate.command('permission withdraw', { permission: 'read' })
    expect(await read(gate, path, token)).toMatchObject({ status: 403, calls: 0 })
    await gate.permit({ id: 'again', until: today(-2) })
    expect(await read(gate, path, token)).toMatchObject({ status: 200, calls: 1, age: null })
  })

  test('an erasure leaves nothing to give', async () => {
    const path = daily(OTHER_METER, -3, 0)
    expect(await read(gate, path, token)).toMatchObject({ status: 200, calls: 0 })
    await gate.command('subject erase', { meter: `prm:${OTHER_METER}`, ground: 'art17_1_b' })
    expect(await read(gate, path, token)).toMatchObject({ status: 403, calls: 0 })
  })
})

describe('without it', () => {
  let gate: TestGate
  beforeAll(async () => {
    gate = await aGate({ change: (tree) => keeping(tree, { keep_days: 30, settled_after_days: 10, revalidate_hours: 0 }) })
  })
  afterAll(() => gate.stop())

  test('another purpose asks the data holder each time', async () => {
    await gate.permit({ id: 'sizing', client: 'office' })
    const token = await gate.token('office')
    for (let i = 0; i < 2; i += 1)
      expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ status: 200, age: null, calls: 1 })
  })

  test('a day that may still change is asked for each time, where nothing is taken for fresh', async () => {
    await gate.permit({ id: 'young' })
    const token = await gate.token()
    for (let i = 0; i < 2; i += 1) expect(await read(gate, daily(METER, -9, -7), token)).toMatchObject({ status: 200, calls: 1 })
    expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ calls: 1 })
    expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ calls: 0 })
  })
})

test('what is given again uses up no quota, neither now nor after a restart, and goes where the purpose keeps nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-store-'))
  const holder = await fakeHolder()
  const env = secretsOf()
  const change = (tree: Tree): void => {
    keeping(tree)
    const providers = tree['providers'] as Record<string, { accounts: Tree[] }>
    const [account] = providers['enedis-data-connect']?.accounts ?? []
    if (account) account['quota'] = { per_second: 1000, per_hour: 2 }
  }
  let gate = await aGate({ holder, env, folder, change })
  await gate.permit({ id: 'few' })
  const token = await gate.token()
  expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ status: 200, calls: 1 })
  for (let i = 0; i < 5; i += 1) expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ status: 200, calls: 0 })
  await gate.stop()
  gate = await aGate({ holder, env, folder, change })
  expect(await read(gate, daily(METER, -50, -40), token)).toMatchObject({ status: 200, calls: 1 })
  expect(await read(gate, daily(METER, -70, -60), token)).toMatchObject({ status: 429, calls: 0 })
  expect(await read(gate, daily(METER, -30, -20), token)).toMatchObject({ status: 200, calls: 0 })
  await gate.stop()
  const kept = (): number => {
    const db = new DatabaseSync(join(folder, 'state', 'ecluse.db'), { readOnly: true })
    const count = Number(db.prepare('SELECT count(*) AS n FROM kept_day').get()?.['n'])
    db.close()
    return count
  }
  expect(kept()).toBe(20)
  // The purpose keeps nothing any more.
  gate = await aGate({ holder, env, folder, change: () => undefined })
  expect(kept()).toBe(0)
  await gate.stop()
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('several gates on one PostgreSQL', () => {
  let server: PostgresServer
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-store-gates-'))
  beforeAll(async () => {
    server = await postgresServer()
    await server.start()
  })
  afterAll(async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('what one has read another gives again, until a third party ends it at either', async () => {
    const holder = await fakeHolder()
    const env = secretsOf()
    const gateOf = (name: string): Promise<TestGate> =>
      aGate({
        holder,
        env,
        folder: join(folder, name),
        change(tree) {
          keeping(tree)
          tree['instance'] = { ...(tree['instance'] as object), node: name }
          tree['storage'] = { postgres: postgresTree(server.port, 'kept') }
        },
      })
    const [a, b] = [await gateOf('a'), await gateOf('b')]
    await a.permit({ id: 'both' })
    const token = await a.token()
    const first = await read(a, daily(METER, -30, -20), token)
    await until(() => server.sql('SELECT count(*) FROM kept.kept_day') === '10')
    expect(await read(b, daily(METER, -30, -20), token)).toMatchObject({ status: 200, calls: 0, text: first.text })
    await refusalsCount(b, token, () => Number(server.sql('SELECT count(*) FROM kept.holder_refusal')))
    await b.command('permission withdraw', { permission: 'both' })
    expect(server.sql('SELECT count(*) FROM kept.kept_day')).toBe('0')
    expect(await read(a, daily(METER, -30, -20), token)).toMatchObject({ status: 403, calls: 0 })
    await a.stop()
    await b.stop()
    await holder.close()
  })
})
