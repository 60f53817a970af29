/**
 * Finds in a measure answer of either generation what the gate looks at, and nothing else: whose readings, of which
 * days, what they measure, and the points. Fields that are not named here do not exist for the gate.
 *
 * Points are handed on only once meter, period, quality and quantity are known and right; points that come before are
 * held, up to a limit. Source of the two shapes: Data Connect v5 and 2026 Swagger.
 */
import type { MeterId } from '../../domain/meter.ts'
import { bareMeter } from '../../domain/meter.ts'
import type { Period } from '../../domain/time.ts'
import { parseDay } from '../../domain/time.ts'
import type { Fed } from '../adapter.ts'
import type { JsonSink } from '../json-stream.ts'
import type { RawPoint } from './reading.ts'
import type { Generation, Measure } from './series.ts'

export type Why = Extract<Fed, { ok: false }>['why']

/** What comes first is held up to here; counted in characters of the points, so that it does not depend on cuts. */
const HELD = 256 * 1024
/** What a point weighs beside its characters. */
const POINT_WEIGHT = 64

interface Leaf {
  readonly field: keyof Header | keyof RawPoint
}
interface Branch {
  readonly is: 'plain' | 'quantity' | 'point'
  readonly array: boolean
  readonly fields: ReadonlyMap<string, Leaf | Branch>
}
interface Header {
  meter?: string
  from?: string
  until?: string
  quality?: string
  mode?: string
  step?: string
  unit?: string
  measures?: string
  aggregate?: string
  metier?: string
  physique?: string
}

const leaves = (names: Readonly<Record<string, Leaf['field']>>): [string, Leaf][] =>
  Object.entries(names).map(([name, field]) => [name, { field }])
const branch = (is: Branch['is'], array: boolean, entries: readonly (readonly [string, Leaf | Branch])[]): Branch => ({
  is,
  array,
  fields: new Map(entries),
})

const SHAPES: Readonly<Record<Generation, Branch>> = {
  v5: branch('plain', false, [
    [
      'meter_reading',
      branch('quantity', false, [
        ...leaves({ usage_point_id: 'meter', start: 'from', end: 'until', quality: 'quality' }),
        [
          'reading_type',
          branch('plain', false, leaves({ unit: 'unit', measurement_kind: 'measures', aggregate: 'aggregate', measuring_period: 'step' })),
        ],
        [
          'interval_reading',
          branch('point', true, leaves({ value: 'value', date: 'date', interval_length: 'length', measure_type: 'mark' })),
        ],
      ]),
    ],
  ]),
  '2026': branch('plain', false, [
    ...leaves({ idPrm: 'meter', etapeMetier: 'quality', modeCalcul: 'mode', pas: 'step' }),
    ['periode', branch('plain', false, leaves({ dateDebut: 'from', dateFin: 'until' }))],
    [
      'grandeur',
      branch('quantity', true, [
        ...leaves({ grandeurMetier: 'metier', grandeurPhysique: 'physique', unite: 'unit' }),
        ['points', branch('point', true, leaves({ v: 'value', d: 'date', p: 'length', n: 'mark' }))],
      ]),
    ],
  ]),
}

/** What the answer says of all its readings. */
export interface Described {
  readonly quality: string
  /** `modeCalcul`, where it came before the points. */
  readonly mode?: string
}

export interface Wanted {
  readonly meter: MeterId
  readonly series: Measure
  readonly period: Period
  readonly generation: Generation
}

export class MeasureReader implements JsonSink {
  /** Set once; the reading has then stopped. */
  problem: Why | undefined
  /** Points of a quantity that was not asked for. */
  ignored = 0
  readonly #wanted: Wanted
  readonly #onPoint: (point: RawPoint, described: Described) => Why | undefined
  readonly #frames: { readonly at: Branch | undefined; readonly array: boolean }[] = []
  #next: Leaf | Branch | undefined
  #header: Header = {}
  #point: RawPoint = {}
  #held: RawPoint[] = []
  #heldWeight = 0
  /** Of the quantity that is open; `none` between two. Only the 2026 shape can hold several. */
  #quantity: 'none' | 'unknown' | 'wanted' | 'other' = 'none'
  /** Held points of this index on belong to the quantity that is open. */
  #quantityStart = 0
  #wantedSeen = false
  #otherSeen = false
  #listSeen = false

  constructor(wanted: Wanted, onPoint: (point: RawPoint, described: Described) => Why | undefined) {
    this.#wanted = wanted
    this.#onPoint = onPoint
    this.#next = SHAPES[wanted.generation]
  }

