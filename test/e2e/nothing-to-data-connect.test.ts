/**
 * Clients of Enedis itself whose base URL was changed, unmodified, from nothing to data and back: EDDIE by the consent page
 * v1 and its own credentials, a client of 2026 by the page v2 and the subscribed services, Consometers' proxy by the
 * code and the refresh token of Data Connect v1.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { V1Client } from '../clients/data-connect-proxy.ts'
import { authorizeAt as v1AuthorizeAt, meteringData, v1Tokens } from '../clients/data-connect-proxy.ts'
import type { Eddie } from '../clients/eddie.ts'
import { authorizeAt, calledBack, eddie, tokenProvider } from '../clients/eddie.ts'
import type { Reading } from '../clients/http.ts'
import type { Client2026, Question } from '../clients/measures-2026.ts'
import { client2026, QUESTIONS } from '../clients/measures-2026.ts'
import { today } from '../harness/settings.ts'
import type { Walker } from '../harness/walker.ts'
import { mainOf } from '../harness/walker.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, BOTH_WAYS, DAYS_ONLY, HOUSE, THREE } from './journey-given.ts'
import type { People } from './nothing-to-data-given.ts'
import { days, EDDIE, EDDIE_MILD, HISTORY, MODERN, peopleOf, realClients, V1, V1_CALLBACK } from './nothing-to-data-given.ts'

/** Shared with every application from the start, until its holder gives it here. */
const OTHER = '63695879465986'
/** The quota of the simulated Enedis is free again in a second or two. */
const QUOTA_MS = 2100

let house: House
let people: People
let secrets: Readonly<Record<string, string>>
beforeAll(async () => {
  house = await aHouse('v2', { change: realClients })
  people = peopleOf(() => house.gate, house.sandbox)
  const made = [EDDIE, EDDIE_MILD, MODERN, V1].map(async (client) => {
    const { secret } = await house.gate.command<{ secret: string }>('client add', { client })
    return [client, secret] as const
  })
  secrets = Object.fromEntries(await Promise.all(made))
})
afterAll(() => house.stop())

const restrict = (meter: string, lift: boolean): Promise<unknown> => house.gate.command('subject restrict', { meter, lift })
const throttle = (meter: string): void => house.sandbox.misbehave({ meter, kind: 'error', error: 'throttled' })
const credentials = (clientId: string) => ({ base: house.gate.url, clientId, secret: secrets[clientId] ?? '' })
/** As an operator takes one token back that leaked. */
const revoke = (token: string): Promise<unknown> => house.gate.command('token revoke', { token })

describe('EDDIE', () => {
  interface Connected {
    readonly connector: (start: string) => Eddie
    readonly tokens: ReturnType<typeof tokenProvider>
    readonly person: Walker
    readonly waited: number[]
  }
  let states = 0
  async function connected(meter: string, lines?: readonly string[], client = EDDIE): Promise<Connected> {
    const person = people.browser()
    const state = `eddie-state-${(states += 1)}`
    const back = await people.authorizes(person, authorizeAt(house.gate.url, client, state), meter, lines)
    expect(calledBack(back, 'another state')).toBeUndefined()
    const [usagePoint = ''] = calledBack(back, state) ?? []
    const tokens = tokenProvider(credentials(client))
    const waited: number[] = []
    const connector = (start: string): Eddie =>
      eddie({
        base: house.gate.url,
        token: tokens.token,
        refused: tokens.drop,
        usagePoint,
        start,
        today: () => today(0),
        wait(ms) {
          waited.push(ms)
          return sleep(QUOTA_MS)
        },
      })
    return { connector, tokens, person, waited }
  }

  describe('on the meter of one person', () => {
    let it: Connected
    beforeAll(async () => {
      it = await connected(HOUSE)
    })

    test('reads week by week with its own token', async () => {
      const reader = it.connector(today(-20))
      await reader.poll()
      expect([reader.status, reader.granularity, reader.next, reader.requests]).toStrictEqual(['ACCEPTED', 'PT30M', today(0), 3])
      expect([reader.points.length, it.tokens.asked()]).toStrictEqual([20 * 48, 1])
    })

    test('of a longer time than was given ends nothing that it can read, and is told what lies before it', async () => {
      const reader = it.connector(today(-HISTORY - 3))
      await reader.poll()
      expect([reader.status, reader.next, reader.points.length]).toStrictEqual(['ACCEPTED', today(0), HISTORY * 48])
    })

    test('waits through a refusal that passes, and keeps its permission', async () => {
      const reader = it.connector(today(-10))
      await restrict(HOUSE, false)
      await reader.poll()
      expect([reader.status, reader.next, it.waited]).toStrictEqual(['ACCEPTED', today(-10), []])
      await restrict(HOUSE, true)
      await reader.poll()
      expect([reader.status, reader.next]).toStrictEqual(['ACCEPTED', today(0)])
    })

    test('waits for a quota of Enedis’s', async () => {
      const reader = it.connector(today(-10))
      throttle(HOUSE)
      await reader.poll()
      expect([reader.status, reader.next, it.waited]).toStrictEqual(['ACCEPTED', today(0), [60_000]])
    })

    test('has its token replaced where it is none any more', async () => {
      const reader = it.connector(today(-10))
      await revoke(await it.tokens.token())
      const before = it.tokens.asked()
      await reader.poll()
      expect([reader.status, reader.next, it.tokens.asked() - before]).toStrictEqual(['ACCEPTED', today(0), 1])
    })

    test('ends its permission when the person withdraws, and no other', async () => {
      const other = await connected(OTHER)
      const [reader, others] = [it.connector(today(-10)), other.connector(today(-10))]
      await people.withdraws(it.person, EDDIE, HOUSE)
      const calls = house.sandbox.calls().length
      await reader.poll()
      expect([reader.status, reader.points, house.sandbox.calls().length - calls]).toStrictEqual(['REVOKED', [], 0])
      await others.poll()
      expect([others.status, others.next]).toStrictEqual(['ACCEPTED', today(0)])
    })
  })

  test('of a curve that nobody gave hears as from Enedis that there is no consent, and ends its permission', async () => {
    const reader = (await connected(THREE[0], ['l2'])).connector(today(-10))
    await reader.poll()
    expect([reader.status, reader.points]).toStrictEqual(['REVOKED', []])
  })

  test.each([
    ['was not ticked', THREE[1], ['l2']],
    ['the meter does not have', DAYS_ONLY, undefined],
  ])('of a curve that %s falls back to days, where its operator chose the milder style', async (_what, meter, lines) => {
    const { connector, person } = await connected(meter, lines, EDDIE_MILD)
    const reader = connector(today(-10))
    await reader.poll()
    expect([reader.status, reader.granularity, reader.points.length]).toStrictEqual(['ACCEPTED', 'P1D', 10])
    await people.withdraws(person, EDDIE_MILD, meter)
    const later = connector(today(-10))
    await later.poll()
    expect(later.status).toBe('REVOKED')
  })
})

