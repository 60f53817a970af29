/** Small decisions on which the console's safety rests: who is counted, what is of our origin, which role, which tag. */
import { describe, expect, test } from 'vitest'
import { cursorOf, pageFrom, placeOf } from '../../../src/console/api/cursor.ts'
import { isFresh, permissionTag, tagOf, tagsOf } from '../../../src/console/api/etag.ts'
import { attemptsOf } from '../../../src/console/attempts.ts'
import { documentHeaders } from '../../../src/console/documents.ts'
import { roleOf } from '../../../src/console/oidc.ts'
import { isSameOrigin } from '../../../src/console/same-origin.ts'
import { isEqual } from '../../../src/console/session.ts'

const MINUTE = 60_000
const MALFORMED = 'The request is not of the form that the API takes'

describe('wrong secrets', () => {
  const tried = (times: number, address: string, now = 0) => {
    const attempts = attemptsOf()
    for (let i = 0; i < times; i += 1) attempts.wrong(address, now)
    return attempts
  }

  test.each([
    [9, 0],
    [10, 900],
  ])('after %i of them another one waits %i seconds', (times, wait) => {
    expect(tried(times, '192.0.2.1').waitOf('192.0.2.1', 0)).toBe(wait)
  })

  test.each([
    [15 * MINUTE - 1, 1],
    [15 * MINUTE, 0],
  ])('%i ms later the wait is %i s', (later, wait) => {
    expect(tried(10, '192.0.2.1').waitOf('192.0.2.1', later)).toBe(wait)
  })

  test('a right one begins anew', () => {
    const attempts = tried(10, '192.0.2.1')
    attempts.right('192.0.2.1')
    expect(attempts.waitOf('192.0.2.1', 0)).toBe(0)
  })

  test('of one place are not those of another', () => {
    expect(tried(10, '192.0.2.1').waitOf('192.0.2.2', 0)).toBe(0)
  })

  test('memory is bounded, and forgets what was quiet longest', () => {
    const attempts = tried(10, '192.0.2.1')
    for (let i = 0; i < 10_000; i += 1) attempts.wrong(`10.0.${i >> 8}.${i & 255}`, 0)
    expect(attempts.waitOf('192.0.2.1', 0)).toBe(0)
  })
})

test.each([
  [{ 'sec-fetch-site': 'same-origin' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, true],
  [{ 'sec-fetch-site': 'cross-site', origin: 'https://us.example' }, false],
  [{ 'sec-fetch-site': 'same-site' }, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ origin: 'https://us.example' }, true],
  [{ origin: 'https://us.example:444' }, false],
  [{ origin: 'http://us.example' }, false],
  [{ origin: 'null' }, false],
  [{}, false],
])('%j is of our origin: %s', (headers, ours) => {
  expect(isSameOrigin(headers, 'https://us.example')).toBe(ours)
})

test.each([
  [{ roles: ['a'] }, 'roles', 'operator'],
  [{ roles: ['b'] }, 'roles', 'auditor'],
  [{ roles: ['b', 'a'] }, 'roles', 'operator'],
  [{ roles: 'a' }, 'roles', 'operator'],
  [{ roles: [['a']] }, 'roles', undefined],
  [{ roles: { a: 'a' } }, 'roles', undefined],
  [{ realm_access: { roles: ['b'] } }, 'realm_access.roles', 'auditor'],
  [{ 'https://x.example/roles': ['a'] }, 'https://x.example/roles', 'operator'],
  [{ realm_access: null }, 'realm_access.roles', undefined],
  [{}, 'constructor.name', undefined],
  [{}, '__proto__', undefined],
])('%j at %s makes %s', (claims, roleClaim, role) => {
  expect(roleOf(claims, { roleClaim, operators: ['a'], auditors: ['b', 'Function'] })).toBe(role)
})

test.each([
  ['*', '*'],
  ['"a"', ['"a"']],
  ['W/"a", "b"', ['W/"a"', '"b"']],
  ['a', undefined],
  ['"a', undefined],
  ['', undefined],
  ['"a" "b"', undefined],
])('If-Match %s is read as %j', (header, tags) => {
  expect(tagsOf(header)).toStrictEqual(tags)
})

test('a tag is of the bytes, and that of a permission of its last act as well', () => {
  expect(tagOf('a')).toMatch(/^"[\w-]{22}"$/)
  expect(tagOf('a')).not.toBe(tagOf('b'))
  expect(permissionTag('log/7', { a: 1 })).toMatch(/^"7\./)
  expect(permissionTag('log/7', { a: 1 })).not.toBe(permissionTag('log/7', { a: 2 }))
  expect(permissionTag('log/7', { a: 1 })).not.toBe(permissionTag('log/8', { a: 1 }))
  expect([isFresh(undefined, '"a"'), isFresh('*', '"a"'), isFresh('"b", W/"a"', '"a"'), isFresh('"b"', '"a"')]).toStrictEqual([
    false,
    true,
    true,
    false,
  ])
})

test('a cursor is a place, and nothing else is one', () => {
  expect(placeOf(cursorOf('p-1'), 'text')).toBe('p-1')
  expect(placeOf(cursorOf(7), 'number')).toBe(7)
  for (const cursor of [cursorOf(7), 'x', '', Buffer.from('{}').toString('base64url')])
    expect(() => placeOf(cursor, 'text')).toThrow(MALFORMED)
  for (const cursor of [cursorOf('7'), cursorOf(-1), cursorOf(1.5)]) expect(() => placeOf(cursor, 'number')).toThrow(MALFORMED)
  expect(pageFrom(['a', 'b', 'c'], 2, (one) => one)).toStrictEqual({ items: ['a', 'b'], next: cursorOf('b') })
  expect(pageFrom(['a', 'b'], 2, (one) => one)).toStrictEqual({ items: ['a', 'b'], next: null })
})

test.each([
  ['application/pdf', 'application/pdf', 'pdf'],
  ['text/html', 'application/octet-stream', 'bin'],
  ['image/svg+xml', 'application/octet-stream', 'bin'],
  ['text/plain; charset=utf-8\r\nX: y', 'application/octet-stream', 'bin'],
  ['constructor', 'application/octet-stream', 'bin'],
])('a document filed as %s is handed out as %s', (filed, type, ending) => {
  const headers = documentHeaders('ui_capture"; x="', 'ab'.repeat(32), filed)
  expect(headers['Content-Type']).toBe(type)
  expect(headers['Content-Disposition']).toBe(`attachment; filename="ui_capturex-abababab.${ending}"`)
  expect(headers['X-Content-Type-Options']).toBe('nosniff')
  expect(headers['Content-Security-Policy']).toMatch(/^sandbox;/)
})

test('secrets of any length are compared', () => {
  expect([isEqual('a', 'a'), isEqual('a', 'b'), isEqual('', 'a'), isEqual('a'.repeat(1000), 'a')]).toStrictEqual([
    true,
    false,
    false,
    false,
  ])
})
