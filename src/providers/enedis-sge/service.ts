/** What each service of SGE is to the gate: where it is, what it is asked, and how its answer is read. */
import type { Part } from '../../domain/decision.ts'
import type { UsagePointId } from '../../domain/meter.ts'
import type { PermissionView } from '../../domain/permission.ts'
import type { AccessRequest } from '../../domain/request.ts'
import type { Day } from '../../domain/time.ts'
import type { Answer, NamedHolder } from '../adapter.ts'
import type { SequenceModel, Values } from './model.ts'

/** What can be wrong with a request on a known path. */
export const FLAWS = [
  'query',
  'content_type',
  'soap_action',
  'envelope',
  'operation',
  'elements',
  'header_point',
  'order',
  'future',
  'quantity',
  'step',
  'direction',
] as const
export type Flaw = (typeof FLAWS)[number]

/** The quota of an account counts all services together. */
export const API = 'sge'

export interface QName {
  readonly ns: string
  readonly name: string
}

/** The operator at Enedis: set in every call, in place of whatever the caller sent. */
export interface Operator {
  readonly login: string
  readonly contract: string
}

export type Meant =
  | { readonly is: 'access'; readonly access: Omit<AccessRequest, 'provider' | 'api'> }
  | { readonly is: 'flaw'; readonly flaw: Flaw }
  /** A quantity that no permission of the gate opens. */
  | { readonly is: 'closed' }

export interface Rewriting {
  readonly access: AccessRequest
  readonly part: Part
  readonly permission: PermissionView
  readonly operator: Operator
  readonly options: SgeOptions
  /** Who agreed; of a service that is told. */
  readonly holder?: NamedHolder
}

export interface SgeOptions {
  /** `active`: a permission for measures opens active energy and power only. `all`: reactive ones and voltage as well. */
  readonly quantities: 'active' | 'all'
  /** Whether services that Enedis has withdrawn are served. */
  readonly legacy: boolean
}

export interface SgeService {
  readonly id: string
  readonly path: string
  readonly legacy?: true
  readonly soapAction: string
  readonly request: QName
  /** Other namespaces in which callers write the operation. */
  readonly alsoNamespaces?: readonly string[]
  readonly model: SequenceModel
  /** Version in the technical header; null where the service has no header. */
  readonly header: string | null
  /** Whether Enedis is told the name of the one who agreed. */
  readonly namesHolder?: true
  /** Where the point is, from the operation element. */
  point(values: Values): string | undefined
  means(values: Values, meter: UsagePointId, today: Day, options: SgeOptions): Meant
  rewrite(values: Values, to: Rewriting): Values
  /** What of `values` decides on the answer: no name, no login. */
  says(values: Values): string
  /** Whether its answers have measures, which have a form that all data holders share. */
  readonly measures?: true
  answer(values: Values, access: AccessRequest, parts: readonly Part[], options: SgeOptions, view?: 'senml'): Answer
}

/** As a permission lets it be declared (`cadreAcces`). */
export function accessFrame({ scope, bindings }: PermissionView): 'ACCORD_CLIENT' | 'SERVICE_ACCES' | 'EST_TITULAIRE' {
  const { sectorRelease } = scope.ground
  if (sectorRelease === 'holder_itself') return 'EST_TITULAIRE'
  // Only with a service that is on record as opened at Enedis under this permission.
  const opened = bindings.some(({ provider, opened: has }) => provider === 'enedis-sge' && has === true)
  return sectorRelease === 'subscribed_access' && opened ? 'SERVICE_ACCES' : 'ACCORD_CLIENT'
}
