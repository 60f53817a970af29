/**
 * What of the days asked for the data holder can have, and in how many calls it gives them. The permission has no part
 * in it. Source: history and length of one call, as the policy's limits and rules say them.
 */
import type { Reason } from '../domain/errors.ts'
import type { HolderLimit, Policy, Rule } from '../domain/policy.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Day, Millis, Period } from '../domain/time.ts'
import { addDays, addMonths, countDays, intersect, parisDay, period, split, startOfMonth } from '../domain/time.ts'
import type { DataKind, Step } from '../domain/vocabulary.ts'

const FIRST_MOMENT = Date.UTC(1900, 0, 2)
const LAST_MOMENT = Date.UTC(2999, 11, 30)

/** Today in Paris. A clock outside the calendar is taken as its first or last day: a decision never throws. */
export function todayOf(now: Millis): Day {
  return parisDay(Math.min(Math.max(now, FIRST_MOMENT), LAST_MOMENT) as Millis)
}

/** The days asked for without today and later, nor what is too old; or why none is left. */
export function readableDays(asked: Period, request: AccessRequest, rule: Rule, policy: Policy, today: Day): Period | Reason {
  if (rule.longestDays !== null && countDays(asked) > rule.longestDays) return 'window_too_long'
  const past = period(asked.from, asked.until < today ? asked.until : today)
  if (!past) return 'period_outside'
  let { from } = past
  const kept = limitOf(policy, request.provider, request.kind)
  if (kept) from = later(from, before(today, kept.history.months, kept.history.days))
  if (rule.oldestDays !== null) from = later(from, before(today, 0, rule.oldestDays))
  return period(from, past.until) ?? 'too_old'
}

/** Whether the data holder keeps this kind as far back as `from`. */
export function keepsSince(policy: Policy, provider: AccessRequest['provider'], kind: DataKind, from: Day, today: Day): boolean {
  const kept = limitOf(policy, provider, kind)
  return !kept || from >= before(today, kept.history.months, kept.history.days)
}

/** Cut to what the data holder answers in one call; months only between months. Of months and years, `run` holds whole ones. */
export function callPeriods(policy: Policy, provider: AccessRequest['provider'], kind: DataKind, run: Period, step: Step | 'recorded') {
  const days = limitOf(policy, provider, kind)?.callDays
  if (days === undefined || countDays(run) <= days) return [run]
  const months = monthsOf(step)
  if (months === undefined) return split(run, Math.max(1, days))
  const atOnce = months * Math.max(1, Math.floor(days / (31 * months)))
  const pieces: Period[] = []
  for (let { from } = run; from < run.until; from = addMonths(from, atOnce)) {
    const piece = intersect(run, { from, until: addMonths(from, atOnce) })
    if (piece) pieces.push(piece)
  }
  return pieces
}

/** A month or a year is one value about all its days, so only whole ones are read; of other steps, every day. */
export function wholeIn(run: Period, step: Step | 'recorded'): Period | undefined {
  const months = monthsOf(step)
  if (months === undefined) return run
  const floor = (d: Day): Day => (months === 1 ? startOfMonth(d) : (`${d.slice(0, 4)}-01-01` as Day))
  const begun = floor(run.from)
  return period(begun === run.from ? begun : addMonths(begun, months), floor(run.until))
}

function monthsOf(step: Step | 'recorded'): number | undefined {
  return step === 'P1M' ? 1 : step === 'P1Y' ? 12 : undefined
}

function limitOf(policy: Policy, provider: AccessRequest['provider'], kind: DataKind): HolderLimit | undefined {
  return policy.limits.find((l) => l.provider === provider && l.kind === kind)
}

/** Capped at nine centuries: beyond, there may be no day to name. */
function before(today: Day, months: number, days: number): Day {
  const earlier = months === 0 ? today : addMonths(today, -Math.min(months, 12 * 900))
  return addDays(earlier, -Math.min(days, 366 * 900))
}

function later(a: Day, b: Day): Day {
  return a > b ? a : b
}
