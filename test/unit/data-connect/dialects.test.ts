/** The dialects around Enedis's own: what a request in each of them asks for, and how its answer is written. */
import { describe, expect, test } from 'vitest'
import type { Dialect } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { DIALECT_IDS, DIALECTS, pathOf } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'
import { SERIES_IDS } from '../../../src/providers/enedis-data-connect/series.ts'
import { anUnder } from '../../given.ts'
import { accessOf, aPart, aRequest, compact, days, fixture, get, METER, open, readPart, through, TODAY } from './given.ts'

const MARCH = days('2026-03-02', '2026-03-04')
const y2026 = dataConnect({ upstream: '2026' })
const v5 = dataConnect({ upstream: 'v5' })
const conso = { prm: METER, start: '2026-03-02', end: '2026-03-04' }
const CONSO_DAILY: { dialect: Dialect; series: SeriesId } = { dialect: 'conso', series: 'daily_consumption' }

// prettier-ignore
const PATHS: readonly (readonly [string, SeriesId, Dialect])[] = [
  ['/api/daily_consumption', 'daily_consumption', 'conso'],
  ['/api/consumption_load_curve', 'consumption_curve', 'conso'],
  ['/api/consumption_max_power', 'daily_max_power', 'conso'],
  ['/api/daily_production', 'daily_production', 'conso'],
  ['/api/production_load_curve', 'production_curve', 'conso'],
  ['/v4/metering_data/daily_consumption', 'daily_consumption', 'v4'],
  ['/v4/metering_data/consumption_load_curve', 'consumption_curve', 'v4'],
  ['/v4/metering_data/daily_consumption_max_power', 'daily_max_power', 'v4'],
  ['/v4/metering_data/daily_production', 'daily_production', 'v4'],
  ['/v4/metering_data/production_load_curve', 'production_curve', 'v4'],
  ['/data/proxy/metering_data_clc/v5/consumption_load_curve', 'consumption_curve', 'device_v5'],
  ['/data/proxy/metering_data_dcmp/v5/daily_consumption_max_power', 'daily_max_power', 'device_v5'],
  ['/data/proxy/customers_upc/v5/usage_points/contracts', 'contracts', 'device_v5'],
  ['/data/proxy/mesure_synchrone_auto/v2/courbe_de_charge_consommation', 'consumption_curve', 'device_2026'],
]

test.each(PATHS)('%s is %s in %s', (path, series, dialect) => {
  expect(pathOf(series, dialect)).toBe(path)
})

test.each(DIALECT_IDS)('whatever is asked for in %s is what Enedis would have been asked for', (dialect) => {
  const own = DIALECTS[dialect].speaks
  for (const series of SERIES_IDS) {
    if (pathOf(series, dialect) === undefined) continue
    const adapter = own === 'v5' ? v5 : y2026
    const period = pathOf(series, own)?.startsWith('/m') === true ? MARCH : null
    const asked = accessOf(adapter.classify(aRequest(series, dialect, period), TODAY))
    const enedis = accessOf(adapter.classify(aRequest(series, own, period), TODAY))
    expect(asked).toStrictEqual({ access: enedis.access, form: { dialect, series }, is: 'access' })
    expect(adapter.rewrite(asked.form, asked.access, aPart(period), anUnder())).toStrictEqual(
      adapter.rewrite(enedis.form, enedis.access, aPart(period), anUnder()),
    )
  }
})

describe('an unknown route', () => {
  test.each([
    '/api',
    '/api/',
    '/api/daily_consumption/',
    '/api/contracts',
    '/API/daily_consumption',
    '/api/daily_consumption_max_power',
    '/v4/metering_data/contracts',
    '/v4/metering_data',
    '/v3/metering_data/consumption_load_curve',
    '/data/proxy',
    '/data/proxy/',
    '/data/proxy/oauth2/v3/token',
    '/data/proxy/data/proxy/metering_data_dc/v5/daily_consumption',
    '/data/proxy/api/daily_consumption',
    '/data/proxy/v4/metering_data/daily_consumption',
    '/data/proxy/subscribed_services/v1',
    '/data/proxymetering_data_dc/v5/daily_consumption',
    '/proxy/metering_data_dc/v5/daily_consumption',
  ])('%s', (path) => {
    expect(y2026.classify(get(path, conso), TODAY)).toStrictEqual({ is: 'refused', reason: 'unknown_route', form: null })
  })

  test.each(['POST', 'OPTIONS'])('the method %s, but for Conso API', (method) => {
    for (const [path, , dialect] of PATHS) {
      if (dialect === 'conso') continue
      expect(y2026.classify({ ...get(path), method }, TODAY)).toStrictEqual({ is: 'refused', reason: 'unknown_route', form: null })
    }
  })
})

