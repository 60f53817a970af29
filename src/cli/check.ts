/** `ecluse check FILE`: every mistake of a settings file at once, with line and column; exit 1 if there is one. */
import { formatMistakes } from '../settings/mistakes.ts'
import { readSettings } from '../settings/settings.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['config'])
  const file = words.rest[0] ?? words.option('config') ?? process.env['ECLUSE_CONFIG']
  if (file === undefined) throw new CliError('ecluse check FILE')
  const read = await readSettings(file, process.env)
  if (!read.ok) {
    print(words.flag('json'), { ok: false, mistakes: read.mistakes }, () => formatMistakes(file, read.mistakes))
    return 1
  }
  print(words.flag('json'), { ok: true, policy: read.policyHash, warnings: read.warnings }, () =>
    [...(read.warnings.length > 0 ? [formatMistakes(file, read.warnings)] : []), `${file} is good; policy ${read.policyHash}`].join('\n'),
  )
  return 0
}
