/**
 * Serves the routes: who asks, whether they may, what they ask for, and only then the handler. A bearer secret is
 * looked at in constant time, and not at all from an address that sent too many wrong ones.
 */
import type * as z from 'zod'
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import type { Desk } from '../desk.ts'
import type { Operator } from '../ports.ts'
import { Refusal } from '../ports.ts'
import { isSameOrigin } from '../same-origin.ts'
import type { App, Asked, Reply } from '../server.ts'
import { isEqual } from '../session.ts'
import { isFresh, tagOf, tagsOf } from './etag.ts'
import type { Idempotency } from './idempotency.ts'
import { openApi, ROUTES } from './openapi.ts'
import type { ProblemCode, ProblemError } from './problem.ts'
import { answerOf, Problem } from './problem.ts'
import type { ApiAnswer, ApiCall, ApiRoute } from './route.ts'

const HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'private, no-cache',
}

export const BOOTSTRAP: Operator = { id: 'console:bootstrap', name: 'bootstrap', role: 'operator' }

export function serveApi(app: App, desk: Desk, idempotency: Idempotency): void {
  const document = JSON.stringify(openApi())
  app.get('/v1/openapi.json', (request, reply) =>
    answer(request, reply, { status: 200, bytes: document, headers: { 'Content-Type': 'application/json' } }),
  )
  for (const one of ROUTES) {
    app.route({
      method: one.method,
      url: one.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      ...(one.maxBodyBytes !== undefined && { bodyLimit: one.maxBodyBytes }),
      // Before the body is read: a stranger's is never looked at.
      async onRequest(request) {
        await callerOf(desk, request)
      },
      handler: (request, reply) => handle(desk, idempotency, one, request, reply),
    })
  }
}

interface Caller {
  readonly operator: Operator
  /** Of the console's cookie; undefined for a secret. */
  readonly csrf: string | undefined
}
const callers = new WeakMap<Asked, Caller>()

async function callerOf(desk: Desk, request: Asked): Promise<Caller> {
  const known = callers.get(request)
  if (known) return known
  const caller = await identified(desk, request)
  callers.set(request, caller)
  return caller
}

async function identified({ parts, attempts, sessions, cookies, originOf }: Desk, request: Asked): Promise<Caller> {
  const { authorization } = request.headers
  const unknown = new Problem('unauthorized', 'send the bootstrap secret as a bearer token, or the cookie of the console', {
    headers: { 'WWW-Authenticate': 'Bearer realm="ecluse"' },
  })
  if (authorization !== undefined) {
    const wait = attempts.waitOf(parts.placeOf(request.raw), parts.now())
    if (wait > 0) throw new Problem('too_many_attempts', undefined, { headers: { 'Retry-After': String(wait) } })
    const secret = /^Bearer +([^\s]{1,1000})$/i.exec(authorization)?.[1]
    const { bootstrap } = parts.settings
    if (secret === undefined || bootstrap === undefined || !isEqual(secret, bootstrap)) {
      attempts.wrong(parts.placeOf(request.raw), parts.now())
      parts.log.warn('a wrong secret was sent to the admin API')
      throw unknown
    }
    attempts.right(parts.placeOf(request.raw))
    return { operator: BOOTSTRAP, csrf: undefined }
  }
  const session = await sessions.of(request.cookies[cookies.session])
  if (!session) throw unknown
  const reads = request.method === 'GET' || request.method === 'HEAD'
  const token = request.headers['x-csrf-token']
  if (!reads && (!isSameOrigin(request.headers, originOf(request)) || typeof token !== 'string' || !isEqual(token, session.csrf)))
    throw new Problem('forbidden', 'with the cookie of the console a change needs X-CSRF-Token, and comes from its own pages')
  return { operator: session.operator, csrf: session.csrf }
}

