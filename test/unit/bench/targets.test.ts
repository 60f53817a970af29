/** What the bench prints of its targets: the right way round, and no figure where there is none. */
import { expect, test } from 'vitest'
import type { SubjectId } from '../../bench/subjects.ts'
import type { Cost } from '../../bench/targets.ts'
import { besideFigure, FIGURES, ratioLines } from '../../bench/targets.ts'

const costs: Partial<Record<SubjectId, Cost>> = {
  'nginx-redis': { own: 60, redis: 15 },
  ordinary: { own: 300, redis: 30 },
  'no-evidence': { own: 50, redis: 0 },
  rows: { own: 80, redis: 0 },
  sealed: { own: 200, redis: 0 },
}

test('a ratio is above 1 where the gate is cheaper than its peer', () => {
  expect(ratioLines((id) => costs[id])).toStrictEqual([
    'target: gate without evidence, × nginx + Lua + Redis: 1.0 wanted, 1.20 reached (1.50 with what its Redis uses)',
    'target: gate with durable journal rows, × nginx + Lua + Redis: 0.7 wanted, 0.75 reached (0.94 with what its Redis uses)',
    'target: gate with sealed evidence, × the ordinary Node stack: 3.0 wanted, 1.50 reached (1.65 with what its Redis uses)',
  ])
})

test('where a row is missing its target says so', () => {
  expect(ratioLines((id) => (id === 'nginx-redis' || id === 'sealed' ? undefined : costs[id]))).toStrictEqual([
    'target: gate without evidence, × nginx + Lua + Redis: 1.0 wanted, not measured: nginx + Lua + Redis is not in this run',
    'target: gate with durable journal rows, × nginx + Lua + Redis: 0.7 wanted, not measured: nginx + Lua + Redis is not in this run',
    'target: gate with sealed evidence, × the ordinary Node stack: 3.0 wanted, not measured: gate with sealed evidence is not in this run',
  ])
})

test.each([
  [FIGURES.sealing, 37.66, 'target: at most 18.9 µs/entry wanted, 37.7 reached'],
  [FIGURES.verifying, 123_456.7, 'target: at least 300,000 entries/s wanted, 123,457 reached'],
  [FIGURES.copiedPermission, 1234.4, 'target: at most 100 bytes wanted, 1,234 reached'],
  [FIGURES.permissionInRedis, undefined, 'target: at most 300 bytes wanted, not measured'],
])('a figure stands beside its target: %o', (figure, reached, line) => {
  expect(besideFigure(figure, reached)).toBe(line)
})
