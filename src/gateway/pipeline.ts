/**
 * The way of a request, on one screen:
 *
 * listener → identify → classify → decide → quota → intent → rewrite → forward → filter → outcome
 *
 * What is cached makes this fast; the transactions behind `intent` and `refused` make it lawful: whatever was decided
 * on something that has changed comes back `stale` and is decided once more from the registry.
 */
import type { EntryRef } from '../domain/position.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { decide } from '../decide/decide.ts'
import type { Decision } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { MeterId } from '../domain/meter.ts'
import type { AccessRequest, Caller } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'
import { refusedFields } from '../domain/record.ts'
import type { Stage } from '../domain/record.ts'
import type { Identity } from '../permissions/tokens.ts'
import type { Refusal } from '../providers/adapter.ts'
import type { Canonical } from './canonical.ts'
import { canonicalOf } from './canonical.ts'
import { proofOf, withoutToken } from './identify.ts'
import type { ClientPolicy, Gate, Live, ProviderRoute, Seen } from './ports.ts'
import { deliver } from './deliver.ts'
import { readBody } from './read-body.ts'
import { answerRightsCall, answerStopCall } from './rights-call.ts'
import { answerSharesCall } from './shares-call.ts'
import { corsHeaders, preflight, refuseStranger, send, tell } from './respond.ts'
import { answerTokenCall } from './token-call.ts'
import { underWayKey } from './under-way.ts'

/** One identified request, as every later step needs it. */
export interface Exchange {
  readonly req: string
  readonly res: ServerResponse
  readonly live: Live
  readonly client: ClientPolicy
  readonly caller: Caller
  readonly identity: Identity
  readonly tokenHash: Buffer
  readonly route: ProviderRoute
  /** The dialect of its answers, refusals included. */
  form: unknown
  readonly cors: readonly (readonly [string, string])[]
  readonly signal: AbortSignal
  /** Calls to the holder on record for this request; a decision made once more goes on counting. */
  calls: number
  /** Entries of those calls. What they delivered uses up nothing that this same request asks for. */
  readonly ownEntries: Set<string>
  /** The entry that the answer names, once there is one. */
  entry: EntryRef | null
}

const MOST_DECISIONS = 4

export async function handle(gate: Gate, message: IncomingMessage, res: ServerResponse): Promise<void> {
  const live = gate.live()
  const { path, token } = withoutToken((message.url ?? '').split('?', 1)[0] ?? '')
  const route = gate.routeOf(path)
  const { adapter } = route
  const canonical = canonicalOf(
    { method: message.method ?? '', target: message.url ?? '', httpVersion: message.httpVersion, rawHeaders: message.rawHeaders },
    gate.maxTarget,
    adapter.repeats?.(path),
  )
  const strange = (status: number, reason: Reason, form: unknown): void => refuseStranger(gate, message, res, status, reason, form, adapter)
  if ('status' in canonical) return strange(canonical.status, 'malformed', null)
  if (gate.people?.serves(canonical.wire.path)) return gate.people.handle(message, res)
  if (gate.open?.serves(canonical.wire.path)) return gate.open.handle(canonical, message, res)
  if (canonical.preflight) return preflight(gate, live, canonical, res)
  const now = gate.now()
  const classified = adapter.classify({ ...canonical.wire, path }, parisDay(now))
  if (classified.is === 'token') return answerTokenCall(gate, live, canonical, message, res)
  if (classified.is === 'told') return tell(gate, res, classified.reply)

  const { form } = classified
  const proof = await proofOf(gate, live, canonical, token, message)
  if (proof === 'unknown') return strange(503, 'evidence_unavailable', form)
  if (proof === 'stranger') return strange(401, 'token_invalid', form)
  const { hash } = proof
  const identity = await gate.state.identify(hash, false).catch((error: unknown) => {
    gate.log.error({ err: error }, 'a token could not be looked up')
    return null
  })
  if (identity === null) return strange(503, 'evidence_unavailable', form)
  if (!identity) return strange(401, 'token_invalid', form)
  if (identity.expiresAt <= now) return strange(401, 'token_expired', form)
  const client = live.clients.get(identity.client)
  if (!client || identity.disabled) return strange(401, 'client_disabled', form)
  if (!client.identifiesBy.includes(proof.way)) return strange(401, 'token_invalid', form)
  // Gone while it was looked up: from here on only the end of the connection frees what is taken for it.
  if (res.closed) return

  const abort = new AbortController()
  const keys = [underWayKey.token(hash.toString('base64')), underWayKey.client(client.id)]
  const leave = gate.underWay.add(keys, (why) => abort.abort(why))
  res.once('close', () => {
    leave()
    if (!res.writableFinished) abort.abort('client_abort')
  })
  const exchange: Exchange = {
    req: gate.newId(),
    res,
    live,
    client,
    caller: { client: client.id, purpose: identity.purpose, set: identity.set, refusesNarrowing: client.refusesNarrowing },
    identity,
    tokenHash: hash,
    route,
    form,
    cors: corsHeaders(client, canonical.origin),
    signal: abort.signal,
    calls: 0,
    ownEntries: new Set(),
    entry: null,
  }
  if (identity.purpose !== client.purpose) return refuse(gate, exchange, null, 'token', { reason: 'purpose_mismatch' })
  if (tooMany(gate, exchange)) return refuse(gate, exchange, null, 'quota', { reason: 'quota_gate', retryAfterSeconds: 1 })
  const named = classified.is === 'body' ? classified.read(await bodyOf(canonical, message, res, classified.most)) : classified
  exchange.form = named.form
  if (named.is === 'shares') return answerSharesCall(gate, exchange, named.asked)
  if (named.is !== 'refused' && !adapter.canAnswer(named.form))
    return refuse(gate, exchange, named.is === 'access' ? named.access : null, 'route', { reason: 'not_translatable' })
  if (named.is === 'rights') return answerRightsCall(gate, exchange, named.meters)
  if (named.is === 'stop') return answerStopCall(gate, exchange, named.asked)
  if (named.is === 'refused') {
    return refuse(gate, exchange, null, 'route', { reason: named.reason, ...(named.flaw !== undefined && { flaw: named.flaw }) })
  }
  const { access } = named
  try {
    await decideAndServe(gate, exchange, access)
  } catch (error) {
    gate.log.error({ err: error }, 'a request could not be decided')
    unavailable(gate, exchange)
  }
}

