/** Subject keys: wrapped on disk, bound to their id, gone for good once destroyed; another master key is noticed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decrypt, derive, encrypt, freshBytes, indexKeyCheck, indexToken, keyStore } from '../../../src/storage/keys.ts'
import type { Store } from '../../../src/storage/database.ts'
import { openState } from '../../../src/storage/sqlite.ts'

const MASTER = Buffer.alloc(32, 1)
let folder: string
let state: Store
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-keys-'))
  state = openState(folder)
})
afterEach(() => {
  state.close()
  rmSync(folder, { recursive: true, force: true })
})
const onDisk = (): Buffer => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))))

test('a key is the same when the store is opened again, and stands nowhere unwrapped', () => {
  const keys = keyStore(state.keys, MASTER)
  const id = keys.create(0)
  const key = keys.get(id)
  expect(key).toHaveLength(32)
  expect(keyStore(state.keys, MASTER).get(id)).toStrictEqual(key)
  expect(onDisk().includes(key ?? '')).toBe(false)
  expect(keys.get(keys.create(0))).not.toStrictEqual(key)
})

test('another master key, or one of another length, is refused with a sentence', () => {
  keyStore(state.keys, MASTER).create(0)
  expect(() => keyStore(state.keys, Buffer.alloc(32, 2))).toThrow(
    "the master key is not the one under which the subjects' keys are wrapped: give that one (evidence.keys.master)",
  )
  expect(() => keyStore(state.keys, Buffer.alloc(31, 1))).toThrow('the master key must have 32 bytes')
})

test('a wrapped key that is moved to another id does not open', () => {
  const keys = keyStore(state.keys, MASTER)
  const [one, two] = [keys.create(0), keys.create(0)]
  state.keys.exec(`UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key WHERE id = '${one}') WHERE id = '${two}'`)
  expect(() => keys.get(two)).toThrow('unable to authenticate data')
})

test('a box opens under its own key and context only', () => {
  const keys = keyStore(state.keys, MASTER)
  const [id, other] = [keys.create(0), keys.create(0)]
  const box = keys.box(id, 'name and address', 'permission/p1')
  expect(keys.unbox(id, box, 'permission/p1')).toBe('name and address')
  expect(() => keys.unbox(id, box, 'permission/p2')).toThrow('unable to authenticate data')
  expect(() => keys.unbox(other, box, 'permission/p1')).toThrow('unable to authenticate data')
  expect(keys.box(id, 'name and address', 'permission/p1').equals(box)).toBe(false)
})

test('destroyed, a key is gone from memory and from every file', () => {
  const keys = keyStore(state.keys, MASTER)
  const id = keys.create(0)
  const box = keys.box(id, 'text', 'c')
  const wrapped = state.keys.prepare('SELECT wrapped FROM subject_key').get()?.['wrapped'] as Uint8Array
  expect(onDisk().includes(wrapped)).toBe(true)
  keys.destroy(id)
  expect(state.forget()).toBe(true)
  expect(keys.get(id)).toBeUndefined()
  expect(keys.unbox(id, box, 'c')).toBeUndefined()
  expect(() => keys.box(id, 'text', 'c')).toThrow('the key of this subject was destroyed')
  expect(onDisk().includes(wrapped)).toBe(false)
})

test('every byte of nonce, text and tag counts', () => {
  const key = derive(MASTER, 'test')
  const box = encrypt(key, Buffer.from('text'), 'context')
  expect(decrypt(key, box, 'context').toString()).toBe('text')
  for (let i = 0; i < box.length; i += 1) {
    const changed = Buffer.from(box)
    changed[i] = (changed[i] ?? 0) ^ 1
    expect(() => decrypt(key, changed, 'context')).toThrow('unable to authenticate data')
  }
})

test('each use of a key and each part of a token has its own value', () => {
  expect(derive(MASTER, 'a').equals(derive(MASTER, 'b'))).toBe(false)
  const tokens = [
    indexToken(MASTER, 'enedis', 'prm', '1'),
    indexToken(MASTER, 'enedis', 'prm', '2'),
    indexToken(MASTER, 'enedis', 'pce', '1'),
    indexToken(MASTER, 'grdf', 'prm', '1'),
    indexToken(Buffer.alloc(32, 2), 'enedis', 'prm', '1'),
    Buffer.from(indexKeyCheck(MASTER), 'hex'),
    Buffer.from(indexKeyCheck(Buffer.alloc(32, 2)), 'hex'),
  ].map((token) => token.toString('hex'))
  expect(new Set(tokens).size).toBe(tokens.length)
})

test('fresh bytes are of the length asked for, keep what they are, and never come twice', () => {
  const seen = new Set<string>()
  const given: { readonly bytes: Buffer; readonly hex: string }[] = []
  for (let i = 0; i < 5000; i += 1) {
    const bytes = freshBytes(12 + (i % 5))
    given.push({ bytes, hex: bytes.toString('hex') })
    seen.add(bytes.toString('hex', 0, 12))
  }
  expect(seen.size).toBe(5000)
  expect(given.every(({ bytes, hex }, i) => bytes.byteLength === 12 + (i % 5) && bytes.toString('hex') === hex)).toBe(true)
  expect(freshBytes(10_000)).toHaveLength(10_000)
})
