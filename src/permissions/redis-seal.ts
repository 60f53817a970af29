/**
 * How anything of the instance lies in Redis: under a keyed hash, sealed with a key of the instance (AES-256-GCM) and
 * bound to its own key. A dump tells nothing, and nothing can be forged or copied under another key.
 */
import { createHmac } from 'node:crypto'
import { decrypt, derive, encrypt } from '../storage/keys.ts'

export interface RedisSeal {
  /** Before every key of this instance. */
  readonly prefix: string
  /** The name of a value. Names with the same `together` lie on the same node of a cluster. */
  keyOf(kind: string, value: string | Uint8Array, together?: string): string
  /** Stands for a name in a value that is not sealed. */
  nameOf(kind: string, value: string): string
  seal(key: string, value: unknown): Buffer
  /** The same as text, for scripts; undefined where it cannot be read. */
  sealText(key: string, value: unknown): string
  openText(key: string, text: string): unknown
  /** `other`: of another version, or nothing; `forged`: not sealed by this instance for this key. */
  open(key: string, box: Buffer | null): { readonly is: 'value'; readonly value: unknown } | { readonly is: 'other' | 'forged' }
}

/** First byte of each value: what another version of the gate wrote is a miss. */
const VERSION = 1
/** Of any sealed value: version, nonce, tag and one byte. */
const LEAST_BYTES = 30

export function redisSeal(indexKey: Uint8Array): RedisSeal {
  const sealing = derive(indexKey, 'ecluse cache/seal/v1')
  const naming = derive(indexKey, 'ecluse cache/key/v1')
  const prefix = `ecluse:${createHmac('sha256', naming).update('instance').digest('base64url').slice(0, 12)}`
  const hashOf = (kind: string, value: string | Uint8Array): string =>
    createHmac('sha256', naming).update(kind).update('\0').update(value).digest('base64url')
  const nameOf = (kind: string, value: string): string => hashOf(kind, value).slice(0, 16)
  const seal: RedisSeal = {
    prefix,
    nameOf,
    keyOf(kind, value, together) {
      const tag = together === undefined ? '' : `{${nameOf('together', together)}}:`
      return `${prefix}:${tag}${kind}:${hashOf(kind, value)}`
    },
    seal: (key, value) => Buffer.concat([Buffer.of(VERSION), encrypt(sealing, Buffer.from(JSON.stringify(value)), key)]),
    sealText: (key, value) => seal.seal(key, value).toString('base64url'),
    openText(key, text) {
      const opened = seal.open(key, Buffer.from(text, 'base64url'))
      return opened.is === 'value' ? opened.value : undefined
    },
    open(key, box) {
      if (box === null || box[0] !== VERSION) return { is: 'other' }
      if (box.byteLength < LEAST_BYTES) return { is: 'forged' }
      let text: string
      try {
        text = decrypt(sealing, box.subarray(1), key).toString()
      } catch {
        // Not sealed by this instance for this place: the caller counts it.
        return { is: 'forged' }
      }
      try {
        return { is: 'value', value: JSON.parse(text) as unknown }
      } catch {
        // Sealed by us and yet not ours to read: as good as not there.
        return { is: 'other' }
      }
    },
  }
  return seal
}
