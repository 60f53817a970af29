/**
 * Two token routes of old, in front of the same server.
 *
 * **DomoticzLinky** (`POST /device/code`, `POST /device/token`): errors are 400 and are chosen by what the plugin does
 * on them. `invalid_grant` and `invalid_request` make it switch itself off and erase its tokens, so that they are said
 * only of what will not pass by itself; `expired_token` makes it start again with a new code.
 *
 * **Data Connect v1** (`POST /v1/oauth2/token?redirect_uri=…`): codes of `codeFor` are redeemed here and nowhere else, and
 * no others are.
 *
 * Source: clients.md §§ 1.3, 1.4, 1.6, 5, 7; enedis-data-connect.md § 3.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { DEVICE_GRANT } from './clients.ts'
import type { Form } from './front.ts'
import type { Bundle, Grants } from './grants.ts'
import { errors } from './library.ts'
import type { OAuthClient } from './ports.ts'
import { DEVICE_SECONDS, ROUTES } from './provider.ts'

export const DEVICE_CODE_PATH = '/device/code'
export const DEVICE_TOKEN_PATH = '/device/token'
export const V1_TOKEN_PATH = '/v1/oauth2/token'
/** Codes of `codeFor`, which no verifier protects. */
export const V1_CODE_PREFIX = 'dcc_'
const POLL_SECONDS = 5

/** How a request is answered. */
export interface Manner {
  readonly is: 'standard' | 'domoticz_code' | 'domoticz_token' | 'v1_token'
  readonly grant: string | undefined
  /** Meters that the client believes its token is for: asked of a refresh. */
  readonly meters?: readonly string[] | undefined
  readonly address: string
  /** The client is known and disabled. That may pass: nothing of its is to be erased. */
  readonly paused: boolean
}
export interface Translated {
  readonly manner: Manner
  readonly target: string
  readonly form: Form
}
/** An answer that needs no server behind it. */
export interface Reply {
  readonly status: number
  readonly error: string
  readonly description: string
  readonly retryAfterSeconds?: number
}

export function translate(
  path: string,
  query: Form,
  form: Form,
  address: string,
  client: (id: string) => OAuthClient | undefined,
): Translated | Reply {
  const grant = form.get('grant_type')
  const paused = client(form.get('client_id') ?? '')?.disabled ?? false
  const manner = { grant, address, paused }
  if (path === DEVICE_CODE_PATH) {
    if (!form.get('client_id')) return invalid('client_id is missing')
    return { manner: { ...manner, is: 'domoticz_code' }, target: ROUTES.device_authorization, form: only(form, ['client_id']) }
  }
  if (path === DEVICE_TOKEN_PATH) {
    if (grant !== DEVICE_GRANT && grant !== 'refresh_token')
      return { status: 400, error: 'unsupported_grant_type', description: 'the grant type is neither device_code nor refresh_token' }
    const names = ['client_id', 'grant_type', grant === DEVICE_GRANT ? 'device_code' : 'refresh_token']
    const missing = names.find((name) => !form.get(name))
    if (missing !== undefined) return invalid(`${missing} is missing`)
    const points = grant === 'refresh_token' ? form.get('usage_points_id') : undefined
    const meters = points === undefined || points === '' ? undefined : points.split(/[,;]/)
    return { manner: { ...manner, is: 'domoticz_token', meters }, target: ROUTES.token, form: only(form, names) }
  }
  if (path === V1_TOKEN_PATH) return translateV1(manner, query, form)
  if (query.size > 0 && path !== ROUTES.authorization) return invalid('parameters belong in the body, never in the address')
  if (path === ROUTES.token && isV1Code(form)) return { status: 400, error: 'invalid_grant', description: 'grant request is invalid' }
  return { manner: { ...manner, is: 'standard' }, target: path, form }
}

