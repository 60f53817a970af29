/**
 * The transaction on which the promises rest: an intent is recorded only if, at its own instant and in the registry
 * itself, token and client are in force, the permission is active in the very version decided on, the generation of
 * (client, meter) has not moved, and recurrence still holds. Else the caller is told `stale` and decides once more.
 *
 * All functions run inside the owner's transaction, one after the other: no act can come between check and record.
 */
import { INTENT_CHECK } from '../storage/checks.ts'
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import type { MeterId } from '../domain/meter.ts'
import { logOf, numberOf, positionOf } from '../domain/position.ts'
import type { AccountId, ClientId, LineId, PermissionId } from '../domain/permission.ts'
import type { Millis, Period } from '../domain/time.ts'
import type { ProviderId } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { Fields } from '../domain/record.ts'
import { OWN } from './own-calls.ts'

export interface IntentArgs {
  readonly fields: Fields
  readonly now: Millis
  readonly tokenHash: Uint8Array
  readonly client: ClientId
  readonly meterToken: Uint8Array
  readonly generation: number
  readonly permission: { readonly id: PermissionId; readonly version: number; readonly scopeHash: string }
  readonly injection: boolean
  readonly req: string
  readonly call: number
  /** Position of the request's first intent; null for that one itself. What began in one log stays in it. */
  readonly first: number | null
  /** For a line that recurs or is read once: the deliveries that the decision saw. */
  readonly recurrence: {
    readonly line: LineId
    /** Read once: a delivery of any days may have been its last. */
    readonly once: boolean
    readonly period: Period | null
    readonly seen: readonly string[]
  } | null
}
export type IntentResult =
  /** `n`: its position; `entry`: its name. */
  | { readonly is: 'recorded'; readonly n: number; readonly entry: string; readonly at: Millis }
  | { readonly is: 'stale'; readonly why: StaleBecause }
export type StaleBecause = 'token' | 'client' | 'permission' | 'generation' | 'recurrence'

export interface OutcomeArgs {
  readonly intent: number
  readonly fields: Fields
  readonly now: Millis
  /** Whether recurrence counts this as a delivery. */
  readonly delivered: boolean
  /** Whether the data holder was called: from days that were kept nothing is learned of it. */
  readonly asked: boolean
  /** Whether the request makes no further call. */
  readonly over: boolean
  /** What the data holder has opened for the permission because of it. */
  readonly opened?: OpenedThere
}
export interface OpenedThere {
  readonly permission: PermissionId
  readonly provider: ProviderId
  readonly account: AccountId
  readonly meter: MeterId
  readonly direction: 'withdrawal' | 'injection'
  readonly refs: readonly string[]
}
/** What an outcome may have brought to its end: whoever keeps the registry looks. */
export interface Settled {
  readonly n: number
  readonly entry: string
  readonly permission: PermissionId
  /** Permissions whose recurring lines the request read, once it is over. */
  readonly counted: readonly PermissionId[]
}

export interface RefusedArgs {
  readonly fields: Fields
  readonly now: Millis
  readonly client: ClientId
  readonly tokenHash: Uint8Array
  /** False for what joins the minute's summary: it is confirmed like the others, and leaves no row. */
  readonly record: boolean
  /** Present where the refusal is about a meter; a refusal decided on another generation is `stale`. */
  readonly meter: { readonly token: Uint8Array; readonly generation: number } | null
}
export type RefusedResult =
  | { readonly is: 'recorded'; readonly n: number; readonly entry: string }
  | { readonly is: 'confirmed' }
  | { readonly is: 'stale' }

export interface AccessLog {
  intent(args: IntentArgs): IntentResult
  outcome(args: OutcomeArgs): Settled
  refused(args: RefusedArgs): RefusedResult
  /** After a crash: an `interrupted` outcome for each intent of a log without one; of the log written now where none is named. */
  interrupt(now: Millis, log?: number): readonly Settled[]
}

interface Kept {
  readonly permission: PermissionId
  readonly keyId: string
  readonly tags: readonly string[]
  readonly index: readonly string[]
}

