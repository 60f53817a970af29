/**
 * A token that looks like the JWT which programs of the Conso API family decode, to see for which meters it is. They prove
 * nothing of it, and neither does the gate: for it this is a secret that the registry knows, whatever stands in it. Pure.
 */
import type { MeterId } from './meter.ts'
import { bareMeter } from './meter.ts'
import type { Millis } from './time.ts'

/** The first part of each: by it such a token is told from a JWT that somebody signed. */
export const READABLE_HEADER = Buffer.from(JSON.stringify({ typ: 'JWT', alg: 'HS256', kid: 'pasted' })).toString('base64url')

/** @param secret 256 random bits: all that makes it a credential */
export function readableToken(meters: readonly MeterId[], now: Millis, until: Millis, secret: Uint8Array): string {
  const claims = { sub: meters.map(bareMeter), iat: Math.floor(now / 1000), exp: Math.floor(until / 1000) }
  return `${READABLE_HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${Buffer.from(secret).toString('base64url')}`
}
