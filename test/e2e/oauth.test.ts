/**
 * Tokens of the OAuth server at the real gate: its listener, its canonical reading, its registry and evidence. What is
 * about consent in a browser is in the journeys' tests; what is about the OAuth server alone, in `oauth-attacks.test.ts`.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { JWK } from 'jose'
import { CompactEncrypt, CompactSign, importJWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Millis } from '../../src/domain/time.ts'
import { asStores } from '../../src/storage/sqlite.ts'
import { ticketsOn } from '../../src/permissions/tickets.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { answer as answerAs, fakeHolder, ordinary } from '../harness/holder.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, today } from '../harness/settings.ts'

const ISSUER = 'https://gate.test.localhost'
const asks = {
  body: 'Body',
  contact: 'dpo@body.test',
  retention: { fr: 'un an', en: 'one year' },
  lines: [{ kind: 'load_curve', finest: 'PT30M', why: { fr: 'voir', en: 'see' } }],
}
function portal(tree: Tree): void {
  tree['portal'] = { url: ISSUER, operator: { name: 'Test', contact: 'dpo@gate.test', address: 'Here' }, account: 'main' }
  const clients = tree['clients'] as Tree[]
  for (const client of clients) {
    if (client['id'] === 'viriya') Object.assign(client, { oauth: { format: 'jwt', redirect_uris: ['https://app.test/cb'] }, ask: asks })
    if (client['id'] === 'domoticz') Object.assign(client, { oauth: { public: true, rotate_refresh: false }, ask: asks })
  }
}

const holder = await fakeHolder()
// The daily comparison with what is shared, which begins by itself, meets an outage: nobody is suspended for it.
holder.script = (seen, socket) => (seen.method === 'POST' ? answerAs(socket, 503, '{}') : ordinary(seen, socket))
const measures = (): number => holder.calls.filter(({ method }) => method === 'GET').length
let gate: TestGate
let secrets: { readonly viriya: string; readonly office: string }
beforeAll(async () => {
  gate = await aGate({ holder, change: portal })
  await gate.permit({ id: 'p1' }, { id: 'o1', client: 'office' })
  const added = async (client: string) => (await gate.command<{ secret: string }>('client add', { client })).secret
  secrets = { viriya: await added('viriya'), office: await added('office') }
})
afterAll(async () => {
  await gate.stop()
  await holder.close()
})

type Said = { readonly status: number; readonly body: Readonly<Record<string, unknown>> }
async function post(path: string, form: Readonly<Record<string, string>>, client?: 'viriya' | 'office'): Promise<Said> {
  const headers: Record<string, string> = client
    ? { authorization: `Basic ${Buffer.from(`${client}:${secrets[client]}`).toString('base64')}` }
    : {}
  const answer = await fetch(gate.url + path, { method: 'POST', body: new URLSearchParams(form), headers })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Said['body']) }
}
async function aToken(client: 'viriya' | 'office'): Promise<string> {
  return String((await post('/oauth/token', { grant_type: 'client_credentials' }, client)).body['access_token'])
}
const read = (token: string) => fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))

test.each(['viriya', 'office'] as const)('a token of %s reads what its client holds, JWT or opaque', async (client) => {
  const token = await aToken(client)
  expect(token.split('.')).toHaveLength(client === 'viriya' ? 3 : 1)
  const answer = await read(token)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('audit-entry')).toMatch(/\/\d+$/)
})

test('metadata name the issuer, at whatever address they are read, and no secret is in the log', async () => {
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource', '/oauth/jwks']) {
    const answer = await fetch(gate.url + path)
    expect(answer.status, path).toBe(200)
    expect(JSON.stringify(await answer.json()), path).not.toContain('127.0.0.1')
  }
  expect(gate.log.join('')).not.toContain(secrets.viriya)
})

/** What an attacker cannot have: the gate's signing key, from its state, by its master key. */
async function ownKey() {
  const db = new DatabaseSync(join(gate.state, 'ecluse.db'), { readOnly: true })
  const [master = '', index = ''] = [gate.env['TEST_MASTER_KEY'], gate.env['TEST_INDEX_KEY']]
  const tickets = ticketsOn(asStores(db), Buffer.from(master, 'hex'), Buffer.from(index, 'hex'))
  const [found] = tickets.list({ kind: 'oauth-key', now: Date.now() as Millis })
  db.close()
  return importJWK((JSON.parse(found?.payload ?? '{}') as { private: JWK }).private, 'EdDSA')
}
type Signer = Parameters<CompactSign['sign']>[0]

