/**
 * The tree of RFC 6962 § 2.1 (unchanged in RFC 9162 § 2.1): hashes of leaves and nodes, the right edge to which leaves
 * are appended, inclusion and consistency proofs, and their verification step by step as RFC 9162 §§ 2.1.3.2 and
 * 2.1.4.2 write it. A proof that is too long is refused like one that is too short.
 *
 * Sizes and indexes are safe integers, never shifted or masked: JavaScript's bit operators cut at 32 bits.
 */
import { hash } from 'node:crypto'

export const HASH_BYTES = 32
/** SHA-256 of nothing: the root of the tree without entries. */
export const EMPTY_ROOT: Uint8Array = hash('sha256', new Uint8Array(), 'buffer')

const MOST_ENTRY_BYTES = 65_535
// One buffer each, refilled for every hash: the digest is taken before anything else can run.
const leafInput = new Uint8Array(1 + MOST_ENTRY_BYTES)
const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES)
// The prefixes keep a node from being passed off as a leaf.
nodeInput[0] = 0x01

/** Throws a RangeError on an entry that no bundle can hold. */
export function leafHash(entry: Uint8Array): Buffer {
  if (entry.byteLength > MOST_ENTRY_BYTES) throw new RangeError(`an entry of ${entry.byteLength} bytes`)
  leafInput.set(entry, 1)
  return hash('sha256', leafInput.subarray(0, 1 + entry.byteLength), 'buffer')
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  if (left.byteLength !== HASH_BYTES || right.byteLength !== HASH_BYTES) throw new RangeError('a hash that has not 32 bytes')
  nodeInput.set(left, 1)
  nodeInput.set(right, 1 + HASH_BYTES)
  return hash('sha256', nodeInput, 'buffer')
}

/** The roots of the complete subtrees of a growing tree, largest first: all that appending needs to know. */
export interface Edge {
  append(leaf: Uint8Array): void
  root(): Uint8Array
  readonly size: number
}

export function emptyEdge(): Edge {
  const hashes: Uint8Array[] = []
  let size = 0
  return {
    get size() {
      return size
    },
    append(leaf) {
      let node = leaf
      for (let n = size; n % 2 === 1; n = Math.floor(n / 2)) {
        const left = hashes.pop()
        if (left) node = nodeHash(left, node)
      }
      hashes.push(node)
      size += 1
    },
    root: () => fold(hashes) ?? EMPTY_ROOT,
  }
}

/** Root of a whole row of hashes laid one behind the other, their number a power of two: what a full tile stands for. */
export function subtreeRoot(row: Uint8Array): Buffer {
  let width = row.byteLength / HASH_BYTES
  if (!Number.isInteger(Math.log2(width))) throw new RangeError(`a row of ${row.byteLength} bytes is no complete subtree`)
  const work = Buffer.from(row)
  for (; width > 1; width /= 2) {
    for (let i = 0; i < width / 2; i += 1) {
      nodeInput.set(work.subarray(2 * i * HASH_BYTES, 2 * (i + 1) * HASH_BYTES), 1)
      work.set(hash('sha256', nodeInput, 'buffer'), i * HASH_BYTES)
    }
  }
  return work.subarray(0, HASH_BYTES)
}

/** Root of a row of equal, complete subtrees with, to their right, what is left over (smaller than one of them). */
export function rowRoot(row: Uint8Array, leftOver: Uint8Array | undefined): Uint8Array | undefined {
  let root = leftOver
  let end = row.byteLength / HASH_BYTES
  for (let width = 1; end > 0; width *= 2) {
    if (Math.floor(end / width) % 2 === 0) continue
    const subtree = subtreeRoot(row.subarray((end - width) * HASH_BYTES, end * HASH_BYTES))
    root = root === undefined ? subtree : nodeHash(subtree, root)
    end -= width
  }
  return root
}

/** Gives the root of the complete subtree over leaves `index · 2^height` to `(index + 1) · 2^height`. */
export type HashAt = (height: number, index: number) => Promise<Uint8Array>

/** Root of the first `size` leaves. */
export async function rootAt(size: number, hashAt: HashAt): Promise<Uint8Array> {
  return size === 0 ? EMPTY_ROOT : rangeRoot(0, size, hashAt)
}

