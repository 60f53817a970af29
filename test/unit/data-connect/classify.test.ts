import { describe, expect, test } from 'vitest'
import { day } from '../../../src/domain/time.ts'
import type { Generation, SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'
import { SERIES_IDS } from '../../../src/providers/enedis-data-connect/series.ts'
import { DIALECT_IDS, pathOf } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { dataConnect, SERVED_PATHS } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import { anUnder } from '../../given.ts'
import { accessOf, aPart, aRequest, days, get, METER, TODAY } from './given.ts'

const MARCH = days('2026-03-02', '2026-03-04')
const v5 = dataConnect({ upstream: 'v5' })
const y2026 = dataConnect({ upstream: '2026' })
const CURVE = '/metering_data_clc/v5/consumption_load_curve'
const PEAK = '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne'
const ok = { usage_point_id: METER, start: '2026-03-02', end: '2026-03-04' }
const ok2026 = { pointId: METER, dateDebut: '2026-03-02', dateFin: '2026-03-04' }

// prettier-ignore
const ASKED: readonly (readonly [SeriesId, Generation, string, string, string])[] = [
  ['consumption_curve', 'v5', 'load_curve', 'withdrawal', 'recorded'],
  ['production_curve', 'v5', 'load_curve', 'injection', 'recorded'],
  ['daily_consumption', 'v5', 'daily_energy', 'withdrawal', 'P1D'],
  ['daily_production', 'v5', 'daily_energy', 'injection', 'P1D'],
  ['daily_max_power', 'v5', 'max_power', 'withdrawal', 'P1D'],
  ['consumption_curve', '2026', 'load_curve', 'withdrawal', 'recorded'],
  ['production_curve', '2026', 'load_curve', 'injection', 'recorded'],
  ['daily_consumption', '2026', 'daily_energy', 'withdrawal', 'P1D'],
  ['daily_production', '2026', 'daily_energy', 'injection', 'P1D'],
  ['daily_max_power', '2026', 'max_power', 'withdrawal', 'P1D'],
  ['monthly_max_power', '2026', 'max_power', 'withdrawal', 'P1M'],
  ['consumption_index', '2026', 'index', 'withdrawal', 'P1D'],
  ['production_index', '2026', 'index', 'injection', 'P1D'],
]

describe('what is asked for', () => {
  test.each(ASKED)('%s in %s is %s, %s, %s', (series, generation, kind, direction, step) => {
    expect(y2026.classify(aRequest(series, generation, MARCH), TODAY)).toStrictEqual({
      is: 'access',
      access: {
        provider: 'enedis-data-connect',
        api: 'mesure_synchrone_auto',
        meter: `prm:${METER}`,
        kind,
        direction,
        step,
        period: MARCH,
      },
      form: { dialect: generation, series },
    })
  })

  test.each([
    ['contracts', 'v5', 'contract_data', 'v5'],
    ['addresses', 'v5', 'address', 'v5'],
    ['identity', 'v5', 'identity', 'v5'],
    ['contact', 'v5', 'contact', 'v5'],
    ['contract_situation', '2026', 'contract_data', 'situation_contrat_auto'],
    ['contract_synthesis', '2026', 'contract_data', 'synth_contrat_auto'],
    ['metering_device', '2026', 'technical_data', 'comptage_auto'],
    ['general_data', '2026', 'address', 'donnees_generales_auto'],
  ] as const)('%s has no days', (series, generation, kind, api) => {
    const adapter = generation === 'v5' ? v5 : y2026
    expect(adapter.classify(aRequest(series, generation, null), TODAY)).toStrictEqual({
      is: 'access',
      access: { provider: 'enedis-data-connect', api, meter: `prm:${METER}`, kind, direction: 'n_a', step: 'TOTAL', period: null },
      form: { dialect: generation, series },
    })
  })

  test('quotas of v5 are those of the application', () => {
    expect(accessOf(v5.classify(aRequest('consumption_curve', '2026', MARCH), TODAY)).access.api).toBe('v5')
  })

  test('every series has a row above', () => {
    const rows = new Set<string>([...ASKED.map((row) => row[0]), 'contracts', 'addresses', 'identity', 'contact'])
    for (const id of ['contract_situation', 'contract_synthesis', 'metering_device', 'general_data']) rows.add(id)
    expect([...rows].toSorted()).toStrictEqual(SERIES_IDS.toSorted())
  })

  test('TOUT is the maximum apparent power', () => {
    const asked = y2026.classify(get(PEAK, { ...ok2026, mesuresPas: 'P1D', grandeurPhysique: 'TOUT' }), TODAY)
    expect(accessOf(asked).form).toStrictEqual({ dialect: '2026', series: 'daily_max_power' })
  })

  test('person_id is accepted on v5 and goes nowhere', () => {
    const { form, access } = accessOf(v5.classify(get(CURVE, { ...ok, person_id: '1234567890' }), TODAY))
    expect(v5.rewrite(form, access, aPart(MARCH), anUnder()).target).not.toContain('person')
  })

  test('credentials are asked for by POST only', () => {
    expect(v5.classify({ method: 'POST', path: '/oauth2/v3/token', query: new Map() }, TODAY)).toStrictEqual({ is: 'token' })
    expect(v5.classify(get('/oauth2/v3/token'), TODAY)).toStrictEqual({ is: 'refused', reason: 'unknown_route', form: null })
  })

  test('the list of served paths', () => {
    expect(SERVED_PATHS).toHaveLength(53)
    expect(SERVED_PATHS).toContain('/situation_contrat_auto/v1/{prm}')
  })
})

describe('an unknown route', () => {
  test.each([
    '/',
    '/subscribed_services/v1',
    `/alimentation_auto/v1/${METER}`,
    '/oauth2/v3/revoke',
    `${CURVE}/`,
    `${CURVE};x=y`,
    `${CURVE}%00`,
    `/${CURVE}`,
    '/metering_data_clc/v5/../v5/consumption_load_curve',
    '/metering_data_clc/v5/%2e%2e/v5/consumption_load_curve',
    '/metering_data_clc\\v5\\consumption_load_curve',
    '/metering_data_clc%2fv5%2fconsumption_load_curve',
    '/METERING_DATA_CLC/v5/consumption_load_curve',
    '/metering_data_dc/v5/consumption_load_curve',
    '/mesure_synchrone_auto/v1/metering_data/consumption_load_curve',
    '/situation_contrat_auto/v1',
    '/situation_contrat_auto/v1/',
    '/situation_contrat_auto/v1/{prm}/x',
    `http://evil.invalid${CURVE}`,
    '*',
    '__proto__',
  ])('%s', (path) => {
    expect(y2026.classify(get(path, ok), TODAY)).toStrictEqual({ is: 'refused', reason: 'unknown_route', form: null })
  })

  test.each(['POST', 'HEAD', 'get', 'PUT', 'TRACE', ''])('the method %j', (method) => {
    expect(y2026.classify({ ...get(CURVE, ok), method }, TODAY)).toStrictEqual({ is: 'refused', reason: 'unknown_route', form: null })
  })
})

describe('a malformed request', () => {
  const { usage_point_id: _m, ...noMeter } = ok
  const { start: _s, ...noStart } = ok
  const { end: _e, ...noEnd } = ok
  test.each([
    ['meter_missing', noMeter],
    ['meter_missing', { ...ok, usage_point_id: '' }],
    ['meter_format', { ...ok, usage_point_id: '1000000000001' }],
    ['meter_format', { ...ok, usage_point_id: '100000000000011' }],
    ['meter_format', { ...ok, usage_point_id: '1000000000000a' }],
    ['meter_format', { ...ok, usage_point_id: '１0000000000001' }],
    ['meter_format', { ...ok, usage_point_id: `${METER},${METER}` }],
    ['start_missing', noStart],
    ['start_format', { ...ok, start: '2026-02-30' }],
    ['start_format', { ...ok, start: '02-03-2026' }],
    ['start_format', { ...ok, start: '2026-03-02T00:00:00' }],
    ['start_format', { ...ok, start: '26-03-02' }],
    ['end_missing', noEnd],
    ['end_format', { ...ok, end: '2026-3-4' }],
    ['order', { ...ok, end: '2026-03-02' }],
    ['order', { ...ok, end: '2026-03-01' }],
    ['future', { ...ok, start: '2026-11-20', end: '2026-11-21' }],
    ['parameter_unknown', { ...ok, pointId: METER }],
    ['parameter_unknown', { ...ok, 'usage_point_id[]': METER }],
    ['parameter_unknown', { ...ok, USAGE_POINT_ID: METER }],
    ['parameter_unknown', { ...ok, mesuresPas: 'P1D' }],
    ['person_format', { ...ok, person_id: '123456789' }],
  ])('v5: %s', (flaw, query) => {
    const form = { dialect: 'v5', series: 'consumption_curve' }
    expect(v5.classify(get(CURVE, query), TODAY)).toStrictEqual({ is: 'refused', reason: 'malformed', form, flaw })
  })

  const { dateFin: _d, ...noEnd2026 } = ok2026
  test.each([
    ['step_missing', { ...ok2026, grandeurPhysique: 'PMA' }],
    ['step_format', { ...ok2026, mesuresPas: 'PT30M', grandeurPhysique: 'PMA' }],
    ['quantity_missing', { ...ok2026, mesuresPas: 'P1D' }],
    ['quantity_format', { ...ok2026, mesuresPas: 'P1D', grandeurPhysique: 'EA' }],
    ['end_missing', { ...noEnd2026, mesuresPas: 'P1D', grandeurPhysique: 'PMA' }],
    ['parameter_unknown', { ...ok2026, mesuresPas: 'P1D', grandeurPhysique: 'PMA', person_id: '1234567890' }],
    ['parameter_unknown', ok],
  ])('2026: %s', (flaw, query) => {
    const form = { dialect: '2026', series: 'daily_max_power' }
    expect(y2026.classify(get(PEAK, query), TODAY)).toStrictEqual({ is: 'refused', reason: 'malformed', form, flaw })
  })

  test.each([
    ['meter_format', '/situation_contrat_auto/v1/1000', {}],
    ['meter_format', '/situation_contrat_auto/v1/%31%30000000000001', {}],
    ['parameter_unknown', `/situation_contrat_auto/v1/${METER}`, { pointId: METER }],
    ['parameter_unknown', `/situation_contrat_auto/v1/${METER}`, { dateDebut: '2026-03-02' }],
  ])('2026, meter in the path: %s', (flaw, path, query) => {
    const form = { dialect: '2026', series: 'contract_situation' }
    expect(y2026.classify(get(path, query), TODAY)).toStrictEqual({ is: 'refused', reason: 'malformed', form, flaw })
  })

  test('contract data of v5 has no days to ask for', () => {
    const asked = v5.classify(get('/customers_upc/v5/usage_points/contracts', ok), TODAY)
    expect(asked).toMatchObject({ reason: 'malformed', flaw: 'parameter_unknown' })
  })

  test('an end after today is no flaw while a day before today is left', () => {
    const asked = v5.classify(get(CURVE, { ...ok, start: '2026-11-19', end: '2026-11-22' }), TODAY)
    expect(accessOf(asked).access.period).toStrictEqual(days('2026-11-19', '2026-11-22'))
  })
})

describe('the call to Enedis', () => {
  const week = days('2026-03-02', '2026-03-03')
  test.each([
    ['consumption_curve', '2026', 'v5', `${CURVE}?usage_point_id=${METER}&start=2026-03-02&end=2026-03-03`],
    [
      'daily_production',
      'v5',
      '2026',
      `/mesure_synchrone_auto/v2/production_quotidienne?pointId=${METER}&dateDebut=2026-03-02&dateFin=2026-03-03`,
    ],
    [
      'daily_max_power',
      'v5',
      '2026',
      `${PEAK}?pointId=${METER}&dateDebut=2026-03-02&dateFin=2026-03-03&mesuresPas=P1D&grandeurPhysique=PMA`,
    ],
    [
      'monthly_max_power',
      '2026',
      '2026',
      `${PEAK}?pointId=${METER}&dateDebut=2026-03-02&dateFin=2026-03-03&mesuresPas=P1M&grandeurPhysique=PMA`,
    ],
    [
      'daily_max_power',
      '2026',
      'v5',
      `/metering_data_dcmp/v5/daily_consumption_max_power?usage_point_id=${METER}&start=2026-03-02&end=2026-03-03`,
    ],
    [
      'production_index',
      '2026',
      '2026',
      `/mesure_synchrone_auto/v2/index_production?pointId=${METER}&dateDebut=2026-03-02&dateFin=2026-03-03`,
    ],
  ] as const)('%s asked in %s, called in %s: the days of the part, not those asked for', (series, client, upstream, target) => {
    const adapter = dataConnect({ upstream })
    const { form, access } = accessOf(adapter.classify(aRequest(series, client, MARCH), TODAY))
    expect(adapter.canAnswer(form)).toBe(true)
    expect(adapter.rewrite(form, access, aPart(week), anUnder())).toStrictEqual({ method: 'GET', target, accept: 'application/json' })
  })

  test.each([
    ['contracts', 'v5', `/customers_upc/v5/usage_points/contracts?usage_point_id=${METER}`],
    ['contract_situation', '2026', `/situation_contrat_auto/v1/${METER}`],
  ] as const)('%s has no days', (series, generation, target) => {
    const adapter = dataConnect({ upstream: generation })
    const { form, access } = accessOf(adapter.classify(aRequest(series, generation, null), TODAY))
    expect(adapter.rewrite(form, access, aPart(null), anUnder()).target).toBe(target)
  })

  test('a sum made here calls the curve of the same direction', () => {
    const { form, access } = accessOf(v5.classify(aRequest('daily_production', 'v5', MARCH), TODAY))
    const part = aPart(week, { how: 'derive', kind: 'load_curve' })
    expect(v5.rewrite(form, access, part, anUnder()).target).toMatch(/^\/metering_data_plc\/v5\/production_load_curve\?/)
  })

  test.each([
    ['v5', ['consumption_index', 'contract_synthesis', 'metering_device', 'monthly_max_power', 'production_index']],
    ['2026', []],
  ] as const)('what Enedis has no equal of in %s is not answered', (upstream, expected) => {
    const adapter = dataConnect({ upstream })
    const refused = SERIES_IDS.flatMap((series) =>
      DIALECT_IDS.filter((dialect) => pathOf(series, dialect)).map((dialect) => ({ series, dialect })),
    ).filter((form) => !adapter.canAnswer(form))
    expect([...new Set(refused.map((form) => form.series))].toSorted()).toStrictEqual(expected)
  })

  test('never a period outside the part, whatever was asked for', () => {
    const { form, access } = accessOf(v5.classify(aRequest('consumption_curve', 'v5', days('2020-01-01', '2026-11-30')), day('2026-11-20')))
    expect(v5.rewrite(form, access, aPart(week), anUnder()).target).toBe(`${CURVE}?usage_point_id=${METER}&start=2026-03-02&end=2026-03-03`)
    expect(() => v5.rewrite(form, access, aPart(null), anUnder())).toThrow(RangeError)
  })
})
