/** Parts of the contract data, as the simulated GRDF is asked for them. */
import { expect, test } from 'vitest'
import { aThirdParty, data, HOUSE_PCE } from './adict-given.ts'

test.each([
  ['', ['car', 'cja', 'profil', 'tarif_acheminement', 'date_mes']],
  ['filtre=car', ['car']],
  ['filtre=date_mes&filtre=car', ['car', 'date_mes']],
  ['filtre=profil_type_actuel&filtre=cja', ['cja', 'profil']],
  ['filtre=tarif_acheminement', ['tarif_acheminement']],
])('«%s» gives %o', async (query, names) => {
  const gas = await aThirdParty()
  const { status, lines } = await gas.get(data('contract', HOUSE_PCE, query))
  expect(status).toBe(200)
  expect(Object.keys(lines[0].donnees_contractuelles as object)).toStrictEqual(names)
})

test.each([
  ['contract', 'filtre=adresse', 'filtre inconnue'],
  ['contract', 'filtre=car&filtre=adresse', 'filtre inconnue'],
  ['contract', 'filtre=', 'filtre inconnue'],
  ['contract', 'filtre=car&autre=1', 'Paramètre inconnu'],
  ['technical', 'filtre=car', 'Paramètre inconnu'],
] as const)('%s data with «%s» is refused', async (kind, query, why) => {
  const gas = await aThirdParty()
  const { status, text } = await gas.get(data(kind, HOUSE_PCE, query))
  expect(status).toBe(400)
  expect(text).toContain(why)
})
