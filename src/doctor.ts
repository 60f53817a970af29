/**
 * `ecluse doctor`: whether an instance can keep its promises on this machine, found by trying: the clock, the disk, the
 * secrets, the certificates, and whoever the gate must reach. It changes nothing, makes no call about a meter, and tells
 * no secret: of what lies in a secret file only whether it is what it should be.
 */
import { certificates } from './doctor-certificates.ts'
import { clock, disk, stateFolder } from './doctor-machine.ts'
import { people } from './doctor-people.ts'
import { dataHolders, ports, redisServer } from './doctor-network.ts'
import { postgresServer } from './doctor-postgres.ts'
import { secrets } from './doctor-secrets.ts'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok, warn } from './ops/finding.ts'
import type { Environment } from './settings/secret.ts'
import type { ParsedSettings } from './settings/settings.ts'
import { readSettings } from './settings/settings.ts'

export interface Listening {
  /** A check begins; it may take seconds. */
  onCheck?(name: string): void
  onFinding?(finding: Finding): void
}

export async function examine(file: string, env: Environment, { onCheck, onFinding }: Listening = {}): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const take = (found: readonly Finding[]): void => {
    for (const finding of found) {
      findings.push(finding)
      onFinding?.(finding)
    }
  }
  const read = await readSettings(file, env)
  take(settingsAndProgram(file, read, env))
  if (!read.ok) return findings
  const { settings } = read
  const checks: readonly (readonly [name: string, run: () => readonly Finding[] | Promise<readonly Finding[]>])[] = [
    ['clock', () => clock(settings)],
    ['state', () => stateFolder(settings)],
    ['disk', () => disk(settings)],
    ['secrets', () => secrets(settings, env)],
    ['certificates', () => certificates(settings)],
    ['ports', () => ports(settings)],
    ['data holders', () => dataHolders(settings, env)],
    ['postgres', () => postgresServer(settings, env)],
    ['redis', () => redisServer(settings, env)],
    ['people', () => people(settings, env)],
  ]
  for (const [name, run] of checks) {
    onCheck?.(name)
    try {
      take(await run())
    } catch (error) {
      take([
        fail(name, `could not be checked (${codeOf(error)})`, 'run the command as the user of the gate, and tell us if that is no help'),
      ])
    }
  }
  return findings
}

function settingsAndProgram(file: string, read: ParsedSettings, env: Environment): Finding[] {
  const at = ({ line, column, path, message }: { line: number; column: number; path: string; message: string }): string =>
    `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`
  const found = read.ok
    ? [
        ok('settings', `${file} is good; policy ${read.policyHash}`),
        ...read.warnings.map((w) => warn('settings', at(w), 'see the key in the file')),
      ]
    : read.mistakes.map((m) => fail('settings', at(m), 'correct the file; ecluse check FILE reads it again'))
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    found.push(
      fail(
        'environment',
        'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates',
        'unset it: the gate does not start with it',
      ),
    )
  }
  return found
}
