/** The admin API over its own socket: every operation, held against the schema that its OpenAPI document shows. */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROUTES } from '../../src/console/api/openapi.ts'
import { problem } from '../../src/console/api/schemas.ts'
import type { SeenDecision } from '../../src/console/ports.ts'
import type { Millis } from '../../src/domain/time.ts'
import { parsePolicy } from '../../src/evidence/log/policy.ts'
import { verifyProof } from '../../src/evidence/log/proof.ts'
import type { TestConsole } from '../harness/console.ts'
import { aBrowser, aConsole, BOOTSTRAP_SECRET, freePort, signIn, withConsole } from '../harness/console.ts'
import type { OpenIdProvider } from '../harness/openid.ts'
import { CLIENT_ID, openIdProvider } from '../harness/openid.ts'
import { METER, OTHER_METER, permissionTree, secretsOf } from '../harness/settings.ts'

const SEEN: SeenDecision = {
  at: Date.parse('2026-10-01T10:00:00Z') as Millis,
  client: 'viriya',
  provider: 'enedis-data-connect',
  api: 'courbe_de_charge_consommation',
  kind: 'load_curve',
  direction: 'withdrawal',
  step: 'recorded',
  asked: '2026-09-01/2026-09-02',
  result: 'deny',
  reason: 'withdrawn',
  rule: 'measures',
  permission: 'p-1',
  entry: { n: 12, name: 'audit.test/journal/2026/12' },
}

let provider: OpenIdProvider
let desk: TestConsole
const covered = new Set<string>()
let links = 0

beforeAll(async () => {
  provider = await openIdProvider()
  provider.person = { sub: 'eve', roles: ['auditors'] }
  const oidc = {
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    client_secret: { env: 'TEST_OIDC' },
    operators: ['operators'],
    auditors: ['auditors'],
  }
  desk = await aConsole({
    change: withConsole(await freePort(), { oidc }),
    env: { ...secretsOf(), TEST_OIDC: provider.secret },
    decisions: [SEEN, { ...SEEN, entry: null, kind: null }],
    async link(permission) {
      links += 1
      if (permission === 'p-5') throw new TypeError('a fault of ours')
      return { url: `https://portal.example/once/${permission}`, expiresAt: '2026-12-01T00:00:00.000Z' }
    },
    receipt: (permission) =>
      Promise.resolve(permission === 'p-2' ? { '@context': 'https://w3id.org/dpv', 'dct:identifier': permission } : null),
  })
})
afterAll(async () => {
  await desk.stop()
  await provider.close()
})

interface Told {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
  readonly text: string
}

