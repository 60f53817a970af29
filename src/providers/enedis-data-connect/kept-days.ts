/**
 * A day of measures as it is kept to be given again: what the answer said of its readings, and the readings as they were
 * written. Only days that can be told apart: one whose reading reaches into another is not kept, nor is any beside it.
 */
import type { Json } from '../../domain/canonical.ts'
import type { Day, Period } from '../../domain/time.ts'
import { addDays } from '../../domain/time.ts'
import type { Described } from './measure-reader.ts'
import type { Placed, RawPoint } from './reading.ts'

interface KeptDay {
  readonly described: Described
  readonly points: readonly RawPoint[]
}

export class DayKeeper {
  readonly #points = new Map<Day, RawPoint[]>()
  #described: Described | undefined
  #apart = true

  add(raw: RawPoint, { first, last }: Placed, described: Described): void {
    if (first !== last) this.#apart = false
    this.#described = described
    const points = this.#points.get(first) ?? []
    this.#points.set(first, points)
    points.push(raw)
  }

  /** Of an answer that was read to its end. A day without a reading is asked for again: it may have one by then. */
  days({ from, until }: Period): ReadonlyMap<Day, Json> | undefined {
    if (!this.#apart || !this.#described) return undefined
    const { quality, mode } = this.#described
    const days = new Map<Day, Json>()
    for (let day = from; day < until; day = addDays(day, 1)) {
      const points = (this.#points.get(day) ?? []).map((point): Json => ({ ...point }) as Json)
      if (points.length > 0) days.set(day, { quality, ...(mode !== undefined && { mode }), points })
    }
    return days
  }
}

/** Undefined where they are of no form that is known here, or not of one quality: they stand under one heading. */
export function together(days: readonly Json[]): readonly KeptDay[] | undefined {
  const read = days.map(dayOf)
  const [first] = read
  const alike = read.every(
    (one) => one && one.described.quality === first?.described.quality && one.described.mode === first.described.mode,
  )
  return alike ? (read as readonly KeptDay[]) : undefined
}

function dayOf(value: Json): KeptDay | undefined {
  if (!isFields(value)) return undefined
  const { quality, mode, points } = value
  if (typeof quality !== 'string' || (mode !== undefined && typeof mode !== 'string') || !Array.isArray(points)) return undefined
  const isPoint = (point: Json): boolean => isFields(point) && Object.values(point).every((text) => typeof text === 'string')
  if (!points.every(isPoint)) return undefined
  return { described: mode === undefined ? { quality } : { quality, mode }, points: points as readonly RawPoint[] }
}

function isFields(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
