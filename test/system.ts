/**
 * Obtains the programs of the machine that the system tests need, from Debian's packages, where we may.
 *
 * Nothing is installed that is there already; without apt-get or without root, nothing is tried: the answer names the
 * packages, so that a person can install them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Package → a file that proves it is there: a program on the PATH, or a path, in which `*` stands for any version. */
const NEEDED = {
  'redis-server': 'redis-server',
  // The folder alone may be of its client.
  postgresql: '/usr/lib/postgresql/*/bin/postgres',
  'golang-go': 'go',
  'golang-golang-x-mod-dev': '/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go',
  strace: 'strace',
  iproute2: 'ip',
  faketime: 'faketime',
  e2fsprogs: 'mkfs.ext4',
  xfsprogs: 'mkfs.xfs',
  chromium: '/usr/bin/chromium',
  'fonts-dejavu-core': '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf',
} as const

const TRIES = 3
const ONE_CALL_MS = 240_000

/** @returns undefined when all is there, else one sentence that says what is not and what to do. */
export async function obtainSystemPrograms(say: (line: string) => void): Promise<string | undefined> {
  const missing = missingPackages()
  if (missing.length === 0) return undefined
  const sentence = `The system tests need the Debian packages ${missing.join(', ')}: apt-get install ${missing.join(' ')}`
  if (process.getuid?.() !== 0 || !onPath('apt-get')) return `${sentence} (as root), or run npm run check, which needs none.`

  say(`installing ${missing.join(', ')}`)
  const install = ['install', '--yes', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-confold', ...missing]
  let complaint = ''
  for (let tried = 0; tried < TRIES; tried++) {
    if (tried > 0) await sleep(5_000 * tried)
    const failed = aptGet(['update', '--quiet']) ?? aptGet(install)
    const still = missingPackages()
    if (still.length === 0) return undefined
    complaint = failed ?? `apt-get ended well, yet ${still.join(', ')} cannot be found`
    say(`try ${tried + 1} of ${TRIES}: ${complaint}`)
  }
  return `${sentence} failed: ${complaint}.`
}

function missingPackages(): string[] {
  return Object.entries(NEEDED).flatMap(([name, proof]) => (onPath(proof) ? [] : [name]))
}

/** @param program a name to be found on the PATH, or a path, in which `*` stands for one folder of any name */
export function onPath(program: string): boolean {
  if (program.startsWith('/')) return globSync(program).length > 0
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, program)))
}

/** @returns undefined, or the last line of what it complained about. */
function aptGet(args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: ONE_CALL_MS,
    // Run level 1: Debian's redis-server would else start a server on port 6379, and the tests start their own.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
  if (error) return error.message
  if (status === 0) return undefined
  return stderr.trim().split('\n').at(-1) ?? `apt-get ${args[0]} ended with ${status}`
}
