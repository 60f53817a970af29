/**
 * An OpenID provider on loopback, as an organisation has one: discovery, keys, authorization code with PKCE. It checks
 * what it is sent, and lies on demand. Who signs in, and what the provider says of it, a test chooses.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Lies {
  /** `iss` beside the code; null: none. */
  iss?: string | null
  /** Claims of the ID token that replace the true ones. */
  claims?: Record<string, unknown>
  /** Signed with a key that is not published. */
  otherKey?: boolean
  /** Sends an error back instead of a code. */
  error?: string
  tokenStatus?: number
  /** A code is taken as often as it comes. */
  codesStay?: boolean
}
export interface OpenIdProvider {
  readonly issuer: string
  readonly secret: string
  /** Claims of who is at the browser. */
  person: Record<string, unknown>
  lies: Lies
  /** Queries of the authorization requests. */
  readonly asked: URLSearchParams[]
  close(): Promise<void>
}

export const CLIENT_ID = 'ecluse-console'

export async function openIdProvider(): Promise<OpenIdProvider> {
  const [published, hidden] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')]
  const jwk = { ...(await exportJWK(published.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }
  const codes = new Map<string, URLSearchParams>()
  const provider = {
    issuer: '',
    secret: 'openid-client-secret-canary',
    person: { sub: 'ada', preferred_username: 'Ada', roles: ['gate-admins'] } as Record<string, unknown>,
    lies: {} as Lies,
    asked: [] as URLSearchParams[],
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  const json = (res: ServerResponse, status: number, value: unknown): void =>
    void res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))

  function authorize(query: URLSearchParams, res: ServerResponse): void {
    provider.asked.push(query)
    const back = new URL(query.get('redirect_uri') ?? '')
    back.searchParams.set('state', query.get('state') ?? '')
    const { iss = provider.issuer, error } = provider.lies
    if (iss !== null) back.searchParams.set('iss', iss)
    if (error === undefined) {
      const code = randomBytes(16).toString('base64url')
      codes.set(code, query)
      back.searchParams.set('code', code)
    } else back.searchParams.set('error', error)
    res.writeHead(302, { Location: back.href }).end()
  }
  async function token(message: IncomingMessage, res: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of message) body += String(chunk)
    const form = new URLSearchParams(body)
    const query = codes.get(form.get('code') ?? '')
    if (provider.lies.codesStay !== true) codes.delete(form.get('code') ?? '')
    // RFC 6749 § 2.3.1: both halves are form-encoded first.
    const [id = '', secret = ''] = Buffer.from(message.headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':')
      .map(decodeURIComponent)
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (provider.lies.tokenStatus !== undefined) return json(res, provider.lies.tokenStatus, { error: 'server_error' })
    if (id !== CLIENT_ID || secret !== provider.secret) return json(res, 401, { error: 'invalid_client' })
    const redirects = query?.get('redirect_uri') === form.get('redirect_uri')
    if (!query || !redirects || query.get('code_challenge') !== challenge || query.get('code_challenge_method') !== 'S256')
      return json(res, 400, { error: 'invalid_grant' })
    const claims = {
      iss: provider.issuer,
      aud: CLIENT_ID,
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 300,
      nonce: query.get('nonce'),
      ...provider.person,
      ...provider.lies.claims,
    }
    const key = provider.lies.otherKey === true ? hidden.privateKey : published.privateKey
    const idToken = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key)
    json(res, 200, { access_token: randomBytes(16).toString('base64url'), token_type: 'Bearer', expires_in: 300, id_token: idToken })
  }
  const server = createServer((message, res) => {
    const url = new URL(message.url ?? '', provider.issuer)
    if (url.pathname === '/.well-known/openid-configuration')
      json(res, 200, {
        issuer: provider.issuer,
        authorization_endpoint: `${provider.issuer}/authorize`,
        token_endpoint: `${provider.issuer}/token`,
        jwks_uri: `${provider.issuer}/jwks`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
        authorization_response_iss_parameter_supported: true,
      })
    else if (url.pathname === '/jwks') json(res, 200, { keys: [jwk] })
    else if (url.pathname === '/authorize') authorize(url.searchParams, res)
    else if (url.pathname === '/token') token(message, res).catch(() => res.destroy())
    else json(res, 404, {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  provider.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return provider
}
