/** How many requests one place may make in a minute. A table that is filled with made-up places is emptied, not grown. */
export interface Places {
  /** Counts a request, and says whether it is one too many. */
  exceeded(place: string, most: number): boolean
}

const MINUTE = 60_000
const MOST_PLACES = 10_000

export function placesOf(now: () => number): Places {
  let minute = -1
  let counts = new Map<string, number>()
  return {
    exceeded(place, most) {
      const current = Math.floor(now() / MINUTE)
      if (current !== minute || counts.size >= MOST_PLACES) counts = new Map()
      minute = current
      const count = (counts.get(place) ?? 0) + 1
      counts.set(place, count)
      return count > most
    },
  }
}
