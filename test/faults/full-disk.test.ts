/**
 * A small disk (tmpfs) under the state folder. Below the low-water mark nobody is called, and what ends something is
 * still taken; with room again the gate goes on by itself. Really full, it stops for good; with room again the next
 * start has everything that was acknowledged.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import { METER, today } from '../harness/settings.ts'
import { readLog } from './evidence.ts'

const MB = 1_048_576
const LOW_WATER_MB = 16
let folder: string
let disk: string
let holder: FakeHolder
let gate: GateProcess | undefined

beforeEach(async ({ skip }) => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-full-'))
  disk = join(folder, 'disk')
  mkdirSync(disk)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', disk], { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    skip(`skipped: no tmpfs can be mounted: ${stderr.trim()}`)
  }
  holder = await fakeHolder()
})
afterEach(async () => {
  await gate?.kill()
  gate = undefined
  await holder.close()
  if (spawnSync('umount', [disk]).status !== 0) spawnSync('umount', ['--lazy', disk])
  rmSync(folder, { recursive: true, force: true })
})

/** The state lies on the small disk, the settings beside it. */
async function start(env?: Record<string, string>): Promise<GateProcess> {
  gate = await aGateProcess({
    holder,
    folder,
    ...(env && { env }),
    change(tree) {
      ;(tree['instance'] as Record<string, unknown>)['state'] = join(disk, 'state')
      ;(tree['evidence'] as Record<string, unknown>)['low_water_mb'] = LOW_WATER_MB
    },
  })
  return gate
}
const free = (): number => {
  const { bavail, bsize } = statfsSync(disk)
  return bavail * bsize
}
const ballast = (): string => join(disk, 'ballast')
/** Leaves so many bytes. */
function fillBut(left: number): void {
  const fd = openSync(ballast(), 'a')
  const block = Buffer.alloc(65_536)
  try {
    while (free() > left) writeSync(fd, block.subarray(0, Math.min(block.length, free() - left)))
  } catch (error) {
    // The gate took the last page itself.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
}
const ask = (on: GateProcess, token: string, from: number): Promise<Response> =>
  fetch(on.url + curve(METER, today(from), today(from + 2)), bearer(token))

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()); waited += 50) {
    if (waited > 15_000) throw new Error(`${what} did not come about`)
    await sleep(50)
  }
}
test('below the low-water mark nobody is called, a withdrawal and an outcome are taken, and room is enough to go on', async () => {
  const on = await start()
  await on.permit({ id: 'p1' }, { id: 'p2' })
  const token = await on.token()
  expect((await ask(on, token, -20)).status).toBe(200)
  const readyz = async (): Promise<unknown> => (await fetch(`${on.ops}/readyz`)).json()

  // A call that is under way when the room runs out.
  let finish = (): void => undefined
  holder.script = (request, socket) => {
    finish = () => ordinary(request, socket)
  }
  const underWay = ask(on, token, -30)
  await until('the call', async () => holder.calls.length === 2)
  fillBut(4 * MB)
  await until('low water', async () => (await fetch(`${on.ops}/readyz`)).status === 503)
  expect(await readyz()).toMatchObject({ ready: false, disk: 'down', evidence: 'ok' })

  const refused = await ask(on, token, -40)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(refused.headers.get('audit-entry')).toBeNull()
  // What would be refused anyway takes no room either.
  const stranger = await fetch(on.url + curve('10000000000009', today(-20), today(-18)), bearer(token))
  expect(stranger.status).toBe(503)
  expect(holder.calls).toHaveLength(2)

  finish()
  const late = await underWay
  expect(late.status).toBe(200)
  await late.text()
  expect(await on.command('permission withdraw', { permission: 'p2' })).toMatchObject({ status: 'ended' })

  rmSync(ballast())
  holder.script = ordinary
  await until('room', async () => (await fetch(`${on.ops}/readyz`)).status === 200)
  expect((await ask(on, token, -40)).status).toBe(200)
  expect(await on.stop()).toBe(0)
  const log = await readLog(on.state, true)
  expect(log.types).toMatchObject({ 'access.intent': 3, 'access.outcome': 3, 'consent.withdrawn_by_subject': 1 })
  expect(log.entries.filter((e) => e.t === 'access.outcome').map((e) => e['result'])).toStrictEqual(Array(3).fill('delivered'))
})

test('a disk that is full from the start takes no request, from the first one on', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  expect(await on.stop()).toBe(0)
  fillBut(8 * MB)
  const again = await start(on.env)
  expect((await ask(again, token, -20)).status).toBe(503)
  expect(holder.calls).toHaveLength(0)
})

test('really full, the gate stops for good with a sentence; with room again nothing acknowledged is lost', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  const first = await ask(on, token, -20)
  expect(first.status).toBe(200)
  const entries = [Number(first.headers.get('audit-entry')?.split('/').at(-1))]
  await first.text()

  const ended = once(on.child, 'exit')
  // Faster than the gate looks at its disk, and without a page left for the next rows.
  fillBut(0)
  const seen = holder.calls.length
  const asked = await Promise.allSettled(
    Array.from({ length: 30 }, async (_, i) => {
      const answer = await ask(on, token, -100 - 3 * i)
      await answer.text()
      return answer
    }),
  )
  const whole = asked.flatMap((r) => (r.status === 'fulfilled' && r.value.status === 200 ? [r.value] : []))
  for (const answer of whole) entries.push(Number(answer.headers.get('audit-entry')?.split('/').at(-1)))
  expect(asked.length - whole.length).toBeGreaterThan(0)
  const [code] = (await ended) as [number | null]
  expect(code).toBe(1)
  expect(on.output()).toMatch(
    /^ecluse: the gate stops, because its evidence can no longer be written: the disk is full \(.*\): make room, then start again; nothing acknowledged is lost$/m,
  )

  rmSync(ballast())
  const again = await start(on.env)
  holder.script = ordinary
  expect((await ask(again, token, -60)).status).toBe(200)
  expect(await again.stop()).toBe(0)
  const log = await readLog(on.state, true)
  const outcomes = new Map(log.entries.filter((e) => e.t === 'access.outcome').map((e) => [e['intent'], e['result']]))
  for (const n of entries) expect(outcomes.get(n), `entry ${n}`).toBe('delivered')
  // Each call that was made after the disk was full had its intent on it.
  const intents = log.entries.filter((e) => e.t === 'access.intent').length
  expect(holder.calls.length).toBeLessThanOrEqual(intents)
  expect(holder.calls.length).toBeGreaterThanOrEqual(seen)
})
