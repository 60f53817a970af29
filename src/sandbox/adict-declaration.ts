/**
 * The body with which a third party declares a right: read against the schema, then against the calendar. What GRDF
 * knows of the point is compared elsewhere (`adict-rights-calls.ts`). Pure.
 *
 * Source: Swagger 1.6 `demander_acces_in`, date rules and codes as its clients quote them. Where no source says
 * anything: `true` and `false` are no booleans, no right lasts too long, a family that is not named is not asked for, and
 * a third party that is the holder need give nothing but itself and gets all, for three years.
 */
import type { Day } from '../domain/time.ts'
import { addMonths, parseDay } from '../domain/time.ts'
import type { RightCode } from './adict-codes.ts'
import type { Declaration, Family } from './adict-rights.ts'
import { FAMILIES, ROLES } from './adict-rights.ts'

const MEMBERS = [
  'role_tiers',
  'raison_sociale',
  'nom_titulaire',
  'code_postal',
  'courriel_titulaire',
  'numero_telephone_mobile_titulaire',
  'date_debut_droit_acces',
  'date_fin_droit_acces',
  'perim_donnees_conso_debut',
  'perim_donnees_conso_fin',
  'perim_donnees_inj_debut',
  'perim_donnees_inj_fin',
  'perim_donnees_contractuelles',
  'perim_donnees_techniques',
  'perim_donnees_informatives',
  'perim_donnees_publiees',
] as const
type Body = Readonly<Partial<Record<(typeof MEMBERS)[number], string>>>

export type ReadDeclaration = { readonly ok: true; readonly declaration: Declaration } | { readonly ok: false; readonly error: RightCode }
const refused = (error: RightCode): ReadDeclaration => ({ ok: false, error })

export function readDeclaration(pce: string, text: unknown, today: Day): ReadDeclaration {
  if (!isBody(text)) return refused('unreadable')
  const role = ROLES.find((one) => one === text.role_tiers)
  if (!role) return refused('role_missing')
  const { raison_sociale: company, nom_titulaire: person, code_postal: postcode, courriel_titulaire: email } = text
  if (company !== undefined && person !== undefined) return refused('name_twice')
  const name = company ?? person
  if (name === undefined || name.trim() === '') return refused('name_missing')
  if (postcode === undefined) return refused('postcode_missing')
  if (!/^\d{5}$/.test(postcode)) return refused('postcode_format')
  const isHolder = role.startsWith('DETENTEUR')
  if (email === undefined && !isHolder) return refused('email_missing')
  if (email !== undefined && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) return refused('email_format')
  const families = familiesOf(text, isHolder)
  if (typeof families === 'string') return refused(families)
  const days = daysOf(text, role.endsWith('INJECTION'), isHolder, families, today)
  if (typeof days === 'string') return refused(days)
  const holder = { is: company === undefined ? 'person' : 'company', name } as const
  const phone = text.numero_telephone_mobile_titulaire ?? null
  return { ok: true, declaration: { pce, role, holder, postcode, email: email ?? null, phone, families, ...days } }
}

function isBody(value: unknown): value is Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(([name, text]) => MEMBERS.some((member) => member === name) && typeof text === 'string')
}

const SWITCHES: Readonly<Record<Family, keyof Body>> = {
  published: 'perim_donnees_publiees',
  informative: 'perim_donnees_informatives',
  contract: 'perim_donnees_contractuelles',
  technical: 'perim_donnees_techniques',
}

function familiesOf(body: Body, isHolder: boolean): readonly Family[] | RightCode {
  const given = FAMILIES.map((family) => [family, body[SWITCHES[family]]?.toLowerCase()] as const)
  if (given.some(([, text]) => text !== undefined && text !== 'vrai' && text !== 'faux')) return 'unreadable'
  if (isHolder && given.every(([, text]) => text === undefined)) return FAMILIES
  if (!isHolder && body.perim_donnees_contractuelles === undefined) return 'contract_missing'
  const asked = given.filter(([, text]) => text === 'vrai').map(([family]) => family)
  return asked.length > 0 ? asked : 'incoherent'
}

type Days = Pick<Declaration, 'validFrom' | 'validUntil' | 'dataFrom' | 'dataUntil'>

function daysOf(body: Body, injects: boolean, isHolder: boolean, families: readonly Family[], today: Day): Days | RightCode {
  const [first, last] = [body.date_debut_droit_acces, body.date_fin_droit_acces]
  const consumption = [body.perim_donnees_conso_debut, body.perim_donnees_conso_fin]
  const injection = [body.perim_donnees_inj_debut, body.perim_donnees_inj_fin]
  const [mine, other] = injects ? [injection, consumption] : [consumption, injection]
  if ([first, last, ...mine, ...other].some((text) => text !== undefined && !parseDay(text))) return 'unreadable'
  if (other.some((text) => text !== undefined)) return 'incoherent'
  const named = mine.filter((text) => text !== undefined)
  const hasDays = families.includes('published') || families.includes('informative')
  if (named.length === 1 || (named.length === 0 && hasDays && !isHolder)) return injects ? 'injection_missing' : 'consumption_missing'
  if (!isHolder && (first === undefined || last === undefined)) return 'incoherent'
  const days: Days = {
    validFrom: parseDay(first ?? '') ?? today,
    validUntil: parseDay(last ?? '') ?? addMonths(today, 36),
    dataFrom: parseDay(mine[0] ?? '') ?? null,
    dataUntil: parseDay(mine[1] ?? '') ?? null,
  }
  return areCoherent(days, today) ? days : 'incoherent'
}

/** A right begins at once and is not over; its data may have begun years before it, and end with it. */
function areCoherent({ validFrom, validUntil, dataFrom, dataUntil }: Days, today: Day): boolean {
  if (validFrom > today || validUntil < today) return false
  if (dataFrom === null || dataUntil === null) return true
  return dataFrom <= today && dataFrom <= dataUntil && dataUntil <= validUntil
}
