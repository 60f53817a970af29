/** A fault in the gate's own code between a call and its outcome: the outcome is on record all the same, the answer is none. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type * as callEnd from '../../src/gateway/call-end.ts'
import type * as forwarding from '../../src/gateway/forward.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { answer as holderAnswer, longCurve, ordinary } from '../harness/holder.ts'
import { METER, today } from '../harness/settings.ts'

const fault = vi.hoisted(() => ({ at: '' }))

vi.mock('../../src/gateway/call-end.ts', async (original) => {
  const real = await original<typeof callEnd>()
  const failing = (name: 'mayRetry' | 'conclude' | 'outcomeOf') => ({
    [name]: (...args: readonly unknown[]): unknown => {
      if (fault.at === name) throw new TypeError('a fault of ours')
      return (real[name] as (...given: readonly unknown[]) => unknown)(...args)
    },
  })
  return { ...real, ...failing('mayRetry'), ...failing('conclude'), ...failing('outcomeOf') }
})
vi.mock('../../src/gateway/forward.ts', async (original) => {
  const real = await original<typeof forwarding>()
  return {
    ...real,
    forward: (...args: Parameters<typeof real.forward>) =>
      fault.at === 'forward' ? Promise.reject(new TypeError('a fault of ours')) : real.forward(...args),
  }
})

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate()
  await gate.permit({ id: 'p1' })
  token = await gate.token()
})
beforeEach(() => {
  fault.at = ''
  gate.log.length = 0
  gate.holder.script = ordinary
})
afterAll(() => gate.stop())

const accesses = async (from: number) => (await gate.entries()).filter((e) => e.n >= from && e.t.startsWith('access.'))

test.each(['forward', 'mayRetry', 'conclude', 'outcomeOf'])(
  'in %s: the call has its outcome, the client a 503 without a reading, and the gate goes on',
  async (at) => {
    const from = (await gate.entries()).length
    fault.at = at
    // Whether a call is made once more is asked only where no byte came of it.
    if (at === 'mayRetry') gate.holder.script = (_request, socket) => holderAnswer(socket, 500, '{}')
    const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
    expect(answer.status).toBe(503)
    expect(await answer.text()).not.toContain('400')
    const [intent, outcome, ...more] = await accesses(from)
    expect([intent?.t, more]).toStrictEqual(['access.intent', []])
    expect(outcome).toMatchObject({ t: 'access.outcome', intent: intent?.n, result: 'interrupted', status: null })
    // What had been read is told, where it is known.
    if (at === 'conclude' || at === 'outcomeOf') expect(Number(outcome?.['readings'])).toBeGreaterThan(0)
    expect(gate.log.join('')).toContain('a request was broken off')
    fault.at = ''
    gate.holder.script = ordinary
    const next = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
    expect(next.status).toBe(200)
    await next.text()
  },
)

test('an answer that has begun is cut, and does not look whole', async () => {
  const from = (await gate.entries()).length
  gate.holder.script = longCurve(400_000)
  fault.at = 'conclude'
  const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
  expect(answer.status).toBe(200)
  await expect(answer.text()).rejects.toThrow('terminated')
  const [, outcome] = await accesses(from)
  expect(outcome).toMatchObject({ t: 'access.outcome', result: 'interrupted' })
  expect(Number(outcome?.['bytes'])).toBeGreaterThan(65_536)
})
