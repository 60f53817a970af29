/**
 * The demo meters of the simulated Enedis: who lives behind each, what it measures, and how Enedis answers about it. One
 * row a meter, and what is not said in a row is ordinary: an occupied house of 6 kVA with half-hours, its consent given.
 *
 * The first twelve are the customers of Enedis's own sandbox, with its numbers and behaviours; the others have numbers
 * that no real meter has. Names and places are invented. Those that begin with 3 have not been shared with anybody: a
 * person does that on the consent page (`customers.ts`).
 */
import type { Day } from '../domain/time.ts'
import { addDays, day } from '../domain/time.ts'

/** A day, or so many days before today: a house is new only for a while. */
export type When = Day | { readonly daysAgo: number }

/** Why Enedis refuses a meter, or everything that is asked about it. The codes are in `errors.ts`. */
export type Standing =
  | 'given'
  /** Nobody has shared it yet: refused until a person does. */
  | 'unshared'
  | 'no_consent'
  | 'not_owner'
  | 'not_holder'
  | 'unauthorized_user'
  | 'unknown_user'
  /** The customer objects to the recording of curves; days are read all the same. */
  | 'curve_opposed'
  | 'technical_error'
  | 'unavailable'

export type Heating = 'electric' | 'heat_pump' | 'none'

export interface MeterRow {
  readonly prm: string
  /** What the meter is there to show. */
  readonly shows: string
  readonly standing: Standing
  /** Which ways the meter counts. */
  readonly consumes: boolean
  readonly produces: boolean
  readonly curve: boolean
  /** `changing`: on the 15th of each month the step goes PT60M, PT30M, PT15M, PT10M within the day. */
  readonly step: 'PT10M' | 'PT15M' | 'PT30M' | 'PT60M' | 'changing'
  readonly missing: 'none' | 'tuesdays_and_wednesdays' | 'scattered' | 'last_half_hour'
  readonly lives: 'family' | 'alone' | 'weekends' | 'office'
  readonly heating: Heating
  /** Peak power of the panels, in watts. */
  readonly solar: number
  /** Subscribed power, in kVA. */
  readonly kva: number
  readonly offPeak: boolean
  readonly activated: When
  /** Enedis refuses days before. */
  readonly consentFrom: When | null
  /** No reading has come since. */
  readonly silentSince: When | null
  readonly holder: 'person' | 'company'
  /** Whose the meter is, where the contract names somebody in particular; who has two meters is one customer. */
  readonly person: Person | null
}

export interface Person {
  readonly title: 'M' | 'MME'
  readonly firstname: string
  readonly lastname: string
}

type Said = Partial<Omit<MeterRow, 'prm' | 'shows'>>
function meter(prm: string, shows: string, said: Said = {}): MeterRow {
  return {
    prm,
    shows,
    standing: 'given',
    consumes: true,
    produces: false,
    curve: true,
    step: 'PT30M',
    missing: 'none',
    lives: 'family',
    heating: 'none',
    solar: 0,
    kva: 6,
    offPeak: true,
    activated: day('2019-06-01'),
    consentFrom: null,
    silentSince: null,
    holder: 'person',
    person: null,
    ...said,
  }
}
/** Not shared with anybody until the holder does. */
function ofPerson(prm: string, shows: string, person: Person, said: Said = {}): MeterRow {
  return meter(prm, shows, { standing: 'unshared', person, ...said })
}
const producer: Said = { consumes: false, produces: true, offPeak: false }

const CAMILLE: Person = { title: 'MME', firstname: 'Camille', lastname: 'Fictif' }
const YANIS: Person = { title: 'M', firstname: 'Yanis', lastname: 'Essai' }
const LOUIS: Person = { title: 'M', firstname: 'Louis', lastname: 'Modèle' }
const JEANNE: Person = { title: 'MME', firstname: 'Jeanne', lastname: 'Inventé' }
const MALO: Person = { title: 'M', firstname: 'Malo', lastname: 'Lacune' }
const INES: Person = { title: 'MME', firstname: 'Inès', lastname: 'Soleil' }
const NOOR: Person = { title: 'MME', firstname: 'Noor', lastname: 'Témoin' }
const PAUL: Person = { title: 'M', firstname: 'Paul', lastname: 'Triple' }
const ANA: Person = { title: 'MME', firstname: 'Ana', lastname: 'Repent' }
const ERWAN: Person = { title: 'M', firstname: 'Erwan', lastname: 'Refus' }

