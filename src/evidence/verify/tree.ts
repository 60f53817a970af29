/**
 * Walks a log's files from the first entry to the last and computes the tree again: bundles give leaves, leaves give
 * tiles, tiles give the root, and each file met is compared byte for byte. Holds one tile of each level at a time.
 *
 * Tiles beyond the signed size may exist (written before the next checkpoint is signed); nobody vouches for them and
 * they are not looked at. Source: C2SP tlog-tiles.
 */
import { EMPTY_ROOT, HASH_BYTES, leafHash, rowRoot, subtreeRoot } from '../log/merkle.ts'
import { parseSize } from '../log/note.ts'
import type { TileLevel } from '../log/tiles.ts'
import { decodeBundle, TILE_WIDTH, tilePath } from '../log/tiles.ts'

export interface LogFiles {
  /** The file's bytes, or undefined where there is none. Throws where it cannot be read. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Names in a folder; none where there is no such folder. */
  list(folder: string): Promise<readonly string[]>
}

export type TreeMistake = 'missing' | 'malformed' | 'differs' | 'unknown_file'

/** Where the log stops being what was signed. */
export interface TreeFault {
  readonly why: TreeMistake
  readonly file: string
  /** The first entry that is not what the tiles say. */
  readonly entry?: number
}

export interface TreeWalk {
  /** Called for each entry in order, once its hash stands in the log's own tile. */
  readonly onEntry: (n: number, entry: Uint8Array) => void
  /** Sizes at which the root is wanted, ascending. */
  readonly sizes: readonly number[]
  readonly onRoot: (size: number, root: Uint8Array) => void
  readonly onProgress: (entries: number) => void
}

/** Undefined when every file up to `size` is what the entries make of it. */
export async function walkTree(files: LogFiles, size: number, walk: TreeWalk): Promise<TreeFault | undefined> {
  /** Of each level, the hashes of the tile that is being filled. */
  const rows: Uint8Array[] = []
  const sizes = walk.sizes.filter((s) => s > 0)
  if (walk.sizes.includes(0)) walk.onRoot(0, EMPTY_ROOT)

  /** The root of the first `size` leaves, `size` lying in the tile whose leaves are `leaves`. */
  function rootWith(leaves: Uint8Array): Uint8Array {
    const above = rows.slice(1)
    return above.reduce((root, row) => rowRoot(row, root) ?? root, rowRoot(leaves, undefined) ?? EMPTY_ROOT)
  }

  /** A full tile is one hash of the level above. */
  async function close(level: number, index: number, row: Uint8Array): Promise<TreeFault | undefined> {
    const before = rows[level + 1] ?? new Uint8Array()
    const above = Buffer.concat([before, subtreeRoot(row)])
    rows[level] = new Uint8Array()
    rows[level + 1] = above
    if (above.byteLength < TILE_WIDTH * HASH_BYTES) return undefined
    const parent = Math.floor(index / TILE_WIDTH)
    return (await compare(files, level + 1, parent, above, HASH_BYTES)) ?? close(level + 1, parent, above)
  }

  for (let index = 0; index * TILE_WIDTH < size; index += 1) {
    const first = index * TILE_WIDTH
    const width = Math.min(TILE_WIDTH, size - first)
    const bundle = await readBundle(files, index, width)
    if ('why' in bundle) return bundle
    const leaves = Buffer.concat(bundle.entries.map(leafHash))
    const fault =
      (await compare(files, 0, index, leaves, HASH_BYTES)) ?? (await comparePartials(files, 'entries', index, bundle.cuts, bundle.bytes))
    if (fault) return fault
    for (const [i, entry] of bundle.entries.entries()) walk.onEntry(first + i, entry)
    for (; sizes[0] !== undefined && sizes[0] <= first + width; sizes.shift()) {
      walk.onRoot(sizes[0], rootWith(leaves.subarray(0, (sizes[0] - first) * HASH_BYTES)))
    }
    rows[0] = leaves
    if (width === TILE_WIDTH) {
      const faultAbove = await close(0, index, leaves)
      if (faultAbove) return faultAbove
    }
    walk.onProgress(first + width)
  }
  // Level 0 was compared as it was read; above it, the tiles that did not fill.
  for (let level = 1, count = Math.floor(size / TILE_WIDTH); count > 0; level += 1, count = Math.floor(count / TILE_WIDTH)) {
    const row = rows[level] ?? new Uint8Array()
    const fault = row.byteLength > 0 ? await compare(files, level, Math.floor(count / TILE_WIDTH), row, HASH_BYTES) : undefined
    if (fault) return fault
  }
  return undefined
}

