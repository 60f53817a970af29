/** A primary and a standby that streams from it, both real; the standby takes its place, and another one follows it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from './fault-proxy.ts'
import { faultProxy } from './fault-proxy.ts'
import type { PostgresServer } from './postgres.ts'
import { baseBackup, postgresServer } from './postgres.ts'

/** Whether a commit waits until the standby has it. */
export type Replication = 'synchronous' | 'asynchronous'

export interface PostgresPair {
  readonly primary: PostgresServer
  readonly standby: PostgresServer | undefined
  /** Over which the standby hears of the primary. */
  readonly stream: FaultProxy
  /** The standby takes writes, whatever the primary does. Gives the server that was the primary; whoever calls ends it. */
  promote(): PostgresServer
  /** A new standby is made from the primary and streams from it. */
  follow(): Promise<void>
  close(): Promise<void>
}

export async function postgresPair(replication: Replication, conf: readonly string[] = []): Promise<PostgresPair> {
  let primary = await postgresServer(conf)
  let standby: PostgresServer | undefined
  await primary.start()
  const stream = await faultProxy({ port: primary.port })
  async function follow(): Promise<void> {
    stream.reset()
    await stream.heal()
    stream.retarget(primary.port)
    const from = `primary_conninfo = 'host=127.0.0.1 port=${stream.port} user=ecluse application_name=standby'`
    standby = await postgresServer([...conf, from], {
      from(to) {
        baseBackup(primary.port, to)
        writeFileSync(join(to, 'standby.signal'), '')
      },
    })
    await standby.start()
    if (replication === 'synchronous') primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    primary.sql('SELECT pg_reload_conf()')
    const state = replication === 'synchronous' ? 'sync' : 'async'
    for (let tried = 0; primary.sql(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = '${state}'`) !== '1'; tried += 1) {
      if (tried > 200) throw new Error('the standby does not stream')
      await sleep(50)
    }
  }
  await follow()
  return {
    get primary() {
      return primary
    },
    get standby() {
      return standby
    },
    stream,
    promote() {
      if (!standby) throw new Error('no standby follows')
      const before = primary
      standby.sql('SELECT pg_promote(true, 30)')
      primary = standby
      standby = undefined
      return before
    },
    follow,
    async close() {
      await standby?.close()
      await primary.close()
      await stream.close()
    },
  }
}
