/**
 * `npm run bench:workers`: three ways for processes to share a port, with a server that does next to nothing, so that what is
 * compared is the sharing. For each: CPU of all its processes per request on connections that are kept, and per request with a
 * connection of its own; how unevenly 64 kept connections fall that were opened 5 ms apart; and what becomes of requests while one worker after the other
 * is replaced, and where one is killed: those that are told (the connection breaks) and those that never are. Why the gate does
 * as it does is in docs/adr. Then the gate itself, on PostgreSQL and Redis, as one process and as two workers.
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/redis.ts'
import { cpuMicros, loadProcess } from './processes.ts'
import type { Stop } from './subjects.ts'
import { grounds } from './subjects.ts'
import { SMALL, wishes } from './traffic.ts'

const MODES = {
  cluster: 'node:cluster, the primary accepts',
  shared: 'node:cluster, one socket for all',
  reuseport: 'SO_REUSEPORT',
} as const
type Mode = keyof typeof MODES
const WORKERS = 2
const ROUNDS = 3
const median = (list: readonly number[]): string => (list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN).toFixed(2)
const SECONDS = 2
const [role, mode, port] = process.argv.slice(2) as [string | undefined, Mode, string]

if (role === 'worker') serve(mode === 'reuseport')
else if (role === 'parent') parent()
else {
  await compare()
  await gates()
}

function serve(reusePort: boolean): void {
  const server = createServer({ noDelay: true }, (_, res) => {
    res
      .writeHead(200, { 'Content-Length': '2', ...(!server.listening && { Connection: 'close' }) })
      .end(String(process.pid % 100).padStart(2, '0'))
  })
  server.listen({ host: '127.0.0.1', port: Number(port), reusePort, backlog: 511 }, () => process.send?.('ready'))
  process.once('disconnect', () => process.exit(0))
  process.once('SIGTERM', () => {
    // Takes no more connections, and finishes those that it has: a primary that accepts must have acknowledged it first.
    if (mode === 'cluster') cluster.worker?.disconnect()
    else Server.prototype.close.call(server)
    setInterval(() => server.getConnections((_, count) => count === 0 && process.exit(0)), 20)
  })
}

/** Of the workers: it replaces them one after the other when it is told to. */
function parent(): void {
  if (mode === 'shared') cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ args: ['worker', mode, port] })
  const start = async (): Promise<ChildProcess> => {
    const child = mode === 'reuseport' ? fork(process.argv[1] ?? '', ['worker', mode, port]) : (cluster.fork().process as ChildProcess)
    await once(child, 'message')
    return child
  }
  const begun = Promise.all(Array.from({ length: WORKERS }, start))
  void begun.then(() => process.send?.('ready'))
  const told = async (what: unknown): Promise<void> => {
    if (what === 'kill') {
      const [first] = await begun
      const gone = once(first as ChildProcess, 'exit')
      first?.kill('SIGKILL')
      await gone
      await start()
      process.send?.('killed')
      return
    }
    for (const old of (await begun).splice(0)) {
      ;(await begun).push(await start())
      const gone = once(old, 'exit')
      old.kill('SIGTERM')
      await gone
    }
    process.send?.('replaced')
  }
  process.on('message', (what) => void told(what))
  process.once('disconnect', () => process.exit(0))
}

async function compare(): Promise<void> {
  const seen = new Map<Mode, { kept: number[]; own: number[]; share: number[]; replaced: Ends; killed: Ends }>()
  for (const name of Object.keys(MODES) as Mode[])
    seen.set(name, {
      kept: [],
      own: [],
      share: [],
      replaced: { answers: 0, broken: 0, silent: 0 },
      killed: { answers: 0, broken: 0, silent: 0 },
    })
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, told] of seen) {
      const at = await freePort()
      const child = fork(process.argv[1] ?? '', ['parent', name, String(at)])
      await once(child, 'message')
      await load(at, true, 1)
      for (const kept of [true, false]) {
        const before = cpuMicros(child.pid ?? 0)
        const { answers, by } = await load(at, kept, SECONDS)
        const micros = (cpuMicros(child.pid ?? 0) - before) / answers
        if (kept) told.share.push(Math.max(...by.values()) / answers)
        ;(kept ? told.kept : told.own).push(micros)
      }
      for (const what of ['replaced', 'killed'] as const) {
        const heard = once(child, 'message')
        child.send(what === 'killed' ? 'kill' : 'replace')
        let done = false
        void heard.then(() => (done = true))
        while (!done) {
          const ends = await load(at, false, 0.2)
          for (const end of ['answers', 'broken', 'silent'] as const) told[what][end] += ends[end]
        }
      }
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
      await sleep(50)
    }
  }
  process.stdout.write(
    `${WORKERS} workers, ${ROUNDS} rounds, medians; broken + never answered, of all\n  µs/request kept   own connection   busiest has   replaced             killed\n`,
  )
  const ends = ({ answers, broken, silent }: Ends): string => `${broken} + ${silent} of ${answers}`.padEnd(18)
  for (const [name, { kept, own, share, replaced, killed }] of seen)
    process.stdout.write(
      `  ${median(kept).padStart(15)}   ${median(own).padStart(14)}   ${median(share).padStart(11)}   ${ends(replaced)}   ${ends(killed)}   ${MODES[name]}\n`,
    )
}

