/**
 * A consent and the clock: how long a person may take, how long Enedis is waited for; and what is left where the gate
 * closes, or an answer is lost, between two steps. The pages on the real state; only Enedis is scripted.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PermissionId } from '../../../../src/domain/permission.ts'
import type { SharedService, Shares } from '../../../../src/domain/share.ts'
import { addDays, day } from '../../../../src/domain/time.ts'
import type { PermissionRecord, PermissionSummary } from '../../../../src/permissions/record.ts'
import { beginRoutes } from '../../../../src/portal/journey/begin.ts'
import { dataConnectEnding, pageEnding } from '../../../../src/portal/journey/endings.ts'
import type { Endings } from '../../../../src/portal/journey/routes.ts'
import { journeyDesk, journeyRoutes } from '../../../../src/portal/journey/routes.ts'
import type { PortalParts } from '../../../../src/portal/ports.ts'
import { visitsOf } from '../../../../src/portal/visit.ts'
import { CallError } from '../../../../src/storage/rpc.ts'
import type { TestPortal } from '../../../harness/portal.ts'
import { aPortal } from '../../../harness/portal.ts'
import { today } from '../../../harness/settings.ts'
import type { Tree } from '../../../harness/settings.ts'
import type { Page, Walker } from '../../../harness/walker.ts'
import { mainOf, walker } from '../../../harness/walker.ts'
import { aService, METER } from './given.ts'

// Each has a state thread of its own, which takes its time to start on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const MINUTE = 60_000
const NOT_OPEN = 'Cette demande n’est pas ouverte ici'
const WAITING = 'Vérification auprès d’Enedis'
const CLOSED = 'Momentanément fermé'
const title = (page: Page): string => /<h1>([^<]*)/.exec(page.text)?.[1] ?? page.text.slice(0, 200)

let portal: TestPortal
let browser: Walker
/** What Enedis says next, and what it was asked. */
let enedis: { says: Shares; asked: number }
let ready: boolean
/** The settings in force disable the client. */
let disabled: boolean
/** Calls of the state that fail, once each, after having been done. */
let lost: string[]

beforeEach(async () => {
  enedis = { says: { is: 'shares', services: [shared()] }, asked: 0 }
  ready = true
  disabled = false
  lost = []
  portal = await aPortal({
    rooms: (parts) => [
      (app, rooms) => {
        const mine: PortalParts = {
          ...parts,
          ready: () => ready,
          clients: () => new Map([...parts.clients()].map(([id, client]) => [id, { ...client, disabled: client.disabled || disabled }])),
          shares: () => {
            enedis.asked += 1
            return Promise.resolve(enedis.says)
          },
          state: {
            ...parts.state,
            async call<T>(name: string, args: unknown): Promise<T> {
              const value = await parts.state.call<T>(name, args)
              if (lost[0] !== name) return value
              lost.shift()
              throw new CallError('full', 'the answer was lost')
            },
          },
        }
        const own = { ...rooms, parts: mine, visits: visitsOf(mine) }
        beginRoutes(app, own, journeyDesk(own))
        const page = pageEnding(mine)
        const endings: Endings = { page, data_connect: dataConnectEnding(mine, () => Promise.resolve('code')), oauth: page, device: page }
        journeyRoutes(app, own, endings)
        app.get('/me', (_request, reply) => reply.send('<h1>Mes autorisations</h1>'))
      },
    ],
    change(tree) {
      ;(tree['portal'] as Tree)['journey_minutes'] = 5
    },
  })
  browser = walker([portal.url])
})
afterEach(() => portal.close())

function shared(over: Partial<SharedService> = {}): SharedService {
  return aService({ from: day(today(0)), until: addDays(day(today(0)), 1000), ...over })
}
async function onItsWay(): Promise<{ asked: Page; state: string }> {
  const asked = await browser.get(`${portal.url}/consent/new?client=viriya`)
  const sent = await browser.post(asked, [
    ['line', 'l1'],
    ['answer', 'go'],
  ])
  return { asked, state: new URL(sent.headers.get('location') ?? '').searchParams.get('state') ?? '' }
}
const back = (state: string): Promise<Page> => browser.get(`${portal.url}/consent/callback?autorisation_id=481516234&state=${state}`)
async function onRecord(): Promise<readonly PermissionRecord[]> {
  const all = await portal.state.client.call<readonly PermissionSummary[]>('listPermissions', { limit: 100 })
  return Promise.all(all.map(({ id }) => portal.state.client.call<PermissionRecord>('showPermission', { permission: id as PermissionId })))
}
const standing = async () => (await onRecord()).map((p) => [p.status, p.suspendCause])

