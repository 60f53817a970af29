/**
 * The answer to a request for consumption or injection: of GRDF's lines those leave that name the point asked for, are of
 * the family and direction asked for, lie wholly in the days of the part, and are no finer than its line grants. They are
 * written anew, member by member, one to a line, as they come; in memory is one line.
 *
 * A line whose interval reaches over the edge of the granted days is dropped, or kept where the policy's rule says so. An
 * index that was read before the first granted day tells of earlier use, one after the last of later use: neither leaves.
 */
import type { Part } from '../../domain/decision.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Millis, Period } from '../../domain/time.ts'
import { contains, countDays, intersect, parseInstant } from '../../domain/time.ts'
import type { DataKind, Step } from '../../domain/vocabulary.ts'
import { isAtLeast } from '../../domain/vocabulary.ts'
import type { Answer, Counts, Fed, HolderError, PartReader } from '../adapter.ts'
import type { Measured } from '../senml.ts'
import { qualityOf, SENML_TYPE, SenmlPack } from '../senml.ts'
import { isFields, LINE, pick, plain } from './fields.ts'
import type { Interval } from './gas-day.ts'
import { intervalOf, startOfGasDay } from './gas-day.ts'
import { saidInBody } from './holder-says.ts'
import { Ndjson } from './ndjson.ts'
import type { Lines } from './series.ts'

export const CONTENT_TYPE = 'application/x-ndjson'

type Line = Readonly<Record<string, unknown>>
type Why = Extract<Fed, { ok: false }>['why']

export function lineAnswer(series: Lines, access: AccessRequest, parts: readonly Part[], view?: 'senml'): Answer {
  const pack = view && new SenmlPack(access)
  return {
    contentType: view ? SENML_TYPE : CONTENT_TYPE,
    part(index) {
      const part = parts[index]
      if (!part?.period) throw new RangeError('no such part')
      return new LinesPart(series, bareMeter(access.meter), part, part.period, pack)
    },
    skip() {
      // Nothing stands for a part without data: its days are simply missing.
    },
    close: () => pack?.close() ?? [],
  }
}

class LinesPart implements PartReader {
  readonly #series: Lines
  readonly #point: string
  readonly #part: Part
  readonly #days: Period
  readonly #body = new Ndjson((line) => this.#take(line))
  readonly #granted: ReadonlySet<DataKind>
  /** Where all holders are read alike. */
  readonly #pack: SenmlPack | undefined
  #why: Why = 'unreadable'
  #out: string[] = []
  #readings = 0
  #dropped = 0
  #tooFine = 0
  #first: string | null = null
  #last: string | null = null
  #said: HolderError | undefined

  constructor(series: Lines, point: string, part: Part, days: Period, pack: SenmlPack | undefined) {
    this.#pack = pack
    this.#series = series
    this.#point = point
    this.#part = part
    this.#days = days
    this.#granted = new Set(part.keepKinds)
  }

  push(chunk: Uint8Array): Fed {
    return this.#body.push(chunk) ? this.#fed() : { ok: false, why: this.#why }
  }

