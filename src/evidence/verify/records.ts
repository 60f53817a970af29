/**
 * What the entries of a log of ours say of each other, checked one after the other: the number of each is its index,
 * time never goes back, each outcome closes one earlier intent of the same request and call, the parts of a request
 * carry one decision, no part was sent for days that nobody asked for, and each decision was made under a policy that
 * an earlier entry puts in force. Holds the open intents, the requests they belong to and the policies' hashes, however
 * long the log.
 *
 * Whether the permission used was in force needs the sealed fields: that is for the replay. A log whose first entry is
 * none of ours is somebody else's: its entries are counted and not read.
 */
import { isUtf8 } from 'node:buffer'
import type { Json } from '../../domain/canonical.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { OUTCOMES } from '../../domain/record.ts'
import { ACTS, STATUSES } from '../../domain/vocabulary.ts'
import { listOf, objectOf, shown, textOf } from '../opened.ts'

export interface RecordTally {
  /** Number of entries of each type. */
  readonly types: Readonly<Record<string, number>>
  /** Entries of a log that is not ours. */
  readonly notOurs: number
  /** Intents without an outcome, the first of them named. */
  readonly openIntents: number
  readonly firstOpenIntent: number | null
  readonly firstAt: string | null
  readonly lastAt: string | null
  /** Origins of other logs that its entries name, as parts of the same instance. */
  readonly named: readonly string[]
}

export type RecordMistake =
  | 'not_a_record'
  | 'not_opened'
  | 'opened_twice'
  | 'wrong_number'
  | 'bad_time'
  | 'time_went_back'
  | 'bad_intent'
  | 'bad_part'
  | 'unlike_its_request'
  | 'sent_outside_asked'
  | 'bad_decision'
  | 'unknown_policy'
  | 'outcome_without_intent'
  | 'outcome_of_another_call'
  | 'bad_outcome'
  | 'bad_act'
  | 'bad_seal'

export interface RecordCheck {
  /** Takes the entries in their order. */
  take(n: number, entry: Uint8Array): RecordMistake | undefined
  tally(): RecordTally
}

type Record_ = Readonly<Record<string, Json | undefined>>

