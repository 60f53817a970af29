/** What a client gets: small answers in one piece, long ones as they come, and a cut that never looks whole. */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { ClientStream } from '../../../src/gateway/client-stream.ts'
import { clientStream } from '../../../src/gateway/client-stream.ts'
import { listen } from '../../../src/gateway/listener.ts'
import type { Wire } from '../../harness/wire.ts'
import { headerOf, wire } from '../../harness/wire.ts'

async function streamed(closing = false): Promise<{ readonly line: Wire; readonly stream: ClientStream; readonly res: ServerResponse }> {
  const limits = { headerBytes: 16_384, headersSeconds: 10, requestSeconds: 10, maxConnections: 10 }
  const met = Promise.withResolvers<ServerResponse>()
  const listener = await listen(
    { address: '127.0.0.1', port: 0, idleSeconds: 75, limits },
    (_m, res) => met.resolve(res),
    () => undefined,
  )
  const line = await wire(listener.port)
  line.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const res = await met.promise
  onTestFinished(async () => {
    line.end()
    await listener.stop(100)
  })
  return { line, res, stream: clientStream(res, [['X-Given', 'a']], () => closing) }
}

test('a short answer is held, and goes out in one piece with its length', async () => {
  const { line, stream } = await streamed()
  stream.push(['{"é":', '1'])
  await sleep(50)
  expect([stream.started, line.rest()]).toStrictEqual([false, ''])
  stream.last(['}'])
  stream.finish()
  const told = await line.next()
  expect([told.status, headerOf(told, 'x-given'), headerOf(told, 'content-length'), headerOf(told, 'transfer-encoding')]).toStrictEqual([
    200,
    'a',
    '8',
    undefined,
  ])
  expect(Buffer.from(told.body, 'latin1').toString('utf8')).toBe('{"é":1}')
  expect(stream.bytes).toBe(8)
  expect(stream.digest()).toBe(createHash('sha256').update('{"é":1}').digest('base64url'))
})

test('a long one is streamed, counted and digested as it went', async () => {
  const { line, stream } = await streamed()
  const pieces = Array.from({ length: 50 }, (_, i) => String(i).padStart(4000, 'é'))
  for (const each of pieces) stream.push([each])
  expect(stream.started).toBe(true)
  stream.last(['end'])
  stream.finish()
  const told = await line.next()
  const whole = `${pieces.join('')}end`
  expect(headerOf(told, 'transfer-encoding')).toBe('chunked')
  expect(Buffer.from(told.body, 'latin1').toString('utf8')).toBe(whole)
  expect([stream.bytes, stream.digest()]).toStrictEqual([Buffer.byteLength(whole), createHash('sha256').update(whole).digest('base64url')])
})

test('exactly 64 KB are held still, one byte more is not', async () => {
  const { stream } = await streamed()
  stream.push(['x'.repeat(65_536)])
  expect(stream.started).toBe(false)
  stream.push(['x'])
  expect(stream.started).toBe(true)
})

test('the last bytes wait to be released', async () => {
  const { line, stream } = await streamed()
  stream.push(['x'.repeat(70_000)])
  stream.last(['end'])
  await sleep(50)
  expect(line.rest()).not.toContain('end')
  stream.finish()
  expect((await line.next()).body.endsWith('xend')).toBe(true)
})

test('a cut answer has no last chunk', async () => {
  const { line, stream } = await streamed()
  stream.push(['x'.repeat(70_000)])
  await sleep(50)
  stream.cut()
  await line.closed()
  expect(line.rest()).toContain('Transfer-Encoding: chunked')
  expect(line.rest()).not.toMatch(/\r\n0\r\n/)
})

test('a client that reads slowly is told of as full, and listeners do not pile up on a thousand pauses', async () => {
  const { line, stream, res } = await streamed()
  line.socket.pause()
  const before = res.listenerCount('close')
  while (!stream.full) stream.push(['x'.repeat(100_000)])
  let resumed = 0
  for (let i = 0; i < 1000; i += 1) {
    stream.onDrain(() => (resumed += 1))
    res.emit('drain')
  }
  expect(resumed).toBe(1000)
  expect([res.listenerCount('close'), res.listenerCount('drain')]).toStrictEqual([before, 0])
})

test('one that leaves while the stream is full sets it free', async () => {
  const { line, stream } = await streamed()
  line.socket.pause()
  while (!stream.full) stream.push(['x'.repeat(100_000)])
  let resumed = 0
  stream.onDrain(() => (resumed += 1))
  line.socket.resetAndDestroy()
  await expect.poll(() => resumed).toBe(1)
  expect(stream.full).toBe(false)
})

test('a gate that is about to stop says so', async () => {
  const { line, stream } = await streamed(true)
  stream.last(['{}'])
  stream.finish()
  expect(headerOf(await line.next(), 'connection')).toBe('close')
})
