/**
 * What Enedis means by an answer that is not 200. Three families of bodies are met, whatever the generation:
 * `{error, error_description}`, `{code, message}` (or a list of them), and the API gateway's `{fault: {code, …}}` or
 * `{code, message, nextAccessTime}`. The code speaks first, then the text without its full stop, then the status:
 * the same refusal has been seen with another status and in another language.
 *
 * Sources: error table of the Data Connect documentation (copy in MyElectricalData/myelectricaldata_new), Data Connect
 * 2026 Swagger, bodies recorded in bokub/linky and by Device-Flow-Proxy-Server. Free text of the holder goes no further.
 */
import type { Millis } from '../../domain/time.ts'
import type { HolderError, HolderSays } from '../adapter.ts'
import { retryAfterSeconds, secondsUntil } from '../retry-after.ts'

type Means = HolderSays['means']

interface Known {
  readonly means: Means
  readonly codes: readonly string[]
  /** As the documentation or a recording writes them; the first is what a client is told. */
  readonly texts: readonly string[]
}

const KNOWN: readonly Known[] = [
  {
    means: 'no_data',
    codes: ['no_data_found', 'STM-ERR-0000020', 'STM-ERR-0000014'],
    texts: ['no measure found for this usage point', 'Pas de mesure trouvée pour ce point'],
  },
  {
    means: 'before_activation',
    codes: ['ADAM-ERR0123'],
    texts: ["The requested period cannot be anterior to the meter's last activation date"],
  },
  {
    means: 'bad_request',
    codes: ['ADAM-ERR0125', 'ADAM-DC-0016'],
    texts: ['The start date must be greater than the history deadline.'],
  },
  {
    means: 'bad_request',
    codes: ['ADAM-ERR0126', 'ADAM-DC-0015'],
    texts: ['The requested period must be less than 7 days for an access to the load curve'],
  },
  { means: 'bad_request', codes: ['ADAM-ERR0069'], texts: ['Le sens de la mesure ne correspond pas pour le PRM demandé'] },
  { means: 'refused', codes: ['ADAM-ERR0061'], texts: ['The seeker is not recognized as the actual meter holder'] },
  { means: 'refused', codes: ['ADAM-ERR0075'], texts: ['The customer objected to the load curve recording'] },
  {
    means: 'refused',
    codes: ['ADAM-DC-0008'],
    texts: ['No consent can be found for this customer and this usage point.', "Le client n'est pas autorisé pour le point demandé"],
  },
  {
    means: 'refused',
    codes: ['ADAM-DC-0007'],
    texts: ['The customer is not owner of this usage point.', "Le client n'est pas titulaire du point demandé."],
  },
  {
    means: 'period_refused',
    codes: ['ADAM-DC-0009'],
    texts: ['The start date of the request must be greater than the consent start date.'],
  },
  { means: 'refused', codes: ['unauthorized_user'], texts: ['user is not authorized to access this resource'] },
  { means: 'refused', codes: ['STM-ERR-0000019'], texts: ['Unknown or unauthorized user.'] },
  { means: 'token_refused', codes: ['900901', '900902', '900903'], texts: ['Invalid Credentials', 'Missing Credentials'] },
  // The operator's application lacks that API: nothing that the client or the person could mend, and no word on the consent.
  { means: 'down', codes: ['900908'], texts: ['API Subscription validation failed'] },
  { means: 'quota', codes: ['429', '900804', '900807'], texts: ['Message throttled out', 'SLA dépassé'] },
  {
    means: 'down',
    codes: ['technical_error', 'ADAM-DC-0500', 'STM-ERR-0000001'],
    texts: ['Technical error. Please try later.', "Problème technique dans l'interrogation du SI coeur"],
  },
]

const BY_CODE = new Map(KNOWN.flatMap((known) => known.codes.map((code) => [codeKey(code), known] as const)))
const BY_TEXT = new Map(KNOWN.flatMap((known) => known.texts.map((text) => [comparable(text), known] as const)))

/** The documented text of one of Enedis's codes. */
export function textOfCode(code: string): string | undefined {
  return BY_CODE.get(codeKey(code))?.texts[0]
}

export function holderError(status: number, body: string, retryAfter: string | null, now: Millis): HolderError {
  const told = read(body)
  const known = (told && BY_CODE.get(codeKey(told.code))) ?? byText(told)
  const means = status === 429 ? 'quota' : (known?.means ?? byStatus(status, told !== undefined))
  // Without a code of its own: the code of the text, or the status, so that the evidence always tells something.
  const code = asCode(told?.code ?? '') ?? known?.codes[0] ?? `HTTP_${status}`
  if (means !== 'quota') return { says: { means }, code }
  const seconds = retryAfterSeconds(retryAfter, now) ?? parseNextAccess(told?.nextAccess, now)
  return { says: seconds === undefined ? { means } : { means, retryAfterSeconds: seconds }, code }
}

interface Told {
  readonly code: string
  readonly text: string
  readonly nextAccess: string | undefined
}

/** Undefined where the body is in none of the three families. */
function read(body: string): Told | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined // an HTML page of the security equipment, or nothing at all
  }
  const one: unknown = Array.isArray(value) ? value[0] : value
  const outer = entries(one)
  const told = outer.has('fault') ? entries(outer.get('fault')) : outer
  const code = told.get('error') ?? told.get('code')
  const text = told.get('error_description') ?? told.get('message')
  if (!isScalar(code) && !isScalar(text)) return undefined
  const nextAccess = told.get('nextAccessTime')
  return {
    code: isScalar(code) ? String(code) : '',
    text: isScalar(text) ? String(text) : '',
    nextAccess: typeof nextAccess === 'string' ? nextAccess : undefined,
  }
}

function entries(value: unknown): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

function isScalar(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

/** In 2026 the text may stand where a code is expected. */
function byText(told: Told | undefined): Known | undefined {
  return told && (BY_TEXT.get(comparable(told.text)) ?? BY_TEXT.get(comparable(told.code)))
}

/** The Swagger writes `ADAM_DC_0008` where replies have `ADAM-DC-0008`. */
function codeKey(code: string): string {
  return code.toLowerCase().replaceAll('_', '-')
}

function comparable(text: string): string {
  return text.trim().replace(/\.$/, '').replaceAll('’', "'").toLowerCase()
}

function byStatus(status: number, isJson: boolean): Means {
  if (status === 401) return 'token_refused'
  // A 404 page that is not JSON is the security equipment's, not a word about the meter; so is a 403 one.
  if (!isJson) return 'down'
  if (status === 403) return 'refused'
  return status >= 400 && status < 500 ? 'bad_request' : 'down'
}

/**
 * What looks like a code. A sentence, or the number of a meter, may stand where a code is expected: neither may reach the
 * client or the log in clear, and a sentence without its blanks is a sentence still.
 */
function asCode(text: string): string | undefined {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text) && !/[0-9]{10}/.test(text) ? text : undefined
}

/** `2026-Jul-17 05:00:00+0000 UTC`, as the API gateway (WSO2) writes it. */
function parseNextAccess(text: string | undefined, now: Millis): number | undefined {
  const match = /^(\d{4})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2})\+0000 UTC$/.exec(text ?? '')
  return match ? secondsUntil(Date.parse(`${match[3]} ${match[2]} ${match[1]} ${match[4]} GMT`), now) : undefined
}
