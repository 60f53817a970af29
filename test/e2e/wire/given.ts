/** What the tests on the wire share: bytes of requests, and what a gate tells of itself. */
import { expect } from 'vitest'
import type { Entry, GateHandle } from '../../harness/gate.ts'
import { curve } from '../../harness/gate.ts'
import { METER, today } from '../../harness/settings.ts'
import type { Wire, WireAnswer } from '../../harness/wire.ts'

/** The request of a careful client, for two days inside the permission of these tests. */
export const TARGET = curve(METER, today(-20), today(-18))

/** A head as bytes: lines are joined by CRLF and closed by a blank one. */
export function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

export function ask(token: string, target = TARGET, ...more: readonly string[]): string {
  return head(`GET ${target} HTTP/1.1`, 'Host: gate.test', `Authorization: Bearer ${token}`, ...more)
}

/** The sum of a counter over the labels that match. */
export async function counted(gate: GateHandle, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const text = await (await fetch(`${gate.ops}/metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && Object.entries(labels).every(([k, v]) => line.includes(`${k}="${v}"`)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Entries of requests: intents, outcomes and refusals. */
export async function accesses(gate: GateHandle): Promise<readonly Entry[]> {
  return (await gate.entries()).filter((entry) => entry.t.startsWith('access.') && entry.t !== 'access.summary')
}

/** What was recorded by `act`. */
export async function recordedBy(gate: GateHandle, act: () => Promise<void>): Promise<readonly Entry[]> {
  const before = (await accesses(gate)).length
  await act()
  return (await accesses(gate)).slice(before)
}

export function readingsIn(answer: WireAnswer): number {
  const body = JSON.parse(answer.body) as { readonly grandeur: readonly { readonly points: readonly unknown[] }[] }
  return body.grandeur[0]?.points.length ?? 0
}

/** The next request on this connection is answered as if nothing had been before it. */
export async function isServed(line: Wire, token: string): Promise<void> {
  line.send(ask(token))
  const answer = await line.next()
  expect({ status: answer.status, readings: readingsIn(answer) }).toStrictEqual({ status: 200, readings: 96 })
}

/** Waits until `test` holds, and says in how many milliseconds. */
export async function until(test: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
  const from = performance.now()
  while (!(await test())) {
    if (performance.now() - from > withinMs) throw new Error(`it did not happen within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - from
}
