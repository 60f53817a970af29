/**
 * `npm run soak [-- --minutes N --rate N]`: a fixed load in which three clients of ten leave at some moment, on a gate
 * with little heap (B18), sampled: heap after a collection, memory, handles, warnings. Exit 1 if the heap of the last third lies more
 * than 5 MB above that of the first, if handles grew, or if Node or the gate complained.
 */
import { parseArgs } from 'node:util'
import { fakeHolder, ordinary } from '../harness/holder.ts'
import { leavingClients } from '../harness/leaving-clients.ts'
import { observedGate } from '../harness/observed-gate.ts'
import type { Held } from '../harness/observed-gate.ts'
import { curve } from '../harness/gate.ts'
import { METER, OTHER_METER, today } from '../harness/settings.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, rate: { type: 'string', default: '100' } } })
const minutes = Number(values.minutes)
const perSecond = Number(values.rate)
const MB = 1_048_576
const SAMPLES = 12
/** How many sockets are open to the data holder, and which timers and requests of a file run, is a matter of the last seconds. */
const PASSING = /^(TCPSocketWrap|Timeout|FSReq.*)$/
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const dataHolder = await fakeHolder()
dataHolder.script = (request, socket) => {
  // It would remember every call.
  dataHolder.calls.length = 0
  ordinary(request, socket)
}
const gate = await observedGate(dataHolder.url, ['--max-old-space-size=128'])
try {
  process.exitCode = await soak()
} finally {
  await gate.stop()
  await dataHolder.close()
}

async function soak(): Promise<number> {
  const head = (target: string, token = gate.token): string =>
    `GET ${target} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer ${token}\r\n\r\n`
  const requests = [
    ...[1, 2, 6, 20].map((days) => head(curve(METER, today(-30), today(-30 + days)))),
    head(`/mesure_synchrone_auto/v2/consommation_quotidienne?pointId=${METER}&dateDebut=${today(-60)}&dateFin=${today(-2)}`),
    // A refusal, a stranger, and what is not canonical.
    head(curve(OTHER_METER, today(-30), today(-28))),
    head(curve(METER, today(-30), today(-28)), 'nobody-knows-it'),
    head('//x'),
  ]
  // What the first minute fills (pools, caches, compiled code) is no leak.
  await leavingClients({ port: gate.port, requests, count: 3000, atOnce: 32, percent: 30, withinMs: 50 })
  say(`${minutes} min at ${perSecond} requests/s, 30 % of the clients leave, 128 MB of old space`)
  say(`   min   heap MB    RSS MB   ${'handles'.padEnd(48)}     200   other    left  entries`)
  const samples: Held[] = []
  const seconds = (minutes * 60) / SAMPLES
  for (let i = 0; i <= SAMPLES; i += 1) {
    const count = i === 0 ? 0 : Math.round(perSecond * seconds)
    const told = await leavingClients({ port: gate.port, requests, count, atOnce: 64, percent: 30, withinMs: 50, perSecond })
    const held = await gate.held()
    samples.push(held)
    const kinds = Object.entries(held.handles).map(([kind, n]) => `${kind.replace(/Wrap$/, '')} ${n}`)
    const figures = [(i * seconds) / 60, held.heapBytes / MB, held.rssBytes / MB].map((n) => n.toFixed(1))
    const counts = [told.good, told.other, told.left].map((n) => String(n).padStart(7))
    say(
      `${figures[0]?.padStart(6)}  ${figures[1]?.padStart(8)}  ${figures[2]?.padStart(8)}   ${kinds.join(', ').padEnd(48)} ${counts.join(' ')}  ${held.entries}`,
    )
  }
  return verdict(samples)
}

function verdict(samples: readonly Held[]): number {
  const median = (list: readonly Held[]): number => list.map((s) => s.heapBytes).toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0
  const third = Math.floor(samples.length / 3)
  const [first, last] = [samples.slice(0, third), samples.slice(-third)]
  const grown = median(last) - median(first)
  const lasting = (held: Held | undefined): string => {
    const kinds = Object.entries(held?.handles ?? {}).filter(([kind]) => !PASSING.test(kind))
    return JSON.stringify(kinds.toSorted())
  }
  const faults = [
    ...(grown > 5 * MB ? [`the heap grew by ${(grown / MB).toFixed(1)} MB`] : []),
    ...(lasting(samples[0]) === lasting(samples.at(-1)) ? [] : [`handles: ${lasting(samples[0])}, then ${lasting(samples.at(-1))}`]),
    ...new Set(samples.flatMap((s) => [...s.warnings, ...s.complaints])),
  ]
  say(
    `heap, last third against first: ${grown < 0 ? '' : '+'}${(grown / MB).toFixed(2)} MB; ${faults.length === 0 ? 'within its bounds' : `FOUND: ${faults.join('; ')}`}`,
  )
  return faults.length === 0 ? 0 : 1
}
