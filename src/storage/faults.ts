/** What a statement failed for, whichever engine it was: the value that it was given, or the database itself. */

/** SQLite's own codes. */
const CONSTRAINT = 19
const MISMATCH = 20
const UNIQUE = 2067
const PRIMARY_KEY = 1555

/** An error of PostgreSQL, as its thread handed it over. Source: PostgreSQL, appendix A. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError'
  /** Five characters; the connection's own failures are of class 08. */
  readonly sqlState: string
  constructor(sqlState: string, message: string) {
    super(message)
    this.sqlState = sqlState
  }
}

/** A row of that key is there already. */
export function isTaken(error: unknown): boolean {
  return error instanceof PostgresError ? error.sqlState === '23505' : [UNIQUE, PRIMARY_KEY].includes(errcodeOf(error) ?? 0)
}

/** A value that the tables cannot hold: the caller's mistake. */
export function isOfTheValue(error: unknown): boolean {
  if (error instanceof PostgresError) return /^(22|23)/.test(error.sqlState)
  const primary = (errcodeOf(error) ?? 0) & 0xff
  return primary === CONSTRAINT || primary === MISMATCH
}

function errcodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined
}
