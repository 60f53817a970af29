/**
 * Puts together what people meet: the portal's pages and the OAuth server, on the gate's own listener. Absent where the
 * settings have no section `portal`: permissions are then imported only.
 */
import { randomUUID } from 'node:crypto'
import type { Json } from './domain/canonical.ts'
import type { ClientId } from './domain/permission.ts'
import type { Changes } from './gate-state.ts'
import type { OwnCalls } from './gateway/own-calls.ts'
import type { PeoplesDoor } from './gateway/ports.ts'
import type { RefusalBudget } from './gateway/refusals.ts'
import type { InstanceKeys } from './instance.ts'
import type { PermissionRecord } from './permissions/record.ts'
import { tokenHash } from './permissions/tokens.ts'
import { franceConnectOf } from './portal/identity/franceconnect.ts'
import type { MadeLink } from './portal/identity/links.ts'
import { linkFor } from './portal/identity/links.ts'
import { identityRoom } from './portal/identity/routes.ts'
import { beginRoutes } from './portal/journey/begin.ts'
import { READABLE_HEADER } from './domain/readable-token.ts'
import { dataConnectEnding, pageEnding } from './portal/journey/endings.ts'
import { deviceEnding, oauthEnding, oauthRoutes } from './portal/journey/oauth.ts'
import type { Endings } from './portal/journey/routes.ts'
import { journeyDesk, journeyRoutes } from './portal/journey/routes.ts'
import { oauthState } from './portal/oauth/ports.ts'
import { oauthServer } from './portal/oauth/server.ts'
import { personRoom } from './portal/person/routes.ts'
import type { PortalParts } from './portal/ports.ts'
import { portalOf } from './portal/portal.ts'
import type { InForce } from './reload.ts'
import type { Clock } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import type { PlaceOf } from './runtime/place.ts'
import type { Scan } from './runtime/scan.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import { derive } from './storage/keys.ts'
import type { StateClient } from './storage/rpc.ts'

export interface People extends PeoplesDoor {
  /** A one-time link to the pages of a permission's person. */
  link(permission: string, by: string): Promise<MadeLink>
  /** The receipt that was kept with a permission when it was given; null where there is none. */
  receipt(permission: string): Promise<Json | null>
  close(): Promise<void>
}

export interface PeopleParts {
  readonly force: InForce
  readonly state: StateClient
  readonly keys: InstanceKeys
  readonly ownCalls: OwnCalls
  readonly changes: Changes
  readonly ready: () => boolean
  readonly refusals: RefusalBudget
  readonly scan: Scan | undefined
  readonly placeOf: PlaceOf
  readonly clock: Clock
  readonly env: Environment
  readonly log: Logger
}

export async function peopleOf({
  force,
  state,
  keys,
  ownCalls,
  changes,
  ready,
  refusals,
  scan,
  placeOf,
  clock,
  env,
  log,
}: PeopleParts): Promise<People | undefined> {
  const settings = force.accepted.settings.portal
  if (!settings) return undefined
  const parts: PortalParts = {
    settings,
    clients: () => new Map(force.accepted.settings.clients.map((client) => [client.id, client])),
    purposes: () => force.accepted.policy.purposes,
    state,
    ready,
    shares: (account, question, why, signal) => ownCalls.shares(account, question, why, signal),
    applicationOf: (account) =>
      force.accepted.settings.providers['enedis-data-connect'].accounts.find((a) => a.id === account)?.clientId ?? '',
    onActs: changes.acts,
    onToken: changes.token,
    tokenTtlSeconds: () => force.accepted.settings.tokens.ttlSeconds,
    tokensPerCredential: () => force.accepted.settings.tokens.perCredentialCap,
    scan,
    placeOf,
    now: clock.now,
    newId: randomUUID,
    log,
    secret: derive(keys.index, 'ecluse portal/v1'),
  }
  const oauth = oauthServer({
    issuer: settings.url,
    state: oauthState((name, args) => state.call(name, args)),
    client: (id) => parts.clients().get(id as ClientId),
    tokens: () => force.accepted.settings.tokens,
    journeySeconds: () => settings.journeyMinutes * 60,
    ended: changes.token,
    stranger(place, reason) {
      refusals.stranger(reason)
      return refusals.tooMany(place)
    },
    placeOf,
    ready,
    now: clock.now,
    log,
  })
  await oauth.begin()
  const { franceconnect } = settings
  const identities =
    franceconnect &&
    franceConnectOf({
      settings: franceconnect,
      secret: await secretOf(franceconnect.clientSecret, env),
      portalUrl: settings.url,
      now: clock.now,
    })
  const portal = await portalOf(parts, [
    personRoom(identities),
    identityRoom(identities),
    (app, rooms) => {
      const desk = journeyDesk(rooms)
      const endings: Endings = {
        page: pageEnding(parts),
        data_connect: dataConnectEnding(parts, oauth.codeFor),
        oauth: oauthEnding(rooms),
        device: deviceEnding(oauth),
      }
      beginRoutes(app, rooms, desk)
      oauthRoutes(app, rooms, oauth, desk)
      journeyRoutes(app, rooms, endings)
    },
  ])
  return {
    serves: (path) => oauth.serves(path) || portal.serves(path),
    handle(message, res) {
      const [path = ''] = (message.url ?? '').split('?', 1)
      if (!oauth.serves(path)) return portal.handle(message, res)
      oauth.handle(message, res).catch((error: unknown) => {
        log.error({ err: error }, 'a request to the OAuth server failed')
        if (res.headersSent) res.destroy()
        else res.writeHead(500, { 'Content-Length': '0', 'Cache-Control': 'no-store' }).end()
      })
    },
    async hashOf(bearer) {
      if (bearer.startsWith(`${READABLE_HEADER}.`)) return tokenHash(bearer)
      return oauth.bearer(bearer)
    },
    link: (permission, by) => linkFor(parts, { permission, by }),
    async receipt(permission) {
      const { attachments } = await state.call<PermissionRecord>('showPermission', { permission })
      const receipt = attachments.find(({ kind }) => kind === 'receipt')
      if (!receipt) return null
      const bytes = await state.call<Uint8Array | undefined>('readAttachment', { permission, sha256: receipt.sha256 })
      return bytes === undefined ? null : (JSON.parse(Buffer.from(bytes).toString('utf8')) as Json)
    },
    close: portal.close,
  }
}
