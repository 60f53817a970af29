/**
 * Composition of the operators' console: turns what a running gate has into the parts that `console/` is given. What
 * operators do goes through the same commands as the control socket's, in the operator's own name; what a command
 * refuses becomes a sentence for the operator, and anything else stays a fault.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exportPack } from './audit.ts'
import type { Call } from './audit.ts'
import type {
  Accesses,
  Begun,
  Clients,
  ConsoleParts,
  ConsoleSettings,
  ConsoleTickets,
  ConsoleTokens,
  Evidence,
  IssuedForOperator,
  Link,
  Operator,
  PackOrder,
  Permissions,
  ProvedEntry,
  QuotaGauge,
} from './console/ports.ts'
import { Refusal } from './console/ports.ts'
import type { RunningConsole } from './console/server.ts'
import { serveConsole } from './console/server.ts'
import type { Json } from './domain/canonical.ts'
import { parseMeter } from './domain/meter.ts'
import type { Day, Millis } from './domain/time.ts'
import { addDays, parisDay, startOfDay } from './domain/time.ts'
import type { Browsed, BrowsePage, DayCount } from './evidence/browse.ts'
import type { Page } from './evidence/disclose.ts'
import { inclusionProof, leafHash, verifyInclusion } from './evidence/log/merkle.ts'
import { openNote, parseCheckpoint } from './evidence/log/note.ts'
import { proofText } from './evidence/log/proof.ts'
import { hashesFromTiles } from './evidence/log/tiles.ts'
import { openEntry } from './evidence/opened.ts'
import { readIfThere } from './evidence/verify/folder.ts'
import { explainEntry } from './explain.ts'
import type { DecisionWatch } from './gateway/decision-watch.ts'
import type { Quota } from './gateway/quota.ts'
import type { CommandContext } from './ops/commands.ts'
import { commandsOn } from './ops/commands.ts'
import type { Readiness } from './ops/health.ts'
import type { Admitted } from './permissions/admit.ts'
import type { Changed, ClientOnRecord, PermissionAt } from './permissions/browse.ts'
import type { ActResult, PermissionSummary } from './permissions/registry.ts'
import type { Found } from './permissions/tickets.ts'
import type { TokenSummary } from './permissions/tokens.ts'
import type { Accepted } from './reload.ts'
import type { Logger } from './runtime/logger.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'
import { CallError } from './storage/rpc.ts'
import type { StateClient } from './storage/rpc.ts'

export interface ConsoleWiring {
  /** As the control socket's commands have it; the operator in it is replaced by whoever is signed in. */
  readonly context: CommandContext
  readonly accepted: () => Accepted
  readonly env: Environment
  readonly log: Logger
  /** Origin and key of the log, as the state tells them once it is ready. */
  readonly ready: { readonly origin: string; readonly vkey: string }
  readonly readiness: () => Readiness
  readonly quota: Pick<Quota, 'left'>
  readonly watch: Pick<DecisionWatch, 'latest' | 'differences' | 'tallies'>
  readonly link?: ((permission: string, by: Operator) => Promise<Link>) | undefined
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
    now,
    log,
    tickets: ticketsOn(state, now),
    permissions: permissionsOn(wiring),
    clients: clientsOn(wiring),
    tokens: tokensOn(wiring),
    evidence: evidenceOn(wiring),
    overview: () => ({ ...readiness(), entries: state.gauges.entries, policy: accepted().policyHash }),
    quotas: () => gaugesOf(accepted().settings, wiring.quota),
    accesses: accessesOn(state, now),
    decisions: watch,
    shadow() {
      const file = accepted().settings.shadowPolicy
      return file === undefined ? undefined : { file, counts: watch.tallies, latest: watch.differences }
    },
  }
}

