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
import type { Period } from '../../domain/time.ts'
import { isAtLeast, minutesOf } from '../../domain/vocabulary.ts'
import type { Answer, Counts, Fed, PartReader } from '../adapter.ts'
import { JsonBody } from '../json-stream.ts'
import { Averages, DailySums } from './day-sums.ts'
import type { Described, Wanted, Why } from './measure-reader.ts'
import { MeasureReader } from './measure-reader.ts'
import type { Placed, RawPoint, Reading } from './reading.ts'
import { isInside, place } from './reading.ts'
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
  const merged = new MergedText(form.dialect, series, bareMeter(access.meter), hull(parts))
  return {
    contentType: CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      const called = part && SERIES[calledSeries(form, part, upstream)]
      if (!part?.period || called?.is !== 'measure') throw new RangeError('no such part')
      const wanted: Wanted = { meter: access.meter, series: called, period: part.period, generation: upstream }
      return new MeasurePart(wanted, part, merged)
    },
    skip() {
      // Nothing stands for a part without data: its days are simply missing, as they are in Enedis's own answers.
    },
    close: () => merged.close(),
  }
}

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

/** Writes one answer, whatever the number of its parts. */
class MergedText {
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

  /** Undefined where the reading is of another quality than the answer's. */
  write(reading: Reading, described: Described, derived: boolean): string | undefined {
    if (this.#quality === undefined) {
      this.#quality = described.quality
      // `INTEG.COURBE` is Enedis's own word for energy summed from the curve.
      const mode = derived ? 'INTEG.COURBE' : (described.mode ?? this.#series.mode)
      return this.#opening(described.quality, mode) + this.#reading(reading)
    }
    return this.#quality === described.quality ? `,${this.#reading(reading)}` : undefined
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
  readonly #merged: MergedText
  readonly #part: Part
  readonly #wanted: Wanted
  readonly #reader: MeasureReader
  readonly #body: JsonBody
  readonly #sums: DailySums | undefined
  readonly #averages: Averages | undefined
  #failed: Why | undefined
  #described: Described | undefined
  #out = ''
  #readings = 0
  #dropped = 0
  #tooFine = 0
  #first: string | null = null
  #last: string | null = null

  constructor(wanted: Wanted, part: Part, merged: MergedText) {
    this.#merged = merged
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
    const wrong = lastDay && this.#described ? this.#deliver(lastDay, this.#described) : undefined
    return wrong ? this.#fail(wrong) : this.#fed()
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
    const made = this.#coarsened(placed)
    return made && this.#deliver(made, described)
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

  #deliver(reading: Reading, described: Described): Why | undefined {
    const text = this.#merged.write(reading, described, this.#sums !== undefined)
    if (text === undefined) return 'unreadable'
    this.#out += text
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
