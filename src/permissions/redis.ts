/**
 * Redis in front of the registry: consent tokens and permission snapshots for several gates, and a channel on which
 * each act is told. Optional; lost, slow, flushed, restored from an old dump or forged, it changes the speed and never
 * an answer, because each decision is confirmed by the registry's own transaction.
 *
 * Keys are keyed hashes; values and messages are sealed with a key of the instance (AES-256-GCM), a value bound to its own
 * key, so that a dump file tells nothing and nothing can be forged or copied under another key; all live for the set
 * time. A fault is a miss, within the time allowed for a command.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MeterId } from '../domain/meter.ts'
import type { ClientId } from '../domain/permission.ts'
import type { RedisSecrets, RedisSettings } from '../runtime/redis.ts'
import { redisClient, redisServer } from '../runtime/redis.ts'
import type { SharedCache, Told } from './cache.ts'
import type { ActResult } from './record.ts'
import type { RedisSeal } from './redis-seal.ts'
import type { KeptViews } from './kept-views.ts'
import { keptOf, viewsOf } from './kept-views.ts'
import type { Identity } from './tokens.ts'

export interface RedisCache extends SharedCache {
  readonly up: boolean
  /** Called with what other gates tell, and with `all` whenever the channel was cut: an act may have been missed. */
  onTold(hear: (told: Told) => void): void
  tellActs(acts: readonly ActResult[]): Promise<void>
  tellToken(hash: Buffer): Promise<void>
  tellAll(): Promise<void>
  close(): Promise<void>
}

/** After so many timeouts in a row the connection is taken for dead and made anew. */
const TIMEOUTS_BEFORE_RECONNECT = 5
const START_MS = 1000
const HEARTBEAT_MS = 5000
const CHANNEL_MS = 2000
const ASK_AGAIN_MS = 1000
/** More than this in one message is told as «all». */
const MOST_TOLD = 100

interface CacheLog {
  warn(fields: { readonly err: unknown }, text: string): void
}

