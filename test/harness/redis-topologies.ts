/** Redis as it stands in larger houses: behind sentinels, as a cluster, by TLS. Real servers on loopback, one folder each. */
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import type { RedisServer } from './redis.ts'
import { endsWithUs, freePort, listening, redisServer } from './redis.ts'
import { anAdmin, until } from './redis-gates.ts'

/** PEM files, of an authority of the test's own. */
export interface TestCertificates {
  readonly ca: string
  readonly server: { readonly certificate: string; readonly key: string }
  readonly gate: { readonly certificate: string; readonly key: string }
  close(): void
}

export function testCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-redis-ca-'))
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-subj', '/CN=Test authority', '-keyout', at('ca.key'), '-out', at('ca.pem'))
  const made = (name: string, ...more: readonly string[]) => {
    const files = { certificate: at(`${name}.pem`), key: at(`${name}.key`) }
    const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key')]
    openssl('req', '-x509', ...key, ...by, '-subj', `/CN=${name}`, ...more, '-keyout', files.key, '-out', files.certificate)
    return files
  }
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  return {
    ca: at('ca.pem'),
    server: made('server', ...names),
    gate: made('gate', '-addext', 'extendedKeyUsage=clientAuth'),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Arguments of a server that speaks TLS alone on `port`. */
export function tlsArguments({ ca, server }: TestCertificates, port: number, clients: 'yes' | 'no' = 'yes'): string[] {
  const files = ['--tls-cert-file', server.certificate, '--tls-key-file', server.key, '--tls-ca-cert-file', ca]
  return ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', clients, ...files]
}

export const PRIMARY = 'ecluse'
const QUORUM_DOWN_MS = 1000

export interface Sentinels {
  readonly places: readonly string[]
  readonly servers: readonly RedisServer[]
  /** The server that the sentinels name. */
  primary(): Promise<RedisServer>
  close(): Promise<void>
}

export interface SentinelOptions {
  readonly replicas: number
  readonly sentinels: number
  readonly passwords?: { readonly servers: string; readonly sentinels: string }
  readonly tls?: TestCertificates
}

/** One primary, its replicas, and sentinels that agree by majority. */
export async function redisWithSentinels({ replicas, sentinels, passwords, tls }: SentinelOptions): Promise<Sentinels> {
  const secured = (port: number): string[] => [
    ...(passwords ? ['--requirepass', passwords.servers, '--masterauth', passwords.servers] : []),
    ...(tls ? [...tlsArguments(tls, port, 'no'), '--tls-replication', 'yes'] : []),
  ]
  const first = await redisServer(secured)
  const more = Array.from({ length: replicas }, () =>
    redisServer((port) => ['--replicaof', `127.0.0.1 ${first.port}`, '--repl-diskless-sync-delay', '0', ...secured(port)]),
  )
  const servers = [first, ...(await Promise.all(more))]
  const folder = mkdtempSync(join(tmpdir(), 'ecluse-sentinels-'))
  const children: ChildProcess[] = []
  const ports: number[] = []
  for (let i = 0; i < sentinels; i += 1) {
    const port = await freePort()
    const lines = [
      tls ? 'port 0' : `port ${port}`,
      ...(tls ? pairs(tlsArguments(tls, port, 'no').slice(2)) : []),
      'bind 127.0.0.1',
      `dir ${folder}`,
      ...(tls ? ['tls-replication yes'] : []),
      `sentinel monitor ${PRIMARY} 127.0.0.1 ${first.port} ${Math.floor(sentinels / 2) + 1}`,
      `sentinel down-after-milliseconds ${PRIMARY} ${QUORUM_DOWN_MS}`,
      `sentinel failover-timeout ${PRIMARY} 6000`,
      ...(passwords ? [`sentinel auth-pass ${PRIMARY} ${passwords.servers}`, `requirepass ${passwords.sentinels}`] : []),
    ]
    const file = join(folder, `sentinel-${i}.conf`)
    writeFileSync(file, lines.join('\n'))
    const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
    endsWithUs(child)
    children.push(child)
    ports.push(port)
    await listening(port)
  }
  const admin = anAdmin(ports[0] ?? 0, {
    ...(passwords && { password: passwords.sentinels }),
    ...(tls && { tls: { rejectUnauthorized: false } }),
    enableReadyCheck: false,
    maxRetriesPerRequest: 1,
  })
  const about = async (): Promise<Map<string, string>> => {
    const flat = (await admin.call('SENTINEL', 'MASTER', PRIMARY)) as unknown
    const list = Array.isArray(flat) ? (flat as string[]) : Object.entries(flat as Record<string, string>).flat()
    return new Map(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] ?? '', list[2 * i + 1] ?? '']))
  }
  await until(async () => {
    const known = await about()
    return known.get('num-slaves') === String(replicas) && known.get('num-other-sentinels') === String(sentinels - 1)
  }, 15_000)
  return {
    places: ports.map((port) => `127.0.0.1:${port}`),
    servers,
    async primary() {
      const port = Number((await about()).get('port'))
      const found = servers.find((server) => server.port === port)
      if (!found) throw new Error(`the sentinels name port ${port}`)
      return found
    },
    async close() {
      admin.disconnect()
      for (const child of children) {
        const ended = once(child, 'exit')
        if (child.kill('SIGKILL')) await ended
      }
      for (const server of servers) await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function pairs(words: readonly string[]): string[] {
  return words.flatMap((word, i) => (i % 2 === 0 ? [`${word.replace(/^--/, '')} ${words[i + 1]}`] : []))
}

export interface TestCluster {
  readonly places: readonly string[]
  readonly servers: readonly RedisServer[]
  /** One after the other on each of its nodes. */
  onEach<T>(work: (admin: Redis) => Promise<T>): Promise<T[]>
  close(): Promise<void>
}

/** Primaries alone, with the slots shared out by hand. */
export async function redisCluster(size: number, args: readonly string[] = []): Promise<TestCluster> {
  const enabled = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no', ...args]
  const servers = await Promise.all(Array.from({ length: size }, () => redisServer(enabled)))
  const onEach = async <T>(work: (admin: Redis, i: number) => Promise<T>): Promise<T[]> => {
    const done: T[] = []
    for (const [i, { port }] of servers.entries()) {
      const admin = anAdmin(port)
      done.push(await work(admin, i).finally(() => admin.disconnect()))
    }
    return done
  }
  const first = servers[0]?.port ?? 0
  await onEach(async (admin, i) => {
    const [from, until2] = [Math.floor((16_384 * i) / size), Math.floor((16_384 * (i + 1)) / size) - 1]
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(until2))
    if (i > 0) await admin.call('CLUSTER', 'MEET', '127.0.0.1', String(first))
  })
  await onEach((admin) =>
    until(async () => {
      const info = String(await admin.call('CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384')
    }, 15_000),
  )
  return {
    places: servers.map(({ port }) => `127.0.0.1:${port}`),
    servers,
    onEach,
    async close() {
      for (const server of servers) await server.close()
    },
  }
}
