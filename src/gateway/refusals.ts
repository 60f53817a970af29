/**
 * Who gets an entry of its own. Strangers (not identified, not parsed) and floods are counted by reason and become one
 * `access.summary` entry a minute: they have no disk to fill. An identified client has a number of entries a minute.
 */
import type { ClientId } from '../domain/permission.ts'

export interface RefusalBudget {
  /** Whether this refusal of an identified client gets its own entry; if not it has been counted. */
  own(client: ClientId, perMinute: number, reason: string): boolean
  stranger(reason: string): void
  /**
   * Counts a stranger, and says whether its address is past its rate: it is then told that, and nothing of its request.
   * A client behind the same address is served as ever.
   */
  tooMany(address: string): boolean
  /** What the minute's summary says, and a new minute. Undefined if there was nothing. */
  takeSummary(): Readonly<Record<string, number>> | undefined
}

const STRANGERS_PER_MINUTE = 600
const MOST_ADDRESSES = 10_000

export function refusalBudget(): RefusalBudget {
  let summary = new Map<string, number>()
  let clients = new Map<ClientId, number>()
  let addresses = new Map<string, number>()
  const count = (reason: string): void => void summary.set(reason, (summary.get(reason) ?? 0) + 1)
  return {
    own(client, perMinute, reason) {
      const used = clients.get(client) ?? 0
      if (used >= perMinute) {
        count(reason)
        return false
      }
      clients.set(client, used + 1)
      return true
    },
    stranger: count,
    tooMany(address) {
      const used = (addresses.get(address) ?? 0) + 1
      // A table that attackers fill with addresses of their own is emptied, not grown.
      if (addresses.size >= MOST_ADDRESSES) addresses = new Map()
      addresses.set(address, used)
      return used > STRANGERS_PER_MINUTE
    },
    takeSummary() {
      const counts = summary
      summary = new Map()
      clients = new Map()
      addresses = new Map()
      return counts.size === 0 ? undefined : Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    },
  }
}
