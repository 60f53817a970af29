/**
 * The delivery points (PCE) of the simulated GRDF: what each is there to show, who holds it, how it is read. What is not
 * said in a row is ordinary: a heated house with a communicating meter, read on the first of each month.
 *
 * Names and places are invented, and no French postcode begins with 00.
 */
import { day } from '../domain/time.ts'
import type { When } from './meters.ts'

export type Frequency = '6M' | '1M' | 'MM' | 'JJ'

export interface Holder {
  readonly is: 'person' | 'company'
  /** A person as GRDF writes one: family name, then given name. */
  readonly name: string
}

export interface AdictPoint {
  readonly pce: string
  /** What the point is there to show. */
  readonly shows: string
  readonly way: 'consumes' | 'injects'
  readonly frequency: Frequency
  /** The day of the month of a reading; of a half-yearly point, in April and October. */
  readonly readOn: number
  /** Whether days come at all. Ours: of a meter that is read on foot there is no informative data. */
  readonly communicates: boolean
  readonly holder: Holder
  readonly address: { readonly number: string; readonly street: string; readonly complement: string | null; readonly town: string }
  /** Of the meter, as GRDF has it. */
  readonly postcode: string
  readonly commissioned: When
  readonly contractEnded: When | null
  /** `patchy`: the first day of each odd month and some others never came, others are estimated. */
  readonly days: 'measured' | 'patchy'
  readonly heats: boolean
  /** 1: a house. */
  readonly size: number
  /** How `statut_restitution` says that all is well: both are seen. */
  readonly success: 'null' | 'empty_object'
}

type Said = Partial<Omit<AdictPoint, 'pce' | 'shows' | 'holder' | 'address' | 'postcode'>> & { readonly complement?: string }
function point(pce: string, shows: string, holder: Holder, [number, street, postcode, town]: Address, said: Said = {}): AdictPoint {
  const { complement = null, ...more } = said
  return {
    pce,
    shows,
    way: 'consumes',
    frequency: 'MM',
    readOn: 1,
    communicates: true,
    holder,
    address: { number, street, complement, town },
    postcode,
    commissioned: day('2019-06-03'),
    contractEnded: null,
    days: 'measured',
    heats: true,
    size: 1,
    success: 'null',
    ...more,
  }
}
type Address = readonly [number: string, street: string, postcode: string, town: string]
const person = (name: string): Holder => ({ is: 'person', name })
const company = (name: string): Holder => ({ is: 'company', name })

export const HOUSE_PCE = '99000000000001'
export const BOILER_PCE = 'GI990001'

export const ADICT_POINTS: readonly AdictPoint[] = [
  point(HOUSE_PCE, 'a house read on the first of each month; its right is there from the start', person('FICTIF MAËLLE'), [
    '12',
    'RUE DU PORT INVENTÉ',
    '00110',
    'FICTIVILLE',
  ]),
  point('99000000000002', 'read each month, on the 12th', person('ESSAI YANN'), ['3 BIS', 'PLACE DU MODÈLE', '00110', 'FICTIVILLE'], {
    frequency: '1M',
    readOn: 12,
    heats: false,
  }),
  point(
    '99000000000003',
    'read on foot every six months, so that it has no days',
    person('TÉMOIN ODILE'),
    ['7', 'CHEMIN DES ESSAIS', '00220', 'EXEMPLE-SUR-RIEN'],
    { frequency: '6M', readOn: 14, communicates: false },
  ),
  point(
    BOILER_PCE,
    'a boiler house of a company, read each day; its right is there from the start; success is `{}`',
    company('CHAUFFERIE EXEMPLE SA'),
    ['1', 'AVENUE DE LA SIMULATION', '00220', 'EXEMPLE-SUR-RIEN'],
    { frequency: 'JJ', size: 60, success: 'empty_object' },
  ),
  point(
    'GI990002',
    'injects biomethane, each day',
    company('BIOGAZ FICTIF SAS'),
    ['2', 'ROUTE DU DIGESTEUR', '00330', 'MODÈLE-LES-CHAMPS'],
    { way: 'injects', frequency: 'JJ', heats: false, size: 4000 },
  ),
  point(
    '99000000000004',
    'a flat whose technical data tell its very door',
    person('INVENTÉE SALOMÉ'),
    ['45', 'BOULEVARD IMAGINAIRE', '00110', 'FICTIVILLE'],
    { complement: 'BÂT C, 3E ÉTAGE, PORTE 31', heats: false },
  ),
  point(
    '99000000000005',
    'in service for 45 days: earlier days are not there',
    person('NOUVELLE INÈS'),
    ['9', 'ALLÉE DU CHANTIER', '00330', 'MODÈLE-LES-CHAMPS'],
    { commissioned: { daysAgo: 45 } },
  ),
  point(
    '99000000000006',
    'days that are estimated, or never came',
    person('LACUNE MALO'),
    ['18', 'IMPASSE DU SILENCE', '00220', 'EXEMPLE-SUR-RIEN'],
    { days: 'patchy' },
  ),
  point(
    '99000000000007',
    'its bills come to postcode 00110, the meter stands in 00119: a declaration with the first is refused',
    person('ÉCART PAUL'),
    ['1', 'QUAI DE LA LIMITE', '00119', 'FICTIVILLE PLAGE'],
    { frequency: '1M' },
  ),
  point(
    '99000000000008',
    'its gas contract ended 60 days ago',
    person('PARTI ERWAN'),
    ['22', 'RUE DU DÉPART', '00220', 'EXEMPLE-SUR-RIEN'],
    { contractEnded: { daysAgo: 60 } },
  ),
  point(
    '99000000000009',
    'a shop: a company that does not answer the mail has accepted after two days',
    company('BOULANGERIE MODÈLE SARL'),
    ['5', 'RUE DU PAIN FICTIF', '00330', 'MODÈLE-LES-CHAMPS'],
    { heats: false, size: 6 },
  ),
  point('10000000000001', 'has the number of an electricity meter of the simulated Enedis', person('DOUBLE NOOR'), [
    '4',
    'COUR DES JUMEAUX',
    '00110',
    'FICTIVILLE',
  ]),
]

const BY_PCE = new Map(ADICT_POINTS.map((row) => [row.pce, row]))

export function pointOf(pce: string): AdictPoint | undefined {
  return BY_PCE.get(pce)
}

export function isPce(text: string): boolean {
  return /^(GI\d{6}|\d{14})$/.test(text)
}
