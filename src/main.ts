/**
 * Composition root of a running gate: builds everything, owns start and stop. Nothing is decided here.
 *
 * Start: secrets, state (lock, recovery), caches, policy and clients on record, holders, control socket, ops, and only
 * then the listener. Stop: `/readyz` goes red while the listener still answers, then requests under way finish, then the
 * journal is drained, sealed and shown.
 */
import { randomUUID } from 'node:crypto'
import { rfc3339 } from './domain/time.ts'
import { betweenGates } from './between-gates.ts'
import { clientRightsDesk } from './client-rights.ts'
import { clockWatch } from './clock-watch.ts'
import { startConsole } from './console-parts.ts'
import { changesTo, gateState } from './gate-state.ts'
import { gatesHeard, lateCalls } from './gates.ts'
import { decisionWatch } from './gateway/decision-watch.ts'
import { listen } from './gateway/listener.ts'
import { openDoor } from './gateway/open/door.ts'
import { ownCallsOf } from './gateway/own-calls.ts'
import { handle } from './gateway/pipeline.ts'
import { holderRightsOf } from './holder-rights.ts'
import type { OwnIntent, OwnOutcome } from './evidence/own-calls.ts'
import type { Gate } from './gateway/ports.ts'
import { refusalBudget } from './gateway/refusals.ts'
import { underWay } from './gateway/under-way.ts'
import type { InstanceKeys } from './instance.ts'
import { instanceKeys, originOf, postgresOf, settingsOfWorker } from './instance.ts'
import type { CommandContext } from './ops/commands.ts'
import { commandsOn } from './ops/commands.ts'
import { serveControl } from './ops/control.ts'
import { serveHealth } from './ops/health.ts'
import { numbersOf, scrapeOf } from './ops/scrape.ts'
import { mandatesIssuedBy } from './mandate-forms.ts'
import { lookups } from './permissions/cache.ts'
import type { ActResult } from './permissions/record.ts'
import type { Identity } from './permissions/tokens.ts'
import { peopleOf } from './people.ts'
import type { Accepted, ReadSettings } from './reload.ts'
import { reconcilerOf } from './reconcile.ts'
import { inForce } from './reload.ts'
import type { Clock } from './runtime/clock.ts'
import { systemClock, waitForPlausibleTime } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import { sparingly } from './runtime/logger.ts'
import type { Metrics } from './runtime/metrics.ts'
import { metricsOf } from './runtime/metrics.ts'
import { placesBehind } from './runtime/place.ts'
import { scanBy } from './runtime/scan.ts'
import { routesOf } from './routes.ts'
import { isLoopback } from './settings/network.ts'
import { asConnected } from './settings/open-routes.ts'
import type { Environment } from './settings/secret.ts'
import { readSettings } from './settings/settings.ts'
import type { Settings } from './settings/shape.ts'
import { watchSettings } from './settings/watch.ts'
import { standingOf } from './standing.ts'
import type { OwnedState } from './state-thread.ts'
import { ownState, QUEUE_AGE_MS } from './state-thread.ts'
import { CallError } from './storage/rpc.ts'

