/** How a running gate does: why it takes no request, what `/readyz` says of each dependency, and the numbers of `/metrics`. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Rights } from './permissions/rights.ts'
import type { Millis } from './domain/time.ts'
import type { Holder } from './gateway/holder.ts'
import type { ProviderRoute } from './gateway/ports.ts'
import type { UnderWay } from './gateway/under-way.ts'
import type { Readiness, Standing } from './ops/health.ts'
import type { RedisCache } from './permissions/redis.ts'
import type { Clock } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import type { Metrics } from './runtime/metrics.ts'
import type { Settings } from './settings/shape.ts'
import type { StateClient } from './storage/rpc.ts'

export interface Observed {
  readonly settings: Settings
  readonly state: StateClient
  readonly clock: Clock
  readonly shared: RedisCache | undefined
  readonly routes: readonly ProviderRoute[]
  readonly underway: UnderWay
  readonly metrics: Metrics
  readonly log: Logger
  readonly stale: () => boolean
  readonly draining: () => boolean
}

export interface GateStanding {
  /** Whether another request may be taken. */
  readonly takes: boolean
  readiness(): Readiness
  /** Brings the numbers up to date for one scrape. */
  refresh(): Promise<void>
  measureDisk(): Promise<void>
}

const MONTH = 30 * 86_400_000

export function standingOf(observed: Observed): GateStanding {
  const { settings, state, clock, shared, routes, underway, metrics, log } = observed
  let diskLow = false
  let droppedBefore = 0

  function fault(): 'evidence' | 'queue' | 'backlog' | 'disk' | 'clock' | undefined {
    if (state.down !== undefined) return 'evidence'
    if (state.full) return 'queue'
    if (state.gauges.journalRows >= settings.evidence.queue.backlog) return 'backlog'
    if (diskLow) return 'disk'
    return clock.jumped() === 0 ? undefined : 'clock'
  }
  function readiness(): Readiness {
    const why = fault()
    const checks: Record<string, Standing> = {
      evidence: why === 'evidence' || why === 'queue' ? 'down' : 'ok',
      sealing: why === 'backlog' ? 'down' : 'ok',
      disk: diskLow ? 'down' : 'ok',
      clock: why === 'clock' ? 'down' : 'ok',
      redis: shared === undefined ? 'off' : shared.up ? 'ok' : 'slow',
      config: observed.stale() ? 'stale' : 'ok',
      listener: observed.draining() ? 'down' : 'ok',
      // Not the gate's own: requests are taken, and told that the data holder does not answer.
      ...Object.fromEntries(routes.map(({ id, holders }) => [id, worstOf([...holders.values()])])),
    }
    return { ready: why === undefined && !observed.draining(), checks }
  }
  return {
    get takes() {
      return fault() === undefined
    },
    readiness,
    async refresh() {
      metrics.ready.set(readiness().ready ? 1 : 0)
      metrics.journalQueue.set(state.queued)
      metrics.inFlight.set(underway.count)
      metrics.logDropped.inc(log.dropped - droppedBefore)
      droppedBefore = log.dropped
      metrics.configStale.set(observed.stale() ? 1 : 0)
      for (const { account, api, calls } of routes.flatMap(({ quota }) => quota.left())) metrics.quotaLeft.set({ account, api }, calls)
      metrics.quotasApart.set(routes.some(({ quota }) => quota.together === false) ? 1 : 0)
      const { tls } = settings.listeners.gate
      if (tls) metrics.certificateExpiry.set(endOf(tls.certificate))
      if (state.down !== undefined) return
      const now = clock.now()
      const [expiring, oldest, rights] = await Promise.all([
        state.call<number>('expiring', { before: (now + MONTH) as Millis }),
        state.call<number | null>('oldestRow', {}),
        state.call<ReturnType<Rights['counts']>>('rightCounts', {}),
      ])
      metrics.permissionsExpiring.set(expiring)
      const { oldestEnding, ...states } = rights
      for (const [state, count] of Object.entries(states)) metrics.rights.set({ state }, count)
      metrics.rightsWaiting.set(oldestEnding === null ? 0 : Math.max(0, (now - oldestEnding) / 1000))
      metrics.sealingAge.set(oldest === null ? 0 : Math.max(0, (now - oldest) / 1000))
      // The answers above brought them up to date.
      metrics.sealingBacklog.set(state.gauges.journalRows)
      metrics.logSize.set(state.gauges.entries)
    },
    async measureDisk() {
      const { bavail, bsize } = await statfs(settings.instance.state)
      diskLow = bavail * bsize < settings.evidence.lowWaterMb * 1_048_576
      metrics.diskFree.set(bavail * bsize)
    },
  }
}

/** The worst of the accounts. */
function worstOf(holders: readonly Holder[]): Standing {
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
