/**
 * What a data holder says of the rights that it was asked for becomes acts: its person is asked, has said yes or no or
 * nothing, has taken it back, has moved; GRDF wants to see the proof, and has judged it. Each end has its own reason.
 *
 * As with the shares of Enedis only a word of the data holder counts: a list that is not whole says nothing, and where,
 * of the rights compared at once, more than 5 % and at least 5 have disappeared from it, that is the data holder's bad day.
 * Source: consent model T4–T14, T18, T20, T21; states of GRDF's Swagger v1.6.
 */
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import type { GasRight } from '../domain/gas-right.ts'
import type { AccountId, PermissionId, ScopeLine } from '../domain/permission.ts'
import type { Millis } from '../domain/time.ts'
import { addDays, intersect, parisDay, startOfDay } from '../domain/time.ts'
import type { ActType, EndReason, SuspendCause } from '../domain/vocabulary.ts'
import { isDated } from '../domain/vocabulary.ts'
import type { Journal } from '../storage/journal.ts'
import type { Attachments, NewAttachment } from './attachments.ts'
import type { ActDetails, ActResult, PermissionContent } from './record.ts'
import type { Registry } from './registry.ts'
import type { Compared } from './reconcile.ts'
import type { KnownRight, Rights } from './rights.ts'

export interface RightActs {
  /** The data holder has opened what was wanted, or asks the person now. */
  opened(args: {
    readonly id: number
    readonly permission: PermissionId
    readonly refs: readonly string[]
    readonly state: 'pending' | 'open'
    readonly code: string | null
    readonly now: Millis
  }): readonly ActResult[]
  /** It cannot be, as things stand there. */
  rejected(args: {
    readonly id: number
    readonly permission: PermissionId
    readonly code: string
    readonly now: Millis
  }): readonly ActResult[]
  /** The data holder has taken the proof, and looks at it now: what was sent is kept, and on record. */
  proofTaken(args: {
    readonly id: number
    readonly permission: PermissionId
    readonly account: AccountId
    readonly ref: string
    readonly papers: readonly NewAttachment[]
    readonly code: string
    readonly now: Millis
  }): readonly ActResult[]
  /** @param args.rights all that the data holder lists for the account */
  compare(args: {
    readonly account: AccountId
    readonly rights: readonly GasRight[]
    /** Before the question left. */
    readonly asked: Millis
    /** After which a person who says nothing has not agreed. */
    readonly confirmationMs: number
    readonly now: Millis
  }): Compared
}

/** What GRDF's word means for one permission. */
export type GasVerdict =
  | { readonly is: 'same' }
  | { readonly is: 'confirmed' }
  | { readonly is: 'refused' }
  | { readonly is: 'resumed' }
  | { readonly is: 'suspended'; readonly cause: SuspendCause }
  | { readonly is: 'narrower'; readonly lines: readonly ScopeLine[]; readonly validUntil: Millis }
  | { readonly is: 'ended'; readonly by: GasEnd; readonly seen: 'named' | 'disappeared' }
type GasEnd = Extract<
  EndReason,
  'withdrawn_by_subject' | 'revoked_by_dso' | 'expired' | 'holder_changed' | 'invalidated' | 'timed_out' | 'rejected_by_dso'
>

/** Suspensions that the data holder's own word lifts. */
const LIFTED: readonly (SuspendCause | null)[] = ['dso_signal', 'holder_refused', 'proof_overdue']

export interface GasStanding {
  readonly content: PermissionContent
  readonly status: string
  readonly cause: SuspendCause | null
  /** When the person was asked. */
  readonly since: Millis
}

/** Pure. @param right as GRDF lists it; undefined where it lists it no more */
export function judgeGas(
  { content, status, cause, since }: GasStanding,
  right: GasRight | undefined,
  confirmationMs: number,
  now: Millis,
): GasVerdict {
  const waiting = status === 'awaiting_confirmation'
  if (!right) return { is: 'ended', by: waiting ? 'rejected_by_dso' : 'revoked_by_dso', seen: 'disappeared' }
  if (right.proof === 'ko' && !waiting) return { is: 'ended', by: 'invalidated', seen: 'named' }
  switch (right.state) {
    case 'to_validate':
      return waiting && since + confirmationMs <= now ? { is: 'ended', by: 'timed_out', seen: 'named' } : { is: 'same' }
    case 'refused':
      return waiting ? { is: 'refused' } : { is: 'ended', by: 'revoked_by_dso', seen: 'named' }
    case 'revoked':
      if (waiting) return right.endedBy === 'holder' ? { is: 'refused' } : { is: 'ended', by: 'rejected_by_dso', seen: 'named' }
      return { is: 'ended', by: right.endedBy === 'holder' ? 'withdrawn_by_subject' : 'revoked_by_dso', seen: 'named' }
    case 'obsolete': {
      if (waiting) return { is: 'ended', by: 'rejected_by_dso', seen: 'named' }
      // Its days are over; or, before that, its holder has left the point.
      const over = right.lastDay !== null && right.lastDay < parisDay(now)
      return { is: 'ended', by: over ? 'expired' : 'holder_changed', seen: 'named' }
    }
    case 'to_check':
    case 'unknown':
      return status === 'active' ? { is: 'suspended', cause: 'dso_signal' } : { is: 'same' }
    case 'active':
      return waiting ? { is: 'confirmed' } : judgeActive(content, status, cause, right, now)
  }
}

