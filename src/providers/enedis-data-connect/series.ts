/**
 * What Enedis Data Connect lets read, in both generations: "v5" (2023 to autumn 2026) and "2026" (from 2026-09-28). One
 * entry for each thing; under which paths a client asks for it is said in `dialects.ts`.
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
} as const

export const SERIES = {
  consumption_curve: {
    ...curve,
    direction: 'withdrawal',
    metier: 'CONS',
  },
  production_curve: {
    ...curve,
    direction: 'injection',
    metier: 'PROD',
  },
  daily_consumption: {
    ...daily,
    direction: 'withdrawal',
    metier: 'CONS',
  },
  daily_production: {
    ...daily,
    direction: 'injection',
    metier: 'PROD',
  },
  daily_max_power: { ...peak, stamp: 'moment', step: 'P1D' },
  monthly_max_power: { ...peak, stamp: 'month', step: 'P1M' },
  consumption_index: {
    is: 'index',
    kind: 'index',
    direction: 'withdrawal',
    step: 'P1D',
    metier: 'CONS',
  },
  production_index: {
    is: 'index',
    kind: 'index',
    direction: 'injection',
    step: 'P1D',
    metier: 'PROD',
  },
  contracts: { is: 'record', kind: 'contract_data', direction: 'n_a' },
  addresses: { is: 'record', kind: 'address', direction: 'n_a' },
  identity: { is: 'record', kind: 'identity', direction: 'n_a' },
  contact: { is: 'record', kind: 'contact', direction: 'n_a' },
  contract_situation: { is: 'record', kind: 'contract_data', direction: 'n_a' },
  contract_synthesis: { is: 'record', kind: 'contract_data', direction: 'n_a' },
  metering_device: { is: 'record', kind: 'technical_data', direction: 'n_a' },
  general_data: { is: 'record', kind: 'address', direction: 'n_a' },
} as const satisfies Record<string, Measure | IndexSeries | RecordSeries>

export type SeriesId = keyof typeof SERIES
export type RecordId = { [K in SeriesId]: (typeof SERIES)[K] extends { is: 'record' } ? K : never }[SeriesId]

export const SERIES_IDS = Object.keys(SERIES) as readonly SeriesId[]

/** The load curve from which the daily energy of the same direction is summed. */
export function curveOf(series: SeriesId): SeriesId {
  return SERIES[series].direction === 'injection' ? 'production_curve' : 'consumption_curve'
}
