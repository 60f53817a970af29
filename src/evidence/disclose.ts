/**
 * Opens sealed fields for those entitled to them, and hands out stored entries in order. Opening is itself an access
 * to personal data: nothing is opened here without the entry that records who opened what and why, written before.
 */
import { randomBytes } from 'node:crypto'
import { logOf, numberOf, positionOf } from '../domain/position.ts'
import type { Database, Row } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import { bareMeter, parseMeter } from '../domain/meter.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import type { Logs } from '../storage/logs.ts'
import { indexToken } from '../storage/keys.ts'
import type { KeyStore } from '../storage/keys.ts'
import type { Opened } from './opened.ts'
import { objectOf, openEntry, textOf } from './opened.ts'
import { operatorKeyOn } from './operator-key.ts'
import { deriveSealKey, deriveTagKey, openDisclosures } from './sealed.ts'

export type { Opened } from './opened.ts'

export type Selection =
  /** `context`: also all that is recorded of the same meters, which is what a decision was made from. */
  | { readonly entries: readonly number[]; readonly context?: boolean }
  | { readonly meter: MeterId }
  | { readonly client: string }
  | { readonly all: true }

export interface Reading {
  readonly select: Selection
  /** `read`: opened for somebody to look at · `exported`: put in a pack. */
  readonly as: 'read' | 'exported'
  readonly by: string
  readonly why: string
  /** For whom a pack is made. */
  readonly audience?: string
  /** SHA-256 of a pack's manifest. */
  readonly manifest?: string
  readonly entries?: number
}

export interface Page {
  readonly opened: readonly Opened[]
  /** Where the next page begins: after this one's last position; null after the last page. */
  readonly next: number | null
}

export interface TagKey {
  /** Of the log whose entries bear these tags. */
  readonly origin: string
  /** Random id of the subject's key: what an `erasure.performed` would name. */
  readonly subject: string
  readonly tagKey: string
}

export interface Disclosures {
  /** Records the reading. Gives the entry's name and the ticket with which its pages are asked for. */
  record(args: Reading & { readonly now: Millis }): { readonly entry: string; readonly ticket: string }
  /** Undefined without a reading on record. */
  open(args: { readonly ticket: string; readonly from: number; readonly limit: number }): Page | undefined
  /** In clear, from `from` on: 0, or what comes after the last one given. */
  entries(args: { readonly from: number; readonly limit: number }): readonly Pick<Opened, 'n' | 'name' | 'entry'>[]
  /** Keys with which «these are all entries about this meter» can be shown; none but for a reading of a meter. */
  tagKeys(args: { readonly ticket: string }): readonly TagKey[] | undefined
}

interface Ticket {
  readonly select: Selection
  /** How many entries each log had, by its number: those written since are not part of it. */
  readonly sizes: ReadonlyMap<number, number>
  /** What `entries` with `context` comes to, once looked up. */
  numbers?: readonly number[]
}
/** A limit that is none. */
const ALL = 1_000_000_000
const MOST_TICKETS = 64
const MOST_IN_SCOPE = 100

