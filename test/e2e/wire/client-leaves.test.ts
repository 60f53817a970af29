/**
 * A client that leaves, at every moment of its request: the data holder's connection is closed within a second, the
 * evidence says `client_abort` with the bytes of both sides, and nothing taken for the request stays taken.
 */
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import type { Script } from '../../harness/holder.ts'
import { answer, giveToken, longCurve, ordinary } from '../../harness/holder.ts'
import { today } from '../../harness/settings.ts'
import type { Wire } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { accesses, ask, counted, isServed, recordedBy, until } from './given.ts'

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      const holder = (tree['providers'] as Record<string, Record<string, unknown>>)['enedis-data-connect'] ?? {}
      holder['timeouts'] = { slow_client_seconds: 1 }
      holder['connections'] = 2
    },
  })
  await gate.permit(
    { id: 'p1', from: today(-100), until: today(-10) },
    { id: 'p2', client: 'office', from: today(-100), until: today(-10) },
  )
  token = await gate.token()
  const line = await wire(gate.port)
  await isServed(line, token)
  line.end()
})
afterEach(() => {
  gate.holder.script = ordinary
  gate.holder.tokenScript = giveToken
})
afterAll(() => gate.stop())

/** Never answers, and keeps the socket to look at. */
let last: Socket
const silent: Script = (_request, socket) => {
  last = socket
}
const keeping =
  (script: Script): Script =>
  (request, socket) => {
    last = socket
    script(request, socket)
  }
const inFlight = async (): Promise<number> => {
  const text = await (await fetch(`${gate.ops}/metrics`)).text()
  return Number(/^ecluse_requests_in_flight (\d+)$/m.exec(text)?.[1])
}
const outcomes = async (): Promise<number> => (await accesses(gate)).filter((e) => e.t === 'access.outcome').length

/** The holder's connection is closed within a second; then comes the outcome, and nothing is in flight. */
async function isOver(outcomesBefore: number): Promise<void> {
  await until(() => last.destroyed, 1000)
  await until(async () => (await outcomes()) > outcomesBefore, 2000)
  await until(async () => (await inFlight()) === 0, 2000)
}

test.each([
  ['closes', (line: Wire) => line.end()],
  ['resets', (line: Wire) => void line.socket.resetAndDestroy()],
  ['closes its sending half', (line: Wire) => void line.socket.end()],
])('before the headers of the holder it %s', async (_name, leave) => {
  gate.holder.script = silent
  const line = await wire(gate.port)
  const before = await outcomes()
  const entries = await recordedBy(gate, async () => {
    const calls = gate.holder.calls.length
    line.send(ask(token))
    await until(() => gate.holder.calls.length > calls, 2000)
    leave(line)
    await isOver(before)
  })
  expect(entries).toMatchObject([
    { t: 'access.intent' },
    { t: 'access.outcome', result: 'client_abort', bytes: 0, holderBytes: 0, status: null, readings: 0 },
  ])
})

test('in the body', async () => {
  const sent = { bytes: 0 }
  gate.holder.script = keeping(longCurve(20_000_000, sent))
  const line = await wire(gate.port)
  const before = await outcomes()
  const entries = await recordedBy(gate, async () => {
    line.send(ask(token))
    await until(() => line.rest().length > 200_000, 5000)
    line.socket.resetAndDestroy()
    await isOver(before)
  })
  const [, outcome] = entries
  expect(outcome).toMatchObject({ t: 'access.outcome', result: 'client_abort', status: null })
  const { bytes, holderBytes, readings } = outcome as unknown as { bytes: number; holderBytes: number; readings: number }
  expect(bytes).toBeGreaterThanOrEqual(190_000)
  expect(holderBytes).toBeGreaterThanOrEqual(bytes)
  expect(holderBytes).toBeLessThanOrEqual(sent.bytes + 1000)
  expect(holderBytes).toBeLessThan(20_000_000)
  expect(readings).toBeGreaterThan(1000)
})

test('a client that reads nothing is cut after its time, and its holder with it', async () => {
  const sent = { bytes: 0 }
  gate.holder.script = keeping(longCurve(30_000_000, sent))
  const line = await wire(gate.port)
  line.socket.pause()
  const before = await outcomes()
  const started = performance.now()
  const entries = await recordedBy(gate, async () => {
    line.send(ask(token))
    await until(async () => (await outcomes()) > before, 10_000)
    await until(() => last.destroyed, 1000)
  })
  expect(performance.now() - started).toBeGreaterThan(900)
  expect(entries.at(-1)).toMatchObject({ result: 'limit', status: null })
  // Back-pressure reached the holder: what was not read was not sent either, but for buffers of sockets.
  expect(sent.bytes).toBeLessThan(25_000_000)
  line.socket.resume()
  await line.closed()
  expect(line.rest()).not.toMatch(/\r\n0\r\n\r\n$/)
})

