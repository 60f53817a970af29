/**
 * What one client may know and end of the services and rights that data holders have open: those of its own permissions,
 * on the set of its token. What belongs to others is answered exactly as what does not exist.
 */
import type { Database } from '../storage/database.ts'
import type { MeterId } from '../domain/meter.ts'
import type { AccountId, ClientId, PermissionId, Scope } from '../domain/permission.ts'
import type { Caller } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import type { ProofState, ProviderId, RightState } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { Registry } from './registry.ts'
import type { Rights } from './rights.ts'

export interface WhoseRights {
  readonly client: ClientId
  readonly set: Caller['set']
  readonly provider: ProviderId
}
export interface OwnRight {
  readonly id: number
  readonly ref: string
  readonly permission: PermissionId
  readonly account: AccountId
  readonly meter: MeterId
  readonly direction: 'withdrawal' | 'injection'
  readonly state: RightState
  readonly since: Millis
  readonly proof: ProofState | null
  readonly scope: Scope
}

export interface ClientRights {
  /** Null where the caller has no permission on a meter that it names. */
  of(args: WhoseRights & { readonly meters: 'all' | readonly MeterId[] }): readonly OwnRight[] | null
  /** Queues their end, on record under the client's name. Null where one of them is not the caller's own. */
  stop(
    args: WhoseRights & {
      readonly meter: MeterId
      readonly refs: readonly string[]
      readonly direction: 'withdrawal' | 'injection' | null
      readonly credential: string
      readonly now: Millis
    },
  ): { readonly n: number; readonly entry: string; readonly ids: readonly number[] } | null
  /** How far an end has come. */
  stand(args: {
    readonly ids: readonly number[]
  }): readonly { readonly id: number; readonly state: RightState; readonly code: string | null }[]
}

export function clientRightsOn(
  db: Database,
  registry: Registry,
  rights: Rights,
  journal: Journal,
  operatorKey: (now: Millis) => string,
): ClientRights {
  const sql = {
    permissions: db.prepare('SELECT id FROM permission WHERE client = ? ORDER BY id'),
    onMeter: db.prepare('SELECT id FROM permission WHERE client = ? AND meter = ? ORDER BY id'),
    stand: db.prepare('SELECT id, state, code FROM holder_right WHERE id = ?'),
  }
  function permissionsOf({ client, set }: WhoseRights, meters: 'all' | readonly MeterId[]): readonly (readonly PermissionId[])[] {
    const rows =
      meters === 'all' ? [sql.permissions.all(client)] : meters.map((meter) => sql.onMeter.all(client, registry.meterToken(meter)))
    return rows.map((list) => list.map((row) => row['id'] as PermissionId).filter((id) => set === 'all' || set.includes(id)))
  }
  function rightsUnder(permission: PermissionId, provider: ProviderId): OwnRight[] {
    const scope = registry.show({ permission }).content?.scope
    if (!scope) return []
    return rights.named({ permission, provider }).map((one) => ({ ...one, permission, scope }))
  }
  const clientRights: ClientRights = {
    of({ meters, ...whose }) {
      const lists = permissionsOf(whose, meters)
      if (meters !== 'all' && lists.some((list) => list.length === 0)) return null
      return lists.flat().flatMap((permission) => rightsUnder(permission, whose.provider))
    },
    stop({ meter, refs, direction, credential, now, ...whose }) {
      const own = permissionsOf(whose, [meter])
        .flat()
        .flatMap((permission) => rightsUnder(permission, whose.provider))
        .filter((right) => direction === null || right.direction === direction)
      const named = refs.map((ref) => own.find((right) => right.ref === ref))
      const found = named.filter((right) => right !== undefined)
      if (found.length < refs.length || new Set(refs).size < refs.length) return null
      for (const { id } of found) rights.stop({ id, now })
      const { n, entry } = journal.append(
        {
          clear: {
            t: 'admin.right',
            change: 'stopping',
            client: whose.client,
            dso: `${whose.provider}/${found[0]?.account ?? ''}`,
            count: found.length,
          },
          sealed: {
            permissions: [...new Set(found.map(({ permission }) => permission))],
            rights: found.map(({ ref }) => ref),
            meter,
            credential,
          },
          keyId: operatorKey(now),
          index: [...new Set(found.map(({ permission }) => registry.token({ permission })))],
        },
        now,
      )
      return { n, entry, ids: found.map(({ id }) => id) }
    },
    stand: ({ ids }) =>
      ids.flatMap((id) => {
        const row = sql.stand.get(id)
        return row ? [{ id, state: row['state'] as RightState, code: row['code'] as string | null }] : []
      }),
  }
  return clientRights
}
