/**
 * Erasure of one meter's people, in steps, because keys and registry share no transaction: (1) their permissions end;
 * (2) `erasure.performed` and a pending row, one transaction; (3) once the journal is drained the keys are destroyed;
 * (4) what they opened is deleted, with the pending row; where other gates write journals of their own, again until each has
 * sealed what it held when the key went: that still brings index rows. A crash anywhere is taken up again at the next start.
 * All proofs still verify afterwards. Source: GDPR art. 17; EDPB Guidelines 02/2025.
 */
import type { Store } from '../storage/database.ts'
import type { Millis } from '../domain/time.ts'
import { LOG_SIZE, logOf, positionOf } from '../domain/position.ts'
import type { Journal } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'

export interface Erasure {
  /** Inside the owner's transaction, after the permissions have ended. Gives how many keys will go. */
  order(args: { readonly meterToken: Uint8Array; readonly ground: string; readonly by: string; readonly now: Millis }): number
  /**
   * Outside a transaction, with an empty journal of one's own: destroys and deletes what is ordered. `busy`: another process
   * reads along. `waits`: another gate has rows to seal from before.
   */
  finish(): 'done' | 'busy' | 'waits'
  readonly pending: () => number
  /** Destroys again what a restored backup of the keys brought back. Gives how many keys there were. */
  again(): number
  restrict(args: {
    readonly meterToken: Uint8Array
    readonly on: boolean
    readonly ground: string
    readonly by: string
    readonly now: Millis
  }): number
}

const BLANK = Buffer.alloc(0)

