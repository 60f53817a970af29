/** The same log, judged by Go's own implementation: it accepts what we write and refuses it after one changed byte. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signerOf, vkeyOf } from '../../src/evidence/log/note.ts'
import { verifyLog } from '../../src/evidence/verify.ts'
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
})

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
