/** A copy taken while the gate serves, and a start from it: on either engine, in a log of its own, with nothing in force unseen. */
import { spawn } from 'node:child_process'
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import type { FakeHolder } from '../harness/holder.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer, postgresTree } from '../harness/postgres.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'
import type { Authority } from './wire/certificates.ts'
import { anAuthority } from './wire/certificates.ts'

const repository = join(import.meta.dirname, '..', '..')
let server: PostgresServer
let holder: FakeHolder
beforeAll(async () => {
  server = await postgresServer()
  await server.start()
  holder = await fakeHolder()
})
afterAll(async () => {
  await server.close()
  await holder.close()
})

async function read(gate: TestGate, token: string): Promise<readonly [number, string | null]> {
  const answer = await fetch(`${gate.url}${curve(METER, today(-3), today(-1))}`, bearer(token))
  await answer.text()
  return [answer.status, answer.headers.get('ecluse-reason')]
}

async function run(
  env: Record<string, string>,
  ...args: readonly string[]
): Promise<{ readonly exit: number; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [join(repository, 'src', 'cli', 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const exit = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  return { out: await text(child.stdout), err: await text(child.stderr), exit: await exit }
}

describe.each(['sqlite', 'postgres'] as const)('on %s', (engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-backup-'))
  const out = join(folder, 'copy')
  const env = secretsOf()
  let gate: TestGate
  let token: string
  const stored = (schema: string) => (tree: Tree) => {
    if (engine === 'postgres') tree['storage'] = { postgres: postgresTree(server.port, schema) }
  }
  const cli = (config: string, ...args: readonly string[]) => run(env, ...args, '--config', config)
  beforeAll(async () => {
    gate = await aGate({ holder, env, folder: join(folder, 'first'), change: stored('backed_up') })
    await gate.permit({ id: 'kept' }, { id: 'withdrawn-later', meter: '10000000000002' })
    token = await gate.token()
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a copy is taken while the gate serves, and not over something else', async () => {
    expect(await read(gate, token)).toStrictEqual([200, null])
    await gate.command('audit drain', {})
    const done = await cli(gate.config, 'backup', '--out', out, '--json')
    expect([done.exit, done.err]).toStrictEqual([0, ''])
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['backup.json', 'log', engine === 'sqlite' ? 'ecluse.db' : 'postgres.dump']))
    expect((await cli(gate.config, 'backup', '--out', out)).err).toContain('never written over something else')
    const all = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(db|dump)$/.test(name))
    for (const name of all)
      for (const secret of [METER, ...Object.values(env)]) expect(readFileSync(join(out, name)).includes(secret)).toBe(false)
    // What comes after it is not in it.
    await gate.command('permission withdraw', { permission: 'withdrawn-later' })
    await read(gate, token)
    await gate.stop()
  })

  test('a copy that was changed, and a folder that is not empty, are refused', async () => {
    const elsewhere = join(folder, 'second')
    const second = await aGate({ holder, env, folder: elsewhere, change: stored('not_empty') })
    await second.stop()
    expect((await cli(second.config, 'restore', out)).err).toContain('is not empty')
    rmSync(join(elsewhere, 'state'), { recursive: true })
    const [name = ''] = readdirSync(out).filter((each) => /\.(db|dump)$/.test(each))
    const before = readFileSync(join(out, name))
    appendFileSync(join(out, name), 'x')
    expect((await cli(second.config, 'restore', out)).err).toContain('was changed or cut short')
    expect(existsSync(join(elsewhere, 'state', name))).toBe(false)
    writeFileSync(join(out, name), before)
  })

  test('put back, it goes on in a log of its own, and nothing is in force that was not looked at', async () => {
    const place = join(folder, 'third')
    const laid = await aGate({ holder, env, folder: place, change: stored('never_used') })
    await laid.stop()
    rmSync(join(place, 'state'), { recursive: true })
    // The same settings, with a database in which nothing is yet: the dump brings its own schema.
    if (engine === 'postgres') server.sql('SET client_min_messages = warning; DROP SCHEMA backed_up CASCADE')
    writeFileSync(laid.config, readFileSync(laid.config, 'utf8').replace('never_used', 'backed_up'))
    const done = await cli(laid.config, 'restore', out, '--json')
    expect([done.exit, done.err]).toStrictEqual([0, ''])
    expect(JSON.parse(done.out)).toMatchObject({ suspended: 2, origin: expect.stringMatching(/-2$/) as string })
    const again = await aGate({ holder, env, folder: place, change: stored('backed_up') })
    expect(await read(again, token)).toStrictEqual([503, 'holder_unverified'])
    const entries = await again.entries()
    const opened = entries.filter(({ t }) => t === 'log.opened')
    expect(opened.at(-1)).toMatchObject({
      previous: { origin: expect.stringMatching(/journal\/\d{4}$/) as string },
      restored: expect.any(String) as string,
    })
    expect(await again.command('permission list', { limit: 10 })).toMatchObject([
      { id: 'kept', status: 'suspended' },
      { id: 'withdrawn-later', status: 'suspended' },
    ])
    expect(await verifyPlace(again.state)).toMatchObject({ ok: true, logs: [{}, {}] })
    await again.stop()
  })
})

