/**
 * Serves a granted request part by part: reserve the calls, record the intent of one, make it, filter it, record its
 * outcome, then the next. The answer's last bytes go out when the last outcome is durable; until the first bytes have
 * gone, a failure is still told in a status.
 */
import type { Decision, Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { AccountId, PermissionView } from '../domain/permission.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import { coveredRuns } from '../decide/decide.ts'
import type { IntentResult } from '../evidence/access.ts'
import { intentFields, outcomeFields } from '../domain/record.ts'
import type { OutcomeResult } from '../domain/record.ts'
import type { Answer, HolderError, PartReader, Reply } from '../providers/adapter.ts'
import { clientStream } from './client-stream.ts'
import type { ClientStream } from './client-stream.ts'
import type { Forwarded } from './forward.ts'
import { forward } from './forward.ts'
import type { Holder } from './holder.ts'
import type { Exchange } from './pipeline.ts'
import { refuse, refuseWith, unavailable } from './pipeline.ts'
import type { Gate, Seen } from './ports.ts'
import type { Reservation } from './quota.ts'
import { grantHeaders, send } from './respond.ts'
import { underWayKey } from './under-way.ts'

type Granted = Exclude<Decision, { result: 'deny' }>
/** A call that is done: how it went, and what the client is told if nothing was sent yet. */
type Done =
  | { readonly is: 'data' }
  | { readonly is: 'empty' }
  | { readonly is: 'cut' }
  | { readonly is: 'refuse'; readonly reason: Reason; readonly retryAfterSeconds?: number }
  | { readonly is: 'reply'; readonly reply: Reply; readonly reason: Reason }

interface Run {
  readonly gate: Gate
  readonly exchange: Exchange
  readonly access: AccessRequest
  readonly seen: Seen
  readonly decision: Granted
  readonly answer: Answer
  readonly stream: ClientStream
  readonly reservations: ReadonlyMap<string, Extract<Reservation, { ok: true }>>
  calls: number
  firstEntry: string | null
}

export async function deliver(
  gate: Gate,
  exchange: Exchange,
  access: AccessRequest,
  seen: Seen,
  decision: Granted,
  now: Millis,
): Promise<'answered' | 'stale'> {
  if (!gate.state.ready) {
    unavailable(gate, exchange)
    return 'answered'
  }
  const reserved = reserve(gate, exchange, access, seen, decision)
  if ('refusal' in reserved) return refuseWith(gate, exchange, access, seen, 'quota', reserved.refusal, decision)
  const headers: (readonly [string, string])[] = []
  const run: Run = {
    gate,
    exchange,
    access,
    seen,
    decision,
    answer: gate.route.adapter.answer(exchange.form, access, decision.parts),
    stream: clientStream(exchange.res, headers),
    reservations: reserved.reservations,
    calls: 0,
    firstEntry: null,
  }
  try {
    return await serveParts(run, headers, now)
  } catch (error) {
    gate.log.error({ err: error }, 'a request was broken off')
    if (run.stream.started) run.stream.cut()
    else unavailable(gate, exchange)
    return 'answered'
  } finally {
    for (const reservation of reserved.reservations.values()) reservation.release()
  }
}

function reserve(
  gate: Gate,
  exchange: Exchange,
  access: AccessRequest,
  seen: Seen,
  decision: Granted,
):
  | { readonly reservations: Map<string, Extract<Reservation, { ok: true }>> }
  | { readonly refusal: { readonly reason: Reason; readonly retryAfterSeconds?: number } } {
  const calls = new Map<AccountId, number>()
  for (const part of decision.parts) {
    const account = accountOf(gate, seen.permissions, part)
    if (account === undefined) return { refusal: { reason: 'source_binding_missing' } }
    calls.set(account, (calls.get(account) ?? 0) + 1)
  }
  const reservations = new Map<string, Extract<Reservation, { ok: true }>>()
  for (const [account, count] of calls) {
    const reservation = gate.route.quota.reserve(exchange.client.id, account, access.api, count)
    if (!reservation.ok) {
      for (const other of reservations.values()) other.release()
      return { refusal: { reason: 'quota_holder', retryAfterSeconds: reservation.retryAfterSeconds } }
    }
    reservations.set(account, reservation)
  }
  return { reservations }
}

function accountOf(gate: Gate, permissions: readonly PermissionView[], part: Part): AccountId | undefined {
  const bindings = permissions.find((p) => p.id === part.permission)?.bindings ?? []
  return bindings.find((b) => b.provider === gate.route.id && b.ready && gate.route.holders.has(b.account))?.account
}

async function serveParts(run: Run, headers: (readonly [string, string])[], now: Millis): Promise<'answered' | 'stale'> {
  const { gate, exchange, decision } = run
  for (const [index, part] of decision.parts.entries()) {
    const last = index === decision.parts.length - 1
    const done = await onePart(run, headers, part, index, last, now)
    if (done === 'stale') {
      if (index === 0) return 'stale'
      // No further part is called after an act; what has gone out must not look whole.
      cutOrRefuse(run, 'withdrawn')
      return 'answered'
    }
    if (done.is === 'data' && last) return 'answered'
    if (done.is === 'data' || done.is === 'empty') continue
    if (done.is === 'cut' || run.stream.started) run.stream.cut()
    else if (done.is === 'reply') send(gate, exchange, done.reply, done.reason, run.firstEntry)
    else refuseRecorded(run, done.reason, done.retryAfterSeconds)
    return 'answered'
  }
  send(gate, exchange, gate.route.adapter.noData(exchange.form, exchange.client.denialStyle), null, run.firstEntry)
  return 'answered'
}

/** Records, calls, filters, records. A retry is a new call with an intent of its own. */
async function onePart(
  run: Run,
  headers: (readonly [string, string])[],
  part: Part,
  index: number,
  last: boolean,
  now: Millis,
): Promise<Done | 'stale'> {
  const { gate, exchange, access, seen, decision } = run
  const account = accountOf(gate, seen.permissions, part)
  const holder = account === undefined ? undefined : gate.route.holders.get(account)
  const permission = seen.permissions.find((p) => p.id === part.permission)
  if (!holder || !permission || account === undefined) return { is: 'refuse', reason: 'source_binding_missing' }

  const abort = new AbortController()
  const leave = gate.underWay.add([underWayKey.permission(permission.id)], (why) => abort.abort(why))
  const onParent = (): void => abort.abort(exchange.signal.reason)
  if (exchange.signal.aborted) onParent()
  exchange.signal.addEventListener('abort', onParent, { once: true })
  // A permission or token that ends while its call is under way ends the call.
  const ends = Math.min(permission.scope.validUntil, exchange.identity.expiresAt) - gate.now()
  const expiry = ends < 3_600_000 ? setTimeout(() => abort.abort('withdrawn'), Math.max(0, ends)) : undefined
  try {
    for (let attempt = 0; ; attempt += 1) {
      const token = await holder.token()
      if (token === undefined) return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 10 }
      const granted = await run.reservations.get(account)?.take(abort.signal)
      if (granted !== true) return { is: 'cut' }
      run.calls += 1
      const intent = await recordIntent(run, permission, part, index, now, account)
      if (intent.is === 'stale') return 'stale'
      if (run.firstEntry === null) {
        run.firstEntry = `${gate.state.origin}/${intent.n}`
        headers.push(...grantHeaders(exchange, run.firstEntry, decision.result === 'narrow' ? coveredRuns(decision.parts) : []))
        headers.push(['Content-Type', run.answer.contentType])
      }
      const before = run.stream.bytes
      const started = performance.now()
      const reader = run.answer.part(index)
      const call = gate.route.adapter.rewrite(exchange.form, access, part)
      const result = await forward(holder, call, token, reader, run.stream, abort.signal)
      const again = attempt === 0 && run.stream.bytes === before && mayRetry(run, result, token, holder)
      const done = again ? undefined : await conclude(run, part, index, last, result, reader)
      await recordOutcome(run, intent.n, result, reader, before, started, done, last)
      if (done === undefined) continue
      if (done.is === 'data' && last) run.stream.finish()
      return done
    }
  } finally {
    leave()
    clearTimeout(expiry)
    exchange.signal.removeEventListener('abort', onParent)
  }
}