/** Proof that leaf `index` is in the tree of `size`: its sibling first. Throws a RangeError where it is not. */
export async function inclusionProof(index: number, size: number, hashAt: HashAt): Promise<Uint8Array[]> {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) {
    throw new RangeError(`no entry ${index} in a log of ${size}`)
  }
  const ranges: [number, number][] = []
  let [lo, hi] = [0, size]
  while (hi - lo > 1) {
    const middle = lo + split(hi - lo)
    ranges.push(index < middle ? [middle, hi] : [lo, middle])
    if (index < middle) hi = middle
    else lo = middle
  }
  return rangeRoots(ranges, hashAt)
}

/** Proof that the tree of `oldSize` is a prefix of that of `newSize`. Throws a RangeError unless 1 ≤ old ≤ new. */
export async function consistencyProof(oldSize: number, newSize: number, hashAt: HashAt): Promise<Uint8Array[]> {
  if (!(Number.isSafeInteger(oldSize) && Number.isSafeInteger(newSize) && oldSize >= 1 && oldSize <= newSize)) {
    throw new RangeError(`no proof from ${oldSize} to ${newSize}`)
  }
  const ranges: [number, number][] = []
  let [lo, hi] = [0, newSize]
  // The verifier knows the old root: it is left out while the old tree is a subtree of the new one.
  let known = true
  while (oldSize !== hi) {
    const middle = lo + split(hi - lo)
    if (oldSize <= middle) {
      ranges.push([middle, hi])
      hi = middle
    } else {
      ranges.push([lo, middle])
      lo = middle
      known = false
    }
  }
  if (!known) ranges.push([lo, hi])
  return rangeRoots(ranges, hashAt)
}

/** RFC 9162 § 2.1.3.2. Never throws: what is not of the right form does not verify. */
export function verifyInclusion(index: number, size: number, leaf: Uint8Array, proof: readonly Uint8Array[], root: Uint8Array): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  if (![leaf, root, ...proof].every((h) => h.byteLength === HASH_BYTES)) return false
  let [fn, sn] = [index, size - 1]
  let r = leaf
  for (const p of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else {
      r = nodeHash(r, p)
    }
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && Buffer.compare(r, root) === 0
}

/**
 * RFC 9162 § 2.1.4.2. Never throws. An empty old tree is refused: it is a prefix of every tree and proves nothing.
 */
export function verifyConsistency(
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 1 || oldSize > newSize) return false
  if (oldSize === newSize) return proof.length === 0 && Buffer.compare(oldRoot, newRoot) === 0
  if (![oldRoot, newRoot, ...proof].every((h) => h.byteLength === HASH_BYTES)) return false
  const [first, ...rest] = split(2 * oldSize) === oldSize ? [oldRoot, ...proof] : proof
  if (first === undefined || proof.length === 0) return false
  let [fn, sn] = [oldSize - 1, newSize - 1]
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)]
  let [fr, sr] = [first, first]
  for (const c of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else {
      sr = nodeHash(sr, c)
    }
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && Buffer.compare(fr, oldRoot) === 0 && Buffer.compare(sr, newRoot) === 0
}

function half(n: number): number {
  return Math.floor(n / 2)
}

/** The largest power of two strictly smaller than `n`, for n ≥ 2. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** From the right: a lone subtree is not paired with itself, it rises unchanged. */
function fold(hashes: readonly Uint8Array[]): Uint8Array | undefined {
  return hashes.reduceRight<Uint8Array | undefined>((right, left) => (right === undefined ? left : nodeHash(left, right)), undefined)
}

async function rangeRoots(ranges: readonly (readonly [number, number])[], hashAt: HashAt): Promise<Uint8Array[]> {
  return Promise.all(ranges.toReversed().map(async ([lo, hi]) => rangeRoot(lo, hi, hashAt)))
}

/** Root over leaves `lo` to `hi`, where `lo` is aligned as the splits of RFC 6962 leave it. */
async function rangeRoot(lo: number, hi: number, hashAt: HashAt): Promise<Uint8Array> {
  const subtrees: Promise<Uint8Array>[] = []
  for (let from = lo; from < hi;) {
    let [height, width] = [0, 1]
    while (from + width * 2 <= hi && from % (width * 2) === 0) [height, width] = [height + 1, width * 2]
    subtrees.push(hashAt(height, from / width))
    from += width
  }
  return fold(await Promise.all(subtrees)) ?? EMPTY_ROOT
}
