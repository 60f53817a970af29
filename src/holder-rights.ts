/**
 * Keeps what data holders open for permissions in step with the permissions: what is wanted is asked for, what has ended
 * here is ended there until that is acknowledged, and GRDF, which tells nobody anything by itself, is asked for its list:
 * every quarter of an hour while some person has not answered its mail, and as often as the registry is compared.
 *
 * Each call is on record, and so is each acknowledgement. What is read under a permission is refused from the act on,
 * whatever comes of this: it is the data holder's own door that is opened and closed here.
 */
import type { AccountId } from './domain/permission.ts'
import type { Millis } from './domain/time.ts'
import { parisDay } from './domain/time.ts'
import type { OwnIntent, OwnOutcome } from './evidence/own-calls.ts'
import type { GasRight } from './domain/gas-right.ts'
import type { Changes } from './gate-state.ts'
import type { OwnCaller } from './gateway/own-call.ts'
import { ownCallerOf } from './gateway/own-call.ts'
import type { ProviderRoute } from './gateway/ports.ts'
import type { NewAttachment } from './permissions/attachments.ts'
import type { Compared } from './permissions/reconcile.ts'
import type { ActResult } from './permissions/record.ts'
import type { RightTask, Rights } from './permissions/rights.ts'
import type { OpenAnswer, RightAnswer } from './providers/adapter.ts'
import type { ProofAnswer } from './providers/grdf-adict/right-calls.ts'
import { LIST, proofCall, rightsIn } from './providers/grdf-adict/right-calls.ts'
import type { Logger } from './runtime/logger.ts'
import type { StateClient } from './storage/rpc.ts'

export interface HolderRights {
  /** Asks for what is due. One round at a time. */
  tick(): Promise<void>
  /** Sends GRDF the documents that prove a permission, which it has asked to see. */
  sendProof(permission: string, papers: readonly NewAttachment[]): Promise<ProofSent>
  /** Compares the registry with the list of GRDF, now. Undefined where it gave no whole list. */
  compare(account: AccountId): Promise<Compared | undefined>
}

/** `not_asked`: GRDF has asked for no proof of it. `unknown`: no answer, ask again. */
export type ProofSent = { readonly is: 'taken' | 'refused'; readonly code: string } | { readonly is: 'not_asked' | 'unknown' }

const AT_ONCE = 20
const FIRST_PAUSE_MS = 15_000
const LONGEST_PAUSE_MS = 900_000
/** From here on somebody should look. */
const MANY_ATTEMPTS = 8
const TRIED_FOR_MS = 60_000
/** Longer than any call takes: a gate that ended meanwhile keeps it no longer from the others. */
const TAKEN_FOR_MS = TRIED_FOR_MS + 30_000
/** GRDF sends its mails in batches each quarter of an hour. */
const POLL_MS = 900_000
/** A thousand rights are a megabyte. */
const LONGEST_LIST = 67_108_864

