/**
 * The OAuth server as the gate uses it: one function for its requests, and functions for the pages that ask people.
 *
 * Routes: RFC 8414 and RFC 9728 metadata, authorization (PKCE, PAR, RAR, `iss`), token, device authorization,
 * introspection, revocation, keys, and the token routes of old (`compat.ts`). It is built anew when a signing key is
 * replaced; all that it knows lies in the state, so that nobody notices.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Interaction, InteractionResults, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Bearer } from './bearer.ts'
import { bearerOf } from './bearer.ts'
import { DEVICE_GRANT, keySets } from './clients.ts'
import type { Manner, Reply, Translated } from './compat.ts'
import { answerIn, checkMeters, DEVICE_CODE_PATH, DEVICE_TOKEN_PATH, translate, V1_CODE_PREFIX, V1_TOKEN_PATH } from './compat.ts'
import type { Detail } from './details.ts'
import { detailsGiven, detailType, linesAsked } from './details.ts'
import type { DeviceDesk } from './device.ts'
import { deviceDesk } from './device.ts'
import { manyPage, waitPage } from './error-page.ts'
import { parametersOf, readForm, requestAs } from './front.ts'
import type { Form } from './front.ts'
import type { Bundle } from './grants.ts'
import { grantsOn } from './grants.ts'
import { keyRing } from './keys.ts'
import { errors } from './library.ts'
import { begunOf, rateOf } from '../limits.ts'
import type { Asked, Given, OAuthParts } from './ports.ts'
import { JOURNEY, providerWith, ROUTES, SCOPE } from './provider.ts'

export interface OAuthServer {
  /** Makes the first signing key, where there is none yet. */
  begin(): Promise<void>
  /** Whether a path is the OAuth server's; the pages of consent and of the device flow are not. */
  serves(path: string): boolean
  /** Answers a request that `canonicalOf` found canonical. */
  handle(message: IncomingMessage, res: ServerResponse): Promise<void>
  readonly bearer: Bearer
  /** What an authorization asks for. Undefined for a browser that did not start it, or once it is over. */
  details(message: IncomingMessage, res: ServerResponse, uid: string): Promise<(Asked & { readonly uid: string }) | undefined>
  /**
   * Sends the browser back to the client: with a code, or with a refusal where nothing of what was given is the client's.
   * False where the authorization is over.
   */
  granted(message: IncomingMessage, res: ServerResponse, uid: string, given: Given): Promise<boolean>
  refused(message: IncomingMessage, res: ServerResponse, uid: string): Promise<boolean>
  readonly device: DeviceDesk
  /**
   * A code for a client that sends people to Data Connect's page: good once, 180 s, at `/v1/oauth2/token` alone.
   * Undefined where nothing of what was given is the client's.
   */
  codeFor(args: { readonly client: string; readonly redirectUri: string } & Given): Promise<string | undefined>
}

const V1_CODE_SECONDS = 180
const PROTECTED = '/.well-known/oauth-protected-resource'
const METADATA = '/.well-known/oauth-authorization-server'
const GET_PATHS = new Set<string>([PROTECTED, METADATA, ROUTES.jwks, ROUTES.authorization])
const POST_PATHS = new Set<string>([
  ROUTES.token,
  ROUTES.pushed_authorization_request,
  ROUTES.introspection,
  ROUTES.revocation,
  ROUTES.device_authorization,
  DEVICE_CODE_PATH,
  DEVICE_TOKEN_PATH,
  V1_TOKEN_PATH,
])
const RESUME = new RegExp(`^${ROUTES.authorization}/[A-Za-z0-9_-]{20,64}$`)
/** Of one device code in a minute, as its server of old counts; RFC 8628 § 3.5. */
const POLLS_PER_MINUTE = 12
const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }

