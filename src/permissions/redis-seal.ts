/**
 * How anything of the instance lies in Redis: under a keyed hash, sealed with a key of the instance (AES-256-GCM) and
 * bound to its own key. A dump tells nothing, and nothing can be forged or copied under another key. What is long is
 * deflated first, with what permissions are made of known to both sides: a fifth of the memory.
 */
import { createHmac } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
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
const PLAIN = 1
const DEFLATED = 2
/** Shorter ones would gain nothing. */
const WORTH_DEFLATING = 400
/** Of a value written out; none that this instance seals comes near it. */
const MOST_BYTES = 4 * 1_048_576
/**
 * What permissions are made of, what is met most at the end (RFC 1951 looks back from there); of moments
 * the first of two years. Both sides must know the same: another text is another version.
 */
const DICTIONARY = Buffer.from(
  '"legal_obligation","legitimate_interest","public_task","contract","holder_itself","subscribed_access","acc_contract",' +
    '"building_mandate","endReason":"suspendCause":"suspended","legalReference":"contractRef":"opened":true,"once","P1M","P1Y","derive",' +
    '"PT10M","PT15M","PT60M","none","injection","published_reading","index","max_power","contract_data","technical_data","address",' +
    '"identity","enedis-sge","grdf-adict",{"generation":1,"permissions":[{"id":"","version":1,' +
    '"scope":{"recipient":"","ground":{"gdprBasis":"consent","sectorRelease":"express_authorisation"},"validFrom":1767225600000,"validUntil":1798761600000,' +
    '"lines":[{"id":"l1","kind":"load_curve","direction":"withdrawal","finest":"PT30M","coarser":"fetch","purpose":"self_view",' +
    '"data":{"from":"2025-01-01","until":"2027-01-01"},"recurrence":"on_demand"},{"id":"l2","kind":"daily_energy",' +
    '"direction":"withdrawal","finest":"P1D","coarser":"fetch","purpose":"self_view","data":{"from":"2025-01-01","until":"2027-01-01"},' +
    '"recurrence":"on_demand"}]},"status":"active","head":"/journal/2026/","bindings":[{"provider":"enedis-data-connect",' +
    '"account":"main","ready":true}],"deliveries":[]}]}',
)
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
    seal(key, value) {
      const plain = Buffer.from(JSON.stringify(value))
      if (plain.byteLength < WORTH_DEFLATING) return Buffer.concat([Buffer.of(PLAIN), encrypt(sealing, plain, key)])
      const deflated = deflateRawSync(plain, { dictionary: DICTIONARY, level: 9 })
      return Buffer.concat([Buffer.of(DEFLATED), encrypt(sealing, deflated, key)])
    },
    sealText: (key, value) => seal.seal(key, value).toString('base64url'),
    openText(key, text) {
      const opened = seal.open(key, Buffer.from(text, 'base64url'))
      return opened.is === 'value' ? opened.value : undefined
    },
    open(key, box) {
      if (box === null || (box[0] !== PLAIN && box[0] !== DEFLATED)) return { is: 'other' }
      if (box.byteLength < LEAST_BYTES) return { is: 'forged' }
      let opened: Buffer
      try {
        opened = decrypt(sealing, box.subarray(1), key)
      } catch {
        // Not sealed by this instance for this place: the caller counts it.
        return { is: 'forged' }
      }
      try {
        const plain = box[0] === PLAIN ? opened : inflateRawSync(opened, { dictionary: DICTIONARY, maxOutputLength: MOST_BYTES })
        return { is: 'value', value: JSON.parse(plain.toString()) as unknown }
      } catch {
        // Sealed by us and yet not ours to read: as good as not there.
        return { is: 'other' }
      }
    },
  }
  return seal
}
