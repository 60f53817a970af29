/**
 * What a check of a JWT must say out loud to jose 6: what is not asked for is not checked.
 * Source: https://github.com/panva/jose/blob/main/docs/jwt/verify/functions/jwtVerify.md
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT, UnsecuredJWT, type JWTVerifyOptions } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const STRICT: JWTVerifyOptions = {
  issuer: 'https://issuer.example',
  audience: 'gate',
  typ: 'at+jwt',
  algorithms: ['RS256'],
  requiredClaims: ['exp', 'iat', 'sub', 'jti'],
  clockTolerance: 5,
}
let pair: Awaited<ReturnType<typeof generateKeyPair>>
beforeAll(async () => {
  pair = await generateKeyPair('RS256', { extractable: true })
})

function token(claims: Record<string, unknown> = {}, header: Record<string, string> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const all = { iss: 'https://issuer.example', aud: 'gate', sub: 's', jti: 'j', iat: now, exp: now + 60, ...claims }
  return new SignJWT(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)))
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...header })
    .sign(pair.privateKey)
}

test('a whole token passes the strict check', async () => {
  expect((await jwtVerify(await token(), pair.publicKey, STRICT)).payload).toMatchObject({ sub: 's' })
})

test.each([
  ['issuer', { iss: 'https://other.example' }, {}, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['audience', { aud: 'other' }, {}, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['type', {}, { typ: 'id+jwt' }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['jti', { jti: undefined }, {}, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['exp, missing', { exp: undefined }, {}, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
  ['exp, over by more than the tolerance', { exp: Math.floor(Date.now() / 1000) - 60 }, {}, 'ERR_JWT_EXPIRED'],
])('the strict check refuses by %s', async (_name, claims, header, code) => {
  await expect(jwtVerify(await token(claims, header), pair.publicKey, STRICT)).rejects.toMatchObject({ code })
})

test('what is not asked for is not checked: neither issuer, nor audience, nor an end', async () => {
  const bare = await token({ iss: 'anyone', aud: undefined, exp: undefined, sub: undefined })
  expect((await jwtVerify(bare, pair.publicKey)).payload).toMatchObject({ iss: 'anyone' })
})

describe('the public key taken for an HMAC secret', () => {
  const confused = async (): Promise<string> =>
    new SignJWT({ sub: 's' }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(await exportSPKI(pair.publicKey)))

  test('with algorithms named, a refusal with a code', async () => {
    await expect(jwtVerify(await confused(), pair.publicKey, { algorithms: ['RS256'] })).rejects.toMatchObject({
      code: 'ERR_JOSE_ALG_NOT_ALLOWED',
    })
  })

  test('without, a bare TypeError escapes', async () => {
    await expect(jwtVerify(await confused(), pair.publicKey)).rejects.toBeInstanceOf(TypeError)
  })
})

test('a token without a signature is refused', async () => {
  await expect(jwtVerify(new UnsecuredJWT({ sub: 's' }).encode(), pair.publicKey, STRICT)).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_J/),
  })
})

test.each(['', 'a', 'a.b', 'a.b.c', '..', 'é.é.é', 'x'.repeat(100_000), `${'x'.repeat(1_000)}.${'y'.repeat(1_000)}.z`])(
  'malformed text (row %#) is ERR_JWS_INVALID',
  async (text) => {
    await expect(jwtVerify(text, pair.publicKey, STRICT)).rejects.toMatchObject({ code: 'ERR_JWS_INVALID' })
  },
)

describe('a remote key set', () => {
  async function keySet(
    answer: (count: number) => { readonly status: number; readonly location?: string },
  ): Promise<{ readonly url: URL; fetched(): number }> {
    let fetched = 0
    const keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] }
    const server = createServer((_request, response) => {
      fetched += 1
      const { status, location } = answer(fetched)
      response
        .writeHead(status, { 'content-type': 'application/json', ...(location !== undefined && { location }) })
        .end(JSON.stringify(keys))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`), fetched: () => fetched }
  }

  test('100 cold checks at once fetch it once, and unknown keys do not fetch it again within the cooldown', async () => {
    const { url, fetched } = await keySet(() => ({ status: 200 }))
    const keys = createRemoteJWKSet(url)
    const known = await token({}, { kid: 'k1' })
    await Promise.all(Array.from({ length: 100 }, () => jwtVerify(known, keys, STRICT)))
    expect(fetched()).toBe(1)
    const unknown = await token({}, { kid: 'k2' })
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => jwtVerify(unknown, keys, STRICT)))
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true)
    expect(fetched()).toBe(1)
  })

  test.each([302, 500, 404])('status %i is refused, and a redirect is not followed', async (status) => {
    const { url, fetched } = await keySet((count) => (count === 1 ? { status, location: '/elsewhere' } : { status: 200 }))
    await expect(jwtVerify(await token({}, { kid: 'k1' }), createRemoteJWKSet(url), STRICT)).rejects.toMatchObject({
      code: 'ERR_JOSE_GENERIC',
    })
    expect(fetched()).toBe(1)
  })
})
