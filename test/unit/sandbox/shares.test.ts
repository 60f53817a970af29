/** What is shared and no longer shared, as the subscribed services and the data paths tell it: never differently. */
import { expect, test } from 'vitest'
import { addDays, addMonths } from '../../../src/domain/time.ts'
import { METERS } from '../../../src/sandbox/meters.ts'
import type { Client, Visitor } from './given.ts'
import { APPLICATION, aClient, aVisitor, back, CURVE_2026, CURVE_V5, DAILY_V5, HOUSE, TODAY, v5, y2026 } from './given.ts'

const SELF = '30000000000008'
const PRODUCTION_CURVE = '/metering_data_plc/v5/production_load_curve'
const CONTRACT = '/customers_upc/v5/usage_points/contracts'
const yesterday = addDays(TODAY, -1)

const asked = (path: string, prm: string): string => v5(path, undefined, undefined, prm)
async function codes({ get }: Client, ...targets: readonly string[]): Promise<unknown[]> {
  const said: unknown[] = []
  for (const target of targets) {
    const { status, text } = await get(target)
    said.push(status === 200 ? 200 : (JSON.parse(text) as { error?: string; code?: string }).error)
  }
  return said
}
async function kinds({ services }: Visitor, prm: string, filter: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
  return (await services({ pointId: [prm], ...filter })).list.map((s) => `${s.mesuresTypeCode} ${s.injection ? 'in' : 'out'}`)
}

test('meters that begin with 3 are shared with nobody, all others as their row says', async () => {
  const client = await aVisitor()
  for (const { prm, standing } of METERS) {
    expect(standing === 'unshared', prm).toBe(prm.startsWith('3000'))
    const seen = await kinds(client, prm, { etatCode: ['ACTIF', 'DEMANDE', 'TERMINE', 'SUPPRIME'] })
    expect(seen.length > 0, prm).toBe(standing !== 'unshared')
  }
  expect(await codes(client, asked(CURVE_V5, SELF), asked(DAILY_V5, SELF), asked(CONTRACT, SELF))).toStrictEqual([
    'ADAM-DC-0008',
    'ADAM-DC-0008',
    'ADAM-DC-0008',
  ])
  expect(JSON.parse((await client.get(y2026(CURVE_2026, undefined, undefined, SELF))).text)).toMatchObject({ code: 'ADAM-DC-0008' })
})

test('a share of all: both directions, all kinds', async () => {
  const client = await aVisitor()
  const share = client.sandbox.share({ prm: SELF, clientId: APPLICATION })
  expect(await kinds(client, SELF)).toStrictEqual(['CDC out', 'ENERGIE out', 'IDX out', 'PMAX out', 'CDC in', 'ENERGIE in', 'IDX in'])
  expect(await codes(client, asked(CURVE_V5, SELF), asked(PRODUCTION_CURVE, SELF), asked(CONTRACT, SELF))).toStrictEqual([200, 200, 200])
  expect((await client.services({ autorisationId: Number(share.authorisation) })).list).toHaveLength(7)
})

test('narrower than asked: one kind, one direction, fewer days', async () => {
  const client = await aVisitor()
  client.sandbox.share({ prm: SELF, clientId: APPLICATION, kinds: ['ENERGIE'], ways: ['consumed'], from: back(10), until: TODAY })
  const { list } = await client.services({ pointId: [SELF] })
  expect(list.map((s) => [s.mesuresTypeCode, s.injection, s.dateDebut, s.dateFin])).toStrictEqual([['ENERGIE', false, back(10), TODAY]])
  expect(
    await codes(
      client,
      v5(DAILY_V5, back(10), TODAY, SELF),
      v5(DAILY_V5, back(11), TODAY, SELF),
      asked(CURVE_V5, SELF),
      v5('/metering_data_dp/v5/daily_production', back(2), TODAY, SELF),
    ),
  ).toStrictEqual([200, 'ADAM-DC-0009', 'ADAM-DC-0008', 'ADAM-DC-0008'])
})

