/**
 * The connection of the owner's thread to PostgreSQL, and what is run over it. Where it breaks, the transaction, the locks
 * and the right to write the log are gone with it: it is made anew, the logs' locks are taken again, and what was under way
 * is asked once more: a batch under its own number, a transaction only where the server says that it was not committed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnLogs } from './state-logs.ts'
import { PostgresError } from './storage/faults.ts'
import type { Journal } from './storage/journal.ts'
import type { KeyStore } from './storage/keys.ts'
import type { PostgresStore } from './storage/postgres.ts'
import { isLost, isPassing } from './storage/postgres.ts'

const RETRIES = 20

/** The database cannot be reached; nothing was changed. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** Advisory locks are of the whole database, and an instance is of one schema in it: two may share a server. */
const NAMED = "hashtextextended(current_schema() || '/' || $1, 0)"

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
  for (;;) {
    try {
      keys.drop()
      return work()
    } catch (error) {
      if (!isLost(error)) throw error
      await link.again(patience)
    }
  }
}

/** Throws {@link Unreachable} after `patience` ms, but never while it is in doubt whether the work was committed. */
export type Transaction = <T>(work: () => T, patience: number) => Promise<T>

export function transactionsOn(store: PostgresStore, keys: KeyStore, own: OwnLogs, link: Link): Transaction {
  return async <T>(work: () => T, patience: number): Promise<T> => {
    /** Sent to be committed, and not answered. */
    let doubt: { readonly id: string; readonly value: T } | undefined
    function attempt(): T {
      if (doubt && store.wasCommitted(doubt.id)) return doubt.value
      doubt = undefined
      try {
        store.unit.begin()
        keys.drop()
        doubt = { id: store.transactionId(), value: work() }
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
    for (let tries = 0; ; tries += 1) {
      try {
        return attempt()
      } catch (error) {
        if (isLost(error)) await link.again(doubt ? Number.POSITIVE_INFINITY : patience)
        else if ((isPassing(error) || isShort(error)) && tries < RETRIES) await sleep(10 + Math.random() * 40)
        else throw error
      }
    }
  }
}
