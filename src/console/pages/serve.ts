/**
 * Serves the pages to who is signed in. A form is taken only if the browser says that a page of ours sent it and it
 * carries the session's own token: either would do against forged requests, and neither depends on the other.
 */
import { createReadStream } from 'node:fs'
import type { Desk } from '../desk.ts'
import { filesForm } from '../../web/files.ts'
import { html } from '../../web/html.ts'
import type { Language, Said } from '../../web/language.ts'
import { languageOf } from '../../web/language.ts'
import { pageHeaders, pageOf } from '../../web/page.ts'
import { Refusal } from '../ports.ts'
import { isSameOrigin } from '../same-origin.ts'
import type { App, Asked, Reply } from '../server.ts'
import type { Session } from '../session.ts'
import { isEqual } from '../session.ts'
import { CLIENT_PAGES } from './clients.ts'
import { DECISION_PAGES } from './decisions.ts'
import { EVIDENCE_PAGES } from './evidence.ts'
import { OVERVIEW_PAGES } from './overview.ts'
import { PACK_PAGES } from './packs.ts'
import { JOURNEY_PAGES } from './journeys.ts'
import { NEW_PAGES } from './new-permission.ts'
import { PERMISSION_PAGES } from './permissions.ts'
import type { PageRoute, Shown } from './visit.ts'
import { page, withQuery } from './visit.ts'

const PAGES: readonly PageRoute[] = [
  ...OVERVIEW_PAGES,
  ...NEW_PAGES,
  ...PERMISSION_PAGES,
  ...JOURNEY_PAGES,
  ...DECISION_PAGES,
  ...EVIDENCE_PAGES,
  ...PACK_PAGES,
  ...CLIENT_PAGES,
]

const LINKS: readonly { readonly href: string; readonly text: Said }[] = [
  { href: '/permissions', text: { fr: 'Autorisations', en: 'Permissions' } },
  { href: '/decisions', text: { fr: 'Décisions', en: 'Decisions' } },
  { href: '/evidence', text: { fr: 'Preuves', en: 'Evidence' } },
  { href: '/packs', text: { fr: 'Dossiers', en: 'Packs' } },
  { href: '/clients', text: { fr: 'Clients', en: 'Clients' } },
  { href: '/shadow', text: { fr: 'Politique à l’essai', en: 'Shadow policy' } },
  { href: '/session', text: { fr: 'Session', en: 'Session' } },
]

export function servePages(app: App, desk: Desk): void {
  for (const one of PAGES) {
    app.route({
      method: one.method,
      url: one.path,
      handler: (request, reply) => visit(desk, one, request, reply),
    })
  }
}

async function visit(desk: Desk, one: PageRoute, request: Asked, reply: Reply): Promise<Reply> {
  const session = await desk.sessions.of(request.cookies[desk.cookies.session])
  if (!session) return toSignIn(request, reply)
  const language = languageFor(desk, request, reply)
  const say = (said: Said): string => said[language]
  if (one.role === 'operator' && session.operator.role !== 'operator') return send(desk, request, reply, session, forbidden(say))
  const files = one.files && (await filesForm(request, one.files, (fields) => isOurs(desk, request, fields, session.csrf)))
  const form = files?.is === 'form' ? files.fields : formOf(request)
  const foreign = one.files ? files?.is === 'foreign' : one.method === 'POST' && !isOurs(desk, request, form, session.csrf)
  if (foreign) return send(desk, request, reply, session, notOurs(say))
  const uploads = files?.is === 'form' ? files.uploads : files?.is === 'too_long' ? 'too_long' : files ? 'unreadable' : []
  const { csrf, operator } = session
  const { parts, packs } = desk
  const query = wordsOf(request.query)
  const shown = await one.handle({ parts, packs, language, operator, csrf, params: wordsOf(request.params), query, form, uploads, say })
  return send(desk, request, reply, session, shown)
}

/** The page that was wanted is named by its path alone: what somebody filtered for stays out of addresses. */
function toSignIn(request: Asked, reply: Reply): Reply {
  const to = request.method === 'GET' ? pathOf(request) : '/'
  return reply.headers({ 'Cache-Control': 'no-store' }).redirect(withQuery('/sign-in', { to: to === '/' ? undefined : to }), 303)
}

/** Also used where there is no session yet: `expected` is then of the visit. */
export function isOurs(desk: Desk, request: Asked, form: Readonly<Record<string, string>>, expected: string): boolean {
  return isSameOrigin(request.headers, desk.originOf(request)) && isEqual(form['csrf'] ?? '', expected)
}

export function formOf({ body }: Asked): Readonly<Record<string, string>> {
  return wordsOf(body)
}

/** Names that come twice, and anything but text, are no words of ours. */
export function wordsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
}

