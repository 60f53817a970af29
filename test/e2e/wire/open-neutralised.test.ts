/**
 * What http-proxy-3 does by itself on the wire (`test/deps/http-proxy-3.test.ts` shows each without a gate), and what is
 * left of it on an open route: nothing. One test for each behaviour of that package, on raw sockets at both ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openDoor } from '../../../src/gateway/open/door.ts'
import { answer } from '../../harness/holder.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { head, until } from './given.ts'
import type { OpenGate } from './open-given.ts'
import { anOpenGate, ask, DATASET, get, lineTo, namesIn, openGateOfTest, RECORDS, records } from './open-given.ts'

let open: OpenGate
beforeAll(async () => {
  open = await anOpenGate()
})
afterAll(async () => {
  await open.gate.stop()
  await open.portal.close()
})
beforeEach(() => {
  open.portal.calls.length = 0
  open.portal.script = records
})

const TARGET = `/open/grdf${DATASET}?limit=1`
const SEEN = ['accept-encoding', 'connection', 'host', 'user-agent']
async function isServed(): Promise<void> {
  const answered = await ask(open, get(TARGET))
  expect([answered.status, answered.body]).toStrictEqual([200, RECORDS])
}

test('1. hop-by-hop headers of the client, and whatever it names in Connection, stay here', async () => {
  const hops = ['TE: trailers', 'Keep-Alive: timeout=5', 'Proxy-Authorization: Basic eA==', 'Proxy-Connection: keep-alive', 'Trailer: X-A']
  const others = ['Authorization: Bearer canary', 'Cookie: a=b', 'X-Consent: 1', 'X-Forwarded-For: 192.0.2.1', 'Forwarded: for=192.0.2.1']
  const names = 'Connection: close, Accept-Encoding, Host, User-Agent, X-Consent'
  const answered = await ask(open, get(TARGET, ...hops, ...others, 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', names))
  expect(answered.status).toBe(200)
  const [call] = open.portal.calls
  expect(namesIn(call?.head ?? '')).toStrictEqual(SEEN)
  expect(call?.head.toLowerCase()).toContain('connection: keep-alive')
})

test.each([
  '/open/grdf/%2e%2e/secret',
  '/open/grdf/../secret',
  '/open/grdf\\..\\secret',
  '/open/grdf/..;/secret',
  '/open/grdf/%2e%2e%2fsecret',
  '/open/grdf//secret',
  '/open/grdf/./x',
  '//evil.test/open/grdf/x',
  '/open/grdf/x%00',
  '/open/grdf/x#fragment',
  'http://evil.test/open/grdf/x',
  '/with-token/canarycanarycanarycanary/../open/grdf/x',
])('2. the target %s is refused, not normalised', async (target) => {
  const answered = await ask(open, get(target))
  expect([answered.status, headerOf(answered, 'ecluse-reason'), open.portal.calls.length]).toStrictEqual([400, 'malformed', 0])
  await isServed()
})

test.each(['http://[', 'http://[fe80::1%25eth0]/', '/open/grdf/[', '/open/grdf/x?y=http://['])(
  '3. the target %s throws nowhere: it is refused, and the next one is served',
  async (target) => {
    const answered = await ask(open, get(target))
    expect([answered.status, open.portal.calls.length]).toStrictEqual([400, 0])
    await isServed()
  },
)

test.each(['DELETE', 'OPTIONS', 'GET', 'POST'])('4. a chunked %s smuggles no second request', async (method) => {
  const hidden = get(`/open/grdf/smuggled`)
  const line = await lineTo(open)
  const first = head(`${method} ${TARGET} HTTP/1.1`, 'Host: gate.test', 'Transfer-Encoding: chunked')
  line.send(`${first}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`)
  expect((await line.next()).status).toBeGreaterThanOrEqual(400)
  await line.closed()
  expect([line.rest(), open.portal.calls]).toStrictEqual(['', []])
  await isServed()
})

test.each<[string, string]>([
  ['of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin'],
  ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n'],
])('5. a portal that dies amid an answer %s leaves no client waiting, and the answer does not look whole', async (_what, bytes) => {
  open.portal.script = (_request, socket) => {
    socket.write(bytes)
    setTimeout(() => socket.destroy(), 50)
  }
  const line = await lineTo(open)
  line.send(get(TARGET))
  await line.closed(2000)
  expect(line.rest()).toContain('begin')
  expect(line.rest()).not.toMatch(/\r\n0\r\n\r\n$/)
})

test('6. with Expect the portal sees the very same request as without', async () => {
  const line = await lineTo(open)
  line.send(get(TARGET, 'Authorization: Bearer canary'))
  await line.next()
  line.send(get(TARGET, 'Authorization: Bearer canary', 'Expect: 100-continue'))
  expect((await line.next()).status).toBe(200)
  const [without, withIt] = open.portal.calls
  expect(withIt?.head).toBe(without?.head)
  expect(withIt?.head.toLowerCase()).not.toMatch(/expect|authorization/)
})

test('7. trailers and early hints of the portal leave no trace, a `trailer` header neither', async () => {
  open.portal.script = (_request, socket) =>
    void socket.write(
      'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n',
    )
  const line = await lineTo(open)
  line.send(get(TARGET))
  const answered = await line.next()
  expect([answered.status, answered.body, headerOf(answered, 'trailer'), line.rest()]).toStrictEqual([200, '{}', undefined, ''])
})

test('8. calls share connections to the portal', async () => {
  for (let i = 0; i < 3; i += 1) await isServed()
  expect(new Set(open.portal.calls.map(({ connection }) => connection)).size).toBe(1)
})

test('9. an error that nobody waits for any more ends no process', async () => {
  open.portal.script = () => undefined
  const line = await lineTo(open)
  line.send(get(TARGET))
  await until(() => open.portal.calls.length === 1, 2000)
  line.socket.resetAndDestroy()
  await until(() => open.portal.open === 0, 2000)
  open.portal.script = records
  await isServed()
})

test('10. no word of who asks is added', async () => {
  await isServed()
  expect(open.portal.calls[0]?.head.toLowerCase()).not.toMatch(/forwarded|x-real-ip|via|127\.0\.0\.1:(?!\d+$)/m)
})

test('11. the path of fetch is never taken: bodies stay as they are coded, redirects where they are', async () => {
  const gzip = Buffer.from('H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==', 'base64')
  open.portal.script = (_request, socket) =>
    answer(socket, 200, gzip, { 'Content-Encoding': 'gzip', 'Set-Cookie': 'a=1', 'X-Powered-By': 'them', Server: 'them' })
  const answered = await ask(open, get(TARGET, 'Accept-Encoding: gzip'))
  expect(Buffer.from(answered.body, 'latin1')).toStrictEqual(gzip)
  expect([headerOf(answered, 'content-encoding'), headerOf(answered, 'content-length')]).toStrictEqual(['gzip', String(gzip.byteLength)])
  expect(['set-cookie', 'x-powered-by', 'server'].filter((name) => headerOf(answered, name) !== undefined)).toStrictEqual([])
})

test.each([
  ['FORCE_FETCH_PATH', 'true'],
  ['DEBUG', '*'],
  ['DEBUG', 'x,http-proxy-3:*'],
])('no route opens while %s=%s would change or tell what passes', (name, value) => {
  const before = process.env[name]
  process.env[name] = value
  try {
    expect(() => openDoor([ROUTE], {} as Parameters<typeof openDoor>[1])).toThrow(name)
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
})
const ROUTE = {
  id: 'x',
  path: '/open/x',
  url: 'http://127.0.0.1:1',
  ca: undefined,
  connections: 1,
  requestsPerMinute: 1,
  websocket: false,
  subprotocols: [],
  maxSockets: 1,
  maxAnswerBytes: 1,
  timeouts: { connectSeconds: 1, headersSeconds: 1, bodySeconds: 1, totalSeconds: 1, slowClientSeconds: 1, idleSeconds: 1 },
}

test.each([0, 50])('12. bytes that come %i ms behind an answer are never the answer of somebody else', async (ms) => {
  const alone = await openGateOfTest({ connections: 1 })
  alone.portal.script = ({ target }, socket) => {
    answer(socket, 200, JSON.stringify({ target }))
    const poison = (): void => answer(socket, 200, '{"poison":true}')
    if (target.includes('first')) void (ms === 0 ? poison() : setTimeout(poison, ms))
  }
  const line = await wire(alone.gate.port)
  line.send(get('/open/grdf/first'))
  expect((await line.next()).body).toContain('first')
  if (ms > 0) await sleep(2 * ms)
  for (const name of ['second', 'third']) {
    line.send(get(`/open/grdf/${name}`))
    const answered = await line.next()
    expect(answered.body).not.toContain('poison')
    expect(answered.body).toContain(name)
  }
  line.end()
})
