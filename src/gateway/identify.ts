/**
 * By what a caller proves who it is: a consent token in `Authorization: Bearer` or in the address (`/with-token/…`),
 * its credential in HTTP Basic, or a TLS client certificate. The last two are for clients that cannot hold a token (SOAP
 * libraries): the gate then holds one for them, so that every way ends in a token of the registry, of one purpose,
 * which the transaction behind each call looks at again.
 *
 * Which ways a client may use its settings say. What is in the address is cut off before anything else sees it.
 */
import { hash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { ClientId } from '../domain/permission.ts'
import type { Canonical } from './canonical.ts'
import type { Gate, Live } from './ports.ts'

export const WAYS = ['bearer', 'basic', 'path', 'certificate'] as const
export type Way = (typeof WAYS)[number]

/** What stands before the path that is meant. */
export const TOKEN_PREFIX = '/with-token/'

export interface Pathed {
  readonly path: string
  /** The token of the address. */
  readonly token: string | null
}

/** Cuts the token off a path; one without token stays as it is. */
export function withoutToken(path: string): Pathed {
  const found = /^\/with-token\/([A-Za-z0-9_-]{20,200})(\/.+)$/.exec(path)
  return found ? { path: found[2] ?? '/', token: found[1] ?? '' } : { path, token: null }
}

/** A token by its hash, or what the caller is: a stranger, or nobody can tell now. */
export type Proof = { readonly hash: Buffer; readonly way: Way } | 'stranger' | 'unknown'

export async function proofOf(
  gate: Gate,
  live: Live,
  canonical: Canonical,
  token: string | null,
  message: IncomingMessage,
): Promise<Proof> {
  // Two credentials are two callers.
  if (token !== null) return canonical.authorized ? 'stranger' : { hash: sha256(token), way: 'path' }
  if (canonical.bearer !== null) return bearer(gate, canonical.bearer)
  if (canonical.basic !== null) return basic(gate, live, canonical.basic)
  return canonical.authorized ? 'stranger' : certificate(gate, live, message)
}

async function bearer(gate: Gate, text: string): Promise<Proof> {
  if (!gate.people) return { hash: sha256(text), way: 'bearer' }
  try {
    const hash = await gate.people.hashOf(text)
    return hash ? { hash, way: 'bearer' } : 'stranger'
  } catch (error) {
    gate.log.error({ err: error }, 'a token could not be verified')
    return 'unknown'
  }
}

function basic(gate: Gate, live: Live, encoded: string): Promise<Proof> {
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  const client = live.clients.get(decoded.slice(0, Math.max(0, colon)) as ClientId)
  if (!client?.identifiesBy.includes('basic')) return Promise.resolve('stranger')
  return held(gate, 'basic', `basic ${decoded}`, () =>
    gate.state.exchange({ client: client.id, secret: decoded.slice(colon + 1), live, now: gate.now() }),
  )
}

function certificate(gate: Gate, live: Live, { socket }: IncomingMessage): Promise<Proof> {
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
  // Of a certificate that has ended, or not begun, the key may be in other hands.
  if (!shown || gate.now() < Date.parse(shown.validFrom) || gate.now() >= Date.parse(shown.validTo)) return Promise.resolve('stranger')
  const fingerprint = shown.fingerprint256.replaceAll(':', '').toLowerCase()
  const client = [...live.clients.values()].find(
    ({ certificates, identifiesBy }) => identifiesBy.includes('certificate') && certificates.includes(fingerprint),
  )
  if (!client) return Promise.resolve('stranger')
  return held(gate, 'certificate', `certificate ${client.id} ${fingerprint}`, () =>
    gate.state.tokenFor({
      client: client.id,
      credential: `crt_${fingerprint.slice(0, 32)}`,
      value: randomBytes(32).toString('base64url'),
      live,
      now: gate.now(),
    }),
  )
}

interface Held {
  readonly hash: Buffer
  readonly expiresAt: number
}
const MOST_HELD = 1000
/** A call that begins should not lose its token before it ends. */
const LEAST_LEFT_MS = 300_000
const tokens = new WeakMap<Gate, Map<string, Held>>()

/** The token that the gate holds for a credential, by the hash of what proves it; another one where it is spent. */
async function held(
  gate: Gate,
  way: Way,
  proof: string,
  obtain: () => Promise<{ readonly hash: Uint8Array; readonly expiresAt: number } | undefined>,
): Promise<Proof> {
  const table = tokens.get(gate) ?? new Map<string, Held>()
  tokens.set(gate, table)
  const key = sha256(proof).toString('base64')
  const known = table.get(key)
  try {
    if (known && known.expiresAt - LEAST_LEFT_MS > gate.now() && (await gate.state.identify(known.hash, false)))
      return { hash: known.hash, way }
    table.delete(key)
    if (!gate.state.ready) return 'unknown'
    const issued = await obtain()
    if (!issued) return 'stranger'
    const oldest = table.size >= MOST_HELD ? table.keys().next().value : undefined
    if (oldest !== undefined) table.delete(oldest)
    table.set(key, { hash: Buffer.from(issued.hash), expiresAt: issued.expiresAt })
    return { hash: Buffer.from(issued.hash), way }
  } catch (error) {
    gate.log.error({ err: error }, 'a token could not be issued')
    return 'unknown'
  }
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
