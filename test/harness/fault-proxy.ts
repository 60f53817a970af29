/**
 * A TCP proxy that misbehaves on demand, between two programs of a test: late, slow, cut in the middle, silent, half open
 * or refusing. What it does can change while connections are open, and holds for those that are.
 */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

export interface Fault {
  /** Each piece comes so many milliseconds later, and up to `jitterMs` more; order stays. */
  readonly latencyMs?: number
  readonly jitterMs?: number
  /** Bytes a second, each way. */
  readonly bandwidth?: number
  /** After so many bytes from the server the connection is reset. */
  readonly truncateAfter?: number
  /** Nothing passes any more, either way, and nobody is told: the peer that vanished. */
  readonly blackHole?: boolean
  /** What the server sends, and that it ends, does not come; what the client sends does. */
  readonly halfOpen?: boolean
  /** New connections are reset. */
  readonly refuse?: boolean
}

export interface FaultProxy {
  readonly port: number
  /** Connections open now. */
  readonly open: number
  set(fault: Fault): void
  /** Everything passes again; connections that were swallowed stay as dead as they are. */
  heal(): void
  /** Resets all connections that are open. */
  reset(): void
  close(): Promise<void>
}

export async function faultProxy(targetPort: number, host = '127.0.0.1'): Promise<FaultProxy> {
  let fault: Fault = {}
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  const listener = createServer((client) => {
    if (fault.refuse === true) return void client.resetAndDestroy()
    const server = connect(targetPort, host)
    const pair = { client, server }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => (swallows() ? undefined : end()))
    }
    pipe(client, server, false, () => fault.blackHole === true, end)
    pipe(server, client, true, swallows, end)
  })
  const swallows = (): boolean => fault.blackHole === true || fault.halfOpen === true

  function pipe(from: Socket, to: Socket, isAnswer: boolean, swallowed: () => boolean, end: () => void): void {
    let passed = 0
    /** When the last piece was let go: none overtakes another. */
    let free = performance.now()
    from.on('data', (chunk: Buffer) => {
      if (swallowed()) return
      const { truncateAfter, latencyMs = 0, jitterMs = 0, bandwidth } = fault
      if (truncateAfter !== undefined && isAnswer && passed + chunk.byteLength > truncateAfter) {
        to.write(chunk.subarray(0, Math.max(0, truncateAfter - passed)))
        to.resetAndDestroy()
        return end()
      }
      passed += chunk.byteLength
      const now = performance.now()
      const wire = bandwidth === undefined ? 0 : (chunk.byteLength / bandwidth) * 1000
      free = Math.max(free, now + latencyMs + Math.random() * jitterMs) + wire
      if (free <= now) to.write(chunk)
      else {
        from.pause()
        setTimeout(() => {
          if (!swallowed() && !to.destroyed) to.write(chunk)
          from.resume()
        }, free - now)
      }
    })
    from.on('close', () => {
      if (!swallowed()) end()
    })
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  return {
    port,
    get open() {
      return pairs.size
    },
    set: (next) => {
      fault = next
    },
    heal() {
      fault = {}
    },
    reset() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy()
        server.destroy()
      }
      pairs.clear()
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      const closed = once(listener, 'close')
      listener.close()
      await closed
    },
  }
}
