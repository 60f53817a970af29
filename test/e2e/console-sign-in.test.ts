/** Who gets into the console: the bootstrap secret, an OpenID provider that lies, sessions that others fix, forms that others send. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Answered, Browser, TestConsole } from '../harness/console.ts'
import { aBrowser, aConsole, BOOTSTRAP_SECRET, freePort, signIn, withConsole } from '../harness/console.ts'
import type { OpenIdProvider } from '../harness/openid.ts'
import { CLIENT_ID, openIdProvider } from '../harness/openid.ts'

let provider: OpenIdProvider
let desk: TestConsole

beforeAll(async () => {
  provider = await openIdProvider()
  const port = await freePort()
  const oidc = {
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    client_secret: { env: 'TEST_OIDC_SECRET' },
    operators: ['gate-admins'],
    auditors: ['gate-auditors'],
  }
  desk = await aConsole({ change: withConsole(port, { oidc }), env: { ...(await secrets()), TEST_OIDC_SECRET: provider.secret } })
})
afterAll(async () => {
  await desk.stop()
  await provider.close()
})
afterEach(() => {
  provider.lies = {}
  provider.person = { sub: 'ada', preferred_username: 'Ada', roles: ['gate-admins'] }
})

async function secrets(): Promise<Record<string, string>> {
  const { secretsOf } = await import('../harness/settings.ts')
  return secretsOf()
}

/** Goes to the provider and comes back, as a browser does; gives the page at which it arrives. */
async function throughProvider(browser: Browser, path = '/sign-in/provider'): Promise<Answered> {
  return browser.get(await comeBack(browser, path))
}

async function comeBack(browser: Browser, path = '/sign-in/provider'): Promise<string> {
  const away = await browser.get(path)
  expect(away.status).toBe(303)
  const back = await fetch(away.headers.get('location') ?? '', { redirect: 'manual' })
  const arrived = new URL(back.headers.get('location') ?? '')
  expect(arrived.origin).toBe(desk.url)
  return arrived.pathname + arrived.search
}

describe('without a session', () => {
  test.each([
    '/',
    '/permissions',
    '/permissions/p1',
    '/decisions',
    '/evidence',
    '/evidence/1',
    '/packs',
    '/clients',
    '/shadow',
    '/session',
  ])('%s leads to the sign-in page', async (path) => {
    const answer = await aBrowser(desk.url).get(path)
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toMatch(/^\/sign-in(\?to=|$)/)
    expect(answer.text).toBe('')
  })

  test('what was filtered for is not in the address of the sign-in page', async () => {
    const answer = await aBrowser(desk.url).get('/permissions?meter=10000000000001')
    expect(answer.headers.get('location')).toBe('/sign-in?to=%2Fpermissions')
  })

  test('a form is not taken', async () => {
    const answer = await aBrowser(desk.url).post('/permissions/p1/acts', { type: 'invalidated', head: 'x', csrf: 'x' })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe('/sign-in')
  })
})

