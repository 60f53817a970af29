/**
 * A database as the stores see it: SQL that both engines read alike, synchronous, one statement after the other.
 * SQLite's own connection (`node:sqlite`) is nearly one; for PostgreSQL the thread waits for another that talks to the
 * server (ADR 17).
 *
 * Values are texts, whole numbers, bytes and null; `?` and `:name` stand for parameters.
 */
import type { Json } from '../domain/canonical.ts'

export type Value = string | number | Uint8Array | null
export type Row = Record<string, Value | bigint>
export type Named = Readonly<Record<string, Value>>

export interface Statement {
  get(...values: readonly (Value | Named)[]): Row | undefined
  all(...values: readonly (Value | Named)[]): Row[]
  iterate(...values: readonly (Value | Named)[]): Iterable<Row>
  run(...values: readonly (Value | Named)[]): { readonly changes: number | bigint }
  /** An `INSERT … VALUES (?, …)` for each of these rows, in as few round trips as the engine allows. */
  runAll(rows: readonly (readonly Value[])[]): void
}

export interface Database {
  prepare(sql: string): Statement
  exec(sql: string): void
  /**
   * Until the transaction ends, no other gate records an intent that holds one of these (see {@link LockName}), and none
   * that did is still to be committed. False where there is nobody to be kept out, so that nothing read before is stale.
   */
  lock(names: readonly LockName[]): boolean
  /** When the transaction is committed, other gates hear this. Nothing to do where there are none. */
  tell(what: Json): void
}

/** What an intent rests on, and an act changes: the permissions of one client on one meter, or the client itself. */
export type LockName = readonly [client: string, meter: Uint8Array | null]

/** Runs inside a transaction. Throws what `work` throws, and then nothing of it remains. */
export type Atomically = <T>(work: () => T) => T

/** Papers, encrypted, under names that say nothing. What is put is there for good before `put` returns. */
export interface Documents {
  has(name: string): boolean
  put(name: string, bytes: Uint8Array): void
  get(name: string): Uint8Array
  remove(name: string): void
}

/** One transaction around a batch of calls, with a savepoint around each that may be refused. */
export interface Unit {
  begin(): void
  commit(): void
  savepoint(): void
  release(): void
  rollbackTo(): void
}

/** An instance's state as it is opened, on either engine. */
export interface Store {
  readonly db: Database
  /** Where subjects' keys lie. On SQLite apart: a key is committed there before its first use. */
  readonly keys: Database
  readonly documents: Documents
  readonly unit: Unit
  readonly atomically: Atomically
  /** Between transactions: folds in what the engine has set aside. Throws where that fails. */
  tidy(): void
  /** Overwrites what was deleted. False while another process reads along and keeps it. */
  forget(): boolean
  close(): void
}
