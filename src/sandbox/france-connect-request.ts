/**
 * What a service asks of the simulated FranceConnect: the closed list of parameters, as the original validates it. Pure.
 *
 * FranceConnect announces PKCE in its metadata and refuses its parameters: whatever is not in the list ends on a page
 * with `Y030007`, and the browser does not come back. Source: FranceConnect, `authorize-params.dto.ts`.
 */
import type { Language } from '../web/language.ts'
import { LANGUAGES } from '../web/language.ts'
import { FRANCE_SCOPES } from './france-connect-persons.ts'

export interface FranceConnectClient {
  readonly clientId: string
  readonly secret: string
  readonly redirectUris: readonly string[]
  readonly postLogoutUris: readonly string[]
}

/** Known to everybody, since nobody real can be signed in as. It has no addresses until somebody declares them. */
export const DEFAULT_SERVICE: FranceConnectClient = {
  clientId: 'demo-gate',
  secret: 'demo-gate-secret',
  redirectUris: [],
  postLogoutUris: [],
}

export interface FranceRequest {
  readonly client: FranceConnectClient
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state: string
  readonly nonce: string
  readonly mustSignIn: boolean
  readonly language: Language | undefined
  readonly acr: string
  /** The service asked for the means of authentication in the ID token. */
  readonly amr: boolean
}
export type ReadFrance =
  | { readonly is: 'request'; readonly request: FranceRequest }
  /** Shown on a page: nothing says where the browser may be sent. */
  | { readonly is: 'page'; readonly code: string }
  | { readonly is: 'redirect'; readonly request: FranceRequest; readonly error: string; readonly code: string }

const REQUIRED = ['client_id', 'redirect_uri', 'response_type', 'scope', 'acr_values', 'state', 'nonce']
const OPTIONAL = ['prompt', 'claims', 'idp_hint', 'ui_locales']
/** FranceConnect; the higher ones are FranceConnect+, another service. */
const ASSURANCE = 'eidas1'
const SHORTEST_NONCE = 22
const NOT_VALID = 'Y030007'
const UNKNOWN_CLIENT = 'Y04EA6EF'
const UNKNOWN_REDIRECT = 'Y04C013C'
/** Every error carries a code; those of the following are ours, since no source names them. */
export const OUR_CODES = { scope: 'Y000001', refused: 'Y000002', deceased: 'Y000003', failed: 'Y000004' } as const

export function readFranceRequest(query: URLSearchParams, clientOf: (id: string) => FranceConnectClient | undefined): ReadFrance {
  const names = [...query.keys()]
  const isListed = names.every((name) => REQUIRED.includes(name) || OPTIONAL.includes(name)) && new Set(names).size === names.length
  const isWhole = REQUIRED.every((name) => (query.get(name) ?? '') !== '')
  const nonce = query.get('nonce') ?? ''
  const claims = readClaims(query.get('claims'))
  const isValid =
    query.get('response_type') === 'code' &&
    nonce.length >= SHORTEST_NONCE &&
    /^(login|consent|login consent|consent login)?$/.test(query.get('prompt') ?? '') &&
    claims !== undefined
  if (!isListed || !isWhole || !isValid) return { is: 'page', code: NOT_VALID }
  const client = clientOf(query.get('client_id') ?? '')
  if (!client) return { is: 'page', code: UNKNOWN_CLIENT }
  const acr = query.get('acr_values') ?? ''
  if (acr !== ASSURANCE) return { is: 'page', code: NOT_VALID }
  const redirectUri = query.get('redirect_uri') ?? ''
  // Compared as they are written: a prefix or another spelling of the same address is another address.
  if (!client.redirectUris.includes(redirectUri)) return { is: 'page', code: UNKNOWN_REDIRECT }
  const scopes = (query.get('scope') ?? '').split(' ')
  const request: FranceRequest = {
    client,
    redirectUri,
    scopes,
    state: query.get('state') ?? '',
    nonce,
    mustSignIn: (query.get('prompt') ?? '').split(' ').includes('login'),
    language: LANGUAGES.find((language) => query.get('ui_locales')?.startsWith(language)),
    acr,
    amr: claims.amr,
  }
  const known = scopes.includes('openid') && scopes.every((scope) => FRANCE_SCOPES.includes(scope))
  return known ? { is: 'request', request } : { is: 'redirect', request, error: 'invalid_scope', code: OUR_CODES.scope }
}

/** Undefined where it is not the JSON object that OpenID Connect means. */
function readClaims(text: string | null): { readonly amr: boolean } | undefined {
  if (text === null) return { amr: false }
  let claims: unknown
  try {
    claims = JSON.parse(text)
  } catch {
    return undefined // not JSON
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined
  const idToken = 'id_token' in claims ? claims.id_token : {}
  return typeof idToken === 'object' && idToken !== null ? { amr: 'amr' in idToken } : undefined
}
