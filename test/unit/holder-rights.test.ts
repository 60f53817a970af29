/**
 * A permission ends here at once, and at the data holder through an outage: two services of SGE and a right of GRDF are
 * asked to end for ten minutes of a simulated clock, until both data holders are back and acknowledge it.
 */
import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AccountId, PermissionId } from '../../src/domain/permission.ts'
import type { Millis } from '../../src/domain/time.ts'
import { addDays, parisDay } from '../../src/domain/time.ts'
import { holderRightsOf } from '../../src/holder-rights.ts'
import type { HolderRights } from '../../src/holder-rights.ts'
import { applicationToken } from '../../src/gateway/application-token.ts'
import { fixedCredential, holderAt } from '../../src/gateway/holder.ts'
import type { ProviderRoute } from '../../src/gateway/ports.ts'
import { quotaOf } from '../../src/gateway/quota.ts'
import type { ProviderAdapter } from '../../src/providers/adapter.ts'
import { enedisSge } from '../../src/providers/enedis-sge/sge.ts'
import { grdfAdict } from '../../src/providers/grdf-adict/adict.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { ADICT_TOKEN_PATH, DEFAULT_ADICT_CLIENT, DEFAULT_SGE_ACCOUNT, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { StateClient } from '../../src/storage/rpc.ts'
import type { Stores } from '../contract/stores.ts'
import { NOW, sqliteStores } from '../contract/stores.ts'
import { aContext, aTree, draftsOf, imported } from '../contract/given.ts'
import { aPdf, aPng } from '../harness/papers.ts'
import { fixture } from './enedis-sge/given.ts'

const SGE = 'sge' as AccountId
const GAS = 'gas' as AccountId
const METER = '99999000000017'
const PCE = '99000000000001'
const FAST = { perSecond: 100_000, perHour: 1_000_000 }
const timeouts = { connectSeconds: 2, headersSeconds: 5, bodySeconds: 5, totalSeconds: 10, slowClientSeconds: 5 }

let sandbox: Sandbox
let stores: Stores
let ender: HolderRights
let now = NOW
let log = ''
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    quotas: { v5: FAST, '2026': FAST },
    adictQuotas: { perSecond: 100_000, perDay: 1_000_000 },
    now: () => now,
  })
  stores = await sqliteStores()
  const settings = { url: sandbox.url, ca: undefined, connections: 4, timeouts, maxAnswerBytes: 1_048_576 }
  const logger = loggerTo('warn', 'test', { write: (line: string) => void (log += line) } as never)
  const quota = () =>
    quotaOf(
      () => ({ perSecond: 1000, most: 100_000, windowMs: 3_600_000 }),
      () => performance.now(),
      1000,
    )
  const token = applicationToken(
    { id: GAS, clientId: DEFAULT_ADICT_CLIENT.clientId, secret: DEFAULT_ADICT_CLIENT.secret },
    settings,
    { url: `${sandbox.url}${ADICT_TOKEN_PATH}`, scope: '/adict/v2' },
    () => performance.now(),
    logger,
  )
  const operators = new Map([[SGE, { login: DEFAULT_SGE_ACCOUNT.login, contract: DEFAULT_SGE_ACCOUNT.contratId }]])
  const holders = [holderAt(SGE, settings, fixedCredential(null)), holderAt(GAS, settings, token)] as const
  for (const holder of holders) closing.push(() => holder.close())
  const adapters = [
    enedisSge({ quantities: 'active', legacy: false, operators }),
    grdfAdict({ upperBound: 'excluded' }),
  ] as unknown as ProviderAdapter<unknown>[]
  const routes: ProviderRoute[] = adapters.map((adapter, i) => ({
    id: adapter.id,
    adapter,
    holders: new Map([[i === 0 ? SGE : GAS, holders[i === 0 ? 0 : 1]]]),
    quota: quota(),
  }))
  const procedures: Readonly<Record<string, (args: never) => Promise<unknown>>> = {
    takeRight: stores.rights.take,
    rightSettled: stores.rights.settle,
    rightCounts: () => stores.rights.counts(),
    rightOpened: stores.rightActs.opened,
    rightRejected: stores.rightActs.rejected,
    compareGasRights: stores.rightActs.compare,
    proofAsked: stores.rights.proofAsked,
    proofTaken: stores.rightActs.proofTaken,
  }
  ender = holderRightsOf({
    changes: { acts: () => Promise.resolve() } as never,
    everyMs: 86_400_000,
    confirmationMs: 30 * 86_400_000,
    state: { call: (name: string, args: never) => procedures[name]!(args) } as unknown as StateClient,
    routes,
    intent: stores.ownCalls.intent,
    outcome: stores.ownCalls.outcome,
    ready: () => true,
    now: () => now,
    newId: randomUUID,
    log: logger,
  })
})
afterAll(async () => {
  for (const close of closing) await close()
  await sandbox.close()
  await stores.close()
})

