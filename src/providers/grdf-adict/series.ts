/**
 * What GRDF ADICT v2 gives: for each path below `/pce/{id_pce}/` the gate's own words for it, and how its lines are
 * named. Source: GRDF's Swagger of the B2B API v2 (v1.6).
 */
import type { RightFilters } from './rights-list.ts'
import type { DataKind, Direction } from '../../domain/vocabulary.ts'

export const BASE = '/adict/v2'
/** The new identity provider and the one of old; which is used is GRDF's choice for each credential. */
export const TOKEN_PATHS: readonly string[] = ['/oauth2/aus5y2ta2uEHjCWIR417/v1/token', '/openam/oauth2/realms/externeGrdf/access_token']
/** All services of an account share one quota. */
export const API = 'adict'

/** Readings line by line. `inside`: the member that holds the measured interval; `flow`: what its `sens_flux_gaz` says. */
export interface Lines {
  readonly is: 'lines'
  readonly kind: DataKind
  readonly direction: Direction
  readonly inside: 'consommation' | 'injection'
  readonly flow: 'Consommation' | 'Production'
  readonly family: 'published' | 'informative'
}
/** One object about the delivery point. */
export interface AboutPoint {
  readonly is: 'about'
  readonly kind: DataKind
  readonly inside: 'donnees_contractuelles' | 'donnees_techniques'
}
export type Series = Lines | AboutPoint

export const SERIES = {
  donnees_consos_publiees: {
    is: 'lines',
    kind: 'published_reading',
    direction: 'withdrawal',
    inside: 'consommation',
    flow: 'Consommation',
    family: 'published',
  },
  donnees_consos_informatives: {
    is: 'lines',
    kind: 'daily_energy',
    direction: 'withdrawal',
    inside: 'consommation',
    flow: 'Consommation',
    family: 'informative',
  },
  donnees_injections_publiees: {
    is: 'lines',
    kind: 'published_reading',
    direction: 'injection',
    inside: 'injection',
    flow: 'Production',
    family: 'published',
  },
  donnees_contractuelles: { is: 'about', kind: 'contract_data', inside: 'donnees_contractuelles' },
  donnees_techniques: { is: 'about', kind: 'technical_data', inside: 'donnees_techniques' },
} as const satisfies Readonly<Record<string, Series>>

export type SeriesId = keyof typeof SERIES

/** Of what goes to GRDF: the list of rights does not. */
export function seriesOf(id: AdictForm['series']): Series {
  if (id === 'rights') throw new RangeError('a list that the gate answers itself')
  return SERIES[id]
}

/** Parts of the contract data, as `filtre` names them and in the order in which GRDF is asked for them. */
export const FILTERS = ['car', 'cja', 'profil_type_actuel', 'tarif_acheminement', 'date_mes'] as const
export type Filter = (typeof FILTERS)[number]

/** What a client asked for, as far as its answer depends on it. */
export interface AdictForm {
  /** `rights`: the list of access rights. */
  readonly series: SeriesId | 'rights'
  /** As the client wrote it; what a refusal is about. */
  readonly point: string
  readonly view?: 'senml'
  /** Of contract data, the parts that are wanted, in the order of `FILTERS`; absent, all. */
  readonly wanted?: readonly Filter[]
  /** Of the list of rights: which are told. */
  readonly filters?: RightFilters
}
