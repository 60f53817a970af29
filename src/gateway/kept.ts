/**
 * A request that is answered from days read before, where the purpose lets them be kept: after the same decision, behind intents
 * and before outcomes as ever, through the same filter. The data holder hears nothing.
 */
import type { AccessRequest } from '../domain/request.ts'
import type { KeepRule } from '../domain/policy.ts'
import type { Millis } from '../domain/time.ts'
import type { FindArgs, KeptDays } from '../permissions/answer-store.ts'
import type { Answer, PartReader } from '../providers/adapter.ts'
import type { Basis, Run } from './deliver.ts'
import type { Forwarded } from './forward.ts'
import { cutBy } from './forward.ts'
import type { Exchange } from './pipeline.ts'
import type { Gate } from './ports.ts'

/** What of this request's answer may be kept; undefined: nothing. */
export function ruleOf({ live, caller }: Pick<Exchange, 'live' | 'caller'>): KeepRule | undefined {
  return live.policy.purposes.find(({ code }) => code === caller.purpose)?.keep
}

/**
 * The days of all parts, in their order, before anything is reserved; undefined where the data holder is asked for all. Part of it
 * would not do: parts of two qualities are one answer no more, and what is kept of one would fail each time.
 */
export async function keptParts(
  gate: Gate,
  exchange: Exchange,
  { decision, now }: Basis,
  answer: Answer,
): Promise<readonly KeptDays[] | undefined> {
  const rule = ruleOf(exchange)
  if (!rule) return undefined
  const { purpose } = exchange.caller
  const kept: KeptDays[] = []
  for (const [index, { permission, period }] of decision.parts.entries()) {
    const series = answer.series?.(index)
    const days = series === undefined || period === null ? null : await lookUp(gate, { permission, purpose, series, period, rule, now })
    if (days) kept.push(days)
    else break
  }
  const whole = kept.length === decision.parts.length && answer.joins?.(kept.flatMap(({ days }) => days)) === true
  gate.metrics.kept.inc({ result: whole ? 'found' : 'missing' })
  return whole ? kept : undefined
}

function lookUp(gate: Gate, args: FindArgs): Promise<KeptDays | null> {
  return gate.state.keptDays(args).catch((error: unknown) => {
    gate.log.error({ err: error }, 'kept days could not be looked up: the data holder is asked')
    return null
  })
}

/** Seconds since the oldest of it was read, as the client is told (RFC 9111, 5.1). */
export function ageOf(kept: readonly KeptDays[], now: Millis): number {
  return Math.max(0, Math.ceil((now - Math.min(...kept.map(({ oldest }) => oldest))) / 1000))
}

/** What a call to the data holder would have given; nothing is read where the permission ended meanwhile. */
export function recalled(reader: PartReader, { days }: KeptDays, push: (out: readonly string[]) => void, signal: AbortSignal): Forwarded {
  if (signal.aborted) return { is: 'broken', why: cutBy(signal), holderBytes: 0, retryable: false }
  const fed = reader.recall?.(days)
  if (fed?.ok !== true) return { is: 'broken', why: 'unreadable', holderBytes: 0, retryable: false }
  push(fed.out)
  return { is: 'complete', holderBytes: 0 }
}

/** After its outcome is on record. Nobody waits for it, and an answer is the same whether or not it was kept. */
export function keepRead(run: Run, index: number, reader: PartReader, access: AccessRequest): void {
  const { gate, exchange, basis } = run
  const part = basis.decision.parts[index]
  const permission = basis.seen.permissions.find(({ id }) => id === part?.permission)
  const series = run.answer.series?.(index)
  if (!ruleOf(exchange) || !permission || series === undefined) return
  // All of them are over: no decision sends another one.
  const days = [...(reader.days?.() ?? [])]
  if (days.length === 0) return
  gate.state
    .keepDays({
      permission: permission.id,
      version: permission.version,
      client: exchange.client.id,
      meterToken: gate.state.meterToken(access.meter),
      purpose: exchange.caller.purpose,
      series,
      days,
      now: gate.now(),
    })
    .catch((error: unknown) => gate.log.error({ err: error }, 'what was read could not be kept: it is asked for anew next time'))
}
