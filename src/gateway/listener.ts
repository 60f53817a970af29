/**
 * The HTTP(S) server in front of the pipeline: limits on everything a stranger can use up, connections kept long
 * enough for slow pollers, certificates reloaded in place, and a stop that finishes what it began.
 *
 * node:http parses; what it accepts and a gate must not, `canonical.ts` refuses.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ListenerSettings {
  readonly address: string
  readonly port: number
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCertificates?: boolean } | undefined
  readonly idleSeconds: number
  readonly limits: {
    readonly headerBytes: number
    readonly headersSeconds: number
    readonly requestSeconds: number
    readonly maxConnections: number
  }
}

export interface Listener {
  readonly port: number
  readonly url: string
  reloadCertificate(): void
  /** Takes no more connections, where others listen on the same socket; those that are there are served until `stop`. */
  leave(): void
  /** Lets requests under way finish for at most `graceMs`, then cuts. The socket listens until then. */
  stop(graceMs: number): Promise<void>
}

/**
 * What is owed on one connection. Requests sent ahead are handled one after the other, so that nothing hidden behind a
 * request that ends the connection is ever looked at, and nobody fills the queue of the journal from one socket.
 */
interface Line {
  busy: boolean
  readonly waiting: (() => void)[]
  /** What came after the requests in line could not be parsed: they are answered, then the connection ends. */
  broken: boolean
}
/** Which requests may change the protocol, and who goes on with their sockets. Any other wish to change is not heard. */
export interface Upgrades {
  wanted(message: IncomingMessage): boolean
  take(message: IncomingMessage, socket: Duplex, head: Buffer): void
}
/** No client known sends ahead at all; what waits here costs memory. */
const MOST_AHEAD = 8

export function listen(
  settings: ListenerSettings,
  onRequest: (message: IncomingMessage, res: ServerResponse) => void,
  onUnparsed: () => void,
  upgrades?: Upgrades,
): Promise<Listener> {
  const options: ServerOptions = {
    maxHeaderSize: settings.limits.headerBytes,
    headersTimeout: settings.limits.headersSeconds * 1000,
    requestTimeout: settings.limits.requestSeconds * 1000,
    keepAliveTimeout: settings.idleSeconds * 1000,
    connectionsCheckingInterval: 2000,
    insecureHTTPParser: false,
    // `canonical.ts` refuses a request without Host, and counts it.
    requireHostHeader: false,
    shouldUpgradeCallback: (message) => upgrades?.wanted(message) ?? false,
    noDelay: true,
  }
  const { tls } = settings
  const server: Server | TlsServer = tls
    ? createTlsServer({
        ...options,
        ...certificate(tls),
        // Shown by those who have one; whose it is, and whether it counts, is looked at where callers are identified.
        requestCert: settings.tls?.clientCertificates === true,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: settings.limits.headersSeconds * 1000,
      })
    : createServer(options)
  server.maxConnections = settings.limits.maxConnections
  // What is beyond a count is dropped unseen by node:http; `canonical.ts` sees all of them, and refuses too many.
  server.maxHeadersCount = 0
  const lines = new WeakMap<Socket, Line>()
  const lineOf = (socket: Socket): Line => {
    const line = lines.get(socket) ?? { busy: false, waiting: [], broken: false }
    lines.set(socket, line)
    return line
  }
  const take = (message: IncomingMessage, res: ServerResponse): void => {
    const { socket } = message
    const line = lineOf(socket)
    const begin = (): void => {
      line.busy = true
      res.once('close', () => {
        line.busy = false
        const next = line.waiting.shift()
        if (!socket.writable) line.waiting.length = 0
        else if (next) next()
        else if (line.broken) {
          onUnparsed()
          socket.destroySoon()
        }
      })
      // All is written: a client that takes nothing of it any more is not waited for without end.
      res.once('prefinish', () => socket.setTimeout(settings.limits.requestSeconds * 1000))
      onRequest(message, res)
    }
    // An answer that said «Connection: close» was the last one.
    if (!socket.writable) return
    if (!line.busy) return begin()
    if (line.waiting.length < MOST_AHEAD) return void line.waiting.push(begin)
    onUnparsed()
    socket.destroy()
  }
  server.on('request', take)
  // No automatic «100 Continue»: the request goes the same way as without it.
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  server.on('upgrade', (message: IncomingMessage, socket: Socket, head: Buffer) => {
    // What is owed on this connection would be written into the other protocol.
    if (upgrades && !lines.get(socket)?.busy) return upgrades.take(message, socket, head)
    onUnparsed()
    socket.destroy()
  })
  server.on('connect', (_message: IncomingMessage, socket: Socket) => {
    onUnparsed()
    // From here on node:http looks after this socket no more.
    socket.on('error', () => socket.destroy())
    if (lines.get(socket)?.busy) socket.destroy()
    else endWith(socket, '405 Method Not Allowed')
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const line = lines.get(socket)
    const status = statusOf(error.code ?? '')
    // A connection that broke is no request that could not be parsed.
    if (status === undefined) socket.destroy()
    else if (status === null) {
      onUnparsed()
      socket.destroy()
    }
    // An answer is owed: nothing may be written in its place, and it is still given. It may be the last one by itself.
    else if (line?.busy) line.broken = true
    else if (socket.writable) {
      onUnparsed()
      endWith(socket, status)
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: settings.address, port: settings.port, backlog: 511 }, () => {
      const { port } = server.address() as AddressInfo
      const host = settings.address.includes(':') ? `[${settings.address}]` : settings.address
      resolve({
        port,
        url: `${tls ? 'https' : 'http'}://${host}:${port}`,
        reloadCertificate() {
          if (tls && server instanceof TlsServer) server.setSecureContext(certificate(tls))
        },
        leave() {
          // That of node:http would also end those on which a request may just be coming.
          NetServer.prototype.close.call(server)
        },
        async stop(graceMs) {
          const closed = new Promise<void>((done) => server.close(() => done()))
          server.closeIdleConnections()
          const timer = setTimeout(() => server.closeAllConnections(), graceMs)
          await closed
          clearTimeout(timer)
        },
      })
    })
  })
}

/** The answer to what could not be parsed; null where none can be read (TLS), undefined where there was no request. */
function statusOf(code: string): string | null | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  if (code.startsWith('HPE_')) return '400 Bad Request'
  return code.startsWith('ERR_') ? null : undefined
}

function endWith(socket: Socket, status: string): void {
  socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n`)
  socket.destroySoon()
}

function certificate(tls: { readonly certificate: string; readonly key: string }): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(tls.certificate, 'utf8'), key: readFileSync(tls.key, 'utf8') }
}
