/** The figures of capacity can be measured, in little. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { figuresSchema } from '../bench/capacity/figures.ts'
import { measure } from '../bench/capacity/measure.ts'

test('each figure is measured, and is of the size that it is of', async () => {
  const figures = figuresSchema.parse(await measure({ permissions: 500, seconds: 2 }))
  expect(figures.entriesPerAccess).toBeGreaterThan(1.9)
  expect(figures.entriesPerAccess).toBeLessThan(2.2)
  expect(figures.walBytesPerAccess).toBeGreaterThan(figures.accessBytes / 2)
  expect(figures.tileBytesPerAccess).toBeLessThan(figures.accessBytes)
})

test('a load that is given by halves, or twice, is an error and not another load', () => {
  const said = (...words: string[]): string =>
    spawnSync(process.execPath, [join(import.meta.dirname, '..', 'bench', 'capacity', 'run.ts'), ...words], { encoding: 'utf8' }).stderr
  expect(said('--calls-a-day', '24')).toContain('--calls-a-day needs --meters')
  expect(said('--meters', '5', '--per-second', '2')).toContain('give one')
  expect(said('--meters', '5', '--calls-a-day', '2')).toBe('')
})
