/**
 * Opens the state folder of one instance: the lock, `ecluse.db` and `keys.db`, with the pragmas on which the promises
 * rest (WAL, `synchronous=FULL`, `secure_delete`), set and read back on every connection.
 *
 * One owner: the lock is an exclusive transaction held on `lock.db`. It dies with its process, which a PID file does
 * not. Two writers of one log would fork it.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { KEYS_MIGRATIONS, STATE_MIGRATIONS } from './schema.ts'

export type StateFault = 'locked' | 'newer' | 'pragma'
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly fault: StateFault
  constructor(fault: StateFault, message: string) {
    super(message)
    this.fault = fault
  }
}

export interface State {
  readonly folder: string
  readonly db: DatabaseSync
  readonly keys: DatabaseSync
  /** Closes both databases, with their WAL folded in, and lets the lock go. */
  close(): void
}

/** Throws a {@link StateError} whose message says what to do. */
export function openState(folder: string): State {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = takeLock(folder)
  try {
    const db = openDatabase(join(folder, 'ecluse.db'), STATE_MIGRATIONS)
    const keys = openDatabase(join(folder, 'keys.db'), KEYS_MIGRATIONS)
    return {
      folder,
      db,
      keys,
      close() {
        for (const each of [db, keys]) {
          each.exec('PRAGMA wal_checkpoint(TRUNCATE)')
          each.close()
        }
        lock.close()
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

/** For reading only, beside an owner: audits of a state folder. */
export function openForReading(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true })
}

function takeLock(folder: string): DatabaseSync {
  const lock = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 })
  try {
    // Not WAL: in WAL mode an exclusive transaction would not keep a second owner from reading the lock as free.
    lock.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw new StateError('locked', `another process owns the state folder ${folder}: stop it, or use its control socket (${String(error)})`)
  }
}

function openDatabase(file: string, migrations: readonly string[]): DatabaseSync {
  // The file exists with its mode before the first byte is written: rows are in clear while they wait to be sealed.
  if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600))
  chmodSync(file, 0o600)
  const db = new DatabaseSync(file, { timeout: 5000 })
  try {
    db.exec(
      'PRAGMA secure_delete=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4000',
    )
    expectPragma(db, 'journal_mode', 'wal')
    expectPragma(db, 'synchronous', 2)
    expectPragma(db, 'secure_delete', 1)
    migrate(db, file, migrations)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function expectPragma(db: DatabaseSync, name: string, expected: string | number): void {
  const row = db.prepare(`PRAGMA ${name}`).get()
  const value = row && Object.values(row)[0]
  if (value !== expected)
    throw new StateError(
      'pragma',
      `SQLite runs with ${name}=${String(value)}, not ${expected}: the promise of durable evidence would not hold here`,
    )
}

function migrate(db: DatabaseSync, file: string, migrations: readonly string[]): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version > migrations.length) {
    throw new StateError(
      'newer',
      `${file} was written by a newer ecluse (schema ${version}, this one knows ${migrations.length}): install that version or restore a backup`,
    )
  }
  if (version === migrations.length) return
  if (version > 0) {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    copyFileSync(file, `${file}.schema-${version}.bak`)
    chmodSync(`${file}.schema-${version}.bak`, 0o600)
  }
  db.exec('BEGIN IMMEDIATE')
  try {
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.exec(`PRAGMA user_version=${migrations.length}; COMMIT`)
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}
