/** The console of a gate that runs: what an operator does there is what the next request meets. */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Agent, fetch as fetchBy } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Browser } from '../harness/console.ts'
import { aBrowser, BOOTSTRAP_SECRET, freePort, signIn, withConsole } from '../harness/console.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'

const env = { ...secretsOf(), TEST_BOOTSTRAP: BOOTSTRAP_SECRET }
let gate: TestGate
let desk: string
let browser: Browser

beforeAll(async () => {
  const port = await freePort()
  gate = await aGate({ env, change: withConsole(port) })
  desk = `http://127.0.0.1:${port}`
  browser = aBrowser(desk)
  await signIn(browser)
})
afterAll(() => gate.stop())

const read = async (token: string): Promise<number> => {
  const response = await fetch(gate.url + curve(METER, today(-5), today(-4)), bearer(token))
  await response.text()
  return response.status
}
const api = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(desk + path, {
    method,
    headers: {
      authorization: `Bearer ${BOOTSTRAP_SECRET}`,
      ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })

test('a decision is seen as it is made, and explained', async () => {
  await gate.permit({ id: 'watched' })
  expect(await read(await gate.token())).toBe(200)
  const { text } = await browser.get('/decisions')
  expect(text).toContain('load curve, withdrawal')
  const n = /href="\/decisions\/(\d+)"/.exec(text)?.[1] ?? ''
  const { csrf } = await browser.get(`/decisions/${n}`)
  const told = await browser.post(`/decisions/${n}`, { csrf, why: 'a question of the client' })
  expect(told.text).toMatch(/line l1 of permission watched opens/)
  expect((await browser.get('/')).text).toMatch(/<meter id="quota-0"[^>]* value="1">/)
})

test('a withdrawal from the console is final when it is answered', async () => {
  await gate.permit({ id: 'withdrawn' })
  const token = await gate.token('viriya', ['withdrawn'])
  expect(await read(token)).toBe(200)
  const page = await browser.get('/permissions/withdrawn')
  const head = /name="head" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  expect((await browser.post('/permissions/withdrawn/acts', { csrf: page.csrf, head, type: 'withdrawn_by_subject' })).status).toBe(303)
  expect(await read(token)).toBe(403)
})

test('a suspension by the API is temporary for the client, and lifted by a resumption', async () => {
  await gate.permit({ id: 'paused' })
  const token = await gate.token('viriya', ['paused'])
  expect(await read(token)).toBe(200)
  const act = (type: string): Promise<Response> =>
    fetch(`${desk}/v1/permissions/paused/acts`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${BOOTSTRAP_SECRET}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        'if-match': '*',
      },
      body: JSON.stringify({ type }),
    })
  expect((await act('suspend')).status).toBe(201)
  expect([429, 503]).toContain(await read(token))
  expect((await act('resume')).status).toBe(201)
  expect(await read(token)).toBe(200)
})

test('a token that is issued there reads, and does not once it is revoked', async () => {
  await gate.permit({ id: 'by-token' })
  const issued = (await (await api('POST', '/v1/tokens', { client: 'viriya', permissions: ['by-token'] })).json()) as {
    token: string
    id: string
  }
  expect(await read(issued.token)).toBe(200)
  expect((await api('DELETE', `/v1/tokens/${issued.id}`)).status).toBe(204)
  expect(await read(issued.token)).toBe(401)
})

test('the API is on its own listener: the gate knows none of its paths', async () => {
  const response = await fetch(`${gate.url}/v1/status`, { headers: { authorization: `Bearer ${BOOTSTRAP_SECRET}` } })
  expect(response.status).toBeGreaterThanOrEqual(400)
  expect(await response.text()).not.toContain('quotas')
})

test('nothing of the bootstrap secret or a meter is in the log', () => {
  const log = gate.log.join('')
  expect(log).not.toContain(BOOTSTRAP_SECRET)
  expect(log).not.toContain(METER)
})

describe('another gate', () => {
  test('without the listener has neither console nor a folder of packs', async () => {
    const plain = await aGate()
    try {
      expect(existsSync(join(plain.state, 'packs'))).toBe(false)
      expect(existsSync(join(gate.state, 'packs'))).toBe(true)
    } finally {
      await plain.stop()
    }
  })

  test('leaves no pack behind when it stops', async () => {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'ecluse-console-'))
    const other = await aGate({ folder, env: { ...secretsOf(), TEST_BOOTSTRAP: BOOTSTRAP_SECRET }, change: withConsole(port) })
    const packs = join(other.state, 'packs')
    const operator = aBrowser(`http://127.0.0.1:${port}`)
    await signIn(operator)
    const { csrf } = await operator.get('/packs')
    const ordered = await operator.post('/packs', { csrf, by: 'all', which: '', audience: 'CNIL', title: 'gdpr_art_58', why: 'asked' })
    const path = ordered.headers.get('location') ?? ''
    for (let i = 0; i < 100 && !(await operator.get(path)).text.includes('id="download"'); i += 1)
      await new Promise((r) => setTimeout(r, 50))
    expect(readdirSync(packs)).toHaveLength(1)
    expect(statSync(packs).mode & 0o777).toBe(0o700)
    await other.stop()
    await other.holder.close()
    expect(existsSync(packs)).toBe(false)
    rmSync(folder, { recursive: true, force: true })
  })

  test('with a short bootstrap secret does not start, and says what to do', async () => {
    const port = await freePort()
    const started = aGate({ env: { ...secretsOf(), TEST_BOOTSTRAP: 'short' }, change: withConsole(port) })
    await expect(started).rejects.toThrow('the secret console.bootstrap has less than 32 characters')
    await refusesConnections(port)
  })

  test('ends TLS itself, and its cookie is of this host alone', async () => {
    const port = await freePort()
    const folder = join(import.meta.dirname, '..', 'fixtures', 'tls')
    const tls = await aGate({
      env: { ...secretsOf(), TEST_BOOTSTRAP: BOOTSTRAP_SECRET },
      change(tree) {
        withConsole(port)(tree)
        const listeners = tree['listeners'] as { admin: Record<string, unknown> }
        listeners.admin = {
          port,
          url: `https://localhost:${port}`,
          tls: { certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') },
        }
      },
    })
    const agent = new Agent({ connect: { ca: readFileSync(join(folder, 'ca.pem')) } })
    try {
      const page = await fetchBy(`https://localhost:${port}/sign-in`, { dispatcher: agent })
      const visit = page.headers.getSetCookie().find((line) => line.startsWith('__Host-ecluse-visit='))
      expect(visit).toMatch(/; Secure/)
      const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? ''
      const answer = await fetchBy(`https://localhost:${port}/sign-in`, {
        method: 'POST',
        dispatcher: agent,
        redirect: 'manual',
        headers: {
          cookie: visit?.split(';')[0] ?? '',
          origin: `https://localhost:${port}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ csrf, secret: BOOTSTRAP_SECRET, to: '/' }).toString(),
      })
      expect(answer.status).toBe(303)
      expect(answer.headers.getSetCookie().find((line) => line.startsWith('__Host-ecluse-console='))).toMatch(
        /; Secure; SameSite=Strict|SameSite=Strict.*Secure/,
      )
    } finally {
      await agent.close()
      await tls.stop()
    }
  })
})

async function refusesConnections(port: number): Promise<void> {
  await expect(
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy()))
      socket.once('error', reject)
    }),
  ).rejects.toThrow('ECONNREFUSED')
}
