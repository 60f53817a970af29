import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonSink } from '../../../src/providers/json-stream.ts'
import { feed, JsonBody, JsonStream, MAX_DEPTH, parseProved, WHOLE_UNTIL } from '../../../src/providers/json-stream.ts'

/** Writes down what is handed on. */
class Noted implements JsonSink {
  readonly events: unknown[] = []
  open(array: boolean): boolean {
    return this.#note(array ? '[' : '{')
  }
  close(array: boolean): boolean {
    return this.#note(array ? ']' : '}')
  }
  key(name: string): boolean {
    return this.#note(['key', name])
  }
  scalar(value: unknown): boolean {
    return this.#note(['scalar', value])
  }
  #note(event: unknown): boolean {
    this.events.push(event)
    return true
  }
}

function streamed(text: string, cuts: readonly number[] = []): unknown[] | undefined {
  const noted = new Noted()
  const stream = new JsonStream(noted)
  const whole = [0, ...cuts].every((start, i) => stream.push(text.slice(start, cuts[i] ?? text.length)))
  return whole && stream.end() ? noted.events : undefined
}
function parsed(text: string): unknown[] | undefined {
  const noted = new Noted()
  const proved = parseProved(text)
  return proved && feed(proved.value, noted) ? noted.events : undefined
}
function body(bytes: Uint8Array, cuts: readonly number[] = []): unknown[] | undefined {
  const noted = new Noted()
  const read = new JsonBody(noted)
  const whole = [0, ...cuts].every((start, i) => read.push(bytes.subarray(start, cuts[i] ?? bytes.length)))
  return whole && read.end() ? noted.events : undefined
}

/** JavaScript moves member names that are numbers to the front; as no field of ours is one, their place says nothing. */
const NUMBERED = /"\d+"\s*:/

const GOOD = [
  '{}',
  '[]',
  ' [ 1 , -0.5e+10 ,\r\n\ttrue,false , null,"" ] ',
  '0',
  '-0',
  '"text"',
  'true',
  '1e400',
  '{"a":{"b":[{"c":[]},{"c":"d:\\"}"}]},"e":":","":1}',
  '["\\u00e9\\u20AC\\n\\/\\\\\\"","é€😀","\\ud83d\\ude00","\\ud800"]',
  '["\\\\","a"]',
  '{"\\u0061":1,"__proto__":2,"constructor":3}',
  `${'['.repeat(MAX_DEPTH)}${']'.repeat(MAX_DEPTH)}`,
  `${'['.repeat(MAX_DEPTH - 1)}{"a":1},{"a":2}${']'.repeat(MAX_DEPTH - 1)}`,
  '[{"a":1},{"a":2},{"b":{"c":"]"}},{"d":[]},3,{"e":"}"},{},[{"f":"{"},{"g":0}],{"h":[{"i":1},{"i":2}]}]',
  '{"a":[{"b":1},{"b":2}],"c":[{"b":3} , {"b":4}\n]}',
  `"${'x'.repeat(4096)}"`,
  `[${'1'.repeat(64)}]`,
  `{${Array.from({ length: 64 }, (_e, i) => `"k${i}":0`).join(',')}}`,
]

