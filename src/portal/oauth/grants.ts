/**
 * What a person gave, as the OAuth server remembers it: which permissions of the registry a grant stands for. What they
 * allow, and whether they still do, is asked of the registry each time.
 */
import { createHash } from 'node:crypto'
import { bareMeter } from '../../domain/meter.ts'
import type { PermissionRecord } from '../../permissions/record.ts'
import type { ClientId, Given, OAuthParts, PermissionId } from './ports.ts'

/** Longest life of a refresh token that the settings allow, and a day. */
export const GRANT_SECONDS = 1462 * 86_400

export interface Bundle {
  readonly permissions: readonly PermissionId[]
  readonly records: readonly PermissionRecord[]
  /** Each of them has ended for good. What is only suspended may come back: its client must not lose its tokens for it. */
  readonly over: boolean
  /** At least one of them may be used now. */
  readonly inForce: boolean
  /** Bare numbers of the meters that can be read, each once. */
  readonly meters: readonly string[]
  /** Of all that were ever in it; null once the person of one of them is erased, because then it is not known any more. */
  readonly everMeters: readonly string[] | null
}

export interface Grants {
  /** Remembers what was given; only what is the client's own. Undefined where nothing is. */
  remember(client: string, given: Given): Promise<Bundle | undefined>
  bundle(client: string, bundle: string): Promise<Bundle | undefined>
  /** Whether a client holds anything at all that is active. */
  holdsAny(client: string): Promise<boolean>
  /** Ends a grant and all that came from it; nothing of it is found afterwards. */
  end(client: string | undefined, grantId: string): Promise<void>
}

const KIND = 'oauth-bundle'

/** Names a grant in registry and evidence without being it. */
export function credentialOf(grantId: string): string {
  return `gnt_${createHash('sha256').update(grantId).digest('base64url').slice(0, 22)}`
}

export function grantsOn({ state, now, ended }: Pick<OAuthParts, 'state' | 'now' | 'ended'>): Grants {
  const { tickets, tokens } = state
  const idOf = (client: string, bundle: string): string => `${client} ${bundle}`
  async function standing(permissions: readonly PermissionId[]): Promise<Bundle> {
    const records = await Promise.all(permissions.map((permission) => state.showPermission({ permission })))
    const living = records.filter(isLiving)
    return {
      permissions,
      records,
      over: living.length === 0,
      inForce: living.some((record) => isInForce(record, now())),
      meters: metersOf(living),
      everMeters: records.some(({ content }) => content === null) ? null : metersOf(records),
    }
  }
  return {
    async remember(client, given) {
      const records = await Promise.all(given.permissions.map((permission) => state.showPermission({ permission })))
      const own = records.filter((record) => record.client === client).map((record) => record.id as PermissionId)
      if (own.length === 0) return undefined
      await tickets.put({
        kind: KIND,
        id: idOf(client, given.bundle),
        payload: JSON.stringify(own),
        ttlSeconds: GRANT_SECONDS,
        now: now(),
      })
      return standing(own)
    },
    async bundle(client, bundle) {
      const found = await tickets.get({ kind: KIND, id: idOf(client, bundle), now: now() })
      return found ? standing(JSON.parse(found.payload) as PermissionId[]) : undefined
    },
    async holdsAny(client) {
      const some = await state.listPermissions({ client, status: 'active', limit: 100 })
      return some.some((record) => isWithin(record, now()))
    },
    async end(client, grantId) {
      const stored = await tickets.take({ kind: 'Grant', id: grantId, now: now() })
      const owner = stored === null ? client : (JSON.parse(stored) as { readonly clientId?: string }).clientId
      await tickets.dropGrant({ grant: grantId })
      if (owner === undefined) return
      const hashes = await tokens.endOfCredential({ client: owner as ClientId, credential: credentialOf(grantId), now: now() })
      for (const hash of hashes) await ended(hash)
    },
  }
}

function metersOf(records: readonly PermissionRecord[]): readonly string[] {
  return [...new Set(records.flatMap(({ content }) => (content === null ? [] : [bareMeter(content.meter)])))]
}
function isLiving({ status, void: voided, content }: PermissionRecord): boolean {
  return content !== null && !voided && status !== 'ended' && status !== 'refused'
}
function isInForce(record: PermissionRecord, now: number): boolean {
  return record.status === 'active' && isWithin(record, now)
}
function isWithin({ validFrom, validUntil }: { readonly validFrom: string; readonly validUntil: string }, now: number): boolean {
  return Date.parse(validFrom) <= now && now < Date.parse(validUntil)
}
