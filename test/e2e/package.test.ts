/**
 * What `npm pack` makes, installed as a stranger would: into an empty folder, by the machine's own npm, then run.
 *
 * Node strips no types from files under node_modules, so an import of a `.ts` file, or a worker started from one, fails
 * here and nowhere else. Source: https://nodejs.org/api/typescript.html#type-stripping-in-dependencies
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

const repository = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'ecluse-package-'))
const installed = join(folder, 'node_modules', 'ecluse')
/** The path without the project's own Node 26: what follows must not lean on it. */
const PATH = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((one) => !one.includes('node_modules'))
  .join(delimiter)
/** Without what an outer npm says of its own project: this one must find its folder by itself. */
const outer = /^(npm_(package|lifecycle|command|execpath|node_execpath|config_(local_prefix|call))|INIT_CWD$|NODE$)/
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name))),
  PATH,
  TMPDIR: folder,
}

const Ready = z.object({
  gate: z.string(),
  ops: z.string(),
  sandbox: z.string(),
  state: z.string(),
  requests: z.array(
    z.object({
      name: z.string(),
      method: z.string(),
      url: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.string().nullish(),
      expect: z.int(),
    }),
  ),
})

function run(
  command: string,
  args: readonly string[],
  cwd: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 240_000 })
}

function files(of: string): string[] {
  return readdirSync(of, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(of.length + 1))
}

beforeAll(() => {
  // npm itself puts the project's Node 26 first when it runs `prepack`, whatever Node runs npm.
  const packed = run('npm', ['pack', '--pack-destination', folder], repository)
  if (packed.status !== 0) throw new Error(`npm pack: ${packed.stdout}${packed.stderr}`)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
  const added = run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`], folder)
  if (added.status !== 0) throw new Error(`npm install: ${added.stdout}${added.stderr}`)
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true }))

test('it holds what runs and what is read, and nothing else', () => {
  const held = files(installed).filter((path) => !path.startsWith('node_modules/'))
  expect(held).toContain('LICENSE')
  expect(held).toContain('bin/ecluse.js')
  expect(held).toContain('dist/cli/main.js')
  expect(held).toContain('config/demo.yaml')
  expect(
    held.filter((path) => !/^(bin|dist|config|deploy|docs)\/|^(package\.json|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE)$/.test(path)),
  ).toStrictEqual([])
  expect(held.filter((path) => /\.ts$|\.map$|\.pem$|\.key$|\.db/.test(path))).toStrictEqual([])
})

test('nothing that runs names a .ts file outside the choice that follows the entry’s extension', () => {
  const naming = files(join(installed, 'dist'))
    .filter((path) => path.endsWith('.js'))
    .flatMap((path) =>
      readFileSync(join(installed, 'dist', path), 'utf8')
        .split('\n')
        .map((line) => `${path}: ${line.trim()}`),
    )
    .filter((line) => /['"]\.{1,2}\/[^'"]*\.ts['"]/.test(line) && !line.includes("endsWith('.ts')") && !/: (\*|\/\/)/.test(line))
  expect(naming).toStrictEqual([])
})

test('npx ecluse --version says the version, on the machine’s own Node', () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const { status, stdout, stderr } = run('npx', ['--no-install', 'ecluse', '--version'], folder)
  expect({ status, stdout: stdout.trim() }, stderr).toStrictEqual({ status: 0, stdout: expect.stringContaining(version) })
})

test('it starts workers, so that the demo below shows them to run from under node_modules', () => {
  // The rule of the house: new Worker(new URL(import.meta.url.endsWith('.ts') ? './x.ts' : './x.js', import.meta.url))
  const workers = files(join(installed, 'dist')).filter((path) =>
    readFileSync(join(installed, 'dist', path), 'utf8').includes('new Worker('),
  )
  expect(workers.length).toBeGreaterThan(0)
})

describe('the demo', () => {
  let demo: ChildProcess
  let ready: z.infer<typeof Ready>
  beforeAll(async () => {
    const work = join(folder, 'elsewhere')
    mkdirSync(work)
    demo = spawn(join(folder, 'node_modules', '.bin', 'ecluse'), ['demo', '--json', '--port', '0'], {
      cwd: work,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (demo.stdout === null) throw new Error('no output to read')
    const ended = new Promise<never>((_resolve, reject) => demo.once('exit', (code) => reject(new Error(`the demo ended with ${code}`))))
    const lines = createInterface({ input: demo.stdout })[Symbol.asyncIterator]()
    const line = await Promise.race([lines.next(), ended])
    ended.catch(() => undefined) // it ends at SIGTERM below
    ready = Ready.parse(JSON.parse(String(line.value)))
  }, 30_000)
  afterAll(() => {
    if (demo.exitCode === null && demo.signalCode === null) demo.kill('SIGKILL')
  })

  test('answers each of its requests as it says, and each answer names its evidence', async () => {
    expect(ready.requests.map(({ name }) => name)).toEqual(expect.arrayContaining(['allowed', 'narrowed', 'refused']))
    for (const { name, method, url, headers, body, expect: status } of ready.requests) {
      const answer = await fetch(url, { method, headers, ...(typeof body === 'string' && { body }) })
      await answer.arrayBuffer()
      expect({ name, status: answer.status }).toStrictEqual({ name, status })
      expect(answer.headers.get('audit-entry'), name).not.toBeNull()
    }
  })

  test('stops in order on SIGTERM', async () => {
    expect(existsSync(ready.state)).toBe(true)
    const ended = new Promise((resolve) => demo.once('exit', (code, signal) => resolve({ code, signal })))
    demo.kill('SIGTERM')
    expect(await ended).toStrictEqual({ code: 0, signal: null })
  })
})
