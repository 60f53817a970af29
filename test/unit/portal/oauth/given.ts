/**
 * The OAuth server on loopback, on real stores, in front of the smallest journey that there can be: a page that says
 * what is asked, and two that end it. A browser with a cookie jar, and the calls that a client makes.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Millis } from '../../../../src/domain/time.ts'
import type { ClientId, PermissionId } from '../../../../src/domain/permission.ts'
import type { Given, OAuthClient, OAuthParts } from '../../../../src/portal/oauth/ports.ts'
import { oauthServer } from '../../../../src/portal/oauth/server.ts'
import type { OAuthServer } from '../../../../src/portal/oauth/server.ts'
import { loggerTo } from '../../../../src/runtime/logger.ts'
import { placesBehind } from '../../../../src/runtime/place.ts'
import { aContext, aLine, aTree, draftsOf, imported, METER } from '../../../contract/given.ts'
import type { Tree } from '../../../contract/given.ts'
import type { Stores } from '../../../contract/stores.ts'
import { sqliteStores } from '../../../contract/stores.ts'

export const REDIRECT = 'https://app.example.test/callback'
const PURPOSES = { viriya: 'self_view', office: 'solar_sizing', domoticz: 'self_view' } as const

type Ask = NonNullable<OAuthClient['ask']>
export function ask(change: Partial<Ask> = {}): Ask {
  const line = { direction: 'withdrawal', recurrence: 'on_demand', why: { fr: 'voir', en: 'see' } } as const
  return {
    body: 'Viriya SAS',
    contact: 'dpo@viriya.test',
    ground: 'consent',
    validity: 'P1Y',
    notice: 1,
    retention: { fr: 'un an', en: 'one year' },
    recipients: [],
    lines: [
      { ...line, kind: 'load_curve', finest: 'PT30M', historyDays: 365 },
      { ...line, kind: 'daily_energy', finest: 'P1D', historyDays: 1095 },
      { ...line, kind: 'load_curve', finest: 'PT30M', historyDays: 0, for: 'office' as ClientId, recurrence: 'once' },
    ],
    ...change,
  }
}

export function aClient(id: keyof typeof PURPOSES, change: Partial<OAuthClient['oauth']> = {}): OAuthClient {
  const isPublic = id === 'domoticz'
  return {
    id,
    name: id,
    purpose: PURPOSES[id],
    disabled: false,
    corsOrigins: [],
    oauth: {
      redirectUris: isPublic ? [] : [REDIRECT],
      public: isPublic,
      format: 'opaque',
      rotateRefresh: !isPublic,
      refreshDays: 1461,
      ...change,
    },
    ask: ask(),
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of JSON; empty for anything else. */
  readonly body: { readonly [field: string]: unknown }
}
export type Fields = Readonly<Record<string, string>>

export interface TestServer {
  readonly issuer: string
  readonly server: OAuthServer
  readonly stores: Stores
  readonly clients: Map<string, OAuthClient>
  readonly secrets: Readonly<Record<string, string>>
  /** Hashes of tokens that ended, as caches are told. */
  readonly ended: string[]
  readonly log: string[]
  /** What a test turns off. */
  readonly switches: { ready: boolean; broken: boolean; strangers: number; onceRecorded: (() => Promise<void>) | undefined }
  post(path: string, form: Fields, headers?: Fields): Promise<Answer>
  get(target: string, headers?: Fields): Promise<Answer>
  permit(id: string, client?: string, change?: Tree): Promise<PermissionId>
  /** Whether the gate would know the bearer of this text, and as whom. */
  identify(text: string): Promise<{ readonly client: string; readonly set: unknown; readonly purpose: string } | undefined>
  /** The same gate after a restart: everything but its state is new. */
  restarted(): Promise<TestServer>
  close(): Promise<void>
}

export function basic(id: string, secret: string): Fields {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}

