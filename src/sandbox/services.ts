/**
 * `POST /subscribed_services/v1`: what has been shared of each meter with the application that asks, which way, from when
 * to when. Told from the shares that the data paths ask too, so that it never says another thing than they do.
 *
 * Source: Data Connect 2026 Swagger, Services-souscrits.
 */
import type { Day } from '../domain/time.ts'
import { parseDay } from '../domain/time.ts'
import type { ErrorId } from './errors.ts'
import { meterOf } from './meters.ts'
import type { Series, Share } from './shares.ts'
import { daysOf, stateOf } from './shares.ts'

const STATES = ['DEMANDE', 'ACTIF', 'TERMINE', 'SUPPRIME'] as const
const LABELS = { DEMANDE: 'Demandé', ACTIF: 'Actif', TERMINE: 'Terminé', SUPPRIME: 'Supprimé' } as const
const KINDS = ['CCDC', 'TRANSREC', 'OPPENR', 'ACCES'] as const
const MEASURES = ['CDC', 'PMAX', 'ENERGIE', 'IDX', 'ITC'] as const
const SIREN = '999999999'
const PER_PAGE = 100
const MOST_NAMED = 1000

interface Service {
  readonly id: string
  readonly serviceCode: (typeof KINDS)[number]
  readonly soutirage: boolean
  readonly injection: boolean
  readonly pointId: string
  readonly dateDebut: Day
  readonly dateFin: Day
  readonly etatCode: (typeof STATES)[number]
  readonly etatLibelle: string
  readonly mesuresTypeCode?: (typeof MEASURES)[number]
  readonly mesuresPas?: string
  readonly mesuresCorrigees: boolean
  readonly espaceDynamique: boolean
  readonly publicationDonnees: boolean
  readonly sirenBeneficiaire: string
  readonly autorisation?: { readonly autorisationId: string; readonly autorisationLibelle: string; readonly autorisationType: string }
}

export type ServicesAnswer = { readonly ok: true; readonly body: string } | { readonly ok: false; readonly error: ErrorId }
const refused = (error: ErrorId): ServicesAnswer => ({ ok: false, error })

/**
 * @param text the body as it came; what the Swagger does not know of is a technical error, as everywhere in 2026
 * @param shares those of the application that asks
 */
export function subscribedServices(text: string, today: Day, shares: readonly Share[]): ServicesAnswer {
  let asked: unknown
  try {
    // 64 bits do not fit into a number: the digits are read as they stand.
    asked = parseWithSource(text, (name, value, { source }) =>
      name === 'autorisationId' && typeof value === 'number' ? new Digits(source ?? '') : value,
    )
  } catch {
    return refused('unexpected') // not JSON, hence not in the Swagger
  }
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) return refused('unexpected')
  const filter = filterOf(new Map<string, unknown>(Object.entries(asked)))
  if (filter === undefined) return refused('unexpected')
  if (filter.comptage === undefined || (filter.authorisation === undefined && !filter.points && !filter.sirens))
    return refused('meter_missing')
  if (filter.points?.some((prm) => !meterOf(prm))) return refused('unknown_point')
  const found = shares.flatMap((share) => servicesOf(share, today)).filter((s) => matches(s, filter))
  if (filter.comptage) return { ok: true, body: JSON.stringify({ nbTotalServices: found.length }) }
  const page = found.slice((filter.page - 1) * PER_PAGE, filter.page * PER_PAGE)
  const body = JSON.stringify({ nbTotalServices: found.length, serviceSouscrit: page })
  return { ok: true, body: body.replaceAll(/"autorisationId":"(\d+)"/g, '"autorisationId":$1') }
}

/** What is answered right after a callback, when Enedis has not got round to it yet. */
export const NO_SERVICES = JSON.stringify({ nbTotalServices: 0, serviceSouscrit: [] })

