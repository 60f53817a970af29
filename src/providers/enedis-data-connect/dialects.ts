/**
 * The dialects in which clients ask for Data Connect series, each with its paths, parameters and manner of answering.
 * Whatever the dialect, what is asked for is one of `series.ts` and goes the same way through the gate; a path that is
 * not in this table is not served.
 *
 * Beside the two generations of Enedis itself: its retired v4, which Consometers' proxies still speak; the data routes
 * of the device-flow server of DomoticzLinky, which are Enedis's paths behind a prefix; and Conso API, for which the npm
 * package `linky`, ha-linky and many scripts are written.
 * Sources: Enedis Data Connect v5 and 2026 Swagger; consometers/data-connect-proxy `dataconnect.py`;
 * russandol-sarl/Device-Flow-Proxy-Server `Controller.php`; bokub/conso-api `functions/api/[type].ts`.
 */
import type { DenialStyle } from '../adapter.ts'
import type { Generation, SeriesId } from './series.ts'
import { SERIES_IDS } from './series.ts'
import { CLIENT_SERVICES_PATHS } from './services.ts'

export type Dialect = Generation | 'v4' | 'device_v5' | 'device_2026' | 'conso'

interface Names {
  readonly meter: string
  readonly start: string
  readonly end: string
}

interface Manner {
  /** Whose fields an answer has, and whose codes and texts a refusal. */
  readonly speaks: Generation
  readonly parameters: Names
  /** `no_object`: readings come without the object `meter_reading` around them, and refusals inside one more. */
  readonly body: 'as_enedis' | 'conso'
  /** How its own server refuses: in force for a client whose style is `native`. */
  readonly style: Exclude<DenialStyle, 'native'>
  /** A parameter without a value counts as absent. */
  readonly dropsEmpty: boolean
}

/** A request as its client wrote it: which dialect it speaks, and what it asks for. */
export interface DataConnectForm {
  readonly dialect: Dialect
  readonly series: SeriesId
  readonly view?: 'senml'
}

const V5: Manner = {
  speaks: 'v5',
  parameters: { meter: 'usage_point_id', start: 'start', end: 'end' },
  body: 'as_enedis',
  style: 'enedis',
  dropsEmpty: false,
}
const Y2026: Manner = { ...V5, speaks: '2026', parameters: { meter: 'pointId', start: 'dateDebut', end: 'dateFin' } }

export const DIALECTS: Readonly<Record<Dialect, Manner>> = {
  v5: V5,
  '2026': Y2026,
  v4: V5,
  device_v5: { ...V5, style: 'domoticz', dropsEmpty: true },
  device_2026: { ...Y2026, style: 'domoticz', dropsEmpty: true },
  conso: { ...V5, parameters: { meter: 'prm', start: 'start', end: 'end' }, body: 'conso', style: 'conso' },
}
export const DIALECT_IDS = Object.keys(DIALECTS) as readonly Dialect[]

/** The device-flow server forwarded what stands behind this to Enedis. */
export const DEVICE_PREFIX = '/data/proxy'

type Paths = Partial<Readonly<Record<SeriesId, string>>>

const OF_V5: Paths = {
  consumption_curve: '/metering_data_clc/v5/consumption_load_curve',
  production_curve: '/metering_data_plc/v5/production_load_curve',
  daily_consumption: '/metering_data_dc/v5/daily_consumption',
  daily_production: '/metering_data_dp/v5/daily_production',
  daily_max_power: '/metering_data_dcmp/v5/daily_consumption_max_power',
  contracts: '/customers_upc/v5/usage_points/contracts',
  addresses: '/customers_upa/v5/usage_points/addresses',
  identity: '/customers_i/v5/identity',
  contact: '/customers_cd/v5/contact_data',
}
const OF_2026: Paths = {
  consumption_curve: '/mesure_synchrone_auto/v2/courbe_de_charge_consommation',
  production_curve: '/mesure_synchrone_auto/v2/courbe_de_charge_production',
  daily_consumption: '/mesure_synchrone_auto/v2/consommation_quotidienne',
  daily_production: '/mesure_synchrone_auto/v2/production_quotidienne',
  daily_max_power: '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne',
  monthly_max_power: '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne',
  consumption_index: '/mesure_synchrone_auto/v2/index_consommation',
  production_index: '/mesure_synchrone_auto/v2/index_production',
  contract_situation: '/situation_contrat_auto/v1/{prm}',
  contract_synthesis: '/synth_contrat_auto/v1/{prm}',
  metering_device: '/comptage_auto/v1/{prm}',
  general_data: '/donnees_generales_auto/v1/{prm}',
}

/** `{prm}` stands for the 14 digits of the meter. Maximum power of 2026 has one path for days and months. */
const PATHS: Readonly<Record<Dialect, Paths>> = {
  v5: OF_V5,
  '2026': OF_2026,
  v4: {
    consumption_curve: '/v4/metering_data/consumption_load_curve',
    production_curve: '/v4/metering_data/production_load_curve',
    daily_consumption: '/v4/metering_data/daily_consumption',
    daily_production: '/v4/metering_data/daily_production',
    daily_max_power: '/v4/metering_data/daily_consumption_max_power',
  },
  device_v5: behind(DEVICE_PREFIX, OF_V5),
  device_2026: behind(DEVICE_PREFIX, OF_2026),
  conso: {
    consumption_curve: '/api/consumption_load_curve',
    production_curve: '/api/production_load_curve',
    daily_consumption: '/api/daily_consumption',
    daily_production: '/api/daily_production',
    daily_max_power: '/api/consumption_max_power',
  },
}

function behind(prefix: string, paths: Paths): Paths {
  return Object.fromEntries(Object.entries(paths).map(([series, path]) => [series, prefix + path]))
}

/** Absent where the dialect has no such series. */
export function pathOf(series: SeriesId, dialect: Dialect): string | undefined {
  return PATHS[dialect][series]
}

/** Where credentials are asked for; the gate answers it itself. */
export const TOKEN_PATH = '/oauth2/v3/token'

/** Every path template that the gate serves for this data holder. */
export const SERVED_PATHS: readonly string[] = [
  ...new Set([
    TOKEN_PATH,
    ...CLIENT_SERVICES_PATHS,
    ...DIALECT_IDS.flatMap((dialect) => SERIES_IDS.map((series) => pathOf(series, dialect))).filter((path) => path !== undefined),
  ]),
]
