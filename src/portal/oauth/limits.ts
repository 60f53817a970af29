/**
 * How often something may be tried. Bounded tables: one that is filled with made-up keys is emptied, never grown, because
 * what it protects (34 bits of a user code, 256 of a device code) holds for the while that this takes.
 */
export interface Rate {
  /** Counts a try; true where it is one too many. */
  exceeded(key: string): boolean
}

const MOST_KEYS = 20_000

/** At most `most` tries of one key in `windowMs`, counted from the first. */
export function rateOf(most: number, windowMs: number, now: () => number): Rate {
  let tries = new Map<string, { count: number; readonly since: number }>()
  return {
    exceeded(key) {
      const at = now()
      const known = tries.get(key)
      if (known && at >= known.since && at < known.since + windowMs) {
        known.count += 1
        return known.count > most
      }
      if (tries.size >= MOST_KEYS) tries = new Map()
      tries.set(key, { count: 1, since: at })
      return most < 1
    },
  }
}