/** Opens two services at SGE, as an order of the operator's does, and gives their numbers. */
async function openServices(): Promise<readonly string[]> {
  const order = fixture('sad-v1-request').replace('2027-06-30', '2027-11-01')
  const answer = await fetch(`${sandbox.url}/CommandeServicesAccesDonnees/v1.0`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: order,
  })
  const text = await answer.text()
  return [...text.matchAll(/<serviceSouscritId>(\d+)</g)].map(([, id]) => id ?? '')
}

test('withdrawn here at once; ended there once both data holders are back, each call and acknowledgement on record', async () => {
  const services = await openServices()
  expect(services).toHaveLength(2)
  const right = sandbox.adict.order({ pce: PCE }).id
  const details = { actorRole: 'operator', channel: 'api' }
  const gasLine = {
    kind: 'published_reading',
    direction: 'withdrawal',
    finest: 'P1D',
    purpose: 'self_view',
    from: '2025-01-01',
    until: '2026-01-01',
  }
  const trees = [
    aTree('house', {
      meter: `prm:${METER}`,
      bindings: [{ provider: 'enedis-sge', account: SGE, rights: services.map((ref) => ({ ref })) }],
    }),
    aTree('boiler', {
      meter: `pce:${PCE}`,
      lines: [gasLine],
      bindings: [{ provider: 'grdf-adict', account: GAS, rights: [{ ref: right }] }],
    }),
  ]
  const context = aContext({ accounts: new Set(['enedis-sge/sge', 'grdf-adict/gas']) })
  expect(await stores.admit(imported(draftsOf(trees, context)))).toMatchObject({ ok: true })
  await ender.tick()
  expect(await stores.rights.counts()).toMatchObject({ open: 3, ending: 0 })

  // The outage begins, and then the person says no.
  sandbox.sge.down(true)
  sandbox.adict.misbehave({ pce: 'rights', kind: 'status', status: 503, times: 1_000 } as never)
  for (const permission of ['house', 'boiler'] as PermissionId[]) {
    const ended = await stores.registry.act({ permission, type: 'withdrawn_by_subject', details, now })
    expect(ended.status).toBe('ended')
  }
  expect(await stores.rights.counts()).toMatchObject({ open: 0, ending: 3 })
  const began = now
  for (; now < began + 600_000; now = (now + 5_000) as Millis) await ender.tick()
  expect(await stores.rights.counts()).toMatchObject({ open: 0, ending: 3, oldestEnding: began })
  const during = await stores.rights.of('house')
  // 15 s, 30 s, a minute, two, four … and not a call each second.
  expect(during.map(({ attempts, code }) => [attempts, code])).toStrictEqual([
    [6, '503'],
    [6, '503'],
  ])
  expect(
    sandbox.sge.services().filter(({ serviceSouscritId, etatCode }) => services.includes(serviceSouscritId) && etatCode !== 'ACTIF'),
  ).toStrictEqual([])

  // Both are back.
  sandbox.sge.down(false)
  sandbox.adict.reset()
  for (const until = now + 960_000; now < until; now = (now + 5_000) as Millis) await ender.tick()
  expect(await stores.rights.counts()).toStrictEqual({ wanted: 0, pending: 0, open: 0, ending: 0, oldestEnding: null })
  expect(
    sandbox.sge.services().filter(({ serviceSouscritId, etatCode }) => services.includes(serviceSouscritId) && etatCode === 'ACTIF'),
  ).toStrictEqual([])
  expect(sandbox.adict.rights().find(({ id }) => id === right)).toMatchObject({ state: 'revoked' })

  const entries = (await stores.entries()) as readonly { readonly t: string; readonly [field: string]: unknown }[]
  const intents = entries.filter(({ t }) => t === 'admin.intent')
  expect(intents.filter(({ why }) => why === 'ending')).toHaveLength(21)
  expect(entries.filter(({ t }) => t === 'admin.outcome').map(({ intent }) => intent)).toStrictEqual(
    entries.flatMap(({ t }, n) => (t === 'admin.intent' ? [n] : [])),
  )
  const acknowledged = entries.filter(({ t }) => t === 'admin.right')
  expect(acknowledged.map(({ change, dso }) => [change, dso])).toStrictEqual(
    expect.arrayContaining([
      ['ended', 'enedis-sge/sge'],
      ['ended', 'enedis-sge/sge'],
      ['ended', 'grdf-adict/gas'],
    ]) as unknown,
  )
  expect(acknowledged).toHaveLength(3)
  expect(acknowledged.every(({ asked }) => asked === new Date(began).toISOString())).toBe(true)
  // What named them is gone, and what is left says that they have ended, with the entry.
  for (const one of [...(await stores.rights.of('house')), ...(await stores.rights.of('boiler'))]) {
    expect(one).toMatchObject({ state: 'ended', attempts: 7, entry: expect.stringMatching(/\/\d+$/) as string })
    expect(one.ref).toBeUndefined()
  }
  expect(await stores.rights.take({ now: (now + 86_400_000) as Millis, forMs: 0 })).toBeNull()
  expect(log).not.toContain(METER)
})

