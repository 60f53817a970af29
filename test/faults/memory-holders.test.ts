/**
 * 200 MB of gas, line by line, and a SOAP answer of 100 MB: neither sits in memory, whoever reads it. The simulators send
 * them from this process; what is measured is a gate in a process of its own.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, bearer, removeFolder } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import { today } from '../harness/settings.ts'
import { fixture } from '../unit/enedis-sge/given.ts'

const MB = 1_048_576
const FAST = { perSecond: 100_000, perHour: 1_000_000 }
const PCE = '99000000000001'
const METER = '99999000000017'
const SECRET = 'holder-client-secret-canary'

let sandbox: Sandbox
let gate: GateProcess
let token: string
beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    quotas: { v5: FAST, '2026': FAST },
    credentials: [{ clientId: 'application', secret: SECRET }],
    adictCredentials: [{ clientId: 'gas-application', secret: SECRET, company: 'EXEMPLE' }],
    adictQuotas: { perSecond: 100_000, perDay: 1_000_000 },
  })
  const many = { per_second: 1000, per_hour: 1_000_000 }
  gate = await aGateProcess({
    holderUrl: sandbox.url,
    // As in memory.test.ts: V8's young generation stays small, so that what is measured is what answers hold.
    node: ['--max-semi-space-size=4'],
    change(tree) {
      const called = { url: sandbox.url, allow_private: true, max_answer_bytes: 1_073_741_824 }
      Object.assign(tree['providers'] as Tree, {
        'grdf-adict': {
          ...called,
          token_url: `${sandbox.url}/oauth2/aus5y2ta2uEHjCWIR417/v1/token`,
          accounts: [
            {
              id: 'grdf-adict',
              client_id: 'gas-application',
              client_secret: { env: 'TEST_ENEDIS_SECRET' },
              quota: { per_second: 1000, per_day: 1_000_000 },
            },
          ],
        },
        'enedis-sge': { ...called, accounts: [{ id: 'enedis-sge', login: 'operateur.sge@example.org', contract: '1234567', quota: many }] },
      })
    },
  })
  const line = { kind: 'daily_energy', direction: 'withdrawal', finest: 'P1D', purpose: 'self_view', from: today(-200), until: today(0) }
  await gate.permit(
    { id: 'gas', meter: `pce:${PCE}`, provider: 'grdf-adict', lines: [line] },
    { id: 'soap', meter: METER, provider: 'enedis-sge', lines: [line] },
  )
  token = await gate.token()
})
afterAll(async () => {
  await gate.kill()
  removeFolder(gate)
  await sandbox.close()
})

function rss(): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gate.child.pid}/status`, 'utf8'))?.[1]) * 1024
}

/** Reads an answer to its end, or until it is cut, and tells how long it was and the most that the gate held meanwhile. */
async function read(ask: () => Promise<Response>): Promise<{ readonly bytes: number; readonly peak: number; readonly status: number }> {
  let peak = rss()
  const watch = setInterval(() => void (peak = Math.max(peak, rss())), 20)
  let bytes = 0
  try {
    const answer = await ask()
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength
    return { bytes, peak, status: answer.status }
  } finally {
    clearInterval(watch)
  }
}

const gas = (): Promise<Response> =>
  fetch(`${gate.url}/adict/v2/pce/${PCE}/donnees_consos_informatives?date_debut=${today(-100)}&date_fin=${today(-1)}`, bearer(token))
const soap = (): Promise<Response> =>
  fetch(`${gate.url}/ConsultationMesuresDetaillees/v3.0`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml; charset=utf-8', ...bearer(token).headers },
    body: fixture('cmd-v3-request-energie').replace(
      /<dateDebut>.*<\/dateFin>/s,
      `<dateDebut>${today(-100)}</dateDebut><dateFin>${today(-1)}</dateFin>`,
    ),
  })

test.each([
  ['200 MB of gas', 200, (megabytes: number) => sandbox.adict.misbehave({ pce: PCE, kind: 'endless', megabytes }), gas],
  ['100 MB of SOAP', 100, (megabytes: number) => sandbox.sge.misbehave({ kind: 'huge', megabytes }), soap],
] as const)('%s: memory grows by less than 30 MB', { timeout: 240_000 }, async (what, size, send, ask) => {
  // Code that is compiled and room that every long answer takes are no growth: as in memory.test.ts one of 30 MB comes first.
  send(30)
  const before = Math.max((await read(ask)).peak, rss())
  send(size)
  const { bytes, peak, status } = await read(ask)
  process.stdout.write(
    `${what}: ${(bytes / MB).toFixed(0)} MB came through; peak ${((peak - before) / MB).toFixed(1)} MB above that of an answer of 30 MB (${(before / MB).toFixed(0)} MB)\n`,
  )
  expect(status).toBe(200)
  expect(bytes).toBeGreaterThan(size * MB * 0.4)
  expect(peak - before).toBeLessThan(30 * MB)
})
