/** `ecluse clock confirm`: after the clock jumped, the operator says that it is right now. */
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], INSTANCE_OPTIONS)
  if (words.rest[0] !== 'confirm') throw new CliError('ecluse clock confirm')
  const done = await withState(words, (call) => call('clock confirm', {}))
  print(words.flag('json'), done, () => 'confirmed: requests are taken again')
  return 0
}
