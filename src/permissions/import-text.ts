/**
 * The text of an import, JSON (`{"permissions": […]}`) or CSV (one row a scope line), as plain values that are not checked
 * yet, and the line on which each of them stands. Pure.
 */
import * as z from 'zod'

export interface ImportMistake {
  /** The line of the file, and the place in the permission. */
  readonly where: string
  readonly message: string
}
export interface ImportText {
  readonly permissions: readonly unknown[]
  /** Where a value of the permission of this number (from 0) stands. */
  readonly place: (permission: number, path: readonly PropertyKey[]) => string
  readonly mistakes: readonly ImportMistake[]
}

const MOST_PERMISSIONS = 100_000

/** @param given JSON, or CSV if its first character is not `{` */
export function readImport(given: string): ImportText {
  // Spreadsheets write a byte order mark.
  const text = given.replace(/^\ufeff/, '')
  return text.trimStart().startsWith('{') ? fromJson(text) : fromCsv(text)
}

/** Names of the documents, so that they can be read before the import is checked. */
export function documentsOf(text: string): readonly string[] {
  const attachments = readImport(text).permissions.flatMap((p) => {
    const list = (p as { readonly attachments?: unknown } | null)?.attachments
    return Array.isArray(list) ? (list as unknown[]) : []
  })
  const names = attachments.map((a) => (a as { readonly file?: unknown } | null)?.file)
  return [...new Set(names.filter((name) => typeof name === 'string'))]
}

function broken(where: string, message: string): ImportText {
  return { permissions: [], place: () => where, mistakes: [{ where, message }] }
}

const whole = z.strictObject({ permissions: z.array(z.unknown()).max(MOST_PERMISSIONS) })

function fromJson(text: string): ImportText {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return broken('file', `not JSON: ${error instanceof Error ? error.message : ''}`)
  }
  const parsed = whole.safeParse(value)
  if (!parsed.success) return broken('file', parsed.error.issues.map((issue) => issue.message).join('; '))
  let items: readonly number[] | undefined
  let ends: readonly number[] | undefined
  return {
    permissions: parsed.data.permissions,
    mistakes: [],
    place(permission, path) {
      items ??= members(text, offsetOf(text, 0, ['permissions'])).map(([, at]) => at)
      ends ??= [...text.matchAll(/\n/g)].map((m) => m.index)
      const at = offsetOf(text, items[permission] ?? 0, path)
      return `line ${countBelow(ends, at) + 1}, ${['permissions', permission, ...path].map(String).join('.')}`
    },
  }
}

