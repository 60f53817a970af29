/**
 * What the OAuth server is given: types, and the one mapping of the state's procedures to them. It reads clients anew at
 * each request, so that a reload of the settings counts at once, and holds nothing that a restart would lose.
 */
import type { ClientId, PermissionId, PurposeCode } from '../../domain/permission.ts'
import type { Millis } from '../../domain/time.ts'
import type { PermissionRecord, PermissionSummary } from '../../permissions/record.ts'
import type { Tickets } from '../../permissions/tickets.ts'
import type { Identity, Tokens } from '../../permissions/tokens.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { PlaceOf } from '../../runtime/place.ts'
import type { ClientSettings } from '../../settings/shape.ts'

type Async<T> = {
  readonly [K in keyof T]: T[K] extends (args: infer A) => infer R ? (args: A) => Promise<R> : never
}

export type Ask = NonNullable<ClientSettings['ask']>
export type AskLine = Ask['lines'][number]
/** The part of a client's settings that the OAuth server reads. */
export type OAuthClient = Pick<ClientSettings, 'name' | 'disabled' | 'corsOrigins' | 'oauth' | 'ask'> & {
  readonly id: string
  readonly purpose: string
}

export interface OAuthState {
  readonly tickets: Async<Pick<Tickets, 'put' | 'get' | 'find' | 'consume' | 'take' | 'drop' | 'dropGrant' | 'list'>>
  readonly tokens: Async<Pick<Tokens, 'checkSecret' | 'record' | 'end' | 'endOfCredential' | 'identify'>>
  showPermission(args: { readonly permission: string }): Promise<PermissionRecord>
  listPermissions(args: { readonly client: string; readonly status: string; readonly limit: number }): Promise<readonly PermissionSummary[]>
}

export interface OAuthParts {
  /** `portal.url`: issuer, audience and resource in one. */
  readonly issuer: string
  readonly state: OAuthState
  /** As the settings in force declare it; undefined for one that they do not. */
  readonly client: (id: string) => OAuthClient | undefined
  readonly tokens: () => { readonly ttlSeconds: number; readonly perCredentialCap: number }
  /** How long a person may take, the data holder's page included. */
  readonly journeySeconds: () => number
  /** Told of each token that ended, before whoever ended it is answered. */
  readonly ended: (hash: Uint8Array) => Promise<void>
  /** Counts a request of nobody known; true where its address is past its rate and is told nothing more. */
  readonly stranger: (place: string, reason: string) => boolean
  /** Whom limits count. */
  readonly placeOf: PlaceOf
  /** Whether the state can take another request. */
  readonly ready: () => boolean
  readonly now: () => Millis
  readonly log: Logger
}

/** @param call of a procedure of the thread that owns the state */
export function oauthState(call: <T>(name: string, args: unknown) => Promise<T>): OAuthState {
  return {
    tickets: {
      put: (args) => call('ticketPut', args),
      get: (args) => call('ticketGet', args),
      find: (args) => call('ticketFind', args),
      consume: (args) => call('ticketConsume', args),
      take: (args) => call('ticketTake', args),
      drop: (args) => call('ticketDrop', args),
      dropGrant: (args) => call('ticketDropGrant', args),
      list: (args) => call('ticketList', args),
    },
    tokens: {
      checkSecret: (args) => call('checkSecret', args),
      record: (args) => call('recordToken', args),
      end: (args) => call('endToken', args),
      endOfCredential: (args) => call('endTokensOf', args),
      identify: (args) => call<Identity | undefined>('identify', args),
    },
    showPermission: (args) => call('showPermission', args),
    listPermissions: (args) => call('listPermissions', args),
  }
}

/** What a person gave in one consent journey: permissions of one client, and maybe of others of the same body. */
export interface Given {
  readonly bundle: string
  readonly permissions: readonly string[]
}

/** One line that is asked for: a line of the client's settings, no wider. */
export type AskedLine = AskLine & {
  /** Whose purpose the line serves: the client itself, or the one that `for` names. */
  readonly purpose: PurposeCode
  /** Days beyond which nothing was asked for; absent where the client asked for no days in particular. */
  readonly data?: { readonly from: string; readonly until: string }
}
/** What a page needs to ask a person. */
export interface Asked {
  readonly client: ClientId
  readonly clientName: string
  readonly lines: readonly AskedLine[]
  /** `ui_locales` as the client wrote them, for a person whose language is not known yet. */
  readonly locales: string | undefined
  /** Where a form of the page may end up, for its `form-action`: browsers hold the redirects that follow it to that. */
  readonly formTargets: readonly string[]
}
export type { ClientId, PermissionId, PurposeCode }
