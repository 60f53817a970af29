/**
 * `npm test` and `npm run check`: types, lint and format, then the tests, each counted; the last line says
 * `N passed, N failed` and nothing else.
 *
 * Guarantees: a run that counted nothing has failed; a test file that does not load, an error outside any test and a
 * process that a test left running are failures; the run ends by itself within LIMIT_MS, and nothing that it started
 * outlives it. `check` leaves out what needs system programs and takes less than a minute.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { obtainSystemPrograms } from './system.ts'

const LIMIT_MS = 37 * 60_000
const repository = join(import.meta.dirname, '..')
/** In the environment of all that the run starts, however deep: by it the run finds what a test left behind. */
const MARK = `ECLUSE_TEST_RUN=${randomUUID()}`

interface Tally {
  passed: number
  failed: number
  skipped: number
  readonly failures: string[]
}

const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
})

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const quick = args[0] === 'check'
  if (args.length > (quick ? 1 : 0)) return unable(`test/run.ts knows only «check», not «${args.join(' ')}»`)
  if (Number(process.versions.node.split('.')[0]) < 26) {
    return unable(`the tests run on Node 26, this is ${process.versions.node}: start them by npm test, after npm ci`)
  }
  if (!quick) {
    const missing = await obtainSystemPrograms(say)
    if (missing !== undefined) return unable(missing)
  }

  const limit = setTimeout(overtime, LIMIT_MS).unref()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopAll(signal))
  const tally: Tally = { passed: 0, failed: 0, skipped: 0, failures: [] }
  await step(tally, 'types', 'tsc', [])
  await step(tally, 'lint', 'oxlint', ['--type-aware'])
  await step(tally, 'format', 'oxfmt', ['--check'])
  await vitest(tally, 'unit')
  if (!quick) await vitest(tally, 'system')
  await nothingLeft(tally)
  clearTimeout(limit)
  return close(tally)
}

async function step(tally: Tally, name: string, command: string, args: readonly string[]): Promise<void> {
  const started = performance.now()
  const { code, output } = await run(command, args, 'held')
  count(tally, code === 0, name)
  if (code !== 0) process.stdout.write(`${output.trimEnd()}\n`)
  say(`${code === 0 ? 'passed' : 'FAILED'}: ${name} (${command}), ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

async function vitest(tally: Tally, project: 'unit' | 'system'): Promise<void> {
  say(`${project} tests`)
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-test-run-'))
  const file = join(folder, 'report.json')
  try {
    const args = ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const { code } = await run('vitest', args, 'shown')
    if (existsSync(file)) countReport(tally, Report.parse(JSON.parse(readFileSync(file, 'utf8'))), project, code)
    else count(tally, false, `${project}: vitest ended with ${code} and wrote no report`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function countReport(tally: Tally, report: z.infer<typeof Report>, project: string, code: number): void {
  const before = tally.failed
  tally.passed += report.numPassedTests
  tally.skipped += report.numPendingTests + report.numTodoTests
  for (const { name, status, assertionResults } of report.testResults) {
    const path = name.replace(`${repository}/`, '')
    const failed = assertionResults.filter((one) => one.status === 'failed')
    for (const one of failed) count(tally, false, `${path}: ${one.fullName}`)
    // A file that does not load, or whose hooks failed, has no failed test of its own.
    if (status === 'failed' && failed.length === 0) count(tally, false, `${path}: the file as a whole`)
  }
  if (code !== 0 && tally.failed === before) count(tally, false, `${project}: an error outside the tests, vitest ended with ${code}`)
  if (report.numPassedTests + report.numFailedTests === 0) count(tally, false, `${project}: no test ran`)
}

async function nothingLeft(tally: Tally): Promise<void> {
  if (!existsSync('/proc/self/environ')) return say('what tests leave running is looked for on Linux only')
  // What was told to end may need a moment to be gone.
  for (let i = 0; i < 20 && marked().length > 0; i++) await sleep(100)
  const left = marked()
  count(tally, left.length === 0, `left running: ${left.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`)
  for (const { pid } of left) kill(pid)
}

function close(tally: Tally): number {
  if (tally.passed + tally.failed === 0) count(tally, false, 'nothing was run')
  if (tally.failures.length > 0) say(`failed:\n${tally.failures.map((one) => `  ${one}`).join('\n')}`)
  say(`${tally.passed} passed, ${tally.failed} failed${tally.skipped > 0 ? `, ${tally.skipped} skipped` : ''}`)
  return tally.failed === 0 ? 0 : 1
}

function count(tally: Tally, passed: boolean, name: string): void {
  if (passed) tally.passed += 1
  else {
    tally.failed += 1
    tally.failures.push(name)
  }
}

function run(
  command: string,
  args: readonly string[],
  output: 'shown' | 'held',
): Promise<{ readonly code: number; readonly output: string }> {
  const [name, value] = MARK.split('=') as [string, string]
  const path = [join(repository, 'node_modules', '.bin'), process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter)
  const child = spawn(command, args, {
    cwd: repository,
    env: { ...process.env, PATH: path, [name]: value },
    stdio: output === 'shown' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal === null ? text : `${text}\nended by ${signal}` }))
  })
}

function marked(): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .flatMap((pid) => {
      try {
        const ours = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(MARK)
        return ours ? [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }] : []
      } catch (error) {
        // Gone since the folder was read, or another user's: neither is ours.
        if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(error.code))) return []
        throw error
      }
    })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function overtime(): void {
  for (const { pid } of marked()) kill(pid)
  say(`stopped: the run took more than ${LIMIT_MS / 60_000} minutes`)
  say('0 passed, 1 failed')
  process.exit(1)
}

function stopAll(signal: NodeJS.Signals): void {
  for (const { pid } of marked()) kill(pid)
  // The listener is gone (`once`): this time the signal does what it does to any program.
  process.kill(process.pid, signal)
}

function unable(why: string): number {
  process.stderr.write(`${why}\n`)
  return 2
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
