/** The short form of `npm run soak -- --postgres`: two gates on one PostgreSQL under clients that leave hold no more afterwards. */
import { expect, test } from 'vitest'
import { soak } from '../bench/soak.ts'

test('two gates on one PostgreSQL, of whose clients three in ten leave, keep nothing of them, and their logs verify', async () => {
  const lines: string[] = []
  const found = await soak({ minutes: 0.15, perSecond: 60, postgres: true, warm: 400, say: (line) => void lines.push(line) })
  expect(found).toStrictEqual([])
  // Requests were answered, and clients left.
  const counted = lines.map((line) => / +(\d+) +(\d+) +(\d+) +\d+  \d+$/.exec(line)?.slice(1).map(Number) ?? [0, 0, 0])
  expect(counted.reduce((sum, [good = 0]) => sum + good, 0)).toBeGreaterThan(100)
  expect(counted.reduce((sum, [, , left = 0]) => sum + left, 0)).toBeGreaterThan(50)
})
