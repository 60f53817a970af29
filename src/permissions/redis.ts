/**
 * Redis in front of the registry: consent tokens and permission snapshots for several gates, and a channel on which
 * each act is told. Optional; lost, slow, flushed, restored from an old dump or forged, it changes the speed and never
 * an answer, because each decision is confirmed by the registry's own transaction.
 *
 * Keys are keyed hashes; values hold no meter, name or contract number (they land in dump files), carry a MAC bound to
 * their own key, and live for the set time. Errors are a miss, within the time allowed for a command.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId, PermissionView } from '../domain/permission.ts'
import { derive } from '../storage/keys.ts'
import type { SharedCache } from './cache.ts'
import type { ActResult, Views } from './registry.ts'
import type { Identity } from './tokens.ts'

export interface RedisSettings {
  readonly url: string
  readonly username?: string | undefined
  readonly ttlSeconds: number
  readonly tls?: { readonly ca: string } | undefined
  readonly commandTimeoutMs: number
}

export interface RedisCache extends SharedCache {
  readonly up: boolean
  /** The channel was cut: an act may have been missed. */
  onGap(flush: () => void): void
  tellActs(acts: readonly ActResult[]): Promise<void>
  tellToken(hash: Buffer): Promise<void>
  tellFlush(): Promise<void>
  close(): Promise<void>
}

/** After so many timeouts in a row the connection is taken for dead and made anew. */
const TIMEOUTS_BEFORE_RECONNECT = 5

interface CacheLog {
  warn(fields: object, text: string): void
}

export async function redisCache(
  settings: RedisSettings,
  password: string | undefined,
  indexKey: Uint8Array,
  log: CacheLog,
  onResult: (result: 'hit' | 'miss' | 'forged' | 'fault') => void,
): Promise<RedisCache> {
  const mac = derive(indexKey, 'ecluse cache/mac/v1')
  const naming = derive(indexKey, 'ecluse cache/key/v1')
  const prefix = `ecluse:${createHmac('sha256', naming).update('instance').digest('base64url').slice(0, 12)}`
  const channel = `${prefix}:acts`
  const url = new URL(settings.url)
  const options: RedisOptions & { readonly replyMapping: 'legacy' } = {
    replyMapping: 'legacy',
    host: url.hostname,
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 500,
    commandTimeout: settings.commandTimeoutMs,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
    ...(settings.username !== undefined && { username: settings.username }),
    ...(password !== undefined && { password }),
    ...(url.protocol === 'rediss:' && { tls: settings.tls ? { ca: readFileSync(settings.tls.ca, 'utf8') } : {} }),
  }
  const client = new Redis(options)
  const subscriber = new Redis({ ...options, enableAutoPipelining: false, autoResubscribe: true, commandTimeout: 2000 })
  const gaps: (() => void)[] = []
  let timeouts = 0
  let lastWarning = 0
  function fault(error: unknown): void {
    onResult('fault')
    const timedOut = error instanceof Error && error.message.includes('timed out')
    timeouts = timedOut ? timeouts + 1 : 0
    if (timeouts >= TIMEOUTS_BEFORE_RECONNECT) {
      timeouts = 0
      client.disconnect(true)
    }
    warn(error)
  }
  function warn(error: unknown): void {
    if (Date.now() - lastWarning < 10_000) return
    lastWarning = Date.now()
    log.warn({ err: error }, 'Redis does not answer as it should: the registry is asked instead')
  }
  const gap = (): void => {
    for (const flush of gaps) flush()
  }
  client.on('error', warn)
  subscriber.on('error', warn)
  // Messages of a cut channel are lost for good: from the cut on no local copy is trusted, and again once it is back.
  subscriber.on('close', gap)
  subscriber.on('ready', gap)
  subscriber.on('message', () => gap())
  await Promise.allSettled([client.connect(), subscriber.connect()])
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).catch(warn)
  })
  if (subscriber.status === 'ready') await subscriber.subscribe(channel).catch(warn)

  const keyOf = (kind: string, value: string | Buffer): string =>
    `${prefix}:${kind}:${createHmac('sha256', naming).update(kind).update('\0').update(value).digest('base64url')}`
  const tokenKey = (hash: Buffer): string => keyOf('token', hash)
  const viewsKey = (who: ClientId, meter: MeterId): string => keyOf('views', `${who.length}:${who}\0${meter}`)
  const macOf = (key: string, text: string): Buffer => createHmac('sha256', mac).update(`${key}\0${text}`).digest()

  async function get(key: string): Promise<string | undefined> {
    if (client.status !== 'ready') return undefined
    try {
      const value = await client.get(key)
      timeouts = 0
      if (value === null) {
        onResult('miss')
        return undefined
      }
      const text = value.slice(44)
      const given = Buffer.from(value.slice(0, 43), 'base64url')
      const genuine = given.byteLength === 32 && value[43] === '.' && timingSafeEqual(given, macOf(key, text))
      onResult(genuine ? 'hit' : 'forged')
      return genuine ? text : undefined
    } catch (error) {
      fault(error)
      return undefined
    }
  }
  function put(key: string, text: string): void {
    if (client.status !== 'ready') return
    client.set(key, `${macOf(key, text).toString('base64url')}.${text}`, 'EX', settings.ttlSeconds).catch(fault)
  }
  function drop(key: string): void {
    if (client.status === 'ready') client.del(key).catch(fault)
  }
  async function tell(message: string): Promise<void> {
    if (client.status !== 'ready') return
    try {
      await client.publish(channel, message)
    } catch (error) {
      fault(error)
    }
  }

  return {
    get up() {
      return client.status === 'ready' && timeouts === 0
    },
    onGap: (flush) => void gaps.push(flush),
    async getIdentity(hash) {
      const text = await get(tokenKey(hash))
      return text === undefined ? undefined : (JSON.parse(text) as Identity)
    },
    async getViews(who, meter) {
      const text = await get(viewsKey(who, meter))
      if (text === undefined) return undefined
      const { generation, permissions } = JSON.parse(text) as {
        readonly generation: number
        readonly permissions: readonly Omit<PermissionView, 'meter'>[]
      }
      return { generation, permissions: permissions.map((p) => ({ ...p, meter })) }
    },
    putIdentity: (hash, identity) => put(tokenKey(hash), JSON.stringify(identity)),
    putViews: (who, meter, views) =>
      put(viewsKey(who, meter), JSON.stringify({ generation: views.generation, permissions: views.permissions.map(withoutNames) })),
    dropIdentity: (hash) => drop(tokenKey(hash)),
    dropViews: (who, meter) => drop(viewsKey(who, meter)),
    tellActs: (acts) => (acts.length === 0 ? Promise.resolve() : tell('acts')),
    tellToken: () => tell('token'),
    tellFlush: () => tell('flush'),
    async close() {
      gaps.length = 0
      client.disconnect()
      subscriber.disconnect()
      await Promise.resolve()
    },
  }
}

function withoutNames(view: Views['permissions'][number]): object {
  const { meter: _meter, ...rest } = view
  const { contractRef: _contractRef, ...ground } = view.scope.ground
  return { ...rest, scope: { ...view.scope, ground } }
}
