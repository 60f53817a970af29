/** Documents that prove a permission, encrypted under the subject's key in files named by a keyed digest. Bytes never change. */
import { createHash, createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
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

export function attachmentsOn(
  db: DatabaseSync,
  keys: KeyStore,
  folder: string,
  index: Uint8Array,
  write: (file: string, bytes: Uint8Array) => void,
): Attachments {
  const insert = db.prepare(
    'INSERT OR IGNORE INTO attachment (sha256, permission, kind, media_type, bytes, stored, key_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
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
      const file = join(folder, stored)
      // The file is there before the row that names it.
      if (!existsSync(file)) write(file, encrypt(key, bytes, sha256))
      insert.run(sha256, permission, kind, mediaType, bytes.byteLength, stored, keyId)
      return sha256
    },
    read(permission, sha256) {
      const row = find.get(permission, sha256)
      const key = row && keyOf(String(row['key_id']))
      return row && key && decrypt(key, readFileSync(join(folder, String(row['stored']))), sha256)
    },
  }
}
