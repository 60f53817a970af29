/**
 * How settings are read: what `yaml` 2 refuses by itself, what must be asked for, and how `zod` 4 names a mistake.
 * Source: https://eemeli.org/yaml/, https://zod.dev/error-formatting
 */
import { describe, expect, test } from 'vitest'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'

describe('yaml', () => {
  test('a key given twice is an error, with its place', () => {
    const lines = new LineCounter()
    const document = parseDocument('a: 1\nb: 2\na: 3\n', { lineCounter: lines })
    expect(document.errors).toMatchObject([{ code: 'DUPLICATE_KEY' }])
    expect(lines.linePos(document.errors[0]?.pos[0] ?? 0)).toStrictEqual({ line: 3, col: 1 })
  })

  test('a heap of aliases is refused', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...Array.from('bcdefg', (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[i]}`).join()}]`),
    ]
    expect(() => parseDocument(bomb.join('\n')).toJS()).toThrow('Excessive alias count')
  })

  test('an unknown tag is a warning only: warnings must be read', () => {
    const document = parseDocument('a: !wild 1')
    expect(document.errors).toStrictEqual([])
    expect(document.warnings).toMatchObject([{ code: 'TAG_RESOLVE_FAILED' }])
  })

  test('schema core knows no yes, no octal by a bare 0, and no date', () => {
    expect(parseDocument('a: yes\nb: 012\nc: 2026-01-01\nd: true', { schema: 'core' }).toJS()).toStrictEqual({
      a: 'yes',
      b: 12,
      c: '2026-01-01',
      d: true,
    })
  })

  test('a meter of 14 digits without quotes loses its leading zero: ids must be quoted or read as text', () => {
    expect(parseDocument('prm: 01234567890123').toJS()).toStrictEqual({ prm: 1_234_567_890_123 })
    expect(parseDocument('prm: 01234567890123', { schema: 'failsafe' }).toJS()).toStrictEqual({ prm: '01234567890123' })
  })

  test('text after the document is an error', () => {
    expect(parseDocument('a: 1\n---\nb: 2\n').errors).toMatchObject([{ code: 'MULTIPLE_DOCS' }])
  })
})

describe('zod', () => {
  const Shape = z.strictObject({ port: z.int().min(0).max(65_535), name: z.string().optional() })

  test('a strict object names each key that it does not know', () => {
    const { error } = Shape.safeParse({ port: 1, prot: 2, nmae: 3 })
    expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['prot', 'nmae'], path: [] }])
  })

  test('a plain object drops it in silence', () => {
    expect(z.object({ port: z.int() }).parse({ port: 1, prot: 2 })).toStrictEqual({ port: 1 })
  })

  test('all mistakes come at once, each with its path', () => {
    const { error } = z.array(Shape).safeParse([{ port: -1 }, { port: '1' }, { port: 1.5 }])
    expect(error?.issues.map(({ path }) => path)).toStrictEqual([
      [0, 'port'],
      [1, 'port'],
      [2, 'port'],
    ])
  })

  test('nothing is coerced, and NaN is no number', () => {
    for (const wrong of ['1', null, true, Number.NaN, Infinity]) expect(z.number().safeParse(wrong).success).toBe(false)
  })

  test('__proto__ of parsed JSON does not reach the result’s prototype', () => {
    const parsed = z.looseObject({}).parse(JSON.parse('{"__proto__": {"polluted": true}}'))
    expect((parsed as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('a schema becomes JSON Schema, closed where it is strict', () => {
    expect(z.toJSONSchema(Shape)).toMatchObject({ type: 'object', required: ['port'], additionalProperties: false })
  })
})
