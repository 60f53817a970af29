/** What a check of an instance found, for people: a sentence, and what to do. No value of a secret is ever part of it. */
export interface Finding {
  readonly check: string
  /** `warn`: the gate runs, and something is not as it should be. `fail`: it does not run, or a promise does not hold. */
  readonly standing: 'ok' | 'warn' | 'fail'
  readonly says: string
  /** What to do about it. */
  readonly todo?: string
}

export const ok = (check: string, says: string): Finding => ({ check, standing: 'ok', says })
export const warn = (check: string, says: string, todo: string): Finding => ({ check, standing: 'warn', says, todo })
export const fail = (check: string, says: string, todo: string): Finding => ({ check, standing: 'fail', says, todo })

/** What went wrong, in a word that names no value: a code where there is one. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
