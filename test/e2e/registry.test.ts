/** The commands of the registry, as a person or a script runs them: through the socket of a running gate, and without a gate. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { callControl } from '../../src/ops/control.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, permissionTree, today } from '../harness/settings.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

let holder: FakeHolder
let folder: string
let gate: TestGate
let config: string
let env: Record<string, string>
beforeAll(async () => {
  holder = await fakeHolder()
  folder = mkdtempSync(join(tmpdir(), 'ecluse-registry-'))
  gate = await aGate({ folder, holder })
  ;({ config, env } = gate)
})
afterAll(async () => {
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

function ecluse(...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...words, '--config', config], { env: { ...process.env, ...env } })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.once('close', (code) => resolve({ code, out, err }))
  })
}
async function json<T = Tree>(...words: readonly string[]): Promise<T> {
  const ran = await ecluse(...words, '--json')
  expect(ran.err).toBe('')
  expect(ran.out.trim().split('\n'), 'one line').toHaveLength(1)
  return JSON.parse(ran.out) as T
}
function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
/** A permission with everything that makes it provable; its document lies beside. */
function verified(id: string, change: Tree = {}): Tree {
  file(`${id}, "signed".pdf`, `mandate of ${id}`)
  return {
    ...permissionTree({ id }),
    notice: { id: 'n', version: '1', sha256: 'a'.repeat(64), language: 'fr' },
    will: { channel: 'web', occurred_at: '2025-12-31T10:00:00Z' },
    identity: { method: 'franceconnect', strength: 'S2' },
    holder_match: { method: 'name', result: 'exact' },
    attachments: [{ kind: 'signed_mandate', file: `${id}, "signed".pdf`, media_type: 'application/pdf' }],
    ...change,
  }
}

