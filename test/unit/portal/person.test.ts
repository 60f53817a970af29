/** Cells of a spreadsheet, words for every code, and pages as they are for each state: what needs neither socket nor store. */
import { describe, expect, test } from 'vitest'
import { REASONS } from '../../../src/domain/errors.ts'
import type { PermissionId } from '../../../src/domain/permission.ts'
import { OUTCOMES } from '../../../src/domain/record.ts'
import { ACTS, STATUSES } from '../../../src/domain/vocabulary.ts'
import type { Access } from '../../../src/evidence/person.ts'
import { csvCell } from '../../../src/portal/person/export.ts'
import { evidencePage } from '../../../src/portal/person/evidence.ts'
import { overview } from '../../../src/portal/person/overview.ts'
import { permissionPage } from '../../../src/portal/person/permission.ts'
import type { Shown } from '../../../src/portal/person/records.ts'
import { actIn, reasonIn, resultIn } from '../../../src/portal/person/words.ts'
import { LANGUAGES } from '../../../src/web/language.ts'
import { aPermission, METER, NOW } from '../../given.ts'

test.each([
  ['=1+1', `"'=1+1"`],
  ['+33', `"'+33"`],
  ['-1', `"'-1"`],
  ['@SUM(A1)', `"'@SUM(A1)"`],
  ['\t=1', `"'\t=1"`],
  ['\r=1', `"'\r=1"`],
  ['|cmd', `"'|cmd"`],
  ['a,b', '"a,b"'],
  ['say "no"', '"say ""no"""'],
  ['two\nlines', '"two\nlines"'],
  ['2026-10-01/2026-10-08', '2026-10-01/2026-10-08'],
  ['', ''],
  [null, ''],
  [-7, '-7'],
])('the cell %j is written %j', (value, written) => {
  expect(csvCell(value)).toBe(written)
})

describe.each(LANGUAGES)('in %s', (language) => {
  test('every act, result and reason has words, none of them a code', () => {
    const said = [
      ...ACTS.map((act) => actIn(language, act)),
      ...[...OUTCOMES, 'under_way', 'refused'].map((result) => resultIn(language, result)),
      ...Object.keys(REASONS).map((reason) => reasonIn(language, reason)),
    ]
    expect(said.filter((text) => text === '' || text.includes('_') || text.includes('undefined'))).toStrictEqual([])
    expect(new Set(ACTS.map((act) => actIn(language, act))).size).toBe(ACTS.length)
  })

  test.each(STATUSES)('a permission that is %s shows its state, and can be withdrawn exactly while it lives', (status) => {
    const page = permissionPage({
      language,
      field: 'field',
      held: aHeld(status),
      purposes: [],
      page: { accesses: [], next: null },
      newest: true,
    }).text
    const live = !['draft', 'refused', 'ended'].includes(status)
    expect(page.includes('action="/me/p1/withdraw"')).toBe(live)
    expect(page.match(/<button/g)?.length ?? 0).toBe(live ? 1 : 0)
    const card = overview({ ...shownTo(language), held: [{ ...aHeld(status), last: undefined }] }).text
    expect(card).toContain('href="/me/p1"')
    const doubt = language === 'fr' ? 'doute sur le titulaire' : 'doubt about who holds the contract'
    expect(card.includes(doubt)).toBe(status === 'suspended')
  })

  test('headings go down one step at a time', () => {
    const held = aHeld('active')
    const pages = [
      overview({ ...shownTo(language), held: [{ ...held, last: anAccess }] }),
      permissionPage({ language, field: '', held, purposes: [], page: { accesses: [anAccess], next: 3 }, newest: false }),
      evidencePage({ language, field: '', permission: 'p1', entry: anEntry(true), opened: undefined }),
    ]
    for (const { text } of pages) {
      const levels = [...text.matchAll(/<h([1-6])/g)].map((m) => Number(m[1]))
      expect(levels[0]).toBe(1)
      levels.slice(1).forEach((level, i) => expect(level).toBeLessThanOrEqual((levels[i] ?? 0) + 1))
      expect(levels.filter((level) => level === 1)).toHaveLength(1)
    }
  })

  test('a failed check says so in words and where to turn', () => {
    const { text } = evidencePage({ language, field: '', permission: 'p1', entry: anEntry(false), opened: undefined })
    expect(text).toContain('role="alert"')
    expect(text).toContain('CNIL')
    expect(text.match(/class="bad"/g)).toHaveLength(2)
  })
})

test('FranceConnect is offered for linking only to who came through Enedis', () => {
  const offers = (method: 'data_connect' | 'link' | 'franceconnect', franceConnect = true): boolean =>
    overview({
      ...shownTo('en'),
      franceConnect,
      person: { method, permissions: [], since: NOW },
      held: [{ ...aHeld('active'), last: undefined }],
    }).text.includes('value="link"')
  expect([offers('data_connect'), offers('link'), offers('franceconnect'), offers('data_connect', false)]).toStrictEqual([
    true,
    false,
    false,
    false,
  ])
})

const anAccess: Access = {
  n: 7,
  at: '2026-11-25T09:00:00.000Z',
  client: 'viriya',
  purpose: 'self_view',
  kind: 'daily_energy',
  direction: 'withdrawal',
  step: 'P1D',
  asked: '2026-10-01/2026-10-08',
  sent: null,
  result: 'refused',
  reason: 'withdrawn',
  readings: null,
  bytes: null,
  outcome: null,
}
function shownTo(language: 'fr' | 'en') {
  const person = { method: 'data_connect', permissions: ['p1' as PermissionId], since: NOW } as const
  return { language, field: '', person, endsAt: NOW, franceConnect: true, linked: false }
}
function anEntry(ok: boolean) {
  const proof = {
    is: 'checked',
    size: 9,
    root: 'r',
    leaf: 'l',
    path: [],
    included: ok,
    signed: ok,
    vkey: 'v',
    checkpoint: '',
    file: '',
  } as const
  return { n: 7, name: 'log/7', entry: '{"_sd":[]}', proof }
}
function aHeld(status: string): Shown {
  const { scope } = aPermission()
  const content = {
    meter: METER,
    holder: { kind: 'natural', reference: 'ada' },
    scope,
    bindings: [],
    notice: { id: 'n', version: '1', sha256: '', language: 'fr' },
    identity: { method: 'paper', strength: 'S2' },
    holderMatch: { method: 'name', result: 'exact' },
    bundleId: 'b',
    arrangementId: 'b',
    unverified: false,
  } as const
  const record = {
    id: 'p1',
    version: 1,
    client: 'viriya',
    status,
    endReason: status === 'ended' ? 'expired' : null,
    void: false,
    suspendCause: status === 'suspended' ? ('holder_doubt' as const) : null,
    validFrom: '2026-01-01T00:00:00.000Z',
    validUntil: '2027-01-01T00:00:00.000Z',
    content,
    acts: [],
    attachments: [],
    rights: [],
  }
  return { record, client: undefined }
}
