/**
 * Pages for people, on the gate's own listener: what the listener found canonical and what is a path of the portal
 * comes here. Fastify routes; nothing of it is on the way of a gated request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import type { FastifyInstance } from 'fastify'
import fastify from 'fastify'
import { filesPlugin } from '../web/files.ts'
import { html } from '../web/html.ts'
import { STYLE, STYLE_PATH } from '../web/style.ts'
import type { Frame } from './frame.ts'
import { frameOf } from './frame.ts'
import type { PortalParts } from './ports.ts'
import type { Visits } from './visit.ts'
import { visitsOf } from './visit.ts'

export interface Portal {
  /** Whether a path is the portal's and not the gated path's. */
  serves(path: string): boolean
  handle(message: IncomingMessage, res: ServerResponse): void
  close(): Promise<void>
}

/** What every group of pages is given. */
export interface Rooms {
  readonly parts: PortalParts
  readonly visits: Visits
  readonly frame: Frame
}
export type Room = (app: FastifyInstance, rooms: Rooms) => void

const MAX_FORM = 65_536

/** @param rooms groups of pages; each adds its own routes */
export async function portalOf(parts: PortalParts, pages: readonly Room[]): Promise<Portal> {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_FORM,
    // Who the client is nobody here needs to know; what a proxy says is believed of nobody.
    trustProxy: false,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false },
  })
  await app.register(cookie)
  await app.register(formbody, { bodyLimit: MAX_FORM })
  await app.register(filesPlugin)
  const rooms: Rooms = { parts, visits: visitsOf(parts), frame: frameOf(parts.settings) }
  app.get(STYLE_PATH, (_request, reply) =>
    reply
      .headers({ 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'public, max-age=3600', 'X-Content-Type-Options': 'nosniff' })
      .send(STYLE),
  )
  for (const room of pages) room(app, rooms)
  app.setNotFoundHandler((request, reply) => notFound(rooms, request.url, rooms.visits.of(request, reply), reply))
  app.setErrorHandler((error, request, reply) => {
    const status = (error as { readonly statusCode?: unknown }).statusCode
    // A form that is too long or is none is the sender's fault; anything else is ours.
    const theirs = typeof status === 'number' && status >= 400 && status < 500
    const visit = rooms.visits.of(request, reply)
    if (theirs) return rooms.frame.problem(reply, visit, status, BAD_FORM)
    parts.log.error({ err: error }, 'a page could not be made')
    return isState(error)
      ? rooms.frame.problem(reply.header('Retry-After', '5'), visit, 503, NOT_NOW)
      : rooms.frame.problem(reply, visit, 500, OURS)
  })
  await app.ready()
  return {
    serves: (path) => path === '/' || FIRST.test(path),
    handle: (message, res) => app.routing(message, res),
    close: () => app.close(),
  }
}

/** First parts of the portal's paths. Asked for each request to the gate: one look, no router. */
const FIRST = /^\/(?:consent|device|me|receipts|link|assets|dataconnect|franceconnect)(?:\/|$)/

function notFound({ frame }: Rooms, path: string, visit: Parameters<Frame['show']>[1], reply: Parameters<Frame['show']>[0]) {
  return frame.show(reply, visit, {
    title: { fr: 'Page introuvable', en: 'No such page' },
    body: html`<h1>${visit.language === 'fr' ? 'Page introuvable' : 'No such page'}</h1>
      <p>${visit.language === 'fr' ? 'Cette adresse ne mène à rien ici.' : 'This address leads nowhere here.'}</p>
      <p><a class="button" href="/">${visit.language === 'fr' ? 'Accueil' : 'Home'}</a></p>`,
    status: 404,
    path: path.split('?')[0] ?? '/',
  })
}

const BAD_FORM = {
  title: { fr: 'Formulaire illisible', en: 'Unreadable form' },
  what: { fr: 'Ce qui a été envoyé n’a pas pu être lu.', en: 'What was sent could not be read.' },
  help: { fr: 'Revenez à la page précédente et recommencez.', en: 'Go back to the page before, and try again.' },
} as const
/** The state is gone, or its queue is full: that may pass. */
function isState(error: unknown): boolean {
  return error instanceof Error && 'fault' in error && (error.fault === 'full' || error.fault === 'down')
}

/** A page may fail after what it was asked for was done: what was done is told where it is known. */
const LOOK = {
  fr: 'Réessayez dans un instant. Votre page « Mes autorisations » dit ce qui est accordé et ce qui est retiré.',
  en: 'Try again in a moment. Your page “My permissions” tells what is given and what is withdrawn.',
} as const
const NEXT = { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } } as const
const OURS = {
  title: { fr: 'Une erreur de notre fait', en: 'A fault of ours' },
  what: { fr: 'La page n’a pas pu être préparée.', en: 'The page could not be made.' },
  help: LOOK,
  next: NEXT,
} as const
const NOT_NOW = {
  title: { fr: 'Momentanément fermé', en: 'Closed for the moment' },
  what: { fr: 'La passerelle ne peut pas répondre maintenant.', en: 'The gate cannot answer now.' },
  help: LOOK,
  next: NEXT,
} as const