test('forged tokens are one answer, 401 and nothing else; no holder is called, and none is a fault of ours', async () => {
  const token = await aToken('viriya')
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  const [worn, said] = [JSON.parse(header ?? '') as Tree, JSON.parse(claims ?? '') as Tree]
  const key = await ownKey()
  const sign = (payload: Tree, protectedHeader: Tree = worn, signer: Signer = key): Promise<string> =>
    new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader(protectedHeader as never).sign(signer, { crit: { x: true } })
  expect((await read(await sign(said))).status, 'one that says all is right').toBe(200)
  const before = measures()
  const unsigned = [{ alg: 'none', typ: 'at+jwt' }, said].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const without = (claim: string): Tree => Object.fromEntries(Object.entries(said).filter(([name]) => name !== claim))
  const forged: Record<string, string> = {
    unknown: randomBytes(32).toString('base64url'),
    none: `${unsigned}.`,
    'HS256 with the public key': await sign(said, { ...worn, alg: 'HS256' }, Buffer.from('x'.repeat(32))),
    'another key': await sign(said, worn, generateKeyPairSync('ed25519').privateKey as never),
    'unknown crit': await sign(said, { ...worn, crit: ['x'], x: true }),
    'ID token': await sign({ ...said, aud: 'viriya', nonce: 'n' }, { ...worn, typ: 'JWT' }),
    expired: await sign({ ...said, exp: Math.floor(Date.now() / 1000) - 1 }),
    'another audience': await sign({ ...said, aud: 'https://other.test' }),
    'another issuer': await sign({ ...said, iss: 'https://other.test' }),
    'five parts': await new CompactEncrypt(Buffer.from(token)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(randomBytes(32)),
    jti: String(said['jti']),
  }
  for (const claim of ['iss', 'aud', 'exp', 'iat', 'sub', 'jti', 'client_id']) forged[`no ${claim}`] = await sign(without(claim))
  const answers = await Promise.all(
    Object.entries(forged).map(async ([name, text]) => {
      const answer = await read(text)
      return [name, answer.status, answer.headers.get('ecluse-reason'), answer.headers.get('audit-entry'), await answer.text()] as const
    }),
  )
  const [, , , , first] = answers[0] ?? []
  for (const [name, ...rest] of answers) expect(rest, name).toStrictEqual([401, 'token_invalid', null, first])
  expect(measures()).toBe(before)
})

test('a JWT is as final as an opaque token: given back, it opens nothing at once', async () => {
  for (const client of ['viriya', 'office'] as const) {
    const token = await aToken(client)
    expect((await read(token)).status).toBe(200)
    expect((await post('/oauth/revoke', { token }, client)).status).toBe(200)
    expect((await read(token)).status, client).toBe(401)
    expect((await post('/oauth/introspect', { token }, client)).body).toStrictEqual({ active: false })
  }
})

test('withdrawn means withdrawn, whatever the JWT says, and introspection says so too', async () => {
  await gate.permit({ id: 'p-last', client: 'office' })
  const [mine, other] = [await aToken('viriya'), await aToken('office')]
  expect((await post('/oauth/introspect', { token: mine }, 'viriya')).body).toMatchObject({
    active: true,
    client_id: 'viriya',
    iss: ISSUER,
    aud: ISSUER,
  })
  await gate.command('permission withdraw', { permission: 'p1' })
  const answer = await read(mine)
  expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([403, 'withdrawn'])
  expect((await post('/oauth/introspect', { token: mine }, 'viriya')).body, 'it holds nothing any more').toStrictEqual({ active: false })
  expect((await post('/oauth/introspect', { token: other }, 'office')).body).toMatchObject({ active: true })
  expect((await read(other)).status).toBe(200)
})

test('a token of another purpose: once the settings give the client another one, the old token is refused', async () => {
  await gate.permit({ id: 'p2' })
  const token = await aToken('viriya')
  expect((await read(token)).status).toBe(200)
  const yaml = readFileSync(gate.config, 'utf8')
  writeFileSync(gate.config, yaml.replace('purpose: self_view', 'purpose: home_automation'))
  await gate.gate.reload()
  const answer = await read(token)
  expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([403, 'purpose_mismatch'])
  writeFileSync(gate.config, yaml)
  await gate.gate.reload()
  expect((await read(token)).status).toBe(200)
})

test('a client that is disabled has no token that holds and gets no other, at once', async () => {
  const token = await aToken('viriya')
  const yaml = readFileSync(gate.config, 'utf8')
  writeFileSync(gate.config, yaml.replace('name: Viriya', 'name: Viriya\n    disabled: true'))
  await gate.gate.reload()
  expect((await read(token)).status).toBe(401)
  expect((await post('/oauth/token', { grant_type: 'client_credentials' }, 'viriya')).status).toBe(401)
  writeFileSync(gate.config, yaml)
  await gate.gate.reload()
  expect((await post('/oauth/token', { grant_type: 'client_credentials' }, 'viriya')).status).toBe(200)
})

test('DomoticzLinky polls ten seconds later on the same connection, as it was measured to', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  const send = (path: string, form: Readonly<Record<string, string>>) =>
    new Promise<Said>((resolve, reject) => {
      const body = new URLSearchParams(form).toString()
      const headers = {
        Accept: 'application/json',
        'Content-Type': 'application/x-www-form-urlencoded',
        'User-Agent': 'DomoticzLinkyPlugin/2.6.0',
        Host: 'enedis.domoticz.russandol.pro',
        'Content-Length': body.length,
      }
      const sent = request(gate.url + path, { method: 'POST', agent, headers }, (res) => {
        sockets.add(res.socket)
        let text = ''
        res.on('data', (chunk) => (text += String(chunk)))
        res.on('end', () => resolve({ status: res.statusCode ?? 0, body: JSON.parse(text) as Said['body'] }))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  const { body } = await send('/device/code', { client_id: 'domoticz' })
  const poll = {
    client_id: 'domoticz',
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: String(body['device_code']),
  }
  for (let i = 0; i < 2; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    expect(await send('/device/token', poll)).toMatchObject({ status: 400, body: { error: 'authorization_pending' } })
  }
  expect(sockets.size).toBe(1)
  agent.destroy()
})

test('after a restart keys, tokens and device codes are what they were', async () => {
  const token = await aToken('viriya')
  const { body } = await post('/device/code', { client_id: 'domoticz' })
  const keys = await (await fetch(`${gate.url}/oauth/jwks`)).text()
  const { folder, env } = gate
  await gate.gate.stop()
  gate = await aGate({ holder, change: portal, folder, env })
  expect(await (await fetch(`${gate.url}/oauth/jwks`)).text()).toBe(keys)
  expect((await read(token)).status).toBe(200)
  const poll = {
    client_id: 'domoticz',
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: String(body['device_code']),
  }
  expect((await post('/device/token', poll)).body['error']).toBe('authorization_pending')
  expect((await fetch(`${gate.url}/device?code=${String(body['user_code'])}`)).status).toBe(200)
})
