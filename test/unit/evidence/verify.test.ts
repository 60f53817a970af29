import { describe, expect, test } from 'vitest'
import { emptyEdge, leafHash } from '../../../src/evidence/log/merkle.ts'
import { checkpointText, cosign, signerOf, signNote, vkeyOf } from '../../../src/evidence/log/note.ts'
import { policyOf } from '../../../src/evidence/log/policy.ts'
import { encodeBundle } from '../../../src/evidence/log/tiles.ts'
import type { VerifyOptions } from '../../../src/evidence/verify.ts'
import { MISTAKES, verifyLog } from '../../../src/evidence/verify.ts'
import type { MemoryLog } from './given.ts'
import { aLog, filesOf, published, records, sentence, testSigner, vectors, witnessSigner } from './given.ts'

const { name: origin, vkey } = vectors.key
const verify = async (log: MemoryLog, options: VerifyOptions = { vkey }) => verifyLog(filesOf(log), options)
const refused = (why: string, at: object = {}) => ({ ok: false, at, why })
const rootOf = (entries: readonly Uint8Array[]): Uint8Array => {
  const edge = emptyEdge()
  for (const entry of entries) edge.append(leafHash(entry))
  return edge.root()
}
/** The same log with one file changed, or gone where `bytes` is null. */
function changed(log: MemoryLog, path: string, bytes: Uint8Array | string | null): MemoryLog {
  const copy = new Map(log)
  if (bytes === null) copy.delete(path)
  else copy.set(path, Buffer.from(bytes))
  return copy
}
const signed = (entries: readonly Uint8Array[], size: number, signer = testSigner): string =>
  signNote(checkpointText(signer.name, size, rootOf(entries.slice(0, size))), [signer])

describe('a log that is whole', () => {
  test('is told with all that was seen in it', async () => {
    const entries = records(600)
    expect(await verify(aLog(entries, { sizes: [1, 100, 255, 256, 257], kept: [3, 256, 300] }))).toStrictEqual({
      ok: true,
      origin,
      size: 600,
      root: Buffer.from(rootOf(entries)).toString('base64'),
      trust: 'given',
      vkey,
      checkpoints: 3,
      stampedTexts: 0,
      witnessed: null,
      named: [],
      types: { 'access.intent': 300, 'access.outcome': 299, 'log.opened': 1 },
      notOurs: 0,
      openIntents: 1,
      firstOpenIntent: 599,
      firstAt: '2027-01-15T08:00:00.000Z',
      lastAt: '2027-01-15T08:00:00.599Z',
    })
  })

  test.each([0, 1, 2, 255, 256, 257, 511, 512, 513, 767, 768, 769, 1024, 1025])(
    'of %s entries verifies, with every size kept',
    async (size) => {
      const kept = Array.from({ length: Math.min(size, 60) }, (_, i) => size - i - 1)
      expect(await verify(aLog(records(size), { kept }))).toMatchObject({ ok: true, size, checkpoints: kept.length })
    },
  )

  test('of 70,000 entries of another writer has the root of the vectors', async () => {
    const log = aLog(
      Array.from({ length: 70_000 }, (_, i) => sentence(i)),
      { kept: [7, 255, 256, 257, 65_535, 65_536, 65_537] },
    )
    expect(await verify(log)).toMatchObject({
      ok: true,
      root: vectors.roots['70000'],
      notOurs: 70_000,
      types: {},
      openIntents: 0,
      checkpoints: 7,
    })
  })

  test("of tessera verifies under tessera's key", async () => {
    const { vkey: tesseraKey, entries, checkpoints } = published.tessera
    const log = aLog(entries.map((e) => Buffer.from(e)))
    for (const file of ['vkey.txt', 'policy.txt']) log.delete(file)
    for (const [size, note] of Object.entries(checkpoints)) log.set(`checkpoints/${size}`, Buffer.from(note))
    log.set('checkpoint', Buffer.from(checkpoints['15']!))
    expect(await verify(log, { vkey: tesseraKey })).toMatchObject({ ok: true, size: 15, notOurs: 15, checkpoints: 7 })
    expect(await verify(log, { vkey })).toStrictEqual(refused('not_signed', { file: 'checkpoint' }))
  })

  test('is taken at its own word where no key is given, and that is said', async () => {
    const log = aLog(records(3))
    expect(await verify(log, {})).toMatchObject({ ok: true, trust: 'own' })
    expect(await verify(changed(log, 'policy.txt', null), {})).toMatchObject({ ok: true, trust: 'own' })
    expect(await verify(log, { policy: policyOf(vkey) })).toMatchObject({ ok: true, trust: 'given' })
  })

  test('needs no narrower tile once the wider one is there, and looks at none beyond its size', async () => {
    const entries = records(300)
    const log = aLog(entries.slice(0, 200))
    const ahead = aLog(entries)
    for (const path of ['tile/entries/000', 'tile/0/000', 'tile/1/000.p/1', 'tile/0/001.p/44']) log.set(path, ahead.get(path)!)
    expect(await verify(log)).toMatchObject({ ok: true, size: 200 })
    for (const path of ['tile/entries/000.p/200', 'tile/0/000.p/200']) log.delete(path)
    expect(await verify(log)).toMatchObject({ ok: true, size: 200 })
    log.set('tile/entries/000.p/250', Buffer.from('not signed yet'))
    expect(await verify(log)).toMatchObject({ ok: true, size: 200 })
  })

  test('tells how far it is', async () => {
    const seen: [number, number][] = []
    await verify(aLog(records(600)), { vkey, onProgress: (entries, size) => seen.push([entries, size]) })
    expect(seen).toStrictEqual([
      [256, 600],
      [512, 600],
      [600, 600],
    ])
  })
})

