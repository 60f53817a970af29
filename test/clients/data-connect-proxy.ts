/**
 * The Data Connect client of Consometers' data-connect-proxy: the retired v4, one request, no retry. Whatever is not 200
 * it raises, with `error` and `error_description`, or with the text where they are missing.
 *
 * Source: consometers/data-connect-proxy `dataconnect.py`. How it comes by its token is handed in.
 */
import type { Reading } from './http.ts'
import { ask, fieldsOf } from './http.ts'

export type V4Series =
  | 'consumption_load_curve'
  | 'production_load_curve'
  | 'daily_consumption'
  | 'daily_production'
  | 'daily_consumption_max_power'

export interface DataConnectProxyOptions {
  /** Its attribute `api_endpoint`. */
  readonly base: string
  readonly token: () => Promise<string>
}

export class DataConnectError extends Error {
  override readonly name = 'DataConnectError'
  readonly code: string | undefined
  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
  }
}

export async function meteringData(
  { base, token }: DataConnectProxyOptions,
  series: V4Series,
  usagePoint: string,
  start: string,
  end: string,
): Promise<Reading> {
  const query = new URLSearchParams({ usage_point_id: usagePoint, start, end })
  const told = await ask(`${base}/v4/metering_data/${series}?${query.toString()}`, {
    headers: { Authorization: `Bearer ${await token()}`, Accept: 'application/json', 'User-Agent': 'python-requests/2.32.3' },
  })
  const body = fieldsOf(told.text)
  if (told.status === 200) return body['meter_reading'] as Reading
  const { error, error_description: text } = body
  if (typeof error === 'string' && typeof text === 'string') throw new DataConnectError(text, error)
  throw new DataConnectError(told.text, undefined)
}
