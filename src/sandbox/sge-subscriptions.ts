/**
 * Access services that have been ordered on the meters of the simulated SGE: opened by an order (SAD, CADM), stopped by
 * a stop (ASAD, CASSM), over on their last day. One stands there from the start that is another third party's.
 *
 * A service is active on its last day too: whether Enedis sees it so is not known.
 */
import type { Day } from '../domain/time.ts'
import { day } from '../domain/time.ts'
import type { Sens } from './sge-measures.ts'

export const DATA_TYPES = ['CDC', 'IDX', 'PMAX', 'ENERGIE'] as const
export type DataType = (typeof DATA_TYPES)[number]

export interface PublicationOption {
  readonly mesuresCorrigees?: string
  readonly periodiciteTransmission: string
}
export interface SgeSubscription {
  readonly serviceSouscritId: string
  readonly pointId: string
  readonly contratId: string
  readonly contratLibelle: string
  readonly typeDonnees: DataType
  readonly soutirage: boolean
  readonly injection: boolean
  readonly dateDebut: Day
  readonly dateFin: Day | null
  readonly options: readonly PublicationOption[]
  /** How it came to be, and with what it was declared. */
  readonly order: 'SAD' | 'CADM'
  readonly affaireId: string
  readonly refExterne: string | null
  readonly personne: string | null
  readonly etatCode: 'ACTIF' | 'RESILIE' | 'TERMINE'
  readonly stoppedBy: 'ASAD' | 'CASSM' | null
}
export type Opening = Pick<
  SgeSubscription,
  | 'pointId'
  | 'contratId'
  | 'typeDonnees'
  | 'soutirage'
  | 'injection'
  | 'dateDebut'
  | 'dateFin'
  | 'options'
  | 'order'
  | 'refExterne'
  | 'personne'
>

export interface Subscriptions {
  /** Oldest first, also those that are over. */
  all(): readonly SgeSubscription[]
  /** Whether one like it, of the same contract, is active on one of its days. */
  clashes(wanted: Opening): boolean
  open(wanted: Opening): SgeSubscription
  /** Of this contract and meter and active, or undefined. */
  active(serviceSouscritId: string, contratId: string, pointId: string): SgeSubscription | undefined
  /** The id of the case of the stop. */
  stop(service: SgeSubscription, by: 'ASAD' | 'CASSM'): string
  gives(pointId: string, contratId: string, type: DataType, sens: Sens): boolean
}

export const OWN_LABEL = 'Contrat tiers exemple'
const OTHER_PARTY = { contratId: '7654321', contratLibelle: 'AUTRE TIERS SAS - contrat 7654321' } as const

export function subscriptions(today: () => Day): Subscriptions {
  let services: SgeSubscription[] = [
    {
      ...OTHER_PARTY,
      serviceSouscritId: '70010001',
      pointId: '99999000000017',
      typeDonnees: 'CDC',
      soutirage: true,
      injection: false,
      dateDebut: day('2025-10-06'),
      dateFin: null,
      options: [{ mesuresCorrigees: 'false', periodiciteTransmission: 'P1D' }],
      order: 'SAD',
      affaireId: 'A0ZZ0001',
      refExterne: null,
      personne: 'EXEMPLE Camille',
      etatCode: 'ACTIF',
      stoppedBy: null,
    },
  ]
  let [lastService, lastCase] = [70_012_000, 800]
  const stateNow = (service: SgeSubscription): SgeSubscription =>
    service.etatCode === 'ACTIF' && service.dateFin !== null && service.dateFin < today() ? { ...service, etatCode: 'TERMINE' } : service
  const all = (): readonly SgeSubscription[] => services.map(stateNow)
  const nextCase = (letter: 'A' | 'M'): string => `${letter}0ZZ${String((lastCase += 1)).padStart(4, '0')}`

  return {
    all,
    clashes: (wanted) =>
      all().some(
        (other) =>
          other.etatCode === 'ACTIF' &&
          other.pointId === wanted.pointId &&
          other.contratId === wanted.contratId &&
          other.typeDonnees === wanted.typeDonnees &&
          ((other.soutirage && wanted.soutirage) || (other.injection && wanted.injection)) &&
          (other.dateFin === null || other.dateFin >= wanted.dateDebut) &&
          (wanted.dateFin === null || wanted.dateFin >= other.dateDebut),
      ),
    open(wanted) {
      const made: SgeSubscription = {
        ...wanted,
        serviceSouscritId: String((lastService += 1)),
        contratLibelle: OWN_LABEL,
        affaireId: nextCase('A'),
        etatCode: 'ACTIF',
        stoppedBy: null,
      }
      services = [...services, made]
      return made
    },
    active: (id, contratId, pointId) =>
      all().find(
        (service) =>
          service.serviceSouscritId === id &&
          service.contratId === contratId &&
          service.pointId === pointId &&
          service.etatCode === 'ACTIF',
      ),
    stop(service, by) {
      services = services.map((one) =>
        one.serviceSouscritId === service.serviceSouscritId ? { ...one, etatCode: 'RESILIE', dateFin: today(), stoppedBy: by } : one,
      )
      return nextCase(by === 'ASAD' ? 'A' : 'M')
    },
    gives: (pointId, contratId, type, sens) =>
      all().some(
        (service) =>
          service.etatCode === 'ACTIF' &&
          service.pointId === pointId &&
          service.contratId === contratId &&
          service.typeDonnees === type &&
          (sens === 'SOUTIRAGE' ? service.soutirage : service.injection) &&
          service.dateDebut <= today(),
      ),
  }
}
