/**
 * The closed lists that permissions, requests, policy and evidence share: kinds of data, directions, steps,
 * providers, grounds, recurrence, acts and states. Source: the consent model's register; codes are stable and appear in files and logs.
 */
export const PROVIDERS = ['enedis-data-connect', 'enedis-sge', 'grdf-adict'] as const
export type ProviderId = (typeof PROVIDERS)[number]

export const DATA_KINDS = [
  'load_curve',
  'daily_energy',
  'published_reading',
  'index',
  'max_power',
  'contract_data',
  'technical_data',
  'address',
  'identity',
  'contact',
  'infraday',
  'aggregate',
] as const
export type DataKind = (typeof DATA_KINDS)[number]

/** Kinds without days: their lines carry no data period, validity alone is checked. */
const UNDATED: ReadonlySet<DataKind> = new Set(['contract_data', 'technical_data', 'address', 'identity', 'contact'])
export function isDated(kind: DataKind): boolean {
  return !UNDATED.has(kind)
}

export const DIRECTIONS = ['withdrawal', 'injection', 'n_a'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** Fine to coarse. */
export const STEPS = ['PT1M', 'PT5M', 'PT10M', 'PT15M', 'PT30M', 'PT60M', 'P1D', 'P1M', 'P1Y', 'TOTAL'] as const
export type Step = (typeof STEPS)[number]

/** Whether `step` is as coarse as `finest` or coarser. */
export function isAtLeast(step: Step, finest: Step): boolean {
  return STEPS.indexOf(step) >= STEPS.indexOf(finest)
}

const MINUTES: Partial<Record<Step, number>> = { PT1M: 1, PT5M: 5, PT10M: 10, PT15M: 15, PT30M: 30, PT60M: 60 }
/** Minutes of a sub-daily step, or undefined for a day and longer. */
export function minutesOf(step: Step): number | undefined {
  return MINUTES[step]
}

/** `none`: this very step only · `fetch`: the holder's own coarser call · `derive`: also a sum made here. */
export const COARSER = ['none', 'fetch', 'derive'] as const
export type Coarser = (typeof COARSER)[number]

export const RECURRENCES = ['once', 'on_demand', 'P1D', 'P1M'] as const
export type Recurrence = (typeof RECURRENCES)[number]

export const GDPR_BASES = ['consent', 'contract', 'legal_obligation', 'public_task', 'legitimate_interest', 'not_personal'] as const
export type GdprBasis = (typeof GDPR_BASES)[number]

export const SECTOR_RELEASES = [
  'express_authorisation',
  'holder_itself',
  'subscribed_access',
  'acc_contract',
  'building_mandate',
  'public_body_aggregate',
  'open_data',
] as const
export type SectorRelease = (typeof SECTOR_RELEASES)[number]

export const STATUSES = [
  'draft',
  'requested',
  'awaiting_confirmation',
  'awaiting_check',
  'active',
  'suspended',
  'refused',
  'ended',
] as const
export type Status = (typeof STATUSES)[number]

export const END_REASONS = [
  'malformed',
  'timed_out',
  'rejected_check',
  'rejected_by_dso',
  'cancelled',
  'withdrawn_by_subject',
  'revoked_by_dso',
  'revoked_by_controller',
  'revoked_by_operator',
  'terminated_by_recipient',
  'fulfilled',
  'expired',
  'superseded',
  'holder_changed',
  'invalidated',
] as const
export type EndReason = (typeof END_REASONS)[number]
/** Those that an operator may put on record; the others follow from what happened. */
export const OPERATOR_ENDS = [
  'withdrawn_by_subject',
  'revoked_by_operator',
  'revoked_by_controller',
  'revoked_by_dso',
  'terminated_by_recipient',
  'holder_changed',
  'invalidated',
] as const satisfies readonly EndReason[]

export const SUSPEND_CAUSES = [
  'dso_signal',
  'proof_overdue',
  'proof_ko',
  'dispute',
  'holder_doubt',
  'restriction',
  'holder_refused',
] as const
export type SuspendCause = (typeof SUSPEND_CAUSES)[number]

/** Acts that move a permission, one for each transition of the consent model's table, named as there. */
export const ACTS = [
  'create',
  'request',
  'send',
  'file',
  'refuse',
  'give',
  'confirm',
  'activate',
  'suspend',
  'resume',
  'renew',
  'amend',
  ...END_REASONS,
] as const
export type ActType = (typeof ACTS)[number]

/** How strongly it is known who acted: S0 declaration only … S3 authenticated by the data holder. */
export const STRENGTHS = ['S0', 'S1', 'S2', 'S3'] as const

/** How far something has come that a data holder opens for a permission on its own side. */
export const RIGHT_STATES = ['wanted', 'pending', 'open', 'ending', 'ended'] as const
export type RightState = (typeof RIGHT_STATES)[number]
/** Whether the data holder asked to see the consent, and what came of it. */
export const PROOF_STATES = ['awaited', 'being_checked', 'ok', 'ko'] as const
export type ProofState = (typeof PROOF_STATES)[number]
