/**
 * Open routes: what is asked for goes to the portal of open data and nowhere else, without a credential; it is told in
 * the log as such and in no entry; both sides' hang-ups, silences and floods are bounded; and no token opens more there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { curve } from '../../harness/gate.ts'
import { answer, longCurve } from '../../harness/holder.ts'
import type { Script } from '../../harness/holder.ts'
import { METER } from '../../harness/settings.ts'
import type { Tree } from '../../harness/settings.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { anAuthority } from './certificates.ts'
import { counted, head, until } from './given.ts'
import type { OpenGate } from './open-given.ts'
import { anOpenGate, ask, DATASET, get, lineTo, openGateOfTest, RECORDS, records, told } from './open-given.ts'

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
  open.gate.log.length = 0
})

const reasonOf = (answered: WireAnswer): unknown[] => [
  answered.status,
  headerOf(answered, 'ecluse-reason'),
  headerOf(answered, 'content-type'),
]
const PROBLEM = 'application/problem+json'
const raw =
  (text: string): Script =>
  (_request, socket) =>
    void socket.write(text)

test('a request goes out under the path of the portal, and its answer comes back inert', async () => {
  const question = "?select=code_iris&where=code_categorie%3D%22RES%22+AND+d%3D'x'&refine=annee:2024&limit=100"
  const answered = await ask(open, get(`/open/grdf${DATASET}${question}`, 'Accept: application/json', 'Accept-Language: fr', 'Cookie: s=1'))
  expect([answered.status, answered.body]).toStrictEqual([200, RECORDS])
  const [call] = open.portal.calls
  expect(call?.target).toBe(
    `/api/explore/v2.1${DATASET}?select=code_iris&where=code_categorie%3D%22RES%22%20AND%20d%3D%27x%27&refine=annee%3A2024&limit=100`,
  )
  expect(call?.head).toMatch(/\r\naccept: application\/json\r\naccept-language: fr\r\n/)
  expect(call?.head).toMatch(new RegExp(`\r\nhost: ${new URL(open.portal.url).host}\r\n`))
  expect(answered.headers.map(([name]) => name).filter((name) => name !== 'date' && name !== 'keep-alive')).toStrictEqual([
    'content-type',
    'content-security-policy',
    'x-content-type-options',
    'referrer-policy',
    'content-length',
    'connection',
  ])
})

test('it is told in the log without its query, counted, and stands in no entry', async () => {
  const before = (await open.gate.entries()).length
  const requests = await counted(open.gate, 'ecluse_open_requests_total', { route: 'grdf', result: 'passed' })
  await ask(open, get(`/open/grdf${DATASET}?where=canary`, 'Authorization: Bearer canary'))
  await until(() => told(open).length === 1, 2000)
  expect(told(open)[0]).toMatchObject({
    open: 'grdf',
    outcome: 'passed',
    status: 200,
    bytes: RECORDS.length,
    ms: expect.any(Number) as number,
  })
  expect(open.gate.log.join('')).not.toContain('canary')
  expect(await counted(open.gate, 'ecluse_open_requests_total', { route: 'grdf', result: 'passed' })).toBe(requests + 1)
  expect(await open.gate.entries()).toHaveLength(before)
})

test.each(['/open', '/open/grdfx', '/open/grd', '/open/other/x', '/Open/grdf/x'])('%s is no open route', async (path) => {
  const answered = await ask(open, get(path))
  expect([answered.status, open.portal.calls]).toStrictEqual([401, []])
})

test('a gated path stays gated, and a token is not looked at on an open one', async () => {
  const denied = await ask(open, get(curve(METER, '2026-10-01', '2026-10-02')))
  expect([denied.status, open.portal.calls.length, open.gate.holder.calls.length]).toStrictEqual([401, 0, 0])
  const path = `/open/grdf${curve(METER, '2026-10-01', '2026-10-02')}`
  const answered = await ask(open, get(path, `Authorization: Bearer ${await open.gate.token()}`))
  expect(answered.status).toBe(200)
  expect(open.gate.holder.calls).toStrictEqual([])
  expect(open.portal.calls[0]?.head.toLowerCase()).not.toContain('authorization')
})

test.each(['POST', 'OPTIONS'])('%s is refused', async (method) => {
  const answered = await ask(open, head(`${method} /open/grdf/x HTTP/1.1`, 'Host: gate.test', 'Content-Length: 0'))
  expect([...reasonOf(answered), headerOf(answered, 'allow'), open.portal.calls.length]).toStrictEqual([
    405,
    'unknown_route',
    PROBLEM,
    'GET',
    0,
  ])
})

test.each(['HEAD', 'PUT', 'DELETE', 'PATCH', 'TRACE'])('%s does not pass the canonical reading', async (method) => {
  const line = await lineTo(open)
  line.send(head(`${method} /open/grdf/x HTTP/1.1`, 'Host: gate.test'))
  await until(() => line.rest().startsWith('HTTP/1.1 405 '), 2000)
  expect(open.portal.calls).toStrictEqual([])
})

test.each(['?a=1&a=2', '?a', '?=1', '?a=%', '?a=1;b=2', '?a=%ff'])('the query %s is refused', async (query) => {
  const answered = await ask(open, get(`/open/grdf/x${query}`))
  expect([answered.status, open.portal.calls]).toStrictEqual([400, []])
})

test.each<[string, string]>([
  ['to another host', 'https://evil.test/api/explore/v2.1/x'],
  ['to an interface for persons', 'https://gw.ext.prod.api.enedis.fr/x'],
  ['to another port', 'http://127.0.0.1:1/api/explore/v2.1/x'],
  ['out of its path', '/secret'],
  ['out of its path by steps', '/api/explore/v2.1/../../../secret'],
  ['beside its path', '/api/explore/v2.10/x'],
  ['by an encoded step', '/api/explore/v2.1/%2e%2e/x'],
  ['to two slashes', '//evil.test/api/explore/v2.1/x'],
  ['with a user name', 'http://user@HOST/api/explore/v2.1/x'],
  ['to a script', 'javascript:alert(1)'],
  ['nowhere', ''],
])('a redirect %s is neither followed nor passed on', async (_what, location) => {
  const to = location.replace('HOST', new URL(open.portal.url).host)
  open.portal.script = (_request, socket) => answer(socket, 302, '', { Location: to })
  const answered = await ask(open, get('/open/grdf/x'))
  expect([...reasonOf(answered), headerOf(answered, 'location')]).toStrictEqual([502, 'holder_refused', PROBLEM, undefined])
  expect(open.portal.calls).toHaveLength(1)
})

test('a redirect within the route is told as a path of the gate', async () => {
  open.portal.script = (_request, socket) => answer(socket, 301, '', { Location: `${open.portal.url}/api/explore/v2.1/catalog?limit=1` })
  const answered = await ask(open, get('/open/grdf/x'))
  expect([answered.status, headerOf(answered, 'location')]).toStrictEqual([301, '/open/grdf/catalog?limit=1'])
  expect(open.portal.calls).toHaveLength(1)
})

test.each<[string, Script, number, string]>([
  [
    'an error of the portal',
    (_r, s) => answer(s, 429, '{"error":"quota"}', { 'Retry-After': '9', 'X-RateLimit-Remaining': '0' }),
    429,
    '{"error":"quota"}',
  ],
  ['a fault of the portal', (_r, s) => answer(s, 503, 'later'), 503, 'later'],
  ['not modified', raw('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n'), 304, ''],
  ['no content', raw('HTTP/1.1 204 No Content\r\n\r\n'), 204, ''],
  ['chunks', raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'), 200, '{}'],
])('%s is passed on as it is', async (_what, script, status, body) => {
  open.portal.script = script
  const line = await lineTo(open)
  line.send(get('/open/grdf/x', 'If-None-Match: "a"'))
  const answered = await line.next()
  expect([answered.status, answered.body, headerOf(answered, 'ecluse-reason')]).toStrictEqual([status, body, undefined])
  if (status === 429) expect(headerOf(answered, 'retry-after')).toBe('9')
  if (status === 304) expect(headerOf(answered, 'etag')).toBe('"a"')
  open.portal.script = records
  line.send(get('/open/grdf/x'))
  expect((await line.next()).body).toBe(RECORDS)
})

test.each<[string, Script, number]>([
  ['that hangs up', (_r, s) => s.destroy(), 502],
  ['that speaks no HTTP', raw('hello\r\n\r\n'), 502],
  ['of two lengths', raw('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'), 502],
  ['of chunks and a length', raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'), 502],
  ['that changes the protocol', raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'), 502],
])('a portal %s is answered for', async (_what, script, status) => {
  open.portal.script = script
  const answered = await ask(open, get('/open/grdf/x'))
  expect(reasonOf(answered)).toStrictEqual([status, 'holder_down', PROBLEM])
  expect(JSON.parse(answered.body)).toStrictEqual({
    type: 'urn:ecluse:problem:holder_down',
    title: 'The data holder did not answer',
    status,
    reason: 'holder_down',
    refused_by: 'holder',
    help: 'Ask again later',
  })
})

const quick: Tree = {
  max_answer_bytes: 65_536,
  requests_per_minute: 1000,
  timeouts: { connect_seconds: 1, headers_seconds: 1, body_seconds: 1, total_seconds: 3, slow_client_seconds: 1 },
}

test('silences: before the answer 504, amid it the client is cut; the connection to the portal ends each time', async () => {
  const short = await openGateOfTest(quick)
  short.portal.script = () => undefined
  expect(reasonOf(await ask(short, get('/open/grdf/x')))).toStrictEqual([504, 'holder_down', PROBLEM])
  await until(() => short.portal.open === 0, 2000)
  short.portal.script = raw('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')
  const line = await lineTo(short)
  line.send(get('/open/grdf/x'))
  await line.closed(3000)
  expect(line.rest()).toMatch(/abc$/)
  // One byte now and then is no silence: the whole is bounded too.
  short.portal.script = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n')
    const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : void socket.write('x')), 300)
  }
  const slow = await lineTo(short)
  slow.send(get('/open/grdf/x'))
  await slow.closed(5000)
  await until(() => short.portal.open === 0, 2000)
  expect(told(short).map(({ outcome, status }) => [outcome, status])).toStrictEqual([
    ['timeout', 504],
    ['timeout', 200],
    ['timeout', 200],
  ])
})

test('size: told beforehand it is refused, found out it is cut, and no more than it is taken from the portal', async () => {
  const small = await openGateOfTest(quick)
  const large = Buffer.alloc(65_537, 'x')
  small.portal.script = (_request, socket) => answer(socket, 200, large)
  expect(reasonOf(await ask(small, get('/open/grdf/x')))).toStrictEqual([502, 'holder_refused', PROBLEM])
  small.portal.script = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const more = (): void => void (socket.destroyed || (socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`), setImmediate(more)))
    more()
  }
  const line = await lineTo(small)
  line.send(get('/open/grdf/x'))
  await line.closed()
  expect(line.rest().length).toBeLessThan(80_000)
  await until(() => small.portal.open === 0, 2000)
  expect(told(small).map(({ outcome }) => outcome)).toStrictEqual(['too_large', 'too_large'])
})

test('a client that reads nothing makes the portal wait, and is cut', async () => {
  const wide = await openGateOfTest({ ...quick, max_answer_bytes: 1_073_741_824, timeouts: { slow_client_seconds: 1 } })
  const sent = { bytes: 0 }
  wide.portal.script = longCurve(300_000_000, sent)
  const line = await wire(wide.gate.port)
  line.socket.pause()
  line.send(get('/open/grdf/x?pointId=1&dateDebut=2026-01-01&dateFin=2026-01-02'))
  await until(() => told(wide).length === 1, 10_000)
  expect(told(wide)[0]).toMatchObject({ outcome: 'slow' })
  expect(sent.bytes).toBeLessThan(30_000_000)
  await until(() => wide.portal.open === 0, 2000)
  line.end()
})

test.each<[string, Script]>([
  ['before the answer', () => undefined],
  ['amid the answer', raw('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')],
])('a client that leaves %s ends the call', async (_what, script) => {
  open.portal.script = script
  const line = await wire(open.gate.port)
  line.send(get('/open/grdf/x'))
  await until(() => open.portal.calls.length === 1, 2000)
  await sleep(50)
  line.end()
  await until(() => open.portal.open === 0, 1000)
  await until(() => told(open).length === 1, 1000)
  expect(told(open)[0]).toMatchObject({ outcome: 'left' })
})

test('one visitor has so many requests in a minute, whatever the route says of others', async () => {
  const few = await openGateOfTest({ requests_per_minute: 3 })
  const statuses: number[] = []
  for (let i = 0; i < 5; i += 1) statuses.push((await ask(few, get('/open/grdf/x'))).status)
  // The minute may have turned meanwhile.
  expect(statuses.slice(0, 3)).toStrictEqual([200, 200, 200])
  if (statuses.includes(429)) {
    expect(await counted(few.gate, 'ecluse_strangers_total', { reason: 'quota_gate' })).toBeGreaterThan(0)
    const answered = await ask(few, get('/open/grdf/x'))
    if (answered.status === 429)
      expect([...reasonOf(answered), headerOf(answered, 'retry-after')]).toStrictEqual([429, 'quota_gate', PROBLEM, '60'])
  }
})

test('a stale connection to the portal costs nobody an answer', async () => {
  open.portal.script = (_request, socket) => {
    answer(socket, 200, RECORDS)
    open.portal.script = (_again, kept) => {
      kept.destroy()
      open.portal.script = records
    }
  }
  expect((await ask(open, get('/open/grdf/x'))).status).toBe(200)
  expect((await ask(open, get('/open/grdf/x'))).status).toBe(200)
  expect(open.portal.calls).toHaveLength(3)
})

test('a portal behind TLS is believed by its authority and its name alone', async () => {
  const [ours, theirs] = [anAuthority(), anAuthority()]
  onTestFinished(() => [ours, theirs].forEach((authority) => authority.remove()))
  const { pem } = ours.sign('portal', { names: 'IP:127.0.0.1' })
  const portal = createTlsServer(pem, (_message, res) => void res.end('open'))
  await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void (portal.closeAllConnections(), portal.close()))
  const { port } = portal.address() as AddressInfo
  const route = (id: string, host: string, ca: string): Tree => ({
    id,
    path: `/open/${id}`,
    to: `https://${host}:${port}`,
    ca,
    allow_private: true,
  })
  const others = [
    route('good', '127.0.0.1', ours.file),
    route('wrong-ca', '127.0.0.1', theirs.file),
    route('wrong-name', 'localhost', ours.file),
  ]
  const several = await openGateOfTest({}, others)
  const statuses = await Promise.all(['good', 'wrong-ca', 'wrong-name'].map(async (id) => (await ask(several, get(`/open/${id}`))).status))
  expect(statuses).toStrictEqual([200, 502, 502])
})

test('what is under way when the gate stops ends whole', async () => {
  const stopping = await anOpenGate()
  stopping.portal.script = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab')
    setTimeout(() => void socket.write('cd'), 300)
  }
  const line = await wire(stopping.gate.port)
  line.send(get('/open/grdf/x'))
  await until(() => line.rest().includes('\r\n\r\nab'), 2000)
  const stopped = stopping.gate.stop()
  expect((await line.next()).body).toBe('abcd')
  line.end()
  await stopped
  await stopping.portal.close()
})
