/**
 * What the gate is to reach, told beside what a run reached. Nothing fails by it.
 *
 * A ratio is CPU per request of a peer over that of the gate, both of one run: above 1, the gate is the cheaper one. The
 * figures that are no ratio hold for the machine on which they were set (two cores of an AMD EPYC).
 */
import type { SubjectId } from './subjects.ts'

interface Ratio {
  readonly own: SubjectId
  readonly what: string
  readonly peer: SubjectId
  readonly name: string
  readonly wanted: number
}
const RATIOS: readonly Ratio[] = [
  { own: 'no-evidence', what: 'gate without evidence', peer: 'nginx-redis', name: 'nginx + Lua + Redis', wanted: 1 },
  { own: 'rows', what: 'gate with durable journal rows', peer: 'nginx-redis', name: 'nginx + Lua + Redis', wanted: 0.7 },
  { own: 'sealed', what: 'gate with sealed evidence', peer: 'ordinary', name: 'the ordinary Node stack', wanted: 3 },
]

/** Microseconds of CPU for one request: of the subject, and of the Redis that it asks. */
export interface Cost {
  readonly own: number
  readonly redis: number
}

/** @param costOf undefined where the run has no such row */
export function ratioLines(costOf: (id: SubjectId) => Cost | undefined): readonly string[] {
  return RATIOS.map(({ own, what, peer, name, wanted }) => {
    const target = `target: ${what}, × ${name}: ${wanted.toFixed(1)} wanted`
    const [gate, other] = [costOf(own), costOf(peer)]
    if (!gate || !other) return `${target}, not measured: ${other ? what : name} is not in this run`
    const whole = ((other.own + other.redis) / gate.own).toFixed(2)
    return `${target}, ${(other.own / gate.own).toFixed(2)} reached (${whole} with what its Redis uses)`
  })
}

export interface Figure {
  readonly wanted: number
  readonly unit: string
  /** Which side of `wanted` is the good one. */
  readonly at: 'least' | 'most'
  readonly digits: number
}
export const FIGURES = {
  /** Half of the 37.7 µs that it was when the target was set. */
  sealing: { wanted: 18.9, unit: 'µs/entry', at: 'most', digits: 1 },
  verifying: { wanted: 300_000, unit: 'entries/s', at: 'least', digits: 0 },
  copiedPermission: { wanted: 100, unit: 'bytes', at: 'most', digits: 0 },
  /** Growth of the process for fifty of them. */
  slowReaders: { wanted: 40, unit: 'MB', at: 'most', digits: 0 },
  permissionInRedis: { wanted: 300, unit: 'bytes', at: 'most', digits: 0 },
} as const satisfies Record<string, Figure>

/** @param reached undefined where the run has no such figure */
export function besideFigure({ wanted, unit, at, digits }: Figure, reached: number | undefined): string {
  const text = (value: number): string =>
    new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
  return `target: at ${at} ${text(wanted)} ${unit} wanted, ${reached === undefined ? 'not measured' : `${text(reached)} reached`}`
}
