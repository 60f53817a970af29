/**
 * What comes back through a browser is a claim: whatever it says, nothing is given that Enedis does not confirm, for the
 * browser that was sent there, once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bearer } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import type { Page, Walker } from '../harness/walker.ts'
import { formOf, mainOf } from '../harness/walker.ts'
import type { House, Recorded } from './journey-given.ts'
import {
  aHouse,
  APPLICATION,
  BIG_ID,
  BOTH_WAYS,
  CALLBACK,
  DAYS_ONLY,
  HOUSE,
  PRODUCER,
  recorded,
  REFUSES,
  THREE,
  ticked,
  tokenOn,
} from './journey-given.ts'

/** Shared with every application from the start, years ago. */
const LONG_SHARED = '22516914714270'
const YANIS = '30000000000002'
const NOT_OPEN = 'Cette demande n’est pas ouverte ici'
const WAITING = 'Vérification auprès d’Enedis'
const GIVEN = 'Viriya peut lire'

let house: House
afterEach(() => house.sandbox.reset())
const on = (meter: string, all: readonly Recorded[]): readonly Recorded[] => all.filter((p) => p.content.meter === `prm:${meter}`)
const title = (page: Page): string => /<h1>([^<]*)/.exec(page.text)?.[1] ?? page.text.slice(0, 200)

/** A browser that stands on Enedis's page, and what its callback has to carry. */
async function onItsWay(lines: readonly string[] = ['l1', 'l2']): Promise<{ browser: Walker; enedis: Page; state: string }> {
  const browser = house.browser()
  const enedis = await house.toEnedis(browser, lines)
  return { browser, enedis, state: new URL(enedis.url).searchParams.get('state') ?? '' }
}
const back = (browser: Walker, query: string): Promise<Page> => browser.get(`${house.gate.url}/consent/callback?${query}`)
/** As a person would, told that it takes some seconds. */
async function reloaded(browser: Walker, page: Page, times = 5): Promise<Page> {
  let last = page
  for (let i = 0; i < times && title(last) === WAITING; i += 1) last = await browser.get(last.url)
  return last
}

