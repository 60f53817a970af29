import { describe, expect, test } from 'vitest'
import { signerOf, witnessVkeyOf } from '../../../src/evidence/log/note.ts'
import type { TrustPolicy } from '../../../src/evidence/log/policy.ts'
import { parsePolicy, policyOf, policyText, quorumMet } from '../../../src/evidence/log/policy.ts'
import { parseProof, proofText, verifyProof } from '../../../src/evidence/log/proof.ts'
import { base64, sentence, vectors } from './given.ts'

const { vkey } = vectors.key
const witness = vectors.witness_key.vkey
const COSIGNED_AT = 1_767_225_600
const file = vectors.tlog_proof_of_3_in_7
const hashes = vectors.inclusion.find(({ index, size }) => index === 3 && size === 7)!.proof.map(base64)
const witnessed: TrustPolicy = { ...policyOf(vkey), witnesses: [{ name: 'w1', vkey: witness, url: null }], quorum: 'w1' }

describe('a proof file', () => {
  const parts = { index: 3, proof: hashes, checkpoint: vectors.cosigned_checkpoint_of_7, extra: null }

  test('is written and read as the vectors have it', () => {
    expect(proofText(parts)).toBe(file)
    expect(parseProof(file)).toStrictEqual(parts)
    expect(parseProof(Buffer.from(file))).toStrictEqual(parts)
    const withExtra = { ...parts, extra: Buffer.from('about this entry') }
    expect(parseProof(proofText(withExtra))).toStrictEqual(withExtra)
  })

  test('proves its entry to whoever has the policy', () => {
    expect(verifyProof(file, sentence(3), witnessed)).toStrictEqual({
      ok: true,
      index: 3,
      checkpoint: { origin: vectors.key.name, size: 7, root: base64(vectors.roots['7']!) },
      signatures: [
        { name: vectors.key.name, keyId: vectors.key.key_id_hex, time: null },
        { name: 'witness.example.org/w1', keyId: '195f1e3c', time: COSIGNED_AT },
      ],
    })
  })

  test('of a log of one entry has no hashes', () => {
    const alone = { ...parts, index: 0, proof: [] }
    expect(parseProof(proofText(alone))).toStrictEqual(alone)
  })

  test.each([
    ['another entry', file, sentence(4), witnessed, 'not_included'],
    ['another index', file.replace('index 3', 'index 2'), sentence(3), witnessed, 'not_included'],
    ['one hash less', proofText({ ...parts, proof: hashes.slice(1) }), sentence(3), witnessed, 'not_included'],
    ['one hash more', proofText({ ...parts, proof: [...hashes, hashes[0]!] }), sentence(3), witnessed, 'not_included'],
    ['another log', file, sentence(3), policyOf(vkey.replace('7c4344b9', '7c4344b8')), 'bad_key'],
    ['no witness where one is asked', proofText({ ...parts, checkpoint: vectors.checkpoint_of_7 }), sentence(3), witnessed, 'no_quorum'],
    ['an unsigned checkpoint', file.slice(0, file.indexOf('\u2014')), sentence(3), witnessed, 'malformed'],
  ])('does not prove with %s', (_name, text, entry, policy, why) => {
    expect(verifyProof(text, entry, policy)).toStrictEqual({ ok: false, why })
  })

  test.each([
    ['another version', file.replace('@v1', '@v2')],
    ['no index', file.replace('index 3\n', '')],
    ['an index with a leading zero', file.replace('index 3', 'index 03')],
    ['extra behind the index', file.replace('index 3\n', 'index 3\nextra AAAA\n')],
    ['extra that is no base64', file.replace('index 3\n', 'extra A\nindex 3\n')],
    ['a hash of 31 bytes', file.replace(/BJ19[^\n]*/, Buffer.alloc(31).toString('base64'))],
    ['a hash that is no base64', file.replace('BJ19zb', 'BJ19z-')],
    ['a line end of two characters', file.replaceAll('\n', '\r\n')],
    ['64 hashes', proofText({ ...parts, proof: Array.from({ length: 64 }, () => hashes[0]!) })],
    ['no checkpoint', file.slice(0, file.indexOf('\n\n'))],
    ['nothing', ''],
  ])('is refused: %s', (_name, text) => {
    expect(parseProof(text)).toBe(undefined)
  })

  test('every flipped bit is noticed', () => {
    const bytes = Buffer.from(file)
    const accepted: number[] = []
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const changed = Buffer.from(bytes)
      changed[Math.floor(bit / 8)] = changed[Math.floor(bit / 8)]! ^ (1 << (bit % 8))
      if (verifyProof(changed, sentence(3), witnessed).ok) accepted.push(bit)
    }
    expect(accepted).toStrictEqual([])
  })
})

