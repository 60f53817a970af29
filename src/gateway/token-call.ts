/**
 * `POST /oauth2/v3/token`: the client's own credentials at the gate against a consent token, in the holder's own form,
 * so that a client of Enedis changes its base URL only. RFC 6749 §§ 2.3.1, 4.4; credentials in the query are refused.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ClientId } from '../domain/permission.ts'
import type { Canonical } from './canonical.ts'
import type { Gate, Live } from './ports.ts'
import { readBody } from './read-body.ts'
import { write } from './respond.ts'

const MAX_BODY = 8192
const TWO_WAYS = 'Credentials belong in one place: the header or the body.'
const NO_STORE = [
  ['Cache-Control', 'no-store'],
  ['Pragma', 'no-cache'],
] as const
const CHALLENGE = [['WWW-Authenticate', 'Basic realm="ecluse"']] as const

export async function answerTokenCall(
  gate: Gate,
  live: Live,
  canonical: Canonical,
  message: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const fail = (status: number, error: string, description: string): void => {
    gate.refusals.stranger(`token_${error}`)
    gate.metrics.strangers.inc({ reason: 'token_call' })
    // Guessing secrets has a price: past its rate an address is told nothing more of them.
    if (gate.refusals.tooMany(gate.placeOf(message))) {
      const body = { error_description: 'Too many requests failed.', error: 'temporarily_unavailable' }
      return write(gate, res, 429, [...NO_STORE, ['Retry-After', '60']], JSON.stringify(body))
    }
    const more = status === 401 ? CHALLENGE : status === 503 ? ([['Retry-After', '5']] as const) : []
    write(gate, res, status, [...NO_STORE, ...more], JSON.stringify({ error_description: description, error }))
  }
  if (canonical.wire.query.size > 0)
    return fail(400, 'invalid_request', 'Credentials belong in the header or in the body, never in the address.')
  if (!/^application\/x-www-form-urlencoded( *;.*)?$/i.test(canonical.wire.contentType ?? '')) {
    return fail(415, 'invalid_request', 'The content type must be application/x-www-form-urlencoded.')
  }
  if (canonical.contentLength > MAX_BODY) return fail(400, 'invalid_request', 'The body is too long.')
  if (canonical.wantsContinue) res.writeContinue()
  const body = await readBody(message, MAX_BODY)
  if (body === undefined) return fail(408, 'invalid_request', 'The body did not come.')
  // One character a byte: what is not ASCII stands percent-encoded in a form.
  const form = parseForm(body.toString('latin1'))
  if (!form) return fail(400, 'invalid_request', 'The body is not a form, or a parameter stands in it twice.')
  if (form.get('grant_type') !== 'client_credentials')
    return fail(400, 'unsupported_grant_type', 'The grant type must be client_credentials.')
  const given = credentialsOf(canonical, form)
  if (given === 'two_ways') return fail(400, 'invalid_request', TWO_WAYS)
  if (!given) return fail(401, 'invalid_client', 'Client Authentication failed.')
  if (!gate.state.ready) return fail(503, 'temporarily_unavailable', 'The gate cannot take requests now.')
  const exchange = { client: given.id as ClientId, secret: given.secret, live, now: gate.now() }
  const issued = await gate.state.exchange(exchange).catch((error: unknown) => {
    gate.log.error({ err: error }, 'a token could not be issued')
    return null
  })
  if (issued === null) return fail(503, 'temporarily_unavailable', 'The gate cannot take requests now.')
  if (!issued) return fail(401, 'invalid_client', 'Client Authentication failed.')
  write(
    gate,
    res,
    200,
    NO_STORE,
    JSON.stringify({
      access_token: issued.token,
      scope: 'am_application_scope default',
      token_type: 'Bearer',
      expires_in: Math.floor((issued.expiresAt - gate.now()) / 1000),
    }),
  )
}

function parseForm(body: string): Map<string, string> | undefined {
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(body)) {
    if (form.has(name)) return undefined
    form.set(name, value)
  }
  return form
}

/** By header or by body, never by both. RFC 6749 percent-encodes both halves of Basic; clients that do not are understood too. */
function credentialsOf(
  { authorized, basic }: Canonical,
  form: ReadonlyMap<string, string>,
): { readonly id: string; readonly secret: string } | 'two_ways' | undefined {
  const id = form.get('client_id')
  const secret = form.get('client_secret')
  if (!authorized) return id !== undefined && secret !== undefined ? { id, secret } : undefined
  if (secret !== undefined) return 'two_ways'
  const decoded = Buffer.from(basic ?? '', 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) return undefined
  const given = { id: unescapeOnce(decoded.slice(0, colon)), secret: unescapeOnce(decoded.slice(colon + 1)) }
  return id === undefined || id === given.id ? given : 'two_ways'
}

function unescapeOnce(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
