/**
 * The operators' listener: admin API and console on one Fastify server of their own, so that nobody who can reach the
 * gate reaches them by that. Every answer carries its headers from here; every error ends here, as a problem under
 * `/v1` and as a page elsewhere, and nothing of a fault of ours is told but that it is one.
 */
import cookie from '@fastify/cookie'
import formBody from '@fastify/formbody'
import { createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import { Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fastify } from 'fastify'
import { filesPlugin } from '../web/files.ts'
import { STYLE, STYLE_PATH } from '../web/style.ts'
import { idempotencyOn } from './api/idempotency.ts'
import { sendProblem, serveApi } from './api/serve.ts'
import { attemptsOf } from './attempts.ts'
import type { Desk } from './desk.ts'
import { oidcOf } from './oidc.ts'
import { packsOn } from './packs.ts'
import { sendFault, servePages } from './pages/serve.ts'
import { serveSignIn } from './pages/sign-in.ts'
import type { ConsoleParts } from './ports.ts'
import { cookiesOf, sessionsOn } from './session.ts'

export interface RunningConsole {
  readonly url: string
  reloadCertificate(): void
  stop(): Promise<void>
}

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse>
export type Asked = FastifyRequest
export type Reply = FastifyReply

const BODY_BYTES = 1_048_576
const MOST_CONNECTIONS = 500

export async function serveConsole(parts: ConsoleParts): Promise<RunningConsole> {
  const { settings } = parts
  const { tls } = settings
  const app: App = fastify({
    https: tls ? { ...certificate(tls), minVersion: 'TLSv1.2' } : null,
    logger: false,
    bodyLimit: BODY_BYTES,
    requestTimeout: 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    // Whatever a proxy says of the address is not believed: it counts wrong secrets.
    trustProxy: false,
    exposeHeadRoutes: true,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: 200 },
  })
  app.removeContentTypeParser('text/plain')
  await app.register(cookie)
  await app.register(formBody, { bodyLimit: 65_536 })
  await app.register(filesPlugin)
  const desk = deskOf(parts)
  app.server.maxConnections = MOST_CONNECTIONS
  app.get(STYLE_PATH, (_request, reply) =>
    reply
      .headers({ 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'private, max-age=3600', 'X-Content-Type-Options': 'nosniff' })
      .send(STYLE),
  )
  serveSignIn(app, desk)
  servePages(app, desk)
  serveApi(app, desk, idempotencyOn(parts.tickets))
  app.setNotFoundHandler((request, reply) => {
    if (isApi(request.url)) return sendProblem(desk, request, reply, { statusCode: 404 })
    return sendFault(desk, request, reply, { statusCode: 404 })
  })
  app.setErrorHandler((error, request, reply) =>
    isApi(request.url) ? sendProblem(desk, request, reply, error) : sendFault(desk, request, reply, error),
  )
  await app.listen({ host: settings.address, port: settings.port })
  const { port } = app.server.address() as AddressInfo
  const host = settings.address.includes(':') ? `[${settings.address}]` : settings.address
  return {
    url: `${tls ? 'https' : 'http'}://${host}:${port}`,
    reloadCertificate() {
      if (tls && app.server instanceof TlsServer) app.server.setSecureContext(certificate(tls))
    },
    async stop() {
      await app.close()
      await desk.packs.stop()
    },
  }
}

function deskOf(parts: ConsoleParts): Desk {
  const { settings } = parts
  const secure = settings.tls !== undefined || settings.url?.startsWith('https:') === true
  // Of this run: what it signs is the form of a visitor that has no session yet.
  const key = randomBytes(32)
  return {
    parts,
    packs: packsOn(parts),
    sessions: sessionsOn(parts.tickets, settings),
    cookies: cookiesOf(secure),
    attempts: attemptsOf(),
    oidc: settings.oidc && oidcOf(settings.oidc, () => performance.now()),
    visitToken: (visit) => createHmac('sha256', key).update(visit).digest('base64url'),
    originOf: (request) => settings.url ?? `${settings.tls ? 'https' : 'http'}://${request.headers.host ?? ''}`,
  }
}

function isApi(url: string): boolean {
  return url === '/v1' || url.startsWith('/v1/') || url.startsWith('/v1?')
}

function certificate(tls: { readonly certificate: string; readonly key: string }): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(tls.certificate, 'utf8'), key: readFileSync(tls.key, 'utf8') }
}
