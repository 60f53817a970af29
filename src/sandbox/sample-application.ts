/**
 * A service as its users meet it: asks a person to connect a meter, by the OAuth code flow (pushed request, rich
 * authorization request, PKCE) through openid-client, keeps the token, and reads data with it. It stands for the software
 * of others, so that a visitor can try the whole way without typing a command; nothing of the gate is in it.
 *
 * For demonstrations on loopback: it shows the token, which no real service would.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  allowInsecureRequests,
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrlWithPAR,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  discovery,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import type { Configuration } from 'openid-client'
import type { Millis } from '../domain/time.ts'
import { addDays, parisDay } from '../domain/time.ts'
import type { Content } from '../web/html.ts'
import { html } from '../web/html.ts'
import type { Language } from '../web/language.ts'
import { languageOf } from '../web/language.ts'
import { pageHeaders, pageOf } from '../web/page.ts'
import { STYLE, STYLE_PATH } from '../web/style.ts'

export interface SampleApplicationOptions {
  readonly port: number
  /** Base URL of the gate: where authorization is asked for, and where data is read. */
  readonly gate: string
  readonly clientId: string
  readonly secret: string
}
export interface SampleApplication {
  readonly url: string
  close(): Promise<void>
}

interface Visitor {
  readonly verifier?: string
  readonly state?: string
  readonly token?: string
  readonly meters?: readonly string[]
  /** The answer that was read last. */
  readonly read?: { readonly target: string; readonly status: number; readonly headers: readonly string[]; readonly body: string }
  readonly problem?: string
}

const MOST_VISITORS = 1000
const SHOWN_HEADERS = ['audit-entry', 'ecluse-narrowed', 'ecluse-reason', 'ecluse-refused-by', 'retry-after']

export async function startSampleApplication(options: SampleApplicationOptions): Promise<SampleApplication> {
  const visitors = new Map<string, Visitor>()
  let known: Promise<Configuration> | undefined
  // Asked for at the first visit: the gate may start after this.
  const server = (): Promise<Configuration> =>
    (known ??= discovery(new URL(options.gate), options.clientId, undefined, ClientSecretBasic(options.secret), {
      algorithm: 'oauth2',
      execute: [allowInsecureRequests],
    }).catch((error: unknown) => {
      known = undefined
      throw error
    }))

  async function start(id: string): Promise<string> {
    const config = await server()
    const verifier = randomPKCECodeVerifier()
    const state = randomState()
    remember(id, { verifier, state })
    const to = await buildAuthorizationUrlWithPAR(config, {
      redirect_uri: `${url}/callback`,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      resource: options.gate,
    })
    return to.href
  }
  async function back(id: string, target: string): Promise<void> {
    const { verifier, state } = visitors.get(id) ?? {}
    if (verifier === undefined || state === undefined) return remember(id, { problem: 'nothing was asked for' })
    try {
      const tokens = await authorizationCodeGrant(await server(), new URL(target, url), {
        pkceCodeVerifier: verifier,
        expectedState: state,
      })
      const details = (tokens['authorization_details'] ?? []) as readonly { readonly identifier?: string }[]
      const meters = [...new Set(details.flatMap(({ identifier }) => (identifier === undefined ? [] : [identifier.replace(/^prm:/, '')])))]
      remember(id, { token: tokens.access_token, meters })
    } catch (error) {
      // What the gate said (RFC 6749, § 4.1.2.1) where it spoke; else what went wrong on the way.
      const said = error instanceof AuthorizationResponseError ? error.error : undefined
      remember(id, { problem: said ?? (error instanceof Error ? error.message : 'unknown') })
    }
  }
  async function read(id: string, meter: string): Promise<void> {
    const visitor = visitors.get(id) ?? {}
    const today = parisDay(Date.now() as Millis)
    const query = `usage_point_id=${encodeURIComponent(meter)}&start=${addDays(today, -7)}&end=${today}`
    const target = `/metering_data_dc/v5/daily_consumption?${query}`
    const answer = await fetch(`${options.gate}${target}`, {
      headers: { Authorization: `Bearer ${visitor.token ?? ''}`, Accept: 'application/json' },
    })
    const body = await answer.text()
    const headers = SHOWN_HEADERS.flatMap((name) => {
      const value = answer.headers.get(name)
      return value === null ? [] : [`${name}: ${value}`]
    })
    remember(id, { ...visitor, read: { target, status: answer.status, headers, body } })
  }
  function remember(id: string, visitor: Visitor): void {
    visitors.delete(id)
    if (visitors.size >= MOST_VISITORS) visitors.delete(visitors.keys().next().value ?? '')
    visitors.set(id, visitor)
  }

  async function take(message: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname } = new URL(message.url ?? '/', url)
    const what = `${message.method} ${pathname}`
    if (what === `GET ${STYLE_PATH}`) return void res.writeHead(200, { 'Content-Type': 'text/css; charset=utf-8' }).end(STYLE)
    const id = /(?:^|; )sample=([A-Za-z0-9_-]{22})/.exec(message.headers.cookie ?? '')?.[1] ?? randomBytes(16).toString('base64url')
    res.setHeader('Set-Cookie', `sample=${id}; Path=/; HttpOnly; SameSite=Lax`)
    if (what === 'POST /start') return seeOther(res, await start(id))
    if (what === 'GET /callback') {
      await back(id, message.url ?? '')
      return seeOther(res, '/')
    }
    if (what === 'POST /read') {
      const meter = new URLSearchParams(await textOf(message)).get('meter') ?? ''
      await read(id, meter)
      return seeOther(res, '/#read')
    }
    if (what === 'POST /forget') {
      visitors.delete(id)
      return seeOther(res, '/')
    }
    const language = languageOf(new URL(message.url ?? '/', url).searchParams.get('lang') ?? undefined, message.headers['accept-language'])
    const page = what === 'GET /' ? home(language, visitors.get(id) ?? {}) : html`<h1>404</h1>`
    res.writeHead(what === 'GET /' ? 200 : 404, pageHeaders([new URL(options.gate).origin]))
    res.end(framed(language, page, options.gate))
  }

  const listener = createServer((message, res) => {
    take(message, res).catch((error: unknown) => {
      process.stderr.write(`sample application: ${error instanceof Error ? error.message : 'failed'}\n`)
      if (!res.headersSent) res.writeHead(502, { 'Content-Type': 'text/plain; charset=utf-8' })
      res.end('The gate did not answer: go back and try again.\n')
    })
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen({ host: '127.0.0.1', port: options.port }, resolve)
  })
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return {
    url,
    close() {
      const closed = new Promise<void>((done) => listener.close(() => done()))
      listener.closeAllConnections()
      return closed
    },
  }
}

