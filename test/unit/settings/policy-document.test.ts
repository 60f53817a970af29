/** The compiled policy: what the file says, expanded in order, and a hash that changes when and only when a decision may. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/domain/canonical.ts'
import { parsePolicyDocument, policyDocument, policyHash, type PolicyDocument } from '../../../src/settings/policy-document.ts'
import { formatMistakes, parseSettings } from '../../../src/settings/settings.ts'
import { edited, SMALL } from './given.ts'

function parsed(text: string) {
  const result = parseSettings(text)
  if (!result.ok) throw new Error(formatMistakes('text', result.mistakes))
  return result
}

const bytes = (document: PolicyDocument) => canonicalJson(document as unknown as Json)

test('lists become one rule each, in the order written, with the same id', () => {
  const rules = parsed(
    edited(
      [
        "purpose: self_view\n    kind: load_curve\n    provider: '*'",
        'purpose: [study, self_view]\n    kind: [contract_data, load_curve]\n    provider: [enedis-sge, enedis-data-connect]\n    coarser: derive\n    oldest_days: 30\n    calls_per_hour: 9',
      ],
      ["kind: '*'", 'kind: identity'],
    ),
  ).policy.rules
  const limits = { coarser: 'derive', longestDays: null, oldestDays: 30, callsPerHour: 9 }
  const one = (purpose: string, kind: string, provider: string, onOverrun: string) => ({
    id: 'curves',
    purpose,
    kind,
    provider,
    onOverrun,
    ...limits,
  })
  expect(rules.slice(0, 8)).toStrictEqual([
    one('study', 'contract_data', 'enedis-sge', 'refuse'),
    one('study', 'contract_data', 'enedis-data-connect', 'refuse'),
    one('study', 'load_curve', 'enedis-sge', 'narrow'),
    one('study', 'load_curve', 'enedis-data-connect', 'narrow'),
    one('self_view', 'contract_data', 'enedis-sge', 'refuse'),
    one('self_view', 'contract_data', 'enedis-data-connect', 'refuse'),
    one('self_view', 'load_curve', 'enedis-sge', 'narrow'),
    one('self_view', 'load_curve', 'enedis-data-connect', 'narrow'),
  ])
})

test("without on_overrun, '*' narrows measures and refuses the rest", () => {
  const rest = parsed(edited(['purpose: [study, self_view]', "purpose: '*'"])).policy.rules.slice(1)
  const rule = {
    id: 'rest',
    purpose: '*',
    provider: 'enedis-data-connect',
    coarser: 'fetch',
    longestDays: 400,
    oldestDays: null,
    callsPerHour: null,
  }
  expect(rest).toStrictEqual([
    { ...rule, kind: 'load_curve', onOverrun: 'narrow' },
    { ...rule, kind: 'daily_energy', onOverrun: 'narrow' },
    { ...rule, kind: 'published_reading', onOverrun: 'narrow' },
    { ...rule, kind: 'index', onOverrun: 'narrow' },
    { ...rule, kind: 'max_power', onOverrun: 'narrow' },
    { ...rule, kind: '*', onOverrun: 'refuse' },
  ])
})

test.each(['refuse', 'narrow'])("with on_overrun: %s, '*' stays one rule that says so for all kinds", (onOverrun) => {
  const rules = parsed(edited(['purpose: [study, self_view]', `purpose: study\n    on_overrun: ${onOverrun}`])).policy.rules
  expect(rules.slice(1).map((r) => [r.kind, r.onOverrun])).toStrictEqual([['*', onOverrun]])
})

test('the document holds purposes, limits of the data holders and what clients chose', () => {
  const { document } = parsed(SMALL)
  expect(document.policy.purposes).toStrictEqual([
    {
      code: 'self_view',
      version: 1,
      label: { fr: 'Voir', en: 'See' },
      grounds: ['consent'],
      kinds: ['load_curve', 'daily_energy', 'contract_data'],
      finest: 'PT30M',
    },
    {
      code: 'study',
      version: 2,
      label: { fr: 'Étude', en: 'Study' },
      grounds: ['consent', 'contract'],
      kinds: ['daily_energy'],
      finest: 'P1D',
    },
  ])
  expect(document.policy.limits).toStrictEqual([
    { provider: 'enedis-data-connect', kind: 'daily_energy', callDays: 365, history: { months: 36, days: 15 } },
    { provider: 'enedis-data-connect', kind: 'load_curve', callDays: 7, history: { months: 24, days: 15 } },
    { provider: 'enedis-data-connect', kind: 'max_power', callDays: 365, history: { months: 36, days: 15 } },
  ])
  expect(document.clients).toStrictEqual([
    { id: 'office', purpose: 'study', refusesNarrowing: true },
    { id: 'viriya', purpose: 'self_view', refusesNarrowing: false },
  ])
})

test('the hash is the SHA-256 of the canonical form', () => {
  const { document, policyHash: hash, policy } = parsed(SMALL)
  expect(hash).toBe(`sha256:${createHash('sha256').update(bytes(document)).digest('hex')}`)
  expect(hash).toMatch(/^sha256:[0-9a-f]{64}$/)
  expect(policy).toBe(document.policy)
})

const CURVES = "  - id: curves\n    purpose: self_view\n    kind: load_curve\n    provider: '*'\n"
test.each<[name: string, edits: [string, string][], changes: boolean]>([
  ['a rule', [['longest_days: 400', 'longest_days: 401']], true],
  [
    'the order of rules',
    [
      [CURVES, ''],
      ['longest_days: 400\n', `longest_days: 400\n${CURVES.replace('load_curve', 'identity').replace("'*'", 'enedis-sge')}`],
    ],
    true,
  ],
  ['a purpose', [['finest: P1D', 'finest: P1M']], true],
  ['a limit of the data holder', [['accounts:', 'limits: []\n    accounts:']], true],
  ['that a client refuses narrowing', [['refuses_narrowing: true', 'refuses_narrowing: false']], true],
  ['the purpose of a client', [['purpose: study\n    refuses', 'purpose: self_view\n    refuses']], true],
  ['the name and style of a client', [['name: Office', 'name: Bureau\n    denial_style: domoticz']], false],
  ['that a client is disabled', [['name: Office', 'name: Office\n    disabled: true']], false],
  ['a listener', [['evidence:', 'listeners: { gate: { port: 1 } }\nevidence:']], false],
])('%s: changes the hash or not', (_name, edits, changes) => {
  expect(parsed(edited(...edits)).policyHash !== parsed(SMALL).policyHash).toBe(changes)
})

test('the order of clients, purposes and limits has no meaning', () => {
  const { settings, policyHash: hash } = parsed(SMALL)
  const turned = {
    ...settings,
    clients: settings.clients.toReversed(),
    purposes: settings.purposes.toReversed(),
    providers: {
      'enedis-data-connect': {
        ...settings.providers['enedis-data-connect'],
        limits: settings.providers['enedis-data-connect'].limits.toReversed(),
      },
    },
  }
  expect(policyHash(policyDocument(turned))).toBe(hash)
})

test('a document read back is the same, under the same hash', () => {
  const { document, policyHash: hash } = parsed(SMALL)
  const read = parsePolicyDocument(bytes(document))
  expect(read).toStrictEqual({ ok: true, document })
  expect(read.ok && policyHash(read.document)).toBe(hash)
})

test.each([
  ['no JSON', '{', /^not JSON: /],
  ['a missing part', '{"policy":{"rules":[],"purposes":[],"limits":[]}}', /^not a policy document: clients: /],
  ['a part too many', '{"policy":{"rules":[],"purposes":[],"limits":[]},"clients":[],"more":1}', /^not a policy document: : /],
  [
    'an unknown kind',
    '{"policy":{"rules":[],"purposes":[],"limits":[{"provider":"enedis-sge","kind":"x","callDays":1,"history":{"months":1,"days":0}}]},"clients":[]}',
    /^not a policy document: policy\.limits\.0\.kind: /,
  ],
])('%s is not read back', (_name, json, why) => {
  expect(parsePolicyDocument(json)).toStrictEqual({ ok: false, why: expect.stringMatching(why) })
})
