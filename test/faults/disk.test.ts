/**
 * The disk under a running gate: in which order it is asked, what happens while it is slow, and what when an fsync
 * fails under load. strace watches the calls and injects the faults.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'
import { readLog } from './evidence.ts'
import type { Strace } from './strace.ts'
import { callsIn, injectInto, traceCalls } from './strace.ts'

let holder: FakeHolder
let folder: string
let traces: string
let gate: GateProcess | undefined
const held: Strace[] = []
beforeEach(async () => {
  holder = await fakeHolder()
  folder = mkdtempSync(join(tmpdir(), 'ecluse-disk-'))
  traces = mkdtempSync(join(tmpdir(), 'ecluse-traces-'))
})
afterEach(async () => {
  for (const each of held.splice(0)) await each.letGo()
  await gate?.kill()
  gate = undefined
  await holder.close()
  for (const each of [folder, traces]) rmSync(each, { recursive: true, force: true })
})

async function start(options: { readonly env?: Record<string, string> } = {}): Promise<GateProcess> {
  gate = await aGateProcess({ holder, folder, ...options })
  return gate
}
async function inject(on: GateProcess, what: string): Promise<Strace> {
  const injection = await injectInto(on.child.pid ?? 0, what)
  held.push(injection)
  return injection
}
const ask = (on: GateProcess, token: string, from: number): Promise<Response> =>
  fetch(on.url + curve(METER, today(from), today(from + 2)), bearer(token))
/** Everything is sealed and shown: until the next request nothing is written. */
const quiet = async (on: GateProcess): Promise<void> => {
  await on.command('audit drain', {})
  await sleep(100)
}

test('the intent is on the disk before the request leaves, and the outcome before the answer ends', async () => {
  // Not beside the settings: the gate watches that folder, and each line would be followed by one about it.
  const trace = join(traces, 'trace')
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  expect((await ask(on, token, -30)).status).toBe(200)
  await quiet(on)
  const strace = await traceCalls(on.child.pid ?? 0, trace, 'fsync,fdatasync,read,write,writev,sendto')
  held.push(strace)
  const answer = await ask(on, token, -20)
  expect(answer.status).toBe(200)
  await answer.text()
  await strace.letGo()
  expect(await on.stop()).toBe(0)

  // The gate reads requests of clients and replies of the holder, and writes the others.
  const calls = callsIn(trace)
  const asked = `dateDebut=${today(-20)}`
  const find = (what: string, after: number, test: RegExp): (typeof calls)[number] => {
    const found = calls.find(({ text, began }) => began > after && test.test(text))
    if (!found) throw new Error(`${what} is not in the trace`)
    return found
  }
  const received = find('the request of the client', -1, new RegExp(`^read\\(.*"GET .*${asked}`))
  const sent = find('the request to the holder', received.done, new RegExp(`^(write|writev|sendto)\\(.*"GET .*${asked}`))
  const reply = find('the reply of the holder', sent.began, /^read\(.*"HTTP\/1\.1 200/)
  const answered = find('the answer', reply.done, /^(write|writev|sendto)\(.*"HTTP\/1\.1 200/)
  const commits = calls.filter(({ text }) => /^fsync\(\d+<[^>]*\/ecluse\.db-wal>\) += 0$/.test(text))
  const between = (from: number, to: number): number => commits.filter(({ began, done }) => began > from && done < to).length
  expect(between(received.done, sent.began), 'commits between the request and the call').toBe(1)
  expect(between(reply.began, answered.began), 'commits between the reply and the answer').toBeGreaterThanOrEqual(1)
})

test('while an fsync takes its time, the call waits for its intent and the answer for its outcome', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  expect((await ask(on, token, -30)).status).toBe(200)
  await quiet(on)
  const slow = await inject(on, 'fsync:delay_enter=1500000')
  const began = Date.now()
  const answer = await ask(on, token, -20)
  expect(answer.status).toBe(200)
  const took = Date.now() - began
  expect((holder.calls.at(-1)?.at ?? 0) - began).toBeGreaterThanOrEqual(1500)
  expect(took).toBeGreaterThanOrEqual(3000)
  await slow.letGo()
  expect(await on.stop()).toBe(0)
})

test('a disk that does not answer is 503 with Retry-After within seconds, and the gate goes on by itself once it does', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  expect((await ask(on, token, -30)).status).toBe(200)
  await quiet(on)
  const slow = await inject(on, 'fsync:delay_enter=20000000')
  // The first has its intent at the disk already; those that come behind it are let go.
  const first = ask(on, token, -21)
  await sleep(300)
  const calls = holder.calls.length
  const behind = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(on, token, -40 - i)))
  // Tokens and permissions that nobody has looked up yet cannot be looked up now.
  const unknown = await fetch(on.url + curve(OTHER_METER, today(-20), today(-18)), bearer(token))
  const stranger = await fetch(on.url + curve(METER, today(-20), today(-18)), bearer('nobody'))
  for (const answer of [...behind, unknown, stranger]) {
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(answer.headers.get('audit-entry')).toBeNull()
  }
  const ready = await fetch(`${on.ops}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ evidence: 'down' })
  expect(holder.calls).toHaveLength(calls)
  await slow.letGo()
  expect((await first).status).toBe(200)
  expect((await ask(on, token, -60)).status).toBe(200)
  expect((await fetch(`${on.ops}/readyz`)).status).toBe(200)
  expect(await on.stop()).toBe(0)
  const log = await readLog(on.state, true)
  expect(log.types).toMatchObject({ 'access.intent': 3, 'access.outcome': 3 })
})

test('an fsync that fails under load stops the gate for good; the next start has all that was acknowledged', async () => {
  const on = await start()
  await on.permit({ id: 'p1' })
  const token = await on.token()
  const whole: number[] = []
  let down = false
  const client = async (me: number): Promise<void> => {
    for (let i = 0; !down; i += 1) {
      try {
        const answer = await ask(on, token, -300 + me * 30 + (i % 28))
        await answer.text()
        if (answer.status === 200) whole.push(Number(answer.headers.get('audit-entry')?.split('/').at(-1)))
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
        down = true
      }
    }
  }
  const ended = once(on.child, 'exit')
  const load = Array.from({ length: 8 }, (_, me) => client(me))
  await sleep(500)
  await inject(on, 'fsync:error=EIO:when=3')
  const [code] = (await ended) as [number | null]
  down = true
  await Promise.all(load)
  expect(code).toBe(1)
  expect(on.output()).toMatch(
    /^ecluse: the gate stops, because its evidence can no longer be written: (disk I\/O error|EIO: i\/o error, fsync): see to the disk/m,
  )
  expect(whole.length).toBeGreaterThan(0)
  const calls = holder.calls.length

  const again = await start({ env: on.env })
  expect((await ask(again, token, -20)).status).toBe(200)
  expect(await again.stop()).toBe(0)
  const log = await readLog(on.state, true)
  const outcomes = new Map(log.entries.filter((e) => e.t === 'access.outcome').map((e) => [e['intent'], e['result']]))
  for (const n of whole) expect(outcomes.get(n), `entry ${n}`).toBe('delivered')
  expect(log.types['access.intent']).toBeGreaterThanOrEqual(calls + 1)
})
