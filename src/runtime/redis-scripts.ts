/**
 * Lua on Redis, each carried out whole or not at all: what reads and then writes for several gates. A script is sent
 * again by whoever asks, never by the connection, so each has to be the same twice. Errors are the caller's.
 */
import { createHash } from 'node:crypto'
import type { RedisSecrets, RedisSettings } from './redis.ts'
import { redisClient } from './redis.ts'

export interface RedisScripts {
  /** False: a script would fail at once. */
  readonly ready: boolean
  /** All keys on one node. */
  run(lua: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
  /** Called whenever the connection is there anew: what was told before may have been lost. */
  onReady(hear: () => void): void
  close(): void
}

const TIMEOUTS_BEFORE_RECONNECT = 3

export function redisScripts(settings: RedisSettings, secrets: RedisSecrets): RedisScripts {
  const client = redisClient(settings, secrets)
  const hearers: (() => void)[] = []
  const hashes = new Map<string, string>()
  let timeouts = 0
  // The cache tells of a Redis that is lost; whoever runs a script hears its error.
  client.on('error', () => undefined)
  client.on('ready', () => {
    timeouts = 0
    for (const hear of hearers) hear()
  })
  client.connect().catch(() => undefined)
  function hashOf(lua: string): string {
    const hash = hashes.get(lua) ?? createHash('sha1').update(lua).digest('hex')
    hashes.set(lua, hash)
    return hash
  }
  return {
    get ready() {
      return client.status === 'ready'
    },
    async run(lua, keys, args) {
      const given = [...keys, ...args]
      try {
        const answer = await client.evalsha(hashOf(lua), keys.length, ...given).catch((error: unknown) => {
          if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return client.eval(lua, keys.length, ...given)
          throw error
        })
        timeouts = 0
        return answer
      } catch (error) {
        timeouts = error instanceof Error && error.message.includes('timed out') ? timeouts + 1 : 0
        if (timeouts >= TIMEOUTS_BEFORE_RECONNECT) {
          timeouts = 0
          client.disconnect(true)
        }
        throw error
      }
    },
    onReady: (hear) => void hearers.push(hear),
    close: () => client.disconnect(),
  }
}
