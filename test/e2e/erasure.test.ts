/**
 * Erasure of a person, with the gate around it: nothing of the person can be found or opened afterwards, everything
 * else is as it was, and all proofs still verify. A crash between any two of its steps is taken up at the next start.
 */
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportPack, openEntries, replayState } from '../../src/audit.ts'
import type { MeterId } from '../../src/domain/meter.ts'
import type { Millis } from '../../src/domain/time.ts'
import { erasureOn } from '../../src/evidence/erase.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import { meterTokenOf, permissionToken } from '../../src/permissions/registry.ts'
import { journalOf } from '../../src/storage/journal.ts'
import { logsOn } from '../../src/storage/logs.ts'
import { keyStore } from '../../src/storage/keys.ts'
import { openState } from '../../src/storage/sqlite.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, permissionTree, secretsOf, today } from '../harness/settings.ts'

const scratch = mkdtempSync(join(tmpdir(), 'ecluse-erasure-'))
const folder = join(scratch, 'gate')
const env = secretsOf()
let holder: FakeHolder
let gate: TestGate

interface Person {
  readonly meter: string
  readonly permission: string
  readonly reference: string
  readonly name: string
  readonly contract: string
  readonly document: Buffer
}
const aPerson = (i: number): Person => ({
  meter: `1${String(i).repeat(4)}${String(Math.floor(Math.random() * 1e9)).padStart(9, '0')}`,
  permission: `canary-permission-${i}`,
  reference: `canary-reference-${randomBytes(6).toString('hex')}`,
  name: `Canary Name ${randomBytes(6).toString('hex')}`,
  contract: `canary-contract-${randomBytes(6).toString('hex')}`,
  document: Buffer.from(`%PDF-1.4 canary mandate ${randomBytes(12).toString('hex')}`),
})
const people = [1, 2, 3, 4].map(aPerson)
const [erased, ordered, keyless, deleted] = people as [Person, Person, Person, Person]

