/**
 * The owner's thread on PostgreSQL: its log among those of other gates, and batches of calls run there. Intents, outcomes
 * and refusals of a batch are one statement; every other call is a transaction of its own, so that no lock is held longer
 * than its own work.
 *
 * A connection that breaks takes with it the transaction, the locks and the right to write the log. It is made anew, the
 * log's lock is taken again, and what was under way is asked once more: a batch under its own number, a transaction only
 * where the server says that it was not committed. Until then nothing is answered as done.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Millis } from './domain/time.ts'
import type { AccessLog, OutcomeArgs, Settled } from './evidence/access.ts'
import { accessLogOn } from './evidence/access.ts'
import type { AccessAnswer, AccessBatches, AccessCall } from './evidence/access-batch.ts'
import { accessBatchesOn } from './evidence/access-batch.ts'
import { vkeyOf } from './evidence/log/note.ts'
import { operatorKeyOn } from './evidence/operator-key.ts'
import type { OwnCalls } from './evidence/own-calls.ts'
import { ownCallsOn } from './evidence/own-calls.ts'
import { sealerOn } from './evidence/sealer.ts'
import type { StateOptions } from './state.ts'
import type { Engine } from './state-engine.ts'
import type { OwnLogs } from './state-logs.ts'
import { freeName, newSigner, ownLogsOn } from './state-logs.ts'
import type { StateProcedures } from './state-procedures.ts'
import { leaveLogsBehind } from './state-start.ts'
import { PostgresError } from './storage/faults.ts'
import type { Journal } from './storage/journal.ts'
import { journalOf } from './storage/journal.ts'
import type { KeyStore } from './storage/keys.ts'
import { decrypt, derive, encrypt, keyStore } from './storage/keys.ts'
import type { LogOnRecord, Logs } from './storage/logs.ts'
import { logsOn } from './storage/logs.ts'
import type { PostgresSettings, PostgresStore } from './storage/postgres.ts'
import { isLost, isPassing, openPostgres } from './storage/postgres.ts'
import type { Answered, Call, Procedures, Runner } from './storage/rpc.ts'
import { isOfTheCall, procedureNamed } from './storage/rpc.ts'
import { ownFolder } from './storage/sqlite.ts'

/** First half of an advisory lock's name; the second is the number of a log, or 0 for what one gate does for all. */
const LOG_LOCK = 4_901_163
const LEAD_LOCK = 4_901_164
const CLAIM_LOCK = 4_901_165
/** How long a call that is no evidence waits for a database that cannot be reached. */
const PATIENCE_MS = 5_000
const RETRIES = 20
/** A log that nobody has written for so long is written to its end by whoever finds it. */
const ORPHANED_MS = 600_000
const LOOK_MS = 30_000
/** Between the clock of this machine and the database's. */
const CLOCK_TOLERANCE_MS = 600_000

/** The database cannot be reached; nothing was changed. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

export function openOnPostgres(options: StateOptions, settings: PostgresSettings, tokenOfPermission: (id: string) => string): Engine {
  // What is shown of the log lies in the folder: two gates there would write over each other.
  const folder = ownFolder(options.folder)
  const store = openPostgres(settings, tellingOf(options.keys.index))
  const { db } = store
  const ahead = Number(store.query('SELECT clock_ms() AS now')[0]?.['now']) - options.now
  if (Math.abs(ahead) > CLOCK_TOLERANCE_MS)
    throw new Error(`the clock of this machine and that of PostgreSQL are ${Math.round(Math.abs(ahead) / 1000)} s apart: set them both`)
  const keys = keyStore(store.keys, options.keys.master)
  const logs = logsOn(db)
  if (options.restored !== undefined) store.atomically(() => leaveLogsBehind(db, options.now))
  const opening = claimLog(store, logs, options)
  const rowKey = derive(options.keys.master, 'ecluse journal/v1')
  const journal = journalOf(db, logs, opening, {
    clock: store.clock,
    box: {
      seal: (text) => encrypt(rowKey, Buffer.from(text), 'row').toString('base64'),
      open: (box) => decrypt(rowKey, Buffer.from(box, 'base64'), 'row').toString(),
    },
  })
  const batches = accessBatchesOn(store.query, journal, logs, tokenOfPermission)
  // One at a time and inside a transaction of somebody else's: at the start, and for what a gate that is gone left open.
  const access = accessLogOn(db, journal, tokenOfPermission, (id) => keys.get(id) !== undefined)
  const sealer = sealerOn(db, store.atomically, options.node, keys, journal.read)
  const own = ownLogsOn(db, logs, journal, sealer, options, opening)
  const link = linkOf(store, journal, keys, own, settings.applicationName)
  return {
    store,
    keys,
    logs,
    journal,
    own,
    access,
    runner: (procedures, parts) => runnerOn({ store, keys, own, batches, link, procedures, parts }),
    heals(error) {
      if (!isLost(error) && !isPassing(error) && !isShort(error)) return false
      if (isLost(error)) void link.again(Number.POSITIVE_INFINITY)
      return true
    },
    lookAround: orphansOf(store, logs, keys, own, access, ownCallsOn(db, journal, operatorKeyOn(db, keys), tokenOfPermission)),
    leads: () => link.leads(),
    close() {
      store.close()
      folder.release()
    },
  }
}

/** How what is told between gates is sealed: by the instance's own key, for one another alone. */
export function tellingOf(index: Uint8Array): { seal(text: string): string; open(sealed: string): string | undefined } {
  const key = derive(index, 'ecluse told/v1')
  return {
    seal: (text) => encrypt(key, Buffer.from(text), 'told').toString('base64'),
    open(sealed) {
      try {
        return decrypt(key, Buffer.from(sealed, 'base64'), 'told').toString()
      } catch {
        // Not of this instance: whoever hears it trusts no copy any more.
        return undefined
      }
    },
  }
}

