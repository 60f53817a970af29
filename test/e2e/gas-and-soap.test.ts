/**
 * One permission model, two more data holders: gas (GRDF ADICT) and electricity by SOAP (Enedis SGE), each allowed,
 * narrowed and refused through the whole gate, against the simulators that check what they are sent; and what the gate
 * says of it in its evidence.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer } from '../harness/gate.ts'
import { allHolders, LOGIN, SGE_BASIC, withGasAndSoap } from '../harness/gas-and-soap.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'
import { fixture } from '../unit/enedis-sge/given.ts'

const HOUSE = '99000000000001'
const METER = '99999000000017'
/** Read over Data Connect. */
const CONNECT = '10000000000001'

let sandbox: Sandbox
let gate: TestGate
let token: string

beforeAll(async () => {
  sandbox = await allHolders()
  gate = await aGate({ holderUrl: sandbox.url, change: withGasAndSoap(sandbox.url) })
  const lines = (entries: readonly (readonly [kind: string, finest: string, from: string | null, direction?: string])[]): Tree[] =>
    entries.map(([kind, finest, from, direction = 'withdrawal']) => ({
      kind,
      direction: from === null ? 'n_a' : direction,
      finest,
      purpose: 'self_view',
      ...(from !== null && { from, until: today(30) }),
    }))
  await gate.permit(
    {
      id: 'gas',
      meter: `pce:${HOUSE}`,
      provider: 'grdf-adict',
      lines: lines([
        ['published_reading', 'P1D', today(-200)],
        ['daily_energy', 'P1D', today(-60)],
        ['technical_data', 'TOTAL', null],
      ]),
    },
    {
      id: 'soap',
      meter: METER,
      provider: 'enedis-sge',
      lines: lines([
        ['load_curve', 'PT30M', today(-20)],
        ['daily_energy', 'P1D', today(-20)],
        ['published_reading', 'P1D', today(-300)],
        ['technical_data', 'TOTAL', null],
      ]),
    },
    { id: 'connect', meter: CONNECT, lines: lines([['load_curve', 'PT30M', today(-20)]]) },
  )
  token = await gate.token()
})
afterAll(async () => {
  await gate.stop()
  await sandbox.close()
})

const gas = (path: string, query = ''): Promise<Response> => fetch(`${gate.url}/adict/v2/pce/${path}${query}`, bearer(token))
const linesOf = async (response: Response): Promise<Record<string, Record<string, unknown>>[]> =>
  (await response.text())
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>)

