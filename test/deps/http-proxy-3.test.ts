/**
 * Why the gated path is not on http-proxy-3: what its native path does on the wire, one test for each behaviour that a gate
 * must not have. It stays good for open routes behind a listener that refuses such requests first. Where an upgrade mends
 * one of these, the test fails and says so.
 * Source: https://github.com/sagemathinc/http-proxy-3
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createProxyServer } from 'http-proxy-3'
import { expect, onTestFinished, test } from 'vitest'
import { answering, rawExchange, rawServer } from './given.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'

/** A proxy with the library's defaults. @returns its port and, for each thing that happened, a word. */
async function proxyTo(target: string): Promise<{ readonly port: number; readonly happened: string[] }> {
  const happened: string[] = []
  const proxy = createProxyServer({ target })
  proxy.on('proxyReq', () => void happened.push('proxyReq'))
  proxy.on('error', (error: Error) => void happened.push(`error ${error.message}`))
  const server = createServer((request, response) => {
    try {
      proxy.web(request, response)
    } catch (error) {
      happened.push(`thrown ${String(error)}`)
      response.destroy()
    }
  })
  server.on('checkContinue', (request, response) => proxy.web(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, happened }
}

const head = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`

test.each(['/pub/%2e%2e/secret', '/pub/../secret', '/pub\\..\\secret'])(
  'the target %s is normalised, past any rule about /pub',
  async (path) => {
    const holder = await rawServer(answering(OK))
    const { port } = await proxyTo(holder.origin)
    await rawExchange(port, head(`GET ${path} HTTP/1.1`, 'host: x', 'connection: close'), 2_000)
    expect(holder.received()).toMatch(/^GET \/secret HTTP/)
  },
)

test('hop-by-hop headers of the client are forwarded', async () => {
  const holder = await rawServer(answering(OK))
  const { port } = await proxyTo(holder.origin)
  await rawExchange(
    port,
    head('GET / HTTP/1.1', 'host: x', 'te: trailers', 'proxy-authorization: Basic eA==', 'x-consent: 1', 'connection: close'),
    2_000,
  )
  expect(holder.received().toLowerCase()).toContain('proxy-authorization: basic ea==')
  expect(holder.received().toLowerCase()).toContain('te: trailers')
})

test('a chunked DELETE goes out as length 0 with a body: what the body says is a second request', async () => {
  const holder = await rawServer(answering(OK))
  const { port } = await proxyTo(holder.origin)
  const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
  const body = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
  await rawExchange(port, `${head('DELETE / HTTP/1.1', 'host: x', 'transfer-encoding: chunked', 'connection: close')}${body}`, 2_000)
  expect(holder.received().toLowerCase()).toContain('content-length: 0')
  expect(holder.received()).toContain(`\r\n\r\n${smuggled}`)
})

test('a target that is no URL is thrown, not answered', async () => {
  const holder = await rawServer(answering(OK))
  const { port, happened } = await proxyTo(holder.origin)
  await rawExchange(port, head('GET http://[ HTTP/1.1', 'host: x', 'connection: close'), 2_000)
  expect(happened).toStrictEqual([expect.stringMatching(/^thrown TypeError/)])
})

test('a holder that dies amid its answer leaves the client waiting', async () => {
  const holder = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin')
    setTimeout(() => socket.destroy(), 50)
  })
  const { port } = await proxyTo(holder.origin)
  const { answer, closed } = await rawExchange(port, head('GET / HTTP/1.1', 'host: x'), 1_500)
  expect(answer).toContain('begin')
  expect(closed).toBe(false)
})

test('with Expect: 100-continue the proxyReq event is not emitted, so what edits headers there is skipped', async () => {
  const holder = await rawServer(answering(OK))
  const { port, happened } = await proxyTo(holder.origin)
  await rawExchange(
    port,
    `${head('POST / HTTP/1.1', 'host: x', 'expect: 100-continue', 'content-length: 2', 'connection: close')}ab`,
    2_000,
  )
  expect(holder.received()).toMatch(/^POST \/ HTTP/)
  expect(happened).not.toContain('proxyReq')
})

test('without an agent each call opens a connection of its own', async () => {
  const holder = await rawServer(answering(OK))
  const { port } = await proxyTo(holder.origin)
  for (let i = 0; i < 3; i++) await rawExchange(port, head('GET / HTTP/1.1', 'host: x', 'connection: close'), 2_000)
  expect(holder.connections()).toBe(3)
})

test('good: a client that leaves ends the call, and two Set-Cookie stay two', async () => {
  const holder = await rawServer(answering('HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 100\r\n\r\nbegin'))
  const { port } = await proxyTo(holder.origin)
  const client = connect(port, '127.0.0.1')
  client.write(head('GET / HTTP/1.1', 'host: x'))
  const [first] = (await once(client, 'data')) as [Buffer]
  expect(first.toString().match(/set-cookie/gi)).toHaveLength(2)
  client.destroy()
  expect(await Promise.race([holder.left.then(() => 'closed'), sleep(2_000, 'still open')])).toBe('closed')
})
