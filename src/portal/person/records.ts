/**
 * The permissions that one signed-in person may see, as the pages need them. An id that is not in the session is treated
 * exactly as one that does not exist: it is never looked up.
 */
import type { ClientId, PermissionId } from '../../domain/permission.ts'
import type { AccessPage } from '../../evidence/person.ts'
import type { PermissionContent, PermissionRecord } from '../../permissions/record.ts'
import type { ClientSettings } from '../../settings/shape.ts'
import type { PortalParts } from '../ports.ts'
import type { Person } from '../visit.ts'

export interface Held {
  readonly record: PermissionRecord
  /** Who reads, as the settings in force name it; undefined where they name it no more. */
  readonly client: ClientSettings | undefined
}
/** One whose person was erased has no content any more: there is nothing to show but that. */
export type Shown = Held & { readonly record: PermissionRecord & { readonly content: PermissionContent } }

export async function heldOf(parts: PortalParts, person: Person, id: string): Promise<Shown | undefined> {
  if (!person.permissions.includes(id as PermissionId)) return undefined
  const record = await parts.state.call<PermissionRecord>('showPermission', { permission: id })
  const held = { record, client: parts.clients().get(record.client as ClientId) }
  return isShown(held) ? held : undefined
}

export async function allHeld(parts: PortalParts, person: Person): Promise<readonly Shown[]> {
  const all = await Promise.all([...new Set(person.permissions)].map((id) => heldOf(parts, person, id)))
  return all.filter((held) => held !== undefined).toSorted((a, b) => (a.record.validFrom < b.record.validFrom ? 1 : -1))
}

function isShown(held: Held): held is Shown {
  return held.record.content !== null
}

export function isLive({ record }: Held): boolean {
  return ['requested', 'awaiting_confirmation', 'awaiting_check', 'active', 'suspended'].includes(record.status)
}

export function nameOf({ client, record }: Held): string {
  return client?.name ?? record.client
}

export function accessesOf(parts: PortalParts, permission: string, limit: number, before?: number): Promise<AccessPage> {
  return parts.state.call<AccessPage>('personAccesses', { permission, limit, ...(before !== undefined && { before }) })
}
