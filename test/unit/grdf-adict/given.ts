/** What the tests of the ADICT adapter share: lines as GRDF writes them, parts of a decision, and an answer read through. */
import { readFileSync } from 'node:fs'
import type { Part } from '../../../src/domain/decision.ts'
import { parsePce } from '../../../src/domain/meter.ts'
import type { LineId, PermissionId } from '../../../src/domain/permission.ts'
import type { AccessRequest } from '../../../src/domain/request.ts'
import type { Period } from '../../../src/domain/time.ts'
import { day } from '../../../src/domain/time.ts'
import type { Counts, HolderError } from '../../../src/providers/adapter.ts'
import { grdfAdict } from '../../../src/providers/grdf-adict/adict.ts'
import type { AdictForm, SeriesId } from '../../../src/providers/grdf-adict/series.ts'

export const PCE = '21500000000042'
export const TODAY = day('2026-11-26')
export const adapter = grdfAdict({ upperBound: 'excluded' })

export type Line = Record<string, unknown>
export function fixture(name: string): Line {
  return JSON.parse(readFileSync(new URL(`../../fixtures/grdf-adict/${name}.ndjson`, import.meta.url), 'utf8')) as Line
}
export const days = (from: string, until: string): Period => ({ from: day(from), until: day(until) })

/** @param filters as they come in `filtre`; none: the parameter is not there */
export function ask(path: string, query: Readonly<Record<string, string>> = {}, method = 'GET', filters: readonly string[] = []) {
  const lists = filters.length > 0 ? { lists: new Map([['filtre', filters]]) } : {}
  return adapter.classify({ method, path, query: new Map(Object.entries(query)), ...lists }, TODAY)
}
export function accessTo(
  series: SeriesId,
  period: Period | null,
  point = PCE,
  filters: readonly string[] = [],
): { readonly access: AccessRequest; readonly form: AdictForm } {
  const query: Record<string, string> = period ? { date_debut: period.from, date_fin: period.until } : {}
  const classified = ask(`/adict/v2/pce/${point}/${series}`, query, 'GET', filters)
  if (classified.is !== 'access') throw new Error(`not an access: ${JSON.stringify(classified)}`)
  return classified
}
export function aPart(period: Period | null, change: Partial<Part> = {}): Part {
  const kind = change.kind ?? 'published_reading'
  const ids = { permission: 'p1' as PermissionId, line: 'l1' as LineId }
  return { ...ids, period, how: 'direct', kind, finest: 'P1D', averageUp: false, keepKinds: [kind], ...change }
}

export interface Read {
  readonly ok: boolean
  readonly why?: string
  readonly out: string
  readonly lines: readonly Line[]
  readonly counts: Counts
  readonly said: HolderError | undefined
  readonly allTooFine: boolean
}
/** Reads a body through the answer to one part, cut at these places. */
export function through(
  series: SeriesId,
  part: Part,
  body: string | Uint8Array,
  cuts: readonly number[] = [],
  point = PCE,
  filters: readonly string[] = [],
): Read {
  const { access, form } = accessTo(series, part.period, parsePce(point) ? point : PCE, filters)
  const reader = adapter.answer(form, access, [part]).part(0)
  const bytes = Buffer.from(body)
  let out = ''
  let why: string | undefined
  const ends = [...new Set(cuts.map((c) => c % (bytes.length + 1)))].toSorted((a, b) => a - b)
  let from = 0
  for (const end of [...ends, bytes.length]) {
    const fed = reader.push(bytes.subarray(from, end))
    from = end
    if (!fed.ok) {
      why = fed.why
      break
    }
    out += fed.out.join('')
  }
  if (why === undefined) {
    const fed = reader.end()
    if (fed.ok) out += fed.out.join('')
    else why = fed.why
  }
  const lines = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
  const { counts, said, allTooFine } = reader
  return { ok: why === undefined, ...(why !== undefined && { why }), out, lines, counts, said, allTooFine }
}
export const text = (...lines: readonly unknown[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('')

/** The published line above, with another interval, both in local time of winter. */
export function published(from: string, until: string, change: (line: Line) => void = () => undefined): Line {
  const line = fixture('publiees')
  const [start, end] = [`${from}T06:00:00+01:00`, `${until}T06:00:00+01:00`]
  Object.assign(line['consommation'] as Line, { date_debut_consommation: start, date_fin_consommation: end })
  Object.assign(line['releve_debut'] as Line, { date_releve: start, index_brut_debut: { valeur_index: 8120, horodate_Index: start } })
  Object.assign(line['releve_fin'] as Line, { date_releve: end, index_brut_fin: { valeur_index: 8262, horodate_Index: end } })
  change(line)
  return line
}