test('while it waits for a turn: nobody is called for it, and its turn is free again', async () => {
  const own = await aGate({
    change(tree) {
      const holder = (tree['providers'] as Record<string, { accounts: Record<string, unknown>[] }>)['enedis-data-connect']
      Object.assign(holder?.accounts[0] ?? {}, { quota: { per_second: 1, per_hour: 20 } })
    },
  })
  await own.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const bearer = await own.token()
  const line = await wire(own.port)
  const entries = await recordedBy(own, async () => {
    await isServed(line, bearer)
    const waiting = await Promise.all(Array.from({ length: 10 }, () => wire(own.port)))
    for (const each of waiting) each.send(ask(bearer))
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const each of waiting) each.socket.resetAndDestroy()
    // Behind ten that left: the next second, not the eleventh; and of twenty calls in the hour ten are not lost.
    const started = performance.now()
    await isServed(line, bearer)
    expect(performance.now() - started).toBeLessThan(3000)
  })
  expect(own.holder.calls).toHaveLength(2)
  expect(entries.map((e) => e.t)).toStrictEqual(['access.intent', 'access.outcome', 'access.intent', 'access.outcome'])
  expect(await quotaLeft(own)).toBe(18)
  line.end()
  await own.stop()
})

async function quotaLeft(own: TestGate): Promise<number> {
  const text = await (await fetch(`${own.ops}/metrics`)).text()
  return Number(/^ecluse_quota_left\{.*\} (\d+)$/m.exec(text)?.[1])
}

test('while it waits for a connection: nothing is recorded for it', async () => {
  gate.holder.script = silent
  const two = await Promise.all([wire(gate.port), wire(gate.port)])
  const calls = gate.holder.calls.length
  for (const each of two) each.send(ask(token))
  await until(() => gate.holder.calls.length === calls + 2, 2000)
  const third = await wire(gate.port)
  third.send(ask(token))
  await new Promise((resolve) => setTimeout(resolve, 100))
  third.socket.resetAndDestroy()
  const before = await outcomes()
  for (const each of two) each.socket.resetAndDestroy()
  await until(async () => (await outcomes()) === before + 2, 2000)
  await until(async () => (await inFlight()) === 0, 2000)
  expect(gate.holder.calls).toHaveLength(calls + 2)
  gate.holder.script = ordinary
  const line = await wire(gate.port)
  await isServed(line, token)
  line.end()
})

test('while the application token is fetched: nobody is called for it', async () => {
  const own = await aGate()
  await own.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const bearer = await own.token()
  own.holder.tokenScript = (request, socket) => void setTimeout(() => giveToken(request, socket), 300)
  const line = await wire(own.port)
  const entries = await recordedBy(own, async () => {
    line.send(ask(bearer))
    await until(() => own.holder.tokenCalls.length === 1, 2000)
    line.socket.resetAndDestroy()
    await new Promise((resolve) => setTimeout(resolve, 600))
  })
  expect(own.holder.calls).toStrictEqual([])
  expect(entries).toStrictEqual([])
  await own.stop()
})

test('at once, a hundred times: no place of the client stays taken', async () => {
  // This client may have 16 requests at once. Its tokens are new: each is looked up while the client leaves.
  const office = await gate.token('office')
  for (let i = 0; i < 100; i += 1) {
    const fresh = await gate.token('office')
    const line = await wire(gate.port)
    line.send(ask(fresh))
    for (let turn = 0; turn <= i % 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    line.socket.resetAndDestroy()
  }
  await until(async () => (await inFlight()) === 0, 5000)
  const line = await wire(gate.port)
  line.send(ask(office))
  const told = await line.next()
  expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([200, undefined])
  line.end()
  const entries = await accesses(gate)
  const of = (t: string): number => entries.filter((e) => e.t === t).length
  expect(of('access.outcome')).toBe(of('access.intent'))
  expect(await counted(gate, 'ecluse_strangers_total')).toBe(0)
})

test('an answer that nobody waits for any more is no answer to the next client', async () => {
  gate.holder.script = (_request, socket) => void setTimeout(() => answer(socket, 200, '{"late":true}'), 300)
  const line = await wire(gate.port)
  const calls = gate.holder.calls.length
  line.send(ask(token))
  await until(() => gate.holder.calls.length > calls, 2000)
  line.socket.resetAndDestroy()
  gate.holder.script = ordinary
  const next = await wire(gate.port)
  await isServed(next, token)
  await new Promise((resolve) => setTimeout(resolve, 400))
  await isServed(next, token)
  next.end()
})
