/**
 * What one data holder's folder must offer. Adapters are pure: they see no socket, store or clock. The gateway hands
 * them a request already proved canonical, and gets back the words of `domain/` or a refusal; later it gets the bytes
 * to send, and a filter through which every byte of the answer goes.
 */
import type { Json } from '../domain/canonical.ts'
import type { Part } from '../domain/decision.ts'
import type { Reason } from '../domain/errors.ts'
import type { MeterId } from '../domain/meter.ts'
import type { AccountId, PermissionView, Scope, ScopeLine } from '../domain/permission.ts'
import type { AccessRequest } from '../domain/request.ts'
import type { Day, Millis } from '../domain/time.ts'
import type { ProofState, RightState } from '../domain/vocabulary.ts'

/** A request as the listener hands it on: origin-form path without query, parameters decoded once, no duplicates. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  /** Parameters that may stand once. */
  readonly query: ReadonlyMap<string, string>
  /** Those that `repeats` names: all values as they came, no two alike. Absent where there is none. */
  readonly lists?: ReadonlyMap<string, readonly string[]>
  readonly contentType?: string
  readonly soapAction?: string
  /** Measures of any data holder in one form, asked for by `Accept`; absent: in the form of the path. */
  readonly view?: 'senml'
}

/** What is asked for, once all of the request is read. */
export type Named<Form> =
  | { readonly is: 'access'; readonly access: AccessRequest; readonly form: Form }
  /** What the caller may read, by the registry: answered by the gate itself, without a call to the data holder. */
  | { readonly is: 'shares'; readonly asked: SharesAsked; readonly form: Form }
  /** What the data holder has open for the caller's own permissions: answered by the gate, by its register. */
  | { readonly is: 'rights'; readonly meters: 'all' | readonly MeterId[]; readonly form: Form }
  /** The end of what is open for the caller's own permissions. */
  | { readonly is: 'stop'; readonly asked: StopAsked; readonly form: Form }
  | { readonly is: 'refused'; readonly reason: Reason; readonly form: Form | null; readonly flaw?: string }

export type Classified<Form> =
  | Named<Form>
  /** `POST` of client credentials, answered by the gate itself. */
  | { readonly is: 'token' }
  /** A question about the interface itself, which the adapter answers to anybody: there is no meter in it. */
  | { readonly is: 'told'; readonly reply: Reply }
  /** The body names it, of at most so many bytes: it is read once the caller is identified. */
  | {
      readonly is: 'body'
      readonly form: Form
      readonly most: number
      /** Undefined where the body did not come, or is longer. */
      readonly read: (body: Uint8Array | undefined) => Named<Form>
    }

/**
 * Chosen by the operator for each client: which status and code a refusal has in the client's own dialect. `native`: as
 * the server refused in whose place the gate stands, which is told by the path.
 */
export type DenialStyle = 'native' | 'enedis' | 'domoticz' | 'conso'

export interface Refusal {
  readonly reason: Reason
  /** What was wrong with a malformed request: a code of the adapter's own, never text of the request. */
  readonly flaw?: string
  readonly retryAfterSeconds?: number
}

