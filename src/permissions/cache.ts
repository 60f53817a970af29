/**
 * Fast copies of what the registry says: a bounded local table, and Redis in front of the registry where there is one.
 * They make decisions fast and never make them lawful: each is confirmed by the transaction that records it, and a
 * generation that has moved sends the reader back to the registry.
 *
 * A fill that began before an act must not bring back what the act ended: each act moves the epoch, and a fill is kept
 * only in the epoch in which it began.
 */
import type { MeterId } from '../domain/meter.ts'
import type { ClientId } from '../domain/permission.ts'
import type { Views } from './registry.ts'
import type { Identity } from './tokens.ts'

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

export interface Lookups {
  identify(hash: Buffer, fresh: boolean): Promise<Identity | undefined>
  views(client: ClientId, meter: MeterId, fresh: boolean): Promise<Views>
  dropIdentity(hash: Buffer): void
  dropViews(client: ClientId, meter: MeterId): void
  /** What another gate told us, or a channel that was cut: trust no copy. */
  flush(): void
}

export function lookups(
  source: Source,
  shared: SharedCache | undefined,
  most: number,
  onLookup: (what: 'token' | 'views', result: 'local' | 'shared' | 'registry') => void,
): Lookups {
  const identities = bounded<Identity>(most)
  const views = bounded<Views>(most)
  let epoch = 0
  const viewKey = (client: ClientId, meter: MeterId): string => `${client}\n${meter}`
  return {
    async identify(hash, fresh) {
      const key = hash.toString('base64')
      const known = fresh ? undefined : identities.get(key)
      if (known) {
        onLookup('token', 'local')
        return known
      }
      const began = epoch
      const passed = fresh ? undefined : await shared?.getIdentity(hash)
      const found = passed ?? (await source.identify(hash))
      onLookup('token', passed ? 'shared' : 'registry')
      // That a token is unknown is never remembered: it may be issued the next moment.
      if (found && began === epoch) {
        identities.set(key, found)
        if (!passed) shared?.putIdentity(hash, found)
      } else identities.delete(key)
      return found
    },
    async views(client, meter, fresh) {
      const key = viewKey(client, meter)
      const known = fresh ? undefined : views.get(key)
      if (known) {
        onLookup('views', 'local')
        return known
      }
      const began = epoch
      const passed = fresh ? undefined : await shared?.getViews(client, meter)
      const found = passed ?? (await source.views(client, meter))
      onLookup('views', passed ? 'shared' : 'registry')
      if (began === epoch && !found.permissions.some((p) => p.scope.lines.some((l) => l.recurrence !== 'on_demand'))) {
        views.set(key, found)
        if (!passed) shared?.putViews(client, meter, found)
      } else views.delete(key)
      return found
    },
    dropIdentity(hash) {
      epoch += 1
      identities.delete(hash.toString('base64'))
      shared?.dropIdentity(hash)
    },
    dropViews(client, meter) {
      epoch += 1
      views.delete(viewKey(client, meter))
      shared?.dropViews(client, meter)
    },
    flush() {
      epoch += 1
      identities.clear()
      views.clear()
    },
  }
}

/** The least recently used goes: keys that an attacker chooses cannot grow it. */
function bounded<T>(most: number): {
  get(key: string): T | undefined
  set(key: string, value: T): void
  delete(key: string): void
  clear(): void
} {
  const map = new Map<string, T>()
  return {
    get(key) {
      const value = map.get(key)
      if (value === undefined) return undefined
      map.delete(key)
      map.set(key, value)
      return value
    },
    set(key, value) {
      map.delete(key)
      if (map.size >= most) map.delete(map.keys().next().value ?? '')
      map.set(key, value)
    },
    delete: (key) => void map.delete(key),
    clear: () => map.clear(),
  }
}
