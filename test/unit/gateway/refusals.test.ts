/** Who gets an entry of its own, and who is counted: no table here grows with what strangers send. */
import { expect, test } from 'vitest'
import type { ClientId } from '../../../src/domain/permission.ts'
import { refusalBudget } from '../../../src/gateway/refusals.ts'

const A = 'a' as ClientId
const B = 'b' as ClientId

test('an identified client has its entries of the minute; what is beyond is counted by reason', () => {
  const budget = refusalBudget()
  expect([budget.own(A, 2, 'malformed'), budget.own(A, 2, 'malformed'), budget.own(A, 2, 'malformed')]).toStrictEqual([true, true, false])
  expect(budget.own(B, 1, 'malformed')).toBe(true)
  budget.own(A, 2, 'unknown_route')
  expect(budget.takeSummary()).toStrictEqual({ malformed: 1, unknown_route: 1 })
})

test('the minute that is taken is over: all have theirs again', () => {
  const budget = refusalBudget()
  budget.own(A, 1, 'malformed')
  budget.stranger('token_invalid')
  expect(budget.takeSummary()).toStrictEqual({ token_invalid: 1 })
  expect(budget.takeSummary()).toBeUndefined()
  expect(budget.own(A, 1, 'malformed')).toBe(true)
})

test('the summary is in the order of its reasons, and no reason is a name of Object', () => {
  const budget = refusalBudget()
  for (const reason of ['token_invalid', 'constructor', 'malformed', 'token_invalid']) budget.stranger(reason)
  expect(JSON.stringify(budget.takeSummary())).toBe('{"constructor":1,"malformed":1,"token_invalid":2}')
})

test('an address has 600 a minute, each its own', () => {
  const budget = refusalBudget()
  for (let i = 0; i < 600; i += 1) expect(budget.tooMany('192.0.2.1')).toBe(false)
  expect(budget.tooMany('192.0.2.1')).toBe(true)
  expect(budget.tooMany('192.0.2.2')).toBe(false)
  budget.takeSummary()
  expect(budget.tooMany('192.0.2.1')).toBe(false)
})

test('addresses that an attacker makes up empty the table and never grow it', () => {
  const budget = refusalBudget()
  for (let i = 0; i < 601; i += 1) budget.tooMany('192.0.2.1')
  for (let i = 0; i < 10_000; i += 1) budget.tooMany(`2001:db8:${i}::1`)
  // Emptied: the first address begins anew.
  expect(budget.tooMany('192.0.2.1')).toBe(false)
})
