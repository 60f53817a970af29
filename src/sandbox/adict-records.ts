/**
 * Contract and technical data of a point, in the shape of version 1.9 (objects where 1.6 had numbers). What 1.9 is only
 * told to have added, without its place, stands where its like stands.
 */
import type { Day } from '../domain/time.ts'
import type { AdictPoint } from './adict-points.ts'
import type { Filter } from './adict-query.ts'
import { FILTERS } from './adict-query.ts'
import type { Json } from './adict-right-text.ts'
import { draw } from './household.ts'

export type RecordKind = 'contract' | 'technical'

export const BLOCKS: Readonly<Record<RecordKind, string>> = { contract: 'donnees_contractuelles', technical: 'donnees_techniques' }

/** @param block null in a refusal */
export function recordLine(pce: string, kind: RecordKind, block: Json | null, restitution: unknown): Json {
  return { pce: { id_pce: pce }, [BLOCKS[kind]]: block, statut_restitution: restitution }
}

/** @param filters the parts that are wanted; none: all */
export function contractBlock(point: AdictPoint, since: Day, filters: readonly Filter[]): Json {
  const yearly = Math.round(point.size * (point.heats ? 15_000 : 4_000) * (0.9 + 0.2 * draw(point.pce, 0, 6)))
  const parts: Readonly<Record<Filter, Json>> = {
    date_mes: { date_mes: since },
    tarif_acheminement: { tarif_acheminement: yearly < 6_000 ? 'T1' : yearly < 300_000 ? 'T2' : 'T3' },
    car: { car: { car_actuelle: yearly, car_future: Math.round(yearly * 0.97) } },
    cja: { cja: { cja: null, cja_journaliere: null, cja_mensuelle: null } },
    profil_type_actuel: { profil: { profil_type_actuel: yearly < 6_000 ? 'P011' : 'P012' } },
  }
  const wanted = filters.length > 0 ? filters : FILTERS
  return Object.assign({}, ...wanted.map((filter) => parts[filter])) as Json
}

/** Holds the street address of the meter, and the number of the meter itself. */
export function technicalBlock(point: AdictPoint): Json {
  const { number, street, complement, town } = point.address
  const chosen = (salt: number, below: number): number => Math.floor(below * draw(point.pce, 0, salt))
  return {
    situation_compteur: { numero_rue: number, nom_rue: street, complement_adresse: complement, code_postal: point.postcode, commune: town },
    caracteristiques_compteur: {
      frequence: point.frequency,
      client_sensible_mig: 'Non',
      code_debit: point.size > 10 ? 'G65' : 'G4',
      pression_livraison: point.size > 10 ? 300 : 21,
      matricule_compteur: String(100_000_000 + chosen(7, 900_000_000)),
    },
    pitd: { identifiant_pitd: `GD${String(1000 + chosen(8, 9000))}`, libelle_pitd: town },
  }
}
