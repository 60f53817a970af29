/** Those who wait at this gate for a turn that all gates share: asked for together, one question at a time. */
import type { ClientId } from '../domain/permission.ts'
import type { Wish } from './quota.ts'

/** `none`: no call is left for it. `apart`: the gates no longer count together. `left`: who asked has gone. */
export type TurnSaid = 'granted' | 'none' | 'apart' | 'left'

export interface Asking {
  readonly wish: Wish
  readonly reservation: string
  readonly call: string
  /** Whether the reservation promised it, or it must be free now. */
  readonly promised: boolean
}
export interface AskedTurns {
  readonly asked: readonly Asking[]
  /** For each, in their order: undefined is not yet. */
  readonly said: readonly ('granted' | 'none' | undefined)[]
  /** Until the next turn may be free. */
  readonly waitMs: number
}
export interface Turns {
  take(asking: Asking, signal: AbortSignal): Promise<TurnSaid>
  /** How many calls of a client wait here. */
  waiting(client: ClientId): number
  /** Everybody is sent away: they go on apart. */
  disband(): void
}

type Waiter = Asking & { readonly answer: (said: TurnSaid) => void }

export function turnsBy(
  ask: (queues: ReadonlyMap<ClientId, readonly Asking[]>) => Promise<AskedTurns>,
  onGranted: (asking: Asking) => void,
  onFault: (error: unknown) => void,
): Turns {
  const queues = new Map<ClientId, Waiter[]>()
  let going = false

  function leave(waiter: Asking): void {
    const { client } = waiter.wish
    const left = queues.get(client)?.filter((other) => other !== waiter) ?? []
    if (left.length === 0) queues.delete(client)
    else queues.set(client, left)
  }
  async function pump(): Promise<void> {
    if (going) return
    going = true
    try {
      while (queues.size > 0) {
        const { asked, said, waitMs } = await ask(queues)
        for (const [i, asking] of asked.entries()) {
          const word = said[i]
          if (word === undefined) continue
          if (word === 'granted') onGranted(asking)
          leave(asking)
          ;(asking as Waiter).answer(word)
        }
        const wait = said.includes(undefined) ? waitMs : 0
        if (queues.size > 0) await new Promise((resolve) => void setTimeout(resolve, wait))
      }
    } catch (error) {
      onFault(error)
    } finally {
      going = false
    }
  }
  return {
    take(asking, signal) {
      return new Promise((resolve) => {
        const onLeave = (): void => {
          leave(waiter)
          waiter.answer('left')
        }
        const waiter: Waiter = {
          ...asking,
          answer(said) {
            signal.removeEventListener('abort', onLeave)
            resolve(said)
          },
        }
        signal.addEventListener('abort', onLeave, { once: true })
        queues.set(asking.wish.client, [...(queues.get(asking.wish.client) ?? []), waiter])
        void pump()
      })
    },
    waiting: (client) => queues.get(client)?.length ?? 0,
    disband() {
      const all = [...queues.values()].flat()
      queues.clear()
      for (const waiter of all) waiter.answer('apart')
    },
  }
}
