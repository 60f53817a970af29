/**
 * Opens sealed fields for those entitled to them, and hands out stored entries in order. Opening is itself an access
 * to personal data: nothing is opened here without the entry that records who opened what and why, written before.
 */
import { randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import { bareMeter, parseMeter } from '../domain/meter.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
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
  /** Where the next page begins; null after the last. */
  readonly next: number | null
}

export interface TagKey {
  /** Random id of the subject's key: what an `erasure.performed` would name. */
  readonly subject: string
  readonly tagKey: string
}

export interface Disclosures {
  /** Records the reading. Gives the entry's number and the ticket with which its pages are asked for. */
  record(args: Reading & { readonly now: Millis }): { readonly n: number; readonly ticket: string; readonly size: number }
  /** Undefined without a reading on record. */
  open(args: { readonly ticket: string; readonly from: number; readonly limit: number }): Page | undefined
  entries(args: { readonly from: number; readonly limit: number }): readonly { readonly n: number; readonly entry: string }[]
  /** Keys with which «these are all entries about this meter» can be shown; none but for a reading of a meter. */
  tagKeys(args: { readonly ticket: string }): readonly TagKey[] | undefined
}

interface Ticket {
  readonly select: Selection
  readonly size: number
  /** What `entries` with `context` comes to, once looked up. */
  numbers?: readonly number[]
}
const MOST_TICKETS = 64
const MOST_IN_SCOPE = 100

export function disclosuresOn(db: DatabaseSync, journal: Journal, keys: KeyStore, index: Uint8Array): Disclosures {
  const sql = {
    entry: db.prepare('SELECT n, bytes, leaf FROM entry WHERE n = ?'),
    page: db.prepare('SELECT n, bytes, leaf FROM entry WHERE n >= ? AND n < ? ORDER BY n LIMIT ?'),
    byToken: db.prepare('SELECT n FROM entry_index WHERE token = ? AND n >= ? AND n < ? ORDER BY n LIMIT ?'),
    sealed: db.prepare('SELECT key_id, box FROM sealed WHERE n = ?'),
    size: db.prepare('SELECT max(n) AS last FROM entry'),
    keysOfMeter: db.prepare('SELECT DISTINCT k.value AS id FROM permission p, json_each(p.key_ids) k WHERE p.meter = ? ORDER BY id'),
  }
  const operatorKey = operatorKeyOn(db, keys)
  const tickets = new Map<string, Ticket>()
  const tokenOf = (meter: MeterId): Buffer => indexToken(index, meter.startsWith('prm:') ? 'enedis' : 'grdf', 'meter', bareMeter(meter))

  function opened(row: Record<string, unknown>): Opened {
    const n = Number(row['n'])
    const entry = textOfRow(row)
    const box = sql.sealed.get(n)
    if (!box) return { n, entry, disclosures: entry.includes('"_sd":') ? null : [] }
    const key = keys.get(String(box['key_id']))
    if (!key) return { n, entry, disclosures: null }
    return { n, entry, disclosures: openDisclosures(deriveSealKey(key), box['box'] as Uint8Array, row['leaf'] as Uint8Array) }
  }

  /** The client of an entry; an outcome has that of its intent. */
  function clientOf(row: Record<string, unknown>): string | undefined {
    const { client, intent } = JSON.parse(textOfRow(row)) as { readonly client?: string; readonly intent?: number }
    if (client !== undefined || intent === undefined) return client
    const cause = sql.entry.get(intent)
    return cause && (JSON.parse(textOfRow(cause)) as { readonly client?: string }).client
  }

  /** The entries named and, with them, all of the meters that they are about. */
  function withContext(named: readonly number[], size: number): readonly number[] {
    const numbers = new Set(named)
    for (const n of named) {
      const row = sql.entry.get(n)
      const meter = row && parseMeter(textOf(objectOf(openEntry(opened(row)).fields['subject'])['meter']) ?? '')
      if (meter) for (const found of sql.byToken.all(tokenOf(meter), 0, size, -1)) numbers.add(Number(found['n']))
    }
    return [...numbers].toSorted((a, b) => a - b)
  }

  function rowsFrom(
    ticket: Ticket,
    from: number,
    limit: number,
  ): { readonly rows: readonly Record<string, unknown>[]; readonly next: number | null } {
    const { select, size } = ticket
    const rowsOf = (numbers: readonly number[]): Record<string, unknown>[] =>
      numbers.map((n) => (n < size ? sql.entry.get(n) : undefined)).filter((row) => row !== undefined)
    const after = (numbers: readonly number[]): number | null => (numbers.length < limit ? null : (numbers.at(-1) ?? 0) + 1)
    if ('entries' in select) {
      ticket.numbers ??= select.context === true ? withContext(select.entries, size) : select.entries.toSorted((a, b) => a - b)
      const numbers = ticket.numbers.filter((n) => n >= from).slice(0, limit)
      return { rows: rowsOf(numbers), next: after(numbers) }
    }
    if ('meter' in select) {
      const numbers = sql.byToken.all(tokenOf(select.meter), from, size, limit).map((row) => Number(row['n']))
      return { rows: rowsOf(numbers), next: after(numbers) }
    }
    const page = sql.page.all(from, size, limit)
    const next = after(page.map((row) => Number(row['n'])))
    return { rows: 'client' in select ? page.filter((row) => clientOf(row) === select.client) : page, next }
  }

  return {
    record({ select, as, by, why, audience, manifest, entries, now }) {
      const size = Number(sql.size.get()?.['last'] ?? -1) + 1
      const { n } = journal.append(
        {
          clear: {
            t: `evidence.${as}`,
            scope: scopeOf(select),
            ...(manifest !== undefined && { manifest }),
            ...(entries !== undefined && { entries }),
          },
          sealed: { actor: { role: 'operator', id: by }, why, ...(audience !== undefined && { audience }), selection: selectionOf(select) },
          keyId: operatorKey(now),
        },
        now,
      )
      const ticket = randomBytes(16).toString('base64url')
      if (tickets.size >= MOST_TICKETS) tickets.delete(tickets.keys().next().value ?? '')
      tickets.set(ticket, { select, size })
      return { n, ticket, size }
    },
    open({ ticket: id, from, limit }) {
      const ticket = tickets.get(id)
      if (!ticket) return undefined
      const { rows, next } = rowsFrom(ticket, from, limit)
      return { opened: rows.map(opened), next }
    },
    entries: ({ from, limit }) =>
      sql.page.all(from, Number.MAX_SAFE_INTEGER, limit).map((row) => ({ n: Number(row['n']), entry: textOfRow(row) })),
    tagKeys({ ticket: id }) {
      const ticket = tickets.get(id)
      if (!ticket) return undefined
      const { select } = ticket
      const rows = 'meter' in select ? sql.keysOfMeter.all(tokenOf(select.meter)) : []
      return rows.flatMap((row) => {
        const subject = String(row['id'])
        const key = keys.get(subject)
        return key ? [{ subject, tagKey: deriveTagKey(key, journal.origin).toString('hex') }] : []
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
function selectionOf(select: Selection): Json {
  return 'entries' in select
    ? { entries: select.entries.slice(0, MOST_IN_SCOPE), ...(select.context === true && { context: true }) }
    : scopeOf(select)
}
