/**
 * Makes log entries out of journal rows, strictly in order of their numbers: salts and digests of sealed fields, tags,
 * bytes, leaf hash, index; then the row is erased, all in one transaction. Nothing a request waits for happens here.
 *
 * The entry is the stored bytes: it is written once and never serialised again to be hashed.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { JournalRow } from '../storage/journal.ts'
import { freshBytes } from '../storage/keys.ts'
import { leafHash, subtreeRoot } from './log/merkle.ts'
import { hashesAt, TILE_WIDTH } from './log/tiles.ts'
import { deriveSealKey, deriveTagKey, disclosure, sealDisclosures, subjectTag } from './sealed.ts'

export interface Sealer {
  /** Seals up to `most` rows; gives how many. Opens and commits its own transaction. */
  seal(most: number): number
}

/** A C2SP entry bundle gives each entry a 16-bit length; ours stay far below it. */
const MAX_BUNDLE_ENTRY_BYTES = 65_535

export function sealerOn(db: DatabaseSync, node: string, origin: string, keyOf: (id: string) => Buffer | undefined): Sealer {
  const sql = {
    rows: db.prepare('SELECT n, at, body FROM journal ORDER BY n LIMIT ?'),
    entry: db.prepare('INSERT INTO entry (n, at, bytes, leaf) VALUES (?, ?, ?, ?)'),
    sealed: db.prepare('INSERT INTO sealed (n, key_id, box) VALUES (?, ?, ?)'),
    index: db.prepare('INSERT OR IGNORE INTO entry_index (token, n) VALUES (?, ?)'),
    refusedIndex: db.prepare('INSERT OR IGNORE INTO refused_index (token, n, at) VALUES (?, ?, ?)'),
    erase: db.prepare('DELETE FROM journal WHERE n = ?'),
    leaves: db.prepare('SELECT leaf AS hash FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    hashes: db.prepare('SELECT hash FROM tile_hash WHERE level = ? AND i >= ? AND i < ? ORDER BY i'),
    tileHash: db.prepare('INSERT OR REPLACE INTO tile_hash (level, i, hash) VALUES (?, ?, ?)'),
  }
  const derived = new Map<string, { readonly seal: Buffer; readonly tag: Buffer }>()
  function keysOf(id: string): { readonly seal: Buffer; readonly tag: Buffer } | undefined {
    const key = keyOf(id)
    // Asked on every use: a destroyed key must not live on in this memory.
    if (!key) {
      derived.delete(id)
      return undefined
    }
    const known = derived.get(id)
    if (known) return known
    const made = { seal: deriveSealKey(key), tag: deriveTagKey(key, origin) }
    if (derived.size >= 10_000) derived.clear()
    derived.set(id, made)
    return made
  }

  function sealRow(n: number, at: Millis, row: JournalRow): void {
    const key = row.keyId === undefined ? undefined : keysOf(row.keyId)
    const fields = Object.entries(row.sealed ?? {}).filter((field): field is [string, Json] => field[1] !== undefined)
    const disclosures = key ? fields.map(([name, value]) => disclosure(name, value)) : []
    const tags = (row.tags ?? []).flatMap((id) => {
      const tagKey = keysOf(id)?.tag
      if (!tagKey) return []
      const nonce = freshBytes(16)
      return [{ n: nonce.toString('base64url'), k: subjectTag(tagKey, nonce).toString('base64url') }]
    })
    const bytes = Buffer.from(
      canonicalJson({
        ...row.clear,
        v: 1,
        n,
        id: uuidV7(at),
        at: rfc3339(at),
        node,
        ...(disclosures.length > 0 && { _sd: disclosures.map((d) => d.digest).toSorted(), _sd_alg: 'sha-256' }),
        ...(tags.length > 0 && { tags }),
      }),
    )
    if (bytes.byteLength > MAX_BUNDLE_ENTRY_BYTES) throw new RangeError(`entry ${n} has ${bytes.byteLength} bytes`)
    const leaf = leafHash(bytes)
    sql.entry.run(n, at, bytes, leaf)
    if (key && row.keyId !== undefined && disclosures.length > 0) {
      const sealed = disclosures.map((d) => d.disclosure)
      sql.sealed.run(n, row.keyId, sealDisclosures(key.seal, sealed, leaf))
    }
    for (const token of row.index ?? []) sql.index.run(Buffer.from(token, 'hex'), n)
    if (row.refusedIndex !== undefined) sql.refusedIndex.run(Buffer.from(row.refusedIndex, 'hex'), n, at)
    sql.erase.run(n)
    if ((n + 1) % TILE_WIDTH === 0) closeTiles(n + 1)
  }

  /** Each full tile is one hash of the level above. */
  function closeTiles(size: number): void {
    for (let level = 0; size % TILE_WIDTH ** (level + 1) === 0; level += 1) {
      const index = hashesAt(level + 1, size) - 1
      const [from, to] = [index * TILE_WIDTH, (index + 1) * TILE_WIDTH]
      const rows = level === 0 ? sql.leaves.all(from, to) : sql.hashes.all(level, from, to)
      if (rows.length !== TILE_WIDTH) throw new RangeError(`level ${level} tile ${index} is not full`)
      sql.tileHash.run(level + 1, index, subtreeRoot(Buffer.concat(rows.map((r) => r['hash'] as Uint8Array))))
    }
  }

  return {
    seal(most) {
      const rows = sql.rows.all(most)
      if (rows.length === 0) return 0
      db.exec('BEGIN IMMEDIATE')
      for (const row of rows) sealRow(Number(row['n']), Number(row['at']) as Millis, JSON.parse(String(row['body'])) as JournalRow)
      db.exec('COMMIT')
      return rows.length
    },
  }
}

/** RFC 9562 version 7. */
function uuidV7(at: Millis): string {
  const bytes = freshBytes(16)
  bytes.writeUIntBE(at, 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