export type { Accepted } from './reload.ts'
export interface RunningGate {
  readonly url: string
  /** Empty for a worker: whoever started it tells how it does. */
  readonly ops: string
  readonly commands: ReturnType<typeof commandsOn>
  /** Reads the settings file again, as SIGHUP does. Gives what keeps the new one from being taken, if anything does. */
  reload(): Promise<readonly string[]>
  /** @param how `leaving`: at once no more connections are taken, because other workers take them */
  stop(how?: 'leaving'): Promise<void>
}
export interface StartOptions {
  readonly accepted: Accepted
  /** Watched and read again on change; absent for settings that are no file. */
  readonly file?: string
  /** Its number among the workers that share the listeners of one machine. */
  readonly worker?: number | undefined
  readonly env: Environment
  readonly log: Logger
  /** The state is gone for good: the process should end with 1. */
  readonly onFatal: (why: string) => void
  /** How long `/readyz` is red before the listener stops taking connections. */
  readonly drainMs?: number
  /** How long requests under way may then go on. */
  readonly graceMs?: number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Permissions of a million meters take 80 to 100 MB packed; of each half of the table, one is always there. */
const COPIES = { tokens: 20_000, recentViews: 4096, packedViewBytes: 192 << 20 }
/** After the grace: for those that were cut to close, and for their outcomes to be on record. */
const CUT_MS = 2000
const RECORD_MS = 5000

export async function startGate({
  accepted,
  file,
  worker,
  env,
  log,
  onFatal,
  drainMs = 0,
  graceMs = 60_000,
}: StartOptions): Promise<RunningGate> {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new Error('NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: unset it')
  if (!(await waitForPlausibleTime(300_000))) throw new Error('the clock of this machine is not set: set it, or start its time service')
  // Closed again where the start fails half-way: what is left open keeps the process, and the state folder, for ever.
  await using opened = new AsyncDisposableStack()
  let started = false
  let changedMeanwhile = false
  let draining = false
  const watch =
    file === undefined
      ? undefined
      : watchSettings(file, () => {
          // What kept them from being taken is in the log.
          if (started) void reload().catch(() => undefined)
          else changedMeanwhile = true
        })
  opened.defer(() => watch?.close())
  const { settings } = accepted
  const clock = systemClock()
  const metrics = metricsOf()
  if (worker !== undefined) metrics.registry.setDefaultLabels({ worker: String(worker) })
  const keys = await instanceKeys(settings, env)
  const postgres = await postgresOf(settings, env)
  const late = lateCalls(() => state.client, clock.now, log)
  const state: OwnedState = await ownedState(settings, keys, postgres, clock, metrics, log, onFatal, late)
  opened.defer(async () => {
    if (state.client.down === undefined) await state.stop()
  })
  const between = await betweenGates(settings, keys.index, env, metrics, log)
  opened.defer(() => between?.close())
  const shared = between?.cache
  const copies = lookups(
    {
      identify: (hash) => state.client.call<Identity | undefined>('identify', { hash }),
      views: (client, meter) => state.client.call('views', { client, meter }),
    },
    shared,
    COPIES,
    (what, result) => metrics.cache.inc({ what, result }),
  )
  shared?.onTold((told) => copies.hear(told))
  const underway = underWay()
  const changes = changesTo(copies, shared, underway, async (under) =>
    // Where it cannot be asked, all of it is.
    state.client.call<readonly string[]>('over', { keys: under }).catch(() => under),
  )
  const channel = postgres && gatesHeard(postgres, keys.index, changes, copies, underway, log)
  opened.defer(() => channel?.close())
  const decisions = decisionWatch(metrics, log)
  const read: ReadSettings | undefined =
    file === undefined
      ? undefined
      : async () => {
          const next = await readSettings(file, env)
          return next.ok && worker !== undefined ? settingsOfWorker(next, worker) : next
        }
  const force = inForce(
    accepted,
    read,
    env,
    state.client,
    changes.client,
    clock.now,
    log,
    () => {
      listener.reloadCertificate()
      desk?.reloadCertificate()
    },
    decisions.shadow,
  )
  await force.begin()
  /** What was read is kept no longer than the policy in force lets it be. */
  async function sweepDays(): Promise<void> {
    const purposes = force.live.policy.purposes.flatMap(({ code, keep }) => (keep ? [[code, keep]] : []))
    await state.client.call('sweepDays', { purposes, now: clock.now() })
  }
  await sweepDays()

  const dc = settings.providers['enedis-data-connect']
  const routes = await routesOf(settings, env, log, between)
  opened.defer(() => routes.close())
  for (const { id, quota } of routes.all) quota.recall(state.ready.recentCalls.filter(({ provider }) => provider === id))
  const { enedis } = routes
  const standing = standingOf({
    settings,
    state: state.client,
    clock,
    shared,
    routes: routes.all,
    underway,
    metrics,
    log,
    stale: () => force.stale,
    draining: () => draining,
  })
  // Known before the first request, not a second after it.
  await standing.measureDisk()
  const refusals = refusalBudget()
  const placeOf = placesBehind(settings.listeners.gate.proxies)
  const ownCallParts = {
    intent: (args: OwnIntent) => state.client.call<{ readonly n: number }>('ownIntent', args),
    outcome: (args: OwnOutcome) => state.client.call('ownOutcome', args),
    ready: () => standing.takes,
    now: clock.now,
    newId: randomUUID,
  }
  const ownCalls = ownCallsOf({
    ...ownCallParts,
    route: enedis,
    holderError: enedis.adapter.holderError,
    log,
  })
  const holderRights = holderRightsOf({
    ...ownCallParts,
    state: state.client,
    routes: routes.all,
    changes,
    everyMs: settings.portal ? settings.portal.reconcileHours * HOUR : DAY,
    confirmationMs: (settings.providers['grdf-adict']?.confirmationDays ?? 30) * DAY,
    log,
  })
  const { scan: scanner } = settings.papers
  const scan = scanner && scanBy(scanner, (why) => log.error({ why }, 'the malware scanner gave no word: a document was not taken'))
  const people = await peopleOf({
    force,
    state: state.client,
    keys,
    ownCalls,
    changes,
    ready: () => standing.takes,
    refusals,
    scan,
    placeOf,
    clock,
    env,
    log,
  })
  opened.defer(() => people?.close())
  const reconciler = reconcilerOf({
    state: state.client,
    ownCalls,
    changes,
    accounts: () => dc.accounts.map((account) => account.id),
    everyMs: settings.portal && settings.portal.reconcileHours * HOUR,
    others: [...(routes.all.find(({ id }) => id === 'grdf-adict')?.holders.keys() ?? [])].map(
      (account) => () => holderRights.compare(account),
    ),
    now: clock.now,
    log,
  })
  const open =
    settings.openRoutes &&
    openDoor(settings.openRoutes.map(asConnected), {
      refusals,
      metrics,
      underWay: underway,
      placeOf,
      now: clock.now,
      log,
      draining: () => draining,
      maxTarget: settings.listeners.gate.limits.targetBytes,
    })
  opened.defer(() => open?.close())
  /** The state takes nothing now, as `/readyz` says too: every request meets that. */
  const faults = sparingly(
    log,
    (error) => error instanceof CallError && error.fault === 'full',
    () => performance.now(),
  )
  const gate: Gate = {
    live: () => force.live,
    state: gateState(state.client, keys.index, copies, changes, () => standing.takes, reconciler.doubt, log),
    routeOf: routes.of,
    people,
    rights: clientRightsDesk({ ...ownCallParts, state: state.client, routes: routes.all, tick: holderRights.tick }),
    open,
    refusals,
    underWay: underway,
    metrics,
    watch: decisions,
    log: faults,
    placeOf,
    now: clock.now,
    newId: randomUUID,
    draining: () => draining,
    maxTarget: settings.listeners.gate.limits.targetBytes,
  }

  const issueMandate = mandatesIssuedBy({
    state: state.client,
    settings: () => force.accepted.settings,
    purposes: () => force.accepted.policy.purposes,
    now: clock.now,
  })
  const context: CommandContext = {
    state: state.client,
    now: clock.now,
    operator: `uid:${process.getuid?.() ?? 'unknown'}`,
    document: () => force.accepted.document,
    clients: () => new Map(force.accepted.settings.clients.map((c) => [c.id, c.purpose])),
    accounts: () => routes.all.flatMap(({ id, holders }) => [...holders.keys()].map((account) => `${id}/${account}`)),
    simulated: () => isLoopback(new URL(dc.url).hostname),
    tokenTtlSeconds: () => force.accepted.settings.tokens.ttlSeconds,
    onActs: changes.acts,
    onToken: changes.token,
    onClient: changes.client,
    status: () => ({
      origin: state.client.gauges.origin,
      vkey: state.client.gauges.vkey,
      entries: state.client.gauges.entries,
      ...standing.readiness().checks,
    }),
    reconcile: reconciler.run,
    issueMandate,
    link: people?.link,
  }
  const commands = commandsOn(context)
  const jumps = clockWatch(clock, state, log)
  const control = await serveControl(settings.instance.state, {
    ...commands,
    reload: () => reload(),
    readiness: () => Promise.resolve(standing.readiness()),
    numbers: () => numbersOf(metrics, standing.refresh),
    'clock confirm': () => {
      clock.confirm()
      jumps.confirmed()
      return Promise.resolve({ confirmed: true })
    },
  })
  opened.defer(() => control.close())
  const health =
    worker === undefined
      ? await serveHealth(settings.listeners.ops, standing.readiness, async () => scrapeOf([await numbersOf(metrics, standing.refresh)]))
      : undefined
  opened.defer(() => health?.close())
  const desk = await startConsole({
    context,
    accepted: () => force.accepted,
    env,
    log,
    readiness: standing.readiness,
    quotas: routes.quotas,
    watch: decisions,
    link:
      people &&
      (async (permission, by) => {
        const { url, expiresAt } = await people.link(permission, by.id)
        return { url, expiresAt: rfc3339(expiresAt) }
      }),
    sendProof: holderRights.sendProof,
    scan,
    receipt: people?.receipt,
  })
  opened.defer(() => desk?.stop())
  const listener = await listen(
    settings.listeners.gate,
    (message, res) => {
      handle(gate, message, res).catch((error: unknown) => {
        log.error({ err: error }, 'a request failed')
        if (res.headersSent) res.destroy()
        else res.writeHead(500, { 'Content-Length': '0', 'Cache-Control': 'no-store', Connection: 'close' }).end()
      })
    },
    () => {
      refusals.stranger('unparsed')
      metrics.strangers.inc({ reason: 'unparsed' })
    },
    open && { wanted: (message) => open.upgrades(message), take: (message, socket, head) => open.upgrade(message, socket, head) },
  )
  function reload(): Promise<readonly string[]> {
    return draining ? Promise.resolve([]) : force.reload()
  }
  /** Of several gates, one does what is done once for all. */
  let leads = postgres === undefined
  async function summarise(): Promise<void> {
    const counts = refusals.takeSummary()
    if (counts) await state.client.call('summary', { counts, now: clock.now() })
  }
  const timers = [
    every(60_000, summarise),
    every(5_000, async () => changes.acts(await state.client.call<readonly ActResult[]>('expire', { now: clock.now(), most: 1000 }))),
    every(60_000, async () => {
      if (!leads) return
      const issuedBefore = clock.now() - force.accepted.settings.papers.mandateDays * DAY
      await changes.acts(await state.client.call('timeOutMandates', { issuedBefore, most: 100, now: clock.now() }))
    }),
    every(60_000, async () => {
      if (settings.evidence.origin === undefined)
        await state.client.call('turnLog', { origin: originOf(settings, clock.now()), now: clock.now() })
      await state.client.call('closeLogs', { now: clock.now() })
      await state.client.call('noteLogs', { now: clock.now() })
    }),
    every(600_000, async () => {
      await sweepDays()
      await state.client.call('sweepTokens', { now: clock.now() })
      await state.client.call('sweepTickets', { now: clock.now() })
    }),
    every(1_000, async () => {
      if (postgres) leads = await state.client.call<boolean>('leads', {})
    }),
    every(5_000, async () => (leads ? reconciler.tick() : undefined)),
    every(1_000, async () => (leads ? holderRights.tick() : undefined)),
    every(1_000, standing.measureDisk),
    every(1_000, jumps.look),
  ]
  function every(ms: number, work: () => Promise<void>): NodeJS.Timeout {
    return setInterval(() => {
      if (state.client.down !== undefined) return
      work().catch((error: unknown) => faults.error({ err: error }, 'a regular task failed'))
    }, ms)
  }
  if (state.ready.interrupted > 0)
    log.warn({ interrupted: state.ready.interrupted }, 'calls of the last run had no outcome: recorded as interrupted')
  if (desk) log.info({ url: desk.url }, 'the console is ready')
  const ops = health?.url ?? ''
  log.info({ url: listener.url, ops, policy: accepted.policyHash }, 'the gate is ready')

  // From here on `stop` closes it all, in its own order.
  opened.move()
  started = true
  if (changedMeanwhile) void reload().catch(() => undefined)

  let stopped: Promise<void> | undefined
  async function stopNow(leaving: boolean): Promise<void> {
    draining = true
    watch?.close()
    if (leaving) listener.leave()
    // A load balancer reads /readyz; the listener answers until it has had the time to.
    if (drainMs > 0) await sleep(drainMs)
    open?.drain()
    const cut = setTimeout(() => underway.cutAll(), graceMs)
    await listener.stop(graceMs + CUT_MS)
    clearTimeout(cut)
    // What was cut has its outcome still to record.
    for (let waited = 0; underway.count > 0 && waited < RECORD_MS; waited += 20) await sleep(20)
    for (const timer of timers) clearInterval(timer)
    if (state.client.down === undefined) await summarise()
    await people?.close()
    await desk?.stop()
    await control.close()
    await channel?.close()
    await routes.close()
    await between?.close()
    open?.close()
    if (state.client.down === undefined) await state.stop()
    await health?.close()
    log.info('the gate has stopped')
  }
  return {
    url: listener.url,
    ops,
    commands,
    reload,
    stop: (how) => (stopped ??= stopNow(how === 'leaving')),
  }
}

function ownedState(
  settings: Settings,
  keys: InstanceKeys,
  postgres: Awaited<ReturnType<typeof postgresOf>>,
  clock: Clock,
  metrics: Metrics,
  log: Logger,
  onFatal: (why: string) => void,
  late: (name: string, value: unknown) => void,
): Promise<OwnedState> {
  const { instance, evidence } = settings
  const now = clock.now()
  return ownState(
    {
      folder: instance.state,
      node: instance.node,
      origin: originOf(settings, now),
      keys,
      ...(postgres && { postgres }),
      checkpointMs: evidence.checkpointSeconds * 1000,
      quotasOfADay: ['grdf-adict'],
      now,
    },
    { ...evidence.queue, ageMs: QUEUE_AGE_MS },
    (why) => {
      log.fatal({ why }, 'the state can no longer be written: the gate stops')
      onFatal(why)
    },
    (ms) => metrics.commitSeconds.observe(ms / 1000),
    late,
  )
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
