/**
 * What an entry only commits to: sealed fields, tags, and the keys derived for them. Pure but for fresh randomness.
 *
 * A sealed field is an SD-JWT disclosure (RFC 9901 § 4.2): any such tool opens one, and each opens alone. Its salt is
 * fresh, because a meter number has 14 digits and a bare hash of it is guessed in seconds. A tag shows to whoever holds
 * the subject's tag key that an entry is about that subject, and to nobody else that two entries are about one.
 */
import { createHmac, hash } from 'node:crypto'
import type { Json } from '../domain/canonical.ts'
import { decrypt, derive, encrypt, freshBytes } from '../storage/keys.ts'

export interface Disclosure {
  /** base64url of the JSON array of salt, name and value. */
  readonly disclosure: string
  /** What stands in the entry's `_sd`. */
  readonly digest: string
}

export interface OpenedField {
  readonly salt: string
  readonly name: string
  readonly value: Json
}

const SALT_BYTES = 16
export const TAG_BYTES = 16

/** `salt` is an argument for published vectors only: it is never used twice. */
export function disclosure(name: string, value: Json, salt: Uint8Array = freshBytes(SALT_BYTES)): Disclosure {
  const text = JSON.stringify([Buffer.from(salt).toString('base64url'), name, value])
  const encoded = Buffer.from(text).toString('base64url')
  return { disclosure: encoded, digest: disclosureDigest(encoded) }
}

/** Over the letters of the disclosure as they stand, never over JSON written again. */
export function disclosureDigest(encoded: string): string {
  return hash('sha256', encoded, 'base64url')
}

/** Undefined unless it is a disclosure of a named field. Whether an entry commits to it is for the caller to compare. */
export function openDisclosure(encoded: string): OpenedField | undefined {
  const bytes = Buffer.from(encoded, 'base64url')
  if (bytes.toString('base64url') !== encoded) return undefined
  const parts = parseArray(bytes.toString())
  const [salt, name, value] = parts ?? []
  if (parts?.length !== 3 || typeof salt !== 'string' || typeof name !== 'string' || value === undefined) return undefined
  // Reserved by RFC 9901 § 4.2.1: they would change what the entry itself says.
  return name === '_sd' || name === '...' ? undefined : { salt, name, value }
}

function parseArray(text: string): readonly Json[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? (value as readonly Json[]) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The key under which a subject's disclosures are sealed. */
export function deriveSealKey(subjectKey: Uint8Array): Buffer {
  return derive(subjectKey, 'ecluse evidence/seal/v1')
}

/** Per log: a key shown to an auditor for one year's log opens no other. */
export function deriveTagKey(subjectKey: Uint8Array, origin: string): Buffer {
  return derive(subjectKey, `ecluse evidence/tag/v1\0${origin}`)
}

/** The nonce stands beside the tag in the entry; 16 fresh bytes each time. */
export function subjectTag(tagKey: Uint8Array, nonce: Uint8Array): Buffer {
  return createHmac('sha256', tagKey).update('subject-tag/v1').update(nonce).digest().subarray(0, TAG_BYTES)
}

/** Bound to its entry: a box moved beside another entry does not open. */
export function sealDisclosures(sealKey: Uint8Array, disclosures: readonly string[], leaf: Uint8Array): Buffer {
  return encrypt(sealKey, Buffer.from(JSON.stringify(disclosures)), leaf)
}

/** Throws if box, key or entry is another one. */
export function openDisclosures(sealKey: Uint8Array, box: Uint8Array, leaf: Uint8Array): readonly string[] {
  return JSON.parse(decrypt(sealKey, box, leaf).toString()) as readonly string[]
}