function countBelow(sorted: readonly number[], limit: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Offset of the value at `path` inside the value that begins at `at`, or of the last one on the way that is there. `text` is JSON. */
function offsetOf(text: string, at: number, path: readonly PropertyKey[]): number {
  let here = blank(text, at)
  for (const key of path) {
    const found = members(text, here).findLast(([name]) => name === key)
    if (!found) return here
    here = found[1]
  }
  return here
}

/** Name (or number) and offset of each member of the object or list that begins at `at`; none for another value. */
function members(text: string, at: number): (readonly [PropertyKey, number])[] {
  const found: (readonly [PropertyKey, number])[] = []
  const isObject = text[at] === '{'
  if (!isObject && text[at] !== '[') return found
  for (let i = blank(text, at + 1), index = 0; i < text.length && text[i] !== '}' && text[i] !== ']'; index += 1) {
    let name: PropertyKey = index
    if (isObject) {
      const end = skip(text, i)
      name = JSON.parse(text.slice(i, end)) as string
      i = blank(text, text.indexOf(':', end) + 1)
    }
    found.push([name, i])
    i = blank(text, skip(text, i))
    if (text[i] === ',') i = blank(text, i + 1)
  }
  return found
}

function blank(text: string, at: number): number {
  let i = at
  while (i < text.length && ' \t\r\n'.includes(text.charAt(i))) i += 1
  return i
}

/** The offset after the value that begins at `at`. */
function skip(text: string, at: number): number {
  let depth = 0
  for (let i = at; i < text.length; i += 1) {
    const c = text.charAt(i)
    if (c === '"') {
      for (i += 1; text[i] !== '"'; i += 1) if (text[i] === '\\') i += 1
      if (depth === 0) return i + 1
    } else if (c === '{' || c === '[') depth += 1
    else if (c === '}' || c === ']') {
      if (depth <= 1) return depth === 0 ? i : i + 1
      depth -= 1
    } else if (depth === 0 && ', \t\r\n'.includes(c)) return i
  }
  return text.length
}

/** Columns of the CSV, comma-separated, RFC 4180 quotes. Rows with the same id are lines of one permission. */
export const CSV_COLUMNS = [
  'id',
  'version',
  'bundle',
  'arrangement',
  'meter',
  'holder_kind',
  'holder_reference',
  'holder_name',
  'client',
  'gdpr_basis',
  'sector_release',
  'legal_reference',
  'contract_ref',
  'valid_from',
  'valid_until',
  'kind',
  'direction',
  'finest',
  'coarser',
  'purpose',
  'from',
  'until',
  'recurrence',
  'provider',
  'account',
  'notice_id',
  'notice_version',
  'notice_sha256',
  'notice_language',
  'will_channel',
  'will_occurred_at',
  'will_role',
  'identity_method',
  'identity_strength',
  'match_method',
  'match_result',
  'attachment_kind',
  'attachment_file',
  'attachment_media_type',
] as const
type Column = (typeof CSV_COLUMNS)[number]
type Cell = (name: Column) => string | undefined

function fromCsv(text: string): ImportText {
  const { rows, open } = csvRows(text)
  if (open !== undefined) return broken(`line ${open}`, 'a quote is opened here and never closed')
  const head = rows[0]?.cells ?? []
  const flaw = headFlaw(head)
  if (flaw !== undefined) return broken(`line ${rows[0]?.line ?? 1}`, flaw)
  const byId = new Map<string, { readonly permission: Record<string, unknown>; readonly lines: unknown[]; readonly at: number[] }>()
  const mistakes: ImportMistake[] = []
  const say = (line: number, message: string): void => void mistakes.push({ where: `line ${line}`, message })
  for (const { line, cells } of rows.slice(1)) {
    const cell = new Map(head.map((name, i) => [name, cells[i]]))
    const get: Cell = (name) => cell.get(name) || undefined
    const id = get('id')
    if (cells.length !== head.length) say(line, `${cells.length} cells for ${head.length} columns`)
    else if (id === undefined) say(line, 'the id is missing')
    else {
      const permission = permissionIn(get)
      const known = byId.get(id)
      if (!known) byId.set(id, { permission, lines: [scopeLineIn(get)], at: [line] })
      else {
        known.lines.push(scopeLineIn(get))
        known.at.push(line)
        if (JSON.stringify(known.permission) !== JSON.stringify(permission))
          say(line, `differs from line ${known.at[0]} of the same id in more than its scope line`)
      }
    }
  }
  const all = [...byId.values()]
  if (all.length > MOST_PERMISSIONS) return broken('file', `more than ${MOST_PERMISSIONS} permissions`)
  return {
    permissions: all.map((p) => ({ ...p.permission, lines: p.lines })),
    mistakes,
    place(permission, path) {
      const at = all[permission]?.at ?? []
      const line = at[path[0] === 'lines' ? Number(path[1]) : 0] ?? at[0] ?? 1
      return `line ${line}${path.length > 0 ? `, ${path.map(String).join('.')}` : ''}`
    },
  }
}

function headFlaw(head: readonly string[]): string | undefined {
  if (head.length === 1 && /[;\t]/.test(head[0] ?? '')) return 'the cells are separated by commas'
  const unknown = head.filter((name) => !CSV_COLUMNS.some((c) => c === name))
  if (unknown.length > 0) return `unknown column ${unknown.join(', ')}`
  const twice = head.find((name, i) => head.indexOf(name) !== i)
  if (twice !== undefined) return `the column ${twice} stands twice`
  return head.includes('id') ? undefined : 'the first line names the columns; id is missing'
}

function permissionIn(get: Cell): Record<string, unknown> {
  const some = (value: Record<string, unknown>): Record<string, unknown> | undefined =>
    Object.values(value).every((v) => v === undefined) ? undefined : defined(value)
  const version = get('version')
  return defined({
    id: get('id'),
    version: version !== undefined && /^[0-9]{1,5}$/.test(version) ? Number(version) : version,
    bundle: get('bundle'),
    arrangement: get('arrangement'),
    meter: get('meter'),
    holder: defined({ kind: get('holder_kind'), reference: get('holder_reference'), name: get('holder_name') }),
    client: get('client'),
    ground: defined({
      gdpr_basis: get('gdpr_basis'),
      sector_release: get('sector_release'),
      legal_reference: get('legal_reference'),
      contract_ref: get('contract_ref'),
    }),
    valid_from: get('valid_from'),
    valid_until: get('valid_until'),
    bindings: [defined({ provider: get('provider'), account: get('account') })],
    notice: some({
      id: get('notice_id'),
      version: get('notice_version'),
      sha256: get('notice_sha256'),
      language: get('notice_language'),
    }),
    will: some({ channel: get('will_channel'), occurred_at: get('will_occurred_at'), role: get('will_role') }),
    identity: some({ method: get('identity_method'), strength: get('identity_strength') }),
    holder_match: some({ method: get('match_method'), result: get('match_result') }),
    attachments:
      get('attachment_file') === undefined
        ? undefined
        : [defined({ kind: get('attachment_kind'), file: get('attachment_file'), media_type: get('attachment_media_type') })],
  })
}

function scopeLineIn(get: Cell): Record<string, unknown> {
  return defined({
    kind: get('kind'),
    direction: get('direction'),
    finest: get('finest'),
    coarser: get('coarser'),
    purpose: get('purpose'),
    from: get('from'),
    until: get('until'),
    recurrence: get('recurrence'),
  })
}

function defined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined))
}

interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** RFC 4180; `open` is the line of a quote that is never closed. Empty rows are left out. */
function csvRows(text: string): { readonly rows: readonly CsvRow[]; readonly open: number | undefined } {
  const rows: CsvRow[] = []
  let cells: string[] = []
  let cell = ''
  let quotedSince: number | undefined
  let line = 1
  let began = 1
  const endRow = (): void => {
    cells.push(cell)
    if (cells.some((c) => c !== '')) rows.push({ line: began, cells })
    cells = []
    cell = ''
  }
  for (let i = 0; i < text.length; i += 1) {
    const c = text.charAt(i)
    if (c === '\n') line += 1
    if (quotedSince !== undefined) {
      if (c !== '"') cell += c
      else if (text[i + 1] === '"') {
        cell += '"'
        i += 1
      } else quotedSince = undefined
    } else if (c === '"' && cell === '') quotedSince = line
    else if (c === ',') {
      cells.push(cell)
      cell = ''
    } else if (c === '\n') {
      endRow()
      began = line
    } else if (c !== '\r' || (text[i + 1] !== '\n' && i + 1 < text.length)) cell += c
  }
  if (cell !== '' || cells.length > 0) endRow()
  return { rows, open: quotedSince }
}
