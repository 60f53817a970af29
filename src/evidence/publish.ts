/**
 * Shows the log: full tiles and bundles, then partial ones, then a signed checkpoint, as C2SP tlog-tiles lays them
 * out. Signing comes last and the database row is the lock: only what was compared and swapped there is shown, so that
 * no two checkpoints are ever signed that are not one a prefix of the other.
 *
 * Every file is written, synced, renamed, and its folder synced; without the last the name is lost in a power cut.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { EMPTY_ROOT, HASH_BYTES, leafHash, rowRoot, subtreeRoot } from './log/merkle.ts'
import type { NoteSigner } from './log/note.ts'
import { checkpointText, signNote } from './log/note.ts'
import type { Tile } from './log/tiles.ts'
import { encodeBundle, hashesAt, newTiles, TILE_WIDTH, tilePath } from './log/tiles.ts'

export interface Publisher {
  /** Publishes what is sealed; gives the size shown. */
  publish(): number
  /** Root of the first `size` entries, from stored hashes. */
  root(size: number): Buffer
  readonly shown: number
}

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
  /** Hashes of a level, laid one behind the other. */
  const row = (level: number, from: number, to: number): Buffer =>
    Buffer.concat((level === 0 ? sql.leaves.all(from, to) : sql.hashes.all(level, from, to)).map((r) => r['hash'] as Uint8Array))

  function root(size: number): Buffer {
    // From the right: what is left over of each level is folded onto the complete subtrees to its left.
    let right: Uint8Array | undefined
    for (let level = 0; hashesAt(level, size) > 0; level += 1) {
      const complete = hashesAt(level, size)
      right = rowRoot(row(level, complete - (complete % TILE_WIDTH), complete), right)
    }
    return Buffer.from(right ?? EMPTY_ROOT)
  }

  function bytesOf({ level, index, width }: Tile): Buffer {
    if (level !== 'entries') return hashesOf(level, index, width)
    const from = index * TILE_WIDTH
    const leaves = hashesOf(0, index, width)
    const entries = sql.entries.all(from, from + width).map((r) => r['bytes'] as Uint8Array)
    if (!Buffer.concat(entries.map(leafHash)).equals(leaves)) throw changed(from)
    return encodeBundle(entries)
  }

  function hashesOf(level: number, index: number, width: number): Buffer {
    const hashes = row(level, index * TILE_WIDTH, index * TILE_WIDTH + width)
    const whole = hashes.byteLength === width * HASH_BYTES
    const closed = width < TILE_WIDTH || (whole && subtreeRoot(hashes).equals(row(level + 1, index, index + 1)))
    if (!whole || !closed) throw changed(index * TILE_WIDTH ** (level + 1))
    return hashes
  }

  /** What is shown is what was sealed: entries give their leaves, and each full tile its hash in the level above. */
  function changed(entry: number): Error {
    return new Error(
      `the entries from ${entry} on are not those that were sealed: ecluse.db was changed or is damaged. Restore it from a backup; keep this folder as evidence`,
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
      for (const tile of newTiles(shown, size)) put(tilePath(tile.level, tile.index, tile.width), bytesOf(tile))
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

export function writeDurably(file: string, bytes: Uint8Array, mode: number, temporary = `${file}.new`): void {
  const dir = dirname(file)
  makeDir(dir)
  rmSync(temporary, { force: true })
  const fd = openSync(temporary, 'wx', mode)
  try {
    writeFileSync(fd, bytes)
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