  end(): Fed {
    if (!this.#body.end()) return { ok: false, why: 'unreadable' }
    // One block of several failed: what was delivered must not look whole.
    if (this.#said && this.#said.says.means === 'down' && this.#readings > 0) return { ok: false, why: 'unreadable' }
    return this.#fed()
  }

  get counts(): Counts {
    return { readings: this.#readings, dropped: this.#dropped, first: this.#first, last: this.#last }
  }

  get allTooFine(): boolean {
    return this.#readings === 0 && this.#tooFine > 0
  }

  get said(): HolderError | undefined {
    return this.#said
  }

  #take(line: Line): boolean {
    const { pce } = line
    if (!isFields(pce) || pce['id_pce'] !== this.#point) {
      this.#why = isFields(pce) && typeof pce['id_pce'] === 'string' ? 'other_meter' : 'unreadable'
      return false
    }
    const said = saidInBody(line['statut_restitution'])
    if (said) {
      this.#said ??= said
      return true
    }
    const measured = line[this.#series.inside]
    const interval = isFields(measured)
      ? intervalOf(measured[`date_debut_${this.#series.inside}`], measured[`date_fin_${this.#series.inside}`])
      : undefined
    if (!isFields(measured) || !interval || !this.#isOfFamily(measured) || !this.#isInside(interval.days)) {
      this.#dropped += 1
      return true
    }
    if (!isAtLeast(stepOf(interval), this.#part.finest)) {
      this.#tooFine += 1
      this.#dropped += 1
      return true
    }
    this.#deliver(line, measured)
    return true
  }

  #isOfFamily(measured: Line): boolean {
    const mark = this.#series.inside === 'consommation' ? 'conso' : 'injection'
    const type = measured[`type_${mark}`]
    if (typeof type !== 'string' || measured['sens_flux_gaz'] !== this.#series.flow) return false
    return plain(type).startsWith(this.#series.family === 'published' ? 'publie' : 'informative')
  }

  #isInside(days: Period): boolean {
    return contains(this.#days, days) || (this.#part.keepsStraddling === true && intersect(this.#days, days) !== undefined)
  }

  #deliver(line: Line, measured: Line): void {
    const tally = { kept: 0, dropped: 0 }
    const kept = pick(this.#withoutOtherDays(line), LINE[this.#series.inside], this.#granted, tally)
    const text = this.#pack
      ? this.#inOneView(this.#pack, kept)
      : `${JSON.stringify({ pce: { id_pce: this.#point }, ...kept, statut_restitution: null })}\n`
    if (text === undefined) {
      this.#dropped += 1
      return
    }
    this.#out.push(text)
    this.#dropped += tally.dropped
    this.#readings += 1
    const start = String(measured[`date_debut_${this.#series.inside}`])
    this.#first ??= start
    this.#last = start
  }

  /** Energy and volumes of a line, each a record; undefined where it measures nothing. */
  #inOneView(pack: SenmlPack, kept: Line | null | undefined): string | undefined {
    const { inside } = this.#series
    const measured = kept?.[inside]
    if (!isFields(measured)) return undefined
    const [from, until] = [`date_debut_${inside}`, `date_fin_${inside}`].map((name) => parseInstant(String(measured[name])))
    if (from === undefined || until === undefined) return undefined
    const mark = inside === 'consommation' ? 'conso' : 'injection'
    const [qualified, state] = [measured[`type_qualif_${mark}`], measured[`statut_${mark}`]].map((word) =>
      typeof word === 'string' ? word : undefined,
    )
    const records = QUANTITIES.flatMap(([name, quantity, unit]): Measured[] => {
      const value = decimalOf(measured[name])
      if (value === undefined) return []
      return [
        { quantity, unit, value, at: from, seconds: (until - from) / 1000, quality: qualityOf(qualified), mark: state && plain(state) },
      ]
    })
    return records.length === 0 ? undefined : records.map((record) => pack.write(record)).join('')
  }

  /** Indexes read outside the granted days, or nobody knows when, are not in it. */
  #withoutOtherDays(line: Line): Line {
    const [from, until] = [startOfGasDay(this.#days.from), startOfGasDay(this.#days.until)]
    const isIn = (text: unknown): boolean => {
      const at: Millis | undefined = typeof text === 'string' ? parseInstant(text) : undefined
      return at !== undefined && at >= from && at <= until
    }
    const readIn = (reading: unknown): unknown => {
      if (!isFields(reading)) return reading
      // The reading itself outside: nothing of it is told. Without a date of its own its indexes have theirs.
      if (reading['date_releve'] !== null && reading['date_releve'] !== undefined && !isIn(reading['date_releve'])) return null
      return Object.fromEntries(
        Object.entries(reading).map(([name, value]) => [
          name,
          name.startsWith('index_') && isFields(value) && !isIn(value['horodate_Index']) ? null : value,
        ]),
      )
    }
    return { ...line, releve_debut: readIn(line['releve_debut']), releve_fin: readIn(line['releve_fin']) }
  }

  #fed(): Fed {
    const out = this.#out
    this.#out = []
    return { ok: true, out }
  }
}

const QUANTITIES = [
  ['energie', 'energy', 'kWh'],
  ['volume_brut', 'volume', 'm³'],
  ['volume_converti', 'volume_converted', 'm³'],
] as const

/** As JSON writes it, where that is a plain decimal. */
function decimalOf(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : ''
  return /^-?\d{1,15}(?:\.\d{1,9})?$/.test(text) ? text : undefined
}

/**
 * By how long the interval is. A half-yearly reading is as coarse as a month and no coarser; what is longer than a day
 * and no whole month counts as a day, so that a permission for months opens it not.
 */
function stepOf({ days, shorterThanADay }: Interval): Step {
  if (shorterThanADay) return 'PT60M'
  const length = countDays(days)
  if (length >= 365) return 'P1Y'
  return length >= 28 ? 'P1M' : 'P1D'
}
