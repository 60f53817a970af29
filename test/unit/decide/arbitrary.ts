/**
 * Random requests, permissions and policies. Values come from small pools, so that most of them meet: a random request is
 * allowed, narrowed and refused about equally often (a test counts).
 */
import fc from 'fast-check'
import type { Asked } from '../../../src/decide/decide.ts'
import type {
  AccountId,
  ClientId,
  Delivery,
  LineId,
  PermissionId,
  PermissionView,
  PurposeCode,
  ScopeLine,
} from '../../../src/domain/permission.ts'
import type { HolderLimit, Policy, Purpose, Rule } from '../../../src/domain/policy.ts'
import type { AccessRequest, Caller } from '../../../src/domain/request.ts'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { Millis, Period } from '../../../src/domain/time.ts'
import { addDays, day } from '../../../src/domain/time.ts'
import {
  COARSER,
  DATA_KINDS,
  DIRECTIONS,
  END_REASONS,
  GDPR_BASES,
  isDated,
  PROVIDERS,
  RECURRENCES,
  SECTOR_RELEASES,
  STATUSES,
  STEPS,
  SUSPEND_CAUSES,
  type DataKind,
} from '../../../src/domain/vocabulary.ts'

/** Mostly the first, which is the one that the others name. */
const mostly = <const T>(first: T, ...rest: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(first) }, { weight: 1, arbitrary: fc.constantFrom(...rest) })

const client = mostly('viriya', 'office').map((c) => c as ClientId)
const purpose = mostly('self_view', 'advice').map((c) => c as PurposeCode)
const meter = mostly('prm:10000000000001', 'prm:10000000000002').map((c) => c as MeterId)
const provider = mostly<AccessRequest['provider']>('enedis-data-connect', 'enedis-sge')
/** Midnights of Paris, the milliseconds beside them, and noon: of a common day, of the day of 25 hours, of the first of a month. */
const now = fc
  .tuple(
    fc.constantFrom('2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', '2026-10-31T23:00:00Z', '2026-11-24T23:00:00Z'),
    fc.constantFrom(-1, 0, 1, 12 * 3_600_000),
  )
  .map(([midnight, more]) => (Date.parse(midnight) + more) as Millis)

const FIRST = day('2026-07-01')
/** Up to four months, between July and January; often whole months. */
const period: fc.Arbitrary<Period> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 160 }), fc.integer({ min: 1, max: 60 }))
    .map(([from, length]) => ({ from: addDays(FIRST, from), until: addDays(FIRST, from + length) })),
  fc
    .tuple(fc.integer({ min: 7, max: 10 }), fc.integer({ min: 1, max: 2 }))
    .map(([from, length]) => ({ from: month(from), until: month(from + length) })),
)
function month(n: number) {
  return day(`2026-${String(n).padStart(2, '0')}-01`)
}

const measured = fc.constantFrom<DataKind>('daily_energy', 'daily_energy', 'load_curve', 'max_power')
const anyKind = fc.oneof({ weight: 8, arbitrary: measured }, { weight: 1, arbitrary: fc.constantFrom(...DATA_KINDS) })

const lineOf = (k: DataKind): fc.Arbitrary<Omit<ScopeLine, 'id'>> =>
  fc.record({
    kind: fc.constant(k),
    direction: mostly(...directions(k)),
    finest: k === 'load_curve' ? mostly('PT30M', ...STEPS.slice(0, 8)) : mostly('P1D', ...STEPS),
    coarser: fc.constantFrom(...COARSER),
    purpose,
    data: isDated(k)
      ? fc.tuple(period, fc.nat(60)).map(([p, more]) => ({ from: addDays(p.from, -more), until: addDays(p.until, more) }))
      : fc.constant(null),
    recurrence: fc.oneof(
      { weight: 2, arbitrary: fc.constant('on_demand' as const) },
      { weight: 1, arbitrary: fc.constantFrom(...RECURRENCES) },
    ),
  })
