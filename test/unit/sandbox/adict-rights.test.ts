/** Rights at the simulated GRDF: declared, and accepted by mail or not. */
import { describe, expect, test } from 'vitest'
import type { RightCode } from '../../../src/sandbox/adict-codes.ts'
import { RIGHT_CODES } from '../../../src/sandbox/adict-codes.ts'
import type { ThirdParty } from './adict-given.ts'
import { aThirdParty, BIOGAS, ENDED, FLAT, HOUSE_PCE, OTHER_CLIENT, OTHER_POSTCODE, SHOP } from './adict-given.ts'
import { NOW, TODAY } from './given.ts'

type Body = Readonly<Record<string, unknown>>
type Bad = [what: string, code: RightCode, body: unknown, pce?: string]
const HOUR_MS = 3_600_000

/** A declaration about the flat with which nothing is wrong, changed; what is undefined is left out. */
const flat = (change: Body = {}): Body => ({
  role_tiers: 'AUTORISE_CONTRAT_FOURNITURE',
  nom_titulaire: 'INVENTÉE SALOMÉ',
  code_postal: '00110',
  courriel_titulaire: 'salome@exemple.invalid',
  date_debut_droit_acces: '2026-11-25',
  date_fin_droit_acces: '2027-11-24',
  perim_donnees_conso_debut: '2024-11-25',
  perim_donnees_conso_fin: '2027-11-24',
  perim_donnees_contractuelles: 'Vrai',
  perim_donnees_publiees: 'Vrai',
  ...change,
})
const shop = (change: Body = {}): Body =>
  flat({ nom_titulaire: undefined, raison_sociale: 'BOULANGERIE MODÈLE SARL', code_postal: '00330', ...change })
const biogas = (change: Body = {}): Body =>
  shop({
    role_tiers: 'AUTORISE_CONTRAT_INJECTION',
    raison_sociale: 'BIOGAZ FICTIF SAS',
    perim_donnees_conso_debut: undefined,
    perim_donnees_conso_fin: undefined,
    perim_donnees_inj_debut: '2025-01-01',
    perim_donnees_inj_fin: '2026-12-31',
    ...change,
  })

const said = (id: RightCode): object => ({ status: RIGHT_CODES[id].status, lines: [{ code_statut_traitement: RIGHT_CODES[id].code }] })

