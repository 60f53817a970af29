/** What a client asks for, in the gate's own words, whatever data holder and dialect it spoke to. */
import type { ClientId, PermissionId, PurposeCode } from './permission.ts'
import type { MeterId } from './meter.ts'
import type { Period } from './time.ts'
import type { DataKind, Direction, ProviderId, Step } from './vocabulary.ts'

export interface AccessRequest {
  readonly provider: ProviderId
  /** The data holder's API whose quota a call uses up. */
  readonly api: string
  readonly meter: MeterId
  readonly kind: DataKind
  readonly direction: Direction
  /** `recorded`: the steps in which the meter recorded; what is finer than granted is dropped from the answer. */
  readonly step: Step | 'recorded'
  /** Days asked for, `until` excluded; null for the kinds that have none. */
  readonly period: Period | null
  /** What may be answered in its place, where the policy says so and the permission lacks the kind: less than was asked for. */
  readonly orElse?: DataKind
  /** What is asked for is not data, but that the data holder open it for the days to come. */
  readonly order?: Order
}

export interface Order {
  /** All that is to be opened, in one call and under one permission; `kind` is the first. */
  readonly kinds: readonly DataKind[]
  /** No end was asked for: what the permission grants is what was asked for. */
  readonly openEnded: boolean
}

/** Who asks, as the credential proves it. A credential is for one purpose. */
export interface Caller {
  readonly client: ClientId
  readonly purpose: PurposeCode
  /** The permissions of the token's set, or all that the client holds for the purpose. */
  readonly set: 'all' | readonly PermissionId[]
  /** The client prefers a refusal to a part of what it asked for. */
  readonly refusesNarrowing: boolean
}
