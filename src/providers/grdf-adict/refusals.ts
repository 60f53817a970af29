/**
 * Refusals in the shape of GRDF ADICT: `statut_restitution` with a code and a message, beside our own stable reason, who
 * refused and what would help. GRDF gives most of its refusals status 200, which one client takes for proof of consent:
 * the gate's have a status that says what they are. Where GRDF has a code for the same thing it is used; for the rest
 * there are codes of our own, of seven digits from 9000001 on, which GRDF has not.
 * Sources: GRDF's Swagger v1.6; aeneria-app (403 consent, 404 no data, 429 quota); `docs/errors.md` shows this table.
 */
import type { By, Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { HolderError, Refusal, Reply } from '../adapter.ts'
import { CONTENT_TYPE } from './line-answer.ts'
import type { AdictForm } from './series.ts'
import { seriesOf } from './series.ts'

type Says = readonly [status: number, code: string]

const NO_RIGHT: Says = [403, '1000002']
const LATER: Says = [503, '9000001']
const SLOWER: Says = [429, '9000002']
const TOKEN: Says = [401, '9000003']
const NOT_GRANTED: Says = [403, '9000004']
const MALFORMED: Says = [400, '9000005']
const NO_DATA: Says = [404, '1000008']

export const ANSWERS: Readonly<Record<Reason, Says>> = {
  no_permission: NO_RIGHT,
  not_active: NO_RIGHT,
  suspended: LATER,
  not_yet_valid: LATER,
  expired: [403, '1000001'],
  withdrawn: [403, '1000014'],
  meter_not_covered: NO_RIGHT,
  kind_not_covered: NOT_GRANTED,
  direction_not_covered: NOT_GRANTED,
  step_too_fine: NOT_GRANTED,
  period_outside: NOT_GRANTED,
  purpose_missing: TOKEN,
  purpose_mismatch: NOT_GRANTED,
  recipient_mismatch: NOT_GRANTED,
  chain_broken: NOT_GRANTED,
  token_unbound: TOKEN,
  evidence_missing: LATER,
  proof_overdue: LATER,
  proof_ko: LATER,
  holder_unverified: LATER,
  holder_changed: [403, '1000000'],
  source_binding_missing: LATER,
  onward_sharing_forbidden: NOT_GRANTED,
  aggregate_too_small: NOT_GRANTED,
  unknown_route: [404, '9000006'],
  malformed: MALFORMED,
  token_invalid: TOKEN,
  token_expired: TOKEN,
  client_disabled: TOKEN,
  rule_missing: NOT_GRANTED,
  window_too_long: MALFORMED,
  too_old: MALFORMED,
  too_often: SLOWER,
  quota_gate: SLOWER,
  quota_holder: SLOWER,
  holder_refused: LATER,
  holder_down: LATER,
  not_translatable: [404, '9000006'],
  evidence_unavailable: LATER,
}

/** Those of a kind that the permission lacks: GRDF has a code for each of its two families of readings. */
const FAMILY_CODE = { published: '1000009', informative: '1000010' } as const
/** Of what is malformed GRDF has codes for two. */
const FLAW_CODE: Readonly<Record<string, string>> = { point_format: '1000005', future: '1000016' }
const WAIT_SECONDS = 60

export function refuse(form: AdictForm | null, { reason, flaw, retryAfterSeconds }: Refusal): Reply {
  const [status, code] = ANSWERS[reason]
  const { by, title, help } = REASONS[reason]
  const series = form && form.series !== 'rights' ? seriesOf(form.series) : undefined
  const family = reason === 'kind_not_covered' && series?.is === 'lines' ? FAMILY_CODE[series.family] : undefined
  const own = reason === 'malformed' ? FLAW_CODE[flaw ?? ''] : family
  return told(status, { code: own ?? code, message: title, reason, by, help }, retryAfterSeconds)
}

/** Nothing of what was asked for, or nothing that may leave. */
export function noData(): Reply {
  const [status, code] = NO_DATA
  return told(status, { code, message: 'No data', reason: 'no_data', by: 'holder', help: 'Ask for other days or parts' })
}

/** What GRDF itself refused. Its code crosses, its text never does. */
export function passError(form: AdictForm, error: HolderError): Reply {
  const { says, code } = error
  switch (says.means) {
    case 'no_data':
    case 'before_activation':
      return noData()
    case 'period_refused':
    case 'bad_request': {
      const message = 'The data holder refused the request'
      return told(400, { code, message, reason: says.means, by: 'holder', help: 'Ask for other days' })
    }
    case 'refused':
      return refuse(form, { reason: 'holder_refused' })
    case 'quota':
      return refuse(form, {
        reason: 'quota_holder',
        ...(says.retryAfterSeconds !== undefined && { retryAfterSeconds: says.retryAfterSeconds }),
      })
    // The operator's own token is no business of the client's.
    case 'token_refused':
    case 'down':
      return refuse(form, { reason: 'holder_down' })
  }
}

interface Said {
  readonly code: string
  readonly message: string
  readonly reason: string
  readonly by: By
  readonly help: string
}

function told(status: number, { code, message, reason, by, help }: Said, wait?: number): Reply {
  const headers: [string, string][] = [['Content-Type', CONTENT_TYPE]]
  if (status === 401) headers.push(['WWW-Authenticate', 'Bearer error="invalid_token"'])
  if (status === 429 || status === 503) headers.push(['Retry-After', String(Math.max(1, Math.ceil(wait ?? WAIT_SECONDS)))])
  const body = { statut_restitution: { code, message }, reason, refused_by: by, help }
  return { status, headers, body: `${JSON.stringify(body)}\n` }
}
