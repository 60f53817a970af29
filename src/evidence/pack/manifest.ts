/**
 * What an evidence pack says of itself: `manifest.json` names every file with its size and hash, `manifest.note` is the
 * log's signature over the manifest's hash, and `evidence.exported` in the log carries the same hash.
 */
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'

export const PACK_FORMAT = 'ecluse-pack/v1'

export interface PackFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface Manifest {
  readonly format: typeof PACK_FORMAT
  readonly pack: string
  readonly madeAt: string
  readonly by: string
  readonly why: string
  readonly for: string | null
  /** What was asked for, in the words of the command. */
  readonly scope: Json
  readonly origin: string
  /** Of the log whose copy lies in the pack. */
  readonly size: number
  readonly root: string
  readonly entries: number
  readonly types: Readonly<Record<string, number>>
  /** Entries whose sealed fields nothing opens any more. */
  readonly erased: number
  readonly files: readonly PackFile[]
}

export function manifestText(manifest: Manifest): string {
  return `${canonicalJson(manifest as unknown as Json)}\n` // interfaces have no index signature; the values are plain data
}

export function parseManifest(text: string): Manifest | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const manifest = value as Partial<Manifest> | null
  const files = manifest?.files
  const sound =
    manifest?.format === PACK_FORMAT &&
    typeof manifest.pack === 'string' &&
    typeof manifest.origin === 'string' &&
    typeof manifest.size === 'number' &&
    Array.isArray(files) &&
    files.every((f: Partial<PackFile>) => typeof f.path === 'string' && typeof f.bytes === 'number' && typeof f.sha256 === 'string')
  return sound ? (manifest as Manifest) : undefined
}

/**
 * What is signed. No checkpoint looks like this (its second line is a number), and nothing of it is a caller's choice
 * but two strings of fixed form. Throws a RangeError on anything else.
 */
export function packText(origin: string, id: string, manifest: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new RangeError('a pack is named by a UUID')
  if (!/^sha256:[0-9a-f]{64}$/.test(manifest)) throw new RangeError('a manifest is named by its SHA-256')
  return `${origin}\n${PACK_FORMAT}\n${id}\n${manifest}\n`
}
