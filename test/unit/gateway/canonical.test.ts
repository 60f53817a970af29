/** One reading of a request: whatever the case, order and number of its headers and parameters, never a second one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Canonical, Flaw, RawRequest } from '../../../src/gateway/canonical.ts'
import { canonicalOf } from '../../../src/gateway/canonical.ts'

const BASE: RawRequest = { method: 'GET', target: '/a/v1/b?meter=1&start=2', httpVersion: '1.1', rawHeaders: ['Host', 'gate.test'] }
const canon = (changes: Partial<RawRequest> = {}, maxTarget = 4096): Canonical | Flaw => canonicalOf({ ...BASE, ...changes }, maxTarget)
const withHeaders = (...raw: readonly string[]): Canonical | Flaw => canon({ rawHeaders: [...BASE.rawHeaders, ...raw] })
const isFlaw = (read: Canonical | Flaw): read is Flaw => 'status' in read

test('a plain request is read as it stands', () => {
  expect(canon()).toStrictEqual({
    wire: {
      method: 'GET',
      path: '/a/v1/b',
      query: new Map([
        ['meter', '1'],
        ['start', '2'],
      ]),
    },
    bearer: null,
    basic: null,
    authorized: false,
    origin: null,
    contentLength: 0,
    wantsContinue: false,
    preflight: false,
  })
})

test.each([
  ['application/senml+json', true],
  ['Application/SenML+JSON; q=1, application/json', true],
  [' application/senml+json ,*/*', true],
  ['application/json, application/senml+json', false],
  ['*/*', false],
  ['application/*', false],
  ['application/senml+jsonp', false],
  ['', false],
])('Accept %j asks for the one view: %j', (accept, asked) => {
  const read = withHeaders('Accept', accept)
  expect(isFlaw(read) ? read : read.wire.view === 'senml').toBe(asked)
})

test.each<[string, Partial<RawRequest>, Flaw]>([
  ['the version', { httpVersion: '1.0' }, { status: 505, why: 'http_version' }],
  ['the version before the method', { httpVersion: '1.0', method: 'TRACE' }, { status: 505, why: 'http_version' }],
  ['a method that is never served', { method: 'DELETE' }, { status: 405, why: 'method' }],
  ['a method that nobody knows', { method: 'BREW' }, { status: 501, why: 'method' }],
  ['a method in small letters', { method: 'get' }, { status: 501, why: 'method' }],
  ['constructor as a method', { method: 'constructor' }, { status: 501, why: 'method' }],
  ['no Host', { rawHeaders: [] }, { status: 400, why: 'host' }],
  [
    '101 headers',
    { rawHeaders: ['Host', 'a', ...Array.from({ length: 100 }, (_, i) => [`X-${i}`, 'a']).flat()] },
    { status: 431, why: 'header_count' },
  ],
  ['a length on GET', { rawHeaders: ['Host', 'a', 'Content-Length', '1'] }, { status: 400, why: 'body' }],
  [
    'a length of ten digits',
    { method: 'POST', rawHeaders: ['Host', 'a', 'Content-Length', '1000000000'] },
    { status: 400, why: 'content_length' },
  ],
  ['chunks', { method: 'POST', rawHeaders: ['Host', 'a', 'transfer-encoding', 'chunked'] }, { status: 400, why: 'transfer_encoding' }],
  ['an expectation', { rawHeaders: ['Host', 'a', 'Expect', '100-continues'] }, { status: 417, why: 'expect' }],
])('%s is refused', (_name, changes, flaw) => {
  expect(canon(changes)).toStrictEqual(flaw)
})

test('a hundred headers and a target as long as may be are read', () => {
  expect(isFlaw(canon({ rawHeaders: ['Host', 'a', ...Array.from({ length: 99 }, (_, i) => [`X-${i}`, 'a']).flat()] }))).toBe(false)
  const target = `/${'a'.repeat(4095)}`
  expect(isFlaw(canon({ target }))).toBe(false)
  expect(canon({ target: `${target}a` })).toStrictEqual({ status: 414, why: 'target_length' })
})

const LISTED = new Set(['part'])
const listed = (query: string): Canonical | Flaw => canonicalOf({ ...BASE, target: `/a/v1/b?${query}` }, 4096, LISTED)

