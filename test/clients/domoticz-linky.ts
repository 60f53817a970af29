/**
 * The data loop of the Domoticz plugin DomoticzLinky 2.6.0, as it behaves when it is run: which windows it asks for, and
 * what each answer makes it do. Its one dangerous habit is the reason for a style of refusals of its own: on a 403,
 * whatever is in it, it switches itself off and erases its tokens, and its user has to consent again.
 *
 * Source: guillaumezin/DomoticzLinky `plugin.py`, and measurements on the unmodified plugin. How it comes by tokens is
 * `device-flow.ts`, or is handed in.
 */
import { Agent } from 'node:http'
import type { Point, Reading, Told } from './http.ts'
import { ask, dayAfter, fieldsOf } from './http.ts'

/** The host that is written into the plugin; whatever it reaches under that name hears it. */
const BUILT_IN_HOST = 'enedis.domoticz.russandol.pro'
export const PLUGIN_HEADERS = {
  Accept: 'application/json',
  'Content-Type': 'application/x-www-form-urlencoded',
  'User-Agent': 'DomoticzLinkyPlugin/2.6.0',
  Host: BUILT_IN_HOST,
} as const

const WINDOW_DAYS = 7
const TRIES = 3
const BETWEEN_TRIES_MS = 10_000
/** Hourly values that make a day complete in its cache. */
const COMPLETE = 23
/** Lengths of the one window in which it asks for maximum power. */
const PEAK_DAYS = [1, 7, 14, 32, 63, 366] as const

const CURVE = '/metering_data_clc/v5/consumption_load_curve'
const PEAK = '/metering_data_dcmp/v5/daily_consumption_max_power'
const PRODUCTION = '/metering_data_plc/v5/production_load_curve'

/** Less than this before the end of its token it gets another one first. */
const RENEWED_MS = 600_000

export interface LinkyTokens {
  readonly access: string
  readonly type: string
  /** Milliseconds; absent where a test does not care. */
  readonly expiresAt?: number
}

export interface DomoticzLinkyOptions {
  /** In place of `https://` and the built-in host. */
  readonly base: string
  readonly meter: string
  readonly tokens: LinkyTokens
  /** `POST /device/token` with its refresh token; undefined where that fails, `off` where it is told that its grant is none. */
  readonly refresh: (held: LinkyTokens) => Promise<LinkyTokens | 'off' | undefined>
  readonly today: () => string
  /** How many days it goes back. */
  readonly days: number
  readonly wait: (ms: number) => Promise<void>
}

export type Cycle =
  /** Asks again tomorrow. */
  | { readonly ended: 'success' }
  /** Asks again in an hour, with the tokens that it has. */
  | { readonly ended: 'failed'; readonly why: string }
  /** Asks never again: its user must act. */
  | { readonly ended: 'off' }

export interface DomoticzLinky {
  /** One daily run, or the hourly one after a failure. */
  run(): Promise<Cycle>
  readonly on: boolean
  /** Undefined once it has erased them. */
  readonly tokens: LinkyTokens | undefined
  /** Hourly values by day, of consumption and of production; maximum power by day. */
  readonly stored: { readonly curve: Days; readonly production: Days; readonly peak: ReadonlyMap<string, string> }
  /** Status and path of every answer, in order. */
  readonly heard: readonly string[]
  /** The connections that it used. */
  readonly connections: ReadonlySet<number | undefined>
  close(): void
}
type Days = ReadonlyMap<string, ReadonlySet<string>>

/** What an answer makes of the cycle. */
type Met =
  | { readonly is: 'points'; readonly points: readonly Point[] }
  | { readonly is: 'none' }
  | Extract<Cycle, { ended: 'failed' | 'off' }>

