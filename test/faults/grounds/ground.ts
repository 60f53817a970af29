/** What a campaign of several gates stands on: a PostgreSQL somewhere, ways to it, and what can be broken there. */
import type { GateProcess } from '../../harness/gate.ts'
import type { PostgresServer } from '../../harness/postgres.ts'
import type { RedisServer } from '../../harness/redis.ts'

export interface Field {
  readonly redis: RedisServer
  readonly gates: (GateProcess | undefined)[]
  restart(gate: number): Promise<void>
}
/** What is broken, and mended again before it returns. */
export type Breakage = (field: Field) => Promise<void>

export interface Ground {
  /** The one that takes writes now. */
  readonly server: PostgresServer
  readonly breakages: Readonly<Record<string, Breakage>>
  /** Where a gate finds it. */
  addressOf(gate: number): { readonly host: string; readonly port: number }
  /** Options of Node for the process of a gate. */
  nodeOf?(gate: number): readonly string[]
  envOf?(gate: number): Readonly<Record<string, string>>
  /** The database's clock is moved: by it, nothing can be put in order. */
  readonly movesClock?: true
  close(): Promise<void>
}

export interface Terrain {
  open(gates: number): Promise<Ground>
  /** Why it cannot be had on this machine, or undefined. */
  whyNot?(): string | undefined
}

/** Of the gates. */
export const STATEMENT_TIMEOUT_MS = 3000
/** Longer than a gate waits for a statement, and for its connection: then it connects again. */
export const LONG_MS = STATEMENT_TIMEOUT_MS + 4000

/** For the check: when each transaction was committed. */
export const CONF: readonly string[] = ['track_commit_timestamp = on', 'max_connections = 60']

export function oneOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T // never empty
}
