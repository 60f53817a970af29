/**
 * The keys that sign access tokens: Ed25519, made at the first start, kept encrypted among the tickets, replaced every
 * 90 days. The private half of a replaced key is gone at once; its public half is shown until the last token that it may
 * have signed has ended.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { JWK } from 'jose'
import type { OAuthParts } from './ports.ts'

export interface SigningKeys {
  /** The key that signs now, its private half included. */
  readonly signing: JWK & { readonly kid: string }
  /** Public halves of all keys whose tokens may still be good. */
  readonly shown: readonly (JWK & { readonly kid: string })[]
}
export interface KeyRing {
  /** Replaces what is due; the same object as long as nothing changed. */
  current(): Promise<SigningKeys>
  /** The public half of a key, which another gate may have made since; undefined where there is none of this name. */
  shown(kid: string | undefined): Promise<SigningKeys['shown'][number] | undefined>
}

const KIND = 'oauth-key'
/** Another gate may have replaced the key: long before its tokens are no longer taken, this one signs with it no more. */
const LOOK_MS = 3_600_000
/** Whoever makes up names of keys costs one look a second. */
const LOOK_AGAIN_MS = 1000
const DAY_MS = 86_400_000
const ROTATION_MS = 90 * DAY_MS
/** Longest life that the settings allow a token, and some time for a clock that was corrected. */
const SHOWN_SECONDS = 86_400 + 3600
/** Beyond its rotation a key is kept for a gate that was not running when it was due. */
const KEPT_SECONDS = (ROTATION_MS + 30 * DAY_MS) / 1000

interface StoredKey {
  readonly kid: string
  readonly createdAt: number
  readonly public: JWK
  /** Absent once it is replaced. */
  readonly private?: JWK
}
interface Ring {
  readonly keys: SigningKeys
  /** When it must be looked at again. */
  readonly due: number
}

export function keyRing({ state, now }: Pick<OAuthParts, 'state' | 'now'>): KeyRing {
  let ring: Ring | undefined
  let reading: Promise<Ring> | undefined

  async function read(): Promise<Ring> {
    const at = now()
    const stored = (await state.tickets.list({ kind: KIND, now: at })).map(({ payload, expiresAt }) => ({
      key: JSON.parse(payload) as StoredKey,
      expiresAt,
    }))
    const signing = stored.map(({ key }) => key).findLast((key) => key.private !== undefined)
    const fresh = signing && at < signing.createdAt + ROTATION_MS ? signing : await makeKey(at)
    const old = stored.filter(({ key }) => key.kid !== fresh.kid)
    for (const { key } of old) if (key.private !== undefined) await retire(key, at)
    const ends = old.map(({ key, expiresAt }) => (key.private === undefined ? expiresAt : at + SHOWN_SECONDS * 1000))
    return {
      keys: {
        signing: { ...fresh.private, kty: 'OKP', kid: fresh.kid, use: 'sig', alg: 'EdDSA' },
        shown: [fresh, ...old.map(({ key }) => key)].map(shownAs),
      },
      due: Math.min(fresh.createdAt + ROTATION_MS, at + LOOK_MS, ...ends),
    }
  }
  async function makeKey(at: number): Promise<StoredKey> {
    const pair = generateKeyPairSync('ed25519')
    const key = {
      kid: randomBytes(12).toString('base64url'),
      createdAt: at,
      public: pair.publicKey.export({ format: 'jwk' }) as JWK,
      private: pair.privateKey.export({ format: 'jwk' }) as JWK,
    }
    // On record before it signs: after a restart its tokens are still known.
    await state.tickets.put({ kind: KIND, id: key.kid, payload: JSON.stringify(key), ttlSeconds: KEPT_SECONDS, now: now() })
    return key
  }
  async function retire({ private: _gone, ...rest }: StoredKey, at: number): Promise<void> {
    const payload = JSON.stringify(rest)
    await state.tickets.put({ kind: KIND, id: rest.kid, payload, ttlSeconds: SHOWN_SECONDS, now: at as ReturnType<typeof now> })
  }

  let readAt = -Infinity
  async function again(): Promise<SigningKeys> {
    // Two requests at once must not make two keys.
    reading ??= read().finally(() => {
      reading = undefined
      readAt = now()
    })
    const fresh = await reading
    ring = ring && isDeepStrictEqual(fresh.keys, ring.keys) ? { ...fresh, keys: ring.keys } : fresh
    return ring.keys
  }
  const current = async (): Promise<SigningKeys> => (ring && now() < ring.due ? ring.keys : again())

  return {
    current,
    async shown(kid) {
      const find = ({ shown }: SigningKeys) => shown.find((key) => key.kid === kid)
      const known = find(await current())
      return known ?? (now() - readAt < LOOK_AGAIN_MS ? undefined : find(await again()))
    },
  }
}

function shownAs(key: StoredKey): JWK & { readonly kid: string } {
  const { kty, crv, x } = key.public as JWK & { readonly crv: string; readonly x: string }
  return { kty: kty ?? 'OKP', crv, x, kid: key.kid, use: 'sig', alg: 'EdDSA' }
}
