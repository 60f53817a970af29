/**
 * What GRDF means. A refusal comes with status 200 and a `statut_restitution` in the body; success has none, or an empty
 * one. Codes of seven digits are those of the data services; what else is not 200 is told by the status.
 *
 * Sources: GRDF's Swagger v1.6; error list v1.10 as quoted in Po2. Where sources differ (1000010) the meaning is the one
 * that ends nothing.
 */
import type { Millis } from '../../domain/time.ts'
import type { HolderError, HolderSays } from '../adapter.ts'
import { retryAfterSeconds } from '../retry-after.ts'
import { isFields } from './fields.ts'

const MEANS: Readonly<Record<string, HolderSays['means']>> = {
  // The holder moved out; the right expired, is none, was revoked, or its proof was refused; a family is not in it.
  '1000000': 'refused',
  '1000001': 'refused',
  '1000002': 'refused',
  '1000009': 'refused',
  '1000011': 'refused',
  '1000014': 'refused',
  '1000010': 'period_refused',
  '1000008': 'no_data',
  '1000005': 'bad_request',
  '1000016': 'bad_request',
  '2000000': 'down',
  '2000100': 'down',
}
const CODE = /^[0-9]{7,10}$/
const NO_CODE = 'none'

/** Undefined where the line is a success. */
export function saidInBody(status: unknown): HolderError | undefined {
  if (status === null || status === undefined) return undefined
  if (!isFields(status)) return { says: { means: 'down' }, code: NO_CODE }
  const { code } = status
  if (code === null || code === undefined || code === '') return undefined
  if (typeof code !== 'string' || !CODE.test(code)) return { says: { means: 'down' }, code: NO_CODE }
  // A code that nobody described yet: nothing is concluded from it about the right.
  return { says: { means: MEANS[code] ?? 'down' }, code } as HolderError
}

export function holderError(status: number, body: string, retryAfter: string | null, now: Millis): HolderError {
  const said = firstSaid(body)
  if (status === 429) {
    const wait = retryAfterSeconds(retryAfter, now)
    return { says: { means: 'quota', ...(wait !== undefined && { retryAfterSeconds: wait }) }, code: said?.code ?? '429' }
  }
  if (status === 401) return { says: { means: 'token_refused' }, code: said?.code ?? '401' }
  if (said && status < 500 && said.says.means !== 'down') return said
  // A bare 403 or 404 is as likely the front of the service as its word about a right: it ends nothing.
  return { says: { means: status === 400 ? 'bad_request' : 'down' }, code: said?.code ?? String(status) }
}

function firstSaid(body: string): HolderError | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isFields(value) ? saidInBody(value['statut_restitution']) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
