/**
 * What any store must hold to that keeps what was read: nothing outlives the permission under which it was read, nothing
 * lies in clear, and nothing is given again that may have changed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { KeepRule } from '../../src/domain/policy.ts'
import type { Day, Millis, Period } from '../../src/domain/time.ts'
import { day } from '../../src/domain/time.ts'
import type { ActType } from '../../src/domain/vocabulary.ts'
import { days } from '../given.ts'
import { aLine, aTree, declare, METER, permit, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const SELF = 'self_view' as PurposeCode
const OPERATOR = { actorRole: 'operator', channel: 'api' } as const
const RULE: KeepRule = { keepDays: 30, settledAfterDays: 10, revalidateHours: 24 }
const HOUR = 3_600_000
const CANARY = 'a-reading-that-was-kept-4711'
const SERIES = '2026/curve/PT30M'
/** Long settled at the moment of the tests. */
const OLD = days('2026-10-01', '2026-10-04')

export function answerStoreContract(name: string, open: () => Promise<Stores>): void {
  describe(`days that are kept on ${name}`, () => {
    let stores: Stores
    let serial = 0
    beforeAll(async () => {
      stores = await open()
      await declare(stores)
    })
    afterAll(() => stores.close())

    async function aPermission(): Promise<PermissionId> {
      const id = `kept-${(serial += 1)}`
      await permit(stores, aTree(id))
      return id as PermissionId
    }
    const listed = ({ from, until }: Period): readonly (readonly [Day, { text: string }])[] => {
      const all: (readonly [Day, { text: string }])[] = []
      for (let at = from; at < until; at = day(new Date(Date.parse(at) + 86_400_000).toISOString().slice(0, 10)))
        all.push([at, { text: CANARY + at }])
      return all
    }
    async function keep(permission: PermissionId, period: Period, now: Millis = NOW, version = 1): Promise<number> {
      const meterToken = await stores.registry.meterToken(METER)
      return stores.kept.keep({ permission, version, client: VIRIYA, meterToken, purpose: SELF, series: SERIES, days: listed(period), now })
    }
    const find = (permission: PermissionId, period: Period, now: Millis = NOW, rule = RULE, series = SERIES) =>
      stores.kept.find({ permission, purpose: SELF, series, period, rule, now })

    test('are given again in their order, with the moment at which the oldest was read', async () => {
      const id = await aPermission()
      expect(await keep(id, days('2026-10-02', '2026-10-04'), later(-2 * HOUR))).toBe(2)
      expect(await keep(id, days('2026-10-01', '2026-10-02'))).toBe(1)
      expect(await find(id, OLD)).toStrictEqual({ days: listed(OLD).map(([, value]) => value), oldest: later(-2 * HOUR) })
      expect(await find(id, days('2026-10-02', '2026-10-03'))).toMatchObject({ days: [{ text: `${CANARY}2026-10-02` }] })
    })

    test('are of one permission and one series, and all of a period or none', async () => {
      const [id, other] = [await aPermission(), await aPermission()]
      await keep(id, OLD)
      expect(await find(other, OLD)).toBeNull()
      expect(await find(id, OLD, NOW, RULE, '2026/curve/P1D')).toBeNull()
      expect(await find(id, days('2026-09-30', '2026-10-02'))).toBeNull()
      expect(await find(id, days('2024-01-01', '2026-10-04'))).toBeNull()
    })

    test('are asked for anew while they may still change, and once they are older than they may become', async () => {
      const id = await aPermission()
      // Ended three days ago: it is settled in a week.
      const young = days('2026-11-21', '2026-11-22')
      await keep(id, young)
      expect(await find(id, young, later(23 * HOUR))).not.toBeNull()
      expect(await find(id, young, later(24 * HOUR))).toBeNull()
      await keep(id, OLD)
      expect(await find(id, OLD, later(29 * 24 * HOUR))).not.toBeNull()
      expect(await find(id, OLD, later(30 * 24 * HOUR))).toBeNull()
      expect(await find(id, OLD, later(-1)), 'read in the future: a clock was set back').toBeNull()
    })

    test.each<ActType>(['withdrawn_by_subject', 'expired', 'holder_changed', 'revoked_by_dso', 'suspend'])(
      'go with the permission: %s',
      async (type) => {
        const id = await aPermission()
        await keep(id, OLD)
        await stores.registry.act({
          permission: id,
          type,
          details: { ...OPERATOR, ...(type === 'suspend' && { cause: 'holder_doubt' }) },
          now: NOW,
        })
        expect(await find(id, OLD)).toBeNull()
        expect(await keep(id, OLD), 'and none is written behind it').toBe(0)
        expect(await find(id, OLD)).toBeNull()
        if (type !== 'suspend') return
        await stores.registry.act({ permission: id, type: 'resume', details: OPERATOR, now: NOW })
        expect(await find(id, OLD)).toBeNull()
      },
    )

    test('go where the permission becomes narrower, and what was read before it did is not kept', async () => {
      const id = await aPermission()
      await keep(id, OLD)
      const { content } = await stores.registry.show({ permission: id })
      const [line] = content?.scope.lines ?? []
      if (!content || !line) throw new Error('no line')
      const lines = [{ ...line, data: { from: line.data?.from ?? day('2025-01-01'), until: day('2025-02-01') } }]
      await stores.registry.narrow({ permission: id, lines, validUntil: content.scope.validUntil, details: OPERATOR, now: NOW })
      expect(await find(id, OLD)).toBeNull()
      expect(await keep(id, OLD, NOW, 1)).toBe(0)
      expect(await keep(id, OLD, NOW, 2)).toBe(3)
    })

    test('are swept when they are too old, and when their purpose keeps nothing any more', async () => {
      const [old, young] = [await aPermission(), await aPermission()]
      await keep(old, OLD, later(-31 * 24 * HOUR))
      await keep(young, OLD)
      const before = await stores.kept.sweep({ purposes: [[SELF, RULE]], now: NOW })
      expect(before).toBe(3)
      expect(await find(young, OLD)).not.toBeNull()
      expect(await stores.kept.sweep({ purposes: [['advice' as PurposeCode, RULE]], now: NOW })).toBeGreaterThanOrEqual(3)
      expect(await find(young, OLD)).toBeNull()
    })

    test('of another purpose is not given', async () => {
      const id = await aPermission()
      await keep(id, OLD)
      const asked = { permission: id, series: SERIES, period: OLD, rule: RULE, now: NOW }
      expect(await stores.kept.find({ ...asked, purpose: 'advice' as PurposeCode })).toBeNull()
      expect(await stores.kept.find({ ...asked, purpose: SELF })).not.toBeNull()
    })

    test('under a key that is gone nothing is kept, and that is no fault', async () => {
      const id = await aPermission()
      await stores.tamper(`UPDATE permission SET box_key = 'gone' WHERE id = '${id}'`)
      expect(await keep(id, OLD)).toBe(0)
    })

    test('one that was moved or changed is not given', async () => {
      const id = await aPermission()
      for (const change of [`day = '2026-10-09'`, 'at = at - 1', `series = 'x'`, `box_key = 'x'`]) {
        await keep(id, OLD)
        await stores.tamper(`UPDATE kept_day SET ${change} WHERE permission = '${id}' AND day = '2026-10-02'`)
        expect([change, await find(id, OLD)]).toStrictEqual([change, null])
        expect([change, change.startsWith('day') ? await find(id, days('2026-10-09', '2026-10-10')) : null]).toStrictEqual([change, null])
        await stores.tamper(`DELETE FROM kept_day WHERE permission = '${id}'`)
      }
    })
  })

  test(`what was kept does not lie on the disk of ${name} in clear`, async () => {
    const stores = await open()
    await declare(stores)
    await permit(stores, aTree('disk', { lines: [aLine()] }))
    const meterToken = await stores.registry.meterToken(METER)
    const kept: [Day, { text: string }][] = [[day('2026-10-01'), { text: CANARY }]]
    await stores.kept.keep({
      permission: 'disk' as PermissionId,
      version: 1,
      client: VIRIYA,
      meterToken,
      purpose: SELF,
      series: SERIES,
      days: kept,
      now: NOW,
    })
    const files = await stores.bytes()
    await stores.close()
    expect(files.filter(({ bytes }) => bytes.includes(SERIES)).length, 'the row is there').toBeGreaterThan(0)
    for (const file of files) expect([file.name, file.bytes.includes(CANARY)]).toStrictEqual([file.name, false])
  })
}