function bodyOf(canonical: Canonical, message: IncomingMessage, res: ServerResponse, most: number): Promise<Uint8Array | undefined> {
  if (canonical.contentLength > most) return Promise.resolve(undefined)
  if (canonical.wantsContinue) res.writeContinue()
  return readBody(message, most)
}

/** Decides, and once more from the registry whenever what was decided on has changed meanwhile. */
async function decideAndServe(gate: Gate, exchange: Exchange, access: AccessRequest): Promise<void> {
  for (let turn = 0; turn < MOST_DECISIONS; turn += 1) {
    const now = gate.now()
    const seen = await seenBy(gate, exchange, access.meter, turn > 0)
    if (turn > 0 && !(await stillIdentified(gate, exchange))) return
    const decision = decide({ request: access, caller: exchange.caller, permissions: seen.permissions, policy: exchange.live.policy, now })
    const answered =
      decision.result === 'deny'
        ? await refuseDecided(gate, exchange, access, seen, decision, now)
        : await deliver(gate, exchange, access, { seen, decision, now })
    if (answered === 'stale') continue
    gate.watch.note({ request: access, caller: exchange.caller, permissions: seen.permissions, decision, now, entry: exchange.entry })
    return
  }
  // Four decisions, each overtaken by an act: whoever keeps changing this permission, it is not in force.
  unavailable(gate, exchange)
}

/** What the caller's permissions on a meter say, without what this request itself has read: it is decided as one. */
export async function seenBy(gate: Gate, exchange: Exchange, meter: MeterId, fresh: boolean): Promise<Seen> {
  const seen = await gate.state.views(exchange.client.id, meter, fresh)
  const { ownEntries } = exchange
  if (ownEntries.size === 0) return seen
  const permissions = seen.permissions.map((p) => ({ ...p, deliveries: p.deliveries.filter((d) => !ownEntries.has(d.entry)) }))
  return { generation: seen.generation, permissions }
}

/** Whether the token still identifies this client, by the registry itself. If not, the caller is a stranger. */
async function stillIdentified(gate: Gate, exchange: Exchange): Promise<boolean> {
  const identity = await gate.state.identify(exchange.tokenHash, true)
  const reason: Reason | undefined = !identity
    ? 'token_invalid'
    : identity.expiresAt <= gate.now()
      ? 'token_expired'
      : identity.disabled
        ? 'client_disabled'
        : undefined
  if (reason === undefined) return true
  gate.refusals.stranger(reason)
  gate.metrics.strangers.inc({ reason })
  send(gate, exchange, exchange.route.adapter.refuse(exchange.form, exchange.client.denialStyle, { reason }), reason, null)
  return false
}

