/**
 * Puts together, from the entries of a log in their order, what each decision in it was made from, and compares what is
 * decided on that with what the entry says. How it is decided is handed in: this file knows the evidence only.
 *
 * Permissions are taken as they were at the entry: status from their acts before it, scope and accounts from the sealed
 * `consent.*` entry that the entry names as its head, deliveries from the outcomes that it says were counted. That no
 * permission of the caller was left out, and that none had another act between its head and the entry, is compared too.
 *
 * Memory: one text for each permission, and one row for each delivery that recurrence may count.
 */
import type { Json } from '../domain/canonical.ts'
import { canonicalJson } from '../domain/canonical.ts'
import type { Decision } from '../domain/decision.ts'
import { parseMeter } from '../domain/meter.ts'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId, Delivery, LineId, PermissionId, PermissionView, PurposeCode, Scope, SourceBinding } from '../domain/permission.ts'
import type { AccessRequest, Caller, Order } from '../domain/request.ts'
import type { Day, Millis, Period } from '../domain/time.ts'
import { parseDay, parseInstant, period } from '../domain/time.ts'
import type { ActType, DataKind, Direction, EndReason, ProviderId, Status, Step, SuspendCause } from '../domain/vocabulary.ts'
import { ACTS, DATA_KINDS, DIRECTIONS, PROVIDERS, STEPS } from '../domain/vocabulary.ts'
import type { JsonObject, Opened, OpenedEntry } from './opened.ts'
import { listOf, objectOf, openEntry, shown, textOf } from './opened.ts'

/** What a decision was made from, but for the policy, which is found by its hash. */
export interface Facts {
  readonly request: AccessRequest
  readonly caller: Omit<Caller, 'refusesNarrowing'>
  readonly permissions: readonly PermissionView[]
  readonly policy: string
  readonly now: Millis
}

/** Why a decision cannot be made again. None of these is a mistake. */
export type NotRecomputable = 'token' | 'route' | 'quota' | 'holder' | 'erased' | 'not open' | 'policy not at hand'

export type Verdict =
  | { readonly is: 'same' }
  | { readonly is: 'different'; readonly why: string }
  | { readonly is: 'not_recomputable'; readonly why: NotRecomputable }

export interface Standing {
  readonly status: Status
  readonly endReason?: EndReason
  readonly suspendCause?: SuspendCause
  readonly void: boolean
}

export interface ReplayRules {
  /** Undefined where the policy of this hash is not at hand. */
  decide(facts: Facts): Decision | undefined
  /** Where an act leads, or undefined where it is not possible. */
  after(before: Standing | undefined, act: ActType, cause?: SuspendCause): Standing | undefined
  scopeHash(scope: Scope): string
}

export interface Replayer {
  /**
   * Takes the entries in their order, those of several logs in the order of their times. `judge` false: only for what later ones need of it. Undefined for what is no
   * decision.
   */
  take(opened: Opened, judge: boolean): Verdict | undefined
  /** What the decision of the entry last taken was made from; for whoever explains it. */
  facts(opened: Opened): Facts | NotRecomputable | { readonly wrong: string }
}

interface Known {
  readonly client: string
  readonly meter: string
  standing: Standing | undefined
  /** `origin/n` of the last act. */
  head: string
  /** The `permissions` row of that act: kept as text, there may be many. */
  content: string
  readonly impossible: boolean
}

