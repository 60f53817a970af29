/**
 * What the gated path leans on in undici 8, observed on the wire. An upgrade that changes one of these fails here.
 * Source: https://undici.nodejs.org/#/docs/api/Dispatcher
 */
import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, Pool, type Dispatcher } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { answering, rawServer } from './given.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

function poolTo(origin: string, options: Pool.Options = {}): Pool {
  const pool = new Pool(origin, { connections: 1, allowH2: false, ...options })
  onTestFinished(() => pool.destroy())
  return pool
}

interface Seen {
  readonly calls: string[]
  readonly statuses: number[]
  body: string
  error?: Error & { readonly code?: string }
  controller?: Dispatcher.DispatchController
  raw?: unknown
}

/** Runs one request to its end and tells all that its handler was told. */
function see(
  pool: Dispatcher,
  options: Partial<Dispatcher.DispatchOptions>,
  each: Partial<Dispatcher.DispatchHandler> = {},
): Promise<Seen> {
  const seen: Seen = { calls: [], statuses: [], body: '' }
  return new Promise((resolve) => {
    pool.dispatch(
      { path: '/', method: 'GET', ...options },
      {
        onRequestStart(controller, context) {
          seen.calls.push('start')
          seen.controller = controller
          each.onRequestStart?.(controller, context)
        },
        onResponseStart(controller, status, headers: IncomingHttpHeaders, statusMessage) {
          seen.calls.push('response')
          seen.statuses.push(status)
          seen.raw = controller.rawHeaders
          each.onResponseStart?.(controller, status, headers, statusMessage)
        },
        onResponseData(controller, chunk) {
          seen.body += chunk.toString()
          each.onResponseData?.(controller, chunk)
        },
        onResponseEnd() {
          seen.calls.push('end')
          resolve(seen)
        },
        onResponseError(_controller, error) {
          seen.calls.push('error')
          seen.error = error
          resolve(seen)
        },
      },
    )
  })
}

test('the handler is told start, response, end', async () => {
  const server = await rawServer(answering(OK))
  expect(await see(poolTo(server.origin), {})).toMatchObject({ calls: ['start', 'response', 'end'], statuses: [200], body: 'ok' })
})

test('a handler with the names of version 7 is refused', async () => {
  const server = await rawServer(answering(OK))
  const older = { onConnect() {}, onHeaders: () => true, onData: () => true, onComplete() {}, onError() {} }
  expect(() => poolTo(server.origin).dispatch({ path: '/', method: 'GET' }, older as Dispatcher.DispatchHandler)).toThrow(
    expect.objectContaining({ code: 'UND_ERR_INVALID_ARG', message: 'invalid onRequestStart method' }),
  )
})

test('each 1xx reaches onResponseStart before the answer proper', async () => {
  const server = await rawServer(answering('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', OK))
  expect((await see(poolTo(server.origin), {})).statuses).toStrictEqual([103, 200])
})

test('raw headers keep their case and their duplicates', async () => {
  const server = await rawServer(answering('HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSET-COOKIE: b=2\r\ncontent-length: 0\r\n\r\n'))
  const { raw } = await see(poolTo(server.origin), {})
  expect((raw as Buffer[]).map(String)).toStrictEqual(['Set-Cookie', 'a=1', 'SET-COOKIE', 'b=2', 'content-length', '0'])
})

test('a redirect is passed on, never followed', async () => {
  const server = await rawServer(answering('HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n'))
  expect((await see(poolTo(server.origin), {})).statuses).toStrictEqual([302])
  expect(server.received()).not.toContain('elsewhere')
})

test('a compressed body is handed over as it came', async () => {
  const server = await rawServer(answering('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nxyz'))
  expect((await see(poolTo(server.origin), {})).body).toBe('xyz')
})

test.each(['/pub/%2e%2e/secret', '/a/../b', '/a\\..\\b', '/a|"<>', 'http://elsewhere.example/x'])(
  'the path %s is sent as it is',
  async (path) => {
    const server = await rawServer(answering(OK))
    await see(poolTo(server.origin), { path })
    expect(server.received().split('\r\n')[0]).toBe(`GET ${path} HTTP/1.1`)
  },
)

test('a path that is refused calls onResponseError alone', async () => {
  const server = await rawServer(answering(OK))
  const { calls, error } = await see(poolTo(server.origin), { path: 'no-slash' })
  expect(calls).toStrictEqual(['error'])
  expect(error).toMatchObject({ code: 'UND_ERR_INVALID_ARG' })
})

test.each([
  ['transfer-encoding', 'chunked'],
  ['keep-alive', 'timeout=5'],
  ['upgrade', 'websocket'],
  ['expect', '100-continue'],
  ['x-any', 'a\r\nb: c'],
  ['x-any', 'a\nb'],
  ['x-any', 'a\0b'],
  ['x-any', 'aĀ'],
])('the request header %s: %j is refused before a byte is sent', async (name, value) => {
  const server = await rawServer(answering(OK))
  const { calls, error } = await see(poolTo(server.origin), { headers: [name, value] })
  expect(calls).toStrictEqual(['error'])
  expect(error?.code).toMatch(/^UND_ERR_(INVALID_ARG|NOT_SUPPORTED)$/)
  expect(server.received()).toBe('')
})

test.each([
  ['host', 'elsewhere.example'],
  ['te', 'trailers'],
  ['proxy-authorization', 'Basic eA=='],
])('the request header %s is sent as given', async (name, value) => {
  const server = await rawServer(answering(OK))
  await see(poolTo(server.origin), { headers: [name, value] })
  expect(server.received()).toContain(`${name}: ${value}\r\n`)
})

