/** What an import may hold, and everything that is wrong with it told at once, with its line. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { importJsonSchema } from '../../../src/permissions/import-schema.ts'
import { parseImport } from '../../../src/permissions/import.ts'
import { CSV_COLUMNS, documentsOf } from '../../../src/permissions/import-text.ts'
import type { Tree } from '../../contract/given.ts'
import { aContext, aLine, aTree, draftsOf, parse } from '../../contract/given.ts'

function mistakesOf(text: string, unverified = false): readonly string[] {
  const parsed = parseImport(text, aContext({ unverified }))
  return parsed.ok ? [] : parsed.mistakes.map((m) => `${m.where}: ${m.message}`)
}
const told = (change: Tree): readonly string[] => mistakesOf(JSON.stringify({ permissions: [aTree('p1', change)] }))

describe('what makes a permission provable', () => {
  test.each<readonly [string, Tree, string]>([
    ['a notice', { notice: undefined }, 'notice: what the person was shown is missing: notice with id, version, sha256 and language'],
    ['an act of will', { will: undefined }, 'will: the act of will is missing: who agreed, when, by which channel'],
    ['an identity', { identity: undefined }, 'identity: how the person was identified is missing'],
    [
      'one that is strong enough',
      { identity: { method: 'form', strength: 'S1' } },
      'identity: a household needs an identity of strength S2 or S3',
    ],
    ['a match', { holder_match: undefined }, 'holder_match: how the person was matched with the contract of the meter is missing'],
    [
      'one that did not fail',
      { holder_match: { method: 'name', result: 'failed' } },
      'holder_match: the person is not matched with the contract of the meter',
    ],
    [
      'one that was made',
      { holder_match: { method: 'name', result: 'not_done' } },
      'holder_match: the person is not matched with the contract of the meter',
    ],
    ['a document', { attachments: [] }, 'attachments: no document proves this permission'],
  ])('is %s', (_what, change, message) => {
    expect(told(change)).toStrictEqual([`line 1, permissions.0.${message}`])
    expect(parse([aTree('p1', change)], aContext({ unverified: true })), 'unverified it is let in').toMatchObject({ ok: true })
  })

  test('a body may be known less strongly than a person', () => {
    expect(told({ holder: { kind: 'legal', reference: 'r' }, identity: { method: 'form', strength: 'S0' } })).toStrictEqual([])
  })
})

describe('what a permission may say', () => {
  test.each<readonly [string, Tree, string]>([
    ['an end after its beginning', { valid_until: '2026-01-01T00:00:00Z' }, 'valid_until: a permission ends after it begins'],
    ['a client of the settings', { client: 'stranger' }, 'client: the settings declare no client stranger'],
    ['a purpose of the register', { lines: [aLine({ purpose: 'resale' })] }, 'lines.0: the register has no purpose resale'],
    ['a kind of the purpose', { lines: [aLine({ kind: 'infraday' })] }, 'lines.0: the purpose self_view does not allow infraday'],
    [
      'a ground of the purpose',
      { ground: { gdpr_basis: 'public_task', sector_release: 'express_authorisation' } },
      'lines.0: the purpose self_view does not rest on public_task',
    ],
    ['a step of the purpose', { lines: [aLine({ finest: 'PT10M' })] }, 'lines.0: the purpose self_view allows PT30M at the finest'],
    ['days', { lines: [aLine({ until: undefined })] }, 'lines.0: load_curve needs the days it opens: from and until'],
    ['days in order', { lines: [aLine({ until: '2025-01-01' })] }, 'lines.0: the days end after they begin (until is excluded)'],
    ['a step', { lines: [aLine({ finest: undefined })] }, 'lines.0: load_curve needs its finest step'],
    ['minutes for a curve', { lines: [aLine({ finest: 'P1D' })] }, 'lines.0: a load curve has steps of minutes'],
    ['days for daily data', { lines: [aLine({ kind: 'daily_energy' })] }, 'lines.0: daily_energy has steps of a day and longer'],
    ['a direction', { lines: [aLine({ direction: 'n_a' })] }, 'lines.0: load_curve is withdrawal or injection'],
    [
      'no days where there are none',
      { lines: [aLine({ kind: 'contract_data', direction: 'n_a', finest: undefined })] },
      'lines.0: contract_data has no days',
    ],
    [
      'an account of the settings',
      { bindings: [{ provider: 'enedis-data-connect', account: 'none' }] },
      'bindings.0: the settings have no account none at enedis-data-connect',
    ],
    [
      'its own network',
      {
        bindings: [
          { provider: 'enedis-data-connect', account: 'main' },
          { provider: 'grdf-adict', account: 'gas' },
        ],
      },
      'bindings: a gas meter is read at GRDF, an electricity meter at Enedis',
    ],
    ['its own network', { meter: 'pce:GI123456' }, 'bindings: a gas meter is read at GRDF, an electricity meter at Enedis'],
    [
      'an id without a meter',
      { id: 'p-10000000000001' },
      'id: an id must not hold nine digits in a row: it could be a meter or a telephone number',
    ],
  ])('%s', (_what, change, message) => {
    expect(told(change)).toStrictEqual([`line 1, permissions.0.${message}`])
  })

  test.each<readonly [string, Tree]>([
    ['a field that is not known', { colour: 'blue' }],
    ['a day that is none', { lines: [aLine({ from: '2025-02-30' })] }],
    ['an instant that is none', { valid_from: 'yesterday' }],
    ['a meter of 13 digits', { meter: 'prm:1000000000000' }],
    ['no line', { lines: [] }],
    ['no binding', { bindings: [] }],
    ['an id that moves folders', { id: '../p1' }],
  ])('and not %s', (_what, change) => {
    expect(told(change)).toHaveLength(1)
  })

  test('a gas meter at GRDF', () => {
    const gas = { meter: 'pce:GI123456', bindings: [{ provider: 'grdf-adict', account: 'gas' }] }
    expect(told({ ...gas, lines: [aLine({ kind: 'published_reading', finest: 'P1M' })] })).toStrictEqual([])
  })
})

test('mistakes of all permissions are told at once, each with its line', () => {
  const permissions = [
    aTree('good'),
    aTree('bad-1', { client: 'stranger', lines: [aLine(), aLine({ from: '2026-02-30' })] }),
    aTree('bad-2', { notice: undefined, lines: [aLine(), aLine({ purpose: 'resale' })] }),
    aTree('good'),
  ]
  const text = JSON.stringify({ permissions }, null, 2)
  const lines = text.split('\n')
  const lineOf = (place: string): number => lines.findIndex((line) => line.includes(place)) + 1
  const told2 = mistakesOf(text)
  expect(told2).toStrictEqual([
    `line ${lineOf('2026-02-30')}, permissions.1.lines.1.from: expected a day YYYY-MM-DD`,
    `line ${lineOf('"purpose": "resale"') - 4}, permissions.2.lines.1: the register has no purpose resale`,
    `line ${lineOf('"id": "bad-2"') - 1}, permissions.2.notice: what the person was shown is missing: notice with id, version, sha256 and language`,
    `line ${lines.findLastIndex((line) => line.includes('"id": "good"')) + 1}, permissions.3.id: the id good stands twice`,
  ])
})

test('the line of a mistake is right however the JSON is laid out', () => {
  const indent = fc.constantFrom(undefined, 1, 2, '\t')
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 4 }), indent, fc.nat(3), (names, space, blank) => {
      const good = names.map((name, i) => aTree(`good-${i}`, { holder: { kind: 'natural', reference: `"],[}{: ,${name}x` } }))
      const text = `${'\n'.repeat(blank)}${JSON.stringify({ permissions: [...good, aTree('bad', { meter: 'MARK' })] }, null, space)}`
      const line = text.slice(0, text.indexOf('MARK')).split('\n').length
      expect(mistakesOf(text)).toStrictEqual([
        `line ${line}, permissions.${good.length}.meter: expected prm: and 14 digits, or pce: and 14 digits or GI and 6 digits`,
      ])
    }),
  )
})

test.each(['{', '{"permissions": 1}', '{"permissions": [], "more": 1}', '{}', '{"permissions": [null, 7, []]}'])(
  'is not an import: %s',
  (text) => {
    expect(mistakesOf(text).length).toBeGreaterThan(0)
  },
)

describe('a CSV', () => {
  const row: Record<string, string> = {
    id: 'p1',
    version: '2',
    meter: 'prm:10000000000001',
    holder_kind: 'natural',
    holder_reference: 'Durand, "Ada"',
    holder_name: 'two\nlines',
    client: 'viriya',
    gdpr_basis: 'consent',
    sector_release: 'express_authorisation',
    contract_ref: 'C-1',
    valid_from: '2026-01-01T00:00:00Z',
    valid_until: '2027-01-01T00:00:00Z',
    kind: 'load_curve',
    direction: 'withdrawal',
    finest: 'PT30M',
    purpose: 'self_view',
    from: '2025-01-01',
    until: '2026-01-01',
    provider: 'enedis-data-connect',
    account: 'main',
    notice_id: 'n',
    notice_version: '1',
    notice_sha256: 'a'.repeat(64),
    notice_language: 'fr',
    will_channel: 'web',
    will_occurred_at: '2025-12-31T10:00:00Z',
    will_role: 'representative',
    identity_method: 'fc',
    identity_strength: 'S3',
    match_method: 'name',
    match_result: 'exact',
    attachment_kind: 'signed_mandate',
    attachment_file: 'a, "b".pdf',
    attachment_media_type: 'application/pdf',
  }
  const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
  const csv = (rows: readonly Record<string, string>[], end = '\n'): string =>
    [Object.keys(row), ...rows.map((r) => Object.keys(row).map((name) => r[name] ?? ''))]
      .map((cells) => cells.map(quoted).join(','))
      .join(end)
  const daily = { ...row, kind: 'daily_energy', finest: 'P1D' }

  test.each([
    ['newlines', '\n', ''],
    ['carriage returns and newlines', '\r\n', ''],
    ['a byte order mark', '\r\n', '\ufeff'],
  ])('with %s, says the same as the JSON', (_what, end, mark) => {
    const parsed = parseImport(mark + csv([row, daily], end) + end, aContext())
    const json = aTree('p1', {
      version: 2,
      holder: { kind: 'natural', reference: 'Durand, "Ada"', name: 'two\nlines' },
      ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation', contract_ref: 'C-1' },
      lines: [aLine(), aLine({ kind: 'daily_energy', finest: 'P1D' })],
      notice: { id: 'n', version: '1', sha256: 'a'.repeat(64), language: 'fr' },
      will: { channel: 'web', occurred_at: '2025-12-31T10:00:00Z', role: 'representative' },
      identity: { method: 'fc', strength: 'S3' },
      holder_match: { method: 'name', result: 'exact' },
      attachments: [{ kind: 'signed_mandate', file: 'a, "b".pdf', media_type: 'application/pdf' }],
    })
    expect(parsed.ok && parsed.drafts.map((d) => d.canonical)).toStrictEqual(draftsOf([json]).map((d) => d.canonical))
    expect(documentsOf(mark + csv([row, daily], end))).toStrictEqual(['a, "b".pdf'])
  })

  test('tells the line of each mistake, of every row at once', () => {
    const rows = [
      row,
      { ...daily, finest: 'PT30M' },
      { ...row, id: 'p2', client: 'stranger' },
      { ...row, id: '' },
      { ...daily, account: 'none' },
    ]
    // The name of each row takes two lines.
    expect(mistakesOf(`${csv(rows)}\none,two`)).toStrictEqual([
      'line 8: the id is missing',
      'line 10: differs from line 2 of the same id in more than its scope line',
      'line 12: 2 cells for 34 columns',
      'line 4, lines.1: daily_energy has steps of a day and longer',
      'line 6, client: the settings declare no client stranger',
    ])
  })

  test.each<readonly [string, string, string]>([
    ['an unknown column', 'id,colour\n1,2', 'line 1: unknown column colour'],
    ['no id', 'meter\n1', 'line 1: the first line names the columns; id is missing'],
    ['a column twice', 'id,meter,id\n1,2,3', 'line 1: the column id stands twice'],
    ['semicolons', 'id;meter\n1;2', 'line 1: the cells are separated by commas'],
    ['a quote that is never closed', 'id,meter\n1,2\n3,"4\n5,6\n', 'line 3: a quote is opened here and never closed'],
    ['nothing', '', 'line 1: the first line names the columns; id is missing'],
  ])('with %s is refused by name', (_what, text, message) => {
    expect(mistakesOf(text)).toStrictEqual([message])
  })
})

test('any text is an import or has mistakes: nothing throws', () => {
  const columns = fc.constantFrom(...CSV_COLUMNS, '"', ',', '\n', '\r', '{', '}', '[', ':', 'permissions', '\ufeff')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(columns).map((parts) => parts.join('')),
        fc.json().map((j) => `{"permissions": [${j}]}`),
      ),
      (text) => {
        const parsed = parseImport(text, aContext())
        expect(parsed.ok || parsed.mistakes.every((m) => m.where !== '' && m.message !== '')).toBe(true)
        documentsOf(text)
      },
    ),
  )
})

test('documents are named before the import is checked', () => {
  const attachments = [{ file: 'a.pdf' }, { file: 'b.pdf' }, { file: 7 }, null]
  expect(documentsOf(JSON.stringify({ permissions: [{ attachments }, { attachments: [{ file: 'a.pdf' }] }, 3, null] }))).toStrictEqual([
    'a.pdf',
    'b.pdf',
  ])
  expect(documentsOf('{ not JSON')).toStrictEqual([])
})

test('the published schema names every field and every column', () => {
  const schema = importJsonSchema() as { readonly properties: Record<string, unknown>; readonly 'x-csv-columns': readonly string[] }
  const text = JSON.stringify(schema)
  for (const field of Object.keys(aTree('p1'))) expect(text).toContain(`"${field}"`)
  expect(schema['x-csv-columns']).toStrictEqual(CSV_COLUMNS)
  expect(text).toContain('"additionalProperties":false')
})
