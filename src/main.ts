/**
 * Composition root of a running gate: builds everything, owns start and stop. Nothing is decided here.
 *
 * Start: secrets, state (lock, recovery), policy on record, caches, holders, control socket, ops, and only then the
 * listener. Stop: `/readyz` goes red while the listener still answers, then requests under way finish, then the
 * journal is drained, sealed and shown.
 */
import { statfs } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { X509Certificate, randomUUID } from 'node:crypto'
import type { AccountId, ClientId } from './domain/permission.ts'
import { canonicalJson } from './domain/canonical.ts'
import type { Json } from './domain/canonical.ts'
import type { Millis } from './domain/time.ts'
import { handle } from './gateway/pipeline.ts'
import type { Gate, GateState, Live } from './gateway/ports.ts'
import { holderAt } from './gateway/holder.ts'
import type { Holder } from './gateway/holder.ts'
import { listen } from './gateway/listener.ts'
import { quotaOf } from './gateway/quota.ts'
import { refusalBudget } from './gateway/refusals.ts'
import { underWay, underWayKey } from './gateway/under-way.ts'
import { commandsOn } from './ops/commands.ts'
import { serveControl } from './ops/control.ts'
import { serveHealth } from './ops/health.ts'
import type { Standing } from './ops/health.ts'
import { lookups } from './permissions/cache.ts'
import type { ActResult } from './permissions/registry.ts'
import { meterTokenOf } from './permissions/registry.ts'
import { redisCache } from './permissions/redis.ts'
import type { Identity, IssuedToken } from './permissions/tokens.ts'
import { dataConnect } from './providers/enedis-data-connect/data-connect.ts'
import type { ProviderAdapter } from './providers/adapter.ts'
import { systemClock, waitForPlausibleTime } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import { metricsOf } from './runtime/metrics.ts'
import { diffSettings } from './settings/diff.ts'
import { isLoopback, isPrivate } from './settings/network.ts'
import { secretOf } from './settings/secret.ts'
import type { Environment } from './settings/secret.ts'
import { readSettings } from './settings/settings.ts'
import type { ParsedSettings } from './settings/settings.ts'
import { watchSettings } from './settings/watch.ts'
import { instanceKeys, originOf } from './instance.ts'
import { ownState, QUEUE_AGE_MS } from './state-thread.ts'

export type Accepted = Extract<ParsedSettings, { ok: true }>
export interface RunningGate {
  readonly url: string
  readonly ops: string
  readonly commands: ReturnType<typeof commandsOn>
  /** Reads the settings file again, as SIGHUP does. Gives what keeps the new one from being taken, if anything does. */
  reload(): Promise<readonly string[]>
  stop(): Promise<void>
}
export interface StartOptions {
  readonly accepted: Accepted
  /** Watched and read again on change; absent for settings that are no file. */
  readonly file?: string
  readonly env: Environment
  readonly log: Logger
  /** The state is gone for good: the process should end with 1. */
  readonly onFatal: (why: string) => void
  /** How long `/readyz` is red before the listener stops taking connections. */
  readonly drainMs?: number
  /** How long requests under way may then go on. */
  readonly graceMs?: number
}

const TOKEN_PATH = '/oauth2/v3/token'
const CACHED = 20_000
const QUOTA_WAIT_MS = 20_000
/** A jump that grows by more than this is told again. */
const CLOCK_NEWS_MS = 60_000
/** After the grace: for those that were cut to close, and for their outcomes to be on record. */
const CUT_MS = 2000
const RECORD_MS = 5000

