/**
 * What a stranger can use up: connections, headers, bodies, time, entries. Each is bounded by a setting, made short here,
 * and while it is used up a client that is known is served.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate, removeFolder } from '../../harness/gate.ts'
import { longCurve, ordinary } from '../../harness/holder.ts'
import type { Tree } from '../../harness/settings.ts'
import { secretsOf, today } from '../../harness/settings.ts'
import type { Wire } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { accesses, ask, counted, head, isServed, until } from './given.ts'

let gate: TestGate
let token: string
const MOST = 80
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      const listeners = tree['listeners'] as Record<string, Tree>
      listeners['gate'] = { ...listeners['gate'], limits: { headers_seconds: 1, request_seconds: 2, max_connections: MOST } }
    },
  })
  await gate.permit(
    { id: 'p1', from: today(-100), until: today(-10) },
    { id: 'p2', client: 'office', from: today(-100), until: today(-10) },
  )
  token = await gate.token()
})
afterAll(() => gate.stop())

/** Opens `count` connections that each send `first`, then `piece` again and again, and gives how long the gate bore them. */
async function besieged(
  count: number,
  first: string,
  piece: string,
): Promise<{ readonly lines: readonly Wire[]; readonly borneMs: number }> {
  const started = performance.now()
  const lines = await Promise.all(Array.from({ length: count }, () => wire(gate.port)))
  for (const line of lines) line.send(first)
  const timer = setInterval(() => {
    for (const line of lines) if (line.socket.writable && piece !== '') line.send(piece)
  }, 100)
  onTestFinished(() => clearInterval(timer))
  const probe = await wire(gate.port)
  let ended = 0
  const all = Promise.all(lines.map((line) => line.closed(15_000).then(() => (ended += 1))))
  while (ended < count) {
    await isServed(probe, token)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await all
  clearInterval(timer)
  probe.end()
  return { lines, borneMs: performance.now() - started }
}

test.each([
  ['headers byte by byte', head('GET / HTTP/1.1', 'Host: a').slice(0, -2), 'X', /^HTTP\/1\.1 408 /],
  ['header lines without end', head('GET / HTTP/1.1', 'Host: a').slice(0, -2), 'X: a\r\n', /^HTTP\/1\.1 408 /],
  ['nothing at all', '', '', /^(HTTP\/1\.1 408 |$)/],
  [
    'a body byte by byte',
    head('POST /oauth2/v3/token HTTP/1.1', 'Host: a', 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: 5000'),
    'a',
    /^HTTP\/1\.1 408 /,
  ],
])('%s, on fifty connections: each ends in its time, and a client is served meanwhile', async (_name, first, piece, answer) => {
  const entries = (await accesses(gate)).filter((e) => e.t === 'access.refused').length
  const { lines, borneMs } = await besieged(50, first, piece)
  // Two seconds for the request, two between looks, five for the body of a token call; the rest is a busy machine.
  expect(borneMs).toBeLessThan(15_000)
  for (const line of lines) expect(line.rest()).toMatch(answer)
  expect((await accesses(gate)).filter((e) => e.t === 'access.refused')).toHaveLength(entries)
})

test('connections are counted: what is beyond is closed unheard, and there is room again afterwards', async () => {
  const held: Wire[] = []
  const served = await wire(gate.port)
  await isServed(served, token)
  for (let i = 1; i < MOST; i += 1) held.push(await wire(gate.port))
  const beyond = await wire(gate.port)
  beyond.send(ask(token))
  await beyond.closed(2000)
  expect(beyond.rest()).toBe('')
  await isServed(served, token)
  for (const line of held) line.end()
  served.end()
  await until(async () => {
    const line = await wire(gate.port)
    line.send(ask(token))
    const ok = await line.next(1000).then(
      (told) => told.status === 200,
      () => false,
    )
    line.end()
    return ok
  }, 5000)
})

test('one client has so many requests at once; another is not touched by it', async () => {
  const office = await gate.token('office')
  gate.holder.script = () => undefined
  const calls = gate.holder.calls.length
  const lines = await Promise.all(Array.from({ length: 16 }, () => wire(gate.port)))
  for (const line of lines) line.send(ask(office))
  await until(() => gate.holder.calls.length === calls + 16, 5000)
  const beyond = await wire(gate.port)
  beyond.send(ask(office))
  const told = await beyond.next()
  expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([429, 'quota_gate'])
  gate.holder.script = ordinary
  await isServed(beyond, token)
  for (const line of lines) line.end()
  await until(async () => {
    beyond.send(ask(office))
    return (await beyond.next()).status === 200
  }, 5000)
  beyond.end()
})

test('strangers past their rate are told that alone; they fill neither log nor evidence, and their minute is one entry', async () => {
  const folder = gate.folder
  const own = await aGate({ folder: `${folder}-strangers`, env: secretsOf() })
  await own.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const known = await own.token()
  const statuses = new Map<number, number>()
  let line = await wire(own.port)
  for (let i = 0; i < 1300; i += 1) {
    // Tokens that nobody has, each another: no table grows with them.
    line.send(ask(`${'x'.repeat(30)}${i}`))
    const told = await line.next()
    statuses.set(told.status, (statuses.get(told.status) ?? 0) + 1)
    if (told.status !== 429) continue
    expect([headerOf(told, 'retry-after'), headerOf(told, 'connection'), headerOf(told, 'ecluse-reason')]).toStrictEqual([
      '60',
      'close',
      'quota_gate',
    ])
    await line.closed()
    line = await wire(own.port)
  }
  expect([...statuses.keys()].toSorted()).toStrictEqual([401, 429])
  expect(await counted(own, 'ecluse_strangers_total', { reason: 'token_invalid' })).toBe(1300)
  await isServed(line, known)
  line.end()
  expect(own.log.length).toBeLessThan(5)
  expect(own.holder.calls).toHaveLength(1)
  const before = await own.entries()
  expect(
    before
      .filter((e) => e.t.startsWith('access.'))
      .map((e) => e.t)
      .filter((t) => t !== 'access.summary'),
  ).toStrictEqual(['access.intent', 'access.outcome'])
  await own.stop()
  const again = await aGate({ folder: own.folder, env: own.env })
  const summaries = (await again.entries()).filter((e) => e.t === 'access.summary')
  expect(summaries.length).toBeLessThanOrEqual(3)
  expect(summaries.reduce((sum, e) => sum + Number((e['counts'] as Record<string, number>)['token_invalid'] ?? 0), 0)).toBe(1300)
  await again.stop()
  removeFolder(own)
  await own.holder.close()
})

test('behind a proxy that the settings name each visitor has a rate of its own, and nobody borrows another by a header', async () => {
  const own = await aGate({
    folder: `${gate.folder}-proxied`,
    env: secretsOf(),
    change(tree) {
      const listeners = tree['listeners'] as Record<string, Tree>
      listeners['gate'] = { ...listeners['gate'], proxies: ['127.0.0.1'] }
    },
  })
  const from = async (at: TestGate, said: string) => {
    const line = await wire(at.port)
    line.send(ask('x'.repeat(40)).replace('\r\n', `\r\nX-Forwarded-For: ${said}\r\n`))
    const { status } = await line.next()
    line.end()
    return status
  }
  for (let i = 0; i < 1300 && (await from(own, `203.0.113.${i % 200}, 198.51.100.7`)) !== 429; i += 1) await Promise.resolve()
  expect([await from(own, '198.51.100.7'), await from(own, '198.51.100.8')]).toStrictEqual([429, 401])
  await own.stop()
  removeFolder(own)
  await own.holder.close()
  // The gate of this file names no proxy: what a visitor says of itself changes nothing.
  let told = 401
  for (let i = 0; i < 1300 && told === 401; i += 1) told = await from(gate, `203.0.113.${i % 200}`)
  expect(told).toBe(429)
})

test('refusals of one client have their number of entries a minute, then they are counted', async () => {
  const line = await wire(gate.port)
  const domoticz = await gate.token('domoticz')
  const before = (await accesses(gate)).length
  let without = 0
  for (let i = 0; i < 130; i += 1) {
    line.send(ask(domoticz))
    const told = await line.next()
    expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([404, 'no_permission'])
    if (headerOf(told, 'audit-entry') === undefined) without += 1
  }
  line.end()
  // 60 a minute; the minute may turn once meanwhile.
  const recorded = (await accesses(gate)).length - before
  expect([60, 120]).toContain(recorded)
  expect(without).toBe(130 - recorded)
})

test('the largest answers do not keep the loop', async () => {
  gate.holder.script = longCurve(30_000_000)
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const line = await wire(gate.port)
  let bytes = 0
  line.socket.removeAllListeners('data')
  const done = new Promise<void>((resolve, reject) => {
    let tail = ''
    line.socket.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
      tail = (tail + chunk.subarray(-10).toString('latin1')).slice(-10)
      if (tail.endsWith('\r\n0\r\n\r\n')) resolve()
    })
    line.socket.once('close', () => reject(new Error(`cut after ${bytes} bytes`)))
  })
  line.send(ask(token))
  await done
  delay.disable()
  gate.holder.script = ordinary
  line.end()
  expect(bytes).toBeGreaterThan(25_000_000)
  // A piece of an answer takes a millisecond or so; a body taken as a whole would take a second.
  expect(delay.percentile(99) / 1e6).toBeLessThan(500)
})

test('what is larger than 32 MB is cut by default', async () => {
  gate.holder.script = longCurve(40_000_000)
  const line = await wire(gate.port)
  line.socket.removeAllListeners('data')
  let bytes = 0
  line.socket.on('data', (chunk: Buffer) => (bytes += chunk.byteLength))
  const before = (await accesses(gate)).length
  line.send(ask(token))
  await line.closed(60_000)
  gate.holder.script = ordinary
  expect(bytes).toBeGreaterThan(25_000_000)
  await until(async () => (await accesses(gate)).length === before + 2, 5000)
  const outcome = (await accesses(gate)).at(-1) as unknown as { result: string; holderBytes: number; status: null }
  expect([outcome.result, outcome.status]).toStrictEqual(['limit', null])
  expect(outcome.holderBytes).toBeGreaterThan(33_554_432)
  expect(outcome.holderBytes).toBeLessThan(33_554_432 + 200_000)
})
