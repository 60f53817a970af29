/**
 * What operators watch: the latest decisions, and how another policy would have decided the same requests on the same
 * permissions at the same instant. It decides nothing and holds nothing up: a fault here is told and costs no request.
 *
 * Bounded: so many decisions, so many differences, and one line of counts for each rule.
 */
import { isDeepStrictEqual } from 'node:util'
import { decide } from '../decide/decide.ts'
import type { Decision } from '../domain/decision.ts'
import type { PermissionView } from '../domain/permission.ts'
import type { Policy } from '../domain/policy.ts'
import type { AccessRequest, Caller } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import type { Logger } from '../runtime/logger.ts'
import type { EntryRef } from '../domain/position.ts'
import type { Metrics } from '../runtime/metrics.ts'

export interface Decided {
  readonly request: AccessRequest
  readonly caller: Caller
  readonly permissions: readonly PermissionView[]
  readonly decision: Decision
  readonly now: Millis
  /** Null where it has none of its own. */
  readonly entry: EntryRef | null
}

/** Nothing here names a meter or a person. */
export interface WatchedDecision {
  readonly at: Millis
  readonly client: string
  readonly provider: string
  readonly api: string
  readonly kind: string
  readonly direction: string
  readonly step: string
  readonly asked: string | null
  readonly result: Decision['result']
  readonly reason: string | null
  readonly rule: string | null
  readonly permission: string | null
  readonly entry: EntryRef | null
}
interface Said {
  readonly result: Decision['result']
  readonly reason: string | null
  readonly rule: string | null
}
export interface PolicyDifference {
  readonly at: Millis
  readonly client: string
  readonly kind: string
  readonly live: Said
  readonly shadow: Said
  readonly entry: EntryRef | null
}
/** How the requests of one rule of the policy in force would have fared under the other one. */
export interface ShadowTally {
  readonly rule: string
  readonly same: number
  readonly stricter: number
  readonly wider: number
  readonly otherwise: number
}

export interface DecisionWatch {
  note(decided: Decided): void
  /** Newest first. */
  latest(most: number): readonly WatchedDecision[]
  differences(most: number): readonly PolicyDifference[]
  tallies(): readonly ShadowTally[]
  /** Another policy beside the one in force, or none: what was counted under the one before is forgotten. */
  shadow(policy: Policy | undefined): void
}

const REMEMBERED = 500
const MOST_RULES = 1000
/** Of requests that no rule speaks of. */
const NO_RULE = '-'
type Outcome = 'same' | 'stricter' | 'wider' | 'otherwise'

export function decisionWatch(metrics: Metrics, log: Logger): DecisionWatch {
  const seen = ring<WatchedDecision>()
  let differing = ring<PolicyDifference>()
  let tallies = new Map<string, Record<Outcome, number>>()
  let other: Policy | undefined

  function compare({ request, caller, permissions, decision, now, entry }: Decided, policy: Policy): void {
    const shadow = decide({ request, caller, permissions, policy, now })
    const outcome = outcomeOf(decision, shadow)
    const rule = decision.rule ?? NO_RULE
    const tally = tallies.get(rule) ?? { same: 0, stricter: 0, wider: 0, otherwise: 0 }
    if (tallies.size < MOST_RULES || tallies.has(rule)) tallies.set(rule, tally)
    tally[outcome] += 1
    metrics.shadow.inc({ rule, outcome })
    if (outcome === 'same') return
    const live = saidOf(decision)
    const said = saidOf(shadow)
    differing.push({ at: now, client: caller.client, kind: request.kind, live, shadow: said, entry })
    log.info({ rule, outcome, shadowRule: said.rule ?? NO_RULE }, 'the shadow policy decides otherwise')
  }
  return {
    note(decided) {
      const { request, caller, decision, now, entry } = decided
      seen.push({
        at: now,
        client: caller.client,
        provider: request.provider,
        api: request.api,
        kind: request.kind,
        direction: request.direction,
        step: request.step,
        asked: request.period && `${request.period.from}/${request.period.until}`,
        ...saidOf(decision),
        permission: decision.result === 'deny' ? null : (decision.parts[0]?.permission ?? null),
        entry,
      })
      if (!other) return
      try {
        compare(decided, other)
      } catch (error) {
        log.error({ err: error }, 'the shadow policy could not be evaluated')
      }
    },
    latest: (most) => seen.newest(most),
    differences: (most) => differing.newest(most),
    tallies: () => [...tallies].map(([rule, counts]) => ({ rule, ...counts })),
    shadow(policy) {
      other = policy
      differing = ring()
      tallies = new Map()
    },
  }
}

function outcomeOf(live: Decision, shadow: Decision): Outcome {
  if (live.result === 'deny' && shadow.result === 'deny') return live.reason === shadow.reason ? 'same' : 'otherwise'
  if (live.result === 'deny') return 'wider'
  if (shadow.result === 'deny') return 'stricter'
  // By what would be called: that a rule has another name changes nothing for anybody.
  return isDeepStrictEqual(live.parts, shadow.parts) ? 'same' : 'otherwise'
}

function saidOf(decision: Decision): Said {
  return { result: decision.result, reason: decision.result === 'deny' ? decision.reason : null, rule: decision.rule ?? null }
}

function ring<T>(): { push(item: T): void; newest(most: number): readonly T[] } {
  const items: T[] = []
  let next = 0
  return {
    push(item) {
      items[next] = item
      next = (next + 1) % REMEMBERED
    },
    newest: (most) => [...items.slice(0, next).toReversed(), ...items.slice(next).toReversed()].slice(0, most),
  }
}
