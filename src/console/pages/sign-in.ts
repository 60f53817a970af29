/**
 * Signing in, by the bootstrap secret or at the organisation's provider, and out. The session's cookie is `Strict`:
 * after the provider sends the browser back, a page of ours leads on, because a cookie that is `Strict` does not come
 * along on a redirect that began elsewhere.
 */
import { randomBytes } from 'node:crypto'
import type { Desk } from '../desk.ts'
import { BOOTSTRAP } from '../api/serve.ts'
import { html } from '../../web/html.ts'
import type { Said } from '../../web/language.ts'
import type { SignInState } from '../oidc.ts'
import type { Operator } from '../ports.ts'
import type { App, Asked, Reply } from '../server.ts'
import { isEqual } from '../session.ts'
import { formOf, isOurs, languageFor, notOurs, send, wordsOf } from './serve.ts'
import type { Flaw, Shown } from './visit.ts'
import { facts, page, textField, withQuery } from './visit.ts'
import { ROLE } from './words.ts'

const SIGN_IN_SECONDS = 600

export function serveSignIn(app: App, desk: Desk): void {
  app.get('/sign-in', (request, reply) =>
    send(desk, request, reply, undefined, signInPage(desk, request, reply, wordsOf(request.query)['to'])),
  )
  app.post('/sign-in', (request, reply) => bySecret(desk, request, reply))
  app.get('/sign-in/provider', (request, reply) => toProvider(desk, request, reply))
  app.get('/sign-in/callback', (request, reply) => fromProvider(desk, request, reply))
  app.get('/session', (request, reply) => sessionPage(desk, request, reply))
  app.post('/session/end', (request, reply) => end(desk, request, reply))
}

const saying = (desk: Desk, request: Asked, reply: Reply) => {
  const language = languageFor(desk, request, reply)
  return (said: Said): string => said[language]
}

/** A path of ours and nothing else: `//elsewhere` is somebody's address. */
function pathOnly(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])[\w./-]{0,200}$/.test(to) ? to : '/'
}

function signInPage(desk: Desk, request: Asked, reply: Reply, wanted: string | undefined, flaw?: Flaw, status = 200): Shown {
  const { cookies, parts } = desk
  const say = saying(desk, request, reply)
  const to = pathOnly(wanted)
  const known = request.cookies[cookies.visit]
  const visit = known !== undefined && /^[\w-]{43}$/.test(known) ? known : randomBytes(32).toString('base64url')
  void reply.setCookie(cookies.visit, visit, { path: '/', secure: cookies.secure, sameSite: 'strict', httpOnly: true })
  const provider = withQuery('/sign-in/provider', { to: to === '/' ? undefined : to })
  const bySecretForm = html`<form method="post" action="/sign-in">
    <input type="hidden" name="csrf" value="${desk.visitToken(visit)}" />
    <input type="hidden" name="to" value="${to}" />
    ${textField('secret', say({ fr: 'Secret d’amorçage', en: 'Bootstrap secret' }), { type: 'password', required: true, flaw, max: 1000 })}
    <div class="actions"><button>${say({ fr: 'Se connecter', en: 'Sign in' })}</button></div>
  </form>`
  return page(
    say({ fr: 'Connexion des exploitants', en: 'Sign-in of operators' }),
    html`${
      parts.settings.oidc &&
      html`<p>
        <a class="button" href="${provider}">${say({ fr: 'Se connecter avec son organisation', en: 'Sign in with your organisation' })}</a>
      </p>`
    }
    ${parts.settings.bootstrap !== undefined && bySecretForm}`,
    { status },
  )
}

async function bySecret(desk: Desk, request: Asked, reply: Reply): Promise<Reply> {
  const { parts, attempts, cookies } = desk
  const { bootstrap } = parts.settings
  const say = saying(desk, request, reply)
  const form = formOf(request)
  const visit = request.cookies[cookies.visit]
  if (visit === undefined || !isOurs(desk, request, form, desk.visitToken(visit)))
    return send(desk, request, reply, undefined, notOurs(say))
  const again = (sentence: Said, status: number): Reply =>
    send(
      desk,
      request,
      reply,
      undefined,
      signInPage(desk, request, reply, form['to'], { field: 'secret', sentence: say(sentence) }, status),
    )
  const wait = attempts.waitOf(parts.placeOf(request.raw), parts.now())
  if (wait > 0) {
    void reply.header('Retry-After', String(wait))
    const minutes = Math.ceil(wait / 60)
    return again(
      {
        fr: `Trop d’essais depuis votre adresse : attendez ${minutes} min.`,
        en: `Too many attempts from your address: wait ${minutes} min.`,
      },
      429,
    )
  }
  if (bootstrap === undefined || !isEqual(form['secret'] ?? '', bootstrap)) {
    attempts.wrong(parts.placeOf(request.raw), parts.now())
    parts.log.warn('a wrong secret was given to the console')
    return again({ fr: 'Ce n’est pas le secret.', en: 'That is not the secret.' }, 401)
  }
  attempts.right(parts.placeOf(request.raw))
  await open(desk, request, reply, BOOTSTRAP)
  return reply.headers({ 'Cache-Control': 'no-store' }).redirect(pathOnly(form['to']), 303)
}

async function open(desk: Desk, request: Asked, reply: Reply, operator: Operator): Promise<void> {
  const { cookies, sessions } = desk
  const { id } = await sessions.open(operator, request.cookies[cookies.session])
  void reply
    .setCookie(cookies.session, id, { path: '/', secure: cookies.secure, sameSite: 'strict', httpOnly: true })
    .clearCookie(cookies.visit, { path: '/', secure: cookies.secure })
}

