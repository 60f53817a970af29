/** The view of ADICT: energy and volumes of a line, each a record, on gas days. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Part } from '../../../src/domain/decision.ts'
import type { Answer } from '../../../src/providers/adapter.ts'
import type { SeriesId } from '../../../src/providers/grdf-adict/series.ts'
import { adapter, aPart, days, fixture, PCE, published, text, TODAY } from '../grdf-adict/given.ts'
import { inParis, resolved, whole } from './given.ts'

function answer(series: SeriesId, part: Part, view?: 'senml', point = PCE): Answer {
  const query = new Map(
    part.period
      ? [
          ['date_debut', part.period.from as string],
          ['date_fin', part.period.until as string],
        ]
      : [],
  )
  const classified = adapter.classify({ method: 'GET', path: `/adict/v2/pce/${point}/${series}`, query, ...(view && { view }) }, TODAY)
  if (classified.is !== 'access') throw new Error(classified.is)
  expect(adapter.canAnswer(classified.form)).toBe(view === undefined || !/techniques|contractuelles/.test(series))
  return adapter.answer(classified.form, classified.access, [part])
}
const YEAR = days('2026-01-01', '2026-11-01')

test('a published line: energy and volume, from 06:00 to 06:00', () => {
  const { out } = whole(answer('donnees_consos_publiees', aPart(YEAR), 'senml'), text(fixture('publiees')))
  const common = {
    time: Date.parse('2026-01-01T06:00:00+01:00') / 1000,
    duration: 31 * 86_400,
    quality: 'measured',
    mark: 'definitive',
    holder: 'grdf-adict',
  }
  expect(resolved(out)).toStrictEqual([
    { name: `pce:${PCE}/published_reading/withdrawal/energy`, unit: 'J', value: 1596 * 3_600_000, ...common },
    { name: `pce:${PCE}/published_reading/withdrawal/volume`, unit: 'm3', value: 142, ...common },
  ])
  expect(out).not.toMatch(/8120|8262|index/)
})

test('informative lines, and injection', () => {
  const informative = whole(
    answer('donnees_consos_informatives', aPart(days('2026-03-10', '2026-03-11'), { kind: 'daily_energy' }), 'senml'),
    text(fixture('informatives')),
  )
  expect(resolved(informative.out).map(({ name, value, time }) => [name, value, inParis(time)])).toStrictEqual([
    [`pce:${PCE}/daily_energy/withdrawal/energy`, 56 * 3_600_000, '2026-03-10 06:00:00'],
    [`pce:${PCE}/daily_energy/withdrawal/volume`, 5, '2026-03-10 06:00:00'],
  ])
  const injection = whole(
    answer('donnees_injections_publiees', aPart(days('2026-02-01', '2026-02-02')), 'senml', 'GI990777'),
    text(fixture('injections')),
  )
  expect(resolved(injection.out).map(({ name, unit, value }) => [name, unit, value])).toStrictEqual([
    ['pce:GI990777/published_reading/injection/energy', 'J', 45_649 * 3_600_000],
    ['pce:GI990777/published_reading/injection/volume', 'm3', 4210],
    ['pce:GI990777/published_reading/injection/volume_converted', 'm3', 4188],
  ])
})

test('a gas day of spring has 23 hours; a line that measures nothing stays behind, and is counted', () => {
  const spring = published('2026-03-28', '2026-03-29', (line) =>
    Object.assign(line['consommation'] as object, { date_fin_consommation: '2026-03-29T06:00:00+02:00' }),
  )
  const nothing = published('2026-04-01', '2026-05-01', (line) =>
    Object.assign(line['consommation'] as object, {
      date_debut_consommation: '2026-04-01T06:00:00+02:00',
      date_fin_consommation: '2026-05-01T06:00:00+02:00',
      energie: null,
      volume_brut: null,
    }),
  )
  const { out, reader } = whole(answer('donnees_consos_publiees', aPart(YEAR), 'senml'), text(spring, nothing))
  expect(resolved(out).map(({ duration }) => duration)).toStrictEqual([23 * 3600, 23 * 3600])
  const alone = whole(answer('donnees_consos_publiees', aPart(YEAR)), text(spring))
  expect(reader.counts).toStrictEqual({ ...alone.reader.counts, dropped: alone.reader.counts.dropped + 1 })
})

test('contract and technical data are no measures', () => {
  answer('donnees_techniques', aPart(null, { kind: 'technical_data' }), 'senml')
  answer('donnees_contractuelles', aPart(null, { kind: 'contract_data' }), 'senml')
})

test('property: wherever it is cut, and whatever of it is granted, both forms tell the same', () => {
  const months = ['01', '02', '03', '04', '05', '06'].map((month, i) =>
    published(`2026-${month}-01`, `2026-0${i + 2}-01`, (line) => {
      const offset = i >= 3 ? '+02:00' : '+01:00'
      const until = i >= 2 ? '+02:00' : '+01:00'
      Object.assign(line['consommation'] as object, {
        date_debut_consommation: `2026-${month}-01T06:00:00${offset}`,
        date_fin_consommation: `2026-0${i + 2}-01T06:00:00${until}`,
        energie: i * 100.25,
        volume_brut: null,
      })
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.nat(6000), { maxLength: 10 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 40 }),
      (cuts, month, length) => {
        const from = `2026-0${month}-01`
        const period = days(
          from,
          Temporal.PlainDate.from(from)
            .add({ days: length * 3 })
            .toString(),
        )
        const viewed = whole(answer('donnees_consos_publiees', aPart(period), 'senml'), text(...months), cuts)
        const native = whole(answer('donnees_consos_publiees', aPart(period)), text(...months))
        expect(viewed.reader.counts).toStrictEqual(native.reader.counts)
        if (native.out === '') {
          expect(viewed.out).toBe('')
          return
        }
        const lines = native.out
          .trimEnd()
          .split('\n')
          .map(
            (line) =>
              (JSON.parse(line) as { consommation: { energie: number; date_debut_consommation: string; date_fin_consommation: string } })
                .consommation,
          )
        expect(resolved(viewed.out).map(({ time, duration = 0, value }) => [time, time + duration, value / 3_600_000])).toStrictEqual(
          lines.map((line) => [
            Date.parse(line.date_debut_consommation) / 1000,
            Date.parse(line.date_fin_consommation) / 1000,
            line.energie,
          ]),
        )
      },
    ),
    { numRuns: 60 },
  )
})
