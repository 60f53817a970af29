/**
 * `npm run soak [-- --minutes N --rate N --postgres]`: a fixed load in which three clients of ten leave at some moment, on a
 * gate with little heap (B18), or on two such gates that share a PostgreSQL and a Redis; sampled: heap after a collection,
 * memory, handles, warnings, connections to PostgreSQL. Exit 1 if the heap of the last third lies more than 5 MB above that
 * of the first, if handles or connections grew, if Node or a gate complained, or if a log does not verify.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { verifyPlace } from '../../src/evidence/verify/place.ts'
import { curve } from '../harness/gate.ts'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import { leavingClients } from '../harness/leaving-clients.ts'
import type { Held, ObservedGate } from '../harness/observed-gate.ts'
import { observedGate } from '../harness/observed-gate.ts'
import { postgresServer } from '../harness/postgres.ts'
import { redisServer } from '../harness/redis.ts'
import { METER, OTHER_METER, secretsOf, today } from '../harness/settings.ts'

export interface SoakWish {
  readonly minutes: number
  /** Requests of all gates together. */
  readonly perSecond: number
  readonly postgres: boolean
  /** Requests before the first sample: what they fill (pools, caches, compiled code) is no leak. */
  readonly warm: number
  readonly say: (line: string) => void
}

interface Subject {
  readonly gates: readonly ObservedGate[]
  /** Those to PostgreSQL, of all gates. */
  connections(): number
  close(): Promise<void>
}

const MB = 1_048_576
const SAMPLES = 12
/** Of each call of the last hour, kept by its gate for a quota that is shared: an hour's load of a soak is far above any real quota. */
const CALL_BYTES = 160
const LITTLE_HEAP = ['--max-old-space-size=128']
/** How many sockets are open to the data holder, and which timers and requests of a file run, is a matter of the last seconds. */
const PASSING = /^(TCPSocketWrap|Timeout|FSReq.*)$/

