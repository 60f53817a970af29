/** What lies in Redis: that it comes back as it was, from its own place and instance alone, and how long a permission is there. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { redisSeal } from '../../../src/permissions/redis-seal.ts'

const index = randomBytes(32)
const line = {
  kind: 'load_curve',
  direction: 'withdrawal',
  finest: 'PT30M',
  coarser: 'fetch',
  purpose: 'self_view',
  data: { from: '2024-05-17', until: '2026-08-02' },
  recurrence: 'on_demand',
}
const views = {
  generation: 35,
  permissions: [
    {
      id: 'm7',
      version: 1,
      meter: 'prm:30000000000007',
      scope: {
        recipient: 'viriya',
        ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' },
        validFrom: 1_767_225_600_000,
        validUntil: 1_798_761_600_000,
        lines: [
          { id: 'l1', ...line },
          { id: 'l2', ...line, kind: 'daily_energy', finest: 'P1D' },
        ],
      },
      status: 'active',
      head: 'a.example/journal/2026/34',
      bindings: [{ provider: 'enedis-data-connect', account: 'main', ready: true }],
      deliveries: [],
    },
  ],
}

test.each([
  ['nothing', null],
  ['what is short', { set: 'all' }],
  ['permissions', views],
  ['what has nothing of a permission', { text: 'é€𝄞 '.repeat(500), list: Array.from({ length: 200 }, (_, i) => i * 7919) }],
])('%s comes back as it was', (_name, value) => {
  const seal = redisSeal(index)
  expect(seal.open('k', seal.seal('k', value))).toStrictEqual({ is: 'value', value })
  expect(seal.openText('k', seal.sealText('k', value))).toStrictEqual(value)
})

test('a permission takes a fifth of its text', () => {
  expect(redisSeal(index).seal('k', views).byteLength).toBeLessThan(JSON.stringify(views).length / 5)
})

test.each([
  ['under another key', (box: Buffer) => redisSeal(index).open('other', box)],
  ['of another instance', (box: Buffer) => redisSeal(randomBytes(32)).open('k', box)],
  ['with a bit turned', (box: Buffer) => redisSeal(index).open('k', Buffer.from(box.with(40, (box[40] ?? 0) ^ 1)))],
  ['cut short', (box: Buffer) => redisSeal(index).open('k', box.subarray(0, -1))],
])('what was deflated is forged %s', (_name, open) => {
  expect(open(redisSeal(index).seal('k', views))).toStrictEqual({ is: 'forged' })
})

test.each([
  ['deflated, said to be plain', views, 1],
  ['plain, said to be deflated', { set: 'all' }, 2],
  ['of a version to come', views, 3],
])('what is %s is as good as not there', (_name, value, version) => {
  const box = redisSeal(index).seal('k', value)
  expect(redisSeal(index).open('k', Buffer.from(box.with(0, version)))).toStrictEqual({ is: 'other' })
})
