/**
 * Sign-in with FranceConnect and links to it. A way to the provider belongs to one browser and is used once; what it
 * proves is who somebody is, and never which meter is whose: that a person may see a permission was shown by Enedis
 * before, when the two were linked. An error of any kind leaves everything as it was.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { PermissionId } from '../../domain/permission.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import { begunOf } from '../limits.ts'
import type { Room, Rooms } from '../portal.ts'
import type { Visit } from '../visit.ts'
import type { FranceConnect, Identity } from './franceconnect.ts'
import { CALLBACK_PATH, SIGNED_OUT_PATH } from './franceconnect.ts'
import { links } from './links.ts'
import { FOREIGN_FORM, NOT_PROVEN, SIGN_IN_FIRST, TOO_OFTEN, UNKNOWN_RETURN, UNREACHABLE } from './problems.ts'

interface UnderWay {
  /** Fingerprint of the visit. */
  readonly visit: string
  readonly nonce: string
  readonly intent: 'sign_in' | 'link'
}

const KIND = 'franceconnect'
/** How long a person may stay at the provider. */
const WAY_SECONDS = 900
const SIGNED_OUT: Said = { fr: 'Vous êtes déconnecté', en: 'You are signed out' }

/** @param franceConnect undefined where it is not configured: then there is nothing but the links */
export function identityRoom(franceConnect: FranceConnect | undefined): Room {
  return (app, rooms) => {
    links(app, rooms)
    if (franceConnect) franceConnectRoutes(app, rooms, franceConnect)
  }
}

function franceConnectRoutes(app: FastifyInstance, rooms: Rooms, franceConnect: FranceConnect): void {
  const { parts, visits, frame } = rooms
  const begun = begunOf(parts.now)

  app.post('/franceconnect/start', async (request, reply) => {
    const visit = visits.of(request, reply)
    if (!visits.isOurs(visit, request)) return frame.problem(reply, visit, 403, FOREIGN_FORM)
    if (begun.exceeded(parts.placeOf(request.raw))) return frame.problem(reply, visit, 429, TOO_OFTEN)
    const intent = (request.body as Readonly<Record<string, unknown>>)['intent'] === 'link' ? 'link' : 'sign_in'
    if (intent === 'link' && (await visits.person(visit))?.method !== 'data_connect') return frame.problem(reply, visit, 403, SIGN_IN_FIRST)
    const asked = await franceConnect.begin(visit.language).catch((error: unknown) => told(rooms, error))
    if (!asked) return frame.problem(reply, visit, 503, UNREACHABLE)
    const way: UnderWay = { visit: visits.fingerprint(visit), nonce: asked.nonce, intent }
    const ticket = { kind: KIND, id: asked.state, payload: JSON.stringify(way), ttlSeconds: WAY_SECONDS, now: parts.now() }
    await parts.state.call('ticketPut', ticket)
    return reply.redirect(asked.url.href, 303)
  })

  app.get<{ Querystring: Readonly<Record<string, unknown>> }>(CALLBACK_PATH, async (request, reply) => {
    const visit = visits.of(request, reply)
    const { state } = request.query
    const taken =
      typeof state === 'string' ? await parts.state.call<string | null>('ticketTake', { kind: KIND, id: state, now: parts.now() }) : null
    const way = taken === null ? undefined : (JSON.parse(taken) as UnderWay)
    // From here on this way is used up, whatever comes of it.
    if (typeof state !== 'string' || way?.visit !== visits.fingerprint(visit)) return frame.problem(reply, visit, 400, UNKNOWN_RETURN)
    const proven = await franceConnect.finish(request.url, { state, nonce: way.nonce }).catch((error: unknown) => told(rooms, error))
    if (!proven) return frame.problem(reply, visit, 403, NOT_PROVEN)
    return way.intent === 'link' ? link(rooms, visit, proven, reply) : signIn(rooms, visit, proven, reply)
  })

  app.get(SIGNED_OUT_PATH, (request, reply) => {
    const visit = visits.of(request, reply)
    const l = visit.language
    const body = html`<h1>${SIGNED_OUT[l]}</h1>
      <p>${l === 'fr' ? 'Votre session est fermée, ici et chez FranceConnect.' : 'Your session has ended, here and at FranceConnect.'}</p>
      <p><a class="button" href="/me">${l === 'fr' ? 'Mes autorisations' : 'My permissions'}</a></p>`
    return frame.show(reply, visit, { title: SIGNED_OUT, body, path: SIGNED_OUT_PATH })
  })
}

/** The permissions on the page are this identity's too, from now on. */
async function link(rooms: Rooms, visit: Visit, { identity, idToken }: Identity, reply: FastifyReply): Promise<FastifyReply> {
  const { parts, visits, frame } = rooms
  const person = await visits.person(visit)
  if (person?.method !== 'data_connect') return frame.problem(reply, visit, 403, SIGN_IN_FIRST)
  await parts.state.call('linkIdentity', { identity, permissions: person.permissions })
  await visits.signIn(visit, { ...person, since: parts.now(), idToken }, reply)
  return reply.redirect('/me?linked=1', 303)
}

async function signIn({ parts, visits }: Rooms, visit: Visit, { identity, idToken }: Identity, reply: FastifyReply): Promise<FastifyReply> {
  const permissions = await parts.state.call<readonly PermissionId[]>('ofIdentity', { identity })
  await visits.signIn(visit, { method: 'franceconnect', permissions, since: parts.now(), idToken }, reply)
  return reply.redirect('/me', 303)
}

/** To the operator: which check failed, and nothing of what the provider or the browser sent. */
function told({ parts }: Rooms, error: unknown): undefined {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown }
  const why = name === 'NotProven' ? (error as Error).message : code
  parts.log.warn({ why: typeof why === 'string' ? why : String(name) }, 'FranceConnect proved nobody')
  return undefined
}
