/** The console's pages over their own socket, on a state in which a real gate allowed, narrowed and refused. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SeenDecision, ShadowDifference } from '../../src/console/ports.ts'
import type { Millis } from '../../src/domain/time.ts'
import { parsePolicy } from '../../src/evidence/log/policy.ts'
import { verifyProof } from '../../src/evidence/log/proof.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { Answered, Browser, TestConsole } from '../harness/console.ts'
import { aBrowser, aConsole, freePort, signIn, withConsole } from '../harness/console.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'

/** What a person, a client or a data holder may have written. */
const NASTY = `<script>alert(1)</script>"><img src=x onerror='alert(2)'>`
const DOCUMENT = Buffer.from(`<html>${NASTY}</html>`)
const SHA = createHash('sha256').update(DOCUMENT).digest('hex')

let folder: string
let desk: TestConsole
let browser: Browser
/** Numbers of entries: a call that was made, and a refusal. */
let intent: number
let refused: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-console-'))
  const gate = await aGate({ folder })
  await gate.permit({ id: 'p-read' }, { id: 'p-ended', client: 'office' })
  const token = await gate.token()
  const answer = await fetch(gate.url + curve(METER, today(-5), today(-4)), bearer(token))
  if (answer.status !== 200) throw new Error(`the gate answered ${answer.status}`)
  await answer.text()
  const refusal = await fetch(gate.url + curve(METER, today(-800), today(-799)), bearer(token))
  if (refusal.status < 400) throw new Error(`the gate answered ${refusal.status}`)
  const entries = await gate.entries()
  intent = entries.find(({ t }) => t === 'access.intent')!.n
  refused = entries.find(({ t }) => t === 'access.refused')!.n
  const { env, holder } = gate
  await gate.stop()
  await holder.close()

  const seen: SeenDecision = {
    at: Date.now() as Millis,
    client: NASTY,
    provider: 'enedis-data-connect',
    api: NASTY,
    kind: 'load_curve',
    direction: 'withdrawal',
    step: 'recorded',
    asked: `${today(-5)}/${today(-4)}`,
    result: 'deny',
    reason: 'period_outside',
    rule: NASTY,
    permission: 'p-read',
    entry: { n: refused, name: `log/${refused}` },
  }
  const said = { result: 'deny', reason: NASTY, rule: NASTY }
  const difference: ShadowDifference = {
    at: seen.at,
    client: NASTY,
    kind: NASTY,
    live: said,
    shadow: { ...said, result: 'allow' },
    entry: { n: intent, name: `log/${intent}` },
  }
  const port = await freePort()
  desk = await aConsole({
    folder,
    env,
    decisions: [seen, { ...seen, client: 'viriya', result: 'allow', reason: null, entry: { n: intent, name: `log/${intent}` } }],
    differences: [difference],
    tallies: [{ rule: NASTY, same: 1, stricter: 2, wider: 3, otherwise: 4 }],
    link: (permission) =>
      Promise.resolve({ url: `https://portal.example/once?p=${permission}&x=<script>`, expiresAt: '2026-12-01T00:00:00.000Z' }),
    receipt: (permission) => Promise.resolve(permission === 'p-read' ? { '@context': 'https://w3id.org/dpv', note: NASTY } : null),
    change(tree) {
      withConsole(port)(tree)
      ;(tree['clients'] as Tree[])[1]!['name'] = NASTY
      tree['shadow_policy'] = join(folder, 'other.yaml')
    },
  })
  await desk.permit(
    {
      id: 'p-nasty',
      client: 'office',
      meter: OTHER_METER,
      holder: { kind: 'natural', reference: NASTY, name: NASTY },
      more: {
        notice: { id: NASTY, version: NASTY, sha256: '0'.repeat(64), language: 'fr' },
        identity: { method: NASTY, strength: 'S1' },
        attachments: [{ kind: 'signed_mandate', file: 'mandate', media_type: NASTY }],
      },
      documents: { mandate: DOCUMENT.toString('base64') },
    },
    ...Array.from({ length: 55 }, (_, i) => ({ id: `many-${String(i).padStart(2, '0')}`, client: 'domoticz' as const })),
  )
  browser = aBrowser(desk.url)
  await signIn(browser)
})
afterAll(async () => {
  await desk.stop()
  rmSync(folder, { recursive: true, force: true })
})

