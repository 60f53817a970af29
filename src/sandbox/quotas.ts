/**
 * Calls that an application may make: in a second and in an hour, sliding. The v5 generation counts them all together,
 * 2026 each API by itself. A call that is refused for its number does not count.
 */
import type { Generation } from './readings.ts'

export interface Limits {
  readonly perSecond: number
  readonly perHour: number
}
export type Quotas = Readonly<Record<Generation, Limits>>

/** What Enedis allows. */
export const ENEDIS_QUOTAS: Quotas = {
  v5: { perSecond: 5, perHour: 10_000 },
  '2026': { perSecond: 5, perHour: 1_000 },
}

export type Taken = { readonly ok: true } | { readonly ok: false; readonly over: 'second' | 'hour'; readonly freeAt: number }

export interface QuotaBook {
  take(application: string, api: string, limits: Limits, at: number): Taken
  reset(): void
}

export function quotaBook(): QuotaBook {
  const books = new Map<string, { times: number[]; from: number }>()
  return {
    take(application, api, { perSecond, perHour }, at) {
      const key = `${application}\n${api}`
      const book = books.get(key) ?? { times: [], from: 0 }
      books.set(key, book)
      const { times } = book
      while (book.from < times.length && (times[book.from] ?? 0) <= at - 3_600_000) book.from += 1
      if (book.from > 1000 && book.from > times.length / 2) {
        times.splice(0, book.from)
        book.from = 0
      }
      const inHour = times.length - book.from
      if (inHour >= perHour) return { ok: false, over: 'hour', freeAt: (times[book.from] ?? at) + 3_600_000 }
      const nth = times.at(-perSecond)
      if (inHour >= perSecond && nth !== undefined && nth > at - 1000) return { ok: false, over: 'second', freeAt: nth + 1000 }
      times.push(at)
      return { ok: true }
    },
    reset: () => books.clear(),
  }
}
