/**
 * Checks an evidence pack, taken out of its zip, against the log in it: every file is the one that the signed manifest
 * names and there is none beside; each entry is the log's and its proof file stands alone; each disclosure is what the
 * entry commits to; each document has the hash that an entry names; each policy has its hash; and of a subject whose
 * tag key is in the pack, all entries of the log are in the pack.
 */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { openNote, parseSize } from '../log/note.ts'
import type { TrustPolicy } from '../log/policy.ts'
import { policyOf } from '../log/policy.ts'
import { verifyProof } from '../log/proof.ts'
import { decodeBundle, TILE_WIDTH, tilePath } from '../log/tiles.ts'
import { bearsTag, listOf, openEntry } from '../opened.ts'
import type { VerifiedLog } from '../verify.ts'
import { filesIn, namesIn, readIfThere } from '../verify/folder.ts'
import { parseRecord } from '../verify/records.ts'
import type { Manifest } from './manifest.ts'
import { packText, parseManifest } from './manifest.ts'

export interface VerifiedPack {
  readonly ok: true
  readonly pack: string
  readonly files: number
  readonly entries: number
  readonly fields: number
  /** Entries whose sealed fields are not opened here: erased, or not for this reader. */
  readonly unopened: number
  readonly documents: number
  readonly policies: number
  /** Subjects of which it is shown that all entries are in the pack. */
  readonly complete: number
}

export type PackMistake =
  | 'pack_manifest'
  | 'pack_note'
  | 'pack_other_log'
  | 'pack_file_missing'
  | 'pack_file_differs'
  | 'pack_file_unknown'
  | 'pack_entry'
  | 'pack_proof'
  | 'pack_disclosure'
  | 'pack_document'
  | 'pack_policy'
  | 'pack_tag_key'
  | 'pack_incomplete'

export const PACK_MISTAKES: Readonly<Record<PackMistake, string>> = {
  pack_manifest: 'the manifest cannot be read',
  pack_note: "the manifest does not carry the log's signature",
  pack_other_log: 'the manifest speaks of another log than the one in the pack',
  pack_file_missing: 'a file that the manifest names is missing',
  pack_file_differs: 'the file is not the one that the manifest names',
  pack_file_unknown: 'the manifest names no such file',
  pack_entry: 'the entry is not the one in the log',
  pack_proof: 'the proof does not show that the entry is in the log',
  pack_disclosure: 'a disclosure is none that the entry commits to',
  pack_document: 'no entry in the pack names a document with this hash',
  pack_policy: 'the policy is not the one that its name says',
  pack_tag_key: 'the tag key cannot be read',
  pack_incomplete: 'the log has an entry about this subject that is not in the pack',
}

export interface RefusedPack {
  readonly ok: false
  readonly at: { readonly file?: string; readonly entry?: number }
  readonly why: PackMistake
}

export async function verifyPack(
  folder: string,
  log: VerifiedLog,
  trust: { readonly vkey?: string; readonly policy?: TrustPolicy },
): Promise<VerifiedPack | RefusedPack> {
  const manifest = await signedManifest(folder, log, trust)
  if ('ok' in manifest) return manifest
  const wrongFile = await fileMistake(folder, manifest)
  if (wrongFile) return wrongFile

  const policy = trust.policy ?? policyOf(trust.vkey ?? log.vkey)
  const logged = await entriesOf(folder, log.size)
  const numbers = (await namesIn(join(folder, 'entries'))).flatMap((name) => parseSize(name.replace(/\.json$/, '')) ?? [])
  const inPack = new Set(numbers)
  const documents = new Set<string>()
  let fields = 0
  let unopened = 0
  for (const n of numbers) {
    const file = join('entries', String(n))
    const entry = await readIfThere(join(folder, `${file}.json`))
    const inLog = logged(n)
    if (!entry || !inLog || !entry.equals(inLog)) return refused('pack_entry', { file: `${file}.json`, entry: n })
    const proof = verifyProof((await readIfThere(join(folder, `${file}.tlog-proof`))) ?? '', entry, policy)
    if (!proof.ok || proof.index !== n) return refused('pack_proof', { file: `${file}.tlog-proof`, entry: n })
    const disclosures = await disclosuresOf(folder, n)
    if (disclosures === undefined) return refused('pack_disclosure', { file: `disclosures/${n}.json`, entry: n })
    const opened = openEntry({ n, name: `${log.origin}/${n}`, entry: entry.toString(), disclosures })
    if (opened.strays > 0) return refused('pack_disclosure', { file: `disclosures/${n}.json`, entry: n })
    for (const hash of listOf(opened.fields['attachments'])) if (typeof hash === 'string') documents.add(hash)
    fields += Object.keys(opened.fields).length
    if (opened.seal === 'erased' || opened.seal === 'closed') unopened += 1
  }
  const beside = besideEntries(manifest, documents)
  if ('ok' in beside) return beside
  const complete = await completeness(folder, log.size, logged, inPack)
  if (typeof complete !== 'number') return complete
  return { ok: true, pack: manifest.pack, files: manifest.files.length, entries: numbers.length, fields, unopened, ...beside, complete }
}

