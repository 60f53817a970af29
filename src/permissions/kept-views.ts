/** What the registry says of one client and one meter, as a copy of it is written: the key under which it lies says the rest. */
import type { MeterId } from '../domain/meter.ts'
import type { PermissionView } from '../domain/permission.ts'
import type { Views } from './registry.ts'
import { scopeHashOf } from './registry.ts'

/** Without the meter, and without the hash of each scope, which is made from it again. */
export interface KeptViews {
  readonly generation: number
  readonly permissions: readonly Omit<PermissionView, 'meter' | 'scopeHash'>[]
}

export function keptOf({ generation, permissions }: Views): KeptViews {
  // What is undefined is not written.
  return { generation, permissions: permissions.map((permission) => ({ ...permission, meter: undefined, scopeHash: undefined })) }
}

/** The registry confirms the hash, in the transaction of each intent: it must be that of the scope that was decided on. */
export function viewsOf({ generation, permissions }: KeptViews, meter: MeterId): Views {
  return { generation, permissions: permissions.map((kept) => ({ ...kept, meter, scopeHash: scopeHashOf(kept.scope) })) }
}
