/**
 * The launcher on a real older Node: the machine's own, as for a person whose distribution ships one.
 *
 * Each test starts `bin/ecluse.js` from a folder laid out as npm would lay it out, with a small program in the place of
 * `dist/cli/main.js`, so what is tested is the launcher alone. Where the machine has no older Node the file is skipped.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
const olderNode = findOlderNode()

function findOlderNode(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin']
  return folders
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path))
    .find((path) => Number(/^v(\d+)/.exec(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout)?.[1]) < 26)
}

const PROGRAM = `
import { appendFileSync } from 'node:fs'
const [what, argument] = process.argv.slice(2)
const say = (line) => process.stdout.write(line + '\\n')
if (what === 'about') say(JSON.stringify({ node: process.versions.node, args: process.argv.slice(2), env: process.env.FOR_THE_TEST, launched: process.env.ECLUSE_LAUNCHED ?? null }))
if (what === 'copy') process.stdin.pipe(process.stdout)
if (what === 'exit') process.exit(Number(argument))
if (what === 'die') process.kill(process.pid, argument)
if (what === 'throw') throw new Error('as thrown by the program')
if (what === 'count') {
  let count = 0
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {
    count += 1
    say(signal)
    setTimeout(() => process.exit(count), 700)
  })
  setInterval(() => {}, 1000)
  say('ready ' + process.pid)
}
if (what === 'once') {
  process.once('SIGINT', () => setTimeout(() => process.exit(0), 700))
  setInterval(() => {}, 1000)
  say('ready ' + process.pid)
}
if (what === 'orphan') {
  process.once('SIGTERM', () => { appendFileSync(argument, 'stopped in order'); process.exit(0) })
  setInterval(() => {}, 1000)
  say('ready ' + process.pid)
}
if (what === 'wait') { setInterval(() => {}, 1000); say('ready ' + process.pid) }
`

const folder = mkdtempSync(join(tmpdir(), 'ecluse-launcher-'))
const started = new Set<ChildProcess>()

function layOut(name: string, options: { readonly carried: boolean }): string {
  const modules = join(folder, name, 'node_modules')
  const installed = join(modules, 'ecluse')
  mkdirSync(join(installed, 'dist', 'cli'), { recursive: true })
  cpSync(join(repository, 'bin'), join(installed, 'bin'), { recursive: true })
  cpSync(join(repository, 'package.json'), join(installed, 'package.json'))
  writeFileSync(join(installed, 'dist', 'cli', 'main.js'), PROGRAM)
  if (options.carried) {
    const carried = `node-linux-${process.arch}`
    symlinkSync(join(repository, 'node_modules', carried), join(modules, carried))
  }
  return join(installed, 'bin', 'ecluse.js')
}

interface Started {
  readonly process: ChildProcess
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: NodeJS.Signals | null
    readonly out: string
    readonly err: string
  }>
  /** The process id of the program proper, once it is ready. */
  readonly ready: Promise<number>
}

function start(launcher: string, args: readonly string[], options: { readonly group?: boolean; readonly stdin?: string } = {}): Started {
  if (olderNode === undefined) throw new Error('no older Node on this machine')
  const child = spawn(olderNode, [launcher, ...args], {
    detached: options.group ?? false,
    env: { ...process.env, FOR_THE_TEST: 'kept' },
    stdio: 'pipe',
  })
  started.add(child)
  let out = ''
  let err = ''
  const readiness = Promise.withResolvers<number>()
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
    const pid = /ready (\d+)/.exec(out)?.[1]
    if (pid !== undefined) readiness.resolve(Number(pid))
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
  child.stdin.end(options.stdin ?? '')
  const ended = new Promise<Awaited<Started['ended']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, out, err }))
  })
  return { process: child, ended, ready: readiness.promise }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return false
    throw error
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(50)
  return !isAlive(pid)
}

describe.skipIf(olderNode === undefined)(`on ${olderNode ?? 'an older Node, of which this machine has none'}`, () => {
  let launcher = ''
  beforeAll(() => {
    launcher = layOut('whole', { carried: true })
  })
  afterAll(() => {
    for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  test('the program runs on the carried Node, with the same arguments and environment', async () => {
    const { out, code } = await start(launcher, ['about', '--a=b', 'c d', '']).ended
    expect(JSON.parse(out)).toStrictEqual({ node: '26.10.0', args: ['about', '--a=b', 'c d', ''], env: 'kept', launched: null })
    expect(code).toBe(0)
  })

  test('standard input and output pass through whole', async () => {
    const text = 'é\n'.repeat(200_000)
    const { out } = await start(launcher, ['copy'], { stdin: text }).ended
    expect(out === text, `${out.length} characters of ${text.length} came back`).toBe(true)
  })

  test.each([0, 1, 2, 77])('exit status %i is the launcher’s', async (status) => {
    expect(await start(launcher, ['exit', String(status)]).ended).toMatchObject({ code: status, signal: null })
  })

  test.each(['SIGTERM', 'SIGKILL', 'SIGINT'] as const)('death of the program by %s is the launcher’s', async (signal) => {
    expect(await start(launcher, ['die', signal]).ended).toMatchObject({ code: null, signal })
  })

  test('an error of the program ends it with its stack and status 1', async () => {
    const { code, err } = await start(launcher, ['throw']).ended
    expect(code).toBe(1)
    expect(err).toContain('as thrown by the program')
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)('%s to the launcher reaches the program, once', async (signal) => {
    const program = start(launcher, ['count'])
    await program.ready
    program.process.kill(signal)
    expect(await program.ended).toMatchObject({ code: 1, out: expect.stringContaining(signal) })
  })

  test('a signal to the whole group, as Ctrl-C sends it, counts once', async () => {
    const program = start(launcher, ['count'], { group: true })
    await program.ready
    process.kill(-(program.process.pid ?? 0), 'SIGINT')
    expect((await program.ended).code).toBe(1)
  })

  test('two signals of different names count as two', async () => {
    const program = start(launcher, ['count'], { group: true })
    await program.ready
    process.kill(-(program.process.pid ?? 0), 'SIGINT')
    await sleep(100)
    process.kill(-(program.process.pid ?? 0), 'SIGTERM')
    expect((await program.ended).code).toBe(2)
  })

  test('a program that listens once is not cut short by the second delivery', async () => {
    const program = start(launcher, ['once'], { group: true })
    await program.ready
    process.kill(-(program.process.pid ?? 0), 'SIGINT')
    expect(await program.ended).toMatchObject({ code: 0, signal: null })
  })

  test('a program without a handler dies of the signal', async () => {
    const program = start(launcher, ['wait'])
    await program.ready
    program.process.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ code: null, signal: 'SIGTERM' })
  })

  test('kill -9 of the launcher stops the program in order', async () => {
    const said = join(folder, 'said')
    const program = start(launcher, ['orphan', said])
    const pid = await program.ready
    program.process.kill('SIGKILL')
    await program.ended
    expect(await gone(pid)).toBe(true)
    expect(readFileSync(said, 'utf8')).toBe('stopped in order')
  })

  test('without a carried Node it says what is needed and ends with 2', async () => {
    const { code, err, out } = await start(layOut('bare', { carried: false }), ['about']).ended
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).toMatch(/^ecluse needs Node >= 26; this is Node \d+\.\d+\.\d+, and no Node 26 .* Install Node 26, or .*\n$/)
  })
})