describe('a declaration', () => {
  const BAD: readonly Bad[] = [
    ['no role', 'role_missing', flat({ role_tiers: undefined })],
    ['an unknown role', 'role_missing', flat({ role_tiers: 'TIERS' })],
    ['both names', 'name_twice', flat({ raison_sociale: 'INVENTÉE SA' })],
    ['no name', 'name_missing', flat({ nom_titulaire: undefined })],
    ['a blank name', 'name_missing', flat({ nom_titulaire: ' ' })],
    ['no postcode', 'postcode_missing', flat({ code_postal: undefined })],
    ['a postcode of four digits', 'postcode_format', flat({ code_postal: '0110' })],
    ['no e-mail address', 'email_missing', flat({ courriel_titulaire: undefined })],
    ['an e-mail address without a dot', 'email_format', flat({ courriel_titulaire: 'salome@exemple' })],
    [
      'a bad e-mail address of who needs none',
      'email_format',
      flat({ role_tiers: 'DETENTEUR_CONTRAT_FOURNITURE', courriel_titulaire: '' }),
    ],
    ['no word of contract data', 'contract_missing', flat({ perim_donnees_contractuelles: undefined })],
    ['a switch that is a boolean word', 'unreadable', flat({ perim_donnees_publiees: 'true' })],
    ['a switch that is a boolean', 'unreadable', flat({ perim_donnees_publiees: true })],
    ['a member that is null', 'unreadable', flat({ numero_telephone_mobile_titulaire: null })],
    ['an unknown member', 'unreadable', flat({ commentaire: 'x' })],
    ['a day that is none', 'unreadable', flat({ date_fin_droit_acces: '2027-02-29' })],
    ['a list', 'unreadable', [flat()]],
    ['text', 'unreadable', 'declare'],
    ['nothing asked for', 'incoherent', flat({ perim_donnees_contractuelles: 'Faux', perim_donnees_publiees: 'Faux' })],
    ['no end of the right', 'incoherent', flat({ date_fin_droit_acces: undefined })],
    ['a beginning tomorrow', 'incoherent', flat({ date_debut_droit_acces: '2026-11-26' })],
    ['an end yesterday', 'incoherent', flat({ date_fin_droit_acces: '2026-11-24', perim_donnees_conso_fin: '2026-11-24' })],
    ['data from tomorrow on', 'incoherent', flat({ perim_donnees_conso_debut: '2026-11-26' })],
    ['data that end before they begin', 'incoherent', flat({ perim_donnees_conso_fin: '2024-11-24' })],
    ['data after the right', 'incoherent', flat({ perim_donnees_conso_fin: '2027-11-25' })],
    ['injected days of a consumer', 'incoherent', flat({ perim_donnees_inj_debut: '2025-01-01', perim_donnees_inj_fin: '2025-01-02' })],
    ['another name', 'incoherent', flat({ nom_titulaire: 'INVENTÉE SIDONIE' })],
    ['a person as a company', 'incoherent', flat({ nom_titulaire: undefined, raison_sociale: 'INVENTÉE SALOMÉ' })],
    ['injection at a point that injects nothing', 'incoherent', biogas({ raison_sociale: 'BOULANGERIE MODÈLE SARL' }), SHOP],
    ['no days', 'consumption_missing', flat({ perim_donnees_conso_debut: undefined, perim_donnees_conso_fin: undefined })],
    ['no first day', 'consumption_missing', flat({ perim_donnees_conso_debut: undefined })],
    ['no last day', 'consumption_missing', flat({ perim_donnees_conso_fin: undefined })],
    ['no first day of injection', 'injection_missing', biogas({ perim_donnees_inj_debut: undefined }), BIOGAS],
    ['no last day of injection', 'injection_missing', biogas({ perim_donnees_inj_fin: undefined }), BIOGAS],
    ['a point of 13 digits', 'pce_format', flat(), '9900000000004'],
    ['an unknown point', 'pce_unknown', flat(), '99000000000999'],
    ['a contract that is over', 'contract_ended', flat({ nom_titulaire: 'PARTI ERWAN', code_postal: '00220' }), ENDED],
    ['the postcode of the bills', 'postcode_differs', flat({ nom_titulaire: 'ÉCART PAUL' }), OTHER_POSTCODE],
    ['the same right again', 'exists', flat({ nom_titulaire: 'FICTIF MAËLLE' }), HOUSE_PCE],
  ]
  test.each<Bad>(BAD)('with %s is refused: %s', async (_what, code, body, pce = FLAT) => {
    const { put, sandbox } = await aThirdParty()
    expect(await put(pce, body)).toMatchObject(said(code))
    expect(sandbox.adict.rights()).toHaveLength(2)
    expect(sandbox.adict.mails()).toStrictEqual([])
  })

  test('each code is provoked so, or belongs to no bad declaration', () => {
    const others: readonly RightCode[] = [
      ...(['done', 'active', 'waiting', 'revoked', 'revoke_unreadable', 'no_right', 'list_too_long', 'list_unauthorized'] as const),
      ...(['proof_not_multipart', 'proof_format', 'proof_not_asked', 'proof_too_large'] as const),
    ]
    const provoked = BAD.map(([, code]) => code)
    expect([...new Set([...provoked, ...others])].toSorted()).toStrictEqual(Object.keys(RIGHT_CODES).toSorted())
    expect(others.filter((code) => provoked.includes(code))).toStrictEqual([])
  })

  test.each<[string, string, RequestInit]>([
    ['no body', '', {}],
    ['a form', '', { body: new URLSearchParams({ role_tiers: 'x' }) }],
    ['broken JSON', '', { body: '{', headers: { 'Content-Type': 'application/json' } }],
    ['a query', '?x=1', { body: JSON.stringify(flat()), headers: { 'Content-Type': 'application/json' } }],
  ])('that comes with %s is not read', async (_what, query, init) => {
    const { send } = await aThirdParty()
    expect(await send('PUT', `/adict/v2/pce/${FLAT}/droit_acces${query}`, init)).toMatchObject(said('unreadable'))
  })

  test('of a person waits, and is told as it was taken', async () => {
    const { put, sandbox } = await aThirdParty()
    const { status, lines } = await put(FLAT, flat({ nom_titulaire: 'inventee  SALOME', perim_donnees_publiees: 'vrai' }))
    expect(status).toBe(201)
    expect(lines).toStrictEqual([
      {
        code_statut_traitement: '0000000002',
        message_retour_traitement: expect.any(String),
        id_droit_acces: sandbox.adict.rights().at(-1)?.id,
        id_pce: FLAT,
        role_tiers: 'AUTORISE_CONTRAT_FOURNITURE',
        etat_droit_acces: 'A valider',
        date_creation_droit_acces: '2026-11-25 10:00:00',
        date_debut_droit_acces: '2026-11-25',
        date_fin_droit_acces: '2027-11-24',
        nom_titulaire: 'inventee  SALOME',
        raison_sociale_du_titulaire: null,
        courriel_titulaire: 'salome@exemple.invalid',
        code_postal: '00110',
        perim_donnees_conso_debut: '2024-11-25',
        perim_donnees_conso_fin: '2027-11-24',
        perim_donnees_contractuelles: 'Vrai',
        perim_donnees_techniques: 'Faux',
        perim_donnees_informatives: 'Faux',
        perim_donnees_publiees: 'Vrai',
        parcours: 'TIERS_DIRECT',
      },
    ])
  })

  test('of injections has their period, and nothing informative', async () => {
    const { put } = await aThirdParty()
    const [line] = (await put(BIOGAS, biogas())).lines
    expect(line).toMatchObject({ perim_donnees_inj_debut: '2025-01-01', perim_donnees_inj_fin: '2026-12-31' })
    expect(line).not.toHaveProperty('perim_donnees_conso_debut')
    expect(line).not.toHaveProperty('perim_donnees_informatives')
  })

  test('needs no days where no readings are asked for', async () => {
    const { put } = await aThirdParty()
    const without = { perim_donnees_publiees: 'Faux', perim_donnees_conso_debut: undefined, perim_donnees_conso_fin: undefined }
    expect(await put(FLAT, flat(without))).toMatchObject({ ...said('waiting'), lines: [{ perim_donnees_conso_debut: null }] })
  })

  test('of the holder itself gives all at once, for three years, and nobody is asked', async () => {
    const { put, sandbox } = await aThirdParty()
    const holder = { role_tiers: 'DETENTEUR_CONTRAT_FOURNITURE', nom_titulaire: 'INVENTÉE SALOMÉ', code_postal: '00110' }
    expect(await put(FLAT, holder)).toMatchObject({ ...said('active'), lines: [{ etat_droit_acces: 'Active', courriel_titulaire: null }] })
    expect(sandbox.adict.rights().at(-1)).toMatchObject({
      validFrom: TODAY,
      validUntil: '2029-11-25',
      dataFrom: null,
      families: ['published', 'informative', 'contract', 'technical'],
      mail: null,
    })
    expect(sandbox.adict.mails()).toStrictEqual([])
  })

  test.each(['to_validate', 'active', 'to_check', 'refused', 'revoked'] as const)(
    'stands in the way of another while it is %s',
    async (state) => {
      const { put, sandbox, as } = await aThirdParty()
      const { id } = sandbox.adict.order({ pce: FLAT, state: state === 'active' || state === 'to_check' ? state : 'to_validate' })
      if (state === 'refused') sandbox.adict.refuse(id)
      if (state === 'revoked') sandbox.adict.revoke(id)
      expect(await put(FLAT, flat())).toMatchObject(said(state === 'refused' || state === 'revoked' ? 'waiting' : 'exists'))
      expect(await (await as(OTHER_CLIENT)).put(FLAT, flat())).toMatchObject(said('waiting'))
    },
  )
})

