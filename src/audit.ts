/**
 * Composition of the auditor's commands: what `ecluse audit` runs against a state, wherever its owner is, and against
 * folders that somebody handed over. Nothing is printed here.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { logOf, numberOf } from './domain/position.ts'
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
  /** Entries of the log that is written now. */
  readonly size: number
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

/** Positions of entries that are given as `origin/n`, or as `n` in the log that is written now. Throws with a sentence on anything else. */
export async function entriesNamed(call: Call, names: readonly string[]): Promise<readonly number[]> {
  const positions: number[] = []
  for (const entry of names) {
    const slash = entry.lastIndexOf('/')
    if (parseSize(entry.slice(slash + 1)) === undefined)
      throw new Error(`${entry} names no entry: expected its number, or ORIGIN/NUMBER as Audit-Entry gives it`)
    const { n } = await call<{ n: number | null }>('audit entry', { entry })
    if (n === null) throw new Error(`entry ${entry} is of another log than those of this instance`)
    positions.push(n)
  }
  return positions
}

export interface OpenedReport {
  readonly recordedAs: string
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
  const erasures = firstErased === undefined ? [] : await erasuresAfter(call, firstErased)
  return { recordedAs: reading.recordedAs, opened, entries, erasures }
}

async function erasuresAfter(call: Call, first: number): Promise<OpenedReport['erasures']> {
  const found: { entry: string; at: string }[] = []
  for (let from: number | undefined = first; from !== undefined;) {
    const page: readonly Pick<Opened, 'n' | 'name' | 'entry'>[] = await call('audit rows', { from, limit: PAGE })
    for (const { name, entry } of page) {
      const { t, at } = JSON.parse(entry) as { readonly t?: string; readonly at?: string }
      if (t === 'erasure.performed') found.push({ entry: name, at: at ?? '' })
    }
    const last = page.at(-1)
    from = page.length < PAGE || last === undefined ? undefined : last.n + 1
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
  const report = await replayAll(policies, watched(), wanted)
  const missing = [...(wanted ?? [])].find((n) => !seen.has(n))
  if (missing !== undefined) throw new Error(`the log has no entry ${numberOf(missing)}`)
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
  const { origin } = manifest
  async function* pages(): AsyncGenerator<readonly Opened[]> {
    for (const n of numbers) {
      const disclosures = await readIfThere(join(folder, 'disclosures', `${n}.json`))
      const entry = await readFile(join(folder, 'entries', `${n}.json`), 'utf8')
      yield [
        {
          n,
          name: `${origin}/${n}`,
          entry,
          disclosures: disclosures ? (JSON.parse(disclosures.toString()) as string[]) : entry.includes('"_sd":') ? null : [],
        },
      ]
    }
  }
  return replayAll(policies, pages())
}

export interface ExportOrder {
  readonly select: Selection
  /** In the words of the command, for the manifest. */
  readonly scope: Json
  readonly why: string
  readonly for: string | null
  /** A zip if it ends in `.zip`, else a folder. Must not exist. */
  readonly out: string
  readonly onProgress?: (done: number, of: number) => void
}

export interface Exported {
  readonly file: string
  /** One for each log that holds entries of the selection; with several, each lies in a folder of its own. */
  readonly packs: readonly ExportedPack[]
  readonly readAs: string
}
export interface ExportedPack {
  readonly manifest: Omit<Manifest, 'files'>
  readonly manifestHash: string
  readonly files: number
  readonly recordedAs: string
}

/** Logs as the state tells of them. */
interface LogThere {
  readonly id: number
  readonly origin: string
  readonly current: boolean
  /** Entries sealed. */
  readonly size: number
}

/** The pack lies under another name until `evidence.exported` with its manifest's hash is on record. */
export async function exportPack(call: Call, order: ExportOrder): Promise<Exported> {
  if (existsSync(order.out)) throw new Error(`${order.out} exists: a pack is never written over something else`)
  const reading = await beginReading(call, 'entries' in order.select ? { ...order.select, context: true } : order.select, order.why)
  const opened: Opened[] = []
  for await (const page of reading.pages()) opened.push(...page)
  const chosen = Map.groupBy(selected(opened, order.select), ({ n }) => logOf(n))
  const logs = await call<readonly LogThere[]>('audit logs', {})
  const holding = logs.filter(({ id, current }) => (chosen.size === 0 ? current : chosen.has(id)))
  const packs: Packed[] = []
  for (const log of holding) packs.push(await packOf(call, order, reading, log, chosen.get(log.id) ?? []))
  const contents = packs.flatMap(({ contents: files, log }) =>
    packs.length === 1 ? files : files.map((file) => ({ ...file, path: `${folderOf(log, holding)}/${file.path}` })),
  )
  contents.sort((a, b) => (a.path < b.path ? -1 : 1))

  await mkdir(dirname(order.out), { recursive: true })
  const waiting = join(dirname(order.out), `.${basename(order.out)}.${randomUUID()}.waiting`)
  try {
    await (order.out.endsWith('.zip') ? writeZip(waiting, contents) : writeFolder(waiting, contents))
    const done: ExportedPack[] = []
    for (const { manifest: whole, manifestHash } of packs) {
      const { recordedAs } = await call<{ recordedAs: string }>('audit exported', {
        select: order.select,
        why: order.why,
        ...(order.for !== null && { audience: order.for }),
        manifest: manifestHash,
        entries: whole.entries,
      })
      const { files, ...manifest } = whole
      done.push({ manifest, manifestHash, files: files.length, recordedAs })
    }
    await rename(waiting, order.out)
    return { file: order.out, packs: done, readAs: reading.recordedAs }
  } catch (error) {
    await rm(waiting, { recursive: true, force: true })
    throw error
  }
}

interface Packed {
  readonly log: LogThere
  readonly manifest: Manifest
  readonly manifestHash: string
  readonly contents: readonly PackContent[]
}

/** What one log has of the selection. */
async function packOf(call: Call, order: ExportOrder, reading: Begun, of: LogThere, opened: readonly Opened[]): Promise<Packed> {
  const { folder: log, checkpoint, vkey } = await shownLog(call, of)
  const id = randomUUID()
  const tagKeys = await call<readonly TagKey[]>('audit tags', { ticket: reading.ticket })
  const made = await makePack(
    { id, madeAt: rfc3339(Date.now() as Millis), by: reading.by, why: order.why, for: order.for, scope: order.scope },
    {
      log,
      checkpoint,
      vkey,
      opened: opened.map((one) => ({ ...one, n: numberOf(one.n) })),
      policies: await call('audit policies', {}),
      tagKeys: tagKeys.filter(({ origin }) => origin === of.origin),
      permission: (permission) => call<PermissionOnRecord>('permission show', { permission }),
      async document(permission, sha256) {
        const base64 = await call<string | null>('audit attachment', { ticket: reading.ticket, permission, sha256 })
        return base64 === null ? null : Buffer.from(base64, 'base64')
      },
      ...(order.onProgress && { onProgress: order.onProgress }),
    },
  )
  const manifestHash = `sha256:${createHash('sha256').update(made.text).digest('hex')}`
  const { note } = await call<{ note: string }>('audit sign-pack', { log: of.id, id, manifest: manifestHash })
  const contents: PackContent[] = [
    ...made.contents,
    { path: 'manifest.json', read: () => Promise.resolve(Buffer.from(made.text)) },
    { path: 'manifest.note', read: () => Promise.resolve(Buffer.from(note)) },
  ]
  return { log: of, manifest: made.manifest, manifestHash, contents }
}

/** The last word of its origin; with its number behind it where another one ends alike. */
function folderOf({ id, origin }: LogThere, among: readonly LogThere[]): string {
  const nameOf = (of: string): string => of.slice(of.lastIndexOf('/') + 1)
  const alike = among.some((other) => other.id !== id && nameOf(other.origin) === nameOf(origin))
  return alike ? `${nameOf(origin)}-of-${id}` : nameOf(origin)
}

/** So long another gate may take to show what it has sealed: it does so every few seconds. */
const SHOWN_WITHIN_MS = 30_000
const LOOK_MS = 200

/** Where the log is shown whole, the entries that it had when the selection was made included. */
async function shownLog(
  call: Call,
  of: LogThere,
): Promise<{ readonly folder: string; readonly checkpoint: string; readonly vkey: string }> {
  const until = performance.now() + SHOWN_WITHIN_MS
  for (;;) {
    await call('audit drain', {})
    const { folder, vkey } = await call<{ folder: string; vkey: string }>('audit show', { log: of.id })
    const checkpoint = ((await readIfThere(join(folder, 'checkpoint'))) ?? '').toString()
    const beside = (await readIfThere(join(folder, 'vkey.txt')))?.toString().trim()
    if (beside !== undefined && beside !== vkey)
      throw new Error(`the key that is published with the log ${of.origin} is not its own: vkey.txt was changed`)
    const note = openNote(checkpoint, [vkey])
    if (note.ok && (parseCheckpoint(note.text)?.size ?? -1) >= of.size) return { folder, checkpoint, vkey }
    if (performance.now() > until)
      throw new Error(`the log ${of.origin} was not brought up to its last entry: look at the log of the gate that writes it`)
    await sleep(LOOK_MS)
  }
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
  const counted = new Set<string>()
  for (const { e } of entries) {
    if (!wanted.has(e.n) && !requests.has(e.record['req'])) continue
    for (const p of (e.fields['permissions'] ?? []) as readonly { readonly id?: string; readonly delivered?: readonly string[] }[]) {
      permissions.add(p.id)
      for (const name of p.delivered ?? []) counted.add(name)
    }
  }
  // An outcome that was counted brings its intent, of the same log.
  for (const { e } of entries)
    if (counted.has(e.name) && typeof e.record['intent'] === 'number')
      counted.add(`${e.name.slice(0, e.name.lastIndexOf('/'))}/${e.record['intent']}`)
  return entries
    .filter(({ e }) => {
      if (wanted.has(e.n) || counted.has(e.name) || (e.record['req'] !== undefined && requests.has(e.record['req']))) return true
      const [first] = (e.fields['permissions'] ?? []) as readonly { readonly id?: string }[]
      return shown(e.record['t']).startsWith('consent.') && permissions.has(first?.id)
    })
    .map(({ o }) => o)
}
