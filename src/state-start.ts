/** What must be true of the state folder before a request is taken, and what is known of the calls before this start. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database, Row } from './storage/database.ts'
import { openNote, parseCheckpoint, vkeyOf } from './evidence/log/note.ts'
import { numberOf, positionOf } from './domain/position.ts'
import type { Millis } from './domain/time.ts'
import { indexKeyCheck } from './storage/keys.ts'
import type { LogOnRecord, Logs } from './storage/logs.ts'
import { logsOn } from './storage/logs.ts'
import type { StateOptions } from './state.ts'
import type { OwnLog } from './state-logs.ts'
import { freeName, newSigner } from './state-logs.ts'

const HOUR_MS = 3_600_000

/** With another index key every meter would be unknown and every request refused, without a word of why. */
export function checkIndexKey(db: Database, index: Uint8Array): void {
  const check = indexKeyCheck(index)
  db.prepare("INSERT INTO meta (key, value) VALUES ('index_check', ?) ON CONFLICT DO NOTHING").run(check)
  if (db.prepare("SELECT value FROM meta WHERE key = 'index_check'").get()?.['value'] !== check)
    throw new Error('the index key is not the one with which the meters in ecluse.db are found: give that one (evidence.keys.index)')
}

/**
 * After a restore: what the copy holds of a log may be less than was shown of it, so nothing is ever added to it. Rows that
 * waited to be sealed are not sealed, because they may have been, with other salts; what was under way counts as read.
 */
export function leaveLogsBehind(db: Database, now: number): void {
  for (const { id, closedAt } of logsOn(db).all()) if (closedAt === null) leaveLogBehind(db, id, now)
}

export function leaveLogBehind(db: Database, id: number, now: number): void {
  const rows = [positionOf(id, 0), positionOf(id + 1, 0)]
  for (const sql of [
    'DELETE FROM journal WHERE n >= ? AND n < ?',
    'DELETE FROM open_intent WHERE n >= ? AND n < ?',
    'UPDATE delivery SET open = 0 WHERE open = 1 AND intent >= ? AND intent < ?',
  ])
    db.prepare(sql).run(...rows)
  db.prepare('UPDATE log SET closed_at = ? WHERE id = ?').run(now, id)
}

/** The log that was written last, and how many entries of it are here. */
export function lastClosed(db: Database): { readonly origin: string; readonly size: number } | null {
  const row = db.prepare('SELECT id, origin FROM log WHERE closed_at IS NOT NULL ORDER BY closed_at DESC, id DESC LIMIT 1').get()
  if (!row) return null
  const id = Number(row['id'])
  const last =
    db.prepare('SELECT max(n) AS last FROM entry WHERE n >= ? AND n < ?').get(positionOf(id, 0), positionOf(id + 1, 0))?.['last'] ?? null
  return { origin: String(row['origin']), size: last === null ? 0 : numberOf(Number(last)) + 1 }
}

/** The log to write to: the one that is open here, or a new one of the name wanted, whose first entry is still to come. */
export function openingLog(logs: Logs, { origin, node, keys, now }: Pick<StateOptions, 'origin' | 'node' | 'keys' | 'now'>): LogOnRecord {
  const open = logs.all().findLast(({ closedAt }) => closedAt === null)
  const name = freeName(logs, origin)
  return open ?? logs.add(name, vkeyOf(newSigner(keys.signing, name)), node, now as Millis)
}

/**
 * The stored checkpoint is ours, its root is that of the stored entries, and nobody was shown more than we hold.
 *
 * @param size entries that are stored
 * @param shared whether the log lies in PostgreSQL: another state folder would then sign on in the same log
 */
