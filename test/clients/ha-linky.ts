/**
 * The first import of the Home Assistant add-on ha-linky 1.7.0: a week of the curve, then the daily series in two windows
 * of 179 days. Three texts of Enedis's tell it that there is no more; whatever else comes is a warning. It keeps what it
 * has read, and never erases its token.
 *
 * Source: bokub/ha-linky `src/linky.ts`, and measurements on the unmodified add-on.
 */
import type { Point } from './http.ts'
import { dayAfter } from './http.ts'
import type { LinkyOptions } from './linky.ts'
import { LinkyError, linkySession } from './linky.ts'

/** Compared as they stand, with and without a full stop. */
const END_OF_HISTORY: ReadonlySet<unknown> = new Set([
  "The requested period cannot be anterior to the meter's last activation date",
  'The start date must be greater than the history deadline.',
  'no measure found for this usage point',
])

const CURVE_DAYS = 7
const DAILY_DAYS = 179
const DAILY_WINDOWS = 2

export interface Imported {
  /** Oldest first. */
  readonly points: readonly Point[]
  /** `complete`: all that there is · `warned`: something that it does not know ended it · `windows`: it has asked for all it asks for. */
  readonly ended: 'complete' | 'warned' | 'windows'
  readonly warnings: readonly LinkyError[]
}

export async function firstImport(options: LinkyOptions & { readonly today: string; readonly production?: boolean }): Promise<Imported> {
  const session = linkySession({ userAgent: 'ha-linky/1.7.0', ...options })
  const [curve, daily] =
    options.production === true
      ? (['production_load_curve', 'daily_production'] as const)
      : (['consumption_load_curve', 'daily_consumption'] as const)
  const warnings: LinkyError[] = []
  let points: readonly Point[] = []
  let until = options.today
  try {
    points = (await session.get(curve, dayAfter(until, -CURVE_DAYS), until)).interval_reading
    until = dayAfter(until, -CURVE_DAYS)
  } catch (error) {
    warnings.push(known(error))
  }
  for (let window = 0; window < DAILY_WINDOWS; window += 1) {
    const from = dayAfter(until, -DAILY_DAYS)
    try {
      points = [...(await session.get(daily, from, until)).interval_reading, ...points]
    } catch (error) {
      const { response } = known(error)
      const inner = response['error']
      const text: unknown = typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'error_description') : undefined
      if (END_OF_HISTORY.has(text)) return { points, ended: 'complete', warnings }
      warnings.push(known(error))
      return { points, ended: 'warned', warnings }
    }
    until = from
  }
  return { points, ended: 'windows', warnings }
}

/** Anything but an answer of the API is no business of this client's. */
function known(error: unknown): LinkyError {
  if (error instanceof LinkyError) return error
  throw error
}