async function handle(desk: Desk, idempotency: Idempotency, one: ApiRoute, request: Asked, reply: Reply): Promise<Reply> {
  const { operator, csrf } = await callerOf(desk, request)
  if (one.role === 'operator' && operator.role !== 'operator') throw new Problem('forbidden', 'an auditor reads, and changes nothing')
  const type = request.headers['content-type']
  if (request.body !== undefined && !/^application\/json\s*(;|$)/i.test(type ?? '')) throw new Problem('unsupported_media_type')
  if (csrf !== undefined) void reply.header('X-CSRF-Token', csrf)
  const call: ApiCall<unknown, unknown, unknown> = {
    by: operator,
    params: taken(one.params, request.params ?? {}, 'path'),
    query: taken(one.query, request.query ?? {}, 'query'),
    body: taken(one.body, request.body ?? {}, 'body'),
    ifMatch: ifMatchOf(one, request.headers['if-match']),
  }
  const work = async (): Promise<ApiAnswer> => one.handle(desk.parts, call as ApiCall<never, never, never>)
  if (one.method !== 'POST') return answer(request, reply, await work())
  // Without the key nothing is begun; with it, what it stands for is the path, the body, and what was to match.
  const asked = canonicalJson({ body: (request.body ?? {}) as Json, ifMatch: request.headers['if-match'] ?? null })
  const path = new URL(request.url, 'http://here.invalid').pathname
  return answer(request, reply, await idempotency.once(keyOf(request), `${operator.id}\n${path}`, asked, work))
}

function keyOf(request: Asked): string | undefined {
  const key = request.headers['idempotency-key']
  return typeof key === 'string' ? key : undefined
}

function ifMatchOf(one: ApiRoute, header: string | undefined): ApiCall<unknown, unknown, unknown>['ifMatch'] {
  if (one.ifMatch === undefined) return undefined
  if (header === undefined) {
    if (one.ifMatch === 'required') throw new Problem('precondition_required')
    return undefined
  }
  const tags = tagsOf(header)
  if (tags === undefined)
    throw new Problem('malformed', undefined, { errors: [{ at: 'header.If-Match', detail: 'expected an ETag, or *' }] })
  return tags
}

function taken(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors: ProblemError[] = parsed.error.issues.slice(0, 50).map((issue) => ({
    at: [where, ...issue.path.map(String)].join('.'),
    // Names of keys are the caller's own words: of them only how many there are is told.
    detail: issue.code === 'unrecognized_keys' ? `${issue.keys.length} members that are not known here` : issue.message,
  }))
  throw new Problem('malformed', undefined, { errors })
}

function answer(request: Asked, reply: Reply, { status, body, bytes, headers = {}, etag }: ApiAnswer): Reply {
  const content = body === undefined ? bytes : JSON.stringify(body)
  void reply.headers({ ...HEADERS, ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers })
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (reads && status === 200 && content !== undefined) {
    const tag = etag ?? tagOf(content)
    void reply.header('ETag', tag)
    const { 'if-none-match': seen } = request.headers
    if (isFresh(seen, tag)) return reply.code(304).removeHeader('content-type').send()
  }
  // As bytes: to a text Fastify would add a charset, which JSON has none of.
  return reply.code(status).send(typeof content === 'string' ? Buffer.from(content) : content)
}

const OF_REFUSAL: Readonly<Record<Refusal['code'], ProblemCode>> = {
  not_found: 'not_found',
  conflict: 'conflict',
  invalid: 'invalid',
  unavailable: 'unavailable',
}
const OF_STATUS: Readonly<Record<number, ProblemCode>> = {
  400: 'malformed',
  404: 'not_found',
  413: 'too_large',
  415: 'unsupported_media_type',
}

export function sendProblem(desk: Desk, request: Asked, reply: Reply, error: unknown): Reply {
  return answer(request, reply, answerOf(problemOf(desk, error)))
}

function problemOf({ parts }: Desk, error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof Refusal)
    return new Problem(OF_REFUSAL[error.code], error.message, error.code === 'unavailable' ? { headers: { 'Retry-After': '5' } } : {})
  const status = (error as { readonly statusCode?: unknown }).statusCode
  const code = typeof status === 'number' ? OF_STATUS[status] : undefined
  if (code !== undefined) return new Problem(code)
  parts.log.error({ err: error }, 'a request to the admin API failed')
  return new Problem('fault')
}