describe('gas', () => {
  test('days that are granted come, line by line', async () => {
    const answer = await gas(`${HOUSE}/donnees_consos_informatives`, `?date_debut=${today(-20)}&date_fin=${today(-10)}`)
    expect([answer.status, answer.headers.get('content-type')]).toStrictEqual([200, 'application/x-ndjson'])
    const lines = await linesOf(answer)
    expect(lines.map((line) => line['consommation']?.['journee_gaziere'])).toStrictEqual(
      Array.from({ length: 10 }, (_, i) => today(-20 + i)),
    )
    expect(answer.headers.get('ecluse-narrowed')).toBeNull()
  })
  test('days of which some are granted are narrowed, and GRDF is asked for no more', async () => {
    const answer = await gas(`${HOUSE}/donnees_consos_informatives`, `?date_debut=${today(-70)}&date_fin=${today(-55)}`)
    expect(answer.headers.get('ecluse-narrowed')).toBe(`${today(-60)}/${today(-55)}`)
    const lines = await linesOf(answer)
    expect(lines[0]?.['consommation']?.['journee_gaziere']).toBe(today(-60))
    expect(sandbox.adict.calls().at(-1)).toMatchObject({ from: today(-60), until: today(-55) })
  })
  test('billing periods: whole ones inside the grant', async () => {
    const answer = await gas(`${HOUSE}/donnees_consos_publiees`, `?date_debut=${today(-200)}&date_fin=${today(-1)}`)
    const lines = await linesOf(answer)
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(String(line['consommation']?.['date_debut_consommation']).slice(0, 10) >= today(-200)).toBe(true)
  })
  test('technical data without the address, which is a kind of its own', async () => {
    const answer = await gas(`${HOUSE}/donnees_techniques`)
    expect(answer.status).toBe(200)
    const text = await answer.text()
    expect(text).toContain('frequence')
    expect(text).not.toMatch(/RUE DU PORT|FICTIVILLE|00110/)
  })
  test.each([
    ['another family', `${HOUSE}/donnees_contractuelles`, '', 403, 'kind_not_covered'],
    [
      'days before the grant',
      `${HOUSE}/donnees_consos_informatives`,
      `?date_debut=${today(-90)}&date_fin=${today(-80)}`,
      403,
      'period_outside',
    ],
    [
      'another point',
      '99000000000002/donnees_consos_informatives',
      `?date_debut=${today(-20)}&date_fin=${today(-10)}`,
      403,
      'no_permission',
    ],
    [
      'an electricity meter',
      `${METER}/donnees_consos_informatives`,
      `?date_debut=${today(-20)}&date_fin=${today(-10)}`,
      403,
      'no_permission',
    ],
    ['a point that is none', '123/donnees_techniques', '', 400, 'malformed'],
    ['a list of rights of one point', `${HOUSE}/droits_acces`, '', 404, 'unknown_route'],
  ])('%s is refused in GRDF’s shape', async (_what, path, query, status, reason) => {
    const before = sandbox.adict.calls().length
    const answer = await gas(path, query)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([status, reason])
    expect((await linesOf(answer))[0]?.['statut_restitution']?.['code']).toMatch(/^\d{7}$/)
    expect(sandbox.adict.calls()).toHaveLength(before)
  })
  test('a refusal of GRDF’s comes with status 200, and is told as what it is', async () => {
    sandbox.adict.misbehave({ pce: HOUSE, kind: 'status', status: 503, times: 1 })
    const down = await gas(`${HOUSE}/donnees_consos_informatives`, `?date_debut=${today(-20)}&date_fin=${today(-10)}`)
    expect([down.status, down.headers.get('ecluse-reason')]).toStrictEqual([503, 'holder_down'])
    const right = sandbox.adict.rights().find(({ pce, state }) => pce === HOUSE && state === 'active')!
    sandbox.adict.revoke(right.id)
    const refused = await gas(`${HOUSE}/donnees_consos_informatives`, `?date_debut=${today(-20)}&date_fin=${today(-10)}`)
    expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([503, 'holder_refused'])
    const outcome = (await gate.entries()).findLast(({ t }) => t === 'access.outcome')
    expect(outcome).toMatchObject({ result: 'dso_refused', code: '1000014' })
    sandbox.adict.order({ pce: HOUSE })
  })
})

const envelope = (name: string, ...changes: readonly (readonly [string, string])[]): string =>
  changes.reduce((text, [from, to]) => text.replaceAll(from, to), fixture(name))
