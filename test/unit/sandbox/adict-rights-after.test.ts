/** What a third party does with its rights at the simulated GRDF: it lists them, gives them back, proves them. */
import { describe, expect, test } from 'vitest'
import { addDays } from '../../../src/domain/time.ts'
import type { RightCode } from '../../../src/sandbox/adict-codes.ts'
import { RIGHT_CODES } from '../../../src/sandbox/adict-codes.ts'
import type { AdictOrder } from '../../../src/sandbox/sandbox.ts'
import type { Heard, ThirdParty } from './adict-given.ts'
import { aThirdParty, BIOGAS, BOILER_PCE, FLAT, HOUSE_PCE, HOUSE_RIGHT, OTHER_CLIENT, SHOP } from './adict-given.ts'
import { TODAY } from './given.ts'

const said = (id: RightCode): object => ({ status: RIGHT_CODES[id].status, lines: [{ code_statut_traitement: RIGHT_CODES[id].code }] })
/** The points of the rights that a list tells. */
const pces = ({ lines }: Heard): readonly unknown[] => lines.slice(0, -1).map(({ id_pce }) => id_pce as unknown)

describe('the list', () => {
  /** Beside the two rights of the start, one of each further state. */
  async function several(): Promise<ThirdParty> {
    const gas = await aThirdParty()
    const { adict } = gas.sandbox
    adict.order({ pce: FLAT, state: 'to_validate' })
    adict.revoke(adict.order({ pce: SHOP }).id)
    adict.order({ pce: BIOGAS, validFrom: addDays(TODAY, -10), validUntil: addDays(TODAY, -1) })
    adict.askProof(HOUSE_RIGHT)
    return gas
  }

  test('has a right on each line, and at its end that all went well', async () => {
    const { list } = await several()
    const { status, type, lines } = await list()
    expect([status, type]).toStrictEqual([200, 'application/x-ndjson'])
    expect(lines.at(-1)).toStrictEqual({ code_statut_traitement: '0000000000', message_retour_traitement: expect.any(String) })
    expect(lines.slice(0, -1).map(({ id_pce: pce, etat_droit_acces: state }) => [pce, state])).toStrictEqual([
      [HOUSE_PCE, 'Active'],
      [BOILER_PCE, 'Active'],
      [FLAT, 'A valider'],
      [SHOP, 'Révoquée'],
      [BIOGAS, 'Obsolète'],
    ])
    expect(lines[0]).toStrictEqual({
      id_droit_acces: HOUSE_RIGHT,
      id_pce: HOUSE_PCE,
      role_tiers: 'AUTORISE_CONTRAT_FOURNITURE',
      raison_sociale_du_tiers: 'EXEMPLE ENERGIE SERVICES',
      nom_titulaire: 'FICTIF MAËLLE',
      raison_sociale_du_titulaire: null,
      courriel_titulaire: 'fictif.maelle@exemple.invalid',
      numero_telephone_mobile_titulaire: '0600000000',
      code_postal: '00110',
      date_debut_droit_acces: '2026-08-17',
      date_fin_droit_acces: '2027-06-13',
      perim_donnees_conso_debut: '2025-10-21',
      perim_donnees_conso_fin: '2027-06-13',
      perim_donnees_contractuelles: 'Vrai',
      perim_donnees_techniques: 'Vrai',
      perim_donnees_informatives: 'Vrai',
      perim_donnees_publiees: 'Vrai',
      date_creation: '2026-11-25 10:00:00',
      etat_droit_acces: 'Active',
      date_revocation: null,
      source_revocation: null,
      date_passage_a_obsolete: null,
      source_passage_a_obsolete: null,
      date_passage_a_refuse: null,
      source_passage_a_refuse: null,
      parcours: 'TIERS_DIRECT',
      statut_controle_preuve: 'Preuve en attente',
      date_limite_transmission_preuve: '2026-12-23',
    })
  })

  test.each<[string, unknown, readonly string[]]>([
    ['nothing', {}, [HOUSE_PCE, BOILER_PCE, FLAT, SHOP, BIOGAS]],
    ['a point', { id_pce: FLAT }, [FLAT]],
    ['points', { id_pce: [SHOP, BOILER_PCE] }, [BOILER_PCE, SHOP]],
    ['a point without a right', { id_pce: ['99000000000002'] }, []],
    ['no point', { id_pce: [] }, []],
    ['a state, whatever its accents', { etat_droit_acces: ['revoquee', 'A VALIDER'] }, [FLAT, SHOP]],
    ['a role', { role_tiers: 'AUTORISE_CONTRAT_INJECTION' }, [BIOGAS]],
    ['evidence', { statut_controle_preuve: ['Preuve en attente'] }, [HOUSE_PCE]],
    ['two things at once', { etat_droit_acces: 'Active', id_pce: [HOUSE_PCE, FLAT] }, [HOUSE_PCE]],
    ['1000 points', { id_pce: Array.from({ length: 1000 }, () => FLAT) }, [FLAT]],
  ])('can be asked for %s', async (_what, filters, wanted) => {
    const { list } = await several()
    expect(pces(await list(filters))).toStrictEqual(wanted)
  })

  test.each<[string, unknown, RightCode]>([
    ['1001 points', { id_pce: Array.from({ length: 1001 }, () => FLAT) }, 'list_too_long'],
    ['a point that is none', { id_pce: [FLAT, 'x'] }, 'pce_format'],
    ['an unknown filter', { parcours: 'TIERS_DIRECT' }, 'unreadable'],
    ['an unknown state', { etat_droit_acces: 'Actif' }, 'unreadable'],
    ['an unknown role', { role_tiers: ['TIERS'] }, 'unreadable'],
    ['a number', { id_pce: 99_000_000_000_004 }, 'unreadable'],
    ['null', { id_pce: null }, 'unreadable'],
    ['a list', [], 'unreadable'],
  ])('refuses %s', async (_what, filters, code) => {
    const { list } = await several()
    expect(await list(filters)).toMatchObject(said(code))
  })

  test('of those whose evidence is awaited is asked for by a parameter, and by no other', async () => {
    const { get } = await several()
    expect(pces(await get('/adict/v2/droits_acces?statut_controle=1'))).toStrictEqual([HOUSE_PCE])
    for (const query of ['statut_controle=2', 'statut_controle=', 'x=1', 'statut_controle=1&statut_controle=1'])
      expect(await get(`/adict/v2/droits_acces?${query}`)).toMatchObject(said('unreadable'))
  })

  test('says when a right ended, and by whom', async () => {
    const { list, send, sandbox } = await several()
    await send('PATCH', `/adict/v2/droit_acces/${HOUSE_RIGHT}`)
    sandbox.adict.moveOut(BOILER_PCE)
    sandbox.adict.refuse(sandbox.adict.rights()[2]?.id ?? '')
    expect((await list()).lines.slice(0, -1)).toMatchObject([
      { date_revocation: '2026-11-25 10:00:00', source_revocation: 'TIERS', date_passage_a_obsolete: null },
      { date_passage_a_obsolete: '2026-11-25 10:00:00', source_passage_a_obsolete: 'GRDF', date_revocation: null },
      { date_passage_a_refuse: '2026-11-25 10:00:00', source_passage_a_refuse: 'TITULAIRE' },
      { date_revocation: '2026-11-25 10:00:00', source_revocation: 'TITULAIRE' },
      { date_passage_a_obsolete: '2026-11-25 00:00:00', source_passage_a_obsolete: 'GRDF' },
    ])
  })

  test('another client sees nothing of it, nor can it touch any', async () => {
    const { as, sandbox } = await several()
    const other = await as(OTHER_CLIENT)
    expect(pces(await other.list())).toStrictEqual([])
    expect(pces(await other.list({ id_pce: HOUSE_PCE }))).toStrictEqual([])
    expect(await other.send('PATCH', `/adict/v2/droit_acces/${HOUSE_RIGHT}`)).toMatchObject(said('no_right'))
    expect(await upload(other, [PDF])).toMatchObject(said('no_right'))
    sandbox.adict.order({ pce: FLAT, clientId: OTHER_CLIENT.clientId })
    expect(pces(await other.list())).toStrictEqual([FLAT])
    expect((await other.list()).lines[0]).toMatchObject({ raison_sociale_du_tiers: 'AUTRE TIERS' })
  })
})

