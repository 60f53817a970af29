/**
 * One account at one data holder: its connection pool and its application token. The origin comes from the settings
 * alone, and the token never leaves this file but as a header to that origin.
 *
 * The token call: one at a time (openid-client neither caches nor joins callers), refreshed at 80 % of its life with
 * jitter, the old one used until it really expires, back-off after a failure, dropped once when the holder refuses it.
 */
import { lookup as resolveName } from 'node:dns'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { allowInsecureRequests, clientCredentialsGrant, ClientSecretPost, Configuration, customFetch } from 'openid-client'
import { Agent, fetch as undiciFetch, Pool } from 'undici'
import type { AccountId } from '../domain/permission.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Slots } from './slots.ts'
import { slotsOf } from './slots.ts'

export interface HolderSettings {
  readonly url: string
  readonly ca: string | undefined
  readonly connections: number
  readonly timeouts: {
    readonly connectSeconds: number
    readonly headersSeconds: number
    readonly bodySeconds: number
    readonly totalSeconds: number
    readonly slowClientSeconds: number
  }
  readonly maxAnswerBytes: number
  /** Addresses to which no connection is made, whatever the name resolves to. Absent: any. */
  readonly refusesAddress?: ((address: string) => boolean) | undefined
}

export interface Holder {
  readonly account: AccountId
  readonly pool: Pool
  /** One for each connection of the pool. */
  readonly slots: Slots
  readonly settings: HolderSettings
  /** By its token calls: `off` until the first one. */
  readonly standing: 'ok' | 'down' | 'off'
  /** Undefined while the holder gives none: the call is then not made. */
  token(): Promise<string | undefined>
  /** The holder refused this very token. Gives whether another one is worth a call. */
  dropToken(token: string): boolean
  close(): Promise<void>
}

const MAX_TOKEN_ANSWER = 65_536
const KEPT_AFTER_DROP = 60_000
const LONGEST_LIFE_SECONDS = 86_400

/** The name of the holder leads where no connection is made to. Nothing has left. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
  readonly code = 'ERR_ADDRESS_REFUSED'
}

export function holderAt(
  account: { readonly id: AccountId; readonly clientId: string; readonly secret: string },
  settings: HolderSettings,
  tokenPath: string,
  now: () => number,
  log: Logger,
): Holder {
  const origin = new URL(settings.url).origin
  const connect = {
    timeout: settings.timeouts.connectSeconds * 1000,
    // Said here, because variables of the environment may say otherwise.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    ...(settings.ca !== undefined && { ca: readFileSync(settings.ca, 'utf8') }),
    ...guarded(origin, settings.refusesAddress),
  }
  const pool = new Pool(origin, {
    connections: settings.connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: settings.timeouts.headersSeconds * 1000,
    bodyTimeout: settings.timeouts.bodySeconds * 1000,
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 60_000,
    connect,
  })
  const tokenAgent = new Agent({
    connections: 1,
    allowH2: false,
    connect,
    headersTimeout: 5000,
    bodyTimeout: 5000,
    maxResponseSize: MAX_TOKEN_ANSWER,
  })
  const config = new Configuration(
    { issuer: origin, token_endpoint: `${origin}${tokenPath}` },
    account.clientId,
    { client_secret: account.secret },
    ClientSecretPost(account.secret),
  )
  config.timeout = 5
  if (origin.startsWith('http:')) allowInsecureRequests(config)
  config[customFetch] = (url, options) =>
    undiciFetch(url, { ...options, redirect: 'error', dispatcher: tokenAgent } as Parameters<
      typeof undiciFetch
    >[1]) as unknown as Promise<Response>

  let current: { readonly value: string; readonly refreshAt: number; readonly expiresAt: number } | undefined
  let running: Promise<void> | undefined
  let failures = 0
  let retryAt = 0
  let keptUntil = -Infinity

  function refresh(): Promise<void> {
    running ??= clientCredentialsGrant(config)
      .then((grant) => {
        if (!/^[\x21-\x7e]{1,8192}$/.test(grant.access_token)) throw new TypeError('the token of the holder is not printable ASCII')
        // No word on its life: trusted for a minute.
        const life = Math.min(grant.expiresIn() ?? 60, LONGEST_LIFE_SECONDS) * 1000
        current = { value: grant.access_token, refreshAt: now() + life * (0.75 + Math.random() * 0.1), expiresAt: now() + life }
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
    account: account.id,
    pool,
    slots: slotsOf(settings.connections),
    settings,
    get standing() {
      if (current && now() < current.expiresAt) return 'ok'
      return failures > 0 ? 'down' : 'off'
    },
    async token() {
      const known = current
      if (known && now() < known.expiresAt) {
        if (now() >= known.refreshAt && now() >= retryAt) void refresh()
        return known.value
      }
      if (now() >= retryAt) await refresh()
      return current && now() < current.expiresAt ? current.value : undefined
    },
    dropToken(token) {
      if (current?.value !== token) return true
      // A new token that is refused as well is not the token's fault: it stays, or each request would ask for another.
      if (now() < keptUntil) return false
      keptUntil = now() + KEPT_AFTER_DROP
      current = undefined
      return true
    },
    async close() {
      await Promise.all([pool.destroy(), tokenAgent.destroy()])
    },
  }
}

/**
 * Looks at each address that is about to be connected to: a name that is public in the settings may resolve to this
 * machine or its site at any moment (DNS rebinding). A literal address is never looked up, hence looked at here.
 */
function guarded(origin: string, refuses: HolderSettings['refusesAddress']): { readonly lookup?: LookupFunction } {
  if (refuses === undefined) return {}
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, '')
  const refused = (): AddressRefused => new AddressRefused('the data holder has a private address, which its settings do not allow')
  if (isIP(host) !== 0 && refuses(host)) throw refused()
  return {
    lookup(name, options, callback) {
      resolveName(name, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, '')
        const allowed = found.filter(({ address }) => !refuses(address))
        const [first] = allowed
        if (!first) callback(refused(), '')
        else if (options.all === true) callback(null, allowed)
        else callback(null, first.address, first.family)
      })
    },
  }
}