/** What was found; nothing, where all is within its bounds. */
export async function soak(wish: SoakWish): Promise<readonly string[]> {
  const { minutes, perSecond, warm, say } = wish
  const dataHolder = await fakeHolder()
  dataHolder.script = (request, socket) => {
    // It would remember every call.
    dataHolder.calls.length = 0
    ordinary(request, socket)
  }
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-soak-'))
  const { gates, connections, close } = await (wish.postgres ? twoOnPostgres : oneOnSqlite)(dataHolder.url, folder)
  try {
    const load = async (count: number, rate?: number) => {
      const told = await Promise.all(
        gates.map((gate) =>
          leavingClients({
            port: gate.port,
            requests: requestsOf(gate.token),
            count: Math.round(count / gates.length),
            atOnce: 64,
            percent: 30,
            withinMs: 50,
            ...(rate !== undefined && { perSecond: rate / gates.length }),
          }),
        ),
      )
      return (['good', 'other', 'left'] as const).map((what) => told.reduce((sum, each) => sum + each[what], 0))
    }
    await load(warm)
    say(`${minutes} min at ${perSecond} requests/s on ${gates.length} gates, 30 % of the clients leave, 128 MB of old space`)
    say(`   min   heap MB    RSS MB   ${'handles'.padEnd(48)}     200   other    left  entries  connections`)
    const samples: (readonly Held[])[] = []
    const connected: number[] = []
    const seconds = (minutes * 60) / SAMPLES
    for (let i = 0; i <= SAMPLES; i += 1) {
      const told = await load(i === 0 ? 0 : Math.round(perSecond * seconds), perSecond)
      const held = await Promise.all(gates.map((gate) => gate.held()))
      samples.push(held)
      connected.push(connections())
      for (const [which, each] of held.entries())
        say(line(each, (i * seconds) / 60, which === 0 ? told : [], which === 0 ? String(connected.at(-1)) : ''))
    }
    const mostCalls = wish.postgres ? (perSecond * 3600) / gates.length : 0
    const ofEach = gates.map((_gate, which) => samples.map((held) => held[which] as Held)) // one of each gate
    const found = ofEach.flatMap((each) => verdict(each, mostCalls, say))
    // One may be made anew while it is counted.
    const [early, late] = [Math.min(...connected.slice(0, 4)), Math.min(...connected.slice(-4))]
    if (late > early) found.push(`${early} connections to PostgreSQL, then ${late}`)
    for (const gate of gates) await gate.stop()
    for (const { state } of gates) {
      const answer = await verifyPlace(state, { quiescent: true })
      if (!answer.ok) found.push(`${state} does not verify: ${JSON.stringify(answer)}`)
    }
    return found
  } finally {
    for (const { child } of gates) if ((child.exitCode ?? child.signalCode) === null) child.kill('SIGKILL')
    await close()
    await dataHolder.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function oneOnSqlite(holderUrl: string, folder: string): Promise<Subject> {
  const gate = await observedGate(holderUrl, LITTLE_HEAP, { folder })
  return { gates: [gate], connections: () => 0, close: () => Promise.resolve() }
}

async function twoOnPostgres(holderUrl: string, folder: string): Promise<Subject> {
  const server = await postgresServer()
  await server.start()
  const redis = await redisServer()
  const env = secretsOf()
  const gates: ObservedGate[] = []
  for (const node of ['one', 'two'])
    gates.push(
      await observedGate(holderUrl, LITTLE_HEAP, {
        folder: join(folder, node),
        env,
        of: { node, postgres: server.port, redis: redis.url, first: gates.length === 0 },
      }),
    )
  return {
    gates,
    connections: () => Number(server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ecluse %'")),
    async close() {
      await redis.close()
      await server.close()
    },
  }
}

function requestsOf(token: string): readonly string[] {
  const head = (target: string, by = token): string => `GET ${target} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${by}\r\n\r\n`
  return [
    ...[1, 2, 6, 20].map((days) => head(curve(METER, today(-30), today(-30 + days)))),
    head(`/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${METER}&dateDebut=${today(-60)}&dateFin=${today(-2)}`),
    // A refusal, a stranger, and what is not canonical.
    head(curve(OTHER_METER, today(-30), today(-28))),
    head(curve(METER, today(-30), today(-28)), 'nobody-knows-it'),
    head('//x'),
  ]
}

function line(held: Held, minute: number, told: readonly number[], connections: string): string {
  const kinds = Object.entries(held.handles).map(([kind, n]) => `${kind.replace(/Wrap$/, '')} ${n}`)
  const [at, heap, rss] = [minute, held.heapBytes / MB, held.rssBytes / MB].map((n) => n.toFixed(1))
  const counts = [0, 1, 2].map((i) => String(told[i] ?? '').padStart(7))
  return `${at?.padStart(6)}  ${heap?.padStart(8)}  ${rss?.padStart(8)}   ${kinds.join(', ').padEnd(48)} ${counts.join(' ')}  ${String(held.entries).padStart(7)}  ${connections}`
}

/** @param mostCalls of this gate that may be kept for a quota that gates share */
function verdict(samples: readonly Held[], mostCalls: number, say: (line: string) => void): string[] {
  const median = (list: readonly Held[], of: 'heapBytes' | 'entries'): number =>
    list.map((s) => s[of]).toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0
  const third = Math.floor(samples.length / 3)
  const [first, last] = [samples.slice(0, third), samples.slice(-third)]
  // A call is an intent and an outcome.
  const calls = Math.min(mostCalls, (median(last, 'entries') - median(first, 'entries')) / 2)
  const kept = calls * CALL_BYTES
  const grown = median(last, 'heapBytes') - median(first, 'heapBytes') - kept
  const lasting = (held: Held | undefined): string => {
    const kinds = Object.entries(held?.handles ?? {}).filter(([kind]) => !PASSING.test(kind))
    return JSON.stringify(kinds.toSorted())
  }
  say(
    `heap, last third against first: ${grown < 0 ? '' : '+'}${(grown / MB).toFixed(2)} MB${kept > 0 ? `, beside ${(kept / MB).toFixed(2)} MB for ${Math.round(calls)} calls of the last hour` : ''}`,
  )
  return [
    ...(grown > 5 * MB ? [`the heap grew by ${(grown / MB).toFixed(1)} MB`] : []),
    ...(lasting(samples[0]) === lasting(samples.at(-1)) ? [] : [`handles: ${lasting(samples[0])}, then ${lasting(samples.at(-1))}`]),
    ...new Set(samples.flatMap((s) => [...s.warnings, ...s.complaints])),
  ]
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      rate: { type: 'string', default: '100' },
      postgres: { type: 'boolean', default: false },
    },
  })
  const say = (text: string): void => void process.stdout.write(`${text}\n`)
  const found = await soak({ minutes: Number(values.minutes), perSecond: Number(values.rate), postgres: values.postgres, warm: 3000, say })
  say(found.length === 0 ? 'within its bounds' : `FOUND: ${found.join('; ')}`)
  process.exitCode = found.length === 0 ? 0 : 1
}
