/** What the unit tests of a consent journey share: lines that are asked for, shares of a meter, a moment. */
import * as fc from 'fast-check'
import type { UsagePointId } from '../../../../src/domain/meter.ts'
import type { ClientId, PurposeCode } from '../../../../src/domain/permission.ts'
import type { SharedService } from '../../../../src/domain/share.ts'
import { addDays, day } from '../../../../src/domain/time.ts'
import type { AskedLine } from '../../../../src/portal/journey/journey.ts'
import { STEPS } from '../../../../src/domain/vocabulary.ts'

export const METER = 'prm:30000000000001' as UsagePointId
export const OTHER = 'prm:30000000000002' as UsagePointId
export const TODAY = day('2026-11-25')

export function anAskedLine(over: Partial<AskedLine> = {}): AskedLine {
  return {
    id: 'l1',
    client: 'viriya' as ClientId,
    purpose: 'self_view' as PurposeCode,
    kind: 'daily_energy',
    direction: 'withdrawal',
    finest: 'P1D',
    historyDays: 30,
    recurrence: 'on_demand',
    why: { fr: 'voir', en: 'see' },
    ...over,
  }
}

export function aService(over: Partial<SharedService> = {}): SharedService {
  return {
    id: '770001',
    meter: METER,
    authorisation: '481516234',
    kind: 'daily_energy',
    direction: 'withdrawal',
    step: 'P1D',
    from: TODAY,
    until: addDays(TODAY, 1000),
    state: 'active',
    ...over,
  }
}

const KINDS = ['load_curve', 'daily_energy', 'max_power', 'index', 'contract_data', 'identity'] as const

export const lines = fc
  .array(
    fc.record({
      client: fc.constantFrom('viriya' as ClientId, 'office' as ClientId),
      kind: fc.constantFrom(...KINDS),
      direction: fc.constantFrom('withdrawal' as const, 'injection' as const),
      finest: fc.constantFrom(...STEPS),
      historyDays: fc.nat(1125),
    }),
    { maxLength: 6 },
  )
  .map((all) => all.map((one, i) => anAskedLine({ ...one, id: `l${i + 1}` })))

export const services = fc
  .array(
    fc.record(
      {
        kind: fc.constantFrom('load_curve' as const, 'daily_energy' as const, 'max_power' as const, 'index' as const),
        direction: fc.constantFrom('withdrawal' as const, 'injection' as const),
        step: fc.constantFrom('PT10M' as const, 'PT15M' as const, 'PT30M' as const, 'PT60M' as const, 'P1D' as const),
        starts: fc.integer({ min: -10, max: 10 }),
        lasts: fc.integer({ min: 0, max: 1200 }),
        state: fc.constantFrom('active' as const, 'asked' as const, 'ended' as const, 'removed' as const),
        meter: fc.constantFrom(METER, OTHER),
        authorisation: fc.constantFrom('1', '2', '9007199254740993'),
      },
      { requiredKeys: ['direction', 'starts', 'lasts', 'state', 'meter'] },
    ),
    { maxLength: 8 },
  )
  .map((all): SharedService[] =>
    all.map(({ starts, lasts, ...one }, i) => {
      const from = addDays(TODAY, starts)
      return { id: String(770_000 + i), from, until: addDays(from, lasts), ...one }
    }),
  )