const soap = (path: string, body: string, headers: Record<string, string> = bearer(token).headers, prefix = ''): Promise<Response> =>
  fetch(`${gate.url}${prefix}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '""', ...headers },
    body,
  })
const CMD = '/ConsultationMesuresDetaillees/v3.0'
const curve = (from: number, until: number): string =>
  envelope('cmd-v3-request-courbe', ['2026-03-02', today(from)], ['2026-03-09', today(until)], [LOGIN, 'integrateur@ailleurs.example'])

describe('SOAP', () => {
  test('a curve that is granted: declared to Enedis from the permission, under the operator’s own login', async () => {
    const answer = await soap(CMD, curve(-10, -5))
    expect([answer.status, answer.headers.get('content-type')]).toStrictEqual([200, 'text/xml; charset=utf-8'])
    const text = await answer.text()
    expect(text.match(/<points>/g)).toHaveLength(5 * 48)
    expect(text).not.toContain('integrateur')
    expect(sandbox.sge.calls().at(-1)).toMatchObject({
      login: LOGIN,
      pointId: METER,
      consent: { element: 'cadreAcces', value: 'ACCORD_CLIENT' },
    })
    expect(answer.headers.get('audit-entry')).toMatch(/\/\d+$/)
  })
  test('two weeks are two calls and one answer', async () => {
    const before = sandbox.sge.calls().length
    const text = await (await soap(CMD, curve(-18, -4))).text()
    expect(sandbox.sge.calls()).toHaveLength(before + 2)
    expect(text.match(/<points>/g)).toHaveLength(14 * 48)
    expect(text.match(/<grandeur>/g)).toHaveLength(1)
  })
  test('days of which some are granted are narrowed', async () => {
    const answer = await soap(CMD, curve(-25, -18))
    expect(answer.headers.get('ecluse-narrowed')).toBe(`${today(-20)}/${today(-18)}`)
    expect((await answer.text()).match(/<points>/g)).toHaveLength(2 * 48)
  })
  test('billing periods, of which the caller can name no days', async () => {
    const answer = await soap('/ConsultationMesures/v1.1', envelope('cm-v11-request', ['2026-03-02', today(-5)]))
    expect(answer.status).toBe(200)
    const text = await answer.text()
    expect(text.match(/<mesure>/g)!.length).toBeGreaterThan(3)
    for (const [, from] of text.matchAll(/<dateDebut>([^<]*)</g)) expect(from! >= today(-300)).toBe(true)
    expect(text).not.toContain(LOGIN)
  })
  test('what is known of the point, without what the permission does not open', async () => {
    const answer = await soap('/ConsultationDonneesTechniquesContractuelles/v1.0', envelope('cdtc-v1-request', ['>true<', '>false<']))
    expect(answer.status).toBe(200)
    expect(await answer.text()).not.toMatch(/situationContractuelle|RUE DU MOULIN|parametresTeleAcces|matricule/)
    const more = await soap('/ConsultationDonneesTechniquesContractuelles/v1.0', envelope('cdtc-v1-request'))
    expect([more.status, more.headers.get('ecluse-reason')]).toStrictEqual([500, 'kind_not_covered'])
  })
  test.each([
    ['another meter', curve(-10, -5).replace(METER, '99999000000025'), 'no_permission', 'ECL403'],
    ['days before the grant', curve(-40, -35), 'period_outside', 'ECL403'],
    ['another kind', curve(-10, -5).replace('COURBE', 'INDEX').replace('>PA<', '>EA<'), 'kind_not_covered', 'ECL403'],
    ['another direction', curve(-10, -5).replace('SOUTIRAGE', 'INJECTION'), 'direction_not_covered', 'ECL403'],
    ['what is malformed', curve(-10, -5).replace('<sens>', '<x/><sens>'), 'malformed', 'ECL400'],
    ['a document type', curve(-10, -5).replace('?>', '?><!DOCTYPE x>'), 'malformed', 'ECL400'],
  ])('%s is refused by a fault in Enedis’s shape', async (_what, body, reason, code) => {
    const before = sandbox.sge.calls().length
    const answer = await soap(CMD, body)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([500, reason])
    expect(await answer.text()).toContain(`<resultat code="${code}">`)
    expect(sandbox.sge.calls()).toHaveLength(before)
  })
  test('a fault of Enedis’s passes with its code, without its login', async () => {
    sandbox.sge.misbehave({ kind: 'fault', code: 'SGT4L8', times: 1 })
    const answer = await soap(CMD, curve(-10, -5))
    const text = await answer.text()
    expect([answer.status, answer.headers.get('ecluse-reason'), answer.headers.get('ecluse-refused-by')]).toStrictEqual([
      500,
      'period_refused',
      'holder',
    ])
    expect(text).toContain('<resultat code="SGT4L8">')
    expect(text).not.toContain(LOGIN)
  })
  test.each(['other_meter', 'doctype', 'entity', 'comment', 'cdata', 'instruction', 'two_answers', 'other_operation'] as const)(
    'an answer with %s is cut, or told as a fault of the holder’s: no reading of it comes',
    async (kind) => {
      sandbox.sge.misbehave({ kind, times: 1 })
      const text = await soap(CMD, curve(-10, -5))
        .then(
          (answer) => answer.text(),
          () => 'cut',
        )
        .catch(() => 'cut')
      expect(text).not.toMatch(/99999000000025|DOCTYPE|CDATA/)
      expect(text === 'cut' || text.includes('ECL503')).toBe(true)
    },
  )
  test.each(['names', 'unknown_elements', 'other_days', 'other_family'] as const)(
    'of an answer with %s nothing comes that was not granted',
    async (kind) => {
      sandbox.sge.misbehave({ kind, times: 1 })
      const text = await (await soap(CMD, curve(-10, -5))).text()
      for (const [, stamp] of text.matchAll(/<d>([^<]*)</g)) expect(stamp! > today(-10) && stamp! <= `${today(-5)} 00:00:00`).toBe(true)
      expect(text).not.toMatch(/EXEMPLE|MOULIN|Camille|<unite>Wh/)
    },
  )
})

describe('by what a caller proves who it is', () => {
  test('HTTP Basic: the gate holds a token for it, one for many calls', async () => {
    const { secret } = await gate.command<{ secret: string }>('client add', { client: 'viriya' })
    const basic = (word: string): Record<string, string> => ({ Authorization: `Basic ${Buffer.from(`viriya:${word}`).toString('base64')}` })
    for (let i = 0; i < 3; i += 1) expect((await soap(CMD, curve(-10, -9), basic(secret))).status).toBe(200)
    const tokens = await gate.command<readonly { client: string }[]>('token list', { client: 'viriya' })
    expect(tokens).toHaveLength(2)
    const wrong = await soap(CMD, curve(-10, -9), basic('wrong'))
    expect([wrong.status, wrong.headers.get('ecluse-reason'), wrong.headers.get('www-authenticate')]).toStrictEqual([
      500,
      'token_invalid',
      'Basic realm="ecluse", charset="UTF-8"',
    ])
  })
  test('a token before the path, and never beside another credential', async () => {
    expect((await soap(CMD, curve(-10, -9), {}, `/with-token/${token}`)).status).toBe(200)
    const both = await soap(CMD, curve(-10, -9), bearer(token).headers, `/with-token/${token}`)
    expect(both.headers.get('ecluse-reason')).toBe('token_invalid')
    const wrong = await soap(CMD, curve(-10, -9), {}, `/with-token/${'x'.repeat(43)}`)
    expect(wrong.headers.get('ecluse-reason')).toBe('token_invalid')
    expect(gate.log.join('')).not.toContain(token)
  })
  test('a client whose settings do not name the way is a stranger by it', async () => {
    const other = await gate.token('domoticz')
    expect((await soap(CMD, curve(-10, -9), {}, `/with-token/${other}`)).headers.get('ecluse-reason')).toBe('token_invalid')
    expect((await soap(CMD, curve(-10, -9), bearer(other).headers)).headers.get('ecluse-reason')).toBe('no_permission')
  })
})

describe('one view for all: a client that reads three data holders with the same code', () => {
  interface SenmlRecord {
    readonly bn?: string
    readonly n: string
    readonly u: string
    readonly t: number
    readonly v: number
    readonly duration: number
    readonly holder: string
  }
  const view = (): Record<string, string> => ({ ...bearer(token).headers, Accept: 'application/senml+json' })
  const read = async (answer: Response): Promise<readonly SenmlRecord[]> => {
    expect([answer.status, answer.headers.get('content-type')]).toStrictEqual([200, 'application/senml+json'])
    expect(answer.headers.get('audit-entry')).toMatch(/\/\d+$/)
    return (await answer.json()) as SenmlRecord[]
  }
  const midnight = (at: string): number =>
    Temporal.PlainDate.from(at).toZonedDateTime({ timeZone: 'Europe/Paris' }).epochMilliseconds / 1000

  test('each from its own start, without a gap, in SI units', async () => {
    const connect = `/metering_data_clc/v5/consumption_load_curve?usage_point_id=${CONNECT}&start=${today(-10)}&end=${today(-5)}`
    const days = `?date_debut=${today(-10)}&date_fin=${today(-5)}`
    const all = [
      await read(await fetch(`${gate.url}${connect}`, { headers: view() })),
      await read(await soap(CMD, curve(-10, -5), view())),
      await read(await fetch(`${gate.url}/adict/v2/pce/${HOUSE}/donnees_consos_informatives${days}`, { headers: view() })),
    ]
    const energy = all.map((records) => records.filter(({ u }) => u === 'W' || u === 'J'))
    expect(energy.map((records) => [records[0]?.holder, records[0]?.u, records.length, records[0]?.t])).toStrictEqual([
      ['enedis-data-connect', 'W', 5 * 48, midnight(today(-10))],
      ['enedis-sge', 'W', 5 * 48, midnight(today(-10))],
      ['grdf-adict', 'J', 5, midnight(today(-10)) + 6 * 3600],
    ])
    for (const records of energy) {
      for (const [i, { t, duration }] of records.slice(0, -1).entries()) expect(t + duration).toBe(records[i + 1]?.t)
    }
  })
  test('is narrowed as the data holder’s own form is, over several calls', async () => {
    const answer = await soap(CMD, curve(-25, -4), view())
    expect(answer.headers.get('ecluse-narrowed')).toBe(`${today(-20)}/${today(-4)}`)
    const records = await read(answer)
    expect([records.length, records.filter(({ bn }) => bn !== undefined).length]).toStrictEqual([16 * 48, 1])
  })
  test('of what is no measure there is none, and nobody is asked', async () => {
    const before = [sandbox.adict.calls().length, sandbox.sge.calls().length]
    const technical = await fetch(`${gate.url}/adict/v2/pce/${HOUSE}/donnees_techniques`, { headers: view() })
    expect([technical.status, technical.headers.get('ecluse-reason')]).toStrictEqual([404, 'not_translatable'])
    const point = await soap('/ConsultationDonneesTechniquesContractuelles/v1.0', envelope('cdtc-v1-request'), view())
    expect([point.status, point.headers.get('ecluse-reason')]).toStrictEqual([500, 'not_translatable'])
    expect([sandbox.adict.calls().length, sandbox.sge.calls().length]).toStrictEqual(before)
  })
})

test('withdrawn, neither is read again, and what the data holders had opened has ended there', async () => {
  const right = sandbox.adict.order({ pce: '99000000000002' }).id
  // Ordered by the gate, with the person's name.
  const line = (kind: string, finest: string): Tree => ({
    kind,
    direction: 'withdrawal',
    finest,
    purpose: 'self_view',
    from: today(-9),
    until: today(9),
  })
  await gate.permit({
    id: 'ordered',
    meter: '99999000000033',
    provider: 'enedis-sge',
    order: true,
    holder: { kind: 'legal', reference: 'town', name: 'COMMUNE DE VILLE-EXEMPLE' },
    lines: [line('load_curve', 'PT30M'), line('daily_energy', 'P1D')],
  })
  const ofOrder = async (): Promise<readonly { state: string; ref?: string }[]> =>
    (await gate.command<{ rights: readonly { state: string; ref?: string }[] }>('permission show', { permission: 'ordered' })).rights
  for (let waited = 0; (await ofOrder()).some(({ state }) => state === 'wanted') && waited < 10_000; waited += 100) await sleep(100)
  expect(await ofOrder()).toMatchObject([{ state: 'open' }, { state: 'open' }])
  expect(sandbox.sge.services().filter(({ refExterne }) => refExterne === 'ordered')).toMatchObject([
    { typeDonnees: 'CDC', personne: 'COMMUNE DE VILLE-EXEMPLE', etatCode: 'ACTIF' },
    { typeDonnees: 'ENERGIE', etatCode: 'ACTIF' },
  ])
  const order = fixture('sad-v1-request').replace('2027-06-30', today(300)).replaceAll(METER, '99999000000025')
  const ordered = await fetch(`${sandbox.url}/CommandeServicesAccesDonnees/v1.0`, {
    method: 'POST',
    headers: {
      'Content-Type': 'text/xml',
      Authorization: SGE_BASIC,
    },
    body: order,
  })
  const services = [...(await ordered.text()).matchAll(/<serviceSouscritId>(\d+)</g)].map(([, id]) => id ?? '')
  expect(services).toHaveLength(2)
  await gate.permit(
    { id: 'gas-right', meter: 'pce:99000000000002', provider: 'grdf-adict', rights: [right], lines: [line('daily_energy', 'P1D')] },
    { id: 'services', meter: '99999000000025', provider: 'enedis-sge', rights: services, lines: [line('load_curve', 'PT30M')] },
  )
  for (const permission of ['gas', 'soap', 'gas-right', 'services', 'ordered'])
    await gate.command('permission withdraw', { permission, reason: 'test' })
  const still = (): number =>
    sandbox.sge.services().filter(({ serviceSouscritId, etatCode }) => services.includes(serviceSouscritId) && etatCode === 'ACTIF')
      .length + sandbox.adict.rights().filter(({ id, state }) => id === right && state === 'active').length
  const acknowledged = async (): Promise<number> => (await gate.entries()).filter(({ t }) => t === 'admin.right').length
  for (let waited = 0; (await acknowledged()) < 5 && waited < 10_000; waited += 100) await sleep(100)
  expect([await acknowledged(), still()]).toStrictEqual([5, 0])
  const shown = await gate.command<{ rights: readonly object[] }>('permission show', { permission: 'services' })
  expect(shown.rights).toMatchObject([{ state: 'ended' }, { state: 'ended' }])
  const answer = await gas(`${HOUSE}/donnees_consos_informatives`, `?date_debut=${today(-20)}&date_fin=${today(-10)}`)
  expect([answer.status, (await linesOf(answer))[0]?.['statut_restitution']?.['code']]).toStrictEqual([403, '1000014'])
  const refused = await soap(CMD, curve(-10, -5))
  expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([500, 'withdrawn'])
})
