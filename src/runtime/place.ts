/**
 * Whom a limit counts: an IPv4 address, or of an IPv6 address its network of 64 bits, because whoever has one of those
 * has 2^64 addresses. An IPv4 address in IPv6 clothes counts as what it is.
 */
import { isIPv6 } from 'node:net'

export function placeOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace(/^::ffff:/, '')
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const all = tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length - rest.length).fill('0'), ...rest]
  return all.slice(0, 4).join(':')
}
