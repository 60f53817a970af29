/** Whether the database that the settings name can hold what must be true: reached, durable, no standby, and with the right time. */
import pg from 'pg'
import type { Finding } from './ops/finding.ts'
import { codeOf, fail, ok } from './ops/finding.ts'
import { postgresOf } from './instance.ts'
import type { Environment } from './settings/secret.ts'
import type { Settings } from './settings/shape.ts'
import { clientOptions } from './storage/postgres-thread.ts'

const MOST_APART_MS = 600_000

export async function postgresServer(settings: Settings, env: Environment): Promise<Finding[]> {
  const postgres = await postgresOf(settings, env)
  if (!postgres) return []
  const client = new pg.Client(clientOptions(postgres))
  client.on('error', () => undefined)
  const where = `${postgres.host}:${postgres.port}`
  try {
    await client.connect()
  } catch (error) {
    const why = error instanceof Error && /password|authentication|role|database/.test(error.message) ? error.message : codeOf(error)
    return [fail('postgres', `${where} cannot be reached (${why})`, 'see storage.postgres and the network: without it no request is taken')]
  }
  try {
    const started = performance.now()
    const { rows } = await client.query<Record<string, string | boolean | number>>(
      `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
              pg_is_in_recovery() AS standby, extract(epoch FROM clock_timestamp()) * 1000 AS now`,
    )
    const ms = performance.now() - started
    const row = rows[0] ?? {}
    const apart = Math.abs(Number(row['now']) - Date.now())
    return [
      ...(row['fsync'] !== 'on' || row['pages'] !== 'on'
        ? [fail('postgres', 'fsync or full_page_writes is off: what it acknowledges can be lost', 'set both to on in postgresql.conf')]
        : []),
      ...(row['standby'] === true ? [fail('postgres', `${where} is a standby and takes no writes`, 'name the primary')] : []),
      ...(apart > MOST_APART_MS
        ? [
            fail(
              'postgres',
              `its clock and this machine's are ${Math.round(apart / 1000)} s apart`,
              'set them both: the gate does not start',
            ),
          ]
        : []),
      ok('postgres', `${where} answers in ${ms.toFixed(1)} ms (version ${String(row['version'])})`),
    ]
  } finally {
    await client.end()
  }
}
