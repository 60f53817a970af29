/** The document of the admin API: what is checked in is what the code says, and a reader finds everything it names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openApi, ROUTES } from '../../../src/console/api/openapi.ts'
import { PROBLEMS } from '../../../src/console/api/problem.ts'

type Tree = Record<string, unknown>
const docs = join(import.meta.dirname, '..', '..', '..', 'docs')
const document = openApi()

test('each schema says what it is, and none refers to itself', () => {
  const { schemas } = document.components as { readonly schemas: Readonly<Record<string, { readonly $ref?: string }>> }
  expect(Object.keys(schemas).length).toBeGreaterThan(10)
  expect(Object.entries(schemas).filter(([id, { $ref }]) => $ref === `#/components/schemas/${id}`)).toStrictEqual([])
  expect(JSON.stringify(schemas['Permission'])).toContain('serviceSouscritId')
})

test('docs/openapi.json is made of the routes that are served (docs/api.md says how to make it again)', () => {
  expect(JSON.parse(readFileSync(join(docs, 'openapi.json'), 'utf8'))).toStrictEqual(JSON.parse(JSON.stringify(document)))
})

test('each reference leads somewhere', () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((m) => m[1] ?? '')
  expect(references.length).toBeGreaterThan(50)
  for (const reference of new Set(references)) {
    const found = reference.split('/').reduce<unknown>((at, step) => (at as Tree | undefined)?.[step], document)
    expect(found, reference).toBeTypeOf('object')
  }
})

test('operations have names of their own, and every path parameter is described', () => {
  const paths = document['paths'] as Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.values(methods).map((one) => ({ path, ...one })))
  expect(operations).toHaveLength(ROUTES.length)
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(ROUTES.length)
  for (const { path, parameters } of operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1])
    expect(parameters.filter((p) => p.in === 'path').map(({ name }) => name)).toStrictEqual(named)
  }
})

test('each POST asks for an Idempotency-Key, and each GET knows If-None-Match', () => {
  const paths = document['paths'] as Record<string, Record<string, { parameters: { name: string; required: boolean }[]; responses: Tree }>>
  for (const methods of Object.values(paths)) {
    if (methods['post'])
      expect(methods['post'].parameters).toContainEqual(expect.objectContaining({ name: 'Idempotency-Key', required: true }))
    if (methods['get']) expect(Object.keys(methods['get'].responses)).toContain('304')
  }
})

test('docs/api.md names every problem with its status, and no other', () => {
  const text = readFileSync(join(docs, 'api.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)].map((m) => [m[1], Number(m[2])])
  expect(Object.fromEntries(rows)).toStrictEqual(Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])))
})

test('docs/api.md names every operation', () => {
  const text = readFileSync(join(docs, 'api.md'), 'utf8')
  const named = [...text.matchAll(/`(GET|POST|DELETE) (\/v1\/[^`]*)`/g)].map((m) => `${m[1]} ${m[2]}`)
  expect(new Set(named)).toStrictEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path}`)))
})
