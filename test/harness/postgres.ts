/**
 * PostgreSQL for tests: the real server, as a user of its own (it refuses to run as root), in a folder of its own, on a port
 * that stays the same when it is killed and started again.
 */
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresSettings } from '../../src/storage/postgres.ts'
import { freePort } from './redis.ts'

export interface PostgresServer {
  readonly port: number
  readonly folder: string
  readonly pid: number
  readonly running: boolean
  /** Of the postmaster and all that it started. */
  pids(): readonly number[]
  start(): Promise<void>
  /** SIGKILL of the postmaster and all that it started: as a power cut leaves it, but for the page cache. */
  kill(): Promise<void>
  /** Whoever comes from there, without a password. Before it starts. */
  admit(network: string): void
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** A schema of its own: several instances share one server. */
  settings(schema: string, change?: Partial<PostgresSettings>): PostgresSettings
  /** Over its socket in the file system, whatever becomes of the network. */
  sql(text: string): string
  close(): Promise<void>
}

const BIN = binaries()
const USER = process.getuid?.() === 0 ? userNamed('postgres') : undefined

/** What a settings file says of it. */
export function postgresTree(port: number, schema: string): Record<string, string | number> {
  return { host: '127.0.0.1', port, database: 'postgres', user: 'ecluse', schema }
}

export interface PostgresPlace {
  /** Fills the folder, in place of a new cluster. */
  readonly from?: (folder: string) => void
  /** Where the folder is made. */
  readonly within?: string
  /** Words before the program's own, which end in another program: `ip netns exec …`. They run as whoever runs the test. */
  readonly prefix?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** @param conf lines for postgresql.conf */
export async function postgresServer(
  conf: readonly string[] = [],
  { from, within = tmpdir(), prefix = [], env }: PostgresPlace = {},
): Promise<PostgresServer> {
  const port = await freePort()
  const folder = mkdtempSync(join(within, 'ecluse-postgres-'))
  chmodSync(folder, 0o700)
  if (USER) chownSync(folder, USER.uid, USER.gid)
  if (from) from(folder)
  else
    run('initdb', ['--pgdata', folder, '--auth', 'trust', '--username', 'ecluse', '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'])
  writeFileSync(
    join(folder, 'postgresql.auto.conf'),
    [
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${folder}'`,
      'max_connections = 40',
      'shared_buffers = 32MB',
      // In the folder: of a server that is killed, nothing stays in /dev/shm.
      'dynamic_shared_memory_type = mmap',
      'fsync = on',
      'logging_collector = off',
      'timezone = UTC',
      ...conf,
    ].join('\n'),
  )
  let child: ChildProcess | undefined
  const server: PostgresServer = {
    port,
    folder,
    get pid() {
      return child?.pid ?? 0
    },
    get running() {
      return child !== undefined && child.exitCode === null && child.signalCode === null
    },
    pids: () => (child?.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid)]),
    async start() {
      const [command, ...args] = [...prefix, ...(prefix.length > 0 ? asUser() : []), join(BIN, 'postgres'), '-D', folder]
      child = spawn(command, args, {
        stdio: 'ignore',
        detached: true,
        env: { ...process.env, ...env },
        ...(prefix.length === 0 && USER),
      })
      for (let tried = 0; ; tried += 1) {
        const { status } = spawnSync(join(BIN, 'pg_isready'), ['-q', '-h', folder, '-p', String(port), '-U', 'ecluse', '-d', 'postgres'])
        if (status === 0) return
        if (tried > 600 || child.exitCode !== null) throw new Error('PostgreSQL did not start')
        await sleep(50)
      }
    },
    async kill() {
      if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      const children = childrenOf(child.pid)
      for (const pid of [child.pid, ...children]) killOne(pid)
      await ended
      while (children.some((pid) => existsSync(`/proc/${pid}/stat`) && !isZombie(pid))) await sleep(5)
      rmSync(join(folder, 'postmaster.pid'), { force: true })
    },
    admit: (network) => appendFileSync(join(folder, 'pg_hba.conf'), `host all all ${network} trust\n`),
    signal(name) {
      for (const pid of server.pids()) process.kill(pid, name)
    },
    settings: (schema, change) => ({
      host: '127.0.0.1',
      port,
      database: 'postgres',
      user: 'ecluse',
      schema,
      synchronousCommit: 'on',
      applicationName: 'ecluse test',
      connectTimeoutMs: 2000,
      statementTimeoutMs: 10_000,
      ...change,
    }),
    sql: (text) =>
      execFileSync('psql', ['-h', folder, '-p', String(port), '-U', 'ecluse', '-d', 'postgres', '-Atqc', text], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        // A standby may hear of it through this very process, which waits here.
        env: { ...process.env, PGOPTIONS: '-c synchronous_commit=local' },
      }).trim(),
    async close() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return server
}

/** For what root has to begin. */
function asUser(): readonly string[] {
  return USER ? ['setpriv', `--reuid=${USER.uid}`, `--regid=${USER.gid}`, '--clear-groups', '--'] : []
}

/** The cluster that listens on `port`, copied into an empty folder. */
export function baseBackup(port: number, to: string): void {
  run('pg_basebackup', ['--pgdata', to, '-h', '127.0.0.1', '-p', String(port), '-U', 'ecluse', '--checkpoint', 'fast', '--no-sync'])
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(join(BIN, program), args, { encoding: 'utf8', ...USER })
  if (status !== 0) throw new Error(`${program}: ${stderr}`)
}

function binaries(): string {
  // A folder without the server is of a client of another version.
  const servers = globSync('/usr/lib/postgresql/*/bin/postgres').toSorted((a, b) => Number(b.split('/')[4]) - Number(a.split('/')[4]))
  return servers[0] === undefined ? '/usr/bin' : dirname(servers[0])
}

function userNamed(name: string): { readonly uid: number; readonly gid: number } {
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
  return stdout.split('\n').filter(Boolean).map(Number)
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error
  }
}

function isZombie(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() === '' || stdout.trim().startsWith('Z')
}
