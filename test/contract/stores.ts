/**
 * The stores of one instance as the contract suites meet them: registry, tokens and access log, each call a transaction
 * of its own, as the thread that owns the state runs them. What a suite may know of a database is here and nowhere else.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Millis } from '../../src/domain/time.ts'
import type { AccessLog } from '../../src/evidence/access.ts'
import { accessLogOn } from '../../src/evidence/access.ts'
import { erasureOn } from '../../src/evidence/erase.ts'
import { operatorKeyOn } from '../../src/evidence/operator-key.ts'
import type { Erasure } from '../../src/evidence/erase.ts'
import { sealerOn } from '../../src/evidence/sealer.ts'
import type { AdmitArgs, Admitted } from '../../src/permissions/admit.ts'
import { admit } from '../../src/permissions/admit.ts'
import type { AnswerStore } from '../../src/permissions/answer-store.ts'
import { answerStoreOn } from '../../src/permissions/answer-store.ts'
import { attachmentsOn } from '../../src/permissions/attachments.ts'
import type { Consent } from '../../src/permissions/consent.ts'
import { consentOn } from '../../src/permissions/consent.ts'
import type { Mandates } from '../../src/permissions/mandates.ts'
import { mandatesOn } from '../../src/permissions/mandates.ts'
import type { Doubts } from '../../src/permissions/doubts.ts'
import { doubtsOn } from '../../src/permissions/doubts.ts'
import type { Reconciliation } from '../../src/permissions/reconcile.ts'
import { reconciliationOn } from '../../src/permissions/reconcile.ts'
import type { Registry } from '../../src/permissions/registry.ts'
import type { OwnCalls } from '../../src/evidence/own-calls.ts'
import { ownCallsOn } from '../../src/evidence/own-calls.ts'
import type { Rights } from '../../src/permissions/rights.ts'
import type { RightActs } from '../../src/permissions/right-acts.ts'
import { rightActsOn } from '../../src/permissions/right-acts.ts'
import { rightsOn } from '../../src/permissions/rights.ts'
import { permissionToken, registryOn } from '../../src/permissions/registry.ts'
import type { Tickets } from '../../src/permissions/tickets.ts'
import { ticketsOn } from '../../src/permissions/tickets.ts'
import type { Tokens } from '../../src/permissions/tokens.ts'
import { tokensOn } from '../../src/permissions/tokens.ts'
import type { Journal, JournalRow, RowBox } from '../../src/storage/journal.ts'
import { journalOf } from '../../src/storage/journal.ts'
import type { Store } from '../../src/storage/database.ts'
import { keyStore } from '../../src/storage/keys.ts'
import type { Logs } from '../../src/storage/logs.ts'
import { logsOn } from '../../src/storage/logs.ts'
import { openState } from '../../src/storage/sqlite.ts'

type Async<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never
}

export interface Stores {
  readonly registry: Async<Registry>
  readonly rights: Async<Rights>
  readonly rightActs: Async<RightActs>
  readonly ownCalls: Async<OwnCalls>
  readonly tokens: Async<Tokens>
  readonly tickets: Async<Tickets>
  readonly kept: Async<AnswerStore>
  readonly access: Async<AccessLog>
  readonly doubts: Async<Doubts>
  readonly consent: Async<Consent>
  readonly mandates: Async<Mandates>
  readonly reconciliation: Async<Reconciliation>
  readonly erasure: Async<Erasure>
  /** Rows under which entries about a meter are found. */
  indexed(token: Uint8Array): number
  /** Another gate on the same store: writes a row of its own, and seals it when told. */
  beside(row: JournalRow): { seal(): void }
  admit(args: AdmitArgs): Promise<Admitted>
  readAttachment(permission: string, sha256: string): Promise<Buffer | undefined>
  /** Entries of the log so far, each as it stands in the open log. */
  entries(): Promise<readonly { readonly t: string; readonly [field: string]: unknown }[]>
  /** Every byte that lies on disk once nothing waits to be sealed; the stores are closed. */
  bytes(): Promise<readonly { readonly name: string; readonly bytes: Buffer }[]>
  /** Runs a statement that no code of ours would. */
  tamper(statement: string): Promise<void>
  close(): Promise<void>
}

const ORIGIN = 'gate.test.localhost/journal/2026'

export function sqliteStores(): Promise<Stores> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-contract-'))
  const store = openState(join(folder, 'state'))
  let open = true
  function shut(): void {
    if (open) store.close()
    open = false
  }
  return Promise.resolve(
    storesOn(store, {
      bytes() {
        shut()
        return readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((name) => statSync(join(folder, name)).isFile())
          .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
      },
      close() {
        shut()
        rmSync(folder, { recursive: true, force: true })
      },
    }),
  )
}

