/**
 * Composition of the operators' console: turns what a running gate has into the parts that `console/` is given. What
 * operators do goes through the same commands as the control socket's, in the operator's own name; what a command
 * refuses becomes a sentence for the operator, and anything else stays a fault.
 */
import { join } from 'node:path'
import { ask, callAs, told } from './console-calls.ts'
import { accessesOn, evidenceOn } from './console-evidence.ts'
import type {
  Begun,
  Clients,
  ConsoleParts,
  ConsoleSettings,
  ConsoleTickets,
  ConsoleTokens,
  Journeys,
  ProofSent,
  IssuedForOperator,
  Link,
  Operator,
  Permissions,
  QuotaGauge,
} from './console/ports.ts'
import { Refusal } from './console/ports.ts'
import type { RunningConsole } from './console/server.ts'
import { serveConsole } from './console/server.ts'
import type { Json } from './domain/canonical.ts'
import { parseMeter } from './domain/meter.ts'
import type { Millis } from './domain/time.ts'
import { startOfDay } from './domain/time.ts'
import type { DecisionWatch } from './gateway/decision-watch.ts'
import type { CommandContext } from './ops/commands.ts'
import type { Readiness } from './ops/health.ts'
import type { NewAttachment } from './permissions/attachments.ts'
import type { Signed } from './permissions/mandates.ts'
import type { Admitted } from './permissions/admit.ts'
import type { Changed, ClientOnRecord, PermissionAt } from './permissions/browse.ts'
import type { ActResult, PermissionSummary } from './permissions/record.ts'
import type { Found } from './permissions/tickets.ts'
import type { TokenSummary } from './permissions/tokens.ts'
import type { Accepted } from './reload.ts'
import type { Logger } from './runtime/logger.ts'
import type { Scan } from './runtime/scan.ts'
import { placesBehind } from './runtime/place.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'
import type { StateClient } from './storage/rpc.ts'

export interface ConsoleWiring {
  /** As the control socket's commands have it; the operator in it is replaced by whoever is signed in. */
  readonly context: CommandContext
  readonly accepted: () => Accepted
  readonly env: Environment
  readonly log: Logger
  readonly readiness: () => Readiness
  readonly quotas: () => readonly QuotaGauge[]
  readonly watch: Pick<DecisionWatch, 'latest' | 'differences' | 'tallies'>
  readonly link?: ((permission: string, by: Operator) => Promise<Link>) | undefined
  readonly sendProof?: ((permission: string, papers: readonly NewAttachment[]) => Promise<ProofSent>) | undefined
  readonly scan?: Scan | undefined
  readonly receipt?: ((permission: string) => Promise<Json | null>) | undefined
}

const LEAST_SECRET = 32

/** Undefined where the settings have no listener for operators. */
export async function startConsole(wiring: ConsoleWiring): Promise<RunningConsole | undefined> {
  const { settings } = wiring.accepted()
  if (!settings.listeners.admin) return undefined
  return serveConsole(consoleParts(wiring, await consoleSettings(settings, wiring.env)))
}

async function consoleSettings({ listeners, console: own }: Settings, env: Environment): Promise<ConsoleSettings> {
  const { admin } = listeners
  if (!admin || !own) throw new Error("a listener for operators, and nobody may use it: add the section 'console'")
  const bootstrap = own.bootstrap && (await secretOf(own.bootstrap, env))
  if (bootstrap !== undefined && bootstrap.length < LEAST_SECRET)
    throw new Error(`the secret console.bootstrap has less than ${LEAST_SECRET} characters: make a longer one (openssl rand -hex 32)`)
  return {
    address: admin.address,
    port: admin.port,
    url: new URL(admin.url).origin,
    tls: admin.tls,
    sessionMinutes: own.sessionMinutes,
    bootstrap,
    oidc: own.oidc && { ...own.oidc, clientSecret: await secretOf(own.oidc.clientSecret, env) },
  }
}

function consoleParts(wiring: ConsoleWiring, settings: ConsoleSettings): ConsoleParts {
  const { context, accepted, log, readiness, watch } = wiring
  const { state, now } = context
  const { instance } = accepted().settings
  return {
    settings,
    packs: join(instance.state, 'packs'),
    instance: instance.name,
    placeOf: placesBehind(accepted().settings.listeners.admin?.proxies ?? []),
    now,
    log,
    tickets: ticketsOn(state, now),
    permissions: permissionsOn(wiring),
    journeys: journeysOn(wiring),
    clients: clientsOn(wiring),
    tokens: tokensOn(wiring),
    evidence: evidenceOn(context),
    overview: () => ({ ...readiness(), entries: state.gauges.entries, policy: accepted().policyHash }),
    quotas: wiring.quotas,
    accesses: accessesOn(state, now),
    decisions: watch,
    shadow() {
      const file = accepted().settings.shadowPolicy
      return file === undefined ? undefined : { file, counts: watch.tallies, latest: watch.differences }
    },
  }
}

function ticketsOn(state: StateClient, now: () => Millis): ConsoleTickets {
  const call = ask(state)
  return {
    put: (kind, id, payload, ttlSeconds) => call('ticketPut', { kind, id, payload, ttlSeconds, now: now() }),
    get: (kind, id) => call<Found | null>('ticketGet', { kind, id, now: now() }),
    take: (kind, id) => call<string | null>('ticketTake', { kind, id, now: now() }),
    drop: (kind, id) => call('ticketDrop', { kind, id }),
  }
}

