/** What the gate decided on one request: data, recorded as it is and made again from its entry by `audit replay`. */
import type { LineId, PermissionId } from './permission.ts'
import type { Reason } from './errors.ts'
import type { Period } from './time.ts'
import type { DataKind, Step } from './vocabulary.ts'

/**
 * One call to the data holder. It lies inside one line of one permission.
 *
 * `direct`: what was asked for · `fetch`: asked for under a finer line, the holder's own coarser call ·
 * `derive`: the finer series is called and summed here.
 */
export interface Part {
  readonly permission: PermissionId
  readonly line: LineId
  readonly period: Period | null
  readonly how: 'direct' | 'fetch' | 'derive'
  /** The kind that is called; differs from the kind asked for under `derive` only. */
  readonly kind: DataKind
  /** Readings of a finer step are dropped from the answer, or averaged up where `averageUp`. */
  readonly finest: Step
  readonly averageUp: boolean
  /** A reading about more days than these stays as a whole, where it shares one with them. */
  readonly keepsStraddling?: true
  /** Kinds whose fields may stay in the answer, where one answer carries several. */
  readonly keepKinds: readonly DataKind[]
}

/** In clear in the evidence: codes, days, steps and kinds only. */
export type Obligation =
  | { readonly id: 'clip_period'; readonly periods: readonly Period[] }
  | { readonly id: 'set_step'; readonly finest: Step }
  | { readonly id: 'keep_fields'; readonly kinds: readonly DataKind[] }
  | { readonly id: 'derive'; readonly from: DataKind }

export type Decision =
  | {
      readonly result: 'allow' | 'narrow'
      readonly rule: string
      readonly parts: readonly Part[]
      readonly obligations: readonly Obligation[]
    }
  | {
      readonly result: 'deny'
      readonly reason: Reason
      readonly rule?: string
      /** Days of the caller's own permission that would be open, where the reason is about days. */
      readonly permitted?: readonly Period[]
      /** When to ask again, UTC milliseconds, where the reason passes by itself at a known time. */
      readonly retryAt?: number
    }