describe('a right is given back', () => {
  const give = ({ send }: ThirdParty, id: string, body?: string, query = ''): Promise<Heard> =>
    send(
      'PATCH',
      `/adict/v2/droit_acces/${id}${query}`,
      body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } },
    )

  test.each([undefined, '', '{}'])('once, with the body %o', async (body) => {
    const gas = await aThirdParty()
    expect(await give(gas, HOUSE_RIGHT, body)).toMatchObject(said('done'))
    expect(gas.sandbox.adict.rights()[0]).toMatchObject({ state: 'revoked', ended: { by: 'third_party' } })
    expect(await give(gas, HOUSE_RIGHT, body)).toMatchObject(said('revoked'))
  })

  test.each([
    ['something in its body', '{"motif":"x"}', ''],
    ['a list', '[]', ''],
    ['broken JSON', '{', ''],
    ['a query', undefined, '?x=1'],
  ])('not with %s', async (_what, body, query) => {
    const gas = await aThirdParty()
    expect(await give(gas, HOUSE_RIGHT, body, query)).toMatchObject(said('revoke_unreadable'))
    expect(gas.sandbox.adict.rights()[0]?.state).toBe('active')
  })

  test.each<[string, Partial<AdictOrder>, RightCode]>([
    ['that waits', { state: 'to_validate' }, 'done'],
    ['that is to be checked', { state: 'to_check' }, 'done'],
    ['of the holder itself', { role: 'DETENTEUR_CONTRAT_FOURNITURE' }, 'incoherent'],
    ['that is over', { validFrom: addDays(TODAY, -9), validUntil: addDays(TODAY, -1) }, 'incoherent'],
  ])('one %s', async (_what, order, code) => {
    const gas = await aThirdParty()
    expect(await give(gas, gas.sandbox.adict.order({ pce: FLAT, ...order }).id)).toMatchObject(said(code))
  })

  test('not where it was refused, or is unknown', async () => {
    const gas = await aThirdParty()
    const { id } = gas.sandbox.adict.order({ pce: FLAT, state: 'to_validate' })
    gas.sandbox.adict.refuse(id)
    expect(await give(gas, id)).toMatchObject(said('incoherent'))
    expect(await give(gas, '00000000-0000-4000-8000-0000000000ff')).toMatchObject(said('no_right'))
  })
})

