/**
 * The connection of the owner's thread to PostgreSQL, and what is run over it. Where it breaks, the transaction, the locks
 * and the right to write the log are gone with it: it is made anew, the logs' locks are taken again, and what was under way
 * is asked once more: a batch under its own number, a transaction only where what it left in the database is not there.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnLog, OwnLogs } from './state-logs.ts'
import { leaveLogBehind } from './state-start.ts'
import { PostgresError } from './storage/faults.ts'
import type { Journal } from './storage/journal.ts'
import type { KeyStore } from './storage/keys.ts'
import type { PostgresStore } from './storage/postgres.ts'
import { isLost, isPassing } from './storage/postgres.ts'

/** The database cannot be reached, or cannot do it now; nothing was changed. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** Advisory locks are of the whole database, and an instance is of one schema in it: two may share a server. */
const NAMED = "hashtextextended(current_schema() || '/' || $1, 0)"

/** Connections of this gate but for the one that asks. */
const OURS = 'FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()'

/** Whether this connection may write a log now. */
export function lockLog(store: PostgresStore, id: number): boolean {
  return tryLock(store, `log/${id}`)
}

/** Until the transaction ends, no other gate of the instance does the same. */
export function takeTurn(store: PostgresStore, name: string): void {
  store.query(`SELECT pg_advisory_xact_lock(${NAMED})`, name)
}

function tryLock(store: PostgresStore, name: string): boolean {
  return store.query(`SELECT pg_try_advisory_lock(${NAMED}) AS got`, name)[0]?.['got'] === (true as unknown)
}

/** The connection, and what goes with it when it breaks. */
export interface Link {
  /** Connects again and takes the logs' locks again. Throws {@link Unreachable} after `patience` ms, and for good where another gate has a log. */
  again(patience: number): Promise<void>
  leads(): boolean
}

export function linkOf(store: PostgresStore, journal: Journal, keys: KeyStore, own: OwnLogs, applicationName: string): Link {
  let healing: Promise<void> | undefined
  let leading = false
  function connectOnce(): void {
    leading = false
    store.reconnect()
    // A connection of ours that this side lost may stand on the server for a while yet; one that waits for a disk cannot be ended.
    store.query(`SELECT pg_terminate_backend(pid) ${OURS}`, applicationName)
    for (const log of own.all) lockAgain(log.id)
    // A commit that waited for a standby when its connection ended can be seen here and be nowhere else. This one is later:
    // it is over once the standby has both.
    store.query('UPDATE log SET alive_at = clock_ms() WHERE id = $1', own.current.id)
    leave(own.all.filter(({ publisher }) => publisher.behind()))
    keys.drop()
    own.reload()
  }
  function lockAgain(id: number): void {
    for (let tried = 0; ; tried += 1) {
      // Asked first: one that ends in between has let go of the lock.
      const isOurs = store.query(`SELECT 1 ${OURS}`, applicationName).length > 0
      if (lockLog(store, id)) return
      if (tried > 50 && isOurs) throw new PostgresError('08006', 'PostgreSQL has not ended our connection of before yet')
      if (tried > 50)
        throw new Error(`another gate writes the log ${journal.nameOf(journal.next(id)).replace(/\/\d+$/, '')} now: this one stops`)
      store.query('SELECT pg_sleep(0.02)')
    }
  }
  /** Whoever signs on makes two logs of one. */
  function leave(lost: readonly OwnLog[]): void {
    const [log] = lost
    if (!log) return
    store.atomically(() => {
      for (const { id } of lost) leaveLogBehind(store.db, id, store.clock())
    })
    throw new Error(
      `the log ${log.origin} was shown with ${log.publisher.shown} entries and PostgreSQL does not know them all any more: what took its place is older. No entry is added to this log; started again, the gate goes on in a new one. Suspend what was acted on in the minutes before`,
    )
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
      // It keeps no thread alive that is to stop.
      const late = sleep(patience, 'late' as const, { ref: false })
      if ((await Promise.race([healing, late])) === 'late') throw new Unreachable('PostgreSQL cannot be reached: nothing was changed')
    },
    leads() {
      leading ||= tryLock(store, 'lead')
      return leading
    },
  }
}

/** The server is short of disk, memory or connections. */
export function isShort(error: unknown): boolean {
  return error instanceof PostgresError && /^(53|57014)/.test(error.sqlState)
}

/** Between tries, until `end`. */
async function later(error: unknown, end: number): Promise<void> {
  if (performance.now() > end && error instanceof Error)
    throw new Unreachable(`PostgreSQL cannot do it now (${error.message}): nothing was changed`)
  await sleep(10 + Math.random() * 40)
}

/** Runs `send` until the database has answered: what it sends is counted once however often it comes. */
export async function untilAnswered<T>(link: Link, send: () => T): Promise<T> {
  for (;;) {
    try {
      return send()
    } catch (error) {
      if (isLost(error)) await link.again(Number.POSITIVE_INFINITY)
      else if (isPassing(error) || isShort(error)) await sleep(20)
      else throw error
    }
  }
}

/** A single look, outside any transaction. Throws {@link Unreachable} after `patience` ms. */
export async function look<T>(link: Link, keys: KeyStore, work: () => T, patience: number): Promise<T> {
  const end = performance.now() + patience
  for (;;) {
    try {
      keys.drop()
      return work()
    } catch (error) {
      if (isLost(error)) await link.again(patience)
      else if (isShort(error)) await later(error, end)
      else throw error
    }
  }
}

/**
 * Left by a transaction that writes something. The server's own number of it would not do: after a crash or a promotion
 * the numbers of what was lost are given again, to others.
 */
function setMark(store: PostgresStore, log: number): string {
  const mark = randomUUID()
  store.query('UPDATE log SET mark = $1 WHERE id = $2 AND pg_current_xact_id_if_assigned() IS NOT NULL', mark, log)
  return mark
}

function hasMark(store: PostgresStore, log: number, mark: string): boolean {
  return store.query('SELECT 1 FROM log WHERE id = $1 AND mark = $2', log, mark).length > 0
}

/** Throws {@link Unreachable} after `patience` ms, but never while it is in doubt whether the work was committed. */
export type Transaction = <T>(work: () => T, patience: number) => Promise<T>

export function transactionsOn(store: PostgresStore, keys: KeyStore, own: OwnLogs, link: Link): Transaction {
  return async <T>(work: () => T, patience: number): Promise<T> => {
    /** Sent to be committed, and not answered. */
    let doubt: { readonly log: number; readonly mark: string; readonly value: T } | undefined
    function attempt(): T {
      if (doubt && hasMark(store, doubt.log, doubt.mark)) return doubt.value
      doubt = undefined
      // One that the work opens would be gone with it.
      const log = own.current.id
      try {
        store.unit.begin()
        keys.drop()
        const value = work()
        doubt = { log, mark: setMark(store, log), value }
        store.unit.commit()
        return doubt.value
      } catch (error) {
        if (!isLost(error)) {
          doubt = undefined
          store.rollback()
          keys.drop()
          own.reload()
        }
        throw error
      }
    }
    const end = performance.now() + patience
    for (;;) {
      try {
        return attempt()
      } catch (error) {
        if (isLost(error)) await link.again(doubt ? Number.POSITIVE_INFINITY : patience)
        else if (isPassing(error) || isShort(error)) await later(error, end)
        else throw error
      }
    }
  }
}