  open(array: boolean): boolean {
    const parent = this.#frames.at(-1)
    const inList = parent?.array === true ? parent.at : undefined
    const next = inList ?? (parent?.array === true ? undefined : this.#take())
    if (next && ('field' in next || (inList ? array : next.array !== array))) return this.#stop('unreadable')
    this.#frames.push({ at: next, array })
    if (array || !next) return true
    if (next.is === 'point') this.#point = {}
    if (next.is === 'quantity') {
      this.#quantity = 'unknown'
      this.#quantityStart = this.#held.length
      for (const field of ['metier', 'physique', 'unit'] as const) delete this.#header[field]
    }
    return true
  }

  close(array: boolean): boolean {
    const at = this.#frames.pop()?.at
    if (array) {
      // An empty list is an answer, too: no reading. An answer without any list is none.
      if (at?.is === (this.#wanted.generation === 'v5' ? 'point' : 'quantity')) this.#listSeen = true
      return true
    }
    if (at?.is === 'point') return this.#endPoint()
    if (at?.is !== 'quantity' || this.#wanted.generation === 'v5') return true
    if (this.#quantity === 'unknown') return this.#stop('unreadable')
    this.#quantity = 'none'
    return true
  }

  /** A point as a whole: the same as its pieces, in a fraction of the calls. */
  item(value: Readonly<Record<string, unknown>>): boolean | undefined {
    const list = this.#frames.at(-1)?.at
    if (list?.is !== 'point') return undefined
    const point: RawPoint = {}
    for (const name in value) {
      const leaf = list.fields.get(name)
      if (!leaf) continue
      const text = value[name]
      if (!('field' in leaf) || (typeof text !== 'string' && text !== null)) return this.#stop('unreadable')
      if (text !== null) point[leaf.field as keyof RawPoint] = text
    }
    this.#point = point
    return this.#endPoint()
  }

  key(name: string): boolean {
    this.#next = this.#frames.at(-1)?.at?.fields.get(name)
    return true
  }

  scalar(value: string | number | boolean | null): boolean {
    const parent = this.#frames.at(-1)
    if (!parent) return this.#stop('unreadable')
    if (parent.array) return parent.at ? this.#stop('unreadable') : true
    const next = this.#take()
    if (!next) return true
    if (!('field' in next) || (typeof value !== 'string' && value !== null)) return this.#stop('unreadable')
    if (value === null) return true
    const inPoint = parent.at?.is === 'point'
    const target: Header & RawPoint = inPoint ? this.#point : this.#header
    target[next.field] = value
    return inPoint || this.#check()
  }

  /** At the end of the body: whether it was an answer about the right thing, with readings or without. */
  end(): Why | undefined {
    if (this.problem) return this.problem
    const { meter, from, until } = this.#header
    if (meter === undefined || from === undefined || until === undefined || !this.#listSeen) return 'unreadable'
    if (this.#otherSeen && !this.#wantedSeen) return 'other_unit'
    return this.#held.length > 0 ? 'unreadable' : undefined
  }

  #take(): Leaf | Branch | undefined {
    const next = this.#next
    this.#next = undefined
    return next
  }

  #endPoint(): boolean {
    if (this.#quantity === 'other') {
      this.ignored++
      return true
    }
    const described = this.#quantity === 'wanted' ? this.#described() : undefined
    if (described) return this.#hand(this.#point, described)
    const { value = '', date = '', length = '', mark = '' } = this.#point
    this.#heldWeight += POINT_WEIGHT + value.length + date.length + length.length + mark.length
    this.#held.push(this.#point)
    return this.#heldWeight > HELD ? this.#stop('held_too_long') : true
  }

  /** After each field outside a point: what is known must be right, and once all is known the held points go on. */
  #check(): boolean {
    const wrong = this.#wrong()
    if (wrong) return this.#stop(wrong)
    if (this.#quantity === 'unknown' && !this.#decideQuantity()) return this.#stop('unreadable')
    const described = this.#quantity === 'unknown' ? undefined : this.#described()
    if (!described || this.#held.length === 0) return true
    const held = this.#held
    this.#held = []
    this.#heldWeight = 0
    this.#quantityStart = 0
    return held.every((point) => this.#hand(point, described))
  }

  #wrong(): Why | undefined {
    const { meter, from, until, quality, mode, step, unit, measures, aggregate } = this.#header
    const { series, generation } = this.#wanted
    if (meter !== undefined && meter !== bareMeter(this.#wanted.meter)) return 'other_meter'
    if (from !== undefined && until !== undefined && !this.#isPlausible(from, until)) return 'unreadable'
    if (quality !== undefined && !/^[A-Za-z]{1,16}$/.test(quality)) return 'unreadable'
    if (mode !== undefined && !/^[A-Z][A-Z._]{0,23}$/.test(mode)) return 'unreadable'
    if (step !== undefined && series.step !== 'recorded' && step !== series.step) return 'other_unit'
    if (generation === '2026') {
      const isWanted = this.#header.metier === series.metier && this.#header.physique === series.physique
      return isWanted && unit !== undefined && unit !== series.unit ? 'other_unit' : undefined
    }
    const differs =
      (unit ?? series.unit) !== series.unit ||
      (measures ?? series.measures) !== series.measures ||
      (aggregate ?? series.aggregate) !== series.aggregate
    return differs ? 'other_unit' : undefined
  }

  /** The days that the answer speaks of meet those asked for; a shorter answer is no fault, another period is. */
  #isPlausible(from: string, until: string): boolean {
    const first = parseDay(from)
    const end = parseDay(until)
    const { period } = this.#wanted
    return first !== undefined && end !== undefined && first <= end && first < period.until && period.from <= end
  }

  /** False where the quantity asked for comes a second time. */
  #decideQuantity(): boolean {
    const { metier, physique, unit, measures, aggregate } = this.#header
    const { series, generation } = this.#wanted
    if (generation === 'v5') {
      if (unit !== undefined && measures !== undefined && aggregate !== undefined) this.#quantity = 'wanted'
      return true
    }
    if (metier === undefined || physique === undefined || unit === undefined) return true
    if (metier !== series.metier || physique !== series.physique) {
      this.#quantity = 'other'
      this.#otherSeen = true
      this.ignored += this.#held.length - this.#quantityStart
      this.#held.length = this.#quantityStart
      return true
    }
    this.#quantity = 'wanted'
    const first = !this.#wantedSeen
    this.#wantedSeen = true
    return first
  }

  /** Undefined until all is known that must be known before a reading may leave. */
  #described(): Described | undefined {
    const { meter, from, until, quality, mode } = this.#header
    if (meter === undefined || from === undefined || until === undefined || quality === undefined) return undefined
    return mode === undefined ? { quality } : { quality, mode }
  }

  #hand(point: RawPoint, described: Described): boolean {
    const why = this.#onPoint(point, described)
    return why === undefined || this.#stop(why)
  }

  #stop(why: Why): false {
    this.problem = why
    return false
  }
}
