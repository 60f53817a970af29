/**
 * A connection to Redis, whichever way it stands: one server, a primary that sentinels name, or a cluster. With these
 * options a lost Redis is an error at once and never a wait, and nothing is sent twice: what cannot be asked now is asked
 * elsewhere by whoever asks.
 *
 * Left out of ioredis on purpose: its detector of failovers, whose connections write errors on stderr past any log. A
 * primary that is none any more is noticed by its end, by its silence, or by its refusal to write.
 */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis } from 'ioredis'

/** PEM files. What is replaced is shown and trusted from the next connection on. */
export interface RedisTls {
  readonly ca?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}
export interface RedisSettings {
  /** One of `url`, `sentinels` and `cluster`; places are `HOST:PORT`. */
  readonly url?: string | undefined
  readonly sentinels?: readonly string[] | undefined
  /** Of the primary, as the sentinels know it. */
  readonly name?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelTls?: RedisTls | undefined
  readonly cluster?: readonly string[] | undefined
  readonly username?: string | undefined
  readonly tls?: RedisTls | undefined
  readonly commandTimeoutMs: number
}
export interface RedisSecrets {
  readonly password?: string | undefined
  readonly sentinelPassword?: string | undefined
}

export interface RedisUse {
  /** Commands of the same moment go out as one: for many at once that do not wait for each other. */
  readonly pipelining?: boolean
  readonly commandTimeoutMs?: number
  /** Whether a connection that ended is made anew. */
  readonly again?: boolean
}
export type RedisServer = Redis<'legacy'>
export type RedisCluster = Cluster<'legacy'>

const CONNECT_MS = 500
/** The slots are asked for this often: a node that ends is not waited for. */
const SLOTS_MS = 2000
const NOT_THE_PRIMARY = /^(READONLY|NOREPLICAS|MASTERDOWN)\b/
const backoff = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 6), 2000)

/** For commands. */
export function redisClient(settings: RedisSettings, secrets: RedisSecrets, use: RedisUse = {}): RedisServer | RedisCluster {
  if (settings.cluster === undefined) return redisServer(settings, secrets, use)
  return new Cluster(settings.cluster.map(placeOf), {
    lazyConnect: true,
    enableOfflineQueue: false,
    // Asks for a right that the user of the ACL need not have.
    enableReadyCheck: false,
    enableAutoPipelining: use.pipelining === true,
    clusterRetryStrategy: use.again === false ? () => null : backoff,
    // A command whose node is gone fails, and is not sent to another one later.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshInterval: SLOTS_MS,
    // Names are resolved where the connection is made, so that certificates are compared with them.
    dnsLookup: (name, found) => found(null, name),
    redisOptions: commonOf(settings, secrets, use),
  })
}

/** For a channel: of a cluster the next of the nodes named, each time; what is published at one is told by all. */
export function redisServer(settings: RedisSettings, secrets: RedisSecrets, use: RedisUse = {}): RedisServer {
  const common = {
    ...commonOf(settings, secrets, use),
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: use.pipelining === true,
    retryStrategy: use.again === false ? () => null : backoff,
  }
  const { url, sentinels, name, cluster } = settings
  if (url !== undefined) {
    const parsed = new URL(url)
    const db = Number(parsed.pathname.slice(1) || 0)
    return new Redis({ ...common, host: bare(parsed.hostname), port: Number(parsed.port || 6379), db })
  }
  if (sentinels !== undefined) {
    return new Redis({
      ...common,
      sentinels: sentinels.map(placeOf),
      name: name ?? '',
      role: 'master',
      updateSentinels: false,
      enableTLSForSentinelMode: settings.tls !== undefined,
      sentinelCommandTimeout: CONNECT_MS,
      sentinelRetryStrategy: use.again === false ? () => null : backoff,
      ...(settings.sentinelUsername !== undefined && { sentinelUsername: settings.sentinelUsername }),
      ...(secrets.sentinelPassword !== undefined && { sentinelPassword: secrets.sentinelPassword }),
      ...(settings.sentinelTls && { sentinelTLS: tlsOf(settings.sentinelTls) }),
    })
  }
  const nodes = (cluster ?? []).map(placeOf)
  const server: RedisServer = new Redis({
    ...common,
    ...nodes[0],
    retryStrategy(attempt) {
      Object.assign(server.options, nodes[attempt % nodes.length])
      return common.retryStrategy(attempt)
    },
  })
  return server
}

function commonOf(settings: RedisSettings, secrets: RedisSecrets, use: RedisUse) {
  const tls = settings.url?.startsWith('rediss:') === true ? (settings.tls ?? {}) : settings.tls
  return {
    replyMapping: 'legacy' as const,
    // Both ask for rights that the user of the ACL need not have.
    disableClientInfo: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // What it subscribes again by itself it does not look after: cut then, the rejection is nobody's and ends the process.
    autoResubscribe: false,
    connectTimeout: CONNECT_MS,
    commandTimeout: use.commandTimeoutMs ?? settings.commandTimeoutMs,
    reconnectOnError: (error: Error) => NOT_THE_PRIMARY.test(error.message),
    ...(settings.username !== undefined && { username: settings.username }),
    ...(secrets.password !== undefined && { password: secrets.password }),
    ...(tls && { tls: tlsOf(tls) }),
  }
}

/** ioredis copies what stands here for each connection: hence getters. A file that cannot be read is as it was. */
function tlsOf({ ca, certificate, key }: RedisTls): ConnectionOptions {
  const read = (file: string): (() => string) => {
    let known = readFileSync(file, 'utf8')
    return () => {
      try {
        known = readFileSync(file, 'utf8')
      } catch {
        // Half replaced, or gone: the next connection looks again.
      }
      return known
    }
  }
  const options: ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' }
  for (const [name, file] of Object.entries({ ca, cert: certificate, key }))
    if (file !== undefined) Object.defineProperty(options, name, { enumerable: true, get: read(file) })
  return options
}

export function placeOf(text: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`redis://${text}`)
  return { host: bare(hostname), port: Number(port) }
}

/** Where Redis is, as an operator is told it. */
export function placesOf({ url, sentinels, name, cluster }: RedisSettings): string {
  if (url !== undefined) return new URL(url).host
  return sentinels === undefined ? `cluster ${(cluster ?? []).join(', ')}` : `${name} by ${sentinels.join(', ')}`
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
