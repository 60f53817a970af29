/** Numbers and times of the journal: without a gap, never going back, and void once rolled back. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { journalOf } from '../../../src/storage/journal.ts'
import type { State } from '../../../src/storage/sqlite.ts'
import { openState } from '../../../src/storage/sqlite.ts'

let folder: string
let state: State
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
  const journal = journalOf(state.db, 'a/b')
  expect([journal.append(row('one'), at(5)), journal.append(row('two'), at(7))]).toStrictEqual([
    { n: 0, at: 5 },
    { n: 1, at: 7 },
  ])
  expect(journal.next).toBe(2)
  expect(rows()).toMatchObject([
    { n: 0, at: 5, body: '{"clear":{"t":"one"}}' },
    { n: 1, at: 7, body: '{"clear":{"t":"two"}}' },
  ])
})

test('a clock that goes back does not take the entries with it', () => {
  const journal = journalOf(state.db, 'a/b')
  journal.append(row('one'), at(1000))
  expect(journal.instant(at(400))).toBe(1000)
  expect(journal.append(row('two'), at(400))).toStrictEqual({ n: 1, at: 1000 })
  expect(journal.instant(at(1001))).toBe(1001)
})

test.each([
  ['text in clear', { clear: { t: 'evidence.read', why: 'x'.repeat(66_000) } }],
  ['text of three bytes a letter', { clear: { t: 'evidence.read', why: '\u20ac'.repeat(22_000) } }],
  ['tags', { clear: { t: 'access.refused' }, tags: Array.from({ length: 800 }, (_, i) => `key-of-a-subject-${i}`) }],
])('a row whose entry no log could carry is refused, and takes no number: %s', (_what, long) => {
  const journal = journalOf(state.db, 'gate.test/journal/1')
  expect(() => journal.append(long, at(1000))).toThrow('too long for an entry of the log')
  expect(journal.append(row('a'), at(1000)).n).toBe(0)
})

test('what is long and sealed is no long entry', () => {
  const journal = journalOf(state.db, 'gate.test/journal/1')
  expect(journal.append({ clear: { t: 'access.intent' }, sealed: { permissions: 'x'.repeat(200_000) } }, at(1000)).n).toBe(0)
})

test('after a rollback its numbers and its time are void', () => {
  const journal = journalOf(state.db, 'a/b')
  journal.append(row('one'), at(10))
  state.db.exec('SAVEPOINT one')
  journal.append(row('two'), at(99))
  state.db.exec('ROLLBACK TO one; RELEASE one')
  journal.reload()
  expect(journal.append(row('three'), at(20))).toStrictEqual({ n: 1, at: 20 })
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
  expect(journalOf(state.db, 'a/b').append(row('next'), at(1))).toStrictEqual(expected)
})
