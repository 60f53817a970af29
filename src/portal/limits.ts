/**
 * How often something may be tried, or one address may begin what costs a row. Bounded tables: one that is filled with
 * made-up keys is emptied, never grown, because what it protects (34 bits of a user code, 256 of a device code) holds for
 * the while that this takes.
 */
interface Rate {
  /** Counts a try; true where it is one too many. */
  exceeded(key: string): boolean
  /** Whether the tries so far are all that there may be, without counting one. */
  spent(key: string): boolean
}

const MOST_KEYS = 20_000
const BEGUN = { ofOne: 300, ofAll: 20_000, windowMs: 600_000 }

/**
 * What somebody who has proven nothing may begin at the cost of a row: so much from one place, and so much from all of them
 * together, because whoever has many addresses must not fill the disk.
 */
export function begunOf(now: () => number): Pick<Rate, 'exceeded'> {
  const one = rateOf(BEGUN.ofOne, BEGUN.windowMs, now)
  const all = rateOf(BEGUN.ofAll, BEGUN.windowMs, now)
  return { exceeded: (place) => one.exceeded(place) || all.exceeded('') }
}

/** At most `most` tries of one key in `windowMs`, counted from the first. */
export function rateOf(most: number, windowMs: number, now: () => number): Rate {
  let tries = new Map<string, { count: number; readonly since: number }>()
  const known = (key: string): { count: number } | undefined => {
    const entry = tries.get(key)
    return entry && now() >= entry.since && now() < entry.since + windowMs ? entry : undefined
  }
  return {
    exceeded(key) {
      const entry = known(key)
      if (entry) entry.count += 1
      else {
        if (tries.size >= MOST_KEYS) tries = new Map()
        tries.set(key, { count: 1, since: now() })
      }
      return (entry?.count ?? 1) > most
    },
    spent: (key) => (known(key)?.count ?? 0) >= most,
  }
}
