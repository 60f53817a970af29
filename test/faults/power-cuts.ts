/**
 * `npm run power-cuts [N]`: the power is cut N times under a busy writer, on ext4 and on XFS in turn, each on a loop
 * device of its own. After each cut the file system is mounted again and the state opened as at any start: every row
 * that was acknowledged is in the log, the log verifies, and no checkpoint that was shown is missing from it.
 *
 * The cut is the file system's own shutdown without flushing its log (`xfs_io -x -c shutdown`, which ext4 knows too): what
 * no fsync had asked for is gone. kill -9 shows none of this, the page cache outlives the process.
 *
 * Counted are rows whose acknowledgement had come before the cut began. An fsync that is under way while ext4 shuts down
 * may report success for what is gone (seen in 1 of 10 cuts with a writer of one file and nothing else, Linux 6.18): a
 * machine without power reports nothing.
 *
 * The control runs the same with every fsync of the writer turned into one that does nothing: if that loses nothing in
 * as many cuts as it is given, the test could not fail and says so.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLog, watchCheckpoints } from './evidence.ts'

export type FileSystem = 'ext4' | 'xfs'
const SIZE_MB: Readonly<Record<FileSystem, number>> = { ext4: 128, xfs: 320 }
const WRITER = join(import.meta.dirname, 'writer.ts')
/** Reports success and does nothing. */
const NO_FSYNC = [
  'strace',
  '-D',
  '-f',
  '-qq',
  '--seccomp-bpf',
  '-e',
  'trace=fsync,fdatasync',
  '-e',
  'inject=fsync,fdatasync:retval=0',
  '-o',
  '/dev/null',
]

export interface Cut {
  readonly fsync: 'kept' | 'ignored'
  readonly acknowledged: number
  /** Rows that were acknowledged and are not in the log, or why there is no log to look at. */
  readonly lost: number | string
  readonly checkpoints: number
}

export interface Disk {
  readonly path: string
  cut(): void
  remount(): void
  remove(): void
}

/** Why no disk of this kind can be had here, or undefined. */
export function whyNoDisk(kind: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return 'loop mounts need root'
  try {
    aDisk(kind).remove()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown'
  }
}

const mounted = new Set<Disk>()
process.once('exit', () => {
  for (const disk of mounted) disk.remove()
})

