/**
 * An entry with what it commits to, as a reader who was handed its disclosures sees it. Each disclosure is checked
 * against the entry here: what the entry does not commit to is no part of it.
 */
import type { Json } from '../domain/canonical.ts'
import { disclosureDigest, openDisclosure, subjectTag } from './sealed.ts'

export type JsonObject = Readonly<Record<string, Json | undefined>>

/** An entry as it is handed out. */
export interface Opened {
  /** Its position among all logs; in a pack, which has one log, its number. */
  readonly n: number
  /** `origin/number`. */
  readonly name: string
  /** The entry's bytes as they were hashed, UTF-8. */
  readonly entry: string
  /** SD-JWT disclosures; null where the key was destroyed, empty where nothing was sealed. */
  readonly disclosures: readonly string[] | null
}

export interface OpenedEntry {
  readonly n: number
  readonly name: string
  readonly record: JsonObject
  readonly fields: JsonObject
  /** `erased`: there are sealed fields and nothing opens them any more · `closed`: not all were handed to this reader. */
  readonly seal: 'none' | 'open' | 'closed' | 'erased'
  /** Disclosures that the entry does not commit to: somebody changed or added them. */
  readonly strays: number
}

export function openEntry({ n, name, entry, disclosures }: Opened): OpenedEntry {
  const record = objectOf(JSON.parse(entry) as Json)
  const digests = Array.isArray(record['_sd']) ? (record['_sd'] as readonly Json[]) : []
  const fields: Record<string, Json> = {}
  let strays = 0
  for (const each of disclosures ?? []) {
    const field = openDisclosure(each)
    if (!field || !digests.includes(disclosureDigest(each)) || Object.hasOwn(fields, field.name)) strays += 1
    else fields[field.name] = field.value
  }
  const open = Object.keys(fields).length
  const seal = digests.length === 0 ? 'none' : disclosures === null ? 'erased' : open === digests.length ? 'open' : 'closed'
  return { n, name, record, fields, seal, strays }
}

/** Whether the entry carries a tag of the subject whose key for this log this is. */
export function bearsTag(record: JsonObject, tagKey: Uint8Array): boolean {
  const { tags } = record
  if (!Array.isArray(tags)) return false
  return (tags as readonly Json[]).some((tag) => {
    const { n, k } = objectOf(tag)
    return typeof n === 'string' && typeof k === 'string' && subjectTag(tagKey, Buffer.from(n, 'base64url')).toString('base64url') === k
  })
}

export function objectOf(value: Json | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {}
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** What a message or a parser is given: the text itself, or what JSON makes of anything else. */
export function shown(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
