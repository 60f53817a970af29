/**
 * What operators' pages and API are given: data and functions, so that they can be read and tested without a store, a
 * clock or a file. Whatever refuses throws a {@link Refusal} with a sentence for the operator; anything else that is
 * thrown is a fault of ours, and the operator reads none of it.
 */
import type { EntryRef } from '../domain/position.ts'
import type { Json } from '../domain/canonical.ts'
import type { ClientId } from '../domain/permission.ts'
import type { Day, Millis } from '../domain/time.ts'
import type { ActType, SuspendCause } from '../domain/vocabulary.ts'
import type { BrowsePage, Browsed, DayCount } from '../evidence/browse.ts'
import type { OpenedEntry } from '../evidence/opened.ts'
import type { Selection } from '../evidence/disclose.ts'
import type { Standing } from '../ops/health.ts'
import type { Admitted } from '../permissions/admit.ts'
import type { Signed } from '../permissions/mandates.ts'
import type { Changed, ClientOnRecord, PermissionAt } from '../permissions/browse.ts'
import type { ActResult, PermissionSummary } from '../permissions/record.ts'
import type { Found } from '../permissions/tickets.ts'
import type { TokenSummary } from '../permissions/tokens.ts'
import type { Logger } from '../runtime/logger.ts'
import type { PlaceOf } from '../runtime/place.ts'
import type { Scan } from '../runtime/scan.ts'
import type { TakenPaper } from '../web/papers.ts'

export const ROLES = ['operator', 'auditor'] as const
/** An operator does all; an auditor reads, evidence included, and changes nothing. */
export type Role = (typeof ROLES)[number]

export interface Operator {
  /** As acts and readings name it in the evidence, sealed: `console:bootstrap`, `oidc:SUB`. */
  readonly id: string
  readonly name: string
  readonly role: Role
}

/** `not_found` 404 · `conflict` 409: not possible as things stand · `invalid` 422 · `unavailable` 503. */
export type RefusalCode = 'not_found' | 'conflict' | 'invalid' | 'unavailable'
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  constructor(code: RefusalCode, sentence: string, options?: ErrorOptions) {
    super(sentence, options)
    this.code = code
  }
}

export interface ConsoleSettings {
  readonly address: string
  readonly port: number
  /** As browsers see it; absent: as the request says. */
  readonly url: string | undefined
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  readonly sessionMinutes: number
  /** The secret itself. */
  readonly bootstrap: string | undefined
  readonly oidc:
    | {
        readonly issuer: string
        readonly clientId: string
        readonly clientSecret: string
        readonly roleClaim: string
        readonly operators: readonly string[]
        readonly auditors: readonly string[]
      }
    | undefined
}

/** Sessions, sign-ins under way and idempotency keys; they outlive a restart. */
export interface ConsoleTickets {
  put(kind: TicketKind, id: string, payload: string, ttlSeconds: number): Promise<void>
  get(kind: TicketKind, id: string): Promise<Found | null>
  take(kind: TicketKind, id: string): Promise<string | null>
  drop(kind: TicketKind, id: string): Promise<void>
}
export type TicketKind = 'console' | 'console sign-in' | 'idempotency'

export interface PermissionFilter {
  readonly client?: string | undefined
  readonly status?: string | undefined
  /** `prm:…`, `pce:…` or 14 digits. */
  readonly meter?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
}
export interface Order {
  readonly permission: string
  readonly type: ActType
  readonly reason?: string | undefined
  readonly cause?: SuspendCause | undefined
  /** The last act that the operator saw; null: whatever it is now. */
  readonly head: string | null
}
export interface Link {
  readonly url: string
  readonly expiresAt: string
}
export interface Permissions {
  list(filter: PermissionFilter): Promise<readonly PermissionSummary[]>
  show(id: string): Promise<PermissionAt>
  import(
    by: Operator,
    order: {
      readonly text: string
      readonly documents: Readonly<Record<string, string>>
      readonly dryRun: boolean
      readonly unverified: boolean
    },
  ): Promise<Omit<Extract<Admitted, { ok: true }>, 'acts'> | Extract<Admitted, { ok: false }>>
  act(by: Operator, order: Order): Promise<Changed<ActResult>>
  /** On record as a reading. */
  attachment(by: Operator, permission: string, sha256: string): Promise<Buffer>
  /** A one-time link to the person's page; undefined where the settings have no portal. */
  readonly link: ((by: Operator, permission: string) => Promise<Link>) | undefined
  /** What the person was given as a receipt (JSON-LD); null where this permission has none. */
  receipt(permission: string): Promise<Json | null>
}

