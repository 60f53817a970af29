/** What the simulated GRDF gives of a point, to whom, how often, and what it does wrong when it is told to. */
import { describe, expect, test } from 'vitest'
import type { DataCode } from '../../../src/sandbox/adict-codes.ts'
import { DATA_CODES } from '../../../src/sandbox/adict-codes.ts'
import { ADICT_WRONGS } from '../../../src/sandbox/adict-misbehave.ts'
import type { QueryError } from '../../../src/sandbox/adict-query.ts'
import { QUERY_ERRORS } from '../../../src/sandbox/adict-query.ts'
import type { AdictMisbehaviourInput } from '../../../src/sandbox/sandbox.ts'
import type { Heard, ThirdParty } from './adict-given.ts'
import {
  aThirdParty,
  BIOGAS,
  BOILER_PCE,
  data,
  days,
  HALF_YEARLY,
  HOUSE_PCE,
  HOUSE_RIGHT,
  KINDS,
  MONTHLY,
  NEW,
  PATCHY,
} from './adict-given.ts'

const WEEK = days('2026-11-02', '2026-11-09')
const said = ({ status, lines }: Heard): readonly unknown[] => [status, lines[0]?.statut_restitution?.code]
const coded = (code: DataCode): readonly unknown[] => [DATA_CODES[code].status, DATA_CODES[code].code]
const gasDays = ({ lines }: Heard): readonly unknown[] => lines.map(({ consommation }) => consommation?.journee_gaziere as unknown)

describe('what is given', () => {
  test('each gas day from six to six', async () => {
    const { get } = await aThirdParty()
    const answer = await get(data('informative', HOUSE_PCE, WEEK))
    expect([answer.status, answer.type]).toStrictEqual([200, 'application/x-ndjson'])
    expect(gasDays(answer)).toStrictEqual(Array.from({ length: 7 }, (_, i) => `2026-11-0${2 + i}`))
    expect(answer.lines[0]).toMatchObject({
      pce: { id_pce: HOUSE_PCE },
      consommation: {
        date_debut_consommation: '2026-11-02T06:00:00+01:00',
        date_fin_consommation: '2026-11-03T06:00:00+01:00',
        sens_flux_gaz: 'Consommation',
        type_conso: 'Informative Journalier',
      },
      statut_restitution: null,
    })
  })
  test('a gas day is 23 and 25 hours long when the clock changes', async () => {
    const { get } = await aThirdParty()
    const lengths = async (query: string): Promise<readonly number[]> =>
      (await get(data('informative', HOUSE_PCE, query))).lines.map(
        ({ consommation: c }) => (Date.parse(String(c.date_fin_consommation)) - Date.parse(String(c.date_debut_consommation))) / 3_600_000,
      )
    expect(await lengths(days('2026-03-27', '2026-03-30'))).toStrictEqual([24, 23, 24])
    expect(await lengths(days('2026-10-23', '2026-10-26'))).toStrictEqual([24, 25, 24])
  })
  test('billing periods of a house, of one read on the 12th, and of one read every six months', async () => {
    const { get, sandbox } = await aThirdParty()
    for (const pce of [MONTHLY, HALF_YEARLY]) sandbox.adict.order({ pce })
    const starts = async (pce: string): Promise<readonly string[]> =>
      (await get(data('published', pce, days('2025-11-25', '2026-11-25')))).lines.map(({ consommation: c }) =>
        String(c.date_debut_consommation).slice(0, 10),
      )
    const [house, monthly, half] = [await starts(HOUSE_PCE), await starts(MONTHLY), await starts(HALF_YEARLY)]
    expect(house.every((day) => day.endsWith('-01'))).toBe(true)
    expect(monthly.every((day) => day.endsWith('-12'))).toBe(true)
    expect([house.length, monthly.length, half.length]).toStrictEqual([11, 11, 1])
    // It is read on foot: there are no days of it.
    expect(said(await get(data('informative', HALF_YEARLY, WEEK)))).toStrictEqual(coded('no_data'))
  })
  test('injection of a plant alone, published lines of it alone', async () => {
    const { get, sandbox } = await aThirdParty()
    sandbox.adict.order({ pce: BIOGAS })
    const { lines } = await get(data('injection', BIOGAS, WEEK))
    expect(lines).toHaveLength(7)
    expect(lines[0]).toMatchObject({ injection: { sens_flux_gaz: 'Production' } })
    expect(said(await get(data('published', BIOGAS, WEEK)))).toStrictEqual(coded('no_right'))
  })
  test('days that are estimated, days that never came, and none before the meter was there', async () => {
    const { get, sandbox } = await aThirdParty()
    for (const pce of [PATCHY, NEW]) sandbox.adict.order({ pce })
    const patchy = await get(data('informative', PATCHY, days('2026-09-01', '2026-11-01')))
    const kinds = Map.groupBy(patchy.lines, ({ consommation }) => String(consommation.type_qualif_conso))
    expect([...kinds].map(([kind, lines]) => [kind, lines.length]).toSorted()).toStrictEqual([
      ['Absence de Données', 2],
      ['Estimé', 3],
      ['Mesuré', 56],
    ])
    expect(kinds.get('Absence de Données')?.every(({ consommation }) => consommation.energie === null)).toBe(true)
    const first = gasDays(await get(data('informative', NEW, days('2026-09-01', '2026-11-01'))))[0]
    expect(first).toBe('2026-10-11')
  })
  test('contract data, in parts or whole, and technical data with the address', async () => {
    const { get } = await aThirdParty()
    const [whole, parts, technical] = [
      await get(data('contract', HOUSE_PCE)),
      await get(data('contract', HOUSE_PCE, 'filtre=car&filtre=date_mes')),
      await get(data('technical', HOUSE_PCE)),
    ]
    expect(Object.keys(parts.lines[0]?.donnees_contractuelles as object).toSorted()).toStrictEqual(['car', 'date_mes'])
    expect(Object.keys(whole.lines[0]?.donnees_contractuelles as object).length).toBeGreaterThan(4)
    expect(technical.lines[0]).toMatchObject({ donnees_techniques: { situation_compteur: { numero_rue: '12', commune: 'FICTIVILLE' } } })
  })
})

