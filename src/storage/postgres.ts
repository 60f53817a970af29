/**
 * PostgreSQL behind the stores' synchronous interface: this thread asks another one and sleeps until it has answered
 * ({@link Atomics.wait}), so that the code that runs on SQLite runs here word for word (ADR 17).
 *
 * A transaction reads what was committed (READ COMMITTED) and is bound to its connection. Whatever breaks the connection
 * is thrown as a {@link PostgresError} of class 08; what to do about it is for whoever began the transaction.
 */
import { createHash } from 'node:crypto'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Json } from '../domain/canonical.ts'
import type { Millis } from '../domain/time.ts'
import type { Database, LockName, Named, Row, Statement, Store, Value } from './database.ts'
import { PostgresError } from './faults.ts'
import { POSTGRES_MIGRATIONS } from './postgres-schema.ts'
import type { Migration } from './postgres-schema.ts'
import type { Answer, Asked, ConnectionSettings, Question, Reply, ThreadData } from './postgres-thread.ts'

export interface PostgresSettings extends ConnectionSettings {
  /** The tables lie in a schema of their own. */
  readonly schema: string
  /** What a commit waits for; `off` is refused: what it acknowledged can be lost. */
  readonly synchronousCommit: 'local' | 'on' | 'remote_apply'
}

/** How gates tell each other of what was committed. */
export interface Telling {
  /** Sealed, so that only gates of the instance can say something, and nobody else reads it. */
  seal(text: string): string
}

export interface PostgresStore extends Store {
  /** The database's time, as it was at the last beginning of a transaction or lock in it. */
  clock(): Millis
  /** One statement outside any transaction. */
  query(sql: string, ...values: readonly Value[]): Row[]
  /** Connects again after the connection broke. Throws where that is not possible yet. */
  reconnect(): void
  rollback(): void
}

/** A notification has at most 8,000 bytes. */
const MOST_TOLD = 20

export function channelOf(schema: string): string {
  return `ecluse_${schema}`
}

/** How long a question may go unanswered beyond what the connection itself allows. */
const GRACE_MS = 5000
const VALUES_MOST = 30_000
/** A clock that is so much behind what it was has been set. */
const STEP_MS = 1000

export function openPostgres(
  settings: PostgresSettings,
  telling?: Telling,
  migrations: readonly Migration[] = POSTGRES_MIGRATIONS,
): PostgresStore {
  const ask = bridgeTo(settings)
  let now = 0 as Millis
  let inTransaction = false
  /** What is told at the commit. */
  let told: Json[] = []
  /** Whether the time of what is written is still to come. */
  let ahead = false

  function query(sql: string, values: readonly unknown[], prepared = true): Extract<Reply, { ok: true }> {
    return ask({ is: 'query', sql, values, ...(prepared && { name: nameOf(sql) }) })
  }
  const script = (sql: string): void => void ask({ is: 'script', sql })

  function connect(): void {
    inTransaction = false
    ask({ is: 'connect' })
    script(
      `SET search_path = ${quoted(settings.schema)}; SET synchronous_commit = ${settings.synchronousCommit};
       SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '5s'; SET default_transaction_isolation = 'read committed'`,
    )
    checkServer(query)
  }
  connect()
  migrate(script, query, settings.schema, migrations)

  const db: Database = {
    prepare: (sql) => statementOf(sql, query),
    exec: script,
    lock(names) {
      if (!inTransaction) throw new Error('a lock is taken inside a transaction')
      const keys = [...new Set(names.map((name) => lockKey(name)))]
      const { rows } = query('SELECT lock_alone($1) AS now', [JSON.stringify(keys)])
      ahead = true
      // Nobody who held one of them has written a later time, and nobody who gets one next will write an earlier one.
      now = (Math.max(now, Number(rows[0]?.['now'])) + 1) as Millis
      return true
    },
    tell: (what) => void told.push(what),
  }
  function tellAll(): void {
    if (!telling || told.length === 0) return
    // More than a notification holds is told as «all».
    const list: Json = told.length > MOST_TOLD ? [{ is: 'all' }] : told
    query('SELECT pg_notify($1, $2)', [
      channelOf(settings.schema),
      telling.seal(JSON.stringify({ by: settings.applicationName, told: list })),
    ])
  }
  function begin(): void {
    const { rows } = ask({ is: 'script', sql: 'BEGIN; SELECT clock_ms() AS now' })
    inTransaction = true
    ahead = false
    told = []
    now = Number(rows[0]?.['now']) as Millis
  }
  function end(sql: 'COMMIT' | 'ROLLBACK'): void {
    inTransaction = false
    script(sql)
  }
  function commit(): void {
    tellAll()
    // An act's time is a millisecond ahead of the locks: nobody is let in before that has come.
    while (ahead) {
      const missing = now - Number(query('SELECT clock_ms() AS now', []).rows[0]?.['now'])
      if (missing <= 0) break
      // Begun anew, it has the time that it is now.
      if (missing > STEP_MS) throw new PostgresError('40001', 'the clock of PostgreSQL went back while an act was recorded')
      sleep(1)
    }
    end('COMMIT')
  }
  return {
    db,
    keys: db,
    documents: {
      has: (name) => query('SELECT 1 FROM document WHERE name = $1', [name]).count > 0,
      put: (name, bytes) => void query('INSERT INTO document (name, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING', [name, bytes]),
      get(name) {
        const bytes = query('SELECT bytes FROM document WHERE name = $1', [name]).rows[0]?.['bytes']
        if (bytes === undefined) throw new Error(`the document ${name} is not in the database: restore it from a backup`)
        return bytes as Uint8Array
      },
      remove: (name) => void query('DELETE FROM document WHERE name = $1', [name]),
    },
    unit: {
      begin,
      commit,
      savepoint: () => script('SAVEPOINT one'),
      release: () => script('RELEASE SAVEPOINT one'),
      rollbackTo: () => script('ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one'),
    },
    atomically(work) {
      begin()
      try {
        const value = work()
        commit()
        return value
      } catch (error) {
        if (inTransaction && !isLost(error)) end('ROLLBACK')
        throw error
      }
    },
    tidy: () => undefined,
    forget() {
      for (const table of ['subject_key', 'sealed', 'permission', 'act', 'attachment', 'document', 'entry_index']) script(`VACUUM ${table}`)
      return true
    },
    close: () => void ask({ is: 'close' }),
    clock: () => now,
    query: (sql, ...values) => query(sql, values).rows as Row[],
    reconnect: connect,
    rollback: () => end('ROLLBACK'),
  }
}

