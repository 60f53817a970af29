/** What no single key of the section `redis` shows: one way there, and keys that belong to another one. */
import type { Finding } from './cross-checks.ts'
import { isLoopback } from './network.ts'
import type { Written } from './shape.ts'

type Redis = Written['redis']

const WAYS = ['url', 'sentinels', 'cluster'] as const
const OF_SENTINELS = ['name', 'sentinel_username', 'sentinel_password', 'sentinel_tls'] as const

export function redisContradictions(redis: Redis): Finding[] {
  if (!redis) return []
  const at = (key: string, message: string): Finding => ({ path: ['redis', key], message })
  const [first, ...others] = WAYS.filter((way) => redis[way] !== undefined)
  if (first === undefined) return [{ path: ['redis'], message: "nothing says where it is: give 'url', 'sentinels' or 'cluster'" }]
  const found = others.map((way) => at(way, `'${first}' says where it is already: keep one of the two`))
  if (redis.sentinels === undefined) {
    for (const key of OF_SENTINELS) if (redis[key] !== undefined) found.push(at(key, "belongs to 'sentinels', and there are none"))
  } else if (redis.name === undefined) found.push(at('sentinels', "'name' is missing: sentinels watch several primaries, say which"))
  if (redis.tls && redis.url?.startsWith('redis:') === true)
    found.push(at('tls', 'TLS is asked for, and the URL says redis://: write rediss://'))
  for (const key of ['tls', 'sentinel_tls'] as const) {
    const tls = redis[key]
    if (tls && (tls.certificate === undefined) !== (tls.key === undefined))
      found.push(at(key, "'certificate' and 'key' go together: give both, or neither"))
  }
  return found
}

export function redisDoubts(redis: Redis): Finding[] {
  if (!redis) return []
  const found: Finding[] = []
  const beyond = (places: readonly string[]): boolean => places.some((place) => !isLoopback(new URL(`redis://${place}`).hostname))
  const inClear = (key: string, how: string): void =>
    void found.push({ path: ['redis', key], message: `the password crosses the network in clear: ${how}` })
  if (redis.password) {
    if (redis.url?.startsWith('redis:') === true && !isLoopback(new URL(redis.url).hostname)) inClear('url', 'use rediss://')
    // Of the primary nothing is known but that sentinels elsewhere name it.
    for (const way of ['sentinels', 'cluster'] as const) if (!redis.tls && beyond(redis[way] ?? [])) inClear(way, "add 'tls'")
  }
  if (redis.sentinel_password && !redis.sentinel_tls && beyond(redis.sentinels ?? [])) inClear('sentinel_password', "add 'sentinel_tls'")
  if (redis.sentinels?.length === 1)
    found.push({ path: ['redis', 'sentinels'], message: 'one sentinel: while it is away, no new primary is found; name the others too' })
  return found
}