const FOUR_MB = 4 * 1_048_576

interface Part {
  readonly name: string
  readonly bytes: Buffer
}
const part = (name: string, beginning: string, length = 100): Part => ({
  name,
  bytes: Buffer.concat([Buffer.from(beginning, 'latin1'), Buffer.alloc(length - beginning.length)]),
})
const PDF = part('accord.pdf', '%PDF-1.7')
const PNG = part('accord.png', '\u0089PNG\r\n\u001A\n')
const JPEG = part('accord.jpg', '\u00FF\u00D8\u00FF\u00E0')

function upload(
  { send }: Pick<ThirdParty, 'send'>,
  files: readonly Part[],
  { id = HOUSE_RIGHT, as = 'preuves', query = '' } = {},
): Promise<Heard> {
  const form = new FormData()
  for (const { name, bytes } of files) form.append(as, new Blob([new Uint8Array(bytes)]), name)
  return send('PUT', `/adict/v2/droit_acces/${id}/preuves${query}`, { body: form })
}

describe('evidence', () => {
  async function awaited(): Promise<ThirdParty> {
    const gas = await aThirdParty()
    gas.sandbox.adict.askProof(HOUSE_RIGHT)
    return gas
  }
  const proof = ({ sandbox }: ThirdParty) => sandbox.adict.rights()[0]?.proof

  test('is asked for, sent, looked at', async () => {
    const gas = await awaited()
    const label = async (): Promise<unknown> => (await gas.list()).lines[0].statut_controle_preuve
    expect(await label()).toBe('Preuve en attente')
    expect(await upload(gas, [PDF, PNG])).toMatchObject(said('done'))
    expect(await label()).toBe('Preuve en cours de vérification')
    expect(await upload(gas, [JPEG])).toMatchObject(said('done'))
    expect(proof(gas)?.files).toStrictEqual([PDF, PNG, JPEG].map(({ name }) => ({ name, bytes: 100 })))
    gas.sandbox.adict.proof(HOUSE_RIGHT, 'ok')
    expect(await label()).toBe('Preuve Vérifiée OK')
    expect(await upload(gas, [PDF])).toMatchObject(said('proof_not_asked'))
    gas.sandbox.adict.proof(HOUSE_RIGHT, 'ko')
    expect(await label()).toBe('Preuve Vérifiée KO')
    expect((await gas.list({ etat_droit_acces: 'Active', statut_controle_preuve: 'Preuve Vérifiée KO' })).lines).toHaveLength(2)
  })

  test('that is overdue is still awaited, and taken', async () => {
    const gas = await aThirdParty()
    gas.sandbox.adict.askProof(HOUSE_RIGHT, addDays(TODAY, -1))
    expect((await gas.get('/adict/v2/droits_acces?statut_controle=1')).lines[0]).toMatchObject({
      date_limite_transmission_preuve: '2026-11-24',
      statut_controle_preuve: 'Preuve en attente',
    })
    expect(await upload(gas, [PDF])).toMatchObject(said('done'))
  })

  test('nobody asked for', async () => {
    const gas = await aThirdParty()
    expect(await upload(gas, [PDF])).toMatchObject(said('proof_not_asked'))
    expect(gas.sandbox.adict.proof(HOUSE_RIGHT, 'ok')).toBe(false)
    gas.sandbox.adict.revoke(HOUSE_RIGHT)
    expect(gas.sandbox.adict.askProof(HOUSE_RIGHT)).toBe(false)
  })

  const FULL = part('full.pdf', '%PDF-', FOUR_MB)
  const LARGE = part('large.pdf', '%PDF-', FOUR_MB + 1)
  test.each<[string, readonly Part[], Parameters<typeof upload>[2], RightCode]>([
    ['three files of 4 MB', [FULL, FULL, FULL], {}, 'done'],
    ['a byte too many', [LARGE], {}, 'proof_too_large'],
    ['more than can be read', [LARGE, LARGE, LARGE, LARGE], {}, 'proof_too_large'],
    ['four files', [PDF, PDF, PDF, PDF], {}, 'proof_format'],
    ['no file', [], {}, 'proof_format'],
    ['text', [part('accord.pdf', 'I agree')], {}, 'proof_format'],
    ['a right file and a wrong one', [PDF, part('accord.gif', 'GIF89a')], {}, 'proof_format'],
    ['an empty file', [part('accord.pdf', '', 0)], {}, 'proof_format'],
    ['another name', [PDF], { as: 'preuve' }, 'proof_format'],
    ['a query', [PDF], { query: '?x=1' }, 'proof_format'],
    ['an unknown right', [PDF], { id: 'x' }, 'no_right'],
  ])('with %s', async (_what, files, how, code) => {
    const gas = await awaited()
    expect(await upload(gas, files, how)).toMatchObject(said(code))
    expect(proof(gas)?.files).toHaveLength(code === 'done' ? files.length : 0)
  })

  test.each<[string, RequestInit, RightCode]>([
    ['a bare file', { body: new Uint8Array(PDF.bytes), headers: { 'Content-Type': 'application/pdf' } }, 'proof_not_multipart'],
    ['nothing', {}, 'proof_not_multipart'],
    ['parts without a boundary', { body: 'x', headers: { 'Content-Type': 'multipart/form-data; x=1' } }, 'proof_format'],
    ['a field that is no file', { body: textField() }, 'proof_format'],
  ])('as %s', async (_what, init, code) => {
    const { send } = await awaited()
    expect(await send('PUT', `/adict/v2/droit_acces/${HOUSE_RIGHT}/preuves`, init)).toMatchObject(said(code))
  })
})

function textField(): FormData {
  const form = new FormData()
  form.append('preuves', '%PDF-1.7')
  return form
}