function translateV1(manner: Omit<Manner, 'is'>, query: Form, form: Form): Translated | Reply {
  const stray = [...query.keys()].find((name) => name !== 'redirect_uri')
  // Credentials in an address end up in logs.
  if (stray !== undefined) return invalid('only redirect_uri may stand in the address')
  const redirect = query.get('redirect_uri') ?? form.get('redirect_uri')
  const known = only(form, ['client_id', 'client_secret', 'grant_type', 'code', 'refresh_token'])
  const code = manner.grant === 'authorization_code'
  if (code && !isV1Code(form)) return { status: 400, error: 'invalid_grant', description: 'grant request is invalid' }
  return {
    manner: { ...manner, is: 'v1_token' },
    target: ROUTES.token,
    form: code && redirect !== undefined ? new Map([...known, ['redirect_uri', redirect]]) : known,
  }
}

/**
 * Where a refresh names other meters than its token is for, nothing is issued. As sets: their order means nothing. A
 * client goes on naming all that it was once given, also after one of them was withdrawn.
 */
export function checkMeters(manner: Manner, { meters, everMeters }: Bundle): void {
  if (manner.meters === undefined) return
  const named = new Set(manner.meters)
  const foreign = everMeters !== null && !named.isSubsetOf(new Set(everMeters))
  if (foreign || !named.isSupersetOf(new Set(meters))) throw new errors.InvalidRequest('usage_points_id does not match the token')
}

/** Makes an answer of the server into what the client of old expects. */
export async function answerIn(manner: Manner, ctx: KoaContextWithOIDC, grants: Grants, now: number): Promise<void> {
  if (manner.is === 'standard') return
  const body = ctx.body as Record<string, unknown>
  if (ctx.status >= 400) {
    if (manner.is !== 'v1_token') failDomoticz(manner, ctx, body)
    return
  }
  if (manner.is === 'domoticz_code') {
    const { device_code, user_code, verification_uri } = body
    ctx.body = { device_code, user_code, verification_uri, expires_in: DEVICE_SECONDS, interval: POLL_SECONDS }
    return
  }
  const { access_token, refresh_token, token_type, expires_in, scope } = body
  const token = ctx.oidc.entities.AccessToken
  const bundle = token && (await grants.bundle(token.clientId ?? '', token.accountId))
  const meters = bundle && { usage_points_id: bundle.meters.join(',') }
  if (manner.is === 'domoticz_token') {
    ctx.body = { access_token, refresh_token, token_type, expires_in, ...meters }
    return
  }
  const since = ctx.oidc.entities.RefreshToken?.iat
  ctx.body = {
    access_token,
    token_type,
    expires_in,
    scope,
    issued_at: String(now),
    ...(refresh_token !== undefined && { refresh_token, refresh_token_issued_at: String((since ?? Math.floor(now / 1000)) * 1000) }),
    ...meters,
  }
}

function failDomoticz(manner: Manner, ctx: KoaContextWithOIDC, body: Record<string, unknown>): void {
  const { error } = body
  // What may pass by itself is no 4xx: on those the plugin erases what it has.
  if (ctx.status >= 500 || ctx.status === 429) return
  if (error === 'invalid_client' && manner.paused) {
    ctx.set('Retry-After', '600')
    ctx.status = 503
    ctx.body = { error: 'temporarily_unavailable', error_description: 'this client is disabled at the moment' }
    return
  }
  ctx.remove('WWW-Authenticate')
  ctx.status = 400
  // A code that was swept, used up or never made cannot be told apart, and a new one helps in each case.
  const over = error === 'invalid_grant' && manner.grant === DEVICE_GRANT
  const said = over ? 'expired_token' : error === 'invalid_client' ? 'invalid_request' : error
  ctx.body = { error: said, error_description: over ? 'device code is expired' : body['error_description'] }
}

function isV1Code(form: Form): boolean {
  return form.get('code')?.startsWith(V1_CODE_PREFIX) ?? false
}
function only(form: Form, names: readonly string[]): Form {
  return new Map([...form].filter(([name]) => names.includes(name)))
}
function invalid(description: string): Reply {
  return { status: 400, error: 'invalid_request', description }
}