const AT = /^\d{4}-(0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z$/
const DAYS = /^(\d{4}-\d{2}-\d{2})\/(\d{4}-\d{2}-\d{2})$/
/** The layout whose every field is known; a log opened with another is read for numbers, times and pairs only. */
export const FORMAT = 'ecluse-evidence/v1'
/** Requests of which the parts are compared, the latest ones: a request is over long before so many others began. */
const MOST_REQUESTS = 10_000

export function recordCheck(): RecordCheck {
  const types = new Map<string, number>()
  const open = new Map<number, { readonly req: string; readonly call: number }>()
  const requests = new Map<string, { readonly decided: Record_; readonly part: number; readonly call: number }>()
  const policies = new Set<string>()
  const named = new Set<string>()
  let ours: boolean | undefined
  let strict = false
  let notOurs = 0
  let firstAt: string | null = null
  let lastAt: string | null = null

  function pairing(n: number, type: string, record: Record_): RecordMistake | undefined {
    const { req, call, intent } = record
    if (type === 'access.intent' || type === 'admin.intent') {
      if (typeof req !== 'string' || typeof call !== 'number') return 'bad_intent'
      open.set(n, { req, call })
      return strict && type === 'access.intent' ? intentMistake(req, call, record) : undefined
    }
    if (type !== 'access.outcome' && type !== 'admin.outcome') return undefined
    // Gone from the map: never written, written later, or closed by an outcome before this one.
    const opened = typeof intent === 'number' ? open.get(intent) : undefined
    if (typeof intent !== 'number' || !opened) return 'outcome_without_intent'
    if (opened.req !== req || opened.call !== call) return 'outcome_of_another_call'
    open.delete(intent)
    return strict && !OUTCOMES.some((result) => result === record['result']) ? 'bad_outcome' : undefined
  }

  function intentMistake(req: string, call: number, record: Record_): RecordMistake | undefined {
    const [, k, of] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(shown(record['part'])) ?? []
    const part = Number(k)
    if (k === undefined || part > Number(of)) return 'bad_part'
    const undecided = decisionMistake(record, ['allow', 'narrow'])
    if (undecided) return undecided
    if (!within(record['sent'], record['asked'])) return 'sent_outside_asked'
    const { client, purpose, kind, direction, step, asked, dec } = record
    // When it was decided, and on what, may have changed between two parts: what is granted may not.
    const { result, obligations } = dec as Record_
    const decided = { client, purpose, kind, direction, step, asked, of, result, obligations }
    const before = requests.get(req)
    // A retry repeats its part; the next part follows it. Each is a call of its own. A decision that an act overtook
    // is made once more, and then begins at its first part.
    if (call !== (before?.call ?? 0) + 1) return 'bad_part'
    // Most requests have one part: nothing is compared, and nothing written for it.
    if (!before || canonicalJson(before.decided) !== canonicalJson(decided)) {
      if (part !== 1) return before ? 'unlike_its_request' : 'bad_part'
    } else if (part !== before.part && part !== before.part + 1) return 'bad_part'
    requests.delete(req)
    requests.set(req, { decided, part, call })
    if (requests.size > MOST_REQUESTS) requests.delete(requests.keys().next().value ?? '')
    return undefined
  }

  function decisionMistake({ dec }: Record_, results: readonly string[]): RecordMistake | undefined {
    if (dec === null || typeof dec !== 'object' || Array.isArray(dec)) return 'bad_decision'
    const { result, now, policy } = dec as Record_
    if (!results.includes(shown(result)) || typeof now !== 'string' || !AT.test(now)) return 'bad_decision'
    return typeof policy === 'string' && policies.has(policy) ? undefined : 'unknown_policy'
  }

  function meaning(type: string, record: Record_): RecordMistake | undefined {
    if (!sealsAreSound(record)) return 'bad_seal'
    if (type === 'log.config' && typeof record['policy'] === 'string') policies.add(record['policy'])
    if (type === 'access.refused') return decisionMistake(record, ['deny'])
    if (type.startsWith('consent.')) {
      const act = ACTS.find((a) => a === record['act'])
      if (!act || type !== `consent.${act}` || !STATUSES.some((s) => s === record['status'])) return 'bad_act'
    }
    return undefined
  }

  return {
    take(n, entry) {
      const record = ours === false ? undefined : parseRecord(entry)
      const type = record?.['t']
      ours ??= record?.['v'] === 1 && typeof type === 'string'
      if (!ours) {
        notOurs += 1
        return undefined
      }
      if (!record || record['v'] !== 1 || typeof type !== 'string') return 'not_a_record'
      if (record['n'] !== n) return 'wrong_number'
      if (n === 0 && type !== 'log.opened') return 'not_opened'
      if (n > 0 && type === 'log.opened') return 'opened_twice'
      const at = record['at']
      if (typeof at !== 'string' || !AT.test(at)) return 'bad_time'
      // One form and one zone: the order of the letters is the order of time.
      if (lastAt !== null && at < lastAt) return 'time_went_back'
      firstAt ??= at
      lastAt = at
      if (n === 0) strict = record['format'] === FORMAT
      types.set(type, (types.get(type) ?? 0) + 1)
      if (type.startsWith('log.')) for (const origin of namedBy(record)) named.add(origin)
      return pairing(n, type, record) ?? (strict ? meaning(type, record) : undefined)
    },
    tally: () => ({
      types: Object.fromEntries([...types].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      notOurs,
      openIntents: open.size,
      firstOpenIntent: open.keys().next().value ?? null,
      firstAt,
      lastAt,
      named: [...named].toSorted(),
    }),
  }
}

/** A log names those that were there when it was opened, the one that it follows, those that came since, and the one that follows it. */
function namedBy({ logs, previous, next }: Record_): readonly string[] {
  const origins = [...listOf(logs), previous ?? null].map((each) => textOf(objectOf(each)['origin']))
  return [...origins, textOf(next)].filter((origin) => origin !== undefined)
}

/** Both null for the kinds that have no days. */
function within(sent: Json | undefined, asked: Json | undefined): boolean {
  if (sent === null || asked === null) return sent === asked
  const [, from, until] = DAYS.exec(shown(sent)) ?? []
  const [, first, end] = DAYS.exec(shown(asked)) ?? []
  return (
    from !== undefined && until !== undefined && first !== undefined && end !== undefined && first <= from && from < until && until <= end
  )
}

const DIGEST = /^[A-Za-z0-9_-]{43}$/
const HALF = /^[A-Za-z0-9_-]{22}$/

function sealsAreSound({ _sd: digests, _sd_alg: alg, tags }: Record_): boolean {
  if (digests !== undefined || alg !== undefined) {
    if (alg !== 'sha-256' || !Array.isArray(digests) || digests.length === 0) return false
    if (!digests.every((d, i) => typeof d === 'string' && DIGEST.test(d) && (i === 0 || shown(digests[i - 1]) < d))) return false
  }
  if (tags === undefined) return true
  return Array.isArray(tags) && tags.every((tag) => isTag(tag))
}

function isTag(tag: Json): boolean {
  if (tag === null || typeof tag !== 'object' || Array.isArray(tag)) return false
  const { n, k } = tag as Record_
  return typeof n === 'string' && HALF.test(n) && typeof k === 'string' && HALF.test(k)
}

/** Undefined unless it is a JSON object in UTF-8 that begins with its brace. */
export function parseRecord(entry: Uint8Array): Record_ | undefined {
  if (entry[0] !== 0x7b || !isUtf8(entry)) return undefined
  try {
    return JSON.parse(Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString()) as Record_
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