test('of a parameter that may stand more than once all values are given, in a list and nowhere else', () => {
  expect(listed('part=b&x=1&part=a')).toMatchObject({ wire: { query: new Map([['x', '1']]), lists: new Map([['part', ['b', 'a']]]) } })
  expect(listed('part=b')).toMatchObject({ wire: { query: new Map(), lists: new Map([['part', ['b']]]) } })
  expect(listed('x=1')).not.toHaveProperty('wire.lists')
})

test.each([
  ['the same value twice', 'part=a&part=a', 'parameter_twice'],
  ['the same value, written otherwise', 'part=a&part=%61', 'parameter_twice'],
  ['another parameter twice', 'part=a&x=1&part=b&x=2', 'parameter_twice'],
  ['another parameter twice, with the same value', 'x=1&x=1', 'parameter_twice'],
  ['a name that differs by its case', 'part=a&Part=b&Part=c', 'parameter_twice'],
  ['a value that cannot be decoded', 'part=a&part=%ff', 'query'],
])('where a parameter may stand more than once, %s is refused', (_name, query, why) => {
  expect(listed(query)).toStrictEqual({ status: 400, why })
})

test.each([
  ['Bearer abc', 'abc', null],
  ['bEARER  abc', 'abc', null],
  ['Basic YTpi', null, 'YTpi'],
  ['BASIC YTpi', null, 'YTpi'],
  ['Bearer', null, null],
  ['Bearer a b', null, null],
  ['Bearer a,b', null, null],
  ['Bearer "abc"', null, null],
  ['Bearerabc', null, null],
  ['Bearer\tabc', null, null],
  ['Digest abc', null, null],
  [`Bearer ${'a'.repeat(4096)}`, 'a'.repeat(4096), null],
  [`Bearer ${'a'.repeat(4097)}`, null, null],
])('the credential of «%s»', (value, bearer, basic) => {
  expect(withHeaders('Authorization', value)).toMatchObject({ bearer, basic, authorized: true })
})

test.each(['100-continue', '100-Continue'])('the expectation %s is known', (value) => {
  expect(withHeaders('Expect', value)).toMatchObject({ wantsContinue: true })
})

test('a preflight is OPTIONS with an origin and a method, and nothing less', () => {
  const asked = (method: string, ...raw: readonly string[]): Canonical | Flaw => canon({ method, rawHeaders: ['Host', 'a', ...raw] })
  expect(asked('OPTIONS', 'Origin', 'https://a.test', 'Access-Control-Request-Method', 'GET')).toMatchObject({ preflight: true })
  expect(asked('OPTIONS', 'Origin', 'https://a.test')).toMatchObject({ preflight: false })
  expect(asked('OPTIONS', 'Access-Control-Request-Method', 'GET')).toMatchObject({ preflight: false })
  expect(asked('GET', 'Origin', 'https://a.test', 'Access-Control-Request-Method', 'GET')).toMatchObject({ preflight: false })
})

// ---- properties

const NAMES = [
  'Host',
  'Authorization',
  'Content-Length',
  'Transfer-Encoding',
  'Content-Type',
  'Origin',
  'Expect',
  'X-A',
  'Accept',
  'Cookie',
  'constructor',
  '__proto__',
  'X_A',
]
const VALUES = ['gate.test', 'Bearer abc', 'Basic YTpi', '0', '5', 'chunked', 'identity', '100-continue', 'https://a.test', '', 'x']
const REPEATABLE = new Set(['accept', 'cookie'])
const anyCase = (name: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => Array.from(name, (c, i) => (upper[i] === true ? c.toUpperCase() : c.toLowerCase())).join(''))
const header = fc.tuple(fc.constantFrom(...NAMES).chain(anyCase), fc.constantFrom(...VALUES))
const headers = fc.array(header, { maxLength: 8 })
const reading = (read: Canonical | Flaw): unknown =>
  isFlaw(read) ? 'refused' : { ...read, wire: { ...read.wire, query: [...read.wire.query] } }

test('the case of names changes nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'OPTIONS'), headers, (method, list) => {
      const as = (change: (name: string) => string): unknown =>
        reading(canon({ method, rawHeaders: list.flatMap(([name, value]) => [change(name), value]) }))
      expect(as((n) => n.toUpperCase())).toStrictEqual(as((n) => n.toLowerCase()))
    }),
    { numRuns: 500 },
  )
})

