/** Which changes a running gate takes over, and which wait for a restart. */
import { expect, test } from 'vitest'
import { diffSettings } from '../../../src/settings/diff.ts'
import { formatMistakes, parseSettings } from '../../../src/settings/settings.ts'
import { edited, SMALL } from './given.ts'

function settingsOf(text: string) {
  const parsed = parseSettings(text, { file: '/etc/ecluse/ecluse.yaml' })
  if (!parsed.ok) throw new Error(formatMistakes('text', parsed.mistakes))
  return parsed.settings
}

const VIRIYA = '  - id: viriya\n    name: Viriya\n    purpose: self_view\n'
const LATE = '  - id: late\n    purpose: self_view\n    kind: index\n    provider: enedis-sge\n'
test.each<[name: string, edits: [string, string][], reloadable: string[], needsRestart: string[]]>([
  ['nothing', [], [], []],
  [
    'comments and order of keys',
    [['    purpose: study\n    refuses_narrowing: true', '    refuses_narrowing: true # no parts\n    purpose: study']],
    [],
    [],
  ],
  [
    'a client',
    [['name: Office', 'name: Bureau\n    denial_style: domoticz']],
    ['clients[office].name', 'clients[office].denial_style'],
    [],
  ],
  ['a limit of a client', [['name: Office', 'name: Office\n    limits: { concurrency: 2 }']], ['clients[office].limits.concurrency'], []],
  ['web origins', [['name: Office', 'name: Office\n    cors_origins: [https://a.example]']], ['clients[office].cors_origins'], []],
  ['a client that comes', [['purposes:', '  - { id: new, name: New, purpose: study }\npurposes:']], ['clients[new]'], []],
  ['a client that goes', [[VIRIYA, '']], ['clients[viriya]'], []],
  [
    'limits of all clients',
    [['evidence:', 'client_limits: { concurrency: 2 }\nevidence:']],
    ['client_limits.concurrency', 'clients[viriya].limits.concurrency', 'clients[office].limits.concurrency'],
    [],
  ],
  ['a rule', [['kind: load_curve\n', 'kind: [load_curve, index]\n']], ['rules[curves].kind'], []],
  ['a rule that comes', [['evidence:', `${LATE}evidence:`]], ['rules[late]'], []],
  ['a purpose', [['finest: P1D', 'finest: P1M']], ['purposes[study].finest'], []],
  [
    'limits of a data holder',
    [['accounts:', 'limits: [{ kind: load_curve, call_days: 6, history: { months: 24, days: 15 } }]\n    accounts:']],
    [
      'providers.enedis-data-connect.limits[load_curve].call_days',
      'providers.enedis-data-connect.limits[daily_energy]',
      'providers.enedis-data-connect.limits[max_power]',
    ],
    [],
  ],
  [
    'a quota',
    [['client_id: app', 'client_id: app\n        quota: { per_hour: 9 }']],
    [],
    ['providers.enedis-data-connect.accounts[main].quota.per_hour'],
  ],
  [
    'a secret elsewhere',
    [['{ env: ENEDIS_SECRET }', '{ file: s }']],
    [],
    ['providers.enedis-data-connect.accounts[main].client_secret.env', 'providers.enedis-data-connect.accounts[main].client_secret.file'],
  ],
  [
    'listeners, state, evidence',
    [
      ['./state', './other'],
      ['evidence:', 'listeners: { gate: { port: 1, idle_seconds: 80 } }\nevidence:\n  checkpoint_seconds: 2'],
    ],
    [],
    ['instance.state', 'listeners.gate.port', 'listeners.gate.idle_seconds', 'evidence.checkpoint_seconds'],
  ],
  [
    'both sorts',
    [
      ['evidence:', 'redis: { url: redis://c:6379 }\nevidence:'],
      ['finest: P1D', 'finest: P1M'],
    ],
    ['purposes[study].finest'],
    ['redis'],
  ],
])('%s', (_name, edits, reloadable, needsRestart) => {
  expect(diffSettings(settingsOf(SMALL), settingsOf(edited(...edits)))).toStrictEqual({ reloadable, needsRestart })
})

test('rules in another order are told even where each is the same', () => {
  const before = settingsOf(SMALL)
  expect(diffSettings(before, { ...before, rules: before.rules.toReversed() })).toStrictEqual({ reloadable: ['rules'], needsRestart: [] })
})
