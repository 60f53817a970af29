/** The view of Data Connect and of SGE, read back to what Enedis wrote: the same readings, stamps and values, at any cut. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Part } from '../../../src/domain/decision.ts'
import type { Answer, WireRequest } from '../../../src/providers/adapter.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { Dialect } from '../../../src/providers/enedis-data-connect/dialects.ts'
import type { Generation, SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'
import * as connect from '../data-connect/given.ts'
import * as sge from '../enedis-sge/given.ts'
import { inParis, resolved, whole } from './given.ts'

const { halfHours, days } = connect

function connectAnswer(series: SeriesId, client: Dialect, upstream: Generation, part: Part, view?: 'senml'): Answer {
  const adapter = dataConnect({ upstream })
  const request: WireRequest = { ...connect.aRequest(series, client, part.period), ...(view && { view }) }
  const { access, form } = connect.accessOf(adapter.classify(request, connect.TODAY))
  expect(adapter.canAnswer(form)).toBe(true)
  return adapter.answer(form, access, [part])
}

function sgeAnswer(request: string, path: string, part: Part, view?: 'senml', by = sge.adapter): Answer {
  const wire = { method: 'POST', path, query: new Map<string, string>(), contentType: 'text/xml; charset=utf-8' }
  const classified = by.classify({ ...wire, ...(view && { view }) }, sge.TODAY)
  const { access, form } = sge.accessOf(classified.is === 'body' ? classified.read(Buffer.from(request)) : classified)
  expect(by.canAnswer(form)).toBe(true)
  return by.answer(form, access, [part])
}

describe('Data Connect', () => {
  test.each([
    ['spring', '2026-03-29', 46],
    ['an ordinary day', '2026-03-02', 48],
    ['autumn', '2026-10-25', 50],
  ])('a curve of %s: each half-hour at its own start, 24 hours of the sun', (_what, from, count) => {
    const stamps = halfHours(from)
    const until = Temporal.PlainDate.from(from).add({ days: 1 }).toString()
    const body = connect.v5Curve(
      stamps.map((date, i) => ({ value: String(300 + i), date })),
      { start: from, end: until },
    )
    const answer = connectAnswer('consumption_curve', 'v5', 'v5', connect.aPart(days(from, until)), 'senml')
    expect(answer.contentType).toBe('application/senml+json')
    const { out } = whole(answer, body)
    const records = resolved(out)
    const midnight = Temporal.PlainDate.from(from).toZonedDateTime({ timeZone: 'Europe/Paris' }).epochMilliseconds / 1000
    expect(records.map(({ time }) => time)).toStrictEqual(Array.from({ length: count }, (_, i) => midnight + i * 1800))
    expect(records.map(({ value }) => value)).toStrictEqual(stamps.map((_, i) => 300 + i))
    expect(records.map(({ time, duration = 0 }) => inParis(time + duration))).toStrictEqual(stamps)
    expect(records[0]).toStrictEqual({
      name: `prm:${connect.METER}/load_curve/withdrawal/power`,
      unit: 'W',
      time: midnight,
      value: 300,
      duration: 1800,
      quality: 'raw',
      mark: 'B',
      holder: 'enedis-data-connect',
    })
  })

  test.each<[SeriesId, Dialect, Generation, string, Part['kind'], readonly [string, string], readonly unknown[]]>([
    [
      'daily_consumption',
      'v5',
      '2026',
      '2026-daily-consumption',
      'daily_energy',
      ['2026-10-05', '2026-10-07'],
      [
        ['energy', 'J', '2026-10-05 00:00:00', 86_400, 11_240 * 3600],
        ['energy', 'J', '2026-10-06 00:00:00', 86_400, 9875 * 3600],
      ],
    ],
    [
      'consumption_curve',
      '2026',
      '2026',
      '2026-load-curve',
      'load_curve',
      ['2026-10-05', '2026-10-06'],
      [
        ['power', 'W', '2026-10-05 00:00:00', 1800, 412],
        ['power', 'W', '2026-10-05 00:30:00', 1800, 388],
      ],
    ],
    [
      'daily_max_power',
      'v5',
      'v5',
      'v5-max-power',
      'max_power',
      ['2026-03-02', '2026-03-04'],
      [
        ['power', 'VA', '2026-03-02 19:32:10', undefined, 4980],
        ['power', 'VA', '2026-03-03 07:02:45', undefined, 6110],
      ],
    ],
    [
      'consumption_index',
      '2026',
      '2026',
      '2026-index',
      'index',
      ['2026-10-05', '2026-10-06'],
      [
        ['energy/FC000001/01', 'J', '2026-10-05 00:00:00', undefined, 18_233_041 * 3600],
        ['energy/00', 'J', '2026-10-05 00:00:00', undefined, 30_114_200 * 3600],
      ],
    ],
  ])('%s of the examples', (series, client, upstream, name, kind, [from, until], expected) => {
    const part = connect.aPart(days(from, until), { kind, finest: kind === 'load_curve' ? 'PT30M' : 'P1D' })
    const body = connect.fixture(name)
    const { out, reader } = whole(connectAnswer(series, client, upstream, part, 'senml'), body)
    const records = resolved(out)
    const about = `prm:${connect.METER}/${kind}/withdrawal/`
    expect(
      records.map(({ name: n, unit, time, duration, value }) => [n.replace(about, ''), unit, inParis(time), duration, value]),
    ).toStrictEqual(expected)
    // The same readings as in Enedis's own form, and counted alike.
    const native = whole(connectAnswer(series, client, upstream, part), body)
    expect(reader.counts).toStrictEqual(native.reader.counts)
  })

  test('days that were summed here, and means, say so', () => {
    const stamps = halfHours('2026-10-25')
    const body = connect.v5Curve(
      stamps.map((date) => ({ value: '1000', date })),
      { start: '2026-10-25', end: '2026-10-26' },
    )
    const period = days('2026-10-25', '2026-10-26')
    const summed = connectAnswer('daily_consumption', 'v5', 'v5', connect.aPart(period, { how: 'derive' }), 'senml')
    expect(resolved(whole(summed, body).out)).toMatchObject([{ quality: 'derived', duration: 25 * 3600, value: 25_000 * 3600, unit: 'J' }])
    const averaged = connectAnswer('consumption_curve', 'v5', 'v5', connect.aPart(period, { finest: 'PT60M', averageUp: true }), 'senml')
    const means = resolved(whole(averaged, body).out)
    expect(means.every(({ quality, duration, value }) => quality === 'derived' && duration === 3600 && value === 1000)).toBe(true)
    expect(new Set(means.map(({ time }) => time)).size).toBe(means.length)
    expect(means.length).toBeGreaterThanOrEqual(24)
  })

  test('identity and contract are no measures', () => {
    const adapter = dataConnect({ upstream: 'v5' })
    for (const series of ['identity', 'contact', 'addresses', 'contracts'] as const) {
      const classified = connect.accessOf(adapter.classify({ ...connect.aRequest(series, 'v5', null), view: 'senml' }, connect.TODAY))
      expect(adapter.canAnswer(classified.form)).toBe(false)
    }
  })

  test('property: wherever it is cut, and whatever of it is granted, both forms tell the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20_000), { maxLength: 12 }),
        fc.integer({ min: 24, max: 29 }),
        fc.integer({ min: 1, max: 4 }),
        (cuts, first, length) => {
          const from = `2026-10-${first}`
          const until = Temporal.PlainDate.from(from).add({ days: length }).toString()
          const points = ['2026-10-24', '2026-10-25', '2026-10-26', '2026-10-27']
            .flatMap((d) => halfHours(d))
            .map((date, i) => ({ value: `${i}.5`, date }))
          const body = connect.v5Curve(points, { start: from, end: until })
          const part = connect.aPart(days(from, until))
          const viewed = whole(connectAnswer('consumption_curve', 'v5', 'v5', part, 'senml'), body, cuts)
          const native = whole(connectAnswer('consumption_curve', 'v5', 'v5', part), body)
          expect(viewed.reader.counts).toStrictEqual(native.reader.counts)
          if (native.out === '') {
            expect(viewed.out).toBe('')
            return
          }
          const wrote = (JSON.parse(native.out) as { meter_reading: { interval_reading: { value: string; date: string }[] } }).meter_reading
            .interval_reading
          expect(resolved(viewed.out).map(({ time, duration = 0, value }) => [inParis(time + duration), value])).toStrictEqual(
            wrote.map(({ value, date }) => [date, Number(value)]),
          )
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('SGE', () => {
  const CMD = sge.PATHS['cmd-v3']
  const curve = sge.fixture('cmd-v3-request-courbe')
  const WEEK = sge.days('2026-03-02', '2026-03-09')
  const seen = (out: string): readonly (readonly unknown[])[] =>
    resolved(out).map(({ name, unit, time, duration, value }) => [name.replace(/^prm:\d{14}\//, ''), unit, inParis(time), duration, value])

  test('the curve of the example, at every cut', () => {
    const body = sge.fixture('cmd-v3-response-courbe')
    const { out, reader } = whole(sgeAnswer(curve, CMD, sge.aPart(WEEK), 'senml'), body)
    expect(seen(out)).toStrictEqual([
      ['load_curve/withdrawal/power', 'W', '2026-03-02 00:00:00', 1800, 612],
      ['load_curve/withdrawal/power', 'W', '2026-03-02 00:30:00', 1800, 588],
      ['load_curve/withdrawal/power', 'W', '2026-03-02 01:00:00', 1800, 1340],
    ])
    expect(resolved(out)[0]).toMatchObject({ quality: 'raw', holder: 'enedis-sge' })
    expect(reader.counts).toStrictEqual(whole(sgeAnswer(curve, CMD, sge.aPart(WEEK)), body).reader.counts)
    for (let cut = 1; cut < body.length; cut += 7) {
      expect(whole(sgeAnswer(curve, CMD, sge.aPart(WEEK), 'senml'), body, [cut]).out).toBe(out)
    }
  })

  test('the autumn hour that comes twice is two hours; a meter that stamps the start, too', () => {
    const request = curve.replace('2026-03-02', '2026-10-25').replace('2026-03-09', '2026-10-26')
    const part = sge.aPart(sge.days('2026-10-25', '2026-10-26'))
    const written = (stamps: readonly string[], step: string, mark: string): string =>
      sge
        .fixture('cmd-v3-response-courbe')
        .replace(
          /<points>[^]*<\/points>/,
          stamps.map((d, v) => `<points><v>${v}</v><d>${d}</d><p>${step}</p><n>${mark}</n></points>`).join(''),
        )
    const midnight = Date.parse('2026-10-25T00:00:00+02:00') / 1000
    const ends = whole(sgeAnswer(request, CMD, part, 'senml'), written(halfHours('2026-10-25'), 'PT30M', 'B'))
    expect(resolved(ends.out).map(({ time }) => time)).toStrictEqual(Array.from({ length: 50 }, (_, i) => midnight + i * 1800))
    const tens = ['2026-10-25 00:00:00', ...halfHours('2026-10-25', 10).slice(0, -1)]
    const starts = whole(sgeAnswer(request, CMD, part, 'senml'), written(tens, 'PT10M', 'R'))
    expect(resolved(starts.out).map(({ time }) => time)).toStrictEqual(Array.from({ length: 150 }, (_, i) => midnight + i * 600))
    expect(resolved(starts.out).every(({ duration, mark }) => duration === 600 && mark === 'R')).toBe(true)
  })

  test('days, peaks, registers and billing periods', () => {
    const index = curve.replace('>COURBE<', '>INDEX<').replace('>PA<', '>EA<')
    const peaks = sge
      .fixture('cmd-v3-response-energie')
      .replace('>EA<', '>PMA<')
      .replace('>Wh<', '>VA<')
      .replace('2025-11-01</d>', '2026-02-01 19:03:00</d>')
      .replace('2025-11-02</d>', '2026-02-02 07:10:20</d>')
    const read = (request: string, path: string, kind: Part['kind'], [from, until]: readonly [string, string], body: string) =>
      seen(whole(sgeAnswer(request, path, sge.aPart(sge.days(from, until), { kind, finest: 'P1D' }), 'senml'), body).out)
    expect(
      read(
        sge.fixture('cmd-v3-request-energie'),
        CMD,
        'daily_energy',
        ['2025-11-01', '2026-03-01'],
        sge.fixture('cmd-v3-response-energie'),
      ),
    ).toStrictEqual([
      ['daily_energy/withdrawal/energy', 'J', '2025-11-01 00:00:00', 86_400, 14_210 * 3600],
      ['daily_energy/withdrawal/energy', 'J', '2025-11-02 00:00:00', 86_400, 13_875 * 3600],
    ])
    expect(read(sge.fixture('cmd-v3-request-pmax'), CMD, 'max_power', ['2026-02-01', '2026-03-01'], peaks)).toStrictEqual([
      ['max_power/withdrawal/power', 'VA', '2026-02-01 19:03:00', undefined, 14_210],
      ['max_power/withdrawal/power', 'VA', '2026-02-02 07:10:20', undefined, 13_875],
    ])
    expect(read(index, CMD, 'index', ['2026-03-02', '2026-03-04'], sge.fixture('cmd-v3-response-index'))).toStrictEqual([
      ['index/withdrawal/energy/DI000003/IDX_EAS_D4', 'J', '2026-03-02 00:00:00', undefined, 7_420_115 * 3600],
      ['index/withdrawal/energy/DI000003/IDX_EAS_D4', 'J', '2026-03-03 00:00:00', undefined, 7_428_930 * 3600],
      ['index/withdrawal/energy/IDX_EAS_T', 'J', '2026-03-02 00:00:00', undefined, 21_650_443 * 3600],
    ])
    expect(
      read(
        sge.fixture('cm-v11-request'),
        sge.PATHS['cm-v11'],
        'published_reading',
        ['2026-01-01', '2026-03-01'],
        sge.fixture('cm-v11-response'),
      ),
    ).toStrictEqual([['published_reading/withdrawal/energy/BASE', 'J', '2026-01-14 00:00:00', 31 * 86_400, 412 * 3_600_000]])
  })

  test('version 2, stamped with offsets', () => {
    const part = sge.aPart(sge.days('2023-05-01', '2023-05-02'))
    expect(
      seen(whole(sgeAnswer(sge.fixture('cmd-v2-request'), sge.PATHS['cmd-v2'], part, 'senml'), sge.fixture('cmd-v2-response')).out),
    ).toStrictEqual([
      ['load_curve/withdrawal/power', 'W', '2023-05-01 00:00:00', 600, 41_000],
      ['load_curve/withdrawal/power', 'W', '2023-05-01 00:10:00', 600, 39_000],
    ])
  })

  test('what is known of a point, and orders, are no measures', () => {
    const wire = { method: 'POST', query: new Map<string, string>(), contentType: 'text/xml; charset=utf-8', view: 'senml' } as const
    for (const name of ['cdtc-v1-request', 'sad-v1-request', 'rsa-v1-request', 'asad-v1-request']) {
      const classified = sge.adapter.classify({ ...wire, path: sge.pathOf(name) }, sge.TODAY)
      const named = classified.is === 'body' ? classified.read(Buffer.from(sge.fixture(name))) : classified
      expect([name, 'form' in named && named.form !== null && sge.adapter.canAnswer(named.form as never)]).toStrictEqual([name, false])
    }
  })
})
