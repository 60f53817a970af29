/** What any registry must do with what people give: all of it or nothing, each share once, and what is given anew in place of what was. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MeterId, UsagePointId } from '../../src/domain/meter.ts'
import type { AccountId, ClientId, LineId, PermissionId, PurposeCode } from '../../src/domain/permission.ts'
import type { SharedService } from '../../src/domain/share.ts'
import type { Day, Millis } from '../../src/domain/time.ts'
import { addDays, day, parisDay } from '../../src/domain/time.ts'
import type { GiveArgs, Share } from '../../src/permissions/consent.ts'
import type { PermissionContent } from '../../src/permissions/record.ts'
import { METER, OFFICE, OTHER, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const MAIN = 'main' as AccountId
const TODAY = parisDay(NOW)
const MINUTES = 60_000
const HALF_HOUR = 30 * MINUTES
const DAY = 86_400_000

function aShare(over: Partial<Share> = {}): Share {
  return { account: MAIN, authorisation: '9007199254740993', meter: METER, from: TODAY, ...over }
}

function aContent(over: { readonly meter?: MeterId; readonly client?: ClientId; readonly authorisation?: string } = {}): PermissionContent {
  const { meter = METER, client = VIRIYA, authorisation = '9007199254740993' } = over
  const purpose = (client === OFFICE ? 'solar_sizing' : 'self_view') as PurposeCode
  return {
    meter,
    holder: { kind: 'natural', reference: `enedis:main:${authorisation}` },
    scope: {
      recipient: client,
      ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' },
      validFrom: NOW,
      validUntil: later(365 * DAY),
      lines: [
        {
          id: 'l1' as LineId,
          kind: 'daily_energy',
          direction: 'withdrawal',
          finest: 'P1D',
          coarser: 'fetch',
          purpose,
          data: { from: day('2026-01-01'), until: day('2027-11-25') },
          recurrence: 'on_demand',
        },
      ],
    },
    bindings: [{ provider: 'enedis-data-connect', account: MAIN, ready: true }],
    notice: { id: 'viriya/ask', version: '1', sha256: 'a'.repeat(64), language: 'fr' },
    identity: { method: 'dso_account', strength: 'S3' },
    holderMatch: { method: 'dso_asserted', result: 'exact' },
    bundleId: 'b',
    arrangementId: 'b',
    unverified: false,
    share: { authorisation, services: ['770001'], from: TODAY, until: addDays(TODAY, 1000) },
  }
}

const PAGE = { kind: 'ui_capture', mediaType: 'text/html', bytes: Buffer.from('<p>the page that was shown</p>') }

/** What one journey gives: a permission for each content, under ids that begin with the name of the journey. */
function args(bundle: string, contents: readonly PermissionContent[], over: Partial<GiveArgs> = {}): GiveArgs {
  const now = over.now ?? NOW
  const at = (ms: number): Millis => (now - ms) as Millis
  return {
    bundle,
    permissions: contents.map((content, i) => ({ id: `${bundle}-${i + 1}` as PermissionId, content, attachments: [PAGE] })),
    shares: contents.map(({ meter, share }) => aShare({ meter, authorisation: share?.authorisation ?? '' })),
    times: { shown: at(4000), chosen: at(3000), sent: at(2000), back: at(1000) },
    journeyMs: HALF_HOUR,
    now,
    ...over,
  }
}

