/** The same log, judged by Go's own implementation: it accepts what we write and refuses it after one changed byte. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signerOf, vkeyOf } from '../../src/evidence/log/note.ts'
import { verifyLog } from '../../src/evidence/verify.ts'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import { replayState } from '../../src/audit.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { fakeHolder } from '../harness/holder.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'
import { aLog, filesOf, records } from '../unit/evidence/given.ts'
import { buildForeignVerifier, runForeignVerifier } from './go.ts'

const SIZE = 66_000
const signer = signerOf('audit.example.org/journal/foreign', randomBytes(32))
const vkey = vkeyOf(signer)
const log = aLog(records(SIZE), { signer, sizes: [100], kept: [1, 255, 256, 257, 10_000, 65_536, 65_537] })
const folder = mkdtempSync(join(tmpdir(), 'ecluse-log-'))
let program = ''

beforeAll(() => {
  for (const [path, bytes] of log) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), bytes)
  }
  program = buildForeignVerifier()
}, 600_000)
afterAll(() => {
  rmSync(folder, { recursive: true })
  rmSync(dirname(program), { recursive: true })
})

test('Go accepts the log that ours accepts', async () => {
  expect(await verifyLog(filesOf(log), { vkey })).toMatchObject({ ok: true, size: SIZE, checkpoints: 7 })
  expect(await runForeignVerifier(program, folder, vkey)).toStrictEqual({
    exit: 0,
    says: `verified: ${SIZE} entries, 7 kept checkpoints`,
  })
}, 600_000)

test('Go refuses it under another key', async () => {
  const stranger = vkeyOf(signerOf(signer.name, randomBytes(32)))
  expect(await runForeignVerifier(program, folder, stranger)).toMatchObject({ exit: 1 })
})

// `-2` is the second byte from the end. Where in a tile's subtree a hash was changed shows at the first proof that needs it.
test.each([
  ['an entry', 'tile/entries/003', 1000, 'entry 774: invalid transparency proof'],
  ['the last entry of a bundle', 'tile/entries/003', -2, 'entry 1023: invalid transparency proof'],
  ['a leaf', 'tile/0/003', 0, 'entry 769: invalid transparency proof'],
  ['a node', 'tile/1/000', 32, 'checkpoints/1: invalid transparency proof'],
  ['a partial node', 'tile/1/001.p/1', 0, 'downloaded inconsistent tile'],
  ['a kept checkpoint', 'checkpoints/10000', 5, 'invalid signature for key'],
  ['the checkpoint', 'checkpoint', 40, 'invalid signature for key'],
])('Go refuses it, and so do we, after one byte of %s changed', async (_name, path, at, says) => {
  const file = join(folder, path)
  const before = readFileSync(file)
  const changed = Buffer.from(before)
  const i = (at + changed.byteLength) % changed.byteLength
  changed[i] = changed[i]! ^ 1
  writeFileSync(file, changed)
  const answer = await runForeignVerifier(program, folder, vkey)
  writeFileSync(file, before)
  expect(answer.exit).toBe(1)
  expect(answer.says).toContain(says)
  expect((await verifyLog(filesOf(new Map([...log, [path, changed]])), { vkey })).ok).toBe(false)
})

describe('a log that a gate wrote, request by request, over two of its lives', () => {
  const REQUESTS = 5_050
  const state = mkdtempSync(join(tmpdir(), 'ecluse-real-log-'))
  let real = ''
  let key = ''

  beforeAll(async () => {
    const holder = await fakeHolder()
    const options = { holder, folder: state, env: secretsOf() }
    let gate = await aGate(options)
    await gate.permit({ id: 'read-often', from: today(-100), until: today(-10) })
    const token = await gate.token()
    await ask(gate, token, REQUESTS / 2)
    await gate.stop()
    gate = await aGate(options)
    await ask(gate, token, REQUESTS / 2)
    key = (await gate.command<{ vkey: string }>('status', {})).vkey
    const report = await replayState(gate.command, { all: true }, 'every decision of a long log')
    if (!report.ok || report.same !== REQUESTS) throw new Error(`not every decision is made again: ${JSON.stringify(report)}`)
    await gate.stop()
    await holder.close()
    real = join(gate.state, 'log', readdirSync(join(gate.state, 'log'))[0]!)
  }, 600_000)
  afterAll(() => rmSync(state, { recursive: true, force: true }))

  async function ask(gate: TestGate, token: string, times: number): Promise<void> {
    let left = times
    const one = async (): Promise<void> => {
      for (; left > 0;) {
        left -= 1
        const answer = await fetch(gate.url + curve(METER, today(-20), today(-19)), bearer(token))
        await answer.arrayBuffer()
        if (answer.status !== 200) throw new Error(`the gate answered ${answer.status}`)
      }
    }
    await Promise.all(Array.from({ length: 32 }, one))
  }

  test('Go accepts it, and so do we', async () => {
    const ours = await verifyPlace(real, { vkey: key, quiescent: true })
    expect(ours).toMatchObject({
      ok: true,
      logs: [{ types: { 'access.intent': REQUESTS, 'access.outcome': REQUESTS, 'log.recovered': 1 } }],
    })
    const size = ours.ok ? (ours.logs[0]?.size ?? 0) : 0
    expect(size).toBeGreaterThan(10_000)
    expect(await runForeignVerifier(program, real, key)).toStrictEqual({ exit: 0, says: `verified: ${size} entries, 0 kept checkpoints` })
  })

  test.each(['tile/entries/007', 'tile/entries/x', 'tile/0/000', 'tile/1/000.p', 'checkpoint'])(
    'both refuse it after one bit changed in %s',
    async (which) => {
      const names = readdirSync(real, { recursive: true, withFileTypes: true })
        .filter((f) => f.isFile())
        .map((f) => join(f.parentPath, f.name))
      // `x`: the last bundle, which is not full.
      const wanted = which === 'tile/entries/x' ? 'tile/entries/039.p/' : which
      // Of partial tiles the widest: narrower ones are of earlier checkpoints, and Go does not look at them.
      const width = (name: string): number => Number(/\.p\/(\d+)$/.exec(name)?.[1] ?? 0)
      const file = names.filter((name) => name.slice(real.length + 1).startsWith(wanted)).toSorted((x, y) => width(y) - width(x))[0]!
      const before = readFileSync(file)
      const changed = Buffer.from(before)
      const at = Math.floor(Math.random() * changed.byteLength)
      changed[at] = changed[at]! ^ (1 << Math.floor(Math.random() * 8))
      rmSync(file)
      writeFileSync(file, changed)
      const answers = [(await runForeignVerifier(program, real, key)).exit, (await verifyPlace(real, { vkey: key })).ok]
      rmSync(file)
      writeFileSync(file, before)
      expect(answers, `byte ${at} of ${file}`).toStrictEqual([1, false])
    },
  )
})
