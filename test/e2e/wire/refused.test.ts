/**
 * What is not canonical is refused before anybody is: framing, targets, methods and headers that two servers could read
 * in two ways. Each row states the answer, that nobody was called, that a stranger leaves a count and no entry, and that
 * a request hidden behind it is never looked at.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate, curve } from '../../harness/gate.ts'
import { METER, OTHER_METER, today } from '../../harness/settings.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { accesses, ask, counted, head, isServed, recordedBy, TARGET } from './given.ts'

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate()
  await gate.permit(
    { id: 'p1', from: today(-100), until: today(-10) },
    { id: 'p2', client: 'office', from: today(-100), until: today(-10) },
  )
  token = await gate.token()
})
afterAll(() => gate.stop())

const PATH = TARGET.slice(0, TARGET.indexOf('?'))
const QUERY = TARGET.slice(TARGET.indexOf('?'))
const HOST = 'Host: gate.test'
const auth = (t: string): string => `Authorization: Bearer ${t}`
const get = (target: string) => (t: string) => ask(t, target)
const more =
  (...lines: readonly string[]) =>
  (t: string) =>
    ask(t, TARGET, ...lines)
const start =
  (line: string) =>
  (t: string): string =>
    head(line, HOST, auth(t))
const BODY = 'grant_type=client_credentials'
const post =
  (lines: readonly string[], body = BODY) =>
  (): string =>
    head('POST /oauth2/v3/token HTTP/1.1', HOST, 'Content-Type: application/x-www-form-urlencoded', ...lines) + body

type Row = readonly [name: string, bytes: (t: string) => string, status: number, reason?: 'malformed' | 'unparsed']

const FRAMING: readonly Row[] = [
  ['a length and chunks', more('Content-Length: 5', 'Transfer-Encoding: chunked'), 400, 'unparsed'],
  ['chunks and a length', more('Transfer-Encoding: chunked', 'Content-Length: 5'), 400, 'unparsed'],
  ['two lengths', more('Content-Length: 0', 'Content-Length: 5'), 400, 'unparsed'],
  ['two equal lengths', more('Content-Length: 0', 'Content-Length: 0'), 400, 'unparsed'],
  ['a length with a sign', more('Content-Length: +0'), 400, 'unparsed'],
  ['a negative length', more('Content-Length: -1'), 400, 'unparsed'],
  ['a list of lengths', more('Content-Length: 0, 0'), 400, 'unparsed'],
  ['an empty length', more('Content-Length: '), 400, 'unparsed'],
  ['a hexadecimal length', more('Content-Length: 0x0'), 400, 'unparsed'],
  ['a length with leading zeros', more('Content-Length: 00'), 400],
  ['a length that overflows 64 bits', more('Content-Length: 18446744073709551617'), 400, 'unparsed'],
  ['the longest length that node takes', post(['Content-Length: 9223372036854775807']), 400],
  ['a space before the colon', more('Content-Length : 0'), 400, 'unparsed'],
  ['a tab before the colon', more('Content-Length\t: 0'), 400, 'unparsed'],
  ['a body on GET', (t) => `${ask(t, TARGET, 'Content-Length: 5')}hello`, 400],
  ['chunks on GET', (t) => `${ask(t, TARGET, 'Transfer-Encoding: chunked')}0\r\n\r\n`, 400],
  ['chunks on POST', (t) => `${post(['Transfer-Encoding: chunked', auth(t)], '')()}0\r\n\r\n`, 400],
  ['chunks twice', more('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), 400, 'unparsed'],
  ['chunks in a list twice', more('Transfer-Encoding: chunked, chunked'), 400, 'unparsed'],
  ['a coding that only ends like chunked', more('Transfer-Encoding: xchunked'), 400],
  ['a coding of no name', more('Transfer-Encoding: '), 400, 'unparsed'],
  ['gzip and chunks', (t) => `${ask(t, TARGET, 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, 400],
  ['the coding identity', more('Transfer-Encoding: identity'), 400],
  ['a chunk of no size', (t) => `${ask(t, TARGET, 'Transfer-Encoding: chunked')}zz\r\nhello\r\n0\r\n\r\n`, 400],
  ['DELETE with chunks that look like a request', (t) => chunked('DELETE', t), 405],
  ['OPTIONS with chunks that look like a request', (t) => chunked('OPTIONS', t), 400],
  ['a bare LF after the first line', (t) => `GET ${TARGET} HTTP/1.1\n${HOST}\r\n${auth(t)}\r\n\r\n`, 400, 'unparsed'],
  ['a bare LF after a header', (t) => `GET ${TARGET} HTTP/1.1\r\n${HOST}\n${auth(t)}\r\n\r\n`, 400, 'unparsed'],
  ['a bare CR in a header', more('X-A: b\rX-C: d'), 400, 'unparsed'],
  ['a folded header', more('X-A: b', ' folded'), 400, 'unparsed'],
  ['a NUL in a header', more('X-A: b\0c'), 400, 'unparsed'],
  ['a header of no name', more(': b'), 400, 'unparsed'],
  ['a header of no colon', more('X-A'), 400, 'unparsed'],
  ['no blank line before garbage', () => 'garbage\r\n\r\n', 400, 'unparsed'],
  ['a TLS hello', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'unparsed'],
  ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'unparsed'],
  ['HTTP/1.0', start(`GET ${TARGET} HTTP/1.0`), 505],
  ['HTTP/1.0 that is kept alive', (t) => head(`GET ${TARGET} HTTP/1.0`, HOST, auth(t), 'Connection: keep-alive'), 505],
  ['HTTP/2.0', start(`GET ${TARGET} HTTP/2.0`), 505],
  ['HTTP/1.2', start(`GET ${TARGET} HTTP/1.2`), 400, 'unparsed'],
  ['no version', start(`GET ${TARGET}`), 505],
  // Lines by which HTTP Garden and others told servers apart.
  ['a length behind a vertical tab', more('Content-Length:\x0b0'), 400, 'unparsed'],
  ['a length before a form feed', more('Content-Length: 0\x0c'), 400, 'unparsed'],
  ['a length of two numbers', more('Content-Length: 0 5'), 400, 'unparsed'],
  ['a length with a comma behind', more('Content-Length: 0,'), 400, 'unparsed'],
  ['a length with an underscore', more('Content-Length: 1_0'), 400, 'unparsed'],
  ['chunked in quotes', more('Transfer-Encoding: "chunked"'), 400],
  ['chunked behind a vertical tab', more('Transfer-Encoding:\x0bchunked'), 400, 'unparsed'],
  ['chunked with a NUL behind', more('Transfer-Encoding: chunked\0'), 400, 'unparsed'],
  ['chunked with a parameter', more('Transfer-Encoding: chunked;a=b'), 400],
  ['a coding before a folded chunked', more('Transfer-Encoding:', ' chunked'), 400, 'unparsed'],
  ['a length hidden in another header by a bare CR', more('X-A: b\rContent-Length: 5'), 400, 'unparsed'],
  ['a first header that is folded', (t) => `GET ${TARGET} HTTP/1.1\r\n ${HOST}\r\n${auth(t)}\r\n\r\n`, 400, 'unparsed'],
  ['a tab before the target', (t) => ask(t).replace('GET ', 'GET\t'), 400, 'unparsed'],
  ['two CR before the LF', (t) => ask(t).replace('HTTP/1.1\r\n', 'HTTP/1.1\r\r\n'), 400, 'unparsed'],
  ['a NUL before the method', (t) => `\0${ask(t)}`, 400, 'unparsed'],
  ['another protocol of the same shape', (t) => ask(t).replace('HTTP/1.1', 'RTSP/1.0'), 505],
  ['a version of three numbers', (t) => ask(t).replace('HTTP/1.1', 'HTTP/1.1.1'), 400, 'unparsed'],
  ['a name with a bracket', more('X[A]: b'), 400, 'unparsed'],
  ['a name beyond ASCII', more('X-\xc9: b'), 400, 'unparsed'],
  ['an expectation that nobody can meet', more('Expect: 200-ok'), 417],
]

function chunked(method: string, t: string): string {
  const hidden = ask(t)
  const first = head(`${method} ${TARGET} HTTP/1.1`, HOST, auth(t), 'Transfer-Encoding: chunked')
  return `${first}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
}

const TARGETS: readonly Row[] = [
  ['absolute-form', get(`http://evil.test${TARGET}`), 400],
  ['absolute-form of our own name', get(`http://gate.test${TARGET}`), 400],
  ['asterisk-form', start('OPTIONS * HTTP/1.1'), 400],
  ['authority-form', get('gate.test:80'), 400, 'unparsed'],
  ['an unclosed bracket', get('http://['), 400],
  ['a zone in an address', get('http://[fe80::1%25eth0]/'), 400],
  ['a fragment', get(`${TARGET}#x`), 400],
  ['two slashes at first', get(`/${TARGET}`), 400],
  ['a name between slashes', get(`//evil.test${TARGET}`), 400],
  ['three slashes', get(`///evil.test${TARGET}`), 400],
  ['two slashes inside', get(TARGET.replace('/v2/', '/v2//')), 400],
  ['a step up', get(`/x/..${TARGET}`), 400],
  ['an encoded step up', get(`/x/%2e%2e${TARGET}`), 400],
  ['a half-encoded step up', get(`/x/%2E.${TARGET}`), 400],
  ['a step up with a parameter', get(`/x/..;${TARGET}`), 400],
  ['a dot', get(TARGET.replace('/v2/', '/v2/./')), 400],
  ['an encoded letter of the path', get(TARGET.replace('/v2/', '/v%32/')), 400],
  ['an encoded slash', get(TARGET.replace('/v2/', '/v2%2f')), 400],
  ['a slash encoded twice', get(TARGET.replace('/v2/', '/v2%252f')), 400],
  ['a backslash', get(TARGET.replace('/v2/', '/v2\\')), 400],
  ['an encoded backslash', get(TARGET.replace('/v2/', '/v2%5c')), 400],
  ['a parameter of the path', get(`${PATH};x=y${QUERY}`), 400],
  ['an encoded NUL in the path', get(`${PATH}%00${QUERY}`), 400],
  ['an encoded line end in the path', get(`${PATH}%0d%0aX-A:b${QUERY}`), 400],
  ['bytes beyond ASCII in the path', get(`${PATH}\xe9${QUERY}`), 400, 'unparsed'],
  ['a plus in the path', get(TARGET.replace('/v2/', '/v+2/')), 400],
  ['a name of a parameter encoded', get(TARGET.replace('pointId', 'point%49d')), 400],
  ['brackets behind a name', get(TARGET.replace('pointId=', 'pointId[]=')), 400],
  ['encoded brackets behind a name', get(TARGET.replace('pointId=', 'pointId%5B%5D=')), 400],
  ['an empty part', get(`${TARGET}&`), 400],
  ['an empty part inside', get(TARGET.replace('&', '&&')), 400],
  ['an empty part at first', get(TARGET.replace('?', '?&')), 400],
  ['an empty query', get(`${PATH}?`), 400],
  ['a name without value', get(`${TARGET}&debug`), 400],
  ['a value without name', get(`${TARGET}&=1`), 400],
  ['a parameter twice', get(`${TARGET}&pointId=${OTHER_METER}`), 400],
  ['a parameter twice and equal', get(`${TARGET}&pointId=${METER}`), 400],
  ['a second parameter behind a semicolon', get(`${TARGET};pointId=${OTHER_METER}`), 400],
  ['a value that is no UTF-8', get(TARGET.replace(METER, '%ff%fe')), 400],
  ['a value cut in its encoding', get(TARGET.replace(METER, '%4')), 400],
  ['a bare per cent', get(`${TARGET}%`), 400],
  ['a target that is too long', get(`${TARGET}&x=${'y'.repeat(5000)}`), 414],
  ['a space in the target', get(TARGET.replace(METER, `${METER} HTTP/1.1`)), 400, 'unparsed'],
]

const METHODS: readonly Row[] = [
  ...(['PUT', 'DELETE', 'PATCH', 'TRACE'] as const).map((m): Row => [m, start(`${m} ${TARGET} HTTP/1.1`), 405]),
  ...(['PROPFIND', 'MKCOL', 'QUERY', 'PURGE', 'SEARCH'] as const).map((m): Row => [m, start(`${m} ${TARGET} HTTP/1.1`), 501]),
  ['CONNECT', start('CONNECT gate.test:443 HTTP/1.1'), 405, 'unparsed'],
  ['CONNECT to a path', start(`CONNECT ${TARGET} HTTP/1.1`), 405, 'unparsed'],
  ['get in small letters', start(`get ${TARGET} HTTP/1.1`), 400, 'unparsed'],
  ['a method that nobody knows', start(`GETT ${TARGET} HTTP/1.1`), 400, 'unparsed'],
]

const HEADERS: readonly Row[] = [
  ['two Host', more('Host: other.test'), 400],
  ['two equal Host', more(HOST), 400],
  ['no Host', (t) => head(`GET ${TARGET} HTTP/1.1`, auth(t)), 400],
  ['an empty Host', (t) => head(`GET ${TARGET} HTTP/1.1`, 'Host:', auth(t)), 400],
  ['a list as Host', (t) => head(`GET ${TARGET} HTTP/1.1`, 'Host: gate.test, other.test', auth(t)), 400],
  ['a Host with a user', (t) => head(`GET ${TARGET} HTTP/1.1`, 'Host: a@gate.test', auth(t)), 400],
  ['a Host with a path', (t) => head(`GET ${TARGET} HTTP/1.1`, 'Host: gate.test/x', auth(t)), 400],
  ['two Authorization', more('Authorization: Bearer other'), 400],
  ['two equal Authorization', (t) => ask(t, TARGET, auth(t)), 400],
  ['two Authorization in two cases', (t) => ask(t, TARGET, `AUTHORIZATION: Bearer ${t}`), 400],
  ['two Content-Type', more('Content-Type: text/plain', 'content-type: text/plain'), 400],
  ['two Origin', more('Origin: https://a.test', 'Origin: https://b.test'), 400],
  ['two SOAPAction', more('SOAPAction: a', 'SOAPAction: b'), 400],
  ['two Expect', more('Expect: 100-continue', 'Expect: 100-continue'), 400],
  ['a header of our own twice', more('X-Consent: a', 'X-Consent: b'), 400],
  ['a name with an underscore', more('X_Forwarded_User: a'), 400],
  ['the underscore twin of Content-Length', more('Content_Length: 5'), 400],
  ['__proto__ as a header', more('__proto__: a'), 400],
  ['a name with a dot', more('X.A: b'), 400],
  ['more headers than anybody needs', more(...Array.from({ length: 120 }, (_, i) => `X-${i}: a`)), 431],
  ['2,000 headers', more(...Array.from({ length: 2000 }, () => 'X: a')), 431],
  ['framing hidden behind many headers', more(...Array.from({ length: 1200 }, (_, i) => `X-${i}: a`), 'Content-Length: 5'), 431],
  ['16 KiB of headers', more(`X-A: ${'a'.repeat(16_400)}`), 431, 'unparsed'],
]

const ROWS = [...FRAMING, ...TARGETS, ...METHODS, ...HEADERS].map(
  ([name, bytes, status, reason = 'malformed']) => [name, bytes, status, reason] as const,
)
test.each(ROWS)('%s', async (_name, bytes, status, reason) => {
  const calls = gate.holder.calls.length
  const entries = (await accesses(gate)).length
  const strangers = await counted(gate, 'ecluse_strangers_total')
  const ofReason = await counted(gate, 'ecluse_strangers_total', { reason })

  const line = await wire(gate.port)
  // In one piece, with a good request hidden behind.
  line.send(Buffer.from(bytes(token) + ask(token), 'latin1'))
  const answer = await line.next()
  expect(answer.status).toBe(status)
  expect(headerOf(answer, 'connection')).toBe('close')
  expect(headerOf(answer, 'cache-control')).toBe('no-store')
  expect(headerOf(answer, 'audit-entry')).toBeUndefined()
  await line.closed()
  expect(line.rest()).toBe('')

  expect(gate.holder.calls).toHaveLength(calls)
  expect(await accesses(gate)).toHaveLength(entries)
  expect(await counted(gate, 'ecluse_strangers_total', { reason })).toBe(ofReason + 1)
  expect(await counted(gate, 'ecluse_strangers_total')).toBe(strangers + 1)
  const next = await wire(gate.port)
  await isServed(next, token)
  next.end()
})

test('HEAD is 405 without a body, and 405 names the methods that there are', async () => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  line.send(head(`HEAD ${TARGET} HTTP/1.1`, HOST, auth(token)) + ask(token))
  await line.closed()
  expect(line.rest()).toMatch(/^HTTP\/1\.1 405 .*\r\nAllow: GET, POST, OPTIONS\r\n.*\r\n\r\n$/s)
  expect(line.rest().match(/HTTP\/1\.1/g)).toHaveLength(1)
  expect(gate.holder.calls).toHaveLength(calls)
})

test.each([
  ['no token', head(`GET ${TARGET} HTTP/1.1`, HOST), 'token_invalid'],
  ['an unknown token', ask('x'.repeat(43)), 'token_invalid'],
  ['an empty token', head(`GET ${TARGET} HTTP/1.1`, HOST, 'Authorization: Bearer '), 'token_invalid'],
  ['two tokens in one header', head(`GET ${TARGET} HTTP/1.1`, HOST, 'Authorization: Bearer a, Bearer b'), 'token_invalid'],
  ['a token of 4,097 characters', ask('x'.repeat(4097)), 'token_invalid'],
  ['another scheme', head(`GET ${TARGET} HTTP/1.1`, HOST, 'Authorization: Digest abc'), 'token_invalid'],
  ['the token in the query', head(`GET ${TARGET}&access_token=abc HTTP/1.1`, HOST), 'token_invalid'],
  ['constructor as a token', ask('constructor'), 'token_invalid'],
])('%s is 401, counted and not recorded, and the connection goes on', async (_name, bytes, reason) => {
  const calls = gate.holder.calls.length
  const entries = (await accesses(gate)).length
  const before = await counted(gate, 'ecluse_strangers_total', { reason })
  const line = await wire(gate.port)
  line.send(bytes)
  const answer = await line.next()
  expect(answer.status).toBe(401)
  expect(headerOf(answer, 'ecluse-reason')).toBe(reason)
  expect(answer.headers.filter(([name]) => name === 'content-type')).toHaveLength(1)
  expect(gate.holder.calls).toHaveLength(calls)
  expect(await accesses(gate)).toHaveLength(entries)
  expect(await counted(gate, 'ecluse_strangers_total', { reason })).toBe(before + 1)
  await isServed(line, token)
  line.end()
})

test.each([
  ['an unknown path', '/admin', 404, 'unknown_route'],
  ['a known path in capitals', TARGET.replace('courbe', 'Courbe'), 404, 'unknown_route'],
  ['a known path with a slash behind', `${PATH}/${QUERY}`, 404, 'unknown_route'],
  ['a path of Object', '/__proto__', 404, 'unknown_route'],
  ['the path constructor', '/constructor', 404, 'unknown_route'],
  ['the path toString', '/toString', 404, 'unknown_route'],
  ['a path that the holder has and clients may not call', '/subscribed_services/v1', 404, 'unknown_route'],
  ['the revocation of tokens', '/oauth2/v3/revoke', 404, 'unknown_route'],
  ['an unknown parameter', `${TARGET}&debug=1`, 400, 'malformed'],
  ['__proto__ as a parameter', `${TARGET}&__proto__=1`, 400, 'malformed'],
  ['constructor as a parameter', `${TARGET}&constructor=1`, 400, 'malformed'],
  ['toString as a parameter', `${TARGET}&toString=1`, 400, 'malformed'],
  ['a parameter in another case', TARGET.replace('pointId', 'PointId'), 400, 'malformed'],
  ['a parameter of the other generation', TARGET.replace('pointId', 'usage_point_id'), 400, 'malformed'],
  ['__proto__ as a meter', curve('__proto__', today(-20), today(-18)), 400, 'malformed'],
  ['constructor as a meter', curve('constructor', today(-20), today(-18)), 400, 'malformed'],
  ['a meter of 13 digits', curve('1000000000000', today(-20), today(-18)), 400, 'malformed'],
  [
    'a meter in other digits',
    curve('%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1', today(-20), today(-18)),
    400,
    'malformed',
  ],
  ['a NUL behind the meter', curve(`${METER}%00`, today(-20), today(-18)), 400, 'malformed'],
  ['a line end behind the meter', curve(`${METER}%0d%0aX-A:%20b`, today(-20), today(-18)), 400, 'malformed'],
  ['two meters in one value', curve(`${METER},${OTHER_METER}`, today(-20), today(-18)), 400, 'malformed'],
  ['a meter encoded twice', curve(METER.replace('1', '%2531'), today(-20), today(-18)), 400, 'malformed'],
  ['a day that there is not', curve(METER, '2024-02-30', '2024-03-02'), 400, 'malformed'],
  ['a year of two digits', curve(METER, '24-01-01', '24-01-03'), 400, 'malformed'],
  ['a time', curve(METER, '2024-01-01T00:00:00', '2024-01-03'), 400, 'malformed'],
  ['an offset', curve(METER, '2024-01-01%2B01:00', '2024-01-03'), 400, 'malformed'],
  ['a plus in a day', curve(METER, '2024+01+01', '2024-01-03'), 400, 'malformed'],
  ['equal days', curve(METER, '2024-01-01', '2024-01-01'), 400, 'malformed'],
  ['days in reverse', curve(METER, '2024-01-03', '2024-01-01'), 400, 'malformed'],
  ['an open end', `${PATH}?pointId=${METER}&dateDebut=2024-01-01`, 400, 'malformed'],
])('an identified client that sends %s is refused with one entry', async (_name, target, status, reason) => {
  const calls = gate.holder.calls.length
  const line = await wire(gate.port)
  let entry: string | undefined
  const entries = await recordedBy(gate, async () => {
    line.send(ask(token, target))
    const answer = await line.next()
    expect(answer.status).toBe(status)
    expect(headerOf(answer, 'ecluse-reason')).toBe(reason)
    expect(answer.headers.filter(([name]) => name === 'content-type')).toHaveLength(1)
    entry = headerOf(answer, 'audit-entry')
  })
  expect(entries).toMatchObject([{ t: 'access.refused', client: 'viriya', dec: { reason } }])
  expect(entry?.endsWith(`/${entries[0]?.n}`)).toBe(true)
  expect(gate.holder.calls).toHaveLength(calls)
  await isServed(line, token)
  line.end()
})

test('two requests sent ahead with two credentials: two decisions, two entries, in their order', async () => {
  const office = await gate.token('office')
  const line = await wire(gate.port)
  const entries = await recordedBy(gate, async () => {
    line.send(ask(token) + ask(office) + ask('nobody') + ask(office, curve(OTHER_METER, today(-20), today(-18))))
    expect([(await line.next()).status, (await line.next()).status]).toStrictEqual([200, 200])
    expect([(await line.next()).status, (await line.next()).status]).toStrictEqual([401, 403])
  })
  expect(entries.map(({ t, client }) => [t, client ?? null])).toStrictEqual([
    ['access.intent', 'viriya'],
    ['access.outcome', null],
    ['access.intent', 'office'],
    ['access.outcome', null],
    ['access.refused', 'office'],
  ])
  await isServed(line, token)
  line.end()
})

test('a good request before a bad one is answered itself, then the connection ends', async () => {
  const line = await wire(gate.port)
  const entries = await recordedBy(gate, async () => {
    line.send(`${ask(token)}GARBAGE\r\n\r\n${ask(token)}`)
    expect((await line.next()).status).toBe(200)
    await line.closed()
  })
  expect(line.rest()).toBe('')
  expect(entries.map((e) => e.t)).toStrictEqual(['access.intent', 'access.outcome'])
})

test('what a client sends ahead is bounded', async () => {
  const calls = gate.holder.calls.length
  const { script } = gate.holder
  gate.holder.script = () => {
    // Never answers: the first request keeps the others waiting.
  }
  const line = await wire(gate.port)
  line.send(ask(token).repeat(40))
  await line.closed()
  gate.holder.script = script
  expect(gate.holder.calls.length - calls).toBeLessThanOrEqual(1)
})

test('CONNECT behind a request under way ends both, and a reset afterwards harms nobody', async () => {
  const { script } = gate.holder
  gate.holder.script = () => {
    // Never answers.
  }
  const entries = await recordedBy(gate, async () => {
    const line = await wire(gate.port)
    const calls = gate.holder.calls.length
    line.send(ask(token))
    await expect.poll(() => gate.holder.calls.length).toBe(calls + 1)
    line.send(head('CONNECT gate.test:443 HTTP/1.1', HOST))
    await line.closed()
    expect(line.rest()).toBe('')
    await expect.poll(async () => (await accesses(gate)).at(-1)?.t).toBe('access.outcome')
  })
  gate.holder.script = script
  expect(entries).toMatchObject([{ t: 'access.intent' }, { t: 'access.outcome', result: 'client_abort' }])
  for (let i = 0; i < 20; i += 1) {
    const line = await wire(gate.port)
    line.send(head('CONNECT gate.test:443 HTTP/1.1', HOST))
    line.socket.resetAndDestroy()
  }
  const next = await wire(gate.port)
  await isServed(next, token)
  next.end()
})
