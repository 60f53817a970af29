/** The main way of a request, from a client's socket to the data holder and to the evidence. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'

let gate: TestGate
let token: string
beforeAll(async () => {
  gate = await aGate()
  await gate.permit({ id: 'p1', from: today(-100), until: today(-10) })
  token = await gate.token()
})
afterAll(() => gate.stop())

test('a covered curve is allowed: intent, call and outcome agree', async () => {
  const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), bearer(token))
  expect(answer.status).toBe(200)
  const body = (await answer.json()) as { grandeur: { points: unknown[] }[] }
  expect(body.grandeur[0]?.points).toHaveLength(96)
  const entries = await gate.entries()
  const [origin, n] = (answer.headers.get('audit-entry') ?? '').split(/\/(?=\d+$)/)
  expect(origin).toMatch(/^gate\.test\.localhost\/journal\/\d{4}$/)
  const intent = entries[Number(n)]
  expect(intent).toMatchObject({ t: 'access.intent', kind: 'load_curve', sent: `${today(-20)}/${today(-18)}`, call: 1, part: '1/1' })
  expect(entries.filter((e) => e['intent'] === Number(n))).toMatchObject([{ t: 'access.outcome', result: 'delivered', readings: 96 }])
  expect(gate.holder.calls).toHaveLength(1)
})

test('what reaches beyond the permission is narrowed, and says so', async () => {
  const answer = await fetch(gate.url + curve(METER, today(-12), today(-8)), bearer(token))
  expect(answer.status).toBe(200)
  expect(answer.headers.get('ecluse-narrowed')).toBe(`${today(-12)}/${today(-10)}`)
  expect(answer.headers.get('cache-control')).toBe('no-store')
})

test('another meter is refused, and nobody is called', async () => {
  const before = gate.holder.calls.length
  const answer = await fetch(gate.url + curve(OTHER_METER, today(-20), today(-18)), bearer(token))
  expect(answer.status).toBe(403)
  expect(answer.headers.get('ecluse-reason')).toBe('no_permission')
  expect(gate.holder.calls).toHaveLength(before)
})
