/** `ecluse backup --out DIR`: a copy of an instance, whether it serves or not. */
import { backUp } from '../backup.ts'
import type { Millis } from '../domain/time.ts'
import { postgresOf } from '../instance.ts'
import { settingsOf } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['config', 'out'])
  if (words.rest.length > 0) throw new CliError('ecluse backup --out DIR [--config FILE]')
  const { settings } = (await settingsOf(words)).accepted
  const place = { folder: settings.instance.state, postgres: await postgresOf(settings, process.env) }
  const out = words.need('out')
  const { files, ...manifest } = await backUp(place, out, Date.now() as Millis)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  print(words.flag('json'), { out, files: files.length, bytes, ...manifest }, () =>
    [
      `${out}: ${files.length} files, ${bytes} bytes, of ${manifest.madeAt}`,
      'The three keys (evidence.keys) are not in it: keep them elsewhere. Without them it cannot be used.',
    ].join('\n'),
  )
  return 0
}
