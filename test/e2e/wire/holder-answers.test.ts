/**
 * A data holder that misbehaves, byte by byte: what the client is told, what the evidence says of it, and that the
 * next request is answered as if nothing had been. A cut answer never looks whole, and no byte of one answer is ever
 * seen by another request.
 */
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import type { Script } from '../../harness/holder.ts'
import { answer, longCurve, measure2026, ordinary } from '../../harness/holder.ts'
import { METER, OTHER_METER, today } from '../../harness/settings.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { ask, isServed, readingsIn, recordedBy } from './given.ts'

const CAP = 1_000_000
let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      const holder = (tree['providers'] as Record<string, Record<string, unknown>>)['enedis-data-connect']
      Object.assign(holder ?? {}, {
        max_answer_bytes: CAP,
        timeouts: { connect_seconds: 1, headers_seconds: 1, body_seconds: 1, total_seconds: 3, slow_client_seconds: 1 },
      })
    },
  })
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  token = await gate.token()
})
beforeEach(() => {
  gate.holder.script = ordinary
})
afterAll(() => gate.stop())

const from = today(-20)
const until = today(-18)
const GOOD = measure2026('courbe_de_charge_consommation', METER, from, until)
const size = Buffer.byteLength(GOOD)
/** Bytes as they are, and nothing more. */
const raw =
  (bytes: string | Uint8Array): Script =>
  (_request, socket) =>
    void socket.write(bytes)
const rawAndEnd =
  (bytes: string): Script =>
  (_request, socket) =>
    void socket.end(bytes)
const says =
  (status: number, body: string, headers: Record<string, string> = {}): Script =>
  (_request, socket) =>
    answer(socket, status, body, headers)
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
/** Answers in pieces, one each `ms`, for as long as somebody listens. */
function dripping(socket: Socket, piece: string, ms: number): void {
  const timer = setInterval(() => socket.write(piece), ms)
  socket.once('close', () => clearInterval(timer))
}
/** Enough of a good answer that the client has got its first bytes. */
const LONG_HEAD = ((): string => {
  const point = `{"v":"400","d":"${from} 12:00:00","p":"PT30M","n":"B"}`
  const days = `"periode":{"dateDebut":"${from}","dateFin":"${until}"}`
  const quantity = `"grandeurMetier":"CONS","grandeurPhysique":"PA","unite":"W"`
  return `{"idPrm":"${METER}","etapeMetier":"BRUT","modeCalcul":"MESURE",${days},"grandeur":[{${quantity},"points":[${`${point},`.repeat(2000)}`
})()

interface Told {
  readonly status: number
  readonly reason: string
  readonly retryAfter?: string
}
const DOWN: Told = { status: 503, reason: 'holder_down', retryAfter: '30' }
type Row = readonly [name: string, script: Script, told: Told | 'cut', outcomes: readonly object[]]
const one = (result: string, holderBytes: number, more: object = {}): readonly object[] => [{ result, holderBytes, ...more }]

