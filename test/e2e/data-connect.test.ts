/** Requests that take several calls, translations, and what the holder's own refusals become, through a whole gate. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Entry, TestGate } from '../harness/gate.ts'
import { aGate, bearer, curve } from '../harness/gate.ts'
import type { Script } from '../harness/holder.ts'
import { answer, ordinary } from '../harness/holder.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'
import { halfHours } from '../unit/data-connect/given.ts'

const THIRD = '10000000000003'
let gate: TestGate
let viriya: string
let office: string
let domoticz: string
beforeAll(async () => {
  gate = await aGate({
    change(tree) {
      ;(tree['rules'] as Record<string, unknown>[]).unshift({
        id: 'few',
        purpose: 'home_automation',
        kind: 'max_power',
        provider: '*',
        calls_per_hour: 2,
      })
    },
  })
  const lines = (purpose: string): Record<string, unknown>[] => [
    { kind: 'load_curve', direction: 'withdrawal', finest: 'PT30M', purpose, from: today(-90), until: today(90) },
    { kind: 'max_power', direction: 'withdrawal', finest: 'P1D', purpose, from: today(-90), until: today(90) },
    { kind: 'contract_data', direction: 'n_a', purpose },
  ]
  await gate.permit(
    { id: 'viriya-1', lines: lines('self_view') },
    { id: 'office-1', client: 'office', lines: lines('solar_sizing') },
    { id: 'domoticz-1', client: 'domoticz', lines: lines('home_automation') },
    // Two permissions with a hole between them.
    { id: 'viriya-2a', meter: THIRD, from: today(-40), until: today(-30) },
    { id: 'viriya-2b', meter: THIRD, from: today(-25), until: today(-20) },
  )
  ;[viriya, office, domoticz] = await Promise.all([gate.token(), gate.token('office'), gate.token('domoticz')])
})
afterAll(() => gate.stop())
afterEach(() => {
  gate.holder.script = ordinary
  gate.holder.calls.length = 0
})

async function ask(path: string, token = viriya): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const response = await fetch(gate.url + path, bearer(token))
  return { status: response.status, headers: response.headers, text: await response.text() }
}
/** Intents and outcomes of the request whose answer names this entry. */
async function story(headers: Headers): Promise<readonly Entry[]> {
  const entries = await gate.entries()
  const first = entries[Number(headers.get('audit-entry')?.split('/').at(-1))]
  return entries.filter((e) => e['req'] === first?.['req'])
}
const periods = (): string[] => gate.holder.calls.map(({ target }) => /dateDebut=(.*)&dateFin=(.*)$/.exec(target)!.slice(1).join('/'))
const stamps = (text: string): string[] => [...text.matchAll(/"(?:d|date)":"([^"]+)"/g)].map((m) => m[1]!)
/** Half-hours from one day to another, as Paris stamps them. */
const half = (from: number, until: number): string[] => Array.from({ length: until - from }, (_, i) => halfHours(today(from + i))).flat()
/** Answers the nth call (from 0) so, and every other as usual. */
const atCall =
  (n: number, script: Script): Script =>
  (request, socket) =>
    (gate.holder.calls.length - 1 === n ? script : ordinary)(request, socket)
const refusal =
  (status: number, body: object): Script =>
  (_request, socket) =>
    answer(socket, status, JSON.stringify(body))
const NO_DATA = refusal(404, { code: 'no_data_found', message: 'Pas de mesure trouvée pour ce point' })

