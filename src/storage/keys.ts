/**
 * Subject keys: one 32-byte key for each person or body × meter × direction (and one for each client), wrapped under
 * the master key, which is not on this disk. What identifies a person lies encrypted under that person's key, so that
 * destroying the key erases it everywhere at once. A key is committed before its first use, or with it.
 *
 * Each use of a key has a key of its own, derived with a label (HKDF-SHA256, RFC 5869).
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, randomFillSync } from 'node:crypto'
import type { Database } from './database.ts'

export interface KeyStore {
  /** Commits a new key and gives its random id. */
  create(now: number): string
  /** Undefined once the key is destroyed. */
  get(id: string): Buffer | undefined
  /** Reads what will be asked for, at once. */
  prefetch(ids: readonly string[]): void
  /** Where others may destroy keys: what was read is not trusted beyond the transaction in which it was. */
  drop(): void
  destroy(id: string): void
  /** Undefined if the key is destroyed; throws if the box was tampered with. */
  unbox(id: string, box: Uint8Array, context: string): string | undefined
  box(id: string, text: string, context: string): Buffer
}

export class KeyGone extends Error {
  override readonly name = 'KeyGone'
}

export function keyStore(keys: Database, master: Uint8Array): KeyStore {
  if (master.byteLength !== 32) throw new RangeError('the master key must have 32 bytes')
  const wrapping = derive(master, 'ecluse master/wrap/v1')
  const insert = keys.prepare('INSERT INTO subject_key (id, wrapped, created_at) VALUES (?, ?, ?)')
  const select = keys.prepare('SELECT wrapped FROM subject_key WHERE id = ?')
  const selectAll = keys.prepare('SELECT id, wrapped FROM subject_key WHERE id IN (SELECT value FROM json_each(?))')
  const remove = keys.prepare('DELETE FROM subject_key WHERE id = ?')
  const any = keys.prepare('SELECT id, wrapped FROM subject_key LIMIT 1').get()
  if (any && !opens(wrapping, any['wrapped'] as Uint8Array, String(any['id'])))
    throw new Error("the master key is not the one under which the subjects' keys are wrapped: give that one (evidence.keys.master)")
  const cache = new Map<string, { readonly key: Buffer; readonly boxing: Buffer }>()

  function load(id: string): { readonly key: Buffer; readonly boxing: Buffer } | undefined {
    const known = cache.get(id)
    if (known) return known
    const row = select.get(id)
    return row && keep(id, row['wrapped'] as Uint8Array)
  }
  function keep(id: string, wrapped: Uint8Array): { readonly key: Buffer; readonly boxing: Buffer } {
    const key = decrypt(wrapping, wrapped, id)
    const entry = { key, boxing: derive(key, 'ecluse registry/box/v1') }
    if (cache.size >= 10_000) cache.delete(cache.keys().next().value ?? '')
    cache.set(id, entry)
    return entry
  }
  return {
    create(now) {
      const id = randomBytes(16).toString('base64url')
      const key = randomBytes(32)
      insert.run(id, encrypt(wrapping, key, id), now)
      return id
    },
    get: (id) => load(id)?.key,
    prefetch(ids) {
      const missing = ids.filter((id) => !cache.has(id))
      if (missing.length < 2) return
      for (const row of selectAll.all(JSON.stringify(missing))) keep(String(row['id']), row['wrapped'] as Uint8Array)
    },
    drop: () => cache.clear(),
    destroy(id) {
      cache.delete(id)
      remove.run(id)
    },
    box(id, text, context) {
      const entry = load(id)
      if (!entry) throw new KeyGone('the key of this subject was destroyed')
      return encrypt(entry.boxing, Buffer.from(text), `${id}\0${context}`)
    },
    unbox(id, box, context) {
      const entry = load(id)
      return entry && decrypt(entry.boxing, box, `${id}\0${context}`).toString()
    },
  }
}

function opens(key: Uint8Array, box: Uint8Array, context: string): boolean {
  try {
    decrypt(key, box, context)
    return true
  } catch {
    return false
  }
}

export function derive(key: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), label, 32))
}

/**
 * Random bytes for what is public or is sealed right away (nonces, salts, ids), never for keys: asked of the system 4 KB at a
 * time, because sealing needs some eighty bytes an entry in small pieces. None is given twice, and none stays here.
 */
export function freshBytes(count: number): Buffer {
  if (count > pool.byteLength) return randomBytes(count)
  if (taken + count > pool.byteLength) {
    randomFillSync(pool)
    taken = 0
  }
  const fresh = Buffer.from(pool.subarray(taken, taken + count))
  pool.fill(0, taken, taken + count)
  taken += count
  return fresh
}
const pool = Buffer.alloc(4096)
let taken = pool.byteLength

/** AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16). */
export function encrypt(key: Uint8Array, plain: Uint8Array, context: string | Uint8Array): Buffer {
  const nonce = freshBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(typeof context === 'string' ? Buffer.from(context) : context)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws if a byte of box or context differs. */
export function decrypt(key: Uint8Array, box: Uint8Array, context: string | Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, 12))
  decipher.setAAD(typeof context === 'string' ? Buffer.from(context) : context)
  decipher.setAuthTag(box.subarray(box.byteLength - 16))
  return Buffer.concat([decipher.update(box.subarray(12, box.byteLength - 16)), decipher.final()])
}

/**
 * Where a person's rows are found without their number standing anywhere: a keyed hash, because 14 digits are guessed
 * in seconds. `HMAC-SHA-256(K_index, "subject-index/v1" ‖ 00 ‖ dso ‖ 00 ‖ type ‖ 00 ‖ value)`.
 */
export function indexToken(index: Uint8Array, dso: string, type: string, value: string): Buffer {
  return createHmac('sha256', index).update(`subject-index/v1\0${dso}\0${type}\0${value}`).digest()
}

/** Kept in the state, so that another index key, with which every meter is unknown, is noticed at start. */
export function indexKeyCheck(index: Uint8Array): string {
  return createHmac('sha256', index).update('ecluse index/check/v1').digest('hex')
}