function callbackOf(desk: Desk, request: Asked): string {
  return `${desk.originOf(request)}/sign-in/callback`
}

async function toProvider(desk: Desk, request: Asked, reply: Reply): Promise<Reply> {
  const { oidc, cookies, parts } = desk
  const say = saying(desk, request, reply)
  if (!oidc) return send(desk, request, reply, undefined, page(say({ fr: 'Introuvable', en: 'Not found' }), undefined, { status: 404 }))
  const begun = await oidc.begin(callbackOf(desk, request), pathOnly(wordsOf(request.query)['to'])).catch((error: unknown) => {
    parts.log.error({ err: error }, 'the OpenID provider of the operators does not answer')
    return undefined
  })
  if (!begun) return send(desk, request, reply, undefined, providerDown(say))
  const id = randomBytes(32).toString('base64url')
  await parts.tickets.put('console sign-in', id, JSON.stringify(begun.state), SIGN_IN_SECONDS)
  // Lax: the provider sends the browser back, and this must come along.
  void reply.setCookie(cookies.signIn, id, { path: '/', secure: cookies.secure, sameSite: 'lax', httpOnly: true, maxAge: SIGN_IN_SECONDS })
  return reply.headers({ 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' }).redirect(begun.url.href, 303)
}

async function fromProvider(desk: Desk, request: Asked, reply: Reply): Promise<Reply> {
  const { oidc, cookies, parts } = desk
  const say = saying(desk, request, reply)
  const id = request.cookies[cookies.signIn]
  // Taken, not read: an answer of the provider is good for one try, whatever comes of it.
  const kept = oidc && id !== undefined && /^[\w-]{43}$/.test(id) ? await parts.tickets.take('console sign-in', id) : null
  void reply.clearCookie(cookies.signIn, { path: '/', secure: cookies.secure })
  if (!oidc || kept === null) return send(desk, request, reply, undefined, notSignedIn(say, 'refused'))
  const state = JSON.parse(kept) as SignInState
  const arrived = new URL(`${callbackOf(desk, request)}${new URL(request.url, 'http://here.invalid').search}`)
  const signed = await oidc.finish(arrived, state).catch((error: unknown) => {
    parts.log.error({ err: error }, 'the OpenID provider of the operators does not answer')
    return undefined
  })
  if (!signed) return send(desk, request, reply, undefined, providerDown(say))
  if (!signed.ok) {
    parts.log.warn('a sign-in at the OpenID provider was not accepted')
    return send(desk, request, reply, undefined, notSignedIn(say, signed.why))
  }
  await open(desk, request, reply, signed.operator)
  const to = pathOnly(state.to)
  return send(
    desk,
    request,
    reply,
    undefined,
    page(
      say({ fr: 'Connexion faite', en: 'Signed in' }),
      html`<p><a class="button" href="${to}">${say({ fr: 'Continuer', en: 'Continue' })}</a></p>`,
      { refresh: { seconds: 0, href: to } },
    ),
  )
}

function providerDown(say: (said: Said) => string): Shown {
  return page(
    say({ fr: 'Le fournisseur d’identité ne répond pas', en: 'The identity provider does not answer' }),
    html`<p><a href="/sign-in">${say({ fr: 'Réessayer', en: 'Try again' })}</a></p>`,
    { status: 503 },
  )
}

function notSignedIn(say: (said: Said) => string, why: 'refused' | 'no_role'): Shown {
  return page(
    say({ fr: 'Connexion refusée', en: 'Sign-in refused' }),
    html`<p>
        ${
          why === 'no_role'
            ? say({
                fr: 'Votre organisation vous connaît, mais ne vous donne aucun rôle dans cette console.',
                en: 'Your organisation knows you, and gives you no role in this console.',
              })
            : say({
                fr: 'La réponse du fournisseur d’identité n’a pas été acceptée.',
                en: 'The answer of the identity provider was not accepted.',
              })
        }
      </p>
      <p><a href="/sign-in">${say({ fr: 'Recommencer', en: 'Start again' })}</a></p>`,
    { status: 403 },
  )
}

async function sessionPage(desk: Desk, request: Asked, reply: Reply): Promise<Reply> {
  const session = await desk.sessions.of(request.cookies[desk.cookies.session])
  if (!session) return reply.redirect('/sign-in', 303)
  const say = saying(desk, request, reply)
  const { operator, csrf } = session
  return send(
    desk,
    request,
    reply,
    session,
    page(
      say({ fr: 'Session', en: 'Session' }),
      html`${facts([
          [say({ fr: 'Connecté', en: 'Signed in' }), operator.name],
          [say({ fr: 'Dans les preuves', en: 'In the evidence' }), html`<code>${operator.id}</code>`],
          [say({ fr: 'Rôle', en: 'Role' }), say(ROLE[operator.role])],
        ])}
        <form method="post" action="/session/end">
          <input type="hidden" name="csrf" value="${csrf}" />
          <div class="actions"><button class="stop">${say({ fr: 'Se déconnecter', en: 'Sign out' })}</button></div>
        </form>`,
    ),
  )
}

async function end(desk: Desk, request: Asked, reply: Reply): Promise<Reply> {
  const { cookies, sessions } = desk
  const id = request.cookies[cookies.session]
  const session = await sessions.of(id)
  if (session && id !== undefined) {
    if (!isOurs(desk, request, formOf(request), session.csrf))
      return send(desk, request, reply, session, notOurs(saying(desk, request, reply)))
    await sessions.close(id)
  }
  return reply
    .clearCookie(cookies.session, { path: '/', secure: cookies.secure })
    .headers({ 'Cache-Control': 'no-store', 'Clear-Site-Data': '"cache"' })
    .redirect('/sign-in', 303)
}
