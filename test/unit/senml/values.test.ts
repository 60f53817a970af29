/** Exact decimals and names that are names, whatever came. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MeterId } from '../../../src/domain/meter.ts'
import type { Millis } from '../../../src/domain/time.ts'
import { baseName, multiplied, namePart, qualityOf, SenmlPack } from '../../../src/providers/senml.ts'
import { resolved } from './given.ts'

describe('a value in another unit', () => {
  test.each([
    ['0.1', 3600n, '360'],
    ['0.7', 3_600_000n, '2520000'],
    ['1596.25', 3_600_000n, '5746500000'],
    ['-12.50', 1n, '-12.5'],
    ['0.000000001', 3600n, '0.0000036'],
    ['999999999999999.999999999', 3_600_000n, '3599999999999999999999.9964'],
    ['0', 3600n, '0'],
    ['-0.0', 3600n, '0'],
    ['007', 1n, '7'],
  ])('%s × %d = %s', (value, times, expected) => {
    expect(multiplied(value, times)).toBe(expected)
  })
  test.each(['', '.5', '5.', '1e3', '0x10', '+1', ' 1', '1,5', 'NaN', '--1'])('%j is no decimal number', (value) => {
    expect(() => multiplied(value, 1n)).toThrow(RangeError)
  })
  test('property: no digit is lost, and the result is a JSON number', () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 24n), 10n ** 24n), fc.nat(9), fc.constantFrom(1n, 3600n, 3_600_000n), (units, places, times) => {
        const digits = (units < 0n ? -units : units).toString().padStart(places + 1, '0')
        const cut = digits.length - places
        const text = `${units < 0n ? '-' : ''}${digits.slice(0, cut)}${places === 0 ? '' : `.${digits.slice(cut)}`}`
        const product = multiplied(text, times)
        expect(Number.isFinite(JSON.parse(product))).toBe(true)
        const [whole = '', fraction = ''] = product.split('.')
        expect(BigInt(whole + fraction.padEnd(places, '0'))).toBe(units * times)
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  ['BRUT', 'raw'],
  ['BEST', 'corrected'],
  ['CORRIGE', 'corrected'],
  ['Mesuré', 'measured'],
  ['REEL', 'measured'],
  ['Estimé', 'estimated'],
  ['constructor', undefined],
  [undefined, undefined],
])('quality %s is %s', (word, quality) => {
  expect(qualityOf(word)).toBe(quality)
})

test('a code that is none is not passed on', () => {
  expect([undefined, '', 'HPH', 'a"b', 'é', 'x'.repeat(41), '../..'].map(namePart)).toStrictEqual([
    'other',
    'other',
    'HPH',
    'other',
    'other',
    'other',
    'other',
  ])
})

test('every record but the first is short; a mark that is no code stays behind', () => {
  const pack = new SenmlPack({
    meter: 'prm:10000000000001' as MeterId,
    kind: 'load_curve',
    direction: 'withdrawal',
    provider: 'enedis-sge',
  })
  const one = { quantity: 'power', unit: 'W', value: '412.0', at: 1_780_000_000_000 as Millis, seconds: 1800 } as const
  const text = pack.write({ ...one, quality: 'raw', mark: 'B' }) + pack.write({ ...one, mark: '"}{' }) + pack.close().join('')
  expect(text).toBe(
    '[{"bn":"prm:10000000000001/","n":"load_curve/withdrawal/power","u":"W","t":1780000000,"v":412,"duration":1800,"quality":"raw","mark":"B","holder":"enedis-sge"}' +
      ',{"n":"load_curve/withdrawal/power","u":"W","t":1780000000,"v":412,"duration":1800,"holder":"enedis-sge"}]',
  )
  expect(resolved(text)).toHaveLength(2)
  expect(baseName('pce:GI990777' as MeterId)).toBe('pce:GI990777/')
})
