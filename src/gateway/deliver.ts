/**
 * Serves a granted request part by part: reserve the calls, record the intent of one, make it, filter it, record its
 * outcome, then the next. The answer's last bytes go out when the last outcome is durable; until the first bytes have
 * gone, a failure is still told in a status.
 */
import { isDeepStrictEqual } from 'node:util'
import { decide } from '../decide/decide.ts'
import type { EntryRef } from '../domain/position.ts'
import type { Decision, Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { AccountId, PermissionView } from '../domain/permission.ts'
import { intentFields } from '../domain/record.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import type { IntentResult } from '../evidence/access.ts'
import type { KeptDays } from '../permissions/answer-store.ts'
import type { Answer, NamedHolder, PartReader } from '../providers/adapter.ts'
import { conclude, faultOutcome, mayRetry, outcomeOf, recordOutcome } from './call-end.ts'
import type { Done, Outcome } from './call-end.ts'
import { clientStream } from './client-stream.ts'
import type { ClientStream } from './client-stream.ts'
import { forward } from './forward.ts'
import { ageOf, keepRead, keptParts, recalled, ruleOf } from './kept.ts'
import type { Holder } from './holder.ts'
import type { Exchange } from './pipeline.ts'
import { refuse, refuseWith, seenBy, unavailable } from './pipeline.ts'
import type { Gate, Seen } from './ports.ts'
import type { Reserved } from './reserve.ts'
import { accountOf, reserve } from './reserve.ts'
import { grantHeaders, send } from './respond.ts'
import { underWayKey } from './under-way.ts'
import { witness } from './witness.ts'
import type { Witness } from './witness.ts'

type Granted = Exclude<Decision, { result: 'deny' }>

/** What was decided, on what, and when: as the evidence states it, and as it is decided again. */
export interface Basis {
  readonly seen: Seen
  readonly decision: Granted
  readonly now: Millis
}

/** One request that is being served. */
export interface Run {
  readonly gate: Gate
  readonly exchange: Exchange
  readonly access: AccessRequest
  readonly answer: Answer
  readonly stream: ClientStream
  readonly witness: Witness
  readonly reservations: ReadonlyMap<AccountId, Reserved>
  /** Of each part, where the data holder is not called. */
  readonly kept: readonly KeptDays[] | undefined
  /** Replaced where an act came between two parts and the rest is granted all the same. */
  basis: Basis
  firstEntry: EntryRef | null
  /** Whether each part so far held readings, and all of them finer than granted. */
  onlyTooFine: boolean
}

const MOST_DECISIONS = 4
const NOTHING: ReadonlyMap<AccountId, Reserved> = new Map()

export async function deliver(gate: Gate, exchange: Exchange, access: AccessRequest, basis: Basis): Promise<'answered' | 'stale'> {
  if (!gate.state.ready) {
    unavailable(gate, exchange)
    return 'answered'
  }
  const { seen, decision } = basis
  const answer = exchange.route.adapter.answer(exchange.form, access, decision.parts)
  const kept = await keptParts(gate, exchange, basis, answer)
  // What is here costs the data holder's quota nothing.
  const reserved = kept ? { reservations: NOTHING } : await reserve(exchange, access, basis)
  if ('refusal' in reserved) return refuseWith(gate, exchange, access, seen, 'quota', reserved.refusal, decision)
  const headers: (readonly [string, string])[] = []
  const stream = clientStream(exchange.res, headers, gate.draining)
  const run: Run = {
    gate,
    exchange,
    access,
    answer,
    kept,
    stream,
    witness: witness(
      exchange.res,
      () => stream.complete,
      () => {
        gate.metrics.evidenceLost.inc()
        gate.log.fatal('an answer was completed whose outcome is not on record')
      },
    ),
    reservations: reserved.reservations,
    basis,
    firstEntry: null,
    onlyTooFine: true,
  }
  try {
    return await serveParts(run, headers)
  } catch (error) {
    gate.log.error({ err: error }, 'a request was broken off')
    if (run.stream.started) run.stream.cut()
    else unavailable(gate, exchange)
    return 'answered'
  } finally {
    for (const reservation of reserved.reservations.values()) reservation.release()
  }
}

async function serveParts(run: Run, headers: (readonly [string, string])[]): Promise<'answered' | 'stale'> {
  const { gate, exchange } = run
  const total = run.basis.decision.parts.length
  // Each request once: a refusal counts itself.
  const granted = (): 'answered' => {
    gate.metrics.decisions.inc({ result: run.basis.decision.result })
    return 'answered'
  }
  const cut = (): 'answered' => {
    gate.metrics.decisions.inc({ result: 'cut' })
    run.stream.cut()
    return 'answered'
  }
  for (let index = 0; index < total; index += 1) {
    let done = await onePart(run, headers, index)
    for (let turn = 1; done === 'stale' && index > 0 && turn < MOST_DECISIONS; turn += 1) {
      const refused = await decideRestAgain(run)
      done = refused ?? (await onePart(run, headers, index))
    }
    if (done === 'stale') {
      if (index === 0) return 'stale'
      return cut()
    }
    if (done.is === 'data' && index === total - 1) return granted()
    if (done.is === 'data' || done.is === 'empty') continue
    if (done.is === 'ended' && !run.stream.started) return 'stale'
    if (done.is === 'cut' || done.is === 'ended' || run.stream.started) return cut()
    if (done.is === 'reply') {
      gate.metrics.decisions.inc({ result: 'deny', reason: done.reason })
      send(gate, exchange, done.reply, done.reason, run.firstEntry?.name ?? null)
    } else await refuseRecorded(run, done.reason, done.retryAfterSeconds)
    return 'answered'
  }
  send(gate, exchange, exchange.route.adapter.noData(exchange.form, exchange.client.denialStyle), null, run.firstEntry?.name ?? null)
  return granted()
}

/**
 * An act came between two parts. Where the very same parts are still granted, the rest goes on; else no further part is
 * called: what has gone out is cut and must not look whole, and what has not is refused for the reason that holds now.
 */
async function decideRestAgain(run: Run): Promise<Done | undefined> {
  const { gate, exchange, access, basis } = run
  const now = gate.now()
  const seen = await seenBy(gate, exchange, access.meter, true)
  const decision = decide({ request: access, caller: exchange.caller, permissions: seen.permissions, policy: exchange.live.policy, now })
  if (decision.result === 'deny') return { is: 'refuse', reason: decision.reason }
  if (!isDeepStrictEqual(decision.parts, basis.decision.parts)) return { is: 'cut' }
  run.basis = { seen, decision, now }
  return undefined
}

/** Records, calls, filters, records. A retry is a new call with an intent of its own. */
async function onePart(run: Run, headers: (readonly [string, string])[], index: number): Promise<Done | 'stale'> {
  const { gate, exchange, basis } = run
  const part = basis.decision.parts[index]
  const account = part && accountOf(exchange, basis.seen.permissions, part)
  const holder = account === undefined ? undefined : exchange.route.holders.get(account)
  const permission = basis.seen.permissions.find((p) => p.id === part?.permission)
  if (!part || !holder || !permission || account === undefined) return { is: 'refuse', reason: 'source_binding_missing' }

  const abort = new AbortController()
  const leave = gate.underWay.add([underWayKey.permission(permission.id)], (why) => abort.abort(why))
  const onParent = (): void => abort.abort(exchange.signal.reason)
  if (exchange.signal.aborted) onParent()
  exchange.signal.addEventListener('abort', onParent, { once: true })
  // A permission or token that ends while its call is under way ends the call; just after, because it is then decided anew.
  const ends = Math.min(permission.scope.validUntil, exchange.identity.expiresAt) - gate.now()
  const expiry = ends < 3_600_000 ? setTimeout(() => abort.abort('withdrawn'), Math.max(0, ends) + 2) : undefined
  try {
    const named = exchange.route.adapter.namesHolder?.(exchange.form) === true ? await gate.state.holderOf(permission.id) : undefined
    if (named === null) return { is: 'refuse', reason: 'evidence_missing' }
    const calling = { part, index, account, holder, permission, named, signal: abort.signal }
    const kept = run.kept?.[index]
    return await (kept ? giveAgain(run, headers, calling, kept) : callPart(run, headers, calling))
  } finally {
    leave()
    clearTimeout(expiry)
    exchange.signal.removeEventListener('abort', onParent)
  }
}

interface Calling {
  readonly part: Part
  readonly index: number
  readonly account: AccountId
  readonly holder: Holder
  readonly permission: PermissionView
  /** Who agreed, where the data holder is told. */
  readonly named: NamedHolder | undefined
  readonly signal: AbortSignal
}

async function callPart(run: Run, headers: (readonly [string, string])[], calling: Calling): Promise<Done | 'stale'> {
  const { stream } = run
  const { index, account, holder, signal } = calling
  const last = index === run.basis.decision.parts.length - 1
  for (let attempt = 0; ; attempt += 1) {
    const authorization = await holder.authorization()
    if (authorization === undefined) return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 10 }
    if (!(await run.reservations.get(account)?.take(signal))) return notCalled(signal, attempt)
    // What is on record goes out at once: it never waits for a connection.
    if (!(await holder.slots.take(signal))) return notCalled(signal, attempt)
    try {
      const intent = await recordIntent(run, calling)
      if (intent.is === 'stale') return 'stale'
      recorded(run, headers, intent)
      const done = await madeCall(run, calling, { intent: intent.n, authorization, again: attempt === 0 })
      if (done === undefined) continue
      if (done.is === 'data' && last) stream.finish()
      return done
    } finally {
      holder.slots.free()
    }
  }
}

