/**
 * Entity tags (RFC 9110 § 8.8.3): strong, and of what is shown. That of a permission begins with the number of its last
 * act, so that a change conditioned on it is compared where it is made, and not only where it is asked for.
 */
import { createHash } from 'node:crypto'

export function tagOf(text: string | Uint8Array): string {
  return `"${hashOf(text)}"`
}

function hashOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

export function permissionTag(head: string, body: unknown): string {
  return `"${head.slice(head.lastIndexOf('/') + 1)}.${hashOf(JSON.stringify(body))}"`
}

/** `*`, the tags in order, or undefined where it is no list of tags. A weak tag is kept as written, and never matches strongly. */
export function tagsOf(header: string): '*' | readonly string[] | undefined {
  if (header.trim() === '*') return '*'
  const tags = header.split(',').map((tag) => tag.trim())
  return tags.every((tag) => /^(W\/)?"[\u0021\u0023-\u007e]*"$/.test(tag)) ? tags : undefined
}

/** Of If-None-Match: compared weakly, as the RFC has it. */
export function isFresh(ifNoneMatch: string | undefined, tag: string): boolean {
  const tags = ifNoneMatch === undefined ? undefined : tagsOf(ifNoneMatch)
  return tags === '*' || (tags?.some((one) => one.replace(/^W\//, '') === tag) ?? false)
}
