/**
 * One call of the gate's own to a data holder: recorded before it leaves and when it ended, within the account's quota, on
 * a quarter of its connections at most. The answer is small and read whole.
 */
import type { AccountId, ClientId } from '../domain/permission.ts'
import type { OutcomeResult } from '../domain/record.ts'
import type { Millis } from '../domain/time.ts'
import type { OwnIntent, OwnOutcome } from '../evidence/own-calls.ts'
import type { HolderSays } from '../providers/adapter.ts'
import type { Holder } from './holder.ts'
import type { ProviderRoute } from './ports.ts'
import type { Slots } from './slots.ts'
import { slotsOf } from './slots.ts'

export interface OwnCallParts {
  readonly route: Pick<ProviderRoute, 'id' | 'holders' | 'quota'>
  intent(args: OwnIntent): Promise<{ readonly n: number }>
  outcome(args: OwnOutcome): Promise<unknown>
  /** Whether evidence can be written. */
  readonly ready: () => boolean
  readonly now: () => Millis
  readonly newId: () => string
}

export interface OwnCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
  /** The quota that it uses up. */
  readonly api: string
  /** What is asked, in words: sealed. */
  readonly says: string
  readonly why: OwnIntent['why']
  readonly permission?: string
  /** Of the answer, where it may be long. */
  readonly mostBytes?: number
}

export type Answered =
  | { readonly is: 'answer'; readonly status: number; readonly body: string; readonly retryAfter: string | null; readonly bytes: number }
  | { readonly is: 'broken'; readonly result: OutcomeResult; readonly bytes: number }
/** What an answer means to the one who asked. */
export interface Understood<T> {
  readonly value: T
  readonly result: OutcomeResult
  /** How many rows the holder gave. */
  readonly rows: number
  readonly code: string | null
  /** Where the holder refused the call itself. */
  readonly says?: HolderSays
}
export type Made<T> =
  | { readonly is: 'made'; readonly value: T }
  /** No answer, or no call: ask again later. */
  | { readonly is: 'unknown'; readonly retryAfterSeconds: number }

export interface OwnCaller {
  /** `understand` is handed only what is an answer. */
  make<T>(
    account: AccountId,
    call: OwnCall,
    understand: (answer: Extract<Answered, { is: 'answer' }>) => Understood<T>,
    signal: AbortSignal,
  ): Promise<Made<T>>
}

/** As a client of its own among those who share the quota. */
const ITSELF = 'ecluse' as ClientId
const MOST_BYTES = 4_194_304
/** Of an account's connections: anybody may begin a journey, and clients' reads go on the others. */
const SHARE_OF_CONNECTIONS = 0.25
const RETRY_SECONDS = 30
const QUOTA_SECONDS = 10
const UNKNOWN = { is: 'unknown', retryAfterSeconds: RETRY_SECONDS } as const

export function ownCallerOf(parts: OwnCallParts): OwnCaller {
  const { route } = parts
  const places = new Map<AccountId, Slots>()
  function placesAt({ account, settings }: Holder): Slots {
    const known = places.get(account) ?? slotsOf(Math.max(1, Math.floor(settings.connections * SHARE_OF_CONNECTIONS)))
    places.set(account, known)
    return known
  }

  async function recorded<T>(
    account: AccountId,
    holder: Holder,
    call: OwnCall,
    understand: Parameters<OwnCaller['make']>[2],
    signal: AbortSignal,
  ): Promise<Made<T>> {
    for (let attempt = 0; ; attempt += 1) {
      const authorization = await holder.authorization()
      if (authorization === undefined || !parts.ready()) return UNKNOWN
      const { n } = await parts.intent({
        req: parts.newId(),
        dso: `${route.id}/${account}`,
        api: call.api,
        why: call.why,
        query: call.says,
        ...(call.permission !== undefined && { permission: call.permission }),
        now: parts.now(),
      })
      const started = performance.now()
      const answered = await sent(holder, authorization, call, signal)
      const understood = answered.is === 'answer' ? understand(answered) : undefined
      await parts.outcome({
        intent: n,
        result: answered.is === 'broken' ? answered.result : (understood?.result ?? 'unreadable'),
        status: answered.is === 'answer' ? answered.status : null,
        holderBytes: answered.bytes,
        services: understood?.rows ?? 0,
        ms: Math.round(performance.now() - started),
        code: understood?.code ?? null,
        now: parts.now(),
      })
      const says = understood?.says
      if (says?.means === 'quota') route.quota.hold(account, call.api, says.retryAfterSeconds ?? QUOTA_SECONDS)
      if (says?.means === 'token_refused' && attempt === 0 && holder.drop(authorization)) continue
      return understood ? { is: 'made', value: understood.value as T } : UNKNOWN
    }
  }

  /** Waits for quota and a connection, and gives both back. */
  async function turn<T>(...[account, holder, call, understand, signal]: Parameters<typeof recorded>): Promise<Made<T>> {
    const reserved = await route.quota.reserve({ client: ITSELF, account, api: call.api, calls: 1, rule: null })
    if (!reserved.ok) return { is: 'unknown', retryAfterSeconds: reserved.retryAfterSeconds }
    try {
      if (!(await reserved.take(signal)) || !(await holder.slots.take(signal))) return UNKNOWN
      try {
        return await recorded<T>(account, holder, call, understand, signal)
      } finally {
        holder.slots.free()
      }
    } finally {
      reserved.release()
    }
  }

  return {
    async make<T>(...[account, call, understand, signal]: Parameters<OwnCaller['make']>): Promise<Made<T>> {
      const holder = route.holders.get(account)
      if (!holder) return UNKNOWN
      const own = placesAt(holder)
      if (!(await own.take(signal))) return UNKNOWN
      try {
        return await turn<T>(account, holder, call, understand, signal)
      } finally {
        own.free()
      }
    },
  }
}

async function sent(holder: Holder, authorization: string | null, call: OwnCall, signal: AbortSignal): Promise<Answered> {
  let bytes = 0
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(holder.settings.timeouts.totalSeconds * 1000)])
    const answer = await holder.pool.request({
      method: call.method,
      path: call.path,
      headers: {
        'accept-encoding': 'identity',
        ...(authorization !== null && { authorization }),
        'user-agent': 'ecluse',
        ...call.headers,
      },
      body: call.body,
      signal: limit,
    })
    const pieces: Buffer[] = []
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      bytes += piece.byteLength
      if (bytes > (call.mostBytes ?? MOST_BYTES)) {
        answer.body.destroy()
        return { is: 'broken', result: 'limit', bytes }
      }
      pieces.push(piece)
    }
    const after = answer.headers['retry-after']
    return {
      is: 'answer',
      status: answer.statusCode,
      body: Buffer.concat(pieces).toString('utf8'),
      retryAfter: typeof after === 'string' ? after : null,
      bytes,
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return { is: 'broken', result: error.name === 'TimeoutError' ? 'timeout' : 'upstream_error', bytes }
  }
}