describe('the bootstrap secret', () => {
  test('opens the console; the cookie is HttpOnly and Strict', async () => {
    const browser = aBrowser(desk.url)
    const { csrf } = await browser.get('/sign-in')
    const answer = await browser.post('/sign-in', { csrf, secret: BOOTSTRAP_SECRET, to: '/evidence' })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe('/evidence')
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('ecluse-console='))
    expect(cookie).toMatch(/; Path=\//)
    expect(cookie).toMatch(/; HttpOnly/)
    expect(cookie).toMatch(/; SameSite=Strict/)
    expect((await browser.get('/')).status).toBe(200)
  })

  test('a wrong one does not, and says so at the field', async () => {
    const browser = aBrowser(desk.url)
    const answer = await signIn(browser, 'not the secret')
    expect(answer.status).toBe(401)
    expect(answer.text).toContain('aria-describedby="secret-flaw"')
    expect(answer.text).toContain('That is not the secret.')
    expect((await browser.get('/')).status).toBe(303)
  })

  test.each(['//elsewhere.example', 'https://elsewhere.example', '/\\elsewhere.example', 'javascript:alert(1)'])(
    'it never leads to %s',
    async (to) => {
      const browser = aBrowser(desk.url)
      const page = await browser.get(`/sign-in?to=${encodeURIComponent(to)}`)
      expect(page.text).toContain('name="to" value="/"')
      const answer = await browser.post('/sign-in', { csrf: page.csrf, secret: BOOTSTRAP_SECRET, to })
      expect(answer.headers.get('location')).toBe('/')
    },
  )

  test('the sign-in form is tied to the browser that was shown it', async () => {
    const attacker = await aBrowser(desk.url).get('/sign-in')
    const victim = aBrowser(desk.url)
    await victim.get('/sign-in')
    const answer = await victim.post('/sign-in', { csrf: attacker.csrf, secret: BOOTSTRAP_SECRET, to: '/' })
    expect(answer.status).toBe(403)
    expect(victim.cookies.has('ecluse-console')).toBe(false)
  })
})

describe('sessions', () => {
  test('an id that was there before is never taken over', async () => {
    const browser = aBrowser(desk.url)
    const planted = 'A'.repeat(43)
    browser.cookies.set('ecluse-console', planted)
    await signIn(browser)
    expect(browser.cookies.get('ecluse-console')).not.toBe(planted)
    const attacker = aBrowser(desk.url)
    attacker.cookies.set('ecluse-console', planted)
    expect((await attacker.get('/')).status).toBe(303)
  })

  test('signing in again ends the session before', async () => {
    const browser = aBrowser(desk.url)
    await signIn(browser)
    const first = browser.cookies.get('ecluse-console') ?? ''
    await signIn(browser)
    const old = aBrowser(desk.url)
    old.cookies.set('ecluse-console', first)
    expect((await old.get('/')).status).toBe(303)
    expect((await browser.get('/')).status).toBe(200)
  })

  test('signing out ends it on our side too', async () => {
    const browser = aBrowser(desk.url)
    await signIn(browser)
    const id = browser.cookies.get('ecluse-console') ?? ''
    const { csrf } = await browser.get('/session')
    expect((await browser.post('/session/end', { csrf })).headers.get('location')).toBe('/sign-in')
    expect(browser.cookies.has('ecluse-console')).toBe(false)
    browser.cookies.set('ecluse-console', id)
    expect((await browser.get('/')).status).toBe(303)
  })

  test('nobody is signed out by a forged form', async () => {
    const browser = aBrowser(desk.url)
    await signIn(browser)
    expect((await browser.post('/session/end', { csrf: 'forged' })).status).toBe(403)
    expect((await browser.get('/')).status).toBe(200)
  })
})