describe('a client of 2026', () => {
  let states = 0
  async function given(client: Client2026, meter: string, lines?: readonly string[]) {
    const person = people.browser()
    const state = `modern-${(states += 1)}`
    const back = new URL(await people.authorizes(person, client.authorizeAt(state), meter, lines)).searchParams
    expect([back.get('state'), back.has('code'), back.has('usage_point_id')]).toStrictEqual([state, false, false])
    return { person, authorisation: back.get('autorisation_id') ?? '' }
  }
  const modern = (wait: (ms: number) => Promise<unknown> = () => Promise.resolve()): Client2026 =>
    client2026({ ...credentials(MODERN), wait })
  const read = (client: Client2026, meter: string, from = -10): ReturnType<Client2026['read']> =>
    client.read('curve', meter, today(from), today(0))

  test('learns its meter by the number that came back, whatever its words, and reads until the person withdraws', async () => {
    const client = modern()
    const { person, authorisation } = await given(client, BOTH_WAYS)
    for (const question of Object.keys(QUESTIONS) as Question[])
      expect([question, await client.metersOf(authorisation, question)]).toStrictEqual([question, [BOTH_WAYS]])
    const told = await read(client, BOTH_WAYS)
    expect(told.is === 'points' && told.points).toHaveLength(480)

    await restrict(BOTH_WAYS, false)
    expect(await read(client, BOTH_WAYS)).toStrictEqual({ is: 'later', why: '503' })
    await restrict(BOTH_WAYS, true)
    throttle(BOTH_WAYS)
    expect(await read(client, BOTH_WAYS)).toStrictEqual({ is: 'later', why: '429' })
    await sleep(QUOTA_MS)
    await revoke(client.held ?? '')
    expect(await read(client, BOTH_WAYS)).toMatchObject({ is: 'points' })
    expect(client.tokens).toBe(2)

    await people.withdraws(person, MODERN, BOTH_WAYS)
    const calls = house.sandbox.calls().length
    expect((await read(client, BOTH_WAYS)).is).toBe('denied')
    expect(await client.metersOf(authorisation)).toStrictEqual([])
    expect(house.sandbox.calls()).toHaveLength(calls)
  })

  test('of 64 bits: a number that a double does not hold comes back digit by digit', async () => {
    const client = modern()
    const { authorisation } = await given(client, BIG_ID)
    expect(authorisation).toBe('9007199254740993')
    expect(await client.metersOf(authorisation, 'gladys')).toStrictEqual([BIG_ID])
  })

  test('is told the days that it has, and that a series was not given', async () => {
    const client = modern()
    const { authorisation } = await given(client, THREE[2], ['l2'])
    expect(await client.metersOf(authorisation)).toStrictEqual([THREE[2]])
    expect((await read(client, THREE[2])).is).toBe('denied')
    const daily = await client.read('daily', THREE[2], today(-60), today(0))
    expect(daily.is === 'points' && daily.points.map(({ d }) => d.slice(0, 10))).toStrictEqual(days(-HISTORY, 0))
  })

  test('is called back only when Enedis’s own list has the share: its own first question has an answer', async () => {
    const [client, person] = [modern(), people.browser()]
    house.sandbox.delayServices(2)
    const callback = await people.accepts(person, await person.get(client.authorizeAt('late')), '12345678901234')
    let page = await person.get(callback)
    for (let tries = 0; tries < 2; tries += 1) {
      expect([page.left, mainOf(page).includes('Vérification auprès d’Enedis')]).toStrictEqual([undefined, true])
      page = await person.get(page.url)
    }
    const authorisation = new URL(page.left ?? '').searchParams.get('autorisation_id') ?? ''
    expect(await client.metersOf(authorisation)).toStrictEqual(['12345678901234'])
  })

  test('asks again while the list is empty, and is told nothing of an authorisation that is another client’s', async () => {
    const waited: unknown[] = []
    const client = modern((ms) => Promise.resolve(waited.push(ms)))
    expect(await client.metersOf('9007199254740992')).toStrictEqual([])
    const back = await people.authorizes(people.browser(), authorizeAt(house.gate.url, EDDIE, 's'), '12655648759651')
    expect(calledBack(back, 's')).toStrictEqual(['12655648759651'])
    const [share] = house.sandbox.shares('application').filter((s) => s.prm === '12655648759651' && s.state === 'active')
    expect(await client.metersOf(share?.authorisation ?? '')).toStrictEqual([])
    expect(waited).toHaveLength(8)
  })
})

