/**
 * Composition root of the thread that owns the state folder and the log of this gate. Registry, tokens and evidence live
 * on one connection, so that an act, an intent and its checks share one order. Everything slow that no request waits for
 * (sealing, tiles, checkpoints, erasure) runs here too, between batches.
 *
 * On the first error of a commit, a file or an fsync it reports and does nothing more: the process ends, and the next
 * start recovers from what is on disk. A database server that cannot be reached is no such error: it is waited for.
 */
import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import { positionOf } from './domain/position.ts'
import type { Millis } from './domain/time.ts'
import { rfc3339 } from './domain/time.ts'
import type { Erasure } from './evidence/erase.ts'
import { permissionToken } from './permissions/registry.ts'
import type { EndLeft, Engine } from './state-engine.ts'
import { openOnSqlite } from './state-engine.ts'
import { openedRow } from './state-logs.ts'
import { openOnPostgres } from './state-postgres.ts'
import type { StateProcedures } from './state-procedures.ts'
import { proceduresOn } from './state-procedures.ts'
import type { RecentCall } from './state-start.ts'
import { checkCheckpoints, checkIndexKey, lastClosed, recentCalls } from './state-start.ts'
import type { PostgresSettings } from './storage/postgres.ts'
import type { Gauges } from './storage/rpc.ts'
import { Refused, serveCalls } from './storage/rpc.ts'

export interface StateOptions {
  readonly folder: string
  readonly node: string
  /** Origin of the log, where none is opened yet. */
  readonly origin: string
  readonly keys: { readonly signing: Uint8Array; readonly master: Uint8Array; readonly index: Uint8Array }
  /** Where several gates share the state; absent, it lies in the folder. */
  readonly postgres?: PostgresSettings
  /** The state was just put back from a copy made then: it goes on in a new log. RFC 3339. */
  readonly restored?: string
  readonly checkpointMs: number
  /** Data holders whose quota is of a day; of the others it is of an hour. */
  readonly quotasOfADay?: readonly string[]
  readonly now: number
}

/** What the owner tells once it is ready. */
export interface StateReady {
  readonly interrupted: number
  readonly gauges: Gauges
  /** Calls to data holders of the last hour, or of the last day where that is what counts, for the quotas. */
  readonly recentCalls: readonly RecentCall[]
}

const CLOCK_TOLERANCE_MS = 600_000
const SEAL_ROWS = 128
const SEAL_WAIT_MS = 15
/** How often an erasure looks whether other gates have sealed what they held. */
const OTHERS_MS = 500

function start(port: MessagePort, options: StateOptions): void {
  const tokenOfPermission = (id: string): string => permissionToken(options.keys.index, id)
  const engine = options.postgres ? openOnPostgres(options, options.postgres, tokenOfPermission) : openOnSqlite(options, tokenOfPermission)
  const { store, own } = engine
  const parts = proceduresOn({ ...engine, secrets: options.keys, tokenOfPermission })
  let stopped = false
  let wantsPublish = false
  let sealing: NodeJS.Timeout | undefined
  /** Until other gates have sealed what they held. */
  let erasing = false
  const procedures = {
    ...parts.procedures,
    /** Whether every row is an entry and shown in a checkpoint; if not, it soon will be. */
    drained: (): boolean => {
      wantsPublish = true
      return own.drained()
    },
    ...(options.restored === undefined && {
      suspendAll: () => {
        throw new Refused('all permissions are suspended by a restore alone')
      },
    }),
    /** Whether this gate does what only one of the instance does. */
    leads: engine.leads,
  }

  function fatal(error: unknown): void {
    if (stopped) return
    stopped = true
    clearInterval(checkpoints)
    clearTimeout(sealing)
    // The disk is not to be trusted any more: nothing is closed tidily, nothing is retried.
    port.postMessage({ fatal: whatFailed(error).why })
  }
  /** Background work: what the engine heals by itself is done at its next turn. */
  function guarded(work: () => void): () => void {
    return () => {
      if (stopped) return
      try {
        work()
      } catch (error) {
        if (!engine.heals(error)) fatal(error)
      }
    }
  }
  function sealLater(): void {
    const rows = own.backlog()
    if (rows > 0) sealing ??= setTimeout(sealSome, rows >= SEAL_ROWS ? 0 : SEAL_WAIT_MS)
    else if (erasing) sealing ??= setTimeout(sealSome, OTHERS_MS)
  }
  const afterBatch = guarded(() => {
    // Files are written between transactions, never inside one.
    if (wantsPublish) own.publish()
    wantsPublish = false
    store.tidy()
    if (own.backlog() >= SEAL_ROWS) setImmediate(sealSome)
    else sealLater()
  })
  const gauges = (commitMs: number): Gauges => ({
    journalRows: own.backlog(),
    entries: own.entries,
    commitMs,
    origin: own.current.origin,
    vkey: own.current.vkey,
  })
  const sealSome = guarded(() => {
    clearTimeout(sealing)
    sealing = undefined
    own.seal(SEAL_ROWS)
    store.tidy()
    sealLater()
    if (sealing === undefined && parts.erasure.pending() > 0) {
      erasing = parts.erasure.finish() === 'waits'
      sealLater()
    }
  })
  const endLeft = endingOf(engine, parts)
  const interrupted = recover(engine, parts.erasure, endLeft, options)
  const checkpoints = setInterval(
    guarded(() => {
      own.publish()
      engine.lookAround(endLeft)
      sealLater()
    }),
    options.checkpointMs,
  )

  port.on('message', (message: unknown) => {
    if (message !== 'stop' || stopped) return
    clearInterval(checkpoints)
    clearTimeout(sealing)
    try {
      while (own.seal(512) > 0);
      // Where it is busy, the next start does it.
      parts.erasure.finish()
      own.publish()
      // Where it fails, that is told: whoever waits for the end must not wait for ever.
      engine.close()
    } catch (error) {
      // What is not sealed is sealed at the next start.
      if (!engine.heals(error)) return fatal(error)
    }
    stopped = true
    port.postMessage({ stopped: true })
    port.close()
  })
  serveCalls(port, engine.runner(procedures, parts), { after: afterBatch, stopped: () => stopped, fatal, gauges })
  port.postMessage({
    ready: {
      interrupted,
      recentCalls: recentCalls(store.db, options.now, options.quotasOfADay ?? []),
      gauges: gauges(0),
    } satisfies StateReady,
  })
}

