/**
 * The clients of Conso API, unmodified, from nothing to data and back: linky, ha-linky and the MCP server, with a token
 * that a person copies from the page of its consent. They decode it, and ask for no meter that it does not name; they
 * never erase it. It cannot be renewed: a person gives anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstImport } from '../clients/ha-linky.ts'
import { linkySession, metersOfToken } from '../clients/linky.ts'
import type { McpAnswer } from '../clients/mcp-server.ts'
import { askMcp } from '../clients/mcp-server.ts'
import { today } from '../harness/settings.ts'
import type { Walker } from '../harness/walker.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, BOTH_WAYS, HOUSE, PRODUCER, THREE } from './journey-given.ts'
import type { People } from './nothing-to-data-given.ts'
import { CONSO, CONSO_SHORT, days, HISTORY, peopleOf, realClients } from './nothing-to-data-given.ts'

/** The quota of the simulated Enedis is free again in a second or two. */
const QUOTA_MS = 2100

let house: House
let people: People
beforeAll(async () => {
  house = await aHouse('v2', { change: realClients })
  people = peopleOf(() => house.gate, house.sandbox)
})
afterAll(() => house.stop())

const haLinky = (token: string, prm: string): ReturnType<typeof firstImport> =>
  firstImport({ base: house.gate.url, token, prm, today: today(0) })
const daily = (token: string, prm: string, from = -5): Promise<unknown> =>
  linkySession({ base: house.gate.url, token, prm }).get('daily_consumption', today(from), today(0))
const mcp = (token: string, prm: string, wait = (): Promise<void> => Promise.resolve()): Promise<McpAnswer> =>
  askMcp({ base: `${house.gate.url}/api`, token, prm, wait }, 'daily_consumption', today(-5), today(0))
const daysOf = (points: readonly { readonly date: string }[]): string[] =>
  points.filter(({ date }) => date.length === 10).map(({ date }) => date)

describe('with the token of one person', () => {
  let token: string
  let person: Walker
  beforeAll(async () => {
    person = people.browser()
    token = await people.copiesToken(person, CONSO, HOUSE)
  })
  const restrict = (lift: boolean): Promise<unknown> => house.gate.command('subject restrict', { meter: HOUSE, lift })

  test('they read: a year of days, a week of the curve, and what is asked by hand', async () => {
    expect(metersOfToken(token)).toStrictEqual([HOUSE])
    const { points, ended, warnings } = await haLinky(token, HOUSE)
    expect([ended, warnings, points.filter(({ date }) => date.length > 10).length]).toStrictEqual(['windows', [], 7 * 48])
    expect(daysOf(points)).toStrictEqual(days(-365, -7))
    expect(await daily(token, HOUSE)).toMatchObject({ usage_point_id: HOUSE, start: today(-5), end: today(0) })
    expect(await mcp(token, HOUSE)).toMatchObject({ ok: true, tries: 1 })
  })

  test('of another meter they refuse before they ask; who asks all the same is told nothing', async () => {
    const calls = house.sandbox.calls().length
    expect(() => linkySession({ base: house.gate.url, token, prm: BIG_ID })).toThrow(RangeError)
    await expect(haLinky(token, BIG_ID)).rejects.toThrow(RangeError)
    // The MCP server does not look into its token.
    expect(await mcp(token, BIG_ID)).toStrictEqual({ ok: false, status: 401, tries: 1 })
    expect(house.sandbox.calls()).toHaveLength(calls)
  })

  test('a refusal that passes is a warning, and over at the next import', async () => {
    await restrict(false)
    const refused = await haLinky(token, HOUSE)
    expect(refused.warnings.map(({ code, response }) => [code, response['reason']])).toStrictEqual([
      [503, 'suspended'],
      [503, 'suspended'],
    ])
    expect(await mcp(token, HOUSE, () => restrict(true).then(() => undefined))).toMatchObject({ ok: true, tries: 2 })
    expect((await haLinky(token, HOUSE)).warnings).toStrictEqual([])
  })

  test('a quota of Enedis’s is told as one, and over in a while', async () => {
    house.sandbox.misbehave({ meter: HOUSE, kind: 'error', error: 'throttled' })
    await expect(daily(token, HOUSE)).rejects.toMatchObject({ code: 429, response: { refused_by: 'quota' } })
    expect(await mcp(token, HOUSE)).toStrictEqual({ ok: false, status: 429, tries: 1 })
    await sleep(QUOTA_MS)
    expect(await daily(token, HOUSE)).toMatchObject({ usage_point_id: HOUSE })
  })

  test('a withdrawal ends it for all of them, and asks Enedis nothing more', async () => {
    await people.withdraws(person, CONSO, HOUSE)
    const calls = house.sandbox.calls().length
    const { points, warnings } = await haLinky(token, HOUSE)
    expect([points, warnings.map(({ code, response }) => [code, response['reason']])]).toStrictEqual([
      [],
      [
        [403, 'withdrawn'],
        [403, 'withdrawn'],
      ],
    ])
    await expect(daily(token, HOUSE)).rejects.toMatchObject({ code: 403, response: { reason: 'withdrawn' } })
    expect(await mcp(token, HOUSE)).toStrictEqual({ ok: false, status: 403, tries: 1 })
    expect(house.sandbox.calls()).toHaveLength(calls)
  })
})

