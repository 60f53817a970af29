/**
 * The demo as a stranger starts it: a process of its own, asked what its ready line says, its evidence held against what
 * the simulated Enedis saw, and nothing left of it when it stops.
 */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'

const execute = promisify(execFile)
const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'ecluse-demo-test-'))
const env = { ...process.env, TMPDIR: scratch }
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const Ready = z.strictObject({
  gate: z.url(),
  ops: z.url(),
  sandbox: z.url(),
  state: z.string(),
  requests: z.array(
    z.strictObject({
      name: z.string(),
      method: z.enum(['GET', 'POST']),
      url: z.url(),
      headers: z.record(z.string(), z.string()),
      body: z.string().nullable(),
      expect: z.int(),
    }),
  ),
})
type Ready = z.infer<typeof Ready>

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly errors: () => string
}

/** In a process group of its own, so that whoever is left of it can be seen. */
function start(...words: readonly string[]): Started & { readonly lines: () => Promise<string> } {
  const child = spawn(process.execPath, [main, 'demo', ...words], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (errors += piece))
  const ended = new Promise<{ readonly code: number | null; readonly signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    ended,
    errors: () => errors,
    lines: async () => {
      const line = await lines.next()
      if (line.done === true) throw new Error(`the demo ended: ${errors}`)
      return line.value
    },
  }
}

async function ready(...words: readonly string[]): Promise<Started & { readonly ready: Ready }> {
  const started = start('--json', ...words)
  return { ...started, ready: Ready.parse(JSON.parse(await started.lines())) }
}

function groupLives(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false // ESRCH: nobody is left in it
  }
}

async function stops({ child, ended }: Started, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  expect(await ended).toStrictEqual({ code: 0, signal: null })
  expect(groupLives(child.pid ?? 0)).toBe(false)
  expect(readdirSync(scratch)).toStrictEqual([])
}

/** What the simulators saw about meters. */
async function callsOf(sandbox: string, list: string): Promise<readonly { readonly meter?: string | undefined }[]> {
  const { calls } = z
    .object({
      calls: z.array(
        z.object({
          meter: z.string().optional(),
          pce: z.string().optional(),
          pointId: z.string().optional(),
          traceparent: z.string().optional(),
          call: z.string().optional(),
        }),
      ),
    })
    .parse(await (await fetch(`${sandbox}/_sandbox/${list}`)).json())
  const data = calls.filter(({ call }) => call !== 'token')
  expect(data.filter(({ traceparent }) => traceparent === undefined)).toStrictEqual([])
  return data.map(({ meter, pce, pointId }) => ({ meter: meter ?? pce ?? pointId }))
}

