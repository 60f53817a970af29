/**
 * What nock 15 intercepts: the fetch of Node and `undici.fetch`, which is enough for a token client. Requests of undici's
 * own dispatchers it breaks or hangs, so whatever forwards is tested against a real peer on loopback.
 * It patches every socket of the process: the only file that imports it restores them.
 * Source: https://github.com/nock/nock
 */
import nock from 'nock'
import { fetch as undiciFetch, request } from 'undici'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'

const HOST = 'https://holder.example'
beforeEach(() => nock.disableNetConnect())
afterEach(() => nock.cleanAll())
afterAll(() => nock.restore())

test.each([
  ['the fetch of Node', fetch],
  ['undici.fetch', undiciFetch as unknown as typeof fetch],
])('%s is intercepted, GET and POST with its body', async (_name, using) => {
  nock(HOST).get('/a').reply(200, { ok: true })
  nock(HOST).post('/token', 'grant_type=client_credentials').reply(429, { error: 'slow_down' }, { 'retry-after': '7' })
  expect(await (await using(`${HOST}/a`)).json()).toStrictEqual({ ok: true })
  const refused = await using(`${HOST}/token`, { method: 'POST', body: 'grant_type=client_credentials' })
  expect({ status: refused.status, after: refused.headers.get('retry-after') }).toStrictEqual({ status: 429, after: '7' })
  expect(nock.isDone()).toBe(true)
})

test('a request that nothing expects does not fail: it is answered 501, so a test must ask isDone', async () => {
  nock(HOST).get('/a').reply(200)
  const unexpected = await fetch(`${HOST}/b`)
  expect(unexpected.status).toBe(501)
  expect(nock.isDone()).toBe(false)
  expect(nock.pendingMocks()).toStrictEqual([`GET ${HOST}:443/a`])
})

test('an interceptor answers once', async () => {
  nock(HOST).get('/a').reply(200)
  expect((await fetch(`${HOST}/a`)).status).toBe(200)
  expect((await fetch(`${HOST}/a`)).status).toBe(501)
})

test('undici.request is intercepted for GET', async () => {
  nock(HOST).get('/a').reply(200, 'ok')
  const { body } = await request(`${HOST}/a`)
  expect(await body.text()).toBe('ok')
})
