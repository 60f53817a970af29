/**
 * What Enedis Data Connect serves and the gate serves in its place, in both generations: "v5" (2023 to autumn 2026) and
 * "2026" (from 2026-09-28). One entry for each thing that can be read; a path that is not here is not served.
 *
 * Sources: Enedis Data Connect v5 and 2026 Swagger (copies in MyElectricalData/myelectricaldata_new,
 * docs/external-apis/enedis-api). For the same days both generations give the same values and stamps, which is why the
 * measures translate without loss.
 */
import type { DataKind, Direction, Step } from '../../domain/vocabulary.ts'

export type Generation = 'v5' | '2026'

interface Named {
  readonly kind: DataKind
  readonly direction: Direction
  /** Path in each generation; absent where it has no equal. `{prm}` stands for the 14 digits of the meter. */
  readonly v5?: string
  readonly y2026?: string
}

/** Readings over days, as both generations describe them. */
export interface Measure extends Named {
  readonly is: 'measure'
  /** `ends`: stamped at the end of its interval · `day`: a day · `moment`: within its day · `month`: within its month. */
  readonly stamp: 'ends' | 'day' | 'moment' | 'month'
  readonly step: Step | 'recorded'
  readonly unit: 'W' | 'Wh' | 'VA'
  readonly measures: 'power' | 'energy'
  readonly aggregate: 'average' | 'sum' | 'maximum'
  readonly metier: 'CONS' | 'PROD'
  readonly physique: 'PA' | 'EA' | 'PMA'
  /** `modeCalcul` where the data holder's generation does not tell it. */
  readonly mode: 'MESURE' | 'DIFF.INDEX'
}

export interface IndexSeries extends Named {
  readonly is: 'index'
  readonly step: Step
  readonly metier: 'CONS' | 'PROD'
}

/** What is known of a contract, a place or a person; no days. `contract-models.ts` says which fields. */
export interface RecordSeries extends Named {
  readonly is: 'record'
}

const curve = {
  is: 'measure',
  kind: 'load_curve',
  stamp: 'ends',
  step: 'recorded',
  unit: 'W',
  measures: 'power',
  aggregate: 'average',
  physique: 'PA',
  mode: 'MESURE',
} as const
const daily = {
  is: 'measure',
  kind: 'daily_energy',
  stamp: 'day',
  step: 'P1D',
  unit: 'Wh',
  measures: 'energy',
  aggregate: 'sum',
  physique: 'EA',
  mode: 'DIFF.INDEX',
} as const
const peak = {
  is: 'measure',
  kind: 'max_power',
  direction: 'withdrawal',
  unit: 'VA',
  measures: 'power',
  aggregate: 'maximum',
  metier: 'CONS',
  physique: 'PMA',
  mode: 'MESURE',
  y2026: '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne',
} as const

export const SERIES = {
  consumption_curve: {
    ...curve,
    direction: 'withdrawal',
    metier: 'CONS',
    v5: '/metering_data_clc/v5/consumption_load_curve',
    y2026: '/mesure_synchrone_auto/v2/courbe_de_charge_consommation',
  },
  production_curve: {
    ...curve,
    direction: 'injection',
    metier: 'PROD',
    v5: '/metering_data_plc/v5/production_load_curve',
    y2026: '/mesure_synchrone_auto/v2/courbe_de_charge_production',
  },
  daily_consumption: {
    ...daily,
    direction: 'withdrawal',
    metier: 'CONS',
    v5: '/metering_data_dc/v5/daily_consumption',
    y2026: '/mesure_synchrone_auto/v2/consommation_quotidienne',
  },
  daily_production: {
    ...daily,
    direction: 'injection',
    metier: 'PROD',
    v5: '/metering_data_dp/v5/daily_production',
    y2026: '/mesure_synchrone_auto/v2/production_quotidienne',
  },
  daily_max_power: { ...peak, stamp: 'moment', step: 'P1D', v5: '/metering_data_dcmp/v5/daily_consumption_max_power' },
  monthly_max_power: { ...peak, stamp: 'month', step: 'P1M' },
  consumption_index: {
    is: 'index',
    kind: 'index',
    direction: 'withdrawal',
    step: 'P1D',
    metier: 'CONS',
    y2026: '/mesure_synchrone_auto/v2/index_consommation',
  },
  production_index: {
    is: 'index',
    kind: 'index',
    direction: 'injection',
    step: 'P1D',
    metier: 'PROD',
    y2026: '/mesure_synchrone_auto/v2/index_production',
  },
  contracts: { is: 'record', kind: 'contract_data', direction: 'n_a', v5: '/customers_upc/v5/usage_points/contracts' },
  addresses: { is: 'record', kind: 'address', direction: 'n_a', v5: '/customers_upa/v5/usage_points/addresses' },
  identity: { is: 'record', kind: 'identity', direction: 'n_a', v5: '/customers_i/v5/identity' },
  contact: { is: 'record', kind: 'contact', direction: 'n_a', v5: '/customers_cd/v5/contact_data' },
  contract_situation: { is: 'record', kind: 'contract_data', direction: 'n_a', y2026: '/situation_contrat_auto/v1/{prm}' },
  contract_synthesis: { is: 'record', kind: 'contract_data', direction: 'n_a', y2026: '/synth_contrat_auto/v1/{prm}' },
  metering_device: { is: 'record', kind: 'technical_data', direction: 'n_a', y2026: '/comptage_auto/v1/{prm}' },
  general_data: { is: 'record', kind: 'address', direction: 'n_a', y2026: '/donnees_generales_auto/v1/{prm}' },
} as const satisfies Record<string, Measure | IndexSeries | RecordSeries>

export type SeriesId = keyof typeof SERIES
export type RecordId = { [K in SeriesId]: (typeof SERIES)[K] extends { is: 'record' } ? K : never }[SeriesId]

export const SERIES_IDS = Object.keys(SERIES) as readonly SeriesId[]

/** A request as its client wrote it: which generation it speaks, and what it asks for. */
export interface DataConnectForm {
  readonly generation: Generation
  readonly series: SeriesId
}

export function pathOf(series: SeriesId, generation: Generation): string | undefined {
  const named: Named = SERIES[series]
  return generation === 'v5' ? named.v5 : named.y2026
}

/** The load curve from which the daily energy of the same direction is summed. */
export function curveOf(series: SeriesId): SeriesId {
  return SERIES[series].direction === 'injection' ? 'production_curve' : 'consumption_curve'
}

/** Where credentials are asked for; the gate answers it itself. */
export const TOKEN_PATH = '/oauth2/v3/token'

/** Every path template that the gate serves for this data holder. */
export const SERVED_PATHS: readonly string[] = [
  ...new Set([TOKEN_PATH, ...SERIES_IDS.flatMap((id) => [pathOf(id, 'v5'), pathOf(id, '2026')]).filter((path) => path !== undefined)]),
]
