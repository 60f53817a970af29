/** Journeys from the portal's own pages: giving, seeing who read, withdrawing; saying no; what goes wrong on the way. */
import { expect } from 'vitest'
import type { Visitor } from '../visitor.ts'
import { ACCEPT, ask, GO, MINE, nothingTicked, PEOPLE, REFUSE, share, SIGN_OUT } from './steps.ts'

const HOUR_MS = 3_600_000

export async function givesAndWithdraws(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.go(`${demo.gate}/`)
  await visitor.see('portal-home')
  await visitor.press('a[href="/consent/new?client=home-assistant"]')
  await nothingTicked(visitor)
  await visitor.see('portal-ask')
  await visitor.press(GO)
  expect(visitor.status()).toBe(422)
  await visitor.see('portal-ask-nothing')
  await ask(visitor, ['l1', 'l2'])
  await visitor.see('enedis-share')
  await visitor.press(ACCEPT)
  expect(visitor.status()).toBe(400)
  await visitor.see('enedis-share-mistake')
  await share(visitor, PEOPLE.first)
  expect(new URL(page.url()).origin).toBe(demo.gate)
  await visitor.see('portal-done-token')
  const token = (await visitor.text('#the-token')).trim()
  await readsAWeek(visitor, token, 200)

  await visitor.press(MINE)
  await visitor.see('portal-permissions')
  await switchesLanguage(visitor)
  await visitor.press('article a.button[href^="/me/"]')
  const permission = page.url()
  expect(await page.locator('article[aria-labelledby^="a-"]').count()).toBe(1)
  await visitor.see('portal-permission')
  await visitor.press('article[aria-labelledby^="a-"] a[href*="/evidence/"]')
  await untilProved(visitor)
  await visitor.see('portal-evidence')
  await visitor.press('form[action*="/evidence/"] button')
  expect(await visitor.text()).toContain(PEOPLE.first)
  await visitor.see('portal-evidence-opened')
  await visitor.go(permission)
  await visitor.press('a[href^="/receipts/"]')
  await visitor.see('portal-receipt')
  expect((await visitor.fetches('a[href$=".jsonld"]')).bytes.toString()).toContain('"@context"')
  await visitor.press('a.button[href^="/me/"]')
  await visitor.press('form[action$="/withdraw"] button')
  await visitor.see('portal-withdrawn')
  await readsAWeek(visitor, token, 403)
  await visitor.press('main a.button[href="/me"]')
  await visitor.see('portal-permissions-ended')
  const { name, bytes } = await visitor.fetches('form[action="/me/export"] button')
  expect([name, bytes.subarray(0, 2).toString()]).toStrictEqual(['ecluse-mes-donnees.zip', 'PK'])
  await visitor.go(`${demo.gate}/me/somebody-elses`)
  expect(visitor.status()).toBe(404)
  await visitor.see('portal-permission-missing')
  await visitor.go(`${demo.gate}/me`)
  await visitor.press(SIGN_OUT)
  await visitor.see('portal-ways-in')
}

/** As the program does into which the token was pasted. */
async function readsAWeek({ demo }: Visitor, token: string, status: number): Promise<void> {
  const day = (back: number): string => new Date(Date.now() - back * 24 * HOUR_MS).toISOString().slice(0, 10)
  const query = new URLSearchParams({ prm: PEOPLE.first, start: day(7), end: day(0) })
  const answer = await fetch(`${demo.gate}/api/daily_consumption?${query.toString()}`, { headers: { Authorization: `Bearer ${token}` } })
  expect([answer.status, await answer.text()]).toStrictEqual([
    status,
    expect.stringContaining(status === 200 ? 'interval_reading' : 'error'),
  ])
}

/** The signed checkpoint follows within seconds. */
async function untilProved({ page }: Visitor): Promise<void> {
  for (let i = 0; i < 50; i += 1) {
    if ((await page.locator('main ol strong.good').count()) === 3) return
    await page.waitForTimeout(200)
    await page.reload()
  }
  throw new Error('the proof of an access never came')
}

async function switchesLanguage({ page, language, press }: Visitor): Promise<void> {
  const other = language === 'fr' ? 'en' : 'fr'
  await press(`header a[hreflang="${other}"]`)
  expect(await page.locator('html').getAttribute('lang')).toBe(other)
  await press(`header a[hreflang="${language}"]`)
  expect(await page.locator('html').getAttribute('lang')).toBe(language)
}

export async function saysNo(visitor: Visitor): Promise<void> {
  const { demo } = visitor
  await visitor.go(`${demo.gate}/consent/new?client=viriya`)
  await visitor.press(REFUSE)
  await visitor.see('portal-refused')
  await visitor.go(`${demo.gate}/consent/new?client=viriya`)
  await ask(visitor, ['l1'])
  await visitor.press(REFUSE)
  expect(new URL(visitor.page.url()).origin).toBe(demo.gate)
  await visitor.see('portal-not-shared')
}

