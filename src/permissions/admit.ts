/**
 * Brings drafts of an import into the registry: create → request → file → activate, each an act and a log entry of its
 * own, all in one transaction. The same import again changes nothing; the same id with other content is refused.
 *
 * Nothing is written before everything is known to be there, so that a refused import leaves neither a document nor a key.
 * What an operator imports is checked as a whole and then brought in piece by piece: each takes milliseconds a permission on
 * PostgreSQL, and whoever asks for data meanwhile waits for one piece.
 */
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import type { Attachments } from './attachments.ts'
import { MAX_BYTES } from './attachments.ts'
import type { Draft } from './import.ts'
import type { ImportMistake } from './import-text.ts'
import type { ActDetails, ActResult } from './record.ts'
import type { Registry } from './registry.ts'
import type { Rights } from './rights.ts'

export type Admitted =
  | {
      readonly ok: true
      readonly created: readonly string[]
      readonly unchanged: readonly string[]
      /** Those for which a form is to be issued. */
      readonly mandates: readonly PermissionId[]
      /** The last act of each permission, so that caches can be told. */
      readonly acts: readonly ActResult[]
    }
  | { readonly ok: false; readonly mistakes: readonly ImportMistake[] }

/** An import that can be brought in: what of it is not there yet. */
export type CheckedImport =
  | { readonly ok: true; readonly fresh: readonly Draft[]; readonly unchanged: readonly string[] }
  | { readonly ok: false; readonly mistakes: readonly ImportMistake[] }

export interface AdmitArgs {
  readonly drafts: readonly Draft[]
  /** Bytes of the documents, by the name that the import gives them. */
  readonly documents: Readonly<Record<string, Uint8Array>>
  readonly dryRun: boolean
  readonly now: Millis
}

export function admit(registry: Registry, attachments: Attachments, rights: Rights, args: AdmitArgs): Admitted {
  const unchanged: string[] = []
  const fresh: { readonly draft: Draft; readonly hash: string }[] = []
  const mistakes: ImportMistake[] = []
  for (const draft of args.drafts) {
    const hash = registry.fingerprint(draft.canonical)
    const known = registry.contentHash(draft.id)
    if (known === hash) unchanged.push(draft.id)
    else if (known === undefined) {
      fresh.push({ draft, hash })
      mistakes.push(...missing(draft, args.documents))
    } else mistakes.push({ where: draft.where, message: taken(draft.id, known) })
  }
  if (mistakes.length > 0) return { ok: false, mistakes }
  const acts = args.dryRun ? [] : fresh.map(({ draft, hash }) => bringIn(registry, attachments, rights, draft, hash, args))
  const mandates = args.dryRun ? [] : fresh.filter(({ draft }) => draft.content.mandate).map(({ draft }) => draft.id)
  return { ok: true, created: fresh.map(({ draft }) => draft.id), unchanged, mandates, acts }
}

function taken(id: string, hash: string): string {
  return hash === ''
    ? `permission ${id} was erased with its person: a new permission has an id of its own`
    : `permission ${id} exists with other content: an amended permission has an id of its own`
}

function missing({ where, attachments }: Draft, documents: AdmitArgs['documents']): ImportMistake[] {
  return attachments.flatMap(({ file }) => {
    const bytes = Object.hasOwn(documents, file) ? documents[file] : undefined
    if (bytes === undefined) return [{ where, message: `the document ${file} is missing` }]
    if (bytes.byteLength === 0) return [{ where, message: `the document ${file} is empty` }]
    if (bytes.byteLength > MAX_BYTES) return [{ where, message: `the document ${file} has more than ${MAX_BYTES} bytes` }]
    return []
  })
}

function bringIn(registry: Registry, attachments: Attachments, rights: Rights, draft: Draft, hash: string, args: AdmitArgs): ActResult {
  const { id, content, will } = draft
  const { now } = args
  const operator: ActDetails = { actorRole: 'operator', channel: 'api', ...(content.unverified && { unverified: true }) }
  const given: ActDetails = {
    actorRole: will?.role ?? 'operator',
    channel: will?.channel ?? 'api',
    ...(will && { occurredAt: will.occurredAt as Millis }),
    ...(content.unverified && { unverified: true, reason: 'unverified import' }),
  }
  const keyId = registry.create(id, draft.version, content, hash, operator, now)
  const stored = draft.attachments.map(({ kind, file, mediaType }) =>
    attachments.add(id, keyId, { kind, mediaType, bytes: args.documents[file] ?? new Uint8Array() }),
  )
  const hashes = [...new Set(stored)]
  for (const { provider, account, rights: held } of draft.rights)
    rights.add({ permission: id as PermissionId, provider, account, meter: content.meter, rights: held, now })
  // Nobody calls before it is in force: a right of GRDF begins on the day on which it is declared.
  const at = content.mandate ? null : (Math.max(now, content.scope.validFrom) as Millis)
  for (const { provider, account, direction, order } of draft.wanted)
    rights.want({ permission: id as PermissionId, provider, account, meter: content.meter, direction, order, at, now })
  const requested = registry.act({ permission: id, type: 'request', details: { ...operator, attachments: hashes }, now })
  // Its holder is asked, by the data holder or on paper, and may say no.
  if (content.mandate || draft.wanted.some(({ provider }) => provider === 'grdf-adict')) return requested
  registry.act({ permission: id, type: 'file', details: { ...given, attachments: hashes }, now })
  return registry.act({ permission: id, type: 'activate', details: { ...operator, attachments: hashes }, now })
}
