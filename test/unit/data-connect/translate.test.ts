import { describe, expect, test } from 'vitest'
import { aPart, compact, days, fixture, METER, open, readPart, through } from './given.ts'

const MARCH_2 = days('2026-03-02', '2026-03-03')
const MARCH_2_3 = days('2026-03-02', '2026-03-04')
const OCTOBER_5 = days('2026-10-05', '2026-10-06')
const OCTOBER_5_6 = days('2026-10-05', '2026-10-07')

const CURVE_OF_MARCH_2026 =
  `{"idPrm":"${METER}","etapeMetier":"BRUT","modeCalcul":"MESURE","periode":{"dateDebut":"2026-03-02","dateFin":"2026-03-03"},` +
  '"grandeur":[{"grandeurMetier":"CONS","grandeurPhysique":"PA","unite":"W","calendrier":[],"points":[' +
  '{"v":"412","d":"2026-03-02 00:30:00","p":"PT30M","n":"B"},{"v":"388","d":"2026-03-02 01:00:00","p":"PT30M","n":"B"},' +
  '{"v":"530","d":"2026-03-03 00:00:00","p":"PT30M","n":"B"}]}],"contexte":[]}'
const DAILY_OF_MARCH_2026 =
  `{"idPrm":"${METER}","etapeMetier":"BRUT","modeCalcul":"DIFF.INDEX","pas":"P1D","periode":{"dateDebut":"2026-03-02","dateFin":"2026-03-04"},` +
  '"grandeur":[{"grandeurMetier":"CONS","grandeurPhysique":"EA","unite":"Wh","points":[{"v":"11240","d":"2026-03-02"},{"v":"9875","d":"2026-03-03"}]}]}'
const PEAK_OF_MARCH_2026 =
  `{"idPrm":"${METER}","etapeMetier":"BRUT","modeCalcul":"MESURE","pas":"P1D","periode":{"dateDebut":"2026-03-02","dateFin":"2026-03-04"},` +
  '"grandeur":[{"grandeurMetier":"CONS","grandeurPhysique":"PMA","unite":"VA","points":[{"v":"4980","d":"2026-03-02 19:32:10"},{"v":"6110","d":"2026-03-03 07:02:45"}]}]}'
const CURVE_OF_OCTOBER_V5 =
  `{"meter_reading":{"usage_point_id":"${METER}","start":"2026-10-05","end":"2026-10-06","quality":"BRUT",` +
  '"reading_type":{"unit":"W","measurement_kind":"power","aggregate":"average"},"interval_reading":[' +
  '{"value":"412","date":"2026-10-05 00:30:00","interval_length":"PT30M","measure_type":"B"},' +
  '{"value":"388","date":"2026-10-05 01:00:00","interval_length":"PT30M","measure_type":"B"}]}}'
const DAILY_OF_OCTOBER_V5 =
  `{"meter_reading":{"usage_point_id":"${METER}","start":"2026-10-05","end":"2026-10-07","quality":"BRUT",` +
  '"reading_type":{"unit":"Wh","measurement_kind":"energy","aggregate":"sum","measuring_period":"P1D"},"interval_reading":[' +
  '{"value":"11240","date":"2026-10-05"},{"value":"9875","date":"2026-10-06"}]}}'

// prettier-ignore
const ROWS = [
  ['consumption_curve', MARCH_2, fixture('v5-load-curve'), compact(fixture('v5-load-curve')), CURVE_OF_MARCH_2026],
  ['daily_consumption', MARCH_2_3, fixture('v5-daily-consumption'), compact(fixture('v5-daily-consumption')), DAILY_OF_MARCH_2026],
  ['daily_max_power', MARCH_2_3, fixture('v5-max-power'), compact(fixture('v5-max-power')), PEAK_OF_MARCH_2026],
  ['consumption_curve', OCTOBER_5, fixture('2026-load-curve'), CURVE_OF_OCTOBER_V5, compact(fixture('2026-load-curve'))],
  ['daily_consumption', OCTOBER_5_6, fixture('2026-daily-consumption'), DAILY_OF_OCTOBER_V5, compact(fixture('2026-daily-consumption'))],
] as const

describe.each(ROWS)('%s', (series, period, body, v5, y2026) => {
  const upstream = body.includes('meter_reading') ? 'v5' : '2026'
  const parts = [aPart(period)]

  test('reaches a v5 client byte for byte', () => {
    expect(through({ series, client: 'v5', upstream, parts }, body).text).toBe(v5)
  })

  test('reaches a 2026 client byte for byte', () => {
    expect(through({ series, client: '2026', upstream, parts }, body).text).toBe(y2026)
  })

  test('comes back the same from a round trip, either way', () => {
    expect(through({ series, client: 'v5', upstream: '2026', parts }, y2026).text).toBe(v5)
    expect(through({ series, client: '2026', upstream: 'v5', parts }, v5).text).toBe(y2026)
  })

  test('is the same however it is cut in two', () => {
    const bytes = Buffer.byteLength(body)
    const given = { series, client: 'v5', upstream, parts } as const
    for (let cut = 0; cut <= bytes; cut++) expect(through(given, body, [cut]).text).toBe(v5)
  })
})

