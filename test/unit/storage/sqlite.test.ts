/** Opening a state folder: one owner, the pragmas on which the promises rest, and schemas older and newer than ours. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../../src/storage/database.ts'
import { KEYS_MIGRATIONS, STATE_MIGRATIONS } from '../../../src/storage/schema.ts'
import { asStores, openState } from '../../../src/storage/sqlite.ts'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'ecluse-sqlite-')), 'state')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

const pragma = (db: Pick<Database, 'prepare'>, name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
const modeOf = (path: string): number => statSync(path).mode & 0o777
/** As a later release would have them. */
const LATER = { state: [...STATE_MIGRATIONS, 'CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT'], keys: KEYS_MIGRATIONS }

test('both databases are durable, private, and erase what is deleted', () => {
  const state = openState(folder)
  for (const db of [state.db, state.keys]) {
    expect(pragma(db, 'journal_mode')).toBe('wal')
    expect(pragma(db, 'synchronous')).toBe(2)
    expect(pragma(db, 'secure_delete')).toBe(1)
    expect(pragma(db, 'foreign_keys')).toBe(1)
    // A checkpoint at a commit would pass over an fsync that failed.
    expect(pragma(db, 'wal_autocheckpoint')).toBe(0)
  }
  expect(modeOf(folder)).toBe(0o700)
  for (const name of ['ecluse.db', 'ecluse.db-wal', 'keys.db', 'keys.db-wal']) expect(modeOf(join(folder, name)), name).toBe(0o600)
  state.close()
})

test('closed, everything lies in the database files', () => {
  const state = openState(folder)
  state.db.exec("INSERT INTO meta (key, value) VALUES ('a', 'b')")
  state.close()
  for (const name of ['ecluse.db-wal', 'keys.db-wal']) expect(existsSync(join(folder, name))).toBe(false)
  const again = openState(folder)
  expect(again.db.prepare("SELECT value FROM meta WHERE key = 'a'").get()).toMatchObject({ value: 'b' })
  again.close()
})

test('the WAL is folded in once it has grown, and cut back', () => {
  const state = openState(folder)
  const insert = state.db.prepare('INSERT INTO policy (hash, body, at) VALUES (?, ?, 0)')
  const wal = join(folder, 'ecluse.db-wal')
  for (let i = 0; i < 12; i += 1) {
    insert.run(`h${i}`, 'x'.repeat(2_000_000))
    state.tidy()
  }
  // 24 MB were written; what a commit adds beyond the mark is folded in at once and the file cut by the next.
  expect(statSync(wal).size).toBeLessThan(19 * 1_048_576)
  expect(statSync(join(folder, 'ecluse.db')).size).toBeGreaterThan(16 * 1_048_576)
  expect(Number(state.db.prepare('SELECT count(*) AS n FROM policy').get()?.['n'])).toBe(12)
  state.close()
})

test('a second owner is told which folder and what to do', () => {
  const state = openState(folder)
  expect(() => openState(folder)).toThrow(
    expect.objectContaining({
      name: 'StateError',
      fault: 'locked',
      message: expect.stringContaining(`another process owns the state folder ${folder}: stop it, or use its control socket`) as string,
    }),
  )
  state.close()
  openState(folder).close()
})

test('the lock dies with its process', async () => {
  const source = `const { openState } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/storage/sqlite.ts'))});
    openState(${JSON.stringify(folder)}); process.stdout.write('owned'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    expect(String((await once(child.stdout, 'data'))[0])).toBe('owned')
    expect(() => openState(folder)).toThrow('another process owns the state folder')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  openState(folder).close()
})

test('an older schema is migrated, after a copy of the file', () => {
  const state = openState(folder)
  state.db.exec("INSERT INTO meta (key, value) VALUES ('a', 'before')")
  state.close()
  const later = openState(folder, LATER)
  expect(pragma(later.db, 'user_version')).toBe(STATE_MIGRATIONS.length + 1)
  later.db.exec("INSERT INTO later (id) VALUES (1); UPDATE meta SET value = 'after' WHERE key = 'a'")
  later.close()
  const copy = join(folder, `ecluse.db.schema-${STATE_MIGRATIONS.length}.bak`)
  expect(modeOf(copy)).toBe(0o600)
  const old = new DatabaseSync(copy, { readOnly: true })
  expect(old.prepare("SELECT value FROM meta WHERE key = 'a'").get()).toMatchObject({ value: 'before' })
  expect(pragma(asStores(old), 'user_version')).toBe(STATE_MIGRATIONS.length)
  old.close()
  expect(existsSync(join(folder, `keys.db.schema-${KEYS_MIGRATIONS.length}.bak`))).toBe(false)
})

test('the copy has what a crash had left in the WAL', () => {
  const state = openState(folder)
  state.db.exec("INSERT INTO meta (key, value) VALUES ('a', 'only in the WAL')")
  const crashed = join(folder, '..', 'crashed')
  // As after kill -9: the files as they lie, and nothing folded in.
  for (const name of ['ecluse.db', 'ecluse.db-wal', 'keys.db', 'keys.db-wal']) copyInto(crashed, name)
  state.close()
  openState(crashed, LATER).close()
  const copy = new DatabaseSync(join(crashed, `ecluse.db.schema-${STATE_MIGRATIONS.length}.bak`), { readOnly: true })
  expect(copy.prepare("SELECT value FROM meta WHERE key = 'a'").get()).toMatchObject({ value: 'only in the WAL' })
  copy.close()
})

test('a migration that fails changes nothing', () => {
  openState(folder).close()
  const broken = { ...LATER, state: [...LATER.state, 'CREATE TABLE nonsense ('] }
  expect(() => openState(folder, broken)).toThrow('incomplete input')
  const state = openState(folder)
  expect(pragma(state.db, 'user_version')).toBe(STATE_MIGRATIONS.length)
  expect(state.db.prepare("SELECT name FROM sqlite_schema WHERE name = 'later'").get()).toBeUndefined()
  state.close()
})

test('a newer schema is refused, and left as it is', () => {
  openState(folder, LATER).close()
  const before = readFileSync(join(folder, 'ecluse.db'))
  expect(() => openState(folder)).toThrow(
    expect.objectContaining({
      fault: 'newer',
      message: `${join(folder, 'ecluse.db')} was written by a newer ecluse (schema ${STATE_MIGRATIONS.length + 1}, this one knows ${STATE_MIGRATIONS.length}): install that version or restore a backup`,
    }),
  )
  expect(readFileSync(join(folder, 'ecluse.db')).equals(before)).toBe(true)
  openState(folder, LATER).close()
})

function copyInto(target: string, name: string): void {
  mkdirSync(target, { recursive: true })
  copyFileSync(join(folder, name), join(target, name))
}
