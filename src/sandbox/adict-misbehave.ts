/**
 * What GRDF can do wrong, on demand: how it is asked for, and what it makes of a right answer. What was seen of the real
 * one is among it: objects that stick together, stray bytes, an answer that ends within an object, a part that failed.
 */
import * as z from 'zod'
import type { Day, Period } from '../domain/time.ts'
import { addDays, addMonths, period } from '../domain/time.ts'
import { restitution } from './adict-codes.ts'
import type { DataAnswer } from './adict-data.ts'
import { successOf } from './adict-data.ts'
import type { AdictPoint } from './adict-points.ts'
import { ADICT_POINTS, isPce } from './adict-points.ts'
import type { ReadingKind } from './adict-readings.ts'
import { emptyLine, lineOf, spansOf } from './adict-readings.ts'
import { BLOCKS, contractBlock, technicalBlock } from './adict-records.ts'
import type { Json } from './adict-right-text.ts'

export const ADICT_WRONGS = [
  /** Of the whole call. */
  'hang',
  'status',
  /** Of what is told; of the list of rights only `wrong_pce` and `names` change something. */
  'wrong_pce',
  'outside_days',
  'other_family',
  'names',
  'partial',
  /** Of how it is written. */
  'glued',
  'stray_bytes',
  'cut',
  'endless',
  /** Of the list of rights: all in the first object, as is told too. */
  'envelope',
] as const

export const adictMisbehaviour = z.strictObject({
  /** A point, when its data are asked for; `*`: whatever point; `rights`: the calls about rights; `token`: the token call. */
  pce: z.union([z.literal(['*', 'rights', 'token']), z.string().refine(isPce, 'a PCE')]),
  kind: z.enum(ADICT_WRONGS),
  times: z.int().min(1).max(1_000_000_000).default(1),
  status: z.int().min(200).max(599).default(502),
  /** `endless`: size of the answer. */
  megabytes: z.int().min(1).max(4096).default(64),
  /** `cut`: whether the answer ends as if it were whole, or the connection breaks. */
  framing: z.enum(['whole', 'broken']).default('whole'),
})
export type AdictMisbehaviour = z.output<typeof adictMisbehaviour>
export type AdictMisbehaviourInput = z.input<typeof adictMisbehaviour>

export interface AdictMischief {
  ask(wanted: AdictMisbehaviourInput): void
  /** The first that was asked for and fits, one time less. */
  next(about: string): AdictMisbehaviour | undefined
  reset(): void
}

