/**
 * The measure series of a meter, point by point, and their text in either generation. Values, stamps and number of
 * points are the same in both, as Enedis's are. Everything is made when it is asked for, a few kilobytes at a time: a
 * period of any length never sits in memory.
 *
 * Source of the shapes: Data Connect v5 and 2026 Swagger, and recorded replies.
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, day, dayNumber, startOfDay, startOfMonth } from '../domain/time.ts'
import type { HouseholdDay } from './household.ts'
import { draw, energyOf, householdDay, isMissing, isMissingDay, isOffPeak, peakOf } from './household.ts'
import type { MeterRow } from './meters.ts'

export type Generation = 'v5' | '2026'
export type Way = 'consumed' | 'produced'
export type Measure =
  | { readonly is: 'curve'; readonly way: Way }
  | { readonly is: 'daily'; readonly way: Way }
  | { readonly is: 'max_power'; readonly step: 'P1D' | 'P1M' }
  | { readonly is: 'index'; readonly way: Way }

export interface Point {
  readonly value: string
  readonly date: string
  readonly length?: string
  readonly mark?: string
}
/** How the points are headed. Only a misbehaving answer differs from what was asked. */
export interface Heading {
  readonly meter: string
  readonly from: string
  readonly until: string
}
export interface Quantity {
  readonly metier: 'CONS' | 'PROD'
  readonly physique: string
  readonly unit: string
}

/** The points of the days, oldest first; nothing that is missing, nor a day of which nothing came. */
export function* pointsOf(meter: MeterRow, measure: Exclude<Measure, { is: 'index' }>, days: Period): Generator<Point> {
  if (measure.is === 'max_power' && measure.step === 'P1M') return yield* monthlyPeaks(meter, days)
  for (let on = days.from; on < days.until; on = addDays(on, 1)) {
    if (isMissingDay(meter, on)) continue
    const lived = householdDay(meter, on)
    if (measure.is === 'daily') yield { value: String(energyOf(lived, measure.way)), date: on }
    else if (measure.is === 'curve') yield* curveOf(meter, lived, measure.way)
    else {
      const { va, stamp } = peakOf(meter, lived)
      yield { value: String(va), date: stamp }
    }
  }
}

function* curveOf(meter: MeterRow, lived: HouseholdDay, way: Way): Generator<Point> {
  for (const slot of lived.slots) {
    if (isMissing(meter, lived.day, slot)) continue
    yield { value: String(slot[way]), date: slot.stamp, length: `PT${slot.length}M`, mark: 'B' }
  }
}

/** One point for each month that the period touches, over all days of that month before `until`. */
function* monthlyPeaks(meter: MeterRow, days: Period): Generator<Point> {
  for (let month = startOfMonth(days.from); month < days.until; month = addMonths(month, 1)) {
    const next = addMonths(month, 1)
    let top: { readonly va: number; readonly stamp: string } | undefined
    for (let on = month; on < next && on < days.until; on = addDays(on, 1)) {
      if (isMissingDay(meter, on)) continue
      const peak = peakOf(meter, householdDay(meter, on))
      if (!top || peak.va > top.va) top = peak
    }
    if (top) yield { value: String(top.va), date: top.stamp }
  }
}

const BATCH = 8192

/** What only a misbehaving answer has. */
export interface Odd {
  /** In place of the quantity that was asked for. */
  readonly quantity?: Quantity
  /** Before it. A v5 answer has room for one quantity only. */
  readonly extra?: { readonly quantity: Quantity; readonly points: readonly Point[] }
}

/** The whole answer in pieces of some kilobytes. */
export function* measureText(
  generation: Generation,
  measure: Exclude<Measure, { is: 'index' }>,
  heading: Heading,
  points: Iterable<Point>,
  odd: Odd = {},
): Generator<string> {
  const write = generation === 'v5' ? pointV5 : point2026
  const [before, after] = generation === 'v5' ? frameV5(measure, heading, odd) : frame2026(measure, heading, odd)
  let text = before
  let first = true
  for (const point of points) {
    text += first ? write(point) : `,${write(point)}`
    first = false
    if (text.length > BATCH) {
      yield text
      text = ''
    }
  }
  yield text + after
}

function quantityOf(measure: Exclude<Measure, { is: 'index' }>): Quantity {
  if (measure.is === 'max_power') return { metier: 'CONS', physique: 'PMA', unit: 'VA' }
  const metier = measure.way === 'consumed' ? 'CONS' : 'PROD'
  return measure.is === 'curve' ? { metier, physique: 'PA', unit: 'W' } : { metier, physique: 'EA', unit: 'Wh' }
}

function frameV5(measure: Exclude<Measure, { is: 'index' }>, { meter, from, until }: Heading, { quantity, extra }: Odd): [string, string] {
  const { unit } = quantity ?? extra?.quantity ?? quantityOf(measure)
  const type =
    measure.is === 'curve'
      ? { unit, measurement_kind: 'power', aggregate: 'average' }
      : measure.is === 'daily'
        ? { unit, measurement_kind: 'energy', aggregate: 'sum', measuring_period: 'P1D' }
        : { unit, measurement_kind: 'power', aggregate: 'maximum', measuring_period: measure.step }
  const head = { usage_point_id: meter, start: from, end: until, quality: 'BRUT', reading_type: type }
  return [`{"meter_reading":${JSON.stringify(head).slice(0, -1)},"interval_reading":[`, ']}}']
}