/** The same in both places; `prefix` keeps the ids apart. */
function commands(prefix: string): void {
  const id = `${prefix}-1`

  test('permission import: mistakes with their lines, a dry run, the real one, and the same again', async () => {
    const bad = file(
      `${prefix}-bad.json`,
      JSON.stringify({ permissions: [verified('x', { client: 'no\u001b[31mbody' }), { id: 'y' }] }, null, 1),
    )
    const refused = await ecluse('permission', 'import', bad)
    expect(refused.code).toBe(1)
    expect(refused.out.split('\n').length).toBeGreaterThan(3)
    expect(refused.out).toMatch(/-bad\.json: line \d+, permissions\.0\.client: the settings declare no client no\ufffd\[31mbody$/m)
    expect(refused.out).not.toContain('\u001b')
    const raw = await ecluse('permission', 'import', bad, '--json')
    expect(raw.code).toBe(1)
    expect(JSON.parse(raw.out)).toMatchObject({ ok: false })

    const good = file(`${prefix}.json`, JSON.stringify({ permissions: [verified(id), verified(`${prefix}-2`)] }))
    expect(await ecluse('permission', 'import', good, '--dry-run')).toMatchObject({ code: 0, out: '2 would be created, 0 unchanged\n' })
    expect((await ecluse('permission', 'show', id)).code).toBe(1)
    expect(await ecluse('permission', 'import', good)).toMatchObject({ code: 0, out: '2 created, 0 unchanged\n' })
    expect(await json('permission', 'import', good)).toStrictEqual({ ok: true, created: [], unchanged: [id, `${prefix}-2`] })
  })

  test('permission import takes documents from beside the file only, and names those that are not there', async () => {
    const attachments = (name: string): Tree => ({ attachments: [{ kind: 'signed_mandate', file: name, media_type: 'text/plain' }] })
    for (const name of ['/etc/hostname', '../x', 'a/../../x']) {
      const outside = file(`${prefix}-outside.json`, JSON.stringify({ permissions: [verified('z', attachments(name))] }))
      expect(await ecluse('permission', 'import', outside)).toMatchObject({
        code: 1,
        err: expect.stringContaining('must lie in the folder') as string,
      })
    }
    const gone = file(`${prefix}-gone.json`, JSON.stringify({ permissions: [verified('z', attachments('gone.pdf'))] }))
    expect(await ecluse('permission', 'import', gone)).toMatchObject({
      code: 1,
      out: expect.stringContaining('line 1, permissions.0: the document gone.pdf is missing') as string,
    })
    expect((await ecluse('permission', 'import', join(folder, 'no such file'))).code).toBe(2)
  })

  test('permission list and show', async () => {
    expect(await json<readonly Tree[]>('permission', 'list', '--client', 'viriya', '--status', 'active')).toMatchObject([
      { id, client: 'viriya', status: 'active', endReason: null, void: false },
      { id: `${prefix}-2` },
    ])
    expect(await json('permission', 'list', '--client', 'office')).toStrictEqual([])
    expect((await ecluse('permission', 'list', '--client', 'office')).out).toBe('no permissions\n')
    const unknown = await ecluse('permission', 'list', '--status', 'sleeping')
    expect([unknown.code, unknown.err]).toStrictEqual([1, expect.stringContaining('status: ')])
    const record = await json('permission', 'show', id)
    expect(record).toMatchObject({ id, content: { unverified: false }, attachments: [{ kind: 'signed_mandate' }] })
    expect((record['acts'] as Tree[]).map((a) => a['type'])).toStrictEqual(['create', 'request', 'file', 'activate'])
    expect(await ecluse('permission', 'show', 'nowhere')).toMatchObject({ code: 1, err: 'ecluse: there is no permission nowhere\n' })
  })

  test('permission withdraw, once', async () => {
    const done = await json('permission', 'withdraw', id, '--reason', 'moved', '--channel', 'telephone')
    expect(done).toMatchObject({ permission: id, status: 'ended', endReason: 'withdrawn_by_subject' })
    const acts = (await json('permission', 'show', id))['acts'] as Tree[]
    expect(acts.at(-1)).toMatchObject({ entry: done['entry'], details: { role: 'data_subject', channel: 'telephone', reason: 'moved' } })
    expect(await ecluse('permission', 'withdraw', id)).toMatchObject({
      code: 1,
      err: `ecluse: permission ${id} is ended: the act withdrawn_by_subject is not possible\n`,
    })
    expect((await ecluse('permission', 'withdraw', `${prefix}-2`, '--act', 'activate')).code).toBe(1)
    expect((await ecluse('permission', 'withdraw', `${prefix}-2`, '--act', 'holder_changed')).code).toBe(0)
  })

  test('token issue, list and revoke', async () => {
    const issued = await json('token', 'issue', 'office', '--ttl', '60')
    expect(issued).toMatchObject({ client: 'office', token: expect.stringMatching(/^[\w-]{43}$/) as string })
    const list = await json<readonly Tree[]>('token', 'list', '--client', 'office')
    expect(list.find((t) => t['id'] === issued['id'])).toMatchObject({ purpose: 'solar_sizing', permissions: 'all', revoked: false })
    expect(JSON.stringify(list)).not.toContain(issued['token'])
    expect(await json('token', 'revoke', String(issued['id']))).toStrictEqual({ revoked: true, client: 'office' })
    expect(await ecluse('token', 'revoke', 'tok_nowhere')).toMatchObject({ code: 1, err: 'ecluse: there is no such token\n' })
    for (const [words, says] of [
      [['token', 'issue', 'stranger'], 'the settings declare no client stranger'],
      [['token', 'issue', 'office', '--ttl', '0'], 'a token lives between one second and one year'],
      [['token', 'issue', 'office', '--permissions', id], `client office has no permission ${id}`],
    ] as const)
      expect(await ecluse(...words)).toMatchObject({ code: 1, err: expect.stringContaining(says) as string })
  })

  test('subject restrict, lift and erase', async () => {
    const meter = prefix === 'socket' ? '50000000000001' : '50000000000002'
    const wish = verified(`${prefix}-s`, { meter: `prm:${meter}` })
    expect((await ecluse('permission', 'import', file(`${prefix}-s.json`, JSON.stringify({ permissions: [wish] })))).code).toBe(0)
    expect(await json('subject', 'restrict', meter)).toStrictEqual({ subjects: 1, permissions: 1 })
    expect(await ecluse('subject', 'restrict', meter)).toMatchObject({ code: 1, out: '0 subjects restricted, 0 permissions moved\n' })
    expect(await ecluse('subject', 'erase', meter)).toMatchObject({ code: 1, err: expect.stringContaining('under restriction') as string })
    expect(await json('subject', 'restrict', `prm:${meter}`, '--lift')).toStrictEqual({ subjects: 1, permissions: 1 })
    expect((await json('permission', 'show', `${prefix}-s`))['status']).toBe('active')
    expect(await json('subject', 'erase', meter)).toStrictEqual({ erasedSubjects: 1, endedPermissions: 1 })
    expect(await json('permission', 'show', `${prefix}-s`)).toMatchObject({ content: null, status: 'ended', attachments: [] })
    expect((await ecluse('subject', 'erase', meter)).code).toBe(1)
    expect((await ecluse('subject', 'erase', 'not a meter')).code).toBe(1)
    expect((await ecluse('subject', 'erase', meter, '--ground', 'Mme Durand asked')).err).toContain('expected a code')
  })
}

describe('while the gate runs, through its socket,', () => {
  commands('socket')

  test('client add and rotate: the secret opens the token call, and the old one does not', async () => {
    const added = await json('client', 'add', 'viriya')
    expect(added).toMatchObject({ clientId: 'viriya' })
    expect(await ecluse('client', 'add', 'viriya')).toMatchObject({
      code: 1,
      err: 'ecluse: client viriya has a credential already: use client rotate\n',
    })
    const fetchToken = (secret: unknown): Promise<Response> =>
      fetch(`${gate.url}/oauth2/v3/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'viriya', client_secret: String(secret) }),
      })
    const answer = await fetchToken(added['secret'])
    expect(answer.status).toBe(200)
    const { access_token: token } = (await answer.json()) as { access_token: string }
    const rotated = await json('client', 'rotate', 'viriya')
    expect((await fetchToken(added['secret'])).status).toBe(401)
    expect((await fetchToken(rotated['secret'])).status).toBe(200)
    const refused = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
    expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([401, 'token_invalid'])
    expect((await ecluse('client', 'add', 'stranger')).code).toBe(1)
  })

  test('clock confirm', async () => {
    expect(await json('clock', 'confirm')).toStrictEqual({ confirmed: true })
  })

  test('what is not understood is refused, and the gate goes on', async () => {
    for (const [command, args] of [
      ['permission show', {}],
      ['permission show', null],
      ['permission list', { limit: 'many' }],
      ['permission list', { limit: -1 }],
      ['permission withdraw', { permission: ['p1'] }],
      ['permission import', { text: 7 }],
      ['token issue', { client: 'office', ttlSeconds: '60' }],
      ['token revoke', { token: { toString: 1 } }],
      ['subject erase', {}],
    ] as const)
      expect(await callControl(gate.state, command, args), command).toMatchObject({ ok: false })
    expect(gate.fatal).toStrictEqual([])
    expect(await callControl(gate.state, 'permission list', {})).toMatchObject({ ok: true })
  })

  test('an unverified import opens a simulated data holder only', async () => {
    const real = await aGate({ holderUrl: 'https://gw.ext.prod.api.enedis.fr' })
    const text = JSON.stringify({ permissions: [permissionTree({ id: 'p1' })] })
    const args = { text, documents: {}, dryRun: false, unverified: true }
    await expect(real.command('permission import', args)).rejects.toThrow('opens a simulated data holder only')
    await real.stop()
  })
})

describe('with no gate running, by owning the state folder,', () => {
  beforeAll(() => gate.stop())
  commands('alone')

  test('says that there is no clock to confirm', async () => {
    expect((await ecluse('clock', 'confirm')).code).toBe(2)
  })
})

test('permission schema needs no instance', async () => {
  const ran = await new Promise<Ran>((resolve) => {
    const child = spawn(process.execPath, [MAIN, 'permission', 'schema'], { stdio: ['ignore', 'pipe', 'ignore'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.once('close', (code) => resolve({ code, out, err: '' }))
  })
  expect(ran.code).toBe(0)
  expect(JSON.parse(ran.out)).toMatchObject({ type: 'object', properties: { permissions: { type: 'array' } } })
})

test.each([
  ['permission', 'permission import FILE'],
  ['client', 'client add ID'],
  ['token', 'token issue CLIENT'],
  ['subject', 'subject erase METER'],
  ['clock', 'clock confirm'],
])('%s alone says how it is used', async (command, says) => {
  const ran = await ecluse(command)
  expect([ran.code, ran.err]).toStrictEqual([2, expect.stringContaining(says)])
})
