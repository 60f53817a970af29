/** What the portal is given: types only, so that it can be read and tested without a store or a socket. */
import type { UsagePointId } from '../domain/meter.ts'
import type { AccountId, ClientId } from '../domain/permission.ts'
import type { Purpose } from '../domain/policy.ts'
import type { Shares } from '../domain/share.ts'
import type { Millis } from '../domain/time.ts'
import type { ActResult } from '../permissions/record.ts'
import type { Logger } from '../runtime/logger.ts'
import type { PlaceOf } from '../runtime/place.ts'
import type { Scan } from '../runtime/scan.ts'
import type { ClientSettings, Settings } from '../settings/shape.ts'
import type { StateClient } from '../storage/rpc.ts'

export type PortalSettings = NonNullable<Settings['portal']>

export interface PortalParts {
  readonly settings: PortalSettings
  /** As the settings in force declare them; read anew for each request. */
  readonly clients: () => ReadonlyMap<ClientId, ClientSettings>
  readonly purposes: () => readonly Purpose[]
  readonly state: StateClient
  /** Whether evidence can be written: without it nobody is asked anything. */
  readonly ready: () => boolean
  /** Asks the data holder what is shared; recorded before and after. */
  readonly shares: (
    account: AccountId,
    question: { readonly authorisation: string } | { readonly meters: readonly UsagePointId[] },
    why: 'journey' | 'sign_in',
    signal: AbortSignal,
  ) => Promise<Shares>
  /** Client id of an account at Enedis, as its consent page is told. */
  readonly applicationOf: (account: AccountId) => string
  /** Caches, other gates and calls under way hear of it before anybody is answered. */
  readonly onActs: (acts: readonly ActResult[]) => Promise<void>
  readonly onToken: (hash: Uint8Array) => Promise<void>
  readonly tokenTtlSeconds: () => number
  readonly tokensPerCredential: () => number
  /** The operator's malware scanner; undefined where there is none. */
  readonly scan: Scan | undefined
  /** Whom limits count. */
  readonly placeOf: PlaceOf
  readonly now: () => Millis
  readonly newId: () => string
  readonly log: Logger
  /** Secret of this instance from which cookies and form tokens are made. */
  readonly secret: Uint8Array
}