export function oauthServer(parts: OAuthParts): OAuthServer {
  const { issuer, now } = parts
  const host = new URL(issuer).host
  const ring = keyRing(parts)
  const bearer = bearerOf(parts, ring)
  const grants = grantsOn(parts)
  const keysOf = keySets()
  const polls = rateOf(POLLS_PER_MINUTE, 60_000, now)
  const begun = begunOf(now)
  const manners = new WeakMap<IncomingMessage, Manner>()
  const ours = (ctx: KoaContextWithOIDC): Manner | undefined => manners.get(ctx.req)

  let built: { readonly kid: string; readonly provider: Provider; readonly answer: ReturnType<Provider['callback']> } | undefined
  async function provider(): Promise<NonNullable<typeof built>> {
    const { signing } = await ring.current()
    if (built?.kid === signing.kid) return built
    const checkAccount = (ctx: KoaContextWithOIDC, bundle: Bundle): void => {
      const manner = ours(ctx)
      if (manner) checkMeters(manner, bundle)
    }
    const made = providerWith({ ...parts, grants, keysOf, checkAccount }, signing)
    made.on('server_error', (ctx, error) => {
      parts.log.error({ err: error }, 'the OAuth server could not answer')
      failed.set(ctx, error)
    })
    made.use(async (ctx, next) => {
      await next()
      await finish(ctx as unknown as KoaContextWithOIDC)
    })
    built = { kid: signing.kid, provider: made, answer: made.callback() }
    return built
  }
  const failed = new WeakMap<object, unknown>()

  /** After oidc-provider has answered: what is temporary says so, guessing has a price, a server of old speaks as ever. */
  async function finish(ctx: KoaContextWithOIDC): Promise<void> {
    const manner = ours(ctx)
    // No login is remembered: the cookie would name nothing.
    dropCookies(ctx.res, 'ecluse_session')
    if (ctx.response.get('Cache-Control') === '') ctx.set(NO_STORE)
    const guess = guessOf(ctx)
    if (guess !== undefined && parts.stranger(manner?.address ?? '', guess)) {
      say(ctx, 429, 'temporarily_unavailable', 'Too many requests failed.', 60)
    } else if (ctx.status >= 500 && ctx.method === 'POST' && isState(failed.get(ctx))) {
      say(ctx, 503, 'temporarily_unavailable', 'The gate cannot take requests now.', 5)
    }
    if (manner) await answerIn(manner, ctx, grants, now())
  }

  function askedBy(id: string, params: Readonly<Record<string, unknown>>): Asked | undefined {
    const client = parts.client(id)
    if (!client || client.disabled) return undefined
    const text = params['authorization_details']
    const details = typeof text === 'string' ? (JSON.parse(text) as readonly Detail[]) : undefined
    const understood = linesAsked({ issuer, client, purposeOf: (other) => parts.client(other)?.purpose, now: now() }, details)
    if (!understood.ok) return undefined
    const { ui_locales: locales, redirect_uri: redirect } = params
    return {
      client: client.id as Asked['client'],
      clientName: client.name,
      lines: understood.lines,
      locales: typeof locales === 'string' ? locales : undefined,
      formTargets: typeof redirect === 'string' ? [new URL(redirect).origin] : [],
    }
  }
  async function interaction(message: IncomingMessage, res: ServerResponse, uid: string): Promise<Interaction | undefined> {
    try {
      const found = await (await provider()).provider.interactionDetails(message, res)
      return found.uid === uid && found.result === undefined ? found : undefined
    } catch (error) {
      if (error instanceof errors.SessionNotFound) return undefined
      throw error
    }
  }
  /** The grant behind a code: one for each consent, never found by another request. */
  async function grantFor(client: string, given: Given): Promise<Granted | undefined> {
    const bundle = await grants.remember(client, given)
    if (!bundle) return undefined
    const { records } = bundle
    const rar = [...detailsGiven(issuer, records)]
    const made = await provider()
    const grant = new made.provider.Grant({ accountId: given.bundle, clientId: client })
    grant.addResourceScope(issuer, SCOPE)
    for (const detail of rar) grant.addRar(detail)
    const grantId = await grant.save()
    return { accountId: given.bundle, grantId, scope: SCOPE, resource: issuer, rar }
  }

  async function finishWith(message: IncomingMessage, res: ServerResponse, result: InteractionResults): Promise<void> {
    res.setHeader('Cache-Control', 'no-store')
    res.setHeader('Referrer-Policy', 'no-referrer')
    await (await provider()).provider.interactionFinished(message, res, result, { mergeWithLastSubmission: false })
  }
  async function handle(message: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      await answer(message, res)
    } catch (error) {
      if (!isState(error) || res.headersSent) throw error
      parts.log.error({ err: error }, 'the OAuth server could not answer')
      sendError(res, UNAVAILABLE)
    }
  }
  async function answer(message: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '', search = ''] = (message.url ?? '').split('?', 2)
    const method = message.method ?? ''
    if (method === 'GET' && path === PROTECTED) return sendJson(res, 200, protectedResource(issuer))
    if (method === 'GET' && path === ROUTES.jwks)
      return sendJson(res, 200, { keys: (await ring.current()).shown }, 'application/jwk-set+json')
    if (method === 'POST' && POST_PATHS.has(path)) return post(message, res, path, search)
    const known = GET_PATHS.has(path) || RESUME.test(path)
    if (!(method === 'GET' && known) && !(method === 'OPTIONS' && POST_PATHS.has(path)))
      return sendError(res, { status: 405, error: 'invalid_request', description: 'The method is not allowed here.' })
    if (path !== METADATA && !parts.ready()) return method === 'GET' ? sendPage(message, res, WAIT) : sendError(res, UNAVAILABLE)
    if (method === 'GET' && path === ROUTES.authorization && begun.exceeded(parts.placeOf(message))) return sendPage(message, res, MANY)
    await (await provider()).answer(requestAs(message, method, message.url ?? '', host), res)
  }
  async function post(message: IncomingMessage, res: ServerResponse, path: string, search: string): Promise<void> {
    const address = parts.placeOf(message)
    if (message.headers.expect !== undefined) res.writeContinue()
    const form = await readForm(message)
    if ('why' in form) return sendError(res, { status: form.status, error: 'invalid_request', description: form.why })
    const query = parametersOf(search) ?? new Map([['twice', '']])
    const translated = translate(path, query, form, address, parts.client)
    if ('error' in translated) return sendError(res, translated)
    if (!parts.ready()) return sendError(res, UNAVAILABLE)
    if (beginsUnproven(translated) && begun.exceeded(address)) return sendError(res, TOO_MANY)
    const device = translated.form.get('device_code')
    if (
      translated.manner.grant === DEVICE_GRANT &&
      device !== undefined &&
      polls.exceeded(createHash('sha256').update(device).digest('base64'))
    )
      return sendError(res, { status: 400, error: 'slow_down', description: 'you are polling too quickly' })
    const pointed = await pointAt(path, translated.form)
    const request = requestAs(message, 'POST', translated.target, host, pointed)
    manners.set(request, translated.manner)
    await (await provider()).answer(request, res)
  }
  /** A device's code, and what a client pushes that has no secret: whoever knows its name may ask for these. */
  function beginsUnproven({ target, form }: Translated): boolean {
    if (target === ROUTES.device_authorization) return true
    return target === ROUTES.pushed_authorization_request && parts.client(form.get('client_id') ?? '')?.oauth.public === true
  }
  /** A JWT is known to the server by what it points to; one that does not verify is known to nobody. */
  async function pointAt(path: string, form: Form): Promise<Form> {
    const token = form.get('token')
    if ((path !== ROUTES.introspection && path !== ROUTES.revocation) || !token?.includes('.')) return form
    return new Map([...form, ['token', (await bearer.pointer(token)) ?? 'none']])
  }

  return {
    begin: async () => void (await provider()),
    serves: (path) => GET_PATHS.has(path) || POST_PATHS.has(path) || RESUME.test(path),
    handle,
    bearer,
    async details(message, res, uid) {
      const found = await interaction(message, res, uid)
      const asked = found && askedBy(String(found.params['client_id']), found.params)
      return asked && { ...asked, uid }
    },
    async granted(message, res, uid, given) {
      const found = await interaction(message, res, uid)
      if (!found) return false
      const grant = await grantFor(String(found.params['client_id']), given)
      const result = grant && { login: { accountId: grant.accountId, remember: false }, consent: { grantId: grant.grantId } }
      await finishWith(message, res, result ?? REFUSED)
      return true
    },
    async refused(message, res, uid) {
      if (!(await interaction(message, res, uid))) return false
      await finishWith(message, res, REFUSED)
      return true
    },
    device: deviceDesk({ ...parts, provider: async () => (await provider()).provider, asked: askedBy, grant: grantFor }),
    async codeFor({ client: id, redirectUri, bundle, permissions }) {
      const made = (await provider()).provider
      const client = await made.Client.find(id)
      if (!client) throw new Error(`the settings declare no client ${id} that may have a code`)
      const grant = await grantFor(id, { bundle, permissions })
      if (!grant) return undefined
      const code = new made.AuthorizationCode({ ...grant, client, redirectUri, gty: 'authorization_code', expiresIn: V1_CODE_SECONDS })
      code.jti = `${V1_CODE_PREFIX}${randomBytes(32).toString('base64url')}`
      return code.save()
    },
  }
}

