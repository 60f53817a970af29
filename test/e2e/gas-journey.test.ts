/**
 * A right at GRDF, from the filed permission to its end: declared by the gate, its holder asked by mail, and whatever GRDF
 * says afterwards becomes an act with a reason of its own. Against the simulated GRDF, whose mail-box the test opens.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AdictRight, Sandbox } from '../../src/sandbox/sandbox.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer } from '../harness/gate.ts'
import { allHolders, withGasAndSoap } from '../harness/gas-and-soap.ts'
import type { Tree } from '../harness/settings.ts'
import { permissionTree, today } from '../harness/settings.ts'

interface Point {
  readonly pce: string
  readonly postcode: string
  readonly name: string
  readonly kind: 'natural' | 'legal'
}
let sandbox: Sandbox
let gate: TestGate

beforeAll(async () => {
  sandbox = await allHolders()
  gate = await aGate({ holderUrl: sandbox.url, change: withGasAndSoap(sandbox.url) })
})
afterAll(async () => {
  await gate.stop()
  await sandbox.close()
})

const pointOf = (pce: string): Point => {
  const { postcode, holder } = sandbox.adict.points().find((one) => one.pce === pce)!
  return { pce, postcode, name: holder.name, kind: holder.is === 'person' ? 'natural' : 'legal' }
}

/** Files a permission whose right GRDF is to open. */
async function file(id: string, pce: string, change: Tree = {}): Promise<void> {
  const { postcode, name, kind } = pointOf(pce)
  const line = (of: string): Tree => ({
    kind: of,
    direction: 'withdrawal',
    finest: 'P1D',
    purpose: 'self_view',
    from: today(-300),
    until: today(200),
  })
  const tree = permissionTree({
    id,
    meter: `pce:${pce}`,
    holder: { kind, reference: `holder of ${id}`, name },
    lines: [line('daily_energy'), line('published_reading')],
  })
  const declare = { postcode, email: 'titulaire@exemple.invalid', phone: '0600000001', ...change }
  const permission = {
    ...tree,
    valid_from: `${today(-1)}T00:00:00Z`,
    valid_until: `${today(300)}T00:00:00Z`,
    bindings: [{ provider: 'grdf-adict', account: 'grdf-adict', declare }],
  }
  const done = await gate.command<{ ok: boolean; mistakes?: unknown }>('permission import', {
    text: JSON.stringify({ permissions: [permission] }),
    documents: {},
    dryRun: false,
    unverified: true,
  })
  if (!done.ok) throw new Error(JSON.stringify(done.mistakes))
}
interface Shown {
  readonly status: string
  readonly endReason: string | null
  readonly suspendCause: string | null
  readonly void: boolean
  readonly acts: readonly { readonly type: string; readonly details: { readonly reason?: string } | null }[]
  readonly rights: readonly { readonly state: string; readonly proof: string | null; readonly ref?: string; readonly code: string | null }[]
  readonly content: {
    readonly scope: { readonly lines: readonly { readonly kind: string; readonly data: { readonly from: string } }[] }
  } | null
}
const show = (permission: string): Promise<Shown> => gate.command<Shown>('permission show', { permission })
async function until(id: string, holds: (shown: Shown) => boolean): Promise<Shown> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    const shown = await show(id)
    if (holds(shown)) return shown
    await sleep(50)
  }
  throw new Error(`${id} stays ${JSON.stringify(await show(id))}`)
}
const asked = (id: string): Promise<Shown> => until(id, ({ status }) => status === 'awaiting_confirmation')
const compare = (): Promise<{ unknownRights: number; badDay: boolean; unanswered: number }> => gate.command('permission reconcile', {})
const rightOf = (shown: Shown): string => shown.rights[0]?.ref ?? ''
async function active(id: string, pce: string): Promise<string> {
  await file(id, pce)
  const right = rightOf(await asked(id))
  sandbox.adict.accept(right)
  await compare()
  expect((await show(id)).status).toBe('active')
  return right
}
const read = async (pce: string): Promise<Response> => {
  const token = await gate.token()
  return fetch(`${gate.url}/adict/v2/pce/${pce}/donnees_consos_informatives?date_debut=${today(-9)}&date_fin=${today(-4)}`, bearer(token))
}

