/**
 * Verifies what somebody handed over: a log's folder, a state folder with its logs, or an evidence pack taken out of
 * its zip; and, beside the log, what was disclosed of its entries and whether all of one subject is among it.
 */
import { isUtf8 } from 'node:buffer'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mistake, RefusedLog, VerifiedLog, VerifyOptions } from '../verify.ts'
import { MISTAKES, verifyLog } from '../verify.ts'
import type { Opened } from '../opened.ts'
import { bearsTag, openEntry } from '../opened.ts'
import type { PackMistake, VerifiedPack } from '../pack/verify.ts'
import { PACK_MISTAKES, verifyPack } from '../pack/verify.ts'
import { filesIn, namesIn, placeOf, readIfThere } from './folder.ts'
import { parseRecord } from './records.ts'

export interface PlaceOptions extends Omit<VerifyOptions, 'onEntry' | 'onProgress'> {
  /** Entries with their disclosures, as `audit open --json` and packs hand them out. */
  readonly disclosed?: readonly Opened[]
  /** Tag keys, hex: how many entries of the log bear each. */
  readonly tagKeys?: readonly string[]
  readonly onProgress?: (log: string, entries: number, size: number) => void
}

export interface Disclosed {
  readonly entries: number
  readonly fields: number
  readonly erased: number
  /** For each tag key, the entries that bear its tag, and those of them that were not disclosed. */
  readonly tagged: readonly { readonly entries: number; readonly undisclosed: number }[]
}

export interface RefusedPlace {
  readonly ok: false
  readonly at: { readonly log?: string; readonly entry?: number; readonly file?: string }
  readonly why: Mistake | PackMistake | 'not_disclosed_by' | 'other_entry' | 'log_hidden'
  readonly says: string
}

export interface VerifiedPlace {
  readonly ok: true
  readonly kind: 'log' | 'state' | 'pack'
  readonly logs: readonly (VerifiedLog & { readonly folder: string })[]
  readonly disclosed: Disclosed | null
  readonly pack: VerifiedPack | null
}