export function domoticzLinky(options: DomoticzLinkyOptions): DomoticzLinky {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let tokens: LinkyTokens | undefined = options.tokens
  const curve = new Map<string, Set<string>>()
  const production = new Map<string, Set<string>>()
  const peak = new Map<string, string>()
  const heard: string[] = []
  const connections = new Set<number | undefined>()

  async function send(path: string, from: string, until: string): Promise<Told | undefined> {
    const target = `/data/proxy${path}?start=${from}&end=${until}&usage_point_id=${options.meter}`
    try {
      const told = await ask(options.base + target, {
        headers: { ...PLUGIN_HEADERS, Authorization: `${tokens?.type} ${tokens?.access}` },
        agent,
      })
      heard.push(`${told.status} ${path}`)
      connections.add(told.connection)
      return told
    } catch {
      heard.push(`cut ${path}`)
      return undefined
    }
  }

  function off(): Extract<Cycle, { ended: 'off' }> {
    tokens = undefined
    return { ended: 'off' }
  }

  /** What ends the cycle, where no other tokens are to be had. */
  async function renew(held: LinkyTokens): Promise<Extract<Cycle, { ended: 'failed' | 'off' }> | undefined> {
    const fresh = await options.refresh(held)
    if (fresh === 'off') return off()
    if (!fresh) return { ended: 'failed', why: 'no refresh' }
    tokens = fresh
    return undefined
  }

  /** One window, with what the plugin does by itself: a refresh after a bad token, three tries where it may pass. */
  async function window(path: string, from: string, until: string): Promise<Met> {
    let refreshed = false
    for (let tried = 1; ; tried += 1) {
      const told = await send(path, from, until)
      if (!told) return { ended: 'failed', why: 'no answer' }
      const { error } = fieldsOf(told.text)
      if (told.status === 200) return pointsOf(told.text, options.meter)
      if (told.status === 403) return off()
      if (error === 'invalid_token' && !refreshed && tokens) {
        refreshed = true
        const ended = await renew(tokens)
        if (ended) return ended
        continue
      }
      if (told.status === 404) return { is: 'none' }
      if (path === PRODUCTION && (told.status === 400 || told.status === 500 || error === 'ADAM-ERR0123')) return { is: 'none' }
      if (told.status !== 429 && told.status !== 500) return { ended: 'failed', why: `${told.status}` }
      if (tried === TRIES) return { ended: 'failed', why: `${told.status}, three times` }
      await options.wait(BETWEEN_TRIES_MS)
    }
  }

  /** Newest window first; stops at the first that has nothing. `nothing`: not even the newest had. */
  async function curves(path: string, into: Map<string, Set<string>>): Promise<'all' | 'some' | 'nothing' | Cycle> {
    const oldest = dayAfter(options.today(), -options.days)
    let first = true
    for (let until = options.today(); until > oldest; first = false) {
      let from = [oldest, dayAfter(until, -WINDOW_DAYS)].toSorted().at(-1) ?? oldest
      const begin = from
      while (from < until && (into.get(from)?.size ?? 0) >= COMPLETE) from = dayAfter(from, 1)
      if (from < until) {
        const met = await window(path, from, until)
        if ('ended' in met) return met
        if (met.is === 'none') return first ? 'nothing' : 'some'
        for (const [on, hour] of hoursOf(met.points)) into.set(on, (into.get(on) ?? new Set()).add(hour))
      }
      until = begin
    }
    return 'all'
  }

  async function maximumPower(): Promise<Cycle | undefined> {
    const length = PEAK_DAYS.find((days) => days >= options.days) ?? 366
    const met = await window(PEAK, dayAfter(options.today(), -length), options.today())
    if ('ended' in met) return met
    if (met.is === 'points') for (const { date, value } of met.points) peak.set(date.slice(0, 10), value)
    return undefined
  }

  async function run(): Promise<Cycle> {
    if (!tokens) return { ended: 'off' }
    const soon = tokens.expiresAt !== undefined && tokens.expiresAt - Date.now() < RENEWED_MS
    const ended = soon ? await renew(tokens) : undefined
    if (ended) return ended
    const consumed = await curves(CURVE, curve)
    if (typeof consumed === 'object') return consumed
    // Where it had to stop going back, it does not ask for the maximum power of that meter.
    const peaked = consumed === 'all' ? await maximumPower() : undefined
    if (peaked) return peaked
    const produced = await curves(PRODUCTION, production)
    if (typeof produced === 'object') return produced
    return consumed === 'nothing' && produced === 'nothing'
      ? { ended: 'failed', why: 'neither consumption nor production' }
      : { ended: 'success' }
  }

  return {
    run,
    get on() {
      return tokens !== undefined
    },
    get tokens() {
      return tokens
    },
    stored: { curve, production, peak },
    heard,
    connections,
    close: () => agent.destroy(),
  }
}

function pointsOf(text: string, meter: string): Met {
  const reading = fieldsOf(text)['meter_reading'] as Reading | undefined
  if (!reading || reading.usage_point_id !== meter) return { ended: 'failed', why: 'another meter' }
  const points = reading.interval_reading.filter(({ value, date }) => Number(value) >= 0 && date !== '')
  return points.length === 0 ? { ended: 'failed', why: 'missing data' } : { is: 'points', points }
}

/** It averages the points up to each stamp with minute 00, which is the end of that hour. */
function hoursOf(points: readonly Point[]): (readonly [day: string, hour: string])[] {
  return points
    .map(({ date }) => date.replace('T', ' '))
    .filter((date) => date.slice(14, 16) === '00')
    .map((date) => [date.endsWith(' 00:00:00') ? dayAfter(date.slice(0, 10), -1) : date.slice(0, 10), date.slice(11, 13)])
}