describe('what is published of keys and checkpoints', () => {
  const entries = records(9)
  const log = aLog(entries, { kept: [4] })
  const thief = signerOf(origin, Buffer.alloc(32, 9))

  test.each([
    ['no key at all', changed(changed(log, 'vkey.txt', null), 'policy.txt', null), {}, refused('no_key')],
    ['another key in vkey.txt', changed(log, 'vkey.txt', `${vkeyOf(thief)}\n`), { vkey }, refused('another_key', { file: 'vkey.txt' })],
    [
      'another key in policy.txt',
      changed(log, 'policy.txt', `log ${vkeyOf(thief)}\nquorum none\n`),
      { vkey },
      refused('another_key', { file: 'policy.txt' }),
    ],
    ['a policy that is none', changed(log, 'policy.txt', 'trust me\n'), { vkey }, refused('bad_policy', { file: 'policy.txt' })],
    [
      'a key given that is none',
      changed(changed(log, 'vkey.txt', null), 'policy.txt', null),
      { vkey: 'x' },
      refused('bad_key', { file: 'checkpoint' }),
    ],
    ['no checkpoint', changed(log, 'checkpoint', null), { vkey }, refused('missing', { file: 'checkpoint' })],
    [
      'a checkpoint of another key',
      changed(log, 'checkpoint', signed(entries, 9, thief)),
      { vkey },
      refused('not_signed', { file: 'checkpoint' }),
    ],
    [
      'a kept checkpoint of another key',
      changed(log, 'checkpoints/4', signed(entries, 4, thief)),
      { vkey },
      refused('not_signed', { file: 'checkpoints/4' }),
    ],
    ['a kept checkpoint that is no note', changed(log, 'checkpoints/4', 'x'), { vkey }, refused('malformed', { file: 'checkpoints/4' })],
    [
      'a kept checkpoint under another size',
      changed(log, 'checkpoints/5', signed(entries, 4)),
      { vkey },
      refused('other_size', { file: 'checkpoints/5' }),
    ],
    [
      'a kept checkpoint without a size',
      changed(log, 'checkpoints/04', signed(entries, 4)),
      { vkey },
      refused('unknown_file', { file: 'checkpoints/04' }),
    ],
    [
      'a kept checkpoint that is newer',
      changed(log, 'checkpoints/10', signed(records(10), 10)),
      { vkey },
      refused('newer_than_the_log', { file: 'checkpoints/10' }),
    ],
    [
      'a kept checkpoint of a fork',
      changed(
        log,
        'checkpoints/4',
        signed(
          records(4, (r) => ({ ...r, fork: true })),
          4,
        ),
      ),
      { vkey },
      refused('root_differs', { file: 'checkpoints/4' }),
    ],
    [
      'a stamped text of a fork',
      changed(log, 'anchors/4.txt', checkpointText(origin, 4, rootOf(records(5)))),
      { vkey },
      refused('root_differs', { file: 'anchors/4.txt' }),
    ],
    [
      'a stamped text of another log',
      changed(log, 'anchors/4.txt', checkpointText('x', 4, rootOf(entries.slice(0, 4)))),
      { vkey },
      refused('other_origin', { file: 'anchors/4.txt' }),
    ],
    ['a stamped text that is none', changed(log, 'anchors/4.txt', 'x'), { vkey }, refused('malformed', { file: 'anchors/4.txt' })],
  ])('is refused: %s', async (_name, files, options, expected) => {
    expect(await verify(files, options)).toStrictEqual(expected)
  })

  test('counts stamped texts, and leaves the stamps to other tools', async () => {
    const stamped = changed(log, 'anchors/4.txt', checkpointText(origin, 4, rootOf(entries.slice(0, 4))))
    expect(await verify(changed(stamped, 'anchors/4.tsr', 'a token'))).toMatchObject({ ok: true, stampedTexts: 1 })
  })

  test('tells up to where enough witnesses saw the log', async () => {
    const policy = { ...policyOf(vkey), witnesses: [{ name: 'w1', vkey: vectors.witness_key.vkey, url: null }], quorum: 'w1' }
    expect(await verify(log, { policy })).toStrictEqual(refused('no_quorum', { file: 'checkpoint' }))
    const cosigned = (size: number): string =>
      signed(entries, size) + cosign(checkpointText(origin, size, rootOf(entries.slice(0, size))), witnessSigner, 1_767_225_600)
    expect(await verify(changed(log, 'checkpoints/4', cosigned(4)), { policy })).toMatchObject({ ok: true, witnessed: 4 })
    expect(await verify(changed(log, 'checkpoint', cosigned(9)), { policy })).toMatchObject({ ok: true, witnessed: 9 })
  })

  test('a log signed anew from its first entry is shown by a checkpoint that was kept, by its key alone it is not', async () => {
    const rewritten = aLog(records(9, (r) => (r['n'] === 3 ? { ...r, client: 'someone else' } : r)))
    expect(await verify(rewritten)).toMatchObject({ ok: true })
    const kept = changed(rewritten, 'checkpoints/4', log.get('checkpoints/4')!)
    expect(await verify(kept)).toStrictEqual(refused('root_differs', { file: 'checkpoints/4' }))
  })

  test('every mistake has its sentence', () => {
    expect(Object.values(MISTAKES).every((text) => text.length > 10)).toBe(true)
  })
})