test('production keeps its own words', () => {
  const body = CURVE_OF_OCTOBER_V5
  const given = { series: 'production_curve', client: '2026', upstream: 'v5', parts: [aPart(OCTOBER_5)] } as const
  expect(through(given, body).text).toContain('"grandeurMetier":"PROD","grandeurPhysique":"PA","unite":"W"')
})

test('the mode of calculation of Enedis is passed on to who knows it', () => {
  const body = fixture('2026-daily-consumption').replace('DIFF.INDEX', 'INTEG.COURBE')
  const given = { series: 'daily_consumption', client: '2026', upstream: '2026', parts: [aPart(OCTOBER_5_6)] } as const
  expect(through(given, body).text).toBe(compact(body))
})

test('monthly maximum power keeps whole months only', () => {
  const body = PEAK_OF_MARCH_2026.replace('"pas":"P1D"', '"pas":"P1M"')
    .replace('2026-03-02 19:32:10', '2026-03-02 19:32:10"},{"v":"1","d":"2026-04-30 12:00:00')
    .replace('2026-03-03 07:02:45', '2026-05-01 00:00:00')
  const given = { series: 'monthly_max_power', client: '2026', upstream: '2026', parts: [aPart(days('2026-03-02', '2026-05-02'))] } as const
  const read = through(given, body)
  expect(read.text).toContain('"points":[{"v":"1","d":"2026-04-30 12:00:00"}]')
  expect(read.reader.counts).toStrictEqual({ readings: 1, dropped: 2, first: '2026-04-30 12:00:00', last: '2026-04-30 12:00:00' })
})

describe('an answer of several parts', () => {
  const parts = [aPart(days('2026-03-02', '2026-03-03')), aPart(days('2026-03-03', '2026-03-04')), aPart(days('2026-03-05', '2026-03-06'))]
  const given = { series: 'daily_consumption', client: 'v5', upstream: 'v5', parts } as const
  const daily = (from: string, until: string, quality: string, ...dates: readonly string[]): string =>
    JSON.stringify({
      meter_reading: {
        ...JSON.parse(fixture('v5-daily-consumption')).meter_reading,
        start: from,
        end: until,
        quality,
        interval_reading: dates.map((date) => ({ value: '1', date })),
      },
    })

  test('has one heading over the days covered, from the first to the last', () => {
    const answer = open(given)
    const texts = [
      readPart(answer.part(0), daily('2026-03-02', '2026-03-03', 'BRUT', '2026-03-02')).text,
      readPart(answer.part(1), daily('2026-03-03', '2026-03-04', 'BRUT', '2026-03-03')).text,
      readPart(answer.part(2), daily('2026-03-05', '2026-03-06', 'BRUT', '2026-03-05')).text,
      ...answer.close(),
    ]
    expect(texts.join('')).toBe(
      `{"meter_reading":{"usage_point_id":"${METER}","start":"2026-03-02","end":"2026-03-06","quality":"BRUT",` +
        '"reading_type":{"unit":"Wh","measurement_kind":"energy","aggregate":"sum","measuring_period":"P1D"},"interval_reading":[' +
        '{"value":"1","date":"2026-03-02"},{"value":"1","date":"2026-03-03"},{"value":"1","date":"2026-03-05"}]}}',
    )
  })

  test('begins with the first part that has a reading', () => {
    const answer = open(given)
    expect(readPart(answer.part(0), daily('2026-03-02', '2026-03-03', 'BEST')).text).toBe('')
    answer.skip(1)
    const text = readPart(answer.part(2), daily('2026-03-05', '2026-03-06', 'BRUT', '2026-03-05')).text + answer.close().join('')
    expect(JSON.parse(text)).toMatchObject({ meter_reading: { quality: 'BRUT', interval_reading: [{ date: '2026-03-05' }] } })
  })

  test('is cut where a part is of another quality', () => {
    const answer = open(given)
    readPart(answer.part(0), daily('2026-03-02', '2026-03-03', 'BRUT', '2026-03-02'))
    const second = readPart(answer.part(1), daily('2026-03-03', '2026-03-04', 'BEST', '2026-03-03'))
    expect([second.why, second.text]).toStrictEqual(['unreadable', ''])
  })

  test('gives nothing at all where no part has a reading', () => {
    const answer = open(given)
    expect(readPart(answer.part(0), daily('2026-03-02', '2026-03-03', 'BRUT')).text).toBe('')
    expect(answer.close()).toStrictEqual([])
  })
})
