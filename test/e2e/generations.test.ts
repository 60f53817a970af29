/**
 * A client of one generation, a data holder of the other, and a year with both nights in which the clock changes: value
 * for value what the holder itself would have answered in the client's own generation.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { TestGate } from '../harness/gate.ts'
import { aGate, bearer } from '../harness/gate.ts'
import { today } from '../harness/settings.ts'
import { halfHours } from '../unit/data-connect/given.ts'

type Generation = 'v5' | '2026'
/** Consumes and produces; the second one's step changes within the day. */
const BOTH = '10000000000009'
const CHANGING = '10000000000004'
const FROM = today(-370)
const UNTIL = today(-3)
const FAST = { perSecond: 100_000, perHour: 1_000_000 }

const SERIES = {
  consumption_curve: ['/metering_data_clc/v5/consumption_load_curve', '/mesure_synchrone_auto/v2/courbe_de_charge_consommation'],
  production_curve: ['/metering_data_plc/v5/production_load_curve', '/mesure_synchrone_auto/v2/courbe_de_charge_production'],
  daily_consumption: ['/metering_data_dc/v5/daily_consumption', '/mesure_synchrone_auto/v2/consommation_quotidienne'],
  daily_production: ['/metering_data_dp/v5/daily_production', '/mesure_synchrone_auto/v2/production_quotidienne'],
  daily_max_power: ['/metering_data_dcmp/v5/daily_consumption_max_power', '/mesure_synchrone_auto/v2/puissance_conso_max_quotidienne'],
} as const
type Series = keyof typeof SERIES
const CURVES: readonly Series[] = ['consumption_curve', 'production_curve']

let sandbox: Sandbox
let holderToken: string
const gates = {} as Record<Generation, { readonly gate: TestGate; readonly token: string }>

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    quotas: { v5: FAST, '2026': FAST },
    credentials: [{ clientId: 'application', secret: 'holder-client-secret-canary' }],
  })
  const issued = await fetch(`${sandbox.url}/oauth2/v3/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'application', client_secret: 'holder-client-secret-canary' }),
  })
  holderToken = ((await issued.json()) as { access_token: string }).access_token
  for (const generation of ['v5', '2026'] as const) {
    const gate = await aGate({
      holderUrl: sandbox.url,
      change(tree) {
        const holder = (tree['providers'] as Record<string, Record<string, unknown>>)['enedis-data-connect']!
        holder['generation'] = generation
        for (const purpose of tree['purposes'] as Record<string, unknown>[]) purpose['finest'] = 'PT5M'
      },
    })
    const line = (kind: string, direction: string, finest: string): Record<string, unknown> => ({
      kind,
      direction,
      finest,
      purpose: 'self_view',
      from: today(-400),
      until: today(0),
    })
    const lines = [
      line('load_curve', 'withdrawal', 'PT5M'),
      line('load_curve', 'injection', 'PT5M'),
      line('daily_energy', 'withdrawal', 'P1D'),
      line('daily_energy', 'injection', 'P1D'),
      line('max_power', 'withdrawal', 'P1D'),
    ]
    await gate.permit({ id: 'both', meter: BOTH, lines }, { id: 'changing', meter: CHANGING, lines })
    gates[generation] = { gate, token: await gate.token() }
  }
}, 60_000)
afterAll(async () => {
  for (const { gate } of Object.values(gates)) await gate.stop()
  await sandbox.close()
})

function target(series: Series, generation: Generation, meter: string, from: string, until: string): string {
  const path = SERIES[series][generation === 'v5' ? 0 : 1]
  if (generation === 'v5') return `${path}?usage_point_id=${meter}&start=${from}&end=${until}`
  const peak = series === 'daily_max_power' ? '&mesuresPas=P1D&grandeurPhysique=PMA' : ''
  return `${path}?pointId=${meter}&dateDebut=${from}&dateFin=${until}${peak}`
}

async function json(url: string, token: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, bearer(token))
  const text = await response.text()
  expect(response.status, text.slice(0, 200)).toBe(200)
  return JSON.parse(text) as Record<string, unknown>
}

/** What the holder answers in the client's generation, call by call as it allows, as one answer. */
async function whole(series: Series, generation: Generation, meter: string): Promise<Record<string, unknown>> {
  const step = CURVES.includes(series) ? 7 : 365
  let merged: Record<string, unknown> | undefined
  for (let from = FROM; from < UNTIL;) {
    const end = Temporal.PlainDate.from(from).add({ days: step }).toString()
    const until = end < UNTIL ? end : UNTIL
    const answer = await json(sandbox.url + target(series, generation, meter, from, until), holderToken)
    if (merged) points(merged).push(...points(answer))
    else merged = answer
    from = until
  }
  const frame = (merged!['meter_reading'] ?? merged!['periode']) as Record<string, unknown>
  Object.assign(frame, generation === 'v5' ? { start: FROM, end: UNTIL } : { dateDebut: FROM, dateFin: UNTIL })
  return merged!
}
function points(answer: Record<string, unknown>): Record<string, string>[] {
  const v5 = answer['meter_reading'] as { interval_reading: Record<string, string>[] } | undefined
  return v5 ? v5.interval_reading : (answer['grandeur'] as [{ points: Record<string, string>[] }])[0].points
}

describe.each([
  ['v5', '2026'],
  ['2026', 'v5'],
  ['2026', '2026'],
  ['v5', 'v5'],
] as const)('a %s client of a holder that speaks %s', (client, holder) => {
  test.each(Object.keys(SERIES) as Series[])('reads a year of %s', async (series) => {
    const { gate, token } = gates[holder]
    const before = sandbox.calls().length
    const given = await json(gate.url + target(series, client, BOTH, FROM, UNTIL), token)
    const called = sandbox.calls().slice(before)
    expect(new Set(called.map((c) => c.generation))).toStrictEqual(new Set([holder]))
    expect(given).toStrictEqual(await whole(series, client, BOTH))
    const stamps = points(given).map((p) => p['date'] ?? p['d'])
    if (CURVES.includes(series)) {
      const days = Array.from({ length: 367 }, (_, i) => Temporal.PlainDate.from(FROM).add({ days: i }).toString())
      expect(stamps).toStrictEqual(days.flatMap((on) => halfHours(on)))
      expect(new Set(days.map((on) => halfHours(on).length))).toStrictEqual(new Set([46, 48, 50]))
    } else expect(stamps).toHaveLength(367)
  })

  test('reads a curve whose step changes within the day', async () => {
    const { gate, token } = gates[holder]
    const given = await json(gate.url + target('consumption_curve', client, CHANGING, FROM, UNTIL), token)
    expect(given).toStrictEqual(await whole('consumption_curve', client, CHANGING))
    expect(new Set(points(given).map((p) => p['interval_length'] ?? p['p'])).size).toBeGreaterThan(2)
  })
})

test('the same bytes each time', async () => {
  const { gate, token } = gates['2026']
  const url = gate.url + target('consumption_curve', 'v5', BOTH, today(-60), today(-30))
  const texts = await Promise.all([1, 2, 3].map(() => fetch(url, bearer(token)).then((r) => r.text())))
  expect(new Set(texts).size).toBe(1)
})
