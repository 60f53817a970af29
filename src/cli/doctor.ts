/** `ecluse doctor --config FILE`: what of this machine and these settings keeps the gate from its promises; exit 1 if something does. */
import { examine } from '../doctor.ts'
import { CliError, plain, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['config'])
  const file = words.option('config') ?? words.rest[0] ?? process.env['ECLUSE_CONFIG']
  if (file === undefined) throw new CliError('ecluse doctor --config FILE [--json]')
  const json = words.flag('json')
  const clear = process.stderr.isTTY ? '\r\u001b[K' : ''
  const findings = await examine(file, process.env, {
    onCheck(name) {
      if (!json && clear !== '') process.stderr.write(`${clear}… ${name}`)
    },
    onFinding({ standing, check, says, todo }) {
      if (json) return
      process.stderr.write(clear)
      process.stdout.write(plain(`${standing.padEnd(4)}  ${check}: ${says}${todo === undefined ? '' : `\n      → ${todo}`}`) + '\n')
    },
  })
  const count = (standing: string): number => findings.filter((one) => one.standing === standing).length
  const good = count('fail') === 0
  if (json) process.stdout.write(`${JSON.stringify({ ok: good, findings })}\n`)
  else process.stdout.write(`${clear}${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed\n`)
  return good ? 0 : 1
}
