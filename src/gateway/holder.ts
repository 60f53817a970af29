/**
 * One account at one data holder: its connection pool and what proves to the data holder who calls. The origin comes
 * from the settings alone, and what proves it never leaves but as a header or a client certificate to that origin.
 */
import { lookup as resolveName } from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { AccountId } from '../domain/permission.ts'
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
  /** Files, PEM: shown to the data holder. Read anew when they change. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: string } | undefined
}

/** Proves to the data holder who calls. */
export interface Credential {
  /** `off` until it was first needed. */
  readonly standing: 'ok' | 'down' | 'off'
  /** What stands in `Authorization`, null where nothing does; undefined while there is none: the call is then not made. */
  authorization(): Promise<string | null | undefined>
  /** The holder refused this very one. Gives whether another one is worth a call. */
  drop(authorization: string | null): boolean
  close(): Promise<void>
}

export interface Holder extends Omit<Credential, 'close'> {
  readonly account: AccountId
  readonly pool: Pool
  /** One for each connection of the pool. */
  readonly slots: Slots
  readonly settings: HolderSettings
  close(): Promise<void>
}

/** The name of the holder leads where no connection is made to. Nothing has left. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
  readonly code = 'ERR_ADDRESS_REFUSED'
}

export function holderAt(account: AccountId, settings: HolderSettings, credential: Credential): Holder {
  const origin = new URL(settings.url).origin
  const pool = new Pool(origin, {
    connections: settings.connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: settings.timeouts.headersSeconds * 1000,
    bodyTimeout: settings.timeouts.bodySeconds * 1000,
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 60_000,
    connect: settings.clientCertificate
      ? withCertificate(connectTo(origin, settings), settings.clientCertificate)
      : connectTo(origin, settings),
  })
  return {
    account,
    pool,
    slots: slotsOf(settings.connections),
    settings,
    get standing() {
      return credential.standing
    },
    authorization: () => credential.authorization(),
    drop: (authorization) => credential.drop(authorization),
    async close() {
      await Promise.all([pool.destroy(), credential.close()])
    },
  }
}

/** Nothing, or a user and a password that do not change: a client certificate may say the rest. */
export function fixedCredential(authorization: string | null): Credential {
  return { standing: 'ok', authorization: () => Promise.resolve(authorization), drop: () => false, close: () => Promise.resolve() }
}

/** How a connection to an origin of the settings is made. */
export function connectTo(origin: string, { timeouts, ca, refusesAddress }: HolderSettings): buildConnector.BuildOptions {
  return {
    timeout: timeouts.connectSeconds * 1000,
    // Said here, because variables of the environment may say otherwise.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }),
    ...guarded(origin, refusesAddress),
  }
}

/** A certificate that was replaced is shown from the next connection on; one that is open ends a minute after its last call at most. */
function withCertificate(
  options: buildConnector.BuildOptions,
  files: NonNullable<HolderSettings['clientCertificate']>,
): buildConnector.connector {
  const written = (): string => [files.certificate, files.key].map((file) => String(statSync(file).mtimeMs)).join()
  const read = (): buildConnector.connector =>
    buildConnector({
      ...options,
      allowH2: false,
      cert: readFileSync(files.certificate, 'utf8'),
      key: readFileSync(files.key, 'utf8'),
      // A session begun with the old certificate would go on with it.
      maxCachedSessions: 0,
    })
  let known = { written: written(), connector: read() }
  return (to, callback) => {
    try {
      const now = written()
      if (now !== known.written) known = { written: now, connector: read() }
    } catch (error) {
      // Half replaced, or gone: no call until both are there.
      return callback(error instanceof Error ? error : new Error('the client certificate could not be read'), null)
    }
    known.connector(to, callback)
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
