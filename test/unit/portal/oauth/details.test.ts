/** What a client may ask for by `authorization_details`: its settings, or less. */
import { expect, test } from 'vitest'
import type { Millis } from '../../../../src/domain/time.ts'
import type { Detail } from '../../../../src/portal/oauth/details.ts'
import { detailType, linesAsked } from '../../../../src/portal/oauth/details.ts'
import { aClient, ask } from './given.ts'

const ISSUER = 'https://gate.example.test'
const asking = {
  issuer: ISSUER,
  client: aClient('viriya'),
  purposeOf: (id: string) => (id === 'office' ? 'solar_sizing' : undefined),
  now: Date.UTC(2026, 10, 25, 12) as Millis,
}
const detail = (change: Readonly<Record<string, unknown>> = {}): Detail => ({
  type: detailType(ISSUER),
  datatypes: ['load_curve'],
  ...change,
})
const asked = (...details: readonly Detail[]) => linesAsked(asking, details)

test('without details all that the settings say is asked for, each line for its purpose', () => {
  const understood = linesAsked(asking, undefined)
  expect(understood.ok && understood.lines.map(({ kind, purpose, for: other }) => [kind, purpose, other])).toStrictEqual([
    ['load_curve', 'self_view', undefined],
    ['daily_energy', 'self_view', undefined],
    ['load_curve', 'solar_sizing', 'office'],
  ])
})

test('a client that asks people for nothing is asked for nothing', () => {
  const { ask: _none, ...client } = aClient('viriya')
  expect(linesAsked({ ...asking, client }, undefined)).toStrictEqual({ ok: false, why: 'this client asks people for nothing' })
})

const whole = { kind: 'load_curve', finest: 'PT30M', historyDays: 365, recurrence: 'on_demand', purpose: 'self_view' }
test.each([
  ['as it stands in the settings', {}, whole],
  ['with all that it may say', { actions: ['read'], locations: [ISSUER], direction: 'withdrawal', purpose: 'self_view@1' }, whole],
  ['a coarser step', { finest_step: 'P1D' }, { ...whole, finest: 'P1D' }],
  ['the same step', { finest_step: 'PT30M' }, whole],
  ['less often', { recurrence: 'P1D' }, { ...whole, recurrence: 'P1D' }],
  [
    'as far back as allowed',
    { data_period: { from: '2025-11-25', until: '2027-01-01' } },
    { ...whole, data: { from: '2025-11-25', until: '2027-01-01' } },
  ],
  ['days of last month', { data_period: { from: '2026-10-25', until: '2026-11-25' } }, { ...whole, historyDays: 31 }],
  ['days to come', { data_period: { from: '2026-12-01', until: '2027-01-01' } }, { ...whole, historyDays: 0 }],
  [
    'the line of another purpose of the same body',
    { purpose: 'solar_sizing' },
    { ...whole, purpose: 'solar_sizing', for: 'office', historyDays: 0, recurrence: 'once' },
  ],
])('%s is understood', (_what, change, expected) => {
  const understood = asked(detail(change))
  expect(understood).toMatchObject({ ok: true, lines: [expected] })
})

test.each([
  ['a finer step', { finest_step: 'PT15M' }, 'this client does not ask for steps as fine as PT15M'],
  ['a step that is none', { finest_step: 'PT31M' }, 'finest_step is none of the known steps'],
  [
    'one day further back',
    { data_period: { from: '2025-11-24', until: '2026-01-01' } },
    'this client asks for 365 days before the consent, not for 2025-11-24',
  ],
  ['another kind', { datatypes: ['identity'] }, 'this client does not ask for identity, withdrawal, self_view'],
  ['the other direction', { direction: 'injection' }, 'this client does not ask for load_curve, injection, self_view'],
  ['a direction that is none', { direction: 'up' }, 'direction is none of the known ones'],
  ['another purpose', { purpose: 'marketing' }, 'this client does not ask for load_curve, withdrawal, marketing'],
  ['more often', { purpose: 'solar_sizing', recurrence: 'P1M' }, 'this client does not ask to read as often as P1M'],
  ['a recurrence that is none', { recurrence: 'P2D' }, 'recurrence is none of the known ones'],
  ['writing', { actions: ['read', 'write'] }, 'actions must be ["read"]'],
  ['another place', { locations: ['https://other.example.test'] }, `locations must be ["${ISSUER}"]`],
  ['a meter', { identifier: '10000000000001' }, 'the meter is for the person to choose: leave identifier out'],
  ['a field of its own', { colour: 'red' }, 'unknown field colour'],
  ['no kind', { datatypes: [] }, 'datatypes must name kinds of data'],
  ['kinds that are no list', { datatypes: 'load_curve' }, 'datatypes must name kinds of data'],
  ['half a period', { data_period: { from: '2026-01-01' } }, 'data_period must be {from, until}'],
  ['a period with more in it', { data_period: { from: '2026-01-01', until: '2026-02-01', step: 1 } }, 'data_period must be {from, until}'],
  [
    'a day that is none',
    { data_period: { from: '2026-02-30', until: '2026-03-01' } },
    'data_period must be two days, the second after the first',
  ],
  [
    'a period that ends where it begins',
    { data_period: { from: '2026-01-01', until: '2026-01-01' } },
    'data_period must be two days, the second after the first',
  ],
])('%s is refused', (_what, change, why) => {
  expect(asked(detail(change))).toStrictEqual({ ok: false, why })
})

test('several kinds and several details are several lines; one that is too wide refuses all', () => {
  const both = asked(detail({ datatypes: ['load_curve', 'daily_energy', 'load_curve'] }), detail({ purpose: 'solar_sizing' }))
  expect(both.ok && both.lines.map(({ kind, purpose }) => [kind, purpose])).toStrictEqual([
    ['load_curve', 'self_view'],
    ['daily_energy', 'self_view'],
    ['load_curve', 'solar_sizing'],
  ])
  expect(asked(detail(), detail({ finest_step: 'PT1M' }))).toMatchObject({ ok: false })
})

test('of two lines of one kind the one that covers the step is taken', () => {
  const [line] = ask().lines
  if (!line) throw new Error('no line')
  const client = { ...aClient('viriya'), ask: ask({ lines: [{ ...line, finest: 'P1D', historyDays: 1000 }, line] }) }
  const understood = linesAsked({ ...asking, client }, [detail({ finest_step: 'PT60M' })])
  expect(understood).toMatchObject({ ok: true, lines: [{ finest: 'PT60M', historyDays: 365 }] })
})
