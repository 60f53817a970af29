/**
 * A client that orders access services at SGE, looks for them and stops them, through the whole gate against a simulator
 * that checks what it is sent as strictly as the schema; and a client that asks GRDF's list of rights. What was opened for a
 * client ends with its permission, and is nobody else's to see.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replayState } from '../../src/audit.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { allHolders, SGE_BASIC, withGasAndSoap } from '../harness/gas-and-soap.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'
import { fixture, PATHS } from '../unit/enedis-sge/given.ts'

const METER = '99999000000017'
const SECOND = '99999000000025'
const HALL = '99999000000033'
const CAMILLE = { kind: 'natural', reference: 'camille', name: 'EXEMPLE Camille' } as const
let sandbox: Sandbox
let gate: TestGate
let token: string

beforeAll(async () => {
  sandbox = await allHolders()
  const both = withGasAndSoap(sandbox.url)
  gate = await aGate({
    holderUrl: sandbox.url,
    change(tree) {
      both(tree)
      ;((tree['providers'] as Tree)['enedis-sge'] as Tree)['legacy'] = true
      tree['rules'] = [{ id: 'all', purpose: '*', kind: '*', provider: '*', orders: 'narrow', degrade: true }]
    },
  })
  const line = (kind: string, finest: string): Tree => ({
    kind,
    direction: 'withdrawal',
    finest,
    purpose: 'self_view',
    from: today(-100),
    until: today(300),
  })
  const lines = [line('load_curve', 'PT30M'), line('daily_energy', 'P1D'), line('index', 'P1D')]
  const about: Tree = { kind: 'technical_data', direction: 'n_a', finest: 'TOTAL', purpose: 'self_view' }
  const until = { validUntil: `${today(200)}T00:00:00Z` }
  await gate.permit(
    { id: 'house', meter: METER, provider: 'enedis-sge', holder: CAMILLE, lines, ...until },
    { id: 'panels', meter: SECOND, provider: 'enedis-sge', holder: { kind: 'natural', reference: 'nameless' }, lines, ...until },
    {
      id: 'hall',
      meter: HALL,
      provider: 'enedis-sge',
      holder: { kind: 'legal', reference: 'hall', name: 'COMMUNE DE VILLE-EXEMPLE' },
      lines: [...lines, about],
      ...until,
    },
  )
  token = await gate.token()
})
afterAll(async () => {
  await gate.stop()
  await sandbox.close()
})

const post = (path: string, body: string, by = token): Promise<Response> =>
  fetch(`${gate.url}${path}`, {
    method: 'POST',
    headers: { ...bearer(by).headers, 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""' },
    body,
  })
const order = (types: readonly string[], end?: string, meter = METER): string =>
  fixture('sad-v1-request')
    .replace(METER, meter)
    .replace(/<dateFin>.*<\/dateFin>/, end === undefined ? '' : `<dateFin>${end}</dateFin>`)
    .replace(
      /<servicesSouscrits>[\s\S]*<\/servicesSouscrits>/,
      `<servicesSouscrits>${types.map((t) => `<serviceSouscrit><typeDonnees>${t}</typeDonnees></serviceSouscrit>`).join('')}</servicesSouscrits>`,
    )
const idsIn = (text: string): readonly string[] => [...text.matchAll(/<serviceSouscritId>(\d+)</g)].map(([, id]) => id ?? '')
const at = (ids: readonly string[]) => sandbox.sge.services().filter(({ serviceSouscritId }) => ids.includes(serviceSouscritId))
const search = (meter = METER, by = token): Promise<Response> => post(PATHS['rsa-v1'], fixture('rsa-v1-request').replace(METER, meter), by)
const stop = (ids: readonly string[], meter = METER, by = token): Promise<Response> =>
  post(
    PATHS['asad-v1'],
    fixture('asad-v1-request')
      .replace(METER, meter)
      .replace(
        /<servicesSouscrits>[\s\S]*<\/servicesSouscrits>/,
        `<servicesSouscrits>${ids.map((id) => `<serviceSouscritId>${id}</serviceSouscritId>`).join('')}</servicesSouscrits>`,
      ),
    by,
  )
const rightsOf = async (
  permission: string,
): Promise<readonly { readonly state: string; readonly ref?: string; readonly code: string | null }[]> =>
  (await gate.command<{ rights: readonly { state: string; ref?: string; code: string | null }[] }>('permission show', { permission }))
    .rights

describe('an order', () => {
  test('opens what the permission covers, in the name of its holder, until its end', async () => {
    const answer = await post(PATHS['sad-v1'], order(['CDC', 'ENERGIE'], today(1000)))
    const text = await answer.text()
    expect([answer.status, answer.headers.get('ecluse-narrowed')]).toStrictEqual([200, `${today(0)}/${today(200)}`])
    const ids = idsIn(text)
    expect(at(ids)).toMatchObject([
      { pointId: METER, typeDonnees: 'CDC', dateFin: today(200), refExterne: 'house', personne: 'EXEMPLE Camille', etatCode: 'ACTIF' },
      { pointId: METER, typeDonnees: 'ENERGIE', dateFin: today(200), options: [] },
    ])
    // On record with the outcome: nothing that is open there is unknown here.
    expect((await rightsOf('house')).map(({ state, ref }) => [state, ref])).toStrictEqual(ids.map((id) => ['open', id]))
    const entries = await gate.entries()
    const intent = entries.findLast(({ t }) => t === 'access.intent')
    expect(intent).toMatchObject({
      kind: 'load_curve',
      order: { kinds: ['load_curve', 'daily_energy'], openEnded: false },
      sent: `${today(0)}/${today(200)}`,
    })
    expect(answer.headers.get('audit-entry')).toMatch(/\/\d+$/)
    expect(entries.findLast(({ t }) => t === 'access.outcome')).toMatchObject({ result: 'delivered', readings: 2 })
  })
  test('the same again is Enedis’s to refuse; nothing of it is on record as open', async () => {
    const answer = await post(PATHS['sad-v1'], order(['CDC'], today(100)))
    expect([answer.status, await answer.text()]).toStrictEqual([500, expect.stringContaining('code="SGT570"')])
    expect(await rightsOf('house')).toHaveLength(2)
  })
  test.each([
    ['a kind that it lacks', order(['PMAX'], today(100), HALL), 'kind_not_covered'],
    ['a kind that it lacks beside one that it has', order(['IDX', 'PMAX'], today(100), HALL), 'kind_not_covered'],
    ['the other direction', order(['IDX'], today(100), HALL).replace('SOUTIRAGE', 'INJECTION'), 'direction_not_covered'],
    ['a meter of nobody here', order(['IDX'], today(100), '99999000000041'), 'no_permission'],
    ['a holder whose name nobody knows', order(['IDX'], today(100), SECOND), 'evidence_missing'],
  ])('of %s is refused, and Enedis hears nothing', async (_what, body, reason) => {
    const before = sandbox.sge.calls().length
    const answer = await post(PATHS['sad-v1'], body)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, reason])
    expect(sandbox.sge.calls()).toHaveLength(before)
  })
  test('of one service, without an end', async () => {
    const body = fixture('cadm-v1-request')
      .replace(/<dateFin>.*<\/dateFin>/, '')
      .replace('2026-03-10', today(0))
    const answer = await post(PATHS['cadm-v1'], body)
    const ids = idsIn(await answer.text())
    expect([answer.status, answer.headers.get('ecluse-narrowed')]).toStrictEqual([200, null])
    expect(at(ids)).toMatchObject([{ pointId: HALL, typeDonnees: 'IDX', dateFin: today(200), personne: 'COMMUNE DE VILLE-EXEMPLE' }])
  })
  test('while Enedis is down is refused for now, and nothing is on record as open', async () => {
    sandbox.sge.down(true)
    const answer = await post(PATHS['sad-v1'], order(['CDC'], today(100), HALL))
    sandbox.sge.down(false)
    expect([answer.status, answer.headers.get('ecluse-reason'), answer.headers.get('retry-after')]).toStrictEqual([
      500,
      'holder_down',
      '30',
    ])
    expect(await rightsOf('hall')).toHaveLength(1)
  })
})

test('a question about a point and its contract is answered without the contract that nobody granted', async () => {
  const answer = await post(PATHS['cdtc-v1'], fixture('cdtc-v1-request').replace(METER, HALL))
  const text = await answer.text()
  expect([answer.status, answer.headers.get('ecluse-narrowed')]).toStrictEqual([200, 'technical_data'])
  expect(text).toContain('<niveauOuvertureServices>')
  expect(text).not.toContain('situationContractuelle')
})

describe('a search', () => {
  test('tells of the caller’s own services, and of none that others have on the same meter', async () => {
    // The meter has a service of another third party, and one that the operator opened by itself.
    const own = (await rightsOf('house')).map(({ ref }) => ref)
    await fetch(`${sandbox.url}${PATHS['sad-v1']}`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/xml', Authorization: SGE_BASIC },
      body: order(['PMAX'], today(50)),
    })
    expect(sandbox.sge.services().filter(({ pointId, etatCode }) => pointId === METER && etatCode === 'ACTIF').length).toBeGreaterThan(
      own.length,
    )
    const answer = await search()
    const text = await answer.text()
    expect([answer.status, idsIn(text)]).toStrictEqual([200, own])
    expect(text).toContain('<mesuresTypeCode>CDC</mesuresTypeCode>')
    expect(text).not.toMatch(/contrat|1234567|operateur\.sge/)
    expect((await gate.entries()).findLast(({ t }) => t === 'admin.intent')).toMatchObject({ why: 'search' })
  })
  test('of a meter on which nothing is open has none', async () => {
    const before = sandbox.sge.calls().length
    const answer = await search(SECOND)
    expect([answer.status, idsIn(await answer.text())]).toStrictEqual([200, []])
    expect(sandbox.sge.calls()).toHaveLength(before)
  })
  test('of a meter of others is refused as one that nobody has', async () => {
    for (const meter of ['99999000000041', '99999000000058']) {
      const answer = await search(meter)
      expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, 'no_permission'])
    }
    const other = await search(METER, await gate.token('office'))
    expect(other.headers.get('ecluse-reason')).toBe('no_permission')
  })
  test('to which Enedis has no word is refused for now', async () => {
    sandbox.sge.down(true)
    const answer = await search()
    sandbox.sge.down(false)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, 'holder_down'])
  })
})

describe('a stop', () => {
  test('of somebody else’s service is refused as of one that is not there, and stops nothing', async () => {
    const foreign = sandbox.sge
      .services()
      .find(({ pointId, refExterne, etatCode }) => pointId === METER && refExterne !== 'house' && etatCode === 'ACTIF')!
    const own = (await rightsOf('house'))[0]?.ref ?? ''
    for (const ids of [[foreign.serviceSouscritId], [own, foreign.serviceSouscritId], ['1'], [own, own]]) {
      const answer = await stop(ids)
      expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, 'no_permission'])
    }
    const other = await stop([own], METER, await gate.token('office'))
    expect(other.headers.get('ecluse-reason')).toBe('no_permission')
    expect((await rightsOf('house')).every(({ state }) => state === 'open')).toBe(true)
  })
  test('is told once Enedis has acknowledged it, and is on record under the client’s name', async () => {
    const [first] = await rightsOf('house')
    const answer = await stop([first?.ref ?? ''])
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(text).toMatch(new RegExp(`<affaireId>[0-9A-Z]{8}</affaireId><serviceSouscritId>${first?.ref}<`))
    expect(at([first?.ref ?? ''])).toMatchObject([{ etatCode: 'RESILIE' }])
    const entries = await gate.entries()
    expect(entries.find(({ t, change }) => t === 'admin.right' && change === 'stopping')).toMatchObject({ client: 'viriya', count: 1 })
    expect(answer.headers.get('audit-entry')).toMatch(/\/\d+$/)
    expect(idsIn(await (await search()).text())).not.toContain(first?.ref)
  })
  test('of old, of one service', async () => {
    const [one] = await rightsOf('hall')
    const answer = await post(
      PATHS['cassm-v1'],
      fixture('cassm-v1-request')
        .replace(METER, HALL)
        .replace('70010042', one?.ref ?? ''),
    )
    expect([answer.status, await answer.text()]).toStrictEqual([200, expect.stringMatching(/<affaireId>[0-9A-Z]{8}</)])
  })
  test('that Enedis does not acknowledge is asked on, and said to be', async () => {
    const ids = idsIn(await (await post(PATHS['sad-v1'], order(['IDX'], today(100), HALL))).text())
    sandbox.sge.down(true)
    const answer = await stop(ids, HALL)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, 'holder_down'])
    expect((await rightsOf('hall')).find(({ ref }) => ref === ids[0])).toMatchObject({ state: 'ending' })
    sandbox.sge.down(false)
    for (let waited = 0; at(ids)[0]?.etatCode === 'ACTIF' && waited < 30_000; waited += 200) await sleep(200)
    expect(at(ids)).toMatchObject([{ etatCode: 'RESILIE' }])
  }, 45_000)
})

test('a withdrawal ends what a client had ordered', async () => {
  const [open] = (await rightsOf('house')).filter(({ state }) => state === 'open')
  await gate.command('permission withdraw', { permission: 'house', reason: 'test' })
  for (let waited = 0; at([open?.ref ?? ''])[0]?.etatCode === 'ACTIF' && waited < 10_000; waited += 100) await sleep(100)
  expect(at([open?.ref ?? ''])).toMatchObject([{ etatCode: 'RESILIE' }])
  expect((await post(PATHS['sad-v1'], order(['CDC'], today(100)))).headers.get('ecluse-reason')).toBe('withdrawn')
})

test('every decision about an order is made again from the evidence', async () => {
  const replayed = await replayState(gate.command, { all: true }, 'x')
  expect(replayed).toMatchObject({ ok: true, different: [] })
  expect(replayed.same).toBeGreaterThan(8)
})

describe('GRDF’s list of rights', () => {
  test('has the client’s own, as the register has them, and asks GRDF nothing', async () => {
    const [mine, theirs] = ['99000000000001', '99000000000003'].map((pce) => ({ pce, id: sandbox.adict.order({ pce }).id }))
    const lines = [
      { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose: 'self_view', from: today(-60), until: today(60) },
    ]
    await gate.permit({ id: 'gas', meter: `pce:${mine!.pce}`, provider: 'grdf-adict', rights: [mine!.id], lines })
    await gate.permit({
      id: 'gas-office',
      client: 'office',
      meter: `pce:${theirs!.pce}`,
      provider: 'grdf-adict',
      rights: [theirs!.id],
      lines: lines.map((line) => ({ ...line, purpose: 'solar_sizing' })),
    })
    const before = sandbox.adict.calls().length
    const rows = async (answer: Response): Promise<readonly Record<string, unknown>[]> =>
      (await answer.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    const all = await rows(await fetch(`${gate.url}/adict/v2/droits_acces`, bearer(token)))
    expect(all).toMatchObject([
      { id_droit_acces: mine!.id, id_pce: mine!.pce, etat_droit_acces: 'Active', perim_donnees_informatives: 'Vrai' },
      { code_statut_traitement: '0000000000' },
    ])
    const filtered = await fetch(`${gate.url}/adict/v2/droits_acces`, {
      method: 'POST',
      headers: { ...bearer(token).headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ id_pce: [theirs!.pce] }),
    })
    expect(await rows(filtered)).toHaveLength(1)
    expect((await fetch(`${gate.url}/adict/v2/droits_acces`)).status).toBe(401)
    expect(sandbox.adict.calls()).toHaveLength(before)
  })
})
