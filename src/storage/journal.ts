/**
 * The journal: every log entry is born here as a row, in the transaction of what it tells of. The row has its number
 * and its time; what costs time (salts, digests, sealed fields, hashes) is made from it right after, off the path.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Json } from '../domain/canonical.ts'
import type { Millis } from '../domain/time.ts'

/** A row as the sealer finds it. Everything is in clear here, and erased with the row once it is sealed. */
export interface JournalRow {
  /** Fields of the entry itself; `v`, `n`, `id`, `at`, `node`, `_sd`, `tags` are added by the journal and the sealer. */
  readonly clear: { readonly t: string; readonly [field: string]: Json | undefined }
  readonly sealed?: { readonly [name: string]: Json | undefined }
  /** Key under which the sealed fields lie: a subject's, or the client's where there is no subject. */
  readonly keyId?: string
  /** Subject keys for which the entry carries a tag. */
  readonly tags?: readonly string[]
  /** Hex index tokens under which the entry is found. */
  readonly index?: readonly string[]
  /** Hex token of a meter on which the caller holds nothing: local index only, kept for 6 months. */
  readonly refusedIndex?: string
}

export interface Appended {
  readonly n: number
  readonly at: Millis
}

export interface Journal {
  /** The instant that the next entry will bear: `now`, or the last entry's if the clock went back. */
  instant(now: Millis): Millis
  /** Must run inside the owner's transaction. */
  append(row: JournalRow, now: Millis): Appended
  /** After a rollback: numbers handed out in it are void. */
  reload(): void
  readonly next: number
  readonly origin: string
}

export function journalOf(db: DatabaseSync, origin: string): Journal {
  const insert: StatementSync = db.prepare('INSERT INTO journal (n, at, body) VALUES (?, ?, ?)')
  let next = 0
  let last = 0
  function reload(): void {
    const row = db
      .prepare(
        `SELECT n, at FROM (SELECT n, at FROM journal ORDER BY n DESC LIMIT 1)
         UNION ALL SELECT n, at FROM (SELECT n, at FROM entry ORDER BY n DESC LIMIT 1) ORDER BY n DESC LIMIT 1`,
      )
      .get()
    next = row ? Number(row['n']) + 1 : 0
    last = row ? Number(row['at']) : 0
  }
  reload()
  return {
    origin,
    reload,
    get next() {
      return next
    },
    // `at` never decreases within a log; order is told by `n`, never by time.
    instant: (now) => Math.max(now, last) as Millis,
    append(row, now) {
      last = Math.max(now, last)
      const n = next
      insert.run(n, last, JSON.stringify(row))
      next = n + 1
      return { n, at: last as Millis }
    },
  }
}
