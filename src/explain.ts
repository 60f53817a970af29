/**
 * Says why a decision is what it is: the rule, every line that was considered with how far it went, and the one fact
 * that decided. For a described request it decides on what the registry says now; for an entry, on what was so then.
 */
import { numberOf } from './domain/position.ts'
import type { Asked, Weighed } from './decide/decide.ts'
import { nearest, weigh } from './decide/decide.ts'
import type { Decision } from './domain/decision.ts'
import { REASONS } from './domain/errors.ts'
import type { MeterId } from './domain/meter.ts'
import type { PermissionId, PermissionView } from './domain/permission.ts'
import type { Caller } from './domain/request.ts'
import type { Millis, Period } from './domain/time.ts'
import { parseDay, parseInstant, period, rfc3339 } from './domain/time.ts'
import type { DataKind } from './domain/vocabulary.ts'
import { DATA_KINDS, DIRECTIONS, isDated, PROVIDERS, STEPS } from './domain/vocabulary.ts'
import { beginReading } from './audit.ts'
import type { Call } from './audit.ts'
import { openEntry, textOf, objectOf } from './evidence/opened.ts'
import { askedOf, policiesOf, replayUnder } from './replay.ts'
import type { PolicyDocument } from './settings/policy-document.ts'

export interface Explanation {
  readonly decision: Decision
  readonly rule: { readonly id: string; readonly onOverrun: string } | null
  /** In the order of permissions and lines; `decided`: the refusal speaks of this one, or a part uses it. */
  readonly lines: readonly {
    readonly permission: string
    readonly line: string
    readonly stage: string
    readonly why: string | null
    readonly days: readonly string[]
    readonly opensAgain: string | null
    readonly decided: boolean
  }[]
  /** The one fact that decided, as a sentence. */
  readonly fact: string
  readonly help: string | null
  readonly now: string
}

export function explain(asked: Asked): Explanation {
  const weighed = weigh(asked)
  const { decision, rule, lines } = weighed
  const told = decision.result === 'deny' ? nearest(lines) : undefined
  const uses = decision.result === 'deny' ? [] : decision.parts
  return {
    decision,
    rule: rule ? { id: rule.id, onOverrun: rule.onOverrun } : null,
    lines: lines.map((l) => ({
      permission: l.permission,
      line: l.line,
      stage: l.stage,
      why: l.stage === 'open' ? null : l.why,
      days: (l.stage === 'open' ? l.days : l.granted).map(daysOf),
      opensAgain: l.retryAt === undefined ? null : rfc3339(l.retryAt),
      decided: l === told || uses.some((part) => part.permission === l.permission && part.line === l.line),
    })),
    fact: factOf(asked, weighed),
    help: decision.result === 'deny' ? REASONS[decision.reason].help : null,
    now: rfc3339(asked.now),
  }
}

function factOf({ request, caller, policy }: Asked, { decision, rule, lines }: Weighed): string {
  if (decision.result !== 'deny') {
    const used = [...new Set(decision.parts.map((p) => `line ${p.line} of permission ${p.permission}`))].join(', ')
    const days = decision.parts.flatMap((p) => p.period ?? []).map(daysOf)
    const calls = decision.parts.length === 1 ? 'one call' : `${decision.parts.length} calls`
    return `${used} opens ${days.length > 0 ? days.join(', ') : request.kind}, in ${calls}${decision.result === 'narrow' ? '; the other days asked for are open to nobody here' : ''}`
  }
  if (decision.reason === 'no_permission' && lines.length === 0) return `no permission names ${caller.client} on this meter`
  if (!rule) {
    const purpose = policy.purposes.find((p) => p.code === caller.purpose)
    return purpose && !purpose.kinds.includes(request.kind)
      ? `the purpose ${caller.purpose} does not list ${request.kind}`
      : `no rule of the policy lets the purpose ${caller.purpose} read ${request.kind}`
  }
  const { title } = REASONS[decision.reason]
  switch (decision.reason) {
    case 'window_too_long':
      return `rule ${rule.id} allows ${rule.longestDays} days in one request`
    case 'too_old':
      return `the days asked for lie before what rule ${rule.id} or the data holder goes back to`
    case 'malformed':
      return isDated(request.kind) ? `${request.kind} is asked for with days` : `${request.kind} is asked for without days`
    default:
      break
  }
  const told = nearest(lines)
  if (told?.why === decision.reason)
    return `line ${told.line} of permission ${told.permission} went as far as ${told.stage}: ${title.toLowerCase()}`
  if (decision.permitted !== undefined && decision.permitted.length > 0) {
    const who = caller.refusesNarrowing
      ? `${caller.client} wants no part of what it asked for`
      : `rule ${rule.id} refuses what is not wholly granted`
    return `only ${decision.permitted.map(daysOf).join(', ')} is open, and ${who}`
  }
  return title.toLowerCase()
}

