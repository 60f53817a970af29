/**
 * The Data Connect client of Consometers' data-connect-proxy: the retired v4, one request, no retry. Whatever is not 200
 * it raises, with `error` and `error_description`, or with the text where they are missing.
 *
 * It comes by tokens as Data Connect v1 gave them: a code that a person brought back, redeemed once, and a refresh token
 * from then on.
 *
 * Source: consometers/data-connect-proxy `dataconnect.py`.
 */
import type { ClientCredentials, Reading } from './http.ts'
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
  if (told.status === 200) return fieldsOf(told.text)['meter_reading'] as Reading
  throw errorOf(told.text)
}

export interface V1Tokens {
  readonly access: string
  readonly refresh: string
  /** Verified by Enedis at the time. */
  readonly usagePoints: readonly string[]
}

export interface V1Client extends ClientCredentials {
  readonly redirectUri: string
}

/** It always asks for a year. */
export function authorizeAt({ base, clientId }: V1Client, state: string): string {
  const query = new URLSearchParams({ client_id: clientId, response_type: 'code', state, duration: 'P1Y' })
  return `${base}/dataconnect/v1/oauth2/authorize?${query.toString()}`
}

export async function v1Tokens(
  client: V1Client,
  proof:
    | { readonly grant_type: 'authorization_code'; readonly code: string }
    | { readonly grant_type: 'refresh_token'; readonly refresh_token: string },
): Promise<V1Tokens> {
  const { base, clientId, secret, redirectUri } = client
  const told = await ask(`${base}/v1/oauth2/token?${new URLSearchParams({ redirect_uri: redirectUri }).toString()}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'User-Agent': 'python-requests/2.32.3' },
    body: new URLSearchParams({ client_id: clientId, client_secret: secret, ...proof }).toString(),
  })
  if (told.status !== 200) throw errorOf(told.text)
  const { access_token: access, refresh_token: refresh, usage_points_id: points } = fieldsOf(told.text)
  return { access: String(access), refresh: String(refresh), usagePoints: String(points).split(',') }
}

function errorOf(body: string): DataConnectError {
  const { error, error_description: text } = fieldsOf(body)
  const whole = typeof error === 'string' && typeof text === 'string'
  return whole ? new DataConnectError(text, error) : new DataConnectError(body, undefined)
}
