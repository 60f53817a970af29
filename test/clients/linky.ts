/**
 * A session of the npm package `linky` 2.0.2, on which ha-linky and many scripts stand: one request for each call, no
 * retry, no cache. It reads its token, without proving it, and asks for no meter that the token does not name.
 *
 * Source: bokub/linky, and measurements on the unmodified package.
 */
import type { Reading } from './http.ts'
import { ask, fieldsOf } from './http.ts'

export type ConsoType =
  | 'daily_consumption'
  | 'consumption_load_curve'
  | 'consumption_max_power'
  | 'daily_production'
  | 'production_load_curve'

export interface LinkyOptions {
  /** In place of `https://conso.boris.sh`. */
  readonly base: string
  readonly token: string
  readonly prm: string
  readonly userAgent?: string
}

export interface LinkySession {
  get(type: ConsoType, start: string, end: string): Promise<Reading>
}

/** What it throws: the status, and the body as it came. */
export class LinkyError extends Error {
  override readonly name = 'LinkyError'
  readonly code: number
  readonly response: Readonly<Record<string, unknown>>
  constructor(code: number, response: Readonly<Record<string, unknown>>) {
    super(`the API answered ${code}`)
    this.code = code
    this.response = response
  }
}

/** @throws {RangeError} where the token names no such meter, before any request */
export function linkySession({ base, token, prm, userAgent = '@bokub/linky' }: LinkyOptions): LinkySession {
  if (!metersOfToken(token).includes(prm)) throw new RangeError('the token does not name this meter')
  return {
    async get(type, start, end) {
      const told = await ask(`${base}/api/${type}?${new URLSearchParams({ start, end, prm }).toString()}`, {
        headers: {
          Accept: 'application/json',
          Authorization: `Bearer ${token}`,
          'User-Agent': userAgent,
          'Accept-Encoding': 'gzip, compress, deflate, br',
        },
      })
      const body = fieldsOf(told.text)
      if (told.status !== 200) throw new LinkyError(told.status, body)
      return body as unknown as Reading
    },
  }
}

/** `sub` of a JWT, which must be a list that is not empty. */
export function metersOfToken(token: string): readonly string[] {
  const { sub } = fieldsOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  return Array.isArray(sub) ? sub.map(String) : []
}
