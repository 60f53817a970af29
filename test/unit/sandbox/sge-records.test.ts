/** What the simulated SGE tells of a meter besides its measures by day, and whom it finds. */
import { expect, test } from 'vitest'
import { all, aSender, cmd, example, HOUSE, inside, LOGIN, NEW_FLAT, TOWN_HALL, ways } from './sge-given.ts'

const cm = (replaced: Readonly<Record<string, string>> = {}): string => example('cm-v11-request', replaced)
const cdtc = (replaced: Readonly<Record<string, string>> = {}): string => example('cdtc-v1-request', replaced)

test('billing periods follow each other from the 14th to the 14th, over three years, by two grids', async () => {
  const { send } = await aSender()
  const { text, code } = await send('CM', cm())
  expect(code).toBe('SGT200')
  expect(all(text, 'loginDemandeur')).toStrictEqual([LOGIN])
  const series = inside(text, 'seriesMesuresDateesGrilleTurpe').children
  expect(series).toHaveLength(4)
  expect(inside(text, 'seriesMesuresDateesGrilleFrn').children).toHaveLength(2)
  const [from, until] = [all(text, 'dateDebut'), all(text, 'dateFin')]
  expect([from[0], until[34]]).toStrictEqual(['2023-04-14', '2026-03-14'])
  expect(from.slice(1, 35)).toStrictEqual(until.slice(0, 34))
})

test('what was billed is what was measured', async () => {
  const { send } = await aSender()
  const { text } = await send('CM', cm())
  const i = all(text, 'dateDebut').indexOf('2026-01-14')
  const billed = [0, 35, 70, 105].map((at) => Number(all(text, 'valeur')[i + at])).reduce((sum, kwh) => sum + kwh, 0)
  const energy = await send('CMD', cmd({ type: 'ENERGIE', physique: 'EA', from: '2026-01-14', until: '2026-02-14' }))
  const measured = all(energy.text, 'v').reduce((sum, wh) => sum + Number(wh), 0) / 1000
  expect(Math.abs(billed - measured)).toBeLessThan(3)
})

test.each([
  ['autorisationClient=false', cm({ '<autorisationClient>true': '<autorisationClient>false' }), 'SGT4G2'],
  ['no word of it', cm({ '<autorisationClient>true</autorisationClient>': '' }), 'SGT4G2'],
  ['a contract with a new customer', cm({ autorisationClient: 'contratConcluNouveauClientSurSite' }), 'SGT200'],
  ['an unknown meter', cm({ [HOUSE]: '99999000000000' }), 'SGT401'],
])('CM, %s', async (_name, envelope, code) => {
  const { send } = await aSender()
  expect((await send('CM', envelope)).code).toBe(code)
})

test('nothing is told of before the present holder; a C4 meter has no supplier’s grid', async () => {
  const { send } = await aSender()
  expect((await send('CM', cm({ [HOUSE]: NEW_FLAT }))).code).toBe('SGT4G3')
  expect((await send('CM', cm({ [HOUSE]: TOWN_HALL }))).text).not.toContain('seriesMesuresDateesGrilleFrn')
})

test('the record of a meter tells its keys to everybody, and its contract to who is authorised', async () => {
  const { send } = await aSender()
  const full = await send('CDTC', cdtc())
  expect(full.code).toBe('SGT200')
  const compteur = inside(inside(full.text, 'situationComptage').uri === '' ? full.text : '', 'compteur')
  expect(compteur.children.map(({ name }) => name)).toStrictEqual(['matricule', 'ticActivee', 'plagesHeuresCreuses', 'parametresTeleAcces'])
  expect(ways(full.text).filter((way) => way.endsWith('dispositifComptage/compteurs/compteur/parametresTeleAcces/cle'))).toHaveLength(1)
  expect(inside(full.text, 'point').children.map(({ name }) => name)).toStrictEqual([
    'donneesGenerales',
    'situationAlimentation',
    'situationComptage',
    'situationContractuelle',
  ])
  for (const envelope of [
    cdtc({ '<autorisationClient>true': '<autorisationClient>0' }),
    cdtc({ '<autorisationClient>true</autorisationClient>': '' }),
  ]) {
    const bare = await send('CDTC', envelope)
    expect(bare.code).toBe('SGT200')
    expect(bare.text).not.toContain('situationContractuelle')
    expect(bare.text).toContain('parametresTeleAcces')
  }
  expect((await send('CDTC', cdtc({ [HOUSE]: '99999000000000' }))).code).toBe('SGT401')
})

test('a search finds neighbours, with their names and addresses', async () => {
  const { send } = await aSender()
  const { text, code } = await send('RP', example('rp-v2-request'))
  expect(code).toBe('SGT200')
  expect(inside(text, 'points').children.map(({ attributes }) => attributes[0]?.value)).toContain(HOUSE)
  expect(all(text, 'nomClientFinalOuDenominationSociale')).toStrictEqual(['EXEMPLE Camille', 'EXEMPLE Louise', 'EXEMPLE-MARTIN Paul'])
  expect(all(text, 'ligne4')).toStrictEqual(['12 RUE DU MOULIN', '10 RUE DU MOULIN', '12 B RUE DU MOULIN'])
  expect(all(text, 'matricule')).toHaveLength(3)
  expect(all(text, 'infoFonctionnelles')).toStrictEqual([])
})

const NAME = '<nomClientFinalOuDenominationSociale>EXEMPLE</nomClientFinalOuDenominationSociale>'
const ADDRESS = /<adresseInstallation>[\s\S]*<\/adresseInstallation>/
const rp = (criteres: string): string =>
  example('rp-v2-request').replace(/<criteres>[\s\S]*<\/criteres>/, `<criteres>${criteres}</criteres>`)
test.each([
  ['a name alone', example('rp-v2-request').replace(ADDRESS, ''), 'SGT4F7', 0],
  ['nothing', rp(''), 'SGT4F7', 0],
  ['a town alone', rp('<adresseInstallation><codePostal>00000</codePostal></adresseInstallation>'), 'SGT4F7', 0],
  ['a street', example('rp-v2-request').replace(NAME, ''), 'SGT200', 7],
  ['a tower', example('rp-v2-request', { '12 RUE DU MOULIN': '1 AVENUE DE LA TOUR' }).replace(NAME, ''), 'SGT4F8', 0],
  [
    'one building of it',
    rp(
      '<adresseInstallation><batiment>A</batiment><numeroEtNomVoie>1 AVENUE DE LA TOUR</numeroEtNomVoie><codePostal>00000</codePostal></adresseInstallation>',
    ),
    'SGT200',
    120,
  ],
  ['the number of a meter', rp('<matriculeOuNumeroSerie>SE000033</matriculeOuNumeroSerie>'), 'SGT200', 1],
  ['a company', rp('<numSiret>00000000000041</numSiret>'), 'SGT200', 1],
  ['nobody', example('rp-v2-request', { '>EXEMPLE<': '>PERSONNE<' }), 'SGT200', 0],
])('a search for %s', async (_name, envelope, code, found) => {
  const { send } = await aSender()
  const heard = await send('RP', envelope)
  expect(heard.code).toBe(code)
  expect(heard.text.split('<point id=').length - 1).toBe(found)
})
