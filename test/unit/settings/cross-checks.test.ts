/** What no single value shows: mistakes and warnings, each at the place where it is mended. */
import { expect, test } from 'vitest'
import { parseSettings } from '../../../src/settings/settings.ts'
import { edited, SMALL, told } from './given.ts'

test.each<[name: string, from: string, to: string, mistakes: string[]]>([
  // What no single value shows.
  [
    'a client without its purpose',
    'purpose: study\n',
    'purpose: studi\n',
    ["17:14 clients[1].purpose: no purpose 'studi' in the register, did you mean 'study'?"],
  ],
  [
    'a rule of no purpose',
    'purpose: [study, self_view]',
    'purpose: [study, tea]',
    ["38:22 rules[1].purpose[1]: no purpose 'tea' in the register"],
  ],
  [
    'a rule of one unknown purpose',
    'purpose: self_view\n    kind',
    'purpose: tea\n    kind',
    ["34:14 rules[0].purpose: no purpose 'tea' in the register"],
  ],
  ['two clients of one id', 'id: office', 'id: viriya', ["15:9 clients[1].id: 'viriya' is taken by clients[0]: choose another"]],
  ['two rules of one id', 'id: rest', 'id: curves', ["37:9 rules[1].id: 'curves' is taken by rules[0]: choose another"]],
  [
    'two purposes of one code',
    'code: study',
    'code: self_view',
    [
      "17:14 clients[1].purpose: no purpose 'study' in the register",
      "26:11 purposes[1].code: 'self_view' is taken by purposes[0]: choose another",
      "38:15 rules[1].purpose[0]: no purpose 'study' in the register",
    ],
  ],
  [
    'two accounts of one id',
    'client_secret: { env: ENEDIS_SECRET }',
    'client_secret: { env: A }\n      - { id: main, client_id: b, client_secret: { env: B } }',
    ["11:15 providers.enedis-data-connect.accounts[1].id: 'main' is taken by accounts[0]: choose another"],
  ],
  [
    'two limits of one kind',
    'accounts:',
    'limits: [{ kind: index, call_days: 1, history: { months: 1 } }, { kind: index, call_days: 2, history: { months: 1 } }]\n    accounts:',
    ["7:77 providers.enedis-data-connect.limits[1].kind: 'index' is taken by limits[0]: choose another"],
  ],
  [
    'a rule below one that fits all of it',
    'longest_days: 400',
    'longest_days: 400\n  - { id: late, purpose: study, kind: [index, load_curve], provider: enedis-data-connect }',
    ["42:5 rules[2]: 'late' never speaks: 'rest' above it already fit all that it fits; move it up or remove it"],
  ],
  [
    'a rule below two that fit all of it together',
    'longest_days: 400',
    "longest_days: 400\n  - { id: x, purpose: '*', kind: '*', provider: [enedis-sge, grdf-adict] }\n  - { id: late, purpose: '*', kind: '*', provider: '*' }",
    ["43:5 rules[3]: 'late' never speaks: 'curves', 'rest', 'x' above it already fit all that it fits; move it up or remove it"],
  ],
  [
    'a curve for a daily purpose',
    'kinds: [daily_energy]',
    'kinds: [daily_energy, load_curve]',
    ["30:27 purposes[1].kinds[1]: 'load_curve' is finer than P1D: remove it, or make 'finest' PT60M or finer"],
  ],
  [
    'a kind listed twice',
    'kinds: [daily_energy]',
    'kinds: [daily_energy, daily_energy]',
    ["30:27 purposes[1].kinds[1]: 'daily_energy' is listed twice"],
  ],
  [
    'two listeners on one port',
    'evidence:',
    'listeners: { ops: { port: 8080 } }\nevidence:',
    ['42:27 listeners.ops.port: 8080 is the port of the gate: choose another'],
  ],
  [
    'health open to other machines',
    'evidence:',
    'listeners: { ops: { address: 0.0.0.0 } }\nevidence:',
    [
      "42:30 listeners.ops.address: health and metrics are for this machine only: choose 127.0.0.1, or set 'beyond_loopback: true' on a closed network",
    ],
  ],
  [
    'one secret for two keys',
    '{ file: /keys/master.key }',
    '{ file: signing.key }',
    ["45:13 evidence.keys.master: the same secret as 'signing': each key must be its own"],
  ],
  [
    'TLS to a plain Redis',
    'evidence:',
    'redis: { url: redis://cache:6379, tls: { ca: ca.pem } }\nevidence:',
    ['42:40 redis.tls: TLS is asked for, and the URL says redis://: write rediss://'],
  ],
  [
    'a Redis nowhere',
    'evidence:',
    'redis: { ttl_seconds: 60 }\nevidence:',
    ["42:8 redis: nothing says where it is: give 'url', 'sentinels' or 'cluster'"],
  ],
  [
    'a Redis in three places',
    'evidence:',
    'redis:\n  url: redis://cache:6379\n  sentinels: ["s:26379"]\n  name: m\n  cluster: ["c:6379"]\nevidence:',
    [
      "44:14 redis.sentinels: 'url' says where it is already: keep one of the two",
      "46:12 redis.cluster: 'url' says where it is already: keep one of the two",
    ],
  ],
  [
    'sentinels of nobody',
    'evidence:',
    'redis: { sentinels: ["a:26379", "b:26379"] }\nevidence:',
    ["42:21 redis.sentinels: 'name' is missing: sentinels watch several primaries, say which"],
  ],
  [
    'keys of sentinels where there are none',
    'evidence:',
    'redis: { cluster: ["a:6379"], name: m, sentinel_username: u, sentinel_password: { env: P }, sentinel_tls: {} }\nevidence:',
    [
      "42:37 redis.name: belongs to 'sentinels', and there are none",
      "42:59 redis.sentinel_username: belongs to 'sentinels', and there are none",
      "42:81 redis.sentinel_password: belongs to 'sentinels', and there are none",
      "42:107 redis.sentinel_tls: belongs to 'sentinels', and there are none",
    ],
  ],
  [
    'a certificate for Redis without its key',
    'evidence:',
    'redis: { url: rediss://cache:6379, tls: { certificate: c } }\nevidence:',
    ["42:41 redis.tls: 'certificate' and 'key' go together: give both, or neither"],
  ],
])('%s', (_name, from, to, mistakes) => {
  expect(told(parseSettings(edited([from, to])))).toStrictEqual(mistakes)
})

