/**
 * The answer to a request for measures, merged from its parts in the client's own dialect while they stream.
 *
 * Of each part only readings leave that lie wholly in its days and are no finer than its line grants; they are written
 * anew, field by field, in the order of Enedis's own replies, values and stamps as they came. `start` and `end` say the
 * days that were covered, not those asked for. Parts of different quality (raw, corrected) are not put under one
 * heading: the answer is cut. At any time there is one reading in memory, beside what the reader holds.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Json } from '../../domain/canonical.ts'
import type { Day, Millis, Period } from '../../domain/time.ts'
import { addDays, instantOf, parseDay, parseStamp, startOfDay } from '../../domain/time.ts'
import { isAtLeast, minutesOf } from '../../domain/vocabulary.ts'
import type { Answer, Counts, Fed, PartReader } from '../adapter.ts'
import { JsonBody } from '../json-stream.ts'
import type { When } from '../senml.ts'
import { qualityOf, SENML_TYPE, SenmlPack, wholeDays } from '../senml.ts'
import { Averages, DailySums, DayClock } from './day-sums.ts'
import { DayKeeper, together } from './kept-days.ts'
import type { Described, Wanted, Why } from './measure-reader.ts'
import { MeasureReader } from './measure-reader.ts'
import type { Placed, RawPoint, Reading } from './reading.ts'
import { DERIVED, isInside, place } from './reading.ts'
import { calledSeries } from './rewrite.ts'
import type { DataConnectForm, Dialect } from './dialects.ts'
import { DIALECTS } from './dialects.ts'
import type { Generation, Measure } from './series.ts'
import { SERIES } from './series.ts'

export const CONTENT_TYPE = 'application/json'

export function measureAnswer(
  form: DataConnectForm,
  series: Measure,
  access: AccessRequest,
  parts: readonly Part[],
  upstream: Generation,
): Answer {
  const merged: Written =
    form.view === 'senml' ? new OneView(series, access) : new MergedText(form.dialect, series, bareMeter(access.meter), hull(parts))
  return {
    contentType: form.view === 'senml' ? SENML_TYPE : CONTENT_TYPE,
    part(index, keeping) {
      const part = parts[index]
      const called = part && SERIES[calledSeries(form, part, upstream)]
      if (!part?.period || called?.is !== 'measure') throw new RangeError('no such part')
      const wanted: Wanted = { meter: access.meter, series: called, period: part.period, generation: upstream }
      return new MeasurePart(wanted, part, merged, keeping === true ? new DayKeeper() : undefined)
    },
    // What the gate computed is computed again, from what was read for it.
    series(index) {
      const part = parts[index]
      if (!part || part.how === 'derive' || part.averageUp) return undefined
      return `${upstream}/${calledSeries(form, part, upstream)}/${part.finest}`
    },
    joins: (days) => together(days) !== undefined,
    skip() {
      // Nothing stands for a part without data: its days are simply missing, as they are in Enedis's own answers.
    },
    close: () => merged.close(),
  }
}

const MINUTE = 60_000

/** From the first day covered to the last. */
export function hull(parts: readonly Part[]): Period {
  const periods = parts.flatMap((part) => part.period ?? [])
  const [first] = periods
  if (!first) throw new RangeError('no part has days')
  return periods.reduce(
    (all, p) => ({ from: p.from < all.from ? p.from : all.from, until: p.until > all.until ? p.until : all.until }),
    first,
  )
}

/** `other`: of another quality than the answer's, which then ends. `nowhere`: it cannot be placed, and stays behind. */
type Text = { readonly text: string } | { readonly why: 'other' | 'nowhere' }

/** One answer, whatever the number of its parts. */
interface Written {
  /** Whether it tells when a reading began. */
  readonly timed: boolean
  /** @param when undefined where its stamp is none of its day */
  write(reading: Reading, described: Described, derived: boolean, when: When | undefined): Text
  close(): readonly string[]
}

/** The same readings as SenML: each tells its own quality. */
class OneView implements Written {
  readonly timed = true
  readonly #pack: SenmlPack
  readonly #unit: Measure['unit']
  readonly #quantity: string

  constructor({ unit, physique }: Measure, access: AccessRequest) {
    this.#pack = new SenmlPack(access)
    this.#unit = unit
    this.#quantity = physique === 'EA' ? 'energy' : 'power'
  }