const ROWS: readonly Row[] = [
  ['says nothing', () => undefined, DOWN, one('timeout', 0)],
  ['never ends its headers', (_r, s) => (s.write(OK), dripping(s, 'X-A: b\r\n', 100)), DOWN, one('timeout', 0)],
  ['stalls in the body', raw(`${OK}Content-Length: ${size}\r\n\r\n${GOOD.slice(0, 100)}`), DOWN, one('timeout', 100)],
  [
    'sends a byte at a time without end',
    (_r, s) => (s.write(`${OK}Content-Length: ${size}\r\n\r\n`), dripping(s, ' ', 300)),
    DOWN,
    one('timeout', expect.any(Number) as number),
  ],
  [
    'stalls when the client has its first bytes',
    raw(`${OK}Content-Length: 900000\r\n\r\n${LONG_HEAD}`),
    'cut',
    one('timeout', LONG_HEAD.length, { status: null }),
  ],
  [
    'resets in the body',
    (_r, s) => void s.write(`${OK}Content-Length: ${size}\r\n\r\n${GOOD.slice(0, 100)}`, () => setTimeout(() => s.resetAndDestroy(), 50)),
    DOWN,
    one('upstream_error', 100),
  ],
  [
    'resets when the client has its first bytes',
    (_r, s) => void s.write(`${OK}Content-Length: 900000\r\n\r\n${LONG_HEAD}`, () => setTimeout(() => s.resetAndDestroy(), 300)),
    'cut',
    one('upstream_error', LONG_HEAD.length),
  ],
  ['ends before its length', rawAndEnd(`${OK}Content-Length: ${size}\r\n\r\n${GOOD.slice(0, 100)}`), DOWN, one('upstream_error', 100)],
  [
    'ends before its length, and what came is a whole answer',
    rawAndEnd(`${OK}Content-Length: ${size + 1}\r\n\r\n${GOOD}`),
    DOWN,
    one('upstream_error', size),
  ],
  ['ends in a chunk', rawAndEnd(`${OK}Transfer-Encoding: chunked\r\n\r\n64\r\n${GOOD.slice(0, 100)}`), DOWN, one('upstream_error', 100)],
  [
    'ends before the last chunk',
    rawAndEnd(`${OK}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${GOOD}\r\n`),
    DOWN,
    one('upstream_error', size),
  ],
  [
    'ends where the connection ends, too early',
    rawAndEnd(`${OK}Connection: close\r\n\r\n${GOOD.slice(0, 100)}`),
    DOWN,
    one('unreadable', 100),
  ],
  ['says a length that is too short', raw(`${OK}Content-Length: ${size - 5}\r\n\r\n${GOOD}`), DOWN, one('unreadable', size - 5)],
  [
    'says a length and chunks',
    raw(`${OK}Content-Length: ${size}\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${GOOD}\r\n0\r\n\r\n`),
    DOWN,
    one('unreadable', 0),
  ],
  ['says two lengths', raw(`${OK}Content-Length: ${size}\r\nContent-Length: ${size - 1}\r\n\r\n${GOOD}`), DOWN, one('unreadable', 0)],
  ['says a length that is no number', raw(`${OK}Content-Length: 1x\r\n\r\n${GOOD}`), DOWN, one('unreadable', 0)],
  ['speaks another protocol', raw('SSH-2.0-OpenSSH_9.2\r\n\r\n'), DOWN, one('unreadable', 0)],
  ['sends 17 KiB of headers', raw(`${OK}X-A: ${'a'.repeat(17_000)}\r\n\r\n`), DOWN, one('unreadable', 0)],
  ['sends 100 interim answers', raw('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100)), DOWN, one('unreadable', 0)],
  ['sends more than the cap', longCurve(2 * CAP), 'cut', one('limit', expect.any(Number) as number)],
  [
    'sends an error without end',
    (_r, s) => (s.write('HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n'), dripping(s, `4000\r\n${'x'.repeat(16_384)}\r\n`, 10)),
    DOWN,
    one('unreadable', expect.any(Number) as number),
  ],
  [
    'answers 204 with a body',
    raw(`HTTP/1.1 204 No Content\r\nContent-Length: ${size}\r\n\r\n${GOOD}`),
    DOWN,
    one('upstream_error', 0, { code: 'HTTP_204' }),
  ],
  ['answers 304', raw('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'), DOWN, one('upstream_error', 0, { code: 'HTTP_304' })],
  ['answers 206', says(206, GOOD, { 'Content-Range': `bytes 0-9/${size}` }), DOWN, one('upstream_error', size, { code: 'HTTP_206' })],
  [
    'answers 500 in HTML',
    says(500, '<html>java.lang.NullPointerException</html>', { 'Content-Type': 'text/html' }),
    DOWN,
    one('upstream_error', 43, { code: 'HTTP_500' }),
  ],
  [
    'answers 403 in HTML',
    says(403, '<html>blocked</html>', { 'Content-Type': 'text/html' }),
    DOWN,
    one('upstream_error', 20, { code: 'HTTP_403' }),
  ],
  ['answers 503 with nothing', says(503, ''), DOWN, one('upstream_error', 0, { code: 'HTTP_503' })],
  ['answers 200 in HTML', says(200, '<html></html>', { 'Content-Type': 'text/html' }), DOWN, one('unreadable', 13)],
  ['answers 200 with nothing', says(200, ''), DOWN, one('unreadable', 0)],
  ['answers in gzip', (_r, s) => answer(s, 200, gzipSync(GOOD), { 'Content-Encoding': 'gzip' }), DOWN, one('unreadable', 0)],
  [
    'answers in a thousand codings',
    says(200, GOOD, { 'Content-Encoding': Array.from({ length: 1000 }, () => 'gzip').join(', ') }),
    DOWN,
    one('unreadable', 0),
  ],
  ['answers for another meter', says(200, GOOD.replace(METER, OTHER_METER)), DOWN, one('unreadable', size)],
  [
    'switches protocols',
    raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'),
    DOWN,
    [{ result: 'upstream_error' }, { result: 'upstream_error' }],
  ],
]

/** After these the connection is as good as new. */
const WHOLE = new Set([
  'answers 206',
  'answers 304',
  'answers 500 in HTML',
  'answers 403 in HTML',
  'answers 503 with nothing',
  'answers 200 in HTML',
  'answers 200 with nothing',
  'answers for another meter',
])

test.each(ROWS)('a holder that %s', async (_name, script, told, outcomes) => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  const entries = await recordedBy(gate, async () => {
    gate.holder.script = script
    line.send(ask(token))
    if (told === 'cut') {
      await line.closed(10_000)
      expect(line.rest()).toMatch(/^HTTP\/1\.1 200 /)
      expect(line.rest()).toContain('Transfer-Encoding: chunked')
      expect(line.rest()).not.toMatch(/\r\n0\r\n/)
    } else {
      const said = await line.next(10_000)
      expect({ status: said.status, reason: headerOf(said, 'ecluse-reason'), retryAfter: headerOf(said, 'retry-after') }).toStrictEqual(
        told,
      )
      expect(said.body).not.toMatch(/400|html|Exception|SSH/)
    }
  })
  expect(entries.filter((e) => e.t === 'access.outcome')).toMatchObject(outcomes)
  expect(entries.filter((e) => e.t === 'access.intent')).toHaveLength(outcomes.length)
  expect(gate.holder.calls).toHaveLength(calls + outcomes.length)

  // Whatever is left of that answer is nobody else's.
  gate.holder.script = ordinary
  const [bad] = gate.holder.calls.slice(calls)
  const next = await wire(gate.port)
  await isServed(next, token)
  next.end()
  line.end()
  if (!WHOLE.has(_name)) expect(gate.holder.calls.at(-1)?.connection).not.toBe(bad?.connection)
})

test('an interim answer before the real one is passed over', async () => {
  gate.holder.script = raw(
    `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nSet-Cookie: early=1\r\n\r\n${OK}Content-Length: ${size}\r\n\r\n${GOOD}`,
  )
  const line = await wire(gate.port)
  line.send(ask(token))
  const answered = await line.next()
  expect({ status: answered.status, readings: readingsIn(answered) }).toStrictEqual({ status: 200, readings: 96 })
  expect(line.rest()).toBe('')
  line.end()
})

test('an answer that ends with its connection is whole if it reads as whole', async () => {
  gate.holder.script = rawAndEnd(`${OK}Connection: close\r\n\r\n${GOOD}`)
  const line = await wire(gate.port)
  line.send(ask(token))
  expect(readingsIn(await line.next())).toBe(96)
  line.end()
})

test.each([
  ['garbage', 'surplus bytes'],
  ['an answer for another meter', `${OK}Content-Length: ${size}\r\n\r\n${GOOD.replace(METER, OTHER_METER)}`],
  ['an answer that would read well', `${OK}Content-Length: ${size}\r\n\r\n${GOOD.replaceAll('"400"', '"666"')}`],
])('%s behind a good answer is nobody’s: the connection is not used again', async (_name, surplus) => {
  const calls = gate.holder.calls.length
  gate.holder.script = raw(`${OK}Content-Length: ${size}\r\n\r\n${GOOD}${surplus}`)
  const line = await wire(gate.port)
  line.send(ask(token))
  expect(readingsIn(await line.next())).toBe(96)
  gate.holder.script = ordinary
  const second = await wire(gate.port)
  second.send(ask(token))
  const answered = await second.next()
  expect(readingsIn(answered)).toBe(96)
  expect(answered.body).not.toContain('666')
  const [first, other] = gate.holder.calls.slice(calls)
  expect(other?.connection).not.toBe(first?.connection)
  line.end()
  second.end()
})

test('a socket that died unused: once more, as a call of its own', async () => {
  const line = await wire(gate.port)
  await isServed(line, token)
  const entries = await recordedBy(gate, async () => {
    let first = true
    gate.holder.script = (request, socket) => {
      if (!first) return ordinary(request, socket)
      first = false
      socket.resetAndDestroy()
    }
    line.send(ask(token))
    expect((await line.next()).status).toBe(200)
  })
  expect(entries).toMatchObject([
    { t: 'access.intent', call: 1 },
    { t: 'access.outcome', result: 'upstream_error', holderBytes: 0, bytes: 0, status: null },
    { t: 'access.intent', call: 2 },
    { t: 'access.outcome', result: 'delivered', holderBytes: size, status: 200 },
  ])
  expect(new Set(entries.map((e) => e['req'])).size).toBe(1)
  line.end()
})

test('a holder that always hangs up is called twice and no more', async () => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  const entries = await recordedBy(gate, async () => {
    gate.holder.script = (_request, socket) => void socket.destroy()
    line.send(ask(token))
    expect((await line.next()).status).toBe(503)
  })
  expect(gate.holder.calls).toHaveLength(calls + 2)
  expect(entries.map((e) => e['result'] ?? e.t)).toStrictEqual(['access.intent', 'upstream_error', 'access.intent', 'upstream_error'])
  line.end()
})

