/** Files that a power cut leaves whole: written, synced, renamed, and their folder synced; without the last the name is lost. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Documents } from './database.ts'

export function writeDurably(file: string, bytes: Uint8Array, mode: number, temporary = `${file}.new`): void {
  const dir = dirname(file)
  makeDir(dir)
  rmSync(temporary, { force: true })
  const fd = openSync(temporary, 'wx', mode)
  try {
    writeFileSync(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
  syncPath(dir)
}

function makeDir(dir: string): void {
  if (existsSync(dir)) return
  makeDir(dirname(dir))
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  syncPath(dirname(dir))
}

/** A file or a folder. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Documents as files of a folder. */
export function documentsIn(folder: string): Documents {
  return {
    has: (name) => existsSync(join(folder, name)),
    put: (name, bytes) => writeDurably(join(folder, name), bytes, 0o600),
    get: (name) => readFileSync(join(folder, name)),
    remove: (name) => rmSync(join(folder, name), { force: true }),
  }
}
