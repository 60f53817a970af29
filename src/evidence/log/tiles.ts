/**
 * How a log lies in files: tiles of 256 hashes, bundles of 256 entries, and the paths of both, full and partial.
 * A full tile is one hash of the level above; a partial one never is. Source: C2SP tlog-tiles.
 */
import type { HashAt } from './merkle.ts'
import { HASH_BYTES, subtreeRoot } from './merkle.ts'

export const TILE_WIDTH = 256
const TILE_HEIGHT = 8

/** `entries` for a bundle, else the level of hashes: 0 are the leaves. */
export type TileLevel = number | 'entries'

export interface Tile {
  readonly level: TileLevel
  readonly index: number
  /** Hashes or entries in it, 1 to 256. */
  readonly width: number
}

/** `tile/0/x001/x234/067`, or with `.p/<width>` behind it where it is not full. */
export function tilePath(level: TileLevel, index: number, width: number = TILE_WIDTH): string {
  if (!Number.isSafeInteger(index) || index < 0 || !Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new RangeError(`no tile ${index} of width ${width}`)
  }
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const groups = padded.match(/.{3}/g) ?? []
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/** Hashes that the tree of `size` has at `level`. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

/** What must be written when a log grows, in the order in which a reader may rely on it: each bundle with its tile, then the levels above. */
export function* newTiles(oldSize: number, newSize: number): Generator<Tile> {
  for (let level = 0; hashesAt(level, newSize) > 0; level += 1) {
    const before = hashesAt(level, oldSize)
    const after = hashesAt(level, newSize)
    if (before === after) continue
    for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < after; index += 1) {
      const width = Math.min(TILE_WIDTH, after - index * TILE_WIDTH)
      if (level === 0) yield { level: 'entries', index, width }
      yield { level, index, width }
    }
  }
}

/** All tiles and bundles of the tree of `size`. */
export function tilesOf(size: number): Generator<Tile> {
  return newTiles(0, size)
}

/** Each entry behind its length as a big-endian uint16. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  if (entries.length > TILE_WIDTH) throw new RangeError(`${entries.length} entries in one bundle`)
  const bundle = Buffer.allocUnsafe(entries.reduce((bytes, entry) => bytes + 2 + entry.byteLength, 0))
  let at = 0
  for (const entry of entries) {
    at = bundle.writeUInt16BE(entry.byteLength, at)
    bundle.set(entry, at)
    at += entry.byteLength
  }
  return bundle
}

/** Exactly `width` entries and not a byte more, or undefined. The entries are views of `bundle`. */
export function decodeBundle(bundle: Uint8Array, width: number): Uint8Array[] | undefined {
  const entries: Uint8Array[] = []
  let at = 0
  while (entries.length < width) {
    const high = bundle[at]
    const low = bundle[at + 1]
    if (high === undefined || low === undefined) return undefined
    const end = at + 2 + high * 256 + low
    if (end > bundle.byteLength) return undefined
    entries.push(bundle.subarray(at + 2, end))
    at = end
  }
  return at === bundle.byteLength ? entries : undefined
}

/**
 * Hashes of the tree of `size` from its tiles, for proofs. Where a partial tile is gone the full one serves. What is
 * read is not authenticated here: the proof made of it is, when it is verified. Throws where a tile is missing.
 */
export function hashesFromTiles(read: (path: string) => Promise<Uint8Array | undefined>, size: number): HashAt {
  return async (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const count = 2 ** (height % TILE_HEIGHT)
    const first = index * count
    const tile = Math.floor(first / TILE_WIDTH)
    const width = Math.min(TILE_WIDTH, hashesAt(level, size) - tile * TILE_WIDTH)
    const path = tilePath(level, tile, width)
    const bytes = (await read(path)) ?? (width < TILE_WIDTH ? await read(tilePath(level, tile)) : undefined)
    const from = (first - tile * TILE_WIDTH) * HASH_BYTES
    const row = bytes?.subarray(from, from + count * HASH_BYTES)
    if (row?.byteLength !== count * HASH_BYTES) throw new Error(`${path} is missing or too short`)
    return subtreeRoot(row)
  }
}
