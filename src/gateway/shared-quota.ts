/**
 * A quota that several gates share over Redis. The scripts decide (quota-scripts.ts); here is what a gate adds: who waits,
 * what it knows of, and what it does without Redis.
 *
 * Without Redis, or after any fault until the next good word of it, a gate counts by itself and calls its part: what the
 * data holder allows divided by the number of gates, less its part of what was called already as far as it was told. It
 * never calls without a limit. What it called meanwhile it tells Redis afterwards.
 */
import { randomBytes } from 'node:crypto'
import type { AccountId, ClientId } from '../domain/permission.ts'
import type { Logger } from '../runtime/logger.ts'
import type { RedisScripts } from '../runtime/redis-scripts.ts'
import type { PastCall, Quota, QuotaLimits, Reservation, Wish } from './quota.ts'
import { quotaOf } from './quota.ts'
import type { BudgetKeys, QuotaNames, RuleKeys } from './quota-keys.ts'
import { budgetKeys, placesOfRules, ruleKeys } from './quota-keys.ts'
import { partOf, partOfCalls } from './quota-part.ts'
import type { QuotaTimes } from './quota-scripts.ts'
import { answerOf, quotaScripts } from './quota-scripts.ts'
import type { AskedTurns, Asking, Turns } from './shared-turns.ts'
import { turnsBy } from './shared-turns.ts'

export interface SharedBy extends QuotaNames {
  readonly scripts: RedisScripts
  seal(key: string, value: unknown): string
  /** Undefined where it was not sealed by this instance for this key. */
  open(key: string, box: string): unknown
  /** Name of this gate, its own among the gates, the same after a restart. */
  readonly node: string
  readonly gates: number
  readonly log: Pick<Logger, 'warn' | 'info'>
  readonly beatMs?: number
  readonly times?: QuotaTimes
}

export interface SharedQuota extends Quota {
  readonly together: boolean
  close(): Promise<void>
}

const HOUR = 3_600_000
const BEAT_MS = 5000
const RETRY_MS = 1000
const SAMPLES = 20
const WORDS = ['ok', 'rule', 'holder']
/** Calls told at once, and asks in one script. */
const MOST_TOLD = 500
const MOST_ASKS = 64

interface Own {
  readonly id: string
  readonly at: number
  readonly rule: RuleKeys | null
  readonly recalled: boolean
}
interface Bucket {
  readonly account: AccountId
  readonly api: string
  readonly keys: BudgetKeys
  readonly turns: Turns
  /** Calls that this gate knows of, in the window. */
  own: Own[]
  /** Those of them that it made apart, until Redis knows them too. */
  readonly untold: Own[]
  since: string | undefined
  left: number
}
interface Alive {
  readonly bucket: Bucket
  readonly rule: RuleKeys | null
  readonly left: () => number
}

