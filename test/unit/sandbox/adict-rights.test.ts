/** How rights come to be at the simulated GRDF and how they end: declared, answered by mail, listed, proved, given back. */
import { describe, expect, test } from 'vitest'
import type { RightCode } from '../../../src/sandbox/adict-codes.ts'
import { RIGHT_CODES } from '../../../src/sandbox/adict-codes.ts'
import type { Heard, ThirdParty } from './adict-given.ts'
import { aThirdParty, BIOGAS, ENDED, HOUSE_PCE, HOUSE_RIGHT, MONTHLY, OTHER_CLIENT, OTHER_POSTCODE, SHOP } from './adict-given.ts'

/** What a third party writes of the point read on the 12th. */
const RIGHT = {
  role_tiers: 'AUTORISE_CONTRAT_FOURNITURE',
  nom_titulaire: 'essai yann',
  code_postal: '00110',
  courriel_titulaire: 'yann.essai@exemple.invalid',
  date_debut_droit_acces: '2026-11-25',
  date_fin_droit_acces: '2027-11-24',
  perim_donnees_conso_debut: '2025-11-25',
  perim_donnees_conso_fin: '2027-11-24',
  perim_donnees_contractuelles: 'Vrai',
  perim_donnees_publiees: 'Vrai',
}
type Body = Record<string, unknown>
const without = (...names: readonly string[]): Body => Object.fromEntries(Object.entries(RIGHT).filter(([name]) => !names.includes(name)))
const with_ = (more: Body): Body => ({ ...RIGHT, ...more })

const said = ({ status, lines }: Heard): readonly unknown[] => [status, lines.at(-1)?.code_statut_traitement]
const coded = (code: RightCode): readonly unknown[] => [RIGHT_CODES[code].status, RIGHT_CODES[code].code]
const idsOf = ({ lines }: Heard): readonly unknown[] => lines.slice(0, -1).map(({ id_droit_acces: id }) => id as unknown)

const MISTAKES: readonly (readonly [what: string, pce: string, body: unknown, code: RightCode])[] = [
  ['a point of 13 digits', '9900000000002', RIGHT, 'pce_format'],
  ['a point that nobody has', '99000000099999', RIGHT, 'pce_unknown'],
  ['no object', MONTHLY, [RIGHT], 'unreadable'],
  ['a member that the schema has not', MONTHLY, with_({ nom: 'ESSAI' }), 'unreadable'],
  ['a boolean', MONTHLY, with_({ perim_donnees_publiees: true }), 'unreadable'],
  ['another word than Vrai and Faux', MONTHLY, with_({ perim_donnees_publiees: 'Oui' }), 'unreadable'],
  ['a day that is none', MONTHLY, with_({ date_fin_droit_acces: '2027-02-30' }), 'unreadable'],
  ['no role', MONTHLY, without('role_tiers'), 'role_missing'],
  ['another role', MONTHLY, with_({ role_tiers: 'FOURNISSEUR' }), 'role_missing'],
  ['a person and a company', MONTHLY, with_({ raison_sociale: 'ESSAI SA' }), 'name_twice'],
  ['nobody', MONTHLY, without('nom_titulaire'), 'name_missing'],
  ['a blank name', MONTHLY, with_({ nom_titulaire: '  ' }), 'name_missing'],
  ['no postcode', MONTHLY, without('code_postal'), 'postcode_missing'],
  ['a postcode of four digits', MONTHLY, with_({ code_postal: '0110' }), 'postcode_format'],
  ['no mail', MONTHLY, without('courriel_titulaire'), 'email_missing'],
  ['a mail without a place', MONTHLY, with_({ courriel_titulaire: 'yann' }), 'email_format'],
  ['not a word of the contract data', MONTHLY, without('perim_donnees_contractuelles'), 'contract_missing'],
  ['no family', MONTHLY, with_({ perim_donnees_contractuelles: 'Faux', perim_donnees_publiees: 'Faux' }), 'incoherent'],
  ['no days of consumption', MONTHLY, without('perim_donnees_conso_debut', 'perim_donnees_conso_fin'), 'consumption_missing'],
  ['half of them', MONTHLY, without('perim_donnees_conso_fin'), 'consumption_missing'],
  ['days of injection on a point that draws', MONTHLY, with_({ perim_donnees_inj_debut: '2026-01-01' }), 'incoherent'],
  [
    'no days of injection',
    BIOGAS,
    { ...without('perim_donnees_conso_debut', 'perim_donnees_conso_fin'), role_tiers: 'AUTORISE_CONTRAT_INJECTION' },
    'injection_missing',
  ],
  ['one that begins tomorrow', MONTHLY, with_({ date_debut_droit_acces: '2026-11-26' }), 'incoherent'],
  ['one that is over', MONTHLY, with_({ date_debut_droit_acces: '2026-01-01', date_fin_droit_acces: '2026-11-24' }), 'incoherent'],
  ['data that outlive it', MONTHLY, with_({ perim_donnees_conso_fin: '2027-11-25' }), 'incoherent'],
  ['another postcode', MONTHLY, with_({ code_postal: '00119' }), 'postcode_differs'],
  ['the postcode of the bills', OTHER_POSTCODE, with_({ nom_titulaire: 'ÉCART PAUL' }), 'postcode_differs'],
  ['another name', MONTHLY, with_({ nom_titulaire: 'ESSAI YVES' }), 'incoherent'],
  ['a contract that has ended', ENDED, with_({ nom_titulaire: 'PARTI ERWAN', code_postal: '00220' }), 'contract_ended'],
]

