/**
 * The meters (PRM) of the simulated SGE: what each is there to show, who holds it, where it stands and how its points are
 * stamped. Their numbers are those of no real meter, names and places are invented, and no French postcode is 00000.
 *
 * What they measure is that of a household (`household.ts`), times a size.
 */
import type { Day } from '../domain/time.ts'
import { day } from '../domain/time.ts'
import type { MeterRow, When } from './meters.ts'
import { dayOf } from './meters.ts'

export type SgeHolder =
  | { readonly is: 'personnePhysique'; readonly civilite: 'M' | 'Mme'; readonly nom: string; readonly prenom: string }
  | { readonly is: 'personneMorale'; readonly denominationSociale: string; readonly numSiret: string }
export interface SgeAddress {
  readonly numeroEtNomVoie: string
  readonly batiment?: string
  readonly escalierEtEtageEtAppartement?: string
  readonly codePostal: string
  readonly commune: string
}

export interface SgePoint {
  readonly pointId: string
  /** What the meter is there to show. */
  readonly shows: string
  readonly segment: 'C5' | 'C4'
  /** A C5 point is stamped at the end of its step, a C4 point at its start. */
  readonly stamps: 'end' | 'start'
  readonly step: 'PT30M' | 'PT10M' | 'PT5M'
  readonly injects: boolean
  /** Subscribed power, in kVA. */
  readonly kva: number
  /** Of the present holder; nothing comes from before. */
  readonly commissioned: When
  readonly holder: SgeHolder
  readonly address: SgeAddress
  readonly matricule: string
  readonly numeroSerie: string
  /** How many times the household that is drawn. */
  readonly size: number
  readonly lives: MeterRow['lives']
}

const person = (civilite: 'M' | 'Mme', nom: string, prenom: string): SgeHolder => ({ is: 'personnePhysique', civilite, nom, prenom })
const company = (denominationSociale: string, numSiret: string): SgeHolder => ({ is: 'personneMorale', denominationSociale, numSiret })
export const SGE_TOWN = { codePostal: '00000', commune: 'VILLE-EXEMPLE' } as const

const C5 = { segment: 'C5', stamps: 'end', step: 'PT30M', injects: false, size: 1, lives: 'family' } as const
const C4 = { segment: 'C4', stamps: 'start', injects: false, lives: 'office' } as const

export const SGE_POINTS: readonly SgePoint[] = [
  {
    ...C5,
    pointId: '99999000000017',
    shows: 'a house (C5); another third party has an access service to it',
    kva: 9,
    commissioned: day('2019-06-03'),
    holder: person('Mme', 'EXEMPLE', 'Camille'),
    address: { numeroEtNomVoie: '12 RUE DU MOULIN', ...SGE_TOWN },
    matricule: '021900000017',
    numeroSerie: 'SE000017',
  },
  {
    ...C5,
    pointId: '99999000000025',
    shows: 'a house with panels (C5): both directions',
    injects: true,
    kva: 6,
    commissioned: day('2021-09-01'),
    holder: person('M', 'SOLEIL', 'Yanis'),
    address: { numeroEtNomVoie: '14 RUE DU MOULIN', ...SGE_TOWN },
    matricule: '021900000025',
    numeroSerie: 'SE000025',
  },
  {
    ...C4,
    pointId: '99999000000033',
    shows: 'a town hall (C4): steps of ten minutes, stamped at their start',
    step: 'PT10M',
    kva: 90,
    commissioned: day('2015-01-05'),
    holder: company('COMMUNE DE VILLE-EXEMPLE', '00000000000033'),
    address: { numeroEtNomVoie: '1 PLACE DE LA MAIRIE', ...SGE_TOWN },
    matricule: '041500000033',
    numeroSerie: 'SE000033',
    size: 6,
  },
  {
    ...C4,
    pointId: '99999000000041',
    shows: 'a workshop (C4): steps of five minutes, stamped at their start',
    step: 'PT5M',
    kva: 144,
    commissioned: day('2017-04-10'),
    holder: company('ATELIER MODELE SARL', '00000000000041'),
    address: { numeroEtNomVoie: '3 RUE DES ESSAIS', ...SGE_TOWN },
    matricule: '041700000041',
    numeroSerie: 'SE000041',
    size: 9,
  },
  {
    ...C5,
    pointId: '99999000000058',
    shows: 'a flat (C5) with its holder since 45 days: earlier days are not told',
    kva: 3,
    commissioned: { daysAgo: 45 },
    holder: person('Mme', 'NOUVELLE', 'Inès'),
    address: {
      numeroEtNomVoie: '16 RUE DU MOULIN',
      batiment: 'B',
      escalierEtEtageEtAppartement: 'ETAGE 2 PORTE 21',
      ...SGE_TOWN,
    },
    matricule: '021900000058',
    numeroSerie: 'SE000058',
    lives: 'alone',
  },
]

const BY_ID = new Map(SGE_POINTS.map((point) => [point.pointId, point]))

export function sgePointOf(pointId: string): SgePoint | undefined {
  return BY_ID.get(pointId)
}

export function otherPointThan(pointId: string): string {
  return SGE_POINTS.find((point) => point.pointId !== pointId)?.pointId ?? ''
}

/** As SGE writes a holder in one text. */
export function nameOf(holder: SgeHolder): string {
  return holder.is === 'personnePhysique' ? `${holder.nom} ${holder.prenom}` : holder.denominationSociale
}

export function commissionedOn(point: SgePoint, today: Day): Day {
  return dayOf(point.commissioned, today)
}

/** Who draws behind the meter. The household knows no step below ten minutes. */
export function householdOf({ pointId, shows, step, injects, kva, lives }: SgePoint): MeterRow {
  return {
    prm: pointId,
    shows,
    standing: 'given',
    consumes: true,
    produces: injects,
    curve: true,
    step: step === 'PT30M' ? 'PT30M' : 'PT10M',
    missing: 'none',
    lives,
    heating: lives === 'family' ? 'electric' : 'none',
    solar: injects ? 6000 : 0,
    kva,
    offPeak: true,
    activated: day('2015-01-01'),
    consentFrom: null,
    silentSince: null,
    holder: 'person',
    person: null,
  }
}