/** A part from days that were read before, recorded like a call that was made for it. */
async function giveAgain(run: Run, headers: (readonly [string, string])[], calling: Calling, kept: KeptDays): Promise<Done | 'stale'> {
  const { stream } = run
  const { part, index, account, signal } = calling
  const last = index === run.basis.decision.parts.length - 1
  const intent = await recordIntent(run, calling, 'store')
  if (intent.is === 'stale') return 'stale'
  recorded(run, headers, intent)
  const before = stream.bytes
  const started = performance.now()
  const reader = run.answer.part(index)
  const result = recalled(reader, kept, (out) => stream.push(out), signal)
  const done = await conclude(run, { part, account, last, result, reader })
  await recordOutcome(run, intent.n, outcomeOf(run, { result, reader, before, started, done, last, source: 'store' }))
  if (done.is === 'data' && last) stream.finish()
  return done
}

/** From here on the request has an entry, which its answer names. */
function recorded(run: Run, headers: (readonly [string, string])[], intent: Extract<IntentResult, { is: 'recorded' }>): void {
  const { exchange } = run
  exchange.calls += 1
  exchange.ownEntries.add(intent.entry)
  run.witness.called()
  if (run.firstEntry !== null) return
  run.firstEntry = { n: intent.n, name: intent.entry }
  exchange.entry = run.firstEntry
  headers.push(...grantHeaders(exchange, intent.entry, run.basis.decision), ['Content-Type', run.answer.contentType])
  if (run.kept) headers.push(['Age', String(ageOf(run.kept, intent.at))])
}

