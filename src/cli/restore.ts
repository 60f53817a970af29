/** `ecluse restore DIR`: a start from a backup, where no state is. */
import { putBack } from '../backup.ts'
import { postgresOf } from '../instance.ts'
import { settingsOf, withState } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json', 'nothing-since'], ['config'])
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
