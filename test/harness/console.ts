/**
 * The operators' console for tests, on a state of its own: everything behind it is the real thing, but for the request
 * path, whose decisions a test tells it. A folder that a gate has left can be given, with what happened in it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pino from 'pino'
import type { Link, SeenDecision, ShadowCount, ShadowDifference } from '../../src/console/ports.ts'
import type { RunningConsole } from '../../src/console/server.ts'
import { mandatesIssuedBy } from '../../src/mandate-forms.ts'
import { startConsole } from '../../src/console-parts.ts'
import type { Json } from '../../src/domain/canonical.ts'
import type { AccountId } from '../../src/domain/permission.ts'
import type { Millis } from '../../src/domain/time.ts'
import { quotaOf } from '../../src/gateway/quota.ts'
import { instanceKeys, originOf } from '../../src/instance.ts'
import type { CommandContext } from '../../src/ops/commands.ts'
import { commandsOn } from '../../src/ops/commands.ts'
import type { ActResult } from '../../src/permissions/record.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import { readSettings } from '../../src/settings/settings.ts'
import { ownState } from '../../src/state-thread.ts'
import type { PermissionWish, Tree } from './settings.ts'
import { permissionTree, secretsOf, settingsTree, settingsYaml } from './settings.ts'

export const BOOTSTRAP_SECRET = 'bootstrap-secret-canary-0123456789abcdef'

export interface ConsoleOptions {
  readonly change?: (tree: Tree) => void
  readonly folder?: string
  readonly env?: Record<string, string>
  /** Instead of {@link BOOTSTRAP_SECRET}. */
  readonly secret?: string
  readonly decisions?: readonly SeenDecision[]
  readonly differences?: readonly ShadowDifference[]
  readonly tallies?: readonly ShadowCount[]
  readonly link?: (permission: string) => Promise<Link>
  readonly receipt?: (permission: string) => Promise<Json | null>
}
/** `more` replaces members of the import; `documents` in base64, by the names that it gives them. */
export type ConsoleWish = PermissionWish & { readonly more?: Tree; readonly documents?: Readonly<Record<string, string>> }

export interface TestConsole {
  readonly url: string
  readonly folder: string
  readonly state: string
  readonly env: Record<string, string>
  readonly log: string[]
  /** What the caches of a gate would have heard. */
  readonly acts: ActResult[]
  readonly clientsCut: string[]
  readonly running: RunningConsole
  readonly commands: ReturnType<typeof commandsOn>
  permit(...wishes: readonly ConsoleWish[]): Promise<void>
  /** A procedure of the state. */
  call<T>(name: string, args: unknown): Promise<T>
  stop(): Promise<void>
  /** Leaves the folder, for another to start on. */
  stopKeeping(): Promise<void>
}

/** A port that was free a moment ago: the address of the console is part of its settings. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** The two sections that a console needs, in the tree of a settings file. */
export function withConsole(port: number, more: Tree = {}): (tree: Tree) => void {
  return (tree) => {
    const listeners = tree['listeners'] as Tree
    listeners['admin'] = { port, url: `http://127.0.0.1:${port}` }
    tree['console'] = { bootstrap: { env: 'TEST_BOOTSTRAP' }, ...more }
  }
}

