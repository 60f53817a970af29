/** Web pages: off unless the settings of a client name their origin; what a browser asks first tells of no client. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate, curve } from '../../harness/gate.ts'
import { METER, OTHER_METER, today } from '../../harness/settings.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { accesses, ask, head, TARGET } from './given.ts'

const PAGE = 'https://page.test'
let gate: TestGate
const tokens = { viriya: '', office: '' }
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      const [viriya] = tree['clients'] as Record<string, unknown>[]
      Object.assign(viriya ?? {}, { cors_origins: [PAGE] })
    },
  })
  await gate.permit(
    { id: 'p1', from: today(-100), until: today(-10) },
    { id: 'p2', client: 'office', from: today(-100), until: today(-10) },
  )
  tokens.viriya = await gate.token('viriya')
  tokens.office = await gate.token('office')
})
afterAll(() => gate.stop())

async function send(bytes: string): Promise<WireAnswer> {
  const line = await wire(gate.port)
  line.send(bytes)
  const told = await line.next()
  line.end()
  return told
}
const crossing = (told: WireAnswer): readonly string[] =>
  told.headers.map(([name]) => name).filter((name) => name.startsWith('access-control'))

test('a page of the client reads its answer, and the headers that say what it is', async () => {
  const told = await send(ask(tokens.viriya, TARGET, `Origin: ${PAGE}`))
  expect(told.status).toBe(200)
  expect(headerOf(told, 'access-control-allow-origin')).toBe(PAGE)
  expect(headerOf(told, 'access-control-expose-headers')?.split(', ')).toStrictEqual(
    expect.arrayContaining(['Audit-Entry', 'Ecluse-Reason', 'Ecluse-Narrowed', 'Retry-After']) as string[],
  )
  expect(headerOf(told, 'vary')).toBe('Origin')
  expect(headerOf(told, 'access-control-allow-credentials')).toBeUndefined()
})

test('so it does a refusal, recorded or not', async () => {
  const refused = await send(ask(tokens.viriya, curve(OTHER_METER, today(-20), today(-18)), `Origin: ${PAGE}`))
  expect([refused.status, headerOf(refused, 'access-control-allow-origin')]).toStrictEqual([403, PAGE])
  const ended = await send(ask('x'.repeat(43), TARGET, `Origin: ${PAGE}`))
  expect([ended.status, headerOf(ended, 'access-control-allow-origin')]).toStrictEqual([401, PAGE])
})

test.each([
  ['another origin', 'https://other.test'],
  ['the origin with another port', `${PAGE}:8443`],
  ['the origin without TLS', 'http://page.test'],
  ['a longer name', 'https://page.test.evil.test'],
  ['null', 'null'],
  ['the origin in capitals', 'HTTPS://PAGE.TEST'],
  ['two origins', `${PAGE} https://other.test`],
  ['nothing', ''],
])('%s is told nothing of crossing, and the answer is the same', async (_name, origin) => {
  const told = await send(ask(tokens.viriya, TARGET, `Origin: ${origin}`))
  expect(told.status).toBe(200)
  expect(crossing(told)).toStrictEqual([])
})

test('the page of one client is none of another', async () => {
  const told = await send(ask(tokens.office, TARGET, `Origin: ${PAGE}`))
  expect(told.status).toBe(200)
  expect(crossing(told)).toStrictEqual([])
})

const preflight = (origin: string, target: string, ...more: readonly string[]): string =>
  head(
    `OPTIONS ${target} HTTP/1.1`,
    'Host: gate.test',
    `Origin: ${origin}`,
    'Access-Control-Request-Method: GET',
    'Access-Control-Request-Headers: authorization',
    ...more,
  )

test('what a browser asks first is answered without a credential, and tells of no client, path or meter', async () => {
  const entries = (await accesses(gate)).length
  const calls = gate.holder.calls.length
  const told = await send(preflight(PAGE, TARGET))
  expect([told.status, told.body]).toStrictEqual([204, ''])
  expect(Object.fromEntries(told.headers.filter(([name]) => name.startsWith('access-control')))).toStrictEqual({
    'access-control-allow-origin': PAGE,
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'Authorization, Content-Type',
    'access-control-max-age': '600',
  })
  // The same whatever is asked for, and with whatever credential.
  const withoutDate = (answered: WireAnswer): string =>
    JSON.stringify({ ...answered, headers: answered.headers.filter(([name]) => name !== 'date') })
  for (const other of [
    preflight(PAGE, '/unknown'),
    preflight(PAGE, curve(OTHER_METER, today(-20), today(-18))),
    preflight(PAGE, curve(METER, today(-20), today(-18)), `Authorization: Bearer ${tokens.office}`),
  ]) {
    expect(withoutDate(await send(other))).toBe(withoutDate(told))
  }
  const unknown = await send(preflight('https://other.test', TARGET))
  expect([unknown.status, unknown.body, crossing(unknown)]).toStrictEqual([403, '', []])
  expect(await accesses(gate)).toHaveLength(entries)
  expect(gate.holder.calls).toHaveLength(calls)
})

test('OPTIONS that is no such question is a request like others, which nobody serves', async () => {
  const told = await send(head(`OPTIONS ${TARGET} HTTP/1.1`, 'Host: gate.test', `Authorization: Bearer ${tokens.viriya}`))
  expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([404, 'unknown_route'])
  const stranger = await send(head(`OPTIONS ${TARGET} HTTP/1.1`, 'Host: gate.test', `Origin: ${PAGE}`))
  expect(stranger.status).toBe(401)
})
