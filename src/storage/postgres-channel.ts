/**
 * What other gates have committed, as PostgreSQL tells it (`LISTEN`): a connection of its own, in the gate's event loop.
 *
 * What is told while it is cut is lost. So the first word after each connection is `all`; and a gate that has not heard
 * from the server for a second, though it asked, says so: what is under way may have been ended elsewhere.
 */
import pg from 'pg'
import type { Json } from '../domain/canonical.ts'
import { channelOf } from './postgres.ts'
import type { PostgresSettings } from './postgres.ts'
import { clientOptions } from './postgres-thread.ts'

export interface PostgresChannel {
  readonly up: boolean
  close(): Promise<void>
}

interface Hears {
  /** Undefined where it was not sealed by this instance. */
  open(sealed: string): string | undefined
  told(what: readonly Json[]): void
  /** Not a word for {@link SILENCE_MS}. Once for each silence. */
  silent(): void
  fault(error: unknown): void
}

const HEARTBEAT_MS = 250
export const SILENCE_MS = 1000

export function postgresChannel(settings: PostgresSettings, hears: Hears): PostgresChannel {
  let client: pg.Client | undefined
  let closed = false
  let heardAt = performance.now()
  let lookedAt = heardAt
  let silent = false
  let asking = false
  let connecting: Promise<void> | undefined

  function heard(): void {
    heardAt = performance.now()
    silent = false
  }
  async function connect(): Promise<void> {
    const fresh = new pg.Client({
      ...clientOptions({ ...settings, applicationName: `${settings.applicationName} hears`, connectTimeoutMs: SILENCE_MS }),
      query_timeout: SILENCE_MS,
    })
    const lost = (error?: unknown): void => {
      if (client === fresh) client = undefined
      if (error !== undefined && !closed) hears.fault(error)
    }
    fresh.on('error', lost)
    fresh.on('end', () => lost())
    fresh.on('notification', ({ payload = '' }) => {
      heard()
      hears.told(read(payload))
    })
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${fresh.escapeIdentifier(channelOf(settings.schema))}`)
      client = fresh
      heard()
      hears.told([{ is: 'all' }])
    } catch (error) {
      lost(error)
      fresh.end().catch(() => undefined)
    }
  }
  function read(payload: string): readonly Json[] {
    const text = hears.open(payload)
    // What cannot be read may be of a gate of another version: whatever it told, no copy is trusted.
    if (text === undefined) return [{ is: 'all' }]
    const { by, told } = JSON.parse(text) as { readonly by: string; readonly told: readonly Json[] }
    return by === settings.applicationName ? [] : told
  }
  async function beat(): Promise<void> {
    const now = performance.now()
    // Where this loop itself stood still, silence proves nothing.
    if (now - lookedAt > SILENCE_MS) heardAt = Math.max(heardAt, now - HEARTBEAT_MS)
    lookedAt = now
    if (!silent && now - heardAt > SILENCE_MS) {
      silent = true
      hears.silent()
    }
    if (!client) {
      connecting ??= connect().finally(() => (connecting = undefined))
      return
    }
    if (asking) return
    asking = true
    const asked = client
    try {
      await asked.query('SELECT 1')
      heard()
    } catch (error) {
      if (client === asked) client = undefined
      asked.end().catch(() => undefined)
      if (!closed) hears.fault(error)
    } finally {
      asking = false
    }
  }
  const timer = setInterval(() => void beat(), HEARTBEAT_MS)
  timer.unref()
  connecting = connect().finally(() => (connecting = undefined))
  return {
    get up() {
      return client !== undefined && !silent
    },
    async close() {
      closed = true
      clearInterval(timer)
      await connecting
      await client?.end().catch(() => undefined)
    },
  }
}
