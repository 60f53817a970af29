/** What the simulated FranceConnect can do wrong, on demand, each as often as it was asked for. */
import type { WrongSignature } from './france-connect-signing.ts'
import { WRONG_SIGNATURES } from './france-connect-signing.ts'

export const FRANCE_WRONGS = [
  /** On the callback. */
  'no_iss',
  'wrong_iss',
  'wrong_state',
  'server_error',
  /** In the ID token, properly signed. */
  'id_token_wrong_nonce',
  'id_token_wrong_iss',
  'id_token_wrong_aud',
  'id_token_wrong_acr',
  'id_token_expired',
  /** In what UserInfo says. */
  'userinfo_other_sub',
  'userinfo_json',
  /** Instead of an answer. */
  'token_error',
  'userinfo_error',
  /** In how either is signed. */
  'id_token_unsigned',
  'id_token_none',
  'id_token_other_key',
  'id_token_hs256',
  'id_token_hs256_public_key',
  'userinfo_unsigned',
  'userinfo_none',
  'userinfo_other_key',
  'userinfo_hs256',
  'userinfo_hs256_public_key',
] as const
export type FranceWrong = (typeof FRANCE_WRONGS)[number]

export function franceMischief() {
  const waiting = new Map<FranceWrong, number>()
  /** Whether this is to be done wrong now, one time less. */
  const next = (wrong: FranceWrong): boolean => {
    const left = waiting.get(wrong) ?? 0
    if (left > 0) waiting.set(wrong, left - 1)
    return left > 0
  }
  return {
    ask: (wrong: FranceWrong, times: number): void => void waiting.set(wrong, (waiting.get(wrong) ?? 0) + times),
    next,
    nextSignature: (of: 'id_token' | 'userinfo'): WrongSignature | undefined => WRONG_SIGNATURES.find((one) => next(`${of}_${one}`)),
    reset: (): void => waiting.clear(),
  }
}
