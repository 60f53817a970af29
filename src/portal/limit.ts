/** How often one address may begin something that costs a row: bounded, so that an attacker's addresses cannot grow it. */
import type { Millis } from '../domain/time.ts'

const MOST_ADDRESSES = 10_000

/** @returns whether this address may once more */
export function limitOf(most: number, windowMs: number, now: () => Millis): (address: string) => boolean {
  let used = new Map<string, number>()
  let since = now()
  return (address) => {
    if (now() - since >= windowMs || used.size >= MOST_ADDRESSES) {
      used = new Map()
      since = now()
    }
    const count = (used.get(address) ?? 0) + 1
    used.set(address, count)
    return count <= most
  }
}