describe('a person who takes', () => {
  test('less than it may comes back in time', async () => {
    const { state } = await onItsWay()
    portal.ahead = 5 * MINUTE - 5000
    expect(title(await back(state))).toBe('C’est fait')
  })
  test('longer than it may comes back too late: nothing is asked, nothing is given', async () => {
    const { asked, state } = await onItsWay()
    portal.ahead = 5 * MINUTE
    const page = await back(state)
    expect([page.status, title(page)]).toStrictEqual([400, NOT_OPEN])
    expect((await browser.get(asked.url)).status).toBe(404)
    expect([enedis.asked, await onRecord()]).toStrictEqual([0, []])
  })
})

describe('Enedis', () => {
  test.each([
    ['knows of nothing', { is: 'none' }, 409, 'Enedis n’a rien enregistré'],
    ['has an empty list', { is: 'shares', services: [] }, 409, 'Enedis n’a rien enregistré'],
    ['has no word', { is: 'unknown', retryAfterSeconds: 30 }, 503, 'Enedis ne répond pas'],
  ] as const)('%s for a minute: waited for, then the end, and not asked again', async (_name, says, status, end) => {
    enedis.says = says
    const wait = await back((await onItsWay()).state)
    expect([wait.status, title(wait)]).toStrictEqual([200, WAITING])
    portal.ahead = MINUTE - 5000
    expect(title(await browser.get(wait.url))).toBe(WAITING)
    portal.ahead = MINUTE + 1000
    const over = await browser.get(wait.url)
    expect([over.status, title(over)]).toStrictEqual([status, end])
    const { asked } = enedis
    // What Enedis says afterwards comes too late for this journey.
    enedis.says = { is: 'shares', services: [shared()] }
    expect(title(await browser.get(wait.url))).toBe(end)
    expect([enedis.asked, await onRecord()]).toStrictEqual([asked, []])
  })

  test('says at last what is shared: given', async () => {
    enedis.says = { is: 'shares', services: [] }
    const wait = await back((await onItsWay()).state)
    portal.ahead = MINUTE - 5000
    enedis.says = { is: 'shares', services: [shared()] }
    expect(title(await browser.get(wait.url))).toBe('C’est fait')
  })

  test('dates a share ahead: two browsers do not get it both', async () => {
    enedis.says = { is: 'shares', services: [shared({ from: addDays(day(today(0)), 1) })] }
    expect(title(await back((await onItsWay()).state))).toBe('C’est fait')
    const thief = walker([portal.url])
    const mine = browser
    browser = thief
    expect(title(await back((await onItsWay()).state))).toBe('Ce partage a déjà été utilisé')
    browser = mine
    expect(await standing()).toStrictEqual([['suspended', 'holder_doubt']])
    expect(portal.told.at(-1)).toMatchObject({ status: 'suspended' })
  })
})

test('evidence that fails between two steps: each says so, nothing is half done, and the person goes on afterwards', async () => {
  const asked = await browser.get(`${portal.url}/consent/new?client=viriya`)
  ready = false
  expect([
    (await browser.get(asked.url)).status,
    title(
      await browser.post(asked, [
        ['line', 'l1'],
        ['answer', 'go'],
      ]),
    ),
  ]).toStrictEqual([503, CLOSED])
  ready = true
  const sent = await browser.post(asked, [
    ['line', 'l1'],
    ['answer', 'go'],
  ])
  const state = new URL(sent.headers.get('location') ?? '').searchParams.get('state') ?? ''
  ready = false
  const closed = await back(state)
  expect([closed.status, title(closed)]).toStrictEqual([503, CLOSED])
  ready = true
  // The callback was not spent by it.
  const moved = await browser.step(`${portal.url}/consent/callback?autorisation_id=481516234&state=${state}`)
  const check = new URL(moved.headers.get('location') ?? '', portal.url).href
  ready = false
  expect(title(await browser.get(check))).toBe(CLOSED)
  expect([enedis.asked, await onRecord()]).toStrictEqual([0, []])
  ready = true
  expect(title(await browser.get(check))).toBe('C’est fait')
})

