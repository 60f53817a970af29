/**
 * oidc-provider's store, on tickets: whatever it keeps ends by itself, is found by a keyed hash and lies encrypted.
 *
 * Two things it must not keep. **Sessions**: nothing of one authorization may serve another, so none is ever found again.
 * **Clients**: they are the settings'. And one thing is stricter than it asks for: what may be used once is used once even
 * where two requests use it in the same instant; the second one ends the grant.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { KeySets } from './clients.ts'
import { clientMetadata } from './clients.ts'
import { errors } from './library.ts'
import { hashOf } from './bearer.ts'
import type { ClientId, OAuthParts } from './ports.ts'

/** A device code is told to be over for a while, rather than unknown. */
const REMEMBERED_SECONDS = 3600
/** Of refresh tokens that were used up: one that is older than the last so many is unknown, and ends nothing but itself. */
const MOST_REFRESH = 100

export interface AdapterParts extends Pick<OAuthParts, 'issuer' | 'state' | 'client' | 'now' | 'ended' | 'tokens'> {
  readonly keysOf: KeySets
  /** Ends the tokens that came from a grant. */
  readonly endGrant: (grantId: string) => Promise<void>
}

export function adapterOf(parts: AdapterParts): (kind: string) => Adapter {
  return (kind) => {
    if (kind === 'Client') return clientsOf(parts)
    return kind === 'Session' ? FORGETFUL : ticketsOf(parts, kind)
  }
}

function clientsOf({ issuer, client, keysOf, state, now }: AdapterParts): Adapter {
  return {
    ...FORGETFUL,
    async find(id) {
      const known = client(id)
      if (known && !known.disabled) return clientMetadata(known, issuer, keysOf)
      // As much work as for a client whose secret is wrong.
      await state.tokens.checkSecret({ client: id, secret: '', now: now() })
      return undefined
    },
  }
}

/** A client may have a token made for each call that it makes: as many are kept as are good, of one grant or of none. */
export function keptOf(kind: string, grant: string | undefined, client: string | undefined, cap: number): KeptOf {
  if (kind === 'RefreshToken') return { grant, most: MOST_REFRESH }
  if (kind === 'AccessToken') return { grant, most: cap }
  return kind === 'ClientCredentials' ? { grant: `client ${client ?? ''}`, most: cap } : { grant }
}
interface KeptOf {
  readonly grant: string | undefined
  readonly most?: number
}

function ticketsOf(parts: AdapterParts, kind: string): Adapter {
  const { now, ended, endGrant } = parts
  const { tickets, tokens } = parts.state
  const payloadOf = (found: { readonly payload: string; readonly consumed: boolean } | null): AdapterPayload | undefined =>
    found === null ? undefined : { ...(JSON.parse(found.payload) as AdapterPayload), ...(found.consumed && { consumed: true }) }
  return {
    async upsert(id, payload, expiresIn = 1) {
      await tickets.put({
        kind,
        id,
        payload: JSON.stringify(payload),
        ttlSeconds: Math.max(1, kind === 'DeviceCode' ? expiresIn + REMEMBERED_SECONDS : expiresIn),
        now: now(),
        ...keptOf(kind, payload.grantId, payload.clientId, parts.tokens().perCredentialCap),
        uid: payload.uid,
        userCode: payload.userCode,
      })
    },
    find: async (id) => payloadOf(await tickets.get({ kind, id, now: now() })),
    findByUid: async (value) => payloadOf(await tickets.find({ kind, by: 'uid', value, now: now() })),
    findByUserCode: async (value) => payloadOf(await tickets.find({ kind, by: 'userCode', value, now: now() })),
    async consume(id) {
      if (await tickets.consume({ kind, id, now: now() })) return
      const found = payloadOf(await tickets.get({ kind, id, now: now() }))
      if (found?.grantId !== undefined) await endGrant(found.grantId)
      throw new errors.InvalidGrant(`${kind} already consumed`)
    },
    async destroy(id) {
      const payload = await tickets.take({ kind, id, now: now() })
      if (payload === null || (kind !== 'AccessToken' && kind !== 'ClientCredentials')) return
      const { clientId } = JSON.parse(payload) as { readonly clientId: ClientId }
      if (await tokens.end({ client: clientId, hash: hashOf(id), now: now() })) await ended(hashOf(id))
    },
    revokeByGrantId: endGrant,
  }
}

const FORGETFUL: Adapter = {
  upsert: () => Promise.resolve(),
  find: () => Promise.resolve(undefined),
  findByUid: () => Promise.resolve(undefined),
  findByUserCode: () => Promise.resolve(undefined),
  consume: () => Promise.resolve(),
  destroy: () => Promise.resolve(),
  revokeByGrantId: () => Promise.resolve(),
}
