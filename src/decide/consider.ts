/**
 * What each scope line says to one request, before anything is weighed: the days it opens now, or the one fact for
 * which it opens nothing. `decide` adds these up; `explain` shows them.
 *
 * Two axes that never mix: `now` against validity (UTC, end excluded) says whether calls may be made; the days asked
 * against the line's data period (Europe/Paris, end excluded) say what they may return.
 */
import type { Reason } from '../domain/errors.ts'
import type { Delivery, LineId, PermissionId, PermissionView, ScopeLine } from '../domain/permission.ts'
import type { Policy, Purpose, Rule } from '../domain/policy.ts'
import type { AccessRequest, Caller } from '../domain/request.ts'
import type { Millis, Period } from '../domain/time.ts'
import { addDays, addMonths, contains, intersect, startOfDay, startOfMonth, subtract, union } from '../domain/time.ts'
import type { DataKind, Step } from '../domain/vocabulary.ts'
import { COARSER, isAtLeast, isDated, minutesOf } from '../domain/vocabulary.ts'
import { keepsSince, todayOf, wholeIn } from './reach.ts'

export interface Asked {
  readonly request: AccessRequest
  readonly caller: Caller
  /** All that name the caller on this meter, in force or not: reasons come from them and from no one else's. */
  readonly permissions: readonly PermissionView[]
  readonly policy: Policy
  readonly now: Millis
}

/**
 * How far a line goes with the request; a refusal speaks of the line that went furthest. `over` comes before the kind:
 * of a permission that has ended nothing else is worth saying, but one in force that lacks the kind says more. From
 * `state` on the line grants what was asked for, and only the moment is wrong.
 */
export const STAGES = ['set', 'purpose', 'over', 'kind', 'direction', 'step', 'days', 'state', 'recurrence', 'open'] as const
export type Stage = (typeof STAGES)[number]

interface ByLine {
  readonly permission: PermissionId
  readonly line: LineId
  /** Days asked for that its data period holds, whether or not they may be read now. */
  readonly granted: readonly Period[]
  /** When it opens, or opens more, by itself. */
  readonly retryAt?: Millis
}
/** Opens nothing now. */
export interface ClosedLine extends ByLine {
  readonly stage: Exclude<Stage, 'open'>
  readonly why: Reason
}
export interface OpenLine extends ByLine, Reading {
  readonly stage: 'open'
  /** Days asked for that it opens now; `[]` for the kinds that have none. */
  readonly days: readonly Period[]
}
export type LineVerdict = ClosedLine | OpenLine

/** How a line serves a request. */
export interface Reading {
  readonly how: 'direct' | 'fetch' | 'derive'
  readonly called: DataKind
  readonly finest: Step
  readonly averageUp: boolean
}

export function isNamed(permission: PermissionView, { caller, request }: Asked): boolean {
  return permission.scope.recipient === caller.client && permission.meter === request.meter
}

/** The first rule that fits, for the kind asked for or another one. */
export function ruleFor({ request, caller, policy }: Asked, kind: DataKind = request.kind): Rule | undefined {
  return policy.rules.find(
    (r) =>
      (r.purpose === '*' || r.purpose === caller.purpose) &&
      (r.kind === '*' || r.kind === kind) &&
      (r.provider === '*' || r.provider === request.provider),
  )
}

