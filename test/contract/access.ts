/**
 * What any store must hold to when an intent, an outcome or a refusal is recorded: the promise that a withdrawal is final
 * at once rests on these checks alone.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientId, LineId, PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { Millis, Period } from '../../src/domain/time.ts'
import { days } from '../given.ts'
import type { IntentArgs, IntentResult, RefusedArgs } from '../../src/evidence/access.ts'
import { aLine, aTree, declare, METER, OFFICE, OTHER, permit, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const purpose = 'self_view' as PurposeCode
const YEAR = days('2025-01-01', '2026-01-01')
const OPERATOR = { actorRole: 'operator', channel: 'api' } as const

export function accessContract(name: string, open: () => Promise<Stores>): void {
  describe(`intents, outcomes and refusals on ${name}`, () => {
    let stores: Stores
    let tokenHash: Buffer
    let serial = 0
    beforeAll(async () => {
      stores = await open()
      await declare(stores)
      tokenHash = await aToken()
    })
    afterAll(() => stores.close())

    async function aToken(change: { client?: ClientId; permissions?: readonly string[]; ttlSeconds?: number } = {}): Promise<Buffer> {
      const issued = await stores.tokens.issue({
        client: change.client ?? VIRIYA,
        purpose,
        permissions: (change.permissions ?? null) as readonly PermissionId[] | null,
        ttlSeconds: change.ttlSeconds ?? 300 * 86_400,
        now: NOW,
      })
      return createHash('sha256').update(issued.token).digest()
    }
    /** An intent as the gate makes it from what the registry says now. */
    async function intentOf(id: string, change: Partial<IntentArgs> = {}, period: Period = YEAR): Promise<IntentArgs> {
      const meter = change.meterToken === undefined ? METER : OTHER
      const { generation, permissions } = await stores.registry.views({ client: VIRIYA, meter: METER })
      const permission = permissions.find((p) => p.id === id)
      if (!permission) throw new Error(`no permission ${id}`)
      const line = permission.scope.lines[0]
      return {
        fields: { clear: { t: 'access.intent', purpose }, sealed: { subject: { meter } } },
        now: NOW,
        tokenHash,
        client: VIRIYA,
        meterToken: await stores.registry.meterToken(METER),
        generation,
        permission: { id: permission.id, version: permission.version, scopeHash: permission.scopeHash },
        injection: false,
        req: `req-${(serial += 1)}`,
        call: 1,
        first: null,
        recurrence:
          !line || line.recurrence === 'on_demand'
            ? null
            : {
                line: line.id,
                once: line.recurrence === 'once',
                period,
                seen: permission.deliveries.filter((d) => d.line === line.id).map((d) => d.entry),
              },
        ...change,
      }
    }
    const staleBecause = (why: Extract<IntentResult, { is: 'stale' }>['why']): IntentResult => ({ is: 'stale', why })
    const end = (intent: IntentResult, delivered: boolean, over = true, now: Millis = NOW) => {
      if (intent.is !== 'recorded') throw new Error(`not recorded: ${intent.why}`)
      return stores.access.outcome({
        intent: intent.n,
        fields: { clear: { t: 'access.outcome' }, sealed: {} },
        now,
        delivered,
        asked: true,
        over,
      })
    }

    describe('an intent', () => {
      beforeAll(() => permit(stores, aTree('intent-1', { valid_until: '2026-12-01T00:00:00Z' })))
      const until = Date.parse('2026-12-01T00:00:00Z') as Millis

      test('is recorded where everything holds, and has one outcome', async () => {
        const intent = await stores.access.intent(await intentOf('intent-1'))
        expect(intent).toMatchObject({ is: 'recorded', at: expect.any(Number) as number })
        await end(intent, true)
        await expect(end(intent, true), 'a second outcome').rejects.toThrow('no open intent')
      })

      test.each<readonly [string, Partial<IntentArgs>]>([
        ['an unknown token', { tokenHash: Buffer.alloc(32) }],
        ['another client with this token', { client: OFFICE }],
        ['a permission that is not there', { permission: { id: 'nowhere' as PermissionId, version: 1, scopeHash: '' } }],
        ['a token of another purpose', { fields: { clear: { t: 'access.intent', purpose: 'solar_sizing' }, sealed: {} } }],
      ])('is stale with %s', async (_what, change) => {
        expect(await stores.access.intent(await intentOf('intent-1', change))).toStrictEqual(staleBecause('token'))
      })

      test('is stale with a token of another client, of another set, ended or revoked', async () => {
        const args = await intentOf('intent-1')
        const foreign = await aToken({ client: OFFICE })
        expect(await stores.access.intent({ ...args, tokenHash: foreign })).toStrictEqual(staleBecause('token'))
        expect(await stores.access.intent({ ...args, tokenHash: foreign, client: OFFICE })).toStrictEqual(staleBecause('token'))
        await permit(stores, aTree('intent-set', { meter: OTHER }))
        const limited = await aToken({ permissions: ['intent-set'] })
        expect(await stores.access.intent({ ...args, tokenHash: limited })).toStrictEqual(staleBecause('token'))
        const own = await aToken({ permissions: ['intent-1'] })
        expect(await stores.access.intent({ ...args, tokenHash: own })).toMatchObject({ is: 'recorded' })
        const revoked = await stores.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
        await stores.tokens.revoke({ token: revoked.id, now: NOW })
        expect(await stores.access.intent({ ...args, tokenHash: revoked.hash })).toStrictEqual(staleBecause('token'))
      })

      test('counts the end of a token from its own millisecond', async () => {
        const brief = await aToken({ ttlSeconds: 1 })
        const args = await intentOf('intent-1', { tokenHash: brief })
        expect(await stores.access.intent({ ...args, now: later(999) })).toMatchObject({ is: 'recorded' })
        expect(await stores.access.intent({ ...args, now: later(1000) })).toStrictEqual(staleBecause('token'))
        // The clock goes back: the log's own time does not, and the token stays ended.
        expect(await stores.access.intent({ ...args, now: NOW })).toMatchObject({ is: 'recorded', at: NOW + 999 })
      })

      test('is stale of a client that is disabled', async () => {
        const args = await intentOf('intent-1')
        const sync = (disabled: boolean) =>
          stores.tokens.syncClients({ clients: [VIRIYA, OFFICE].map((id) => ({ id, disabled: disabled && id === VIRIYA })), now: NOW })
        await sync(true)
        expect(await stores.access.intent(args)).toStrictEqual(staleBecause('client'))
        await sync(false)
        expect(await stores.access.intent(args)).toMatchObject({ is: 'recorded' })
      })

      test('is stale once any act has come on a permission of the client on the meter, even one that helps', async () => {
        const args = await intentOf('intent-1')
        await permit(stores, aTree('intent-more'))
        expect(await stores.access.intent(args)).toStrictEqual(staleBecause('generation'))
        expect(await stores.access.intent(await intentOf('intent-1'))).toMatchObject({ is: 'recorded' })
      })

      test.each<readonly [string, Partial<IntentArgs>]>([
        ['another version', { permission: { id: 'intent-1' as PermissionId, version: 2, scopeHash: '' } }],
        ['before it begins', { now: (Date.parse('2026-01-01T00:00:00Z') - 1) as Millis }],
      ])('is stale in %s', async (what, change) => {
        if (what.startsWith('before')) await permit(stores, aTree('intent-late', { valid_from: '2026-11-30T00:00:00Z' }))
        const args = await intentOf(what.startsWith('before') ? 'intent-late' : 'intent-1', what.startsWith('before') ? {} : change)
        const scopeHash = (await intentOf('intent-1')).permission.scopeHash
        const versioned = what.startsWith('before') ? args : { ...args, permission: { ...args.permission, scopeHash } }
        expect(await stores.access.intent(versioned)).toStrictEqual(staleBecause('permission'))
      })

      test('is stale with another scope, for another meter, and from its validUntil on', async () => {
        const args = await intentOf('intent-1')
        const scope = { ...args, permission: { ...args.permission, scopeHash: 'sha256:other' } }
        expect(await stores.access.intent(scope)).toStrictEqual(staleBecause('permission'))
        const meterToken = await stores.registry.meterToken(OTHER)
        expect(await stores.access.intent({ ...args, meterToken })).toStrictEqual(staleBecause('permission'))
        expect(await stores.access.intent({ ...args, now: (until - 1) as Millis })).toMatchObject({ is: 'recorded' })
        expect(await stores.access.intent({ ...args, now: until })).toStrictEqual(staleBecause('permission'))
      })
    })

    test.each(['suspend', 'withdrawn_by_subject', 'expired', 'invalidated'] as const)(
      'after %s no intent follows, whatever the caller saw',
      async (type) => {
        const fresh = `after-${type}`
        await permit(stores, aTree(fresh, { valid_until: '2027-01-01T00:00:00Z' }))
        const args = await intentOf(fresh)
        const act = await stores.registry.act({ permission: fresh as PermissionId, type, details: OPERATOR, now: NOW })
        expect(await stores.access.intent(args)).toStrictEqual(staleBecause('generation'))
        // Not even from one who knows the generation.
        expect(await stores.access.intent({ ...args, generation: act.generation })).toStrictEqual(staleBecause('permission'))
      },
    )

    describe('recurrence', () => {
      const once = (change = {}) => [aLine({ recurrence: 'once', ...change })]

      test('of two that decided on the same deliveries, one is recorded', async () => {
        await permit(stores, aTree('race-1', { lines: [aLine({ recurrence: 'P1D' })] }))
        const [first, second] = [await intentOf('race-1'), await intentOf('race-1')]
        const recorded = await stores.access.intent(first)
        expect(recorded).toMatchObject({ is: 'recorded' })
        expect(await stores.access.intent(second)).toStrictEqual(staleBecause('recurrence'))
        // The open one counts as a delivery until it has failed.
        expect((await view('race-1'))?.deliveries).toMatchObject([
          { line: 'l1', data: YEAR, entry: expect.stringContaining('/') as string },
        ])
        await end(recorded, false)
        expect((await view('race-1'))?.deliveries).toStrictEqual([])
        expect(await stores.access.intent(await intentOf('race-1'))).toMatchObject({ is: 'recorded' })
      })

      test('of a line read every day, what was read of other days is no news; of one read once it is', async () => {
        const [spring, autumn] = [days('2025-03-01', '2025-04-01'), days('2025-10-01', '2025-11-01')]
        for (const [id, recurrence] of [
          ['other-1', 'P1D'],
          ['other-2', 'once'],
        ] as const) {
          await permit(stores, aTree(id, { lines: [aLine({ recurrence })] }))
          const [first, second] = [await intentOf(id, {}, spring), await intentOf(id, {}, autumn)]
          const open = await stores.access.intent(first)
          const told = await stores.access.intent(second)
          if (recurrence === 'once') expect(told).toStrictEqual(staleBecause('recurrence'))
          else expect(told).toMatchObject({ is: 'recorded' })
          // A decision that saw the call open is not overtaken by the outcome of that very call.
          const third = await intentOf(id, {}, autumn)
          await end(open, true, false)
          if (told.is === 'recorded') await end(told, false)
          expect(await stores.access.intent(third)).toMatchObject({ is: 'recorded' })
        }
      })

      test('the parts of one request do not stand in each other’s way', async () => {
        await permit(stores, aTree('race-2', { lines: once() }))
        const parts = [days('2025-01-01', '2025-06-01'), days('2025-06-01', '2026-01-01')]
        const args = await intentOf('race-2', { req: 'req-parts' })
        for (const [i, period] of parts.entries()) {
          const recurrence = args.recurrence && { ...args.recurrence, period }
          const intent = await stores.access.intent({ ...args, call: i + 1, recurrence })
          expect(intent).toMatchObject({ is: 'recorded' })
          await end(intent, true, i === 1)
        }
      })

      test('a line read every day keeps what counts: older deliveries are neither read nor compared', async () => {
        await permit(stores, aTree('race-3', { lines: [aLine({ recurrence: 'P1D' })], valid_until: '2028-01-01T00:00:00Z' }))
        await end(await stores.access.intent(await intentOf('race-3')), true)
        const month = 45 * 86_400_000
        await permit(stores, aTree('race-4', { meter: OTHER }))
        // Something happens a month later: the log's time has moved on.
        await stores.registry.act({ permission: 'race-4' as PermissionId, type: 'suspend', details: OPERATOR, now: later(month) })
        expect((await view('race-3'))?.deliveries).toStrictEqual([])
        const args = await intentOf('race-3', { now: later(month) })
        expect(await stores.access.intent(args)).toMatchObject({ is: 'recorded' })
        expect(await stores.access.intent({ ...args, req: 'req-late' })).toStrictEqual(staleBecause('recurrence'))
      })
      async function view(id: string) {
        return (await stores.registry.views({ client: VIRIYA, meter: METER })).permissions.find((p) => p.id === id)
      }
    })

    describe('a permission of which all was to be read once', () => {
      let fresh: Stores
      const H1 = days('2025-01-01', '2025-06-01')
      const H2 = days('2025-06-01', '2026-01-01')
      beforeAll(async () => {
        fresh = await open()
        await declare(fresh)
      })
      afterAll(() => fresh.close())
      /** What the decision of each request saw. */
      const saw = new Map<string, readonly string[]>()
      async function read(id: string, line: string, period: Period | null, req: string, call: number): Promise<number> {
        const { generation, permissions } = await fresh.registry.views({ client: VIRIYA, meter: METER })
        const permission = permissions.find((p) => p.id === id)
        const issued = await fresh.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
        if (!permission) throw new Error(`no permission ${id}`)
        const seen = saw.get(req) ?? permission.deliveries.filter((d) => d.line === line).map((d) => d.entry)
        saw.set(req, seen)
        const intent = await fresh.access.intent({
          fields: { clear: { t: 'access.intent', purpose }, sealed: {} },
          now: NOW,
          tokenHash: issued.hash,
          client: VIRIYA,
          meterToken: await fresh.registry.meterToken(METER),
          generation,
          permission,
          injection: false,
          req,
          call,
          first: null,
          recurrence: { line: line as LineId, once: true, period, seen },
        })
        if (intent.is !== 'recorded') throw new Error(intent.why)
        return intent.n
      }
      const outcome = (intent: number, delivered: boolean, over: boolean) =>
        fresh.access.outcome({ intent, fields: { clear: { t: 'access.outcome' }, sealed: {} }, now: NOW, delivered, asked: true, over })
      const fulfil = (permission: string) => fresh.registry.fulfil({ permission: permission as PermissionId, now: NOW })
      const lines = [aLine({ recurrence: 'once' }), aLine({ kind: 'daily_energy', finest: 'P1D', recurrence: 'once' })]

      test('is fulfilled by the delivery of its last day, and not before', async () => {
        await permit(fresh, aTree('once-1', { lines }))
        const first = await outcome(await read('once-1', 'l1', H1, 'r1', 1), true, false)
        expect(first.counted, 'the request goes on').toStrictEqual([])
        const second = await outcome(await read('once-1', 'l1', H2, 'r1', 2), true, true)
        expect(second.counted).toStrictEqual(['once-1'])
        expect(await fulfil('once-1'), 'the other line is not read').toBeUndefined()
        await outcome(await read('once-1', 'l2', H2, 'r2', 1), true, true)
        expect(await fulfil('once-1')).toBeUndefined()
        await outcome(await read('once-1', 'l2', H1, 'r3', 1), true, true)
        expect(await fulfil('once-1')).toMatchObject({ status: 'ended', endReason: 'fulfilled', client: VIRIYA, meter: METER })
        expect(await fulfil('once-1'), 'once').toBeUndefined()
        const { acts } = await fresh.registry.show({ permission: 'once-1' })
        expect(acts.at(-1)).toMatchObject({ type: 'fulfilled', details: { role: 'gate', channel: 'delivery' } })
      })

      test('is not, while a call under it is open, nor by one that failed', async () => {
        await permit(fresh, aTree('once-2', { lines: lines.slice(0, 1) }))
        const [whole, again] = [await read('once-2', 'l1', H1, 'r4', 1), await read('once-2', 'l1', H2, 'r5', 1)]
        await outcome(whole, true, true)
        expect(await fulfil('once-2'), 'half is open').toBeUndefined()
        await outcome(again, false, true)
        expect(await fulfil('once-2'), 'and failed').toBeUndefined()
        await outcome(await read('once-2', 'l1', H2, 'r6', 1), true, true)
        expect(await fulfil('once-2')).toMatchObject({ endReason: 'fulfilled' })
      })

      test('with a line without days, by one delivery; with a line that is not once, never', async () => {
        const contract = { kind: 'contract_data', direction: 'n_a', purpose: 'self_view', recurrence: 'once' }
        await permit(fresh, aTree('once-3', { lines: [contract] }), aTree('once-4', { lines: [contract, aLine()] }))
        for (const id of ['once-3', 'once-4']) await outcome(await read(id, 'l1', null, `r-${id}`, 1), true, true)
        expect(await fulfil('once-3')).toMatchObject({ endReason: 'fulfilled' })
        expect(await fulfil('once-4')).toBeUndefined()
      })

      test('and a call that a crash broke off is taken for one that failed', async () => {
        await permit(fresh, aTree('once-5', { lines: lines.slice(0, 1) }))
        await outcome(await read('once-5', 'l1', YEAR, 'r7', 1), true, false)
        await read('once-5', 'l1', H1, 'r7', 2)
        const settled = await fresh.access.interrupt(NOW)
        expect(settled.map((s) => s.counted)).toStrictEqual([['once-5']])
        expect(await fresh.access.interrupt(NOW)).toStrictEqual([])
        expect(await fulfil('once-5')).toMatchObject({ endReason: 'fulfilled' })
      })
    })

    describe('a refusal', () => {
      let token: Buffer
      beforeAll(async () => {
        await permit(stores, aTree('refusal-1', { meter: OTHER }))
        token = await aToken()
      })
      const refusal = async (change: Partial<RefusedArgs> = {}): Promise<RefusedArgs> => ({
        fields: { clear: { t: 'access.refused' }, sealed: {} },
        now: NOW,
        client: VIRIYA,
        tokenHash: token,
        record: true,
        meter: {
          token: await stores.registry.meterToken(OTHER),
          generation: (await stores.registry.views({ client: VIRIYA, meter: OTHER })).generation,
        },
        ...change,
      })

      test('is recorded, or only confirmed where it joins the summary', async () => {
        expect(await stores.access.refused(await refusal())).toMatchObject({ is: 'recorded' })
        const before = (await stores.entries()).length
        expect(await stores.access.refused(await refusal({ record: false }))).toStrictEqual({ is: 'confirmed' })
        expect(await stores.access.refused(await refusal({ meter: null }))).toMatchObject({ is: 'recorded' })
        expect(await stores.entries()).toHaveLength(before + 1)
      })

      test('of what was given meanwhile is stale: a cached no is confirmed like a yes', async () => {
        const args = await refusal()
        await permit(stores, aTree('refusal-2', { meter: OTHER }))
        for (const record of [true, false]) expect(await stores.access.refused({ ...args, record })).toStrictEqual({ is: 'stale' })
        const nowhere = await stores.registry.meterToken('prm:20000000000009' as typeof METER)
        expect(await stores.access.refused(await refusal({ meter: { token: nowhere, generation: 0 } }))).toMatchObject({ is: 'recorded' })
        expect(await stores.access.refused(await refusal({ meter: { token: nowhere, generation: 1 } }))).toStrictEqual({ is: 'stale' })
      })

      test('of a caller that is none any more is stale', async () => {
        const issued = await stores.tokens.issue({ client: VIRIYA, purpose, permissions: null, ttlSeconds: 60, now: NOW })
        const args = await refusal({ tokenHash: issued.hash })
        expect(await stores.access.refused({ ...args, client: OFFICE })).toStrictEqual({ is: 'stale' })
        expect(await stores.access.refused({ ...args, now: later(60_000) })).toStrictEqual({ is: 'stale' })
        await stores.tokens.revoke({ token: issued.id, now: NOW })
        expect(await stores.access.refused(args)).toStrictEqual({ is: 'stale' })
      })
    })
  })
}
