/**
 * The portal for tests: its pages on a node:http server, over the real thread that owns the state, in this process; and a
 * browser for them, which keeps cookies, follows nothing by itself and sends forms as they stand in the page.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pino from 'pino'
import { decide } from '../../src/decide/decide.ts'
import type { Json } from '../../src/domain/canonical.ts'
import { canonicalJson } from '../../src/domain/canonical.ts'
import type { AccountId, ClientId, PurposeCode } from '../../src/domain/permission.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { intentFields, outcomeFields, refusedFields } from '../../src/domain/record.ts'
import type { AccessRequest, Caller } from '../../src/domain/request.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { IntentResult } from '../../src/evidence/access.ts'
import type { Admitted, CheckedImport } from '../../src/permissions/admit.ts'
import type { ActResult } from '../../src/permissions/record.ts'
import type { Views } from '../../src/permissions/registry.ts'
import { meterTokenOf } from '../../src/permissions/registry.ts'
import type { PortalParts } from '../../src/portal/ports.ts'
import type { Portal, Room } from '../../src/portal/portal.ts'
import { portalOf } from '../../src/portal/portal.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import { placesBehind } from '../../src/runtime/place.ts'
import { parseSettings } from '../../src/settings/settings.ts'
import type { OwnedState } from '../../src/state-thread.ts'
import { ownState } from '../../src/state-thread.ts'
import { days } from '../given.ts'
import type { Canaries } from './canary.ts'
import { canaries } from './canary.ts'
import type { PermissionWish, Tree } from './settings.ts'
import { METER, OTHER_METER, permissionTree, settingsTree, settingsYaml } from './settings.ts'

export interface TestPortal {
  readonly url: string
  readonly parts: PortalParts
  readonly state: OwnedState
  readonly folder: string
  readonly log: string[]
  /** What must be found in no file and no line of the log, once all is closed. */
  readonly secret: Canaries
  /** Acts that were told to caches and calls under way, as they came. */
  readonly told: ActResult[]
  /** Milliseconds that the clock of pages and tickets is ahead. */
  ahead: number
  permit(...wishes: readonly PermissionWish[]): Promise<void>
  /** One access of viriya to the meter under this permission, as the gate records it. */
  read(permission: string, meter?: string): Promise<number>
  /** One request of viriya that is refused, as the gate records it. */
  refuse(meter?: string): Promise<number>
  /** Until every entry so far is under a signed checkpoint. */
  drained(): Promise<void>
  entries(): Promise<readonly { readonly n: number; readonly t: string; readonly [field: string]: unknown }[]>
  browser(): Browser
  /** A browser that came in by a one-time link of this permission. */
  visitor(permission: string): Promise<Browser>
  close(): Promise<void>
}

export interface PortalOptions {
  readonly rooms: (parts: PortalParts, url: string) => readonly Room[]
  readonly change?: (tree: Tree, url: string) => void
}

const PERIOD = days('2026-10-01', '2026-10-08')

