/**
 * The gate's own questions to a data holder: which shares it knows of. Recorded before they leave and when they ended,
 * within the account's quota, on a quarter of its connections at most; the answer is small and read whole.
 */
import type { UsagePointId } from '../domain/meter.ts'
import type { AccountId, ClientId } from '../domain/permission.ts'
import type { OutcomeResult } from '../domain/record.ts'
import type { SharedService, Shares } from '../domain/share.ts'
import type { Millis } from '../domain/time.ts'
import type { OwnIntent, OwnOutcome } from '../evidence/own-calls.ts'
import type { HolderError } from '../providers/adapter.ts'
import type { ServicesQuestion } from '../providers/enedis-data-connect/services.ts'
import {
  MOST_METERS,
  readServices,
  saysUnknownMeter,
  SERVICES_API,
  SERVICES_PATH,
  servicesBody,
} from '../providers/enedis-data-connect/services.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Holder } from './holder.ts'
import type { Quota } from './quota.ts'
import type { Slots } from './slots.ts'
import { slotsOf } from './slots.ts'

export interface OwnCallParts {
  readonly holders: ReadonlyMap<AccountId, Holder>
  readonly quota: Quota
  intent(args: OwnIntent): Promise<{ readonly n: number }>
  outcome(args: OwnOutcome): Promise<unknown>
  /** Whether evidence can be written. */
  readonly ready: () => boolean
  holderError(status: number, body: string, retryAfter: string | null, now: Millis): HolderError
  readonly now: () => Millis
  readonly newId: () => string
  readonly log: Logger
}

export interface OwnCalls {
  shares(account: AccountId, question: ServicesQuestion, why: OwnIntent['why'], signal: AbortSignal): Promise<Shares>
}

/** As a client of its own among those who share the quota. */
const ITSELF = 'ecluse' as ClientId
const MOST_BYTES = 4_194_304
const MOST_PAGES = 50
/** Of an account's connections: anybody may begin a journey, and clients' reads go on the others. */
const SHARE_OF_CONNECTIONS = 0.25
const UNKNOWN = { is: 'unknown', retryAfterSeconds: 30 } as const

type Unknown = Extract<Shares, { is: 'unknown' }>
type Answered =
  | { readonly is: 'answer'; readonly status: number; readonly body: string; readonly retryAfter: string | null; readonly bytes: number }
  | { readonly is: 'broken'; readonly result: OutcomeResult; readonly bytes: number }

