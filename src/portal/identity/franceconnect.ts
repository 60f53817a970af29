/**
 * FranceConnect v2 through openid-client, exactly as its documentation asks: a closed list of parameters (PKCE is
 * announced and refused), `acr_values`, a nonce of 43 characters, `prompt=login` because a session left open on a shared
 * machine would prove the wrong person. Of who came back only `iss` and `sub` are used, and kept only as a keyed hash.
 *
 * Everything is verified, and pinned: `iss` on the callback, state, nonce, audience, times, signatures of ID token and
 * UserInfo with the one algorithm that the settings name, the same `sub` in both, `acr` no lower than asked. A plain
 * UserInfo, HS256 or `none` is refused. Sources: FranceConnect partner documentation (v2); OpenID Connect Core 1.0;
 * RFC 9207; docs of openid-client 6.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { ServerMetadata } from 'openid-client'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  ClientSecretPost,
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
} from 'openid-client'
import type { Millis } from '../../domain/time.ts'
import type { Language } from '../../web/language.ts'
import type { PortalSettings } from '../ports.ts'

type FranceConnectSettings = NonNullable<PortalSettings['franceconnect']>

/** A person, as this provider knows it towards this service and no other. */
export interface Identity {
  /** Issuer and subject: given to the registry, which keeps a keyed hash of it. */
  readonly identity: string
  /** Kept with the session for the logout, and nowhere else. */
  readonly idToken: string
}
export interface Asked {
  readonly url: URL
  readonly state: string
  readonly nonce: string
}

export interface FranceConnect {
  /** Where its pages are: forms that lead there are allowed to. */
  readonly origin: string
  /** Where the browser goes, and what to compare when it comes back. Rejects where the provider cannot be reached. */
  begin(language: Language): Promise<Asked>
  /** @param callback path and query as the browser brought them. Rejects unless all of it is true. */
  finish(callback: string, expected: { readonly state: string; readonly nonce: string }): Promise<Identity>
  /** Where its own session ends; undefined where the provider has no such page. */
  endOf(idToken: string): Promise<URL | undefined>
}

export const CALLBACK_PATH = '/franceconnect/callback'
export const SIGNED_OUT_PATH = '/franceconnect/signed-out'

const SCOPE = 'openid'
/** FranceConnect+ (eidas2, eidas3) encrypts what it tells, which is not read here: asked for is the level of FranceConnect. */
const LEVEL = 'eidas1'
const HIGHER = ['eidas2', 'eidas3']
const TIMEOUT_S = 5
const METADATA_MS = 3_600_000
/** Tokens, keys and claims are a few kilobytes. */
const MOST_BYTES = 262_144

/** Why an answer does not prove anybody: a code for the log, without a word of the answer. */
export class NotProven extends Error {
  override readonly name = 'NotProven'
}

export interface FranceConnectParts {
  readonly settings: FranceConnectSettings
  readonly secret: string
  /** Address of the gate as browsers see it. */
  readonly portalUrl: string
  readonly now: () => Millis
}

export function franceConnectOf({ settings, secret, portalUrl, now }: FranceConnectParts): FranceConnect {
  const { issuer, clientId, algorithm } = settings
  const client = {
    client_secret: secret,
    id_token_signed_response_alg: algorithm,
    userinfo_signed_response_alg: algorithm,
  }
  const redirectUri = `${portalUrl}${CALLBACK_PATH}`
  // The settings take http for this machine only.
  const insecure = issuer.startsWith('http:') ? [allowInsecureRequests] : []
  let known: { readonly metadata: ServerMetadata; readonly at: number } | undefined

  function strict(config: Configuration): void {
    enableNonRepudiationChecks(config)
    config.timeout = TIMEOUT_S
    config[customFetch] = boundedFetch
    for (const allow of insecure) allow(config)
  }
  /** Fresh each time: with it, the provider's keys are fetched anew, so that a rotation is never met with old ones. */
  async function configuration(): Promise<Configuration> {
    if (!known || now() - known.at > METADATA_MS) {
      const found = await discovery(new URL(issuer), clientId, client, ClientSecretPost(secret), {
        execute: insecure,
        timeout: TIMEOUT_S,
        [customFetch]: boundedFetch,
      })
      const metadata = found.serverMetadata()
      known = { metadata, at: now() }
    }
    const config = new Configuration(known.metadata, clientId, client, ClientSecretPost(secret))
    strict(config)
    return config
  }
  return {
    origin: new URL(issuer).origin,
    async begin(language) {
      const [state, nonce] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
      const url = buildAuthorizationUrl(await configuration(), {
        redirect_uri: redirectUri,
        scope: SCOPE,
        acr_values: LEVEL,
        state,
        nonce,
        prompt: 'login',
        ui_locales: language,
      })
      return { url, state, nonce }
    },
    async finish(callback, expected) {
      const url = new URL(callback, portalUrl)
      if (url.searchParams.getAll('iss').join() !== issuer) throw new NotProven('iss')
      const config = await configuration()
      const tokens = await authorizationCodeGrant(config, url, {
        expectedState: expected.state,
        expectedNonce: expected.nonce,
        idTokenExpected: true,
      })
      const claims = tokens.claims()
      if (!claims || tokens.id_token === undefined) throw new NotProven('id_token')
      const level = claims['acr']
      if (typeof level !== 'string' || ![LEVEL, ...HIGHER].includes(level)) throw new NotProven('acr')
      // Compared with the subject of the ID token: another one's UserInfo is refused there.
      const { sub } = await fetchUserInfo(config, tokens.access_token, claims.sub)
      return { identity: identityOf(issuer, sub), idToken: tokens.id_token }
    },
    async endOf(idToken) {
      const config = await configuration()
      if (config.serverMetadata().end_session_endpoint === undefined) return undefined
      return buildEndSessionUrl(config, {
        id_token_hint: idToken,
        post_logout_redirect_uri: `${portalUrl}${SIGNED_OUT_PATH}`,
        state: randomBytes(32).toString('base64url'),
      })
    },
  }
}

/** Of fixed length, so that no issuer can be continued into a subject. */
function identityOf(issuer: string, sub: string): string {
  return createHash('sha256')
    .update(JSON.stringify([issuer, sub]))
    .digest('base64url')
}

/** As `fetch`, but an answer without end costs no more than its first bytes. */
async function boundedFetch(url: string, options: Parameters<NonNullable<Configuration[typeof customFetch]>>[1]): Promise<Response> {
  const response = await fetch(url, options as RequestInit)
  if (!response.body) return response
  let bytes = 0
  const cap = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > MOST_BYTES) controller.error(new NotProven('too_large'))
      else controller.enqueue(chunk)
    },
  })
  const { status, statusText, headers } = response
  return new Response(response.body.pipeThrough(cap), { status, statusText, headers })
}
