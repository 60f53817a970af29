/**
 * Makes an evidence pack for one audience: the entries selected with their proofs and opened fields, the permissions
 * and documents behind them, the policies they were decided under, and a full copy of the log (which holds no personal
 * data), so that its reader needs nothing of ours. Files come in order of their names and carry one fixed time: the
 * same pack is the same bytes.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import type { TagKey } from '../disclose.ts'
import { inclusionProof } from '../log/merkle.ts'
import type { Checkpoint } from '../log/note.ts'
import { openNote, parseCheckpoint, parseVkey } from '../log/note.ts'
import { proofText } from '../log/proof.ts'
import { decodeBundle, encodeBundle, hashesFromTiles, TILE_WIDTH, tilePath, tilesOf } from '../log/tiles.ts'
import type { Opened, OpenedEntry } from '../opened.ts'
import { listOf, objectOf, openEntry, textOf } from '../opened.ts'
import { filesIn, readIfThere } from '../verify/folder.ts'
import type { Manifest, PackFile } from './manifest.ts'
import { manifestText, PACK_FORMAT } from './manifest.ts'
import { readmeOf } from './readme.ts'
import { csvOf, htmlOf, reportRows } from './report.ts'
import { VERIFIER } from './verifier.ts'

export interface PackOrder {
  readonly id: string
  readonly madeAt: string
  readonly by: string
  readonly why: string
  readonly for: string | null
  readonly scope: Json
}

export interface PackSource {
  /** The log's folder, and the signed checkpoint up to which it is copied. */
  readonly log: string
  readonly checkpoint: string
  readonly vkey: string
  /** In order of their numbers. */
  readonly opened: readonly Opened[]
  readonly policies: readonly { readonly hash: string; readonly body: string }[]
  readonly tagKeys: readonly TagKey[]
  /** A permission's record; null content where it was erased. */
  permission(id: string): Promise<PermissionOnRecord>
  /** Bytes of a document; null where it was erased. */
  document(permission: string, sha256: string): Promise<Uint8Array | null>
  readonly onProgress?: (done: number, of: number) => void
}

export interface PermissionOnRecord {
  readonly content: unknown
  readonly acts: readonly { readonly entry: string }[]
  readonly attachments: readonly { readonly sha256: string; readonly kind: string; readonly mediaType: string }[]
}

/** A file whose bytes are read when they are needed: a log is larger than memory. */
export interface PackContent {
  readonly path: string
  read(): Promise<Uint8Array>
}

export interface MadePack {
  readonly manifest: Manifest
  /** Bytes of `manifest.json`. */
  readonly text: string
  /** All files but `manifest.json` and `manifest.note`, sorted. */
  readonly contents: readonly PackContent[]
}