describe('a curve of 17 days', () => {
  const path = curve(METER, today(-20), today(-3))
  test('takes three calls, each on record before it, and comes back as one', async () => {
    const { status, headers, text } = await ask(path)
    expect(status).toBe(200)
    expect(headers.get('ecluse-narrowed')).toBeNull()
    expect(periods()).toStrictEqual([`${today(-20)}/${today(-13)}`, `${today(-13)}/${today(-6)}`, `${today(-6)}/${today(-3)}`])
    const body = JSON.parse(text)
    expect(body.periode).toStrictEqual({ dateDebut: today(-20), dateFin: today(-3) })
    expect(stamps(text)).toStrictEqual(half(-20, -3))
    const told = await story(headers)
    expect(told.map((e) => [e.t, e['part'] ?? e['call'], e['result'] ?? e['sent']])).toStrictEqual([
      ['access.intent', '1/3', `${today(-20)}/${today(-13)}`],
      ['access.outcome', 1, 'delivered'],
      ['access.intent', '2/3', `${today(-13)}/${today(-6)}`],
      ['access.outcome', 2, 'delivered'],
      ['access.intent', '3/3', `${today(-6)}/${today(-3)}`],
      ['access.outcome', 3, 'delivered'],
    ])
    const bytes = told.filter((e) => e.t === 'access.outcome').map((e) => Number(e['bytes']))
    expect(bytes.reduce((a, b) => a + b)).toBe(Buffer.byteLength(text))
    expect(told.filter((e) => e.t === 'access.outcome').map((e) => e['status'])).toStrictEqual([200, 200, 200])
  })

  test.each([0, 1, 2])('a part without data is an empty part (call %i)', async (n) => {
    gate.holder.script = atCall(n, NO_DATA)
    const { status, text, headers } = await ask(path)
    expect(status).toBe(200)
    expect(() => JSON.parse(text)).not.toThrow()
    const parts = [half(-20, -13), half(-13, -6), half(-6, -3)]
    expect(stamps(text)).toStrictEqual(parts.toSpliced(n, 1).flat())
    expect((await story(headers)).map((e) => e['result'])[n * 2 + 1]).toBe('no_data')
  })

  test('before activation moves the start', async () => {
    gate.holder.script = atCall(0, refusal(400, { error: 'ADAM-ERR0123', error_description: 'The requested period cannot be anterior …' }))
    const { status, text } = await ask(path)
    expect(status).toBe(200)
    expect(stamps(text)[0]).toBe(`${today(-13)} 00:30:00`)
  })

  test('no data in any part is no data', async () => {
    gate.holder.script = NO_DATA
    const { status, text, headers } = await ask(path)
    expect(status).toBe(404)
    expect(JSON.parse(text)).toMatchObject({ code: 'no_data_found', reason: 'no_data', refused_by: 'holder' })
    const outcomes = (await story(headers)).filter((e) => e.t === 'access.outcome')
    expect(outcomes.map((e) => [e['result'], e['status']])).toStrictEqual([
      ['no_data', null],
      ['no_data', null],
      ['no_data', 404],
    ])
  })

  test('anything else ends it: no further part is called, and what was read is not passed off as whole', async () => {
    gate.holder.script = atCall(1, refusal(500, { code: 'STM-ERR-0000001', message: 'Problème technique' }))
    const { status, headers } = await ask(path)
    expect(status).toBe(503)
    expect(headers.get('ecluse-reason')).toBe('holder_down')
    expect(gate.holder.calls).toHaveLength(2)
    const outcomes = (await story(headers)).filter((e) => e.t === 'access.outcome')
    expect(outcomes.map((e) => [e['result'], e['status'], e['code'] ?? null])).toStrictEqual([
      ['delivered', 200, null],
      ['upstream_error', 503, 'STM-ERR-0000001'],
    ])
  })

  test('once bytes have gone out, the connection is cut', async () => {
    // 90 days are 13 calls and 4,320 points: far more than is held back.
    gate.holder.script = atCall(12, refusal(500, { code: 'STM-ERR-0000001', message: 'Problème technique' }))
    await expect(ask(curve(METER, today(-90), today(0)))).rejects.toThrow('terminated')
    const last = (await gate.entries()).filter((e) => e.t === 'access.outcome').at(-1)
    expect(last).toMatchObject({ result: 'upstream_error', status: null })
  })
})

