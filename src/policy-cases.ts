/**
 * Runs decision cases: what `decide` says and what the evidence would hold, against what a case states. Pure.
 *
 * What is expected in clear is put together here from the case alone and compared whole, so that an entry with one field
 * too many fails as well as one with a field too few.
 */
import type { Case } from './case-file.ts'
import type { ExpectedEntry } from './case-schema.ts'
import { coveredRuns, decide } from './decide/decide.ts'
import type { Json } from './domain/canonical.ts'
import type { Decision, Part } from './domain/decision.ts'
import type { PermissionView } from './domain/permission.ts'
import { intentFields, refusedFields, type Fields } from './domain/record.ts'
import type { Millis, Period } from './domain/time.ts'
import { rfc3339, union } from './domain/time.ts'
import { policyHash } from './settings/policy-document.ts'

export interface Difference {
  /** As `decision.reason`, `evidence[0].sent`. */
  readonly at: string
  readonly expected: Json | undefined
  readonly actual: Json | undefined
}
export interface Ran {
  readonly name: string
  readonly line: number
  readonly differences: readonly Difference[]
}

export function runCase(asked: Case): Ran {
  const { name, line, exact, evidence } = asked
  const decision = decide(asked)
  const entries = entriesOf(asked, decision)
  const differing = [...differences('decision', expectedDecision(asked), writtenDecision(decision), exact)]
  if (evidence) {
    const expected = evidence.map((entry, i) => (exact ? wholeEntry(asked, entry, i) : shortEntry(entry)))
    const actual = entries.map((entry) => (exact ? { ...entry } : namesOf(entry)))
    differing.push(...differences('evidence', expected, actual, exact))
  }
  return { name, line, differences: differing }
}

/** The entries that the gate records for this request, where each call is made once. */
export function entriesOf(asked: Case, decision: Decision): Fields[] {
  const considered = namedIn(asked)
  const context = { req: 'case', request: asked.request, caller: asked.caller, now: asked.now, policy: hashOf(asked) }
  if (decision.result === 'deny') return [refusedFields({ ...context, account: null }, 'decide', decision.reason, decision, considered)]
  return decision.parts.map((part, index) => {
    const binding = considered.find((p) => p.id === part.permission)?.bindings.find((b) => b.provider === asked.request.provider && b.ready)
    const used = { part, index, total: decision.parts.length, call: index + 1 }
    return intentFields({ ...context, account: binding?.account ?? null }, decision, used, considered)
  })
}

/** What the registry hands to `decide`: permissions of the caller on this meter. */
function namedIn({ permissions, caller, request }: Case): PermissionView[] {
  return permissions.filter((p) => p.scope.recipient === caller.client && p.meter === request.meter)
}

function hashOf(asked: Case): string {
  const { client: id, purpose, refusesNarrowing } = asked.caller
  return policyHash({ policy: asked.policy, clients: [{ id, purpose, refusesNarrowing }] })
}

type Shown = { readonly [key: string]: Json | undefined }

/** A decision as a case file writes it. */
function writtenDecision(decision: Decision): Shown {
  if (decision.result === 'deny') {
    const { result, reason, rule, permitted, retryAt } = decision
    return {
      result,
      reason,
      ...(rule !== undefined && { rule }),
      ...(permitted && { permitted: permitted.map((p) => range(p)) }),
      ...(retryAt !== undefined && { retry_at: rfc3339(retryAt as Millis) }),
    }
  }
  return {
    result: decision.result,
    rule: decision.rule,
    days: coveredRuns(decision.parts).map((p) => range(p)),
    parts: decision.parts.map((p) => writtenPart(p)),
    obligations: decision.obligations.map((o) =>
      o.id === 'clip_period' ? { id: o.id, periods: o.periods.map((p) => range(p)) } : { ...o },
    ),
  }
}

function writtenPart(part: Part): Shown {
  return {
    permission: part.permission,
    line: part.line,
    days: part.period && range(part.period),
    how: part.how,
    kind: part.kind,
    finest: part.finest,
    average_up: part.averageUp,
    keeps_straddling: part.keepsStraddling ?? false,
    keep_kinds: part.keepKinds,
  }
}

