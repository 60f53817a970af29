/**
 * The same clients where the operator's own application is still on Enedis's consent page v1: whichever page a client
 * knows, it is told in the words of that one, and what is verified is the share, never the number in the address.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { replayState } from '../../src/audit.ts'
import type { V1Client } from '../clients/data-connect-proxy.ts'
import { authorizeAt as v1AuthorizeAt, v1Tokens } from '../clients/data-connect-proxy.ts'
import { deviceFlow } from '../clients/device-flow.ts'
import { PLUGIN_HEADERS } from '../clients/domoticz-linky.ts'
import { authorizeAt, calledBack, eddie, tokenProvider } from '../clients/eddie.ts'
import { metersOfToken } from '../clients/linky.ts'
import { askMcp } from '../clients/mcp-server.ts'
import { client2026 } from '../clients/measures-2026.ts'
import { today } from '../harness/settings.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, HOUSE, THREE, ticked } from './journey-given.ts'
import type { People } from './nothing-to-data-given.ts'
import {
  CONSO,
  EDDIE,
  HOMEY,
  meanwhile,
  MODERN,
  peopleOf,
  readHomey,
  readV1,
  realClients,
  V1,
  V1_CALLBACK,
} from './nothing-to-data-given.ts'

const OTHERS = { v1: '22315546958763', conso: '63695879465986' } as const
const noWait = (): Promise<void> => Promise.resolve()

let house: House
let people: People
beforeAll(async () => {
  house = await aHouse('v1', { change: realClients })
  people = peopleOf(() => house.gate, house.sandbox)
})
afterAll(() => house.stop())

async function credentials(clientId: string) {
  const { secret } = await house.gate.command<{ secret: string }>('client add', { client: clientId })
  return { base: house.gate.url, clientId, secret }
}

test('EDDIE is given two meters of one person in its one callback, and reads both', async () => {
  const browser = people.browser()
  const own = await credentials(EDDIE)
  const tokens = tokenProvider(own)
  const asked = await browser.get(authorizeAt(own.base, EDDIE, 'two'))
  const callback = await house.accepted(browser, await browser.submit(asked, ticked(['l1'])), THREE[0], THREE[1])
  const chosen = await browser.submit(await browser.get(callback.href), [
    ['meter', `prm:${THREE[0]}`],
    ['meter', `prm:${THREE[1]}`],
  ])
  const meters = calledBack(chosen.left ?? '', 'two')
  expect(meters).toStrictEqual([THREE[0], THREE[1]])
  for (const usagePoint of meters ?? []) {
    const it = eddie({ base: own.base, token: tokens.token, usagePoint, start: today(-7), today: () => today(0), wait: noWait })
    await it.poll()
    expect([it.status, it.points.length]).toStrictEqual(['ACCEPTED', 7 * 48])
  }
  // A number that a browser puts in place of one's own is nobody's word: the third meter was never given.
  const foreign = eddie({
    base: own.base,
    token: tokens.token,
    usagePoint: THREE[2],
    start: today(-7),
    today: () => today(0),
    wait: noWait,
  })
  await foreign.poll()
  expect([foreign.status, foreign.points]).toStrictEqual(['REVOKED', []])
})

test('a client of 2026 is given the number of the authorisation, which v1 did not tell', async () => {
  const client = client2026({ ...(await credentials(MODERN)), wait: noWait })
  const person = people.browser()
  const back = new URL(await people.authorizes(person, client.authorizeAt('m'), BIG_ID)).searchParams
  expect([back.get('autorisation_id'), back.has('usage_point_id')]).toStrictEqual(['9007199254740993', false])
  expect(await client.metersOf('9007199254740993')).toStrictEqual([BIG_ID])
  expect((await client.read('daily', BIG_ID, today(-5), today(0))).is).toBe('points')
  await people.withdraws(person, MODERN, BIG_ID)
  expect((await client.read('daily', BIG_ID, today(-5), today(0))).is).toBe('denied')
})

test('Homey, Consometers’ proxy and the MCP server come by their tokens, and lose them', async () => {
  const persons = { homey: people.browser(), v1: people.browser(), conso: people.browser() }
  const { url } = house.gate
  const { show, wait } = meanwhile((page) => people.givesTo(persons.homey, page, HOUSE))
  const flow = deviceFlow({ base: url, clientId: HOMEY, headers: PLUGIN_HEADERS, holdsConnection: false, show, wait })
  const linked = await flow.link()
  expect(linked).toMatchObject({ is: 'linked', tokens: { meters: HOUSE } })
  const homey = linked.is === 'linked' ? linked.tokens.access : ''
  const client: V1Client = { ...(await credentials(V1)), redirectUri: V1_CALLBACK }
  const back = await people.authorizes(persons.v1, v1AuthorizeAt(client, 's'), OTHERS.v1)
  const v1 = await v1Tokens(client, { grant_type: 'authorization_code', code: new URL(back).searchParams.get('code') ?? '' })
  const pasted = await people.copiesToken(persons.conso, CONSO, OTHERS.conso)
  expect(metersOfToken(pasted)).toStrictEqual([OTHERS.conso])
  const mcp = (): ReturnType<typeof askMcp> =>
    askMcp({ base: `${url}/api`, token: pasted, prm: OTHERS.conso, wait: noWait }, 'daily_consumption', today(-5), today(0))

  expect((await readHomey(url, homey, HOUSE)).status).toBe(200)
  expect((await readV1(url, v1.access, OTHERS.v1)).usage_point_id).toBe(OTHERS.v1)
  expect(await mcp()).toMatchObject({ ok: true })
  await people.withdraws(persons.homey, HOMEY, HOUSE)
  await people.withdraws(persons.v1, V1, OTHERS.v1)
  await people.withdraws(persons.conso, CONSO, OTHERS.conso)
  expect((await readHomey(url, homey, HOUSE)).status).toBe(403)
  await expect(readV1(url, v1.access, OTHERS.v1)).rejects.toMatchObject({ code: 'ADAM-DC-0008' })
  expect(await mcp()).toStrictEqual({ ok: false, status: 403, tries: 1 })
})

test('each call to Enedis is on record, and each decision can be made again from its entry', async () => {
  const entries = await house.gate.entries()
  const measured = house.sandbox.calls().filter(({ method }) => method === 'GET')
  expect(entries.filter(({ t }) => t === 'access.intent')).toHaveLength(measured.length)
  expect(entries.filter(({ t }) => t === 'access.outcome')).toHaveLength(measured.length)
  const { different, ok, same } = await replayState(house.gate.command, { all: true }, 'the test reads it')
  expect({ different, ok }).toStrictEqual({ different: [], ok: true })
  expect(same).toBeGreaterThan(5)
})
