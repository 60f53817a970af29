/**
 * Who is told of the end of a journey that began on our own page, or at an address that stands for Enedis's: a token to
 * paste, or the callback that such a client knows, with our confirmation in place of the browser's word.
 */
import { randomBytes } from 'node:crypto'
import type { ClientId, PermissionId } from '../../domain/permission.ts'
import { bareMeter } from '../../domain/meter.ts'
import { readableToken } from '../../domain/readable-token.ts'
import type { PortalParts } from '../ports.ts'
import { permissionsOf } from './give.ts'
import type { Journey } from './journey.ts'
import type { Ending } from './routes.ts'

/** Makes a code that this client, and no other, redeems once at the token call of v1. */
export type CodeFor = (args: {
  readonly client: ClientId
  readonly bundle: string
  readonly permissions: readonly PermissionId[]
  readonly redirectUri: string
}) => Promise<string | undefined>

const TOKENS_AT_ONCE = 5

export function pageEnding(parts: PortalParts): Ending {
  return {
    targets: () => [],
    refused: () => Promise.resolve({}),
    async given(journey, end) {
      const client = journey.client === null ? undefined : parts.clients().get(journey.client)
      if (!client) return {}
      const permissions = await permissionsOf(parts, end.bundle, client.id)
      // What was given may have been all for another client of the same body.
      if (permissions.length === 0) return {}
      const token = readableToken(end.meters, parts.now(), end.until, randomBytes(32))
      await parts.state.call('recordToken', {
        value: token,
        client: client.id,
        purpose: client.purpose,
        permissions,
        credential: `gnt_${end.bundle}`,
        ttlSeconds: Math.max(1, Math.floor((end.until - parts.now()) / 1000)),
        cap: TOKENS_AT_ONCE,
        now: parts.now(),
      })
      return { token }
    },
  }
}

export function dataConnectEnding(parts: PortalParts, codeFor: CodeFor): Ending {
  const to = (journey: Journey, values: Readonly<Record<string, string>>): { readonly to?: string } => {
    const { origin } = journey
    if (origin.is !== 'data_connect') return {}
    const url = new URL(origin.redirectUri)
    for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value)
    if (origin.state !== null) url.searchParams.set('state', origin.state)
    return { to: url.href }
  }
  return {
    targets: ({ origin }) => (origin.is === 'data_connect' ? [new URL(origin.redirectUri).origin] : []),
    async given(journey, end) {
      const { origin, client } = journey
      if (origin.is !== 'data_connect' || client === null) return {}
      if (origin.generation === 'v2') return to(journey, { autorisation_id: end.authorisation })
      const permissions = await permissionsOf(parts, end.bundle, client)
      const code = await codeFor({ client, bundle: end.bundle, permissions, redirectUri: origin.redirectUri })
      // What was given is another client's alone: for this one that is a refusal.
      if (code === undefined)
        return to(journey, { code: '403', error: 'access_denied', error_description: 'authorization_request_refused' })
      return to(journey, { code, usage_point_id: end.meters.map(bareMeter).join(';') })
    },
    refused(journey) {
      const { origin } = journey
      const v1 = origin.is === 'data_connect' && origin.generation === 'v1'
      const said = { error: 'access_denied', error_description: 'authorization_request_refused' }
      return Promise.resolve(to(journey, v1 ? { code: '403', ...said } : said))
    },
  }
}