function recordIntent(
  run: Run,
  permission: PermissionView,
  part: Part,
  index: number,
  now: Millis,
  account: AccountId,
): Promise<IntentResult> {
  const { gate, exchange, access, seen, decision } = run
  const line = permission.scope.lines.find((l) => l.id === part.line)
  const context = { req: exchange.req, request: access, caller: exchange.caller, account, now, policy: exchange.live.policyHash }
  const fields = intentFields(context, decision, { part, index, total: decision.parts.length, call: run.calls }, seen.permissions)
  const call = gate.route.adapter.rewrite(exchange.form, access, part)
  return gate.state.intent({
    fields: { clear: fields.clear, sealed: { ...fields.sealed, credential: exchange.identity.credential, query: call.target } },
    now: gate.now(),
    tokenHash: exchange.tokenHash,
    client: exchange.client.id,
    meterToken: gate.state.meterToken(access.meter),
    generation: seen.generation,
    permission: { id: permission.id, version: permission.version, scopeHash: permission.scopeHash },
    injection: access.direction === 'injection',
    req: exchange.req,
    call: run.calls,
    recurrence:
      !line || line.recurrence === 'on_demand'
        ? null
        : { line: line.id, period: part.period, seen: permission.deliveries.filter((d) => d.line === line.id).map((d) => d.entry) },
  })
}

/** A socket that died unused, or an application token that the holder no longer takes: once, before any byte came. */
function mayRetry(run: Run, result: Forwarded, token: string, holder: Holder): boolean {
  if (result.is === 'broken') return result.retryable
  if (result.is !== 'error') return false
  const error = run.gate.route.adapter.holderError(result.status, result.body, result.retryAfter, run.gate.now())
  if (error.says.means !== 'token_refused') return false
  holder.dropToken(token)
  return true
}