function judgeActive(content: PermissionContent, status: string, cause: SuspendCause | null, right: GasRight, now: Millis): GasVerdict {
  const overdue = right.proof === 'awaited' && right.proofUntil !== null && right.proofUntil < parisDay(now)
  if (overdue) return status === 'active' ? { is: 'suspended', cause: 'proof_overdue' } : { is: 'same' }
  const narrower = narrowedTo(content, right)
  if (narrower) return narrower.lines.length === 0 ? { is: 'ended', by: 'revoked_by_dso', seen: 'named' } : { is: 'narrower', ...narrower }
  return status === 'suspended' && LIFTED.includes(cause) ? { is: 'resumed' } : { is: 'same' }
}

/** What GRDF granted and the permission asked for; undefined where that is all of the permission. */
export function narrowedTo(
  { scope }: PermissionContent,
  right: GasRight,
): { readonly lines: readonly ScopeLine[]; readonly validUntil: Millis } | undefined {
  const end = right.lastDay === null ? scope.validUntil : startOfDay(addDays(right.lastDay, 1))
  const validUntil = Math.min(scope.validUntil, end) as Millis
  const lines = scope.lines.flatMap((line) => {
    if (!right.kinds.includes(line.kind)) return []
    if (!isDated(line.kind) || line.data === null || right.data === null) return [line]
    const data = intersect(line.data, right.data)
    return data ? [{ ...line, data }] : []
  })
  const same = validUntil === scope.validUntil && JSON.stringify(lines) === JSON.stringify(scope.lines)
  return same ? undefined : { lines, validUntil }
}