test('a request body that is not as long as announced is refused', async () => {
  const server = await rawServer(answering(OK))
  for (const body of ['abc', 'abcdefg']) {
    const { error } = await see(poolTo(server.origin), { method: 'POST', headers: ['content-length', '5'], body })
    expect(error).toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' })
  }
})

test('two content-lengths on a request are refused', async () => {
  const server = await rawServer(answering(OK))
  const { error } = await see(poolTo(server.origin), {
    method: 'POST',
    headers: ['content-length', '2', 'Content-Length', '3'],
    body: 'ab',
  })
  expect(error).toMatchObject({ code: 'UND_ERR_INVALID_ARG' })
})

const LENGTHS = { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' }
test.each([
  ['two content-lengths', 'content-length: 2\r\ncontent-length: 3\r\n\r\nabc', LENGTHS],
  ['content-length and transfer-encoding', 'content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n', LENGTHS],
  ['a broken chunk size', 'transfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n', { name: 'HTTPParserError' }],
])('an answer with %s is an error', async (_name, bytes, expected) => {
  const server = await rawServer(answering(`HTTP/1.1 200 OK\r\n${bytes}`))
  const { calls, error } = await see(poolTo(server.origin), {})
  expect(calls.at(-1)).toBe('error')
  expect(error).toMatchObject(expected)
})

test('bytes after the answer end the connection, and belong to no other request', async () => {
  const server = await rawServer(
    answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother'),
  )
  const pool = poolTo(server.origin)
  expect((await see(pool, {})).body).toBe('ok')
  await server.left
  expect((await see(pool, {})).body).toBe('ok')
  expect(server.connections()).toBe(2)
})

test('an answer that is cut short is an error, not an end', async () => {
  const server = await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok'))
  expect(await see(poolTo(server.origin), {})).toMatchObject({ calls: ['start', 'response', 'error'], error: { code: 'UND_ERR_SOCKET' } })
})

test('an answer over maxResponseSize is an error', async () => {
  const server = await rawServer(answering(`HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n${'x'.repeat(100)}`))
  expect((await see(poolTo(server.origin, { maxResponseSize: 10 }), {})).error).toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' })
})

test('abort before the answer began closes the connection', async () => {
  const server = await rawServer(() => undefined)
  const { error } = await see(
    poolTo(server.origin),
    {},
    { onRequestStart: (controller) => void setTimeout(() => controller.abort(new Error('gone')), 50) },
  )
  expect(error?.message).toBe('gone')
  await server.left
})

test('abort amid the answer closes the connection', async () => {
  const server = await rawServer(answering('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin'))
  const { error } = await see(poolTo(server.origin), {}, { onResponseData: (controller) => controller.abort(new Error('gone')) })
  expect(error?.message).toBe('gone')
  await server.left
})

test('pause holds the sender back, and resume lets all of it through', async () => {
  const size = 32 * 1024 * 1024
  let sent = 0
  const server = await rawServer((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    const more = (): void => {
      while (sent < size) {
        sent += 65_536
        if (!socket.write(Buffer.alloc(65_536))) return void socket.once('drain', more)
      }
    }
    more()
  })
  let received = 0
  let whilePaused = -1
  await see(
    poolTo(server.origin),
    {},
    {
      onResponseStart(controller) {
        controller.pause()
        setTimeout(() => {
          whilePaused = sent
          controller.resume()
        }, 300)
      },
      onResponseData: (_controller, chunk) => void (received += chunk.length),
    },
  )
  expect(whilePaused, 'what the sender could hand to two kernels and one buffer').toBeLessThan(16 * 1024 * 1024)
  expect(received).toBe(size)
})

test('bodyTimeout does not fire while paused: a slow reader needs a deadline of its own', async () => {
  const server = await rawServer(answering(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab`))
  const pool = poolTo(server.origin, { bodyTimeout: 200 })
  const waiting = see(pool, {}, { onResponseStart: (controller) => controller.pause() })
  expect(await Promise.race([waiting.then(() => 'ended'), sleep(2_500, 'still open')])).toBe('still open')
})

test('bodyTimeout fires while reading', async () => {
  const server = await rawServer(answering(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab`))
  expect((await see(poolTo(server.origin, { bodyTimeout: 200 }), {})).error).toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' })
})

test('headersTimeout fires while waiting', async () => {
  const server = await rawServer(() => undefined)
  expect((await see(poolTo(server.origin, { headersTimeout: 200 }), {})).error).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
})

test('the queue of a pool has no bound of its own', async () => {
  const server = await rawServer(() => undefined)
  const pool = poolTo(server.origin)
  const all = Array.from({ length: 500 }, () => see(pool, {}))
  await sleep(100)
  expect(pool.stats).toMatchObject({ running: 1, size: 500 })
  await pool.destroy()
  expect((await Promise.all(all)).map(({ calls }) => calls.at(-1))).toStrictEqual(Array.from({ length: 500 }, () => 'error'))
})

test('in compose([a, b]) b runs first', async () => {
  const server = await rawServer(answering(OK))
  const order: string[] = []
  const named =
    (name: string): Dispatcher.DispatcherComposeInterceptor =>
    (dispatch) =>
    (options, handler) => {
      order.push(name)
      return dispatch(options, handler)
    }
  await see(poolTo(server.origin).compose([named('a'), named('b')]), {})
  expect(order).toStrictEqual(['b', 'a'])
})

test('the fetch of Node 26 takes a dispatcher of the package (that of Node 24 refuses it)', async () => {
  const server = await rawServer(answering(OK))
  const agent = new Agent()
  onTestFinished(() => agent.destroy())
  expect(process.versions.undici).toMatch(/^8\./)
  const answer = await fetch(server.origin, { dispatcher: agent } as unknown as RequestInit)
  expect(await answer.text()).toBe('ok')
})
