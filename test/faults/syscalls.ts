/**
 * `npm run syscall-faults [MOST]`: the writer's first MOST calls of fsync, and every third of pwrite64, start and recovery among them,
 * fail or kill it one after the other (strace injects that), always on the same state folder. Whatever the call:
 * after one that failed nothing more is written, not even a WAL folded in; the process ends with a sentence; and the
 * next start has every row that was acknowledged, in a log that verifies and was never forked.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readLog, watchCheckpoints } from './evidence.ts'

const WRITER = join(import.meta.dirname, 'writer.ts')
const ROWS = '60'

export interface SyscallFault {
  readonly call: 'fsync' | 'pwrite64'
  readonly fault: 'EIO' | 'ENOSPC' | 'KILL'
  /** Which call of this kind, from 1, in the thread that makes it. */
  readonly when: number
}

export interface SyscallCounts {
  readonly runs: number
  /** The others made fewer calls than that. */
  readonly hit: number
  readonly acknowledged: number
  readonly checkpoints: number
  readonly entries: number
}

/** Throws on the first thing that does not hold. */
export async function syscallFaults(faults: readonly SyscallFault[], say: (line: string) => void): Promise<SyscallCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-syscalls-'))
  const state = join(folder, 'state')
  const trace = join(folder, 'trace')
  const rows = new Map<number, string>()
  const seen = watchCheckpoints(state)
  let hit = 0
  try {
    for (const [i, fault] of faults.entries()) {
      const run = await underStrace(state, trace, fault)
      for (const [n, id] of run.acknowledged) rows.set(n, id)
      const name = `${fault.call} ${fault.when} ${fault.fault}`
      const flaw = flawOf(fault, run)
      if (flaw !== undefined) throw new Error(`${name}: ${flaw}`)
      if (run.hit) hit += 1
      say(`${name}: ${run.hit ? `ended with ${run.code ?? run.signal}` : 'not reached'}, ${run.acknowledged.length} rows acknowledged`)
      if (i % 10 === 9 || i === faults.length - 1) await expectNothingLost(state, rows)
    }
    seen.stop()
    const log = await readLog(state, false)
    seen.expectPrefixesOf(log)
    return { runs: faults.length, hit, acknowledged: rows.size, checkpoints: seen.count, entries: log.size }
  } finally {
    seen.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Run {
  readonly code: number | null
  readonly signal: string | null
  readonly said: string
  readonly acknowledged: readonly (readonly [number, string])[]
  readonly hit: boolean
  /** Calls that wrote, synced or removed something of a database after the one that failed. */
  readonly after: readonly string[]
  /** SQLite passes over an fsync of the folder that failed; the owner has synced it itself, with both WALs in it. */
  readonly syncedByOwner: boolean
}

async function underStrace(state: string, trace: string, { call, fault, when }: SyscallFault): Promise<Run> {
  const what = fault === 'KILL' ? 'signal=KILL' : `error=${fault}`
  // With the filter in the kernel strace is faster, and injects no signal.
  const begun = existsSync(join(state, 'log'))
  const strace = ['-D', '-f', '-qq', '-y', ...(fault === 'KILL' ? [] : ['--seccomp-bpf']), '-o', trace]
  const watched = ['-e', 'trace=fsync,fdatasync,pwrite64,ftruncate,unlink', '-e', `inject=${call}:${what}:when=${when}`]
  const child = spawn('strace', [...strace, ...watched, process.execPath, WRITER, state, ROWS], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const limit = setTimeout(() => child.kill('SIGKILL'), 60_000)
  await once(child, 'close')
  clearTimeout(limit)
  const lines = readFileSync(trace, 'utf8').split('\n')
  const injected = lines.findIndex((line) => line.includes('(INJECTED)'))
  // A file that is being made has nothing to lose: SQLite empties it again.
  const after =
    injected < 0 || !begun
      ? []
      : lines.slice(injected + 1).filter((line) => /\w+\(.*\.db(-wal)?[>"]/.test(line) && !line.includes('lock.db'))
  const acknowledged = out
    .split('\n')
    .slice(1, -1)
    .map((line) => line.split(' '))
    .map(([n, id]) => [Number(n), id ?? ''] as const)
  const ofFolder = (line: string | undefined): boolean => line?.includes('fsync(') === true && line.includes(`<${state}>`)
  const syncedByOwner = ofFolder(lines[injected]) && lines.some((line) => ofFolder(line) && line.endsWith('= 0'))
  const { exitCode: code, signalCode: signal } = child
  return { code, signal, said, acknowledged, hit: injected >= 0 || signal === 'SIGKILL', after, syncedByOwner }
}

function flawOf({ fault }: SyscallFault, run: Run): string | undefined {
  if (!run.hit) return run.code === 0 ? undefined : `it ended with ${run.code ?? run.signal}: ${run.said}`
  if (fault === 'KILL' || (run.code === 0 && run.syncedByOwner)) return undefined
  if (run.code !== 1 && run.code !== 2) return `it ended with ${run.code ?? run.signal}`
  if (!/then start again; nothing acknowledged is lost\n/.test(run.said)) return `it said ${JSON.stringify(run.said)}`
  return run.after.length > 0 ? `it went on: ${run.after.join('; ')}` : undefined
}

async function expectNothingLost(state: string, rows: ReadonlyMap<number, string>): Promise<void> {
  const again = spawnSync(process.execPath, [WRITER, state, '0'], { encoding: 'utf8' })
  if (again.status !== 0) throw new Error(`the state does not open: ${again.stderr}`)
  const log = await readLog(state, true)
  for (const [n, id] of rows) {
    const found = Object.keys((log.entries[n]?.['counts'] as Record<string, number> | undefined) ?? {})[0]
    if (found !== id) throw new Error(`row ${n} was acknowledged and is not in the log`)
  }
}

/** Each fault at each call, or at each `step`th, no two faults at the same. */
export function faultsUpTo(most: number, step: number): readonly SyscallFault[] {
  const kinds = [
    ['fsync', 'EIO', 0],
    ['fsync', 'KILL', 1],
    ['pwrite64', 'ENOSPC', 0],
    ['pwrite64', 'KILL', 1],
    ['pwrite64', 'EIO', 2],
  ] as const
  return kinds.flatMap(([call, fault, from]) =>
    Array.from({ length: most }, (_, i) => i + 1)
      .filter((n) => n % step === from % step)
      // A start alone has dozens of writes.
      .map((n) => ({ call, fault, when: call === 'pwrite64' ? 3 * n : n })),
  )
}

if (import.meta.main) {
  const counts = await syscallFaults(faultsUpTo(Number(process.argv[2] ?? 40), 1), (line) => process.stdout.write(`${line}\n`))
  process.stdout.write(`${JSON.stringify(counts)}\nheld\n`)
}