describe('declaring a right', () => {
  test.each(MISTAKES)('%s', async (_what, pce, body, code) => {
    const { put, sandbox } = await aThirdParty()
    const before = sandbox.adict.rights().length
    expect(said(await put(pce, body))).toStrictEqual(coded(code))
    expect([sandbox.adict.rights().length, sandbox.adict.mails().length]).toStrictEqual([before, 0])
  })

  test('that is right: its holder is asked by mail, and no second one is taken meanwhile', async () => {
    const { put, sandbox } = await aThirdParty()
    const answer = await put(MONTHLY, RIGHT)
    expect(said(answer)).toStrictEqual(coded('waiting'))
    expect(answer.lines[0]).toMatchObject({ id_pce: MONTHLY, etat_droit_acces: 'A valider', perim_donnees_informatives: 'Faux' })
    expect(sandbox.adict.mails()).toMatchObject([{ to: RIGHT.courriel_titulaire, pce: MONTHLY, right: answer.lines[0]?.id_droit_acces }])
    expect(said(await put(MONTHLY, RIGHT))).toStrictEqual(coded('exists'))
  })

  test('of the holder itself is active at once, for all, for three years', async () => {
    const { put, sandbox } = await aThirdParty()
    const { role_tiers: _role, nom_titulaire: name, code_postal: postcode } = RIGHT
    const answer = await put(MONTHLY, { role_tiers: 'DETENTEUR_CONTRAT_FOURNITURE', nom_titulaire: name, code_postal: postcode })
    expect(said(answer)).toStrictEqual(coded('active'))
    expect(sandbox.adict.rights().at(-1)).toMatchObject({ state: 'active', validUntil: '2029-11-25', dataFrom: null, mail: null })
    expect(sandbox.adict.mails()).toHaveLength(0)
  })
})

describe('the mail', () => {
  async function asked(pce = MONTHLY, change: Body = {}): Promise<ThirdParty & { readonly id: string; readonly path: string }> {
    const party = await aThirdParty()
    const { lines } = await party.put(pce, with_(change))
    return { ...party, id: String(lines[0]?.id_droit_acces), path: party.sandbox.adict.mails()[0]?.path ?? '' }
  }
  const stateOf = async ({ list, id }: ThirdParty & { readonly id: string }): Promise<unknown> =>
    (await list()).lines.find((line) => line.id_droit_acces === id)?.etat_droit_acces
  const decide = (url: string, decision: string): Promise<Response> =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ decision }), redirect: 'manual' })

  test.each([
    ['accept', 'Active'],
    ['refuse', 'Refusée'],
  ])('%s: %s, and what is decided stays so', async (decision, state) => {
    const party = await asked()
    const url = `${party.sandbox.url}${party.path}`
    expect(await (await fetch(url)).text()).toContain(MONTHLY)
    expect((await decide(url, decision)).status).toBe(303)
    expect(await stateOf(party)).toBe(state)
    await decide(url, decision === 'accept' ? 'refuse' : 'accept')
    expect(await stateOf(party)).toBe(state)
  })
  test('an address that nobody was sent', async () => {
    const { sandbox } = await asked()
    expect((await fetch(`${sandbox.url}/adict/mail/AAAAAAAAAAAAAAAAAAAAAAAA`)).status).toBe(404)
  })
  test('a person who says nothing is waited for; a company has accepted after two days', async () => {
    const person = await asked()
    const company = await asked(SHOP, { nom_titulaire: undefined, raison_sociale: 'Boulangerie modèle SARL', code_postal: '00330' })
    const states = (): readonly unknown[] => [person, company].map(({ sandbox }) => sandbox.adict.rights().at(-1)?.state)
    for (const { clock } of [person, company]) clock.now += 2 * 86_400_000 - 1
    expect(states()).toStrictEqual(['to_validate', 'to_validate'])
    for (const { clock } of [person, company]) clock.now += 1
    expect(states()).toStrictEqual(['to_validate', 'active'])
  })
})

