/**
 * What Enedis knows of the contract, place and person behind a demo meter, in the shapes of both generations. Names,
 * places and companies are invented; addresses of mail end in `.invalid`, telephone numbers are of the range that the
 * regulator keeps for fiction. Contract data exists for consumption points only.
 *
 * Source of the shapes: Data Connect v5 Swagger and recorded replies, Data Connect 2026 Swagger.
 */
import type { Day } from '../domain/time.ts'
import { startOfDay } from '../domain/time.ts'
import { draw } from './household.ts'
import type { MeterRow } from './meters.ts'

export type RecordId =
  | 'contracts'
  | 'addresses'
  | 'identity'
  | 'contact'
  | 'contract_situation'
  | 'contract_synthesis'
  | 'metering_device'
  | 'general_data'

const FIRST = ['Ana', 'Yanis', 'Camille', 'Noor', 'Louis', 'Inès', 'Malo', 'Jeanne']
const LAST = ['Exemple', 'Fictif', 'Inventé', 'Modèle', 'Témoin', 'Essai']
const STREETS = ['rue du Test', 'allée des Modèles', 'chemin de l’Essai', 'place Imaginaire']
const TOWNS = ['Exempleville', 'Saint-Modèle', 'Fictif-sur-Essai']
const OFF_PEAK = 'HC (22H30-6H30)'

/** Undefined where Enedis has nothing of the kind. */
export function recordText(meter: MeterRow, record: RecordId, activated: Day): string | undefined {
  return meter.consumes ? JSON.stringify(RECORDS[record](meter, activated)) : undefined
}

const RECORDS: Readonly<Record<RecordId, (meter: MeterRow, activated: Day) => unknown>> = {
  contracts: (meter, activated) => ({
    customer: {
      customer_id: customerId(meter),
      usage_points: [
        {
          usage_point: { usage_point_id: meter.prm, usage_point_status: 'com', meter_type: 'AMM' },
          contracts: {
            segment: 'C5',
            subscribed_power: `${meter.kva} kVA`,
            last_activation_date: offsetDay(activated),
            distribution_tariff: tariff(meter),
            ...(meter.offPeak && { offpeak_hours: OFF_PEAK }),
            contract_type: 'Contrat GRD-F',
            contract_status: 'SERVC',
            last_distribution_tariff_change_date: offsetDay(activated),
          },
        },
      ],
    },
  }),
  addresses: (meter) => {
    const { street, town } = placeOf(meter)
    return {
      customer: {
        customer_id: customerId(meter),
        usage_points: [
          {
            usage_point: {
              usage_point_id: meter.prm,
              usage_point_status: 'com',
              meter_type: 'AMM',
              usage_point_addresses: {
                street,
                locality: '',
                postal_code: '00000',
                insee_code: '00000',
                city: town,
                country: 'France',
                geo_points: { latitude: '46.0', longitude: '2.5', altitude: '0' },
              },
            },
          },
        ],
      },
    }
  },
  identity: (meter) => ({
    customer_id: customerId(meter),
    identity:
      meter.holder === 'person'
        ? { natural_person: personOf(meter) }
        : {
            legal_entity: {
              name: 'Exemple SA',
              trading_name: 'Exemple',
              business: '6201Z',
              industry: 'Services',
              siret_number: '00000000000000',
            },
          },
  }),
  contact: (meter) => ({ customer_id: customerId(meter), contact_data: { phone: phoneOf(meter), email: mailOf(meter) } }),
  contract_situation: (meter, activated) => {
    const contract = (type: string, segment: string) => ({
      usage_point_id: meter.prm,
      contract_start: `${activated}T00:00:00${summer(activated) ? '+0200' : '+0100'}`,
      contract_type: type,
      segment,
      subscribed_power: { unit: 'kVA', value: String(meter.kva) },
      contractor: 'Fournisseur Exemple',
      balance_responsable_party: 'RE Exemple',
      pricing_structure: meter.offPeak ? 'HPHC' : 'BASE',
      distribution_tariff: tariff(meter),
      supplier_tariff_profile: meter.offPeak ? 'RES2' : 'RES1',
      distribution_tariff_profile: tariff(meter),
      supplier_mobile_peak: false,
      distribution_mobile_peak: false,
      customer: {
        ...(meter.holder === 'person'
          ? { person: personOf(meter) }
          : { organization: { name: 'Exemple SA', siret_number: '00000000000000' } }),
        contact_data: { email: mailOf(meter), phone: phoneOf(meter), landline: '' },
      },
    })
    // A self-consumer has one contract for each way.
    return [contract('Contrat GRD-F', 'C5'), ...(meter.produces ? [contract('Contrat GRD-A', 'P4')] : [])]
  },
  contract_synthesis: (meter, activated) => ({
    usage_point_id: meter.prm,
    segments: [{ segment: 'C5' }, ...(meter.produces ? [{ segment: 'P4' }] : [])],
    consumption_last_activation_date: activated,
    ...(meter.produces && { generation_last_activation_date: activated }),
    last_subscribed_power_change_date: activated,
    services_level: meter.curve ? 2 : 1,
  }),
  metering_device: (meter) => ({
    idPrm: meter.prm,
    dispositifComptage: {
      typeComptage: { code: 'LINKY', libelle: 'Compteur communicant' },
      compteurs: [{ accessibilite: true, modeleCompteur: 'LINKY' }],
      relais: { plageHeuresCreuses: meter.offPeak ? OFF_PEAK : '' },
    },
  }),
  general_data: (meter) => {
    const { street, town } = placeOf(meter)
    return {
      usage_point_id: meter.prm,
      address: {
        staircase_floor_apartment: '',
        building: '',
        number_street_name: street,
        locality: '',
        postal_code_city: `00000 ${town}`,
        insee_code: '00000',
      },
    }
  },
}

function pick<T>(from: readonly T[], meter: MeterRow, salt: number): T | '' {
  return from[Math.floor(draw(meter.prm, 0, salt) * from.length)] ?? ''
}
export function personOf(meter: MeterRow): { readonly title: string; readonly firstname: string; readonly lastname: string } {
  if (meter.person) return meter.person
  return { title: draw(meter.prm, 0, 20) < 0.5 ? 'M' : 'MME', firstname: pick(FIRST, meter, 21), lastname: pick(LAST, meter, 22) }
}
function placeOf(meter: MeterRow) {
  return { street: `${1 + Math.floor(draw(meter.prm, 0, 23) * 80)} ${pick(STREETS, meter, 24)}`, town: pick(TOWNS, meter, 25) }
}
function customerId(meter: MeterRow): string {
  const who = meter.person ? `${meter.person.firstname} ${meter.person.lastname}` : meter.prm
  return String(1_000_000_000 + Math.floor(draw(who, 0, 26) * 8_999_999_999)).slice(0, 10)
}
function phoneOf(meter: MeterRow): string {
  return `+3363998${String(Math.floor(draw(meter.prm, 0, 27) * 10_000)).padStart(4, '0')}`
}
function mailOf(meter: MeterRow): string {
  return `client-${customerId(meter).slice(-4)}@exemple.invalid`
}
function tariff(meter: MeterRow): string {
  return meter.offPeak ? 'BTINFMUDT' : 'BTINFCUST'
}
function summer(on: Day): boolean {
  return new Date(startOfDay(on)).getUTCHours() === 22
}
function offsetDay(on: Day): string {
  return `${on}${summer(on) ? '+02:00' : '+01:00'}`
}
