/**
 * `droits_acces`: a client that asks for the list of access rights is told those that lie under its own permissions, from
 * the gate's register and in GRDF's form, without a name, an address or a telephone of anybody. GRDF is not asked: its list is
 * that of the whole account.
 *
 * Source: GRDF's Swagger v1.6 (`liste_acces_out`); filters as lowatt-grdf and others send them: a text, or a list of texts.
 */
import { bareMeter, parsePce } from '../../domain/meter.ts'
import type { Day, Millis } from '../../domain/time.ts'
import { addDays, parisDay } from '../../domain/time.ts'
import type { DataKind, ProofState, RightState } from '../../domain/vocabulary.ts'
import type { ClientRight, Reply } from '../adapter.ts'
import { isFields, plain } from './fields.ts'
import { CONTENT_TYPE } from './line-answer.ts'
import { BASE } from './series.ts'

export const LIST_PATH = `${BASE}/droits_acces`

const ROLES = ['AUTORISE_CONTRAT_FOURNITURE', 'DETENTEUR_CONTRAT_FOURNITURE', 'AUTORISE_CONTRAT_INJECTION', 'DETENTEUR_CONTRAT_INJECTION']
/** One that is being ended opens nothing any more, whatever GRDF has heard of it. */
const STATES: Readonly<Record<RightState, string>> = {
  wanted: 'A valider',
  pending: 'A valider',
  open: 'Active',
  ending: 'Révoquée',
  ended: 'Révoquée',
}
const PROOFS: Readonly<Record<ProofState, string>> = {
  awaited: 'Preuve en attente',
  being_checked: 'Preuve en cours de vérification',
  ok: 'Preuve Vérifiée OK',
  ko: 'Preuve Vérifiée KO',
}
const LABELS = [...new Set([...Object.values(STATES), 'A revérifier', 'Refusée', 'Obsolète'])].map(plain)

/** Each a set of texts without accents and in small letters; absent: whatever it is. All must fit. */
export interface RightFilters {
  readonly points?: ReadonlySet<string>
  readonly roles?: ReadonlySet<string>
  readonly states?: ReadonlySet<string>
  readonly proofs?: ReadonlySet<string>
}
export const NO_FILTER: RightFilters = {}
/** More in one call GRDF refuses. */
const MOST_POINTS = 1000
export const MOST_FILTER_BYTES = 65_536

/** Of a `GET`: all, or (`statut_controle=1`) those whose proof is awaited. Undefined for anything else. */
export function filtersOfQuery(query: ReadonlyMap<string, string>): RightFilters | undefined {
  const control = query.get('statut_controle')
  if (query.size > (control === undefined ? 0 : 1) || (control !== undefined && control !== '1')) return undefined
  return control === undefined ? NO_FILTER : { proofs: new Set([plain(PROOFS.awaited)]) }
}

/** Of a `POST`. Undefined where it is no object of known filters and values. */
export function filtersOfBody(body: Uint8Array): RightFilters | undefined {
  const value = jsonIn(body)
  if (!isFields(value)) return undefined
  const known: Readonly<Record<string, readonly [keyof RightFilters, (text: string) => boolean]>> = {
    id_pce: ['points', (text) => parsePce(text) !== undefined],
    role_tiers: ['roles', (text) => ROLES.includes(text)],
    etat_droit_acces: ['states', (text) => LABELS.includes(plain(text))],
    statut_controle_preuve: ['proofs', (text) => Object.values(PROOFS).some((label) => plain(label) === plain(text))],
  }
  const filters: Partial<Record<keyof RightFilters, ReadonlySet<string>>> = {}
  for (const [name, given] of Object.entries(value)) {
    const [filter, fits] = (Object.hasOwn(known, name) && known[name]) || []
    const texts: readonly unknown[] = Array.isArray(given) ? given : [given]
    if (!filter || !fits || texts.length > MOST_POINTS || !texts.every((text) => typeof text === 'string' && fits(text))) return undefined
    filters[filter] = new Set((texts as readonly string[]).map(plain))
  }
  return filters
}

function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

/** One right on each line, and the treatment of the call on the last. */
export function listedRights(filters: RightFilters, rights: readonly ClientRight[]): Reply {
  const keeps = (wanted: ReadonlySet<string> | undefined, text: string): boolean => wanted === undefined || wanted.has(plain(text))
  const lines = rights
    .filter((right) => keeps(filters.points, bareMeter(right.meter)) && keeps(filters.roles, roleOf(right)))
    .filter((right) => keeps(filters.states, STATES[right.state]) && keeps(filters.proofs, right.proof === null ? '' : PROOFS[right.proof]))
    .map(lineOf)
  const treatment = { code_statut_traitement: '0000000000', message_retour_traitement: 'OK' }
  const body = [...lines, treatment].map((line) => `${JSON.stringify(line)}\n`).join('')
  return { status: 200, headers: [['Content-Type', CONTENT_TYPE]], body }
}

function roleOf({ scope, direction }: ClientRight): string {
  const itself = scope.ground.sectorRelease === 'holder_itself'
  return `${itself ? 'DETENTEUR' : 'AUTORISE'}_CONTRAT_${direction === 'injection' ? 'INJECTION' : 'FOURNITURE'}`
}

function lineOf(right: ClientRight): Readonly<Record<string, string | null>> {
  const { ref, meter, direction, scope, state, since, proof } = right
  const own = scope.lines.filter((line) => line.direction === direction || line.direction === 'n_a')
  const has = (...kinds: readonly DataKind[]): string => (own.some(({ kind }) => kinds.includes(kind)) ? 'Vrai' : 'Faux')
  const days = own.flatMap(({ data }) => data ?? [])
  const of = direction === 'injection' ? 'inj' : 'conso'
  const first = days.map(({ from }) => from).toSorted()[0]
  const last = days
    .map(({ until }) => until)
    .toSorted()
    .at(-1)
  const ended = state === 'ending' || state === 'ended'
  return {
    id_droit_acces: ref,
    id_pce: bareMeter(meter),
    role_tiers: roleOf(right),
    date_debut_droit_acces: parisDay(scope.validFrom),
    date_fin_droit_acces: parisDay((scope.validUntil - 1) as Millis),
    [`perim_donnees_${of}_debut`]: first ?? null,
    [`perim_donnees_${of}_fin`]: last === undefined ? null : addDays(last as Day, -1),
    perim_donnees_contractuelles: has('contract_data'),
    perim_donnees_techniques: has('technical_data', 'address'),
    ...(direction === 'withdrawal' && { perim_donnees_informatives: has('daily_energy') }),
    perim_donnees_publiees: has('published_reading'),
    etat_droit_acces: STATES[state],
    date_revocation: ended ? parisDay(since) : null,
    parcours: 'TIERS_DIRECT',
    statut_controle_preuve: proof === null ? null : PROOFS[proof],
  }
}
