/** Which request is asked for, and the call that is made of it. */
import { expect, test } from 'vitest'
import { grdfAdict } from '../../../src/providers/grdf-adict/adict.ts'
import { anUnder } from '../../given.ts'
import { accessTo, adapter, aPart, ask, days, PCE } from './given.ts'

const MARCH = { date_debut: '2026-03-01', date_fin: '2026-04-01' }
const PERIOD = days('2026-03-01', '2026-04-01')

test.each([
  ['donnees_consos_publiees', 'published_reading', 'withdrawal', 'recorded'],
  ['donnees_consos_informatives', 'daily_energy', 'withdrawal', 'P1D'],
  ['donnees_injections_publiees', 'published_reading', 'injection', 'recorded'],
])('%s is %s, %s, %s', (series, kind, direction, step) => {
  expect(ask(`/adict/v2/pce/${PCE}/${series}`, MARCH)).toStrictEqual({
    is: 'access',
    form: { series, point: PCE },
    access: { provider: 'grdf-adict', api: 'adict', meter: `pce:${PCE}`, kind, direction, step, period: PERIOD },
  })
})

test.each([
  ['donnees_contractuelles', 'contract_data'],
  ['donnees_techniques', 'technical_data'],
])('%s is %s and has no days', (series, kind) => {
  expect(ask(`/adict/v2/pce/GI990777/${series}`)).toMatchObject({
    is: 'access',
    access: { meter: 'pce:GI990777', kind, direction: 'n_a', step: 'TOTAL', period: null },
  })
})

test('a period is turned into days before it is checked, and never sent', () => {
  const classified = ask(`/adict/v2/pce/${PCE}/donnees_consos_publiees`, { periode: '2026-03' })
  expect(classified).toMatchObject({ is: 'access', access: { period: PERIOD } })
  if (classified.is !== 'access') return
  expect(adapter.rewrite(classified.form, classified.access, aPart(days('2026-03-05', '2026-03-10')), anUnder())).toStrictEqual({
    method: 'GET',
    target: `/adict/v2/pce/${PCE}/donnees_consos_publiees?date_debut=2026-03-05&date_fin=2026-03-10`,
    accept: 'application/x-ndjson',
  })
})

test('where the last day is included it is included in the call as well', () => {
  const included = grdfAdict({ upperBound: 'included' })
  const query = new Map(Object.entries(MARCH))
  const classified = included.classify(
    { method: 'GET', path: `/adict/v2/pce/${PCE}/donnees_consos_informatives`, query },
    days('2026-11-26', '2026-11-27').from,
  )
  expect(classified).toMatchObject({ is: 'access', access: { period: days('2026-03-01', '2026-04-02') } })
  if (classified.is !== 'access') return
  expect(included.rewrite(classified.form, classified.access, aPart(PERIOD), anUnder()).target).toContain(
    'date_debut=2026-03-01&date_fin=2026-03-31',
  )
})

test('data about a point is asked for without parameters; days that are missing are never made up', () => {
  const { access, form } = accessTo('donnees_techniques', null)
  expect(adapter.rewrite(form, access, aPart(null), anUnder()).target).toBe(`/adict/v2/pce/${PCE}/donnees_techniques`)
  const dated = accessTo('donnees_consos_publiees', PERIOD)
  expect(() => adapter.rewrite(dated.form, dated.access, aPart(null), anUnder())).toThrow(RangeError)
})

const CONTRACT = `/adict/v2/pce/${PCE}/donnees_contractuelles`

test('of contract data parts may be asked for: GRDF is asked for them in one order, however they came', () => {
  const { access, form } = accessTo('donnees_contractuelles', null, PCE, ['date_mes', 'cja', 'car'])
  expect(form).toStrictEqual({ series: 'donnees_contractuelles', point: PCE, wanted: ['car', 'cja', 'date_mes'] })
  expect(access).toMatchObject({ kind: 'contract_data', period: null })
  expect(adapter.rewrite(form, access, aPart(null), anUnder()).target).toBe(`${CONTRACT}?filtre=car&filtre=cja&filtre=date_mes`)
})