describe('the list', () => {
  test('tells a third party its own rights, and nobody else one of them', async () => {
    const party = await aThirdParty()
    expect(idsOf(await party.list())).toStrictEqual([HOUSE_RIGHT, '00000000-0000-4000-8000-000000000002'])
    const other = await party.as(OTHER_CLIENT)
    expect(said(await other.list())).toStrictEqual(coded('done'))
    expect(idsOf(await other.list())).toStrictEqual([])
    expect(said(await other.send('PATCH', `/adict/v2/droit_acces/${HOUSE_RIGHT}`))).toStrictEqual(coded('no_right'))
  })
  test.each<[string, unknown, number]>([
    ['a point', { id_pce: HOUSE_PCE }, 1],
    ['points', { id_pce: [HOUSE_PCE, 'GI990001'] }, 2],
    ['a state, without its accent', { etat_droit_acces: ['Revoquee', 'Active'] }, 2],
    ['a state that none is in', { etat_droit_acces: 'Refusée' }, 0],
    ['a role and a point', { role_tiers: 'AUTORISE_CONTRAT_FOURNITURE', id_pce: HOUSE_PCE }, 1],
    ['a proof', { statut_controle_preuve: 'Preuve en attente' }, 0],
    ['nothing', {}, 2],
  ])('by %s', async (_what, filters, many) => {
    const { list } = await aThirdParty()
    expect(idsOf(await list(filters))).toHaveLength(many)
  })
  test.each<[string, unknown, RightCode]>([
    ['a filter that it has not', { nom_titulaire: 'X' }, 'unreadable'],
    ['an inherited name', { constructor: 'X' }, 'unreadable'],
    ['a number', { id_pce: 1 }, 'unreadable'],
    ['a list', [], 'unreadable'],
    ['a state that there is not', { etat_droit_acces: 'Ouverte' }, 'unreadable'],
    ['a point that is none', { id_pce: ['1'] }, 'pce_format'],
    ['a thousand and one points', { id_pce: Array.from({ length: 1001 }, () => HOUSE_PCE) }, 'list_too_long'],
  ])('refuses %s', async (_what, filters, code) => {
    const { list } = await aThirdParty()
    expect(said(await list(filters))).toStrictEqual(coded(code))
  })
  test('without a token, and with another parameter', async () => {
    const { sandbox, get } = await aThirdParty()
    const answer = await fetch(`${sandbox.url}/adict/v2/droits_acces`)
    expect([answer.status, ((await answer.json()) as { code_statut_traitement: string }).code_statut_traitement]).toStrictEqual(
      coded('list_unauthorized'),
    )
    for (const query of ['statut_controle=2', 'statut_controle=1&statut_controle=1', 'x=1'])
      expect(said(await get(`/adict/v2/droits_acces?${query}`))).toStrictEqual(coded('unreadable'))
  })
})

describe('giving a right back', () => {
  const path = `/adict/v2/droit_acces/${HOUSE_RIGHT}`
  const json = (body: unknown): RequestInit => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  test('once', async () => {
    const { send, list } = await aThirdParty()
    expect(said(await send('PATCH', path))).toStrictEqual(coded('done'))
    expect((await list({ id_pce: HOUSE_PCE })).lines[0]).toMatchObject({ etat_droit_acces: 'Révoquée', source_revocation: 'TIERS' })
    expect(said(await send('PATCH', path))).toStrictEqual(coded('revoked'))
  })
  test('with an empty object, and with nothing else', async () => {
    const { send } = await aThirdParty()
    for (const body of [{ motif: 'x' }, [], 'x', null])
      expect(said(await send('PATCH', path, json(body)))).toStrictEqual(coded('revoke_unreadable'))
    expect(said(await send('PATCH', `${path}?x=1`))).toStrictEqual(coded('revoke_unreadable'))
    expect(said(await send('PATCH', path, json({})))).toStrictEqual(coded('done'))
  })
  test('not one that was refused, nor one of the holder itself', async () => {
    const { send, sandbox } = await aThirdParty()
    const refused = sandbox.adict.order({ pce: MONTHLY, state: 'to_validate' })
    expect(sandbox.adict.refuse(refused.id)).toBe(true)
    const own = sandbox.adict.order({ pce: MONTHLY, role: 'DETENTEUR_CONTRAT_FOURNITURE' })
    for (const { id } of [refused, own]) expect(said(await send('PATCH', `/adict/v2/droit_acces/${id}`))).toStrictEqual(coded('incoherent'))
  })
})

