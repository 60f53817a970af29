/**
 * Composition of the auditor's commands: what `ecluse audit` runs against a state, wherever its owner is, and against
 * folders that somebody handed over. Nothing is printed here.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { rfc3339 } from './domain/time.ts'
import type { Millis } from './domain/time.ts'
import type { Opened, Page, Selection, TagKey } from './evidence/disclose.ts'
import type { Json } from './domain/canonical.ts'
import { openNote, parseCheckpoint, parseSize } from './evidence/log/note.ts'
import type { PackContent, PermissionOnRecord } from './evidence/pack/build.ts'
import { makePack } from './evidence/pack/build.ts'
import type { Manifest } from './evidence/pack/manifest.ts'
import { parseManifest } from './evidence/pack/manifest.ts'
import { writeFolder, writeZip } from './evidence/pack/write.ts'
import type { OpenedEntry } from './evidence/opened.ts'
import { openEntry, shown } from './evidence/opened.ts'
import { readIfThere } from './evidence/verify/folder.ts'
import type { ReplayReport } from './replay.ts'
import { replayAll } from './replay.ts'

/** Runs one of the operator's commands where the state is owned. */
export type Call = <T>(command: string, args: unknown) => Promise<T>

export interface Begun {
  readonly recordedAs: string
  readonly by: string
  readonly ticket: string
  readonly size: number
  readonly origin: string
}

const PAGE = 500

/** Records the reading, then gives what it opens, page after page. */
export async function beginReading(
  call: Call,
  select: Selection,
  why: string,
): Promise<Begun & { pages(): AsyncGenerator<readonly Opened[]> }> {
  const begun = await call<Begun>('audit begin', { select, why })
  return {
    ...begun,
    async *pages() {
      for (let from: number | null = 0; from !== null;) {
        const page: Page = await call<Page>('audit page', { ticket: begun.ticket, from, limit: PAGE })
        yield page.opened
        from = page.next
      }
    },
  }
}

/** `origin/n` or `n`. Throws with a sentence on anything else, and on an entry of another log. */
export function entryNumber(text: string, origin: string): number {
  const slash = text.lastIndexOf('/')
  const n = parseSize(text.slice(slash + 1))
  if (n === undefined) throw new Error(`${text} names no entry: expected its number, or ORIGIN/NUMBER as Audit-Entry gives it`)
  if (slash >= 0 && text.slice(0, slash) !== origin) throw new Error(`entry ${text} is of another log than ${origin}`)
  return n
}

export interface OpenedReport {
  readonly recordedAs: string
  readonly origin: string
  readonly opened: readonly Opened[]
  readonly entries: readonly OpenedEntry[]
  /** Erasures on record, where an entry can no longer be opened: which of them it was is nowhere. */
  readonly erasures: readonly { readonly entry: string; readonly at: string }[]
}

export async function openEntries(call: Call, select: Selection, why: string): Promise<OpenedReport> {
  const reading = await beginReading(call, select, why)
  const opened: Opened[] = []
  for await (const page of reading.pages()) opened.push(...page)
  const entries = opened.map(openEntry)
  const firstErased = entries.find((e) => e.seal === 'erased')?.n
  const erasures = firstErased === undefined ? [] : await erasuresAfter(call, firstErased, reading)
  return { recordedAs: reading.recordedAs, origin: reading.origin, opened, entries, erasures }
}

async function erasuresAfter(call: Call, first: number, { size, origin }: Begun): Promise<OpenedReport['erasures']> {
  const found: { entry: string; at: string }[] = []
  for (let from = first; from < size; from += PAGE) {
    for (const { n, entry } of await call<readonly { n: number; entry: string }[]>('audit rows', { from, limit: PAGE })) {
      const { t, at } = JSON.parse(entry) as { readonly t?: string; readonly at?: string }
      if (t === 'erasure.performed') found.push({ entry: `${origin}/${n}`, at: at ?? '' })
    }
  }
  return found
}

