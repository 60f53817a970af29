/** The one fact that decided, as a sentence, and the lines that were considered. */
import { describe, expect, test } from 'vitest'
import type { ClientId, PermissionView, PurposeCode, ScopeLine } from '../../src/domain/permission.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Policy, Rule } from '../../src/domain/policy.ts'
import type { AccessRequest, Caller } from '../../src/domain/request.ts'
import { day } from '../../src/domain/time.ts'
import type { Millis, Period } from '../../src/domain/time.ts'
import type { Call } from '../../src/audit.ts'
import { explain, explainDescribed } from '../../src/explain.ts'

const NOW = Date.UTC(2026, 9, 20, 12) as Millis
const METER = 'prm:10000000000001' as MeterId
const PURPOSE = 'self_view' as PurposeCode
const days = (from: string, until: string): Period => ({ from: day(from), until: day(until) })
const rule = (more: Partial<Rule> = {}): Rule => ({
  id: 'r',
  purpose: '*',
  kind: '*',
  provider: '*',
  onOverrun: 'narrow',
  coarser: 'fetch',
  longestDays: null,
  oldestDays: null,
  callsPerHour: null,
  ...more,
})
const policy = (rules: readonly Rule[] = [rule()]): Policy => ({
  rules,
  purposes: [
    { code: PURPOSE, version: 1, label: { fr: 'v', en: 'v' }, grounds: ['consent'], kinds: ['load_curve', 'identity'], finest: 'PT30M' },
  ],
  limits: [{ provider: 'enedis-data-connect', kind: 'load_curve', callDays: 7, history: { months: 24, days: 15 } }],
})
const line = (more: Partial<ScopeLine> = {}): ScopeLine => ({
  id: 'l1' as never,
  kind: 'load_curve',
  direction: 'withdrawal',
  finest: 'PT30M',
  coarser: 'fetch',
  purpose: PURPOSE,
  data: days('2026-09-01', '2026-10-01'),
  recurrence: 'on_demand',
  ...more,
})
const view = (id: string, more: Partial<PermissionView> = {}, lines: readonly ScopeLine[] = [line()]): PermissionView => ({
  id: id as never,
  version: 1,
  meter: METER,
  scope: {
    recipient: 'viriya' as ClientId,
    ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' },
    validFrom: Date.UTC(2026, 0, 1) as Millis,
    validUntil: Date.UTC(2027, 0, 1) as Millis,
    lines,
  },
  scopeHash: '',
  status: 'active',
  head: '',
  bindings: [{ provider: 'enedis-data-connect', account: 'main' as never, ready: true }],
  deliveries: [],
  ...more,
})
interface Wish {
  readonly request?: Partial<AccessRequest>
  readonly caller?: Partial<Caller>
  readonly permissions?: readonly PermissionView[]
  readonly policy?: Policy
}
const explained = (wish: Wish = {}) =>
  explain({
    request: {
      provider: 'enedis-data-connect',
      api: '',
      meter: METER,
      kind: 'load_curve',
      direction: 'withdrawal',
      step: 'recorded',
      period: days('2026-09-10', '2026-09-12'),
      ...wish.request,
    },
    caller: { client: 'viriya' as ClientId, purpose: PURPOSE, set: 'all', refusesNarrowing: false, ...wish.caller },
    permissions: wish.permissions ?? [view('p')],
    policy: wish.policy ?? policy(),
    now: NOW,
  })

