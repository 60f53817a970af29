/**
 * `npm run bench [-- --short] [--permissions N] [--only NAMES]`: what the gate costs, against what else could stand in its
 * place, in one run on one machine. Rounds are interleaved (A B C A B C) and medians told, with ratios beside every figure:
 * only rows of one run compare. CPU is that of all threads of the subject and its children, over the requests answered; that
 * of the Redis which a peer asks stands beside it. `scripts/bench-peers` installs the peers; one whose parts are not here
 * has no row.
 *
 * The subject has one core, load and data holder the other. Claims of latency come from the open loop only. Nothing
 * here asserts a time.
 */
import { availableParallelism, cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import type { Load } from './processes.ts'
import { cpuMicros, loadProcess, memoryOf, printed } from './processes.ts'
import type { Pieces } from './pieces.ts'
import type { Stop, Subject } from './subjects.ts'
import { holder, subjects } from './subjects.ts'
import type { Cost } from './targets.ts'
import { besideFigure, FIGURES, ratioLines } from './targets.ts'
import type { Traffic } from './traffic.ts'
import { LARGE, LONG_BYTES, LONG_CURVE, SMALL } from './traffic.ts'
import type { Told } from './load.ts'

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, permissions: { type: 'string' }, only: { type: 'string' } },
})
const size = options.short
  ? { warm: 3, warmRequests: 10_000, rounds: 3, seconds: 2, open: 4, readers: 50, permissions: 5_000, entries: 5_000 }
  : { warm: 4, warmRequests: 30_000, rounds: 7, seconds: 5, open: 10, readers: 50, permissions: 100_000, entries: 30_000 }
const CONNECTIONS = 64
/** Sections (`small`, `curve`, `open`, `slow`, `pieces`), and `gas` or `soap` for the rows of either; absent, all. */
const only = options.only?.split(',')
const wanted = (section: string): boolean => only?.includes(section) ?? true

const say = (line = ''): void => void process.stdout.write(`${line}\n`)
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
const text = (value: number, digits = 1): string => value.toFixed(digits)
const signed = (value: number, digits = 2): string => (value < 0 ? '' : '+') + value.toFixed(digits)

say(`Node ${process.versions.node}, ${availableParallelism()} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}`)
if (availableParallelism() < 2) say('One core only: load and subject share it, and every figure here is the worse for it.')
const [busy = 0] = loadavg()
if (busy > 0.5) say(`Others use this machine (load ${text(busy)}): CPU per request is the worse for it too, by a fifth and more.`)

const stops: Stop[] = []
let stopping: Promise<void> | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stopAll().finally(() => process.exit(1)))
if (['small', 'curve', 'open', 'slow', 'gas', 'soap'].some(wanted)) {
  try {
    await servers()
  } finally {
    await stopAll()
  }
}
if (wanted('pieces')) await piecesRows()

/** Ends what was started, the last first; that one of them cannot be ended spares none of the others. */
function stopAll(): Promise<void> {
  stopping ??= (async () => {
    for (let stop = stops.pop(); stop; stop = stops.pop())
      await stop().catch((error: unknown) => process.stderr.write(`${String(error)}\n`))
  })()
  return stopping
}

async function servers(): Promise<void> {
  const dataHolder = await holder(stops)
  const { all, missing } = await subjects(dataHolder.port, stops)
  for (const line of missing) say(line)
  const load = loadProcess()
  stops.push(() => Promise.resolve(load.end()))
  const direct: Subject = {
    id: 'direct',
    title: 'direct to the data holder',
    port: dataHolder.port,
    pid: 0,
    token: 'none',
  }

  const rows = (section: string, traffics: readonly Traffic[]): readonly Traffic[] => {
    const [first, ...others] = traffics
    const named = wanted(section) ? others : others.filter(({ of }) => wanted(of))
    return first && (wanted(section) || named.length > 0) ? [first, ...named] : []
  }
  await closed(load, all, direct, 'Answers of 1 KB', rows('small', SMALL), size.warmRequests)
  await closed(load, all, direct, 'Answers of 60 KB', rows('curve', LARGE), size.warmRequests / 10)
  if (wanted('open')) for (const rate of [500, 2000]) await open(load, all, direct, rate)
  if (wanted('slow')) await slow(load, all)
}

/**
 * Every traffic with every subject in each round. The same subject never has two in a row: what one left to be sealed is
 * sealed while others are measured.
 */
