/**
 * What the pages of a signed-in person do first: who is not signed in is shown the ways in, and an id of somebody else's is
 * answered word for word as one that does not exist.
 */
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import type { Problem } from '../frame.ts'
import type { FranceConnect } from '../identity/franceconnect.ts'
import { FOREIGN_FORM } from '../identity/problems.ts'
import type { Rooms } from '../portal.ts'
import type { Person, Visit } from '../visit.ts'
import { TITLE, waysIn } from './overview.ts'
import type { Shown } from './records.ts'
import { heldOf } from './records.ts'

export interface Signed {
  readonly visit: Visit
  readonly person: Person
}

export interface Pages {
  readonly formTargets: readonly string[]
  /** Undefined where nobody is signed in: then the ways in have been shown. */
  signed(request: FastifyRequest, reply: FastifyReply): Promise<Signed | undefined>
  /** A form, from one of our own pages; undefined where it was refused, which has been said. */
  ours(request: FastifyRequest, reply: FastifyReply): Promise<Signed | undefined>
  /** Undefined where the permission is none of the session's: then that it does not exist has been said. */
  held(signed: Signed, id: string, reply: FastifyReply): Promise<Shown | undefined>
  show(reply: FastifyReply, visit: Visit, title: Said, body: Html, path?: string): FastifyReply
  missing(reply: FastifyReply, visit: Visit): FastifyReply
}

export function pagesOf({ parts, visits, frame }: Rooms, franceConnect: FranceConnect | undefined): Pages {
  const formTargets = franceConnect ? [franceConnect.origin] : []
  const pages: Pages = {
    formTargets,
    async signed(request, reply) {
      const visit = visits.of(request, reply)
      const person = await visits.person(visit)
      if (person) return { visit, person }
      const { language } = visit
      const { contact } = parts.settings.operator
      const body = waysIn({ language, field: visits.field(visit), franceConnect: franceConnect !== undefined, contact })
      void pages.show(reply, visit, TITLE, body, '/me')
      return undefined
    },
    async ours(request, reply) {
      const visit = visits.of(request, reply)
      if (visits.isOurs(visit, request)) return pages.signed(request, reply)
      void frame.problem(reply, visit, 403, FOREIGN_FORM)
      return undefined
    },
    async held({ visit, person }, id, reply) {
      const found = await heldOf(parts, person, id)
      if (!found) void pages.missing(reply, visit)
      return found
    },
    show: (reply, visit, title, body, path) => frame.show(reply, visit, { title, body, formTargets, ...(path !== undefined && { path }) }),
    missing: (reply, visit) => frame.problem(reply, visit, 404, MISSING),
  }
  return pages
}

export function download(reply: FastifyReply, name: string, type: string, body: string | Buffer | Readable): FastifyReply {
  void reply.headers({
    'Content-Type': type,
    'Content-Disposition': `attachment; filename="${name.replaceAll(/[^A-Za-z0-9._-]/g, '_')}"`,
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Cross-Origin-Resource-Policy': 'same-origin',
  })
  return reply.send(body)
}

const MISSING: Problem = {
  title: { fr: 'Page introuvable', en: 'No such page' },
  what: { fr: 'Cette adresse ne mène à rien que vous puissiez voir.', en: 'This address leads to nothing that you may see.' },
  help: { fr: 'Vos autorisations sont sur la page « Mes autorisations ».', en: 'Your permissions are on the page “My permissions”.' },
  next: { href: '/me', text: TITLE },
}