describe('the mail', () => {
  async function asked(pce: string, body: Body): Promise<ThirdParty & { readonly path: string; state(): string | undefined }> {
    const gas = await aThirdParty()
    await gas.put(pce, body)
    const [mail] = gas.sandbox.adict.mails()
    return { ...gas, path: mail?.path ?? '', state: () => gas.sandbox.adict.rights().at(-1)?.state }
  }
  const decide = (decision: string): RequestInit => ({ body: new URLSearchParams({ decision }) })

  test('goes to the address that was given, and leads to a page that says what is asked', async () => {
    const { path, get, sandbox } = await asked(FLAT, flat())
    const [right] = sandbox.adict.rights().slice(-1)
    expect(sandbox.adict.mails()).toStrictEqual([{ to: 'salome@exemple.invalid', right: right?.id, pce: FLAT, path }])
    expect((await get('/en/adict/mail')).text).toContain(`href="/en${path}"`)
    const { status, text } = await get(`/en${path}`)
    expect(status).toBe(200)
    for (const told of ['EXEMPLE ENERGIE SERVICES', 'INVENTÉE SALOMÉ', FLAT, 'published data', 'contract data'])
      expect(text).toContain(told)
    expect(text).not.toContain('technical data')
    expect((await get('/en/adict/mail/nothing')).status).toBe(404)
  })

  test.each([
    ['accept', 'active'],
    ['refuse', 'refused'],
  ])('%s: the right is %s, and no later answer changes it', async (decision, state) => {
    const mail = await asked(FLAT, flat())
    expect(await mail.send('POST', mail.path, decide('perhaps'))).toMatchObject({ status: 400 })
    expect(mail.state()).toBe('to_validate')
    expect(await mail.send('POST', mail.path, decide(decision))).toMatchObject({ status: 303 })
    expect(mail.state()).toBe(state)
    await mail.send('POST', mail.path, decide(decision === 'accept' ? 'refuse' : 'accept'))
    expect(mail.state()).toBe(state)
    expect((await mail.get(mail.path)).text).not.toContain('name="decision"')
  })

  test('a company that is silent for two days has accepted, a person never has', async () => {
    const company = await asked(SHOP, shop())
    company.clock.now = NOW + 48 * HOUR_MS - 1
    expect(company.state()).toBe('to_validate')
    company.clock.now += 1
    expect(company.state()).toBe('active')
    expect(company.sandbox.adict.refuse(company.sandbox.adict.rights().at(-1)?.id ?? '')).toBe(false)
    const person = await asked(FLAT, flat())
    person.clock.now = NOW + 300 * 24 * HOUR_MS
    expect(person.state()).toBe('to_validate')
  })

  test('a right ends with its last day, in Paris', async () => {
    const { clock, sandbox } = await aThirdParty()
    const { id } = sandbox.adict.order({ pce: FLAT, validUntil: TODAY })
    const right = () => sandbox.adict.rights().find((one) => one.id === id)
    clock.now = Date.UTC(2026, 10, 25, 23) - 1
    expect(right()?.state).toBe('active')
    clock.now += 1
    expect(right()).toMatchObject({ state: 'obsolete', ended: { by: 'end', at: clock.now } })
  })
})