test('a redirect is not followed, and nothing goes to where it points', async () => {
  const seen: unknown[] = []
  const other = createServer((message, res) => {
    seen.push(message.headers)
    res.end()
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/stolen`
  for (const status of [301, 302, 303, 307, 308]) {
    const calls = gate.holder.calls.length
    gate.holder.script = says(status, '', { Location: location })
    const line = await wire(gate.port)
    const entries = await recordedBy(gate, async () => {
      line.send(ask(token))
      const answered = await line.next()
      expect(answered.status).toBe(503)
      expect(headerOf(answered, 'location')).toBeUndefined()
    })
    expect(entries.at(-1)).toMatchObject({ result: 'upstream_error', code: `HTTP_${status}` })
    expect(gate.holder.calls).toHaveLength(calls + 1)
    line.end()
  }
  expect(seen).toStrictEqual([])
  await new Promise((resolve) => other.close(resolve))
})

const CROSSING = {
  'Set-Cookie': 'session=canary-cookie',
  Server: 'canary-server',
  Location: 'https://canary-location.test/',
  ETag: '"canary-etag"',
  'X-Powered-By': 'canary-powered',
  Via: '1.1 canary-via',
  'X-Canary': 'canary-own',
  'WWW-Authenticate': 'Bearer realm="canary-realm"',
  'Content-Disposition': 'attachment; filename="canary-file"',
  'Access-Control-Allow-Origin': '*',
  'Last-Modified': 'Wed, 01 Jan 2025 00:00:00 GMT',
  'Cache-Control': 'public, max-age=1000',
  Trailer: 'X-Canary',
  'Content-Encoding': 'identity',
}
test.each([
  ['200', says(200, GOOD, CROSSING), 200],
  ['400 in JSON', says(400, JSON.stringify({ code: 'ADAM-DC-0015', message: 'canary-text for M. Dupont' }), CROSSING), 400],
  ['401', says(401, JSON.stringify({ code: '900908', message: 'canary-text' }), CROSSING), 503],
  ['404 in JSON', says(404, JSON.stringify({ error: 'no_data_found', error_description: 'canary-text' }), CROSSING), 404],
  [
    'an error whose code is a sentence',
    says(400, JSON.stringify({ error: `canary text on ${METER}, M. Dupont`, error_description: 'canary-text' }), CROSSING),
    400,
  ],
  ['an error whose code is a meter', says(400, JSON.stringify({ error: METER, error_description: 'canary-text' }), CROSSING), 400],
  ['500 in HTML', says(500, '<html>canary-text</html>', CROSSING), 503],
])('of the headers and texts of a %s nothing crosses', async (_name, script, status) => {
  const line = await wire(gate.port)
  const entries = await recordedBy(gate, async () => {
    gate.holder.script = script
    line.send(ask(token))
    const answered = await line.next()
    expect(answered.status).toBe(status)
    const allowed = [
      'audit-entry',
      'cache-control',
      'connection',
      'content-length',
      'content-type',
      'date',
      'ecluse-reason',
      'ecluse-refused-by',
      'keep-alive',
      'retry-after',
    ]
    expect(answered.headers.map(([name]) => name).filter((name) => !allowed.includes(name))).toStrictEqual([])
    expect(headerOf(answered, 'cache-control')).toBe('no-store')
    expect(JSON.stringify(answered)).not.toMatch(/canary|Dupont/)
    if (status !== 200) expect(answered.body).not.toContain(METER)
  })
  expect(JSON.stringify(entries)).not.toMatch(/canary|Dupont/)
  expect(JSON.stringify(entries)).not.toContain(METER)
  line.end()
})

test.each([
  ['with', { 'Retry-After': '7' }, '7'],
  ['without', {}, '10'],
])('429 %s Retry-After: the client is told, and nobody is called meanwhile', async (_name, headers, seconds) => {
  const own = await aGate()
  await own.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const bearer = await own.token()
  own.holder.script = says(429, '{"error":"429","error_description":"Quota Q3 reached"}', headers)
  const line = await wire(own.port)
  const entries = await recordedBy(own, async () => {
    line.send(ask(bearer))
    const first = await line.next()
    expect([first.status, headerOf(first, 'ecluse-reason'), headerOf(first, 'retry-after')]).toStrictEqual([429, 'quota_holder', seconds])
    own.holder.script = ordinary
    line.send(ask(bearer))
    const second = await line.next()
    expect([second.status, headerOf(second, 'ecluse-reason')]).toStrictEqual([429, 'quota_holder'])
    expect(Number(headerOf(second, 'retry-after'))).toBeGreaterThan(Number(seconds) - 5)
  })
  expect(entries).toMatchObject([
    { t: 'access.intent' },
    { t: 'access.outcome', result: 'upstream_error', code: '429', status: 429 },
    { t: 'access.refused', dec: { stage: 'quota', reason: 'quota_holder' } },
  ])
  expect(own.holder.calls).toHaveLength(1)
  line.end()
  await own.stop()
})

test('a holder that takes no connection: recorded as not sent, and not called twice', async () => {
  const own = await aGate()
  await own.permit({ id: 'p1', from: today(-100), until: today(-10) })
  const bearer = await own.token()
  const line = await wire(own.port)
  await isServed(line, bearer)
  await own.holder.close()
  const entries = await recordedBy(own, async () => {
    line.send(ask(bearer))
    const told = await line.next()
    expect([told.status, headerOf(told, 'ecluse-reason'), headerOf(told, 'retry-after')]).toStrictEqual([503, 'holder_down', '30'])
  })
  expect(entries).toMatchObject([
    { t: 'access.intent' },
    { t: 'access.outcome', result: 'not_sent', holderBytes: 0, bytes: 0, status: 503 },
  ])
  line.end()
  await own.stop()
})

test('nothing of all this stands in the log of the gate', () => {
  expect(gate.fatal).toStrictEqual([])
  expect(gate.log.join('\n')).not.toMatch(/canary|Dupont|1000000000000/)
})
