/**
 * What a bearer text points to: the hash under which the registry knows the token, or nothing.
 *
 * A token is a pointer and an upper bound. A JWT (RFC 9068) is verified before it is looked up, and what it claims is
 * believed no further than that: client, purpose, permissions and end are those of its row, at each call.
 *
 * Ends: algorithm confusion, keys carried in the token, tokens of another issuer or audience, ID tokens, encrypted
 * tokens and bombs in them, tokens without an end (RFC 8725).
 */
import { createHash } from 'node:crypto'
import type { CryptoKey, JWTHeaderParameters, JWTPayload } from 'jose'
import { errors, importJWK, jwtVerify } from 'jose'
import type { KeyRing } from './keys.ts'
import type { OAuthParts } from './ports.ts'

const MAX_LENGTH = 8192
const REMEMBERED = 10_000
const REQUIRED = ['iss', 'aud', 'exp', 'iat', 'sub', 'jti', 'client_id']
/** A key that comes with the token is its sender's. */
const CARRIED_KEYS = ['jwk', 'jku', 'x5c', 'x5u'] as const

/**
 * What the registry hashes for a JWT. Never the bare `jti`: whoever reads one in a log would hold an opaque token; and no
 * bearer text can be this one, because none has a colon.
 */
export function pointerOf(jti: string): string {
  return `jwt:${jti}`
}
export function hashOf(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}

export interface Bearer {
  (text: string): Promise<Buffer | undefined>
  /** The pointer of a JWT that verifies, for revocation and introspection. */
  pointer(text: string): Promise<string | undefined>
}

export function bearerOf({ issuer, now }: Pick<OAuthParts, 'issuer' | 'now'>, ring: KeyRing): Bearer {
  const seen = new Map<string, { readonly pointer: string; readonly exp: number }>()
  const imported = new Map<string, Promise<CryptoKey | Uint8Array>>()

  async function keyOf(header: JWTHeaderParameters): Promise<CryptoKey | Uint8Array> {
    if (CARRIED_KEYS.some((name) => header[name] !== undefined)) throw new errors.JWSInvalid('a key came with the token')
    const key = await ring.shown(header.kid)
    if (!key) throw new errors.JWKSNoMatchingKey()
    const known = imported.get(key.kid)
    if (known) return known
    const made = importJWK(key, 'EdDSA')
    imported.set(key.kid, made)
    return made
  }
  async function verified(text: string): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(text, keyOf, {
        algorithms: ['EdDSA'],
        typ: 'at+jwt',
        issuer,
        audience: issuer,
        requiredClaims: REQUIRED,
        currentDate: new Date(now()),
      })
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }
  async function pointer(text: string): Promise<string | undefined> {
    // Five parts are an encrypted token: nothing of it is looked at.
    if (text.length > MAX_LENGTH || text.split('.').length !== 3) return undefined
    const digest = createHash('sha256').update(text).digest('base64')
    const known = seen.get(digest)
    if (known) return now() < known.exp * 1000 ? known.pointer : undefined
    const payload = await verified(text)
    if (!payload) return undefined
    const { aud, jti, exp, sub, client_id: client } = payload
    // A list may hold a stranger beside us.
    if (aud !== issuer || exp === undefined || !isName(jti) || !isName(sub) || !isName(client)) return undefined
    if (seen.size >= REMEMBERED) seen.clear()
    const found = pointerOf(jti)
    seen.set(digest, { pointer: found, exp })
    return found
  }
  return Object.assign(
    async (text: string): Promise<Buffer | undefined> => {
      if (text.length > MAX_LENGTH) return undefined
      if (/^[A-Za-z0-9_-]+$/.test(text)) return hashOf(text)
      const found = await pointer(text)
      return found === undefined ? undefined : hashOf(found)
    },
    { pointer },
  )
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
