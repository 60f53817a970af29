/**
 * Which fields of the contract, address, identity and contact answers exist for the gate, and which kind of data each
 * of them is. A field leaves only if its kind is granted; one that is not here never leaves.
 *
 * Sources: Data Connect v5 Swagger (customers_upc, customers_upa, customers_i, customers_cd) and recorded replies; Data
 * Connect 2026 Swagger (situation_contrat_auto, synth_contrat_auto, comptage_auto, donnees_generales_auto). Where the
 * personal data of `situation_contrat_auto` stands is told by no recording: both places that sources name are read.
 */
import type { DataKind } from '../../domain/vocabulary.ts'
import type { RecordId } from './series.ts'

/** `always`: names the meter that was asked for, adds nothing to what the client knows. */
export type Model = { readonly leaf: DataKind | 'always' } | { readonly fields: Readonly<Record<string, Model>> } | { readonly list: Model }

function all(kind: DataKind, ...names: readonly string[]): Record<string, Model> {
  return Object.fromEntries(names.map((name) => [name, { leaf: kind }]))
}
const of = (fields: Readonly<Record<string, Model>>): Model => ({ fields })

const USAGE_POINT = { usage_point_id: { leaf: 'always' }, ...all('contract_data', 'usage_point_status') } as const
const METER_TYPE = all('technical_data', 'meter_type')

const PERSON = all('identity', 'title', 'firstname', 'lastname')
const COMPANY = all('identity', 'name', 'trading_name', 'business', 'industry', 'siret_number')
const CONTACT = of(all('contact', 'phone', 'email'))
const V5_CUSTOMER = all('identity', 'customer_id')

const HOLDER = {
  person: of(PERSON),
  organization: of(COMPANY),
  contact_data: of(all('contact', 'email', 'phone', 'landline')),
}

const METER_PARTS = {
  typeComptage: of(all('technical_data', 'code', 'libelle')),
  relais: of(all('technical_data', 'plageHeuresCreuses')),
}

export const MODELS: Readonly<Record<RecordId, Model>> = {
  contracts: of({
    customer: of({
      ...V5_CUSTOMER,
      usage_points: {
        list: of({
          usage_point: of({ ...USAGE_POINT, ...all('contract_data', 'meter_type') }),
          contracts: of(
            all(
              'contract_data',
              'segment',
              'subscribed_power',
              'last_activation_date',
              'distribution_tariff',
              'offpeak_hours',
              'contract_type',
              'contract_status',
              'last_distribution_tariff_change_date',
            ),
          ),
        }),
      },
    }),
  }),
  addresses: of({
    customer: of({
      ...V5_CUSTOMER,
      usage_points: {
        list: of({
          usage_point: of({
            ...USAGE_POINT,
            ...METER_TYPE,
            usage_point_addresses: of({
              ...all('address', 'street', 'locality', 'postal_code', 'insee_code', 'city', 'country'),
              geo_points: of(all('address', 'latitude', 'longitude', 'altitude')),
            }),
          }),
        }),
      },
    }),
  }),
  identity: of({ ...V5_CUSTOMER, identity: of({ natural_person: of(PERSON), legal_entity: of(COMPANY) }) }),
  // The Swagger names the object `contact`, recorded replies `contact_data`.
  contact: of({ ...V5_CUSTOMER, contact_data: CONTACT, contact: CONTACT }),
  contract_situation: {
    list: of({
      usage_point_id: { leaf: 'always' },
      ...all('contract_data', 'contract_start', 'contract_type', 'segment'),
      subscribed_power: of(all('contract_data', 'unit', 'value')),
      ...all(
        'contract_data',
        'contractor',
        'balance_responsable_party',
        'pricing_structure',
        'distribution_tariff',
        'supplier_tariff_profile',
        'distribution_tariff_profile',
        'supplier_mobile_peak',
        'distribution_mobile_peak',
      ),
      customer: of(HOLDER),
      ...HOLDER,
    }),
  },
  contract_synthesis: of({
    usage_point_id: { leaf: 'always' },
    segments: { list: of(all('contract_data', 'segment')) },
    ...all(
      'contract_data',
      'consumption_last_activation_date',
      'generation_last_activation_date',
      'last_subscribed_power_change_date',
      'services_level',
    ),
  }),
  // What stands in `compteurs[]` is told by no source that could be read, so it does not leave.
  metering_device: of({ idPrm: { leaf: 'always' }, dispositifComptage: of(METER_PARTS), ...METER_PARTS }),
  general_data: of({
    usage_point_id: { leaf: 'always' },
    address: of(
      all('address', 'staircase_floor_apartment', 'building', 'number_street_name', 'locality', 'postal_code_city', 'insee_code'),
    ),
  }),
}
