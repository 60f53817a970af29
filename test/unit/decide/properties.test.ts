/** What holds of every decision, on random requests, permissions and policies; and against the rule said day by day. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Asked } from '../../../src/decide/decide.ts'
import { coveredRuns, decide } from '../../../src/decide/decide.ts'
import type { Decision } from '../../../src/domain/decision.ts'
import type { PermissionView } from '../../../src/domain/permission.ts'
import { contains, countDays, union } from '../../../src/domain/time.ts'
import { DATA_KINDS, DIRECTIONS, isAtLeast, isDated, STEPS, type DataKind } from '../../../src/domain/vocabulary.ts'
import { aCaller, aLine, aPermission, aRequest, asked as covered, days } from '../../given.ts'
import { anyAsked, wildAsked } from './arbitrary.ts'
import { eachDay, openDays, ruleOf } from './oracle.ts'

const RUNS = { numRuns: 1500 }

function linesOf({ permissions }: Asked, decision: Decision) {
  const parts = decision.result === 'deny' ? [] : decision.parts
  return parts.map((part) => {
    const permission = permissions.find((p) => p.id === part.permission)!
    return { part, permission, line: permission.scope.lines.find((l) => l.id === part.line)! }
  })
}

test('the random requests are of all sorts', () => {
  const seen = { allow: 0, narrow: 0, deny: 0 }
  const reasons = new Set<string>()
  const how = new Set<string>()
  for (const one of fc.sample(anyAsked, { numRuns: 4000, seed: 1 })) {
    const decision = decide(one)
    seen[decision.result] += 1
    if (decision.result === 'deny') reasons.add(decision.reason)
    else for (const part of decision.parts) how.add(part.how)
  }
  expect(Math.min(seen.allow, seen.narrow, seen.deny)).toBeGreaterThan(150)
  expect(reasons.size).toBeGreaterThan(15)
  expect([...how].toSorted()).toStrictEqual(['derive', 'direct', 'fetch'])
})

test('what is sent is asked for and granted, and all of it, day by day', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      if (!isDated(one.request.kind)) return
      const decision = decide(one)
      const open = openDays(one)
      const wanted = one.request.period ? eachDay(one.request.period) : []
      if (decision.result === 'deny') {
        const refuses = ruleOf(one)?.onOverrun === 'refuse' || one.caller.refusesNarrowing
        expect(open.length === 0 || (refuses && open.length < wanted.length)).toBe(true)
        expect(decision.permitted?.flatMap((p) => eachDay(p)) ?? []).toStrictEqual(open)
      } else {
        expect(coveredRuns(decision.parts).flatMap((p) => eachDay(p))).toStrictEqual(open)
        expect(decision.result).toBe(open.length === wanted.length ? 'allow' : 'narrow')
      }
    }),
    RUNS,
  )
})

test('a part lies in one line of one permission that names the caller; parts never overlap and keep to the limits of a call', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      const decision = decide(one)
      const used = linesOf(one, decision)
      for (const { part, permission, line } of used) {
        expect(permission.scope.recipient).toBe(one.caller.client)
        expect(permission.meter).toBe(one.request.meter)
        expect(line.purpose).toBe(one.caller.purpose)
        if (!part.period) continue
        expect(line.data && contains(line.data, part.period)).toBe(true)
        expect(isAtLeast(part.finest, line.finest)).toBe(true)
        const limit = one.policy.limits.find((l) => l.provider === one.request.provider && l.kind === part.kind)?.callDays ?? Infinity
        const { step } = one.request
        // Of months and years at least one goes into a call: half of one is no answer.
        expect(countDays(part.period)).toBeLessThanOrEqual(Math.max(limit, step === 'P1M' ? 31 : step === 'P1Y' ? 366 : 1))
      }
      const periods = used.flatMap(({ part }) => part.period ?? [])
      for (const [i, p] of periods.entries()) if (i > 0) expect(periods[i - 1]!.until <= p.from).toBe(true)
    }),
    RUNS,
  )
})

test('a sum is made only where line and rule say derive, of a curve that the line is of', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      const decision = decide(one)
      for (const { part, line } of linesOf(one, decision)) {
        expect(part.kind === one.request.kind || part.how === 'derive').toBe(true)
        if (part.how === 'direct') expect(line.kind).toBe(one.request.kind)
        if (part.how === 'derive' || part.averageUp) {
          expect([line.coarser, ruleOf(one)?.coarser]).toStrictEqual(['derive', 'derive'])
        }
        if (part.how === 'derive')
          expect([part.kind, line.kind, one.request.kind, one.request.step]).toStrictEqual([
            'load_curve',
            'load_curve',
            'daily_energy',
            'P1D',
          ])
      }
    }),
    RUNS,
  )
})

test('obligations tell in clear what the parts do, and nothing that names anyone', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      const decision = decide(one)
      if (decision.result === 'deny') return
      const runs = coveredRuns(decision.parts)
      const clip = decision.obligations.find((o) => o.id === 'clip_period')
      expect(clip?.periods).toStrictEqual(decision.result === 'narrow' ? runs : undefined)
      const steps = decision.obligations.flatMap((o) => (o.id === 'set_step' ? [o.finest] : []))
      expect(new Set(steps)).toStrictEqual(new Set(decision.parts.flatMap((p) => (p.period ? [p.finest] : []))))
      expect(decision.obligations.some((o) => o.id === 'derive')).toBe(decision.parts.some((p) => p.how === 'derive'))
      expect(JSON.stringify(decision.obligations)).not.toMatch(/p\d|l\d|viriya|1000000/)
    }),
    RUNS,
  )
})

test('kinds without days: one call, and fields only of lines of that permission', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      const decision = decide(one)
      if (decision.result === 'deny' || isDated(one.request.kind)) return
      expect([decision.result, decision.parts.length]).toStrictEqual(['allow', 1])
      for (const { part, permission } of linesOf(one, decision)) {
        expect(part.period).toBeNull()
        const kinds = permission.scope.lines.filter((l) => l.purpose === one.caller.purpose).map((l) => l.kind)
        expect(part.keepKinds.filter((kind) => !kinds.includes(kind) || isDated(kind))).toStrictEqual([])
      }
    }),
    RUNS,
  )
})

test('the order of permissions, lines, deliveries and limits means nothing', () => {
  fc.assert(
    fc.property(
      anyAsked.chain((one) => fc.tuple(fc.constant(one), fc.shuffledSubarray([...one.permissions], { minLength: one.permissions.length }))),
      ([one, shuffled]) => {
        const permissions = shuffled.map((p) => ({
          ...p,
          deliveries: p.deliveries.toReversed(),
          scope: { ...p.scope, lines: p.scope.lines.toReversed() },
        }))
        const limits = one.policy.limits.filter((l, i, all) => all.findIndex((o) => o.kind === l.kind && o.provider === l.provider) === i)
        const decision = decide({ ...one, policy: { ...one.policy, limits } })
        expect(decide({ ...one, permissions, policy: { ...one.policy, limits: limits.toReversed() } })).toStrictEqual(decision)
      },
    ),
    RUNS,
  )
})

test('permissions that do not name the caller on this meter change nothing', () => {
  fc.assert(
    fc.property(anyAsked, anyAsked, (one, other) => {
      const named = (p: PermissionView): boolean => p.scope.recipient === one.caller.client && p.meter === one.request.meter
      const strangers = other.permissions.filter((p) => !named(p)).map((p) => ({ ...p, id: `${p.id}-x` as typeof p.id }))
      const own = one.permissions.filter(named)
      const decision = decide({ ...one, permissions: own })
      expect(decide({ ...one, permissions: [...strangers, ...own] })).toStrictEqual(decision)
      if (own.length === 0) expect(decision).toStrictEqual({ result: 'deny', reason: 'no_permission' })
    }),
    RUNS,
  )
})

test('a decision is made again from its input as JSON, and asking changes no input', () => {
  fc.assert(
    fc.property(anyAsked, (one) => {
      const text = JSON.stringify(one)
      const decision = decide(one)
      expect(JSON.stringify(one)).toBe(text)
      expect(decide(JSON.parse(text) as Asked)).toStrictEqual(decision)
      expect(JSON.parse(JSON.stringify(decision))).toStrictEqual(decision)
    }),
    RUNS,
  )
})

test('it answers whatever is asked, at any clock, on any day', () => {
  fc.assert(
    fc.property(wildAsked, (one) => {
      const decision = decide(one)
      if (decision.result === 'deny') return
      for (const part of decision.parts) if (part.period) expect(part.period.from < part.period.until).toBe(true)
    }),
    RUNS,
  )
})

/** A covered request of each shape that Data Connect has. */
const SHAPES = [
  ['half-hours', aRequest({ kind: 'load_curve', step: 'recorded' }), aLine({ kind: 'load_curve', finest: 'PT30M' })],
  ['days', aRequest(), aLine()],
  ['days by a curve', aRequest(), aLine({ kind: 'load_curve', finest: 'PT30M' })],
  ['days of injection', aRequest({ direction: 'injection' }), aLine({ direction: 'injection' })],
  ['peaks', aRequest({ kind: 'max_power' }), aLine({ kind: 'max_power' })],
  [
    'peaks by months',
    aRequest({ kind: 'max_power', step: 'P1M', period: days('2026-08-01', '2026-10-01') }),
    aLine({ kind: 'max_power', finest: 'P1M' }),
  ],
  ['indexes', aRequest({ kind: 'index' }), aLine({ kind: 'index' })],
  [
    'a contract',
    aRequest({ kind: 'contract_data', direction: 'n_a', step: 'TOTAL', period: null }),
    aLine({ kind: 'contract_data', direction: 'n_a', finest: 'TOTAL', data: null }),
  ],
] as const