test('all parts that GRDF knows, and none', () => {
  const all = accessTo('donnees_contractuelles', null, PCE, ['car', 'cja', 'profil_type_actuel', 'tarif_acheminement', 'date_mes'])
  const filters = 'filtre=car&filtre=cja&filtre=profil_type_actuel&filtre=tarif_acheminement&filtre=date_mes'
  expect(adapter.rewrite(all.form, all.access, aPart(null), anUnder()).target).toBe(`${CONTRACT}?${filters}`)
  const { access, form } = accessTo('donnees_contractuelles', null)
  expect(form).toStrictEqual({ series: 'donnees_contractuelles', point: PCE })
  expect(adapter.rewrite(form, access, aPart(null), anUnder()).target).toBe(CONTRACT)
})

test.each([[['adresse']], [['car', 'modulation']], [['CAR']], [['']], [['car,cja']], [['car', 'car']], [['toString']]])(
  'the parts %o are malformed',
  (filters) => {
    expect(ask(CONTRACT, {}, 'GET', filters)).toMatchObject({ is: 'refused', reason: 'malformed', flaw: 'filter_unknown' })
  },
)

test.each([
  [CONTRACT, ['filtre']],
  [`/adict/v2/pce/${PCE}/donnees_techniques`, []],
  [`/adict/v2/pce/${PCE}/donnees_consos_publiees`, []],
  [`${CONTRACT}/`, []],
  ['/adict/v2/droits_acces', []],
])('parameters of %s that may stand more than once: %o', (path, names) => {
  expect([...(adapter.repeats?.(path) ?? [])]).toStrictEqual(names)
})

test.each(['/oauth2/aus5y2ta2uEHjCWIR417/v1/token', '/openam/oauth2/realms/externeGrdf/access_token'])('%s is the token call', (path) => {
  expect(ask(path, {}, 'POST')).toStrictEqual({ is: 'token' })
  expect(ask(path)).toMatchObject({ is: 'refused', reason: 'unknown_route' })
  expect(adapter.serves(path)).toBe(true)
})

test.each([
  ['GET', `/adict/v2/pce/${PCE}/droit_acces`],
  ['PUT', '/adict/v2/droits_acces'],
  ['GET', '/adict/v2/droits_acces/'],
  ['PATCH', '/adict/v2/droit_acces/6f0f4c5e-0d1b-4b7e-9a34-5d2f7f1c9e10'],
  ['POST', `/adict/v2/pce/${PCE}/donnees_consos_publiees`],
  ['GET', `/adict/v1/pce/${PCE}/donnees_consos_publiees`],
  ['GET', `/adict/v2/pce/${PCE}/donnees_injection_publiees`],
  ['GET', `/adict/v2/pce/${PCE}/donnees_consos_publiees/`],
  ['GET', `/adict/v2/pce//donnees_consos_publiees`],
  ['GET', `/adict/v2/pce/${PCE}/x/donnees_consos_publiees`],
  ['GET', `/ADICT/v2/pce/${PCE}/donnees_consos_publiees`],
])('%s %s is not served', (method, path) => {
  expect(ask(path, {}, method)).toMatchObject({ is: 'refused', reason: 'unknown_route' })
})

test.each([
  ['/adict/v2/droits_acces', true],
  ['/adict/v2/', true],
  ['/adict/v2', false],
  ['/adict/v20/pce', false],
  ['/metering_data_dc/v5/daily_consumption', false],
])('%s is of this interface: %s', (path, is) => {
  expect(adapter.serves(path)).toBe(is)
})

test.each([
  ['2150000000004', MARCH, 'point_format'],
  ['gi990777', MARCH, 'point_format'],
  ['GI99077', MARCH, 'point_format'],
  [PCE, { ...MARCH, filtre: 'car' }, 'parameter_unknown'],
  [PCE, { ...MARCH, id_pce: PCE }, 'parameter_unknown'],
  [PCE, { date_debut: '2026-03-01' }, 'period_missing'],
  [PCE, { periode: 'PN-2026' }, 'period_format'],
  [PCE, { date_debut: '2026-11-26', date_fin: '2026-11-28' }, 'future'],
])('%s with %o is malformed: %s', (point, query, flaw) => {
  expect(ask(`/adict/v2/pce/${point}/donnees_consos_publiees`, query)).toMatchObject({ is: 'refused', reason: 'malformed', flaw })
})

test('parameters of days have no place where there are none', () => {
  expect(ask(`/adict/v2/pce/${PCE}/donnees_techniques`, { periode: '2026' })).toMatchObject({ flaw: 'parameter_unknown' })
})
