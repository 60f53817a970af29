/**
 * Fast copies of what the registry says: a bounded local table, and Redis in front of the registry where there is one.
 * They make decisions fast and never make them lawful: each is confirmed by the transaction that records it, and a
 * generation that has moved sends the reader back to the registry.
 *
 * A fill that began before an act must not bring back what the act ended: each act moves the epoch, and a fill is kept
 * only in the epoch in which it began. What no transaction would confirm is not kept at all: that a token is unknown, or
 * its client disabled, is asked of the registry each time.
 */
import type { MeterId } from '../domain/meter.ts'
import type { ClientId } from '../domain/permission.ts'
import type { Views } from './registry.ts'
import { recentlyUsed } from './recently-used.ts'
import type { Identity } from './tokens.ts'
import { viewCopies } from './view-copies.ts'

export interface Source {
  identify(hash: Buffer): Promise<Identity | undefined>
  views(client: ClientId, meter: MeterId): Promise<Views>
}

/** A second-level cache. A miss and a fault look the same: undefined. */
export interface SharedCache {
  getIdentity(hash: Buffer): Promise<Identity | undefined>
  getViews(client: ClientId, meter: MeterId): Promise<Views | undefined>
  putIdentity(hash: Buffer, identity: Identity): void
  putViews(client: ClientId, meter: MeterId, views: Views): void
  dropIdentity(hash: Buffer): void
  dropViews(client: ClientId, meter: MeterId): void
}

/** What another gate of the instance says has changed; `all` also where something it said may have been missed. */
export type Told =
  | { readonly is: 'views'; readonly client: ClientId; readonly meter: MeterId }
  | { readonly is: 'token'; readonly hash: string }
  | { readonly is: 'all' }

export interface Lookups {
  /** `fresh` asks the registry itself. */
  identify(hash: Buffer, fresh: boolean): Promise<Identity | undefined>
  views(client: ClientId, meter: MeterId, fresh: boolean): Promise<Views>
  dropIdentity(hash: Buffer): void
  dropViews(client: ClientId, meter: MeterId): void
  /** Trust no local copy. */
  flush(): void
  /** Drops local copies only: who tells of a change has dropped the shared ones. */
  hear(told: Told): void
}

export function lookups(
  source: Source,
  shared: SharedCache | undefined,
  sizes: { readonly tokens: number; readonly recentViews: number; readonly packedViewBytes: number },
  onLookup: (what: 'token' | 'views', result: 'local' | 'shared' | 'registry') => void,
): Lookups {
  const identities = recentlyUsed<Identity>(sizes.tokens)
  const views = viewCopies({ recent: sizes.recentViews, packedBytes: sizes.packedViewBytes })
  let epoch = 0
  const tokenKey = (hash: Buffer): string => hash.toString('base64')
  function flush(): void {
    epoch += 1
    identities.clear()
    views.clear()
  }
  return {
    async identify(hash, fresh) {
      const key = tokenKey(hash)
      const known = fresh ? undefined : identities.get(key)
      if (known) {
        onLookup('token', 'local')
        return known
      }
      const began = epoch
      const passed = fresh ? undefined : await shared?.getIdentity(hash)
      const found = passed ?? (await source.identify(hash))
      onLookup('token', passed ? 'shared' : 'registry')
      if (found && !found.disabled && began === epoch) {
        identities.set(key, found)
        if (!passed) shared?.putIdentity(hash, found)
      } else identities.delete(key)
      if (fresh && (!found || found.disabled)) shared?.dropIdentity(hash)
      return found
    },
    async views(client, meter, fresh) {
      const known = fresh ? undefined : views.get(client, meter)
      if (known) {
        onLookup('views', 'local')
        return known
      }
      const began = epoch
      const passed = fresh ? undefined : await shared?.getViews(client, meter)
      const found = passed ?? (await source.views(client, meter))
      onLookup('views', passed ? 'shared' : 'registry')
      // Deliveries change without an act: where recurrence counts them, only the registry knows.
      const recurs = found.permissions.some((p) => p.scope.lines.some((l) => l.recurrence !== 'on_demand'))
      if (!recurs && began === epoch) {
        views.set(client, meter, found)
        if (!passed) shared?.putViews(client, meter, found)
      } else views.delete(client, meter)
      return found
    },
    dropIdentity(hash) {
      epoch += 1
      identities.delete(tokenKey(hash))
      shared?.dropIdentity(hash)
    },
    dropViews(client, meter) {
      epoch += 1
      views.delete(client, meter)
      shared?.dropViews(client, meter)
    },
    flush,
    hear(told) {
      if (told.is === 'all') return flush()
      epoch += 1
      if (told.is === 'token') identities.delete(told.hash)
      else views.delete(told.client, told.meter)
    },
  }
}
