/**
 * What must never be found in clear: meters, names, tokens and secrets of a test's gate, in its log, its metrics, and,
 * once its journal is drained, in any file of its state folder. Every gate of the harness is searched when it stops.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Canaries {
  add(...texts: readonly string[]): void
  /** Throws with where one was found; of which, only its first letters. */
  searchText(where: string, text: string): void
  searchFolder(folder: string): void
}

export function canaries(): Canaries {
  const known = new Set<string>()
  function search(where: string, bytes: Buffer): void {
    for (const text of known) {
      if (bytes.includes(text)) throw new Error(`${where} holds ${JSON.stringify(`${text.slice(0, 6)}…`)} in clear`)
    }
  }
  return {
    add(...texts) {
      // A short text may stand anywhere by chance.
      for (const text of texts) if (text.length >= 8) known.add(text)
    },
    searchText: (where, text) => search(where, Buffer.from(text)),
    searchFolder(folder) {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name)
        if (entry.isFile()) search(file, readFileSync(file))
      }
    },
  }
}
