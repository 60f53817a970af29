/**
 * Simulated FranceConnect v2: an OpenID provider below `/franceconnect/api/v2`, as strict and as particular as the
 * original. Closed list of parameters (no PKCE, though announced), `acr_values`, `state` and a `nonce` of 22 characters
 * required, `iss` on every callback, codes of 30 s, tokens of 60 s, ES256, UserInfo as a signed JWT, one `sub` for each
 * service, claims from UserInfo only, single sign-on until the session is ended. Told to, it does one thing wrong.
 *
 * Source: FranceConnect's partner documentation and sources (v2). Nobody real can be signed in as.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createHash } from 'node:crypto'
import type { FranceDesk, Grant } from './france-connect-desk.ts'
import { franceDesk, TOKEN_SECONDS } from './france-connect-desk.ts'
import { sendFranceError, sendSignedOut, sendSignIn } from './france-connect-pages.ts'
import { claimsOf, FRANCE_CLAIMS, FRANCE_SCOPES, francePerson, subOf } from './france-connect-persons.ts'
import type { FranceConnectClient, FranceRequest } from './france-connect-request.ts'
import { OUR_CODES, readFranceRequest } from './france-connect-request.ts'
import type { Signer } from './france-connect-signing.ts'
import { signer } from './france-connect-signing.ts'
import type { FranceWrong } from './france-connect-wrong.ts'
import { franceMischief } from './france-connect-wrong.ts'
import { readForm } from './receive.ts'
import { sendText } from './send.ts'
import type { Visit } from './simulated-page.ts'
import { redirect } from './simulated-page.ts'

export const FRANCE_PATH = '/franceconnect/api/v2'

export interface FranceConnect {
  readonly issuer: string
  /** Makes a service known, or replaces what was known of it. */
  register(client: FranceConnectClient): void
  /** The next so many times that it could, it does this wrong. */
  misbehave(wrong: FranceWrong, times?: number): void
  /** New keys, and the old ones are published no longer. */
  rotateKeys(): Promise<void>
  reset(): void
}

export interface FranceConnectServer {
  readonly handle: FranceConnect
  take(message: IncomingMessage, visit: Visit, res: ServerResponse): Promise<void>
}

/** @param origin of the simulator, known once it listens */
export async function franceConnect(origin: () => string, now: () => number): Promise<FranceConnectServer> {
  const issuer = (): string => `${origin()}${FRANCE_PATH}`
  const provider: Provider = { issuer, now, desk: franceDesk(now), signs: await signer(issuer), wrong: franceMischief() }
  return {
    handle: {
      get issuer() {
        return issuer()
      },
      register: (client) => provider.desk.register(client),
      misbehave: (wrong, times = 1) => provider.wrong.ask(wrong, times),
      rotateKeys: () => provider.signs.rotate(),
      reset: () => provider.wrong.reset(),
    },
    async take(message, visit, res) {
      switch (visit.path.slice(FRANCE_PATH.length)) {
        case '/.well-known/openid-configuration':
          return sendText(res, 200, JSON.stringify(metadata(issuer())))
        case '/jwks':
          return sendText(res, 200, JSON.stringify(provider.signs.jwks()))
        case '/authorize':
          return authorize(provider, message, visit, res)
        case '/token':
          return token(provider, message, res)
        case '/userinfo':
          return userInfo(provider, message, res)
        case '/session/end':
          return endSession(provider, message, visit, res)
        default:
          return sendText(res, 404, '{"error":"not_found"}')
      }
    },
  }
}

interface Provider {
  readonly issuer: () => string
  readonly now: () => number
  readonly desk: FranceDesk
  readonly signs: Signer
  readonly wrong: ReturnType<typeof franceMischief>
}

function metadata(issuer: string): unknown {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    end_session_endpoint: `${issuer}/session/end`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code'],
    subject_types_supported: ['pairwise'],
    acr_values_supported: ['eidas1'],
    scopes_supported: FRANCE_SCOPES,
    claims_supported: ['sub', ...FRANCE_CLAIMS],
    claims_parameter_supported: true,
    request_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
    // Announced, and refused when it is used.
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    id_token_signing_alg_values_supported: ['HS256', 'ES256', 'RS256'],
    userinfo_signing_alg_values_supported: ['HS256', 'ES256', 'RS256'],
  }
}

const COOKIE = 'simulated_franceconnect'

async function authorize(provider: Provider, message: IncomingMessage, visit: Visit, res: ServerResponse): Promise<void> {
  const { desk, now, wrong } = provider
  const form = await readForm(message)
  const read = readFranceRequest(visit.query, (id) => desk.clientOf(id))
  if (read.is === 'page') return sendFranceError(res, visit, read.code)
  const { request } = read
  if (read.is === 'redirect') return sendError(provider, res, request, read.error, read.code)
  if (wrong.next('server_error')) return sendError(provider, res, request, 'server_error', OUR_CODES.failed)
  const { language } = request
  const spoken = visit.prefix === '' && language !== undefined ? { ...visit, language } : visit
  if (!form) {
    const session = request.mustSignIn ? undefined : desk.sessionOf(sessionId(message))
    return session ? sendCode(provider, res, { request, ...session }) : sendSignIn(res, spoken, request, false)
  }
  if (form.get('decision') === 'cancel') return sendError(provider, res, request, 'access_denied', OUR_CODES.refused)
  const person = francePerson(form.get('person'))
  if (!person) return sendSignIn(res, spoken, request, true)
  if (person.deceased) return sendError(provider, res, request, 'access_denied', OUR_CODES.deceased)
  const session = { person, authTime: now() }
  res.setHeader('Set-Cookie', `${COOKIE}=${desk.openSession(session)}; Path=/; HttpOnly; SameSite=Lax`)
  return sendCode(provider, res, { request, ...session })
}

