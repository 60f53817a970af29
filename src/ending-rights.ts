/**
 * Ends at the data holders what they opened for permissions that have ended here: each end is asked for until it is
 * acknowledged, with pauses that grow to a quarter of an hour. Each call is on record, and so is the acknowledgement.
 *
 * What is read under the permission is refused from the act on, whatever comes of this: the data holder's own door is
 * what is being closed here.
 */
import type { Millis } from './domain/time.ts'
import type { OwnCaller } from './gateway/own-call.ts'
import { ownCallerOf } from './gateway/own-call.ts'
import type { ProviderRoute } from './gateway/ports.ts'
import type { OwnIntent, OwnOutcome } from './evidence/own-calls.ts'
import type { EndingRight } from './permissions/rights.ts'
import type { RightAnswer } from './providers/adapter.ts'
import type { Logger } from './runtime/logger.ts'
import type { StateClient } from './storage/rpc.ts'

export interface RightsEnder {
  /** Asks for what is due. One round at a time. */
  tick(): Promise<void>
}

const AT_ONCE = 20
const FIRST_PAUSE_MS = 15_000
const LONGEST_PAUSE_MS = 900_000
/** From here on somebody should look. */
const MANY_ATTEMPTS = 8

export function rightsEnderOf(parts: {
  readonly state: StateClient
  readonly routes: readonly ProviderRoute[]
  intent(args: OwnIntent): Promise<{ readonly n: number }>
  outcome(args: OwnOutcome): Promise<unknown>
  readonly ready: () => boolean
  readonly now: () => Millis
  readonly newId: () => string
  readonly log: Logger
}): RightsEnder {
  const { state, routes, now, log } = parts
  const callers = new Map<ProviderRoute['id'], OwnCaller>(routes.map((route) => [route.id, ownCallerOf({ ...parts, route })]))
  let running = false

  async function end(right: EndingRight): Promise<void> {
    const route = routes.find(({ id }) => id === right.provider)
    const caller = callers.get(right.provider)
    const asked = route?.adapter.endRight?.(right, right.account)
    if (!route?.holders.has(right.account) || !caller || !asked) {
      log.error({ account: right.account }, 'a right cannot be ended: the settings no longer have the account that opened it')
      return later(right, null)
    }
    const made = await caller.make<RightAnswer>(
      right.account,
      { ...asked.call, why: 'ending', permission: right.permission },
      ({ status, body }) => {
        const value = asked.understand(status, body)
        return {
          value,
          result: value.ended ? 'delivered' : status >= 500 || status === 429 ? 'upstream_error' : 'dso_refused',
          rows: Number(value.ended),
          code: value.code,
          ...(value.says && { says: value.says }),
        }
      },
      AbortSignal.timeout(60_000),
    )
    if (made.is === 'unknown') return later(right, null, made.retryAfterSeconds)
    if (!made.value.ended) return later(right, made.value.code)
    await state.call('rightSettled', { id: right.id, result: { is: 'acknowledged' }, code: made.value.code, now: now() })
  }

  async function later({ id, attempts, account }: EndingRight, code: string | null, atLeastSeconds = 0): Promise<void> {
    if (attempts + 1 === MANY_ATTEMPTS) log.error({ account }, 'the data holder has not acknowledged the end of a right: it is asked on')
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10))
    const at = now() + Math.max(pause, atLeastSeconds * 1000)
    await state.call('rightSettled', { id, result: { is: 'again', at }, code, now: now() })
  }

  return {
    async tick() {
      if (running || !parts.ready()) return
      running = true
      try {
        const due = await state.call<readonly EndingRight[]>('rightsDue', { now: now(), limit: AT_ONCE })
        for (const right of due) await end(right)
      } finally {
        running = false
      }
    },
  }
}
