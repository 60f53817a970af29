/**
 * Random bytes into everything that reads evidence: notes, checkpoints, keys, trust policies, bundles, proofs,
 * disclosures, whole logs. Nothing is thrown, and nothing that was changed verifies.
 */
import { openDisclosure } from '../../src/evidence/sealed.ts'
import { inclusionProof, verifyConsistency, verifyInclusion } from '../../src/evidence/log/merkle.ts'
import { openCheckpoint, openNote, parseCheckpoint, parseSize, parseVkey, vkeyOf } from '../../src/evidence/log/note.ts'
import { parsePolicy, policyOf } from '../../src/evidence/log/policy.ts'
import { parseProof, proofText, verifyProof } from '../../src/evidence/log/proof.ts'
import { decodeBundle, encodeBundle, hashesFromTiles } from '../../src/evidence/log/tiles.ts'
import { verifyLog } from '../../src/evidence/verify.ts'
import { recordCheck } from '../../src/evidence/verify/records.ts'
import { aLog, filesOf, records, sentence, testSigner, vectors } from '../unit/evidence/given.ts'
import type { Random } from './random.ts'
import { mangled } from './random.ts'
import type { Target } from './target.ts'
import { Finding } from './target.ts'

const vkey = vkeyOf(testSigner)
const SIZE = 300
const entries = Array.from({ length: SIZE }, (_, i) => sentence(i))
const log = aLog(entries, { sizes: [7, 256], kept: [7, 256] })
const ours = records(20)
const checkpoint = Buffer.from(log.get('checkpoint') ?? []).toString()
const policy = policyOf(vkey)
const POLICY = `log ${vkey}\nwitness w1 ${vectors.witness_key.vkey} https://witness.example.org\ngroup g any w1\nquorum g\n`
const DISCLOSURES = vectors.record.disclosures
const FILES = [...log.keys()].filter((path) => path !== 'vkey.txt' && path !== 'policy.txt')

export const evidenceTarget: Target = {
  name: 'evidence',
  open: async () => {
    let refused = 0
    const good = await verifyLog(filesOf(log), { vkey })
    if (!good.ok) throw new Error('the log of the fuzz does not verify')
    const proof = await inclusionProof(3, SIZE, hashesFromTiles(filesOf(log).read, SIZE))
    const proven = proofText({ index: 3, proof, checkpoint, extra: null })
    if (!verifyProof(proven, entries[3] ?? Buffer.alloc(0), policy).ok) throw new Error('the proof of the fuzz does not verify')
    return {
      async once(random) {
        switch (random.int(7)) {
          case 0:
            return note(random)
          case 1:
            return keysAndPolicies(random)
          case 2:
            return bundles(random)
          case 3:
            return proofs(random, proven, proof)
          case 4:
            return disclosures(random)
          case 5:
            return recordsOnly(random)
          default:
            refused += await wholeLog(random)
        }
      },
      close: () => Promise.resolve(`${refused} changed logs were refused`),
    }
  },
}

function note(random: Random): void {
  const text = mangled(random, checkpoint, ['\n\n', '— ', 'AAAA', '\r'])
  const bytes = Buffer.from(text)
  if (random.oneIn(3) && bytes.length > 0) bytes[random.int(bytes.length)] = random.int(256)
  openNote(bytes, [vkey, vectors.witness_key.vkey])
  const opened = openCheckpoint(bytes, [vkey])
  if (!opened.ok) return
  const at = checkpoint.indexOf('\n\n')
  // More lines of signatures may stand there; the text is what was signed.
  if (!bytes.subarray(0, at).equals(Buffer.from(checkpoint.slice(0, at)))) throw new Finding('another text passes as signed', bytes)
}

function keysAndPolicies(random: Random): void {
  const key = mangled(random, vkey)
  const parsed = parseVkey(key)
  if (parsed && vkeyOf(parsed) !== key && parsed.type === 'log') throw new Finding('a key is read as another one', key)
  const text = mangled(random, POLICY, ['log ', 'witness ', 'group ', 'quorum ', 'none', 'any', 'all', '0', '9'.repeat(30), '#', vkey])
  const policyRead = parsePolicy(text)
  if (!policyRead.ok && !(policyRead.line >= 1 && policyRead.why !== '')) throw new Finding('refused without a mistake', text)
  const size = random.oneIn(2) ? random.digits(random.int(25)) : random.text(6)
  const number = parseSize(size)
  if (number !== undefined && String(number) !== size) throw new Finding('a size is read as another one', size)
  parseCheckpoint(mangled(random, checkpoint))
}

