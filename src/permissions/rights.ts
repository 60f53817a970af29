/**
 * What data holders open for a permission on their own side: an access service of SGE, an access right of GRDF. It is
 * asked for there when the permission is (`wanted`), waits there for its person (`pending`), is `open`, must end there when
 * the permission ends here (`ending`), and has `ended`.
 *
 * The end is queued by the act itself, in its transaction, asked of the data holder until it is acknowledged, and on record
 * when it is; until then it is there for everybody to see.
 *
 * A row lies under the operator's key, not under the person's: it must outlive an erasure until the data holder has
 * ended it, and its content is gone as soon as it has.
 */
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import type { AccountId, PermissionId } from '../domain/permission.ts'
import type { Day, Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { Direction, EndReason, ProofState, ProviderId, RightState } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { KeyStore } from '../storage/keys.ts'
import { indexToken } from '../storage/keys.ts'
import { isTaken } from '../storage/faults.ts'
import { Refused } from '../storage/rpc.ts'
import { meterTokenOf } from './registry.ts'

export interface HeldRight {
  /** As the data holder names it: `serviceSouscritId`, `id_droit_acces`. */
  readonly ref: string
  readonly direction: Exclude<Direction, 'n_a'>
}

interface About {
  readonly id: number
  readonly permission: PermissionId
  readonly provider: ProviderId
  readonly account: AccountId
  readonly meter: MeterId
  readonly attempts: number
}
/** What the data holder is to be asked for, its turn having come. */
export type RightTask =
  | (About & HeldRight & { readonly task: 'end' })
  /** `order`: what the data holder is told of the person and the contract. */
  | (About & Pick<HeldRight, 'direction'> & { readonly task: 'open'; readonly order: Json })

export interface KnownRight {
  readonly id: number
  readonly permission: PermissionId
  readonly ref: string
  readonly state: RightState
  readonly since: Millis
  readonly proof: ProofState | null
}
export interface RightSummary {
  readonly provider: string
  readonly account: string
  /** Undefined before it is known, and once it has ended: then it is kept nowhere. */
  readonly ref?: string
  readonly state: RightState
  readonly since: string
  readonly attempts: number
  /** Of the data holder's last answer. */
  readonly code: string | null
  /** Of the acknowledgement of its end. */
  readonly entry: string | null
  readonly proof: ProofState | null
  /** The last day on which the data holder takes the proof. */
  readonly proofUntil: string | null
}

interface Where {
  readonly permission: PermissionId
  readonly provider: ProviderId
  readonly account: AccountId
  readonly meter: MeterId
  readonly now: Millis
}

export interface Rights {
  /** Open there already. What has ended here is queued at once. Throws where the ref is on record already. */
  add(args: Where & { readonly rights: readonly HeldRight[] }): void
  /** Opened by an order of a client's just now. One that is on record already stays as it is. */
  learned(args: Where & { readonly rights: readonly HeldRight[] }): void
  /** Whether a data holder has something open for a permission. */
  isOpen(permission: string, provider: ProviderId): boolean
  /** To be asked for at `at`; null: once it is released. */
  want(args: Where & { readonly direction: HeldRight['direction']; readonly order: Json; readonly at: Millis | null }): void
  /** What was wanted for a permission that has come into force only now. */
  release(args: { readonly permission: string; readonly at: Millis }): void
  /** The data holder has it now, under these names; nothing of the order is kept. */
  opened(args: {
    readonly id: number
    readonly refs: readonly string[]
    readonly state: 'pending' | 'open'
    readonly code: string | null
    readonly now: Millis
  }): void
  stands(args: { readonly id: number; readonly state: 'open'; readonly now: Millis }): void
  /** It is over there by the data holder's own word, or was refused: nothing is left to ask. */
  over(args: { readonly id: number; readonly code: string | null; readonly now: Millis }): void
  proof(args: { readonly id: number; readonly proof: ProofState | null; readonly until: Day | null }): void
  /** The permission has ended. Where the data holder itself ended it, there is nothing left to ask. */
  end(permission: string, by: EndReason | undefined, now: Millis): void
  /** The one that has waited longest, if it is its turn; nobody else gets it for `forMs`. */
  take(args: { readonly now: Millis; readonly forMs: number }): RightTask | null
  /** The end is acknowledged, with the entry that says so; or the data holder is to be asked again at `at`. */
  settle(args: {
    readonly id: number
    readonly result: { readonly is: 'acknowledged' } | { readonly is: 'again'; readonly at: Millis }
    readonly code: string | null
    readonly now: Millis
  }): { readonly entry: string | null }
  of(permission: string): readonly RightSummary[]
  /** Those of a permission that the data holder has under a name, at one provider. */
  named(args: {
    readonly permission: PermissionId
    readonly provider: ProviderId
  }): readonly (Omit<KnownRight, 'permission'> & HeldRight & { readonly account: AccountId; readonly meter: MeterId })[]
  /** Ends this one there; what is being ended already goes on. */
  stop(args: { readonly id: number; readonly now: Millis }): void
  /** The right of a permission whose proof the data holder has asked to see. */
  proofAsked(args: { readonly permission: string }): { readonly id: number; readonly account: AccountId; readonly ref: string } | null
  /** Rights whose proof is awaited, by their last day. */
  proofsAwaited(): readonly { readonly permission: PermissionId; readonly until: string | null }[]
  /** Of an account, those that the data holder has or had, and that have not ended here. */
  known(args: { readonly provider: ProviderId; readonly account: AccountId }): readonly KnownRight[]
  counts(): Readonly<Record<Exclude<RightState, 'ended'>, number>> & { readonly oldestEnding: Millis | null }
}

interface Box {
  readonly meter: MeterId
  readonly direction: HeldRight['direction']
  readonly ref?: string
  readonly order?: Json
}

/** Whose end nobody needs to ask for: the data holder said so itself. */
const BY_HOLDER: readonly (EndReason | undefined)[] = ['revoked_by_dso', 'rejected_by_dso']

export function rightsOn(db: Database, journal: Journal, keys: KeyStore, index: Uint8Array, operatorKey: (now: Millis) => string): Rights {
  const sql = {
    insert: db.prepare(
      `INSERT INTO holder_right (permission, provider, account, token, meter, state, since, next_at, box_key, box, code)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    status: db.prepare('SELECT status, end_reason FROM permission WHERE id = ?'),
    /** What was never asked for needs no end there. */
    forget: db.prepare(
      "UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, box = NULL WHERE permission = ? AND state = 'wanted'",
    ),
    end: db.prepare(
      "UPDATE holder_right SET state = 'ending', since = ?, next_at = ?, attempts = 0 WHERE permission = ? AND state IN ('pending', 'open')",
    ),
    stop: db.prepare(
      "UPDATE holder_right SET state = 'ending', since = ?, next_at = ?, attempts = 0, code = NULL WHERE id = ? AND state IN ('pending', 'open')",
    ),
    drop: db.prepare(
      "UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, box = NULL WHERE permission = ? AND state <> 'ended'",
    ),
    over: db.prepare("UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, box = NULL, code = ? WHERE id = ?"),
    /** Of two gates that want it at once, the second finds its turn moved on. */
    take: db.prepare(
      `UPDATE holder_right SET next_at = :later WHERE next_at <= :now
         AND id = (SELECT id FROM holder_right WHERE next_at <= :now ORDER BY next_at, id LIMIT 1) RETURNING *`,
    ),
    byId: db.prepare('SELECT * FROM holder_right WHERE id = ?'),
    remove: db.prepare('DELETE FROM holder_right WHERE id = ?'),
    stands: db.prepare('UPDATE holder_right SET state = ?, since = ? WHERE id = ?'),
    proof: db.prepare('UPDATE holder_right SET proof = ?, proof_until = ? WHERE id = ?'),
    byToken: db.prepare('SELECT 1 FROM holder_right WHERE token = ?'),
    openThere: db.prepare("SELECT 1 FROM holder_right WHERE permission = ? AND provider = ? AND state = 'open' LIMIT 1"),
    release: db.prepare("UPDATE holder_right SET next_at = ? WHERE permission = ? AND state = 'wanted' AND next_at IS NULL"),
    again: db.prepare('UPDATE holder_right SET attempts = attempts + 1, next_at = ?, code = ? WHERE id = ?'),
    ended: db.prepare(
      "UPDATE holder_right SET state = 'ended', since = ?, next_at = NULL, attempts = attempts + 1, code = ?, entry = ?, box = NULL WHERE id = ?",
    ),
    awaited: db.prepare(
      "SELECT permission, proof_until FROM holder_right WHERE state = 'open' AND proof = 'awaited' ORDER BY proof_until, id LIMIT 1000",
    ),
    of: db.prepare('SELECT * FROM holder_right WHERE permission = ? ORDER BY id'),
    known: db.prepare(
      "SELECT * FROM holder_right WHERE provider = ? AND account = ? AND state IN ('pending', 'open', 'ending') ORDER BY id",
    ),
    counts: db.prepare("SELECT state, count(*) AS n, min(since) AS since FROM holder_right WHERE state <> 'ended' GROUP BY state"),
  }
  function boxOf(row: Row): Box | undefined {
    const text = row.box === null ? undefined : keys.unbox(row.box_key, row.box, `right ${row.permission}`)
    return text === undefined ? undefined : (JSON.parse(text) as Box)
  }
  function rowOf(id: number): Row | undefined {
    return sql.byId.get(id) as unknown as Row | undefined
  }
  function tokenOf(provider: ProviderId, account: AccountId, ref: string): Buffer {
    return indexToken(index, provider, 'right', `${account}\0${ref}`)
  }
  function insert(
    { permission, provider, account, meter, now }: Where,
    box: Box,
    state: RightState,
    at: Millis | null,
    code: string | null,
  ): void {
    const key = operatorKey(now)
    const token = box.ref === undefined ? null : tokenOf(provider, account, box.ref)
    const boxed = keys.box(key, JSON.stringify(box), `right ${permission}`)
    try {
      sql.insert.run(permission, provider, account, token, meterTokenOf(index, meter), state, now, at, key, boxed, code)
    } catch (error) {
      if (isTaken(error)) throw new Refused(`a right at ${provider} is on record already for another permission`)
      throw error
    }
  }
  /** An act may have come before the data holder's answer. */
  function endIfOver(permission: string, now: Millis): void {
    const row = sql.status.get(permission)
    if (row?.['status'] === 'ended' || row?.['status'] === 'refused') rights.end(permission, row['end_reason'] as EndReason, now)
  }

  const rights: Rights = {
    add({ rights: held, ...where }) {
      for (const { ref, direction } of held) insert(where, { meter: where.meter, ref, direction }, 'open', null, null)
      endIfOver(where.permission, where.now)
    },
    learned({ rights: held, ...where }) {
      const fresh = held.filter(({ ref }) => sql.byToken.get(tokenOf(where.provider, where.account, ref)) === undefined)
      rights.add({ rights: fresh, ...where })
    },
    isOpen: (permission, provider) => sql.openThere.get(permission, provider) !== undefined,
    want({ direction, order, at, ...where }) {
      insert(where, { meter: where.meter, direction, order }, 'wanted', at, null)
    },
    opened({ id, refs, state, code, now }) {
      const row = rowOf(id)
      const box = row && boxOf(row)
      if (!row || !box) return
      sql.remove.run(id)
      const { permission, provider, account } = row
      for (const ref of refs)
        insert(
          { permission, provider, account, meter: box.meter, now },
          { meter: box.meter, direction: box.direction, ref },
          state,
          null,
          code,
        )
      endIfOver(permission, now)
    },
    release: ({ permission, at }) => void sql.release.run(at, permission),
    stands: ({ id, state, now }) => void sql.stands.run(state, now, id),
    over: ({ id, code, now }) => void sql.over.run(now, code, id),
    proof: ({ id, proof, until }) => void sql.proof.run(proof, until, id),
    end(permission, by, now) {
      if (BY_HOLDER.includes(by)) sql.drop.run(now, permission)
      else {
        sql.forget.run(now, permission)
        sql.end.run(now, now, permission)
      }
    },
    take({ now, forMs }) {
      const row = sql.take.get({ now, later: now + forMs }) as unknown as Row | undefined
      const box = row && boxOf(row)
      if (!box) return null
      const { id, permission, provider, account, attempts } = row
      const about = { id, permission, provider, account, attempts, meter: box.meter, direction: box.direction }
      if (row.state === 'ending' && box.ref !== undefined) return { ...about, task: 'end', ref: box.ref }
      return row.state === 'wanted' && box.order !== undefined ? { ...about, task: 'open', order: box.order } : null
    },
    settle({ id, result, code, now }) {
      const row = rowOf(id)
      if (!row || row.next_at === null) return { entry: null }
      if (result.is === 'again') {
        sql.again.run(result.at, code, id)
        return { entry: null }
      }
      const { ref, meter } = boxOf(row) ?? {}
      const { entry } = journal.append(
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
          proof: row.proof,
          proofUntil: row.proof_until,
        }
      })
    },
    named({ permission, provider }) {
      const rows = (sql.of.all(permission) as unknown as Row[]).filter((row) => row.provider === provider && row.state !== 'ended')
      return rows.flatMap((row) => {
        const { ref, direction, meter } = boxOf(row) ?? {}
        if (ref === undefined || direction === undefined || meter === undefined) return []
        const { id, account, state, since, proof } = row
        return [{ id, account, meter, ref, direction, state, since: since as Millis, proof }]
      })
    },
    stop: ({ id, now }) => void sql.stop.run(now, now, id),
    proofAsked({ permission }) {
      const rows = sql.of.all(permission) as unknown as Row[]
      const row = rows.find(({ state, proof }) => state === 'open' && (proof === 'awaited' || proof === 'being_checked'))
      const ref = row && boxOf(row)?.ref
      return row && ref !== undefined ? { id: row.id, account: row.account, ref } : null
    },
    proofsAwaited: () =>
      sql.awaited.all().map((row) => ({
        permission: row['permission'] as PermissionId,
        until: row['proof_until'] === null ? null : String(row['proof_until']),
      })),
    known: ({ provider, account }) =>
      (sql.known.all(provider, account) as unknown as Row[]).flatMap((row) => {
        const ref = boxOf(row)?.ref
        if (ref === undefined) return []
        return [{ id: row.id, permission: row.permission, ref, state: row.state, since: row.since as Millis, proof: row.proof }]
      }),
    counts() {
      const rows = new Map(sql.counts.all().map((row) => [String(row['state']), row]))
      const count = (state: RightState): number => Number(rows.get(state)?.['n'] ?? 0)
      const ending = rows.get('ending')
      return {
        wanted: count('wanted'),
        pending: count('pending'),
        open: count('open'),
        ending: count('ending'),
        oldestEnding: ending ? (Number(ending['since']) as Millis) : null,
      }
    },
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
  readonly next_at: number | null
  readonly attempts: number
  readonly code: string | null
  readonly entry: string | null
  readonly proof: ProofState | null
  readonly proof_until: string | null
  readonly box_key: string
  readonly box: Uint8Array | null
}