/** A line for a request of this kind: of the kind itself, of the curve that may open it, or of any. */
const lineFor = (asked: DataKind): fc.Arbitrary<Omit<ScopeLine, 'id'>> =>
  fc
    .oneof(
      { weight: 4, arbitrary: fc.constant(asked) },
      { weight: 1, arbitrary: fc.constant<DataKind>('load_curve') },
      { weight: 1, arbitrary: anyKind },
    )
    .chain(lineOf)
function directions(k: DataKind): [ScopeLine['direction'], ...ScopeLine['direction'][]] {
  return isDated(k) ? ['withdrawal', ...DIRECTIONS] : ['n_a', ...DIRECTIONS]
}

const delivery: fc.Arbitrary<Delivery> = fc.record({
  line: fc.constantFrom('l0', 'l1', 'l2').map((id) => id as LineId),
  data: fc.option(period, { nil: null }),
  at: now,
  entry: fc.nat(9999).map((n) => `gate.test.example/journal/${n}`),
  open: fc.boolean(),
})

const permissionFor = (asked: DataKind): fc.Arbitrary<Omit<PermissionView, 'id'>> =>
  fc
    .record({
      version: fc.integer({ min: 1, max: 3 }),
      meter,
      recipient: client,
      gdprBasis: mostly('consent', ...GDPR_BASES),
      sectorRelease: fc.constantFrom(...SECTOR_RELEASES),
      validFrom: fc.oneof(
        { weight: 5, arbitrary: fc.constant(Date.parse('2026-01-01T00:00:00Z') as Millis) },
        { weight: 1, arbitrary: now },
      ),
      validUntil: fc.oneof(
        { weight: 5, arbitrary: fc.constant(Date.parse('2027-06-01T00:00:00Z') as Millis) },
        { weight: 1, arbitrary: now },
      ),
      lines: fc.array(lineFor(asked), { minLength: 0, maxLength: 3 }),
      status: mostly<PermissionView['status']>('active', ...STATUSES),
      endReason: fc.option(fc.constantFrom(...END_REASONS)),
      suspendCause: fc.option(fc.constantFrom(...SUSPEND_CAUSES)),
      bindings: fc.array(
        fc.record({
          provider: mostly('enedis-data-connect', ...PROVIDERS),
          account: fc.constant('main' as AccountId),
          ready: mostly(true, false),
        }),
        {
          minLength: 1,
          maxLength: 2,
        },
      ),
      deliveries: fc.array(delivery, { maxLength: 3 }),
    })
    .map(({ recipient, gdprBasis, sectorRelease, validFrom, validUntil, lines, endReason, suspendCause, ...same }) => ({
      ...same,
      scope: {
        recipient,
        ground: { gdprBasis, sectorRelease },
        validFrom,
        validUntil,
        lines: lines.map((l, i) => ({ ...l, id: `l${i}` as LineId })),
      },
      scopeHash: 'sha256:0',
      head: 'gate.test.example/journal/1',
      ...(endReason !== null && { endReason }),
      ...(suspendCause !== null && { suspendCause }),
    }))

const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc.record({
  purpose: mostly<Rule['purpose']>('*', 'self_view' as PurposeCode, 'advice' as PurposeCode),
  kind: mostly<Rule['kind']>('*', 'daily_energy', 'load_curve'),
  provider: mostly<Rule['provider']>('*', 'enedis-sge'),
  onOverrun: mostly<Rule['onOverrun']>('narrow', 'refuse'),
  coarser: mostly<Rule['coarser']>('derive', ...COARSER),
  longestDays: mostly<number | null>(null, 40),
  oldestDays: mostly<number | null>(null, 60),
  callsPerHour: fc.constant(null),
})

const purposeRow = (code: string): fc.Arbitrary<Purpose> =>
  fc.record({
    code: fc.constant(code as PurposeCode),
    version: fc.constant(1),
    label: fc.constant({ fr: 'Voir', en: 'See' }),
    grounds: mostly<Purpose['grounds']>(['consent', 'contract'], []),
    kinds: mostly<Purpose['kinds']>(DATA_KINDS, ['daily_energy']),
    finest: mostly<Purpose['finest']>('PT30M', ...STEPS),
  })