interface Ends {
  /** Reads every byte of the store. */
  bytes(): ReturnType<Stores['bytes']> | Awaited<ReturnType<Stores['bytes']>>
  close(): void | Promise<void>
  /** Where what the engine has of its own is used in place of the common one. */
  access?(journal: Journal, logs: Logs, tokenOf: (id: string) => string, common: AccessLog): AccessLog
  readonly box?: RowBox
  /** Of its log, where another has the usual one. */
  readonly origin?: string
}

/** @param ends what is done with the store in the end */
export function storesOn(store: Store, ends: Ends): Stores {
  const index = Buffer.alloc(32, 7)
  const { db } = store
  const keys = keyStore(store.keys, Buffer.alloc(32, 9))
  const logs = logsOn(db)
  const log = logs.add(ends.origin ?? ORIGIN, '', 'test', NOW)
  const journal = journalOf(db, logs, log, ends.box ? { box: ends.box } : {})
  const rights = rightsOn(db, journal, keys, index, operatorKeyOn(db, keys))
  const registry = registryOn(db, journal, keys, index, rights)
  const attachments = attachmentsOn(db, keys, store.documents, index)
  const tokenOf = (id: string): string => permissionToken(index, id)
  const sealer = sealerOn(db, store.atomically, 'test', keys, journal.read)
  const erasure = erasureOn(store, journal, keys, tokenOf)
  const common = accessLogOn(db, journal, tokenOf, (id) => keys.get(id) !== undefined)

  /** As the owner's thread does: what is refused leaves nothing. */
  async function atomically<T>(work: () => T): Promise<T> {
    await Promise.resolve()
    store.unit.begin()
    store.unit.savepoint()
    try {
      const value = work()
      store.unit.release()
      store.unit.commit()
      return value
    } catch (error) {
      store.unit.rollbackTo()
      store.unit.commit()
      journal.reload()
      keys.drop()
      throw error
    }
  }
  function asynchronous<T extends object>(sync: T): Async<T> {
    return Object.fromEntries(
      Object.entries(sync).map(([name, call]) => [
        name,
        (...args: readonly unknown[]) => atomically(() => (call as (...a: readonly unknown[]) => unknown)(...args)),
      ]),
    ) as Async<T>
  }
  function sealAll(): void {
    while (sealer.seal(log, 512) > 0);
  }
  return {
    registry: asynchronous(registry),
    rights: asynchronous(rights),
    rightActs: asynchronous(rightActsOn(registry, rights, attachments, journal, operatorKeyOn(db, keys))),
    ownCalls: asynchronous(ownCallsOn(db, journal, operatorKeyOn(db, keys), tokenOf)),
    tokens: asynchronous(tokensOn(db, journal, keys)),
    kept: asynchronous(answerStoreOn(db, keys)),
    tickets: asynchronous(ticketsOn(db, Buffer.alloc(32, 9), index)),
    access: asynchronous(ends.access?.(journal, logs, tokenOf, common) ?? common),
    doubts: asynchronous(doubtsOn(db, registry)),
    mandates: asynchronous(mandatesOn(db, registry, attachments, rights)),
    consent: asynchronous(consentOn(db, registry, attachments, journal, index)),
    reconciliation: asynchronous(reconciliationOn(db, registry, journal, operatorKeyOn(db, keys))),
    erasure: {
      ...asynchronous(erasure),
      // Its steps are transactions of their own, and the journal is drained before.
      async finish() {
        await Promise.resolve()
        sealAll()
        return erasure.finish()
      },
    },
    beside(row) {
      const theirs = logs.add(`${ORIGIN}-2`, '', 'beside', NOW)
      store.atomically(() => journalOf(db, logs, theirs, ends.box ? { box: ends.box } : {}).append(row, NOW))
      return { seal: () => void sealer.seal(theirs, 512) }
    },
    indexed: (token) =>
      ['entry_index', 'refused_index'].reduce(
        (sum, table) => sum + db.prepare(`SELECT n FROM ${table} WHERE token = ?`).all(token).length,
        0,
      ),
    admit: (args) => atomically(() => admit(registry, attachments, rights, args)),
    readAttachment: (permission, sha256) => atomically(() => attachments.read(permission, sha256)),
    async entries() {
      await Promise.resolve()
      sealAll()
      return db
        .prepare('SELECT bytes FROM entry ORDER BY n')
        .all()
        .map((row) => JSON.parse(Buffer.from(row['bytes'] as Uint8Array).toString()) as { readonly t: string })
    },
    async bytes() {
      sealAll()
      return ends.bytes()
    },
    tamper: (statement) => atomically(() => db.exec(statement)),
    close: async () => ends.close(),
  }
}

/** A moment of the tests, and later ones. */
export const NOW = Date.UTC(2026, 10, 25, 12) as Millis
export function later(ms: number): Millis {
  return (NOW + ms) as Millis
}
