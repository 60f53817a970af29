/** The listener alone, with handlers of the test's own: what one connection may make the gate do at once, and hold. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { Listener } from '../../../src/gateway/listener.ts'
import { listen } from '../../../src/gateway/listener.ts'
import type { Wire } from '../../harness/wire.ts'
import { wire } from '../../harness/wire.ts'

interface Standing {
  readonly listener: Listener
  readonly unparsed: () => number
  readonly line: Wire
}
async function standing(onRequest: (message: IncomingMessage, res: ServerResponse) => void): Promise<Standing> {
  let unparsed = 0
  const limits = { headerBytes: 16_384, headersSeconds: 1, requestSeconds: 1, maxConnections: 100 }
  const listener = await listen({ address: '127.0.0.1', port: 0, idleSeconds: 75, limits }, onRequest, () => (unparsed += 1))
  const line = await wire(listener.port)
  onTestFinished(async () => {
    line.end()
    await listener.stop(100)
  })
  return { listener, unparsed: () => unparsed, line }
}
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const say = (res: ServerResponse, text: string): void => void res.end(text)

test('of requests sent ahead one is handled at a time, in their order', async () => {
  const begun: string[] = []
  const waiting: ServerResponse[] = []
  const { line } = await standing((message, res) => {
    begun.push(message.url ?? '')
    waiting.push(res)
  })
  line.send(get('/1') + get('/2') + get('/3'))
  await sleep(100)
  expect(begun).toStrictEqual(['/1'])
  for (const path of ['/1', '/2', '/3']) {
    await expect.poll(() => begun.at(-1)).toBe(path)
    say(waiting.at(-1) as ServerResponse, path)
    expect((await line.next()).body).toBe(path)
  }
})

test('eight wait, and one more ends the connection', async () => {
  const begun: string[] = []
  const { line, unparsed } = await standing((message) => void begun.push(message.url ?? ''))
  line.send(get('/').repeat(9))
  await sleep(100)
  expect([begun.length, line.socket.closed]).toStrictEqual([1, false])
  line.send(get('/'))
  await line.closed()
  expect([begun.length, unparsed(), line.rest()]).toStrictEqual([1, 1, ''])
})

test('those that wait are dropped with their connection', async () => {
  const begun: string[] = []
  const closed: string[] = []
  const { line } = await standing((message, res) => {
    begun.push(message.url ?? '')
    res.once('close', () => closed.push(message.url ?? ''))
  })
  line.send(get('/1') + get('/2'))
  await sleep(100)
  line.socket.resetAndDestroy()
  await expect.poll(() => closed).toStrictEqual(['/1'])
  await sleep(50)
  expect(begun).toStrictEqual(['/1'])
})

test('what is behind an answer that ends its connection is not handled', async () => {
  const begun: string[] = []
  const { line } = await standing((message, res) => {
    begun.push(message.url ?? '')
    res.writeHead(400, ['Connection', 'close', 'Content-Length', '0']).end()
  })
  line.send(get('/1') + get('/2'))
  expect((await line.next()).status).toBe(400)
  await line.closed()
  expect([begun, line.rest()]).toStrictEqual([['/1'], ''])
})

test('a parse error waits for the answers that are owed, writes nothing in their place, and is counted once', async () => {
  const { line, unparsed } = await standing((message, res) => void setTimeout(() => say(res, message.url ?? ''), 50))
  line.send(`${get('/1')}${get('/2')}nonsense\r\n\r\n`)
  expect((await line.next()).body).toBe('/1')
  expect((await line.next()).body).toBe('/2')
  await line.closed()
  expect([line.rest(), unparsed()]).toStrictEqual(['', 1])
})

test('a connection that breaks is no request that could not be parsed', async () => {
  const { line, unparsed } = await standing(() => undefined)
  line.send('GET / HT')
  await sleep(50)
  line.socket.resetAndDestroy()
  await sleep(50)
  expect(unparsed()).toBe(0)
})

test('a tunnel is refused, and a client that resets in that very moment harms nobody', async () => {
  const faults: unknown[] = []
  const onFault = (error: unknown): void => void faults.push(error)
  process.on('uncaughtException', onFault)
  onTestFinished(() => void process.off('uncaughtException', onFault))
  let resets = false
  const limits = { headerBytes: 16_384, headersSeconds: 1, requestSeconds: 1, maxConnections: 100 }
  const lines: Wire[] = []
  const listener = await listen(
    { address: '127.0.0.1', port: 0, idleSeconds: 75, limits },
    (_m, res) => say(res, 'ok'),
    () => {
      if (resets) lines.at(-1)?.socket.resetAndDestroy()
    },
  )
  onTestFinished(() => listener.stop(100))
  for (resets of [false, true]) {
    lines.push(await wire(listener.port))
    lines.at(-1)?.send('CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n')
    await lines.at(-1)?.closed()
  }
  expect(lines[0]?.rest()).toMatch(/^HTTP\/1\.1 405 /)
  await sleep(50)
  expect(faults).toStrictEqual([])
  const next = await wire(listener.port)
  next.send(get('/'))
  expect((await next.next()).body).toBe('ok')
  next.end()
})

test('an answer that is finished and not taken is given up after its time', async () => {
  let closed = false
  const { line } = await standing((_message, res) => {
    res.once('close', () => (closed = true))
    // More than both sockets hold.
    res.end(Buffer.alloc(32_000_000))
  })
  line.socket.pause()
  line.send(get('/'))
  await sleep(500)
  expect(closed).toBe(false)
  await expect.poll(() => closed, { timeout: 5000 }).toBe(true)
})

test('an answer that takes its time to come is waited for', async () => {
  const { line } = await standing((_message, res) => void setTimeout(() => say(res, 'late'), 2500))
  line.send(get('/'))
  expect((await line.next()).body).toBe('late')
  line.send(get('/'))
  expect((await line.next()).body).toBe('late')
})

test('a stop lets what is under way finish, and idle connections go at once', async () => {
  const { listener, line } = await standing((_message, res) => void setTimeout(() => say(res, 'done'), 200))
  const idle = await wire(listener.port)
  line.send(get('/'))
  await sleep(50)
  const stopped = listener.stop(5000)
  await idle.closed(1000)
  expect((await line.next()).body).toBe('done')
  line.end()
  await stopped
})
