/** The target of an open route, and where a redirect leads: never out of it, whatever is asked. */
import type { IncomingHttpHeaders } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { canonicalOf } from '../../../src/gateway/canonical.ts'
import { AddressRefused } from '../../../src/gateway/holder.ts'
import { answeredHeaders, askedHeaders } from '../../../src/gateway/open/headers.ts'
import { placesOf } from '../../../src/gateway/open/places.ts'
import type { OpenRoute } from '../../../src/gateway/open/route.ts'
import { agentTo, isBelow, locationOf, targetOf } from '../../../src/gateway/open/route.ts'
import { isPrivate } from '../../../src/settings/network.ts'

const SECONDS = { connectSeconds: 1, headersSeconds: 1, bodySeconds: 1, totalSeconds: 1, slowClientSeconds: 1, idleSeconds: 1 }
const ROUTE: OpenRoute = {
  id: 'grdf',
  path: '/open/grdf',
  url: 'https://opendata.grdf.fr/api/explore/v2.1',
  ca: undefined,
  connections: 1,
  requestsPerMinute: 1,
  websocket: false,
  subprotocols: [],
  maxSockets: 1,
  maxAnswerBytes: 1,
  timeouts: SECONDS,
}
const ROOT: OpenRoute = { ...ROUTE, url: 'https://opendata.grdf.fr' }

test.each<[string, OpenRoute, string, Record<string, string>, string]>([
  ['the path itself', ROUTE, '/open/grdf', {}, '/api/explore/v2.1'],
  ['its slash', ROUTE, '/open/grdf/', {}, '/api/explore/v2.1/'],
  ['below it', ROUTE, '/open/grdf/catalog/datasets', { limit: '1' }, '/api/explore/v2.1/catalog/datasets?limit=1'],
  ['the root of a portal', ROOT, '/open/grdf', {}, '/'],
  ['below the root', ROOT, '/open/grdf/x', {}, '/x'],
  ['every sign', ROOT, '/open/grdf/x', { q: `a b+c&d=e#f?g/h:'"<>é\n` }, '/x?q=a%20b%2Bc%26d%3De%23f%3Fg%2Fh%3A%27%22%3C%3E%C3%A9%0A'],
])('%s', (_what, route, path, query, target) => {
  expect(targetOf(route, path, new Map(Object.entries(query)))).toBe(target)
})

test('whatever passes the canonical reading stays below the target, and a parser of URLs reads it as it is', () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_.-]{0,8}$/)
  const value = fc.stringMatching(/^[A-Za-z0-9_.~!$'()*,:@=+/?%-]{0,12}$/)
  const asked = fc.record({
    segments: fc.array(segment, { maxLength: 5 }),
    pairs: fc.array(fc.tuple(fc.stringMatching(/^[a-z_]{1,4}$/), value), { maxLength: 3 }),
    route: fc.constantFrom(ROUTE, ROOT),
  })
  let passed = 0
  fc.assert(
    fc.property(asked, ({ segments, pairs, route }) => {
      const target = `/open/grdf/${segments.join('/')}${pairs.length > 0 ? `?${pairs.map((pair) => pair.join('=')).join('&')}` : ''}`
      const read = canonicalOf({ method: 'GET', target, httpVersion: '1.1', rawHeaders: ['Host', 'x'] }, 4096)
      if ('status' in read) return
      passed += 1
      const sent = targetOf(route, read.wire.path, read.wire.query)
      const base = new URL(route.url)
      const url = new URL(`${base.origin}${sent ?? ''}`)
      expect(sent).toBeDefined()
      expect(url.href).toBe(`${base.origin}${sent}`)
      expect(url.pathname).toMatch(route === ROUTE ? /^\/api\/explore\/v2\.1\// : /^\//)
      expect([...url.searchParams]).toStrictEqual([...read.wire.query])
    }),
    { numRuns: 2000 },
  )
  expect(passed).toBeGreaterThan(200)
})

test('a redirect that is told leads back through the same route', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string(), fc.stringMatching(/^[/.%\\a-z?#:@]{0,30}$/)),
      (location) => {
        const said = locationOf(ROUTE, '/api/explore/v2.1/x', location)
        if (said === undefined) return
        expect(isBelow(ROUTE, said.split('?', 1)[0] ?? '')).toBe(true)
        expect(new URL(said, 'https://gate.test').href).toBe(`https://gate.test${said}`)
      },
    ),
    { numRuns: 5000 },
  )
})

test('of headers only those on the lists cross, and only as printable text', () => {
  const inherited = Object.create({ 'accept-encoding': 'gzip' }) as IncomingHttpHeaders
  const given = Object.assign(inherited, { accept: 'a\tb', 'accept-language': 'fr', authorization: 'x' })
  expect(askedHeaders('h', given)).toStrictEqual({
    host: 'h',
    'accept-encoding': 'identity',
    'accept-language': 'fr',
    'user-agent': 'ecluse',
  })
  const answered = answeredHeaders({
    'content-type': 'text/html',
    'set-cookie': ['a=1'],
    location: '/x',
    'access-control-allow-origin': '*',
  })
  expect(answered).toStrictEqual({
    'content-type': 'text/html',
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
})

test('places: so many in a minute each, a new minute begins anew, a full table is emptied', () => {
  let now = 0
  const places = placesOf(() => now)
  expect([1, 2, 3].map(() => places.exceeded('a', 2))).toStrictEqual([false, false, true])
  expect(places.exceeded('b', 2)).toBe(false)
  now = 60_000
  expect(places.exceeded('a', 2)).toBe(false)
  for (let i = 0; i < 10_000; i += 1) places.exceeded(`made up ${i}`, 2)
  expect(places.exceeded('a', 1)).toBe(false)
})

test('a private address is not connected to, by whatever name it goes', async () => {
  expect(() => agentTo({ ...ROUTE, url: 'https://10.0.0.1', refusesAddress: isPrivate })).toThrow(AddressRefused)
  const server = createServer((_message, res) => void res.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  for (const [refusesAddress, outcome] of [
    [isPrivate, 'ERR_ADDRESS_REFUSED'],
    [undefined, 200],
  ] as const) {
    const url = `http://localhost:${port}`
    const agent = agentTo({ ...ROUTE, url, refusesAddress })
    const ended = await new Promise((resolve) => {
      const asking = request(url, { agent, path: '/', headers: { host: 'x' } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asking.once('error', (error: NodeJS.ErrnoException) => resolve(error.code)).end()
    })
    agent.destroy()
    expect(ended).toBe(outcome)
  }
})