async function refuseDecided(
  gate: Gate,
  exchange: Exchange,
  access: AccessRequest,
  seen: Seen,
  decision: Extract<Decision, { result: 'deny' }>,
  now: Millis,
): Promise<'answered' | 'stale'> {
  const retry = decision.retryAt === undefined ? {} : { retryAfterSeconds: Math.max(1, Math.ceil((decision.retryAt - now) / 1000)) }
  return refuseWith(gate, exchange, access, seen, 'decide', { reason: decision.reason, ...retry }, decision, now)
}

/** A refusal that no decision led to: recorded like the others, with what of the request is known. */
export async function refuse(gate: Gate, exchange: Exchange, access: AccessRequest | null, stage: Stage, refusal: Refusal): Promise<void> {
  const answered = await refuseWith(gate, exchange, access, null, stage, refusal, null)
  if (answered === 'stale' && (await stillIdentified(gate, exchange))) unavailable(gate, exchange)
}

export async function refuseWith(
  gate: Gate,
  exchange: Exchange,
  access: AccessRequest | null,
  seen: Seen | null,
  stage: Stage,
  refusal: Refusal,
  decision: Decision | null,
  /** The instant that the decision was made for: with another one it could not be made again from its entry. */
  decidedAt: Millis = gate.now(),
): Promise<'answered' | 'stale'> {
  const { client, live } = exchange
  if (!gate.state.ready) {
    // Refusals too take room: what is left of it is for outcomes, withdrawals and erasures.
    unavailable(gate, exchange)
    return 'answered'
  }
  const reply = exchange.route.adapter.refuse(exchange.form, client.denialStyle, refusal)
  const record = gate.refusals.own(client.id, client.limits.refusalsPerMinute, refusal.reason)
  const context = {
    req: exchange.req,
    request: access,
    caller: exchange.caller,
    account: null,
    now: decidedAt,
    policy: live.policyHash,
  }
  const { clear, sealed } = refusedFields(context, stage, refusal.reason, decision, seen?.permissions ?? [])
  try {
    const recorded = await gate.state.refused({
      fields: { clear, sealed: { ...sealed, credential: exchange.identity.credential } },
      now: gate.now(),
      client: client.id,
      tokenHash: exchange.tokenHash,
      record,
      meter: access === null || seen === null ? null : { token: gate.state.meterToken(access.meter), generation: seen.generation },
    })
    if (recorded.is === 'stale') return 'stale'
    gate.metrics.decisions.inc({ result: 'deny', reason: refusal.reason })
    if (recorded.is === 'recorded') exchange.entry = { n: recorded.n, name: recorded.entry }
    send(gate, exchange, reply, refusal.reason, exchange.entry?.name ?? null)
  } catch (error) {
    gate.log.error({ err: error }, 'a refusal could not be recorded')
    unavailable(gate, exchange)
  }
  return 'answered'
}

/** Evidence cannot be written: nobody is called, and the answer has no entry to name. */
export function unavailable(gate: Gate, exchange: Exchange): void {
  gate.metrics.decisions.inc({ result: 'deny', reason: 'evidence_unavailable' })
  const reply = exchange.route.adapter.refuse(exchange.form, exchange.client.denialStyle, {
    reason: 'evidence_unavailable',
    retryAfterSeconds: 5,
  })
  send(gate, exchange, reply, 'evidence_unavailable', null)
}

const inFlight = new WeakMap<Gate, Map<string, { now: number; second: number; inSecond: number }>>()

function tooMany(gate: Gate, exchange: Exchange): boolean {
  const table = inFlight.get(gate) ?? new Map<string, { now: number; second: number; inSecond: number }>()
  inFlight.set(gate, table)
  const { id, limits } = exchange.client
  const use = table.get(id) ?? { now: 0, second: 0, inSecond: 0 }
  table.set(id, use)
  const second = Math.floor(gate.now() / 1000)
  if (use.second !== second) Object.assign(use, { second, inSecond: 0 })
  use.inSecond += 1
  if (limits.requestsPerSecond !== undefined && use.inSecond > limits.requestsPerSecond) return true
  if (use.now >= limits.concurrency) return true
  use.now += 1
  exchange.res.once('close', () => {
    use.now -= 1
  })
  return false
}
