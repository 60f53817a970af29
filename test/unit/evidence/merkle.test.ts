import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HashAt } from '../../../src/evidence/log/merkle.ts'
import {
  consistencyProof,
  EMPTY_ROOT,
  emptyEdge,
  inclusionProof,
  leafHash,
  nodeHash,
  rootAt,
  rowRoot,
  subtreeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/evidence/log/merkle.ts'
import { base64, hex, published, sentence, vectors } from './given.ts'

const MOST = 70_000
const leaves = Array.from({ length: MOST }, (_, i) => leafHash(sentence(i)))
const known = new Map<string, Promise<Uint8Array>>()
/** Subtrees of the vectors' log, computed from its leaves and remembered. */
const hashAt: HashAt = (height, index) => {
  const key = `${height}/${index}`
  const found = known.get(key) ?? (height === 0 ? Promise.resolve(leaves[index]!) : parentOf(height, index))
  known.set(key, found)
  return found
}
async function parentOf(height: number, index: number): Promise<Uint8Array> {
  return nodeHash(await hashAt(height - 1, 2 * index), await hashAt(height - 1, 2 * index + 1))
}
const asBase64 = (proof: readonly Uint8Array[]): string[] => proof.map((h) => Buffer.from(h).toString('base64'))

test('leaves and nodes hash as RFC 6962 says', () => {
  expect(Buffer.from(EMPTY_ROOT).toString('hex')).toBe(vectors.hashes['empty_root_hex'])
  expect(leafHash(new Uint8Array()).toString('hex')).toBe(vectors.hashes['leaf_of_empty_entry_hex'])
  expect(leafHash(Buffer.from(published.rfc6962.leaf.entry)).toString('hex')).toBe(published.rfc6962.leaf.hash)
  expect(leafHash(sentence(0)).toString('hex')).toBe(vectors.hashes['leaf_entry0_hex'])
  expect(leafHash(sentence(1)).toString('hex')).toBe(vectors.hashes['leaf_entry1_hex'])
  expect(nodeHash(leafHash(sentence(0)), leafHash(sentence(1))).toString('hex')).toBe(vectors.hashes['node_of_leaf0_leaf1_hex'])
})

test('an entry of 65,535 bytes is the largest, and a node has two hashes', () => {
  expect(leafHash(Buffer.alloc(65_535)).byteLength).toBe(32)
  expect(() => leafHash(Buffer.alloc(65_536))).toThrow('an entry of 65536 bytes')
  expect(() => nodeHash(Buffer.alloc(32), Buffer.alloc(31))).toThrow('a hash that has not 32 bytes')
  expect(() => subtreeRoot(Buffer.alloc(96))).toThrow('no complete subtree')
})

test('every root of the vectors comes from appending, and again from subtrees', async () => {
  const edge = emptyEdge()
  const roots: Record<string, string> = {}
  for (const size of Object.keys(vectors.roots).map(Number)) {
    while (edge.size < size) edge.append(leaves[edge.size]!)
    roots[size] = Buffer.from(edge.root()).toString('base64')
    expect(await rootAt(size, hashAt)).toStrictEqual(edge.root())
  }
  expect(roots).toStrictEqual(vectors.roots)
})

test('the roots of the published tree of eight come out', () => {
  const edge = emptyEdge()
  const roots = published.merkle.entries.map((entry) => {
    edge.append(leafHash(hex(entry)))
    return Buffer.from(edge.root()).toString('hex')
  })
  expect(roots).toStrictEqual(published.merkle.roots)
})

test('a row of hashes with what is left over has the root of its tree', async () => {
  for (let size = 1; size <= 40; size += 1) {
    const row = Buffer.concat(leaves.slice(0, size))
    expect(rowRoot(row, undefined)).toStrictEqual(await rootAt(size, hashAt))
    // Four leaves and more as rows of subtrees of four, the rest left over.
    const fours = Buffer.concat(Array.from({ length: Math.floor(size / 4) }, (_, i) => subtreeRoot(row.subarray(i * 128, (i + 1) * 128))))
    expect(rowRoot(fours, rowRoot(row.subarray(fours.byteLength * 4), undefined))).toStrictEqual(await rootAt(size, hashAt))
  }
})

test.each(vectors.inclusion)('entry $index is proved to be in $size', async ({ index, size, proof }) => {
  expect(asBase64(await inclusionProof(index, size, hashAt))).toStrictEqual(proof)
  expect(verifyInclusion(index, size, leaves[index]!, proof.map(base64), await rootAt(size, hashAt))).toBe(true)
})

test.each(vectors.consistency)('$old is proved to be a prefix of $new', async ({ old, new: size, proof }) => {
  expect(asBase64(await consistencyProof(old, size, hashAt))).toStrictEqual(proof)
  expect(verifyConsistency(old, size, await rootAt(old, hashAt), await rootAt(size, hashAt), proof.map(base64))).toBe(true)
})

test.each([
  [0, 0],
  [7, 7],
  [8, 7],
  [-1, 7],
  [0.5, 7],
])('there is no proof of entry %s in %s', async (index, size) => {
  await expect(inclusionProof(index, size, hashAt)).rejects.toThrow(RangeError)
})

test.each([
  [0, 7],
  [8, 7],
  [1.5, 7],
])('there is no proof from %s to %s', async (old, size) => {
  await expect(consistencyProof(old, size, hashAt)).rejects.toThrow(RangeError)
})

describe('transparency-dev/merkle', () => {
  const someHash = hex('abacaba000000000000000000000000000000000000000000060061e00123456')
  const nothing = Buffer.alloc(0)
  const flipped = (proof: readonly Buffer[], i: number, bit: number): Buffer[] =>
    proof.map((h, j) => (i === j ? Buffer.from(h.map((byte, at) => (at === 0 ? byte ^ bit : byte))) : h))

  test.each(published.merkle.inclusion)('inclusion of $index in $size, and every change to it', (given) => {
    const { index, size } = given
    const [root, leaf, proof] = [base64(given.root), base64(given.leaf), given.proof.map(base64)]
    expect(verifyInclusion(index, size, leaf, proof, root)).toBe(true)
    const changed: Record<string, boolean> = {
      'index - 1': verifyInclusion(index - 1, size, leaf, proof, root),
      'index + 1': verifyInclusion(index + 1, size, leaf, proof, root),
      'index ^ 2': verifyInclusion(index ^ 2, size, leaf, proof, root),
      'size * 2': verifyInclusion(index, size * 2, leaf, proof, root),
      'size / 2': verifyInclusion(index, Math.floor(size / 2), leaf, proof, root),
      'wrong leaf': verifyInclusion(index, size, Buffer.from('WrongLeaf'), proof, root),
      'empty root': verifyInclusion(index, size, leaf, proof, EMPTY_ROOT),
      'random root': verifyInclusion(index, size, leaf, proof, someHash),
      'trailing garbage': verifyInclusion(index, size, leaf, [...proof, nothing], root),
      'trailing root': verifyInclusion(index, size, leaf, [...proof, root], root),
      'preceding garbage': verifyInclusion(index, size, leaf, [nothing, ...proof], root),
      'preceding root': verifyInclusion(index, size, leaf, [root, ...proof], root),
      ...(proof.length > 0 && { 'removed component': verifyInclusion(index, size, leaf, proof.slice(0, -1), root) }),
      ...(proof.length > 1 && {
        'inserted component': verifyInclusion(index, size, leaf, [proof[0]!, someHash, ...proof.slice(1)], root),
      }),
    }
    for (const i of proof.keys()) changed[`modified ${i}`] = verifyInclusion(index, size, leaf, flipped(proof, i, 8), root)
    expect(Object.entries(changed).filter(([, accepted]) => accepted)).toStrictEqual([])
  })

  test.each(published.merkle.consistency)('consistency of $old and $new, and every change to it', (given) => {
    const { old, new: size } = given
    const [from, to, proof] = [base64(given.oldRoot), base64(given.newRoot), given.proof.map(base64)]
    expect(verifyConsistency(old, size, from, to, proof)).toBe(true)
    if (proof.length === 0) return
    const wrong = Buffer.from('WrongRoot')
    const changed: Record<string, boolean> = {
      'old - 1': verifyConsistency(old - 1, size, from, to, proof),
      'old + 1': verifyConsistency(old + 1, size, from, to, proof),
      'old ^ 2': verifyConsistency(old ^ 2, size, from, to, proof),
      'new * 2': verifyConsistency(old, size * 2, from, to, proof),
      'new / 2': verifyConsistency(old, Math.floor(size / 2), from, to, proof),
      'wrong old root': verifyConsistency(old, size, wrong, to, proof),
      'wrong new root': verifyConsistency(old, size, from, wrong, proof),
      'swapped roots': verifyConsistency(old, size, to, from, proof),
      'empty proof': verifyConsistency(old, size, from, to, []),
      'trailing garbage': verifyConsistency(old, size, from, to, [...proof, nothing]),
      'trailing old root': verifyConsistency(old, size, from, to, [...proof, from]),
      'trailing new root': verifyConsistency(old, size, from, to, [...proof, to]),
      'preceding garbage': verifyConsistency(old, size, from, to, [nothing, ...proof]),
      'preceding old root': verifyConsistency(old, size, from, to, [from, ...proof]),
      'preceding new root': verifyConsistency(old, size, from, to, [to, ...proof]),
      'preceding first': verifyConsistency(old, size, from, to, [proof[0]!, ...proof]),
      truncated: verifyConsistency(old, size, from, to, proof.slice(0, -1)),
    }
    for (const i of proof.keys()) changed[`modified ${i}`] = verifyConsistency(old, size, from, to, flipped(proof, i, 16))
    expect(Object.entries(changed).filter(([, accepted]) => accepted)).toStrictEqual([])
  })

  const [one, two] = [Buffer.from("don't care 1"), Buffer.from("don't care 2")]
  test.each([
    ['no size at all, roots differ', 0, 0, one, two, [], false],
    ['no size at all, roots equal', 0, 0, EMPTY_ROOT, EMPTY_ROOT, [], false],
    ['from nothing', 0, 1, one, two, [], false],
    ['one and one, roots differ', 1, 1, one, two, [], false],
    ['one and one, roots equal', 1, 1, two, two, [], true],
    ['back to nothing', 1, 0, one, two, [], false],
    ['back to one', 2, 1, one, two, [], false],
    ['no proof', 1, 2, one, two, [], false],
    ['one and one, with a proof', 1, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT], false],
  ])('consistency: %s', (_name, old, size, from, to, proof, expected) => {
    expect(verifyConsistency(old, size, from, to, proof)).toBe(expected)
  })

  test.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [2, 1],
  ])('nothing is included at %s of %s', (index, size) => {
    expect(verifyInclusion(index, size, someHash, [], nothing)).toBe(false)
    expect(verifyInclusion(index, size, nothing, [], EMPTY_ROOT)).toBe(false)
    expect(verifyInclusion(index, size, someHash, [], EMPTY_ROOT)).toBe(false)
  })
})