function frame2026(
  measure: Exclude<Measure, { is: 'index' }>,
  { meter, from, until }: Heading,
  { quantity, extra }: Odd,
): [string, string] {
  const curve = measure.is === 'curve'
  const head = {
    idPrm: meter,
    etapeMetier: 'BRUT',
    modeCalcul: measure.is === 'daily' ? 'DIFF.INDEX' : 'MESURE',
    ...(!curve && { pas: measure.is === 'daily' ? 'P1D' : measure.step }),
    periode: { dateDebut: from, dateFin: until },
  }
  const open = ({ metier, physique, unit }: Quantity): string => {
    const named = { grandeurMetier: metier, grandeurPhysique: physique, unite: unit, ...(curve && { calendrier: [] }) }
    return `${JSON.stringify(named).slice(0, -1)},"points":[`
  }
  const others = extra ? `${open(extra.quantity)}${extra.points.map(point2026).join(',')}]},` : ''
  return [
    `${JSON.stringify(head).slice(0, -1)},"grandeur":[${others}${open(quantity ?? quantityOf(measure))}`,
    curve ? ']}],"contexte":[]}' : ']}]}',
  ]
}

// Every value is of digits, letters, `-`, `:` and a blank: nothing needs escaping.
function pointV5({ value, date, length, mark }: Point): string {
  const more = length === undefined ? '' : `,"interval_length":"${length}"`
  return `{"value":"${value}","date":"${date}"${more}${mark === undefined ? '' : `,"measure_type":"${mark}"`}}`
}

function point2026({ value, date, length, mark }: Point): string {
  const more = length === undefined ? '' : `,"p":"${length}"`
  return `{"v":"${value}","d":"${date}"${more}${mark === undefined ? '' : `,"n":"${mark}"`}}`
}

/** Registers began here, for all meters; days before it are too old to be asked for. */
const COUNTED_FROM = day('2023-01-01')
interface Register {
  readonly peak: number
  readonly offPeak: number
}
const registers = new Map<string, Register[]>()

/** Watt-hours counted until a day began. Each difference of two neighbours is the energy of the day between, to a watt-hour for each class. */
function registerAt(meter: MeterRow, way: Way, on: Day): Register {
  const key = `${meter.prm}${way}`
  const counted = registers.get(key) ?? [
    { peak: 4_000_000 + Math.floor(9e6 * draw(meter.prm, 0, 11)), offPeak: 2_000_000 + Math.floor(5e6 * draw(meter.prm, 0, 12)) },
  ]
  registers.set(key, counted)
  const wanted = Math.max(0, dayNumber(on) - dayNumber(COUNTED_FROM))
  for (let i = counted.length; i <= wanted; i += 1) {
    const before = counted[i - 1] ?? { peak: 0, offPeak: 0 }
    const lived = householdDay(meter, addDays(COUNTED_FROM, i - 1))
    const offPeak = meter.offPeak ? energyOf(lived, way, (slot) => isOffPeak(lived, slot)) : 0
    counted.push({ peak: before.peak + energyOf(lived, way) - offPeak, offPeak: before.offPeak + offPeak })
  }
  return counted[wanted] ?? { peak: 0, offPeak: 0 }
}

/** The opening index of each day, and the closing one of the last: 2026 only. */
export function indexText(meter: MeterRow, way: Way, heading: Heading, days: Period): string | undefined {
  const stamps: Day[] = []
  for (let on = days.from; on <= days.until; on = addDays(on, 1)) if (!isMissingDay(meter, on)) stamps.push(on)
  if (stamps.length === 0) return undefined
  const values = (of: (r: Register) => number) =>
    stamps.map((on) => ({ d: `${on}T00:00:00+0${offsetOf(on)}:00`, v: of(registerAt(meter, way, on)), iv: 0 }))
  const classes = [
    { idClasseTemporelle: 'HC', libelleClasseTemporelle: 'Heures Creuses', codeCadran: '01', valeur: values((r) => r.offPeak) },
    { idClasseTemporelle: 'HP', libelleClasseTemporelle: 'Heures Pleines', codeCadran: '02', valeur: values((r) => r.peak) },
  ]
  const base = { idClasseTemporelle: 'BASE', libelleClasseTemporelle: 'Base', codeCadran: '01', valeur: values((r) => r.peak + r.offPeak) }
  return JSON.stringify({
    idPrm: heading.meter,
    periode: { dateDebut: heading.from, dateFin: heading.until },
    grandeur: [],
    contexte: [
      {
        etapeMetier: 'BRUT',
        contexteReleve: 'COL',
        typeReleve: 'AQ',
        grandeur: [
          {
            grandeurMetier: way === 'consumed' ? 'CONS' : 'PROD',
            grandeurPhysique: 'EA',
            unite: 'Wh',
            points: [],
            calendrier: [
              {
                idCalendrier: meter.offPeak ? 'FC000002' : 'FC000001',
                libelleCalendrier: meter.offPeak ? 'Heures pleines, heures creuses' : 'Base',
                classeTemporelle: meter.offPeak ? classes : [base],
              },
            ],
            cadranTotalisateur: { codeCadran: '00', valeur: values((r) => r.peak + r.offPeak) },
          },
        ],
      },
    ],
  })
}

/** Hours that Paris is ahead of UTC at midnight. */
function offsetOf(on: Day): number {
  return (dayNumber(on) * 86_400_000 - startOfDay(on)) / 3_600_000
}
