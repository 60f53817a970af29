/**
 * The application token of one account: one call at a time (openid-client neither caches nor joins callers), refreshed
 * at 80 % of its life with jitter, the old one used until it really expires, back-off after a failure, dropped once when
 * the holder refuses it. Where gates share it, one of them asks for all (shared-token.ts). The token leaves here as a header,
 * and sealed.
 */
import { allowInsecureRequests, clientCredentialsGrant, ClientSecretPost, Configuration, customFetch } from 'openid-client'
import { Agent, fetch as undiciFetch } from 'undici'
import type { AccountId } from '../domain/permission.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Credential, HolderSettings } from './holder.ts'
import { connectTo } from './holder.ts'
import type { Granted, TokenShare } from './shared-token.ts'

/** How an application token is asked for. */
export interface TokenCall {
  readonly url: string
  readonly scope?: string
}

const MAX_TOKEN_ANSWER = 65_536
const KEPT_AFTER_DROP = 60_000
const LONGEST_LIFE_SECONDS = 86_400

export function applicationToken(
  account: { readonly id: AccountId; readonly clientId: string; readonly secret: string },
  settings: HolderSettings,
  tokenCall: TokenCall,
  now: () => number,
  log: Logger,
  share?: TokenShare,
): Credential {
  const origin = new URL(tokenCall.url).origin
  const agent = new Agent({
    connections: 1,
    allowH2: false,
    connect: connectTo(origin, settings),
    headersTimeout: 5000,
    bodyTimeout: 5000,
    maxResponseSize: MAX_TOKEN_ANSWER,
  })
  const config = new Configuration(
    { issuer: origin, token_endpoint: tokenCall.url },
    account.clientId,
    { client_secret: account.secret },
    ClientSecretPost(account.secret),
  )
  config.timeout = 5
  if (origin.startsWith('http:')) allowInsecureRequests(config)
  config[customFetch] = (url, options) =>
    undiciFetch(url, { ...options, redirect: 'error', dispatcher: agent } as Parameters<
      typeof undiciFetch
    >[1]) as unknown as Promise<Response>

  let current: { readonly header: string; readonly refreshAt: number; readonly expiresAt: number } | undefined
  let running: Promise<void> | undefined
  let failures = 0
  let retryAt = 0
  let keptUntil = -Infinity
  let dropping: Promise<void> | undefined

  async function asked(): Promise<Granted> {
    const grant = await clientCredentialsGrant(config, tokenCall.scope === undefined ? {} : { scope: tokenCall.scope })
    if (!/^[\x21-\x7e]{1,8192}$/.test(grant.access_token)) throw new TypeError('the token of the holder is not printable ASCII')
    // No word on its life: trusted for a minute.
    const life = Math.min(grant.expiresIn() ?? 60, LONGEST_LIFE_SECONDS) * 1000
    return { header: `Bearer ${grant.access_token}`, leftMs: life, wholeMs: life }
  }
  async function obtained(): Promise<Granted> {
    await dropping
    return share ? share.obtain(asked, current && now() < current.expiresAt ? current.header : undefined) : asked()
  }
  function refresh(): Promise<void> {
    running ??= obtained()
      .then(({ header, leftMs, wholeMs }) => {
        const refreshAt = now() + leftMs - wholeMs * (0.15 + Math.random() * 0.1)
        current = { header, refreshAt, expiresAt: now() + leftMs }
        failures = 0
      })
      .catch((error: unknown) => {
        failures += 1
        retryAt = now() + Math.min(60_000, 250 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random())
        log.warn({ err: error, account: account.id, failures }, 'the data holder gave no application token')
      })
      .finally(() => {
        running = undefined
      })
    return running
  }

  return {
    get standing() {
      if (current && now() < current.expiresAt) return 'ok'
      return failures > 0 ? 'down' : 'off'
    },
    async authorization() {
      const known = current
      if (known && now() < known.expiresAt) {
        if (now() >= known.refreshAt && now() >= retryAt) void refresh()
        return known.header
      }
      if (now() >= retryAt) await refresh()
      return current && now() < current.expiresAt ? current.header : undefined
    },
    drop(header) {
      if (current?.header !== header) return true
      // A new token that is refused as well is not the token's fault: it stays, or each request would ask for another.
      if (now() < keptUntil) return false
      keptUntil = now() + KEPT_AFTER_DROP
      current = undefined
      dropping = share?.refused(header)
      return true
    },
    async close() {
      await agent.destroy()
    },
  }
}
