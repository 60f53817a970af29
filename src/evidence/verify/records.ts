/**
 * What the entries of a log of ours say of each other, checked one after the other: the number of each is its index,
 * time never goes back, and each outcome closes one earlier intent of the same request and call. Holds the open
 * intents and nothing else, however long the log.
 *
 * A log whose first entry is none of ours is somebody else's: its entries are counted and not read.
 */
import { isUtf8 } from 'node:buffer'

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
}

export type RecordMistake =
  | 'not_a_record'
  | 'not_opened'
  | 'opened_twice'
  | 'wrong_number'
  | 'bad_time'
  | 'time_went_back'
  | 'bad_intent'
  | 'outcome_without_intent'
  | 'outcome_of_another_call'

export interface RecordCheck {
  /** Takes the entries in their order. */
  take(n: number, entry: Uint8Array): RecordMistake | undefined
  tally(): RecordTally
}

const AT = /^\d{4}-(0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z$/

export function recordCheck(): RecordCheck {
  const types = new Map<string, number>()
  const open = new Map<number, { readonly req: string; readonly call: number }>()
  let ours: boolean | undefined
  let notOurs = 0
  let firstAt: string | null = null
  let lastAt: string | null = null

  function pairing(n: number, type: string, record: Readonly<Record<string, unknown>>): RecordMistake | undefined {
    const { req, call, intent } = record
    if (type === 'access.intent') {
      if (typeof req !== 'string' || typeof call !== 'number') return 'bad_intent'
      open.set(n, { req, call })
      return undefined
    }
    if (type !== 'access.outcome') return undefined
    // Gone from the map: never written, written later, or closed by an outcome before this one.
    const opened = typeof intent === 'number' ? open.get(intent) : undefined
    if (typeof intent !== 'number' || !opened) return 'outcome_without_intent'
    if (opened.req !== req || opened.call !== call) return 'outcome_of_another_call'
    open.delete(intent)
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
      types.set(type, (types.get(type) ?? 0) + 1)
      return pairing(n, type, record)
    },
    tally: () => ({
      types: Object.fromEntries([...types].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      notOurs,
      openIntents: open.size,
      firstOpenIntent: open.keys().next().value ?? null,
      firstAt,
      lastAt,
    }),
  }
}

function parseRecord(entry: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (entry[0] !== 0x7b || !isUtf8(entry)) return undefined
  try {
    return JSON.parse(Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString()) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