export async function replayState(call: Call, select: Selection, why: string): Promise<ReplayReport & { readonly recordedAs: string }> {
  const wanted = 'entries' in select ? new Set(select.entries) : undefined
  const reading = await beginReading(call, 'entries' in select ? { ...select, context: true } : select, why)
  const policies = await call<readonly { hash: string; body: string }[]>('audit policies', {})
  const seen = new Set<number>()
  async function* watched(): AsyncGenerator<readonly Opened[]> {
    for await (const page of reading.pages()) {
      for (const { n } of page) seen.add(n)
      yield page
    }
  }
  const report = await replayAll(reading.origin, policies, watched(), wanted)
  const missing = [...(wanted ?? [])].find((n) => !seen.has(n))
  if (missing !== undefined) throw new Error(`the log has no entry ${missing}: it has ${reading.size}`)
  return { ...report, recordedAs: reading.recordedAs }
}

/** From the files of an unpacked pack alone. Whether the pack is whole is for `audit verify`. */
export async function replayPack(folder: string): Promise<ReplayReport> {
  const manifest = parseManifest(((await readIfThere(join(folder, 'manifest.json'))) ?? '').toString())
  if (!manifest) throw new Error(`${folder} holds no evidence pack: unpack one first (unzip -d FOLDER PACK.zip)`)
  const namesOf = async (name: string): Promise<string[]> => (existsSync(join(folder, name)) ? readdir(join(folder, name)) : [])
  const policies = await Promise.all(
    (await namesOf('policies')).map(async (name) => ({
      hash: `sha256:${name.replace(/\.json$/, '')}`,
      body: await readFile(join(folder, 'policies', name), 'utf8'),
    })),
  )
  const numbers = (await namesOf('entries')).flatMap((name) => parseSize(name.replace(/\.json$/, '')) ?? []).toSorted((a, b) => a - b)
  async function* pages(): AsyncGenerator<readonly Opened[]> {
    for (const n of numbers) {
      const disclosures = await readIfThere(join(folder, 'disclosures', `${n}.json`))
      const entry = await readFile(join(folder, 'entries', `${n}.json`), 'utf8')
      yield [
        { n, entry, disclosures: disclosures ? (JSON.parse(disclosures.toString()) as string[]) : entry.includes('"_sd":') ? null : [] },
      ]
    }
  }
  return replayAll(manifest.origin, policies, pages())
}

export interface ExportOrder {
  readonly select: Selection
  /** In the words of the command, for the manifest. */
  readonly scope: Json
  readonly why: string
  readonly for: string | null
  /** A zip if it ends in `.zip`, else a folder. Must not exist. */
  readonly out: string
  readonly stateFolder: string
  readonly onProgress?: (done: number, of: number) => void
}

export interface Exported {
  readonly file: string
  readonly manifest: Omit<Manifest, 'files'>
  readonly manifestHash: string
  readonly files: number
  readonly recordedAs: string
  readonly readAs: string
}

