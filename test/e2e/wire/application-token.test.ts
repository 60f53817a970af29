/**
 * The operator's own token at the data holder: one call for it whoever asks, kept until it really ends, fetched anew once
 * when the holder takes it no more, and never seen by anybody but that holder.
 */
import { afterEach, expect, onTestFinished, test } from 'vitest'
import type { TestGate } from '../../harness/gate.ts'
import { aGate } from '../../harness/gate.ts'
import type { Script } from '../../harness/holder.ts'
import { answer, giveToken, HOLDER_TOKEN, ordinary } from '../../harness/holder.ts'
import { today } from '../../harness/settings.ts'
import type { WireAnswer } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'
import { ask, isServed, recordedBy, until } from './given.ts'

const SECRET = 'holder-client-secret-canary'
const heard: string[] = []
const gates: TestGate[] = []

async function ready(tokenScript: Script = giveToken): Promise<{ readonly gate: TestGate; readonly token: string }> {
  const gate = await aGate()
  gates.push(gate)
  onTestFinished(() => gate.stop())
  gate.holder.tokenScript = tokenScript
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  return { gate, token: await gate.token() }
}

async function once(gate: TestGate, token: string): Promise<WireAnswer> {
  const line = await wire(gate.port)
  line.send(ask(token))
  const told = await line.next(12_000)
  heard.push(JSON.stringify(told))
  line.end()
  return told
}

afterEach(() => {
  // Every secret and text of this file has the word in it.
  const told = [...heard, ...gates.flatMap((gate) => gate.log)]
  for (const text of told) if (text.includes('canary')) throw new Error(`a client or a log was told: ${text}`)
})

const gives =
  (fields: object): Script =>
  (_request, socket) =>
    answer(socket, 200, JSON.stringify({ access_token: HOLDER_TOKEN, scope: 'default', token_type: 'Bearer', ...fields }))
const says =
  (status: number, body: string, headers: Record<string, string> = {}): Script =>
  (_request, socket) =>
    answer(socket, status, body, headers)

test('a hundred requests at once on a cold gate make one token call', async () => {
  const { gate, token } = await ready((request, socket) => void setTimeout(() => giveToken(request, socket), 200))
  const told = await Promise.all(Array.from({ length: 100 }, () => once(gate, token)))
  expect(told.every((answered) => answered.status === 200)).toBe(true)
  expect(gate.holder.tokenCalls).toHaveLength(1)
  expect(gate.holder.calls).toHaveLength(100)
})

test('the token call is a form, with the credentials in its body and nowhere else', async () => {
  const { gate, token } = await ready()
  expect((await once(gate, token)).status).toBe(200)
  const [call] = gate.holder.tokenCalls
  expect(call?.method).toBe('POST')
  expect(call?.target).toBe('/oauth2/v3/token')
  expect(Object.fromEntries(new URLSearchParams(call?.body))).toStrictEqual({
    grant_type: 'client_credentials',
    client_id: 'application',
    client_secret: SECRET,
  })
  expect(call?.head).not.toMatch(/authorization|canary|traceparent/i)
})

test.each([
  ['an integer', { expires_in: 12_600 }],
  ['a string, as the Swagger says', { expires_in: '12600' }],
  ['nothing', {}],
  ['a life longer than any', { expires_in: 1e15 }],
])('expires_in may be %s', async (_name, fields) => {
  const { gate, token } = await ready(gives(fields))
  expect((await once(gate, token)).status).toBe(200)
  expect((await once(gate, token)).status).toBe(200)
  expect(gate.holder.tokenCalls).toHaveLength(1)
})

