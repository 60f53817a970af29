/** A second policy beside the one in force: it is counted and told, rule by rule, and decides nothing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGate } from '../harness/gate.ts'
import { aGate } from '../harness/gate.ts'
import { METER, settingsTree, settingsYaml } from '../harness/settings.ts'
import type { Tree } from '../harness/settings.ts'

let gate: TestGate
let next: string
const DAYS = { from: '2026-11-01', until: '2026-11-15' }

/** The same settings, but for these rules. */
function otherPolicy(rules: readonly Tree[]): string {
  return settingsYaml({ ...settingsTree('http://127.0.0.1:1', './elsewhere'), rules })
}
const measures = (change: Tree): Tree => ({ id: 'measures', purpose: '*', kind: '*', provider: '*', on_overrun: 'narrow', ...change })

beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      next = join(String((tree['instance'] as Tree)['state']), '..', 'next.yaml')
      writeFileSync(next, otherPolicy([measures({ on_overrun: 'refuse' })]))
      tree['shadow_policy'] = next
      tree['logging'] = { level: 'info' }
    },
  })
  await gate.permit({ id: 'house', ...DAYS })
})
afterAll(() => gate.stop())

const ask = async (token: string, start: string, end: string): Promise<number> => {
  const target = `/metering_data_clc/v5/consumption_load_curve?usage_point_id=${METER}&start=${start}&end=${end}`
  const answer = await fetch(`${gate.url}${target}`, { headers: { Authorization: `Bearer ${token}` } })
  await answer.text()
  return answer.status
}
const counted = async (): Promise<Record<string, number>> => {
  const text = await fetch(`${gate.ops}/metrics`).then((r) => r.text())
  const lines = [...text.matchAll(/^ecluse_shadow_decisions_total\{rule="([^"]+)",outcome="([^"]+)"\} (\d+)/gm)]
  return Object.fromEntries(lines.map(([, rule, outcome, n]) => [`${rule} ${outcome}`, Number(n)]))
}
const differences = (): { rule: string; outcome: string; shadowRule: string }[] =>
  gate.log
    .map((line) => JSON.parse(line) as { msg: string; rule: string; outcome: string; shadowRule: string })
    .filter(({ msg }) => msg === 'the shadow policy decides otherwise')

test('each request is counted once, by the rule that decided and how the other policy compares', async () => {
  const token = await gate.token()
  expect(await ask(token, '2026-11-02', '2026-11-05')).toBe(200)
  expect(await ask(token, '2026-11-10', '2026-11-20')).toBe(200)
  expect(await ask(token, '2026-10-01', '2026-10-05')).toBe(403)
  expect(await counted()).toStrictEqual({ 'measures same': 2, 'measures stricter': 1 })
  expect(differences()).toMatchObject([{ rule: 'measures', outcome: 'stricter', shadowRule: 'measures' }])
})

test('it decides nothing: the evidence names the policy in force alone, and every decision can be made again', async () => {
  const policies = (await gate.entries()).filter((e) => e.t === 'log.config')
  expect(policies).toHaveLength(1)
  const intents = (await gate.entries()).filter((e) => e.t === 'access.intent') as unknown as { dec: { policy: string } }[]
  expect(intents.length).toBeGreaterThan(1)
  expect(new Set(intents.map(({ dec }) => dec.policy))).toStrictEqual(new Set([policies[0]?.['policy']]))
})

test('a wider one opens nothing, and is counted as wider', async () => {
  writeFileSync(next, otherPolicy([measures({})]))
  const tree = settingsTree(gate.holder.url, gate.state)
  writeFileSync(
    gate.config,
    settingsYaml({ ...tree, shadow_policy: next, logging: { level: 'info' }, rules: [measures({ longest_days: 1 })] }),
  )
  await gate.gate.reload()
  const token = await gate.token()
  expect(await ask(token, '2026-11-02', '2026-11-05')).toBe(400)
  expect(await counted()).toMatchObject({ 'measures wider': 1 })
})

test('one that cannot be read is told, and the gate goes on without it', async () => {
  writeFileSync(next, 'rules: 1\n')
  await gate.gate.reload()
  const before = await counted()
  const token = await gate.token()
  expect(await ask(token, '2026-11-02', '2026-11-05')).toBe(400)
  expect(await counted()).toStrictEqual(before)
  expect(gate.log.some((line) => line.includes('the shadow policy has mistakes'))).toBe(true)
})
