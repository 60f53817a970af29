/**
 * Shows the log: full tiles and bundles, then partial ones, then a signed checkpoint, as C2SP tlog-tiles lays them
 * out. Signing comes last and the database row is the lock: only what was compared and swapped there is shown, so that
 * no two checkpoints are ever signed that are not one a prefix of the other.
 *
 * Every file is written, synced, renamed, and its folder synced; without the last the name is lost in a power cut.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { numberOf, positionOf } from '../domain/position.ts'
import type { Database } from '../storage/database.ts'
import { writeDurably } from '../storage/files.ts'
import { EMPTY_ROOT, HASH_BYTES, leafHash, rowRoot, subtreeRoot } from './log/merkle.ts'
import type { NoteSigner } from './log/note.ts'
import { checkpointText, signNote } from './log/note.ts'
import type { Tile } from './log/tiles.ts'
import { encodeBundle, hashesAt, newTiles, TILE_WIDTH, tilePath, tilesOf } from './log/tiles.ts'

export interface Publisher {
  /** Publishes what is sealed; gives the size shown. */
  publish(): number
  /** Root of the first `size` entries, from stored hashes. */
  root(size: number): Buffer
  readonly shown: number
  /** Whether the database knows of less than was shown: what took its place is older. */
  behind(): boolean
}

/** @param log number of the log */
export function publisherOn(db: Database, log: number, folder: string, signer: NoteSigner): Publisher {
  const tiles = tilesIn(db, log, folder)
  const sql = {
    body: db.prepare('SELECT body FROM checkpoint WHERE log = ?'),
    insert: db.prepare('INSERT INTO checkpoint (log, body) VALUES (?, ?)'),
    swap: db.prepare('UPDATE checkpoint SET body = ? WHERE log = ? AND body = ?'),
  }
  // Nothing is taken for published at start: missing files are written again, those present are compared.
  let shown = 0
  return {
    root: tiles.root,
    get shown() {
      return shown
    },
    behind() {
      const body = sql.body.get(log)?.['body']
      // The second line of a checkpoint is its size.
      return Number(body === undefined ? 0 : String(body).split('\n')[1]) < shown
    },
    publish() {
      const size = tiles.size()
      if (size === shown || size === 0) return shown
      for (const tile of newTiles(shown, size)) tiles.put(tile)
      const body = signNote(checkpointText(signer.name, size, tiles.root(size)), [signer])
      const previous = sql.body.get(log)
      // From here on this checkpoint exists, whatever happens to the file.
      if (previous === undefined) sql.insert.run(log, body)
      else if (Number(sql.swap.run(body, log, String(previous['body'])).changes) !== 1)
        throw new Error('another writer signed a checkpoint of this log')
      tiles.write('checkpoint', Buffer.from(body))
      shown = size
      return shown
    },
  }
}

/** A log that another gate writes, copied as it was last shown. */
export interface Copying {
  readonly checkpoint: string
  /** Tiles that are there. */
  readonly done: number
}

/** Where a log is shown. */
export interface Shown {
  readonly folder: string
  readonly vkey: string
  readonly size: number
  readonly next: Copying | null
}

const TILES_AT_ONCE = 16

/** Copies a piece: files that are there stay, the checkpoint comes last. Undefined where nothing of it was shown yet. */
export function copyShown(
  db: Database,
  log: number,
  folder: string,
  sizeOf: (checkpoint: string) => number,
  before?: Copying,
): Copying | 'whole' | undefined {
  const checkpoint = before?.checkpoint ?? db.prepare('SELECT body FROM checkpoint WHERE log = ?').get(log)?.['body']
  if (checkpoint === undefined) return undefined
  const tiles = tilesIn(db, log, folder)
  const from = before?.done ?? 0
  let at = 0
  for (const tile of tilesOf(sizeOf(String(checkpoint)))) {
    at += 1
    if (at <= from) continue
    if (!existsSync(join(folder, tilePath(tile.level, tile.index, tile.width)))) tiles.put(tile)
    if (at === from + TILES_AT_ONCE) return { checkpoint: String(checkpoint), done: at }
  }
  tiles.write('checkpoint', Buffer.from(String(checkpoint)))
  return 'whole'
}

/** What is stored of a log, and the files in which it is shown. */
function tilesIn(db: Database, log: number, folder: string) {
  const at = (number: number): number => positionOf(log, number)
  const sql = {
    last: db.prepare('SELECT max(n) AS last FROM entry WHERE n >= ? AND n < ?'),
    leaves: db.prepare('SELECT leaf AS hash FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    hashes: db.prepare('SELECT hash FROM tile_hash WHERE level = ? AND i >= ? AND i < ? ORDER BY i'),
    entries: db.prepare('SELECT bytes FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
  }
  // One writer, one name, outside the tiles: what a crash leaves here belongs to no log.
  const unfinished = join(folder, '.unfinished')
  /** Hashes of a level, laid one behind the other. */
  const row = (level: number, from: number, to: number): Buffer =>
    Buffer.concat(
      (level === 0 ? sql.leaves.all(at(from), at(to)) : sql.hashes.all(level, at(from), at(to))).map((r) => r['hash'] as Uint8Array),
    )

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
    const entries = sql.entries.all(at(from), at(from + width)).map((r) => r['bytes'] as Uint8Array)
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
    /** Entries sealed. */
    size(): number {
      const last = sql.last.get(at(0), positionOf(log + 1, 0))?.['last']
      return last === null || last === undefined ? 0 : numberOf(Number(last)) + 1
    },
    put: (tile: Tile) => put(tilePath(tile.level, tile.index, tile.width), bytesOf(tile)),
    write: (name: string, bytes: Uint8Array) => writeDurably(join(folder, name), bytes, 0o644, unfinished),
  }
}
