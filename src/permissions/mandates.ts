/**
 * Mandates: permissions that their holder gives on paper. The form is issued and kept (`send`), comes back signed with
 * what supports it (`give`), and is checked by an operator, who lets it come into force (`activate`) or turns it down
 * (`rejected_check`). What the data holder is to open for it is asked for from that moment on, not before. A form that
 * nobody signs ends by itself (`timed_out`).
 *
 * All run inside the owner's transaction. Source: consent model T4, T7, T8, T9, T10; invariant I-13.
 */
import { createHash } from 'node:crypto'
import type { Database } from '../storage/database.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { Refused } from '../storage/rpc.ts'
import type { Attachments, NewAttachment } from './attachments.ts'
import type { Changed } from './browse.ts'
import type { ActDetails, ActResult, PermissionContent } from './record.ts'
import type { Registry } from './registry.ts'
import type { Rights } from './rights.ts'

export const MANDATE_FORM = 'mandate_form'
export const SIGNED_MANDATE = 'signed_mandate'
/** What may support a mandate. */
export const SUPPORTS = ['id_document_check', 'invoice_or_contract_copy', 'representation_power'] as const
/** What an operator has looked at; a mandate is taken only with all of them. */
export const CHECKS = ['signature', 'name', 'meter', 'dates', 'authority'] as const

export type Signed =
  | { readonly is: 'signed'; readonly act: ActResult }
  /** The form itself, as it was issued, unsigned; or the same document twice. */
  | { readonly is: 'unsigned' }
  | { readonly is: 'duplicate' }
  /** It is not waited for: signed already, or over. */
  | { readonly is: 'closed' }

export interface Mandates {
  /** Undefined where it has been issued. */
  issue(args: { readonly permission: string; readonly form: Uint8Array; readonly now: Millis }): ActResult | undefined
  sign(args: {
    readonly permission: string
    /** One signed mandate, and what supports it. */
    readonly papers: readonly NewAttachment[]
    readonly details: ActDetails
    readonly now: Millis
  }): Signed
  /** @param args.accepted how the name on the mandate and that of the contract compare; null: it is turned down */
  check(args: {
    readonly permission: string
    readonly head: string
    readonly accepted: 'exact' | 'close_reviewed' | null
    readonly details: ActDetails
    readonly now: Millis
  }): Changed<ActResult>
  /** Other permissions with which the very same signed document was handed in. */
  elsewhere(args: { readonly permission: string }): readonly string[]
  /** Ends those whose form was issued before `issuedBefore` and never came back. */
  timeOut(args: { readonly issuedBefore: Millis; readonly most: number; readonly now: Millis }): readonly ActResult[]
}

export function mandatesOn(db: Database, registry: Registry, attachments: Attachments, rights: Rights): Mandates {
  const sql = {
    head: db.prepare('SELECT head FROM permission WHERE id = ?'),
    elsewhere: db.prepare(
      `SELECT DISTINCT other.permission FROM attachment own JOIN attachment other
         ON other.sha256 = own.sha256 AND other.permission <> own.permission
       WHERE own.permission = ? AND own.kind = '${SIGNED_MANDATE}' ORDER BY other.permission`,
    ),
    waiting: db.prepare(
      `SELECT p.id FROM permission p JOIN act a ON a.permission = p.id AND a.type = 'send'
       WHERE p.status = 'awaiting_confirmation' AND a.at < ? ORDER BY a.n LIMIT ?`,
    ),
  }
  function mandate(permission: string): {
    readonly key: string
    readonly status: string
    readonly content: PermissionContent
  } {
    const { status, content } = registry.show({ permission })
    if (content?.mandate !== true) throw new Refused(`permission ${permission} is given by no mandate`)
    return { key: registry.keyOf({ permission }), status, content }
  }
  return {
    issue({ permission, form, now }) {
      const { key, status } = mandate(permission)
      if (status !== 'requested') return undefined
      const sha256 = attachments.add(permission, key, { kind: MANDATE_FORM, mediaType: 'application/pdf', bytes: form })
      // What is signed is what was shown: the form is the notice.
      registry.shown({ permission, notice: { id: 'mandate', version: '1', sha256, language: 'fr' } })
      const details = { actorRole: 'gate', channel: 'mandate', attachments: [sha256] }
      return registry.act({ permission: permission as PermissionId, type: 'send', details, now })
    },
    sign({ permission, papers, details, now }) {
      const { key, status } = mandate(permission)
      if (status !== 'awaiting_confirmation') return { is: 'closed' }
      const known = registry.show({ permission }).attachments
      const hashes = papers.map(({ bytes }) => createHash('sha256').update(bytes).digest('hex'))
      if (known.some(({ sha256, kind }) => kind === MANDATE_FORM && hashes.includes(sha256))) return { is: 'unsigned' }
      if (new Set(hashes).size < hashes.length) return { is: 'duplicate' }
      for (const paper of papers) attachments.add(permission, key, paper)
      const act = registry.act({ permission: permission as PermissionId, type: 'give', details: { ...details, attachments: hashes }, now })
      return { is: 'signed', act }
    },
    check({ permission, head, accepted, details, now }) {
      const known = mandate(permission)
      if (String(sql.head.get(permission)?.['head']) !== head) return { is: 'stale' }
      const id = permission as PermissionId
      if (accepted !== null && !CHECKS.every((one) => details.checks?.includes(one)))
        throw new Refused(`a mandate is taken only when all was looked at: ${CHECKS.join(', ')}`)
      if (accepted === null) return { is: 'done', value: registry.act({ permission: id, type: 'rejected_check', details, now }) }
      registry.identified({
        permission,
        identity: { method: 'signed_mandate', strength: 'S2' },
        holderMatch: { method: 'operator_check', result: accepted },
      })
      const act = registry.act({ permission: id, type: 'activate', details, now })
      rights.release({ permission, at: Math.max(now, known.content.scope.validFrom) as Millis })
      return { is: 'done', value: act }
    },
    elsewhere: ({ permission }) => sql.elsewhere.all(permission).map((row) => String(row['permission'])),
    timeOut({ issuedBefore, most, now }) {
      const details = { actorRole: 'gate', channel: 'clock' }
      return (
        sql.waiting
          .all(issuedBefore, most)
          .map((row) => row['id'] as PermissionId)
          // A right of GRDF waits as well, for its own person and time.
          .filter((permission) => registry.show({ permission }).content?.mandate === true)
          .map((permission) => registry.act({ permission, type: 'timed_out', details, now }))
      )
    },
  }
}