export function adictMischief(): AdictMischief {
  let waiting: { readonly is: AdictMisbehaviour; left: number }[] = []
  return {
    ask(wanted) {
      const is = adictMisbehaviour.parse(wanted)
      waiting.push({ is, left: is.times })
    },
    next(about) {
      const found = waiting.find(({ is }) => is.pce === about || (is.pce === '*' && about !== 'token' && about !== 'rights'))
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

/** A right answer to a data call, or what it becomes. */
export function oddAnswer(answer: Exclude<DataAnswer, { is: 'refused' | 'invalid' }>, odd: AdictMisbehaviour): readonly Json[] {
  const { lines, point } = answer
  switch (odd.kind) {
    case 'wrong_pce':
    case 'names':
      return oddLines(lines, odd)
    case 'other_family':
      return answer.is === 'record' ? lines.map((line) => withBothBlocks(line, point, answer.since)) : mixed(answer)
    case 'outside_days':
      return answer.is === 'readings' ? widened(answer).map((span) => lineFor(answer, answer.kind, span)) : lines
    case 'partial': {
      if (answer.is !== 'readings') return lines
      const middle = lines.length >> 1
      const failed = { value: null, ...(answer.spans[middle] ?? answer.asked) }
      return lines.with(middle, emptyLine(point.pce, answer.kind, failed, restitution('partial')))
    }
    default:
      return lines
  }
}

/** What can become of any lines, those of rights too. */
export function oddLines(lines: readonly Json[], odd: AdictMisbehaviour): readonly Json[] {
  switch (odd.kind) {
    case 'wrong_pce':
      return lines.map((line) => replaced(line, (name, value) => (name === 'id_pce' ? otherThan(value) : value)))
    case 'names':
      return lines.map(named)
    case 'envelope':
      return [{ liste_acces: lines.slice(0, -1) }, ...lines.slice(-1)]
    default:
      return lines
  }
}

type Readings = Extract<DataAnswer, { is: 'readings' }>

function lineFor({ point, asked }: Readings, kind: ReadingKind, span: Period): Json {
  return lineOf(point, kind, asked, span, successOf(point))
}

/** Each line, and after it what the other family has of the same days. */
function mixed(answer: Readings): readonly Json[] {
  const { point, kind, lines, spans } = answer
  const other: ReadingKind = kind === 'informative' ? 'published' : 'informative'
  return lines.flatMap((line, i) => {
    const span = spans[i]
    const days = span && spansOf({ ...point, frequency: 'JJ' }, other, span, span.from)
    return [line, ...(days ?? []).map((one) => lineFor(answer, other, one))]
  })
}

/** From some lines before those that are right to some after them, whatever the right opens; never from before the contract. */
function widened({ point, kind, spans, since }: Readings): readonly Period[] {
  const [first, last] = [spans[0], spans.at(-1)]
  if (!first || !last) return spans
  const isDaily = kind === 'informative' || point.frequency === 'JJ'
  const months = point.frequency === '6M' ? 6 : 1
  const days = isDaily
    ? period(addDays(first.from, -3), addDays(last.until, 3))
    : period(addMonths(first.from, -months), addMonths(last.until, months))
  return days ? spansOf(point, kind, days, since) : spans
}

function withBothBlocks(line: Json, point: AdictPoint, since: Day): Json {
  const { statut_restitution: restored, ...rest } = line
  const [contract, technical] = [contractBlock(point, since, []), technicalBlock(point)]
  return {
    ...rest,
    [BLOCKS.contract]: line[BLOCKS.contract] ?? contract,
    [BLOCKS.technical]: line[BLOCKS.technical] ?? technical,
    statut_restitution: restored,
  }
}

function otherThan(pce: unknown): string {
  return ADICT_POINTS.find((row) => row.pce !== pce)?.pce ?? ''
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function replaced(line: Json, by: (name: string, value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(line).map(([name, value]) => [name, isJson(value) ? replaced(value, by) : by(name, value)]))
}

const PERSONAL = {
  nom_titulaire: 'FUITE JEANNE',
  courriel_titulaire: 'jeanne.fuite@exemple.invalid',
  numero_telephone_mobile_titulaire: '0600000099',
  numero_rue: '99',
  nom_rue: 'RUE DE LA FUITE',
} as const

/** Personal data in each object of a line that has none of the same name. */
function named(line: Json): Json {
  const inside = Object.entries(line).map(([name, value]) => [name, isJson(value) ? named(value) : value] as const)
  return { ...PERSONAL, ...Object.fromEntries(inside) }
}

/** The text of lines, as it should be or as it should not. Pieces are made as they are read. */
export function piecesOf(lines: readonly Json[], odd: AdictMisbehaviour | undefined): Iterable<string> {
  switch (odd?.kind) {
    case 'glued':
      return lines.map((line) => JSON.stringify(line, null, 2))
    case 'stray_bytes':
      return lines.map((line) => `\r\u0000\u001e${JSON.stringify(line)}\r\n\u0007`)
    case 'cut':
      return cut(lines.map(written))
    case 'endless':
      return endless(lines, odd.megabytes * 1_048_576)
    default:
      return lines.map(written)
  }
}

function written(line: Json): string {
  return `${JSON.stringify(line)}\n`
}

/** Half of the lines, and of the next one half. */
function cut(texts: readonly string[]): readonly string[] {
  const middle = texts.length >> 1
  return texts.slice(0, middle + 1).map((text, i) => (i === middle ? text.slice(0, text.length >> 1) : text))
}

/** The same lines again and again, until at least so many characters. */
function* endless(lines: readonly Json[], characters: number): Generator<string> {
  for (let left = characters; left > 0 && lines.length > 0;) {
    for (const line of lines) {
      const text = written(line)
      yield text
      left -= text.length
      if (left <= 0) return
    }
  }
}