export interface HandedIn {
  readonly permission: string
  readonly papers: readonly TakenPaper[]
  readonly channel: string
  readonly signedOn: Day
}
export interface Checked {
  readonly permission: string
  readonly head: string
  /** How the name signed and that of the contract compare; null: turned down. */
  readonly accepted: 'exact' | 'close_reviewed' | null
  readonly checks: readonly string[]
  readonly reason?: string | undefined
}
export type ProofSent =
  | { readonly is: 'taken' | 'refused'; readonly code: string }
  /** Nothing asked for; or no answer, and nothing is known. */
  | { readonly is: 'not_asked' | 'unknown' }
/** How a permission comes to be: on paper at SGE, by the mail and the control of GRDF. */
export interface Journeys {
  /** `provider/account`, of all data holders. */
  accounts(): readonly string[]
  /** Makes the form of a mandate; nothing where it is made. */
  issue(permission: string): Promise<void>
  /** What an operator received on paper. */
  handIn(by: Operator, order: HandedIn): Promise<Signed['is']>
  check(by: Operator, order: Checked): Promise<Changed<ActResult>>
  /** Other permissions with which the same signed document came. */
  elsewhere(permission: string): Promise<readonly string[]>
  /** On record as a reading of the documents that it names. */
  sendProof(by: Operator, permission: string, filed: readonly string[], papers: readonly TakenPaper[]): Promise<ProofSent>
  proofsAwaited(): Promise<readonly { readonly permission: string; readonly until: string | null }[]>
  readonly scan: Scan | undefined
}

export interface ClientShown extends ClientOnRecord {
  readonly name: string
  /** Null where the settings declare it no more. */
  readonly purpose: string | null
}
export interface Clients {
  list(): Promise<readonly ClientShown[]>
  /** A first credential, or a new one in place of `known`. */
  credential(
    by: Operator,
    client: ClientId,
    known: readonly string[],
  ): Promise<Changed<{ readonly clientId: string; readonly secret: string }>>
}
export interface IssuedForOperator {
  readonly token: string
  readonly id: string
  readonly client: string
  readonly expiresAt: string
}
export interface ConsoleTokens {
  list(filter: {
    readonly client?: string | undefined
    readonly after?: string | undefined
    readonly limit: number
  }): Promise<readonly TokenSummary[]>
  issue(
    by: Operator,
    order: { readonly client: string; readonly permissions?: readonly string[] | undefined; readonly ttlSeconds?: number | undefined },
  ): Promise<IssuedForOperator>
  revoke(by: Operator, id: string): Promise<void>
}