export function consentContract(name: string, open: () => Promise<Stores>): void {
  describe(`consent on ${name}`, () => {
    let stores: Stores
    beforeEach(async () => {
      stores = await open()
    })
    afterEach(() => stores.close())
    const give = (...given: Parameters<typeof args>) => stores.consent.give(args(...given))
    const show = (permission: string) => stores.registry.show({ permission })
    const standing = async (permission: string) => {
      const { status, endReason, suspendCause } = await show(permission)
      return [status, endReason ?? suspendCause]
    }

    test('is five acts, each when it happened and by whom, with its documents', async () => {
      const given = await give('one', [aContent()])
      expect(given).toMatchObject({ is: 'given', acts: [{ permission: 'one-1', client: VIRIYA, meter: METER, status: 'active' }] })
      const { acts, attachments, status } = await show('one-1')
      expect(status).toBe('active')
      const at = (ms: number): string => new Date(NOW - ms).toISOString()
      expect(acts.map(({ type, details }) => [type, details])).toMatchObject([
        ['create', { role: 'gate', channel: 'web', occurredAt: at(4000) }],
        ['request', { role: 'gate', channel: 'web', occurredAt: at(4000) }],
        ['send', { role: 'gate', channel: 'web', occurredAt: at(2000) }],
        ['give', { role: 'contract_holder', channel: 'web', occurredAt: at(3000) }],
        ['activate', { role: 'gate', channel: 'web', occurredAt: at(1000) }],
      ])
      expect(attachments.map((a) => a.kind)).toStrictEqual(['ui_capture'])
      const entries = await stores.entries()
      expect(entries.map((e) => e.t)).toStrictEqual(acts.map(({ type }) => `consent.${type}`))
      expect(await stores.consent.bundle({ bundle: 'one' })).toStrictEqual(['one-1'])
    })

    test('is all or nothing: one permission that cannot be, and there is none, and no claim', async () => {
      const both = args('one', [aContent(), aContent({ client: OFFICE })])
      const twice = { ...both, permissions: both.permissions.map((p) => ({ ...p, id: 'same' as PermissionId })) }
      await expect(stores.consent.give(twice)).rejects.toThrow('same')
      expect(await stores.registry.list({ limit: 10 })).toStrictEqual([])
      expect(await stores.entries()).toStrictEqual([])
      expect(await stores.consent.unclaimed({ shares: [aShare()] })).toHaveLength(1)
      expect((await stores.consent.give(both)).is).toBe('given')
    })

    test('tried again by the same journey is the same, and no doubt', async () => {
      await give('one', [aContent(), aContent({ client: OFFICE })])
      const entries = (await stores.entries()).length
      const again = args('one', [aContent()], { now: later(1000) })
      expect(
        await stores.consent.give({ ...again, permissions: again.permissions.map((p) => ({ ...p, id: 'fresh' as PermissionId })) }),
      ).toStrictEqual({
        is: 'given',
        acts: [],
        before: ['one-1', 'one-2'],
      })
      expect(await standing('one-1')).toStrictEqual(['active', null])
      expect((await stores.entries()).length).toBe(entries)
    })

    describe('a share that a second journey claims', () => {
      test.each([
        ['right after', 1, ['suspended', 'holder_doubt']],
        ['in the last millisecond of the window', HALF_HOUR - 1, ['suspended', 'holder_doubt']],
        ['when the window is over', HALF_HOUR, ['active', null]],
        ['a day later, the same share', DAY, ['active', null]],
      ] as const)('%s gives nothing, and the first is %3$j', async (_name, ms, expected) => {
        await give('first', [aContent(), aContent({ client: OFFICE })])
        const second = await give('second', [aContent()], { now: later(ms) })
        expect(second.is).toBe('claimed')
        expect(second.acts.map((act) => act.permission)).toStrictEqual(expected[0] === 'suspended' ? ['first-1', 'first-2'] : [])
        expect([await standing('first-1'), await standing('first-2')]).toStrictEqual([expected, expected])
        expect((await stores.registry.list({ limit: 10 })).map((p) => p.id)).toStrictEqual(['first-1', 'first-2'])
        expect(await stores.consent.bundle({ bundle: 'second' })).toStrictEqual([])
      })

      test.each([
        ['the first', ['first'], 'given'],
        ['the first, among others', ['other', 'first'], 'given'],
        ['another', ['other'], 'claimed'],
        ['none', [], 'claimed'],
      ] as const)('from the browser that made %s claim is %3$s', async (_name, mine, expected) => {
        await give('first', [aContent(), aContent({ client: OFFICE })])
        const second = await give('second', [aContent()], { now: later(1), mine })
        expect(second.is).toBe(expected)
        // What the same client had is replaced; what another one has stays.
        expect([(await standing('first-1'))[0], (await standing('first-2'))[0]]).toStrictEqual(
          expected === 'given' ? ['ended', 'active'] : ['suspended', 'suspended'],
        )
      })

      test.each(['suspended', 'withdrawn by whoever gave it'])(
        'is no longer its first claimant’s alone: what is %s is not given anew',
        async (then) => {
          await give('thief', [aContent()])
          await give('owner', [aContent()], { now: later(1) })
          if (then !== 'suspended')
            await stores.registry.act({
              permission: 'thief-1' as PermissionId,
              type: 'withdrawn_by_subject',
              details: { actorRole: 'data_subject', channel: 'web' },
              now: later(2),
            })
          expect((await give('again', [aContent()], { now: later(3), mine: ['thief'] })).is).toBe('claimed')
          expect((await stores.registry.list({ status: 'active', limit: 10 })).map((p) => p.id)).toStrictEqual([])
        },
      )

      test('with several meters at once: each permission is suspended once, and all of them', async () => {
        const contents = [aContent(), aContent({ meter: OTHER })]
        await give('thief', contents)
        const owner = await give('owner', contents, { now: later(1000) })
        expect([owner.is, owner.acts.map((act) => act.permission)]).toStrictEqual(['claimed', ['thief-1', 'thief-2']])
        expect([await standing('thief-1'), await standing('thief-2')]).toStrictEqual([
          ['suspended', 'holder_doubt'],
          ['suspended', 'holder_doubt'],
        ])
      })

      test('a third time: what is suspended already stays so, and still nothing is given', async () => {
        await give('first', [aContent()])
        await give('second', [aContent()], { now: later(1) })
        expect(await give('third', [aContent()], { now: later(2) })).toStrictEqual({ is: 'claimed', acts: [] })
      })

      test('one claimed share among others: nothing at all is given', async () => {
        await give('first', [aContent()])
        expect((await give('second', [aContent({ meter: OTHER }), aContent()], { now: later(1) })).is).toBe('claimed')
        expect(await stores.consent.unclaimed({ shares: [aShare({ meter: OTHER })] })).toHaveLength(1)
      })

      test('what was withdrawn meanwhile stays ended', async () => {
        await give('first', [aContent()])
        await stores.registry.act({
          permission: 'first-1' as PermissionId,
          type: 'withdrawn_by_subject',
          details: { actorRole: 'data_subject', channel: 'web' },
          now: later(1),
        })
        expect(await give('second', [aContent()], { now: later(2) })).toStrictEqual({ is: 'claimed', acts: [] })
        expect(await standing('first-1')).toStrictEqual(['ended', 'withdrawn_by_subject'])
      })

      test.each([
        ['of another account', { account: 'other' as AccountId }],
        ['of another authorisation, one more than a double tells apart', { authorisation: '9007199254740992' }],
        ['of another meter', { meter: OTHER }],
        ['that began after the claim', { from: addDays(TODAY, 1) }],
      ])('is another one %s', async (_name, over) => {
        await give('first', [aContent()])
        expect((await give('second', [aContent()], { shares: [aShare(over)], now: later(DAY) })).is).toBe('given')
      })
    })

    test('a look at one’s page claims the share too; once for the same journey', async () => {
      const claim = (bundle: string, ms: number) => stores.consent.claim({ bundle, shares: [aShare()], now: later(ms) })
      expect(await claim('look', 0)).toStrictEqual({ is: 'given', acts: [] })
      expect(await claim('look', 1000)).toStrictEqual({ is: 'given', acts: [] })
      expect(await claim('another', 2000)).toStrictEqual({ is: 'claimed', acts: [] })
      expect((await give('late', [aContent()], { now: later(3000) })).is).toBe('claimed')
      expect(await stores.registry.list({ limit: 10 })).toStrictEqual([])
    })

    test('an attempt to look with a share of just now shows nothing and ends nothing: it may be the same person elsewhere', async () => {
      await give('first', [aContent()])
      const look = (mine: readonly string[] = []) => stores.consent.claim({ bundle: 'look', shares: [aShare()], mine, now: later(1) })
      expect(await look()).toStrictEqual({ is: 'claimed', acts: [] })
      expect(await standing('first-1')).toStrictEqual(['active', null])
      // Nor does it make the share a contested one.
      expect((await give('again', [aContent()], { now: later(2), mine: ['first'] })).is).toBe('given')
      expect((await look(['first', 'again'])).is).toBe('given')
    })

    describe('given anew', () => {
      const tomorrow = addDays(TODAY, 1) as Day
      const anew = (content: PermissionContent, bundle = 'second') =>
        give(bundle, [content], {
          shares: [aShare({ from: tomorrow, meter: content.meter, authorisation: content.share?.authorisation ?? '' })],
          now: later(DAY),
        })

      test('by the same person to the same client for the same meter: the earlier one is superseded, never two in force', async () => {
        await give('first', [aContent(), aContent({ client: OFFICE })])
        const given = await anew(aContent())
        expect(given.acts.map((act) => [act.permission, act.status, act.endReason])).toStrictEqual([
          ['first-1', 'ended', 'superseded'],
          ['second-1', 'active', undefined],
        ])
        expect(await standing('first-1')).toStrictEqual(['ended', 'superseded'])
        // The other client's goes on.
        expect(await standing('first-2')).toStrictEqual(['active', null])
        const views = await stores.registry.views({ client: VIRIYA, meter: METER })
        expect(views.permissions.filter((p) => p.status === 'active').map((p) => p.id)).toStrictEqual(['second-1'])
      })

      test.each([
        ['another person’s', aContent({ authorisation: '5' })],
        ['another meter’s', aContent({ meter: OTHER })],
        ['another client’s', aContent({ client: OFFICE })],
      ])('%s replaces nothing', async (_name, content) => {
        await give('first', [aContent()])
        await anew(content)
        expect(await standing('first-1')).toStrictEqual(['active', null])
      })

      test('what was suspended in doubt is replaced too', async () => {
        await give('first', [aContent()])
        await give('thief', [aContent()], { now: later(1) })
        await anew(aContent(), 'third')
        expect(await standing('first-1')).toStrictEqual(['ended', 'superseded'])
      })
    })

    test('who holds a share sees what it gave, ended or not, and what is in force on the meter now; nothing else', async () => {
      await give('mine', [aContent()])
      await give('theirs', [aContent({ client: OFFICE, authorisation: '5' })], { shares: [aShare({ authorisation: '5' })] })
      await give('else', [aContent({ meter: OTHER, authorisation: '6' })], { shares: [aShare({ authorisation: '6', meter: OTHER })] })
      const end = (permission: string) =>
        stores.registry.act({
          permission: permission as PermissionId,
          type: 'withdrawn_by_subject',
          details: { actorRole: 'data_subject', channel: 'web' },
          now: later(1),
        })
      expect((await stores.consent.heldBy({ shares: [aShare()] })).toSorted()).toStrictEqual(['mine-1', 'theirs-1'])
      await end('mine-1')
      await end('theirs-1')
      expect(await stores.consent.heldBy({ shares: [aShare()] })).toStrictEqual(['mine-1'])
      expect(await stores.consent.heldBy({ shares: [aShare({ account: 'other' as AccountId })] })).toStrictEqual([])
    })
  })

  describe(`the holder's list on ${name}`, () => {
    let stores: Stores
    beforeEach(async () => {
      stores = await open()
    })
    afterEach(() => stores.close())
    const show = (permission: string) => stores.registry.show({ permission })
    /** Asked at `asked`, answered with nothing, compared later. */
    const compare = (asked: Millis, services: readonly SharedService[] = []) =>
      stores.reconciliation.compare({ account: MAIN, meters: [METER as UsagePointId], services, asked, now: later(60_000) })

    test('that was asked for before a permission was given says nothing about it', async () => {
      await stores.consent.give(args('one', [aContent()], { now: later(1000) }))
      expect(await compare(NOW)).toMatchObject({ acts: [] })
      expect(await compare(later(1000))).toMatchObject({ acts: [] })
      expect((await show('one-1')).status).toBe('active')
      expect(await compare(later(1001))).toMatchObject({ acts: [{ permission: 'one-1', status: 'ended', endReason: 'revoked_by_dso' }] })
    })

    test('that was asked for before a permission was suspended does not bring it back', async () => {
      await stores.consent.give(args('one', [aContent()]))
      const details = { actorRole: 'data_holder', channel: 'api', cause: 'holder_refused' } as const
      await stores.registry.act({ permission: 'one-1' as PermissionId, type: 'suspend', details, now: later(2000) })
      const service: SharedService = {
        id: '770001',
        meter: METER as UsagePointId,
        authorisation: '9007199254740993',
        kind: 'daily_energy',
        direction: 'withdrawal',
        from: TODAY,
        until: addDays(TODAY, 1000),
        state: 'active',
      }
      expect(await compare(later(1000), [service])).toMatchObject({ acts: [], unknownRights: 0 })
      expect((await show('one-1')).status).toBe('suspended')
      expect(await compare(later(3000), [service])).toMatchObject({ acts: [{ status: 'active' }] })
    })
  })

  test(`neither the id of a share nor its meter lies in clear on the disk of ${name}`, async () => {
    const stores = await open()
    await stores.consent.give(args('one', [aContent()]))
    const bytes = await stores.bytes()
    await stores.close()
    expect(bytes.length).toBeGreaterThan(1)
    for (const file of bytes)
      for (const secret of ['9007199254740993', METER.slice(4), 'the page that was shown'])
        expect([file.name, secret, file.bytes.includes(secret)]).toStrictEqual([file.name, secret, false])
  })
}
