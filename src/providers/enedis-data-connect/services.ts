/**
 * `POST /subscribed_services/v1`: what Enedis says is shared, by authorisation or by meter. Pure: builds the call and
 * reads the answer. An authorisation's id is a 64-bit integer: it stays text end to end, since a JSON number of that
 * size changes value when it is read.
 *
 * Source: Data Connect 2026 Swagger, Services-souscrits.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { bareMeter, parsePrm } from '../../domain/meter.ts'
import type { SharedService } from '../../domain/share.ts'
import { parseDay } from '../../domain/time.ts'
import type { DataKind, Step } from '../../domain/vocabulary.ts'
import { STEPS } from '../../domain/vocabulary.ts'

export const SERVICES_PATH = '/subscribed_services/v1'
/** What the quota of this API is counted under. */
export const SERVICES_API = 'subscribed_services'
/** Enedis takes up to 1000 meters in one call. */
export const MOST_METERS = 1000

export type ServicesQuestion = { readonly authorisation: string } | { readonly meters: readonly UsagePointId[] }

/** Also ended ones: what is over must be told from what is not known. */
const STATES = ['DEMANDE', 'ACTIF', 'TERMINE', 'SUPPRIME']

/** @param page from 1 */
export function servicesBody(question: ServicesQuestion, page: number): string {
  const about =
    'authorisation' in question
      ? `"autorisationId":${authorisationId(question.authorisation)}`
      : `"pointId":${JSON.stringify(question.meters.map(bareMeter))}`
  return `{${about},"comptage":false,"etatCode":${JSON.stringify(STATES)},"serviceType":"ACCES","page":${page}}`
}

/** Decimal digits of a 64-bit signed integer above zero, as `autorisation_id` of the callback is one. */
export function isAuthorisationId(text: string): boolean {
  return /^[1-9][0-9]{0,18}$/.test(text) && BigInt(text) <= 0x7fff_ffff_ffff_ffffn
}

function authorisationId(text: string): string {
  if (!isAuthorisationId(text)) throw new RangeError('not the id of an authorisation')
  return text
}

export type ServicesRead =
  | { readonly ok: true; readonly total: number; readonly services: readonly SharedService[] }
  | { readonly ok: false }

/** One row that cannot be read spoils the answer: what is shared is never half known. */
export function readServices(text: string): ServicesRead {
  let value: unknown
  try {
    value = JSON.parse(text, withBigNumbers)
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false }
    throw error
  }
  if (!isObject(value) || typeof value['nbTotalServices'] !== 'number') return { ok: false }
  const rows = value['serviceSouscrit'] ?? []
  if (!Array.isArray(rows)) return { ok: false }
  const services = rows.map(serviceOf)
  return services.includes(undefined)
    ? { ok: false }
    : { ok: true, total: value['nbTotalServices'], services: services.filter((s) => s !== undefined) }
}

/** Numbers that a double cannot hold stay the digits that were sent. */
function withBigNumbers(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && context?.source !== undefined ? context.source : value
}

const KINDS: Readonly<Record<string, DataKind>> = { CDC: 'load_curve', PMAX: 'max_power', ENERGIE: 'daily_energy', IDX: 'index' }
const STATE_OF: Readonly<Record<string, SharedService['state']>> = {
  DEMANDE: 'asked',
  ACTIF: 'active',
  TERMINE: 'ended',
  SUPPRIME: 'removed',
}

function serviceOf(row: unknown): SharedService | undefined {
  if (!isObject(row)) return undefined
  const { id, pointId, dateDebut, dateFin, etatCode, mesuresTypeCode, mesuresPas, injection, soutirage } = row
  const meter = typeof pointId === 'string' ? parsePrm(pointId) : undefined
  const from = typeof dateDebut === 'string' ? parseDay(dateDebut) : undefined
  const until = typeof dateFin === 'string' ? parseDay(dateFin) : undefined
  const state = typeof etatCode === 'string' && Object.hasOwn(STATE_OF, etatCode) ? STATE_OF[etatCode] : undefined
  // One way or the other: a row that says both or neither says nothing that could be relied on.
  if (typeof id !== 'string' || !meter || !from || !until || !state || injection === soutirage) return undefined
  const kind = typeof mesuresTypeCode === 'string' && Object.hasOwn(KINDS, mesuresTypeCode) ? KINDS[mesuresTypeCode] : undefined
  const step: Step | undefined = STEPS.find((one) => one === mesuresPas)
  const authorisation = authorisationOf(row['autorisation'])
  return {
    id,
    meter,
    ...(authorisation !== undefined && { authorisation }),
    ...(kind !== undefined && { kind }),
    direction: injection === true ? 'injection' : 'withdrawal',
    ...(step !== undefined && { step }),
    from,
    until,
    state,
  }
}

function authorisationOf(value: unknown): string | undefined {
  const id = isObject(value) ? value['autorisationId'] : undefined
  const text = typeof id === 'number' || typeof id === 'string' ? String(id) : ''
  return isAuthorisationId(text) ? text : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
