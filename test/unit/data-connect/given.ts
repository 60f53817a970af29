/** What the tests of the Data Connect adapter share: requests, parts, answers read through a part. */
import { readFileSync } from 'node:fs'
import type { Part } from '../../../src/domain/decision.ts'
import type { LineId, PermissionId } from '../../../src/domain/permission.ts'
import type { AccessRequest } from '../../../src/domain/request.ts'
import type { Period } from '../../../src/domain/time.ts'
import { day } from '../../../src/domain/time.ts'
import type { Classified, PartReader, WireRequest } from '../../../src/providers/adapter.ts'
import type { DataConnectForm } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import { dataConnect } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import type { Dialect } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { DIALECTS, pathOf } from '../../../src/providers/enedis-data-connect/dialects.ts'
import type { Generation, SeriesId } from '../../../src/providers/enedis-data-connect/series.ts'

export const METER = '10000000000001'
export const OTHER = '10000000000002'
export const TODAY = day('2026-11-20')

export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/data-connect/${name}.json`, import.meta.url), 'utf8')
}

/** The same JSON without blanks: how the gate writes. */
export function compact(text: string): string {
  return JSON.stringify(JSON.parse(text))
}

export function days(from: string, until: string): Period {
  return { from: day(from), until: day(until) }
}

export function get(path: string, query: Readonly<Record<string, string>> = {}): WireRequest {
  return { method: 'GET', path, query: new Map(Object.entries(query)) }
}

export function aRequest(series: SeriesId, dialect: Dialect, period: Period | null): WireRequest {
  const path = pathOf(series, dialect) ?? ''
  const { parameters, speaks } = DIALECTS[dialect]
  const dates: Record<string, string> = period ? { [parameters.start]: period.from, [parameters.end]: period.until } : {}
  const meter: Record<string, string> = path.includes('{prm}') ? {} : { [parameters.meter]: METER }
  const peak: Record<string, string> =
    speaks === '2026' && series.endsWith('max_power')
      ? { mesuresPas: series.startsWith('daily') ? 'P1D' : 'P1M', grandeurPhysique: 'PMA' }
      : {}
  return get(path.replace('{prm}', METER), { ...meter, ...dates, ...peak })
}

export function accessOf(classified: Classified<DataConnectForm>): { readonly access: AccessRequest; readonly form: DataConnectForm } {
  if (classified.is !== 'access') throw new Error(`not an access: ${JSON.stringify(classified)}`)
  return classified
}

export function aPart(period: Period | null, changes: Partial<Part> = {}): Part {
  return {
    permission: 'perm-1' as PermissionId,
    line: 'line-1' as LineId,
    period,
    how: 'direct',
    kind: 'load_curve',
    finest: 'PT30M',
    averageUp: false,
    keepKinds: [],
    ...changes,
  }
}

export interface Given {
  readonly series: SeriesId
  readonly client: Dialect
  readonly upstream: Generation
  readonly parts: readonly Part[]
}

/** The whole period of the parts as it would have been asked for. */
export function open(given: Given): ReturnType<ReturnType<typeof dataConnect>['answer']> {
  const adapter = dataConnect({ upstream: given.upstream })
  const first = given.parts[0]?.period ?? null
  const { access, form } = accessOf(adapter.classify(aRequest(given.series, given.client, first), TODAY))
  return adapter.answer(form, access, given.parts)
}

export interface Read {
  readonly text: string
  readonly why: string | undefined
  readonly reader: PartReader
}

/** Pushes the body cut at the given places. */
export function readPart(reader: PartReader, body: string | Uint8Array, cuts: readonly number[] = []): Read {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const out: string[] = []
  for (const [i, start] of [0, ...cuts].entries()) {
    const fed = reader.push(bytes.subarray(start, cuts[i] ?? bytes.length))
    if (!fed.ok) return { text: out.join(''), why: fed.why, reader }
    out.push(...fed.out)
  }
  const fed = reader.end()
  return fed.ok ? { text: out.join('') + fed.out.join(''), why: undefined, reader } : { text: out.join(''), why: fed.why, reader }
}

/** One body through one part to the closed answer. */
export function through(given: Given, body: string | Uint8Array, cuts: readonly number[] = []): Read {
  const answer = open(given)
  const read = readPart(answer.part(0), body, cuts)
  return read.why === undefined ? { ...read, text: read.text + answer.close().join('') } : read
}

export interface Point {
  readonly value: string
  readonly date: string
  readonly length?: string
}

/** A v5 load curve of Enedis's. */
export function v5Curve(points: readonly Point[], changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    meter_reading: {
      usage_point_id: METER,
      start: '2026-03-02',
      end: '2026-03-03',
      quality: 'BRUT',
      reading_type: { unit: 'W', measurement_kind: 'power', aggregate: 'average' },
      interval_reading: points.map(({ value, date, length }) => ({ value, date, interval_length: length ?? 'PT30M', measure_type: 'B' })),
      ...changes,
    },
  })
}

/** Half-hours of a day by their stamps as Paris writes them: 46, 48 or 50. */
export function halfHours(on: string, minutes = 30): string[] {
  const start = Temporal.PlainDate.from(on).toZonedDateTime({ timeZone: 'Europe/Paris' })
  const end = Temporal.PlainDate.from(on).add({ days: 1 }).toZonedDateTime({ timeZone: 'Europe/Paris' })
  const stamps: string[] = []
  for (let at = start.add({ minutes }); Temporal.ZonedDateTime.compare(at, end) <= 0; at = at.add({ minutes })) {
    stamps.push(at.toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' '))
  }
  return stamps
}
