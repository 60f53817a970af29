/**
 * The demo: simulated Enedis and GRDF, gate and ops listener on loopback, with fresh state, keys made for the occasion,
 * and what `demo-requests.ts` has. Nothing of it outlives `stop`.
 *
 * It is the gate itself that runs, from `config/demo.yaml`; only ports, folder and the simulator's URL are put in. Keys
 * and secrets go by an environment of its own and are written nowhere.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { DEMO_CLIENTS, permissionsOn, requestsOn, SUSPENDED_METER } from './demo-requests.ts'
import type { Millis } from './domain/time.ts'
import { parisDay } from './domain/time.ts'
import { startGate } from './main.ts'
import type { RunningGate } from './main.ts'
import { loggerTo } from './runtime/logger.ts'
import type { LogOutput } from './runtime/logger.ts'
import { startSampleApplication } from './sandbox/sample-application.ts'
import { ADICT_TOKEN_PATH, startSandbox } from './sandbox/sandbox.ts'
import { formatMistakes, readSettings } from './settings/settings.ts'

export interface DemoRequest {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** The status of the answer. */
  readonly expect: number
  /** What the request shows, for people. */
  readonly shows: string
}
export interface Demo {
  readonly gate: string
  readonly ops: string
  readonly sandbox: string
  /** A service that reads data, as its users meet it. */
  readonly application: string
  readonly console: string
  readonly consoleSecret: string
  /** The state folder; its parent goes with it when the demo stops. */
  readonly state: string
  readonly log: string
  readonly requests: readonly DemoRequest[]
  /** Of the first client, to try the token call with. */
  readonly credential: { readonly client: string; readonly secret: string }
  /** True where the usual ports were taken and others were picked. */
  readonly otherPorts: boolean
  stop(): Promise<void>
}

export interface DemoOptions {
  /** The first of five consecutive ports; 0 picks free ones; absent: 8080, or free ones where that is taken. */
  readonly port?: number
  /** Where the gate's operational log goes. */
  readonly logTo: LogOutput
  /** The evidence can no longer be written: the demo is over. */
  readonly onFatal: (why: string) => void
}