const limit: fc.Arbitrary<HolderLimit> = fc.record({
  provider,
  kind: measured,
  callDays: fc.integer({ min: 1, max: 400 }),
  history: fc.record({ months: fc.integer({ min: 1, max: 36 }), days: fc.integer({ min: 0, max: 20 }) }),
})

const policy: fc.Arbitrary<Policy> = fc.record({
  rules: fc.array(rule, { minLength: 1, maxLength: 2 }).map((rules) => rules.map((r, i) => ({ ...r, id: `r${i}` }))),
  purposes: fc.tuple(purposeRow('self_view'), purposeRow('advice')),
  limits: fc.array(limit, { maxLength: 3 }),
})

const requestOf = (k: DataKind): fc.Arbitrary<AccessRequest> =>
  fc.record({
    provider,
    api: fc.constant('mesure_synchrone_auto'),
    meter,
    kind: fc.constant(k),
    direction: mostly(...directions(k)),
    step:
      k === 'load_curve'
        ? mostly<AccessRequest['step']>('recorded', 'PT60M', 'P1D')
        : fc.constantFrom<AccessRequest['step']>('P1D', 'P1D', 'P1D', 'P1M', 'P1M', 'P1Y', 'recorded'),
    period: isDated(k) ? period : fc.constant(null),
  })

const caller: fc.Arbitrary<Caller> = fc.record({
  client,
  purpose,
  set: mostly<Caller['set']>('all', ['p0', 'p1'] as unknown as PermissionId[], []),
  refusesNarrowing: mostly(false, true),
})

export const anyAsked: fc.Arbitrary<Asked> = anyKind.chain((k) =>
  fc.record({
    request: requestOf(k),
    caller,
    permissions: fc
      .array(permissionFor(k), { minLength: 1, maxLength: 4 })
      .map((list) => list.map((p, i) => ({ ...p, id: `p${i}` as PermissionId }))),
    policy,
    now,
  }),
)

/** Well typed and otherwise wild: clocks, days and limits at and beyond what can happen. */
export const wildAsked: fc.Arbitrary<Asked> = fc
  .record({
    asked: anyAsked,
    now: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-8.64e15, 8.64e15, 0)),
    wide: fc.constantFrom<Period>(
      { from: day('1900-01-01'), until: day('2999-12-31') },
      { from: day('1900-01-01'), until: day('1900-01-02') },
      { from: day('2999-12-30'), until: day('2999-12-31') },
      { from: day('2996-02-28'), until: day('2996-03-01') },
    ),
    step: fc.constantFrom<AccessRequest['step']>('recorded', ...STEPS),
    callDays: fc.constantFrom(0, 1, 30, 100_000),
    history: fc.constantFrom({ months: 0, days: 0 }, { months: 2 ** 40, days: 0 }, { months: 10, days: 2 ** 40 }),
    oldestDays: fc.constantFrom(null, 0, 1, 2 ** 50),
    dated: fc.boolean(),
  })
  .map(({ asked, now: at, wide, step, callDays, history, oldestDays, dated }) => ({
    request: { ...asked.request, step, period: dated ? wide : null },
    caller: asked.caller,
    permissions: asked.permissions.map((p) => ({
      ...p,
      scope: { ...p.scope, validFrom: Number.MIN_SAFE_INTEGER as Millis, lines: p.scope.lines.map((l) => ({ ...l, data: wide })) },
    })),
    policy: {
      rules: asked.policy.rules.map((r) => ({ ...r, oldestDays })),
      purposes: asked.policy.purposes,
      // One day a call over eleven centuries would only make the test slow.
      limits: asked.policy.limits.map((l) => ({ ...l, callDays: callDays < 30 && wide.until > '2000' ? 30 : callDays, history })),
    },
    now: at as Millis,
  }))
