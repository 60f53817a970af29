/**
 * Rights of GRDF that the gate itself asks for an end of: `PATCH /droit_acces/{id}`, without a body to speak of. The
 * answer has a code of ten digits, and what a code means is per endpoint. Source: GRDF's Swagger v1.6; lowatt-grdf.
 */
import type { EndRight, HolderSays, RightAnswer } from '../adapter.ts'
import { isFields } from './fields.ts'
import { API, BASE } from './series.ts'

/** Done; or there is nothing to be done: revoked already, or no such right. */
const ENDED: ReadonlySet<string> = new Set(['0000000000', '1000000013', '1000000001'])
const CODE = /^[0-9]{10}$/

export const endRight: EndRight = ({ ref }) => ({
  call: {
    method: 'PATCH',
    path: `${BASE}/droit_acces/${ref}`,
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: '{}',
    api: API,
    says: `PATCH ${BASE}/droit_acces/${ref}`,
  },
  understand: (status, body) => revoked(status, treatmentIn(body)),
})

function revoked(status: number, code: string | undefined): RightAnswer {
  const says: HolderSays | undefined = status === 401 ? { means: 'token_refused' } : status === 429 ? { means: 'quota' } : undefined
  return { ended: code !== undefined && ENDED.has(code) && status < 500, code: code ?? String(status), ...(says && { says }) }
}

/** The code with which GRDF treated a call; undefined where it says none. */
export function treatmentIn(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body)
    const code = isFields(value) ? value['code_statut_traitement'] : undefined
    return typeof code === 'string' && CODE.test(code) ? code : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
