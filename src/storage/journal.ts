/**
 * The journal: every log entry is born here as a row, in the transaction of what it tells of. The row has its number
 * and its time; what costs time (salts, digests, sealed fields, hashes) is made from it right after, off the path.
 */
import type { Database } from './database.ts'
import type { LogOnRecord, Logs } from './logs.ts'
import type { Json } from '../domain/canonical.ts'
import { positionOf } from '../domain/position.ts'
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

/** Where the database's own log may be kept for long: what identifies is no clear text even in a row that waits. */
export interface RowBox {
  seal(text: string): string
  open(box: string): string
}

/** A row as it is stored: `box` in place of `sealed`, and `of` for what the database itself adds to `clear`. */
type StoredRow = Omit<JournalRow, 'sealed'> & {
  readonly sealed?: JournalRow['sealed']
  readonly box?: string
  readonly of?: Readonly<Record<string, Json>>
}

/** No less than the bytes of the entry that the sealer will make. */
function entryBytes({ clear, sealed = {}, tags = [] }: JournalRow): number {
  const FRAME = 400
  const DIGEST = 48
  const TAG = 96
  return Buffer.byteLength(JSON.stringify(clear)) + FRAME + DIGEST * Object.keys(sealed).length + TAG * tags.length
}

export interface Appended {
  /** Its position: see {@link LOG_SIZE}. */
  readonly n: number
  readonly at: Millis
  /** `origin/number`. */
  readonly entry: string
}

export interface Journal {
  /** The instant that the next entry will bear: `now`, or the last entry's if the clock went back. */
  instant(now: Millis): Millis
  /** Must run inside the owner's transaction. @param log another one that is still open: that of an intent, for its outcome */
  append(row: JournalRow, now: Millis, log?: number): Appended
  /** A row as the database takes it. Throws {@link Refused} where no entry could hold it. */
  text(row: JournalRow): string
  read(text: string): JournalRow
  /** What the database has numbered by itself. @param next position of the entry that comes next */
  wrote(log: number, next: number, at: Millis): void
  /** After a rollback: numbers handed out in it are void. */
  reload(): void
  /** `origin/number` of an entry of any log here. */
  nameOf(position: number): string
  /** Goes on in another log; what is under way in those before may still end there. */
  turnTo(log: Pick<LogOnRecord, 'id' | 'origin'>): void
  /** Writes in another log too, that of a gate which is gone. */
  join(log: number): void
  /** Whether entries may still come in a log. */
  writes(log: number): boolean
  /** None come any more. */
  leave(log: number): void
  /** Position of the next entry, of the log written to where none is named. */
  next(log?: number): number
  /** Of the log written to. */
  readonly origin: string
  /** Its number. */
  readonly log: number
}

/**
 * @param options.clock where several gates share a database, its time: their own would put entries of one in front of those of another
 * @param options.box where rows that wait must not lie in clear
 */
export function journalOf(
  db: Database,
  logs: Logs,
  first: Pick<LogOnRecord, 'id' | 'origin'>,
  { clock, box }: { readonly clock?: () => Millis; readonly box?: RowBox } = {},
): Journal {
  const insert = db.prepare('INSERT INTO journal (n, at, body) VALUES (?, ?, ?)')
  const lastOf = (['journal', 'entry'] as const).map((table) =>
    db.prepare(`SELECT n, at FROM ${table} WHERE n >= ? AND n < ? ORDER BY n DESC LIMIT 1`),
  )
  let current = first
  /** Position of the next entry of each log written to. */
  const next = new Map<number, number>()
  /** Of all of them: `at` never decreases within a log; order is told by position, never by time. */
  let last = 0
  function look(log: number): void {
    const [from, until] = [positionOf(log, 0), positionOf(log + 1, 0)]
    const rows = lastOf.map((statement) => statement.get(from, until)).filter((row) => row !== undefined)
    next.set(log, Math.max(from, ...rows.map((row) => Number(row['n']) + 1)))
    last = Math.max(last, ...rows.map((row) => Number(row['at'])))
  }
  function nextOf(log: number): number {
    const n = next.get(log)
    if (n === undefined) throw new RangeError(`log ${log} is not written to here`)
    return n
  }
  function textOf(row: JournalRow): string {
    const text = JSON.stringify(row)
    // Found only when it is sealed, it would stop the gate at every start.
    if (text.length > SURELY_FITS && entryBytes(row) > MOST_ENTRY_BYTES)
      throw new Refused('what this is about is too long for an entry of the log: make it shorter')
    if (!box || row.sealed === undefined) return text
    const { sealed, ...rest } = row
    return JSON.stringify({ ...rest, box: box.seal(JSON.stringify(sealed)) })
  }
  const instant = (now: Millis): Millis => Math.max(clock?.() ?? now, last) as Millis
  look(first.id)
  return {
    instant,
    text: textOf,
    read(text) {
      const { box: boxed, of, sealed, ...row } = JSON.parse(text) as StoredRow
      const opened = boxed === undefined || !box ? sealed : (JSON.parse(box.open(boxed)) as NonNullable<JournalRow['sealed']>)
      return { ...row, clear: { ...row.clear, ...of }, ...(opened && { sealed: opened }) }
    },
    wrote(log, n, at) {
      next.set(log, n)
      last = Math.max(last, at)
    },
    reload() {
      last = 0
      for (const log of next.keys()) look(log)
    },
    nameOf: logs.nameOf,
    next: (log = current.id) => nextOf(log),
    get origin() {
      return current.origin
    },
    get log() {
      return current.id
    },
    join: look,
    writes: (log) => next.has(log),
    leave: (log) => void next.delete(log),
    turnTo(log) {
      current = log
      look(log.id)
    },
    append(row, now, log = current.id) {
      const text = textOf(row)
      const n = nextOf(log)
      last = instant(now)
      insert.run(n, last, text)
      next.set(log, n + 1)
      return { n, at: last as Millis, entry: logs.nameOf(n) }
    },
  }
}
