import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash } from '../../../src/evidence/log/merkle.ts'
import {
  deriveSealKey,
  deriveTagKey,
  disclosure,
  disclosureDigest,
  openDisclosure,
  openDisclosures,
  sealDisclosures,
  subjectTag,
} from '../../../src/evidence/sealed.ts'
import { indexToken } from '../../../src/storage/keys.ts'
import { hex, vectors } from './given.ts'

const { record } = vectors
const subjectKey = Buffer.alloc(32, 7)
const leaf = hex(record.leaf_hash_hex)
const encode = (text: string): string => Buffer.from(text).toString('base64url')

test("RFC 9901's own example has its digest and opens", () => {
  const { disclosure: encoded, digest } = record.rfc9901_example
  expect(disclosureDigest(encoded)).toBe(digest)
  expect(openDisclosure(encoded)).toStrictEqual({ salt: '_26bc4LT-ac6q2KI6cBW5es', name: 'family_name', value: 'Möbius' })
})

test('disclosures and digests are those of the vectors', () => {
  for (const [i, encoded] of record.disclosures.entries()) {
    const opened = openDisclosure(encoded)!
    const salt = Buffer.from(opened.salt, 'base64url')
    expect(salt.byteLength).toBe(16)
    expect(disclosure(opened.name, opened.value, salt)).toStrictEqual({ disclosure: encoded, digest: record.digests[i] })
  }
  expect(record.digests.every((digest) => record.entry_utf8.includes(digest))).toBe(true)
})

test('the entry of the vectors has its leaf hash', () => {
  expect(Buffer.byteLength(record.entry_utf8)).toBe(record.entry_bytes)
  expect(leafHash(Buffer.from(record.entry_utf8)).toString('hex')).toBe(record.leaf_hash_hex)
})

test('a salt is 16 fresh bytes: the same field twice looks like two', () => {
  const [a, b] = [disclosure('subject', 'same'), disclosure('subject', 'same')]
  expect(Buffer.from(openDisclosure(a.disclosure)!.salt, 'base64url').byteLength).toBe(16)
  expect(a.digest === b.digest).toBe(false)
})

test('any field comes back', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue({ noUnicodeString: false }), (name, value) => {
      fc.pre(name !== '_sd' && name !== '...')
      const json = JSON.parse(JSON.stringify(value)) as never
      expect(openDisclosure(disclosure(name, json).disclosure)).toMatchObject({ name, value: json })
    }),
  )
})

test.each([
  ['standard base64', Buffer.from('["salt","name","~~~"]').toString('base64')],
  ['spare bits set', `${encode('["salt","n",1]').slice(0, -1)}R`],
  ['no JSON', encode('["salt"')],
  ['no array', encode('{"0":"salt"}')],
  ['an array element, without a name', encode('["salt","value"]')],
  ['four parts', encode('["salt","name",1,2]')],
  ['a salt that is no text', encode('[1,"name",1]')],
  ['a name that is no text', encode('["salt",1,1]')],
  ['the reserved name _sd', encode('["salt","_sd",[]]')],
  ['the reserved name ...', encode('["salt","...","x"]')],
  ['nothing', ''],
])('is no disclosure: %s', (_name, encoded) => {
  expect(openDisclosure(encoded)).toBe(undefined)
})

test('tag and index token are those of the vectors', () => {
  const tag = subjectTag(hex(record.tag_key_hex), hex(record.tag_nonce_hex))
  expect(record.entry_utf8).toContain(`"tag":{"k":"${tag.toString('base64url')}"`)
  expect(tag.byteLength).toBe(16)
  const token = indexToken(hex(record.index_key_hex), 'enedis', 'prm', '00000000000017')
  expect(token.toString('base64url')).toBe(record.subject_index_token)
})

test('every use of a subject key, and every log, has a key of its own', () => {
  const keys = [
    subjectKey,
    deriveSealKey(subjectKey),
    deriveTagKey(subjectKey, 'audit.example.org/2027'),
    deriveTagKey(subjectKey, 'audit.example.org/2028'),
    deriveSealKey(Buffer.alloc(32, 8)),
  ].map((key) => key.toString('hex'))
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.every((key) => key.length === 64)).toBe(true)
  expect(deriveSealKey(subjectKey)).toStrictEqual(deriveSealKey(subjectKey))
})

test('sealed disclosures open with their key beside their entry, and nowhere else', () => {
  const key = deriveSealKey(subjectKey)
  const box = sealDisclosures(key, record.disclosures, leaf)
  expect(openDisclosures(key, box, leaf)).toStrictEqual(record.disclosures)
  expect(box.includes(record.disclosures[0]!.slice(0, 20))).toBe(false)
  expect(sealDisclosures(key, record.disclosures, leaf).equals(box)).toBe(false)
  expect(() => openDisclosures(key, box, leafHash(Buffer.from('another entry')))).toThrow('unable to authenticate data')
  expect(() => openDisclosures(deriveSealKey(Buffer.alloc(32, 8)), box, leaf)).toThrow('unable to authenticate data')
  for (let i = 0; i < box.byteLength; i += 1) {
    const changed = Buffer.from(box)
    changed[i] = changed[i]! ^ 1
    expect(() => openDisclosures(key, changed, leaf)).toThrow('unable to authenticate data')
  }
})
