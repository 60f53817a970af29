/** What the simulated Enedis answers, on the wire, in both generations. */
import { describe, expect, test } from 'vitest'
import { addDays, addMonths, countDays, day } from '../../../src/domain/time.ts'
import { DEFAULT_APPLICATION } from '../../../src/sandbox/sandbox.ts'
import { aClient, aToken, back, CURVE_2026, CURVE_V5, DAILY_2026, DAILY_V5, HOUSE, NOW, TODAY, v5, y2026 } from './given.ts'

interface V5 {
  readonly meter_reading: {
    readonly usage_point_id: string
    readonly start: string
    readonly end: string
    readonly quality: string
    readonly reading_type: Readonly<Record<string, string>>
    readonly interval_reading: readonly {
      readonly value: string
      readonly date: string
      readonly interval_length?: string
      readonly measure_type?: string
    }[]
  }
}
interface Y2026 {
  readonly idPrm: string
  readonly etapeMetier: string
  readonly pas?: string
  readonly periode: { readonly dateDebut: string; readonly dateFin: string }
  readonly grandeur: readonly {
    readonly grandeurMetier: string
    readonly grandeurPhysique: string
    readonly unite: string
    readonly points: readonly { readonly v: string; readonly d: string; readonly p?: string; readonly n?: string }[]
  }[]
}
const PEAK_V5 = '/metering_data_dcmp/v5/daily_consumption_max_power'
const PEAK_2026 = '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne'
const PMA = '&mesuresPas=P1D&grandeurPhysique=PMA'

test.each([
  ['consumption curve', CURVE_V5, CURVE_2026, '', 7, HOUSE, 'CONS', 'PA'],
  [
    'production curve',
    '/metering_data_plc/v5/production_load_curve',
    '/mesure_synchrone_auto/v2/courbe_de_charge_production',
    '',
    7,
    '12655648759651',
    'PROD',
    'PA',
  ],
  ['curve with holes', CURVE_V5, CURVE_2026, '', 7, '10000000000007', 'CONS', 'PA'],
  ['curve whose step changes', CURVE_V5, CURVE_2026, '', 7, '10000000000004', 'CONS', 'PA'],
  ['daily consumption', DAILY_V5, DAILY_2026, '', 365, HOUSE, 'CONS', 'EA'],
  [
    'daily production',
    '/metering_data_dp/v5/daily_production',
    '/mesure_synchrone_auto/v2/production_quotidienne',
    '',
    365,
    '24880057139941',
    'PROD',
    'EA',
  ],
  ['daily peak', PEAK_V5, PEAK_2026, PMA, 365, HOUSE, 'CONS', 'PMA'],
])(
  '%s: both generations tell the same for a year with both clock changes',
  async (_name, pathV5, path2026, more, window, prm, metier, physique) => {
    const { get } = await aClient()
    const until = day('2026-11-02')
    let points = 0
    for (let from = day('2025-11-01'); from < until; from = addDays(from, window)) {
      const next = addDays(from, window)
      const end = next < until ? next : until
      const older = (JSON.parse((await get(v5(pathV5, from, end, prm))).text) as V5).meter_reading
      const newer = JSON.parse((await get(y2026(path2026, from, end, prm, more))).text) as Y2026
      const quantity = newer.grandeur[0]
      expect([older.usage_point_id, older.start, older.end, older.quality]).toStrictEqual([prm, from, end, 'BRUT'])
      expect([newer.idPrm, newer.periode.dateDebut, newer.periode.dateFin, newer.etapeMetier]).toStrictEqual([prm, from, end, 'BRUT'])
      expect([quantity?.grandeurMetier, quantity?.grandeurPhysique, quantity?.unite]).toStrictEqual([
        metier,
        physique,
        older.reading_type['unit'],
      ])
      expect(newer.pas).toBe(older.reading_type['measuring_period'])
      expect(quantity?.points.map((p) => [p.v, p.d, p.p, p.n])).toStrictEqual(
        older.interval_reading.map((r) => [r.value, r.date, r.interval_length, r.measure_type]),
      )
      points += older.interval_reading.length
    }
    const days = countDays({ from: day('2025-11-01'), until })
    // One hour less in spring and one more in autumn: over the year there are 48 half-hours a day.
    if (prm === HOUSE) expect(points).toBe(window === 7 ? days * 48 : days)
  },
)