beforeAll(async () => {
  holder = await fakeHolder()
  gate = await aGate({ holder, folder, env })
  await gate.permit({ id: 'stays', from: today(-100), until: today(-10) })
  for (const person of people) {
    const tree = {
      ...permissionTree({ id: person.permission, meter: person.meter, from: today(-100), until: today(-10) }),
      holder: { kind: 'natural', reference: person.reference, name: person.name },
      ground: { gdpr_basis: 'consent', sector_release: 'express_authorisation', contract_ref: person.contract },
      attachments: [{ kind: 'signed_mandate', file: 'm.pdf', media_type: 'application/pdf' }],
    }
    const text = JSON.stringify({ permissions: [tree] })
    await gate.command('permission import', {
      text,
      documents: { 'm.pdf': person.document.toString('base64') },
      dryRun: false,
      unverified: true,
    })
  }
  await readAll(await gate.token())
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await holder.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** An allowed, a narrowed and a refused request about each person. */
async function readAll(token: string): Promise<void> {
  for (const meter of [METER, ...people.map((p) => p.meter)]) {
    for (const [from, until] of [
      [-20, -18],
      [-12, -5],
      [-9, -8],
    ] as const)
      await (await fetch(gate.url + curve(meter, today(from), today(until)), bearer(token))).arrayBuffer()
  }
}

/** Every form in which a text could lie in a file: as it is, in UTF-16, and in base64 at each of its three alignments. */
function formsOf(text: string | Buffer): Buffer[] {
  const bytes = Buffer.from(text)
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64url')
    return Buffer.from(encoded.slice(shift === 0 ? 0 : 4, -4))
  })
  return [bytes, Buffer.from(bytes.toString(), 'utf16le'), ...base64]
}
/** Files below `at` that hold something of the person. */
function tracesOf(person: Person, at: string): string[] {
  const { meter, reference, name, contract, document } = person
  const plainHashes = [createHash('sha256').update(document).digest('hex'), createHash('sha256').update(`prm:${meter}`).digest('hex')]
  const forms = [meter, reference, name, contract, document, ...plainHashes].flatMap(formsOf)
  const files = readdirSync(at, { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
  return files.flatMap((f) => {
    const file = join(f.parentPath, f.name)
    const bytes = readFileSync(file)
    return forms.some((form) => bytes.includes(form)) ? [file] : []
  })
}
const logOf = (): string => join(gate.state, 'log', readdirSync(join(gate.state, 'log'))[0]!)
const attachments = (): string[] =>
  readdirSync(join(gate.state, 'attachments'), { recursive: true, withFileTypes: true }).flatMap((f) => (f.isFile() ? [f.name] : []))

test('the search finds what is there', async () => {
  await gate.command('audit drain', {})
  const secret = new DatabaseSync(join(scratch, 'x.db'))
  secret.exec('CREATE TABLE t (v TEXT)')
  secret.prepare('INSERT INTO t VALUES (?)').run(Buffer.from(`["salt","subject","prm:${erased.meter}"]`).toString('base64url'))
  secret.close()
  expect(tracesOf(erased, scratch).filter((f) => !f.startsWith(folder))).toStrictEqual([join(scratch, 'x.db')])
  rmSync(join(scratch, 'x.db'))
})

describe('after subject erase', () => {
  let before: Buffer
  let intents: number[]
  let done: unknown
  beforeAll(async () => {
    const opened = await openEntries(gate.command, { meter: `prm:${erased.meter}` as MeterId }, 'before the erasure')
    intents = opened.entries.filter((e) => e.record['t'] === 'access.intent').map((e) => e.n)
    before = readFileSync(join(logOf(), 'checkpoint'))
    done = await gate.command('subject erase', { meter: erased.meter })
  })

  test('nothing of the person is in any file of the state folder, free pages and WAL included', () => {
    expect(done).toStrictEqual({ erasedSubjects: 1, endedPermissions: 1 })
    expect(existsSync(join(gate.state, 'ecluse.db-wal'))).toBe(true)
    expect(tracesOf(erased, gate.state)).toStrictEqual([])
    expect(statSync(join(gate.state, 'ecluse.db')).size).toBeGreaterThan(100_000)
  })

  test('its document is gone, those of others are there', () => {
    expect(attachments()).toHaveLength(people.length - 1)
  })

  test('neither key nor keyed hash is left', () => {
    const db = new DatabaseSync(join(gate.state, 'ecluse.db'), { readOnly: true })
    const token = meterTokenOf(Buffer.from(env['TEST_INDEX_KEY']!, 'hex'), `prm:${erased.meter}` as MeterId)
    const named = permissionToken(Buffer.from(env['TEST_INDEX_KEY']!, 'hex'), erased.permission)
    const count = (sql: string, ...values: (string | Uint8Array)[]): number =>
      Number(Object.values(db.prepare(sql).get(...values) ?? {})[0])
    expect({
      index: count('SELECT count(*) FROM entry_index WHERE token IN (?, ?)', token, Buffer.from(named, 'hex')),
      meters: count('SELECT count(*) FROM permission WHERE meter = ?', token),
      pending: count("SELECT count(*) FROM erasure WHERE body <> ''"),
      boxes: count("SELECT count(*) FROM act WHERE permission = ? AND box <> x''", erased.permission),
      hash: count("SELECT count(*) FROM permission WHERE id = ? AND content_hash <> ''", erased.permission),
    }).toStrictEqual({ index: 0, meters: 0, pending: 0, boxes: 0, hash: 0 })
    db.close()
  })

  test('all proofs verify, and the log shown before is a prefix of the one shown now', async () => {
    await gate.command('audit drain', {})
    const log = logOf()
    const size = before.toString().split('\n')[1]!
    const copy = mkdtempSync(join(scratch, 'log-'))
    cpSync(log, copy, { recursive: true })
    mkdirSync(join(copy, 'checkpoints'))
    writeFileSync(join(copy, 'checkpoints', size), before)
    expect(await verifyPlace(copy)).toMatchObject({ ok: true, logs: [{ checkpoints: 1, types: { 'erasure.performed': 1 } }] })
  })

  test('open says erased, by which entry, and replay counts it', async () => {
    const report = await openEntries(gate.command, { entries: intents }, 'after the erasure')
    expect(report.entries.map((e) => ({ seal: e.seal, fields: e.fields }))).toStrictEqual(
      intents.map(() => ({ seal: 'erased', fields: {} })),
    )
    expect(report.erasures).toHaveLength(1)
    const performed = (await gate.entries()).find((e) => e.t === 'erasure.performed')!
    expect(report.erasures).toStrictEqual([{ entry: expect.stringMatching(new RegExp(`/${performed.n}$`)) as string, at: performed.at }])
    expect(await replayState(gate.command, { all: true }, 'x')).toMatchObject({ ok: true, different: [], notRecomputable: { erased: 3 } })
    expect(intents).toHaveLength(2)
  })

  test('a pack that holds the erased entries verifies, without what is gone', async () => {
    const out = join(scratch, 'pack')
    await exportPack(gate.command, { select: { client: 'viriya' }, scope: {}, why: 'x', for: null, out })
    expect(await verifyPlace(out)).toMatchObject({ ok: true, pack: { unopened: expect.any(Number), documents: 3 } })
    expect(tracesOf(erased, out)).toStrictEqual([])
    expect(tracesOf(ordered, out).length).toBeGreaterThan(3)
  })

  test('the permission has ended, reads nothing more, and cannot be imported under its id again', async () => {
    const token = await gate.token()
    const answer = await fetch(gate.url + curve(erased.meter, today(-20), today(-18)), bearer(token))
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([403, 'no_permission'])
    await expect(gate.permit({ id: erased.permission, meter: erased.meter })).rejects.toThrow('was erased with its person')
    expect(await gate.command('subject erase', { meter: erased.meter })).toStrictEqual({ erasedSubjects: 0, endedPermissions: 0 })
  })

  test('of others nothing is gone', async () => {
    const report = await openEntries(gate.command, { meter: `prm:${ordered.meter}` as MeterId }, 'x')
    expect(report.entries.every((e) => e.seal === 'open')).toBe(true)
    expect(report.entries.length).toBeGreaterThan(8)
  })
})

test('a subject under restriction is not erased, and its permission is suspended meanwhile', async () => {
  const token = await gate.token()
  const read = async () => {
    const answer = await fetch(gate.url + curve(ordered.meter, today(-20), today(-18)), bearer(token))
    return [answer.status, answer.headers.get('ecluse-reason')]
  }
  expect(await gate.command('subject restrict', { meter: ordered.meter })).toStrictEqual({ subjects: 1, permissions: 1 })
  expect(await read()).toStrictEqual([503, 'suspended'])
  await expect(gate.command('subject erase', { meter: ordered.meter })).rejects.toThrow('under restriction')
  expect(await gate.command('subject restrict', { meter: ordered.meter, lift: true })).toStrictEqual({ subjects: 1, permissions: 1 })
  expect(await read()).toStrictEqual([200, null])
  const { different, ok } = await replayState(gate.command, { meter: `prm:${ordered.meter}` as MeterId }, 'x')
  expect({ different, ok }).toStrictEqual({ different: [], ok: true })
})

test('a crash between any two steps is taken up at the next start', async () => {
  await gate.stop()
  const state = openState(gate.state)
  const keys = keyStore(state.keys, Buffer.from(env['TEST_MASTER_KEY']!, 'hex'))
  const index = Buffer.from(env['TEST_INDEX_KEY']!, 'hex')
  const logs = logsOn(state.db)
  const journal = journalOf(state.db, logs, logs.all()[0]!)
  const order = (person: Person): string => {
    const erasure = erasureOn(state, journal, keys, (id) => permissionToken(index, id))
    state.db.exec('BEGIN IMMEDIATE')
    expect(
      erasure.order({
        meterToken: meterTokenOf(index, `prm:${person.meter}` as MeterId),
        ground: 'art17_1_b',
        by: 'test',
        now: Date.now() as Millis,
      }),
    ).toBe(1)
    state.db.exec('COMMIT')
    return String(state.db.prepare('SELECT key_ids FROM permission WHERE id = ?').get(person.permission)?.['key_ids'])
  }
  // Ordered, and no more. Then with the key destroyed. Then with everything deleted but the note that says so.
  const kept = state.keys.prepare('SELECT * FROM subject_key WHERE id = ?').get((JSON.parse(order(ordered)) as string[])[0]!)!
  keys.destroy((JSON.parse(order(keyless)) as string[])[0]!)
  const last = (JSON.parse(order(deleted)) as string[])[0]!
  keys.destroy(last)
  state.db.prepare('DELETE FROM sealed WHERE key_id = ?').run(last)
  state.close()
  expect(attachments()).toHaveLength(3)

  gate = await aGate({ holder, folder, env })
  await gate.command('audit drain', {})
  expect(attachments()).toStrictEqual([])
  for (const person of people) expect(tracesOf(person, gate.state)).toStrictEqual([])
  expect(await verifyPlace(gate.state)).toMatchObject({ ok: true, logs: [{ types: { 'erasure.performed': 4 } }] })
  const report = await openEntries(gate.command, { client: 'viriya' }, 'x')
  expect(report.entries.filter((e) => e.seal === 'open' && JSON.stringify(e.fields).includes('canary'))).toStrictEqual([])

  // A backup of the keys brings one back: it is destroyed again before the gate is ready.
  await gate.stop()
  const file = join(gate.state, 'keys.db')
  const db = new DatabaseSync(file)
  db.prepare('INSERT INTO subject_key (id, wrapped, created_at) VALUES (?, ?, ?)').run(
    kept['id'] as string,
    kept['wrapped'] as Uint8Array,
    kept['created_at'] as number,
  )
  db.close()
  gate = await aGate({ holder, folder, env })
  const again = new DatabaseSync(file, { readOnly: true })
  expect(again.prepare('SELECT 1 FROM subject_key WHERE id = ?').get(kept['id'] as string)).toBeUndefined()
  again.close()
}, 60_000)
