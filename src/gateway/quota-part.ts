/** One gate's part of what several share: what it may call alone, and what of the calls made it takes for its own. */
import type { QuotaLimits } from './quota.ts'

/** One second and a little. */
const SECOND_MS = 1050

/** Less than one call a second is one call in more seconds. */
export function partOf({ perSecond, most, windowMs }: QuotaLimits, gates: number): QuotaLimits {
  const whole = Math.floor(perSecond / gates)
  const second = whole > 0 ? {} : { secondMs: Math.ceil((SECOND_MS * gates) / perSecond) }
  return { perSecond: Math.max(1, whole), most: Math.floor(most / gates), windowMs, ...second }
}

/**
 * Of `calls` that all gates made, the part of one, each at a moment no earlier than that of the calls it stands for: so
 * that all gates together never call more than is allowed, whoever made them.
 *
 * @param ages of calls at even steps through all of them, the oldest first
 * @param open promised and not made yet: as if made now
 */
export function partOfCalls(
  { calls, open, ages }: { readonly calls: number; readonly open: number; readonly ages: readonly number[] },
  gates: number,
  now: number,
): number[] {
  const mine = Math.ceil(calls / gates)
  const ageOf = (i: number): number => ages[Math.ceil(((i + 1) * ages.length) / mine) - 1] ?? 0
  return [...Array.from({ length: mine }, (_, i) => now - ageOf(i)), ...Array.from({ length: Math.ceil(open / gates) }, () => now)]
}
