/** `ecluse sandbox [--port N] [--json]`: the simulated data holder alone, on loopback, until SIGTERM or SIGINT. */
import { once } from 'node:events'
import { DEFAULT_APPLICATION, startSandbox } from '../sandbox/sandbox.ts'
import { print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['port'])
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const sandbox = await startSandbox({ port: words.number('port', 8090) })
  const { clientId, secret } = DEFAULT_APPLICATION
  print(
    words.flag('json'),
    { sandbox: sandbox.url, clientId, clientSecret: secret },
    () => `Simulated Enedis Data Connect, v5 and 2026: ${sandbox.url}
  token          curl -d grant_type=client_credentials -d client_id=${clientId} -d client_secret=${secret} ${sandbox.url}/oauth2/v3/token
  demo meters    curl ${sandbox.url}/_sandbox/meters
  calls seen     curl ${sandbox.url}/_sandbox/calls
  misbehave      curl -d '{"meter":"*","kind":"hang","times":1}' ${sandbox.url}/_sandbox/misbehave
Ctrl-C stops it.`,
  )
  await stopped
  await sandbox.close()
  return 0
}
