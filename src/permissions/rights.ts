/**
 * What data holders have opened for a permission on their own side: an access service of SGE, an access right of GRDF.
 * It must end there when the permission ends here. The end is queued by the act itself, in its transaction, asked of the
 * data holder until it is acknowledged, and on record when it is; until then it is there for everybody to see.
 *
 * A row lies under the operator's key, not under the person's: it must outlive an erasure until the data holder has
 * ended it, and its content is gone as soon as it has.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { MeterId } from '../domain/meter.ts'
import type { AccountId, PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { Direction, EndReason, ProviderId } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'
import { indexToken } from '../storage/keys.ts'
import { Refused } from '../storage/rpc.ts'
import { meterTokenOf } from './registry.ts'

export interface HeldRight {
  /** As the data holder names it: `serviceSouscritId`, `id_droit_acces`. */
  readonly ref: string
  readonly direction: Exclude<Direction, 'n_a'>
}
/** One that is to end: all that the call needs. */
export interface EndingRight extends HeldRight {
  readonly id: number
  readonly permission: PermissionId
  readonly provider: ProviderId
  readonly account: AccountId
  readonly meter: MeterId
  readonly attempts: number
}
export type RightState = 'open' | 'ending' | 'ended'
export interface RightSummary {
  readonly provider: string
  readonly account: string
  /** Undefined once it has ended: it is kept nowhere. */
  readonly ref?: string
  readonly state: RightState
  readonly since: string
  readonly attempts: number
  /** Of the data holder's last answer. */
  readonly code: string | null
  /** Of the acknowledgement. */
  readonly entry: string | null
}

export interface Rights {
  /** On record from now on; what has already ended here is queued at once. Throws where the ref is on record already. */
  add(args: {
    readonly permission: PermissionId
    readonly provider: ProviderId
    readonly account: AccountId
    readonly meter: MeterId
    readonly rights: readonly HeldRight[]
    readonly now: Millis
  }): void
  /** The permission has ended. Where the data holder itself ended it, there is nothing left to ask. */
  end(permission: string, by: EndReason | undefined, now: Millis): void
  /** Those whose turn it is, the longest waiting first. */
  due(args: { readonly now: Millis; readonly limit: number }): readonly EndingRight[]
  /** Acknowledged, with the entry that says so; or to be asked again at `retryAt`. */
  settle(args: {
    readonly id: number
    readonly result: { readonly is: 'acknowledged' } | { readonly is: 'again'; readonly at: Millis }
    readonly code: string | null
    readonly now: Millis
  }): { readonly entry: string | null }
  of(permission: string): readonly RightSummary[]
  counts(): { readonly open: number; readonly ending: number; readonly oldest: Millis | null }
  /** Whether the data holder still has it, by what is known here. */
  refsOf(args: { readonly provider: ProviderId; readonly account: AccountId; readonly meter: MeterId }): readonly {
    readonly permission: PermissionId
    readonly ref: string
    readonly state: RightState
  }[]
}

interface Box {
  readonly meter: MeterId
  readonly ref: string
  readonly direction: HeldRight['direction']
}

