/**
 * Where an entry lies among all logs of an instance, as one integer: the number of its log × 2⁴⁰ + its number in that
 * log. Exact up to 8,192 logs of a thousand billion entries. Nobody outside sees a position: there an entry is
 * `origin/number`.
 */
export const LOG_SIZE = 2 ** 40
export const MOST_LOGS = Number.MAX_SAFE_INTEGER / LOG_SIZE

export function positionOf(log: number, number: number): number {
  return log * LOG_SIZE + number
}

export function logOf(position: number): number {
  return Math.floor(position / LOG_SIZE)
}

/** The number that the entry bears in its log, counted from 0. */
export function numberOf(position: number): number {
  return position % LOG_SIZE
}

export interface EntryRef {
  readonly n: number
  /** `origin/number`. */
  readonly name: string
}
