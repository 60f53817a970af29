/** What makes an instance itself: its three keys and the name of its log. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Millis } from './domain/time.ts'
import { parisDay } from './domain/time.ts'
import type { Environment } from './settings/secret.ts'
import { secretOf } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'
import type { PostgresSettings } from './storage/postgres.ts'

export interface InstanceKeys {
  readonly signing: Uint8Array
  readonly master: Uint8Array
  readonly index: Uint8Array
}

export async function instanceKeys(settings: Settings, env: Environment): Promise<InstanceKeys> {
  const { signing, master, index } = settings.evidence.keys
  const read = async (name: string, ref: typeof signing): Promise<Uint8Array> => {
    const text = await secretOf(ref, env)
    const bytes = keyBytes(text)
    if (!bytes) throw new Error(`the ${name} key does not have 32 bytes: make one with ecluse init`)
    return bytes
  }
  return { signing: await read('signing', signing), master: await read('master', master), index: await read('index', index) }
}

/** Keys are 32 bytes, written as 64 hexadecimal digits or in base64. Undefined for anything else. */
export function keyBytes(text: string): Buffer | undefined {
  const written = text.trim()
  const bytes = /^[0-9a-fA-F]{64}$/.test(written) ? Buffer.from(written, 'hex') : Buffer.from(written, 'base64')
  return bytes.byteLength === 32 ? bytes : undefined
}

/** The origin under which a log would be opened now; one that is open keeps its own. */
export function originOf(settings: Settings, now: Millis): string {
  return settings.evidence.origin ?? `${settings.instance.name}/journal/${parisDay(now).slice(0, 4)}`
}

/** Where the state is shared, how its database is reached. Undefined where it lies in the folder. */
export async function postgresOf(settings: Settings, env: Environment): Promise<PostgresSettings | undefined> {
  const postgres = settings.storage?.postgres
  if (!postgres) return undefined
  const { host, port, database, schema, user, synchronousCommit, connectTimeoutMs, statementTimeoutMs } = postgres
  const password = postgres.password && (await secretOf(postgres.password, env))
  const tls = postgres.tls && { ca: postgres.tls.ca === undefined ? null : readFileSync(postgres.tls.ca, 'utf8') }
  return {
    host,
    port,
    database,
    schema,
    user,
    synchronousCommit,
    connectTimeoutMs,
    statementTimeoutMs,
    // Of this process alone: by it the gate knows its own connections, and its own words.
    applicationName: `ecluse ${settings.instance.node.slice(0, 30)} ${randomBytes(6).toString('hex')}`,
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
  }
}

/** The settings of one of the workers. The console keeps what it prepares in its process, so one of them has it. */
export function settingsOfWorker<T extends { readonly settings: Settings }>(accepted: T, number: number): T {
  const { instance, listeners } = accepted.settings
  const { admin, ...others } = listeners
  return {
    ...accepted,
    settings: {
      ...accepted.settings,
      instance: { ...instance, node: `${instance.node}.${number}`, state: folderOfWorker(instance.state, number) },
      listeners: number === 1 && admin ? { ...others, admin } : others,
    },
  }
}

export function folderOfWorker(state: string, number: number): string {
  return join(state, `worker-${number}`)
}
