/** Meters, steps and kinds, reasons, and the canonical form: the words that every part of the gate shares. */
import { expect, test } from 'vitest'
import { canonicalJson, type Json } from '../../../src/domain/canonical.ts'
import { isTemporary, REASONS, type Reason } from '../../../src/domain/errors.ts'
import { bareMeter, parseMeter, parsePce, parsePrm } from '../../../src/domain/meter.ts'
import { outcomeFields, refusedFields } from '../../../src/domain/record.ts'
import { ACTS, DATA_KINDS, END_REASONS, isAtLeast, isDated, minutesOf, STEPS } from '../../../src/domain/vocabulary.ts'
import { aCaller, NOW } from '../../given.ts'

test('14 digits are a usage point or a gas point, and never both', () => {
  expect(parsePrm('01234567890123')).toBe('prm:01234567890123')
  expect(parsePce('01234567890123')).toBe('pce:01234567890123')
  expect(parsePce('GI123456')).toBe('pce:GI123456')
  expect(parseMeter('prm:01234567890123')).toBe('prm:01234567890123')
  expect(parseMeter('pce:GI123456')).toBe('pce:GI123456')
  expect(bareMeter(parsePrm('01234567890123')!)).toBe('01234567890123')
})

test.each(['1234567890123', '123456789012345', '1234567890123a', ' 12345678901234', '١٢٣٤٥٦٧٨٩٠١٢٣٤', ''])('«%s» is no meter', (text) => {
  expect([parsePrm(text), parsePce(text), parseMeter(`prm:${text}`), parseMeter(text)]).toStrictEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('gas numbers are exact, and a prefix is needed', () => {
  for (const wrong of ['GI12345', 'GI1234567', 'gi123456', 'GI12345a']) expect(parsePce(wrong)).toBeUndefined()
  expect(parsePrm('GI123456')).toBeUndefined()
  expect(parseMeter('12345678901234')).toBeUndefined()
  expect(parseMeter('PRM:12345678901234')).toBeUndefined()
  expect(parsePrm('12345678901234\n')).toBeUndefined()
})

test('steps go from fine to coarse', () => {
  for (const [i, step] of STEPS.entries()) for (const [j, other] of STEPS.entries()) expect(isAtLeast(step, other)).toBe(i >= j)
  expect(STEPS.map((step) => minutesOf(step))).toStrictEqual([1, 5, 10, 15, 30, 60, undefined, undefined, undefined, undefined])
})

test('kinds without days', () => {
  expect(DATA_KINDS.filter((kind) => !isDated(kind))).toStrictEqual(['contract_data', 'technical_data', 'address', 'identity', 'contact'])
})

test('each end has its act', () => {
  expect(END_REASONS.filter((reason) => !ACTS.includes(reason))).toStrictEqual([])
})

test('what may pass by itself', () => {
  const temporary = Object.keys(REASONS).filter((reason) => isTemporary(reason as Reason))
  expect(temporary.toSorted()).toStrictEqual(
    [
      'suspended',
      'not_yet_valid',
      'evidence_missing',
      'proof_overdue',
      'proof_ko',
      'holder_unverified',
      'source_binding_missing',
      'too_often',
      'quota_gate',
      'quota_holder',
      'holder_refused',
      'holder_down',
      'evidence_unavailable',
    ].toSorted(),
  )
})

test('the canonical form of RFC 8785: keys by their UTF-16 units, numbers as ECMAScript writes them', () => {
  const value: Json = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
    string: '€$\u000f\nA\'B"\\\\"/',
    literals: [null, true, false],
  }
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
  const keys = { '€': 'Euro Sign', '\r': 'Carriage Return', '\ufb33': 'Hebrew', '1': 'One', '😀': 'Emoji', '\u0080': 'Control', ö: 'o' }
  expect(canonicalJson(keys)).toBe(
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"o","€":"Euro Sign","😀":"Emoji","\ufb33":"Hebrew"}',
  )
  expect(canonicalJson({ b: undefined, a: { d: 1, c: [{}, []] } })).toBe('{"a":{"c":[{},[]],"d":1}}')
})

test.each([Number.NaN, Infinity, 1n, Symbol('x'), () => 1])('%s has no canonical form', (value) => {
  expect(() => canonicalJson(value as unknown as Json)).toThrow(TypeError)
})

test('an outcome says what was counted, and its code and digest only where there are any', () => {
  const counts = { readings: 48, dropped: 2, first: '2026-10-01 00:30:00', last: '2026-10-02 00:00:00' }
  const outcome = { result: 'delivered', status: 200, bytes: 900, holderBytes: 1000, counts, ms: 12, code: null, digest: null } as const
  const clear = { t: 'access.outcome', result: 'delivered', status: 200, bytes: 900, holderBytes: 1000, ...counts, ms: 12 }
  expect(outcomeFields(outcome)).toStrictEqual({ clear, sealed: {} })
  expect(outcomeFields({ ...outcome, code: 'ADAM-DC-0001', digest: 'abc' })).toStrictEqual({
    clear: { ...clear, code: 'ADAM-DC-0001' },
    sealed: { response: { alg: 'sha-256', digest: 'abc' } },
  })
})

test('a refusal before anything was understood says who and for what', () => {
  const context = { req: 'r', request: null, caller: aCaller(), account: null, now: NOW, policy: 'sha256:0' }
  expect(refusedFields(context, 'route', 'malformed', null, [])).toStrictEqual({
    clear: {
      t: 'access.refused',
      req: 'r',
      client: 'viriya',
      purpose: 'self_view',
      dec: { stage: 'route', now: '2026-11-25T09:00:00.000Z', result: 'deny', reason: 'malformed', rules: [], policy: 'sha256:0' },
    },
    sealed: {},
  })
})
