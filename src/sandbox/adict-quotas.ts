/**
 * Calls that a third party may make of all services together: in a sliding second, and in a day of Paris (that it is a
 * civil day is our reading). A call that is refused for its number does not count, nor does one for a token.
 */
import type { Millis } from '../domain/time.ts'
import { parisDay } from '../domain/time.ts'

export interface AdictQuotas {
  readonly perSecond: number
  readonly perDay: number
}
/** What GRDF allows those who hold fewer than 5,000 points. */
export const GRDF_QUOTAS: AdictQuotas = { perSecond: 1, perDay: 6_000 }

export interface AdictQuotaBook {
  /** Whether the call may be made; it is counted if so. */
  take(clientId: string, at: number): boolean
  reset(): void
}

export function adictQuotaBook({ perSecond, perDay }: AdictQuotas): AdictQuotaBook {
  const books = new Map<string, { day: string; inDay: number; last: number[] }>()
  return {
    take(clientId, at) {
      const day = parisDay(at as Millis)
      const known = books.get(clientId)
      const book = known?.day === day ? known : { day, inDay: 0, last: known?.last ?? [] }
      books.set(clientId, book)
      book.last = book.last.filter((time) => time > at - 1000)
      if (book.inDay >= perDay || book.last.length >= perSecond) return false
      book.inDay += 1
      book.last.push(at)
      return true
    },
    reset: () => books.clear(),
  }
}
