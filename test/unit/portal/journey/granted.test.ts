/** What is given is never wider than what was ticked, nor than what is shared at the data holder. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Millis } from '../../../../src/domain/time.ts'
import { addDays, contains, day, parisDay, startOfDay } from '../../../../src/domain/time.ts'
import { isAtLeast, isDated, minutesOf } from '../../../../src/domain/vocabulary.ts'
import type { Granted } from '../../../../src/portal/journey/granted.ts'
import { grantedOf } from '../../../../src/portal/journey/granted.ts'
import type { AskedLine } from '../../../../src/portal/journey/journey.ts'
import type { SharedService } from '../../../../src/domain/share.ts'
import { anAskedLine, aService, lines, METER, services, TODAY } from './given.ts'

const UNTIL = startOfDay(addDays(TODAY, 365))
function granted(chosen: readonly AskedLine[], shared: readonly SharedService[], until: Millis = UNTIL): Granted {
  return grantedOf(chosen, { meter: METER, authorisation: '481516234', from: TODAY, services: shared }, TODAY, until)
}
const days = (from: string, until: string) => ({ from: day(from), until: day(until) })

test('what was ticked and is shared: the days asked for back from today, until the end that comes first', () => {
  const { clients, missing } = granted([anAskedLine()], [aService()])
  expect(missing).toStrictEqual([])
  expect(clients).toStrictEqual([
    {
      client: 'viriya',
      validUntil: UNTIL,
      lines: [
        {
          id: 'l1',
          kind: 'daily_energy',
          direction: 'withdrawal',
          finest: 'P1D',
          coarser: 'fetch',
          purpose: 'self_view',
          data: days('2026-10-26', '2027-11-25'),
          recurrence: 'on_demand',
        },
      ],
    },
  ])
})

describe('the end', () => {
  test.each([
    ['asked for', addDays(TODAY, 400), '2027-11-25'],
    ['of the holder, whose last day is left out: no source says that it is in', day('2027-01-10'), '2027-01-10'],
    ['of tomorrow', addDays(TODAY, 1), '2026-11-26'],
  ])('%s', (_name, until, end) => {
    const [client] = granted([anAskedLine()], [aService({ until })]).clients
    expect(client?.validUntil).toBe(startOfDay(day(end)))
    expect(client?.lines[0]?.data).toStrictEqual(days('2026-10-26', end))
  })

  test.each([
    ['today', 0],
    ['yesterday', -1],
  ])('of %s leaves nothing', (_name, offset) => {
    expect(granted([anAskedLine()], [aService({ from: addDays(TODAY, -9), until: addDays(TODAY, offset) })]).clients).toStrictEqual([])
  })

  test('of one client is not that of another', () => {
    const office = anAskedLine({ id: 'l2', client: 'office' as never, kind: 'load_curve', finest: 'PT30M' })
    const { clients } = granted([anAskedLine(), office], [aService(), aService({ kind: 'load_curve', until: addDays(TODAY, 9) })])
    expect(clients.map((c) => [c.client, c.validUntil])).toStrictEqual([
      ['viriya', UNTIL],
      ['office', startOfDay(addDays(TODAY, 9))],
    ])
  })
})

describe('the step of a curve', () => {
  test.each([
    ['the one asked for, where the holder has a finer one', 'PT30M', 'PT10M', 'PT30M'],
    ['the holder’s, where it is coarser', 'PT30M', 'PT60M', 'PT60M'],
    ['the one asked for, where the holder names none', 'PT30M', undefined, 'PT30M'],
  ] as const)('%s', (_name, finest, step, expected) => {
    const { step: _step, ...service } = aService({ kind: 'load_curve' })
    const [client] = granted([anAskedLine({ kind: 'load_curve', finest })], [step === undefined ? service : { ...service, step }]).clients
    expect(client?.lines[0]?.finest).toBe(expected)
  })
})

test.each([
  ['another kind', { kind: 'load_curve' }],
  ['another direction', { direction: 'injection' }],
] as const)('what is shared of %s gives nothing, and says what is missing', (_name, other) => {
  expect(granted([anAskedLine()], [aService(other)])).toStrictEqual({ clients: [], missing: [anAskedLine()] })
})

test('a share of a kind that this gate does not know opens no line of measures', () => {
  const { kind: _kind, ...unknown } = aService()
  expect(granted([anAskedLine()], [unknown]).clients).toStrictEqual([])
})

test('property: no line, day, direction, step or validity beyond what was chosen and what is shared', () => {
  fc.assert(
    fc.property(lines, services, fc.integer({ min: 1, max: 1200 }), (chosen, all, lasts) => {
      const until = startOfDay(addDays(TODAY, lasts))
      const { clients } = granted(chosen, all, until)
      expect(new Set(clients.map((c) => c.client)).size).toBe(clients.length)
      for (const { client, lines: given, validUntil } of clients) {
        expect(given.length).toBeGreaterThan(0)
        expect(validUntil).toBeLessThanOrEqual(until)
        expect(validUntil).toBeGreaterThan(startOfDay(TODAY))
        for (const line of given) {
          const asked = chosen.filter((c) => c.id === line.id)
          expect(asked.map((a) => [a.client, a.kind, a.direction, a.purpose, a.recurrence])).toStrictEqual([
            [client, line.kind, line.direction, line.purpose, line.recurrence],
          ])
          const wish = asked[0] ?? anAskedLine()
          expect(isAtLeast(line.finest, wish.finest)).toBe(true)
          if (line.data === null) {
            expect(isDated(line.kind)).toBe(false)
            continue
          }
          const open = { from: addDays(TODAY, -wish.historyDays), until: addDays(parisDay((validUntil - 1) as Millis), 1) }
          expect(contains(open, line.data)).toBe(true)
          const by = all.filter((s) => s.kind === line.kind && s.direction === line.direction && validUntil <= startOfDay(s.until))
          const coarseEnough = by.some(
            ({ step }) =>
              step === undefined ||
              minutesOf(step) === undefined ||
              minutesOf(line.finest) === undefined ||
              isAtLeast(line.finest, step) ||
              !isAtLeast(step, wish.finest),
          )
          expect([by.length > 0, coarseEnough]).toStrictEqual([true, true])
        }
      }
    }),
    { numRuns: 500 },
  )
})
