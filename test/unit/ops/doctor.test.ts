/** What `ecluse doctor` finds on real folders, files, sockets and servers, and that it tells no secret. */
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:https'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { certificates } from '../../../src/doctor-certificates.ts'
import { clock, disk, fsyncFinding } from '../../../src/doctor-machine.ts'
import { dataHolders, ports, redisServer } from '../../../src/doctor-network.ts'
import { examine } from '../../../src/doctor.ts'
import type { Millis } from '../../../src/domain/time.ts'
import { initInstance } from '../../../src/init.ts'
import type { Finding } from '../../../src/ops/finding.ts'
import type { Settings } from '../../../src/settings/shape.ts'
import { readSettings } from '../../../src/settings/settings.ts'
import { aGate } from '../../harness/gate.ts'
import type { FakeHolder } from '../../harness/holder.ts'
import { answer, fakeHolder } from '../../harness/holder.ts'

const SECRET = 'canary-client-secret'
const tlsFile = (name: string): string => join(import.meta.dirname, '..', '..', 'fixtures', 'tls', name)

let folder = ''
let holder: FakeHolder
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-doctor-'))
  holder = await fakeHolder()
})
afterEach(async () => {
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

/** An instance as `init` makes it, with what an operator then writes into it. */
async function instance(change: (text: string) => string = (text) => text): Promise<string> {
  const { settings, enedisSecret } = await initInstance(folder, { name: 'gate.test.example', sandbox: holder.url })
  writeFileSync(enedisSecret, SECRET)
  const text = readFileSync(settings, 'utf8')
    .replace(/client_id: \S+/, 'client_id: application')
    .replaceAll(/^( +port): \d+$/gm, '$1: 0')
    .replace('low_water_mb: 512', 'low_water_mb: 16')
  writeFileSync(settings, change(text))
  return settings
}
async function settingsOf(file: string): Promise<Settings> {
  const read = await readSettings(file, {})
  if (!read.ok) throw new Error(JSON.stringify(read.mistakes))
  return read.settings
}
/** `standing check: sentence`, of one check or of all. */
const told = (findings: readonly Finding[], check?: string): string[] =>
  findings.filter((f) => check === undefined || f.check === check).map((f) => `${f.standing} ${f.check}: ${f.says}`)
const failures = (findings: readonly Finding[]): string[] => told(findings.filter((f) => f.standing === 'fail'))

test('a good instance: nothing fails, each check has its line, and the only call is for a token', async () => {
  const heard: string[] = []
  const findings = await examine(await instance(), {}, { onCheck: (name) => heard.push(name), onFinding: (f) => heard.push(f.check) })
  expect(failures(findings)).toStrictEqual([])
  for (const check of ['settings', 'clock', 'state', 'lock', 'disk', 'fsync', 'secrets', 'enedis-data-connect'])
    expect(told(findings, check)).not.toStrictEqual([])
  expect(told(findings, 'secrets')).toStrictEqual([
    'ok secrets: client_secret of account main is there',
    'ok secrets: the three keys have 32 bytes, differ',
  ])
  expect(told(findings, 'enedis-data-connect')[1]).toMatch(/^ok enedis-data-connect: account main gets an application token \(\d+ ms\)$/)
  expect([holder.calls.length, holder.tokenCalls.length]).toStrictEqual([0, 1])
  expect(heard.filter((name) => name === 'clock')).toHaveLength(2)
})

test('as init left it: the placeholders are what fails', async () => {
  const { settings } = await initInstance(folder, { name: 'gate.test.example' })
  const text = readFileSync(settings, 'utf8')
    .replace(/url: https:.*/, `url: ${holder.url}`)
    .replace('allow_private: false', 'allow_private: true')
  writeFileSync(settings, text)
  const findings = await examine(settings, {})
  expect(failures(findings)).toContain('fail secrets: account main has the placeholders that ecluse init made')
})

test('settings with mistakes: each with its place, and nothing else is looked at', async () => {
  const file = await instance((text) => text.replace('  node: gate-1', '  node: gate-1\n  nmae: x'))
  const findings = await examine(file, {})
  expect(findings).toStrictEqual([
    {
      check: 'settings',
      standing: 'fail',
      says: expect.stringMatching(/ecluse\.yaml:\d+:3: instance\.nmae: unknown key 'nmae', did you mean 'name'\?$/) as string,
      todo: 'correct the file; ecluse check FILE reads it again',
    },
  ])
})

test('NODE_TLS_REJECT_UNAUTHORIZED=0 fails', async () => {
  const findings = await examine(await instance(), { NODE_TLS_REJECT_UNAUTHORIZED: '0' })
  expect(failures(findings)).toStrictEqual(['fail environment: NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates'])
})

test.each<[string, (secrets: string) => void, RegExp]>([
  [
    'readable by others',
    (s) => chmodSync(join(s, 'enedis-client-secret'), 0o644),
    /client_secret of account main: .* can be reached by others \(mode 0644\)/,
  ],
  ['gone', (s) => rmSync(join(s, 'master.key')), /master key: .* cannot be opened \(ENOENT\)/],
  ['short', (s) => writeFileSync(join(s, 'index.key'), Buffer.alloc(31, 7).toString('base64')), /the index key does not have 32 bytes/],
  ['one for two', (s) => copyFileSync(join(s, 'index.key'), join(s, 'master.key')), /two of the three keys are the same/],
])('a secret that is %s', async (_how, spoil, sentence) => {
  const file = await instance()
  spoil(join(folder, 'secrets'))
  const found = failures(await examine(file, {}))
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(sentence)
})

test('no secret is told, whatever is wrong with it', async () => {
  const file = await instance()
  const secrets = ['enedis-client-secret', 'signing.key', 'master.key', 'index.key'].map((name) => join(folder, 'secrets', name))
  const contents = secrets.map((path) => readFileSync(path, 'utf8').trim())
  for (const mode of [0o600, 0o644]) {
    for (const path of secrets) chmodSync(path, mode)
    for (const script of [holder.tokenScript, refuse]) {
      holder.tokenScript = script
      const all = JSON.stringify(await examine(file, {}))
      for (const content of contents) expect(all).not.toContain(content)
    }
  }
})

const refuse: FakeHolder['tokenScript'] = (_request, socket) =>
  answer(socket, 401, JSON.stringify({ error: 'invalid_client', error_description: `not ${SECRET}` }))

test('beside a running gate: it is found, its ports are not tried, and its state is read without harm', async () => {
  const gate = await aGate()
  try {
    await gate.permit({ id: 'p1' })
    const findings = await examine(gate.config, gate.env)
    expect(failures(findings)).toStrictEqual([])
    expect(told(findings, 'lock')).toStrictEqual([`ok lock: a gate runs on ${gate.state}`])
    expect(told(findings, 'ports')).toStrictEqual([])
    expect(told(findings, 'secrets').at(-1)).toBe('ok secrets: the three keys have 32 bytes, differ, and are those of this state')
    const last = (await gate.entries()).at(-1)
    expect(told(findings, 'clock')[0]).toContain(`after the last entry (${last?.at.slice(0, 10)}`)
  } finally {
    await gate.stop()
  }
})

test('keys of another instance, and a clock that went back, are found before the gate refuses to start', async () => {
  const gate = await aGate({ folder, holder })
  const { config, env } = gate
  await gate.permit({ id: 'p1' })
  await gate.stop()
  expect(failures(await examine(config, env))).toStrictEqual([])
  for (const [name, variable] of Object.entries({ signing: 'TEST_SIGNING_KEY', master: 'TEST_MASTER_KEY', index: 'TEST_INDEX_KEY' })) {
    const other = { ...env, [variable]: Buffer.alloc(32, 9).toString('hex') }
    expect(failures(await examine(config, other))).toStrictEqual([
      `fail secrets: the ${name} key is not the one of the state in ${join(folder, 'state')}`,
    ])
  }
  const read = await readSettings(config, env)
  if (!read.ok) throw new Error('read before')
  const hour = 3_600_000
  expect(clock(read.settings, (Date.now() - hour) as Millis)[0]).toMatchObject({
    standing: 'fail',
    says: expect.stringContaining('the gate does not start') as string,
  })
  expect(clock(read.settings, 0 as Millis)[0]).toMatchObject({
    standing: 'fail',
    says: 'it says 1970-01-01T00:00:00.000Z, which cannot be',
  })
  expect(clock(read.settings)[0]?.standing).not.toBe('fail')
})

test('a folder that another process owns and does not answer for', async () => {
  const file = await instance()
  writeFileSync(join(folder, 'state', 'lock.db'), '', { mode: 0o600 })
  const lock = new DatabaseSync(join(folder, 'state', 'lock.db'))
  lock.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  try {
    expect(failures(await examine(file, {}))[0]).toMatch(/^fail lock: another process owns .* and does not answer on its control socket$/)
  } finally {
    lock.close()
  }
  expect(failures(await examine(file, {}))).toStrictEqual([])
})

test('a state folder that others reach is told; files of it that they can read fail', async () => {
  const file = await instance()
  const state = join(folder, 'state')
  chmodSync(state, 0o755)
  writeFileSync(join(state, 'keys.db'), '', { mode: 0o644 })
  const found = told(await examine(file, {}), 'state')
  expect(found).toStrictEqual([
    `warn state: ${state} can be reached by others (mode 0755)`,
    `fail state: ${join(state, 'keys.db')} can be read by others (mode 0644)`,
  ])
})

test('a state folder that does not exist, and one that is a file', async () => {
  const file = await instance()
  rmSync(join(folder, 'state'), { recursive: true })
  expect(told(await examine(file, {}), 'state')[0]).toMatch(/^ok state: .* does not exist yet: the first start makes it$/)
  writeFileSync(join(folder, 'state'), '')
  expect(failures(await examine(file, {})).join()).toContain('is not a folder')
})

test('room on the disk: none left, little left, enough', async () => {
  const settings = await settingsOf(await instance())
  const low = (lowWaterMb: number): string | undefined => disk({ ...settings, evidence: { ...settings.evidence, lowWaterMb } })[0]?.standing
  const free = Number(/^(\d+) MB free/.exec(disk(settings)[0]?.says ?? '')?.[1])
  expect([low(2 * free), low(Math.floor(0.75 * free)), low(Math.floor(free / 4))]).toStrictEqual(['fail', 'warn', 'ok'])
})

test('a state folder in memory fails', async () => {
  const settings = await settingsOf(await instance())
  const found = disk({ ...settings, instance: { ...settings.instance, state: '/dev/shm/ecluse-doctor' } })
  expect(failures(found)).toStrictEqual(['fail disk: /dev/shm lies in memory (tmpfs): evidence is gone with the power'])
})

test.each([
  [0.004, 'warn', 'a write reaches the disk in 4 µs: faster than disks are'],
  [0.7, 'ok', 'a write reaches the disk in 700 µs'],
  [2.5, 'ok', 'a write reaches the disk in 2.5 ms'],
  [80, 'warn', 'a write reaches the disk in 80.0 ms: each request waits for that twice'],
])('an fsync of %d ms', (ms, standing, says) => {
  expect(fsyncFinding([ms, ms, ms * 100])).toMatchObject({ check: 'fsync', standing, says })
})

test.each<[string, string, string, string[]]>([
  ['a good pair', 'server.pem', 'server.key', []],
  ['ended', 'expired.pem', 'server.key', [expect.stringMatching(/^fail certificates: .* ended on 2021-01-01$/) as string]],
  ['the key of another', 'server.pem', 'other.key', [expect.stringMatching(/other\.key is not the key of .*server\.pem$/) as string]],
  ['no names', 'nameless.pem', 'server.key', [expect.stringMatching(/^warn certificates: .* names no host/) as string]],
  [
    'a key that is none',
    'server.pem',
    'ca.pem',
    [expect.stringMatching(/^fail certificates: the private key .*ca\.pem cannot be read/) as string],
  ],
  [
    'a certificate that is none',
    'README.md',
    'server.key',
    [expect.stringMatching(/^fail certificates: .* cannot be read as a certificate/) as string],
  ],
  ['a certificate that is gone', 'gone.pem', 'server.key', [expect.stringMatching(/\(ENOENT\)$/) as string]],
])('the certificate of the listener: %s', async (_what, certificate, key, expected) => {
  const settings = await settingsOf(await instance())
  const copy = join(folder, 'tls.key')
  copyFileSync(tlsFile(key), copy)
  const own = key === 'server.key' ? copy : tlsFile(key)
  chmodSync(copy, 0o600)
  const tls = { certificate: tlsFile(certificate), key: own, clientCertificates: false }
  const found = certificates({ ...settings, listeners: { ...settings.listeners, gate: { ...settings.listeners.gate, tls } } })
  expect(told(found.filter((f) => f.standing !== 'ok' && !f.says.endsWith('can be read by others')))).toStrictEqual(expected)
  chmodSync(copy, 0o644)
  const open = certificates({
    ...settings,
    listeners: { ...settings.listeners, gate: { ...settings.listeners.gate, tls: { ...tls, key: copy } } },
  })
  if (expected.length === 0) expect(told(open).at(-1)).toBe(`warn certificates: ${copy} can be read by others`)
})

test('an authority of Enedis that ended', async () => {
  const settings = await settingsOf(await instance())
  const dc = settings.providers['enedis-data-connect']
  const found = certificates({ ...settings, providers: { 'enedis-data-connect': { ...dc, ca: tlsFile('expired.pem') } } })
  expect(told(found)).toStrictEqual([expect.stringMatching(/^fail certificates: authority of enedis-data-connect .* ended on 2021-01-01$/)])
})

test('ports: free ones, one that is taken, one that is nobody’s address', async () => {
  const settings = await settingsOf(await instance())
  const taken = createTcpServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const at = (gate: { address: string; port: number }): Promise<Finding[]> =>
    ports({ ...settings, listeners: { ...settings.listeners, gate: { ...settings.listeners.gate, ...gate } } })
  expect(told(await at({ address: '127.0.0.1', port }))).toStrictEqual([
    `fail ports: 127.0.0.1:${port} (gate) cannot be taken (EADDRINUSE)`,
  ])
  await new Promise((resolve) => taken.close(resolve))
  expect(told(await at({ address: '127.0.0.1', port }))).toStrictEqual([`ok ports: 127.0.0.1:${port} (gate) is free`])
  expect(told(await at({ address: '192.0.2.1', port }))).toStrictEqual([
    `fail ports: 192.0.2.1:${port} (gate) cannot be taken (EADDRNOTAVAIL)`,
  ])
})

type DataConnect = Settings['providers']['enedis-data-connect']
async function holderFindings(change: { readonly [K in keyof DataConnect]?: DataConnect[K] | undefined }): Promise<string[]> {
  const settings = await settingsOf(await instance())
  const dc = { ...settings.providers['enedis-data-connect'], ...change } as DataConnect
  return told(await dataHolders({ ...settings, providers: { 'enedis-data-connect': dc } }, {}))
}

test('credentials that the data holder refuses', async () => {
  holder.tokenScript = refuse
  expect((await holderFindings({})).at(-1)).toMatch(/^fail enedis-data-connect: account main gets no application token \(.*401\)$/)
})

test('a data holder that is not there, by address and by name', async () => {
  const { url } = holder
  await holder.close()
  expect((await holderFindings({ url })).at(-1)).toMatch(/gets no application token \(ECONNREFUSED\)$/)
  rmSync(folder, { recursive: true })
  expect(await holderFindings({ url: 'https://enedis.invalid' })).toStrictEqual([
    expect.stringMatching(/^fail enedis-data-connect: the name enedis\.invalid cannot be resolved \(E\w+\)$/),
  ])
})

test('a name that leads to this machine is not called', async () => {
  const url = holder.url.replace('127.0.0.1', 'localhost')
  expect(await holderFindings({ url, allowPrivate: false })).toStrictEqual([
    'fail enedis-data-connect: localhost leads to a private address, where no call is made',
  ])
  expect([holder.open, holder.tokenCalls.length]).toStrictEqual([0, 0])
})

test.each<[string, string, string | undefined, string | RegExp]>([
  ['trusted', 'server.pem', 'ca.pem', /^ok enedis-data-connect: TLSv1\.3; the certificate of localhost is in force until 2120-01-01$/],
  ['of an authority that is not trusted', 'server.pem', undefined, /^fail .* shows a certificate that is not trusted \(\w+\)$/],
  ['that ended', 'expired.pem', 'ca.pem', /^fail .* not trusted \(CERT_HAS_EXPIRED\)$/],
])('a data holder whose certificate is %s', async (_what, certificate, ca, sentence) => {
  let requests = 0
  const server: Server = createServer(
    { cert: readFileSync(tlsFile(certificate)), key: readFileSync(tlsFile('server.key')) },
    (_message, res) => {
      requests += 1
      res.writeHead(200, { 'Content-Type': 'application/json' }).end('{"access_token":"t","token_type":"Bearer","expires_in":60}')
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  try {
    const found = await holderFindings({ url, ca: ca === undefined ? undefined : tlsFile(ca) })
    expect(found[1]).toMatch(sentence)
    expect(requests).toBe(found[1]?.startsWith('ok') ? 1 : 0)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

test('a data holder that takes the connection and never speaks TLS', async () => {
  const silent = createTcpServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const settings = await settingsOf(await instance())
  const { timeouts } = settings.providers['enedis-data-connect']
  rmSync(folder, { recursive: true })
  const found = await holderFindings({ url: `https://localhost:${port}`, timeouts: { ...timeouts, connectSeconds: 1 } })
  expect(found[1]).toBe(`fail enedis-data-connect: localhost:${port} does not answer within 1 s`)
  silent.close()
})

test('Redis that is not there is told, and is no failure', async () => {
  const settings = await settingsOf(await instance())
  const closed = createTcpServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const redis = { url: `redis://127.0.0.1:${port}`, ttlSeconds: 300, commandTimeoutMs: 50, gates: 2 }
  expect(told(await redisServer({ ...settings, redis }, {}))).toStrictEqual([
    `warn redis: 127.0.0.1:${port} cannot be reached (ECONNREFUSED)`,
  ])
  expect(await redisServer(settings, {})).toStrictEqual([])
})
