/** A number of places, given in the order of asking: a call that is on record shall not wait for a connection. */
export interface Slots {
  /** False if `signal` was aborted first: no place is then taken. */
  take(signal: AbortSignal): Promise<boolean>
  /** Gives back one place that was taken. */
  free(): void
}

export function slotsOf(count: number): Slots {
  let left = count
  const waiting = new Set<() => void>()
  return {
    take(signal) {
      if (signal.aborted) return Promise.resolve(false)
      if (left > 0) {
        left -= 1
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const done = (taken: boolean) => (): void => {
          waiting.delete(turn)
          signal.removeEventListener('abort', leave)
          resolve(taken)
        }
        const turn = done(true)
        const leave = done(false)
        waiting.add(turn)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
    free() {
      const next = waiting.values().next().value
      // The place goes from hand to hand while somebody waits.
      if (next) next()
      else left += 1
    },
  }
}
