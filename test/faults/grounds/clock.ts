/** Clocks that jump and come back: those of the gates, or that of PostgreSQL, by which all evidence is dated. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../../harness/postgres.ts'
import { postgresServer } from '../../harness/postgres.ts'
import type { Breakage, Ground } from './ground.ts'
import { CONF, oneOf } from './ground.ts'

const SECOND = 1000
const HOUR = 3600 * SECOND

export async function gateClocks(gates: number): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-clocks-'))
  const server = await postgresServer(CONF)
  await server.start()
  const files = Array.from({ length: gates }, (_, i) => join(folder, String(i)))
  const stepTo = (file: string, ms: number): void => writeFileSync(file, String(ms))
  for (const file of files) stepTo(file, 0)
  /** More than ten minutes is a jump: that gate takes nothing until it is confirmed, or its clock is right again. */
  const off =
    (ms: number): Breakage =>
    async () => {
      const file = oneOf(files)
      stepTo(file, ms)
      await sleep(2 * SECOND)
      stepTo(file, 0)
    }
  return {
    server,
    addressOf: () => ({ host: '127.0.0.1', port: server.port }),
    nodeOf: () => ['--import', join(import.meta.dirname, '..', 'stepped-clock.ts')],
    envOf: (gate) => ({ TEST_CLOCK_FILE: files[gate] ?? '' }),
    async close() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
    breakages: {
      'the clock of a gate an hour ahead': off(HOUR),
      'the clock of a gate an hour back': off(-HOUR),
      'the clock of a gate nine minutes ahead': off(540 * SECOND),
      'the clock of a gate nine minutes back': off(-540 * SECOND),
    },
  }
}

export interface MovedClock {
  readonly server: PostgresServer
  /** So many milliseconds from the machine's. */
  stepTo(ms: number): void
  close(): Promise<void>
}

export async function postgresWithMovedClock(): Promise<MovedClock> {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-clock-'))
  // PostgreSQL runs as a user of its own.
  chmodSync(folder, 0o755)
  const file = join(folder, 'faketimerc')
  const write = (ms: number): void => writeFileSync(file, `${ms < 0 ? '-' : '+'}${Math.abs(ms / SECOND)}\n`)
  write(0)
  const server = await postgresServer(CONF, {
    env: {
      LD_PRELOAD: libfaketime(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
  })
  await server.start()
  return {
    server,
    stepTo(ms) {
      write(ms)
      const ahead = Number(server.sql('SELECT extract(epoch FROM clock_timestamp()) * 1000')) - Date.now()
      if (Math.abs(ahead - ms) > SECOND) throw new Error(`the clock of PostgreSQL is ${ahead} ms off, and not ${ms}`)
    },
    async close() {
      // What libfaketime leaves of a program that is killed.
      for (const left of ['faketime_shm_', 'sem.faketime_sem_']) rmSync(`/dev/shm/${left}${server.pid}`, { force: true })
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function clockOfPostgres(): Promise<Ground> {
  const { server, stepTo, close } = await postgresWithMovedClock()
  const off =
    (ms: number): Breakage =>
    async () => {
      stepTo(ms)
      await sleep(2 * SECOND)
      stepTo(0)
    }
  return {
    server,
    movesClock: true,
    addressOf: () => ({ host: '127.0.0.1', port: server.port }),
    close,
    breakages: {
      'the clock of PostgreSQL an hour back': off(-HOUR),
      'the clock of PostgreSQL an hour ahead': off(HOUR),
      'the clock of PostgreSQL an hour to and fro': async () => {
        for (let i = 0; i < 20; i += 1) stepTo(i % 2 === 0 ? HOUR : 0)
        await Promise.resolve()
      },
    },
  }
}

function libfaketime(): string {
  const found = readdirSync('/usr/lib')
    .map((folder) => join('/usr/lib', folder, 'faketime', 'libfaketime.so.1'))
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error('libfaketime is not installed: apt-get install faketime')
  return found
}