interface Granted {
  readonly accountId: string
  readonly grantId: string
  readonly scope: string
  readonly resource: string
  readonly rar: Detail[]
}
const REFUSED = { error: 'access_denied', error_description: 'the person refused' }
const UNAVAILABLE: Reply = {
  status: 503,
  error: 'temporarily_unavailable',
  description: 'The gate cannot take requests now.',
  retryAfterSeconds: 5,
}

const TOO_MANY: Reply = {
  status: 429,
  error: 'temporarily_unavailable',
  description: 'Too many requests were opened from this address.',
  retryAfterSeconds: 600,
}

/** RFC 9728: where tokens for this gate come from, and how they are shown to it. */
function protectedResource(issuer: string): Readonly<Record<string, unknown>> {
  return {
    resource: issuer,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: [SCOPE],
    authorization_details_types_supported: [detailType(issuer)],
    resource_name: 'Écluse',
  }
}

/** Whether the request tried a secret, code or token that is none: each could be a guess. */
function guessOf({ status, body }: KoaContextWithOIDC): string | undefined {
  if (status === 401) return 'oauth_client'
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown }
  return status === 400 && error === 'invalid_grant' ? 'oauth_grant' : undefined
}

/** The state is gone, or its queue is full: that may pass. */
function isState(error: unknown): boolean {
  return error instanceof Error && error.name === 'CallError'
}

