/** What any registry must do with mandates: nothing opens before all of it was signed and checked, and no step is taken twice. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountId, PermissionId } from '../../src/domain/permission.ts'
import type { NewAttachment } from '../../src/permissions/attachments.ts'
import { CHECKS } from '../../src/permissions/mandates.ts'
import type { Tree } from './given.ts'
import { aContext, aLine, aTree, draftsOf, imported, METER, parse, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const FORM = Buffer.from('%PDF-1.7 the form %%EOF')
const SIGNED: NewAttachment = { kind: 'signed_mandate', mediaType: 'application/pdf', bytes: Buffer.from('%PDF-1.4 signed %%EOF') }
const POWER: NewAttachment = { kind: 'representation_power', mediaType: 'image/png', bytes: Buffer.from('a picture') }
const WEB = { actorRole: 'contract_holder', channel: 'web' }
const DESK = { actorRole: 'operator', actor: 'console:ada', channel: 'console' }
const DAY = 86_400_000
const context = aContext({ accounts: new Set(['enedis-sge/sge', 'enedis-data-connect/main', 'grdf-adict/gas']) })

function aMandate(id: string, change: Tree = {}): Tree {
  const { notice: _n, will: _w, identity: _i, holder_match: _h, attachments: _a, ...rest } = aTree(id)
  return { ...rest, mandate: true, bindings: [{ provider: 'enedis-sge', account: 'sge', order: true }], ...change }
}

export function mandatesContract(name: string, open: () => Promise<Stores>): void {
  describe(`mandates on ${name}`, () => {
    let stores: Stores
    beforeEach(async () => {
      stores = await open()
    })
    afterEach(() => stores.close())

    const file = async (...trees: readonly Tree[]) => stores.admit(imported(draftsOf(trees, context)))
    const issued = async (id: string, change?: Tree): Promise<void> => {
      await file(aMandate(id, change))
      await stores.mandates.issue({ permission: id, form: FORM, now: NOW })
    }
    const sign = (permission: string, ...papers: readonly NewAttachment[]) =>
      stores.mandates.sign({ permission, papers, details: WEB, now: NOW })
    const head = async (permission: string): Promise<string> => (await stores.registry.show({ permission })).acts.at(-1)?.entry ?? ''
    const accept = async (permission: string, change: Partial<Parameters<Stores['mandates']['check']>[0]> = {}) =>
      stores.mandates.check({
        permission,
        head: await head(permission),
        accepted: 'exact',
        details: { ...DESK, checks: CHECKS },
        now: NOW,
        ...change,
      })
    const status = async (permission: string): Promise<string> => (await stores.registry.show({ permission })).status
    const due = async (): Promise<number> => ((await stores.rights.take({ now: later(400 * DAY), forMs: 0 })) ? 1 : 0)

    test('from the request to the order, each step an act with its documents', async () => {
      expect(await file(aMandate('m'))).toMatchObject({ ok: true, mandates: ['m'] })
      expect(await status('m')).toBe('requested')
      await stores.mandates.issue({ permission: 'm', form: FORM, now: NOW })
      expect(await status('m')).toBe('awaiting_confirmation')
      expect(await sign('m', SIGNED, POWER)).toMatchObject({ is: 'signed', act: { status: 'awaiting_check' } })
      expect(await due()).toBe(0)
      expect(await accept('m')).toMatchObject({ is: 'done', value: { status: 'active' } })
      const shown = await stores.registry.show({ permission: 'm' })
      expect(shown.acts.map(({ type }) => type)).toStrictEqual(['create', 'request', 'send', 'give', 'activate'])
      expect(shown.acts.at(-1)?.details).toMatchObject({ role: 'operator', id: 'console:ada', checks: CHECKS })
      expect(shown.attachments.map(({ kind }) => kind).toSorted()).toStrictEqual(['mandate_form', 'representation_power', 'signed_mandate'])
      expect(shown.content).toMatchObject({
        unverified: false,
        notice: { id: 'mandate', sha256: shown.attachments.find(({ kind }) => kind === 'mandate_form')?.sha256 },
        identity: { method: 'signed_mandate', strength: 'S2' },
        holderMatch: { method: 'operator_check', result: 'exact' },
      })
      expect(await stores.rights.take({ now: NOW, forMs: 1000 })).toMatchObject({ permission: 'm', task: 'open' })
      expect(await stores.rights.take({ now: NOW, forMs: 1000 }), 'nobody else gets it').toBeNull()
    })
    test.each([
      ['before it is issued', async () => file(aMandate('m'))],
      ['before it is signed', () => issued('m')],
      ['before it is checked', async () => (await issued('m'), sign('m', SIGNED))],
    ])('opens nothing %s', async (_when, prepare) => {
      await prepare()
      const { permissions } = await stores.registry.views({ client: VIRIYA, meter: METER })
      expect(permissions.every((p) => p.status !== 'active')).toBe(true)
      expect(await due()).toBe(0)
    })
    test('is issued once, and signed once', async () => {
      await issued('m')
      expect(await stores.mandates.issue({ permission: 'm', form: Buffer.from('another'), now: NOW })).toBeUndefined()
      expect(await sign('m', SIGNED)).toMatchObject({ is: 'signed' })
      expect(await sign('m', SIGNED)).toStrictEqual({ is: 'closed' })
      await accept('m')
      expect(await sign('m', SIGNED)).toStrictEqual({ is: 'closed' })
    })
    test('the form as it was issued is not signed; the same document twice is one', async () => {
      await issued('m')
      expect(await sign('m', { ...SIGNED, bytes: FORM })).toStrictEqual({ is: 'unsigned' })
      expect(await sign('m', SIGNED, { ...POWER, bytes: SIGNED.bytes })).toStrictEqual({ is: 'duplicate' })
      expect((await stores.registry.show({ permission: 'm' })).attachments.map(({ kind }) => kind)).toStrictEqual(['mandate_form'])
      expect(await status('m')).toBe('awaiting_confirmation')
    })
    test('the same signed document for another permission is seen', async () => {
      await issued('m')
      await issued('n', { client: VIRIYA })
      await sign('m', SIGNED)
      await sign('n', SIGNED)
      expect(await stores.mandates.elsewhere({ permission: 'n' })).toStrictEqual(['m'])
    })
    test.each(CHECKS)('is not taken before somebody looked at: %s', async (missing) => {
      await issued('m')
      await sign('m', SIGNED)
      const checks = CHECKS.filter((one) => one !== missing)
      await expect(accept('m', { details: { ...DESK, checks } })).rejects.toThrow(/looked at/)
      expect(await status('m')).toBe('awaiting_check')
    })
    test('a check of what was not the last word changes nothing', async () => {
      await issued('m')
      await sign('m', SIGNED)
      expect(await accept('m', { head: 'gate.test.localhost/journal/2026/0' })).toStrictEqual({ is: 'stale' })
      expect(await status('m')).toBe('awaiting_check')
    })
    test('turned down: it ends, and nothing is ordered', async () => {
      await issued('m')
      await sign('m', SIGNED)
      expect(await accept('m', { accepted: null, details: { ...DESK, reason: 'not signed' } })).toMatchObject({
        value: { status: 'ended', endReason: 'rejected_check' },
      })
      expect(await due()).toBe(0)
    })
    test('its person says no instead: nothing is ordered, and no check brings it back', async () => {
      await issued('m')
      await sign('m', SIGNED)
      await stores.registry.act({ permission: 'm' as PermissionId, type: 'withdrawn_by_subject', details: WEB, now: NOW })
      await expect(accept('m')).rejects.toThrow(/ended/)
      expect(await due()).toBe(0)
    })
    test('nobody signs: it ends after its time, and not a moment before; what is signed waits for the operator', async () => {
      await issued('m')
      await issued('n', { meter: 'prm:10000000000002' })
      await sign('n', SIGNED)
      const timeOut = (issuedBefore: number) =>
        stores.mandates.timeOut({ issuedBefore: issuedBefore as typeof NOW, most: 10, now: later(31 * DAY) })
      expect(await timeOut(NOW)).toStrictEqual([])
      expect(await timeOut(NOW + 1)).toMatchObject([{ permission: 'm', endReason: 'timed_out' }])
      expect(await status('n')).toBe('awaiting_check')
    })
    test('a service that is opened later is known to whoever reads under the permission, until it ends', async () => {
      await issued('m')
      await sign('m', SIGNED)
      await accept('m')
      const opened = async (): Promise<boolean> => {
        const { permissions } = await stores.registry.views({ client: VIRIYA, meter: METER })
        return permissions[0]?.bindings[0]?.opened === true
      }
      expect(await opened()).toBe(false)
      const where = {
        permission: 'm' as PermissionId,
        provider: 'enedis-sge',
        account: 'sge' as AccountId,
        meter: METER,
        now: NOW,
      } as const
      await stores.rights.learned({ ...where, rights: [{ ref: '12', direction: 'withdrawal' }] })
      expect(await opened()).toBe(true)
      // Told again: it stays the one that it is.
      await stores.rights.learned({ ...where, rights: [{ ref: '12', direction: 'withdrawal' }] })
      expect((await stores.rights.of('m')).filter(({ ref }) => ref === '12')).toHaveLength(1)
      await stores.rights.stop({
        id: (await stores.rights.named({ permission: where.permission, provider: 'enedis-sge' }))[0]!.id,
        now: NOW,
      })
      expect(await opened()).toBe(false)
    })
    test('one that begins later is ordered when it begins', async () => {
      await issued('m', { valid_from: '2026-12-01T00:00:00Z' })
      await sign('m', SIGNED)
      await accept('m')
      expect(await stores.rights.take({ now: NOW, forMs: 0 })).toBeNull()
      expect(await due()).toBe(1)
    })
    test('of an ordinary permission there is no mandate', async () => {
      await stores.admit(imported(draftsOf([aTree('p')])))
      await expect(stores.mandates.issue({ permission: 'p', form: FORM, now: NOW })).rejects.toThrow(/by no mandate/)
      await expect(sign('p', SIGNED)).rejects.toThrow(/by no mandate/)
    })
    test.each([
      ['a proof beforehand', { will: { channel: 'web', occurred_at: '2025-12-31T10:00:00Z' } }, /will is not known yet/],
      [
        'documents beforehand',
        { attachments: [{ kind: 'signed_mandate', file: 'm.pdf', media_type: 'application/pdf' }] },
        /handed in later/,
      ],
      ['nobody who signs', { holder: { kind: 'natural', reference: 'x' } }, /holder\.name/],
      ['another data holder', { bindings: [{ provider: 'enedis-data-connect', account: 'main' }] }, /a mandate is for SGE/],
      [
        'a service that is open',
        { bindings: [{ provider: 'enedis-sge', account: 'sge', rights: [{ ref: '12' }] }] },
        /a mandate is for SGE/,
      ],
      ['lines without days', { lines: [aLine({ from: undefined, until: undefined })] }, /needs the days/],
    ])('an import with %s is refused', (_what, change, sentence) => {
      const parsed = parse([JSON.parse(JSON.stringify(aMandate('m', change))) as Tree], context)
      expect(parsed.ok ? [] : parsed.mistakes.map(({ message }) => message)).toStrictEqual(
        expect.arrayContaining([expect.stringMatching(sentence)]) as unknown,
      )
    })
  })
}
