/**
 * Refusals in the words of Data Connect: each reason of the gate with a status, a code and a text that existing clients
 * understand, in the client's generation and denial style, beside our own stable reason, who refused and what would
 * help. `docs/errors.md` shows this table; a test holds the two together.
 *
 * What may pass by itself is 429 or 503 with `Retry-After`, never 403: on a 403 DomoticzLinky erases its tokens and
 * EDDIE ends its permission. The style `domoticz` goes further: 403 only where the permission is over, 404 where another
 * series or other days would do, because one 403 on one series would undo the whole installation.
 * Sources: guillaumezin/DomoticzLinky `plugin.py`, eddie-energy/eddie `PollingService.java`, bokub/ha-linky (its three
 * known texts, full stops included), RFC 6750 § 3.1, RFC 9110 § 10.2.3.
 */
import type { By, Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { DenialStyle, HolderError, Refusal, Reply } from '../adapter.ts'
import type { Flaw } from './classify.ts'
import { textOfCode } from './holder-error.ts'
import type { DataConnectForm, Generation } from './series.ts'

interface Wording {
  readonly code: string
  /** Enedis's own words, which clients compare; absent: the title of the reason. */
  readonly v5?: string
  readonly y2026?: string
}

export const WORDINGS = {
  no_consent: {
    code: 'ADAM-DC-0008',
    v5: 'No consent can be found for this customer and this usage point.',
    y2026: "Le client n'est pas autorisé pour le point demandé",
  },
  not_owner: {
    code: 'ADAM-DC-0007',
    v5: 'The customer is not owner of this usage point.',
    y2026: "Le client n'est pas titulaire du point demandé",
  },
  other_days: { code: 'ADAM-DC-0009', v5: 'The start date of the request must be greater than the consent start date.' },
  no_data: { code: 'no_data_found', v5: 'no measure found for this usage point', y2026: 'Pas de mesure trouvée pour ce point' },
  too_old: { code: 'ADAM-ERR0125', v5: 'The start date must be greater than the history deadline.' },
  before_activation: { code: 'ADAM-ERR0123', v5: "The requested period cannot be anterior to the meter's last activation date" },
  malformed: { code: 'Invalid_request' },
  token: { code: 'invalid_token' },
  route: { code: 'unknown_route' },
  generation: { code: 'not_translatable' },
  quota: { code: '429' },
  later: { code: 'technical_error' },
} as const satisfies Record<string, Wording>

type Says = readonly [status: number, wording: keyof typeof WORDINGS]

const FORBIDDEN: Says = [403, 'no_consent']
const NOTHING_HERE: Says = [404, 'no_data']
const LATER: Says = [503, 'later']
const SLOWER: Says = [429, 'quota']
const TOKEN: Says = [401, 'token']

/** For each reason the answer in style `enedis`, then in style `domoticz` where that differs. */
const ANSWERS: Readonly<Record<Reason, readonly [Says, Says?]>> = {
  no_permission: [FORBIDDEN, NOTHING_HERE],
  not_active: [FORBIDDEN],
  suspended: [LATER],
  not_yet_valid: [LATER],
  expired: [FORBIDDEN],
  withdrawn: [FORBIDDEN],
  meter_not_covered: [FORBIDDEN, NOTHING_HERE],
  kind_not_covered: [FORBIDDEN, NOTHING_HERE],
  direction_not_covered: [FORBIDDEN, NOTHING_HERE],
  // As Enedis answers where no curve is recorded: EDDIE then falls back to the daily series, which may be granted.
  step_too_fine: [NOTHING_HERE],
  period_outside: [[403, 'other_days'], NOTHING_HERE],
  purpose_missing: [TOKEN],
  purpose_mismatch: [FORBIDDEN, NOTHING_HERE],
  recipient_mismatch: [FORBIDDEN, NOTHING_HERE],
  chain_broken: [FORBIDDEN, NOTHING_HERE],
  token_unbound: [TOKEN],
  evidence_missing: [LATER],
  proof_overdue: [LATER],
  proof_ko: [LATER],
  holder_unverified: [LATER],
  holder_changed: [[403, 'not_owner']],
  source_binding_missing: [LATER],
  onward_sharing_forbidden: [FORBIDDEN, NOTHING_HERE],
  aggregate_too_small: [FORBIDDEN, NOTHING_HERE],
  unknown_route: [[404, 'route']],
  malformed: [[400, 'malformed']],
  token_invalid: [TOKEN],
  token_expired: [TOKEN],
  client_disabled: [TOKEN],
  rule_missing: [FORBIDDEN, NOTHING_HERE],
  window_too_long: [[400, 'malformed']],
  too_old: [[400, 'too_old'], NOTHING_HERE],
  too_often: [SLOWER],
  quota_gate: [SLOWER],
  quota_holder: [SLOWER],
  holder_refused: [LATER],
  holder_down: [LATER],
  not_translatable: [[404, 'generation']],
  evidence_unavailable: [LATER],
}

/** Seconds to wait where nobody knows better. */
const WAIT: Partial<Record<Reason, number>> = {
  too_often: 3600,
  quota_gate: 10,
  quota_holder: 60,
  holder_down: 60,
  evidence_unavailable: 10,
}
const WAIT_FOR_PEOPLE = 3600

/** Absent where the generation has no such parameter. */
interface FlawText {
  readonly v5?: string
  readonly y2026?: string
}

/** Enedis's own words for v5; of 2026 only `Le paramètre … est obligatoire` is known, the others are made after it. */
export const FLAW_TEXTS: Readonly<Record<Flaw, FlawText>> = {
  parameter_unknown: { v5: 'A parameter is unknown.', y2026: 'Un paramètre est inconnu' },
  meter_missing: { v5: 'usage_point_id parameter is required.', y2026: 'Le paramètre usage_point_id est obligatoire' },
  meter_format: {
    v5: 'usage_point_id parameter must be 14 digits long.',
    y2026: 'Le paramètre usage_point_id doit comporter 14 chiffres',
  },
  start_missing: { v5: 'Start date parameter is required.', y2026: 'Le paramètre dateDebut est obligatoire' },
  start_format: {
    v5: 'Start date parameter must be in the format YYYY-MM-DD.',
    y2026: 'Le paramètre dateDebut doit être au format AAAA-MM-JJ',
  },
  end_missing: { v5: 'End date parameter is required.', y2026: 'Le paramètre dateFin est obligatoire' },
  end_format: {
    v5: 'End date parameter must be in the format YYYY-MM-DD.',
    y2026: 'Le paramètre dateFin doit être au format AAAA-MM-JJ',
  },
  order: { v5: 'Start date should be before end date.', y2026: 'Le paramètre dateDebut doit être antérieur à dateFin' },
  future: {
    v5: 'The end date parameter must be earlier than the current date.',
    y2026: 'Le paramètre dateFin doit être antérieur à la date du jour',
  },
  person_format: { v5: 'person_id parameter must be 10 digits long.' },
  step_missing: { y2026: 'Le paramètre mesuresPas est obligatoire' },
  step_format: { y2026: 'Le paramètre mesuresPas doit valoir P1D ou P1M' },
  quantity_missing: { y2026: 'Le paramètre grandeurPhysique est obligatoire' },
  quantity_format: { y2026: 'Le paramètre grandeurPhysique doit valoir PMA ou TOUT' },
}

/** A path that the gate does not serve has no generation; it is answered in the shape that most clients read. */
export function refuse(form: DataConnectForm | null, style: DenialStyle, refusal: Refusal): Reply {
  const { reason } = refusal
  const generation = form?.generation ?? 'v5'
  const [enedis, domoticz] = ANSWERS[reason]
  const [status, wording] = (style === 'domoticz' ? domoticz : undefined) ?? enedis
  const { by, title, help } = REASONS[reason]
  const flaw = reason === 'malformed' ? flawText(refusal.flaw, generation) : undefined
  const said = { code: WORDINGS[wording].code, text: flaw ?? textIn(generation, WORDINGS[wording], title), reason, by, help }
  if (status !== 429 && status !== 503) return reply(generation, status, said)
  return reply(generation, status, said, refusal.retryAfterSeconds ?? WAIT[reason] ?? WAIT_FOR_PEOPLE)
}

/** The holder has no readings for these days, or none that may leave. */
export function noData(form: DataConnectForm, _style: DenialStyle): Reply {
  const text = textIn(form.generation, WORDINGS.no_data, '')
  return reply(form.generation, 404, { code: WORDINGS.no_data.code, text, reason: 'no_data', by: 'holder', help: 'Ask for other days' })
}

/** What the holder itself refused. Its code crosses, its text never does: the documented text of the code stands for it. */
export function passError(form: DataConnectForm, style: DenialStyle, status: number, error: HolderError): Reply {
  const { says, code } = error
  const { generation } = form
  switch (says.means) {
    case 'no_data':
      return noData(form, style)
    case 'before_activation': {
      // On consumption DomoticzLinky repeats a 400 every hour for ever; a 404 tells it to stop going back.
      if (style === 'domoticz') return noData(form, style)
      const { code: own, v5 } = WORDINGS.before_activation
      return reply(generation, 400, { code: own, text: v5, reason: says.means, by: 'holder', help: 'Ask for later days' })
    }
    case 'period_refused': {
      if (style === 'domoticz') return noData(form, style)
      const { code: own, v5 } = WORDINGS.other_days
      return reply(generation, 403, { code: own, text: v5, reason: says.means, by: 'holder', help: 'Ask for later days' })
    }
    case 'bad_request': {
      // Consumption asked of a producer, or the reverse: for DomoticzLinky there is simply no such series.
      if (style === 'domoticz' && code === 'ADAM-ERR0069') return noData(form, style)
      const text = textOfCode(code) ?? 'The data holder refused the request.'
      return reply(generation, status === 404 ? 404 : 400, { code, text, reason: says.means, by: 'holder', help: 'Correct the request' })
    }
    case 'refused':
      return refuse(form, style, { reason: 'holder_refused' })
    case 'quota': {
      const { retryAfterSeconds } = says
      return refuse(
        form,
        style,
        retryAfterSeconds === undefined ? { reason: 'quota_holder' } : { reason: 'quota_holder', retryAfterSeconds },
      )
    }
    // The operator's own token is no business of the client's.
    case 'token_refused':
    case 'down':
      return refuse(form, style, { reason: 'holder_down' })
  }
}

function textIn(generation: Generation, wording: Wording, title: string): string {
  return (generation === '2026' ? wording.y2026 : undefined) ?? wording.v5 ?? title
}

function flawText(flaw: string | undefined, generation: Generation): string | undefined {
  const texts = FLAW_TEXTS[flaw as Flaw] as FlawText | undefined
  return generation === '2026' ? texts?.y2026 : texts?.v5
}

interface Said {
  readonly code: string
  readonly text: string
  readonly reason: string
  readonly by: By
  readonly help: string
}

function reply(generation: Generation, status: number, said: Said, wait?: number): Reply {
  const headers: [string, string][] = [['Content-Type', 'application/json']]
  // Spelled exactly so: DomoticzLinky looks for this spelling.
  if (status === 401) headers.push(['WWW-Authenticate', `Bearer error="${WORDINGS.token.code}"`])
  if (wait !== undefined) headers.push(['Retry-After', String(Math.max(1, Math.ceil(wait)))])
  const { code, text, reason, by, help } = said
  const told = generation === 'v5' ? { error: code, error_description: text } : { code, message: text }
  return { status, headers, body: JSON.stringify({ ...told, reason, refused_by: by, help }) }
}
