/** The operator's accounts at the data holders, each with its pool and token. */
import type { AccountId } from './domain/permission.ts'
import type { ProviderId } from './domain/vocabulary.ts'
import { PROVIDERS } from './domain/vocabulary.ts'
import type { TokenCall } from './gateway/application-token.ts'
import { applicationToken } from './gateway/application-token.ts'
import type { Holder, HolderSettings } from './gateway/holder.ts'
import { fixedCredential, holderAt } from './gateway/holder.ts'
import type { TokenShare } from './gateway/shared-token.ts'
import { SCOPE } from './providers/grdf-adict/adict.ts'
import type { Logger } from './runtime/logger.ts'
import { isPrivate } from './settings/network.ts'
import type { SecretRef } from './settings/schema-parts.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'

/** What the settings say of a data holder, whichever it is. */
export type Called = Omit<HolderSettings, 'refusesAddress' | 'ca'> & {
  readonly ca?: string | undefined
  readonly tokenUrl?: string | undefined
  readonly allowPrivate: boolean
  readonly accounts: readonly Account[]
}

/** What proves the operator: an application with a secret, or a certificate, with or without a password. */
export type Account = { readonly id: AccountId } & (
  | { readonly clientId: string; readonly clientSecret: SecretRef }
  | {
      readonly login: string
      readonly tls?: { readonly certificate: string; readonly key: string } | undefined
      readonly basic?: { readonly user: string; readonly password: SecretRef } | undefined
    }
)

/** Those that the settings name. */
export function dataHoldersOf({ providers }: Settings): readonly (readonly [ProviderId, Called])[] {
  return PROVIDERS.flatMap((id) => (providers[id] ? [[id, providers[id]] as const] : []))
}

const DATA_CONNECT_TOKENS = '/oauth2/v3/token'

/** GRDF's identity provider is another host, and gives tokens for one version of its interface. */
export function tokenCallOf({ url, tokenUrl }: Pick<Called, 'url' | 'tokenUrl'>): TokenCall {
  return tokenUrl === undefined ? { url: `${new URL(url).origin}${DATA_CONNECT_TOKENS}` } : { url: tokenUrl, scope: SCOPE }
}

/** The token of an application at a token endpoint, where gates share it. */
export type SharesTokens = (application: string) => TokenShare

export async function holdersOf(
  called: Called,
  env: Environment,
  log: Logger,
  shares?: SharesTokens,
): Promise<ReadonlyMap<AccountId, Holder>> {
  const holders = new Map<AccountId, Holder>()
  const settings = { ...called, ca: called.ca, refusesAddress: called.allowPrivate ? undefined : isPrivate }
  for (const account of called.accounts) {
    if ('clientId' in account) {
      const secret = await secretOf(account.clientSecret, env)
      const tokenCall = tokenCallOf(called)
      const share = shares?.(JSON.stringify([tokenCall.url, account.clientId]))
      const token = applicationToken({ ...account, secret }, settings, tokenCall, () => performance.now(), log, share)
      holders.set(account.id, holderAt(account.id, settings, token))
    } else {
      const { basic, tls } = account
      const header = basic ? basicOf(basic.user, await secretOf(basic.password, env)) : null
      holders.set(account.id, holderAt(account.id, { ...settings, clientCertificate: tls }, fixedCredential(header)))
    }
  }
  return holders
}

function basicOf(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

export async function closeAll(holders: ReadonlyMap<AccountId, Holder>): Promise<void> {
  await Promise.all([...holders.values()].map((holder) => holder.close()))
}