export function rightsOn(
  db: DatabaseSync,
  journal: Journal,
  keys: KeyStore,
  index: Uint8Array,
  operatorKey: (now: Millis) => string,
): Rights {
  const sql = {
    insert: db.prepare(
      `INSERT INTO holder_right (permission, provider, account, token, meter, state, since, next_at, box_key, box)
       VALUES (?, ?, ?, ?, ?, 'open', ?, NULL, ?, ?)`,
    ),
    status: db.prepare('SELECT status, end_reason FROM permission WHERE id = ?'),
    end: db.prepare("UPDATE holder_right SET state = 'ending', since = ?, next_at = ? WHERE permission = ? AND state = 'open'"),
    drop: db.prepare(
      "UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, box = NULL WHERE permission = ? AND state <> 'ended'",
    ),
    due: db.prepare("SELECT * FROM holder_right WHERE state = 'ending' AND next_at <= ? ORDER BY next_at, id LIMIT ?"),
    byId: db.prepare("SELECT * FROM holder_right WHERE id = ? AND state = 'ending'"),
    again: db.prepare('UPDATE holder_right SET attempts = attempts + 1, next_at = ?, code = ? WHERE id = ?'),
    ended: db.prepare(
      "UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, attempts = attempts + 1, code = ?, entry = ?, box = NULL WHERE id = ?",
    ),
    of: db.prepare('SELECT * FROM holder_right WHERE permission = ? ORDER BY id'),
    ofMeter: db.prepare('SELECT * FROM holder_right WHERE provider = ? AND account = ? AND meter = ? ORDER BY id'),
    counts: db.prepare("SELECT state, count(*) AS n, min(since) AS since FROM holder_right WHERE state <> 'ended' GROUP BY state"),
  }
  function boxOf(row: Row): Box | undefined {
    const text = row.box === null ? undefined : keys.unbox(row.box_key, row.box, `right ${row.permission}`)
    return text === undefined ? undefined : (JSON.parse(text) as Box)
  }

  const rights: Rights = {
    add({ permission, provider, account, meter, rights: held, now }) {
      const key = operatorKey(now)
      for (const { ref, direction } of held) {
        const token = indexToken(index, provider, 'right', `${account}\0${ref}`)
        const box = keys.box(key, JSON.stringify({ meter, ref, direction } satisfies Box), `right ${permission}`)
        try {
          sql.insert.run(permission, provider, account, token, meterTokenOf(index, meter), now, key, box)
        } catch (error) {
          if (error instanceof Error && error.message.includes('UNIQUE'))
            throw new Refused(`a right at ${provider} is on record already for another permission`)
          throw error
        }
      }
      const row = sql.status.get(permission)
      if (row?.['status'] === 'ended' || row?.['status'] === 'refused') rights.end(permission, row['end_reason'] as EndReason, now)
    },
    end(permission, by, now) {
      if (by === 'revoked_by_dso') sql.drop.run(now, permission)
      else sql.end.run(now, now, permission)
    },
    due({ now, limit }) {
      return (sql.due.all(now, limit) as unknown as Row[]).flatMap((row) => {
        const box = boxOf(row)
        return box
          ? [{ id: row.id, permission: row.permission, provider: row.provider, account: row.account, attempts: row.attempts, ...box }]
          : []
      })
    },
    settle({ id, result, code, now }) {
      const row = sql.byId.get(id) as unknown as Row | undefined
      if (!row) return { entry: null }
      if (result.is === 'again') {
        sql.again.run(result.at, code, id)
        return { entry: null }
      }
      const { ref, meter } = boxOf(row) ?? {}
      const { n } = journal.append(
        {
          clear: {
            t: 'admin.right',
            change: 'ended',
            dso: `${row.provider}/${row.account}`,
            attempts: row.attempts + 1,
            asked: rfc3339(row.since as Millis),
            ...(code !== null && { code }),
          },
          sealed: { permission: row.permission, right: ref, meter },
          keyId: operatorKey(now),
          index: [indexToken(index, 'ecluse', 'permission', row.permission).toString('hex')],
        },
        now,
      )
      const entry = `${journal.origin}/${n}`
      sql.ended.run(now, code, entry, id)
      return { entry }
    },
    of(permission) {
      return (sql.of.all(permission) as unknown as Row[]).map((row) => {
        const ref = boxOf(row)?.ref
        return {
          provider: row.provider,
          account: row.account,
          ...(ref !== undefined && { ref }),
          state: row.state,
          since: rfc3339(row.since as Millis),
          attempts: row.attempts,
          code: row.code,
          entry: row.entry,
        }
      })
    },
    counts() {
      const rows = new Map(sql.counts.all().map((row) => [String(row['state']), row]))
      const ending = rows.get('ending')
      return {
        open: Number(rows.get('open')?.['n'] ?? 0),
        ending: Number(ending?.['n'] ?? 0),
        oldest: ending ? (Number(ending['since']) as Millis) : null,
      }
    },
    refsOf: ({ provider, account, meter }) =>
      (sql.ofMeter.all(provider, account, meterTokenOf(index, meter)) as unknown as Row[]).flatMap((row) => {
        const box = boxOf(row)
        return box ? [{ permission: row.permission, ref: box.ref, state: row.state }] : []
      }),
  }
  return rights
}

interface Row {
  readonly id: number
  readonly permission: PermissionId
  readonly provider: ProviderId
  readonly account: AccountId
  readonly state: RightState
  readonly since: number
  readonly attempts: number
  readonly code: string | null
  readonly entry: string | null
  readonly box_key: string
  readonly box: Uint8Array | null
}
