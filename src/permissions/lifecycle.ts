/**
 * Which act moves a permission from which state to which. Status is the projection of acts; nothing sets it directly.
 * Pure. Source: the transition table of the consent model (T1–T22).
 */
import type { PermissionView } from '../domain/permission.ts'
import { contains, union } from '../domain/time.ts'
import type { ActType, EndReason, Status, SuspendCause } from '../domain/vocabulary.ts'
import { END_REASONS } from '../domain/vocabulary.ts'

export interface Standing {
  readonly status: Status
  readonly endReason?: EndReason
  readonly suspendCause?: SuspendCause
  /** Invalidated: as if it had never been given. */
  readonly void: boolean
}

const LIVE: readonly Status[] = ['active', 'suspended']
const WAITING: readonly Status[] = ['requested', 'awaiting_confirmation', 'awaiting_check']

const FROM: Readonly<Record<ActType, readonly Status[]>> = {
  create: [],
  request: ['draft'],
  send: ['requested'],
  file: ['requested'],
  refuse: ['requested', 'awaiting_confirmation'],
  give: ['awaiting_confirmation'],
  confirm: ['awaiting_confirmation'],
  activate: ['awaiting_check'],
  suspend: ['active'],
  resume: ['suspended'],
  renew: ['active'],
  amend: ['active'],
  malformed: ['draft'],
  timed_out: ['awaiting_confirmation'],
  rejected_check: ['awaiting_check'],
  rejected_by_dso: ['awaiting_confirmation', 'awaiting_check'],
  cancelled: ['requested'],
  // Possible in every live state, without a reason given: withdrawing is never harder than giving.
  withdrawn_by_subject: [...LIVE, ...WAITING],
  revoked_by_dso: LIVE,
  revoked_by_controller: LIVE,
  revoked_by_operator: LIVE,
  terminated_by_recipient: LIVE,
  fulfilled: LIVE,
  expired: LIVE,
  superseded: LIVE,
  holder_changed: LIVE,
  invalidated: [...LIVE, ...WAITING, 'ended'],
}

const TO: Partial<Record<ActType, Status>> = {
  create: 'draft',
  request: 'requested',
  send: 'awaiting_confirmation',
  file: 'awaiting_check',
  refuse: 'refused',
  give: 'awaiting_check',
  confirm: 'awaiting_check',
  activate: 'active',
  suspend: 'suspended',
  resume: 'active',
  renew: 'active',
  amend: 'active',
}

/** The standing after `act`, or undefined where the act is not possible. */
export function after(standing: Standing | undefined, act: ActType, cause?: SuspendCause): Standing | undefined {
  if (act === 'create') return standing === undefined ? { status: 'draft', void: false } : undefined
  if (!standing || !FROM[act].includes(standing.status)) return undefined
  const to = TO[act]
  if (to === 'suspended') return { status: to, suspendCause: cause ?? 'dispute', void: standing.void }
  if (to !== undefined) return { status: to, void: standing.void }
  const reason = END_REASONS.find((r) => r === act)
  // Invalidating what had already ended keeps the first reason: only the flag is added.
  return { status: 'ended', endReason: standing.endReason ?? reason ?? 'cancelled', void: standing.void || act === 'invalidated' }
}

/** Whether all of a permission was to be read once and has been: what was delivered covers each line (T17). */
export function isFulfilled({ scope, deliveries }: Pick<PermissionView, 'scope' | 'deliveries'>): boolean {
  return scope.lines.every(({ id, recurrence, data }) => {
    if (recurrence !== 'once') return false
    const own = deliveries.filter((d) => d.line === id)
    return data === null ? own.length > 0 : union(own.flatMap((d) => d.data ?? [])).some((run) => contains(run, data))
  })
}
