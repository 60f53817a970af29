/**
 * oidc-provider, told what it is here: an OAuth 2.1 authorization server for one resource, the gate. No ID token is ever
 * issued and no login remembered; every authorization asks the person anew.
 *
 * Each access token is put on record in the registry before anybody sees it (`onIssue`): what its bearer may do is
 * decided there, never here.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { decodeProtectedHeader } from 'jose'
import type {
  AccessToken,
  ClientCredentials,
  Configuration,
  KoaContextWithOIDC,
  interactionPolicy as policy,
  Provider as OidcProvider,
} from 'oidc-provider'
import { adapterOf, keptOf } from './adapter.ts'
import { hashOf, pointerOf } from './bearer.ts'
import type { KeySets } from './clients.ts'
import type { Detail } from './details.ts'
import { detailType, linesAsked } from './details.ts'
import { errorPage } from './error-page.ts'
import type { Bundle, Grants } from './grants.ts'
import { credentialOf, GRANT_SECONDS } from './grants.ts'
import { errors, interactionPolicy, Provider } from './library.ts'
import type { ClientId, OAuthParts, PurposeCode } from './ports.ts'

export const SCOPE = 'energy'
export const ROUTES = {
  authorization: '/oauth/authorize',
  pushed_authorization_request: '/oauth/par',
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  device_authorization: '/oauth/device',
  code_verification: '/device',
  jwks: '/oauth/jwks',
} as const
/** Where the pages of an authorization begin: `<this>/<uid>`. */
export const JOURNEY = '/consent/oauth'
export const DEVICE_SECONDS = 1800
const CODE_SECONDS = 60

export interface ProviderParts extends OAuthParts {
  readonly grants: Grants
  readonly keysOf: KeySets
  /** Set by the routes that speak as a server of old: throws where a token call must not succeed. */
  readonly checkAccount: (ctx: KoaContextWithOIDC, bundle: Bundle) => void
}

export function providerWith(parts: ProviderParts, signing: JWK & { readonly kid: string }): OidcProvider {
  const { issuer, grants } = parts
  const endGrant = async (grantId: string): Promise<void> => {
    const { ctx } = Provider
    // A client that gives one access token back keeps the others.
    if (ctx?.oidc.route === 'revocation' && ctx.oidc.entities.AccessToken !== undefined) return
    await grants.end(ctx?.oidc.client?.clientId, grantId)
  }
  const provider = new Provider(issuer, configurationOf(parts, signing, adapterOf({ ...parts, endGrant })))
  // Secrets are known as hashes only. Which credential it was is part of the evidence of what its token reads.
  provider.Client.prototype.compareClientSecret = async function compare(this: { readonly clientId: string }, secret: string) {
    const credential = await parts.state.tokens.checkSecret({ client: this.clientId, secret, now: parts.now() })
    if (credential !== undefined && Provider.ctx) credentials.set(Provider.ctx, credential)
    return credential !== undefined
  }
  Object.assign(provider.DeviceCode.prototype, { generateTokenId: () => randomBytes(32).toString('hex') })
  // As oidc-provider does it, two requests at once could both be the first.
  provider.ReplayDetection.unique = async (client, jti, exp) => {
    const id = createHash('sha256')
      .update(JSON.stringify([client, jti]))
      .digest('base64url')
    const named = { kind: 'ReplayDetection', id, now: parts.now() }
    await parts.state.tickets.put({ ...named, payload: '{}', ttlSeconds: Math.max(1, exp - Math.floor(Date.now() / 1000)) })
    return parts.state.tickets.consume(named)
  }
  // Behind a server that ends TLS the socket is plain; what a browser sees is the issuer's address.
  Object.defineProperty(provider.request, 'protocol', { get: () => new URL(issuer).protocol.slice(0, -1) })
  provider.onerror = (error) => parts.log.error({ err: error }, 'a request to the OAuth server failed')
  return provider
}

/** With which credential a token call was made. */
const credentials = new WeakMap<object, string>()

