/** The data holder's budget, on a clock that the test moves. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AccountId, ClientId } from '../../../src/domain/permission.ts'
import type { LocalQuota, Wish } from '../../../src/gateway/quota.ts'
import { quotaOf } from '../../../src/gateway/quota.ts'

const MAIN = 'main' as AccountId
const API = 'mesure_synchrone_auto'
const never = new AbortController().signal

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 20) })
})
afterEach(() => {
  vi.useRealTimers()
})

function aQuota(perSecond = 5, perHour = 1000): LocalQuota {
  return quotaOf(
    () => ({ perSecond, most: perHour, windowMs: 3_600_000 }),
    () => Date.now(),
    20_000,
  )
}
function wish(client: string, calls: number, changes: Partial<Wish> = {}): Wish {
  return { client: client as ClientId, account: MAIN, api: API, calls, rule: null, ...changes }
}
function reserved(quota: LocalQuota, asked: Wish) {
  const reservation = quota.reserve(asked)
  if (!reservation.ok) throw new Error(`not reserved: ${JSON.stringify(reservation)}`)
  return reservation
}

test('five calls go at once, the sixth in the next second', async () => {
  const { take } = reserved(aQuota(), wish('a', 6))
  for (let i = 0; i < 5; i += 1) expect(await take(never)).toBe(true)
  let sixth: boolean | undefined
  void take(never).then((granted) => (sixth = granted))
  await vi.advanceTimersByTimeAsync(1000)
  expect(sixth).toBeUndefined()
  await vi.advanceTimersByTimeAsync(100)
  expect(sixth).toBe(true)
})

test('one client asks 1,000 and another 1: the one call goes next, not last', async () => {
  const quota = quotaOf(
    () => ({ perSecond: 5, most: 2000, windowMs: 3_600_000 }),
    () => Date.now(),
    Infinity,
  )
  const order: string[] = []
  for (let i = 0; i < 1000; i += 1)
    void reserved(quota, wish('greedy', 1))
      .take(never)
      .then(() => order.push('greedy'))
  void reserved(quota, wish('modest', 1))
    .take(never)
    .then(() => order.push('modest'))
  await vi.advanceTimersByTimeAsync(1100)
  expect(order).toHaveLength(10)
  expect(order.indexOf('modest')).toBe(6)
})

test('three waiting clients take turns', async () => {
  const quota = aQuota(1)
  const order: string[] = []
  for (const client of ['a', 'a', 'a', 'b', 'b', 'c'])
    void reserved(quota, wish(client, 1))
      .take(never)
      .then(() => order.push(client))
  await vi.advanceTimersByTimeAsync(7000)
  expect(order.join('')).toBe('aabcab')
})

test('a request whose wait would be too long is refused at once, with the seconds to wait', () => {
  const quota = aQuota(5, 10_000)
  for (let i = 0; i < 101; i += 1) void reserved(quota, wish('a', 1)).take(never)
  expect(quota.reserve(wish('a', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 21 })
  expect(quota.reserve(wish('b', 1))).toMatchObject({ ok: true })
})

test('all parts of a request are reserved before the first is called', async () => {
  const quota = aQuota(1000, 10)
  const first = reserved(quota, wish('a', 8))
  expect(quota.reserve(wish('b', 3))).toMatchObject({ ok: false, whose: 'holder' })
  expect(quota.reserve(wish('b', 2))).toMatchObject({ ok: true })
  await first.take(never)
  first.release()
  expect(quota.left()).toStrictEqual([{ account: 'main', api: API, calls: 7 }])
})

test('the hour is told to the second, and is free again when its calls are an hour old', async () => {
  const quota = aQuota(1000, 2)
  const two = reserved(quota, wish('a', 2))
  await two.take(never)
  await vi.advanceTimersByTimeAsync(600_000)
  await two.take(never)
  expect(quota.reserve(wish('a', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 3000 })
  expect(quota.reserve(wish('a', 2))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 3600 })
  await vi.advanceTimersByTimeAsync(3_000_000)
  expect(quota.reserve(wish('a', 1))).toMatchObject({ ok: true })
})

test('each account and API has a budget of its own', () => {
  const quota = aQuota(5, 1)
  reserved(quota, wish('a', 1))
  expect(quota.reserve(wish('a', 1))).toMatchObject({ ok: false })
  expect(quota.reserve(wish('a', 1, { api: 'situation_contrat_auto' }))).toMatchObject({ ok: true })
  expect(quota.reserve(wish('a', 1, { account: 'second' as AccountId }))).toMatchObject({ ok: true })
})

test('calls of the last hour are known again after a start, for the holder and for the rule', () => {
  const quota = aQuota(5, 3)
  const at = Date.now() - 600_000
  quota.recall([
    { id: 'one', client: 'a', account: 'main', api: API, rule: 'r1', at },
    { id: 'two', client: 'a', account: 'main', api: API, rule: 'r1', at: at + 1 },
  ])
  expect(quota.left()).toStrictEqual([{ account: 'main', api: API, calls: 1 }])
  const rule = { id: 'r1', callsPerHour: 2 }
  expect(quota.reserve(wish('a', 1, { rule }))).toStrictEqual({ ok: false, whose: 'rule', retryAfterSeconds: 3000 })
  expect(quota.reserve(wish('b', 1, { rule }))).toMatchObject({ ok: true })
})

test('a rule’s calls an hour are counted for each client', async () => {
  const quota = aQuota(1000)
  const rule = { id: 'r1', callsPerHour: 2 }
  const a = reserved(quota, wish('a', 2, { rule }))
  await a.take(never)
  expect(quota.reserve(wish('a', 1, { rule }))).toMatchObject({ ok: false, whose: 'rule' })
  a.release()
  expect(quota.reserve(wish('a', 1, { rule }))).toMatchObject({ ok: true })
  expect(quota.reserve(wish('a', 1, { rule: { id: 'r2', callsPerHour: 1 } }))).toMatchObject({ ok: true })
})

test('what the holder says holds: no call before its time, for that API only', async () => {
  const quota = aQuota()
  quota.hold(MAIN, API, 30)
  expect(quota.reserve(wish('a', 1))).toStrictEqual({ ok: false, whose: 'holder', retryAfterSeconds: 30 })
  expect(quota.reserve(wish('a', 1, { api: 'other' }))).toMatchObject({ ok: true })
  await vi.advanceTimersByTimeAsync(30_000)
  expect(quota.reserve(wish('a', 1))).toMatchObject({ ok: true })
})

test('who leaves while waiting takes no slot and no call of the hour', async () => {
  const quota = aQuota(1, 10)
  await reserved(quota, wish('a', 1)).take(never)
  const leaving = new AbortController()
  const left = reserved(quota, wish('a', 1))
  const gone = left.take(leaving.signal)
  let next: boolean | undefined
  void reserved(quota, wish('a', 1))
    .take(never)
    .then((granted) => (next = granted))
  leaving.abort()
  expect(await gone).toBe(false)
  left.release()
  await vi.advanceTimersByTimeAsync(1100)
  expect(next).toBe(true)
  expect(quota.left()[0]?.calls).toBe(8)
})

test('who has left already is not waited for, and takes nothing', async () => {
  const quota = aQuota(1, 10)
  const free = reserved(quota, wish('a', 1))
  expect(await free.take(AbortSignal.abort())).toBe(false)
  free.release()
  expect(quota.left()[0]?.calls).toBe(10)
  expect(await reserved(quota, wish('a', 1)).take(never)).toBe(true)
  const queued = reserved(quota, wish('a', 1))
  expect(await queued.take(AbortSignal.abort())).toBe(false)
})

test('a retry beyond what was reserved needs a call that is free', async () => {
  const quota = aQuota(1000, 1)
  const one = reserved(quota, wish('a', 1))
  expect(await one.take(never)).toBe(true)
  expect(await one.take(never)).toBe(false)
})

test('where a second is longer than one, so is the wait', async () => {
  const quota = quotaOf(
    () => ({ perSecond: 1, secondMs: 2100, most: 10, windowMs: 3_600_000 }),
    () => Date.now(),
    20_000,
  )
  await reserved(quota, wish('a', 1)).take(never)
  let second: boolean | undefined
  void reserved(quota, wish('a', 1))
    .take(never)
    .then((granted) => (second = granted))
  await vi.advanceTimersByTimeAsync(2000)
  expect(second).toBeUndefined()
  await vi.advanceTimersByTimeAsync(200)
  expect(second).toBe(true)
})

test('a call that was reserved elsewhere needs a turn and counts; one that had its turn elsewhere counts alone', async () => {
  const made: string[] = []
  const quota = quotaOf(
    () => ({ perSecond: 1, most: 10, windowMs: 3_600_000 }),
    () => Date.now(),
    20_000,
    ({ client }) => void made.push(client),
  )
  const rule = { id: 'r1', callsPerHour: 2 }
  expect(await quota.turn(wish('a', 1, { rule }), never)).toBe(true)
  quota.note(wish('b', 1), Date.now())
  let third: boolean | undefined
  void quota.turn(wish('a', 1, { rule }), never).then((granted) => (third = granted))
  await vi.advanceTimersByTimeAsync(1000)
  expect(third).toBeUndefined()
  await vi.advanceTimersByTimeAsync(100)
  expect([third, quota.left()[0]?.calls, made]).toStrictEqual([true, 7, ['a', 'a']])
  expect(quota.reserve(wish('a', 1, { rule }))).toMatchObject({ ok: false, whose: 'rule' })
  expect(await quota.turn(wish('a', 1), AbortSignal.abort())).toBe(false)
  quota.replace(MAIN, API, [Date.now() - 3_599_000, Date.now()])
  expect(quota.left()[0]?.calls).toBe(8)
  await vi.advanceTimersByTimeAsync(1000)
  expect(quota.left()[0]?.calls).toBe(9)
})
