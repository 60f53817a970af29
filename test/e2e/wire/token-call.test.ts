/**
 * The token call of a client of Enedis, at the gate: the holder's own shape, one way of telling a secret at a time, and
 * the same words for every way of not knowing it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import { today } from '../../harness/settings.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { ask, counted, head, isServed, until } from './given.ts'

let gate: TestGate
let secret: string
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      tree['tokens'] = { per_credential_cap: 3 }
    },
  })
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  secret = (await gate.command<{ secret: string }>('client add', { client: 'viriya' })).secret
})
afterAll(() => gate.stop())

const FORM = 'Content-Type: application/x-www-form-urlencoded'
const GRANT = 'grant_type=client_credentials'
const basic = (id: string, given: string): string => `Authorization: Basic ${Buffer.from(`${id}:${given}`).toString('base64')}`
function call(body: string, ...lines: readonly string[]): string {
  const all = lines.some((line) => /^content-type:/i.test(line)) ? lines : [FORM, ...lines]
  return head('POST /oauth2/v3/token HTTP/1.1', 'Host: gate.test', `Content-Length: ${Buffer.byteLength(body)}`, ...all) + body
}
async function send(bytes: string): Promise<WireAnswer> {
  const line = await wire(gate.port)
  line.send(bytes)
  const told = await line.next()
  line.end()
  return told
}
const tokenIn = (told: WireAnswer): string => (JSON.parse(told.body) as { access_token: string }).access_token
const creds = (): string => `client_id=viriya&client_secret=${secret}`

test.each([
  ['in the body', () => call(`${GRANT}&${creds()}`)],
  ['in the header', () => call(GRANT, basic('viriya', secret))],
  [
    'in the header, each half in per cents',
    () => call(GRANT, basic('%76iriya', Array.from(secret, (c) => `%${c.charCodeAt(0).toString(16)}`).join(''))),
  ],
  ['in the header, with the client named in the body too', () => call(`${GRANT}&client_id=viriya`, basic('viriya', secret))],
  ['with a charset and capitals', () => call(`${GRANT}&${creds()}`, 'Content-Type: Application/X-WWW-Form-Urlencoded; charset=UTF-8')],
  ['with a parameter that nobody knows', () => call(`${GRANT}&${creds()}&scope=default`)],
  ['with an expectation', () => call(`${GRANT}&${creds()}`, 'Accept: */*')],
])('credentials %s give a token that opens what is permitted', async (_name, bytes) => {
  const told = await send(bytes())
  expect(told.status).toBe(200)
  const body = JSON.parse(told.body) as Record<string, unknown>
  expect(body).toStrictEqual({
    access_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) as string,
    scope: 'am_application_scope default',
    token_type: 'Bearer',
    expires_in: expect.any(Number) as number,
  })
  expect(body['expires_in']).toBeGreaterThan(12_590)
  expect(body['expires_in']).toBeLessThanOrEqual(12_600)
  expect([headerOf(told, 'cache-control'), headerOf(told, 'pragma'), headerOf(told, 'content-type')]).toStrictEqual([
    'no-store',
    'no-cache',
    'application/json',
  ])
  const line = await wire(gate.port)
  await isServed(line, String(body['access_token']))
  line.end()
})

const INVALID_CLIENT = '{"error_description":"Client Authentication failed.","error":"invalid_client"}'
test.each([
  ['a wrong secret', () => call(`${GRANT}&client_id=viriya&client_secret=wrong`)],
  ['a wrong secret in the header', () => call(GRANT, basic('viriya', 'wrong'))],
  ['an unknown client', () => call(`${GRANT}&client_id=nobody&client_secret=${'x'.repeat(43)}`)],
  ['a client without a credential', () => call(`${GRANT}&client_id=office&client_secret=${'x'.repeat(43)}`)],
  ['constructor as a client', () => call(`${GRANT}&client_id=constructor&client_secret=x`)],
  ['__proto__ as a client', () => call(`${GRANT}&client_id=__proto__&client_secret=x`)],
  ['no secret', () => call(`${GRANT}&client_id=viriya`)],
  ['an empty secret', () => call(`${GRANT}&client_id=viriya&client_secret=`)],
  ['no client', () => call(GRANT)],
  ['a header that is no base64 of a pair', () => call(GRANT, 'Authorization: Basic eHg=')],
  ['a header without client', () => call(GRANT, basic('', secret))],
  ['another scheme', () => call(GRANT, `Authorization: Bearer ${secret}`)],
  ['a header that cannot be read', () => call(GRANT, 'Authorization: Basic a, b')],
  ['the secret in another case', () => call(`${GRANT}&client_id=VIRIYA&client_secret=${secret}`)],
])('%s is answered as Enedis does, always in the same words', async (_name, bytes) => {
  const told = await send(bytes())
  expect([told.status, told.body, headerOf(told, 'www-authenticate')]).toStrictEqual([401, INVALID_CLIENT, 'Basic realm="ecluse"'])
  expect(headerOf(told, 'cache-control')).toBe('no-store')
})

