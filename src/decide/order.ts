/**
 * Says whether a client may have something opened at the data holder for the days to come: an access service, under
 * which Enedis collects what it would not otherwise have. All of one order rests on one permission, whose holder is the
 * one that is declared; it begins today, and ends with what is granted at the latest.
 *
 * Pure and total, as `decide`. What is opened here opens nothing of the gate: each read is decided anew.
 */
import type { Decision, Part } from '../domain/decision.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Purpose, Rule } from '../domain/policy.ts'
import type { Order } from '../domain/request.ts'
import type { Day, Period } from '../domain/time.ts'
import { period, union } from '../domain/time.ts'
import type { DataKind } from '../domain/vocabulary.ts'
import type { Asked, LineVerdict, OpenLine } from './consider.ts'
import { consider, ruleFor } from './consider.ts'
import type { Weighed } from './decide.ts'
import { refusal } from './decide.ts'
import { todayOf } from './reach.ts'

interface Candidate {
  readonly permission: PermissionId
  readonly line: OpenLine
  readonly until: Day
}

/** @param rule the one for the first kind, by whose word it is narrowed */
export function weighOrder(asked: Asked, order: Order, purpose: Purpose, rule: Rule): Weighed {
  const { request, caller, now } = asked
  const deny = (decision: Decision, lines: readonly LineVerdict[] = []): Weighed => ({ decision, rule, lines })
  const today = todayOf(now)
  const wanted = request.period
  if (order.kinds.length === 0 || wanted === null || wanted.from < today)
    return deny({ result: 'deny', reason: 'malformed', rule: rule.id })
  const verdicts = new Map<DataKind, readonly LineVerdict[]>()
  for (const kind of order.kinds) {
    const own = ruleFor(asked, kind)
    if (!own || !purpose.kinds.includes(kind)) return { decision: { result: 'deny', reason: 'rule_missing' }, rule: undefined, lines: [] }
    const step = kind === 'load_curve' ? 'recorded' : 'P1D'
    verdicts.set(kind, consider({ ...asked, request: { ...request, kind, step } }, own, purpose, wanted))
  }
  const lines = [...verdicts.values()].flat()
  const best = candidatesOf(asked, verdicts, wanted)[0]
  if (!best) {
    const kinds = [...verdicts.values()]
    const opens = (own: readonly LineVerdict[], id?: PermissionId): boolean =>
      own.some((line) => line.stage === 'open' && (id === undefined || line.permission === id))
    // Of kinds that nothing opens the first is spoken of.
    const lacking = kinds.find((own) => !opens(own))
    if (lacking) return deny(refusal(lacking, rule), lines)
    // All are open, and not under one permission; or under one, and not from the first day on.
    const together = asked.permissions.some(({ id }) => kinds.every((own) => opens(own, id)))
    return deny({ result: 'deny', reason: together ? 'period_outside' : 'kind_not_covered', rule: rule.id }, lines)
  }
  const granted: Period = { from: wanted.from, until: best.until }
  const whole = order.openEnded || best.until === wanted.until
  if (!whole && (rule.narrowsOrders !== true || caller.refusesNarrowing))
    return deny({ result: 'deny', reason: 'period_outside', rule: rule.id, permitted: [granted] }, lines)
  const part: Part = {
    permission: best.permission,
    line: best.line.line,
    period: granted,
    how: 'direct',
    kind: request.kind,
    finest: best.line.finest,
    averageUp: false,
    keepKinds: order.kinds,
  }
  const decision: Decision = {
    result: whole ? 'allow' : 'narrow',
    rule: rule.id,
    parts: [part],
    obligations: whole ? [] : [{ id: 'clip_period', periods: [granted] }],
  }
  return { decision, rule, lines }
}

/** Permissions that open every kind from the first day on, the one that reaches furthest first. */
function candidatesOf({ permissions }: Asked, verdicts: ReadonlyMap<DataKind, readonly LineVerdict[]>, wanted: Period): Candidate[] {
  return permissions
    .flatMap(({ id, scope }): Candidate[] => {
      const own = [...verdicts.values()].map((lines) => lines.filter((l) => l.stage === 'open').filter((l) => l.permission === id))
      const first = own[0]?.[0]
      const ends = own.map((lines) => union(lines.flatMap(({ days }) => days)).find((run) => run.from === wanted.from)?.until)
      // A day in the middle of which it ends is no whole day of it.
      const valid = todayOf(scope.validUntil)
      const until = ends.reduce<Day | undefined>(
        (least, end) => (end === undefined || least === undefined ? undefined : end < least ? end : least),
        valid,
      )
      return first && until !== undefined && period(wanted.from, until) ? [{ permission: id, line: first, until }] : []
    })
    .toSorted((a, b) => (a.until === b.until ? (a.permission < b.permission ? -1 : 1) : a.until > b.until ? -1 : 1))
}
