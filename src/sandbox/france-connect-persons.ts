/**
 * The people whom one can sign in as at the simulated FranceConnect: one for each thing that goes wrong when a name is
 * compared with a contract. All are invented. Names are as the civil register has them, in capitals and without accents;
 * `family_name` is the name of birth, and `preferred_username` the name in use where there is another.
 *
 * Source: FranceConnect's documentation of scopes and claims (v2).
 */
import { createHash } from 'node:crypto'
import type { Said } from '../web/language.ts'

export interface FrancePerson {
  readonly id: string
  readonly givenNames: readonly string[]
  readonly familyName: string
  readonly usageName?: string
  readonly gender: 'male' | 'female'
  /** An unknown month or day is `00`. */
  readonly birthdate: string
  /** INSEE code of the commune, empty for who was born abroad. */
  readonly birthplace: string
  readonly birthcountry: string
  readonly shows: Said
  readonly deceased?: true
}

const FRANCE = '99100'

export const FRANCE_PERSONS: readonly FrancePerson[] = [
  {
    id: 'camille',
    givenNames: ['Camille'],
    familyName: 'EXEMPLE',
    usageName: 'FICTIF',
    gender: 'female',
    birthdate: '1975-05-12',
    birthplace: '75107',
    birthcountry: FRANCE,
    shows: { fr: 'porte un nom d’usage autre que son nom de naissance', en: 'uses another name than that of birth' },
  },
  {
    id: 'louis',
    givenNames: ['Louis', 'Malo'],
    familyName: 'MODELE',
    gender: 'male',
    birthdate: '1982-08-24',
    birthplace: '29019',
    birthcountry: FRANCE,
    shows: { fr: 'a deux prénoms', en: 'has two given names' },
  },
  {
    id: 'noor',
    givenNames: ['Noor'],
    familyName: 'TEMOIN',
    gender: 'female',
    birthdate: '1988-01-30',
    birthplace: '',
    birthcountry: '99350',
    shows: { fr: 'née à l’étranger', en: 'born abroad' },
  },
  {
    id: 'yanis',
    givenNames: ['Yanis'],
    familyName: 'ESSAI',
    gender: 'male',
    birthdate: '1956-00-00',
    birthplace: '13055',
    birthcountry: FRANCE,
    shows: { fr: 'jour et mois de naissance inconnus', en: 'day and month of birth unknown' },
  },
  {
    id: 'jeanne',
    givenNames: ['Jeanne'],
    familyName: 'INVENTE',
    gender: 'female',
    birthdate: '1961-03-02',
    birthplace: '35238',
    birthcountry: FRANCE,
    shows: { fr: 'a une homonyme, née en 1990', en: 'shares her name with another, born in 1990' },
  },
  {
    id: 'jeanne-1990',
    givenNames: ['Jeanne'],
    familyName: 'INVENTE',
    gender: 'female',
    birthdate: '1990-11-15',
    birthplace: '44109',
    birthcountry: FRANCE,
    shows: { fr: 'a une homonyme, née en 1961', en: 'shares her name with another, born in 1961' },
  },
  {
    id: 'odette',
    givenNames: ['Odette'],
    familyName: 'SOUVENIR',
    gender: 'female',
    birthdate: '1931-07-09',
    birthplace: '67482',
    birthcountry: FRANCE,
    shows: { fr: 'décédée : FranceConnect refuse', en: 'deceased: FranceConnect refuses' },
    deceased: true,
  },
]

export function francePerson(id: string | null): FrancePerson | undefined {
  return FRANCE_PERSONS.find((person) => person.id === id)
}

/** Another one for each service, and always the same for one: 66 hexadecimal digits and a version. */
export function subOf(clientId: string, person: FrancePerson): string {
  return `${createHash('sha512').update(`${clientId}\n${person.id}`).digest('hex').slice(0, 66)}v1`
}

type Claim = (person: FrancePerson) => unknown
const CLAIMS: Readonly<Record<string, Claim>> = {
  given_name: ({ givenNames }) => givenNames.join(' '),
  given_name_array: ({ givenNames }) => givenNames,
  family_name: ({ familyName }) => familyName,
  preferred_username: ({ usageName }) => usageName,
  birthdate: ({ birthdate }) => birthdate,
  gender: ({ gender }) => gender,
  birthplace: ({ birthplace }) => birthplace,
  birthcountry: ({ birthcountry }) => birthcountry,
  email: ({ id }) => `${id}@exemple.invalid`,
  amr: () => ['pwd'],
  idp_id: () => 'identity-provider-simulated',
  idp_birthdate: ({ birthdate }) => birthdate,
}
const PIVOT = ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry']
const SCOPES: Readonly<Record<string, readonly string[]>> = {
  openid: [],
  profile: ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'preferred_username'],
  birth: ['birthplace', 'birthcountry'],
  identite_pivot: PIVOT,
  ...Object.fromEntries(
    [
      'given_name',
      'family_name',
      'birthdate',
      'gender',
      'birthplace',
      'birthcountry',
      'preferred_username',
      'email',
      'amr',
      'idp_id',
      'idp_birthdate',
    ].map((scope) => [scope, [scope]]),
  ),
}
export const FRANCE_SCOPES: readonly string[] = Object.keys(SCOPES)
export const FRANCE_CLAIMS: readonly string[] = Object.keys(CLAIMS)

/** What the scopes open, without the `sub`; a claim without a value is left out. */
export function claimsOf(person: FrancePerson, scopes: readonly string[]): Readonly<Record<string, unknown>> {
  const names = new Set(scopes.flatMap((scope) => SCOPES[scope] ?? []))
  const all = [...names].map((name) => [name, CLAIMS[name]?.(person)] as const)
  return Object.fromEntries(all.filter(([, value]) => value !== undefined))
}