test.each([
  ['credentials in the address', () => call(GRANT).replace('/token', `/token?${creds()}`), 400, 'invalid_request'],
  ['anything in the address', () => call(`${GRANT}&${creds()}`).replace('/token', '/token?a=b'), 400, 'invalid_request'],
  ['header and body', () => call(`${GRANT}&${creds()}`, basic('viriya', secret)), 400, 'invalid_request'],
  ['a header that cannot be read, and a body', () => call(`${GRANT}&${creds()}`, 'Authorization: Basic a, b'), 400, 'invalid_request'],
  ['a bearer token and a body', () => call(`${GRANT}&${creds()}`, 'Authorization: Bearer abc'), 400, 'invalid_request'],
  ['two clients', () => call(`${GRANT}&client_id=office`, basic('viriya', secret)), 400, 'invalid_request'],
  ['a parameter twice', () => call(`${GRANT}&${creds()}&client_id=office`), 400, 'invalid_request'],
  ['a parameter twice and equal', () => call(`${GRANT}&${GRANT}&${creds()}`), 400, 'invalid_request'],
  ['another grant', () => call(`grant_type=password&${creds()}`), 400, 'unsupported_grant_type'],
  ['no grant', () => call(creds()), 400, 'unsupported_grant_type'],
  ['__proto__ as a parameter', () => call(`__proto__=1&${creds()}`), 400, 'unsupported_grant_type'],
  ['an empty body', () => call(''), 400, 'unsupported_grant_type'],
  ['JSON', () => call(JSON.stringify({ grant_type: 'client_credentials' }), 'Content-Type: application/json'), 415, 'invalid_request'],
  [
    'a type that begins like a form',
    () => call(`${GRANT}&${creds()}`, 'Content-Type: application/x-www-form-urlencodedx'),
    415,
    'invalid_request',
  ],
  ['a body of 8,193 bytes', () => call(`${GRANT}&${creds()}&x=`.padEnd(8193, 'y')), 400, 'invalid_request'],
])('%s: refused, and no secret in the answer', async (_name, bytes, status, error) => {
  const before = await counted(gate, 'ecluse_strangers_total', { reason: 'token_call' })
  const told = await send(bytes())
  expect(told.status).toBe(status)
  expect((JSON.parse(told.body) as { error: string }).error).toBe(error)
  expect(told.body).not.toContain(secret)
  expect(headerOf(told, 'cache-control')).toBe('no-store')
  expect(await counted(gate, 'ecluse_strangers_total', { reason: 'token_call' })).toBe(before + 1)
})

test('a body of 8,192 bytes is read', async () => {
  expect((await send(call(`${GRANT}&${creds()}&x=`.padEnd(8192, 'y')))).status).toBe(200)
})

test('a body that is not wanted ends the connection: what follows is not read as a request', async () => {
  const line = await wire(gate.port)
  const calls = gate.holder.calls.length
  line.send(head('POST /oauth2/v3/token HTTP/1.1', 'Host: gate.test', FORM, 'Content-Length: 100000'))
  const told = await line.next()
  expect([told.status, headerOf(told, 'connection')]).toStrictEqual([400, 'close'])
  line.send(ask('x'))
  await line.closed()
  expect(line.rest()).toBe('')
  expect(gate.holder.calls).toHaveLength(calls)
})

test('a body that comes too slowly is given up, and the connection with it', async () => {
  const line = await wire(gate.port)
  line.send(head('POST /oauth2/v3/token HTTP/1.1', 'Host: gate.test', FORM, 'Content-Length: 100'))
  const timer = setInterval(() => line.send('a'), 200)
  const told = await line.next(8000)
  clearInterval(timer)
  expect([told.status, headerOf(told, 'connection')]).toStrictEqual([408, 'close'])
  await line.closed()
})

test('a body that is waited for gets its «100 Continue»', async () => {
  const line = await wire(gate.port)
  const body = `${GRANT}&${creds()}`
  line.send(head('POST /oauth2/v3/token HTTP/1.1', 'Host: gate.test', FORM, `Content-Length: ${body.length}`, 'Expect: 100-continue'))
  await until(() => line.rest() === 'HTTP/1.1 100 Continue\r\n\r\n', 2000)
  expect((await line.next()).status).toBe(100)
  line.send(body)
  const told = await line.next()
  expect(told.status).toBe(200)
  await isServed(line, tokenIn(told))
  line.end()
})

test('a body that is refused unseen gets no «100 Continue», and what comes instead of it is not read as a body', async () => {
  const line = await wire(gate.port)
  line.send(
    head('POST /oauth2/v3/token HTTP/1.1', 'Host: gate.test', 'Content-Type: text/plain', 'Content-Length: 20', 'Expect: 100-continue'),
  )
  const told = await line.next()
  expect([told.status, headerOf(told, 'connection')]).toStrictEqual([415, 'close'])
  await line.closed()
  expect(line.rest()).toBe('')
})

test('of one credential the newest tokens count, as many as are allowed', async () => {
  const tokens: string[] = []
  for (let i = 0; i < 5; i += 1) tokens.push(tokenIn(await send(call(`${GRANT}&${creds()}`))))
  const statuses: number[] = []
  for (const each of tokens) statuses.push((await send(ask(each))).status)
  expect(statuses).toStrictEqual([401, 401, 200, 200, 200])
  const listed = await gate.command<readonly { client: string }[]>('token list', { client: 'viriya' })
  expect(listed).toHaveLength(3)
})

test('who guesses too often is told nothing more; a client behind the same address is served', async () => {
  const known = tokenIn(await send(call(`${GRANT}&${creds()}`)))
  const line = await wire(gate.port)
  const wrong = call(`${GRANT}&client_id=viriya&client_secret=wrong`)
  let told = await send(wrong)
  // 600 a minute; the minute may turn once meanwhile.
  for (let i = 0; i < 1500 && told.status === 401; i += 1) {
    line.send(wrong)
    told = await line.next()
  }
  expect([told.status, headerOf(told, 'retry-after')]).toStrictEqual([429, '60'])
  expect(told.body).not.toContain('invalid_client')
  const right = await send(call(`${GRANT}&${creds()}`))
  expect(right.status).toBe(200)
  await isServed(line, known)
  line.end()
  expect(gate.log.length).toBeLessThan(5)
})
