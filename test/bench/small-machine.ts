/**
 * The demo on the share of a Raspberry Pi: one core and 512 MB, by taskset and a memory control group (v1 or v2, as
 * root). Prints how long it takes to be ready, what it answers, and the most memory that it took; fails where an answer
 * is not the one promised or the kernel had to end it. No time is asserted.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const LIMIT = 512 * 1024 * 1024
const root = join(import.meta.dirname, '..', '..')

interface Group {
  readonly folder: string
  readonly peak: () => number
}

function memoryGroup(): Group {
  const own = readFileSync('/proc/self/cgroup', 'utf8')
  const v1 = /^\d+:memory:(.*)$/m.exec(own)?.[1]
  const name = `ecluse-${process.pid}`
  if (v1 !== undefined && existsSync(`/sys/fs/cgroup/memory${v1}`)) {
    const folder = `/sys/fs/cgroup/memory${v1 === '/' ? '' : v1}/${name}`
    mkdirSync(folder)
    writeFileSync(join(folder, 'memory.limit_in_bytes'), String(LIMIT))
    return { folder, peak: () => Number(readFileSync(join(folder, 'memory.max_usage_in_bytes'), 'utf8')) }
  }
  const folder = `/sys/fs/cgroup/${name}`
  mkdirSync(folder)
  writeFileSync(join(folder, 'memory.max'), String(LIMIT))
  return { folder, peak: () => Number(readFileSync(join(folder, 'memory.peak'), 'utf8')) }
}

/** The first of five ports, one after the other: gate, ops, simulator, sample application, console. */
const FIRST_PORT = 18_480

interface Ready {
  readonly requests: readonly {
    readonly method: string
    readonly url: string
    readonly headers: Record<string, string>
    readonly body: string | null
    readonly expect: number
  }[]
}

async function answersOf(ready: Ready): Promise<{ readonly right: number; readonly wrong: number }> {
  const at = (i: number, path: string): string => `http://127.0.0.1:${FIRST_PORT + i}${path}`
  const pages = [at(0, '/'), at(0, '/me'), at(2, '/mon-compte'), at(3, '/'), at(4, '/sign-in')]
  const asked = [...ready.requests, ...pages.map((url) => ({ method: 'GET', url, headers: {}, body: null, expect: 200 }))]
  const statuses = await Promise.all(
    asked.map(({ method, url, headers, body }) => fetch(url, { method, headers, body }).then((r) => r.arrayBuffer().then(() => r.status))),
  )
  const right = statuses.filter((status, i) => status === asked[i]?.expect).length
  return { right, wrong: asked.length - right }
}

const group = memoryGroup()
const megabytes = (bytes: number): number => Math.round(bytes / 1_048_576)
const started = performance.now()
const child = spawn(
  'sh',
  [
    '-c',
    `echo $$ > ${group.folder}/cgroup.procs && exec taskset -c 0 "$0" "$@"`,
    process.execPath,
    'src/cli/main.ts',
    'demo',
    '--json',
    '--port',
    String(FIRST_PORT),
  ],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
)
const ended = once(child, 'exit')
const first = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
if (typeof first[0] !== 'string') throw new Error('the demo ended before it was ready')
const seconds = (performance.now() - started) / 1000
const atStart = megabytes(group.peak())
const { right, wrong } = await answersOf(JSON.parse(first[0]) as Ready)
console.log(
  JSON.stringify({
    readySeconds: Number(seconds.toFixed(2)),
    right,
    wrong,
    peakAtStartMB: atStart,
    peakMB: megabytes(group.peak()),
    limitMB: 512,
  }),
)
child.kill('SIGTERM')
const [code] = await ended
rmdirSync(group.folder)
if (wrong > 0 || code !== 0) process.exitCode = 1
