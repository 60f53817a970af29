/** A gate that stops between any two steps of a consent: the person goes on where the gate is up again, and gives once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { GateProcess } from '../harness/gate.ts'
import { bearer, removeFolder } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import { mainOf } from '../harness/walker.ts'
import type { Page } from '../harness/walker.ts'
import { aProcess, APPLICATION, BIG_ID, freePort, HOUSE, recorded, ticked, tokenOn, waysOf, WIDE } from './journey-given.ts'

let sandbox: Sandbox
let gate: GateProcess
let port: number
const title = (page: Page): string => /<h1>([^<]*)/.exec(page.text)?.[1] ?? page.text.slice(0, 200)

beforeAll(async () => {
  port = await freePort()
  sandbox = await startSandbox({ port: 0, credentials: [APPLICATION], quotas: WIDE })
  sandbox.register(APPLICATION.clientId, `http://127.0.0.1:${port}/consent/callback`)
  gate = await aProcess(port, sandbox)
})
afterAll(async () => {
  await gate.stop()
  await sandbox.close()
  removeFolder(gate)
})

/** Pulled out and in again, or asked to stop. */
async function again(how: 'kill' | 'stop'): Promise<void> {
  if (how === 'kill') await gate.kill()
  else expect(await gate.stop()).toBe(0)
  gate = await aProcess(port, sandbox, gate)
}

test.each([
  ['stop', HOUSE],
  ['kill', BIG_ID],
] as const)('a gate that ends by %s between each two steps', async (how, meter) => {
  const { browser: aBrowser, accepted } = waysOf(gate, sandbox)
  const browser = aBrowser()
  const asked = await browser.get(`${gate.url}/consent/new?client=viriya`)
  await again(how)
  const enedis = await browser.submit(asked, ticked(['l1']))
  await again(how)
  const callback = await accepted(browser, enedis, meter)
  await again(how)
  const moved = await browser.step(callback.href)
  expect(moved.status).toBe(303)
  await again(how)
  sandbox.delayServices(1)
  const check = new URL(moved.headers.get('location') ?? '', gate.url).href
  expect(title(await browser.get(check))).toBe('Vérification auprès d’Enedis')
  await again(how)
  const end = await browser.get(check)
  expect(title(end)).toBe('C’est fait')
  await again(how)

  const made = (await recorded(gate)).filter((p) => p.content.meter === `prm:${meter}`)
  expect(made.map((p) => [p.status, p.acts.map((act) => act.type)])).toStrictEqual([
    ['active', ['create', 'request', 'send', 'give', 'activate']],
  ])
  const done = await browser.get(check)
  expect([title(done), tokenOn(done), mainOf(done).includes(made[0]?.id ?? '?')]).toStrictEqual(['C’est fait', '', true])
  expect((await browser.step(callback.href)).status).toBe(400)
  // Six days, because this meter has holes: a day asked alone may be one of them.
  const read = `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${meter}&dateDebut=${today(-8)}&dateFin=${today(-2)}`
  expect((await fetch(gate.url + read, bearer(tokenOn(end)))).status).toBe(200)
  // Each question of the gate has its one outcome, whatever interrupted it.
  const entries = await gate.entries()
  const intents = entries.filter((e) => e.t === 'admin.intent').map((e) => e.n)
  expect(entries.filter((e) => e.t === 'admin.outcome').map((e) => Number(e['intent']))).toStrictEqual(intents)
})

test('killed while Enedis is being asked: the question is closed as interrupted, and asked anew', async () => {
  const meter = '30000000000002'
  const { browser: aBrowser, toEnedis, accepted } = waysOf(gate, sandbox)
  const browser = aBrowser()
  const callback = await accepted(browser, await toEnedis(browser, ['l1']), meter)
  const moved = await browser.step(callback.href)
  const check = new URL(moved.headers.get('location') ?? '', gate.url).href
  const asked = sandbox.calls().length
  sandbox.misbehave({ meter: 'services', kind: 'hang' })
  const lost = browser.step(check).catch((error: unknown) => error)
  await expect.poll(() => sandbox.calls().length, { interval: 20, timeout: 5000 }).toBeGreaterThan(asked)
  await again('kill')
  expect(await lost).toBeInstanceOf(Error)
  const closed = (await gate.entries()).findLast((e) => e.t === 'admin.outcome')
  expect(closed).toMatchObject({ result: 'interrupted' })
  expect((await recorded(gate)).some((p) => p.content.meter === `prm:${meter}`)).toBe(false)
  expect(title(await browser.get(check))).toBe('C’est fait')
})
