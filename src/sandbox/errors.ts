/**
 * Every body with which Enedis refuses, in both generations, as its documentation and recorded replies have them. Three
 * families: `{error, error_description}` of v5, `{code, message}` of 2026, and the API gateway's own (WSO2), which is
 * the same for both. Texts that differ between documentation and recordings by a full stop stand as recorded.
 *
 * Source: error tables of the Data Connect documentation (copy in MyElectricalData/myelectricaldata_new), Data Connect
 * 2026 Swagger, recordings in bokub/linky.
 */
import type { Generation } from './readings.ts'

interface Refused {
  readonly status: number
  readonly code: string
  readonly text: string
  /** What 2026 says, where its text is known to differ. */
  readonly text2026?: string
  /** `gateway`: the API gateway's fault, `flat`: its other form, `v5`: the v5 body in 2026 too; absent: each its own. */
  readonly family?: 'gateway' | 'flat' | 'v5' | 'token'
}

const BAD = 'Invalid_request'
const badV5 = (text: string, text2026?: string): Refused => ({ status: 400, code: BAD, text, ...(text2026 !== undefined && { text2026 }) })
const entry = (status: number, code: string, text: string, more: Partial<Refused> = {}): Refused => ({ status, code, text, ...more })

const OWNER_FR = "Le client n'est pas titulaire du point demandé."
const CONSENT_FR = "Le client n'est pas autorisé pour le point demandé"
const NO_DATA_FR = 'Pas de mesure trouvée pour ce point'
const TECHNICAL_FR = "Problème technique dans l'interrogation du SI coeur"