test('the proof that GRDF asks for: sent as it lies here, and on record; what GRDF says of it is told', async () => {
  const right = sandbox.adict.order({ pce: '99000000000002', validFrom: parisDay(now) }).id
  const line = {
    kind: 'published_reading',
    direction: 'withdrawal',
    finest: 'P1D',
    purpose: 'self_view',
    from: '2025-01-01',
    until: '2026-01-01',
  }
  const tree = aTree('proved', {
    meter: 'pce:99000000000002',
    holder: { kind: 'natural', reference: 'proved', name: 'Ada' },
    lines: [line],
    bindings: [{ provider: 'grdf-adict', account: GAS, rights: [{ ref: right }] }],
  })
  await stores.admit(imported(draftsOf([tree], aContext({ accounts: new Set(['grdf-adict/gas']) })), { now }))
  const paper = (bytes: Buffer) => ({ kind: 'ui_capture', mediaType: 'application/pdf', bytes })
  const proof = paper(aPdf('the agreement'))
  const later = (): void => void (now = (now + 5_000) as Millis)
  expect(await ender.sendProof('proved', [proof])).toStrictEqual({ is: 'not_asked' })

  sandbox.adict.askProof(right)
  later()
  await ender.compare(GAS)
  expect(await stores.rights.proofsAwaited()).toMatchObject([{ permission: 'proved', until: expect.stringMatching(/^20/) as string }])
  expect(await ender.sendProof('proved', [paper(Buffer.from('PK not a PDF'))])).toStrictEqual({ is: 'refused', code: '2000000002' })
  sandbox.adict.misbehave({ pce: 'rights', kind: 'status', status: 503 } as never)
  expect(await ender.sendProof('proved', [proof])).toStrictEqual({ is: 'unknown' })
  expect((await stores.registry.show({ permission: 'proved' })).attachments.map(({ kind }) => kind)).toStrictEqual(['signed_mandate'])

  expect(await ender.sendProof('proved', [proof, paper(aPng(2, 2))])).toStrictEqual({ is: 'taken', code: '0000000000' })
  expect(sandbox.adict.rights().find(({ id }) => id === right)?.proof).toMatchObject({
    state: 'being_checked',
    files: [{ name: 'preuve-1.pdf', bytes: proof.bytes.byteLength }, { name: 'preuve-2.pdf' }],
  })
  expect(await stores.rights.of('proved')).toMatchObject([{ proof: 'being_checked' }])
  const entries = await stores.entries()
  expect(entries.at(-1)).toMatchObject({ t: 'admin.right', change: 'proof', count: 2, code: '0000000000' })
  expect(entries.filter(({ t, why }) => t === 'admin.intent' && why === 'proof')).toHaveLength(3)
  const kept = (await stores.registry.show({ permission: 'proved' })).attachments.find(({ sha256 }) => sha256 === sha256Of(proof.bytes))
  expect(kept).toMatchObject({ kind: 'ui_capture', bytes: proof.bytes.byteLength })
})

test('the proof comes late and is taken all the same: the permission goes on', async () => {
  const { ref } = (await stores.rights.proofAsked({ permission: 'proved' }))!
  sandbox.adict.askProof(ref, addDays(parisDay(now), -1))
  now = (now + 5_000) as Millis
  await ender.compare(GAS)
  expect(await stores.registry.show({ permission: 'proved' })).toMatchObject({ status: 'suspended', suspendCause: 'proof_overdue' })
  expect(await ender.sendProof('proved', [{ kind: 'ui_capture', mediaType: 'application/pdf', bytes: aPdf('late') }])).toMatchObject({
    is: 'taken',
  })
  expect((await stores.registry.show({ permission: 'proved' })).status).toBe('active')
})

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
