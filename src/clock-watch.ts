/** What a jump of the clock means for a running gate. */
import type { Clock } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import type { OwnedState } from './state-thread.ts'

/** A jump that grows by more than this is told again. */
const CLOCK_NEWS_MS = 60_000

/** Puts a jump of the clock on record, once while it lasts. */
export function clockWatch(clock: Clock, state: OwnedState, log: Logger): { look(): Promise<void>; confirmed(): void } {
  let told = 0
  return {
    confirmed() {
      told = 0
    },
    async look() {
      const jumped = clock.jumped()
      if (jumped !== 0 && Math.abs(jumped - told) > CLOCK_NEWS_MS) {
        told = jumped
        log.error({ stepMs: jumped }, 'the clock jumped: no request is taken until it is confirmed (ecluse clock confirm)')
        await state.client.call('clock', { stepMs: jumped, now: clock.now() })
      }
      if (jumped === 0) told = 0
    },
  }
}
