/** Contract data between the generations: what is surely the same is told, nothing is made up, and kinds hold on both sides. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DataKind } from '../../../src/domain/vocabulary.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { Generation, SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'
import { anUnder } from '../../given.ts'
import type { Read } from './given.ts'
import { accessOf, aPart, aRequest, fixture, METER, OTHER, through, TODAY } from './given.ts'

const ALL: readonly DataKind[] = ['contract_data', 'technical_data', 'address', 'identity', 'contact']
const other = (client: Generation): Generation => (client === 'v5' ? '2026' : 'v5')
function tell(series: SeriesId, client: Generation, body: string, keepKinds = ALL, cuts: readonly number[] = []): Read {
  return through({ series, client, upstream: other(client), parts: [aPart(null, { keepKinds })] }, body, cuts)
}
const point = { usage_point_id: METER }
const SITUATION = fixture('2026-contract-situation')
const one = JSON.parse(SITUATION) as Record<string, unknown>[]
const consumption = { ...one[0], segment: 'C5', contract_type: 'Contrat GRD-F' }
const situation = (...contracts: readonly object[]): string => JSON.stringify(contracts)
const GENERAL = `{"usage_point_id":"${METER}","address":{"building":"B","number_street_name":"2 RUE DU TEST","locality":"","postal_code_city":"00000 EXEMPLEVILLE","insee_code":"00000"}}`

test.each<[SeriesId, Generation, string, string]>([
  ['contracts', 'v5', '2026', '/situation_contrat_auto/v1/'],
  ['addresses', 'v5', '2026', '/donnees_generales_auto/v1/'],
  ['identity', 'v5', '2026', '/situation_contrat_auto/v1/'],
  ['contact', 'v5', '2026', '/situation_contrat_auto/v1/'],
  ['contract_situation', '2026', 'v5', '/customers_upc/v5/usage_points/contracts?usage_point_id='],
  ['general_data', '2026', 'v5', '/customers_upa/v5/usage_points/addresses?usage_point_id='],
])('%s, asked for in %s, is called in %s', (series, client, upstream, path) => {
  const adapter = dataConnect({ upstream: upstream as Generation })
  const { form, access } = accessOf(adapter.classify(aRequest(series, client, null), TODAY))
  expect(adapter.canAnswer(form)).toBe(true)
  expect(adapter.rewrite(form, access, aPart(null), anUnder()).target).toBe(`${path}${METER}`)
  expect(access.api).toBe(upstream === '2026' ? path.split('/')[1] : 'v5')
})

test.each<[SeriesId]>([['contract_synthesis'], ['metering_device']])('%s cannot be told by a data holder of v5', (series) => {
  const adapter = dataConnect({ upstream: 'v5' })
  expect(adapter.canAnswer(accessOf(adapter.classify(aRequest(series, '2026', null), TODAY)).form)).toBe(false)
})

describe('a contract', () => {
  test('of 2026 in the words of v5', () => {
    const read = tell(
      'contracts',
      'v5',
      situation({ ...consumption, subscribed_power: { unit: 'kVA', value: '6' }, distribution_tariff: 'BTINFCUST' }),
    )
    expect(JSON.parse(read.text)).toStrictEqual({
      customer: {
        usage_points: [
          {
            usage_point: point,
            contracts: { segment: 'C5', subscribed_power: '6 kVA', distribution_tariff: 'BTINFCUST', contract_type: 'Contrat GRD-F' },
          },
        ],
      },
    })
  })
  test('of v5 in the words of 2026, and back again', () => {
    const read = tell('contract_situation', '2026', fixture('v5-contracts'))
    const told = JSON.parse(read.text) as Record<string, unknown>[]
    expect(told).toMatchObject([{ ...point, segment: 'C5', subscribed_power: { unit: 'kVA' } }])
    expect(Object.keys(told[0] ?? {})).not.toContain('contract_start')
    const back = JSON.parse(tell('contracts', 'v5', read.text).text) as { customer: { usage_points: { contracts: object }[] } }
    const original = JSON.parse(fixture('v5-contracts')) as typeof back
    expect(original.customer.usage_points[0]?.contracts).toMatchObject(back.customer.usage_points[0]?.contracts ?? { never: 1 })
  })
  test('of a self-consumer is the one of consumption; of two of these nobody knows which', () => {
    const producer = { ...point, segment: 'P4', contract_type: 'Contrat GRD-A' }
    expect(tell('contracts', 'v5', situation(producer, consumption)).text).toContain('"segment":"C5"')
    expect(tell('contracts', 'v5', situation(consumption, { ...consumption, segment: 'C4' })).text).toBe('')
    expect(tell('contracts', 'v5', situation(producer)).text).toBe('')
  })
  test('a power in a form that nobody knows is left out', () => {
    const odd = fixture('v5-contracts').replace('6 kVA', 'six kVA')
    expect(tell('contract_situation', '2026', odd).text).not.toContain('subscribed_power')
  })
})

describe('an address', () => {
  test('of 2026 in the words of v5, and back again', () => {
    const read = tell('addresses', 'v5', GENERAL)
    expect(JSON.parse(read.text)).toStrictEqual({
      customer: {
        usage_points: [
          {
            usage_point: {
              ...point,
              usage_point_addresses: { street: '2 RUE DU TEST', postal_code: '00000', insee_code: '00000', city: 'EXEMPLEVILLE' },
            },
          },
        ],
      },
    })
    expect(JSON.parse(tell('general_data', '2026', read.text).text)).toStrictEqual({
      ...point,
      address: { number_street_name: '2 RUE DU TEST', postal_code_city: '00000 EXEMPLEVILLE', insee_code: '00000' },
    })
  })
  test('where the record names no meter, it is about the one that was asked for', () => {
    expect(tell('addresses', 'v5', GENERAL.replace(`"usage_point_id":"${METER}",`, '')).text).toContain(METER)
  })
  test('a postcode that is none is left out', () => {
    expect(tell('addresses', 'v5', GENERAL.replace('00000 EXEMPLEVILLE', 'EXEMPLEVILLE')).text).not.toMatch(/postal_code|"city"/)
  })
})

describe('identity and contact', () => {
  const person = {
    person: { title: 'MME', firstname: 'Ana', lastname: 'Exemple' },
    contact_data: { email: 'ana@example.invalid', phone: '', landline: '1' },
  }
  test.each([
    ['under customer', { ...consumption, customer: person }],
    ['beside', { segment: 'C5', ...point, ...person }],
  ])('%s', (_where, contract) => {
    expect(JSON.parse(tell('identity', 'v5', situation(contract)).text)).toStrictEqual({ identity: { natural_person: person.person } })
    expect(JSON.parse(tell('contact', 'v5', situation(contract)).text)).toStrictEqual({ contact_data: { email: 'ana@example.invalid' } })
  })
  test('of a body', () => {
    const body = situation({ ...point, segment: 'C4', organization: { name: 'Exemple SA', siret_number: '00000000000000' } })
    expect(JSON.parse(tell('identity', 'v5', body).text)).toStrictEqual({
      identity: { legal_entity: { name: 'Exemple SA', siret_number: '00000000000000' } },
    })
  })
  test('contracts that name two different holders tell of neither', () => {
    const body = situation({ ...consumption, customer: person }, { ...point, segment: 'P4', customer: { person: { lastname: 'Autre' } } })
    expect(tell('identity', 'v5', body).text).toBe('')
  })
})

const EACH: readonly (readonly [SeriesId, Generation, string])[] = [
  ['contracts', 'v5', SITUATION],
  ['identity', 'v5', SITUATION],
  ['contact', 'v5', SITUATION],
  ['addresses', 'v5', GENERAL],
  ['contract_situation', '2026', fixture('v5-contracts')],
  ['general_data', '2026', fixture('v5-addresses')],
]
test.each(EACH)('%s in %s: another meter, and what is no record', (series, client, body) => {
  expect(tell(series, client, body.replaceAll(METER, OTHER)).why).toBe('other_meter')
  expect(tell(series, client, body.slice(0, -2)).why).toBe('unreadable')
  expect(tell(series, client, '"x"').why).toBe('unreadable')
})
test.each(EACH)('%s in %s: a kind that is not granted never leaves, however the body is cut', (series, client, body) => {
  fc.assert(
    fc.property(fc.subarray([...ALL]), fc.array(fc.nat(2000), { maxLength: 4 }), (granted, cuts) => {
      const at = [...new Set(cuts.map((cut) => cut % body.length))].toSorted((a, b) => a - b)
      const read = tell(series, client, body, granted, at)
      expect(read.why).toBeUndefined()
      if (!granted.includes('identity')) expect(read.text).not.toMatch(/person|legal_entity|lastname/)
      if (!granted.includes('contact')) expect(read.text).not.toMatch(/email|phone/)
      if (!granted.includes('contract_data')) expect(read.text).not.toMatch(/segment|subscribed_power|tariff/)
      if (!granted.includes('address')) expect(read.text).not.toMatch(/street|city|insee/)
      if (granted.length === 0) expect(read.text).toBe('')
    }),
    { numRuns: 200 },
  )
})