export async function redisCache(
  settings: RedisSettings & { readonly ttlSeconds: number },
  secrets: RedisSecrets,
  seal: RedisSeal,
  log: CacheLog,
  onResult: (result: 'hit' | 'miss' | 'forged' | 'fault') => void,
): Promise<RedisCache> {
  const channel = `${seal.prefix}:acts`
  const self = randomBytes(8).toString('base64url')
  const client = redisClient(settings, secrets, { pipelining: true })
  const subscriber = redisServer(settings, secrets, { commandTimeoutMs: CHANNEL_MS })
  const hearers: ((told: Told) => void)[] = []
  let timeouts = 0
  let lastWarning = -Infinity
  let closed = false
  /** Whether the last command was answered: a connection that is there says little. */
  let answers = false

  function fault(error: unknown): void {
    onResult('fault')
    missed(error)
  }
  function missed(error: unknown): void {
    answers = false
    const timedOut = error instanceof Error && error.message.includes('timed out')
    timeouts = timedOut ? timeouts + 1 : 0
    if (timeouts >= TIMEOUTS_BEFORE_RECONNECT) {
      timeouts = 0
      client.disconnect(true)
    }
    warn(error)
  }
  function warn(error: unknown): void {
    if (closed || performance.now() - lastWarning < 10_000) return
    lastWarning = performance.now()
    log.warn({ err: error }, 'Redis does not answer as it should: the registry is asked instead')
  }
  function hear(told: readonly Told[]): void {
    for (const hearer of hearers) for (const each of told) hearer(each)
  }
  function onMessage(message: Buffer): void {
    const said = openMessage(message)
    // A message that cannot be read may be of a gate of another version: whatever it told, no copy is trusted.
    if (said === undefined) hear([{ is: 'all' }])
    else if (said.by !== self) hear(said.told)
  }
  function openMessage(message: Buffer): { readonly by: string; readonly told: readonly Told[] } | undefined {
    const opened = seal.open(channel, message)
    return opened.is === 'value' ? (opened.value as { readonly by: string; readonly told: readonly Told[] }) : undefined
  }
  function answered(): void {
    answers = true
    timeouts = 0
  }
  client.on('error', warn)
  client.on('close', () => (answers = false))
  const ask = (): unknown => client.ping().then(answered, missed)
  client.on('ready', ask)
  subscriber.on('error', warn)
  subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => onMessage(message))
  // Messages of a cut channel are lost for good: no local copy is trusted from the cut on, nor what was copied until it is back.
  subscriber.on('close', () => hear([{ is: 'all' }]))
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).then(() => hear([{ is: 'all' }]), warn)
  })
  // A peer that vanished without a word is found out by asking.
  const heartbeat = setInterval(() => {
    if (subscriber.status === 'ready') subscriber.ping().catch(() => subscriber.disconnect(true))
  }, HEARTBEAT_MS)
  heartbeat.unref()
  // One late answer, and no look-up since: whether it answers again is asked, not waited for.
  const waiting = setInterval(() => {
    if (!answers && client.status === 'ready') ask()
  }, ASK_AGAIN_MS)
  waiting.unref()
  const connecting = Promise.allSettled([client.connect(), subscriber.connect()])
  // A server that takes connections and never answers does not keep the gate from starting.
  await Promise.race([connecting, sleep(START_MS, undefined, { ref: false })])

  const tokenKey = (hash: Buffer): string => seal.keyOf('token', hash)
  const viewsKey = (who: ClientId, meter: MeterId): string => seal.keyOf('views', `${who.length}:${who}\0${meter}`)

  async function get(key: string): Promise<unknown> {
    if (client.status !== 'ready') return undefined
    try {
      const box = await client.getBuffer(key)
      answered()
      const opened = seal.open(key, box)
      onResult(opened.is === 'value' ? 'hit' : opened.is === 'other' ? 'miss' : 'forged')
      return opened.is === 'value' ? opened.value : undefined
    } catch (error) {
      fault(error)
      return undefined
    }
  }
  function put(key: string, value: unknown): void {
    if (client.status === 'ready') client.set(key, seal.seal(key, value), 'EX', settings.ttlSeconds).catch(fault)
  }
  function drop(key: string): void {
    if (client.status === 'ready') client.del(key).catch(fault)
  }
  async function tell(told: readonly Told[]): Promise<void> {
    if (client.status !== 'ready' || told.length === 0) return
    try {
      await client.publish(channel, seal.seal(channel, { by: self, told: told.length > MOST_TOLD ? [{ is: 'all' }] : told }))
      answered()
    } catch (error) {
      fault(error)
    }
  }

  return {
    get up() {
      return answers
    },
    onTold: (hearer) => void hearers.push(hearer),
    async getIdentity(hash) {
      const value = await get(tokenKey(hash))
      return isIdentity(value) ? value : undefined
    },
    async getViews(who, meter) {
      const value = await get(viewsKey(who, meter))
      return isKept(value, who) ? viewsOf(value, meter) : undefined
    },
    putIdentity: (hash, identity) => put(tokenKey(hash), identity),
    putViews: (who, meter, views) => put(viewsKey(who, meter), keptOf(views)),
    dropIdentity: (hash) => drop(tokenKey(hash)),
    dropViews: (who, meter) => drop(viewsKey(who, meter)),
    tellActs: (acts) =>
      tell(acts.map(({ client: who, meter }): Told => (meter === null ? { is: 'all' } : { is: 'views', client: who, meter }))),
    tellToken: (hash) => tell([{ is: 'token', hash: hash.toString('base64') }]),
    tellAll: () => tell([{ is: 'all' }]),
    async close() {
      closed = true
      hearers.length = 0
      clearInterval(heartbeat)
      clearInterval(waiting)
      client.disconnect()
      subscriber.disconnect()
      await connecting
    },
  }
}

/** Sealed by this instance, so its own; yet one of its earlier versions may have meant something else by it. */
function isIdentity(value: unknown): value is Identity {
  if (typeof value !== 'object' || value === null) return false
  const { client, purpose, set, expiresAt, disabled, credential } = value as Partial<Record<keyof Identity, unknown>>
  return (
    [client, purpose, credential].every((text) => typeof text === 'string') &&
    (set === 'all' || Array.isArray(set)) &&
    typeof expiresAt === 'number' &&
    disabled === false
  )
}

function isKept(value: unknown, who: ClientId): value is KeptViews {
  if (typeof value !== 'object' || value === null) return false
  const { generation, permissions } = value as Partial<KeptViews>
  return (
    typeof generation === 'number' &&
    Array.isArray(permissions) &&
    permissions.every((p: KeptViews['permissions'][number]) => p.scope.recipient === who)
  )
}
