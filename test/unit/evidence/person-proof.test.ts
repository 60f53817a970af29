/** Each entry's proof, made from the stored hashes, is one that the C2SP verifier takes: of every size, across tiles. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Millis } from '../../../src/domain/time.ts'
import { policyOf } from '../../../src/evidence/log/policy.ts'
import { signerOf, vkeyOf } from '../../../src/evidence/log/note.ts'
import { verifyProof } from '../../../src/evidence/log/proof.ts'
import { proofsOn } from '../../../src/evidence/person-proof.ts'
import { publisherOn } from '../../../src/evidence/publish.ts'
import { sealerOn } from '../../../src/evidence/sealer.ts'
import { aJournal } from '../../given.ts'
import { openState } from '../../../src/storage/sqlite.ts'

const ORIGIN = 'proof.test.localhost/journal/2026'
const folder = mkdtempSync(join(tmpdir(), 'ecluse-person-proof-'))
const signer = signerOf(ORIGIN, Buffer.alloc(32, 3))
const vkey = vkeyOf(signer)
let state: ReturnType<typeof openState>
let proofs: ReturnType<typeof proofsOn>
let grow: (to: number, publish: boolean) => void

beforeAll(() => {
  state = openState(join(folder, 'state'))
  const { journal, log } = aJournal(state.db, ORIGIN)
  const sealer = sealerOn(state.db, state.atomically, 'test', { get: () => undefined, prefetch: () => undefined }, journal.read)
  const publisher = publisherOn(state.db, log.id, join(folder, 'log'), signer)
  proofs = proofsOn(state.db, () => vkey)
  grow = (to, publish) => {
    state.db.exec('BEGIN')
    while (journal.next() < to) journal.append({ clear: { t: 'log.config', policy: String(journal.next()) } }, journal.next() as Millis)
    state.db.exec('COMMIT')
    while (sealer.seal(log, 512) > 0);
    if (publish) publisher.publish()
  }
})
afterAll(() => {
  state.close()
  rmSync(folder, { recursive: true })
})
const bytesOf = (n: number): Uint8Array => state.db.prepare('SELECT bytes FROM entry WHERE n = ?').get(n)?.['bytes'] as Uint8Array

test.each([1, 2, 3, 7, 8, 255, 256, 257, 511, 513, 700])(
  'of a log of %i entries each proof verifies, and that of another entry does not',
  (size) => {
    grow(size, true)
    const step = size > 20 ? 37 : 1
    for (let n = 0; n < size; n = n === size - 1 ? size : Math.min(n + step, size - 1)) {
      const proof = proofs.of(n, bytesOf(n))
      if (proof.is !== 'checked') throw new Error(`entry ${n} of ${size} waits`)
      expect([proof.included, proof.signed, proof.size]).toStrictEqual([true, true, size])
      expect(verifyProof(proof.file, bytesOf(n), policyOf(vkey))).toMatchObject({ ok: true, index: n })
      expect(verifyProof(proof.file, Buffer.from('another entry'), policyOf(vkey))).toStrictEqual({ ok: false, why: 'not_included' })
    }
  },
)

test('an entry that no checkpoint holds yet waits', () => {
  grow(701, false)
  expect(proofs.of(700, bytesOf(700))).toStrictEqual({ is: 'waiting', shown: 700 })
})

test('changed bytes, a changed neighbour and a forged checkpoint are each told apart', () => {
  expect(proofs.of(5, Buffer.from('changed'))).toMatchObject({ is: 'checked', included: false, signed: true })
  const leaf = state.db.prepare('SELECT leaf FROM entry WHERE n = 4').get()?.['leaf'] as Uint8Array
  state.db.prepare('UPDATE entry SET leaf = ? WHERE n = 4').run(Buffer.alloc(32))
  expect(proofs.of(5, bytesOf(5))).toMatchObject({ included: false, signed: true })
  state.db.prepare('UPDATE entry SET leaf = ? WHERE n = 4').run(leaf)
  const body = String(state.db.prepare('SELECT body FROM checkpoint').get()?.['body'])
  const forged = body.replace(/.{8}\n$/, 'AAAAAAA=\n')
  expect(forged).not.toBe(body)
  state.db.prepare('UPDATE checkpoint SET body = ?').run(forged)
  expect(proofs.of(5, bytesOf(5))).toMatchObject({ included: true, signed: false })
  state.db.prepare('UPDATE checkpoint SET body = ?').run(body)
})