describe('what is refused', () => {
  type Given = (party: ThirdParty) => void
  const none: Given = () => undefined
  const CASES: readonly (readonly [what: string, path: string, code: DataCode, given: Given])[] = [
    ['a point that is none', data('technical', '123'), 'pce_format', none],
    ['a point without a right', data('informative', MONTHLY, WEEK), 'no_right', none],
    ['a point that nobody has', data('informative', '99000000099999', WEEK), 'no_right', none],
    ['days to come', data('informative', HOUSE_PCE, days('2026-11-20', '2026-11-26')), 'end_future', none],
    ['days before the right’s', data('informative', HOUSE_PCE, days('2024-01-01', '2024-02-01')), 'no_data', none],
    [
      'published data that were not asked for',
      data('published', MONTHLY, WEEK),
      'no_published',
      ({ sandbox }) => void sandbox.adict.order({ pce: MONTHLY, families: ['informative'] }),
    ],
    [
      'informative data that were not asked for',
      data('informative', MONTHLY, WEEK),
      'no_informative',
      ({ sandbox }) => void sandbox.adict.order({ pce: MONTHLY, families: ['published'] }),
    ],
    [
      'contract data that were not asked for',
      data('contract', MONTHLY),
      'no_right',
      ({ sandbox }) => void sandbox.adict.order({ pce: MONTHLY, families: ['published'] }),
    ],
    [
      'a right that its holder took back',
      data('informative', HOUSE_PCE, WEEK),
      'revoked',
      ({ sandbox }) => void sandbox.adict.revoke(HOUSE_RIGHT),
    ],
    [
      'a right of somebody who moved out',
      data('informative', HOUSE_PCE, WEEK),
      'moved_out',
      ({ sandbox }) => void sandbox.adict.moveOut(HOUSE_PCE),
    ],
    [
      'a right that is over',
      data('informative', MONTHLY, WEEK),
      'expired',
      ({ sandbox }) => void sandbox.adict.order({ pce: MONTHLY, validFrom: '2026-01-01' as never, validUntil: '2026-11-24' as never }),
    ],
    [
      'a right whose proof is none',
      data('informative', HOUSE_PCE, WEEK),
      'proof_invalid',
      ({ sandbox }) => {
        sandbox.adict.askProof(HOUSE_RIGHT)
        sandbox.adict.proof(HOUSE_RIGHT, 'ko')
      },
    ],
    [
      'a right that nobody has accepted',
      data('informative', MONTHLY, WEEK),
      'no_right',
      ({ sandbox }) => void sandbox.adict.order({ pce: MONTHLY, state: 'to_validate' }),
    ],
  ]
  test.each(CASES)('%s', async (_what, path, code, given) => {
    const party = await aThirdParty()
    given(party)
    expect(said(await party.get(path))).toStrictEqual(coded(code))
  })

  const QUERIES: readonly (readonly [query: string, error: QueryError])[] = [
    [`${WEEK}&x=1`, 'parameter'],
    [`${WEEK}&date_debut=2026-11-02`, 'parameter'],
    ['date_debut=&date_fin=2026-11-09', 'parameter'],
    ['', 'both_or_neither'],
    [`${WEEK}&periode=2026`, 'both_or_neither'],
    ['date_debut=2026-11-02', 'both_or_neither'],
    ['periode=2026-13', 'period'],
    ['periode=26', 'period'],
    ['periode=2026-W54', 'period'],
    ['periode=PN-3', 'period_pn'],
    [days('02/11/2026', '2026-11-09'), 'date'],
    [days('2026-11-09', '2026-11-09'), 'order'],
    [days('2019-01-01', '2019-02-01'), 'too_old'],
  ]
  test.each(QUERIES)('%s: %s', async (query, error) => {
    const { get } = await aThirdParty()
    const answer = await get(data('published', HOUSE_PCE, query))
    expect([answer.status, answer.lines[0]]).toStrictEqual([400, { error: 'invalid_request', error_description: QUERY_ERRORS[error] }])
  })
  test('a filter that is none, and parameters where there are none', async () => {
    const { get } = await aThirdParty()
    for (const [kind, query, error] of [
      ['contract', 'filtre=x', 'filter'],
      ['contract', 'x=1', 'parameter'],
      ['technical', 'filtre=car', 'parameter'],
    ] as const)
      expect((await get(data(kind, HOUSE_PCE, query))).lines[0]?.error_description).toBe(QUERY_ERRORS[error])
  })
  test('no code and no mistake is left out above', () => {
    expect([...new Set(CASES.map(([, , code]) => code))].toSorted()).toStrictEqual(
      Object.keys(DATA_CODES)
        .filter((code) => code !== 'partial')
        .toSorted(),
    )
    expect([...new Set([...QUERIES.map(([, error]) => error), 'filter', 'end_future'])].toSorted()).toStrictEqual(
      Object.keys(QUERY_ERRORS).toSorted(),
    )
  })
  test('other methods and paths', async () => {
    const { send, get } = await aThirdParty()
    expect((await send('POST', data('technical', HOUSE_PCE))).status).toBe(405)
    expect((await get('/adict/v2/pce/99000000000001/donnees')).status).toBe(404)
    for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) expect((await get(data(kind, ''))).status).toBe(403)
  })
  test('more than is allowed in a second and in a day of Paris; each third party for itself', async () => {
    const party = await aThirdParty({ adictQuotas: { perSecond: 2, perDay: 3 } })
    const { get, clock, sandbox } = party
    const ask = async (): Promise<number> => (await get(data('technical', HOUSE_PCE))).status
    expect([await ask(), await ask(), await ask()]).toStrictEqual([200, 200, 429])
    clock.now += 1001
    expect([await ask(), await ask()]).toStrictEqual([200, 429])
    // 2026-11-25 23:00 UTC is midnight in Paris; a token lasts four hours, so that it is asked for anew.
    clock.now = Date.UTC(2026, 10, 25, 22, 59, 58)
    const evening = await party.as({ clientId: 'demo-adict', secret: 'demo-adict-secret', company: '' })
    const late = async (): Promise<number> => (await evening.get(data('technical', HOUSE_PCE))).status
    expect(await late()).toBe(429)
    clock.now += 2000
    expect(await late()).toBe(200)
    sandbox.adict.reset()
    expect(sandbox.adict.calls()).toHaveLength(0)
  })
})

