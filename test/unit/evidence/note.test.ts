import { describe, expect, test } from 'vitest'
import { EMPTY_ROOT, emptyEdge, leafHash } from '../../../src/evidence/log/merkle.ts'
import {
  checkpointText,
  cosign,
  decodeBase64,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseSize,
  parseVkey,
  signerOf,
  signNote,
  vkeyOf,
  witnessVkeyOf,
} from '../../../src/evidence/log/note.ts'
import { base64, hex, published, testSigner, vectors, witnessSigner } from './given.ts'

const { name, key_id_hex: keyId, vkey } = vectors.key
const witness = vectors.witness_key.vkey
const root = base64(vectors.roots['7']!)
const COSIGNED_AT = 1_767_225_600

describe('keys', () => {
  test('are those of the vectors', () => {
    expect(Buffer.from(testSigner.publicKey).toString('hex')).toBe(vectors.key.public_hex)
    expect(vkeyOf(testSigner)).toBe(vkey)
    expect(witnessVkeyOf(witnessSigner)).toBe(witness)
    const { key: _, ...parsed } = parseVkey(vkey)!
    expect({ ...parsed, publicKey: Buffer.from(parsed.publicKey).toString('hex') }).toStrictEqual({
      name,
      keyId,
      type: 'log',
      publicKey: vectors.key.public_hex,
    })
    expect(parseVkey(witness)?.type).toBe('witness')
  })

  // A base64 that holds a plus sign is split at the first two only.
  test.each([published.signedNote.vkey, published.goNote.peter, published.goNote.enoch, published.tessera.vkey])('%s is read', (known) => {
    expect(parseVkey(known)?.name).toBe(known.split('+')[0])
  })

  test.each(published.goNote.badKeys)('%s is refused', (bad) => {
    expect(parseVkey(bad)).toBe(undefined)
  })

  test('no part of a key, and no letter changed, is a key', () => {
    const known = published.goNote.peter
    const accepted: string[] = []
    for (let i = 0; i < known.length; i += 1) {
      for (let j = i + 1; j <= known.length; j += 1)
        if (j - i < known.length && parseVkey(known.slice(i, j))) accepted.push(known.slice(i, j))
      const changed = `${known.slice(0, i)}${String.fromCharCode(known.charCodeAt(i) + 1)}${known.slice(i + 1)}`
      if (parseVkey(changed)) accepted.push(changed)
    }
    expect(accepted).toStrictEqual([])
    expect(parseVkey(witness.replace('195f1e3c', '195F1E3C'))).toBe(undefined)
  })

  test.each(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\nb', 'a\u0000b', 'a\ud800'])('%j is no name of a key', (bad) => {
    expect(() => signerOf(bad, hex(vectors.key.seed_hex))).toThrow('a key name is not empty and has neither spaces nor a plus sign')
  })

  test('have a seed of 32 bytes', () => {
    expect(() => signerOf(name, Buffer.alloc(31))).toThrow('an Ed25519 seed has 32 bytes')
  })
})

