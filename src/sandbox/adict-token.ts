/**
 * The third parties that the simulated GRDF knows, and their tokens: client credentials in the form and nowhere else, the
 * scope named, 14,399 s. One token speaks for the whole third party.
 *
 * Both addresses give the same tokens to everybody: which one a credential belongs to is told by one client only. The
 * errors are those of RFC 6749, since GRDF's are not known.
 */
import type { IncomingMessage } from 'node:http'
import { randomBytes } from 'node:crypto'

export interface AdictClient {
  readonly clientId: string
  readonly secret: string
  /** The legal person that holds the contract with GRDF: people consent to it. */
  readonly company: string
}
/** Known to everybody, since what it opens is invented. */
export const DEFAULT_ADICT_CLIENT: AdictClient = {
  clientId: 'demo-adict',
  secret: 'demo-adict-secret',
  company: 'EXEMPLE ENERGIE SERVICES',
}

export const ADICT_TOKEN_PATH = '/oauth2/aus5y2ta2uEHjCWIR417/v1/token'
export const ADICT_OLD_TOKEN_PATH = '/openam/oauth2/realms/externeGrdf/access_token'
export const ADICT_SCOPE = '/adict/v2'

const LIFE_SECONDS = 14_399
const MOST_TOKENS = 100_000

export interface Refusal {
  readonly status: number
  readonly error: string
  readonly text: string
}
export type Bearer = { readonly is: 'malformed' } | { readonly is: 'unknown' } | { readonly is: 'client'; readonly client: AdictClient }

export interface AdictTokens {
  issue(message: IncomingMessage, query: URLSearchParams, body: string | undefined): { readonly body: string } | Refusal
  bearerOf(message: IncomingMessage): Bearer
}

export function adictTokens(clients: readonly AdictClient[], now: () => number): AdictTokens {
  const tokens = new Map<string, { readonly client: AdictClient; readonly until: number }>()

  return {
    issue(message, query, body) {
      if (message.method !== 'POST') return refused(405, 'invalid_request', 'Method not allowed.')
      if (!/^application\/x-www-form-urlencoded\b/i.test(message.headers['content-type'] ?? ''))
        return refused(415, 'invalid_request', 'A form is expected.')
      const form = new URLSearchParams(body ?? '')
      const names = [...form.keys()]
      // A secret in an address is a secret told.
      if (query.size > 0 || new Set(names).size < names.length) return refused(400, 'invalid_request', 'Unknown or repeated parameter.')
      const grant = form.get('grant_type')
      if (grant === null) return refused(400, 'invalid_request', 'grant_type is missing.')
      if (grant !== 'client_credentials') return refused(400, 'unsupported_grant_type', 'client_credentials is expected.')
      const client = clients.find(({ clientId, secret }) => clientId === form.get('client_id') && secret === form.get('client_secret'))
      if (!client || message.headers.authorization !== undefined)
        return refused(401, 'invalid_client', 'The client credentials in the form are invalid.')
      if (form.get('scope') !== ADICT_SCOPE) return refused(400, 'invalid_scope', 'The scope is missing or unknown.')
      const oldest = tokens.size >= MOST_TOKENS ? tokens.keys().next().value : undefined
      if (oldest !== undefined) tokens.delete(oldest)
      const token = randomBytes(32).toString('base64url')
      tokens.set(token, { client, until: now() + LIFE_SECONDS * 1000 })
      const scope = `${ADICT_SCOPE} u-${10_000 + clients.indexOf(client)} ${client.company.replaceAll(' ', '-')}`
      return { body: JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: LIFE_SECONDS, scope }) }
    },
    bearerOf(message) {
      const given = message.headers.authorization
      if (given === undefined) return { is: 'unknown' }
      const token = /^Bearer ([\w.~+/-]+=*)$/.exec(given)?.[1]
      if (token === undefined) return { is: 'malformed' }
      const known = tokens.get(token)
      return known && known.until > now() ? { is: 'client', client: known.client } : { is: 'unknown' }
    },
  }
}

function refused(status: number, error: string, text: string): Refusal {
  return { status, error, text }
}
