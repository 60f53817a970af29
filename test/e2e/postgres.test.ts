/** Several gates on one PostgreSQL: what one does holds for all, each writes a log of its own, and all of them verify. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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
import { postgresServer } from '../harness/postgres.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'

const repository = join(import.meta.dirname, '..', '..')
async function cli(...args: readonly string[]): Promise<{ readonly exit: number; readonly out: string }> {
  const child = spawn(process.execPath, [join(repository, 'src', 'cli', 'main.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  return { out: await text(child.stdout), exit: await exit }
}

let server: PostgresServer
let holder: FakeHolder
const env = secretsOf()
const folder = mkdtempSync(join(tmpdir(), 'ecluse-gates-'))

async function aGateOf(name: string): Promise<TestGate> {
  return aGate({
    holder,
    env,
    folder: join(folder, name),
    change(tree) {
      tree['instance'] = { ...(tree['instance'] as object), node: name }
      tree['storage'] = { postgres: { host: '127.0.0.1', port: server.port, database: 'postgres', user: 'ecluse', schema: 'gates' } }
    },
  })
}

beforeAll(async () => {
  server = await postgresServer()
  await server.start()
  holder = await fakeHolder()
})
afterAll(async () => {
  await server.close()
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('two gates', () => {
  let a: TestGate
  let b: TestGate
  beforeAll(async () => {
    a = await aGateOf('a')
    b = await aGateOf('b')
  })
  afterAll(async () => {
    await a.stop()
    await b.stop()
  })
  const read = async (gate: TestGate, token: string) => {
    const answer = await fetch(`${gate.url}${curve(METER, today(-3), today(-1))}`, bearer(token))
    await answer.text()
    return { status: answer.status, entry: answer.headers.get('audit-entry'), reason: answer.headers.get('ecluse-reason') }
  }

  test('what is given at one is read through both, and on record in the log of each', async () => {
    await a.permit({ id: 'shared' })
    const token = await b.token()
    const [one, two] = [await read(a, token), await read(b, token)]
    expect([one, two]).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(one.entry).toMatch(/^gate\.test\.localhost\/journal\/\d{4}\/\d+$/)
    expect(two.entry).toMatch(/^gate\.test\.localhost\/journal\/\d{4}-2\/\d+$/)
  })

  test('what is withdrawn at one is refused by both', async () => {
    const token = await a.token()
    expect(await read(b, token)).toMatchObject({ status: 200 })
    await a.command('permission withdraw', { permission: 'shared' })
    expect(await read(b, token)).toMatchObject({ status: 403, reason: 'withdrawn' })
    expect(await read(a, token)).toMatchObject({ status: 403, reason: 'withdrawn' })
  })

  test('handed over together the logs are complete; one that is kept back is named', async () => {
    await a.command('audit drain', {})
    await b.command('audit drain', {})
    const verify = (...folders: readonly string[]) => cli('audit', 'verify', '--json', ...folders)
    const both = await verify(a.state, b.state)
    expect([both.exit, JSON.parse(both.out)]).toMatchObject([0, { ok: true, absent: [] }])
    const alone = await verify(b.state)
    expect([alone.exit, JSON.parse(alone.out)]).toMatchObject([0, { absent: [expect.stringMatching(/journal\/\d{4}$/)] }])
    const hiding = await verify(b.state, b.state)
    expect([hiding.exit, JSON.parse(hiding.out)]).toMatchObject([1, { ok: false, why: 'log_hidden' }])
  })

  test('both logs verify, and the second names the first', async () => {
    const entries = await b.entries()
    for (const gate of [a, b]) {
      await gate.command('audit drain', {})
      expect(await verifyPlace(gate.state)).toMatchObject({ ok: true, logs: [{ openIntents: 0 }] })
    }
    const opened = entries.filter(({ t }) => t === 'log.opened')
    expect(opened.map((entry) => entry['logs'])).toMatchObject([undefined, [{ origin: expect.stringMatching(/\/\d{4}$/) as string }]])
  })
})
