/**
 * RFC 8785 (JSON Canonicalization Scheme) of plain data: keys sorted by UTF-16 code units, no spaces, numbers as
 * ECMAScript writes them. Two writers get the same bytes; verifiers hash stored bytes and never rely on it.
 */
import { createHash } from 'node:crypto'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** Throws a TypeError on NaN, infinities, and anything that JSON cannot hold. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('a number that JSON cannot hold')
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`
  if (typeof value !== 'object') throw new TypeError('a value that JSON cannot hold')
  const members = value as { readonly [key: string]: Json | undefined }
  const texts: string[] = []
  for (const key of Object.keys(members).toSorted()) {
    const item = members[key]
    if (item !== undefined) texts.push(`${JSON.stringify(key)}:${canonicalJson(item)}`)
  }
  return `{${texts.join(',')}}`
}

/** The name of what is written so: a scope, a policy. */
export function canonicalHash(value: Json): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`
}
