/**
 * The journal: every log entry is born here as a row, in the transaction of what it tells of. The row has its number
 * and its time; what costs time (salts, digests, sealed fields, hashes) is made from it right after, off the path.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Json } from '../domain/canonical.ts'
import type { Millis } from '../domain/time.ts'
import { Refused } from './rpc.ts'

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

/** A bundle of the log gives each entry a 16-bit length (C2SP tlog-tiles). */
const MOST_ENTRY_BYTES = 65_535
/** Characters of a row: in UTF-8, with what the sealer adds, never more than an entry holds. */
const SURELY_FITS = 16_000

/** No less than the bytes of the entry that the sealer will make. */
function entryBytes({ clear, sealed = {}, tags = [] }: JournalRow): number {
  const FRAME = 400
  const DIGEST = 48
  const TAG = 96
  return Buffer.byteLength(JSON.stringify(clear)) + FRAME + DIGEST * Object.keys(sealed).length + TAG * tags.length
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
      const text = JSON.stringify(row)
      // Found only when it is sealed, it would stop the gate at every start.
      if (text.length > SURELY_FITS && entryBytes(row) > MOST_ENTRY_BYTES)
        throw new Refused('what this is about is too long for an entry of the log: make it shorter')
      last = Math.max(now, last)
      const n = next
      insert.run(n, last, text)
      next = n + 1
      return { n, at: last as Millis }
    },
  }
}
