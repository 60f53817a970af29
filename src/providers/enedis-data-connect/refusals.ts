/**
 * Refusals in the words of Data Connect: each reason of the gate with a status, a code and a text that existing clients
 * understand, in the client's dialect and denial style, beside our own stable reason, who refused and what would help.
 * `docs/errors.md` shows this table; a test holds the two together.
 *
 * What may pass by itself is 429 or 503 with `Retry-After`, never 403: on a 403 DomoticzLinky erases its tokens and
 * EDDIE ends its permission. The style `domoticz` goes further: 403 only where the permission is over, 404 where another
 * series or other days would do, because one 403 on one series would undo the whole installation. The style `conso` says
 * 401 of a meter that the token does not open, as Conso API does, and of days that are not open what ha-linky takes for
 * the end of the history. The style alone chooses status and code, the dialect what they are written in.
 * Sources: guillaumezin/DomoticzLinky `plugin.py`, eddie-energy/eddie `PollingService.java`, bokub/ha-linky `linky.ts`
 * (its three known texts, full stops included), bokub/conso-api, RFC 6750 § 3.1, RFC 9110 § 10.2.3.
 */
import type { By, Reason } from '../../domain/errors.ts'
import { REASONS } from '../../domain/errors.ts'
import type { DenialStyle, HolderError, Refusal, Reply } from '../adapter.ts'
import type { Flaw } from './classify.ts'
import { ALLOWED } from './classify.ts'
import type { DataConnectForm, Dialect } from './dialects.ts'
import { DIALECTS } from './dialects.ts'
import { textOfCode } from './holder-error.ts'
import type { Generation } from './series.ts'

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
/** What ha-linky takes for the beginning of the history. */
const NOT_BEFORE: Says = [400, 'before_activation']

/** By style; the style `enedis` stands for those that are absent. */
interface Answers {
  readonly enedis: Says
  readonly domoticz?: Says
  readonly conso?: Says
}
const here = (enedis: Says): Answers => ({ enedis })
/** Another series, another token or another purpose would do. */
const NOT_THIS: Answers = { enedis: FORBIDDEN, domoticz: NOTHING_HERE }
/** The token does not open this meter. Never given and another's are one row: they are not told apart. */
const NOT_YOURS: Answers = { enedis: FORBIDDEN, domoticz: NOTHING_HERE, conso: [401, 'no_consent'] }

