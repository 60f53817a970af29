/**
 * How a person proves who it is: one-time links, and FranceConnect against the simulator, which is as particular as the
 * original and does each thing wrong on demand. Whatever is wrong, nothing changes.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { franceConnectOf } from '../../src/portal/identity/franceconnect.ts'
import { linkFor } from '../../src/portal/identity/links.ts'
import { identityRoom } from '../../src/portal/identity/routes.ts'
import { personRoom } from '../../src/portal/person/routes.ts'
import type { Room } from '../../src/portal/portal.ts'
import type { FranceWrong, Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { Answer, Browser, TestPortal } from '../harness/portal.ts'
import { aPortal } from '../harness/portal.ts'
import { OTHER_METER } from '../harness/settings.ts'

const ADA = { kind: 'natural', reference: 'ada' } as const
const SECRET = 'secret-of-the-service-canary-0123456789'
let sandbox: Sandbox
let house: TestPortal

/** Stands for the round trip to Enedis, which ends with the same call. */
const enedis: Room = (app, { visits, parts }) => {
  app.get<{ Querystring: { of: string } }>('/me/enedis', async (request, reply) => {
    const permissions = request.query.of.split(',') as never
    await visits.signIn(visits.of(request, reply), { method: 'data_connect', permissions, since: parts.now() }, reply)
    return reply.redirect('/me', 303)
  })
}

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  house = await aPortal({
    rooms: (parts, url) => {
      const { franceconnect: settings } = parts.settings
      if (!settings) throw new Error('no FranceConnect')
      const client = {
        clientId: settings.clientId,
        secret: SECRET,
        redirectUris: [`${url}/franceconnect/callback`],
        postLogoutUris: [`${url}/franceconnect/signed-out`],
      }
      sandbox.franceConnect.register(client)
      const franceConnect = franceConnectOf({ settings, secret: SECRET, portalUrl: url, now: parts.now })
      return [personRoom(franceConnect), identityRoom(franceConnect), enedis]
    },
    change: (tree) => {
      const portal = tree['portal'] as Record<string, unknown>
      portal['franceconnect'] = { issuer: sandbox.franceConnect.issuer, client_id: 'ecluse-test', client_secret: { env: 'TEST_FC_SECRET' } }
    },
  })
  await house.permit({ id: 'ada-1', holder: ADA }, { id: 'ada-2', holder: ADA, client: 'office' }, { id: 'bob-1', meter: OTHER_METER })
})
afterAll(async () => {
  await house.close()
  await sandbox.close()
})