export function erasureOn(
  { db, documents, atomically, forget }: Pick<Store, 'db' | 'documents' | 'atomically' | 'forget'>,
  journal: Journal,
  keys: KeyStore,
  permissionToken: (id: string) => string,
): Erasure {
  const sql = {
    subjects: db.prepare('SELECT DISTINCT value AS key_id FROM permission, json_each(permission.key_ids) WHERE permission.meter = ?'),
    restricted: db.prepare('SELECT restricted FROM subject WHERE key_id = ?'),
    restrict: db.prepare('UPDATE subject SET restricted = ? WHERE key_id = ?'),
    pend: db.prepare('INSERT INTO erasure (key_id, body) VALUES (?, ?) ON CONFLICT (key_id) DO UPDATE SET body = excluded.body'),
    // What is done keeps its row, without the meter: the key's id stands in the open log anyway.
    pending: db.prepare("SELECT key_id, body FROM erasure WHERE body <> ''"),
    doneBefore: db.prepare("SELECT key_id FROM erasure WHERE body = ''"),
    permissions: db.prepare('SELECT p.id FROM permission p, json_each(p.key_ids) k WHERE k.value = ?'),
    unsealed: db.prepare(`SELECT max(n) AS n FROM journal GROUP BY n / ${LOG_SIZE}`),
    stillUnsealed: db.prepare('SELECT 1 FROM journal WHERE n >= ? AND n <= ?'),
    dropIndex: db.prepare('DELETE FROM entry_index WHERE token = ?'),
    dropDeliveries: db.prepare('DELETE FROM delivery WHERE permission = ?'),
    dropRefusals: db.prepare('DELETE FROM holder_refusal WHERE permission = ?'),
    // By whom a permission is found again: a keyed hash of a person.
    dropIdentities: db.prepare('DELETE FROM identity_link WHERE permission = ?'),
    dropRefusedIndex: db.prepare('DELETE FROM refused_index WHERE token = ?'),
    dropSealed: db.prepare('DELETE FROM sealed WHERE key_id = ?'),
    files: db.prepare('SELECT stored FROM attachment WHERE key_id = ?'),
    dropAttachments: db.prepare('DELETE FROM attachment WHERE key_id = ?'),
    blankActs: db.prepare('UPDATE act SET box = ? WHERE box_key = ?'),
    // The hash of what was imported is not keyed: whoever knows the rest could try out meters.
    blankPermissions: db.prepare("UPDATE permission SET box = ?, meter = ?, content_hash = '' WHERE box_key = ?"),
    dropGenerations: db.prepare('DELETE FROM generation WHERE meter = ?'),
    dropSubject: db.prepare('DELETE FROM subject WHERE key_id = ?'),
    done: db.prepare("UPDATE erasure SET body = '' WHERE key_id = ?"),
  }
  const keysOf = (meterToken: Uint8Array): string[] =>
    sql.subjects
      .all(meterToken)
      .map((row) => String(row['key_id']))
      .filter((id) => keys.get(id) !== undefined)

  /** Of each key that was destroyed here, the last row that each log had to seal then. */
  const awaited = new Map<string, readonly number[]>()
  function isSealed(position: number): boolean {
    return sql.stillUnsealed.get(positionOf(logOf(position), 0), position) === undefined
  }

  function deleteAll(id: string, meter: Buffer): void {
    for (const { id: permission } of sql.permissions.all(id)) {
      sql.dropIndex.run(Buffer.from(permissionToken(String(permission)), 'hex'))
      sql.dropDeliveries.run(String(permission))
      sql.dropRefusals.run(String(permission))
      sql.dropIdentities.run(String(permission))
    }
    sql.dropIndex.run(meter)
    sql.dropRefusedIndex.run(meter)
    for (const statement of [sql.dropSealed, sql.dropAttachments, sql.dropSubject]) statement.run(id)
    sql.blankActs.run(BLANK, id)
    sql.blankPermissions.run(BLANK, Buffer.alloc(meter.byteLength), id)
    sql.dropGenerations.run(meter)
  }

  return {
    pending: () => sql.pending.all().length,
    again() {
      const back = sql.doneBefore.all().filter((row) => keys.get(String(row['key_id'])) !== undefined)
      for (const row of back) keys.destroy(String(row['key_id']))
      if (back.length > 0) forget()
      return back.length
    },
    order({ meterToken, ground, by, now }) {
      const ids = keysOf(meterToken)
      for (const id of ids) {
        // No identity and no entry numbers: they would link a person's entries in the open log.
        journal.append({ clear: { t: 'erasure.performed', key: id, ground, by } }, now)
        sql.pend.run(id, Buffer.from(meterToken).toString('hex'))
      }
      return ids.length
    },
    finish() {
      const all = sql.pending.all().map((row) => ({ id: String(row['key_id']), meter: Buffer.from(String(row['body']), 'hex') }))
      // What waits was deleted when it was first seen, and is once more when it need not wait any longer.
      const rows = all.filter(({ id }) => awaited.get(id)?.every(isSealed) !== false)
      if (rows.length === 0) return all.length === 0 ? 'done' : 'waits'
      const over: string[] = []
      for (const { id, meter } of rows) {
        // From here on nothing sealed under this key can be opened, whatever else fails.
        keys.destroy(id)
        const before = awaited.get(id) ?? sql.unsealed.all().map((row) => Number(row['n']))
        awaited.set(id, before)
        // Asked before the deletion, which then reaches whatever they became.
        if (before.every(isSealed)) over.push(id)
        for (const file of sql.files.all(id)) documents.remove(String(file['stored']))
        atomically(() => deleteAll(id, meter))
      }
      // Only what is gone from the WAL too is done: until then all of it is done again.
      if (!forget()) return 'busy'
      atomically(() => {
        for (const id of over) sql.done.run(id)
      })
      for (const id of over) awaited.delete(id)
      if (!forget()) return 'busy'
      return over.length === all.length ? 'done' : 'waits'
    },
    restrict({ meterToken, on, ground, by, now }) {
      const ids = keysOf(meterToken).filter((id) => (sql.restricted.get(id)?.['restricted'] === 1) !== on)
      for (const id of ids) {
        sql.restrict.run(on ? 1 : 0, id)
        journal.append({ clear: { t: on ? 'restriction.set' : 'restriction.lifted', key: id, ground, by } }, now)
      }
      return ids.length
    },
  }
}
