/**
 * Whether one entry is in the log that was signed, worked out step by step so that each step can be shown: the hash of
 * its bytes, the path from it to the root, the signature under that root. Synchronous, from the stored hashes.
 * Source: RFC 9162 § 2.1.3; C2SP tlog-proof.
 */
import { logOf, numberOf, positionOf } from '../domain/position.ts'
import type { Database } from '../storage/database.ts'
import { leafHash, nodeHash, subtreeRoot, verifyInclusion } from './log/merkle.ts'
import { openNote, parseCheckpoint } from './log/note.ts'
import { proofText } from './log/proof.ts'
import { TILE_WIDTH } from './log/tiles.ts'

export type EntryProof =
  /** No signed checkpoint holds it yet: one is signed every few seconds. */
  | { readonly is: 'waiting'; readonly shown: number }
  | {
      readonly is: 'checked'
      readonly size: number
      /** Hex. */
      readonly root: string
      readonly leaf: string
      /** The sibling first; hex. */
      readonly path: readonly string[]
      readonly included: boolean
      readonly signed: boolean
      readonly vkey: string
      /** The signed note, word for word. */
      readonly checkpoint: string
      /** `*.tlog-proof`, ready to be handed out. */
      readonly file: string
    }

const TILE_HEIGHT = Math.log2(TILE_WIDTH)

/** @param vkeyOf of a log, by its number */
export function proofsOn(db: Database, vkeyOf: (log: number) => string): { of(position: number, entry: Uint8Array): EntryProof } {
  const sql = {
    checkpoint: db.prepare('SELECT body FROM checkpoint WHERE log = ?'),
    leaves: db.prepare('SELECT leaf AS hash FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    hashes: db.prepare('SELECT hash FROM tile_hash WHERE level = ? AND i >= ? AND i < ? ORDER BY i'),
  }
  /** Root of the complete subtree over leaves `index · 2^height` to `(index + 1) · 2^height`. */
  function subtree(log: number, height: number, index: number): Buffer {
    const level = Math.floor(height / TILE_HEIGHT)
    const count = 2 ** (height % TILE_HEIGHT)
    const [from, to] = [positionOf(log, index * count), positionOf(log, (index + 1) * count)]
    const rows = level === 0 ? sql.leaves.all(from, to) : sql.hashes.all(level, from, to)
    return subtreeRoot(Buffer.concat(rows.map((row) => row['hash'] as Uint8Array)))
  }
  /** Root over leaves `lo` to `hi`, where `lo` is aligned as the splits of RFC 6962 leave it. */
  function rangeRoot(log: number, lo: number, hi: number): Buffer {
    const roots: Buffer[] = []
    for (let from = lo; from < hi;) {
      let [height, width] = [0, 1]
      while (from + width * 2 <= hi && from % (width * 2) === 0) [height, width] = [height + 1, width * 2]
      roots.push(subtree(log, height, from / width))
      from += width
    }
    return roots.reduceRight((right, left) => nodeHash(left, right))
  }
  function pathTo(log: number, n: number, size: number): Buffer[] {
    const ranges: [number, number][] = []
    let [lo, hi] = [0, size]
    while (hi - lo > 1) {
      let width = 1
      while (width * 2 < hi - lo) width *= 2
      const middle = lo + width
      ranges.push(n < middle ? [middle, hi] : [lo, middle])
      if (n < middle) hi = middle
      else lo = middle
    }
    return ranges.toReversed().map(([from, to]) => rangeRoot(log, from, to))
  }
  return {
    of(position, entry) {
      const [log, n] = [logOf(position), numberOf(position)]
      const vkey = vkeyOf(log)
      const body = sql.checkpoint.get(log)?.['body']
      const note = typeof body === 'string' ? openNote(body, [vkey]) : undefined
      // An unsigned note's text is read only to say which step failed: nothing is concluded from it.
      const said = typeof body === 'string' ? parseCheckpoint(body.slice(0, body.indexOf('\n\n') + 1)) : undefined
      if (typeof body !== 'string' || !said || n >= said.size) return { is: 'waiting', shown: said?.size ?? 0 }
      const leaf = leafHash(entry)
      const path = pathTo(log, n, said.size)
      return {
        is: 'checked',
        size: said.size,
        root: Buffer.from(said.root).toString('hex'),
        leaf: leaf.toString('hex'),
        path: path.map((hash) => hash.toString('hex')),
        included: verifyInclusion(n, said.size, leaf, path, said.root),
        signed: note?.ok === true,
        vkey,
        checkpoint: body,
        file: proofText({ index: n, proof: path, checkpoint: body, extra: null }),
      }
    },
  }
}
