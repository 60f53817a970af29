/** A fault in the gate's own code between a call and its outcome: the outcome is on record all the same, the answer is none. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type * as callEnd from '../../src/gateway/call-end.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, today } from '../harness/settings.ts'

vi.mock('../../src/gateway/call-end.ts', async (original) => ({
  ...(await original<typeof callEnd>()),
  conclude: () => Promise.reject(new TypeError('a fault of ours')),
}))

let gate: TestGate
beforeAll(async () => {
  gate = await aGate()
  await gate.permit({ id: 'p1' })
})
afterAll(() => gate.stop())

test('the call has its outcome, the client a 503 without a reading, and the next start nothing to interrupt', async () => {
  const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(await gate.token()))
  expect(answer.status).toBe(503)
  expect(await answer.text()).not.toContain('400')
  const accesses = (await gate.entries()).filter((e) => e.t.startsWith('access.'))
  expect(accesses.map((e) => [e.t, e['status'] ?? null])).toStrictEqual([
    ['access.intent', null],
    ['access.outcome', null],
  ])
  expect(accesses[1]?.['intent']).toBe(accesses[0]?.n)
  expect(gate.log.join('')).toContain('a request was broken off')
})
