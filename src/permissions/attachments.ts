/** Documents that prove a permission, encrypted under the subject's key under a keyed digest for a name. Bytes never change. */
import { createHash, createHmac } from 'node:crypto'
import type { Database, Documents } from '../storage/database.ts'
import { derive, decrypt, encrypt } from '../storage/keys.ts'
import type { KeyStore } from '../storage/keys.ts'
import { Refused } from '../storage/rpc.ts'

export interface NewAttachment {
  readonly kind: string
  readonly mediaType: string
  readonly bytes: Uint8Array
}
export interface Attachments {
  /** Gives the SHA-256 of the document, as the acts name it. */
  add(permission: string, keyId: string, attachment: NewAttachment): string
  /** Undefined once the subject is erased. */
  read(permission: string, sha256: string): Buffer | undefined
}

export const MAX_BYTES = 16 * 1024 * 1024

export function attachmentsOn(db: Database, keys: KeyStore, documents: Documents, index: Uint8Array): Attachments {
  const insert = db.prepare(
    'INSERT INTO attachment (sha256, permission, kind, media_type, bytes, stored, key_id) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const find = db.prepare('SELECT stored, key_id FROM attachment WHERE permission = ? AND sha256 = ?')
  const keyOf = (id: string): Buffer | undefined => {
    const key = keys.get(id)
    return key && derive(key, 'ecluse attachment/v1')
  }
  return {
    add(permission, keyId, { kind, mediaType, bytes }) {
      if (bytes.byteLength > MAX_BYTES) throw new Refused(`a document has more than ${MAX_BYTES} bytes`)
      const key = keyOf(keyId)
      if (!key) throw new Refused('the subject of this permission was erased')
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const name = createHmac('sha256', index).update(`attachment/v1\0${keyId}\0${sha256}`).digest('hex')
      const stored = `${name.slice(0, 2)}/${name}`
      // It is there before the row that names it.
      if (!documents.has(stored)) documents.put(stored, encrypt(key, bytes, sha256))
      insert.run(sha256, permission, kind, mediaType, bytes.byteLength, stored, keyId)
      return sha256
    },
    read(permission, sha256) {
      const row = find.get(permission, sha256)
      const key = row && keyOf(String(row['key_id']))
      return row && key && decrypt(key, documents.get(String(row['stored'])), sha256)
    },
  }
}
