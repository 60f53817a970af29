/** Makes the form of a mandate from what the settings say of its client, and puts it on record as issued. */
import type { ClientId } from './domain/permission.ts'
import type { Purpose } from './domain/policy.ts'
import type { Millis } from './domain/time.ts'
import type { ActResult, PermissionRecord } from './permissions/record.ts'
import { scopeHashOf } from './permissions/registry.ts'
import { mandateForm } from './portal/mandate/form.ts'
import type { Settings } from './settings/shape.ts'
import { Refused } from './storage/rpc.ts'
import type { StateClient } from './storage/rpc.ts'

/** Undefined where it has been issued before. */
export type IssueMandate = (permission: string) => Promise<ActResult | undefined>

export function mandatesIssuedBy(parts: {
  readonly state: StateClient
  readonly settings: () => Settings
  readonly purposes: () => readonly Purpose[]
  readonly now: () => Millis
}): IssueMandate {
  const { state, now } = parts
  return async (permission) => {
    const { content, status } = await state.call<PermissionRecord>('showPermission', { permission })
    if (!content) throw new Refused(`the person of permission ${permission} was erased`)
    if (content.mandate !== true) throw new Refused(`permission ${permission} is given by no mandate`)
    if (status !== 'requested') return undefined
    const { clients, portal, instance } = parts.settings()
    const form = await mandateForm({
      permission,
      content,
      scopeHash: scopeHashOf(content.scope),
      client: clients.find(({ id }) => id === (content.scope.recipient as ClientId)),
      purposes: parts.purposes(),
      operator: portal?.operator ?? { name: instance.name },
      issued: now(),
    })
    return (await state.call<ActResult | null>('issueMandate', { permission, form, now: now() })) ?? undefined
  }
}
