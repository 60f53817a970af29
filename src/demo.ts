/**
 * The demo: simulated Enedis, gate and ops listener on loopback, with fresh state, keys made for the occasion, and
 * permissions of every kind of situation. Nothing of it outlives `stop`.
 *
 * It is the gate itself that runs, from `config/demo.yaml`; only ports, folder and the simulator's URL are put in. Keys
 * and secrets go by an environment of its own and are written nowhere. Permissions are imported unverified, and
 * recorded as such: nobody ever agreed to them. All days are counted from today.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import type { Day, Millis } from './domain/time.ts'
import { addDays, addMonths, parisDay, rfc3339, startOfDay } from './domain/time.ts'
import { startGate } from './main.ts'
import type { RunningGate } from './main.ts'
import { loggerTo } from './runtime/logger.ts'
import type { LogOutput } from './runtime/logger.ts'
import { startSampleApplication } from './sandbox/sample-application.ts'
import { startSandbox } from './sandbox/sandbox.ts'
import { formatMistakes, readSettings } from './settings/settings.ts'

export interface DemoRequest {
  readonly name: string
  readonly method: 'GET'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: null
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
const SETTINGS = join(import.meta.dirname, '..', 'config', 'demo.yaml')
const CLIENTS = ['viriya', 'solar-office', 'home-domoticz', 'broker'] as const
type ClientName = (typeof CLIENTS)[number]

export async function startDemo({ port, logTo, onFatal }: DemoOptions): Promise<Demo> {
  await using made = new AsyncDisposableStack()
  const ports = await portsFrom(port)
  const folder = await mkdtemp(join(tmpdir(), 'ecluse-demo-'))
  made.defer(() => rm(folder, { recursive: true, force: true }))

  const key = (): string => randomBytes(32).toString('hex')
  const env = {
    ECLUSE_DEMO_ENEDIS_SECRET: key(),
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
  document.setIn(['providers', 'enedis-data-connect', 'url'], sandbox.url)
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
    await Promise.all(CLIENTS.map(async (client) => [client, (await gate.commands['token issue']({ client })).token] as const)),
  )
  const sample = await startSampleApplication({ port: ports.application, gate: gate.url, clientId: CLIENTS[0], secret })
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
    requests: requestsOn(parisDay(now)).map(({ name, client, target, expect, shows }) => ({
      name,
      method: 'GET',
      url: `${gate.url}${target}`,
      headers: { Authorization: `Bearer ${tokens[client]}`, Accept: 'application/json' },
      body: null,
      expect,
      shows,
    })),
    credential: { client: CLIENTS[0], secret },
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
  await gate.commands['subject restrict']({ meter: METERS.suspended })
}

/** One for each client, so that each can call for tokens itself; gives the secret of the first. */
async function credentials(gate: RunningGate): Promise<string> {
  const made: unknown[] = []
  for (const client of CLIENTS) made.push(await gate.commands['client add']({ client }))
  const [first] = made as { readonly secret: string }[]
  return first?.secret ?? ''
}

/** Each number and what it does: `ecluse sandbox`, `GET /_sandbox/meters`. */
const METERS = {
  house: '10000000000001',
  movedIn: '22516914714270',
  daysOnly: '64975835695673',
  withdrawn: '63695879465986',
  suspended: '22315546958763',
  notYetValid: '11453290002823',
  expired: '12345678901234',
  producer: '24880057139941',
  panels: '12655648759651',
  changingSteps: '10000000000004',
  silent: '10000000000012',
  movedOut: '10000000000013',
  home: '10000000000002',
} as const

interface Line {
  readonly kind: string
  readonly direction?: 'withdrawal' | 'injection' | 'n_a'
  readonly finest?: string
  readonly purpose?: string
  readonly from?: Day
  readonly until?: Day
}

function permissionsOn(now: Millis): unknown[] {
  const today = parisDay(now)
  const at = (days: number): string => rfc3339(startOfDay(addDays(today, days)))
  const back = addMonths(today, -24)
  const ahead = addMonths(today, 12)
  const curve = (more: Partial<Line> = {}): Line => ({
    kind: 'load_curve',
    direction: 'withdrawal',
    finest: 'PT10M',
    from: back,
    until: ahead,
    ...more,
  })
  const days = (kind: string, direction: Line['direction'] = 'withdrawal'): Line => ({
    kind,
    direction,
    finest: 'P1D',
    from: back,
    until: ahead,
  })
  const permission = (id: string, prm: string, lines: readonly Line[], valid: readonly [number, number] = [-30, 335]) => ({
    id,
    meter: `prm:${prm}`,
    holder: { kind: 'natural', reference: `holder of ${id}` },
    client: 'viriya',
    ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation' },
    valid_from: at(valid[0]),
    valid_until: at(valid[1]),
    lines: lines.map((line) => ({ direction: 'withdrawal', purpose: 'self_view', ...line })),
    bindings: [{ provider: 'enedis-data-connect', account: 'demo' }],
  })
  const study = { client: 'solar-office' }
  const home = { client: 'home-domoticz', ground: { gdpr_basis: 'contract', sector_release: 'express_authorisation' } }
  return [
    permission('house', METERS.house, [curve(), days('max_power'), days('index'), { kind: 'contract_data', direction: 'n_a' }]),
    // Opens ten days back and no more: what came before belongs to whoever lived there.
    permission('moved-in', METERS.movedIn, [curve({ from: addDays(today, -10) })]),
    permission('days-only', METERS.daysOnly, [days('daily_energy')]),
    permission('withdrawn', METERS.withdrawn, [curve()]),
    permission('suspended', METERS.suspended, [curve()]),
    permission('not-yet-valid', METERS.notYetValid, [curve()], [30, 395]),
    permission('expired', METERS.expired, [curve()], [-400, -35]),
    permission('producer', METERS.producer, [curve({ direction: 'injection' })]),
    permission('changing-steps', METERS.changingSteps, [curve()]),
    permission('silent', METERS.silent, [curve()]),
    permission('moved-out', METERS.movedOut, [curve()]),
    {
      ...permission('solar-study', METERS.panels, [
        curve({ finest: 'PT30M', from: addDays(today, -365), until: today, purpose: 'solar_sizing' }),
      ]),
      ...study,
    },
    {
      ...permission('home', METERS.home, [curve({ finest: 'PT30M', purpose: 'home_automation' })]),
      ...home,
    },
  ]
}

