/**
 * What the demo has no occasion for: operators who sign in at their organisation's provider, one who only audits, a policy
 * on trial that decides otherwise, and too many wrong secrets. Each page is held to what the others are.
 */
import type { Browser, Page, Response } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SeenDecision, ShadowDifference } from '../../src/console/ports.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { Language } from '../../src/web/language.ts'
import { LANGUAGES } from '../../src/web/language.ts'
import type { TestConsole } from '../harness/console.ts'
import { aConsole, freePort, withConsole } from '../harness/console.ts'
import type { OpenIdProvider } from '../harness/openid.ts'
import { CLIENT_ID, openIdProvider } from '../harness/openid.ts'
import { secretsOf } from '../harness/settings.ts'
import { contextOf, launch } from './chromium.ts'
import type { Lens } from './inspect.ts'
import { faultsOf, lensOf } from './inspect.ts'

let browser: Browser
let lens: Lens
let provider: OpenIdProvider
let desk: TestConsole

beforeAll(async () => {
  browser = await launch()
  lens = await lensOf(browser)
  provider = await openIdProvider()
  const oidc = {
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    client_secret: { env: 'TEST_OIDC_SECRET' },
    operators: ['gate-admins'],
    auditors: ['gate-auditors'],
  }
  const change = withConsole(await freePort(), { oidc })
  desk = await aConsole({
    env: { ...secretsOf(), TEST_OIDC_SECRET: provider.secret },
    decisions: [SEEN],
    differences: [DIFFERENCE],
    tallies: [{ rule: 'see-own-data', same: 12, stricter: 2, wider: 1, otherwise: 0 }],
    change(tree) {
      change(tree)
      tree['shadow_policy'] = 'other.yaml'
    },
  })
  await desk.permit({ id: 'p-read' }, ...Array.from({ length: 55 }, (_, i) => ({ id: `many-${i}`, client: 'domoticz' as const })))
})
afterAll(async () => {
  await browser.close()
  await desk.stop()
  await provider.close()
})

const SEEN: SeenDecision = {
  at: Date.UTC(2026, 9, 25, 0, 30) as Millis,
  client: 'viriya',
  provider: 'enedis-data-connect',
  api: 'consumption_load_curve',
  kind: 'load_curve',
  direction: 'withdrawal',
  step: 'recorded',
  asked: '2026-10-18/2026-10-25',
  result: 'deny',
  reason: 'period_outside',
  rule: 'see-own-data',
  permission: 'p-read',
  entry: { n: 1, name: 'log/1' },
}
const DIFFERENCE: ShadowDifference = {
  at: SEEN.at,
  client: 'viriya',
  kind: 'load_curve',
  live: { result: 'deny', reason: 'period_outside', rule: 'see-own-data' },
  shadow: { result: 'narrow', reason: null, rule: 'see-own-data' },
  entry: { n: 1, name: 'log/1' },
}

describe.each(LANGUAGES)('an operator who reads %s', (language) => {
  beforeEach(() => {
    provider.lies = {}
    provider.person = { sub: 'ada', preferred_username: 'Ada', roles: ['gate-admins'] }
  })

  test('comes in by the provider, and sees a policy on trial', async () => {
    const faults = await visiting(language, async (page, see) => {
      await page.goto(`${desk.url}/shadow`)
      await see('sign-in with a provider')
      await page.click('a[href^="/sign-in/provider"]')
      // The page in between leads on by itself, without script.
      await page.waitForURL(`${desk.url}/shadow`)
      await see('differences of a policy on trial')
      await page.goto(`${desk.url}/decisions`)
      await see('decisions')
      await page.goto(`${desk.url}/permissions?client=domoticz`)
      await see('a full page of permissions')
      await page.click('a[rel="next"]')
      expect(await page.locator('tbody tr').count()).toBe(5)
    })
    expect(faults).toStrictEqual([])
  })

  test('who audits is offered nothing that changes anything', async () => {
    provider.person = { sub: 'bea', preferred_username: 'Béa', roles: ['gate-auditors'] }
    const faults = await visiting(language, async (page, see) => {
      await page.goto(`${desk.url}/permissions/p-read`)
      await page.click('a[href^="/sign-in/provider"]')
      await page.waitForURL(`${desk.url}/permissions/p-read`)
      expect(await page.locator('main form').count()).toBe(0)
      await see('a permission for who audits')
      await page.goto(`${desk.url}/clients/viriya`)
      expect(await page.locator('main form').count()).toBe(0)
      await see('a client for who audits')
      await page.goto(`${desk.url}/session`)
      await see('session of who audits')
    })
    expect(faults).toStrictEqual([])
  })

  test.each([
    ['has no role here', () => void (provider.person = { sub: 'eve', preferred_username: 'Eve', roles: [] })],
    ['was refused by the provider', () => void (provider.lies = { error: 'access_denied' })],
  ])('who %s is told so', async (name, given) => {
    given()
    const faults = await visiting(language, async (page, see, last) => {
      await page.goto(`${desk.url}/sign-in`)
      await page.click('a[href^="/sign-in/provider"]')
      await page.locator('main a[href="/sign-in"]').waitFor()
      expect(last()?.status()).toBe(403)
      await see(name)
    })
    expect(faults).toStrictEqual([])
  })
})

test('whoever tries too many secrets waits', async () => {
  const faults = await visiting('fr', async (page, see, last) => {
    await page.goto(`${desk.url}/sign-in`)
    for (let i = 0; i < 11; i += 1) {
      await page.fill('#secret', `guess ${i}`)
      await Promise.all([page.waitForEvent('domcontentloaded'), page.click('main button')])
    }
    expect(last()?.status()).toBe(429)
    await see('too many secrets')
  })
  expect(faults).toStrictEqual([])
})

type Walk = (page: Page, see: (name: string) => Promise<void>, last: () => Response | undefined) => Promise<void>

/** @returns what is wrong with the pages that were seen */
async function visiting(language: Language, walk: Walk): Promise<readonly string[]> {
  const context = await contextOf(browser, language)
  const page = await context.newPage()
  const faults: string[] = []
  let last: Response | undefined
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() && (response.status() < 300 || response.status() >= 400)) last = response
  })
  try {
    await walk(
      page,
      async (name) => {
        faults.push(...(await faultsOf({ name, language, page, url: page.url(), text: (await last?.text()) ?? '' }, lens)))
      },
      () => last,
    )
    return faults
  } finally {
    await context.close()
  }
}