export interface EvidenceFilter {
  readonly before?: number | undefined
  readonly type?: string | undefined
  readonly client?: string | undefined
  /** Days in Paris, `until` excluded. */
  readonly from?: Day | undefined
  readonly until?: Day | undefined
  readonly limit: number
}
export interface ProvedEntry {
  readonly n: number
  readonly name: string
  /** The bytes that were hashed. */
  readonly entry: string
  readonly leaf: string
  readonly size: number
  readonly root: string
  /** Base64, the leaf's sibling first. */
  readonly path: readonly string[]
  readonly checkpoint: string
  readonly vkey: string
  /** The C2SP file. */
  readonly file: string
  /** Recomputed here, against the signed checkpoint. */
  readonly verified: boolean
}
export interface Begun {
  readonly recordedAs: string
  readonly ticket: string
  readonly size: number
}
export interface ExplainedLine {
  readonly permission: string
  readonly line: string
  readonly stage: string
  readonly why: string | null
  readonly days: readonly string[]
  readonly opensAgain: string | null
  readonly decided: boolean
}
export interface Explained {
  readonly entry: string
  readonly recordedAs: string
  readonly stage: string
  readonly onRecord: { readonly result: string | null; readonly reason: string | null }
  readonly explanation: {
    readonly decision: { readonly result: string; readonly reason?: string }
    readonly rule: { readonly id: string; readonly onOverrun: string } | null
    readonly lines: readonly ExplainedLine[]
    readonly fact: string
    readonly help: string | null
    readonly now: string
  } | null
  readonly why: string | null
}
export interface PackOrder {
  readonly select: Selection
  readonly audience: string
  /** Code of the legal title, and the operator's words. */
  readonly title: string
  readonly why: string
}
export interface PackMade {
  readonly file: string
  readonly bytes: number
  readonly entries: number
  readonly manifest: string
  readonly recordedAs: string
}
export interface Evidence {
  readonly origin: string
  latest(filter: EvidenceFilter): Promise<BrowsePage>
  one(n: number): Promise<Browsed>
  checkpoint(): Promise<{ readonly checkpoint: string; readonly vkey: string }>
  proof(n: number): Promise<ProvedEntry>
  begin(by: Operator, select: Selection, why: string): Promise<Begun>
  /** `next` is null after the last page. */
  page(ticket: string, from: number, limit: number): Promise<{ readonly opened: readonly OpenedEntry[]; readonly next: number | null }>
  explain(by: Operator, n: number, why: string): Promise<Explained>
  export(by: Operator, order: PackOrder, file: string, onProgress: (done: number, of: number) => void): Promise<PackMade>
}

export interface QuotaGauge {
  readonly account: string
  readonly api: string
  readonly left: number
  readonly most: number
  readonly windowSeconds: number
}
export interface Overview {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, Standing>>
  readonly entries: number
  readonly policy: string
}
export interface Accesses {
  /** The last days in order, those without any access too. */
  readonly days: readonly DayCount[]
  /** Older entries are still being counted. */
  readonly counting: boolean
}

/** One request as the gate settled it. Nothing here names a meter or a person. */
export interface SeenDecision {
  readonly at: Millis
  readonly client: string
  readonly provider: string
  readonly api: string
  readonly kind: string | null
  readonly direction: string | null
  readonly step: string | null
  /** `from/until`. */
  readonly asked: string | null
  readonly result: 'allow' | 'narrow' | 'deny'
  readonly reason: string | null
  readonly rule: string | null
  readonly permission: string | null
  /** Null where it has none of its own. */
  readonly entry: EntryRef | null
}
export interface Decisions {
  /** Newest first. */
  latest(limit: number): readonly SeenDecision[]
}

export interface ShadowCount {
  readonly rule: string
  readonly same: number
  /** Allowed now, and refused by the other policy. */
  readonly stricter: number
  /** Refused now, and allowed by the other policy. */
  readonly wider: number
  /** Both allow, and not the same. */
  readonly otherwise: number
}
export interface ShadowDifference {
  readonly at: Millis
  readonly client: string
  readonly kind: string | null
  readonly live: { readonly result: string; readonly reason: string | null; readonly rule: string | null }
  readonly shadow: { readonly result: string; readonly reason: string | null; readonly rule: string | null }
  readonly entry: EntryRef | null
}
export interface Shadow {
  /** File that it is read from. */
  readonly file: string
  counts(): readonly ShadowCount[]
  /** Newest first. */
  latest(limit: number): readonly ShadowDifference[]
}

export interface ConsoleParts {
  readonly settings: ConsoleSettings
  /** Folder of packs that wait to be fetched; nothing else lies there. */
  readonly packs: string
  readonly instance: string
  /** Whom limits count. */
  readonly placeOf: PlaceOf
  readonly now: () => Millis
  readonly log: Logger
  readonly tickets: ConsoleTickets
  readonly permissions: Permissions
  readonly journeys: Journeys
  readonly clients: Clients
  readonly tokens: ConsoleTokens
  readonly evidence: Evidence
  readonly overview: () => Overview
  readonly quotas: () => readonly QuotaGauge[]
  readonly accesses: () => Promise<Accesses>
  readonly decisions: Decisions
  /** Undefined while the settings name no second policy. */
  shadow(): Shadow | undefined
}
