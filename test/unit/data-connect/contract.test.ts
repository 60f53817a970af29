/** Contract, address, identity, contact and index: answers that are read as a whole. */
import { describe, expect, test } from 'vitest'
import type { Generation, SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'
import type { DataKind } from '../../../src/domain/vocabulary.ts'
import { WHOLE_BODY } from '../../../src/providers/enedis-data-connect/whole-body.ts'
import type { Read } from './given.ts'
import { aPart, compact, days, fixture, METER, open, OTHER, readPart, through } from './given.ts'

const ALL: readonly DataKind[] = ['contract_data', 'technical_data', 'address', 'identity', 'contact']

function record(
  series: SeriesId,
  generation: Generation,
  keepKinds: readonly DataKind[],
  body: string,
  cuts: readonly number[] = [],
): Read {
  return through({ series, client: generation, upstream: generation, parts: [aPart(null, { keepKinds })] }, body, cuts)
}

// prettier-ignore
const RECORDS: readonly (readonly [SeriesId, Generation, string])[] = [
  ['contracts', 'v5', fixture('v5-contracts')],
  ['addresses', 'v5', fixture('v5-addresses')],
  ['identity', 'v5', fixture('v5-identity')],
  ['identity', 'v5', '{"customer_id":"1","identity":{"legal_entity":{"name":"Exemple SA","trading_name":"Exemple","business":"a","industry":"b","siret_number":"00000000000000"}}}'],
  ['contact', 'v5', fixture('v5-contact')],
  ['contact', 'v5', '{"contact":{"phone":"+33600000000"}}'],
  ['contract_situation', '2026', fixture('2026-contract-situation')],
  ['contract_situation', '2026', `[{"usage_point_id":"${METER}","segment":"C5","organization":{"name":"Exemple SA"}},{"usage_point_id":"${METER}","segment":"P4"}]`],
  ['contract_synthesis', '2026', '{"segments":[{"segment":"C5"}],"consumption_last_activation_date":"2019-06-01","services_level":2}'],
  ['metering_device', '2026', '{"dispositifComptage":{"typeComptage":{"code":"LINKY","libelle":"Linky"},"relais":{"plageHeuresCreuses":"22H30-6H30"}}}'],
  ['general_data', '2026', '{"address":{"staircase_floor_apartment":"","number_street_name":"2 RUE DU TEST","postal_code_city":"00000 EXEMPLEVILLE","insee_code":"00000"}}'],
]

describe('granted as a whole', () => {
  test.each(RECORDS)('%s of %s passes', (series, generation, body) => {
    const read = record(series, generation, ALL, body)
    expect(read.text).toBe(compact(body))
    expect(read.reader.counts).toStrictEqual({ readings: 1, dropped: 0, first: null, last: null })
  })

  test.each(RECORDS)('%s of %s: unknown fields never pass', (series, generation, body) => {
    const put = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(put)
        : typeof value === 'object' && value !== null
          ? { secret: 'secret', ...Object.fromEntries(Object.entries(value).map(([k, v]) => [k, put(v)])), more: ['secret'] }
          : value
    const read = record(series, generation, ALL, JSON.stringify(put(JSON.parse(body))))
    expect(read.text).toBe(compact(body))
    expect(read.reader.counts.dropped).toBeGreaterThan(1)
  })

  test.each(RECORDS)('%s of %s: nothing granted, nothing leaves', (series, generation, body) => {
    expect(record(series, generation, [], body)).toMatchObject({ text: '', why: undefined })
  })

  test.each(RECORDS)('%s of %s: another meter anywhere', (series, generation, body) => {
    const parsed: unknown = JSON.parse(body)
    const entry = Array.isArray(parsed) ? (parsed[0] as object) : (parsed as object)
    Object.assign(entry, { somewhere: { idPrm: OTHER } })
    expect(record(series, generation, ALL, JSON.stringify(parsed))).toMatchObject({ text: '', why: 'other_meter' })
  })
})

describe('granted in part', () => {
  const situation = fixture('2026-contract-situation')
  test.each([
    ['contract_data', ['contract_data'], ['"segment":"C5"', '"subscribed_power"'], ['Ana', 'example.invalid', 'customer']],
    ['identity', ['identity'], ['Ana'], ['segment', 'example.invalid']],
    ['contact', ['contact'], ['ana@example.invalid'], ['segment', 'Ana"', 'MME']],
    ['contract_data and contact', ['contract_data', 'contact'], ['"segment":"C5"', 'ana@example.invalid'], ['MME']],
  ] as const)('situation: %s', (_name, kinds, kept, gone) => {
    const { text } = record('contract_situation', '2026', kinds, situation)
    for (const part of kept) expect(text).toContain(part)
    for (const part of gone) expect(text).not.toContain(part)
  })

  test('a contract without the right to the identity has no number of the customer', () => {
    const { text } = record('contracts', 'v5', ['contract_data'], fixture('v5-contracts'))
    expect(text).toBe(compact(fixture('v5-contracts').replace('"customer_id": "1358019319", ', '')))
  })

  test('an address without the right to technical and contract data', () => {
    const { text } = record('addresses', 'v5', ['address'], fixture('v5-addresses'))
    const body = fixture('v5-addresses').replace('"customer_id": "1358019319", ', '')
    expect(text).toBe(compact(body.replace(', "usage_point_status": "com", "meter_type": "AMM"', '')))
  })

  test('a text where an object should stand, and the reverse, do not leave', () => {
    const body = `[{"usage_point_id":"${METER}","segment":{"secret":1},"subscribed_power":"6 kVA","contractor":["secret"],"contract_type":"x"}]`
    expect(record('contract_situation', '2026', ALL, body).text).toBe(`[{"usage_point_id":"${METER}","contract_type":"x"}]`)
  })
})

describe('not to be read', () => {
  const body = fixture('v5-contracts')
  test.each([
    ['an empty object', '{}'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no meter', body.replace(`"usage_point_id": "${METER}", `, '')],
    ['no points', '{"customer":{"customer_id":"1"}}'],
    ['a duplicate field', body.replace('"segment"', '"segment":"C4","segment"')],
    ['trailing text', `${body}x`],
    ['a byte order mark', `\ufeff${body}`],
    ['deep nesting', body.replace('"C5"', '['.repeat(1000) + ']'.repeat(1000))],
  ])('%s', (_name, text) => {
    expect(record('contracts', 'v5', ALL, text)).toMatchObject({ text: '', why: 'unreadable' })
  })

  test('one of two entries of another meter, or of none', () => {
    const two = (second: string): string => `[{"usage_point_id":"${METER}","segment":"C5"},{${second}"segment":"P4"}]`
    expect(record('contract_situation', '2026', ALL, two(`"usage_point_id":"${OTHER}",`)).why).toBe('other_meter')
    expect(record('contract_situation', '2026', ALL, two('')).why).toBe('unreadable')
  })

  test('longer than is kept', () => {
    const long = body.replace('"C5"', '"C5"'.padEnd(WHOLE_BODY))
    expect(record('contracts', 'v5', ALL, long, [100])).toMatchObject({ text: '', why: 'held_too_long' })
    expect(record('contracts', 'v5', ALL, body.replace('"C5"', '"C5"'.padEnd(WHOLE_BODY - body.length))).why).toBe(undefined)
  })

  test('cut anywhere it is the same', () => {
    for (let cut = 0; cut < body.length; cut += 7) expect(record('contracts', 'v5', ALL, body, [cut]).text).toBe(compact(body))
  })
})

describe('index', () => {
  const OCTOBER_5 = days('2026-10-05', '2026-10-06')
  const given = { series: 'consumption_index', client: '2026', upstream: '2026', parts: [aPart(OCTOBER_5)] } as const
  const body = fixture('2026-index')
  const at = (stamp: string): string => body.replaceAll('2026-10-05T00:00:00+02:00', stamp)

  test('passes byte for byte', () => {
    const read = through(given, body)
    expect(read.text).toBe(compact(body))
    const stamp = '2026-10-05T00:00:00+02:00'
    expect(read.reader.counts).toStrictEqual({ readings: 2, dropped: 0, first: stamp, last: stamp })
  })

  test.each([
    ['the opening index of the first day', '2026-10-05T00:00:00+02:00', true],
    ['one second before', '2026-10-04T23:59:59+02:00', false],
    ['the same instant in UTC', '2026-10-04T22:00:00Z', true],
    ['within the day', '2026-10-05T13:00:00+02:00', true],
    ['the closing index', '2026-10-06T00:00:00+02:00', true],
    ['one second after', '2026-10-06T00:00:01+02:00', false],
  ])('%s', (_name, stamp, kept) => {
    const read = through(given, at(stamp))
    expect([read.text.includes(stamp), read.reader.counts.dropped]).toStrictEqual(kept ? [true, 0] : [false, 2])
    expect(read.text === '').toBe(!kept)
  })

  test('the index between two parts is told once', () => {
    const answer = open({ ...given, parts: [aPart(OCTOBER_5), aPart(days('2026-10-06', '2026-10-07'))] })
    const first = readPart(answer.part(0), at('2026-10-06T00:00:00+02:00'))
    const second = readPart(answer.part(1), at('2026-10-06T00:00:00+02:00').replace('"dateFin": "2026-10-06"', '"dateFin": "2026-10-07"'))
    expect([first.text, first.reader.counts.readings, second.reader.counts.readings]).toStrictEqual(['', 0, 2])
    expect(JSON.parse(second.text + answer.close().join(''))).toMatchObject({ periode: { dateDebut: '2026-10-05', dateFin: '2026-10-07' } })
  })

  test('two parts make one list', () => {
    const answer = open({ ...given, parts: [aPart(OCTOBER_5), aPart(days('2026-10-06', '2026-10-07'))] })
    const texts = [readPart(answer.part(0), body).text, readPart(answer.part(1), at('2026-10-06T00:00:00+02:00')).text, ...answer.close()]
    expect((JSON.parse(texts.join('')) as { contexte: unknown[] }).contexte).toHaveLength(2)
  })

  test.each([
    ['another meter', body.replace(METER, OTHER), 'other_meter'],
    ['no meter', body.replace('"idPrm"', '"x"'), 'unreadable'],
    ['the other direction', body.replace('"CONS"', '"PROD"'), 'other_unit'],
    ['another quantity', body.replace('"EA"', '"ER"'), 'other_unit'],
    ['another unit', body.replace('"Wh"', '"kWh"'), 'other_unit'],
    [
      'another period',
      body.replace('"dateDebut": "2026-10-05", "dateFin": "2026-10-06"', '"dateDebut": "2025-10-05", "dateFin": "2025-10-06"'),
      'unreadable',
    ],
    ['a value as text', body.replace('18233041', '"18233041"'), 'unreadable'],
    ['a value that is no count', body.replace('18233041', '1.5'), 'unreadable'],
    ['a stamp without offset', at('2026-10-05T00:00:00'), 'unreadable'],
    ['a label that is an object', body.replace('"Heures pleines"', '{}'), 'unreadable'],
    ['no context field', body.replace('"contexte"', '"x"'), 'unreadable'],
    ['an empty object', '{}', 'unreadable'],
  ])('%s: nothing leaves', (_name, text, why) => {
    expect(through(given, text)).toMatchObject({ text: '', why })
  })

  test('unknown fields never pass', () => {
    const odd = body.replaceAll('{"', '{"secret": "secret", "').replace('"grandeur": []', '"grandeur": [{"secret":1}]')
    expect(through(given, odd).text).toBe(compact(body))
  })

  test('of several quantities the active energy of the direction leaves', () => {
    const other =
      '{"grandeurMetier":"PROD","grandeurPhysique":"EA","unite":"Wh","cadranTotalisateur":{"codeCadran":"00","valeur":[{"d":"2026-10-05T00:00:00+02:00","v":7}]}},'
    const read = through(given, body.replace('"grandeur": [{', `"grandeur": [${other}{`))
    expect(read.text).toBe(compact(body))
    expect(read.reader.counts.dropped).toBe(1)
  })
})
