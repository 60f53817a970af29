/** PostgreSQL on a small disk that fills up, and on one that answers late. */
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../../harness/postgres.ts'
import { postgresServer } from '../../harness/postgres.ts'
import { injectInto } from '../strace.ts'
import type { Breakage, Ground } from './ground.ts'
import { CONF, LONG_MS } from './ground.ts'

const SIZE_MB = 160
export function whyNoSmallDisk(): string | undefined {
  const disk = mkdtempSync(join(tmpdir(), 'ecluse-try-'))
  const why = mounted(disk)
  if (why === undefined) spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
  return why === undefined ? undefined : `no tmpfs can be mounted: ${why}`
}

export async function disk(): Promise<Ground> {
  const path = mkdtempSync(join(tmpdir(), 'ecluse-disk-'))
  const why = mounted(path)
  if (why !== undefined) throw new Error(why)
  // PostgreSQL runs as a user of its own.
  chmodSync(path, 0o755)
  const ballast = join(path, 'ballast')
  const server = await postgresServer([...CONF, 'min_wal_size = 32MB', 'max_wal_size = 48MB'], { within: path })
  await server.start()
  /** As whoever watches over it does: without room, it may have given up. */
  async function roomAgain(): Promise<void> {
    rmSync(ballast, { force: true })
    await sleep(200)
    if (!server.running) await server.start()
  }
  const late =
    (ms: number, forMs: number): Breakage =>
    async () => {
      const slow = await injectInto(server.pids(), `fsync,fdatasync:delay_enter=${ms * 1000}`)
      await sleep(forMs)
      await slow.letGo()
    }
  return {
    server,
    addressOf: () => ({ host: '127.0.0.1', port: server.port }),
    async close() {
      await server.close()
      if (spawnSync('umount', [path]).status !== 0) spawnSync('umount', ['--lazy', path])
      rmSync(path, { recursive: true, force: true })
    },
    breakages: {
      async 'the disk of PostgreSQL full'() {
        fill(ballast)
        await sleep(4000)
        await roomAgain()
      },
      async 'no room for the log of PostgreSQL, which stops'() {
        fill(ballast)
        for (let i = 0; i < 50 && isUp(server); i += 1) await sleep(20)
        await sleep(2000)
        await roomAgain()
      },
      'a disk of PostgreSQL that takes its time': late(300, 4000),
      'a disk of PostgreSQL that does not answer': late(LONG_MS * 2, LONG_MS),
    },
  }
}

/** Undefined, or why it is not. */
function mounted(path: string): string | undefined {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m`, 'tmpfs', path], { encoding: 'utf8' })
  return status === 0 ? undefined : (error?.message ?? stderr.trim())
}

/** To the last byte. */
function fill(file: string): void {
  const fd = openSync(file, 'a')
  try {
    for (let block = 1_048_576; block >= 1;) {
      try {
        writeSync(fd, Buffer.alloc(block))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        block /= 16
      }
    }
  } finally {
    closeSync(fd)
  }
}

/** Has it begin another file of its log. */
function isUp(server: PostgresServer): boolean {
  try {
    server.sql('SELECT pg_switch_wal()')
    return true
  } catch {
    return false
  }
}
