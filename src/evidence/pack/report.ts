/**
 * The two pages of a pack that people read: one row for each call and each refusal. Derived from the entries, and says
 * so: what proves something are the entries. What comes from people and files is escaped: a name must neither become
 * markup nor a formula in a spreadsheet.
 */
import type { OpenedEntry } from '../opened.ts'
import { listOf, objectOf, shown, textOf } from '../opened.ts'
import type { Manifest } from './manifest.ts'

export const REPORT_COLUMNS = [
  'entry',
  'at',
  'client',
  'meter',
  'data_holder',
  'kind',
  'direction',
  'step',
  'asked',
  'sent',
  'purpose',
  'decision',
  'reason',
  'permission',
  'answer',
  'status',
  'readings',
  'outcome_entry',
] as const

export type ReportRow = Readonly<Record<(typeof REPORT_COLUMNS)[number], string>>

/** One row for each intent, with its outcome where the pack has it, and for each refusal. */
export function reportRows(entries: readonly OpenedEntry[]): readonly ReportRow[] {
  const outcomes = new Map(entries.filter((e) => e.record['t'] === 'access.outcome').map((e) => [e.record['intent'], e]))
  return entries
    .filter(({ record }) => record['t'] === 'access.intent' || record['t'] === 'access.refused')
    .map((entry) => {
      const { n, record, fields, seal } = entry
      const dec = objectOf(record['dec'])
      const outcome = outcomes.get(n)
      const used = listOf(fields['permissions'])
        .map(objectOf)
        .find((p) => listOf(p['lines']).length > 0)
      const hidden = seal === 'erased' ? 'erased' : seal === 'closed' ? 'not opened' : ''
      const cell = (value: Parameters<typeof shown>[0]): string => (value === undefined || value === null ? '' : shown(value))
      return {
        entry: String(n),
        at: cell(record['at']),
        client: cell(record['client']),
        meter: textOf(objectOf(fields['subject'])['meter']) ?? hidden,
        data_holder: cell(record['dso']),
        kind: cell(record['kind']),
        direction: cell(record['direction']),
        step: cell(record['step']),
        asked: cell(record['asked']),
        sent: cell(record['sent']),
        purpose: cell(record['purpose']),
        decision: cell(dec['result']),
        reason: cell(dec['reason']),
        permission: used === undefined ? hidden : cell(used['id']),
        answer: cell(outcome?.record['result']),
        status: cell(outcome?.record['status']),
        readings: cell(outcome?.record['readings']),
        outcome_entry: outcome === undefined ? '' : String(outcome.n),
      }
    })
}

/** RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvOf(rows: readonly ReportRow[]): string {
  const lines = [REPORT_COLUMNS.join(','), ...rows.map((row) => REPORT_COLUMNS.map((column) => csvCell(row[column])).join(','))]
  return lines.map((line) => `${line}\r\n`).join('')
}

export function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function htmlOf(manifest: Omit<Manifest, 'files'>, rows: readonly ReportRow[]): string {
  const row = (cells: readonly string[], tag: 'th' | 'td'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`
  const facts: readonly (readonly [string, string])[] = [
    ['Dossier / pack', manifest.pack],
    ['Fait le / made at', manifest.madeAt],
    ['Demandé / asked for', JSON.stringify(manifest.scope)],
    ['Motif / why', manifest.why],
    ['Pour / for', manifest.for ?? ''],
    ['Journal / log', `${manifest.origin}, ${manifest.size} entries, root ${manifest.root}`],
    ['Entrées / entries', String(manifest.entries)],
  ]
  return `<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Dossier de preuve ${escape(manifest.pack)}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border: 1px solid #bbb; padding: .3rem .5rem; text-align: left; vertical-align: top }
.wide { overflow-x: auto }
</style>
</head>
<body>
<h1>Dossier de preuve / Evidence pack</h1>
<p>Cette page est déduite des entrées du journal et ne prouve rien par elle-même : voir README.txt. /
This page is derived from the entries of the log and proves nothing by itself: see README.txt.</p>
<table><tbody>${facts.map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</tbody></table>
<div class="wide"><table>
<thead>${row(REPORT_COLUMNS, 'th').replaceAll('<th>', '<th scope="col">')}</thead>
<tbody>
${rows
  .map((r) =>
    row(
      REPORT_COLUMNS.map((column) => r[column]),
      'td',
    ),
  )
  .join('\n')}
</tbody></table></div>
</body>
</html>
`
}

function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replaceAll(/[&<>"']/g, (c) => entities[c] ?? c)
}
