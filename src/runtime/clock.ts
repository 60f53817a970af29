/**
 * The time, and whether it can be trusted: a jump against the monotonic clock of more than the tolerance stops intents
 * until an operator confirms it; at start a time before the software was made is not believed (a Raspberry Pi has no clock).
 */
import type { Millis } from '../domain/time.ts'

export const PLAUSIBLE_SINCE = Date.UTC(2026, 0, 1)
const TOLERANCE_MS = 600_000

export interface Clock {
  now(): Millis
  /** How far the clock has jumped, beyond the tolerance; 0 while it runs as it should. */
  jumped(): number
  confirm(): void
}

export function systemClock(): Clock {
  let base = Date.now() - performance.now()
  return {
    now: () => Date.now() as Millis,
    jumped() {
      const step = Date.now() - performance.now() - base
      return Math.abs(step) > TOLERANCE_MS ? Math.round(step) : 0
    },
    confirm() {
      base = Date.now() - performance.now()
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
