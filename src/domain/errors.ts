/**
 * Every reason for which a request is refused, in one catalogue: who refused, what would help, whether it may pass by
 * itself. The status that a client sees depends on the dialect and on its denial style (`docs/errors.md`, same codes).
 * Source: consent model § 3.10; design of refusals. Texts are fixed: nothing of the request or the holder is echoed.
 */
export type By = 'gate' | 'person' | 'holder' | 'quota' | 'caller'

interface ReasonEntry {
  readonly by: By
  /** May pass by itself: answered 429 or 503, never 403, because a 403 makes real clients erase their tokens. */
  readonly temporary: boolean
  readonly title: string
  readonly help: string
}

export const REASONS = {
  no_permission: {
    by: 'person',
    temporary: false,
    title: 'No permission covers this meter for you',
    help: 'Ask the holder of the meter for a permission',
  },
  not_active: {
    by: 'person',
    temporary: false,
    title: 'The permission is not in force',
    help: 'Ask the holder of the meter for a new permission',
  },
  suspended: {
    by: 'gate',
    temporary: true,
    title: 'The permission is suspended',
    help: 'Wait until the cause is cleared, or ask the operator',
  },
  not_yet_valid: { by: 'person', temporary: true, title: 'The permission is not in force yet', help: 'Ask again when its validity begins' },
  expired: {
    by: 'person',
    temporary: false,
    title: 'The permission has expired',
    help: 'Ask the holder of the meter for a new permission',
  },
  withdrawn: { by: 'person', temporary: false, title: 'The permission was withdrawn', help: 'Stop reading this meter' },
  meter_not_covered: {
    by: 'caller',
    temporary: false,
    title: 'This token does not cover the meter',
    help: 'Use a token whose set holds the permission',
  },
  kind_not_covered: {
    by: 'person',
    temporary: false,
    title: 'The permission does not open this kind of data',
    help: 'Ask for a permission with this kind of data',
  },
  direction_not_covered: {
    by: 'person',
    temporary: false,
    title: 'The permission does not open this direction',
    help: 'Ask for a permission with this direction',
  },
  step_too_fine: { by: 'person', temporary: false, title: 'The permission opens coarser data only', help: 'Ask for the coarser series' },
  period_outside: {
    by: 'person',
    temporary: false,
    title: 'No day asked for lies in the permission',
    help: 'Ask for days inside the permission',
  },
  purpose_missing: {
    by: 'caller',
    temporary: false,
    title: 'The credential names no purpose',
    help: 'Ask the operator for a credential with a purpose',
  },
  purpose_mismatch: {
    by: 'person',
    temporary: false,
    title: 'The permission is for another purpose',
    help: 'Use the credential of the permitted purpose',
  },
  recipient_mismatch: {
    by: 'person',
    temporary: false,
    title: 'The permission names another recipient of your chain',
    help: 'Use the credential of the named recipient',
  },
  chain_broken: {
    by: 'gate',
    temporary: false,
    title: 'The chain of processors is not in force',
    help: 'Ask the operator to check the contracts of the chain',
  },
  token_unbound: {
    by: 'caller',
    temporary: false,
    title: 'The token is not bound to this client',
    help: 'Present the token with the key that it is bound to',
  },
  evidence_missing: { by: 'gate', temporary: true, title: 'The supporting document is missing', help: 'Ask the operator to file it' },
  proof_overdue: {
    by: 'gate',
    temporary: true,
    title: 'A proof asked for by the data holder is overdue',
    help: 'Ask the operator to send it',
  },
  proof_ko: { by: 'holder', temporary: true, title: 'The data holder refused the proof', help: 'Ask the operator' },
  holder_unverified: { by: 'gate', temporary: true, title: 'Who holds the contract of this meter is in doubt', help: 'Ask the operator' },
  holder_changed: {
    by: 'person',
    temporary: false,
    title: 'The contract of this meter has a new holder',
    help: 'Ask the new holder for a permission',
  },
  source_binding_missing: {
    by: 'gate',
    temporary: true,
    title: 'No account of the gate reads this meter at the data holder',
    help: 'Ask the operator to bind the permission to an account',
  },
  onward_sharing_forbidden: {
    by: 'person',
    temporary: false,
    title: 'The permission forbids passing the data on',
    help: 'Ask for a permission of your own',
  },
  aggregate_too_small: { by: 'gate', temporary: false, title: 'The aggregate has too few members', help: 'Ask for a larger aggregate' },
  unknown_route: {
    by: 'gate',
    temporary: false,
    title: 'The gate does not serve this path',
    help: 'See the list of paths in the documentation',
  },
  malformed: { by: 'caller', temporary: false, title: 'The request is malformed', help: 'Correct the request' },
  token_invalid: { by: 'caller', temporary: false, title: 'The token is not valid', help: 'Obtain a new token' },
  token_expired: { by: 'caller', temporary: false, title: 'The token has expired', help: 'Obtain a new token' },
  client_disabled: { by: 'gate', temporary: false, title: 'The client is disabled', help: 'Ask the operator' },
  rule_missing: {
    by: 'gate',
    temporary: false,
    title: 'No rule of the policy allows this purpose to read this',
    help: 'Ask the operator to add a rule',
  },
  window_too_long: {
    by: 'gate',
    temporary: false,
    title: 'The period asked for is longer than the policy allows',
    help: 'Ask for a shorter period',
  },
  too_old: { by: 'gate', temporary: false, title: 'The period asked for is older than can be read', help: 'Ask for later days' },
  too_often: { by: 'person', temporary: true, title: 'The permission does not allow another reading yet', help: 'Ask again later' },
  quota_gate: { by: 'quota', temporary: true, title: 'Your share of the gate is used up', help: 'Slow down and ask again' },
  quota_holder: { by: 'quota', temporary: true, title: 'The quota at the data holder is used up', help: 'Ask again later' },
  holder_refused: {
    by: 'holder',
    temporary: true,
    title: 'The data holder refused the call',
    help: 'Ask again later; the operator sees its code',
  },
  holder_down: { by: 'holder', temporary: true, title: 'The data holder did not answer', help: 'Ask again later' },
  not_translatable: {
    by: 'gate',
    temporary: false,
    title: 'This has no equal in the form that you ask for',
    help: 'Use the other generation of the interface, or the form of the data holder',
  },
  evidence_unavailable: {
    by: 'gate',
    temporary: true,
    title: 'The request could not be recorded, so it was not sent',
    help: 'Ask again later',
  },
} as const satisfies Record<string, ReasonEntry>

export type Reason = keyof typeof REASONS

export function isTemporary(reason: Reason): boolean {
  return REASONS[reason].temporary
}
