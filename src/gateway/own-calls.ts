/**
 * The gate's own questions to Enedis Data Connect: which shares it knows of, page by page, and only as a whole.
 */
import type { UsagePointId } from '../domain/meter.ts'
import type { AccountId } from '../domain/permission.ts'
import type { OutcomeResult } from '../domain/record.ts'
import type { SharedService, Shares } from '../domain/share.ts'
import type { Millis } from '../domain/time.ts'
import type { OwnIntent } from '../evidence/own-calls.ts'
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
import type { Answered, OwnCall, OwnCallParts, Understood } from './own-call.ts'
import { ownCallerOf } from './own-call.ts'

export interface OwnCalls {
  shares(account: AccountId, question: ServicesQuestion, why: OwnIntent['why'], signal: AbortSignal): Promise<Shares>
}

const MOST_PAGES = 50
const UNKNOWN = { is: 'unknown', retryAfterSeconds: 30 } as const

type Answer = Extract<Answered, { is: 'answer' }>
type Page = ReturnType<typeof readServices>

export function ownCallsOf(
  parts: OwnCallParts & {
    holderError(status: number, body: string, retryAfter: string | null, now: Millis): HolderError
    readonly log: Logger
  },
): OwnCalls {
  const caller = ownCallerOf(parts)
  const { log } = parts

  function understand(answer: Answer): Understood<{ readonly unknownMeter: boolean; readonly page: Page | undefined }> {
    const page = answer.status === 200 ? readServices(answer.body) : undefined
    const error = answer.status === 200 ? undefined : parts.holderError(answer.status, answer.body, answer.retryAfter, parts.now())
    const unknownMeter = saysUnknownMeter(answer.status, answer.body)
    return {
      value: { unknownMeter, page },
      result: resultOf(page, unknownMeter),
      rows: page?.ok === true ? page.services.length : 0,
      code: error?.code ?? null,
      ...(error && { says: error.says }),
    }
  }

  return {
    async shares(account, question, why, signal) {
      if ('meters' in question && question.meters.length > MOST_METERS) throw new RangeError('too many meters for one question')
      const services: SharedService[] = []
      const seen = new Set<string>()
      let total: number | undefined
      for (let page = 1; page <= MOST_PAGES; page += 1) {
        const made = await caller.make(account, callFor(question, page, why), understand, signal)
        if (made.is === 'unknown') return made
        if (made.value.unknownMeter) return { is: 'none' }
        const read = made.value.page
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

function callFor(question: ServicesQuestion, page: number, why: OwnIntent['why']): OwnCall {
  const body = servicesBody(question, page)
  return {
    method: 'POST',
    path: SERVICES_PATH,
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body,
    api: SERVICES_API,
    says: `POST ${SERVICES_PATH} ${body}`,
    why,
  }
}

function resultOf(page: Page | undefined, unknownMeter: boolean): OutcomeResult {
  if (page) return page.ok ? (page.services.length > 0 ? 'delivered' : 'no_data') : 'unreadable'
  return unknownMeter ? 'no_data' : 'upstream_error'
}

/** Meters in lists that one question may hold. */
export function questionsOf(meters: readonly UsagePointId[]): readonly (readonly UsagePointId[])[] {
  const lists: UsagePointId[][] = []
  for (let i = 0; i < meters.length; i += MOST_METERS) lists.push(meters.slice(i, i + MOST_METERS))
  return lists
}