/** A file system in a file, mounted. Whoever makes it removes it; what is left is removed when the process ends. */
export function aDisk(kind: FileSystem, sizeMb = SIZE_MB[kind]): Disk {
  const folder = mkdtempSync(join(tmpdir(), `ecluse-${kind}-`))
  const image = join(folder, 'image')
  const path = join(folder, 'disk')
  const mount = (): void => run('mount', '-o', 'loop', image, path)
  const unmount = (): void => {
    // A writer that is on its way out may still hold it for a moment.
    const { status } = spawnSync('umount', [path])
    if (status !== 0) spawnSync('umount', ['--lazy', path])
  }
  const disk: Disk = {
    path,
    cut: () => run('xfs_io', '-x', '-c', 'shutdown', path),
    remount() {
      run('umount', path)
      mount()
    },
    remove() {
      mounted.delete(disk)
      unmount()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    mkdirSync(path)
    writeFileSync(image, '')
    truncateSync(image, sizeMb * 1_048_576)
    if (kind === 'ext4') run('mkfs.ext4', '-q', '-F', image)
    else run('mkfs.xfs', '-q', '-f', image)
    mount()
    mounted.add(disk)
    return disk
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

function run(command: string, ...args: readonly string[]): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`)
}

/** Several cuts on one disk and one log: each start goes on where the cut before it left off. Ends with the first loss. */
export async function cutPower(kind: FileSystem, cuts: readonly ('kept' | 'ignored')[], onCut: (cut: Cut) => void): Promise<void> {
  const disk = aDisk(kind)
  const state = join(disk.path, 'state')
  const seen = watchCheckpoints(state)
  try {
    const rows = new Map<number, string>()
    for (const fsync of cuts) {
      const before = rows.size
      await writeUntilCut(disk, state, fsync, rows)
      const lost = await whatIsLost(state, rows, seen)
      onCut({ fsync, acknowledged: rows.size - before, lost, checkpoints: seen.count })
      if (lost !== 0) return
    }
  } finally {
    seen.stop()
    disk.remove()
  }
}

async function writeUntilCut(disk: Disk, state: string, fsync: 'kept' | 'ignored', rows: Map<number, string>): Promise<void> {
  const [command, ...args] = [...(fsync === 'ignored' ? NO_FSYNC : []), process.execPath, WRITER, state]
  const writer = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(writer, 'close')
  let said = ''
  let acknowledged = ''
  let complaint = ''
  writer.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  writer.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  try {
    for (let waited = 0; !said.includes('\n'); waited += 10) {
      if (writer.exitCode !== null || waited > 60_000) throw new Error(`the writer did not start: ${complaint}`)
      await sleep(10)
    }
    await sleep(100 + Math.random() * 900)
    acknowledged = said
    disk.cut()
    // Its next fsync fails, so it stops by itself and says so; without fsync it may not notice.
    if (fsync === 'kept') await endsWith(writer, 1, () => complaint)
  } finally {
    writer.kill('SIGKILL')
    await ended
  }
  disk.remount()
  for (const line of acknowledged.split('\n').slice(1, -1)) {
    const [n = '', id = ''] = line.split(' ')
    rows.set(Number(n), id)
  }
}

async function endsWith(child: ChildProcess, code: number, why: () => string): Promise<void> {
  for (let waited = 0; child.exitCode === null && child.signalCode === null; waited += 10) {
    if (waited > 20_000) throw new Error('the writer went on after the disk was gone')
    await sleep(10)
  }
  if (child.exitCode !== code || why() === '') throw new Error(`the writer ended with ${child.exitCode ?? child.signalCode}: ${why()}`)
}

/** Opens the state as at any start, and looks for every row in the log that is shown. */
async function whatIsLost(
  state: string,
  rows: ReadonlyMap<number, string>,
  seen: ReturnType<typeof watchCheckpoints>,
): Promise<number | string> {
  if (!existsSync(state)) return 'the state folder is gone'
  const again = spawnSync(process.execPath, [WRITER, state, '0'], { encoding: 'utf8' })
  if (again.status !== 0) return `the state does not open: ${again.stderr.trim()}`
  try {
    const log = await readLog(state, false)
    seen.expectPrefixesOf(log)
    const ids = log.entries.map((entry) => Object.keys((entry['counts'] as Record<string, number> | undefined) ?? {})[0])
    return [...rows].filter(([n, id]) => ids[n] !== id).length
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown'
  }
}

if (import.meta.main) process.exitCode = await campaign(Number(process.argv[2] ?? 24))

async function campaign(cuts: number): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  let made = 0
  let acknowledged = 0
  let lost = 0
  let controls = 0
  let controlsLost = 0
  for (const kind of ['ext4', 'xfs'] as const) {
    const why = whyNoDisk(kind)
    if (why !== undefined) {
      say(`skipped ${kind}: ${why}`)
      continue
    }
    const each = (cut: Cut): void => {
      const control = cut.fsync === 'ignored'
      if (control) controls += 1
      else made += 1
      if (cut.lost !== 0 && control) controlsLost += 1
      if (cut.lost !== 0 && !control) lost += 1
      if (!control) acknowledged += cut.acknowledged
      const name = control ? 'control, fsync ignored' : `cut ${made}`
      say(`${kind} ${name}: ${cut.acknowledged} rows acknowledged, lost: ${cut.lost}; checkpoints seen on this disk: ${cut.checkpoints}`)
    }
    await cutPower(kind, Array<'kept'>(Math.ceil(cuts / 2)).fill('kept'), each)
    for (let i = 0; i < 2; i += 1) await cutPower(kind, ['kept', 'ignored'], each)
  }
  if (made === 0) return 0
  say(`${made} cuts, ${acknowledged} rows acknowledged, ${lost} cuts with loss; ${controlsLost} of ${controls} controls with loss`)
  if (controlsLost === 0) say('nothing was lost without fsync either: this machine cannot show the difference')
  return lost === 0 && controlsLost > 0 ? 0 : 1
}