async function closed(
  load: Load,
  all: readonly Subject[],
  direct: Subject,
  title: string,
  traffics: readonly Traffic[],
  enough: number,
): Promise<void> {
  if (traffics.length === 0) return
  const runs: Run[] = []
  const run = (subject: Subject, { asks }: Traffic, seconds: number): Promise<Told> =>
    load.order({ is: 'closed', target: { port: subject.port, asks, token: subject.token }, connections: CONNECTIONS, seconds })
  for (const traffic of traffics)
    for (const subject of thatTake(traffic, all)) await warmed(enough, (seconds) => run(subject, traffic, seconds))
  for (let round = 0; round < size.rounds; round += 1) {
    for (const traffic of traffics) {
      for (const subject of [direct, ...thatTake(traffic, all)]) {
        const before = usedBy(subject)
        const told = await run(subject, traffic, size.seconds)
        const after = usedBy(subject)
        runs.push({
          subject,
          traffic,
          micros: (after.own - before.own) / told.requests,
          redisMicros: (after.redis - before.redis) / told.requests,
          perSecond: told.requests / told.seconds,
          failures: told.failures,
        })
      }
    }
  }
  say(`\n${title}, keep-alive, closed loop; ${CONNECTIONS} connections, ${size.rounds} rounds of ${size.seconds} s, medians`)
  for (const traffic of traffics) await rowsOf(traffic, runs, all, direct)
}

/** A peer knows the requests of one data holder. */
function thatTake(traffic: Traffic, all: readonly Subject[]): readonly Subject[] {
  return all.filter(({ only: one }) => one === undefined || one === traffic.of)
}

function usedBy({ pid, redis }: Subject): Cost {
  return { own: pid === 0 ? 0 : cpuMicros(pid), redis: redis === undefined ? 0 : cpuMicros(redis) }
}

/** What a subject did in one round. */
interface Run {
  readonly subject: Subject
  readonly traffic: Traffic
  readonly micros: number
  readonly redisMicros: number
  readonly perSecond: number
  readonly failures: number
}

async function rowsOf(traffic: Traffic, runs: readonly Run[], all: readonly Subject[], direct: Subject): Promise<void> {
  const of = (id: Subject['id'], pick: (one: Run) => number, of: Traffic['of'] = traffic.of): number =>
    median(runs.filter((one) => one.subject.id === id && one.traffic.of === of).map(pick))
  const cost = (id: Subject['id'], holder?: Traffic['of']): number => of(id, (one) => one.micros, holder)
  const ofRedis = (id: Subject['id']): number => of(id, (one) => one.redisMicros)
  const rate = (id: Subject['id']): string =>
    text(
      of(id, (one) => one.perSecond),
      0,
    ).padStart(10)
  say(`  ${traffic.what}: answers of ${text((await answerBytes(direct, traffic)) / 1024)} KB`)
  say('    CPU µs/request (+ Redis)   × proxy   × Data Connect   requests/s   subject')
  say(`                 –                   –                –   ${rate('direct')}   ${direct.title}`)
  for (const { id, title, redis } of thatTake(traffic, all)) {
    const ratios = [text(cost('proxy') / cost(id), 2).padStart(7), text(cost(id) / cost(id, 'data-connect'), 2).padStart(14)]
    const beside = redis === undefined ? '' : `(+${text(ofRedis(id))})`
    say(`    ${text(cost(id)).padStart(14)} ${beside.padEnd(9)}   ${ratios.join('   ')}   ${rate(id)}   ${title}`)
  }
  const rows = cost('rows') - cost('no-evidence')
  say(`    journal rows (intent + outcome, both durable): ${signed(rows, 1)} µs/request = ${text(rows / cost('proxy'), 2)} of the proxy`)
  const sealing = cost('sealed') - cost('rows')
  say(`    sealing beside it (2 entries a request): ${signed(sealing, 1)} µs/request = ${text(sealing / cost('proxy'), 2)} of the proxy`)
  if (traffic === SMALL[0]) {
    const costOf = (id: Subject['id']): Cost | undefined =>
      all.some((one) => one.id === id) ? { own: cost(id), redis: ofRedis(id) } : undefined
    for (const line of ratioLines(costOf)) say(`    ${line}`)
  }
  const failures = runs.filter((one) => one.traffic.of === traffic.of).reduce((sum, one) => sum + one.failures, 0)
  if (failures > 0) say(`    ${failures} requests FAILED: these figures are void`)
}