test('the energy of a day is that of its curve, in both clock changes too', async () => {
  const { get } = await aClient()
  for (const [on, count] of [
    ['2026-03-29', 46],
    ['2026-03-30', 48],
    ['2026-10-25', 50],
  ] as const) {
    const until = addDays(day(on), 1)
    const curve = (JSON.parse((await get(v5(CURVE_V5, on, until))).text) as V5).meter_reading.interval_reading
    const [total] = (JSON.parse((await get(v5(DAILY_V5, on, until))).text) as V5).meter_reading.interval_reading
    expect(curve).toHaveLength(count)
    expect(Math.abs(Number(total?.value) - curve.reduce((all, p) => all + Number(p.value), 0) / 2)).toBeLessThanOrEqual(0.5)
  }
})

test('the registers move by the energy of each day, and off-peak and peak make the total', async () => {
  const { get } = await aClient()
  const { text } = await get(y2026('/mesure_synchrone_auto/v2/index_consommation', '2026-10-20', '2026-10-27'))
  type Value = { readonly d: string; readonly v: number }
  type Index = {
    readonly contexte: readonly {
      readonly grandeur: readonly {
        readonly calendrier: readonly { readonly classeTemporelle: readonly { readonly valeur: readonly Value[] }[] }[]
        readonly cadranTotalisateur: { readonly valeur: readonly Value[] }
      }[]
    }[]
  }
  const quantity = (JSON.parse(text) as Index).contexte[0]?.grandeur[0]
  const total = quantity?.cadranTotalisateur.valeur ?? []
  const classes = quantity?.calendrier[0]?.classeTemporelle ?? []
  expect(total.map((v) => v.d)).toStrictEqual([
    ...['20', '21', '22', '23', '24', '25'].map((d) => `2026-10-${d}T00:00:00+02:00`),
    '2026-10-26T00:00:00+01:00',
    '2026-10-27T00:00:00+01:00',
  ])
  expect(classes).toHaveLength(2)
  expect(total.map((v, i) => v.v - classes.reduce((all, c) => all + (c.valeur[i]?.v ?? 0), 0))).toStrictEqual(total.map(() => 0))
  const daily = (JSON.parse((await get(v5(DAILY_V5, '2026-10-20', '2026-10-27'))).text) as V5).meter_reading.interval_reading
  expect(total.slice(1).map((v, i) => v.v - (total[i]?.v ?? 0))).toStrictEqual(daily.map((d) => Number(d.value)))
})

test('the peak of a month is the highest of its days', async () => {
  const { get } = await aClient()
  const asked = (more: string) => get(y2026(PEAK_2026, '2026-09-01', '2026-11-01', HOUSE, more))
  const points = async (more: string) => (JSON.parse((await asked(more)).text) as Y2026).grandeur[0]?.points ?? []
  const daily = await points(PMA)
  const monthly = await points('&mesuresPas=P1M&grandeurPhysique=PMA')
  const highest = (month: string): number => Math.max(...daily.filter((p) => p.d.startsWith(month)).map((p) => Number(p.v)))
  expect(monthly.map((p) => [p.d.slice(0, 7), Number(p.v)])).toStrictEqual([
    ['2026-09', highest('2026-09')],
    ['2026-10', highest('2026-10')],
  ])
})