/** Calls as the operator with the secret, and holds the answer against what the document says of it. */
async function api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, url = desk.url): Promise<Told> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${BOOTSTRAP_SECRET}`,
      ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  const told = {
    status: response.status,
    headers: response.headers,
    text,
    body: type.includes('json') && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {},
  }
  conforms(method, path, told, type)
  return told
}

function conforms(method: string, path: string, { status, body, headers }: Told, type: string): void {
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/)
  if (status >= 400) {
    expect(type).toBe('application/problem+json')
    expect(problem.strict().safeParse(body).error).toBeUndefined()
    expect(body['status']).toBe(status)
    return
  }
  const pathname = path.replace(/\?.*/, '')
  const route = ROUTES.find((one) => one.method === method && new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname))
  if (!route || status === 304) return
  covered.add(route.id)
  const answer = route.answers[status]
  expect(answer, `${method} ${path} answered ${status}, which the document does not know`).toBeDefined()
  if (answer?.schema) expect(answer.schema.safeParse(body).error, `${method} ${path}`).toBeUndefined()
}

const etag = (told: Told): string => told.headers.get('etag') ?? ''
const items = (told: Told): Record<string, unknown>[] => told.body['items'] as Record<string, unknown>[]

describe('who may', () => {
  test.each(ROUTES.map((one) => [one.id, one] as const))('%s: nobody without a secret or a session', async (_id, one) => {
    const response = await fetch(desk.url + one.path.replaceAll(/\{\w+\}/g, '1'), { method: one.method })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="ecluse"')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ type: 'urn:ecluse:problem:unauthorized', status: 401 })
  })

  test.each([
    ['a wrong secret', 'Bearer wrong'],
    ['no secret', 'Bearer '],
    ['another scheme', `Basic ${Buffer.from(`x:${BOOTSTRAP_SECRET}`).toString('base64')}`],
    ['a part of it', `Bearer ${BOOTSTRAP_SECRET.slice(0, -1)}`],
    ['more than it', `Bearer ${BOOTSTRAP_SECRET}x`],
  ])('%s is 401', async (_name, authorization) => {
    expect((await api('GET', '/v1/status', undefined, { authorization })).status).toBe(401)
    // The next right one starts the count again.
    expect((await api('GET', '/v1/status')).status).toBe(200)
  })

  test('an auditor reads everything, and each change is 403', async () => {
    const browser = aBrowser(desk.url)
    const away = await browser.get('/sign-in/provider')
    const back = await fetch(away.headers.get('location') ?? '', { redirect: 'manual' })
    await browser.get(new URL(back.headers.get('location') ?? '').pathname + new URL(back.headers.get('location') ?? '').search)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const read = await fetch(`${desk.url}/v1/clients`, { headers: { cookie } })
    expect(read.status).toBe(200)
    const token = read.headers.get('x-csrf-token') ?? ''
    for (const one of ROUTES.filter(({ role }) => role === 'operator')) {
      const response = await fetch(desk.url + one.path.replaceAll(/\{\w+\}/g, '1'), {
        method: one.method,
        headers: { cookie, 'x-csrf-token': token, 'sec-fetch-site': 'same-origin', 'idempotency-key': randomUUID() },
      })
      expect([one.id, response.status]).toStrictEqual([one.id, 403])
      expect(await response.json()).toMatchObject({ type: 'urn:ecluse:problem:forbidden' })
    }
  })

  test('the cookie of the console changes nothing without its token, nor from another site', async () => {
    const browser = aBrowser(desk.url)
    await signIn(browser)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const token = (await fetch(`${desk.url}/v1/clients`, { headers: { cookie } })).headers.get('x-csrf-token') ?? ''
    const issue = async (headers: Record<string, string>): Promise<number> => {
      const response = await fetch(`${desk.url}/v1/tokens`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/json', 'idempotency-key': randomUUID(), ...headers },
        body: JSON.stringify({ client: 'viriya' }),
      })
      return response.status
    }
    expect(await issue({ 'sec-fetch-site': 'same-origin' })).toBe(403)
    expect(await issue({ 'x-csrf-token': token })).toBe(403)
    expect(await issue({ 'x-csrf-token': token, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await issue({ 'x-csrf-token': token, 'sec-fetch-site': 'same-origin' })).toBe(201)
  })
})

describe('the form of requests', () => {
  test.each([
    ['a member that is not known', 'POST', '/v1/tokens', { client: 'viriya', scope: 'x' }, 400],
    ['a member of another type', 'POST', '/v1/tokens', { client: 7 }, 400],
    ['no JSON', 'POST', '/v1/tokens', '{"client":', 400],
    ['a prototype', 'POST', '/v1/tokens', '{"client":"viriya","__proto__":{"x":1}}', 400],
    ['a query that is not known', 'GET', '/v1/permissions?color=red', undefined, 400],
    ['a query twice', 'GET', '/v1/permissions?client=a&client=b', undefined, 400],
    ['a limit of 0', 'GET', '/v1/permissions?limit=0', undefined, 400],
    ['a limit of 501', 'GET', '/v1/permissions?limit=501', undefined, 400],
    ['a cursor that nobody gave', 'GET', '/v1/permissions?cursor=xyz', undefined, 400],
    ['the cursor of another list', 'GET', `/v1/permissions?cursor=${Buffer.from('[7]').toString('base64url')}`, undefined, 400],
    ['an unreal day', 'GET', '/v1/evidence/entries?from=2026-02-30', undefined, 400],
    ['no meter', 'GET', '/v1/permissions?meter=123', undefined, 422],
    ['an unknown path', 'GET', '/v1/nothing', undefined, 404],
    ['an unknown method', 'PUT', '/v1/tokens', {}, 404],
  ])('%s is refused', async (_name, method, path, body, status) => {
    const told = await api(method, path, body)
    expect(told.status).toBe(status)
    expect(told.text).not.toMatch(/color|scope|__proto__/)
  })

  test('a form is no JSON, and too much is too much', async () => {
    expect((await api('POST', '/v1/tokens', 'client=viriya', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415)
    expect((await api('POST', '/v1/tokens', 'client', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await api('POST', '/v1/tokens', JSON.stringify({ client: 'x'.repeat(1_100_000) }))).status).toBe(413)
  })
})

describe('permissions', () => {
  beforeAll(async () => {
    const ids = ['p-1', 'p-2', 'p-3', 'p-4', 'p-5']
    await desk.permit(...ids.map((id, i) => ({ id, meter: i === 4 ? OTHER_METER : METER })), { id: 'q-1', client: 'office' as const })
  })

  test('pages follow one another to the end, each item once', async () => {
    const seen: unknown[] = []
    let path: string | null = '/v1/permissions?client=viriya&limit=2'
    for (let pages = 0; path !== null && pages < 9; pages += 1) {
      const told: Told = await api('GET', path)
      seen.push(...items(told).map(({ id }) => id))
      const { next } = told.body as { next: string | null }
      path = next === null ? null : `/v1/permissions?client=viriya&limit=2&cursor=${next}`
    }
    expect(seen).toStrictEqual(['p-1', 'p-2', 'p-3', 'p-4', 'p-5'])
  })

  test('filters by meter and status', async () => {
    expect(items(await api('GET', `/v1/permissions?meter=prm:${OTHER_METER}`)).map(({ id }) => id)).toStrictEqual(['p-5'])
    expect(items(await api('GET', '/v1/permissions?status=suspended'))).toStrictEqual([])
  })

  test('an answer that is still so is 304', async () => {
    const first = await api('GET', '/v1/permissions/p-1')
    expect(etag(first)).toMatch(/^"\d+\.[\w-]+"$/)
    const again = await api('GET', '/v1/permissions/p-1', undefined, { 'if-none-match': `"other", W/${etag(first)}` })
    expect([again.status, again.text]).toStrictEqual([304, ''])
    expect(etag(again)).toBe(etag(first))
  })

  test('suspending and resuming say what they saw; a stale tag changes nothing', async () => {
    const before = await api('GET', '/v1/permissions/p-2')
    expect((await api('POST', '/v1/permissions/p-2/acts', { type: 'suspend' })).status).toBe(428)
    const done = await api(
      'POST',
      '/v1/permissions/p-2/acts',
      { type: 'suspend', cause: 'dispute', reason: 'asked' },
      { 'if-match': etag(before) },
    )
    expect(done.status).toBe(201)
    expect(done.body).toMatchObject({ permission: 'p-2', status: 'suspended' })
    expect((await api('POST', '/v1/permissions/p-2/acts', { type: 'resume' }, { 'if-match': etag(before) })).status).toBe(412)
    expect((await api('POST', '/v1/permissions/p-2/acts', { type: 'resume' }, { 'if-match': `W/${etag(before)}` })).status).toBe(412)
    expect((await api('POST', '/v1/permissions/p-2/acts', { type: 'resume' }, { 'if-match': 'no tag' })).status).toBe(400)
    expect((await api('POST', '/v1/permissions/p-2/acts', { type: 'resume' }, { 'if-match': '*' })).status).toBe(201)
    // The caches of the gate heard of each before it was answered.
    expect(desk.acts.slice(-2).map(({ permission, status }) => [permission, status])).toStrictEqual([
      ['p-2', 'suspended'],
      ['p-2', 'active'],
    ])
  })

  test('of two acts that saw the same one is done', async () => {
    const tag = etag(await api('GET', '/v1/permissions/p-3'))
    const both = await Promise.all(
      ['suspend', 'suspend'].map((type) => api('POST', '/v1/permissions/p-3/acts', { type }, { 'if-match': tag })),
    )
    expect(both.map(({ status }) => status).toSorted()).toStrictEqual([201, 412])
  })

  test('what was seen is compared where the act is made', async () => {
    const details = { actorRole: 'operator', channel: 'console' }
    const act = { permission: 'p-1', type: 'suspend', details, now: Date.now() }
    expect(await desk.call('actAt', { ...act, head: 'gate.test.localhost/journal/2026/0' })).toStrictEqual({ is: 'stale' })
    expect(await desk.call('credentialAt', { client: 'viriya', known: ['crd_none'], now: Date.now() })).toStrictEqual({ is: 'stale' })
    expect((await api('GET', '/v1/permissions/p-1')).body['status']).toBe('active')
    expect((await api('GET', '/v1/clients/viriya')).body['credentials']).toStrictEqual([])
  })

  test('withdrawing needs no tag, is final, and is not possible twice', async () => {
    const done = await api('POST', '/v1/permissions/p-4/acts', { type: 'withdrawn_by_subject' })
    expect(done.body).toMatchObject({ status: 'ended', endReason: 'withdrawn_by_subject' })
    expect((await api('POST', '/v1/permissions/p-4/acts', { type: 'withdrawn_by_subject' })).status).toBe(409)
    const shown = await api('GET', '/v1/permissions/p-4')
    expect((shown.body['acts'] as { details: unknown }[]).at(-1)?.details).toMatchObject({
      role: 'data_subject',
      channel: 'console',
      id: 'console:bootstrap',
    })
    expect((await api('POST', '/v1/permissions/nobody/acts', { type: 'invalidated' })).status).toBe(404)
    expect((await api('POST', '/v1/permissions/p-1/acts', { type: 'expired' })).status).toBe(400)
  })

  test('an import says each mistake with its place, and imports nothing', async () => {
    const broken = JSON.stringify({ permissions: [{ ...permissionTree({ id: 'p-9' }), meter: 'prm:1' }] })
    const told = await api('POST', '/v1/permissions/imports', { text: broken, unverified: true })
    expect(told.status).toBe(422)
    expect(told.body['errors']).toHaveLength(1)
    expect((await api('GET', '/v1/permissions/p-9')).status).toBe(404)
  })

  test('an import checks only, then imports, then finds it there; its document opens on record', async () => {
    const document = Buffer.from('<script>alert(1)</script>')
    const tree = { ...permissionTree({ id: 'p-doc' }), attachments: [{ kind: 'signed_mandate', file: 'mandate', media_type: 'text/html' }] }
    const order = { text: JSON.stringify({ permissions: [tree] }), documents: { mandate: document.toString('base64') }, unverified: true }
    expect((await api('POST', '/v1/permissions/imports', { ...order, dryRun: true })).body).toStrictEqual({
      created: ['p-doc'],
      unchanged: [],
      dryRun: true,
    })
    expect((await api('GET', '/v1/permissions/p-doc')).status).toBe(404)
    expect((await api('POST', '/v1/permissions/imports', order)).body).toStrictEqual({ created: ['p-doc'], unchanged: [], dryRun: false })
    expect((await api('POST', '/v1/permissions/imports', order)).body).toStrictEqual({ created: [], unchanged: ['p-doc'], dryRun: false })

    const sha256 = createHash('sha256').update(document).digest('hex')
    const readings = async (): Promise<number> => items(await api('GET', '/v1/evidence/entries?type=evidence.read')).length
    const before = await readings()
    const fetched = await api('GET', `/v1/permissions/p-doc/attachments/${sha256}`)
    expect(fetched.text).toBe(document.toString())
    expect(fetched.headers.get('content-type')).toBe('application/octet-stream')
    expect(fetched.headers.get('content-disposition')).toBe(`attachment; filename="signed_mandate-${sha256.slice(0, 8)}.bin"`)
    expect(fetched.headers.get('content-security-policy')).toMatch(/^sandbox;/)
    await settled()
    expect(await readings()).toBe(before + 1)
    expect((await api('GET', `/v1/permissions/p-1/attachments/${sha256}`)).status).toBe(404)
  })

  test('a link for the person is made; a receipt that was not given is 404', async () => {
    expect((await api('POST', '/v1/permissions/p-1/links')).body).toStrictEqual({
      url: 'https://portal.example/once/p-1',
      expiresAt: '2026-12-01T00:00:00.000Z',
    })
    expect((await api('POST', '/v1/permissions/nobody/links')).status).toBe(404)
    expect((await api('GET', '/v1/permissions/p-1/receipt')).status).toBe(404)
    const receipt = await api('GET', '/v1/permissions/p-2/receipt')
    expect(receipt.headers.get('content-type')).toBe('application/ld+json')
    expect(receipt.body).toMatchObject({ 'dct:identifier': 'p-2' })
  })
})

async function settled(): Promise<void> {
  await desk.commands['audit drain']()
}

describe('clients and tokens', () => {
  test('clients come in order, with pages', async () => {
    const first = await api('GET', '/v1/clients?limit=2')
    expect(items(first).map(({ id }) => id)).toStrictEqual(['domoticz', 'office'])
    const second = await api('GET', `/v1/clients?limit=2&cursor=${String(first.body['next'])}`)
    expect(items(second).map(({ id }) => id)).toStrictEqual(['viriya'])
    expect((await api('GET', '/v1/clients/nobody')).status).toBe(404)
  })

  test('a credential is given once and replaced by who saw it', async () => {
    const before = await api('GET', '/v1/clients/office')
    expect((await api('POST', '/v1/clients/office/credentials')).status).toBe(428)
    const first = await api('POST', '/v1/clients/office/credentials', undefined, { 'if-match': etag(before) })
    expect(first.status).toBe(201)
    expect((await api('POST', '/v1/clients/office/credentials', undefined, { 'if-match': etag(before) })).status).toBe(412)
    const seen = etag(await api('GET', '/v1/clients/office'))
    const both = await Promise.all([1, 2].map(() => api('POST', '/v1/clients/office/credentials', undefined, { 'if-match': seen })))
    expect(both.map(({ status }) => status).toSorted()).toStrictEqual([201, 412])
    expect(desk.clientsCut).toStrictEqual(['office'])
    expect((await api('GET', '/v1/clients/office')).text).not.toContain(String(first.body['secret']))
  })

  test('a token is issued, listed without itself, and revoked', async () => {
    const issued = await api('POST', '/v1/tokens', { client: 'viriya', permissions: ['p-1'], ttlSeconds: 60 })
    expect(issued.status).toBe(201)
    const { id, token } = issued.body as { id: string; token: string }
    const listed = await api('GET', '/v1/tokens?client=viriya')
    expect(items(listed)).toContainEqual(expect.objectContaining({ id, permissions: 1, revoked: false }))
    expect(listed.text).not.toContain(token)
    expect((await api('DELETE', `/v1/tokens/${id}`)).status).toBe(204)
    expect((await api('DELETE', `/v1/tokens/${id}`)).status).toBe(204)
    expect((await api('DELETE', '/v1/tokens/tok_nobody')).status).toBe(404)
    expect((await api('POST', '/v1/tokens', { client: 'viriya', permissions: ['q-1'] })).status).toBe(409)
    expect((await api('POST', '/v1/tokens', { client: 'nobody' })).status).toBe(422)
  })
})

describe('Idempotency-Key', () => {
  const tokens = async (): Promise<number> => items(await api('GET', '/v1/tokens?limit=500')).length
  const issue = (key: string | undefined, body: unknown = { client: 'viriya' }, url = desk.url): Promise<Told> =>
    api('POST', '/v1/tokens', body, { 'idempotency-key': key ?? '' }, url)

  test.each([[''], ['x'.repeat(129)], ['with space']])('%j is no key', async (key) => {
    expect((await issue(key)).body).toMatchObject({ status: 400, type: 'urn:ecluse:problem:key_missing' })
  })

  test('the same request gives the first answer again, and does nothing', async () => {
    const before = await tokens()
    const key = randomUUID()
    const first = await issue(key)
    const again = await issue(`"${key}"`)
    expect(again.text).toBe(first.text)
    expect([first.headers.get('idempotent-replayed'), again.headers.get('idempotent-replayed')]).toStrictEqual([null, 'true'])
    // The order of members says nothing.
    const ordered = await issue(key, JSON.stringify({ client: 'viriya' }, null, 3))
    expect(ordered.text).toBe(first.text)
    expect(await tokens()).toBe(before + 1)
  })

  test('another request under the same key is 422; the same key elsewhere is another one', async () => {
    const key = randomUUID()
    await issue(key)
    expect((await issue(key, { client: 'office' })).body).toMatchObject({ status: 422, type: 'urn:ecluse:problem:key_reused' })
    expect((await api('POST', '/v1/permissions/p-1/links', undefined, { 'idempotency-key': key })).status).toBe(201)
  })

  test('of two at once one is done', async () => {
    const before = await tokens()
    const key = randomUUID()
    const both = await Promise.all([issue(key), issue(key)])
    const codes = both.map(({ status }) => status).toSorted()
    expect([
      [201, 201],
      [201, 409],
    ]).toContainEqual(codes)
    expect(await tokens()).toBe(before + 1)
  })

  test('what was refused may be tried again under the same key', async () => {
    const key = randomUUID()
    const act = (): Promise<Told> =>
      api('POST', '/v1/permissions/p-late/acts', { type: 'withdrawn_by_subject' }, { 'idempotency-key': key })
    expect((await act()).status).toBe(404)
    await desk.permit({ id: 'p-late' })
    expect((await act()).status).toBe(201)
    expect((await act()).status).toBe(201)
  })

  test('what failed half-way is not done again under the same key: nobody knows what was done', async () => {
    const key = randomUUID()
    const before = links
    const ask = (): Promise<Told> => api('POST', '/v1/permissions/p-5/links', undefined, { 'idempotency-key': key })
    expect((await ask()).body).toMatchObject({ status: 500, type: 'urn:ecluse:problem:fault' })
    expect((await ask()).body).toMatchObject({ status: 409, type: 'urn:ecluse:problem:interrupted' })
    expect(links).toBe(before + 1)
    expect(desk.log.join('')).not.toContain('a fault of ours')
  })

  test('an answer outlives the gate; so does that nobody knows it', async () => {
    const first = await aConsole()
    const key = randomUUID()
    const answer = await api('POST', '/v1/tokens', { client: 'viriya' }, { 'idempotency-key': key }, first.url)
    const browser = aBrowser(first.url)
    await signIn(browser)
    const { folder, env } = first
    await first.stopKeeping()
    const second = await aConsole({ folder, env })
    try {
      const again = await api('POST', '/v1/tokens', { client: 'viriya' }, { 'idempotency-key': key }, second.url)
      expect([again.status, again.text]).toStrictEqual([201, answer.text])
      expect(items(await api('GET', '/v1/tokens', undefined, {}, second.url))).toHaveLength(1)
      const session = await fetch(`${second.url}/session`, {
        headers: { cookie: `ecluse-console=${browser.cookies.get('ecluse-console')}` },
      })
      expect(session.status).toBe(200)
      // As a crash leaves it: begun, and no answer.
      const id = 'console:bootstrap\n/v1/tokens\ninterrupted-1'
      const request = createHash('sha256').update('{"body":{"client":"viriya"},"ifMatch":null}').digest('base64url')
      await second.call('ticketPut', {
        kind: 'idempotency',
        id,
        payload: JSON.stringify({ request, answer: null }),
        ttlSeconds: 60,
        now: Date.now(),
      })
      const unknown = await api('POST', '/v1/tokens', { client: 'viriya' }, { 'idempotency-key': 'interrupted-1' }, second.url)
      expect(unknown.body).toMatchObject({ status: 409, type: 'urn:ecluse:problem:interrupted' })
      expect(items(await api('GET', '/v1/tokens', undefined, {}, second.url))).toHaveLength(1)
      // With another secret in the settings, whoever came in by the old one is out.
      await second.stopKeeping()
      const third = await aConsole({ folder, env, secret: 'another-bootstrap-secret-0123456789abcdef' })
      const over = await fetch(`${third.url}/session`, {
        headers: { cookie: `ecluse-console=${browser.cookies.get('ecluse-console')}` },
        redirect: 'manual',
      })
      expect(over.status).toBe(303)
      await third.stopKeeping()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('evidence', () => {
  test('entries come newest first, by type, client and days, each once', async () => {
    await settled()
    const seen: number[] = []
    for (let cursor = ''; ;) {
      const told = await api('GET', `/v1/evidence/entries?limit=7${cursor}`)
      seen.push(...items(told).map(({ n }) => Number(n)))
      const { next } = told.body as { next: string | null }
      if (next === null) break
      cursor = `&cursor=${next}`
    }
    expect(seen).toStrictEqual(Array.from({ length: seen.length }, (_, i) => seen.length - 1 - i))
    const acts = items(await api('GET', '/v1/evidence/entries?type=consent.activate&client=office'))
    expect(acts.map(({ record }) => record)).toMatchObject([{ t: 'consent.activate', client: 'office' }])
    expect(items(await api('GET', '/v1/evidence/entries?until=2020-01-01'))).toStrictEqual([])
    expect(items(await api('GET', '/v1/evidence/entries?from=2020-01-01&limit=500'))).toHaveLength(seen.length)
  })

  test('nothing sealed is in a list, and no meter', async () => {
    const told = await api('GET', '/v1/evidence/entries?limit=500')
    expect(told.text).not.toContain(METER)
  })

  test('a proof is one that others verify, and the checkpoint is signed', async () => {
    const told = await api('GET', '/v1/evidence/entries/3/proof')
    const { file, entry, verified, vkey } = told.body as { file: string; entry: string; verified: boolean; vkey: string }
    expect(verified).toBe(true)
    const policy = parsePolicy(Buffer.from(`log ${vkey}\nquorum none\n`))
    if (!policy.ok) throw new Error(policy.why)
    expect(verifyProof(file, Buffer.from(entry), policy.policy)).toMatchObject({ ok: true, index: 3 })
    expect(verifyProof(file, Buffer.from(`${entry} `), policy.policy)).toStrictEqual({ ok: false, why: 'not_included' })
    expect((await api('GET', '/v1/evidence/entries/999999/proof')).status).toBe(404)
    expect((await api('GET', '/v1/evidence/entries/3')).body).toMatchObject({ n: 3, record: JSON.parse(entry) })
    expect((await api('GET', '/v1/evidence/checkpoint')).text).toMatch(/^gate\.test\.localhost\/journal\/\d+\n\d+\n/)
  })

  test('sealed fields open for a reason that is on record first', async () => {
    const begun = await api('POST', '/v1/evidence/readings', { select: { meter: `prm:${OTHER_METER}` }, why: 'a question of the holder' })
    expect(begun.status).toBe(201)
    const opened = await api('GET', `/v1/evidence/readings/${String(begun.body['reading'])}/entries?limit=2`)
    expect(items(opened)[0]).toMatchObject({ seal: 'open', fields: { subject: { meter: `prm:${OTHER_METER}` } } })
    const rest = await api('GET', `/v1/evidence/readings/${String(begun.body['reading'])}/entries?cursor=${String(opened.body['next'])}`)
    expect(items(rest).length).toBeGreaterThan(0)
    await settled()
    const recorded = String(begun.body['recordedAs'])
    const entry = await api('GET', `/v1/evidence/entries/${recorded.slice(recorded.lastIndexOf('/') + 1)}`)
    expect(entry.body['record']).toMatchObject({ t: 'evidence.read', scope: { by: 'meter' } })
  })

  test.each([
    ['without a reason', { select: { all: true } }, 400],
    ['for a reason that names a meter', { select: { all: true }, why: `about ${METER}` }, 422],
    ['of no meter', { select: { meter: 'x' }, why: 'because' }, 422],
    ['of two things', { select: { all: true, client: 'viriya' }, why: 'because' }, 400],
  ])('a reading %s is none', async (_name, body, status) => {
    expect((await api('POST', '/v1/evidence/readings', body)).status).toBe(status)
  })

  test('a reading that nobody began opens nothing', async () => {
    expect((await api('GET', '/v1/evidence/readings/none/entries')).status).toBe(404)
  })

  test('an entry that is no decision says so', async () => {
    const told = await api('POST', '/v1/evidence/entries/3/explanations', {})
    expect(told.body).toMatchObject({ stage: 'none', explanation: null })
    expect(String(told.body['why'])).toMatch(/no decision/)
  })
})

test('status and the last decisions', async () => {
  const told = await api('GET', '/v1/status')
  expect(told.body).toMatchObject({ ready: true, quotas: [{ account: 'main', api: 'load_curve', left: 999_960 }] })
  expect((told.body['accesses'] as unknown[]).length).toBe(30)
  const decisions = await api('GET', '/v1/decisions?limit=1')
  expect(items(decisions)).toHaveLength(1)
  expect(items(decisions)[0]).toMatchObject({
    at: '2026-10-01T10:00:00.000Z',
    reason: 'withdrawn',
    entry: expect.stringMatching(/\/12$/) as string,
  })
  await api('GET', '/v1/decisions')
})

test('the document that is served is the one that is checked in', async () => {
  const served = await (await fetch(`${desk.url}/v1/openapi.json`)).json()
  expect(served).toStrictEqual(JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'openapi.json'), 'utf8')))
})

test('each operation was answered here, as the document says', () => {
  const never = ROUTES.map(({ id }) => id).filter((id) => !covered.has(id))
  expect(never).toStrictEqual([])
})
