/** The machine under an instance: its clock, its state folder and the disk that this lies on. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Millis } from './domain/time.ts'
import { rfc3339 } from './domain/time.ts'
import { callControl } from './ops/control.ts'
import { PLAUSIBLE_SINCE } from './runtime/clock.ts'
import { lockIsFree, openForReading } from './storage/sqlite.ts'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok, warn } from './ops/finding.ts'
import type { Settings } from './settings/shape.ts'

/** A gate that is alive answers at once. */
export const CONTROL_MS = 3000
const CLOCK_TOLERANCE_MS = 600_000
const FSYNCS = 20
/** No disk that writes through is faster; one that is slower makes each request wait. */
const FAST_FSYNC_MS = 0.02
const SLOW_FSYNC_MS = 50
const MIB = 1_048_576
/** `statfs` types (Linux magic.h): in memory; on the network, where SQLite's locks and fsync keep no promise; somebody's program. */
const FILE_SYSTEMS: ReadonlyMap<number, readonly [name: string, standing: 'memory' | 'network' | 'program']> = new Map([
  [0x01021994, ['tmpfs', 'memory']],
  [0x858458f6, ['ramfs', 'memory']],
  [0x6969, ['NFS', 'network']],
  [0xff534d42, ['CIFS', 'network']],
  [0xfe534d42, ['SMB', 'network']],
  [0x01021997, ['9p', 'network']],
  [0x65735546, ['FUSE', 'program']],
] as const)

export function clock({ instance }: Settings, now: Millis = Date.now() as Millis): Finding[] {
  const set = 'set the clock, or start its time service (timedatectl set-ntp true)'
  if (now < PLAUSIBLE_SINCE) return [fail('clock', `it says ${rfc3339(now)}, which cannot be`, set)]
  const last = lastEntry(instance.state)
  if (last !== undefined && now < last - CLOCK_TOLERANCE_MS) {
    return [fail('clock', `it says ${rfc3339(now)}, and the last entry was written at ${rfc3339(last)}: the gate does not start`, set)]
  }
  if (existsSync('/run/systemd/timesync') && !existsSync('/run/systemd/timesync/synchronized')) {
    return [warn('clock', `it says ${rfc3339(now)}, and systemd-timesyncd has not compared it yet`, 'see timedatectl')]
  }
  return [ok('clock', `it says ${rfc3339(now)}${last === undefined ? '' : `, after the last entry (${rfc3339(last)})`}`)]
}

function lastEntry(state: string): Millis | undefined {
  const file = join(state, 'ecluse.db')
  if (!existsSync(file)) return undefined
  const db = openForReading(file)
  try {
    const row = db.prepare('SELECT max(at) AS at FROM (SELECT max(at) AS at FROM entry UNION ALL SELECT max(at) AS at FROM journal)').get()
    return typeof row?.['at'] === 'number' ? (row['at'] as Millis) : undefined
  } finally {
    db.close()
  }
}

export async function stateFolder({ instance }: Settings): Promise<Finding[]> {
  const folder = instance.state
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (!stats) {
    const parent = existingAbove(folder)
    return [
      canWrite(parent)
        ? ok('state', `${folder} does not exist yet: the first start makes it`)
        : fail(
            'state',
            `${folder} does not exist, and ${parent} cannot be written to`,
            `make the folder, with mode 0700, for the user of the gate`,
          ),
    ]
  }
  if (!stats.isDirectory()) return [fail('state', `${folder} is not a folder`, 'see instance.state in the settings')]
  const found: Finding[] = []
  const me = process.getuid?.()
  if (!canWrite(folder))
    found.push(
      fail('state', `${folder} cannot be written to by this user`, 'run the command as the user of the gate, or give the folder to it'),
    )
  else if (me !== undefined && stats.uid !== me) {
    found.push(
      warn(
        'state',
        `${folder} belongs to user ${stats.uid}, and this is user ${me}`,
        'run gate and commands as one user, or their files lock each other out',
      ),
    )
  }
  if ((stats.mode & 0o077) !== 0)
    found.push(warn('state', `${folder} can be reached by others (mode ${octal(stats.mode)})`, `chmod 700 ${folder}`))
  for (const name of readdirSync(folder).filter((one) => /\.(db|db-wal|bak|sock)$|^control/.test(one))) {
    const { mode } = statSync(join(folder, name))
    if ((mode & 0o077) !== 0)
      found.push(fail('state', `${join(folder, name)} can be read by others (mode ${octal(mode)})`, `chmod 600 ${join(folder, name)}`))
  }
  return [...found, ...(found.length === 0 ? [ok('state', `${folder} belongs to this user alone`)] : []), await owner(folder)]
}

