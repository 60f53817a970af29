/**
 * What the cache leans on in ioredis 6: with these options a lost Redis is an error at once, never a wait.
 * The peers are ports of loopback: one closed, one that answers RESP by script, one that never answers.
 * Source: https://github.com/redis/ioredis, https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { closedPort, rawServer } from './given.ts'

/** Its own types let `replyMapping` be undefined in the options and not in the constructor. */
type Options = Omit<RedisOptions, 'replyMapping'>

const DECISIONS: Options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 150,
  connectTimeout: 500,
  protocol: 2,
  enableReadyCheck: false,
  disableClientInfo: true,
  retryStrategy: (n) => Math.min(50 * 2 ** Math.min(n, 6), 2000),
}

function client(port: number, options: Options = {}): { readonly redis: Redis; readonly errors: string[] } {
  const redis = new Redis({ host: '127.0.0.1', port, ...DECISIONS, ...options })
  const errors: string[] = []
  redis.on('error', (error: Error) => void errors.push(error.message))
  onTestFinished(() => redis.disconnect())
  return { redis, errors }
}

/** Answers every command with this reply, whichever commands come in one piece. */
const replying = (reply: string) => (socket: { write(text: string): unknown }, received: string) => {
  const last = received.split(/(?=\*\d+\r\n\$)/).length - answered(socket)
  for (let i = 0; i < last; i++) socket.write(reply)
  counts.set(socket, answered(socket) + last)
}
const counts = new WeakMap<object, number>()
const answered = (socket: object): number => counts.get(socket) ?? 0

test('with the offline queue off, a command before the connection is ready fails at once, with a text and no code', async () => {
  const { redis } = client(await closedPort())
  const started = performance.now()
  await expect(redis.connect()).rejects.toThrow(/ECONNREFUSED|Connection is closed/)
  await expect(redis.get('k')).rejects.toMatchObject({ message: "Stream isn't writeable and enableOfflineQueue options is false" })
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('connect() to a closed port rejects, and must be caught', async () => {
  const { redis, errors } = client(await closedPort())
  await expect(redis.connect()).rejects.toThrow(/ECONNREFUSED|Connection is closed/)
  expect(errors.join()).toContain('ECONNREFUSED')
})

test('a command that is not answered fails at commandTimeout, and the socket stays', async () => {
  const server = await rawServer(() => undefined)
  const { redis } = client(server.port)
  await redis.connect()
  await expect(redis.get('k')).rejects.toThrow('Command timed out')
  expect(redis.status).toBe('ready')
  expect(await Promise.race([server.left.then(() => 'left'), sleep(100, 'stays')])).toBe('stays')
})

test('a retryStrategy that gives no number ends the client for ever', async () => {
  const { redis } = client(await closedPort(), { retryStrategy: () => null })
  const ended = new Promise((resolve) => redis.once('end', () => resolve(undefined)))
  await expect(redis.connect()).rejects.toThrow(/ECONNREFUSED|Connection is closed/)
  await ended
  expect(redis.status).toBe('end')
})

test('values are text, a missing key is null, and an error reply is an error: the three differ', async () => {
  const present = client((await rawServer(replying('$1\r\n1\r\n'))).port).redis
  const missing = client((await rawServer(replying('$-1\r\n'))).port).redis
  const loading = client((await rawServer(replying('-LOADING Redis is loading the dataset in memory\r\n'))).port).redis
  for (const redis of [present, missing, loading]) await redis.connect()
  expect(await present.get('k')).toBe('1')
  expect(await missing.get('k')).toBeNull()
  await expect(loading.get('k')).rejects.toThrow('LOADING')
})

test('a lost connection fails what is under way, and is opened again', async () => {
  let cut = false
  const server = await rawServer((socket, received) => {
    if (!received.includes('GET') && !received.includes('get')) return
    if (cut) socket.write('$2\r\nok\r\n')
    else {
      cut = true
      socket.destroy()
    }
  })
  const { redis } = client(server.port)
  await redis.connect()
  await expect(redis.get('k')).rejects.toThrow(/retries per request|closed/)
  await once(redis, 'ready')
  expect(await redis.get('k')).toBe('ok')
  expect(server.connections()).toBe(2)
})

test.each([
  [true, 1],
  [false, 0],
])('a channel that is subscribed again by itself (%s) and cut meanwhile rejects a promise of nobody', async (autoResubscribe, expected) => {
  let subscribed = 0
  const server = await rawServer((socket, received) => {
    if (!/subscribe/i.test(received)) return
    subscribed += 1
    if (subscribed === 1) socket.write('*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n', () => setTimeout(() => socket.destroy(), 20))
    else socket.destroy()
  })
  const unhandled: unknown[] = []
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (reason) => void unhandled.push(reason))
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection')
    for (const other of others) process.on('unhandledRejection', other)
  })
  const { redis } = client(server.port, { autoResubscribe, autoResendUnfulfilledCommands: false, commandTimeout: 2000 })
  await redis.connect()
  await redis.subscribe('ch')
  await once(redis, 'ready')
  await sleep(100)
  redis.disconnect()
  await sleep(20)
  expect(Math.min(unhandled.length, 1)).toBe(expected)
})

test('without options of ours a command waits for a server that is down', async () => {
  const redis = new Redis({ host: '127.0.0.1', port: await closedPort() })
  onTestFinished(() => redis.disconnect())
  redis.on('error', () => undefined)
  const answer = redis.get('k').then(
    () => 'answered',
    () => 'failed',
  )
  expect(await Promise.race([answer, sleep(1_500, 'waits')])).toBe('waits')
})