export function disclosuresOn(db: Database, journal: Journal, logs: Logs, keys: KeyStore, index: Uint8Array): Disclosures {
  const sql = {
    entry: db.prepare('SELECT n, at, bytes, leaf FROM entry WHERE n = ?'),
    page: db.prepare('SELECT n, at, bytes, leaf FROM entry WHERE (at, n) > (?, ?) ORDER BY at, n LIMIT ?'),
    byToken: db.prepare('SELECT n, at FROM entry_index WHERE token = ? AND (at, n) > (?, ?) ORDER BY at, n LIMIT ?'),
    sealed: db.prepare('SELECT key_id, box FROM sealed WHERE n = ?'),
    last: db.prepare('SELECT max(n) AS last FROM entry WHERE n >= ? AND n < ?'),
    keysOfMeter: db.prepare('SELECT DISTINCT k.value AS id FROM permission p, json_each(p.key_ids) k WHERE p.meter = ? ORDER BY id'),
  }
  const operatorKey = operatorKeyOn(db, keys)
  const tickets = new Map<string, Ticket>()
  const tokenOf = (meter: MeterId): Buffer => indexToken(index, meter.startsWith('prm:') ? 'enedis' : 'grdf', 'meter', bareMeter(meter))

  function opened(row: Record<string, unknown>): Opened {
    const n = Number(row['n'])
    const entry = textOfRow(row)
    const box = sql.sealed.get(n)
    const name = logs.nameOf(n)
    if (!box) return { n, name, entry, disclosures: entry.includes('"_sd":') ? null : [] }
    const key = keys.get(String(box['key_id']))
    if (!key) return { n, name, entry, disclosures: null }
    return { n, name, entry, disclosures: openDisclosures(deriveSealKey(key), box['box'] as Uint8Array, row['leaf'] as Uint8Array) }
  }

  /** The client of an entry; an outcome has that of its intent. */
  function clientOf(row: Record<string, unknown>): string | undefined {
    const { client, intent } = JSON.parse(textOfRow(row)) as { readonly client?: string; readonly intent?: number }
    if (client !== undefined || intent === undefined) return client
    const cause = sql.entry.get(positionOf(logOf(Number(row['n'])), intent))
    return cause && (JSON.parse(textOfRow(cause)) as { readonly client?: string }).client
  }

  /** Where a page begins that comes after a position. */
  function placeAfter(from: number): readonly [at: number, n: number] {
    const last = from === 0 ? undefined : sql.entry.get(from - 1)
    return last ? [Number(last['at']), from - 1] : [-1, -1]
  }
  const among = (sizes: Ticket['sizes'], n: number): boolean => numberOf(n) < (sizes.get(logOf(n)) ?? 0)
  function inOrder(positions: Iterable<number>): readonly number[] {
    const rows = [...positions].map((n) => sql.entry.get(n)).filter((row) => row !== undefined)
    return rows.toSorted((a, b) => Number(a['at']) - Number(b['at']) || Number(a['n']) - Number(b['n'])).map((row) => Number(row['n']))
  }

  /** The entries named and, with them, all of the meters that they are about. */
  function withContext(named: readonly number[]): readonly number[] {
    const numbers = new Set(named)
    for (const n of named) {
      const row = sql.entry.get(n)
      const meter = row && parseMeter(textOf(objectOf(openEntry(opened(row)).fields['subject'])['meter']) ?? '')
      if (meter) for (const found of sql.byToken.all(tokenOf(meter), -1, -1, ALL)) numbers.add(Number(found['n']))
    }
    return inOrder(numbers)
  }

  function rowsFrom(ticket: Ticket, from: number, limit: number): { readonly rows: readonly Row[]; readonly next: number | null } {
    const { select, sizes } = ticket
    const rowsOf = (numbers: readonly number[]): Row[] =>
      numbers.map((n) => (among(sizes, n) ? sql.entry.get(n) : undefined)).filter((row) => row !== undefined)
    const after = (numbers: readonly number[]): number | null => (numbers.length < limit ? null : (numbers.at(-1) ?? 0) + 1)
    if ('entries' in select) {
      const numbers = (ticket.numbers ??= select.context === true ? withContext(select.entries) : inOrder(select.entries))
      const begin = from === 0 ? 0 : numbers.indexOf(from - 1) + 1
      const page = numbers.slice(begin, begin + limit)
      return { rows: rowsOf(page), next: after(page) }
    }
    if ('meter' in select) {
      const numbers = sql.byToken.all(tokenOf(select.meter), ...placeAfter(from), limit).map((row) => Number(row['n']))
      return { rows: rowsOf(numbers), next: after(numbers) }
    }
    const page = sql.page.all(...placeAfter(from), limit)
    const next = after(page.map((row) => Number(row['n'])))
    const known = page.filter((row) => among(sizes, Number(row['n'])))
    return { rows: 'client' in select ? known.filter((row) => clientOf(row) === select.client) : known, next }
  }
  function sizesNow(): Ticket['sizes'] {
    return new Map(
      logs.all().map(({ id }) => {
        const last = sql.last.get(positionOf(id, 0), positionOf(id + 1, 0))?.['last'] ?? null
        return [id, last === null ? 0 : numberOf(Number(last)) + 1]
      }),
    )
  }

  return {
    record({ select, as, by, why, audience, manifest, entries, now }) {
      const sizes = sizesNow()
      const { entry } = journal.append(
        {
          clear: {
            t: `evidence.${as}`,
            scope: scopeOf(select),
            ...(manifest !== undefined && { manifest }),
            ...(entries !== undefined && { entries }),
          },
          sealed: {
            actor: { role: 'operator', id: by },
            why,
            ...(audience !== undefined && { audience }),
            selection: selectionOf(select, logs.nameOf),
          },
          keyId: operatorKey(now),
        },
        now,
      )
      const ticket = randomBytes(16).toString('base64url')
      if (tickets.size >= MOST_TICKETS) tickets.delete(tickets.keys().next().value ?? '')
      tickets.set(ticket, { select, sizes })
      return { entry, ticket }
    },
    open({ ticket: id, from, limit }) {
      const ticket = tickets.get(id)
      if (!ticket) return undefined
      const { rows, next } = rowsFrom(ticket, from, limit)
      return { opened: rows.map(opened), next }
    },
    entries: ({ from, limit }) =>
      sql.page.all(...placeAfter(from), limit).map((row) => {
        const n = Number(row['n'])
        return { n, name: logs.nameOf(n), entry: textOfRow(row) }
      }),
    tagKeys({ ticket: id }) {
      const ticket = tickets.get(id)
      if (!ticket) return undefined
      const { select } = ticket
      const rows = 'meter' in select ? sql.keysOfMeter.all(tokenOf(select.meter)) : []
      return rows.flatMap((row) => {
        const subject = String(row['id'])
        const key = keys.get(subject)
        return key ? logs.all().map(({ origin }) => ({ origin, subject, tagKey: deriveTagKey(key, origin).toString('hex') })) : []
      })
    },
  }
}

function textOfRow(row: Record<string, unknown>): string {
  return Buffer.from(row['bytes'] as Uint8Array).toString()
}

/** In clear: what kind of scope, and never which meter. */
function scopeOf(select: Selection): Json {
  if ('entries' in select) return { by: 'entries', count: select.entries.length, ...(select.context === true && { context: true }) }
  if ('meter' in select) return { by: 'meter' }
  return 'client' in select ? { by: 'client', client: select.client } : { by: 'all' }
}

/** Sealed under the operator's key, which outlives the subjects': not even here stands a meter. */
function selectionOf(select: Selection, nameOf: (position: number) => string): Json {
  return 'entries' in select
    ? { entries: select.entries.slice(0, MOST_IN_SCOPE).map(nameOf), ...(select.context === true && { context: true }) }
    : scopeOf(select)
}
