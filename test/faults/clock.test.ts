/** A wall clock that is set forward and back under a running gate, and that of PostgreSQL under an act. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { openPostgres } from '../../src/storage/postgres.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import { METER, today } from '../harness/settings.ts'
import { readLog } from './evidence.ts'
import { postgresWithMovedClock } from './grounds/clock.ts'

const MINUTE = 60_000
let holder: FakeHolder
let folder: string
let gate: GateProcess | undefined
beforeEach(async () => {
  holder = await fakeHolder()
  folder = mkdtempSync(join(tmpdir(), 'ecluse-clock-'))
  stepTo(0)
})
afterEach(async () => {
  await gate?.kill()
  gate = undefined
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

function stepTo(ms: number): void {
  writeFileSync(join(folder, 'clock'), String(ms))
}
async function start(env?: Record<string, string>): Promise<GateProcess> {
  process.env['TEST_CLOCK_FILE'] = join(folder, 'clock')
  gate = await aGateProcess({
    holder,
    folder: join(folder, 'gate'),
    ...(env && { env }),
    node: ['--import', join(import.meta.dirname, 'stepped-clock.ts')],
  })
  return gate
}
const ask = (on: GateProcess, token: string): Promise<Response> => fetch(on.url + curve(METER, today(-20), today(-18)), bearer(token))
const confirm = (on: GateProcess): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, [join(import.meta.dirname, '../../src/cli/main.ts'), 'clock', 'confirm', '--state', on.state], {
    encoding: 'utf8',
  })
const ofType = async (on: GateProcess, type: string): Promise<readonly { readonly [field: string]: unknown }[]> =>
  (await on.entries()).filter((entry) => entry.t === type)
async function untilTold(on: GateProcess, count: number): Promise<void> {
  for (let waited = 0; (await ofType(on, 'log.clock')).length < count; waited += 100) {
    if (waited > 10_000) throw new Error('the log tells of no step of the clock')
    await sleep(100)
  }
}

test('a step of more than ten minutes, forward or back, is 503 until it is confirmed; nothing expires by it', async () => {
  const on = await start()
  const soon = new Date(Date.now() + 30 * MINUTE).toISOString()
  await on.permit({ id: 'p1' }, { id: 'soon', meter: '10000000000003', validUntil: soon })
  const token = await on.token()
  expect((await ask(on, token)).status).toBe(200)

  stepTo(60 * MINUTE)
  const refused = await ask(on, token)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(await (await fetch(`${on.ops}/readyz`)).json()).toMatchObject({ ready: false, clock: 'down' })
  await untilTold(on, 1)
  // Longer than it takes to look for what has expired.
  await sleep(6000)
  const list = await on.command<readonly { id: string; status: string }[]>('permission list', {})
  expect(list.find((p) => p.id === 'soon')?.status).toBe('active')
  expect(holder.calls).toHaveLength(1)
  // The step is told by the time that it was without it.
  const [told] = await ofType(on, 'log.clock')
  expect(Math.abs(Number(told?.['step']) - 60 * MINUTE)).toBeLessThan(5000)
  expect(Math.abs(Date.parse(String(told?.['at'])) - Date.now())).toBeLessThan(30_000)

  expect(confirm(on)).toMatchObject({ status: 0, stdout: 'confirmed: requests are taken again\n' })
  expect((await ask(on, token)).status).toBe(200)
  const later = (await ofType(on, 'access.intent')).at(-1)
  expect(Date.parse(String(later?.['at'])) - Date.now()).toBeGreaterThan(55 * MINUTE)

  stepTo(0)
  expect((await ask(on, token)).status).toBe(503)
  await untilTold(on, 2)
  expect(confirm(on).status).toBe(0)
  expect((await ask(on, token)).status).toBe(200)
  expect(holder.calls).toHaveLength(3)
  expect(await on.stop()).toBe(0)
  // No entry is older than the one before it, though the clock went back an hour.
  const log = await readLog(on.state, true)
  expect(log.types).toMatchObject({ 'log.clock': 2, 'access.intent': 3, 'access.outcome': 3 })

  // Started anew, the gate has no steady clock to hold against: what stands in the log is an hour ahead.
  await expect(start(on.env)).rejects.toThrow(
    /ended with 2 before it was ready: ecluse: the clock says .*, the last entry was written at .*: set the clock and start again/,
  )
  gate = undefined
})

test('a clock that was wrong and is set right needs nobody; small steps are none', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  stepTo(-60 * MINUTE)
  expect((await ask(on, token)).status).toBe(503)
  stepTo(0)
  expect((await ask(on, token)).status).toBe(200)
  stepTo(9 * MINUTE)
  expect((await ask(on, token)).status).toBe(200)
  stepTo(0)
  expect((await ask(on, token)).status).toBe(200)
  expect(await on.stop()).toBe(0)
  await readLog(on.state, true)
})

test('a clock of PostgreSQL that goes back while an act is recorded is not waited for: the act begins anew', async () => {
  const { server, stepTo, close } = await postgresWithMovedClock()
  onTestFinished(close)
  const store = openPostgres(server.settings('gates'))
  store.unit.begin()
  store.db.lock([['viriya', null]])
  stepTo(-60 * MINUTE)
  const began = performance.now()
  expect(() => store.unit.commit()).toThrow('the clock of PostgreSQL went back while an act was recorded')
  expect(performance.now() - began).toBeLessThan(5000)
  store.rollback()
  store.unit.begin()
  store.db.lock([['viriya', null]])
  store.unit.commit()
  expect(store.clock()).toBeLessThan(Date.now() - 59 * MINUTE)
  store.close()
})