export async function aConsole(options: ConsoleOptions = {}): Promise<TestConsole> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'ecluse-console-'))
  const env = { ...(options.env ?? secretsOf()), TEST_BOOTSTRAP: options.secret ?? BOOTSTRAP_SECRET }
  const tree = settingsTree('http://127.0.0.1:9', join(folder, 'state'))
  withConsole(await freePort())(tree)
  options.change?.(tree)
  const file = join(folder, 'console.yaml')
  writeFileSync(file, settingsYaml(tree))
  const accepted = await readSettings(file, env)
  if (!accepted.ok) throw new Error(`the settings of the test have mistakes: ${JSON.stringify(accepted.mistakes)}`)
  const { settings } = accepted
  const log: string[] = []
  const logger = loggerTo('info', 'test', { write: (line: string) => void log.push(line) } as pino.DestinationStream)
  const now = (): Millis => Date.now() as Millis
  const state = await ownState(
    {
      folder: settings.instance.state,
      node: 'test',
      origin: originOf(settings, now()),
      keys: await instanceKeys(settings, env),
      checkpointMs: 1000,
      now: now(),
    },
    { ...settings.evidence.queue, ageMs: 60_000 },
    (why) => log.push(why),
  )
  await state.client.call('syncClients', { clients: settings.clients.map(({ id, disabled }) => ({ id, disabled })), now: now() })
  const acts: ActResult[] = []
  const clientsCut: string[] = []
  const context: CommandContext = {
    state: state.client,
    now,
    operator: 'uid:test',
    document: () => accepted.document,
    clients: () => new Map(settings.clients.map((c) => [c.id, c.purpose])),
    accounts: () => ['enedis-data-connect/main'],
    simulated: () => true,
    tokenTtlSeconds: () => 3600,
    issueMandate: mandatesIssuedBy({ state: state.client, settings: () => settings, purposes: () => accepted.policy.purposes, now }),
    onActs: (heard) => Promise.resolve(void acts.push(...heard)),
    onToken: () => Promise.resolve(),
    onClient: (id) => Promise.resolve(void clientsCut.push(id)),
    status: () => ({}),
  }
  const quota = quotaOf(
    () => ({ perSecond: 5, most: 1_000_000, windowMs: 3_600_000 }),
    () => performance.now(),
    1000,
  )
  const reserved = quota.reserve({ client: 'viriya' as never, account: 'main' as AccountId, api: 'load_curve', calls: 40, rule: null })
  if (!reserved.ok) throw new Error('the quota of the test is used up')
  const running = await startConsole({
    context,
    accepted: () => accepted,
    env,
    log: logger,
    readiness: () => ({ ready: true, checks: { evidence: 'ok', redis: 'off' } }),
    quotas: () => quota.left().map(({ account, api, calls }) => ({ account, api, left: calls, most: 1_000_000, windowSeconds: 3600 })),
    watch: {
      latest: (most) => (options.decisions ?? []).slice(0, most) as never,
      differences: (most) => (options.differences ?? []).slice(0, most) as never,
      tallies: () => options.tallies ?? [],
    },
    link: options.link,
    receipt: options.receipt,
  })
  if (!running) throw new Error('the settings of the test have no console')
  const commands = commandsOn(context)
  return {
    url: running.url,
    folder,
    state: settings.instance.state,
    env,
    log,
    acts,
    clientsCut,
    running,
    commands,
    async permit(...wishes) {
      const permissions = wishes.map((wish) => ({ ...permissionTree(wish), ...wish.more }))
      const documents = Object.assign({}, ...wishes.map((wish) => wish.documents ?? {})) as Record<string, string>
      const done = await commands['permission import']({
        text: JSON.stringify({ permissions }),
        documents,
        dryRun: false,
        unverified: true,
      })
      if (!done.ok) throw new Error(`the permissions of the test have mistakes: ${JSON.stringify(done)}`)
    },
    call: (name, args) => state.client.call(name, args),
    async stopKeeping() {
      await running.stop()
      await state.stop()
    },
    async stop() {
      await running.stop()
      await state.stop()
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A browser's way: it keeps cookies, follows nothing by itself, and says where its requests come from. */
export interface Browser {
  readonly cookies: Map<string, string>
  get(path: string, headers?: Record<string, string>): Promise<Answered>
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answered>
}
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The token of the first form of the page. */
  readonly csrf: string
}

export function aBrowser(url: string): Browser {
  const cookies = new Map<string, string>()
  async function ask(
    path: string,
    { headers, ...init }: Omit<RequestInit, 'headers'> & { readonly headers: Record<string, string> },
  ): Promise<Answered> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(new URL(path, url), {
      redirect: 'manual',
      ...init,
      headers: { 'accept-language': 'en', ...(cookie !== '' && { cookie }), ...headers },
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, csrf: /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '' }
  }
  return {
    cookies,
    get: (path, headers = {}) => ask(path, { headers }),
    post: (path, form, headers = {}) =>
      ask(path, { method: 'POST', body: new URLSearchParams(form), headers: { 'sec-fetch-site': 'same-origin', ...headers } }),
  }
}

export async function signIn(browser: Browser, secret = BOOTSTRAP_SECRET): Promise<Answered> {
  const { csrf } = await browser.get('/sign-in')
  return browser.post('/sign-in', { csrf, secret, to: '/' })
}
