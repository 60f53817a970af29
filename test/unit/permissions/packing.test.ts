/** What is packed reads back as it was; what is not packed is said to be so; and it is small. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClientId, PermissionId } from '../../../src/domain/permission.ts'
import type { MeterId } from '../../../src/domain/meter.ts'
import { keptOf, viewsOf } from '../../../src/permissions/kept-views.ts'
import { packing } from '../../../src/permissions/packing.ts'
import { scopeHashOf } from '../../../src/permissions/registry.ts'
import { viewCopies } from '../../../src/permissions/view-copies.ts'
import { aLine, aPermission, at, CLIENT, days } from '../../given.ts'

const EDGES = ['0', '00', '007', '1e21', '999999999999999', '1000000000000000', '99999999999999999999', '2024-02-29', '2023-02-29']
const MORE = [
  '1899-12-31',
  '1900-01-01',
  '2999-12-31',
  '12026-01-01',
  '2026-01-011',
  '"id":"',
  '"contractRef":"',
  '"é€𝄞"',
  '\\',
  '-',
  '.',
  '\ud800',
]

test('whatever is packed reads back as the same text', () => {
  const { pack, unpack } = packing()
  const piece = fc.oneof(fc.string({ unit: 'binary' }), fc.nat().map(String), fc.constantFrom(...EDGES, ...MORE))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('')
      const bytes = pack(text)
      if (bytes) expect(unpack(bytes)).toBe(text)
      else expect(['\u0001', '\u0002', '\u0003', '"id":"', '"contractRef":"'].some((mark) => text.includes(mark))).toBe(true)
    }),
    { numRuns: 3000 },
  )
})

test.each([
  ...EDGES,
  ...MORE.filter((text) => !text.endsWith(':"')),
  '',
  '{"id":"p1"}',
  '[{"id":"é€ 1"},{"id":""}]',
  'n 0 0 12 2026-01-02',
])('%j reads back', (text) => {
  const { pack, unpack } = packing()
  expect(unpack(pack(text) ?? new Uint8Array())).toBe(text)
})

test('texts that differ in ids, days and numbers alone share a form, and take a byte or a few for each of them', () => {
  const { pack } = packing()
  const bytes = (n: number): string =>
    Buffer.from(pack(`{"id":"p${n}","from":"20${10 + n}-01-0${n}","at":${n}}`) ?? new Uint8Array()).toString('hex')
  const [one, two] = [bytes(1), bytes(2)]
  expect(one).toHaveLength(2 * (2 + 3 + 3 + 1))
  expect(two.slice(0, 4)).toBe(one.slice(0, 4))
  expect(two).not.toBe(one)
})

test.each(['{"id":"a\\"b"}', '{"contractRef":"𝄞"}', `{"id":"${'x'.repeat(201)}"}`])(
  'what identifies and is not written as a whole is kept in no form: %s',
  (text) => expect(packing().pack(text)).toBeUndefined(),
)

test('what would take more forms than are kept, or is too long, is not packed; what has a form still is', () => {
  const kept = packing()
  const { pack, unpack, clear } = kept
  for (let n = 0; n < 4096; n += 1) expect(pack(`${form(n)} ${n}`)).toBeDefined()
  expect(pack('another')).toBeUndefined()
  expect(kept.full).toBe(true)
  expect(unpack(pack(`${form(77)} 123`) ?? new Uint8Array())).toBe(`${form(77)} 123`)
  clear()
  expect(pack('another')).toBeDefined()
  expect(pack('x'.repeat(8193))).toBeUndefined()
  expect(pack('a\u0002b')).toBeUndefined()
})

test('the longest text of which every character is a number has room', () => {
  const { pack, unpack } = packing()
  for (const text of ['1,'.repeat(4096), '9'.repeat(8192), `{"id":"${'€'.repeat(100)}"}`.repeat(75)])
    expect(unpack(pack(text) ?? new Uint8Array())).toBe(text)
})

/** One permission of a portal: an id of its own, days of its own, two lines. */
function given(n: number): ReturnType<typeof aPermission> {
  const from = at('2026-01-01T00:00:00Z')
  const scope = {
    validFrom: (from + n * 1717) as typeof from,
    validUntil: (from + 31_536_000_000 + n * 1717) as typeof from,
    lines: [aLine(), aLine({ kind: 'load_curve', finest: 'PT30M', data: days('2024-06-01', `20${27 + (n % 9)}-01-01`) })],
  }
  const made = aPermission({
    id: `prm-${n.toString(36).padStart(10, '0')}` as PermissionId,
    head: `gate.example.fr/journal/2026/${n}`,
    scope,
  })
  return { ...made, meter: meterOf(n), scopeHash: scopeHashOf(made.scope) }
}
function meterOf(n: number): MeterId {
  return `prm:${String(30_000_000_000_000 + n * 7919)}` as MeterId
}

