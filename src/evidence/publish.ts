/**
 * Shows the log: full tiles and bundles, then partial ones, then a signed checkpoint, as C2SP tlog-tiles lays them
 * out. Signing comes last and the database row is the lock: only what was compared and swapped there is shown, so that
 * no two checkpoints are ever signed that are not one a prefix of the other.
 *
 * Every file is written, synced, renamed, and its folder synced; without the last the name is lost in a power cut.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { leafHash, nodeHash } from './log/merkle.ts'
import type { NoteSigner } from './log/note.ts'
import { checkpointText, signNote } from './log/note.ts'
import { encodeBundle, tilePath } from './log/tiles.ts'

export interface Publisher {
  /** Publishes what is sealed; gives the size shown. */
  publish(): number
  /** Root of the first `size` entries, from stored hashes. */
  root(size: number): Buffer
  readonly shown: number
}

const WIDTH = 256

export function publisherOn(db: DatabaseSync, folder: string, signer: NoteSigner): Publisher {
  const sql = {
    last: db.prepare('SELECT max(n) AS last FROM entry'),
    leaves: db.prepare('SELECT leaf AS hash FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    hashes: db.prepare('SELECT hash FROM tile_hash WHERE level = ? AND i >= ? AND i < ? ORDER BY i'),
    entries: db.prepare('SELECT bytes FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    body: db.prepare('SELECT body FROM checkpoint WHERE only = 1'),
    insert: db.prepare('INSERT INTO checkpoint (only, body) VALUES (1, ?)'),
    swap: db.prepare('UPDATE checkpoint SET body = ? WHERE only = 1 AND body = ?'),
  }
  // One writer, one name, outside the tiles: what a crash leaves here belongs to no log.
  const unfinished = join(folder, '.unfinished')
  // Nothing is taken for published at start: missing files are written again, those present are compared.
  let shown = 0
  const hashesOf = (level: number, from: number, to: number): Uint8Array[] =>
    (level === 0 ? sql.leaves.all(from, to) : sql.hashes.all(level, from, to)).map((row) => row['hash'] as Uint8Array)

  function root(size: number): Buffer {
    // From the right: what is left over of each level is folded onto the complete subtrees to its left.
    let right: Uint8Array | undefined
    for (let level = 0, width = 1; width <= size; level += 1, width *= WIDTH) {
      const complete = Math.floor(size / width)
      const hashes = hashesOf(level, complete - (complete % WIDTH), complete)
      right = foldRight(hashes, right)
    }
    return Buffer.from(right ?? EMPTY_ROOT)
  }

  function writeTiles(from: number, to: number): void {
    for (let level = 0, width = 1; width <= to; level += 1, width *= WIDTH) {
      const before = Math.floor(from / width)
      const after = Math.floor(to / width)
      if (after === before) continue
      for (let tile = Math.floor(before / WIDTH); tile * WIDTH < after; tile += 1) {
        const end = Math.min(after, (tile + 1) * WIDTH)
        const count = end - tile * WIDTH
        const hashes = hashesOf(level, tile * WIDTH, end)
        if (level === 0) {
          const bytes = sql.entries.all(tile * WIDTH, end).map((row) => row['bytes'] as Uint8Array)
          if (bytes.length !== count || !bytes.every((entry, i) => leafHash(entry).equals(hashes[i] ?? EMPTY_ROOT))) throw changed(tile)
          put(tilePath('entries', tile, count), encodeBundle(bytes))
        }
        if (
          hashes.length !== count ||
          (count === WIDTH && Buffer.compare(complete(hashes), hashesOf(level + 1, tile, tile + 1)[0] ?? EMPTY_ROOT) !== 0)
        )
          throw changed(tile * width)
        put(tilePath(level, tile, count), Buffer.concat(hashes))
      }
    }
  }

  /** What is shown is what was sealed: entries give their leaves, and each full tile its hash in the level above. */
  function changed(tile: number): Error {
    return new Error(
      `the entries from ${tile * WIDTH} on are not those that were sealed: ecluse.db was changed or is damaged. Restore it from a backup; keep this folder as evidence`,
    )
  }

  function put(path: string, bytes: Uint8Array): void {
    const file = join(folder, path)
    if (existsSync(file)) {
      if (!readFileSync(file).equals(bytes))
        throw new Error(`the published file ${path} has other bytes than the log: it was changed, or two gates wrote one log`)
      return
    }
    writeDurably(file, bytes, 0o444, unfinished)
    // Once a tile is full its partial forms tell nothing more.
    if (!path.includes('.p/')) rmSync(`${file}.p`, { recursive: true, force: true })
  }

  return {
    root,
    get shown() {
      return shown
    },
    publish() {
      const size = Number(sql.last.get()?.['last'] ?? -1) + 1
      if (size === shown || size === 0) return shown
      writeTiles(shown, size)
      const body = signNote(checkpointText(signer.name, size, root(size)), [signer])
      const previous = sql.body.get()
      // From here on this checkpoint exists, whatever happens to the file.
      if (previous === undefined) sql.insert.run(body)
      else if (Number(sql.swap.run(body, String(previous['body'])).changes) !== 1)
        throw new Error('another writer signed a checkpoint of this log')
      writeDurably(join(folder, 'checkpoint'), Buffer.from(body), 0o644, unfinished)
      shown = size
      return shown
    },
  }
}

const EMPTY_ROOT = Buffer.from('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', 'base64')

/** Complete subtrees of one size, left to right, with what is left over to their right (RFC 6962 § 2.1). */
function foldRight(hashes: readonly Uint8Array[], right: Uint8Array | undefined): Uint8Array | undefined {
  let result = right
  let end = hashes.length
  for (let width = 1; end > 0; width *= 2) {
    if (Math.floor(end / width) % 2 === 0) continue
    const subtree = complete(hashes.slice(end - width, end))
    result = result === undefined ? subtree : nodeHash(subtree, result)
    end -= width
  }
  return result
}

function complete(hashes: readonly Uint8Array[]): Uint8Array {
  const half = hashes.length / 2
  const first = hashes[0]
  if (first === undefined) throw new RangeError('an empty subtree')
  return hashes.length === 1 ? first : nodeHash(complete(hashes.slice(0, half)), complete(hashes.slice(half)))
}

export function writeDurably(file: string, bytes: Uint8Array, mode: number, temporary = `${file}.new`): void {
  const dir = dirname(file)
  makeDir(dir)
  rmSync(temporary, { force: true })
  const fd = openSync(temporary, 'wx', mode)
  try {
    writeSync(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
  syncDir(dir)
}

function makeDir(dir: string): void {
  if (existsSync(dir)) return
  makeDir(dirname(dir))
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  syncDir(dirname(dir))
}

function syncDir(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
