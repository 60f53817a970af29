/**
 * The person's side of the device flow (RFC 8628 § 3.3): a code is typed, the person sees who asks for what and confirms,
 * gives consent, which may take half an hour and outlive a restart of the gate, and the device's next poll succeeds.
 *
 * What links a journey to a device is a ticket. The device's own secret never leaves the server, and the first journey
 * that ends decides.
 */
import { randomBytes } from 'node:crypto'
import type { DeviceCode, Provider } from 'oidc-provider'
import { rateOf } from '../limits.ts'
import type { Asked, Given, OAuthParts } from './ports.ts'

export type DeviceView =
  | { readonly is: 'found'; readonly userCode: string; readonly asked: Asked }
  /** Not a code of ours, or one that was used or is over: to a stranger these are one thing. */
  | { readonly is: 'unknown' }
  | { readonly is: 'too_many' }
export type DeviceEnd = 'done' | 'over'

export interface DeviceDesk {
  /** What the code that a person typed stands for. `address`: whose guesses are counted. */
  view(userCode: string, address: string): Promise<DeviceView>
  /** The person said that it is its device: gives the link that its journey is to keep. */
  confirm(userCode: string, address: string): Promise<(DeviceView & { readonly is: 'found'; readonly link: string }) | DeviceView>
  granted(link: string, given: Given): Promise<DeviceEnd>
  refused(link: string): Promise<DeviceEnd>
}

interface Parts extends Pick<OAuthParts, 'state' | 'now' | 'journeySeconds'> {
  readonly provider: () => Promise<Provider>
  readonly asked: (client: string, params: Readonly<Record<string, unknown>>) => Asked | undefined
  /** Undefined where nothing of what was given is the client's. */
  readonly grant: (client: string, given: Given) => Promise<object | undefined>
}

const LINK = 'oauth-device-link'
const DONE = 'oauth-device-done'
/**
 * Wrong codes of one address in ten minutes. Of 20^8 codes none is found so, and where many people come from behind one
 * address, those who mistype do not lock the others out.
 */
const WRONG_CODES = 60
const WINDOW_MS = 600_000
const REFUSED = { error: 'access_denied', errorDescription: 'the person refused' }

export function deviceDesk(parts: Parts): DeviceDesk {
  const { state, now, provider, asked } = parts
  const wrong = rateOf(WRONG_CODES, WINDOW_MS, now)

  async function open(userCode: string): Promise<DeviceCode | undefined> {
    const code = await (await provider()).DeviceCode.findByUserCode(normalized(userCode), { ignoreExpiration: true })
    return code && !code.isExpired && code.accountId === undefined && code.error === undefined ? code : undefined
  }
  async function found(userCode: string, address: string): Promise<{ readonly code: DeviceCode; readonly asked: Asked } | DeviceView> {
    if (wrong.spent(address)) return { is: 'too_many' }
    const code = await open(userCode)
    const what = code && asked(code.clientId ?? '', code.params ?? {})
    if (code && what) return { code, asked: what }
    wrong.exceeded(address)
    return { is: 'unknown' }
  }
  /** The code of a link, for the one that ends it. */
  async function close(link: string): Promise<DeviceCode | undefined> {
    const jti = await state.tickets.take({ kind: LINK, id: link, now: now() })
    if (jti === null) return undefined
    const code = await (await provider()).DeviceCode.find(jti)
    if (!code || code.accountId !== undefined || code.error !== undefined) return undefined
    // Two people may have typed one code: of two that end at once one counts.
    const named = { kind: DONE, id: jti, now: now() }
    await state.tickets.put({ ...named, payload: '', ttlSeconds: 2 * parts.journeySeconds() + 3600 })
    return (await state.tickets.consume(named)) ? code : undefined
  }

  return {
    async view(userCode, address) {
      const seen = await found(userCode, address)
      return 'code' in seen ? { is: 'found', userCode: shown(seen.code.userCode), asked: seen.asked } : seen
    },
    async confirm(userCode, address) {
      const seen = await found(userCode, address)
      if (!('code' in seen)) return seen
      const { code } = seen
      const seconds = parts.journeySeconds() + 60
      const until = Math.floor(Date.now() / 1000) + seconds
      // The person has just begun; the device polls on for as long.
      if ((code.exp ?? 0) < until) {
        code.exp = until
        await code.save()
      }
      const link = randomBytes(32).toString('base64url')
      await state.tickets.put({ kind: LINK, id: link, payload: code.jti, ttlSeconds: seconds, now: now() })
      return { is: 'found', userCode: shown(code.userCode), asked: seen.asked, link }
    },
    async granted(link, given) {
      const code = await close(link)
      if (!code) return 'over'
      Object.assign(code, (await parts.grant(code.clientId ?? '', given)) ?? REFUSED)
      await code.save()
      return 'done'
    },
    async refused(link) {
      const code = await close(link)
      if (!code) return 'over'
      Object.assign(code, REFUSED)
      await code.save()
      return 'done'
    },
  }
}

/** As people type it: in any case, with or without its hyphen, with spaces. */
function normalized(typed: string): string {
  return typed.toUpperCase().replaceAll(/[^A-Z]/g, '')
}
function shown(userCode: string): string {
  return `${userCode.slice(0, 4)}-${userCode.slice(4)}`
}
