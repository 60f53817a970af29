/**
 * The load of the benchmark, as a process that its parent commands over IPC: closed loop (as fast as the subject
 * answers), open loop (at a rate, whatever the subject does) and slow readers. Raw sockets and the least reading of an
 * answer that finds its end, so that the load costs less than what it measures.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A request: a GET of the target, or a POST where there is a body. */
export interface Ask {
  readonly target: string
  readonly post?: { readonly headers: Readonly<Record<string, string>>; readonly body: string }
}
export interface Target {
  readonly port: number
  readonly asks: readonly Ask[]
  readonly token: string
}
export type Order =
  | { readonly is: 'closed'; readonly target: Target; readonly connections: number; readonly seconds: number }
  | { readonly is: 'open'; readonly target: Target; readonly perSecond: number; readonly seconds: number }
  | { readonly is: 'slow'; readonly target: Target; readonly readers: number; readonly bytesPerSecond: number; readonly seconds: number }
export interface Told {
  readonly requests: number
  /** Answers that were not 200, and connections that broke. */
  readonly failures: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly bytes: number
}

interface Line {
  /** Sends one request; resolves at the last byte of its answer, with whether it was a 200. */
  ask(): Promise<boolean>
  readonly socket: Socket
}

process.on('message', (order: Order) => {
  const work = order.is === 'closed' ? closedLoop(order) : order.is === 'open' ? openLoop(order) : slowReaders(order)
  work.then(
    (told) => process.send?.(told),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})

async function closedLoop({ target, connections, seconds }: Extract<Order, { is: 'closed' }>): Promise<Told> {
  const next = requestsOf(target)
  const waits: number[] = []
  let failures = 0
  const started = performance.now()
  const end = started + seconds * 1000
  async function one(): Promise<void> {
    let line = await lineTo(target.port, next)
    while (performance.now() < end) {
      const sent = performance.now()
      const good = await line.ask()
      waits.push(performance.now() - sent)
      if (good) continue
      failures += 1
      if (line.socket.destroyed) line = await lineTo(target.port, next)
    }
    line.socket.destroy()
  }
  await Promise.all(Array.from({ length: connections }, one))
  return told(waits, failures, started, 0)
}

/** Each request has its moment, kept to whatever came before it; its wait counts from that moment. */
async function openLoop({ target, perSecond, seconds }: Extract<Order, { is: 'open' }>): Promise<Told> {
  const next = requestsOf(target)
  const idle = await Promise.all(Array.from({ length: 64 }, () => lineTo(target.port, next)))
  const all = new Set(idle)
  const waits: number[] = []
  let failures = 0
  let open = 0
  const started = performance.now()
  const total = Math.round(perSecond * seconds)
  async function one(due: number): Promise<void> {
    open += 1
    const line = idle.pop() ?? (await lineTo(target.port, next))
    all.add(line)
    const good = await line.ask()
    waits.push(performance.now() - due)
    open -= 1
    if (!good) failures += 1
    if (line.socket.destroyed) all.delete(line)
    else idle.push(line)
  }
  for (let i = 0; i < total;) {
    const now = performance.now()
    for (; i < total && started + (i * 1000) / perSecond <= now; i += 1) void one(started + (i * 1000) / perSecond)
    await sleep(1)
  }
  for (let waited = 0; open > 0 && waited < 10_000; waited += 10) await sleep(10)
  failures += open
  for (const { socket } of all) socket.destroy()
  return told(waits, failures, started, 0)
}

/** Readers that take so many bytes a second of a long answer, and no more. */
async function slowReaders({ target, readers, bytesPerSecond, seconds }: Extract<Order, { is: 'slow' }>): Promise<Told> {
  const next = requestsOf(target)
  const started = performance.now()
  let bytes = 0
  let failures = 0
  let ended = 0
  const sockets = await Promise.all(Array.from({ length: readers }, () => connected(target.port)))
  for (const socket of sockets) {
    let taken = 0
    let first = true
    socket.on('data', (chunk: Buffer) => {
      if (first && !chunk.subarray(0, 12).equals(OK)) failures += 1
      first = false
      bytes += chunk.byteLength
      taken += chunk.byteLength
      const ahead = (taken / bytesPerSecond) * 1000 - (performance.now() - started)
      if (ahead <= 5) return
      socket.pause()
      setTimeout(() => socket.resume(), ahead)
    })
    socket.once('close', () => (ended += 1))
    // Closing after this one answer is how its end is seen.
    socket.write(next().replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  }
  while (ended < readers && performance.now() - started < seconds * 1000) await sleep(50)
  for (const socket of sockets) socket.destroy()
  return { ...told([], failures, started, bytes), requests: ended }
}

function told(waits: readonly number[], failures: number, started: number, bytes: number): Told {
  const sorted = Float64Array.from(waits).toSorted()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const seconds = (performance.now() - started) / 1000
  return { requests: waits.length, failures, seconds, p50: at(0.5), p99: at(0.99), bytes }
}

function requestsOf({ asks, token }: Target): () => string {
  const requests = asks.map(({ target, post }) => {
    const sent = post ? { ...post.headers, 'Content-Length': String(Buffer.byteLength(post.body)) } : {}
    const headers = Object.entries({ Host: 'gate', Authorization: `Bearer ${token}`, ...sent }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    return `${post ? 'POST' : 'GET'} ${target} HTTP/1.1\r\n${headers.join('')}\r\n${post?.body ?? ''}`
  })
  let i = 0
  return () => requests[(i += 1) % requests.length] ?? ''
}

const OK = Buffer.from('HTTP/1.1 200')

async function lineTo(port: number, next: () => string): Promise<Line> {
  const socket = await connected(port)
  let wake: ((good: boolean) => void) | undefined
  let left = -1
  let head: Buffer | undefined
  let good = false
  const done = (result: boolean): void => {
    const waiting = wake
    wake = undefined
    waiting?.(result)
  }
  socket.on('data', (chunk: Buffer) => {
    let bytes = chunk
    if (left < 0) {
      bytes = head ? Buffer.concat([head, chunk]) : chunk
      const end = bytes.indexOf('\r\n\r\n')
      if (end < 0) {
        head = bytes
        return
      }
      head = undefined
      good = bytes.subarray(0, 12).equals(OK)
      const length = /content-length: *(\d+)/i.exec(bytes.toString('latin1', 0, end))
      if (!length) return void socket.destroy()
      left = Number(length[1])
      bytes = bytes.subarray(end + 4)
    }
    left -= bytes.byteLength
    if (left > 0) return
    left = -1
    done(good)
  })
  socket.once('close', () => done(false))
  return {
    socket,
    ask: () =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve(false)
        wake = resolve
        socket.write(next(), 'latin1')
      }),
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => socket.destroy())
  return socket
}
