/** Which call a path of the simulated GRDF is. Singular to write a right, plural to read it. */
import type { DataKind } from './adict-data.ts'
import { ADICT_OLD_TOKEN_PATH, ADICT_TOKEN_PATH } from './adict-token.ts'

export const ADICT_PATH = '/adict/v2'

export type AdictRoute =
  | { readonly is: 'token'; readonly methods: readonly string[] }
  | { readonly is: 'data'; readonly methods: readonly string[]; readonly kind: DataKind; readonly pce: string }
  | { readonly is: 'declare'; readonly methods: readonly string[]; readonly pce: string }
  | { readonly is: 'list'; readonly methods: readonly string[] }
  | { readonly is: 'revoke' | 'proofs'; readonly methods: readonly string[]; readonly right: string }
  | { readonly is: 'unknown'; readonly methods: readonly string[] }

const DATA: Readonly<Record<string, DataKind>> = {
  donnees_consos_publiees: 'published',
  donnees_consos_informatives: 'informative',
  donnees_injections_publiees: 'injection',
  donnees_contractuelles: 'contract',
  donnees_techniques: 'technical',
}

export function adictRouteOf(path: string): AdictRoute {
  if (path === ADICT_TOKEN_PATH || path === ADICT_OLD_TOKEN_PATH) return { is: 'token', methods: ['POST'] }
  const [first, id = '', last, more] = path.startsWith(`${ADICT_PATH}/`) ? path.slice(ADICT_PATH.length + 1).split('/') : []
  if (more !== undefined) return UNKNOWN
  if (first === 'droits_acces' && id === '' && last === undefined && !path.endsWith('/')) return { is: 'list', methods: ['GET', 'POST'] }
  if (first === 'droit_acces' && last === undefined) return { is: 'revoke', methods: ['PATCH'], right: id }
  if (first === 'droit_acces' && last === 'preuves') return { is: 'proofs', methods: ['PUT'], right: id }
  if (first === 'pce' && last === 'droit_acces') return { is: 'declare', methods: ['PUT'], pce: id }
  const kind = first === 'pce' && last !== undefined && Object.hasOwn(DATA, last) ? DATA[last] : undefined
  return kind ? { is: 'data', methods: ['GET'], kind, pce: id } : UNKNOWN
}
const UNKNOWN: AdictRoute = { is: 'unknown', methods: [] }

/** Beside Enedis on the same port. */
export function isAdictPath(path: string): boolean {
  return path === ADICT_TOKEN_PATH || path === ADICT_OLD_TOKEN_PATH || path === '/adict' || path.startsWith('/adict/')
}
