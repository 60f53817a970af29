/**
 * What any registry of permissions must do, whatever database it lies on: acts and the states they lead to, generations,
 * what one client may know, ends by the clock and by delivery, and nothing of a person in clear.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PermissionId } from '../../src/domain/permission.ts'
import type { Millis } from '../../src/domain/time.ts'
import type { ActType, Status } from '../../src/domain/vocabulary.ts'
import { ACTS, STATUSES } from '../../src/domain/vocabulary.ts'
import type { ActDetails } from '../../src/permissions/record.ts'
import { aContext, aDraft, aLine, aTree, declare, DOCUMENT, draftsOf, imported, METER, OFFICE, OTHER, permit, VIRIYA } from './given.ts'
import type { Stores } from './stores.ts'
import { later, NOW } from './stores.ts'

const OPERATOR: ActDetails = { actorRole: 'operator', channel: 'api' }

/** Acts that lead from a draft to each state. */
const PATHS: Readonly<Record<Status, readonly ActType[]>> = {
  draft: [],
  requested: ['request'],
  awaiting_confirmation: ['request', 'send'],
  awaiting_check: ['request', 'file'],
  active: ['request', 'file', 'activate'],
  suspended: ['request', 'file', 'activate', 'suspend'],
  refused: ['request', 'refuse'],
  ended: ['request', 'file', 'activate', 'withdrawn_by_subject'],
}

const ENDS_OF_LIVE: readonly ActType[] = [
  'withdrawn_by_subject',
  'revoked_by_dso',
  'revoked_by_controller',
  'revoked_by_operator',
  'terminated_by_recipient',
  'fulfilled',
  'expired',
  'superseded',
  'holder_changed',
  'invalidated',
]
/** The transition table of the consent model (T1–T22), written down once more: what is not here is refused. */
const TABLE: Readonly<Record<Status, Partial<Record<ActType, Status>>>> = {
  draft: { request: 'requested', malformed: 'ended' },
  requested: {
    send: 'awaiting_confirmation',
    file: 'awaiting_check',
    refuse: 'refused',
    cancelled: 'ended',
    withdrawn_by_subject: 'ended',
    invalidated: 'ended',
  },
  awaiting_confirmation: {
    give: 'awaiting_check',
    confirm: 'awaiting_check',
    refuse: 'refused',
    timed_out: 'ended',
    rejected_by_dso: 'ended',
    withdrawn_by_subject: 'ended',
    invalidated: 'ended',
  },
  awaiting_check: {
    activate: 'active',
    rejected_check: 'ended',
    rejected_by_dso: 'ended',
    withdrawn_by_subject: 'ended',
    invalidated: 'ended',
  },
  active: { suspend: 'suspended', renew: 'active', amend: 'active', ...Object.fromEntries(ENDS_OF_LIVE.map((act) => [act, 'ended'])) },
  suspended: { resume: 'active', ...Object.fromEntries(ENDS_OF_LIVE.map((act) => [act, 'ended'])) },
  refused: {},
  ended: { invalidated: 'ended' },
}

