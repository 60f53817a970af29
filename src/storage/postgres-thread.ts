/**
 * The thread that talks to PostgreSQL for the thread that owns a log. That one waits, so that its statements are
 * synchronous and nothing comes between them; this one answers each question once, in order, and wakes it.
 *
 * One connection, one statement at a time. A connection that broke is not made anew by itself: whoever asks has to know,
 * because with it went the transaction, the advisory locks and the right to write the log.
 */
import { Socket } from 'node:net'
import type { MessagePort } from 'node:worker_threads'
import { workerData } from 'node:worker_threads'
import pg from 'pg'

export interface ConnectionSettings {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password?: string | undefined
  /** PEM of the authority; `null` for the system's own; undefined for no TLS. */
  readonly tls?: { readonly ca: string | null; readonly servername?: string | undefined } | undefined
  readonly applicationName: string
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
}

export type Question =
  | { readonly is: 'connect' }
  | { readonly is: 'close' }
  /** Several statements without parameters; gives the rows of the last. */
  | { readonly is: 'script'; readonly sql: string }
  | { readonly is: 'query'; readonly sql: string; readonly values: readonly unknown[]; readonly name?: string }
export type Asked = Question & { readonly id: number }
export type Answer = Reply & { readonly id: number }
export type Reply =
  | { readonly ok: true; readonly rows: readonly Record<string, unknown>[]; readonly count: number }
  | { readonly ok: false; readonly sqlState: string; readonly message: string }

export interface ThreadData {
  readonly settings: ConnectionSettings
  readonly port: MessagePort
  /** 0: it waits; 1: the answer is in the port. */
  readonly flag: SharedArrayBuffer
}

/** Whole numbers of 64 bits: all of ours are exact in a double (see `domain/position.ts`). */
const INT8 = 20
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : (pg.types.getTypeParser(oid, format as 'text') as unknown)) as typeof pg.types.getTypeParser,
}

/** Made here: an own check of the server's name needs it, and pg leaves it out for an address. */
export function clientOptions(settings: ConnectionSettings): pg.ClientConfig {
  const { tls } = settings
  return {
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    ...(settings.password !== undefined && { password: settings.password }),
    application_name: settings.applicationName,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    statement_timeout: settings.statementTimeoutMs,
    // The server may be gone without a word: nobody waits longer than it may take.
    query_timeout: settings.statementTimeoutMs + 2000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    ssl: tls && {
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(tls.ca !== null && { ca: tls.ca }),
      ...(tls.servername !== undefined && { servername: tls.servername }),
    },
    types,
  }
}

function serve({ settings, port, flag }: ThreadData): void {
  const waiting = new Int32Array(flag)
  let client: pg.Client | undefined
  let socket: Socket | undefined

  async function answer(question: Question): Promise<Reply> {
    if (question.is === 'connect') {
      // Not asked to end: a peer that is gone would never agree.
      socket?.destroy()
      client = undefined
      const made = new Socket()
      socket = made
      const fresh = new pg.Client({ ...clientOptions(settings), stream: () => made })
      // What breaks while nobody asks is told to whoever asks next: a broken client would let questions wait.
      const gone = (): void => {
        if (client === fresh) client = undefined
      }
      fresh.on('error', gone)
      fresh.on('end', gone)
      await fresh.connect().catch((error: unknown) => {
        // Without room on its disk PostgreSQL lets nobody in, and has no code for it («could not write init file»).
        throw (error as { readonly code?: unknown }).code === 'XX000' ? new Error((error as Error).message) : error
      })
      client = fresh
      return { ok: true, rows: [], count: 0 }
    }
    if (question.is === 'close') {
      await client?.end()
      client = undefined
      return { ok: true, rows: [], count: 0 }
    }
    if (!client) throw Object.assign(new Error('there is no connection'), { code: '08003' })
    if (question.is === 'script') {
      const results = (await client.query(question.sql)) as unknown
      const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<Record<string, unknown>>
      return { ok: true, rows: last.rows, count: last.rowCount ?? 0 }
    }
    const { sql: text, values, name } = question
    const { rows, rowCount } = await client.query<Record<string, unknown>>({
      text,
      values: values as unknown[],
      ...(name !== undefined && { name }),
    })
    return { ok: true, rows, count: rowCount ?? 0 }
  }
  port.on('message', (question: Asked) => {
    answer(question)
      .catch((error: unknown): Reply => failure(error))
      .then((reply) => {
        port.postMessage({ ...reply, id: question.id } satisfies Answer)
        Atomics.store(waiting, 0, 1)
        Atomics.notify(waiting, 0)
        if (question.is === 'close') port.close()
      })
      .catch((error: unknown) => {
        throw error
      })
  })
}

/** Errors of the server have a code of five characters; all others are of the connection. */
function failure(error: unknown): Reply {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '08006'
  return {
    ok: false,
    sqlState,
    message: typeof message === 'string' && message !== '' ? message : typeof code === 'string' ? code : 'PostgreSQL cannot be reached',
  }
}

if (workerData !== null && typeof workerData === 'object' && 'flag' in workerData) serve(workerData as ThreadData)