/** Who has the folder: a gate that answers, nobody, or somebody who does not answer. */
async function owner(folder: string): Promise<Finding> {
  const answer = await callControl(folder, 'status', {}, CONTROL_MS).catch(() => undefined)
  if (answer?.ok) return ok('lock', `a gate runs on ${folder}`)
  if (!existsSync(join(folder, 'lock.db')) || lockIsFree(folder)) return ok('lock', 'no gate runs, and the folder is free')
  return fail(
    'lock',
    `another process owns ${folder} and does not answer on its control socket`,
    'find it (fuser lock.db) and stop it, or wait until it has started',
  )
}

export function disk({ instance, evidence }: Settings): Finding[] {
  const folder = existingAbove(instance.state)
  const { type, bavail, bsize } = statfsSync(folder)
  const found: Finding[] = []
  const [name, standing] = FILE_SYSTEMS.get(type) ?? []
  const local = 'choose a folder on a local disk'
  if (standing === 'memory') found.push(fail('disk', `${folder} lies in memory (${name}): evidence is gone with the power`, local))
  if (standing === 'network')
    found.push(fail('disk', `${folder} lies on the network (${name}): locks and fsync keep no promise there`, local))
  if (standing === 'program')
    found.push(warn('disk', `${folder} lies on ${name}: whether its fsync keeps its promise, only its maker knows`, local))
  const free = Math.floor((bavail * bsize) / MIB)
  const low = evidence.lowWaterMb
  const says = `${free} MB free, and under ${low} MB (evidence.low_water_mb) no request is taken`
  if (free < low) found.push(fail('disk', says, 'make room, or lower the mark'))
  else found.push(free < 2 * low ? warn('disk', says, 'make room') : ok('disk', says))
  return [...found, fsync(folder)]
}

function fsync(folder: string): Finding {
  const file = join(folder, `.ecluse-doctor-${process.pid}`)
  const block = Buffer.alloc(4096, 1)
  const times: number[] = []
  try {
    const fd = openSync(file, 'wx', 0o600)
    try {
      for (let i = 0; i < FSYNCS; i++) {
        const started = performance.now()
        writeSync(fd, block)
        fsyncSync(fd)
        times.push(performance.now() - started)
      }
    } finally {
      closeSync(fd)
      rmSync(file)
    }
  } catch (error) {
    return fail(
      'fsync',
      `a file in ${folder} could not be written and synced (${codeOf(error)})`,
      'the gate cannot keep evidence there: see the disk and its rights',
    )
  }
  return fsyncFinding(times)
}

export function fsyncFinding(times: readonly number[]): Finding {
  const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
  const says = `a write reaches the disk in ${median < 1 ? `${Math.round(median * 1000)} µs` : `${median.toFixed(1)} ms`}`
  if (median < FAST_FSYNC_MS)
    return warn(
      'fsync',
      `${says}: faster than disks are`,
      'make sure that no cache answers in its place (virtual disk, write cache without battery): what it holds is lost at a power cut',
    )
  return median > SLOW_FSYNC_MS
    ? warn('fsync', `${says}: each request waits for that twice`, 'a local SSD takes a few milliseconds')
    : ok('fsync', says)
}

function existingAbove(folder: string): string {
  for (let at = resolve(folder); ; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at
}

function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}