export function registryContract(name: string, open: () => Promise<Stores>): void {
  describe(`the registry on ${name}`, () => {
    let stores: Stores
    beforeAll(async () => {
      stores = await open()
      await declare(stores)
    })
    afterAll(() => stores.close())
    const act = (permission: PermissionId, type: ActType, now: Millis = NOW) =>
      stores.registry.act({ permission, type, details: OPERATOR, now })

    describe.each(STATUSES)('a permission that is %s', (status) => {
      test('moves by the acts of the table and by no other', async () => {
        for (const type of ACTS) {
          const id = await aDraft(stores, `${status}-${type}`)
          for (const step of PATHS[status]) await act(id, step)
          const before = await stores.registry.show({ permission: id })
          const generation = (await stores.registry.views({ client: VIRIYA, meter: METER })).generation
          const to = TABLE[status][type]
          if (to === undefined) {
            await expect(act(id, type), `${type} is refused`).rejects.toThrow(
              `permission ${id} is ${status}: the act ${type} is not possible`,
            )
            expect(await stores.registry.show({ permission: id })).toStrictEqual(before)
            expect((await stores.registry.views({ client: VIRIYA, meter: METER })).generation).toBe(generation)
            continue
          }
          const done = await act(id, type)
          expect(done, type).toMatchObject({ permission: id, client: VIRIYA, meter: METER, status: to })
          const now = await stores.registry.show({ permission: id })
          expect(now.status, type).toBe(to)
          expect(now.acts.map((a) => a.type)).toStrictEqual(['create', ...PATHS[status], type])
          expect(now.acts.at(-1)).toMatchObject({ type, status: to, entry: done.entry })
          expect(now.acts.slice(0, -1), 'earlier acts stay as they are').toStrictEqual(before.acts)
          expect(done.generation, 'the generation is raised').toBeGreaterThan(generation)
          if (to === 'ended') expect(now.endReason).toBe(status === 'ended' ? 'withdrawn_by_subject' : type)
        }
      })
    })

    test('a second permission of one id is not created', async () => {
      await aDraft(stores, 'twice')
      await expect(aDraft(stores, 'twice')).rejects.toThrow('permission twice exists already')
      await expect(act('twice' as PermissionId, 'create')).rejects.toThrow('the act create is not possible')
    })

    test('an act, once done, is neither changed nor deleted, whoever writes to the database', async () => {
      await aDraft(stores, 'kept')
      const before = await stores.registry.show({ permission: 'kept' })
      for (const statement of [
        'DELETE FROM act',
        "UPDATE act SET type = 'activate'",
        'UPDATE act SET at = 0',
        "UPDATE act SET status = 'active'",
      ])
        await expect(stores.tamper(statement), statement).rejects.toThrow('acts are append-only')
      expect(await stores.registry.show({ permission: 'kept' })).toStrictEqual(before)
    })

    test('an act on what is not there is refused by name', async () => {
      await expect(act('nowhere' as PermissionId, 'suspend')).rejects.toThrow('there is no permission nowhere')
      await expect(stores.registry.show({ permission: 'nowhere' })).rejects.toThrow('there is no permission nowhere')
    })

    test('what has ended keeps its first reason when it is invalidated, and is void', async () => {
      await permit(stores, aTree('void-1'))
      await act('void-1' as PermissionId, 'holder_changed')
      expect(await stores.registry.show({ permission: 'void-1' })).toMatchObject({ endReason: 'holder_changed', void: false })
      await act('void-1' as PermissionId, 'invalidated')
      expect(await stores.registry.show({ permission: 'void-1' })).toMatchObject({
        status: 'ended',
        endReason: 'holder_changed',
        void: true,
      })
    })

    test('a suspension names its cause, and resuming takes it away', async () => {
      await permit(stores, aTree('cause-1'))
      const details: ActDetails = { ...OPERATOR, cause: 'proof_overdue' }
      await stores.registry.act({ permission: 'cause-1' as PermissionId, type: 'suspend', details, now: NOW })
      const suspended = await viewOf('cause-1')
      expect(suspended).toMatchObject({ status: 'suspended', suspendCause: 'proof_overdue' })
      await act('cause-1' as PermissionId, 'resume')
      expect(await viewOf('cause-1')).not.toHaveProperty('suspendCause')
    })
    async function viewOf(id: string) {
      const { permissions } = await stores.registry.views({ client: VIRIYA, meter: METER })
      return permissions.find((p) => p.id === id)
    }

    test('a client sees its own permissions on the meter, and nothing of others', async () => {
      const meters = { own: 'prm:30000000000001', next: 'prm:30000000000002' } as const
      await permit(
        stores,
        aTree('seen-1', { meter: meters.own }),
        aTree('seen-2', { meter: meters.own, client: OFFICE, lines: [aLine({ purpose: 'solar_sizing' })] }),
        aTree('seen-3', { meter: meters.next }),
      )
      const see = async (client: typeof VIRIYA, meter: string): Promise<readonly string[]> =>
        (await stores.registry.views({ client, meter: meter as typeof METER })).permissions.map((p) => p.id)
      expect(await see(VIRIYA, meters.own)).toStrictEqual(['seen-1'])
      expect(await see(OFFICE, meters.own)).toStrictEqual(['seen-2'])
      expect(await see(VIRIYA, meters.next)).toStrictEqual(['seen-3'])
      expect(await see(OFFICE, meters.next)).toStrictEqual([])
      expect(await see(VIRIYA, 'prm:30000000000009')).toStrictEqual([])
      // 14 digits name a gas meter too: another meter.
      expect(await see(VIRIYA, 'pce:30000000000001')).toStrictEqual([])
    })

    test('a generation is of one client and one meter, and none comes twice', async () => {
      const meter = 'prm:30000000000003' as typeof METER
      const of = async (client: typeof VIRIYA): Promise<number> => (await stores.registry.views({ client, meter })).generation
      expect(await of(VIRIYA)).toBe(0)
      await permit(stores, aTree('gen-1', { meter }))
      const given = await of(VIRIYA)
      expect(await of(OFFICE)).toBe(0)
      await act('gen-1' as PermissionId, 'withdrawn_by_subject')
      const withdrawn = await of(VIRIYA)
      await stores.erasure.order({ meterToken: await stores.registry.meterToken(meter), ground: 'art17_1_b', by: 'test', now: NOW })
      await stores.erasure.finish()
      expect((await stores.registry.show({ permission: 'gen-1' })).content).toBeNull()
      expect(await of(VIRIYA)).toBe(0)
      // The same acts again: a copy kept from before the erasure must not pass for today's.
      await permit(stores, aTree('gen-2', { meter }))
      expect(new Set([given, withdrawn, await of(VIRIYA)]).size).toBe(3)
    })

    test('what is being erased takes no new permission until it is done; then it does, under a new key', async () => {
      const meter = 'prm:30000000000004' as typeof METER
      await permit(stores, aTree('erase-1', { meter }))
      await act('erase-1' as PermissionId, 'withdrawn_by_subject')
      await stores.erasure.order({ meterToken: await stores.registry.meterToken(meter), ground: 'art17_1_b', by: 'test', now: NOW })
      await expect(permit(stores, aTree('erase-2', { meter }))).rejects.toThrow('is being erased')
      await stores.erasure.finish()
      await permit(stores, aTree('erase-2', { meter }))
      expect((await stores.registry.show({ permission: 'erase-2' })).content?.holder.name).toBe('Ada Lovelace-Canary')
      expect(await stores.registry.show({ permission: 'erase-1' })).toMatchObject({ content: null, status: 'ended', attachments: [] })
      const again = await stores.admit(imported(draftsOf([aTree('erase-1', { meter })])))
      expect(again).toMatchObject({ ok: false, mistakes: [{ message: expect.stringContaining('was erased with its person') as string }] })
    })

    test('an erasure waits for what another gate has not sealed yet, and deletes what that becomes', async () => {
      const meter = 'prm:30000000000005' as typeof METER
      await permit(stores, aTree('erase-3', { meter }))
      await act('erase-3' as PermissionId, 'withdrawn_by_subject')
      const meterToken = await stores.registry.meterToken(meter)
      const token = Buffer.from(meterToken).toString('hex')
      const other = stores.beside({ clear: { t: 'access.outcome', status: 200 }, index: [token], refusedIndex: token })
      await stores.erasure.order({ meterToken, ground: 'art17_1_b', by: 'test', now: NOW })
      expect(await stores.erasure.finish()).toBe('waits')
      await expect(permit(stores, aTree('erase-4', { meter }))).rejects.toThrow('is being erased')
      other.seal()
      expect(stores.indexed(meterToken)).toBe(2)
      expect(await stores.erasure.finish()).toBe('done')
      expect(stores.indexed(meterToken)).toBe(0)
      expect(await stores.erasure.pending()).toBe(0)
    })

    test('nothing of a person under restriction becomes active', async () => {
      const meter = 'prm:30000000000005' as typeof METER
      const meterToken = await stores.registry.meterToken(meter)
      await permit(stores, aTree('restrict-1', { meter }))
      const restrict = (on: boolean) => stores.erasure.restrict({ meterToken, on, ground: 'art18_1_d', by: 'test', now: NOW })
      expect(await restrict(true)).toBe(1)
      await act('restrict-1' as PermissionId, 'suspend')
      await expect(act('restrict-1' as PermissionId, 'resume')).rejects.toThrow('asked for restriction')
      await expect(permit(stores, aTree('restrict-2', { meter }))).rejects.toThrow('asked for restriction')
      await expect(stores.registry.show({ permission: 'restrict-2' }), 'nothing of it is left').rejects.toThrow('there is no permission')
      expect(await restrict(false)).toBe(1)
      expect(await act('restrict-1' as PermissionId, 'resume')).toMatchObject({ status: 'active' })
    })

    test('ends at its validUntil, suspended or not, and no earlier', async () => {
      const meter = 'prm:30000000000006' as typeof METER
      const until = '2026-12-01T00:00:00Z'
      const at = Date.parse(until) as Millis
      for (const id of ['due-1', 'due-2', 'due-3']) await permit(stores, aTree(id, { meter, valid_until: until }))
      await act('due-2' as PermissionId, 'suspend')
      await aDraft(stores, 'due-draft', { meter, valid_until: until })
      expect(await stores.registry.expire({ now: (at - 1) as Millis, most: 100 })).toStrictEqual([])
      const first = await stores.registry.expire({ now: at, most: 2 })
      const second = await stores.registry.expire({ now: at, most: 100 })
      expect([first.length, second.length]).toStrictEqual([2, 1])
      expect([...first, ...second].map((a) => a.permission).toSorted()).toStrictEqual(['due-1', 'due-2', 'due-3'])
      expect(first[0]).toMatchObject({ status: 'ended', endReason: 'expired', client: VIRIYA, meter })
      expect((await stores.registry.show({ permission: 'due-draft' })).status).toBe('draft')
    })

    test('is listed page by page in the order of ids, by client and by state', async () => {
      const lists = await open()
      await declare(lists)
      const ids = Array.from({ length: 23 }, (_, i) => `list-${String(i).padStart(2, '0')}`)
      const offices = { client: OFFICE, lines: [aLine({ purpose: 'solar_sizing' })] }
      await permit(lists, ...ids.map((id, i) => aTree(id, i % 3 === 0 ? offices : {})))
      await lists.registry.act({ permission: 'list-01' as PermissionId, type: 'withdrawn_by_subject', details: OPERATOR, now: NOW })
      const paged: string[] = []
      for (let after = ''; ;) {
        const page = await lists.registry.list({ limit: 5, after })
        paged.push(...page.map((p) => p.id))
        if (page.length < 5) break
        after = page.at(-1)?.id ?? ''
      }
      expect(paged).toStrictEqual(ids)
      expect((await lists.registry.list({ client: OFFICE, limit: 100 })).map((p) => p.id)).toStrictEqual(ids.filter((_, i) => i % 3 === 0))
      expect(await lists.registry.list({ status: 'ended', limit: 100 })).toMatchObject([
        { id: 'list-01', endReason: 'withdrawn_by_subject', client: VIRIYA, validUntil: '2027-01-01T00:00:00.000Z' },
      ])
      await lists.close()
    })

    test('each act is one entry that names state and client, and nothing of the person', async () => {
      const fresh = await open()
      await declare(fresh)
      await permit(fresh, aTree('entry-1'))
      await fresh.registry.act({
        permission: 'entry-1' as PermissionId,
        type: 'withdrawn_by_subject',
        details: { actorRole: 'data_subject', channel: 'telephone', reason: 'a reason of hers' },
        now: NOW,
      })
      const entries = (await fresh.entries()).filter((e) => e.t.startsWith('consent.'))
      expect(entries.map((e) => [e.t, e['status'], e['client']])).toStrictEqual([
        ['consent.create', 'draft', VIRIYA],
        ['consent.request', 'requested', VIRIYA],
        ['consent.file', 'awaiting_check', VIRIYA],
        ['consent.activate', 'active', VIRIYA],
        ['consent.withdrawn_by_subject', 'ended', VIRIYA],
      ])
      expect(entries.some((e) => 'unverified' in e)).toBe(false)
      const files = await fresh.bytes()
      expect(files.length).toBeGreaterThan(2)
      const canaries = [
        '10000000000001',
        'contract-holder-canary-77',
        'Lovelace-Canary',
        'C-REF-CANARY',
        'a reason of hers',
        'signed by the holder',
      ]
      // Salted hashes apart, whoever has the files may try out all meters: no plain hash of one lies there either.
      const hashes = ['10000000000001', METER].map((text) => createHash('sha256').update(text))
      for (const { name: file, bytes } of files) {
        for (const canary of canaries) expect(bytes.includes(canary), `${canary} in ${file}`).toBe(false)
        for (const hash of hashes) {
          const digest = hash.copy().digest()
          expect(bytes.includes(digest) || bytes.includes(digest.toString('hex')), `a plain hash in ${file}`).toBe(false)
        }
      }
      await fresh.close()
    })

    describe('an import', () => {
      test('brings in what is new, and the same again changes nothing', async () => {
        const drafts = draftsOf([aTree('same-1'), aTree('same-2', { meter: OTHER })])
        expect(await stores.admit(imported(drafts, { dryRun: true }))).toMatchObject({ ok: true, created: ['same-1', 'same-2'], acts: [] })
        await expect(stores.registry.show({ permission: 'same-1' }), 'a dry run writes nothing').rejects.toThrow('there is no permission')
        const first = await stores.admit(imported(drafts))
        expect(first).toMatchObject({ ok: true, created: ['same-1', 'same-2'], unchanged: [] })
        const { generation } = await stores.registry.views({ client: VIRIYA, meter: METER })
        expect(await stores.admit(imported(drafts))).toMatchObject({ ok: true, created: [], unchanged: ['same-1', 'same-2'], acts: [] })
        expect((await stores.registry.views({ client: VIRIYA, meter: METER })).generation).toBe(generation)
      })

      test('refuses the same id with other content, whatever differs, and brings in nothing else of the file', async () => {
        await stores.admit(imported(draftsOf([aTree('other-1')])))
        const changes = [{ valid_until: '2027-02-01T00:00:00Z' }, { lines: [aLine({ until: '2025-06-01' })] }, { meter: OTHER }]
        for (const change of changes) {
          const done = await stores.admit(imported(draftsOf([aTree('other-new'), aTree('other-1', change)])))
          expect(done).toStrictEqual({
            ok: false,
            mistakes: [
              {
                where: 'line 1, permissions.1',
                message: 'permission other-1 exists with other content: an amended permission has an id of its own',
              },
            ],
          })
          await expect(stores.registry.show({ permission: 'other-new' })).rejects.toThrow('there is no permission')
        }
        const unverified = draftsOf([aTree('other-1')], aContext({ unverified: true }))
        expect(await stores.admit(imported(unverified)), 'unverified is other content').toMatchObject({ ok: false })
      })

      test('keeps documents by their hash, once each, and gives back the very bytes', async () => {
        const attachments = ['one.pdf', 'two.pdf', 'copy.pdf'].map((file) => ({
          kind: 'signed_mandate',
          file,
          media_type: 'application/pdf',
        }))
        const documents = { 'one.pdf': DOCUMENT, 'two.pdf': Buffer.from('another'), 'copy.pdf': Buffer.from(DOCUMENT) }
        await stores.admit(imported(draftsOf([aTree('docs-1', { attachments })]), { documents }))
        const record = await stores.registry.show({ permission: 'docs-1' })
        const sha256 = createHash('sha256').update(DOCUMENT).digest('hex')
        expect(record.attachments).toHaveLength(2)
        expect(record.attachments).toContainEqual({
          sha256,
          kind: 'signed_mandate',
          mediaType: 'application/pdf',
          bytes: DOCUMENT.byteLength,
        })
        expect(Buffer.from((await stores.readAttachment('docs-1', sha256)) ?? '')).toStrictEqual(DOCUMENT)
        expect(await stores.readAttachment('docs-2', sha256), 'of another permission').toBeUndefined()
      })

      test('names every document that is missing, empty or too large, before anything is written', async () => {
        const attachments = ['there.pdf', 'gone.pdf', 'huge.pdf', 'empty.pdf', 'constructor'].map((file) => ({
          kind: 'signed_mandate',
          file,
          media_type: 'application/pdf',
        }))
        const documents = { 'there.pdf': DOCUMENT, 'huge.pdf': Buffer.alloc(16 * 1024 * 1024 + 1), 'empty.pdf': Buffer.alloc(0) }
        const drafts = draftsOf([aTree('docs-3', { attachments })])
        for (const dryRun of [true, false]) {
          const done = await stores.admit(imported(drafts, { documents, dryRun }))
          expect(done.ok ? [] : done.mistakes.map((m) => m.message)).toStrictEqual([
            'the document gone.pdf is missing',
            'the document huge.pdf has more than 16777216 bytes',
            'the document empty.pdf is empty',
            'the document constructor is missing',
          ])
        }
        await expect(stores.registry.show({ permission: 'docs-3' })).rejects.toThrow('there is no permission')
      })

      test('that is not verified says so in every entry it makes', async () => {
        const fresh = await open()
        await declare(fresh)
        await fresh.admit(imported(draftsOf([aTree('unverified-1')], aContext({ unverified: true }))))
        const entries = (await fresh.entries()).filter((e) => e.t.startsWith('consent.'))
        expect(entries.map((e) => e['unverified'])).toStrictEqual([true, true, true, true])
        expect((await fresh.registry.show({ permission: 'unverified-1' })).content?.unverified).toBe(true)
        await fresh.close()
      })
    })

    test('a holder that refuses three times over a day suspends; an answer in between starts the count anew', async () => {
      await permit(stores, aTree('doubt-1', { meter: OTHER }), aTree('doubt-2', { meter: OTHER }))
      const refused = (permission: string, hours: number) =>
        stores.doubts.refused({
          permission: permission as PermissionId,
          code: 'ADAM-DC-0008',
          now: later(hours * 3_600_000),
          calledInHour: 100,
        })
      for (const hours of [0, 12]) expect(await refused('doubt-1', hours)).toStrictEqual({ suspended: null, badDay: false })
      expect((await refused('doubt-1', 23.9)).suspended).toBeNull()
      expect((await refused('doubt-1', 24)).suspended).toMatchObject({ status: 'suspended', permission: 'doubt-1' })
      expect((await refused('doubt-1', 25)).suspended, 'once').toBeNull()
      await act('doubt-1' as PermissionId, 'resume', later(26 * 3_600_000))
      for (const hours of [27, 28]) expect((await refused('doubt-1', hours)).suspended, 'counted anew').toBeNull()
      for (const hours of [0, 12]) await refused('doubt-2', hours)
      await stores.doubts.answered('doubt-2' as PermissionId)
      expect((await refused('doubt-2', 25)).suspended).toBeNull()
    })

    test('five refused in an hour, and more than one in twenty, are the holder’s bad day: nobody is suspended', async () => {
      const fresh = await open()
      await declare(fresh)
      const ids = Array.from({ length: 5 }, (_, i) => `bad-${i}`)
      await permit(fresh, ...ids.map((id) => aTree(id)))
      const day = 86_400_000
      const refused = (id: string, at: number, calledInHour: number) =>
        fresh.doubts.refused({ permission: id as PermissionId, code: 'ADAM-DC-0008', now: later(at), calledInHour })
      for (const at of [0, day / 2]) for (const id of ids) await refused(id, at, 1000)
      for (const id of ids.slice(1)) await refused(id, day, 99)
      // Four were suspended, and still count: else all would be, one after the other.
      expect(await refused('bad-0', day, 99), '5 of 99').toStrictEqual({ suspended: null, badDay: true })
      expect((await refused('bad-0', day, 100)).suspended, '5 of 100').toMatchObject({ permission: 'bad-0' })
      await fresh.close()
    })
  })
}
