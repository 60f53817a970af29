/**
 * Brings drafts of an import into the registry: create → request → file → activate, each an act and a log entry of its
 * own, all in one transaction. The same import again changes nothing; the same id with other content is refused.
 */
import { createHash } from 'node:crypto'
import type { Millis } from '../domain/time.ts'
import { Refused } from '../storage/rpc.ts'
import type { Attachments, NewAttachment } from './attachments.ts'
import type { Draft } from './import.ts'
import type { ActDetails, Registry } from './registry.ts'

export interface Admitted {
  readonly created: readonly string[]
  readonly unchanged: readonly string[]
}

export function admit(
  registry: Registry,
  attachments: Attachments,
  keyIdOf: (permission: string) => string,
  args: {
    readonly drafts: readonly Draft[]
    /** Bytes of the documents, by the name that the import gives them. */
    readonly documents: Readonly<Record<string, Uint8Array>>
    readonly dryRun: boolean
    readonly now: Millis
  },
): Admitted {
  const created: string[] = []
  const unchanged: string[] = []
  for (const draft of args.drafts) {
    const contentHash = createHash('sha256').update(draft.canonical).digest('hex')
    const known = registry.contentHash(draft.id)
    if (known === contentHash) unchanged.push(draft.id)
    else if (known !== undefined)
      throw new Refused(`permission ${draft.id} exists with other content: an amended permission has an id of its own`)
    else created.push(draft.id)
    if (known !== undefined || args.dryRun) continue

    const { content, will } = draft
    const operator: ActDetails = { actorRole: 'operator', channel: 'api', ...(content.unverified && { unverified: true }) }
    const given: ActDetails = {
      actorRole: will?.role ?? 'operator',
      channel: will?.channel ?? 'api',
      ...(will && { occurredAt: will.occurredAt as Millis }),
      ...(content.unverified && { unverified: true, reason: 'unverified import' }),
    }
    registry.create(draft.id, draft.version, content, contentHash, operator, args.now)
    const hashes = draft.attachments.map(({ kind, file, mediaType }) => {
      const bytes = Object.hasOwn(args.documents, file) ? args.documents[file] : undefined
      if (!bytes) throw new Refused(`the document ${file} of permission ${draft.id} is missing`)
      const attachment: NewAttachment = { kind, mediaType, bytes }
      return attachments.add(draft.id, keyIdOf(draft.id), attachment)
    })
    registry.act({ permission: draft.id, type: 'request', details: operator, now: args.now })
    registry.act({ permission: draft.id, type: 'file', details: { ...given, attachments: hashes }, now: args.now })
    registry.act({ permission: draft.id, type: 'activate', details: { ...operator, attachments: hashes }, now: args.now })
  }
  return { created, unchanged }
}
