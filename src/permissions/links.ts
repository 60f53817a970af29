/**
 * What leads to a person's pages beside Enedis: one-time links, and identities that a person linked and may unlink.
 *
 * One-time links: an operator hands one to a person who has no other way to its page. Whoever opens it sees what the
 * holder of that permission gave on that meter, once. A link is 256 random bits in a ticket; that it was made and that
 * it was used are entries of the log, because it opens a person's data.
 */
import { randomBytes } from 'node:crypto'
import type { Database } from '../storage/database.ts'
import type { Json } from '../domain/canonical.ts'
import type { PermissionId } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import type { Journal } from '../storage/journal.ts'
import { Refused } from '../storage/rpc.ts'
import type { PermissionContent } from './record.ts'
import type { Registry } from './registry.ts'
import { permissionToken } from './registry.ts'
import type { Tickets } from './tickets.ts'

export interface Links {
  make(args: { readonly permission: string; readonly by: string; readonly ttlSeconds: number; readonly now: Millis }): {
    /** 43 characters: what follows `/link/` in the address. */
    readonly token: string
    readonly expiresAt: Millis
    /** Number of the entry that records it. */
    readonly entry: number
  }
  /** Whether it could be used now; this uses nothing up. */
  stands(args: { readonly token: string; readonly now: Millis }): boolean
  /** Once. Null where it is unknown, over or used, or where its person was erased meanwhile. */
  use(args: { readonly token: string; readonly now: Millis }): readonly PermissionId[] | null
  /** Whether an identity finds any of these permissions. */
  linked(args: { readonly permissions: readonly string[] }): boolean
  /** No identity finds these permissions any more. */
  unlink(args: { readonly permissions: readonly string[] }): void
}

const KIND = 'link'

export function linksOn(db: Database, journal: Journal, registry: Registry, tickets: Tickets, index: Uint8Array): Links {
  const linked = db.prepare('SELECT 1 FROM identity_link WHERE permission IN (SELECT value FROM json_each(?)) LIMIT 1')
  const unlink = db.prepare('DELETE FROM identity_link WHERE permission IN (SELECT value FROM json_each(?))')
  const keysOf = db.prepare('SELECT meter, box_key, key_ids, client FROM permission WHERE id = ?')

  function record(permission: string, change: 'made' | 'used', actor: Json, now: Millis): number {
    const row = keysOf.get(permission)
    if (!row) throw new Refused(`there is no permission ${permission}`)
    return journal.append(
      {
        clear: { t: 'admin.link', client: String(row['client']), change },
        sealed: { actor, selection: { permission } },
        keyId: String(row['box_key']),
        tags: JSON.parse(String(row['key_ids'])) as readonly string[],
        index: [Buffer.from(row['meter'] as Uint8Array).toString('hex'), permissionToken(index, permission)],
      },
      now,
    ).n
  }
  function contentOf(permission: string): PermissionContent | null {
    return registry.show({ permission }).content
  }
  return {
    make({ permission, by, ttlSeconds, now }) {
      if (contentOf(permission) === null) throw new Refused(`the person of permission ${permission} was erased: there is nothing to show`)
      const token = randomBytes(32).toString('base64url')
      tickets.put({ kind: KIND, id: token, payload: permission, ttlSeconds, now })
      const entry = record(permission, 'made', { role: 'operator', id: by }, now)
      return { token, expiresAt: (now + ttlSeconds * 1000) as Millis, entry }
    },
    linked: ({ permissions }) => linked.get(JSON.stringify(permissions)) !== undefined,
    unlink: ({ permissions }) => void unlink.run(JSON.stringify(permissions)),
    stands: ({ token, now }) => tickets.get({ kind: KIND, id: token, now }) !== null,
    use({ token, now }) {
      const permission = tickets.take({ kind: KIND, id: token, now })
      const content = permission === null ? null : contentOf(permission)
      if (permission === null || content === null) return null
      record(permission, 'used', { role: 'data_subject' }, now)
      const { kind, reference } = content.holder
      return registry
        .onMeter({ meter: content.meter })
        .filter((p) => p.content?.holder.kind === kind && p.content.holder.reference === reference)
        .map((p) => p.id as PermissionId)
    },
  }
}