export async function waitsAndChooses(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  const [one, other] = PEOPLE.pair
  // Shared by the same person on the same day: Enedis counts both as one authorisation.
  await visitor.tell('share', { prm: one, clientId: 'demo-application' })
  await visitor.go(`${demo.gate}/consent/new?client=home-assistant`)
  await ask(visitor, ['l1'])
  await visitor.tell('delay-services', { times: 1_000_000 })
  await share(visitor, other)
  await visitor.see('portal-wait')
  await visitor.tell('delay-services', { times: 0 })
  await visitor.press('main a.button')
  await nothingTicked(visitor)
  await visitor.see('portal-choose')
  await visitor.press('main button')
  expect(visitor.status()).toBe(422)
  await visitor.see('portal-choose-nothing')
  await page.check('main input[type=checkbox]')
  await visitor.press('main button')
  expect(await page.locator('#the-token').count()).toBe(1)
}

export async function meetsTrouble(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  const toEnedis = async (): Promise<URL> => {
    await visitor.go(`${demo.gate}/consent/new?client=viriya`)
    await ask(visitor, ['l1'])
    return new URL(page.url())
  }
  await toEnedis()
  await visitor.tell('misbehave', { meter: 'consent', kind: 'error' })
  await visitor.press(ACCEPT)
  expect(visitor.status()).toBe(503)
  await visitor.see('portal-holder-failed')

  // What somebody else shared a month ago, put into the address by hand.
  const { searchParams } = await toEnedis()
  const ago = new Date(Date.now() - 30 * 24 * HOUR_MS).toISOString().slice(0, 10)
  await visitor.tell('share', { prm: PEOPLE.fifth, clientId: 'demo-application', from: ago })
  await visitor.go(`${demo.gate}/consent/callback?state=${searchParams.get('state')}&autorisation_id=9007199254740993`)
  expect(visitor.status()).toBe(409)
  await visitor.see('portal-foreign')

  await visitor.go(`${demo.gate}/consent/new?client=viriya`)
  const address = page.url()
  const other = await visitor.another()
  await other.go(address)
  expect(other.status()).toBe(404)
  await other.see('portal-stranger')
  await page.evaluate(`document.querySelector('input[name=form]').value = 'of-another-browser'`)
  await visitor.press(REFUSE)
  expect(visitor.status()).toBe(403)
  await visitor.see('portal-form-refused')

  await visitor.go(`${demo.gate}/consent/nowhere/to/go`)
  expect(visitor.status()).toBe(404)
  await visitor.see('portal-not-found')
  await visitor.go(`${demo.gate}/oauth/authorize?client_id=nobody&response_type=code`)
  expect(visitor.status()).toBe(400)
  await visitor.see('portal-request-refused')
  await visitor.go(`${demo.sandbox}/dataconnect/v2/oauth2/authorize?client_id=nobody`)
  await visitor.see('enedis-error')
  await visitor.go(`${demo.sandbox}/franceconnect/api/v2/authorize?client_id=nobody`)
  await visitor.see('franceconnect-error')
}

/** Of somebody whose permission the operator has on paper, and whose meter is shared already. */
export async function provesWhoItIs(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.go(`${demo.gate}/me`)
  await visitor.press('a[href="/me/enedis"]')
  await sharesAnew(visitor)
  expect(visitor.status()).toBe(409)
  await visitor.see('enedis-shared-already')
  await visitor.press('main a[href$="/mon-compte"]')
  await page.locator('main summary').click()
  await visitor.see('enedis-account')
  await visitor.press(`tr:has-text("${PEOPLE.known}") button`)
  await visitor.see('enedis-account-deleted')
  await visitor.go(`${demo.gate}/me/enedis`)
  await sharesAnew(visitor)
  expect(await page.locator('article').count()).toBe(1)

  await visitor.press('form[action="/franceconnect/start"] button')
  await nothingTicked(visitor)
  await visitor.see('franceconnect-sign-in')
  await visitor.press('button[value="sign-in"]')
  await visitor.see('franceconnect-mistake')
  await page.check('#person-camille')
  await visitor.press('button[value="sign-in"]')
  await visitor.see('portal-linked')
  await visitor.press(SIGN_OUT)
  await visitor.see('portal-signed-out')

  // FranceConnect alone is enough from now on, and in any browser.
  const later = await visitor.another()
  await signsInAs(later, 'camille')
  expect(await later.page.locator('article').count()).toBe(1)
  await later.press(SIGN_OUT)
  await signsInAs(later, 'louis')
  await later.see('portal-none-linked')
  const ending = later.page.waitForRequest(/\/session\/end\?/)
  await later.press(SIGN_OUT)
  const ended = new URL((await ending).url())
  await later.press(MINE)
  await later.press('form[action="/franceconnect/start"] button')
  await later.press('button[value="cancel"]')
  expect(later.status()).toBe(403)
  await later.see('portal-not-proven')
  ended.searchParams.delete('post_logout_redirect_uri')
  await later.go(ended.href)
  await later.see('franceconnect-signed-out')
}

async function sharesAnew(visitor: Visitor): Promise<void> {
  await visitor.page.locator('main summary').click()
  await share(visitor, PEOPLE.known)
}

async function signsInAs(visitor: Visitor, person: string): Promise<void> {
  await visitor.go(`${visitor.demo.gate}/me`)
  await visitor.press('form[action="/franceconnect/start"] button')
  await visitor.page.check(`#person-${person}`)
  await visitor.press('button[value="sign-in"]')
}
