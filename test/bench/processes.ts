/** Processes of the benchmark: started on a core of their own, read from /proc, ended by their id. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Order, Told } from './load.ts'

/** The subject has the first core; load and data holder share the second. */
export function pinned(core: 'subject' | 'load'): readonly string[] {
  if (availableParallelism() < 2 || !existsSync('/usr/bin/taskset')) return []
  return ['taskset', '-c', core === 'subject' ? '0' : '1']
}

/** Starts a script of this folder and waits for the JSON line that it prints when it is ready. */
export async function started(
  core: 'subject' | 'load',
  script: string,
  args: readonly string[],
  stdin?: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly child: ChildProcess; readonly ready: Readonly<Record<string, number>> }> {
  const [command = '', ...rest] = [...pinned(core), process.execPath, join(import.meta.dirname, script), ...args]
  const child = spawn(command, rest, { stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'], env })
  child.stdin?.end(stdin)
  const ready = await new Promise<Readonly<Record<string, number>>>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) =>
      resolve(JSON.parse(line) as Record<string, number>),
    )
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it was ready`)))
  })
  return { child, ready }
}

/** Runs a script of this folder to its end, on the subject's core, and reads the one JSON line that it prints. */
export async function printed<T>(script: string, node: readonly string[], args: readonly string[]): Promise<T> {
  const [command = '', ...rest] = [...pinned('subject'), process.execPath, ...node, join(import.meta.dirname, script), ...args]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, code] = await Promise.all([text(child.stdout), new Promise<number | null>((resolve) => child.once('close', resolve))])
  if (code !== 0) throw new Error(`${script} ended with ${code}`)
  return JSON.parse(output) as T
}

/** Ends a process of ours, by its id, and waits until it is gone. */
export async function ended(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

export interface Load {
  order(order: Order): Promise<Told>
  end(): void
}

export function loadProcess(): Load {
  const [command, ...rest] = [...pinned('load'), process.execPath, join(import.meta.dirname, 'load.ts')]
  const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    order: (order) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error('the load has ended'))
        child.once('exit', onExit)
        child.once('message', (told) => {
          child.off('exit', onExit)
          resolve(told as Told)
        })
        child.send(order)
      }),
    end: () => void child.kill('SIGKILL'),
  }
}

/** Microseconds of CPU that a process, all its threads and all its children have used; in steps of 10 ms. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in brackets may hold anything; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system, usersOfEnded, systemOfEnded] = [11, 12, 13, 14].map((i) => Number(fields[i]))
  const own = ((user ?? 0) + (system ?? 0) + (usersOfEnded ?? 0) + (systemOfEnded ?? 0)) * TICK_MICROS
  return childrenOf(pid).reduce((sum, child) => sum + ofChild(child), own)
}

/** One that has ended meanwhile: its parent's count has it once it is waited for. */
function ofChild(pid: number): number {
  try {
    return cpuMicros(pid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH') return 0
    throw error
  }
}

/** `_SC_CLK_TCK` is 100 on every Linux that Node runs on. */
const TICK_MICROS = 10_000

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .map(Number)
      .filter((child) => child > 0),
  )
}

/** Of the process alone, in bytes: what it holds now, and the most that it held since `resetPeak`. */
export function memoryOf(pid: number): { readonly rss: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { rss: field('VmRSS'), peak: field('VmHWM') }
}
