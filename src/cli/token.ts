/** `ecluse token issue CLIENT | list | revoke TOKEN-OR-ID`. */
import { INSTANCE_OPTIONS, withState } from './instance.ts'
import { CliError, print, wordsOf } from './words.ts'

export async function run(given: readonly string[]): Promise<number> {
  const words = wordsOf(given, ['json', 'readable'], [...INSTANCE_OPTIONS, 'permissions', 'ttl', 'client'])
  const [verb, what] = words.rest
  const json = words.flag('json')
  if (verb === 'issue' && what !== undefined) {
    const permissions = words.option('permissions')?.split(',')
    const ttl = words.option('ttl')
    const args = {
      client: what,
      ...(permissions && { permissions }),
      ...(ttl !== undefined && { ttlSeconds: words.number('ttl', 0) }),
      readable: words.flag('readable'),
    }
    const issued = await withState(words, (call) => call<{ token: string; expiresAt: string }>('token issue', args))
    print(json, issued, () => `${issued.token}\nvalid until ${issued.expiresAt}; shown this once`)
    return 0
  }
  if (verb === 'list') {
    const client = words.option('client')
    const list = await withState(words, (call) =>
      call<readonly { id: string; client: string; purpose: string; expiresAt: string; revoked: boolean }[]>(
        'token list',
        client === undefined ? {} : { client },
      ),
    )
    print(
      json,
      list,
      () =>
        list.map((t) => `${t.id}  ${t.client}  ${t.purpose}  ${t.revoked ? 'revoked' : `until ${t.expiresAt}`}`).join('\n') || 'no tokens',
    )
    return 0
  }
  if (verb === 'revoke' && what !== undefined) {
    const done = await withState(words, (call) => call<{ client: string }>('token revoke', { token: what }))
    print(json, done, () => `revoked; calls under way of ${done.client} with it are cut`)
    return 0
  }
  throw new CliError(
    'ecluse token issue CLIENT [--permissions ID,ID [--readable]] [--ttl SECONDS] | list [--client ID] | revoke TOKEN-OR-ID',
  )
}
