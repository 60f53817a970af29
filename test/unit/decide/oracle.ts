/**
 * The rule once more, day by day and as slowly as it can be said: whether one day of one request is open now. `decide`
 * works on periods, parts and reasons; this only counts days, so the two can be compared.
 */
import type { Asked } from '../../../src/decide/decide.ts'
import type { PermissionView, ScopeLine } from '../../../src/domain/permission.ts'
import type { Rule } from '../../../src/domain/policy.ts'
import type { Day, Millis, Period } from '../../../src/domain/time.ts'
import { addDays, addMonths, countDays, day } from '../../../src/domain/time.ts'
import { COARSER, isDated, STEPS } from '../../../src/domain/vocabulary.ts'

export function eachDay(p: Period): Day[] {
  return Array.from({ length: countDays(p) }, (_, i) => addDays(p.from, i))
}

export function ruleOf({ policy, request, caller }: Asked): Rule | undefined {
  return policy.rules.find(
    (r) =>
      [caller.purpose, '*'].includes(r.purpose) && [request.kind, '*'].includes(r.kind) && [request.provider, '*'].includes(r.provider),
  )
}

/** The days asked for that may be sent now, all lines together. */
export function openDays(asked: Asked): Day[] {
  const { request, permissions } = asked
  const rule = ruleOf(asked)
  if (!rule || !request.period || !isDated(request.kind)) return []
  if (rule.longestDays !== null && countDays(request.period) > rule.longestDays) return []
  const { since, before } = readable(asked, rule)
  const wanted = eachDay(request.period).filter((d) => since <= d && d < before)
  const open = permissions.flatMap((p) =>
    p.scope.lines.flatMap((l) => {
      if (!serves(asked, rule, p, l)) return []
      const opened = new Set(wanted.filter((d) => opens(asked, p, l, d)))
      return [...opened].filter((d) => wholeOf(request.step, d).every((other) => opened.has(other)))
    }),
  )
  return [...new Set(open)].toSorted()
}

/** The days about which the value of `d` tells. */
function wholeOf(step: Asked['request']['step'], d: Day): Day[] {
  if (step !== 'P1M' && step !== 'P1Y') return [d]
  const first = day(`${d.slice(0, step === 'P1M' ? 7 : 4)}${step === 'P1M' ? '' : '-01'}-01`)
  return eachDay({ from: first, until: addMonths(first, step === 'P1M' ? 1 : 12) })
}

/** The oldest day that can be read, and the first that can not be read yet. */
function readable({ policy, request, now }: Asked, rule: Rule): { readonly since: string; readonly before: string } {
  const today = Temporal.PlainDate.from(localDay(now))
  const limit = policy.limits.find((l) => l.provider === request.provider && l.kind === request.kind)
  const kept = limit ? today.subtract({ months: limit.history.months }).subtract({ days: limit.history.days }).toString() : ''
  const oldest = rule.oldestDays === null ? '' : today.subtract({ days: rule.oldestDays }).toString()
  return { since: kept > oldest ? kept : oldest, before: today.toString() }
}

const PARIS = new Intl.DateTimeFormat('fr-CA', { timeZone: 'Europe/Paris' })
function localDay(at: Millis): Day {
  return PARIS.format(at) as Day
}

/** Whether a line serves the request at all, whatever the day. */
function serves({ request, caller, policy, now }: Asked, rule: Rule, p: PermissionView, l: ScopeLine): boolean {
  const purpose = policy.purposes.find((row) => row.code === caller.purpose)
  if (!purpose || !purpose.kinds.includes(request.kind) || !purpose.grounds.includes(p.scope.ground.gdprBasis)) return false
  if (p.scope.recipient !== caller.client || p.meter !== request.meter || l.purpose !== caller.purpose) return false
  if (caller.set !== 'all' && !caller.set.includes(p.id)) return false
  if (p.status !== 'active' || now < p.scope.validFrom || now >= p.scope.validUntil) return false
  if (!p.bindings.some((b) => b.ready && b.provider === request.provider)) return false
  if (l.direction !== request.direction) return false
  const order = (step: string): number => (STEPS as readonly string[]).indexOf(step)
  const finest = Math.max(order(l.finest), order(purpose.finest))
  if (request.step === 'recorded') return l.kind === request.kind && (finest < order('P1D') || request.kind === 'published_reading')
  if (order(request.step) < finest) return false
  const curve = l.kind === 'load_curve' && request.kind === 'daily_energy' && order(request.step) >= order('P1D')
  if (l.kind !== request.kind && !curve) return false
  if (l.kind === request.kind && l.finest === request.step) return true
  return COARSER.indexOf(l.coarser) > 0 && COARSER.indexOf(rule.coarser) > 0
}

function opens({ now }: Asked, p: PermissionView, l: ScopeLine, d: Day): boolean {
  if (!l.data || d < l.data.from || d >= l.data.until) return false
  const given = p.deliveries.filter((x) => x.line === l.id)
  const has = (x: (typeof given)[number], other: Day): boolean => x.data !== null && x.data.from <= other && other < x.data.until
  if (l.recurrence === 'once') return !eachDay(l.data).every((other) => given.some((x) => has(x, other)))
  const same = l.recurrence === 'P1D' ? 10 : l.recurrence === 'P1M' ? 7 : 0
  // What was given later than now counts as now: a clock that went back opens nothing twice.
  return same === 0 || !given.some((x) => has(x, d) && localDay(x.at).slice(0, same) >= localDay(now).slice(0, same))
}