function endingOf({ access }: Engine, { ownCalls, registry }: StateProcedures): EndLeft {
  return (now, log) => {
    const settled = access.interrupt(now, log)
    for (const { counted } of settled) for (const permission of counted) registry.fulfil({ permission, now })
    return settled.length + ownCalls.interrupt(now, log)
  }
}

/** What must be true before a request is taken. Throws with the sentence that the operator reads. */
function recover(engine: Engine, erasure: Erasure, endLeft: EndLeft, options: StateOptions): number {
  const { store, keys, own, journal, logs } = engine
  const { db } = store
  const now = options.now as Millis
  checkIndexKey(db, options.keys.index)
  while (own.seal(512) > 0);
  const latest = db.prepare('SELECT at FROM entry ORDER BY at DESC, n DESC LIMIT 1').get()
  if (latest && now < Number(latest['at']) - CLOCK_TOLERANCE_MS) {
    throw new Error(
      `the clock says ${rfc3339(now)}, the last entry was written at ${rfc3339(Number(latest['at']) as Millis)}: set the clock and start again`,
    )
  }
  const { current } = own
  const size = current.sealedUpTo - positionOf(current.id, 0)
  checkCheckpoints(db, current, { size, shared: options.postgres !== undefined })
  let interrupted = 0
  store.atomically(() => {
    keys.drop()
    logs.keepKey(current.id, current.vkey)
    if (journal.next() === positionOf(current.id, 0)) {
      journal.append(openedRow(current, options.restored === undefined ? null : lastClosed(store.db), logs, options.restored), now)
    } else {
      interrupted = endLeft(now, current.id)
      journal.append({ clear: { t: 'log.recovered', interrupted } }, now)
    }
  })
  engine.lookAround(endLeft)
  while (own.seal(512) > 0);
  erasure.again()
  if (erasure.finish() === 'busy' && !options.postgres)
    throw new Error('an erasure is not finished, because another process reads ecluse.db: stop it and start again')
  own.publish()
  return interrupted
}

/** SQLite's errors and the system's carry a number; a sentence of ours says itself what is wrong. */
function whatFailed(error: unknown): { readonly why: string; readonly broken: boolean } {
  if (!(error instanceof Error)) return { why: 'unknown', broken: true }
  const { errcode, code } = error as { readonly errcode?: unknown; readonly code?: unknown }
  const full = code === 'ENOSPC' || code === 'EDQUOT' || errcode === SQLITE_FULL
  if (full) return { why: `the disk is full (${error.message}): make room, then start again; nothing acknowledged is lost`, broken: true }
  const broken = errcode !== undefined || 'syscall' in error
  const hint = broken ? ': see to the disk and to who may write there, then start again; nothing acknowledged is lost' : ''
  return { why: error.message + hint, broken }
}
const SQLITE_FULL = 13

if (parentPort) {
  const port = parentPort
  try {
    start(port, workerData as StateOptions)
  } catch (error) {
    const { why, broken } = whatFailed(error)
    port.postMessage({ fatal: broken ? `the state folder ${(workerData as StateOptions).folder}: ${why}` : why, broken })
    // As long as it listens the thread lives, and its files stay as they are until the process is gone.
    if (broken) port.on('message', () => undefined)
    else port.close()
  }
}
