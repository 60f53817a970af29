/** Numbers and times of the journal: without a gap, never going back, and void once rolled back. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { positionOf } from '../../../src/domain/position.ts'
import type { Millis } from '../../../src/domain/time.ts'
import type { Store } from '../../../src/storage/database.ts'
import { openState } from '../../../src/storage/sqlite.ts'
import { aJournal } from '../../given.ts'

let folder: string
let state: Store
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-journal-'))
  state = openState(folder)
})
afterEach(() => {
  state.close()
  rmSync(folder, { recursive: true, force: true })
})

const at = (ms: number): Millis => ms as Millis
const row = (t: string): { readonly clear: { readonly t: string } } => ({ clear: { t } })
const rows = (): unknown[] => state.db.prepare('SELECT n, at, body FROM journal ORDER BY n').all()

test('numbers start at 0 and have no gap; the row is what was given', () => {
  const { journal } = aJournal(state.db, 'a/b')
  expect([journal.append(row('one'), at(5)), journal.append(row('two'), at(7))]).toStrictEqual([
    { n: 0, at: 5, entry: 'a/b/0' },
    { n: 1, at: 7, entry: 'a/b/1' },
  ])
  expect(journal.next()).toBe(2)
  expect(rows()).toMatchObject([
    { n: 0, at: 5, body: '{"clear":{"t":"one"}}' },
    { n: 1, at: 7, body: '{"clear":{"t":"two"}}' },
  ])
})

test('a clock that goes back does not take the entries with it', () => {
  const { journal } = aJournal(state.db, 'a/b')
  journal.append(row('one'), at(1000))
  expect(journal.instant(at(400))).toBe(1000)
  expect(journal.append(row('two'), at(400))).toMatchObject({ n: 1, at: 1000 })
  expect(journal.instant(at(1001))).toBe(1001)
})

test.each([
  ['text in clear', { clear: { t: 'evidence.read', why: 'x'.repeat(66_000) } }],
  ['text of three bytes a letter', { clear: { t: 'evidence.read', why: '\u20ac'.repeat(22_000) } }],
  ['tags', { clear: { t: 'access.refused' }, tags: Array.from({ length: 800 }, (_, i) => `key-of-a-subject-${i}`) }],
])('a row whose entry no log could carry is refused, and takes no number: %s', (_what, long) => {
  const { journal } = aJournal(state.db, 'gate.test/journal/1')
  expect(() => journal.append(long, at(1000))).toThrow('too long for an entry of the log')
  expect(journal.append(row('a'), at(1000)).n).toBe(0)
})

test('what is long and sealed is no long entry', () => {
  const { journal } = aJournal(state.db, 'gate.test/journal/1')
  expect(journal.append({ clear: { t: 'access.intent' }, sealed: { permissions: 'x'.repeat(200_000) } }, at(1000)).n).toBe(0)
})

test('after a rollback its numbers and its time are void', () => {
  const { journal } = aJournal(state.db, 'a/b')
  journal.append(row('one'), at(10))
  state.db.exec('SAVEPOINT one')
  journal.append(row('two'), at(99))
  state.db.exec('ROLLBACK TO one; RELEASE one')
  journal.reload()
  expect(journal.append(row('three'), at(20))).toMatchObject({ n: 1, at: 20 })
})

test.each([
  ['rows that wait', ['INSERT INTO journal (n, at, body) VALUES (4, 70, x)'], { n: 5, at: 70 }],
  ['entries, once all are sealed', ["INSERT INTO entry (n, at, bytes, leaf) VALUES (8, 90, x'00', x'00')"], { n: 9, at: 90 }],
  [
    'the later of both',
    ["INSERT INTO entry (n, at, bytes, leaf) VALUES (8, 90, x'00', x'00')", 'INSERT INTO journal (n, at, body) VALUES (9, 95, x)'],
    { n: 10, at: 95 },
  ],
])('opened again, it goes on after %s', (_name, inserts, expected) => {
  for (const sql of inserts) state.db.exec(sql.replace(', x)', ", '{}')"))
  expect(aJournal(state.db, 'a/b').journal.append(row('next'), at(1))).toMatchObject(expected)
})

test('another log begins at its own 0 and later than the one before, which still takes what began in it', () => {
  const { journal, logs } = aJournal(state.db, 'a/2026')
  journal.append(row('intent'), at(900))
  journal.turnTo(logs.add('a/2027', 'key', 'test', at(950)))
  expect(journal.append(row('one'), at(800))).toStrictEqual({ n: positionOf(1, 0), at: 900, entry: 'a/2027/0' })
  expect(journal.append(row('outcome'), at(1000), 0)).toStrictEqual({ n: 1, at: 1000, entry: 'a/2026/1' })
  expect(journal.append(row('two'), at(1000))).toMatchObject({ n: positionOf(1, 1), entry: 'a/2027/1' })
  expect([journal.origin, journal.next(), journal.next(0)]).toStrictEqual(['a/2027', positionOf(1, 2), 2])
  expect(() => journal.append(row('x'), at(1000), 7)).toThrow('log 7 is not written to here')
  expect(() => logs.add('a/2026', 'key', 'test', at(1))).toThrow("a log's origin is its own for good")
  expect([logs.positionOf('a/2027/1'), logs.positionOf('a/2027/x'), logs.positionOf('b/0')]).toStrictEqual([
    positionOf(1, 1),
    undefined,
    undefined,
  ])
})