export const ERRORS = {
  meter_missing: badV5('usage_point_id parameter is required', 'Le paramètre usage_point_id est obligatoire'),
  meter_format: badV5('usage_point_id parameter must be 14 digits long'),
  start_missing: badV5('Start date parameter is required'),
  start_format: badV5('Start date parameter must be in the format YYYY-MM-DD'),
  end_missing: badV5('End date parameter is required'),
  end_format: badV5('End date parameter must be in the format YYYY-MM-DD'),
  end_future: badV5('The end date parameter must be earlier than the current date.'),
  order: badV5('Start date should be before end date.'),
  person_required: badV5('person_id parameter is required when the user is not an authentified customer'),
  before_activation: entry(400, 'ADAM-ERR0123', "The requested period cannot be anterior to the meter's last activation date", {
    family: 'v5',
  }),
  too_old: entry(400, 'ADAM-ERR0125', 'The start date must be greater than the history deadline.'),
  too_old_dc: entry(400, 'ADAM-DC-0016', 'The start date must be greater than the history deadline.'),
  too_long: entry(400, 'ADAM-ERR0126', 'The requested period must be less than 7 days for an access to the load curve'),
  too_long_dc: entry(400, 'ADAM-DC-0015', 'The requested period must be less than 7 days for an access to the load curve'),
  not_holder: entry(400, 'ADAM-ERR0061', 'The seeker is not recognized as the actual meter holder'),
  curve_opposed: entry(400, 'ADAM-ERR0075', 'The customer objected to the load curve recording'),
  wrong_direction: entry(400, 'ADAM-ERR0069', 'Le sens de la mesure ne correspond pas pour le PRM demandé'),
  no_consent: entry(403, 'ADAM-DC-0008', 'No consent can be found for this customer and this usage point.', { text2026: CONSENT_FR }),
  no_consent_underscored: entry(403, 'ADAM_DC_0008', 'No consent can be found for this customer and this usage point.'),
  not_owner: entry(403, 'ADAM-DC-0007', 'The customer is not owner of this usage point.', { text2026: OWNER_FR }),
  // Seen from July to September 2026.
  not_owner_400: entry(400, 'ADAM-DC-0007', OWNER_FR),
  before_consent: entry(403, 'ADAM-DC-0009', 'The start date of the request must be greater than the consent start date.'),
  unauthorized_user: entry(403, 'unauthorized_user', 'user is not authorized to access this resource'),
  not_subscribed: entry(403, '900908', 'API Subscription validation failed', { family: 'gateway' }),
  no_data: entry(404, 'no_data_found', 'no measure found for this usage point', { text2026: NO_DATA_FR }),
  no_data_stm20: entry(404, 'STM-ERR-0000020', 'no measure found for this usage point'),
  no_data_stm14: entry(404, 'STM-ERR-0000014', 'no measure found for this usage point'),
  unknown_user: entry(404, 'STM-ERR-0000019', 'Unknown or unauthorized user.'),
  unknown_point: entry(404, 'no_data_found', 'PRM non existant'),
  no_resource: entry(404, '900906', 'No matching resource found for given API Request', { family: 'gateway' }),
  no_method: entry(405, '900905', 'Method not allowed for given API resource', { family: 'gateway' }),
  token_invalid: entry(401, '900901', 'Invalid Credentials', { family: 'gateway' }),
  token_missing: entry(401, '900902', 'Missing Credentials', { family: 'gateway' }),
  quota_second: entry(429, '429', 'Quota Q3 reached: Call threshold allowed on this API', { text2026: 'SLA dépassé' }),
  quota_hour: entry(429, '429', 'Quota Q4 reached: Call threshold allowed on this API', { text2026: 'SLA dépassé' }),
  throttled: entry(429, '900804', 'Message throttled out', { family: 'flat' }),
  throttled_application: entry(429, '900807', 'Message throttled out', { family: 'flat' }),
  technical: entry(500, 'technical_error', 'Technical error. Please try later.', { text2026: TECHNICAL_FR }),
  technical_dc: entry(500, 'ADAM-DC-0500', 'Technical error. Please try later.', { text2026: TECHNICAL_FR }),
  technical_stm: entry(500, 'STM-ERR-0000001', 'Technical error. Please try later.', { text2026: TECHNICAL_FR }),
  // What 2026 answers to all that is not in its Swagger.
  unexpected: entry(500, '500', TECHNICAL_FR),
  unavailable: entry(503, 'service_unavailable', 'Service Unavailable'),
  client_invalid: entry(401, 'invalid_client', 'Client Authentication failed.', { family: 'token' }),
  grant_missing: entry(400, 'invalid_request', 'Missing grant_type parameter value', { family: 'token' }),
  grant_unsupported: entry(400, 'unsupported_grant_type', 'Unsupported grant_type value', { family: 'token' }),
  form_expected: entry(415, 'unsupported_media_type', 'Unsupported Media Type', { family: 'token' }),
} as const satisfies Record<string, Refused>
export type ErrorId = keyof typeof ERRORS
export const ERROR_IDS = Object.keys(ERRORS) as readonly ErrorId[]

const ERROR_URI = 'https://bluecoder.enedis.fr/api-doc/consulter-souscrire'

/** @param nextAccess when a throttled application may call again, in UTC milliseconds */
export function errorBody(id: ErrorId, generation: Generation, nextAccess: number): { readonly status: number; readonly body: string } {
  const { status, code, text, text2026, family }: Refused = ERRORS[id]
  return { status, body: JSON.stringify(fields()) }

  function fields(): unknown {
    if (family === 'token') return { error_description: text, error: code }
    if (family === 'gateway') return { fault: { code: Number(code), message: text, description: `${text}. See the API documentation.` } }
    if (family === 'flat') {
      return { code, message: text, description: 'You have exceeded your quota', nextAccessTime: wso2Time(nextAccess) }
    }
    if (generation === 'v5' || family === 'v5') return { error: code, error_description: text, error_uri: ERROR_URI }
    return { code, message: text2026 ?? text }
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `2026-Jul-17 05:00:00+0000 UTC`: never before the moment itself, which has milliseconds. */
function wso2Time(at: number): string {
  const iso = new Date(Math.ceil(at / 1000) * 1000).toISOString()
  return `${iso.slice(0, 5)}${MONTHS[Number(iso.slice(5, 7)) - 1]}${iso.slice(7, 10)} ${iso.slice(11, 19)}+0000 UTC`
}
