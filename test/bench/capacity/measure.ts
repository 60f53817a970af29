/** Measures what capacity is computed from: real PostgreSQL and Redis, a gate of its own process, in one run. */
import { readdirSync, statSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { today } from '../../harness/settings.ts'
import type { Pieces } from '../pieces.ts'
import { cpuMicros, loadProcess, printed } from '../processes.ts'
import type { Stop } from '../subjects.ts'
import { grounds } from '../subjects.ts'
import { SMALL, wishes } from '../traffic.ts'
import type { Figures } from './figures.ts'

const SCHEMA = 'capacity'
/** In one import. */
const AT_ONCE = 100

export async function measure({ permissions, seconds }: { readonly permissions: number; readonly seconds: number }): Promise<Figures> {
  const stops: Stop[] = []
  try {
    const { database, gate: aGate } = await grounds(stops)
    const gate = await aGate(SCHEMA, 1)
    const number = (sql: string): number => Number(database.sql(sql))
    const size = (tables: readonly string[]): number =>
      tables.reduce((sum, table) => sum + number(`SELECT pg_total_relation_size('${SCHEMA}.${table}')`), 0)
    const settle = async (): Promise<void> => {
      await gate.command('audit drain', {})
      database.sql('VACUUM')
    }

    await settle()
    const [emptyRegistry, emptyLog] = [size(REGISTRY), size(EVIDENCE)]
    for (let done = 0; done < permissions; done += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, permissions - done) }, (_, i) => ({
        id: `c-${done + i}`,
        meter: `3${String(done + i).padStart(13, '0')}`,
        from: today(-365),
        until: today(30),
      }))
      await gate.permit(...some)
    }
    await settle()
    // What an import leaves in the log belongs to the permission as well.
    const permissionBytes = (size(REGISTRY) - emptyRegistry + size(EVIDENCE) - emptyLog) / permissions

    await gate.permit(...wishes())
    const load = loadProcess()
    stops.push(() => Promise.resolve(load.end()))
    const target = { port: gate.port, asks: SMALL[0]?.asks ?? [], token: await gate.token() }
    const run = (time: number) => load.order({ is: 'closed', target, connections: 64, seconds: time })
    await run(Math.max(2, seconds / 3))
    await settle()
    const lsn = (): number => number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
    const commits = (): number => number('SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()')
    const entries = (): number => number(`SELECT count(*) FROM ${SCHEMA}.entry`)
    const pid = gate.child.pid ?? 0
    const at = () => ({
      log: size(EVIDENCE),
      tiles: bytesIn(join(gate.state, 'log')),
      wal: lsn(),
      commits: commits(),
      entries: entries(),
      gate: cpuMicros(pid),
      postgres: cpuMicros(database.pid),
    })
    const before = at()
    const told = await run(seconds)
    if (told.failures > 0) throw new Error(`${told.failures} requests failed: the figures would be void`)
    await gate.command('audit drain', {})
    // Before the vacuum, whose own WAL and work belong to no access.
    const used = at()
    await settle()
    const after = at()
    const per = (value: number): number => value / told.requests
    const pieces = await printed<Pieces>('pieces.ts', ['--expose-gc'], ['2000', String(Math.max(5000, Math.round(seconds * 500))), '1000'])
    if (pieces.memory.redisBytes === undefined) throw new Error('redis-server is not installed: scripts/bench-peers installs it')
    return {
      measuredAt: new Date().toISOString().slice(0, 10),
      machine: `${availableParallelism()} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}, shared by gate, PostgreSQL, Redis and load`,
      node: process.versions.node,
      postgres: database.sql('SHOW server_version').split(' ')[0] ?? '',
      permissions,
      accesses: told.requests,
      permissionBytes,
      accessBytes: per(after.log - before.log),
      entriesPerAccess: per(used.entries - before.entries),
      walBytesPerAccess: per(used.wal - before.wal),
      commitsPerAccess: per(used.commits - before.commits),
      tileBytesPerAccess: per(after.tiles - before.tiles),
      gateMicrosPerAccess: per(used.gate - before.gate),
      postgresMicrosPerAccess: per(used.postgres - before.postgres),
      redisPermissionBytes: pieces.memory.redisBytes,
      verifiedEntriesPerSecond: pieces.verifying.perSecond,
    }
  } finally {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
  }
}

const REGISTRY = ['permission', 'act', 'attachment', 'generation', 'subject', 'subject_key', 'holder_right']
const EVIDENCE = ['entry', 'sealed', 'entry_index', 'refused_index', 'delivery', 'tile_hash', 'checkpoint', 'open_intent', 'journal']

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .filter((stats) => stats.isFile())
    .reduce((sum, { size }) => sum + size, 0)
}