const USUAL_PORT = 8080
const SOAP = { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""' }
const SETTINGS = join(import.meta.dirname, '..', 'config', 'demo.yaml')

export async function startDemo({ port, logTo, onFatal }: DemoOptions): Promise<Demo> {
  await using made = new AsyncDisposableStack()
  const ports = await portsFrom(port)
  const folder = await mkdtemp(join(tmpdir(), 'ecluse-demo-'))
  made.defer(() => rm(folder, { recursive: true, force: true }))

  const key = (): string => randomBytes(32).toString('hex')
  const env = {
    ECLUSE_DEMO_ENEDIS_SECRET: key(),
    ECLUSE_DEMO_GRDF_SECRET: key(),
    ECLUSE_DEMO_SIGNING_KEY: key(),
    ECLUSE_DEMO_MASTER_KEY: key(),
    ECLUSE_DEMO_INDEX_KEY: key(),
    ECLUSE_DEMO_FRANCECONNECT_SECRET: key(),
    ECLUSE_DEMO_CONSOLE_SECRET: key(),
  }
  const document = parseDocument(await readFile(SETTINGS, 'utf8'))
  const account = ['providers', 'enedis-data-connect', 'accounts', 0]
  const application = String(document.getIn([...account, 'client_id']))
  const gateUrl = `http://127.0.0.1:${ports.gate}`
  const quota = {
    perSecond: Number(document.getIn([...account, 'quota', 'per_second'])),
    perHour: Number(document.getIn([...account, 'quota', 'per_hour'])),
  }
  const sandbox = await startSandbox({
    port: ports.sandbox,
    quotas: { v5: quota, '2026': quota },
    adictCredentials: [
      {
        clientId: String(document.getIn(['providers', 'grdf-adict', 'accounts', 0, 'client_id'])),
        secret: env.ECLUSE_DEMO_GRDF_SECRET,
        company: 'PORTAIL DE DEMONSTRATION',
      },
    ],
    adictQuotas: { perSecond: quota.perSecond, perDay: quota.perHour },
    sgeAccounts: [
      {
        login: String(document.getIn(['providers', 'enedis-sge', 'accounts', 0, 'login'])),
        contratId: String(document.getIn(['providers', 'enedis-sge', 'accounts', 0, 'contract'])),
      },
    ],
    credentials: [{ clientId: application, secret: env.ECLUSE_DEMO_ENEDIS_SECRET, redirectUri: `${gateUrl}/consent/callback` }],
    franceConnect: {
      clientId: String(document.getIn(['portal', 'franceconnect', 'client_id'])),
      secret: env.ECLUSE_DEMO_FRANCECONNECT_SECRET,
      redirectUris: [`${gateUrl}/franceconnect/callback`],
      postLogoutUris: [`${gateUrl}/franceconnect/signed-out`],
    },
  })
  made.defer(() => sandbox.close())

  const file = join(folder, 'demo.yaml')
  document.setIn(['instance', 'state'], './state')
  document.setIn(['listeners', 'gate', 'port'], ports.gate)
  document.setIn(['listeners', 'ops', 'port'], ports.ops)
  document.setIn(['listeners', 'admin', 'port'], ports.admin)
  document.setIn(['listeners', 'admin', 'url'], `http://127.0.0.1:${ports.admin}`)
  for (const holder of ['enedis-data-connect', 'enedis-sge', 'grdf-adict']) document.setIn(['providers', holder, 'url'], sandbox.url)
  document.setIn(['providers', 'grdf-adict', 'token_url'], `${sandbox.url}${ADICT_TOKEN_PATH}`)
  document.setIn(['portal', 'url'], gateUrl)
  document.setIn(['portal', 'consent', 'url'], sandbox.url)
  document.setIn(['portal', 'franceconnect', 'issuer'], `${sandbox.url}/franceconnect/api/v2`)
  document.setIn(['clients', 0, 'oauth', 'redirect_uris', 0], `http://127.0.0.1:${ports.application}/callback`)
  // What would happen if nothing were narrowed any more: told in the console, and decides nothing.
  const onTrial = document.clone()
  onTrial.setIn(['rules', 0, 'on_overrun'], 'refuse')
  await writeFile(join(folder, 'next.yaml'), onTrial.toString(), { mode: 0o600 })
  document.setIn(['shadow_policy'], './next.yaml')
  await writeFile(file, document.toString(), { mode: 0o600 })
  const accepted = await readSettings(file, env)
  if (!accepted.ok) throw new Error(`the settings of the demo have mistakes:\n${formatMistakes(SETTINGS, accepted.mistakes)}`)
  const { settings } = accepted
  const gate = await startGate({ accepted, file, env, log: loggerTo(settings.logging.level, settings.instance.node, logTo), onFatal })
  made.defer(() => gate.stop())

  const now = Date.now() as Millis
  await permit(gate, now)
  const secret = await credentials(gate)
  const tokens = Object.fromEntries(
    await Promise.all(DEMO_CLIENTS.map(async (client) => [client, (await gate.commands['token issue']({ client })).token] as const)),
  )
  const sample = await startSampleApplication({ port: ports.application, gate: gate.url, clientId: DEMO_CLIENTS[0], secret })
  made.defer(() => sample.close())
  const { origin } = (await gate.commands.status()) as { readonly origin: string }
  const running = made.move()
  return {
    gate: gate.url,
    ops: gate.ops,
    sandbox: sandbox.url,
    application: sample.url,
    console: settings.listeners.admin?.url ?? '',
    consoleSecret: env.ECLUSE_DEMO_CONSOLE_SECRET,
    state: settings.instance.state,
    log: join(settings.instance.state, 'log', origin.slice(origin.lastIndexOf('/') + 1)),
    requests: requestsOn(parisDay(now)).map(({ name, client, target, body, expect, shows }) => ({
      name,
      method: body === undefined ? 'GET' : 'POST',
      url: `${gate.url}${target}`,
      headers: { Authorization: `Bearer ${tokens[client]}`, ...(body === undefined ? { Accept: 'application/json' } : SOAP) },
      body: body ?? null,
      expect,
      shows,
    })),
    credential: { client: DEMO_CLIENTS[0], secret },
    otherPorts: ports.others,
    stop: () => running.disposeAsync(),
  }
}

interface Ports {
  readonly gate: number
  readonly ops: number
  readonly sandbox: number
  readonly application: number
  readonly admin: number
  /** The usual ones were taken. */
  readonly others: boolean
}

async function portsFrom(port: number | undefined): Promise<Ports> {
  const first = port ?? USUAL_PORT
  if (first === 0) return freePorts(false)
  const wanted = { gate: first, ops: first + 1, sandbox: first + 2, application: first + 3, admin: first + 4 }
  if (wanted.admin > 65_535) throw new Error(`--port ${first}: five ports are needed, the last of them at most 65535`)
  for (const one of Object.values(wanted)) {
    if (await isFree(one)) continue
    if (port !== undefined) throw new Error(`port ${one} is taken: give another first port, or --port 0 for free ones`)
    return freePorts(true)
  }
  return { ...wanted, others: false }
}

/** Known before anything listens: browsers are sent to addresses that the settings name. */
async function freePorts(others: boolean): Promise<Ports> {
  const probes = await Promise.all(
    [0, 1, 2, 3, 4].map(
      () =>
        new Promise<Server>((resolve, reject) => {
          const probe = createServer()
          probe.once('error', reject)
          probe.listen({ host: '127.0.0.1', port: 0 }, () => resolve(probe))
        }),
    ),
  )
  const numbers = probes.map((probe) => (probe.address() as AddressInfo).port)
  await Promise.all(probes.map((probe) => new Promise((done) => probe.close(done))))
  const [gate = 0, ops = 0, sandbox = 0, application = 0, admin = 0] = numbers
  return { gate, ops, sandbox, application, admin, others }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host: '127.0.0.1', port }, () => probe.close(() => resolve(true)))
  })
}

async function permit(gate: RunningGate, now: Millis): Promise<void> {
  const imported = (await gate.commands['permission import']({
    text: JSON.stringify({ permissions: permissionsOn(now) }),
    documents: {},
    dryRun: false,
    unverified: true,
  })) as { readonly ok: boolean; readonly mistakes?: unknown }
  if (!imported.ok) throw new Error(`the permissions of the demo have mistakes: ${JSON.stringify(imported.mistakes)}`)
  await gate.commands['permission withdraw']({ permission: 'withdrawn', reason: 'the person said no' })
  await gate.commands['subject restrict']({ meter: SUSPENDED_METER })
}

/** One for each client, so that each can call for tokens itself; gives the secret of the first. */
async function credentials(gate: RunningGate): Promise<string> {
  const made: unknown[] = []
  for (const client of DEMO_CLIENTS) made.push(await gate.commands['client add']({ client }))
  const [first] = made as { readonly secret: string }[]
  return first?.secret ?? ''
}
