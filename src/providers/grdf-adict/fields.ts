/**
 * Which members of GRDF's objects exist for the gate, and what each may hold. A member leaves only if it is named here,
 * its kind of data is granted, and its value is of the form that it should have: free text is a way out for anything, so
 * there is none but in the address, which is a kind of its own. What GRDF adds one day is dropped until it is named here.
 *
 * Sources: GRDF's Swagger v1.6, recorded replies in lowatt-grdf, notes on Données v1.9 in Po2. `horodate_Index` is spelt so.
 */
import type { DataKind } from '../../domain/vocabulary.ts'
import type { AboutPoint, Filter } from './series.ts'

type Fields = Readonly<Record<string, unknown>>
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Leaf {
  readonly fits: (value: unknown) => boolean
  readonly kind?: DataKind
}
export interface Shape {
  readonly [name: string]: Leaf | Shape
}

const text = (pattern: RegExp): Leaf => ({ fits: (value) => typeof value === 'string' && pattern.test(value) })
const words = (...known: readonly string[]): Leaf => {
  const set = new Set(known.map(plain))
  return { fits: (value) => typeof value === 'string' && set.has(plain(value)) }
}
/** As states and marks are compared: GRDF writes them with and without accents and capitals. */
export function plain(value: string): string {
  return value
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
}
const amount: Leaf = { fits: (value) => typeof value === 'number' && Number.isFinite(value) }
const flag: Leaf = { fits: (value) => typeof value === 'boolean' }
const stamp = text(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})$/)
const day = text(/^\d{4}-\d{2}-\d{2}$/)
const reason = text(/^[A-Z]{2,4}[0-9]?$/)

const index: Shape = { valeur_index: amount, horodate_Index: stamp }
const reading = (which: 'debut' | 'fin'): Shape => ({
  date_releve: stamp,
  raison_releve: reason,
  qualite_releve: words('Mesure', 'Mesuré', 'Estimation', 'Estimé', 'Corrigé'),
  statut_releve: words('Normal', 'Provisoire', 'Définitif'),
  [`index_brut_${which}`]: index,
  [`index_converti_${which}`]: index,
})
const measured = (of: 'consommation' | 'injection', mark: 'conso' | 'injection'): Shape => ({
  [`date_debut_${of}`]: stamp,
  [`date_fin_${of}`]: stamp,
  flag_retour_zero: flag,
  volume_brut: amount,
  coeff_calcul: { coeff_pta: amount, valeur_pcs: amount, coeff_conversion: amount },
  volume_converti: amount,
  energie: amount,
  [`type_qualif_${mark}`]: words('Mesuré', 'Estimé', 'Corrigé', 'Absence de Données'),
  sens_flux_gaz: words('Consommation', 'Production'),
  [`statut_${mark}`]: words('Provisoire', 'Définitive'),
  journee_gaziere: day,
  [`type_${mark}`]: words('Publiée', 'Informative Journalier', 'Informative horaire', 'Informative'),
})

export const LINE: Readonly<Record<'consommation' | 'injection', Shape>> = {
  consommation: {
    periode: { date_debut: day, date_fin: day },
    releve_debut: reading('debut'),
    releve_fin: reading('fin'),
    consommation: measured('consommation', 'conso'),
    bordereau_publication: { date_debut_bordereau: stamp, date_fin_bordereau: stamp, nb_jour_gazier: amount },
  },
  injection: {
    periode: { date_debut: day, date_fin: day },
    releve_debut: reading('debut'),
    releve_fin: reading('fin'),
    injection: measured('injection', 'injection'),
    bordereau_publication: { date_debut_bordereau: stamp, date_fin_bordereau: stamp, nb_jour_gazier: amount },
  },
}

/** P012, G4, 40, 21 mbar: a number with a few letters about it, never a word. */
const code = text(/^[A-Za-z]{0,3}[0-9]{1,6}(?:[.,][0-9]{1,3})?(?: ?[A-Za-z]{1,4})?$/)
const address = { ...text(/^[^\p{C}<>]{1,200}$/u), kind: 'address' } as const
const numbers = (...names: readonly string[]): Shape => Object.fromEntries(names.map((name) => [name, amount]))

