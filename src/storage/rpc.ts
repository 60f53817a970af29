/**
 * Calls from the event loop to the thread that owns the state, with group commit and no timer: whatever came during
 * the last commit is the next batch. A batch is one transaction; its answers are posted after COMMIT has returned, so
 * an answer in hand means that what it tells of is on disk.
 */
import type { MessagePort, Worker } from 'node:worker_threads'
import type { Unit } from './database.ts'
import { isOfTheValue } from './faults.ts'

/** Why a call could not be done: the caller's mistake (`refused`), or the state is gone for good (`down`). */
export type CallFault = 'refused' | 'down' | 'full'
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly fault: CallFault
  constructor(fault: CallFault, message: string) {
    super(message)
    this.fault = fault
  }
}

/** A procedure refuses with this; its changes, and only its, are rolled back. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

export type Procedures = Readonly<Record<string, (args: never) => unknown>>
export type Call = readonly [id: number, name: string, args: unknown]
/** `later`: nothing was done, and for no fault of the call. */
export type Answered = readonly [id: number, ok: boolean | 'later', value: unknown]
export interface Gauges {
  readonly journalRows: number
  readonly entries: number
  readonly commitMs: number
  /** Of the log written now. */
  readonly origin: string
  readonly vkey: string
}
type FromOwner =
  | { readonly answers: readonly Answered[]; readonly gauges: Gauges }
  | { readonly fatal: string }
  | { readonly ready: unknown }
  | { readonly stopped: true }

/** Runs a batch in the order received; what it answers is on disk. Throws where nothing may be tried any more. */
export type Runner = (calls: readonly Call[]) => readonly Answered[] | Promise<readonly Answered[]>

/** The owner's side. A failing commit is final: the thread says so and stops. */
export function serveCalls(
  port: MessagePort,
  run: Runner,
  hooks: {
    readonly after: () => void
    readonly gauges: (commitMs: number) => Gauges
    /** After a fatal error SQLite would take the next commit, and call it durable. */
    readonly stopped: () => boolean
    readonly fatal: (error: unknown) => void
  },
): void {
  port.on('message', (calls: readonly Call[] | 'stop') => {
    if (calls === 'stop' || hooks.stopped()) return
    const started = performance.now()
    const answer = (answers: readonly Answered[]): void => {
      port.postMessage({ answers, gauges: hooks.gauges(performance.now() - started) } satisfies FromOwner)
      hooks.after()
    }
    try {
      const answers = run(calls)
      // On one engine they are there at once, and nothing may come between them and the next batch.
      if (answers instanceof Promise) void answerLater(answers)
      else answer(answers)
    } catch (error) {
      // After a failed commit or fsync a later success would be a lie: never retried, the process ends.
      hooks.fatal(error)
    }
    async function answerLater(answers: Promise<readonly Answered[]>): Promise<void> {
      try {
        answer(await answers)
      } catch (error) {
        hooks.fatal(error)
      }
    }
  })
}

/** A batch as one transaction, with a savepoint around each call that may be refused. */
export function inOneTransaction(procedures: Procedures, unit: Unit): Runner {
  return (calls) => {
    unit.begin()
    const answers = calls.map((call) => runOne(call, procedures, unit))
    unit.commit()
    return answers
  }
}

function runOne([id, name, args]: Call, procedures: Procedures, unit: Unit): Answered {
  const procedure = procedureNamed(procedures, name)
  if (!procedure) return [id, false, `no procedure ${name}`]
  // Hot procedures check before they write and never refuse by throwing; only the others pay for a savepoint.
  const guarded = !HOT.has(name)
  if (guarded) unit.savepoint()
  try {
    const value = procedure(args as never)
    if (guarded) unit.release()
    return [id, true, value]
  } catch (error) {
    if (!guarded || !isOfTheCall(error)) throw error
    unit.rollbackTo()
    return [id, false, error.message]
  }
}

export function procedureNamed(procedures: Procedures, name: string): Procedures[string] | undefined {
  return Object.hasOwn(procedures, name) ? procedures[name] : undefined
}

/**
 * Whether the call is at fault, and not the disk: a refusal, or arguments of a form that no procedure takes, as another
 * version's command or a hand on the control socket may send them. They cost that call, never the gate.
 */
export function isOfTheCall(error: unknown): error is Error {
  if (error instanceof Refused || error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) return true
  if (!(error instanceof Error)) return false
  // An object where a text was meant: its members are taken for parameters of the statement.
  if ('code' in error && error.code === 'ERR_INVALID_STATE') return true
  return isOfTheValue(error)
}

export const HOT: ReadonlySet<string> = new Set(['identify', 'views', 'intent', 'outcome', 'refused'])

/** How much may wait for the owner: calls, their size, and how long the oldest has waited. */
export interface QueueLimits {
  readonly rows: number
  readonly bytes: number
  readonly ageMs: number
}

export interface StateClient {
  call<T>(name: string, args: unknown): Promise<T>
  readonly gauges: Gauges
  readonly queued: number
  /** Whether a call that is not urgent would be refused now. */
  readonly full: boolean
  readonly down: string | undefined
}

type Waiter = { readonly resolve: (value: unknown) => void; readonly reject: (error: CallError) => void }
interface Waiting {
  readonly call: Call
  readonly bytes: number
  readonly since: number
}

