/** The person's pages over real sockets and the real state: who sees what, what a withdrawal does, and what a proof shows. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identityRoom } from '../../src/portal/identity/routes.ts'
import { personRoom } from '../../src/portal/person/routes.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { Answer, Browser, TestPortal } from '../harness/portal.ts'
import { aPortal } from '../harness/portal.ts'
import { METER, OTHER_METER } from '../harness/settings.ts'

const XSS = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>'
const ADA = { kind: 'natural', reference: 'ada', name: XSS } as const
let house: TestPortal
let ada: Browser
let read: number
let refused: number

beforeAll(async () => {
  house = await aPortal({
    rooms: () => [personRoom(undefined), identityRoom(undefined)],
    change: (tree) => {
      const [viriya] = tree['clients'] as { name: string }[]
      if (viriya) viriya.name = `Viriya ${XSS}`
    },
  })
  await house.permit({ id: 'ada-1', holder: ADA }, { id: 'ada-old', holder: ADA, client: 'office' }, { id: 'bob-1', meter: OTHER_METER })
  read = await house.read('ada-1')
  await house.permit({ id: 'other-holder', holder: { kind: 'natural', reference: 'bob' }, client: 'domoticz' })
  ada = await house.visitor('ada-1')
})
afterAll(() => house.close())

const plain = (answer: Answer): string => answer.text.replaceAll(/\s+/g, ' ')

describe('who is not signed in', () => {
  test.each(['/me', '/me/ada-1', '/me/nowhere', '/receipts/ada-1', '/me/ada-1/evidence/1', '/me/ada-1/evidence/verify.py'])(
    '%s shows the ways in, and nothing else',
    async (path) => {
      const answer = await house.browser().get(path)
      expect(answer.status).toBe(200)
      expect(answer.text).toContain('href="/me/enedis"')
      expect(answer.text).not.toContain('Viriya')
    },
  )
  test('FranceConnect is not offered where it is not configured', async () => {
    expect((await house.browser().get('/me')).text).not.toContain('/franceconnect/start')
  })
})

describe('who is signed in', () => {
  test('sees what the same holder gave on the same meter, and nothing of others', async () => {
    const { text } = await ada.get('/me')
    expect(text).toContain('href="/me/ada-1"')
    expect(text).toContain('href="/me/ada-old"')
    expect(text).not.toMatch(/bob-1|other-holder/)
    expect(text).toContain('Viriya SAS')
    expect(plain(await ada.get('/me'))).toContain('Data delivered')
  })

  test('in French as well', async () => {
    const other = await house.visitor('ada-1')
    expect((await other.get('/me?lang=fr')).text).toContain('<html lang="fr">')
    expect((await other.get('/me/ada-1')).text).toContain('Qui a lu, et quand')
  })

  test.each(['bob-1', 'other-holder', 'nowhere', '../etc/passwd', '%00'])('permission %s is not there, in the same words', async (id) => {
    const paths = [`/me/${id}`, `/me/${id}/withdrawn`, `/me/${id}/evidence/1`, `/receipts/${id}`, `/receipts/${id}.jsonld`]
    for (const path of paths) {
      const [answer, unknown] = [await ada.get(path), await ada.get('/me/unknown-permission')]
      expect(answer.status, path).toBe(404)
      // A path that is no path of a page is told so by the house.
      if (!path.includes('..')) expect(answer.text).toBe(unknown.text)
    }
  })

  test('names are text, never markup, and every page forbids scripts', async () => {
    for (const path of ['/me', '/me/ada-1', '/receipts/ada-1', `/me/ada-1/evidence/${read}`]) {
      const { text, headers } = await ada.get(path)
      expect(text, path).not.toContain('<script')
      expect(text, path).not.toContain('<img')
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('cache-control')).toBe('no-store')
    }
    expect((await ada.get('/me/ada-1')).text).toContain('Viriya &lt;script&gt;')
  })

  test('reads how it was given, on which basis, and who read which days', async () => {
    const text = plain(await ada.get('/me/ada-1'))
    expect(text).toContain('your consent (GDPR, article 6(1)(a))')
    expect(text).toContain('Checked and in force')
    expect(text).toContain(METER)
    expect(text).toContain('from 1 October 2026 to 7 October 2026')
    expect(text).toMatch(/Readings delivered<\/dt>\s*<dd>7</)
  })

  test('a receipt is made from the record where none was kept, and says so', async () => {
    const { text } = await ada.get('/receipts/ada-1')
    expect(text).toContain('no receipt was kept with it')
    expect((await ada.get('/receipts/ada-1.jsonld')).status).toBe(404)
  })
})

describe('forms', () => {
  const paths = ['/me/ada-1/withdraw', '/me/export', '/me/sign-out', '/me/ada-1/evidence/1']
  test.each(paths)('%s is refused without this browser’s token, from elsewhere, or in a foreign frame of mind', async (path) => {
    const page = await ada.get('/me/ada-1')
    const token = /name="form" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
    const foreign = /name="form" value="([^"]+)"/.exec((await (await house.visitor('bob-1')).get('/me/bob-1')).text)?.[1] ?? ''
    expect(token).not.toBe(foreign)
    const attempts = [
      ada.post(path, {}),
      ada.post(path, { form: foreign }),
      ada.post(path, { form: token }, { origin: 'https://evil.example' }),
      ada.post(path, { form: token }, { origin: 'null' }),
      ada.post(path, { form: token }, { 'sec-fetch-site': 'cross-site' }),
      ada.post(path, { form: token }, { 'sec-fetch-site': 'same-site' }),
    ]
    for (const answer of await Promise.all(attempts)) expect(answer.status).toBe(403)
    expect(house.told).toStrictEqual([])
    expect((await ada.get('/me/ada-1')).text).toContain('action="/me/ada-1/withdraw"')
  })

  test('a withdrawal of another person’s permission is answered as one of none, and does nothing', async () => {
    const token = /name="form" value="([^"]+)"/.exec((await ada.get('/me/ada-1')).text)?.[1] ?? ''
    const [foreign, unknown] = [
      await ada.post('/me/bob-1/withdraw', { form: token }),
      await ada.post('/me/nowhere/withdraw', { form: token }),
    ]
    expect([foreign.status, unknown.status]).toStrictEqual([404, 404])
    expect(foreign.text).toBe(unknown.text)
    expect(house.told).toStrictEqual([])
    expect(await house.state.client.call('showPermission', { permission: 'bob-1' })).toMatchObject({ status: 'active' })
  })
})

describe('a proof', () => {
  test('is worked out in the page, and each step is told', async () => {
    await house.drained()
    const text = plain(await ada.get(`/me/ada-1/evidence/${read}`))
    expect(text.match(/class="good">Passed/g)).toHaveLength(3)
    expect(text).not.toContain('Failed')
    expect(text).toContain('access.intent')
  })

  test('is checked by anybody with the program and the command of the page', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ecluse-proof-'))
    const page = await ada.get(`/me/ada-1/evidence/${read}`)
    for (const file of [`${read}.json`, `${read}.tlog-proof`, 'verify.py'])
      writeFileSync(join(folder, file), (await ada.get(`/me/ada-1/evidence/${file}`)).bytes)
    const command = /<pre>(python3 verify.py[^<]+)<\/pre>/.exec(page.text)?.[1]?.replaceAll('&#39;', "'") ?? ''
    expect(execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })).toBe(
      `verified: portal.test.localhost/journal/2026/${read}\n`,
    )
    const changed = (await ada.get(`/me/ada-1/evidence/${read}.json`)).text.replace('"step":"P1D"', '"step":"P1M"')
    writeFileSync(join(folder, `${read}.json`), changed)
    expect(() => execFileSync('sh', ['-c', command], { cwd: folder, stdio: 'pipe' })).toThrow(/Command failed/)
    rmSync(folder, { recursive: true })
  })

  test('of an entry that is not the person’s there is none, exactly as of a number that does not exist', async () => {
    const mine = new Set<number>()
    const entries = await house.entries()
    const unknown = await ada.get('/me/ada-1/evidence/999999')
    expect(unknown.status).toBe(404)
    for (const { n } of entries) {
      const answer = await ada.get(`/me/ada-1/evidence/${n}`)
      if (answer.status === 200) mine.add(n)
      else expect(answer.text).toBe(unknown.text)
    }
    const others = entries.filter(({ t }) => t.startsWith('log.') || t === 'admin.client' || t === 'admin.token')
    expect(others.length).toBeGreaterThan(0)
    expect(others.filter(({ n }) => mine.has(n))).toStrictEqual([])
    const bobs = entries.filter(({ t }) => t.startsWith('consent.')).length - mine.size
    expect(bobs).toBeGreaterThan(0)
  })

  test('opens sealed fields only once that is on record, once for a session', async () => {
    const looks = async () => (await house.entries()).filter(({ t }) => t === 'evidence.read').length
    const before = await looks()
    const page = await ada.get(`/me/ada-1/evidence/${read}`)
    expect(page.text).not.toContain(METER)
    expect(await looks()).toBe(before)
    const opened = await ada.submit(page, `/me/ada-1/evidence/${read}`)
    expect(opened.text).toContain(METER)
    await ada.submit(page, `/me/ada-1/evidence/${read}`)
    expect(await looks()).toBe(before + 1)
    expect((await house.entries()).findLast(({ t }) => t === 'evidence.read')).toMatchObject({ scope: { by: 'subject' } })
  })
})

describe('a withdrawal', () => {
  test('takes one form, is on record and told before the answer, and its receipt says what happens now', async () => {
    const page = await ada.get('/me/ada-1')
    const before = house.told.length
    const answer = await ada.submit(page, '/me/ada-1/withdraw')
    expect(answer.status).toBe(303)
    expect(house.told.slice(before)).toMatchObject([{ permission: 'ada-1', status: 'ended', endReason: 'withdrawn_by_subject' }])
    const done = await ada.get(answer.headers.get('location') ?? '')
    expect(plain(done)).toContain('can no longer read the data of your meter')
    expect(plain(done)).toContain('was read lawfully')
    expect(plain(done)).toContain('only you can do that, in your customer space at Enedis')
    const record = await house.state.client.call<{ acts: { type: string; details: unknown }[] }>('showPermission', { permission: 'ada-1' })
    expect(record.acts.at(-1)).toMatchObject({ type: 'withdrawn_by_subject', details: { role: 'data_subject', channel: 'web' } })
  })

  test('a second press does nothing more and shows the same receipt', async () => {
    const page = await ada.get('/me/ada-old')
    const told = house.told.length
    const again = await ada.submit(page, '/me/ada-old/withdraw')
    await ada.submit(page, '/me/ada-old/withdraw')
    expect(again.status).toBe(303)
    expect(house.told.length).toBe(told + 1)
  })

  test('pressed several times at once, or just after it ended by another way, is answered with what is so', async () => {
    await house.permit({ id: 'ada-twice', holder: ADA, client: 'office' }, { id: 'ada-over', holder: ADA, client: 'office' })
    const browser = await house.visitor('ada-twice')
    const form = /name="form" value="([^"]+)"/.exec((await browser.get('/me/ada-twice')).text)?.[1] ?? ''
    const told = house.told.length
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => browser.post('/me/ada-twice/withdraw', { form })))
    expect(answers.map(({ status }) => status)).toStrictEqual([303, 303, 303, 303, 303, 303])
    expect(house.told.length).toBe(told + 1)
    const details = { actorRole: 'data_holder', channel: 'reconciliation' }
    await house.state.client.call('act', { permission: 'ada-over', type: 'revoked_by_dso', details, now: Date.now() })
    const late = await browser.post('/me/ada-over/withdraw', { form })
    const next = await browser.get(late.headers.get('location') ?? '')
    expect([next.status, next.headers.get('location')]).toStrictEqual([303, '/me/ada-over'])
  })

  test('and the read that comes after it is shown as refused, with its proof', async () => {
    refused = await house.refuse()
    await house.drained()
    const text = plain(await ada.get('/me/ada-1'))
    expect(text).toContain('Refused: nothing was read')
    expect(text).toContain('you had withdrawn the permission')
    expect((await ada.get(`/me/ada-1/evidence/${refused}`)).text.match(/class="good">Passed/g)).toHaveLength(3)
    expect((await ada.get('/me')).text).toContain('withdrawn by you')
  })

  test('a refusal that speaks of the next holder is not shown to the one before', async () => {
    await house.permit({ id: 'eve-1', holder: { kind: 'natural', reference: 'eve' }, from: '2026-01-01', until: '2026-02-01' })
    const of = await house.refuse()
    await house.drained()
    expect((await ada.get('/me/ada-1')).text).not.toContain(`id="a-${of}"`)
    expect((await ada.get(`/me/ada-1/evidence/${of}`)).status).toBe(404)
    const eve = await house.visitor('eve-1')
    expect((await eve.get('/me/eve-1')).text).toContain(`id="a-${of}"`)
    expect((await eve.get(`/me/eve-1/evidence/${refused}`)).status).toBe(404)
    const page = await eve.get(`/me/eve-1/evidence/${of}`)
    // A word: three letters may stand in any fingerprint.
    expect((await eve.submit(page, `/me/eve-1/evidence/${of}`)).text).not.toMatch(/\bada\b/)
  })
})

describe('a meter that changed hands', () => {
  test('what an entry of one holder says of permissions of the other stays closed', async () => {
    const meter = '10000000000008'
    await house.permit(
      { id: 'first-holder', meter, holder: ADA },
      { id: 'second-holder', meter, holder: { kind: 'natural', reference: 'eve' } },
    )
    const n = await house.read('second-holder', meter)
    await house.drained()
    const eve = await house.visitor('second-holder')
    const path = `/me/second-holder/evidence/${n}`
    const opened = await eve.submit(await eve.get(path), path)
    expect(opened.text).toContain(meter)
    expect(opened.text).not.toContain('first-holder')
    expect(plain(opened)).toContain('Fields that speak of other people too and stay closed: 1')
    const files = unzipSync((await eve.submit(await eve.get('/me'), '/me/export')).bytes)
    const disclosures = JSON.parse(
      Buffer.from(files[`permissions/second-holder/entries/${n}.disclosures.json`] ?? []).toString(),
    ) as string[]
    expect(disclosures.length).toBeGreaterThan(0)
    const said = [...Object.values(files), ...disclosures.map((each) => Buffer.from(each, 'base64url'))].map((bytes) =>
      Buffer.from(bytes).toString(),
    )
    expect(said.filter((text) => text.includes('first-holder'))).toStrictEqual([])
  })
})

describe('everything, downloaded', () => {
  test('is a ZIP of records, acts, accesses and proofs that its own program verifies; nobody else is in it', async () => {
    await house.drained()
    const answer = await ada.submit(await ada.get('/me'), '/me/export')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/zip')
    const files = unzipSync(answer.bytes)
    const text = (name: string): string => Buffer.from(files[name] ?? []).toString()
    expect(Object.keys(files)).toEqual(
      expect.arrayContaining([
        'LISEZMOI.txt',
        'README.txt',
        'vkey.txt',
        'checkpoint.txt',
        'verify.py',
        'permissions/ada-1/record.json',
        'permissions/ada-1/record.jsonld',
        'permissions/ada-1/acts.json',
        'permissions/ada-1/accesses.csv',
        'permissions/ada-1/accesses.json',
        `permissions/ada-1/entries/${read}.json`,
        `permissions/ada-1/entries/${read}.tlog-proof`,
        `permissions/ada-1/entries/${read}.disclosures.json`,
      ]),
    )
    expect(JSON.parse(text('permissions/ada-1/record.json'))).toMatchObject({
      id: 'ada-1',
      content: { meter: `prm:${METER}`, holder: ADA },
    })
    expect(JSON.parse(text('permissions/ada-1/record.jsonld'))).toMatchObject({ '@type': 'dpv:ConsentRecord', 'ext:status': 'ended' })
    const accesses = JSON.parse(text('permissions/ada-1/accesses.json')) as { n: number; result: string }[]
    expect(accesses.map(({ n, result }) => [n, result])).toStrictEqual([
      [refused, 'refused'],
      [read, 'delivered'],
    ])
    expect(text('permissions/ada-1/accesses.csv').split('\r\n')).toHaveLength(4)
    const all = Object.values(files).map((bytes) => Buffer.from(bytes).toString())
    expect(all.some((each) => /bob-1|eve-1|other-holder/.test(each))).toBe(false)

    const folder = mkdtempSync(join(tmpdir(), 'ecluse-export-'))
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), bytes)
    }
    const vkey = text('vkey.txt').trim()
    expect(execFileSync('python3', ['verify.py', '--vkey', vkey, '.'], { cwd: folder, encoding: 'utf8' })).toMatch(
      /^verified: \d+ entries, \d+ sealed fields; 0 entries without a proof yet\n$/,
    )
    const entry = join(folder, `permissions/ada-1/entries/${read}.json`)
    writeFileSync(entry, text(`permissions/ada-1/entries/${read}.json`).replace('self_view', 'marketing'))
    expect(() => execFileSync('python3', ['verify.py', '--vkey', vkey, '.'], { cwd: folder, stdio: 'pipe' })).toThrow(/Command failed/)
    rmSync(folder, { recursive: true })
  })
})

describe('pages of accesses', () => {
  test('newest first, none twice, none left out', async () => {
    await house.permit({ id: 'busy', meter: '10000000000009' })
    const made: number[] = []
    for (let i = 0; i < 45; i += 1) made.push(await house.read('busy', '10000000000009'))
    await house.drained()
    const browser = await house.visitor('busy')
    const seen: number[] = []
    for (let next: string | undefined = '/me/busy'; next !== undefined;) {
      const { text } = await browser.get(next)
      seen.push(...[...text.matchAll(/id="a-(\d+)"/g)].map((m) => Number(m[1])))
      next = /href="(\/me\/busy\?before=\d+)#accesses"/.exec(text)?.[1]
    }
    expect(seen).toStrictEqual(made.toReversed())
  })

  test('a browser that goes away in the middle of its download leaves room for the next', async () => {
    const browser = await house.visitor('busy')
    const form = /name="form" value="([^"]+)"/.exec((await browser.get('/me')).text)?.[1] ?? ''
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const body = new URLSearchParams({ form }).toString()
    const type = 'application/x-www-form-urlencoded'
    const head = `POST /me/export HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`
    for (let i = 0; i < 8; i += 1) {
      const socket = connect(Number(new URL(house.url).port), '127.0.0.1')
      socket.write(head + body)
      const [first] = (await once(socket, 'data')) as [Buffer]
      expect(first.toString('latin1')).toContain('HTTP/1.1 200')
      socket.destroy()
    }
    await expect.poll(async () => (await browser.post('/me/export', { form })).status).toBe(200)
  })

  test('no more than four downloads run, however close together they are asked for', async () => {
    const browser = await house.visitor('busy')
    const form = /name="form" value="([^"]+)"/.exec((await browser.get('/me')).text)?.[1] ?? ''
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const body = new URLSearchParams({ form }).toString()
    const type = 'application/x-www-form-urlencoded'
    const head = `POST /me/export HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`
    const sockets = Array.from({ length: 12 }, () => connect(Number(new URL(house.url).port), '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const answers = sockets.map((socket) => once(socket, 'data') as Promise<[Buffer]>)
    for (const socket of sockets) socket.write(head + body)
    const served = (await Promise.all(answers)).filter(([first]) => first.toString('latin1').startsWith('HTTP/1.1 200'))
    for (const socket of sockets) socket.destroy()
    expect(served).toHaveLength(4)
    await expect.poll(async () => (await browser.post('/me/export', { form })).status).toBe(200)
  })
})

test('what all of this leaves behind is a log that verifies; that nothing lies in clear is looked at when it is closed', async () => {
  await house.drained()
  expect(await verifyPlace(join(house.folder, 'state'))).toMatchObject({ ok: true })
  house.secret.add('10000000000009', XSS, ...ada.cookies.values())
})