test('neither does their order: what is read from first to last is read from last to first', () => {
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'OPTIONS'), headers, (method, list) => {
      const forth = reading(canon({ method, rawHeaders: list.flat() }))
      const back = reading(canon({ method, rawHeaders: list.toReversed().flat() }))
      expect(back).toStrictEqual(forth)
    }),
    { numRuns: 500 },
  )
})

test('what is read agrees with every other reader: each header with a meaning stands there once at most', () => {
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'OPTIONS'), headers, (method, list) => {
      const read = canon({ method, rawHeaders: list.flat() })
      if (isFlaw(read)) return
      const of = (name: string): readonly string[] => list.filter(([n]) => n.toLowerCase() === name).map(([, v]) => v)
      for (const name of NAMES.map((n) => n.toLowerCase())) if (!REPEATABLE.has(name)) expect(of(name).length).toBeLessThanOrEqual(1)
      expect(of('host')).toHaveLength(1)
      expect(of('transfer-encoding')).toHaveLength(0)
      expect(list.some(([name]) => name.includes('_'))).toBe(false)
      // A reference that takes the first, and one that takes the last.
      for (const pick of [0, -1]) {
        expect(read.contentLength).toBe(Number(of('content-length').at(pick) ?? 0))
        expect(read.wire.contentType).toBe(of('content-type').at(pick))
        expect(read.origin).toBe(of('origin').at(pick) ?? null)
        expect(read.authorized).toBe(of('authorization').at(pick) !== undefined)
        expect(read.bearer).toBe(of('authorization').at(pick) === 'Bearer abc' ? 'abc' : null)
      }
      if (method !== 'POST') expect(read.contentLength).toBe(0)
    }),
    { numRuns: 1000 },
  )
})

const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('meter', 'start', 'm', '1', '2024-01-01', '=', '&', '%31', '+', '/') },
  { weight: 1, arbitrary: fc.constantFrom('%00', '%', '%ff', '%26', '%3D', ';', '#', '?', '\\', '[', ' ', '..', '//', '\u00e9') },
)
test('a query that is read is read as URLSearchParams reads it, once for each name; of a path nothing is decoded', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const query = pieces.join('')
      const read = canon({ target: `/a?${query}` })
      if (isFlaw(read)) return
      // A plus is a plus here: no client means a blank by it, and two readers would differ.
      const reference = new URLSearchParams(query.replaceAll('+', '%2B'))
      expect([...read.wire.query]).toStrictEqual([...reference])
      expect(new Set(reference.keys()).size).toBe(reference.size)
      expect(read.wire.path).toBe('/a')
    }),
    { numRuns: 2000 },
  )
})

test('a path that is read is what every normaliser leaves as it is', () => {
  const part = fc.constantFrom('a', 'v1', '.', '..', '', '%2e', ';', '\\', 'a.b', '...', 'B', '_', '~', '*')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const target = `/${parts.join('/')}`
      const read = canon({ target })
      if (isFlaw(read)) return
      expect(read.wire.path).toBe(target)
      expect(new URL(target, 'http://gate.test').pathname).toBe(target)
      expect(decodeURIComponent(target)).toBe(target)
    }),
    { numRuns: 2000 },
  )
})

test('whatever comes, it is read or refused, and never thrown at', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  fc.assert(
    fc.property(text, text, text, fc.array(text, { maxLength: 10 }), (method, target, httpVersion, rawHeaders) => {
      const read = canonicalOf({ method, target, httpVersion, rawHeaders }, 4096)
      expect(isFlaw(read) ? read.status >= 400 : read.wire.path.startsWith('/')).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('a semicolon stands in the callback of Enedis, as a part of the value, and nowhere else', () => {
  const at = (target: string) => canon({ target })
  const callback = at('/consent/callback?code=c&usage_point_id=10000000000001;10000000000002')
  expect('wire' in callback && callback.wire.query.get('usage_point_id')).toBe('10000000000001;10000000000002')
  for (const target of [
    '/consent/callback;a',
    '/consent/callbacks?a=1;2',
    '/me?a=1;2',
    '/metering_data_clc/v5/consumption_load_curve?a=1;b=2',
  ])
    expect([target, at(target)]).toMatchObject([target, { status: 400, why: 'target' }])
})
