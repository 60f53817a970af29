/** `ecluse init DIR`: a folder with commented settings and three keys, and what to do next. */
import { InitError, initInstance } from '../init.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['name', 'sandbox'])
  const [folder, ...others] = words.rest
  if (folder === undefined || others.length > 0) throw new CliError('ecluse init DIR [--name NAME] [--sandbox URL]')
  const sandbox = words.option('sandbox')
  const made = await initInstance(folder, { name: words.option('name'), sandbox }).catch((error: unknown) => {
    throw error instanceof InitError ? new CliError(error.message, 1) : error
  })
  print(words.flag('json'), made, () =>
    [
      `${made.settings}  settings, every key explained`,
      ...made.keys.map((key) => `${key}  a key of 32 bytes, mode 0600: keep a copy elsewhere, away from backups of the state`),
      sandbox === undefined
        ? `${made.enedisSecret}  holds a placeholder: write the client_secret of your application at Enedis into it`
        : `${made.enedisSecret}  what the sandbox asks for`,
      '',
      `This gate is ${made.name}. Its evidence log takes that name at its first start and keeps it for ever: change it before.`,
      '',
      'Next:',
      ...(sandbox === undefined ? [`  write client_id into ${made.settings}, client_secret into ${made.enedisSecret}`] : []),
      `  ecluse check ${made.settings}`,
      `  ecluse doctor --config ${made.settings}`,
      `  ecluse serve --config ${made.settings}`,
      `  ecluse client add city-dashboard --config ${made.settings}`,
    ].join('\n'),
  )
  return 0
}
