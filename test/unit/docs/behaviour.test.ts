/** What docs/behaviour.md names is what the code has: every path served, every header sent. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SERVED_PATHS } from '../../../src/providers/enedis-data-connect/data-connect.ts'
import { DEVICE_PREFIX, pathOf } from '../../../src/providers/enedis-data-connect/dialects.ts'
import { QUALITIES, qualityOf, UNITS } from '../../../src/providers/senml.ts'
import { SERIES_IDS } from '../../../src/providers/enedis-data-connect/series.ts'

const repository = join(import.meta.dirname, '..', '..', '..')
const text = readFileSync(join(repository, 'docs', 'behaviour.md'), 'utf8')

function firstColumn(heading: string): string[] {
  const section = text.slice(text.indexOf(`## ${heading}\n`)).split('\n## ')[0] ?? ''
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((m) => m[1] ?? '')
}

test('the paths are those that are served, all of them', () => {
  const served = SERVED_PATHS.filter((path) => !path.startsWith(`${DEVICE_PREFIX}/`))
  expect(firstColumn('Paths').toSorted()).toStrictEqual([...served, `${DEVICE_PREFIX}/{path}`].toSorted())
})

test('behind the prefix are the data paths of Enedis, each of them and no other', () => {
  const ofEnedis = SERIES_IDS.flatMap((series) => [pathOf(series, 'v5'), pathOf(series, '2026')]).filter((path) => path !== undefined)
  const behind = SERVED_PATHS.filter((path) => path.startsWith(`${DEVICE_PREFIX}/`))
  expect(behind.toSorted()).toStrictEqual([...new Set(ofEnedis)].map((path) => DEVICE_PREFIX + path).toSorted())
})

test('the gate’s own headers are those that the code sends', () => {
  const files = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const code = files.map((path) => readFileSync(join(repository, 'src', path), 'utf8')).join('\n')
  const sent = new Set([...code.matchAll(/'(Age|Audit-Entry|Ecluse-[A-Za-z-]+|Retry-After)'/g)].map((m) => m[1]))
  expect(firstColumn('Headers of the gate').toSorted()).toStrictEqual([...sent].toSorted())
})

test('the view for all: its units and qualities are those of the code', () => {
  const section = text.slice(text.indexOf('## One view for all\n')).split('\n## ')[0] ?? ''
  const units = [...section.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| (\d+) \|$/gm)].map(([, native, unit, times]) => [native, unit, times])
  expect(units).toStrictEqual(Object.entries(UNITS).map(([native, { unit, times }]) => [native, unit, String(times)]))
  const qualities = [...section.matchAll(/^\| `([a-z]+)` \| ([^|0-9]+) \|$/gm)].map(([, quality, words = '']) => [quality, words])
  const [, ...told] = qualities
  expect(told.map(([quality]) => quality)).toStrictEqual([...QUALITIES])
  for (const [quality, words = ''] of told.slice(0, -1)) {
    for (const [, word] of words.matchAll(/`([^`]+)`/g)) expect([word, qualityOf(word)]).toStrictEqual([word, quality])
  }
})