const over = { period: days('2026-09-20', '2026-10-10') }
const cases: readonly (readonly [string, Wish, string])[] = [
  ['granted', {}, 'line l1 of permission p opens 2026-09-10/2026-09-12, in one call'],
  [
    'split',
    { request: { period: days('2026-09-10', '2026-09-20') } },
    'line l1 of permission p opens 2026-09-10/2026-09-17, 2026-09-17/2026-09-20, in 2 calls',
  ],
  [
    'narrowed',
    { request: over },
    'line l1 of permission p opens 2026-09-20/2026-09-27, 2026-09-27/2026-10-01, in 2 calls; the other days asked for are open to nobody here',
  ],
  ['nobody', { permissions: [] }, 'no permission names viriya on this meter'],
  ['no rule', { policy: policy([]) }, 'no rule of the policy lets the purpose self_view read load_curve'],
  ['not the purpose', { request: { kind: 'contact', period: null } }, 'the purpose self_view does not list contact'],
  ['too long', { policy: policy([rule({ longestDays: 1 })]) }, 'rule r allows 1 days in one request'],
  ['too old', { policy: policy([rule({ oldestDays: 5 })]) }, 'the days asked for lie before what rule r or the data holder goes back to'],
  ['days missing', { request: { period: null } }, 'load_curve is asked for with days'],
  ['days too many', { request: { kind: 'identity' } }, 'identity is asked for without days'],
  [
    'withdrawn',
    { permissions: [view('p', { status: 'ended', endReason: 'withdrawn_by_subject' })] },
    'line l1 of permission p went as far as over: the permission was withdrawn',
  ],
  [
    'other days',
    { request: { period: days('2026-08-01', '2026-08-02') } },
    'line l1 of permission p went as far as days: no day asked for lies in the permission',
  ],
  [
    'refuses narrowing',
    { request: over, caller: { refusesNarrowing: true } },
    'only 2026-09-20/2026-10-01 is open, and viriya wants no part of what it asked for',
  ],
  [
    'rule refuses',
    { request: over, policy: policy([rule({ onOverrun: 'refuse' })]) },
    'only 2026-09-20/2026-10-01 is open, and rule r refuses what is not wholly granted',
  ],
]
test.each(cases)('%s', (_name, wish, fact) => {
  expect(explained(wish).fact).toBe(fact)
})

test('each line is told with how far it went, and the one that decided is marked', () => {
  const told = explained({
    request: { direction: 'withdrawal' },
    permissions: [
      view('a', { status: 'suspended', suspendCause: 'dispute' }),
      view('b', {}, [line({ direction: 'injection' }), line({ id: 'l2' as never, kind: 'identity', data: null })]),
    ],
  })
  expect(told).toMatchObject({
    decision: { result: 'deny', reason: 'suspended' },
    rule: { id: 'r', onOverrun: 'narrow' },
    now: '2026-10-20T12:00:00.000Z',
  })
  expect(told.help).toContain('Wait until the cause is cleared')
  expect(told.lines).toStrictEqual([
    { permission: 'a', line: 'l1', stage: 'state', why: 'suspended', days: ['2026-09-10/2026-09-12'], opensAgain: null, decided: true },
    { permission: 'b', line: 'l1', stage: 'direction', why: 'direction_not_covered', days: [], opensAgain: null, decided: false },
    { permission: 'b', line: 'l2', stage: 'kind', why: 'kind_not_covered', days: [], opensAgain: null, decided: false },
  ])
})

describe('a request in words', () => {
  const call: Call = <T>(_command: string, _args: unknown): Promise<T> =>
    Promise.resolve({
      permissions: [view('p')],
      meter: METER,
      document: { policy: policy(), clients: [{ id: 'viriya', purpose: PURPOSE, refusesNarrowing: false }] },
      now: NOW,
    } as T)
  const asked = { client: 'viriya', meter: METER, kind: 'load_curve', from: '2026-09-10', until: '2026-09-12' }

  test('is decided now, or at the moment given', async () => {
    expect(await explainDescribed(call, asked)).toMatchObject({ decision: { result: 'allow' }, now: '2026-10-20T12:00:00.000Z' })
    expect(await explainDescribed(call, { ...asked, now: '2027-01-01T00:00:00Z' })).toMatchObject({ decision: { reason: 'expired' } })
    expect(await explainDescribed(call, { ...asked, permissions: ['q'] })).toMatchObject({ decision: { reason: 'meter_not_covered' } })
    expect(await explainDescribed(call, { ...asked, step: 'PT15M' })).toMatchObject({ decision: { reason: 'step_too_fine' } })
    expect(await explainDescribed(call, { client: 'viriya', meter: METER, kind: 'identity' })).toMatchObject({
      decision: { result: 'deny' },
    })
  })

  test.each([
    [{ kind: 'curve' }, 'curve is no kind'],
    [{ step: 'PT7M' }, 'PT7M is no step'],
    [{ direction: 'up' }, 'up is no direction'],
    [{ provider: 'edf' }, 'edf is no provider'],
    [{ client: 'nobody' }, 'the settings declare no client nobody'],
    [{ from: '2026-09-12' }, 'is asked for by days'],
    [{ until: '12/09/2026' }, 'is asked for by days'],
    [{ kind: 'identity' }, 'identity has no days'],
    [{ now: 'yesterday' }, '--now is an instant'],
  ])('%j is no request', async (change, says) => {
    await expect(explainDescribed(call, { ...asked, ...change })).rejects.toThrow(says)
  })
})
