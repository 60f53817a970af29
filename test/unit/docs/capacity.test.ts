/** docs/capacity.md is what the script makes of docs/capacity.json, and the script makes nothing of figures that are not there. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { figuresSchema } from '../../bench/capacity/figures.ts'
import type { Figures } from '../../bench/capacity/figures.ts'
import { tablesOf, wishesOf } from '../../bench/capacity/tables.ts'

const read = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')
const measured = (): Figures => figuresSchema.parse(JSON.parse(read('capacity.json')))

test('the page is computed from the figures', () => {
  const [, computed = ''] = read('capacity.md').split('<!-- computed by npm run capacity from capacity.json -->\n')
  expect(computed.trim()).toBe(tablesOf(measured(), wishesOf({})))
})

test('a figure that is missing, or none, is an error', () => {
  for (const name of Object.keys(measured())) {
    const { [name as keyof Figures]: _, ...others } = measured()
    expect([name, figuresSchema.safeParse(others).success]).toStrictEqual([name, false])
  }
  expect(figuresSchema.safeParse({ ...measured(), walBytesPerAccess: 0 }).success).toBe(false)
})

const ROUND: Figures = {
  measuredAt: '2026-11-27',
  machine: 'one',
  node: '26',
  postgres: '15',
  permissions: 1,
  accesses: 1,
  permissionBytes: 10_000,
  accessBytes: 4000,
  entriesPerAccess: 2,
  walBytesPerAccess: 8000,
  commitsPerAccess: 0.5,
  tileBytesPerAccess: 1000,
  gateMicrosPerAccess: 500,
  postgresMicrosPerAccess: 250,
  redisPermissionBytes: 300,
  verifiedEntriesPerSecond: 100_000,
}

test('a million meters asked once a day, by hand', () => {
  const text = tablesOf(ROUND, wishesOf({ meters: 1_000_000, callsADay: 1 }))
  // 11.6 a second; all in one hour 278 a second, of 500 µs: 0.139 cores, of which half may be used.
  expect(text).toContain('| all in one hour | 278 | 1 | 1 | 2.22 MB/s | 139 | 1,000 |')
  expect(text).toContain('| permissions in PostgreSQL | meters × a permission | 10.0 GB |')
  expect(text).toContain('| evidence in PostgreSQL, a year | accesses × an access | 1.46 TB |')
  expect(text).toContain('| entries, a year | accesses × entries of an access | 730,000,000 |')
  expect(text).toContain('| full verification of a year | entries ÷ verification | 2.0 core hours |')
  expect(text).toContain('| permissions in Redis | min(meters, mean × 300 s) × a permission | 1.04 MB |')
})

test('a thousand a second take a core of the gate, with half of it free', () => {
  expect(tablesOf(ROUND, wishesOf({ perSecond: 1000 }))).toContain('| mean | 1,000 | 1 | 1 | 8.00 MB/s | 500 | 3,600 |')
  expect(tablesOf({ ...ROUND, gateMicrosPerAccess: 501 }, wishesOf({ perSecond: 1000 }))).toContain('| mean | 1,000 | 2 | 1 |')
})