const BAD = [
  '',
  ' ',
  '{',
  '[1',
  '"open',
  '"\\',
  '"\\u12',
  'tru',
  'truex',
  'nul l',
  'NaN',
  'Infinity',
  'undefined',
  '+1',
  '01',
  '1.',
  '.5',
  '1e',
  '--1',
  '1 2',
  '{} x',
  '{}{}',
  '[],',
  '[1,]',
  '[,1]',
  '[1 2]',
  '{,}',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{"a":1 "b":2}',
  '{a:1}',
  "{'a':1}",
  '{1:2}',
  '{"a"::1}',
  '[1}',
  '[{"a":1}{"a":2}]',
  '[{"a":1},,{"a":2}]',
  '[{"a":1},{"a":2},]',
  '[{"a":1}}]',
  '[{"a":1},{"a":02}]',
  '{"a":[{"b":1},{"b":2}},"c":0]',
  '[{"a":1},{"a":2,"a":3},{"a":4}]',
  `${'['.repeat(MAX_DEPTH)}{"a":1},{"a":2}${']'.repeat(MAX_DEPTH)}`,
  '{"a":1]',
  ']',
  ':',
  '"tab\there"',
  '"line\nbreak"',
  '"\\x41"',
  '"\\u12g4"',
  '// note\n1',
  '\u00a01',
  '\ufeff{}',
  '\u0000',
  // Read in two ways by two readers, or beyond the limits.
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":2}',
  '{"x":{"a":1,"b":2,"a":3}}',
  '["a",":",{"b":1,"b":2}]',
  '{"__proto__":1,"__proto__":2}',
  `${'['.repeat(MAX_DEPTH + 1)}${']'.repeat(MAX_DEPTH + 1)}`,
  '['.repeat(50_000),
  `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  `"${'x'.repeat(4097)}"`,
  `{"${'x'.repeat(4097)}":1}`,
  `"${'\\n'.repeat(4097)}"`,
  `[${'1'.repeat(65)}]`,
  `{${Array.from({ length: 65 }, (_e, i) => `"k${i}":0`).join(',')}}`,
]

describe('both readings agree', () => {
  test.each(GOOD)('on %s', (text) => {
    const expected = new Noted()
    feed(JSON.parse(text), expected)
    expect(parsed(text)).toStrictEqual(expected.events)
    expect(streamed(text)).toStrictEqual(expected.events)
  })

  test.each(BAD)('to refuse %s', (text) => {
    expect(parsed(text)).toBeUndefined()
    expect(streamed(text)).toBeUndefined()
    expect(body(Buffer.from(text))).toBeUndefined()
  })

  test('on any JSON, however it is cut', () => {
    const asText = fc
      .tuple(fc.json({ maxDepth: 6 }), fc.boolean())
      .map(([text, wide]) => (wide ? JSON.stringify(JSON.parse(text), null, 3) : text))
    fc.assert(
      fc.property(asText, fc.array(fc.nat(2000), { maxLength: 8 }), (text, places) => {
        fc.pre(!NUMBERED.test(text))
        const cuts = places.filter((place) => place <= text.length).toSorted((a, b) => a - b)
        // As a whole, names with a backslash are not proved.
        expect(streamed(text, cuts)).toStrictEqual(parsed(text) ?? streamed(text))
        expect(body(Buffer.from(text))).toStrictEqual(streamed(text))
        expect(parsed(text) === undefined && !text.includes('\\')).toBe(false)
      }),
    )
  })

  test('on any damage to JSON', () => {
    const seed = '{"meter_reading":{"a":["1",2.5e1,true,null,{"b":"\\u00e9\\\\"}],"c":{"a":""}}}'
    const damage = fc.tuple(
      fc.nat(seed.length),
      fc.nat(3),
      fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', 'e', '-', ' ', 'a', '\n', 'null'),
    )
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) => {
        const text = damages.reduce((t, [at, gone, put]) => t.slice(0, at) + put + t.slice(at + gone), seed)
        fc.pre(!NUMBERED.test(text))
        expect(body(Buffer.from(text))).toStrictEqual(streamed(text))
        if (!text.includes('\\')) expect(streamed(text)).toStrictEqual(parsed(text))
      }),
      { numRuns: 2000 },
    )
  })

  test.each(GOOD)('at every cut of %s', (text) => {
    const expected = parsed(text)
    for (let cut = 0; cut <= Math.min(text.length, 300); cut++) expect(streamed(text, [cut])).toStrictEqual(expected)
    expect(
      streamed(
        text,
        Array.from({ length: text.length }, (_e, i) => i),
      ),
    ).toStrictEqual(expected)
  })
})

describe('a body of bytes', () => {
  const long = (item: string): string => `[${Array.from({ length: Math.ceil(WHOLE_UNTIL / item.length) }, () => item).join(',')}]`

  test('is read the same below and above the limit of what is kept', () => {
    for (const spaces of [0, WHOLE_UNTIL - 30, WHOLE_UNTIL, WHOLE_UNTIL + 100]) {
      const bytes = Buffer.from(`{"é":["€😀",1.5]${' '.repeat(spaces)}}`)
      expect(body(bytes)).toStrictEqual(['{', ['key', 'é'], '[', ['scalar', '€😀'], ['scalar', 1.5], ']', '}'])
      for (let cut = 0; cut < 20; cut++) expect(body(bytes, [cut, bytes.length - 1])).toStrictEqual(body(bytes))
    }
  })

  test('is handed on while it comes once it is longer than that', () => {
    const noted = new Noted()
    const read = new JsonBody(noted)
    const bytes = Buffer.from(long('"0123456789"'))
    read.push(bytes.subarray(0, WHOLE_UNTIL))
    expect(noted.events).toStrictEqual([])
    read.push(bytes.subarray(WHOLE_UNTIL, WHOLE_UNTIL + 1))
    expect(noted.events.length).toBeGreaterThan(4000)
  })

  test.each([
    ['a byte order mark', Buffer.from('\ufeff{}')],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['half a character', Buffer.from([0x22, 0xe2, 0x82, 0x22])],
    ['a half character at the end', Buffer.from([0x31, 0xe2])],
    ['Latin-1', Buffer.from('"é"', 'latin1')],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
  ])('refused: %s', (_name, bytes) => {
    expect(body(bytes)).toBeUndefined()
    const padded = Buffer.concat([Buffer.from(' '.repeat(WHOLE_UNTIL + 1)), bytes])
    // A byte order mark after blanks is not one, but no JSON either.
    expect(body(padded)).toBeUndefined()
  })

  test('stops where the sink stops', () => {
    const stopping: JsonSink = { open: () => true, close: () => true, key: () => true, scalar: () => false }
    const read = new JsonStream(stopping)
    expect([read.push('[1'), read.push(','), read.push('2]'), read.end()]).toStrictEqual([true, false, false, false])
  })

  test('stops at the item at which the sink stops, in the middle of a run too', () => {
    const seen: unknown[] = []
    const item = (value: unknown): boolean => seen.push(value) < 2
    const read = new JsonStream({ open: () => true, close: () => true, key: () => true, scalar: () => true, item })
    expect([read.push('{"a":[{"b":1},{"b":2},{"b":3},{"b":4}]}'), read.push(' '), read.end()]).toStrictEqual([false, false, false])
    expect(seen).toStrictEqual([{ b: 1 }, { b: 2 }])
  })

  test('items are read at once where they are whole, in lists of lists as well, and in pieces where they are not', () => {
    const seen: unknown[] = []
    const noted = (event: unknown) => (): boolean => seen.push(event) > 0
    const item = (value: unknown): boolean => seen.push(value) > 0
    const read = new JsonStream({ open: noted('open'), close: noted('close'), key: noted('key'), scalar: noted('scalar'), item })
    for (const piece of ['[{"a":[{"b":1},{"b":2}', ',{"b":', '3},{"b":4}]},{"a":[{"b":5}]}]']) expect(read.push(piece)).toBe(true)
    expect(read.end()).toBe(true)
    expect(seen.filter((each) => typeof each === 'object')).toStrictEqual([{ b: 1 }, { b: 2 }, { b: 4 }, { b: 5 }])
  })

  // JSON.parse itself takes the second name for the one that it met before, and then for no duplicate (nodejs/node#63785).
  test.each([
    ['{"v":"1","\\\\":0}', '[{"v":"1","\\u0076":"2"}]'],
    ['{"value":"1","\\\\u007":0}', '[{"value":"1","\\u0076alue":"2"}]'],
  ])('after %s, the names of %s are told to be one', (before, text) => {
    JSON.parse(before)
    expect(streamed(text)).toBeUndefined()
    expect(body(Buffer.from(text))).toBeUndefined()
    expect(parsed(text)).toBeUndefined()
  })
})
