/**
 * One-time links to a person's pages. Programs that read mail fetch every address in it, so a GET only shows a button:
 * what uses the link up is the form behind it.
 */
import type { FastifyInstance } from 'fastify'
import type { PermissionId } from '../../domain/permission.ts'
import type { Millis } from '../../domain/time.ts'
import type { StateClient } from '../../storage/rpc.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import type { Problem } from '../frame.ts'
import type { PortalParts, PortalSettings } from '../ports.ts'
import type { Rooms } from '../portal.ts'
import { FOREIGN_FORM } from './problems.ts'

export interface MadeLink {
  readonly url: string
  readonly expiresAt: Millis
  /** Number of the entry that records it. */
  readonly entry: number
}

/** For an operator. Rejects with its sentence where the permission is unknown or its person erased. */
export async function linkFor(
  parts: Pick<PortalParts, 'state' | 'now'> & { readonly settings: Pick<PortalSettings, 'url' | 'linkHours'> },
  order: { readonly permission: string; readonly by: string },
): Promise<MadeLink> {
  const { state, settings, now } = parts
  const args = { ...order, ttlSeconds: settings.linkHours * 3600, now: now() }
  const { token, ...made } = await state.call<{ token: string; expiresAt: Millis; entry: number }>('linkMake', args)
  return { url: `${settings.url}/link/${token}`, ...made }
}

const TITLE: Said = { fr: 'Ouvrir mes autorisations', en: 'Open my permissions' }
const T = {
  what: {
    fr: 'Ce lien personnel ouvre les autorisations données sur votre compteur. Il ne sert qu’une fois : il sera épuisé quand vous appuierez sur le bouton.',
    en: 'This personal link opens the permissions given on your meter. It works once: it is used up when you press the button.',
  },
  not: { fr: 'S’il ne vous était pas destiné, fermez cette page.', en: 'If it was not meant for you, close this page.' },
  go: { fr: 'Ouvrir mes autorisations', en: 'Open my permissions' },
} as const

const OVER: Problem = {
  title: { fr: 'Lien inutilisable', en: 'The link cannot be used' },
  what: { fr: 'Ce lien a déjà servi, a expiré, ou n’existe pas.', en: 'This link was used already, has expired, or does not exist.' },
  help: {
    fr: 'Demandez-en un nouveau à l’exploitant, ou passez par Enedis.',
    en: 'Ask the operator for a new one, or come through Enedis.',
  },
  next: { href: '/me', text: { fr: 'Mes autorisations', en: 'My permissions' } },
}
const TOKEN = /^[A-Za-z0-9_-]{43}$/

export function links(app: FastifyInstance, { parts, visits, frame }: Rooms): void {
  const stands = (state: StateClient, token: string): Promise<boolean> =>
    TOKEN.test(token) ? state.call<boolean>('linkStands', { token, now: parts.now() }) : Promise.resolve(false)

  app.get<{ Params: { token: string } }>('/link/:token', async (request, reply) => {
    const visit = visits.of(request, reply)
    const { token } = request.params
    if (!(await stands(parts.state, token))) return frame.problem(reply, visit, 404, OVER)
    const l = visit.language
    const body = html`<h1>${TITLE[l]}</h1>
      <p>${T.what[l]}</p>
      <p>${T.not[l]}</p>
      <form method="post" action="/link/${token}">${visits.field(visit)}<button type="submit">${T.go[l]}</button></form>`
    return frame.show(reply, visit, { title: TITLE, body, path: `/link/${token}` })
  })

  app.post<{ Params: { token: string } }>('/link/:token', async (request, reply) => {
    const visit = visits.of(request, reply)
    const { token } = request.params
    // A form of somebody else must not use the link up.
    if (!visits.isOurs(visit, request)) return frame.problem(reply, visit, 403, FOREIGN_FORM)
    const permissions = TOKEN.test(token)
      ? await parts.state.call<readonly PermissionId[] | null>('linkUse', { token, now: parts.now() })
      : null
    if (permissions === null) return frame.problem(reply, visit, 404, OVER)
    await visits.signIn(visit, { method: 'link', permissions, since: parts.now() }, reply)
    return reply.redirect('/me', 303)
  })
}