describe('notes', () => {
  const { peter, enoch, text, peterLine, enochLine, peterSeed } = published.goNote
  const peters = { name: 'PeterNeumann', keyId: 'c74f20a3', time: null }
  const enochs = { name: 'EnochRoot', keyId: 'af0cfe78', time: null }

  test("the signed-note specification's own example opens", () => {
    expect(openNote(published.signedNote.note, [published.signedNote.vkey])).toStrictEqual({
      ok: true,
      text: published.signedNote.text,
      signatures: [{ name: 'example.com/foo', keyId: '530d903a', time: null }],
    })
  })

  test('are signed byte for byte as Go signs them', () => {
    expect(signNote(text, [signerOf('PeterNeumann', hex(peterSeed))])).toBe(`${text}\n${peterLine}`)
  })

  test('need a text that ends its last line', () => {
    expect(() => signNote('abc', [testSigner])).toThrow('a note is lines of text without control characters')
    expect(() => signNote('a\tb\n', [testSigner])).toThrow('a note is lines of text without control characters')
  })

  test.each([
    ['one key known', [peter], `${peterLine}${enochLine}`, [peters]],
    ['both known', [peter, enoch], `${peterLine}${enochLine}`, [peters, enochs]],
    ['one signature twice', [peter], `${peterLine}${peterLine}${enochLine}`, [peters]],
    ['one key given twice', [peter, peter], peterLine, [peters]],
    ['100 signatures', [peter], peterLine.repeat(100), [peters]],
    ['an unknown key of a known name', [peter], `${peterLine}${peterLine.replace('x08g', 'xxxx')}`, [peters]],
  ])('open: %s', (_name, keys, lines, signatures) => {
    expect(openNote(`${text}\n${lines}`, keys)).toStrictEqual({ ok: true, text, signatures })
    expect(openNote(Buffer.from(`${text}\n${lines}`), keys)).toStrictEqual({ ok: true, text, signatures })
  })

  test.each([
    ['no key known', [], `${text}\n${peterLine}`, 'not_signed'],
    ['another key', [enoch], `${text}\n${peterLine}`, 'not_signed'],
    ['a key that is none', ['PeterNeumann'], `${text}\n${peterLine}`, 'bad_key'],
    ['101 signatures', [peter], `${text}\n${peterLine.repeat(101)}`, 'malformed'],
    ['a signature changed', [peter], `${text}\n${peterLine.slice(0, 60)}ABCD${peterLine.slice(60)}`, 'bad_signature'],
    ['a good and a bad signature of one key', [peter], `${text}\n${peterLine}${peterLine.replace('ZJku', 'ZJkv')}`, 'bad_signature'],
    ['no signatures', [peter], text, 'malformed'],
    ['a blank line and nothing', [peter], `${text}\n`, 'malformed'],
    ['no last newline', [peter], `${text}\n${peterLine.slice(0, -1)}`, 'malformed'],
    ['a control character', [peter], `\u0001${text}\n${peterLine}`, 'malformed'],
    ['a carriage return', [peter], `${text}\n${peterLine}`.replaceAll('\n', '\r\n'), 'malformed'],
    ['a name with a space', [peter], `${text}\n${peterLine.replace('PeterNeumann', 'Bad Name')}`, 'malformed'],
    ['a name with a plus sign', [peter], `${text}\n${peterLine}${enochLine.replace('EnochRoot', 'a+b')}`, 'malformed'],
    ['an unexpected line', [peter], `${text}\n${peterLine}Unexpected line.\n`, 'malformed'],
    ['a hyphen for the dash', [peter], `${text}\n${peterLine.replace('\u2014', '-')}`, 'malformed'],
    ['base64 without padding', [peter], `${text}\n${peterLine.replace('=\n', '\n')}`, 'malformed'],
    ['a signature of no bytes', [peter], `${text}\n${peterLine}\u2014 a AAAAAA==\n`, 'malformed'],
    ['half a surrogate pair', [peter], `\ud800${text}\n${peterLine}`, 'malformed'],
    ['text changed', [peter], `${text.replace('think', 'thank')}\n${peterLine}`, 'bad_signature'],
  ])('are refused: %s', (_name, keys, note, why) => {
    expect(openNote(note, keys)).toStrictEqual({ ok: false, why })
  })

  test('that are not UTF-8 are refused', () => {
    expect(openNote(Buffer.concat([Buffer.from([0xff]), Buffer.from(`${text}\n${peterLine}`)]), [peter])).toStrictEqual({
      ok: false,
      why: 'malformed',
    })
  })

  test('end their text at the last blank line', () => {
    const poem = 'one\n\ntwo\n'
    expect(openNote(signNote(poem, [testSigner]), [vkey])).toStrictEqual({
      ok: true,
      text: poem,
      signatures: [{ name, keyId, time: null }],
    })
  })

  test('two keys under one name and id are refused, whoever signed', () => {
    // The first two public keys, counted up from zero, whose ids under this name collide.
    const [one, two] = [22_922, 28_974].map((count) => {
      const publicKey = Buffer.alloc(32)
      publicKey.writeUInt32BE(count, 28)
      return vkeyOf({ name: 'twin.example', publicKey })
    })
    expect([parseVkey(one!)?.keyId, parseVkey(two!)?.keyId]).toStrictEqual(['8b8f24bc', '8b8f24bc'])
    expect(openNote(vectors.checkpoint_of_7, [vkey, one!]).ok).toBe(true)
    expect(openNote(vectors.checkpoint_of_7, [vkey, one!, two!])).toStrictEqual({ ok: false, why: 'bad_key' })
  })
})

test.each([
  ['', ''],
  ['AA==', '00'],
  ['+/8=', 'fbff'],
])('base64 %j is %s', (text, bytes) => {
  expect(decodeBase64(text)?.toString('hex')).toBe(bytes)
})

test.each(['AA', 'AA=', 'AB==', '-_8=', 'AA==\n', ' AA==', 'AAA', 'A', 'AA==AA==', '===='])('%j is no base64', (text) => {
  expect(decodeBase64(text)).toBe(undefined)
})

test.each([
  ['0', 0],
  ['7', 7],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
])('%s is a size', (text, size) => {
  expect(parseSize(text)).toBe(size)
})

test.each(['', '07', '-7', '+7', '7 ', ' 7', '7.0', '1e3', '0x7', '9007199254740992', '99999999999999999', '٧'])(
  '%j is no size',
  (text) => {
    expect(parseSize(text)).toBe(undefined)
  },
)

