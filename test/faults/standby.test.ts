/** A primary that is lost and its standby that takes its place: what was acknowledged, and what was not, at each moment. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import type { FaultProxy } from '../harness/fault-proxy.ts'
import { faultProxy } from '../harness/fault-proxy.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, curve } from '../harness/gate.ts'
import { fakeHolder } from '../harness/holder.ts'
import type { PostgresPair, Replication } from '../harness/postgres-pair.ts'
import { postgresPair } from '../harness/postgres-pair.ts'
import { postgresTree } from '../harness/postgres.ts'
import { until } from '../harness/redis-gates.ts'
import { METER, secretsOf, today } from '../harness/settings.ts'

interface Field {
  readonly pair: PostgresPair
  /** Between the gate and whichever server is the primary. */
  readonly link: FaultProxy
  readonly gate: GateProcess
  readonly token: string
  /** The gate once more. */
  start(): Promise<GateProcess>
}
const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function aField(replication: Replication): Promise<Field> {
  const pair = await postgresPair(replication)
  ends.push(() => pair.close())
  const link = await faultProxy({ port: pair.primary.port })
  ends.push(() => link.close())
  const holder = await fakeHolder()
  ends.push(() => holder.close())
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-standby-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const env = secretsOf()
  async function start(): Promise<GateProcess> {
    const gate = await aGateProcess({
      holder,
      folder,
      env,
      change(tree) {
        tree['storage'] = { postgres: { ...postgresTree(link.port, 'gates'), statement_timeout_ms: 1000 } }
      },
    })
    ends.push(() => ((gate.child.exitCode ?? gate.child.signalCode) === null ? gate.kill() : undefined))
    return gate
  }
  const gate = await start()
  await gate.permit({ id: 'p1' })
  return { pair, link, gate, token: await gate.token(), start }
}
const ask = async ({ gate, token }: Field): Promise<number> => {
  const answer = await fetch(gate.url + curve(METER, today(-20), today(-18)), { ...bearer(token), signal: AbortSignal.timeout(20_000) })
  await answer.text()
  return answer.status
}
const statusOf = ({ pair }: Field): string => pair.primary.sql("SELECT status FROM gates.permission WHERE id = 'p1'")
/** The withdrawal of `p1`, and what was told of it by now. */
function withdrawn({ gate }: Field): { readonly told: () => string; readonly done: Promise<void> } {
  let told = 'nothing'
  const done = gate.command('permission withdraw', { permission: 'p1' }).then(
    () => void (told = 'done'),
    (error: unknown) => void (told = String(error)),
  )
  return { told: () => told, done }
}

test(
  'a withdrawal of which the synchronous standby has not heard is not confirmed, however often it is asked',
  { timeout: 60_000 },
  async () => {
    const field = await aField('synchronous')
    const { pair, link } = field
    expect(await ask(field)).toBe(200)
    // Else the commit that waits would be one that seals.
    await field.gate.command('audit drain', {})
    pair.stream.set({ halfOpen: true })
    // Longer than a statement may take, and than the gate needs to connect again: by then it could see its own commit there.
    const end = Date.now() + 12_000
    while (Date.now() < end) {
      const withdrawal = withdrawn(field)
      await withdrawal.done
      expect(withdrawal.told()).toMatch(/too many calls wait|cannot be reached/)
      await sleep(200)
    }
    expect(statusOf(field)).toBe('ended')
    const before = pair.primary
    ends.push(() => before.close())
    await before.kill()
    pair.promote()
    expect(statusOf(field)).toBe('active')
    link.retarget(pair.primary.port)
    // The first one was never given up.
    await until(() => statusOf(field) === 'ended')
    expect(await ask(field)).toBe(403)
    expect(await field.gate.stop()).toBe(0)
  },
)

test('a commit that only the lost primary knew is not taken for another one of the same number', { timeout: 60_000 }, async () => {
  const field = await aField('synchronous')
  const { pair, link } = field
  pair.stream.set({ halfOpen: true })
  const withdrawal = withdrawn(field)
  await sleep(500)
  await link.arrivals('refuse')
  const before = pair.primary
  ends.push(() => before.close())
  await before.kill()
  pair.promote()
  // The new primary counts on from what it had heard: these are the numbers of transactions that were lost.
  for (let i = 0; i < 30; i += 1) pair.primary.sql('SELECT pg_current_xact_id()')
  expect(withdrawal.told()).toBe('nothing')
  link.retarget(pair.primary.port)
  await link.arrivals('forward')
  await withdrawal.done
  expect(withdrawal.told()).toBe('done')
  expect(statusOf(field)).toBe('ended')
  expect(await ask(field)).toBe(403)
  expect(await field.gate.stop()).toBe(0)
})

test(
  'what an asynchronous standby has not heard is lost with the primary; what was shown of a log is not signed twice',
  { timeout: 60_000 },
  async () => {
    const field = await aField('asynchronous')
    const { pair, link, gate } = field
    expect(await ask(field)).toBe(200)
    await gate.command('audit drain', {})
    pair.stream.set({ halfOpen: true })
    const withdrawal = withdrawn(field)
    await withdrawal.done
    expect(withdrawal.told()).toBe('done')
    // The checkpoint with the withdrawal in it is shown.
    await gate.command('audit drain', {})
    const before = pair.primary
    ends.push(() => before.close())
    const ended = once(gate.child, 'exit')
    await before.kill()
    pair.promote()
    link.retarget(pair.primary.port)
    expect(statusOf(field)).toBe('active')
    expect(await ended).toStrictEqual([1, null])
    expect(gate.output()).toMatch(
      /^ecluse: the gate stops, .*the log gate\.test\.localhost\/journal\/(\d+) was shown with \d+ entries and PostgreSQL does not know them all/m,
    )

    const again = await field.start()
    expect(await ask({ ...field, gate: again })).toBe(200)
    const opened = (await again.entries()).filter(({ t }) => t === 'log.opened')
    expect(opened.at(-1)).toMatchObject({ logs: [{ origin: expect.stringMatching(/\/\d{4}$/) as string, closed: true }] })
    expect(await again.stop()).toBe(0)
    // That of before stays what it was, with the withdrawal that the database has forgotten.
    expect(await verifyPlace(gate.state)).toMatchObject({ ok: true, logs: [{}, { openIntents: 0 }] })
  },
)
