/** What a pack says in words: nothing of it can become a formula, markup, or a checkpoint. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { parseCheckpoint } from '../../../src/evidence/log/note.ts'
import type { Manifest } from '../../../src/evidence/pack/manifest.ts'
import { manifestText, packText, parseManifest } from '../../../src/evidence/pack/manifest.ts'
import { readmeOf } from '../../../src/evidence/pack/readme.ts'
import { csvCell, csvOf, htmlOf, REPORT_COLUMNS, reportRows } from '../../../src/evidence/pack/report.ts'
import { writeFolder, writeZip } from '../../../src/evidence/pack/write.ts'
import type { OpenedEntry } from '../../../src/evidence/opened.ts'

const ID = '01234567-89ab-4cde-8f01-23456789abcd'
const HASH = `sha256:${'a'.repeat(64)}`
const manifest: Manifest = {
  format: 'ecluse-pack/v1',
  pack: ID,
  madeAt: '2026-11-25T10:00:00.000Z',
  by: 'uid:0',
  why: '<script>alert(1)</script>',
  for: '=HYPERLINK("http://evil")',
  scope: { client: ['a&b'] },
  origin: 'audit.example.org/journal/2026',
  size: 12,
  root: 'x',
  entries: 1,
  types: {},
  erased: 0,
  files: [{ path: 'a', bytes: 1, sha256: 'b' }],
}
const entry = (record: Record<string, never>, fields: Record<string, never> = {}, seal: OpenedEntry['seal'] = 'open'): OpenedEntry => ({
  n: 3,
  name: 'audit.example.org/journal/2026/3',
  record,
  fields,
  seal,
  strays: 0,
})
const intent = entry(
  { t: 'access.intent', client: '=cmd|calc', at: '2026', dec: { result: 'allow' }, asked: null } as never,
  { subject: { meter: 'prm:10000000000001' }, permissions: [{ id: 'p1' }, { id: 'p2', lines: [{}] }] } as never,
)
const outcome: OpenedEntry = { ...entry({ t: 'access.outcome', intent: 3, result: 'delivered', status: 200, readings: 48 } as never), n: 4 }

describe('the report', () => {
  test('has one row for a call with its outcome', () => {
    expect(reportRows([intent, outcome])).toMatchObject([
      {
        entry: '3',
        client: '=cmd|calc',
        meter: 'prm:10000000000001',
        permission: 'p2',
        answer: 'delivered',
        status: '200',
        readings: '48',
        outcome_entry: '4',
      },
    ])
    expect(reportRows([entry({ t: 'access.refused', dec: { reason: 'expired' } } as never, {}, 'erased')])).toMatchObject([
      { meter: 'erased', reason: 'expired', answer: '' },
    ])
  })

  test.each([
    ['=1+1', "'=1+1"],
    ['+33123456789', "'+33123456789"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['\rx', '"\'\rx"'],
    ['a,b', '"a,b"'],
    ['say "no"', '"say ""no"""'],
    ['two\nlines', '"two\nlines"'],
    ['=a,"b"', '"\'=a,""b"""'],
    ['plain', 'plain'],
    ['', ''],
  ])('a cell %j is written %j', (text, cell) => {
    expect(csvCell(text)).toBe(cell)
  })

  test('is a line for the columns and one for each row', () => {
    expect(csvOf(reportRows([intent, outcome])).split('\r\n')).toStrictEqual([
      REPORT_COLUMNS.join(','),
      "3,2026,'=cmd|calc,prm:10000000000001,,,,,,,,allow,,p2,delivered,200,48,4",
      '',
    ])
  })

  test('as a page, lets no text become markup and loads nothing', () => {
    const html = htmlOf(manifest, reportRows([entry({ t: 'access.refused', client: '"><img src=x onerror=alert(1)>' } as never)]))
    expect(html).not.toMatch(/<script|<img/)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('&quot;&gt;&lt;img src=x onerror=alert(1)&gt;')
    expect(html).toContain("default-src 'none'")
  })
})

describe('the manifest', () => {
  test('is read as it was written, and nothing else is', () => {
    expect(parseManifest(manifestText(manifest))).toStrictEqual(manifest)
    for (const bad of [
      '',
      '[]',
      'null',
      '{}',
      manifestText({ ...manifest, format: 'x' as never }),
      manifestText({ ...manifest, files: [{}] as never }),
    ])
      expect(parseManifest(bad)).toBeUndefined()
  })

  test('its signed text is no checkpoint, whatever it is made of', () => {
    const text = packText(manifest.origin, ID, HASH)
    expect(text).toBe(`audit.example.org/journal/2026\necluse-pack/v1\n${ID}\n${HASH}\n`)
    expect(parseCheckpoint(text)).toBeUndefined()
    for (const [id, hash] of [
      ['12', HASH],
      [`${ID}\n`, HASH],
      [ID, 'sha256:a'],
      [ID, `${HASH}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=`],
    ] as const)
      expect(() => packText(manifest.origin, id, hash)).toThrow(RangeError)
  })

  test('the instructions name tools that are not ours, in both languages', () => {
    const text = readmeOf(manifest, 'the+key+x')
    for (const words of [
      'NE VOUS FIEZ PAS',
      'DO NOT TRUST',
      'openssl pkeyutl -verify',
      'python3 verify/verify.py',
      'golang.org/x/mod/sumdb',
      'the+key+x',
    ])
      expect(text).toContain(words)
  })
})

describe('written out', () => {
  const contents = ['b/c.txt', 'a.txt'].map((path) => ({ path, read: () => Promise.resolve(Buffer.from(`text of ${path}`)) }))

  test('the same pack is the same bytes, in any time zone, and only its owner may read it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ecluse-zip-'))
    const zone = process.env['TZ']
    try {
      for (const [i, tz] of ['UTC', 'Europe/Paris', 'Pacific/Auckland'].entries()) {
        process.env['TZ'] = tz
        await writeZip(join(folder, `${i}.zip`), contents)
      }
      const [first, ...others] = [0, 1, 2].map((i) => readFileSync(join(folder, `${i}.zip`)))
      for (const other of others) expect(other.equals(first!)).toBe(true)
      expect(Object.entries(unzipSync(first!)).map(([path, bytes]) => [path, Buffer.from(bytes).toString()])).toStrictEqual([
        ['b/c.txt', 'text of b/c.txt'],
        ['a.txt', 'text of a.txt'],
      ])
      expect(statSync(join(folder, '0.zip')).mode & 0o777).toBe(0o600)
      await writeFolder(join(folder, 'out'), contents)
      expect(readFileSync(join(folder, 'out', 'b', 'c.txt'), 'utf8')).toBe('text of b/c.txt')
      expect(statSync(join(folder, 'out', 'a.txt')).mode & 0o777).toBe(0o600)
    } finally {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('what fails halfway leaves nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ecluse-zip-'))
    const broken = [...contents, { path: 'z', read: () => Promise.reject(new Error('gone')) }]
    await expect(writeZip(join(folder, 'x.zip'), broken)).rejects.toThrow('gone')
    expect(() => statSync(join(folder, 'x.zip'))).toThrow('ENOENT')
    const many = Array.from({ length: 65_001 }, (_, i) => ({ path: String(i), read: () => Promise.resolve(Buffer.alloc(0)) }))
    await expect(writeZip(join(folder, 'x.zip'), many)).rejects.toThrow('more than a zip can hold')
    rmSync(folder, { recursive: true })
  })
})
