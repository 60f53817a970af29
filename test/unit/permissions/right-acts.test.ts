/** What GRDF's word about a right means for the permission that rests on it: one row for each state and boundary. */
import { expect, test } from 'vitest'
import type { GasRight } from '../../../src/domain/gas-right.ts'
import type { GasPointId } from '../../../src/domain/meter.ts'
import type { ScopeLine } from '../../../src/domain/permission.ts'
import type { Millis } from '../../../src/domain/time.ts'
import { day } from '../../../src/domain/time.ts'
import type { GasStanding } from '../../../src/permissions/right-acts.ts'
import { judgeGas } from '../../../src/permissions/right-acts.ts'
import type { PermissionContent } from '../../../src/permissions/record.ts'
import { aLine, aPermission, at, days } from '../../given.ts'

const NOW = at('2026-11-26T09:00:00Z')
const DAY = 86_400_000
const published = aLine({ kind: 'published_reading', finest: 'P1D', data: days('2026-01-01', '2027-01-01') })
const technical = aLine({ id: 'l2' as ScopeLine['id'], kind: 'technical_data', direction: 'n_a', finest: 'TOTAL', data: null })

function aRight(change: Partial<GasRight> = {}): GasRight {
  return {
    id: '6f0f4c5e-0d1b-4b7e-9a34-5d2f7f1c9e10',
    point: 'pce:21500000000042' as GasPointId,
    direction: 'withdrawal',
    state: 'active',
    endedBy: null,
    lastDay: day('2027-12-31'),
    data: days('2025-01-01', '2028-01-01'),
    kinds: ['published_reading', 'technical_data', 'address'],
    proof: null,
    proofUntil: null,
    ...change,
  }
}
function standing(status: string, change: Partial<GasStanding> = {}): GasStanding {
  const { scope } = aPermission()
  const validUntil = at('2027-06-01T00:00:00Z')
  const content = { scope: { ...scope, validUntil, lines: [published, technical] } } as unknown as PermissionContent
  return { content, status, cause: null, since: (NOW - DAY) as Millis, ...change }
}
const ended = (by: string, seen = 'named') => ({ is: 'ended', by, seen })

test.each<[string, GasStanding, GasRight | undefined, object]>([
  ['waits for its holder', standing('awaiting_confirmation'), aRight({ state: 'to_validate' }), { is: 'same' }],
  [
    'has waited for a day less than it may',
    standing('awaiting_confirmation', { since: (NOW - 30 * DAY + 1) as Millis }),
    aRight({ state: 'to_validate' }),
    { is: 'same' },
  ],
  [
    'has waited as long as it may',
    standing('awaiting_confirmation', { since: (NOW - 30 * DAY) as Millis }),
    aRight({ state: 'to_validate' }),
    ended('timed_out'),
  ],
  ['is accepted', standing('awaiting_confirmation'), aRight(), { is: 'confirmed' }],
  ['is refused by its holder', standing('awaiting_confirmation'), aRight({ state: 'refused', endedBy: 'holder' }), { is: 'refused' }],
  [
    'is taken back by its holder before it was accepted',
    standing('awaiting_confirmation'),
    aRight({ state: 'revoked', endedBy: 'holder' }),
    { is: 'refused' },
  ],
  [
    'is revoked by GRDF before it was accepted',
    standing('awaiting_confirmation'),
    aRight({ state: 'revoked', endedBy: 'data_holder' }),
    ended('rejected_by_dso'),
  ],
  ['is obsolete before it was accepted', standing('awaiting_confirmation'), aRight({ state: 'obsolete' }), ended('rejected_by_dso')],
  ['is gone before it was accepted', standing('awaiting_confirmation'), undefined, ended('rejected_by_dso', 'disappeared')],
  ['is as it was', standing('active'), aRight(), { is: 'same' }],
  ['is revoked by its holder', standing('active'), aRight({ state: 'revoked', endedBy: 'holder' }), ended('withdrawn_by_subject')],
  ['is revoked by GRDF', standing('active'), aRight({ state: 'revoked', endedBy: 'data_holder' }), ended('revoked_by_dso')],
  ['is revoked by nobody knows whom', standing('active'), aRight({ state: 'revoked', endedBy: 'unknown' }), ended('revoked_by_dso')],
  ['is obsolete: its holder has moved', standing('active'), aRight({ state: 'obsolete', endedBy: 'data_holder' }), ended('holder_changed')],
  ['is obsolete on its last day', standing('active'), aRight({ state: 'obsolete', lastDay: day('2026-11-26') }), ended('holder_changed')],
  ['is obsolete after its last day', standing('active'), aRight({ state: 'obsolete', lastDay: day('2026-11-25') }), ended('expired')],
  ['is refused later', standing('active'), aRight({ state: 'refused' }), ended('revoked_by_dso')],
  ['is gone', standing('active'), undefined, ended('revoked_by_dso', 'disappeared')],
  ['is to be checked', standing('active'), aRight({ state: 'to_check' }), { is: 'suspended', cause: 'dso_signal' }],
  ['is in a state that nobody described', standing('active'), aRight({ state: 'unknown' }), { is: 'suspended', cause: 'dso_signal' }],
  ['was to be checked and is active again', standing('suspended', { cause: 'dso_signal' }), aRight(), { is: 'resumed' }],
  ['is active, and suspended for a reason of ours', standing('suspended', { cause: 'restriction' }), aRight(), { is: 'same' }],
  ['is to be proved by today', standing('active'), aRight({ proof: 'awaited', proofUntil: day('2026-11-26') }), { is: 'same' }],
  [
    'was to be proved by yesterday',
    standing('active'),
    aRight({ proof: 'awaited', proofUntil: day('2026-11-25') }),
    { is: 'suspended', cause: 'proof_overdue' },
  ],
  [
    'stays to be proved',
    standing('suspended', { cause: 'proof_overdue' }),
    aRight({ proof: 'awaited', proofUntil: day('2026-11-25') }),
    { is: 'same' },
  ],
  ['is being checked after all', standing('suspended', { cause: 'proof_overdue' }), aRight({ proof: 'being_checked' }), { is: 'resumed' }],
  ['has a proof that is refused', standing('active'), aRight({ proof: 'ko' }), ended('invalidated')],
  ['has a proof that is refused while it waits', standing('awaiting_confirmation'), aRight({ proof: 'ko' }), { is: 'confirmed' }],
  ['opens nothing any more', standing('active'), aRight({ kinds: [] }), ended('revoked_by_dso')],
  [
    'ends earlier',
    standing('active'),
    aRight({ lastDay: day('2026-12-31') }),
    { is: 'narrower', lines: [published, technical], validUntil: at('2026-12-31T23:00:00Z') },
  ],
  [
    'opens one family less',
    standing('active'),
    aRight({ kinds: ['published_reading'] }),
    { is: 'narrower', lines: [published], validUntil: at('2027-06-01T00:00:00Z') },
  ],
  [
    'opens fewer days',
    standing('active'),
    aRight({ data: days('2026-03-01', '2028-01-01') }),
    {
      is: 'narrower',
      lines: [{ ...published, data: days('2026-03-01', '2027-01-01') }, technical],
      validUntil: at('2027-06-01T00:00:00Z'),
    },
  ],
  ['tells no days: it is as wide as the permission', standing('active'), aRight({ data: null, lastDay: null }), { is: 'same' }],
])('a right that %s', (_what, before, right, expected) => {
  expect(judgeGas(before, right, 30 * DAY, NOW)).toStrictEqual(expected)
})
