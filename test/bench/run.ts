/**
 * `npm run bench [-- --short] [--permissions N]`: what the gate costs, against what else could stand in its place, in
 * one run on one machine. Rounds are interleaved (A B C A B C) and medians told, with ratios beside every figure: only
 * rows of one run compare. CPU is that of all threads of the subject and its children, over the requests answered.
 *
 * The subject has one core, load and data holder the other. Claims of latency come from the open loop only. Nothing
 * here asserts a time.
 */
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import type { Load } from './processes.ts'
import { cpuMicros, loadProcess, memoryOf, printed } from './processes.ts'
import type { Pieces } from './pieces.ts'
import type { Subject } from './subjects.ts'
import { holder, subjects } from './subjects.ts'
import { kilobyte, LONG_BYTES, longCurveTarget, weekOfCurve } from './traffic.ts'
import type { Told } from './load.ts'

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, permissions: { type: 'string' }, only: { type: 'string' } },
})
const size = options.short
  ? { warm: 3, warmRequests: 10_000, rounds: 3, seconds: 2, open: 4, readers: 4, permissions: 5_000, entries: 5_000 }
  : { warm: 4, warmRequests: 30_000, rounds: 7, seconds: 5, open: 10, readers: 12, permissions: 100_000, entries: 30_000 }
const CONNECTIONS = 64
const kilobytes = kilobyte()
const wanted = (section: string): boolean => options.only === undefined || options.only.split(',').includes(section)

const say = (line = ''): void => void process.stdout.write(`${line}\n`)
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
const text = (value: number, digits = 1): string => value.toFixed(digits)
const signed = (value: number, digits = 2): string => (value < 0 ? '' : '+') + value.toFixed(digits)

say(`Node ${process.versions.node}, ${availableParallelism()} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}`)
if (availableParallelism() < 2) say('One core only: load and subject share it, and every figure here is the worse for it.')

const stops: (() => Promise<void>)[] = []
try {
  await servers()
} finally {
  for (const stop of stops.toReversed()) await stop()
}
if (wanted('pieces')) await piecesRows()

async function servers(): Promise<void> {
  const dataHolder = await holder()
  stops.push(() => dataHolder.stop())
  const all = await subjects(dataHolder.port)
  stops.push(...all.map((subject) => () => subject.stop()))
  const load = loadProcess()
  stops.push(() => Promise.resolve(load.end()))
  const direct: Subject = {
    id: 'direct',
    title: 'direct to the data holder',
    port: dataHolder.port,
    pid: 0,
    token: 'none',
    stop: () => Promise.resolve(),
  }

  if (wanted('small')) await closed(load, all, direct, 'Answers of 1 KB, keep-alive, closed loop', kilobytes)
  if (wanted('curve')) await closed(load, all, direct, 'A curve of 60 KB, keep-alive, closed loop', weekOfCurve())
  if (wanted('open')) for (const rate of [500, 2000]) await open(load, all, direct, rate)
  if (wanted('slow')) await slow(load, all)
}

async function closed(load: Load, all: readonly Subject[], direct: Subject, title: string, paths: readonly string[]): Promise<void> {
  const micros = new Map<Subject, number[]>()
  const rates = new Map<Subject, number[]>()
  let failures = 0
  const run = (subject: Subject, seconds: number): Promise<Told> =>
    load.order({ is: 'closed', target: { port: subject.port, paths, token: subject.token }, connections: CONNECTIONS, seconds })
  const enough = paths === kilobytes ? size.warmRequests : size.warmRequests / 10
  for (const subject of all) await warmed(enough, (seconds) => run(subject, seconds))
  for (let round = 0; round < size.rounds; round += 1) {
    for (const subject of [direct, ...all]) {
      const before = subject.pid === 0 ? 0 : cpuMicros(subject.pid)
      const told = await run(subject, size.seconds)
      const used = subject.pid === 0 ? 0 : cpuMicros(subject.pid) - before
      failures += told.failures
      micros.set(subject, [...(micros.get(subject) ?? []), used / told.requests])
      rates.set(subject, [...(rates.get(subject) ?? []), told.requests / told.seconds])
    }
  }
  const cost = (id: Subject['id']): number => {
    const subject = all.find((s) => s.id === id)
    return subject ? median(micros.get(subject) ?? []) : Number.NaN
  }
  say(`\n${title}; ${CONNECTIONS} connections, ${size.rounds} rounds of ${size.seconds} s, medians`)
  say('  CPU µs/request   × proxy   requests/s   subject')
  say(`               –         –   ${text(median(rates.get(direct) ?? []), 0).padStart(10)}   ${direct.title}`)
  for (const subject of all) {
    const own = cost(subject.id)
    const rate = text(median(rates.get(subject) ?? []), 0)
    say(`  ${text(own).padStart(14)}   ${text(cost('proxy') / own, 2).padStart(7)}   ${rate.padStart(10)}   ${subject.title}`)
  }
  const rows = cost('rows') - cost('no-evidence')
  say(`  journal rows (intent + outcome, both durable): ${signed(rows, 1)} µs/request = ${text(rows / cost('proxy'), 2)} of the proxy`)
  const sealing = cost('sealed') - cost('rows')
  say(`  sealing beside it (2 entries a request): ${signed(sealing, 1)} µs/request = ${text(sealing / cost('proxy'), 2)} of the proxy`)
  say(`  aim, gate with durable journal rows ≥ 0.40 × proxy: ${text(cost('proxy') / cost('rows'), 2)}`)
  if (!all.some((s) => s.id === 'nginx')) say('  no nginx on this machine: no row for it')
  if (failures > 0) say(`  ${failures} requests FAILED: these figures are void`)
}

