/** What one value shows: types, bounds, unknown keys, URLs. Rows edit one line of a file that is accepted as it stands. */
import { expect, test } from 'vitest'
import { parseSettings } from '../../../src/settings/settings.ts'
import { edited, told } from './given.ts'

test.each<[name: string, from: string, to: string, mistakes: string[]]>([
  // What the schema refuses.
  [
    'an unknown key',
    'purpose: self_view\n  - id: office',
    'purposs: self_view\n  - id: office',
    ["12:5 clients[0].purpose: 'purpose' is missing", "14:5 clients[0].purposs: unknown key 'purposs', did you mean 'purpose'?"],
  ],
  [
    'an unknown key with nothing near',
    '  state: ./state',
    '  state: ./state\n  colour: blue',
    ["4:3 instance.colour: unknown key 'colour'"],
  ],
  ['an unknown section', 'evidence:', 'evidance: 1\nevidence:', ["42:1 evidance: unknown key 'evidance', did you mean 'evidence'?"]],
  [
    'keys of every object',
    'evidence:',
    '__proto__: 1\nconstructor: 2\nevidence:',
    ["42:1 __proto__: unknown key '__proto__'", "43:1 constructor: unknown key 'constructor'"],
  ],
  [
    'a missing section',
    'evidence:\n  keys:',
    'tokens: {}\nlogging:\n  keys:',
    ["1:1 evidence: 'evidence' is missing", "44:3 logging.keys: unknown key 'keys'"],
  ],
  ['a missing key', '  name: gate.test.example\n', '', ["1:1 instance.name: 'name' is missing"]],
  [
    'an id that reads as a number',
    'id: viriya',
    'id: 0123',
    ["12:9 clients[0].id: expected text, found a number: put it in quotes, '0123'"],
  ],
  [
    'an id of 20 digits',
    'id: viriya',
    'id: 12345678901234567890',
    ["12:9 clients[0].id: expected text, found a number: put it in quotes, '12345678901234567890'"],
  ],
  [
    'an id that reads as a truth value',
    'id: viriya',
    'id: true',
    ["12:9 clients[0].id: expected text, found true or false: put it in quotes, 'true'"],
  ],
  [
    'an id with a space',
    'id: viriya',
    'id: viri ya',
    ['12:9 clients[0].id: expected an identifier: letters, digits, dot, dash and underscore, at most 64'],
  ],
  [
    'a number in octal form',
    'longest_days: 400',
    'longest_days: 0400',
    ["41:19 rules[1].longest_days: '0400' is not a plain decimal number: it would be read as 400"],
  ],
  [
    'a number in hexadecimal',
    'longest_days: 400',
    'longest_days: 0x190',
    ["41:19 rules[1].longest_days: '0x190' is not a plain decimal number: it would be read as 400"],
  ],
  [
    'a number in quotes',
    'longest_days: 400',
    "longest_days: '400'",
    ['41:19 rules[1].longest_days: expected a whole number, found text: write it without quotes or unit'],
  ],
  [
    'a number that is not whole',
    'longest_days: 400',
    'longest_days: 4.5',
    ['41:19 rules[1].longest_days: expected a whole number, found a number'],
  ],
  ['a number too small', 'longest_days: 400', 'longest_days: 0', ['41:19 rules[1].longest_days: must be at least 1']],
  ['a number too large', 'longest_days: 400', 'longest_days: 99999', ['41:19 rules[1].longest_days: must be at most 36600']],
  [
    'a truth value of older YAML',
    'refuses_narrowing: true',
    'refuses_narrowing: yes',
    ['18:24 clients[1].refuses_narrowing: expected true or false, found text: write it without quotes or unit'],
  ],
  ['an empty value', 'state: ./state', 'state:', ['3:9 instance.state: expected text, found nothing: remove the key, or give it a value']],
  ['an empty text', 'state: ./state', "state: ''", ['3:10 instance.state: expected some text']],
  [
    'a value for a map',
    'keys:\n    signing: { file: signing.key }\n    master: { file: /keys/master.key }\n    index: { env: INDEX_KEY }',
    'keys: none',
    ['43:9 evidence.keys: expected a map of keys, found text'],
  ],
  ['a map for a list', 'kinds: [daily_energy]', 'kinds: {}', ['30:12 purposes[1].kinds: expected a list, found a map of keys']],
  [
    'a list that must not be empty',
    'accounts:\n      - id: main\n        client_id: app\n        client_secret: { env: ENEDIS_SECRET }',
    'accounts: []',
    ['7:15 providers.enedis-data-connect.accounts: expected at least one'],
  ],
  [
    'a value of a closed list',
    'refuses_narrowing: true',
    'denial_style: domotics',
    ["18:19 clients[1].denial_style: expected one of 'native', 'enedis', 'domoticz', 'conso', did you mean 'domoticz'?"],
  ],
  [
    'a generation without quotes',
    'accounts:',
    'generation: 2026\n    accounts:',
    ["7:17 providers.enedis-data-connect.generation: expected one of '2026', 'v5': put it in quotes, '2026'"],
  ],
  [
    'an unknown kind in a rule',
    'kind: load_curve',
    'kind: loadcurve',
    [
      "35:11 rules[0].kind: expected one of '*', 'load_curve', 'daily_energy', 'published_reading', 'index', 'max_power', 'contract_data', 'technical_data', 'address', 'identity', 'contact', 'infraday', 'aggregate', or a list of them, did you mean 'load_curve'?",
    ],
  ],
  [
    'an unknown provider in a list',
    "provider: '*'",
    'provider: [enedis-sge, grdf]',
    ["36:28 rules[0].provider[1]: expected one of 'enedis-data-connect', 'enedis-sge', 'grdf-adict'"],
  ],
  [
    'a purpose in capitals',
    'purpose: self_view\n    kind',
    'purpose: Self\n    kind',
    ["34:14 rules[0].purpose: expected the code of a purpose: small letters, digits and underscore, at most 64; or a list of them, or '*'"],
  ],
  [
    'a name that is no host',
    'name: gate.test.example',
    'name: Gate',
    ['2:9 instance.name: expected a name like that of a host: gate.example.fr, in small letters'],
  ],
  [
    'an origin with a scheme',
    'evidence:',
    'evidence:\n  origin: https://a.example/x',
    ['43:11 evidence.origin: expected the origin of a log, without scheme: audit.example.fr/journal/2027, at most 200 characters'],
  ],
  [
    'an idle time under 75 s',
    'evidence:',
    'listeners: { gate: { idle_seconds: 60 } }\nevidence:',
    ['42:36 listeners.gate.idle_seconds: must be at least 75'],
  ],
  [
    'an address that is a name',
    'evidence:',
    'listeners: { gate: { address: example.fr } }\nevidence:',
    ['42:31 listeners.gate.address: expected an IP address, such as 127.0.0.1 or ::, or localhost'],
  ],

  [
    'two letters swapped',
    'name: Viriya',
    'nmae: Viriya',
    ["12:5 clients[0].name: 'name' is missing", "13:5 clients[0].nmae: unknown key 'nmae', did you mean 'name'?"],
  ],
  [
    'a number of 20 digits',
    'longest_days: 400',
    'longest_days: 12345678901234567890',
    ['41:19 rules[1].longest_days: must be at most 36600'],
  ],
  [
    'limits of a rule that are none',
    'longest_days: 400',
    'oldest_days: 0\n    calls_per_hour: 0',
    ['41:18 rules[1].oldest_days: must be at least 1', '42:21 rules[1].calls_per_hour: must be at least 1'],
  ],
  // URLs.
  [
    'plain http beyond loopback',
    'https://gw.ext.prod.api.enedis.fr',
    'http://gw.ext.prod.api.enedis.fr',
    ['6:10 providers.enedis-data-connect.url: expected https: plain http is for loopback addresses only'],
  ],
  [
    'a URL with a path',
    'api.enedis.fr',
    'api.enedis.fr/x',
    ['6:10 providers.enedis-data-connect.url: expected an origin: no path, no query, no fragment'],
  ],
  [
    'no URL',
    'https://gw.ext.prod.api.enedis.fr',
    'gw.ext.prod.api.enedis.fr',
    ['6:10 providers.enedis-data-connect.url: expected https://HOST, with :PORT where needed'],
  ],
  [
    'a private address',
    'https://gw.ext.prod.api.enedis.fr',
    'https://10.1.2.3',
    ["6:10 providers.enedis-data-connect.url: a private address: set 'allow_private: true' if this is a simulator"],
  ],
  [
    'a loopback address',
    'https://gw.ext.prod.api.enedis.fr',
    'http://[::1]:8090',
    ["6:10 providers.enedis-data-connect.url: a private address: set 'allow_private: true' if this is a simulator"],
  ],
  [
    'a web origin with a slash',
    'refuses_narrowing: true',
    'cors_origins: [https://a.example/]',
    ['18:20 clients[1].cors_origins[0]: expected an origin as browsers send it: no final slash'],
  ],
  [
    'an address to which no code can be sent back',
    'refuses_narrowing: true',
    "oauth: { redirect_uris: ['https://a.example/cb#part', 'https://a.example/cb?to=me'] }",
    ['18:30 clients[1].oauth.redirect_uris[0]: expected an address without a part after #: no code can be sent there'],
  ],
  [
    'a Redis URL of another scheme',
    'evidence:',
    'redis: { url: http://cache:6379 }\nevidence:',
    ['42:15 redis.url: expected redis://HOST:PORT or rediss://HOST:PORT, with /N for a database'],
  ],
  [
    'a Redis URL with options',
    'evidence:',
    'redis: { url: "redis://cache:6379?db=1" }\nevidence:',
    ['42:15 redis.url: expected no query and no fragment'],
  ],
  [
    'places of Redis that are none',
    'evidence:',
    'redis: { cluster: ["cache", "c:70000", "redis://c:1", "u@c:1"] }\nevidence:',
    [
      '42:20 redis.cluster[0]: expected HOST:PORT, such as cache-1.example.fr:6379',
      '42:29 redis.cluster[1]: expected HOST:PORT, such as cache-1.example.fr:6379',
      '42:40 redis.cluster[2]: expected HOST:PORT, such as cache-1.example.fr:6379',
      '42:55 redis.cluster[3]: expected HOST:PORT, such as cache-1.example.fr:6379',
    ],
  ],
])('%s', (_name, from, to, mistakes) => {
  expect(told(parseSettings(edited([from, to])))).toStrictEqual(mistakes)
})
