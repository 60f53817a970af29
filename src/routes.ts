/**
 * The data holders that the settings name: for each its adapter, the operator's accounts and their quota. Whose a request
 * is, is told by its path; what no other one has is asked of Data Connect.
 */
import type { BetweenGates } from './between-gates.ts'
import type { AccountId } from './domain/permission.ts'
import type { QuotaGauge } from './console/ports.ts'
import type { Holder } from './gateway/holder.ts'
import type { ProviderRoute } from './gateway/ports.ts'
import type { QuotaLimits } from './gateway/quota.ts'
import { quotaOf } from './gateway/quota.ts'
import { closeAll, holdersOf } from './holders.ts'
import type { ProviderAdapter } from './providers/adapter.ts'
import { dataConnect } from './providers/enedis-data-connect/data-connect.ts'
import { enedisSge } from './providers/enedis-sge/sge.ts'
import { grdfAdict } from './providers/grdf-adict/adict.ts'
import type { Logger } from './runtime/logger.ts'
import type { Environment } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'

export interface Routes {
  readonly enedis: ProviderRoute
  readonly all: readonly ProviderRoute[]
  of(path: string): ProviderRoute
  quotas(): readonly QuotaGauge[]
  close(): Promise<void>
}

const HOUR = 3_600_000
/** How long a client waits for its turn at a data holder. */
const QUOTA_WAIT_MS = 20_000

export async function routesOf({ providers }: Settings, env: Environment, log: Logger, between?: BetweenGates): Promise<Routes> {
  const closing: (() => Promise<void>)[] = []
  function routeTo(
    adapter: ProviderAdapter<unknown>,
    holders: ReadonlyMap<AccountId, Holder>,
    given: readonly (readonly [AccountId, QuotaLimits])[],
  ): Built {
    const limits = new Map(given)
    const limitsOf = (account: AccountId): QuotaLimits => limits.get(account) ?? { perSecond: 1, most: 1, windowMs: HOUR }
    const now = (): number => performance.timeOrigin + performance.now()
    const shared = between?.quota(adapter.id, limitsOf, now, QUOTA_WAIT_MS)
    if (shared) closing.push(shared.close)
    return { route: { id: adapter.id, adapter, holders, quota: shared ?? quotaOf(limitsOf, now, QUOTA_WAIT_MS) }, limits }
  }
  const dc = providers['enedis-data-connect']
  const enedis = routeTo(
    dataConnect({ upstream: dc.generation }) as ProviderAdapter<unknown>,
    await holdersOf(dc, env, log, between?.token),
    dc.accounts.map(({ id, quota }) => [id, { perSecond: quota.perSecond, most: quota.perHour, windowMs: HOUR }]),
  )
  const adict = providers['grdf-adict']
  const gas =
    adict &&
    routeTo(
      grdfAdict({ upperBound: adict.upperBound }) as ProviderAdapter<unknown>,
      await holdersOf(adict, env, log, between?.token),
      adict.accounts.map(({ id, quota }) => [id, { perSecond: quota.perSecond, most: quota.perDay, windowMs: 24 * HOUR }]),
    )
  const sge = providers['enedis-sge']
  const soap =
    sge &&
    routeTo(
      enedisSge({
        quantities: sge.quantities,
        legacy: sge.legacy,
        operators: new Map(sge.accounts.map(({ id, login, contract }) => [id, { login, contract }])),
      }) as ProviderAdapter<unknown>,
      await holdersOf(sge, env, log, between?.token),
      sge.accounts.map(({ id, quota }) => [id, { perSecond: quota.perSecond, most: quota.perHour, windowMs: HOUR }]),
    )
  const built = [gas, soap, enedis].filter((one) => one !== undefined)
  const all = built.map(({ route }) => route)
  return {
    enedis: enedis.route,
    all,
    of: (path) => all.find(({ adapter }) => adapter.serves(path)) ?? enedis.route,
    quotas: () => built.flatMap(gaugesOf),
    close: async () => void (await Promise.all([...all.map(({ holders }) => closeAll(holders)), ...closing.map((close) => close())])),
  }
}

interface Built {
  readonly route: ProviderRoute
  readonly limits: ReadonlyMap<AccountId, QuotaLimits>
}

function gaugesOf({ route, limits }: Built): QuotaGauge[] {
  const left = route.quota.left()
  return [...limits].flatMap(([account, { most, windowMs }]) => {
    const gauge = { account, most, windowSeconds: windowMs / 1000 }
    const used = left.filter((one) => one.account === account)
    return used.length === 0 ? [{ ...gauge, api: '', left: most }] : used.map(({ api, calls }) => ({ ...gauge, api, left: calls }))
  })
}
