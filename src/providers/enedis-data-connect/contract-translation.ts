/**
 * Contract, address, identity and contact between the two generations of Data Connect: a table of what is surely the same
 * in both. What has no sure counterpart is left out, and nothing is made up; what could not be told at all is not here,
 * and stays `not_translatable` (the synthesis and the metering device for a data holder of v5; nothing of v5 else).
 *
 * Left out, because no source says that they are the same: `contract_start` is the start of a contract and not the last
 * activation; `offpeak_hours` and `plageHeuresCreuses` are free texts about two things; statuses are told by v5 alone.
 * Of a self-consumer 2026 has two contracts and v5 knows the one of consumption, whose segment begins with C.
 * Source: Swagger of both generations; replies recorded by MyElectricalData and EDDIE.
 */
import type { Generation, RecordId } from './series.ts'
import type { Fields } from './whole-body.ts'
import { isFields } from './whole-body.ts'

interface Row {
  /** The series of the data holder that is called in its place. */
  readonly calls: RecordId
  /** From the data holder's record about this meter, already without what is not granted; undefined where it tells nothing of it. */
  readonly tell: (record: unknown, meter: string) => unknown
}

/** By what the client asks for, in front of a data holder of the other generation. */
const TABLE: Readonly<Record<Generation, Partial<Readonly<Record<RecordId, Row>>>>> = {
  '2026': {
    contracts: {
      calls: 'contract_situation',
      tell(record, meter) {
        const consumption = listOf(record).filter((one) => /^C[1-5]$/.test(textIn(one, 'segment') ?? ''))
        const [contract] = consumption
        if (!contract || consumption.length !== 1) return undefined
        const power = fieldsIn(contract, 'subscribed_power')
        const [value, unit] = [textIn(power, 'value'), textIn(power, 'unit')]
        return point(meter, {
          contracts: told({
            segment: textIn(contract, 'segment'),
            subscribed_power: value !== undefined && unit !== undefined ? `${value} ${unit}` : undefined,
            distribution_tariff: textIn(contract, 'distribution_tariff'),
            contract_type: textIn(contract, 'contract_type'),
          }),
        })
      },
    },
    addresses: {
      calls: 'general_data',
      tell(record, meter) {
        const address = fieldsIn(record, 'address')
        const [, postcode, city] = /^([0-9]{5}) +(\S.*)$/.exec(textIn(address, 'postal_code_city') ?? '') ?? []
        const inside = told({
          street: textIn(address, 'number_street_name'),
          locality: textIn(address, 'locality'),
          postal_code: postcode,
          insee_code: textIn(address, 'insee_code'),
          city,
        })
        return inside && point(meter, {}, { usage_point_addresses: inside })
      },
    },
    identity: {
      calls: 'contract_situation',
      tell(record) {
        const [holder] = holdersIn(record)
        const [person, company] = [fieldsIn(holder, 'person'), fieldsIn(holder, 'organization')]
        const identity = person ? { natural_person: person } : company ? { legal_entity: company } : undefined
        return identity && { identity }
      },
    },
    contact: {
      calls: 'contract_situation',
      tell(record) {
        const [holder] = holdersIn(record)
        const contact = fieldsIn(holder, 'contact_data')
        const inside = told({ phone: textIn(contact, 'phone'), email: textIn(contact, 'email') })
        return inside && { contact_data: inside }
      },
    },
  },
  v5: {
    contract_situation: {
      calls: 'contracts',
      tell: (record, meter) =>
        listOf(fieldsIn(record, 'customer')?.['usage_points']).flatMap((one) => {
          const contract = fieldsIn(one, 'contracts')
          const [, value, unit] = /^([0-9]+(?:\.[0-9]+)?) (kVA|kW)$/.exec(textIn(contract, 'subscribed_power') ?? '') ?? []
          const inside = told({
            contract_type: textIn(contract, 'contract_type'),
            segment: textIn(contract, 'segment'),
            subscribed_power: value === undefined ? undefined : { unit, value },
            distribution_tariff: textIn(contract, 'distribution_tariff'),
          })
          return inside ? [{ usage_point_id: meter, ...inside }] : []
        }),
    },
    general_data: {
      calls: 'addresses',
      tell(record, meter) {
        const [one] = listOf(fieldsIn(record, 'customer')?.['usage_points'])
        const usagePoint = fieldsIn(one, 'usage_point')
        const address = fieldsIn(usagePoint, 'usage_point_addresses')
        const [postcode, city] = [textIn(address, 'postal_code'), textIn(address, 'city')]
        const inside = told({
          number_street_name: textIn(address, 'street'),
          locality: textIn(address, 'locality'),
          postal_code_city: postcode !== undefined && city !== undefined ? `${postcode} ${city}` : undefined,
          insee_code: textIn(address, 'insee_code'),
        })
        return inside && { usage_point_id: meter, address: inside }
      },
    },
  },
}

export function translationOf(series: RecordId, upstream: Generation): Row | undefined {
  return TABLE[upstream][series]
}

function point(meter: string, beside: Fields, inside: Fields = {}): unknown {
  return { customer: { usage_points: [{ usage_point: { usage_point_id: meter, ...inside }, ...beside }] } }
}

/** Where the holder stands in a contract is told by no recording: both places are looked at. All must be the same one. */
function holdersIn(record: unknown): readonly Fields[] {
  const holders = listOf(record).flatMap((one) => (fieldsIn(one, 'customer') ? [fieldsIn(one, 'customer') ?? {}] : [one]))
  const different = new Set(holders.map((holder) => JSON.stringify([holder['person'], holder['organization'], holder['contact_data']])))
  return different.size === 1 ? holders : []
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : []
}
function fieldsIn(value: unknown, name: string): Fields | undefined {
  const inner = isFields(value) ? value[name] : undefined
  return isFields(inner) ? inner : undefined
}
/** An empty text tells nothing. */
function textIn(value: unknown, name: string): string | undefined {
  const inner = isFields(value) ? value[name] : undefined
  return typeof inner === 'string' && inner.trim() !== '' ? inner : undefined
}
/** Those that are known; undefined where none is. */
function told(fields: Readonly<Record<string, unknown>>): Fields | undefined {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined)
  return known.length > 0 ? Object.fromEntries(known) : undefined
}
