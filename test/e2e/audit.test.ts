/**
 * The auditor's commands against a gate that runs, and against what it hands over: each as a process of its own, with
 * what it prints and its exit code.
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Call, Exported } from '../../src/audit.ts'
import { exportPack, replayState } from '../../src/audit.ts'
import { explainEntry } from '../../src/explain.ts'
import { signerOf, vkeyOf } from '../../src/evidence/log/note.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { Entry, TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, OTHER_METER, permissionTree, today } from '../harness/settings.ts'

const execute = promisify(execFile)
const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'ecluse-audit-'))
const STRANGE_METER = '10000000000003'
const DOCUMENT = Buffer.from(`%PDF-1.4 a mandate ${randomBytes(8).toString('hex')}`)

interface Asked {
  readonly status: number
  readonly entry: string
  readonly reason: string | null
}
let gate: TestGate
let vkey = ''
const asked: Record<string, Asked> = {}

beforeAll(async () => {
  gate = await aGate()
  await gate.permit(
    { id: 'plain', from: today(-100), until: today(-10) },
    { id: 'office-1', client: 'office', from: today(-100), until: today(-10) },
    { id: 'withdrawn', client: 'domoticz', from: today(-100), until: today(-10) },
  )
  const line = (more: object) => ({ direction: 'withdrawal', purpose: 'self_view', from: today(-60), until: today(-10), ...more })
  const recurring = permissionTree({
    id: 'recurring',
    meter: OTHER_METER,
    lines: [
      line({ kind: 'load_curve', finest: 'PT30M', coarser: 'none', recurrence: 'P1D' }),
      line({ kind: 'daily_energy', finest: 'P1D', recurrence: 'once' }),
    ],
  })
  const text = JSON.stringify({
    permissions: [{ ...recurring, attachments: [{ kind: 'signed_mandate', file: 'm.pdf', media_type: 'application/pdf' }] }],
  })
  await gate.command('permission import', { text, documents: { 'm.pdf': DOCUMENT.toString('base64') }, dryRun: false, unverified: true })
  vkey = (await gate.command<{ vkey: string }>('status', {})).vkey

  const [viriya, office, domoticz] = [await gate.token(), await gate.token('office'), await gate.token('domoticz')]
  const ask = async (name: string, path: string, token: string): Promise<void> => {
    const answer = await fetch(gate.url + path, bearer(token))
    await answer.arrayBuffer()
    asked[name] = { status: answer.status, entry: answer.headers.get('audit-entry') ?? '', reason: answer.headers.get('ecluse-reason') }
  }
  const daily = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${OTHER_METER}&dateDebut=${today(-60)}&dateFin=${today(-10)}`
  await ask('allowed', curve(METER, today(-20), today(-18)), viriya)
  await ask('narrowed', curve(METER, today(-30), today(-8)), viriya)
  const { script } = gate.holder
  gate.holder.script = (_request, socket) => {
    gate.holder.script = script
    socket.destroy()
  }
  await ask('retried', curve(METER, today(-25), today(-20)), viriya)
  await ask('recurring', curve(OTHER_METER, today(-20), today(-18)), viriya)
  await ask('too often', curve(OTHER_METER, today(-20), today(-18)), viriya)
  await ask('the rest of a day', curve(OTHER_METER, today(-21), today(-18)), viriya)
  await ask('once', daily, viriya)
  await ask('once more', daily, viriya)
  await ask('nobody gave it', curve(STRANGE_METER, today(-20), today(-18)), viriya)
  await ask('no part wanted', curve(METER, today(-30), today(-8)), office)
  await ask('unknown', '/mesure_synchrone_auto/v2/no_such_series', viriya)
  await ask('before withdrawal', curve(METER, today(-20), today(-18)), domoticz)
  await gate.command('permission withdraw', { permission: 'withdrawn' })
  await ask('after withdrawal', curve(METER, today(-20), today(-18)), domoticz)
}, 60_000)
afterAll(async () => {
  await gate.stop()
  rmSync(scratch, { recursive: true, force: true })
})

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}
async function run(program: string, ...words: readonly string[]): Promise<Ran> {
  const { ECLUSE_CONFIG: _, ...env } = process.env
  try {
    const { stdout, stderr } = await execute(program, words, { env, maxBuffer: 1e8 })
    return { exit: 0, out: stdout, err: stderr }
  } catch (error) {
    const failed = error as { readonly code?: number; readonly stdout?: string; readonly stderr?: string }
    if (typeof failed.code !== 'number') throw error
    return { exit: failed.code, out: failed.stdout ?? '', err: failed.stderr ?? '' }
  }
}
const ecluse = (...words: readonly string[]): Promise<Ran> => run(process.execPath, main, ...words)
const onState = (...words: readonly string[]): Promise<Ran> => ecluse(...words, '--state', gate.state)
const numberOf = (name: string): number => Number(asked[name]!.entry.split('/').at(-1))
const last = async (): Promise<Entry> => (await gate.entries()).at(-1)!

test('the situation is what the tests below are about', () => {
  expect(Object.entries(asked).map(([name, { status, reason }]) => `${name}: ${status} ${reason}`)).toStrictEqual([
    'allowed: 200 null',
    'narrowed: 200 null',
    'retried: 200 null',
    'recurring: 200 null',
    'too often: 429 too_often',
    'the rest of a day: 200 null',
    'once: 200 null',
    'once more: 403 not_active',
    'nobody gave it: 403 no_permission',
    'no part wanted: 403 period_outside',
    'unknown: 404 unknown_route',
    'before withdrawal: 200 null',
    'after withdrawal: 403 withdrawn',
  ])
})

describe('audit verify', () => {
  test('accepts the log of the running gate, and says under which key', async () => {
    const own = await ecluse('audit', 'verify', gate.state)
    expect(own).toMatchObject({ exit: 0, err: '' })
    expect(own.out).toContain('verified: gate.test.localhost/journal/')
    expect(own.out).toContain(`under the key that the log itself names, ${vkey}: compare it`)
    // What is asked for is sealed and shown: a log that is read before that is shorter.
    const entries = await gate.entries()
    const { exit, out } = await ecluse('audit', 'verify', gate.state, '--vkey', vkey, '--quiescent', '--json')
    expect(exit).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      kind: 'state',
      logs: [{ trust: 'given', openIntents: 0, size: entries.length, notOurs: 0 }],
    })
    expect(own.out + out).not.toMatch(/1000000000000\d/)
  })

  test('1 where it does not verify, naming the first bad file, and 2 where it cannot say', async () => {
    const stranger = vkeyOf(signerOf(vkey.split('+')[0]!, randomBytes(32)))
    expect(await ecluse('audit', 'verify', gate.state, '--vkey', stranger)).toMatchObject({
      exit: 1,
      out: expect.stringContaining('vkey.txt'),
    })
    const copy = join(scratch, 'copy')
    cpSync(join(gate.state, 'log'), join(copy, 'log'), { recursive: true })
    const log = join(copy, 'log', readdirSync(join(copy, 'log'))[0]!)
    const bundle = join(log, 'tile', 'entries', '000.p')
    const file = join(
      bundle,
      readdirSync(bundle)
        .toSorted((a, b) => Number(a) - Number(b))
        .at(-1)!,
    )
    rmSync(file, { force: true })
    const { exit, out } = await ecluse('audit', 'verify', copy)
    expect({ exit, out }).toMatchObject({ exit: 1, out: expect.stringContaining('tile/entries/000.p/') })
    expect(await ecluse('audit', 'verify', scratch)).toMatchObject({ exit: 2, out: '', err: expect.stringContaining('there is no log in') })
    expect(await ecluse('audit', 'verify')).toMatchObject({ exit: 2 })
    expect(await ecluse('audit', 'verify', gate.state, '--key', 'x')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('unknown option --key'),
    })
  })
})

describe('audit open', () => {
  test('shows the fields of an entry, and is on record before it does', async () => {
    const before = (await gate.entries()).length
    const { exit, out } = await onState('audit', 'open', '--entry', asked['allowed']!.entry, '--why', 'canary-reason of the test', '--json')
    expect(exit).toBe(0)
    const report = JSON.parse(out) as {
      recordedAs: string
      opened: { entry: string }[]
      entries: { fields: Record<string, unknown>; seal: string }[]
    }
    expect(report.entries).toMatchObject([
      { seal: 'open', fields: { subject: { meter: `prm:${METER}` }, permissions: [{ id: 'plain', lines: [{ id: 'l1' }] }] } },
    ])
    expect(report.opened[0]!.entry).not.toContain(METER)
    const entry = await last()
    expect(report.recordedAs.endsWith(`/${before}`)).toBe(true)
    expect(entry).toMatchObject({ n: before, t: 'evidence.read', scope: { by: 'entries', count: 1 }, _sd: expect.anything() })
    // Who asked and why is about people: sealed like the rest.
    expect(JSON.stringify(entry)).not.toContain('canary-reason')
    const again = await onState('audit', 'open', '--entry', String(before), '--why', 'who looked')
    expect(again.out).toContain('why: "canary-reason of the test"')
    expect(again.out).toContain('actor: {"role":"operator","id":"uid:')
  })

  test('takes several entries, a meter or a client, and refuses another log', async () => {
    const [a, b] = [numberOf('allowed'), numberOf('narrowed')]
    const both = JSON.parse((await onState('audit', 'open', '--entry', `${a}`, '--entry', `${b}`, '--why', 'x', '--json')).out) as {
      entries: { n: number }[]
    }
    expect(both.entries.map((e) => e.n)).toStrictEqual([a, b])
    const meter = JSON.parse((await onState('audit', 'open', '--meter', OTHER_METER, '--why', 'x', '--json')).out) as {
      entries: { fields: { subject?: { meter: string } } }[]
    }
    expect(meter.entries.length).toBeGreaterThan(8)
    expect(new Set(meter.entries.flatMap((e) => e.fields.subject?.meter ?? []))).toStrictEqual(new Set([`prm:${OTHER_METER}`]))
    const client = JSON.parse((await onState('audit', 'open', '--client', 'office', '--why', 'x', '--json')).out) as {
      entries: { record: { t: string } }[]
    }
    expect(client.entries.map((e) => e.record.t).toSorted()).toStrictEqual([
      'access.refused',
      'admin.client',
      'admin.token',
      'consent.activate',
      'consent.create',
      'consent.file',
      'consent.request',
    ])
    const readings = (await gate.entries()).length
    expect(await onState('audit', 'open', '--entry', 'other.example/journal/1', '--why', 'x')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('of another log'),
    })
    expect(await onState('audit', 'open', '--entry', '1')).toMatchObject({ exit: 2, err: expect.stringContaining('--why is needed') })
    expect((await gate.entries()).length).toBe(readings)
  })

  test('no page without a reading on record, and none of another selection', async () => {
    await expect(gate.command('audit page', { ticket: 'guessed', from: 0, limit: 10 })).rejects.toThrow('not on record')
    await expect(gate.command('audit attachment', { ticket: 'guessed', permission: 'recurring', sha256: 'x' })).rejects.toThrow(
      'not on record',
    )
    await expect(gate.command('audit begin', { select: { all: true }, why: ' ' })).rejects.toThrow('say why')
    // It stands in clear in the log, and an entry that is too long could not be sealed: the gate would never start again.
    for (const client of ['Jeanne Durand', 'x'.repeat(70_000)])
      await expect(gate.command('audit begin', { select: { client }, why: 'x' })).rejects.toThrow('expected the id of a client')
    // With its context a reading opens more than what it names, and says so.
    await gate.command('audit begin', { select: { entries: [numberOf('allowed')], context: true }, why: 'x' })
    expect((await last())['scope']).toStrictEqual({ by: 'entries', count: 1, context: true })
    const { ticket } = await gate.command<{ ticket: string }>('audit begin', { select: { entries: [numberOf('allowed')] }, why: 'x' })
    const page = await gate.command<{ opened: { n: number }[]; next: null }>('audit page', { ticket, from: 0, limit: 1000 })
    expect(page).toMatchObject({ opened: [{ n: numberOf('allowed') }], next: null })
    expect(await gate.command('audit tags', { ticket })).toStrictEqual([])
  })

  test('what it printed can be held against the log by whoever has the log alone', async () => {
    const file = join(scratch, 'opened.json')
    const { out } = await onState('audit', 'open', '--meter', OTHER_METER, '--why', 'x', '--json')
    writeFileSync(file, out)
    const checked = await ecluse('audit', 'verify', gate.state, '--disclosures', file)
    expect(checked.exit).toBe(0)
    expect(checked.out).toMatch(/disclosed: \d+ entries, \d+ fields, 0 entries erased/)
    writeFileSync(
      file,
      out.replace(/"disclosures":\["./, (start) => start.replace(/.$/, (c) => (c === 'W' ? 'X' : 'W'))),
    )
    expect(await ecluse('audit', 'verify', gate.state, '--disclosures', file)).toMatchObject({ exit: 1 })
  })
})

describe('audit replay', () => {
  test('makes every decision again, and counts what nobody decided', async () => {
    const { exit, out } = await onState('audit', 'replay', '--json')
    expect(exit).toBe(0)
    const decisions = (await gate.entries()).filter((e) => e.t === 'access.intent' || e.t === 'access.refused').length
    expect(JSON.parse(out)).toMatchObject({ ok: true, same: decisions - 1, different: [], notRecomputable: { route: 1 } })
    // 20 days in three calls, and a retry: more decisions on record than requests.
    expect(decisions).toBe(Object.keys(asked).length + 3)
    expect((await last()).t).toBe('evidence.read')
  })

  test.each(['narrowed', 'retried', 'too often', 'the rest of a day', 'once more', 'nobody gave it', 'no part wanted', 'after withdrawal'])(
    'makes one alone: %s',
    async (name) => {
      const { recordedAs, ...report } = await replayState(gate.command, { entries: [numberOf(name)] }, 'x')
      expect(report).toStrictEqual({ ok: true, same: 1, different: [], notRecomputable: {} })
      expect(recordedAs).toMatch(/\/\d+$/)
    },
  )

  test('says that there is no such entry', async () => {
    expect(await onState('audit', 'replay', '--entry', '100000')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('the log has no entry 100000'),
    })
  })
})

describe('explain', () => {
  test('says of an entry what decided it then, whatever has happened since', async () => {
    const told = await explainEntry(gate.command, numberOf('before withdrawal'), 'x')
    expect(told).toMatchObject({
      stage: 'decide',
      onRecord: { result: 'allow' },
      why: null,
      explanation: { decision: { result: 'allow' }, rule: { id: 'measures' } },
    })
    expect(told.explanation?.fact).toContain('line l1 of permission withdrawn opens')
    const { exit, out } = await onState('explain', '--entry', asked['too often']!.entry)
    expect(exit).toBe(0)
    expect(out).toContain('deny (too_often), settled by decide')
    expect(out).toContain('because line l1 of permission recurring went as far as recurrence')
    expect(out).toMatch(/ \* recurring l1: recurrence: too_often .* opens again at /)
    expect(await explainEntry(gate.command, numberOf('unknown'), 'x')).toMatchObject({
      stage: 'route',
      explanation: null,
      why: 'not recomputable: route',
    })
    expect(await explainEntry(gate.command, 0, 'x')).toMatchObject({ stage: 'none', why: expect.stringContaining('is no decision') })
    await expect(explainEntry(gate.command, 1_000_000, 'x')).rejects.toThrow('the log has no entry 1000000')
    expect((await last()).t).toBe('evidence.read')
  })

  test('says of a described request what would decide it now', async () => {
    const words = ['explain', '--client', 'domoticz', '--meter', METER, '--kind', 'load_curve', '--from', today(-20), '--until', today(-18)]
    const denied = await onState(...words)
    expect(denied).toMatchObject({ exit: 1, out: expect.stringContaining('denied: withdrawn') })
    const { exit, out } = await onState(...words.with(2, 'viriya'), '--json')
    expect({ exit, told: JSON.parse(out) as unknown }).toMatchObject({
      exit: 0,
      told: { decision: { result: 'allow' }, lines: [{ permission: 'plain', decided: true }, {}] },
    })
    expect(await onState(...words.with(6, 'curve'))).toMatchObject({ exit: 2, err: expect.stringContaining('curve is no kind') })
  })
})

describe('a pack', () => {
  const zip = join(scratch, 'meter.zip')
  const folder = join(scratch, 'meter')
  const python = (...words: readonly string[]): Promise<Ran> => run('python3', join(folder, 'verify', 'verify.py'), ...words)
  let made: Exported
  beforeAll(async () => {
    const ran = await onState(
      'audit',
      'export',
      '--meter',
      OTHER_METER,
      '--out',
      zip,
      '--why',
      'canary-why',
      '--for',
      'the grid operator',
      '--json',
    )
    if (ran.exit !== 0) throw new Error(ran.err)
    made = JSON.parse(ran.out) as Exported
    await execute('unzip', ['-q', '-d', folder, zip])
  })

  test('was put on record with the hash of its manifest before it was there', async () => {
    const hash = `sha256:${createHash('sha256')
      .update(readFileSync(join(folder, 'manifest.json')))
      .digest('hex')}`
    expect(made.packs).toMatchObject([{ manifestHash: hash }])
    const entry = (await gate.entries()).find((e) => made.packs[0]?.recordedAs.endsWith(`/${e.n}`))
    expect(entry).toMatchObject({ t: 'evidence.exported', manifest: hash, scope: { by: 'meter' } })
    expect(JSON.stringify(entry)).not.toMatch(/canary-why|1000000000000|grid operator/)
    expect(statSync(zip).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toMatchObject({
      why: 'canary-why',
      for: 'the grid operator',
      scope: { meter: [OTHER_METER] },
    })
  })

  test('is not there where that record cannot be made', async () => {
    const out = join(scratch, 'never.zip')
    const call: Call = (command, args) =>
      command === 'audit exported' ? Promise.reject(new Error('the state can no longer be written')) : gate.command(command, args)
    const order = { select: { client: 'viriya' }, scope: {}, why: 'x', for: null, out }
    await expect(exportPack(call, order)).rejects.toThrow('can no longer be written')
    expect(readdirSync(scratch).filter((name) => name.includes('never'))).toStrictEqual([])
    await expect(exportPack(call, { ...order, out: zip })).rejects.toThrow('exists')
  })

  test('holds the document, the acts and the policy behind each call, and no other meter', () => {
    const documents = readdirSync(join(folder, 'consents', 'recurring', 'documents'))
    expect(documents).toStrictEqual([createHash('sha256').update(DOCUMENT).digest('hex')])
    expect(readFileSync(join(folder, 'consents', 'recurring', 'documents', documents[0]!)).equals(DOCUMENT)).toBe(true)
    const permission = JSON.parse(readFileSync(join(folder, 'consents', 'recurring', 'permission.json'), 'utf8')) as {
      acts: { type: string }[]
    }
    expect(permission.acts.map((a) => a.type)).toStrictEqual(['create', 'request', 'file', 'activate'])
    expect(readdirSync(join(folder, 'policies'))).toHaveLength(1)
    const rows = readFileSync(join(folder, 'report.csv'), 'utf8').trim().split('\r\n')
    expect(rows).toHaveLength(1 + 5)
    const texts = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => readFileSync(join(f.parentPath, f.name), 'latin1'))
    for (const text of texts) expect(text).not.toContain(METER)
  })

  test('verifies offline, with our command and with python3 and openssl alone', async () => {
    const ours = await ecluse('audit', 'verify', folder, '--vkey', vkey)
    expect(ours.exit).toBe(0)
    expect(ours.out).toContain('1 documents, 1 policies')
    expect(ours.out).toContain('complete: no entry about these 1 subjects is missing')
    expect(await python(folder, '--vkey', vkey)).toMatchObject({
      exit: 0,
      out: expect.stringMatching(/^verified: \d+ files, \d+ entries of a log of \d+, \d+ sealed fields, 1 subjects complete\n$/),
    })
    expect((await python(folder)).out).toContain("the pack's own is taken")
    const stranger = vkeyOf(signerOf(vkey.split('+')[0]!, randomBytes(32)))
    expect(await python(folder, '--vkey', stranger)).toMatchObject({ exit: 1, out: expect.stringContaining('is not signed by the key') })
    expect(await ecluse('audit', 'verify', folder, '--vkey', stranger)).toMatchObject({ exit: 1 })
    expect(await python(join(folder, 'nowhere'))).toMatchObject({ exit: 2 })
  })

  test('verifies by hand, as its README says', async () => {
    const readme = readFileSync(join(folder, 'README.txt'), 'utf8')
    const commands = readme
      .slice(readme.indexOf('Check it by hand'))
      .split('\n')
      .flatMap((line) => /^ {5}((?:tail|openssl) .*)$/.exec(line)?.[1] ?? [])
    const first = /1\. (sed .*?) ; its 4th/.exec(readme)?.[1] ?? ''
    const work = join(scratch, 'by-hand')
    cpSync(folder, work, { recursive: true })
    const { out, exit } = await run(
      'bash',
      '-e',
      '-o',
      'pipefail',
      '-c',
      `cd ${work}; ${[first, ...commands].join('\n')}\nsed -n 4p text; sha256sum manifest.json`,
    )
    expect(exit).toBe(0)
    const hash = createHash('sha256')
      .update(readFileSync(join(folder, 'manifest.json')))
      .digest('hex')
    expect(out).toBe(`Signature Verified Successfully\nsha256:${hash}\n${hash}  manifest.json\n`)
  })

  test('its decisions are made again from its files alone', async () => {
    expect(await ecluse('audit', 'replay', '--pack', folder)).toMatchObject({
      exit: 0,
      out: '5 decisions made again with the same result, 0 with another one\n',
    })
    const forged = join(scratch, 'forged')
    cpSync(folder, forged, { recursive: true })
    const file = join(forged, 'entries', `${numberOf('too often')}.json`)
    writeFileSync(file, readFileSync(file, 'utf8').replace('"reason":"too_often"', '"reason":"withdrawn"'))
    expect(await ecluse('audit', 'replay', '--pack', forged)).toMatchObject({
      exit: 1,
      out: expect.stringContaining('decided otherwise: reason: decided again "too_often", on record "withdrawn"'),
    })
  })

  test('a byte changed in any file, a file more, or one less, is noticed', async () => {
    const work = join(scratch, 'changed')
    cpSync(folder, work, { recursive: true })
    const files = readdirSync(work, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath, f.name))
    const accepted: string[] = []
    for (const file of files) {
      const before = readFileSync(file)
      for (const at of [0, Math.floor(before.byteLength / 2), before.byteLength - 1]) {
        const changed = Buffer.from(before)
        changed[at] = changed[at]! ^ 1
        writeFileSync(file, changed)
        if ((await verifyPlace(work, { vkey })).ok) accepted.push(`${file} at ${at}`)
      }
      rmSync(file)
      if ((await verifyPlace(work, { vkey }).catch(() => ({ ok: false }))).ok) accepted.push(`${file} gone`)
      writeFileSync(file, before)
    }
    expect(accepted).toStrictEqual([])
    expect(await verifyPlace(work, { vkey })).toMatchObject({ ok: true })
    writeFileSync(join(work, 'entries', 'more.txt'), '')
    expect(await verifyPlace(work, { vkey })).toMatchObject({ ok: false, why: 'pack_file_unknown', at: { file: 'entries/more.txt' } })
  })

  test.each([
    'manifest.json',
    'manifest.note',
    'log/checkpoint',
    'log/tile/entries',
    'entries/',
    'disclosures/',
    'documents/',
    'policies/',
    'tags/',
    'report.csv',
  ])('python3 alone notices it too: %s', async (which) => {
    const work = mkdtempSync(join(scratch, 'changed-'))
    cpSync(folder, work, { recursive: true })
    const file = readdirSync(work, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath, f.name))
      .find((path) => path.slice(work.length + 1).includes(which))!
    const changed = readFileSync(file)
    const at = Math.floor(changed.byteLength / 2)
    changed[at] = changed[at]! ^ 1
    writeFileSync(file, changed)
    expect(await python(work, '--vkey', vkey)).toMatchObject({ exit: 1, out: expect.stringContaining('does not verify: ') })
  })

  test('an operator who leaves an entry out, or puts in what was never disclosed, signs a pack that does not verify', async () => {
    const cheat = async (
      name: string,
      change: (page: { opened: { n: number; entry: string; disclosures: string[] | null }[] }) => void,
    ): Promise<string> => {
      const call: Call = async <T>(command: string, args: unknown): Promise<T> => {
        const value = await gate.command<T>(command, args)
        if (command === 'audit page') change(value as never)
        return value
      }
      const out = join(scratch, name)
      await exportPack(call, { select: { meter: OTHER_METER as never }, scope: {}, why: 'x', for: null, out })
      return out
    }
    const without = await cheat('without', (page) =>
      page.opened.splice(
        page.opened.findIndex((o) => o.n === numberOf('too often')),
        1,
      ),
    )
    expect(await verifyPlace(without, { vkey })).toMatchObject({ ok: false, why: 'pack_incomplete', at: { entry: numberOf('too often') } })
    expect(await python(without, '--vkey', vkey)).toMatchObject({
      exit: 1,
      out: expect.stringContaining(`entry ${numberOf('too often')} is about the subject`),
    })
    const invented = await cheat('invented', (page) => {
      const one = page.opened.find((o) => o.n === numberOf('too often'))
      one?.disclosures?.splice(0, 1, Buffer.from('["c2FsdA","set",["x"]]').toString('base64url'))
    })
    expect(await verifyPlace(invented, { vkey })).toMatchObject({ ok: false, why: 'pack_disclosure', at: { entry: numberOf('too often') } })
    expect(await python(invented, '--vkey', vkey)).toMatchObject({ exit: 1, out: expect.stringContaining('does not commit to') })
    const rewritten = await cheat('rewritten', (page) => {
      const one = page.opened.find((o) => o.n === numberOf('too often')) as { entry: string }
      one.entry = one.entry.replace('too_often', 'withdrawn')
    })
    expect(await verifyPlace(rewritten, { vkey })).toMatchObject({ ok: false, why: 'pack_entry', at: { entry: numberOf('too often') } })
    expect(await python(rewritten, '--vkey', vkey)).toMatchObject({ exit: 1, out: expect.stringContaining('is not the entry of the log') })
  })

  test('of one entry holds its request and what it was decided on, and nothing else of the meter', async () => {
    const out = join(scratch, 'entry')
    const ran = await onState('audit', 'export', '--entry', asked['the rest of a day']!.entry, '--out', out, '--why', 'x')
    expect(ran.exit).toBe(0)
    expect(existsSync(join(out, 'entries', `${numberOf('once')}.json`))).toBe(false)
    const entries = await gate.entries()
    const numbers = readdirSync(join(out, 'entries'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => Number(name.slice(0, -5)))
    expect(numbers.toSorted((a, b) => a - b).map((n) => entries[n]!.t)).toStrictEqual([
      'consent.create',
      'consent.request',
      'consent.file',
      'consent.activate',
      'access.intent',
      'access.outcome',
      'access.intent',
      'access.outcome',
    ])
    expect(await verifyPlace(out, { vkey })).toMatchObject({ ok: true, pack: { complete: 0, entries: 8 } })
    expect(await ecluse('audit', 'replay', '--pack', out)).toMatchObject({
      exit: 0,
      out: expect.stringContaining('2 decisions made again'),
    })
  })

  test("of one client holds that client's entries alone", async () => {
    const out = join(scratch, 'client')
    expect(await onState('audit', 'export', '--client', 'domoticz', '--out', out, '--why', 'x')).toMatchObject({ exit: 0 })
    const answer = await verifyPlace(out, { vkey })
    expect(answer).toMatchObject({ ok: true, pack: { complete: 0 } })
    expect(readdirSync(join(out, 'consents'))).toStrictEqual(['withdrawn'])
    expect(await ecluse('audit', 'replay', '--pack', out)).toMatchObject({
      exit: 0,
      out: '2 decisions made again with the same result, 0 with another one\n',
    })
  })
})