describe('a one-time link', () => {
  const made = async (permission = 'ada-1') => linkFor(house.parts, { permission, by: 'uid:0' })
  const pathOf = (url: string): string => new URL(url).pathname

  test('is 43 characters on the portal’s own address, and that it was made is on record without naming anybody', async () => {
    const { url, expiresAt, entry } = await made()
    expect(url).toMatch(new RegExp(`^${house.url}/link/[A-Za-z0-9_-]{43}$`))
    expect(Math.round((expiresAt - Date.now()) / 3_600_000)).toBe(72)
    const found = (await house.entries()).find(({ n }) => n === entry)
    expect(found).toMatchObject({ t: 'admin.link', change: 'made', client: 'viriya' })
    expect(JSON.stringify(found)).not.toContain('ada')
  })

  test('is not used up by whoever fetches it: GET and HEAD, ten times', async () => {
    const path = pathOf((await made()).url)
    for (let i = 0; i < 5; i += 1) {
      expect((await house.browser().get(path)).status).toBe(200)
      expect((await house.browser().get(path, {}, 'HEAD')).status).toBe(200)
    }
    const browser = house.browser()
    expect((await browser.submit(await browser.get(path), path)).status).toBe(303)
    expect((await browser.get('/me')).text).toMatch(/href="\/me\/ada-1"[^]*href="\/me\/ada-2"|href="\/me\/ada-2"[^]*href="\/me\/ada-1"/)
    expect((await browser.get('/me/bob-1')).status).toBe(404)
  })

  test('opens once; of two at the same moment, one', async () => {
    const path = pathOf((await made()).url)
    const [one, two] = [house.browser(), house.browser()]
    const pages = await Promise.all([one.get(path), two.get(path)])
    const answers = await Promise.all([one.submit(pages[0], path), two.submit(pages[1], path)])
    expect(answers.map(({ status }) => status).toSorted()).toStrictEqual([303, 404])
    expect((await house.browser().get(path)).status).toBe(404)
  })

  test('is not used up by a form of somebody else’s', async () => {
    const path = pathOf((await made()).url)
    const browser = house.browser()
    const page = await browser.get(path)
    expect((await browser.post(path, {})).status).toBe(403)
    expect((await house.browser().submit(page, path)).status).toBe(403)
    expect((await browser.submit(page, path)).status).toBe(303)
  })

  test('is over with its time', async () => {
    const path = pathOf((await made()).url)
    const browser = house.browser()
    const page = await browser.get(path)
    house.ahead = 72 * 3_600_000
    expect((await browser.submit(page, path)).status).toBe(404)
    house.ahead = 0
    expect((await browser.get(path)).status, 'also once the clock is right again').toBe(404)
  })

  test('of a permission that is not there, is not made', async () => {
    await expect(made('nowhere')).rejects.toThrow('there is no permission nowhere')
  })

  test.each(['/link/x', `/link/${'A'.repeat(43)}`, `/link/${'A'.repeat(44)}`, '/link/%00'])('%s leads nowhere', async (path) => {
    expect((await house.browser().get(path)).status).toBe(404)
  })

  test('gives the browser a new cookie, and the old one opens nothing', async () => {
    const browser = house.browser()
    const path = pathOf((await made()).url)
    const page = await browser.get(path)
    const planted = browser.cookies.get('ecluse') ?? ''
    await browser.submit(page, path)
    expect(browser.cookies.get('ecluse')).not.toBe(planted)
    const attacker = house.browser()
    attacker.cookies.set('ecluse', planted)
    expect((await attacker.get('/me')).text).toContain('href="/me/enedis"')
  })

  test('and signing out ends it', async () => {
    const browser = await house.visitor('ada-1')
    const old = browser.cookies.get('ecluse') ?? ''
    await browser.submit(await browser.get('/me'), '/me/sign-out')
    expect((await browser.get('/me')).text).toContain('href="/me/enedis"')
    browser.cookies.set('ecluse', old)
    expect((await browser.get('/me')).text).toContain('href="/me/enedis"')
  })
})

/** The browser's way through the provider; gives the address with which it comes back. */
async function atFranceConnect(start: Answer, person = 'camille', decision = 'sign-in'): Promise<string> {
  expect(start.status).toBe(303)
  const to = start.headers.get('location') ?? ''
  const shown = await fetch(to, { redirect: 'manual' })
  expect(shown.status, await shown.clone().text()).toBe(200)
  const signed = await fetch(to, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ person, decision }) })
  expect(signed.status).toBe(303)
  return signed.headers.get('location') ?? ''
}
async function begun(browser: Browser, intent: 'sign_in' | 'link' = 'sign_in'): Promise<Answer> {
  return browser.submit(await browser.get('/me'), '/franceconnect/start', { intent })
}
async function fromEnedis(permissions: string): Promise<Browser> {
  const browser = house.browser()
  await browser.get(`/me/enedis?of=${permissions}`)
  return browser
}