test.each(SHAPES)('%s: one axis moved out of what is opened, and nothing is', (_name, request, line) => {
  const permission = aPermission({ scope: { lines: [line] } })
  const one = covered({ request, permissions: [permission] })
  expect(decide(one).result).toBe('allow')
  const denied = (moved: Partial<Asked>, why: string): void => expect.soft(decide({ ...one, ...moved }).result, why).toBe('deny')

  denied({ request: { ...request, meter: 'prm:10000000000002' as typeof request.meter } }, 'another meter')
  denied({ request: { ...request, meter: 'pce:10000000000001' as typeof request.meter } }, 'a meter of gas')
  denied({ caller: aCaller({ client: 'office' as typeof one.caller.client }) }, 'another client')
  denied({ caller: aCaller({ purpose: 'advice' as typeof one.caller.purpose }) }, 'another purpose')
  denied({ caller: aCaller({ set: [] }) }, 'a set without it')
  for (const direction of DIRECTIONS) if (direction !== request.direction) denied({ request: { ...request, direction } }, direction)
  for (const kind of DATA_KINDS) {
    const opened: DataKind[] = line.kind === 'load_curve' ? ['load_curve', 'daily_energy'] : [line.kind]
    if (!opened.includes(kind)) denied({ request: { ...request, kind, period: isDated(kind) ? aRequest().period : null } }, kind)
  }
  if (!isDated(request.kind)) return
  for (const step of STEPS) if (!isAtLeast(step, line.finest)) denied({ request: { ...request, step } }, step)
  if (line.kind !== 'load_curve') denied({ request: { ...request, step: 'recorded' } }, 'recorded')
})

test.each(SHAPES.slice(0, 5))('%s: a day outside is never sent, wherever the line begins and ends', (_name, request, line) => {
  fc.assert(
    fc.property(fc.integer({ min: -9, max: 9 }), fc.integer({ min: 1, max: 12 }), (shift, length) => {
      const all = eachDay(days('2026-09-20', '2026-10-20'))
      const data = { from: all[11 + shift]!, until: all[Math.min(11 + shift + length, all.length - 1)]! }
      const one = covered({ request, permissions: [aPermission({ scope: { lines: [{ ...line, data }] } })] })
      const decision = decide(one)
      const inside = eachDay(aRequest().period!).filter((d) => data.from <= d && d < data.until)
      expect(decision.result).toBe(inside.length === 7 ? 'allow' : inside.length > 0 ? 'narrow' : 'deny')
      expect(decision.result === 'deny' ? [] : union(coveredRuns(decision.parts)).flatMap((p) => eachDay(p))).toStrictEqual(inside)
    }),
  )
})