test('what the meter lacks is told as before, however little is shared', async () => {
  const client = await aVisitor()
  client.sandbox.share({ prm: '30000000000003', clientId: APPLICATION, kinds: ['IDX'] })
  const noCurve = await client.get(asked(CURVE_V5, '30000000000003'))
  expect(noCurve.status).toBe(404)
  expect(await codes(client, asked(PRODUCTION_CURVE, '30000000000003'))).toStrictEqual(['ADAM-ERR0069'])
})

test('revoked: SUPPRIME for who asks for it, and the data paths refuse; so for meters shared from the start', async () => {
  const client = await aVisitor()
  client.sandbox.share({ prm: SELF, clientId: APPLICATION, from: back(30) })
  for (const prm of [SELF, HOUSE]) {
    expect(client.sandbox.revoke(prm)).toBe(true)
    expect(client.sandbox.revoke(prm)).toBe(false)
    expect(await kinds(client, prm)).toStrictEqual([])
    const { list } = await client.services({ pointId: [prm], etatCode: ['SUPPRIME'], mesureTypeCode: ['CDC'], soutirage: true })
    expect(list.map((s) => s.dateFin)).toStrictEqual([yesterday])
    expect(await codes(client, asked(CURVE_V5, prm), asked(CONTRACT, prm))).toStrictEqual(['ADAM-DC-0008', 'ADAM-DC-0008'])
  }
})

test('expired, by being told and by itself: TERMINE', async () => {
  const midnight = Date.UTC(2026, 10, 25, 23) // In Paris, of the 26th.
  let now = midnight - 1
  const client = await aVisitor({ now: () => now })
  client.sandbox.share({ prm: SELF, clientId: APPLICATION, until: TODAY })
  expect(client.sandbox.expire(HOUSE)).toBe(true)
  expect(await kinds(client, HOUSE, { etatCode: ['TERMINE'] })).toHaveLength(4)
  expect(await codes(client, asked(CURVE_V5, HOUSE), asked(CURVE_V5, SELF))).toStrictEqual(['ADAM-DC-0008', 200])
  now = midnight
  expect(await codes(client, asked(CURVE_V5, SELF))).toStrictEqual(['ADAM-DC-0008'])
  expect(await kinds(client, SELF, { etatCode: ['TERMINE'] })).toHaveLength(7)
})

test('one kind stopped: that one is TERMINE, the others go on', async () => {
  const client = await aVisitor()
  client.sandbox.share({ prm: SELF, clientId: APPLICATION })
  expect(client.sandbox.stop(SELF, 'CDC')).toBe(true)
  expect(await kinds(client, SELF)).toStrictEqual(['ENERGIE out', 'IDX out', 'PMAX out', 'ENERGIE in', 'IDX in'])
  expect(await kinds(client, SELF, { etatCode: ['TERMINE'] })).toStrictEqual(['CDC out', 'CDC in'])
  expect(await codes(client, asked(CURVE_V5, SELF), asked(PRODUCTION_CURVE, SELF), asked(DAILY_V5, SELF))).toStrictEqual([
    'ADAM-DC-0008',
    'ADAM-DC-0008',
    200,
  ])
})

test('another holder: ADAM-DC-0007, no trace in the services, and the next share is of another authorisation', async () => {
  const client = await aVisitor()
  const before = client.sandbox.share({ prm: SELF, clientId: APPLICATION })
  expect(client.sandbox.changeHolder(SELF)).toBe(true)
  expect(await codes(client, asked(CURVE_V5, SELF))).toStrictEqual(['ADAM-DC-0007'])
  expect(await kinds(client, SELF, { etatCode: ['ACTIF', 'DEMANDE', 'TERMINE', 'SUPPRIME'] })).toStrictEqual([])
  const after = client.sandbox.share({ prm: SELF, clientId: APPLICATION })
  expect(after.authorisation).not.toBe(before.authorisation)
  expect(await codes(client, asked(CURVE_V5, SELF))).toStrictEqual([200])
})

