/** Browsing a log that is longer than one piece: nothing is missed, nothing comes twice, and each turn is bounded. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { startOfDay, day } from '../../../src/domain/time.ts'
import type { EvidenceBrowse, Place } from '../../../src/evidence/browse.ts'
import { evidenceBrowseOn } from '../../../src/evidence/browse.ts'
import { positionOf } from '../../../src/domain/position.ts'
import { asStores } from '../../../src/storage/sqlite.ts'

const SIZE = 4000
const FIRST = startOfDay(day('2026-03-01'))
const MINUTE = 60_000

/** A minute apart; of ten entries one is a call, the next its outcome, one a refusal. */
function log(size = SIZE, place = (n: number): number => n): EvidenceBrowse {
  const db = new DatabaseSync(':memory:')
  db.exec('CREATE TABLE entry (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT')
  const insert = db.prepare('INSERT INTO entry (n, at, bytes, leaf) VALUES (?, ?, ?, ?)')
  db.exec('BEGIN')
  for (let n = 0; n < size; n += 1) {
    const record =
      n % 10 === 0
        ? { t: 'access.intent', client: n === 10 ? 'rare' : 'usual' }
        : n % 10 === 1
          ? { t: 'access.outcome', intent: n - 1 }
          : n % 10 === 2
            ? { t: 'access.refused', client: 'usual' }
            : { t: 'access.summary' }
    insert.run(place(n), FIRST + n * MINUTE, Buffer.from(JSON.stringify(record)), Buffer.alloc(32))
  }
  db.exec('COMMIT')
  return evidenceBrowseOn(asStores(db), (n) => `log/${n}`)
}

type Filter = Omit<Parameters<EvidenceBrowse['latest']>[0], 'before'>
function all(browse: EvidenceBrowse, filter: Filter): { readonly found: number[]; readonly turns: number } {
  const found: number[] = []
  let before: number | undefined
  for (let turns = 1; turns < 200; turns += 1) {
    const page = browse.latest({ ...filter, before })
    found.push(...page.entries.map(({ n }) => n))
    if (page.next === null) return { found, turns }
    before = page.next
  }
  throw new Error('the pages have no end')
}

const browse = log()

test('all entries come once, the newest first', () => {
  const { found } = all(browse, { limit: 333 })
  expect(found).toStrictEqual(Array.from({ length: SIZE }, (_, i) => SIZE - 1 - i))
})

test('what is rare is found pieces away, and its outcome with it', () => {
  const { found, turns } = all(browse, { client: 'rare', limit: 50 })
  expect(found).toStrictEqual([11, 10])
  expect(turns).toBe(3)
})

test.each([
  ['a page that ends with the log', { type: 'access.intent', limit: SIZE / 10 }, SIZE / 10],
  ['a page of one', { type: 'access.intent', client: 'rare', limit: 1 }, 1],
  ['nothing', { type: 'erasure.performed', limit: 10 }, 0],
])('%s', (_name, filter, count) => {
  expect(all(browse, filter).found).toHaveLength(count)
})

test.each([
  ['a day', '2026-03-02', '2026-03-03', 1440],
  ['until a day', undefined, '2026-03-02', 1440],
  ['from a day', '2026-03-03', undefined, SIZE - 2880],
  ['before the log', undefined, '2026-03-01', 0],
  ['after the log', '2026-04-01', undefined, 0],
])('of %s there are as many as minutes', (_name, from, until, count) => {
  const moments = { from: from && startOfDay(day(from)), until: until && startOfDay(day(until)) } as Pick<Filter, 'from' | 'until'>
  expect(all(browse, { ...moments, limit: 400 }).found).toHaveLength(count)
})

test('accesses are counted by day, over pieces, and go on where they stopped', () => {
  const sums: Record<string, [number, number]> = {}
  let next: Place = { at: 0 as Millis, n: -1 }
  let turns = 0
  for (let done = false; !done; turns += 1) {
    const piece = browse.tally({ after: next })
    for (const { day: on, calls, refused } of piece.days) sums[on] = [(sums[on]?.[0] ?? 0) + calls, (sums[on]?.[1] ?? 0) + refused]
    next = piece.next
    done = piece.done
  }
  expect(sums).toStrictEqual({ '2026-03-01': [144, 144], '2026-03-02': [144, 144], '2026-03-03': [112, 112] })
  expect([next, turns]).toStrictEqual([{ at: FIRST + (SIZE - 1) * MINUTE, n: SIZE - 1 }, 3])
  expect(browse.tally({ after: next })).toStrictEqual({ days: [], next, done: true })
})

test('a log without entries has none', () => {
  const empty = log(0)
  expect(empty.latest({ limit: 10 })).toStrictEqual({ entries: [], next: null })
  expect(empty.one({ n: 0 })).toBeNull()
})

test('entries of several logs come in the order of their times, and an outcome finds its intent in its own log', () => {
  // By turns of ten entries in two logs: so each outcome lies where its intent does, at a number that both logs have.
  const place = (n: number): number => positionOf(Math.floor(n / 10) % 2, Math.floor(n / 20) * 10 + (n % 10))
  const two = log(SIZE, place)
  expect(all(two, { limit: 333 }).found).toStrictEqual(Array.from({ length: SIZE }, (_, i) => place(SIZE - 1 - i)))
})
