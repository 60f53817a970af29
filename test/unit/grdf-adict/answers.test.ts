/** What may leave of GRDF's answers, whatever they hold and however they are written. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDays, day } from '../../../src/domain/time.ts'
import type { Line } from './given.ts'
import { aPart, days, fixture, PCE, published, text, through } from './given.ts'

const JANUARY = days('2026-01-01', '2026-02-01')
const part = aPart(JANUARY)
const P = 'donnees_consos_publiees'
const consumption = (line: Line): Line => line['consommation'] as Line

describe('a line as GRDF writes it', () => {
  test('published: leaves as it came, but for free text and what names no days', () => {
    const read = through(P, part, text(fixture('publiees')))
    const expected = fixture('publiees')
    delete (expected['releve_debut'] as Line)['libelle_raison_releve']
    delete (expected['releve_fin'] as Line)['libelle_raison_releve']
    delete (expected['periode'] as Line)['valeur']
    // Indexes that were read, but not when, are none.
    ;(expected['releve_debut'] as Line)['index_converti_debut'] = null
    ;(expected['releve_fin'] as Line)['index_converti_fin'] = null
    expect(read.lines).toStrictEqual([expected])
    expect(read).toMatchObject({ ok: true, said: undefined })
    expect(read.counts).toMatchObject({ readings: 1, first: '2026-01-01T06:00:00+01:00', last: '2026-01-01T06:00:00+01:00' })
  })

  test('informative, and injection', () => {
    const informative = through(
      'donnees_consos_informatives',
      aPart(days('2026-03-10', '2026-03-11'), { kind: 'daily_energy' }),
      text(fixture('informatives')),
    )
    expect(informative.lines).toMatchObject([{ pce: { id_pce: PCE }, consommation: { energie: 56, volume_brut: 5 } }])
    const injection = through(
      'donnees_injections_publiees',
      aPart(days('2026-02-01', '2026-02-02')),
      text(fixture('injections')),
      [],
      'GI990777',
    )
    expect(injection.lines).toMatchObject([{ pce: { id_pce: 'GI990777' }, injection: { energie: 45_649, sens_flux_gaz: 'Production' } }])
  })

  test.each([
    [['car'], { car: { car_actuelle: 11_850, car_future: 11_420 } }],
    [['tarif_acheminement', 'date_mes'], { tarif_acheminement: 'T2', date_mes: '2018-09-14' }],
    [['profil_type_actuel'], { profil: { profil_type_actuel: 'P012' } }],
  ])('of the contract the parts %o and no other, even where GRDF sends all', (filters, expected) => {
    const sent = fixture('contractuelles')
    Object.assign((sent['donnees_contractuelles'] as Line)['profil'] as Line, { profil_type_futur: 'P011' })
    const read = through('donnees_contractuelles', aPart(null, { kind: 'contract_data' }), text(sent), [], PCE, filters)
    expect(read.lines).toStrictEqual([{ pce: { id_pce: PCE }, donnees_contractuelles: expected, statut_restitution: null }])
    expect(read.counts.dropped).toBeGreaterThan(0)
  })

  test('about the contract and the point: without the address where that is not granted', () => {
    const contract = through('donnees_contractuelles', aPart(null, { kind: 'contract_data' }), text(fixture('contractuelles')))
    expect(contract.lines).toStrictEqual([fixture('contractuelles')])
    const technical = through('donnees_techniques', aPart(null, { kind: 'technical_data' }), text(fixture('techniques')))
    expect(technical.lines).toStrictEqual([
      {
        pce: { id_pce: PCE },
        donnees_techniques: {
          caracteristiques_compteur: { frequence: '1M', client_sensible_mig: 'Non' },
          pitd: { identifiant_pitd: 'GD0123' },
        },
        statut_restitution: null,
      },
    ])
    expect(technical.out).not.toMatch(/PORT|LORIENT|56100/)
    const both = through(
      'donnees_techniques',
      aPart(null, { kind: 'technical_data', keepKinds: ['technical_data', 'address'] }),
      text(fixture('techniques')),
    )
    expect(both.lines).toMatchObject([
      { donnees_techniques: { situation_compteur: { numero_rue: '12', nom_rue: 'RUE DU PORT', commune: 'LORIENT' } } },
    ])
  })

  test('contract amounts are plain numbers in one version and objects in the other', () => {
    const old = { pce: { id_pce: PCE }, donnees_contractuelles: { car: 11_850, cja: 60 }, statut_restitution: {} }
    const read = through('donnees_contractuelles', aPart(null, { kind: 'contract_data' }), text(old))
    expect(read.lines).toMatchObject([{ donnees_contractuelles: { car: 11_850, cja: 60 } }])
  })
})

describe('days', () => {
  test.each([
    ['2026-01-01', '2026-02-01', 1],
    ['2025-12-31', '2026-01-31', 0],
    ['2026-01-02', '2026-02-02', 0],
    ['2025-12-01', '2026-01-01', 0],
    ['2026-02-01', '2026-03-01', 0],
    ['2025-08-01', '2026-02-01', 0],
  ])('a line from %s to %s: %i leave', (from, until, leave) => {
    const read = through(P, part, text(published(from, until)))
    expect(read.lines).toHaveLength(leave)
    expect(read.counts.readings).toBe(leave)
  })

  test('a line over the edge stays where the rule keeps it; one that has no day in common never does', () => {
    const kept = aPart(days('2026-01-10', '2026-02-01'), { keepsStraddling: true })
    expect(through(P, kept, text(published('2026-01-01', '2026-02-01'))).lines).toHaveLength(1)
    expect(through(P, kept, text(published('2025-12-01', '2026-01-01'), published('2026-02-01', '2026-03-01'))).lines).toHaveLength(0)
  })

  test('an index that was read before or after the granted days is not in it, nor one that nobody knows when', () => {
    const kept = aPart(days('2026-01-10', '2026-02-01'), { keepsStraddling: true })
    expect(through(P, kept, text(published('2026-01-01', '2026-02-01'))).lines).toMatchObject([
      { releve_debut: null, releve_fin: { index_brut_fin: { valeur_index: 8262 } } },
    ])
    const undated = published('2026-01-01', '2026-02-01', (line) => {
      line['releve_debut'] = { date_releve: null, index_brut_debut: { valeur_index: 8120, horodate_Index: '2025-06-01T06:00:00+02:00' } }
      line['releve_fin'] = { date_releve: null, index_brut_fin: { valeur_index: 8262, horodate_Index: null } }
    })
    expect(through(P, part, text(undated)).lines).toMatchObject([
      { releve_debut: { index_brut_debut: null }, releve_fin: { index_brut_fin: null } },
    ])
  })

  test('an interval without stamps, or in another order, is none', () => {
    const lines = [
      published('2026-01-01', '2026-02-01', (line) => delete consumption(line)['date_fin_consommation']),
      published('2026-02-01', '2026-01-01'),
      published('2026-01-01', '2026-02-01', (line) => Object.assign(consumption(line), { date_debut_consommation: '2026-01-01' })),
      published('2026-01-01', '2026-02-01', (line) => Object.assign(line, { consommation: null })),
    ]
    expect(through(P, part, text(...lines))).toMatchObject({ ok: true, out: '', counts: { readings: 0, dropped: 4 } })
  })
})

describe('steps', () => {
  const steps = [
    ['2026-01-05', '2026-01-06', 'P1D'],
    ['2026-01-05', '2026-01-12', 'P1D'],
    ['2026-01-01', '2026-02-01', 'P1M'],
    ['2025-07-01', '2026-01-01', 'P1M'],
    ['2025-01-01', '2026-01-01', 'P1Y'],
  ] as const
  test.each(steps)('%s to %s is as fine as %s', (from, until, step) => {
    const wide = days('2025-01-01', '2026-02-01')
    const order = ['P1D', 'P1M', 'P1Y'] as const
    const open = order.map((finest) => through(P, aPart(wide, { finest }), text(published(from, until))).lines.length)
    expect(open).toStrictEqual(order.map((finest) => (order.indexOf(step) >= order.indexOf(finest) ? 1 : 0)))
  })

  test('what is shorter than a day is finer than a day', () => {
    const hour = published('2026-01-05', '2026-01-06', (line) => {
      Object.assign(consumption(line), {
        date_debut_consommation: '2026-01-05T07:00:00+01:00',
        date_fin_consommation: '2026-01-05T08:00:00+01:00',
      })
    })
    expect(through(P, part, text(hour))).toMatchObject({ lines: [], allTooFine: true, counts: { readings: 0, dropped: 1 } })
    expect(through(P, aPart(JANUARY, { finest: 'PT60M' }), text(hour)).lines).toHaveLength(1)
  })
})

describe('another family or direction is not in it', () => {
  test.each([
    ['type_conso', 'Informative Journalier', 0],
    ['type_conso', 'publiee', 1],
    ['type_conso', null, 0],
    ['type_conso', 'PUBLIÉE', 1],
    ['sens_flux_gaz', 'Production', 0],
    ['sens_flux_gaz', null, 0],
  ])('%s %s: %i leave', (name, value, leave) => {
    expect(
      through(P, part, text(published('2026-01-01', '2026-02-01', (line) => Object.assign(consumption(line), { [name]: value })))).lines,
    ).toHaveLength(leave)
  })

  test('nor a published line among the informative ones', () => {
    const informative = aPart(JANUARY, { kind: 'daily_energy' })
    expect(through('donnees_consos_informatives', informative, text(published('2026-01-05', '2026-01-06'))).lines).toHaveLength(0)
  })
})

describe('another point', () => {
  const other = published('2026-01-01', '2026-02-01', (line) => Object.assign(line, { pce: { id_pce: '21500000000043' } }))
  const own = published('2026-01-01', '2026-02-01')
  test.each([
    ['alone', text(other), 0, 'other_meter'],
    ['after a good line', text(own, other), 1, 'other_meter'],
    ['without a name', text({ ...own, pce: {} }), 0, 'unreadable'],
    ['as a number', text({ ...own, pce: { id_pce: 21_500_000_000_042 } }), 0, 'unreadable'],
    ['nowhere', text({ ...own, pce: null }), 0, 'unreadable'],
  ])('%s cuts the answer', (_what, body, before, why) => {
    const read = through(P, part, body)
    expect(read).toMatchObject({ ok: false, why })
    // What came in one piece with it may be held back.
    expect(read.lines.length).toBeLessThanOrEqual(before)
    expect(through(P, part, body, [Buffer.byteLength(text(own)) + 3]).lines).toHaveLength(before)
  })
})

describe('how it is written', () => {
  const lines = [published('2026-01-01', '2026-01-02'), published('2026-01-02', '2026-01-03'), published('2026-01-03', '2026-01-04')]
  const plain = through(P, part, text(...lines)).out
  test.each([
    ['glued', lines.map((line) => JSON.stringify(line)).join('')],
    ['with carriage returns', lines.map((line) => `${JSON.stringify(line)}\r\n`).join('')],
    ['over several lines, glued', lines.map((line) => JSON.stringify(line, null, 2)).join('')],
    ['without the last line break', text(...lines).trimEnd()],
    ['with stray bytes between', lines.map((line) => `\u0000\r \u0007x]${JSON.stringify(line)}`).join('\n')],
    ['as a list', JSON.stringify(lines)],
  ])('%s, it is read alike', (_how, body) => {
    expect(through(P, part, body)).toMatchObject({ ok: true, out: plain })
  })

  test('property: cut anywhere it is read alike', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5000), { maxLength: 12 }), fc.constantFrom('', '\n', '\r\n', ' \u0000'), (cuts, between) => {
        const body = lines.map((line) => JSON.stringify(line)).join(between)
        expect(through(P, part, body, cuts).out).toBe(plain)
      }),
    )
  })

  test.each([
    ['cut in an object', text(...lines).slice(0, -20), 2],
    ['with a name twice', `${text(lines[0])}{"pce":{"id_pce":"${PCE}"},"pce":{"id_pce":"${PCE}"}}`, 1],
    ['not UTF-8', Buffer.concat([Buffer.from(text(lines[0])), Buffer.from('{"pce":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), 1],
    ['not JSON', `${text(lines[0])}{pce}`, 1],
    ['a page', '<html><body>503</body></html>', 0],
    ['an object without end', `{"pce":"${'x'.repeat(70_000)}`, 0],
  ])('%s, it is unreadable', (_what, body, before) => {
    const read = through(P, part, body)
    expect(read).toMatchObject({ ok: false, why: 'unreadable' })
    expect(read.lines.length).toBeLessThanOrEqual(before)
  })

  test('nothing at all is an answer without data', () => {
    expect(through(P, part, '')).toMatchObject({ ok: true, out: '', counts: { readings: 0 } })
    expect(through(P, part, ' \r\n')).toMatchObject({ ok: true, out: '' })
  })
})

describe('what GRDF says in the body', () => {
  const refusal = (code: unknown): Line => ({
    pce: { id_pce: PCE },
    statut_restitution: { code, message: 'Texte de GRDF sur Mme Fictive' },
  })
  test.each([
    ['1000000', 'refused'],
    ['1000001', 'refused'],
    ['1000002', 'refused'],
    ['1000009', 'refused'],
    ['1000011', 'refused'],
    ['1000014', 'refused'],
    ['1000010', 'period_refused'],
    ['1000008', 'no_data'],
    ['1000005', 'bad_request'],
    ['2000000', 'down'],
    ['1999999', 'down'],
  ])('%s means %s', (code, means) => {
    expect(through(P, part, text(refusal(code)))).toMatchObject({ ok: true, out: '', said: { says: { means }, code } })
    expect(through('donnees_techniques', aPart(null, { kind: 'technical_data' }), text(refusal(code)))).toMatchObject({
      out: '',
      said: { says: { means } },
    })
  })

  test.each([[null], [{}], [{ code: null, message: null }], [{ code: '' }], [undefined]])('%o is a success', (status) => {
    const line = published('2026-01-01', '2026-02-01', (one) => Object.assign(one, { statut_restitution: status }))
    expect(through(P, part, text(line))).toMatchObject({ lines: [{ statut_restitution: null }], said: undefined })
  })

  test.each([[7], ['texte'], [{ code: 1_000_002 }], [{ code: 'MARTIN' }]])('%o is no success, and none of its text is told', (status) => {
    const line = published('2026-01-01', '2026-02-01', (one) => Object.assign(one, { statut_restitution: status }))
    expect(through(P, part, text(line))).toMatchObject({ out: '', said: { says: { means: 'down' }, code: 'none' } })
  })

  test('data beside a refusal is not told: of a point, and of a line', () => {
    const both = { ...fixture('techniques'), statut_restitution: { code: '1000002', message: '' } }
    expect(through('donnees_techniques', aPart(null, { kind: 'technical_data' }), text(both))).toMatchObject({
      out: '',
      counts: { readings: 0 },
    })
    const line = { ...published('2026-01-01', '2026-02-01'), statut_restitution: { code: '1000014', message: '' } }
    expect(through(P, part, text(line))).toMatchObject({ out: '', counts: { readings: 0 } })
  })

  test('a block that failed amid the others: what was delivered does not look whole', () => {
    const read = through(P, part, text(published('2026-01-01', '2026-01-02'), refusal('2000100'), published('2026-01-03', '2026-01-04')))
    expect(read).toMatchObject({ ok: false, why: 'unreadable' })
  })

  test('no data for some of it leaves the rest whole', () => {
    const read = through(P, part, text(published('2026-01-01', '2026-01-02'), refusal('1000008')))
    expect(read).toMatchObject({ ok: true, counts: { readings: 1 } })
  })
})

describe('a data holder that lies', () => {
  const SECRET = 'FICTIVE-MARTIN'
  /** Puts the secret wherever a text can be, under names known and unknown. */
  const poisoned = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(poisoned)
    if (typeof value === 'object' && value !== null) {
      const inner = Object.entries(value).map(([name, item]) => [name, poisoned(item)])
      return { ...Object.fromEntries(inner), nom_titulaire: SECRET, courriel_titulaire: SECRET, [SECRET]: 1, list: [SECRET] }
    }
    return value
  }
  const texts = (value: unknown): unknown => {
    if (typeof value === 'string') return SECRET
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, texts(item)]))
  }
  const cases = [
    ['publiees', P, aPart(JANUARY)],
    ['informatives', 'donnees_consos_informatives', aPart(days('2026-03-10', '2026-03-11'), { kind: 'daily_energy' })],
    ['contractuelles', 'donnees_contractuelles', aPart(null, { kind: 'contract_data' })],
    ['techniques', 'donnees_techniques', aPart(null, { kind: 'technical_data' })],
  ] as const
  test.each(cases)('%s: no member that is not named leaves', (name, series, open) => {
    const read = through(series, open, text(poisoned(fixture(name))).replaceAll(`"id_pce":"${PCE}"`, `"id_pce":"${PCE}"`))
    expect(read.ok).toBe(true)
    expect(read.lines).toHaveLength(1)
    expect(read.out).not.toContain(SECRET)
  })

  test.each(cases)('%s: no text leaves in a member that is for something else', (name, series, open) => {
    const line = texts(fixture(name)) as Line
    Object.assign(line, { pce: { id_pce: PCE }, statut_restitution: null })
    const original = fixture(name)['consommation'] as Line | undefined
    if (original) {
      const { date_debut_consommation, date_fin_consommation, type_conso, sens_flux_gaz } = original
      Object.assign(line['consommation'] as Line, { date_debut_consommation, date_fin_consommation, type_conso, sens_flux_gaz })
    }
    const read = through(series, open, text(line))
    expect(read.ok).toBe(true)
    expect(read.out).not.toContain(SECRET)
  })

  test('property: of generated answers no line of another day, family or point leaves, wherever they are cut', () => {
    const aLine = fc.record({
      start: fc.integer({ min: -40, max: 40 }),
      length: fc.integer({ min: 1, max: 40 }),
      type: fc.constantFrom('Publiée', 'Informative Journalier', SECRET),
      flow: fc.constantFrom('Consommation', 'Production'),
      point: fc.constantFrom(PCE, PCE, PCE, PCE, '21500000000043'),
    })
    fc.assert(
      fc.property(fc.array(aLine, { maxLength: 8 }), fc.array(fc.nat(10_000), { maxLength: 5 }), (given, cuts) => {
        const from = day('2026-01-01')
        const body = text(
          ...given.map(({ start, length, type, flow, point }) =>
            published(addDays(from, start), addDays(from, start + length), (line) => {
              Object.assign(consumption(line), { type_conso: type, sens_flux_gaz: flow })
              Object.assign(line, { pce: { id_pce: point, nom_titulaire: SECRET } })
            }),
          ),
        )
        const read = through(P, part, body, cuts)
        const stranger = given.findIndex(({ point }) => point !== PCE)
        const before = stranger < 0 ? given : given.slice(0, stranger)
        const open = before.filter(
          ({ start, length, type, flow }) => start >= 0 && start + length <= 31 && type === 'Publiée' && flow === 'Consommation',
        )
        const leaves = read.lines.map((line) => consumption(line)['date_debut_consommation'])
        const granted = open.map(({ start }) => `${addDays(from, start)}T06:00:00+01:00`)
        // Up to a stranger's line: what came in one piece with that one may be held back.
        expect(leaves).toStrictEqual(stranger < 0 ? granted : granted.slice(0, leaves.length))
        expect(read.ok).toBe(stranger < 0)
        expect(read.out).not.toContain(SECRET)
      }),
    )
  })
})
