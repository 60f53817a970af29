/** Nothing wider than granted leaves, whatever Enedis sends; what cannot be read cannot be said to be granted. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Read } from './given.ts'
import { aPart, compact, days, fixture, halfHours, METER, open, OTHER, through, v5Curve } from './given.ts'

const MARCH_2 = days('2026-03-02', '2026-03-03')
const OCTOBER_5 = days('2026-10-05', '2026-10-06')
const v5 = { series: 'consumption_curve', client: 'v5', upstream: 'v5', parts: [aPart(MARCH_2)] } as const
const y2026 = { series: 'consumption_curve', client: 'v5', upstream: '2026', parts: [aPart(OCTOBER_5)] } as const
const GOOD = fixture('v5-load-curve')
const GOOD_2026 = fixture('2026-load-curve')
const point = (changes: Readonly<Record<string, unknown>>): string =>
  v5Curve([], {
    interval_reading: [{ value: '412', date: '2026-03-02 00:30:00', interval_length: 'PT30M', measure_type: 'B', ...changes }],
  })

// prettier-ignore
const LIES: readonly (readonly [string, string, string])[] = [
  ['another meter', GOOD.replace(METER, OTHER), 'other_meter'],
  ['no meter', v5Curve([{ value: '1', date: '2026-03-02 00:30:00' }], { usage_point_id: undefined }), 'unreadable'],
  ['a meter as a number', GOOD.replace(`"${METER}"`, METER), 'unreadable'],
  ['two meters', GOOD.replace('"start"', `"usage_point_id": "${OTHER}", "start"`), 'unreadable'],
  ['the same meter twice', GOOD.replace('"start"', `"usage_point_id": "${METER}", "start"`), 'unreadable'],
  ['another unit', GOOD.replace('"W"', '"Wh"'), 'other_unit'],
  ['another kind', GOOD.replace('"power"', '"energy"'), 'other_unit'],
  ['another aggregate', GOOD.replace('"average"', '"maximum"'), 'other_unit'],
  ['no unit', GOOD.replace('"unit": "W", ', ''), 'unreadable'],
  ['another period', GOOD.replace('"start": "2026-03-02", "end": "2026-03-03"', '"start": "2025-03-02", "end": "2025-03-03"'), 'unreadable'],
  ['a placeholder period', GOOD.replace('"start": "2026-03-02"', '"start": "20XX-XX-XX"'), 'unreadable'],
  ['no period', v5Curve([{ value: '1', date: '2026-03-02 00:30:00' }], { start: undefined }), 'unreadable'],
  ['no quality', v5Curve([{ value: '1', date: '2026-03-02 00:30:00' }], { quality: undefined }), 'unreadable'],
  ['an odd quality', GOOD.replace('"BRUT"', '"BRUT\\",\\"x"'), 'unreadable'],
  ['a value that is not a number', point({ value: 'NaN' }), 'unreadable'],
  ['a value with an exponent', point({ value: '1e3' }), 'unreadable'],
  ['a value as a number', point({ value: 412 }), 'unreadable'],
  ['an empty value', point({ value: '' }), 'unreadable'],
  ['no value', point({ value: undefined }), 'unreadable'],
  ['a value with a tail', point({ value: '412","x":"y' }), 'unreadable'],
  ['a date of no calendar', point({ date: '2026-02-30 00:30:00' }), 'unreadable'],
  ['a date without a time', point({ date: '2026-03-02' }), 'unreadable'],
  ['a date with an offset', point({ date: '2026-03-02T00:30:00+01:00' }), 'unreadable'],
  ['24:00', point({ date: '2026-03-02 24:00:00' }), 'unreadable'],
  ['no length', point({ interval_length: undefined }), 'unreadable'],
  ['an unknown length', point({ interval_length: 'PT1M' }), 'unreadable'],
  ['a length of null', point({ interval_length: null }), 'unreadable'],
  ['a measure type with a tail', point({ measure_type: 'B"' }), 'unreadable'],
  ['a claim to have been computed here', point({ measure_type: 'DERIVED' }), 'unreadable'],
  ['a duplicate value', GOOD.replace('"value": "412"', '"value": "412", "value": "1"'), 'unreadable'],
  ['a point that is a text', v5Curve([], { interval_reading: ['412'] }), 'unreadable'],
  ['a list in the list', v5Curve([], { interval_reading: [[]] }), 'unreadable'],
  ['readings that are an object', v5Curve([], { interval_reading: {} }), 'unreadable'],
  ['no readings field', v5Curve([], { interval_reading: undefined }), 'unreadable'],
  ['nothing in it', '{}', 'unreadable'],
  ['an empty list', '[]', 'unreadable'],
  ['no body', '', 'unreadable'],
  ['null', 'null', 'unreadable'],
  ['a page', '<html></html>', 'unreadable'],
  ['the shape of the other generation', GOOD_2026, 'unreadable'],
  ['trailing text', `${GOOD}{}`, 'unreadable'],
  ['a body cut off', GOOD.slice(0, -6), 'unreadable'],
  ['deep nesting', GOOD.replace('"quality"', `"x": ${'['.repeat(50_000)}${']'.repeat(50_000)}, "quality"`), 'unreadable'],
]

// prettier-ignore
const LIES_2026: readonly (readonly [string, string, string])[] = [
  ['another meter', GOOD_2026.replace(METER, OTHER), 'other_meter'],
  ['another unit', GOOD_2026.replace('"W"', '"kW"'), 'other_unit'],
  ['another quantity', GOOD_2026.replace('"PA"', '"PRI"'), 'other_unit'],
  ['the other direction', GOOD_2026.replace('"CONS"', '"PROD"'), 'other_unit'],
  ['a quantity without a name', GOOD_2026.replace('"grandeurPhysique": "PA", ', ''), 'unreadable'],
  ['the quantity twice', GOOD_2026.replace(/"grandeur": (\[.*\])/s, (_all, list: string) => {
    const one = /\{.*\}\]\}/s.exec(list)?.[0] ?? ''
    return `"grandeur": [${one},${one}], "contexte": []`
  }), 'unreadable'],
  ['another period', GOOD_2026.replaceAll(/"date(Debut|Fin)": "2026/g, '"date$1": "2024'), 'unreadable'],
  ['no period', GOOD_2026.replace(/"periode": \{[^}]*\},/, ''), 'unreadable'],
  ['no quantity field', GOOD_2026.replace('"grandeur":', '"autre":'), 'unreadable'],
  ['the shape of the other generation', GOOD, 'unreadable'],
  ['a list of errors', '[{"code": "x", "message": "y"}]', 'unreadable'],
]

describe.each([
  ['v5', v5, LIES],
  ['2026', y2026, LIES_2026],
] as const)('%s', (_generation, given, lies) => {
  test.each(lies)('%s: nothing leaves', (_name, body, why) => {
    const read = through(given, body)
    expect([read.why, read.text]).toStrictEqual([why, ''])
    // After a failure nothing more is taken.
    expect(read.reader.end()).toStrictEqual({ ok: false, why })
    expect(read.reader.push(Buffer.from(GOOD))).toStrictEqual({ ok: false, why })
  })

  test.each(lies)('%s: nor when it is long and comes byte by byte', (_name, body, why) => {
    const long = body.replace(/^\s*\{/, `{${' '.repeat(70_000)}`)
    const start = Math.max(0, long.length - 3000)
    const read = through(
      given,
      long,
      Array.from({ length: long.length - start }, (_e, i) => start + i),
    )
    expect(read.why).toBe(why)
    // What was read before the lie was found may have left, and then the answer is cut: never a whole one.
    expect(isJson(read.text)).toBe(false)
  })
})

describe('what is more than asked for is dropped', () => {
  test('days outside the part', () => {
    const dates = ['2026-03-01', '2026-03-02', '2026-03-03'].flatMap((d) => halfHours(d))
    const read = through(
      v5,
      v5Curve(
        dates.map((date) => ({ value: '1', date })),
        { start: '2026-03-01', end: '2026-03-04' },
      ),
    )
    expect(read.reader.counts).toStrictEqual({ readings: 48, dropped: 96, first: '2026-03-02 00:30:00', last: '2026-03-03 00:00:00' })
    expect(read.text).toContain('"start":"2026-03-02","end":"2026-03-03"')
  })

  test('fields that no one knows, wherever they stand', () => {
    const secret = '{"a":["secret",{"b":"secret"}]}'
    const body = GOOD.replace('{"meter_reading": {', `{"x":${secret},"meter_reading": {"y":${secret},"customer":"secret",`)
      .replace('"unit"', `"z":${secret},"unit"`)
      .replace('{"value": "412"', `{"name":"secret","n":${secret},"value": "412"`)
    expect(through(v5, body).text).toBe(compact(GOOD))
  })

  test('quantities that were not asked for, before and after the one that was', () => {
    const other =
      '{"points":[{"v":"9","d":"2026-10-05 00:30:00","p":"PT30M"}],"grandeurMetier":"CONS","grandeurPhysique":"PRI","unite":"VAr"}'
    const known =
      '{"grandeurMetier":"CONS","grandeurPhysique":"ER","unite":"VArh","points":[{"v":"9","d":"2026-10-05 00:30:00","p":"PT30M"}]}'
    const body = compact(GOOD_2026).replace('"grandeur":[', `"grandeur":[${other},`).replace('],"contexte"', `,${known}],"contexte"`)
    const read = through({ ...y2026, client: '2026' }, body)
    expect(read.text).toBe(compact(GOOD_2026))
    expect(read.reader.counts.dropped).toBe(2)
  })
})

describe('what must be known first may come last', () => {
  const reversed = (text: string): string => {
    const turn = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(turn)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .toReversed()
                .map(([k, v]) => [k, turn(v)]),
            )
          : value
    return JSON.stringify(turn(JSON.parse(text)))
  }
  const many = (count: number): string => v5Curve(Array.from({ length: count }, () => ({ value: '1', date: '2026-03-02 12:00:00' })))

  test.each([
    ['v5', v5, GOOD],
    ['2026', { ...y2026, client: '2026' }, GOOD_2026],
  ] as const)('%s', (_name, given, body) => {
    expect(through(given, reversed(body)).text).toBe(compact(body))
    expect(through(given, reversed(body).replace(METER, OTHER))).toMatchObject({ why: 'other_meter', text: '' })
  })

  test('up to what is held, and streamed or not', () => {
    expect(through(v5, reversed(many(2000))).reader.counts.readings).toBe(2000)
    expect(through(v5, reversed(many(4000)), [10, 70_000])).toMatchObject({ why: 'held_too_long', text: '' })
    expect(through(v5, many(4000)).reader.counts.readings).toBe(4000)
  })

  test('a wrong meter at the very end lets nothing out', () => {
    const read = through(v5, reversed(many(2000)).replace(METER, OTHER), [66_000, 100_000])
    expect([read.why, read.text]).toStrictEqual(['other_meter', ''])
  })
})

describe('the same output however it is cut', () => {
  const long = v5Curve(Array.from({ length: 40 }, () => halfHours('2026-03-02').map((date) => ({ value: '1', date }))).flat())
  const expected = compact(long)

  test('long bodies, at random', () => {
    expect(long.length).toBeGreaterThan(64 * 1024)
    fc.assert(
      fc.property(fc.array(fc.nat(long.length), { maxLength: 12 }), (places) => {
        expect(
          through(
            v5,
            long,
            places.toSorted((a, b) => a - b),
          ).text === expected,
        ).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('what is read as a whole equals what is streamed', () => {
    const short = fc.record({
      value: fc.constantFrom('0', '412', '-3', '1.5', 'NaN'),
      date: fc.constantFrom('2026-03-02 00:30:00', '2026-03-02 00:00:00', '2026-03-03 00:00:00', '2026-03-02 12:10:00', '2026-03-02'),
      length: fc.constantFrom('PT10M', 'PT30M', 'PT60M', 'P1D'),
    })
    fc.assert(
      fc.property(fc.array(short, { maxLength: 6 }), fc.boolean(), (points, derive) => {
        const part = aPart(MARCH_2, derive ? { averageUp: true } : {})
        const body = v5Curve(points)
        const whole = through({ ...v5, parts: [part] }, body)
        // Blanks in front push the same body over the limit.
        const streamed = through({ ...v5, parts: [part] }, ' '.repeat(70_000) + body, [70_010, 70_100])
        // A failure found early in a stream may come after some output; what is complete is the same.
        const told = (read: Read): unknown => (read.why === undefined ? [read.text, read.reader.counts] : read.why)
        expect(told(streamed)).toStrictEqual(told(whole))
      }),
      { numRuns: 300 },
    )
  })
})

test('memory does not grow with the body', () => {
  const answer = open(v5)
  const reader = answer.part(0)
  const [head = '', tail = ''] = v5Curve([{ value: '1', date: '2026-03-02 12:00:00' }]).split(']')
  const chunk = Buffer.from(`,${head.slice(head.indexOf('[') + 1)}`.repeat(600))
  let written = 0
  const take = (fed: ReturnType<typeof reader.push>): void => {
    if (!fed.ok) throw new Error(fed.why)
    for (const text of fed.out) written += text.length
  }
  take(reader.push(Buffer.from(head)))
  for (let i = 0; i < 10; i++) take(reader.push(chunk))
  const before = memoryHeld()
  for (let sent = 0; sent < 20_000_000; sent += chunk.length) take(reader.push(chunk))
  const held = memoryHeld() - before
  take(reader.push(Buffer.from(`]${tail}`)))
  take(reader.end())
  expect(written).toBeGreaterThan(18_000_000)
  expect(held).toBeLessThan(2_000_000)
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What is still reachable, in bytes. */
function memoryHeld(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