test('where a month was given ha-linky takes it for all the history that there is', async () => {
  const token = await people.copiesToken(people.browser(), CONSO_SHORT, BIG_ID)
  const { points, ended, warnings } = await haLinky(token, BIG_ID)
  expect([ended, warnings]).toStrictEqual(['complete', []])
  expect(daysOf(points).every((date) => date >= today(-HISTORY) && date < today(-7))).toBe(true)
  expect(daysOf(points)[0]! < today(-20)).toBe(true)
  // What was narrowed says which days it has.
  expect(await daily(token, BIG_ID, -60)).toMatchObject({ start: today(-HISTORY), end: today(0) })
})

test.each([
  ['the curve', ['l1'], THREE[0], 358, [[403, 'kind_not_covered']]],
  // A curve opens the days that it has, and no more of them.
  ['the daily series', ['l2'], THREE[1], HISTORY, []],
] as const)('where %s was not ticked ha-linky goes on with the other', async (_what, lines, meter, count, told) => {
  const token = await people.copiesToken(people.browser(), CONSO, meter, lines)
  const { points, warnings } = await haLinky(token, meter)
  expect(warnings.map(({ code, response }) => [code, response['reason']])).toStrictEqual(told)
  expect(new Set(points.map(({ date }) => date.slice(0, 10))).size).toBeGreaterThanOrEqual(count - 1)
})

test('of a meter that has nothing of what is asked for nothing is given, and no token is shown', async () => {
  await expect(people.copiesToken(people.browser(), CONSO, PRODUCER)).rejects.toThrow('no token is shown')
})

test('a token that is none any more is told as such; the person gives another one the same day, and they go on', async () => {
  const person = people.browser()
  const first = await people.copiesToken(person, CONSO, BOTH_WAYS)
  expect(await mcp(first, BOTH_WAYS)).toMatchObject({ ok: true })
  await house.gate.command('token revoke', { token: first })
  await expect(daily(first, BOTH_WAYS)).rejects.toMatchObject({ code: 401, response: { error: { error: 'invalid_token' } } })
  expect(await mcp(first, BOTH_WAYS)).toStrictEqual({ ok: false, status: 401, tries: 1 })
  const second = await people.copiesToken(person, CONSO, BOTH_WAYS)
  expect(await daily(second, BOTH_WAYS)).toMatchObject({ usage_point_id: BOTH_WAYS })
  expect(await mcp(second, BOTH_WAYS)).toMatchObject({ ok: true, tries: 1 })
  // One permission takes the other's place, and the person has that one to withdraw.
  await people.withdraws(person, CONSO, BOTH_WAYS)
  expect(await mcp(second, BOTH_WAYS)).toStrictEqual({ ok: false, status: 403, tries: 1 })
})