function lockLog(store: PostgresStore, id: number): boolean {
  return store.query('SELECT pg_try_advisory_lock($1::int, $2::int) AS got', LOG_LOCK, id)[0]?.['got'] as unknown as boolean
}

/**
 * The log of this node, or one that nobody has written for long; else a new one. That of another node is left alone for
 * a while: it may only have lost its connection. Gates that start together take turns.
 */
function claimLog(store: PostgresStore, logs: Logs, { origin, node, keys, now }: StateOptions): LogOnRecord {
  return store.atomically(() => {
    store.query('SELECT pg_advisory_xact_lock($1::int, 0)', CLAIM_LOCK)
    const left = leftAlone(store)
    const free = logs
      .all()
      .filter((log) => log.closedAt === null && (log.node === node || left.has(log.id)))
      .toSorted((a, b) => Number(b.node === node) - Number(a.node === node))
      .find(({ id }) => lockLog(store, id))
    if (free) return free
    const name = freeName(logs, origin)
    const log = logs.add(name, vkeyOf(newSigner(keys.signing, name)), node, now as Millis)
    lockLog(store, log.id)
    return log
  })
}

/** The connection, and what goes with it when it breaks. */
interface Link {
  /** Connects again and takes the logs' locks again. Throws {@link Unreachable} after `patience` ms, and for good where another gate has a log. */
  again(patience: number): Promise<void>
  leads(): boolean
}

function linkOf(store: PostgresStore, journal: Journal, keys: KeyStore, own: OwnLogs, applicationName: string): Link {
  let healing: Promise<void> | undefined
  let leading = false
  function connectOnce(): void {
    leading = false
    store.reconnect()
    // A connection of ours that this side lost may stand on the server for a while yet.
    store.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
      applicationName,
    )
    for (const log of own.all) lockAgain(log.id)
    keys.drop()
    own.reload()
  }
  function lockAgain(id: number): void {
    for (let tried = 0; tried < 50; tried += 1) {
      if (lockLog(store, id)) return
      store.query('SELECT pg_sleep(0.02)')
    }
    throw new Error(`another gate writes the log ${journal.nameOf(journal.next(id)).replace(/\/\d+$/, '')} now: this one stops`)
  }
  async function heal(): Promise<void> {
    for (let wait = 50; ; wait = Math.min(1000, wait * 2)) {
      try {
        connectOnce()
        return
      } catch (error) {
        if (!isLost(error) && !isShort(error)) throw error
        await sleep(wait)
      }
    }
  }
  return {
    async again(patience) {
      healing ??= heal().finally(() => (healing = undefined))
      if (patience === Number.POSITIVE_INFINITY) return healing
      const late = sleep(patience, 'late' as const)
      if ((await Promise.race([healing, late])) === 'late') throw new Unreachable('PostgreSQL cannot be reached: nothing was changed')
    },
    leads() {
      leading ||= store.query('SELECT pg_try_advisory_lock($1::int, 0) AS got', LEAD_LOCK)[0]?.['got'] === (true as unknown)
      return leading
    },
  }
}

/** The server is short of disk, memory or connections. */
function isShort(error: unknown): boolean {
  return error instanceof PostgresError && /^(53|57014)/.test(error.sqlState)
}

interface Running {
  readonly store: PostgresStore
  readonly keys: KeyStore
  readonly own: OwnLogs
  readonly batches: AccessBatches
  readonly link: Link
  readonly procedures: Procedures
  readonly parts: StateProcedures
}

/** Recorded together. */
const RECORDED = new Set(['intent', 'outcome', 'refused'])
/** Read again by the intent's own checks: no transaction of their own. */
const READ = new Set(['identify', 'views'])