function say(ctx: KoaContextWithOIDC, status: number, error: string, description: string, retryAfterSeconds: number): void {
  ctx.status = status
  ctx.set('Retry-After', String(retryAfterSeconds))
  ctx.body = { error, error_description: description }
}
function dropCookies(res: ServerResponse, name: string): void {
  const set = res.getHeader('Set-Cookie')
  if (!Array.isArray(set)) return
  const kept = set.filter((cookie) => !cookie.startsWith(name))
  if (kept.length > 0) res.setHeader('Set-Cookie', kept)
  else res.removeHeader('Set-Cookie')
}
const WAIT = { status: 503, page: waitPage, retryAfter: '5' } as const
const MANY = { status: 429, page: manyPage, retryAfter: '600' } as const
function sendPage(message: IncomingMessage, res: ServerResponse, { status, page, retryAfter }: typeof WAIT | typeof MANY): void {
  const { headers, text } = page(message.headers['accept-language'])
  res.writeHead(status, { ...headers, 'Retry-After': retryAfter }).end(text)
}
function sendError(res: ServerResponse, { status, error, description, retryAfterSeconds }: Reply): void {
  if (retryAfterSeconds !== undefined) res.setHeader('Retry-After', String(retryAfterSeconds))
  sendJson(res, status, { error, error_description: description })
}
function sendJson(res: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const text = JSON.stringify(body)
  res.writeHead(status, { ...NO_STORE, 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(text)) }).end(text)
}
export { JOURNEY }
