/**
 * Parts of a request that are answered from days read before, where the purpose lets them be kept: after the same
 * decision, behind an intent and before an outcome of their own, through the same filter. The data holder hears nothing.
 */
import type { AccessRequest } from '../domain/request.ts'
import type { KeepRule } from '../domain/policy.ts'
import type { Millis } from '../domain/time.ts'
import type { KeptDays } from '../permissions/answer-store.ts'
import type { Answer, PartReader } from '../providers/adapter.ts'
import type { Basis, Run } from './deliver.ts'
import type { Forwarded } from './forward.ts'
import type { Exchange } from './pipeline.ts'
import type { Gate } from './ports.ts'

/** By the number of the part. */
export type KeptParts = ReadonlyMap<number, KeptDays>

const NONE: KeptParts = new Map()

/** What of this request's answer may be kept; undefined: nothing. */
export function ruleOf({ live, caller }: Pick<Exchange, 'live' | 'caller'>): KeepRule | undefined {
  return live.policy.purposes.find(({ code }) => code === caller.purpose)?.keep
}

/** Before anything is reserved: what is here costs the data holder's quota nothing. */
export async function keptParts(gate: Gate, exchange: Exchange, { decision, now }: Basis, answer: Answer): Promise<KeptParts> {
  const rule = ruleOf(exchange)
  if (!rule) return NONE
  const found = new Map<number, KeptDays>()
  for (const [index, { permission, period }] of decision.parts.entries()) {
    const series = answer.series?.(index)
    if (series === undefined || period === null) continue
    const days = await gate.state.keptDays({ permission, series, period, rule, now }).catch((error: unknown) => {
      gate.log.error({ err: error }, 'kept days could not be looked up: the data holder is asked')
      return null
    })
    const usable = days && answer.joins?.(days.days) === true
    gate.metrics.kept.inc({ result: usable ? 'found' : 'missing' })
    if (usable) found.set(index, days)
  }
  // All of it or nothing: parts of two qualities are one answer no more, and what is kept of one would fail each time.
  const whole = found.size === decision.parts.length && answer.joins?.([...found.values()].flatMap(({ days }) => days)) === true
  return whole ? found : NONE
}

/** Seconds since the oldest of it was read, as the client is told (RFC 9111, 5.1). Undefined where nothing is from here. */
export function ageOf(kept: KeptParts, now: Millis): number | undefined {
  if (kept.size === 0) return undefined
  return Math.max(0, Math.ceil((now - Math.min(...[...kept.values()].map(({ oldest }) => oldest))) / 1000))
}

/** What a call to the data holder would have given; nothing is read where the permission ended meanwhile. */
export function recalled(reader: PartReader, { days }: KeptDays, push: (out: readonly string[]) => void, signal: AbortSignal): Forwarded {
  if (signal.aborted) {
    const why = signal.reason === 'withdrawn' ? 'withdrawn' : signal.reason === 'timeout' ? 'timeout' : 'client_abort'
    return { is: 'broken', why, holderBytes: 0, retryable: false }
  }
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