function sendCode({ desk, issuer, wrong }: Provider, res: ServerResponse, grant: Grant): void {
  const iss = wrong.next('no_iss') ? undefined : wrong.next('wrong_iss') ? 'https://elsewhere.invalid/api/v2' : issuer()
  const state = wrong.next('wrong_state') ? 'not-the-state-that-was-sent' : grant.request.state
  redirect(res, grant.request.redirectUri, { code: desk.giveCode(grant), state, iss })
}

function sendError({ issuer }: Provider, res: ServerResponse, request: FranceRequest, error: string, code: string): void {
  redirect(res, request.redirectUri, { error, error_description: `${error} (${code})`, state: request.state, iss: issuer() })
}

function sessionId(message: IncomingMessage): string | undefined {
  const cookies = (message.headers.cookie ?? '').split(';').map((part) => part.trim())
  return cookies.find((part) => part.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1)
}

async function token(provider: Provider, message: IncomingMessage, res: ServerResponse): Promise<void> {
  const { desk, wrong } = provider
  const form = await readForm(message)
  const refuse = (status: number, error: string): void =>
    sendText(res, status, JSON.stringify({ error, error_description: error }), NOT_KEPT)
  if (!form) return refuse(400, 'invalid_request')
  if (wrong.next('token_error')) return refuse(500, 'server_error')
  const client = desk.clientOf(form.get('client_id') ?? '')
  // client_secret_post only: a Basic header is not looked at.
  if (!client || client.secret !== form.get('client_secret')) return refuse(401, 'invalid_client')
  if (form.get('grant_type') !== 'authorization_code') return refuse(400, 'unsupported_grant_type')
  const code = form.get('code') ?? ''
  const grant = desk.takeCode(code)
  if (grant?.request.client.clientId !== client.clientId || grant.request.redirectUri !== form.get('redirect_uri')) {
    return refuse(400, 'invalid_grant')
  }
  const accessToken = desk.giveToken(grant, code)
  const answer = {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: TOKEN_SECONDS,
    scope: grant.request.scopes.join(' '),
    id_token: await idToken(provider, grant, accessToken),
  }
  return sendText(res, 200, JSON.stringify(answer), NOT_KEPT)
}

const NOT_KEPT = { 'Cache-Control': 'no-store' }

/** Says who and how, and no name: names come from UserInfo only. */
function idToken({ issuer, now, signs, wrong }: Provider, { request, person, authTime }: Grant, accessToken: string): Promise<string> {
  const { client, nonce, acr, amr } = request
  const iat = Math.floor(now() / 1000) - (wrong.next('id_token_expired') ? 3600 : 0)
  const claims = {
    iss: wrong.next('id_token_wrong_iss') ? 'https://elsewhere.invalid/api/v2' : issuer(),
    sub: subOf(client.clientId, person),
    aud: wrong.next('id_token_wrong_aud') ? 'another-service' : client.clientId,
    iat,
    exp: iat + TOKEN_SECONDS,
    auth_time: Math.floor(authTime / 1000),
    acr: wrong.next('id_token_wrong_acr') ? 'eidas0' : acr,
    nonce: wrong.next('id_token_wrong_nonce') ? 'x'.repeat(nonce.length) : nonce,
    at_hash: createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
    ...(amr && { amr: ['pwd'] }),
  }
  return signs.sign(claims, client.secret, wrong.nextSignature('id_token'))
}

async function userInfo({ desk, issuer, now, signs, wrong }: Provider, message: IncomingMessage, res: ServerResponse): Promise<void> {
  message.resume()
  const bearer = /^Bearer +(\S+)$/i.exec(message.headers.authorization ?? '')?.[1]
  const grant = bearer === undefined ? undefined : desk.grantOf(bearer)
  if (!grant) {
    const said = { error: 'invalid_token', error_description: 'invalid token provided' }
    return sendText(res, 401, JSON.stringify(said), { ...NOT_KEPT, 'WWW-Authenticate': 'Bearer error="invalid_token"' })
  }
  if (wrong.next('userinfo_error')) return sendText(res, 500, '{"error":"server_error"}', NOT_KEPT)
  const { client, scopes } = grant.request
  const told = {
    sub: wrong.next('userinfo_other_sub') ? `${'0'.repeat(66)}v1` : subOf(client.clientId, grant.person),
    ...claimsOf(grant.person, scopes),
  }
  if (wrong.next('userinfo_json')) return sendText(res, 200, JSON.stringify(told), NOT_KEPT)
  const iat = Math.floor(now() / 1000)
  const claims = { ...told, iss: issuer(), aud: client.clientId, iat, exp: iat + TOKEN_SECONDS }
  const text = await signs.sign(claims, client.secret, wrong.nextSignature('userinfo'))
  return sendText(res, 200, text, { ...NOT_KEPT, 'Content-Type': 'application/jwt' })
}

async function endSession({ desk, signs }: Provider, message: IncomingMessage, visit: Visit, res: ServerResponse): Promise<void> {
  const asked = (await readForm(message)) ?? visit.query
  const hint = await signs.verify(asked.get('id_token_hint') ?? '')
  const client = typeof hint?.aud === 'string' ? desk.clientOf(hint.aud) : undefined
  const state = asked.get('state')
  const back = asked.get('post_logout_redirect_uri')
  if (!client || (back !== null && !client.postLogoutUris.includes(back))) return sendFranceError(res, visit, OUR_CODES.failed)
  desk.endSession(sessionId(message))
  res.setHeader('Set-Cookie', `${COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`)
  return back === null ? sendSignedOut(res, visit) : redirect(res, back, { state: state ?? undefined })
}
