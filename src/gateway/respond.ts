/**
 * What every answer of the gate carries, and the answers to those who are nobody yet: browsers asking first (CORS, off
 * unless the client's settings name the origin) and strangers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { coveredRuns } from '../decide/decide.ts'
import type { Decision } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import { REASONS } from '../domain/errors.ts'
import type { HolderSays, ProviderAdapter, Reply } from '../providers/adapter.ts'
import type { Canonical } from './canonical.ts'
import type { Exchange } from './pipeline.ts'
import type { ClientPolicy, Gate, Live } from './ports.ts'

type Headers = readonly (readonly [string, string])[]
const NO_STORE: Headers = [['Cache-Control', 'no-store']]

/** A whole answer of the gate's own, to an identified client. */
export function send(
  gate: Gate,
  exchange: Exchange,
  reply: Reply,
  reason: Reason | HolderSays['means'] | null,
  entry: string | null,
): void {
  const { res } = exchange
  if (res.headersSent || res.destroyed) return
  const headers: (readonly [string, string])[] = [...NO_STORE, ...exchange.cors, ...reply.headers]
  if (reason !== null)
    headers.push(['Ecluse-Reason', reason], ['Ecluse-Refused-By', reason in REASONS ? REASONS[reason as Reason].by : 'holder'])
  if (entry !== null) headers.push(['Audit-Entry', entry])
  write(gate, res, reply.status, headers, reply.body)
}

/** Headers of a granted answer; the rest is the stream's. */
/** A narrowed answer says to what: the days, or of what has no days the kinds. */
export function grantHeaders(exchange: Exchange, entry: string, { result, parts }: Extract<Decision, { parts: unknown }>): Headers {
  const days = coveredRuns(parts).map((p) => `${p.from}/${p.until}`)
  const narrowed = result === 'narrow' ? (days.length > 0 ? days : parts.flatMap(({ keepKinds }) => keepKinds)).join(', ') : ''
  return [...NO_STORE, ...exchange.cors, ['Audit-Entry', entry], ...(narrowed === '' ? [] : [['Ecluse-Narrowed', narrowed] as const])]
}

/** Not identified, or not parsed: counted, summed up once a minute, and told no more than the code. */
export function refuseStranger(
  gate: Gate,
  message: IncomingMessage,
  res: ServerResponse,
  status: number,
  reason: Reason,
  form: unknown,
  adapter: ProviderAdapter<unknown>,
): void {
  gate.refusals.stranger(reason)
  gate.metrics.strangers.inc({ reason })
  const flood = gate.refusals.tooMany(gate.placeOf(message))
  // A page whose token has ended must be able to read that it has.
  const cors = reason === 'malformed' ? [] : originHeaders(gate.live(), message.headers.origin ?? null)
  const reply = adapter.refuse(form, 'native', flood ? { reason: 'quota_gate', retryAfterSeconds: 60 } : { reason })
  // What could not be parsed may be followed by what was hidden behind it: the connection ends here.
  const close: (readonly [string, string])[] = reason === 'malformed' || flood ? [['Connection', 'close']] : []
  const shown = reason === 'malformed' && !flood ? status : reply.status
  if (shown === 405) close.push(['Allow', 'GET, POST, OPTIONS'])
  write(gate, res, shown, [...NO_STORE, ...cors, ...reply.headers, ['Ecluse-Reason', flood ? 'quota_gate' : reason], ...close], reply.body)
}

/** A question about the interface itself, whoever asks. */
export function tell(gate: Gate, res: ServerResponse, reply: Reply): void {
  write(gate, res, reply.status, [...NO_STORE, ...reply.headers], reply.body)
}

export function corsHeaders(client: ClientPolicy, origin: string | null): Headers {
  if (origin === null || !client.corsOrigins.includes(origin)) return []
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Expose-Headers', 'Age, Audit-Entry, Ecluse-Reason, Ecluse-Refused-By, Ecluse-Narrowed, Retry-After, WWW-Authenticate'],
    ['Vary', 'Origin'],
  ]
}

/** For a caller without a client: what any client's settings allow. Of whom they are is not told. */
function originHeaders(live: Live, origin: string | null): Headers {
  const client = [...live.clients.values()].find(({ corsOrigins }) => origin !== null && corsOrigins.includes(origin))
  return client === undefined ? [] : corsHeaders(client, origin)
}

/** A browser's question before a call: it bears no credential, so any client's origins count, and no more is told. */
export function preflight(gate: Gate, live: Live, canonical: Canonical, res: ServerResponse): void {
  const { origin } = canonical
  const known = origin !== null && [...live.clients.values()].some((client) => client.corsOrigins.includes(origin))
  const headers: Headers = known
    ? [
        ['Access-Control-Allow-Origin', origin],
        ['Access-Control-Allow-Methods', 'GET, POST'],
        ['Access-Control-Allow-Headers', 'Authorization, Content-Type'],
        ['Access-Control-Max-Age', '600'],
        ['Vary', 'Origin'],
      ]
    : []
  res.writeHead(
    known ? 204 : 403,
    [...NO_STORE, ...headers, ...(known ? [] : [['Content-Length', '0']]), ...(gate.draining() ? [['Connection', 'close']] : [])].flat(),
  )
  res.end()
}

export function write(gate: Pick<Gate, 'draining'>, res: ServerResponse, status: number, headers: Headers, body: string): void {
  if (res.headersSent || res.destroyed) return
  const bytes = Buffer.from(body)
  const all = [...headers, ['Content-Length', String(bytes.byteLength)] as const]
  if (!all.some(([name]) => name === 'Content-Type')) all.push(['Content-Type', 'application/json'])
  // A gate that is about to stop tells its clients to come back on another connection. Neither does one stay open whose
  // request is still coming in: what follows would be read as the rest of it.
  const unread = Number(res.req.headers['content-length'] ?? 0) > 0 && !res.req.complete
  if ((gate.draining() || unread) && !all.some(([name]) => name === 'Connection')) all.push(['Connection', 'close'])
  res.writeHead(status, all.flat())
  res.end(bytes)
}
