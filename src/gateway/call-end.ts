/**
 * How one call to the data holder ended: what the client is told of it, what the log says of it, and whether it is made
 * once more. Nothing is sent here; the outcome is durable before the caller sends anything.
 */
import type { Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { AccountId, PermissionId } from '../domain/permission.ts'
import type { Fields, OutcomeResult } from '../domain/record.ts'
import { outcomeFields } from '../domain/record.ts'
import type { HolderError, HolderSays, PartReader, Reply } from '../providers/adapter.ts'
import type { Run } from './deliver.ts'
import type { Forwarded } from './forward.ts'
import type { Holder } from './holder.ts'

/** A call that is done, and what the client is told if nothing was sent yet. */
export type Done =
  | { readonly is: 'data' }
  | { readonly is: 'empty' }
  | { readonly is: 'cut' }
  /** An act, or the end of a token or of a validity, cut the call: why it is refused now is decided anew. */
  | { readonly is: 'ended' }
  | { readonly is: 'refuse'; readonly reason: Reason; readonly retryAfterSeconds?: number }
  /** The holder's own word, in the client's dialect. */
  | { readonly is: 'reply'; readonly reply: Reply; readonly reason: HolderSays['means'] }

/** Where the holder says «too many» and not until when: a second may be meant, or the hour. */
const QUOTA_SECONDS = 10

interface Ended {
  readonly part: Part
  readonly account: AccountId
  readonly last: boolean
  readonly result: Forwarded
  readonly reader: PartReader
}

/** A socket that died unused, or an application token that the holder no longer takes: once, before any byte came. */
export function mayRetry(run: Run, result: Forwarded, reader: PartReader, authorization: string | null, holder: Holder): boolean {
  if (result.is === 'broken') return result.retryable
  return saidBy(run, result, reader)?.says.means === 'token_refused' && holder.drop(authorization)
}

export async function conclude(run: Run, ended: Ended): Promise<Done> {
  const { part, last, result, reader } = ended
  if (result.is === 'broken') return broken(result.why)
  const said = saidBy(run, result, reader)
  if (said) return holderSaid(run, ended, result.is === 'error' ? result.status : 200, said)
  if (reader.counts.readings === 0) {
    run.onlyTooFine &&= reader.allTooFine
    if (last && run.onlyTooFine) return { is: 'refuse', reason: 'step_too_fine' }
    return emptyPart(run, part, last)
  }
  run.onlyTooFine = false
  if (last) run.stream.last(run.answer.close())
  return { is: 'data' }
}

/** Nothing in this part. If it is the last one and others gave something, their answer ends here. */
function emptyPart(run: Run, part: Part, last: boolean): Done {
  run.answer.skip(run.basis.decision.parts.indexOf(part))
  if (!last || run.stream.bytes === 0) return { is: 'empty' }
  run.stream.last(run.answer.close())
  return { is: 'data' }
}

function broken(why: Extract<Forwarded, { is: 'broken' }>['why']): Done {
  switch (why) {
    case 'client_abort':
      return { is: 'cut' }
    case 'withdrawn':
      return { is: 'ended' }
    default:
      return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 30 }
  }
}

async function holderSaid(run: Run, { part, account, last }: Ended, status: number, error: HolderError): Promise<Done> {
  const { gate, exchange, access } = run
  run.onlyTooFine = false
  switch (error.says.means) {
    case 'no_data':
      return emptyPart(run, part, last)
    case 'before_activation':
      // Of several parts one may lie before the meter was in service: the answer goes on with the next.
      if (run.basis.decision.parts.length > 1) return emptyPart(run, part, last)
      break
    case 'refused':
      await gate.state.holderRefused({ permission: part.permission, meter: access.meter, account, code: error.code, now: gate.now() })
      return { is: 'refuse', reason: 'holder_refused', retryAfterSeconds: 3600 }
    case 'quota': {
      const seconds = error.says.retryAfterSeconds ?? QUOTA_SECONDS
      exchange.route.quota.hold(account, access.api, seconds)
      return { is: 'refuse', reason: 'quota_holder', retryAfterSeconds: seconds }
    }
    case 'token_refused':
    case 'down':
      return { is: 'refuse', reason: 'holder_down', retryAfterSeconds: 30 }
    case 'period_refused':
    case 'bad_request':
      break
  }
  const reply = exchange.route.adapter.passError(exchange.form, exchange.client.denialStyle, status, error)
  return { is: 'reply', reply, reason: error.says.means }
}

/** What the log will say of a call, worked out before any of it is recorded. */
export interface Outcome {
  readonly name: OutcomeResult
  readonly fields: Fields
  /** Undefined where the call is made once more. */
  readonly done: Done | undefined
  /** Whether the request makes no further call. */
  readonly over: boolean
  readonly ms: number
  /** Whether the data holder was called. */
  readonly asked: boolean
}

