/**
 * What the credentials of an account lean on in openid-client 6, against a token endpoint on loopback.
 * Source: https://github.com/panva/openid-client/blob/main/docs/functions/clientCredentialsGrant.md
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { allowInsecureRequests, clientCredentialsGrant, ClientSecretBasic, ClientSecretPost, Configuration } from 'openid-client'
import { expect, onTestFinished, test } from 'vitest'

const GRANTED = { access_token: 'secret', token_type: 'Bearer', expires_in: 3600 }

interface Call {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

async function endpoint(answer: (response: ServerResponse) => void): Promise<{ readonly url: string; readonly calls: Call[] }> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      calls.push({ headers: request.headers, body })
      answer(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

const json =
  (status: number, body: unknown, type = 'application/json', headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': type, ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body))

function configured(url: string, authentication = ClientSecretPost('s é:%'), insecure = true): Configuration {
  const config = new Configuration({ issuer: url, token_endpoint: `${url}/token` }, 'id', {}, authentication)
  if (insecure) allowInsecureRequests(config)
  return config
}

test('only https, unless it is allowed otherwise', async () => {
  const { url, calls } = await endpoint(json(200, GRANTED))
  await expect(clientCredentialsGrant(configured(url, ClientSecretPost('s'), false))).rejects.toMatchObject({
    code: 'OAUTH_HTTP_REQUEST_FORBIDDEN',
  })
  expect(calls).toStrictEqual([])
})

test('ClientSecretPost puts id and secret into the form', async () => {
  const { url, calls } = await endpoint(json(200, GRANTED))
  await clientCredentialsGrant(configured(url), { scope: 'a b' })
  expect(calls[0]?.headers).not.toHaveProperty('authorization')
  expect(calls[0]?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
  expect(Object.fromEntries(new URLSearchParams(calls[0]?.body))).toStrictEqual({
    grant_type: 'client_credentials',
    client_id: 'id',
    client_secret: 's é:%',
    scope: 'a b',
  })
})

test('ClientSecretBasic percent-encodes before it encodes, which some servers do not undo', async () => {
  const { url, calls } = await endpoint(json(200, GRANTED))
  await clientCredentialsGrant(configured(url, ClientSecretBasic('é:%')))
  const sent = Buffer.from(calls[0]?.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()
  expect(sent).toBe('id:%C3%A9%3A%25')
})

test('no cache and no single flight: 20 grants are 20 calls', async () => {
  const { url, calls } = await endpoint(json(200, GRANTED))
  const config = configured(url)
  await Promise.all(Array.from({ length: 20 }, () => clientCredentialsGrant(config)))
  expect(calls).toHaveLength(20)
})

test.each([
  ['a number', 3600],
  ['text', '3600'],
])('expires_in as %s is read', async (_name, given) => {
  const { url } = await endpoint(json(200, { ...GRANTED, expires_in: given }))
  expect((await clientCredentialsGrant(configured(url))).expiresIn()).toBeGreaterThan(3_590)
})

test('without expires_in the end of the token is unknown, which is no error', async () => {
  const { url } = await endpoint(json(200, { ...GRANTED, expires_in: undefined }))
  expect((await clientCredentialsGrant(configured(url))).expiresIn()).toBeUndefined()
})

test.each([
  ['a refusal in JSON', json(401, { error: 'invalid_client' }), { name: 'ResponseBodyError', error: 'invalid_client', status: 401 }],
  ['a quota', json(429, { error: 'slow_down' }, 'application/json', { 'retry-after': '7' }), { name: 'ResponseBodyError', status: 429 }],
  ['an HTML page', json(500, '<html>', 'text/html'), { code: 'OAUTH_RESPONSE_IS_NOT_CONFORM' }],
  ['no token_type', json(200, { access_token: 'x' }), { code: 'OAUTH_INVALID_RESPONSE' }],
])('%s is an error one can tell apart', async (_name, answer, expected) => {
  const { url } = await endpoint(answer)
  await expect(clientCredentialsGrant(configured(url))).rejects.toMatchObject(expected)
})

test('the timeout is in seconds', async () => {
  const { url } = await endpoint(() => undefined)
  const config = configured(url)
  config.timeout = 0.2
  await expect(clientCredentialsGrant(config)).rejects.toMatchObject({ code: 'OAUTH_TIMEOUT' })
})