test('permissions come back as they were put, from the packed part too, until each is deleted', () => {
  const copies = viewCopies({ recent: 2, packedBytes: 1 << 20 })
  for (let n = 0; n < 1000; n += 1) copies.set(CLIENT, meterOf(n), { generation: n, permissions: [given(n)] })
  for (let n = 0; n < 1000; n += 1)
    expect(copies.get(CLIENT, meterOf(n)), String(n)).toStrictEqual({ generation: n, permissions: [given(n)] })
  expect(copies.get('other' as ClientId, meterOf(1))).toBeUndefined()
  for (let n = 0; n < 1000; n += 3) copies.delete(CLIENT, meterOf(n))
  for (let n = 0; n < 1000; n += 1) expect(copies.get(CLIENT, meterOf(n)) === undefined, String(n)).toBe(n % 3 === 0)
  copies.set(CLIENT, meterOf(1), { generation: 7777, permissions: [] })
  for (const n of [5, 7, 8]) copies.get(CLIENT, meterOf(n))
  expect(copies.get(CLIENT, meterOf(1)), 'the later one').toStrictEqual({ generation: 7777, permissions: [] })
  copies.clear()
  for (let n = 0; n < 1000; n += 1) expect(copies.get(CLIENT, meterOf(n))).toBeUndefined()
})

test('a permission of two lines takes less than 100 bytes', () => {
  const { pack } = packing()
  const sizes = [1, 77, 123_456, 999_999].map((n) => {
    const text = JSON.stringify(keptOf({ generation: n, permissions: [given(n)] }))
    const bytes = pack(text) ?? new Uint8Array(1000)
    expect(viewsOf(JSON.parse(text) as ReturnType<typeof keptOf>, meterOf(n)).permissions).toStrictEqual([given(n)])
    return bytes.byteLength
  })
  expect(Math.max(...sizes)).toBeLessThan(80)
})

test('forms that nobody needs any more keep nobody out', () => {
  const copies = viewCopies({ recent: 1, packedBytes: 4 << 20 })
  for (let n = 0; n < 5000; n += 1) {
    const odd = { ...given(n), scope: { ...given(n).scope, ground: { ...given(n).scope.ground, legalReference: form(n) } } }
    copies.set(CLIENT, meterOf(n), { generation: n, permissions: [{ ...odd, scopeHash: scopeHashOf(odd.scope) }] })
    copies.delete(CLIENT, meterOf(n))
  }
  copies.set(CLIENT, meterOf(1), { generation: 1, permissions: [given(1)] })
  copies.set(CLIENT, meterOf(2), { generation: 2, permissions: [given(2)] })
  expect(copies.get(CLIENT, meterOf(1))).toStrictEqual({ generation: 1, permissions: [given(1)] })
})

test('of what was deleted nothing is left in the memory of the process', () => {
  const program = `
    import { getHeapSnapshot } from 'node:v8'
    import { text } from 'node:stream/consumers'
    import { viewCopies } from ${JSON.stringify(join(import.meta.dirname, '../../../src/permissions/view-copies.ts'))}
    const word = ['very', 'private'].join('')
    const copies = viewCopies({ recent: 2, packedBytes: 1 << 20 })
    const view = (id, ground) => ({ id, version: 1, meter: 'prm:1', scope: { recipient: 'c', ground, validFrom: 1, validUntil: 2, lines: [] },
      status: 'active', head: 'o/1', bindings: [], deliveries: [] })
    for (let i = 0; i < 9; i += 1)
      copies.set('client-of-a-long-name', 'prm:1234567890123' + i, { generation: 1, permissions: [view(word + i, { contractRef: word + i + ' é' + '\\"'.repeat(i % 2) })] })
    for (let i = 0; i < 9; i += 1) copies.delete('client-of-a-long-name', 'prm:1234567890123' + i);
    // The engine itself keeps the last texts that it looked at (RegExp.input and the like): not those of before.
    gc()
    const heap = JSON.parse(await text(getHeapSnapshot())).strings
    console.log(copies.get('client-of-a-long-name', 'prm:none'), heap.filter((s) => /veryprivate[0-7]|1234567890123[0-7]/.test(s) && !s.includes('import {')))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { encoding: 'utf8' })
  expect([stdout.trim(), stderr]).toStrictEqual(['undefined []', ''])
})

function form(n: number): string {
  return (n + 65_536).toString(2).replaceAll('1', 'a')
}

test('what cannot be packed is a copy while it is one of those asked lately, and its packed predecessor is gone', () => {
  const copies = viewCopies({ recent: 1, packedBytes: 1 << 20 })
  const long = { ...given(1), bindings: Array.from({ length: 200 }, () => given(1).bindings[0] as never) }
  copies.set(CLIENT, meterOf(1), { generation: 1, permissions: [given(1)] })
  copies.set(CLIENT, meterOf(1), { generation: 2, permissions: [long] })
  expect(copies.get(CLIENT, meterOf(1))?.generation).toBe(2)
  copies.set(CLIENT, meterOf(2), { generation: 3, permissions: [] })
  expect(copies.get(CLIENT, meterOf(1))).toBeUndefined()
})
