/**
 * The owner's thread on PostgreSQL: its log among those of other gates, and batches of calls run there. Intents, outcomes
 * and refusals of a batch are one statement; every other call is a transaction of its own, so that no lock is held longer
 * than its own work. Nothing is answered as done before the database has said so, whatever breaks (state-link.ts).
 */
import type { Millis } from './domain/time.ts'
import type { OutcomeArgs, Settled } from './evidence/access.ts'
import { accessLogOn } from './evidence/access.ts'
import type { AccessBatches, AccessCall } from './evidence/access-batch.ts'
import { accessBatchesOn } from './evidence/access-batch.ts'
import { vkeyOf } from './evidence/log/note.ts'
import { sealerOn } from './evidence/sealer.ts'
import type { StateOptions } from './state.ts'
import type { Engine } from './state-engine.ts'
import type { Link } from './state-link.ts'
import { isShort, linkOf, lockLog, look, takeTurn, transactionsOn, Unreachable, untilAnswered } from './state-link.ts'
import type { OwnLogs } from './state-logs.ts'
import { freeName, newSigner, ownLogsOn } from './state-logs.ts'
import type { StateProcedures } from './state-procedures.ts'
import { leaveLogsBehind } from './state-start.ts'
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

/** How long a call that is no evidence waits for a database that cannot be reached. */
const PATIENCE_MS = 5_000
/** A log that nobody has written for so long is written to its end by whoever finds it. */
const ORPHANED_MS = 600_000
const LOOK_MS = 30_000
/** Between the clock of this machine and the database's. */
const CLOCK_TOLERANCE_MS = 600_000

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
    lookAround: orphansOf(store, logs, keys, own, options.node),
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

/**
 * The latest log of this node, or one that nobody has written for long; else a new one. That of another node is left alone for
 * a while: it may only have lost its connection. Gates that start together take turns.
 */
function claimLog(store: PostgresStore, logs: Logs, { origin, node, keys, now }: StateOptions): LogOnRecord {
  return store.atomically(() => {
    takeTurn(store, 'claim')
    const left = leftAlone(store)
    const free = logs
      .all()
      .filter((log) => log.closedAt === null && (log.node === node || left.has(log.id)))
      .toSorted((a, b) => Number(b.node === node) - Number(a.node === node) || b.id - a.id)
      .find(({ id }) => lockLog(store, id))
    if (free) return free
    const name = freeName(logs, origin)
    const log = logs.add(name, vkeyOf(newSigner(keys.signing, name)), node, now as Millis)
    if (!lockLog(store, log.id)) throw new Error(`another gate writes the log ${name} already: try again`)
    return log
  })
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
const READ = new Set(['identify', 'views', 'keptDays'])

function runnerOn(running: Running): Runner {
  const { store, keys, own, link, procedures, parts } = running
  const transaction = transactionsOn(store, keys, own, link)

  async function record(calls: readonly Call[]): Promise<readonly Answered[]> {
    const asked = calls.map(([, name, args]) => ({ is: name, args }) as AccessCall)
    const batch = running.batches.of(asked)
    const settled = await untilAnswered(link, () => running.batches.send(batch))
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
      return [id, true, await (READ.has(name) ? look(link, keys, work, PATIENCE_MS) : transaction(work, PATIENCE_MS))]
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
function orphansOf(store: PostgresStore, logs: Logs, keys: KeyStore, own: OwnLogs, node: string): Engine['lookAround'] {
  let next = 0
  return (endLeft) => {
    const now = performance.now()
    if (now < next) return
    next = now + LOOK_MS
    for (const { id } of own.all) store.query('UPDATE log SET alive_at = clock_ms() WHERE id = $1', id)
    const left = leftAlone(store)
    const written = new Set(own.all.map(({ id }) => id))
    for (const log of logs.all()) {
      const isFree = log.closedAt === null && !written.has(log.id) && (log.node === node || left.has(log.id))
      if (!isFree || !lockLog(store, log.id)) continue
      own.adopt(log)
      store.atomically(() => {
        keys.drop()
        endLeft(store.clock(), log.id)
      })
    }
  }
}
