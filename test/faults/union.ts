/**
 * Whether what several gates did holds together: all their logs in one order, what the data holder saw, and what was told
 * to whoever withdrew. Pure; everything it says is wrong is a sentence.
 *
 * One instance has one clock, its database's: entries of different logs stand in the order of their times. The database
 * can also tell in which order it committed; where that is given, it is compared too, and is the last word.
 */
import type { OpenedEntry } from '../../src/evidence/opened.ts'
import { shown } from '../../src/evidence/opened.ts'

export interface Withdrawal {
  readonly permission: string
  /** When the call returned, by the clock of this machine, in milliseconds. */
  readonly returnedAt: number
}
export interface SeenCall {
  /** `kind sent meter`, as {@link callOf} writes it of an intent. */
  readonly what: string
  readonly at: number
}
/** When the database wrote the row of an entry. */
export interface Written {
  /** Place in the database's own log. Of two that wait for each other, the later one has the greater. */
  readonly place: bigint
  /** When its transaction was committed, in microseconds since 1970. */
  readonly committedAt: number
}
export interface Union {
  /** Entries of all logs, opened. */
  readonly entries: readonly OpenedEntry[]
  readonly withdrawals: readonly Withdrawal[]
  readonly calls: readonly SeenCall[]
  /** Permissions whose gift was confirmed. */
  readonly given?: readonly string[]
  /** Intents that a client was told of together with a whole answer. */
  readonly delivered?: readonly string[]
  /** By the entry's name. */
  readonly written?: ReadonlyMap<string, Written>
  /** Times put nothing in order, because the database's clock was moved. */
  readonly clockMoved?: boolean
}
export interface Checked {
  readonly intents: number
  readonly withdrawals: number
  readonly faults: readonly string[]
}

export function checkUnion({ entries, withdrawals, calls, given = [], delivered = [], written, clockMoved = false }: Union): Checked {
  const faults: string[] = []
  const intents = entries.filter(({ record }) => record['t'] === 'access.intent')
  const ends = new Map<string, OpenedEntry>()
  for (const entry of entries) {
    const id = permissionsOf(entry)[0]
    if (shown(entry.record['t']).startsWith('consent.') && entry.record['status'] === 'ended' && id !== undefined) ends.set(id, entry)
  }
  const used = Map.groupBy(intents, (entry) => usedBy(entry) ?? '')
  for (const { permission, returnedAt } of withdrawals) {
    const end = ends.get(permission)
    if (!end) {
      faults.push(`the withdrawal of ${permission} was confirmed and is in no log`)
      continue
    }
    if (!clockMoved && timeOf(end) > returnedAt + 5) faults.push(`the withdrawal of ${permission} is on record later than it was confirmed`)
    for (const intent of used.get(permission) ?? []) {
      const what = `${intent.name} reads under ${permission}, which ended before it with ${end.name}`
      if (!clockMoved && timeOf(intent) >= timeOf(end)) faults.push(what)
      const [read, ended] = [written?.get(intent.name), written?.get(end.name)]
      if (!read || !ended) continue
      if (read.place > ended.place) faults.push(`${what}, by the database's own log`)
      if (!clockMoved && read.committedAt > ended.committedAt)
        faults.push(`${intent.name} was committed ${read.committedAt - ended.committedAt} µs after ${end.name}, which ended ${permission}`)
    }
  }
  faults.push(...outcomesOf(entries, intents), ...callsOf(intents, calls, clockMoved), ...lostOf(entries, given, delivered))
  return { intents: intents.length, withdrawals: withdrawals.length, faults }
}

/** One outcome for each intent, in its log. */
function outcomesOf(entries: readonly OpenedEntry[], intents: readonly OpenedEntry[]): string[] {
  const outcomes = new Map<string, number>()
  for (const { name, record } of entries) {
    if (record['t'] !== 'access.outcome') continue
    const intent = `${name.slice(0, name.lastIndexOf('/'))}/${shown(record['intent'])}`
    outcomes.set(intent, (outcomes.get(intent) ?? 0) + 1)
  }
  return intents.flatMap(({ name }) => (outcomes.get(name) === 1 ? [] : [`${name} has ${outcomes.get(name) ?? 0} outcomes`]))
}

/** What was acknowledged, and is not there. */
function lostOf(entries: readonly OpenedEntry[], given: readonly string[], delivered: readonly string[]): string[] {
  const acts = new Set(entries.filter(({ record }) => shown(record['t']).startsWith('consent.')).map((entry) => permissionsOf(entry)[0]))
  const results = new Map<string, OpenedEntry['record'][string]>()
  for (const { name, record } of entries)
    if (record['t'] === 'access.outcome')
      results.set(`${name.slice(0, name.lastIndexOf('/'))}/${shown(record['intent'])}`, record['result'])
  return [
    ...given.filter((id) => !acts.has(id)).map((id) => `${id} was given, and is in no log`),
    ...delivered
      .filter((name) => results.get(name) !== 'delivered')
      .map((name) => `the answer of ${name} came whole, and the log says of it: ${shown(results.get(name) ?? 'nothing')}`),
  ]
}

/** No call without an intent that was there before it. */
function callsOf(intents: readonly OpenedEntry[], calls: readonly SeenCall[], clockMoved: boolean): string[] {
  const faults: string[] = []
  const waiting = new Map<string, number[]>()
  for (const intent of intents) {
    const what = callOf(intent)
    waiting.set(
      what,
      [...(waiting.get(what) ?? []), timeOf(intent)].toSorted((a, b) => a - b),
    )
  }
  for (const { what, at } of calls.toSorted((a, b) => a.at - b.at)) {
    const times = waiting.get(what) ?? []
    const first = times.shift()
    // Two clocks of one machine differ by less than a tick of theirs.
    if (first === undefined) faults.push(`the data holder saw a call for ${what} that no intent tells of`)
    else if (!clockMoved && first > at + 2) faults.push(`the data holder saw a call for ${what} ${first - at} ms before its intent`)
  }
  return faults
}

export function callOf({ record, fields }: OpenedEntry): string {
  const subject = fields['subject'] as { readonly meter?: string } | undefined
  return `${shown(record['kind'])} ${shown(record['sent'])} ${String(subject?.meter)}`
}

function permissionsOf({ fields }: OpenedEntry): readonly string[] {
  return ((fields['permissions'] ?? []) as readonly { readonly id: string }[]).map(({ id }) => id)
}

/** The permission that an intent rests on: of those considered, the one of which a line is used. */
function usedBy({ fields }: OpenedEntry): string | undefined {
  const considered = (fields['permissions'] ?? []) as readonly { readonly id: string; readonly lines?: readonly unknown[] }[]
  return considered.find(({ lines }) => (lines ?? []).length > 0)?.id
}

function timeOf({ record }: OpenedEntry): number {
  return Date.parse(shown(record['at']))
}
