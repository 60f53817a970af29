/**
 * What a person (or the body that holds the contract) allowed one recipient to read of one meter.
 *
 * `validFrom`/`validUntil` say when calls may be made; a line's `data` says which days may be read. They never merge.
 * Source: consent model § 3.3; the projection of status from acts is in `permissions/lifecycle.ts`.
 */
import type { MeterId } from './meter.ts'
import type { Millis, Period } from './time.ts'
import type {
  Coarser,
  DataKind,
  Direction,
  EndReason,
  GdprBasis,
  ProviderId,
  Recurrence,
  SectorRelease,
  Status,
  Step,
  SuspendCause,
} from './vocabulary.ts'

export type PermissionId = string & { readonly __brand: 'PermissionId' }
export type LineId = string & { readonly __brand: 'LineId' }
export type ClientId = string & { readonly __brand: 'ClientId' }
export type PurposeCode = string & { readonly __brand: 'PurposeCode' }
export type AccountId = string & { readonly __brand: 'AccountId' }

export interface ScopeLine {
  readonly id: LineId
  readonly kind: DataKind
  readonly direction: Direction
  readonly finest: Step
  readonly coarser: Coarser
  readonly purpose: PurposeCode
  /** Days that may be read; null for the kinds that have none. */
  readonly data: Period | null
  readonly recurrence: Recurrence
}

export interface Ground {
  readonly gdprBasis: GdprBasis
  readonly sectorRelease: SectorRelease
  readonly legalReference?: string
  readonly contractRef?: string
}

/** What the holder of the meter agreed to; its RFC 8785 form is what `scopeHash` is the SHA-256 of. */
export interface Scope {
  readonly recipient: ClientId
  readonly ground: Ground
  readonly validFrom: Millis
  readonly validUntil: Millis
  readonly lines: readonly ScopeLine[]
}

/** Where the data is read from: one data holder's API through one of the operator's accounts. */
export interface SourceBinding {
  readonly provider: ProviderId
  readonly account: AccountId
  readonly ready: boolean
  /** The data holder has opened an access of its own for it (a service of SGE, a right of GRDF). */
  readonly opened?: true
}

/** Readings that a line has already given (or is giving now), as recurrence counts them. */
export interface Delivery {
  readonly line: LineId
  /** Days delivered; null for the kinds that have none. */
  readonly data: Period | null
  readonly at: Millis
  /** `origin/n` of the outcome, or of the intent that is still open. */
  readonly entry: string
  /** The call is under way: it counts, but may still fail. */
  readonly open: boolean
}

/** Recurrence counts by day and by month: of a line that is read again and again, older deliveries say nothing. */
export const RECURRENCE_MS = 32 * 86_400_000

/** All that `decide` may know of one permission. Plain data, also what evidence seals so that a decision can be recomputed. */
export interface PermissionView {
  readonly id: PermissionId
  readonly version: number
  readonly meter: MeterId
  readonly scope: Scope
  readonly scopeHash: string
  readonly status: Status
  readonly endReason?: EndReason
  readonly suspendCause?: SuspendCause
  /** `origin/n` of the last act counted. */
  readonly head: string
  readonly bindings: readonly SourceBinding[]
  readonly deliveries: readonly Delivery[]
}