function seeOther(res: ServerResponse, to: string): void {
  res.writeHead(303, { Location: to, 'Content-Length': '0' }).end()
}

async function textOf(message: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of message as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8').slice(0, 10_000)
}

function framed(language: Language, body: Content, gate: string): string {
  return pageOf({
    language,
    title: language === 'fr' ? 'Application de démonstration' : 'Sample application',
    site: {
      name: 'Viriya (démo)',
      home: '/',
      links: [{ href: `${gate}/me`, text: language === 'fr' ? 'Mes autorisations (portail)' : 'My permissions (portal)' }],
    },
    body,
    otherLanguage: language === 'fr' ? '/?lang=en' : '/?lang=fr',
  })
}

function home(l: Language, visitor: Visitor): Content {
  const fr = l === 'fr'
  const { token, meters = [], read, problem } = visitor
  const connect = html`<form method="post" action="/start">
    <div class="actions"><button type="submit">${fr ? 'Relier mon compteur' : 'Connect my meter'}</button></div>
  </form>`
  return html`<h1>${fr ? 'Voir ma consommation' : 'See my consumption'}</h1>
    <p class="note">
      ${
        fr
          ? 'Cette application joue le rôle d’un service qui lit vos données. Tout est simulé.'
          : 'This application plays the part of a service that reads your data. Everything is simulated.'
      }
    </p>
    ${
      problem !== undefined &&
      html`<div class="error" role="alert">
        <p>${fr ? 'Aucun accès n’a été accordé.' : 'No access was granted.'} <code>${problem}</code></p>
      </div>`
    }
    ${
      token === undefined
        ? connect
        : html`<p class="good" role="status">${fr ? 'Un compteur est relié.' : 'A meter is connected.'}</p>
            <h2>${fr ? 'Jeton d’accès' : 'Access token'}</h2>
            <pre id="token">${token}</pre>
            ${meters.map(
              (meter) =>
                html`<form method="post" action="/read">
                  <input type="hidden" name="meter" value="${meter}" />
                  <div class="actions">
                    <button type="submit">
                      ${fr ? 'Lire les 7 derniers jours du compteur' : 'Read the last 7 days of meter'} ${meter}
                    </button>
                  </div>
                </form>`,
            )}
            <form method="post" action="/forget">
              <div class="actions"><button type="submit" class="plain">${fr ? 'Oublier ce jeton' : 'Forget this token'}</button></div>
            </form>`
    }
    ${
      read &&
      html`<section id="read" aria-labelledby="answer">
        <h2 id="answer">${fr ? 'Réponse de la passerelle' : 'Answer of the gate'}</h2>
        <p class="${read.status === 200 ? 'good' : 'bad'}" id="status">
          ${read.status === 200 ? (fr ? 'Données reçues' : 'Data received') : fr ? 'Lecture refusée' : 'Reading refused'} (HTTP
          ${read.status})
        </p>
        <pre>GET ${read.target}</pre>
        <pre>${read.headers.join('\n')}</pre>
        <pre id="body">${read.body}</pre>
      </section>`
    }`
}
