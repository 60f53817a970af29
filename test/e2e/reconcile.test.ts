/**
 * The registry against what Enedis says is shared, with permissions that people gave in a browser: each way in which a
 * share can end or shrink is caught in one run, and no answer of Enedis ends nothing.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { House, Recorded } from './journey-given.ts'
import { aHouse, BIG_ID, BOTH_WAYS, DAYS_ONLY, HOUSE, recorded, THREE, tokenOn } from './journey-given.ts'

interface Run {
  readonly permissions: number
  readonly acts: readonly { readonly permission: string; readonly status: string; readonly endReason: string | null }[]
  readonly unknownRights: number
  readonly unanswered: number
  readonly badDay: boolean
}

let house: House
const tokens = new Map<string, string>()
beforeAll(async () => {
  house = await aHouse('v2')
  for (const meter of [HOUSE, DAYS_ONLY, BIG_ID, BOTH_WAYS]) await give(meter)
}, 60_000)
afterAll(() => house.stop())

async function give(meter: string, lines: readonly string[] = ['l1', 'l2']): Promise<void> {
  const page = await house.gives(house.browser(), [meter], lines)
  expect([meter, page.status]).toStrictEqual([meter, 200])
  tokens.set(meter, tokenOn(page))
}
const run = (): Promise<Run> => house.gate.command<Run>('permission reconcile', {})
async function of(meter: string): Promise<Recorded> {
  const found = (await recorded(house.gate)).findLast((p) => p.content?.meter === `prm:${meter}`)
  if (!found) throw new Error(`no permission of ${meter}`)
  return found
}
const standing = async (meter: string): Promise<readonly unknown[]> => {
  const { status, endReason } = await of(meter)
  return [status, endReason]
}
const read = async (meter: string, path: string): Promise<number> => {
  const day = (back: number): string => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10)
  const answer = await fetch(`${house.gate.url}${path}?usage_point_id=${meter}&start=${day(3)}&end=${day(0)}`, {
    headers: { Authorization: `Bearer ${tokens.get(meter)}` },
  })
  await answer.text()
  return answer.status
}
const DAILY = '/metering_data_dc/v5/daily_consumption'
const CURVE = '/metering_data_clc/v5/consumption_load_curve'

test('what is shared as it was given stays as it is, and the question is on record like every call', async () => {
  const before = await recorded(house.gate)
  expect(await run()).toMatchObject({ permissions: 4, acts: [], unanswered: 0, badDay: false })
  expect(await recorded(house.gate)).toStrictEqual(before)
  const asked = (await house.gate.entries()).filter((e) => e.t === 'admin.intent' && e['why'] === 'reconciliation')
  const answered = (await house.gate.entries()).filter((e) => e.t === 'admin.outcome' && asked.some(({ n }) => n === e['intent']))
  expect([asked.length, answered.map((e) => e['result'])]).toStrictEqual([1, ['delivered']])
})

test('no word of Enedis ends nothing: refused, slow, broken or unreadable', async () => {
  const before = await recorded(house.gate)
  for (const kind of ['reset', 'html', 'empty_object'] as const) {
    house.sandbox.misbehave({ meter: 'services', kind, times: 3 } as never)
    expect([kind, await run()]).toMatchObject([kind, { acts: [], unanswered: 4 }])
    house.sandbox.reset()
  }
  house.sandbox.misbehave({ meter: 'services', kind: 'status', status: 503, times: 3 } as never)
  expect(await run()).toMatchObject({ acts: [], unanswered: 4 })
  house.sandbox.reset()
  for (const error of ['no_resource', 'technical'] as const) {
    house.sandbox.misbehave({ meter: 'services', kind: 'error', error, times: 3 } as never)
    expect([error, await run()]).toMatchObject([error, { acts: [], unanswered: 4 }])
    house.sandbox.reset()
  }
  expect(await recorded(house.gate)).toStrictEqual(before)
})

test('revoked at Enedis: ended, and the next read is refused by the gate itself', async () => {
  expect(await read(HOUSE, DAILY)).toBe(200)
  house.sandbox.revoke(HOUSE)
  expect((await run()).acts).toHaveLength(1)
  expect(await standing(HOUSE)).toStrictEqual(['ended', 'revoked_by_dso'])
  const calls = house.sandbox.calls().length
  expect(await read(HOUSE, DAILY)).toBe(403)
  expect(house.sandbox.calls()).toHaveLength(calls)
})

test('expired at Enedis', async () => {
  house.sandbox.expire(DAYS_ONLY)
  await run()
  expect((await standing(DAYS_ONLY))[0]).toBe('ended')
  expect(['expired', 'revoked_by_dso']).toContain((await standing(DAYS_ONLY))[1])
})

test('a service stopped: the permission is narrowed to what is left, by an act, in a version of its own', async () => {
  expect([await read(BIG_ID, DAILY), await read(BIG_ID, CURVE)]).toStrictEqual([200, 200])
  house.sandbox.stop(BIG_ID, 'CDC')
  expect((await run()).acts).toMatchObject([{ status: 'active' }])
  const narrowed = await of(BIG_ID)
  expect(narrowed.acts.at(-1)).toMatchObject({ type: 'amend', details: { role: 'data_holder', reason: 'narrowed_at_holder' } })
  expect(narrowed.content.scope.lines.map(({ kind }) => kind)).toStrictEqual(['daily_energy'])
  expect([await read(BIG_ID, DAILY), await read(BIG_ID, CURVE)]).toStrictEqual([200, 403])
  expect((await run()).acts).toStrictEqual([])
})

test('the holder changed: ended for that reason, once Enedis has said so of a call or another person shares the meter', async () => {
  expect(await read(BOTH_WAYS, DAILY)).toBe(200)
  house.sandbox.changeHolder(BOTH_WAYS)
  expect(await read(BOTH_WAYS, DAILY)).toBe(503)
  await run()
  expect(await standing(BOTH_WAYS)).toStrictEqual(['ended', 'holder_changed'])
})

test('a right nobody here knows is put on record: withdrawn here and still standing at Enedis, or made elsewhere', async () => {
  const [first, second] = THREE
  const before = (await run()).unknownRights
  await give(first)
  expect((await run()).unknownRights).toBe(before)
  await house.gate.command('permission withdraw', { permission: (await of(first)).id })
  expect((await run()).unknownRights).toBe(before + 1)
  await give(second, ['l1'])
  expect((await run()).unknownRights).toBe(before + 1)
  house.sandbox.share({ prm: second, clientId: 'application', kinds: ['ENERGIE'], authorisation: '77001234' } as never)
  expect((await run()).unknownRights).toBeGreaterThan(before + 1)
  const finding = (await house.gate.entries()).findLast((e) => e.t === 'admin.finding')
  expect(finding).toMatchObject({ what: 'unknown_right', dso: 'enedis-data-connect/main' })
})

test('a quota that is used up at Enedis ends nobody either, and nothing more is asked until it may be', async () => {
  house.sandbox.misbehave({ meter: 'services', kind: 'error', error: 'throttled', times: 1 } as never)
  const first = await run()
  const asked = house.sandbox.calls().length
  const second = await run()
  expect([first, second]).toMatchObject([{ acts: [] }, { acts: [] }])
  expect(first.unanswered).toBeGreaterThan(0)
  expect(house.sandbox.calls()).toHaveLength(asked)
})
