import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inclusionProof, leafHash, rootAt, verifyInclusion } from '../../../src/evidence/log/merkle.ts'
import { decodeBundle, encodeBundle, hashesFromTiles, newTiles, tilePath, tilesOf } from '../../../src/evidence/log/tiles.ts'
import { aLog, base64, sentence, vectors } from './given.ts'

const pathsOf = (tiles: Iterable<Parameters<typeof pathOf>[0]>): string[] => Array.from(tiles, pathOf)
const pathOf = ({ level, index, width }: { level: number | 'entries'; index: number; width: number }): string =>
  tilePath(level, index, width)

test('tiles are named as the vectors say', () => {
  const names = Object.keys(vectors.tile_paths).map((n) => [n, tilePath(0, Number(n)).slice('tile/0/'.length)])
  expect(Object.fromEntries(names)).toStrictEqual(vectors.tile_paths)
  expect(tilePath('entries', 1_234_067, 255)).toBe('tile/entries/x001/x234/067.p/255')
})

test.each([
  ['a negative index', 0, -1, 256],
  ['half an index', 0, 0.5, 256],
  ['no width', 0, 0, 0],
  ['too much width', 0, 0, 257],
])('%s has no tile', (_name, level, index, width) => {
  expect(() => tilePath(level, index, width)).toThrow(RangeError)
})

test.each(Object.entries(vectors.tiles_of_size))('a log of %s has these files', (size, { count, partial_or_last }) => {
  const paths = pathsOf(tilesOf(Number(size)))
  expect(paths.length).toBe(count)
  expect(paths.filter((path) => path.includes('.p/'))).toStrictEqual(partial_or_last)
})

test.each([
  ['nothing new', 300, 300, []],
  ['the first entry', 0, 1, ['tile/entries/000.p/1', 'tile/0/000.p/1']],
  ['a tile fills', 255, 256, ['tile/entries/000', 'tile/0/000', 'tile/1/000.p/1']],
  ['the next begins', 256, 257, ['tile/entries/001.p/1', 'tile/0/001.p/1']],
  [
    'a tile fills and the next begins',
    250,
    260,
    ['tile/entries/000', 'tile/0/000', 'tile/entries/001.p/4', 'tile/0/001.p/4', 'tile/1/000.p/1'],
  ],
  ['a second level fills', 65_535, 65_536, ['tile/entries/255', 'tile/0/255', 'tile/1/000', 'tile/2/000.p/1']],
])('what is written when %s', (_name, from, to, expected) => {
  expect(pathsOf(newTiles(from, to)).toSorted()).toStrictEqual([...expected].toSorted())
})

test('the files of a log of 70,000 are those of the vectors, byte for byte', () => {
  const log = aLog(
    Array.from({ length: 70_000 }, (_, i) => sentence(i)),
    { sizes: [3] },
  )
  const found = Object.keys(vectors.files_in_log_of_70000).map((path) => {
    const bytes = log.get(path) ?? new Uint8Array()
    return [path, { bytes: bytes.byteLength, sha256: hash('sha256', bytes, 'hex') }]
  })
  expect(Object.fromEntries(found)).toStrictEqual(vectors.files_in_log_of_70000)
})

test('a bundle is entries behind their lengths', () => {
  const bundle = encodeBundle([sentence(0), sentence(1), sentence(2)])
  expect(bundle.toString('hex')).toBe(vectors.bundle_of_3_hex)
  expect(decodeBundle(bundle, 3)?.map((e) => Buffer.from(e).toString())).toStrictEqual(['entry-0', 'entry-1', 'entry-2'])
  expect(encodeBundle([Buffer.alloc(65_535)]).byteLength).toBe(65_537)
  expect(() => encodeBundle(Array.from({ length: 257 }, () => Buffer.alloc(1)))).toThrow('257 entries in one bundle')
})

test.each([
  ['cut in a length', Buffer.from([0]), 1],
  ['cut in an entry', Buffer.from([0, 2, 1]), 1],
  ['one byte too many', Buffer.from([0, 1, 1, 0]), 1],
  ['fewer entries', Buffer.from([0, 1, 1]), 2],
  ['more entries', Buffer.from([0, 0, 0, 0]), 1],
])('a bundle is refused: %s', (_name, bundle, width) => {
  expect(decodeBundle(bundle, width)).toBe(undefined)
})

test('any entries come back out of their bundle', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 256 }), (entries) => {
      const back = decodeBundle(encodeBundle(entries), entries.length)
      expect(back?.map((e) => Buffer.from(e))).toStrictEqual(entries.map((e) => Buffer.from(e)))
    }),
  )
})

test('proofs are made from tiles alone, with the full tile where the partial one is gone', async () => {
  const entries = Array.from({ length: 66_000 }, (_, i) => sentence(i))
  const log = aLog(entries, { sizes: [65_537] })
  const read = async (path: string): Promise<Uint8Array | undefined> => log.get(path)
  expect(await rootAt(65_537, hashesFromTiles(read, 65_537))).toStrictEqual(base64(vectors.roots['65537']!))
  for (const path of log.keys()) if (path.startsWith('tile/0/256.p/')) log.delete(path)
  log.set('tile/0/256', Buffer.concat(Array.from({ length: 256 }, (_, i) => leafHash(sentence(65_536 + i)))))
  const hashAt = hashesFromTiles(read, 65_537)
  for (const index of [0, 255, 256, 65_535, 65_536]) {
    const proof = await inclusionProof(index, 65_537, hashAt)
    expect(verifyInclusion(index, 65_537, leafHash(entries[index]!), proof, base64(vectors.roots['65537']!))).toBe(true)
  }
  log.delete('tile/0/000')
  await expect(inclusionProof(0, 65_537, hashAt)).rejects.toThrow('tile/0/000 is missing or too short')
})
