/**
 * Says what one request may see. Pure and total: no clock, store or log, so that each decision can be made again from
 * its entry in the evidence; it never throws, and what is not granted is denied.
 *
 * A granted request is a list of parts, each inside one line of one permission, each one call to the data holder. The
 * days of a part were asked for and granted; days in a hole between two grants are in no part.
 * Source: GDPR art. 6, 7(1), 7(3); Code de l'énergie R. 111-27 and R. 111-32 (express authorisation).
 */
import type { Decision, Obligation, Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import { isTemporary } from '../domain/errors.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Purpose, Rule } from '../domain/policy.ts'
import type { Millis, Period } from '../domain/time.ts'
import { contains, intersect, subtract, union } from '../domain/time.ts'
import type { DataKind } from '../domain/vocabulary.ts'
import { isDated, STEPS } from '../domain/vocabulary.ts'
import type { Asked, ClosedLine, LineVerdict, OpenLine } from './consider.ts'
import { consider, isNamed, ruleFor, STAGES } from './consider.ts'
import { weighOrder } from './order.ts'
import { callPeriods, readableDays, todayOf } from './reach.ts'

export type { Asked } from './consider.ts'

export function decide(asked: Asked): Decision {
  return weigh(asked).decision
}

/** A decision with what it was made from. */
export interface Weighed {
  readonly decision: Decision
  readonly rule: Rule | undefined
  readonly lines: readonly LineVerdict[]
}

export function weigh(asked: Asked): Weighed {
  const weighed = weighAsked(asked)
  const { orElse, ...request } = asked.request
  const lacks = weighed.decision.result === 'deny' && weighed.decision.reason === 'kind_not_covered'
  if (orElse === undefined || !lacks || weighed.rule?.degrades !== true || asked.caller.refusesNarrowing) return weighed
  const less = weighAsked({ ...asked, request: { ...request, kind: orElse } })
  // What keeps the rest from being answered is no news to whoever asked for more.
  return less.decision.result === 'deny' ? weighed : { ...less, decision: { ...less.decision, result: 'narrow' } }
}

function weighAsked(asked: Asked): Weighed {
  const { request, caller, policy, now } = asked
  // Rules speak only to those whom some permission names. To everybody else each refusal is this one, so that neither
  // the policy nor the permissions of others can be felt out.
  if (!asked.permissions.some((p) => isNamed(p, asked))) return { decision: NO_PERMISSION, rule: undefined, lines: [] }
  const rule = ruleFor(asked)
  const purpose = policy.purposes.find((p) => p.code === caller.purpose)
  if (!rule || !purpose?.kinds.includes(request.kind))
    return { decision: { result: 'deny', reason: 'rule_missing' }, rule: undefined, lines: [] }
  if (request.order) return weighOrder(asked, request.order, purpose, rule)
  const { period } = request
  if (isDated(request.kind) !== (period !== null))
    return { decision: { result: 'deny', reason: 'malformed', rule: rule.id }, rule, lines: [] }

  const readable = period && readableDays(period, request, rule, policy, todayOf(now))
  const unreadable = typeof readable === 'string' ? readable : undefined
  const wanted = typeof readable === 'string' ? period : readable
  const lines = consider(asked, rule, purpose, wanted)
  // That the days cannot be read is worth saying only where a permission would otherwise be used.
  if (unreadable !== undefined && lines.some((l) => l.stage !== 'state' && STAGES.indexOf(l.stage) >= STAGES.indexOf('days')))
    return { decision: { result: 'deny', reason: unreadable, rule: rule.id }, rule, lines }
  const open = lines.filter((l) => l.stage === 'open')
  if (open.length === 0) return { decision: refusal(lines, rule), rule, lines }
  const decision = period && wanted ? dated(asked, open, { period, wanted }, lines, rule) : undated(asked, open, purpose, rule)
  return { decision, rule, lines }
}

const NO_PERMISSION: Decision = { result: 'deny', reason: 'no_permission' }

/** Of lines that go equally far, the one whose reason stands first here is told. */
const TELLING: readonly Reason[] = [
  'too_often',
  'source_binding_missing',
  'not_yet_valid',
  'proof_overdue',
  'proof_ko',
  'holder_unverified',
  'suspended',
  'step_too_fine',
  'kind_not_covered',
  'withdrawn',
  'holder_changed',
  'expired',
  'rule_missing',
  'not_active',
]

/** The one reason that helps most, from the caller's own permissions only. */
export function refusal(lines: readonly LineVerdict[], rule: Rule): Decision {
  const told = nearest(lines)
  if (!told) return NO_PERMISSION
  return { result: 'deny', reason: told.why, rule: rule.id, ...(told.retryAt !== undefined && { retryAt: told.retryAt }) }
}

/**
 * The line that a refusal speaks of. What passes by itself comes first: a client that hears a final no about days that
 * another permission of its own opens tomorrow would give its token up.
 */
export function nearest(lines: readonly LineVerdict[]): ClosedLine | undefined {
  const closed = lines.filter((l) => l.stage !== 'open')
  return closed.toSorted(
    (a, b) =>
      Number(isTemporary(b.why)) - Number(isTemporary(a.why)) ||
      STAGES.indexOf(b.stage) - STAGES.indexOf(a.stage) ||
      TELLING.indexOf(a.why) - TELLING.indexOf(b.why) ||
      (a.retryAt ?? 0) - (b.retryAt ?? 0),
  )[0]
}

/** Of the days asked for (`period`), those that the data holder can have are `wanted`. */
interface Days {
  readonly period: Period
  readonly wanted: Period
}

function dated(asked: Asked, open: readonly OpenLine[], days: Days, lines: readonly LineVerdict[], rule: Rule): Decision {
  const parts = datedParts(asked, open, days.wanted, rule)
  const covered = coveredRuns(parts)
  const whole = holds(covered, days.period)
  if (!whole && (rule.onOverrun === 'refuse' || asked.caller.refusesNarrowing)) {
    return { result: 'deny', ...shortfall(days, covered, lines), rule: rule.id, permitted: covered }
  }
  return { result: whole ? 'allow' : 'narrow', rule: rule.id, parts, obligations: obligationsOf(parts, whole ? [] : covered) }
}

/** Why not all that was asked for can be given, where a part of it is not wanted. */
function shortfall(
  { period, wanted }: Days,
  covered: readonly Period[],
  lines: readonly LineVerdict[],
): { readonly reason: Reason; readonly retryAt?: Millis } {
  if (holds(covered, wanted)) return { reason: period.from < wanted.from ? 'too_old' : 'period_outside' }
  if (!holds(union(lines.flatMap((l) => l.granted)), wanted)) return { reason: 'period_outside' }
  // Every day is granted; those that are missing are kept back by recurrence, or by what keeps a permission from being used now.
  const missing = subtract(wanted, covered)
  const keeps = (runs: readonly Period[]): boolean => runs.some((run) => missing.some((hole) => intersect(run, hole)))
  const given = lines.find((l) => l.stage === 'open' && l.retryAt !== undefined && keeps(l.granted.flatMap((g) => subtract(g, l.days))))
  const told = given ? { why: 'too_often' as const, retryAt: given.retryAt } : nearest(lines.filter((l) => keeps(l.granted)))
  return { reason: told?.why ?? 'period_outside', ...(told?.retryAt !== undefined && { retryAt: told.retryAt }) }
}

function holds(runs: readonly Period[], wanted: Period): boolean {
  return runs.some((run) => contains(run, wanted))
}

/**
 * Lines in order of preference take what no better line took: the finest first (it drops least of the answer), then the
 * one that needs no other. The order is fixed: equal requests leave equal evidence.
 */
function datedParts({ request, policy }: Asked, open: readonly OpenLine[], wanted: Period, rule: Rule): Part[] {
  const ordered = open.toSorted(
    (a, b) =>
      STEPS.indexOf(a.finest) - STEPS.indexOf(b.finest) ||
      Number(holds(b.days, wanted)) - Number(holds(a.days, wanted)) ||
      HOW.indexOf(a.how) - HOW.indexOf(b.how),
  )
  let left: readonly Period[] = [wanted]
  const parts: (Part & { readonly period: Period })[] = []
  for (const line of ordered) {
    const taken = line.days.flatMap((run) => left.flatMap((l) => intersect(l, run) ?? []))
    left = left.flatMap((l) => subtract(l, taken))
    for (const run of taken) {
      for (const piece of callPeriods(policy, request.provider, line.called, run, request.step))
        parts.push({ ...partOf(line, [request.kind]), period: piece, ...(rule.keepsStraddling && { keepsStraddling: true }) })
    }
  }
  return parts.toSorted((a, b) => (a.period.from < b.period.from ? -1 : 1))
}

const HOW = ['direct', 'fetch', 'derive']

/** The line that keeps most of the answer; where several do, the one of the lowest id. */
function undated(asked: Asked, open: readonly OpenLine[], purpose: Purpose, rule: Rule): Decision {
  let best: Part | undefined
  for (const line of open) {
    const part = partOf(line, [asked.request.kind, ...companions(asked, line.permission, purpose)])
    if (!best || part.keepKinds.length > best.keepKinds.length) best = part
  }
  const parts = best ? [best] : []
  return { result: 'allow', rule: rule.id, parts, obligations: obligationsOf(parts, []) }
}

/**
 * One answer of the data holder may carry several kinds: those stay that the same permission opens for the same purpose
 * and some rule allows. Not of a line that recurs: its deliveries are counted by calls of its own.
 */
function companions(asked: Asked, id: PermissionId, purpose: Purpose): DataKind[] {
  const { caller, request } = asked
  const lines = asked.permissions.find((p) => p.id === id)?.scope.lines ?? []
  const kinds = lines
    .filter((l) => l.purpose === caller.purpose && l.direction === request.direction && l.data === null && l.recurrence === 'on_demand')
    .map((l) => l.kind)
    .filter((kind) => kind !== request.kind && !isDated(kind) && purpose.kinds.includes(kind) && ruleFor(asked, kind) !== undefined)
  return [...new Set(kinds)].toSorted()
}

function partOf({ permission, line, how, called, finest, averageUp }: OpenLine, keepKinds: readonly DataKind[]): Part {
  return { permission, line, period: null, how, kind: called, finest, averageUp, keepKinds }
}

function obligationsOf(parts: readonly Part[], clippedTo: readonly Period[]): Obligation[] {
  const obligations: Obligation[] = []
  if (clippedTo.length > 0) obligations.push({ id: 'clip_period', periods: clippedTo })
  for (const finest of new Set(parts.filter((p) => p.period !== null).map((p) => p.finest))) obligations.push({ id: 'set_step', finest })
  const undatedPart = parts.find((p) => p.period === null)
  if (undatedPart) obligations.push({ id: 'keep_fields', kinds: undatedPart.keepKinds })
  const derived = parts.find((p) => p.how === 'derive')
  if (derived) obligations.push({ id: 'derive', from: derived.kind })
  return obligations
}

/** The runs without a hole that an answer covers, for `Ecluse-Narrowed`. */
export function coveredRuns(parts: readonly Part[]): Period[] {
  return union(parts.flatMap((part) => part.period ?? []))
}