/** Makes the call that is on record and records how it ended. Undefined where it is made once more. */
async function madeCall(
  run: Run,
  { part, index, account, holder, permission, named, signal }: Calling,
  { intent, authorization, again }: { readonly intent: number; readonly authorization: string | null; readonly again: boolean },
): Promise<Done | undefined> {
  const { exchange, access, stream } = run
  const last = index === run.basis.decision.parts.length - 1
  const before = stream.bytes
  const started = performance.now()
  let holderBytes = 0
  let reader: PartReader | undefined
  let outcome: Outcome
  let opened: readonly string[] = []
  try {
    reader = run.answer.part(index, ruleOf(exchange) !== undefined)
    const call = exchange.route.adapter.rewrite(exchange.form, access, part, { account, permission, ...(named && { holder: named }) })
    const result = await forward(holder, call, authorization, reader, stream, signal)
    holderBytes = result.holderBytes
    const retried = again && stream.bytes === before && mayRetry(run, result, reader, authorization, holder)
    const done = retried ? undefined : await conclude(run, { part, account, last, result, reader })
    outcome = outcomeOf(run, { result, reader, before, started, done, last })
    opened = reader.opened ?? []
  } catch (error) {
    // A fault of ours leaves no call without its outcome: it is on record before the request is broken off.
    await recordOutcome(run, intent, faultOutcome(run, { reader, holderBytes, before, started }))
    throw error
  }
  await recordOutcome(run, intent, outcome, opened.length === 0 ? undefined : { permission: permission.id, account, refs: opened })
  if (outcome.name === 'delivered') keepRead(run, index, reader, access)
  return outcome.done
}

