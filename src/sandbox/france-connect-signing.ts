/**
 * The keys of the simulated FranceConnect and what it signs with them: ES256, or something wrong when it is told to.
 * Keys that were replaced are published no longer; an ID token that they signed still ends a session.
 */
import type { CryptoKey, JWTPayload } from 'jose'
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT, UnsecuredJWT } from 'jose'
import type { JWK } from 'jose'

/** How a token may be signed otherwise than it should. `unsigned` keeps the header and loses the signature. */
export const WRONG_SIGNATURES = ['unsigned', 'none', 'other_key', 'hs256', 'hs256_public_key'] as const
export type WrongSignature = (typeof WRONG_SIGNATURES)[number]

export interface Signer {
  readonly jwks: () => { readonly keys: readonly JWK[] }
  /** @param secret of the client, which an HS256 token is signed with */
  sign(claims: JWTPayload, secret: string, wrong?: WrongSignature): Promise<string>
  /** The claims of a token that this signer ever signed, expired or not. */
  verify(token: string): Promise<JWTPayload | undefined>
  rotate(): Promise<void>
}

interface Key {
  readonly secret: CryptoKey
  readonly published: CryptoKey
  readonly jwk: JWK
}

export async function signer(issuer: () => string): Promise<Signer> {
  let count = 0
  const past: JWK[] = []
  async function makeKey(): Promise<Key> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), use: 'sig', alg: 'ES256', kid: `simulated-${(count += 1)}-${crypto.randomUUID()}` }
    return { secret: privateKey, published: publicKey, jwk }
  }
  let key = await makeKey()

  async function bySecret(claims: JWTPayload, secret: string): Promise<string> {
    const kid = key.jwk.kid ?? ''
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid, typ: 'JWT' }).sign(new TextEncoder().encode(secret))
  }
  const byKey = (claims: JWTPayload, secret: CryptoKey): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: key.jwk.kid ?? '', typ: 'JWT' }).sign(secret)

  return {
    jwks: () => ({ keys: [key.jwk] }),
    async sign(claims, secret, wrong) {
      switch (wrong) {
        case 'none':
          return new UnsecuredJWT(claims).encode()
        case 'unsigned':
          return (await byKey(claims, key.secret)).replace(/[^.]+$/, '')
        case 'other_key':
          return byKey(claims, (await makeKey()).secret)
        case 'hs256':
          return bySecret(claims, secret)
        case 'hs256_public_key':
          // What fools who takes the algorithm from the token and the key from the published set.
          return bySecret(claims, await exportSPKI(key.published))
        case undefined:
          return byKey(claims, key.secret)
      }
    },
    async verify(token) {
      const keys = createLocalJWKSet({ keys: [key.jwk, ...past] })
      try {
        // A session may end long after its token: the moment of the check is that of the token's own birth.
        const { payload } = await jwtVerify(token, keys, { algorithms: ['ES256'], issuer: issuer(), currentDate: new Date(0) })
        return payload
      } catch {
        return undefined // whatever is wrong with it, it is no token of ours
      }
    },
    async rotate() {
      past.push(key.jwk)
      key = await makeKey()
    },
  }
}
