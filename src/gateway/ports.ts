/** What the request path is given: types only, so that it can be read and tested without a store, a clock or a file. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccountId, ClientId, PermissionId, PermissionView, PurposeCode } from '../domain/permission.ts'
import type { MeterId } from '../domain/meter.ts'
import type { Policy } from '../domain/policy.ts'
import type { Caller } from '../domain/request.ts'
import type { Millis } from '../domain/time.ts'
import type { ProviderId } from '../domain/vocabulary.ts'
import type { IntentArgs, IntentResult, OutcomeArgs, RefusedArgs, RefusedResult } from '../evidence/access.ts'
import type { FindArgs, KeepArgs, KeptDays } from '../permissions/answer-store.ts'
import type { Identity, IssuedToken } from '../permissions/tokens.ts'
import type { WhoseRights } from '../permissions/client-rights.ts'
import type {
  ClientRight,
  DenialStyle,
  HeldShare,
  NamedHolder,
  ProviderAdapter,
  SharesAsked,
  StopAsked,
  StoppedRight,
} from '../providers/adapter.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { PlaceOf } from '../runtime/place.ts'
import type { DecisionWatch } from './decision-watch.ts'
import type { Holder } from './holder.ts'
import type { Way } from './identify.ts'
import type { OpenDoor } from './open/door.ts'
import type { Quota } from './quota.ts'
import type { RefusalBudget } from './refusals.ts'
import type { UnderWay } from './under-way.ts'

export interface ClientPolicy {
  readonly id: ClientId
  readonly purpose: PurposeCode
  readonly denialStyle: DenialStyle
  /** By what it may prove who it is. */
  readonly identifiesBy: readonly Way[]
  /** SHA-256 of its TLS client certificates, hexadecimal. */
  readonly certificates: readonly string[]
  readonly refusesNarrowing: boolean
  readonly corsOrigins: readonly string[]
  readonly limits: { readonly concurrency: number; readonly refusalsPerMinute: number; readonly requestsPerSecond?: number | undefined }
}

/** Everything that a reload replaces, in one piece: a request reads it once and keeps it. */
export interface Live {
  readonly policy: Policy
  readonly policyHash: string
  readonly clients: ReadonlyMap<ClientId, ClientPolicy>
  readonly tokenTtlSeconds: number
  readonly tokensPerCredential: number
}

export interface Seen {
  readonly generation: number
  readonly permissions: readonly PermissionView[]
}

export interface GateState {
  /** `fresh` asks the registry itself. */
  identify(hash: Buffer, fresh: boolean): Promise<Identity | undefined>
  views(client: ClientId, meter: MeterId, fresh: boolean): Promise<Seen>
  meterToken(meter: MeterId): Buffer
  /** The caller's own permissions that were given in a consent journey. */
  heldShares(client: ClientId, about: SharesAsked['about'], set: Caller['set']): Promise<readonly HeldShare[]>
  /** Who agreed, for a data holder that is told; null where no name is known. */
  holderOf(permission: PermissionId): Promise<NamedHolder | null>
  intent(args: IntentArgs): Promise<IntentResult>
  /** Days that were read under a permission and may be given again; null where one of them is not there. */
  keptDays(args: FindArgs): Promise<KeptDays | null>
  keepDays(args: KeepArgs): Promise<void>
  /** Gives the entry's name. */
  outcome(args: OutcomeArgs): Promise<{ readonly entry: string }>
  refused(args: RefusedArgs): Promise<RefusedResult>
  exchange(args: {
    readonly client: ClientId
    readonly secret: string
    readonly live: Live
    readonly now: Millis
  }): Promise<IssuedToken | undefined>
  /** A token that the gate holds for a client which proved itself otherwise. */
  tokenFor(args: {
    readonly client: ClientId
    readonly credential: string
    readonly value: string
    readonly live: Live
    readonly now: Millis
  }): Promise<{ readonly hash: Uint8Array; readonly expiresAt: Millis } | undefined>
  holderRefused(args: {
    readonly permission: string
    readonly meter: MeterId
    readonly account: AccountId
    readonly code: string
    readonly now: Millis
  }): Promise<void>
  /** Whether another request may be taken: queue, backlog, disk and clock are in bounds. */
  readonly ready: boolean
}

/** What data holders have open for the permissions of a client. */
export interface ClientRightsDesk {
  /** `none`: it has no permission on a meter that it names. `unknown`: the data holder had no word of it. */
  of(asked: WhoseRights & { readonly meters: 'all' | readonly MeterId[] }): Promise<readonly ClientRight[] | 'none' | 'unknown'>
  /** `none`: one of them is not its own. `ended` undefined: asked for, and not acknowledged yet. */
  stop(
    asked: WhoseRights & StopAsked & { readonly credential: string },
  ): Promise<{ readonly n: number; readonly entry: string; readonly ended: readonly StoppedRight[] | undefined } | 'none'>
}

/** A data holder as the pipeline meets it; what a `Form` is only its adapter knows. */
export interface ProviderRoute {
  readonly id: ProviderId
  readonly adapter: ProviderAdapter<unknown>
  readonly holders: ReadonlyMap<AccountId, Holder>
  readonly quota: Quota
}

/** Pages for people and the OAuth server, on the same listener: what is theirs never enters the gated path. */
export interface PeoplesDoor {
  serves(path: string): boolean
  handle(message: IncomingMessage, res: ServerResponse): void
  /** What a bearer text is found by in the registry; undefined where it proves nothing. */
  hashOf(bearer: string): Promise<Buffer | undefined>
}

export interface Gate {
  readonly live: () => Live
  readonly state: GateState
  /** Whose request this is, by its path; of a path that no data holder has, the one whose refusals a stranger reads. */
  readonly routeOf: (path: string) => ProviderRoute
  /** Absent where the settings have no section `portal`. */
  readonly people: PeoplesDoor | undefined
  readonly rights: ClientRightsDesk
  /** Absent where the settings have no `open_routes`. */
  readonly open?: OpenDoor | undefined
  readonly refusals: RefusalBudget
  readonly underWay: UnderWay
  readonly metrics: Metrics
  readonly watch: DecisionWatch
  readonly log: Logger
  /** Whom limits count. */
  readonly placeOf: PlaceOf
  readonly now: () => Millis
  readonly newId: () => string
  readonly draining: () => boolean
  readonly maxTarget: number
}