/** An answer of the gate's own. `contentType` is always JSON of the dialect. */
export interface Reply {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

/** What goes to the data holder; credentials and framing are added by the forward step. */
export interface OutgoingCall {
  readonly method: 'GET' | 'POST'
  /** Path and query, built from the canonical request only. */
  readonly target: string
  readonly accept: string
  readonly body?: {
    readonly text: string
    readonly contentType: string
    readonly soapAction: string
    /** What in it decides on what is answered, without names or secrets: sealed in the evidence beside the target. */
    readonly says: string
  }
}

/** On whose account, and under which permission, a call is made. */
export interface Under {
  readonly account: AccountId
  readonly permission: PermissionView
  /** Who agreed, where the data holder is told: of no request but one for which the adapter says so. */
  readonly holder?: NamedHolder
}

export interface NamedHolder {
  readonly kind: 'natural' | 'legal'
  readonly name: string
}

/** What a data holder's non-200 answer means. `code` is the holder's own where it looks like one: at most 64 of `[A-Za-z0-9_-]`. */
export type HolderSays =
  | { readonly means: 'no_data' }
  /** The period begins before the meter was in service. */
  | { readonly means: 'before_activation' }
  /** About the consent: marks the binding doubtful. */
  | { readonly means: 'refused' }
  /** About the period only (ADAM-DC-0009): passed on, says nothing about the consent. */
  | { readonly means: 'period_refused' }
  | { readonly means: 'bad_request' }
  | { readonly means: 'token_refused' }
  | { readonly means: 'quota'; readonly retryAfterSeconds?: number }
  | { readonly means: 'down' }

export interface HolderError {
  readonly says: HolderSays
  readonly code: string
}

export interface SharesAsked {
  readonly about: { readonly authorisation: string } | { readonly meters: readonly MeterId[] }
  /** Only how many. */
  readonly count: boolean
  readonly page: number
  readonly ended: boolean
}
/** One permission of the caller's, given in a consent journey. */
export interface HeldShare {
  readonly meter: MeterId
  readonly authorisation: string
  readonly inForce: boolean
  readonly lines: readonly ScopeLine[]
  readonly from: Day
  readonly until: Day
}

export interface Counts {
  readonly readings: number
  readonly dropped: number
  /** First and last stamp delivered, as the holder writes them. */
  readonly first: string | null
  readonly last: string | null
}

/** Takes one call's answer as it streams. After a failure nothing more may be written: the answer is cut. */
export interface PartReader {
  /** Output for the client, perhaps empty while what comes first is held. */
  push(chunk: Uint8Array): Fed
  /** The holder's body is complete. */
  end(): Fed
  readonly counts: Counts
  /** Why all readings were dropped, if they were: the answer is then refused as `step_too_fine`. */
  readonly allTooFine: boolean
  /** What the holder said in the body of an answer with status 200; in place of readings it is what the client is told. */
  readonly said?: HolderError | undefined
  /**
   * After `end`: what was delivered, day by day, for whoever may keep it; days without a reading are not among them.
   * Undefined where it cannot be told apart by days.
   */
  days?(): ReadonlyMap<Day, Json> | undefined
  /** In place of `push` and `end`: days as `days` gave them, of this series and no other, that join. */
  recall?(days: readonly Json[]): Fed
  /** What the data holder says that it has opened for the permission: put on record with the outcome. */
  readonly opened?: readonly string[]
}

export type Fed =
  | { readonly ok: true; readonly out: readonly string[] }
  | { readonly ok: false; readonly why: 'other_meter' | 'other_unit' | 'unreadable' | 'held_too_long' }

/**
 * The answer to one request, merged from one or several parts in the client's own dialect. Text is written as UTF-8.
 * The parts are read one after the other, in their order. What opens the answer comes with the first reading that may
 * leave; `close`, after the last part, gives nothing where there was none.
 */
export interface Answer {
  readonly contentType: string
  /** @param keeping whether `days` will be asked for */
  part(index: number, keeping?: boolean): PartReader
  /**
   * What a part is read from, in letters, digits and `/._-`: days that were kept under one name may answer another request for
   * the same. Absent or undefined: nothing of it is kept.
   */
  series?(index: number): string | undefined
  /** Whether days that were kept at different times can stand in one answer. */
  joins?(days: readonly Json[]): boolean
  /** A part without data (or clipped to nothing). Nothing is written for it. */
  skip(index: number): void
  close(): readonly string[]
}

/** What the data holder opened for a permission on its own side. */
export interface RightToEnd {
  readonly ref: string
  readonly direction: 'withdrawal' | 'injection'
  readonly meter: MeterId
  readonly permission: string
}
export interface RightAnswer {
  /** Acknowledged, or there is nothing left to end. */
  readonly ended: boolean
  readonly code: string | null
  readonly says?: HolderSays
}
/** A call of the gate's own. */
export interface RightCall {
  readonly method: 'POST' | 'PUT' | 'PATCH'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Whose quota it uses up. */
  readonly api: string
  /** Sealed in the evidence: no name, no secret. */
  readonly says: string
}
/** The call that asks for the end of a right, and what its answer means. */
export type EndRight = (
  right: RightToEnd,
  account: AccountId,
) => { readonly call: RightCall; readonly understand: (status: number, body: string) => RightAnswer }

export interface StopAsked {
  readonly meter: MeterId
  readonly refs: readonly string[]
  /** Null where the caller names none. */
  readonly direction: 'withdrawal' | 'injection' | null
}
export interface StoppedRight {
  readonly ref: string
  /** What the data holder said of its end. */
  readonly code: string | null
}
/** Something that a data holder has open for a permission of the caller's. */
export interface ClientRight {
  readonly ref: string
  readonly account: AccountId
  readonly meter: MeterId
  readonly direction: 'withdrawal' | 'injection'
  readonly state: RightState
  readonly since: Millis
  readonly proof: ProofState | null
  readonly scope: Scope
  /** As the data holder itself tells of it, where it was asked. */
  readonly told?: Readonly<Record<string, string>>
}
export interface FoundRight {
  readonly ref: string
  readonly told: Readonly<Record<string, string>>
}
/** The call that asks what is open on a meter, and what its answer means; `rights` undefined: no word of it. */
export type SearchRights = (
  meter: MeterId,
  account: AccountId,
) => {
  readonly call: RightCall
  readonly understand: (
    status: number,
    body: string,
  ) => { readonly rights: readonly FoundRight[] | undefined; readonly code: string | null; readonly says?: HolderSays }
}

/** What the data holder is to open for a permission. `order` is what its own adapter takes for one. */
export interface RightToOpen {
  readonly meter: MeterId
  readonly direction: 'withdrawal' | 'injection'
  readonly order: Json
  readonly permission: string
}
export type OpenAnswer =
  /** `pending`: its person is asked by the data holder. */
  | { readonly is: 'opened'; readonly refs: readonly string[]; readonly state: 'pending' | 'open'; readonly code: string | null }
  /** It cannot be, as things stand: asking again changes nothing. */
  | { readonly is: 'rejected'; readonly code: string }
  | { readonly is: 'again'; readonly code: string; readonly says?: HolderSays }
export type OpenRight = (
  right: RightToOpen,
  account: AccountId,
  today: Day,
) => { readonly call: RightCall; readonly understand: (status: number, body: string) => OpenAnswer }

export interface ProviderAdapter<Form> {
  readonly id: AccessRequest['provider']
  /** Whether a path is of this interface, open or not. */
  serves(path: string): boolean
  /** Parameters of a path that may stand more than once, each time with another value. Absent: no parameter may. */
  repeats?(path: string): ReadonlySet<string>
  classify(request: WireRequest, today: Day): Classified<Form>
  rewrite(form: Form, access: AccessRequest, part: Part, under: Under): OutgoingCall
  /** Not translatable between the client's dialect and the holder's: refused before anything is decided. */
  canAnswer(form: Form): boolean
  /** Whether the data holder is told the name of the one who agreed. */
  namesHolder?(form: Form): boolean
  answer(form: Form, access: AccessRequest, parts: readonly Part[]): Answer
  holderError(status: number, body: string, retryAfter: string | null, now: Millis): HolderError
  /** The holder's own refusal in the client's dialect and style; free text of the holder never crosses. */
  passError(form: Form, style: DenialStyle, status: number, error: HolderError): Reply
  refuse(form: Form | null, style: DenialStyle, refusal: Refusal): Reply
  /** The client's own permissions, as the data holder would list its shares. Absent where it has no such list. */
  showShares?(asked: SharesAsked, held: readonly HeldShare[]): Reply
  /** What is open for the client's own permissions. Absent where the interface has no such question. */
  showRights?(form: Form, rights: readonly ClientRight[]): Reply
  showStopped?(form: Form, stopped: readonly StoppedRight[]): Reply
  /** Absent where the register knows all that is told. */
  readonly searchRights?: SearchRights
  /** Absent where people end their shares at the data holder alone. */
  readonly endRight?: EndRight
  /** Absent where people give their shares at the data holder alone. */
  readonly openRight?: OpenRight
  /** For a 200 of the holder's in which no reading was that may leave: `close` gave nothing. */
  noData(form: Form, style: DenialStyle): Reply
}
