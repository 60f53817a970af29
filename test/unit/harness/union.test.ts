/** The check of several gates' logs: each thing that may be wrong is found, and nothing is where all is right. */
import { expect, test } from 'vitest'
import type { OpenedEntry } from '../../../src/evidence/opened.ts'
import type { Union } from '../../faults/union.ts'
import { checkUnion } from '../../faults/union.ts'

const at = (second: number): string => new Date(Date.UTC(2026, 5, 1, 12, 0, second)).toISOString()
const entry = (name: string, second: number, record: OpenedEntry['record'], permission: string, uses = false): OpenedEntry => ({
  n: 0,
  name,
  record: { at: at(second), ...record },
  fields: { permissions: [{ id: permission, ...(uses && { lines: ['a line'] }) }], subject: { meter: 'prm:1' } },
  seal: 'open',
  strays: 0,
})
const given = entry('a/0', 0, { t: 'consent.activate', status: 'active' }, 'p')
const intent = entry('a/1', 1, { t: 'access.intent', kind: 'daily_energy', sent: 'a day' }, 'p', true)
const outcome = entry('a/2', 2, { t: 'access.outcome', intent: '1', result: 'delivered' }, 'p')
const end = entry('b/0', 3, { t: 'consent.withdrawn_by_subject', status: 'ended' }, 'p')
const sound: Union = {
  entries: [given, intent, outcome, end],
  withdrawals: [{ permission: 'p', returnedAt: Date.parse(at(4)) }],
  calls: [{ what: 'daily_energy a day prm:1', at: Date.parse(at(1)) }],
  given: ['p'],
  delivered: ['a/1'],
  written: new Map([
    ['a/1', { place: 1n, committedAt: 1 }],
    ['b/0', { place: 2n, committedAt: 2 }],
  ]),
}
const later = { ...intent, record: { ...intent.record, at: at(3) } }

test.each<[string, Partial<Union>, readonly string[]]>([
  ['nothing, where all is right', {}, []],
  ['a withdrawal that is lost', { entries: [given, intent, outcome] }, ['the withdrawal of p was confirmed and is in no log']],
  ['a gift that is lost', { given: ['p', 'q'] }, ['q was given, and is in no log']],
  [
    'an answer that is not on record as delivered',
    { entries: [given, intent, { ...outcome, record: { ...outcome.record, result: 'interrupted' } }, end] },
    ['the answer of a/1 came whole, and the log says of it: interrupted'],
  ],
  ['an answer of which no log knows', { delivered: ['a/1', 'a/9'] }, ['the answer of a/9 came whole, and the log says of it: nothing']],
  [
    'an intent that is as late as the end',
    { entries: [given, later, outcome, end], calls: [] },
    ['a/1 reads under p, which ended before it with b/0'],
  ],
  ['no order by times, where the clock was moved', { entries: [given, later, outcome, end], clockMoved: true }, []],
  [
    'an intent that was written after the end, even so',
    { clockMoved: true, written: new Map([...(sound.written ?? []), ['a/1', { place: 3n, committedAt: 1 }]]) },
    ["a/1 reads under p, which ended before it with b/0, by the database's own log"],
  ],
  [
    'an intent that was committed after the end',
    { written: new Map([...(sound.written ?? []), ['a/1', { place: 1n, committedAt: 9 }]]) },
    ['a/1 was committed 7 µs after b/0, which ended p'],
  ],
  ['an intent without an outcome', { entries: [given, intent, end], delivered: [] }, ['a/1 has 0 outcomes']],
  [
    'a call of which no intent tells',
    { calls: [...sound.calls, ...sound.calls] },
    ['the data holder saw a call for daily_energy a day prm:1 that no intent tells of'],
  ],
])('it finds %s', (_what, change, faults) => {
  expect(checkUnion({ ...sound, ...change }).faults).toStrictEqual(faults)
})