describe('the OpenID provider', () => {
  test('is asked with PKCE, state and nonce, and the operator it names is in', async () => {
    const browser = aBrowser(desk.url)
    const answer = await throughProvider(browser, '/sign-in/provider?to=/evidence')
    const asked = provider.asked.at(-1)
    expect(asked?.get('code_challenge_method')).toBe('S256')
    expect(asked?.get('code_challenge')).toMatch(/^[\w-]{43}$/)
    expect(asked?.get('state')).toMatch(/^[\w-]{40,}$/)
    expect(asked?.get('nonce')).toMatch(/^[\w-]{40,}$/)
    expect(asked?.get('redirect_uri')).toBe(`${desk.url}/sign-in/callback`)
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('content="0; url=/evidence"')
    const session = await browser.get('/session')
    expect(session.text).toContain('oidc:ada')
    expect(session.text).toContain('operator')
    // Only on the way to the provider and back may a cookie come along from elsewhere.
    expect(answer.headers.getSetCookie().find((line) => line.startsWith('ecluse-console='))).toMatch(/SameSite=Strict/)
  })

  test('an auditor reads, and changes nothing', async () => {
    provider.person = { sub: 'eve', roles: ['gate-auditors'] }
    const browser = aBrowser(desk.url)
    await throughProvider(browser)
    await desk.permit({ id: 'p-audited' })
    const shown = await browser.get('/permissions/p-audited')
    expect(shown.status).toBe(200)
    expect(shown.text).not.toContain('<form method="post"')
    const { csrf } = await browser.get('/packs')
    const before = (await desk.commands['permission show']({ permission: 'p-audited' })) as { acts: { entry: string }[] }
    const head = before.acts.at(-1)?.entry ?? ''
    expect((await browser.post('/permissions/p-audited/acts', { csrf, type: 'invalidated', head })).status).toBe(403)
    expect((await browser.post('/permissions/p-audited/links', { csrf })).status).toBe(403)
    expect((await browser.post('/clients/viriya/credentials', { csrf, known: '' })).status).toBe(403)
    expect((await browser.post('/clients/viriya/tokens', { csrf, permissions: '' })).status).toBe(403)
    expect(await desk.commands['permission show']({ permission: 'p-audited' })).toStrictEqual(before)
    expect(await desk.commands['token list']({})).toStrictEqual([])
  })

  test.each([
    ['in a list', { roles: ['x', 'gate-admins'] }, 200],
    ['alone', { roles: 'gate-admins' }, 200],
    ['of nobody here', { roles: ['users'] }, 403],
    ['missing', { roles: undefined }, 403],
    ['in an object', { roles: { 'gate-admins': true } }, 403],
  ])('a role %s', async (_name, claims, status) => {
    provider.person = { sub: 'bob', ...claims }
    const browser = aBrowser(desk.url)
    expect((await throughProvider(browser)).status).toBe(status)
    expect(browser.cookies.has('ecluse-console')).toBe(status === 200)
  })

  test.each([
    ['another issuer beside the code (mix-up)', { iss: 'https://evil.example' }],
    ['no issuer beside the code, though it says that it sends one', { iss: null }],
    ['another nonce', { claims: { nonce: 'replayed' } }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['another audience', { claims: { aud: 'someone-else' } }],
    ['another issuer in the token', { claims: { iss: 'https://evil.example' } }],
    ['a token that is over', { claims: { exp: Math.floor(Date.now() / 1000) - 3600 } }],
    ['no subject', { claims: { sub: undefined } }],
    ['a key that is not published', { otherKey: true }],
    ['a refusal', { error: 'access_denied' }],
    ['a refusal at the token endpoint', { tokenStatus: 400 }],
  ])('that gives %s lets nobody in', async (_name, lies) => {
    provider.lies = lies
    const browser = aBrowser(desk.url)
    const answer = await throughProvider(browser)
    expect(answer.status).toBe(403)
    expect(browser.cookies.has('ecluse-console')).toBe(false)
    expect((await browser.get('/')).status).toBe(303)
  })

  test('an answer is good once, even where the provider takes its code twice', async () => {
    provider.lies = { codesStay: true }
    const browser = aBrowser(desk.url)
    const back = await comeBack(browser)
    const kept = browser.cookies.get('ecluse-sign-in') ?? ''
    expect((await browser.get(back)).status).toBe(200)
    const again = aBrowser(desk.url)
    again.cookies.set('ecluse-sign-in', kept)
    expect((await again.get(back)).status).toBe(403)
    expect(again.cookies.has('ecluse-console')).toBe(false)
  })

  test('an answer that another browser began is refused (login CSRF)', async () => {
    const attacker = aBrowser(desk.url)
    const back = await comeBack(attacker)
    const victim = aBrowser(desk.url)
    expect((await victim.get(back)).status).toBe(403)
    await comeBack(victim)
    expect((await victim.get(back)).status).toBe(403)
    expect(victim.cookies.has('ecluse-console')).toBe(false)
  })

  test('that does not answer is told as that, and asked again the next time', async () => {
    const port = await freePort()
    const oidc = {
      issuer: `http://127.0.0.1:${await freePort()}`,
      client_id: 'x',
      client_secret: { env: 'TEST_OIDC_SECRET' },
      operators: ['a'],
    }
    const lonely = await aConsole({ change: withConsole(port, { oidc }), env: { ...(await secrets()), TEST_OIDC_SECRET: 'x'.repeat(20) } })
    try {
      const answer = await aBrowser(lonely.url).get('/sign-in/provider')
      expect(answer.status).toBe(503)
      expect(lonely.log.join('')).toContain('the OpenID provider of the operators does not answer')
    } finally {
      await lonely.stop()
    }
  })
})

describe('a form', () => {
  async function signedIn(): Promise<{ browser: Browser; csrf: string }> {
    const browser = aBrowser(desk.url)
    await signIn(browser)
    return { browser, csrf: (await browser.get('/clients/viriya')).csrf }
  }

  test.each([
    ['of another site', { 'sec-fetch-site': 'cross-site' }],
    ['of a sister site', { 'sec-fetch-site': 'same-site' }],
    ['typed into the address bar', { 'sec-fetch-site': 'none' }],
  ])('%s is not taken, even with the token', async (_name, headers) => {
    const { browser, csrf } = await signedIn()
    expect((await browser.post('/clients/viriya/tokens', { csrf, permissions: '' }, headers)).status).toBe(403)
  })

  test.each([
    ['of another origin', 'https://evil.example', 403],
    ['that hides its origin', 'null', 403],
    ['of our origin', 'ours', 200],
  ])('%s from a browser without Sec-Fetch-Site', async (_name, origin, status) => {
    const { browser, csrf } = await signedIn()
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(`${desk.url}/clients/viriya/tokens`, {
      method: 'POST',
      headers: { cookie, origin: origin === 'ours' ? desk.url : origin },
      body: new URLSearchParams({ csrf, permissions: '' }),
    })
    expect(answer.status).toBe(status)
  })

  test.each([
    ['no token', undefined],
    ['an empty one', ''],
    ['that of another session', 'other'],
  ])('with %s is not taken', async (_name, given) => {
    const { browser } = await signedIn()
    const other = await signedIn()
    const csrf = given === 'other' ? other.csrf : given
    const answer = await browser.post('/clients/viriya/tokens', { permissions: '', ...(csrf !== undefined && { csrf }) })
    expect(answer.status).toBe(403)
  })
})

test('after too many wrong secrets even the right one waits, on both ways in', async () => {
  const other = await aConsole()
  try {
    const browser = aBrowser(other.url)
    for (let i = 0; i < 10; i += 1) expect((await signIn(browser, `wrong ${i}`)).status).toBe(401)
    const refused = await signIn(browser)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800)
    const api = await fetch(`${other.url}/v1/status`, { headers: { authorization: `Bearer ${BOOTSTRAP_SECRET}` } })
    expect(api.status).toBe(429)
    expect(await api.json()).toMatchObject({ type: 'urn:ecluse:problem:too_many_attempts', status: 429 })
    expect(other.log.join('')).not.toContain('127.0.0.1')
  } finally {
    await other.stop()
  }
})

test('under https the cookie carries the __Host- prefix and Secure', async () => {
  const { cookiesOf } = await import('../../src/console/session.ts')
  expect(cookiesOf(true)).toMatchObject({ session: '__Host-ecluse-console', secure: true })
  const port = await freePort()
  const behind = await aConsole({
    change(tree) {
      withConsole(port)(tree)
      ;(tree['listeners'] as { admin: { url: string } }).admin.url = 'https://console.example'
    },
  })
  try {
    const browser = aBrowser(behind.url)
    const answer = await signIn(browser)
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('__Host-ecluse-console='))
    expect(cookie).toMatch(/; Secure/)
    expect(cookie).toMatch(/; Path=\//)
    expect(cookie).not.toMatch(/Domain/)
  } finally {
    await behind.stop()
  }
})
