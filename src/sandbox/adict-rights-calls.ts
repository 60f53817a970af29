/**
 * The calls about rights: declare, list, revoke, upload evidence. Who calls is known, and what is said to it is about its
 * own rights alone.
 *
 * Source: GRDF Swagger 1.6 and lowatt-grdf. Of rights that bar another one on the same point no source tells more than that
 * there is a code: here it is one that is asked for, active or to be checked, for the same contract.
 */
import type { IncomingMessage } from 'node:http'
import type { Day } from '../domain/time.ts'
import type { RightCode } from './adict-codes.ts'
import { RIGHT_CODES, treatment } from './adict-codes.ts'
import { readDeclaration } from './adict-declaration.ts'
import { isPce, pointOf } from './adict-points.ts'
import { areOnce } from './adict-query.ts'
import type { Json } from './adict-right-text.ts'
import { declaredText, listedText, PROOF_LABELS, STATE_LABELS } from './adict-right-text.ts'
import type { AdictRight, Declaration, Rights } from './adict-rights.ts'
import { plain, ROLES } from './adict-rights.ts'
import type { AdictClient } from './adict-token.ts'
import { dayOf } from './meters.ts'

/** One object, or one on each line. */
export interface Told {
  readonly status: number
  readonly lines: readonly Json[]
}

const told = (id: RightCode, more: Json = {}): Told => ({ status: RIGHT_CODES[id].status, lines: [{ ...treatment(id), ...more }] })

export function declare(rights: Rights, clientId: string, pce: string, body: unknown, query: URLSearchParams, today: Day): Told {
  if (!isPce(pce)) return told('pce_format')
  if (query.size > 0) return told('unreadable')
  const read = readDeclaration(pce, body, today)
  if (!read.ok) return told(read.error)
  const error = contradiction(rights, clientId, read.declaration, today)
  if (error) return told(error)
  const right = rights.declare(clientId, read.declaration)
  return told(right.state === 'active' ? 'active' : 'waiting', declaredText(right))
}

/** What GRDF knows better. */
function contradiction(rights: Rights, clientId: string, said: Declaration, today: Day): RightCode | undefined {
  const point = pointOf(said.pce)
  if (!point) return 'pce_unknown'
  if (point.contractEnded !== null && dayOf(point.contractEnded, today) <= today) return 'contract_ended'
  if (said.postcode !== point.postcode) return 'postcode_differs'
  const holder = rights.holderOf(point)
  // Of a name that differs no code is known but that of what does not fit.
  if (said.holder.is !== holder.is || plain(said.holder.name) !== plain(holder.name)) return 'incoherent'
  if (said.role.endsWith('INJECTION') !== (point.way === 'injects')) return 'incoherent'
  const stands = ({ state }: AdictRight): boolean => state === 'to_validate' || state === 'active' || state === 'to_check'
  return rights.of(clientId).some((right) => right.pce === said.pce && right.role === said.role && stands(right)) ? 'exists' : undefined
}

const BY_FILTER: Readonly<Record<string, (right: AdictRight) => string>> = {
  id_pce: (right) => right.pce,
  role_tiers: (right) => right.role,
  etat_droit_acces: (right) => STATE_LABELS[right.state],
  statut_controle_preuve: (right) => (right.proof ? PROOF_LABELS[right.proof.state] : ''),
}
const VALUES: Readonly<Record<string, readonly string[]>> = {
  role_tiers: ROLES,
  etat_droit_acces: Object.values(STATE_LABELS),
  statut_controle_preuve: Object.values(PROOF_LABELS),
}

export function list(rights: Rights, client: AdictClient, keep: (right: AdictRight) => boolean): Told {
  const lines = rights
    .of(client.clientId)
    .filter(keep)
    .map((right) => listedText(right, client.company))
  return { status: 200, lines: [...lines, treatment('done')] }
}

