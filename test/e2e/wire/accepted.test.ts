/**
 * What real clients send is accepted however they write it, and nothing of it reaches the data holder: the outgoing
 * request is compared as bytes. No header but the declared credential changes a decision.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import { HOLDER_TOKEN } from '../../harness/holder.ts'
import { METER, today } from '../../harness/settings.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { ask, head, isServed, readingsIn, TARGET } from './given.ts'

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate()
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  token = await gate.token()
})
afterAll(() => gate.stop())

const [PATH = '', QUERY = ''] = TARGET.split('?')
const [METER_PART, FROM_PART, UNTIL_PART] = QUERY.split('&')
const more =
  (...lines: readonly string[]) =>
  (t: string) =>
    ask(t, TARGET, ...lines)
const scheme = (written: string) => (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'Host: gate.test', `Authorization: ${written}${t}`)
const target = (written: string) => (t: string) => ask(t, written)

/** The whole request that the holder must see, but for the trace. */
function outgoing(): string {
  return [
    `GET ${TARGET} HTTP/1.1`,
    `host: ${new URL(gate.holder.url).host}`,
    'connection: keep-alive',
    'accept: application/json',
    'accept-encoding: identity',
    `authorization: Bearer ${HOLDER_TOKEN}`,
    'user-agent: ecluse',
    'traceparent: T',
  ].join('\r\n')
}

test.each([
  ['nothing special', more()],
  ['a form type without a body, as DomoticzLinky does', more('Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0')],
  ['the scheme in small letters', scheme('bearer ')],
  ['the scheme in capitals', scheme('BEARER ')],
  ['two blanks behind the scheme', scheme('Bearer  ')],
  ['names in small letters', (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'host: gate.test', `authorization: Bearer ${t}`)],
  ['names in capitals', (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'HOST: gate.test', `AUTHORIZATION: Bearer ${t}`)],
  ['blanks around a value', (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'Host:   gate.test  ', `Authorization:\tBearer ${t}\t `)],
  [
    "the holder's own host name",
    (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'Host: gw.ext.prod.api.enedis.fr', `Authorization: Bearer ${t}`),
  ],
  ['an address as host', (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'Host: [::1]:8080', `Authorization: Bearer ${t}`)],
  ['a container as host', (t: string) => head(`GET ${TARGET} HTTP/1.1`, 'Host: my_gate:8080', `Authorization: Bearer ${t}`)],
  ['the parameters in reverse', target(`${PATH}?${UNTIL_PART}&${FROM_PART}&${METER_PART}`)],
  ['the parameters in yet another order', target(`${PATH}?${FROM_PART}&${METER_PART}&${UNTIL_PART}`)],
  // node:http hands these on unseen; since nothing of the line is copied, there is no second reading of them.
  ['two spaces before the target', (t: string) => ask(t).replace('GET ', 'GET  ')],
  ['the name of another protocol', (t: string) => ask(t).replace('HTTP/1.1', 'RTSP/1.1')],
  ['a value in per cents', target(TARGET.replace(METER, METER.replaceAll('1', '%31')).replaceAll('-', '%2D'))],
  ['a method override', more('X-HTTP-Method-Override: DELETE', 'X-Method-Override: DELETE', 'X-HTTP-Method: DELETE')],
  [
    'an original address',
    more('X-Original-URL: /admin', 'X-Original-Method: DELETE', 'X-Rewrite-URL: /admin', 'X-Original-Host: evil.test'),
  ],
  [
    'forwarding headers',
    more(
      'Forwarded: for=10.0.0.1;host=evil.test',
      'X-Forwarded-For: 10.0.0.1',
      'X-Forwarded-Host: evil.test',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Uri: /admin',
      'X-Forwarded-User: admin',
      'X-Real-IP: 10.0.0.1',
      'Via: 1.1 evil.test',
      'True-Client-IP: 10.0.0.1',
    ),
  ],
  [
    'hop-by-hop headers',
    more(
      'Keep-Alive: timeout=1',
      'TE: trailers',
      'Trailer: Authorization',
      'Proxy-Authorization: Basic YTpi',
      'Proxy-Connection: keep-alive',
    ),
  ],
  [
    'a Connection that names what the gate sets',
    more('Connection: keep-alive, Authorization, Host, Accept, Traceparent, User-Agent, X-Consent'),
  ],
  ['an upgrade to HTTP/2', more('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')],
  [
    'an upgrade to a web socket',
    more('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'),
  ],
  [
    'a trace',
    more(
      'traceparent: 00-11111111111111111111111111111111-2222222222222222-01',
      'tracestate: a=b',
      'baggage: meter=1',
      'X-Request-Id: r1',
      'X-Correlation-Id: c1',
    ),
  ],
  [
    'conditions and ranges',
    more('If-None-Match: "a"', 'If-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT', 'Range: bytes=0-10', 'If-Range: "a"'),
  ],
  [
    'preferences',
    more(
      'Accept: text/html',
      'Accept-Encoding: gzip, br',
      'Accept-Language: fr',
      'User-Agent: other',
      'Cookie: a=b',
      'Referer: https://evil.test/',
      'Cache-Control: no-cache',
    ),
  ],
  ['names of Object', more('constructor: a', 'toString: b', 'hasOwnProperty: c', 'valueOf: d')],
  ['an agent of health checks', more('User-Agent: kube-probe/1.30', 'X-Internal: true', 'X-Consent: all', 'Ecluse-Reason: none')],
  ['a SOAP action', more('SOAPAction: "consulterMesures"')],
  ['bytes beyond ASCII in a value', more('X-A: \xe9\xff')],
])('%s is served, and the holder sees the same bytes', async (_name, bytes) => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  line.send(Buffer.from(bytes(token), 'latin1'))
  const answer = await line.next()
  expect({ status: answer.status, readings: readingsIn(answer) }).toStrictEqual({ status: 200, readings: 96 })
  const [seen, ...others] = gate.holder.calls.slice(calls)
  expect(others).toStrictEqual([])
  expect(seen?.head.replace(/(?<=\r\ntraceparent: )00-[0-9a-f]{32}-[0-9a-f]{16}-00$/, 'T')).toBe(outgoing())
  expect(seen?.body).toBe('')
  await isServed(line, token)
  line.end()
})