export function outcomeOf(
  run: Run,
  ended: {
    readonly result: Forwarded
    readonly reader: PartReader
    /** Bytes for the client before this call, and the moment at which it began. */
    readonly before: number
    readonly started: number
    readonly done: Done | undefined
    readonly last: boolean
    readonly source?: 'store'
  },
): Outcome {
  const { stream } = run
  const { result, reader, before, started, done, last, source } = ended
  const { counts } = reader
  const ms = performance.now() - started
  const said = saidBy(run, result, reader)
  const outcome = resultOf(result, said, counts.readings)
  const name = outcome === 'delivered' && source === 'store' ? 'delivered_from_store' : outcome
  const fields = outcomeFields({
    result: name,
    status: statusOf(run, done, last),
    bytes: stream.bytes - before,
    holderBytes: result.holderBytes,
    counts,
    ms: Math.round(ms),
    code: (said ?? reader.said)?.code ?? null,
    digest: last && done?.is === 'data' ? stream.digest() : null,
  })
  const over = done !== undefined && (last || (done.is !== 'data' && done.is !== 'empty'))
  return { name, fields, done, over, ms, asked: source === undefined }
}

/** Of a call that a fault of ours ended: what is known of it, and nothing asked anew of what may be at fault. */
export function faultOutcome(
  { stream }: Run,
  known: {
    readonly reader: PartReader | undefined
    readonly holderBytes: number
    readonly before: number
    readonly started: number
  },
): Outcome {
  const { reader, holderBytes, before, started } = known
  const ms = performance.now() - started
  const fields = outcomeFields({
    result: 'interrupted',
    status: null,
    bytes: stream.bytes - before,
    holderBytes,
    counts: reader?.counts ?? { readings: 0, dropped: 0, first: null, last: null },
    ms: Math.round(ms),
    code: null,
    digest: null,
  })
  return { name: 'interrupted', fields, done: { is: 'cut' }, over: true, ms, asked: true }
}

/** What the call opened at the data holder is on record in the same transaction: its end is asked for with the permission's. */
export async function recordOutcome(
  run: Run,
  intent: number,
  { name, fields, over, ms, asked }: Outcome,
  opened?: { readonly permission: PermissionId; readonly account: AccountId; readonly refs: readonly string[] },
): Promise<void> {
  const { gate, exchange, access } = run
  if (asked) {
    gate.metrics.calls.inc({ provider: exchange.route.id, result: name })
    gate.metrics.holderSeconds.observe({ provider: exchange.route.id }, ms / 1000)
  }
  const { entry } = await gate.state.outcome({
    intent,
    fields,
    now: gate.now(),
    delivered: (name === 'delivered' || name === 'delivered_from_store') && !access.order,
    asked,
    over,
    ...(opened && {
      opened: {
        ...opened,
        provider: exchange.route.id,
        meter: access.meter,
        direction: access.direction === 'injection' ? 'injection' : 'withdrawal',
      },
    }),
  })
  exchange.ownEntries.add(entry)
  run.witness.recorded()
}

/** What the holder said in place of readings: by its status, or in the body of what looks like a good answer. */
function saidBy({ gate, exchange }: Run, result: Forwarded, reader: PartReader): HolderError | undefined {
  if (result.is === 'error') return exchange.route.adapter.holderError(result.status, result.body, result.retryAfter, gate.now())
  return result.is === 'complete' && reader.counts.readings === 0 ? reader.said : undefined
}

function resultOf(result: Forwarded, said: HolderError | undefined, readings: number): OutcomeResult {
  if (said) {
    const { means } = said.says
    if (means === 'no_data' || means === 'before_activation') return 'no_data'
    return means === 'refused' || means === 'period_refused' || means === 'bad_request' ? 'dso_refused' : 'upstream_error'
  }
  if (result.is === 'complete') return readings > 0 ? 'delivered' : 'no_data'
  return result.is === 'broken' && result.why !== 'lost' ? result.why : 'upstream_error'
}

/** The status that the client sees because of this call; null where it sees none of its own, or a cut. */
function statusOf({ exchange, stream }: Run, done: Done | undefined, last: boolean): number | null {
  if (done === undefined) return null
  if (done.is === 'data') return 200
  if (stream.started || done.is === 'cut' || done.is === 'ended') return null
  if (done.is === 'reply') return done.reply.status
  const { adapter } = exchange.route
  const style = exchange.client.denialStyle
  if (done.is === 'refuse') return adapter.refuse(exchange.form, style, { reason: done.reason }).status
  return last ? adapter.noData(exchange.form, style).status : null
}
