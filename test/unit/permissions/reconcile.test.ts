/** What the data holder's list means for one permission: each word of the list, each boundary, and no answer at all. */
import { expect, test } from 'vitest'
import type { UsagePointId } from '../../../src/domain/meter.ts'
import type { AccountId } from '../../../src/domain/permission.ts'
import type { SharedService } from '../../../src/domain/share.ts'
import { day } from '../../../src/domain/time.ts'
import type { Standing, Verdict } from '../../../src/permissions/reconcile.ts'
import { judge } from '../../../src/permissions/reconcile.ts'
import type { PermissionContent } from '../../../src/permissions/record.ts'
import { aLine, aPermission, at, days, METER, NOW } from '../../given.ts'

const lines = [
  aLine({ id: 'l1' as never, kind: 'daily_energy', data: days('2026-01-01', '2027-01-01') }),
  aLine({ id: 'l2' as never, kind: 'load_curve', finest: 'PT30M', data: days('2026-01-01', '2027-01-01') }),
  aLine({ id: 'l3' as never, kind: 'contract_data', direction: 'n_a', finest: 'TOTAL', data: null }),
]
const content: PermissionContent = {
  meter: METER,
  holder: { kind: 'natural', reference: 'enedis:main:4815' },
  scope: { ...aPermission().scope, validUntil: at('2026-12-31T23:00:00Z'), lines },
  bindings: [{ provider: 'enedis-data-connect', account: 'main' as AccountId, ready: true }],
  notice: { id: 'n', version: '1', sha256: '', language: 'fr' },
  identity: { method: 'dso_account', strength: 'S3' },
  holderMatch: { method: 'dso_asserted', result: 'exact' },
  bundleId: 'b',
  arrangementId: 'b',
  unverified: false,
  share: { authorisation: '4815', services: ['1', '2'], from: day('2026-01-01'), until: day('2028-12-31') },
}
const standing: Standing = { content, status: 'active', cause: null, refusals: [] }
const service = (more: Partial<SharedService> = {}): SharedService => ({
  id: '1',
  meter: METER as UsagePointId,
  authorisation: '4815',
  kind: 'daily_energy',
  direction: 'withdrawal',
  step: 'P1D',
  from: day('2026-01-01'),
  until: day('2028-12-31'),
  state: 'active',
  ...more,
})
const both = [service(), service({ id: '2', kind: 'load_curve', step: 'PT30M' })]
const ended = (by: 'revoked_by_dso' | 'expired' | 'holder_changed', seen: 'named' | 'disappeared'): Verdict => ({ is: 'ended', by, seen })
const each = (more: Partial<SharedService>): SharedService[] => both.map((s) => ({ ...s, ...more }))

test.each<[string, readonly SharedService[], Partial<Standing>, Verdict]>([
  ['all of it is shared', both, {}, { is: 'same' }],
  ['it is only asked for yet', each({ state: 'asked' }), {}, { is: 'same' }],
  [
    'it ends today',
    each({ until: day('2026-11-25') }),
    {},
    { is: 'narrower', lines: narrowedTo('2026-11-25'), validUntil: at('2026-11-24T23:00:00Z') },
  ],
  ['it ended yesterday', each({ until: day('2026-11-24') }), {}, ended('expired', 'named')],
  ['it was ended', each({ state: 'ended' }), {}, ended('revoked_by_dso', 'named')],
  ['it was ended, and its time is over as well', each({ state: 'ended', until: day('2026-11-24') }), {}, ended('expired', 'named')],
  ['it was removed', each({ state: 'removed' }), {}, ended('revoked_by_dso', 'named')],
  ['it was removed, long after its time', each({ state: 'removed', until: day('2026-11-01') }), {}, ended('revoked_by_dso', 'named')],
  ['it is not listed', [], {}, ended('revoked_by_dso', 'disappeared')],
  [
    'it is not listed, and a call was refused for another reason',
    [],
    { refusals: ['ADAM-DC-0008'] },
    ended('revoked_by_dso', 'disappeared'),
  ],
  [
    'it is not listed, and the holder said moved out',
    [],
    { refusals: ['ADAM-DC-0008', 'ADAM-DC-0007'] },
    ended('holder_changed', 'disappeared'),
  ],
  ['somebody else shares the meter now', each({ authorisation: '1516' }), {}, ended('holder_changed', 'disappeared')],
  [
    'it was removed, and somebody else shares the meter now',
    [...each({ state: 'removed' }), service({ authorisation: '1516' })],
    {},
    ended('holder_changed', 'named'),
  ],
  ['somebody else shares the meter beside it', [...both, service({ authorisation: '1516' })], {}, { is: 'same' }],
  [
    'its other direction only is shared',
    each({ direction: 'injection' }),
    {},
    { is: 'narrower', lines: [lines[2]!], validUntil: content.scope.validUntil },
  ],
  ['the curve was stopped', [both[0]!], {}, { is: 'narrower', lines: [lines[0]!, lines[2]!], validUntil: content.scope.validUntil }],
  ['the days were stopped', [both[1]!], {}, { is: 'narrower', lines: [lines[1]!, lines[2]!], validUntil: content.scope.validUntil }],
  ['it was suspended for refusals and is shared', both, { status: 'suspended', cause: 'holder_refused' }, { is: 'confirmed' }],
  ['it was suspended at the request of the person', both, { status: 'suspended', cause: 'restriction' }, { is: 'same' }],
  ['it was suspended because two claimed it', both, { status: 'suspended', cause: 'holder_doubt' }, { is: 'same' }],
  [
    'it was suspended and is removed',
    each({ state: 'removed' }),
    { status: 'suspended', cause: 'holder_refused' },
    ended('revoked_by_dso', 'named'),
  ],
])('%s', (_name, services, more, verdict) => {
  expect(judge({ ...standing, ...more }, services, NOW)).toStrictEqual(verdict)
})

/** All three lines, with the days that are left. */
function narrowedTo(until: string) {
  return lines.map((line) => (line.data === null ? line : { ...line, data: { ...line.data, until: day(until) } }))
}

test('a permission that was imported is compared by its meter: any share of it will do', () => {
  const { share: _share, ...imported } = content
  const judged = (services: readonly SharedService[]): Verdict => judge({ ...standing, content: imported }, services, NOW)
  expect(judged(each({ authorisation: '1516' }))).toStrictEqual({ is: 'same' })
  expect(judged([])).toStrictEqual(ended('revoked_by_dso', 'disappeared'))
})

test('of two shares of one kind the longer one counts, in whatever order they are listed', () => {
  const { share: _share, ...imported } = content
  const two = [...each({ authorisation: '1516', until: day('2026-11-26') }), ...both]
  for (const services of [two, two.toReversed()])
    expect(judge({ ...standing, content: imported }, services, NOW)).toStrictEqual({ is: 'same' })
})

test('a permission all of whose lines were stopped has ended, and is not left empty', () => {
  const only = { ...content, scope: { ...content.scope, lines: [lines[1]!] } }
  expect(judge({ ...standing, content: only }, [both[0]!], NOW)).toStrictEqual(ended('revoked_by_dso', 'named'))
})
