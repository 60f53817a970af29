/**
 * The time, and whether it can be trusted: a jump against the monotonic clock of more than the tolerance stops intents
 * until an operator confirms it; at start a time before the software was made is not believed (a Raspberry Pi has no clock).
 */
import type { Millis } from '../domain/time.ts'

export const PLAUSIBLE_SINCE = Date.UTC(2026, 0, 1)
const TOLERANCE_MS = 600_000

export interface Clock {
  /**
   * After a jump and until it is confirmed, the time that it would be without: no permission expires, and no entry is
   * dated, by a clock that may be wrong.
   */
  now(): Millis
  /** How far the clock has jumped, beyond the tolerance; 0 while it runs as it should. */
  jumped(): number
  confirm(): void
}

export function systemClock(wall: () => number = () => Date.now(), steady: () => number = () => performance.now()): Clock {
  let base = wall() - steady()
  function jumped(): number {
    const step = wall() - steady() - base
    return Math.abs(step) > TOLERANCE_MS ? Math.round(step) : 0
  }
  return {
    now: () => (jumped() === 0 ? wall() : Math.round(base + steady())) as Millis,
    jumped,
    confirm() {
      base = wall() - steady()
    },
  }
}

/** False if no plausible time came within `maxMs`. */
export async function waitForPlausibleTime(maxMs: number): Promise<boolean> {
  const until = performance.now() + maxMs
  while (Date.now() < PLAUSIBLE_SINCE) {
    if (performance.now() >= until) return false
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  return true
}
