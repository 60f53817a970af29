/**
 * What the gate itself asks of GRDF about access rights: declare one, list them, end one, send the proof that GRDF asks
 * for. Answers have a code of ten digits, and what a code means is per endpoint. Names, addresses and telephones of the
 * list are read by nobody.
 *
 * Sources: GRDF's Swagger v1.6; lowatt-grdf (no key may be null; the list ends with its treatment); Po2.
 */
import { createHash } from 'node:crypto'
import type { GasRight, GasRightState } from '../../domain/gas-right.ts'
import { bareMeter, parsePce } from '../../domain/meter.ts'
import type { Day } from '../../domain/time.ts'
import { addDays, parseDay, period } from '../../domain/time.ts'
import type { DataKind } from '../../domain/vocabulary.ts'
import type { EndRight, HolderSays, OpenRight, RightAnswer } from '../adapter.ts'
import { isFields, plain } from './fields.ts'
import { Ndjson } from './ndjson.ts'
import { API, BASE } from './series.ts'

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' }
const DONE = '0000000000'
const WAITING = '0000000002'
/** Done; or there is nothing to be done: revoked already, or no such right. */
const ENDED: ReadonlySet<string> = new Set([DONE, '1000000013', '1000000001'])
const CODE = /^[0-9]{10}$/

export const endRight: EndRight = ({ ref }) => ({
  call: {
    method: 'PATCH',
    path: `${BASE}/droit_acces/${ref}`,
    headers: JSON_HEADERS,
    body: '{}',
    api: API,
    says: `PATCH ${BASE}/droit_acces/${ref}`,
  },
  understand(status, body): RightAnswer {
    const code = treatmentIn(body)
    const says = saysOf(status)
    return { ended: code !== undefined && ENDED.has(code) && status < 500, code: code ?? String(status), ...(says && { says }) }
  },
})

function saysOf(status: number): HolderSays | undefined {
  if (status === 401) return { means: 'token_refused' }
  return status === 429 ? { means: 'quota' } : undefined
}

/** The code with which GRDF treated a call; undefined where it says none. */
function treatmentIn(body: string): string | undefined {
  const code = objectIn(body)?.['code_statut_traitement']
  return typeof code === 'string' && CODE.test(code) ? code : undefined
}

