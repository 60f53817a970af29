/** The proxy of the fault tests does what each of its faults says, and nothing once it is healed. */
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FaultProxy } from '../../harness/fault-proxy.ts'
import { faultProxy } from '../../harness/fault-proxy.ts'

let echo: Server
let proxy: FaultProxy
const sockets: Socket[] = []
beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await faultProxy((echo.address() as AddressInfo).port)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await proxy.close()
  echo.close()
})

async function client(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}
function closedOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
/** What comes back of a text, and after how many milliseconds; undefined after `within`. */
async function echoed(socket: Socket, text: string, within = 300): Promise<{ readonly text: string; readonly ms: number } | undefined> {
  const began = performance.now()
  let got = ''
  const take = (chunk: Buffer): void => void (got += chunk.toString())
  socket.on('data', take)
  socket.write(text)
  while (got.length < text.length && performance.now() - began < within && !socket.destroyed) await sleep(2)
  socket.off('data', take)
  return got === text ? { text: got, ms: performance.now() - began } : undefined
}

test('without a fault everything passes, both ways and in order', async () => {
  const socket = await client()
  const long = 'x'.repeat(200_000)
  expect(await echoed(socket, long, 3000)).toMatchObject({ text: long })
  expect(proxy.open).toBe(1)
})

test('latency holds each piece up, each way, and keeps their order', async () => {
  const socket = await client()
  proxy.set({ latencyMs: 30, jitterMs: 20 })
  const text = Array.from({ length: 20 }, (_, i) => `${i},`).join('')
  const got = await echoed(socket, text, 3000)
  expect(got?.ms).toBeGreaterThanOrEqual(60)
})

test('bandwidth is not exceeded', async () => {
  const socket = await client()
  proxy.set({ bandwidth: 100_000 })
  const got = await echoed(socket, 'x'.repeat(20_000), 5000)
  expect(got?.ms).toBeGreaterThan(190)
})

test('a truncated answer ends in a reset after exactly so many bytes', async () => {
  proxy.set({ truncateAfter: 10 })
  const socket = await client()
  let got = ''
  socket.on('data', (chunk: Buffer) => void (got += chunk.toString()))
  socket.write('0123456789abcdef')
  await closedOf(socket)
  expect(got.length).toBeLessThanOrEqual(10)
})

test('a black hole takes everything and says nothing, also to connections that are new', async () => {
  const socket = await client()
  proxy.set({ blackHole: true })
  expect(await echoed(socket, 'lost')).toBeUndefined()
  expect(await echoed(await client(), 'lost')).toBeUndefined()
  expect(socket.destroyed).toBe(false)
  proxy.heal()
  expect(await echoed(await client(), 'here')).toMatchObject({ text: 'here' })
})

test('half open, the client speaks and is not answered, and does not hear that the server ended', async () => {
  const heard: string[] = []
  echo.on('connection', (socket: Socket) => socket.on('data', (chunk: Buffer) => void heard.push(chunk.toString())))
  const socket = await client()
  await echoed(socket, 'first')
  proxy.set({ halfOpen: true })
  expect(await echoed(socket, 'second')).toBeUndefined()
  expect(heard.join('')).toBe('firstsecond')
  expect(socket.destroyed).toBe(false)
})

test('reset ends what is open; refuse what comes', async () => {
  const socket = await client()
  const closed = closedOf(socket)
  proxy.reset()
  await closed
  proxy.set({ refuse: true })
  const other = connect(proxy.port, '127.0.0.1')
  other.on('error', () => undefined)
  await closedOf(other)
  proxy.heal()
  expect(await echoed(await client(), 'again')).toMatchObject({ text: 'again' })
})