const PAGES = (): readonly string[] => [
  '/',
  '/permissions',
  '/permissions/p-nasty',
  '/permissions/p-read',
  '/decisions',
  '/decisions?refresh=on',
  `/decisions/${refused}`,
  '/evidence',
  `/evidence/${intent}`,
  '/packs',
  '/clients',
  '/clients/office',
  '/clients/viriya',
  '/shadow',
  '/session',
  '/nowhere',
]

/** What no page may have, whatever stands in the registry. */
function isSafe({ text, headers }: Answered): void {
  expect(text).not.toMatch(/<script|<img|<iframe|<style| style="| on\w+="|javascript:/i)
  const policy = headers.get('content-security-policy') ?? ''
  for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"])
    expect(policy).toContain(rule)
  expect(headers.get('x-frame-options')).toBe('DENY')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('referrer-policy')).toBe('same-origin')
}

/** What every page has: one language, one title, headings in order, a name for each field. */
function isWhole({ text }: Answered, language: string): void {
  expect(text).toContain(`<html lang="${language}">`)
  expect(text.match(/<h1/g)).toHaveLength(1)
  const levels = [...text.matchAll(/<h([1-6])/g)].map((m) => Number(m[1]))
  expect(levels.every((level, i) => i === 0 || level <= levels[i - 1]! + 1)).toBe(true)
  const ids = [...text.matchAll(/ id="([^"]+)"/g)].map((m) => m[1])
  expect(new Set(ids).size).toBe(ids.length)
  for (const [, kind, attributes = ''] of text.matchAll(/<(input|select|meter|progress)\b([^>]*)/g)) {
    if (attributes.includes('type="hidden"')) continue
    const id = / id="([^"]+)"/.exec(attributes)?.[1]
    expect(text, `a ${kind} without a label`).toMatch(new RegExp(`<label[^>]* for="${id}"`))
  }
  for (const href of [...text.matchAll(/href="(#[^"]+)"/g)].map((m) => m[1]!.slice(1))) expect(ids).toContain(href)
  // Not within a digest, which may spell anything.
  expect(text).not.toMatch(/(?<![\w-])(?:undefined|\[object|NaN)(?![\w-])/)
}

describe('every page', () => {
  test.each(['fr', 'en'])('is whole and safe in %s', async (language) => {
    for (const path of PAGES()) {
      const answer = await browser.get(`${path}${path.includes('?') ? '&' : '?'}lang=${language}`)
      expect([path, answer.status]).toStrictEqual([path, path === '/nowhere' ? 404 : 200])
      isSafe(answer)
      isWhole(answer, language)
    }
  })

  test('the language that was chosen stays', async () => {
    const other = aBrowser(desk.url)
    await signIn(other)
    await other.get('/permissions?lang=fr')
    expect((await other.get('/permissions')).text).toContain('<h1>Autorisations</h1>')
  })

  test.each([
    '/permissions?client=',
    '/permissions?status=',
    '/permissions?after=',
    '/evidence?type=',
    '/evidence?from=',
    '/sign-in?to=',
    '/nowhere/',
    '/permissions/',
  ])('nothing of the address %s… comes back as markup', async (path) => {
    const answer = await browser.get(path + encodeURIComponent(NASTY))
    isSafe(answer)
  })

  test('the stylesheet is ours, and the only thing that is loaded', async () => {
    const { text } = await browser.get('/')
    expect([...text.matchAll(/<link[^>]*href="([^"]+)"/g)].map((m) => m[1])).toStrictEqual(['/assets/ecluse.css', 'data:,'])
    const style = await fetch(`${desk.url}/assets/ecluse.css`)
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
  })
})

describe('permissions', () => {
  test('come in pages, and filters narrow them', async () => {
    const first = await browser.get('/permissions?client=domoticz')
    expect(first.text.match(/href="\/permissions\/many-/g)).toHaveLength(50)
    const next = /rel="next" href="([^"]+)"/.exec(first.text)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const second = await browser.get(next)
    expect(second.text.match(/href="\/permissions\/many-/g)).toHaveLength(5)
    expect(second.text).not.toContain('rel="next"')
    const by = await browser.get(`/permissions?meter=${OTHER_METER}`)
    expect([...by.text.matchAll(/href="\/permissions\/([\w-]+)"/g)].map((m) => m[1])).toStrictEqual(['p-nasty'])
    expect((await browser.get('/permissions?meter=12')).status).toBe(422)
  })

  test('a permission shows what was agreed to and what was done', async () => {
    const { text } = await browser.get('/permissions/p-nasty')
    expect(text).toContain(`prm:${OTHER_METER}`)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).toContain('came into force')
    expect(text).toContain(`/permissions/p-nasty/attachments/${SHA}`)
  })

  test('a document is a file to keep, never a page', async () => {
    const answer = await browser.get(`/permissions/p-nasty/attachments/${SHA}`)
    expect(answer.text).toBe(DOCUMENT.toString())
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="signed_mandate-[0-9a-f]{8}\.bin"$/)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
    expect((await browser.get(`/permissions/p-read/attachments/${SHA}`)).status).toBe(404)
  })

  test('the receipt that the person was given is data, never a page', async () => {
    expect((await browser.get('/permissions/p-nasty')).text).not.toContain('/receipt')
    expect((await browser.get('/permissions/p-read')).text).toContain('href="/v1/permissions/p-read/receipt"')
    const answer = await browser.get('/v1/permissions/p-read/receipt')
    expect(answer.headers.get('content-type')).toBe('application/ld+json')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(JSON.parse(answer.text)).toMatchObject({ note: NASTY })
  })

  test('is suspended and resumed by form; what was not seen is not changed', async () => {
    const page = await browser.get('/permissions/many-00')
    const head = /name="head" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
    const done = await browser.post('/permissions/many-00/acts', { csrf: page.csrf, head, type: 'suspend', reason: NASTY })
    expect(done.headers.get('location')).toBe('/permissions/many-00')
    const after = await browser.get('/permissions/many-00')
    isSafe(after)
    expect(after.text).toContain('suspended')
    expect(after.text).toContain('&lt;script&gt;')
    expect(desk.acts.at(-1)).toMatchObject({ permission: 'many-00', status: 'suspended' })
    const stale = await browser.post('/permissions/many-00/acts', { csrf: page.csrf, head, type: 'resume' })
    expect(stale.status).toBe(409)
    expect((await browser.get('/permissions/many-00')).text).toContain('value="resume"')
    expect((await browser.post('/permissions/many-00/acts', { csrf: page.csrf, head, type: 'expired' })).status).toBe(422)
  })

  test('a one-time link is shown once', async () => {
    const { csrf } = await browser.get('/permissions/p-read')
    const answer = await browser.post('/permissions/p-read/links', { csrf })
    expect(answer.text).toContain('<pre id="one-time-link">https://portal.example/once?p=p-read&amp;x=&lt;script&gt;</pre>')
    isSafe(answer)
  })
})

describe('the overview', () => {
  test('gauges say in words what they show, and the chart what the table says', async () => {
    const { text } = await browser.get('/')
    expect(text).toMatch(/main, load_curve:\s+40 calls of 1,000,000 in the hour/)
    expect(text).toMatch(/<meter id="quota-0" min="0" max="1000000" high="900000" value="40">/)
    expect(text).toMatch(/<svg class="chart"[^>]* role="img" aria-label="1 calls in 30 days, at most 1 in a day"/)
    expect(text.match(/<rect/g)).toHaveLength(30)
    // Today: one call, one refusal.
    expect(text).toMatch(/<tbody>\s*<tr>\s*<th scope="row">[^<]+<\/th><td>1<\/td><td>1<\/td>/)
  })
})

describe('decisions', () => {
  test('are listed, and the page asks again only if that is wanted', async () => {
    const still = await browser.get('/decisions')
    expect(still.headers.get('refresh')).toBeNull()
    expect(still.text).toContain('period_outside')
    const going = await browser.get('/decisions?refresh=on')
    expect(going.headers.get('refresh')).toBe('5; url=/decisions?refresh=on')
    expect(going.text).toContain('href="/decisions">Stop refreshing')
  })

  test.each([
    ['a refusal', () => refused, /went as far as|no day|days/i, 'refused'],
    ['a call', () => intent, /line .+ of permission p-read opens/, 'allowed'],
  ])('%s is explained by the one fact that decided', async (_name, of, fact, result) => {
    const ask = await browser.get(`/decisions/${of()}`)
    const told = await browser.post(`/decisions/${of()}`, { csrf: ask.csrf, why: 'a question of the client' })
    expect(told.status).toBe(200)
    expect(/<p id="fact"><strong>([^<]+)/.exec(told.text)?.[1]).toMatch(fact)
    const french = await browser.post(`/decisions/${of()}?lang=fr`, { csrf: ask.csrf, why: 'une question du client' })
    expect(/<p id="fact"><strong>([^<]+)/.exec(french.text)?.[1]).toMatch(/ancienne|ligne l1 de l’autorisation p-read ouvre/)
    isWhole(french, 'fr')
    await browser.get('/session?lang=en')
    expect(told.text).toContain(result)
    expect(told.text).toContain('href="/permissions/p-read"')
    isSafe(told)
    isWhole(told, 'en')
  })

  test('without a reason nothing is opened', async () => {
    const { csrf } = await browser.get(`/decisions/${refused}`)
    const told = await browser.post(`/decisions/${refused}`, { csrf, why: ' ' })
    expect(told.status).toBe(422)
    expect(told.text).toContain('id="why-flaw"')
    isWhole(told, 'en')
  })

  test('the second policy is compared by rule', async () => {
    const { text } = await browser.get('/shadow')
    expect(text).toMatch(/<td>1<\/td><td>2<\/td><td>3<\/td><td>4<\/td>/)
    expect(text).toContain(join(folder, 'other.yaml'))
    expect(text).toContain(`href="/decisions/${intent}"`)
  })
})

describe('evidence', () => {
  test('is listed newest first and filtered', async () => {
    const { text } = await browser.get('/evidence?type=access.refused')
    expect([...text.matchAll(/href="\/evidence\/(\d+)"/g)].map((m) => Number(m[1]))).toStrictEqual([refused])
    const all = await browser.get('/evidence')
    const numbers = [...all.text.matchAll(/<th scope="row"><a href="\/evidence\/(\d+)"/g)].map((m) => Number(m[1]))
    expect(numbers).toStrictEqual(numbers.toSorted((a, b) => b - a))
    expect(all.text).not.toContain(METER)
    const older = await browser.get(/rel="next" href="([^"]+)"/.exec(all.text)?.[1]?.replaceAll('&amp;', '&') ?? '')
    expect(older.status).toBe(200)
    expect(older.text).toContain(`href="/evidence/${numbers.at(-1)! - 1}"`)
  })

  test('an entry is proved against the signed checkpoint, and the proof is a file for others', async () => {
    const page = await browser.get(`/evidence/${intent}`)
    expect(page.text).toMatch(/<p class="good" id="verified">\s*✓/)
    const proof = await browser.get(`/evidence/${intent}/proof`)
    expect(proof.headers.get('content-disposition')).toBe(`attachment; filename="${intent}.tlog-proof"`)
    const bytes = await browser.get(`/evidence/${intent}/bytes`)
    const policy = parsePolicy(Buffer.from(`log ${readVkey()}\nquorum none\n`))
    if (!policy.ok) throw new Error(policy.why)
    expect(verifyProof(proof.text, Buffer.from(bytes.text), policy.policy)).toMatchObject({ ok: true, index: intent })
  })

  test('what is sealed opens for a reason, on record', async () => {
    const { csrf } = await browser.get(`/evidence/${intent}`)
    const opened = await browser.post(`/evidence/${intent}/readings`, { csrf, why: 'a question of the holder' })
    expect(opened.status).toBe(200)
    expect(opened.text).toContain(METER)
    const n = /id="recorded-as">[^<]*\/(\d+)</.exec(opened.text)?.[1]
    await desk.commands['audit drain']()
    expect((await browser.get(`/evidence/${n}`)).text).toContain('evidence.read')
    isWhole(opened, 'en')
  })

  test.each([
    ['no reason', ''],
    ['a reason that names a meter', `about ${METER}`],
    ['a reason that is markup', `${NASTY} 12345678`],
  ])('%s is told at the field, and the words stay', async (_name, why) => {
    const { csrf } = await browser.get(`/evidence/${intent}`)
    const told = await browser.post(`/evidence/${intent}/readings`, { csrf, why })
    expect(told.status).toBe(422)
    expect(told.text).toContain('role="alert"')
    expect(told.text).toMatch(/<input\s[^>]*id="why"[^>]*aria-describedby="why-hint why-flaw"[^>]*aria-invalid="true"/)
    isSafe(told)
    isWhole(told, 'en')
  })

  test('of a meter all is found; no meter is told at its field', async () => {
    const { csrf } = await browser.get('/evidence')
    const found = await browser.post('/evidence/readings', { csrf, meter: METER, why: 'a question of the holder' })
    expect(found.text).toContain(`id="entry-${intent}"`)
    isWhole(found, 'en')
    const wrong = await browser.post('/evidence/readings', { csrf, meter: '12', why: 'a question' })
    expect(wrong.status).toBe(422)
    expect(wrong.text).toContain('id="meter-flaw"')
  })

  test('a log that was changed does not verify, and says so', async () => {
    const log = logFolder()
    const tiles = join(log, 'tile', '0', '000.p')
    await desk.commands['audit drain']()
    const before = new Map(readdirSync(tiles).map((name) => [name, readFileSync(join(tiles, name))]))
    try {
      for (const [name, bytes] of before) {
        const changed = Buffer.from(bytes)
        // Each hash but the entry's own: what the proof is made of.
        for (let at = 0; at < changed.byteLength; at += 32) if (at !== intent * 32) changed[at]! ^= 1
        rmSync(join(tiles, name))
        writeFileSync(join(tiles, name), changed)
      }
      expect((await browser.get(`/evidence/${intent}`)).text).toMatch(/<p class="bad" id="verified">\s*✗/)
    } finally {
      for (const [name, bytes] of before) writeFileSync(join(tiles, name), bytes)
    }
    expect((await browser.get(`/evidence/${intent}`)).text).toMatch(/<p class="good" id="verified">/)
  })
})

function logFolder(): string {
  const logs = join(desk.state, 'log')
  return join(logs, readdirSync(logs)[0]!)
}
function readVkey(): string {
  return readFileSync(join(logFolder(), 'vkey.txt'), 'utf8').trim()
}

describe('packs', () => {
  async function ordered(form: Record<string, string>): Promise<string> {
    const { csrf } = await browser.get('/packs')
    const answer = await browser.post('/packs', { csrf, audience: 'Enedis', title: 'dso_contract', why: 'yearly check', ...form })
    expect(answer.status).toBe(303)
    const { pathname, search } = new URL(answer.headers.get('location') ?? '', desk.url)
    expect(search).toBe('?refresh=on')
    return pathname + search
  }
  async function finished(path: string): Promise<Answered> {
    for (let i = 0; i < 200; i += 1) {
      const page = await browser.get(path)
      isSafe(page)
      if (page.headers.get('refresh') === null) return page
      expect(page.headers.get('refresh')).toBe(`2; url=${path}`)
      expect(page.text).toContain('Stop refreshing')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('the pack was never there')
  }

  test('a pack of a meter is made, downloaded, and verifies without the gate', async () => {
    const path = await ordered({ by: 'meter', which: METER })
    const page = await finished(path)
    expect(page.text).toContain('ready')
    isWhole(page, 'en')
    const response = await fetch(`${desk.url}${path.replace('?refresh=on', '')}/file`, {
      headers: { cookie: [...browser.cookies].map(([k, v]) => `${k}=${v}`).join('; ') },
    })
    expect(response.headers.get('content-type')).toBe('application/zip')
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="ecluse-pack-[0-9a-f]{8}\.zip"$/)
    const place = mkdtempSync(join(tmpdir(), 'ecluse-pack-'))
    try {
      for (const [name, bytes] of Object.entries(unzipSync(new Uint8Array(await response.arrayBuffer())))) {
        mkdirSync(dirname(join(place, name)), { recursive: true })
        writeFileSync(join(place, name), bytes)
      }
      expect(await verifyPlace(place, { vkey: readVkey(), quiescent: false })).toMatchObject({ ok: true })
      const manifest = JSON.parse(readFileSync(join(place, 'manifest.json'), 'utf8')) as Record<string, unknown>
      expect(manifest).toMatchObject({ for: 'Enedis', why: 'dso_contract: yearly check', by: 'console:bootstrap' })
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  })

  test.each([
    ['audience', { audience: '' }],
    ['audience', { audience: 'someone@example.org' }],
    ['why', { why: '' }],
    ['why', { why: `about ${METER}` }],
    ['which', { by: 'meter', which: '12' }],
    ['which', { by: 'entries', which: '1; 2' }],
    ['which', { by: 'somebody', which: 'x' }],
  ])('what is wrong in the form is told at %s', async (field, form) => {
    const { csrf } = await browser.get('/packs')
    const all = { csrf, by: 'all', which: '', audience: 'CNIL', title: 'gdpr_art_58', why: 'asked', ...form }
    const told = await browser.post('/packs', all)
    expect(told.status).toBe(422)
    expect(told.text).toContain(`id="${field}-flaw"`)
    expect(told.text).toContain(`href="#${field}"`)
    isWhole(told, 'en')
  })

  test('an order that cannot be made says why', async () => {
    const file = join(logFolder(), 'vkey.txt')
    const before = readFileSync(file)
    try {
      // Whoever took it from there would trust somebody else.
      writeFileSync(file, 'another+00000000+AA==\n')
      const page = await finished(await ordered({ by: 'client', which: 'viriya' }))
      expect(page.text).toContain('failed')
      expect(page.text).toContain('vkey.txt was changed')
    } finally {
      writeFileSync(file, before)
    }
  })

  test('an unknown pack is told as that', async () => {
    expect((await browser.get('/packs/none')).status).toBe(404)
    expect((await browser.get('/packs/none/file')).status).toBe(404)
  })
})

describe('clients', () => {
  test('a credential is shown once, and replaced only by who saw it', async () => {
    const page = await browser.get('/clients/office')
    const made = await browser.post('/clients/office/credentials', { csrf: page.csrf, known: '' })
    const secret = /<pre id="secret">([^<]+)/.exec(made.text)?.[1] ?? ''
    expect(secret).toMatch(/^[\w-]{43}$/)
    const shown = await browser.get('/clients/office')
    expect(shown.text).not.toContain(secret)
    expect((await browser.post('/clients/office/credentials', { csrf: page.csrf, known: '' })).status).toBe(409)
    const known = /name="known" value="([^"]+)"/.exec(shown.text)?.[1] ?? ''
    expect((await browser.post('/clients/office/credentials', { csrf: page.csrf, known })).status).toBe(200)
    expect(desk.clientsCut).toStrictEqual(['office'])
  })

  test('a token is issued, listed and revoked; a wrong permission is told at its field', async () => {
    const { csrf } = await browser.get('/clients/viriya')
    const wrong = await browser.post('/clients/viriya/tokens', { csrf, permissions: 'p-ended' })
    expect(wrong.status).toBe(422)
    expect(wrong.text).toContain('id="permissions-flaw"')
    isWhole(wrong, 'en')
    const issued = await browser.post('/clients/viriya/tokens', { csrf, permissions: 'p-read' })
    expect(issued.text).toMatch(/<pre id="secret">[\w-]{43}</)
    const tokens = (await desk.commands['token list']({ client: 'viriya' })) as { id: string; permissions: unknown }[]
    const id = tokens.find(({ permissions }) => permissions === 1)?.id ?? ''
    const done = await browser.post(`/clients/viriya/tokens/${id}/revocation`, { csrf })
    expect(done.status).toBe(303)
    expect((await browser.get('/clients/viriya')).text).toContain('revoked')
  })
})