describe('checkpoints', () => {
  test('are those of the vectors', () => {
    expect(signNote(checkpointText(name, 7, root), [testSigner])).toBe(vectors.checkpoint_of_7)
    const text = checkpointText(name, 7, root)
    expect(`${vectors.checkpoint_of_7}${cosign(text, witnessSigner, COSIGNED_AT)}`).toBe(vectors.cosigned_checkpoint_of_7)
  })

  test('open with the keys of log and witness', () => {
    const text = checkpointText(name, 7, root)
    expect(openCheckpoint(vectors.cosigned_checkpoint_of_7, [vkey, witness])).toStrictEqual({
      ok: true,
      checkpoint: { origin: name, size: 7, root },
      text,
      signatures: [
        { name, keyId, time: null },
        { name: 'witness.example.org/w1', keyId: '195f1e3c', time: COSIGNED_AT },
      ],
    })
  })

  test("a witness's word alone does not do", () => {
    expect(openCheckpoint(vectors.cosigned_checkpoint_of_7, [witness])).toStrictEqual({ ok: false, why: 'not_signed' })
  })

  test('a cosignature whose time was changed is refused', () => {
    const line = vectors.cosigned_checkpoint_of_7.split('\n').at(-2)!
    const bytes = base64(line.split(' ')[2]!)
    bytes[11] = bytes[11]! ^ 1
    const changed = vectors.cosigned_checkpoint_of_7.replace(line.split(' ')[2]!, bytes.toString('base64'))
    expect(openCheckpoint(changed, [vkey, witness])).toStrictEqual({ ok: false, why: 'bad_signature' })
    const short = vectors.cosigned_checkpoint_of_7.replace(line.split(' ')[2]!, bytes.subarray(0, 70).toString('base64'))
    expect(openCheckpoint(short, [vkey, witness])).toStrictEqual({ ok: false, why: 'bad_signature' })
  })

  test('a cosignature of a time beyond what is counted exactly is refused', () => {
    const at = (time: number): string => `${vectors.checkpoint_of_7}${cosign(checkpointText(name, 7, root), witnessSigner, time)}`
    expect(openCheckpoint(at(Number.MAX_SAFE_INTEGER), [vkey, witness]).ok).toBe(true)
    expect(openCheckpoint(at(2 ** 53), [vkey, witness])).toStrictEqual({ ok: false, why: 'bad_signature' })
  })

  test.each(Object.entries(vectors.checkpoints_to_refuse))('are refused: %s', (_name, note) => {
    expect(openCheckpoint(note, [vkey]).ok).toBe(false)
  })

  test.each(Object.entries(vectors.checkpoints_to_accept))('are accepted: %s', (_name, note) => {
    expect(openCheckpoint(note, [vkey])).toMatchObject({ ok: true, checkpoint: { origin: name, size: 7 } })
  })

  test('of another origin than their key are refused as such', () => {
    const other = vectors.checkpoints_to_refuse['other origin (correctly signed)']!
    expect(openCheckpoint(other, [vkey])).toStrictEqual({ ok: false, why: 'other_origin' })
  })

  test.each([
    ['an empty origin', '\n7\nkTlgHMHKirKnoMLBNMBIRfKxulSag9bIRc/NpDnMWF0=\n'],
    ['an empty line behind', `${checkpointText(name, 7, root)}\n`],
    ['no last newline', checkpointText(name, 7, root).slice(0, -1)],
    ['no empty root at size 0', `${name}\n0\nkTlgHMHKirKnoMLBNMBIRfKxulSag9bIRc/NpDnMWF0=\n`],
  ])('have no text with %s', (_name, text) => {
    expect(parseCheckpoint(text)).toBe(undefined)
  })

  test('may carry more lines, which are not looked at', () => {
    expect(parseCheckpoint(`${checkpointText(name, 7, root)}extension\n`)).toStrictEqual({ origin: name, size: 7, root })
  })

  test('are not written with what cannot be read again', () => {
    expect(checkpointText(name, 0, EMPTY_ROOT)).toBe(`${name}\n0\n${vectors.roots['0']}\n`)
    expect(() => checkpointText(name, 0, root)).toThrow(RangeError)
    expect(() => checkpointText(name, 7.5, root)).toThrow(RangeError)
    expect(() => checkpointText('a\nb', 7, root)).toThrow(RangeError)
    expect(() => checkpointText(name, 7, root.subarray(1))).toThrow(RangeError)
  })

  test("tessera's test log: its entries give the roots that its key signed", () => {
    const { vkey: tesseraKey, entries, checkpoints } = published.tessera
    const edge = emptyEdge()
    const roots = new Map([[0, edge.root()]])
    for (const entry of entries) {
      edge.append(leafHash(Buffer.from(entry)))
      roots.set(edge.size, edge.root())
    }
    for (const [size, note] of Object.entries(checkpoints)) {
      const opened = openCheckpoint(note, [tesseraKey])
      expect(opened.ok && opened.checkpoint.size).toBe(Number(size))
      expect(opened.ok && Buffer.from(opened.checkpoint.root).toString('hex')).toBe(Buffer.from(roots.get(Number(size))!).toString('hex'))
    }
  })
})