test.each([
  ['401', says(401, '{"error_description":"Client Authentication failed. canary","error":"invalid_client"}')],
  ['429', says(429, '', { 'Retry-After': '1' })],
  ['500 in HTML', says(500, '<html>canary</html>', { 'Content-Type': 'text/html' })],
  ['200 in HTML', says(200, '<html>canary</html>', { 'Content-Type': 'text/html' })],
  ['200 without a token', says(200, '{"token_type":"Bearer","expires_in":1}')],
  ['a token of another type', gives({ token_type: 'mac', expires_in: 12_600 })],
  ['a life that is no number', gives({ expires_in: 'soon' })],
  ['a negative life', gives({ expires_in: -1 })],
  ['a token with a line end', gives({ access_token: 'canary\r\nX-A: b', expires_in: 12_600 })],
  ['a token beyond ASCII', gives({ access_token: 'canaryé', expires_in: 12_600 })],
  ['a token that is no text', gives({ access_token: { canary: true }, expires_in: 12_600 })],
  [
    'an answer without end',
    ((_r, s) => s.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n${' '.repeat(200_000)}`)) as Script,
  ],
  ['a redirect', says(302, '', { Location: 'http://127.0.0.1:9/canary' })],
  ['a hang-up', ((_r, s) => s.destroy()) as Script],
  ['nothing at all', (() => undefined) as Script],
])('where the token endpoint gives %s: 503, nobody is called about a meter, and it is not asked again at once', async (_name, script) => {
  const { gate, token } = await ready(script)
  const entries = await recordedBy(gate, async () => {
    const told = await once(gate, token)
    expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([503, 'holder_down'])
    expect(Number(headerOf(told, 'retry-after'))).toBeGreaterThan(0)
    const asked = gate.holder.tokenCalls.length
    expect((await once(gate, token)).status).toBe(503)
    // The back-off is at least an eighth of a second, and this took less, or waited for the one call under way.
    expect(gate.holder.tokenCalls.length - asked).toBeLessThanOrEqual(1)
  })
  expect(gate.holder.calls).toStrictEqual([])
  expect(entries.map((e) => e.t)).toStrictEqual(['access.refused', 'access.refused'])
  expect(entries[0]).toMatchObject({ dec: { stage: 'holder', reason: 'holder_down' } })
  // And once it is well again, so is the gate.
  gate.holder.tokenScript = giveToken
  await until(async () => (await once(gate, token)).status === 200, 8000)
})

test('an old token is used while a new one is not to be had', async () => {
  const { gate, token } = await ready(gives({ expires_in: 4 }))
  expect((await once(gate, token)).status).toBe(200)
  gate.holder.tokenScript = says(500, '')
  // Past three quarters of its life it is refreshed, which fails; until the end it serves.
  await new Promise((resolve) => setTimeout(resolve, 3500))
  expect((await once(gate, token)).status).toBe(200)
  await until(() => gate.holder.tokenCalls.length > 1, 1000)
  expect((await once(gate, token)).status).toBe(200)
  await new Promise((resolve) => setTimeout(resolve, 800))
  expect((await once(gate, token)).status).toBe(503)
})

const REFUSED = says(401, '{"fault":{"code":900901,"message":"Invalid Credentials canary","description":"canary"}}')

test('a token that the holder takes no more: a new one, and one more call with an intent of its own', async () => {
  const { gate, token } = await ready()
  expect((await once(gate, token)).status).toBe(200)
  const entries = await recordedBy(gate, async () => {
    gate.holder.tokenScript = gives({ access_token: 'another-token-canary', expires_in: 12_600 })
    gate.holder.script = (request, socket) => (request.head.includes('another-token-canary') ? ordinary : REFUSED)(request, socket)
    expect((await once(gate, token)).status).toBe(200)
  })
  expect(gate.holder.tokenCalls).toHaveLength(2)
  expect(entries).toMatchObject([
    { t: 'access.intent', call: 1 },
    { t: 'access.outcome', call: 1, result: 'upstream_error', code: '900901', status: null },
    { t: 'access.intent', call: 2 },
    { t: 'access.outcome', call: 2, result: 'delivered', status: 200 },
  ])
  expect(new Set(entries.map((e) => e['req'])).size).toBe(1)
})

test('a holder that refuses every token is not asked for one by every request', async () => {
  const { gate, token } = await ready((_request, socket) =>
    gives({ access_token: `t${Math.random()}`, expires_in: 12_600 })(_request, socket),
  )
  gate.holder.script = REFUSED
  const entries = await recordedBy(gate, async () => {
    for (let i = 0; i < 10; i += 1) {
      const told = await once(gate, token)
      expect([told.status, headerOf(told, 'ecluse-reason')]).toStrictEqual([503, 'holder_down'])
      expect(headerOf(told, 'www-authenticate')).toBeUndefined()
    }
  })
  // One to begin with, one in place of the first that was refused.
  expect(gate.holder.tokenCalls).toHaveLength(2)
  expect(gate.holder.calls).toHaveLength(11)
  expect(entries.filter((e) => e.t === 'access.intent')).toHaveLength(11)
  expect(entries.filter((e) => e['result'] === 'upstream_error')).toHaveLength(11)
})

test('many requests refused at once with one token drop it once', async () => {
  const { gate, token } = await ready()
  expect((await once(gate, token)).status).toBe(200)
  gate.holder.tokenScript = gives({ access_token: 'another-token-canary', expires_in: 12_600 })
  gate.holder.script = (request, socket) =>
    void setTimeout(() => (request.head.includes('another-token-canary') ? ordinary : REFUSED)(request, socket), 100)
  const told = await Promise.all(Array.from({ length: 20 }, () => once(gate, token)))
  expect(told.map((answered) => answered.status)).toStrictEqual(Array.from({ length: 20 }, () => 200))
  expect(gate.holder.tokenCalls).toHaveLength(2)
  // One, and twenty of which those that had the old token were called twice.
  expect(gate.holder.calls.length).toBeGreaterThan(25)
  expect(gate.holder.calls.length).toBeLessThanOrEqual(41)
})

test('the token goes to the holder alone, in its own header', async () => {
  const { gate, token } = await ready()
  const line = await wire(gate.port)
  await isServed(line, token)
  line.end()
  expect(gate.holder.calls[0]?.head.split('\r\n').filter((each) => each.includes(HOLDER_TOKEN))).toStrictEqual([
    `authorization: Bearer ${HOLDER_TOKEN}`,
  ])
  expect(JSON.stringify(await gate.entries())).not.toContain('canary')
})