describe('FranceConnect', () => {
  beforeEach(() => sandbox.franceConnect.reset())
  afterEach(() => {
    house.ahead = 0
  })

  test('is asked for exactly what its closed list knows, without PKCE', async () => {
    const to = new URL((await begun(house.browser())).headers.get('location') ?? '')
    expect(to.href.startsWith(`${sandbox.franceConnect.issuer}/authorize?`)).toBe(true)
    const asked = Object.fromEntries(to.searchParams)
    expect(asked).toStrictEqual({
      client_id: 'ecluse-test',
      response_type: 'code',
      redirect_uri: `${house.url}/franceconnect/callback`,
      scope: 'openid',
      acr_values: 'eidas1',
      prompt: 'login',
      ui_locales: 'en',
      state: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      nonce: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    })
  })

  test('its button keeps its words in both languages, and forms may lead there and nowhere else', async () => {
    for (const lang of ['fr', 'en']) {
      const page = await house.browser().get(`/me?lang=${lang}`)
      expect(page.text).toContain('S’identifier avec')
      expect(page.text).toContain('Qu’est-ce que FranceConnect ?')
      expect(page.headers.get('content-security-policy')).toContain(`form-action 'self' ${new URL(sandbox.franceConnect.issuer).origin};`)
    }
  })

  test('alone opens no meter, and the page says how to link one', async () => {
    const browser = house.browser()
    const page = await browser.follow(await atFranceConnect(await begun(browser), 'louis'))
    expect(page.status).toBe(200)
    expect(page.text).toContain('No permission is linked to your FranceConnect identity')
    expect((await browser.get('/me/ada-1')).status).toBe(404)
  })

  test('finds again what was linked to it after Enedis; only the same person does, and nothing names it on disk', async () => {
    const browser = await fromEnedis('ada-1,ada-2')
    const before = browser.cookies.get('ecluse')
    house.secret.add(...browser.cookies.values(), 'EXEMPLE', SECRET)
    const linked = await browser.follow(await atFranceConnect(await begun(browser, 'link')))
    expect(linked.text).toContain('next time FranceConnect is enough')
    expect(browser.cookies.get('ecluse')).not.toBe(before)

    const later = house.browser()
    const page = await later.follow(await atFranceConnect(await begun(later)))
    expect(page.text).toContain('href="/me/ada-1"')
    expect(page.text).toContain('href="/me/ada-2"')
    expect(page.text).not.toContain('bob-1')
    const stranger = house.browser()
    expect((await stranger.follow(await atFranceConnect(await begun(stranger), 'noor'))).text).not.toContain('ada-1')
  })

  test('is unlinked by one form, and finds nothing from then on', async () => {
    const browser = await fromEnedis('bob-1')
    expect((await browser.get('/me')).text).not.toContain('action="/me/unlink"')
    await browser.follow(await atFranceConnect(await begun(browser, 'link'), 'noor'))
    const page = await browser.get('/me')
    expect((await browser.post('/me/unlink', {})).status).toBe(403)
    expect((await browser.submit(page, '/me/unlink')).status).toBe(303)
    expect((await browser.get('/me')).text).not.toContain('action="/me/unlink"')
    const later = house.browser()
    expect((await later.follow(await atFranceConnect(await begun(later), 'noor'))).text).toContain('No permission is linked')
    // Of others nothing was undone.
    const camille = house.browser()
    expect((await camille.follow(await atFranceConnect(await begun(camille)))).text).toContain('href="/me/ada-1"')
  })

  test('is not linked from a one-time link, from FranceConnect itself, or by who is not signed in', async () => {
    const form = async (browser: Browser): Promise<string> => /name="form" value="([^"]+)"/.exec((await browser.get('/me')).text)?.[1] ?? ''
    const viaFranceConnect = house.browser()
    await viaFranceConnect.follow(await atFranceConnect(await begun(viaFranceConnect)))
    for (const browser of [await house.visitor('bob-1'), viaFranceConnect, house.browser()])
      expect((await browser.post('/franceconnect/start', { form: await form(browser), intent: 'link' })).status).toBe(403)
  })

  test('cannot be begun from another site', async () => {
    const browser = house.browser()
    const form = /name="form" value="([^"]+)"/.exec((await browser.get('/me')).text)?.[1] ?? ''
    expect((await browser.post('/franceconnect/start', { form }, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await browser.post('/franceconnect/start', {})).status).toBe(403)
  })

  test('a way back is good once, and for the browser that began it', async () => {
    const browser = await fromEnedis('ada-1')
    const back = await atFranceConnect(await begun(browser))
    const victim = await fromEnedis('bob-1')
    expect((await victim.get(back)).status, 'another browser').toBe(400)
    expect((await victim.get('/me/bob-1')).status, 'whose session goes on').toBe(200)
    expect((await browser.get(back)).status, 'used up by that').toBe(400)
    const again = await atFranceConnect(await begun(browser))
    expect((await browser.get(again)).status).toBe(303)
    expect((await browser.get(again)).status).toBe(400)
  })

  test('a way back that comes too late is none', async () => {
    const browser = house.browser()
    const back = await atFranceConnect(await begun(browser))
    house.ahead = 900_000
    expect((await browser.get(back)).status).toBe(400)
  })

  const WRONG: readonly FranceWrong[] = [
    'no_iss',
    'wrong_iss',
    'id_token_wrong_nonce',
    'id_token_wrong_iss',
    'id_token_wrong_aud',
    'id_token_wrong_acr',
    'id_token_expired',
    'userinfo_other_sub',
    'userinfo_json',
    'token_error',
    'userinfo_error',
    'server_error',
    'id_token_unsigned',
    'id_token_none',
    'id_token_other_key',
    'id_token_hs256',
    'id_token_hs256_public_key',
    'userinfo_unsigned',
    'userinfo_none',
    'userinfo_other_key',
    'userinfo_hs256',
    'userinfo_hs256_public_key',
  ]
  test.each(WRONG)('%s proves nobody: a page, and nothing changes', async (wrong) => {
    const browser = await fromEnedis('bob-1')
    const start = await begun(browser, 'link')
    sandbox.franceConnect.misbehave(wrong)
    const back = wrong === 'server_error' ? await cut(start) : await atFranceConnect(start, 'yanis')
    const cookie = browser.cookies.get('ecluse')
    const answer = await browser.get(back)
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('Nothing has changed')
    expect(browser.cookies.get('ecluse')).toBe(cookie)
    expect((await browser.get('/me/bob-1')).status).toBe(200)
    const later = house.browser()
    sandbox.franceConnect.reset()
    expect((await later.follow(await atFranceConnect(await begun(later), 'yanis'))).text).toContain('No permission is linked')
  })
  async function cut(start: Answer): Promise<string> {
    const answer = await fetch(start.headers.get('location') ?? '', { redirect: 'manual' })
    return answer.headers.get('location') ?? ''
  }

  test('wrong_state leads back to nothing', async () => {
    const browser = house.browser()
    sandbox.franceConnect.misbehave('wrong_state')
    expect((await browser.get(await atFranceConnect(await begun(browser)))).status).toBe(400)
  })

  test.each([
    ['gives up', 'camille', 'cancel'],
    ['is dead', 'deceased', 'sign-in'],
  ])('who %s proves nothing', async (_what, person, decision) => {
    const browser = await fromEnedis('ada-1')
    const id =
      person === 'deceased'
        ? ((await import('../../src/sandbox/france-connect-persons.ts')).FRANCE_PERSONS.find((p) => p.deceased)?.id ?? '')
        : person
    const answer = await browser.get(await atFranceConnect(await begun(browser), id, decision))
    expect(answer.status).toBe(403)
    expect((await browser.get('/me/ada-1')).status).toBe(200)
  })

  test('a rotation of its keys in the middle is no obstacle', async () => {
    const browser = house.browser()
    const start = await begun(browser)
    await sandbox.franceConnect.rotateKeys()
    expect((await browser.get(await atFranceConnect(start))).status).toBe(303)
  })

  test('a code of another’s way is refused', async () => {
    const [one, two] = [house.browser(), house.browser()]
    const [backOne, backTwo] = [new URL(await atFranceConnect(await begun(one))), new URL(await atFranceConnect(await begun(two), 'louis'))]
    backOne.searchParams.set('code', backTwo.searchParams.get('code') ?? '')
    expect((await one.get(backOne.href)).status).toBe(403)
  })

  test('an erased person is found by nobody, and an open session shows nothing of it any more', async () => {
    const meter = 'prm:10000000000007'
    await house.permit({ id: 'gone', meter: meter.slice(4), holder: { kind: 'natural', reference: 'someone' } })
    const browser = await fromEnedis('gone')
    await browser.follow(await atFranceConnect(await begun(browser, 'link'), 'noor'))
    expect((await browser.get('/me/gone')).status).toBe(200)
    const link = await linkFor(house.parts, { permission: 'gone', by: 'uid:0' })
    await house.state.client.call('erase', { meter, ground: 'art17_1_b', by: 'test', now: Date.now() })
    await expect.poll(() => house.state.client.call('erasuresPending', {}), { timeout: 5000 }).toBe(0)
    expect((await browser.get('/me/gone')).status).toBe(404)
    expect((await browser.get('/me')).text).toContain('No permission stands')
    const later = house.browser()
    expect((await later.follow(await atFranceConnect(await begun(later), 'noor'))).text).toContain('No permission is linked')
    const path = new URL(link.url).pathname
    expect((await later.submit(await later.get(path), path)).status).toBe(404)
    await expect(linkFor(house.parts, { permission: 'gone', by: 'uid:0' })).rejects.toThrow('was erased')
  })

  test('signing out ends its session too, and comes back', async () => {
    const browser = house.browser()
    await browser.follow(await atFranceConnect(await begun(browser)))
    const out = await browser.submit(await browser.get('/me'), '/me/sign-out')
    const end = new URL(out.headers.get('location') ?? '')
    expect(`${end.origin}${end.pathname}`).toBe(`${sandbox.franceConnect.issuer}/session/end`)
    expect([...end.searchParams.keys()].toSorted()).toStrictEqual(['client_id', 'id_token_hint', 'post_logout_redirect_uri', 'state'])
    const ended = await fetch(end, { redirect: 'manual' })
    const back = ended.headers.get('location') ?? ''
    expect(back.startsWith(`${house.url}/franceconnect/signed-out?state=`)).toBe(true)
    expect((await browser.get(back)).text).toContain('You are signed out')
    expect((await browser.get('/me')).text).toContain('href="/me/enedis"')
  })

  test('one address begins 300 ways in ten minutes, and no more', async () => {
    const browser = house.browser()
    const page = await browser.get('/me')
    const submit = (): Promise<Answer> => browser.submit(page, '/franceconnect/start')
    house.ahead = 3_600_000
    for (let i = 0; i < 300; i += 1) expect((await submit()).status).toBe(303)
    expect((await submit()).status).toBe(429)
    house.ahead += 600_000
    expect((await submit()).status).toBe(303)
  })

  test('the log of the gate tells which check failed, and nothing of what was sent', () => {
    const text = house.log.join('')
    expect(text).toContain('FranceConnect proved nobody')
    expect(text).not.toMatch(/eyJ|EXEMPLE|camille|secret-of-the-service/)
  })
})

describe('FranceConnect that does not answer', () => {
  test('is told as such, and nothing changes', async () => {
    const closed = await aPortal({
      rooms: (parts, url) => {
        const { franceconnect: settings } = parts.settings
        if (!settings) throw new Error('no FranceConnect')
        const franceConnect = franceConnectOf({ settings, secret: SECRET, portalUrl: url, now: parts.now })
        return [personRoom(franceConnect), identityRoom(franceConnect)]
      },
      change: (tree) => {
        const portal = tree['portal'] as Record<string, unknown>
        portal['franceconnect'] = {
          issuer: 'http://127.0.0.1:9/api/v2',
          client_id: 'ecluse-test',
          client_secret: { env: 'TEST_FC_SECRET' },
        }
      },
    })
    const browser = closed.browser()
    const answer = await browser.submit(await browser.get('/me'), '/franceconnect/start')
    expect(answer.status).toBe(503)
    expect(answer.text).toContain('FranceConnect does not answer')
    await closed.close()
  })
})
