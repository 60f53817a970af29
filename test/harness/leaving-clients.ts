/** Clients on raw sockets of which some leave at a random moment: before, in and behind their request, and in its answer. */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Leaving {
  readonly port: number
  /** Whole requests, one taken after the other. */
  readonly requests: readonly string[]
  readonly count: number
  readonly atOnce: number
  /** Of a hundred, how many leave. */
  readonly percent: number
  /** The latest moment at which one leaves. */
  readonly withinMs: number
  /** At most so many a second; absent, as fast as they go. */
  readonly perSecond?: number
}

/** How many heard a whole answer with status 200, another one, or left. */
export async function leavingClients(wish: Leaving): Promise<{ readonly good: number; readonly other: number; readonly left: number }> {
  const told = { good: 0, other: 0, left: 0 }
  const began = performance.now()
  let taken = 0
  async function one(): Promise<void> {
    for (let i = taken++; i < wish.count; i = taken++) {
      if (wish.perSecond !== undefined) await sleep(Math.max(0, began + (i * 1000) / wish.perSecond - performance.now()))
      told[await oneClient(wish, wish.requests[i % wish.requests.length] ?? '', Math.random() * 100 < wish.percent)] += 1
    }
  }
  await Promise.all(Array.from({ length: wish.atOnce }, one))
  return told
}

function oneClient({ port, withinMs }: Leaving, request: string, leaves: boolean): Promise<'good' | 'other' | 'left'> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve(leaves ? 'left' : text.startsWith('HTTP/1.1 200 ') ? 'good' : 'other'))
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.once('connect', () => {
      if (!leaves) return void socket.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
      // One in five leaves in the middle of its own request.
      const bytes = Math.random() < 0.2 ? Math.floor(Math.random() * request.length) : request.length
      socket.write(request.slice(0, bytes))
      setTimeout(() => socket.destroy(), Math.random() * withinMs)
    })
  })
}