const ANSWERS: Readonly<Record<Reason, Answers>> = {
  no_permission: NOT_YOURS,
  not_active: here(FORBIDDEN),
  suspended: here(LATER),
  not_yet_valid: here(LATER),
  expired: here(FORBIDDEN),
  withdrawn: here(FORBIDDEN),
  meter_not_covered: NOT_YOURS,
  kind_not_covered: NOT_THIS,
  direction_not_covered: NOT_THIS,
  // As Enedis answers where no curve is recorded: EDDIE then falls back to the daily series, which may be granted.
  step_too_fine: here(NOTHING_HERE),
  period_outside: { enedis: [403, 'other_days'], domoticz: NOTHING_HERE, conso: NOT_BEFORE },
  purpose_missing: here(TOKEN),
  purpose_mismatch: NOT_THIS,
  recipient_mismatch: NOT_THIS,
  chain_broken: NOT_THIS,
  token_unbound: here(TOKEN),
  evidence_missing: here(LATER),
  proof_overdue: here(LATER),
  proof_ko: here(LATER),
  holder_unverified: here(LATER),
  holder_changed: here([403, 'not_owner']),
  source_binding_missing: here(LATER),
  onward_sharing_forbidden: NOT_THIS,
  aggregate_too_small: NOT_THIS,
  unknown_route: here([404, 'route']),
  malformed: here([400, 'malformed']),
  token_invalid: here(TOKEN),
  token_expired: here(TOKEN),
  client_disabled: here(TOKEN),
  rule_missing: NOT_THIS,
  window_too_long: here([400, 'malformed']),
  too_old: { enedis: [400, 'too_old'], domoticz: NOTHING_HERE },
  too_often: here(SLOWER),
  quota_gate: here(SLOWER),
  quota_holder: here(SLOWER),
  holder_refused: here(LATER),
  holder_down: here(LATER),
  not_translatable: here([404, 'generation']),
  evidence_unavailable: here(LATER),
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

/** Absent where the dialect has no such parameter, or the words of v5 will do. */
interface FlawText {
  readonly v5?: string
  readonly y2026?: string
  readonly conso?: string
}

/** Enedis's own words for v5; of 2026 only `Le paramètre … est obligatoire` is known, the others are made after it. */
export const FLAW_TEXTS: Readonly<Record<Flaw, FlawText>> = {
  method: { conso: 'Only the method GET is served.' },
  shares: { y2026: 'Le corps de la demande est invalide' },
  parameter_unknown: { v5: 'A parameter is unknown.', y2026: 'Un paramètre est inconnu' },
  meter_missing: {
    v5: 'usage_point_id parameter is required.',
    y2026: 'Le paramètre usage_point_id est obligatoire',
    conso: 'prm parameter is required.',
  },
  meter_format: {
    v5: 'usage_point_id parameter must be 14 digits long.',
    y2026: 'Le paramètre usage_point_id doit comporter 14 chiffres',
    conso: 'prm parameter must be 14 digits long.',
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

/** A path that the gate does not serve has no dialect; it is answered in the one that most clients read. */
export function refuse(form: DataConnectForm | null, style: DenialStyle, refusal: Refusal): Reply {
  const { reason, flaw } = refusal
  const dialect = form?.dialect ?? 'v5'
  const answers = ANSWERS[reason]
  const [known, wording] = answers[ownStyle(dialect, style)] ?? answers.enedis
  const { by, title, help } = REASONS[reason]
  const wrong = reason === 'malformed' ? flawText(flaw, dialect) : undefined
  const text = wrong ?? textIn(dialect, WORDINGS[wording], title)
  const otherMethod = reason === 'malformed' && flaw === 'method'
  const status = otherMethod ? 405 : known
  const said = { code: WORDINGS[wording].code, text, title, reason, by, help }
  const reply = told(dialect, status, said, isLater(status) ? (refusal.retryAfterSeconds ?? WAIT[reason] ?? WAIT_FOR_PEOPLE) : undefined)
  return otherMethod ? { ...reply, headers: [...reply.headers, ['Allow', ALLOWED]] } : reply
}

/** The holder has no readings for these days, or none that may leave. */
export function noData(form: DataConnectForm, _style: DenialStyle): Reply {
  return fromHolder(
    form,
    404,
    { code: WORDINGS.no_data.code, text: textIn(form.dialect, WORDINGS.no_data, '') },
    'no_data',
    'Ask for other days',
  )
}

/** What the holder itself refused. Its code crosses, its text never does: the documented text of the code stands for it. */
export function passError(form: DataConnectForm, asked: DenialStyle, status: number, error: HolderError): Reply {
  const { says, code } = error
  const style = ownStyle(form.dialect, asked)
  switch (says.means) {
    case 'no_data':
      return noData(form, style)
    case 'before_activation':
      // On consumption DomoticzLinky repeats a 400 every hour for ever; a 404 tells it to stop going back.
      return style === 'domoticz' ? noData(form, style) : otherDays(form, 400, 'before_activation', says.means)
    case 'period_refused':
      if (style === 'domoticz') return noData(form, style)
      return style === 'conso' ? otherDays(form, 400, 'before_activation', says.means) : otherDays(form, 403, 'other_days', says.means)
    case 'bad_request': {
      // Consumption asked of a producer, or the reverse: for DomoticzLinky there is simply no such series.
      if (style === 'domoticz' && code === 'ADAM-ERR0069') return noData(form, style)
      const text = textOfCode(code) ?? 'The data holder refused the request.'
      return fromHolder(form, status === 404 ? 404 : 400, { code, text }, says.means, 'Correct the request')
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

function ownStyle(dialect: Dialect, style: DenialStyle): Exclude<DenialStyle, 'native'> {
  return style === 'native' ? DIALECTS[dialect].style : style
}

function isLater(status: number): boolean {
  return status === 429 || status === 503
}

function otherDays(form: DataConnectForm, status: number, wording: 'before_activation' | 'other_days', reason: string): Reply {
  const { code, v5 } = WORDINGS[wording]
  return fromHolder(form, status, { code, text: v5 }, reason, 'Ask for later days')
}

function fromHolder(
  form: DataConnectForm,
  status: number,
  word: { readonly code: string; readonly text: string },
  reason: string,
  help: string,
): Reply {
  return told(form.dialect, status, { ...word, title: 'The data holder refused the request', reason, by: 'holder', help })
}

function textIn(dialect: Dialect, wording: Wording, title: string): string {
  return (DIALECTS[dialect].speaks === '2026' ? wording.y2026 : undefined) ?? wording.v5 ?? title
}

function flawText(flaw: string | undefined, dialect: Dialect): string | undefined {
  const texts = FLAW_TEXTS[flaw as Flaw] as FlawText | undefined
  const { speaks, body } = DIALECTS[dialect]
  if (speaks === '2026') return texts?.y2026
  return (body === 'conso' ? texts?.conso : undefined) ?? texts?.v5
}

interface Said {
  readonly code: string
  readonly text: string
  readonly title: string
  readonly reason: string
  readonly by: By
  readonly help: string
}

function told(dialect: Dialect, status: number, said: Said, wait?: number): Reply {
  const headers: [string, string][] = [['Content-Type', 'application/json']]
  // Spelled exactly so: DomoticzLinky looks for this spelling.
  if (status === 401) headers.push(['WWW-Authenticate', `Bearer error="${WORDINGS.token.code}"`])
  if (wait !== undefined) headers.push(['Retry-After', String(Math.max(1, Math.ceil(wait)))])
  const { code, text, title, reason, by, help } = said
  const { speaks, body } = DIALECTS[dialect]
  const enedis = wordsOf(speaks, code, text)
  const whole = body === 'conso' ? { status, message: title, error: enedis } : enedis
  return { status, headers, body: JSON.stringify({ ...whole, reason, refused_by: by, help }) }
}

function wordsOf(speaks: Generation, code: string, text: string): object {
  return speaks === 'v5' ? { error: code, error_description: text } : { code, message: text }
}
