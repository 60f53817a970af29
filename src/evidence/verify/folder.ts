/**
 * A log as it lies on a disk: which files it has, and where in a folder that somebody hands over the logs are. Three
 * kinds of folder are known: a log's own, the state folder of an instance, and an evidence pack taken out of its zip.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogFiles } from './tree.ts'

export type Place =
  | { readonly kind: 'log'; readonly logs: readonly string[] }
  | { readonly kind: 'state'; readonly logs: readonly string[] }
  | { readonly kind: 'pack'; readonly logs: readonly string[] }

export function filesIn(folder: string): LogFiles {
  return {
    read: (path) => readIfThere(join(folder, path)),
    // What ends in `.new` is being written, or was when the machine went down: no reader ever looks at it.
    list: async (path) => (await namesIn(join(folder, path))).filter((name) => !name.endsWith('.new')),
  }
}

/** Undefined where there is no such file. Throws where it is there and cannot be read. */
export async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** Names in a folder, sorted; none where there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted()
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Where the logs are in `folder`, or undefined where there is none. */
export async function placeOf(folder: string): Promise<Place | undefined> {
  if (existsSync(join(folder, 'manifest.json'))) return { kind: 'pack', logs: [join(folder, 'log')] }
  if (existsSync(join(folder, 'checkpoint'))) return { kind: 'log', logs: [folder] }
  const logs = (await namesIn(join(folder, 'log'))).map((name) => join(folder, 'log', name))
  const shown = logs.filter((log) => existsSync(join(log, 'checkpoint')))
  return shown.length === 0 ? undefined : { kind: 'state', logs: shown }
}