function permissionsOn({ context, link, receipt }: ConsoleWiring): Permissions {
  const { state, now } = context
  const call = ask(state)
  const show = (permission: string): Promise<PermissionAt> => call('browsePermission', { permission })
  return {
    async list({ meter: text, ...filter }) {
      const meter = text === undefined ? undefined : (parseMeter(text) ?? parseMeter(`prm:${text}`))
      if (text !== undefined && meter === undefined)
        throw new Refusal('invalid', 'expected a meter: prm: and 14 digits, or pce: and 14 digits or GI and 6 digits')
      return call<readonly PermissionSummary[]>('browsePermissions', { ...filter, meter })
    },
    show,
    import: (by, order) => callAs(context, by)<Admitted>('permission import', order),
    async act(by, { permission, type, reason, cause, head }) {
      const details = {
        actorRole: type === 'withdrawn_by_subject' ? 'data_subject' : 'operator',
        actor: by.id,
        channel: 'console',
        ...(reason !== undefined && { reason }),
        ...(cause !== undefined && { cause }),
      }
      const done = await call<Changed<ActResult>>('actAt', { permission, head, type, details, now: now() })
      // Final when it is answered: caches and calls under way have heard of it.
      if (done.is === 'done') await context.onActs([done.value])
      return done
    },
    attachment: (by, permission, sha256) => openDocument(context, by, permission, sha256),
    link: link && ((by, permission) => told(() => link(permission, by))),
    receipt: (permission) => (receipt ? told(() => receipt(permission)) : Promise.resolve(null)),
  }
}

/** On record as a reading before it is given. */
async function openDocument(context: CommandContext, by: Operator, permission: string, sha256: string): Promise<Buffer> {
  const { acts } = await ask(context.state)<PermissionAt>('browsePermission', { permission })
  const entries = acts.map(({ n }) => n)
  const run = callAs(context, by)
  const { ticket } = await run<Begun>('audit begin', { select: { entries }, why: 'a document of a permission, opened by an operator' })
  const base64 = await run<string | null>('audit attachment', { ticket, permission, sha256 })
  if (base64 === null) throw new Refusal('not_found', 'the document was erased with its person')
  return Buffer.from(base64, 'base64')
}

function journeysOn({ context, sendProof, scan }: ConsoleWiring): Journeys {
  const { state, now } = context
  const call = ask(state)
  return {
    accounts: () => context.accounts(),
    async issue(permission) {
      const act = await told(() => context.issueMandate(permission))
      if (act) await context.onActs([act])
    },
    async handIn(by, { permission, papers, channel, signedOn }) {
      const details = { actorRole: 'contract_holder', actor: by.id, channel, occurredAt: startOfDay(signedOn) }
      const done = await call<Signed>('signMandate', { permission, papers, details, now: now() })
      if (done.is === 'signed') await context.onActs([done.act])
      return done.is
    },
    async check(by, { permission, head, accepted, checks, reason }) {
      const details = { actorRole: 'operator', actor: by.id, channel: 'console', checks, ...(reason !== undefined && { reason }) }
      const done = await call<Changed<ActResult>>('checkMandate', { permission, head, accepted, details, now: now() })
      if (done.is === 'done') await context.onActs([done.value])
      return done
    },
    elsewhere: (permission) => call('mandateElsewhere', { permission }),
    async sendProof(by, permission, filed, papers) {
      if (!sendProof) throw new Refusal('conflict', 'a proof is sent by a running gate')
      const { attachments } = await call<PermissionAt>('browsePermission', { permission })
      const known: NewAttachment[] = []
      for (const sha256 of filed) {
        const found = attachments.find((one) => one.sha256 === sha256)
        const bytes = found && (await openDocument(context, by, permission, sha256))
        if (!found || !bytes) throw new Refusal('not_found', 'this permission has no such document')
        known.push({ kind: found.kind, mediaType: found.mediaType, bytes })
      }
      return told(() => sendProof(permission, [...known, ...papers]))
    },
    proofsAwaited: () => call('proofsAwaited', {}),
    scan,
  }
}

function clientsOn({ context, accepted }: ConsoleWiring): Clients {
  const { state, now } = context
  const call = ask(state)
  return {
    async list() {
      const declared = new Map(accepted().settings.clients.map((client) => [client.id as string, client]))
      const rows = await call<readonly ClientOnRecord[]>('browseClients', { now: now() })
      return rows.map((row) => {
        const own = declared.get(row.id)
        return { ...row, name: own?.name ?? row.id, purpose: own?.purpose ?? null }
      })
    },
    async credential(_by, client, known) {
      if (!context.clients().has(client)) throw new Refusal('conflict', `the settings declare no client ${client}`)
      type Given = { readonly clientId: string; readonly secret: string; readonly rotated: boolean }
      const done = await call<Changed<Given>>('credentialAt', { client, known, now: now() })
      if (done.is === 'done' && done.value.rotated) await context.onClient(client)
      return done
    },
  }
}

function tokensOn({ context }: ConsoleWiring): ConsoleTokens {
  const call = ask(context.state)
  return {
    list: (filter) => call<readonly TokenSummary[]>('browseTokens', filter),
    issue: (by, order) => callAs(context, by)<IssuedForOperator>('token issue', order),
    revoke: async (by, id) => void (await callAs(context, by)('token revoke', { token: id })),
  }
}
