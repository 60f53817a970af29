/**
 * What an application asks on the simulated consent page, in both generations: reads the parameters of
 * `/dataconnect/v{1,2}/oauth2/authorize`, or says with which of Enedis's errors the page opens. Pure.
 *
 * Source: Data Connect Swagger (v1) and guide of 2026 (v2). No source says how Enedis words a wrong `state` or
 * `response_type`; those two descriptions are ours.
 */
import type { Day } from '../domain/time.ts'
import { addDays, addMonths } from '../domain/time.ts'

export type ConsentGeneration = 'v1' | 'v2'
export interface ConsentRequest {
  readonly generation: ConsentGeneration
  readonly clientId: string
  readonly state: string | undefined
  /** The last day of the share. */
  readonly until: Day
}
export type ConsentError = { readonly status: 400 | 403 | 404; readonly error: string; readonly description: string }
export type ReadConsent = { readonly ok: true; readonly request: ConsentRequest } | ({ readonly ok: false } & ConsentError)

const PARAMETERS: Readonly<Record<ConsentGeneration, { readonly needed: readonly string[]; readonly tolerated: readonly string[] }>> = {
  v1: { needed: ['client_id', 'response_type', 'duration'], tolerated: ['state', 'redirect_uri'] },
  v2: { needed: ['client_id', 'response_type', 'state', 'duration'], tolerated: [] },
}
const LONGEST_STATE = 100

export function readConsent(generation: ConsentGeneration, query: URLSearchParams, today: Day): ReadConsent {
  const { needed, tolerated } = PARAMETERS[generation]
  const names = [...query.keys()]
  const known = names.every((name) => needed.includes(name) || tolerated.includes(name)) && new Set(names).size === names.length
  // Before Enedis itself stands equipment that lets no unexpected argument through.
  if (!known) return { ok: false, status: 404, error: 'not_found', description: 'The requested URL was rejected.' }
  const wrong = (description: string): ReadConsent => ({ ok: false, status: 400, error: 'invalid_request', description })
  if (needed.some((name) => (query.get(name) ?? '') === '')) return wrong('missing_parameter')
  if (query.get('response_type') !== 'code') return wrong('invalid_response_type')
  const state = query.get('state') ?? undefined
  if (state !== undefined && state.length > LONGEST_STATE) return wrong('invalid_state')
  const until = lastDay(query.get('duration') ?? '', today)
  if (until === undefined) return wrong('invalid_duration_format')
  if (until >= addMonths(today, 36)) return wrong('maximum_duration_exceeded')
  return { ok: true, request: { generation, clientId: query.get('client_id') ?? '', state, until } }
}

/** ISO 8601 in years, months, weeks and days: `P1Y4M` from today has its last day the day before the same day then. */
function lastDay(duration: string, today: Day): Day | undefined {
  const parts = /^P(?=\d)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,4})D)?$/.exec(duration)
  if (!parts) return undefined
  const [years = 0, months = 0, weeks = 0, days = 0] = parts.slice(1).map((part) => Number(part ?? 0))
  const until = addDays(addMonths(today, Math.min(years * 12 + months, 9_999)), weeks * 7 + days)
  return until > today ? addDays(until, -1) : undefined
}
