/**
 * A gate in a process that tells, when asked, what it holds: heap after a collection, memory, open handles, requests
 * under way, warnings of Node. `observedGate` starts it; run as a script, this file is that process.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { aGate } from './gate.ts'
import { postgresTree } from './postgres.ts'
import { METER, today } from './settings.ts'

export interface Held {
  /** Of the event loop's thread, after a collection. */
  readonly heapBytes: number
  readonly rssBytes: number
  /** Sockets, servers, timers and ports, by kind. */
  readonly handles: Readonly<Record<string, number>>
  readonly entries: number
  readonly warnings: readonly string[]
  /** Lines of the log at level error or above. */
  readonly complaints: readonly string[]
}

export interface ObservedGate {
  readonly child: ChildProcess
  readonly port: number
  readonly token: string
  readonly state: string
  /** Waits until nothing is under way, then collects and tells. */
  held(): Promise<Held>
  stop(): Promise<void>
}

/** Where it lies, and with whom it shares its state. */
export interface ObservedPlace {
  /** Kept when it stops. */
  readonly folder?: string
  readonly env?: Record<string, string>
  readonly of?: {
    readonly node: string
    readonly postgres: number
    readonly redis: string
    /** Permits what all of them read. */
    readonly first: boolean
  }
}

type Ready = { readonly port: number; readonly token: string; readonly state: string }

/** Curves of {@link METER} are permitted for the last hundred days. `node`: options of the process. */
export async function observedGate(holderUrl: string, node: readonly string[] = [], place: ObservedPlace = {}): Promise<ObservedGate> {
  const child = spawn(process.execPath, ['--expose-gc', ...node, import.meta.filename, holderUrl, JSON.stringify(place)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const next = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`the observed gate ended with ${code}`))
      child.once('exit', onExit)
      child.once('message', (message) => {
        child.off('exit', onExit)
        resolve(message as T)
      })
    })
  const ready = await next<Ready>()
  return {
    child,
    ...ready,
    held() {
      child.send('held')
      return next<Held>()
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.send('stop')
      await ended
    },
  }
}

async function observed(holderUrl: string, { of, ...place }: ObservedPlace): Promise<void> {
  const warnings: string[] = []
  process.on('warning', (warning) => void warnings.push(`${warning.name}: ${warning.message}`))
  const gate = await aGate({
    holderUrl,
    ...place,
    change(tree) {
      if (of) {
        tree['instance'] = { ...(tree['instance'] as object), node: of.node }
        tree['storage'] = { postgres: postgresTree(of.postgres, 'gates') }
        tree['redis'] = { url: of.redis }
      }
      const { accounts } = (tree['providers'] as { 'enedis-data-connect': { accounts: { quota: unknown }[] } })['enedis-data-connect']
      // The moments of an hour's calls are kept for the quota: of a quota that is real, there are few.
      for (const account of accounts) account.quota = { per_second: 10_000, per_hour: 10_000_000 }
      tree['logging'] = { level: 'error' }
    },
  })
  if (of?.first !== false) await gate.permit({ id: 'p1', meter: METER, from: today(-100), until: today(-1) })
  const token = await gate.token()
  async function held(): Promise<Held> {
    const { size } = await quiet()
    // Weak references and finalizers need more than one.
    for (let i = 0; i < 4; i += 1) {
      globalThis.gc?.()
      await sleep(20)
    }
    const handles: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1
    const { heapUsed, rss } = process.memoryUsage()
    const complaints = gate.log.splice(0)
    return { heapBytes: heapUsed, rssBytes: rss, handles, entries: size, warnings, complaints }
  }
  /** Until each intent has its outcome and everything is sealed. */
  async function quiet(): Promise<{ readonly size: number }> {
    for (;;) {
      const metrics = await fetch(`${gate.ops}/metrics`, { headers: { connection: 'close' } }).then((r) => r.text())
      if (/^ecluse_requests_in_flight 0$/m.test(metrics)) break
      await sleep(50)
    }
    return gate.command('audit drain', {})
  }
  process.on('message', (message) => {
    if (message === 'held') void held().then((told) => process.send?.(told))
    else void gate.stop().then(() => process.exit(0))
  })
  process.send?.({ port: gate.port, token, state: gate.state } satisfies Ready)
}

if (import.meta.main) await observed(process.argv[2] ?? '', JSON.parse(process.argv[3] ?? '{}') as ObservedPlace)
