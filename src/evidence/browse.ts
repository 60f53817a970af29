/**
 * Entries as whoever browses the log may see them: in clear, newest first, a bounded piece at a time, because this runs
 * on the thread that requests wait for. Nothing sealed is opened here, so nothing needs to be put on record.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'

export interface Browsed {
  readonly n: number
  /** Its bytes as they were hashed, UTF-8. */
  readonly entry: string
}
export interface BrowsePage {
  readonly entries: readonly Browsed[]
  /** Entries before this one were not looked at yet; null where there is none. A page may be empty and still have a next one. */
  readonly next: number | null
}
/** What is counted of one day in Paris: calls made to a data holder, and refusals on record. */
export interface DayCount {
  readonly day: Day
  readonly calls: number
  readonly refused: number
}

export interface EvidenceBrowse {
  latest(args: {
    readonly before?: number | undefined
    readonly type?: string | undefined
    readonly client?: string | undefined
    /** Moments, `until` excluded. */
    readonly from?: Millis | undefined
    readonly until?: Millis | undefined
    readonly limit: number
  }): BrowsePage
  one(args: { readonly n: number }): Browsed | null
  /** Number of the first entry at or after a moment; the size of the log where there is none. */
  firstSince(args: { readonly at: Millis }): number
  /** Counts of a piece of the log that begins at `from`; `next` is null where the log ends. */
  tally(args: { readonly from: number }): { readonly days: readonly DayCount[]; readonly next: number; readonly done: boolean }
}

/** Rows looked at in one turn of the owner's thread: some milliseconds. */
const PIECE = 1500

interface Clear {
  readonly t: string
  readonly client?: string
  readonly intent?: number
}

export function evidenceBrowseOn(db: DatabaseSync): EvidenceBrowse {
  const sql = {
    down: db.prepare('SELECT n, at, bytes FROM entry WHERE n < ? ORDER BY n DESC LIMIT ?'),
    up: db.prepare('SELECT n, at, bytes FROM entry WHERE n >= ? ORDER BY n LIMIT ?'),
    one: db.prepare('SELECT n, at, bytes FROM entry WHERE n = ?'),
    last: db.prepare('SELECT max(n) AS last FROM entry'),
  }
  const textOf = (row: Record<string, unknown>): string => Buffer.from(row['bytes'] as Uint8Array).toString()
  const size = (): number => Number(sql.last.get()?.['last'] ?? -1) + 1

  /** An outcome names its intent, and that its client. */
  function clientOf({ client, intent }: Clear): string | undefined {
    if (client !== undefined || intent === undefined) return client
    const cause = sql.one.get(intent)
    return cause && (JSON.parse(textOf(cause)) as Clear).client
  }
  /** `at` never decreases along the log. */
  function firstSince(at: Millis): number {
    let [low, high] = [0, size()]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (Number(sql.one.get(middle)?.['at']) < at) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    latest({ before, type, client, from, until, limit }) {
      const end = Math.min(before ?? Number.MAX_SAFE_INTEGER, until === undefined ? size() : firstSince(until))
      const floor = from === undefined ? 0 : firstSince(from)
      const entries: Browsed[] = []
      let next: number | null = null
      let looked = 0
      for (const row of sql.down.iterate(end, PIECE)) {
        const n = Number(row['n'])
        if (n < floor) return { entries, next: null }
        looked += 1
        const entry = textOf(row)
        const clear = JSON.parse(entry) as Clear
        next = n
        if ((type === undefined || clear.t === type) && (client === undefined || clientOf(clear) === client)) entries.push({ n, entry })
        if (entries.length === limit) break
      }
      return { entries, next: next === null || next <= floor || (looked < PIECE && entries.length < limit) ? null : next }
    },
    one({ n }) {
      const row = sql.one.get(n)
      return row ? { n, entry: textOf(row) } : null
    },
    firstSince: ({ at }) => firstSince(at),
    tally({ from }) {
      const days = new Map<Day, { calls: number; refused: number }>()
      let next = from
      for (const row of sql.up.iterate(from, PIECE)) {
        next = Number(row['n']) + 1
        const { t } = JSON.parse(textOf(row)) as Clear
        if (t !== 'access.intent' && t !== 'access.refused') continue
        const day = parisDay(Number(row['at']) as Millis)
        const count = days.get(day) ?? { calls: 0, refused: 0 }
        days.set(day, count)
        if (t === 'access.intent') count.calls += 1
        else count.refused += 1
      }
      return { days: [...days].map(([day, count]) => ({ day, ...count })), next, done: next - from < PIECE }
    },
  }
}