  write({ value, mark }: Reading, { quality }: Described, derived: boolean, when: When | undefined): Text {
    if (!when) return { why: 'nowhere' }
    const made = derived || mark === DERIVED
    const told = { quality: made ? 'derived' : qualityOf(quality), mark } as const
    return { text: this.#pack.write({ quantity: this.#quantity, unit: this.#unit, value, ...when, ...told }) }
  }

  close(): readonly string[] {
    return this.#pack.close()
  }
}

/** In the form of the dialect, under one heading. */
class MergedText implements Written {
  readonly timed = false
  readonly #speaks: Generation
  /** Conso API gives the readings without the object around them. */
  readonly #bare: boolean
  readonly #series: Measure
  readonly #meter: string
  readonly #days: Period
  #quality: string | undefined

  constructor(dialect: Dialect, series: Measure, meter: string, days: Period) {
    this.#speaks = DIALECTS[dialect].speaks
    this.#bare = DIALECTS[dialect].body === 'conso'
    this.#series = series
    this.#meter = meter
    this.#days = days
  }

  write(reading: Reading, described: Described, derived: boolean): Text {
    if (this.#quality === undefined) {
      this.#quality = described.quality
      // `INTEG.COURBE` is Enedis's own word for energy summed from the curve.
      const mode = derived ? 'INTEG.COURBE' : (described.mode ?? this.#series.mode)
      return { text: this.#opening(described.quality, mode) + this.#reading(reading) }
    }
    return this.#quality === described.quality ? { text: `,${this.#reading(reading)}` } : { why: 'other' }
  }

  close(): readonly string[] {
    if (this.#quality === undefined) return []
    if (this.#speaks === 'v5') return [this.#bare ? ']}' : ']}}']
    return [this.#series.stamp === 'ends' ? ']}],"contexte":[]}' : ']}]}']
  }

  // Every text below is of known characters (digits, letters, `-`, `:`, `.`, a blank), so that none needs escaping.
  #opening(quality: string, mode: string): string {
    const { unit, measures, aggregate, step, metier, physique } = this.#series
    const { from, until } = this.#days
    if (this.#speaks === 'v5') {
      const measured = step === 'recorded' ? '' : `,"measuring_period":"${step}"`
      const type = `{"unit":"${unit}","measurement_kind":"${measures}","aggregate":"${aggregate}"${measured}}`
      const head = `"usage_point_id":"${this.#meter}","start":"${from}","end":"${until}","quality":"${quality}"`
      return `${this.#bare ? '' : '{"meter_reading":'}{${head},"reading_type":${type},"interval_reading":[`
    }
    const pas = step === 'recorded' ? '' : `,"pas":"${step}"`
    const head = `"idPrm":"${this.#meter}","etapeMetier":"${quality}","modeCalcul":"${mode}"${pas}`
    const quantity = `"grandeurMetier":"${metier}","grandeurPhysique":"${physique}","unite":"${unit}"`
    const calendar = step === 'recorded' ? ',"calendrier":[]' : ''
    return `{${head},"periode":{"dateDebut":"${from}","dateFin":"${until}"},"grandeur":[{${quantity}${calendar},"points":[`
  }

  #reading({ value, date, length, mark }: Reading): string {
    const v5 = this.#speaks === 'v5'
    let text = v5 ? `{"value":"${value}","date":"${date}"` : `{"v":"${value}","d":"${date}"`
    if (length !== undefined) text += v5 ? `,"interval_length":"${length}"` : `,"p":"${length}"`
    if (mark !== undefined) text += v5 ? `,"measure_type":"${mark}"` : `,"n":"${mark}"`
    return `${text}}`
  }
}

class MeasurePart implements PartReader {
  readonly #merged: Written
  readonly #part: Part
  readonly #wanted: Wanted
  readonly #reader: MeasureReader
  readonly #body: JsonBody
  readonly #sums: DailySums | undefined
  readonly #averages: Averages | undefined
  readonly #keeper: DayKeeper | undefined
  readonly #clock = new DayClock()
  #failed: Why | undefined
  #described: Described | undefined
  #out = ''
  #readings = 0
  #dropped = 0
  #tooFine = 0
  #first: string | null = null
  #last: string | null = null

  constructor(wanted: Wanted, part: Part, merged: Written, keeper: DayKeeper | undefined) {
    this.#merged = merged
    this.#keeper = keeper
    this.#part = part
    this.#wanted = wanted
    this.#reader = new MeasureReader(wanted, (point, described) => this.#take(point, described))
    this.#body = new JsonBody(this.#reader)
    this.#sums = part.how === 'derive' ? new DailySums() : undefined
    this.#averages = part.averageUp && minutesOf(part.finest) !== undefined ? new Averages(part.finest) : undefined
  }

  push(chunk: Uint8Array): Fed {
    if (this.#failed) return { ok: false, why: this.#failed }
    return this.#body.push(chunk) ? this.#fed() : this.#fail(this.#reader.problem ?? 'unreadable')
  }

  end(): Fed {
    if (this.#failed) return { ok: false, why: this.#failed }
    const whole = this.#body.end()
    const problem = this.#reader.problem ?? (whole ? this.#reader.end() : 'unreadable')
    if (problem) return this.#fail(problem)
    const lastDay = this.#sums?.finish()
    const wrong = lastDay && this.#described ? this.#deliver(lastDay, this.#described, this.#whenMade(lastDay, undefined)) : undefined
    return wrong ? this.#fail(wrong) : this.#fed()
  }

  recall(days: readonly Json[]): Fed {
    const kept = together(days)
    if (!kept) return this.#fail('unreadable')
    for (const { described, points } of kept) {
      for (const point of points) {
        const wrong = this.#take(point, described)
        if (wrong) return this.#fail(wrong)
      }
    }
    return this.#fed()
  }

  days(): ReadonlyMap<Day, Json> | undefined {
    return this.#failed ? undefined : this.#keeper?.days(this.#wanted.period)
  }

  /** Points that went into a sum or an average are neither delivered nor dropped. */
  get counts(): Counts {
    return { readings: this.#readings, dropped: this.#dropped + this.#reader.ignored, first: this.#first, last: this.#last }
  }

  get allTooFine(): boolean {
    return this.#readings === 0 && this.#tooFine > 0
  }

  #take(raw: RawPoint, described: Described): Why | undefined {
    const placed = place(raw, this.#wanted.series)
    if (!placed) return 'unreadable'
    this.#described = described
    if (!isInside(placed, this.#wanted.period)) {
      this.#dropped++
      return undefined
    }
    const when = this.#merged.timed ? this.#when(placed) : undefined
    const made = this.#coarsened(placed)
    // What is finer than granted is not kept either.
    if (made === placed.reading) this.#keeper?.add(raw, placed, described)
    return made && this.#deliver(made, described, made === placed.reading ? when : this.#whenMade(made, when))
  }

  /** What may leave in place of this point, which may be the point itself. */
  #coarsened(placed: Placed): Reading | undefined {
    if (this.#sums) return this.#sums.add(placed)
    const { length } = placed.reading
    if (length === undefined || isAtLeast(length, this.#part.finest)) return placed.reading
    if (this.#averages) return this.#averages.add(placed)
    this.#tooFine++
    this.#dropped++
    return undefined
  }

  /** Every point of a curve goes by the clock: which of two equal stamps of autumn it is, their order tells. */
  #when({ reading, first, last, interval }: Placed): When | undefined {
    if (interval) {
      const end = this.#clock.elapsed(interval.day, interval.minute)
      return end === undefined
        ? undefined
        : { at: (startOfDay(interval.day) + (end - interval.length) * MINUTE) as Millis, seconds: interval.length * 60 }
    }
    const moment = this.#wanted.series.stamp === 'moment' ? parseStamp(reading.date) : undefined
    return moment ? { at: instantOf(moment.day, moment.secondOfDay) } : wholeDays({ from: first, until: addDays(last, 1) })
  }

  /** Of a day that was summed, its day; of a mean, its length before the end of its last point. */
  #whenMade({ date, length }: Reading, last: When | undefined): When | undefined {
    const day = length === undefined ? parseDay(date) : undefined
    if (day !== undefined) return wholeDays({ from: day, until: addDays(day, 1) })
    const seconds = (minutesOf(length ?? 'P1D') ?? 0) * 60
    return last?.seconds === undefined ? undefined : { at: (last.at + (last.seconds - seconds) * 1000) as Millis, seconds }
  }

  #deliver(reading: Reading, described: Described, when: When | undefined): Why | undefined {
    const written = this.#merged.write(reading, described, this.#sums !== undefined, when)
    if ('why' in written) {
      if (written.why === 'other') return 'unreadable'
      this.#dropped++
      return undefined
    }
    this.#out += written.text
    this.#readings++
    this.#first ??= reading.date
    this.#last = reading.date
    return undefined
  }

  #fed(): Fed {
    const out = this.#out
    this.#out = ''
    return { ok: true, out: out === '' ? [] : [out] }
  }

  #fail(why: Why): Fed {
    this.#failed = why
    this.#out = ''
    return { ok: false, why }
  }
}
