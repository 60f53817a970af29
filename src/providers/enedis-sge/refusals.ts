/**
 * Refusals as SOAP faults in the shape of Enedis's: status 500, because that is what a SOAP client reads; of any other
 * status the clients that were measured show nothing. The code has six characters as Enedis's have and is of a family of
 * its own, `ECL` and three digits, so that nobody takes the gate's word for Enedis's.
 *
 * `docs/errors.md` shows this table. What may pass by itself says so in `Retry-After`.
 */
import type { Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { HolderError, Refusal, Reply } from '../adapter.ts'
import { CONTENT_TYPE, faultText } from './envelope.ts'

const LATER = 'ECL503'
const SLOWER = 'ECL429'
const TOKEN = 'ECL401'
const NO = 'ECL403'
const MALFORMED = 'ECL400'
const UNKNOWN = 'ECL404'
export const NO_DATA = 'ECL204'

export const CODES: Readonly<Record<Reason, string>> = {
  no_permission: NO,
  not_active: NO,
  suspended: LATER,
  not_yet_valid: LATER,
  expired: NO,
  withdrawn: NO,
  meter_not_covered: NO,
  kind_not_covered: NO,
  direction_not_covered: NO,
  step_too_fine: NO,
  period_outside: NO,
  purpose_missing: TOKEN,
  purpose_mismatch: NO,
  recipient_mismatch: NO,
  chain_broken: NO,
  token_unbound: TOKEN,
  evidence_missing: LATER,
  proof_overdue: LATER,
  proof_ko: LATER,
  holder_unverified: LATER,
  holder_changed: NO,
  source_binding_missing: LATER,
  onward_sharing_forbidden: NO,
  aggregate_too_small: NO,
  unknown_route: UNKNOWN,
  malformed: MALFORMED,
  token_invalid: TOKEN,
  token_expired: TOKEN,
  client_disabled: TOKEN,
  rule_missing: NO,
  window_too_long: MALFORMED,
  too_old: MALFORMED,
  too_often: SLOWER,
  quota_gate: SLOWER,
  quota_holder: SLOWER,
  holder_refused: LATER,
  holder_down: LATER,
  not_translatable: UNKNOWN,
  evidence_unavailable: LATER,
}
const WAIT_SECONDS = 60

export function refuse({ reason, flaw, retryAfterSeconds }: Refusal): Reply {
  const code = CODES[reason]
  const { title, help } = REASONS[reason]
  return fault(code, title, `${reason}${flaw === undefined ? '' : ` (${flaw})`}. ${help}.`, retryAfterSeconds)
}

export function noData(): Reply {
  return fault(NO_DATA, 'No data', 'no_data. Nothing that is permitted was in the answer of the data holder.')
}

/** What Enedis itself refused. Its code crosses; its text, which may name a login, does not. */
export function passError({ says, code }: HolderError): Reply {
  switch (says.means) {
    case 'no_data':
    case 'before_activation':
    case 'period_refused':
    case 'bad_request':
      return fault(
        /^[A-Z0-9]{6}$/.test(code) ? code : MALFORMED,
        'The data holder refused the request',
        `${says.means}. This is the word of the data holder.`,
      )
    case 'refused':
      return refuse({ reason: 'holder_refused' })
    case 'quota':
      return refuse({ reason: 'quota_holder', ...(says.retryAfterSeconds !== undefined && { retryAfterSeconds: says.retryAfterSeconds }) })
    case 'token_refused':
    case 'down':
      return refuse({ reason: 'holder_down' })
  }
}

function fault(code: string, text: string, comment: string, wait?: number): Reply {
  const headers: [string, string][] = [['Content-Type', CONTENT_TYPE]]
  if (code === LATER || code === SLOWER) headers.push(['Retry-After', String(Math.max(1, Math.ceil(wait ?? WAIT_SECONDS)))])
  if (code === TOKEN) headers.push(['WWW-Authenticate', 'Basic realm="ecluse", charset="UTF-8"'])
  return { status: 500, headers, body: faultText(code, text, comment) }
}
