/**
 * Connections to Redis, whichever way it is set up. Nothing waits and nothing is sent twice on any of them: what cannot be
 * asked now is asked of the registry. Behind Sentinels the connection follows the primary; in a cluster each key goes to its
 * own node, and one node carries the channel.
 */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'

export interface RedisPlace {
  /** One of these three. */
  readonly url?: string | undefined
  readonly sentinels?: readonly string[] | undefined
  readonly cluster?: readonly string[] | undefined
  /** The name under which the Sentinels know the primary. */
  readonly primary?: string | undefined
  readonly username?: string | undefined
  readonly tls?:
    | { readonly ca?: string | undefined; readonly certificate?: string | undefined; readonly key?: string | undefined }
    | undefined
}
export interface RedisSecrets {
  readonly password?: string | undefined
  readonly sentinelPassword?: string | undefined
}
export type RedisLink = Redis | Cluster

/** @param change what this one connection has otherwise */
export function redisLink(
  place: RedisPlace,
  { password, sentinelPassword }: RedisSecrets,
  change: Pick<RedisOptions, 'commandTimeout' | 'connectTimeout' | 'enableAutoPipelining' | 'retryStrategy'>,
): RedisLink {
  const common: RedisOptions & { readonly replyMapping: 'legacy' } = {
    replyMapping: 'legacy',
    lazyConnect: true,
    // Both ask for rights that the user of the ACL need not have.
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 500,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
    ...change,
    ...(place.username !== undefined && { username: place.username }),
    ...(password !== undefined && { password }),
  }
  const tls = tlsOf(place.tls)
  if (place.sentinels)
    return new Redis({
      ...common,
      sentinels: place.sentinels.map(hostOf),
      name: place.primary ?? '',
      ...(sentinelPassword !== undefined && { sentinelPassword }),
      ...(tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
      sentinelRetryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
      // The old primary answers on, as long as it can, to whoever is still connected to it.
      failoverDetector: true,
    })
  if (place.cluster)
    return new Cluster(place.cluster.map(hostOf), {
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      enableAutoPipelining: common.enableAutoPipelining === true,
      maxRedirections: 4,
      retryDelayOnFailover: 100,
      slotsRefreshTimeout: 1000,
      clusterRetryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
      redisOptions: { ...common, ...(tls && { tls }) },
    })
  const url = new URL(place.url ?? '')
  return new Redis({
    ...common,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.protocol === 'rediss:' && { tls: tls ?? {} }),
  })
}

/** How a place is called in what operators read. */
export function nameOfPlace({ url, sentinels, cluster, primary }: RedisPlace): string {
  if (sentinels) return `${primary ?? ''} behind ${sentinels.join(', ')}`
  return cluster ? `the cluster of ${cluster.join(', ')}` : new URL(url ?? '').host
}

function hostOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(colon + 1)) }
}

function tlsOf(tls: RedisPlace['tls']): ConnectionOptions | undefined {
  return (
    tls && {
      minVersion: 'TLSv1.2',
      ...(tls.ca !== undefined && { ca: readFileSync(tls.ca, 'utf8') }),
      ...(tls.certificate !== undefined && { cert: readFileSync(tls.certificate, 'utf8') }),
      ...(tls.key !== undefined && { key: readFileSync(tls.key, 'utf8') }),
    }
  )
}