export function replayer(rules: ReplayRules): Replayer {
  const permissions = new Map<string, Known>()
  const byMeter = new Map<string, Set<string>>()
  /** What an intent on a line that recurs asked for; by the entry that recurrence names, the intent's or its outcome's. */
  const deliveries = new Map<string, Delivery>()

  function act({ name, record, fields }: OpenedEntry): void {
    const row = listOf(fields['permissions'])[0]
    const id = textOf(objectOf(row)['id'])
    const type = ACTS.find((a) => a === record['act'])
    const client = textOf(record['client'])
    const meter = textOf(objectOf(fields['subject'])['meter'])
    if (id === undefined || type === undefined || client === undefined || meter === undefined) return
    const before = permissions.get(id)
    const standing = rules.after(before?.standing, type, textOf(record['cause']) as SuspendCause | undefined)
    const told = standing?.status === record['status']
    permissions.set(id, {
      client,
      meter,
      standing,
      head: name,
      content: JSON.stringify(row),
      impossible: before?.impossible === true || !told,
    })
    const key = `${client}\n${meter}`
    byMeter.set(key, (byMeter.get(key) ?? new Set()).add(id))
  }

  function delivery({ name, record, fields }: OpenedEntry): void {
    if (record['t'] === 'access.outcome') {
      const begun = deliveries.get(besides(name, Number(record['intent'])))
      if (begun && (record['result'] === 'delivered' || record['result'] === 'delivered_from_store'))
        deliveries.set(name, { ...begun, entry: name, open: false })
      return
    }
    const used = listOf(fields['permissions'])
      .map(objectOf)
      .find((p) => listOf(p['lines']).length > 0)
    const line = objectOf(listOf(used?.['lines'])[0])
    const at = parseInstant(shown(record['at']))
    if (textOf(line['recurrence']) === undefined || line['recurrence'] === 'on_demand' || at === undefined) return
    deliveries.set(name, { line: line['id'] as LineId, data: periodOf(record['sent']) ?? null, at, entry: name, open: true })
  }

  /** The permissions that the entry says were considered, as they were then. */
  function considered(entry: OpenedEntry, client: string, meter: string): PermissionView[] | { readonly wrong: string } | NotRecomputable {
    const rows = listOf(entry.fields['permissions']).map(objectOf)
    const views: PermissionView[] = []
    for (const row of rows) {
      const id = textOf(row['id']) ?? ''
      const known = permissions.get(id)
      if (!known) return 'not open'
      if (known.impossible) return { wrong: `the acts of permission ${id} do not lead to the state that they name` }
      if (known.head !== row['head'])
        return { wrong: `permission ${id} was considered as of ${shown(row['head'])}, its last act before this entry is ${known.head}` }
      const view = viewOf(id as PermissionId, known, row)
      if (typeof view === 'string' || 'wrong' in view) return view
      views.push(view)
    }
    const missing = [...(byMeter.get(`${client}\n${meter}`) ?? [])].filter((id) => !views.some((view) => view.id === id))
    if (missing.length > 0) return { wrong: `permission ${missing.join(', ')} of this client on this meter was not considered` }
    return views
  }

  function viewOf(id: PermissionId, known: Known, row: JsonObject): PermissionView | { readonly wrong: string } | NotRecomputable {
    const content = objectOf(JSON.parse(known.content) as Json)
    const scope = content['scope'] as unknown as Scope
    const { standing } = known
    if (!standing || scope === undefined) return 'not open'
    if (rules.scopeHash(scope) !== row['scopeHash']) return { wrong: `the scope of permission ${id} is not the one considered` }
    for (const line of listOf(row['lines'])) {
      const same = scope.lines.some((l) => canonicalJson(l as unknown as Json) === canonicalJson(line))
      if (!same) return { wrong: `a line used is none of permission ${id}` }
    }
    const counted: Delivery[] = []
    for (const name of listOf(row['delivered'])) {
      const found = deliveries.get(shown(name))
      if (!found) return 'not open'
      counted.push(found)
    }
    return {
      id,
      version: Number(content['version']),
      meter: known.meter as MeterId,
      scope,
      scopeHash: shown(row['scopeHash']),
      status: standing.status,
      ...(standing.endReason !== undefined && { endReason: standing.endReason }),
      ...(standing.suspendCause !== undefined && { suspendCause: standing.suspendCause }),
      head: known.head,
      bindings: listOf(content['bindings']) as unknown as readonly SourceBinding[],
      deliveries: counted,
    }
  }

  function factsOf(entry: OpenedEntry): Facts | NotRecomputable | { readonly wrong: string } {
    const { record, fields } = entry
    const dec = objectOf(record['dec'])
    const stage = textOf(dec['stage'])
    if (stage !== 'decide') return stage === 'token' || stage === 'route' || stage === 'quota' || stage === 'holder' ? stage : 'not open'
    // What no permission names was decided on nothing but that.
    const unnamed = record['t'] === 'access.refused' && dec['reason'] === 'no_permission' && record['tags'] === undefined
    if (entry.seal === 'erased' && !unnamed) return 'erased'
    if (entry.seal === 'closed' && !unnamed) return 'not open'
    const meter = parseMeter(textOf(objectOf(fields['subject'])['meter']) ?? '') ?? (unnamed ? UNNAMED : undefined)
    const request = meter && requestOf(record, meter)
    const now = parseInstant(textOf(dec['now']) ?? '')
    const client = textOf(record['client'])
    if (!request || now === undefined || client === undefined) return { wrong: 'the entry does not say what was asked for' }
    const views = considered(entry, client, request.meter)
    if (!Array.isArray(views)) return views as { readonly wrong: string } | NotRecomputable
    const set = Array.isArray(fields['set']) ? (fields['set'] as unknown as readonly PermissionId[]) : 'all'
    return {
      request,
      caller: { client: client as ClientId, purpose: shown(record['purpose']) as PurposeCode, set },
      permissions: views,
      policy: shown(dec['policy']),
      now,
    }
  }

  function judge(entry: OpenedEntry): Verdict {
    if (entry.strays > 0) return { is: 'different', why: 'a disclosure is none that the entry commits to' }
    const facts = factsOf(entry)
    if (typeof facts === 'string') return { is: 'not_recomputable', why: facts }
    if ('wrong' in facts) return { is: 'different', why: facts.wrong }
    const decision = rules.decide(facts)
    if (!decision) return { is: 'not_recomputable', why: 'policy not at hand' }
    const why = difference(entry, facts, decision)
    return why === undefined ? { is: 'same' } : { is: 'different', why }
  }

  return {
    take(opened, wanted) {
      const entry = openEntry(opened)
      const type = textOf(entry.record['t']) ?? ''
      const verdict = wanted && (type === 'access.intent' || type === 'access.refused') ? judge(entry) : undefined
      if (type.startsWith('consent.')) act(entry)
      if (type === 'access.intent' || type === 'access.outcome') delivery(entry)
      return verdict
    },
    facts: (opened) => factsOf(openEntry(opened)),
  }
}

