/**
 * The one reading of a request. What is not canonical is refused here, and what follows sees only what is built here:
 * nothing of the client's target or headers is copied further. Pure.
 *
 * Attacks it ends: request smuggling, path and query confusion, duplicate and underscore headers, absolute-form
 * targets, bodies on GET. A parameter stands once, save those of which the adapter reads a list. Source: RFC 9112 §§ 3, 6;
 * node:http accepts several of these by itself.
 */
import type { WireRequest } from '../providers/adapter.ts'

export interface RawRequest {
  readonly method: string
  readonly target: string
  readonly httpVersion: string
  /** Name, value, name, value … as received. */
  readonly rawHeaders: readonly string[]
}

export interface Canonical {
  readonly wire: WireRequest
  readonly bearer: string | null
  /** Basic credentials of a token call, still encoded. */
  readonly basic: string | null
  /** Whether there is an `Authorization` at all, readable or not. */
  readonly authorized: boolean
  readonly origin: string | null
  readonly contentLength: number
  readonly wantsContinue: boolean
  readonly preflight: boolean
}

export type Flaw = { readonly status: 400 | 405 | 414 | 417 | 431 | 501 | 505; readonly why: string }

/** Header names whose repetition has one plain meaning; any other twice is refused. */
const REPEATABLE = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'cookie',
  'forwarded',
  'pragma',
  'via',
  'x-forwarded-for',
])
/** No client needs more; a limit of node:http would drop the rest unseen, and framing headers with it. */
const MOST_HEADERS = 100
const HOST = /^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$/
/** Where a browser comes back from Enedis, which separates several meters by semicolons. */
const LISTS_METERS = '/consent/callback'
const ONCE: ReadonlySet<string> = new Set()
const METHODS = new Set(['GET', 'POST', 'OPTIONS'])
const NEVER = new Set(['HEAD', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT'])

/** @param repeats parameters that may stand more than once: they are given as lists, and nowhere else */
export function canonicalOf(request: RawRequest, maxTarget: number, repeats: ReadonlySet<string> = ONCE): Canonical | Flaw {
  if (request.httpVersion !== '1.1') return { status: 505, why: 'http_version' }
  if (!METHODS.has(request.method)) return { status: NEVER.has(request.method) ? 405 : 501, why: 'method' }
  const headers = headersOf(request.rawHeaders)
  if ('status' in headers) return headers
  if (request.target.length > maxTarget) return { status: 414, why: 'target_length' }
  const target = targetOf(request.target, repeats)
  if ('status' in target) return target

  const length = headers.get('content-length')
  if (headers.has('transfer-encoding')) return { status: 400, why: 'transfer_encoding' }
  if (length !== undefined && !/^(0|[1-9][0-9]{0,8})$/.test(length)) return { status: 400, why: 'content_length' }
  const contentLength = length === undefined ? 0 : Number(length)
  if (contentLength > 0 && request.method !== 'POST') return { status: 400, why: 'body' }
  const expect = headers.get('expect')
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') return { status: 417, why: 'expect' }

  const authorization = headers.get('authorization')
  const credentials = authorization === undefined ? null : /^([A-Za-z]+) +([A-Za-z0-9._~+/=-]{1,4096})$/.exec(authorization)
  const scheme = credentials?.[1]?.toLowerCase()
  return {
    wire: {
      method: request.method,
      path: target.path,
      query: target.query,
      ...(target.lists.size > 0 && { lists: target.lists }),
      ...oneOf('contentType', headers.get('content-type')),
      ...oneOf('soapAction', headers.get('soapaction')),
      ...(wantsOneView(headers.get('accept')) && { view: 'senml' as const }),
    },
    bearer: scheme === 'bearer' ? (credentials?.[2] ?? null) : null,
    basic: scheme === 'basic' ? (credentials?.[2] ?? null) : null,
    authorized: authorization !== undefined,
    origin: headers.get('origin') ?? null,
    contentLength,
    wantsContinue: expect !== undefined,
    preflight: request.method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method'),
  }
}

/** Only who names it first gets it: what accepts anything gets the data holder's own form. */
function wantsOneView(accept: string | undefined): boolean {
  return (accept ?? '').split(/[,;]/, 1)[0]?.trim().toLowerCase() === 'application/senml+json'
}

function oneOf<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, string>)
}

function headersOf(raw: readonly string[]): Map<string, string> | Flaw {
  if (raw.length > 2 * MOST_HEADERS) return { status: 431, why: 'header_count' }
  const headers = new Map<string, string>()
  for (let i = 0; i < raw.length; i += 2) {
    const given = raw[i] ?? ''
    // An underscore twin of a header is another header to us and the same one to some next hop.
    if (!/^[A-Za-z0-9-]+$/.test(given)) return { status: 400, why: 'header_name' }
    const name = given.toLowerCase()
    if (headers.has(name) && !REPEATABLE.has(name)) return { status: 400, why: 'header_twice' }
    headers.set(name, raw[i + 1] ?? '')
  }
  // Any name will do, because none is looked at, but one that reads as two to somebody will not.
  if (!HOST.test(headers.get('host') ?? '')) return { status: 400, why: 'host' }
  return headers
}

interface Target {
  readonly path: string
  readonly query: ReadonlyMap<string, string>
  readonly lists: ReadonlyMap<string, readonly string[]>
}
function targetOf(target: string, repeats: ReadonlySet<string>): Target | Flaw {
  // Origin-form only; printable ASCII; no fragment or backslash. Percent signs may stand in values alone.
  if (!/^\/[A-Za-z0-9_./-]*(\?[A-Za-z0-9_.~!$'()*,:;@%&=+/?-]*)?$/.test(target)) return { status: 400, why: 'target' }
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  if (path.includes('//') || /(^|\/)\.\.?(\/|$)/.test(path)) return { status: 400, why: 'target' }
  const query = new Map<string, string>()
  const lists = new Map<string, string[]>()
  if (mark < 0) return { path, query, lists }
  // Some next hop would take it for a separator of parameters.
  if (target.includes(';') && path !== LISTS_METERS) return { status: 400, why: 'target' }
  for (const pair of target.slice(mark + 1).split('&')) {
    const eq = pair.indexOf('=')
    const name = eq < 0 ? '' : pair.slice(0, eq)
    if (!/^[A-Za-z0-9_]+$/.test(name)) return { status: 400, why: 'query' }
    const value = decodeOnce(pair.slice(eq + 1))
    if (value === undefined) return { status: 400, why: 'query' }
    const list = lists.get(name) ?? []
    // Refused even when equal: which of two counts differs from one server to the next. In a list all count, each once.
    if (query.has(name) || list.includes(value)) return { status: 400, why: 'parameter_twice' }
    if (repeats.has(name)) lists.set(name, [...list, value])
    else query.set(name, value)
  }
  return { path, query, lists }
}

function decodeOnce(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