test('a self-consumer has two contracts of 2026, and a producer alone none', async () => {
  const { get } = await aClient()
  const contracts = JSON.parse((await get('/situation_contrat_auto/v1/12655648759651')).text) as { readonly segment: string }[]
  expect(contracts.map((c) => c.segment)).toStrictEqual(['C5', 'P4'])
  expect((await get('/situation_contrat_auto/v1/24880057139941')).status).toBe(404)
})

test.each([
  ['/customers_upc/v5/usage_points/contracts', '"subscribed_power":"9 kVA"'],
  ['/customers_upa/v5/usage_points/addresses', '"postal_code":"00000"'],
  ['/customers_i/v5/identity', '"natural_person"'],
  ['/customers_cd/v5/contact_data', '@exemple.invalid'],
])('%s answers in v5', async (path, holds) => {
  const { get } = await aClient()
  const { status, text } = await get(`${path}?usage_point_id=${HOUSE}`)
  expect(status).toBe(200)
  expect(text).toContain(holds)
})

test.each([
  ['/synth_contrat_auto/v1', '"segments":[{"segment":"C5"}]'],
  ['/comptage_auto/v1', '"plageHeuresCreuses":"HC (22H30-6H30)"'],
  ['/donnees_generales_auto/v1', '"insee_code":"00000"'],
])('%s answers in 2026, its meter in the path only', async (path, holds) => {
  const { get } = await aClient()
  expect((await get(`${path}/${HOUSE}`)).text).toContain(holds)
  expect((await get(`${path}?pointId=${HOUSE}`)).status).toBe(500)
})

const GATEWAY = (code: number, message: string) => ({ fault: { code, message, description: `${message}. See the API documentation.` } })
const ERROR = (error: string, text: string) => ({
  error,
  error_description: text,
  error_uri: 'https://bluecoder.enedis.fr/api-doc/consulter-souscrire',
})
const CODE = (code: string, message: string) => ({ code, message })
const BAD = 'Invalid_request'
const TECHNICAL = "Problème technique dans l'interrogation du SI coeur"
const NO_CONSENT = 'No consent can be found for this customer and this usage point.'
const ACTIVATION = "The requested period cannot be anterior to the meter's last activation date"
const DEADLINE = 'The start date must be greater than the history deadline.'
const week = 'The requested period must be less than 7 days for an access to the load curve'

