/**
 * `ecluse sandbox [--port N] [--json]`: the simulated data holder and identity provider alone, on loopback, until SIGTERM
 * or SIGINT. `--callback URL` is where people come back to from the consent page, `--identity-callback URL` and
 * `--identity-logout URL` from FranceConnect; each can be told later, on `/_sandbox/…`.
 */
import { once } from 'node:events'
import { DEFAULT_APPLICATION, DEFAULT_SERVICE, startSandbox } from '../sandbox/sandbox.ts'
import type { Words } from './words.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json'], ['port', 'callback', 'identity-callback', 'identity-logout'])
  const [callback, identityCallback, identityLogout] = [
    address(words, 'callback'),
    address(words, 'identity-callback'),
    address(words, 'identity-logout'),
  ]
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const sandbox = await startSandbox({
    port: words.number('port', 8090),
    credentials: [{ ...DEFAULT_APPLICATION, ...(callback !== undefined && { redirectUri: callback }) }],
    franceConnect: {
      ...DEFAULT_SERVICE,
      redirectUris: identityCallback === undefined ? [] : [identityCallback],
      postLogoutUris: identityLogout === undefined ? [] : [identityLogout],
    },
  })
  const { clientId, secret } = DEFAULT_APPLICATION
  print(
    words.flag('json'),
    { sandbox: sandbox.url, clientId, clientSecret: secret },
    () => `Simulated Enedis Data Connect, v5 and 2026, and FranceConnect v2: ${sandbox.url}
  token          curl -d grant_type=client_credentials -d client_id=${clientId} -d client_secret=${secret} ${sandbox.url}/oauth2/v3/token
  consent page   ${sandbox.url}/dataconnect/v2/oauth2/authorize?client_id=${clientId}&response_type=code&state=x&duration=P1Y
  comes back to  ${callback ?? `nowhere yet: curl -d '{"clientId":"${clientId}","redirectUri":"http://127.0.0.1:8080/callback"}' ${sandbox.url}/_sandbox/register`}
  shares         ${sandbox.url}/mon-compte
  FranceConnect  ${sandbox.franceConnect.issuer}, client ${DEFAULT_SERVICE.clientId}, secret ${DEFAULT_SERVICE.secret}
  demo meters    curl ${sandbox.url}/_sandbox/meters
  calls seen     curl ${sandbox.url}/_sandbox/calls
  misbehave      curl -d '{"meter":"*","kind":"hang","times":1}' ${sandbox.url}/_sandbox/misbehave
Ctrl-C stops it.`,
  )
  await stopped
  await sandbox.close()
  return 0
}

function address(words: Words, name: string): string | undefined {
  const given = words.option(name)
  if (given !== undefined && !/^https?:$/.test(URL.parse(given)?.protocol ?? ''))
    throw new CliError(`--${name} needs an http or https address`)
  return given
}
