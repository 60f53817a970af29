import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { placeOf, placesBehind } from '../../../src/runtime/place.ts'

const from = (remoteAddress: string | undefined, said?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: said === undefined ? {} : { 'x-forwarded-for': said } }) as unknown as IncomingMessage

// Of an IPv6 address the network of 64 bits counts, of an IPv4 address itself, however it is written.
test.each([
  ['192.0.2.1', '192.0.2.2', false],
  ['192.0.2.1', '::ffff:192.0.2.1', true],
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['2001:db8::1', '2001:db8:0:0:1::1', true],
  ['::1', '::2', true],
  ['::1', '1::1', false],
])('%s and %s are one place: %s', (one, other, same) => {
  expect(placeOf(one) === placeOf(other)).toBe(same)
})

test('where no proxy is named nobody is believed', () => {
  const place = placesBehind([])
  expect(place(from('192.0.2.1', '198.51.100.7'))).toBe('192.0.2.1')
  expect(place(from(undefined))).toBe('')
})

test.each([
  ['the visitor whom it saw', '10.1.2.3', '198.51.100.7', '198.51.100.7'],
  ['the last of what it was told and saw', '10.1.2.3', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
  ['the visitor behind two of them', '127.0.0.1', '203.0.113.9, 198.51.100.7, 10.9.9.9', '198.51.100.7'],
  ['the network of an IPv6 visitor', '::ffff:10.1.2.3', '2001:db8:0:7::1', '2001:db8:0:7'],
  ['itself, where it names nobody', '10.1.2.3', undefined, '10.1.2.3'],
  ['itself, where what it names is no address', '10.1.2.3', 'unknown', '10.1.2.3'],
  ['the first proxy, where nobody else is named', '10.1.2.3', '10.0.0.1', '10.0.0.1'],
])('of a named proxy counts %s', (_what, remote, said, expected) => {
  expect(placesBehind(['127.0.0.1', '10.0.0.0/8'])(from(remote, said))).toBe(expected)
})

test('whoever is no proxy counts as who connects, whatever the header says', () => {
  const place = placesBehind(['10.0.0.0/8'])
  for (const said of ['198.51.100.7', '10.0.0.1', '']) expect(place(from('192.0.2.1', said))).toBe('192.0.2.1')
  expect(place(from(undefined, '198.51.100.7'))).toBe('')
})
