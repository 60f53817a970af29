/** `ecluse client add ID` makes the first credential of a declared client; `rotate` replaces it and ends its tokens. */
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], INSTANCE_OPTIONS)
  const [verb, client] = words.rest
  if ((verb !== 'add' && verb !== 'rotate') || client === undefined) throw new CliError('ecluse client add ID | rotate ID')
  const made = await withState(words, (call) => call<{ clientId: string; secret: string }>(`client ${verb}`, { client }))
  print(
    words.flag('json'),
    made,
    () => `client_id      ${made.clientId}\nclient_secret  ${made.secret}\nThe secret is shown this once: the gate keeps its hash.`,
  )
  return 0
}