export function sharedQuota(limits: (account: AccountId) => QuotaLimits, now: () => number, maxWaitMs: number, by: SharedBy): SharedQuota {
  const { scripts } = by
  const lua = quotaScripts(by.times)
  const node = by.nameOf('node', by.node)
  const self = randomBytes(9).toString('base64url')
  const gatesKey = by.keyOf('gates', '')
  const budgetsKey = by.keyOf('budgets', '')
  const buckets = new Map<string, Bucket>()
  const alive = new Map<string, Alive>()
  const windows = new Set<number>()
  let together = false
  let closed = false
  let crowded = false
  let beating: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  const apart = quotaOf(
    (account) => partOf(limits(account), by.gates),
    now,
    maxWaitMs,
    (wish, at) => {
      const bucket = bucketOf(wish.account, wish.api)
      const own = { id: newId(), at, rule: ruleKeysOf(wish), recalled: false }
      bucket.own.push(own)
      bucket.untold.push(own)
    },
  )

  function bucketOf(account: AccountId, api: string): Bucket {
    const name = `${account}\n${api}`
    const known = buckets.get(name)
    if (known) return known
    const made: Bucket = {
      account,
      api,
      keys: budgetKeys(by, name),
      turns: turnsBy(
        (queues) => askTurns(made, queues),
        ({ wish, call }) => {
          const at = now()
          apart.note(wish, at)
          made.own.push({ id: call, at, rule: ruleKeysOf(wish), recalled: false })
        },
        fell,
      ),
      own: [],
      untold: [],
      since: undefined,
      left: limits(account).most,
    }
    buckets.set(name, made)
    windows.add(limits(account).windowMs)
    return made
  }
  const ruleKeysOf = (wish: Pick<Wish, 'rule' | 'client'>): RuleKeys | null => ruleKeys(by, wish)
  function forget(): void {
    for (const bucket of buckets.values()) {
      const oldest = now() - Math.max(HOUR, limits(bucket.account).windowMs)
      if ((bucket.own[0]?.at ?? Infinity) <= oldest) bucket.own = bucket.own.filter(({ at }) => at > oldest)
    }
  }
  function share(bucket: Bucket) {
    const { most, windowMs, perSecond } = limits(bucket.account)
    return { most, part: Math.floor(most / by.gates), windowMs, perSecond, partOfSecond: Math.floor(perSecond / by.gates) }
  }

  /** Until the next good word this gate counts alone: a command that may have been carried out counts too much, never too little. */
  function fell(error: unknown): void {
    if (together) by.log.warn({ err: error }, 'quotas are counted by this gate alone, as its part of what data holders allow')
    together = false
    for (const bucket of buckets.values()) bucket.turns.disband()
    schedule(RETRY_MS)
  }
  function heard(bucket: Bucket, since: string | undefined, left: number): void {
    bucket.left = Math.max(0, left)
    if (bucket.since === since) return
    bucket.since = since
    // Redis knows nothing of before: it was emptied, or is another one now.
    tell(bucket, bucket.own).catch((error: unknown) => {
      bucket.since = undefined
      fell(error)
    })
  }
  async function tell(bucket: Bucket, calls: readonly Own[]): Promise<void> {
    for (let from = 0; from < calls.length; from += MOST_TOLD) {
      const rules = placesOfRules()
      const told = calls
        .slice(from, from + MOST_TOLD)
        .flatMap(({ id, at, rule, recalled }) => [id, Math.max(0, Math.round(now() - at)), recalled ? 1 : 0, rules.of(rule)])
      const keys = [bucket.keys.made, bucket.keys.since, ...rules.all.map(({ made }) => made)]
      await scripts.run(lua.tell, keys, [limits(bucket.account).windowMs, HOUR, ...told])
    }
  }

  /** A budget that another gate uses. One that cannot be read is another version's. */
  function learn(said: unknown): void {
    if (typeof said !== 'object' || said === null || !('account' in said) || !('api' in said)) return
    if (typeof said.account === 'string' && typeof said.api === 'string') bucketOf(said.account as AccountId, said.api)
  }
  async function beat(): Promise<void> {
    if (!scripts.ready) throw new Error('Redis is not there')
    const budgets = [...buckets].flatMap(([name, { account, api }]) => [by.nameOf('budget', name), by.seal(budgetsKey, { account, api })])
    const here = await scripts.run(lua.here, [gatesKey, budgetsKey], [node, Math.max(HOUR, ...windows), ...budgets])
    const [count, ...boxes] = Array.isArray(here) ? (here as readonly unknown[]) : []
    const [gates = 0] = answerOf([count], 0, 1).numbers
    for (const box of boxes) learn(by.open(budgetsKey, String(box)))
    if (gates > by.gates && !crowded)
      by.log.warn('more gates share the quotas than redis.gates says: without Redis they would call too much')
    crowded = gates > by.gates
    for (const bucket of buckets.values()) {
      const { most, part, windowMs } = share(bucket)
      const rules = placesOfRules()
      const mine = [...alive]
        .filter(([, one]) => one.bucket === bucket)
        .flatMap(([id, one]) => (one.left() > 0 ? [id, one.left(), rules.of(one.rule)] : []))
      const { made, promises, held, since } = bucket.keys
      const keys = [made, promises, gatesKey, held, since, ...rules.all.map((rule) => rule.promises)]
      const args = [node, most, part, windowMs, SAMPLES, bucket.since ?? '', ...mine]
      const answer = answerOf(await scripts.run(lua.beat, keys, args), 1, 4)
      const [left = 0, heldMs = 0, calls = 0, open = 0, ...ages] = answer.numbers
      heard(bucket, answer.texts[0], left)
      apart.replace(bucket.account, bucket.api, partOfCalls({ calls, open, ages }, by.gates, now()))
      if (heldMs > 0) apart.hold(bucket.account, bucket.api, heldMs / 1000)
      const { length } = bucket.untold
      await tell(bucket, bucket.untold)
      bucket.untold.splice(0, length)
    }
    if (!together && !closed) by.log.info('quotas are counted by all gates together')
    together = !closed
  }
  function schedule(ms: number): void {
    clearTimeout(timer)
    if (closed) return
    timer = setTimeout(() => void tick(), ms)
    timer.unref()
  }
  function tick(): Promise<void> {
    forget()
    beating ??= beat()
      .then(() => schedule(by.beatMs ?? BEAT_MS), fell)
      .finally(() => (beating = undefined))
    return beating
  }
  scripts.onReady(() => {
    // The last words before may be lost: all is told again, and counted once.
    for (const bucket of buckets.values()) bucket.since = undefined
    void tick()
  })
  void tick()

  async function askTurns(bucket: Bucket, queues: ReadonlyMap<ClientId, readonly Asking[]>): Promise<AskedTurns> {
    if (!together) throw new Error('the gates do not count together')
    const { most, part, windowMs, perSecond, partOfSecond } = share(bucket)
    const rules = placesOfRules()
    const asked: Asking[] = []
    const each = Math.max(1, Math.floor(Math.min(MOST_ASKS, perSecond) / queues.size))
    const clients = [...queues].slice(0, MOST_ASKS).map(([client, queue]) => {
      const asks = queue.slice(0, each)
      asked.push(...asks)
      const words = asks.map(({ reservation, call, promised, wish }) => {
        return [reservation, call, promised ? 1 : 0, rules.of(ruleKeysOf(wish)), wish.rule?.callsPerHour ?? 0, HOUR]
      })
      return [by.nameOf('client', client), queue.length, asks.length, ...words.flat()]
    })
    const { made, promises, waiting, turns, since } = bucket.keys
    const keys = [made, promises, gatesKey, waiting, turns, since, ...rules.all.flatMap((rule) => [rule.made, rule.promises])]
    const args = [node, self, most, part, windowMs, perSecond, partOfSecond, clients.length, ...clients.flat()]
    const answer = answerOf(await scripts.run(lua.turns, keys, args), 1, 2 + asked.length)
    const [waitMs = 0, left = 0, ...answers] = answer.numbers
    heard(bucket, answer.texts[0], left)
    const words = [undefined, 'granted', 'none'] as const
    return { asked, said: asked.map((_, i) => words[answers[i] ?? 0]), waitMs }
  }

  function reserved(bucket: Bucket, wish: Wish, id: string): Extract<Reservation, { ok: true }> {
    const rule = ruleKeysOf(wish)
    let left = wish.calls
    let number = 0
    alive.set(id, { bucket, rule, left: () => left })
    function release(): void {
      if (!alive.delete(id)) return
      const keys = [bucket.keys.promises, ...(rule ? [rule.promises] : [])]
      // One that is lost ends by itself.
      if (left > 0 && together) scripts.run(lua.release, keys, [id]).catch(fell)
      left = 0
    }
    return {
      ok: true,
      release,
      async take(signal) {
        if (signal.aborted) return false
        const promised = left > 0
        const call = `${id}.${(number += 1)}`
        const said = together ? await bucket.turns.take({ wish, reservation: id, call, promised }, signal) : 'apart'
        if (said === 'none' || said === 'left') return false
        if (said === 'apart' && !(await alone(wish, promised, signal))) return false
        if (promised) left -= 1
        return true
      },
    }
  }
  /** What was reserved needs a turn alone; a retry needs a call that is free now. */
  async function alone(wish: Wish, promised: boolean, signal: AbortSignal): Promise<boolean> {
    if (promised) return apart.turn(wish, signal)
    const one = apart.reserve({ ...wish, calls: 1 })
    if (!one.ok) return false
    const taken = await one.take(signal)
    one.release()
    return taken
  }

  return {
    get together() {
      return together
    },
    async reserve(wish) {
      if (!together) return apart.reserve(wish)
      const bucket = bucketOf(wish.account, wish.api)
      const { most, part, windowMs, perSecond, partOfSecond } = share(bucket)
      const rule = ruleKeysOf(wish)
      const id = newId()
      const { made, promises, held, waiting, since } = bucket.keys
      const keys = [made, promises, held, gatesKey, waiting, since, ...(rule ? [rule.made, rule.promises] : [])]
      const args = [node, self, id, wish.calls, most, part, windowMs, perSecond, partOfSecond, by.nameOf('client', wish.client)]
      const waits = [bucket.turns.waiting(wish.client), Math.min(maxWaitMs, Number.MAX_SAFE_INTEGER)]
      const ofRule = wish.rule ? [wish.rule.callsPerHour, HOUR] : []
      let said: ReturnType<typeof answerOf>
      try {
        said = answerOf(await scripts.run(lua.reserve, keys, [...args, ...waits, ...ofRule]), 2, 1)
        if (!WORDS.includes(said.texts[0] ?? '')) throw new TypeError('Redis gave an answer that no script of this version gives')
      } catch (error) {
        fell(error)
        return apart.reserve(wish)
      }
      const [whose, sinceNow] = said.texts
      const [number = 0] = said.numbers
      if (whose === 'ok') {
        heard(bucket, sinceNow, number)
        return reserved(bucket, wish, id)
      }
      heard(bucket, sinceNow, bucket.left)
      return { ok: false, whose: whose === 'rule' ? 'rule' : 'holder', retryAfterSeconds: Math.max(1, Math.ceil(number / 1000)) }
    },
    recall(calls: readonly PastCall[]) {
      apart.recall(calls)
      for (const { id, client, account, api, rule, at } of calls.toSorted((a, b) => a.at - b.at)) {
        const keys = ruleKeysOf({ client: client as ClientId, rule: { id: rule, callsPerHour: 0 } })
        bucketOf(account as AccountId, api).own.push({ id, at, rule: keys, recalled: true })
      }
    },
    hold(account, api, seconds) {
      apart.hold(account, api, seconds)
      if (together) scripts.run(lua.hold, [bucketOf(account, api).keys.held], [Math.ceil(seconds * 1000)]).catch(fell)
    },
    left() {
      if (!together) return apart.left()
      return [...buckets.values()].map(({ account, api, left }) => ({ account, api, calls: left }))
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await beating
      // Apart or not: its part shall not be kept back for it.
      if (scripts.ready) await scripts.run(lua.leave, [gatesKey], [node]).catch(() => undefined)
      together = false
    },
  }
}

function newId(): string {
  return randomBytes(9).toString('base64url')
}
