/**
 * What the entries of a request say, as plain data: the fields in clear and the fields to be sealed. Pure, so that the
 * decision cases state answer and evidence side by side. In clear stand codes, days, steps and kinds only; whatever
 * names a meter, a person or a reference is sealed.
 */
import type { Json } from './canonical.ts'
import type { Decision, Part } from './decision.ts'
import type { Reason } from './errors.ts'
import type { AccountId, PermissionView } from './permission.ts'
import type { AccessRequest, Caller } from './request.ts'
import type { Millis, Period } from './time.ts'
import { rfc3339 } from './time.ts'

/** What settled a request that `decide` was not asked about, or could not settle. */
export type Stage = 'decide' | 'token' | 'route' | 'quota' | 'holder'

export interface Context {
  readonly req: string
  readonly caller: Caller
  readonly account: AccountId | null
  readonly now: Millis
  /** `sha256:…` of the policy document under which it was decided. */
  readonly policy: string
}

export interface Fields {
  readonly clear: { readonly t: string; readonly [field: string]: Json | undefined }
  readonly sealed: { readonly [name: string]: Json | undefined }
}

/** One call to the data holder: part `index` (from 0) of `total`, call number `call` (from 1; a retry is a new call). */
export function intentFields(
  context: Context & { readonly request: AccessRequest },
  decision: Exclude<Decision, { result: 'deny' }>,
  used: {
    readonly part: Part
    readonly index: number
    readonly total: number
    readonly call: number
    /** Absent: the data holder. `store`: days that were read before; the data holder is not called. */
    readonly source?: 'store'
  },
  considered: readonly PermissionView[],
): Fields {
  const permission = considered.find((p) => p.id === used.part.permission)
  return {
    clear: {
      t: 'access.intent',
      req: context.req,
      call: used.call,
      part: `${used.index + 1}/${used.total}`,
      ...whatWasAsked(context),
      sent: daysOf(used.part.period),
      ...(used.source && { source: used.source }),
      basis: permission?.scope.ground.gdprBasis ?? null,
      dec: {
        stage: 'decide',
        now: rfc3339(context.now),
        result: decision.result,
        obligations: decision.obligations as unknown as Json,
        rules: [decision.rule],
        policy: context.policy,
      },
    },
    sealed: {
      subject: { meter: context.request.meter },
      permissions: sealedPermissions(considered, used.part),
      ...sealedSet(context.caller),
    },
  }
}

/** A refusal of an identified client. `considered` are the caller's own permissions; with none, nothing names the meter. */
export function refusedFields(
  context: Context & { readonly request: AccessRequest | null },
  stage: Stage,
  reason: Reason,
  decision: Decision | null,
  considered: readonly PermissionView[],
): Fields {
  return {
    clear: {
      t: 'access.refused',
      req: context.req,
      ...whatWasAsked(context),
      dec: {
        stage,
        now: rfc3339(context.now),
        result: 'deny',
        reason,
        rules: decision?.rule === undefined ? [] : [decision.rule],
        policy: context.policy,
      },
    },
    sealed: {
      ...(considered.length > 0 &&
        context.request !== null && { subject: { meter: context.request.meter }, permissions: sealedPermissions(considered, null) }),
      ...sealedSet(context.caller),
    },
  }
}

function whatWasAsked({ request, caller, account }: Context & { readonly request: AccessRequest | null }): {
  readonly [field: string]: Json
} {
  if (request === null) return { client: caller.client, purpose: caller.purpose }
  return {
    client: caller.client,
    dso: account === null ? request.provider : `${request.provider}/${account}`,
    api: request.api,
    kind: request.kind,
    direction: request.direction,
    step: request.step,
    asked: daysOf(request.period),
    ...(request.orElse && { orElse: request.orElse }),
    ...(request.order && { order: { kinds: request.order.kinds, openEnded: request.order.openEnded } }),
    purpose: caller.purpose,
  }
}

export const OUTCOMES = [
  'delivered',
  'delivered_from_store',
  'no_data',
  'upstream_error',
  'unreadable',
  'dso_refused',
  'client_abort',
  'withdrawn',
  'limit',
  'timeout',
  'not_sent',
  'interrupted',
] as const
export type OutcomeResult = (typeof OUTCOMES)[number]

/** How one call ended. `bytes` are what the client got because of it, `holderBytes` what the holder sent. */
export function outcomeFields(outcome: {
  readonly result: OutcomeResult
  readonly status: number | null
  readonly bytes: number
  readonly holderBytes: number
  readonly counts: { readonly readings: number; readonly dropped: number; readonly first: string | null; readonly last: string | null }
  readonly ms: number
  readonly code: string | null
  /** Of the whole answer, in the last outcome of a request. */
  readonly digest: string | null
}): Fields {
  const { counts } = outcome
  return {
    clear: {
      t: 'access.outcome',
      result: outcome.result,
      status: outcome.status,
      bytes: outcome.bytes,
      holderBytes: outcome.holderBytes,
      readings: counts.readings,
      dropped: counts.dropped,
      first: counts.first,
      last: counts.last,
      ms: outcome.ms,
      ...(outcome.code !== null && { code: outcome.code }),
    },
    sealed: outcome.digest === null ? {} : { response: { alg: 'sha-256', digest: outcome.digest } },
  }
}

function daysOf(period: Period | null): Json {
  return period === null ? null : `${period.from}/${period.until}`
}

function sealedPermissions(considered: readonly PermissionView[], used: Part | null): Json {
  return considered
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((p) => ({
      id: p.id,
      version: p.version,
      scopeHash: p.scopeHash,
      head: p.head,
      delivered: p.deliveries.map((d) => d.entry),
      ...(used?.permission === p.id && { lines: p.scope.lines.filter((l) => l.id === used.line) as unknown as Json }),
    }))
}

function sealedSet(caller: Caller): { readonly set?: Json } {
  return caller.set === 'all' ? {} : { set: caller.set }
}
