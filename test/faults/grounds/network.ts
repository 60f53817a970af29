/** PostgreSQL in a network namespace of its own, and a cable from each gate to it that is pulled: no packet comes, no reset either. */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresServer } from '../../harness/postgres.ts'
import type { Ground } from './ground.ts'
import { CONF, LONG_MS, oneOf } from './ground.ts'

/** The number of a cable that no gate has. */
const TRIED = 15
/** Less than a gate waits for anything. */
const SHORT_MS = 700

export function whyNoNamespace(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const name = `ecluse-try-${process.pid}`
  try {
    ip('netns', 'add', name)
    // A cable of its own: the kernel takes it away some time after its namespace, and two of one name cannot be.
    cable(name, TRIED)
    return undefined
  } catch (error) {
    return `no network namespace can be had: ${error instanceof Error ? error.message : 'unknown'}`
  } finally {
    spawnSync('ip', ['netns', 'del', name])
  }
}

export async function network(gates: number): Promise<Ground> {
  const name = `ecluse-${process.pid}`
  ip('netns', 'add', name)
  const { cables, server } = await filled(name, gates).catch((error: unknown) => {
    ip('netns', 'del', name)
    throw error
  })
  server.admit('10.213.0.0/16')
  await server.start()
  const set = (end: string, to: 'up' | 'down'): void => ip('-n', name, 'link', 'set', end, to)
  async function pulled(ends: readonly string[], ms: number): Promise<void> {
    for (const end of ends) set(end, 'down')
    await sleep(ms)
    for (const end of ends) set(end, 'up')
  }
  const all = cables.map(({ end }) => end)
  return {
    server,
    addressOf: (gate) => ({ host: cables[gate]?.address ?? '', port: server.port }),
    async close() {
      await server.close()
      ip('netns', 'del', name)
    },
    breakages: {
      async 'the cable of one gate pulled for less than a timeout'() {
        await pulled([oneOf(all)], SHORT_MS)
      },
      async 'all cables pulled for less than a timeout'() {
        await pulled(all, SHORT_MS)
      },
      async 'the cable of one gate pulled for longer than any timeout'() {
        await pulled([oneOf(all)], LONG_MS)
      },
      async 'all cables pulled for longer than any timeout'() {
        await pulled(all, LONG_MS)
      },
      async 'the cable of one gate loose'() {
        const end = oneOf(all)
        for (let i = 0; i < 6; i += 1) {
          await pulled([end], Math.random() * 400)
          await sleep(Math.random() * 200)
        }
      },
    },
  }
}

async function filled(name: string, gates: number) {
  ip('-n', name, 'link', 'set', 'lo', 'up')
  const cables = Array.from({ length: gates }, (_, i) => cable(name, i))
  const server = await postgresServer([...CONF, "listen_addresses = '*'"], { prefix: ['ip', 'netns', 'exec', name] })
  return { cables, server }
}

/** Both ends are gone with the namespace. */
function cable(namespace: string, i: number): { readonly end: string; readonly address: string } {
  // At most 15 letters.
  const [here, end] = [`ec${process.pid}g${i}`, `ec${process.pid}p${i}`]
  const net = `10.213.${process.pid % 250}`
  const address = `${net}.${i * 4 + 2}`
  ip('link', 'add', here, 'type', 'veth', 'peer', 'name', end, 'netns', namespace)
  ip('addr', 'add', `${net}.${i * 4 + 1}/30`, 'dev', here)
  ip('link', 'set', here, 'up')
  ip('-n', namespace, 'addr', 'add', `${address}/30`, 'dev', end)
  ip('-n', namespace, 'link', 'set', end, 'up')
  return { end, address }
}

function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${error?.message ?? stderr.trim()}`)
}