function daysOf({ from, until }: Period): string {
  return `${from}/${until}`
}

/** A request in the words of a command. */
export interface Described {
  readonly client: string
  readonly meter: string
  readonly kind: string
  readonly direction?: string
  readonly step?: string
  readonly from?: string
  readonly until?: string
  readonly now?: string
  readonly provider?: string
  /** The set of the token; all permissions of the client where absent. */
  readonly permissions?: readonly string[]
}

interface CurrentFacts {
  readonly permissions: readonly PermissionView[]
  readonly meter: MeterId
  readonly document: PolicyDocument
  readonly now: Millis
}

/** Throws with a sentence on words that describe no request. */
export async function explainDescribed(call: Call, described: Described): Promise<Explanation> {
  const kind = oneOf(described.kind, DATA_KINDS, 'kind')
  const step = described.step === undefined ? defaultStep(kind) : oneOf(described.step, [...STEPS, 'recorded'] as const, 'step')
  const direction = oneOf(described.direction ?? (isDated(kind) ? 'withdrawal' : 'n_a'), DIRECTIONS, 'direction')
  const provider = oneOf(described.provider ?? PROVIDERS[0], PROVIDERS, 'provider')
  const asked = daysAsked(kind, described.from, described.until)
  const facts = await call<CurrentFacts>('explain facts', { client: described.client, meter: described.meter })
  const client = facts.document.clients.find((c) => c.id === described.client)
  if (!client) throw new Error(`the settings declare no client ${described.client}`)
  const now = described.now === undefined ? facts.now : parseInstant(described.now)
  if (now === undefined) throw new Error('--now is an instant such as 2026-10-01T00:00:00Z')
  const set: Caller['set'] = described.permissions === undefined ? 'all' : (described.permissions as readonly PermissionId[])
  return explain({
    request: { provider, api: '', meter: facts.meter, kind, direction, step, period: asked },
    caller: { client: client.id, purpose: client.purpose, set, refusesNarrowing: client.refusesNarrowing },
    permissions: facts.permissions,
    policy: facts.document.policy,
    now,
  })
}

function defaultStep(kind: DataKind): 'recorded' | 'P1D' {
  return kind === 'load_curve' || kind === 'infraday' ? 'recorded' : 'P1D'
}

function oneOf<T extends string>(text: string, words: readonly T[], what: string): T {
  const word = words.find((w) => w === text)
  if (word === undefined) throw new Error(`${text} is no ${what}: expected one of ${words.join(', ')}`)
  return word
}

function daysAsked(kind: DataKind, from: string | undefined, until: string | undefined): Period | null {
  if (!isDated(kind)) {
    if (from !== undefined || until !== undefined) throw new Error(`${kind} has no days: leave --from and --until out`)
    return null
  }
  const [first, end] = [parseDay(from ?? ''), parseDay(until ?? '')]
  const asked = first !== undefined && end !== undefined ? period(first, end) : undefined
  if (!asked) throw new Error(`${kind} is asked for by days: --from and --until as YYYY-MM-DD, until excluded and later than from`)
  return asked
}

export interface EntryExplained {
  readonly entry: string
  readonly recordedAs: string
  /** What settled the request: `decide`, or another step before or after it. */
  readonly stage: string
  readonly onRecord: { readonly result: string | null; readonly reason: string | null }
  /** Null where the decision cannot be made again; `why` then says it. */
  readonly explanation: Explanation | null
  readonly why: string | null
}

export async function explainEntry(call: Call, n: number, why: string): Promise<EntryExplained> {
  const reading = await beginReading(call, { entries: [n], context: true }, why)
  const policies = policiesOf(await call('audit policies', {}))
  const replay = replayUnder(policies)
  for await (const page of reading.pages()) {
    for (const opened of page) {
      if (opened.n !== n) {
        replay.take(opened, false)
        continue
      }
      const dec = objectOf(openEntry(opened).record['dec'])
      const told = {
        entry: opened.name,
        recordedAs: reading.recordedAs,
        stage: textOf(dec['stage']) ?? 'none',
        onRecord: { result: textOf(dec['result']) ?? null, reason: textOf(dec['reason']) ?? null },
      }
      if (told.stage === 'none') return { ...told, explanation: null, why: 'this entry is no decision: look at it with ecluse audit open' }
      const facts = replay.facts(opened)
      if (typeof facts === 'string') return { ...told, explanation: null, why: `not recomputable: ${facts}` }
      if ('wrong' in facts) return { ...told, explanation: null, why: facts.wrong }
      const asked = askedOf(facts, policies)
      return asked ? { ...told, explanation: explain(asked), why: null } : { ...told, explanation: null, why: 'the policy is not at hand' }
    }
  }
  throw new Error(`the log has no entry ${numberOf(n)}`)
}