/** @param issuerSeen another address than the one it listens on, as behind a server that ends TLS */
export async function aServer(before?: TestServer, issuerSeen?: string): Promise<TestServer> {
  const stores = before?.stores ?? (await sqliteStores())
  const clients = before?.clients ?? new Map((['viriya', 'office', 'domoticz'] as const).map((id) => [id as string, aClient(id)]))
  const now = (): Millis => Date.now() as Millis
  const secrets: Record<string, string> = { ...before?.secrets }
  if (!before) {
    await stores.tokens.syncClients({ clients: [...clients.keys()].map((id) => ({ id: id as ClientId, disabled: false })), now: now() })
    for (const client of ['viriya', 'office'] as const)
      secrets[client] = (await stores.tokens.addCredential({ client: client as ClientId, rotate: false, now: now() })).secret
  }
  const ended: string[] = []
  const log: string[] = []
  const switches: TestServer['switches'] = { ready: true, broken: false, strangers: Infinity, onceRecorded: undefined }
  const running: { server?: OAuthServer } = {}
  const http = createServer((message, res) => {
    const journey = /^\/consent\/oauth\/([A-Za-z0-9_-]+)(?:\/(yes|no))?$/.exec((message.url ?? '').split('?')[0] ?? '')
    const [, uid = '', end] = journey ?? []
    const answered = async (): Promise<void> => {
      const server = started(running)
      if (!journey) return server.handle(message, res)
      const given = JSON.parse(String(message.headers['x-given'] ?? '{}')) as Given
      if (end === undefined) res.end(JSON.stringify((await server.details(message, res, uid)) ?? null))
      else if (!(await (end === 'yes' ? server.granted(message, res, uid, given) : server.refused(message, res, uid))))
        res.writeHead(410).end()
    }
    answered().catch((error: unknown) => {
      log.push(String(error instanceof Error ? error.stack : error))
      if (!res.headersSent) res.writeHead(500).end()
    })
  })
  // As the gate's listener does: no automatic «100 Continue».
  http.on('checkContinue', (message, res) => http.emit('request', message, res))
  await new Promise<void>((resolve) => http.listen(before ? Number(new URL(before.issuer).port) : 0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const issuer = issuerSeen ?? address
  const broken = (): void => {
    if (switches.broken) throw Object.assign(new Error('the state is gone'), { name: 'CallError', fault: 'down' })
  }
  const guarded = <T extends object>(store: T): T =>
    Object.fromEntries(
      Object.entries(store).map(([name, call]) => [
        name,
        async (args: unknown) => {
          broken()
          const value = await (call as (a: unknown) => Promise<unknown>)(args)
          if (name === 'record') await switches.onceRecorded?.()
          return value
        },
      ]),
    ) as T
  const parts: OAuthParts = {
    issuer,
    placeOf: placesBehind([]),
    state: {
      tickets: guarded(stores.tickets),
      tokens: guarded(stores.tokens),
      showPermission: (args) => stores.registry.show(args),
      listPermissions: (args) => stores.registry.list(args),
    } as OAuthParts['state'],
    client: (id) => clients.get(id),
    tokens: () => ({ ttlSeconds: 12_600, perCredentialCap: 20 }),
    journeySeconds: () => 1800,
    ended: (hash) => {
      ended.push(Buffer.from(hash).toString('hex'))
      return Promise.resolve()
    },
    stranger: () => {
      switches.strangers -= 1
      return switches.strangers < 0
    },
    ready: () => switches.ready,
    now,
    log: loggerTo('debug', 'test', { write: (line: string) => void log.push(line) } as never),
  }
  const server = oauthServer(parts)
  running.server = server
  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${address}${path}`, { redirect: 'manual', ...init })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Answer['body']) : {} }
  }
  const halt = async (): Promise<void> => {
    http.closeAllConnections()
    await new Promise<void>((resolve) => http.close(() => resolve()))
  }
  const test: TestServer = {
    issuer,
    server,
    stores,
    clients,
    secrets,
    ended,
    log,
    switches,
    post: (path, form, headers = {}) => call(path, { method: 'POST', body: new URLSearchParams(form), headers }),
    get: (target, headers = {}) => call(target, { headers }),
    async permit(id, client = 'viriya', change = {}) {
      const purpose = PURPOSES[client as keyof typeof PURPOSES]
      const context = aContext({ clients: new Map(Object.entries(PURPOSES)) })
      const drafts = draftsOf([aTree(id, { client, meter: METER, lines: [aLine({ purpose })], ...change })], context)
      const done = await stores.admit(imported(drafts))
      if (!done.ok) throw new Error(JSON.stringify(done.mistakes))
      return id as PermissionId
    },
    async identify(text) {
      const hash = await server.bearer(text)
      return hash && (await stores.tokens.identify({ hash }))
    },
    async restarted() {
      await halt()
      // For the connections of before to be known to have ended.
      await new Promise((resolve) => setTimeout(resolve, 20))
      return aServer(test)
    },
    async close() {
      await halt()
      await stores.close()
    },
  }
  return test
}
function started({ server }: { readonly server?: OAuthServer }): OAuthServer {
  if (!server) throw new Error('not started')
  return server
}

/** Cookies as browsers keep them: by name and path, sent where the path fits. */
export function aBrowser(test: TestServer): {
  get(target: string): Promise<Answer>
  end(uid: string, how: 'yes' | 'no', given?: Given): Promise<Answer>
  readonly cookies: Map<string, { readonly value: string; readonly path: string }>
} {
  const cookies = new Map<string, { readonly value: string; readonly path: string }>()
  const go = async (target: string, headers: Fields = {}): Promise<Answer> => {
    const path = target.split('?')[0] ?? ''
    const sent = [...cookies].filter(([, c]) => path === c.path || path.startsWith(c.path.endsWith('/') ? c.path : `${c.path}/`))
    const cookie = sent.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
    const answer = await test.get(target, { ...headers, ...(cookie !== '' && { cookie }) })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ')
      const eq = pair.indexOf('=')
      const at = attributes.find((a) => a.startsWith('path='))?.slice(5) ?? '/'
      const key = `${pair.slice(0, eq)} ${at}`
      if (pair.slice(eq + 1) === '') cookies.delete(key)
      else cookies.set(key, { value: pair.slice(eq + 1), path: at })
    }
    return answer
  }
  return {
    cookies,
    get: (target) => go(target),
    end: (uid, how, given) => go(`/consent/oauth/${uid}/${how}`, given ? { 'x-given': JSON.stringify(given) } : {}),
  }
}

export interface Pkce {
  readonly verifier: string
  readonly challenge: string
}
export function pkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** The authorization request of a client that does everything right; a test changes what it is about. */
export function authorizeTarget(challenge: string, change: Readonly<Record<string, string | undefined>> = {}): string {
  const fields: Record<string, string | undefined> = {
    client_id: 'viriya',
    response_type: 'code',
    redirect_uri: REDIRECT,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'state-1',
    ...change,
  }
  const given = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return `/oauth/authorize?${new URLSearchParams(given).toString()}`
}

/** Asks, consents, and comes back: the address to which the browser is sent at the end. */
export async function consented(
  test: TestServer,
  target: string,
  given: Given,
  browser: ReturnType<typeof aBrowser> = aBrowser(test),
): Promise<URL> {
  const asked = await browser.get(target)
  const uid = /^\/consent\/oauth\/([A-Za-z0-9_-]+)$/.exec(asked.headers.get('location') ?? '')?.[1]
  if (uid === undefined) throw new Error(`no interaction: ${asked.status} ${asked.headers.get('location')} ${asked.text}`)
  const back = await browser.end(uid, 'yes', given)
  const resumed = await browser.get(new URL(back.headers.get('location') ?? '', test.issuer).pathname)
  return new URL(resumed.headers.get('location') ?? 'about:none')
}

/** A code of viriya's for one fresh permission, with what redeems it. */
export async function aCode(
  test: TestServer,
  permission: string,
  change: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly code: string; readonly verifier: string; readonly back: URL }> {
  await test.permit(permission, change['client_id'] ?? 'viriya')
  const { verifier, challenge } = pkce()
  const back = await consented(test, authorizeTarget(challenge, change), { bundle: `bdl_${permission}`, permissions: [permission] })
  return { code: back.searchParams.get('code') ?? '', verifier, back }
}

export function redeem(test: TestServer, code: string, verifier: string, change: Fields = {}): Promise<Answer> {
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT, ...change }
  return test.post('/oauth/token', form, basic('viriya', test.secrets['viriya'] ?? ''))
}

/** Tokens of viriya's for one fresh permission. */
export async function someTokens(test: TestServer, permission: string): Promise<{ readonly access: string; readonly refresh: string }> {
  const { code, verifier } = await aCode(test, permission)
  const { body } = await redeem(test, code, verifier)
  return { access: String(body['access_token']), refresh: String(body['refresh_token']) }
}