/** Whether the connection is gone, and with it the transaction. */
export function isLost(error: unknown): boolean {
  // 57P: the server ends; 08: the connection failed; 53300: it takes no more; 25P03: it ended a transaction that stood still.
  return error instanceof PostgresError && /^(08|57P|53300|25P03)/.test(error.sqlState)
}

/** What another gate's transaction undid: run once more, it may well pass. */
export function isPassing(error: unknown): boolean {
  return error instanceof PostgresError && /^(40001|40P01|55P03)$/.test(error.sqlState)
}

/** A 64-bit key for an advisory lock, as decimal text: equal names have equal keys; two names that share one wait for each other, no more. */
export function lockKey([client, meter]: LockName): string {
  const hash = createHash('sha256')
    .update(meter === null ? 'client\0' : 'permissions\0')
    .update(client)
    .update('\0')
  return String((meter === null ? hash : hash.update(meter)).digest().readBigInt64BE())
}

function bridgeTo(settings: ConnectionSettings): (question: Question) => Extract<Reply, { ok: true }> {
  const { port1: port, port2 } = new MessageChannel()
  const flag = new SharedArrayBuffer(4)
  const waiting = new Int32Array(flag)
  // Type stripping is refused under node_modules: the worker's file has the ending of this one.
  const entry = new URL(import.meta.url.endsWith('.ts') ? './postgres-thread.ts' : './postgres-thread.js', import.meta.url)
  const worker = new Worker(entry, { workerData: { settings, port: port2, flag } satisfies ThreadData, transferList: [port2] })
  worker.unref()
  const most = settings.connectTimeoutMs + settings.statementTimeoutMs + GRACE_MS
  let last = 0
  return (question) => {
    last += 1
    const until = performance.now() + most
    port.postMessage({ ...question, id: last } satisfies Asked)
    for (;;) {
      // Set before it is looked at: an answer that comes in between wakes the wait at once.
      Atomics.store(waiting, 0, 0)
      const reply = receiveMessageOnPort(port)?.message as Answer | undefined
      if (reply === undefined) {
        if (Atomics.wait(waiting, 0, 0, Math.max(0, until - performance.now())) === 'timed-out')
          throw new PostgresError('08006', `PostgreSQL at ${settings.host}:${settings.port} did not answer within ${most} ms`)
        continue
      }
      // One that was given up comes late: nobody waits for it any more.
      if (reply.id !== last) continue
      if (reply.ok) return reply
      throw new PostgresError(reply.sqlState, reply.message)
    }
  }
}