describe('proofs', () => {
  const path = `/adict/v2/droit_acces/${HOUSE_RIGHT}/preuves`
  const PDF = '%PDF-1.7\n%%EOF'
  function form(...files: readonly (string | Uint8Array<ArrayBuffer>)[]): RequestInit {
    const body = new FormData()
    for (const [i, bytes] of files.entries()) body.append('preuves', new Blob([bytes]), `preuve-${i}.pdf`)
    return { body }
  }
  const proofOf = async ({ list }: ThirdParty): Promise<unknown> => (await list({ id_pce: HOUSE_PCE })).lines[0]?.statut_controle_preuve

  test('awaited, handed in, looked at', async () => {
    const party = await aThirdParty()
    const { send, sandbox, get } = party
    expect(said(await send('PUT', path, form(PDF)))).toStrictEqual(coded('proof_not_asked'))
    sandbox.adict.askProof(HOUSE_RIGHT)
    expect(idsOf(await get('/adict/v2/droits_acces?statut_controle=1'))).toStrictEqual([HOUSE_RIGHT])
    expect((await party.list({ id_pce: HOUSE_PCE })).lines[0]).toMatchObject({ date_limite_transmission_preuve: '2026-12-23' })
    expect(said(await send('PUT', path, form(PDF, PDF, PDF)))).toStrictEqual(coded('done'))
    expect(await proofOf(party)).toBe('Preuve en cours de vérification')
    expect(sandbox.adict.rights()[0]?.proof?.files).toHaveLength(3)
    expect(idsOf(await get('/adict/v2/droits_acces?statut_controle=1'))).toStrictEqual([])
    for (const [outcome, label] of [
      ['ok', 'Preuve Vérifiée OK'],
      ['ko', 'Preuve Vérifiée KO'],
    ] as const) {
      expect(sandbox.adict.proof(HOUSE_RIGHT, outcome)).toBe(true)
      expect(await proofOf(party)).toBe(label)
      expect(said(await send('PUT', path, form(PDF)))).toStrictEqual(coded('proof_not_asked'))
    }
  })
  test.each<[string, RequestInit, RightCode]>([
    ['no form', { body: PDF, headers: { 'Content-Type': 'application/pdf' } }, 'proof_not_multipart'],
    ['nothing', form(), 'proof_format'],
    ['four files', form(PDF, PDF, PDF, PDF), 'proof_format'],
    ['a text', form('bonjour'), 'proof_format'],
    ['one over 4 MB', form(new Uint8Array(Buffer.concat([Buffer.from(PDF), Buffer.alloc(4 * 1_048_576)]))), 'proof_too_large'],
    ['sixteen megabytes', form(new Uint8Array(Buffer.alloc(17 * 1_048_576, PDF))), 'proof_too_large'],
  ])('%s is refused', async (_what, init, code) => {
    const { send, sandbox } = await aThirdParty()
    sandbox.adict.askProof(HOUSE_RIGHT)
    expect(said(await send('PUT', path, init))).toStrictEqual(coded(code))
    expect(sandbox.adict.rights()[0]?.proof?.state).toBe('awaited')
  })
  test('of a right of somebody else', async () => {
    const party = await aThirdParty()
    party.sandbox.adict.askProof(HOUSE_RIGHT)
    const other = await party.as(OTHER_CLIENT)
    expect(said(await other.send('PUT', path, form(PDF)))).toStrictEqual(coded('no_right'))
  })
})

test('no code about rights is left out above', () => {
  const told = new Set<string>(MISTAKES.map(([, , , code]) => code))
  const elsewhere: readonly RightCode[] = [
    'done',
    'active',
    'waiting',
    'exists',
    'revoked',
    'list_too_long',
    'list_unauthorized',
    'no_right',
    'revoke_unreadable',
    'proof_not_multipart',
    'proof_format',
    'proof_not_asked',
    'proof_too_large',
  ]
  expect([...told, ...elsewhere].toSorted()).toStrictEqual(Object.keys(RIGHT_CODES).toSorted())
})
