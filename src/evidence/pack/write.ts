/** Writes a pack out: as a zip, or as the folder that the zip would give. Nothing but its owner may read it. */
import { mkdirSync, openSync, closeSync, writeSync, fsyncSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Zip, ZipDeflate } from 'fflate'
import type { PackContent } from './build.ts'

/** What the zip format holds without extensions that not every tool reads. */
const MOST_FILES = 65_000
const MOST_BYTES = 4_000_000_000

/** Throws with a sentence where the pack is too large for a zip. Leaves nothing behind where it throws. */
export async function writeZip(file: string, contents: readonly PackContent[]): Promise<void> {
  if (contents.length > MOST_FILES)
    throw new Error(`the pack has ${contents.length} files, more than a zip can hold: name a folder with --out, or ask for less`)
  const fd = openSync(file, 'wx', 0o600)
  try {
    let written = 0
    let failed: Error | undefined
    const zip = new Zip((error, data) => {
      if (error) failed = error
      else written += writeAll(fd, data)
    })
    for (const { path, read } of contents) {
      const entry = new ZipDeflate(path, { level: 6 })
      // The first moment that a zip can tell, in its own local time: the same bytes wherever and whenever it is made.
      entry.mtime = new Date(1980, 0, 1)
      zip.add(entry)
      entry.push(await read(), true)
      if (failed) throw failed
      if (written > MOST_BYTES) throw new Error('the pack is larger than a zip can hold: name a folder with --out, or ask for less')
    }
    zip.end()
    fsyncSync(fd)
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}

export async function writeFolder(folder: string, contents: readonly PackContent[]): Promise<void> {
  mkdirSync(folder, { mode: 0o700 })
  for (const { path, read } of contents) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const fd = openSync(file, 'wx', 0o600)
    writeAll(fd, await read())
    closeSync(fd)
  }
}

/** One write may take less than it is given. */
function writeAll(fd: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at)
  return bytes.byteLength
}