export const METERS: readonly MeterRow[] = [
  meter('22516914714270', 'a consumer with complete data', { heating: 'electric', kva: 9 }),
  meter('11453290002823', 'in service since 2019-08-27', { activated: day('2019-08-27'), lives: 'alone' }),
  meter('32320647321714', 'no load curve: days only', { curve: false }),
  meter('12345678901234', 'two meters, this one consumes'),
  meter('10284856584123', 'two meters, this one produces', { ...producer, solar: 3000 }),
  meter('42900589957123', 'holes on Tuesdays and Wednesdays', { missing: 'tuesdays_and_wednesdays' }),
  meter('24880057139941', 'production only', { ...producer, solar: 9000, kva: 9 }),
  meter('12655648759651', 'self-consumption: never consumes and produces at once', { produces: true, solar: 3000 }),
  meter('64975835695673', 'first of three meters', { lives: 'alone' }),
  meter('63695879465986', 'second of three meters', { heating: 'heat_pump' }),
  meter('22315546958763', 'third of three meters', { lives: 'weekends', kva: 3 }),
  meter('26584978546985', 'consent revoked right after it was given', { standing: 'no_consent' }),

  meter('10000000000001', 'an ordinary house with electric heating', { heating: 'electric', kva: 9 }),
  meter('10000000000002', 'a second home, occupied at weekends', { lives: 'weekends', heating: 'electric' }),
  meter('10000000000003', 'in service for 45 days: earlier days are refused', { activated: { daysAgo: 45 }, lives: 'alone' }),
  meter('10000000000004', 'the step changes within the 15th of each month', { step: 'changing' }),
  meter('10000000000005', 'quarters of an hour, heat pump', { step: 'PT15M', heating: 'heat_pump', kva: 12 }),
  meter('10000000000006', 'hours', { step: 'PT60M', lives: 'alone', kva: 3 }),
  meter('10000000000007', 'scattered points are missing', { missing: 'scattered' }),
  meter('10000000000008', 'each day stops at 23:30', { missing: 'last_half_hour' }),
  meter('10000000000009', 'panels that give more than the house takes', { produces: true, solar: 9000, kva: 9, heating: 'heat_pump' }),
  meter('10000000000010', 'a company, 10-minute steps', { lives: 'office', step: 'PT10M', kva: 36, offPeak: false, holder: 'company' }),
  meter('10000000000011', 'consent since 30 days: earlier days are refused', { consentFrom: { daysAgo: 30 } }),
  meter('10000000000012', 'has not communicated for 20 days', { silentSince: { daysAgo: 20 } }),
  meter('10000000000013', 'the customer has moved out', { standing: 'not_owner' }),
  meter('10000000000014', 'the seeker is not the actual holder', { standing: 'not_holder' }),
  meter('10000000000015', 'the customer objects to curves', { standing: 'curve_opposed' }),
  meter('10000000000016', 'no user is authorised', { standing: 'unauthorized_user' }),
  meter('10000000000017', 'unknown to the measures', { standing: 'unknown_user' }),
  meter('10000000000018', 'always a technical error', { standing: 'technical_error' }),
  meter('10000000000019', 'always unavailable', { standing: 'unavailable' }),

  ofPerson('30000000000001', 'to be shared: a house with half-hours', CAMILLE, { heating: 'electric', kva: 9 }),
  ofPerson('30000000000002', 'to be shared: in service since 2023-02-14', YANIS, { activated: day('2023-02-14'), lives: 'alone' }),
  ofPerson('30000000000003', 'to be shared: no load curve, days only', LOUIS, { curve: false }),
  ofPerson('30000000000004', 'to be shared: two meters, this one consumes', JEANNE),
  ofPerson('30000000000005', 'to be shared: two meters, this one produces', JEANNE, { ...producer, solar: 3000 }),
  ofPerson('30000000000006', 'to be shared: holes on Tuesdays and Wednesdays', MALO, { missing: 'tuesdays_and_wednesdays' }),
  ofPerson('30000000000007', 'to be shared: production only', INES, { ...producer, solar: 9000, kva: 9 }),
  ofPerson('30000000000008', 'to be shared: self-consumption, both directions', NOOR, { produces: true, solar: 3000 }),
  ofPerson('30000000000009', 'to be shared: first of three meters', PAUL, { lives: 'alone' }),
  ofPerson('30000000000010', 'to be shared: second of three meters', PAUL, { heating: 'heat_pump' }),
  ofPerson('30000000000011', 'to be shared: third of three meters', PAUL, { lives: 'weekends', kva: 3 }),
  ofPerson('30000000000012', 'to be shared: revoked right after it is given', ANA),
  ofPerson('30000000000013', 'to be shared: its holder always refuses', ERWAN),
]

const BY_PRM = new Map(METERS.map((row) => [row.prm, row]))

export function meterOf(prm: string): MeterRow | undefined {
  return BY_PRM.get(prm)
}

export function dayOf(when: When, today: Day): Day {
  return typeof when === 'string' ? when : addDays(today, -when.daysAgo)
}
