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

export interface ListenerSettings {
  readonly address: string
  readonly port: number
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined
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
  /** Lets requests under way finish for at most `graceMs`, then cuts. The socket listens until then. */
  stop(graceMs: number): Promise<void>
}

/** Socket → answers owed on it: a parse error behind a good request must not answer in its place. */
const owed = new WeakMap<Socket, number>()

export function listen(
  settings: ListenerSettings,
  onRequest: (message: IncomingMessage, res: ServerResponse) => void,
  onUnparsed: () => void,
): Promise<Listener> {
  const options: ServerOptions = {
    maxHeaderSize: settings.limits.headerBytes,
    headersTimeout: settings.limits.headersSeconds * 1000,
    requestTimeout: settings.limits.requestSeconds * 1000,
    keepAliveTimeout: settings.idleSeconds * 1000,
    connectionsCheckingInterval: 2000,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  }
  const { tls } = settings
  const server: Server | TlsServer = tls
    ? createTlsServer({ ...options, ...certificate(tls), minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] })
    : createServer(options)
  server.maxConnections = settings.limits.maxConnections
  server.maxHeadersCount = 100
  const take = (message: IncomingMessage, res: ServerResponse): void => {
    const { socket } = message
    owed.set(socket, (owed.get(socket) ?? 0) + 1)
    res.once('close', () => owed.set(socket, (owed.get(socket) ?? 1) - 1))
    onRequest(message, res)
  }
  server.on('request', take)
  // No automatic «100 Continue»: the request goes the same way as without it.
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  server.on('connect', (_message: IncomingMessage, socket: Socket) => {
    onUnparsed()
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    onUnparsed()
    if (!socket.writable || (owed.get(socket) ?? 0) > 0) {
      socket.destroy()
      return
    }
    const status =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n`)
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

function certificate(tls: { readonly certificate: string; readonly key: string }): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(tls.certificate, 'utf8'), key: readFileSync(tls.key, 'utf8') }
}