test('an answer has the headers of the gate and no others', async () => {
  const line = await wire(gate.port)
  line.send(ask(token))
  const answer = await line.next()
  const names = answer.headers.map(([name]) => name)
  expect(names.toSorted()).toStrictEqual([
    'audit-entry',
    'cache-control',
    'connection',
    'content-length',
    'content-type',
    'date',
    'keep-alive',
  ])
  expect(headerOf(answer, 'keep-alive')).toBe('timeout=75')
  line.end()
})

test('each call has a trace of its own', async () => {
  const calls = gate.holder.calls.length
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const line = await wire(gate.port)
  for (let i = 0; i < 5; i += 1) {
    line.send(ask(token, TARGET, `traceparent: ${given}`))
    await line.next()
  }
  line.end()
  const traces = gate.holder.calls.slice(calls).map((call) => /traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(call.head))
  expect(new Set(traces.flatMap((trace) => [trace?.[1], trace?.[2]])).size).toBe(10)
  expect(traces.flatMap((trace) => [...(trace ?? [])]).join()).not.toMatch(/0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331/)
})

test('«Expect: 100-continue» gets its answer and no interim one; what follows is not taken for its body', async () => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  line.send(ask(token, TARGET, 'Expect: 100-continue'))
  expect((await line.next()).status).toBe(200)
  await line.closed()
  const [seen] = gate.holder.calls.slice(calls)
  expect(seen?.head.replace(/(?<=traceparent: ).*/, 'T')).toBe(outgoing())
})

test('nothing that a client sent is among the bytes that the holder saw', async () => {
  const line = await wire(gate.port)
  line.send(
    ask(
      token,
      TARGET,
      'X-Canary: client-canary-1',
      'Cookie: client-canary-2',
      'Referer: client-canary-3',
      'Origin: https://client-canary-4.test',
    ),
  )
  expect((await line.next()).status).toBe(200)
  line.end()
  const all = [...gate.holder.calls, ...gate.holder.tokenCalls].map((call) => call.head + call.body).join('\n')
  expect(all).not.toContain(token)
  expect(all).not.toContain('client-canary')
  expect(gate.holder.tokenCalls).toHaveLength(1)
})