function configurationOf(
  parts: ProviderParts,
  signing: JWK & { readonly kid: string },
  adapter: NonNullable<Configuration['adapter']>,
): Configuration {
  const { grants } = parts
  const oauthOf = (id: string) => parts.client(id)?.oauth
  return {
    adapter,
    jwks: { keys: [signing] } as NonNullable<Configuration['jwks']>,
    routes: ROUTES,
    scopes: [],
    claims: {},
    responseTypes: ['code'],
    clientDefaults: { id_token_signed_response_alg: 'EdDSA' },
    // No method by a shared key: the gate holds none.
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    enabledJWA: { clientAuthSigningAlgValues: ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519'] },
    pkce: { required: () => true },
    clockTolerance: 5,
    cookies: {
      names: { session: 'ecluse_session', interaction: 'ecluse_interaction', resume: 'ecluse_resume' },
      short: { httpOnly: true, sameSite: 'lax' },
      long: { httpOnly: true, sameSite: 'lax' },
    },
    features: featuresOf(parts),
    interactions: { policy: [alwaysAsk()], url: (_ctx, { uid }) => `${JOURNEY}/${uid}` },
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: (ctx) => oauthOf(ctx.oidc.client?.clientId ?? '')?.rotateRefresh ?? true,
    clientBasedCORS: (_ctx, origin, client) => parts.client(client.clientId)?.corsOrigins.includes(origin) ?? false,
    async findAccount(ctx, bundleId, source) {
      const bundle = await grants.bundle(ctx.oidc.client?.clientId ?? '', bundleId)
      // Withdrawn or run out: its tokens would open nothing, and the client is to ask the person again.
      if (!bundle || (source !== undefined && bundle.over)) return undefined
      parts.checkAccount(ctx, bundle)
      return { accountId: bundleId, claims: () => ({ sub: bundleId }) }
    },
    async extraTokenClaims(ctx, token) {
      await onIssue(parts, ctx, token)
      return undefined
    },
    formats: {
      customizers: {
        jwt(_ctx, _token, { payload }) {
          // A pointer: whose meter it is stands in the registry, not in what a client may log.
          delete payload['authorization_details']
        },
      },
    },
    ttl: {
      AccessToken: () => parts.tokens().ttlSeconds,
      ClientCredentials: () => parts.tokens().ttlSeconds,
      AuthorizationCode: CODE_SECONDS,
      DeviceCode: DEVICE_SECONDS,
      Grant: GRANT_SECONDS,
      Interaction: () => parts.journeySeconds() + 600,
      Session: 60,
      IdToken: 60,
      // From the first on: rotation does not make it live for ever.
      RefreshToken: (_ctx, token) => {
        const days = oauthOf(token.clientId ?? '')?.refreshDays ?? 1
        return Math.max(1, (token.iiat ?? 0) + days * 86_400 - Math.floor(Date.now() / 1000))
      },
    },
    renderError: (ctx, out) => errorPage(ctx, out.error, out.error_description),
  }
}

function featuresOf(parts: ProviderParts): NonNullable<Configuration['features']> {
  const { issuer, grants } = parts
  return {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    userinfo: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true, charset: 'base-20', mask: '****-****', deviceInfo: () => ({}) },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: false },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    introspection: {
      enabled: true,
      async allowedPolicy(_ctx, client, token) {
        if (token.clientId !== client.clientId) return false
        if (token.kind !== 'ClientCredentials') {
          const bundle = await grants.bundle(client.clientId, token.accountId)
          if (!bundle?.inForce) return false
          if (token.kind === 'RefreshToken') return true
        } else if (!(await grants.holdsAny(client.clientId))) return false
        const identity = await parts.state.tokens.identify({ hash: hashOf(token.jti) })
        return identity !== undefined && !identity.disabled && parts.now() < identity.expiresAt
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => issuer,
      useGrantedResource: () => true,
      getResourceServerInfo(ctx, resource, client) {
        if (resource !== issuer) throw new errors.InvalidTarget()
        const { params } = ctx.oidc
        if (params !== undefined && ctx.oidc.route !== 'token') params['scope'] ??= SCOPE
        if (params?.['grant_type'] === 'client_credentials') params['scope'] ??= SCOPE
        return {
          scope: SCOPE,
          audience: issuer,
          accessTokenTTL: parts.tokens().ttlSeconds,
          accessTokenFormat: parts.client(client.clientId)?.oauth.format ?? 'opaque',
          jwt: { sign: { alg: 'EdDSA' } },
        }
      },
    },
    richAuthorizationRequests: {
      enabled: true,
      types: {
        [detailType(issuer)]: {
          validate(ctx, detail, client) {
            const declared = parts.client(client.clientId)
            if (ctx.oidc.route === 'token' || !declared)
              throw new errors.InvalidAuthorizationDetails('authorization_details belong in the authorization request')
            const asking = { issuer, client: declared, purposeOf: (id: string) => parts.client(id)?.purpose, now: parts.now() }
            const understood = linesAsked(asking, [detail as Detail])
            if (!understood.ok) throw new errors.InvalidAuthorizationDetails(understood.why)
          },
        },
      },
      authorizationDetailsForGrantSource: (ctx) => ctx.oidc.grant?.rar,
      authorizationDetailsForAccessToken: (_ctx, _token, source) => source?.rar,
      authorizationDetailsForIntrospection: (_ctx, token) => token.rar,
    },
  }
}

