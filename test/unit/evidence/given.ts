/** Logs in memory, made with the code under test from entries that the test names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { emptyEdge, leafHash, subtreeRoot } from '../../../src/evidence/log/merkle.ts'
import type { NoteSigner } from '../../../src/evidence/log/note.ts'
import { checkpointText, signerOf, signNote, vkeyOf } from '../../../src/evidence/log/note.ts'
import { encodeBundle, newTiles, TILE_WIDTH, tilePath } from '../../../src/evidence/log/tiles.ts'
import type { LogFiles } from '../../../src/evidence/verify.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'evidence')
export const vectors = JSON.parse(readFileSync(join(fixtures, 'log-vectors.json'), 'utf8')) as {
  readonly hashes: Readonly<Record<string, string>>
  readonly roots: Readonly<Record<string, string>>
  readonly tile_paths: Readonly<Record<string, string>>
  readonly tiles_of_size: Readonly<Record<string, { readonly count: number; readonly partial_or_last: readonly string[] }>>
  readonly files_in_log_of_70000: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>
  readonly bundle_of_3_hex: string
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[]
  readonly consistency: readonly { readonly old: number; readonly new: number; readonly proof: readonly string[] }[]
  readonly key: {
    readonly seed_hex: string
    readonly public_hex: string
    readonly name: string
    readonly key_id_hex: string
    readonly vkey: string
  }
  readonly witness_key: { readonly seed_hex: string; readonly vkey: string }
  readonly checkpoint_of_7: string
  readonly cosigned_checkpoint_of_7: string
  readonly tlog_proof_of_3_in_7: string
  readonly record: {
    readonly rfc9901_example: { readonly disclosure: string; readonly digest: string }
    readonly disclosures: readonly string[]
    readonly digests: readonly string[]
    readonly tag_key_hex: string
    readonly tag_nonce_hex: string
    readonly entry_utf8: string
    readonly entry_bytes: number
    readonly leaf_hash_hex: string
    readonly index_key_hex: string
    readonly subject_index_token: string
  }
  readonly checkpoints_to_refuse: Readonly<Record<string, string>>
  readonly checkpoints_to_accept: Readonly<Record<string, string>>
}

interface InclusionCase {
  readonly index: number
  readonly size: number
  readonly root: string
  readonly leaf: string
  readonly proof: readonly string[]
}
interface ConsistencyCase {
  readonly old: number
  readonly new: number
  readonly oldRoot: string
  readonly newRoot: string
  readonly proof: readonly string[]
}
export const published = JSON.parse(readFileSync(join(fixtures, 'published.json'), 'utf8')) as {
  readonly rfc6962: { readonly leaf: { readonly entry: string; readonly hash: string } }
  readonly merkle: {
    readonly inclusion: readonly InclusionCase[]
    readonly consistency: readonly ConsistencyCase[]
    readonly entries: readonly string[]
    readonly roots: readonly string[]
  }
  readonly signedNote: { readonly vkey: string; readonly text: string; readonly note: string }
  readonly goNote: {
    readonly peter: string
    readonly peterSeed: string
    readonly enoch: string
    readonly badKeys: readonly string[]
    readonly text: string
    readonly peterLine: string
    readonly enochLine: string
  }
  readonly tessera: { readonly vkey: string; readonly entries: readonly string[]; readonly checkpoints: Readonly<Record<string, string>> }
}

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')
export const base64 = (text: string): Buffer => Buffer.from(text, 'base64')
export const sentence = (i: number): Buffer => Buffer.from(`entry-${i}`)

export const testSigner = signerOf(vectors.key.name, hex(vectors.key.seed_hex))
export const witnessSigner = signerOf('witness.example.org/w1', hex(vectors.witness_key.seed_hex))

export type MemoryLog = Map<string, Uint8Array>

/**
 * All files of a log whose checkpoints were published at each of `sizes` (and at the end); those at `kept` sizes are
 * kept under `checkpoints/`.
 */
export function aLog(
  entries: readonly Uint8Array[],
  {
    sizes = [],
    kept = [],
    signer = testSigner,
  }: { readonly sizes?: readonly number[]; readonly kept?: readonly number[]; readonly signer?: NoteSigner } = {},
): MemoryLog {
  const files: MemoryLog = new Map()
  const levels: Uint8Array[][] = [entries.map(leafHash)]
  for (let below = levels[0]!; below.length >= TILE_WIDTH; below = levels.at(-1)!) {
    const full = Array.from({ length: Math.floor(below.length / TILE_WIDTH) }, (_, i) => below.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH))
    levels.push(full.map((row) => subtreeRoot(Buffer.concat(row))))
  }
  const edge = emptyEdge()
  let shown = 0
  for (const size of [...new Set([...sizes, ...kept, entries.length])].toSorted((a, b) => a - b)) {
    for (const leaf of levels[0]!.slice(edge.size, size)) edge.append(leaf)
    for (const { level, index, width } of newTiles(shown, size)) {
      const range = [index * TILE_WIDTH, index * TILE_WIDTH + width] as const
      const bytes = level === 'entries' ? encodeBundle(entries.slice(...range)) : Buffer.concat(levels[level]!.slice(...range))
      files.set(tilePath(level, index, width), bytes)
    }
    const checkpoint = Buffer.from(signNote(checkpointText(signer.name, size, edge.root()), [signer]))
    if (kept.includes(size)) files.set(`checkpoints/${size}`, checkpoint)
    files.set('checkpoint', checkpoint)
    shown = size
  }
  files.set('vkey.txt', Buffer.from(`${vkeyOf(signer)}\n`))
  files.set('policy.txt', Buffer.from(`log ${vkeyOf(signer)}\nquorum none\n`))
  return files
}

export function filesOf(log: ReadonlyMap<string, Uint8Array>): LogFiles {
  return {
    read: async (path) => log.get(path),
    list: async (folder) => [...log.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
  }
}

/** Records of a log of ours: opened, then pairs of intents and outcomes. */
export function records(count: number, change: (record: Record<string, unknown>) => Record<string, unknown> = (r) => r): Buffer[] {
  return Array.from({ length: count }, (_, n) => {
    const pair = Math.floor((n - 1) / 2)
    const common = { v: 1, n, id: `id-${n}`, at: new Date(1_800_000_000_000 + n).toISOString(), node: 'gate-1' }
    const call = { req: `req-${pair}`, call: 1 }
    const record =
      n === 0
        ? { ...common, t: 'log.opened' }
        : n % 2 === 1
          ? { ...common, ...call, t: 'access.intent' }
          : { ...common, ...call, t: 'access.outcome', intent: n - 1, result: 'delivered' }
    return Buffer.from(JSON.stringify(change(record)))
  })
}
