/**
 * What an owner checks before it writes: that the database is the one whose checkpoints were shown, that its entries are
 * those that were sealed, that the keys are its own, and that the clock is not behind. Each refusal is a sentence, and
 * changes nothing.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Millis } from '../../src/domain/time.ts'
import { leafHash } from '../../src/evidence/log/merkle.ts'
import type { OwnedState } from '../../src/state-thread.ts'
import { ownState } from '../../src/state-thread.ts'
import { logFolderOf, readLog } from './evidence.ts'

const ORIGIN = 'startup.test.localhost/journal/1'
const key = (byte: number): Uint8Array => Buffer.alloc(32, byte)
const KEYS = { signing: key(1), master: key(2), index: key(3) }
/** More than one full tile. */
const ROWS = 300
const START = Date.UTC(2030, 0, 1)

let folder: string
let state: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-start-'))
  state = join(folder, 'state')
  await write(ROWS, START)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function own(change: { readonly keys?: Partial<typeof KEYS>; readonly now?: number } = {}): Promise<OwnedState> {
  const options = {
    folder: state,
    node: 'test',
    origin: ORIGIN,
    keys: { ...KEYS, ...change.keys },
    checkpointMs: 60_000,
    quotasOfADay: ['grdf-adict'],
    now: change.now ?? START,
  }
  return ownState(options, { rows: 10_000, bytes: 10_000_000, ageMs: 60_000 }, (why) => {
    throw new Error(`the state went down: ${why}`)
  })
}
async function write(rows: number, now: number): Promise<void> {
  const owned = await own({ now })
  await owned.client.call('syncClients', { clients: [{ id: 'one', disabled: false }], now: now as Millis })
  await Promise.all(Array.from({ length: rows }, () => owned.client.call('summary', { counts: { malformed: 1 }, now: now as Millis })))
  await owned.stop()
}
/** Changes the closed database as somebody with an editor would. */
function alter(...statements: readonly (readonly [sql: string, ...args: (string | number | Uint8Array)[]])[]): void {
  const db = new DatabaseSync(join(state, 'ecluse.db'))
  for (const [sql, ...args] of statements) db.prepare(sql).run(...args)
  db.close()
}
/** Every file of the log with its bytes. */
function published(): Record<string, string> {
  const log = logFolderOf(state)
  const files = readdirSync(log, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
  return Object.fromEntries(
    files.map((file) => [join(file.parentPath, file.name), readFileSync(join(file.parentPath, file.name), 'base64')]),
  )
}
const removeTiles = (): void => rmSync(join(logFolderOf(state), 'tile'), { recursive: true })
async function expectRefused(sentence: RegExp | string, change: Parameters<typeof own>[0] = {}): Promise<void> {
  const before = published()
  await expect(own(change)).rejects.toThrow(sentence)
  // Nothing was signed, and nothing that was shown is another.
  const after = published()
  for (const [file, bytes] of Object.entries(before)) expect(after[file], file).toBe(bytes)
}

test('an older copy of the database is not written on: that would fork the log', async () => {
  const copy = join(folder, 'ecluse.db')
  cpSync(join(state, 'ecluse.db'), copy)
  const shown = (await readLog(state, true)).size
  await write(10, START)
  cpSync(copy, join(state, 'ecluse.db'))
  const now = (await readLog(state, true)).size
  await expectRefused(
    `the log was shown with ${now} entries and the database knows ${shown}: an older copy of ecluse.db was restored. Signing on would fork the log`,
  )
})

test('nor is a new database beside a log that was shown', async () => {
  rmSync(join(state, 'ecluse.db'))
  await expectRefused(/^the log was shown with \d+ entries and the database knows 0: an older copy/)
})

const OTHER = Buffer.from('{"n":5,"t":"access.summary","v":1}')
test.each([
  ['an entry of a full tile', [['UPDATE entry SET bytes = ? WHERE n = 5', OTHER]]],
  ['an entry of the last tile', [['UPDATE entry SET bytes = ? WHERE n = 299', OTHER]]],
  ['an entry of a full tile, with its leaf', [['UPDATE entry SET bytes = ?, leaf = ? WHERE n = 5', OTHER, leafHash(OTHER)]]],
  ['an entry of the last tile, with its leaf', [['UPDATE entry SET bytes = ?, leaf = ? WHERE n = 299', OTHER, leafHash(OTHER)]]],
  ['a hash of the upper level', [['UPDATE tile_hash SET hash = ? WHERE level = 1 AND i = 0', leafHash(OTHER)]]],
  ['an entry less', [['DELETE FROM entry WHERE n = 5']]],
  ['the last entry less', [['DELETE FROM entry WHERE n = (SELECT max(n) FROM entry)']]],
] as const)('%s changed in the database is noticed, whether or not the files are there', async (_name, statements) => {
  alter(...statements)
  const changed =
    /are not those (that were sealed|of its signed checkpoint): (the database|ecluse\.db) was changed or is damaged\. Restore it from a backup; keep this folder as evidence$/
  await expectRefused(changed)
  removeTiles()
  await expectRefused(changed)
})

test('a checkpoint that another hand wrote is refused, in the database and in the file', async () => {
  const file = join(logFolderOf(state), 'checkpoint')
  const note = readFileSync(file, 'utf8')
  const forged = note.replace(/\n\d+\n/, '\n299\n')
  writeFileSync(file, forged)
  await expectRefused(`the file ${file} does not carry this instance's signature: the signing key is another one, or it was changed`)
  writeFileSync(file, note)
  alter(['UPDATE checkpoint SET body = ?', forged])
  await expectRefused("the checkpoint in ecluse.db does not carry this instance's signature")
})

test.each([
  ['signing', /the signing key is not the one of the log \S+: give that one \(evidence.keys.signing\)/],
  ['master', "the master key is not the one under which the subjects' keys are wrapped: give that one (evidence.keys.master)"],
  ['index', 'the index key is not the one with which the meters in ecluse.db are found: give that one (evidence.keys.index)'],
])('another %s key is refused', async (name, sentence) => {
  await expectRefused(sentence, { keys: { [name]: key(9) } })
  // The right one finds everything as it was.
  await (await own()).stop()
  expect((await readLog(state, true)).types).toMatchObject({ 'log.recovered': 1, 'access.summary': ROWS })
})

test('a clock behind the last entry is refused beyond ten minutes, and within them no entry goes back', async () => {
  await expectRefused(
    'the clock says 2029-12-31T23:49:59.999Z, the last entry was written at 2030-01-01T00:00:00.000Z: set the clock and start again',
    {
      now: START - 600_001,
    },
  )
  await write(1, START - 600_000)
  const { entries } = await readLog(state, true)
  expect(entries.at(-1)?.at).toBe('2030-01-01T00:00:00.000Z')
})

test('files of the log that are gone are written again, byte for byte; one that is another is the end', async () => {
  const before = published()
  removeTiles()
  await (await own()).stop()
  const after = published()
  const full = Object.entries(before).filter(([file]) => file.includes('/tile/') && !file.includes('.p/'))
  expect(full.length).toBe(2)
  for (const [file, bytes] of full) expect(after[file], file).toBe(bytes)
  await readLog(state, true)

  const [tile = ''] = full.map(([file]) => file)
  rmSync(tile)
  writeFileSync(tile, Buffer.alloc(8192))
  await expectRefused(/^the published file tile\/\S+ has other bytes than the log: it was changed, or two gates wrote one log$/)
})

test('calls of the last hour are known after a start, and of a data holder that counts by days those of the last day', async () => {
  const HOUR = 3_600_000
  const call = async (owned: OwnedState, dso: string, at: number): Promise<void> => {
    const intent = { req: `r${at}`, dso, api: 'x', why: 'reconciliation', query: 'x', now: at }
    await owned.client.call('ownIntent', intent)
  }
  const first = await own({ now: START })
  await call(first, 'grdf-adict/gas', START + HOUR)
  await call(first, 'enedis-sge/contract', START + 2 * HOUR)
  await call(first, 'grdf-adict/gas', START + 20 * HOUR)
  await call(first, 'enedis-sge/contract', START + 24.5 * HOUR)
  await first.stop()
  const second = await own({ now: START + 25.2 * HOUR })
  const known = second.ready.recentCalls.map(({ provider, at }) => [provider, (at - START) / HOUR])
  expect(known.toSorted()).toStrictEqual([
    ['enedis-sge', 24.5],
    ['grdf-adict', 20],
  ])
  await second.stop()
})