describe('Conso API', () => {
  const { prm: _m, ...noMeter } = conso
  const { start: _s, ...noStart } = conso
  const { end: _e, ...noEnd } = conso
  test.each([
    ['meter_missing', noMeter],
    ['meter_format', { ...conso, prm: '1000000000001' }],
    ['meter_format', { ...conso, prm: '1000000000000a' }],
    ['start_missing', noStart],
    ['start_format', { ...conso, start: '2026-03-02T00:00:00' }],
    ['start_format', { ...conso, start: '2026-02-30' }],
    ['end_missing', noEnd],
    ['end_missing', { ...conso, end: '' }],
    ['order', { ...conso, end: '2026-03-02' }],
    ['future', { ...conso, start: '2026-11-20', end: '2026-11-21' }],
    ['parameter_unknown', { ...conso, usage_point_id: METER }],
    ['parameter_unknown', { ...conso, person_id: '1234567890' }],
    ['parameter_unknown', { ...conso, empty: '' }],
  ])('%s', (flaw, query) => {
    const asked = y2026.classify(get('/api/daily_consumption', query), TODAY)
    expect(asked).toStrictEqual({ is: 'refused', reason: 'malformed', form: CONSO_DAILY, flaw })
  })

  test('OPTIONS is answered to anybody, another method is refused', () => {
    const of = (method: string) => y2026.classify({ ...get('/api/daily_consumption'), method }, TODAY)
    expect(of('OPTIONS')).toStrictEqual({ is: 'told', reply: { status: 200, headers: [['Allow', 'GET, OPTIONS']], body: '' } })
    expect(of('POST')).toStrictEqual({ is: 'refused', reason: 'malformed', form: CONSO_DAILY, flaw: 'method' })
  })
})

describe('behind the prefix of the device flow', () => {
  const path = '/data/proxy/metering_data_clc/v5/consumption_load_curve'
  const query = { usage_point_id: METER, start: '2026-03-02', end: '2026-03-04' }

  test('a parameter without a value counts as absent, known or not', () => {
    const { access } = accessOf(y2026.classify(get(path, { ...query, person_id: '', duration: '' }), TODAY))
    expect(access.period).toStrictEqual(MARCH)
    expect(y2026.classify(get(path, { ...query, usage_point_id: '' }), TODAY)).toMatchObject({ reason: 'malformed', flaw: 'meter_missing' })
    expect(y2026.classify(get(path, { ...query, duration: 'P1Y' }), TODAY)).toMatchObject({ flaw: 'parameter_unknown' })
  })

  test('on the paths of Enedis it does not', () => {
    const asked = y2026.classify(get('/metering_data_clc/v5/consumption_load_curve', { ...query, duration: '' }), TODAY)
    expect(asked).toMatchObject({ reason: 'malformed', flaw: 'parameter_unknown' })
  })
})

/** The v5 text with its outer object taken off. */
const bare = (text: string): string => text.slice('{"meter_reading":'.length, -1)

describe.each([
  ['consumption_curve', days('2026-03-02', '2026-03-03'), 'v5-load-curve', 'v5'],
  ['daily_consumption', MARCH, 'v5-daily-consumption', 'v5'],
  ['daily_max_power', MARCH, 'v5-max-power', 'v5'],
  ['consumption_curve', days('2026-10-05', '2026-10-06'), '2026-load-curve', '2026'],
  ['daily_consumption', days('2026-10-05', '2026-10-07'), '2026-daily-consumption', '2026'],
] as const)('an answer about %s', (series, period, name, upstream) => {
  const body = fixture(name)
  const given = { series, upstream, parts: [aPart(period)] }
  const ofV5 = through({ ...given, client: 'v5' }, body).text

  test('is v5 in v4 and behind the prefix, byte for byte', () => {
    if (upstream === 'v5') expect(ofV5).toBe(compact(body))
    for (const client of ['v4', 'device_v5'] as const) expect(through({ ...given, client }, body).text).toBe(ofV5)
    expect(through({ ...given, client: 'device_2026' }, body).text).toBe(through({ ...given, client: '2026' }, body).text)
  })

  test('is the inside of it in Conso API, however it is cut in two', () => {
    const bytes = Buffer.byteLength(body)
    for (let cut = 0; cut <= bytes; cut++) expect(through({ ...given, client: 'conso' }, body, [cut]).text).toBe(bare(ofV5))
  })
})

describe('an answer of Conso API from several parts', () => {
  const parts = [aPart(days('2026-03-02', '2026-03-03')), aPart(days('2026-03-03', '2026-03-04'))]
  const given = { series: 'daily_consumption', client: 'conso', upstream: 'v5', parts } as const
  const daily = (from: string, until: string, ...dates: readonly string[]): string =>
    JSON.stringify({
      meter_reading: {
        ...JSON.parse(fixture('v5-daily-consumption')).meter_reading,
        start: from,
        end: until,
        interval_reading: dates.map((date) => ({ value: '1', date })),
      },
    })

  test('is one object', () => {
    const answer = open(given)
    const texts = [
      readPart(answer.part(0), daily('2026-03-02', '2026-03-03', '2026-03-02')).text,
      readPart(answer.part(1), daily('2026-03-03', '2026-03-04', '2026-03-03')).text,
      ...answer.close(),
    ]
    expect(texts.join('')).toBe(
      `{"usage_point_id":"${METER}","start":"2026-03-02","end":"2026-03-04","quality":"BRUT",` +
        '"reading_type":{"unit":"Wh","measurement_kind":"energy","aggregate":"sum","measuring_period":"P1D"},"interval_reading":[' +
        '{"value":"1","date":"2026-03-02"},{"value":"1","date":"2026-03-03"}]}',
    )
  })

  test('is none where no part has a reading', () => {
    const answer = open(given)
    expect(readPart(answer.part(0), daily('2026-03-02', '2026-03-03')).text).toBe('')
    answer.skip(1)
    expect(answer.close()).toStrictEqual([])
  })
})