function refused(why: PackMistake, at: RefusedPack['at']): RefusedPack {
  return { ok: false, at, why }
}

async function signedManifest(
  folder: string,
  log: VerifiedLog,
  { vkey, policy }: { readonly vkey?: string; readonly policy?: TrustPolicy },
): Promise<Manifest | RefusedPack> {
  const bytes = await readIfThere(join(folder, 'manifest.json'))
  const manifest = bytes && parseManifest(bytes.toString())
  if (!bytes || !manifest) return refused('pack_manifest', { file: 'manifest.json' })
  if (manifest.origin !== log.origin || manifest.size !== log.size) return refused('pack_other_log', { file: 'manifest.json' })
  const keys = policy?.logs.map((l) => l.vkey) ?? [vkey ?? log.vkey]
  const note = openNote((await readIfThere(join(folder, 'manifest.note'))) ?? '', keys)
  const expected = packTextOf(manifest, bytes)
  return note.ok && note.text === expected ? manifest : refused('pack_note', { file: 'manifest.note' })
}

function packTextOf({ origin, pack }: Manifest, bytes: Uint8Array): string | undefined {
  try {
    return packText(origin, pack, `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

async function fileMistake(folder: string, { files }: Manifest): Promise<RefusedPack | undefined> {
  const named = new Map(files.map((file) => [file.path, file]))
  const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  const unknown = found.find((path) => !named.has(path) && path !== 'manifest.json' && path !== 'manifest.note')
  if (unknown !== undefined) return refused('pack_file_unknown', { file: unknown })
  for (const { path, bytes, sha256 } of files) {
    if (path.split('/').includes('..')) return refused('pack_manifest', { file: 'manifest.json' })
    const content = await readIfThere(join(folder, path))
    if (!content) return refused('pack_file_missing', { file: path })
    if (content.byteLength !== bytes || createHash('sha256').update(content).digest('hex') !== sha256)
      return refused('pack_file_differs', { file: path })
  }
  return undefined
}

/** Entries of the pack's own log by number; its bundles were verified before. */
async function entriesOf(folder: string, size: number): Promise<(n: number) => Uint8Array | undefined> {
  const files = filesIn(join(folder, 'log'))
  const bundles: (readonly Uint8Array[])[] = []
  for (let index = 0; index * TILE_WIDTH < size; index += 1) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH)
    const bytes = await files.read(tilePath('entries', index, width))
    bundles.push((bytes && decodeBundle(bytes, width)) ?? [])
  }
  return (n) => bundles[Math.floor(n / TILE_WIDTH)]?.[n % TILE_WIDTH]
}

/** Null where there are none to be had; undefined where the file is none. */
async function disclosuresOf(folder: string, n: number): Promise<readonly string[] | null | undefined> {
  const bytes = await readIfThere(join(folder, 'disclosures', `${n}.json`))
  if (!bytes) return null
  try {
    const list: unknown = JSON.parse(bytes.toString())
    return Array.isArray(list) && list.every((d) => typeof d === 'string') ? list : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function besideEntries(
  { files }: Manifest,
  hashes: ReadonlySet<string>,
): { readonly documents: number; readonly policies: number } | RefusedPack {
  let documents = 0
  let policies = 0
  for (const { path, sha256 } of files) {
    if (/^consents\/[^/]+\/documents\//.test(path)) {
      if (!hashes.has(sha256)) return refused('pack_document', { file: path })
      documents += 1
    }
    const [, hash] = /^policies\/([0-9a-f]{64})\.json$/.exec(path) ?? []
    if (hash !== undefined && hash !== sha256) return refused('pack_policy', { file: path })
    if (path.startsWith('policies/')) policies += 1
  }
  return { documents, policies }
}

async function completeness(
  folder: string,
  size: number,
  logged: (n: number) => Uint8Array | undefined,
  inPack: ReadonlySet<number>,
): Promise<number | RefusedPack> {
  const keys: { readonly file: string; readonly key: Buffer }[] = []
  for (const name of await namesIn(join(folder, 'tags'))) {
    const text = ((await readIfThere(join(folder, 'tags', name))) ?? '').toString()
    const hex = /"tagKey":"([0-9a-f]{64})"/.exec(text)?.[1]
    if (hex === undefined) return refused('pack_tag_key', { file: `tags/${name}` })
    keys.push({ file: `tags/${name}`, key: Buffer.from(hex, 'hex') })
  }
  for (let n = 0; keys.length > 0 && n < size; n += 1) {
    if (inPack.has(n)) continue
    const entry = logged(n)
    const record = entry && parseRecord(entry)
    const missing = record && keys.find(({ key }) => bearsTag(record, key))
    if (missing) return refused('pack_incomplete', { file: missing.file, entry: n })
  }
  return keys.length
}
