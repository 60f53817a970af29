/**
 * The person's pages of a whole gate: from a consent given in the browser to data, to the page that says who read, to the
 * withdrawal after which the very next read is refused, and back in by each of the three ways.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unzipSync } from 'fflate'
import { bearer } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import type { Page, Walker } from '../harness/walker.ts'
import { mainOf } from '../harness/walker.ts'
import type { House } from './journey-given.ts'
import { aHouse, HOUSE, recorded, THREE, tokenOn } from './journey-given.ts'

let house: House
let url: string
let person: Walker
let token: string
let id: string
const data = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${HOUSE}&dateDebut=${today(-5)}&dateFin=${today(-2)}`
const read = (): Promise<Response> => fetch(url + data, bearer(token))

beforeAll(async () => {
  house = await aHouse('v2', {
    change(tree) {
      const portal = tree['portal'] as Record<string, unknown>
      const { url: sandbox } = portal['consent'] as { url: string }
      const issuer = `${sandbox}/franceconnect/api/v2`
      portal['franceconnect'] = { issuer, client_id: 'ecluse-test', client_secret: { env: 'TEST_ENEDIS_SECRET' } }
    },
  })
  url = house.gate.url
  house.sandbox.franceConnect.register({
    clientId: 'ecluse-test',
    secret: 'holder-client-secret-canary',
    redirectUris: [`${url}/franceconnect/callback`],
    postLogoutUris: [`${url}/franceconnect/signed-out`],
  })
  person = house.browser()
  const done = await house.gives(person, [HOUSE], ['l1'])
  token = tokenOn(done)
  const all = await recorded(house.gate)
  id = all[0]?.id ?? ''
})
afterAll(() => house.stop())

/** The form of a page that leads there. */
async function sent(browser: Walker, page: Page, action: string, values: readonly (readonly [string, string])[] = []): Promise<Page> {
  const forms = [...page.text.matchAll(/<form[^>]*\baction="([^"]*)"/g)].map((m) => m[1])
  return browser.submit(page, values, {}, forms.indexOf(action))
}

test('after the consent the page names the service, and a read of it appears there', async () => {
  const before = mainOf(await person.get(`${url}/me`))
  expect(before).toContain('Viriya SAS')
  expect(before).toContain('Aucun accès à ce jour')
  expect((await read()).status).toBe(200)
  await house.gate.entries()
  const page = mainOf(await person.get(`${url}/me/${id}`))
  expect(page).toContain('Données remises')
  expect(page).toContain('Relevés remis')
  expect(page).toContain(HOUSE)
})

test('its receipt is the very file that was kept when it was given', async () => {
  const page = mainOf(await person.get(`${url}/receipts/${id}`))
  const file = await person.get(`${url}/receipts/${id}.jsonld`)
  expect(file.headers.get('content-type')).toBe('application/ld+json')
  expect(page).toContain(createHash('sha256').update(file.text).digest('hex'))
  expect(JSON.parse(file.text)).toMatchObject({ '@type': 'dpv:ConsentReceipt', record_id: id })
})

test('each proof of the page passes', async () => {
  const page = await person.get(`${url}/me/${id}`)
  const proofs = [...new Set([...page.text.matchAll(/href="(\/me\/[^"]+\/evidence\/\d+)"/g)].map((m) => m[1]))]
  expect(proofs.length).toBeGreaterThanOrEqual(7)
  for (const path of proofs) expect(mainOf(await person.get(`${url}${path}`)).match(/class="good">Vérifié/g)).toHaveLength(3)
})

test('it is found again with FranceConnect once linked, and by no other identity', async () => {
  const start = await sent(person, await person.get(`${url}/me`), '/franceconnect/start')
  const linked = await person.submit(start, [
    ['person', 'camille'],
    ['decision', 'sign-in'],
  ])
  expect(mainOf(linked)).toContain('la prochaine fois, FranceConnect suffira')
  for (const [who, sees] of [
    ['camille', true],
    ['noor', false],
  ] as const) {
    const browser = house.browser()
    const asked = await sent(browser, await browser.get(`${url}/me`), '/franceconnect/start')
    const page = await browser.submit(asked, [
      ['person', who],
      ['decision', 'sign-in'],
    ])
    expect([who, page.text.includes(`/me/${id}`)]).toStrictEqual([who, sees])
  }
})

test('who holds the meter today sees by way of Enedis what was filed on paper for it, and nothing of other meters', async () => {
  const [meter] = THREE
  await house.gate.permit({ id: 'on-paper', meter, client: 'office' })
  const browser = house.browser()
  const enedis = await browser.get(`${url}/me/enedis`)
  const back = await house.accepted(browser, enedis, meter)
  const before = browser.cookies()
  const page = await browser.get(back.href)
  expect(page.url).toBe(`${url}/me`)
  expect(browser.cookies()).not.toBe(before)
  expect(mainOf(page)).toContain('Vous êtes passé par Enedis')
  expect(mainOf(page)).toContain('href="/me/on-paper"')
  expect(mainOf(page)).not.toContain(id)
  expect((await browser.get(`${url}/me/${id}`)).status).toBe(404)
  expect(mainOf(await browser.get(`${url}/receipts/on-paper`))).toContain('aucun reçu n’avait été gardé')
})

test('an operator’s link opens it once', async () => {
  const link = await house.gate.command<{ url: string }>('permission link', { permission: id })
  const browser = house.browser()
  const opened = await browser.submit(await browser.get(link.url), [])
  expect(opened.text).toContain(`/me/${id}`)
  expect((await house.browser().get(link.url)).status).toBe(404)
})

test('withdrawn on its page, the next read is refused, and the page shows that', async () => {
  const done = await sent(person, await person.get(`${url}/me/${id}`), `/me/${id}/withdraw`)
  expect(done.url).toBe(`${url}/me/${id}/withdrawn`)
  const refused = await read()
  expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([403, 'withdrawn'])
  await house.gate.entries()
  const page = mainOf(await person.get(`${url}/me/${id}`))
  expect(page).toContain('Refusé : rien n’a été lu')
  expect(page).toContain('vous aviez retiré l’autorisation')
  expect(page).not.toContain('/withdraw"')
  expect(await house.gate.command('permission show', { permission: id })).toMatchObject({
    status: 'ended',
    endReason: 'withdrawn_by_subject',
  })
})

test('and all of it can be taken away, the receipt and the proofs with it', async () => {
  const page = await person.get(`${url}/me`)
  const form = /action="\/me\/export">.*?name="form" value="([^"]+)"/s.exec(page.text)?.[1] ?? ''
  const answer = await fetch(`${url}/me/export`, {
    method: 'POST',
    headers: { cookie: person.cookies(), origin: url },
    body: new URLSearchParams({ form }),
  })
  const files = unzipSync(new Uint8Array(await answer.arrayBuffer()))
  const names = Object.keys(files)
  expect(names).toContain(`permissions/${id}/receipt.jsonld`)
  expect(names.filter((name) => name.startsWith(`permissions/${id}/documents/`))).toHaveLength(2)
  expect(names.filter((name) => name.endsWith('.tlog-proof')).length).toBeGreaterThanOrEqual(8)
})