export function languageFor({ cookies }: Desk, request: Asked, reply: Reply): Language {
  const chosen = wordsOf(request.query)['lang']
  const language = languageOf(chosen ?? request.cookies[cookies.language], request.headers['accept-language'])
  if (chosen === language)
    void reply.setCookie(cookies.language, language, {
      path: '/',
      secure: cookies.secure,
      sameSite: 'strict',
      httpOnly: true,
      maxAge: 31_536_000,
    })
  return language
}

function pathOf(request: Asked): string {
  return new URL(request.url, 'http://here.invalid').pathname
}

export function send(desk: Desk, request: Asked, reply: Reply, session: Session | undefined, shown: Shown): Reply {
  switch (shown.is) {
    case 'redirect':
      return reply.headers({ 'Cache-Control': 'no-store' }).redirect(shown.to, 303)
    case 'bytes':
      return reply.headers({ ...shown.headers }).send(shown.bytes)
    case 'file':
      return reply.headers({ ...shown.headers }).send(createReadStream(shown.file))
    case 'page':
      break
  }
  const language = languageFor(desk, request, reply)
  const text = pageOf({
    language,
    title: shown.title,
    site: {
      name: `Écluse – ${desk.parts.instance}`,
      home: '/',
      links: session ? LINKS.map(({ href, text: said }) => ({ href, text: said[language] })) : [],
    },
    body: shown.body,
    wide: true,
    ...(request.method === 'GET' && { otherLanguage: inOther(request, language) }),
    ...(shown.refresh?.seconds === 0 && { refresh: shown.refresh }),
  })
  // As a header, what is shown stays one document with or without it; each such page has a link that stops it.
  if (shown.refresh && shown.refresh.seconds > 0) void reply.header('Refresh', `${shown.refresh.seconds}; url=${shown.refresh.href}`)
  return reply
    .code(shown.status ?? 200)
    .headers(pageHeaders())
    .send(text)
}

function inOther(request: Asked, language: Language): string {
  const { lang: _, ...query } = wordsOf(request.query)
  return withQuery(pathOf(request), { ...query, lang: language === 'fr' ? 'en' : 'fr' })
}

const STATUS: Readonly<Record<Refusal['code'], number>> = { not_found: 404, conflict: 409, invalid: 422, unavailable: 503 }

export async function sendFault(desk: Desk, request: Asked, reply: Reply, error: unknown): Promise<Reply> {
  const language = languageFor(desk, request, reply)
  const say = (said: Said): string => said[language]
  // A session that cannot be looked up is none: the page about the fault must not fail as well.
  const session = await desk.sessions.of(request.cookies[desk.cookies.session]).catch(() => undefined)
  if (error instanceof Refusal) {
    const titles: Readonly<Record<Refusal['code'], Said>> = {
      not_found: { fr: 'Introuvable', en: 'Not found' },
      conflict: { fr: 'Impossible en l’état', en: 'Not possible as things stand' },
      invalid: { fr: 'Demande refusée', en: 'Not accepted' },
      unavailable: { fr: 'Pas maintenant', en: 'Not now' },
    }
    return send(
      desk,
      request,
      reply,
      session,
      page(say(titles[error.code]), html`<p class="error" lang="en">${error.message}</p>`, { status: STATUS[error.code] }),
    )
  }
  const status = (error as { readonly statusCode?: unknown }).statusCode
  if (typeof status === 'number' && status >= 400 && status < 500) {
    const title = status === 404 ? say({ fr: 'Introuvable', en: 'Not found' }) : say({ fr: 'Demande refusée', en: 'Not accepted' })
    return send(desk, request, reply, session, page(title, html`<p>${status}</p>`, { status }))
  }
  desk.parts.log.error({ err: error }, 'a page of the console failed')
  const body = html`<p>
    ${say({ fr: 'La passerelle a échoué : son journal d’exploitation dit où.', en: 'The gate failed: its log says where.' })}
  </p>`
  return send(desk, request, reply, session, page(say({ fr: 'Faute de notre côté', en: 'A fault of ours' }), body, { status: 500 }))
}

function forbidden(say: (said: Said) => string): Shown {
  return page(
    say({ fr: 'Réservé aux exploitants', en: 'For operators only' }),
    html`<p>${say({ fr: 'Un auditeur lit, et ne change rien.', en: 'An auditor reads, and changes nothing.' })}</p>`,
    { status: 403 },
  )
}

export function notOurs(say: (said: Said) => string): Shown {
  return page(
    say({ fr: 'Formulaire refusé', en: 'Form not accepted' }),
    html`<p>
      ${say({
        fr: 'Il ne vient pas d’une page de cette session. Revenez à la page et recommencez.',
        en: 'It does not come from a page of this session. Go back to the page and try again.',
      })}
    </p>`,
    { status: 403 },
  )
}
