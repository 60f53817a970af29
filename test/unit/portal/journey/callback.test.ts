/** What Enedis's page sends back, in either generation; anything else is unreadable, and nothing makes the reader fail. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCallback } from '../../../../src/portal/journey/callback.ts'

const read = (query: string, generation: 'v1' | 'v2') => readCallback(new Map(new URLSearchParams(query)), generation)
const MALFORMED = { is: 'malformed' }
const FAILED = { is: 'failed' }
const REFUSED = { is: 'refused' }
const A = '30000000000001'
const B = '30000000000002'

describe('v2', () => {
  test.each([
    ['autorisation_id=481516234&state=s', { is: 'authorisation', authorisation: '481516234' }],
    ['autorisation_id=9223372036854775807', { is: 'authorisation', authorisation: '9223372036854775807' }],
    ['autorisation_id=9223372036854775808', MALFORMED],
    ['autorisation_id=9007199254740993', { is: 'authorisation', authorisation: '9007199254740993' }],
    ['autorisation_id=0', MALFORMED],
    ['autorisation_id=-1', MALFORMED],
    ['autorisation_id=%201', MALFORMED],
    ['autorisation_id=1%0A', MALFORMED],
    ['autorisation_id=', MALFORMED],
    ['', MALFORMED],
    [`code=x&usage_point_id=${A}`, MALFORMED],
    ['error=invalid_request&error_description=demande_non_aboutie', REFUSED],
    ['error=access_denied', REFUSED],
    ['error=invalid_request&error_description=missing_parameter', FAILED],
    ['error=server_error&error_description=demande_non_aboutie', FAILED],
    ['error=', FAILED],
    // An error and an id: the error counts, so that a refusal is never turned into a gift.
    ['error=access_denied&autorisation_id=481516234', REFUSED],
    ['error=server_error&autorisation_id=481516234', FAILED],
  ])('%s', (query, expected) => {
    expect(read(query, 'v2')).toStrictEqual(expected)
  })
})

describe('v1', () => {
  test.each([
    [`code=x&usage_point_id=${A}`, { is: 'meters', meters: [`prm:${A}`] }],
    [`code=x&usage_point_id=${A};${B}`, { is: 'meters', meters: [`prm:${A}`, `prm:${B}`] }],
    [`code=x&usage_point_id=${A},${B}`, { is: 'meters', meters: [`prm:${A}`, `prm:${B}`] }],
    [`code=x&usage_point_id=${A};${A}`, { is: 'meters', meters: [`prm:${A}`] }],
    [`code=x&usage_point_id=${A};`, MALFORMED],
    [`code=x&usage_point_id=${A} ${B}`, MALFORMED],
    [`code=x&usage_point_id=3000000000000`, MALFORMED],
    ['code=x&usage_point_id=', MALFORMED],
    ['code=x', MALFORMED],
    [`usage_point_id=${A}`, MALFORMED],
    ['autorisation_id=481516234', MALFORMED],
    ['code=403&error=access_denied&error_description=authorization_request_refused', REFUSED],
    ['code=500&error=server_error&error_description=lincs-internal-server-error', FAILED],
    ['code=403&error=invalid_request&error_description=demande_non_aboutie', FAILED],
    [`code=403&error=access_denied&usage_point_id=${A}`, REFUSED],
  ])('%s', (query, expected) => {
    expect(read(query, 'v1')).toStrictEqual(expected)
  })

  test('fifty meters are read, fifty-one are not', () => {
    const meters = (count: number): string => Array.from({ length: count }, (_, i) => String(30_000_000_000_000 + i)).join(';')
    expect(read(`code=x&usage_point_id=${meters(50)}`, 'v1')).toMatchObject({ is: 'meters' })
    expect(read(`code=x&usage_point_id=${meters(51)}`, 'v1')).toStrictEqual(MALFORMED)
  })
})

test('property: never throws; an id is digits of 64 bits, and a meter 14 digits, as they came', () => {
  const names = fc.constantFrom('autorisation_id', 'code', 'usage_point_id', 'error', 'error_description', 'state', '__proto__', 'x')
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.bigInt().map(String),
    fc.constantFrom(A, `${A};${B}`, '9223372036854775808', '1'.repeat(5000)),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(names, texts)), fc.constantFrom('v1' as const, 'v2' as const), (pairs, generation) => {
      const query = new Map(pairs)
      const callback = readCallback(query, generation)
      if (callback.is === 'authorisation') {
        expect([generation, callback.authorisation]).toStrictEqual(['v2', query.get('autorisation_id')])
        expect(
          BigInt(callback.authorisation) > 0n && BigInt.asIntN(64, BigInt(callback.authorisation)) === BigInt(callback.authorisation),
        ).toBe(true)
      }
      if (callback.is === 'meters') {
        expect(generation).toBe('v1')
        for (const meter of callback.meters) expect(query.get('usage_point_id')).toContain(meter.slice(4))
      }
      if (query.has('error')) expect(['refused', 'failed']).toContain(callback.is)
    }),
    { numRuns: 2000 },
  )
})
