/** Which addresses never leave the machine, and which never leave the site. */
import { expect, test } from 'vitest'
import { isLoopback, isPrivate } from '../../../src/settings/network.ts'

test.each<[host: string, loopback: boolean, inside: boolean]>([
  ['localhost', true, true],
  ['a.localhost', true, true],
  ['127.0.0.1', true, true],
  ['127.255.255.255', true, true],
  ['::1', true, true],
  ['[::1]', true, true],
  ['::ffff:127.0.0.1', true, true],
  ['0.0.0.0', false, true],
  ['::', false, true],
  ['10.0.0.1', false, true],
  ['11.0.0.1', false, false],
  ['100.64.0.1', false, true],
  ['100.128.0.1', false, false],
  ['169.254.169.254', false, true],
  ['172.15.255.255', false, false],
  ['172.31.255.255', false, true],
  ['192.168.1.1', false, true],
  ['192.169.0.1', false, false],
  ['::ffff:10.0.0.1', false, true],
  ['[fd00::1]', false, true],
  ['[fe80::1]', false, true],
  ['[2001:db8::1]', false, false],
  ['localhost.example', false, false],
  ['gw.ext.prod.api.enedis.fr', false, false],
])('%s', (host, loopback, inside) => {
  expect([isLoopback(host), isPrivate(host)]).toStrictEqual([loopback, inside])
})
