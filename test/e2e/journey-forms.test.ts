/**
 * The pages of a consent and their forms: nothing is ticked beforehand, nothing comes from elsewhere or goes there, no
 * other site can give in a person's place, and what is sent twice counts once.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page, Walker } from '../harness/walker.ts'
import { attribute, formOf, mainOf } from '../harness/walker.ts'
import type { House } from './journey-given.ts'
import { aHouse, BIG_ID, BOTH_WAYS, DAYS_ONLY, HOUSE, PRODUCER, recorded, ticked, tokenOn } from './journey-given.ts'

let house: House
beforeAll(async () => {
  house = await aHouse('v2')
})
afterAll(() => house.stop())

const title = (page: Page): string => /<h1>([^<]*)/.exec(page.text)?.[1] ?? page.text.slice(0, 200)
const asked = (browser: Walker, language = 'fr'): Promise<Page> =>
  browser.get(`${house.gate.url}/consent/new?client=viriya&lang=${language}`)

describe('the page that asks', () => {
  const words = {
    fr: [
      'demande à lire des données',
      'Courbe de charge (relevés fins)',
      'Énergie par jour',
      'Rien n’est coché d’avance',
      'retirer votre accord',
      'CNIL',
      'Trois ans',
      'Refuser',
    ],
    en: [
      'asks to read data',
      'Load curve (fine readings)',
      'Energy per day',
      'Nothing is ticked beforehand',
      'withdraw at any time',
      'CNIL',
      'Three years',
      'Refuse',
    ],
  } as const

  test.each(['fr', 'en'] as const)('in %s: who asks, what for, which data, how long; one box a line, none ticked', async (language) => {
    const page = await asked(house.browser(), language)
    expect(page.status).toBe(200)
    const said = mainOf(page)
    expect(page.text).toContain(`<html lang="${language}">`)
    for (const word of [...words[language], 'Viriya SAS', 'dpo@viriya.example', 'exploitant@test.example']) expect(said).toContain(word)
    const boxes = [...said.matchAll(/<input[^>]*type="checkbox"[^>]*>/g)].map(([tag]) => tag)
    expect(boxes.map((tag) => attribute(tag, 'value'))).toStrictEqual(['l1', 'l2', 'l3', 'l4'])
    expect(said).not.toMatch(/\bchecked\b|\bselected\b/)
    // Each box has its own label and its own reason.
    for (const id of ['l1', 'l2', 'l3', 'l4']) {
      expect(said.match(new RegExp(`<label for="${id}">`, 'g'))).toHaveLength(1)
      expect(said.match(new RegExp(`id="${id}-why"`, 'g'))).toHaveLength(1)
    }
    // Days, half-hours and advice are choices apart: each with its own kind, step and purpose.
    const labels = [...said.matchAll(/<label for="l\d">([^<]*)<\/label>/g)].map(([, text]) => text)
    expect(new Set(labels.slice(0, 3)).size).toBe(3)
    const why = (id: string): string => new RegExp(`id="${id}-why"[^>]*>([^<]*)`).exec(said)?.[1] ?? ''
    expect([why('l1').includes('self_view'), why('l4').includes('solar_sizing')]).toStrictEqual([true, true])
    // What settings say is text, whatever it holds.
    expect(said).toContain('Hébergeur &lt;b&gt;Exemple&lt;/b&gt;')
  })

  test('refusing stands beside accepting, and takes as much', async () => {
    const browser = house.browser()
    const page = await asked(browser)
    const buttons = [...mainOf(page).matchAll(/<button type="submit" name="answer" value="(\w+)"/g)].map(([, value]) => value)
    expect(buttons).toStrictEqual(['go', 'refuse'])
    const before = await recorded(house.gate)
    const end = await browser.submit(page, [
      ['line', 'l1'],
      ['answer', 'refuse'],
    ])
    expect([end.status, title(end)]).toStrictEqual([200, 'Vous avez refusé'])
    expect(await recorded(house.gate)).toStrictEqual(before)
  })

  test('a refusal that is sent many times at once is one entry of the log', async () => {
    const refusals = async (): Promise<number> => (await house.gate.entries()).filter(({ t }) => t === 'admin.refusal').length
    const browser = house.browser()
    const page = await asked(browser)
    const before = await refusals()
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.post(page, [['answer', 'refuse']])))
    expect(new Set(answers.map(({ status }) => status < 400))).toStrictEqual(new Set([true]))
    expect(await refusals()).toBe(before + 1)
  })

  test.each([
    ['nothing is ticked', [['answer', 'go']]],
    [
      'a line is ticked that was not asked for',
      [
        ['line', 'l9'],
        ['answer', 'go'],
      ],
    ],
    ['neither button is named', [['line', 'l1']]],
    [
      'the answer stands twice',
      [
        ['line', 'l1'],
        ['answer', 'go'],
        ['answer', 'refuse'],
      ],
    ],
  ] as const)('where %s the page says so, and nobody is sent away', async (_name, values) => {
    const browser = house.browser()
    const again = await browser.submit(await asked(browser), values)
    expect([again.status, new URL(again.url).origin]).toStrictEqual([422, house.gate.url])
    expect(mainOf(again)).toContain('role="alert"')
    expect(mainOf(again)).toContain('aria-describedby="pick"')
    expect(mainOf(again)).not.toMatch(/\bchecked\b/)
  })

  test('a client that is not declared, asks nothing or is named twice begins no journey', async () => {
    for (const query of ['client=stranger', 'client=office', 'clients=viriya', 'client=viriya%20', 'client=__proto__']) {
      const page = await house.browser().get(`${house.gate.url}/consent/new?${query}`)
      expect([query, page.status]).toStrictEqual([query, 404])
    }
  })
})

describe('what a page may load and who may frame it', () => {
  test('the same on every page of a journey: nothing from elsewhere, framed by nobody, kept by no cache', async () => {
    const browser = house.browser()
    const pages = [
      await browser.get(`${house.gate.url}/`),
      await asked(browser),
      await browser.get(`${house.gate.url}/consent/new?client=no`),
    ]
    const enedis = await browser.submit(pages[1] as Page, ticked(['l3']))
    const callback = await house.accepted(browser, enedis, PRODUCER)
    house.sandbox.delayServices(1)
    const wait = await browser.get(callback.href)
    pages.push(wait, await browser.get(wait.url))
    pages.push(await browser.get(wait.url.replace('/check', '/done')), await browser.get(callback.href))
    const refused = house.browser()
    pages.push(
      await refused.submit(await asked(refused), [['answer', 'refuse']]),
      await refused.submit(await asked(refused), [['answer', 'go']]),
    )
    expect(pages.map((p) => p.status)).toStrictEqual([200, 200, 404, 200, 200, 200, 400, 200, 422])
    for (const page of pages) {
      const policy = page.headers.get('content-security-policy') ?? ''
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("base-uri 'none'")
      expect(policy).not.toContain('unsafe')
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      expect(page.headers.get('x-content-type-options')).toBe('nosniff')
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('referrer-policy')).toBe('same-origin')
      expect(page.text).not.toMatch(/<script|<iframe|<img|<object|<embed|\sstyle=|\son\w+=/i)
      const loaded = [...page.text.matchAll(/<(?:link|img|script|source)[^>]*(?:href|src)="([^"]*)"/g)].map(([, url]) => url)
      expect(loaded.length).toBeGreaterThan(0)
      expect(loaded.every((url) => (url ?? '').startsWith('/') || url === 'data:,')).toBe(true)
    }
  })

  test('forms may lead to Enedis, and to the service that began the journey', async () => {
    const browser = house.browser()
    const own = await asked(browser)
    expect(own.headers.get('content-security-policy')).toContain(`form-action 'self' ${house.sandbox.url};`)
    const start = '/dataconnect/v2/oauth2/authorize?client_id=viriya&response_type=code&state=s&duration=P1Y'
    const client = await browser.get(house.gate.url + start)
    const [, targets] = /form-action ([^;]*);/.exec(client.headers.get('content-security-policy') ?? '') ?? []
    // A service on https may send its people on to another host of its own.
    expect(targets?.split(' ')).toStrictEqual(["'self'", house.sandbox.url, 'https:'])
  })

  test('the cookie is for this site alone and out of reach of scripts', async () => {
    const page = await house.browser().get(`${house.gate.url}/`)
    const [cookie] = page.headers.getSetCookie()
    expect(cookie).toMatch(/^ecluse=[\w-]{43}; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/)
  })
})

describe('who may send a form', () => {
  const goesNowhere = async (send: (browser: Walker, page: Page) => Promise<Page>): Promise<void> => {
    const browser = house.browser()
    const page = await asked(browser)
    const answer = await send(browser, page)
    expect([answer.status, title(answer)]).toStrictEqual([403, 'Formulaire périmé'])
    expect(answer.headers.get('location')).toBeNull()
    // It was not done, and can still be done.
    const true_ = await browser.post(page, ticked(['l1']))
    expect(true_.headers.get('location')).toContain('/dataconnect/v2/oauth2/authorize?')
  }

  test.each([
    ['another site', { origin: 'https://evil.example' }],
    ['no origin at all, as from a sandboxed frame', { origin: 'null' }],
    ['the same host on another port', { origin: 'http://127.0.0.1:1' }],
    ['another site, as the browser says it', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbour under the same domain', { 'sec-fetch-site': 'same-site' }],
    ['nowhere', { 'sec-fetch-site': 'none' }],
  ])('not one from %s', async (_name, headers) => {
    await goesNowhere((browser, page) => browser.post(page, ticked(['l1']), headers))
  })

  test.each([
    ['none', (): string | undefined => undefined],
    ['an empty one', (): string | undefined => ''],
    ['half of it', (own: string): string | undefined => own.slice(0, 20)],
    ['one that is longer', (own: string): string | undefined => `${own}AAAA`],
    ['another one', (): string | undefined => 'A'.repeat(43)],
  ])('not one with a token that is %s', async (_name, change) => {
    await goesNowhere((browser, page) => {
      const { action, body } = formOf(page)
      const token = change(body.get('form') ?? '')
      if (token === undefined) body.delete('form')
      else body.set('form', token)
      for (const [name, value] of ticked(['l1'])) body.append(name, value)
      return browser.step(action, { method: 'POST', body })
    })
  })

  test('not one with another browser’s token', async () => {
    const other = formOf(await asked(house.browser())).body.get('form') ?? ''
    await goesNowhere((browser, page) => {
      const { action } = formOf(page)
      const body = new URLSearchParams([['form', other], ...ticked(['l1']).map(([name, value]) => [name, value])])
      return browser.step(action, { method: 'POST', body })
    })
  })

  test('not one for another browser’s journey, token or not', async () => {
    const page = await asked(house.browser())
    const thief = house.browser()
    await asked(thief)
    const answer = await thief.post(page, ticked(['l1']))
    expect(answer.status).toBe(404)
  })

  test('looking gives nothing: no GET of a journey changes what is on record', async () => {
    const browser = house.browser()
    const page = await asked(browser)
    const before = await recorded(house.gate)
    const { action, body } = formOf(page)
    for (const [name, value] of ticked(['l1'])) body.append(name, value)
    const answer = await browser.step(`${action}?${body.toString()}`)
    expect([answer.status, answer.headers.get('location')]).toStrictEqual([200, null])
    expect((await browser.step(`${action}/meters`)).status).toBe(404)
    expect((await browser.step(`${action}/check`)).headers.get('location')).toBe(new URL(action).pathname)
    expect(await recorded(house.gate)).toStrictEqual(before)
  })

  test('a form that is too long or none is refused as such', async () => {
    const browser = house.browser()
    const { action, body } = formOf(await asked(browser))
    body.append('line', 'x'.repeat(70_000))
    const long = await browser.step(action, { method: 'POST', body })
    expect(long.status).toBe(413)
    const json = await fetch(action, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: browser.cookies() },
      body: '{"answer":"go","line":["l1"]}',
    })
    expect([400, 403, 415]).toContain(json.status)
  })
})

describe('what is sent twice', () => {
  test('a doubled answer to the page leads to Enedis twice, and one of the ways counts', async () => {
    const browser = house.browser()
    const page = await asked(browser)
    const sent = await Promise.all([1, 2].map(() => browser.post(page, ticked(['l1']))))
    const states = sent.map((p) => new URL(p.headers.get('location') ?? '').searchParams.get('state'))
    expect(new Set(states).size).toBe(2)
    const enedis = await browser.get(sent[1]?.headers.get('location') ?? '')
    const end = await browser.get((await house.accepted(browser, enedis, HOUSE)).href)
    expect(title(end)).toBe('C’est fait')
  })

  test('reloading the check, and the back button after the end, give nothing more', async () => {
    const browser = house.browser()
    const page = await asked(browser)
    const enedis = await browser.submit(page, ticked(['l1', 'l2']))
    const callback = await house.accepted(browser, enedis, BIG_ID)
    const end = await browser.get(callback.href)
    expect(tokenOn(end)).not.toBe('')
    const before = await recorded(house.gate)
    const entries = (await house.gate.entries()).length
    const again = [
      await browser.get(end.url),
      await browser.get(page.url),
      await browser.get(end.url.replace('/check', '')),
      await browser.get(end.url.replace('/check', '/done')),
    ]
    expect(again.slice(0, 1).map(title)).toStrictEqual(['C’est fait'])
    expect(again.at(-1)?.status).toBe(200)
    expect(again.every((p) => tokenOn(p) === '')).toBe(true)
    // The form of the page before carries the token of the visit before.
    expect((await browser.post(page, ticked(['l1', 'l2', 'l3']))).status).toBe(403)
    expect(await recorded(house.gate)).toStrictEqual(before)
    expect((await house.gate.entries()).length).toBe(entries)
  })

  test('the cookie of before the end opens nothing but the end', async () => {
    const browser = house.browser()
    const enedis = await house.toEnedis(browser, ['l1'])
    const callback = await house.accepted(browser, enedis, DAYS_ONLY)
    const moved = await browser.step(callback.href)
    const fixed = browser.copy()
    const check = new URL(moved.headers.get('location') ?? '', house.gate.url).href
    expect(title(await browser.step(check))).toBe('C’est fait')
    expect(browser.cookies()).not.toBe(fixed.cookies())
    const seen = await fixed.get(check)
    expect([title(seen), tokenOn(seen)]).toStrictEqual(['C’est fait', ''])
    const [, id] = /\/receipts\/([\w-]+)"/.exec(mainOf(seen)) ?? []
    const [mine, theirs] = await Promise.all([browser, fixed].map((one) => one.step(`${house.gate.url}/me/${id}`)))
    expect(theirs?.text).not.toContain(DAYS_ONLY)
    expect(mine?.status === theirs?.status && mine?.text === theirs?.text && mine?.status === 200).toBe(false)
  })

  test('two people at the same moment each get what is theirs', async () => {
    const [one, two] = [house.browser(), house.browser()]
    const ends = await Promise.all([house.gives(one, [BOTH_WAYS], ['l1']), house.gives(two, ['30000000000002'], ['l1'])])
    expect(ends.map(title)).toStrictEqual(['C’est fait', 'C’est fait'])
  })
})

test('evidence that cannot be written: nobody is asked anything', async () => {
  const closed = await aHouse('v2', { change: (tree) => void ((tree['evidence'] as { low_water_mb: number }).low_water_mb = 1_000_000) })
  try {
    const browser = closed.browser()
    for (const path of [
      '/consent/new?client=viriya',
      '/dataconnect/v2/oauth2/authorize?client_id=viriya&response_type=code&state=s&duration=P1Y',
      '/consent/callback?autorisation_id=1&state=s',
    ]) {
      const page = await browser.get(closed.gate.url + path)
      expect([path, page.status, title(page)]).toStrictEqual([path, 503, 'Momentanément fermé'])
    }
    expect(closed.sandbox.calls()).toStrictEqual([])
  } finally {
    await closed.stop()
  }
})

test('one address begins three hundred journeys in ten minutes, and no more', async () => {
  const crowded = await aHouse('v2')
  try {
    const statuses: number[] = []
    for (let i = 0; i < 302; i += 1) statuses.push((await crowded.browser().step(`${crowded.gate.url}/consent/new?client=viriya`)).status)
    expect(statuses.slice(0, 300).every((status) => status === 303)).toBe(true)
    expect(statuses.slice(300)).toStrictEqual([429, 429])
  } finally {
    await crowded.stop()
  }
})
