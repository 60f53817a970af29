/** An access right of GRDF as the data holder lists it, in the gate's own words: without names, addresses and telephones. */
import type { GasPointId } from './meter.ts'
import type { Day, Period } from './time.ts'
import type { DataKind, Direction, ProofState } from './vocabulary.ts'

/** `to_check`: what begins and ends it is not known; like anything that nobody described it is not active. */
export type GasRightState = 'to_validate' | 'active' | 'to_check' | 'refused' | 'revoked' | 'obsolete' | 'unknown'

export interface GasRight {
  readonly id: string
  readonly point: GasPointId
  readonly direction: Exclude<Direction, 'n_a'>
  readonly state: GasRightState
  /** Who ended it, as far as GRDF says: its words are not published. */
  readonly endedBy: 'holder' | 'third_party' | 'data_holder' | 'unknown' | null
  /** The last day on which calls may be made; null where it is not told. */
  readonly lastDay: Day | null
  /** Days that may be read, the last included in GRDF's own words; null where it is not told. */
  readonly data: Period | null
  readonly kinds: readonly DataKind[]
  readonly proof: ProofState | null
  readonly proofUntil: Day | null
}