/** Throws with a sentence where the log on disk is not the one that the checkpoint signs. */
export async function makePack(order: PackOrder, source: PackSource): Promise<MadePack> {
  const checkpoint = checkpointOf(source)
  const opened = source.opened.filter((o) => o.n < checkpoint.size)
  const entries = opened.map(openEntry)
  const inPlace = (path: string, bytes: Uint8Array | string): PackContent => ({ path, read: () => Promise.resolve(Buffer.from(bytes)) })

  const contents: PackContent[] = [
    ...(await logContents(source, checkpoint)),
    ...(await entryContents(source, checkpoint, opened)),
    ...(await consentContents(source, entries)),
    ...policyContents(source, entries),
    ...source.tagKeys.map(({ subject, tagKey }) =>
      inPlace(`tags/${subject}.json`, canonicalJson({ origin: checkpoint.origin, subject, tagKey })),
    ),
    ...keyContents(source),
    inPlace('README.txt', readmeOf({ pack: order.id, origin: checkpoint.origin, size: checkpoint.size }, source.vkey)),
    inPlace('verify/verify.py', VERIFIER),
    inPlace('verify/SHA256SUMS', `${createHash('sha256').update(VERIFIER).digest('hex')}  verify.py\n`),
  ]
  const facts: Omit<Manifest, 'files'> = {
    format: PACK_FORMAT,
    pack: order.id,
    madeAt: order.madeAt,
    by: order.by,
    why: order.why,
    for: order.for,
    scope: order.scope,
    origin: checkpoint.origin,
    size: checkpoint.size,
    root: Buffer.from(checkpoint.root).toString('base64'),
    entries: entries.length,
    types: tally(entries),
    erased: entries.filter((e) => e.seal === 'erased').length,
  }
  const rows = reportRows(entries)
  contents.push(inPlace('report.csv', csvOf(rows)), inPlace('report.html', htmlOf(facts, rows)))
  contents.sort((a, b) => (a.path < b.path ? -1 : 1))

  const files: PackFile[] = []
  for (const [done, { path, read }] of contents.entries()) {
    const bytes = await read()
    files.push({ path, bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') })
    source.onProgress?.(done + 1, contents.length)
  }
  const manifest = { ...facts, files }
  return { manifest, text: manifestText(manifest), contents }
}

function checkpointOf({ checkpoint, vkey }: PackSource): Checkpoint {
  const note = openNote(checkpoint, [vkey])
  const parsed = note.ok ? parseCheckpoint(note.text) : undefined
  if (!parsed) throw new Error("the log's checkpoint does not carry the signature of this instance: look at it with ecluse audit verify")
  return parsed
}

/** The log as it was at the checkpoint, whatever has been written since. */
async function logContents({ log, checkpoint, vkey }: PackSource, { size }: Checkpoint): Promise<PackContent[]> {
  const files = filesIn(log)
  const contents: PackContent[] = [
    { path: 'log/checkpoint', read: () => Promise.resolve(Buffer.from(checkpoint)) },
    { path: 'log/vkey.txt', read: () => Promise.resolve(Buffer.from(`${vkey}\n`)) },
  ]
  for (const folder of ['checkpoints', 'anchors']) {
    for (const name of await files.list(folder)) {
      if (Number(name.split('.')[0]) <= size) contents.push({ path: `log/${folder}/${name}`, read: () => needed(join(log, folder, name)) })
    }
  }
  contents.push({ path: 'log/policy.txt', read: () => needed(join(log, 'policy.txt')) })
  for (const { level, index, width } of tilesOf(size)) {
    const path = tilePath(level, index, width)
    contents.push({
      path: `log/${path}`,
      async read() {
        const bytes = await files.read(path)
        if (bytes) return bytes
        // The tile has filled since the checkpoint: the beginning of the full one is the partial one.
        const full = await needed(join(log, tilePath(level, index)))
        if (level !== 'entries') return full.subarray(0, width * 32)
        return encodeBundle((decodeBundle(full, TILE_WIDTH) ?? []).slice(0, width))
      },
    })
  }
  return contents
}

async function needed(file: string): Promise<Uint8Array> {
  const bytes = await readIfThere(file)
  if (!bytes) throw new Error(`${file} is missing: look at the log with ecluse audit verify`)
  return bytes
}

async function entryContents({ log, checkpoint }: PackSource, { size }: Checkpoint, opened: readonly Opened[]): Promise<PackContent[]> {
  const tiles = new Map<string, Promise<Uint8Array | undefined>>()
  const files = filesIn(log)
  const hashAt = hashesFromTiles((path) => {
    const known = tiles.get(path)
    if (known) return known
    if (tiles.size > 1000) tiles.clear()
    const bytes = files.read(path)
    tiles.set(path, bytes)
    return bytes
  }, size)
  const contents: PackContent[] = []
  for (const { n, entry, disclosures } of opened) {
    const proof = proofText({ index: n, proof: await inclusionProof(n, size, hashAt), checkpoint, extra: null })
    contents.push({ path: `entries/${n}.json`, read: () => Promise.resolve(Buffer.from(entry)) })
    contents.push({ path: `entries/${n}.tlog-proof`, read: () => Promise.resolve(Buffer.from(proof)) })
    if (disclosures === null || disclosures.length === 0) continue
    contents.push({ path: `disclosures/${n}.json`, read: () => Promise.resolve(Buffer.from(JSON.stringify(disclosures))) })
  }
  return contents
}

/** Each permission that an entry of the pack names: what is on record of it, and its documents. */
async function consentContents(source: PackSource, entries: readonly OpenedEntry[]): Promise<PackContent[]> {
  const ids = new Set(entries.flatMap(({ fields }) => listOf(fields['permissions']).flatMap((p) => textOf(objectOf(p)['id']) ?? [])))
  const contents: PackContent[] = []
  for (const id of [...ids].toSorted()) {
    const record = await source.permission(id)
    contents.push({
      path: `consents/${id}/permission.json`,
      read: () => Promise.resolve(Buffer.from(JSON.stringify(record, null, 2))),
    })
    for (const { sha256 } of record.attachments) {
      if ((await source.document(id, sha256)) === null) continue
      contents.push({
        path: `consents/${id}/documents/${sha256}`,
        async read() {
          const bytes = await source.document(id, sha256)
          if (!bytes) throw new Error(`a document of permission ${id} was erased while the pack was made: make it again`)
          return bytes
        },
      })
    }
  }
  return contents
}

function policyContents({ policies }: PackSource, entries: readonly OpenedEntry[]): PackContent[] {
  const used = new Set(entries.map(({ record }) => objectOf(record['dec'])['policy']))
  return policies
    .filter(({ hash }) => used.has(hash))
    .map(({ hash, body }) => ({ path: `policies/${hash.replace('sha256:', '')}.json`, read: () => Promise.resolve(Buffer.from(body)) }))
}

function keyContents({ vkey }: PackSource): PackContent[] {
  const key = parseVkey(vkey)
  if (!key) throw new Error("the log's key cannot be read")
  const pem = key.key.export({ format: 'pem', type: 'spki' })
  const text = canonicalJson([{ vkey, from: 0, until: null }])
  return [
    { path: 'policy.txt', read: () => Promise.resolve(Buffer.from(`log ${vkey}\nquorum none\n`)) },
    { path: 'keys/log.pem', read: () => Promise.resolve(Buffer.from(pem)) },
    { path: 'keys/keys.json', read: () => Promise.resolve(Buffer.from(text)) },
  ]
}

function tally(entries: readonly OpenedEntry[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const { record } of entries) counts.set(textOf(record['t']) ?? '', (counts.get(textOf(record['t']) ?? '') ?? 0) + 1)
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