/** One gate and two workers in turn, each on a schema of its own of one database, asked as fast as they answer. */
async function gates(): Promise<void> {
  const stops: Stop[] = []
  try {
    const { gate: aGate } = await grounds(stops)
    const load = loadProcess()
    stops.push(() => Promise.resolve(load.end()))
    const all = await Promise.all(
      [1, 2].map(async (workers) => {
        const gate = await aGate(`bench_${workers}`, workers)
        await gate.permit(...wishes())
        return { workers, gate, token: await gate.token(), micros: [] as number[], rates: [] as number[] }
      }),
    )
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const { gate, token, micros, rates } of all) {
        const target = { port: gate.port, asks: SMALL[0]?.asks ?? [], token }
        const before = cpuMicros(gate.child.pid ?? 0)
        const told = await load.order({ is: 'closed', target, connections: 64, seconds: round === 0 ? 6 : 4 })
        if (told.failures > 0) throw new Error(`${told.failures} requests failed: the figures are void`)
        // The first one warms.
        if (round === 0) continue
        micros.push((cpuMicros(gate.child.pid ?? 0) - before) / told.requests)
        rates.push(told.requests / told.seconds)
      }
    }
    process.stdout.write(
      `\nThe gate with evidence on PostgreSQL, 1 KB, CPU of its processes alone, ${ROUNDS} rounds\n  µs/request   requests/s\n`,
    )
    for (const { workers, micros, rates } of all)
      process.stdout.write(
        `  ${median(micros).padStart(10)}   ${median(rates).padStart(10)}   ${workers === 1 ? 'one gate' : `${workers} workers`}\n`,
      )
    const [one, two] = all.map(({ micros }) => Number(median(micros)))
    process.stdout.write(`  two workers / one: ${((two ?? NaN) / (one ?? NaN)).toFixed(2)} (target: at most 1.1)\n`)
  } finally {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
  }
}

interface Ends {
  answers: number
  /** Told by a connection that broke. */
  broken: number
  /** Given up after a second. */
  silent: number
}

/** Connections side by side, each asking as fast as it is answered; `kept` or a new one for each request. */
async function load(at: number, kept: boolean, seconds: number): Promise<Ends & { by: Map<string, number> }> {
  const by = new Map<string, number>()
  const end = performance.now() + seconds * 1000 + (kept ? 64 * 5 : 0)
  let answers = 0
  let broken = 0
  let silent = 0
  const request = `GET / HTTP/1.1\r\nHost: x\r\n${kept ? '' : 'Connection: close\r\n'}\r\n`
  const one = async (_: unknown, i: number): Promise<void> => {
    if (kept) await sleep(i * 5)
    while (performance.now() < end) {
      await new Promise<void>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: at, noDelay: true }, () => socket.write(request))
        let whole = false
        socket.on('data', (chunk: Buffer) => {
          const text = chunk.toString('latin1')
          const worker = text.slice(-2)
          answers += 1
          whole = true
          by.set(worker, (by.get(worker) ?? 0) + 1)
          if (!kept) return
          if (performance.now() < end) {
            whole = false
            socket.write(request)
          } else socket.destroy()
        })
        socket.setTimeout(1000, () => {
          silent += 1
          whole = true
          socket.destroy()
        })
        socket.on('error', () => socket.destroy())
        socket.once('close', () => {
          if (!whole) broken += 1
          resolve()
        })
      })
    }
  }
  await Promise.all(Array.from({ length: 64 }, one))
  return { answers, broken, silent, by }
}
