/**
 * What the simulated GRDF says to a data call of a third party: lines of readings, one record, or a refusal, which more
 * often than not has status 200. Pure, but for the rights, which it is given.
 *
 * The order of the checks is ours: form of the point, query, right, family, days. Of several rights one that is in force
 * and has the family is enough; where two would do, it is the newest, with its own window alone (no source tells).
 */
import type { Day, Period } from '../domain/time.ts'
import { addDays } from '../domain/time.ts'
import type { DataCode } from './adict-codes.ts'
import { DATA_CODES, restitution } from './adict-codes.ts'
import type { AdictPoint } from './adict-points.ts'
import { isPce, pointOf } from './adict-points.ts'
import type { Asked, QueryError } from './adict-query.ts'
import { readDays, readFilters, readNothing } from './adict-query.ts'
import type { ReadingKind } from './adict-readings.ts'
import { emptyLine, lineOf, toldSpans } from './adict-readings.ts'
import type { RecordKind } from './adict-records.ts'
import { contractBlock, recordLine, technicalBlock } from './adict-records.ts'
import type { Json } from './adict-right-text.ts'
import type { AdictRight, Family, Rights } from './adict-rights.ts'
import { dayOf } from './meters.ts'

export type DataKind = ReadingKind | RecordKind

export type DataAnswer =
  | { readonly is: 'refused'; readonly status: number; readonly line: Json }
  /** Refused before ADICT itself is asked. */
  | { readonly is: 'invalid'; readonly error: QueryError }
  | {
      readonly is: 'readings'
      readonly point: AdictPoint
      readonly kind: ReadingKind
      readonly asked: Asked
      readonly since: Day
      readonly spans: readonly Period[]
      readonly lines: readonly Json[]
    }
  | { readonly is: 'record'; readonly point: AdictPoint; readonly since: Day; readonly lines: readonly Json[] }

export interface DataCall {
  readonly pce: string
  readonly kind: DataKind
  readonly query: URLSearchParams
}

const YEARS: Readonly<Record<ReadingKind, number>> = { published: 5, injection: 5, informative: 3 }

export function dataAnswer({ pce, kind, query }: DataCall, rights: Rights, clientId: string, today: Day): DataAnswer {
  if (kind === 'contract' || kind === 'technical') {
    const refuse = (code: DataCode): DataAnswer => refused(code, recordLine(pce, kind, null, restitution(code)))
    if (!isPce(pce)) return refuse('pce_format')
    const read = kind === 'contract' ? readFilters(query) : readNothing(query)
    if (!read.ok) return { is: 'invalid', error: read.error }
    const found = rightFor(pce, kind, rights.of(clientId), today)
    if ('code' in found) return refuse(found.code)
    const since = rights.contractSince(found.point)
    const block = kind === 'contract' ? contractBlock(found.point, since, read.asked ?? []) : technicalBlock(found.point)
    return { is: 'record', point: found.point, since, lines: [recordLine(pce, kind, block, successOf(found.point))] }
  }
  const refuse = (code: DataCode, asked: Asked | null = null): DataAnswer => refused(code, emptyLine(pce, kind, asked, restitution(code)))
  if (!isPce(pce)) return refuse('pce_format')
  const read = readDays(query, YEARS[kind], today)
  if (!read.ok) return read.error === 'end_future' ? refuse('end_future') : { is: 'invalid', error: read.error }
  const { asked } = read
  const found = rightFor(pce, kind, rights.of(clientId), today)
  if ('code' in found) return refuse(found.code, asked)
  const { point } = found
  const since = rights.contractSince(point)
  const until = point.contractEnded === null ? undefined : dayOf(point.contractEnded, today)
  const spans = toldSpans(point, kind, asked, { since, until }, windowOf(found.right), today)
  if (spans.length === 0) return refuse('no_data', asked)
  const lines = spans.map((span) => lineOf(point, kind, asked, span, successOf(point)))
  return { is: 'readings', point, kind, asked, since, spans, lines }
}

function refused(code: DataCode, line: Json): DataAnswer {
  return { is: 'refused', status: DATA_CODES[code].status, line }
}

export function successOf({ success }: AdictPoint): unknown {
  return success === 'null' ? null : {}
}

/** The gas days that a right opens, its last included; undefined: all. */
function windowOf({ dataFrom, dataUntil }: AdictRight): Period | undefined {
  return dataFrom !== null && dataUntil !== null ? { from: dataFrom, until: addDays(dataUntil, 1) } : undefined
}

// For contract and technical data no code of a family that is missing is known: that of a right that cannot be used.
const MISSING: Readonly<Record<DataKind, { readonly family: Family; readonly code: DataCode }>> = {
  published: { family: 'published', code: 'no_published' },
  injection: { family: 'published', code: 'no_published' },
  informative: { family: 'informative', code: 'no_informative' },
  contract: { family: 'contract', code: 'no_right' },
  technical: { family: 'technical', code: 'no_right' },
}

function rightFor(
  pce: string,
  kind: DataKind,
  rights: readonly AdictRight[],
  today: Day,
): { readonly right: AdictRight; readonly point: AdictPoint } | { readonly code: DataCode } {
  const point = pointOf(pce)
  const fitting = rights.filter((right) => right.pce === pce && fits(right, kind))
  const usable = fitting.filter((right) => whyUnusable(right, today) === undefined)
  const right = usable.findLast(({ families }) => families.includes(MISSING[kind].family))
  if (point && right) return { right, point }
  const newest = fitting.at(-1)
  const why = newest && whyUnusable(newest, today)
  return { code: usable.length > 0 ? MISSING[kind].code : (why ?? 'no_right') }
}

/** Readings need a right on their own contract; what is told of a point itself needs any. */
function fits({ role }: AdictRight, kind: DataKind): boolean {
  if (kind === 'contract' || kind === 'technical') return true
  return role.endsWith('INJECTION') === (kind === 'injection')
}

function whyUnusable({ state, ended, validFrom, proof }: AdictRight, today: Day): DataCode | undefined {
  if (state === 'active') return proof?.state === 'ko' ? 'proof_invalid' : validFrom > today ? 'no_right' : undefined
  if (ended?.by === 'end') return 'expired'
  if (ended?.by === 'move') return 'moved_out'
  // Of a right that the third party gave back, or that was never given, no code is known but this.
  return state === 'revoked' && ended?.by === 'holder' ? 'revoked' : 'no_right'
}
