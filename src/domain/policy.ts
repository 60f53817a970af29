/**
 * All that `decide` reads from the settings, compiled and kept under its hash: rules, purposes, limits of the data
 * holders. A decision made under a policy can be made again from the policy's canonical form years later.
 */
import type { PurposeCode } from './permission.ts'
import type { Coarser, DataKind, GdprBasis, ProviderId, Step } from './vocabulary.ts'

export interface Rule {
  readonly id: string
  /** `*` in any of the three means all. The first rule that fits speaks. */
  readonly purpose: PurposeCode | '*'
  readonly kind: DataKind | '*'
  readonly provider: ProviderId | '*'
  /** What happens when more is asked for than is granted. */
  readonly onOverrun: 'refuse' | 'narrow'
  readonly coarser: Coarser
  /** A reading about more days than are granted stays as a whole, where one of them is. Absent: it is dropped. */
  readonly keepsStraddling?: true
  /** A request for a kind that the permission lacks is answered with the one in its place. Absent: it is refused. */
  readonly degrades?: true
  /** An order for longer than is granted is made for what is granted. Absent: it is refused. */
  readonly narrowsOrders?: true
  /** Longest period of one request, in days. */
  readonly longestDays: number | null
  /** How many days before today may be asked for. */
  readonly oldestDays: number | null
  /** Calls to the data holder that one client may cause in an hour under this rule. */
  readonly callsPerHour: number | null
}

export interface Purpose {
  readonly code: PurposeCode
  readonly version: number
  readonly label: { readonly fr: string; readonly en: string }
  readonly grounds: readonly GdprBasis[]
  readonly kinds: readonly DataKind[]
  readonly finest: Step
  /** Absent: nothing that was read is kept. */
  readonly keep?: KeepRule | undefined
}

/** How long closed days that were read may be given again. */
export interface KeepRule {
  readonly keepDays: number
  /** From so many days after its end a day no longer changes at the data holder. */
  readonly settledAfterDays: number
  /** Until then what was read is asked for anew after so many hours. */
  readonly revalidateHours: number
}

/** What a data holder answers to, for one kind. */
export interface HolderLimit {
  readonly provider: ProviderId
  readonly kind: DataKind
  /** Longest period of one call, in days: longer ones are split. */
  readonly callDays: number
  /** How far back the data holder keeps data. */
  readonly history: { readonly months: number; readonly days: number }
}

export interface Policy {
  readonly rules: readonly Rule[]
  readonly purposes: readonly Purpose[]
  readonly limits: readonly HolderLimit[]
}
