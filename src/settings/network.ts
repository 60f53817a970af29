/** Which addresses stay inside the machine or the site. Literal addresses and `localhost` only: no name is resolved here. */
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

// RFC 1918, 3927 (link-local), 4193 (unique local), 4291, 6598 (shared), and the unspecified address, which reaches the machine itself.
const inside = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  inside.addSubnet(net, prefix, 'ipv4')
}
for (const [net, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  inside.addSubnet(net, prefix, 'ipv6')

/** `host` as `URL.hostname` writes it (brackets around IPv6 accepted). */
export function isLoopback(host: string): boolean {
  return listed(loopback, host)
}

/** Loopback, private, link-local or shared. A name other than `localhost` is not known to be. */
export function isPrivate(host: string): boolean {
  return listed(inside, host)
}

function listed(list: BlockList, host: string): boolean {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true
  const family = isIP(bare)
  return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}
