/** Each fault of the proxy does what it says, one direction at a time, and heals. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { FaultProxy } from '../../harness/fault-proxy.ts'
import { faultProxy } from '../../harness/fault-proxy.ts'

/** A server that says again what it hears, and the proxy before it. */
async function anEcho(): Promise<{ readonly proxy: FaultProxy; readonly heard: () => string; readonly gone: string[] }> {
  let heard = ''
  const gone: string[] = []
  const server = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString()
      socket.write(chunk)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => void gone.push(error.code ?? 'error'))
    socket.on('close', () => void gone.push('close'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await faultProxy({ port: (server.address() as AddressInfo).port })
  onTestFinished(async () => {
    await proxy.close()
    server.close()
  })
  return { proxy, heard: () => heard, gone }
}

interface Line {
  readonly socket: Socket
  said(): string
  /** How it ended: an error's code, or `end`. */
  readonly ended: Promise<string>
  /** Sends, and gives the milliseconds until all of it was back. */
  ask(text: string): Promise<number>
}
async function aLine(proxy: FaultProxy): Promise<Line> {
  const socket = connect(proxy.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let said = ''
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
  })
  await once(socket, 'connect')
  return {
    socket,
    said: () => said,
    ended,
    async ask(text) {
      const [started, before] = [performance.now(), said.length]
      socket.write(text)
      while (said.length < before + text.length) await sleep(1)
      return performance.now() - started
    },
  }
}
const within = <T>(promise: Promise<T>, ms: number): Promise<T | 'nothing'> => Promise.race([promise, sleep(ms, 'nothing' as const)])

test('without a fault it forwards both ways, and an end as well', async () => {
  const { proxy, heard, gone } = await anEcho()
  const line = await aLine(proxy)
  expect(await line.ask('hello')).toBeLessThan(100)
  expect([heard(), line.said(), proxy.open, proxy.accepted]).toStrictEqual(['hello', 'hello', 2, 1])
  line.socket.end()
  expect(await line.ended).toBe('end')
  await sleep(20)
  expect([gone, proxy.open]).toStrictEqual([['close'], 0])
})

test('latency and jitter, in one direction, and bytes keep their order', async () => {
  const { proxy } = await anEcho()
  const line = await aLine(proxy)
  proxy.set({ latencyMs: 80, jitterMs: 30 }, 'toClient')
  const ms = await line.ask('a')
  expect(ms).toBeGreaterThan(75)
  expect(ms).toBeLessThan(250)
  const text = Array.from({ length: 50 }, (_, i) => `${i},`)
  for (const piece of text) {
    line.socket.write(piece)
    await sleep(1)
  }
  await sleep(200)
  expect(line.said()).toBe(`a${text.join('')}`)
  proxy.set({ latencyMs: 0, jitterMs: 0 })
  expect(await line.ask('b')).toBeLessThan(60)
})

test('bandwidth', async () => {
  const { proxy } = await anEcho()
  const line = await aLine(proxy)
  proxy.set({ bytesPerSecond: 20_000 }, 'toServer')
  const ms = await line.ask('x'.repeat(6000))
  expect(ms).toBeGreaterThan(250)
  expect(ms).toBeLessThan(900)
})

test('a reset reaches both sides as one, and the next connection is sound', async () => {
  const { proxy, gone } = await anEcho()
  const line = await aLine(proxy)
  await line.ask('a')
  proxy.reset()
  expect(await line.ended).toBe('ECONNRESET')
  await sleep(20)
  expect(gone).toStrictEqual(['ECONNRESET', 'close'])
  expect(await (await aLine(proxy)).ask('b')).toBeLessThan(100)
})

test('half-open: nothing passes, no end either, and it stays so after it is healed', async () => {
  const { proxy, heard, gone } = await anEcho()
  const line = await aLine(proxy)
  await line.ask('a')
  proxy.set({ halfOpen: true })
  line.socket.write('b')
  line.socket.end()
  expect(await within(line.ended, 100)).toBe('nothing')
  expect([heard(), gone]).toStrictEqual(['a', []])
  await proxy.heal()
  expect(await within(line.ended, 50)).toBe('nothing')
  expect(gone).toStrictEqual([])
  expect(await (await aLine(proxy)).ask('c')).toBeLessThan(100)
})

test('half-open in one direction: the server hears, the client does not', async () => {
  const { proxy, heard } = await anEcho()
  const line = await aLine(proxy)
  proxy.set({ halfOpen: true }, 'toClient')
  line.socket.write('a')
  await sleep(50)
  expect([heard(), line.said()]).toStrictEqual(['a', ''])
})

test('truncated after so many bytes of each connection', async () => {
  const { proxy } = await anEcho()
  proxy.set({ truncateAfter: 4 }, 'toClient')
  for (const text of ['abcdef', 'ghijkl']) {
    const line = await aLine(proxy)
    line.socket.write(text)
    expect(await within(line.ended, 500)).toBe('end')
    expect(line.said()).toBe(text.slice(0, 4))
  }
})

test('a black hole takes a connection and never answers; what was open before goes on', async () => {
  const { proxy, heard } = await anEcho()
  const before = await aLine(proxy)
  await proxy.arrivals('hole')
  const lost = await aLine(proxy)
  lost.socket.write('a')
  expect(await within(lost.ended, 100)).toBe('nothing')
  await before.ask('b')
  expect(heard()).toBe('b')
  await proxy.heal()
  expect(await (await aLine(proxy)).ask('c')).toBeLessThan(100)
  expect(lost.said()).toBe('')
})

test('new connections are refused, those that are open go on, and the port is the same afterwards', async () => {
  const { proxy } = await anEcho()
  const before = await aLine(proxy)
  await proxy.arrivals('refuse')
  await expect(aLine(proxy)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await before.ask('a')
  await proxy.heal()
  await (await aLine(proxy)).ask('b')
})
