/**
 * Wrong secrets, counted by address. A secret of 32 characters is not guessed anyway; this keeps the trying from costing
 * anything, and tells whoever reads the log.
 */

const MOST_WRONG = 10
const WINDOW_MS = 15 * 60_000
const MOST_ADDRESSES = 10_000

export interface Attempts {
  /** Seconds until another secret is looked at; 0: now. */
  waitOf(address: string, now: number): number
  wrong(address: string, now: number): void
  right(address: string): void
}

export function attemptsOf(): Attempts {
  const byPlace = new Map<string, { wrong: number; since: number }>()
  return {
    waitOf(address, now) {
      const seen = byPlace.get(address)
      if (!seen || seen.wrong < MOST_WRONG || now - seen.since >= WINDOW_MS) return 0
      return Math.ceil((seen.since + WINDOW_MS - now) / 1000)
    },
    wrong(address, now) {
      const seen = byPlace.get(address)
      byPlace.delete(address)
      const goesOn = seen !== undefined && now - seen.since < WINDOW_MS
      // Last in the map: what is forgotten for want of room is what was quiet longest.
      byPlace.set(address, goesOn ? { wrong: seen.wrong + 1, since: seen.since } : { wrong: 1, since: now })
      if (byPlace.size > MOST_ADDRESSES) byPlace.delete(byPlace.keys().next().value ?? '')
    },
    right: (address) => void byPlace.delete(address),
  }
}