export function rightActsOn(
  registry: Registry,
  rights: Rights,
  attachments: Attachments,
  journal: Journal,
  operatorKey: (now: Millis) => string,
): RightActs {
  const details = (reason: string): ActDetails => ({ actorRole: 'data_holder', channel: 'reconciliation', reason })
  const act = (permission: PermissionId, type: ActType, reason: string, now: Millis, cause?: SuspendCause): ActResult =>
    registry.act({ permission, type, details: { ...details(reason), ...(cause && { cause }) }, now })
  const statusOf = (permission: string): string => registry.show({ permission }).status

  /** @param snapshot of what the data holder confirmed: the proof of it here */
  function activate(permission: PermissionId, now: Millis, snapshot: readonly string[] = []): readonly ActResult[] {
    const confirmed = { ...details('confirmed_at_holder'), attachments: snapshot }
    return [registry.act({ permission, type: 'confirm', details: confirmed, now }), act(permission, 'activate', 'confirmed_at_holder', now)]
  }
  /** As GRDF listed it, without the names and addresses of its list: those are not read. */
  function snapshotOf(permission: PermissionId, right: GasRight): string {
    const bytes = Buffer.from(canonicalJson(right as unknown as Json))
    return attachments.add(permission, registry.keyOf({ permission }), { kind: 'dso_right_snapshot', mediaType: 'application/json', bytes })
  }
  function perform({ id, permission }: KnownRight, verdict: GasVerdict, right: GasRight | undefined, now: Millis): readonly ActResult[] {
    switch (verdict.is) {
      case 'same':
        return []
      case 'confirmed': {
        rights.stands({ id, state: 'open', now })
        const { content } = registry.show({ permission })
        const narrower = content && right ? narrowedTo(content, right) : undefined
        const given = activate(permission, now, right ? [snapshotOf(permission, right)] : [])
        if (!narrower) return given
        // Less was given than was asked for: what counts is both.
        if (narrower.lines.length === 0) return [...given, act(permission, 'revoked_by_dso', 'nothing_granted_at_holder', now)]
        return [...given, registry.narrow({ permission, ...narrower, details: details('granted_narrower_at_holder'), now })]
      }
      case 'refused':
        rights.over({ id, code: null, now })
        return [act(permission, 'refuse', 'refused_at_holder', now)]
      case 'resumed':
        return [act(permission, 'resume', 'confirmed_by_holder', now)]
      case 'suspended':
        return [
          act(permission, 'suspend', verdict.cause === 'proof_overdue' ? 'proof_overdue' : 'to_be_checked_at_holder', now, verdict.cause),
        ]
      case 'narrower':
        return [
          registry.narrow({
            permission,
            lines: verdict.lines,
            validUntil: verdict.validUntil,
            details: details('narrowed_at_holder'),
            now,
          }),
        ]
      case 'ended':
        // What GRDF itself has ended is not asked of it; after its no to the proof, or silence, the right is still there.
        if (verdict.by !== 'invalidated' && verdict.by !== 'timed_out') rights.over({ id, code: null, now })
        return [act(permission, verdict.by, `${verdict.seen}_at_holder`, now)]
    }
  }
  function unknown(account: AccountId, listed: readonly GasRight[], known: ReadonlySet<string>, now: Millis): number {
    const strange = listed.filter(({ id, state }) => state === 'active' && !known.has(id))
    if (strange.length > 0)
      journal.append(
        {
          clear: { t: 'admin.finding', what: 'unknown_right', dso: `grdf-adict/${account}`, count: strange.length },
          sealed: { rights: strange.slice(0, 100).map(({ id, point }) => ({ right: id, meter: point })) as unknown as Json },
          keyId: operatorKey(now),
        },
        now,
      )
    return strange.length
  }

  return {
    opened({ id, permission, refs, state, code, now }) {
      const acts: ActResult[] = []
      if (statusOf(permission) === 'requested') {
        acts.push(act(permission, 'send', state === 'pending' ? 'asked_at_holder' : 'opened_at_holder', now))
        if (state === 'open') acts.push(...activate(permission, now))
      }
      rights.opened({ id, refs, state, code, now })
      return acts
    },
    rejected({ id, permission, code, now }) {
      rights.over({ id, code, now })
      if (statusOf(permission) !== 'requested') return []
      return [act(permission, 'send', 'asked_at_holder', now), act(permission, 'rejected_by_dso', `code ${code}`, now)]
    },
    proofTaken({ id, permission, account, ref, papers, code, now }) {
      const key = registry.keyOf({ permission })
      const hashes = papers.map((paper) => attachments.add(permission, key, paper))
      journal.append(
        {
          clear: { t: 'admin.right', change: 'proof', dso: `grdf-adict/${account}`, count: hashes.length, code },
          sealed: { permission, right: ref, attachments: hashes },
          keyId: operatorKey(now),
          index: [registry.token({ permission })],
        },
        now,
      )
      rights.proof({ id, proof: 'being_checked', until: null })
      const { status, suspendCause } = registry.show({ permission })
      return status === 'suspended' && suspendCause === 'proof_overdue' ? [act(permission, 'resume', 'proof_taken_by_holder', now)] : []
    },
    compare({ account, rights: listed, asked, confirmationMs, now }) {
      const byId = new Map(listed.map((right) => [right.id, right]))
      const known = rights.known({ provider: 'grdf-adict', account })
      const judged = known.flatMap((one) => {
        if (one.state === 'ending' || one.since >= asked) return []
        const right = byId.get(one.ref)
        if (right) rights.proof({ id: one.id, proof: right.proof, until: right.proofUntil })
        const { status, suspendCause, content } = registry.show({ permission: one.permission })
        if (!content || !['awaiting_confirmation', 'active', 'suspended'].includes(status)) return []
        return [{ one, right, verdict: judgeGas({ content, status, cause: suspendCause, since: one.since }, right, confirmationMs, now) }]
      })
      const gone = judged.filter(({ verdict }) => verdict.is === 'ended' && verdict.seen === 'disappeared').length
      const badDay = gone >= 5 && gone > 0.05 * judged.length
      const acts = judged.flatMap(({ one, right, verdict }) =>
        badDay && verdict.is === 'ended' && verdict.seen === 'disappeared' ? [] : perform(one, verdict, right, now),
      )
      return {
        acts,
        permissions: judged.length,
        unknownRights: unknown(account, listed, new Set(known.map(({ ref }) => ref)), now),
        badDay,
      }
    },
  }
}
