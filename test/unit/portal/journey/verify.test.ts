/** A share counts if the data holder says that it is in force and began since this browser was sent there. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDays } from '../../../../src/domain/time.ts'
import { verify } from '../../../../src/portal/journey/verify.ts'
import { aService, METER, OTHER, services, TODAY } from './given.ts'

const mine = { is: 'authorisation', authorisation: '481516234' } as const
const both = { is: 'meters', meters: [METER, OTHER] } as const

describe('by its id', () => {
  test.each([
    ['begun on the day on which the browser was sent', {}, 'verified'],
    ['begun the day after, past midnight', { from: addDays(TODAY, 1) }, 'verified'],
    ['begun the day before', { from: addDays(TODAY, -1) }, 'foreign'],
    ['asked for, and not in force yet', { state: 'asked' }, 'verified'],
    ['ended', { state: 'ended' }, 'nothing'],
    ['removed', { state: 'removed' }, 'nothing'],
    ['of another id', { authorisation: '481516235' }, 'nothing'],
    ['of an id that is one more, beyond what a double holds', { authorisation: '481516234000000001' }, 'nothing'],
  ] as const)('%s', (_name, over, is) => {
    expect(verify(mine, [aService(over)], TODAY).is).toBe(is)
  })

  test('a share without an id is nobody’s', () => {
    const { authorisation: _none, ...service } = aService()
    expect(verify(mine, [service], TODAY)).toStrictEqual({ is: 'nothing' })
    expect(verify({ is: 'meters', meters: [METER] }, [service], TODAY)).toStrictEqual({ is: 'foreign' })
  })

  test('an older share beside the new one is not what was agreed to now', () => {
    const old = aService({ id: '1', kind: 'load_curve', from: addDays(TODAY, -100) })
    expect(verify(mine, [old, aService()], TODAY)).toStrictEqual({
      is: 'verified',
      meters: [{ meter: METER, authorisation: '481516234', from: TODAY, services: [aService()] }],
    })
  })

  test('each meter is one, with the day on which its share began first', () => {
    const later = aService({ id: '2', kind: 'load_curve', from: addDays(TODAY, 1) })
    const verified = verify(mine, [later, aService(), aService({ id: '3', meter: OTHER })], TODAY)
    expect(verified.is === 'verified' && verified.meters.map((m) => [m.meter, m.from, m.services.length])).toStrictEqual([
      [METER, TODAY, 2],
      [OTHER, TODAY, 1],
    ])
  })
})

describe('by meters that the browser named', () => {
  test.each([
    ['all shared now', [aService(), aService({ meter: OTHER, authorisation: '5' })], 'verified'],
    ['one that nobody shares', [aService()], 'foreign'],
    ['one of years ago', [aService(), aService({ meter: OTHER, from: addDays(TODAY, -900) })], 'foreign'],
    ['one removed', [aService(), aService({ meter: OTHER, state: 'removed' })], 'foreign'],
    ['none', [], 'nothing'],
  ] as const)('%s', (_name, shared, is) => {
    expect(verify(both, shared, TODAY).is).toBe(is)
  })
})

test('property: what is verified is named, fresh, in force and of one gesture a meter', () => {
  fc.assert(
    fc.property(services, fc.constantFrom('1', '9007199254740993'), fc.boolean(), (all, authorisation, byId) => {
      const claimed = byId ? ({ is: 'authorisation', authorisation } as const) : both
      const verified = verify(claimed, all, TODAY)
      if (verified.is !== 'verified') return
      for (const { meter, authorisation: of, from, services: own } of verified.meters) {
        expect(own.length).toBeGreaterThan(0)
        for (const service of own) {
          expect([service.meter, service.authorisation]).toStrictEqual([meter, of])
          expect(['active', 'asked']).toContain(service.state)
          expect(service.from >= TODAY && service.from >= from).toBe(true)
        }
        if (byId) expect(of).toBe(authorisation)
        else expect(both.meters).toContain(meter)
      }
      if (!byId) expect(new Set(verified.meters.map((m) => m.meter))).toStrictEqual(new Set(both.meters))
    }),
    { numRuns: 500 },
  )
})
