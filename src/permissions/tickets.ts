/**
 * What is good for a while and then goes by itself: codes, sessions, consent journeys, one-time links, idempotency keys.
 * A ticket is found by a keyed hash of its id, so that a copy of the database opens no session; what it holds is
 * encrypted under a key derived from the master key, and bound to its kind and id.
 *
 * `consume` and `take` are atomic, each in the owner's transaction: of two callers one succeeds.
 */
import type { Database } from '../storage/database.ts'
import type { Millis } from '../domain/time.ts'
import { decrypt, derive, encrypt, indexToken } from '../storage/keys.ts'

export interface Ticket {
  readonly kind: string
  readonly id: string
  /** JSON, or whatever text its kind uses. */
  readonly payload: string
  readonly ttlSeconds: number
  readonly now: Millis
  /** Tickets of one grant end together. */
  readonly grant?: string | undefined
  /** So many of its kind and grant are kept: the oldest go. */
  readonly most?: number | undefined
  /** Other names by which it is found. */
  readonly uid?: string | undefined
  readonly userCode?: string | undefined
}
export interface Named {
  readonly kind: string
  readonly id: string
  readonly now: Millis
}
export interface Found {
  readonly payload: string
  /** Used once already: it must not be used again, and that somebody tries is worth knowing. */
  readonly consumed: boolean
  readonly expiresAt: Millis
}

export interface Tickets {
  /** The same id again replaces what it holds. */
  put(ticket: Ticket): void
  get(named: Named): Found | null
  find(args: { readonly kind: string; readonly by: 'uid' | 'userCode'; readonly value: string; readonly now: Millis }): Found | null
  /** Marks it used. False where it is unknown, over, or was used before. */
  consume(named: Named): boolean
  /** Gives what it holds and forgets it. */
  take(named: Named): string | null
  drop(args: { readonly kind: string; readonly id: string }): void
  dropGrant(args: { readonly grant: string }): void
  list(args: { readonly kind: string; readonly now: Millis }): readonly Found[]
  sweep(args: { readonly now: Millis }): number
}

export function ticketsOn(db: Database, master: Uint8Array, index: Uint8Array): Tickets {
  const boxing = derive(master, 'ecluse tickets/v1')
  const sql = {
    put: db.prepare(
      `INSERT INTO ticket (kind, id, grant_id, uid, user_code, created_at, expires_at, box) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (kind, id) DO UPDATE SET grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code,
         expires_at = excluded.expires_at, box = excluded.box`,
    ),
    // `kind || ''`: found by its grant, of which there are few, and not among all of its kind.
    surplus: db.prepare(
      `DELETE FROM ticket WHERE kind = :kind AND id IN (SELECT id FROM ticket WHERE grant_id = :grant AND kind || '' = :kind AND id <> :id
       ORDER BY created_at DESC LIMIT 1000000 OFFSET :most)`,
    ),
    get: db.prepare('SELECT * FROM ticket WHERE kind = ? AND id = ? AND expires_at > ?'),
    byUid: db.prepare('SELECT * FROM ticket WHERE kind = ? AND uid = ? AND expires_at > ? LIMIT 1'),
    byUserCode: db.prepare('SELECT * FROM ticket WHERE kind = ? AND user_code = ? AND expires_at > ? LIMIT 1'),
    consume: db.prepare('UPDATE ticket SET consumed_at = ? WHERE kind = ? AND id = ? AND expires_at > ? AND consumed_at IS NULL'),
    drop: db.prepare('DELETE FROM ticket WHERE kind = ? AND id = ?'),
    dropGrant: db.prepare('DELETE FROM ticket WHERE grant_id = ?'),
    list: db.prepare('SELECT * FROM ticket WHERE kind = ? AND expires_at > ? ORDER BY created_at'),
    sweep: db.prepare('DELETE FROM ticket WHERE expires_at <= ?'),
  }
  const hash = (kind: string, value: string): Buffer => indexToken(index, 'ecluse', `ticket ${kind}`, value)
  const maybe = (kind: string, value: string | undefined): Buffer | null => (value === undefined ? null : hash(kind, value))
  const context = (kind: string, id: Uint8Array): string => `${kind}\0${Buffer.from(id).toString('hex')}`
  function found(row: Record<string, unknown> | undefined): Found | null {
    if (!row) return null
    const box = row['box'] as Uint8Array
    const payload = decrypt(boxing, box, context(String(row['kind']), row['id'] as Uint8Array)).toString()
    return { payload, consumed: row['consumed_at'] !== null, expiresAt: Number(row['expires_at']) as Millis }
  }
  const tickets: Tickets = {
    put({ kind, id, payload, ttlSeconds, now, grant, most, uid, userCode }) {
      const key = hash(kind, id)
      const box = encrypt(boxing, Buffer.from(payload), context(kind, key))
      sql.put.run(
        kind,
        key,
        maybe('grant', grant),
        maybe(`${kind} uid`, uid),
        maybe(`${kind} user code`, userCode),
        now,
        now + ttlSeconds * 1000,
        box,
      )
      if (grant !== undefined && most !== undefined)
        sql.surplus.run({ kind, grant: hash('grant', grant), id: key, most: Math.max(0, most - 1) })
    },
    get: ({ kind, id, now }) => found(sql.get.get(kind, hash(kind, id), now)),
    find({ kind, by, value, now }) {
      return by === 'uid'
        ? found(sql.byUid.get(kind, hash(`${kind} uid`, value), now))
        : found(sql.byUserCode.get(kind, hash(`${kind} user code`, value), now))
    },
    consume: ({ kind, id, now }) => sql.consume.run(now, kind, hash(kind, id), now).changes === 1,
    take({ kind, id, now }) {
      const ticket = tickets.get({ kind, id, now })
      sql.drop.run(kind, hash(kind, id))
      return ticket?.payload ?? null
    },
    drop: ({ kind, id }) => void sql.drop.run(kind, hash(kind, id)),
    dropGrant: ({ grant }) => void sql.dropGrant.run(hash('grant', grant)),
    list: ({ kind, now }) => sql.list.all(kind, now).map((row) => found(row) as Found), // a row is there
    sweep: ({ now }) => Number(sql.sweep.run(now).changes),
  }
  return tickets
}
