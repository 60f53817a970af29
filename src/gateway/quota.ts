/**
 * Budgets of calls: what the data holder allows in a second and in an hour or a day, for each account and API, shared
 * fairly; and what the policy's rule allows one client in an hour. A request reserves all its calls before anything
 * is answered; each call then waits for a slot of the second, and waiting clients take turns, so that one who asks for a
 * thousand does not keep another waiting who asks for one.
 *
 * Calls under one limit are counted by the moments at which they were granted. All moments are milliseconds of one
 * clock that never goes back.
 */
import type { AccountId, ClientId } from '../domain/permission.ts'
import type { Moments } from './moments.ts'
import { moments } from './moments.ts'

export interface QuotaLimits {
  readonly perSecond: number
  /** What a second is here, where it is longer than one. */
  readonly secondMs?: number
  /** In any `windowMs`: an hour at Enedis, a day at GRDF. */
  readonly most: number
  readonly windowMs: number
}

/** What one request will call. */
export interface Wish {
  readonly client: ClientId
  readonly account: AccountId
  readonly api: string
  readonly calls: number
  /** Of the rule that granted the request; null where it sets no limit. */
  readonly rule: { readonly id: string; readonly callsPerHour: number } | null
}

export type Reservation =
  | {
      readonly ok: true
      /** Waits for the turn of one call. False if `signal` was aborted first, or if a retry finds the hour used up. */
      readonly take: (signal: AbortSignal) => Promise<boolean>
      /** Gives back what was not taken. */
      readonly release: () => void
    }
  | { readonly ok: false; readonly whose: 'rule' | 'holder'; readonly retryAfterSeconds: number }

/** A call that was made, as the evidence tells it. */
export interface PastCall {
  /** Of the entry: all gates that read it name the call so. */
  readonly id: string
  readonly client: string
  readonly account: string
  readonly api: string
  readonly rule: string
  readonly at: number
}

export interface Quota {
  reserve(wish: Wish): Reservation | Promise<Reservation>
  /** Calls of the last hour, or day, told from evidence at start. */
  recall(calls: readonly PastCall[]): void
  left(): readonly { readonly account: string; readonly api: string; readonly calls: number }[]
  /** What the holder itself says: no call before so many seconds have passed. */
  hold(account: AccountId, api: string, seconds: number): void
  /** Whether gates that share it count together now; absent where none do. */
  readonly together?: boolean
}

/** Counted in this process alone. */
export interface LocalQuota extends Quota {
  reserve(wish: Wish): Reservation
  /** Waits for a turn of the second alone, and counts the call: it was reserved elsewhere. */
  turn(wish: Wish, signal: AbortSignal): Promise<boolean>
  /** Counts a call that had its turn elsewhere. */
  note(wish: Wish, at: number): void
  /** Replaces what is known of the calls made: their moments, the oldest first. */
  replace(account: AccountId, api: string, made: readonly number[]): void
}

const HOUR = 3_600_000
/** One second and a little: the holder's clock and the way there are not ours. */
const SECOND = 1_050

/** Calls of the last hour or day, the oldest first, and those that are promised. */
interface Span {
  readonly windowMs: number
  readonly made: Moments
  reserved: number
}
interface Waiter {
  readonly go: (granted: boolean) => void
  readonly signal: AbortSignal
}
interface Bucket extends Span {
  readonly second: Moments
  readonly queues: Map<ClientId, Waiter[]>
  timer: NodeJS.Timeout | undefined
  heldUntil: number
}

