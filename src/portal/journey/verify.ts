/**
 * Whether what came back is what this person shared just now: by the data holder's own list, never by the browser.
 *
 * A share counts if the holder says that it is in force and began no earlier than the day on which this browser was sent
 * to its page: who shares a meter again must first have removed the old share, so every true callback brings a fresh
 * one. That nobody else has claimed it is checked where it is put on record (`permissions/consent.ts`). Pure.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import type { SharedService } from '../../domain/share.ts'
import type { Day } from '../../domain/time.ts'
import type { Callback } from './callback.ts'

export interface VerifiedMeter {
  readonly meter: UsagePointId
  readonly authorisation: string
  /** The day on which the share began. */
  readonly from: Day
  readonly services: readonly SharedService[]
}
export type Verified =
  | { readonly is: 'verified'; readonly meters: readonly VerifiedMeter[] }
  /** Nothing yet: right after the callback the list may still be empty. */
  | { readonly is: 'nothing' }
  /** There is a share, but not one that this person gave just now. */
  | { readonly is: 'foreign' }

export function verify(
  claimed: Extract<Callback, { is: 'authorisation' | 'meters' }>,
  services: readonly SharedService[],
  sentOn: Day,
): Verified {
  const inForce = services.filter((s) => s.state === 'active' || s.state === 'asked')
  const named = inForce.filter((s) =>
    claimed.is === 'authorisation' ? s.authorisation === claimed.authorisation : claimed.meters.includes(s.meter),
  )
  if (named.length === 0) return { is: 'nothing' }
  const fresh = named.filter((s) => s.from >= sentOn)
  const meters = [...Map.groupBy(fresh, (s) => s.meter)].flatMap(([meter, of]): VerifiedMeter[] => {
    // One gesture for each meter: what an older share opens is not what was agreed to now.
    const authorisation = of.find((s) => s.authorisation !== undefined)?.authorisation
    const own = of.filter((s) => s.authorisation === authorisation)
    const from = own.map((s) => s.from).toSorted()[0]
    return authorisation === undefined || from === undefined ? [] : [{ meter, authorisation, from, services: own }]
  })
  // Of several meters in the address each must be shared: one that is not was put there by somebody else than Enedis.
  const missing = claimed.is === 'meters' && claimed.meters.some((meter) => !meters.some((m) => m.meter === meter))
  return meters.length === 0 || missing ? { is: 'foreign' } : { is: 'verified', meters }
}