describe('refusals', () => {
  test.each<[string, string, number, unknown]>([
    ['no meter', `${CURVE_V5}?start=2026-11-01&end=2026-11-02`, 400, ERROR(BAD, 'usage_point_id parameter is required')],
    ['no meter', `${CURVE_2026}?dateDebut=2026-11-01&dateFin=2026-11-02`, 400, CODE(BAD, 'Le paramètre usage_point_id est obligatoire')],
    ['a short meter', v5(CURVE_V5, back(2), TODAY, '123'), 400, ERROR(BAD, 'usage_point_id parameter must be 14 digits long')],
    ['no start', `${CURVE_V5}?usage_point_id=${HOUSE}&end=2026-11-02`, 400, ERROR(BAD, 'Start date parameter is required')],
    ['an unreal start', v5(CURVE_V5, '2026-02-30'), 400, ERROR(BAD, 'Start date parameter must be in the format YYYY-MM-DD')],
    ['no end', `${CURVE_V5}?usage_point_id=${HOUSE}&start=2026-11-02`, 400, ERROR(BAD, 'End date parameter is required')],
    ['an end of another form', v5(CURVE_V5, back(2), '25/11/2026'), 400, ERROR(BAD, 'End date parameter must be in the format YYYY-MM-DD')],
    ['equal days', v5(CURVE_V5, back(2), back(2)), 400, ERROR(BAD, 'Start date should be before end date.')],
    ['reversed days', v5(DAILY_V5, back(2), back(3)), 400, ERROR(BAD, 'Start date should be before end date.')],
    ['equal days', y2026(CURVE_2026, back(2), back(2)), 400, CODE(BAD, 'Start date should be before end date.')],
    [
      'tomorrow as the end',
      v5(CURVE_V5, back(2), back(-1)),
      400,
      ERROR(BAD, 'The end date parameter must be earlier than the current date.'),
    ],
    ['eight days of a curve', v5(CURVE_V5, back(8)), 400, ERROR('ADAM-ERR0126', week)],
    ['eight days of a curve', y2026(CURVE_2026, back(8)), 400, CODE('ADAM-ERR0126', week)],
    ['a curve of more than 24 months and 15 days ago', v5(CURVE_V5, '2024-11-09', '2024-11-11'), 400, ERROR('ADAM-ERR0125', DEADLINE)],
    ['days of more than 36 months and 15 days ago', v5(DAILY_V5, '2023-11-09'), 400, ERROR('ADAM-ERR0125', DEADLINE)],
    ['days before the activation', v5(DAILY_V5, back(46), TODAY, '10000000000003'), 400, ERROR('ADAM-ERR0123', ACTIVATION)],
    [
      'days before the activation, by a v5 body',
      y2026(DAILY_2026, back(46), TODAY, '10000000000003'),
      400,
      ERROR('ADAM-ERR0123', ACTIVATION),
    ],
    ['no consent', v5(CURVE_V5, back(2), TODAY, '26584978546985'), 403, ERROR('ADAM-DC-0008', NO_CONSENT)],
    [
      'no consent',
      y2026(CURVE_2026, back(2), TODAY, '26584978546985'),
      403,
      CODE('ADAM-DC-0008', "Le client n'est pas autorisé pour le point demandé"),
    ],
    ['a meter that Enedis does not know', v5(CURVE_V5, back(2), TODAY, '99999999999999'), 403, ERROR('ADAM-DC-0008', NO_CONSENT)],
    [
      'a holder who moved out',
      v5(CURVE_V5, back(2), TODAY, '10000000000013'),
      403,
      ERROR('ADAM-DC-0007', 'The customer is not owner of this usage point.'),
    ],
    [
      'a holder who moved out',
      y2026(CURVE_2026, back(2), TODAY, '10000000000013'),
      403,
      CODE('ADAM-DC-0007', "Le client n'est pas titulaire du point demandé."),
    ],
    [
      'a seeker who is not the holder',
      v5(CURVE_V5, back(2), TODAY, '10000000000014'),
      400,
      ERROR('ADAM-ERR0061', 'The seeker is not recognized as the actual meter holder'),
    ],
    [
      'a curve that the customer objects to',
      v5(CURVE_V5, back(2), TODAY, '10000000000015'),
      400,
      ERROR('ADAM-ERR0075', 'The customer objected to the load curve recording'),
    ],
    [
      'days before the consent',
      v5(DAILY_V5, back(31), TODAY, '10000000000011'),
      403,
      ERROR('ADAM-DC-0009', 'The start date of the request must be greater than the consent start date.'),
    ],
    [
      'production of a consumer',
      v5('/metering_data_plc/v5/production_load_curve'),
      400,
      ERROR('ADAM-ERR0069', 'Le sens de la mesure ne correspond pas pour le PRM demandé'),
    ],
    [
      'consumption of a producer',
      v5(CURVE_V5, back(2), TODAY, '24880057139941'),
      400,
      ERROR('ADAM-ERR0069', 'Le sens de la mesure ne correspond pas pour le PRM demandé'),
    ],
    [
      'an unauthorised user',
      v5(CURVE_V5, back(2), TODAY, '10000000000016'),
      403,
      ERROR('unauthorized_user', 'user is not authorized to access this resource'),
    ],
    ['an unknown user', v5(CURVE_V5, back(2), TODAY, '10000000000017'), 404, ERROR('STM-ERR-0000019', 'Unknown or unauthorized user.')],
    ['no curve', v5(CURVE_V5, back(2), TODAY, '32320647321714'), 404, ERROR('no_data_found', 'no measure found for this usage point')],
    ['no curve', y2026(CURVE_2026, back(2), TODAY, '32320647321714'), 404, CODE('no_data_found', 'Pas de mesure trouvée pour ce point')],
    [
      'a meter that does not communicate',
      v5(DAILY_V5, back(20), TODAY, '10000000000012'),
      404,
      ERROR('no_data_found', 'no measure found for this usage point'),
    ],
    [
      'a Tuesday and a Wednesday of the meter with holes',
      v5(CURVE_V5, '2026-11-17', '2026-11-19', '42900589957123'),
      404,
      ERROR('no_data_found', 'no measure found for this usage point'),
    ],
    [
      'a technical error',
      v5(DAILY_V5, back(2), TODAY, '10000000000018'),
      500,
      ERROR('technical_error', 'Technical error. Please try later.'),
    ],
    ['a technical error', y2026(DAILY_2026, back(2), TODAY, '10000000000018'), 500, CODE('technical_error', TECHNICAL)],
    ['unavailable', v5(DAILY_V5, back(2), TODAY, '10000000000019'), 503, ERROR('service_unavailable', 'Service Unavailable')],
    ['an unknown path of 2026', '/mesure_synchrone_auto/v2/index_consumption', 500, CODE('500', TECHNICAL)],
    ['an unknown parameter of 2026', y2026(CURVE_2026, back(2), TODAY, HOUSE, '&x=1'), 500, CODE('500', TECHNICAL)],
    ['a parameter of 2026 twice', y2026(CURVE_2026, back(2), TODAY, HOUSE, `&pointId=${HOUSE}`), 500, CODE('500', TECHNICAL)],
    ['a peak of 2026 without its step', y2026(PEAK_2026), 500, CODE('500', TECHNICAL)],
    ['an unknown path', '/metering_data_dc/v5/nothing', 404, GATEWAY(900906, 'No matching resource found for given API Request')],
    [
      'a person who is no customer',
      `${v5(DAILY_V5)}&person_id=`,
      400,
      ERROR(BAD, 'person_id parameter is required when the user is not an authentified customer'),
    ],
  ])('%s: %s', async (_name, target, status, body) => {
    const { get } = await aClient()
    const answer = await get(target)
    expect(JSON.parse(answer.text)).toStrictEqual(body)
    expect(answer.status).toBe(status)
  })

  test('just inside each limit there are readings', async () => {
    const { get } = await aClient()
    const status = async (target: string): Promise<number> => (await get(target)).status
    expect(await status(v5(CURVE_V5, back(7)))).toBe(200)
    expect(await status(v5(CURVE_V5, '2024-11-10', '2024-11-11'))).toBe(200)
    expect(await status(v5(DAILY_V5, '2023-11-10'))).toBe(200)
    expect(await status(v5(DAILY_V5, back(45), TODAY, '10000000000003'))).toBe(200)
    expect(await status(v5(DAILY_V5, back(30), TODAY, '10000000000011'))).toBe(200)
    expect(await status(v5(DAILY_V5, back(2), TODAY, '10000000000015'))).toBe(200)
    // Of a meter that fell silent, what came before.
    expect(JSON.parse((await get(v5(DAILY_V5, back(22), TODAY, '10000000000012'))).text)).toMatchObject({
      meter_reading: { interval_reading: [{ date: back(22) }, { date: back(21) }] },
    })
  })

  test('a GET that announces a form', async () => {
    const { get } = await aClient()
    expect((await get(v5(CURVE_V5), { 'Content-Type': 'application/x-www-form-urlencoded' })).status).toBe(415)
    expect((await get(v5(CURVE_V5), { 'Content-Type': 'application/json' })).status).toBe(200)
  })

  test('a method that is not GET', async () => {
    const { sandbox, token } = await aClient()
    const post = (target: string) => fetch(`${sandbox.url}${target}`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    expect((await post(v5(CURVE_V5))).status).toBe(405)
    expect((await post(y2026(CURVE_2026))).status).toBe(500)
  })
})

describe('the token call', () => {
  const ask = async (url: string, form: Record<string, string>, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}/oauth2/v3/token`, { method: 'POST', body: new URLSearchParams(form), headers })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const good = { grant_type: 'client_credentials', client_id: 'demo-application', client_secret: 'demo-application-secret' }

  test('gives a token of 12,600 seconds, by form or by header', async () => {
    const { sandbox } = await aClient()
    const { status, body } = await ask(sandbox.url, good)
    expect(status).toBe(200)
    expect(body).toStrictEqual({
      access_token: expect.stringMatching(/^[\w-]{32}$/),
      scope: 'am_application_scope default',
      token_type: 'Bearer',
      expires_in: 12_600,
    })
    const basic = Buffer.from('demo-application:demo-application-secret').toString('base64')
    expect((await ask(sandbox.url, { grant_type: 'client_credentials' }, { Authorization: `Basic ${basic}` })).status).toBe(200)
  })

  test('understands a header that is percent-encoded, and one that is not', async () => {
    for (const [secret, written] of [
      ['a b:c', 'a%20b%3Ac'],
      ['100%', '100%'],
    ]) {
      const { sandbox } = await aClient({ credentials: [{ clientId: 'one', secret: secret ?? '' }, DEFAULT_APPLICATION] })
      const basic = Buffer.from(`one:${written}`).toString('base64')
      expect((await ask(sandbox.url, { grant_type: 'client_credentials' }, { Authorization: `Basic ${basic}` })).status).toBe(200)
    }
  })

  test.each([
    ['another secret', { ...good, client_secret: 'no' }, 401, 'invalid_client'],
    ['no credentials', { grant_type: 'client_credentials' }, 401, 'invalid_client'],
    ['no grant', { client_id: good.client_id, client_secret: good.client_secret }, 400, 'invalid_request'],
    ['another grant', { ...good, grant_type: 'authorization_code' }, 400, 'unsupported_grant_type'],
  ])('refuses %s', async (_name, form, status, error) => {
    const { sandbox } = await aClient()
    const said = await ask(sandbox.url, form)
    expect([said.status, said.body['error']]).toStrictEqual([status, error])
    if (status === 401) expect(said.body['error_description']).toBe('Client Authentication failed.')
  })

  test('credentials in the query are not read', async () => {
    const { sandbox } = await aClient()
    const answer = await fetch(`${sandbox.url}/oauth2/v3/token?${new URLSearchParams(good).toString()}`, { method: 'POST' })
    expect(answer.status).toBe(415)
  })

  test('a data call without a token, or with a wrong, expired or revoked one, gets the fault of the API gateway', async () => {
    let now = NOW
    const { sandbox, token, get } = await aClient({ now: () => now })
    const body = async (headers: Record<string, string>) => {
      const answer = await fetch(`${sandbox.url}${v5(CURVE_V5)}`, { headers })
      return [answer.status, await answer.json()]
    }
    expect(await body({})).toStrictEqual([401, GATEWAY(900902, 'Missing Credentials')])
    expect(await body({ Authorization: 'Bearer nothing' })).toStrictEqual([401, GATEWAY(900901, 'Invalid Credentials')])
    expect((await get(v5(CURVE_V5))).status).toBe(200)
    now = NOW + 12_600_000
    expect(await body({ Authorization: `Bearer ${token}` })).toStrictEqual([401, GATEWAY(900901, 'Invalid Credentials')])
    const other = await aToken(sandbox)
    const form = new URLSearchParams({
      token: other,
      token_type_hint: 'access_token',
      client_id: good.client_id,
      client_secret: good.client_secret,
    })
    expect((await fetch(`${sandbox.url}/oauth2/v3/revoke`, { method: 'POST', body: form })).status).toBe(200)
    expect(await body({ Authorization: `Bearer ${other}` })).toStrictEqual([401, GATEWAY(900901, 'Invalid Credentials')])
  })
})

describe('quotas', () => {
  const limits = { v5: { perSecond: 2, perHour: 4 }, '2026': { perSecond: 2, perHour: 4 } }

  test('in a second: v5 counts all paths together, 2026 each API', async () => {
    const { get } = await aClient({ quotas: limits })
    expect((await get(v5(CURVE_V5))).status).toBe(200)
    expect((await get(v5(DAILY_V5))).status).toBe(200)
    const third = await get(`/customers_i/v5/identity?usage_point_id=${HOUSE}`)
    expect([third.status, JSON.parse(third.text)]).toStrictEqual([
      429,
      ERROR('429', 'Quota Q3 reached: Call threshold allowed on this API'),
    ])
    expect((await get(y2026(CURVE_2026))).status).toBe(200)
    expect((await get(y2026(DAILY_2026))).status).toBe(200)
    expect((await get(y2026(DAILY_2026))).status).toBe(429)
    expect((await get(`/comptage_auto/v1/${HOUSE}`)).status).toBe(200)
  })

  test('a second later there is room again, until the hour is used up; what was refused does not count', async () => {
    let now = NOW
    const { get } = await aClient({ quotas: limits, now: () => now })
    const statuses: number[] = []
    for (const at of [0, 1, 999, 1000, 1001, 2001, 3_599_999, 3_600_000]) {
      now = NOW + at
      statuses.push((await get(v5(CURVE_V5))).status)
    }
    expect(statuses).toStrictEqual([200, 200, 429, 200, 200, 429, 429, 200])
    const { text } = await get(v5(CURVE_V5))
    expect(JSON.parse(text)).toMatchObject({ error_description: 'Quota Q4 reached: Call threshold allowed on this API' })
  })

  test('2026 says when the next call may come', async () => {
    const { get } = await aClient({ quotas: limits })
    for (let i = 0; i < 2; i += 1) await get(y2026(DAILY_2026))
    expect(JSON.parse((await get(y2026(DAILY_2026))).text)).toStrictEqual({
      code: '900804',
      message: 'Message throttled out',
      description: 'You have exceeded your quota',
      nextAccessTime: '2026-Nov-25 09:00:01+0000 UTC',
    })
  })
})

describe('subscribed services', () => {
  const ask = async (asked: unknown) => {
    const { sandbox, token } = await aClient()
    const answer = await fetch(`${sandbox.url}/subscribed_services/v1`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(asked),
    })
    return {
      status: answer.status,
      body: (await answer.json()) as { readonly nbTotalServices?: number; readonly serviceSouscrit?: readonly Record<string, unknown>[] },
    }
  }
  const kinds = (body: Awaited<ReturnType<typeof ask>>['body']) => body.serviceSouscrit?.map((s) => s['mesuresTypeCode'])

  test('tells what is shared of a meter, with the fields of the Swagger', async () => {
    const { status, body } = await ask({ comptage: false, pointId: [HOUSE] })
    expect(status).toBe(200)
    expect(body.nbTotalServices).toBe(4)
    expect(body.serviceSouscrit?.[0]).toStrictEqual({
      id: expect.any(String),
      serviceCode: 'ACCES',
      soutirage: true,
      injection: false,
      pointId: HOUSE,
      dateDebut: '2019-06-01',
      dateFin: addMonths(TODAY, 30),
      etatCode: 'ACTIF',
      etatLibelle: 'Actif',
      mesuresTypeCode: 'CDC',
      mesuresPas: 'PT30M',
      mesuresCorrigees: false,
      espaceDynamique: false,
      publicationDonnees: false,
      sirenBeneficiaire: '999999999',
      autorisation: { autorisationId: expect.any(Number), autorisationLibelle: 'Partage de données', autorisationType: 'EXPLICITE' },
    })
  })

  test('filters', async () => {
    expect(kinds((await ask({ comptage: false, pointId: [HOUSE], mesureTypeCode: ['PMAX', 'IDX'] })).body)).toStrictEqual(['IDX', 'PMAX'])
    expect((await ask({ comptage: true, pointId: [HOUSE] })).body).toStrictEqual({ nbTotalServices: 4 })
    expect(kinds((await ask({ comptage: false, pointId: ['12655648759651'], injection: true })).body)).toStrictEqual([
      'CDC',
      'ENERGIE',
      'IDX',
    ])
    expect(kinds((await ask({ comptage: false, pointId: ['32320647321714'] })).body)).toStrictEqual(['ENERGIE', 'IDX', 'PMAX'])
    const id = (await ask({ comptage: false, pointId: [HOUSE] })).body.serviceSouscrit?.[0]?.['autorisation'] as {
      readonly autorisationId: number
    }
    expect((await ask({ comptage: true, autorisationId: id.autorisationId })).body).toStrictEqual({ nbTotalServices: 4 })
    expect((await ask({ comptage: true, pointId: [HOUSE], dateDebut: '2019-06-02' })).body).toStrictEqual({ nbTotalServices: 0 })
    expect((await ask({ comptage: true, pointId: [HOUSE], dateFin: addMonths(TODAY, 30) })).body).toStrictEqual({ nbTotalServices: 4 })
  })

  test('a share that was taken back is there only for who asks for it, an objection for who asks for that', async () => {
    expect((await ask({ comptage: true, pointId: ['26584978546985'] })).body).toStrictEqual({ nbTotalServices: 0 })
    expect((await ask({ comptage: true, pointId: ['26584978546985'], etatCode: ['SUPPRIME'] })).body).toStrictEqual({ nbTotalServices: 4 })
    expect((await ask({ comptage: true, pointId: ['10000000000015'], serviceType: 'OPPENR' })).body).toStrictEqual({ nbTotalServices: 1 })
  })

  test.each([
    ['no comptage', { pointId: [HOUSE] }, 400],
    ['neither meter nor authorisation', { comptage: false }, 400],
    ['an unknown meter', { comptage: false, pointId: ['99999999999999'] }, 404],
    ['an unknown field', { comptage: false, pointId: [HOUSE], x: 1 }, 500],
    ['an unknown state', { comptage: false, pointId: [HOUSE], etatCode: ['?'] }, 500],
    ['a list', [], 500],
  ])('refuses %s', async (_name, asked, status) => {
    const said = await ask(asked)
    expect(said.status).toBe(status)
    expect(Object.keys(said.body)).toStrictEqual(['code', 'message'])
  })
})

test('it remembers each data call as it came, and no secret of it', async () => {
  const { sandbox, get, token } = await aClient()
  await get(v5(CURVE_V5), { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
  await get(`/comptage_auto/v1/${HOUSE}`)
  const [first, second] = sandbox.calls()
  expect(first).toMatchObject({
    n: 1,
    at: NOW,
    method: 'GET',
    path: CURVE_V5,
    generation: 'v5',
    meter: HOUSE,
    from: back(2),
    until: TODAY,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    status: 200,
    complete: true,
  })
  expect(second).toMatchObject({ n: 2, generation: '2026', meter: HOUSE, path: `/comptage_auto/v1/${HOUSE}` })
  expect(JSON.stringify(sandbox.calls())).not.toContain(token)
  const { calls } = (await (await fetch(`${sandbox.url}/_sandbox/calls?after=1`)).json()) as { calls: unknown[] }
  expect(calls).toHaveLength(1)
  await fetch(`${sandbox.url}/_sandbox/reset`, { method: 'POST' })
  expect(sandbox.calls()).toStrictEqual([])
})
