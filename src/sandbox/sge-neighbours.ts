/**
 * Who lives in the town of the simulated SGE: the holders of its meters, their neighbours, and a tower of 240 flats that
 * is more than a search may find. It is looked through by street, not by house: a search finds neighbours.
 */
import type { SgeAddress } from './sge-points.ts'
import { nameOf, SGE_POINTS, SGE_TOWN } from './sge-points.ts'

export interface Resident {
  readonly pointId: string
  readonly name: string
  readonly category: 'RES' | 'PRO'
  readonly numSiret?: string
  readonly domaineTension: 'BTINF' | 'BTSUP'
  readonly address: SgeAddress
  readonly matricule: string
  readonly numeroSerie: string
}

const NEIGHBOURS: readonly (readonly [name: string, street: string])[] = [
  ['EXEMPLE Louise', '10 RUE DU MOULIN'],
  ['EXEMPLE-MARTIN Paul', '12 B RUE DU MOULIN'],
  ['VOISINE Anne', '13 RUE DU MOULIN'],
  ['TEMOIN Odile', '18 RUE DU MOULIN'],
  ['EXEMPLE Noor', '2 RUE DES ESSAIS'],
]
const FLATS = 240

export const RESIDENTS: readonly Resident[] = [
  ...SGE_POINTS.map(({ pointId, holder, segment, address, matricule, numeroSerie }): Resident => ({
    pointId,
    name: nameOf(holder),
    category: holder.is === 'personnePhysique' ? 'RES' : 'PRO',
    ...(holder.is === 'personneMorale' && { numSiret: holder.numSiret }),
    domaineTension: segment === 'C5' ? 'BTINF' : 'BTSUP',
    address,
    matricule,
    numeroSerie,
  })),
  ...NEIGHBOURS.map(([name, numeroEtNomVoie], i) => neighbour(9_900_001 + i, name, { numeroEtNomVoie, ...SGE_TOWN })),
  ...Array.from({ length: FLATS }, (_, i) =>
    neighbour(9_910_001 + i, `FICTIF ${String(i + 1).padStart(3, '0')}`, {
      numeroEtNomVoie: '1 AVENUE DE LA TOUR',
      batiment: i < FLATS / 2 ? 'A' : 'B',
      escalierEtEtageEtAppartement: `ETAGE ${Math.floor(i / 8)} PORTE ${i + 1}`,
      ...SGE_TOWN,
    }),
  ),
]

function neighbour(number: number, name: string, address: SgeAddress): Resident {
  const seven = String(number)
  return {
    pointId: `9999900${seven}`,
    name,
    category: 'RES',
    domaineTension: 'BTINF',
    address,
    matricule: `02190${seven}`,
    numeroSerie: `SE${seven}`,
  }
}

/** Those that fit all that is said. The number of a house does not count, and of a name a part is enough. */
export function residentsLike(said: (name: string) => string | undefined): Resident[] {
  const is = (name: string, value: string | undefined): boolean => {
    const wanted = said(name)
    return wanted === undefined || wanted.toUpperCase() === value?.toUpperCase()
  }
  const street = said('numeroEtNomVoie')
  const part = said('nomClientFinalOuDenominationSociale')?.toUpperCase()
  const label = said('matriculeOuNumeroSerie')
  return RESIDENTS.filter(
    ({ name, category, numSiret, domaineTension, address, matricule, numeroSerie }) =>
      is('codePostal', address.codePostal) &&
      is('codeInseeCommune', address.codePostal) &&
      is('batiment', address.batiment) &&
      is('escalierEtEtageEtAppartement', address.escalierEtEtageEtAppartement) &&
      is('lieuDit', undefined) &&
      is('numSiret', numSiret) &&
      is('categorieClientFinalCode', category) &&
      is('domaineTensionAlimentationCode', domaineTension) &&
      (label === undefined || label === matricule || label === numeroSerie) &&
      (part === undefined || name.toUpperCase().includes(part)) &&
      (street === undefined || streetOf(street) === streetOf(address.numeroEtNomVoie)),
  )
}

function streetOf(address: string): string {
  return address.toUpperCase().replace(/^\d+( (B|BIS|TER))? /, '')
}
