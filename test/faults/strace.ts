/** strace on a gate that runs, and its trace as calls in the order in which they happened. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

export interface Strace {
  letGo(): Promise<void>
}

/** Writes down these calls of all threads. Descriptors come with their path. */
export function traceCalls(pid: number, file: string, calls: string): Promise<Strace> {
  return attach([pid], ['-y', '-s', '160', '-o', file, '-e', `trace=${calls}`])
}

/** A fault in calls of fsync, as strace's `inject` has it. */
export function injectInto(pids: number | readonly number[], injection: string): Promise<Strace> {
  return attach([pids].flat(), ['-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', `inject=${injection}`])
}

async function attach(pids: readonly number[], args: readonly string[]): Promise<Strace> {
  const strace = spawn('strace', ['-f', ...pids.flatMap((pid) => ['-p', String(pid)]), ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (pids.every((pid) => new RegExp(`^strace: Process ${pid} (attached|.*threads)`, 'm').test(said))) resolve()
    })
    strace.once('exit', () => reject(new Error(`strace could not attach: ${said}`)))
  })
  return {
    async letGo() {
      if (strace.exitCode !== null || strace.signalCode !== null) return
      strace.kill('SIGTERM')
      await once(strace, 'exit')
    },
  }
}

export interface TracedCall {
  readonly text: string
  /** Line of the trace at which it began, and at which it was done. */
  readonly began: number
  readonly done: number
}

/** Calls of all threads; one that another thread's call interrupted in the trace is put together again. */
export function callsIn(file: string): readonly TracedCall[] {
  const open = new Map<string, { readonly text: string; readonly began: number }>()
  const calls: TracedCall[] = []
  for (const [line, whole] of readFileSync(file, 'utf8').split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(whole) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)
    const started = open.get(thread)
    if (text.endsWith('<unfinished ...>')) open.set(thread, { text: text.slice(0, -'<unfinished ...>'.length), began: line })
    else if (resumed && started) calls.push({ text: started.text + (resumed[1] ?? ''), began: started.began, done: line })
    else calls.push({ text, began: line, done: line })
  }
  return calls
}
