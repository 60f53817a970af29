/** What one gate has to do with the other gates of its instance: it hears what they commit, and leaves nothing open where it was too late. */
import { outcomeFields } from './domain/record.ts'
import type { Millis } from './domain/time.ts'
import type { Changes } from './gate-state.ts'
import type { UnderWay } from './gateway/under-way.ts'
import type { Lookups } from './permissions/cache.ts'
import type { Logger } from './runtime/logger.ts'
import { tellingOf } from './state-postgres.ts'
import type { PostgresChannel } from './storage/postgres-channel.ts'
import { postgresChannel } from './storage/postgres-channel.ts'
import type { PostgresSettings } from './storage/postgres.ts'
import type { StateClient } from './storage/rpc.ts'

const WARN_EVERY_MS = 10_000

export function gatesHeard(
  postgres: PostgresSettings,
  index: Uint8Array,
  changes: Changes,
  copies: Lookups,
  underway: UnderWay,
  log: Logger,
): PostgresChannel {
  let warnedAt = -Infinity
  return postgresChannel(postgres, {
    open: tellingOf(index).open,
    told: changes.hear,
    silent() {
      copies.flush()
      // Another gate may have ended any of them, and it would not be heard here.
      log.warn({}, 'nothing was heard of the database for a second: what is under way is cut')
      underway.cutAll()
    },
    fault(error) {
      if (performance.now() - warnedAt < WARN_EVERY_MS) return
      warnedAt = performance.now()
      log.warn({ err: error }, 'the connection on which other gates are heard broke: it is made again')
    },
  })
}

/**
 * An intent that the database recorded after whoever asked was told «not now»: no call was made for it, which is put on
 * record.
 */
export function lateCalls(state: () => StateClient, now: () => Millis, log: Logger): (name: string, value: unknown) => void {
  function settle(call: string, args: unknown): void {
    state()
      .call(call, args)
      .catch((error: unknown) => log.error({ err: error }, 'a call that was not made has no outcome yet: the next start writes it'))
  }
  return (name, value) => {
    const { n, is } = (value ?? {}) as { readonly n?: number; readonly is?: string }
    if (n === undefined) return
    if (name === 'intent' && is === 'recorded') {
      const counts = { readings: 0, dropped: 0, first: null, last: null }
      const fields = outcomeFields({ result: 'not_sent', status: null, bytes: 0, holderBytes: 0, counts, ms: 0, code: null, digest: null })
      settle('outcome', { intent: n, fields, now: now(), delivered: false, asked: true, over: true })
    }
    if (name === 'ownIntent') {
      const ended = { result: 'not_sent', status: null, holderBytes: 0, services: 0, ms: 0, code: null }
      settle('ownOutcome', { intent: n, ...ended, now: now() })
    }
  }
}