function bundles(random: Random): void {
  const bundle = encodeBundle(Array.from({ length: random.int(6) }, () => random.bytes(random.int(40))))
  const bytes = Buffer.concat([bundle.subarray(0, random.int(bundle.length + 1)), random.bytes(random.int(5))])
  const width = random.int(8)
  const decoded = decodeBundle(bytes, width)
  if (decoded && !encodeBundle(decoded).equals(bytes)) throw new Finding(`a bundle of ${width} that is written otherwise`, bytes)
}

function proofs(random: Random, proven: string, path: readonly Uint8Array[]): void {
  const text = mangled(random, proven, ['index ', 'extra ', '\n', 'AAAA'])
  parseProof(text)
  const verified = verifyProof(text, entries[3] ?? Buffer.alloc(0), policy)
  if (verified.ok && verified.index !== 3) throw new Finding('an entry stands elsewhere', text)
  const other = random.int(SIZE)
  if (other !== 3 && verifyProof(text, entries[other] ?? Buffer.alloc(0), policy).ok)
    throw new Finding(`entry ${other} is proven by the proof of another`, text)
  // Numbers and hashes that no tree has.
  const wild = (): number => random.pick([0, 1, 3, 7, 255, 256, 300, 2 ** 31, 2 ** 32, 2 ** 53 - 1, random.int(1000)])
  const hashes = Array.from({ length: random.int(70) }, () => random.pick([...path, random.bytes(32), random.bytes(random.int(40))]))
  const root = random.bytes(32)
  if (verifyInclusion(wild(), wild(), random.bytes(32), hashes, root))
    throw new Finding('a random root has an entry', Buffer.concat(hashes))
  const sizes = [wild(), wild()].toSorted((a, b) => a - b) as [number, number]
  if (sizes[0] !== sizes[1] && sizes[0] > 0 && verifyConsistency(...sizes, random.bytes(32), root, hashes))
    throw new Finding(`random roots of ${sizes.join(' and ')} agree`, Buffer.concat(hashes))
}

function disclosures(random: Random): void {
  const text = random.oneIn(4) ? Buffer.from(random.text(30)).toString('base64url') : mangled(random, random.pick(DISCLOSURES))
  const opened = openDisclosure(text)
  if (opened && Buffer.from(text, 'base64url').toString('base64url') !== text) throw new Finding('two spellings of one disclosure', text)
}

function recordsOnly(random: Random): void {
  const check = recordCheck()
  let fault: unknown
  let changed = false
  for (const [n, record] of ours.entries()) {
    let bytes = record
    if (random.oneIn(12)) {
      bytes = random.oneIn(3)
        ? random.bytes(20)
        : Buffer.from(mangled(random, record.toString(), ['null', '{', '"n":', '"t":"access.outcome"']))
      changed ||= !bytes.equals(record)
    }
    fault ??= check.take(n, bytes)
  }
  check.tally()
  if (!changed && fault !== undefined) throw new Finding(`good records are refused: ${JSON.stringify(fault)}`, '')
}

/** One byte of one file is another, or a file is gone, longer or another's: the log does not verify. */
async function wholeLog(random: Random): Promise<number> {
  const path = random.pick(FILES)
  const changed = new Map(log)
  const bytes = Buffer.from(log.get(path) ?? [])
  let what: string
  switch (random.int(4)) {
    case 0:
      changed.delete(path)
      what = 'gone'
      break
    case 1:
      changed.set(path, Buffer.concat([bytes, random.bytes(1 + random.int(40))]))
      what = 'longer'
      break
    case 2:
      changed.set(path, bytes.subarray(0, random.int(bytes.length)))
      what = 'shorter'
      break
    default: {
      const at = random.int(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8))
      changed.set(path, bytes)
      what = `byte ${at}`
    }
  }
  const verified = await verifyLog(filesOf(changed), { vkey })
  // What may be gone without loss: partial tiles and older checkpoints, which the final ones stand for.
  if (verified.ok && !(what === 'gone' && (path.includes('.p/') || path.startsWith('checkpoints/'))))
    throw new Finding(`${path} ${what}, and the log verifies`, bytes)
  return verified.ok ? 0 : 1
}