test('days in a hole between two permissions are never asked for', async () => {
  const { status, headers, text } = await ask(curve(THIRD, today(-40), today(-20)))
  expect(status).toBe(200)
  expect(headers.get('ecluse-narrowed')).toBe(`${today(-40)}/${today(-30)}, ${today(-25)}/${today(-20)}`)
  expect(periods()).toStrictEqual([`${today(-40)}/${today(-33)}`, `${today(-33)}/${today(-30)}`, `${today(-25)}/${today(-20)}`])
  expect(stamps(text)).toStrictEqual([...half(-40, -30), ...half(-25, -20)])
})

test('the daily energy of a permitted curve is the holder’s own coarser call', async () => {
  const { status, text } = await ask(`/metering_data_dc/v5/daily_consumption?usage_point_id=${METER}&start=${today(-4)}&end=${today(-2)}`)
  expect(status).toBe(200)
  expect(JSON.parse(text).meter_reading.interval_reading).toStrictEqual([
    { value: '9600', date: today(-4) },
    { value: '9600', date: today(-3) },
  ])
  expect(gate.holder.calls[0]?.target).toMatch(/^\/mesure_synchrone_auto\/v2\/consommation_quotidienne\?/)
})

describe('what a client cannot be told in its generation', () => {
  test.each(['/subscribed_services/v1', `/alimentation_auto/v1/${METER}`, '/oauth2/v3/revoke', '/v4/metering_data/contracts'])(
    'the path %s is not served',
    async (path) => {
      const { status, headers } = await ask(path)
      expect([status, headers.get('ecluse-reason')]).toStrictEqual([404, 'unknown_route'])
      expect(headers.get('audit-entry')).not.toBeNull()
      expect(gate.holder.calls).toHaveLength(0)
    },
  )
})

describe('the holder’s own refusal', () => {
  const path = curve(METER, today(-4), today(-3))
  test.each([
    ['about the consent', 403, 'ADAM-DC-0008', 503, 503, 'holder_refused'],
    ['about the holder', 403, 'ADAM-DC-0007', 503, 503, 'holder_refused'],
    ['about the days', 403, 'ADAM-DC-0009', 403, 404, 'period_refused'],
    ['no data', 404, 'no_data_found', 404, 404, null],
    ['wrong direction', 400, 'ADAM-ERR0069', 400, 404, 'bad_request'],
    ['down', 500, 'STM-ERR-0000001', 503, 503, 'holder_down'],
    ['not subscribed to that API', 403, '900908', 503, 503, 'holder_down'],
  ])('%s (%i %s) is %i, and %i for Domoticz', async (_what, status, code, enedis, home, reason) => {
    gate.holder.script = refusal(status, { code, message: 'secret text of the holder' })
    const told = await ask(path)
    expect([told.status, told.headers.get('ecluse-reason')]).toStrictEqual([enedis, reason])
    if (reason !== null) expect(JSON.parse(told.text).reason).toBe(reason)
    expect(told.text).not.toContain('secret text')
    expect((await ask(path, domoticz)).status).toBe(home)
    const outcome = (await story(told.headers)).at(-1)
    expect(outcome).toMatchObject({ t: 'access.outcome', code, status: enedis })
  })

  test('an exhausted quota holds back every further call to that API', async () => {
    gate.holder.script = (_request, socket) =>
      answer(socket, 429, JSON.stringify({ code: '900804', message: 'Message throttled out' }), { 'Retry-After': '1' })
    const first = await ask(path)
    expect([first.status, first.headers.get('retry-after')]).toStrictEqual([429, '1'])
    const second = await ask(path)
    expect([second.status, second.headers.get('ecluse-reason')]).toStrictEqual([429, 'quota_holder'])
    expect(gate.holder.calls).toHaveLength(1)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    gate.holder.script = ordinary
    expect((await ask(path)).status).toBe(200)
  })
})

