/** What is kept of a permission and its acts, and what is told of it. */
import type { Json } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId, Delivery, LineId, PermissionId, Scope, SourceBinding } from '../domain/permission.ts'
import type { Day, Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { EndReason, Status, SuspendCause } from '../domain/vocabulary.ts'
import type { RightSummary } from './rights.ts'

/** What lies in the box of a permission, under the subject's key. */
export interface PermissionContent {
  readonly meter: MeterId
  readonly holder: { readonly kind: 'natural' | 'legal'; readonly reference: string; readonly name?: string }
  readonly scope: Scope
  readonly bindings: readonly SourceBinding[]
  readonly notice: { readonly id: string; readonly version: string; readonly sha256: string; readonly language: string }
  readonly identity: { readonly method: string; readonly strength: string }
  readonly holderMatch: { readonly method: string; readonly result: string }
  readonly bundleId: string
  readonly arrangementId: string
  readonly unverified: boolean
  /** Given on paper: a form is issued, comes back signed, and is checked. */
  readonly mandate?: true
  /** What the data holder said is shared, for a permission that a person gave in a browser. */
  readonly share?: { readonly authorisation: string; readonly services: readonly string[]; readonly from: Day; readonly until: Day }
}

export interface ActDetails {
  readonly actorRole: string
  readonly actor?: string
  readonly channel: string
  readonly occurredAt?: Millis
  readonly reason?: string
  readonly cause?: SuspendCause
  readonly attachments?: readonly string[]
  readonly unverified?: boolean
  /** What an operator has looked at. */
  readonly checks?: readonly string[]
}

export interface ActResult {
  readonly permission: PermissionId
  readonly client: ClientId
  readonly meter: MeterId | null
  readonly status: Status
  readonly endReason?: EndReason
  readonly entry: string
  readonly generation: number
  /** It opens less than before: a call under way may be about more. */
  readonly narrowed?: true
}
export interface PermissionSummary {
  readonly id: string
  readonly version: number
  readonly client: string
  readonly status: string
  readonly endReason: string | null
  /** Invalidated: as if it had never been given. */
  readonly void: boolean
  readonly validFrom: string
  readonly validUntil: string
}
export interface PermissionRecord extends PermissionSummary {
  readonly suspendCause: SuspendCause | null
  readonly content: PermissionContent | null
  readonly acts: readonly {
    readonly type: string
    readonly at: string
    readonly status: string
    /** `origin/number`, and its position. */
    readonly entry: string
    readonly n: number
    readonly details: unknown
  }[]
  readonly attachments: readonly { readonly sha256: string; readonly kind: string; readonly mediaType: string; readonly bytes: number }[]
  /** What data holders have opened for it on their own side. */
  readonly rights: readonly RightSummary[]
}

/** A row of the table `permission`. */
export interface Row {
  readonly id: string
  readonly version: number
  readonly client: string
  readonly meter: Uint8Array
  readonly key_ids: string
  readonly scope_hash: string
  readonly valid_from: number
  readonly valid_until: number
  readonly status: string
  readonly end_reason: string | null
  readonly suspend_cause: string | null
  readonly void: number
  readonly head: string
  readonly box_key: string
  readonly box: Uint8Array
}

export function summaryOf(row: Row): PermissionSummary {
  return {
    id: row.id,
    version: row.version,
    client: row.client,
    status: row.status,
    endReason: row.end_reason,
    void: row.void === 1,
    validFrom: rfc3339(row.valid_from as Millis),
    validUntil: rfc3339(row.valid_until as Millis),
  }
}

/** Of a row of the table `delivery`. */
export function deliveryOf(row: Record<string, unknown>): Delivery {
  const from = row['data_from']
  return {
    line: row['line'] as LineId,
    data: from === null ? null : { from: from as Day, until: row['data_until'] as Day },
    at: Number(row['at']) as Millis,
    entry: String(row['entry']),
    open: row['open'] !== 0,
  }
}

/** Who acted, as it lies sealed. */
export function actorOf(details: ActDetails): { readonly [key: string]: Json | undefined } {
  return {
    role: details.actorRole,
    channel: details.channel,
    ...(details.actor !== undefined && { id: details.actor }),
    ...(details.occurredAt !== undefined && { occurredAt: rfc3339(details.occurredAt) }),
    ...(details.reason !== undefined && { reason: details.reason }),
    ...(details.checks !== undefined && { checks: details.checks }),
  }
}