describe('the mail-box step', () => {
  test('declared, asked for, accepted, read: and not before', async () => {
    const pce = '99000000000002'
    await file('accepted', pce)
    const waiting = await asked('accepted')
    expect(waiting.rights).toMatchObject([{ state: 'pending', code: '0000000002' }])
    const right: AdictRight = sandbox.adict.rights().find(({ id }) => id === rightOf(waiting))!
    expect(right).toMatchObject({ role: 'AUTORISE_CONTRAT_FOURNITURE', families: ['published', 'informative'], dataFrom: today(-300) })
    expect((await read(pce)).headers.get('ecluse-reason')).toBe('not_active')
    await compare()
    expect((await show('accepted')).status).toBe('awaiting_confirmation')
    sandbox.adict.accept(right.id)
    await compare()
    const given = await show('accepted')
    expect(given).toMatchObject({ status: 'active', rights: [{ state: 'open' }] })
    expect(given.acts.map(({ type }) => type)).toStrictEqual(['create', 'request', 'send', 'confirm', 'activate'])
    expect((await read(pce)).status).toBe(200)
    // What GRDF was told of the person is kept nowhere but in the permission itself.
    const intents = (await gate.entries()).filter(({ t }) => t === 'admin.intent')
    expect(intents.map(({ why }) => why)).toContain('opening')
  })
  test('refused by its holder: kept as proof that nothing was taken', async () => {
    await file('refused', '99000000000003')
    sandbox.adict.refuse(rightOf(await asked('refused')))
    await compare()
    expect(await show('refused')).toMatchObject({ status: 'refused', rights: [{ state: 'ended' }] })
  })
  test('what GRDF cannot open ends with its code, and is not asked again', async () => {
    await file('postcode', '99000000000004', { postcode: '99999' })
    const shown = await until('postcode', ({ status }) => status === 'ended')
    expect(shown).toMatchObject({ endReason: 'rejected_by_dso', rights: [{ state: 'ended', code: '1000000005' }] })
    const calls = sandbox.adict.calls().length
    await sleep(1500)
    expect(sandbox.adict.calls()).toHaveLength(calls)
  })
  test('withdrawn while the mail is out: the right is revoked there', async () => {
    await file('changed-mind', '99000000000005')
    const right = rightOf(await asked('changed-mind'))
    await gate.command('permission withdraw', { permission: 'changed-mind', reason: 'said so' })
    await until('changed-mind', ({ rights }) => rights[0]?.state === 'ended')
    expect(sandbox.adict.rights().find(({ id }) => id === right)?.state).toBe('revoked')
  })
})

describe('each end has its own reason', () => {
  test('revoked by its holder at GRDF', async () => {
    sandbox.adict.revoke(await active('revoked', '99000000000006'))
    await compare()
    expect(await show('revoked')).toMatchObject({ status: 'ended', endReason: 'withdrawn_by_subject', rights: [{ state: 'ended' }] })
    expect((await read('99000000000006')).headers.get('ecluse-reason')).toBe('withdrawn')
  })
  test('its holder has moved', async () => {
    await active('moved', '99000000000009')
    sandbox.adict.moveOut('99000000000009')
    await compare()
    expect(await show('moved')).toMatchObject({ status: 'ended', endReason: 'holder_changed' })
  })
  test('GRDF asks for the proof, its deadline passes, it comes after all, and is refused', async () => {
    const right = await active('proof', '10000000000001')
    sandbox.adict.askProof(right, today(5) as never)
    await compare()
    expect(await show('proof')).toMatchObject({ status: 'active', rights: [{ proof: 'awaited' }] })
    sandbox.adict.askProof(right, today(-1) as never)
    await compare()
    expect(await show('proof')).toMatchObject({ status: 'suspended', suspendCause: 'proof_overdue' })
    expect((await read('10000000000001')).headers.get('ecluse-reason')).toBe('proof_overdue')
    sandbox.adict.proof(right, 'ok')
    await compare()
    expect(await show('proof')).toMatchObject({ status: 'active', rights: [{ proof: 'ok' }] })
    sandbox.adict.proof(right, 'ko')
    await compare()
    expect(await show('proof')).toMatchObject({ status: 'ended', void: true, endReason: 'invalidated' })
    await until('proof', ({ rights }) => rights[0]?.state === 'ended')
    expect(sandbox.adict.rights().find(({ id }) => id === right)?.state).toBe('revoked')
  })
  test('a right that nobody here knows is put on record, and a list that is cut changes nothing', async () => {
    sandbox.adict.order({ pce: '99000000000007' })
    expect((await compare()).unknownRights).toBeGreaterThan(0)
    expect((await gate.entries()).findLast(({ t }) => t === 'admin.finding')).toMatchObject({
      what: 'unknown_right',
      dso: 'grdf-adict/grdf-adict',
    })
    const before = await show('accepted')
    sandbox.adict.misbehave({ pce: 'rights', kind: 'cut', times: 1 } as never)
    expect((await compare()).unanswered).toBeGreaterThan(0)
    expect(await show('accepted')).toStrictEqual(before)
  })
})
