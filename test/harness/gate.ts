/**
 * A gate for tests: the whole of it, with its state thread, in this process (`aGate`) or as `ecluse serve` in a process
 * of its own (`aGateProcess`), in front of a scripted data holder. Nothing of ours is mocked.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type pino from 'pino'
import type { RunningGate } from '../../src/main.ts'
import { startGate } from '../../src/main.ts'
import { callControl } from '../../src/ops/control.ts'
import { loggerTo } from '../../src/runtime/logger.ts'
import { readSettings } from '../../src/settings/settings.ts'
import type { Canaries } from './canary.ts'
import { canaries } from './canary.ts'
import type { FakeHolder } from './holder.ts'
import { fakeHolder, HOLDER_TOKEN } from './holder.ts'
import { postgresTree } from './postgres.ts'
import type { Client, PermissionWish, Tree } from './settings.ts'
import { METER, permissionTree, secretsOf, settingsTree, settingsYaml } from './settings.ts'

const repository = join(import.meta.dirname, '..', '..')

export type Entry = { readonly n: number; readonly t: string; readonly at: string; readonly [field: string]: unknown }

/** What a test does to a gate, wherever it runs. */
export interface GateHandle {
  readonly url: string
  readonly port: number
  readonly ops: string
  readonly folder: string
  readonly state: string
  readonly config: string
  readonly env: Record<string, string>
  /** Runs an operator's command as the control socket does. Rejects with its sentence. */
  command<T>(name: string, args: unknown): Promise<T>
  permit(...wishes: readonly PermissionWish[]): Promise<void>
  /** A consent token of the client, for all that it holds or for the permissions named. */
  token(client?: Client, permissions?: readonly string[]): Promise<string>
  /** All entries of all logs, once everything of this gate is sealed. */
  entries(): Promise<readonly Entry[]>
}

export interface GateOptions {
  /** Changes the settings before the gate reads them. */
  readonly change?: (tree: Tree) => void
  readonly holder?: FakeHolder
  readonly holderUrl?: string
  /** Secrets of an earlier gate, to start again on its folder. */
  readonly env?: Record<string, string>
  readonly folder?: string
}

export interface TestGate extends GateHandle {
  readonly holder: FakeHolder
  readonly gate: RunningGate
  /** Lines of the operational log. */
  readonly log: string[]
  readonly fatal: string[]
  stop(): Promise<void>
}

export async function aGate(options: GateOptions = {}): Promise<TestGate> {
  const holder = options.holder ?? (await fakeHolder())
  const laid = layOut(options, options.holderUrl ?? holder.url)
  const accepted = await readSettings(laid.config, laid.env)
  if (!accepted.ok) throw new Error(`the settings of the test have mistakes: ${JSON.stringify(accepted.mistakes)}`)
  const log: string[] = []
  const fatal: string[] = []
  const gate = await startGate({
    accepted,
    file: laid.config,
    env: laid.env,
    log: loggerTo(accepted.settings.logging.level, 'test', { write: (line: string) => void log.push(line) } as pino.DestinationStream),
    onFatal: (why) => void fatal.push(why),
  })
  const commands: Readonly<Record<string, (args: never) => Promise<unknown>>> = gate.commands
  const handle = handleOf(laid, gate.url, gate.ops, async <T>(name: string, args: unknown): Promise<T> => {
    const command = commands[name]
    if (!command) throw new Error(`no command ${name}`)
    return (await command(args as never)) as T
  })
  return {
    ...handle,
    holder,
    gate,
    log,
    fatal,
    async stop() {
      const metrics = await fetch(`${gate.ops}/metrics`).then((r) => r.text())
      await gate.stop()
      laid.secret.searchText('the log', log.join(''))
      laid.secret.searchText('the metrics', metrics)
      if (fatal.length === 0) laid.secret.searchFolder(laid.state)
      if (!options.holder) await holder.close()
      if (!options.folder) rmSync(laid.folder, { recursive: true, force: true })
    },
  }
}

export interface GateProcess extends GateHandle {
  readonly child: ChildProcess
  /** What it wrote on standard output and error. */
  readonly output: () => string
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>
  /** SIGKILL, and nothing more. */
  kill(): Promise<void>
}