describe('the requests of the ready line', () => {
  let demo: Awaited<ReturnType<typeof ready>>
  const answers = new Map<string, { readonly status: number; readonly headers: Headers; readonly text: string }>()

  beforeAll(async () => {
    demo = await ready('--port', '0')
    for (const { name, method, url, headers, body } of demo.ready.requests) {
      const answer = await fetch(url, { method, headers, body })
      answers.set(name, { status: answer.status, headers: answer.headers, text: await answer.text() })
    }
  }, 60_000)
  afterAll(() => void demo.child.kill('SIGKILL'))

  const answer = (name: string) => {
    const found = answers.get(name)
    if (!found) throw new Error(`no request ${name}`)
    return found
  }
  const asked = (name: string) => new URL(demo.ready.requests.find((r) => r.name === name)?.url ?? '').searchParams
  const points = (name: string) =>
    z
      .object({
        meter_reading: z.object({
          start: z.string(),
          end: z.string(),
          interval_reading: z.array(z.object({ date: z.string(), value: z.string() })),
        }),
      })
      .parse(JSON.parse(answer(name).text)).meter_reading

  test('each is answered as it says, with its entry, and to be kept by nobody', () => {
    expect([...answers].map(([name, { status }]) => ({ name, status }))).toStrictEqual(
      demo.ready.requests.map(({ name, expect: status }) => ({ name, status })),
    )
    const entries = [...answers.values()].map(({ headers }) => headers.get('audit-entry'))
    expect(entries.filter((entry) => !/^gate\.demo\.localhost\/journal\/\d{4}\/\d+$/.test(entry ?? ''))).toStrictEqual([])
    expect(new Set(entries).size).toBe(entries.length)
    expect(new Set([...answers.values()].map(({ headers }) => headers.get('cache-control')))).toStrictEqual(new Set(['no-store']))
  })

  test('one is allowed, one narrowed, one refused', () => {
    const told = (name: string) => {
      const { status, headers } = answer(name)
      return [status, headers.get('ecluse-narrowed') !== null, headers.get('ecluse-reason')]
    }
    expect(told('allowed')).toStrictEqual([200, false, null])
    expect(told('narrowed')).toStrictEqual([200, true, null])
    expect(told('refused')).toStrictEqual([403, false, 'no_permission'])
    expect(points('allowed').interval_reading.length).toBeGreaterThanOrEqual(92)
  })

  test('of the narrowed one no reading lies outside what is granted, and all that lie inside are there', () => {
    const [from = '', until = ''] = answer('narrowed').headers.get('ecluse-narrowed')?.split('/') ?? []
    expect(from > (asked('narrowed').get('start') ?? '')).toBe(true)
    expect(until).toBe(asked('narrowed').get('end'))
    const { start: first, end, interval_reading: readings } = points('narrowed')
    expect([first, end]).toStrictEqual([from, until])
    // Stamps are the end of the half-hour: the first is after the first midnight, the last is the last midnight.
    expect(readings.filter((r) => r.date <= `${from} 00:00:00` || r.date > `${until} 00:00:00`)).toStrictEqual([])
    expect(readings.length).toBeGreaterThanOrEqual(3 * 46)
    expect(readings.at(-1)?.date).toBe(`${until} 00:00:00`)
  })

  test('both generations tell the same, days come from the holder, and fifteen days from three calls', async () => {
    const newer = z
      .object({ grandeur: z.array(z.object({ points: z.array(z.object({ v: z.string(), d: z.string() })) })) })
      .parse(JSON.parse(answer('curve-2026').text))
    expect(newer.grandeur[0]?.points.map((p) => [p.d, p.v])).toStrictEqual(points('allowed').interval_reading.map((r) => [r.date, r.value]))
    expect(points('daily-v5').interval_reading).toHaveLength(30)
    const { calls } = z
      .object({ calls: z.array(z.object({ meter: z.string(), from: z.string().optional(), until: z.string().optional() })) })
      .parse(await (await fetch(`${demo.ready.sandbox}/_sandbox/calls`)).json())
    const until = asked('curve-split').get('end') ?? ''
    const back = (days: number): string => new Date(Date.parse(until) - days * 86_400_000).toISOString().slice(0, 10)
    const parts = calls.map(({ meter, from, until: end }) => ({ meter, from, until: end }))
    const meter = asked('curve-split').get('usage_point_id')
    expect(parts).toEqual(
      expect.arrayContaining([
        { meter, from: back(15), until: back(8) },
        { meter, from: back(8), until: back(1) },
        { meter, from: back(1), until },
      ]),
    )
    const dates = points('curve-split').interval_reading.map((r) => r.date)
    // By the day: on the night of the autumn change the same hour comes twice.
    const days = dates.map((date) => date.slice(0, 10))
    expect(days).toStrictEqual(days.toSorted())
    expect(new Set(dates).size).toBeGreaterThanOrEqual(15 * 46)
  })

  test('a name that was not granted is not told', () => {
    expect(answer('contract-2026').text).toContain('"subscribed_power"')
    expect(answer('contract-2026').text).not.toMatch(/lastname|contact_data|email/)
  })

  test('gas and SOAP beside the others: each allowed, narrowed and refused', () => {
    for (const [holder, refusal, reading] of [
      ['gas', 403, '"journee_gaziere"'],
      ['soap', 500, '<points>'],
    ] as const) {
      const told = ['allowed', 'narrowed', 'refused'].map((name) => answer(`${holder}-${name}`))
      expect(told.map(({ status }) => status)).toStrictEqual([200, 200, refusal])
      expect(told.map(({ headers }) => headers.get('ecluse-narrowed') !== null)).toStrictEqual([false, true, false])
      expect(told.map(({ text }) => text.includes(reading))).toStrictEqual([true, true, false])
      expect(told[2]?.headers.get('ecluse-reason')).toBe('no_permission')
    }
    expect(answer('gas-allowed').text.trim().split('\n')).toHaveLength(7)
  })

  test('what is refused is not asked of the data holder, and each call has its intent and its outcome', async () => {
    const calls = (await Promise.all(['calls', 'adict-calls', 'sge-calls'].map((list) => callsOf(demo.ready.sandbox, list)))).flat()
    for (const name of ['withdrawn', 'suspended', 'not-yet-valid', 'expired', 'days-only']) {
      const meter = asked(name).get('usage_point_id')
      const others = demo.ready.requests.filter((r) => r.name !== name && r.url.includes(meter ?? '') && r.expect === 200)
      if (others.length === 0)
        expect(
          calls.filter((c) => c.meter === meter),
          name,
        ).toStrictEqual([])
    }
    const year = readdirSync(join(demo.ready.state, 'log'))[0] ?? ''
    const verified = await verify(join(demo.ready.state, 'log', year), (types) => (types['access.outcome'] ?? 0) >= calls.length)
    expect(verified['access.intent']).toBe(calls.length)
    expect(verified['access.outcome']).toBe(calls.length)
    expect(verified['access.refused']).toBe(
      demo.ready.requests.filter((r) => r.expect !== 200 && !['no-data', 'moved-out'].includes(r.name)).length,
    )
  })

  test('its decisions are recomputed from its entries', async () => {
    const { stdout } = await execute(process.execPath, [main, 'audit', 'replay', '--all', '--why', 'test', '--state', demo.ready.state], {
      env,
    })
    expect(stdout).not.toBe('')
  })

  test('keys and secrets are written nowhere, and permissions are recorded as unverified', async () => {
    const folder = dirname(demo.ready.state)
    expect(readFileSync(join(folder, 'demo.yaml'), 'utf8')).not.toMatch(/[0-9a-f]{64}/)
    const { stdout } = await execute(process.execPath, [main, 'permission', 'show', 'house', '--json', '--state', demo.ready.state], {
      env,
    })
    expect(stdout).toContain('"unverified":true')
  })

  test('it says that it is ready, and stops in order on SIGTERM', async () => {
    expect((await fetch(`${demo.ready.ops}/readyz`)).status).toBe(200)
    await stops(demo, 'SIGTERM')
    await expect(fetch(demo.ready.sandbox)).rejects.toThrow('fetch failed')
  })

  async function verify(log: string, enough: (types: Record<string, number>) => boolean): Promise<Record<string, number>> {
    const Verified = z.object({ ok: z.literal(true), logs: z.array(z.object({ types: z.record(z.string(), z.number()) })) })
    for (let tries = 0; ; tries += 1) {
      const { stdout } = await execute(process.execPath, [main, 'audit', 'verify', log, '--json'], { env })
      const types = Verified.parse(JSON.parse(stdout)).logs[0]?.types ?? {}
      // A checkpoint is signed each second: what was answered a moment ago is shown with the next.
      if (enough(types) || tries === 10) return types
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
})

describe('ports', () => {
  test('--port N takes five consecutive ones, and says which is taken', async () => {
    const first = await threeFreePorts()
    const demo = await ready('--port', String(first))
    expect([demo.ready.gate, demo.ready.ops, demo.ready.sandbox]).toStrictEqual([0, 1, 2].map((i) => `http://127.0.0.1:${first + i}`))
    const second = start('--json', '--port', String(first - 1))
    expect(await second.ended).toStrictEqual({ code: 2, signal: null })
    expect(second.errors()).toContain(`port ${first} is taken`)
    await stops(demo, 'SIGINT')
  })

  test('where the usual ones are taken others are picked, and it says so', async () => {
    const taken = await listenOn(8080).catch(() => undefined) // if another program has it, so much the better
    try {
      const demo = start()
      const said: string[] = []
      while (!said.at(-1)?.startsWith('Ctrl-C')) said.push(await demo.lines())
      expect(said).toContain('Ports 8080 to 8084 are not all free, so others were picked.')
      expect(said.filter((line) => line.startsWith('curl -i '))).toHaveLength(9)
      const [allowed = ''] = said.filter((line) => line.startsWith('curl -i '))
      const { stdout } = await execute('sh', ['-c', allowed.replace('curl -i', 'printf %s\\\\n')])
      expect(stdout).toMatch(/^-H\nAuthorization: Bearer \S+\nhttp:\/\/127\.0\.0\.1:\d+\//)
      await stops(demo, 'SIGTERM')
    } finally {
      taken?.close()
    }
  })

  async function threeFreePorts(): Promise<number> {
    for (let first = 21_000 + (process.pid % 9_000); ; first += 4) {
      // The one before is free too: the second demo tries it first.
      const servers = await Promise.all([-1, 0, 1, 2].map((i) => listenOn(first + i).catch(() => undefined)))
      for (const server of servers) server?.close()
      if (servers.every((server) => server !== undefined)) return first
    }
  }
  function listenOn(port: number): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer()
      server.once('error', reject)
      server.listen({ host: '127.0.0.1', port }, () => resolve(server))
    })
  }
})