function runnerOn(running: Running): Runner {
  const { procedures, parts } = running
  const transaction = transactionsOn(running)

  async function record(calls: readonly Call[]): Promise<readonly Answered[]> {
    const asked = calls.map(([, name, args]) => ({ is: name, args }) as AccessCall)
    const settled = await sent(running, asked)
    const answers: Answered[] = []
    for (const [i, [id, name, args]] of calls.entries()) {
      const answer = settled[i]
      if (name !== 'outcome') answers.push([id, true, answer])
      else {
        const { entry, counted } = answer as Settled
        const outcome = args as OutcomeArgs
        // The outcome is on record: what follows from it is done however long that takes.
        const follows = counted.length > 0 || outcome.opened !== undefined
        const fulfilled = follows ? await transaction(() => parts.afterOutcome(outcome, answer as Settled), Number.POSITIVE_INFINITY) : []
        answers.push([id, true, { entry, fulfilled }])
      }
    }
    return answers
  }

  async function one([id, name, args]: Call): Promise<Answered> {
    const procedure = procedureNamed(procedures, name)
    if (!procedure) return [id, false, `no procedure ${name}`]
    try {
      const work = (): unknown => procedure(args as never)
      return [id, true, await (READ.has(name) ? reading(running, work) : transaction(work, PATIENCE_MS))]
    } catch (error) {
      if (error instanceof Unreachable) return [id, 'later', error.message]
      if (isOfTheCall(error)) return [id, false, error.message]
      throw error
    }
  }

  return async (calls) => {
    const recorded = calls.filter(([, name]) => RECORDED.has(name))
    const answers = recorded.length > 0 ? [...(await record(recorded))] : []
    for (const call of calls) if (!RECORDED.has(call[1])) answers.push(await one(call))
    return answers
  }
}

/** The same batch until the database has answered it. */
async function sent({ batches, link }: Running, calls: readonly AccessCall[]): Promise<readonly AccessAnswer[]> {
  const batch = batches.of(calls)
  for (;;) {
    try {
      return batches.send(batch)
    } catch (error) {
      if (isLost(error)) await link.again(Number.POSITIVE_INFINITY)
      else if (isPassing(error) || isShort(error)) await sleep(20)
      else throw error
    }
  }
}

async function reading<T>({ keys, link }: Running, work: () => T): Promise<T> {
  for (;;) {
    try {
      keys.drop()
      return work()
    } catch (error) {
      if (!isLost(error)) throw error
      await link.again(PATIENCE_MS)
    }
  }
}

type Transaction = <T>(work: () => T, patience: number) => Promise<T>

function transactionsOn({ store, keys, own, link }: Running): Transaction {
  function attempt<T>(work: () => T): { readonly id: string; readonly value: T } {
    store.unit.begin()
    keys.drop()
    try {
      return { id: store.transactionId(), value: work() }
    } catch (error) {
      if (!isLost(error)) undo()
      throw error
    }
  }
  function undo(): void {
    store.rollback()
    keys.drop()
    own.reload()
  }
  return async <T>(work: () => T, patience: number): Promise<T> => {
    for (let tries = 0; ; tries += 1) {
      let done: { readonly id: string; readonly value: T } | undefined
      try {
        done = attempt(work)
        store.unit.commit()
        return done.value
      } catch (error) {
        if (isLost(error)) {
          await link.again(patience)
          // The answer to a commit may be all that was lost.
          if (done && store.wasCommitted(done.id)) return done.value
        } else if ((isPassing(error) || isShort(error)) && tries < RETRIES) {
          await sleep(10 + Math.random() * 40)
        } else throw error
      }
    }
  }
}

/** Open logs that nobody has written, or said to be alive, for {@link ORPHANED_MS}. */
function leftAlone(store: PostgresStore): ReadonlySet<number> {
  const rows = store.query(
    'SELECT id FROM log WHERE closed_at IS NULL AND greatest(alive_at, opened_at) < clock_ms() - $1::bigint',
    ORPHANED_MS,
  )
  return new Set(rows.map((row) => Number(row['id'])))
}

/**
 * Now and then: says that this gate is alive, and writes logs of gates that are gone to their end, so that nothing waits
 * there in clear or without an outcome.
 */
function orphansOf(store: PostgresStore, logs: Logs, keys: KeyStore, own: OwnLogs, access: AccessLog, ownCalls: OwnCalls): () => void {
  let next = 0
  return () => {
    const now = performance.now()
    if (now < next) return
    next = now + LOOK_MS
    for (const { id } of own.all) store.query('UPDATE log SET alive_at = clock_ms() WHERE id = $1', id)
    const left = leftAlone(store)
    for (const log of logs.all()) {
      if (!left.has(log.id) || !lockLog(store, log.id)) continue
      own.adopt(log)
      store.atomically(() => {
        keys.drop()
        access.interrupt(store.clock(), log.id)
        ownCalls.interrupt(store.clock(), log.id)
      })
    }
  }
}