test.each<[name: string, from: string, to: string, warnings: string[]]>([
  [
    'a gate in clear beyond loopback',
    'evidence:',
    "listeners: { gate: { address: '::' } }\nevidence:",
    ['42:31 listeners.gate.address: reached from other machines without TLS: put something before it that ends TLS'],
  ],
  [
    'a client of whose purpose no rule speaks',
    'purpose: [study, self_view]',
    'purpose: self_view',
    ["17:14 clients[1].purpose: no rule speaks of 'study': every request of 'office' is refused"],
  ],
  [
    'a rule of a kind that its purpose has not',
    'kind: load_curve',
    'kind: [load_curve, max_power]',
    ["35:11 rules[0].kind: 'max_power' is among the kinds of none of its purposes: no permission can exist for it"],
  ],
  [
    'a rule of a provider that is not there',
    "provider: '*'",
    'provider: [grdf-adict, enedis-data-connect]',
    ["36:15 rules[0].provider: 'grdf-adict' is not among the providers of this gate"],
  ],
  [
    'a Redis password in clear',
    'evidence:',
    'redis: { url: redis://cache:6379, password: { env: P } }\nevidence:',
    ['42:15 redis.url: the password crosses the network in clear: use rediss://'],
  ],
  [
    'a PostgreSQL elsewhere without TLS',
    'evidence:',
    'storage: { postgres: { host: db } }\nevidence:',
    ['42:30 storage.postgres.host: what is stored crosses the network in clear: set tls'],
  ],
  [
    'passwords to sentinels, and to what they name, in clear',
    'evidence:',
    'redis: { sentinels: ["s:26379", "t:26379"], name: m, password: { env: P }, sentinel_password: { env: Q } }\nevidence:',
    [
      "42:21 redis.sentinels: the password crosses the network in clear: add 'tls'",
      "42:95 redis.sentinel_password: the password crosses the network in clear: add 'sentinel_tls'",
    ],
  ],
  [
    'a password to a cluster in clear',
    'evidence:',
    'redis: { cluster: ["c:6379"], password: { env: P } }\nevidence:',
    ["42:19 redis.cluster: the password crosses the network in clear: add 'tls'"],
  ],
  [
    'one sentinel',
    'evidence:',
    'redis: { sentinels: ["127.0.0.1:26379"], name: m }\nevidence:',
    ['42:21 redis.sentinels: one sentinel: while it is away, no new primary is found; name the others too'],
  ],
])('is accepted with a warning: %s', (_name, from, to, warnings) => {
  const parsed = parseSettings(edited([from, to]))
  expect(parsed.ok).toBe(true)
  expect(told(parsed)).toStrictEqual(warnings)
})

