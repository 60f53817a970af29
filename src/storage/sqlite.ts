/**
 * Opens the state folder of one instance: the lock, `ecluse.db` and `keys.db`, with the pragmas on which the promises
 * rest (WAL, `synchronous=FULL`, `secure_delete`), set and read back on every connection.
 *
 * One owner: the lock is an exclusive transaction held on `lock.db`. It dies with its process, which a PID file does
 * not. Two writers of one log would fork it.
 */
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Database, Statement, Store } from './database.ts'
import { documentsIn, syncPath } from './files.ts'
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

const WAL_BYTES = 16 * 1_048_576

/** Throws a {@link StateError} whose message says what to do. */
export function openState(folder: string, migrations = { state: STATE_MIGRATIONS, keys: KEYS_MIGRATIONS }): Store {
  // The folder's own name must outlive a power cut, not only what stands in it.
  const made = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (made !== undefined) syncPath(dirname(made))
  const lock = takeLock(folder)
  const opened = [lock]
  try {
    const db = openDatabase(join(folder, 'ecluse.db'), migrations.state)
    opened.push(db)
    const keys = openDatabase(join(folder, 'keys.db'), migrations.keys)
    // SQLite syncs the folder when it makes a WAL, and passes over an fsync that failed.
    syncPath(folder)
    return {
      db: asStores(db),
      keys: asStores(keys),
      documents: documentsIn(join(folder, 'attachments')),
      unit: {
        begin: () => db.exec('BEGIN IMMEDIATE'),
        commit: () => db.exec('COMMIT'),
        savepoint: () => db.exec('SAVEPOINT one'),
        release: () => db.exec('RELEASE one'),
        rollbackTo: () => db.exec('ROLLBACK TO one; RELEASE one'),
      },
      atomically(work) {
        db.exec('BEGIN IMMEDIATE')
        const value = work()
        db.exec('COMMIT')
        return value
      },
      // Never by SQLite itself at a commit: there an fsync that failed would be passed over in silence.
      tidy() {
        for (const [name, each] of [
          ['ecluse.db-wal', db],
          ['keys.db-wal', keys],
        ] as const)
          if ((statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > WAL_BYTES) each.exec('PRAGMA wal_checkpoint(PASSIVE)')
      },
      forget: () => [keys, db].every((each) => each.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0),
      // With the WAL folded in; then the lock goes.
      close() {
        for (const each of [db, keys]) each.exec('PRAGMA wal_checkpoint(TRUNCATE)')
        for (const each of [db, keys, lock]) release(each)
      },
    }
  } catch (error) {
    for (const each of error instanceof StateError ? opened : [lock]) release(each)
    throw error
  }
}

/** A connection of `node:sqlite` as the stores use it. */
export function asStores(db: DatabaseSync): Database {
  return {
    prepare(sql): Statement {
      const statement = db.prepare(sql)
      return Object.assign(statement, {
        runAll(rows: readonly (readonly (string | number | Uint8Array | null)[])[]) {
          for (const row of rows) statement.run(...row)
        },
      }) as unknown as Statement // the same object, with one more method
    },
    exec: (sql) => db.exec(sql),
    // Its one writer is the owner of the folder.
    lock: () => false,
    tell: () => undefined,
  }
}

/** For reading only, beside an owner: audits of a state folder. */
export function openForReading(file: string): Database & { close(): void } {
  const db = new DatabaseSync(file, { readOnly: true })
  return { ...asStores(db), close: () => db.close() }
}

/** A connection that nobody refers to is closed by the garbage collector, and its lock is gone without a word. */
const held = new Set<DatabaseSync>()

/** After an error of the disk nothing is closed: that would fold the WAL in, and delete it on the word of one more fsync. */
function giveUp(db: DatabaseSync, error: unknown): void {
  if (error instanceof StateError) db.close()
  else held.add(db)
}

function release(db: DatabaseSync): void {
  held.delete(db)
  db.close()
}

/** For a state that lies elsewhere: the folder alone. Throws a {@link StateError}. */
export function ownFolder(folder: string): { release(): void } {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = takeLock(folder)
  return { release: () => release(lock) }
}

/** Whether nobody owns the folder, found by owning it for a moment. */
export function lockIsFree(folder: string): boolean {
  try {
    release(takeLock(folder))
    return true
  } catch (error) {
    if (error instanceof StateError) return false
    throw error
  }
}

const SQLITE_BUSY = 5
/** Of two that start at once each may meet the other's first look at the file: a moment later one of them has it. */
const LOCK_WAIT_MS = 250

function takeLock(folder: string): DatabaseSync {
  const file = join(folder, 'lock.db')
  // Whoever may read it may hold it. Never opened beside SQLite: closing it would give up the locks of this process (POSIX).
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600))
  const lock = new DatabaseSync(file, { timeout: LOCK_WAIT_MS })
  try {
    // Not WAL: in WAL mode an exclusive transaction would not keep a second owner from reading the lock as free.
    lock.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
    held.add(lock)
    return lock
  } catch (error) {
    lock.close()
    if ((error as { readonly errcode?: number }).errcode !== SQLITE_BUSY) throw error
    throw new StateError('locked', `another process owns the state folder ${folder}: stop it, or use its control socket`)
  }
}

function openDatabase(file: string, migrations: readonly string[]): DatabaseSync {
  // The file exists with its mode before the first byte is written: rows are in clear while they wait to be sealed.
  if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600))
  chmodSync(file, 0o600)
  let db = connect(file)
  try {
    const version = versionOf(db, file, migrations.length)
    if (version > 0 && version < migrations.length) {
      db.close()
      keepCopy(file, version)
      db = connect(file)
    }
    migrate(db, version, migrations)
    held.add(db)
    return db
  } catch (error) {
    if (db.isOpen) giveUp(db, error)
    throw error
  }
}

function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5000 })
  try {
    db.exec('PRAGMA secure_delete=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON')
    // Folded in by `tidy`; cut back to the size beyond which that is due.
    db.exec(`PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=${WAL_BYTES}`)
    expectPragma(db, 'journal_mode', 'wal')
    expectPragma(db, 'synchronous', 2)
    expectPragma(db, 'secure_delete', 1)
    expectPragma(db, 'foreign_keys', 1)
    return db
  } catch (error) {
    giveUp(db, error)
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

function versionOf(db: DatabaseSync, file: string, newest: number): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version <= newest) return version
  throw new StateError(
    'newer',
    `${file} was written by a newer ecluse (schema ${version}, this one knows ${newest}): install that version or restore a backup`,
  )
}

/** No connection is open meanwhile: closing any descriptor of a file drops all locks that this process has on it. */
function keepCopy(file: string, version: number): void {
  // Closed by its only connection, the file holds everything; what is left of a WAL could not be folded in.
  if (existsSync(`${file}-wal`)) throw new Error(`${file} could not be closed before it is copied: is another process reading it?`)
  const copy = `${file}.schema-${version}.bak`
  copyFileSync(file, copy)
  chmodSync(copy, 0o600)
  syncPath(copy)
  syncPath(dirname(copy))
}

function migrate(db: DatabaseSync, version: number, migrations: readonly string[]): void {
  if (version === migrations.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.exec(`PRAGMA user_version=${migrations.length}; COMMIT`)
  } catch (error) {
    // A commit that failed may have ended it already.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
