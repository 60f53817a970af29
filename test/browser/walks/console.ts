/** The operators' console: every page, an act, a one-time link that its person then uses, an audit request up to the download. */
import { expect } from 'vitest'
import { unzipSync } from 'fflate'
import type { Visitor } from '../visitor.ts'

const HOUSE = '10000000000001'
const PERMISSION = 'producer'

export async function looksAfterTheGate(visitor: Visitor): Promise<void> {
  const { demo } = visitor
  // Something to look at: what the demo's own requests leave.
  for (const { url, headers, name } of demo.requests) {
    if (['allowed', 'narrowed', 'refused', 'withdrawn', 'before-grant', 'home'].includes(name)) await (await fetch(url, { headers })).text()
  }
  await signsIn(visitor)
  await visitor.see('console-overview')
  await permissions(visitor)
  await decisions(visitor)
  await evidence(visitor)
  await packs(visitor)
  await clients(visitor)
  await visitor.go(`${demo.console}/shadow`)
  await visitor.see('console-shadow')
  await visitor.go(`${demo.console}/nowhere`)
  expect(visitor.status()).toBe(404)
  await visitor.see('console-not-found')
  await visitor.press('nav a[href="/session"]')
  await visitor.see('console-session')
  await visitor.press('form[action="/session/end"] button')
  await visitor.go(`${demo.console}/permissions`)
  expect(new URL(visitor.page.url()).pathname).toBe('/sign-in')
}

/** Without a look at the pages on the way. */
export async function entersConsole(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.go(`${demo.console}/`)
  await page.fill('#secret', demo.consoleSecret)
  await visitor.press('main button')
}

async function signsIn(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.go(`${demo.console}/`)
  await visitor.see('console-sign-in')
  await page.fill('#secret', 'not the secret')
  await visitor.press('main button')
  expect(visitor.status()).toBe(401)
  await visitor.see('console-wrong-secret')
  await page.fill('#secret', demo.consoleSecret)
  await visitor.press('main button')
  expect(new URL(page.url()).pathname).toBe('/')
}

async function permissions(visitor: Visitor): Promise<void> {
  const { page, demo } = visitor
  await visitor.press('nav a[href="/permissions"]')
  await page.selectOption('#client', 'viriya')
  await visitor.press('form[role="search"] button')
  expect(await page.locator('tbody tr').count()).toBeGreaterThan(10)
  await visitor.see('console-permissions')
  await visitor.press(`a[href="/permissions/${PERMISSION}"]`)
  const suspend = async (): Promise<void> => {
    await page.selectOption('#type', 'suspend')
    await page.fill('#reason', 'doute sur le titulaire')
    await visitor.press('form[action$="/acts"] button')
  }
  // In another window the same page: what is done there makes this one out of date.
  const stale = await page.content()
  await suspend()
  expect(await page.locator('#type option[value="resume"]').count()).toBe(1)
  await visitor.see('console-permission')
  await actsOnWhatChanged(visitor, stale)
  await visitor.see('console-act-refused')

  await visitor.go(`${demo.console}/permissions/${PERMISSION}`)
  await visitor.press('form[action$="/links"] button')
  await visitor.see('console-link')
  await usesTheLink(await visitor.another(), (await visitor.text('#one-time-link')).trim())
}

async function actsOnWhatChanged({ page, demo, press }: Visitor, stale: string): Promise<void> {
  const address = `${demo.console}/permissions/${PERMISSION}`
  await page.route(address, (route) => route.fulfill({ body: stale, contentType: 'text/html; charset=utf-8' }))
  await page.goto(address)
  await page.unroute(address)
  await page.selectOption('#type', 'withdrawn_by_subject')
  await press('form[action$="/acts"] button')
}

async function usesTheLink(person: Visitor, link: string): Promise<void> {
  await person.go(link)
  await person.see('portal-link')
  await person.press('form[action^="/link/"] button')
  expect(await person.page.locator('article').count()).toBe(1)
  await person.go(link)
  expect(person.status()).toBe(404)
  await person.see('portal-link-used')
}

async function decisions(visitor: Visitor): Promise<void> {
  await visitor.press('nav a[href="/decisions"]')
  await visitor.see('console-decisions')
  // Turned on by who looks, off as easily.
  await visitor.press('a[href="/decisions?refresh=on"]')
  await visitor.press('main a[href="/decisions"]')
  await visitor.press('tr:has-text("outside") a[href^="/decisions/"]')
  await visitor.see('console-decision')
  await visitor.press('form[action^="/decisions/"] button')
  await visitor.see('console-explained')
}

async function evidence(visitor: Visitor): Promise<void> {
  const { page } = visitor
  await visitor.press('nav a[href="/evidence"]')
  await page.selectOption('#type', 'access.intent')
  await visitor.press('form[role="search"] button')
  await visitor.see('console-evidence')
  await visitor.press('tbody a[href^="/evidence/"]')
  await visitor.see('console-entry')
  expect((await visitor.fetches('a[href$="/proof"]')).bytes.toString()).toContain('c2sp.org/tlog-proof')
  await page.fill('#why', 'a@b.example')
  await visitor.press('form[action$="/readings"] button')
  expect(visitor.status()).toBe(422)
  await visitor.see('console-open-refused')
  await page.fill('#why', 'question de la personne')
  await visitor.press('form[action$="/readings"] button')
  await visitor.see('console-opened')
  await visitor.press('nav a[href="/evidence"]')
  await page.fill('form[action="/evidence/readings"] #meter', HOUSE)
  await page.fill('form[action="/evidence/readings"] #why', 'question de la personne')
  await visitor.press('form[action="/evidence/readings"] button')
  expect(await page.locator('section.card').count()).toBeGreaterThan(0)
  await visitor.see('console-opened-meter')
}

async function packs(visitor: Visitor): Promise<void> {
  const { page } = visitor
  await visitor.press('nav a[href="/packs"]')
  await visitor.see('console-packs')
  await page.selectOption('#by', 'meter')
  await page.fill('#which', 'le compteur du voisin')
  await page.fill('#audience', 'CNIL')
  await page.fill('#why', 'contrôle sur pièces')
  await visitor.press('form[action="/packs"] button')
  expect(visitor.status()).toBe(422)
  await visitor.see('console-packs-mistake')
  await page.fill('#which', HOUSE)
  await visitor.press('form[action="/packs"] button')
  // The page asks again by itself, without script.
  await page.locator('#download').waitFor()
  await visitor.see('console-pack')
  const { name, bytes } = await visitor.fetches('#download')
  expect(name).toMatch(/^ecluse-pack-[\w-]{8}\.zip$/)
  expect(Object.keys(unzipSync(new Uint8Array(bytes))).length).toBeGreaterThan(3)
}

async function clients(visitor: Visitor): Promise<void> {
  const { page } = visitor
  await visitor.press('nav a[href="/clients"]')
  await visitor.see('console-clients')
  await visitor.press('a[href="/clients/solar-office"]')
  await visitor.see('console-client')
  await page.fill('#permissions', 'house')
  await visitor.press('form[action$="/tokens"] button')
  expect(visitor.status()).toBe(422)
  await visitor.see('console-token-mistake')
  await visitor.press('form[action$="/credentials"] button')
  expect((await visitor.text('#secret')).length).toBeGreaterThan(20)
  await visitor.see('console-secret')
}
