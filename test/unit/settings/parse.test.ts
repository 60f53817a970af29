/** Reading a settings file as a whole: complete settings, or all mistakes at once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { formatMistakes, parseSettings, readSettings } from '../../../src/settings/settings.ts'
import { edited, SMALL, told } from './given.ts'

test('the file that the rows edit is accepted without a warning', () => {
  expect(told(parseSettings(SMALL))).toStrictEqual([])
})

test('all mistakes come at once, in the order of the file, and a broken item hides no other', () => {
  const text = edited(
    ['name: gate.test.example', 'name: X'],
    ['id: viriya', 'id: 0123'],
    ['purpose: study\n', 'purpose: studi\n'],
    ['version: 2', 'version: two'],
    ['longest_days: 400', 'longest: 400'],
  )
  expect(told(parseSettings(text))).toStrictEqual([
    '2:9 instance.name: expected a name like that of a host: gate.example.fr, in small letters',
    "12:9 clients[0].id: expected text, found a number: put it in quotes, '0123'",
    "17:14 clients[1].purpose: no purpose 'studi' in the register, did you mean 'study'?",
    '27:14 purposes[1].version: expected a whole number, found text: write it without quotes or unit',
    "41:5 rules[1].longest: unknown key 'longest'",
  ])
})

test('settings are complete: defaults, absolute paths, limits of each client', () => {
  const parsed = parseSettings(
    edited(
      ['name: Viriya', 'name: Viriya\n    limits: { concurrency: 3 }'],
      ['evidence:', 'client_limits: { requests_per_second: 7 }\nevidence:'],
    ),
    { file: '/etc/ecluse/ecluse.yaml' },
  )
  if (!parsed.ok) throw new Error(formatMistakes('edited', parsed.mistakes))
  const { settings } = parsed
  expect(settings.instance).toStrictEqual({ name: 'gate.test.example', node: 'gate-1', state: '/etc/ecluse/state' })
  expect(settings.listeners).toStrictEqual({
    gate: {
      address: '127.0.0.1',
      port: 8080,
      proxies: [],
      idleSeconds: 75,
      limits: { headerBytes: 16_384, targetBytes: 4096, headersSeconds: 10, requestSeconds: 30, maxConnections: 2000 },
    },
    ops: { address: '127.0.0.1', port: 9090, beyondLoopback: false },
  })
  expect(settings.providers['enedis-data-connect']).toStrictEqual({
    generation: '2026',
    url: 'https://gw.ext.prod.api.enedis.fr',
    allowPrivate: false,
    timeouts: { connectSeconds: 5, headersSeconds: 30, bodySeconds: 30, totalSeconds: 300, slowClientSeconds: 60 },
    maxAnswerBytes: 33_554_432,
    connections: 32,
    accounts: [{ id: 'main', clientId: 'app', clientSecret: { env: 'ENEDIS_SECRET' }, quota: { perSecond: 5, perHour: 1000 } }],
    limits: [
      { kind: 'load_curve', callDays: 7, history: { months: 24, days: 15 } },
      { kind: 'daily_energy', callDays: 365, history: { months: 36, days: 15 } },
      { kind: 'max_power', callDays: 365, history: { months: 36, days: 15 } },
    ],
  })
  expect(settings.evidence).toStrictEqual({
    keys: { signing: { file: '/etc/ecluse/signing.key' }, master: { file: '/keys/master.key' }, index: { env: 'INDEX_KEY' } },
    checkpointSeconds: 1,
    queue: { rows: 10_000, bytes: 16_777_216, backlog: 100_000 },
    lowWaterMb: 512,
  })
  expect(settings.clients[0]).toStrictEqual({
    id: 'viriya',
    name: 'Viriya',
    purpose: 'self_view',
    denialStyle: 'native',
    refusesNarrowing: false,
    identifiesBy: ['bearer'],
    certificates: [],
    disabled: false,
    corsOrigins: [],
    oauth: { redirectUris: [], public: false, format: 'opaque', rotateRefresh: true, refreshDays: 1461 },
    limits: { concurrency: 3, refusalsPerMinute: 60, requestsPerSecond: 7 },
  })
  expect(settings.tokens).toStrictEqual({ ttlSeconds: 12_600, perCredentialCap: 20 })
  expect(settings.logging).toStrictEqual({ level: 'info' })
  expect(settings).not.toHaveProperty('redis')
})

test('mistakes are printed as compilers do', () => {
  const parsed = parseSettings(edited(['id: viriya', 'id: 7']))
  expect(formatMistakes('a.yaml', parsed.ok ? [] : parsed.mistakes)).toBe(
    "a.yaml:12:9: clients[0].id: expected text, found a number: put it in quotes, '7'",
  )
  expect(formatMistakes('a.yaml', [{ line: 1, column: 1, path: '', message: 'the file is empty' }])).toBe('a.yaml:1:1: the file is empty')
})

test('a file is read with its folder as base; one that cannot be read is a mistake', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ecluse-settings-'))
  try {
    const file = join(folder, 'a.yaml')
    expect(told(await readSettings(file, {}))).toStrictEqual(['1:1 : cannot be read (ENOENT)'])
    expect(told(await readSettings(folder, {}))).toStrictEqual(['1:1 : cannot be read (EISDIR)'])
    await writeFile(file, Buffer.from([0x61, 0x3a, 0x20, 0xff]))
    expect(told(await readSettings(file, {}))).toStrictEqual(['1:1 : not UTF-8 text'])
    await writeFile(file, '#'.repeat(2_000_000))
    expect(told(await readSettings(file, {}))).toStrictEqual(['1:1 : the file is larger than 1 MiB'])
    await writeFile(file, SMALL)
    const parsed = await readSettings(file, { ENEDIS_SECRET: 'a', INDEX_KEY: 'b' })
    expect(parsed.ok && parsed.settings.instance.state).toBe(join(folder, 'state'))
    expect(told(parsed)).toStrictEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})