/** The pack lies under another name until `evidence.exported` with its manifest's hash is on record. */
export async function exportPack(call: Call, order: ExportOrder): Promise<Exported> {
  if (existsSync(order.out)) throw new Error(`${order.out} exists: a pack is never written over something else`)
  const reading = await beginReading(call, 'entries' in order.select ? { ...order.select, context: true } : order.select, order.why)
  const opened: Opened[] = []
  for await (const page of reading.pages()) opened.push(...page)
  const log = join(order.stateFolder, 'log', reading.origin.slice(reading.origin.lastIndexOf('/') + 1))
  const { checkpoint, vkey } = await shownLog(call, log, reading.size)
  const id = randomUUID()
  const made = await makePack(
    { id, madeAt: rfc3339(Date.now() as Millis), by: reading.by, why: order.why, for: order.for, scope: order.scope },
    {
      log,
      checkpoint,
      vkey,
      opened: selected(opened, order.select),
      policies: await call('audit policies', {}),
      tagKeys: await call<readonly TagKey[]>('audit tags', { ticket: reading.ticket }),
      permission: (permission) => call<PermissionOnRecord>('permission show', { permission }),
      async document(permission, sha256) {
        const base64 = await call<string | null>('audit attachment', { ticket: reading.ticket, permission, sha256 })
        return base64 === null ? null : Buffer.from(base64, 'base64')
      },
      ...(order.onProgress && { onProgress: order.onProgress }),
    },
  )
  const manifestHash = `sha256:${createHash('sha256').update(made.text).digest('hex')}`
  const { note } = await call<{ note: string }>('audit sign-pack', { id, manifest: manifestHash })
  const contents: PackContent[] = [
    ...made.contents,
    { path: 'manifest.json', read: () => Promise.resolve(Buffer.from(made.text)) },
    { path: 'manifest.note', read: () => Promise.resolve(Buffer.from(note)) },
  ]
  contents.sort((a, b) => (a.path < b.path ? -1 : 1))

  await mkdir(dirname(order.out), { recursive: true })
  const waiting = join(dirname(order.out), `.${basename(order.out)}.${id}.waiting`)
  try {
    await (order.out.endsWith('.zip') ? writeZip(waiting, contents) : writeFolder(waiting, contents))
    const { recordedAs } = await call<{ recordedAs: string }>('audit exported', {
      select: order.select,
      why: order.why,
      ...(order.for !== null && { audience: order.for }),
      manifest: manifestHash,
      entries: made.manifest.entries,
    })
    await rename(waiting, order.out)
    const { files, ...manifest } = made.manifest
    return { file: order.out, manifest, manifestHash, files: files.length, recordedAs, readAs: reading.recordedAs }
  } catch (error) {
    await rm(waiting, { recursive: true, force: true })
    throw error
  }
}

/** The checkpoint shown, over at least `size` entries. */
async function shownLog(call: Call, log: string, size: number): Promise<{ readonly checkpoint: string; readonly vkey: string }> {
  const vkey = (await readFile(join(log, 'vkey.txt'), 'utf8')).trim()
  for (let turn = 0; turn < 3; turn += 1) {
    const checkpoint = await readFile(join(log, 'checkpoint'), 'utf8')
    const note = openNote(checkpoint, [vkey])
    if (note.ok && (parseCheckpoint(note.text)?.size ?? -1) >= size) return { checkpoint, vkey }
    await call('audit drain', {})
  }
  throw new Error(`the log in ${log} was not brought up to its last entry: look at the log of the gate`)
}

/**
 * Of a selection by entries: those, the calls of the same requests with their outcomes, the acts of the permissions
 * that were considered and the deliveries that were counted; not what else is recorded of the meter.
 */
function selected(opened: readonly Opened[], select: Selection): readonly Opened[] {
  if (!('entries' in select)) return opened
  const entries = opened.map((o) => ({ o, e: openEntry(o) }))
  const wanted = new Set(select.entries)
  const chosen = entries.filter(({ o }) => wanted.has(o.n))
  const requests = new Set<unknown>(chosen.map(({ e }) => e.record['req']).filter((req) => req !== undefined))
  const permissions = new Set<unknown>()
  const counted = new Set<number>()
  for (const { e } of entries) {
    if (!wanted.has(e.n) && !requests.has(e.record['req'])) continue
    for (const p of (e.fields['permissions'] ?? []) as readonly { readonly id?: string; readonly delivered?: readonly string[] }[]) {
      permissions.add(p.id)
      for (const name of p.delivered ?? []) counted.add(Number(name.slice(name.lastIndexOf('/') + 1)))
    }
  }
  for (const { e } of entries) if (counted.has(e.n) && typeof e.record['intent'] === 'number') counted.add(e.record['intent'])
  return entries
    .filter(({ e }) => {
      if (wanted.has(e.n) || counted.has(e.n) || (e.record['req'] !== undefined && requests.has(e.record['req']))) return true
      const [first] = (e.fields['permissions'] ?? []) as readonly { readonly id?: string }[]
      return shown(e.record['t']).startsWith('consent.') && permissions.has(first?.id)
    })
    .map(({ o }) => o)
}
