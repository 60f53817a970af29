/** A log of another gate is copied as it was shown: byte by byte, a piece at a time, and again when it has grown. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { openNote, parseCheckpoint, signerOf, vkeyOf } from '../../../src/evidence/log/note.ts'
import { tilePath, tilesOf } from '../../../src/evidence/log/tiles.ts'
import type { Copying } from '../../../src/evidence/publish.ts'
import { copyShown, publisherOn } from '../../../src/evidence/publish.ts'
import { sealerOn } from '../../../src/evidence/sealer.ts'
import { openState } from '../../../src/storage/sqlite.ts'
import { aJournal } from '../../given.ts'

const ORIGIN = 'copy.test.localhost/journal/2026'
const folder = mkdtempSync(join(tmpdir(), 'ecluse-copy-'))
const signer = signerOf(ORIGIN, Buffer.alloc(32, 3))
const state = openState(join(folder, 'state'))
const { journal, log } = aJournal(state.db, ORIGIN)
const sealer = sealerOn(state.db, state.atomically, 'test', { get: () => undefined, prefetch: () => undefined }, journal.read)
const publisher = publisherOn(state.db, log.id, join(folder, 'log'), signer)
afterAll(() => {
  state.close()
  rmSync(folder, { recursive: true })
})

function grow(to: number): void {
  state.db.exec('BEGIN')
  while (journal.next() < to) journal.append({ clear: { t: 'log.config', policy: String(journal.next()) } }, journal.next() as Millis)
  state.db.exec('COMMIT')
  while (sealer.seal(log, 512) > 0);
}
const sizeOf = (checkpoint: string): number => {
  const note = openNote(checkpoint, [vkeyOf(signer)])
  return note.ok ? (parseCheckpoint(note.text)?.size ?? 0) : 0
}
/** Gives in how many pieces. */
function copy(between?: () => void): number | undefined {
  let before: Copying | undefined
  for (let pieces = 1; ; pieces += 1) {
    const made = copyShown(state.db, log.id, join(folder, 'copy'), sizeOf, before)
    if (made === undefined) return undefined
    if (made === 'whole') return pieces
    before = made
    between?.()
  }
}
const filesOf = (name: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' })
      .filter((file) => statSync(join(folder, name, file)).isFile())
      .map((file) => [file, readFileSync(join(folder, name, file), 'hex')]),
  )

test('of a log that was never shown there is nothing to copy', () => {
  grow(10)
  expect(copy()).toBeUndefined()
})

test('a long one comes in pieces, and is what its own gate shows', () => {
  grow(5000)
  publisher.publish()
  expect(copy()).toBeGreaterThan(2)
  expect(filesOf('copy')).toStrictEqual(filesOf('log'))
})

test('grown since, it is copied to where it was shown when the copying began', () => {
  grow(6100)
  publisher.publish()
  let shown: ReadonlyMap<string, string> | undefined
  copy(() => {
    shown ??= filesOf('log')
    grow(journal.next() + 300)
    publisher.publish()
  })
  expect(filesOf('copy').get('checkpoint')).toBe(shown?.get('checkpoint'))
  expect(copy()).toBeGreaterThan(0)
  const [copied, own] = [filesOf('copy'), filesOf('log')]
  expect(copied.get('checkpoint')).toBe(own.get('checkpoint'))
  // Of what was partial on the way each may have other forms; all that this checkpoint needs is there.
  for (const { level, index, width } of tilesOf(publisher.shown)) {
    const path = tilePath(level, index, width)
    expect([path, copied.get(path)]).toStrictEqual([path, own.get(path)])
  }
})