function objectIn(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isFields(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Of a permission what GRDF is told when its holder is to be asked. */
export interface GasOrder {
  readonly holder: { readonly kind: 'natural' | 'legal'; readonly name: string }
  readonly itself: boolean
  readonly postcode: string
  readonly email?: string
  readonly phone?: string
  readonly lastDay: Day
  /** The last day included. */
  readonly data: { readonly from: Day; readonly last: Day } | null
  readonly kinds: readonly DataKind[]
}

/** Codes by which GRDF says that this right cannot be: asking again changes nothing. */
const REJECTED = /^1[0-9]{9}$/

export const openRight: OpenRight = ({ meter, direction, order, permission }, _account, today) => {
  const body = JSON.stringify(declarationOf(order as unknown as GasOrder, direction, today))
  const path = `${BASE}/pce/${bareMeter(meter)}/droit_acces`
  return {
    call: { method: 'PUT', path, headers: JSON_HEADERS, body, api: API, says: `PUT ${path} for ${permission}` },
    understand(status, text) {
      const code = treatmentIn(text) ?? String(status)
      const says = saysOf(status)
      const id = objectIn(text)?.['id_droit_acces']
      const isRight = status === 201 && typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id)
      if (isRight && code === WAITING) return { is: 'opened', refs: [id], state: 'pending', code }
      if (isRight && code === DONE) return { is: 'opened', refs: [id], state: 'open', code }
      if (status >= 400 && status < 500 && REJECTED.test(code)) return { is: 'rejected', code }
      return { is: 'again', code, ...(says && { says }) }
    },
  }
}

/** `parcours` TIERS_DIRECT. A key that has nothing is left out: with a null one the call fails. */
function declarationOf(order: GasOrder, direction: 'withdrawal' | 'injection', today: Day): Readonly<Record<string, string>> {
  const { holder, kinds, data, itself } = order
  const has = (...wanted: readonly DataKind[]): string => (wanted.some((kind) => kinds.includes(kind)) ? 'Vrai' : 'Faux')
  const injection = direction === 'injection'
  const of = injection ? 'inj' : 'conso'
  // The data period ends with the right at the latest, and has begun when the right is declared.
  const last = data && (data.last < order.lastDay ? data.last : order.lastDay)
  const from = data && (data.from < today ? data.from : today)
  return {
    role_tiers: `${itself ? 'DETENTEUR' : 'AUTORISE'}_CONTRAT_${injection ? 'INJECTION' : 'FOURNITURE'}`,
    [holder.kind === 'natural' ? 'nom_titulaire' : 'raison_sociale']: holder.name,
    code_postal: order.postcode,
    ...(order.email !== undefined && { courriel_titulaire: order.email }),
    ...(order.phone !== undefined && { numero_telephone_mobile_titulaire: order.phone }),
    date_debut_droit_acces: today,
    date_fin_droit_acces: order.lastDay,
    ...(from !== null && last !== null && { [`perim_donnees_${of}_debut`]: from, [`perim_donnees_${of}_fin`]: last }),
    perim_donnees_contractuelles: has('contract_data'),
    perim_donnees_techniques: has('technical_data', 'address'),
    ...(!injection && { perim_donnees_informatives: has('daily_energy') }),
    perim_donnees_publiees: has('published_reading'),
  }
}

export interface ProofPaper {
  readonly mediaType: string
  readonly bytes: Uint8Array
}
export type ProofAnswer =
  | { readonly is: 'taken'; readonly code: string }
  /** GRDF says why: format, nothing asked for, too long. */
  | { readonly is: 'refused'; readonly code: string }
  | { readonly is: 'again'; readonly code: string; readonly says?: HolderSays }

const ENDINGS: Readonly<Record<string, string>> = { 'application/pdf': 'pdf', 'image/png': 'png', 'image/jpeg': 'jpg' }

/** Parts named `preuves`, of neutral file names: what somebody called a document is nobody's business. */
export function proofCall(ref: string, papers: readonly ProofPaper[]) {
  const digest = createHash('sha256')
  for (const { bytes } of papers) digest.update(bytes)
  // Of the documents' own bytes: it cannot stand in them.
  const boundary = `ecluse-${digest.digest('hex')}`
  const pieces = papers.flatMap(({ mediaType, bytes }, i) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="preuves"; filename="preuve-${i + 1}.${ENDINGS[mediaType] ?? 'bin'}"\r\nContent-Type: ${mediaType}\r\n\r\n`,
    bytes,
    '\r\n',
  ])
  const path = `${BASE}/droit_acces/${ref}/preuves`
  return {
    call: {
      method: 'PUT' as const,
      path,
      headers: { accept: 'application/json', 'content-type': `multipart/form-data; boundary=${boundary}` },
      body: Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece))),
      api: API,
      says: `PUT ${path} with ${papers.length} documents`,
    },
    understand(status: number, text: string): ProofAnswer {
      const code = treatmentIn(text) ?? String(status)
      if (status === 200 && code === DONE) return { is: 'taken', code }
      const says = saysOf(status)
      // A code of GRDF's own is an answer; any other error may pass.
      return status >= 400 && status < 500 && CODE.test(code) && !says
        ? { is: 'refused', code }
        : { is: 'again', code, ...(says && { says }) }
    },
  }
}

export const LIST = {
  method: 'GET',
  path: `${BASE}/droits_acces`,
  headers: { accept: 'application/x-ndjson' },
  body: null,
  api: API,
  says: `GET ${BASE}/droits_acces`,
} as const

/** All rights of the account; undefined where the list is not whole. */
export function rightsIn(status: number, body: string): readonly GasRight[] | undefined {
  if (status !== 200) return undefined
  const rights: GasRight[] = []
  let treated: unknown
  const take = (row: Readonly<Record<string, unknown>>): boolean => {
    if (row['code_statut_traitement'] !== undefined) treated = row['code_statut_traitement']
    const inside = row['liste_acces']
    const rows = Array.isArray(inside) ? inside.filter(isFields) : row['id_droit_acces'] === undefined ? [] : [row]
    const read = rows.map(rightOf)
    for (const right of read) if (right) rights.push(right)
    return read.every((right) => right !== undefined)
  }
  const lines = new Ndjson(take)
  const whole = lines.push(Buffer.from(body)) && lines.end()
  // The treatment is the last line: without it more may have been to come.
  return whole && treated === DONE ? rights : undefined
}

const STATES: readonly (readonly [RegExp, GasRightState])[] = [
  [/^a valider$/, 'to_validate'],
  [/^acti(?:f|ve)$/, 'active'],
  [/^a reverifier$/, 'to_check'],
  [/^refusee?$/, 'refused'],
  [/^revoquee?$/, 'revoked'],
  [/^obsolete$/, 'obsolete'],
]
const PROOFS: Readonly<Record<string, GasRight['proof']>> = {
  'preuve en attente': 'awaited',
  'preuve en cours de verification': 'being_checked',
  'preuve verifiee ok': 'ok',
  'preuve verifiee ko': 'ko',
}

function rightOf(row: Readonly<Record<string, unknown>>): GasRight | undefined {
  const text = (name: string): string => (typeof row[name] === 'string' ? row[name] : '')
  const dayIn = (name: string): Day | null => parseDay(text(name).slice(0, 10)) ?? null
  const point = parsePce(text('id_pce'))
  const id = text('id_droit_acces')
  if (!point || !/^[0-9a-f-]{36}$/.test(id)) return undefined
  const injection = text('role_tiers').endsWith('INJECTION')
  const of = injection ? 'inj' : 'conso'
  const [from, last] = [dayIn(`perim_donnees_${of}_debut`), dayIn(`perim_donnees_${of}_fin`)]
  const state = plain(text('etat_droit_acces')).trim()
  const opens = (name: string): boolean => plain(text(`perim_donnees_${name}`)) === 'vrai'
  return {
    id,
    point,
    direction: injection ? 'injection' : 'withdrawal',
    state: STATES.find(([label]) => label.test(state))?.[1] ?? 'unknown',
    endedBy: endedBy(text('source_revocation') || text('source_passage_a_obsolete') || text('source_passage_a_refuse')),
    lastDay: dayIn('date_fin_droit_acces'),
    data: from !== null && last !== null ? (period(from, addDays(last, 1)) ?? null) : null,
    kinds: [
      ...(opens('publiees') ? (['published_reading'] as const) : []),
      ...(opens('informatives') ? (['daily_energy'] as const) : []),
      ...(opens('contractuelles') ? (['contract_data'] as const) : []),
      ...(opens('techniques') ? (['technical_data', 'address'] as const) : []),
    ],
    proof: PROOFS[plain(text('statut_controle_preuve')).trim()] ?? null,
    proofUntil: dayIn('date_limite_transmission_preuve'),
  }
}

/** GRDF's words for who did it are not published: these are looked for in them. */
function endedBy(source: string): GasRight['endedBy'] {
  const words = plain(source)
  if (words === '') return null
  if (words.includes('titulaire') || words.includes('client')) return 'holder'
  if (words.includes('tiers')) return 'third_party'
  return words.includes('grdf') ? 'data_holder' : 'unknown'
}
