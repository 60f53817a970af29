/**
 * What the owner's thread stands on: a database with the logs it writes there, and how batches of calls are run on it. On
 * SQLite all of it lies in the state folder, and one batch is one transaction.
 */
import type { Millis } from './domain/time.ts'
import type { AccessLog } from './evidence/access.ts'
import { accessLogOn } from './evidence/access.ts'
import { sealerOn } from './evidence/sealer.ts'
import type { StateOptions } from './state.ts'
import type { OwnLogs } from './state-logs.ts'
import { ownLogsOn } from './state-logs.ts'
import type { StateProcedures } from './state-procedures.ts'
import { leaveLogsBehind, openingLog } from './state-start.ts'
import type { Store } from './storage/database.ts'
import type { Journal } from './storage/journal.ts'
import { journalOf } from './storage/journal.ts'
import type { KeyStore } from './storage/keys.ts'
import { keyStore } from './storage/keys.ts'
import type { Logs } from './storage/logs.ts'
import { logsOn } from './storage/logs.ts'
import type { Procedures, Runner } from './storage/rpc.ts'
import { inOneTransaction } from './storage/rpc.ts'
import { openState } from './storage/sqlite.ts'

/** Puts on record that what is open in this log was interrupted. Gives how many calls there were. */
export type EndLeft = (now: Millis, log: number) => number

export interface Engine {
  readonly store: Store
  readonly keys: KeyStore
  readonly logs: Logs
  readonly journal: Journal
  readonly access: AccessLog
  readonly own: OwnLogs
  runner(procedures: Procedures, parts: StateProcedures): Runner
  /** Whether an error of the background passes by itself; what failed is done again at its next turn. */
  heals(error: unknown): boolean
  /** Now and then: what other gates have left undone. @param endLeft ends, inside a transaction, what is open in a log */
  lookAround(endLeft: EndLeft): void
  /** Whether this gate does what only one of the instance does. */
  leads(): boolean
  close(): void
}

export function openOnSqlite(options: StateOptions, tokenOfPermission: (id: string) => string): Engine {
  const store = openState(options.folder)
  const { db } = store
  const keys = keyStore(store.keys, options.keys.master)
  const logs = logsOn(db)
  if (options.restored !== undefined) store.atomically(() => leaveLogsBehind(db, options.now))
  const opening = openingLog(logs, options)
  const journal = journalOf(db, logs, opening)
  const access = accessLogOn(db, journal, tokenOfPermission, (id) => keys.get(id) !== undefined)
  const sealer = sealerOn(db, store.atomically, options.node, keys, journal.read)
  const own = ownLogsOn(db, logs, journal, sealer, options, opening)
  return {
    store,
    keys,
    logs,
    journal,
    access,
    own,
    runner: (procedures) =>
      inOneTransaction(procedures, {
        ...store.unit,
        rollbackTo() {
          store.unit.rollbackTo()
          own.reload()
        },
      }),
    heals: () => false,
    // At the start: the year turned shortly before the last end.
    lookAround(endLeft) {
      const written = new Set(own.all.map(({ id }) => id))
      for (const log of logs.all().filter(({ id, closedAt }) => closedAt === null && !written.has(id))) {
        own.adopt(log)
        store.atomically(() => endLeft(options.now as Millis, log.id))
      }
    },
    leads: () => true,
    close: store.close,
  }
}