/** `statut_controle=1`: rights whose evidence is waited for. It is not in Swagger 1.6, but two clients use it. */
export function listAll(rights: Rights, client: AdictClient, query: URLSearchParams): Told {
  const control = query.get('statut_controle')
  if (!areOnce(query, ['statut_controle']) || (control !== null && control !== '1')) return told('unreadable')
  return list(rights, client, ({ proof }) => control === null || proof?.state === 'awaited')
}

/** Filters, each a text or a list of them: the Swagger and its users differ. All must fit. */
export function listSome(rights: Rights, client: AdictClient, body: unknown, query: URLSearchParams): Told {
  if (query.size > 0 || typeof body !== 'object' || body === null || Array.isArray(body)) return told('unreadable')
  const filters: (readonly [of: (right: AdictRight) => string, wanted: ReadonlySet<string>])[] = []
  for (const [name, given] of Object.entries(body)) {
    const of = Object.hasOwn(BY_FILTER, name) ? BY_FILTER[name] : undefined
    const texts: readonly unknown[] = Array.isArray(given) ? given : [given]
    const wanted = texts.filter((text) => typeof text === 'string')
    if (!of || wanted.length < texts.length) return told('unreadable')
    if (name === 'id_pce') {
      if (wanted.length > 1000) return told('list_too_long')
      if (!wanted.every(isPce)) return told('pce_format')
    } else if (!wanted.every((text) => VALUES[name]?.some((value) => plain(value) === plain(text)))) return told('unreadable')
    filters.push([of, new Set(wanted.map(plain))])
  }
  return list(rights, client, (right) => filters.every(([of, wanted]) => wanted.has(plain(of(right)))))
}

/** @param body undefined where there is none */
export function revoke(rights: Rights, clientId: string, id: string, body: unknown, query: URLSearchParams): Told {
  const isNothing =
    body === undefined || (typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0)
  if (query.size > 0 || !isNothing) return told('revoke_unreadable')
  const right = rights.of(clientId).find((one) => one.id === id)
  if (!right) return told('no_right')
  if (right.state === 'revoked') return told('revoked')
  // Only what a holder has authorised can be given back, and only while it stands.
  return told(right.role.startsWith('AUTORISE') && rights.revoke(id, 'third_party') ? 'done' : 'incoherent')
}

export const MOST_FILES = 3
const MOST_BYTES = 4 * 1_048_576
const BEGINNINGS = ['%PDF-', '\u0089PNG\r\n', '\u00ff\u00d8\u00ff'].map((text) => Buffer.from(text, 'latin1'))

/** @param body undefined where it is longer than three files can be */
export async function uploadProofs(
  rights: Rights,
  clientId: string,
  id: string,
  message: IncomingMessage,
  body: Buffer | undefined,
  query: URLSearchParams,
): Promise<Told> {
  const type = message.headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*;/i.test(type)) return told('proof_not_multipart')
  if (query.size > 0) return told('proof_format')
  const right = rights.of(clientId).find((one) => one.id === id)
  if (!right) return told('no_right')
  if (!body) return told('proof_too_large')
  const files = await filesOf(body, type)
  if (!files || files.length === 0 || files.length > MOST_FILES) return told('proof_format')
  if (files.some(({ bytes }) => bytes.byteLength > MOST_BYTES)) return told('proof_too_large')
  if (!files.every(({ bytes }) => BEGINNINGS.some((known) => bytes.subarray(0, known.byteLength).equals(known))))
    return told('proof_format')
  const kept = files.map(({ name, bytes }) => ({ name, bytes: bytes.byteLength }))
  return told(rights.takeProof(id, kept) ? 'done' : 'proof_not_asked')
}

/** Undefined where a part is no file, or has another name than `preuves`. */
async function filesOf(body: Buffer, type: string): Promise<readonly { readonly name: string; readonly bytes: Buffer }[] | undefined> {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'Content-Type': type } }).formData()
    const parts = [...form].map(([name, value]) => (name === 'preuves' && typeof value !== 'string' ? value : undefined))
    const files = parts.filter((part) => part !== undefined)
    if (files.length < parts.length) return undefined
    return await Promise.all(files.map(async (file) => ({ name: file.name, bytes: Buffer.from(await file.arrayBuffer()) })))
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
