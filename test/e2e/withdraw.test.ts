/**
 * A withdrawal is final at once: from the moment at which it returns no read starts under what it ended, and those under
 * way are cut. The same for every other way in which a right to read ends.
 */
import type { Socket } from 'node:net'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { Entry, TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import type { Script } from '../harness/holder.ts'
import { fakeHolder, measure2026, ordinary } from '../harness/holder.ts'
import type { Tree } from '../harness/settings.ts'
import { METER, today } from '../harness/settings.ts'
import { wire } from '../harness/wire.ts'

const CLIENTS_AT_ONCE = 24

/** A way in which the right to read ends. */
interface Way {
  readonly name: string
  /** Ends it; what the log says of it when it is done. */
  readonly end: (it: Given) => Promise<unknown>
  readonly entry: (entry: Entry, it: Given) => boolean
  /** What a client is told from then on. */
  readonly told: { readonly status: number; readonly reason: string }
  /** Also ends by itself, some seconds after the permission was given. */
  readonly lasts?: number
}
interface Given {
  readonly gate: TestGate
  readonly permission: string
  readonly meter: string
  readonly token: string
}

const byId =
  (type: string) =>
  (entry: Entry, { permission }: Given) =>
    entry.t === `consent.${type}` && permission !== ''

const WAYS: readonly Way[] = [
  {
    name: 'permission withdraw',
    end: ({ gate, permission }) => gate.command('permission withdraw', { permission }),
    entry: byId('withdrawn_by_subject'),
    told: { status: 403, reason: 'withdrawn' },
  },
  {
    name: 'permission withdraw --act holder_changed',
    end: ({ gate, permission }) => gate.command('permission withdraw', { permission, type: 'holder_changed' }),
    entry: byId('holder_changed'),
    told: { status: 403, reason: 'holder_changed' },
  },
  {
    name: 'token revoke',
    end: ({ gate, token }) => gate.command('token revoke', { token }),
    entry: (e) => e.t === 'admin.token' && e['change'] === 'revoked',
    told: { status: 401, reason: 'token_invalid' },
  },
  {
    name: 'client rotate',
    end: ({ gate }) => gate.command('client rotate', { client: 'viriya' }),
    entry: (e) => e.t === 'admin.credential' && e['change'] === 'rotated',
    told: { status: 401, reason: 'token_invalid' },
  },
  {
    name: 'a reload of settings without the client',
    end: ({ gate }) => reloadWith(gate, (tree) => (tree['clients'] = (tree['clients'] as Tree[]).filter((c) => c['id'] !== 'viriya'))),
    entry: (e) => e.t === 'admin.client' && e['change'] === 'gone',
    told: { status: 401, reason: 'client_disabled' },
  },
  {
    name: 'subject restrict',
    end: ({ gate, meter }) => gate.command('subject restrict', { meter }),
    entry: byId('suspend'),
    told: { status: 503, reason: 'suspended' },
  },
  {
    name: 'subject erase',
    end: ({ gate, meter }) => gate.command('subject erase', { meter }),
    entry: byId('withdrawn_by_subject'),
    told: { status: 403, reason: 'no_permission' },
  },
  {
    name: 'the end of its validity',
    lasts: 2500,
    end: async ({ gate, permission }) => {
      const { validUntil } = await gate.command<{ validUntil: string }>('permission show', { permission })
      await sleep(Date.parse(validUntil) - Date.now() + 20)
    },
    entry: byId('expired'),
    told: { status: 403, reason: 'expired' },
  },
]

async function reloadWith(gate: TestGate, change: (tree: Tree) => unknown): Promise<void> {
  const tree = parse(readFileSync(gate.config, 'utf8')) as Tree
  change(tree)
  writeFileSync(gate.config, stringify(tree))
  expect(await gate.gate.reload()).toStrictEqual([])
}

async function given(way: Way): Promise<Given> {
  const gate = await aGate()
  await gate.command('client add', { client: 'viriya' })
  const token = await gate.token()
  const validUntil = way.lasts === undefined ? undefined : new Date(Date.now() + way.lasts).toISOString()
  await gate.permit({ id: 'p1', ...(validUntil !== undefined && { validUntil }) })
  return { gate, permission: 'p1', meter: METER, token }
}

const CURVE = curve(METER, today(-20), today(-18))

describe.each(WAYS)('$name', (way) => {
  test(`under ${CLIENTS_AT_ONCE} clients: what is under way is cut within a second, and no intent follows`, async () => {
    const it = await given(way)
    const { gate, token } = it
    gate.holder.script = (request, socket) => (gate.holder.calls.length === 1 ? dripping : ordinary)(request, socket)
    const underWay = fetch(gate.url + CURVE, bearer(token))
    await until(() => gate.holder.calls.length === 1)
    const cut = Promise.withResolvers<void>()
    dripped.at(-1)?.once('close', () => cut.resolve())

    const answers: { readonly status: number; readonly reason: string | null; readonly asked: number }[] = []
    let returned = Infinity
    const after = () => answers.filter((a) => a.asked > returned)
    const load = Array.from({ length: CLIENTS_AT_ONCE }, async () => {
      while (after().length < 2 * CLIENTS_AT_ONCE) {
        const asked = performance.now()
        const answer = await fetch(gate.url + CURVE, bearer(token))
        await answer.text().catch(() => undefined)
        answers.push({ status: answer.status, reason: answer.headers.get('ecluse-reason'), asked })
      }
    })
    await until(() => answers.length > 3 * CLIENTS_AT_ONCE)
    await way.end(it)
    returned = performance.now()
    const answer = await underWay
    await cut.promise
    expect(performance.now() - returned).toBeLessThan(1000)
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([way.told.status, way.told.reason])
    await Promise.all(load)
    for (const { status, reason } of after()) expect({ status, reason }).toStrictEqual(way.told)
    expect(answers.filter((a) => a.status === 200).length).toBeGreaterThan(CLIENTS_AT_ONCE)

    // By the clock the act comes a little after the end; no intent bears a later time than the end all the same.
    if (way.lasts !== undefined) await until(async () => (await actOf(it)) === 'ended', 10_000)
    const entries = await gate.entries()
    const act = entries.find((e) => way.entry(e, it))
    expect(act, 'the act is on record').toBeDefined()
    const intents = entries.filter((e) => e.t === 'access.intent')
    expect(intents.filter((e) => e.n > (act?.n ?? 0))).toStrictEqual([])
    if (way.lasts !== undefined) {
      const { validUntil } = await gate.command<{ validUntil: string }>('permission show', { permission: 'p1' })
      expect(intents.filter((e) => Date.parse(e.at) >= Date.parse(validUntil))).toStrictEqual([])
    }
    const outcomes = entries.filter((e) => e.t === 'access.outcome')
    const inOrder = (numbers: readonly unknown[]): readonly number[] => numbers.map(Number).toSorted((x, y) => x - y)
    expect(inOrder(outcomes.map((e) => e['intent'])), 'each intent has one outcome').toStrictEqual(inOrder(intents.map((e) => e.n)))
    expect(outcomes.find((e) => e['intent'] === intents[0]?.n)).toMatchObject({ result: 'withdrawn' })
    // Some were cut between their intent and their first byte: those the holder never saw.
    expect(gate.holder.calls.length).toBeLessThanOrEqual(intents.length)
    await gate.stop()
  })
})

async function actOf({ gate, permission }: Given): Promise<string> {
  return (await gate.command<{ status: string }>('permission show', { permission })).status
}

describe('an answer that has begun', () => {
  test.each(['permission withdraw', 'token revoke', 'subject erase'])('never looks whole after %s', async (command) => {
    const gate = await aGate()
    const token = await gate.token()
    await gate.permit({ id: 'p1' })
    // Sixty days in nine calls: the fifth is reached when some has been sent.
    gate.holder.script = (request, socket) => (gate.holder.calls.length < 5 ? ordinary(request, socket) : dripping(request, socket))
    const client = await wire(gate.port)
    client.send(`GET ${curve(METER, today(-70), today(-10))} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await until(() => gate.holder.calls.length === 5 && client.rest().length > 65_536)
    await gate.command(
      command,
      command === 'token revoke' ? { token } : command === 'subject erase' ? { meter: METER } : { permission: 'p1' },
    )
    await client.closed(1000)
    const got = client.rest()
    expect(got).toMatch(/^HTTP\/1\.1 200 /)
    expect(got, 'the last chunk is missing').not.toContain('\r\n0\r\n\r\n')
    expect(gate.holder.calls, 'no further part is called').toHaveLength(5)
    const outcomes = (await gate.entries()).filter((e) => e.t === 'access.outcome').map((e) => e['result'])
    expect(outcomes).toStrictEqual(['delivered', 'delivered', 'delivered', 'delivered', 'withdrawn'])
    await gate.stop()
  })
})

describe('between two parts', () => {
  let gate: TestGate
  let token: string
  beforeAll(async () => {
    gate = await aGate({
      change: (tree) => {
        const account = ((tree['providers'] as Tree)['enedis-data-connect'] as { accounts: Tree[] }).accounts[0]
        // The second part waits a second for its turn.
        if (account) account['quota'] = { per_second: 1, per_hour: 1000 }
      },
    })
    token = await gate.token()
  })
  afterAll(() => gate.stop())

  test('no further part is called after a withdrawal, and the client is told why', async () => {
    await gate.permit({ id: 'p1' })
    const asked = fetch(gate.url + curve(METER, today(-20), today(-6)), bearer(token))
    await until(async () => (await gate.entries()).some((e) => e.t === 'access.outcome'))
    const act = await gate.command<{ entry: string }>('permission withdraw', { permission: 'p1' })
    const answer = await asked
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([403, 'withdrawn'])
    expect(gate.holder.calls).toHaveLength(1)
    const n = Number(act.entry.split('/').at(-1))
    expect((await gate.entries()).filter((e) => e.t === 'access.intent' && e.n > n)).toStrictEqual([])
  })

  test.each(['P1D', 'once'])(
    'an act that changes nothing leaves the rest of a line read %s to the request that began it',
    async (recurrence) => {
      const meter = recurrence === 'P1D' ? '10000000000021' : '10000000000022'
      const [from, end] = [today(-20), today(-6)]
      const line = { kind: 'load_curve', direction: 'withdrawal', finest: 'PT30M', purpose: 'self_view', from, until: end, recurrence }
      await gate.permit({ id: `own-${recurrence}`, meter, lines: [line] })
      const before = (await gate.entries()).length
      const called = gate.holder.calls.length
      const asked = fetch(gate.url + curve(meter, from, end), bearer(token))
      await until(async () => (await gate.entries()).some((e) => e.n >= before && e.t === 'access.outcome'))
      await gate.permit({
        id: `other-${recurrence}`,
        meter,
        lines: [{ ...line, kind: 'daily_energy', finest: 'P1D', recurrence: 'on_demand' }],
      })
      const answer = await asked
      expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([200, null])
      const text = await answer.text()
      // A day of the first part, and one of the second.
      expect([today(-19), today(-7)].map((day) => text.includes(day))).toStrictEqual([true, true])
      expect(gate.holder.calls.length - called).toBe(2)
      // To another request it is spent.
      const again = await fetch(gate.url + curve(meter, from, end), bearer(token))
      await again.text()
      expect(again.status).toBe(recurrence === 'P1D' ? 429 : 403)
    },
  )
})

describe('what was decided on an older state', () => {
  let gate: TestGate
  let token: string
  beforeAll(async () => {
    gate = await aGate()
    token = await gate.token()
  })
  afterAll(() => gate.stop())
  const ask = async (meter: string): Promise<readonly [number, string | null]> => {
    const answer = await fetch(gate.url + curve(meter, today(-20), today(-18)), bearer(token))
    await answer.text()
    return [answer.status, answer.headers.get('ecluse-reason')]
  }

  test('a grant counts from the next request on, and so do its withdrawal and another grant', async () => {
    const meter = '10000000000011'
    for (const round of [1, 2, 3]) {
      expect(await ask(meter)).toStrictEqual([403, round === 1 ? 'no_permission' : 'withdrawn'])
      await gate.permit({ id: `again-${round}`, meter })
      expect(await ask(meter)).toStrictEqual([200, null])
      await gate.command('permission withdraw', { permission: `again-${round}` })
    }
    expect(await ask(meter)).toStrictEqual([403, 'withdrawn'])
  })

  test('a client that is disabled and enabled again is served again at once', async () => {
    const meter = '10000000000012'
    await gate.permit({ id: 'toggle', meter })
    const toggle = (disabled: boolean) =>
      reloadWith(gate, (tree) => {
        for (const client of tree['clients'] as Tree[]) if (client['id'] === 'viriya') client['disabled'] = disabled
      })
    for (const _round of [1, 2]) {
      expect(await ask(meter)).toStrictEqual([200, null])
      await toggle(true)
      expect(await ask(meter)).toStrictEqual([401, 'client_disabled'])
      await toggle(false)
    }
    expect(await ask(meter)).toStrictEqual([200, null])
  })

  test('a token of the purpose that the client had before is refused by name', async () => {
    const meter = '10000000000013'
    await gate.permit({ id: 'purpose', meter, client: 'office' })
    const old = await gate.token('office')
    const answer = (): Promise<Response> => fetch(gate.url + curve(meter, today(-20), today(-18)), bearer(old))
    expect((await answer()).status).toBe(200)
    await reloadWith(gate, (tree) => {
      for (const client of tree['clients'] as Tree[]) if (client['id'] === 'office') client['purpose'] = 'self_view'
    })
    const refused = await answer()
    expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([403, 'purpose_mismatch'])
  })

  test('a token for some permissions opens these and no others', async () => {
    const meters = ['10000000000014', '10000000000015'] as const
    await gate.permit({ id: 'set-1', meter: meters[0] }, { id: 'set-2', meter: meters[1] })
    const limited = await gate.token('viriya', ['set-1'])
    const statuses = await Promise.all(
      meters.map(async (meter) => {
        const answer = await fetch(gate.url + curve(meter, today(-20), today(-18)), bearer(limited))
        return [answer.status, answer.headers.get('ecluse-reason')]
      }),
    )
    expect(statuses).toStrictEqual([
      [200, null],
      [403, 'meter_not_covered'],
    ])
  })
})

describe('recurrence', () => {
  let gate: TestGate
  let token: string
  beforeAll(async () => {
    gate = await aGate()
    token = await gate.token()
  })
  afterAll(() => gate.stop())
  const from = today(-20)
  const until = today(-18)
  const line = (recurrence: string, more: Tree = {}): Tree => ({
    kind: 'load_curve',
    direction: 'withdrawal',
    finest: 'PT30M',
    purpose: 'self_view',
    from,
    until,
    recurrence,
    ...more,
  })
  const ask = async (meter: string, first = from, end = until): Promise<readonly [number, string | null]> => {
    const answer = await fetch(gate.url + curve(meter, first, end), bearer(token))
    await answer.text()
    return [answer.status, answer.headers.get('ecluse-reason')]
  }

  test.each([
    // The one call that is still open may fail: until it is done, «once» may be free again.
    ['P1D', [[429, 'too_often']]],
    ['P1M', [[429, 'too_often']]],
    [
      'once',
      [
        [403, 'not_active'],
        [429, 'too_often'],
      ],
    ],
  ] as const)('of a line read %s, eight at once get it once', async (recurrence, refusals) => {
    for (let round = 0; round < 6; round += 1) {
      const meter = `2000000${recurrence.length}000${String(round).padStart(3, '0')}`
      await gate.permit({ id: `${recurrence}-${round}`, meter, lines: [line(recurrence)] })
      const before = gate.holder.calls.length
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask(meter)))
      expect(answers.filter(([status]) => status === 200)).toHaveLength(1)
      for (const answer of answers.filter(([status]) => status !== 200)) expect(refusals).toContainEqual(answer)
      expect(gate.holder.calls.length - before, 'one call').toBe(1)
    }
  })

  test('requests of several calls at once, for other days of a line read every day, are each served whole', async () => {
    const meter = '20000000000111'
    await gate.permit({ id: 'daily-parts', meter, lines: [{ ...line('P1D'), from: today(-80), until: today(0) }] })
    const windows = [-75, -60, -45, -30].map((day) => [today(day), today(day + 15)] as const)
    const answers = await Promise.all(windows.map(([first, end]) => ask(meter, first, end)))
    expect(answers).toStrictEqual(windows.map(() => [200, null]))
    expect(await ask(meter, ...windows[0]!)).toStrictEqual([429, 'too_often'])
  })

  test('what was to be read once and has been ends by an act, and is told as before', async () => {
    const meter = '20000000000101'
    await gate.permit({ id: 'fulfilled-1', meter, lines: [line('once')] })
    const state = () => gate.command<{ status: string; endReason: string | null }>('permission show', { permission: 'fulfilled-1' })
    expect(await ask(meter, from, today(-19))).toStrictEqual([200, null])
    expect(await state()).toMatchObject({ status: 'active' })
    expect(await ask(meter)).toStrictEqual([200, null])
    expect(await state()).toMatchObject({ status: 'ended', endReason: 'fulfilled' })
    expect(await ask(meter)).toStrictEqual([403, 'not_active'])
    const { acts } = await gate.command<{ acts: readonly { entry: string }[] }>('permission show', { permission: 'fulfilled-1' })
    const entry = Number(acts.at(-1)?.entry.split('/').at(-1))
    expect((await gate.entries())[entry]).toMatchObject({ t: 'consent.fulfilled', status: 'ended', client: 'viriya' })
  })

  test('a request over several permissions is served whole, though the first of them is fulfilled by it', async () => {
    const meter = '20000000000102'
    const middle = today(-30)
    await gate.permit(
      { id: 'chain-1', meter, lines: [line('once', { from: today(-44), until: middle })] },
      { id: 'chain-2', meter, lines: [line('on_demand', { from: middle, until: today(-20) })] },
    )
    const answer = await fetch(gate.url + curve(meter, today(-44), today(-20)), bearer(token))
    expect(answer.status).toBe(200)
    const body = (await answer.json()) as { grandeur: { points: unknown[] }[] }
    expect(body.grandeur[0]?.points.length).toBeGreaterThan(23 * 48)
    expect(await gate.command('permission show', { permission: 'chain-1' })).toMatchObject({ endReason: 'fulfilled' })
    expect(await gate.command('permission show', { permission: 'chain-2' })).toMatchObject({ status: 'active' })
  })

  test('a call that failed used nothing up', async () => {
    const meter = '20000000000103'
    await gate.permit({ id: 'failed-1', meter, lines: [line('once')] })
    gate.holder.script = (_request, socket) => socket.destroy()
    expect((await ask(meter))[0]).toBe(503)
    gate.holder.script = ordinary
    expect(await ask(meter)).toStrictEqual([200, null])
  })
})

test('a gate whose settings have lost a client while it was stopped starts, and refuses that client', async () => {
  const holder = await fakeHolder()
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-lost-'))
  const first = await aGate({ holder, folder })
  const token = await first.token('office')
  await first.stop()
  const again = await aGate({
    folder,
    env: first.env,
    holder,
    change: (tree) => (tree['clients'] = (tree['clients'] as Tree[]).filter((c) => c['id'] !== 'office')),
  })
  const answer = await fetch(again.url + CURVE, bearer(token))
  expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([401, 'client_disabled'])
  for (const command of ['client add', 'client rotate', 'token issue'])
    await expect(again.command(command, { client: 'office' }), command).rejects.toThrow('the settings declare no client office')
  await again.stop()
  await holder.close()
  rmSync(folder, { recursive: true, force: true })
})

const dripped: Socket[] = []
/** The head and a few readings, and then one byte of space now and then, without end. */
const dripping: Script = ({ target }, socket) => {
  const url = new URL(target, 'http://holder.invalid')
  const at = (name: string): string => url.searchParams.get(name) ?? ''
  const whole = measure2026(url.pathname.split('/').at(-1) ?? '', at('pointId'), at('dateDebut'), at('dateFin'))
  const some = whole.slice(0, whole.lastIndexOf('},{'))
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${whole.length + 100_000}\r\n\r\n${some}`)
  dripped.push(socket)
  const drip = setInterval(() => void socket.write(' '), 50)
  socket.once('close', () => clearInterval(drip))
}

async function until(done: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error('what the test waits for did not come')
    await sleep(5)
  }
}
