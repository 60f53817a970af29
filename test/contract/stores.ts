/**
 * The stores of one instance as the contract suites meet them: registry, tokens and access log, each call a transaction
 * of its own, as the thread that owns the state runs them. What a suite may know of a database is here and nowhere else.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Millis } from '../../src/domain/time.ts'
import type { AccessLog } from '../../src/evidence/access.ts'
import { accessLogOn } from '../../src/evidence/access.ts'
import { erasureOn } from '../../src/evidence/erase.ts'
import { operatorKeyOn } from '../../src/evidence/operator-key.ts'
import type { Erasure } from '../../src/evidence/erase.ts'
import { sealerOn } from '../../src/evidence/sealer.ts'
import type { AdmitArgs, Admitted } from '../../src/permissions/admit.ts'
import { admit } from '../../src/permissions/admit.ts'
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
import { journalOf } from '../../src/storage/journal.ts'
import { keyStore } from '../../src/storage/keys.ts'
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
  readonly access: Async<AccessLog>
  readonly doubts: Async<Doubts>
  readonly consent: Async<Consent>
  readonly mandates: Async<Mandates>
  readonly reconciliation: Async<Reconciliation>
  readonly erasure: Async<Erasure>
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
  const index = Buffer.alloc(32, 7)
  const state = openState(join(folder, 'state'))
  const { db } = state
  const keys = keyStore(state.keys, Buffer.alloc(32, 9))
  const journal = journalOf(db, ORIGIN)
  const rights = rightsOn(db, journal, keys, index, operatorKeyOn(db, keys))
  const registry = registryOn(db, journal, keys, index, rights)
  const documents = join(folder, 'attachments')
  const attachments = attachmentsOn(db, keys, documents, index, (file, bytes) => {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  })
  const tokenOf = (id: string): string => permissionToken(index, id)
  const sealer = sealerOn(db, 'test', ORIGIN, (id) => keys.get(id))
  let open = true

  /** As the owner's thread does: what is refused leaves nothing. */
  async function atomically<T>(work: () => T): Promise<T> {
    await Promise.resolve()
    db.exec('BEGIN IMMEDIATE')
    try {
      const value = work()
      db.exec('COMMIT')
      return value
    } catch (error) {
      db.exec('ROLLBACK')
      journal.reload()
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
    while (sealer.seal(512) > 0);
  }
  function shut(): void {
    if (open) state.close()
    open = false
  }
  return Promise.resolve({
    registry: asynchronous(registry),
    rights: asynchronous(rights),
    rightActs: asynchronous(rightActsOn(registry, rights, attachments, journal, operatorKeyOn(db, keys))),
    ownCalls: asynchronous(ownCallsOn(db, journal, operatorKeyOn(db, keys), tokenOf)),
    tokens: asynchronous(tokensOn(db, journal, keys)),
    tickets: asynchronous(ticketsOn(db, Buffer.alloc(32, 9), index)),
    access: asynchronous(accessLogOn(db, journal, tokenOf, (id) => keys.get(id) !== undefined)),
    doubts: asynchronous(doubtsOn(db, registry)),
    mandates: asynchronous(mandatesOn(db, registry, attachments, rights)),
    consent: asynchronous(consentOn(db, registry, attachments, journal, index)),
    reconciliation: asynchronous(reconciliationOn(db, registry, journal, operatorKeyOn(db, keys))),
    erasure: {
      ...asynchronous(erasureOn(db, journal, keys, documents, tokenOf)),
      // Its steps are transactions of their own, and the journal is drained before.
      async finish() {
        await Promise.resolve()
        sealAll()
        return erasureOn(db, journal, keys, documents, tokenOf).finish()
      },
    },
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
      await Promise.resolve()
      sealAll()
      shut()
      return readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => statSync(join(folder, name)).isFile())
        .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
    },
    tamper: (statement) => atomically(() => db.exec(statement)),
    async close() {
      await Promise.resolve()
      shut()
      rmSync(folder, { recursive: true, force: true })
    },
  })
}

/** A moment of the tests, and later ones. */
export const NOW = Date.UTC(2026, 10, 25, 12) as Millis
export function later(ms: number): Millis {
  return (NOW + ms) as Millis
}