export async function startGate({ accepted, file, env, log, onFatal, drainMs = 0, graceMs = 60_000 }: StartOptions): Promise<RunningGate> {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new Error('NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates: unset it')
  if (!(await waitForPlausibleTime(300_000))) throw new Error('the clock of this machine is not set: set it, or start its time service')
  // Closed again where the start fails half-way: what is left open keeps the process, and the state folder, for ever.
  await using opened = new AsyncDisposableStack()
  let started = false
  let changedMeanwhile = false
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
  const keys = await instanceKeys(settings, env)
  const state = await ownState(
    {
      folder: settings.instance.state,
      node: settings.instance.node,
      origin: originOf(settings, clock.now()),
      keys,
      checkpointMs: settings.evidence.checkpointSeconds * 1000,
      now: clock.now(),
    },
    { ...settings.evidence.queue, ageMs: QUEUE_AGE_MS },
    (why) => {
      log.fatal({ why }, 'the state can no longer be written: the gate stops')
      onFatal(why)
    },
    (ms) => metrics.commitSeconds.observe(ms / 1000),
  )
  opened.defer(async () => {
    if (state.client.down === undefined) await state.stop()
  })
  let current = accepted
  let live = liveOf(accepted)
  let stale = false
  let draining = false
  let diskLow = false
  /** The jump of the clock that the log tells of, until it is confirmed or gone. */
  let toldJump = 0
  await state.client.call('policy', {
    hash: accepted.policyHash,
    body: canonicalJson(accepted.document as unknown as Json),
    now: clock.now(),
  })
  const shared =
    settings.redis === undefined
      ? undefined
      : await redisCache(
          settings.redis,
          settings.redis.password && (await secretOf(settings.redis.password, env)),
          keys.index,
          log,
          (result) => metrics.redis.inc({ result }),
        )
  opened.defer(() => shared?.close())
  const copies = lookups(
    {
      identify: (hash) => state.client.call<Identity | undefined>('identify', { hash }),
      views: (client, meter) => state.client.call('views', { client, meter }),
    },
    shared,
    CACHED,
    (what, result) => metrics.cache.inc({ what, result }),
  )
  shared?.onTold((told) => copies.hear(told))

  const dc = settings.providers['enedis-data-connect']
  const holders = new Map<AccountId, Holder>()
  opened.defer(async () => {
    await Promise.all([...holders.values()].map((holder) => holder.close()))
  })
  for (const account of dc.accounts) {
    const secret = await secretOf(account.clientSecret, env)
    holders.set(
      account.id,
      holderAt(
        { ...account, secret },
        { ...dc, ca: dc.ca, refusesAddress: dc.allowPrivate ? undefined : isPrivate },
        TOKEN_PATH,
        () => performance.now(),
        log,
      ),
    )
  }
  const quota = quotaOf(
    (account) => dc.accounts.find((a) => a.id === account)?.quota ?? { perSecond: 1, perHour: 1 },
    () => performance.timeOrigin + performance.now(),
    QUOTA_WAIT_MS,
  )
  quota.recall(state.ready.recentCalls)

  const underway = underWay()
  const refusals = refusalBudget()
  const called = new Map<string, number>()
  const meterTokens = new Map<string, Buffer>()
  const gateState: GateState = {
    origin: state.ready.origin,
    get ready() {
      return why() === undefined
    },
    identify: (hash, fresh) => copies.identify(hash, fresh),
    views: (client, meter, fresh) => copies.views(client, meter, fresh),
    meterToken(meter) {
      const known = meterTokens.get(meter)
      if (known) return known
      if (meterTokens.size >= 50_000) meterTokens.clear()
      const token = meterTokenOf(keys.index, meter)
      meterTokens.set(meter, token)
      return token
    },
    intent(args) {
      called.set(args.permission.id, args.now)
      return state.client.call('intent', args)
    },
    async outcome(args) {
      const { n, fulfilled } = await state.client.call<{ n: number; fulfilled: readonly ActResult[] }>('outcome', args)
      if (fulfilled.length > 0) void onActs(fulfilled)
      return { n }
    },
    refused: (args) => state.client.call('refused', args),
    exchange: ({ client, secret, live: now, now: at }) =>
      state.client.call<IssuedToken | undefined>('exchange', {
        client,
        secret,
        purpose: now.clients.get(client)?.purpose ?? '',
        ttlSeconds: now.tokenTtlSeconds,
        cap: now.tokensPerCredential,
        now: at,
      }),
    async holderRefused({ permission, code, now }) {
      for (const [id, at] of called) if (at < now - 3_600_000) called.delete(id)
      const { suspended, badDay } = await state.client.call<{ suspended: ActResult | null; badDay: boolean }>('holderRefused', {
        permission,
        code,
        now,
        calledInHour: called.size,
      })
      if (badDay) log.error('the data holder refuses many permissions at once: nothing is suspended for it')
      if (suspended) await onActs([suspended])
    },
  }
  const gate: Gate = {
    live: () => live,
    state: gateState,
    route: { id: 'enedis-data-connect', adapter: dataConnect({ upstream: dc.generation }) as ProviderAdapter<unknown>, holders, quota },
    refusals,
    underWay: underway,
    metrics,
    log,
    now: clock.now,
    newId: randomUUID,
    draining: () => draining,
    maxTarget: settings.listeners.gate.limits.targetBytes,
  }

  /** Why no request may be taken now. */
  function why(): 'evidence' | 'queue' | 'backlog' | 'disk' | 'clock' | undefined {
    if (state.client.down !== undefined) return 'evidence'
    if (state.client.full) return 'queue'
    if (state.client.gauges.journalRows >= settings.evidence.queue.backlog) return 'backlog'
    if (diskLow) return 'disk'
    return clock.jumped() === 0 ? undefined : 'clock'
  }
  async function onActs(acts: readonly ActResult[]): Promise<void> {
    for (const act of acts) {
      if (act.meter === null) copies.flush()
      else copies.dropViews(act.client, act.meter)
      if (act.status !== 'active') underway.cut(underWayKey.permission(act.permission))
    }
    await shared?.tellActs(acts)
  }
  async function syncClients(): Promise<void> {
    const clients = current.settings.clients.map(({ id, disabled }) => ({ id, disabled }))
    const off = await state.client.call<readonly ClientId[]>('syncClients', { clients, now: clock.now() })
    for (const id of off) await onClient(id)
  }
  function onClient(id: ClientId): Promise<void> {
    copies.flush()
    underway.cut(underWayKey.client(id))
    return shared?.tellAll() ?? Promise.resolve()
  }

  async function measureDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(settings.instance.state)
    diskLow = bavail * bsize < settings.evidence.lowWaterMb * 1_048_576
    metrics.diskFree.set(bavail * bsize)
  }

  // Known before the first request, not a second after it.
  await measureDisk()
  await syncClients()
  const commands = commandsOn({
    state: state.client,
    now: clock.now,
    operator: `uid:${process.getuid?.() ?? 'unknown'}`,
    document: () => current.document,
    clients: () => new Map(current.settings.clients.map((c) => [c.id, c.purpose])),
    accounts: () => dc.accounts.map((a) => `enedis-data-connect/${a.id}`),
    simulated: () => isLoopback(new URL(dc.url).hostname),
    tokenTtlSeconds: () => current.settings.tokens.ttlSeconds,
    onActs,
    async onToken(hash) {
      copies.dropIdentity(Buffer.from(hash))
      underway.cut(underWayKey.token(Buffer.from(hash).toString('base64')))
      await shared?.tellToken(Buffer.from(hash))
    },
    onClient,
    status: () => ({ origin: state.ready.origin, vkey: state.ready.vkey, entries: state.client.gauges.entries, ...checks() }),
  })
  const control = await serveControl(settings.instance.state, {
    ...commands,
    reload: () => reload(),
    'clock confirm': () => {
      clock.confirm()
      toldJump = 0
      return Promise.resolve({ confirmed: true })
    },
  })
  opened.defer(() => control.close())
  function checks(): Record<string, Standing> {
    const fault = why()
    return {
      evidence: fault === 'evidence' || fault === 'queue' ? 'down' : 'ok',
      sealing: fault === 'backlog' ? 'down' : 'ok',
      disk: diskLow ? 'down' : 'ok',
      clock: fault === 'clock' ? 'down' : 'ok',
      redis: shared === undefined ? 'off' : shared.up ? 'ok' : 'slow',
      config: stale ? 'stale' : 'ok',
      listener: draining ? 'down' : 'ok',
      // Not the gate's own: requests are taken, and told that the data holder does not answer.
      'enedis-data-connect': standingOf([...holders.values()]),
    }
  }
  const health = await serveHealth(
    settings.listeners.ops,
    () => ({ ready: !draining && why() === undefined, checks: checks() }),
    metrics,
    refreshMetrics,
  )
  opened.defer(() => health.close())
  let droppedBefore = 0
  async function refreshMetrics(): Promise<void> {
    metrics.ready.set(!draining && why() === undefined ? 1 : 0)
    metrics.journalQueue.set(state.client.queued)
    metrics.inFlight.set(underway.count)
    metrics.logDropped.inc(log.dropped - droppedBefore)
    droppedBefore = log.dropped
    metrics.configStale.set(stale ? 1 : 0)
    for (const { account, api, calls } of quota.left()) metrics.quotaLeft.set({ account, api }, calls)
    const { tls } = settings.listeners.gate
    if (tls) metrics.certificateExpiry.set(endOf(tls.certificate))
    if (state.client.down !== undefined) return
    const now = clock.now()
    const [expiring, oldest] = await Promise.all([
      state.client.call<number>('expiring', { before: (now + 30 * 86_400_000) as Millis }),
      state.client.call<number | null>('oldestRow', {}),
    ])
    metrics.permissionsExpiring.set(expiring)
    metrics.sealingAge.set(oldest === null ? 0 : Math.max(0, (now - oldest) / 1000))
    // The answers above brought them up to date.
    metrics.sealingBacklog.set(state.client.gauges.journalRows)
    metrics.logSize.set(state.client.gauges.entries)
  }

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
  )

  let reloading: Promise<readonly string[]> = Promise.resolve([])
  /** One at a time, the last word last. */
  function reload(): Promise<readonly string[]> {
    reloading = reloading.then(reloadNow, reloadNow).catch((error: unknown) => {
      stale = true
      log.error({ err: error }, 'the settings could not be read again')
      throw error
    })
    return reloading
  }
  async function reloadNow(): Promise<readonly string[]> {
    if (file === undefined || draining) return []
    const next = await readSettings(file, env)
    const mistakes = next.ok ? [] : next.mistakes
    const needsRestart = next.ok ? diffSettings(current.settings, next.settings).needsRestart : []
    stale = mistakes.length > 0 || needsRestart.length > 0
    // By itself: a certificate that cannot be read keeps the one in force, and the settings are read all the same.
    try {
      listener.reloadCertificate()
    } catch (error) {
      stale = true
      log.error({ err: error }, 'the certificate of the listener is not taken: the one in force stays')
    }
    if (!next.ok || needsRestart.length > 0) {
      log.error({ mistakes, needsRestart }, 'the settings file is not taken: the policy in force stays')
      return [...mistakes.map((m) => `${m.line}:${m.column}: ${m.message}`), ...needsRestart.map((path) => `${path}: needs restart`)]
    }
    if (next.policyHash !== current.policyHash) {
      await state.client.call('policy', { hash: next.policyHash, body: canonicalJson(next.document as unknown as Json), now: clock.now() })
    }
    // From here on new requests are decided on the new policy; those under way keep theirs.
    current = next
    live = liveOf(next)
    await syncClients()
    log.info({ policy: next.policyHash }, 'the settings were read again')
    return []
  }
  const timers = [
    every(60_000, async () => {
      const counts = refusals.takeSummary()
      if (counts) await state.client.call('summary', { counts, now: clock.now() })
    }),
    every(5_000, async () => onActs(await state.client.call<readonly ActResult[]>('expire', { now: clock.now(), most: 1000 }))),
    every(600_000, async () => void (await state.client.call('sweepTokens', { now: clock.now() }))),
    every(1_000, measureDisk),
  ]
  timers.push(
    every(1_000, async () => {
      const jumped = clock.jumped()
      if (jumped !== 0 && Math.abs(jumped - toldJump) > CLOCK_NEWS_MS) {
        toldJump = jumped
        log.error({ stepMs: jumped }, 'the clock jumped: no request is taken until it is confirmed (ecluse clock confirm)')
        await state.client.call('clock', { stepMs: jumped, now: clock.now() })
      }
      if (jumped === 0) toldJump = 0
    }),
  )
  function every(ms: number, work: () => Promise<void>): NodeJS.Timeout {
    return setInterval(() => {
      if (state.client.down !== undefined) return
      work().catch((error: unknown) => log.error({ err: error }, 'a regular task failed'))
    }, ms)
  }
  if (state.ready.interrupted > 0)
    log.warn({ interrupted: state.ready.interrupted }, 'calls of the last run had no outcome: recorded as interrupted')
  log.info({ url: listener.url, ops: health.url, policy: accepted.policyHash }, 'the gate is ready')

  // From here on `stop` closes it all, in its own order.
  opened.move()
  started = true
  if (changedMeanwhile) void reload().catch(() => undefined)

  let stopped: Promise<void> | undefined
  async function stopNow(): Promise<void> {
    draining = true
    watch?.close()
    // A load balancer reads /readyz; the listener answers until it has had the time to.
    if (drainMs > 0) await new Promise((resolve) => setTimeout(resolve, drainMs))
    const cut = setTimeout(() => underway.cutAll(), graceMs)
    await listener.stop(graceMs + CUT_MS)
    clearTimeout(cut)
    // What was cut has its outcome still to record.
    for (let waited = 0; underway.count > 0 && waited < RECORD_MS; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
    for (const timer of timers) clearInterval(timer)
    const counts = refusals.takeSummary()
    if (counts && state.client.down === undefined) await state.client.call('summary', { counts, now: clock.now() })
    await control.close()
    await shared?.close()
    await Promise.all([...holders.values()].map((holder) => holder.close()))
    if (state.client.down === undefined) await state.stop()
    await health.close()
    log.info('the gate has stopped')
  }
  return {
    url: listener.url,
    ops: health.url,
    commands,
    reload,
    stop: () => (stopped ??= stopNow()),
  }
}

/** The worst of the accounts. */
function standingOf(holders: readonly Holder[]): Standing {
  const all = holders.map((holder) => holder.standing)
  return all.includes('down') ? 'down' : all.includes('ok') ? 'ok' : 'off'
}

/** End of validity in POSIX seconds; 0 where the file tells none, so that an alarm on it sounds. */
function endOf(certificate: string): number {
  try {
    return Date.parse(new X509Certificate(readFileSync(certificate)).validTo) / 1000
  } catch {
    return 0
  }
}

function liveOf({ settings, policy, policyHash }: Accepted): Live {
  return {
    policy,
    policyHash,
    clients: new Map(settings.clients.map((client) => [client.id, client])),
    tokenTtlSeconds: settings.tokens.ttlSeconds,
    tokensPerCredential: settings.tokens.perCredentialCap,
  }
}
