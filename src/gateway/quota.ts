/**
 * The data holder's budget: calls in a second and in an hour, for each account and API, shared fairly. A request
 * reserves all its calls of the hour before anything is answered; each call then waits for a slot of the second, and
 * waiting clients take turns, so that one who asks for a thousand does not keep another waiting who asks for one.
 */
import type { AccountId, ClientId } from '../domain/permission.ts'

export interface QuotaLimits {
  readonly perSecond: number
  readonly perHour: number
}

export type Reservation =
  | { readonly ok: true; readonly take: (signal: AbortSignal) => Promise<boolean>; readonly release: () => void }
  | { readonly ok: false; readonly retryAfterSeconds: number }

export interface Quota {
  reserve(client: ClientId, account: AccountId, api: string, calls: number): Reservation
  /** Calls of the last hour, told from evidence at start. */
  recall(account: AccountId, api: string, at: readonly number[]): void
  left(): readonly { readonly account: string; readonly api: string; readonly calls: number }[]
  /** What the holder itself says: no call before this moment. */
  hold(account: AccountId, api: string, untilMillis: number): void
}

const HOUR = 3_600_000
/** One second and a little: the holder's clock and the way there are not ours. */
const SECOND = 1_050

interface Waiter {
  readonly go: (granted: boolean) => void
  readonly signal: AbortSignal
}
interface Bucket {
  /** Moments of calls of the last hour, oldest first. */
  readonly hour: number[]
  readonly second: number[]
  reserved: number
  readonly queues: Map<ClientId, Waiter[]>
  timer: NodeJS.Timeout | undefined
  heldUntil: number
}

export function quotaOf(limits: (account: AccountId) => QuotaLimits, now: () => number, maxWaitMs: number): Quota {
  const buckets = new Map<string, Bucket>()
  function bucketOf(account: AccountId, api: string): Bucket {
    const key = `${account}\n${api}`
    const known = buckets.get(key)
    if (known) return known
    const bucket: Bucket = { hour: [], second: [], reserved: 0, queues: new Map(), timer: undefined, heldUntil: 0 }
    buckets.set(key, bucket)
    return bucket
  }
  function forget(list: number[], age: number): void {
    const limit = now() - age
    let gone = 0
    while ((list[gone] ?? Infinity) <= limit) gone += 1
    if (gone > 0) list.splice(0, gone)
  }

  /** Gives slots to waiting clients in turn, as long as the second has some. */
  function pump(bucket: Bucket, perSecond: number): void {
    bucket.timer = undefined
    forget(bucket.second, SECOND)
    while (bucket.second.length < perSecond) {
      const turn = bucket.queues.entries().next().value
      if (!turn) return
      const [client, queue] = turn
      bucket.queues.delete(client)
      const waiter = queue.shift()
      // Back to the end of the round.
      if (queue.length > 0) bucket.queues.set(client, queue)
      if (!waiter || waiter.signal.aborted) continue
      bucket.second.push(now())
      waiter.go(true)
    }
    if (bucket.queues.size === 0) return
    const wait = (bucket.second[0] ?? now()) + SECOND - now()
    bucket.timer = setTimeout(() => pump(bucket, perSecond), Math.max(1, wait))
  }

  return {
    reserve(client, account, api, calls) {
      const limit = limits(account)
      const bucket = bucketOf(account, api)
      forget(bucket.hour, HOUR)
      if (now() < bucket.heldUntil) return { ok: false, retryAfterSeconds: Math.ceil((bucket.heldUntil - now()) / 1000) }
      const free = limit.perHour - bucket.hour.length - bucket.reserved
      if (free < calls) {
        const frees = bucket.hour[Math.max(0, calls - free - 1)] ?? now()
        return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil((frees + HOUR - now()) / 1000)) }
      }
      const waiting = bucket.queues.get(client)?.length ?? 0
      const turns = Math.max(1, bucket.queues.size)
      const expected = ((waiting * turns) / limit.perSecond) * SECOND
      if (expected > maxWaitMs) return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil(expected / 1000)) }
      let left = calls
      bucket.reserved += calls
      return {
        ok: true,
        release() {
          bucket.reserved -= left
          left = 0
        },
        take(signal) {
          if (left > 0) {
            left -= 1
            bucket.reserved -= 1
          }
          bucket.hour.push(now())
          forget(bucket.second, SECOND)
          if (bucket.queues.size === 0 && bucket.second.length < limit.perSecond) {
            bucket.second.push(now())
            return Promise.resolve(true)
          }
          return new Promise((resolve) => {
            const waiter: Waiter = { go: resolve, signal }
            signal.addEventListener('abort', () => resolve(false), { once: true })
            const queue = bucket.queues.get(client)
            if (queue) queue.push(waiter)
            else bucket.queues.set(client, [waiter])
            if (!bucket.timer) pump(bucket, limit.perSecond)
          })
        },
      }
    },
    recall(account, api, at) {
      bucketOf(account, api).hour.push(...at.toSorted((a, b) => a - b))
    },
    hold(account, api, untilMillis) {
      const bucket = bucketOf(account, api)
      bucket.heldUntil = Math.max(bucket.heldUntil, untilMillis)
    },
    left() {
      return [...buckets].map(([key, bucket]) => {
        forget(bucket.hour, HOUR)
        const [account = '', api = ''] = key.split('\n')
        return { account, api, calls: limits(account as AccountId).perHour - bucket.hour.length - bucket.reserved }
      })
    },
  }
}