test.each<[name: string, from: string, to: string]>([
  ['two ports that are picked', 'evidence:', 'listeners: { gate: { port: 0 }, ops: { port: 0 } }\nevidence:'],
  ['health on a closed network, as asked for', 'evidence:', "listeners: { ops: { address: '::', beyond_loopback: true } }\nevidence:"],
  [
    'a gate beyond loopback that ends TLS',
    'evidence:',
    "listeners: { gate: { address: '::', tls: { certificate: c, key: k } } }\nevidence:",
  ],
  ['a simulator on loopback', 'url: https://gw.ext.prod.api.enedis.fr', 'url: http://127.0.0.1:8090\n    allow_private: true'],
  ['a PostgreSQL here', 'evidence:', 'storage: { postgres: { host: 127.0.0.1 } }\nevidence:'],
  ['TLS to PostgreSQL', 'evidence:', 'storage: { postgres: { host: db, tls: { ca: c } } }\nevidence:'],
  ['TLS to Redis', 'evidence:', 'redis: { url: rediss://cache:6379/1, password: { env: P }, tls: { ca: c } }\nevidence:'],
  [
    'sentinels and servers by TLS, with certificates of their own',
    'evidence:',
    'redis: { sentinels: ["s:26379", "[2001:db8::1]:26379"], name: m, password: { env: P }, sentinel_username: u, sentinel_password: { env: Q }, tls: { ca: c, certificate: d, key: e }, sentinel_tls: {} }\nevidence:',
  ],
  ['a cluster by TLS', 'evidence:', 'redis: { cluster: ["c:6379", "10.0.0.1:7000"], password: { env: P }, tls: {}, gates: 4 }\nevidence:'],
  ['a password to Redis on loopback', 'evidence:', 'redis: { url: "redis://[::1]:6379", password: { env: P } }\nevidence:'],
  ['a rule for all purposes and a kind of none', 'purpose: self_view\n    kind: load_curve', "purpose: '*'\n    kind: identity"],
  ['a web page on loopback', 'refuses_narrowing: true', "cors_origins: ['http://localhost:3000', 'https://a.example']"],
])('is accepted without a warning: %s', (_name, from, to) => {
  const parsed = parseSettings(edited([from, to]))
  expect([parsed.ok, told(parsed)]).toStrictEqual([true, []])
})

test('an empty register, no clients, and a rule for all of it: nothing contradicts', () => {
  const parsed = parseSettings(
    SMALL.replace(/clients:[^]*(?=evidence:)/, "clients: []\npurposes: []\nrules: [{ id: a, purpose: '*', kind: '*', provider: '*' }]\n"),
  )
  expect([parsed.ok, told(parsed)]).toStrictEqual([true, []])
})

test('without any rule everything is refused, and one warning says so', () => {
  const parsed = parseSettings(SMALL.replace(/rules:[^]*(?=evidence:)/, 'rules: []\n'))
  expect(told(parsed)).toStrictEqual(['32:8 rules: no rule: every request is refused'])
})

test('secrets that the environment lacks are told, without refusing the file', () => {
  const parsed = parseSettings(SMALL, { env: { INDEX_KEY: 'x' } })
  expect(parsed.ok).toBe(true)
  expect(told(parsed)).toStrictEqual([
    '10:31 providers.enedis-data-connect.accounts[0].client_secret.env: environment variable ENEDIS_SECRET is not set here',
  ])
})
