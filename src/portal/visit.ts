/**
 * One browser: a cookie of 256 random bits, from which its form tokens are made. It names nobody. Who proved to be
 * somebody gets a new one (session fixation), and a ticket under it says which permissions that person may see.
 *
 * A form is taken only with this browser's token and, where the browser says where it comes from, from our own pages:
 * two checks, because each has holes of its own.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import type { StateClient } from '../storage/rpc.ts'
import type { Content } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language } from '../web/language.ts'
import { LANGUAGES, languageOf } from '../web/language.ts'
import type { PortalParts } from './ports.ts'

export interface Visit {
  readonly id: string
  readonly language: Language
}

/** How a person proved to be entitled to see these permissions. */
export interface Person {
  readonly method: 'data_connect' | 'franceconnect' | 'link'
  readonly permissions: readonly PermissionId[]
  readonly since: Millis
  /** What this very browser has claimed at the data holder: who claims it again is nobody else. */
  readonly claims?: readonly string[]
  /** For the logout of an identity provider. */
  readonly idToken?: string
}

export interface Visits {
  /** The browser's visit; a new one where it has none. A language asked for in the address is remembered. */
  of(request: FastifyRequest, reply: FastifyReply): Visit
  /** To be compared with what a journey or a sign-in keeps: a hash, so that a copy of that opens no visit. */
  fingerprint(visit: Visit): string
  /** The hidden field that every form carries. */
  field(visit: Visit): Content
  /**
   * Whether a form came from this browser and from a page of ours.
   * @param fields of a form that is read while it comes
   */
  isOurs(visit: Visit, request: FastifyRequest, fields?: Readonly<Record<string, unknown>>): boolean
  person(visit: Visit): Promise<Person | undefined>
  /** Under a new cookie; what the old one could do is over. */
  signIn(visit: Visit, person: Person, reply: FastifyReply): Promise<Visit>
  signOut(visit: Visit, reply: FastifyReply): Promise<void>
}

const VISIT_DAYS = 1
const LANGUAGE_DAYS = 180

export function visitsOf(parts: Pick<PortalParts, 'settings' | 'state' | 'now' | 'secret'>): Visits {
  const { settings, now } = parts
  const state: StateClient = parts.state
  const origin = new URL(settings.url).origin
  const secure = settings.url.startsWith('https:')
  const names = { visit: secure ? '__Host-ecluse' : 'ecluse', language: secure ? '__Host-ecluse-lang' : 'ecluse-lang' }
  const cookie = { path: '/', httpOnly: true, secure, sameSite: 'lax' } as const
  const tokenOf = (visit: Visit): Buffer => createHmac('sha256', parts.secret).update(`form/v1\0${visit.id}`).digest()

  function put(reply: FastifyReply, id: string): void {
    void reply.setCookie(names.visit, id, { ...cookie, maxAge: VISIT_DAYS * 86_400 })
  }
  function languageFor(request: FastifyRequest, reply: FastifyReply): Language {
    const asked = (request.query as Readonly<Record<string, unknown>> | undefined)?.['lang']
    const chosen = LANGUAGES.find((one) => one === asked)
    if (chosen) void reply.setCookie(names.language, chosen, { ...cookie, maxAge: LANGUAGE_DAYS * 86_400 })
    return chosen ?? languageOf(request.cookies[names.language], request.headers['accept-language'])
  }
  return {
    of(request, reply) {
      const known = request.cookies[names.visit]
      const id = known !== undefined && /^[A-Za-z0-9_-]{43}$/.test(known) ? known : randomBytes(32).toString('base64url')
      if (id !== known) put(reply, id)
      return { id, language: languageFor(request, reply) }
    },
    fingerprint: (visit) => createHmac('sha256', parts.secret).update(`visit/v1\0${visit.id}`).digest('base64url'),
    field: (visit) => html`<input type="hidden" name="form" value="${tokenOf(visit).toString('base64url')}" />`,
    isOurs(visit, request, fields = (request.body ?? {}) as Readonly<Record<string, unknown>>) {
      const { origin: from, 'sec-fetch-site': site } = request.headers
      if (from !== undefined && from !== origin) return false
      if (site !== undefined && site !== 'same-origin') return false
      const given = fields['form']
      const bytes = Buffer.from(typeof given === 'string' ? given : '', 'base64url')
      return bytes.byteLength === 32 && timingSafeEqual(bytes, tokenOf(visit))
    },
    async person(visit) {
      const found = await state.call<{ payload: string } | null>('ticketGet', { kind: 'person', id: visit.id, now: now() })
      return found === null ? undefined : (JSON.parse(found.payload) as Person)
    },
    async signIn(visit, person, reply) {
      const next: Visit = { id: randomBytes(32).toString('base64url'), language: visit.language }
      await state.call('ticketDrop', { kind: 'person', id: visit.id })
      await state.call('ticketPut', {
        kind: 'person',
        id: next.id,
        payload: JSON.stringify(person),
        ttlSeconds: settings.sessionMinutes * 60,
        now: now(),
      })
      put(reply, next.id)
      return next
    },
    async signOut(visit, reply) {
      await state.call('ticketDrop', { kind: 'person', id: visit.id })
      put(reply, randomBytes(32).toString('base64url'))
    },
  }
}