/**
 * Until it has run for some seconds and has answered so many requests that its code is compiled: on a machine that gives it half
 * a core, seconds alone would compare one interpreter with another.
 */
async function warmed(enough: number, run: (seconds: number) => Promise<Told>): Promise<void> {
  let requests = 0
  for (let seconds = 0; seconds < size.warm || (requests < enough && seconds < 180); seconds += 2) requests += (await run(2)).requests
}

async function open(load: Load, all: readonly Subject[], direct: Subject, perSecond: number): Promise<void> {
  const seen = new Map<Subject, Told[]>()
  for (let round = 0; round < 3; round += 1) {
    for (const subject of [direct, ...all]) {
      const target = { port: subject.port, paths: kilobytes, token: subject.token }
      seen.set(subject, [...(seen.get(subject) ?? []), await load.order({ is: 'open', target, perSecond, seconds: size.open })])
    }
  }
  const of = (subject: Subject, pick: (told: Told) => number): number => median((seen.get(subject) ?? []).map(pick))
  say(`\nOpen loop, ${perSecond} requests/s, 1 KB; wait in ms from the moment each request was due, medians of 3 rounds of ${size.open} s`)
  say('     p50 (added)       p99 (added)   subject')
  for (const subject of [direct, ...all]) {
    const p50 = of(subject, (t) => t.p50)
    const p99 = of(subject, (t) => t.p99)
    const added = (own: number, base: number): string => (subject === direct ? '' : `(${signed(own - base)})`).padStart(8)
    const row = `${text(p50, 2).padStart(7)} ${added(
      p50,
      of(direct, (t) => t.p50),
    )}  ${text(p99, 2).padStart(8)} ${added(
      p99,
      of(direct, (t) => t.p99),
    )}`
    say(`  ${row}   ${subject.title}`)
    const answered = of(subject, (t) => t.requests / t.seconds)
    if (answered < perSecond * 0.95) say(`           this machine reached ${text(answered, 0)}/s only: the waits are those of a queue`)
    if (of(subject, (t) => t.failures) > 0) say(`           ${of(subject, (t) => t.failures)} requests FAILED in a round`)
  }
}

async function slow(load: Load, all: readonly Subject[]): Promise<void> {
  const megabytes = LONG_BYTES / 1_048_576
  say(`\nA stream of ${megabytes} MB to ${size.readers} readers at 5 MB/s each: memory of the process`)
  say('  RSS before   peak grew by   subject')
  for (const subject of all.filter((s) => s.id === 'proxy' || s.id === 'no-evidence' || s.id === 'sealed')) {
    const before = memoryOf(subject.pid)
    let peak = before.rss
    const watch = setInterval(() => (peak = Math.max(peak, memoryOf(subject.pid).rss)), 50)
    const target = { port: subject.port, paths: [longCurveTarget()], token: subject.token }
    const told = await load.order({ is: 'slow', target, readers: size.readers, bytesPerSecond: 5 * 1_048_576, seconds: 120 })
    clearInterval(watch)
    const mb = (bytes: number): string => text(bytes / 1_048_576, 0)
    say(`  ${mb(before.rss).padStart(7)} MB   ${`+${mb(peak - before.rss)}`.padStart(9)} MB   ${subject.title}`)
    const whole = told.bytes / size.readers / 1_048_576
    if (told.failures > 0 || whole < megabytes * 0.9) say(`           only ${text(whole)} MB a reader came: FAILED`)
  }
}

async function piecesRows(): Promise<void> {
  const permissions = Number(options.permissions ?? size.permissions)
  const told = await printed<Pieces>('pieces.ts', ['--expose-gc'], [String(permissions), String(size.entries)])
  say('\nPieces, in a process of their own on one core')
  for (const [name, cost] of Object.entries(told.filter)) {
    say(`  filter of ${name.padEnd(44)} ${text(cost.perKb, 2).padStart(7)} µs/KB = ${text(cost.perKb / told.copyPerKb, 0)} × copying it`)
  }
  const { sealing, verifying } = told
  say(`  sealing ${' '.repeat(46)} ${text(sealing.cpuMicros, 1).padStart(7)} µs/entry CPU, ${text(sealing.perSecond, 0)} entries/s`)
  say(`    of which hashing its bytes once: ${text(told.hashMicros / sealing.cpuMicros, 3)}`)
  say(
    `  verifying a published log of ${String(verifying.entries).padEnd(25)} ${text(verifying.perSecond, 0).padStart(7)} entries/s = ${text(verifying.perSecond / sealing.perSecond, 1)} × sealing`,
  )
  const { memory } = told
  const perMillion = (bytes: number): string => `${text(((bytes / memory.permissions) * 1_000_000) / 1_048_576, 0)} MB`
  say(`  memory, measured with ${memory.permissions} permissions of two lines and told for 1,000,000 in proportion:`)
  say(`    registry on disk (ecluse.db + keys.db)          ${perMillion(memory.registryBytes + memory.keysBytes).padStart(8)}`)
  say(`    state thread's process while it holds them      ${perMillion(memory.stateRssBytes).padStart(8)}   (grew by, measured)`)
  say(`    if all lay in the gate's local cache            ${perMillion(memory.cacheBytes).padStart(8)}   (it is bounded: 20,000)`)
  say(`    × a JS Map of bare objects (284 B each)          ${text(memory.cacheBytes / memory.permissions / 284, 1).padStart(7)}`)
}