describe('v2', () => {
  beforeAll(async () => {
    house = await aHouse('v2')
  })
  afterAll(() => house.stop())

  /** Nothing on record is other than before, whoever asks. */
  async function changesNothing(work: () => Promise<unknown>): Promise<void> {
    const before = await recorded(house.gate)
    await work()
    expect(await recorded(house.gate)).toStrictEqual(before)
  }

  test('somebody else’s share of years ago gives nothing', async () => {
    const authorisation = house.sandbox.shares(APPLICATION.clientId).find((s) => s.prm === LONG_SHARED)?.authorisation ?? ''
    await changesNothing(async () => {
      const { browser, state } = await onItsWay()
      const page = await back(browser, `autorisation_id=${authorisation}&state=${state}`)
      expect([page.status, title(page)]).toStrictEqual([409, 'Ce partage n’est pas celui que vous venez de faire'])
    })
  })

  test('a share of today that two browsers claim: the first is suspended in doubt, the second gets nothing', async () => {
    const victim = await onItsWay()
    const callback = await house.accepted(victim.browser, victim.enedis, HOUSE)
    const given = await victim.browser.get(callback.href)
    expect(mainOf(given)).toContain(GIVEN)
    const [first] = on(HOUSE, await recorded(house.gate))
    const read = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${HOUSE}&dateDebut=${today(-3)}&dateFin=${today(-2)}`
    expect((await fetch(house.gate.url + read, bearer(tokenOn(given)))).status).toBe(200)

    const thief = await onItsWay()
    const stolen = await back(thief.browser, `autorisation_id=${callback.searchParams.get('autorisation_id')}&state=${thief.state}`)
    expect([stolen.status, title(stolen), tokenOn(stolen)]).toStrictEqual([409, 'Ce partage a déjà été utilisé', ''])
    const after = on(HOUSE, await recorded(house.gate))
    expect(after.map((p) => [p.id, p.status])).toStrictEqual([[first?.id, 'suspended']])
    expect(after[0]?.acts.at(-1)).toMatchObject({ type: 'suspend', details: { role: 'gate', reason: 'share_claimed_twice' } })
    const entry = (await house.gate.entries()).findLast((e) => e.t === 'consent.suspend')
    expect(entry).toMatchObject({ client: 'viriya', status: 'suspended', cause: 'holder_doubt' })
    // A temporary refusal: a 403 would make clients erase their token.
    expect((await fetch(house.gate.url + read, bearer(tokenOn(given)))).status).toBe(503)
    expect(house.gate.log.join('')).toContain('claimed by two browsers')

    // Looked at again, neither journey gives anything more.
    await changesNothing(async () => {
      await thief.browser.get(stolen.url)
      await victim.browser.get(given.url)
    })
  })

  test('who comes first with a share that it does not own loses it when its owner comes', async () => {
    const owner = await onItsWay()
    const callback = await house.accepted(owner.browser, owner.enedis, YANIS)
    const thief = await onItsWay()
    const taken = await back(thief.browser, `autorisation_id=${callback.searchParams.get('autorisation_id')}&state=${thief.state}`)
    expect(mainOf(taken)).toContain(GIVEN)
    const late = await owner.browser.get(callback.href)
    expect([late.status, title(late)]).toStrictEqual([409, 'Ce partage a déjà été utilisé'])
    expect(on(YANIS, await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['suspended'])
    // Nor is it got back by giving it to oneself once more, from the browser that had it.
    const again = new URL((await house.toEnedis(thief.browser, ['l1'])).url).searchParams.get('state')
    const stolen = await back(thief.browser, `autorisation_id=${callback.searchParams.get('autorisation_id')}&state=${again}`)
    expect([stolen.status, title(stolen)]).toStrictEqual([409, 'Ce partage a déjà été utilisé'])
    expect(on(YANIS, await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['suspended'])
  })

  test('the same person in the same browser may give the same meter again on the same day', async () => {
    const meter = '30000000000005'
    const mine = house.browser()
    expect(mainOf(await house.gives(mine, [meter], ['l3']))).toContain(GIVEN)
    house.sandbox.revoke(meter)
    const again = await house.gives(mine, [meter], ['l3'])
    expect([title(again), tokenOn(again) === '']).toStrictEqual(['C’est fait', false])
    const statuses = on(meter, await recorded(house.gate)).map((p) => [p.status, p.endReason])
    expect(statuses.toSorted()).toStrictEqual([
      ['active', null],
      ['ended', 'superseded'],
    ])
  })

  test('a state is good once, in its own browser, and never without one', async () => {
    const { browser, enedis, state } = await onItsWay()
    const callback = (await house.accepted(browser, enedis, BIG_ID)).href
    const [id] = [new URL(callback).searchParams.get('autorisation_id')]
    await changesNothing(async () => {
      for (const query of [
        `autorisation_id=${id}`,
        `autorisation_id=${id}&state=`,
        `autorisation_id=${id}&state=${state}x`,
        `autorisation_id=${id}&state=${state.toLowerCase()}`,
        `autorisation_id=${id}&state=${'s'.repeat(500)}`,
        `autorisation_id=${id}&state=${state}&state=${state}`,
        `autorisation_id=${id}&autorisation_id=${id}&state=${state}`,
        `autorisation_id=${id}&state=${state}&lang=fr&lang=fr`,
        `autorisation_id=${id}&state=%00`,
      ]) {
        const page = await back(browser, query)
        // What stands twice is refused before any page sees it, with the answer of the gated path.
        const said = /(state|autorisation_id|lang)=[^&]*&(.*&)?\1=|%00/.test(query) ? /The request is malformed|pas ouverte ici/ : NOT_OPEN
        expect([query.slice(0, 60), page.status]).toStrictEqual([query.slice(0, 60), 400])
        expect(title(page)).toMatch(said)
      }
    })
    expect(mainOf(await browser.get(callback))).toContain(GIVEN)
    await changesNothing(async () => {
      const again = await browser.get(callback)
      expect([again.status, title(again)]).toStrictEqual([400, NOT_OPEN])
    })
  })

  test('the state of another browser is refused there, and spent', async () => {
    const { browser, enedis } = await onItsWay()
    const callback = (await house.accepted(browser, enedis, THREE[0])).href
    await changesNothing(async () => {
      for (const stranger of [house.browser(), (await onItsWay()).browser]) {
        const page = await stranger.get(callback)
        expect([page.status, title(page)]).toStrictEqual([400, NOT_OPEN])
      }
    })
  })

  test('a journey is open in its own browser alone: not its page, its wait or its end', async () => {
    const { browser, enedis } = await onItsWay(['l3'])
    const end = await browser.get((await house.accepted(browser, enedis, PRODUCER)).href)
    expect(mainOf(end)).toContain(GIVEN)
    const [, id] = /\/consent\/([A-Za-z0-9_-]{32})\//.exec(end.url) ?? []
    const stranger = house.browser()
    for (const path of ['', '/check', '/done', '/../callback']) {
      const page = await stranger.get(`${house.gate.url}/consent/${id}${path}`)
      expect([path, [400, 404].includes(page.status), page.text.includes('receipts')]).toStrictEqual([path, true, false])
    }
    const own = await browser.get(`${house.gate.url}/consent/${id}/done`)
    expect(own.status).toBe(200)
    // Shown once.
    expect(tokenOn(own)).toBe('')
  })

  test.each([
    ['no number', 'abc'],
    ['nothing', ''],
    ['2^63', '9223372036854775808'],
    ['a thousand digits', '9'.repeat(1000)],
    ['zero', '0'],
    ['below zero', '-1'],
    ['a leading zero', '0481600000'],
    ['a fraction', '481600000.0'],
    ['an exponent', '4e8'],
    ['a number and more', '481600000}'],
    ['digits of another script', '٤٨١'],
  ])('an id that is %s is not even asked about', async (_name, id) => {
    const { browser, state } = await onItsWay()
    const asked = house.sandbox.calls().length
    await changesNothing(async () => {
      const page = await back(browser, `autorisation_id=${encodeURIComponent(id)}&state=${state}`)
      expect([page.status, title(page)]).toStrictEqual([409, 'Retour illisible'])
      // And the journey is over: the true id does not help any more.
      const [, journey] = /consent\/(\S+?)"/.exec(mainOf(page)) ?? []
      expect(journey).toBeUndefined()
    })
    expect(house.sandbox.calls().length).toBe(asked)
  })

  test('2^63 − 1 is asked about digit by digit, and is nobody’s', async () => {
    const { browser, state } = await onItsWay()
    await changesNothing(async () => {
      expect(title(await back(browser, `autorisation_id=9223372036854775807&state=${state}`))).toBe(WAITING)
    })
  })

  test('what v1 would send back is unreadable for v2', async () => {
    const { browser, state } = await onItsWay()
    await changesNothing(async () => {
      const page = await back(browser, `code=abc&usage_point_id=${LONG_SHARED}&state=${state}`)
      expect([page.status, title(page)]).toStrictEqual([409, 'Retour illisible'])
    })
  })

  const authorize = '/dataconnect/v2/oauth2/authorize?client_id=viriya&response_type=code&state=abc&duration=P1Y'

  test('a person who refuses here is sent back with that', async () => {
    const browser = house.browser()
    const asked = await browser.get(house.gate.url + authorize)
    const page = await browser.submit(asked, [['answer', 'refuse']])
    expect(Object.fromEntries(new URL(page.left ?? '').searchParams)).toMatchObject({ error: 'access_denied', state: 'abc' })
    expect(new URL(page.left ?? '').origin).toBe(new URL(CALLBACK).origin)
    // What Enedis is told afterwards in another window changes nothing.
    await changesNothing(async () => {
      const again = await browser.submit(asked, ticked(['l1']))
      expect(title(again)).toBe('Vous avez refusé')
    })
  })

  test.each([
    ['a person who refuses', HOUSE, 'refuse'],
    ['the customer who never agrees', REFUSES, 'accept'],
  ])('%s at Enedis: the service is told no', async (_name, meter, decision) => {
    const browser = house.browser()
    const enedis = await house.toEnedis(browser, ['l1'], authorize)
    await changesNothing(async () => {
      const page = await browser.submit(enedis, [
        ['meter', meter],
        ['decision', decision],
      ])
      expect(Object.fromEntries(new URL(page.left ?? '').searchParams)).toMatchObject({ error: 'access_denied', state: 'abc' })
    })
    // Proof that nothing was taken, and of nobody.
    const { n: _n, at: _at, ...entry } = (await house.gate.entries()).at(-1) ?? {}
    expect(entry).toMatchObject({ t: 'admin.refusal', client: 'viriya', by: 'holder', notice: '7' })
    expect(Object.keys(entry)).not.toContain('_sd')
  })

  test('Enedis that could not do it says so, and nothing is given', async () => {
    const { browser, enedis } = await onItsWay()
    house.sandbox.misbehave({ meter: 'consent', kind: 'error' })
    await changesNothing(async () => {
      const page = await browser.submit(enedis, [
        ['meter', BIG_ID],
        ['decision', 'accept'],
      ])
      expect([page.status, title(page)]).toStrictEqual([503, 'Enedis ne répond pas'])
    })
  })

  test('back from Enedis and off again: the way before is closed, and its state says nothing', async () => {
    const { browser, enedis } = await onItsWay(['l1', 'l2'])
    const asked = await browser.get(enedis.way.find((url) => /\/consent\/[A-Za-z0-9_-]{32}$/.test(url)) ?? '')
    const second = await browser.submit(asked, ticked(['l1']))
    const callback = await house.accepted(browser, second, BOTH_WAYS)
    const old = new URL(callback)
    old.searchParams.set('state', new URL(enedis.url).searchParams.get('state') ?? '')
    await changesNothing(async () => {
      expect(title(await browser.get(old.href))).toBe(NOT_OPEN)
    })
    // The person ticked less the second time: that is what counts.
    const end = await browser.get(callback.href)
    expect(mainOf(end)).toContain(GIVEN)
    expect(on(BOTH_WAYS, await recorded(house.gate)).flatMap((p) => p.content.scope.lines.map((l) => l.id))).toStrictEqual(['l1'])
  })

  test('what is shown and ticked stays as it was, whatever is looked at while Enedis’s page is open', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const journey = enedis.way.find((url) => /\/consent\/[A-Za-z0-9_-]{32}$/.test(url)) ?? ''
    await sleep(5)
    await browser.get(`${journey}?lang=en`)
    house.sandbox.share({ prm: DAYS_ONLY, clientId: APPLICATION.clientId })
    const share = house.sandbox.shares(APPLICATION.clientId).at(-1)
    const end = await back(browser, `autorisation_id=${share?.authorisation}&state=${new URL(enedis.url).searchParams.get('state')}`)
    expect(mainOf(end)).toContain('Viriya may read')
    const [made] = on(DAYS_ONLY, await recorded(house.gate))
    expect(made?.content.notice.language).toBe('fr')
    const [request, , give] = (made?.acts ?? []).slice(1).map((act) => Date.parse(act.details.occurredAt ?? ''))
    expect(request).toBeLessThanOrEqual(give ?? 0)
  })

  test('a callback that ended says so again, and never turns into a refusal', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const asked = await browser.get(enedis.way.find((url) => /\/consent\/[A-Za-z0-9_-]{32}$/.test(url)) ?? '')
    house.sandbox.share({ prm: '30000000000004', clientId: APPLICATION.clientId })
    const share = house.sandbox.shares(APPLICATION.clientId).at(-1)
    const second = await browser.submit(asked, ticked(['l1']))
    const state = (page: Page): string => new URL(page.url).searchParams.get('state') ?? ''
    const end = await back(browser, `autorisation_id=${share?.authorisation}&state=${state(second)}`)
    await changesNothing(async () => {
      await back(browser, `error=access_denied&state=${state(enedis)}`)
      const done = await browser.get(end.url)
      expect(title(done)).toBe('C’est fait')
    })
  })
})

describe('what Enedis says after the callback', () => {
  beforeAll(async () => {
    house = await aHouse('v2')
  })
  afterAll(() => house.stop())

  test('an empty list right after the callback is asked for again', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, HOUSE)
    house.sandbox.delayServices(2)
    const first = await browser.get(callback.href)
    expect([first.status, title(first)]).toStrictEqual([200, WAITING])
    const refresh = first.headers.get('refresh') ?? /<meta http-equiv="refresh" content="([^"]*)"/.exec(first.text)?.[1]
    expect(refresh).toMatch(/^3; url=\/consent\/[\w-]{32}\/check$/)
    expect(title(await browser.get(first.url))).toBe(WAITING)
    expect(await recorded(house.gate)).toStrictEqual([])
    expect(mainOf(await browser.get(first.url))).toContain(GIVEN)
    expect(on(HOUSE, await recorded(house.gate))).toHaveLength(1)
    const outcomes = (await house.gate.entries()).filter((e) => e.t === 'admin.outcome')
    expect(outcomes.map((e) => e['result'])).toStrictEqual(['no_data', 'no_data', 'delivered'])
  })

  test.each([
    ['reset', { kind: 'reset' }, 'upstream_error', null],
    ['403', { kind: 'error', error: 'no_consent' }, 'upstream_error', 403],
    ['502', { kind: 'status', status: 502 }, 'upstream_error', 502],
    ['a redirect', { kind: 'redirect' }, 'upstream_error', 302],
    ['a page of a firewall', { kind: 'html' }, 'upstream_error', 404],
    ['an empty object', { kind: 'empty_object' }, 'unreadable', 200],
    ['half an answer', { kind: 'malformed' }, 'unreadable', 200],
    ['a cut connection', { kind: 'cut' }, 'upstream_error', null],
  ] as const)('%s: nothing is given, and what was asked is on record with its outcome', async (_name, wrong, result, status) => {
    const meter = THREE[0]
    const { browser, enedis } = await onItsWay(['l1'])
    house.sandbox.revoke(meter)
    const callback = await house.accepted(browser, enedis, meter)
    const before = await recorded(house.gate)
    house.sandbox.misbehave({ meter: 'services', times: 1, ...wrong })
    const first = await browser.get(callback.href)
    expect([first.status, title(first)]).toStrictEqual([200, WAITING])
    expect(await recorded(house.gate)).toStrictEqual(before)
    const entries = await house.gate.entries()
    const outcome = entries.findLast((e) => e.t === 'admin.outcome')
    expect([outcome?.['result'], outcome?.['status'] ?? null]).toStrictEqual([result, status])
    expect(entries.filter((e) => e.t === 'admin.intent').map((e) => e.n)).toStrictEqual(
      entries.filter((e) => e.t === 'admin.outcome').map((e) => e['intent']),
    )
  })

  test('a page that is reloaded without end asks Enedis no more than so often, and the journey ends', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, THREE[1])
    house.sandbox.delayServices(1000)
    const before = house.sandbox.calls().length
    const { url } = await browser.get(callback.href)
    let last = ''
    for (let i = 0; i < 60 && last !== 'done'; i += 1) last = (await browser.get(url)).status === 200 ? 'waits' : 'done'
    const asked = house.sandbox.calls().length - before
    house.sandbox.reset()
    expect([last, asked]).toStrictEqual(['done', 40])
    expect(on(THREE[1], await recorded(house.gate))).toStrictEqual([])
  })

  test('Enedis slow, and a page that is reloaded meanwhile: given once, and the page that waits says so', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, YANIS)
    house.sandbox.misbehave({ meter: 'services', kind: 'delay', ms: 600, times: 20 })
    const moved = await browser.step(callback.href)
    const check = new URL(moved.headers.get('location') ?? '', house.gate.url).href
    const pages = await Promise.all([1, 2, 3, 4].map(() => browser.step(check)))
    expect(pages.map(title).toSorted()).toStrictEqual(['C’est fait', WAITING, WAITING, WAITING])
    expect(on(YANIS, await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['active'])
  })

  test('who reloads while Enedis is slow, and never saw the answer to the first try, still learns that it was given', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, BIG_ID)
    house.sandbox.misbehave({ meter: 'services', kind: 'delay', ms: 500, times: 1 })
    const moved = await browser.step(callback.href)
    const check = new URL(moved.headers.get('location') ?? '', house.gate.url).href
    await expect(browser.step(check, { signal: AbortSignal.timeout(150) })).rejects.toThrow('aborted due to timeout')
    expect(title(await browser.step(check))).toBe(WAITING)
    await sleep(700)
    expect(on(BIG_ID, await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['active'])
    const end = await browser.get(check)
    expect([end.status, title(end)]).toStrictEqual([200, 'C’est fait'])
  })

  test.each([
    [
      'one kind only',
      { kinds: ['ENERGIE'] },
      [
        ['l1', 'daily_energy', 'withdrawal'],
        ['l3', 'daily_energy', 'injection'],
      ],
    ],
    ['one direction only', { ways: ['produced'] }, [['l3', 'daily_energy', 'injection']]],
    [
      'more than was ticked',
      {},
      [
        ['l1', 'daily_energy', 'withdrawal'],
        ['l2', 'load_curve', 'withdrawal'],
        ['l3', 'daily_energy', 'injection'],
      ],
    ],
  ] as const)('shared at Enedis: %s', async (_name, order, lines) => {
    const meter = '30000000000008'
    const { browser, state } = await onItsWay(['l1', 'l2', 'l3'])
    const had = new Set((await recorded(house.gate)).map((p) => p.id))
    // A share of its own, as if of another holder: what was given before is not claimed again.
    const authorisation = String(600_000_000 + had.size)
    house.sandbox.share({
      prm: meter,
      clientId: APPLICATION.clientId,
      authorisation,
      ...order,
      kinds: [...('kinds' in order ? order.kinds : (['CDC', 'ENERGIE', 'IDX', 'PMAX'] as const))],
      ways: [...('ways' in order ? order.ways : (['consumed', 'produced'] as const))],
    })
    await back(browser, `autorisation_id=${authorisation}&state=${state}`)
    const [made] = (await recorded(house.gate)).filter((p) => !had.has(p.id))
    expect(made?.content.scope.lines.map((l) => [l.id, l.kind, l.direction])).toStrictEqual(lines)
  })

  test('an end before the one that was asked for counts', async () => {
    const meter = '30000000000008'
    const { browser, state } = await onItsWay(['l1'])
    const had = new Set((await recorded(house.gate)).map((p) => p.id))
    house.sandbox.share({ prm: meter, clientId: APPLICATION.clientId, authorisation: '700000001', until: today(30) as never })
    await back(browser, `autorisation_id=700000001&state=${state}`)
    const [made] = (await recorded(house.gate)).filter((p) => !had.has(p.id))
    const midnight = Temporal.PlainDate.from(today(30)).toZonedDateTime('Europe/Paris').toInstant().toString()
    expect(new Date(made?.validUntil ?? '').toISOString()).toBe(new Date(midnight).toISOString())
    expect(made?.content.scope.lines[0]?.data.until).toBe(today(30))
  })

  test('nothing of what was ticked: nothing is given', async () => {
    const { browser, state } = await onItsWay(['l2'])
    const before = await recorded(house.gate)
    house.sandbox.share({ prm: '30000000000004', clientId: APPLICATION.clientId, authorisation: '700000002', kinds: ['PMAX'] })
    const page = await back(browser, `autorisation_id=700000002&state=${state}`)
    expect([page.status, title(page)]).toStrictEqual([409, 'Rien de ce que vous avez coché n’est partagé'])
    expect(await recorded(house.gate)).toStrictEqual(before)
  })
})

describe('v1', () => {
  beforeAll(async () => {
    house = await aHouse('v1')
  })
  afterAll(() => house.stop())
  const nothingGiven = async (query: string, expected: readonly [number, string]): Promise<void> => {
    const { browser, state } = await onItsWay(['l1'])
    const before = await recorded(house.gate)
    const page = await back(browser, query.replace('STATE', state))
    expect([page.status, title(page)]).toStrictEqual(expected)
    expect(await recorded(house.gate)).toStrictEqual(before)
  }
  const FOREIGN = [409, 'Ce partage n’est pas celui que vous venez de faire'] as const
  const UNREADABLE = [409, 'Retour illisible'] as const

  test.each([
    ['a meter that was shared years ago', `code=x&usage_point_id=${LONG_SHARED}&state=STATE`, FOREIGN],
    ['a meter that nobody shared', `code=x&usage_point_id=${HOUSE}&state=STATE`, [200, WAITING]],
    ['no meter', 'code=x&usage_point_id=&state=STATE', UNREADABLE],
    ['no code', `usage_point_id=${LONG_SHARED}&state=STATE`, UNREADABLE],
    ['a meter with something else', `code=x&usage_point_id=${LONG_SHARED}%3Babc&state=STATE`, UNREADABLE],
    ['an empty part', `code=x&usage_point_id=${LONG_SHARED}%3B&state=STATE`, UNREADABLE],
    [
      '51 meters',
      `code=x&usage_point_id=${Array.from({ length: 51 }, (_, i) => String(10_000_000_000_001 + i)).join('%3B')}&state=STATE`,
      UNREADABLE,
    ],
    ['the id of v2', 'autorisation_id=481600000&state=STATE', UNREADABLE],
    ['failed', 'code=500&error=server_error&error_description=lincs-internal-server-error&state=STATE', [503, 'Enedis ne répond pas']],
  ] as const)('%s', (_name, query, expected) => nothingGiven(query, expected))

  test('refused, with the meters of somebody beside it', () =>
    nothingGiven(`code=403&error=access_denied&usage_point_id=${LONG_SHARED}&state=STATE`, [200, 'Rien n’est partagé']))

  test('a refusal without its state cannot be told to whose journey it belongs', async () => {
    const { browser, enedis } = await onItsWay()
    const page = await browser.submit(enedis, [
      ['meter', REFUSES],
      ['decision', 'accept'],
    ])
    expect([page.status, title(page)]).toStrictEqual([400, NOT_OPEN])
  })

  test.each([
    ['was shared years ago', LONG_SHARED],
    ['nobody shared', HOUSE],
  ])('a meter that %s, put beside one’s own, spoils both', async (_name, foreign) => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, YANIS)
    callback.searchParams.set('usage_point_id', `${YANIS};${foreign}`)
    const page = await browser.get(callback.href)
    expect([page.status, title(page)]).toStrictEqual(FOREIGN)
    expect(await recorded(house.gate)).toStrictEqual([])
  })

  test('a meter that somebody else has just claimed, among one’s own: it is not left with them', async () => {
    const owner = await onItsWay(['l1'])
    const callback = await house.accepted(owner.browser, owner.enedis, THREE[0], THREE[1])
    const thief = await onItsWay(['l1'])
    expect(mainOf(await back(thief.browser, `code=x&usage_point_id=${THREE[0]}&state=${thief.state}`))).toContain(GIVEN)
    const choice = await owner.browser.get(callback.href)
    const end =
      title(choice) === 'Quels compteurs ?'
        ? await owner.browser.submit(choice, [
            ['meter', `prm:${THREE[0]}`],
            ['meter', `prm:${THREE[1]}`],
          ])
        : choice
    expect([end.status, title(end)]).toStrictEqual([409, 'Ce partage a déjà été utilisé'])
    expect(on(THREE[0], await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['suspended'])
    expect(on(THREE[1], await recorded(house.gate))).toStrictEqual([])
  })

  test('meters that are chosen must be among those that Enedis confirmed', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const choice = await browser.get((await house.accepted(browser, enedis, '30000000000004', '30000000000005')).href)
    expect(title(choice)).toBe('Quels compteurs ?')
    const before = await recorded(house.gate)
    const { action } = formOf(choice)
    expect(new URL(action).origin).toBe(house.gate.url)
    const page = await browser.submit(choice, [['meter', `prm:${LONG_SHARED}`]])
    expect([page.status, title(page)]).toStrictEqual([422, 'Quels compteurs ?'])
    expect(await recorded(house.gate)).toStrictEqual(before)
    expect(mainOf(await reloaded(browser, await browser.submit(page, [['meter', 'prm:30000000000004']])))).toContain(GIVEN)
  })

  test('an empty choice of meters, sent where there was nothing to choose, gives what a reload would', async () => {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, BIG_ID)
    house.sandbox.delayServices(1)
    const wait = await browser.get(callback.href)
    expect(title(wait)).toBe(WAITING)
    const own = await browser.get(`${house.gate.url}/consent/new?client=viriya`)
    const form = formOf(own).body
    const end = await browser.step(wait.url.replace('/check', '/meters'), { method: 'POST', body: form })
    expect([end.status, title(end)]).toStrictEqual([200, 'C’est fait'])
    expect(on(BIG_ID, await recorded(house.gate)).map((p) => p.status)).toStrictEqual(['active'])
  })
})

test('429: Enedis is left alone for a while, and nothing is given', async () => {
  house = await aHouse('v2')
  try {
    const { browser, enedis } = await onItsWay(['l1'])
    const callback = await house.accepted(browser, enedis, HOUSE)
    house.sandbox.misbehave({ meter: 'services', kind: 'error', error: 'throttled' })
    expect(title(await reloaded(browser, await browser.get(callback.href)))).toBe(WAITING)
    expect(await recorded(house.gate)).toStrictEqual([])
    const outcomes = (await house.gate.entries()).filter((e) => e.t === 'admin.outcome')
    expect(outcomes.map((e) => [e['result'], e['status']])).toStrictEqual([['upstream_error', 429]])
  } finally {
    await house.stop()
  }
})
