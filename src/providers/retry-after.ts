/** When to ask again, as a data holder says it. Source: RFC 9110, § 10.2.3. */
import type { Millis } from '../domain/time.ts'

const DAY_SECONDS = 86_400

/** Seconds from now on, at least one and at most a day; undefined where the header says nothing. */
export function retryAfterSeconds(text: string | null, now: Millis): number | undefined {
  if (text === null) return undefined
  if (/^[0-9]{1,9}$/.test(text)) return clamped(Number(text))
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  return secondsUntil(Date.parse(text), now)
}

export function secondsUntil(at: number, now: Millis): number | undefined {
  return Number.isFinite(at) ? clamped(Math.ceil((at - now) / 1000)) : undefined
}

function clamped(seconds: number): number {
  return Math.min(Math.max(seconds, 1), DAY_SECONDS)
}