export function quotaOf(
  limits: (account: AccountId) => QuotaLimits,
  now: () => number,
  maxWaitMs: number,
  onMade: (wish: Wish, at: number) => void = () => undefined,
): LocalQuota {
  const buckets = new Map<string, Bucket>()
  const rules = new Map<string, Span>()
  function bucketOf(account: string, api: string): Bucket {
    return known(buckets, `${account}\n${api}`, () => ({
      windowMs: limits(account as AccountId).windowMs,
      made: moments(),
      reserved: 0,
      second: moments(),
      queues: new Map(),
      timer: undefined,
      heldUntil: 0,
    }))
  }
  function ruleOf(rule: string, client: string): Span {
    return known(rules, `${client}\n${rule}`, () => ({ windowMs: HOUR, made: moments(), reserved: 0 }))
  }
  function freeIn(span: Span, most: number): number {
    span.made.forget(now() - span.windowMs)
    return most - span.made.count - span.reserved
  }
  /** Seconds until `calls` fit, if nothing else is called meanwhile. */
  function waitFor(span: Span, most: number, calls: number): number {
    const frees = span.made.at(Math.max(0, calls - freeIn(span, most) - 1)) ?? now()
    return Math.max(1, Math.ceil((frees + span.windowMs - now()) / 1000))
  }

  /** Gives slots to waiting clients in turn, as long as the second has some. */
  function pump(bucket: Bucket, perSecond: number, second: number): void {
    bucket.timer = undefined
    bucket.second.forget(now() - second)
    while (bucket.second.count < perSecond) {
      const turn = bucket.queues.entries().next().value
      if (!turn) return
      const [client, queue] = turn
      bucket.queues.delete(client)
      const waiter = queue.shift()
      // Back to the end of the round.
      if (queue.length > 0) bucket.queues.set(client, queue)
      if (!waiter || waiter.signal.aborted) continue
      bucket.second.add(now())
      waiter.go(true)
    }
    if (bucket.queues.size === 0) return
    const wait = (bucket.second.at(0) ?? now()) + second - now()
    bucket.timer = setTimeout(() => pump(bucket, perSecond, second), Math.max(1, wait))
  }
  function turnOf(bucket: Bucket, client: ClientId, limit: QuotaLimits, signal: AbortSignal): Promise<boolean> {
    const { perSecond, secondMs = SECOND } = limit
    bucket.second.forget(now() - secondMs)
    if (bucket.queues.size === 0 && bucket.second.count < perSecond) {
      bucket.second.add(now())
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const leave = (): void => resolve(false)
      const waiter: Waiter = {
        signal,
        go(granted) {
          signal.removeEventListener('abort', leave)
          resolve(granted)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      known(bucket.queues, client, () => []).push(waiter)
      if (!bucket.timer) pump(bucket, perSecond, secondMs)
    })
  }

  return {
    reserve(wish) {
      const { client, account, api, calls, rule } = wish
      const limit = limits(account)
      const bucket = bucketOf(account, api)
      const own = rule && ruleOf(rule.id, client)
      if (own && freeIn(own, rule.callsPerHour) < calls)
        return { ok: false, whose: 'rule', retryAfterSeconds: waitFor(own, rule.callsPerHour, calls) }
      if (now() < bucket.heldUntil) return { ok: false, whose: 'holder', retryAfterSeconds: Math.ceil((bucket.heldUntil - now()) / 1000) }
      if (freeIn(bucket, limit.most) < calls) return { ok: false, whose: 'holder', retryAfterSeconds: waitFor(bucket, limit.most, calls) }
      const waiting = bucket.queues.get(client)?.length ?? 0
      const expected = ((waiting * Math.max(1, bucket.queues.size)) / limit.perSecond) * (limit.secondMs ?? SECOND)
      if (expected > maxWaitMs) return { ok: false, whose: 'holder', retryAfterSeconds: Math.max(1, Math.ceil(expected / 1000)) }

      const spans = own ? [bucket, own] : [bucket]
      let left = calls
      for (const span of spans) span.reserved += calls
      return {
        ok: true,
        release() {
          for (const span of spans) span.reserved -= left
          left = 0
        },
        async take(signal) {
          if (signal.aborted) return false
          // A retry was not reserved: it needs a call that is free now.
          const reserved = left > 0
          if (!reserved && (freeIn(bucket, limit.most) < 1 || (own && rule && freeIn(own, rule.callsPerHour) < 1))) return false
          if (!(await turnOf(bucket, client, limit, signal))) return false
          for (const span of spans) {
            if (reserved) span.reserved -= 1
            span.made.add(now())
          }
          if (reserved) left -= 1
          onMade(wish, now())
          return true
        },
      }
    },
    async turn(wish, signal) {
      const bucket = bucketOf(wish.account, wish.api)
      if (signal.aborted || !(await turnOf(bucket, wish.client, limits(wish.account), signal))) return false
      bucket.made.add(now())
      if (wish.rule) ruleOf(wish.rule.id, wish.client).made.add(now())
      onMade(wish, now())
      return true
    },
    note(wish, at) {
      const bucket = bucketOf(wish.account, wish.api)
      bucket.made.add(at)
      bucket.second.add(at)
      if (wish.rule) ruleOf(wish.rule.id, wish.client).made.add(at)
    },
    replace(account, api, made) {
      const known = bucketOf(account, api).made
      known.clear()
      for (const at of made) known.add(at)
    },
    recall(calls) {
      for (const { client, account, api, rule, at } of calls.toSorted((a, b) => a.at - b.at)) {
        bucketOf(account, api).made.add(at)
        ruleOf(rule, client).made.add(at)
      }
    },
    hold(account, api, seconds) {
      const bucket = bucketOf(account, api)
      bucket.heldUntil = Math.max(bucket.heldUntil, now() + seconds * 1000)
    },
    left() {
      return [...buckets].map(([key, bucket]) => {
        const [account = '', api = ''] = key.split('\n')
        return { account, api, calls: freeIn(bucket, limits(account as AccountId).most) }
      })
    },
  }
}

function known<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
