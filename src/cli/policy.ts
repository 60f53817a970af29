/**
 * `ecluse policy test DIR`: runs the decision cases of a folder (or of one file) and shows what differs. Files that bring
 * no policy are decided under that of `--config FILE` (or ECLUSE_CONFIG). Exit 0 all as stated, 1 some differ, 2 could not run.
 */
import { readFile } from 'node:fs/promises'
import { formatMistakes } from '../settings/mistakes.ts'
import { readSettings } from '../settings/settings.ts'
import { caseFiles, parseCases } from '../case-file.ts'
import { runCase, type Difference, type Ran } from '../policy-cases.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['config'])
  const [verb, where, ...more] = words.rest
  if (verb !== 'test' || where === undefined || more.length > 0) throw new CliError('ecluse policy test DIR [--config FILE] [--json]')
  const policy = await policyOf(words.option('config') ?? process.env['ECLUSE_CONFIG'])
  const files = await caseFiles(where)
  if (files.length === 0) throw new CliError(`${where}: no case file (.yaml) here`)
  const ran: (Ran & { readonly file: string })[] = []
  for (const file of files) {
    const parsed = parseCases(await readFile(file, 'utf8'), policy)
    if (!parsed.ok) throw new CliError(formatMistakes(file, parsed.mistakes))
    ran.push(...parsed.cases.map((asked) => ({ file, ...runCase(asked) })))
  }
  const failed = ran.filter((r) => r.differences.length > 0)
  const count = { passed: ran.length - failed.length, failed: failed.length }
  print(words.flag('json'), { ok: failed.length === 0, ...count, cases: ran }, () =>
    [
      ...failed.flatMap((r) => [`${r.file}:${r.line}: ${r.name}`, ...r.differences.map((d) => shown(d))]),
      `${count.passed} passed, ${count.failed} failed`,
    ].join('\n'),
  )
  return failed.length === 0 ? 0 : 1
}

async function policyOf(config: string | undefined) {
  if (config === undefined) return undefined
  const read = await readSettings(config, process.env)
  if (!read.ok) throw new CliError(formatMistakes(config, read.mistakes))
  return read.policy
}

function shown({ at, expected, actual }: Difference): string {
  const value = (v: unknown): string => (v === undefined ? 'nothing' : JSON.stringify(v))
  return `  ${at}\n    expected ${value(expected)}\n    actual   ${value(actual)}`
}
