/** The operator's accounts at the data holders, each with its pool and token. */
import type { AccountId } from './domain/permission.ts'
import type { Holder } from './gateway/holder.ts'
import { holderAt } from './gateway/holder.ts'
import type { Logger } from './runtime/logger.ts'
import { isPrivate } from './settings/network.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'

const TOKEN_PATH = '/oauth2/v3/token'

export async function holdersOf(
  dc: Settings['providers']['enedis-data-connect'],
  env: Environment,
  log: Logger,
): Promise<ReadonlyMap<AccountId, Holder>> {
  const holders = new Map<AccountId, Holder>()
  const settings = { ...dc, ca: dc.ca, refusesAddress: dc.allowPrivate ? undefined : isPrivate }
  for (const account of dc.accounts) {
    const secret = await secretOf(account.clientSecret, env)
    holders.set(
      account.id,
      holderAt({ ...account, secret }, settings, TOKEN_PATH, () => performance.now(), log),
    )
  }
  return holders
}

export async function closeAll(holders: ReadonlyMap<AccountId, Holder>): Promise<void> {
  await Promise.all([...holders.values()].map((holder) => holder.close()))
}