describe('records', () => {
  const at = (n: number, change: object) => records(9, (r) => (r['n'] === n ? { ...r, ...change } : r))
  test.each([
    ['a number used again', at(4, { n: 3 }), 'wrong_number', 4],
    ['a first entry that does not open the log', at(0, { t: 'log.recovered' }), 'not_opened', 0],
    ['a log opened twice', at(5, { t: 'log.opened' }), 'opened_twice', 5],
    ['no type', at(5, { t: undefined }), 'not_a_record', 5],
    ['another version', at(5, { v: 2 }), 'not_a_record', 5],
    ['no time', at(5, { at: undefined }), 'bad_time', 5],
    ['a time in another zone', at(5, { at: '2027-01-15T09:00:00.005+01:00' }), 'bad_time', 5],
    ['a time before the last', at(5, { at: '2027-01-15T08:00:00.003Z' }), 'time_went_back', 5],
    ['an intent without a request', at(5, { req: undefined }), 'bad_intent', 5],
    ['an outcome without an intent', at(6, { intent: undefined }), 'outcome_without_intent', 6],
    ['an outcome of a later intent', at(6, { intent: 7 }), 'outcome_without_intent', 6],
    ['an outcome of no intent', at(6, { intent: 0 }), 'outcome_without_intent', 6],
    ['a second outcome of one intent', at(6, { intent: 3 }), 'outcome_without_intent', 6],
    ['an outcome of another request', at(6, { req: 'req-1' }), 'outcome_of_another_call', 6],
    ['an outcome of another call', at(6, { call: 2 }), 'outcome_of_another_call', 6],
  ])('are refused: %s', async (_name, entries, why, entry) => {
    expect(await verify(aLog(entries))).toStrictEqual(refused(why, { entry }))
  })

  test.each([
    ['no JSON', Buffer.from('{"v":1,')],
    ['no object', Buffer.from('[1]')],
    ['no UTF-8', Buffer.from(records(4)[3]!.map((byte) => (byte === 0x71 ? 0xff : byte)))],
    ['white space before it', Buffer.from(` ${records(4)[3]!.toString()}`)],
  ])('are refused: %s', async (_name, entry) => {
    expect(await verify(aLog(records(9).toSpliced(3, 1, entry)))).toStrictEqual(refused('not_a_record', { entry: 3 }))
  })

  test('the first bad one of several is named', async () => {
    const bad = records(300, (r) => (Number(r['n']) >= 270 ? { ...r, n: 0 } : r))
    expect(await verify(aLog(bad))).toStrictEqual(refused('wrong_number', { entry: 270 }))
  })

  test('an equal time is no step back', async () => {
    expect(await verify(aLog(at(5, { at: '2027-01-15T08:00:00.004Z' })))).toMatchObject({ ok: true })
  })

  test('an open intent is a mistake only in a log at rest', async () => {
    const open = aLog(records(10, (r) => (r['t'] === 'access.outcome' && r['n'] === 4 ? { ...r, t: 'admin.note' } : r)))
    expect(await verify(open)).toMatchObject({ ok: true, openIntents: 2, firstOpenIntent: 3 })
    expect(await verify(open, { vkey, quiescent: true })).toStrictEqual(refused('open_intent', { entry: 3 }))
    expect(await verify(aLog(records(9)), { vkey, quiescent: true })).toMatchObject({ ok: true, openIntents: 0 })
  })

  test('a later outcome may close an earlier intent, in any order', async () => {
    const crossed = records(5).map((entry) => JSON.parse(entry.toString()) as Record<string, unknown>)
    const [opened, first, , second] = crossed
    const outcomeOf = (n: number, of: Record<string, unknown>) => ({
      ...of,
      n,
      t: 'access.outcome',
      at: '2027-01-15T08:00:01.000Z',
      intent: of['n'],
    })
    const log = [opened, first, { ...second, n: 2 }, outcomeOf(3, { ...second!, n: 2 }), outcomeOf(4, first!)]
    expect(await verify(aLog(log.map((r) => Buffer.from(JSON.stringify(r)))))).toMatchObject({ ok: true, openIntents: 0 })
  })
})