async function conclude(run: Run, part: Part, index: number, last: boolean, result: Forwarded, reader: PartReader): Promise<Done> {
  if (result.is === 'broken') return broken(result.why)
  if (result.is === 'error') return holderSaid(run, part, index, last, result)
  if (reader.counts.readings === 0 && part.period !== null) {
    if (reader.allTooFine && run.decision.parts.length === 1) return { is: 'refuse', reason: 'step_too_fine' }
    return emptyPart(run, index, last)
  }
  if (last) run.stream.last(run.answer.close())
  return { is: 'data' }
}

/** Nothing in this part. If it is the last one and others gave something, their answer ends here. */
function emptyPart(run: Run, index: number, last: boolean): Done {
  run.answer.skip(index)
  if (!last || run.stream.bytes === 0) return { is: 'empty' }
  run.stream.last(run.answer.close())
  return { is: 'data' }
}

function broken(why: Extract<Forwarded, { is: 'broken' }>['why']): Done {
  switch (why) {
    case 'client_abort':
      return { is: 'cut' }
    case 'withdrawn':
      return { is: 'refuse', reason: 'withdrawn' }
    default:
      return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 30 }
  }
}

async function holderSaid(run: Run, part: Part, index: number, last: boolean, result: Extract<Forwarded, { is: 'error' }>): Promise<Done> {
  const { gate, exchange, access } = run
  const error = gate.route.adapter.holderError(result.status, result.body, result.retryAfter, gate.now())
  const split = run.decision.parts.length > 1
  switch (error.says.means) {
    case 'no_data':
    case 'before_activation':
      // Of several parts one may have nothing, or lie before the meter was in service: the answer goes on with the next.
      if (split) return emptyPart(run, index, last)
      break
    case 'refused':
      await gate.state.holderRefused({ permission: part.permission, code: error.code, now: gate.now() })
      return { is: 'refuse', reason: 'holder_refused', retryAfterSeconds: 3600 }
    case 'quota': {
      const seconds = error.says.retryAfterSeconds ?? 60
      const account = accountOf(gate, run.seen.permissions, part)
      if (account !== undefined) gate.route.quota.hold(account, access.api, gate.now() + seconds * 1000)
      return { is: 'refuse', reason: 'quota_holder', retryAfterSeconds: seconds }
    }
    case 'token_refused':
    case 'down':
      return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 30 }
    case 'period_refused':
    case 'bad_request':
      break
  }
  return {
    is: 'reply',
    reply: gate.route.adapter.passError(exchange.form, exchange.client.denialStyle, result.status, error),
    reason: 'holder_refused',
  }
}

async function recordOutcome(
  run: Run,
  intent: number,
  result: Forwarded,
  reader: PartReader,
  before: number,
  started: number,
  done: Done | undefined,
  last: boolean,
): Promise<void> {
  const { gate, stream } = run
  const { counts } = reader
  const name = outcomeOf(gate, result, counts.readings)
  gate.metrics.calls.inc({ provider: gate.route.id, result: name })
  gate.metrics.holderSeconds.observe({ provider: gate.route.id }, (performance.now() - started) / 1000)
  const fields = outcomeFields({
    result: name,
    status: statusOf(done, name),
    bytes: stream.bytes - before,
    holderBytes: result.holderBytes,
    counts,
    ms: Math.round(performance.now() - started),
    code: result.is === 'error' ? codeOf(gate, result).code : null,
    digest: last && done?.is === 'data' ? stream.digest() : null,
  })
  await gate.state.outcome({ intent, fields, now: gate.now(), delivered: name === 'delivered' })
}

function codeOf(gate: Gate, result: Extract<Forwarded, { is: 'error' }>): HolderError {
  return gate.route.adapter.holderError(result.status, result.body, result.retryAfter, gate.now())
}

function outcomeOf(gate: Gate, result: Forwarded, readings: number): OutcomeResult {
  if (result.is === 'complete') return readings > 0 || result.holderBytes === 0 ? 'delivered' : 'no_data'
  if (result.is === 'error') {
    const { means } = codeOf(gate, result).says
    if (means === 'no_data' || means === 'before_activation') return 'no_data'
    return means === 'refused' || means === 'period_refused' || means === 'bad_request' ? 'dso_refused' : 'upstream_error'
  }
  return result.why === 'lost' ? 'upstream_error' : result.why
}

function statusOf(done: Done | undefined, name: OutcomeResult): number | null {
  if (done === undefined) return null
  if (done.is === 'data') return 200
  if (done.is === 'reply') return done.reply.status
  return name === 'no_data' ? 404 : null
}

function cutOrRefuse(run: Run, reason: Reason): void {
  if (run.stream.started) run.stream.cut()
  else refuseRecorded(run, reason)
}

/** The refusal of a request whose calls are on record already: their entries speak, no other is made. */
function refuseRecorded(run: Run, reason: Reason, retryAfterSeconds?: number): void {
  const { gate, exchange } = run
  const refusal = { reason, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) }
  if (run.firstEntry === null) {
    void refuse(gate, exchange, run.access, 'holder', refusal)
    return
  }
  gate.metrics.decisions.inc({ result: 'deny', reason })
  send(gate, exchange, gate.route.adapter.refuse(exchange.form, exchange.client.denialStyle, refusal), reason, run.firstEntry)
}
