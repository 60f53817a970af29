/**
 * What an operator's desk asks of the registry beyond the command line: pages of permissions, clients and tokens, and
 * changes that hold only if nothing happened since the operator looked. Runs inside the owner's transaction, so that
 * between the comparison and the change nothing can come.
 */
import type { Database } from '../storage/database.ts'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId, PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { rfc3339 } from '../domain/time.ts'
import type { ActType } from '../domain/vocabulary.ts'
import { Refused } from '../storage/rpc.ts'
import type { ActDetails, ActResult, PermissionRecord, PermissionSummary } from './record.ts'
import type { Registry } from './registry.ts'
import type { Tokens, TokenSummary } from './tokens.ts'

export interface ClientOnRecord {
  readonly id: string
  readonly disabled: boolean
  readonly credentials: readonly { readonly id: string; readonly createdAt: string }[]
  readonly liveTokens: number
}
/** `head`: `origin/n` of the last act; what a change may be conditioned on. */
export type PermissionAt = PermissionRecord & { readonly head: string }
export type Changed<T> = { readonly is: 'done'; readonly value: T } | { readonly is: 'stale' }

export interface Browse {
  permissions(args: {
    readonly client?: string | undefined
    readonly status?: string | undefined
    readonly meter?: MeterId | undefined
    readonly after?: string | undefined
    readonly limit: number
  }): readonly PermissionSummary[]
  permission(args: { readonly permission: string }): PermissionAt
  /** `stale` where the last act is not `head` any more; null: whatever it is. */
  actAt(args: {
    readonly permission: PermissionId
    readonly head: string | null
    readonly type: ActType
    readonly details: ActDetails
    readonly now: Millis
  }): Changed<ActResult>
  clients(args: { readonly now: Millis }): readonly ClientOnRecord[]
  /** A first credential, or a new one in place of `known`; `stale` where the client's credentials are not those any more. */
  credentialAt(args: {
    readonly client: ClientId
    readonly known: readonly string[]
    readonly now: Millis
  }): Changed<{ readonly clientId: string; readonly secret: string; readonly rotated: boolean }>
  tokens(args: {
    readonly client?: string | undefined
    readonly after?: string | undefined
    readonly limit: number
  }): readonly TokenSummary[]
}

export function browseOn(db: Database, registry: Registry, tokens: Tokens): Browse {
  const sql = {
    permissions: db.prepare(
      `SELECT id, version, client, status, end_reason, void, valid_from, valid_until FROM permission
       WHERE id > :after AND client = coalesce(:client, client) AND status = coalesce(:status, status)
         AND meter = coalesce(:meter, meter) ORDER BY id LIMIT :limit`,
    ),
    head: db.prepare('SELECT head FROM permission WHERE id = ?'),
    clients: db.prepare('SELECT id, disabled FROM client ORDER BY id'),
    credentials: db.prepare('SELECT id, created_at FROM credential WHERE client = ? AND revoked_at IS NULL ORDER BY created_at, id'),
    liveTokens: db.prepare('SELECT count(*) AS n FROM token WHERE client = ? AND revoked_at IS NULL AND expires_at > ?'),
    tokens: db.prepare('SELECT * FROM token WHERE id > :after AND client = coalesce(:client, client) ORDER BY id LIMIT :limit'),
  }
  const headOf = (id: string): string => String(sql.head.get(id)?.['head'] ?? '')
  return {
    permissions({ client, status, meter, after, limit }) {
      const token = meter === undefined ? null : registry.meterToken(meter)
      return sql.permissions
        .all({ after: after ?? '', client: client ?? null, status: status ?? null, meter: token, limit })
        .map((row) => ({
          id: String(row['id']),
          version: Number(row['version']),
          client: String(row['client']),
          status: String(row['status']),
          endReason: row['end_reason'] === null ? null : String(row['end_reason']),
          void: row['void'] === 1,
          validFrom: rfc3339(Number(row['valid_from']) as Millis),
          validUntil: rfc3339(Number(row['valid_until']) as Millis),
        }))
    },
    permission: ({ permission }) => ({ ...registry.show({ permission }), head: headOf(permission) }),
    actAt({ permission, head, type, details, now }) {
      if (head !== null && sql.head.get(permission) !== undefined && headOf(permission) !== head) return { is: 'stale' }
      return { is: 'done', value: registry.act({ permission, type, details, now }) }
    },
    clients: ({ now }) =>
      sql.clients.all().map((row) => {
        const id = String(row['id'])
        const credentials = sql.credentials
          .all(id)
          .map((c) => ({ id: String(c['id']), createdAt: rfc3339(Number(c['created_at']) as Millis) }))
        return { id, disabled: row['disabled'] === 1, credentials, liveTokens: Number(sql.liveTokens.get(id, now)?.['n'] ?? 0) }
      }),
    credentialAt({ client, known, now }) {
      const present = sql.credentials.all(client).map((c) => String(c['id']))
      if (present.length !== known.length || present.some((id, i) => id !== known[i])) return { is: 'stale' }
      const rotated = present.length > 0
      return { is: 'done', value: { ...tokens.addCredential({ client, rotate: rotated, now }), rotated } }
    },
    tokens({ client, after, limit }) {
      if (limit < 1 || limit > 1000) throw new Refused('a page has 1 to 1000 tokens')
      return sql.tokens.all({ after: after ?? '', client: client ?? null, limit }).map((row) => ({
        id: String(row['id']),
        client: String(row['client']),
        purpose: String(row['purpose']),
        permissions: row['permissions'] === null ? 'all' : (JSON.parse(String(row['permissions'])) as unknown[]).length,
        expiresAt: rfc3339(Number(row['expires_at']) as Millis),
        revoked: row['revoked_at'] !== null,
      }))
    },
  }
}