/** How long the data holder's own answer is: what a subject makes of it differs by some bytes. */
async function answerBytes({ port }: Subject, { asks: [ask] }: Traffic): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}${ask?.target ?? '/'}`, { method: ask?.post ? 'POST' : 'GET', ...ask?.post })
  return (await answer.arrayBuffer()).byteLength
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
  const asks = SMALL[0]?.asks ?? []
  for (const { port, token } of all)
    await warmed(size.warmRequests, (seconds) =>
      load.order({ is: 'closed', target: { port, asks, token }, connections: CONNECTIONS, seconds }),
    )
  for (let round = 0; round < 3; round += 1) {
    for (const subject of [direct, ...all]) {
      const target = { port: subject.port, asks, token: subject.token }
      seen.set(subject, [...(seen.get(subject) ?? []), await load.order({ is: 'open', target, perSecond, seconds: size.open })])
    }
  }
  const of = (subject: Subject, pick: (told: Told) => number): number => median((seen.get(subject) ?? []).map(pick))
  say(`\nOpen loop, ${perSecond} requests/s, 1 KB; wait in ms from the moment each request was due, medians of 3 rounds of ${size.open} s`)
  say('     p50 (added, × direct)       p99 (added, × direct)   subject')
  for (const subject of [direct, ...all]) {
    const p50 = of(subject, (t) => t.p50)
    const p99 = of(subject, (t) => t.p99)
    const added = (own: number, base: number): string =>
      (subject === direct ? '' : `(${signed(own - base)}, × ${text(own / base)})`).padStart(17)
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
    const target = { port: subject.port, asks: [LONG_CURVE], token: subject.token }
    const told = await load.order({ is: 'slow', target, readers: size.readers, bytesPerSecond: 5 * 1_048_576, seconds: 120 })
    clearInterval(watch)
    const mb = (bytes: number): string => text(bytes / 1_048_576, 0)
    say(`  ${mb(before.rss).padStart(7)} MB   ${`+${mb(peak - before.rss)}`.padStart(9)} MB   ${subject.title}`)
    if (subject.id === 'sealed') say(`    ${besideFigure(FIGURES.slowReaders, (peak - before.rss) / 1_048_576)}`)
    const whole = told.bytes / size.readers / 1_048_576
    if (told.failures > 0 || whole < megabytes * 0.9) say(`           only ${text(whole)} MB a reader came: FAILED`)
  }
}

async function piecesRows(): Promise<void> {
  const permissions = Number(options.permissions ?? size.permissions)
  const told = await printed<Pieces>('pieces.ts', ['--expose-gc'], [String(permissions), String(size.entries), '1000000'])
  say('\nPieces, in a process of their own on one core')
  for (const [name, cost] of Object.entries(told.filter)) {
    say(`  filter of ${name.padEnd(44)} ${text(cost.perKb, 2).padStart(7)} µs/KB = ${text(cost.perKb / told.copyPerKb, 0)} × copying it`)
  }
  const { sealing, verifying } = told
  say(`  sealing ${' '.repeat(46)} ${text(sealing.cpuMicros, 1).padStart(7)} µs/entry CPU, ${text(sealing.perSecond, 0)} entries/s`)
  say(`    of which hashing its bytes once: ${text(told.hashMicros / sealing.cpuMicros, 3)}`)
  say(`    ${besideFigure(FIGURES.sealing, sealing.cpuMicros)}`)
  say(
    `  verifying a published log of ${String(verifying.entries).padEnd(25)} ${text(verifying.perSecond, 0).padStart(7)} entries/s = ${text(verifying.perSecond / sealing.perSecond, 1)} × sealing`,
  )
  say(`    ${besideFigure(FIGURES.verifying, verifying.perSecond)}`)
  const { memory } = told
  const perMillion = (bytes: number): string => `${text(((bytes / memory.permissions) * 1_000_000) / 1_048_576, 0)} MB`
  say(`  memory, measured with ${memory.permissions} permissions of two lines and told for 1,000,000 in proportion:`)
  say(`    registry on disk (ecluse.db + keys.db)          ${perMillion(memory.registryBytes + memory.keysBytes).padStart(8)}`)
  say(`    state thread's process while it holds them      ${perMillion(memory.stateRssBytes).padStart(8)}   (grew by, measured)`)
  say(`    one permission in Redis: ${besideFigure(FIGURES.permissionInRedis, memory.redisBytes)}`)
  if (memory.redisBytes === undefined) say('      scripts/bench-peers installs redis-server')
  const { copies } = told
  say(`  local copies of the gate, with ${copies.permissions} permissions of two lines in them`)
  say(`    ${besideFigure(FIGURES.copiedPermission, copies.bytes)}`)
  say(`    × a JS Map of bare objects (284 B each)          ${text(copies.bytes / 284, 2).padStart(7)}`)
  say('    look-up and decision, µs CPU: of one that lies packed, and of one asked lately')
  const [first] = copies.decisions
  for (const { permissions: count, packedMicros, recentMicros } of copies.decisions) {
    const ratio = first ? ` = × ${text(packedMicros / first.packedMicros, 2)} of that with ${first.permissions}` : ''
    say(`      ${String(count).padStart(9)}   ${text(packedMicros).padStart(6)}${ratio}   ${text(recentMicros).padStart(6)}`)
  }
}
