/** Which folder is a log, a state folder or a pack; and what is checked of disclosures and tags beside a log. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/domain/canonical.ts'
import type { Opened } from '../../../src/evidence/disclose.ts'
import { deriveTagKey, disclosure, subjectTag } from '../../../src/evidence/sealed.ts'
import { readDisclosed, readTagKeys, verifyPlace } from '../../../src/evidence/verify/place.ts'
import type { MemoryLog } from './given.ts'
import { aLog, records, testSigner, vectors } from './given.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ecluse-place-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function laid(log: MemoryLog, at: string): string {
  for (const [path, bytes] of log) {
    mkdirSync(dirname(join(at, path)), { recursive: true })
    writeFileSync(join(at, path), bytes)
  }
  return at
}

test('a log is found in its own folder', async () => {
  expect(await verifyPlace(laid(aLog(records(300)), folder))).toMatchObject({ ok: true, kind: 'log', logs: [{ size: 300, folder }] })
})

test('a state folder has one log for each period, and all are verified', async () => {
  laid(aLog(records(5)), join(folder, 'log', '2026'))
  laid(aLog(records(7)), join(folder, 'log', '2027'))
  mkdirSync(join(folder, 'log', 'not-yet-shown'))
  expect(await verifyPlace(folder)).toMatchObject({ ok: true, kind: 'state', logs: [{ size: 5 }, { size: 7 }] })
  writeFileSync(join(folder, 'log', '2027', 'checkpoint'), 'x\n')
  expect(await verifyPlace(folder)).toMatchObject({
    ok: false,
    at: { log: join(folder, 'log', '2027'), file: 'checkpoint' },
    why: 'malformed',
  })
})

test('files that are being written are not looked at, nor partial tiles that go while it reads', async () => {
  laid(aLog(records(20), { sizes: [3] }), folder)
  writeFileSync(join(folder, 'tile', '0', '000.p', '7.new'), 'half')
  expect(await verifyPlace(folder)).toMatchObject({ ok: true })
})

test('no log, no folder: that is no answer about a log', async () => {
  await expect(verifyPlace(folder)).rejects.toThrow('there is no log in')
  writeFileSync(join(folder, 'file'), '')
  await expect(verifyPlace(join(folder, 'file'))).rejects.toThrow('unpack a pack first')
  await expect(verifyPlace(join(folder, 'nothing'))).rejects.toThrow('ENOENT')
})

test('the bar is told of each log', async () => {
  const seen: unknown[] = []
  await verifyPlace(laid(aLog(records(300)), folder), { onProgress: (...at) => seen.push(at) })
  expect(seen).toStrictEqual([
    [folder, 256, 300],
    [folder, 300, 300],
  ])
})

describe('beside the log', () => {
  const field = disclosure('subject', { meter: 'prm:10000000000001' })
  const tagKey = deriveTagKey(Buffer.alloc(32, 1), testSigner.name)
  const nonce = Buffer.alloc(16, 2)
  const tagOf = (key: Buffer) => ({ n: nonce.toString('base64url'), k: subjectTag(key, nonce).toString('base64url') })
  const entries = records(6).map((bytes, n) =>
    n === 0
      ? bytes
      : Buffer.from(
          canonicalJson({
            ...(JSON.parse(bytes.toString()) as Record<string, never>),
            ...(n <= 2 && { _sd: [field.digest], _sd_alg: 'sha-256' }),
            tags: [tagOf(n <= 3 ? tagKey : deriveTagKey(Buffer.alloc(32, 9), testSigner.name))],
          }),
        ),
  )
  const opened = (n: number, more: Partial<Opened> = {}): Opened => ({
    n,
    name: `${testSigner.name}/${n}`,
    entry: entries[n]!.toString(),
    disclosures: [field.disclosure],
    ...more,
  })
  const verify = (disclosed: readonly Opened[], tagKeys: readonly string[] = []) => {
    laid(aLog(entries), folder)
    return verifyPlace(folder, { vkey: vectors.key.vkey, disclosed, tagKeys })
  }

  test('disclosures and tags are counted, and what was not disclosed', async () => {
    const answer = await verify([opened(1), opened(2, { disclosures: null })], [tagKey.toString('hex'), 'ab'.repeat(32)])
    expect(answer).toMatchObject({
      ok: true,
      disclosed: {
        entries: 2,
        fields: 1,
        erased: 1,
        tagged: [
          { entries: 3, undisclosed: 1 },
          { entries: 0, undisclosed: 0 },
        ],
      },
    })
  })

  test.each([
    ['another field', opened(1, { disclosures: [disclosure('subject', 'x').disclosure] }), 'not_disclosed_by', 1],
    ['the field of another entry', opened(4), 'not_disclosed_by', 4],
    ['other letters', opened(1, { disclosures: [`${field.disclosure}A`] }), 'not_disclosed_by', 1],
    ['another entry under this number', opened(1, { entry: entries[2]!.toString() }), 'other_entry', 1],
    ['an entry beyond the log', opened(1, { n: 6, name: `${testSigner.name}/6` }), 'other_entry', 6],
  ])('is refused: %s', async (_name, given, why, entry) => {
    expect(await verify([given])).toMatchObject({ ok: false, why, at: { entry } })
  })

  test('they are read from what audit open printed, and tag keys from a pack', async () => {
    const file = join(folder, 'opened.json')
    writeFileSync(file, JSON.stringify({ recordedAs: 'x/1', opened: [opened(1)] }))
    expect(await readDisclosed(file)).toStrictEqual([opened(1)])
    for (const bad of ['{}', '{"opened":[{}]}', 'x', '\u00ff']) {
      writeFileSync(file, bad)
      await expect(readDisclosed(file)).rejects.toThrow('does not hold entries and disclosures')
    }
    await expect(readDisclosed(join(folder, 'none'))).rejects.toThrow('cannot be found')
    mkdirSync(join(folder, 'tags'))
    writeFileSync(join(folder, 'tags', 's.json'), canonicalJson({ subject: 's', tagKey: tagKey.toString('hex') }))
    for (const path of [join(folder, 'tags'), join(folder, 'tags', 's.json'), tagKey.toString('hex')])
      expect(await readTagKeys(path)).toStrictEqual([tagKey.toString('hex')])
    writeFileSync(join(folder, 'tags', 't.json'), '{}')
    await expect(readTagKeys(join(folder, 'tags'))).rejects.toThrow('holds no tag key')
  })
})