/** The client left, an act came, or a retry found no call left in the hour. Of an act the reason is decided anew. */
function notCalled(signal: AbortSignal, attempt: number): Done | 'stale' {
  if (!signal.aborted) return { is: 'refuse', reason: 'quota_holder', retryAfterSeconds: 60 }
  return signal.reason === 'withdrawn' && attempt === 0 ? 'stale' : { is: 'cut' }
}

function recordIntent(run: Run, { part, index, account, permission, named }: Calling, source?: 'store'): Promise<IntentResult> {
  const { gate, exchange, access } = run
  const { seen, decision, now } = run.basis
  const line = permission.scope.lines.find((l) => l.id === part.line)
  const context = { req: exchange.req, request: access, caller: exchange.caller, account, now, policy: exchange.live.policyHash }
  const used = { part, index, total: decision.parts.length, call: exchange.calls + 1, ...(source && { source }) }
  const fields = intentFields(context, decision, used, seen.permissions)
  const { target, body } = exchange.route.adapter.rewrite(exchange.form, access, part, {
    account,
    permission,
    ...(named && { holder: named }),
  })
  const query = body ? `POST ${target} ${body.says}` : target
  return gate.state.intent({
    fields: { clear: fields.clear, sealed: { ...fields.sealed, credential: exchange.identity.credential, query } },
    now: gate.now(),
    tokenHash: exchange.tokenHash,
    client: exchange.client.id,
    meterToken: gate.state.meterToken(access.meter),
    generation: seen.generation,
    permission: { id: permission.id, version: permission.version, scopeHash: permission.scopeHash },
    injection: access.direction === 'injection',
    req: exchange.req,
    call: exchange.calls + 1,
    first: exchange.entry?.n ?? null,
    recurrence:
      // An order reads nothing: it uses up nothing.
      !line || line.recurrence === 'on_demand' || access.order
        ? null
        : {
            line: line.id,
            once: line.recurrence === 'once',
            period: part.period,
            seen: permission.deliveries.filter((d) => d.line === line.id).map((d) => d.entry),
          },
  })
}

/** The refusal of a request whose calls are on record already: their entries speak, no other is made. */
async function refuseRecorded(run: Run, reason: Reason, retryAfterSeconds?: number): Promise<void> {
  const { gate, exchange } = run
  const refusal = { reason, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) }
  if (run.firstEntry === null) return refuse(gate, exchange, run.access, 'holder', refusal)
  gate.metrics.decisions.inc({ result: 'deny', reason })
  send(gate, exchange, exchange.route.adapter.refuse(exchange.form, exchange.client.denialStyle, refusal), reason, run.firstEntry.name)
}
