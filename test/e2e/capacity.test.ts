/** The figures of capacity can be measured, in little. */
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
