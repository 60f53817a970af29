/** What is compared, each a process of its own in front of one data holder, with the same requests. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { GateProcess } from '../harness/gate.ts'
import { aGateProcess, removeFolder } from '../harness/gate.ts'
import type { Tree } from '../harness/settings.ts'
import { permissionTree } from '../harness/settings.ts'
import { peers } from './peers.ts'
import { pinned, started } from './processes.ts'
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
  stop(): Promise<void>
}

export async function holder(): Promise<{ readonly port: number; readonly pid: number; stop(): Promise<void> }> {
  const { child, ready } = await started('load', 'holder.ts', [])
  return { port: ready['port'] ?? 0, pid: child.pid ?? 0, stop: () => ended(child) }
}

export interface Subjects {
  /** All that can be compared on this machine, in the order of their rows. */
  readonly all: readonly Subject[]
  /** Sentences about those that cannot. */
  readonly missing: readonly string[]
  stop(): Promise<void>
}

export async function subjects(holderPort: number): Promise<Subjects> {
  const url = `http://127.0.0.1:${holderPort}`
  const sealed = await gate(url, 'sealed', 'gate, durable evidence, sealing while it serves', [])
  const rows = await gate(url, 'rows', 'gate, durable journal rows, sealing put off', [
    '--import',
    join(import.meta.dirname, 'defer-sealing.ts'),
  ])
  const proxy = await started('subject', 'proxy.ts', [url])
  const imported = JSON.stringify({ permissions: wishes().map(permissionTree) })
  const free = await started('subject', 'gate-without-evidence.ts', [sealed.token, sealed.config], imported, {
    ...process.env,
    ...sealed.env,
  })
  const others = await peers(url, sealed.token)
  const of = (id: SubjectId, title: string, { child, ready }: Awaited<ReturnType<typeof started>>): Subject => ({
    id,
    title,
    port: ready['port'] ?? 0,
    pid: child.pid ?? 0,
    token: sealed.token,
    stop: () => ended(child),
  })
  const all = [...others.subjects, of('proxy', 'bare undici proxy', proxy), of('no-evidence', 'gate without evidence', free), rows, sealed]
  return {
    all,
    missing: others.missing,
    async stop() {
      for (const subject of all.toReversed()) await subject.stop()
      await others.stop()
    },
  }
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

async function gate(url: string, id: SubjectId, title: string, node: readonly string[]): Promise<Subject & GateProcess> {
  const running = await aGateProcess({ holderUrl: url, change: (tree) => settings(url, tree), prefix: pinned('subject'), node })
  await running.permit(...wishes())
  const token = await running.token()
  return {
    ...running,
    id,
    title,
    token,
    pid: running.child.pid ?? 0,
    async stop() {
      // Sealing that was put off is nobody's now: its folder goes.
      await running.kill()
      removeFolder(running)
      return null
    },
  } as unknown as Subject & GateProcess
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
