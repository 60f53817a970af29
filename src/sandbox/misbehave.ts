/**
 * What a data holder can do wrong, on demand: how it is asked for, and what it makes of a right answer. How the answer
 * then leaves, late, cut or never, is the server's business (`send.ts`).
 */
import * as z from 'zod'
import type { Period } from '../domain/time.ts'
import { addDays } from '../domain/time.ts'
import type { ErrorId } from './errors.ts'
import { ERROR_IDS } from './errors.ts'
import { METERS } from './meters.ts'
import type { Generation, Heading, Odd, Point } from './readings.ts'
import { indexText, measureText, pointsOf } from './readings.ts'
import type { Answer } from './routes.ts'

export const KINDS = [
  /** Of the whole call. */
  'hang',
  'reset',
  'delay',
  'error',
  'status',
  'redirect',
  'html',
  /** Of the text. */
  'malformed',
  'empty_object',
  'cut',
  'stall',
  'drip',
  'gzip',
  'octet_stream',
  /** Of what is told. */
  'wrong_meter',
  'outside_days',
  'finer_step',
  'extra_unit',
  'other_unit',
  'endless',
] as const

export const misbehaviour = z.strictObject({
  /** 14 digits; `*`: whatever meter is asked for; `token`: the token call; `services`: the subscribed services; `consent`: what a person sends on the consent page. */
  meter: z.union([z.literal(['*', 'token', 'services', 'consent']), z.string().regex(/^[0-9]{14}$/)]),
  kind: z.enum(KINDS),
  times: z.int().min(1).max(1_000_000_000).default(1),
  /** `delay`: before the answer; `drip`: between two pieces. */
  ms: z.int().min(0).max(600_000).default(100),
  /** `drip`: size of a piece. */
  bytes: z.int().min(1).max(65_536).default(64),
  /** `endless`: size of the answer. */
  megabytes: z.int().min(1).max(4096).default(64),
  error: z.enum(ERROR_IDS as [ErrorId, ...ErrorId[]]).default('technical'),
  status: z.int().min(200).max(599).default(502),
  /** `cut`, `stall`: how the end of the body would have been known. */
  framing: z.enum(['chunked', 'length', 'close']).default('chunked'),
})
export type Misbehaviour = z.output<typeof misbehaviour>
export type MisbehaviourInput = z.input<typeof misbehaviour>

export interface Mischief {
  ask(wanted: MisbehaviourInput): void
  /** The first that was asked for and fits, one time less. */
  next(meter: string): Misbehaviour | undefined
  reset(): void
}

export function mischief(): Mischief {
  let waiting: { readonly is: Misbehaviour; left: number }[] = []
  return {
    ask(wanted) {
      const is = misbehaviour.parse(wanted)
      waiting.push({ is, left: is.times })
    },
    next(meter) {
      const found = waiting.find(({ is }) => is.meter === meter || (is.meter === '*' && meter !== 'token' && meter !== 'consent'))
      if (!found) return undefined
      found.left -= 1
      if (found.left === 0) waiting = waiting.filter((other) => other !== found)
      return found.is
    },
    reset() {
      waiting = []
    },
  }
}

/** The text of a right answer, or of one that tells what it should not. Pieces are made as they are read. */
export function textOf(
  answer: Exclude<Answer, { is: 'refused' }>,
  generation: Generation,
  odd: Misbehaviour | undefined,
): Iterable<string> {
  if (answer.is === 'text') {
    if (odd?.kind === 'wrong_meter') return [answer.text.replaceAll(/"[0-9]{14}"/g, (prm) => `"${otherThan(prm.slice(1, -1))}"`)]
    return [answer.text]
  }
  const { row, asked, days } = answer
  const heading: Heading = {
    meter: odd?.kind === 'wrong_meter' ? otherThan(row.prm) : row.prm,
    from: asked.from,
    until: asked.until,
  }
  const span: Period = odd?.kind === 'outside_days' ? { from: addDays(days.from, -3), until: addDays(days.until, 3) } : days
  if (answer.is === 'index') return [indexText(row, answer.way, heading, span) ?? '']
  const { measure } = answer
  const points = pointsOf(odd?.kind === 'finer_step' ? { ...row, step: 'PT10M' } : row, measure, span)
  const told = odd?.kind === 'endless' ? endless(points, odd.megabytes * 1_048_576) : points
  return measureText(generation, measure, heading, told, oddUnits(odd, days))
}

/** Whether there is anything to tell: an answer without a reading is a refusal of its own. */
export function isEmpty(answer: Answer): boolean {
  switch (answer.is) {
    case 'points':
      return pointsOf(answer.row, answer.measure, answer.days).next().done === true
    case 'index':
      return indexText(answer.row, answer.way, { meter: answer.row.prm, ...answer.asked }, answer.days) === undefined
    default:
      return false
  }
}

function oddUnits(odd: Misbehaviour | undefined, days: Period): Odd {
  const quantity = { metier: 'CONS', physique: 'ERQ1', unit: 'VArh' } as const
  if (odd?.kind === 'other_unit') return { quantity }
  if (odd?.kind !== 'extra_unit') return {}
  return { extra: { quantity, points: [{ value: '12', date: `${days.from} 12:00:00`, length: 'PT30M', mark: 'B' }] } }
}

/** The same days again and again, until about so many characters. A call has some thousand points at most: they are kept. */
function* endless(days: Iterable<Point>, characters: number): Generator<Point> {
  const points = [...days]
  for (let left = characters; left > 0 && points.length > 0;) {
    for (const point of points) {
      yield point
      left -= 60
      if (left <= 0) return
    }
  }
}

function otherThan(prm: string): string {
  return METERS.find((row) => row.prm !== prm)?.prm ?? '00000000000000'
}