/** What a procedure or a command says no to, in its own words. What has no words of ours is not caught. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal || !(error instanceof Error)) throw error
    if (error instanceof CallError && error.fault !== 'refused')
      throw new Refusal('unavailable', 'the state does not answer now: see the log of the gate', { cause: error })
    const gone = /^(there is no|the log has no|this reading is not on record)/.test(error.message)
    if (gone) throw new Refusal('not_found', error.message, { cause: error })
    if (error instanceof CallError) throw new Refusal('conflict', error.message, { cause: error })
    // Commands throw bare errors with a sentence for whoever asked; a fault has a class or a code of its own.
    if (error.constructor === Error && !('code' in error)) throw new Refusal('invalid', error.message, { cause: error })
    throw error
  }
}

function ask(state: StateClient) {
  return <T>(name: string, args: unknown): Promise<T> => told(() => state.call<T>(name, args))
}

/** The commands of the control socket, in the name of whoever is signed in. */
function callAs(context: CommandContext, by: Operator): Call {
  const commands: Readonly<Record<string, (args: never) => Promise<unknown>>> = commandsOn({ ...context, operator: by.id })
  return <T>(name: string, args: unknown) =>
    told(async () => {
      const command = commands[name]
      if (!command) throw new TypeError(`no command ${name}`)
      return (await command(args as never)) as T
    })
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
    async attachment(by, permission, sha256) {
      const { acts } = await show(permission)
      const entries = acts.map(({ entry }) => Number(entry.slice(entry.lastIndexOf('/') + 1)))
      const run = callAs(context, by)
      const { ticket } = await run<Begun>('audit begin', { select: { entries }, why: 'a document of a permission, opened by an operator' })
      const base64 = await run<string | null>('audit attachment', { ticket, permission, sha256 })
      if (base64 === null) throw new Refusal('not_found', 'the document was erased with its person')
      return Buffer.from(base64, 'base64')
    },
    link: link && ((by, permission) => told(() => link(permission, by))),
    receipt: (permission) => (receipt ? told(() => receipt(permission)) : Promise.resolve(null)),
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

function evidenceOn(wiring: ConsoleWiring): Evidence {
  const { context, accepted, ready } = wiring
  const call = ask(context.state)
  const { instance } = accepted().settings
  const log = join(instance.state, 'log', ready.origin.slice(ready.origin.lastIndexOf('/') + 1))
  const drain = (): Promise<unknown> => told(() => commandsOn(context)['audit drain']())
  async function one(n: number): Promise<Browsed> {
    const found = (await call<Browsed | null>('oneEntry', { n })) ?? (await drain().then(() => call<Browsed | null>('oneEntry', { n })))
    if (!found) throw new Refusal('not_found', `the log has no entry ${n}`)
    return found
  }
  return {
    origin: ready.origin,
    async latest({ from, until, ...filter }) {
      const moments = { from: from && startOfDay(from), until: until && startOfDay(until) }
      return call<BrowsePage>('latestEntries', { ...filter, ...moments })
    },
    one,
    async checkpoint() {
      await drain()
      return { checkpoint: (await shownLog(log, ready.vkey)).checkpoint, vkey: ready.vkey }
    },
    async proof(n) {
      // Shown in a checkpoint, so that there is something to prove it against.
      await drain()
      return proofOf(log, ready, await one(n))
    },
    begin: (by, select, why) => callAs(context, by)<Begun>('audit begin', { select, why }),
    async page(ticket, from, limit) {
      const page = await told(() => commandsOn(context)['audit page']({ ticket, from, limit }) as Promise<Page>)
      return { opened: page.opened.map(openEntry), next: page.next }
    },
    explain: (by, n, why) => told(() => explainEntry(callAs(context, by), n, why)),
    export: (by, order, file, onProgress) => told(() => exportAs(callAs(context, by), instance.state, order, file, onProgress)),
  }
}

async function exportAs(
  call: Call,
  stateFolder: string,
  { select, audience, title, why }: PackOrder,
  out: string,
  onProgress: (done: number, of: number) => void,
) {
  const scope = { ...(select as unknown as { readonly [key: string]: Json }), title } // plain data
  const done = await exportPack(call, { select, scope, why: `${title}: ${why}`, for: audience, out, stateFolder, onProgress })
  const { size } = await stat(out)
  return { file: out, bytes: size, entries: done.manifest.entries, manifest: done.manifestHash, recordedAs: done.recordedAs }
}

interface ShownLog {
  readonly checkpoint: string
  readonly size: number
  readonly root: Uint8Array
}

async function shownLog(log: string, vkey: string): Promise<ShownLog> {
  const checkpoint = (await readIfThere(join(log, 'checkpoint')))?.toString() ?? ''
  const note = openNote(checkpoint, [vkey])
  const parsed = note.ok ? parseCheckpoint(note.text) : undefined
  if (!parsed) throw new Refusal('conflict', `the checkpoint in ${log} does not carry the signature of this log: it was changed`)
  return { checkpoint, size: parsed.size, root: parsed.root }
}

/** From the published files, as an outsider would make it; what they say is then held against the signed root. */
async function proofOf(log: string, { origin, vkey }: ConsoleWiring['ready'], { n, entry }: Browsed): Promise<ProvedEntry> {
  const { checkpoint, size, root } = await shownLog(log, vkey)
  if (n >= size) throw new Refusal('unavailable', `entry ${n} is not shown in a checkpoint yet: ask again`)
  const leaf = leafHash(Buffer.from(entry))
  const path = await inclusionProof(
    n,
    size,
    hashesFromTiles((file) => readIfThere(join(log, file)), size),
  )
  const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64')
  return {
    n,
    name: `${origin}/${n}`,
    entry,
    leaf: base64(leaf),
    size,
    root: base64(root),
    path: path.map(base64),
    checkpoint,
    vkey,
    file: proofText({ index: n, proof: path, checkpoint, extra: null }),
    verified: verifyInclusion(n, size, leaf, path, root),
  }
}

/** Each account, whether or not anything was called through it since the start. */
function gaugesOf({ providers }: Settings, quota: Pick<Quota, 'left'>): readonly QuotaGauge[] {
  const left = quota.left()
  return providers['enedis-data-connect'].accounts.flatMap(({ id, quota: { perHour } }) => {
    const used = left.filter(({ account }) => account === id)
    return used.length === 0
      ? [{ account: id, api: '', left: perHour, perHour }]
      : used.map(({ api, calls }) => ({ account: id, api, left: calls, perHour }))
  })
}

const DAYS_SHOWN = 30
/** How long one page waits for the count; what is left is counted on, and shown the next time. */
const WAIT_MS = 300

interface Tally {
  readonly days: readonly DayCount[]
  readonly next: number
  readonly done: boolean
}

/**
 * Counts accesses by day from the log itself, a piece at a time between the requests, and from where it stopped the last
 * time. What it holds are sums.
 */
function accessesOn(state: StateClient, now: () => Millis): () => Promise<Accesses> {
  const call = ask(state)
  const sums = new Map<Day, { calls: number; refused: number }>()
  let next: number | undefined
  let counting: Promise<void> | undefined
  async function count(): Promise<void> {
    next ??= await call<number>('firstEntrySince', { at: startOfDay(addDays(parisDay(now()), 1 - DAYS_SHOWN)) })
    for (let done = false; !done;) {
      const piece: Tally = await call<Tally>('tallyEntries', { from: next })
      for (const { day, calls, refused } of piece.days) {
        const sum = sums.get(day) ?? { calls: 0, refused: 0 }
        sums.set(day, { calls: sum.calls + calls, refused: sum.refused + refused })
      }
      next = piece.next
      done = piece.done
    }
  }
  return async () => {
    const running = (counting ??= count().finally(() => {
      counting = undefined
    }))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(() => resolve(true), WAIT_MS)
    })
    // Looked at where it is waited for; where nobody waits any more, the next page begins it again and is told.
    running.catch(() => undefined)
    const isLate = await Promise.race([running.then(() => false), late]).finally(() => clearTimeout(timer))
    const today = parisDay(now())
    const days = Array.from({ length: DAYS_SHOWN }, (_, i) => addDays(today, i + 1 - DAYS_SHOWN))
    for (const day of sums.keys()) if (day < (days[0] ?? day)) sums.delete(day)
    return { days: days.map((day) => ({ day, ...(sums.get(day) ?? { calls: 0, refused: 0 }) })), counting: isLate }
  }
}