test('a PostgreSQL that has lost what was shown of a log is not written on; what to do is told, and does it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-lost-'))
  const env = secretsOf()
  const change = (tree: Tree): void => void (tree['storage'] = { postgres: postgresTree(server.port, 'lost') })
  const start = (): Promise<TestGate> => aGate({ holder, env, folder, change })
  const gate = await start()
  await gate.permit({ id: 'kept' })
  const token = await gate.token()
  await gate.command('audit drain', {})
  const checkpoint = (): string => readFileSync(join(gate.state, 'log', today(0).slice(0, 4), 'checkpoint'), 'utf8')
  const before = checkpoint()
  const [, size = ''] = before.split('\n')
  expect(await read(gate, token)).toStrictEqual([200, null])
  await gate.command('audit drain', {})
  await gate.stop()
  expect(checkpoint()).not.toBe(before)
  // As a standby knows it that had received the log up to there.
  server.sql(`UPDATE lost.checkpoint SET body = '${before}'; DELETE FROM lost.entry WHERE n % (1::bigint << 40) >= ${size}`)
  await expect(start()).rejects.toThrow(
    /a standby that had not received all of it has taken over.*ecluse backup --out DIR, .*ecluse restore DIR/,
  )

  const out = join(folder, 'copy')
  expect((await run(env, 'backup', '--out', out, '--config', gate.config)).err).toBe('')
  renameSync(gate.state, join(folder, 'evidence'))
  server.sql('SET client_min_messages = warning; DROP SCHEMA lost CASCADE')
  const restored = await run(env, 'restore', out, '--config', gate.config, '--json')
  expect([restored.exit, restored.err]).toStrictEqual([0, ''])
  const again = await start()
  expect(await read(again, token)).toStrictEqual([503, 'holder_unverified'])
  await again.command('audit drain', {})
  await again.stop()
  expect(await verifyPlace(again.state)).toMatchObject({ ok: true })
  expect(await verifyPlace(join(folder, 'evidence')), 'what was shown').toMatchObject({ ok: true })
  rmSync(folder, { recursive: true })
})

describe('a PostgreSQL that is spoken to by TLS', () => {
  let authority: Authority
  let secure: PostgresServer
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-backup-tls-'))
  const env = secretsOf()
  beforeAll(async () => {
    authority = anAuthority()
    const { pem } = authority.sign('postgres', { names: 'IP:127.0.0.1' })
    secure = await postgresServer(['ssl = on', "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'"])
    writeFileSync(join(secure.folder, 'server.pem'), pem.cert)
    writeFileSync(join(secure.folder, 'server.key'), pem.key, { mode: 0o600 })
    const { uid, gid } = statSync(secure.folder)
    chownSync(join(secure.folder, 'server.key'), uid, gid)
    // Nothing else gets in.
    writeFileSync(join(secure.folder, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 trust\n')
    await secure.start()
  })
  afterAll(async () => {
    await secure.close()
    authority.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const by = (name: string, ca: string) =>
    aGate({
      holder,
      env,
      folder: join(folder, name),
      change: (tree) => void (tree['storage'] = { postgres: { ...postgresTree(secure.port, 'secure'), tls: { ca } } }),
    })

  test('is backed up with the authority of the settings; doctor finds it, and a stranger is not spoken to', async () => {
    const gate = await by('first', authority.file)
    const out = join(folder, 'copy')
    const done = await run(env, 'backup', '--out', out, '--json', '--config', gate.config)
    expect([done.exit, done.err]).toStrictEqual([0, ''])
    expect(existsSync(join(out, 'postgres.dump'))).toBe(true)
    const examined = await run(env, 'doctor', '--json', '--config', gate.config)
    expect(examined.out).toMatch(new RegExp(`127\\.0\\.0\\.1:${secure.port} answers in`))
    await gate.stop()
    const other = anAuthority()
    await expect(by('second', other.file)).rejects.toThrow(/certificate|self-signed|issuer/)
    other.remove()
  })
})
