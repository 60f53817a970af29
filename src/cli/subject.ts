/** `ecluse subject erase METER | restrict METER [--lift]`: what a person may ask for about one meter. */
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json', 'lift'], [...INSTANCE_OPTIONS, 'ground'])
  const [verb, meter] = words.rest
  if ((verb !== 'erase' && verb !== 'restrict') || meter === undefined) {
    throw new CliError('ecluse subject erase METER [--ground CODE] | restrict METER [--lift] [--ground CODE]')
  }
  const ground = words.option('ground')
  const args = { meter, ...(ground !== undefined && { ground }), ...(verb === 'restrict' && { lift: words.flag('lift') }) }
  const done = await withState(words, (call) => call<Record<string, number>>(`subject ${verb}`, args))
  print(words.flag('json'), done, () =>
    verb === 'erase'
      ? `${done['erasedSubjects']} keys destroyed, ${done['endedPermissions']} permissions ended. Proofs of the log still verify; backups of keys.db must go within 30 days.`
      : `${done['subjects']} subjects ${words.flag('lift') ? 'released' : 'restricted'}, ${done['permissions']} permissions moved`,
  )
  return Object.values(done).every((n) => n === 0) ? 1 : 0
}