test('the rule’s calls an hour hold for each client', async () => {
  const path = `/metering_data_dcmp/v5/daily_consumption_max_power?usage_point_id=${METER}&start=${today(-4)}&end=${today(-2)}`
  expect((await ask(path, domoticz)).status).toBe(200)
  expect((await ask(path, domoticz)).status).toBe(200)
  const third = await ask(path, domoticz)
  expect([third.status, third.headers.get('ecluse-reason')]).toStrictEqual([429, 'quota_gate'])
  expect((await ask(path)).status).toBe(200)
})

test('a client that refuses narrowing gets all or nothing', async () => {
  const refused = await ask(curve(METER, today(-95), today(-85)), office)
  expect([refused.status, refused.headers.get('ecluse-reason')]).toStrictEqual([403, 'period_outside'])
  expect(gate.holder.calls).toHaveLength(0)
  expect((await ask(curve(METER, today(-88), today(-85)), office)).status).toBe(200)
})

test('another client’s meter and one that nobody holds are told alike', async () => {
  await gate.permit({ id: 'office-2', client: 'office', meter: OTHER_METER })
  const [other, none] = await Promise.all([OTHER_METER, '10000000000009'].map((meter) => ask(curve(meter, today(-4), today(-3)))))
  expect(other!.text).toBe(none!.text)
  expect(other!.status).toBe(none!.status)
  const entries = await gate.entries()
  const [a, b] = [other!, none!].map(({ headers }) => entries[Number(headers.get('audit-entry')?.split('/').at(-1))]!)
  const bare = ({ n: _n, id: _id, at: _at, req: _req, _sd, dec, ...rest }: Entry): unknown => ({
    ...rest,
    sealed: (_sd as unknown[]).length,
    dec: { ...(dec as object), now: 0 },
  })
  expect(bare(a!)).toStrictEqual(bare(b!))
  expect(a).not.toHaveProperty('tags')
})

test.each([-18, -6])('readings that are all finer than granted are refused as such, in one call or in several (until %i)', async (last) => {
  const fine = await aGate()
  try {
    const line = {
      kind: 'load_curve',
      direction: 'withdrawal',
      finest: 'PT60M',
      coarser: 'none',
      purpose: 'self_view',
      recurrence: 'on_demand',
    }
    await fine.permit({ id: 'hours', lines: [{ ...line, from: today(-20), until: today(last) }] })
    const answer = await fetch(fine.url + curve(METER, today(-20), today(last)), bearer(await fine.token()))
    expect([answer.status, answer.headers.get('ecluse-reason')]).toStrictEqual([404, 'step_too_fine'])
    expect(await answer.text()).not.toContain('"400"')
  } finally {
    await fine.stop()
  }
})

describe('an act between two parts', () => {
  const path = curve(METER, today(-20), today(-3))
  test('that leaves the rest granted lets it go on', async () => {
    gate.holder.script = (request, socket) => {
      if (gate.holder.calls.length !== 1) return ordinary(request, socket)
      void gate.permit({ id: 'viriya-later', from: today(100), until: today(120) }).then(() => ordinary(request, socket))
    }
    const { status, text } = await ask(path)
    expect(status).toBe(200)
    expect(stamps(text)).toStrictEqual(half(-20, -3))
  })

  test('that ends the permission lets no further part be called', async () => {
    await gate.command('permission withdraw', { permission: 'viriya-later' })
    let withdrawn = Promise.resolve()
    gate.holder.script = (request, socket) => {
      ordinary(request, socket)
      if (gate.holder.calls.length === 1) withdrawn = gate.command('permission withdraw', { permission: 'viriya-1' })
    }
    const answered = await ask(path).catch(() => undefined)
    await withdrawn
    expect(gate.holder.calls.length).toBeLessThan(3)
    // Cut, or told; never whole.
    if (answered) expect([answered.status, answered.headers.get('ecluse-reason')]).toStrictEqual([403, 'withdrawn'])
    const act = (await gate.entries()).findLast((e) => e.t === 'consent.withdrawn_by_subject')
    expect((await gate.entries()).filter((e) => e.t === 'access.intent' && e.n > act!.n)).toStrictEqual([])
  })
})
