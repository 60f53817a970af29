/** What several gates of an instance share over Redis: fast copies, quotas, application tokens. */
import type { AccountId } from './domain/permission.ts'
import type { QuotaLimits } from './gateway/quota.ts'
import type { SharedQuota } from './gateway/shared-quota.ts'
import { sharedQuota } from './gateway/shared-quota.ts'
import { tokenShare } from './gateway/shared-token.ts'
import type { SharesTokens } from './holders.ts'
import type { RedisCache } from './permissions/redis.ts'
import { redisCache } from './permissions/redis.ts'
import { redisSeal } from './permissions/redis-seal.ts'
import type { Logger } from './runtime/logger.ts'
import type { Metrics } from './runtime/metrics.ts'
import { redisScripts } from './runtime/redis-scripts.ts'
import type { SecretRef } from './settings/schema-parts.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'

export interface BetweenGates {
  readonly cache: RedisCache
  /** Of one data holder. */
  quota(holder: string, limits: (account: AccountId) => QuotaLimits, now: () => number, maxWaitMs: number): SharedQuota
  readonly token: SharesTokens
  close(): Promise<void>
}

/** Undefined where the settings name no Redis. */
export async function betweenGates(
  { redis, instance }: Settings,
  indexKey: Uint8Array,
  env: Environment,
  metrics: Metrics,
  log: Logger,
): Promise<BetweenGates | undefined> {
  if (!redis) return undefined
  const secret = (ref: SecretRef | undefined) => ref && secretOf(ref, env)
  const secrets = { password: await secret(redis.password), sentinelPassword: await secret(redis.sentinelPassword) }
  const seal = redisSeal(indexKey)
  // One that comes late costs more than a look-up: this gate counts alone for a second.
  const scripts = redisScripts({ ...redis, commandTimeoutMs: 2 * redis.commandTimeoutMs }, secrets)
  const cache = await redisCache(redis, secrets, seal, log, (result) => metrics.redis.inc({ result }))
  return {
    cache,
    quota: (holder, limits, now, maxWaitMs) =>
      sharedQuota(limits, now, maxWaitMs, {
        scripts,
        keyOf: (kind, value) => seal.keyOf(kind, `${holder}\n${value}`, `quota ${holder}`),
        nameOf: seal.nameOf,
        seal: seal.sealText,
        open: seal.openText,
        node: instance.node,
        gates: redis.gates,
        log,
      }),
    token: (application) =>
      tokenShare({
        scripts,
        keyOf: (kind) => seal.keyOf(kind, application, `token ${application}`),
        seal: seal.sealText,
        open: seal.openText,
      }),
    async close() {
      scripts.close()
      await cache.close()
    },
  }
}
