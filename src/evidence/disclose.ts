/**
 * Opens sealed fields for those entitled to them, and hands out stored entries in order. Opening is itself an access
 * to personal data: the caller records `evidence.read` or `evidence.exported` in the same breath.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { MeterId } from '../domain/meter.ts'
import { bareMeter } from '../domain/meter.ts'
import { decrypt, indexToken } from '../storage/keys.ts'
import { deriveSealKey, deriveTagKey } from './sealed.ts'

export interface Opened {
  readonly n: number
  /** The entry's bytes as they were hashed, UTF-8. */
  readonly entry: string
  /** SD-JWT disclosures; null where the subject was erased, empty where nothing was sealed. */
  readonly disclosures: readonly string[] | null
}

export type Selection =
  | { readonly entries: readonly number[] }
  | { readonly meter: MeterId }
  | { readonly client: string }
  | { readonly all: true }

export interface Disclosures {
  open(args: { readonly select: Selection; readonly from: number; readonly limit: number }): readonly Opened[]
  entries(args: { readonly from: number; readonly limit: number }): readonly { readonly n: number; readonly entry: string }[]
  /** Hex tag keys of the subjects of these entries: with them «these are all accesses» can be shown. */
  tagKeys(numbers: readonly number[]): readonly string[]
}

export function disclosuresOn(db: DatabaseSync, keyOf: (id: string) => Buffer | undefined, index: Uint8Array, origin: string): Disclosures {
  const sql = {
    entry: db.prepare('SELECT n, bytes, leaf FROM entry WHERE n = ?'),
    page: db.prepare('SELECT n, bytes, leaf FROM entry WHERE n >= ? ORDER BY n LIMIT ?'),
    byToken: db.prepare('SELECT n FROM entry_index WHERE token = ? AND n >= ? ORDER BY n LIMIT ?'),
    sealed: db.prepare('SELECT key_id, box FROM sealed WHERE n = ?'),
  }
  function opened(row: Record<string, unknown>): Opened {
    const n = Number(row['n'])
    const entry = Buffer.from(row['bytes'] as Uint8Array).toString()
    const box = sql.sealed.get(n)
    if (!box) return { n, entry, disclosures: entry.includes('"_sd":') ? null : [] }
    const key = keyOf(String(box['key_id']))
    if (!key) return { n, entry, disclosures: null }
    const text = decrypt(deriveSealKey(key), box['box'] as Uint8Array, row['leaf'] as Uint8Array).toString()
    return { n, entry, disclosures: JSON.parse(text) as string[] }
  }
  function numbers(select: Selection, from: number, limit: number): readonly number[] {
    if ('entries' in select) return select.entries.filter((n) => n >= from).slice(0, limit)
    if ('meter' in select) {
      const token = indexToken(index, select.meter.startsWith('prm:') ? 'enedis' : 'grdf', 'meter', bareMeter(select.meter))
      return sql.byToken.all(token, from, limit).map((row) => Number(row['n']))
    }
    return sql.page
      .all(from, limit)
      .filter(
        (row) =>
          !('client' in select) ||
          (JSON.parse(Buffer.from(row['bytes'] as Uint8Array).toString()) as { client?: string }).client === select.client,
      )
      .map((row) => Number(row['n']))
  }
  return {
    open: ({ select, from, limit }) =>
      numbers(select, from, limit).flatMap((n) => {
        const row = sql.entry.get(n)
        return row ? [opened(row)] : []
      }),
    entries: ({ from, limit }) =>
      sql.page.all(from, limit).map((row) => ({ n: Number(row['n']), entry: Buffer.from(row['bytes'] as Uint8Array).toString() })),
    tagKeys(list) {
      const ids = new Set(list.flatMap((n) => String(sql.sealed.get(n)?.['key_id'] ?? '')))
      return [...ids].flatMap((id) => {
        const key = keyOf(id)
        return key ? [deriveTagKey(key, origin).toString('hex')] : []
      })
    },
  }
}
