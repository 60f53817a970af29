/** `ecluse backup --out DIR` and `ecluse restore DIR`: a copy of an instance, and a start from one. */
import { backUp, putBack } from '../backup.ts'
import type { Millis } from '../domain/time.ts'
import { postgresOf } from '../instance.ts'
import { INSTANCE_OPTIONS, settingsOf, withState } from './instance.ts'
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

export async function restore(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json', 'nothing-since'], [...INSTANCE_OPTIONS])
  const [from, extra] = words.rest
  if (from === undefined || extra !== undefined) throw new CliError('ecluse restore DIR [--nothing-since] [--config FILE]')
  const { settings } = (await settingsOf(words)).accepted
  const { madeAt } = await putBack(from, { folder: settings.instance.state, postgres: await postgresOf(settings, process.env) })
  const done = await withState(words, (call) => call<Restored>('restored', { madeAt, trust: words.flag('nothing-since') }), madeAt)
  print(words.flag('json'), { ...done, madeAt }, () =>
    [
      `the state of ${madeAt} is back, and goes on in the log ${done.origin}`,
      words.flag('nothing-since')
        ? 'its permissions are in force as they were: you said that nothing was withdrawn since'
        : `${done.suspended} permissions are suspended: each may have been withdrawn since. Resume those that you have looked at (console, or the admin API)`,
      'what was erased since must be erased again; tokens that were revoked since must be revoked again (ecluse token revoke), or rotate the clients',
    ].join('\n'),
  )
  return 0
}

interface Restored {
  readonly origin: string
  readonly suspended: number
}