describe('Consometers’ proxy', () => {
  const METER = '22516914714270'
  const client = (): V1Client => ({ ...credentials(V1), redirectUri: V1_CALLBACK })
  async function given(meter: string, lines?: readonly string[]) {
    const person = people.browser()
    const back = new URL(await people.authorizes(person, v1AuthorizeAt(client(), 'state-7'), meter, lines)).searchParams
    expect([back.get('state'), back.get('usage_point_id')]).toStrictEqual(['state-7', meter])
    const code = back.get('code') ?? ''
    return { person, code, tokens: await v1Tokens(client(), { grant_type: 'authorization_code', code }) }
  }
  const read = (access: string, meter: string, from = -5, series = 'consumption_load_curve' as const): Promise<Reading> =>
    meteringData({ base: house.gate.url, token: () => Promise.resolve(access) }, series, meter, today(from), today(0))

  test('redeems its code once, reads, and renews its tokens until the person withdraws', async () => {
    const { person, code, tokens } = await given(METER)
    expect(tokens.usagePoints).toStrictEqual([METER])
    expect((await read(tokens.access, METER)).interval_reading).toHaveLength(5 * 48)

    await restrict(METER, false)
    await expect(read(tokens.access, METER)).rejects.toMatchObject({ code: 'technical_error' })
    const [, fresh] = [
      await restrict(METER, true),
      await v1Tokens(client(), { grant_type: 'refresh_token', refresh_token: tokens.refresh }),
    ]
    throttle(METER)
    await expect(read(fresh.access, METER)).rejects.toMatchObject({ code: '429' })
    await sleep(QUOTA_MS)
    expect((await read(fresh.access, METER)).usage_point_id).toBe(METER)

    await revoke(fresh.access)
    await expect(read(fresh.access, METER)).rejects.toMatchObject({ code: 'invalid_token' })
    const renewed = await v1Tokens(client(), { grant_type: 'refresh_token', refresh_token: fresh.refresh })
    expect(renewed.usagePoints).toStrictEqual([METER])
    expect((await read(renewed.access, METER)).usage_point_id).toBe(METER)

    await people.withdraws(person, V1, METER)
    const calls = house.sandbox.calls().length
    await expect(read(renewed.access, METER)).rejects.toMatchObject({ code: 'ADAM-DC-0008' })
    await expect(v1Tokens(client(), { grant_type: 'refresh_token', refresh_token: renewed.refresh })).rejects.toMatchObject({
      code: 'invalid_grant',
    })
    await expect(v1Tokens(client(), { grant_type: 'authorization_code', code })).rejects.toMatchObject({ code: 'invalid_grant' })
    expect(house.sandbox.calls()).toHaveLength(calls)
  })

  test('is told the days that it has, and which series nobody gave', async () => {
    const { tokens } = await given('11453290002823', ['l1'])
    expect(await read(tokens.access, '11453290002823', -HISTORY - 20)).toMatchObject({ start: today(-HISTORY), end: today(0) })
    const peak = meteringData(
      { base: house.gate.url, token: () => Promise.resolve(tokens.access) },
      'daily_consumption_max_power',
      '11453290002823',
      today(-5),
      today(0),
    )
    await expect(peak).rejects.toMatchObject({ code: 'ADAM-DC-0008' })
  })
})
