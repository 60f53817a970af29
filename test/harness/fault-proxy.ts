/**
 * A way over TCP that can be broken while it is in use: it takes connections on loopback and forwards them, and each
 * fault is turned on and off in between. Where bytes were swallowed the connection stays dead after `heal`: its peer is
 * gone, and whoever uses it has to find that out.
 */
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

export interface Faults {
  readonly latencyMs: number
  /** On top of the latency, up to so much; order is kept. */
  readonly jitterMs: number
  readonly bytesPerSecond: number
  /** Nothing is forwarded, no FIN either, and nothing is closed. */
  readonly halfOpen: boolean
  /** Of each connection, so many bytes are forwarded, and then both sides are ended. */
  readonly truncateAfter: number
}
export type Direction = 'toServer' | 'toClient'
/** What becomes of a new connection: `hole` accepts it and never answers. */
export type Arrivals = 'forward' | 'hole' | 'refuse'

export interface FaultProxy {
  readonly port: number
  /** Connections open now, and those ever accepted. */
  readonly open: number
  readonly accepted: number
  set(faults: Partial<Faults>, ...directions: readonly Direction[]): void
  arrivals(what: Arrivals): Promise<void>
  /** Where new connections go from now on, as with an address that moves; those that are open stay where they are. */
  retarget(port: number): void
  /** RST to both sides of all that is open. */
  reset(): void
  heal(): Promise<void>
  close(): Promise<void>
}

const SOUND: Faults = { latencyMs: 0, jitterMs: 0, bytesPerSecond: Infinity, halfOpen: false, truncateAfter: Infinity }
const BOTH: readonly Direction[] = ['toServer', 'toClient']
const MOST_HELD = 262_144

export async function faultProxy(to: { readonly port: number; readonly host?: string }): Promise<FaultProxy> {
  const faults: Record<Direction, Faults> = { toServer: SOUND, toClient: SOUND }
  const sockets = new Set<Socket>()
  let onwardPort = to.port
  let mode: Arrivals = 'forward'
  let accepted = 0
  let server = await listening(0)
  const { port } = server.address() as AddressInfo

  async function listening(on: number): Promise<Server> {
    const made = createServer({ allowHalfOpen: true, noDelay: true }, arrive).listen(on, '127.0.0.1')
    await once(made, 'listening')
    return made
  }
  async function arrivals(what: Arrivals): Promise<void> {
    mode = what
    if (what === 'refuse') server.close()
    else if (!server.listening) server = await listening(port)
  }
  function kept(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  }
  function arrive(client: Socket): void {
    accepted += 1
    kept(client)
    if (mode === 'hole') return void client.resume()
    const onward = connect({ port: onwardPort, host: to.host ?? '127.0.0.1', allowHalfOpen: true, noDelay: true })
    kept(onward)
    stream(client, onward, 'toServer')
    stream(onward, client, 'toClient')
  }
  function stream(from: Socket, into: Socket, direction: Direction): void {
    let forwarded = 0
    let held = 0
    let dead = false
    let due = 0
    let last = Promise.resolve()
    const swallows = (): boolean => (dead ||= faults[direction].halfOpen)
    /** What comes after what is on its way already, and at its time. */
    function later(at: number, work: () => void): void {
      last = last.then(() => until(at)).then(work)
    }
    from.on('data', (chunk: Buffer) => {
      if (swallows()) return
      const { latencyMs, jitterMs, bytesPerSecond } = faults[direction]
      held += chunk.byteLength
      if (held > MOST_HELD) from.pause()
      due = Math.max(due, performance.now() + latencyMs + Math.random() * jitterMs)
      const size = Math.max(1, Math.min(chunk.byteLength, Math.ceil(bytesPerSecond / 20)))
      for (let at = 0; at < chunk.byteLength; at += size) {
        const piece = chunk.subarray(at, at + size)
        due += (piece.byteLength / bytesPerSecond) * 1000
        later(due, () => pass(piece))
      }
    })
    function pass(piece: Buffer): void {
      held -= piece.byteLength
      if (held <= MOST_HELD) from.resume()
      if (swallows()) return
      const left = faults[direction].truncateAfter - forwarded
      const part = piece.subarray(0, Math.max(0, left))
      forwarded += part.byteLength
      if (!into.destroyed && part.byteLength > 0) into.write(part)
      if (left > piece.byteLength) return
      dead = true
      for (const socket of [from, into]) socket.end(() => socket.destroySoon())
    }
    from.once('end', () => later(due, () => void (swallows() || into.end())))
    from.once('close', () => later(due, () => void (swallows() || into.destroySoon())))
  }

  return {
    port,
    get open() {
      return sockets.size
    },
    get accepted() {
      return accepted
    },
    set(changed, ...directions) {
      for (const direction of directions.length === 0 ? BOTH : directions) faults[direction] = { ...faults[direction], ...changed }
    },
    arrivals,
    retarget: (at) => void (onwardPort = at),
    reset() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    async heal() {
      for (const direction of BOTH) faults[direction] = SOUND
      await arrivals('forward')
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

function until(at: number): Promise<void> | undefined {
  const ms = at - performance.now()
  return ms <= 0 ? undefined : new Promise((resolve) => void setTimeout(resolve, ms))
}
