/** What is compared, each a process of its own in front of one data holder, with the same requests. */
import { join } from 'node:path'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, removeFolder } from '../harness/gate.ts'
import type { PostgresServer } from '../harness/postgres.ts'
import { postgresServer, postgresTree } from '../harness/postgres.ts'
import { redisServer } from '../harness/redis.ts'
import type { Tree } from '../harness/settings.ts'
import { permissionTree } from '../harness/settings.ts'
import { peers } from './peers.ts'
import { ended, pinned, started } from './processes.ts'
import type { Traffic } from './traffic.ts'
import { GAS_TOKENS, wishes } from './traffic.ts'

export type SubjectId = 'direct' | 'nginx' | 'nginx-redis' | 'nginx-cache' | 'ordinary' | 'proxy' | 'no-evidence' | 'rows' | 'sealed'
export interface Subject {
  readonly id: SubjectId
  readonly title: string
  readonly port: number
  readonly pid: number
  readonly token: string
  /** Where it can check requests to one data holder alone. */
  readonly only?: Traffic['of']
  /** Process of the Redis that it asks. */
  readonly redis?: number
}

/** Ends a process and removes what it leaves. */
export type Stop = () => Promise<void>

/** @param stops gets what ends it, as soon as there is something to end */
export async function holder(stops: Stop[]): Promise<{ readonly port: number }> {
  const { child, ready } = await started('load', 'holder.ts', [])
  stops.push(() => ended(child))
  return { port: ready['port'] ?? 0 }
}

export interface Subjects {
  /** All that can be compared on this machine, in the order of their rows. */
  readonly all: readonly Subject[]
  /** A line for each that cannot. */
  readonly missing: readonly string[]
}

export async function subjects(holderPort: number, stops: Stop[]): Promise<Subjects> {
  const url = `http://127.0.0.1:${holderPort}`
  const sealed = await gate(url, 'sealed', 'gate, durable evidence, sealing while it serves', [], stops)
  const putOff = ['--import', join(import.meta.dirname, 'defer-sealing.ts')]
  const rows = await gate(url, 'rows', 'gate, durable journal rows, sealing put off', putOff, stops)
  const proxy = await started('subject', 'proxy.ts', [url])
  stops.push(() => ended(proxy.child))
  const imported = JSON.stringify({ permissions: wishes().map(permissionTree) })
  const free = await started('subject', 'gate-without-evidence.ts', [sealed.token, sealed.config], imported, {
    ...process.env,
    ...sealed.env,
  })
  stops.push(() => ended(free.child))
  const others = await peers(url, sealed.token, stops)
  const of = (id: SubjectId, title: string, { child, ready }: Awaited<ReturnType<typeof started>>): Subject => ({
    id,
    title,
    port: ready['port'] ?? 0,
    pid: child.pid ?? 0,
    token: sealed.token,
  })
  const all = [...others.subjects, of('proxy', 'bare undici proxy', proxy), of('no-evidence', 'gate without evidence', free), rows, sealed]
  return { all, missing: others.missing }
}

/** Three data holders, all of them the one of the bench, and no limit that it could come to. */
function settings(url: string, tree: Tree): void {
  const providers = tree['providers'] as Record<string, Tree>
  const called = { url, allow_private: true }
  const secret = { env: 'TEST_ENEDIS_SECRET' }
  const dataConnect = providers['enedis-data-connect'] ?? {}
  const [account] = dataConnect['accounts'] as Tree[]
  tree['providers'] = {
    'enedis-data-connect': {
      ...dataConnect,
      connections: 64,
      max_answer_bytes: 1_073_741_824,
      accounts: [{ ...account, quota: { per_second: 10_000, per_hour: 10_000_000 } }],
    },
    'grdf-adict': {
      ...called,
      connections: 64,
      token_url: `${url}${GAS_TOKENS}`,
      accounts: [{ id: 'grdf-adict', client_id: 'gas', client_secret: secret, quota: { per_second: 10_000, per_day: 10_000_000 } }],
    },
    'enedis-sge': {
      ...called,
      connections: 64,
      accounts: [
        { id: 'enedis-sge', login: 'operateur.sge@example.org', contract: '1234567', quota: { per_second: 10_000, per_hour: 10_000_000 } },
      ],
    },
  }
  ;(tree['evidence'] as Tree)['queue'] = { rows: 100_000, backlog: 10_000_000 }
  for (const purpose of tree['purposes'] as Tree[]) purpose['finest'] = 'PT5M'
  // Ready lines are at this level; a request writes none.
  tree['logging'] = { level: 'info' }
}

async function gate(
  url: string,
  id: SubjectId,
  title: string,
  node: readonly string[],
  stops: Stop[],
): Promise<Subject & Pick<GateProcess, 'config' | 'env'>> {
  const running = await aGateProcess({ holderUrl: url, change: (tree) => settings(url, tree), prefix: pinned('subject'), node })
  stops.push(async () => {
    // Sealing that was put off is nobody's now: its folder goes.
    await running.kill()
    removeFolder(running)
  })
  await running.permit(...wishes())
  const { port, config, env, child } = running
  return { id, title, port, pid: child.pid ?? 0, token: await running.token(), config, env }
}

/** A gate, or several workers, on PostgreSQL and Redis that are started for it; each on a schema of its own. */
export interface Grounds {
  readonly database: PostgresServer
  gate(schema: string, workers: number): Promise<GateProcess>
}

export async function grounds(stops: Stop[]): Promise<Grounds> {
  const database = await postgresServer()
  stops.push(() => database.close())
  await database.start()
  const redis = await redisServer()
  stops.push(() => redis.close())
  const { port } = await holder(stops)
  const holderUrl = `http://127.0.0.1:${port}`
  return {
    database,
    async gate(schema, workers) {
      const running = await aGateProcess({
        holderUrl,
        args: workers === 1 ? [] : ['--workers', String(workers)],
        change(tree) {
          settings(holderUrl, tree)
          tree['storage'] = { postgres: postgresTree(database.port, schema) }
          tree['redis'] = { url: redis.url, gates: workers }
        },
      })
      stops.push(async () => {
        await running.kill()
        removeFolder(running)
      })
      return running
    },
  }
}
