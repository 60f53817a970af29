/**
 * A verifier that owes nothing to this project: `verify.go` beside this file, on Go's own `x/mod/sumdb` from Debian.
 * Built anew where it is asked for, into a temporary folder. Run it with a log directory and a vkey; exit 0 verified,
 * 1 does not verify, 2 could not run.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const GOPATH = '/usr/share/gocode'
const PACKAGES = ['golang-go', 'golang-golang-x-mod-dev']

/** Path of the program. Installs Debian's packages where they are missing and the user may; else throws, naming them. */
export function buildForeignVerifier(): string {
  if (!canBuild()) install()
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-foreign-'))
  const program = join(folder, 'verify')
  execFileSync('go', ['build', '-o', program, join(import.meta.dirname, 'verify.go')], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '', CGO_ENABLED: '0', GOCACHE: join(folder, 'cache') },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return program
}

export interface ForeignAnswer {
  readonly exit: number
  readonly says: string
}

export async function runForeignVerifier(program: string, folder: string, vkey: string): Promise<ForeignAnswer> {
  try {
    const { stdout } = await run(program, [folder, vkey])
    return { exit: 0, says: stdout.trim() }
  } catch (error) {
    const failed = error as { readonly code?: unknown; readonly stdout?: string; readonly stderr?: string }
    if (typeof failed.code !== 'number') throw error
    return { exit: failed.code, says: `${failed.stdout ?? ''}${failed.stderr ?? ''}`.trim() }
  }
}

function canBuild(): boolean {
  const onPath = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'go')))
  return onPath && existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog'))
}

function install(): void {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`The foreign verifier needs the Debian packages ${PACKAGES.join(' and ')}: apt-get install ${PACKAGES.join(' ')}`)
  }
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, stdio: 'ignore' } as const
  execFileSync('apt-get', ['update'], options)
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', ...PACKAGES], options)
}
