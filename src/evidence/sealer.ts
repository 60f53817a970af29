/**
 * Makes log entries out of journal rows, strictly in order of their numbers: salts and digests of sealed fields, tags,
 * bytes, leaf hash, index; then the row is erased, all in one transaction. Nothing a request waits for happens here.
 *
 * The entry is the stored bytes: it is written once and never serialised again to be hashed.
 */
import type { Atomically, Database } from '../storage/database.ts'
import type { LogOnRecord } from '../storage/logs.ts'
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { numberOf, positionOf } from '../domain/position.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { JournalRow } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'
import { freshBytes } from '../storage/keys.ts'
import { leafHash, subtreeRoot } from './log/merkle.ts'
import { hashesAt, TILE_WIDTH } from './log/tiles.ts'
import { deriveSealKey, deriveTagKey, disclosure, sealDisclosures, subjectTag } from './sealed.ts'

export interface Sealer {
  /** Seals up to `most` rows of a log; gives how many. A transaction of its own. */
  seal(log: Pick<LogOnRecord, 'id' | 'origin'>, most: number): number
}

/** A C2SP entry bundle gives each entry a 16-bit length; ours stay far below it. */
const MAX_BUNDLE_ENTRY_BYTES = 65_535

interface SubjectKeys {
  readonly seal: Buffer
  readonly tag: Buffer
}
type Keys = (id: string) => SubjectKeys | undefined

export function sealerOn(
  db: Database,
  atomically: Atomically,
  node: string,
  subjects: Pick<KeyStore, 'get' | 'prefetch'>,
  read: (text: string) => JournalRow,
): Sealer {
  const sql = {
    rows: db.prepare('SELECT n, at, body FROM journal WHERE n >= ? AND n < ? ORDER BY n LIMIT ?'),
    entry: db.prepare('INSERT INTO entry (n, at, bytes, leaf) VALUES (?, ?, ?, ?)'),
    sealed: db.prepare('INSERT INTO sealed (n, key_id, box) VALUES (?, ?, ?)'),
    index: db.prepare('INSERT INTO entry_index (token, at, n) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    refusedIndex: db.prepare('INSERT INTO refused_index (token, n, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    erase: db.prepare('DELETE FROM journal WHERE n >= ? AND n <= ?'),
    leaves: db.prepare('SELECT leaf AS hash FROM entry WHERE n >= ? AND n < ? ORDER BY n'),
    hashes: db.prepare('SELECT hash FROM tile_hash WHERE level = ? AND i >= ? AND i < ? ORDER BY i'),
    tileHash: db.prepare(
      'INSERT INTO tile_hash (level, i, hash) VALUES (?, ?, ?) ON CONFLICT (level, i) DO UPDATE SET hash = excluded.hash',
    ),
  }
  const derived = new Map<string, SubjectKeys>()
  function keysFor(origin: string): Keys {
    return (id) => {
      const key = subjects.get(id)
      const name = `${id} ${origin}`
      // Asked on every use: a destroyed key must not live on in this memory.
      if (!key) {
        derived.delete(name)
        return undefined
      }
      const known = derived.get(name)
      if (known) return known
      const made = { seal: deriveSealKey(key), tag: deriveTagKey(key, origin) }
      if (derived.size >= 10_000) derived.clear()
      derived.set(name, made)
      return made
    }
  }

  /** Each full tile is one hash of the level above. */
  function closeTiles(log: number, size: number): void {
    for (let level = 0; size % TILE_WIDTH ** (level + 1) === 0; level += 1) {
      const index = hashesAt(level + 1, size) - 1
      const [from, to] = [positionOf(log, index * TILE_WIDTH), positionOf(log, (index + 1) * TILE_WIDTH)]
      const rows = level === 0 ? sql.leaves.all(from, to) : sql.hashes.all(level, from, to)
      if (rows.length !== TILE_WIDTH) throw new RangeError(`level ${level} tile ${index} is not full`)
      sql.tileHash.run(level + 1, positionOf(log, index), subtreeRoot(Buffer.concat(rows.map((r) => r['hash'] as Uint8Array))))
    }
  }
  function put(log: number, made: readonly Sealed[]): void {
    const [first, last] = [made[0], made.at(-1)]
    if (!first || !last) return
    sql.entry.runAll(made.map(({ n, at, bytes, leaf }) => [n, at, bytes, leaf]))
    sql.sealed.runAll(made.flatMap(({ n, box }) => (box ? [[n, box.keyId, box.bytes]] : [])))
    sql.index.runAll(made.flatMap(({ n, at, index }) => index.map((token) => [Buffer.from(token, 'hex'), at, n])))
    sql.refusedIndex.runAll(made.flatMap(({ n, at, refused }) => (refused === undefined ? [] : [[Buffer.from(refused, 'hex'), n, at]])))
    sql.erase.run(first.n, last.n)
    for (const { n } of made) if ((numberOf(n) + 1) % TILE_WIDTH === 0) closeTiles(log, numberOf(n) + 1)
  }

  return {
    seal({ id, origin }, most) {
      const rows = sql.rows.all(positionOf(id, 0), positionOf(id + 1, 0), most)
      if (rows.length === 0) return 0
      const keys = keysFor(origin)
      atomically(() => {
        const bodies = rows.map((row) => read(String(row['body'])))
        subjects.prefetch([...new Set(bodies.flatMap(({ keyId, tags = [] }) => (keyId === undefined ? tags : [keyId, ...tags])))])
        put(
          id,
          bodies.map((body, i) => sealRow(Number(rows[i]?.['n']), Number(rows[i]?.['at']) as Millis, body, node, keys)),
        )
      })
      return rows.length
    },
  }
}

interface Sealed {
  readonly n: number
  readonly at: Millis
  readonly bytes: Buffer
  readonly leaf: Buffer
  readonly box: { readonly keyId: string; readonly bytes: Buffer } | undefined
  readonly index: readonly string[]
  readonly refused: string | undefined
}

function sealRow(n: number, at: Millis, row: JournalRow, node: string, keys: Keys): Sealed {
  const key = row.keyId === undefined ? undefined : keys(row.keyId)
  const fields = Object.entries(row.sealed ?? {}).filter((field): field is [string, Json] => field[1] !== undefined)
  const disclosures = key ? fields.map(([name, value]) => disclosure(name, value)) : []
  const tags = (row.tags ?? []).flatMap((id) => {
    const tagKey = keys(id)?.tag
    if (!tagKey) return []
    const nonce = freshBytes(16)
    return [{ n: nonce.toString('base64url'), k: subjectTag(tagKey, nonce).toString('base64url') }]
  })
  const bytes = Buffer.from(
    canonicalJson({
      ...row.clear,
      v: 1,
      n: numberOf(n),
      id: uuidV7(at),
      at: rfc3339(at),
      node,
      ...(disclosures.length > 0 && { _sd: disclosures.map((d) => d.digest).toSorted(), _sd_alg: 'sha-256' }),
      ...(tags.length > 0 && { tags }),
    }),
  )
  if (bytes.byteLength > MAX_BUNDLE_ENTRY_BYTES) throw new RangeError(`entry ${n} has ${bytes.byteLength} bytes`)
  const leaf = leafHash(bytes)
  const sealed = disclosures.map((d) => d.disclosure)
  const box =
    key && row.keyId !== undefined && sealed.length > 0 ? { keyId: row.keyId, bytes: sealDisclosures(key.seal, sealed, leaf) } : undefined
  return { n, at, bytes, leaf, box, index: row.index ?? [], refused: row.refusedIndex }
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