export function checkCheckpoints(
  db: Database,
  { id, folder: log, origin, vkey, publisher }: OwnLog,
  { size, shared }: { readonly size: number; readonly shared: boolean },
): void {
  const row = db.prepare('SELECT body FROM checkpoint WHERE log = ?').get(id)
  const stored = row && readCheckpoint(String(row['body']), 'the checkpoint in ecluse.db')
  const file = join(log, 'checkpoint')
  const shown = existsSync(file) ? readCheckpoint(readFileSync(file, 'utf8'), `the file ${file}`) : undefined
  if (shown && shown.size > (stored?.size ?? 0)) {
    const told = `the log was shown with ${shown.size} entries and the database knows ${stored?.size ?? 0}`
    throw new Error(
      shared
        ? `${told}: an older copy of the database was restored, or a standby that had not received all of it has taken over. Signing on would fork the log: bring back the newer database. If it is lost, ecluse backup --out DIR, keep this state folder as evidence, drop the schema, and ecluse restore DIR, which goes on in another log`
        : `${told}: an older copy of ecluse.db was restored. Signing on would fork the log: restore the newer database, or start a new state folder and keep this one as evidence`,
    )
  }
  if (stored && (stored.size > size || !publisher.root(stored.size).equals(stored.root))) {
    throw new Error(
      'the entries in ecluse.db are not those of its signed checkpoint: the database was changed or is damaged. Restore it from a backup; keep this folder as evidence',
    )
  }

  function readCheckpoint(text: string, where: string): { readonly size: number; readonly root: Buffer } {
    const note = openNote(text, [vkey])
    const checkpoint = note.ok ? parseCheckpoint(note.text) : undefined
    if (!checkpoint || checkpoint.origin !== origin)
      throw new Error(`${where} does not carry this instance's signature: the signing key is another one, or it was changed`)
    return { size: checkpoint.size, root: Buffer.from(checkpoint.root) }
  }
}

export interface RecentCall {
  /** Made of its entry: the same at every gate that reads it. */
  readonly id: string
  readonly client: string
  /** Of the data holder whose account it is. */
  readonly provider: string
  readonly account: string
  readonly api: string
  readonly rule: string
  readonly at: number
}

/** @param byDay data holders whose calls of a day count; of the others those of an hour do */
export function recentCalls(db: Database, now: number, byDay: readonly string[]): readonly RecentCall[] {
  const calls: RecentCall[] = []
  const hourAgo = now - HOUR_MS
  const since = byDay.length > 0 ? now - 24 * HOUR_MS : hourAgo
  // Of older entries, those that count; the others are not even read.
  const marks = byDay.map((provider) => Buffer.from(`"dso":"${provider}/`))
  for (const row of latestEntries(db, since)) {
    const at = Number(row['at'])
    const bytes = Buffer.from(row['bytes'] as Uint8Array)
    if (at < hourAgo && !marks.some((mark) => bytes.includes(mark))) continue
    const entry = JSON.parse(bytes.toString()) as {
      readonly t: string
      readonly client?: string
      readonly dso: string
      readonly api: string
      readonly source?: 'store'
      readonly dec?: { readonly rules: readonly string[] }
    }
    if ((entry.t !== 'access.intent' && entry.t !== 'admin.intent') || entry.source === 'store') continue
    const [provider = '', account = ''] = entry.dso.split('/')
    const id = createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
    calls.push({ id, client: entry.client ?? 'ecluse', provider, account, api: entry.api, rule: entry.dec?.rules[0] ?? '', at })
  }
  return calls
}

/** Entries since then, the latest first: a piece at a time, because one engine hands over all that a statement gives. */
function* latestEntries(db: Database, since: number): Iterable<Row> {
  const piece = db.prepare('SELECT at, n, bytes FROM entry WHERE at >= ? AND (at, n) < (?, ?) ORDER BY at DESC, n DESC LIMIT 1000')
  let rows: Row[] = []
  let at = Number.MAX_SAFE_INTEGER
  let n = 0
  do {
    rows = piece.all(since, at, n)
    yield* rows
    at = Number(rows.at(-1)?.['at'])
    n = Number(rows.at(-1)?.['n'])
  } while (rows.length === 1000)
}
