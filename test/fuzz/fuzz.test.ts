/** The short form of the fuzz targets: the same cases on every run. `npm run fuzz` is the long one. */
import { expect, test } from 'vitest'
import { Finding, drive } from './target.ts'
import { TARGETS } from './targets.ts'

test.each(TARGETS.map((target) => [target.name, target] as const))('%s', async (_name, target) => {
  const { cases, found } = await drive(target, 1, { seconds: 5, cases: 3000 })
  const input = found?.error instanceof Finding ? found.error.input : ''
  expect(found && { ...found, input }).toBeUndefined()
  expect(cases).toBeGreaterThan(0)
})