/** Which calls are treated otherwise than most. */
export interface CallKinds {
  /** Never refused for want of room. */
  readonly urgent: ReadonlySet<string>
  /**
   * Where the owner may be without its database for long: the only calls that wait for it however long that takes. All
   * others are taken back once they are old, even from the owner; what then comes of one is told to `onLate`.
   */
  readonly kept?: ReadonlySet<string>
  readonly onLate?: (name: string, value: unknown) => void
}

/**
 * The event loop's side. Beyond the limits a call is refused at once (`full`), unless it is `urgent`; what waits longer
 * than their age because the owner is slow is taken back and refused too.
 */
export function stateClient(
  port: Worker,
  limits: QueueLimits,
  { urgent, kept, onLate }: CallKinds,
  first: Gauges,
  onFatal: (why: string) => void,
  onCommit?: (ms: number) => void,
): StateClient {
  const waiting = new Map<number, Waiter>()
  /** What the owner has now, and what was taken back of it. */
  let sent: readonly Waiting[] = []
  const late = new Map<number, Call>()
  /** What may not be taken back. */
  const stays = kept ?? urgent
  let queue: Waiting[] = []
  let queuedBytes = 0
  let sentAt: number | undefined
  let scheduled = false
  let nextId = 1
  let down: string | undefined
  let gauges = first
  let shedding: NodeJS.Timeout | undefined

  function flush(): void {
    scheduled = false
    if (sentAt !== undefined || queue.length === 0 || down !== undefined) return
    sentAt = performance.now()
    sent = queue
    queue = []
    queuedBytes = 0
    port.postMessage(sent.map((each) => each.call))
    if (kept) watch()
  }
  function fail(why: string): void {
    if (down !== undefined) return
    down = why
    clearTimeout(shedding)
    for (const { reject } of waiting.values()) reject(new CallError('down', why))
    waiting.clear()
    queue = []
    queuedBytes = 0
    onFatal(why)
  }
  function refuse(id: number): void {
    const waiter = waiting.get(id)
    waiting.delete(id)
    waiter?.reject(new CallError('full', 'too many calls wait for the state'))
  }
  /** Only a batch that the owner has makes others wait, so this runs while one is out. */
  function shed(): void {
    shedding = undefined
    const oldest = performance.now() - limits.ageMs
    const stale = queue.filter(({ call, since }) => since <= oldest && !stays.has(call[1]))
    if (stale.length > 0) queue = queue.filter((each) => !stale.includes(each))
    for (const { call, bytes } of stale) {
      queuedBytes -= bytes
      refuse(call[0])
    }
    for (const { call, since } of kept ? sent : []) {
      if (since > oldest || stays.has(call[1]) || !waiting.has(call[0])) continue
      late.set(call[0], call)
      refuse(call[0])
    }
    watch()
  }
  function watch(): void {
    const old = [...(kept ? sent : []), ...queue].find(({ call }) => !stays.has(call[1]) && waiting.has(call[0]))
    if (old !== undefined) shedding ??= setTimeout(shed, Math.max(1, old.since + limits.ageMs - performance.now())).unref()
  }
  function isFull(): boolean {
    return (
      queue.length >= limits.rows || queuedBytes >= limits.bytes || (sentAt !== undefined && performance.now() - sentAt >= limits.ageMs)
    )
  }
  port.on('message', (message: FromOwner) => {
    if ('fatal' in message) return fail(message.fatal)
    if (!('answers' in message)) return
    gauges = message.gauges
    onCommit?.(gauges.commitMs)
    sentAt = undefined
    sent = []
    for (const [id, ok, value] of message.answers) {
      const waiter = waiting.get(id)
      waiting.delete(id)
      const taken = late.get(id)
      late.delete(id)
      if (taken && ok === true) onLate?.(taken[1], value)
      if (ok === true) waiter?.resolve(value)
      else waiter?.reject(new CallError(ok === 'later' ? 'full' : 'refused', String(value)))
    }
    flush()
  })
  port.on('exit', () => fail('the thread that owns the state has ended'))
  port.on('error', (error) => fail(error instanceof Error ? error.message : 'the thread that owns the state failed'))

  return {
    get gauges() {
      return gauges
    },
    get queued() {
      return queue.length
    },
    get full() {
      return isFull()
    },
    get down() {
      return down
    },
    call<T>(name: string, args: unknown): Promise<T> {
      if (down !== undefined) return Promise.reject(new CallError('down', down))
      if (!urgent.has(name) && isFull()) return Promise.reject(new CallError('full', 'too many calls wait for the state'))
      return new Promise<T>((resolve, reject) => {
        const id = nextId++
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        const bytes = sizeOf(args)
        queue.push({ call: [id, name, args], bytes, since: performance.now() })
        queuedBytes += bytes
        if (sentAt !== undefined) watch()
        if (!scheduled) {
          scheduled = true
          // Not at once: what else of this turn of the loop is ready to be read shares the commit.
          setImmediate(flush)
        }
      })
    },
  }
}

/** About what a call holds in memory: texts and bytes as they are, a word for anything else. Arguments are plain data. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  let size = 8
  for (const each of Array.isArray(value) ? value : Object.values(value)) size += sizeOf(each)
  return size
}