export function holderRightsOf(parts: {
  readonly state: StateClient
  readonly routes: readonly ProviderRoute[]
  readonly changes: Changes
  intent(args: OwnIntent): Promise<{ readonly n: number }>
  outcome(args: OwnOutcome): Promise<unknown>
  readonly ready: () => boolean
  /** How often all is compared; undefined where nothing is compared by itself. */
  readonly everyMs: number | undefined
  /** How long a person may take to answer the data holder. */
  readonly confirmationMs: number
  readonly now: () => Millis
  readonly newId: () => string
  readonly log: Logger
}): HolderRights {
  const { state, routes, changes, now, log } = parts
  const callers = new Map<ProviderRoute['id'], OwnCaller>(routes.map((route) => [route.id, ownCallerOf({ ...parts, route })]))
  const gas = routes.find(({ id }) => id === 'grdf-adict')
  let running = false
  let listAt: number | undefined

  async function perform(task: RightTask): Promise<void> {
    const route = routes.find(({ id }) => id === task.provider)
    const caller = callers.get(task.provider)
    if (!route?.holders.has(task.account) || !caller) {
      log.error({ account: task.account }, 'a right cannot be asked for or ended: the settings no longer have its account')
      return later(task, null)
    }
    return task.task === 'end' ? end(task, route, caller) : open(task, route, caller)
  }

  async function end(task: Extract<RightTask, { task: 'end' }>, { adapter }: ProviderRoute, caller: OwnCaller): Promise<void> {
    const asked = adapter.endRight?.(task, task.account)
    if (!asked) return later(task, null)
    const made = await caller.make<RightAnswer>(
      task.account,
      { ...asked.call, why: 'ending', permission: task.permission },
      ({ status, body }) => {
        const value = asked.understand(status, body)
        const result = value.ended ? 'delivered' : status >= 500 || status === 429 ? 'upstream_error' : 'dso_refused'
        return { value, result, rows: Number(value.ended), code: value.code, ...(value.says && { says: value.says }) }
      },
      AbortSignal.timeout(TRIED_FOR_MS),
    )
    if (made.is === 'unknown') return later(task, null, made.retryAfterSeconds)
    if (!made.value.ended) return later(task, made.value.code)
    await state.call('rightSettled', { id: task.id, result: { is: 'acknowledged' }, code: made.value.code, now: now() })
  }

  async function open(task: Extract<RightTask, { task: 'open' }>, { adapter }: ProviderRoute, caller: OwnCaller): Promise<void> {
    const asked = adapter.openRight?.(task, task.account, parisDay(now()))
    if (!asked) return later(task, null)
    const made = await caller.make<OpenAnswer>(
      task.account,
      { ...asked.call, why: 'opening', permission: task.permission },
      ({ status, body }) => {
        const value = asked.understand(status, body)
        const result = value.is === 'opened' ? 'delivered' : value.is === 'rejected' ? 'dso_refused' : 'upstream_error'
        const rows = value.is === 'opened' ? value.refs.length : 0
        return { value, result, rows, code: value.code, ...(value.is === 'again' && value.says && { says: value.says }) }
      },
      AbortSignal.timeout(TRIED_FOR_MS),
    )
    if (made.is === 'unknown') return later(task, null, made.retryAfterSeconds)
    const { value } = made
    if (value.is === 'again') return later(task, value.code)
    const { id, permission } = task
    const acts =
      value.is === 'opened'
        ? await state.call<readonly ActResult[]>('rightOpened', {
            id,
            permission,
            refs: value.refs,
            state: value.state,
            code: value.code,
            now: now(),
          })
        : await state.call<readonly ActResult[]>('rightRejected', { id, permission, code: value.code, now: now() })
    await changes.acts(acts)
  }

  async function sendProof(permission: string, papers: readonly NewAttachment[]): Promise<ProofSent> {
    const asked = await state.call<ReturnType<Rights['proofAsked']>>('proofAsked', { permission })
    const caller = callers.get('grdf-adict')
    if (!asked || !caller) return { is: 'not_asked' }
    const { call, understand } = proofCall(asked.ref, papers)
    const made = await caller.make<ProofAnswer>(
      asked.account,
      { ...call, why: 'proof', permission },
      ({ status, body }) => {
        const value = understand(status, body)
        const result = value.is === 'taken' ? 'delivered' : value.is === 'refused' ? 'dso_refused' : 'upstream_error'
        return { value, result, rows: 0, code: value.code, ...(value.is === 'again' && value.says && { says: value.says }) }
      },
      AbortSignal.timeout(TRIED_FOR_MS),
    )
    if (made.is === 'unknown' || made.value.is === 'again') return { is: 'unknown' }
    if (made.value.is === 'taken')
      await changes.acts(
        await state.call<readonly ActResult[]>('proofTaken', { ...asked, permission, papers, code: made.value.code, now: now() }),
      )
    return made.value
  }

  async function later({ id, attempts, account }: RightTask, code: string | null, atLeastSeconds = 0): Promise<void> {
    if (attempts + 1 === MANY_ATTEMPTS) log.error({ account }, 'a data holder has not acknowledged what was asked of it: it is asked on')
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10))
    const at = now() + Math.max(pause, atLeastSeconds * 1000)
    await state.call('rightSettled', { id, result: { is: 'again', at }, code, now: now() })
  }

  async function compare(account: AccountId): Promise<Compared | undefined> {
    const caller = callers.get('grdf-adict')
    if (!caller) return undefined
    const asked = now()
    const made = await caller.make<readonly GasRight[] | undefined>(
      account,
      { ...LIST, why: 'reconciliation', mostBytes: LONGEST_LIST },
      ({ status, body }) => {
        const value = rightsIn(status, body)
        const result = value ? (value.length > 0 ? 'delivered' : 'no_data') : status === 200 ? 'unreadable' : 'upstream_error'
        const says = status === 401 ? ({ means: 'token_refused' } as const) : status === 429 ? ({ means: 'quota' } as const) : undefined
        return { value, result, rows: value?.length ?? 0, code: status === 200 ? null : String(status), ...(says && { says }) }
      },
      AbortSignal.timeout(300_000),
    )
    const listed = made.is === 'made' ? made.value : undefined
    if (!listed) {
      log.warn({ account }, 'the data holder did not list its rights as a whole')
      return undefined
    }
    const compared = await state.call<Compared>('compareGasRights', {
      account,
      rights: listed,
      asked,
      confirmationMs: parts.confirmationMs,
      now: now(),
    })
    await changes.acts(compared.acts)
    if (compared.badDay)
      log.error({ account }, 'the data holder lists many rights no more, all at once: none of these permissions was ended')
    return compared
  }

  /** While somebody has not answered, soon; else as often as the settings say. */
  async function listWhenDue(): Promise<void> {
    if (!gas) return
    if (listAt !== undefined && now() < listAt) return
    const { pending, open: opened } = await state.call<ReturnType<Rights['counts']>>('rightCounts', {})
    const pause = pending > 0 ? Math.min(POLL_MS, parts.everyMs ?? POLL_MS) : parts.everyMs
    // At the start the last answer is not known here: what waits is looked at at once.
    listAt = now() + (pause ?? POLL_MS)
    if (pending + opened === 0 || pause === undefined) return
    for (const account of gas.holders.keys()) await compare(account)
  }

  return {
    compare,
    sendProof,
    async tick() {
      if (running || !parts.ready()) return
      running = true
      try {
        for (let taken = 0; taken < AT_ONCE; taken += 1) {
          const task = await state.call<RightTask | null>('takeRight', { now: now(), forMs: TAKEN_FOR_MS })
          if (!task) break
          await perform(task)
          // A right that has just been asked for is looked for soon.
          if (task.task === 'open') listAt = Math.min(listAt ?? Infinity, now() + POLL_MS)
        }
        await listWhenDue()
      } finally {
        running = false
      }
    },
  }
}
