/** What people are told when a page cannot be made: whether it may pass, and nothing that we do not know. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PortalParts } from '../../../src/portal/ports.ts'
import { portalOf } from '../../../src/portal/portal.ts'
import { CallError } from '../../../src/storage/rpc.ts'

const logged: unknown[] = []
const parts = {
  settings: { url: 'http://127.0.0.1', operator: { name: 'Écluse', contact: 'x@test.example', address: 'Paris' } },
  secret: Buffer.alloc(32, 1),
  log: { error: (fields: unknown) => void logged.push(fields) },
} as unknown as PortalParts

const faults: Readonly<Record<string, Error>> = {
  full: new CallError('full', 'too many calls wait for the state'),
  down: new CallError('down', 'the disk failed'),
  ours: new TypeError('a secret of ours'),
}
const server = createServer()
let url = ''
beforeAll(async () => {
  const portal = await portalOf(parts, [
    (app) =>
      app.get('/me/:fault', (request) => Promise.reject(faults[(request.params as { readonly fault: string }).fault] ?? new Error())),
  ])
  server.on('request', portal.handle)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

test.each([
  ['full', 503, '5'],
  ['down', 503, '5'],
  ['ours', 500, null],
] as const)('%s: %i', async (fault, status, retryAfter) => {
  logged.length = 0
  const answer = await fetch(`${url}/me/${fault}`, { headers: { 'accept-language': 'en' } })
  expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('cache-control')]).toStrictEqual([
    status,
    retryAfter,
    'no-store',
  ])
  const text = await answer.text()
  // It may have failed after what it was asked for was done.
  expect(text).not.toMatch(/nothing was given|nothing has changed/i)
  expect(text).toContain('My permissions” tells')
  expect(text).not.toContain(faults[fault]?.message)
  expect(logged).toHaveLength(1)
})
