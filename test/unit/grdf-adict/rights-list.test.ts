/** `droits_acces` as a client asks for it: which filters are known, and what of a right is told. */
import { describe, expect, test } from 'vitest'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { AccountId } from '../../../src/domain/permission.ts'

import { day, startOfDay } from '../../../src/domain/time.ts'
import type { ClientRight } from '../../../src/providers/adapter.ts'
import { grdfAdict } from '../../../src/providers/grdf-adict/adict.ts'
import { anUnder } from '../../given.ts'

const adapter = grdfAdict({ upperBound: 'excluded' })
const TODAY = day('2026-11-26')
const PATH = '/adict/v2/droits_acces'
const PCE = '21500000000042'

const get = (query: Readonly<Record<string, string>> = {}) =>
  adapter.classify({ method: 'GET', path: PATH, query: new Map(Object.entries(query)) }, TODAY)
function post(body: string, contentType = 'application/json', query: Readonly<Record<string, string>> = {}) {
  const classified = adapter.classify({ method: 'POST', path: PATH, query: new Map(Object.entries(query)), contentType }, TODAY)
  return classified.is === 'body' ? classified.read(Buffer.from(body)) : classified
}
const scope = {
  ...anUnder().permission.scope,
  ground: { gdprBasis: 'consent', sectorRelease: 'express_authorisation' } as const,
  validFrom: startOfDay(day('2026-03-02')),
  validUntil: startOfDay(day('2027-03-02')),
  lines: [
    { kind: 'published_reading', direction: 'withdrawal', data: { from: day('2024-03-01'), until: day('2027-03-02') } },
    { kind: 'contract_data', direction: 'n_a', data: null },
  ] as unknown as ClientRight['scope']['lines'],
}
const aRight = (ref: string, change: Partial<ClientRight> = {}): ClientRight => ({
  ref,
  account: 'gas' as AccountId,
  meter: `pce:${PCE}` as MeterId,
  direction: 'withdrawal',
  state: 'open',
  since: startOfDay(day('2026-11-20')),
  proof: null,
  scope,
  ...change,
})
const RIGHTS: readonly ClientRight[] = [
  aRight('open'),
  aRight('pending', { state: 'pending', meter: 'pce:GI990123' as MeterId }),
  aRight('ending', { state: 'ending' }),
  aRight('proof', { proof: 'awaited', scope: { ...scope, ground: { ...scope.ground, sectorRelease: 'holder_itself' } } }),
  aRight('injects', { direction: 'injection' }),
]
function listed(asked: ReturnType<typeof get>): readonly Record<string, unknown>[] {
  if (asked.is !== 'rights') throw new Error(JSON.stringify(asked))
  const reply = adapter.showRights!(asked.form, RIGHTS)
  expect([reply.status, reply.headers]).toStrictEqual([200, [['Content-Type', 'application/x-ndjson']]])
  return reply.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
const idsOf = (asked: ReturnType<typeof get>): readonly unknown[] => listed(asked).flatMap((row) => row['id_droit_acces'] ?? [])

test('a right is told as GRDF tells it, with nobody’s name, mail or telephone', () => {
  const [first, ...rest] = listed(get())
  expect(first).toStrictEqual({
    id_droit_acces: 'open',
    id_pce: PCE,
    role_tiers: 'AUTORISE_CONTRAT_FOURNITURE',
    date_debut_droit_acces: '2026-03-02',
    date_fin_droit_acces: '2027-03-01',
    perim_donnees_conso_debut: '2024-03-01',
    perim_donnees_conso_fin: '2027-03-01',
    perim_donnees_contractuelles: 'Vrai',
    perim_donnees_techniques: 'Faux',
    perim_donnees_informatives: 'Faux',
    perim_donnees_publiees: 'Vrai',
    etat_droit_acces: 'Active',
    date_revocation: null,
    parcours: 'TIERS_DIRECT',
    statut_controle_preuve: null,
  })
  expect(rest.at(-1)).toStrictEqual({ code_statut_traitement: '0000000000', message_retour_traitement: 'OK' })
  expect(JSON.stringify(rest)).not.toMatch(/nom_|raison_sociale|courriel|telephone|code_postal/)
})

describe('filters', () => {
  test.each([
    ['none', get(), ['open', 'pending', 'ending', 'proof', 'injects']],
    ['those whose proof is awaited', get({ statut_controle: '1' }), ['proof']],
    ['none, in a body', post('{}'), ['open', 'pending', 'ending', 'proof', 'injects']],
    ['a point', post('{"id_pce":"GI990123"}'), ['pending']],
    ['points', post(`{"id_pce":["GI990123","${PCE}"],"etat_droit_acces":["Active"]}`), ['open', 'proof', 'injects']],
    ['a state without its accent', post('{"etat_droit_acces":"revoquee"}'), ['ending']],
    ['a role', post('{"role_tiers":["AUTORISE_CONTRAT_INJECTION"]}'), ['injects']],
    ['the holder itself', post('{"role_tiers":"DETENTEUR_CONTRAT_FOURNITURE"}'), ['proof']],
    ['a proof', post('{"statut_controle_preuve":"Preuve en attente"}'), ['proof']],
    ['a state that none has', post('{"etat_droit_acces":["Obsolète"]}'), []],
    ['a point of somebody else', post('{"id_pce":["99000000000001"]}'), []],
  ])('%s', (_what, asked, ids) => {
    expect(idsOf(asked)).toStrictEqual(ids)
  })
  test.each([
    ['another parameter', get({ id_pce: PCE })],
    ['another control', get({ statut_controle: '2' })],
    ['a parameter beside a body', post('{}', 'application/json', { statut_controle: '1' })],
    ['no JSON', post('id_pce=1')],
    ['a list', post('[]')],
    ['no UTF-8', post('\u00ff')],
    ['another filter', post('{"courriel_titulaire":"a@b.example"}')],
    ['a point of 13 digits', post('{"id_pce":["2150000000004"]}')],
    ['a number', post('{"id_pce":[21500000000042]}')],
    ['an unknown state', post('{"etat_droit_acces":["Active","Ouverte"]}')],
    ['an inherited name', post('{"constructor":"x"}')],
    ['a thousand and one points', post(JSON.stringify({ id_pce: Array.from({ length: 1001 }, () => PCE) }))],
    ['a form', post('{}', 'application/x-www-form-urlencoded')],
  ])('%s is refused', (_what, asked) => {
    expect(asked).toMatchObject({ is: 'refused', reason: 'malformed' })
  })
})

test('it is asked of nobody else', () => {
  const asked = get()
  if (asked.is !== 'rights') throw new Error(asked.is)
  expect(asked.meters).toBe('all')
  expect(() => adapter.rewrite(asked.form, { meter: 'pce:GI990123' } as never, {} as never, anUnder())).toThrow(RangeError)
  expect(() => adapter.answer(asked.form, {} as never, [])).toThrow(RangeError)
  expect(adapter.refuse(asked.form, 'native', { reason: 'malformed' }).status).toBe(400)
})
