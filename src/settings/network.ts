/** Which addresses stay inside the machine or the site. Literal addresses and `localhost` only: no name is resolved here. */
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

// RFC 1918, 3927 (link-local), 4193 (unique local), 4291, 6598 (shared), and the unspecified address, which reaches the
// machine itself; then what no data holder has: RFC 6890 (protocol assignments, benchmarks, reserved), 5771 and 4291 (multicast).
const inside = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['192.0.0.0', 24],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  inside.addSubnet(net, prefix, 'ipv4')
  // The same addresses behind a translator (RFC 6052). Mapped ones (::ffff:) the list looks through by itself.
  inside.addSubnet(`64:ff9b::${net}`, 96 + prefix, 'ipv6')
}
for (const [net, prefix] of [
  ['::', 96],
  // Local translators, Teredo and 6to4: each leads to an IPv4 address of its own choice.
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
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
