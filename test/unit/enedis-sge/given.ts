/** What the tests of the SGE adapter share: the example envelopes, requests put together, and an answer read through. */
import { readFileSync } from 'node:fs'
import type { Part } from '../../../src/domain/decision.ts'
import type { AccountId, LineId, PermissionId } from '../../../src/domain/permission.ts'
import type { Period } from '../../../src/domain/time.ts'
import { day } from '../../../src/domain/time.ts'
import type { Counts, HolderError, Named } from '../../../src/providers/adapter.ts'
import type { SgeForm } from '../../../src/providers/enedis-sge/sge.ts'
import { enedisSge } from '../../../src/providers/enedis-sge/sge.ts'
import type { XmlElement } from '../../../src/providers/enedis-sge/xml.ts'
import { readXml } from '../../../src/providers/enedis-sge/xml.ts'
import { anUnder } from '../../given.ts'

export const POINT = '99999000000017'
export const TODAY = day('2026-11-26')
export const OPERATOR = { login: 'notre.compte@gate.example', contract: '7654321' }
export const UNDER = anUnder({ account: 'sge' as AccountId })
const operators = new Map([[UNDER.account, OPERATOR]])
export const adapter = enedisSge({ quantities: 'active', legacy: true, operators })
export const wide = enedisSge({ quantities: 'all', legacy: true, operators })
export const current = enedisSge({ quantities: 'active', legacy: false, operators })

export const days = (from: string, until: string): Period => ({ from: day(from), until: day(until) })
export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/sge/${name}.xml`, import.meta.url), 'utf8')
}

export const PATHS = {
  'cmd-v3': '/ConsultationMesuresDetaillees/v3.0',
  'cmd-v2': '/ConsultationMesuresDetaillees/v2.0',
  'cm-v11': '/ConsultationMesures/v1.1',
  'cdtc-v1': '/ConsultationDonneesTechniquesContractuelles/v1.0',
  'rp-v2': '/RecherchePoint/v2.0',
  'sad-v1': '/CommandeServicesAccesDonnees/v1.0',
  'cadm-v1': '/CommanderAccesDonneesMesures/v1.0',
  'asad-v1': '/CommandeArretServicesAccesDonnees/v1.0',
  'cassm-v1': '/CommandeArretServiceSouscritMesures/v1.0',
  'rsa-v1': '/RechercheServicesAccesDonnees/v1.0',
} as const
export type Short = keyof typeof PATHS
export const pathOf = (example: string): string => PATHS[Object.keys(PATHS).find((short) => example.startsWith(short)) as Short]

export function ask(
  path: string,
  body: string | Uint8Array,
  over: { readonly contentType?: string; readonly soapAction?: string; readonly view?: 'senml' } = {},
  by = adapter,
) {
  const classified = by.classify({ method: 'POST', path, query: new Map(), contentType: 'text/xml; charset=utf-8', ...over }, TODAY)
  return classified.is === 'body' ? classified.read(Buffer.from(body)) : classified
}
export function accessOf(named: ReturnType<typeof ask>): Extract<Named<SgeForm>, { is: 'access' }> {
  if (named.is !== 'access') throw new Error(`not an access: ${JSON.stringify(named)}`)
  return named
}
/** What is wrong with a request: the flaw, or the reason where it has none. */
export function flawOf(named: ReturnType<typeof ask>): string | undefined {
  return named.is === 'refused' ? (named.flaw ?? named.reason) : undefined
}

export function aPart(period: Period | null, change: Partial<Part> = {}): Part {
  const kind = change.kind ?? 'load_curve'
  const ids = { permission: 'p1' as PermissionId, line: 'l1' as LineId }
  return { ...ids, period, how: 'direct', kind, finest: 'PT5M', averageUp: false, keepKinds: [kind], ...change }
}

export interface Read {
  readonly ok: boolean
  readonly why?: string
  readonly out: string
  readonly tree: XmlElement | undefined
  readonly counts: Counts
  readonly said: HolderError | undefined
  readonly allTooFine: boolean
}
/** Reads answers of the holder, one for each part, through the answer to a request; the first is cut at these places. */
export function through(
  request: string,
  path: string,
  parts: readonly Part[],
  bodies: readonly (string | Uint8Array)[],
  cuts: readonly number[] = [],
  by = adapter,
  over: { readonly view?: 'senml' } = {},
): Read {
  const { access, form } = accessOf(ask(path, request, over, by))
  const answer = by.answer(form, access, parts)
  let out = ''
  let why: string | undefined
  let reader = answer.part(0)
  for (const [index, body] of bodies.entries()) {
    if (index > 0) reader = answer.part(index)
    const bytes = Buffer.from(body)
    const ends = index > 0 ? [] : [...new Set(cuts.map((c) => c % (bytes.length + 1)))].toSorted((a, b) => a - b)
    let from = 0
    for (const end of [...ends, bytes.length]) {
      const fed = reader.push(bytes.subarray(from, end))
      from = end
      if (!fed.ok) why ??= fed.why
      else if (why === undefined) out += fed.out.join('')
      if (why !== undefined) break
    }
    if (why !== undefined) break
    const fed = reader.end()
    if (fed.ok) out += fed.out.join('')
    else why = fed.why
  }
  if (why === undefined) out += answer.close().join('')
  const { counts, said, allTooFine } = reader
  return { ok: why === undefined, ...(why !== undefined && { why }), out, tree: readXml(Buffer.from(out)), counts, said, allTooFine }
}

/** The first element of this name, anywhere. */
export function find(tree: XmlElement | undefined, name: string): XmlElement | undefined {
  if (!tree || tree.name === name) return tree
  for (const child of tree.children) {
    const found = find(child, name)
    if (found) return found
  }
  return undefined
}
export function findAll(tree: XmlElement | undefined, name: string): readonly XmlElement[] {
  return tree ? [...(tree.name === name ? [tree] : []), ...tree.children.flatMap((child) => findAll(child, name))] : []
}
export const textsOf = (tree: XmlElement | undefined, name: string): readonly string[] => findAll(tree, name).map(({ text }) => text)