describe('what it does wrong', () => {
  const READ = data('informative', HOUSE_PCE, WEEK)
  const wrong = async (
    wanted: Omit<AdictMisbehaviourInput, 'pce'>,
    path = READ,
    pce = HOUSE_PCE,
  ): Promise<Heard & { readonly party: ThirdParty }> => {
    const party = await aThirdParty()
    party.sandbox.adict.misbehave({ pce, ...wanted })
    return { ...(await party.get(path)), party }
  }
  const DONE: Record<(typeof ADICT_WRONGS)[number], () => Promise<void>> = {
    async hang() {
      const { sandbox, token } = await aThirdParty()
      sandbox.adict.misbehave({ pce: '*', kind: 'hang' })
      await expect(
        fetch(`${sandbox.url}${READ}`, { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(150) }),
      ).rejects.toThrow(/timeout/)
    },
    async status() {
      const { status, text } = await wrong({ kind: 'status', status: 503 })
      expect([status, text]).toStrictEqual([503, expect.stringContaining('<html>')])
    },
    async wrong_pce() {
      const { lines } = await wrong({ kind: 'wrong_pce' })
      expect(lines.every(({ pce }) => pce.id_pce !== HOUSE_PCE)).toBe(true)
    },
    async outside_days() {
      const told = gasDays(await wrong({ kind: 'outside_days' }))
      expect([told[0], told.at(-1)]).toStrictEqual(['2026-10-30', '2026-11-11'])
    },
    async other_family() {
      const { lines } = await wrong({ kind: 'other_family' })
      expect(new Set(lines.map(({ consommation }) => consommation.type_conso as unknown)).size).toBe(2)
      expect(Object.keys((await wrong({ kind: 'other_family' }, data('contract', HOUSE_PCE))).lines[0] as object)).toContain(
        'donnees_techniques',
      )
    },
    async names() {
      const { text } = await wrong({ kind: 'names' })
      expect(text).toContain('FUITE JEANNE')
    },
    async partial() {
      const { lines } = await wrong({ kind: 'partial' })
      expect(lines.map(({ statut_restitution: s }) => s?.code as unknown)).toStrictEqual([
        undefined,
        undefined,
        undefined,
        '2000100',
        undefined,
        undefined,
        undefined,
      ])
    },
    async glued() {
      const { text } = await wrong({ kind: 'glued' })
      expect(text).toContain('}{')
    },
    async stray_bytes() {
      const { text } = await wrong({ kind: 'stray_bytes' })
      expect(text.startsWith('\r\u0000')).toBe(true)
    },
    async cut() {
      const { text } = await wrong({ kind: 'cut' })
      expect(text.endsWith('}\n')).toBe(false)
      await expect(wrong({ kind: 'cut', framing: 'broken' })).rejects.toThrow(/terminated/)
    },
    async endless() {
      const { text } = await wrong({ kind: 'endless', megabytes: 1 })
      expect(text.length).toBeGreaterThanOrEqual(1_048_576)
    },
    async envelope() {
      const { lines } = await wrong({ kind: 'envelope' }, '/adict/v2/droits_acces', 'rights')
      expect(lines[0]).toMatchObject({ liste_acces: [{ id_droit_acces: HOUSE_RIGHT }, {}] })
    },
  }
  test.each(ADICT_WRONGS)('%s', (kind) => DONE[kind]())

  test('as often as it is told to, about that point, and it is remembered', async () => {
    const { get, sandbox } = await aThirdParty()
    sandbox.adict.misbehave({ pce: BOILER_PCE, kind: 'status', times: 2 })
    const ask = async (pce: string): Promise<number> => (await get(data('informative', pce, WEEK))).status
    expect([await ask(HOUSE_PCE), await ask(BOILER_PCE), await ask(BOILER_PCE), await ask(BOILER_PCE)]).toStrictEqual([200, 502, 502, 200])
    expect(
      sandbox.adict
        .calls()
        .slice(-4)
        .map(({ misbehaved, status, complete }) => [misbehaved, status, complete]),
    ).toStrictEqual([
      [undefined, 200, true],
      ['status', 502, true],
      ['status', 502, true],
      [undefined, 200, true],
    ])
  })
})