test.each([
  [
    'asked',
    async (asked: Page) =>
      browser.post(asked, [
        ['line', 'l1'],
        ['answer', 'go'],
      ]),
  ],
  ['back', async (_asked: Page, state: string) => back(state)],
] as const)('a client that the settings disable once the person is %s is given nothing', async (_name, goOn) => {
  const { asked, state } = await onItsWay()
  disabled = true
  const page = await goOn(asked, state)
  expect(page.status).toBeGreaterThanOrEqual(400)
  expect(page.headers.get('location')).toBeNull()
  expect(await onRecord()).toStrictEqual([])
})

describe('an answer that is lost', () => {
  test.each([
    ['after everything was put on record', 'giveConsent'],
    ['when its end was written down', 'ticketPut'],
    ['when the person was signed in', 'ticketDrop'],
    ['when the token was made', 'recordToken'],
  ])('%s: the next try gives nothing twice, doubts nobody, and says what was given', async (_name, call) => {
    const { state } = await onItsWay()
    const moved = await browser.step(`${portal.url}/consent/callback?autorisation_id=481516234&state=${state}`)
    const check = new URL(moved.headers.get('location') ?? '', portal.url).href
    lost = [call]
    const failed = await browser.get(check)
    expect([failed.status, lost]).toStrictEqual([503, []])
    await sleep(2)
    const again = await browser.get(check)
    expect([again.status, title(again)]).toStrictEqual([200, 'C’est fait'])
    const [only, ...others] = await onRecord()
    expect([only?.status, only?.suspendCause, others]).toStrictEqual(['active', null, []])
    expect(mainOf(again)).toContain(`/receipts/${only?.id}`)
  })
})

describe('a proof of a meter', () => {
  async function provesIt(): Promise<Page> {
    const sent = await browser.step(`${portal.url}/me/enedis`)
    return back(new URL(sent.headers.get('location') ?? '').searchParams.get('state') ?? '')
  }
  const person = (): Promise<unknown> => {
    const id = /ecluse=([\w-]{43})/.exec(browser.cookies())?.[1] ?? ''
    return visitsOf(portal.parts).person({ id, language: 'fr' })
  }

  test('opens the permissions of its holder under a new cookie, and records nothing', async () => {
    await portal.permit({ id: 'older', meter: METER.slice(4) }, { id: 'foreign' })
    const before = /ecluse=([\w-]{43})/.exec(browser.cookies())?.[1]
    const page = await provesIt()
    expect([page.url, page.status]).toStrictEqual([`${portal.url}/me`, 200])
    expect(/ecluse=([\w-]{43})/.exec(browser.cookies())?.[1]).not.toBe(before)
    expect(await person()).toMatchObject({ method: 'data_connect', permissions: ['older'] })
    expect((await onRecord()).map((p) => p.id).toSorted()).toStrictEqual(['foreign', 'older'])
  })

  test('that is reloaded before its answer came is no second claimant', async () => {
    const sent = await browser.step(`${portal.url}/me/enedis`)
    const state = new URL(sent.headers.get('location') ?? '').searchParams.get('state') ?? ''
    const moved = await browser.step(`${portal.url}/consent/callback?autorisation_id=481516234&state=${state}`)
    const check = new URL(moved.headers.get('location') ?? '', portal.url).href
    lost = ['claimShare']
    expect((await browser.get(check)).status).toBe(503)
    expect((await browser.get(check)).url).toBe(`${portal.url}/me`)
    expect(await person()).toMatchObject({ method: 'data_connect' })
  })

  test.each([
    ['shared before', shared({ from: addDays(day(today(0)), -1) }), 'Ce partage n’est pas celui que vous venez de faire'],
    ['ended', shared({ state: 'ended' }), WAITING],
  ] as const)('that was %s opens nothing', async (_name, service, said) => {
    await portal.permit({ id: 'older', meter: METER.slice(4) })
    enedis.says = { is: 'shares', services: [service] }
    expect(title(await provesIt())).toBe(said)
    expect(await person()).toBeUndefined()
  })

  test('with a share that somebody else has just used opens nothing, and ends nothing', async () => {
    expect(title(await back((await onItsWay()).state))).toBe('C’est fait')
    browser = walker([portal.url])
    expect(title(await provesIt())).toBe('Ce partage a déjà été utilisé')
    expect(await person()).toBeUndefined()
    expect(await standing()).toStrictEqual([['active', null]])
  })
})
