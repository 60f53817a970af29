/** Secrets of an instance: each where the settings say, closed to others, and what it must be. Their content is not told. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { signerFor } from './state-logs.ts'
import { dataHoldersOf } from './holders.ts'
import { PLACEHOLDER_CLIENT_ID, PLACEHOLDER_SECRET } from './init.ts'
import { keyBytes } from './instance.ts'
import type { Environment } from './settings/secret.ts'
import { SecretError, secretOf } from './settings/secret.ts'
import type { SecretRef } from './settings/schema-parts.ts'
import { indexKeyCheck, keyStore } from './storage/keys.ts'
import { openForReading } from './storage/sqlite.ts'
import type { Finding } from './ops/finding.ts'
import { fail, ok } from './ops/finding.ts'
import type { Settings } from './settings/shape.ts'

type KeyName = 'signing' | 'master' | 'index'

export async function secrets(settings: Settings, env: Environment): Promise<Finding[]> {
  const found: Finding[] = []
  const read = async (what: string, ref: SecretRef): Promise<string | undefined> => {
    try {
      return await secretOf(ref, env)
    } catch (error) {
      if (!(error instanceof SecretError)) throw error
      found.push(fail('secrets', `${what}: ${error.message}`, 'put the secret there, readable by the user of the gate alone'))
      return undefined
    }
  }
  for (const account of dataHoldersOf(settings).flatMap(([, { accounts }]) => accounts)) {
    if (!('clientId' in account)) {
      const what = `password of account ${account.id}`
      if (account.basic && (await read(what, account.basic.password)) !== undefined) found.push(ok('secrets', `${what} is there`))
      continue
    }
    const { id, clientId, clientSecret } = account
    const what = `client_secret of account ${id}`
    const secret = await read(what, clientSecret)
    const isPlaceholder = secret?.trim() === PLACEHOLDER_SECRET || clientId === PLACEHOLDER_CLIENT_ID
    const todo = 'write client_id into the settings and client_secret into its file, as your application at the data holder has them'
    if (isPlaceholder) found.push(fail('secrets', `account ${id} has the placeholders that ecluse init made`, todo))
    else if (secret !== undefined) found.push(ok('secrets', `${what} is there`))
  }
  if (settings.redis?.password && (await read('password of Redis', settings.redis.password)) !== undefined) {
    found.push(ok('secrets', 'password of Redis is there'))
  }
  const others: readonly (readonly [what: string, ref: SecretRef | undefined])[] = [
    ['password of the sentinels of Redis', settings.redis?.sentinelPassword],
    ['client_secret of FranceConnect', settings.portal?.franceconnect?.clientSecret],
    ['bootstrap secret of the console', settings.console?.bootstrap],
    ['client_secret of the console', settings.console?.oidc?.clientSecret],
  ]
  for (const [what, ref] of others) {
    if (ref && (await read(what, ref)) !== undefined) found.push(ok('secrets', `${what} is there`))
  }
  const keys = new Map<KeyName, Buffer>()
  for (const name of ['signing', 'master', 'index'] as const) {
    const text = await read(`${name} key`, settings.evidence.keys[name])
    const bytes = text === undefined ? undefined : keyBytes(text)
    if (bytes) keys.set(name, bytes)
    else if (text !== undefined)
      found.push(
        fail('secrets', `the ${name} key does not have 32 bytes`, 'give the one that ecluse init made: 64 hexadecimal digits, or base64'),
      )
  }
  if (keys.size === 3) found.push(...threeKeys(settings.instance.state, keys))
  return found
}

function threeKeys(state: string, keys: ReadonlyMap<KeyName, Buffer>): Finding[] {
  if (new Set([...keys.values()].map((key) => key.toString('hex'))).size < 3) {
    return [
      fail('secrets', 'two of the three keys are the same', 'each must be its own: make new ones with ecluse init, before the first start'),
    ]
  }
  const strangers = [...keys].filter(([name, key]) => !fits(state, name, key)).map(([name]) => name)
  return strangers.length === 0
    ? [ok('secrets', `the three keys have 32 bytes, differ${existsSync(join(state, 'ecluse.db')) ? ', and are those of this state' : ''}`)]
    : strangers.map((name) =>
        fail(
          'secrets',
          `the ${name} key is not the one of the state in ${state}`,
          'give the key with which this state was begun: without it the gate does not start',
        ),
      )
}

/** Whether the state knows this key; one that there is nothing of yet knows any. */
function fits(state: string, name: KeyName, key: Buffer): boolean {
  const log = join(state, 'log')
  if (name === 'signing') {
    const vkeys = existsSync(log)
      ? readdirSync(log)
          .map((one) => join(log, one, 'vkey.txt'))
          .filter((file) => existsSync(file))
      : []
    const written = vkeys.map((file) => readFileSync(file, 'utf8').trim())
    return written.length === 0 || written.some((vkey) => signs(key, vkey))
  }
  const file = join(state, name === 'master' ? 'keys.db' : 'ecluse.db')
  if (!existsSync(file)) return true
  const db = openForReading(file)
  try {
    if (name === 'index') {
      const row = db.prepare("SELECT value FROM meta WHERE key = 'index_check'").get()
      return row === undefined || row['value'] === indexKeyCheck(key)
    }
    // It refuses a master key that does not open what lies there.
    keyStore(db, key)
    return true
  } catch {
    return false
  } finally {
    db.close()
  }
}

function signs(key: Buffer, vkey: string): boolean {
  try {
    signerFor(key, vkey.split('+')[0] ?? '', vkey)
    return true
  } catch {
    return false
  }
}