/** Amounts that are plain numbers in v1.6 and objects in v1.9: both are read. */
const either = (inner: Shape): Shape & { readonly $plain: Leaf } => ({ ...inner, $plain: amount })

const CONTRACT = {
  date_mes: day,
  date_publication: day,
  tarif_acheminement: text(/^T[A-Z0-9]$/),
  car: either(numbers('car_actuelle', 'car_future')),
  cja: either(numbers('cja', 'cja_journaliere', 'cja_mensuelle')),
  profil: {
    profil_type_actuel: code,
    date_debut_profil_type_actuel: day,
    date_fin_profil_type_actuel: day,
    profil_type_futur: code,
  },
  modulation: numbers('modulation_n_1', 'modulation_n_2', 'modulation_n_3', 'assiette'),
  consommation_journaliere_plafond: amount,
} as const
const ABOUT: Readonly<Record<AboutPoint['inside'], Shape>> = {
  donnees_contractuelles: CONTRACT,
  donnees_techniques: {
    situation_compteur: {
      numero_rue: address,
      nom_rue: address,
      complement_adresse: address,
      code_postal: address,
      commune: address,
    },
    caracteristiques_compteur: {
      frequence: text(/^(?:6M|1M|MM|JJ)$/),
      client_sensible_mig: words('Oui', 'Non', 'Vrai', 'Faux'),
      code_calibre: code,
      code_debit: code,
      code_debit_normalise: code,
      pression_livraison: code,
    },
    pitd: { identifiant_pitd: text(/^GD[0-9]{1,6}$/) },
  },
}

const { date_mes, tarif_acheminement, car, cja } = CONTRACT
/** Of the contract what each filter names, and no neighbour of it. */
const FILTERED: Readonly<Record<Filter, Shape>> = {
  car: { car },
  cja: { cja },
  profil_type_actuel: { profil: { profil_type_actuel: code } },
  tarif_acheminement: { tarif_acheminement },
  date_mes: { date_mes },
}

/** What may leave of data about a point, before it is looked at what is granted. */
export function shapeOf({ inside }: AboutPoint, filters: readonly Filter[] | undefined): Shape {
  return filters ? Object.fromEntries(filters.flatMap((filter) => Object.entries(FILTERED[filter]))) : ABOUT[inside]
}

export interface Tally {
  kept: number
  dropped: number
}

/** The value as the shape names it, in its order; undefined where nothing is left. An empty value (null) stays one. */
export function pick(value: unknown, shape: Shape, granted: ReadonlySet<DataKind>, tally: Tally): Fields | null | undefined {
  if (value === null) return null
  if (!isFields(value)) {
    tally.dropped += 1
    return undefined
  }
  const kept: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(shape)) {
    if (name === '$plain' || !Object.hasOwn(value, name)) continue
    const left = pickOne(value[name], inner, granted, tally)
    if (left !== undefined) kept[name] = left
  }
  tally.dropped += Object.keys(value).filter((name) => name === '$plain' || !Object.hasOwn(shape, name)).length
  return Object.keys(kept).length > 0 ? kept : undefined
}

function pickOne(value: unknown, inner: Leaf | Shape, granted: ReadonlySet<DataKind>, tally: Tally): unknown {
  if (isLeaf(inner)) return leaf(value, inner, granted, tally)
  const alone = inner['$plain']
  return alone !== undefined && !isFields(value) ? leaf(value, alone as Leaf, granted, tally) : pick(value, inner, granted, tally)
}

function leaf(value: unknown, { fits, kind }: Leaf, granted: ReadonlySet<DataKind>, tally: Tally): unknown {
  const open = kind === undefined || granted.has(kind)
  if (open && value === null) return null
  if (open && fits(value)) {
    tally.kept += 1
    return value
  }
  tally.dropped += 1
  return undefined
}

function isLeaf(inner: Leaf | Shape): inner is Leaf {
  return typeof inner['fits'] === 'function'
}
