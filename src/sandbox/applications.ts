/**
 * The applications that Enedis knows, and the tokens that it gave them: `POST /oauth2/v3/token` and `…/revoke`, client
 * credentials in the Basic header or in the form. A token lives 12,600 s and speaks for the application, not for a person.
 */
import type { IncomingMessage } from 'node:http'
import { randomBytes } from 'node:crypto'
import type { ErrorId } from './errors.ts'

export interface Application {
  readonly clientId: string
  readonly secret: string
  /** Where people come back to from the consent page; one that has none cannot send them there. */
  readonly redirectUri?: string
}
/** Known to everybody, since what it opens is invented. */
export const DEFAULT_APPLICATION: Application = { clientId: 'demo-application', secret: 'demo-application-secret' }

const LIFE_SECONDS = 12_600
const MOST_TOKENS = 100_000

type Said = { readonly body: string } | { readonly error: ErrorId }
export interface TokenDesk {
  issue(message: IncomingMessage, body: string | undefined): Said
  revoke(message: IncomingMessage, body: string | undefined): Said
  /** The client id of whom a token speaks for; undefined once it has expired. */
  applicationOf(token: string): string | undefined
}

export function tokenDesk(applications: readonly Application[], now: () => number): TokenDesk {
  const tokens = new Map<string, { readonly application: string; readonly until: number }>()

  function whoAsks(message: IncomingMessage, form: URLSearchParams): Application | undefined {
    const basic = /^Basic +(\S+)$/i.exec(message.headers.authorization ?? '')?.[1]
    const [id, secret] = basic === undefined ? [form.get('client_id'), form.get('client_secret')] : basicOf(basic)
    return applications.find((a) => a.clientId === id && a.secret === secret)
  }
  function formOf(message: IncomingMessage, body: string | undefined): URLSearchParams | undefined {
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(message.headers['content-type'] ?? '')
    return message.method === 'POST' && isForm && body !== undefined ? new URLSearchParams(body) : undefined
  }
  return {
    issue(message, body) {
      const form = formOf(message, body)
      if (!form) return { error: 'form_expected' }
      const grant = form.get('grant_type')
      if (grant === null) return { error: 'grant_missing' }
      const application = whoAsks(message, form)
      if (!application) return { error: 'client_invalid' }
      if (grant !== 'client_credentials') return { error: 'grant_unsupported' }
      const oldest = tokens.size >= MOST_TOKENS ? tokens.keys().next().value : undefined
      if (oldest !== undefined) tokens.delete(oldest)
      const token = randomBytes(24).toString('base64url')
      tokens.set(token, { application: application.clientId, until: now() + LIFE_SECONDS * 1000 })
      const fields = { access_token: token, scope: 'am_application_scope default', token_type: 'Bearer', expires_in: LIFE_SECONDS }
      return { body: JSON.stringify(fields) }
    },
    revoke(message, body) {
      const form = formOf(message, body)
      if (!form) return { error: 'form_expected' }
      const application = whoAsks(message, form)
      if (!application) return { error: 'client_invalid' }
      const token = form.get('token') ?? ''
      // RFC 7009: a token of somebody else, or of nobody, is no error.
      if (tokens.get(token)?.application === application.clientId) tokens.delete(token)
      return { body: '' }
    },
    applicationOf(token) {
      const known = tokens.get(token)
      if (known && known.until <= now()) tokens.delete(token)
      return known && known.until > now() ? known.application : undefined
    },
  }
}

/** RFC 6749 percent-encodes both halves; clients that do not are understood too. */
function basicOf(base64: string): readonly [string, string] {
  const text = Buffer.from(base64, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return [decoded(text.slice(0, colon)), decoded(text.slice(colon + 1))]
}

function decoded(half: string): string {
  try {
    return decodeURIComponent(half)
  } catch (error) {
    if (error instanceof URIError) return half
    throw error
  }
}
