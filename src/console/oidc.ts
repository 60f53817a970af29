/**
 * Sign-in of operators at the organisation's OpenID provider: authorization code with PKCE, state, nonce and, where the
 * provider says that it sends one, a checked `iss` (RFC 9207). What openid-client checks of signature, audience and
 * times is not done again here; what it leaves to us is the role.
 *
 * The provider may be down when the gate starts: it is asked when somebody signs in, and its description kept an hour.
 */
import * as client from 'openid-client'
import type { ConsoleSettings, Operator, Role } from './ports.ts'

export interface SignInState {
  readonly verifier: string
  readonly state: string
  readonly nonce: string
  readonly to: string
}
export type SignedIn =
  | { readonly ok: true; readonly operator: Operator }
  /** `no_role`: known there, and of none of the roles that the settings name. */
  | { readonly ok: false; readonly why: 'refused' | 'no_role' }

export interface Oidc {
  begin(callback: string, to: string): Promise<{ readonly url: URL; readonly state: SignInState }>
  /** @param arrived the whole address at which the browser arrived */
  finish(arrived: URL, state: SignInState): Promise<SignedIn>
}

const KEPT_MS = 3_600_000
const TIMEOUT_SECONDS = 10

export function oidcOf(settings: NonNullable<ConsoleSettings['oidc']>, now: () => number): Oidc {
  let known: { readonly at: number; readonly config: Promise<client.Configuration> } | undefined
  function discovered(): Promise<client.Configuration> {
    if (known && now() - known.at < KEPT_MS) return known.config
    const issuer = new URL(settings.issuer)
    const config = client.discovery(issuer, settings.clientId, undefined, authenticationBy(settings.clientSecret), {
      timeout: TIMEOUT_SECONDS,
      // The settings allow plain http for loopback addresses alone.
      // TLS would vouch for an ID token that comes from the provider itself; its signature is checked all the same.
      execute: [client.enableNonRepudiationChecks, ...(issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [])],
    })
    const asked = { at: now(), config }
    known = asked
    // A description that could not be read is asked for again the next time.
    config.catch(() => {
      if (known === asked) known = undefined
    })
    return config
  }
  return {
    async begin(callback, to) {
      const config = await discovered()
      const state: SignInState = {
        verifier: client.randomPKCECodeVerifier(),
        state: client.randomState(),
        nonce: client.randomNonce(),
        to,
      }
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: callback,
        scope: 'openid profile',
        code_challenge: await client.calculatePKCECodeChallenge(state.verifier),
        code_challenge_method: 'S256',
        state: state.state,
        nonce: state.nonce,
      })
      return { url, state }
    },
    async finish(arrived, { verifier, state, nonce }) {
      const config = await discovered()
      let tokens: Awaited<ReturnType<typeof client.authorizationCodeGrant>>
      try {
        tokens = await client.authorizationCodeGrant(config, arrived, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        })
      } catch (error) {
        if (isRefusal(error)) return { ok: false, why: 'refused' }
        throw error
      }
      const claims = tokens.claims()
      if (!claims) return { ok: false, why: 'refused' }
      const role = roleOf(claims, settings)
      if (role === undefined) return { ok: false, why: 'no_role' }
      const name = [claims['preferred_username'], claims['name']].find((one) => typeof one === 'string' && one !== '')
      return { ok: true, operator: { id: `oidc:${claims.sub}`, name: typeof name === 'string' ? name.slice(0, 100) : claims.sub, role } }
    },
  }
}

/**
 * In the form where the provider takes that; else as OpenID's default has it, which percent-encodes before it encodes,
 * and not every provider undoes both.
 */
function authenticationBy(secret: string): client.ClientAuth {
  const [post, basic] = [client.ClientSecretPost(secret), client.ClientSecretBasic(secret)]
  return (server, ...rest) => (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? post : basic)(server, ...rest)
}

/** What the provider, or the check of what it sent, says no to; as opposed to a provider that cannot be reached. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof client.AuthorizationResponseError ||
    error instanceof client.ResponseBodyError ||
    error instanceof client.WWWAuthenticateChallengeError ||
    (error instanceof client.ClientError && error.code !== 'OAUTH_TIMEOUT')
  )
}

/** The claim by its whole name, or along the dots of it (`realm_access.roles`). An operator's value counts first. */
export function roleOf(
  claims: Readonly<Record<string, unknown>>,
  { roleClaim, operators, auditors }: Pick<NonNullable<ConsoleSettings['oidc']>, 'roleClaim' | 'operators' | 'auditors'>,
): Role | undefined {
  const value = Object.hasOwn(claims, roleClaim) ? claims[roleClaim] : roleClaim.split('.').reduce<unknown>(inner, claims)
  const values = new Set((Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string'))
  if (operators.some((one) => values.has(one))) return 'operator'
  return auditors.some((one) => values.has(one)) ? 'auditor' : undefined
}

function inner(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined
}