describe('a trust policy', () => {
  const [x1, x2, x3, y1] = ['x1', 'x2', 'x3', 'y1'].map((name, i) => witnessVkeyOf(signerOf(`${name}.example`, Buffer.alloc(32, i + 1))))
  const text = [
    '# who may vouch for the log',
    `log ${vkey} https://audit.example.org/`,
    '',
    ` witness\tX1  ${x1}`,
    `witness X2 ${x2} https://x2.example/`,
    `witness X3 ${x3}`,
    'group X 2 X1 X2 X3',
    `witness Y1 ${y1}`,
    'group Y any Y1',
    'group both all X Y',
    'quorum both',
    '',
  ].join('\n')
  const policy: TrustPolicy = {
    logs: [{ vkey, url: 'https://audit.example.org/' }],
    witnesses: [
      { name: 'X1', vkey: x1!, url: null },
      { name: 'X2', vkey: x2!, url: 'https://x2.example/' },
      { name: 'X3', vkey: x3!, url: null },
      { name: 'Y1', vkey: y1!, url: null },
    ],
    groups: [
      { name: 'X', least: 2, members: ['X1', 'X2', 'X3'] },
      { name: 'Y', least: 1, members: ['Y1'] },
      { name: 'both', least: 2, members: ['X', 'Y'] },
    ],
    quorum: 'both',
  }

  test('is read with comments, tabs, groups of groups', () => {
    expect(parsePolicy(text)).toStrictEqual({ ok: true, policy })
    expect(parsePolicy(Buffer.from(text))).toStrictEqual({ ok: true, policy })
  })

  test('comes back from what is written', () => {
    expect(parsePolicy(policyText(policy))).toStrictEqual({ ok: true, policy })
    expect(policyText(policyOf(vkey))).toBe(`log ${vkey}\nquorum none\n`)
    expect(parsePolicy('quorum none\n')).toStrictEqual({ ok: true, policy: { logs: [], witnesses: [], groups: [], quorum: null } })
  })

  const signed = (...keys: (string | undefined)[]) =>
    keys.map((key) => ({ name: key!.split('+')[0]!, keyId: key!.split('+')[1]!, time: COSIGNED_AT }))
  test.each([
    ['nobody', [], false],
    ['two of X', signed(x1, x3), false],
    ['one of X and Y', signed(x2, y1), false],
    ['two of X and Y', signed(x1, x2, y1), true],
    ['all', signed(x1, x2, x3, y1), true],
    ['names without their key ids', signed(x1, x2, y1).map((s) => ({ ...s, keyId: '00000000' })), false],
    ['signatures that are no cosignatures', signed(x1, x2, y1).map((s) => ({ ...s, time: null })), false],
  ])('counts %s', (_name, signatures, met) => {
    expect(quorumMet(policy, signatures)).toBe(met)
  })

  test('that asks no witness is met by none', () => {
    expect(quorumMet(policyOf(vkey), [])).toBe(true)
  })

  test.each([
    ['an unknown line', `lug ${vkey}\nquorum none\n`, 1, 'neither log, witness, group nor quorum'],
    ['a log without a key', 'log\nquorum none\n', 1, 'not the key of a log'],
    ['a witness as log', `log ${witness}\nquorum none\n`, 1, 'not the key of a log'],
    ['a log as witness', `witness w ${vkey}\nquorum none\n`, 1, 'not the key of a witness'],
    ['a log too wordy', `log ${vkey} a b\nquorum none\n`, 1, 'too many words'],
    ['a witness too wordy', `witness w ${witness} a b\nquorum none\n`, 1, 'too many words'],
    ['one log twice', `log ${vkey}\nlog ${vkey}\nquorum none\n`, 2, "this log's key stands twice"],
    ['one witness twice', `witness a ${witness}\nwitness b ${witness}\nquorum none\n`, 2, "this witness's key stands twice"],
    ['one name twice', `witness a ${x1}\nwitness a ${x2}\nquorum none\n`, 2, 'this name is taken'],
    ['the name none', `witness none ${x1}\nquorum none\n`, 1, 'this name is taken'],
    ['a group without a name', 'group\nquorum none\n', 1, 'not a threshold of these members'],
    ['a group without members', 'group g any\nquorum none\n', 1, 'not a threshold of these members'],
    ['more than there are', `witness a ${x1}\ngroup g 2 a\nquorum none\n`, 2, 'not a threshold of these members'],
    ['none of them', `witness a ${x1}\ngroup g 0 a\nquorum none\n`, 2, 'not a threshold of these members'],
    ['a member below', `group g any a\nwitness a ${x1}\nquorum none\n`, 1, 'a member is not defined above'],
    ['none as a member', 'group g any none\nquorum none\n', 1, 'a member is not defined above'],
    ['a member of two groups', `witness a ${x1}\ngroup g any a\ngroup h any a\nquorum g\n`, 3, 'a member stands in two groups'],
    ['a quorum of nobody', 'quorum q\n', 1, 'a quorum names one witness or group defined above, or none'],
    ['two quorums', 'quorum none\nquorum none\n', 2, 'a second quorum'],
    ['no quorum', `log ${vkey}\n`, 2, 'no quorum'],
    ['no end of line', 'quorum none', 1, 'the last line does not end'],
    ['a carriage return', 'quorum none\r\n', 1, 'a control character'],
  ])('is refused: %s', (_name, bad, line, why) => {
    expect(parsePolicy(bad)).toStrictEqual({ ok: false, line, why })
  })

  test('that is not UTF-8 is refused', () => {
    expect(parsePolicy(Buffer.from([0x23, 0xff, 0x0a]))).toStrictEqual({ ok: false, line: 1, why: 'not UTF-8' })
  })
})