function expectedDecision({ decision, request }: Case): Shown {
  const { retry_at: retryAt, permitted, days, parts, obligations, ...same } = decision
  const covers = days ?? (parts && union(parts.flatMap((part) => part.days ?? [])))
  return {
    ...same,
    ...(retryAt !== undefined && { retry_at: rfc3339(retryAt) }),
    ...(permitted && { permitted: permitted.map((p) => range(p)) }),
    ...(covers && { days: covers.map((p) => range(p)) }),
    ...(parts && {
      parts: parts.map((part) => ({
        permission: part.permission,
        line: part.line,
        days: part.days && range(part.days),
        how: part.how,
        kind: part.kind ?? request.kind,
        finest: part.finest ?? request.step,
        average_up: part.average_up,
        keeps_straddling: part.keeps_straddling,
        keep_kinds: part.keep_kinds ?? [request.kind],
      })),
    }),
    ...(obligations && {
      obligations: obligations.map((o) => (o.id === 'clip_period' ? { id: o.id, periods: o.periods.map((p) => range(p)) } : { ...o })),
    }),
  }
}

/** The fields that the entry must have and no others: in clear, and what each sealed one holds. */
function wholeEntry(asked: Case, entry: ExpectedEntry, index: number): Shown {
  const { request, caller, decision } = asked
  const considered = namedIn(asked).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const used = entry.t === 'access.intent' ? decision.parts?.[index] : undefined
  const account = considered.find((p) => p.id === used?.permission)?.bindings.find((b) => b.ready)?.account
  const dec = {
    stage: 'decide',
    now: rfc3339(asked.now),
    result: decision.result,
    rules: decision.rule === undefined ? [] : [decision.rule],
    policy: hashOf(asked),
  }
  const about = {
    client: caller.client,
    dso: entry.dso ?? (account === undefined ? request.provider : `${request.provider}/${account}`),
    api: request.api,
    kind: request.kind,
    direction: request.direction,
    step: request.step,
    asked: request.period && range(request.period),
    ...(request.orElse && { orElse: request.orElse }),
    ...(request.order && { order: { kinds: request.order.kinds, openEnded: request.order.openEnded } }),
    purpose: caller.purpose,
  }
  const holds: Shown = {
    subject: { meter: request.meter },
    permissions: considered.map(({ id, version, scopeHash, head, deliveries, scope }) => ({
      id,
      version,
      scopeHash,
      head,
      delivered: deliveries.map((d) => d.entry),
      ...(id === used?.permission && { lines: scope.lines.filter((l) => l.id === used.line) as unknown as Json }),
    })),
    set: caller.set,
  }
  const clear: Shown =
    entry.t === 'access.refused'
      ? { t: entry.t, req: 'case', ...about, dec: { ...dec, reason: decision.reason } }
      : {
          t: entry.t,
          req: 'case',
          call: index + 1,
          part: entry.part,
          ...about,
          sent: entry.sent && range(entry.sent),
          basis: entry.basis,
          dec: { ...dec, obligations: decision.obligations as unknown as Json },
        }
  return { clear, sealed: Object.fromEntries((entry.sealed ?? []).map((name) => [name, holds[name]])) }
}

function shortEntry({ sent, sealed, ...same }: ExpectedEntry): Shown {
  return { ...same, ...(sent !== undefined && { sent: sent && range(sent) }), ...(sealed && { sealed: sealed.toSorted() }) }
}

function namesOf({ clear, sealed }: Fields): Shown {
  const names = Object.keys(sealed).filter((name) => sealed[name] !== undefined)
  return { t: clear.t, part: clear['part'], sent: clear['sent'], basis: clear['basis'], dso: clear['dso'], sealed: names.toSorted() }
}

/** @param whole a key that only one side has is a difference too; else only what is expected is looked for */
function differences(at: string, expected: Json | undefined, actual: Json | undefined, whole: boolean): Difference[] {
  if (isList(expected) && isList(actual) && expected.length === actual.length)
    return expected.flatMap((item, i) => differences(`${at}[${i}]`, item, actual[i], whole || typeof item !== 'object'))
  if (isMap(expected) && isMap(actual)) {
    const keys = Object.keys(whole ? { ...expected, ...actual } : expected)
    return keys.flatMap((key) => differences(`${at}.${key}`, expected[key], actual[key], whole))
  }
  return JSON.stringify(expected) === JSON.stringify(actual) ? [] : [{ at, expected, actual }]
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

function isMap(value: Json | undefined): value is Shown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function range({ from, until }: Period): string {
  return `${from}/${until}`
}