export async function aPortal({ rooms, change }: PortalOptions): Promise<TestPortal> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-portal-'))
  // Its address is known before its pages are made.
  const door: { portal?: Portal } = {}
  const server = createServer((message, res) => door.portal?.handle(message, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { settings, policy, policyHash, document } = settingsOf(join(folder, 'state'), url, change)
  const keys = { signing: randomBytes(32), master: randomBytes(32), index: randomBytes(32) }
  const state = await ownState(
    {
      folder: settings.instance.state,
      node: 'test',
      origin: 'portal.test.localhost/journal/2026',
      keys,
      checkpointMs: 200,
      now: Date.now(),
    },
    { ...settings.evidence.queue, ageMs: 5000 },
    (why) => {
      throw new Error(why)
    },
  )
  const log: string[] = []
  const told: ActResult[] = []
  const secret = canaries()
  secret.add(METER, OTHER_METER)
  const portalSettings = settings.portal
  if (!portalSettings) throw new Error('the settings of the test have no portal')
  const test = { ahead: 0 }
  const now = (): Millis => (Date.now() + test.ahead) as Millis
  const parts: PortalParts = {
    settings: portalSettings,
    clients: () => new Map(settings.clients.map((client) => [client.id, client])),
    purposes: () => policy.purposes,
    state: state.client,
    ready: () => true,
    shares: () => Promise.resolve({ is: 'none' }),
    applicationOf: () => 'application',
    onActs: (acts) => {
      told.push(...acts)
      return Promise.resolve()
    },
    onToken: () => Promise.resolve(),
    tokenTtlSeconds: () => 3600,
    tokensPerCredential: () => 5,
    scan: undefined,
    placeOf: placesBehind([]),
    now,
    newId: randomUUID,
    log: loggerTo('warn', 'test', { write: (line: string) => void log.push(line) } as pino.DestinationStream),
    secret: randomBytes(32),
  }
  const portal = await portalOf(parts, rooms(parts, url))
  door.portal = portal
  await state.client.call('syncClients', { clients: settings.clients.map(({ id }) => ({ id, disabled: false })), now: now() })
  const { token } = await state.client.call<{ token: string }>('issueToken', {
    client: 'viriya',
    purpose: 'self_view',
    permissions: null,
    ttlSeconds: 86_400,
    now: now(),
  })
  await state.client.call('policy', { hash: policyHash, body: canonicalJson(document as unknown as Json), now: now() })
  const gate = gateOn(state, policy, policyHash, keys.index, createHash('sha256').update(token).digest())
  const house: TestPortal = {
    url,
    parts,
    state,
    folder,
    log,
    secret,
    told,
    get ahead() {
      return test.ahead
    },
    set ahead(ms) {
      test.ahead = ms
    },
    async permit(...wishes) {
      const context = {
        unverified: true,
        policy,
        clients: settings.clients.map(({ id, purpose }) => [id, purpose]),
        accounts: ['enedis-data-connect/main', 'enedis-sge/enedis-sge'],
      }
      const text = JSON.stringify({ permissions: wishes.map(permissionTree) })
      const checked = await state.client.call<CheckedImport>('checkImport', { text, context, documents: {}, now: now() })
      const drafts = checked.ok ? checked.fresh : []
      const done = checked.ok ? await state.client.call<Admitted>('importPermissions', { drafts, documents: {}, now: now() }) : checked
      if (!done.ok) throw new Error(`the permissions of the test have mistakes: ${JSON.stringify(done)}`)
    },
    read: gate.read,
    refuse: gate.refuse,
    async drained() {
      while ((await state.client.call<string | false>('drained', {})) === false) await new Promise((resolve) => setTimeout(resolve, 10))
    },
    async entries() {
      await house.drained()
      const rows = await state.client.call<readonly { readonly entry: string }[]>('exportRows', { from: 0, limit: 10_000 })
      return rows.map((row) => JSON.parse(row.entry) as { n: number; t: string })
    },
    browser: () => browserAt(url),
    async visitor(permission) {
      const browser = browserAt(url)
      const made = await state.client.call<{ token: string }>('linkMake', { permission, by: 'test', ttlSeconds: 3600, now: now() })
      secret.add(made.token)
      const page = await browser.get(`/link/${made.token}`)
      const entered = await browser.submit(page, `/link/${made.token}`)
      if (entered.status !== 303) throw new Error(`the link did not open: ${entered.status} ${entered.text}`)
      return browser
    },
    async close() {
      await portal.close()
      server.closeAllConnections()
      server.close()
      await state.stop()
      secret.searchText('the log', log.join(''))
      secret.searchFolder(settings.instance.state)
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return house
}

function settingsOf(stateFolder: string, url: string, change: PortalOptions['change']) {
  const tree = settingsTree('http://127.0.0.1:9', stateFolder)
  tree['portal'] = {
    url,
    operator: { name: 'Communauté <de> test', contact: 'dpo@example.org', address: '1 place du Test, 00000 Ville' },
    account: 'main',
  }
  const clients = tree['clients'] as Tree[]
  const [viriya] = clients
  if (viriya) {
    viriya['ask'] = {
      body: 'Viriya SAS',
      contact: 'donnees@viriya.example',
      retention: { fr: 'trois ans', en: 'three years' },
      lines: [{ kind: 'daily_energy', finest: 'P1D', why: { fr: 'Voir', en: 'See' } }],
    }
  }
  change?.(tree, url)
  const parsed = parseSettings(settingsYaml(tree))
  if (!parsed.ok) throw new Error(`the settings of the test have mistakes: ${JSON.stringify(parsed.mistakes)}`)
  return parsed
}

/** Records accesses as the gate does: decided by the rule, intent and outcome in their own transactions. */
function gateOn(state: OwnedState, policy: Policy, policyHash: string, index: Uint8Array, tokenHash: Buffer) {
  const client = 'viriya' as ClientId
  const caller: Caller = { client, purpose: 'self_view' as PurposeCode, set: 'all', refusesNarrowing: false }
  const asked = async (bare: string) => {
    const request: AccessRequest = {
      provider: 'enedis-data-connect',
      api: 'mesure_synchrone_auto',
      meter: `prm:${bare}` as AccessRequest['meter'],
      kind: 'daily_energy',
      direction: 'withdrawal',
      step: 'P1D',
      period: PERIOD,
    }
    const views = await state.client.call<Views>('views', { client, meter: request.meter })
    const now = Date.now() as Millis
    const context = { req: randomUUID(), caller, account: 'main' as AccountId, now, policy: policyHash, request }
    const decision = decide({ request, caller, permissions: views.permissions, policy, now })
    return { request, views, now, context, decision }
  }
  return {
    async read(permission: string, bare = METER): Promise<number> {
      const { request, views, now, context } = await asked(bare)
      const used = views.permissions.find((p) => p.id === permission)
      const line = used?.scope.lines.find((l) => l.kind === 'daily_energy')
      if (!used || !line) throw new Error(`no line of ${permission} opens this`)
      const part = {
        permission: used.id,
        line: line.id,
        period: PERIOD,
        how: 'direct',
        kind: 'daily_energy',
        finest: 'P1D',
        averageUp: false,
        keepKinds: [],
      } as const
      const decision = { result: 'allow', rule: 'measures', parts: [part], obligations: [] } as const
      const intent = await state.client.call<IntentResult>('intent', {
        fields: intentFields({ ...context, request }, decision, { part, index: 0, total: 1, call: 1 }, views.permissions),
        now,
        tokenHash,
        client,
        meterToken: meterTokenOf(index, request.meter),
        generation: views.generation,
        permission: { id: used.id, version: used.version, scopeHash: used.scopeHash },
        injection: false,
        req: context.req,
        call: 1,
        first: null,
        recurrence: null,
      })
      if (intent.is !== 'recorded') throw new Error(`stale: ${intent.why}`)
      const counts = { readings: 7, dropped: 0, first: '2026-10-01', last: '2026-10-07' }
      const outcome = { result: 'delivered', status: 200, bytes: 700, holderBytes: 700, counts, ms: 5, code: null, digest: null } as const
      await state.client.call('outcome', {
        intent: intent.n,
        fields: outcomeFields(outcome),
        now,
        delivered: true,
        asked: true,
        over: true,
      })
      return intent.n
    },
    async refuse(bare = METER): Promise<number> {
      const { request, views, now, context, decision } = await asked(bare)
      if (decision.result !== 'deny') throw new Error('this would be allowed')
      const refused = await state.client.call<{ is: string; n: number }>('refused', {
        fields: refusedFields({ ...context, request }, 'decide', decision.reason, decision, views.permissions),
        now,
        client,
        tokenHash,
        record: true,
        meter: { token: meterTokenOf(index, request.meter), generation: views.generation },
      })
      if (refused.is !== 'recorded') throw new Error(refused.is)
      return refused.n
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly bytes: Buffer
}
export interface Browser {
  readonly cookies: Map<string, string>
  get(path: string, headers?: Readonly<Record<string, string>>, method?: 'GET' | 'HEAD'): Promise<Answer>
  post(path: string, form: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Sends the form of the page whose action this is, with its hidden fields, as a browser does. */
  submit(page: Answer, action: string, more?: Readonly<Record<string, string>>): Promise<Answer>
  /** A GET, and on where it leads, on this site or another. */
  follow(path: string): Promise<Answer>
}

export function browserAt(url: string): Browser {
  const cookies = new Map<string, string>()
  async function send(path: string, init: RequestInit, headers: Readonly<Record<string, string>>): Promise<Answer> {
    const sent = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(new URL(path, url), {
      ...init,
      redirect: 'manual',
      headers: { 'accept-language': 'en', ...(sent !== '' && { cookie: sent }), ...headers },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=')
      cookies.set(name, value)
    }
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, headers: answer.headers, text: bytes.toString(), bytes }
  }
  const browser: Browser = {
    cookies,
    get: (path, headers = {}, method = 'GET') => send(path, { method }, headers),
    post: (path, form, headers = {}) =>
      send(
        path,
        { method: 'POST', body: new URLSearchParams(form) },
        { origin: new URL(url).origin, 'sec-fetch-site': 'same-origin', ...headers },
      ),
    submit(page, action, more = {}) {
      const form = page.text
        .split('<form')
        .find((part) => part.includes(`action="${action}"`))
        ?.split('</form>')[0]
      if (form === undefined) throw new Error(`no form leads to ${action}: ${page.text}`)
      const hidden = [...form.matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g)].map((m) => [
        m[1] ?? '',
        m[2] ?? '',
      ])
      return browser.post(action, { ...(Object.fromEntries(hidden) as Record<string, string>), ...more })
    },
    async follow(path) {
      let answer = await browser.get(path)
      for (let hops = 0; answer.status >= 300 && answer.status < 400 && hops < 5; hops += 1)
        answer = await browser.get(answer.headers.get('location') ?? '')
      return answer
    },
  }
  return browser
}
