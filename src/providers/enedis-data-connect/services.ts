/**
 * `POST /subscribed_services/v1`: what Enedis says is shared, by authorisation or by meter. Pure: builds the call and
 * reads the answer. An authorisation's id is a 64-bit integer: it stays text end to end, since a JSON number of that
 * size changes value when it is read.
 *
 * Source: Data Connect 2026 Swagger, Services-souscrits.
 */
import type { UsagePointId } from '../../domain/meter.ts'
import { bareMeter, parsePrm } from '../../domain/meter.ts'
import type { ScopeLine } from '../../domain/permission.ts'
import type { SharedService } from '../../domain/share.ts'
import { parseDay } from '../../domain/time.ts'
import type { DataKind, Step } from '../../domain/vocabulary.ts'
import { STEPS } from '../../domain/vocabulary.ts'
import type { HeldShare, Reply, SharesAsked } from '../adapter.ts'

export const SERVICES_PATH = '/subscribed_services/v1'
/** Conso API writes it with a slash at its end, which Enedis takes. */
export const CLIENT_SERVICES_PATHS: readonly string[] = [SERVICES_PATH, `${SERVICES_PATH}/`]
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

/**
 * Enedis's own word that it knows no such meter. A page of its security equipment and the API gateway before it (codes of
 * six digits: no such API) have the same status, and say nothing about any meter.
 */
export function saysUnknownMeter(status: number, body: string): boolean {
  if (status !== 404) return false
  try {
    const said: unknown = JSON.parse(body)
    const first: unknown = Array.isArray(said) ? said[0] : said
    if (!isObject(first) || typeof first['message'] !== 'string') return false
    return typeof first['code'] === 'string' && !/^\d{6}$/.test(first['code'])
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
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

/** What a client asks us, as it would ask Enedis. Fields that we do not answer by (`siren`, kinds) are refused, not ignored. */
export function readShares(text: string): SharesAsked | undefined {
  let value: unknown
  try {
    value = JSON.parse(text, withBigNumbers)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (!isObject(value) || !Object.keys(value).every((name) => KNOWN_FIELDS.has(name))) return undefined
  const { autorisationId, pointId, comptage, etatCode, page = 1 } = value
  if (typeof comptage !== 'boolean' || typeof page !== 'number' || !Number.isInteger(page) || page < 1) return undefined
  const states = etatCode === undefined ? ['DEMANDE', 'ACTIF'] : etatCode
  if (!Array.isArray(states) || !states.every((state) => STATES.includes(String(state)))) return undefined
  const rest = { count: comptage, page, ended: states.includes('TERMINE') }
  if (autorisationId !== undefined) {
    const authorisation = String(autorisationId as string | number)
    return isAuthorisationId(authorisation) ? { about: { authorisation }, ...rest } : undefined
  }
  if (!Array.isArray(pointId) || pointId.length === 0 || pointId.length > MOST_METERS) return undefined
  const meters = pointId.map((one: unknown) => (typeof one === 'string' ? parsePrm(one) : undefined)).filter((m) => m !== undefined)
  return meters.length === pointId.length ? { about: { meters }, ...rest } : undefined
}
const KNOWN_FIELDS = new Set(['autorisationId', 'pointId', 'comptage', 'etatCode', 'serviceType', 'page', 'autorisation'])

const CODES: Readonly<Partial<Record<DataKind, string>>> = { load_curve: 'CDC', max_power: 'PMAX', daily_energy: 'ENERGIE', index: 'IDX' }
const PER_PAGE = 100

/** One row for each dated line. An id is a 64-bit number there, written as its digits. */
export function showShares(asked: SharesAsked, held: readonly HeldShare[]): Reply {
  const rows = held
    .filter((share) => share.inForce || asked.ended)
    .flatMap((share) =>
      share.lines.flatMap((line) => {
        const code = CODES[line.kind]
        return code === undefined ? [] : [rowOf(share, line, code)]
      }),
    )
  const page = rows.slice((asked.page - 1) * PER_PAGE, asked.page * PER_PAGE)
  const list = asked.count ? '' : `,"serviceSouscrit":[${page.join(',')}]`
  return { status: 200, headers: [['Content-Type', 'application/json']], body: `{"nbTotalServices":${rows.length}${list}}` }
}

function rowOf(share: HeldShare, line: ScopeLine, code: string): string {
  const injection = line.direction === 'injection'
  const fields = JSON.stringify({
    id: `${share.authorisation}-${line.id}`,
    serviceCode: 'ACCES',
    soutirage: !injection,
    injection,
    pointId: bareMeter(share.meter),
    dateDebut: share.from,
    dateFin: share.until,
    etatCode: share.inForce ? 'ACTIF' : 'TERMINE',
    etatLibelle: share.inForce ? 'Actif' : 'Terminé',
    mesuresTypeCode: code,
    mesuresPas: line.finest,
    mesuresCorrigees: false,
    espaceDynamique: false,
    publicationDonnees: false,
  })
  return `${fields.slice(0, -1)},"autorisation":{"autorisationId":${share.authorisation},"autorisationType":"EXPLICITE"}}`
}
