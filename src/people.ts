/**
 * Puts together what people meet: the portal's pages and the OAuth server, on the gate's own listener. Absent where the
 * settings have no section `portal`: permissions are then imported only.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Changes } from './gate-state.ts'
import type { OwnCalls } from './gateway/own-calls.ts'
import type { PeoplesDoor } from './gateway/ports.ts'
import type { InstanceKeys } from './instance.ts'
import { beginRoutes } from './portal/journey/begin.ts'
import { dataConnectEnding, pageEnding } from './portal/journey/endings.ts'
import type { Endings } from './portal/journey/routes.ts'
import { journeyDesk, journeyRoutes } from './portal/journey/routes.ts'
import type { PortalParts } from './portal/ports.ts'
import { portalOf } from './portal/portal.ts'
import type { InForce } from './reload.ts'
import type { Clock } from './runtime/clock.ts'
import type { Logger } from './runtime/logger.ts'
import { derive } from './storage/keys.ts'
import type { StateClient } from './storage/rpc.ts'

export interface People extends PeoplesDoor {
  close(): Promise<void>
}

export interface PeopleParts {
  readonly force: InForce
  readonly state: StateClient
  readonly keys: InstanceKeys
  readonly ownCalls: OwnCalls
  readonly changes: Changes
  readonly ready: () => boolean
  readonly clock: Clock
  readonly log: Logger
}

export async function peopleOf({ force, state, keys, ownCalls, changes, ready, clock, log }: PeopleParts): Promise<People | undefined> {
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
    now: clock.now,
    newId: randomUUID,
    log,
    secret: derive(keys.index, 'ecluse portal/v1'),
  }
  const endings = { page: pageEnding(parts), data_connect: dataConnectEnding(parts, codeFor) } as unknown as Endings
  const portal = await portalOf(parts, [
    (app, rooms) => {
      const desk = journeyDesk(rooms)
      beginRoutes(app, rooms, desk)
      journeyRoutes(app, rooms, endings)
    },
  ])
  return {
    serves: portal.serves,
    handle: portal.handle,
    hashOf: (bearer) => Promise.resolve(createHash('sha256').update(bearer).digest()),
    close: portal.close,
  }
}

function codeFor(): Promise<string> {
  return Promise.reject(new Error('no code is made yet'))
}
