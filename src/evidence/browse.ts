/**
 * Entries as whoever browses the log may see them: in clear, newest first, a bounded piece at a time, because this runs
 * on the thread that requests wait for. Nothing sealed is opened here, so nothing needs to be put on record.
 */
import { logOf, positionOf } from '../domain/position.ts'
import type { Database, Row } from '../storage/database.ts'
import type { Day, Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'

export interface Browsed {
  /** Its position. */
  readonly n: number
  /** `origin/number`. */
  readonly name: string
  /** Its bytes as they were hashed, UTF-8. */
  readonly entry: string
}
export interface BrowsePage {
  readonly entries: readonly Browsed[]
  /** Entries before this one were not looked at yet; null where there is none. A page may be empty and still have a next one. */
  readonly next: number | null
}
/** Entries of several logs stand in the order of their times, then of their positions. */
export interface Place {
  readonly at: Millis
  readonly n: number
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
  /** Counts of the next piece of the logs after a place; where it ends, and whether nothing is left. */
  tally(args: { readonly after: Place }): { readonly days: readonly DayCount[]; readonly next: Place; readonly done: boolean }
}

/** Rows looked at in one turn of the owner's thread: some milliseconds. */
const PIECE = 1500

interface Clear {
  readonly t: string
  readonly client?: string
  readonly intent?: number
}

export function evidenceBrowseOn(db: Database, nameOf: (position: number) => string): EvidenceBrowse {
  const sql = {
    down: db.prepare('SELECT n, at, bytes FROM entry WHERE (at, n) < (?, ?) ORDER BY at DESC, n DESC LIMIT ?'),
    up: db.prepare('SELECT n, at, bytes FROM entry WHERE (at, n) > (?, ?) ORDER BY at, n LIMIT ?'),
    one: db.prepare('SELECT n, at, bytes FROM entry WHERE n = ?'),
  }
  const textOf = (row: Row): string => Buffer.from(row['bytes'] as Uint8Array).toString()

  /** An outcome names its intent, and that its client. */
  function clientOf(n: number, { client, intent }: Clear): string | undefined {
    if (client !== undefined || intent === undefined) return client
    const cause = sql.one.get(positionOf(logOf(n), intent))
    return cause && (JSON.parse(textOf(cause)) as Clear).client
  }
  /** Just after the place from which one looks down. */
  function endOf(before: number | undefined, until: Millis | undefined): Place {
    const end = { at: until ?? (Number.MAX_SAFE_INTEGER as Millis), n: -1 }
    if (before === undefined) return end
    const at = Number(sql.one.get(before)?.['at'] ?? 0) as Millis
    return at < end.at ? { at, n: before } : end
  }
  return {
    latest({ before, type, client, from, until, limit }) {
      const end = endOf(before, until)
      const entries: Browsed[] = []
      let last: Place | undefined
      let looked = 0
      for (const row of sql.down.iterate(end.at, end.n, PIECE)) {
        const n = Number(row['n'])
        if (from !== undefined && Number(row['at']) < from) return { entries, next: null }
        looked += 1
        const entry = textOf(row)
        const clear = JSON.parse(entry) as Clear
        last = { at: Number(row['at']) as Millis, n }
        const wanted = (type === undefined || clear.t === type) && (client === undefined || clientOf(n, clear) === client)
        if (wanted) entries.push({ n, name: nameOf(n), entry })
        if (entries.length === limit) break
      }
      const over = (looked < PIECE && entries.length < limit) || !last || !sql.down.get(last.at, last.n, 1)
      return { entries, next: over || !last ? null : last.n }
    },
    one({ n }) {
      const row = sql.one.get(n)
      return row ? { n, name: nameOf(n), entry: textOf(row) } : null
    },
    tally({ after }) {
      const days = new Map<Day, { calls: number; refused: number }>()
      let next = after
      let looked = 0
      for (const row of sql.up.iterate(after.at, after.n, PIECE)) {
        looked += 1
        next = { at: Number(row['at']) as Millis, n: Number(row['n']) }
        const { t } = JSON.parse(textOf(row)) as Clear
        if (t !== 'access.intent' && t !== 'access.refused') continue
        const day = parisDay(next.at)
        const count = days.get(day) ?? { calls: 0, refused: 0 }
        days.set(day, count)
        if (t === 'access.intent') count.calls += 1
        else count.refused += 1
      }
      return { days: [...days].map(([day, count]) => ({ day, ...count })), next, done: looked < PIECE }
    },
  }
}
