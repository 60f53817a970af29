/**
 * What a data holder says that a person shares with one of the operator's accounts: the only statement about a
 * permission that does not come from a browser. Source: Enedis Data Connect 2026, `subscribed_services`.
 */
import type { UsagePointId } from './meter.ts'
import type { Day } from './time.ts'
import type { DataKind, Step } from './vocabulary.ts'

/** One kind of data of one meter in one direction. */
export interface SharedService {
  readonly id: string
  readonly meter: UsagePointId
  /** Of the gesture by which it was shared: decimal digits of a 64-bit number. Absent where the holder names none. */
  readonly authorisation?: string
  /** Absent where it is a kind that this gate does not know. */
  readonly kind?: DataKind
  readonly direction: 'withdrawal' | 'injection'
  /** Finest step, where the holder names one. */
  readonly step?: Step
  readonly from: Day
  /** Last day as the holder writes it. */
  readonly until: Day
  readonly state: 'asked' | 'active' | 'ended' | 'removed'
}

/** What a question about shares brought. */
export type Shares =
  | { readonly is: 'shares'; readonly services: readonly SharedService[] }
  /** The holder says that it knows nothing of what was asked. */
  | { readonly is: 'none' }
  /** No word from the holder, or none that can be read: it says nothing about anybody. */
  | { readonly is: 'unknown'; readonly retryAfterSeconds: number }
