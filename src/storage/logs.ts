/**
 * The logs of an instance: one for each gate that ever wrote here, and a new one each year and after each restore. Every
 * entry's place is one integer ({@link positionOf}); what people see is `origin/number`.
 */
import { logOf, MOST_LOGS, numberOf, positionOf } from '../domain/position.ts'
import type { Millis } from '../domain/time.ts'
import type { Database, Row } from './database.ts'

export interface LogOnRecord {
  readonly id: number
  /** `audit.example.fr/journal/2027`. */
  readonly origin: string
  /** Null for a log of a version that did not keep it. */
  readonly vkey: string | null
  /** Of the gate that opened it. */
  readonly node: string | null
  readonly openedAt: Millis
  /** No entry comes any more. */
  readonly closedAt: Millis | null
}

export interface Logs {
  all(): readonly LogOnRecord[]
  add(origin: string, vkey: string, node: string, now: Millis): LogOnRecord
  keepKey(id: number, vkey: string): void
  close(id: number, now: Millis): void
  originOf(log: number): string
  /** `origin/number`. */
  nameOf(position: number): string
  /** Its public key, as a C2SP vkey. */
  vkeyOf(log: number): string
  /** Undefined for a name of no log here. */
  positionOf(name: string): number | undefined
}

export function logsOn(db: Database): Logs {
  const sql = {
    all: db.prepare('SELECT id, origin, vkey, node, opened_at, closed_at FROM log ORDER BY id'),
    add: db.prepare('INSERT INTO log (id, origin, vkey, node, opened_at) VALUES (?, ?, ?, ?, ?)'),
    keepKey: db.prepare('UPDATE log SET vkey = ? WHERE id = ?'),
    close: db.prepare('UPDATE log SET closed_at = ? WHERE id = ? AND closed_at IS NULL'),
  }
  const origins = new Map<number, string>()
  function originOf(id: number): string {
    if (!origins.has(id)) for (const { id: each, origin } of logs.all()) origins.set(each, origin)
    const origin = origins.get(id)
    if (origin === undefined) throw new RangeError(`there is no log ${id}`)
    return origin
  }
  const logs: Logs = {
    all: () => sql.all.all().map(read),
    add(origin, vkey, node, now) {
      const known = logs.all()
      if (known.some((log) => log.origin === origin)) throw new Error(`a log ${origin} is here already: a log's origin is its own for good`)
      const id = Math.max(-1, ...known.map((log) => log.id)) + 1
      if (id >= MOST_LOGS) throw new RangeError(`an instance has at most ${MOST_LOGS} logs`)
      sql.add.run(id, origin, vkey, node, now)
      return { id, origin, vkey, node, openedAt: now, closedAt: null }
    },
    keepKey: (id, vkey) => void sql.keepKey.run(vkey, id),
    close: (id, now) => void sql.close.run(now, id),
    originOf,
    nameOf: (position) => `${originOf(logOf(position))}/${numberOf(position)}`,
    vkeyOf: (id) => logs.all().find((log) => log.id === id)?.vkey ?? '',
    positionOf(name) {
      const slash = name.lastIndexOf('/')
      const log = logs.all().find(({ origin }) => origin === name.slice(0, slash))
      const number = name.slice(slash + 1)
      return log && /^(0|[1-9]\d{0,12})$/.test(number) ? positionOf(log.id, Number(number)) : undefined
    },
  }
  return logs
}

function read(row: Row): LogOnRecord {
  return {
    id: Number(row['id']),
    origin: String(row['origin']),
    vkey: row['vkey'] === null ? null : String(row['vkey']),
    node: row['node'] === null ? null : String(row['node']),
    openedAt: Number(row['opened_at']) as Millis,
    closedAt: row['closed_at'] === null ? null : (Number(row['closed_at']) as Millis),
  }
}