export function ownCallsOf(parts: OwnCallParts): OwnCalls {
  const { holders, quota, log } = parts
  const places = new Map<AccountId, Slots>()
  function placesAt({ account, settings }: Holder): Slots {
    const known = places.get(account) ?? slotsOf(Math.max(1, Math.floor(settings.connections * SHARE_OF_CONNECTIONS)))
    places.set(account, known)
    return known
  }

  async function onePage(account: AccountId, holder: Holder, body: string, why: OwnIntent['why'], signal: AbortSignal): Promise<Answered> {
    for (let attempt = 0; ; attempt += 1) {
      const authorization = await holder.authorization()
      if (authorization === undefined || !parts.ready()) return { is: 'broken', result: 'not_sent', bytes: 0 }
      const { n } = await parts.intent({
        req: parts.newId(),
        dso: `enedis-data-connect/${account}`,
        api: SERVICES_API,
        why,
        query: `POST ${SERVICES_PATH} ${body}`,
        now: parts.now(),
      })
      const started = performance.now()
      const answered = await post(holder, authorization, body, signal)
      const error =
        answered.is === 'answer' && answered.status !== 200
          ? parts.holderError(answered.status, answered.body, answered.retryAfter, parts.now())
          : undefined
      const read = answered.is === 'answer' && answered.status === 200 ? readServices(answered.body) : undefined
      await parts.outcome({
        intent: n,
        result: resultOf(answered, read),
        status: answered.is === 'answer' ? answered.status : null,
        holderBytes: answered.bytes,
        services: read?.ok === true ? read.services.length : 0,
        ms: Math.round(performance.now() - started),
        code: error?.code ?? null,
        now: parts.now(),
      })
      if (error?.says.means === 'quota') quota.hold(account, SERVICES_API, error.says.retryAfterSeconds ?? 10)
      if (error?.says.means === 'token_refused' && attempt === 0 && holder.drop(authorization)) continue
      return answered
    }
  }

  /** Waits for quota and a connection, and gives both back. */
  async function turn(
    account: AccountId,
    holder: Holder,
    body: string,
    why: OwnIntent['why'],
    signal: AbortSignal,
  ): Promise<Answered | Unknown> {
    const reserved = quota.reserve({ client: ITSELF, account, api: SERVICES_API, calls: 1, rule: null })
    if (!reserved.ok) return { is: 'unknown', retryAfterSeconds: reserved.retryAfterSeconds }
    try {
      if (!(await reserved.take(signal)) || !(await holder.slots.take(signal))) return UNKNOWN
      try {
        return await onePage(account, holder, body, why, signal)
      } finally {
        holder.slots.free()
      }
    } finally {
      reserved.release()
    }
  }

  return {
    async shares(account, question, why, signal) {
      const holder = holders.get(account)
      if (!holder) return UNKNOWN
      if ('meters' in question && question.meters.length > MOST_METERS) throw new RangeError('too many meters for one question')
      const services: SharedService[] = []
      const seen = new Set<string>()
      let total: number | undefined
      for (let page = 1; page <= MOST_PAGES; page += 1) {
        const own = placesAt(holder)
        if (!(await own.take(signal))) return UNKNOWN
        let answered: Answered | Unknown
        try {
          answered = await turn(account, holder, servicesBody(question, page), why, signal)
        } finally {
          own.free()
        }
        if (answered.is === 'unknown') return answered
        if (answered.is === 'broken') return UNKNOWN
        if (saysUnknownMeter(answered.status, answered.body)) return { is: 'none' }
        const read = answered.status === 200 ? readServices(answered.body) : undefined
        if (!read?.ok) {
          log.warn({ account }, 'the data holder did not say what is shared')
          return UNKNOWN
        }
        const rows = read.services.map((service) => JSON.stringify(service))
        // A page that comes again, or a list that moved between two pages, hides rows: who is missing there is not gone.
        const whole = read.total === (total ??= read.total) && !rows.some((row) => seen.has(row))
        for (const row of rows) seen.add(row)
        services.push(...read.services)
        if (whole && services.length === total) return { is: 'shares', services }
        if (!whole || rows.length === 0 || services.length > total) {
          log.warn({ account }, 'the data holder lists less or more than it says that there is')
          return UNKNOWN
        }
      }
      return UNKNOWN
    },
  }
}

function resultOf(answered: Answered, read: ReturnType<typeof readServices> | undefined): OutcomeResult {
  if (answered.is === 'broken') return answered.result
  if (read) return read.ok ? (read.services.length > 0 ? 'delivered' : 'no_data') : 'unreadable'
  return saysUnknownMeter(answered.status, answered.body) ? 'no_data' : 'upstream_error'
}

async function post(holder: Holder, authorization: string | null, body: string, signal: AbortSignal): Promise<Answered> {
  let bytes = 0
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(holder.settings.timeouts.totalSeconds * 1000)])
    const answer = await holder.pool.request({
      method: 'POST',
      path: SERVICES_PATH,
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        ...(authorization !== null && { authorization }),
        'user-agent': 'ecluse',
      },
      body,
      signal: limit,
    })
    const pieces: Buffer[] = []
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      bytes += piece.byteLength
      if (bytes > MOST_BYTES) {
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

/** Meters in lists that one question may hold. */
export function questionsOf(meters: readonly UsagePointId[]): readonly (readonly UsagePointId[])[] {
  const lists: UsagePointId[][] = []
  for (let i = 0; i < meters.length; i += MOST_METERS) lists.push(meters.slice(i, i + MOST_METERS))
  return lists
}
