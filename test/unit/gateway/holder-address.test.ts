/** Where a connection to a data holder may lead: whatever its name resolves to, at the moment of connecting. */
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AccountId } from '../../../src/domain/permission.ts'
import { applicationToken } from '../../../src/gateway/application-token.ts'
import type { Holder } from '../../../src/gateway/holder.ts'
import { AddressRefused, holderAt } from '../../../src/gateway/holder.ts'
import { loggerTo } from '../../../src/runtime/logger.ts'
import { isPrivate } from '../../../src/settings/network.ts'

let server: Server
let holder: Holder | undefined
let connections = 0
const lines: string[] = []

beforeEach(async () => {
  connections = 0
  lines.length = 0
  server = createServer((message, res) => {
    res.setHeader('Connection', 'close')
    res.setHeader('Content-Type', 'application/json')
    res.end(message.method === 'POST' ? '{"access_token":"t","token_type":"Bearer","expires_in":3600}' : '{}')
  })
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(0, resolve))
})
afterEach(async () => {
  await holder?.close()
  await new Promise((resolve) => server.close(resolve))
})

function at(host: string, refusesAddress: ((address: string) => boolean) | undefined): Holder {
  const timeouts = { connectSeconds: 2, headersSeconds: 2, bodySeconds: 2, totalSeconds: 5, slowClientSeconds: 5 }
  const url = `http://${host}:${(server.address() as AddressInfo).port}`
  const account = { id: 'main' as AccountId, clientId: 'application', secret: 'a secret' }
  const log = loggerTo('info', 'test', { write: (line) => void lines.push(line) })
  const settings = { url, ca: undefined, connections: 1, timeouts, maxAnswerBytes: 65_536, refusesAddress }
  const token = applicationToken(account, settings, { url: `${new URL(url).origin}/token` }, () => performance.now(), log)
  return holderAt(account.id, settings, token)
}
const call = (one: Holder): Promise<number> =>
  one.pool.request({ path: '/', method: 'GET' }).then(async ({ statusCode, body }) => {
    await body.dump()
    return statusCode
  })

test('a name that leads to this machine is not connected to: no call, no token call, no byte', async () => {
  holder = at('localhost', isPrivate)
  await expect(call(holder)).rejects.toMatchObject({ code: 'ERR_ADDRESS_REFUSED' })
  expect(await holder.authorization()).toBeUndefined()
  expect(connections).toBe(0)
  expect(lines.join()).toContain('"code":"ERR_ADDRESS_REFUSED"')
  expect(holder.standing).toBe('down')
})

test('with allow_private it is', async () => {
  holder = at('localhost', undefined)
  expect(holder.standing).toBe('off')
  expect(await call(holder)).toBe(200)
  expect(await holder.authorization()).toBe('Bearer t')
  expect(connections).toBe(2)
  expect(holder.standing).toBe('ok')
})

test('each connection is looked at, not only the first: a name can be pointed elsewhere later', async () => {
  let refuse = false
  holder = at('localhost', () => refuse)
  expect(await call(holder)).toBe(200)
  refuse = true
  await expect(call(holder)).rejects.toMatchObject({ code: 'ERR_ADDRESS_REFUSED' })
  expect(connections).toBe(1)
})

test('of several addresses those that are allowed are used', async () => {
  const asked: string[] = []
  holder = at('localhost', (address) => {
    asked.push(address)
    return address === '::1'
  })
  expect(await call(holder)).toBe(200)
  expect(asked).toContain('127.0.0.1')
})

test.each(['127.0.0.1', '[::1]', '10.0.0.1', '[::ffff:10.0.0.1]'])('a literal address is refused before anything starts: %s', (host) => {
  expect(() => at(host, isPrivate)).toThrow(AddressRefused)
})