test('the list is empty as often as told, then right; the services misbehave by a name of their own', async () => {
  const client = await aVisitor()
  client.sandbox.delayServices(2)
  const counts: number[] = []
  for (let i = 0; i < 3; i += 1) counts.push((await client.services({ pointId: [HOUSE] })).list.length)
  expect(counts).toStrictEqual([0, 0, 4])
  client.sandbox.misbehave({ meter: 'services', kind: 'status', status: 503 })
  expect(await codes(client, asked(CURVE_V5, HOUSE))).toStrictEqual([200])
  const answer = await fetch(`${client.sandbox.url}/subscribed_services/v1`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${client.token}` },
  })
  expect(answer.status).toBe(503)
})

test('what one application was given is no other one’s', async () => {
  const two = [
    { clientId: APPLICATION, secret: 'demo-application-secret', redirectUri: 'http://127.0.0.1:9/' },
    { clientId: 'second', secret: 's' },
  ]
  const client = await aVisitor({ credentials: two })
  const other = client.sandbox.share({ prm: SELF, clientId: 'second' })
  expect(await codes(client, asked(CURVE_V5, SELF))).toStrictEqual(['ADAM-DC-0008'])
  const own = client.sandbox.share({ prm: SELF, clientId: APPLICATION })
  expect(own.authorisation).not.toBe(other.authorisation)
  expect((await client.services({ autorisationId: Number(other.authorisation) })).list).toStrictEqual([])
  client.sandbox.revoke(SELF)
  expect(client.sandbox.shares('second').at(-1)).toMatchObject({ prm: SELF, state: 'deleted' })
})

test('all of it is told over HTTP too, and nonsense is refused with its reason', async () => {
  const { sandbox, services } = await aVisitor()
  const tell = async (what: string, body: unknown): Promise<readonly [number, unknown]> => {
    const answer = await fetch(`${sandbox.url}/_sandbox/${what}`, { method: 'POST', body: JSON.stringify(body) })
    return [answer.status, await answer.json()]
  }
  const order = { prm: SELF, clientId: APPLICATION, kinds: ['CDC'], until: addMonths(TODAY, 2), authorisation: '9223372036854775807' }
  expect(await tell('share', order)).toMatchObject([200, { prm: SELF, authorisation: '9223372036854775807' }])
  expect((await services('{"comptage":false,"autorisationId":9223372036854775807}')).list).toHaveLength(2)
  expect(await tell('stop', { prm: SELF, kind: 'CDC' })).toStrictEqual([200, { done: true }])
  expect(await tell('expire', { prm: SELF })).toStrictEqual([200, { done: true }])
  expect(await tell('revoke', { prm: SELF })).toStrictEqual([200, { done: false }])
  expect(await tell('change-holder', { prm: HOUSE })).toStrictEqual([200, { done: true }])
  expect(await tell('delay-services', { times: 1 })).toStrictEqual([200, { delayed: 1 }])
  expect((await services({ pointId: ['10000000000002'] })).list).toStrictEqual([])
  expect(await tell('register', { clientId: APPLICATION, redirectUri: 'http://127.0.0.1:1/x' })).toStrictEqual([200, { registered: true }])
  expect(await tell('register', { clientId: 'nobody', redirectUri: 'http://127.0.0.1:1/x' })).toStrictEqual([
    400,
    { error: 'no such application' },
  ])
  expect((await tell('register', { clientId: APPLICATION, redirectUri: 'javascript:alert(1)' }))[0]).toBe(400)
  expect((await tell('share', { ...order, clientId: 'nobody' }))[0]).toBe(400)
  expect((await tell('share', { ...order, prm: '99999999999999' }))[0]).toBe(400)
  expect((await tell('share', { ...order, until: '2026-02-30' }))[0]).toBe(400)
  expect((await tell('nothing', {}))[0]).toBe(404)
})

test('shares are of one started sandbox, and a reset leaves them', async () => {
  const first = await aVisitor()
  first.sandbox.share({ prm: SELF, clientId: APPLICATION })
  first.sandbox.reset()
  expect(await kinds(first, SELF)).toHaveLength(7)
  const second = await aClient()
  expect((await second.get(asked(CURVE_V5, SELF))).status).toBe(403)
})