describe('any change', () => {
  const entries = records(260)
  const log = aLog(entries, { sizes: [3, 255, 258], kept: [2, 256] })

  test('each bit of each file is noticed', async () => {
    // Small, but with old partial tiles, kept checkpoints and what is published of the key.
    const small = aLog(records(3), { sizes: [1], kept: [2] })
    const accepted: string[] = []
    for (const [path, bytes] of small) {
      for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
        const flipped = Buffer.from(bytes)
        flipped[Math.floor(bit / 8)] = flipped[Math.floor(bit / 8)]! ^ (1 << (bit % 8))
        if ((await verify(changed(small, path, flipped))).ok) accepted.push(`${path} bit ${bit}`)
      }
    }
    expect(accepted).toStrictEqual([])
  }, 60_000)

  test('a flipped bit anywhere in a log with full tiles is noticed', async () => {
    const accepted: string[] = []
    for (const [path, bytes] of log) {
      for (let i = 0; i < bytes.byteLength; i += Math.max(1, Math.floor(bytes.byteLength / 50))) {
        const flipped = Buffer.from(bytes)
        flipped[i] = flipped[i]! ^ (1 << (i % 8))
        if ((await verify(changed(log, path, flipped))).ok) accepted.push(`${path} byte ${i}`)
      }
    }
    expect(accepted).toStrictEqual([])
  }, 60_000)

  test('a byte less, a byte more, or the file gone is noticed, for every file that the log cannot do without', async () => {
    const accepted: string[] = []
    for (const [path, bytes] of log) {
      if ((await verify(changed(log, path, bytes.subarray(0, -1)))).ok) accepted.push(`${path} cut`)
      if ((await verify(changed(log, path, Buffer.concat([bytes, Buffer.from('\n')])))).ok) accepted.push(`${path} longer`)
    }
    expect(accepted).toStrictEqual(['policy.txt longer'])
    for (const path of ['checkpoint', 'tile/entries/000', 'tile/0/000', 'tile/1/000.p/1', 'tile/entries/001.p/4', 'tile/0/001.p/4']) {
      expect(await verify(changed(log, path, null))).toStrictEqual(refused('missing', { file: path }))
    }
  })

  test.each([
    ['swapped', entries.slice(0, 256).with(100, entries[101]!).with(101, entries[100]!), 100],
    ['replaced', entries.slice(0, 256).with(7, entries[8]!), 7],
    ['deleted and another put at the end', [...entries.slice(0, 256).toSpliced(31, 1), entries[255]!], 31],
  ])('entries %s in a bundle: the first of them is named', async (_name, bundle, entry) => {
    expect(await verify(changed(log, 'tile/entries/000', encodeBundle(bundle)))).toStrictEqual(
      refused('differs', { file: 'tile/0/000', entry }),
    )
  })

  test.each([
    ['one less', entries.slice(0, 255)],
    ['one more', entries.slice(0, 257)],
  ])('a bundle with %s is malformed', async (_name, bundle) => {
    const bytes = Buffer.concat(bundle.map((entry) => encodeBundle([entry])))
    expect(await verify(changed(log, 'tile/entries/000', bytes))).toStrictEqual(refused('malformed', { file: 'tile/entries/000' }))
  })

  test('bundles and tiles changed together, under the old signature, are refused', async () => {
    const forged = aLog(
      records(260, (r) => (r['n'] === 9 ? { ...r, client: 'x' } : r)),
      { signer: signerOf(origin, Buffer.alloc(32, 9)) },
    )
    for (const path of ['checkpoint', 'vkey.txt', 'policy.txt']) forged.set(path, log.get(path)!)
    expect(await verify(forged)).toStrictEqual(refused('root_differs', { file: 'checkpoint' }))
  })

  test('a tail cut off is noticed by a kept checkpoint', async () => {
    const cut = aLog(entries.slice(0, 200))
    expect(await verify(changed(cut, 'checkpoints/256', log.get('checkpoints/256')!))).toStrictEqual(
      refused('newer_than_the_log', { file: 'checkpoints/256' }),
    )
  })

  test.each(['tile/1/000', 'tile/1/001.p/1', 'tile/2/000.p/1'])('a node changed in %s is noticed', async (path) => {
    const large = aLog(Array.from({ length: 65_800 }, (_, i) => sentence(i)))
    const tile = Buffer.from(large.get(path)!)
    tile[31] = tile[31]! ^ 1
    expect(await verify(changed(large, path, tile))).toStrictEqual(refused('differs', { file: path }))
  })

  test('a file among partial tiles that no log has is refused', async () => {
    expect(await verify(changed(log, 'tile/0/000.p/0', 'x'))).toStrictEqual(refused('unknown_file', { file: 'tile/0/000.p/0' }))
    expect(await verify(changed(log, 'tile/entries/000.p/256', 'x'))).toStrictEqual(
      refused('unknown_file', { file: 'tile/entries/000.p/256' }),
    )
  })

  test('the changed partial tile is named', async () => {
    const partial = Buffer.from(log.get('tile/0/000.p/255')!)
    partial[0] = partial[0]! ^ 1
    expect(await verify(changed(log, 'tile/0/000.p/255', partial))).toStrictEqual(refused('differs', { file: 'tile/0/000.p/255' }))
  })

  test('a file that cannot be read is no answer about the log', async () => {
    const broken = { ...filesOf(log), read: async () => Promise.reject(new Error('EIO')) }
    await expect(verifyLog(broken, { vkey })).rejects.toThrow('EIO')
  })
})