/** Gives an answer about what is there. Throws where there is no log, or a file cannot be read. */
export async function verifyPlace(folder: string, options: PlaceOptions = {}): Promise<VerifiedPlace | RefusedPlace> {
  if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is no folder: unpack a pack first (unzip -d FOLDER PACK.zip)`)
  const place = await placeOf(folder)
  if (!place) throw new Error(`there is no log in ${folder}: a log has a file checkpoint, a state folder has logs under log/`)
  const { disclosed = [], tagKeys = [], onProgress, ...rest } = options
  const beside = besideTheLog(disclosed, tagKeys)
  const logs: (VerifiedLog & { readonly folder: string })[] = []
  for (const log of place.logs) {
    const answer = await verifyLog(filesIn(log), {
      ...rest,
      onEntry: beside.take,
      onProgress: (entries, size) => onProgress?.(log, entries, size),
    })
    if (!answer.ok) return refusedLog(log, answer)
    logs.push({ ...answer, folder: log })
  }
  const wrong = beside.wrong()
  if (wrong) return wrong
  const pack = place.kind === 'pack' && logs[0] ? await verifyPack(folder, logs[0], rest) : null
  if (pack && !pack.ok) return { ...pack, says: PACK_MISTAKES[pack.why] }
  return { ok: true, kind: place.kind, logs, disclosed: disclosed.length > 0 || tagKeys.length > 0 ? beside.tally() : null, pack }
}

/** Logs that the given ones name as parts of the same instance, and that are not among them. */
export function absentLogs(places: readonly VerifiedPlace[]): readonly string[] {
  const logs = places.flatMap((place) => place.logs)
  const here = new Set(logs.map(({ origin }) => origin))
  return [...new Set(logs.flatMap(({ named }) => named))].filter((origin) => !here.has(origin)).toSorted()
}

function refusedLog(log: string, { at, why }: RefusedLog): RefusedPlace {
  return { ok: false, at: { log, ...at }, why, says: MISTAKES[why] }
}

function besideTheLog(disclosed: readonly Opened[], tagKeys: readonly string[]) {
  const waiting = new Map(disclosed.map((opened) => [opened.name, opened]))
  const keys = tagKeys.map((hex) => ({ key: Buffer.from(hex, 'hex'), entries: 0, undisclosed: 0 }))
  const given = new Set(waiting.keys())
  let fields = 0
  let erased = 0
  let wrong: RefusedPlace | undefined

  function take(n: number, bytes: Uint8Array, origin: string): void {
    if (waiting.size === 0 && keys.length === 0) return
    const name = `${origin}/${n}`
    const opened = waiting.get(name)
    if (opened) {
      waiting.delete(name)
      if (Buffer.compare(Buffer.from(opened.entry), bytes) !== 0)
        wrong ??= { ok: false, at: { entry: n }, why: 'other_entry', says: 'the entry handed out is not the one in the log' }
      const { fields: open, seal, strays } = openEntry({ ...opened, entry: Buffer.from(bytes).toString() })
      if (strays > 0)
        wrong ??= { ok: false, at: { entry: n }, why: 'not_disclosed_by', says: 'a disclosure is none that the entry commits to' }
      fields += Object.keys(open).length
      if (seal === 'erased') erased += 1
    }
    const record = keys.length > 0 ? parseRecord(bytes) : undefined
    for (const key of keys) {
      if (!record || !bearsTag(record, key.key)) continue
      key.entries += 1
      if (!given.has(name)) key.undisclosed += 1
    }
  }
  return {
    take,
    wrong(): RefusedPlace | undefined {
      const beyond = waiting.keys().next().value
      if (beyond === undefined) return wrong
      return (
        wrong ?? {
          ok: false,
          at: { entry: Number(beyond.slice(beyond.lastIndexOf('/') + 1)) },
          why: 'other_entry',
          says: 'the log has no such entry',
        }
      )
    },
    tally: (): Disclosed => ({
      entries: given.size,
      fields,
      erased,
      tagged: keys.map(({ entries, undisclosed }) => ({ entries, undisclosed })),
    }),
  }
}

/** What `audit open --json` printed, or a folder of `<n>.json` beside one of entries. Throws with a sentence. */
export async function readDisclosed(path: string): Promise<readonly Opened[]> {
  const bytes = await readIfThere(path)
  if (!bytes) throw new Error(`${path} cannot be found`)
  const opened = isUtf8(bytes) ? openedIn(bytes.toString()) : undefined
  if (!opened) throw new Error(`${path} does not hold entries and disclosures, as ecluse audit open --json prints them`)
  return opened
}

function openedIn(text: string): readonly Opened[] | undefined {
  try {
    const { opened } = JSON.parse(text) as { readonly opened?: unknown }
    return Array.isArray(opened) && opened.every(isOpened) ? opened : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isOpened(value: unknown): value is Opened {
  const { n, name, entry, disclosures } = (value ?? {}) as Partial<Opened>
  return (
    Number.isSafeInteger(n) && typeof name === 'string' && typeof entry === 'string' && (disclosures === null || Array.isArray(disclosures))
  )
}

/** Hex digits, or `tags/<subject>.json` of a pack, or a folder of them. Throws with a sentence. */
export async function readTagKeys(path: string): Promise<readonly string[]> {
  if (/^[0-9a-f]{64}$/.test(path)) return [path]
  const names = (await stat(path)).isDirectory() ? (await namesIn(path)).map((name) => join(path, name)) : [path]
  return Promise.all(
    names.map(async (name) => {
      const key = /"tagKey"\s*:\s*"([0-9a-f]{64})"/.exec(((await readIfThere(name)) ?? '').toString())?.[1]
      if (key === undefined) throw new Error(`${name} holds no tag key`)
      return key
    }),
  )
}
