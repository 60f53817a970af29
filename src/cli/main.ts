/**
 * The command line. Each command is a file of its own without logic: it reads its words, calls what does the work, and
 * prints. Exit codes: 0 done, 1 the answer is no, 2 could not run.
 */
import { halt } from '../runtime/halt.ts'
import { StateBroken } from '../state-thread.ts'
import { CliError, plain } from './words.ts'

const COMMANDS: Readonly<
  Record<string, { readonly says: string; readonly load: () => Promise<{ run(words: readonly string[]): Promise<number> }> }>
> = {
  demo: { says: 'gate, simulated Enedis and demo permissions on loopback', load: () => import('./demo.ts') },
  serve: { says: 'the gate: --config FILE', load: () => import('./serve.ts') },
  sandbox: { says: 'the simulated data holders alone: --port N', load: () => import('./sandbox.ts') },
  init: { says: 'keys and a commented settings file: DIR', load: () => import('./init.ts') },
  doctor: { says: 'checks clock, disk, secrets, certificates and holders of an instance', load: () => import('./doctor.ts') },
  check: { says: 'mistakes of a settings file: FILE', load: () => import('./check.ts') },
  schema: { says: 'JSON Schema of the settings file', load: () => import('./schema.ts') },
  explain: { says: 'the decision for a described request, or for --entry N', load: () => import('./explain.ts') },
  policy: { says: 'test DIR: runs decision cases', load: () => import('./policy.ts') },
  permission: { says: 'import | schema | list | show | withdraw', load: () => import('./permission.ts') },
  client: { says: 'add | rotate', load: () => import('./client.ts') },
  token: { says: 'issue | list | revoke', load: () => import('./token.ts') },
  subject: { says: 'erase | restrict', load: () => import('./subject.ts') },
  audit: { says: 'verify | replay | open | export', load: () => import('./audit.ts') },
  backup: { says: 'a copy of the instance, while it serves or not: --out DIR', load: () => import('./backup.ts') },
  restore: { says: 'a start from a backup, where no state is: DIR', load: () => import('./restore.ts') },
  clock: { says: 'confirm: take the time for right after a jump', load: () => import('./clock.ts') },
}

const VERSION = '0.1.0'

async function main(): Promise<number> {
  const [name = 'help', ...words] = process.argv.slice(2)
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    const out = name === 'help' || name === '--help' ? process.stdout : process.stderr
    const list = Object.entries(COMMANDS).map(([word, { says }]) => `  ecluse ${word.padEnd(11)} ${says}`)
    out.write(
      `${out === process.stderr ? `ecluse: no command ${JSON.stringify(name)}\n` : ''}ecluse: a consent gate for French energy data\n\n${list.join('\n')}\n`,
    )
    return out === process.stdout ? 0 : 2
  }
  const { run } = await command.load()
  return run(words)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`ecluse: ${plain(error instanceof Error ? error.message : String(error))}\n`)
    if (error instanceof StateBroken) halt(2)
    process.exitCode = error instanceof CliError ? error.exit : 2
  },
)