/** One verdict for each line of each permission that names the caller on this meter, in the order of their ids. */
export function consider(asked: Asked, rule: Rule, purpose: Purpose, wanted: Period | null): LineVerdict[] {
  const verdicts: LineVerdict[] = []
  for (const permission of asked.permissions) {
    if (!isNamed(permission, asked)) continue
    const force = inForce(permission, asked, purpose)
    for (const line of permission.scope.lines) verdicts.push(verdictOf(asked, rule, purpose, wanted, permission, force, line))
  }
  return verdicts.toSorted((a, b) => compare(a.permission, b.permission) || compare(a.line, b.line))
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

function verdictOf(
  asked: Asked,
  rule: Rule,
  purpose: Purpose,
  wanted: Period | null,
  permission: PermissionView,
  force: Closing | undefined,
  line: ScopeLine,
): LineVerdict {
  const { request, caller, now } = asked
  const closed = (closing: Closing, granted: readonly Period[] = []): LineVerdict => ({
    permission: permission.id,
    line: line.id,
    granted,
    ...closing,
  })
  if (caller.set !== 'all' && !caller.set.includes(permission.id)) return closed({ stage: 'set', why: 'meter_not_covered' })
  if (line.purpose !== caller.purpose) return closed({ stage: 'purpose', why: 'purpose_mismatch' })
  if (force?.stage === 'over') return closed(force)
  const reading = readingOf(asked, rule, purpose, wanted, line)
  if ('why' in reading) return closed(reading)
  const inside = wanted && line.data ? intersect(wanted, line.data) : undefined
  const whole = inside && wholeIn(inside, request.step)
  if (whole === undefined && (wanted !== null || line.data !== null)) return closed({ stage: 'days', why: 'period_outside' })
  const granted = whole ? [whole] : []
  if (force) return closed(force, granted)
  const spent = spentBy(line, permission.deliveries, now)
  const open = { permission: permission.id, line: line.id, stage: 'open', granted, days: granted, ...reading } as const
  if (spent.all) return closed(spent.all, granted)
  if (whole === undefined || spent.days.length === 0) return open
  const days = subtract(whole, spent.days).flatMap((run) => wholeIn(run, request.step) ?? [])
  const { retryAt } = spent
  return days.length > 0 ? { ...open, days, retryAt } : closed({ stage: 'recurrence', why: 'too_often', retryAt }, granted)
}

type Closing = Pick<ClosedLine, 'stage' | 'why' | 'retryAt'>

/** Why no call may be made under the permission at `now`, or undefined. */
function inForce(permission: PermissionView, { now, request }: Asked, purpose: Purpose): Closing | undefined {
  const { scope, status } = permission
  if (status === 'ended') return { stage: 'over', why: overBecause(permission) }
  // Never given, or not yet: whatever its dates, it has not expired.
  if (status !== 'active' && status !== 'suspended') return { stage: 'over', why: 'not_active' }
  if (scope.validUntil <= now) return { stage: 'over', why: 'expired' }
  if (status === 'suspended') return { stage: 'state', why: suspendedBecause(permission.suspendCause) }
  if (now < scope.validFrom) return { stage: 'state', why: 'not_yet_valid', retryAt: scope.validFrom }
  if (!purpose.grounds.includes(scope.ground.gdprBasis)) return { stage: 'state', why: 'rule_missing' }
  const bound = permission.bindings.some((b) => b.provider === request.provider && b.ready)
  return bound ? undefined : { stage: 'state', why: 'source_binding_missing' }
}

function overBecause(permission: PermissionView): Reason {
  switch (permission.endReason) {
    case 'withdrawn_by_subject':
      return 'withdrawn'
    case 'expired':
      return 'expired'
    case 'holder_changed':
      return 'holder_changed'
    default:
      return 'not_active'
  }
}

function suspendedBecause(cause: PermissionView['suspendCause']): Reason {
  switch (cause) {
    case 'proof_overdue':
      return 'proof_overdue'
    case 'proof_ko':
      return 'proof_ko'
    case 'holder_doubt':
      return 'holder_unverified'
    default:
      return 'suspended'
  }
}

/** How a line of this kind and step would serve the request, or why not. A coarser line never serves a finer request. */
function readingOf(asked: Asked, rule: Rule, purpose: Purpose, wanted: Period | null, line: ScopeLine): Reading | Closing {
  const { request, policy, now } = asked
  // A load curve opens the daily energy of its own direction, by days and longer; nothing else opens another kind.
  const byDays = request.step !== 'recorded' && isAtLeast(request.step, 'P1D')
  const fromCurve = line.kind === 'load_curve' && request.kind === 'daily_energy' && byDays
  if (line.kind !== request.kind && !fromCurve) return { stage: 'kind', why: 'kind_not_covered' }
  if (line.direction !== request.direction) return { stage: 'direction', why: 'direction_not_covered' }
  const finest = isAtLeast(line.finest, purpose.finest) ? line.finest : purpose.finest
  const called = request.kind
  if (!isDated(request.kind)) return { how: 'direct', called, finest: line.finest, averageUp: false }
  const coarser = COARSER[Math.min(COARSER.indexOf(line.coarser), COARSER.indexOf(rule.coarser))]
  if (request.step === 'recorded') {
    // What is published for billing comes in days, months or half-years, as each meter is read.
    if (request.kind !== 'published_reading' && minutesOf(finest) === undefined) return { stage: 'step', why: 'step_too_fine' }
    return { how: 'direct', called, finest, averageUp: coarser === 'derive' }
  }
  if (!isAtLeast(request.step, finest)) return { stage: 'step', why: 'step_too_fine' }
  if (request.step === line.finest && !fromCurve) return { how: 'direct', called, finest, averageUp: false }
  // Coarser than the line's own step: only as far as line and rule both allow.
  if (coarser === 'none') return { stage: 'step', why: 'kind_not_covered' }
  const reading = { called, finest: request.step, averageUp: false }
  if (!fromCurve || coarser !== 'derive' || request.step !== 'P1D') return { how: 'fetch', ...reading }
  // A sum is made only of a curve that the purpose may read and the data holder still has; else its own daily call.
  const mayRead = purpose.kinds.includes('load_curve') && minutesOf(finest) !== undefined
  const has = wanted !== null && keepsSince(policy, request.provider, 'load_curve', wanted.from, todayOf(now))
  return mayRead && has ? { ...reading, how: 'derive', called: 'load_curve' } : { how: 'fetch', ...reading }
}

interface Spent {
  readonly days: readonly Period[]
  /** Nothing is left of the line, now or for good. */
  readonly all?: Closing
  readonly retryAt: Millis
}
const UNSPENT: Spent = { days: [], retryAt: 0 as Millis }

/**
 * What recurrence has used up. Only deliveries count, and calls under way as if they were. A day given under `P1D` (`P1M`)
 * is not given again on the same day (in the same month) of Paris; a line read `once` ends when what was given covers all
 * of it. While a call that would complete it is under way it is only too early to ask: the call may fail.
 */
function spentBy(line: ScopeLine, deliveries: readonly Delivery[], now: Millis): Spent {
  if (line.recurrence === 'on_demand') return UNSPENT
  const own = deliveries.filter((d) => d.line === line.id)
  if (line.recurrence === 'once') {
    if (!covers(own, line)) return UNSPENT
    const over = covers(
      own.filter((d) => !d.open),
      line,
    )
    return { ...UNSPENT, all: { stage: 'recurrence', why: over ? 'not_active' : 'too_often' } }
  }
  const daily = line.recurrence === 'P1D'
  const today = todayOf(now)
  const first = daily ? today : startOfMonth(today)
  const since = startOfDay(first)
  const recent = own.filter((d) => d.at >= since)
  if (recent.length === 0) return UNSPENT
  const retryAt = startOfDay(daily ? addDays(first, 1) : addMonths(first, 1))
  if (line.data === null) return { days: [], all: { stage: 'recurrence', why: 'too_often', retryAt }, retryAt }
  return { days: recent.flatMap((d) => d.data ?? []), retryAt }
}

function covers(deliveries: readonly Delivery[], { data }: ScopeLine): boolean {
  if (data === null) return deliveries.length > 0
  return union(deliveries.flatMap((d) => d.data ?? [])).some((run) => contains(run, data))
}
