/**
 * Whom a limit counts: an IPv4 address, or of an IPv6 address its network of 64 bits, because whoever has one of those
 * has 2^64 addresses. An IPv4 address in IPv6 clothes counts as what it is.
 *
 * Behind reverse proxies it is the address that they saw, the nearest first, and only as far as the settings name them:
 * what anybody else says in `X-Forwarded-For` is believed of nobody.
 */
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import proxyAddr from '@fastify/proxy-addr'

export type PlaceOf = (message: IncomingMessage) => string

/** @param proxies addresses and networks (`10.0.0.0/8`) of the reverse proxies before this listener */
export function placesBehind(proxies: readonly string[]): PlaceOf {
  if (proxies.length === 0) return (message) => placeOf(message.socket.remoteAddress ?? '')
  const trusted = proxyAddr.compile([...proxies])
  return (message) => {
    const { remoteAddress = '' } = message.socket
    const said = remoteAddress === '' ? '' : proxyAddr(message, trusted)
    return placeOf(isIP(said) === 0 ? remoteAddress : said)
  }
}

export function placeOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace(/^::ffff:/, '')
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const all = tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length - rest.length).fill('0'), ...rest]
  return all.slice(0, 4).join(':')
}
