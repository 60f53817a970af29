/**
 * WebSocket on an open route: the handshake is the gate's own on both sides, then bytes pass until one side closes,
 * nothing has passed for a while, or the gate stops.
 *
 * http-proxy-3 writes every header of the portal to the client's socket, and any other answer than a 101 as well, without
 * end or back-pressure. So it never gets that socket, but one end of a pair; and what it writes there it was given by the
 * listeners below, which Node calls before its own.
 */
import { createHash } from 'node:crypto'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { duplexPair, Transform } from 'node:stream'
import type { ProxyServer } from 'http-proxy-3'
import type { Ended } from './carrier.ts'
import { isLate, requestOf } from './carrier.ts'
import { upgradeHeaders } from './headers.ts'
import type { OpenRoute } from './route.ts'

export interface Handshake {
  readonly target: string
  readonly key: string
  readonly subprotocols: readonly string[]
  readonly message: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** `refused`: the portal gave no 101, or not to this handshake. */
export type SocketEnded = Ended | 'refused' | 'idle'

export interface Sockets {
  readonly open: number
  /** Before the 101 has gone to the client, `ended` leaves its socket open: the caller says why not. */
  begin(handshake: Handshake, onEnd: (ended: SocketEnded, bytes: number, answered: boolean) => void): void
  stop(): void
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64')
}

const HANG_UP_MS = 2000

/** Lets what was written go out; a client that takes nothing of it is not waited for, because the stop of the gate would be. */
export function hangUp(socket: Duplex): void {
  const late = setTimeout(() => socket.destroy(), HANG_UP_MS)
  socket.once('close', () => clearTimeout(late))
  socket.end(() => socket.destroy())
}

export function socketsOn(route: OpenRoute, proxy: ProxyServer): Sockets {
  const began = new WeakMap<IncomingMessage, (outgoing: ClientRequest) => void>()
  const running = new Set<(ended: SocketEnded) => void>()
  proxy.on('proxyReqWs', (outgoing, request) => began.get(request)?.(outgoing))
  const { host } = new URL(route.url)
  return {
    get open() {
      return running.size
    },
    begin(handshake, onEnd) {
      const { message, socket, head, key, subprotocols, target } = handshake
      const [front, back] = duplexPair()
      const counted = { bytes: 0 }
      let outgoing: ClientRequest | undefined
      let portal: Duplex | undefined
      let answered = false
      let timer = setTimeout(() => end('timeout'), route.timeouts.headersSeconds * 1000)
      const end = (ended: SocketEnded): void => {
        if (!running.delete(end)) return
        clearTimeout(timer)
        outgoing?.destroy()
        // After the 101 the request has let go of it, and the package would only half-close it.
        portal?.destroy()
        socket.unpipe()
        for (const side of [front, back]) side.destroy()
        if (answered) hangUp(socket)
        onEnd(ended, counted.bytes, answered)
      }
      running.add(end)
      const pass = (): Transform =>
        new Transform({
          transform(chunk: Buffer, _encoding, done) {
            counted.bytes += chunk.byteLength
            // What a client sends before it may does not prolong the handshake.
            if (answered) timer.refresh()
            done(null, chunk)
          },
        })
      socket.on('end', () => end('left'))
      socket.on('close', () => end('left'))
      for (const side of [front, back]) side.on('error', () => end('broken'))
      const request = requestOf(message, target, upgradeHeaders(host, key, subprotocols))
      began.set(request, (started) => {
        outgoing = started
        started.once('response', () => end('refused'))
        started.once('upgrade', (answer, upstream) => {
          portal = upstream
          if (!running.has(end)) return void upstream.destroy()
          if (!agrees(answer, handshake)) return end('refused')
          answer.headers = handshakeOf(answer)
          answered = true
          clearTimeout(timer)
          timer = setTimeout(() => end('idle'), route.timeouts.idleSeconds * 1000)
        })
      })
      // From now on, because only a socket that is read tells that its client has left.
      socket.pipe(pass()).pipe(back)
      const answers = back.pipe(pass())
      answers.once('end', () => end('passed'))
      answers.pipe(socket)
      try {
        proxy.ws(request, Object.assign(front, socketLike(front)), head, {}, (error: Error & { code?: string }) =>
          end(answered ? 'broken' : isLate(error) ? 'timeout' : 'down'),
        )
      } catch {
        end('down')
      }
    },
    stop() {
      for (const end of running) end('stopped')
    },
  }
}

/** Of a socket, what the package calls; there is nothing here that they could set. */
function socketLike(side: Duplex) {
  return { setTimeout: () => side, setNoDelay: () => side, setKeepAlive: () => side, destroySoon: () => side.destroy() }
}

/** RFC 6455 § 4.1: the portal accepted this very handshake, and chose nothing that was not proposed. */
function agrees({ headers }: IncomingMessage, { key, subprotocols }: Handshake): boolean {
  const chosen = headers['sec-websocket-protocol']
  return (
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-accept'] === acceptOf(key) &&
    headers['sec-websocket-extensions'] === undefined &&
    (chosen === undefined || subprotocols.includes(chosen))
  )
}

function handshakeOf({ headers }: IncomingMessage): Record<string, string> {
  const { 'sec-websocket-accept': accept = '', 'sec-websocket-protocol': chosen } = headers
  return {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-accept': accept,
    ...(chosen !== undefined && { 'sec-websocket-protocol': chosen }),
  }
}
