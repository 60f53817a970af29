/**
 * What a granted request will call is promised by the quotas before anything is answered: all its parts, or none.
 */
import type { Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { AccountId, PermissionView } from '../domain/permission.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Basis } from './deliver.ts'
import type { Exchange } from './pipeline.ts'
import type { Reservation } from './quota.ts'

export type Reserved = Extract<Reservation, { ok: true }>

export async function reserve(
  exchange: Exchange,
  access: AccessRequest,
  { seen, decision }: Basis,
): Promise<
  | { readonly reservations: ReadonlyMap<AccountId, Reserved> }
  | { readonly refusal: { readonly reason: Reason; readonly retryAfterSeconds?: number } }
> {
  const calls = new Map<AccountId, number>()
  for (const part of decision.parts) {
    const account = accountOf(exchange, seen.permissions, part)
    if (account === undefined) return { refusal: { reason: 'source_binding_missing' } }
    calls.set(account, (calls.get(account) ?? 0) + 1)
  }
  const callsPerHour = exchange.live.policy.rules.find((r) => r.id === decision.rule)?.callsPerHour ?? null
  const rule = callsPerHour === null ? null : { id: decision.rule, callsPerHour }
  const reservations = new Map<AccountId, Reserved>()
  for (const [account, count] of calls) {
    const reservation = await exchange.route.quota.reserve({ client: exchange.client.id, account, api: access.api, calls: count, rule })
    if (!reservation.ok) {
      for (const other of reservations.values()) other.release()
      const reason = reservation.whose === 'rule' ? 'quota_gate' : 'quota_holder'
      return { refusal: { reason, retryAfterSeconds: reservation.retryAfterSeconds } }
    }
    reservations.set(account, reservation)
  }
  return { reservations }
}

export function accountOf({ route }: Exchange, permissions: readonly PermissionView[], part: Part): AccountId | undefined {
  const bindings = permissions.find((p) => p.id === part.permission)?.bindings ?? []
  return bindings.find((b) => b.provider === route.id && b.ready && route.holders.has(b.account))?.account
}