/** `ecluse serve` as a process. The folder stays until `removeFolder`: a test starts again on it. */
export async function aGateProcess(
  options: GateOptions & {
    readonly args?: readonly string[]
    readonly prefix?: readonly string[]
    readonly node?: readonly string[]
    /** The process as soon as it exists, for a test that does not wait until it is ready. */
    readonly onSpawn?: (child: ChildProcess) => void
  } = {},
): Promise<GateProcess> {
  if (options.holderUrl === undefined && options.holder === undefined) throw new Error('a gate process needs a holder')
  const laid = layOut(options, options.holderUrl ?? options.holder?.url ?? '')
  const main = join(repository, 'src', 'cli', 'main.ts')
  const words = [
    process.execPath,
    ...(options.node ?? []),
    main,
    'serve',
    '--config',
    laid.config,
    '--drain-ms',
    '0',
    ...(options.args ?? []),
  ]
  const [command = '', ...args] = [...(options.prefix ?? []), ...words]
  const child = spawn(command, args, { env: { ...process.env, ...laid.env }, stdio: ['ignore', 'pipe', 'pipe'] })
  options.onSpawn?.(child)
  let output = ''
  const ready = new Promise<{ readonly url: string; readonly ops: string }>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        output += `${line}\n`
        const at = /"url":"([^"]+)","ops":"([^"]+)"/.exec(line)
        if (at) resolve({ url: at[1] ?? '', ops: at[2] ?? '' })
      })
    }
    child.once('exit', (code, signal) => reject(new Error(`the gate ended with ${code ?? signal} before it was ready: ${output}`)))
  })
  const { url, ops } = await ready
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  return {
    ...handleOf(laid, url, ops, async <T>(name: string, args2: unknown): Promise<T> => {
      const said = await callControl(laid.state, name, args2)
      if (!said?.ok) throw new Error(said?.error ?? 'no gate answers')
      return said.value as T
    }),
    child,
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      const code = await ended
      laid.secret.searchText('the output', output)
      if (code === 0) laid.secret.searchFolder(laid.state)
      return code
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

export function removeFolder(gate: GateHandle): void {
  rmSync(gate.folder, { recursive: true, force: true })
}

/** Set, the tests of one gate run on a PostgreSQL that is there already: `TEST_POSTGRES_PORT=5555 vitest run --project system test/e2e`. */
const ON_POSTGRES = process.env['TEST_POSTGRES_PORT']

/** A schema for each folder: whoever starts again on it finds its state. */
function onPostgres(port: number, folder: string): Tree {
  const schema = `t_${createHash('sha256').update(folder).digest('hex').slice(0, 20)}`
  return postgresTree(port, schema)
}

interface LaidOut {
  readonly folder: string
  readonly state: string
  readonly config: string
  readonly env: Record<string, string>
  readonly secret: Canaries
}

function layOut({ change, env, folder: given }: GateOptions, holderUrl: string): LaidOut {
  const folder = given ?? mkdtempSync(join(tmpdir(), 'ecluse-gate-'))
  const beside = join(folder, 'state')
  const config = join(folder, 'ecluse.yaml')
  mkdirSync(folder, { recursive: true })
  const tree = settingsTree(holderUrl, beside)
  // A gate process tells where it listens in its log, at this level.
  tree['logging'] = { level: 'info' }
  if (ON_POSTGRES !== undefined) tree['storage'] = { postgres: onPostgres(Number(ON_POSTGRES), folder) }
  change?.(tree)
  // A test may put it on another disk.
  const { state } = tree['instance'] as { readonly state: string }
  writeFileSync(config, settingsYaml(tree))
  const secrets = env ?? secretsOf()
  const secret = canaries()
  secret.add(METER, HOLDER_TOKEN, ...Object.values(secrets))
  return { folder, state, config, env: secrets, secret }
}

function handleOf(laid: LaidOut, url: string, ops: string, command: GateHandle['command']): GateHandle {
  return {
    ...laid,
    url,
    port: Number(new URL(url).port),
    ops,
    command,
    async permit(...wishes) {
      const trees = wishes.map(permissionTree)
      for (const { meter, holder } of trees as { meter: string; holder: { reference: string; name?: string } }[])
        laid.secret.add(meter.slice(4), holder.reference, holder.name ?? '')
      const text = JSON.stringify({ permissions: trees })
      const done = await command<{ ok: boolean; mistakes?: unknown }>('permission import', {
        text,
        documents: {},
        dryRun: false,
        unverified: true,
      })
      if (!done.ok) throw new Error(`the permissions of the test have mistakes: ${JSON.stringify(done.mistakes)}`)
    },
    async token(client = 'viriya', permissions) {
      const { token } = await command<{ token: string }>('token issue', { client, ...(permissions && { permissions }) })
      laid.secret.add(token)
      return token
    },
    async entries() {
      await command('audit drain', {})
      const rows = await command<readonly { readonly entry: string }[]>('audit rows', { from: 0, limit: 10_000_000 })
      return rows.map((row) => JSON.parse(row.entry) as Entry)
    },
  }
}

/** A curve of the meter as a 2026 client asks for it. */
export function curve(meter: string, from: string, until: string): string {
  return `/mesure_synchrone_auto/v2/courbe_de_charge_consommation?pointId=${meter}&dateDebut=${from}&dateFin=${until}`
}

export function bearer(token: string): { readonly headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${token}` } }
}