/** `?` and `:name` become `$1`, `$2`… None of our texts holds either within quotes. */
export function numbered(sql: string): { readonly text: string; readonly names: readonly string[] } {
  const names: string[] = []
  const text = sql.replaceAll(/\?|(?<![:\w]):([a-z]\w*)/gi, (found, name: string | undefined) => {
    if (found === '?') {
      names.push('')
      return `$${names.length}`
    }
    const known = names.indexOf(name ?? '')
    if (known >= 0) return `$${known + 1}`
    names.push(name ?? '')
    return `$${names.length}`
  })
  return { text, names }
}

type Query = (sql: string, values: readonly unknown[], prepared?: boolean) => Extract<Reply, { ok: true }>

function statementOf(sql: string, query: Query): Statement {
  const { text, names } = numbered(sql)
  const valuesOf = (given: readonly (Value | Named)[]): readonly unknown[] => {
    const [first] = given
    if (typeof first !== 'object' || first === null || first instanceof Uint8Array) return given
    return names.map((name) => first[name] ?? null)
  }
  return {
    get: (...given) => query(text, valuesOf(given)).rows[0] as Row | undefined,
    all: (...given) => query(text, valuesOf(given)).rows as Row[],
    iterate: (...given) => query(text, valuesOf(given)).rows as Row[],
    run: (...given) => ({ changes: query(text, valuesOf(given)).count }),
    runAll(rows) {
      const width = names.length
      const most = Math.max(1, Math.floor(VALUES_MOST / Math.max(1, width)))
      for (let from = 0; from < rows.length; from += most) {
        const some = rows.slice(from, from + most)
        const many = some.map((_, i) => `(${names.map((_name, k) => `$${i * width + k + 1}`).join(', ')})`).join(', ')
        // Not prepared: each number of rows is a text of its own.
        query(text.replace(/VALUES \([^)]*\)/, `VALUES ${many}`), some.flat(), false)
      }
    },
  }
}

/** Prepared once on the server, by what it says. */
function nameOf(sql: string): string {
  return createHash('sha256').update(sql).digest('base64url').slice(0, 22)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The settings of the server on which the promises rest. */
function checkServer(query: Query): void {
  const of = (name: string): string => String(query('SELECT current_setting($1) AS value', [name]).rows[0]?.['value'])
  if (of('fsync') !== 'on' || of('full_page_writes') !== 'on')
    throw new Error(
      'PostgreSQL runs with fsync or full_page_writes off: what it acknowledges can be lost. Set both to on (postgresql.conf)',
    )
  if (of('transaction_read_only') === 'on')
    throw new PostgresError('08006', 'this PostgreSQL is a standby and takes no writes: name its primary, or promote it')
}

const MIGRATING = 4_901_163_225_119

function migrate(script: (sql: string) => void, query: Query, schema: string, migrations: readonly Migration[]): void {
  // One at a time, whichever gates start together: of two that make one schema, PostgreSQL refuses the second even with IF NOT EXISTS.
  query('SELECT pg_advisory_lock($1)', [MIGRATING])
  try {
    script(`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}; SET search_path = ${quoted(schema)}`)
    script('CREATE TABLE IF NOT EXISTS migration (id bigint PRIMARY KEY, serves bigint NOT NULL, at timestamptz NOT NULL DEFAULT now())')
    const row = query('SELECT max(id) AS last, max(serves) AS serves FROM migration', []).rows[0]
    const last = Number(row?.['last'] ?? 0)
    if (Number(row?.['serves'] ?? 0) > migrations.length)
      throw new Error(
        `the tables in PostgreSQL were made by a newer ecluse (schema ${last}, this one knows ${migrations.length}): install that version`,
      )
    for (const [i, { sql, serves }] of migrations.entries()) {
      if (i < last) continue
      script(`BEGIN; ${sql}; INSERT INTO migration (id, serves) VALUES (${i + 1}, ${serves}); COMMIT`)
    }
  } catch (error) {
    // Closed with its connection, which is made anew for whoever tries again.
    if (!isLost(error)) script('ROLLBACK; SELECT pg_advisory_unlock_all()')
    throw error
  }
  query('SELECT pg_advisory_unlock($1)', [MIGRATING])
}