/** The name of another entry of the same log. */
function besides(name: string, number: number): string {
  return `${name.slice(0, name.lastIndexOf('/'))}/${number}`
}

// A meter that no permission names is not in the entry, and no decision depends on which it was.
const UNNAMED = 'prm:00000000000000' as MeterId

/** What differs between the decision made again and the one on record; undefined where nothing does. */
export function difference(
  { record, fields }: Pick<OpenedEntry, 'record' | 'fields'>,
  facts: Facts,
  decision: Decision,
): string | undefined {
  const dec = objectOf(record['dec'])
  const say = (what: string, now: unknown, then: unknown): string =>
    `${what}: decided again ${JSON.stringify(now)}, on record ${JSON.stringify(then)}`
  if (decision.result !== dec['result']) {
    const reason = decision.result === 'deny' ? ` (${decision.reason})` : ''
    return say('result', `${decision.result}${reason}`, dec['result'])
  }
  const rulesNow = decision.rule === undefined ? [] : [decision.rule]
  if (canonicalJson(rulesNow) !== canonicalJson(dec['rules'] ?? [])) return say('rule', rulesNow, dec['rules'])
  if (decision.result === 'deny') return decision.reason === dec['reason'] ? undefined : say('reason', decision.reason, dec['reason'])
  const obligations = decision.obligations as unknown as Json
  if (canonicalJson(obligations) !== canonicalJson(dec['obligations'] ?? null)) return say('obligations', obligations, dec['obligations'])

  const [k, of] = (textOf(record['part']) ?? '').split('/').map(Number)
  const part = decision.parts[(k ?? 0) - 1]
  if (!part || decision.parts.length !== of) return say('number of parts', decision.parts.length, record['part'])
  const used = listOf(fields['permissions'])
    .map(objectOf)
    .find((p) => listOf(p['lines']).length > 0)
  const line = textOf(objectOf(listOf(used?.['lines'])[0])['id'])
  if (part.permission !== used?.['id'] || part.line !== line) return `part ${shown(record['part'])} uses another line of a permission`
  const sent = part.period === null ? null : `${part.period.from}/${part.period.until}`
  if (sent !== (record['sent'] ?? null)) return say('days sent', sent, record['sent'])
  const basis = facts.permissions.find((p) => p.id === part.permission)?.scope.ground.gdprBasis ?? null
  return basis === (record['basis'] ?? null) ? undefined : say('basis', basis, record['basis'])
}

function requestOf(record: JsonObject, meter: MeterId): AccessRequest | undefined {
  const provider = PROVIDERS.find((p) => p === textOf(record['dso'])?.split('/')[0]) as ProviderId | undefined
  const kind = DATA_KINDS.find((k) => k === record['kind']) as DataKind | undefined
  const direction = DIRECTIONS.find((d) => d === record['direction']) as Direction | undefined
  const step = [...STEPS, 'recorded' as const].find((s) => s === record['step']) as Step | 'recorded' | undefined
  const asked = record['asked'] === null ? null : periodOf(record['asked'])
  const api = textOf(record['api'])
  if (!provider || !kind || !direction || !step || asked === undefined || api === undefined) return undefined
  const order = orderOf(record['order'])
  const orElse = DATA_KINDS.find((k) => k === record['orElse'])
  return { provider, api, meter, kind, direction, step, period: asked, ...(orElse && { orElse }), ...(order && { order }) }
}

function periodOf(text: Json | undefined): Period | undefined {
  const [from, until] = (textOf(text) ?? '').split('/').map((d) => parseDay(d))
  return from === undefined || until === undefined ? undefined : period(from as Day, until as Day)
}

function orderOf(written: Json | undefined): Order | undefined {
  const { kinds, openEnded } = objectOf(written)
  const known = listOf(kinds).flatMap((kind) => DATA_KINDS.find((k) => k === kind) ?? [])
  return written === undefined || typeof openEnded !== 'boolean' ? undefined : { kinds: known, openEnded }
}
