/**
 * Everything that is held about one person's permissions, as one ZIP that streams (GDPR articles 15 and 20): records,
 * receipts, documents, acts, accesses as CSV and JSON, each entry with its disclosures and its proof, the signed
 * checkpoint, the log's key and a program that checks them. At most one document or one page of accesses is in memory.
 */
import { Zip, ZipDeflate } from 'fflate'
import type { Access, PersonEntry, PersonOpened } from '../../evidence/person.ts'
import type { PortalParts } from '../ports.ts'
import type { Person } from '../visit.ts'
import { readmeEn, readmeFr } from './readme.ts'
import { keptReceipt, recordJsonLd } from './receipt.ts'
import type { Shown } from './records.ts'
import { accessesOf } from './records.ts'

interface Trust {
  readonly vkeys: readonly string[]
  readonly checkpoints: readonly string[]
  readonly verifier: string
}
const PAGE = 50
const COLUMNS = [
  'n',
  'at',
  'client',
  'purpose',
  'kind',
  'direction',
  'step',
  'asked',
  'sent',
  'result',
  'reason',
  'readings',
  'bytes',
  'outcome',
] as const satisfies readonly (keyof Access)[]

/** One after the other: what is open is finished before the next begins. */
type Piece = { readonly path: string; readonly bytes: Uint8Array; readonly last: boolean }

/** @param session fingerprint of the visit: that the person took its data is on record once for it */
export async function* exportOf(parts: PortalParts, person: Person, held: readonly Shown[], session: string): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = []
  const zip = new Zip((error, chunk) => {
    if (error) throw error
    ready.push(chunk)
  })
  let open: { readonly path: string; readonly file: ZipDeflate } | undefined
  for await (const { path, bytes, last } of piecesOf(parts, person, held, session)) {
    if (open?.path !== path) {
      const file = new ZipDeflate(path, { level: 6 })
      file.mtime = parts.now()
      zip.add(file)
      open = { path, file }
    }
    open.file.push(bytes, last)
    yield* ready
    ready = []
  }
  zip.end()
  yield* ready
}

async function* piecesOf(parts: PortalParts, person: Person, held: readonly Shown[], session: string): AsyncGenerator<Piece> {
  const trust = await parts.state.call<Trust>('personTrust', {})
  yield whole('LISEZMOI.txt', readmeFr(parts.settings.operator, trust))
  yield whole('README.txt', readmeEn(parts.settings.operator, trust))
  yield whole('verify.py', trust.verifier)
  yield whole('vkey.txt', `${trust.vkeys.join('\n')}\n`)
  if (trust.checkpoints.length > 0) yield whole('checkpoint.txt', trust.checkpoints.join('\n'))
  for (const one of held) yield* permissionPieces(parts, person, one, session)
}

async function* permissionPieces(parts: PortalParts, person: Person, held: Shown, session: string): AsyncGenerator<Piece> {
  const { record } = held
  const folder = `permissions/${record.id}`
  const { acts, ...rest } = record
  yield whole(`${folder}/record.json`, json(rest))
  const record27560 = recordJsonLd(parts, held)
  if (record27560 !== undefined) yield whole(`${folder}/record.jsonld`, record27560)
  const receipt = await keptReceipt(parts, held)
  if (receipt) yield { path: `${folder}/receipt.jsonld`, bytes: receipt, last: true }
  yield whole(`${folder}/acts.json`, json(acts))
  for (const { sha256, mediaType, kind } of record.attachments) {
    const bytes =
      kind === 'receipt' ? undefined : await parts.state.call<Uint8Array | undefined>('readAttachment', { permission: record.id, sha256 })
    if (bytes)
      yield { path: `${folder}/documents/${kind.replaceAll(/[^a-z0-9_]/gi, '_')}-${sha256}${endingOf(mediaType)}`, bytes, last: true }
  }
  yield* accessPieces(
    parts,
    record.id,
    `${folder}/accesses.csv`,
    `${COLUMNS.join(',')}\r\n`,
    (a) => `${COLUMNS.map((c) => csvCell(a[c])).join(',')}\r\n`,
    '',
  )
  let first = true
  yield* accessPieces(
    parts,
    record.id,
    `${folder}/accesses.json`,
    '[',
    (access) => {
      const text = `${first ? '' : ','}\n${JSON.stringify(access)}`
      first = false
      return text
    },
    '\n]\n',
  )
  yield* entryPieces(parts, person, held, `${folder}/entries`, session)
}

/** All accesses, newest first, a page at a time. */
async function* accessPieces(
  parts: PortalParts,
  permission: string,
  path: string,
  head: string,
  line: (access: Access) => string,
  tail: string,
): AsyncGenerator<Piece> {
  yield { path, bytes: Buffer.from(head), last: false }
  for await (const page of pagesOf(parts, permission))
    if (page.length > 0) yield { path, bytes: Buffer.from(page.map(line).join('')), last: false }
  yield { path, bytes: Buffer.from(tail), last: true }
}

async function* pagesOf(parts: PortalParts, permission: string): AsyncGenerator<readonly Access[]> {
  let before: number | undefined
  do {
    const page = await accessesOf(parts, permission, PAGE, before)
    yield page.accesses
    before = page.next ?? undefined
  } while (before !== undefined)
}

/** Entries of acts and accesses, each with its fields and its proof. The reading is on record before anything is opened. */
async function* entryPieces(parts: PortalParts, person: Person, held: Shown, folder: string, session: string): AsyncGenerator<Piece> {
  const { record } = held
  await parts.state.call('personRecord', { permission: record.id, session, as: 'exported', now: parts.now() })
  yield* entriesOf(
    parts,
    person,
    record.id,
    folder,
    session,
    record.acts.map((act) => act.n),
  )
  for await (const page of pagesOf(parts, record.id)) {
    const numbers = page.flatMap(({ n, outcome }) => (outcome === null ? [n] : [n, outcome]))
    yield* entriesOf(parts, person, record.id, folder, session, numbers)
  }
}

async function* entriesOf(
  parts: PortalParts,
  person: Person,
  permission: string,
  folder: string,
  session: string,
  numbers: readonly number[],
): AsyncGenerator<Piece> {
  const entries = await parts.state.call<readonly PersonEntry[]>('personEntries', { permission, numbers })
  for (const { n, entry, proof } of entries) {
    yield whole(`${folder}/${n}.json`, entry)
    if (proof.is === 'checked') yield whole(`${folder}/${n}.tlog-proof`, proof.file)
    const opened = await parts.state.call<PersonOpened>('personOpen', { permission, permissions: person.permissions, session, n })
    if (!opened.disclosures || opened.disclosures.length === 0) continue
    yield whole(`${folder}/${n}.disclosures.json`, JSON.stringify(opened.disclosures))
    yield whole(`${folder}/${n}.fields.txt`, json(opened.fields))
  }
}

function whole(path: string, text: string): Piece {
  return { path, bytes: Buffer.from(text), last: true }
}
function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
function endingOf(mediaType: string): string {
  return (
    { 'application/pdf': '.pdf', 'application/json': '.json', 'application/ld+json': '.jsonld', 'text/html': '.html.txt' }[mediaType] ??
    '.bin'
  )
}

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvCell(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r\n|%]/.test(value) ? `'${value}` : value
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