export function accessLogOn(
  db: Database,
  journal: Journal,
  permissionToken: (id: string) => string,
  keyExists: (id: string) => boolean,
): AccessLog {
  const sql = {
    check: db.prepare(INTENT_CHECK),
    token: db.prepare(
      `SELECT t.revoked_at AS revoked, t.expires_at AS expires, c.disabled FROM token t JOIN client c ON c.id = t.client
       WHERE t.hash = ? AND t.client = ?`,
    ),
    generation: db.prepare('SELECT value FROM generation WHERE client = ? AND meter = ?'),
    readBy: db.prepare('SELECT DISTINCT permission FROM delivery WHERE req = ?'),
    insertDelivery: db.prepare(
      'INSERT INTO delivery (intent, permission, line, req, data_from, data_until, at, open, entry, begun) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)',
    ),
    keepDelivery: db.prepare('UPDATE delivery SET open = 0, entry = ? WHERE intent = ?'),
    dropDelivery: db.prepare('DELETE FROM delivery WHERE intent = ?'),
    insertOpen: db.prepare('INSERT INTO open_intent (n, req, call, body) VALUES (?, ?, ?, ?)'),
    takeOpen: db.prepare('DELETE FROM open_intent WHERE n = ? RETURNING req, call, body'),
    allOpen: db.prepare('SELECT n FROM open_intent WHERE body <> ? AND n >= ? AND n < ? ORDER BY n'),
    heldKeys: db.prepare('SELECT id, key_ids FROM permission WHERE client = ? AND meter = ?'),
    clientKey: db.prepare('SELECT key_id FROM client WHERE id = ?'),
  }
  const clientKey = (client: string): string | undefined => {
    const row = sql.clientKey.get(client)
    return row === undefined ? undefined : String(row['key_id'])
  }

  const access: AccessLog = {
    intent(args) {
      const at = journal.instant(args.now)
      const { recurrence, permission } = args
      const row = sql.check.get({
        at,
        purpose: args.fields.clear['purpose'] as string,
        generation: args.generation,
        permission: permission.id,
        version: permission.version,
        scopeHash: permission.scopeHash,
        meter: args.meterToken,
        token: args.tokenHash,
        client: args.client,
        req: args.req,
        line: recurrence?.line ?? null,
        once: recurrence?.once === true ? 1 : 0,
        from: recurrence?.period?.from ?? null,
        until: recurrence?.period?.until ?? null,
        seen: JSON.stringify(recurrence?.seen ?? []),
      })
      if (!row) return { is: 'stale', why: 'token' }
      if (row['why'] !== null) return { is: 'stale', why: row['why'] as StaleBecause }
      const keyIds = JSON.parse(String(row['key_ids'])) as string[]
      const keyId = (args.injection ? keyIds.at(-1) : keyIds[0]) ?? ''
      if (!keyExists(keyId)) return { is: 'stale', why: 'permission' }
      const kept: Kept = {
        permission: args.permission.id,
        keyId,
        tags: [keyId],
        index: [Buffer.from(args.meterToken).toString('hex'), permissionToken(args.permission.id)],
      }
      const {
        n,
        at: recordedAt,
        entry,
      } = journal.append(
        { ...args.fields, keyId, tags: kept.tags, index: kept.index },
        at,
        args.first !== null && journal.writes(logOf(args.first)) ? logOf(args.first) : journal.log,
      )
      sql.insertOpen.run(n, args.req, args.call, JSON.stringify(kept))
      if (args.recurrence) {
        const { line, period } = args.recurrence
        sql.insertDelivery.run(n, args.permission.id, line, args.req, period?.from ?? null, period?.until ?? null, at, entry, entry)
      }
      return { is: 'recorded', n, entry, at: recordedAt }
    },
    outcome(args) {
      const open = sql.takeOpen.get(args.intent)
      // One outcome for each intent: a second one is a fault of ours, and must not reach the log.
      if (!open) throw new Error(`no open intent ${args.intent}`)
      const { permission, ...kept } = JSON.parse(String(open['body'])) as Kept
      const { n, entry } = journal.append(
        {
          clear: { ...args.fields.clear, intent: numberOf(args.intent), req: String(open['req']), call: Number(open['call']) },
          sealed: args.fields.sealed,
          // Of a subject erased meanwhile nothing is found again, not even by a keyed hash of the meter.
          ...(keyExists(kept.keyId) && kept),
        },
        args.now,
        logOf(args.intent),
      )
      if (args.delivered) sql.keepDelivery.run(entry, args.intent)
      else sql.dropDelivery.run(args.intent)
      const counted = args.over ? sql.readBy.all(String(open['req'])).map((row) => row['permission'] as PermissionId) : []
      return { n, entry, permission, counted }
    },
    refused(args) {
      const token = sql.token.get(args.tokenHash, args.client)
      if (!token || token['revoked'] !== null || Number(token['expires']) <= args.now || token['disabled'] !== 0) return { is: 'stale' }
      const own = args.meter === null ? [] : sql.heldKeys.all(args.client, args.meter.token)
      if (args.meter !== null) {
        const generation = Number(sql.generation.get(args.client, args.meter.token)?.['value'] ?? 0)
        if (generation !== args.meter.generation) return { is: 'stale' }
      }
      if (!args.record) return { is: 'confirmed' }
      const subjects = [...new Set(own.flatMap((row) => JSON.parse(String(row['key_ids'])) as string[]))].filter(keyExists)
      const keyId = subjects[0] ?? clientKey(args.client)
      const meter = args.meter === null ? undefined : Buffer.from(args.meter.token).toString('hex')
      const { n, entry } = journal.append(
        {
          clear: args.fields.clear,
          sealed: args.fields.sealed,
          ...(keyId !== undefined && { keyId }),
          ...(subjects.length > 0 && { tags: subjects }),
          // On a meter where the caller holds nothing the log stays silent; only the local index may find it.
          ...(meter !== undefined && (subjects.length > 0 ? { index: [meter] } : { refusedIndex: meter })),
        },
        args.now,
      )
      return { is: 'recorded', n, entry }
    },
    interrupt(now, log = journal.log) {
      return sql.allOpen
        .all(OWN, positionOf(log, 0), positionOf(log + 1, 0))
        .map((row) =>
          access.outcome({ intent: Number(row['n']), fields: interruptedFields(), now, delivered: false, asked: true, over: true }),
        )
    },
  }
  return access
}

export function interruptedFields(): Fields {
  const clear: { readonly t: string; readonly [field: string]: Json } = { t: 'access.outcome', result: 'interrupted', status: null }
  return { clear, sealed: {} }
}
