/**
 * The fr-enedis connector of EDDIE, as it polls a permission: v5, a week at a time, from the first day to today. A 401 or
 * a 429 is tried again up to ten times, waiting longer each time; a 403 ends the permission for good; where there is no
 * curve it falls back to the daily series once.
 *
 * Source: eddie-energy/eddie `EnedisApiClient.java`, `EnedisTokenProvider.java`, `AuthorizationCallbackController.java`,
 * `PollingService.java`, `UpdateGranularityTask.java`.
 */
import type { ClientCredentials, Point, Reading, Told } from './http.ts'
import { ask, dayAfter, fieldsOf } from './http.ts'

const RETRIES = 10
const FIRST_WAIT_MS = 60_000
const WEEK = 7

export interface EddieOptions {
  /** Its property `region-connector.fr.enedis.basepath`. */
  readonly base: string
  /** Asked before each request, so that a token that has expired is not used again. */
  readonly token: () => Promise<string>
  /** Told of a 401. */
  readonly refused?: () => void
  readonly usagePoint: string
  readonly start: string
  readonly today: () => string
  readonly wait: (ms: number) => Promise<void>
}

export interface Eddie {
  /** One poll: what it had not read yet. */
  poll(): Promise<void>
  readonly status: 'ACCEPTED' | 'REVOKED' | 'UNFULFILLABLE'
  readonly granularity: 'PT30M' | 'P1D'
  /** The first day that it has not read. */
  readonly next: string
  readonly points: readonly Point[]
  /** Of the last poll: requests sent. */
  readonly requests: number
}

const PATHS = {
  PT30M: '/metering_data_clc/v5/consumption_load_curve',
  P1D: '/metering_data_dc/v5/daily_consumption',
} as const

export function eddie(options: EddieOptions): Eddie {
  const it = { status: 'ACCEPTED' as Eddie['status'], granularity: 'PT30M' as Eddie['granularity'], next: options.start, requests: 0 }
  const points: Point[] = []

  async function week(from: string, until: string): Promise<Told | undefined> {
    const query = new URLSearchParams({ usage_point_id: options.usagePoint, start: from, end: until })
    for (let tried = 0; ; tried += 1) {
      it.requests += 1
      const told = await ask(`${options.base}${PATHS[it.granularity]}?${query.toString()}`, {
        headers: { Authorization: `Bearer ${await options.token()}`, Accept: 'application/json' },
      }).catch(() => undefined)
      if (!told || (told.status !== 401 && told.status !== 429) || tried === RETRIES) return told
      if (told.status === 401) options.refused?.()
      await options.wait(FIRST_WAIT_MS * 2 ** tried)
    }
  }

  async function poll(): Promise<void> {
    it.requests = 0
    while (it.status === 'ACCEPTED' && it.next < options.today()) {
      const until = [dayAfter(it.next, WEEK), options.today()].toSorted()[0] ?? it.next
      const told = await week(it.next, until)
      const body = fieldsOf(told?.text ?? '')
      if (told?.status === 200) {
        points.push(...(body['meter_reading'] as Reading).interval_reading)
        it.next = until
      } else if (told?.status === 403) it.status = 'REVOKED'
      else if (body['error'] === 'no_data_found') {
        if (it.granularity === 'P1D') it.status = 'UNFULFILLABLE'
        else it.granularity = 'P1D'
      } else return // it is tried again at the next poll
    }
  }

  return {
    poll,
    get status() {
      return it.status
    },
    get granularity() {
      return it.granularity
    },
    get next() {
      return it.next
    },
    get requests() {
      return it.requests
    },
    points,
  }
}

/** Where it sends a person to. Its constant host of Enedis's page stands for whatever is reached under that name. */
export function authorizeAt(base: string, clientId: string, state: string): string {
  const query = new URLSearchParams({ client_id: clientId, response_type: 'code', state, duration: 'P1Y' })
  return `${base}/dataconnect/v1/oauth2/authorize?${query.toString()}`
}

/** It believes `usage_point_id` and `state`, and reads nothing else. Undefined: the person did not accept. */
export function calledBack(address: string, state: string): readonly string[] | undefined {
  const query = new URL(address).searchParams
  const points = query.get('usage_point_id')
  return query.get('state') === state && points !== null ? points.split(';') : undefined
}

/** One token for all, by Basic; kept until it is over, or dropped where it was refused. */
export function tokenProvider({ base, clientId, secret }: ClientCredentials): {
  readonly token: () => Promise<string>
  readonly drop: () => void
  readonly asked: () => number
} {
  let held: { readonly token: string; readonly until: number } | undefined
  let asked = 0
  return {
    async token() {
      if (held && Date.now() < held.until) return held.token
      asked += 1
      const told = await ask(`${base}/oauth2/v3/token`, {
        method: 'POST',
        headers: {
          Authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`,
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials',
      })
      const { access_token: token, expires_in: seconds } = fieldsOf(told.text)
      if (told.status !== 200 || typeof token !== 'string') throw new Error(`no token: ${told.status}`)
      held = { token, until: Date.now() + Number(seconds) * 1000 }
      return token
    },
    drop() {
      held = undefined
    },
    asked: () => asked,
  }
}