describe('any log', () => {
  const sizes = fc.integer({ min: 1, max: 3000 })
  const flip = (bytes: Uint8Array, bit: number): Buffer =>
    Buffer.from(bytes.map((byte, i) => (i === Math.floor(bit / 8) % bytes.length ? byte ^ (1 << (bit % 8)) : byte)))

  test('proves each of its entries, and no flipped bit of leaf, proof or root', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), fc.nat({ max: 255 }), async (size, at, which, bit) => {
        const index = at % size
        const proof = await inclusionProof(index, size, hashAt)
        const root = await rootAt(size, hashAt)
        expect(verifyInclusion(index, size, leaves[index]!, proof, root)).toBe(true)
        expect(verifyInclusion(index, size, flip(leaves[index]!, bit), proof, root)).toBe(false)
        expect(verifyInclusion(index, size, leaves[index]!, proof, flip(root, bit))).toBe(false)
        const bad = proof.map((h, i) => (i === which % proof.length ? flip(h, bit) : h))
        expect(verifyInclusion(index, size, leaves[index]!, bad, root)).toBe(proof.length === 0)
      }),
      { numRuns: 200 },
    )
  })

  test('proves each of its pasts, and no flipped bit of root or proof', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(), fc.nat({ max: 255 }), async (a, b, which, bit) => {
        const [old, size] = [Math.min(a, b), Math.max(a, b)]
        const proof = await consistencyProof(old, size, hashAt)
        const [from, to] = [await rootAt(old, hashAt), await rootAt(size, hashAt)]
        expect(verifyConsistency(old, size, from, to, proof)).toBe(true)
        expect(verifyConsistency(old, size, flip(from, bit), to, proof)).toBe(false)
        expect(verifyConsistency(old, size, from, flip(to, bit), proof)).toBe(false)
        const bad = proof.map((h, i) => (i === which % proof.length ? flip(h, bit) : h))
        expect(verifyConsistency(old, size, from, to, bad)).toBe(proof.length === 0)
      }),
      { numRuns: 200 },
    )
  })

  test('is counted beyond 32 bits', async () => {
    // A log of 2^40 + 3 entries whose every leaf is the same: subtrees of one height are all equal.
    const same: Uint8Array[] = [leafHash(Buffer.from('same'))]
    const uniform: HashAt = async (height) => {
      while (same.length <= height) same.push(nodeHash(same.at(-1)!, same.at(-1)!))
      return same[height]!
    }
    const size = 2 ** 40 + 3
    const root = await rootAt(size, uniform)
    for (const index of [0, 2 ** 32, 2 ** 40 - 1, 2 ** 40, size - 1]) {
      const proof = await inclusionProof(index, size, uniform)
      expect(verifyInclusion(index, size, same[0]!, proof, root)).toBe(true)
    }
    const proof = await consistencyProof(2 ** 33 + 1, size, uniform)
    expect(verifyConsistency(2 ** 33 + 1, size, await rootAt(2 ** 33 + 1, uniform), root, proof)).toBe(true)
  })
})