interface Planned {
  readonly name: string
  readonly client: ClientName
  readonly target: string
  readonly expect: number
  readonly shows: string
}

function requestsOn(today: Day): readonly Planned[] {
  const back = (days: number): Day => addDays(today, -days)
  const v5 = (path: string, prm: string, from: Day, until: Day = today): string =>
    `${path}?usage_point_id=${prm}&start=${from}&end=${until}`
  const curve = (prm: string, from: Day, until?: Day): string => v5('/metering_data_clc/v5/consumption_load_curve', prm, from, until)
  const y2026 = (path: string, prm: string, from: Day, more = ''): string =>
    `/mesure_synchrone_auto/v2/${path}?pointId=${prm}&dateDebut=${from}&dateFin=${today}${more}`
  const plan = (name: string, expect: number, target: string, shows: string, client: ClientName = 'viriya'): Planned => ({
    name,
    client,
    target,
    expect,
    shows,
  })
  return [
    plan('allowed', 200, curve(METERS.house, back(2)), 'two days of half-hours, all of them permitted'),
    plan('narrowed', 200, curve(METERS.movedIn, back(14), back(7)), 'seven days asked for, the permission opens the last three of them'),
    plan('refused', 403, curve(METERS.home, back(2)), 'a meter whose permission names another client'),
    plan('curve-2026', 200, y2026('courbe_de_charge_consommation', METERS.house, back(2)), 'the first request as a 2026 client asks it'),
    plan(
      'daily-v5',
      200,
      v5('/metering_data_dc/v5/daily_consumption', METERS.house, back(30)),
      'days: coarser than the permission, so open',
    ),
    plan('max-power-v5', 200, v5('/metering_data_dcmp/v5/daily_consumption_max_power', METERS.house, back(30)), 'the peak of each day'),
    plan('index-2026', 200, y2026('index_consommation', METERS.house, back(7)), 'the registers of the meter, which only 2026 has'),
    plan('curve-split', 200, curve(METERS.house, back(15)), 'fifteen days: three calls to the data holder, one answer'),
    plan('contract-2026', 200, `/situation_contrat_auto/v1/${METERS.house}`, 'the contract, without the name of its holder'),
    plan('production-v5', 200, v5('/metering_data_plc/v5/production_load_curve', METERS.producer, back(2)), 'what panels gave'),
    plan('changing-steps', 200, curve(METERS.changingSteps, back(7)), 'a meter whose step changes'),
    plan('future-end', 200, curve(METERS.house, back(1), addDays(today, 2)), 'the days to come are cut off'),
    plan('days-only', 403, curve(METERS.daysOnly, back(2)), 'a permission for days never opens half-hours'),
    plan('days-only-daily', 200, v5('/metering_data_dc/v5/daily_consumption', METERS.daysOnly, back(7)), 'its days'),
    plan('withdrawn', 403, curve(METERS.withdrawn, back(2)), 'the person has said no'),
    plan('suspended', 503, curve(METERS.suspended, back(2)), 'the person has had processing restricted: it may come back, hence no 403'),
    plan('not-yet-valid', 503, curve(METERS.notYetValid, back(2)), 'in force from next month'),
    plan('expired', 403, curve(METERS.expired, back(2)), 'was in force until last month'),
    plan('before-grant', 403, curve(METERS.movedIn, back(30), back(24)), 'no day of it is permitted'),
    plan('study', 200, curve(METERS.panels, back(7)), 'a study of its own purpose', 'solar-office'),
    plan('all-or-nothing', 403, curve(METERS.panels, back(370), back(363)), 'this client wants no part of an answer', 'solar-office'),
    plan('home', 200, curve(METERS.home, back(7)), 'Domoticz reads its own meter', 'home-domoticz'),
    plan('home-other', 404, curve(METERS.house, back(2)), 'told no by 404: Domoticz erases its token on a 403', 'home-domoticz'),
    plan('broker', 403, curve(METERS.house, back(2)), 'a client that nobody permitted anything', 'broker'),
    plan('no-data', 404, curve(METERS.silent, back(2)), 'permitted, and the meter has sent nothing'),
    plan('moved-out', 503, curve(METERS.movedOut, back(2)), 'the data holder itself refuses: the operator looks into it'),
    plan('malformed', 400, curve(METERS.house, back(2), back(2)), 'no day asked for: refused as Enedis words it'),
    plan('unknown-path', 404, '/subscribed_services/v1', 'a path of Enedis that is not for clients'),
  ]
}