function alwaysAsk(): policy.Prompt {
  const asked = new interactionPolicy.Check('ask', 'the person is asked each time', 'interaction_required', (ctx) =>
    ctx.oidc.result?.consent === undefined ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT,
  )
  return new interactionPolicy.Prompt({ name: 'consent', requestable: true }, asked)
}

/** Puts a token on record. Where that fails nobody has seen it. */
async function onIssue(parts: ProviderParts, ctx: KoaContextWithOIDC, token: AccessToken | ClientCredentials): Promise<void> {
  const { state, grants, client, tokens, now } = parts
  const id = token.clientId ?? ''
  const declared = client(id)
  if (!declared || declared.disabled) throw new errors.InvalidClient('client is invalid')
  const bundle = token.kind === 'AccessToken' ? await grants.bundle(id, token.accountId) : undefined
  if (token.kind === 'AccessToken' && !bundle) throw new errors.InvalidGrant('grant not found')
  const { ttlSeconds, perCredentialCap } = tokens()
  const pointer = token.format === 'jwt' ? pointerOf(token.jti) : token.jti
  await state.tokens.record({
    value: pointer,
    client: id as ClientId,
    purpose: declared.purpose as PurposeCode,
    permissions: bundle?.permissions ?? null,
    credential: token.kind === 'AccessToken' ? credentialOf(token.grantId ?? '') : credentialUsed(ctx),
    ttlSeconds,
    cap: perCredentialCap,
    now: now(),
  })
  // Whoever ends the grant forgets it first and ends its tokens then. Where that came before, ours was not among them.
  if (token.kind === 'AccessToken' && (await state.tickets.get({ kind: 'Grant', id: token.grantId ?? '', now: now() })) === null) {
    await state.tokens.end({ client: id as ClientId, hash: hashOf(pointer), now: now() })
    throw new errors.InvalidGrant('grant not found')
  }
  if (token.format !== 'jwt') return
  // oidc-provider keeps no copy of a JWT; without one it could be neither introspected nor revoked.
  const iat = Math.floor(Date.now() / 1000)
  const { kind, clientId, aud, scope } = token
  const more = token.kind === 'AccessToken' ? { accountId: token.accountId, grantId: token.grantId, gty: token.gty, rar: token.rar } : {}
  await state.tickets.put({
    kind,
    id: pointer,
    payload: JSON.stringify({ jti: pointer, kind, clientId, aud, scope, iat, exp: iat + ttlSeconds, ...more }),
    ttlSeconds,
    now: now(),
    ...keptOf(kind, token.kind === 'AccessToken' ? token.grantId : undefined, clientId, perCredentialCap),
  })
}

/** What the client proved itself by: its credential, or the key of its assertion. */
function credentialUsed(ctx: KoaContextWithOIDC): string {
  const known = credentials.get(ctx)
  if (known !== undefined) return known
  const assertion = ctx.oidc.params?.['client_assertion']
  const kid = typeof assertion === 'string' ? (decodeProtectedHeader(assertion).kid ?? '') : ''
  return `key_${createHash('sha256')
    .update(JSON.stringify([ctx.oidc.client?.clientId, kid]))
    .digest('base64url')
    .slice(0, 22)}`
}
