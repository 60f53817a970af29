/**
 * Memory is bounded at any size of an answer and any speed of its reader, and nothing is kept of clients that left.
 * What is measured is a process of its own.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { aGateProcess, bearer, curve, removeFolder } from '../harness/gate.ts'
import { answer, fakeHolder, giveToken, longCurve, ordinary } from '../harness/holder.ts'
import { leavingClients } from '../harness/leaving-clients.ts'
import { observedGate } from '../harness/observed-gate.ts'
import { METER, today } from '../harness/settings.ts'

const MB = 1_048_576
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function rssOf(pid: number | undefined): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** The most that a process held since `reset`, looked at often: the system's own peak cannot be reset by everyone. */
function watched(pid: number | undefined): { peak(): number; reset(): void } {
  let peak = rssOf(pid)
  const look = (): void => void (peak = Math.max(peak, rssOf(pid)))
  const watch = setInterval(look, 20)
  ends.push(() => clearInterval(watch))
  return {
    peak() {
      look()
      return peak
    },
    reset: () => void (peak = 0),
  }
}

test('300 MB to a reader that stalls, reads a little and stalls again: memory grows by less than 30 MB', async () => {
  const holder = await fakeHolder()
  ends.push(() => holder.close())
  const gate = await aGateProcess({
    holder,
    // V8 lets its young generation grow to some 50 MB whatever goes through it, and keeps that: here it stays small, so
    // that what is measured is what answers hold.
    node: ['--max-semi-space-size=4'],
    change(tree) {
      Object.assign((tree['providers'] as Record<string, object>)['enedis-data-connect'] ?? {}, { max_answer_bytes: 1_073_741_824 })
    },
  })
  ends.push(
    () => removeFolder(gate),
    () => gate.kill(),
  )
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const token = await gate.token()
  const target = curve(METER, today(-20), today(-18))
  const memory = watched(gate.child.pid)
  // Code that is compiled and room that every long answer takes are no growth: one of 30 MB, read whole, comes first.
  holder.script = longCurve(30 * MB)
  const first = await fetch(gate.url + target, bearer(token))
  expect((await first.arrayBuffer()).byteLength).toBeGreaterThan(29 * MB)
  const short = memory.peak()

  const sent = { bytes: 0 }
  holder.script = longCurve(300 * MB, sent)
  const before = rssOf(gate.child.pid)
  memory.reset()
  const reader = connect({ host: '127.0.0.1', port: gate.port })
  ends.push(() => reader.destroy())
  reader.write(`GET ${target} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  let stalledAt = -1
  for (let i = 0; i < 30 && (stalledAt !== sent.bytes || sent.bytes === 0); i += 1) {
    stalledAt = sent.bytes
    await sleep(1000)
  }
  // What went out lies in the buffers of two sockets and of the gate, and the holder has stopped.
  expect(stalledAt).toBeGreaterThan(0)
  expect(stalledAt).toBeLessThan(30 * MB)
  await sleep(2000)
  expect(sent.bytes).toBe(stalledAt)
  const stalled = memory.peak() - before

  let heard = 0
  reader.on('data', (chunk: Buffer) => {
    heard += chunk.byteLength
    if (heard > 30 * MB) reader.pause()
  })
  for (let waited = 0; heard <= 30 * MB && waited < 60_000; waited += 20) await sleep(20)
  expect(heard).toBeGreaterThan(30 * MB)
  await sleep(1000)
  expect(sent.bytes).toBeLessThan(heard + 30 * MB)
  const beyond = memory.peak() - Math.max(short, before)
  process.stdout.write(
    `300 MB to a stalled reader: RSS ${mb(before)}, peak grew by ${mb(stalled)}, the holder stopped after ${mb(stalledAt)}; ` +
      `while it read 30 MB and stalled again, ${mb(beyond)} above an answer of 30 MB\n`,
  )
  expect(stalled).toBeLessThan(30 * MB)
  expect(beyond).toBeLessThan(30 * MB)
})

test('10,000 aborted requests: heap within 5 MB, the same handles, no warning', { timeout: 480_000 }, async () => {
  const holder = await fakeHolder()
  ends.push(() => holder.close())
  let kept = 0
  holder.script = (request, socket) => {
    // The harness's holder remembers every call, and would itself grow.
    if (holder.calls.length > 1000) kept += holder.calls.splice(0).length
    const whim = Math.random()
    if (whim < 0.3) setTimeout(() => ordinary(request, socket), whim * 50)
    else if (whim < 0.4) answer(socket, 404, '{"error":"no_data_found","error_description":"no measure found for this usage point"}')
    else ordinary(request, socket)
  }
  holder.tokenScript = giveToken
  const gate = await observedGate(holder.url)
  ends.push(() => gate.stop())
  const requests = [1, 2, 6, 20].map(
    (days) => `GET ${curve(METER, today(-30), today(-30 + days))} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${gate.token}\r\n\r\n`,
  )
  // They leave within the time of an ordinary answer, whatever this machine makes of it.
  const began = performance.now()
  const heard = await leavingClients({ port: gate.port, requests, count: 400, atOnce: 32, percent: 0, withinMs: 0 })
  const withinMs = (performance.now() - began) / (400 / 32)
  expect(heard).toMatchObject({ left: 0 })
  const leave = (count: number): ReturnType<typeof leavingClients> =>
    leavingClients({ port: gate.port, requests, count, atOnce: 32, percent: 100, withinMs })
  // The first ones fill pools, caches and compiled code, which stay.
  await leave(3000)
  const before = await gate.held()
  expect((await leave(10_000)).left).toBe(10_000)
  const after = await gate.held()
  const calls = kept + holder.calls.length
  const grown = after.heapBytes - before.heapBytes
  process.stdout.write(
    `10,000 aborted requests, ${calls} calls of the holder, ${after.entries} entries: heap ${mb(before.heapBytes)} → ${mb(after.heapBytes)}, ` +
      `handles ${JSON.stringify(before.handles)} → ${JSON.stringify(after.handles)}\n`,
  )
  expect(calls).toBeGreaterThan(1000)
  expect(after.warnings).toStrictEqual([])
  expect(after.complaints).toStrictEqual([])
  expect(grown).toBeLessThan(5 * MB)
  // Connections to the holder are a pool: how many of them are open is a matter of the last seconds.
  expect(withoutPool(after.handles)).toStrictEqual(withoutPool(before.handles))
  expect(after.handles['TCPSocketWrap'] ?? 0).toBeLessThanOrEqual(32 + 2)
  holder.script = ordinary
  const served = await fetch(`http://127.0.0.1:${gate.port}${curve(METER, today(-20), today(-18))}`, bearer(gate.token))
  expect(served.status).toBe(200)
})

/** Timers and requests of the moment: once a second the free room of the disk is asked for. */
const PASSING = /^(TCPSocketWrap|Timeout|FSReq.*)$/

function withoutPool(handles: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(handles).filter(([kind]) => !PASSING.test(kind)))
}

function mb(bytes: number): string {
  return `${(bytes / MB).toFixed(1)} MB`
}
