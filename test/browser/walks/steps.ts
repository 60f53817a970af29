/** What several walks do on their way. */
import { expect } from 'vitest'
import type { Visitor } from '../visitor.ts'

/** Invented people of the simulated Enedis, each of whom has shared nothing yet. */
export const PEOPLE = {
  first: '30000000000001',
  second: '30000000000002',
  third: '30000000000008',
  fifth: '30000000000006',
  /** Shared from the start, with a permission of the demo's. */
  known: '10000000000002',
  /** Two of one person. */
  pair: ['30000000000004', '30000000000005'],
} as const

export const REFUSE = 'button[value="refuse"]'
export const GO = 'button[name="answer"][value="go"]'
export const ACCEPT = 'button[name="decision"][value="accept"]'
export const SIGN_OUT = 'form[action="/me/sign-out"] button'
export const MINE = 'main a[href="/me"]'

/** From the page that asks to Enedis's. */
export async function ask(visitor: Visitor, lines: readonly string[]): Promise<void> {
  for (const line of lines) await visitor.page.check(`#${line}`)
  await visitor.press(GO)
  expect(new URL(visitor.page.url()).origin).toBe(visitor.demo.sandbox)
}

export async function share(visitor: Visitor, meter: string): Promise<void> {
  await visitor.page.check(`#meter-${meter}`)
  await visitor.press(ACCEPT)
}

/** Nothing is ticked for anybody. */
export async function nothingTicked(visitor: Visitor): Promise<void> {
  expect(await visitor.page.locator('input[type=checkbox], input[type=radio]').count()).toBeGreaterThan(0)
  expect(await visitor.page.locator('input:checked').count()).toBe(0)
}