function servicesOf(share: Share, today: Day): Service[] {
  const row = meterOf(share.prm)
  if (!row || share.state === 'left') return []
  const state = stateOf(share, today)
  const { from, until } = daysOf(share, today)
  const services: Service[] = []
  const add = (serviceCode: Service['serviceCode'], produces: boolean, more: Partial<Service>): void => {
    services.push({
      id: String(770_000 + share.n * 20 + services.length),
      serviceCode,
      soutirage: !produces,
      injection: produces,
      pointId: share.prm,
      dateDebut: from,
      dateFin: until,
      etatCode: state,
      etatLibelle: LABELS[state],
      mesuresCorrigees: false,
      espaceDynamique: false,
      publicationDonnees: false,
      sirenBeneficiaire: SIREN,
      ...more,
    })
  }
  const autorisation = {
    autorisationId: share.authorisation,
    autorisationLibelle: 'Partage de données',
    autorisationType: 'EXPLICITE',
  }
  const step = row.step === 'PT10M' || row.step === 'PT15M' ? row.step : 'PT30M'
  const access = ({ kind, way }: Series, ended: Partial<Service> = {}): void =>
    add('ACCES', way === 'produced', { mesuresTypeCode: kind, mesuresPas: kind === 'CDC' ? step : 'P1D', autorisation, ...ended })
  for (const series of share.series) {
    access(series)
    if (series.kind === 'CDC') add('CCDC', series.way === 'produced', { mesuresTypeCode: 'CDC', mesuresPas: step })
  }
  for (const { on, ...series } of share.stopped) {
    access(series, { etatCode: 'TERMINE', etatLibelle: LABELS.TERMINE, dateFin: on < from ? from : on })
  }
  if (row.standing === 'curve_opposed') add('OPPENR', false, {})
  return services
}

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown
/** Tells revivers of the text of a value, which the type of the library does not yet know. */
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown

/** A whole number as it was written. */
class Digits {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

interface Filter {
  readonly comptage: boolean | undefined
  readonly authorisation: string | undefined
  readonly points: readonly string[] | undefined
  readonly sirens: readonly string[] | undefined
  readonly from: Day | undefined
  readonly until: Day | undefined
  readonly states: readonly string[]
  readonly kind: string
  readonly measures: readonly string[] | undefined
  readonly soutirage: boolean | undefined
  readonly injection: boolean | undefined
  readonly page: number
}

/** Undefined where a field is unknown, or of another type than in the Swagger. */
function filterOf(fields: Map<string, unknown>): Filter | undefined {
  let right = true
  function take<T>(name: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = fields.get(name)
    fields.delete(name)
    const taken = value === undefined || value === null ? undefined : read(value)
    right &&= value === undefined || value === null || taken !== undefined
    return taken
  }
  const flag = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined)
  const whole = (value: unknown): number | undefined => (typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined)
  const digits = (value: unknown): string | undefined => (value instanceof Digits && /^\d{1,19}$/.test(value.text) ? value.text : undefined)
  const date = (value: unknown): Day | undefined => (typeof value === 'string' ? parseDay(value) : undefined)
  const list =
    (allowed?: readonly string[]) =>
    (value: unknown): readonly string[] | undefined => {
      if (!Array.isArray(value) || value.length > MOST_NAMED) return undefined
      const texts = value.filter((item) => typeof item === 'string')
      return texts.length === value.length && texts.every((t) => allowed?.includes(t) ?? true) ? texts : undefined
    }
  const filter: Filter = {
    comptage: take('comptage', flag),
    authorisation: take('autorisationId', digits),
    points: take('pointId', list()),
    sirens: take('siren', list()),
    from: take('dateDebut', date),
    until: take('dateFin', date),
    states: take('etatCode', list(STATES)) ?? ['DEMANDE', 'ACTIF'],
    kind: take('serviceType', (value) => KINDS.find((k) => k === value)) ?? 'ACCES',
    measures: take('mesureTypeCode', list(MEASURES)),
    soutirage: take('soutirage', flag),
    injection: take('injection', flag),
    page: take('page', (value) => ((whole(value) ?? 0) > 0 ? whole(value) : undefined)) ?? 1,
  }
  take('autorisation', flag)
  return right && fields.size === 0 ? filter : undefined
}

function matches(s: Service, f: Filter): boolean {
  return (
    s.serviceCode === f.kind &&
    f.states.includes(s.etatCode) &&
    (f.authorisation === undefined || s.autorisation?.autorisationId === f.authorisation) &&
    (f.points?.includes(s.pointId) ?? true) &&
    (f.sirens?.includes(s.sirenBeneficiaire) ?? true) &&
    (f.from === undefined || s.dateDebut >= f.from) &&
    (f.until === undefined || s.dateFin >= f.until) &&
    (f.measures === undefined || (s.mesuresTypeCode !== undefined && f.measures.includes(s.mesuresTypeCode))) &&
    (f.soutirage === undefined || s.soutirage === f.soutirage) &&
    (f.injection === undefined || s.injection === f.injection)
  )
}