test('a signal that comes before it is ready is heeded, too', async () => {
  const demo = start('--json', '--port', '0')
  await expect.poll(() => readdirSync(scratch).length, { timeout: 10_000, interval: 5 }).toBe(1)
  await stops(demo, 'SIGTERM')
})

test('unknown words are refused', async () => {
  const demo = start('--ports', '1')
  expect(await demo.ended).toStrictEqual({ code: 2, signal: null })
  expect(demo.errors()).toContain('unknown option --ports')
})

test('the simulator alone: ready, it answers both generations, and stops on SIGTERM', async () => {
  const child = spawn(process.execPath, [main, 'sandbox', '--json', '--port', '0'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const { sandbox, clientId, clientSecret } = z
    .strictObject({ sandbox: z.url(), clientId: z.string(), clientSecret: z.string() })
    .parse(JSON.parse(String(line.value)))
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret })
  const { access_token: token } = z
    .object({ access_token: z.string() })
    .parse(await (await fetch(`${sandbox}/oauth2/v3/token`, { method: 'POST', body: form })).json())
  const today = new Date()
  const back = (days: number): string => new Date(today.getTime() - days * 86_400_000).toISOString().slice(0, 10)
  for (const target of [
    `/metering_data_dc/v5/daily_consumption?usage_point_id=10000000000001&start=${back(3)}&end=${back(1)}`,
    `/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=10000000000001&dateDebut=${back(3)}&dateFin=${back(1)}`,
  ]) {
    expect((await fetch(`${sandbox}${target}`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200)
  }
  child.kill('SIGTERM')
  expect(await ended).toStrictEqual({ code: 0, signal: null })
})