interface Bundle {
  readonly entries: readonly Uint8Array[]
  /** Where each entry ends. */
  readonly cuts: readonly number[]
  readonly bytes: Uint8Array
}

async function readBundle(files: LogFiles, index: number, width: number): Promise<Bundle | TreeFault> {
  const found = await readTile(files, 'entries', index, width)
  if (!found) return { why: 'missing', file: tilePath('entries', index, width) }
  const all = decodeBundle(found.bytes, found.width)
  if (!all) return { why: 'malformed', file: found.path }
  const entries = all.slice(0, width)
  let end = 0
  const cuts = entries.map((entry) => (end += 2 + entry.byteLength))
  return { entries, cuts, bytes: found.bytes.subarray(0, end) }
}

/** The tile of this width, or where it is gone the full one. */
async function readTile(
  files: LogFiles,
  level: TileLevel,
  index: number,
  width: number,
): Promise<{ readonly bytes: Uint8Array; readonly path: string; readonly width: number } | undefined> {
  const path = tilePath(level, index, width)
  const bytes = await files.read(path)
  if (bytes) return { bytes, path, width }
  if (width === TILE_WIDTH) return undefined
  const full = tilePath(level, index)
  const wider = await files.read(full)
  return wider && { bytes: wider, path: full, width: TILE_WIDTH }
}

/** Compares a tile of hashes, and every narrower form of it that is still there, with the hashes computed. */
async function compare(files: LogFiles, level: number, index: number, row: Uint8Array, step: number): Promise<TreeFault | undefined> {
  const width = row.byteLength / step
  const found = await readTile(files, level, index, width)
  if (!found) return { why: 'missing', file: tilePath(level, index, width) }
  if (found.bytes.byteLength !== found.width * step) return { why: 'malformed', file: found.path }
  const seen = found.bytes.subarray(0, row.byteLength)
  if (Buffer.compare(seen, row) !== 0) {
    const differs = Math.floor(row.findIndex((byte, i) => byte !== seen[i]) / step)
    return { why: 'differs', file: found.path, ...(level === 0 && { entry: index * TILE_WIDTH + differs }) }
  }
  const cuts = Array.from({ length: width }, (_, i) => (i + 1) * step)
  return comparePartials(files, level, index, cuts, row)
}

/** A partial tile of width w is the beginning of `bytes`, up to the w-th cut. */
async function comparePartials(
  files: LogFiles,
  level: TileLevel,
  index: number,
  cuts: readonly number[],
  bytes: Uint8Array,
): Promise<TreeFault | undefined> {
  const folder = `${tilePath(level, index)}.p`
  for (const name of await files.list(folder)) {
    const file = `${folder}/${name}`
    const width = parseSize(name)
    if (width === undefined || width < 1 || width >= TILE_WIDTH) return { why: 'unknown_file', file }
    const end = cuts[width - 1]
    if (end === undefined) continue
    const seen = await files.read(file)
    // Gone since it was listed: a writer removes partial tiles when the full one is there.
    if (seen && Buffer.compare(seen, bytes.subarray(0, end)) !== 0) return { why: 'differs', file }
  }
  return undefined
}
